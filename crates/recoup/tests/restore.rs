//! The verb *restore* through the public API: what comes back, what stays, and what undo brings back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use recoup::ErrorKind;
use recoup::model::{Format, Kind, RestoreRecord};
use recoup::progress::Context;
use recoup::sqlite::digest::logical_digest;
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::restoring::{change, no_leftovers, restore, state, undo};
use recoup_testkit::sample::Sample;
use recoup_testkit::tree::tree;
use rusqlite::Connection;

#[test]
fn everything_comes_back_and_undo_brings_back_what_was_replaced() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    change(&sample, "changed");
    let changed = state(&sample);
    assert_ne!(original, changed);

    let report = restore(&sample, &listed).unwrap();
    assert_eq!(state(&sample), original);
    no_leftovers(&sample);
    let places: Vec<_> = report.restored.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(places, ["shop", "pictures", "config.yml"]);

    let listing = sample.store().list(None).unwrap();
    let safety = listing.find(report.safety.unwrap().as_str()).unwrap();
    assert_eq!((safety.manifest.kind, safety.protected), (Kind::PreRestore, true));

    undo(&sample).unwrap();
    assert_eq!(state(&sample), changed);
    no_leftovers(&sample);
}

#[test]
fn two_restores_and_two_undos_end_at_the_original() {
    let sample = Sample::new();
    sample.back_up();
    let a = sample.latest();
    change(&sample, "second");
    sample.back_up();
    let b = sample.latest();
    change(&sample, "third");
    let original = state(&sample);
    restore(&sample, &a).unwrap();
    let after_a = state(&sample);
    restore(&sample, &b).unwrap();
    undo(&sample).unwrap();
    assert_eq!(state(&sample), after_a);
    undo(&sample).unwrap();
    assert_eq!(state(&sample), original);
    assert!(RestoreRecord::to_undo(&sample.store().records("shop").unwrap()).is_none());
}

#[test]
fn what_was_not_there_comes_back_and_undo_takes_it_away_again() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    fs::remove_dir_all(sample.app().join("pictures")).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", sample.database().display()));
    }
    let before = tree(&sample.app());
    restore(&sample, &listed).unwrap();
    assert_eq!(state(&sample), original);
    let mode: String =
        Connection::open(sample.database()).unwrap().query_row("PRAGMA journal_mode", [], |r| r.get(0)).unwrap();
    assert_eq!(mode, "wal");
    undo(&sample).unwrap();
    assert_eq!(tree(&sample.app()), before);
    no_leftovers(&sample);
}

#[test]
fn every_format_restores_to_the_same_content() {
    for format in [Format::Archive, Format::Database, Format::Json, Format::Both] {
        let sample = Sample::new();
        let copy = sample.path().join("copy.db");
        let expected = |sample: &Sample| {
            Connection::open(sample.database()).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
            let digest = logical_digest(&copy, &Context::quiet()).unwrap();
            fs::remove_file(&copy).unwrap();
            digest
        };
        let original = expected(&sample);
        sample.back_up_as(&[sample.database_source()], format).unwrap();
        let listed = sample.latest();
        sample.sql("DELETE FROM product; CREATE TABLE other(x)");
        restore(&sample, &listed).unwrap_or_else(|error| panic!("{format}: {error}: {}", error.detail()));
        assert_eq!(expected(&sample), original, "{format}");
    }
}

#[test]
fn a_leftover_wal_does_not_undo_a_restore() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    // A crashed application: committed frames in a log beside the database.
    HeldDatabase::hold(&sample.database(), &["INSERT INTO product(title) VALUES ('in the log')"]).crash();
    assert!(fs::metadata(format!("{}-wal", sample.database().display())).unwrap().len() > 0);
    restore(&sample, &listed).unwrap();
    assert_eq!(state(&sample), original);
}

#[test]
fn a_hot_journal_does_not_undo_a_restore() {
    let sample = Sample::new();
    sample.sql("PRAGMA journal_mode=DELETE");
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    let held = HeldDatabase::hold(
        &sample.database(),
        &[
            "PRAGMA cache_size=1",
            "BEGIN",
            "UPDATE product SET title = hex(randomblob(20000))",
            "UPDATE product SET title = hex(randomblob(20000))",
        ],
    );
    held.crash();
    restore(&sample, &listed).unwrap();
    assert_eq!(state(&sample), original);
}

#[test]
fn another_page_size_is_put_in_place_and_undone() {
    for mode in ["wal", "delete"] {
        let sample = Sample::new();
        sample.back_up();
        let listed = sample.latest();
        let original = state(&sample);
        sample.sql(&format!("PRAGMA journal_mode=DELETE; PRAGMA page_size=8192; VACUUM; PRAGMA journal_mode={mode}"));
        change(&sample, "other pages");
        let changed = state(&sample);
        restore(&sample, &listed).unwrap_or_else(|error| panic!("{mode}: {error}: {}", error.detail()));
        assert_eq!(state(&sample), original);
        let look = |pragma: &str| -> String {
            let connection = Connection::open(sample.database()).unwrap();
            connection
                .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|v| format!("{v:?}"))
                .unwrap()
        };
        assert_eq!(look("page_size"), "Integer(4096)");
        assert_eq!(look("journal_mode"), "Text(\"wal\")");
        undo(&sample).unwrap();
        assert_eq!((state(&sample), look("page_size")), (changed, "Integer(8192)".into()));
    }
}

