//! The JSON format: what goes out comes back, bit for bit, and nothing damaged is ever taken.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod json_kit;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use json_kit::{Scratch, header, is_refused, line, problems};
use proptest::prelude::*;
use recoup::ErrorKind;
use recoup::format::json::{self, ExportHeader};
use recoup::progress::Context;
use recoup_testkit::matrix::{ENCODINGS, Shape};
use rusqlite::Connection;

fn digest(db: &Path) -> BTreeMap<String, String> {
    json::logical_digest(db, &Context::quiet()).unwrap()
}

/// What SQLite finds wrong; some of the odd databases have broken checks and missing modules from the start.
fn integrity(db: &Path) -> Vec<String> {
    let db = Connection::open(db).unwrap();
    let mut statement = db.prepare("PRAGMA integrity_check").unwrap();
    let mut found: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    found.sort();
    found
}

fn cases() -> u32 {
    if std::env::var_os("SOAK").is_some() { 20_000 } else { 1000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_database_comes_back_as_it_was(shape in Shape::any()) {
        let scratch = Scratch::new();
        let db = scratch.path("source.db");
        shape.build(&db);
        let (back, _) = scratch.round_trip(&db);
        prop_assert_eq!(digest(&db), digest(&back));
        prop_assert!(problems(&fs::read(scratch.path("out.json")).unwrap()).is_empty());
        prop_assert_eq!(integrity(&db), integrity(&back));
    }
}

#[test]
fn every_feature_survives_in_every_encoding() {
    for encoding in ENCODINGS {
        let scratch = Scratch::new();
        let db = scratch.everything(encoding);
        let (back, imported) = scratch.round_trip(&db);
        assert_eq!(digest(&db), digest(&back), "{encoding}");
        assert_eq!(integrity(&db), integrity(&back), "{encoding}");
        assert_eq!(imported.foreign_key_violations, Some(2), "hen 2 and egg 2 had violations before");
        for sql in [
            "SELECT group_concat(rowid || title) FROM notes WHERE notes MATCH 'run OR alpha'",
            "SELECT group_concat(rowid || subject) FROM mails_fts WHERE mails_fts MATCH 'delta OR alpha'",
            "SELECT group_concat(rowid) FROM gone WHERE gone MATCH 'alpha'",
            "SELECT group_concat(rowid) FROM erasable WHERE erasable MATCH 'alpha OR delta'",
            "SELECT group_concat(docid || a) FROM \"old search\" WHERE \"old search\" MATCH 'alpha'",
            "SELECT group_concat(id || label) FROM boxes WHERE x0 < 70 AND y1 > 20",
            "SELECT count(*) || group_concat(gross) FROM prices",
            "SELECT group_concat(rowid || ':' || a) FROM heap",
            "SELECT group_concat(rowid || typeof(v) || hex(CAST(v AS BLOB))) FROM texts",
            "SELECT group_concat(id || typeof(a) || printf('%!.26g', a) || typeof(r) || printf('%!.26g', r)) FROM numbers",
        ] {
            let (before, after): (String, String) = (line(&db, sql), line(&back, sql));
            assert!(before == after && !before.is_empty(), "{encoding}: {sql}: {before} / {after}");
        }
        assert_eq!(line::<i64>(&back, "SELECT count(*) FROM log"), 0, "no trigger may fire");
        assert_eq!(line::<i64>(&back, "SELECT count(*) FROM watched"), 3, "forbidden rows are here too");
        assert_eq!(line::<i64>(&back, "SELECT seq FROM sqlite_sequence WHERE name = 'counted'"), 1000);
    }
}

#[test]
fn a_restored_full_text_index_goes_on_working() {
    let scratch = Scratch::new();
    let (back, _) = scratch.round_trip(&scratch.everything("UTF-8"));
    let db = Connection::open(&back).unwrap();
    db.execute_batch(
        "INSERT INTO notes VALUES ('new', 'zebra'); INSERT INTO gone(rowid, a) VALUES (99, 'zebra');
         INSERT INTO notes(notes) VALUES ('integrity-check'); INSERT INTO mails_fts(mails_fts) VALUES ('rebuild')",
    )
    .unwrap();
    assert_eq!(line::<i64>(&back, "SELECT count(*) FROM notes WHERE notes MATCH 'zebra'"), 1);
    assert_eq!(line::<i64>(&back, "SELECT rowid FROM gone WHERE gone MATCH 'zebra'"), 99);
}

#[test]
fn other_programs_read_the_document_and_the_database() {
    let scratch = Scratch::new();
    let db = scratch.made_of(
        "CREATE TABLE t(a, b); PRAGMA user_version = 5;
         INSERT INTO t VALUES (9223372036854775807, x'00ff'), (1.0, 'é\n'),
           (9e999, CAST(x'ff' AS TEXT)), (-0.0, NULL)",
    );
    let (back, imported) = scratch.round_trip(&db);
    assert_eq!((imported.tables, imported.rows, imported.header.database.user_version), (1, 4, 5));
    let script = "import json,sys; d=json.load(open(sys.argv[1])); t=d['tables'][0]; \
                  print(d['backup_type'], d['exported_at'], d['end']['rows'], json.dumps(t['rows']))";
    let json = scratch.path("out.json");
    let out = Command::new("python3").args(["-c", script]).arg(&json).output().unwrap();
    let expected = concat!(
        r#"manual 2027-01-15T08:00:00Z 4 [[1, {"$int": "9223372036854775807"}, {"$blob": "AP8="}], "#,
        r#"[2, 1.0, "\u00e9\n"], [3, {"$real": "inf"}, {"$text": "/w=="}], [4, -0.0, null]]"#,
        "\n"
    );
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
    // The hash that its end gives can be computed by hand.
    let by_hand = format!("head -n -2 '{}' | sha256sum | cut -c1-64 | tr -d '\\n'", json.display());
    let out = Command::new("sh").args(["-c", &by_hand]).output().unwrap();
    let hash = String::from_utf8(out.stdout).unwrap();
    assert!(hash.len() == 64 && fs::read_to_string(&json).unwrap().contains(&hash), "{hash}");
    let out =
        Command::new("sqlite3").arg(&back).arg("PRAGMA integrity_check; SELECT typeof(a) FROM t").output().unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "ok\ninteger\nreal\nreal\nreal\n");
}

