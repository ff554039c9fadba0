//! A commit that is whole in the log of a database and that nobody sees, because whoever made it was killed before it said so
//! in shared memory: it must not come to light after a restore was taken back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use recoup::progress::Context;
use recoup::sqlite::put;
use recoup_testkit::busy::HeldDatabase;
use rusqlite::Connection;

const BUSY: Duration = Duration::from_secs(5);

fn beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_extension(format!("db{suffix}"))
}

/// A database that an application in another process has open, and a commit in its log (`old` becomes `new`, the schema
/// changes) that the index does not name.
fn unseen(folder: &Path) -> (PathBuf, HeldDatabase) {
    let path = folder.join("app.db");
    let setup = "PRAGMA journal_mode=WAL; PRAGMA user_version=7; CREATE TABLE t(x); INSERT INTO t VALUES('old');";
    Connection::open(&path).unwrap().execute_batch(setup).unwrap();
    let application = HeldDatabase::hold(&path, &["SELECT x FROM t", "INSERT INTO t VALUES('also old')"]);
    let index = fs::read(beside(&path, "-shm")).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN; UPDATE t SET x = 'new'; CREATE TABLE sign(y); COMMIT;").unwrap();
    drop(other);
    // As if it had died before it wrote this: shared memory is a file that all of them map.
    let shared = fs::File::options().write(true).open(beside(&path, "-shm")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&shared, &index, 0).unwrap();
    (path, application)
}

fn rows(path: &Path) -> (Vec<String>, i64) {
    let db = Connection::open(path).unwrap();
    let version = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let mut statement = db.prepare("SELECT x FROM t").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    (rows.map(Result::unwrap).collect(), version)
}

#[test]
fn it_would_come_to_light_when_the_application_dies() {
    let folder = tempfile::tempdir().unwrap();
    let (path, application) = unseen(folder.path());
    let cookie = put::cookie(&path, BUSY, &Context::quiet()).unwrap();
    assert_eq!(rows(&path).0, ["old", "also old"]);
    application.crash();
    assert_eq!(rows(&path).0, ["new", "new"]);
    assert_ne!(put::cookie(&path, BUSY, &Context::quiet()).unwrap(), cookie);
}

#[test]
fn it_never_does_once_somebody_has_decided_by_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (path, application) = unseen(folder.path());
    let cookie = put::settled_cookie(&path, BUSY, &Context::quiet()).unwrap();
    application.crash();
    assert_eq!(rows(&path), (vec!["old".to_owned(), "also old".to_owned()], 7));
    assert_eq!(put::cookie(&path, BUSY, &Context::quiet()).unwrap(), cookie);
}

#[test]
fn without_a_log_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["wal", "delete"] {
        let path = folder.path().join(format!("{mode}.db"));
        let setup = format!("PRAGMA journal_mode={mode}; CREATE TABLE t(x); CREATE TABLE u(x);");
        Connection::open(&path).unwrap().execute_batch(&setup).unwrap();
        let before = fs::read(&path).unwrap();
        assert_eq!(put::settled_cookie(&path, BUSY, &Context::quiet()).unwrap(), 2);
        assert!(fs::read(&path).unwrap() == before, "{mode}");
    }
}
