//! The round trip over everything a SQLite file can be: page size × journal mode × encoding × auto_vacuum × features, put
//! back in the place of something else, and undone. What comes back has the same rows under the same rowids, the same
//! page size, journal mode, encoding, auto_vacuum and ids.
//!
//! Not here: who holds the database meanwhile (`restore_hardship`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ground;

use ground::{Ground, told};
use recoup::model::{DatabaseFacts, Format};
use recoup::sqlite::facts::{compare, facts};
use recoup_testkit::matrix::{AUTO_VACUUM, ENCODINGS, Feature, JOURNAL_MODES, PAGE_SIZES, Shape, three_features};
use rusqlite::Connection;

const FORMATS: [Format; 4] = [Format::Archive, Format::Database, Format::Both, Format::Json];

/// What lies at the target when the restore begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The same database with other rows, closed.
    Changed,
    /// The same, and the application has it open.
    Open,
    /// A database of another shape.
    Other,
    /// Nothing.
    Nothing,
}

#[derive(Debug)]
struct Case {
    shape: Shape,
    format: Format,
    before: Before,
}

/// The `n`-th case: the dimensions are walked through with steps that have nothing in common.
fn case(n: usize) -> Case {
    let shape = Shape {
        page_size: PAGE_SIZES[n % 8],
        journal_mode: JOURNAL_MODES[n / 8 % 4],
        encoding: ENCODINGS[n % 3],
        auto_vacuum: AUTO_VACUUM[n / 3 % 3],
        features: three_features(n),
        seed: n as u64,
    };
    let before = [Before::Changed, Before::Open, Before::Other, Before::Nothing][n / 2 % 4];
    Case { shape, format: FORMATS[n / 5 % 4], before }
}

fn look(ground: &Ground) -> DatabaseFacts {
    let db = Connection::open(ground.at("app.db")).unwrap();
    let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    facts(&db, &mode).unwrap()
}

impl Case {
    fn run(&self) {
        let ground = Ground::of(&["app.db"]);
        self.shape.build(&ground.at("app.db"));
        let listed = ground.back_up_as(self.format);
        let (original, expected) = (ground.state(), look(&ground));
        let clear = || {
            for suffix in ["", "-wal", "-shm", "-journal"] {
                let _ = std::fs::remove_file(ground.at(&format!("app.db{suffix}")));
            }
        };
        let mut app = None;
        match self.before {
            Before::Changed | Before::Open => {
                let db = Connection::open(ground.at("app.db")).unwrap();
                db.execute_batch("CREATE TABLE later(x); INSERT INTO later VALUES (randomblob(9000))").unwrap();
                db.query_row("SELECT count(*) FROM later", [], |_| Ok(())).unwrap();
                app = (self.before == Before::Open).then_some(db);
            }
            Before::Other => {
                clear();
                let n = self.shape.seed as usize;
                let (page_size, journal_mode) = (PAGE_SIZES[(n + 3) % 8], JOURNAL_MODES[n % 4]);
                let other = Shape { page_size, journal_mode, seed: self.shape.seed + 1, ..self.shape.clone() };
                other.build(&ground.at("app.db"));
                let ids = look(&ground);
                // Of the same application and version, or it would be refused.
                let sql = format!(
                    "PRAGMA user_version={}; PRAGMA application_id={}; CREATE TABLE IF NOT EXISTS t(x)",
                    expected.user_version, expected.application_id
                );
                assert!(ids.page_size == page_size);
                ground.sql("app.db", &sql);
            }
            Before::Nothing => clear(),
        }
        let before = ground.state();
        let report = ground.restore(&listed).unwrap_or_else(|error| panic!("{self:?}: {}", told(&error)));
        if let Some(app) = app {
            let ok: String = app.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            // Some databases are not quite right from the beginning, and come back so.
            let odd =
                [Feature::UnknownModule, Feature::BrokenChecks].iter().any(|odd| self.shape.features.contains(odd));
            assert!(ok == "ok" || odd, "{self:?}: {ok}");
            assert!(app.prepare("SELECT * FROM later").is_err(), "{self:?}");
        }
        assert!(ground.state() == original, "{self:?}");
        let mut found = look(&ground);
        if matches!(self.format, Format::Json) {
            found.page_count = expected.page_count;
        }
        let problems = compare(&expected, &found);
        assert!(problems.is_empty(), "{self:?}: {problems:?}");
        assert_eq!((found.page_size, found.auto_vacuum), (self.shape.page_size, self.shape.auto_vacuum), "{self:?}");
        let wal = |mode: &str| mode == "wal";
        let kept = report.warnings.iter().any(|warning| warning.code == "journal_mode_kept");
        assert!(kept || wal(&found.journal_mode) == wal(self.shape.journal_mode), "{self:?}");
        if self.before != Before::Nothing {
            ground.undo().unwrap_or_else(|error| panic!("{self:?}: {}", told(&error)));
            assert!(ground.state() == before, "{self:?}: undone");
        }
        ground.is_tidy();
    }
}

#[test]
fn any_database_comes_back_as_it_was_and_goes_again() {
    let cases = if std::env::var_os("SOAK").is_some() { 5000 } else { 300 };
    // Most of the time goes into waiting for the disk.
    std::thread::scope(|threads| {
        for share in 0..6 {
            threads.spawn(move || (share..cases).step_by(6).for_each(|n| case(n).run()));
        }
    });
}
