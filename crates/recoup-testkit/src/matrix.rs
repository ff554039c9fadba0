//! Odd databases: real SQLite files over the matrix page size × journal mode × encoding × auto_vacuum × features,
//! the same for the same seed. Every feature stands for something that exports and copies have lost somewhere.
//!
//! Not here: big or busy databases, and damaged ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::random::Random;

/// Every page size that SQLite has.
pub const PAGE_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
/// The journal modes that differ in the file that is left behind.
pub const JOURNAL_MODES: [&str; 4] = ["delete", "truncate", "persist", "wal"];
/// Every encoding that SQLite has.
pub const ENCODINGS: [&str; 3] = ["UTF-8", "UTF-16le", "UTF-16be"];
/// None, full, incremental.
pub const AUTO_VACUUM: [u32; 3] = [0, 1, 2];

/// Something that a database can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Full-text search with its own copy of the text.
    Fts5,
    /// Full-text search over another table, by rowid.
    Fts5External,
    /// Full-text search that keeps no text, and one more that can delete.
    Fts5Contentless,
    /// The older full-text search.
    Fts4,
    /// Boxes.
    Rtree,
    /// A virtual table of a module that nobody here has.
    UnknownModule,
    /// STRICT tables.
    Strict,
    /// WITHOUT ROWID, with a composite, descending and case-insensitive key.
    WithoutRowid,
    /// Stored and virtual generated columns.
    Generated,
    /// Triggers that forbid, duplicate and record rows.
    Triggers,
    /// Tables that refer to each other, with violations.
    ForeignKeys,
    /// Numbers at and beyond every edge.
    Extremes,
    /// Text that is not text, in values of every storage class.
    OddText,
    /// AUTOINCREMENT with a sequence ahead of the rows, and one whose table is gone.
    Autoincrement,
    /// Names that need quoting, columns called rowid.
    OddNames,
    /// No key, and the same rows several times, with gaps between the rowids.
    Duplicates,
    /// Views, one of them broken, and an INSTEAD OF trigger.
    Views,
    /// Expression, partial, unique and descending indexes.
    Indexes,
    /// What ANALYZE leaves.
    Statistics,
    /// A column that came later, with a default, and one that went.
    Altered,
    /// Rows that a CHECK constraint would refuse.
    BrokenChecks,
}

/// Every feature.
pub const FEATURES: [Feature; 21] = [
    Feature::Fts5,
    Feature::Fts5External,
    Feature::Fts5Contentless,
    Feature::Fts4,
    Feature::Rtree,
    Feature::UnknownModule,
    Feature::Strict,
    Feature::WithoutRowid,
    Feature::Generated,
    Feature::Triggers,
    Feature::ForeignKeys,
    Feature::Extremes,
    Feature::OddText,
    Feature::Autoincrement,
    Feature::OddNames,
    Feature::Duplicates,
    Feature::Views,
    Feature::Indexes,
    Feature::Statistics,
    Feature::Altered,
    Feature::BrokenChecks,
];

/// One database of the matrix.
#[derive(Debug, Clone)]
pub struct Shape {
    pub page_size: u32,
    pub journal_mode: &'static str,
    pub encoding: &'static str,
    pub auto_vacuum: u32,
    pub features: Vec<Feature>,
    pub seed: u64,
}

impl Shape {
    /// Any of them, with up to eight features.
    pub fn any() -> impl Strategy<Value = Shape> {
        let file =
            (select(&PAGE_SIZES[..]), select(&JOURNAL_MODES[..]), select(&ENCODINGS[..]), select(&AUTO_VACUUM[..]));
        let content = (subsequence(&FEATURES[..], 0..=8), any::<u64>());
        (file, content).prop_map(|((page_size, journal_mode, encoding, auto_vacuum), (features, seed))| Shape {
            page_size,
            journal_mode,
            encoding,
            auto_vacuum,
            features,
            seed,
        })
    }

    /// Builds the database `path`, which must not exist. The same shape gives the same contents.
    pub fn build(&self, path: &Path) {
        let Shape { page_size, journal_mode, encoding, auto_vacuum, features, seed } = self;
        build(path, *page_size, journal_mode, encoding, *auto_vacuum, features, *seed);
    }
}

