//! Users, tokens, audit and settings over HTTP: who may, what is shown, what stays.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use recoup::clock::Clock;
use recoup::model::user::{Role, Scope};
use serde_json::{Value, json};
use stand::{PASSWORD, Stand};

#[test]
fn the_last_admin_stays_one_and_may_sign_in() {
    let stand = Stand::new();
    let adam = stand.user("adam", Role::Admin);
    let token = stand.token(&adam, Scope::Admin);
    let path = format!("/api/v1/users/{}", adam.id);
    for change in [json!({"role": "operator"}), json!({"disabled": true}), json!({"role": "viewer", "disabled": true})]
    {
        assert_eq!(stand.by(&token, "PATCH", &path, Some(&change)).is(409).code(), "last_admin");
    }
    stand.user("bea", Role::Admin);
    stand.by(&token, "PATCH", &path, Some(&json!({"role": "operator"}))).is(200);
    // A token is at most what its owner is now.
    assert_eq!(stand.by(&token, "GET", "/api/v1/users", None).is(403).code(), "denied");
    stand.by(&token, "GET", "/api/v1/me", None).is(200);
}

#[test]
fn a_disabled_user_is_out_at_once_with_every_token_and_sign_in() {
    let stand = Stand::new();
    let adam = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    let ada = stand.user("ada", Role::Operator);
    let (token, cookie) = (stand.token(&ada, Scope::Write), stand.sign_in("ada"));
    let path = format!("/api/v1/users/{}", ada.id);
    assert_eq!(stand.by(&adam, "PATCH", &path, Some(&json!({"disabled": true}))).is(200).json()["disabled"], true);
    stand.by(&token, "GET", "/api/v1/me", None).is(401);
    stand.page(&cookie, "GET", "/api/v1/me", None).is(401);
    let again = json!({"name": "ada", "password": PASSWORD});
    assert_eq!(stand.ask("POST", "/api/v1/session", &[], Some(&again)).is(401).code(), "wrong_password");
    stand.by(&adam, "PATCH", &path, Some(&json!({"disabled": false}))).is(200);
    stand.page(&cookie, "GET", "/api/v1/me", None).is(401);
    stand.ask("POST", "/api/v1/session", &[], Some(&again)).is(200);
}

#[test]
fn an_admin_ends_the_sign_ins_of_somebody() {
    let stand = Stand::new();
    let adam = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    let ada = stand.user("ada", Role::Operator);
    let cookies = [stand.sign_in("ada"), stand.sign_in("ada")];
    let ended = stand.by(&adam, "DELETE", &format!("/api/v1/users/{}/sessions", ada.id), None).is(200);
    assert_eq!(ended.json(), json!({"ended": 2}));
    for cookie in cookies {
        stand.page(&cookie, "GET", "/api/v1/me", None).is(401);
    }
}

#[test]
fn a_user_is_made_with_what_was_given_and_nothing_else() {
    let stand = Stand::new();
    let adam = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    let new = |body: Value| stand.by(&adam, "POST", "/api/v1/users", Some(&body));
    let made = new(json!({"name": "ada", "role": "operator", "password": PASSWORD})).is(201).json();
    assert_eq!((&made["name"], &made["role"], &made["password"]), (&json!("ada"), &json!("operator"), &json!(true)));
    assert_eq!(new(json!({"name": "ada", "role": "viewer", "password": PASSWORD})).is(409).code(), "user_exists");
    for body in [
        json!({"name": "eve", "role": "operator", "password": PASSWORD, "id": "x"}),
        json!({"name": "eve", "role": "operator", "password": PASSWORD, "disabled": false}),
        json!({"name": "eve", "role": "root", "password": PASSWORD}),
        json!({"name": "eve", "role": "admin", "password": "short"}),
        json!({"name": "e v e", "role": "admin", "password": PASSWORD}),
        json!({"name": "", "role": "admin", "password": PASSWORD}),
        json!({"name": "e".repeat(65), "role": "admin", "password": PASSWORD}),
        json!({"name": "eve", "role": "admin"}),
    ] {
        new(body).is(422);
    }
    let text = stand.by(&adam, "GET", "/api/v1/users", None).is(200).text;
    assert!(!text.contains("argon2") && !text.contains(PASSWORD), "{text}");
    stand.by(&adam, "GET", "/api/v1/users/nobody", None).is(404);
}