#[test]
fn files_are_for_their_owner_only() {
    let scratch = Scratch::new();
    scratch.round_trip(&scratch.made_of("CREATE TABLE t(a)"));
    for name in ["out.json", "back.db"] {
        let mode = fs::metadata(scratch.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_database_without_tables_comes_back_empty() {
    let scratch = Scratch::new();
    let db = scratch.made_of("PRAGMA page_size = 1024; PRAGMA user_version = 3; CREATE VIEW v AS SELECT 1");
    let (back, imported) = scratch.round_trip(&db);
    assert_eq!((digest(&back), imported.tables), (digest(&db), 0));
}

#[test]
fn what_could_not_be_imported_is_refused_when_it_is_exported() {
    let app = "import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.create_collation('app', lambda a,b: (a>b)-(a<b)); \
               c.create_function('app_f', 1, lambda x: x, deterministic=True); \
               c.executescript(sys.argv[2]); c.commit()";
    let edited = "CREATE TABLE t(a TEXT); INSERT INTO t VALUES ('12'), ('x'); PRAGMA writable_schema = ON; \
                  UPDATE sqlite_schema SET sql = 'CREATE TABLE t(a INTEGER)'";
    let cases = [
        ("CREATE TABLE t(a); CREATE INDEX i ON t(a COLLATE app)", "json_cannot_hold_schema", "app"),
        ("CREATE TABLE t(a); CREATE INDEX i ON t(app_f(a))", "json_cannot_hold_schema", "app_f"),
        ("CREATE TABLE t(a, b AS (app_f(a)) STORED)", "json_cannot_hold_schema", "app_f"),
        (edited, "json_cannot_hold_value", "table t"),
    ];
    for (sql, code, named) in cases {
        let scratch = Scratch::new();
        let (db, json) = (scratch.path("app.db"), scratch.path("out.json"));
        let status = Command::new("python3").args(["-c", app]).arg(&db).arg(sql).status().unwrap();
        assert!(status.success());
        let error = json::export(&db, &header(), &[], &json, &Context::quiet()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, code), "{sql}: {error:?}");
        assert!(error.detail().contains(named) && error.hint_text().is_some(), "{sql}: {}", error.detail());
        assert!(!json.exists());
    }
}

#[test]
fn what_only_triggers_and_views_need_of_the_application_is_no_hindrance() {
    let scratch = Scratch::new();
    let db = scratch.made_of(
        "CREATE TABLE t(a); INSERT INTO t VALUES (1);
         CREATE VIEW v AS SELECT app_f(a) FROM t ORDER BY a COLLATE app;
         CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT app_f(new.a); END",
    );
    let (back, _) = scratch.round_trip(&db);
    assert_eq!(digest(&back), digest(&db));
}

#[test]
fn two_exports_of_the_same_data_are_the_same_bytes() {
    let scratch = Scratch::new();
    let db = scratch.everything("UTF-16be");
    let first = fs::read(scratch.export(&db)).unwrap();
    let (back, again) = (scratch.path("back.db"), scratch.path("again.json"));
    json::import(&scratch.path("out.json"), &back, &Context::quiet()).unwrap();
    let header = ExportHeader { journal_mode: Some("wal".into()), ..header() };
    json::export(&back, &header, &[], &again, &Context::quiet()).unwrap();
    let rows = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).unwrap();
        let mut lines: Vec<String> = text.lines().filter(|l| l.starts_with('[')).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(rows(&first), rows(&fs::read(&again).unwrap()));
}

#[test]
fn the_logical_digest_sees_every_difference() {
    let base = "CREATE TABLE t(a, b); INSERT INTO t VALUES (1, 'x')";
    let scratch = Scratch::new();
    let before = digest(&scratch.made_of(base));
    for change in [
        "UPDATE t SET a = 1.0",
        "UPDATE t SET a = NULL",
        "UPDATE t SET b = x'78'",
        "UPDATE t SET rowid = 2",
        "DELETE FROM t",
        "INSERT INTO t VALUES (1, 'x')",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 1",
        "CREATE INDEX i ON t(a)",
        "ALTER TABLE t RENAME COLUMN a TO c",
        "CREATE VIEW v AS SELECT 1",
    ] {
        let scratch = Scratch::new();
        assert_ne!(digest(&scratch.made_of(&format!("{base}; {change}"))), before, "{change}");
    }
    let scratch = Scratch::new();
    let moved = scratch.made_of(&format!(
        "{base}; CREATE TABLE u(x); INSERT INTO u VALUES (zeroblob(99999)); DROP TABLE u;
        VACUUM"
    ));
    assert_eq!(digest(&moved), before);
}

#[test]
fn a_curated_export_says_what_it_is() {
    let scratch = Scratch::new();
    let db = scratch.made_of(
        "CREATE TABLE channels(id INTEGER PRIMARY KEY, name, url); CREATE TABLE saved(at, n, icon BLOB);
         INSERT INTO channels VALUES (1, 'One', 'https://one'), (2, NULL, '');
         INSERT INTO saved VALUES ('2027', 1.5, x'00')",
    );
    let queries = [
        ("channels".to_owned(), "SELECT id, name, url AS \"channel url\" FROM channels".to_owned()),
        ("saved items".to_owned(), "SELECT * FROM saved".to_owned()),
        ("none".to_owned(), "SELECT id FROM channels WHERE 0".to_owned()),
    ];
    let json = scratch.path("curated.json");
    json::export(&db, &header(), &queries, &json, &Context::quiet()).unwrap();
    let bytes = fs::read(&json).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["coverage"], "curated");
    assert_eq!(value["queries"][0]["sql"], queries[0].1);
    let expected = serde_json::json!({
        "channels": [{"id": 1, "name": "One", "channel url": "https://one"}, {"id": 2, "name": null, "channel url": ""}],
        "saved items": [{"at": "2027", "n": 1.5, "icon": {"$blob": "AA=="}}],
        "none": [],
    });
    assert_eq!(value["data"], expected);
    assert_eq!(value["end"]["rows"], 3);
    assert_eq!(problems(&bytes), []);
    for at in 0..bytes.len() {
        assert!(is_refused(&bytes[..at]), "cut at {at}");
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(is_refused(&damaged), "byte {at}");
    }
    let error = json::import(&json, &scratch.path("back.db"), &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "curated_export"));
}

