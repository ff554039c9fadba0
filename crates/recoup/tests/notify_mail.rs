//! Telling people by e-mail and over TLS: what another program reads of our mails, every way to encrypt, and servers that
//! refuse, stall or are not who they say.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use recoup::Error;
use recoup::model::channel::{Channel, Secret, Target, Tls};
use recoup::model::notice::{ErrorTold, Event, Notice};
use recoup::notify::{send, worth_retrying};
use recoup::outbound::Reach;
use recoup_testkit::mail_sink::{MailSink, certificates};
use serde_json::json;

fn reach(seconds: u64) -> Reach {
    Reach::of_operator(Duration::from_secs(seconds), vec![])
}

fn channel(port: u16, tls: Tls, password: Option<&str>, ca: Option<&Path>) -> Channel {
    let target = Target::Email {
        host: "localhost".into(),
        port,
        tls,
        user: password.map(|_| "recoup".to_owned()),
        password: password.map(Secret::value),
        from: "Recoup <recoup@example.org>".into(),
        to: vec!["ops@example.org".into(), "Jörg Müller <joerg@example.org>".into()],
    };
    Channel { ca_file: ca.map(Path::to_owned), ..Channel::new("post", target) }
}

fn failed() -> Notice {
    let error = ErrorTold {
        code: "database_missing".into(),
        message: "Datenbank „Läden“ fehlt\r\nBcc: all@example.org\r\n\r\nforged".into(),
        detail: format!("/srv/{}", "ö/".repeat(900)),
        hint: Some(".\r\nQUIT".into()),
    };
    let at = "2026-05-01T03:00:00Z".parse().unwrap();
    let log_tail = ".\n..\nFrom me\n\u{1F600}\n".to_owned();
    let audit_head = Some("1204 3fa9".to_owned());
    Notice { error: Some(error), log_tail, audit_head, ..Notice::new(Event::Failure, "shop", at) }
}

fn no_canary(error: &Error) {
    let told = format!("{error} {error:?} {error:#?} {} {:?}", error.detail(), error.hint_text());
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn a_mail_says_everything_and_forges_nothing() {
    let mut sink = MailSink::start(&[]);
    let channel = channel(sink.port, Tls::None, None, None);
    send(&channel, &failed(), &reach(20)).unwrap();
    let mail = sink.mail();
    assert_eq!(mail["from"], "recoup@example.org");
    assert_eq!(mail["to"], json!(["ops@example.org", "joerg@example.org"]));
    let headers = mail["headers"].as_object().unwrap();
    assert_eq!(headers["subject"], "✕ shop: backup failed – Datenbank „Läden“ fehlt  Bcc: all@example.org    forged");
    assert_eq!(headers["from"], "Recoup <recoup@example.org>");
    assert_eq!(headers["to"], "ops@example.org, Jörg Müller <joerg@example.org>");
    assert_eq!(headers["auto-submitted"], "auto-generated");
    assert_eq!(headers["date"], "Fri, 01 May 2026 03:00:00 +0000");
    let mut names: Vec<&str> = headers.keys().map(String::as_str).collect();
    names.sort_unstable();
    let usual = [
        "auto-submitted",
        "content-transfer-encoding",
        "content-type",
        "date",
        "from",
        "message-id",
        "mime-version",
        "subject",
        "to",
    ];
    assert!(names.iter().all(|name| usual.contains(name)), "{names:?}");
    let body = mail["body"].as_str().unwrap().replace("\r\n", "\n");
    let long = "ö/".repeat(900);
    let expected = format!(
        "Datenbank „Läden“ fehlt  Bcc: all@example.org    forged\nWhy: /srv/{long}\nHint: .  QUIT\n\n\
         The end of the log:\n.\n..\nFrom me\n\u{1F600}\n\n\nAudit log: 1204 3fa9"
    );
    assert_eq!(body.trim_end(), expected);
    // An attempt that is made again is the same mail; another notice is another.
    let id = headers["message-id"].clone();
    send(&channel, &failed(), &reach(20)).unwrap();
    assert_eq!(sink.mail()["headers"]["message-id"], id);
    send(&channel, &Notice { event: Event::Test, ..failed() }, &reach(20)).unwrap();
    assert_ne!(sink.mail()["headers"]["message-id"], id);
}

#[test]
fn a_password_goes_only_through_an_encrypted_connection() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let path = folder.path().to_str().unwrap();
    for (tls, word) in [(Tls::Starttls, "starttls"), (Tls::Implicit, "implicit")] {
        let options = ["--tls", word, "--certificates", path, "--user", "recoup", "--password", "canary-password"];
        let mut sink = MailSink::start(&options);
        send(&channel(sink.port, tls, Some("canary-password"), Some(&ca)), &failed(), &reach(20)).unwrap();
        let mail = sink.mail();
        assert_eq!((&mail["encrypted"], &mail["user"]), (&json!(true), &json!("recoup")), "{word}");

        let wrong = send(&channel(sink.port, tls, Some("canary-wrong"), Some(&ca)), &failed(), &reach(20)).unwrap_err();
        assert_eq!((wrong.code(), worth_retrying(&wrong)), ("told_denied", false), "{word}");
        no_canary(&wrong);
        // Nobody vouches for the certificate.
        let stranger = send(&channel(sink.port, tls, Some("canary"), None), &failed(), &reach(20)).unwrap_err();
        assert_eq!((stranger.code(), worth_retrying(&stranger)), ("tls", true), "{word}: {stranger:?}");
        no_canary(&stranger);
    }
    let mut clear = channel(25, Tls::None, Some("canary"), None);
    if let Target::Email { host, .. } = &mut clear.target {
        *host = "1.1.1.1".into();
    }
    assert_eq!(send(&clear, &failed(), &reach(20)).unwrap_err().message(), "A password is not sent in the clear");
    // Somebody in between who takes STARTTLS away gets nothing.
    let plain = MailSink::start(&["--user", "recoup", "--password", "canary"]);
    let error =
        send(&channel(plain.port, Tls::Starttls, Some("canary"), Some(&ca)), &failed(), &reach(20)).unwrap_err();
    assert_eq!(error.code(), "told_refused");
    no_canary(&error);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let path = folder.path().to_str().unwrap();
    let sink = MailSink::start(&["--tls", "implicit", "--certificates", path]);
    let mut channel = channel(sink.port, Tls::Implicit, None, Some(&ca));
    if let Target::Email { host, .. } = &mut channel.target {
        *host = "127.0.0.2".into();
    }
    // The sink listens on 127.0.0.1 only, so the name is asked of the same server by a forwarder.
    let forwarder = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    if let Target::Email { port, .. } = &mut channel.target {
        *port = forwarder.local_addr().unwrap().port();
    }
    let to = sink.port;
    thread::spawn(move || {
        let (mut near, _) = forwarder.accept().unwrap();
        let mut far = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut back, mut forth) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        thread::spawn(move || drop(std::io::copy(&mut back, &mut forth)));
        drop(std::io::copy(&mut near, &mut far));
    });
    let error = send(&channel, &failed(), &reach(20)).unwrap_err();
    assert_eq!(error.code(), "tls", "{error:?}");
}

