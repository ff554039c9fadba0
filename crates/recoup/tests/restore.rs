//! The verb *restore* through the public API: what comes back, what stays, and what undo brings back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use recoup::model::{BackupId, Format, Kind, Outcome, RestoreRecord, SourceSpec};
use recoup::progress::Context;
use recoup::restore::{self, Opened, Places, Report, Request, Seen};
use recoup::sqlite::digest::logical_digest;
use recoup::store::{Listed, Store};
use recoup::{ErrorKind, Result};
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::sample::Sample;
use recoup_testkit::tree::tree;
use rusqlite::Connection;

const BUSY: Duration = Duration::from_millis(400);

/// How a restore is asked for, as far as it is unusual.
#[derive(Default)]
struct How<'a> {
    only: &'a [&'a str],
    places: Option<Places>,
    undoes: Option<BackupId>,
    force: bool,
    seen: Option<&'a Seen>,
}

fn restore_as(sample: &Sample, listed: &Listed, how: How<'_>) -> Result<Report> {
    let stores: Vec<Arc<dyn Store>> = vec![sample.store()];
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(stores[0].as_ref(), listed, scratch.path(), &Context::quiet())?;
    let places = how.places.unwrap_or(Places::of_plan(&listed.manifest, &sample.sources(), sample.path())?);
    let only: Vec<String> = how.only.iter().map(|name| name.to_string()).collect();
    let request = Request {
        only: &only,
        places: &places,
        stores: &stores,
        undoes: how.undoes,
        force: how.force,
        busy: BUSY,
        seen: how.seen,
        host: None,
    };
    restore::run(&mut opened, &request, &Context::quiet())
}

fn restore(sample: &Sample, listed: &Listed) -> Result<Report> {
    restore_as(sample, listed, How::default())
}

/// What `recoup undo` does.
fn undo(sample: &Sample) -> Result<Report> {
    let store = sample.store();
    let records = store.records("shop").unwrap();
    let record = RestoreRecord::to_undo(&records).expect("something to undo").clone();
    let listing = store.list(None).unwrap();
    let safety = listing.find(record.safety.unwrap().as_str()).unwrap().clone();
    restore_as(sample, &safety, How { undoes: Some(record.id), ..How::default() })
}

/// Everything that the application sees: rows, files, modes.
fn state(sample: &Sample) -> String {
    let database = Connection::open(sample.database()).unwrap();
    let rows: Vec<String> = database
        .prepare("SELECT id || ' ' || title FROM product ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut files = Vec::new();
    for name in tree(&sample.app()) {
        let path = sample.app().join(&name);
        let meta = path.symlink_metadata().unwrap();
        if name.starts_with("shop.db") {
            continue;
        }
        let content = if meta.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        files.push(format!("{name} {:o} {content}", meta.permissions().mode()));
    }
    format!("{rows:?} {files:#?}")
}

fn change(sample: &Sample, text: &str) {
    sample.sql(&format!("INSERT INTO product(title) VALUES ('{text}'); DELETE FROM product WHERE id = 1"));
    fs::write(sample.app().join("pictures/new.jpg"), text).unwrap();
    fs::write(sample.app().join("config.yml"), text).unwrap();
}

fn no_leftovers(sample: &Sample) {
    let leftovers: Vec<String> =
        tree(sample.path()).into_iter().filter(|name| name.contains(".recoup-restore")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
}

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
fn only_what_is_named_comes_back() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    change(&sample, "changed");
    let rows = |sample: &Sample| -> i64 {
        Connection::open(sample.database())
            .unwrap()
            .query_row("SELECT count(*) FROM product WHERE title = 'changed'", [], |r| r.get(0))
            .unwrap()
    };
    restore_as(&sample, &listed, How { only: &["pictures"], ..How::default() }).unwrap();
    assert_eq!(rows(&sample), 1);
    assert!(!sample.app().join("pictures/new.jpg").exists());
    assert_eq!(fs::read_to_string(sample.app().join("config.yml")).unwrap(), "changed");

    restore_as(&sample, &listed, How { only: &["config.yml"], ..How::default() }).unwrap();
    assert_ne!(fs::read_to_string(sample.app().join("config.yml")).unwrap(), "changed");
    assert_eq!(rows(&sample), 1);

    sample.sql("INSERT INTO setting VALUES ('mine', 'stays')");
    restore_as(&sample, &listed, How { only: &["shop:product"], ..How::default() }).unwrap();
    assert_eq!(rows(&sample), 0);
    let kept: i64 = Connection::open(sample.database())
        .unwrap()
        .query_row("SELECT count(*) FROM setting WHERE key = 'mine'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(kept, 1);

    let error = restore_as(&sample, &listed, How { only: &["nothing"], ..How::default() }).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "part_missing"));
}

