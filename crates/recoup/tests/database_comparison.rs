//! Comparing two databases: what was added, removed and changed, counted right whatever the keys are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use recoup::format::json::{self, ExportHeader};
use recoup::model::Kind;
use recoup::progress::Context;
use recoup::sqlite::compare::compare;
use recoup_testkit::matrix::{self, ENCODINGS, FEATURES};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

type Found = (Vec<(String, u64, u64, u64)>, Vec<String>);

fn make(path: &Path, sql: &str) -> PathBuf {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    path.to_owned()
}

fn found(left: &Path, right: &Path) -> Found {
    let (tables, schema) = compare(left, right, &Context::quiet()).unwrap();
    (tables.into_iter().map(|t| (t.name, t.added, t.removed, t.changed)).collect(), schema)
}

/// Compares what `sql` makes with what it is after `change`.
fn after(sql: &str, change: &str) -> Found {
    let dir = TempDir::new().unwrap();
    let left = make(&dir.path().join("left.db"), sql);
    let right = dir.path().join("right.db");
    std::fs::copy(&left, &right).unwrap();
    make(&right, change);
    found(&left, &right)
}

fn tables(expected: &[(&str, u64, u64, u64)]) -> Found {
    (expected.iter().map(|(name, a, r, c)| ((*name).to_owned(), *a, *r, *c)).collect(), Vec::new())
}

#[test]
fn a_database_equals_its_copies() {
    for encoding in ENCODINGS {
        let dir = TempDir::new().unwrap();
        let db = dir.path().join("source.db");
        matrix::build(&db, 1024, "delete", encoding, 1, &FEATURES, 11);
        let (json, back, compact) =
            (dir.path().join("x.json"), dir.path().join("back.db"), dir.path().join("compact.db"));
        let exported_at = "2027-01-15T08:00:00Z".parse().unwrap();
        let header = ExportHeader { exported_at, backup_type: Kind::Manual, name: "x".into(), journal_mode: None };
        json::export(&db, &header, &[], &json, &Context::quiet()).unwrap();
        json::import(&json, &back, &Context::quiet()).unwrap();
        Connection::open(&db).unwrap().execute("VACUUM INTO ?1", [compact.to_str().unwrap()]).unwrap();
        assert_eq!(found(&db, &back), tables(&[]), "{encoding}");
        assert_eq!(found(&db, &compact), tables(&[]), "{encoding}: compacted, with new rowids");
    }
}

#[test]
fn rows_are_matched_by_whatever_key_there_is() {
    let rows = "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')";
    let change = "DELETE FROM t WHERE k = 1; UPDATE t SET v = 'x' WHERE k = 2;
     INSERT INTO t VALUES (4, 'd'), (5, 'e')";
    for key in
        ["k INTEGER PRIMARY KEY, v", "k TEXT PRIMARY KEY, v", "k PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE z(a"]
    {
        assert_eq!(after(&format!("CREATE TABLE t({key}); {rows}"), change), tables(&[("t", 2, 1, 1)]), "{key}");
    }
    // Without a key a row that changed is one row less and one row more.
    assert_eq!(after(&format!("CREATE TABLE t(k, v); {rows}"), change), tables(&[("t", 3, 2, 0)]));
}

#[test]
fn rows_without_a_key_are_counted_one_by_one() {
    let sql = "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 1), (1, 1), (1.0, 1), (NULL, x''), ('', NULL)";
    assert_eq!(after(sql, "DELETE FROM t WHERE rowid = 1"), tables(&[("t", 0, 1, 0)]));
    assert_eq!(after(sql, "INSERT INTO t VALUES (1, 1), (1.0, 1)"), tables(&[("t", 2, 0, 0)]));
    assert_eq!(after(sql, "UPDATE t SET rowid = 100 - rowid"), tables(&[]), "another order is no difference");
    assert_eq!(after(sql, "UPDATE t SET b = '' WHERE a IS NULL"), tables(&[("t", 1, 1, 0)]));
    assert_eq!(after(sql, "UPDATE t SET a = 1 WHERE typeof(a) = 'real'"), tables(&[("t", 1, 1, 0)]));
}

#[test]
fn a_case_insensitive_key_does_not_confuse_the_order() {
    let sql = "CREATE TABLE t(k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID;
               INSERT INTO t VALUES ('b', 1), ('A', 2), ('C', 3), ('d', 4)";
    let change =
        "INSERT INTO t VALUES ('B2', 1), ('a2', 1); DELETE FROM t WHERE k = 'c'; UPDATE t SET v = 0 WHERE k = 'D'";
    assert_eq!(after(sql, change), tables(&[("t", 2, 1, 1)]));
}