#[test]
fn an_application_that_has_the_database_open_sees_the_restored_rows_and_goes_on_writing() {
    for mode in ["wal", "delete"] {
        let sample = Sample::new();
        sample.sql(&format!("PRAGMA journal_mode={mode}"));
        sample.back_up();
        let listed = sample.latest();
        change(&sample, "changed");
        let app = Connection::open(sample.database()).unwrap();
        let count = |sql: &str| app.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM product WHERE id = 1"), 0);
        restore(&sample, &listed).unwrap();
        assert_eq!(count("SELECT count(*) FROM product WHERE id = 1"), 1, "{mode}");
        app.execute("INSERT INTO product(title) VALUES ('after')", []).unwrap();
        assert_eq!(count("SELECT count(*) FROM product"), 4);
        let ok: String = app.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(ok, "ok");
    }
}

#[test]
fn a_database_that_is_held_exclusively_is_in_use_and_nothing_is_changed() {
    for statements in [
        &["BEGIN EXCLUSIVE"][..],
        &["PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE"][..],
        &["PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO product(title) VALUES ('mine')"][..],
    ] {
        let sample = Sample::new();
        sample.back_up();
        let listed = sample.latest();
        change(&sample, "changed");
        let files = tree(&sample.app());
        let held = HeldDatabase::hold(&sample.database(), statements);
        let error = restore(&sample, &listed).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Busy, "Cannot restore while database is in use"));
        drop(held);
        no_leftovers(&sample);
        let now: Vec<_> = tree(&sample.app()).into_iter().filter(|name| !name.starts_with("shop.db-")).collect();
        let before: Vec<_> = files.into_iter().filter(|name| !name.starts_with("shop.db-")).collect();
        assert_eq!(now, before);
        assert_eq!(fs::read_to_string(sample.app().join("config.yml")).unwrap(), "changed");
        // What was saved for a restore that did not happen is not kept.
        assert!(
            sample.store().list(None).unwrap().backups.iter().all(|listed| listed.manifest.kind != Kind::PreRestore)
        );
    }
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_replaced() {
    let sample = Sample::new();
    let elsewhere = sample.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("shop.db{suffix}");
        let _ = fs::rename(sample.app().join(&name), elsewhere.join(&name));
    }
    std::os::unix::fs::symlink(elsewhere.join("shop.db"), sample.database()).unwrap();
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    change(&sample, "changed");
    restore(&sample, &listed).unwrap();
    assert_eq!(state(&sample), original);
    assert!(sample.database().symlink_metadata().unwrap().is_symlink());
    assert!(elsewhere.join("shop.db").symlink_metadata().unwrap().is_file());
}

#[test]
fn owner_and_mode_are_those_of_what_was_there() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let config = sample.app().join("config.yml");
    let root = rustix_is_root();
    for path in [&sample.database(), &config] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
        if root {
            std::os::unix::fs::chown(path, Some(12345), Some(54321)).unwrap();
        }
    }
    change(&sample, "changed");
    restore(&sample, &listed).unwrap();
    for path in [&sample.database(), &config] {
        let meta = fs::metadata(path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o7777, 0o640);
        if root {
            assert_eq!((meta.uid(), meta.gid()), (12345, 54321));
        }
    }
}

fn rustix_is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn a_damaged_database_is_saved_as_it_lies_there_and_replaced() {
    for garbage in [b"this is no database at all".repeat(400), Vec::new()] {
        let sample = Sample::new();
        sample.back_up();
        let listed = sample.latest();
        let original = state(&sample);
        sample.sql("PRAGMA wal_checkpoint(TRUNCATE)");
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", sample.database().display()));
        }
        fs::write(sample.database(), &garbage).unwrap();
        let report = restore(&sample, &listed).unwrap();
        assert!(report.warnings.iter().any(|warning| warning.code == "raw_safety_copy"), "{:?}", report.warnings);
        assert_eq!(state(&sample), original);
        undo(&sample).unwrap();
        assert_eq!(fs::read(sample.database()).unwrap(), garbage);
    }
}

#[test]
fn a_database_with_a_damaged_page_is_saved_raw_and_repaired_by_a_restore() {
    let sample = Sample::new();
    sample.sql("PRAGMA journal_mode=DELETE; CREATE TABLE filler(x); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<500) INSERT INTO filler SELECT hex(randomblob(200)) FROM c");
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    let mut bytes = fs::read(sample.database()).unwrap();
    let at = bytes.len() / 2;
    bytes[at..at + 4096].fill(0x5a);
    fs::write(sample.database(), &bytes).unwrap();
    let report = restore(&sample, &listed).unwrap();
    assert!(report.warnings.iter().any(|warning| warning.code == "raw_safety_copy"), "{:?}", report.warnings);
    assert_eq!(state(&sample), original);
    undo(&sample).unwrap();
    assert_eq!(fs::read(sample.database()).unwrap(), bytes);
}

#[test]
fn a_safety_backup_that_holds_nothing_new_is_not_made_twice() {
    let sample = Sample::new();
    let sources = [sample.database_source()];
    sample.back_up_as(&sources, Format::Archive).unwrap();
    let a = sample.latest();
    sample.sql("DELETE FROM product WHERE id = 1");
    sample.back_up_as(&sources, Format::Archive).unwrap();
    let b = sample.latest();
    // The live data is exactly what `b` holds.
    let report = restore(&sample, &a).unwrap();
    assert_eq!(report.safety.as_ref(), Some(&b.manifest.id));
    let listing = sample.store().list(None).unwrap();
    assert_eq!(listing.backups.len(), 2);
    assert!(listing.find(b.manifest.id.as_str()).unwrap().protected);
    undo(&sample).unwrap();
    let count = "SELECT count(*) FROM product WHERE id = 1";
    let left: i64 = Connection::open(sample.database()).unwrap().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
