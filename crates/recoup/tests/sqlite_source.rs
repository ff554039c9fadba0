//! The source *database* against real databases: live writers in another process, every way to be no good,
//! and the promise that the application's files are never changed by us.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup::model::{Content, DatabaseSpec, Entry, Sink};
use recoup::progress::Context;
use recoup::source::sqlite::SqliteSource;
use recoup::source::{Emitted, Presence, Scope, Source};
use recoup::{Error, ErrorKind, Result, sqlite};
use recoup_testkit::busy::{BusyDatabase, chain_prefix};
use rusqlite::Connection;

struct Keep(Option<PathBuf>);
impl Sink for Keep {
    fn entry(&mut self, _: &Entry, content: Content<'_>) -> Result<()> {
        let Content::Staged(path) = content else { panic!("not staged") };
        self.0 = Some(path.to_owned());
        Ok(())
    }
    fn retract(&mut self) -> Result<()> {
        unreachable!()
    }
}

fn spec(path: &Path, busy_timeout_ms: u64) -> DatabaseSpec {
    DatabaseSpec { name: "db".into(), location: path.display().to_string(), optional: false, busy_timeout_ms }
}

fn capture_with(path: &Path, busy_ms: u64, staging: &Path) -> Result<(PathBuf, Emitted)> {
    let mut source = SqliteSource::new(&spec(path, busy_ms), Path::new("/"), false)?;
    let scope = Scope {
        staging: staging.to_owned(),
        context: Context::quiet(),
        excluded: vec![],
        databases: vec![],
        secrets: false,
        earlier: None,
    };
    assert_eq!(source.begin(&scope)?, Presence::Present);
    source.capture(&scope)?;
    let mut keep = Keep(None);
    let emitted = source.emit(&scope, &mut keep)?;
    Ok((keep.0.unwrap(), emitted))
}

fn capture(path: &Path, staging: &Path) -> Result<(PathBuf, Emitted)> {
    capture_with(path, 300, staging)
}

fn refused(path: &Path) -> Error {
    let staging = tempfile::tempdir().unwrap();
    let error = capture(path, staging.path()).map(|_| ()).unwrap_err();
    assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0, "something was left behind");
    error
}

fn database(path: &Path, statements: &str) -> Connection {
    let db = Connection::open(path).unwrap();
    db.execute_batch(statements).unwrap();
    db
}

fn rows(path: &Path, table: &str) -> i64 {
    let db = sqlite::open::open_private(path).unwrap();
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// Bytes of the database and its neighbours, read by another process so that no lock of ours is dropped.
fn fingerprint(path: &Path) -> String {
    let script = format!("sha256sum '{0}' '{0}-wal' 2>/dev/null; ls '{0}'*", path.display());
    String::from_utf8(Command::new("sh").args(["-c", &script]).output().unwrap().stdout).unwrap()
}

#[test]
fn commits_that_are_only_in_the_wal_are_in_the_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = database(&path, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(x);");
    for i in 0..500 {
        db.execute("INSERT INTO t VALUES(?1)", [i]).unwrap();
    }
    let (copy, emitted) = capture(&path, folder.path()).unwrap();
    assert_eq!(rows(&copy, "t"), 500);
    assert_eq!(emitted.database.unwrap().journal_mode, "wal");
}

#[test]
fn the_source_is_byte_for_byte_as_it_was_even_when_we_close_last() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        // A writer that dies leaves its -wal behind, and no other connection.
        let mut writer = BusyDatabase::start(&path, 0.0, mode, 50);
        while writer.committed() < 200 {}
        assert!(writer.is_writing());
        drop(writer);
        let _ = fs::remove_file(folder.path().join("a.db-shm"));
        if mode == "delete" && folder.path().join("a.db-journal").exists() {
            continue; // killed in a transaction: only its application may roll it back
        }
        let before = fingerprint(&path);
        let staging = tempfile::tempdir().unwrap();
        capture(&path, staging.path()).unwrap();
        let after = fingerprint(&path).replace(&format!("{}-shm\n", path.display()), "");
        assert_eq!(before, after, "{mode}");
    }
}

