//! Set-up, sign-in, sign-out, proof, waits: over real HTTP, with a clock that is moved by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use recoup::clock::Clock;
use recoup::model::user::Role;
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::json;
use stand::{PASSWORD, Stand};

fn minutes(stand: &Stand, minutes: i64) {
    stand.clock.set(stand.clock.now() + jiff::SignedDuration::from_mins(minutes));
}

#[test]
fn the_set_up_code_makes_one_admin_once() {
    let stand = Stand::new();
    let code = stand.runtime.block_on(stand.app.setup_code()).unwrap().unwrap();
    assert_eq!(stand.ask("GET", "/api/v1/setup", &[], None).is(200).json(), json!({"needed": true}));
    let given = |code: &str, password: &str| json!({"code": code, "name": "ada", "password": password});
    let post = |body| stand.ask("POST", "/api/v1/setup", &[], Some(&body));

    assert_eq!(post(given("AAAAA-BBBBB-CCCCC-DDDDD", PASSWORD)).is(403).code(), "wrong_code");
    assert_eq!(post(given(&code, "short")).is(422).code(), "weak_password");
    let made = post(given(&code.to_lowercase(), PASSWORD)).is(201);
    assert_eq!(made.json()["role"], "admin");
    stand.page(&made.cookie(), "GET", "/api/v1/users", None).is(200);

    assert_eq!(post(given(&code, PASSWORD)).is(409).code(), "set_up_already");
    assert_eq!(stand.ask("GET", "/api/v1/setup", &[], None).json(), json!({"needed": false}));
    assert_eq!(stand.runtime.block_on(stand.app.setup_code()).unwrap(), None);
}

#[test]
fn the_set_up_code_of_two_that_come_at_once_serves_one() {
    let stand = Stand::new();
    let code = stand.runtime.block_on(stand.app.setup_code()).unwrap().unwrap();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let ask = |name: &'static str| {
            let body = json!({"code": code, "name": name, "password": PASSWORD});
            let stand = &stand;
            scope.spawn(move || stand.ask("POST", "/api/v1/setup", &[], Some(&body)).status)
        };
        let both = [ask("ada"), ask("eve")];
        both.map(|one| one.join().unwrap()).to_vec()
    });
    assert!(statuses.contains(&201), "{statuses:?}");
    assert_eq!(
        stand.runtime.block_on(stand.catalog().accounts()).unwrap().iter().filter(|a| a.password.is_some()).count(),
        1
    );
}

#[test]
fn nothing_is_set_up_where_nobody_was_given_a_code() {
    let stand = Stand::new();
    for code in ["", "null", "AAAAA-AAAAA-AAAAA-AAAAA"] {
        let body = json!({"code": code, "name": "eve", "password": PASSWORD});
        stand.ask("POST", "/api/v1/setup", &[], Some(&body)).is(403);
    }
}

#[test]
fn a_sign_in_is_a_new_secret_each_time_and_ends_the_one_before() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    let first = stand.sign_in("ada");
    stand.page(&first, "GET", "/api/v1/me", None).is(200);
    let given = json!({"name": "ada", "password": PASSWORD});
    let second = stand.ask("POST", "/api/v1/session", &[("Cookie", &first)], Some(&given)).is(200).cookie();
    assert_ne!(first, second);
    stand.page(&first, "GET", "/api/v1/me", None).is(401);
    stand.page(&second, "GET", "/api/v1/me", None).is(200);

    let over = stand.page(&second, "DELETE", "/api/v1/session", None).is(204);
    assert!(over.header("set-cookie").unwrap().contains("Max-Age=0"));
    stand.page(&second, "GET", "/api/v1/me", None).is(401);
}

