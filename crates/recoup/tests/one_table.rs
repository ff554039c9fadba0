//! One table out of a backup: alone in a new file, and in the place of the live one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use recoup::ErrorKind;
use recoup::progress::Context;
use recoup::sqlite::digest::logical_digest;
use recoup::sqlite::open::open_private;
use recoup::sqlite::schema::{self, Schema, TableKind};
use recoup::sqlite::table::{self, Merged};
use recoup_testkit::matrix::{self, ENCODINGS, FEATURES, JOURNAL_MODES, PAGE_SIZES, Shape};
use rusqlite::Connection;
use rusqlite::types::FromSql;
use tempfile::TempDir;

struct Scratch(TempDir);

impl Scratch {
    fn new() -> Self {
        Scratch(TempDir::new().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn made(&self, name: &str, sql: &str) -> PathBuf {
        let path = self.path(name);
        change(&path, sql);
        path
    }
    /// A backup and a live database that begin with the same schema.
    fn pair(&self, schema: &str, backup: &str, live: &str) -> (PathBuf, PathBuf) {
        (self.made("backup.db", &format!("{schema};{backup}")), self.made("live.db", &format!("{schema};{live}")))
    }
}

fn change(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
}

fn ask<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn count(path: &Path, table: &str) -> u64 {
    ask::<i64>(path, &format!("SELECT count(*) FROM {}", schema::quote(table))).unsigned_abs()
}

fn digest(path: &Path) -> BTreeMap<String, String> {
    logical_digest(path, &Context::quiet()).unwrap()
}

fn read_schema(path: &Path) -> Schema {
    schema::read(&open_private(path).unwrap()).unwrap()
}

fn plain_tables(path: &Path) -> Vec<String> {
    let plain = read_schema(path).tables.into_iter().filter(|t| t.kind == TableKind::Ordinary && !t.is_internal());
    plain.map(|table| table.name).collect()
}

fn alone(from: &Path, table: &str, to: &Path) -> recoup::Result<u64> {
    table::alone(from, table, to, &Context::quiet())
}

fn into(backup: &Path, table: &str, live: &Path) -> recoup::Result<Merged> {
    table::into(backup, table, live, &Context::quiet())
}

fn codes(merged: &Merged) -> Vec<&str> {
    merged.notes.iter().map(|note| note.code.as_str()).collect()
}

fn cases() -> u32 {
    if std::env::var_os("SOAK").is_some() { 3000 } else { 60 }
}

/// What differs between two digests.
fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(name) != after.get(name));
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_table_comes_out_alone_as_it_was(shape in Shape::any()) {
        let scratch = Scratch::new();
        let db = scratch.path("source.db");
        shape.build(&db);
        let all = digest(&db);
        let whole = read_schema(&db);
        for (at, name) in plain_tables(&db).into_iter().enumerate() {
            let to = scratch.path(&format!("{at}.db"));
            let rows = alone(&db, &name, &to).unwrap();
            let made = digest(&to);
            prop_assert_eq!(made.get(&name), all.get(&name), "{}", name);
            prop_assert_eq!(plain_tables(&to), vec![name.clone()]);
            let here = read_schema(&to);
            prop_assert_eq!(
                (here.page_size, here.encoding, here.user_version, here.application_id, here.auto_vacuum),
                (whole.page_size, whole.encoding, whole.user_version, whole.application_id, whole.auto_vacuum)
            );
            let of = |schema: &Schema, kind: &str| {
                schema.objects.iter().filter(|o| o.table == name && o.kind.word() == kind).count()
            };
            prop_assert_eq!(of(&here, "index"), of(&whole, "index"));
            prop_assert_eq!(of(&here, "trigger"), 0);
            prop_assert_eq!(rows, count(&to, &name));
            prop_assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn one_table_goes_back_and_every_other_one_stays(
        page_size in select(&PAGE_SIZES[..]),
        journal_mode in select(&JOURNAL_MODES[..]),
        encoding in select(&ENCODINGS[..]),
        features in subsequence(&FEATURES[..], 0..=8),
        left_out in subsequence(&FEATURES[..], 0..=2),
        seeds: (u64, u64),
    ) {
        let scratch = Scratch::new();
        let (backup, live) = (scratch.path("backup.db"), scratch.path("live.db"));
        matrix::build(&backup, page_size, "delete", encoding, 0, &features, seeds.0);
        let mut fewer = features.clone();
        fewer.retain(|feature| !left_out.contains(feature));
        matrix::build(&live, 4096, journal_mode, encoding, 0, &fewer, seeds.1);
        let wanted = digest(&backup);
        for name in plain_tables(&backup) {
            let before = digest(&live);
            let there = before.contains_key(&name);
            let merged = match into(&backup, &name, &live) {
                Ok(merged) => merged,
                // ALTER TABLE and ANALYZE leave nothing that differs, but a name may be taken by a view.
                Err(error) => { prop_assert_eq!(error.code(), "table_differs"); continue; }
            };
            let after = digest(&live);
            prop_assert_eq!(after.get(&name), wanted.get(&name), "{}", name);
            for other in differing(&before, &after) {
                let expected = other == name
                    || other == "sqlite_sequence"
                    || (other == "sqlite_schema" && !there)
                    || (name == "mails" && other.starts_with("mails_fts_"));
                prop_assert!(expected, "{name} changed {other}");
            }
            prop_assert_eq!(ask::<String>(&live, "PRAGMA journal_mode") == "wal", journal_mode == "wal");
            prop_assert!(!scratch.path("live.db-wal").exists() && !scratch.path("live.db-shm").exists());
            prop_assert_eq!(merged.rows_after, count(&backup, &name));
        }
    }
}

#[test]
fn every_feature_goes_into_a_database_that_has_no_tables() {
    for encoding in ENCODINGS {
        let scratch = Scratch::new();
        let (backup, live) = (scratch.path("backup.db"), scratch.path("live.db"));
        matrix::build(&backup, 4096, "delete", encoding, 0, &FEATURES, 7);
        change(&live, &format!("PRAGMA encoding = '{encoding}'; CREATE TABLE other(a); INSERT INTO other VALUES (1)"));
        let wanted = digest(&backup);
        for name in plain_tables(&backup) {
            let merged = into(&backup, &name, &live).unwrap();
            assert_eq!(merged.rows_before, 0);
            assert_eq!(digest(&live).get(&name), wanted.get(&name), "{encoding}: {name}");
        }
        assert_eq!(ask::<i64>(&live, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), 0);
        let indexes = "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL";
        assert_eq!(ask::<i64>(&live, indexes), ask::<i64>(&backup, indexes));
    }
}

#[test]
fn triggers_do_not_fire_and_are_told() {
    let scratch = Scratch::new();
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE log(what);
        CREATE TRIGGER gone AFTER DELETE ON t BEGIN INSERT INTO log VALUES ('gone'); END;
        CREATE TRIGGER no BEFORE INSERT ON t WHEN new.a = 'old' BEGIN SELECT RAISE(ABORT, 'no'); END";
    let (backup, live) = scratch.pair(
        schema,
        "DROP TRIGGER no; INSERT INTO t VALUES (1, 'old')",
        "INSERT INTO t VALUES (1, 'new'), (2, 'new')",
    );
    let merged = into(&backup, "t", &live).unwrap();
    assert_eq!((merged.rows_before, merged.rows_after), (2, 1));
    assert_eq!(codes(&merged), ["triggers_not_run"]);
    assert_eq!(
        merged.notes[0].text,
        "The triggers of table t did not run (gone, no): what they keep up to date elsewhere may not fit its rows"
    );
    assert_eq!(ask::<i64>(&live, "SELECT count(*) FROM log"), 0);
    assert_eq!(ask::<String>(&live, "SELECT a FROM t"), "old");
}

#[test]
fn only_foreign_keys_that_break_now_are_counted() {
    let scratch = Scratch::new();
    let schema = "CREATE TABLE hen(id INTEGER PRIMARY KEY, name);
        CREATE TABLE egg(id INTEGER PRIMARY KEY, hen INT REFERENCES HEN(id) ON DELETE CASCADE);
        CREATE TABLE nest(k TEXT PRIMARY KEY, hen INT REFERENCES hen) WITHOUT ROWID;
        CREATE TABLE odd(a REFERENCES hen(name))";
    let (backup, live) = scratch.pair(
        schema,
        "INSERT INTO hen VALUES (1, 'a')",
        "INSERT INTO hen VALUES (1, 'a'), (2, 'b'), (3, 'c'); INSERT INTO egg VALUES (1, 1), (2, 2), (3, 77), (4, 3);
         INSERT INTO nest VALUES ('x', 2), ('y', 88), ('z', 1); INSERT INTO odd VALUES (1)",
    );
    let merged = into(&backup, "hen", &live).unwrap();
    assert_eq!(merged.new_foreign_key_violations, 3, "eggs 2 and 4, nest x");
    assert_eq!(codes(&merged), ["foreign_keys_unchecked", "foreign_key_violations"]);
    assert_eq!(ask::<i64>(&live, "SELECT count(*) FROM egg"), 4, "nothing cascades");
    // The other way round: rows that come back refer to what is not there.
    let (backup, live) = (scratch.path("backup.db"), scratch.path("live.db"));
    change(&backup, "INSERT INTO egg VALUES (1, 1), (2, 2)");
    let merged = into(&backup, "egg", &live).unwrap();
    assert_eq!((merged.new_foreign_key_violations, merged.rows_before, merged.rows_after), (0, 4, 2));
    change(&live, "DELETE FROM egg");
    assert_eq!(into(&backup, "egg", &live).unwrap().new_foreign_key_violations, 1);
}

#[test]
fn a_search_index_over_the_table_finds_the_rows_of_the_backup() {
    let scratch = Scratch::new();
    let schema = "CREATE TABLE mail(id INTEGER PRIMARY KEY, subject, body); CREATE VIEW seen AS SELECT * FROM mail;
        CREATE VIRTUAL TABLE find5 USING fts5(subject, body, content='mail', content_rowid='id');
        CREATE VIRTUAL TABLE find4 USING fts4(content=\"mail\", subject, body);
        CREATE VIRTUAL TABLE by_view USING fts5(subject, content=seen, content_rowid=id);
        CREATE VIRTUAL TABLE own USING fts5(subject); INSERT INTO own VALUES ('stays')";
    let fill = |word: &str| {
        format!(
            "INSERT INTO mail VALUES (1, '{word}', 'x'), (2, 'both', 'x');
             INSERT INTO find5(find5) VALUES ('rebuild'); INSERT INTO find4(find4) VALUES ('rebuild')"
        )
    };
    let (backup, live) = scratch.pair(schema, &fill("alpha"), &fill("beta"));
    let merged = into(&backup, "mail", &live).unwrap();
    assert_eq!(codes(&merged), ["search_rebuilt", "search_rebuilt", "search_not_rebuilt"]);
    for index in ["find5", "find4"] {
        let found =
            |word: &str| ask::<i64>(&live, &format!("SELECT count(*) FROM {index} WHERE {index} MATCH '{word}'"));
        assert_eq!((found("alpha"), found("beta"), found("both")), (1, 0, 1), "{index}");
    }
    change(&live, "INSERT INTO find5(find5, rank) VALUES ('integrity-check', 1)");
    assert_eq!(ask::<i64>(&live, "SELECT count(*) FROM own WHERE own MATCH 'stays'"), 1);
}

#[test]
fn a_search_index_that_cannot_be_built_is_told_and_the_table_is_back() {
    let scratch = Scratch::new();
    let (backup, live) = scratch.pair(
        "CREATE TABLE mail(id INTEGER PRIMARY KEY, subject)",
        "INSERT INTO mail VALUES (1, 'old')",
        "CREATE VIRTUAL TABLE find USING fts5(subject, body, content='mail', content_rowid='id');
         INSERT INTO mail VALUES (1, 'new')",
    );
    let merged = into(&backup, "mail", &live).unwrap();
    assert_eq!(codes(&merged), ["search_not_rebuilt"]);
    assert_eq!(ask::<String>(&live, "SELECT subject FROM mail"), "old");
}

#[test]
fn a_sequence_never_goes_back() {
    let scratch = Scratch::new();
    let schema =
        "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE b(id INTEGER PRIMARY KEY AUTOINCREMENT)";
    let (backup, live) = scratch.pair(
        schema,
        "INSERT INTO a VALUES (3), (900); DELETE FROM a WHERE id = 900; INSERT INTO b VALUES (5)",
        "INSERT INTO a VALUES (7); INSERT INTO b VALUES (70); DELETE FROM b",
    );
    let seq = |db: &Path, name: &str| ask::<i64>(db, &format!("SELECT seq FROM sqlite_sequence WHERE name = '{name}'"));
    into(&backup, "a", &live).unwrap();
    assert_eq!((seq(&live, "a"), seq(&live, "b")), (900, 70));
    into(&backup, "b", &live).unwrap();
    assert_eq!((seq(&live, "a"), seq(&live, "b")), (900, 70));
    let to = scratch.path("alone.db");
    alone(&backup, "a", &to).unwrap();
    assert_eq!((seq(&to, "a"), ask::<i64>(&to, "SELECT count(*) FROM sqlite_sequence")), (900, 1));
}

#[test]
fn a_table_that_differs_is_refused_and_nothing_changes() {
    let cases = [
        ("a, b", "a", "only the backup has the column b"),
        ("a", "a, b, c", "only the live database has the column b, c"),
        ("a, x", "a, y", "the backup has the column x, the live database y"),
        ("a, b", "b, a", "the columns are in another order"),
        ("a INT", "a TEXT", "column a is \"INT\" in the backup and \"TEXT\" in the live database"),
        ("a INTEGER PRIMARY KEY", "a INTEGER", "column a has another place in the primary key"),
        ("a, b", "a, b AS (a)", "column b is generated on one side only"),
        ("a TEXT) STRICT; --", "a TEXT", "the backup's is STRICT, the live one is not"),
        ("a PRIMARY KEY", "a PRIMARY KEY) WITHOUT ROWID; --", "the live one is WITHOUT ROWID, the backup's is not"),
    ];
    for (ours, theirs, what) in cases {
        let scratch = Scratch::new();
        let backup = scratch.made("backup.db", &format!("CREATE TABLE t({ours})"));
        let live = scratch.made("live.db", &format!("CREATE TABLE t({theirs})\n; CREATE TABLE u(x)"));
        let before = fs::read(&live).unwrap();
        let error = into(&backup, "t", &live).unwrap_err();
        assert_eq!(error.message(), format!("Table t is not the same table in the live database: {what}"));
        assert_eq!((error.code(), error.kind()), ("table_differs", ErrorKind::Failed));
        assert!(error.hint_text().unwrap().contains("--to"));
        assert_eq!(before, fs::read(&live).unwrap());
    }
}

#[test]
fn rows_that_the_live_table_refuses_leave_it_as_it_was() {
    for mode in ["delete", "wal"] {
        let scratch = Scratch::new();
        let (backup, live) = scratch.pair(
            "CREATE TABLE t(id INTEGER PRIMARY KEY, a)",
            "INSERT INTO t(a) VALUES ('x'), ('x')",
            &format!("PRAGMA journal_mode={mode}; CREATE UNIQUE INDEX one ON t(a); INSERT INTO t(a) VALUES ('y')"),
        );
        let before = digest(&live);
        let error = into(&backup, "t", &live).unwrap_err();
        assert_eq!(error.code(), "table_differs");
        assert!(error.message().contains("it refuses rows of the backup (UNIQUE constraint failed: t.a)"), "{error}");
        assert_eq!(before, digest(&live));
        assert_eq!(fs::read_dir(scratch.0.path()).unwrap().count(), 2, "nothing is left beside it");
    }
    // Another encoding cannot hold the same bytes.
    let scratch = Scratch::new();
    let backup = scratch.made("backup.db", "CREATE TABLE t(a)");
    let live = scratch.made("live.db", "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t(a)");
    assert!(into(&backup, "t", &live).unwrap_err().message().contains("stores text as UTF-16le, the backup as UTF-8"));
}

#[test]
fn what_has_no_rows_of_its_own_is_refused_with_the_reason() {
    let scratch = Scratch::new();
    let (backup, live) = scratch.pair(
        "CREATE TABLE customers(id INTEGER PRIMARY KEY AUTOINCREMENT, a); CREATE VIEW some AS SELECT a FROM customers;
         CREATE INDEX by_a ON customers(a); CREATE VIRTUAL TABLE notes USING fts5(x)",
        "",
        "",
    );
    let to = scratch.path("to.db");
    for (name, why) in [
        ("notes", "it is a virtual table, its module fts5 keeps the rows elsewhere"),
        ("notes_data", "the virtual table notes keeps its rows there"),
        ("sqlite_sequence", "it belongs to SQLite itself"),
        ("some", "it is a view, not a table"),
        ("by_a", "it is an index, not a table"),
    ] {
        for error in [alone(&backup, name, &to).unwrap_err(), into(&backup, name, &live).unwrap_err()] {
            assert_eq!(error.message(), format!("Cannot restore {name} alone: {why}"));
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "not_a_plain_table"));
        }
    }
    for (asked, hint) in [
        ("costumers", "did you mean customers?"),
        ("customer", "did you mean customers?"),
        ("xyz", "the backup has customers"),
    ] {
        let error = alone(&backup, asked, &to).unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.hint_text()),
            (ErrorKind::NotFound, "table_not_found", Some(hint))
        );
    }
    assert!(!to.exists());
    // Names are compared as SQLite does.
    into(&backup, "CUSTOMERS", &live).unwrap();
    // A view in the way.
    let other = scratch.made("other.db", "CREATE TABLE x(a); CREATE VIEW customers AS SELECT a FROM x");
    let error = into(&backup, "customers", &other).unwrap_err();
    assert!(error.message().ends_with("the live database has a view of that name"), "{error}");
}