/// R8: every backup under a live writer is an exact prefix of the commit history.
#[test]
fn every_copy_under_a_live_writer_is_a_prefix_of_its_history() {
    let soak = std::env::var_os("SOAK").is_some();
    let mut trials = 0;
    for (mode, rate) in [("wal", 50.0), ("wal", 500.0), ("delete", 50.0), ("delete", 200.0)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("busy.db");
        let mut writer = BusyDatabase::start(&path, rate, mode, 2000);
        for _ in 0..if soak { 1250 } else { 30 } {
            let staging = tempfile::tempdir().unwrap();
            let before = writer.committed();
            let (copy, _) = capture_with(&path, 30_000, staging.path()).unwrap();
            let after = writer.committed();
            let found = chain_prefix(&copy);
            assert!((before..=after).contains(&found), "{mode} {rate}: {found} is not in {before}..={after}");
            trials += 1;
        }
        assert!(writer.is_writing(), "the writer was disturbed");
    }
    println!("R8 trials={trials} bad=0");
}

#[test]
fn a_writer_at_full_speed_neither_keeps_a_copy_from_finishing_nor_makes_it_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let mut writer = BusyDatabase::start(&path, 0.0, "wal", 20_000);
    for _ in 0..10 {
        let staging = tempfile::tempdir().unwrap();
        let to = staging.path().join("copy.db");
        let context = Context::quiet();
        let busy = std::time::Duration::from_secs(30);
        let source = sqlite::open::open_source(&path, busy).unwrap();
        sqlite::open::pin(&source, &path, busy, &context).unwrap();
        let stats = sqlite::copy::copy_pinned(&source, &to, &context, busy).unwrap();
        let size = stats.pages * u64::from(stats.page_size);
        assert_eq!(stats.restarts, 0);
        assert!(stats.bytes_read * 10 <= size * 13, "read {} of {size}", stats.bytes_read);
        chain_prefix(&to);
    }
    assert!(writer.is_writing());
}

#[test]
fn an_exclusive_holder_is_waited_for_and_then_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = database(&path, "CREATE TABLE t(x); INSERT INTO t VALUES(1);");
    db.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = refused(&path);
    assert_eq!((error.kind(), error.message()), (ErrorKind::Busy, "Cannot backup while database is in use"));
    db.execute_batch("COMMIT; PRAGMA journal_mode=WAL; PRAGMA locking_mode=EXCLUSIVE; INSERT INTO t VALUES(2);")
        .unwrap();
    assert_eq!(refused(&path).code(), "db_in_use");
}

#[test]
fn an_exclusive_transaction_in_wal_mode_does_not_keep_us_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = database(&path, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1);");
    db.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES(2)").unwrap();
    let (copy, _) = capture(&path, folder.path()).unwrap();
    assert_eq!(rows(&copy, "t"), 1);
}

#[test]
fn a_lock_of_our_own_process_survives_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = database(&path, "CREATE TABLE t(x); INSERT INTO t VALUES(1);");
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES(2)").unwrap();
    capture(&path, folder.path()).unwrap();
    let script = format!("sqlite3 '{}' 'INSERT INTO t VALUES(3)'", path.display());
    let other = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(String::from_utf8_lossy(&other.stderr).contains("locked"), "another process wrote through our lock");
    db.execute_batch("COMMIT").unwrap();
}

#[test]
fn every_kind_of_no_database_has_its_own_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let missing = refused(&at("missing.db"));
    let path = at("missing.db");
    assert_eq!(missing.message(), format!("Database file not found: {}", path.display()));
    assert!(!path.exists(), "a missing database was created");

    fs::write(at("zero.db"), "").unwrap();
    assert_eq!(refused(&at("zero.db")).code(), "source_empty");
    drop(database(&at("tableless.db"), "PRAGMA user_version=3; VACUUM;"));
    assert_eq!(refused(&at("tableless.db")).code(), "source_empty");
    fs::write(at("text.db"), "just some text, long enough to be looked at\n".repeat(200)).unwrap();
    assert_eq!(refused(&at("text.db")).code(), "not_a_database");
    fs::create_dir(at("folder.db")).unwrap();
    assert_eq!(refused(&at("folder.db")).code(), "not_a_database");
    let script = format!("head -c 8192 /dev/urandom > '{}'", at("cipher.db").display());
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    let cipher = refused(&at("cipher.db"));
    assert_eq!((cipher.kind(), cipher.code()), (ErrorKind::Unsupported, "source_encrypted"));
}

