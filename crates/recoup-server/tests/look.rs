//! The search for databases: below the folders that may be named and nowhere else, without what Recoup keeps itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::fs;
use std::path::Path;

use recoup::model::user::{Role, Scope};
use recoup_server::Options;
use recoup_server::server::Bounds;
use serde_json::{Value, json};
use stand::Stand;

fn database(path: &Path) -> rusqlite::Connection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = rusqlite::Connection::open(path).unwrap();
    made.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(id); INSERT INTO t VALUES(1)").unwrap();
    made
}

#[test]
fn databases_are_found_below_the_roots_and_nowhere_else() {
    let toml = "[server]\nroots = [\"app\"]\n[destination.here]\npath = \"app/backups\"\n";
    let stand = Stand::on(toml, Options { rate: 0, ..Options::default() }, Bounds::default());
    let folder = stand.folder.path();
    for path in
        ["app/shop.db", "app/deep/er/photos.sqlite3", "app/.cache/hidden.db", "app/backups/shop/old.db", "away.db"]
    {
        drop(database(&folder.join(path)));
    }
    // Whatever it is called, while somebody has it open.
    let open = database(&folder.join("app/state"));
    fs::write(folder.join("app/notes.db"), "no database").unwrap();
    std::os::unix::fs::symlink(folder.join("away.db"), folder.join("app/link.db")).unwrap();
    let search = |role: Role, name: &str| -> Value {
        let bearer = stand.token(&stand.user(name, role), Scope::Write);
        stand.by(&bearer, "GET", "/api/v1/look/databases", None).is(200).json()
    };
    for (role, name) in [(Role::Operator, "olga"), (Role::Admin, "adam")] {
        let found = search(role, name);
        let paths = found["databases"].as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap().to_owned());
        let mut paths: Vec<String> = paths.map(|path| path.replace(folder.to_str().unwrap(), "")).collect();
        paths.sort();
        assert_eq!(paths, ["/app/deep/er/photos.sqlite3", "/app/shop.db", "/app/state"], "{found:#}");
        assert_eq!((&found["more"], found["folders"].as_array().unwrap().len()), (&json!(false), 1));
        assert!(found["databases"][0]["bytes"].as_u64().unwrap() > 0 && found["databases"][0]["changed"].is_string());
    }
    drop(open);
    let bearer = stand.token(&stand.user("vera", Role::Viewer), Scope::Read);
    stand.by(&bearer, "GET", "/api/v1/look/databases", None).is(403);
}

#[test]
fn without_roots_an_admin_searches_beside_recoup_toml_and_nobody_else_anywhere() {
    let stand = Stand::on(
        "[destination.here]\npath = \"backups\"\n",
        Options { rate: 0, ..Options::default() },
        Bounds::default(),
    );
    drop(database(&stand.folder.path().join("shop.db")));
    for (role, count) in [(Role::Operator, 0), (Role::Admin, 1)] {
        let bearer = stand.token(&stand.user(role.word(), role), Scope::Write);
        let found = stand.by(&bearer, "GET", "/api/v1/look/databases", None).is(200).json();
        assert_eq!(found["databases"].as_array().unwrap().len(), count, "{found:#}");
    }
}
