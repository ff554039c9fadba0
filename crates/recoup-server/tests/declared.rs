//! Destinations and channels that are added while the daemon runs, and what a page draws of many days.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::fs;

use std::time::Duration;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;

const TOML: &str = "
[destination.here]
path = \"backups\"
[notify.ops]
ntfy = \"https://ntfy.sh/canary-topic\"
";

fn shop() -> (Stand, String) {
    let stand = Stand::on(TOML, Options { rate: 0, ..Options::default() }, Bounds::default());
    let path = stand.folder.path().join("shop.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(id); INSERT INTO t VALUES (1)").unwrap();
    let bearer = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    (stand, bearer)
}

fn plan(stand: &Stand, bearer: &str, more: Value) {
    let mut body = json!({"databases": ["shop.db"], "destinations": ["here"]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stand.by(bearer, "POST", "/api/v1/plans", Some(&json!({"name": "shop", "plan": body}))).is(201);
}

/// A token of today.
fn adam(stand: &Stand) -> String {
    let account = stand.runtime.block_on(stand.catalog().account_named("adam")).unwrap().unwrap();
    stand.token(&account, Scope::Admin)
}

/// Backs up, and does whatever that starts.
fn back_up(stand: &Stand, bearer: &str) -> String {
    let run = stand.by(bearer, "POST", "/api/v1/plans/shop/run", Some(&json!({}))).is(202).json()["run"].clone();
    while stand.runtime.block_on(stand.app.engine().work("worker")).unwrap().is_some() {}
    run.as_str().unwrap().to_owned()
}

/// Whether a text lies anywhere below the daemon's folder.
fn lies_around(folder: &std::path::Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => lies_around(&path, text),
        false => fs::read(&path).unwrap().windows(text.len()).any(|found| found == text.as_bytes()),
    })
}

#[test]
fn a_destination_is_added_and_used_and_goes_when_nobody_uses_it() {
    let (stand, bearer) = shop();
    let place = stand.folder.path().join("elsewhere");
    let document = json!({"path": place.display().to_string()});
    let made = stand.by(&bearer, "POST", "/api/v1/destinations/disk", Some(&document)).is(201);
    assert_eq!(made.json()["origin"], "catalog");
    assert_eq!(stand.by(&bearer, "POST", "/api/v1/destinations/disk", Some(&document)).is(409).code(), "name_taken");
    assert_eq!(stand.by(&bearer, "POST", "/api/v1/destinations/here", Some(&document)).is(409).code(), "name_taken");
    plan(&stand, &bearer, json!({"destinations": ["here", "disk"]}));
    back_up(&stand, &bearer);
    assert!(place.join("shop").read_dir().unwrap().count() >= 2);
    let names = stand.by(&bearer, "GET", "/api/v1/destinations", None).is(200).json();
    assert!(names["items"].as_array().unwrap().iter().any(|item| item["name"] == "disk"), "{names}");
    let seen = stand.by(&bearer, "GET", "/api/v1/destinations/disk", None).is(200).json();
    assert_eq!(seen["used_by"], json!(["shop"]));
    let used = stand.by(&bearer, "DELETE", "/api/v1/destinations/disk", None).is(409);
    assert_eq!(used.code(), "in_use");
    stand.by(&bearer, "PATCH", "/api/v1/plans/shop", Some(&json!({"destinations": ["here"]}))).is(200);
    stand.by(&bearer, "DELETE", "/api/v1/destinations/disk", None).is(204);
    assert_eq!(stand.by(&bearer, "GET", "/api/v1/destinations/disk", None).is(404).code(), "destination_missing");
    assert!(place.join("shop").read_dir().unwrap().count() >= 2, "what lies there stays");
    // recoup.toml is read-only here.
    let change = json!({"path": "/somewhere/else"});
    assert_eq!(
        stand.by(&bearer, "PATCH", "/api/v1/destinations/here", Some(&change)).is(409).code(),
        "declared_in_file"
    );
}