#[test]
fn null_in_a_key_may_come_several_times() {
    let sql = "CREATE TABLE t(k PRIMARY KEY, v); INSERT INTO t VALUES (NULL, 1), (NULL, 2), (NULL, 3), (7, 4)";
    assert_eq!(
        after(
            sql,
            "UPDATE t SET v = 0 WHERE v = 2;
    INSERT INTO t VALUES (NULL, 9)"
        ),
        tables(&[("t", 1, 0, 1)])
    );
}

#[test]
fn tables_come_and_go_and_schema_objects_are_named() {
    let sql = "CREATE TABLE old(a); INSERT INTO old VALUES (1), (2); CREATE TABLE grows(id INTEGER PRIMARY KEY, a);
               INSERT INTO grows VALUES (1, 1), (2, 2); CREATE VIEW recent AS SELECT 1;
               CREATE INDEX by_a ON grows(a);
               CREATE TRIGGER same AFTER INSERT ON grows BEGIN SELECT 1; END";
    let change = "DROP TABLE old; CREATE TABLE new(a); INSERT INTO new VALUES (1), (2), (3); CREATE TABLE empty(a);
                  ALTER TABLE grows ADD COLUMN b DEFAULT 5; UPDATE grows SET a = 9 WHERE id = 2;
                  DROP VIEW recent; CREATE VIEW recent AS SELECT 2; DROP INDEX by_a;
                  CREATE INDEX by_id ON grows(id)";
    let (tables, schema) = after(sql, change);
    let expected = [("grows", 0, 0, 1), ("new", 3, 0, 0), ("old", 0, 2, 0)];
    assert_eq!(tables, expected.map(|(name, a, r, c)| (name.to_owned(), a, r, c)));
    let expected = [
        "+ table empty",
        "~ table grows",
        "+ table new",
        "- table old",
        "- index by_a",
        "+ index by_id",
        "~ view recent",
    ];
    assert_eq!(schema, expected);
}

#[test]
fn a_virtual_table_answers_for_the_tables_behind_it() {
    let sql = "CREATE VIRTUAL TABLE notes USING fts5(body); INSERT INTO notes VALUES ('one'), ('two'), ('three');
               CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1); INSERT INTO boxes VALUES (1, 0, 1), (2, 1, 2)";
    let change = "DELETE FROM notes WHERE rowid = 1; UPDATE notes SET body = 'deux' WHERE rowid = 2;
     INSERT INTO notes VALUES ('four');
                  INSERT INTO notes VALUES ('five')";
    assert_eq!(after(sql, change), tables(&[("notes", 2, 1, 1)]));
    assert_eq!(after(sql, "INSERT INTO boxes VALUES (3, 5, 6)"), tables(&[("boxes", 1, 0, 0)]));
    assert_eq!(after(sql, "UPDATE boxes SET x1 = 9 WHERE id = 2"), tables(&[("boxes", 0, 0, 1)]));
    let (tables, schema) = after(sql, "DROP TABLE notes");
    assert_eq!((tables, schema), (vec![("notes".to_owned(), 0, 3, 0)], vec!["- table notes".to_owned()]));
}

#[test]
fn another_encoding_is_no_difference() {
    let dir = TempDir::new().unwrap();
    let rows = "CREATE TABLE t(a, b); INSERT INTO t VALUES ('é', 1), ('日本', x'00');
     CREATE TABLE u(id INTEGER PRIMARY KEY, a);
                INSERT INTO u VALUES (1, 'é'), (2, 'ü')";
    let left = make(&dir.path().join("left.db"), rows);
    let right = make(&dir.path().join("right.db"), &format!("PRAGMA encoding = 'UTF-16le'; {rows}"));
    assert_eq!(found(&left, &right), tables(&[]));
    make(&right, "UPDATE u SET a = 'ö' WHERE id = 2; DELETE FROM t WHERE a = 'é'");
    assert_eq!(found(&left, &right), tables(&[("t", 1, 2, 0), ("u", 0, 0, 1)]));
}

#[test]
fn nothing_of_either_side_is_run() {
    // Either would fail if it were run: there is no such function.
    let sql = "CREATE TABLE t(a); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT app_function(a) FROM t;
               CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT app_function(1); END";
    assert_eq!(after(sql, "DELETE FROM t"), tables(&[("t", 0, 1, 0)]));
}

