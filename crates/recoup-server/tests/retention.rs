//! What the page shows before retention runs is what retention does: 200 policies made by chance, on a history of real
//! backups that grows and shrinks with them, some protected, some damaged. Over the API, as the page asks.
//!
//! Not here: what each rule means (`retention_rules.rs`, `retention_properties.rs` of `recoup`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::collections::BTreeSet;
use std::fs;

use jiff::SignedDuration;
use recoup::clock::Clock;
use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use recoup_testkit::random::Random;
use serde_json::{Value, json};
use stand::Stand;

const CASES: usize = 200;

struct History {
    stand: Stand,
    random: Random,
    made: u64,
}

impl History {
    fn new() -> Self {
        let toml = "[destination.here]\npath = \"backups\"\n";
        let stand = Stand::on(toml, Options { rate: 0, ..Options::default() }, Bounds::default());
        let path = stand.folder.path().join("shop.db");
        rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE t(id)").unwrap();
        stand.user("adam", Role::Admin);
        let history = History { stand, random: Random(20_261_121), made: 0 };
        let plan = json!({"databases": ["shop.db"], "destinations": ["here"], "test_restore": "never"});
        history.ask("POST", "/plans", &json!({"name": "shop", "plan": plan}), 201);
        history
    }

    /// With a token of today: the clock moves on by years.
    fn ask(&self, method: &str, path: &str, body: &Value, status: u16) -> Value {
        let adam = self.stand.runtime.block_on(self.stand.catalog().account_named("adam")).unwrap().unwrap();
        let bearer = self.stand.token(&adam, Scope::Admin);
        let body = (method != "GET").then_some(body);
        let reply = self.stand.by(&bearer, method, &format!("/api/v1{path}"), body).is(status);
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    }

    /// Asks for work, and does it.
    fn work(&self, path: &str) -> Value {
        let run = self.ask("POST", path, &json!({}), 202)["run"].as_str().unwrap().to_owned();
        while self.stand.runtime.block_on(self.stand.app.engine().work("worker")).unwrap().is_some() {}
        self.ask("GET", &format!("/runs/{run}"), &Value::Null, 200)
    }

    fn keep(&self, retention: &Value) {
        self.ask("PATCH", "/plans/shop", &json!({ "retention": retention }), 200);
    }

    fn backups(&self) -> Vec<Value> {
        let list = self.ask("GET", "/backups?plan=shop&limit=200", &Value::Null, 200);
        list["items"].as_array().unwrap().clone()
    }

    /// Up to three more backups, minutes to weeks after each other.
    fn grow(&mut self) {
        let gap = [600, 7_200, 86_400, 86_400, 9 * 86_400][self.random.below(5) as usize];
        for _ in 0..u64::from(self.made == 0) + self.random.below(4) {
            let wait = 1 + self.random.below(2 * gap);
            self.stand.clock.set(self.stand.clock.now() + SignedDuration::from_secs(wait as i64));
            self.made += 1;
            let path = self.stand.folder.path().join("shop.db");
            let sql = format!("INSERT INTO t VALUES ({})", self.made);
            rusqlite::Connection::open(path).unwrap().execute_batch(&sql).unwrap();
            let run = self.work("/plans/shop/run");
            assert_eq!(run["outcome"], "good", "{run:#}");
            let id = run["result"]["backup"].as_str().unwrap().to_owned();
            if self.random.one_in(9) {
                self.ask("PUT", &format!("/backups/{id}/protection"), &json!({}), 204);
            } else if self.random.one_in(9) {
                self.damage(&id);
            }
        }
    }

    /// Turns a byte of a stored backup around, and has it found out.
    fn damage(&self, id: &str) {
        let end = format!("-{}.zip", id[20..].to_lowercase());
        let folder = self.stand.folder.path().join("backups/shop");
        let file = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let file = file.into_iter().find(|path| path.to_str().unwrap().ends_with(&end)).unwrap();
        let mut bytes = fs::read(&file).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 0xff;
        fs::write(&file, bytes).unwrap();
        self.work(&format!("/backups/{id}/verify"));
    }

    fn policy(&mut self) -> Value {
        let mut policy = json!({ "min_keep": 1 + self.random.below(3) });
        for (key, most) in [
            ("days", 60),
            ("keep_count", 12),
            ("minutely", 40),
            ("hourly", 30),
            ("daily", 14),
            ("weekly", 8),
            ("monthly", 14),
            ("yearly", 4),
        ] {
            if self.random.one_in(3) {
                policy[key] = json!(1 + self.random.below(most));
            }
        }
        if policy.as_object().unwrap().len() == 1 {
            policy["keep_count"] = json!(1);
        }
        let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"];
        policy["zone"] = json!(zones[self.random.below(6) as usize]);
        policy["every_of_recent_days"] = json!(self.random.one_in(2));
        policy
    }
}

fn ids(backups: &[Value], which: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    backups.iter().filter(|one| which(one)).map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn f3_what_a_retention_preview_shows_is_what_happens_and_the_last_verified_backup_stays() {
    let mut history = History::new();
    let (mut removed, mut kept) = (0, 0);
    for case in 0..CASES {
        // While it grows nothing goes.
        history.keep(&Value::Null);
        history.grow();
        let policy = history.policy();
        let before = history.backups();
        let sound = |one: &Value| {
            one["copies"]
                .as_array()
                .unwrap()
                .iter()
                .any(|copy| copy["damaged"].is_null() && !copy["verified"].is_null())
        };
        let newest = before.iter().find(|one| sound(one)).map(|one| one["id"].as_str().unwrap().to_owned());
        // What is shown while somebody types.
        let draft = history.ask("POST", "/plans/shop/retention/draft", &json!({ "retention": policy }), 200);
        history.keep(&policy);
        let preview = history.ask("POST", "/plans/shop/retention", &json!({}), 200);
        let shown = preview["destinations"][0]["backups"].as_array().unwrap();
        let typed = draft["destinations"][0]["backups"].as_array().unwrap();
        assert_eq!(shown, typed, "case {case}: {policy}");
        let (stay, go) = (ids(shown, |one| one["keep"] == true), ids(shown, |one| one["keep"] == false));
        assert_eq!(stay.len() + go.len(), before.len(), "case {case}: every backup is shown");
        let run = history.work(&format!("/retention/{}/apply", preview["preview"].as_str().unwrap()));
        assert_eq!(run["outcome"], "good", "case {case}, {policy}: {run:#}");
        let left = ids(&history.backups(), |_| true);
        assert_eq!(left, stay, "case {case}: {policy}");
        let newest = newest.expect("one is verified");
        assert!(left.contains(&newest), "case {case}: {policy} removed the last verified backup");
        (removed, kept) = (removed + go.len(), kept + stay.len());
    }
    println!("F3 cases={CASES} removed={removed} kept={kept}");
    assert!(removed > CASES / 2 && kept > CASES, "most policies had nothing to decide");
}
