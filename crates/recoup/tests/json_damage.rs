//! The JSON format: nothing damaged, forged or newer is ever taken, and nothing is left behind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod json_kit;

use std::fs;

use json_kit::{Scratch, header, is_refused, line, problems};
use recoup::ErrorKind;
use recoup::format::json;
use recoup::progress::Context;

#[test]
fn a_document_cut_anywhere_is_refused() {
    let scratch = Scratch::new();
    let bytes = fs::read(scratch.export(&scratch.everything("UTF-8"))).unwrap();
    assert_eq!(problems(&bytes), []);
    for n in 0..500 {
        let at = if n < 100 { bytes.len() - 1 - n } else { bytes.len() * (n - 100) / 400 };
        let found = problems(&bytes[..at]);
        assert!(found.iter().any(|p| p.text.starts_with("Backup file is corrupted: line ")), "cut at {at}: {found:?}");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    let scratch = Scratch::new();
    let mut bytes = fs::read(scratch.export(&scratch.everything("UTF-16le"))).unwrap();
    let mut state = 42_u64;
    let bits = bytes.len() * 8;
    for n in 0..1000 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Every bit of the last lines, then anywhere.
        let bit = if n < 500 { bits - 1 - n } else { (state >> 20) as usize % bits };
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(is_refused(&bytes), "bit {bit} of {bits}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(problems(&bytes), []);
}

/// A document with right counts and hashes, as only somebody who knows the format would forge it.
fn forged(schema: &[(&str, &str, &str)], tables: &[(&str, &str, &str)]) -> Vec<u8> {
    let sha = |bytes: &[u8]| {
        use sha2::Digest;
        data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(bytes))
    };
    let mut text = String::from(
        "{\n\"recoup_json\": 1,\n\"exported_at\": \"2027-01-15T08:00:00Z\",\n\"backup_type\": \"manual\",\n\
         \"coverage\": \"complete\",\n\"database\": {\"name\":\"x\",\"page_size\":4096,\"encoding\":\"UTF-8\",\
         \"user_version\":0,\"application_id\":0,\"auto_vacuum\":0,\"journal_mode\":\"delete\"},\n\"schema\": [",
    );
    let objects: Vec<String> = schema
        .iter()
        .map(|(kind, name, sql)| {
            format!("{{\"type\":\"{kind}\",\"name\":\"{name}\",\"table\":\"{name}\",\"sql\":\"{sql}\"}}")
        })
        .collect();
    let rows_of = |text: &str| if text.is_empty() { 0 } else { text.split(",\n").count() };
    let bodies: Vec<String> = tables
        .iter()
        .map(|(name, columns, rows)| {
            let count = rows_of(rows);
            format!(
                "{{\"name\":\"{name}\",\"columns\":{columns},\"rowids\":true,\"rows\":[{}{rows}\n],\"count\":{count},\"sha256\":\"{}\"}}",
                if count > 0 { "\n" } else { "" },
                sha(rows.as_bytes())
            )
        })
        .collect();
    text += &format!("\n{}\n],\n\"tables\": [\n{}\n],\n", objects.join(",\n"), bodies.join(",\n"));
    let rows: usize = tables.iter().map(|(_, _, rows)| rows_of(rows)).sum();
    let hash = sha(text.as_bytes());
    text += &format!("\"end\": {{\"tables\":{},\"rows\":{rows},\"sha256\":\"{hash}\"}}\n}}\n", tables.len());
    text.into_bytes()
}

const TABLE: (&str, &str, &str) = ("table", "t", "CREATE TABLE t(a)");

#[test]
fn a_forged_document_with_right_hashes_is_taken_so_that_the_next_tests_mean_something() {
    let scratch = Scratch::new();
    let json = scratch.path("forged.json");
    fs::write(&json, forged(&[TABLE], &[("t", "[\"a\"]", "[1,2]")])).unwrap();
    let back = scratch.path("back.db");
    json::import(&json, &back, &Context::quiet()).unwrap();
    assert_eq!(line::<i64>(&back, "SELECT a FROM t"), 2);
}

#[test]
fn hostile_documents_make_no_database() {
    let one = ("t", "[\"a\"]", "[1,2]");
    let deep = format!("[1,{}1{}]", "[".repeat(10_000), "]".repeat(10_000));
    let deep_tags = format!("[1,{}1{}]", "{\"$int\":".repeat(10_000), "}".repeat(10_000));
    let cases = [
        ("a row that nests", forged(&[TABLE], &[("t", "[\"a\"]", &deep)])),
        ("tags that nest", forged(&[TABLE], &[("t", "[\"a\"]", &deep_tags)])),
        ("a key twice", forged(&[TABLE], &[("t", "[\"a\"]", r#"[1,{"$int":"1","$int":"2"}]"#)])),
        ("a number that JSON readers round", forged(&[TABLE], &[("t", "[\"a\"]", "[1,9007199254740993]")])),
        ("an endless number", forged(&[TABLE], &[("t", "[\"a\"]", "[1,1e999]")])),
        ("half a surrogate", forged(&[TABLE], &[("t", "[\"a\"]", r#"[1,"\ud800"]"#)])),
        ("not the one way of writing 2", forged(&[TABLE], &[("t", "[\"a\"]", r#"[1,{"$int":"2"}]"#)])),
        ("spaces in a row", forged(&[TABLE], &[("t", "[\"a\"]", "[1, 2]")])),
        ("a value too many", forged(&[TABLE], &[("t", "[\"a\"]", "[1,2,3]")])),
        ("a rowid that is none", forged(&[TABLE], &[("t", "[\"a\"]", "[\"x\",2]")])),
        ("a rowid twice", forged(&[TABLE], &[("t", "[\"a\"]", "[1,2],\n[1,3]")])),
        ("rows in another order", forged(&[TABLE], &[("t", "[\"a\"]", "[2,2],\n[1,3]")])),
        ("a table twice", forged(&[TABLE], &[one, one])),
        ("a table without rows", forged(&[TABLE], &[])),
        ("rows without a table", forged(&[TABLE], &[one, ("u", "[\"a\"]", "")])),
        ("a column that is not there", forged(&[TABLE], &[("t", "[\"b\"]", "[1,2]")])),
        ("other columns by injection", forged(&[TABLE], &[("t", "[\"a) VALUES (1,1); --\"]", "[1,2]")])),
        ("two statements", forged(&[("table", "t", "CREATE TABLE t(a); ATTACH '/tmp/x' AS x")], &[one])),
        ("another statement", forged(&[TABLE, ("index", "i", "DROP TABLE t")], &[one])),
        ("an attachment", forged(&[TABLE, ("view", "i", "ATTACH '/tmp/x' AS x")], &[one])),
        ("a table that computes", forged(&[("table", "t", "CREATE TABLE t AS SELECT 1 AS a")], &[one])),
        ("a view that is a table", forged(&[TABLE, ("view", "v", "CREATE TABLE v(a)")], &[one])),
        ("another name", forged(&[("table", "t", "CREATE TABLE u(a)")], &[one])),
        ("a broken trigger", forged(&[TABLE, ("trigger", "x", "CREATE TRIGGER x nonsense")], &[one])),
        ("a damaged view", forged(&[TABLE, ("view", "x", "CREATE VIEW x AS SELEC")], &[one])),
    ];
    for (what, bytes) in cases {
        let scratch = Scratch::new();
        let (json, back) = (scratch.path("hostile.json"), scratch.path("back.db"));
        fs::write(&json, bytes).unwrap();
        let error = json::import(&json, &back, &Context::quiet()).expect_err(what);
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Corrupted, "Backup file is corrupted"),
            "{what}: {error:?}"
        );
        assert_eq!(fs::read_dir(scratch.folder()).unwrap().count(), 1, "{what} left something behind");
    }
}

#[test]
fn an_import_replaces_nothing() {
    let scratch = Scratch::new();
    let json = scratch.export(&scratch.made_of("CREATE TABLE t(a)"));
    let target = scratch.path("kept.db");
    fs::write(&target, "mine").unwrap();
    let error = json::import(&json, &target, &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), fs::read(&target).unwrap()), (ErrorKind::WouldOverwrite, b"mine".to_vec()));
    let error = json::export(&scratch.path("source.db"), &header(), &[], &target, &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), fs::read(&target).unwrap()), (ErrorKind::WouldOverwrite, b"mine".to_vec()));
}

#[test]
fn a_newer_document_is_refused_by_its_number() {
    let scratch = Scratch::new();
    let text = fs::read_to_string(scratch.export(&scratch.made_of("CREATE TABLE t(a)"))).unwrap();
    let newer = text.replace("\"recoup_json\": 1,", "\"recoup_json\": 2,");
    let error = json::check(newer.as_bytes(), &Context::quiet()).unwrap_err();
    assert_eq!((error.code(), error.message()), ("version_newer", "Backup from newer version, cannot restore"));
}

#[test]
fn a_stopped_export_or_import_leaves_nothing() {
    let scratch = Scratch::new();
    let db = scratch.everything("UTF-8");
    let json = scratch.export(&db);
    let stopped = Context::quiet();
    stopped.cancel.cancel();
    let (json_2, back) = (scratch.path("stopped.json"), scratch.path("stopped.db"));
    let export = json::export(&db, &header(), &[], &json_2, &stopped).unwrap_err();
    let import = json::import(&json, &back, &stopped).unwrap_err();
    assert_eq!((export.kind(), import.kind()), (ErrorKind::Cancelled, ErrorKind::Cancelled));
    assert!(!json_2.exists() && !back.exists());
}
