//! The way back from an upgrade: a catalog of an older version is copied before it is migrated, and a catalog comes back
//! from its copy, on SQLite and on PostgreSQL.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemons_kit;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use daemons_kit::Ground;
use recoup::ErrorKind;
use recoup::catalog::{Catalog, Runs};
use recoup::engine::Actor;
use recoup::model::Kind;
use recoup::model::user::Role;
use recoup_testkit::contract::catalog::{self, Place, audit, backup_run, noon, run};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::postgres::Server;
use serde_json::json;

const TABLES: [&str; 10] = ["account", "login", "token", "plan", "run", "backup", "audit", "outbox", "kept", "setting"];

/// Every table has something in it.
async fn furnish(place: &Place) {
    let anna = place.account("anna \u{2603} \"quoted\"\n", Role::Admin).await;
    let plan = place.plan(&anna, "shop").await;
    place.catalog.add_run(&backup_run(&plan, Some("1")), noon()).await.unwrap();
    for n in 0..300 {
        place.catalog.append_audit(audit::event(n), noon()).await.unwrap();
    }
    place.catalog.set_setting("much", &"x".repeat(100_000)).await.unwrap();
    for sql in [
        "INSERT INTO login (id, account, created_at, seen_at, proven_at) SELECT 'l', id, 1, 2, 3 FROM account",
        "INSERT INTO token (id, account, name, hash, scope, created_at, expires_at) SELECT 't', id, 'n', 'h', 'read', 1, 2 FROM account",
        "INSERT INTO outbox (id, channel, plan, cause, notice, due_at) VALUES ('o', 'c', 'p', '', '{}', -9223372036854775808)",
        "INSERT INTO kept (kind, id, owner, body, expires_at) VALUES ('k', '1', '', '{}', 9223372036854775807)",
        "INSERT INTO backup (id, destination, plan, owner, kind, format, created_at, bytes, protected) VALUES ('b', 'd', 'shop', 'o', 'manual', 'archive', 1, 2, 1)",
    ] {
        assert_eq!(place.behind_its_back(sql).await, 1);
    }
}

async fn counts(place: &Place) -> Vec<String> {
    let sql =
        TABLES.map(|table| format!("SELECT '{table} ' || CAST(count(*) AS TEXT) FROM {table}")).join(" UNION ALL ");
    place.texts(&sql).await
}

async fn there_and_back(place: Place, other: Place) {
    furnish(&place).await;
    let folder = tempfile::tempdir().unwrap();
    let (copy, again) = (folder.path().join("copy"), folder.path().join("again"));
    let rows = place.catalog.write_copy(&copy).await.unwrap();
    assert!(rows > 300);
    assert_eq!(place.catalog.write_copy(&copy).await.unwrap_err().kind(), ErrorKind::WouldOverwrite);
    // What is not whole changes nothing.
    let text = fs::read_to_string(&copy).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let half = folder.path().join("half");
    let without_a_row = [&lines[..5], &lines[6..]].concat().join("\n");
    for broken in ["", "{}", &lines[..lines.len() - 1].join("\n"), &without_a_row, &text[..text.len() / 2]] {
        fs::write(&half, broken).unwrap();
        assert_eq!(other.catalog.read_copy(&half).await.unwrap_err().code(), "bad_copy", "{}", broken.len());
        assert_eq!(other.catalog.version().await.unwrap(), 0);
    }
    assert_eq!(other.catalog.read_copy(&copy).await.unwrap(), rows);
    assert_eq!(counts(&other).await, counts(&place).await);
    other.catalog.write_copy(&again).await.unwrap();
    let sorted = |path: &Path| {
        let mut lines: Vec<String> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&again), sorted(&copy));
    assert_eq!(other.catalog.verify_audit(&[]).await.unwrap(), (300, vec![]));
    assert_eq!(other.catalog.read_copy(&copy).await.unwrap_err().code(), "catalog_not_empty");
}

#[test]
fn a_catalog_comes_back_from_its_copy_row_by_row() {
    run(catalog::sqlite, async |place: Place| there_and_back(place, catalog::empty_postgres().await).await);
    run(catalog::postgres, async |place: Place| there_and_back(place, catalog::empty_postgres().await).await);
    run(catalog::postgres, async |place: Place| there_and_back(place, catalog::empty_sqlite().await).await);
}

/// A daemon of today opens a catalog of the version before; gives the engine.
async fn upgraded(folder: &Path, url: Option<String>) -> Arc<recoup::engine::Engine> {
    let ground = Ground::make(folder, url, 1, noon());
    let before = ground.engine("data", HandClock::at(noon())).await.unwrap();
    let body = json!({"files": ["recoup.toml"], "test_restore": "never"});
    before.create_plan(&Actor::daemon(), "p0", body).await.unwrap();
    before.catalog().migrate_down(Catalog::newest() - 1).await.unwrap();
    before.catalog().close().await;
    let after = ground.engine("data", HandClock::at(noon())).await.unwrap();
    assert_eq!(after.catalog().version().await.unwrap(), Catalog::newest());
    assert!(after.plan(&Actor::daemon(), "p0").await.is_ok());
    let events = after.catalog().audit_after(0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|link| link.event.event == "catalog.migrated").count(), 1);
    after
}

#[tokio::test]
async fn an_upgrade_makes_a_protected_backup_of_the_file_first() {
    let folder = tempfile::tempdir().unwrap();
    let engine = upgraded(folder.path(), None).await;
    let backups = folder.path().join("data/backups");
    let listing = engine.store(&backups.display().to_string()).unwrap().list(Some("recoup-catalog")).unwrap();
    assert_eq!(listing.backups.len(), 1);
    let made = &listing.backups[0];
    assert!(made.protected && made.manifest.kind == Kind::PreMigration, "{:?}", made.manifest.kind);
    // It is the catalog of before.
    let file = backups.join("recoup-catalog").join(&made.manifest.objects[0].name);
    let old = rusqlite::Connection::open(file).unwrap();
    let version: i64 = old.query_row("SELECT max(version) FROM _sqlx_migrations", [], |row| row.get(0)).unwrap();
    assert_eq!(version, Catalog::newest() - 1);
}

#[tokio::test]
async fn an_upgrade_of_a_server_writes_every_row_to_a_file_first_that_becomes_a_catalog_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::shared();
    let engine = upgraded(folder.path(), Some(server.database().await)).await;
    let files: Vec<_> =
        fs::read_dir(folder.path().join("data/backups")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let copies: Vec<_> = files.iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
    assert_eq!(copies.len(), 1, "{files:?}");
    let again = Catalog::connect(&server.database().await).await.unwrap();
    again.read_copy(copies[0]).await.unwrap();
    assert_eq!(again.version().await.unwrap(), Catalog::newest());
    assert_eq!(
        again.plan("p0", None).await.unwrap().unwrap().body,
        engine.plan(&Actor::daemon(), "p0").await.unwrap().body
    );
    assert!(again.runs(&Runs { limit: 10, ..Runs::default() }).await.unwrap().is_empty());
}