#[test]
fn where_a_server_refuses_says_whether_to_try_again() {
    for (fail, code, again) in [
        ("greeting:554", "told_refused", false),
        ("greeting:421", "told_later", true),
        ("ehlo:502", "told_refused", false),
        ("mail:451", "told_later", true),
        ("mail:530", "told_denied", false),
        ("rcpt:550", "told_refused", false),
        ("rcpt:450", "told_later", true),
        ("data:452", "told_later", true),
        ("end:554", "told_refused", false),
        ("end:421", "told_later", true),
    ] {
        let sink = MailSink::start(&["--fail", fail]);
        let error = send(&channel(sink.port, Tls::None, None, None), &failed(), &reach(20)).unwrap_err();
        assert_eq!((error.code(), worth_retrying(&error)), (code, again), "{fail}");
        no_canary(&error);
    }
}

#[test]
fn a_server_that_is_silent_or_talks_without_end_costs_the_timeout_and_no_more() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let error =
        send(&channel(silent.local_addr().unwrap().port(), Tls::None, None, None), &failed(), &reach(1)).unwrap_err();
    assert_eq!((error.code(), worth_retrying(&error)), ("timeout", true));

    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = slow.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        while stream.write_all(b"220-a\r\n").is_ok() {
            thread::sleep(Duration::from_millis(300));
        }
    });
    let error = send(&channel(port, Tls::None, None, None), &failed(), &reach(1)).unwrap_err();
    assert_eq!((error.code(), worth_retrying(&error)), ("timeout", true));
}

#[test]
fn nobody_listens_and_addresses_that_are_none_are_told_apart() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let channel = channel(gone, Tls::None, None, None);
    let error = send(&channel, &failed(), &reach(5)).unwrap_err();
    assert_eq!((error.code(), worth_retrying(&error)), ("unreachable", true));
    for (from, to) in [("a@b@c", "x@example.org"), ("x@example.org", "a@example.org\r\nBcc: b@example.org")] {
        let mut channel = channel.clone();
        if let Target::Email { from: own, to: list, .. } = &mut channel.target {
            (*own, *list) = (from.to_owned(), vec![to.to_owned()]);
        }
        assert_eq!(send(&channel, &failed(), &reach(5)).unwrap_err().code(), "bad_mail");
    }
    let user = Reach::of_users(Duration::from_secs(5), vec![]);
    assert_eq!(send(&channel, &failed(), &user).unwrap_err().code(), "address_not_allowed");
}

#[test]
fn https_with_a_certificate_of_ones_own_works_and_without_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let ca = certificates(folder.path());
    let script = "import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        self.send_response(200); self.send_header('content-length', '0'); self.end_headers()
        print(self.path, body.decode(), flush=True)
server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain('server.pem', 'server.key')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()";
    let mut command = Command::new("python3");
    command.args(["-c", script]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().unwrap();
    let mut said = server.stdout.take().unwrap();
    let mut line = || {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while said.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    };
    let url = format!("https://localhost:{}/canary", line());
    let target = Target::Ntfy { url: Secret::value(url), token: None };
    let mut channel = Channel::new("ops", target);
    let error = send(&channel, &failed(), &reach(20)).unwrap_err();
    assert_eq!(error.code(), "tls", "{error:?}");
    no_canary(&error);
    channel.ca_file = Some(ca);
    send(&channel, &failed(), &reach(20)).unwrap();
    let heard = line();
    assert!(heard.starts_with("/ {") && heard.contains("canary"), "{heard}");
    channel.ca_file = Some(folder.path().join("server.key"));
    assert_eq!(send(&channel, &failed(), &reach(5)).unwrap_err().code(), "bad_certificate");
    server.kill().unwrap();
    server.wait().unwrap();
}
