//! The web page as the daemon gives it: HTML for every address that is not the API's, below whatever path it is found
//! under, files that never change, nothing outside of its folder. And the first page's answer: what would be left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use recoup::model::user::{Role, Scope};
use recoup::scheduler::{self, Scheduler};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

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

/// Statements that were sent to the catalog; sqlx tells of each.
static SENT: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl<S: tracing::Subscriber> Layer<S> for Count {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            SENT.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn many_plans_cost_the_first_page_no_more_questions_than_a_few() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Count)).unwrap();
    let stand = Stand::on(
        "[destination.here]\npath = \"here\"\n",
        Options { rate: 0, ..Options::default() },
        Bounds::default(),
    );
    stand.user("admin", Role::Admin);
    let cookie = stand.sign_in("admin");
    let make = |name: String| {
        let plan: Value = serde_json::from_str(&plan(&stand, "[\"here\"]")).unwrap();
        stand.page(&cookie, "POST", "/api/v1/plans", Some(&json!({"name": name, "plan": plan}))).is(201);
        stand.page(&cookie, "POST", &format!("/api/v1/plans/{name}/run"), Some(&json!({}))).is(202);
        let engine = stand.app.engine().clone();
        while stand.runtime.block_on(engine.work("worker")).unwrap().is_some() {}
    };
    let once = |path: &str| {
        // A statement is told of after its last row came.
        std::thread::sleep(Duration::from_millis(300));
        let before = SENT.load(Ordering::SeqCst);
        let reply = stand.page(&cookie, "GET", path, None).is(200);
        std::thread::sleep(Duration::from_millis(300));
        (SENT.load(Ordering::SeqCst) - before, reply.json())
    };
    // A connection that is new, and whatever goes on beside, ask questions of their own now and then.
    let questions = |path: &str| (0..3).map(|_| once(path)).min_by_key(|(sent, _)| *sent).unwrap();
    let paths = ["/api/v1/overview", "/api/v1/health"];
    make("plan-0".into());
    let few = paths.map(|path| questions(path).0);
    for n in 1..20 {
        make(format!("plan-{n}"));
    }
    assert!(few[0] > 5, "they are counted");
    assert_eq!(paths.map(|path| questions(path).0), few);
    let (_, told) = questions("/api/v1/overview");
    // Each has what is its own.
    for card in told["plans"].as_array().unwrap().iter().filter(|card| card["built_in"] == false) {
        assert_eq!((&card["backups"], &card["state"]), (&json!(1), &json!("protected")), "{card:#}");
        assert!(card["latest"]["id"].is_string() && card["bytes"].as_i64().unwrap() > 0, "{card:#}");
    }
}

#[test]
fn everything_is_paused_until_an_end_that_the_server_works_out() {
    let stand = Stand::new();
    let admin = stand.token(&stand.user("admin", Role::Admin), Scope::Admin);
    let olga = stand.token(&stand.user("olga", Role::Operator), Scope::Admin);
    let scheduler = Scheduler::start(stand.app.engine().clone(), scheduler::Options::default());
    let scheduler = stand.runtime.block_on(scheduler).unwrap();
    stand.app.clone().with_scheduler(scheduler.clone());
    let pause = |body: Option<Value>| stand.by(&admin, "POST", "/api/v1/scheduler/pause", body.as_ref());
    let told = || stand.by(&admin, "GET", "/api/v1/overview", None).is(200).json()["paused"].clone();
    assert_eq!(told(), Value::Null);
    // It is noon in UTC, which is the server's zone here.
    for (until, at) in [
        ("1h", "2026-11-21T13:00:00Z"),
        ("tomorrow", "2026-11-22T00:00:00Z"),
        ("2026-11-21T15:30:00+01:00", "2026-11-21T14:30:00Z"),
    ] {
        let answer = pause(Some(json!({"until": until}))).is(200).json();
        assert_eq!((&answer["paused"]["until"], &answer["paused"]["by"]), (&json!(at), &json!("admin")), "{until}");
        assert_eq!(told(), answer["paused"]);
    }
    // What cannot be is refused, with what could be, and changes nothing.
    let before = told();
    for bad in ["2026-11-21T11:59:59Z", "0s", "-1h", "soon", "1 month", ""] {
        let refused = pause(Some(json!({"until": bad}))).is(422).json();
        assert_eq!(refused["code"], "bad_until", "{bad}: {refused:#}");
        assert!(refused["hint"].as_str().unwrap().contains("tomorrow"), "{bad}: {refused:#}");
    }
    pause(Some(json!({"until": 5}))).is(422);
    pause(Some(json!({"for": "1h"}))).is(422);
    assert_eq!(told(), before);
    stand.by(&olga, "POST", "/api/v1/scheduler/pause", Some(&json!({"until": "1h"}))).is(403);
    // The end that was said has come, and nobody did anything.
    stand.clock.pass(Duration::from_secs(9_000));
    assert_eq!(told(), Value::Null);
    // Without an end somebody resumes.
    assert_eq!(pause(None).is(200).json()["paused"]["until"], Value::Null);
    stand.clock.pass(Duration::from_secs(60_000));
    assert!(told().is_object());
    stand.by(&admin, "POST", "/api/v1/scheduler/resume", None).is(200);
    assert_eq!(told(), Value::Null);
    stand.runtime.block_on(scheduler.stop(Duration::from_secs(5)));
}
