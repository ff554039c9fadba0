//! A fresh installation in front of a destination that is full already: backups of another installation, a plain copy of a
//! database, a ZIP of a web application and one of PocketBase. Everything is listed, proven and restored, in a folder, in a
//! bucket and in Drive; what others made is only read.
#![cfg(all(feature = "daemon", feature = "remote"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_kit::{Desk, good, outcome};
use recoup::catalog::{BackupRow, Filter};
use recoup::destination::{self, Body};
use recoup::engine::{Actor, Work};
use recoup::format::adopt;
use recoup::format::archive::policy::Limits;
use recoup::model::{Level, Outcome, PartKind};
use recoup::progress::Context;
use recoup::restore::{self, Opened};
use recoup::store::take_over;
use recoup_testkit::drive::{self, Google};
use recoup_testkit::moto::{ACCESS_KEY, Moto, SECRET_KEY};
use rusqlite::Connection;

const PLAIN: &str = "vault/db_20260102_030405.sqlite3";
const PHOTOS: &str = "photos-backup-2026-01-02-03-04-05.zip";
const POCKETBASE: &str = "pb_backup_acme_20260102030405.zip";

/// The files of others, as they make them.
fn foreign(folder: &Path) -> Vec<(&'static str, PathBuf)> {
    let script = r#"
import json, sqlite3, zipfile
def db(name, table, value, wal=False):
    c = sqlite3.connect(name)
    if wal: c.execute("PRAGMA journal_mode=WAL"); c.execute("PRAGMA wal_autocheckpoint=0")
    c.execute(f"CREATE TABLE {table}(id INTEGER PRIMARY KEY, title TEXT)"); c.execute(f"INSERT INTO {table}(title) VALUES(?)", (value,)); c.commit()
    return c
db("plain.sqlite3", "users", "somebody").close()
db("photos.db", "photo", "then").close()
with zipfile.ZipFile("photos.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.write("photos.db", "database.db"); z.writestr("thumbnails/2026/then.jpg", "then")
    z.writestr("settings.json", "{}"); z.writestr("metadata.json", json.dumps({"version": "1.4.0"}))
# PocketBase packs its folder while it is open: what was committed last is in the log beside the database.
data, auxiliary = db("data.db", "posts", "first", True), db("auxiliary.db", "_logs", "one")
with zipfile.ZipFile("pocketbase.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for name in ["data.db", "data.db-wal", "data.db-shm", "auxiliary.db"]: z.write(name)
    z.writestr("storage/abc/one.txt", "one"); z.writestr("types.d.ts", "// types")
data.close(); auxiliary.close()
"#;
    assert!(Command::new("python3").args(["-c", script]).current_dir(folder).status().unwrap().success());
    [(PLAIN, "plain.sqlite3"), (PHOTOS, "photos.zip"), (POCKETBASE, "pocketbase.zip")]
        .map(|(key, name)| (key, folder.join(name)))
        .to_vec()
}

fn toml(destination: &str, more: &str) -> String {
    format!(
        "{destination}\n[plan.shop]\ndatabases = [\"app/shop.db\"]\ndirectories = [\"app/pictures\"]\n\
         destinations = [\"there\"]\ntest_restore = \"never\"\n{more}"
    )
}

async fn row_of(desk: &Desk, key: &str) -> BackupRow {
    let all = desk.engine.catalog().backups(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    all.into_iter().find(|row| row.foreign.as_deref() == Some(key)).unwrap_or_else(|| panic!("{key} is not listed"))
}

async fn everything(destination: &str, sign_in: bool) {
    let first = Desk::new(&toml(destination, "")).await;
    let settings = first.engine.settings().destination("there", first.path()).unwrap();
    if sign_in {
        drive::connect(&settings);
    }
    let backup = good(&first.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let files = foreign(first.path());
    let there = destination::open(&settings, true).unwrap();
    for (key, path) in &files {
        there.put(key, Body::File(path), &Context::quiet()).unwrap();
    }

    // The machine is gone; another one has the address, and an empty catalog.
    let desk = Desk::new(&toml(&with_path(destination, first.path()), "retention = { keep_count = 1 }\n")).await;
    if sign_in {
        // Whoever signs in there has the same client.
        drive::connect(&desk.engine.settings().destination("there", desk.path()).unwrap());
    }
    let daemon = Actor::daemon();
    desk.sql("DELETE FROM product");
    let adopted = desk.engine.adopt(&daemon, "there").await.unwrap();
    assert_eq!(adopted.backups, 4, "{adopted:?}");
    assert_eq!(adopted.damaged, []);
    assert_eq!(adopted.plans, ["db", "pb_backup_acme", "photos-backup", "shop"]);
    let again = desk.engine.adopt(&daemon, "there").await.unwrap();
    assert_eq!((again, desk.listed().await.len()), (adopted, 4), "each is the same one the next time");

    // What another Recoup made is restored as ever.
    let (preview, _) = desk.engine.preview_restore(&daemon, &backup, Vec::new()).await.unwrap();
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    let done = desk.done(&run).await;
    assert!(matches!(outcome(&done).0, Outcome::Good | Outcome::Warnings), "{:?}", done.error);
    assert_eq!(desk.products(), 3);

    for (key, plan) in [(PLAIN, "db"), (PHOTOS, "photos-backup"), (POCKETBASE, "pb_backup_acme")] {
        let row = row_of(&desk, key).await;
        assert_eq!((row.plan.as_str(), row.verified, row.owner.as_str()), (plan, None, desk.engine.own_account()));
        let verify = Work::Verify { backup: Some(row.id.clone()), level: Level::Restore, also: Vec::new() };
        let run = desk.engine.enqueue(&daemon, plan, verify).await.unwrap();
        good(&desk.done(&run).await);
        assert_eq!(row_of(&desk, key).await.verified, Some(Level::Restore));
        let (manifest, _) = desk.engine.manifest(&daemon, &row.id).await.unwrap();
        assert_eq!(manifest.id.as_str(), row.id);
        assert!(manifest.parts.iter().any(|part| part.kind == PartKind::Database));
        let (_, _, bytes) = desk.engine.open_object(&daemon, &row.id).await.unwrap();
        assert!(bytes > 0);
        for refused in [
            desk.engine.delete_backup(&daemon, &row.id, true, false).await,
            desk.engine.set_protected(&daemon, &row.id, true).await,
            desk.engine.copy(&daemon, &row.id, "there").await.map(drop),
        ] {
            assert_eq!(refused.unwrap_err().code(), "backup_read_only");
        }
    }
    assert!(!desk.engine.status(&desk.plan("shop").await).await.unwrap().overdue);

    // To a folder: everything, with what was committed last.
    let store = desk.engine.store("there").unwrap();
    let listing = store.list(None).unwrap();
    for (key, checks) in [
        (PLAIN, vec![("users", "somebody")]),
        (PHOTOS, vec![("photo", "then")]),
        (POCKETBASE, vec![("posts", "first"), ("_logs", "one")]),
    ] {
        let listed = listing.backups.iter().find(|listed| listed.foreign.as_deref() == Some(key)).unwrap();
        let (scratch, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (taken, mine) = take_over(store.as_ref(), listed, scratch.path(), &Context::quiet()).unwrap();
        let mut opened = Opened::stored(taken.as_ref(), &mine, scratch.path(), &Context::quiet()).unwrap();
        let report = restore::to_folder(&mut opened, &[], &to.path().join("out"), &Context::quiet()).unwrap();
        for (table, title) in checks {
            let found = report.restored.iter().filter(|part| part.path.extension().is_some_and(|it| it == "db"));
            let has = |path: &Path| {
                let db = Connection::open(path).unwrap();
                db.query_row(&format!("SELECT title FROM {table}"), [], |row| row.get::<_, String>(0)).ok()
            };
            assert!(found.into_iter().any(|part| has(&part.path).as_deref() == Some(title)), "{key}: {report:?}");
        }
    }

    // Retention of a plan of the same name, and many backups, leave it alone.
    for _ in 0..3 {
        desk.back_up("shop").await;
    }
    desk.engine.refresh(None).await.unwrap();
    desk.engine.refresh(Some("shop")).await.unwrap();
    let left = there.list("").unwrap();
    assert!(files.iter().all(|(key, _)| left.iter().any(|object| object.key == *key)));
    assert_eq!(row_of(&desk, PLAIN).await.verified, Some(Level::Restore), "what was proven stays known");
    there.delete(PLAIN).unwrap();
    desk.engine.refresh(None).await.unwrap();
    let all = desk.engine.catalog().backups(&Filter { limit: 100, ..Filter::default() }).await.unwrap();
    assert!(all.iter().all(|row| row.foreign.as_deref() != Some(PLAIN)));
}

/// The same folder for another installation.
fn with_path(destination: &str, folder: &Path) -> String {
    destination.replace("path = \"backups\"", &format!("path = \"{}\"", folder.join("backups").display()))
}

#[tokio::test]
async fn a_folder_is_taken_over_with_everything_in_it() {
    everything("[destination.there]\npath = \"backups\"", false).await;
}

#[tokio::test]
async fn a_bucket_is_taken_over_with_everything_in_it() {
    let server = Moto::shared();
    let (bucket, port) = (server.bucket(), server.port());
    let toml = format!(
        "[destination.there]\ntype = \"s3\"\nbucket = \"{bucket}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         access_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\""
    );
    everything(&toml, false).await;
}

#[tokio::test]
async fn a_folder_in_drive_is_taken_over_with_everything_in_it() {
    let google = Google::start();
    everything(&google.toml("there"), true).await;
}

#[test]
fn a_pocketbase_archive_with_two_files_of_one_name_or_a_broken_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sqlite3, zipfile
c = sqlite3.connect("data.db"); c.execute("CREATE TABLE t(a)"); c.commit(); c.close()
with zipfile.ZipFile("twins.zip", "w") as z:
    z.write("data.db"); z.writestr("Notes.txt", "a"); z.writestr("notes.txt", "b")
with zipfile.ZipFile("broken.zip", "w") as z:
    z.write("data.db"); z.writestr("auxiliary.db", b"SQLite format 3\0" + b"x" * 4080)
with zipfile.ZipFile("whole.zip", "w") as z:
    z.write("data.db"); z.writestr("storage/a", "a")
"#;
    assert!(Command::new("python3").args(["-c", script]).current_dir(folder.path()).status().unwrap().success());
    let scratch = tempfile::tempdir().unwrap();
    let adopt =
        |name: &str| adopt::adopt(&folder.path().join(name), &Limits::default(), scratch.path(), &Context::quiet());
    for bad in ["twins.zip", "broken.zip"] {
        assert_eq!(adopt(bad).unwrap_err().code(), "backup_corrupted", "{bad}");
    }
    let whole = adopt("whole.zip").unwrap();
    assert_eq!(whole.manifest.made_by, "PocketBase");
    let names: Vec<&str> = whole.manifest.parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["data", "storage"]);
    fs::remove_file(whole.path).unwrap();
    assert!(fs::read_dir(scratch.path()).unwrap().next().is_none(), "nothing is left behind");
}
