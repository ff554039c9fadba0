//! Work is started once, however often its request is sent.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::io::Write;
use std::net::TcpStream;

use recoup::catalog::Runs;
use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::{Reply, Stand};

const TOML: &str = "
[destination.here]
path = \"backups\"
";

fn shop() -> (Stand, String) {
    let stand = Stand::on(TOML, Options { rate: 0, ..Options::default() }, Bounds::default());
    for name in ["a", "b"] {
        let path = stand.folder.path().join(format!("{name}.db"));
        rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(id)").unwrap();
    }
    let adam = stand.user("adam", Role::Admin);
    let bearer = stand.token(&adam, Scope::Admin);
    for name in ["a", "b"] {
        let body = json!({"name": name, "plan": {"databases": [format!("{name}.db")], "destinations": ["here"]}});
        stand.by(&bearer, "POST", "/api/v1/plans", Some(&body)).is(201);
    }
    (stand, bearer)
}

fn run(stand: &Stand, bearer: &str, plan: &str, key: &str, body: Value) -> Reply {
    let headers = [("Authorization", bearer), ("Idempotency-Key", key)];
    stand.ask("POST", &format!("/api/v1/plans/{plan}/run"), &headers, Some(&body))
}

fn runs(stand: &Stand) -> usize {
    let wanted = Runs { limit: 100, ..Runs::default() };
    stand.runtime.block_on(stand.catalog().runs(&wanted)).unwrap().len()
}

#[test]
fn a_request_that_is_sent_again_gets_the_first_answer_again() {
    let (stand, bearer) = shop();
    let first = run(&stand, &bearer, "a", "k1", json!({})).is(202);
    let again = run(&stand, &bearer, "a", "k1", json!({})).is(202);
    assert_eq!((&first.text, first.header("location")), (&again.text, again.header("location")));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), Some("application/json"));
    assert!(first.header("idempotent-replayed").is_none());
    assert_eq!(runs(&stand), 1);
    // The key belongs to this request and to this caller.
    assert_eq!(run(&stand, &bearer, "a", "k1", json!({"label": "x"})).is(422).code(), "key_reused");
    assert_eq!(run(&stand, &bearer, "b", "k1", json!({})).is(422).code(), "key_reused");
    let bea = stand.token(&stand.user("bea", Role::Admin), Scope::Admin);
    run(&stand, &bea, "b", "k1", json!({})).is(202);
    assert_eq!(runs(&stand), 2);
    // A day later it is another request.
    stand.clock.forward(25);
    let adam = stand.runtime.block_on(stand.catalog().account_named("adam")).unwrap().unwrap();
    let bearer = stand.token(&adam, Scope::Admin);
    assert_eq!(run(&stand, &bearer, "a", "k1", json!({})).is(409).code(), "already_running");
}

#[test]
fn what_was_refused_may_be_tried_again_with_the_same_key() {
    let (stand, bearer) = shop();
    run(&stand, &bearer, "nothing", "k", json!({})).is(404);
    run(&stand, &bearer, "a", "k", json!({"unknown": 1})).is(422);
    run(&stand, &bearer, "a", "k", json!({})).is(202);
    for key in ["", &"x".repeat(256)] {
        let reply = run(&stand, &bearer, "a", key, json!({}));
        assert_eq!(reply.is(400).code(), "bad_key");
    }
    assert_eq!(runs(&stand), 1);
}

#[test]
fn eight_at_once_with_one_key_start_one_run() {
    let (stand, bearer) = shop();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..8).map(|_| scope.spawn(|| run(&stand, &bearer, "a", "k", json!({})))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for reply in &replies {
        assert!(reply.status == 202 || reply.code() == "still_running", "{reply:?}");
    }
    assert!(replies.iter().any(|reply| reply.status == 202));
    assert_eq!(runs(&stand), 1);
}

#[test]
fn a_client_that_lost_its_connection_asks_again_and_one_backup_is_made() {
    let (stand, bearer) = shop();
    for round in 0..20 {
        let key = format!("lost-{round}");
        let request = format!(
            "POST /api/v1/plans/a/run HTTP/1.1\r\nHost: localhost\r\nAuthorization: {bearer}\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        let mut stream = TcpStream::connect(stand.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
        // Whatever became of it: the second time there is an answer, and it is about one run.
        let answer = loop {
            let reply = run(&stand, &bearer, "a", &key, json!({}));
            if reply.status != 409 || reply.code() != "still_running" {
                break reply.is(202).json();
            }
        };
        assert_eq!(runs(&stand), round + 1, "{answer}");
        let id = answer["run"].as_str().unwrap();
        stand.by(&bearer, "POST", &format!("/api/v1/runs/{id}/cancel"), None);
    }
}
