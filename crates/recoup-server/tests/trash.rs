//! What is deleted waits a day in the trash of its folder, whoever looks sees what is theirs, and it can be put back: then it
//! is listed, proven and restored like before. Over the API, on real stores.
//!
//! Not here: what a crash leaves on the way (`trash_and_holds.rs` of `recoup`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::fs;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::{Reply, Stand};

const TOML: &str = "
[server]
roots = [\".\"]
[destination.here]
path = \"backups\"
[destination.there]
path = \"other\"
[destination.far]
type = \"webdav\"
url = \"http://127.0.0.1:9/\"
";

struct Shop {
    stand: Stand,
    bearer: String,
}

impl Shop {
    /// A plan of an admin with three backups.
    fn new() -> Self {
        let stand = Stand::on(TOML, Options { rate: 0, ..Options::default() }, Bounds::default());
        let database = rusqlite::Connection::open(stand.folder.path().join("shop.db")).unwrap();
        database.execute_batch("CREATE TABLE t(id)").unwrap();
        let adam = stand.user("adam", Role::Admin);
        let bearer = stand.token(&adam, Scope::Admin);
        let plan = json!({"databases": ["shop.db"], "destinations": ["here", "there"], "test_restore": "never"});
        stand.by(&bearer, "POST", "/api/v1/plans", Some(&json!({"name": "shop", "plan": plan}))).is(201);
        let shop = Shop { stand, bearer };
        for row in 1..=3 {
            database.execute_batch(&format!("INSERT INTO t VALUES ({row})")).unwrap();
            shop.stand.clock.forward(1);
            shop.work("/plans/shop/run", &json!({}));
        }
        shop
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.stand.by(&self.bearer, method, &format!("/api/v1{path}"), body)
    }

    fn work(&self, path: &str, body: &Value) -> Value {
        let run = self.ask("POST", path, Some(body)).is(202).json()["run"].as_str().unwrap().to_owned();
        while self.stand.runtime.block_on(self.stand.app.engine().work("worker")).unwrap().is_some() {}
        let run = self.ask("GET", &format!("/runs/{run}"), None).is(200).json();
        assert_eq!(run["outcome"], "good", "{run:#}");
        run
    }

    fn trash(&self) -> Value {
        self.ask("GET", "/trash", None).is(200).json()
    }

    /// Ids, newest first.
    fn listed(&self) -> Vec<String> {
        let list = self.ask("GET", "/backups", None).is(200).json();
        list["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    }

    fn events(&self, name: &str) -> Vec<Value> {
        let all = self.ask("GET", &format!("/audit?event={name}"), None).is(200).json();
        all["items"].as_array().unwrap().clone()
    }
}

#[test]
fn what_was_deleted_is_put_back_and_verifies_and_restores() {
    let shop = Shop::new();
    let before = shop.listed();
    let id = before[1].clone();
    assert_eq!(shop.trash()["items"], json!([]));
    shop.ask("DELETE", &format!("/backups/{id}"), None).is(204);
    assert_eq!(shop.listed(), [before[0].clone(), before[2].clone()]);

    let trash = shop.trash();
    let item = &trash["items"][0];
    assert_eq!(
        (&item["id"], &item["plan"], &item["kind"]),
        (&json!(id), &json!("shop"), &json!("manual")),
        "{trash:#}"
    );
    assert_eq!(item["created_at"], "2026-11-21T14:00:00Z");
    let copies = item["copies"].as_array().unwrap();
    assert_eq!(copies.iter().map(|copy| copy["destination"].as_str().unwrap()).collect::<Vec<_>>(), ["here", "there"]);
    assert_eq!(
        (&copies[0]["deleted_at"], &copies[0]["until"]),
        (&json!("2026-11-21T15:00:00Z"), &json!("2026-11-22T15:00:00Z"))
    );
    assert!(copies[0]["bytes"].as_u64().unwrap() > 100);
    assert_eq!((&trash["failed"], &trash["without"]), (&json!([]), &json!(["far"])));
    assert_eq!(shop.ask("GET", &format!("/backups/{id}"), None).is(404).code(), "backup_missing");

    let back = shop.ask("POST", &format!("/trash/{id}/put-back"), Some(&json!({}))).is(200).json();
    assert_eq!(back, json!({"id": id, "destinations": ["here", "there"], "failed": []}));
    assert_eq!((shop.listed(), shop.trash()["items"].clone()), (before, json!([])));
    let detail = shop.ask("GET", &format!("/backups/{id}"), None).is(200).json();
    assert_eq!((&detail["protected"], detail["copies"].as_array().unwrap().len()), (&json!(true), 2));
    assert_eq!(shop.events("backup.put_back").len(), 2);
    // Once more, it is as it should be.
    let again = shop.ask("POST", &format!("/trash/{id}/put-back"), None).is(200).json();
    assert_eq!(again["destinations"], json!(["here", "there"]));
    assert_eq!(shop.events("backup.put_back").len(), 2);

    shop.work(&format!("/backups/{id}/verify"), &json!({"level": "restore"}));
    // Retention does not take it again.
    shop.ask("PATCH", "/plans/shop", Some(&json!({"retention": {"keep_count": 1}}))).is(200);
    let preview = shop.ask("POST", "/plans/shop/retention", Some(&json!({}))).is(200).json();
    shop.work(&format!("/retention/{}/apply", preview["preview"].as_str().unwrap()), &json!({}));
    assert!(shop.listed().contains(&id));
    let preview = shop.ask("POST", "/restores/preview", Some(&json!({"backup": id}))).is(200).json();
    shop.work("/restores", &json!({"preview": preview["preview"], "confirm": true}));
    let database = rusqlite::Connection::open(shop.stand.folder.path().join("shop.db")).unwrap();
    let rows: i64 = database.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn after_its_day_it_is_gone_and_at_once_means_at_once() {
    let shop = Shop::new();
    let ids = shop.listed();
    shop.ask("DELETE", &format!("/backups/{}?at_once=true", ids[2]), None).is(204);
    assert_eq!(shop.trash()["items"], json!([]));
    shop.ask("DELETE", &format!("/backups/{}", ids[1]), None).is(204);
    shop.stand.clock.forward(23);
    let root = shop.stand.runtime.block_on(shop.stand.catalog().account_named("adam")).unwrap().unwrap();
    let shop = Shop { bearer: shop.stand.token(&root, Scope::Admin), stand: shop.stand };
    let trash = shop.trash();
    assert_eq!(trash["items"].as_array().unwrap().len(), 1);
    shop.stand.clock.forward(2);
    assert_eq!(shop.trash()["items"], json!([]));
    let name = trash["items"][0]["name"].as_str().unwrap();
    for word in [ids[1].as_str(), name, &ids[2], "nothing"] {
        let refused = shop.ask("POST", &format!("/trash/{word}/put-back"), None).is(404).json();
        assert_eq!((&refused["code"], refused["hint"].is_string()), (&json!("trash_missing"), true), "{refused:#}");
    }
}

#[test]
fn pages_of_the_trash_follow_each_other() {
    let shop = Shop::new();
    let ids = shop.listed();
    for id in &ids[1..] {
        shop.stand.clock.forward(1);
        shop.ask("DELETE", &format!("/backups/{id}"), None).is(204);
    }
    let first = shop.ask("GET", "/trash?limit=1", None).is(200).json();
    assert_eq!((first["items"].as_array().unwrap().len(), &first["items"][0]["id"]), (1, &json!(ids[2])));
    let second =
        shop.ask("GET", &format!("/trash?limit=1&cursor={}", first["next"].as_str().unwrap()), None).is(200).json();
    assert_eq!((&second["items"][0]["id"], &second["next"]), (&json!(ids[1]), &Value::Null));
    assert_eq!(shop.ask("GET", "/trash?cursor=x", None).is(422).code(), "bad_cursor");
}

#[test]
fn a_destination_that_cannot_be_looked_at_is_told_and_the_others_are_there() {
    let shop = Shop::new();
    let id = shop.listed().remove(1);
    shop.ask("DELETE", &format!("/backups/{id}"), None).is(204);
    // The disk is gone, its mount point is there.
    let (there, away) = (shop.stand.folder.path().join("other"), shop.stand.folder.path().join("away"));
    fs::rename(&there, &away).unwrap();
    fs::create_dir(&there).unwrap();
    let trash = shop.trash();
    assert_eq!(trash["failed"][0]["destination"], "there", "{trash:#}");
    assert!(trash["failed"][0]["problem"]["title"].as_str().unwrap().len() > 10, "{trash:#}");
    assert_eq!(trash["items"][0]["copies"].as_array().unwrap().len(), 1);
    let back = shop.ask("POST", &format!("/trash/{id}/put-back"), None).is(200).json();
    assert_eq!((&back["destinations"], &back["failed"][0]["destination"]), (&json!(["here"]), &json!("there")));
    // The disk is back, and what waits on it.
    fs::remove_dir(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    let back = shop.ask("POST", &format!("/trash/{id}/put-back"), None).is(200).json();
    assert_eq!((&back["destinations"], &back["failed"]), (&json!(["there"]), &json!([])));
    assert_eq!(shop.ask("GET", &format!("/backups/{id}"), None).is(200).json()["copies"].as_array().unwrap().len(), 2);
}

#[test]
fn somebody_elses_trash_is_not_there_not_even_under_the_same_name() {
    let shop = Shop::new();
    let id = shop.listed().remove(1);
    shop.ask("DELETE", &format!("/backups/{id}"), None).is(204);
    let eve = shop.stand.token(&shop.stand.user("eve", Role::Operator), Scope::Write);
    let as_eve = |method: &str, path: &str, body| shop.stand.by(&eve, method, &format!("/api/v1{path}"), body);
    let put_back = format!("/trash/{id}/put-back");
    let nothing = json!({"items": [], "failed": [], "without": []});
    assert_eq!(as_eve("GET", "/trash", None).is(200).json(), nothing);
    assert_eq!(as_eve("POST", &put_back, None).is(404).code(), "trash_missing");
    // A plan of that name that came later is another one.
    shop.ask("DELETE", "/plans/shop", None).is(204);
    for other in shop.listed() {
        shop.ask("DELETE", &format!("/backups/{other}?at_once=true&force=true"), None).is(204);
    }
    shop.stand.clock.forward(1);
    let plan = json!({"name": "shop", "plan": {"databases": ["shop.db"], "destinations": ["here"]}});
    as_eve("POST", "/plans", Some(&plan)).is(201);
    let listed = as_eve("GET", "/trash", None).is(200).json();
    assert_eq!(listed["items"], json!([]), "{listed:#}");
    assert_eq!(as_eve("POST", &put_back, None).is(404).code(), "trash_missing");
    // Who may only look may look.
    let vera = shop.stand.token(&shop.stand.user("vera", Role::Viewer), Scope::Read);
    shop.stand.by(&vera, "GET", "/api/v1/trash", None).is(200);
    shop.stand.by(&vera, "POST", &format!("/api/v1{put_back}"), None).is(403);
}