#[test]
fn credentials_are_kept_sealed_never_shown_and_need_not_be_sent_again() {
    let (stand, bearer) = shop();
    let document = json!({"type": "s3", "bucket": "b", "endpoint": "http://127.0.0.1:1",
        "access_key": "canary-access", "secret_key": "canary-secret"});
    let made = stand.by(&bearer, "POST", "/api/v1/destinations/off", Some(&document)).is(201);
    let tag = made.header("etag").unwrap().to_owned();
    let change = json!({"bucket": "c"});
    let headers = [("Authorization", bearer.as_str()), ("If-Match", tag.as_str())];
    let changed = stand.ask("PATCH", "/api/v1/destinations/off", &headers, Some(&change)).is(200);
    assert_eq!(changed.json()["document"]["bucket"], "c");
    assert_eq!(
        stand.ask("PATCH", "/api/v1/destinations/off", &headers, Some(&change)).is(412).code(),
        "changed_meanwhile"
    );
    let settings = stand.app.engine().settings();
    let found = settings.destinations.iter().find(|known| known.name == "off").unwrap();
    let recoup::model::destination::Address::S3(s3) = &found.address else { panic!("{found:?}") };
    assert_eq!(s3.secret_key.reveal(|_| unreachable!()).unwrap(), "canary-secret");
    let wrong = stand.by(&bearer, "PATCH", "/api/v1/destinations/off", Some(&json!({"bukket": "d"})));
    assert_eq!(wrong.status, 422, "{wrong:?}");
    let bea = stand.token(&stand.user("bea", Role::Viewer), Scope::Admin);
    let seen = stand.by(&bea, "GET", "/api/v1/destinations/off", None).is(200).json();
    assert_eq!(seen["document"], json!({}));
    stand.by(&bea, "POST", "/api/v1/destinations/mine", Some(&document)).is(403);
    let tried =
        stand.by(&bearer, "POST", "/api/v1/destinations/off/try", Some(&json!({"document": {"attempts": 1}}))).is(200);
    assert_eq!(tried.json()["ok"], false);
    let channels = stand.by(&bearer, "GET", "/api/v1/channels", None).is(200);
    let audit = stand.by(&bearer, "GET", "/api/v1/audit", None).is(200);
    for text in [&made.text, &changed.text, &tried.text, &channels.text, &audit.text, &wrong.text] {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(!lies_around(&stand.folder.path().join("data"), "canary"));
}

#[test]
fn a_channel_is_tried_before_it_is_kept() {
    let (stand, bearer) = shop();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let document = json!({"webhook": format!("http://{nobody}/canary")});
    let asked = json!({ "document": document });
    let tried = stand.by(&bearer, "POST", "/api/v1/channels/me/try", Some(&asked)).is(200);
    assert_eq!(tried.json()["ok"], false, "{tried:?}");
    assert!(!tried.text.contains("canary"));
    stand.by(&bearer, "GET", "/api/v1/channels/me", None).is(404);
    stand.by(&bearer, "POST", "/api/v1/channels/me", Some(&document)).is(201);
    assert!(stand.app.engine().settings().channels.iter().any(|channel| channel.name == "me"));
    stand.by(&bearer, "DELETE", "/api/v1/channels/me", None).is(204);
    assert!(!stand.app.engine().settings().channels.iter().any(|channel| channel.name == "me"));
    let wrong = stand.by(&bearer, "POST", "/api/v1/channels/me", Some(&json!({"ntfy": "https://ntfy.sh"})));
    assert_eq!(wrong.status, 422, "{wrong:?}");
}

#[test]
fn another_policy_is_shown_before_it_is_kept_and_changes_nothing() {
    let (stand, bearer) = shop();
    plan(&stand, &bearer, json!({}));
    for _ in 0..6 {
        back_up(&stand, &adam(&stand));
        stand.clock.pass(Duration::from_secs(24 * 3600));
    }
    let bearer = adam(&stand);
    let asked = json!({"retention": {"keep_count": 2, "min_keep": 1}});
    let drawn = stand.by(&bearer, "POST", "/api/v1/plans/shop/retention/draft", Some(&asked)).is(200).json();
    let here = &drawn["destinations"][0];
    assert_eq!((&here["total"], &here["keep"], &here["delete"]), (&json!(6), &json!(2), &json!(4)), "{drawn}");
    assert_eq!(here["in_90_days"], 2);
    let going = |series: &Value| -> Vec<String> {
        let all = series["backups"].as_array().unwrap().iter();
        all.filter(|backup| backup["keep"] == false).map(|backup| backup["id"].as_str().unwrap().to_owned()).collect()
    };
    stand.by(&bearer, "PATCH", "/api/v1/plans/shop", Some(&asked)).is(200);
    let real = stand.by(&bearer, "POST", "/api/v1/plans/shop/retention", Some(&json!({}))).is(200).json();
    assert_eq!(going(here), going(&real["destinations"][0]));
    let nothing = json!({"retention": null});
    let drawn = stand.by(&bearer, "POST", "/api/v1/plans/shop/retention/draft", Some(&nothing)).is(200).json();
    assert_eq!(drawn["destinations"][0]["delete"], 0);
    let wrong =
        stand.by(&bearer, "POST", "/api/v1/plans/shop/retention/draft", Some(&json!({"retention": {"lst": 2}})));
    assert_eq!(wrong.status, 422, "{wrong:?}");
}

#[test]
fn the_calendar_is_of_runs_and_growth_of_what_is_kept() {
    let (stand, bearer) = shop();
    plan(&stand, &bearer, json!({"schedule": {"every": "daily", "at": "03:00", "zone": "UTC"}}));
    let first = stand::start();
    for _ in 0..4 {
        back_up(&stand, &adam(&stand));
        stand.clock.pass(Duration::from_secs(24 * 3600));
    }
    let bearer = adam(&stand);
    let path = "/api/v1/calendar?from=2026-11-20&until=2026-12-10";
    let drawn = stand.by(&bearer, "GET", path, None).is(200).json();
    let days = drawn["days"].as_array().unwrap();
    let dates: Vec<&str> = days.iter().map(|day| day["date"].as_str().unwrap()).collect();
    assert_eq!(dates, ["2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"], "{first}: {drawn}");
    assert!(days.iter().all(|day| day["runs"][0]["outcome"] == "good"), "{drawn}");
    assert_eq!((&drawn["today"], &drawn["zone"]), (&json!("2026-11-25"), &json!("UTC")));
    let planned = drawn["planned"].as_array().unwrap().iter();
    let planned: Vec<&Value> = planned.filter(|day| day["plan"] == "shop").collect();
    assert_eq!((&planned[0]["date"], planned.len()), (&json!("2026-11-26"), 15), "{drawn}");
    let grown = stand.by(&bearer, "GET", "/api/v1/growth", None).is(200).json();
    let here = &grown["items"][0];
    assert_eq!((&here["destination"], here["days"].as_array().unwrap().len()), (&json!("here"), 4), "{grown}");
    assert_eq!(here["days"][3]["backups"], 4);
    assert!(here["bytes_a_day"].as_f64().unwrap() > 0.0 && here["days"][0]["free"].as_i64().unwrap() > 0);
    for bad in ["from=2026-11-20&until=2026-11-19", "from=2020-01-01&until=2026-11-19", "from=x&until=2026-11-19"] {
        let told = stand.by(&bearer, "GET", &format!("/api/v1/calendar?{bad}"), None);
        assert_eq!(told.status, 422, "{told:?}");
    }
    let bea = stand.token(&stand.user("bea", Role::Operator), Scope::Admin);
    assert_eq!(stand.by(&bea, "GET", path, None).is(200).json()["days"], json!([]));
}

#[test]
fn somebody_signs_in_to_drive_from_a_page() {
    let google = recoup_testkit::drive::Google::start();
    let stand = Stand::on(&google.toml("off"), Options { rate: 0, ..Options::default() }, Bounds::default());
    let bearer = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
    let path = "/api/v1/destinations/off/sign-in";
    let stands = |stand: &Stand| stand.by(&bearer, "GET", path, None).is(200).json();
    assert_eq!(stands(&stand)["state"], "signed_out");
    // A person who does not agree.
    google.device_answers(1, false);
    let asked = stand.by(&bearer, "POST", path, None).is(200).json();
    assert_eq!((&asked["state"], &asked["code"]), (&json!("waiting"), &json!("GQVQ-JKEC")), "{asked}");
    let ended = |stand: &Stand| loop {
        let seen = stands(stand);
        if seen["state"] != "waiting" {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let seen = ended(&stand);
    assert!(seen["state"] == "signed_out" && seen["error"].as_str().is_some_and(|text| !text.is_empty()), "{seen}");
    google.device_answers(2, true);
    stand.by(&bearer, "POST", path, None).is(200);
    let seen = ended(&stand);
    assert_eq!(seen["state"], "signed_in", "{seen}");
    stand.by(&bearer, "DELETE", path, None).is(204);
    assert_eq!(stands(&stand)["state"], "signed_out");
    let bea = stand.token(&stand.user("bea", Role::Operator), Scope::Admin);
    stand.by(&bea, "POST", path, None).is(403);
}
