//! The web page as the daemon gives it: HTML for every address that is not the API's, below whatever path it is found
//! under, files that never change, nothing outside of its folder. And the first page's answer: what would be left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use recoup::model::user::Role;
use recoup_server::Options;
use recoup_server::server::Bounds;
use stand::Stand;

const HTML: (&str, &str) = ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

fn at(url: &str) -> Stand {
    Stand::with(Options { rate: 0, public_url: Some(url.into()), ..Options::default() }, Bounds::default())
}

#[test]
fn every_address_that_is_not_the_apis_gives_the_page_to_a_browser() {
    let stand = Stand::new();
    for path in ["/", "/plans", "/plans/shop/settings", "/runs/01M7", "/no/such/page?x=1"] {
        let reply = stand.ask("GET", path, &[HTML], None).is(200);
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(reply.text.contains("<base href=\"/\""), "{path}");
        assert!(!reply.text.contains(" style=") && !reply.text.contains("<style"), "{path}");
    }
    for path in ["/api", "/api/v1", "/api/v1/nothing", "/assets/gone.js", "/assets/"] {
        stand.ask("GET", path, &[HTML], None).is(404);
    }
    stand.ask("POST", "/plans", &[HTML, ("X-Recoup", "1")], None).is(404);
}

#[test]
fn a_script_that_asks_for_json_is_not_given_a_page() {
    let stand = Stand::new();
    for accept in ["application/json", "*/*", "text/plain"] {
        let reply = stand.ask("GET", "/plans", &[("Accept", accept)], None).is(404);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{accept}");
    }
}

#[test]
fn below_a_path_the_page_says_so_whether_the_proxy_takes_the_path_away_or_not() {
    let stand = at("https://example.org/backup/");
    for path in ["/", "/plans", "/backup", "/backup/", "/backup/plans"] {
        let reply = stand.ask("GET", path, &[HTML], None).is(200);
        assert!(reply.text.contains("<base href=\"/backup/\""), "{path}: {}", reply.text);
    }
    stand.ask("GET", "/backup/healthz", &[], None).is(200);
    stand.ask("GET", "/healthz", &[], None).is(200);
    stand.ask("GET", "/backup/api/v1/nothing", &[HTML], None).is(404);
}

#[test]
fn nothing_of_a_public_address_becomes_markup() {
    let stand = at("https://example.org/a\"><script>");
    let reply = stand.ask("GET", "/", &[HTML], None).is(200);
    assert!(!reply.text.contains("\"><script>"), "{}", reply.text);
}

/// A recoup.toml with one plan that goes to `places`, and what it reads.
fn plan(stand: &Stand, places: &str) -> String {
    let data = stand.folder.path().join("data.txt");
    std::fs::write(&data, "data").unwrap();
    format!("{{\"files\": [{data:?}], \"destinations\": {places}}}")
}

#[test]
fn the_first_page_says_what_would_be_left_without_the_disk() {
    let away = tempfile::tempdir_in("/dev/shm").unwrap();
    let toml = format!("[destination.here]\npath = \"here\"\n[destination.away]\npath = {:?}\n", away.path());
    let stand = Stand::on(&toml, Options { rate: 0, ..Options::default() }, Bounds::default());
    stand.user("admin", Role::Admin);
    let cookie = stand.sign_in("admin");
    let overview = || stand.page(&cookie, "GET", "/api/v1/overview", None).is(200).json();
    let make = |name: &str, places: &str| {
        let body = format!("{{\"name\": \"{name}\", \"plan\": {}}}", plan(&stand, places));
        let body = serde_json::from_str(&body).unwrap();
        stand.page(&cookie, "POST", "/api/v1/plans", Some(&body)).is(201);
    };
    let back_up = |name: &str| {
        stand.page(&cookie, "POST", &format!("/api/v1/plans/{name}/run"), Some(&serde_json::json!({}))).is(202);
        let engine = stand.app.engine().clone();
        while stand.runtime.block_on(engine.work("worker")).unwrap().is_some() {}
    };

    assert_eq!(overview()["recovery"]["state"], "nothing");
    make("kept", "[\"here\", \"away\"]");
    assert_eq!(overview()["recovery"]["state"], "waiting");
    assert_eq!(overview()["counts"]["never_run"], 1);

    back_up("kept");
    let good = overview();
    assert_eq!(good["recovery"]["state"], "good", "{good:#}");
    assert_eq!(good["recovery"]["destination"], "away");
    assert_eq!(good["recovery"]["plan"], "kept");
    assert_eq!(good["counts"]["protected"], 1);
    let card = good["plans"].as_array().unwrap().iter().find(|card| card["name"] == "kept").unwrap();
    let same: Vec<(&str, bool)> = card["destinations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|place| (place["name"].as_str().unwrap(), place["same_disk"].as_bool().unwrap()))
        .collect();
    assert_eq!(same, [("here", true), ("away", false)]);

    // A plan that goes beside the data only.
    make("risky", "[\"here\"]");
    back_up("risky");
    let part = overview();
    assert_eq!(part["recovery"]["state"], "part", "{part:#}");
    assert_eq!(part["recovery"]["lost"], serde_json::json!(["risky"]));
    assert_eq!(part["recovery"]["at"], good["recovery"]["at"]);

    // The copy elsewhere is lost: what verification finds damaged does not count.
    let copies = stand.runtime.block_on(stand.catalog().backups_at("away", None)).unwrap();
    for mut copy in copies {
        copy.damaged = Some("bytes changed".into());
        stand.runtime.block_on(stand.catalog().put_backup(&copy)).unwrap();
    }
    assert_eq!(overview()["recovery"]["state"], "lost");
}

#[test]
fn the_first_page_shows_nobody_elses_plans() {
    let stand = Stand::on(
        "[destination.here]\npath = \"here\"\n",
        Options { rate: 0, ..Options::default() },
        Bounds::default(),
    );
    stand.user("admin", Role::Admin);
    stand.user("guest", Role::Viewer);
    let admin = stand.sign_in("admin");
    let body = format!("{{\"name\": \"secret\", \"plan\": {}}}", plan(&stand, "[\"here\"]"));
    let body = serde_json::from_str(&body).unwrap();
    stand.page(&admin, "POST", "/api/v1/plans", Some(&body)).is(201);
    let guest = stand.sign_in("guest");
    let seen = stand.page(&guest, "GET", "/api/v1/overview", None).is(200);
    assert!(!seen.text.contains("secret"), "{}", seen.text);
    assert_eq!(seen.json()["recovery"]["state"], "nothing");
    stand.ask("GET", "/api/v1/overview", &[], None).is(401);
}
