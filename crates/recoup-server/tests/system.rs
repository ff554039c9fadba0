//! What the daemon says of itself: facts, self-checks, every setting with where it comes from, and a text to hand on that has no
//! secret in it, whatever was configured and whatever went wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;

const TOML: &str = "format = \"both\"
destinations = [\"here\"]
[server]
roots = [\".\"]
[retention]
preset = \"7-4-12\"
[destination.here]
path = \"backups\"
[destination.far]
type = \"s3\"
bucket = \"shop\"
endpoint = \"http://127.0.0.1:9\"
access_key = \"canary-access\"
secret_key = \"canary-secret\"
attempts = 1
[notify.hook]
webhook = \"http://127.0.0.1:9/canary-path?key=canary-query\"
headers = { authorization = \"canary-header\" }
[plan.held]
databases = [\"shop.db\"]
hooks = { before_backup = [[\"false\", \"canary-argument\"], { http = \"http://127.0.0.1:9/?key=canary-hook\" }] }
[plan.away]
databases = [\"shop.db\"]
destinations = [\"here\", \"far\"]
";

struct Shop {
    stand: Stand,
    admin: String,
}

impl Shop {
    fn new(toml: &str) -> Self {
        let stand = Stand::on(toml, Options { rate: 0, ..Options::default() }, Bounds::default());
        let database = rusqlite::Connection::open(stand.folder.path().join("shop.db")).unwrap();
        database.execute_batch("CREATE TABLE t(id)").unwrap();
        let admin = stand.token(&stand.user("adam", Role::Admin), Scope::Admin);
        Shop { stand, admin }
    }

    fn get(&self, path: &str) -> Value {
        self.stand.by(&self.admin, "GET", &format!("/api/v1{path}"), None).is(200).json()
    }

    fn run(&self, plan: &str) {
        self.stand.by(&self.admin, "POST", &format!("/api/v1/plans/{plan}/run"), Some(&json!({}))).is(202);
        while self.stand.runtime.block_on(self.stand.app.engine().work("worker")).unwrap().is_some() {}
    }
}

fn check<'a>(system: &'a Value, name: &str) -> &'a Value {
    let all = system["checks"].as_array().unwrap();
    all.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{name}: {system:#}"))
}

#[test]
fn the_system_tells_its_version_its_paths_its_room_and_what_is_not_well() {
    let shop = Shop::new(TOML);
    shop.stand.clock.pass(std::time::Duration::from_secs(7200));
    let system = shop.get("/system");
    let folder = shop.stand.folder.path().display().to_string();
    assert_eq!((&system["version"], &system["uptime_seconds"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(7200)));
    assert_eq!(system["started_at"], "2026-11-21T12:00:00Z");
    assert_eq!(system["paths"]["config"], json!(format!("{folder}/recoup.toml")));
    assert_eq!(system["paths"]["data"], json!(format!("{folder}/data")));
    assert!(system["paths"]["catalog"].as_str().unwrap().starts_with(&folder), "{system:#}");
    assert!(system["free_bytes"].as_u64().unwrap() <= system["disk_bytes"].as_u64().unwrap());
    for name in ["catalog", "plans", "destinations", "clock"] {
        assert_eq!(check(&system, name)["ok"], true, "{name}: {system:#}");
    }
    shop.run("away");
    let system = shop.get("/system");
    assert_eq!(
        (&check(&system, "destinations")["ok"], &check(&system, "destinations")["wrong"]),
        (&json!(false), &json!(["far (away)"]))
    );
}

#[test]
fn each_setting_says_where_it_comes_from_and_plans_what_holds_for_them() {
    let shop = Shop::new(TOML);
    let values = shop.get("/settings/values");
    let of = |values: &Value, key: &str| {
        let all = values["items"].as_array().unwrap();
        all.iter().find(|item| item["key"] == key).unwrap_or_else(|| panic!("{key}: {values:#}")).clone()
    };
    assert_eq!(
        of(&values, "format"),
        json!({"key": "format", "value": "both", "origin": "file", "place": "recoup.toml:1"})
    );
    assert_eq!(of(&values, "plan.held.compact")["origin"], "default");
    assert!(!values.to_string().contains("canary"), "{values:#}");
    let defaults = shop.get("/settings/defaults");
    assert_eq!(
        of(&defaults, "retention.preset"),
        json!({"key": "retention.preset", "value": "7-4-12", "origin": "file", "place": "recoup.toml:6"})
    );
    assert_eq!(
        of(&defaults, "test_restore"),
        json!({"key": "test_restore", "value": "7d", "origin": "default", "place": null})
    );
    let bare = Shop::new("").get("/settings/defaults");
    assert_eq!(of(&bare, "retention")["value"], Value::Null);
    assert_eq!(
        of(&bare, "destinations"),
        json!({"key": "destinations", "value": ["./backups"], "origin": "default", "place": null})
    );
}

#[test]
fn the_diagnostics_have_what_helps_and_no_secret() {
    let shop = Shop::new(TOML);
    let channel = json!({"webhook": "http://127.0.0.1:9/canary-added", "headers": {"x-key": "canary-added-header"}});
    shop.stand.by(&shop.admin, "POST", "/api/v1/channels/added", Some(&channel)).is(201);
    shop.run("held");
    shop.run("away");
    let reply = shop.stand.by(&shop.admin, "GET", "/api/v1/diagnostics", None).is(200);
    assert!(reply.header("content-type").unwrap().starts_with("text/plain"));
    assert!(
        reply.header("content-disposition").unwrap().contains("recoup-diagnostics-20261121T120000Z.txt"),
        "{reply:?}"
    );
    for wanted in [
        env!("CARGO_PKG_VERSION"),
        "FAIL destinations: far (away)",
        "format = \"both\"  # recoup.toml:1",
        "backup of held: failed",
        "hook_failed",
        "away at far: 0 copies, last good never, 1 missing",
        "  | ",
    ] {
        assert!(reply.text.contains(wanted), "{wanted}:\n{}", reply.text);
    }
    assert!(!reply.text.contains("canary"), "{}", reply.text);
    let operator = shop.stand.token(&shop.stand.user("olga", Role::Operator), Scope::Admin);
    for path in ["system", "diagnostics", "settings/values"] {
        shop.stand.by(&operator, "GET", &format!("/api/v1/{path}"), None).is(403);
    }
    shop.stand.by(&operator, "GET", "/api/v1/settings/defaults", None).is(200);
}
