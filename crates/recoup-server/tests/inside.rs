//! Looking into backups over HTTP: a name in many of them, what has become of a folder, several files as one ZIP. What comes
//! from a client is compared and never used as a path; wrong questions are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::fs;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;

const HOSTILE: &str = "<img src=x onerror=alert(1)>.txt";

/// A plan with two backups, the second with a hostile name, a change and a loss; a token that reads.
fn stand() -> (Stand, String, Vec<String>) {
    let toml = "[server]\nroots = [\"app\"]\n[destination.here]\npath = \"backups\"\nlayout = \"history\"\n";
    let stand = Stand::on(toml, Options { rate: 0, ..Options::default() }, Bounds::default());
    let app = stand.folder.path().join("app");
    fs::create_dir_all(app.join("pictures/2026")).unwrap();
    fs::write(app.join("pictures/one.jpg"), "one").unwrap();
    fs::write(app.join("pictures/lost.jpg"), "lost").unwrap();
    let shop = rusqlite::Connection::open(app.join("shop.db")).unwrap();
    shop.execute_batch("CREATE TABLE product(id); INSERT INTO product VALUES(1)").unwrap();
    let admin = stand.user("adam", Role::Admin);
    let bearer = stand.token(&admin, Scope::Admin);
    let plan =
        json!({"databases": [app.join("shop.db")], "directories": [app.join("pictures")], "destinations": ["here"]});
    stand.by(&bearer, "POST", "/api/v1/plans", Some(&json!({"name": "shop", "plan": plan}))).is(201);
    let back_up = || {
        stand.clock.pass(std::time::Duration::from_secs(60));
        stand.by(&bearer, "POST", "/api/v1/plans/shop/run", Some(&json!({}))).is(202);
        while stand.runtime.block_on(stand.app.engine().work("worker")).unwrap().is_some() {}
    };
    back_up();
    fs::write(app.join("pictures/2026").join(HOSTILE), "x").unwrap();
    fs::write(app.join("pictures/one.jpg"), "other").unwrap();
    fs::remove_file(app.join("pictures/lost.jpg")).unwrap();
    back_up();
    let all = stand.by(&bearer, "GET", "/api/v1/backups", None).is(200).json();
    let ids = all["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
    (stand, bearer, ids.collect())
}

#[test]
fn a_name_is_found_and_a_wrong_question_refused() {
    let (stand, bearer, ids) = stand();
    let get = |path: &str| stand.by(&bearer, "GET", &format!("/api/v1/{path}"), None);
    let found = get("files?name=ONE&plan=shop").is(200).json();
    assert_eq!((&found["looked"], &found["next"]), (&json!(2), &Value::Null));
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|one| one["backup"]["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert_eq!(items[0]["matches"][0]["path"], format!("2026/{HOSTILE}"));
    let hit = json!({"part": "pictures", "kind": "file", "path": "one.jpg", "bytes": 5});
    assert_eq!((&items[0]["matches"][1], &items[0]["total"]), (&hit, &json!(2)));
    assert_eq!(get("files?name=product").json()["items"][0]["matches"][0]["kind"], "table");
    assert_eq!(get("files?name=lost").json()["items"][0]["backup"]["id"], json!(ids[1]));
    for none in ["files?name=one&plan=nothing", "files?name=one&protected=true", "files?name=one&state=damaged"] {
        assert_eq!(get(none).is(200).json()["looked"], 0, "{none}");
    }
    let cursor = format!("files?name=lost&cursor={}-{}", 9_999_999_999_999_u64, ids[0]);
    assert_eq!(get(&cursor).is(200).json()["looked"], 2);
    for (wrong, code) in [
        ("files", "bad_query"),
        ("files?name=", "no_name"),
        ("files?name=%20", "no_name"),
        ("files?name=x&cursor=x", "bad_cursor"),
        ("files?name=x&limit=3", "bad_query"),
    ] {
        assert_eq!(get(wrong).code(), code, "{wrong}");
    }
}

#[test]
fn a_folder_tells_what_has_become_of_it() {
    let (stand, bearer, ids) = stand();
    let list = |id: &str, query: &str| {
        let path = format!("/api/v1/backups/{id}/files?part=pictures{query}");
        stand.by(&bearer, "GET", &path, None).is(200).json()
    };
    let now = list(&ids[0], "&since_previous=true");
    assert_eq!(now["since_previous"]["backup"], json!(ids[1]));
    let told: Vec<(&str, &str)> = now["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), item["since"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(told, [("2026", "changed"), ("lost.jpg", "gone"), ("one.jpg", "changed")]);
    assert_eq!(list(&ids[1], "&since_previous=true")["since_previous"], Value::Null);
    let plain = list(&ids[0], "");
    assert!(plain["since_previous"].is_null() && plain["items"].as_array().unwrap().len() == 2);
}

#[test]
fn several_files_are_one_zip_of_a_length_that_is_told() {
    let (stand, bearer, ids) = stand();
    let get = |query: &str| stand.by(&bearer, "GET", &format!("/api/v1/backups/{}/selection?{query}", ids[0]), None);
    let zip = get("part=pictures&path=2026&path=one.jpg").is(200);
    assert!(zip.text.starts_with("PK\u{3}\u{4}") && zip.text.contains(HOSTILE), "{zip:?}");
    assert_eq!(zip.header("content-type"), Some("application/zip"));
    assert!(zip.header("content-length").is_some(), "{zip:?}");
    assert!(zip.header("content-disposition").unwrap().starts_with("attachment; filename=\"shop-2026"), "{zip:?}");
    assert_eq!(get("part=pictures&path=").is(200).status, 200);
    let many = format!("part=pictures{}", "&path=x".repeat(1001));
    for (wrong, status, code) in [
        ("part=pictures", 422, "bad_query"),
        ("path=one.jpg", 422, "bad_query"),
        ("part=pictures&part=shop&path=x", 422, "bad_query"),
        ("part=pictures&path=x&folder=y", 422, "bad_query"),
        (&many, 422, "bad_query"),
        ("part=shop&path=", 422, "not_a_folder"),
        ("part=nothing&path=x", 404, "part_missing"),
        ("part=pictures&path=..%2Fshop.db", 404, "file_missing"),
        ("part=pictures&path=%2Fetc%2Fpasswd", 404, "file_missing"),
    ] {
        let reply = get(wrong);
        assert_eq!((reply.status, reply.code()), (status, code.to_owned()), "{wrong}");
    }
}
