//! Databases that somebody made to hurt: damaged ones are refused with a reason, and what a sound one would like
//! to execute is never executed. Odd but honest ones are read as before.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive_kit;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use archive_kit::peak_kib;
use recoup::progress::Context;
use recoup::sqlite::open::open_private;
use recoup::sqlite::untrusted::{Guard, Untrusted, open_untrusted};
use recoup::sqlite::{check, facts};
use recoup::{ErrorKind, Result};
use recoup_testkit::matrix::{self, ENCODINGS, FEATURES};
use rusqlite::Connection;
use tempfile::TempDir;

fn made_of(folder: &TempDir, sql: &str) -> PathBuf {
    let path = folder.path().join("a.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(sql).unwrap();
    path
}

const ROWS: &str = "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO t SELECT i, 'row number ' || i FROM n;";

fn poke(path: &Path, at: u64, bytes: &[u8]) {
    fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// Everything that is done with an upload.
fn look(path: &Path) -> Result<Untrusted> {
    let untrusted = open_untrusted(path, &Guard::stranger(), &Context::quiet())?;
    let problems = untrusted.check()?.problems;
    match problems.first() {
        Some(problem) => Err(recoup::Error::corrupted(problem.text.clone())),
        None => untrusted.facts(None).map(|_| untrusted),
    }
}

#[test]
fn damaged_databases_are_refused_with_a_reason() {
    let schema = |sql: &str| format!("{ROWS} PRAGMA writable_schema = ON; {sql}");
    type Case<'a> = (&'a str, String, &'a dyn Fn(&Path));
    let cases: &[Case<'_>] = &[
        ("a corrupt page", ROWS.into(), &|path| poke(path, 4096 * 3, &[0xff; 4096])),
        ("a cell that points away", ROWS.into(), &|path| poke(path, 4096 * 2 + 8, &[0xff; 16])),
        ("a huge page count", ROWS.into(), &|path| poke(path, 28, &0x7fff_fff0_u32.to_be_bytes())),
        ("half a file", ROWS.into(), &|path| {
            let length = fs::metadata(path).unwrap().len();
            fs::File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
        }),
        ("no bytes", ROWS.into(), &|path| fs::write(path, b"").unwrap()),
        ("one byte", ROWS.into(), &|path| fs::write(path, b"S").unwrap()),
        ("a text", ROWS.into(), &|path| fs::write(path, "hello ".repeat(5000)).unwrap()),
        ("a header and nothing else", ROWS.into(), &|path| {
            fs::write(path, [b"SQLite format 3\0".as_slice(), &[0; 84]].concat()).unwrap();
        }),
        ("no table", "PRAGMA user_version = 3; VACUUM".into(), &|_| ()),
        ("a schema that is none", schema("UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 't'"), &|_| ()),
        (
            "two tables in one page",
            schema(
                "INSERT INTO sqlite_schema SELECT type, 'u', 'u', rootpage, 'CREATE TABLE u(a INTEGER PRIMARY KEY, b)' FROM sqlite_schema WHERE name = 't'",
            ),
            &|_| (),
        ),
        ("a table beyond the end", schema("UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 't'"), &|_| ()),
        (
            "an index that lies",
            format!(
                "{ROWS} CREATE TABLE u(b); PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'u') WHERE name = 'i'"
            ),
            &|_| (),
        ),
        (
            "names that are not Unicode",
            schema(
                "UPDATE sqlite_schema SET name = CAST(x'74ff' AS TEXT), tbl_name = CAST(x'74ff' AS TEXT), sql = CAST(x'435245415445205441424c45202274ff22286129' AS TEXT) WHERE name = 't'; DELETE FROM sqlite_schema WHERE name = 'i'",
            ),
            &|_| (),
        ),
    ];
    for (what, sql, damage) in cases {
        let folder = TempDir::new().unwrap();
        let path = made_of(&folder, sql);
        damage(&path);
        let error = look(&path).map(drop).expect_err(what);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupted, "Backup file is corrupted"), "{what}");
        assert!(!error.detail().is_empty(), "{what} without a reason");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{what} left something behind");
    }
}