#[test]
fn what_only_the_application_has_is_named_and_nothing_is_left() {
    let scratch = Scratch::new();
    let backup = scratch.path("backup.db");
    let db = Connection::open(&backup).unwrap();
    db.create_collation("german", |a: &str, b: &str| a.cmp(b)).unwrap();
    db.execute_batch(
        "CREATE TABLE t(a); CREATE INDEX by_a ON t(a COLLATE german); INSERT INTO t VALUES ('x'), ('y');
         CREATE TABLE fine(a TEXT COLLATE german); INSERT INTO fine VALUES ('x')",
    )
    .unwrap();
    db.close().unwrap();
    let live = scratch.path("live.db");
    fs::copy(&backup, &live).unwrap();
    let (to, before) = (scratch.path("to.db"), digest(&live));
    for error in [alone(&backup, "t", &to).unwrap_err(), into(&backup, "t", &live).unwrap_err()] {
        assert_eq!(error.message(), "Table t needs what only the application has: collation german");
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "table_needs_application"));
    }
    assert!(!to.exists() && before == digest(&live));
    assert_eq!(into(&backup, "fine", &live).unwrap().rows_after, 1);
}

#[test]
fn a_file_that_exists_is_never_replaced() {
    let scratch = Scratch::new();
    let backup = scratch.made("backup.db", "CREATE TABLE t(a)");
    let to = scratch.path("to.db");
    fs::write(&to, "precious").unwrap();
    assert_eq!(alone(&backup, "t", &to).unwrap_err().kind(), ErrorKind::WouldOverwrite);
    assert_eq!(fs::read(&to).unwrap(), b"precious");
}

