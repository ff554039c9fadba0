//! Databases inside a directory source: copied through SQLite, told from what only looks like one, and left out
//! when they have a source of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File};
use std::io::Read;
use std::process::Command;

use recoup::source::FileId;
use recoup_testkit::busy::{BusyDatabase, chain_prefix};
use recoup_testkit::place::{Place, codes};
use rusqlite::Connection;

#[test]
fn a_database_with_a_source_of_its_own_is_left_out_with_what_lies_beside_it() {
    let place = Place::new();
    let _open = place.database("shop.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    place.write("shop.db-journal", "");
    place.write("shop.db.txt", "x");
    let mut scope = place.scope();
    scope.databases.push(FileId::of(&place.at("shop.db")).unwrap());
    let (collected, emitted) = place.collect_with(&place.spec(&[]), &scope).unwrap();
    assert_eq!((collected.paths(), codes(&emitted)), (vec![String::new(), "shop.db.txt".into()], vec![]));
}

/// Opens the bytes of an entry as a database.
fn opened(place: &Place, bytes: &[u8]) -> Connection {
    let path = place.staging.path().join("opened.db");
    fs::write(&path, bytes).unwrap();
    let db = Connection::open(&path).unwrap();
    assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    db
}

#[test]
fn databases_inside_are_copied_through_sqlite() {
    let place = Place::new();
    let rows = "CREATE TABLE t(x); INSERT INTO t VALUES (1),(2),(3)";
    // What was written lies in the -wal alone.
    let wal = format!("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; {rows}");
    let _by_extension = place.database("a.sqlite3", &wal);
    let _by_sidecar = place.database("b.data", &wal);
    drop(place.database("c", rows));
    let (collected, emitted) = place.collect();
    assert_eq!(collected.paths(), ["", "a.sqlite3", "b.data", "c"]);
    for name in ["a.sqlite3", "b.data", "c"] {
        let (entry, bytes) = collected.get(name).unwrap();
        assert!(entry.sqlite, "{name}");
        let count: i64 = opened(&place, bytes).query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 3, "{name}");
    }
    assert!(emitted.warnings.is_empty());
}

#[test]
fn a_database_inside_that_somebody_writes_to_is_one_moment() {
    for mode in ["wal", "delete"] {
        let place = Place::new();
        let mut busy = BusyDatabase::start(&place.at("busy.db"), 50.0, mode, 0);
        let mut last = 0;
        for _ in 0..3 {
            let committed = busy.committed();
            let (collected, _) = place.collect();
            let (entry, bytes) = collected.get("busy.db").unwrap();
            assert!(entry.sqlite);
            let copy = place.staging.path().join("copy.db");
            fs::write(&copy, bytes).unwrap();
            let rows = chain_prefix(&copy);
            assert!(rows >= committed && rows >= last, "{rows} of {committed}");
            last = rows;
            fs::remove_file(copy).unwrap();
            assert_eq!(collected.paths(), ["", "busy.db"], "sidecars were taken");
        }
        assert!(busy.is_writing(), "we disturbed the writer");
        drop(busy);
    }
}

#[test]
fn what_only_looks_like_a_database_is_an_ordinary_file() {
    let place = Place::new();
    let mut noise = Vec::new();
    File::open("/dev/urandom").unwrap().take(8192).read_to_end(&mut noise).unwrap();
    for (name, bytes) in [
        ("empty.db", &b""[..]),
        ("encrypted.db", &noise),
        ("text.db", b"hello"),
        ("text.db-wal", b"not a log"),
        ("log", b"x"),
        ("log-journal", b"a diary"),
        ("long", &[b'x'; 3000]),
        ("long-journal", &[b'y'; 3000]),
        ("zero.db", &[0; 8192]),
    ] {
        place.write(name, bytes);
    }
    let (collected, emitted) = place.collect();
    assert_eq!(
        collected.paths(),
        [
            "",
            "empty.db",
            "encrypted.db",
            "log",
            "log-journal",
            "long",
            "long-journal",
            "text.db",
            "text.db-wal",
            "zero.db"
        ]
    );
    assert!(collected.entries.iter().all(|(entry, _)| !entry.sqlite));
    assert_eq!(collected.get("encrypted.db").unwrap().1, noise);
    assert!(emitted.warnings.is_empty(), "{:?}", emitted.warnings);
}

#[test]
fn a_damaged_database_is_kept_as_it_lies_there_and_told() {
    let place = Place::new();
    drop(place.database("bad.db", "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<5000) INSERT INTO t SELECT hex(randomblob(50)) FROM n"));
    let mut bytes = fs::read(place.at("bad.db")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xAA);
    place.write("bad.db", &bytes);
    let (collected, emitted) = place.collect();
    let (entry, kept) = collected.get("bad.db").unwrap();
    assert!(!entry.sqlite && *kept == bytes);
    assert_eq!(codes(&emitted), ["database_corrupted"]);
}

#[test]
fn locks_that_this_process_holds_on_a_database_survive() {
    let place = Place::new();
    let db = place.database("held.db", "CREATE TABLE t(x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)");
    place.collect();
    // Another process sees our lock still: a plain close of the file would have dropped it.
    let other = Command::new("sqlite3").arg(place.at("held.db")).arg("BEGIN IMMEDIATE; ROLLBACK;").output().unwrap();
    assert!(String::from_utf8_lossy(&other.stderr).contains("locked"), "{other:?}");
    db.execute_batch("COMMIT").unwrap();
}

#[test]
fn a_database_that_must_be_recovered_first_is_recovered_in_the_copy_alone() {
    let place = Place::new();
    let db = place.database("live", "PRAGMA cache_size=1; CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(20000));");
    db.execute_batch(
        "PRAGMA cache_spill=1; BEGIN; UPDATE t SET x=randomblob(20000); INSERT INTO t VALUES (zeroblob(90000))",
    )
    .unwrap();
    // What a crash leaves behind: the file half written, and its journal.
    fs::copy(place.at("live"), place.at("crashed")).unwrap();
    fs::copy(place.at("live-journal"), place.at("crashed-journal")).unwrap();
    drop(db);
    fs::remove_file(place.at("live")).unwrap();
    let before = ["crashed", "crashed-journal"].map(|name| fs::read(place.at(name)).unwrap());
    let (collected, emitted) = place.collect();
    assert_eq!((collected.paths(), codes(&emitted)), (vec![String::new(), "crashed".into()], vec![]));
    let copy = place.at("recovered.db");
    fs::write(&copy, &collected.get("crashed").unwrap().1).unwrap();
    let db = recoup::sqlite::open::open_private(&copy).unwrap();
    let rows = db.query_row("SELECT count(*), sum(x=zeroblob(20000)) FROM t", [], |row| Ok((row.get(0)?, row.get(1)?)));
    assert_eq!(rows.unwrap(), (1, 1), "half a transaction is in the copy");
    assert_eq!(["crashed", "crashed-journal"].map(|name| fs::read(place.at(name)).unwrap()), before);
}