/// Keys in which the order of SQLite could be got wrong: numbers of both classes, text by bytes, blobs.
fn key() -> impl Strategy<Value = Value> {
    let texts = ["", "a", "A", "é", "e", "z", "日", "\u{ffff}", "😀", "\u{e000}", "a\0", "a\0b", "10", "9"];
    prop_oneof![
        (-3..3_i64).prop_map(Value::Integer),
        prop::sample::select(vec![i64::MIN, i64::MAX, i64::MAX - 1, 1 << 53, (1 << 53) + 1]).prop_map(Value::Integer),
        prop::sample::select(vec![
            -2.5,
            -0.5,
            0.5,
            1.5,
            9007199254740994.0,
            9.3e18,
            -9.3e18,
            f64::INFINITY,
            f64::NEG_INFINITY
        ])
        .prop_map(Value::Real),
        prop::sample::select(texts.to_vec()).prop_map(|text| Value::Text(text.into())),
        prop::sample::select(vec![vec![], vec![0], vec![0xff], b"a".to_vec()]).prop_map(Value::Blob),
    ]
}

fn rows() -> impl Strategy<Value = Vec<(Value, i64)>> {
    prop::collection::vec((key(), 0..3_i64), 0..25)
}

fn fill(path: &Path, encoding: &str, table: &str, rows: &BTreeMap<String, (Value, i64)>) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "PRAGMA encoding = '{encoding}'; PRAGMA synchronous = OFF; BEGIN; CREATE TABLE t{table}"
    ))
    .unwrap();
    for (key, value) in rows.values() {
        db.execute("INSERT INTO t VALUES (?, ?)", (key, value)).unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    db.close().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_difference_is_counted_once(left in rows(), right in rows(), encoding in 0..3_usize, form in 0..3_usize) {
        let by_key = |rows: Vec<(Value, i64)>| -> BTreeMap<String, (Value, i64)> {
            rows.into_iter().map(|row| (format!("{:?}", row.0), row)).collect()
        };
        let (left, right) = (by_key(left), by_key(right));
        let dir = TempDir::new().unwrap();
        let paths = (dir.path().join("left.db"), dir.path().join("right.db"));
        let table = ["(k PRIMARY KEY, v)", "(k, v, PRIMARY KEY (k DESC)) WITHOUT ROWID", "(k, v)"][form];
        // SQLite turns U+FFFF into U+FFFD on its way to UTF-16; both sides alike, so it stays one key.
        fill(&paths.0, ENCODINGS[encoding], table, &left);
        fill(&paths.1, ENCODINGS[encoding], table, &right);
        let only = |one: &BTreeMap<String, (Value, i64)>, other: &BTreeMap<String, (Value, i64)>| {
            one.keys().filter(|key| !other.contains_key(*key)).count() as u64
        };
        let differs = |(key, row): &(&String, &(Value, i64))| right.get(*key).is_some_and(|other| other.1 != row.1);
        let changed = left.iter().filter(differs).count() as u64;
        let (mut added, mut removed, mut expected_changed) = (only(&right, &left), only(&left, &right), changed);
        if form == 2 {
            (added, removed, expected_changed) = (added + changed, removed + changed, 0);
        }
        let (found, schema) = found(&paths.0, &paths.1);
        let counts = found.first().map_or((0, 0, 0), |(_, a, r, c)| (*a, *r, *c));
        prop_assert_eq!(counts, (added, removed, expected_changed));
        prop_assert!(schema.is_empty());
    }
}

/// The keys that are told of the only table that differs.
fn keys(sql: &str, change: &str) -> serde_json::Value {
    let dir = TempDir::new().unwrap();
    let left = make(&dir.path().join("left.db"), sql);
    let right = dir.path().join("right.db");
    std::fs::copy(&left, &right).unwrap();
    make(&right, change);
    let (tables, _) = compare(&left, &right, &Context::quiet()).unwrap();
    assert_eq!(tables.len(), 1);
    serde_json::to_value(&tables[0]).unwrap().get("keys").cloned().unwrap_or_default()
}