#[test]
fn a_statement_that_is_not_what_it_says_makes_nothing() {
    for sql in ["CREATE TABLE u(a)", "CREATE TABLE t AS SELECT 1 AS a", "CREATE TABLE IF NOT EXISTS t(a)"] {
        let scratch = Scratch::new();
        let backup = scratch.made("backup.db", "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
        let db = Connection::open(&backup).unwrap();
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
        db.execute_batch("PRAGMA writable_schema = ON").unwrap();
        db.execute("UPDATE sqlite_schema SET sql = ?1", [sql]).unwrap();
        db.close().unwrap();
        let live = scratch.made("live.db", "CREATE TABLE v(a)");
        let (to, before) = (scratch.path("to.db"), digest(&live));
        assert!(alone(&backup, "t", &to).is_err() && into(&backup, "t", &live).is_err(), "{sql}");
        assert!(!to.exists());
        assert_eq!(before, digest(&live));
    }
}

#[test]
fn a_cancelled_restore_of_a_table_changes_nothing() {
    let scratch = Scratch::new();
    let (backup, live) = scratch.pair("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)");
    let context = Context::quiet();
    context.cancel.cancel();
    let before = digest(&live);
    assert_eq!(table::into(&backup, "t", &live, &context).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(before, digest(&live));
    let to = scratch.path("to.db");
    assert_eq!(table::alone(&backup, "t", &to, &context).unwrap_err().kind(), ErrorKind::Cancelled);
    assert!(!to.exists());
}

/// The most memory that this process has held so far, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_stays_flat_with_the_size_of_the_table() {
    let scratch = Scratch::new();
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
                INSERT INTO t SELECT i, i % 7, randomblob(4000) FROM n";
    let schema = "CREATE TABLE t(id INTEGER PRIMARY KEY, a, b); CREATE INDEX by_a ON t(a)";
    let (backup, live) = scratch.pair(schema, fill, "INSERT INTO t VALUES (1, 1, 1)");
    let before = peak();
    assert_eq!(alone(&backup, "t", &scratch.path("alone.db")).unwrap(), 40_000);
    assert_eq!(into(&backup, "t", &live).unwrap().rows_after, 40_000);
    let grown = peak() - before;
    // 160 MB of rows; the page caches may hold 16 + 32 MiB.
    assert!(grown < 80 << 10, "{grown} KiB more");
}