#[test]
fn a_query_that_does_not_just_read_is_refused() {
    let scratch = Scratch::new();
    let db = scratch.made_of("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    for sql in [
        "DELETE FROM t",
        "ATTACH 'x' AS x",
        "SELECT a, a FROM t",
        "SELEC",
        "",
        "EXPLAIN SELECT 1",
        "PRAGMA user_version = 3",
    ] {
        let json = scratch.path("curated.json");
        let error = json::export(&db, &header(), &[("q".into(), sql.into())], &json, &Context::quiet()).unwrap_err();
        assert_eq!((error.kind(), json.exists()), (ErrorKind::Usage, false), "{sql}: {error:?}");
    }
    let twice = [("q".to_owned(), "SELECT 1".to_owned()), ("q".to_owned(), "SELECT 2".to_owned())];
    let error = json::export(&db, &header(), &twice, &scratch.path("x.json"), &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "query_twice");
}

#[test]
#[ignore = "needs a gigabyte of memory"]
fn a_row_that_is_too_long_for_a_line_is_refused() {
    let scratch = Scratch::new();
    let db = scratch.made_of("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(202000000))");
    let error = json::export(&db, &header(), &[], &scratch.path("out.json"), &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "row_too_large"));
    let db_2 = scratch.path("smaller.db");
    Connection::open(&db_2)
        .unwrap()
        .execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (zeroblob(201000000))")
        .unwrap();
    let (back, _) = scratch.round_trip(&db_2);
    assert_eq!(line::<i64>(&back, "SELECT length(a) FROM t"), 201_000_000);
}