#[test]
fn the_first_keys_of_what_differs_are_told() {
    use serde_json::json;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)";
    let by_rowid = format!("CREATE TABLE t(id INTEGER PRIMARY KEY, a); {many} INSERT INTO t SELECT i, i FROM n");
    assert_eq!(
        keys(
            &by_rowid,
            "DELETE FROM t WHERE id > 90; INSERT INTO t VALUES (-1, 1), (9223372036854775807, 1); UPDATE t SET a = 0 WHERE id IN (7, 8)"
        ),
        json!({"added": [-1, {"$int": "9223372036854775807"}], "removed": [91, 92, 93, 94, 95], "changed": [7, 8]})
    );
    let by_columns = "CREATE TABLE t(a TEXT, b, c, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO t VALUES ('x', 1, 1), ('y', x'00', 1)";
    assert_eq!(
        keys(by_columns, "UPDATE t SET c = 2; INSERT INTO t VALUES ('z', 1.5, 1)"),
        json!({"added": [["z", 1.5]], "removed": [], "changed": [["x", 1], ["y", {"$blob": "AA=="}]]})
    );
    let long = keys("CREATE TABLE t(k TEXT PRIMARY KEY)", "INSERT INTO t VALUES (printf('%.*c', 5000, 'k'))");
    assert_eq!(long["added"], json!([format!("{}…", "k".repeat(100))]));
    // Without a key there is nothing to tell, and a table that only one side has tells its own.
    assert_eq!(keys("CREATE TABLE t(a)", "INSERT INTO t VALUES (1)"), json!(null));
    assert_eq!(keys(&by_rowid, "DROP TABLE t"), json!({"added": [], "removed": [1, 2, 3, 4, 5], "changed": []}));
    let dropped = "CREATE TABLE u(a); CREATE TABLE t(k TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO t VALUES ('x')";
    assert_eq!(keys("CREATE TABLE u(a)", dropped.strip_prefix("CREATE TABLE u(a);").unwrap())["added"], json!(["x"]));
}

#[test]
fn a_row_far_away_from_its_page_is_seen() {
    // What differs lies on an overflow page: the leaf is the same on both sides.
    let sql =
        "PRAGMA page_size = 512; CREATE TABLE t(id INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, zeroblob(50000));
               CREATE TABLE same(a); INSERT INTO same VALUES (zeroblob(50000))";
    let dir = TempDir::new().unwrap();
    let left = make(&dir.path().join("left.db"), sql);
    let right = dir.path().join("right.db");
    std::fs::copy(&left, &right).unwrap();
    make(&right, "UPDATE t SET b = CAST(zeroblob(40000) || x'01' || zeroblob(9999) AS BLOB)");
    assert_eq!(found(&left, &right), tables(&[("t", 0, 0, 1)]));
    assert_eq!(found(&left, &left), tables(&[]));
}

#[test]
fn one_row_less_is_seen_in_every_kind_of_table_and_page() {
    let features: Vec<_> = FEATURES.into_iter().filter(|f| !matches!(f, matrix::Feature::UnknownModule)).collect();
    for (at, page_size) in matrix::PAGE_SIZES.into_iter().enumerate() {
        let dir = TempDir::new().unwrap();
        let left = dir.path().join("left.db");
        matrix::build(&left, page_size, "delete", ENCODINGS[at % 3], 1, &features, at as u64);
        let db = Connection::open(&left).unwrap();
        let list = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let mut statement = db.prepare(list).unwrap();
        let names: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names {
            let right = dir.path().join("right.db");
            std::fs::copy(&left, &right).unwrap();
            let quoted = recoup::sqlite::schema::quote(&name);
            let count = format!("SELECT count(*) FROM {quoted}");
            let rows = |path: &Path| Connection::open(path).unwrap().query_row(&count, [], |row| row.get::<_, i64>(0));
            let db = Connection::open(&right).unwrap();
            db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
            let first: Option<String> = db
                .query_row("SELECT name FROM pragma_table_info(?1) ORDER BY pk = 0, pk LIMIT 1", [&name], |row| {
                    row.get(0)
                })
                .unwrap();
            let column = recoup::sqlite::schema::quote(&first.unwrap());
            let sql = format!("DELETE FROM {quoted} WHERE {column} IS (SELECT {column} FROM {quoted} LIMIT 1)");
            db.execute_batch(&sql).unwrap();
            db.close().unwrap();
            let gone = (rows(&left).unwrap() - rows(&right).unwrap()).unsigned_abs();
            let expected: Vec<(&str, u64, u64, u64)> = if gone > 0 { vec![(&name, 0, gone, 0)] } else { vec![] };
            assert_eq!(found(&left, &right), tables(&expected), "{page_size} {name:?}");
        }
    }
}
