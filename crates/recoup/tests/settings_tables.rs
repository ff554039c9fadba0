//! Key/value tables of the live database are written as a whole or not at all.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod settings_kit;

use std::time::Duration;

use recoup::ErrorKind;
use recoup::progress::Context;
use recoup::source::settings::apply::apply_table;
use rusqlite::Connection;

use settings_kit::{Shop, apply, is_nothing};

#[test]
fn a_table_is_written_all_or_nothing() {
    let shop = Shop::new("INSERT INTO settings VALUES ('a', 1), ('b', 2)", "{}");
    let document = shop.backup();
    shop.sql(
        "UPDATE settings SET value = 9; DELETE FROM settings WHERE key = 'b'; INSERT INTO settings VALUES ('c', 3)",
    );
    // The second row cannot come back any more.
    shop.sql("CREATE TABLE other(x); CREATE UNIQUE INDEX one ON settings(1) WHERE key <> 'c'");
    let change = shop.plan(&document).unwrap();
    let before = shop.rows();
    assert!(apply(&change).is_err());
    assert_eq!(shop.rows(), before);
    // A column that would make something else of a value.
    shop.sql(
        "DROP TABLE settings; CREATE TABLE settings(key TEXT, value TEXT); INSERT INTO settings VALUES ('a', 'x')",
    );
    let error = apply(&shop.plan(&document).unwrap()).unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        ("setting_not_written", "Table settings does not take the setting a as it is in the backup")
    );
    assert_eq!(shop.rows(), ["a=text:x"]);
}

#[test]
fn rows_are_found_whatever_their_keys_are() {
    let shop = Shop::new("", "{}");
    shop.sql(
        "DROP TABLE settings; CREATE TABLE settings(key COLLATE NOCASE, value, note TEXT DEFAULT 'x');
         INSERT INTO settings VALUES (5, 'five', 'mine'), ('Theme', 'a', ''), ('theme', 'b', ''), (x'00ff', 'blob', ''), (NULL, 'null', ''),
           ('twice', 1, 'first'), ('twice', 1, 'second')",
    );
    let document = shop.backup();
    shop.sql("UPDATE settings SET value = 'changed'; DELETE FROM settings WHERE typeof(key) = 'blob'");
    apply(&shop.plan(&document).unwrap()).unwrap();
    let db = Connection::open(shop.at("shop.db")).unwrap();
    let sql = "SELECT group_concat(typeof(key) || ' ' || hex(key) || ' ' || value || ' ' || note, '; ') FROM
               (SELECT * FROM settings ORDER BY typeof(key), hex(key), note)";
    let rows: String = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        rows,
        "blob 00FF blob x; integer 35 five mine; null  null ; text 5468656D65 a ; text 7468656D65 b ; \
         text 7477696365 1 first; text 7477696365 1 second"
    );
    assert!(is_nothing(&shop.plan(&document).unwrap()));
}

#[test]
fn triggers_of_the_table_do_not_fire() {
    let shop = Shop::new("INSERT INTO settings VALUES ('a', 1)", "{}");
    let document = shop.backup();
    shop.sql(
        "UPDATE settings SET value = 2; CREATE TABLE log(x);
         CREATE TRIGGER t AFTER UPDATE ON settings BEGIN INSERT INTO log SELECT app_function(1); END",
    );
    apply(&shop.plan(&document).unwrap()).unwrap();
    assert_eq!(shop.rows(), ["a=integer:1"]);
}

#[test]
fn a_database_in_use_is_waited_for_and_then_said() {
    for mode in ["delete", "wal"] {
        let shop = Shop::new("INSERT INTO settings VALUES ('a', 1)", "{}");
        let document = shop.backup();
        shop.sql(&format!("PRAGMA journal_mode = {mode}; UPDATE settings SET value = 2"));
        let change = shop.plan(&document).unwrap();
        let holder = Connection::open(shop.at("shop.db")).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE; INSERT INTO settings VALUES ('mine', 1)").unwrap();
        let error = apply(&change).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "db_in_use_restore"));
        assert_eq!(error.message(), "Cannot restore while database is in use");
        let cancelled = Context::quiet();
        cancelled.cancel.cancel();
        let error = apply_table(&change.tables[0], Duration::from_secs(60), &cancelled).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
        holder.execute_batch("ROLLBACK").unwrap();
        // The application may go on reading in WAL mode.
        if mode == "wal" {
            holder.execute_batch("BEGIN; SELECT * FROM settings").unwrap();
        }
        apply(&change).unwrap();
        assert_eq!(shop.rows(), ["a=integer:1"]);
    }
}