#[test]
fn a_cookie_cannot_be_chosen_by_somebody_else() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    // Fixation: a value that was set before the sign-in is not the one after it.
    let given = json!({"name": "ada", "password": PASSWORD});
    let fixed = "recoup-session=chosen";
    let cookie = stand.ask("POST", "/api/v1/session", &[("Cookie", fixed)], Some(&given)).is(200).cookie();
    assert_ne!(cookie, fixed);
    stand.page(fixed, "GET", "/api/v1/me", None).is(401);
    // Tossing: two of one name are nobody's.
    stand.page(&format!("{fixed}; {cookie}"), "GET", "/api/v1/me", None).is(401);
    // What the catalog keeps is not what signs in.
    let kept: String = rusqlite::Connection::open(stand.folder.path().join("data/catalog.db"))
        .unwrap()
        .query_row("SELECT id FROM login", [], |row| row.get(0))
        .unwrap();
    stand.page(&format!("recoup-session={kept}"), "GET", "/api/v1/me", None).is(401);
}

#[test]
fn a_sign_in_ends_after_half_an_hour_unused_and_after_twelve_hours() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    let cookie = stand.sign_in("ada");
    for _ in 0..3 {
        minutes(&stand, 29);
        stand.page(&cookie, "GET", "/api/v1/me", None).is(200);
    }
    minutes(&stand, 31);
    stand.page(&cookie, "GET", "/api/v1/me", None).is(401);

    let cookie = stand.sign_in("ada");
    for _ in 0..29 {
        minutes(&stand, 24);
        stand.page(&cookie, "GET", "/api/v1/me", None).is(200);
    }
    minutes(&stand, 25);
    stand.page(&cookie, "GET", "/api/v1/me", None).is(401);
}

#[test]
fn the_cookie_is_host_only_and_secure_behind_tls_and_has_another_name_without() {
    let plain = Stand::new();
    plain.user("ada", Role::Operator);
    let given = json!({"name": "ada", "password": PASSWORD});
    let set = plain.ask("POST", "/api/v1/session", &[], Some(&given)).is(200);
    let set = set.header("set-cookie").unwrap();
    assert!(set.starts_with("recoup-session=") && !set.contains("Secure"), "{set}");
    for flag in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(set.contains(flag), "{set}");
    }

    let url = Some("https://backup.example.org".to_owned());
    let secure = Stand::with(Options { public_url: url, rate: 0, ..Options::default() }, Bounds::default());
    secure.user("ada", Role::Operator);
    let reply = secure.ask("POST", "/api/v1/session", &[], Some(&given)).is(200);
    let set = reply.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-session=") && set.ends_with("; Secure") && !set.contains("Domain"), "{set}");
    assert!(reply.header("strict-transport-security").is_some());
}

