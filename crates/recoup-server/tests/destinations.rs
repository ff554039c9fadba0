//! Destinations through the API: how each stands for each plan, copying a backup to one more, taking over what lies there,
//! and the last good backup, which goes by force only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::path::PathBuf;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;

const TOML: &str = "[server]\nroots = [\"app\"]\n[destination.here]\npath = \"backups\"\n[destination.nas]\npath = \"nas\"\nmarker = true\n\
                    [destination.attic]\npath = \"attic\"\n";

struct Shop {
    stand: Stand,
    operator: String,
    admin: String,
}

impl Shop {
    /// A plan that goes here and to a disk that is not mounted.
    fn new() -> Shop {
        let stand = Stand::on(TOML, Options { rate: 0, ..Options::default() }, Bounds::default());
        let app = stand.folder.path().join("app");
        std::fs::create_dir_all(&app).unwrap();
        rusqlite::Connection::open(app.join("shop.db")).unwrap().execute_batch("CREATE TABLE t(id)").unwrap();
        let token = |name: &str, role: Role| stand.token(&stand.user(name, role), Scope::Admin);
        let (operator, admin) = (token("olga", Role::Operator), token("ada", Role::Admin));
        let plan = json!({"databases": ["app/shop.db"], "test_restore": "never",
            "destinations": ["here", {"name": "nas", "retention": {"keep_count": 3}}]});
        let shop = Shop { stand, operator, admin };
        let (nas, away) = shop.nas();
        std::fs::create_dir(&away).unwrap();
        std::fs::write(away.join(".recoup-destination"), "").unwrap();
        // Whoever is no admin makes a plan only where it can be seen that its name is free.
        std::fs::rename(&away, &nas).unwrap();
        shop.by("POST", "/plans", Some(json!({"name": "shop", "plan": plan})), 201);
        std::fs::rename(&nas, &away).unwrap();
        shop
    }

    /// Where the disk is mounted, and where it is otherwise.
    fn nas(&self) -> (PathBuf, PathBuf) {
        let folder = self.stand.folder.path();
        (folder.join("nas"), folder.join("away"))
    }

    fn by(&self, method: &str, path: &str, body: Option<Value>, status: u16) -> Value {
        let reply = self.stand.by(&self.operator, method, &format!("/api/v1{path}"), body.as_ref()).is(status);
        if reply.text.is_empty() { Value::Null } else { reply.json() }
    }

    /// Does what is due.
    fn work(&self) {
        while self.stand.runtime.block_on(self.stand.app.engine().work("worker")).unwrap().is_some() {}
    }