#[test]
fn views_triggers_and_writes_are_never_executed() {
    let folder = TempDir::new().unwrap();
    let path = made_of(
        &folder,
        "CREATE TABLE t(a); INSERT INTO t VALUES (1);
         CREATE VIEW v AS SELECT a FROM t;
         CREATE VIEW endless AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
         CREATE VIEW twin AS SELECT name FROM sqlite_schema;
         CREATE TRIGGER hurt AFTER INSERT ON t BEGIN DELETE FROM t; END;
         CREATE TRIGGER hurt_too INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (2); END;",
    );
    let before = fs::read(&path).unwrap();
    let untrusted = look(&path).unwrap();
    let facts = untrusted.facts(None).unwrap();
    assert_eq!(facts.tables.iter().map(|table| &*table.name).collect::<Vec<_>>(), ["t"]);
    let elsewhere = folder.path().join("evil.db");
    for sql in [
        "SELECT * FROM v",
        "SELECT * FROM endless LIMIT 1",
        "SELECT * FROM twin",
        "INSERT INTO t VALUES (3)",
        "INSERT INTO v VALUES (3)",
        "DELETE FROM t",
        "DROP TABLE t",
        "CREATE TABLE u(a)",
        "CREATE TEMP TABLE u(a)",
        "PRAGMA writable_schema = ON",
        "PRAGMA query_only = OFF",
        "PRAGMA trusted_schema = ON",
        "PRAGMA journal_mode = wal",
        "PRAGMA mmap_size = 1000000",
        "SELECT load_extension('/tmp/evil.so')",
        &format!("ATTACH '{}' AS evil", elsewhere.display()),
        &format!("VACUUM INTO '{}'", elsewhere.display()),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ] {
        let done = untrusted.connection().prepare(sql).and_then(|mut statement| {
            let mut rows = statement.query([])?;
            rows.next().map(|_| ())
        });
        assert!(done.is_err(), "{sql} was executed");
    }
    assert_eq!(untrusted.connection().query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    drop(untrusted);
    assert!(fs::read(&path).unwrap() == before && fs::read_dir(folder.path()).unwrap().count() == 1);
}

#[test]
fn other_applications_and_newer_schemas_are_told_not_refused() {
    let folder = TempDir::new().unwrap();
    let path = made_of(
        &folder,
        &format!(
            "PRAGMA application_id = 305419896; PRAGMA user_version = 2000000000; PRAGMA journal_mode = wal; {ROWS}"
        ),
    );
    assert!(!folder.path().join("a.db-wal").exists());
    let facts = look(&path).unwrap().facts(None).unwrap();
    assert_eq!((facts.application_id, facts.user_version), (305_419_896, 2_000_000_000));
    assert_eq!((facts.journal_mode.as_str(), facts.tables[0].rows), ("wal", Some(5000)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a -wal or -shm appeared");
}

#[test]
fn a_search_index_with_a_damaged_shadow_does_no_harm() {
    for sql in [
        "UPDATE s_data SET block = zeroblob(30)",
        "DELETE FROM s_data",
        "UPDATE s_data SET block = x'ffffffffffffffffffffffffffffffff' WHERE id > 1",
        "UPDATE s_config SET v = 99",
        "DELETE FROM s_content",
    ] {
        let folder = TempDir::new().unwrap();
        let path = made_of(
            &folder,
            &format!(
                "{ROWS} CREATE VIRTUAL TABLE s USING fts5(b); INSERT INTO s SELECT b FROM t;
                 CREATE VIRTUAL TABLE r USING rtree(id, x, y); INSERT INTO r SELECT a, a, a + 1 FROM t;"
            ),
        );
        let db = Connection::open(&path).unwrap();
        db.execute_batch(sql).unwrap();
        db.close().unwrap();
        match look(&path) {
            Ok(untrusted) => {
                let checked = untrusted.check().unwrap();
                assert!(!checked.unchecked.is_empty(), "{sql}: damage without a word");
            }
            Err(error) => assert_eq!(error.message(), "Backup file is corrupted", "{sql}: {}", error.detail()),
        }
    }
}

#[test]
fn values_that_grow_when_they_are_looked_at_take_no_memory() {
    let folder = TempDir::new().unwrap();
    // What an honest SQLite would compute while it writes is written past it.
    let path = made_of(
        &folder,
        "CREATE TABLE t(a INTEGER PRIMARY KEY, b INT); INSERT INTO t VALUES (1, 150000000); CREATE INDEX i ON t(b);
         CREATE TABLE u(a INTEGER PRIMARY KEY, b INT); INSERT INTO u VALUES (1, 150000000);
         PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(hex(zeroblob(b)))' WHERE name = 'i';
         UPDATE sqlite_schema SET sql = 'CREATE TABLE u(a INTEGER PRIMARY KEY, b INT,
             c TEXT AS (hex(zeroblob(b))) VIRTUAL NOT NULL CHECK(c <> 7)) STRICT' WHERE name = 'u';",
    );
    let before = peak_kib();
    let found = look(&path).map(drop);
    let grown = peak_kib() - before;
    assert!(grown < 60 << 10, "{grown} KiB");
    let unlimited = check::check(&open_private(&path).unwrap(), &Context::quiet());
    let without = peak_kib() - before;
    println!("{grown} KiB and {found:?}; without limits {without} KiB and {unlimited:?}");
    assert!(without > 100 << 10, "the test means nothing");
}

#[test]
fn a_database_that_takes_too_long_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = made_of(&folder, ROWS);
    let guard = Guard { deadline: Some(Duration::ZERO), ..Guard::stranger() };
    let error = open_untrusted(&path, &guard, &Context::quiet()).map(drop).unwrap_err();
    assert_eq!(error.message(), "Backup file is corrupted");
    assert!(error.detail().contains("longer than is allowed"), "{}", error.detail());
    let stopped = Context::quiet();
    stopped.cancel.cancel();
    let error = open_untrusted(&path, &Guard::stranger(), &stopped).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn honest_databases_say_the_same_as_ever_however_odd_they_are() {
    for encoding in ENCODINGS {
        for journal_mode in ["wal", "delete"] {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("odd.db");
            matrix::build(&path, 4096, journal_mode, encoding, 0, &FEATURES, 11);
            let (facts, checked) = {
                let connection = open_private(&path).unwrap();
                let checked = check::check(&connection, &Context::quiet()).unwrap();
                (facts::facts(&connection, journal_mode).unwrap(), checked)
            };
            let guard = Guard::ours();
            let untrusted = open_untrusted(&path, &guard, &Context::quiet()).unwrap();
            assert_eq!(untrusted.check().unwrap(), checked, "{encoding}");
            assert_eq!(untrusted.facts(Some(journal_mode)).unwrap(), facts, "{encoding}");
        }
    }
}