/// Three features, such that all of them come round again and again in ever other company as `n` grows.
pub fn three_features(n: usize) -> Vec<Feature> {
    [n, n * 5 + n / 21, n * 11 + n / 7].map(|at| FEATURES[at % FEATURES.len()]).to_vec()
}

/// Builds the database `path`, which must not exist. The same arguments give the same contents.
pub fn build(
    path: &Path,
    page_size: u32,
    journal_mode: &str,
    encoding: &str,
    auto_vacuum: u32,
    features: &[Feature],
    seed: u64,
) {
    assert!(!path.exists(), "{} exists", path.display());
    let db = Connection::open(path).unwrap();
    let mut random = Random(seed);
    let user_version = random.number() as i32;
    let application_id = random.number() as i32;
    batch(
        &db,
        &format!(
            "PRAGMA page_size = {page_size}; PRAGMA encoding = '{encoding}'; PRAGMA auto_vacuum = {auto_vacuum};
             PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; BEGIN;
             CREATE TABLE plain(id INTEGER PRIMARY KEY, title TEXT, size INT, data BLOB, anything)"
        ),
    );
    for _ in 0..random.below(12) {
        let values = [random.value(), random.value(), random.value(), random.value()];
        db.execute("INSERT INTO plain(title, size, data, anything) VALUES (?, ?, ?, ?)", params_from_iter(values))
            .unwrap();
    }
    let mut features = features.to_vec();
    features.sort();
    features.dedup();
    // ALTER TABLE refuses to work beside a broken view, and ANALYZE must find something to say.
    features.sort_by_key(|feature| match feature {
        Feature::Altered => 0,
        Feature::Statistics => 2,
        _ => 1,
    });
    for feature in features {
        add(&db, feature, &mut random);
    }
    batch(&db, &format!("PRAGMA user_version = {user_version}; PRAGMA application_id = {application_id}; COMMIT"));
    let mode: String = db.query_row(&format!("PRAGMA journal_mode = {journal_mode}"), [], |row| row.get(0)).unwrap();
    assert_eq!(mode, journal_mode);
    if journal_mode == "wal" {
        // A commit that goes through the log, so that the file has known the mode.
        batch(&db, "CREATE TABLE through_wal(a); INSERT INTO through_wal VALUES (1)");
    }
    db.close().unwrap();
}

