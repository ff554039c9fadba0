//! Telling people over HTTP: what each kind of channel says on the wire, and that a server which is slow, wrong or hostile
//! costs a bounded time and learns and tells nothing.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use recoup::Error;
use recoup::model::channel::{Channel, Secret, Target};
use recoup::model::job::RunKind;
use recoup::model::notice::{BackupTold, ErrorTold, Event, Notice};
use recoup::model::{Level, Outcome};
use recoup::notify::{send, worth_retrying};
use recoup::outbound::Reach;
use recoup_testkit::listener::{Answer, Heard, Listener};
use serde_json::{Value, json};

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn reach() -> Reach {
    Reach::of_operator(Duration::from_secs(10), vec![])
}

fn notice(event: Event) -> Notice {
    let run = Some(RUN.to_owned());
    Notice { run, host: Some("home".into()), ..Notice::new(event, "shop", "2026-05-01T03:00:00Z".parse().unwrap()) }
}

fn good() -> Notice {
    let backup = BackupTold {
        id: RUN.into(),
        name: "shop-20260501T030000Z-69g5fav.zip".into(),
        bytes: 88_080_384,
        verified: Some(Level::Restore),
        places: vec!["here".into(), "Büro".into()],
        link: Some("https://drive.example/open?id=7".into()),
    };
    let link = Some("https://backup.example/runs/7".to_owned());
    Notice { backup: Some(backup), link, outcome: Some(Outcome::Good), ..notice(Event::Success) }
}

fn failed() -> Notice {
    let error = ErrorTold {
        code: "database_missing".into(),
        message: "Database not found\r\nX-Forged: 1".into(),
        detail: "/srv/\"shop\".db".into(),
        hint: Some("mount the disk".into()),
    };
    let log_tail = "line\n".repeat(5000) + "the end";
    Notice { error: Some(error), outcome: Some(Outcome::Failed), log_tail, ..notice(Event::Failure) }
}

fn ntfy(url: String) -> Channel {
    Channel::new("ops", Target::Ntfy { url: Secret::value(url), token: Some(Secret::value("tk_canary")) })
}

fn webhook(url: String, body: Option<&str>, content_type: &str) -> Channel {
    let target = Target::Webhook {
        url: Secret::value(url),
        method: "POST".into(),
        headers: vec![("X-Key".into(), Secret::value("canary-key"))],
        headers_file: None,
        body: body.map(str::to_owned),
        content_type: content_type.into(),
    };
    Channel::new("hook", target)
}

fn heartbeat(url: String, method: &str) -> Channel {
    Channel::new("monitor", Target::Heartbeat { url: Secret::value(url), method: method.into() })
}

/// A message as ntfy documents it ("Publish as JSON"): to the root, these fields and no other, within its limits.
fn published(heard: &Heard) -> Value {
    let message = heard.json();
    assert_eq!((heard.method.as_str(), heard.path.as_str()), ("POST", "/"));
    assert_eq!(heard.headers["authorization"], "Bearer tk_canary");
    const FIELDS: [&str; 8] = ["topic", "message", "title", "tags", "priority", "actions", "click", "icon"];
    for (field, value) in message.as_object().unwrap() {
        assert!(FIELDS.contains(&field.as_str()), "{field}");
        match field.as_str() {
            "tags" => assert!(value.as_array().unwrap().iter().all(Value::is_string)),
            "priority" => assert!((1..=5).contains(&value.as_i64().unwrap())),
            "actions" => {
                for action in value.as_array().unwrap() {
                    assert_eq!(action["action"], "view");
                    assert!(action["label"].is_string() && action["url"].is_string());
                }
            }
            _ => assert!(value.is_string()),
        }
    }
    assert!(message["message"].as_str().unwrap().len() <= 4096);
    message
}

