//! The WebDAV destination against Apache: the contracts of destinations and stores, what it leaves on the server, what it
//! says when it is refused. Lines that break and large objects: `http_hardship.rs`.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, WebDav};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::apache::{Apache, PASSWORD};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::faulty::{Asked, Fault, Faulty};

fn fresh_destination() -> Fixture<dyn Destination> {
    let server = Apache::shared();
    let settings = server.settings(&server.fresh(), server.port());
    Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
}

mod destination {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        fresh_destination()
    }
    recoup_testkit::destination_contract!(fresh);
}

/// The same where a proof of the password is wanted.
mod with_digest {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        let server = Apache::with_digest();
        let settings = server.settings(&server.fresh(), server.port());
        Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let destination = fresh_destination();
        Fixture { subject: Arc::new(FilesStore::new(destination.subject.clone())), keep: Box::new(destination.keep) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn address(settings: &mut DestinationSettings) -> &mut WebDav {
    match &mut settings.address {
        Address::WebDav(to) => to,
        _ => panic!("not WebDAV"),
    }
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<()> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(drop)
}

fn get(destination: &dyn Destination, key: &str, from: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, from).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keys(destination: &dyn Destination) -> Vec<String> {
    destination.list("").unwrap().into_iter().map(|object| object.key).collect()
}

/// A proxy in front of a folder that nobody used before.
fn behind(rule: impl FnMut(&Asked) -> Fault + Send + 'static) -> (Arc<Apache>, Faulty, DestinationSettings) {
    let server = Apache::shared();
    let proxy = Faulty::to_port(server.port(), rule);
    let settings = server.settings(&server.fresh(), proxy.port());
    (server, proxy, settings)
}

#[test]
fn an_upload_that_nobody_finished_is_swept_after_a_day_and_never_listed() {
    let server = Apache::shared();
    let path = server.fresh();
    let destination = open(&server.settings(&path, server.port()), true).unwrap();
    put(&*destination, "shop/x", b"x").unwrap();
    let parts = server.on_disk(&path).join(".recoup-parts");
    for (name, hours) in [("young", 23), ("old", 25)] {
        fs::write(parts.join(name), name).unwrap();
        let then = SystemTime::now() - Duration::from_secs(hours * 3600);
        fs::File::options().write(true).open(parts.join(name)).unwrap().set_modified(then).unwrap();
    }
    assert_eq!(keys(&*destination), ["shop/x"]);
    assert_eq!(destination.sweep().unwrap(), [".recoup-parts/old"]);
    assert!(parts.join("young").exists() && !parts.join("old").exists());
}

#[test]
fn removing_what_is_a_folder_removes_nothing() {
    let fixture = fresh_destination();
    put(&*fixture.subject, "shop/x", b"x").unwrap();
    fixture.subject.delete("shop").unwrap();
    assert_eq!(keys(&*fixture.subject), ["shop/x"]);
}

#[test]
fn what_is_on_its_way_has_no_name_that_is_listed_and_the_name_is_given_without_replacing() {
    let (_server, proxy, settings) = behind(|_| Fault::Pass);
    let destination = open(&settings, true).unwrap();
    put(&*destination, "shop/a b+c%20\u{f6}", b"x").unwrap();
    let asked = proxy.asked();
    let puts: Vec<&Asked> = asked.iter().filter(|asked| asked.method == "PUT").collect();
    assert!(!puts.is_empty() && puts.iter().all(|put| put.path.contains("/.recoup-parts/")));
    // The first asks whether we may rename at all, of what is not there.
    let moves: Vec<&Asked> = asked.iter().filter(|asked| asked.method == "MOVE").skip(1).collect();
    assert!(!moves.is_empty());
    for asked in moves {
        let head = asked.head.to_lowercase();
        assert!(head.contains("overwrite: f\r\n"), "{head}");
        assert!(head.contains("/shop/a%20b%2bc%2520%c3%b6\r\n"), "{head}");
    }
    assert_eq!(get(&*destination, "shop/a b+c%20\u{f6}", 0), b"x");
}

#[test]
fn somebody_who_was_faster_is_not_replaced() {
    let server = Apache::shared();
    let path = server.fresh();
    let file = server.on_disk(&path).join("shop/x");
    let late = file.clone();
    let proxy = Faulty::to_port(server.port(), move |asked| {
        if asked.method == "MOVE" && asked.head.contains("/shop/x\r\n") {
            fs::write(&late, "theirs").unwrap();
        }
        Fault::Pass
    });
    let destination = open(&server.settings(&path, proxy.port()), true).unwrap();
    put(&*destination, "shop/first", b"ours").unwrap();
    let error = put(&*destination, "shop/x", b"ours").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite, "{}", error.detail());
    assert_eq!(fs::read(&file).unwrap(), b"theirs");
}

#[test]
fn a_server_that_ignores_ranges_is_read_from_any_offset() {
    let server = Apache::shared();
    let path = server.fresh();
    let direct = open(&server.settings(&path, server.port()), true).unwrap();
    let bytes = noise(1, 100_000);
    put(&*direct, "x", &bytes).unwrap();
    let whole = String::from_utf8_lossy(&[b'x'; 100]).into_owned();
    let proxy = Faulty::to_port(server.port(), move |asked| match asked.method.as_str() {
        "GET" => Fault::Answer(200, String::new(), whole.repeat(1000)),
        _ => Fault::Pass,
    });
    let destination = open(&server.settings(&path, proxy.port()), true).unwrap();
    assert_eq!(get(&*destination, "x", 99_990), vec![b'x'; 10]);
}

#[test]
fn a_server_that_refuses_removal_is_told_as_it_is() {
    let (_server, _proxy, settings) = behind(|asked| match asked.method.as_str() {
        "DELETE" if !asked.path.contains(".recoup-parts") => Fault::Answer(403, String::new(), String::new()),
        _ => Fault::Pass,
    });
    let destination = open(&settings, true).unwrap();
    put(&*destination, "shop/x", b"x").unwrap();
    let error = destination.delete("shop/x").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert_eq!(error.to_string(), "The destination does not let us remove objects");
    assert_eq!(keys(&*destination), ["shop/x"]);
}

#[test]
fn a_wrong_password_is_said_with_a_hint_and_never_shown() {
    let server = Apache::shared();
    let mut settings = server.settings(&server.fresh(), server.port());
    address(&mut settings).password = Some(Secret::value("marker-wrong-77"));
    let error = open(&settings, true).unwrap().list("").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert!(error.hint_text().unwrap().contains("user and password"));
    for shown in [error.detail(), format!("{error:?}"), format!("{settings:?}")] {
        assert!(!shown.contains("marker-wrong") && !shown.contains(PASSWORD), "{shown}");
    }
}

#[test]
fn free_bytes_are_those_that_the_server_tells() {
    let answer = "<multistatus xmlns=\"DAV:\"><response><href>/</href><propstat><prop><quota-available-bytes>4711\
                  </quota-available-bytes></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (_server, _proxy, settings) = behind(|_| Fault::Answer(207, String::new(), answer.to_owned()));
    assert_eq!(open(&settings, true).unwrap().free_bytes().unwrap(), Some(4711));
}

#[test]
fn what_is_no_webdav_says_so() {
    for (status, word) in [(405, "WebDAV"), (301, "leads to another one"), (501, "WebDAV")] {
        let (_server, _proxy, settings) = behind(move |_| Fault::Answer(status, String::new(), String::new()));
        let error = open(&settings, true).unwrap().list("").unwrap_err();
        assert!(error.hint_text().unwrap_or_default().contains(word), "{status}: {}", error.detail());
    }
    let mut settings = behind(|_| Fault::Pass).2;
    for url in ["ftp://host/x", "https://user:marker-in-url@host/x", "https://host/x?y", "nothing"] {
        address(&mut settings).url = url.into();
        let error = open(&settings, true).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{url}");
        assert!(!error.detail().contains("marker"));
    }
}

// --- signing in with a proof of the password ---

#[test]
fn the_password_is_not_told_to_a_server_that_wants_a_proof_of_it() {
    let server = Apache::with_digest();
    let path = server.fresh();
    let proxy = Faulty::to_port(server.port(), |_| Fault::Pass);
    let destination = open(&server.settings(&path, proxy.port()), true).unwrap();
    put(&*destination, "shop/a b", &noise(1, 100_000)).unwrap();
    assert_eq!(get(&*destination, "shop/a b", 99_000).len(), 1000);
    let asked = proxy.asked();
    let signed = asked.iter().filter(|asked| asked.head.to_lowercase().contains("authorization: digest username"));
    assert_eq!(signed.count(), asked.len() - 1, "all but the first question");
    for asked in asked {
        let head = asked.head.to_lowercase();
        assert!(!head.contains("basic") && !head.contains(PASSWORD), "{head}");
    }
    // Not even a wrong one, and it is not tried again and again.
    let mut settings = server.settings(&path, proxy.port());
    address(&mut settings).password = Some(Secret::value("marker-wrong-77"));
    let error = open(&settings, true).unwrap().list("").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"), "{}", error.detail());
    assert_eq!(proxy.asked().len(), 2);
}

#[test]
fn a_challenge_that_became_old_is_answered_anew_wherever_that_happens() {
    let server = Apache::with_digest();
    let path = server.fresh();
    let mut number = 0;
    let nonce = format!("AAAAAAAAAAA={:040}", 0);
    let old = format!(
        "WWW-Authenticate: Digest realm=\"recoup\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\", stale=true\r\n"
    );
    let proxy = Faulty::to_port(server.port(), move |_| {
        number += 1;
        // Apache finds the other nonce too old, too.
        if number % 4 == 0 { Fault::Answer(401, old.clone(), String::new()) } else { Fault::Pass }
    });
    let destination = open(&server.settings(&path, proxy.port()), true).unwrap();
    for i in 0..6 {
        let key = format!("shop/{i}");
        put(&*destination, &key, &noise(i, 50_000)).unwrap();
        assert!(get(&*destination, &key, 0) == noise(i, 50_000));
    }
    assert_eq!(keys(&*destination).len(), 6);
}

/// No server in Debian has it; what it must be is computed here.
#[test]
fn the_first_way_that_we_know_is_taken_of_those_that_are_offered() {
    use recoup_testkit::contract::destination::sha256;
    let offered = "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", \
                   qop=\"auth-int\", algorithm=SHA-256\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\", \
                   qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"o\", Digest realm=\"x\", nonce=\"n\", \
                   algorithm=MD5\r\n";
    let nothing = "<multistatus xmlns=\"DAV:\"></multistatus>";
    let (_server, proxy, settings) = behind(move |asked| {
        let field = |name: &str| {
            let rest = asked.head.split_once(&format!("{name}="))?.1.trim_start_matches('"');
            Some(rest.split(['"', ',', '\r']).next()?.to_owned())
        };
        let right = || {
            let hash = |text: String| sha256(text.as_bytes());
            let secret = hash(format!("backup:x:{PASSWORD}"));
            let what = hash(format!("{}:{}", asked.method, asked.path));
            let response = hash(format!("{secret}:n:{}:{}:auth:{what}", field(", nc")?, field("cnonce")?));
            (response == field("response")? && field("uri")? == asked.path && field("opaque")? == "o").then_some(())
        };
        match right() {
            Some(()) => Fault::Answer(207, String::new(), nothing.to_owned()),
            None => Fault::Answer(401, offered.to_owned(), String::new()),
        }
    });
    let destination = open(&settings, true).unwrap();
    assert_eq!(destination.list("").unwrap(), []);
    assert_eq!(destination.list("a b/").unwrap(), []);
    let heads: Vec<String> = proxy.asked().into_iter().map(|asked| asked.head).collect();
    assert!(heads.len() == 3 && !heads[0].contains("uthorization") && !heads.concat().contains("Basic"), "{heads:?}");
    assert!(heads[1].contains("nc=00000001") && heads[2].contains("nc=00000002"), "{heads:?}");
}
