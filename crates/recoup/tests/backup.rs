//! The verb *backup* through the public API: what comes out, and what does not when something is wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use recoup::ErrorKind;
use recoup::model::{DirectorySpec, FileSpec, Format, Level, Outcome, SourceSpec};
use recoup::progress::Context;
use recoup_testkit::sample::Sample;

#[test]
fn a_backup_of_everything_is_good_and_lists_every_part_with_its_hash() {
    let sample = Sample::new();
    let report = sample.back_up();
    assert_eq!(report.outcome, Outcome::Good, "{:?}", report.manifest.warnings);
    let manifest = report.manifest;
    let paths: Vec<_> = manifest.parts.iter().map(|part| part.path.as_str()).collect();
    assert_eq!(paths, ["database.db", "directories/pictures", "files/config.yml", "settings.json", "files/hello.txt"]);
    assert!(manifest.parts.iter().all(|part| part.sha256.len() == 64 && part.bytes > 0));
    assert_eq!(manifest.verified, Some(Level::Integrity));
    let facts = manifest.parts[0].database.clone().unwrap();
    let rows: Vec<_> = facts.tables.iter().map(|table| (table.name.as_str(), table.rows)).collect();
    assert_eq!(rows, [("product", Some(3)), ("setting", Some(2))]);
    assert_eq!(facts.journal_mode, "wal");
    let pictures = manifest.parts[1].directory.clone().unwrap();
    assert_eq!((pictures.files, pictures.directories, pictures.links), (10, 3, 1));
}

#[test]
fn what_was_stored_is_private_and_nothing_else_is_left() {
    let sample = Sample::new();
    let stem = sample.back_up().manifest.file_stem();
    assert_eq!(sample.stored_files(), [format!("shop/{stem}.manifest.json"), format!("shop/{stem}.zip")]);
    for file in sample.stored_files() {
        let mode = fs::metadata(sample.backups().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let mode = fs::metadata(sample.backups().join("shop")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn secrets_are_left_out_and_named() {
    let sample = Sample::new();
    let manifest = sample.back_up().manifest;
    let settings = manifest.parts[3].settings.clone().unwrap();
    assert_eq!((settings.count, settings.left_out), (1, vec!["SHOP_API_TOKEN".to_owned()]));
}

#[test]
fn every_format_of_a_database_is_made_and_proven() {
    for (format, extensions) in [
        (Format::Database, vec![".db"]),
        (Format::Json, vec![".json"]),
        (Format::Csv, vec![".csv.zip"]),
        (Format::Both, vec![".db", ".json"]),
    ] {
        let sample = Sample::new();
        let report = sample.back_up_as(&[sample.database_source()], format).unwrap();
        let names: Vec<_> = report.manifest.objects.iter().map(|object| object.name.clone()).collect();
        let stem = report.manifest.file_stem();
        let expected: Vec<_> = extensions.iter().map(|extension| format!("{stem}{extension}")).collect();
        assert_eq!(names, expected);
        assert_eq!(report.manifest.parts[0].path, expected[0]);
        for level in [Level::Checksum, Level::Integrity, Level::Restore] {
            let verified = sample.verify(level);
            assert!(verified.ok, "{format} {level}: {:?}", verified.problems);
        }
    }
}

#[test]
fn a_format_for_one_database_refuses_anything_else() {
    let sample = Sample::new();
    let error = sample.back_up_as(&sample.sources(), Format::Database).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Usage, "format_holds_one_database"));
    assert!(sample.stored_files().is_empty());
}

/// Every way in which a source can be no good: its own message and kind, nothing published, nothing left.
#[test]
fn a_bad_source_makes_no_backup_and_leaves_nothing() {
    type Case = (&'static str, fn(&Sample), ErrorKind, &'static str);
    let cases: &[Case] = &[
        ("missing", |s| fs::remove_file(s.database()).unwrap(), ErrorKind::NotFound, "source_missing"),
        ("zero bytes", |s| empty(s, b""), ErrorKind::Failed, "source_empty"),
        ("text", |s| empty(s, &b"not a database at all, just text\n".repeat(100)), ErrorKind::Usage, "not_a_database"),
        (
            "no directory",
            |s| fs::remove_dir_all(s.app().join("pictures")).unwrap(),
            ErrorKind::NotFound,
            "source_missing",
        ),
        ("no file", |s| fs::remove_file(s.app().join("config.yml")).unwrap(), ErrorKind::NotFound, "source_missing"),
    ];
    for (what, damage, kind, code) in cases {
        let sample = Sample::new();
        damage(&sample);
        let error = sample.back_up_as(&sample.sources(), Format::Archive).unwrap_err();
        assert_eq!((error.kind(), error.code()), (*kind, *code), "{what}: {error} {}", error.detail());
        assert!(sample.stored_files().is_empty(), "{what}: {:?}", sample.stored_files());
    }
}

fn empty(sample: &Sample, content: &[u8]) {
    for extension in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{extension}", sample.database().display()));
    }
    fs::write(sample.database(), content).unwrap();
}

#[test]
fn an_optional_source_that_is_not_there_is_noted() {
    let sample = Sample::new();
    let mut sources = sample.sources();
    sources.push(SourceSpec::Directory(DirectorySpec {
        name: "thumbnails".into(),
        path: sample.app().join("thumbnails"),
        exclude: vec![],
        optional: true,
        cross_mounts: false,
    }));
    let report = sample.back_up_as(&sources, Format::Archive).unwrap();
    assert_eq!(report.outcome, Outcome::Good);
    assert!(report.manifest.parts.iter().any(|part| part.name == "thumbnails" && part.absent));
    assert!(sample.verify(Level::Restore).ok);
}

#[test]
fn losing_most_rows_since_the_previous_backup_is_a_warning() {
    let sample = Sample::new();
    sample.sql("WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i+1 FROM n WHERE i<100) INSERT INTO product SELECT i,'x',i FROM n");
    assert_eq!(sample.back_up().outcome, Outcome::Good);
    sample.sql("DELETE FROM product WHERE id > 2");
    let report = sample.back_up();
    assert_eq!(report.outcome, Outcome::Warnings);
    let texts: Vec<_> = report.manifest.warnings.iter().map(|warning| warning.text.as_str()).collect();
    assert_eq!(texts, ["shop: rows of product fell from 100 to 2 since the previous backup"]);
}

#[test]
fn a_cancelled_backup_leaves_nothing() {
    let sample = Sample::new();
    let context = Context::quiet();
    context.cancel.cancel();
    let request = sample.request(&sample.sources(), Format::Archive);
    let error = recoup::backup::run(&request, &[sample.store()], &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(sample.stored_files().is_empty());
}

#[test]
fn two_sources_of_one_name_are_refused() {
    let sample = Sample::new();
    let twice = SourceSpec::File(FileSpec {
        name: "config.yml".into(),
        path: sample.app().join("config.yml"),
        optional: false,
    });
    let error = sample.back_up_as(&[twice.clone(), twice], Format::Archive).unwrap_err();
    assert_eq!(error.code(), "duplicate_source");
}