fn add(db: &Connection, feature: Feature, random: &mut Random) {
    match feature {
        Feature::Fts5 => {
            batch(db, "CREATE VIRTUAL TABLE notes USING fts5(title, body, tokenize = 'porter', prefix = '2 3')");
            for _ in 0..random.below(20) {
                db.execute("INSERT INTO notes VALUES (?, ?)", [random.words(), random.words()]).unwrap();
            }
            batch(db, "DELETE FROM notes WHERE rowid % 3 = 0; INSERT INTO notes(notes) VALUES ('optimize')");
        }
        Feature::Fts5External => {
            batch(
                db,
                "CREATE TABLE mails(subject, body);
                 CREATE VIRTUAL TABLE mails_fts USING fts5(subject, body, content = mails)",
            );
            for _ in 0..random.below(20) {
                let rowid = random.number() as i64;
                let (subject, body) = (random.words(), random.words());
                for table in ["mails", "mails_fts"] {
                    let sql = format!("INSERT OR IGNORE INTO {table}(rowid, subject, body) VALUES (?, ?, ?)");
                    db.execute(&sql, (rowid, &subject, &body)).unwrap();
                }
            }
        }
        Feature::Fts5Contentless => {
            batch(
                db,
                "CREATE VIRTUAL TABLE gone USING fts5(a, b, content = '');
                 CREATE VIRTUAL TABLE erasable USING fts5(a, content = '', contentless_delete = 1)",
            );
            for _ in 0..random.below(10) {
                db.execute("INSERT INTO gone(a, b) VALUES (?, ?)", [random.words(), random.words()]).unwrap();
                db.execute("INSERT INTO erasable(a) VALUES (?)", [random.words()]).unwrap();
            }
            batch(db, "DELETE FROM erasable WHERE rowid = 2");
        }
        Feature::Fts4 => {
            batch(db, "CREATE VIRTUAL TABLE \"old search\" USING fts4(a, b, tokenize=porter)");
            for _ in 0..random.below(20) {
                db.execute("INSERT INTO \"old search\" VALUES (?, ?)", [random.words(), random.words()]).unwrap();
            }
        }
        Feature::Rtree => {
            batch(db, "CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, y0, y1, +label TEXT)");
            for id in 0..random.below(80) {
                let (x, y) = (random.below(1000) as f64 / 7.0, random.below(1000) as f64 / 3.0);
                let sql = "INSERT INTO boxes VALUES (?, ?, ?, ?, ?, 'label')";
                db.execute(sql, (id as i64, x, x + 1.0, y, y + 2.0)).unwrap();
            }
        }
        Feature::UnknownModule => {
            batch(db, "CREATE TABLE ghost_data(k PRIMARY KEY, v BLOB); INSERT INTO ghost_data VALUES (1, x'00ff')");
            write_schema(db, "table", "ghost", "ghost", "CREATE VIRTUAL TABLE ghost USING no_such_module(a, b='c')");
        }
        Feature::Strict => {
            batch(
                db,
                "CREATE TABLE exact(i INT, r REAL, t TEXT, b BLOB, a ANY, k TEXT PRIMARY KEY)
                       STRICT, WITHOUT ROWID;
                       CREATE TABLE \"exact too\"(i INTEGER PRIMARY KEY, a ANY) STRICT",
            );
            for n in 0..random.below(10) {
                let any = random.value();
                db.execute("INSERT INTO \"exact too\"(a) VALUES (?)", [&any]).unwrap();
                db.execute(
                    "INSERT INTO exact VALUES (?, ?, ?, ?, ?, ?)",
                    (random.number() as i64, n as f64, random.words(), random.bytes(), any, format!("k{n}")),
                )
                .unwrap();
            }
        }
        Feature::WithoutRowid => {
            batch(
                db,
                "CREATE TABLE keyed(a TEXT COLLATE NOCASE, b, c, PRIMARY KEY (a, b DESC)) WITHOUT ROWID;
                 CREATE TABLE keyed_by_any(k PRIMARY KEY, v) WITHOUT ROWID",
            );
            for _ in 0..random.below(20) {
                let values = [Value::Text(random.words()), random.key(), random.value()];
                db.execute("INSERT OR IGNORE INTO keyed VALUES (?, ?, ?)", params_from_iter(values)).unwrap();
                let values = [random.key(), random.value()];
                db.execute("INSERT OR IGNORE INTO keyed_by_any VALUES (?, ?)", params_from_iter(values)).unwrap();
            }
        }
        Feature::Generated => {
            batch(
                db,
                "CREATE TABLE prices(net INT, gross AS (net * 119 / 100), text TEXT AS ('€' || net) STORED, note);
                 CREATE INDEX prices_gross ON prices(gross)",
            );
            for _ in 0..random.below(10) {
                db.execute("INSERT INTO prices(net, note) VALUES (?, ?)", (random.below(1000) as i64, random.value()))
                    .unwrap();
            }
        }
        Feature::Triggers => {
            batch(
                db,
                "CREATE TABLE watched(a); CREATE TABLE log(what); INSERT INTO watched VALUES (1), (2), (2);
                 CREATE TRIGGER forbid BEFORE INSERT ON watched WHEN new.a > 0 BEGIN SELECT RAISE(ABORT, 'no'); END;
                 CREATE TRIGGER \"twice\" AFTER INSERT ON plain WHEN new.id < 1000000
                   BEGIN INSERT INTO plain(id, title) VALUES (new.id + 1000000, new.title); END;
                 CREATE TRIGGER record AFTER INSERT ON watched BEGIN INSERT INTO log VALUES (new.a); END",
            );
        }
        Feature::ForeignKeys => batch(
            db,
            "CREATE TABLE hen(id INTEGER PRIMARY KEY, egg INT REFERENCES egg(id) DEFERRABLE INITIALLY DEFERRED);
             CREATE TABLE egg(id INTEGER PRIMARY KEY, hen INT NOT NULL REFERENCES hen(id) ON DELETE CASCADE);
             INSERT INTO hen VALUES (1, 1), (2, 77); INSERT INTO egg VALUES (1, 1), (2, 99)",
        ),
        Feature::Extremes => {
            batch(db, "CREATE TABLE numbers(id INTEGER PRIMARY KEY, a, r REAL)");
            let integers = [i64::MIN, i64::MIN + 1, -(1 << 53), 1 - (1 << 53), -1, 0, (1 << 53) - 1, 1 << 53, i64::MAX];
            for n in integers {
                db.execute("INSERT INTO numbers(a, r) VALUES (?, ?)", (n, n as f64)).unwrap();
            }
            let reals = [
                0.0,
                -0.0,
                1.0,
                0.1,
                5e-324,
                f64::MIN_POSITIVE,
                f64::MAX,
                f64::MIN,
                1e15,
                1e16,
                1e21,
                -1e22,
                123456.7e3,
                f64::INFINITY,
                f64::NEG_INFINITY,
                9007199254740993.0,
                2.225073858507201e-308,
                std::f64::consts::PI,
            ];
            for x in reals {
                db.execute("INSERT INTO numbers(a, r) VALUES (?, ?)", (x, x)).unwrap();
            }
            for _ in 0..random.below(20) {
                let x = Some(f64::from_bits(random.number())).filter(|x| !x.is_nan());
                db.execute("INSERT INTO numbers(a, r) VALUES (?, ?)", (x, x)).unwrap();
            }
            batch(
                db,
                "INSERT INTO numbers(id, a) VALUES (-9223372036854775808, 'first');
                       INSERT INTO numbers(id, a) VALUES (9223372036854775807, 'last')",
            );
        }
        Feature::OddText => {
            batch(db, "CREATE TABLE texts(t TEXT, n NUMERIC, b BLOB, v)");
            // Halves of surrogate pairs, bytes that no encoding allows, an odd number of them, noncharacters.
            for hex in [
                "ff41", "00d8", "d800", "41d800", "00d841", "c0af", "eda080", "80", "", "610062", "00", "fffe", "feff",
                "efbfbe", "fdffffff", "00d800dc", "f4908080", "d83ddc00",
            ] {
                batch(db, &format!("INSERT INTO texts SELECT t, t, t, t FROM (SELECT CAST(x'{hex}' AS TEXT) AS t)"));
            }
            let mut insert = db.prepare("INSERT INTO texts VALUES (?1, ?1, ?1, ?1)").unwrap();
            let texts = [
                "",
                "\0",
                "a\0b",
                "12\0",
                "\u{feff}bom",
                "\u{fffe}\u{ffff}",
                "\u{10ffff}",
                "\r\n\u{2028}",
                "\"\\/",
                "😀",
            ];
            for text in texts {
                insert.execute([text]).unwrap();
            }
            for bytes in [&b""[..], b"\0", b"text", b"\xff"] {
                insert.execute([bytes]).unwrap();
            }
        }
        Feature::Autoincrement => batch(
            db,
            "CREATE TABLE doomed(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO doomed VALUES (5);
             DROP TABLE doomed;
             CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, a);
             INSERT INTO counted(id, a) VALUES (3, 'x'), (1000, 'y'); DELETE FROM counted WHERE id = 1000;
             CREATE TABLE never_used(id INTEGER PRIMARY KEY AUTOINCREMENT);
             INSERT INTO sqlite_sequence(rowid, name, seq) VALUES (77, 'nobody', 'not a number')",
        ),
        Feature::OddNames => batch(
            db,
            "CREATE TABLE \"select\"(\"from\", \"a\"\"b\" TEXT, [c d], `e`, \"\" INT);
             CREATE TABLE \"\"(a PRIMARY KEY); INSERT INTO \"\" VALUES ('in the nameless');
             CREATE TABLE \"naïve \"\"日本\"\" ; --\"(x); CREATE TABLE \"a/b\\c\n.csv\"(\"new\nline\");
             CREATE TABLE \"A'\"(rowid, v);
             CREATE TABLE all_taken(rowid, oid, _rowid_);
             CREATE INDEX \"i \"\" j\" ON \"select\"(\"from\", \"a\"\"b\");
             INSERT INTO \"select\" VALUES (1, 2, 3, 4, 5), (NULL, '', x'', 0.0, -1);
             INSERT INTO \"A'\" VALUES ('r', 1), ('r', 1);
             INSERT INTO \"naïve \"\"日本\"\" ; --\" VALUES ('ü'); INSERT INTO \"a/b\\c\n.csv\" VALUES (1);
             INSERT INTO all_taken VALUES (3, 2, 1), (1, 2, 3)",
        ),
        Feature::Duplicates => {
            batch(db, "CREATE TABLE heap(a, b)");
            for _ in 0..random.below(30) {
                let value = random.below(3) as i64;
                db.execute("INSERT INTO heap VALUES (?1, 'same')", [value]).unwrap();
            }
            batch(
                db,
                "DELETE FROM heap WHERE rowid % 4 = 1;
             INSERT INTO heap(rowid, a) VALUES (-5, NULL), (1000000, 0)",
            );
        }
        Feature::Views => batch(
            db,
            "CREATE VIEW titles(t) AS SELECT title FROM plain WHERE size > 1;
             CREATE VIEW broken AS SELECT * FROM nowhere;
             CREATE VIEW needs_app AS SELECT app_function(id) FROM plain;
             CREATE TRIGGER through INSTEAD OF INSERT ON titles BEGIN INSERT INTO plain(title) VALUES (new.t); END",
        ),
        Feature::Indexes => batch(
            db,
            "CREATE INDEX by_lower ON plain(lower(title), size + 1 DESC);
             CREATE UNIQUE INDEX one ON plain(id) WHERE size IS NULL;
             CREATE INDEX by_title ON plain(title COLLATE NOCASE, data) WHERE title IS NOT NULL;
             CREATE TABLE unique_in_two(a UNIQUE ON CONFLICT REPLACE, b, UNIQUE (b, a) ON CONFLICT IGNORE);
             INSERT INTO unique_in_two VALUES (1, 1), (NULL, 1), (NULL, 1), ('1', 1)",
        ),
        Feature::Statistics => batch(db, "CREATE INDEX IF NOT EXISTS by_size ON plain(size); ANALYZE"),
        Feature::Altered => batch(
            db,
            "CREATE TABLE grown(a, gone); INSERT INTO grown VALUES (1, 2), (3, 4);
             ALTER TABLE grown ADD COLUMN later TEXT NOT NULL DEFAULT 5;
             ALTER TABLE grown ADD COLUMN real REAL DEFAULT 7;
             ALTER TABLE grown ADD COLUMN blob DEFAULT x'00'; ALTER TABLE grown DROP COLUMN gone;
             ALTER TABLE grown RENAME TO \"has grown\"; INSERT INTO \"has grown\"(a) VALUES (9)",
        ),
        Feature::BrokenChecks => batch(
            db,
            "CREATE TABLE checked(a CHECK (a > 0), b TEXT CHECK (length(b) < 3));
             PRAGMA ignore_check_constraints = ON;
             INSERT INTO checked VALUES (-1, 'too long'), (1, 'ok'); PRAGMA ignore_check_constraints = OFF",
        ),
    }
}