/// A13: the backup API copies damage silently; we do not.
#[test]
fn every_overwritten_page_fails_the_capture() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.db");
    drop(database(
        &whole,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT); CREATE INDEX i ON t(x);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4000)
         INSERT INTO t SELECT i, hex(i*7919)||'-some text to fill the page' FROM n;",
    ));
    let bytes = fs::read(&whole).unwrap();
    let pages = bytes.len() / 4096;
    for trial in 0..120 {
        let page = 1 + trial % (pages - 1);
        let mut damaged = bytes.clone();
        for (at, byte) in damaged[page * 4096..(page + 1) * 4096].iter_mut().enumerate() {
            *byte = (at.wrapping_mul(2_654_435_761).wrapping_add(trial * 97) >> 7) as u8;
        }
        let path = folder.path().join("damaged.db");
        fs::write(&path, damaged).unwrap();
        let error = refused(&path);
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupted, "source_corrupted"), "page {page}");
    }
}

#[test]
fn two_databases_share_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.db"), folder.path().join("two.db"));
    let first = database(&one, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1);");
    let second = database(&two, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1);");
    let named = |name: &str, path: &Path| {
        SqliteSource::new(&DatabaseSpec { name: name.into(), ..spec(path, 300) }, Path::new("/"), false).unwrap()
    };
    let mut sources = [named("one", &one), named("two", &two)];
    let staging = tempfile::tempdir().unwrap();
    let scope = Scope {
        staging: staging.path().to_owned(),
        context: Context::quiet(),
        excluded: vec![],
        databases: vec![],
        secrets: false,
        earlier: None,
    };
    for source in &mut sources {
        source.begin(&scope).unwrap();
    }
    first.execute("INSERT INTO t VALUES(2)", []).unwrap();
    second.execute("INSERT INTO t VALUES(2)", []).unwrap();
    for source in &mut sources {
        let mut keep = Keep(None);
        source.capture(&scope).unwrap();
        source.emit(&scope, &mut keep).unwrap();
        assert_eq!(rows(&keep.0.unwrap(), "t"), 1);
    }
}

#[test]
fn what_only_the_application_can_check_is_copied_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let db = Connection::open(&path).unwrap();
    db.create_collation("HOUSE", |a, b| b.cmp(a)).unwrap();
    db.execute_batch(
        "CREATE TABLE t(x TEXT COLLATE HOUSE); CREATE INDEX i ON t(x); INSERT INTO t VALUES('a'),('b'),('c');
         CREATE TABLE plain(y); INSERT INTO plain VALUES(1);",
    )
    .unwrap();
    drop(db);
    let (copy, emitted) = capture(&path, folder.path()).unwrap();
    assert!(emitted.warnings.iter().any(|warning| warning.code == "unchecked" && warning.text.contains("HOUSE")));
    assert_eq!(rows(&copy, "plain"), 1);
    assert_eq!(fs::read(&copy).unwrap().len(), fs::read(&path).unwrap().len());
}

#[test]
fn violations_that_the_source_already_has_are_told_and_do_not_fail() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(database(
        &path,
        "PRAGMA foreign_keys=OFF; CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id));
         INSERT INTO c VALUES(1),(2);",
    ));
    let (_, emitted) = capture(&path, folder.path()).unwrap();
    assert_eq!(emitted.database.unwrap().foreign_key_violations, 2);
    assert_eq!(emitted.warnings[0].code, "foreign_keys");
}

#[test]
fn a_compacted_copy_is_smaller_and_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(database(
        &path,
        "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<2000)
         INSERT INTO t SELECT randomblob(500) FROM n; DELETE FROM t WHERE rowid>10;",
    ));
    let mut source = SqliteSource::new(&spec(&path, 300), Path::new("/"), true).unwrap();
    let staging = tempfile::tempdir().unwrap();
    let scope = Scope {
        staging: staging.path().to_owned(),
        context: Context::quiet(),
        excluded: vec![],
        databases: vec![],
        secrets: false,
        earlier: None,
    };
    source.begin(&scope).unwrap();
    source.capture(&scope).unwrap();
    let mut keep = Keep(None);
    let facts = source.emit(&scope, &mut keep).unwrap().database.unwrap();
    assert!(facts.compacted && facts.page_count < 10, "{facts:?}");
    assert_eq!(rows(&keep.0.unwrap(), "t"), 10);
}

#[test]
fn a_cancelled_capture_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    drop(database(&path, "CREATE TABLE t(x); INSERT INTO t VALUES(1);"));
    let staging = tempfile::tempdir().unwrap();
    let mut source = SqliteSource::new(&spec(&path, 300), Path::new("/"), false).unwrap();
    let context = Context::quiet();
    let scope = Scope {
        staging: staging.path().to_owned(),
        context: context.clone(),
        excluded: vec![],
        databases: vec![],
        secrets: false,
        earlier: None,
    };
    source.begin(&scope).unwrap();
    context.cancel.cancel();
    assert_eq!(source.capture(&scope).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0);
}