#[test]
fn ntfy_tells_of_a_good_backup_with_size_places_and_links() {
    let server = Listener::answering(200);
    send(&ntfy(server.url("/alerts")), &good(), &reach()).unwrap();
    let told = published(&server.only());
    assert_eq!(told["topic"], "alerts");
    assert_eq!(told["title"], "home: shop: backup good (84.0 MiB)");
    let text = told["message"].as_str().unwrap();
    assert!(text.contains("84.0 MiB, verified (restore)") && text.contains("In: here, Büro"), "{text}");
    assert_eq!((&told["priority"], &told["tags"]), (&json!(3), &json!(["white_check_mark"])));
    assert_eq!(told["click"], "https://backup.example/runs/7");
    assert_eq!(told["actions"][0]["url"], "https://drive.example/open?id=7");
}

#[test]
fn ntfy_tells_of_a_failure_with_high_priority_and_the_error() {
    let server = Listener::answering(200);
    let long = "ö".repeat(10_000);
    let mut notice = failed();
    notice.error.as_mut().unwrap().detail = long;
    send(&ntfy(server.url("/alerts")), &notice, &reach()).unwrap();
    let told = published(&server.only());
    assert_eq!((&told["priority"], &told["tags"]), (&json!(4), &json!(["rotating_light"])));
    assert_eq!(told["title"], "home: shop: backup failed – Database not found  X-Forged: 1");
    let text = told["message"].as_str().unwrap();
    assert!(text.starts_with("Database not found") && text.ends_with('…'), "{text}");
}

#[test]
fn a_webhook_gets_the_notice_as_json_or_what_its_template_makes_of_it() {
    let server = Listener::answering(204);
    send(&webhook(server.url("/hook?a=b"), None, "application/json"), &failed(), &reach()).unwrap();
    let template = r#"{"text": "{{plan}} {{event}}: {{error}} {{ hint }}", "n": "{{nothing}}"}"#;
    send(&webhook(server.url("/hook"), Some(template), "application/json"), &failed(), &reach()).unwrap();
    send(&webhook(server.url("/hook"), Some("{{plan}}\t\"{{hint}}\""), "text/plain"), &failed(), &reach()).unwrap();
    let heard = server.heard();
    assert_eq!((heard[0].path.as_str(), heard[0].headers["x-key"].as_str()), ("/hook?a=b", "canary-key"));
    let whole = heard[0].json();
    assert_eq!((&whole["event"], &whole["plan"], &whole["run"]), (&json!("failure"), &json!("shop"), &json!(RUN)));
    assert_eq!(whole["error"]["code"], "database_missing");
    assert!(whole["title"].as_str().unwrap().starts_with("✕ home: shop: backup failed"));
    let kept: Notice = serde_json::from_value(whole).unwrap();
    assert_eq!(kept, failed());
    let made = json!({ "text": "shop failure: Database not found\r\nX-Forged: 1 mount the disk", "n": "{{nothing}}" });
    assert_eq!(heard[1].json(), made);
    assert_eq!(
        (heard[2].text(), heard[2].headers["content-type"].as_str()),
        ("shop\t\"mount the disk\"", "text/plain")
    );
}

#[test]
fn a_monitor_hears_of_the_beginning_the_end_and_the_log() {
    let server = Listener::answering(200);
    let channel = heartbeat(server.url("/ping/canary-uuid"), "POST");
    for notice in [notice(Event::Start), good(), failed(), notice(Event::Recovery), notice(Event::Test)] {
        send(&channel, &notice, &reach()).unwrap();
    }
    let quiet = heartbeat(server.url("/ping/canary-uuid?create=1"), "GET");
    send(&quiet, &failed(), &reach()).unwrap();
    let heard = server.heard();
    let paths: Vec<&str> = heard.iter().map(|heard| heard.path.as_str()).collect();
    let rid = "rid=01563e3a-b5d3-d676-4c61-efb99302bd5b";
    let path = |signal: &str| format!("/ping/canary-uuid{signal}?{rid}");
    let quiet = format!("/ping/canary-uuid/fail?create=1&{rid}");
    assert_eq!(paths, [&path("/start"), &path(""), &path("/fail"), &path(""), &path("/log"), &quiet]);
    let log = heard[2].text();
    assert!(log.ends_with("line\nthe end") && log.len() == 10_000, "{}", log.len());
    assert_eq!((heard[5].method.as_str(), heard[5].body.len()), ("GET", 0));
}