#[test]
fn wrong_passwords_are_slowed_down_alike_for_names_that_nobody_has() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    let attempt = |name: &str, password: &str| {
        stand.ask("POST", "/api/v1/session", &[], Some(&json!({"name": name, "password": password})))
    };
    let mut seen = Vec::new();
    for name in ["ada", "nobody"] {
        let replies: Vec<_> = (0..6).map(|_| attempt(name, "wrong wrong wrong")).collect();
        let shape = |reply: &stand::Reply| {
            let json = reply.json();
            (reply.status, json["code"].clone(), json["title"].clone(), reply.header("retry-after").map(str::to_owned))
        };
        seen.push(replies.iter().map(shape).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    let statuses: Vec<u16> = seen[0].iter().map(|reply| reply.0).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
    assert_eq!(seen[0][5].3.as_deref(), Some("2"));
    // The right password does not help while it waits, and does afterwards.
    attempt("ada", PASSWORD).is(429);
    minutes(&stand, 1);
    attempt("ada", PASSWORD).is(200);
}

#[test]
fn an_address_that_tries_many_names_is_slowed_down_too() {
    let stand = Stand::new();
    let mut statuses = Vec::new();
    for name in 0..22 {
        let body = json!({"name": format!("user{name}"), "password": "x"});
        statuses.push(stand.ask("POST", "/api/v1/session", &[], Some(&body)).status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 20);
    assert_eq!(statuses.last(), Some(&429));
}

#[test]
fn what_cannot_be_taken_back_needs_the_password_again() {
    let stand = Stand::new();
    stand.user("adam", Role::Admin);
    let cookie = stand.sign_in("adam");
    let new = |name: &str| json!({"name": name, "role": "viewer", "password": PASSWORD});
    stand.page(&cookie, "POST", "/api/v1/users", Some(&new("one"))).is(201);
    minutes(&stand, 6);
    let refused = stand.page(&cookie, "POST", "/api/v1/users", Some(&new("two"))).is(403);
    assert_eq!(refused.code(), "proof_needed");
    let wrong = json!({"password": "wrong wrong wrong"});
    assert_eq!(stand.page(&cookie, "POST", "/api/v1/session/proof", Some(&wrong)).is(403).code(), "wrong_password");
    let right = json!({"password": PASSWORD});
    let proven = stand.page(&cookie, "POST", "/api/v1/session/proof", Some(&right)).is(204).cookie();
    stand.page(&cookie, "GET", "/api/v1/me", None).is(401);
    stand.page(&proven, "POST", "/api/v1/users", Some(&new("two"))).is(201);
}

#[test]
fn a_new_password_ends_every_other_sign_in() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    let (here, there) = (stand.sign_in("ada"), stand.sign_in("ada"));
    let change = json!({"old": PASSWORD, "new": "another long password"});
    let kept = stand.page(&here, "POST", "/api/v1/me/password", Some(&change)).is(204).cookie();
    stand.page(&there, "GET", "/api/v1/me", None).is(401);
    stand.page(&here, "GET", "/api/v1/me", None).is(401);
    stand.page(&kept, "GET", "/api/v1/me", None).is(200);
}

#[test]
fn a_cookie_alone_changes_nothing() {
    let stand = Stand::new();
    stand.user("ada", Role::Operator);
    let cookie = stand.sign_in("ada");
    let new = json!({"name": "t", "scope": "read"});
    let post = |headers: &[(&str, &str)]| {
        let mut all = vec![("Cookie", cookie.as_str())];
        all.extend_from_slice(headers);
        stand.ask("POST", "/api/v1/tokens", &all, Some(&new))
    };
    let own = format!("http://{}", stand.address);
    assert_eq!(post(&[]).is(403).code(), "header_needed");
    assert_eq!(post(&[("X-Recoup", "1"), ("Origin", "http://evil.example")]).is(403).code(), "foreign_origin");
    assert_eq!(post(&[("X-Recoup", "1"), ("Origin", "null")]).is(403).code(), "foreign_origin");
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(
            post(&[("X-Recoup", "1"), ("Sec-Fetch-Site", site), ("Origin", &own)]).is(403).code(),
            "foreign_origin"
        );
    }
    post(&[("X-Recoup", "1"), ("Origin", &own)]).is(201);
    post(&[("X-Recoup", "1"), ("Sec-Fetch-Site", "same-origin")]).is(201);
    // No answer ever lets another site read.
    let foreign = stand.ask("GET", "/api/v1/me", &[("Cookie", &cookie), ("Origin", "http://evil.example")], None);
    assert!(foreign.headers.iter().all(|(name, _)| !name.to_lowercase().starts_with("access-control")));
}

#[test]
fn every_sign_in_that_worked_or_did_not_is_in_the_audit_without_the_password() {
    let stand = Stand::new();
    let ada = stand.user("ada", Role::Operator);
    let body = json!({"name": "ada", "password": "canary-password-1"});
    stand.ask("POST", "/api/v1/session", &[], Some(&body)).is(401);
    let body = json!({"name": "canary-password-2", "password": "x"});
    stand.ask("POST", "/api/v1/session", &[], Some(&body)).is(401);
    let cookie = stand.sign_in("ada");
    stand.page(&cookie, "DELETE", "/api/v1/session", None).is(204);
    let links = stand.runtime.block_on(stand.catalog().audit_after(0, 100)).unwrap();
    let seen: Vec<(&str, bool)> = links
        .iter()
        .filter(|link| link.event.event.starts_with("user."))
        .map(|link| (link.event.event.as_str(), link.event.success))
        .collect();
    let expected =
        [("user.login_failed", false), ("user.login_failed", false), ("user.login", true), ("user.logout", true)];
    assert_eq!(seen, expected);
    let text = serde_json::to_string(&links).unwrap();
    assert!(!text.contains("canary") && text.contains("127.0.0.1") && text.contains(&ada.id));
}