#[test]
fn a_token_is_shown_once_and_does_no_more_than_its_scope() {
    let stand = Stand::new();
    stand.user("adam", Role::Admin);
    let cookie = stand.sign_in("adam");
    let made = |scope: &str| {
        let body = json!({"name": "script", "scope": scope});
        let made = stand.page(&cookie, "POST", "/api/v1/tokens", Some(&body)).is(201).json();
        format!("Bearer {}", made["token"].as_str().unwrap())
    };
    let (read, admin) = (made("read"), made("admin"));
    let listed = stand.page(&cookie, "GET", "/api/v1/tokens", None).is(200);
    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    assert!(!listed.text.contains("rcp_"));
    for file in ["catalog.db", "catalog.db-wal"] {
        let bytes = std::fs::read(stand.folder.path().join("data").join(file)).unwrap_or_default();
        let secret = read.trim_start_matches("Bearer ").as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{file}");
    }

    stand.by(&read, "GET", "/api/v1/me", None).is(200);
    let body = json!({"name": "more", "scope": "read"});
    assert_eq!(stand.by(&read, "POST", "/api/v1/tokens", Some(&body)).is(403).code(), "denied");
    stand.by(&read, "GET", "/api/v1/users", None).is(403);
    stand.by(&read, "PATCH", "/api/v1/settings", Some(&json!({"check_interval_seconds": 5}))).is(403);
    stand.by(&admin, "GET", "/api/v1/users", None).is(200);
    // Its scheme and its prefix are part of it; nothing else of a request carries one.
    let secret = read.trim_start_matches("Bearer ");
    for wrong in [secret.to_owned(), format!("Basic {secret}"), format!("Bearer x{secret}"), "Bearer ".into()] {
        stand.ask("GET", "/api/v1/me", &[("Authorization", &wrong)], None).is(401);
    }
    stand.ask("GET", &format!("/api/v1/me?token={secret}"), &[], None).is(401);
    let twice = [("Authorization", read.as_str()), ("Authorization", admin.as_str())];
    stand.ask("GET", "/api/v1/me", &twice, None).is(401);
}

#[test]
fn a_token_ends_at_its_time_or_when_it_is_removed() {
    let stand = Stand::new();
    let ada = stand.user("ada", Role::Operator);
    let bearer = stand.token(&ada, Scope::Admin);
    let body = json!({"name": "week", "scope": "read", "days": 7});
    let made = stand.by(&bearer, "POST", "/api/v1/tokens", Some(&body)).is(201).json();
    let week = format!("Bearer {}", made["token"].as_str().unwrap());
    for days in [0, 367] {
        let body = json!({"name": "t", "scope": "read", "days": days});
        stand.by(&bearer, "POST", "/api/v1/tokens", Some(&body)).is(422);
    }
    // Somebody else's token is not there for others.
    let eve = stand.token(&stand.user("eve", Role::Operator), Scope::Admin);
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    stand.by(&eve, "DELETE", &path, None).is(404);
    stand.clock.forward(7 * 24 - 1);
    stand.by(&week, "GET", "/api/v1/me", None).is(200);
    stand.clock.forward(1);
    stand.by(&week, "GET", "/api/v1/me", None).is(401);

    let cookie = stand.sign_in("ada");
    stand.page(&cookie, "DELETE", &path, None).is(204);
    stand.page(&cookie, "DELETE", &path, None).is(404);
}

