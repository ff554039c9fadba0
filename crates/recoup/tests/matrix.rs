//! The verb *backup* over everything a SQLite file can be: every page size, journal mode, encoding and
//! auto_vacuum, with odd contents, at rest and while the application is at work; and the page that is not there.
//!
//! Not here: the JSON format on its own (`json_format`), damaged and locked databases (`sqlite_hardship`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod single;

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;
use recoup::model::Format;
use recoup::sqlite::facts::compare;
use recoup::sqlite::open::open_private;
use recoup_testkit::matrix::{AUTO_VACUUM, ENCODINGS, FEATURES, JOURNAL_MODES, PAGE_SIZES, Shape, three_features};
use rusqlite::Connection;
use single::{Single, bytes_of, digest, facts_of};

/// `both` is a database and a JSON document beside each other.
const FORMATS: [Format; 3] = [Format::Archive, Format::Database, Format::Both];

/// Modes that only live as long as a connection; what they leave behind is like `delete`.
const PASSING_MODES: [&str; 2] = ["memory", "off"];

fn journal_modes() -> Vec<&'static str> {
    JOURNAL_MODES.iter().chain(&PASSING_MODES).copied().collect()
}

fn is_soak() -> bool {
    std::env::var_os("SOAK").is_some()
}

/// What the application does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Application {
    /// Nothing: the database is closed.
    AtRest,
    /// It has the database open; in WAL mode rows lie in the log alone.
    Open,
    /// It has begun to write what nobody may see yet.
    Writing,
}
const APPLICATIONS: [Application; 3] = [Application::AtRest, Application::Open, Application::Writing];

impl Application {
    fn start(self, database: &Path, journal_mode: &str) -> Option<Connection> {
        if self == Application::AtRest {
            return None;
        }
        let db = Connection::open(database).unwrap();
        db.pragma_update(None, "journal_mode", journal_mode).unwrap();
        db.execute_batch("PRAGMA wal_autocheckpoint = 0; CREATE TABLE alive(a); INSERT INTO alive VALUES (1)").unwrap();
        // Without a journal an application cannot take anything back, so there nothing is left half done.
        if self == Application::Writing && journal_mode != "off" {
            db.execute_batch("BEGIN IMMEDIATE; INSERT INTO alive VALUES ('not committed')").unwrap();
        }
        Some(db)
    }
}

#[derive(Debug)]
struct Case {
    shape: Shape,
    application: Application,
}

impl Case {
    /// Backs the database up and compares what comes out of the backup with it.
    fn run(&self, formats: &[Format]) {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("source.db");
        let Shape { page_size, journal_mode, encoding, auto_vacuum, .. } = &self.shape;
        self.shape.build(&database);
        let application = self.application.start(&database, journal_mode);

        let single = Single::of(&database);
        let before = bytes_of(&database);
        let manifests: Vec<_> = formats
            .iter()
            .map(|format| single.back_up(*format).unwrap_or_else(|e| panic!("{self:?} {format}: {e} {}", e.detail())))
            .collect();
        assert!(bytes_of(&database) == before, "{self:?}: a backup changed its source");
        if let Some(db) = application {
            if !db.is_autocommit() {
                db.execute_batch("ROLLBACK").unwrap();
            }
            db.close().unwrap();
        }

        let mode = if *journal_mode == "wal" { "wal" } else { "delete" };
        let (expected, contents) = (facts_of(&database, mode), digest(&database));
        assert_eq!((expected.page_size, expected.auto_vacuum), (*page_size, *auto_vacuum));
        assert_eq!(expected.encoding, *encoding);
        for manifest in manifests {
            let told = manifest.parts[0].database.clone().unwrap();
            assert_eq!(compare(&expected, &told), [], "{self:?} {}", manifest.format);
            assert_eq!(told.journal_mode, mode, "{self:?} {}", manifest.format);
            single.prove(&manifest);
            let found = single.taken_out(&manifest);
            assert_eq!(found.len(), 1 + usize::from(manifest.format == Format::Both));
            for copy in found {
                assert!(digest(&copy) == contents, "{self:?}: {} differs", copy.display());
                // An import lays the pages out anew; everything else about it is the same.
                let mut facts = facts_of(&copy, mode);
                if copy.to_string_lossy().contains(".json") {
                    facts.page_count = expected.page_count;
                }
                assert_eq!(compare(&expected, &facts), [], "{self:?}: {}", copy.display());
            }
        }
    }
}