#[test]
fn a_push_monitor_of_uptime_kuma_is_known_by_its_address() {
    let server = Listener::answering(200);
    let channel = heartbeat(server.url("/api/push/canary?status=up&msg=OK&ping="), "POST");
    for notice in [notice(Event::Start), good(), failed()] {
        send(&channel, &notice, &reach()).unwrap();
    }
    let paths: Vec<String> = server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(paths.len(), 2);
    assert!(paths[0].starts_with("/api/push/canary?status=up&msg=%E2%9C%93%20home%3A%20shop"), "{}", paths[0]);
    assert!(paths[1].starts_with("/api/push/canary?status=down&msg="), "{}", paths[1]);
}

#[test]
fn apprise_gets_title_body_and_type() {
    let server = Listener::answering(200);
    let target =
        Target::Apprise { url: Secret::value(server.url("/notify/canary-key")), tag: Some("admins".to_owned()) };
    let channel =
        Channel { title: Some("{{plan}}!".into()), text: Some("{{code}}".into()), ..Channel::new("all", target) };
    send(&channel, &failed(), &reach()).unwrap();
    let body =
        json!({ "title": "shop!", "body": "database_missing", "type": "failure", "format": "text", "tag": "admins" });
    assert_eq!(server.only().json(), body);
}

/// Sends a failure to a webhook of a server that answers so; what it ends with must not contain what is secret.
fn refused(server: &Listener) -> Error {
    let channel = webhook(server.url("/canary-path?canary=query"), None, "application/json");
    let error = send(&channel, &failed(), &Reach::of_operator(Duration::from_secs(1), vec![])).unwrap_err();
    no_canary(&error);
    error
}

fn no_canary(error: &Error) {
    let told = format!("{error} {error:?} {error:#?} {} {:?}", error.detail(), error.hint_text());
    assert!(!told.contains("canary"), "{told}");
}

#[test]
fn what_a_server_answers_says_whether_to_try_again_and_is_never_repeated() {
    for (status, code, again) in [
        (500, "told_later", true),
        (503, "told_later", true),
        (429, "told_too_often", true),
        (400, "told_refused", false),
        (401, "told_denied", false),
        (404, "told_gone", false),
        (301, "told_redirected", false),
    ] {
        let answer = format!(
            "HTTP/1.1 {status} canary\r\nlocation: /canary\r\nretry-after: canary\r\ncontent-length: 6\r\n\r\ncanary"
        );
        let server = Listener::new(move |_| Answer::Bytes(answer.clone().into_bytes()));
        let error = refused(&server);
        assert_eq!((error.code(), worth_retrying(&error)), (code, again), "{status}");
        assert_eq!(error.detail(), format!("telling hook: status {status}"));
        assert_eq!(server.heard().len(), 1, "{status}");
    }
}

#[test]
fn a_redirect_to_another_server_is_not_followed() {
    let inside = Listener::answering(200);
    let target = inside.url("/latest/meta-data");
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} Gone\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let server = Listener::new(move |_| Answer::Bytes(answer.clone().into_bytes()));
        assert_eq!(refused(&server).code(), "told_redirected", "{status}");
    }
    assert!(inside.heard().is_empty());
}

#[test]
fn a_server_that_takes_the_connection_and_says_nothing_costs_the_timeout_and_no_more() {
    let silent = Listener::new(|_| Answer::Nothing);
    let error = refused(&silent);
    assert_eq!((error.code(), worth_retrying(&error)), ("timeout", true));
}