#[test]
fn the_audit_lists_newest_first_page_by_page_and_exports_everything() {
    let stand = Stand::new();
    let adam = stand.user("adam", Role::Admin);
    let token = stand.token(&adam, Scope::Admin);
    for number in 0..25 {
        let body = json!({"name": format!("=user{number}"), "role": "viewer", "password": PASSWORD});
        stand.by(&token, "POST", "/api/v1/users", Some(&body)).is(201);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = stand.by(&token, "GET", &format!("/api/v1/audit?event=user.&limit=10{cursor}"), None).is(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|event| event["seq"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "{seen:?}");
    assert_eq!(stand.by(&token, "GET", "/api/v1/audit/verify", None).is(200).json()["ok"], true);

    let lines = stand.by(&token, "GET", "/api/v1/audit/export", None).is(200);
    assert!(lines.header("content-disposition").unwrap().starts_with("attachment"));
    let events: Vec<Value> = lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().enumerate().all(|(index, event)| event["seq"] == index + 1));
    stand.by(&token, "GET", "/api/v1/audit/export?after=-1", None).is(422);
    let csv = stand.by(&token, "GET", "/api/v1/audit/export?format=csv", None).is(200).text;
    assert_eq!(csv.split("\r\n").count(), events.len() + 2);
    assert!(csv.starts_with("seq,at,event,"));

    // Somebody edits the catalog: the check tells where.
    let database = rusqlite::Connection::open(stand.folder.path().join("data/catalog.db")).unwrap();
    database.execute("UPDATE audit SET success = 0 WHERE seq = ?1", [seen[3]]).unwrap();
    let found = stand.by(&token, "GET", "/api/v1/audit/verify", None).is(200).json();
    assert_eq!((&found["ok"], &found["problems"][0]["code"]), (&json!(false), &json!("audit_changed")));
}

#[test]
fn settings_change_only_for_whoever_read_the_last_version() {
    let stand = Stand::new();
    let adam = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    let read = stand.by(&adam, "GET", "/api/v1/settings", None).is(200);
    assert_eq!(read.json()["outbound_timeout_seconds"], json!({"value": 10, "origin": "default"}));
    let tag = read.header("etag").unwrap().to_owned();
    let patch = |tag: &str, body: Value| {
        stand.ask("PATCH", "/api/v1/settings", &[("Authorization", &adam), ("If-Match", tag)], Some(&body))
    };
    let changed = patch(&tag, json!({"outbound_timeout_seconds": 30})).is(200);
    assert_eq!(changed.json()["outbound_timeout_seconds"], json!({"value": 30, "origin": "catalog"}));
    assert_eq!(patch(&tag, json!({"outbound_timeout_seconds": 40})).is(412).code(), "setting_changed");
    assert_eq!(patch("\"x\"", json!({})).is(412).code(), "no_match");
    patch("*", json!({"outbound_timeout_seconds": 300})).is(200);
    patch("*", json!({"outbound_timeout_seconds": null})).is(200);
    let last = stand.by(&adam, "GET", "/api/v1/settings", None).is(200).json();
    assert_eq!(last["outbound_timeout_seconds"], json!({"value": 10, "origin": "default"}));
    for wrong in [0, 301, -1] {
        patch("*", json!({"outbound_timeout_seconds": wrong})).is(422);
    }
    assert_eq!(stand.clock.now(), stand::start());
}

#[test]
fn what_the_daemon_may_not_be_asked_is_refused_and_remembered() {
    let stand = Stand::new();
    let vera = stand.user("vera", Role::Viewer);
    let token = stand.token(&vera, Scope::Admin);
    for _ in 0..50 {
        stand.by(&token, "GET", "/api/v1/users", None).is(403);
    }
    let denied = || {
        let links = stand.runtime.block_on(stand.catalog().audit_after(0, 1000)).unwrap();
        links.into_iter().filter(|link| link.event.event == "user.denied").collect::<Vec<_>>()
    };
    let first = denied();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].event.user.as_deref(), Some(vera.id.as_str()));
    assert_eq!(first[0].event.details["path"], "/api/v1/users");
    stand.clock.forward(1);
    stand.by(&token, "GET", "/api/v1/users", None).is(403);
    assert_eq!(denied().len(), 2);
}

#[test]
fn metrics_are_for_tokens_unless_they_are_open() {
    let stand = Stand::new();
    stand.ask("GET", "/metrics", &[], None).is(401);
    let adam = stand.token(&stand.user("adam", Role::Admin), Scope::Read);
    let metrics = stand.by(&adam, "GET", "/metrics", None).is(200);
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in ["recoup_build_info{version=", "recoup_queue{state=\"queued\"} 0", "# EOF"] {
        assert!(metrics.text.contains(line), "{}", metrics.text);
    }
    let open = Stand::with(
        recoup_server::Options { open_metrics: true, rate: 0, ..Default::default() },
        recoup_server::server::Bounds::default(),
    );
    open.ask("GET", "/metrics", &[], None).is(200);
}