#[test]
fn a_folder_gets_everything_and_nothing_else_is_touched() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let before = state(&sample);
    let to = sample.path().join("fresh");
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(sample.store().as_ref(), &listed, scratch.path(), &Context::quiet()).unwrap();
    let report = restore::to_folder(&mut opened, &[], &to, &Context::quiet()).unwrap();
    assert_eq!(report.outcome, Outcome::Good);
    assert_eq!(state(&sample), before);
    let mut names: Vec<_> =
        fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["config.yml", "hello.txt", "pictures", "settings.json", "shop.db"]);
    let rows: i64 = Connection::open(to.join("shop.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM product", [], |r| r.get(0))
        .unwrap();
    assert_eq!(rows, 3);
    no_leftovers(&sample);
    let error = restore::to_folder(&mut opened, &[], &to, &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
    let only = ["shop:product".to_owned(), "pictures/a.jpg".to_owned()];
    let one = sample.path().join("one");
    fs::create_dir(&one).unwrap();
    let picture = tree(&sample.app().join("pictures"))
        .into_iter()
        .find(|name| sample.app().join("pictures").join(name).symlink_metadata().unwrap().is_file())
        .unwrap();
    let only = [only[0].clone(), format!("pictures/{picture}")];
    restore::to_folder(&mut opened, &only, &one, &Context::quiet()).unwrap();
    assert_eq!(recoup_testkit::tree::files(&one), [format!("pictures/{picture}"), "shop-product.db".to_owned()]);
}

#[test]
fn what_a_plan_leaves_out_of_a_directory_is_still_there_afterwards() {
    let sample = Sample::new();
    let mut sources = sample.sources();
    for source in &mut sources {
        if let SourceSpec::Directory(spec) = source {
            spec.exclude = vec!["cache/".into()];
        }
    }
    let cache = sample.app().join("pictures/deep/cache");
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join("expensive"), "computed").unwrap();
    sample.back_up_as(&sources, Format::Archive).unwrap();
    let listed = sample.latest();
    let original = state(&sample);
    change(&sample, "changed");
    let places = Places::of_plan(&listed.manifest, &sources, sample.path()).unwrap();
    let report = restore_as(&sample, &listed, How { places: Some(places), ..How::default() }).unwrap();
    assert_eq!(fs::read_to_string(cache.join("expensive")).unwrap(), "computed");
    assert!(report.warnings.iter().all(|warning| warning.code != "kept"), "{:?}", report.warnings);
    assert_eq!(state(&sample), original);
}

#[test]
fn a_backup_of_a_newer_schema_or_another_application_is_refused_unless_forced() {
    let sample = Sample::new();
    sample.sql("PRAGMA user_version=7");
    sample.back_up();
    let listed = sample.latest();
    sample.sql("PRAGMA user_version=6");
    let error = restore(&sample, &listed).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "Backup from newer version, cannot restore"));
    sample.sql("PRAGMA user_version=8");
    let report = restore(&sample, &listed).unwrap();
    let text = report.warnings.iter().find(|warning| warning.code == "version_older").unwrap().text.clone();
    assert!(text.starts_with("Backup from older version, may have issues"), "{text}");
    sample.sql("PRAGMA application_id=99");
    let error = restore(&sample, &listed).unwrap_err();
    assert_eq!(error.code(), "another_application");
    restore_as(&sample, &listed, How { force: true, ..How::default() }).unwrap();
    let id: i64 =
        Connection::open(sample.database()).unwrap().query_row("PRAGMA application_id", [], |r| r.get(0)).unwrap();
    assert_eq!(id, 0);
}

#[test]
fn a_preview_tells_what_comes_back_and_what_is_lost_and_is_stale_when_the_data_changes() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    change(&sample, "changed");
    let before = state(&sample);
    let scratch = tempfile::tempdir().unwrap();
    let context = Context::quiet();
    let mut opened = Opened::stored(sample.store().as_ref(), &listed, scratch.path(), &context).unwrap();
    let places = Places::of_plan(&listed.manifest, &sample.sources(), sample.path()).unwrap();
    let preview = restore::preview(&mut opened, &[], &places, scratch.path(), BUSY, &context).unwrap();
    let product = &preview.differences.databases[0].tables[0];
    assert_eq!((product.name.as_str(), product.added, product.removed), ("product", 1, 1));
    let pictures = preview.differences.directories.iter().find(|directory| directory.name == "pictures").unwrap();
    assert_eq!((pictures.added, pictures.removed), (0, 1));
    assert!(preview.refused.is_none());
    assert_eq!(state(&sample), before);
    no_leftovers(&sample);
    sample.sql("INSERT INTO product(title) VALUES ('meanwhile')");
    let error = restore_as(&sample, &listed, How { seen: Some(&preview.seen), ..How::default() }).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "preview_stale"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_clear_error() {
    assert!(Path::new("/proc/version").exists());
    let sample = Sample::new();
    sample.back_up();
    let mut listed = sample.latest();
    for part in &mut listed.manifest.parts {
        part.origin = Some("/proc/nowhere/shop.db".into());
    }
    let how = How { only: &["shop"], places: Some(Places::origins(&listed.manifest)), ..How::default() };
    let error = restore_as(&sample, &sample.latest(), how).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