/// Writes into the schema what this build could not make.
fn write_schema(db: &Connection, kind: &str, name: &str, table: &str, sql: &str) {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    batch(db, "PRAGMA writable_schema = ON");
    db.execute(
        "INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES (?, ?, ?, 0, ?)",
        [kind, name, table, sql],
    )
    .unwrap();
    batch(db, "PRAGMA writable_schema = OFF");
}

fn batch(db: &Connection, sql: &str) {
    if let Err(error) = db.execute_batch(sql) {
        panic!("{error} in {sql}");
    }
}

impl Random {
    fn words(&mut self) -> String {
        let words = ["alpha", "Βήτα", "日本", "delta's", "é", "😀", "running", "x\ty", "\"q\"", "NULL"];
        (0..self.below(6)).map(|_| words[self.below(10) as usize]).collect::<Vec<_>>().join(" ")
    }
    fn bytes(&mut self) -> Vec<u8> {
        // Now and then longer than any page, for overflow pages.
        let longest = if self.below(8) == 0 { 9000 } else { 40 };
        (0..self.below(longest)).map(|_| self.number() as u8).collect()
    }
    fn value(&mut self) -> Value {
        match self.below(7) {
            0 => Value::Null,
            1 => Value::Integer(self.number() as i64),
            2 => Value::Integer(self.below(200) as i64 - 100),
            3 => Some(f64::from_bits(self.number())).filter(|x| !x.is_nan()).map_or(Value::Null, Value::Real),
            4 => Value::Blob(self.bytes()),
            5 => Value::Text(self.number().to_string()),
            _ => Value::Text(self.words()),
        }
    }
    /// A value that is not NULL.
    fn key(&mut self) -> Value {
        loop {
            match self.value() {
                Value::Null => {}
                value => return value,
            }
        }
    }
}
