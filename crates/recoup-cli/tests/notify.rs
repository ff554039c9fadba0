//! `recoup notify test`: what is sent, what is answered, and that no secret shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::{Mutex, mpsc};

use recoup_testkit::listener::{Answer, Listener};
use serde_json::json;
use shop::Shop;

fn configured(channels: &str) -> Shop {
    let shop = Shop::new();
    shop.write("recoup.toml", &format!("[plan.shop]\ndatabases = [\"shop.db\"]\n{channels}"));
    shop
}

#[test]
fn every_channel_gets_a_test_message() {
    let server = Listener::answering(200);
    let shop = configured(&format!(
        "[notify.ops]\nntfy_file = \"topic\"\ntoken = \"canary\"\n[notify.hook]\nwebhook = \"{}\"\n",
        server.url("/canary")
    ));
    shop.write("topic", &server.url("/alerts"));
    let told = shop.run("notify test --json").good().json();
    let ok = |name: &str| json!({ "name": name, "ok": true, "error": null });
    assert_eq!(told, json!({ "results": [ok("ops"), ok("hook")] }));
    let heard = server.heard();
    assert_eq!((heard[0].path.as_str(), heard[1].path.as_str()), ("/", "/canary"));
    assert_eq!((&heard[0].json()["topic"], &heard[1].json()["event"]), (&json!("alerts"), &json!("test")));

    let told = shop.run("notify test hook").good();
    assert_eq!((told.out.as_str(), told.err.as_str()), ("✓ hook: ok\n", ""));
    assert_eq!(server.heard().len(), 3);
}

#[test]
fn one_that_fails_does_not_stop_the_others_and_the_exit_code_says_why() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (server, closed) = (Listener::answering(200), Listener::answering(403));
    let shop = configured(&format!(
        "[notify.gone]\nntfy = \"http://{gone}/canary\"\n[notify.ops]\nntfy = \"{}\"\n[notify.closed]\nntfy = \"{}\"\ntoken = \"canary\"\n",
        server.url("/a"),
        closed.url("/canary")
    ));
    let told = shop.run("notify test gone ops --json");
    assert_eq!(told.code, 14, "{}", told.out);
    let results = told.json()["results"].clone();
    assert_eq!((&results[0]["ok"], &results[0]["error"]["code"]), (&json!(false), &json!("unreachable")));
    assert_eq!(results[1]["ok"], true);
    let told = shop.run("notify test");
    assert_eq!(told.code, 12);
    let lines: Vec<&str> = told.out.lines().collect();
    assert!(lines[0].starts_with("✗ gone: failed: Cannot reach 127.0.0.1 ("), "{lines:?}");
    assert_eq!(lines[1], "✓ ops: ok");
    assert_eq!(lines[2], "✗ closed: failed: The server does not let us in (telling closed: status 403)");
    let everything = format!("{}{}{results}{}", told.out, told.err, shop.run("config print --origin").good().out);
    assert!(!everything.contains("canary"), "{everything}");
}

#[test]
fn how_long_is_waited_is_a_setting() {
    // Answers one only when the other has given up.
    let (gave_up, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let server = Listener::new(move |heard| {
        if heard.path == "/hasty" {
            return Answer::Nothing;
        }
        wait.lock().unwrap().recv().unwrap();
        Answer::Status(200)
    });
    let with = |timeout: &str, path: &str| {
        let webhook = server.url(path);
        let server = format!("[server]\noutbound_timeout = \"{timeout}\"\n[notify.hook]\nwebhook = \"{webhook}\"\n");
        configured(&server)
    };
    let (patient, hasty) = (with("300s", "/patient"), with("1s", "/hasty"));
    let begun = patient.command(["notify", "test"]).stdout(Stdio::piped()).spawn().unwrap();
    let told = hasty.run("notify test --json");
    assert_eq!((told.code, &told.json()["results"][0]["error"]["code"]), (14, &json!("timeout")));
    gave_up.send(()).unwrap();
    let ended = begun.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "✓ hook: ok\n");
}

#[test]
fn without_channels_or_with_a_wrong_name_nothing_is_sent() {
    let none = configured("").run("notify test --json");
    assert_eq!((none.code, &none.json()["error"]["code"]), (10, &json!("channel_missing")));
    let server = Listener::answering(200);
    let shop = configured(&format!("[notify.ops]\nntfy = \"{}\"\n", server.url("/a")));
    let told = shop.run("notify test ops opps");
    assert_eq!(told.code, 10);
    assert!(told.err.contains("Channel not found: opps") && told.err.contains("did you mean ops?"), "{}", told.err);
    assert!(server.heard().is_empty());
}
