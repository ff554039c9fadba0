//! The CSV format: what other programs read from it, and what it says about itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup::ErrorKind;
use recoup::format::csv::{self as format, ColumnEncoding, Coverage};
use recoup::progress::Context;
use recoup_testkit::matrix::{self, ENCODINGS, FEATURES};
use rusqlite::Connection;
use tempfile::TempDir;

fn database(dir: &Path, sql: &str) -> PathBuf {
    let path = dir.join("source.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
    path
}

fn exported(dir: &Path, db: &Path) -> PathBuf {
    let zip = dir.join("out.csv.zip");
    format::export(db, &zip, &Context::quiet()).unwrap();
    zip
}

fn member(zip: &Path, name: &str) -> String {
    let mut archive = zip::ZipArchive::new(fs::File::open(zip).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn coverage(zip: &Path) -> Coverage {
    serde_json::from_str(&member(zip, "coverage.json")).unwrap()
}

fn problems(zip: &Path) -> Vec<recoup::model::Problem> {
    format::check(zip, &Context::quiet()).unwrap()
}

#[test]
fn null_and_empty_can_be_told_apart_and_everything_else_is_as_it_was() {
    let dir = TempDir::new().unwrap();
    let db = database(
        dir.path(),
        "CREATE TABLE t(a, \"b,c\", d);
         INSERT INTO t VALUES (NULL, '', 'plain'), ('say \"hi\"', 'two' || char(13, 10) || 'lines', ' padded '),
           (1, 1.0, -0.0), (9223372036854775807, 9e999, 5e-324), (x'00ff', NULL, NULL),
           ('a' || char(0) || 'b', 'é', '=1+1')",
    );
    let zip = exported(dir.path(), &db);
    let expected = "a,\"b,c\",d\r\n,\"\",plain\r\n\"say \"\"hi\"\"\",\"two\r\nlines\",\" padded \"\r\n1,1.0,-0.0\r\n\
                    9223372036854775807,inf,5e-324\r\nAP8=,,\r\n\"a\0b\",é,=1+1\r\n";
    assert_eq!(member(&zip, "t.csv"), expected);
    let encodings: Vec<ColumnEncoding> = coverage(&zip).tables[0].columns.iter().map(|c| c.encoding).collect();
    assert_eq!(encodings, [ColumnEncoding::Mixed, ColumnEncoding::Plain, ColumnEncoding::Plain]);
    assert_eq!(problems(&zip), []);
}

#[test]
fn other_programs_read_it() {
    let dir = TempDir::new().unwrap();
    let db = database(
        dir.path(),
        "CREATE TABLE \"my table\"(id INTEGER PRIMARY KEY, note, icon BLOB);
         INSERT INTO \"my table\"(note, icon) VALUES ('a,b', x'01'), ('line' || char(10), NULL), (NULL, x'')",
    );
    let zip = exported(dir.path(), &db);
    assert!(Command::new("unzip").arg("-tq").arg(&zip).status().unwrap().success());
    let script = "import csv,io,sys,zipfile,json; z=zipfile.ZipFile(sys.argv[1]); \
                  c=json.loads(z.read('coverage.json')); \
                  t=c['tables'][0]; r=csv.reader(io.StringIO(z.read(t['member']).decode(), newline='')); \
                  print(t['member'], t['columns'][2]['encoding'], c['restorable'], json.dumps(list(r)))";
    let out = Command::new("python3").args(["-c", script]).arg(&zip).output().unwrap();
    let expected = "my_table~1.csv base64 False [[\"id\", \"note\", \"icon\"], [\"1\", \"a,b\", \"AQ==\"], \
                    [\"2\", \"line\\n\", \"\"], [\"3\", \"\", \"\"]]\n";
    assert_eq!(String::from_utf8(out.stdout).unwrap(), expected);
    assert_eq!(fs::metadata(&zip).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn every_odd_database_is_covered_or_said_not_to_be() {
    for encoding in ENCODINGS {
        let dir = TempDir::new().unwrap();
        let db = dir.path().join("source.db");
        matrix::build(&db, 4096, "delete", encoding, 0, &FEATURES, 3);
        let zip = exported(dir.path(), &db);
        assert_eq!(problems(&zip), []);
        let coverage = coverage(&zip);
        let source = Connection::open(&db).unwrap();
        let mut all = source.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
        let all: BTreeSet<String> = all.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let told = coverage.tables.iter().map(|t| &t.table).chain(coverage.left_out.iter().map(|l| &l.what));
        let told: BTreeSet<String> = told.cloned().collect();
        assert!(all.is_subset(&told), "{:?}", all.difference(&told).collect::<Vec<_>>());
        assert!(!coverage.restorable && told.contains("prices: gross, text") && told.contains("schema"));
        let mut folded = BTreeSet::new();
        for table in &coverage.tables {
            assert!(folded.insert(table.member.to_lowercase()), "{} twice", table.member);
            let safe = |c: char| c.is_ascii_alphanumeric() || "_-~.".contains(c);
            assert!(table.member.chars().all(safe), "{}", table.member);
            let text = member(&zip, &table.member);
            let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
            let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
            assert_eq!(names, table.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>());
            // The reader skips empty lines, which here are NULL in a table with one column.
            let rows = reader.records().map(Result::unwrap).count() as u64;
            assert!(rows == table.rows || table.columns.len() == 1, "{}: {rows}", table.table);
            let quoted = table.table.replace('"', "\"\"");
            let count: i64 =
                source.query_row(&format!("SELECT count(*) FROM \"{quoted}\""), [], |row| row.get(0)).unwrap();
            assert_eq!(count as u64, table.rows, "{}", table.table);
        }
    }
}

#[test]
fn names_that_differ_only_by_what_a_file_cannot_hold_do_not_collide() {
    let dir = TempDir::new().unwrap();
    let db = database(
        dir.path(),
        "CREATE TABLE \"a b\"(x); CREATE TABLE \"a/b\"(x); CREATE TABLE \"../a_b\"(x); CREATE TABLE a_b(x);
         CREATE TABLE \"a_b~2\"(x); CREATE TABLE NUL(x); CREATE TABLE \"\"(x); CREATE TABLE coverage(x)",
    );
    let zip = exported(dir.path(), &db);
    let members: Vec<String> = coverage(&zip).tables.into_iter().map(|t| t.member).collect();
    let expected =
        ["a_b~1.csv", "a_b~2.csv", "___a_b~3.csv", "a_b.csv", "a_b_2~5.csv", "NUL~6.csv", "~7.csv", "coverage.csv"];
    assert_eq!((members, problems(&zip)), (expected.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn damage_to_what_it_holds_is_found() {
    let dir = TempDir::new().unwrap();
    let db = database(
        dir.path(),
        "CREATE TABLE t(a, b);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO t SELECT i, hex(randomblob(9)) FROM n",
    );
    let zip = exported(dir.path(), &db);
    let bytes = fs::read(&zip).unwrap();
    let damaged = dir.path().join("damaged.csv.zip");
    let (start, end) = {
        let mut archive = zip::ZipArchive::new(fs::File::open(&zip).unwrap()).unwrap();
        let member = archive.by_name("t.csv").unwrap();
        let start = member.data_start().unwrap();
        (start as usize, (start + member.compressed_size()) as usize)
    };
    for n in 0..500 {
        let mut copy = bytes.clone();
        let at = start + (end - start) * n / 500;
        copy[at] ^= 1 << (n % 8);
        fs::write(&damaged, copy).unwrap();
        let found = problems(&damaged);
        assert!(found.iter().any(|p| p.text.starts_with("Backup file is corrupted")), "byte {at}");
        fs::write(&damaged, &bytes[..bytes.len() * n / 500]).unwrap();
        assert_ne!(problems(&damaged), [], "cut {n}");
    }
}

#[test]
fn nothing_is_replaced_and_nothing_is_left_behind() {
    let dir = TempDir::new().unwrap();
    let db = database(dir.path(), "CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    let kept = dir.path().join("kept");
    fs::write(&kept, "mine").unwrap();
    let error = format::export(&db, &kept, &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), fs::read(&kept).unwrap()), (ErrorKind::WouldOverwrite, b"mine".to_vec()));
    let stopped = Context::quiet();
    stopped.cancel.cancel();
    let to = dir.path().join("stopped");
    let error = format::export(&db, &to, &stopped).unwrap_err();
    assert_eq!((error.kind(), to.exists()), (ErrorKind::Cancelled, false));
}