/// The child of the next test: exports and imports, and tells its own peak of memory.
#[test]
#[ignore = "run by the next test"]
fn in_a_child_of_the_memory_test() {
    let dir = PathBuf::from(std::env::var_os("RECOUP_TEST_MEMORY").unwrap());
    let (db, json, back) = (dir.join("big.db"), dir.join("big.json"), dir.join("back.db"));
    json::export(&db, &header(), &[], &json, &Context::quiet()).unwrap();
    assert_eq!(json::check(fs::File::open(&json).unwrap(), &Context::quiet()).unwrap(), []);
    json::import(&json, &back, &Context::quiet()).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    fs::write(dir.join("peak"), peak.split_whitespace().nth(1).unwrap()).unwrap();
}

#[test]
#[allow(clippy::print_stdout)]
fn memory_stays_flat_for_a_large_database() {
    let scratch = Scratch::new();
    let path = scratch.path("big.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE items(id INTEGER PRIMARY KEY, title TEXT, body TEXT, data BLOB); CREATE TABLE small(a, b);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 14000)
         INSERT INTO items SELECT i, 'title ' || i, hex(randomblob(2000)), randomblob(4000) FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO small SELECT i, hex(randomblob(10)) FROM n;
         CREATE UNIQUE INDEX by_title ON items(title); CREATE INDEX by_b ON small(b)",
    )
    .unwrap();
    db.close().unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 110 << 20);
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_child_of_the_memory_test", "--ignored"])
        .env("RECOUP_TEST_MEMORY", scratch.folder())
        .status()
        .unwrap();
    assert!(status.success());
    let peak: u64 = fs::read_to_string(scratch.path("peak")).unwrap().parse().unwrap();
    println!("R21 database_mib={} peak_kib={peak}", fs::metadata(&path).unwrap().len() >> 20);
    assert!(peak < 64 << 10, "peak of {peak} KiB");
    assert_eq!(digest(&path), digest(&scratch.path("back.db")));
}