#[test]
fn an_answer_of_a_megabyte_or_without_end_does_no_harm() {
    let long = |length: &str, bytes: usize| {
        let mut answer = format!("HTTP/1.1 200 Fine\r\n{length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + bytes, b'x');
        Listener::new(move |_| Answer::Bytes(answer.clone()))
    };
    for server in
        [long("content-length: 1000000", 1_000_000), long("content-length: 1000000", 10), long("x: y", 1_000_000)]
    {
        let channel = webhook(server.url("/"), None, "application/json");
        send(&channel, &good(), &reach()).unwrap();
        assert_eq!(server.heard().len(), 1);
    }
}

#[test]
fn an_answer_that_is_no_http_or_has_headers_without_end_is_an_error_worth_retrying() {
    let mut endless = b"HTTP/1.1 200 Fine\r\n".to_vec();
    endless.extend(b"x-canary: canary\r\n".repeat(100_000));
    for answer in [b"SSH-2.0-canary\r\n".to_vec(), b"HTTP/1.1 canary\r\n\r\n".to_vec(), b"".to_vec(), endless] {
        let server = Listener::new(move |_| Answer::Bytes(answer.clone()));
        let error = refused(&server);
        assert!(worth_retrying(&error), "{error:?}");
    }
}

#[test]
fn nobody_listens_is_worth_retrying_and_a_wrong_channel_is_not() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = send(&ntfy(format!("http://{gone}/canary-topic")), &good(), &reach()).unwrap_err();
    assert_eq!((error.code(), worth_retrying(&error)), ("unreachable", true));
    assert_eq!(error.message(), "Cannot reach 127.0.0.1");
    no_canary(&error);
    let error = send(&ntfy("https://ntfy.sh/canary/".repeat(200)), &good(), &reach()).unwrap_err();
    assert!(!worth_retrying(&error));
    no_canary(&error);
}

#[test]
fn a_channel_of_a_user_does_not_reach_into_the_network() {
    let server = Listener::answering(200);
    let user = Reach::of_users(Duration::from_secs(5), vec![]);
    let port = server.address().port();
    for host in ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "2130706433"] {
        let error = send(&ntfy(format!("http://{host}:{port}/canary")), &good(), &user).unwrap_err();
        assert_eq!((error.code(), worth_retrying(&error)), ("address_not_allowed", false), "{host}");
        no_canary(&error);
    }
    assert!(server.heard().is_empty());
    let listed = Reach::of_users(Duration::from_secs(5), vec!["127.0.0.0/8".parse().unwrap()]);
    send(&ntfy(server.url("/alerts")), &good(), &listed).unwrap();
    assert_eq!(server.heard().len(), 1);
}

#[test]
fn secrets_in_files_are_read_when_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name)
    };
    let server = Listener::answering(200);
    let (url, token) = (file("url", &format!("{}\n", server.url("/alerts"))), file("token", " tk_canary\n"));
    let target = Target::Ntfy { url: Secret::file(url), token: Some(Secret::file(&token)) };
    let channel = Channel::new("ops", target);
    send(&channel, &good(), &reach()).unwrap();
    assert_eq!(published(&server.only())["topic"], "alerts");
    for wrong in ["", "\n", "canary\ncanary"] {
        std::fs::write(&token, wrong).unwrap();
        let error = send(&channel, &good(), &reach()).unwrap_err();
        assert_eq!(error.code(), "bad_secret");
        no_canary(&error);
    }
    std::fs::remove_file(&token).unwrap();
    assert_eq!(send(&channel, &good(), &reach()).unwrap_err().code(), "not_found");

    let Target::Webhook { url, method, headers, body, content_type, .. } =
        webhook(server.url("/"), None, "application/json").target
    else {
        panic!()
    };
    let hook = |lines: &str| {
        let headers_file = Some(file("headers", lines));
        let (url, method, headers) = (url.clone(), method.clone(), headers.clone());
        let (body, content_type) = (body.clone(), content_type.clone());
        let target = Target::Webhook { url, method, headers, headers_file, body, content_type };
        send(&Channel::new("hook", target), &good(), &reach())
    };
    hook("Authorization: Bearer canary\n\nX-Two: 2\n").unwrap();
    assert_eq!(server.heard()[1].headers["authorization"], "Bearer canary");
    for wrong in ["canary", "host: canary", "content-length: 1"] {
        let error = hook(wrong).unwrap_err();
        assert_eq!(error.code(), "bad_header", "{wrong}");
        no_canary(&error);
    }
}

#[test]
fn work_of_every_kind_has_its_word() {
    let titles = [RunKind::Backup, RunKind::Verify, RunKind::Restore, RunKind::Prune]
        .map(|work| Notice { work, host: None, ..notice(Event::Start) }.title());
    assert_eq!(
        titles,
        ["shop: backup started", "shop: verification started", "shop: restore started", "shop: prune started"]
    );
}