    fn back_up(&self) -> String {
        self.stand.clock.pass(std::time::Duration::from_secs(5));
        let run = self.by("POST", "/plans/shop/run", None, 202)["run"].as_str().unwrap().to_owned();
        self.work();
        let run = self.by("GET", &format!("/runs/{run}"), None, 200);
        run["result"]["backup"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
    }
}

#[test]
fn a_plan_and_the_list_of_destinations_tell_what_is_missing_where_and_why() {
    let shop = Shop::new();
    let backup = shop.back_up();
    let status = shop.by("GET", "/plans/shop/status", None, 200);
    let [here, nas] = [&status["destinations"][0], &status["destinations"][1]];
    assert_eq!((&here["destination"], &here["missing"], &here["error"]), (&json!("here"), &json!([]), &Value::Null));
    assert!(here["last_good"].is_string() && here["last_stored"].is_string());
    assert_eq!((&nas["destination"], &nas["missing"], &nas["copies"]), (&json!("nas"), &json!([backup]), &json!(0)));
    assert_eq!(nas["error"]["code"], "destination_missing");
    assert!(nas["next_try"].is_string());
    let all = shop.by("GET", "/destinations", None, 200);
    let of = |name: &str| all["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone();
    assert_eq!((&of("nas")["plans"][0], of("attic")["plans"].as_array().unwrap().len()), (nas, 0));
    let other = shop.stand.token(&shop.stand.user("otto", Role::Operator), Scope::Read);
    let theirs = shop.stand.by(&other, "GET", "/api/v1/destinations", None).is(200).json();
    assert!(
        theirs["items"].as_array().unwrap().iter().all(|item| item["plans"] == json!([])),
        "of others nothing is told"
    );

    // Somebody mounts the disk.
    let (nas, away) = shop.nas();
    std::fs::rename(away, nas).unwrap();
    shop.stand.clock.pass(std::time::Duration::from_secs(90));
    shop.work();
    let status = shop.by("GET", "/plans/shop/status", None, 200);
    assert_eq!(status["destinations"][1]["missing"], json!([]));
    assert_eq!(status["destinations"][1]["error"], Value::Null);
    let runs = shop.by("GET", "/runs?kind=copy", None, 200);
    assert_eq!((&runs["items"][0]["kind"], &runs["items"][0]["outcome"]), (&json!("copy"), &json!("good")));
}

#[test]
fn what_is_missing_is_copied_at_once_when_somebody_asks() {
    let shop = Shop::new();
    let backup = shop.back_up();
    let of = |plan: &str| Some(json!({ "plan": plan }));
    let (nas, away) = shop.nas();
    std::fs::rename(away, nas).unwrap();
    // What waits for its minute begins now, however often somebody asks.
    let first = shop.by("POST", "/destinations/nas/copy", of("shop"), 202);
    assert_eq!(shop.by("POST", "/destinations/nas/copy", of("shop"), 202), first);
    shop.work();
    let run = shop.by("GET", &format!("/runs/{}", first["run"].as_str().unwrap()), None, 200);
    assert_eq!((&run["outcome"], &run["result"]["copied"]), (&json!("good"), &json!([backup])), "{run:#}");
    let status = shop.by("GET", "/plans/shop/status", None, 200);
    assert_eq!(status["destinations"][1]["missing"], json!([]));
    // With nothing missing it is done soon.
    let run = shop.by("POST", "/destinations/nas/copy", of("shop"), 202);
    shop.work();
    let run = shop.by("GET", &format!("/runs/{}", run["run"].as_str().unwrap()), None, 200);
    assert_eq!((&run["outcome"], &run["result"]["copied"]), (&json!("good"), &json!([])), "{run:#}");
    assert_eq!(shop.by("POST", "/destinations/attic/copy", of("shop"), 404)["code"], "destination_missing");
    let other = shop.stand.token(&shop.stand.user("otto", Role::Operator), Scope::Admin);
    let theirs = shop.stand.by(&other, "POST", "/api/v1/destinations/nas/copy", of("shop").as_ref()).is(404);
    assert_eq!(theirs.code(), "plan_missing");
}

#[test]
fn a_backup_is_copied_where_somebody_wants_it_and_the_last_good_one_stays() {
    let shop = Shop::new();
    let backup = shop.back_up();
    let to = |name: &str| Some(json!({ "destination": name }));
    let path = format!("/backups/{backup}/copy");
    shop.by("POST", &path, to("attic"), 202);
    shop.work();
    let copies = shop.by("GET", &format!("/backups/{backup}"), None, 200)["copies"].clone();
    let places: Vec<&str> =
        copies.as_array().unwrap().iter().map(|copy| copy["destination"].as_str().unwrap()).collect();
    assert_eq!(places, ["attic", "here"]);
    assert_eq!(shop.by("POST", &path, to("/tmp"), 404)["code"], "destination_missing");
    shop.by("POST", &path, Some(json!({"destination": "attic", "more": 1})), 422);
    let other = shop.stand.token(&shop.stand.user("otto", Role::Operator), Scope::Admin);
    let theirs = shop.stand.by(&other, "POST", &format!("/api/v1{path}"), to("attic").as_ref()).is(404);
    assert_eq!(theirs.code(), "backup_missing");

    let refused = shop.by("DELETE", &format!("/backups/{backup}"), None, 403);
    assert_eq!(refused["code"], "last_good_backup");
    let second = shop.back_up();
    shop.by("DELETE", &format!("/backups/{backup}"), None, 204);
    assert_eq!(shop.by("DELETE", &format!("/backups/{second}"), None, 403)["code"], "last_good_backup");
}

#[test]
fn files_of_others_are_taken_over_for_admins_and_only_read() {
    let shop = Shop::new();
    let attic = shop.stand.folder.path().join("attic");
    std::fs::create_dir_all(&attic).unwrap();
    let script = "CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES(1),(2)";
    rusqlite::Connection::open(attic.join("shop.db")).unwrap().execute_batch(script).unwrap();
    let as_admin = |method: &str, path: &str| shop.stand.by(&shop.admin, method, &format!("/api/v1{path}"), None);
    let adopted = as_admin("POST", "/destinations/attic/adopt").is(200).json();
    assert_eq!((&adopted["backups"], &adopted["plans"]), (&json!(1), &json!(["shop"])));
    let listed = as_admin("GET", "/backups").is(200).json();
    let backup = listed["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed["items"][0]["copies"][0]["foreign"], "shop.db");
    let read = as_admin("GET", &format!("/backups/{backup}")).is(200).json();
    assert_eq!(read["parts"][0]["tables"][0]["rows"], 2);
    assert_eq!(as_admin("DELETE", &format!("/backups/{backup}?force=true")).is(403).code(), "backup_read_only");
    // Whoever has a plan of that name does not come by it.
    shop.by("GET", &format!("/backups/{backup}"), None, 404);
    assert_eq!(shop.by("GET", "/backups", None, 200)["items"], json!([]));
}

#[test]
fn what_is_for_this_machine_only_is_missing_nowhere() {
    let shop = Shop::new();
    let run = shop.by("POST", "/plans/shop/run", Some(json!({"local_only": true})), 202);
    let run = format!("/runs/{}", run["run"].as_str().unwrap());
    shop.work();
    let run = shop.by("GET", &run, None, 200);
    let copies = shop.by("GET", &format!("/backups/{}", run["result"]["backup"].as_str().unwrap()), None, 200);
    assert_eq!(copies["copies"].as_array().unwrap().len(), 1, "{copies}");
    let status = shop.by("GET", "/plans/shop/status", None, 200);
    assert_eq!(
        (&status["destinations"][1]["destination"], &status["destinations"][1]["missing"]),
        (&json!("nas"), &json!([]))
    );
    shop.by("POST", "/plans/shop/run", Some(json!({"local_only": "yes"})), 422);
}

#[test]
fn admins_get_the_recovery_kit_with_the_values_of_here_and_without_secrets() {
    let far = "[destination.far]\ntype = \"s3\"\nbucket = \"shop-offsite\"\nendpoint = \"http://127.0.0.1:9\"\n\
               access_key = \"marker-of-the-key\"\nsecret_key = \"marker-of-the-secret\"\nattempts = 1\n";
    let stand = Stand::on(&format!("{TOML}{far}"), Options { rate: 0, ..Options::default() }, Bounds::default());
    std::fs::create_dir(stand.folder.path().join("backups")).unwrap();
    let by = |name: &str, role: Role| {
        let token = stand.token(&stand.user(name, role), Scope::Admin);
        stand.by(&token, "GET", "/api/v1/recovery-kit", None)
    };
    by("olga", Role::Operator).is(403);
    let kit = by("ada", Role::Admin).is(200).json()["text"].as_str().unwrap().to_owned();
    let folder = stand.folder.path().join("backups").display().to_string();
    for wanted in ["# Recovery kit", &folder, "shop-offsite", "http://127.0.0.1:9", "recoup restore"] {
        assert!(kit.contains(wanted), "{wanted}:\n{kit}");
    }
    assert!(!kit.contains("marker-of-the"), "{kit}");
    let reader = stand.token(&stand.user("rita", Role::Admin), Scope::Read);
    stand.by(&reader, "GET", "/api/v1/recovery-kit", None).is(403);
}