#[test]
fn every_page_size_journal_mode_encoding_and_auto_vacuum_survives_a_backup() {
    let mut cases = Vec::new();
    for page_size in PAGE_SIZES {
        for journal_mode in journal_modes() {
            for encoding in ENCODINGS {
                for auto_vacuum in AUTO_VACUUM {
                    let n = cases.len();
                    let (features, seed) = (three_features(n), n as u64);
                    let shape = Shape { page_size, journal_mode, encoding, auto_vacuum, features, seed };
                    cases.push(Case { shape, application: APPLICATIONS[n / 2 % 3] });
                }
            }
        }
    }
    assert_eq!(cases.len(), 432);
    // Most of the time goes into waiting for the disk.
    let cases: Vec<(usize, Case)> = cases.into_iter().enumerate().collect();
    std::thread::scope(|scope| {
        for share in cases.chunks(cases.len().div_ceil(6)) {
            scope.spawn(move || {
                for (n, case) in share {
                    case.run(if is_soak() { &FORMATS[..] } else { &FORMATS[n % 3..][..1] });
                }
            });
        }
    });
}

#[test]
fn every_feature_survives_in_every_format_on_every_page_size() {
    for (n, page_size) in PAGE_SIZES.into_iter().enumerate() {
        let shape = Shape {
            page_size,
            journal_mode: JOURNAL_MODES[3 - n % 4],
            encoding: ENCODINGS[n % 3],
            auto_vacuum: AUTO_VACUUM[n / 3],
            features: FEATURES.to_vec(),
            seed: n as u64,
        };
        Case { shape, application: APPLICATIONS[n % 3] }.run(&FORMATS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if is_soak() { 5000 } else { 60 },
        max_shrink_iters: 50,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_database_survives_a_backup(
        shape in Shape::any(),
        journal_mode in select(journal_modes()),
        application in select(&APPLICATIONS[..]),
        format in select(&FORMATS[..]),
    ) {
        Case { shape: Shape { journal_mode, ..shape }, application }.run(&[format]);
    }
}

/// SQLite never uses the page at 1 GiB, where its locks lie (fileformat2.html 1.4); copies that count pages by
/// themselves stumble there. A gigabyte of rows, with unlike ones on both sides of that page.
fn survives_across_the_lock_page(page_size: u32, formats: &[Format]) {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("source.db");
    let db = Connection::open(&database).unwrap();
    db.execute_batch(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
         CREATE TABLE filling(a); CREATE TABLE around(id INTEGER PRIMARY KEY, a);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 53)
         INSERT INTO filling SELECT zeroblob(20000000) FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
         INSERT INTO around SELECT i, randomblob(50000) FROM n;
         CREATE INDEX after ON around(substr(a, 1, 20))"
    ))
    .unwrap();
    db.close().unwrap();
    let length = std::fs::metadata(&database).unwrap().len();
    assert!(length > (1 << 30) + u64::from(page_size), "only {length} bytes");
    let single = Single::of(&database);
    let expected = facts_of(&database, "delete");
    let rows = |db: &Path| -> (i64, i64, String) {
        let sql = "SELECT (SELECT count(*) FROM filling WHERE a = zeroblob(20000000)),
                   (SELECT count(*) FROM around INDEXED BY after WHERE substr(a, 1, 20) = substr(+a, 1, 20)),
                   (SELECT group_concat(id || hex(a)) FROM around)";
        open_private(db).unwrap().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
    };
    let contents = rows(&database);
    assert_eq!((contents.0, contents.1), (53, 400));
    for format in formats {
        let manifest = single.back_up(*format).unwrap();
        assert_eq!(compare(&expected, &manifest.parts[0].database.clone().unwrap()), []);
        single.prove(&manifest);
        for copy in single.taken_out(&manifest) {
            assert!(rows(&copy) == contents, "{format}: rows differ");
            std::fs::remove_file(copy).unwrap();
        }
    }
}

#[test]
fn a_database_across_the_lock_page_survives_a_backup() {
    if is_soak() {
        survives_across_the_lock_page(4096, &FORMATS);
        survives_across_the_lock_page(65536, &FORMATS);
    } else {
        survives_across_the_lock_page(65536, &[Format::Database]);
    }
}
