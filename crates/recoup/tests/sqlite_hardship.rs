//! The SQLite source against databases that others hold, damage, replace, crash on and define in ways that plain
//! SQLite does not know. Not here: live writers (`sqlite_source.rs`), other users and full disks
//! (`sqlite_elsewhere.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite_kit;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use recoup::ErrorKind;
use recoup::source::{Presence, Source};
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::random::Random;
use rusqlite::Connection;
use sqlite_kit::{Kit, listing, make, python, source};

#[test]
fn commits_that_are_only_in_the_log_are_in_the_copy() {
    let kit = Kit::new();
    make(&kit.db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
    let statements = ["PRAGMA wal_autocheckpoint=0"].into_iter().chain(["INSERT INTO t VALUES(1)"; 500]);
    let _app = HeldDatabase::hold(&kit.db, &statements.collect::<Vec<_>>());
    let kept = kit.back_up().unwrap();
    assert_eq!(kept.number("SELECT count(*) FROM t"), 500);
    assert_eq!(kept.facts.tables[0].rows, Some(500));
    assert_eq!(kept.facts.journal_mode, "wal");
    assert_eq!((kept.entry.mode, kept.entry.sqlite, kept.warnings.len()), (0o644, true, 0));
}

#[test]
fn an_exclusive_holder_is_waited_for_until_the_deadline() {
    for held in [
        &["BEGIN EXCLUSIVE", "INSERT INTO t VALUES(2)"][..],
        &["PRAGMA journal_mode=WAL", "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "INSERT INTO t VALUES(2)"],
    ] {
        let kit = Kit::new();
        make(&kit.db, "CREATE TABLE t(x); INSERT INTO t VALUES(1)");
        let holder = HeldDatabase::hold(&kit.db, held);
        let error = kit.back_up_waiting(300).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "db_in_use"), "{held:?}");
        assert_eq!(error.message(), "Cannot backup while database is in use");
        assert_eq!(fs::read_dir(&kit.scope.staging).unwrap().count(), 0);
        // Let go while somebody waits: the backup goes on by itself.
        let late = std::thread::spawn(move || drop(holder));
        assert_eq!(kit.back_up_waiting(20_000).unwrap().number("SELECT count(*) FROM t"), 1);
        late.join().unwrap();
    }
}

#[test]
fn an_exclusive_transaction_in_wal_mode_does_not_hinder() {
    let kit = Kit::new();
    make(&kit.db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    let _holder = HeldDatabase::hold(&kit.db, &["BEGIN EXCLUSIVE", "INSERT INTO t VALUES(2)"]);
    assert_eq!(kit.back_up_waiting(0).unwrap().number("SELECT count(*) FROM t"), 1);
}

#[test]
fn a_backup_changes_and_leaves_nothing_beside_the_source() {
    for (mode, live) in [("wal", true), ("wal", false), ("delete", true), ("delete", false)] {
        let kit = Kit::new();
        make(&kit.db, &format!("PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES(1)"));
        let app = live.then(|| HeldDatabase::hold(&kit.db, &["INSERT INTO t VALUES(2)"]));
        let before = listing(&kit.home);
        assert_eq!(kit.back_up().unwrap().number("SELECT count(*) FROM t"), if live { 2 } else { 1 });
        assert_eq!(listing(&kit.home), before, "{mode}, live {live}");
        drop(app);
    }
}

#[test]
fn locks_of_an_application_in_our_own_process_survive_a_backup() {
    for mode in ["wal", "delete"] {
        let kit = Kit::new();
        make(&kit.db, &format!("PRAGMA journal_mode={mode}; CREATE TABLE t(x); INSERT INTO t VALUES(1)"));
        let app = Connection::open(&kit.db).unwrap();
        app.execute_batch("BEGIN IMMEDIATE").unwrap();
        assert_eq!(kit.back_up().unwrap().number("SELECT count(*) FROM t"), 1);
        let probe = python(
            "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=0)\ntry:\n c.execute('BEGIN IMMEDIATE'); print('free')\n\
             except sqlite3.OperationalError as e: print(e)",
            &[&kit.db],
        );
        assert_eq!(probe, "database is locked", "{mode}");
        app.execute_batch("INSERT INTO t VALUES(2); COMMIT").unwrap();
    }
}

#[test]
fn an_application_in_our_own_process_that_starts_during_an_unlocked_copy_keeps_its_locks() {
    let kit = Kit::new();
    make(&kit.db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    let mut source = source(&kit.spec(), &kit.home, false);
    source.begin(&kit.scope).unwrap();
    let app = Connection::open(&kit.db).unwrap();
    app.execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; INSERT INTO t VALUES(2); COMMIT").unwrap();
    drop(source);
    let probe = python(
        "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1],timeout=0)\ntry:\n c.execute('SELECT * FROM t'); print('free')\n\
         except sqlite3.OperationalError as e: print(e)",
        &[&kit.db],
    );
    assert_eq!(probe, "database is locked");
}

#[test]
fn a_missing_source_is_named_as_configured_and_never_created() {
    let kit = Kit::new();
    let mut spec = kit.spec();
    spec.location = "sqlite+aiosqlite:///./data/shop.db".into();
    let mut missing = recoup::source::sqlite::SqliteSource::new(&spec, &kit.home, false).unwrap();
    let error = missing.begin(&kit.scope).unwrap_err();
    assert_eq!(error.message(), "Database file not found: sqlite+aiosqlite:///./data/shop.db");
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "source_missing"));
    spec.optional = true;
    let mut optional = recoup::source::sqlite::SqliteSource::new(&spec, &kit.home, false).unwrap();
    assert_eq!(optional.begin(&kit.scope).unwrap(), Presence::Absent);
    assert!(listing(&kit.home).is_empty());
}

#[test]
fn an_empty_source_is_an_error() {
    let kit = Kit::new();
    fs::write(&kit.db, b"").unwrap();
    assert_eq!(kit.back_up().unwrap_err().code(), "source_empty");
    make(&kit.db, "PRAGMA user_version=3");
    assert!(fs::metadata(&kit.db).unwrap().len() > 0);
    assert_eq!(kit.back_up().unwrap_err().code(), "source_empty");
}

#[test]
fn what_is_no_plain_sqlite_database_is_refused_clearly() {
    let kit = Kit::new();
    let mut random = Random(7);
    let noise: Vec<u8> = (0..8192).map(|_| random.number() as u8).collect();
    let text = b"id,name\n1,anna\n".repeat(600);
    for (bytes, kind, code) in [
        (noise, ErrorKind::Unsupported, "source_encrypted"),
        (text, ErrorKind::Usage, "not_a_database"),
        (b"SQLite".to_vec(), ErrorKind::Usage, "not_a_database"),
        (vec![0; 4096], ErrorKind::Usage, "not_a_database"),
    ] {
        fs::write(&kit.db, &bytes).unwrap();
        let error = kit.back_up().unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, code));
        assert_eq!(fs::read(&kit.db).unwrap(), bytes);
    }
    fs::remove_file(&kit.db).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&kit.db).status().unwrap().success());
    assert_eq!(kit.back_up().unwrap_err().code(), "not_a_database");
}

#[test]
fn every_overwritten_page_makes_the_backup_fail() {
    let kit = Kit::new();
    make(
        &kit.db,
        "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, body BLOB); CREATE INDEX n ON t(name);
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n<800)
         INSERT INTO t SELECT n, hex(randomblob(30)), randomblob(abs(random()) % 2000) FROM i;
         INSERT INTO t SELECT n+10000, 'long', randomblob(20000) FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3)",
    );
    let sound = fs::read(&kit.db).unwrap();
    let mut random = Random(0x5eed);
    let mut found = 0;
    for trial in 0..120 {
        let page = random.below(sound.len() as u64 / 4096) as usize;
        let mut damaged = sound.clone();
        damaged[page * 4096..][..4096].fill_with(|| random.number() as u8);
        fs::write(&kit.db, &damaged).unwrap();
        let error = kit.back_up().map(|_| ()).expect_err(&format!("trial {trial}, page {}", page + 1));
        if page > 0 {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupted, "source_corrupted"), "page {}", page + 1);
            assert_eq!(error.message(), format!("Database is corrupted: {}", kit.db.display()));
        }
        found += 1;
    }
    assert_eq!(found, 120);
}

#[test]
fn page_size_encoding_and_vacuum_mode_are_copied_exactly() {
    let mut cases = 0;
    for page in [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536_u32] {
        for (vacuum, encoding) in [(0, "UTF-8"), (1, "UTF-16le"), (2, "UTF-16be")] {
            let kit = Kit::new();
            make(
                &kit.db,
                &format!(
                    "PRAGMA page_size={page}; PRAGMA auto_vacuum={vacuum}; PRAGMA encoding='{encoding}';
                     PRAGMA journal_mode={}; PRAGMA user_version=-5; PRAGMA application_id=77;
                     CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, x); CREATE INDEX i ON t(x);
                     WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n<300)
                     INSERT INTO t(x) SELECT randomblob(700) FROM i; DELETE FROM t WHERE id % 3 = 0",
                    if page % 3 == 1 { "WAL" } else { "DELETE" },
                ),
            );
            let kept = kit.back_up().unwrap();
            let facts = &kept.facts;
            assert_eq!((facts.page_size, facts.auto_vacuum, facts.encoding.as_str()), (page, vacuum, encoding));
            assert_eq!((facts.user_version, facts.application_id), (-5, 77));
            let (mut original, mut copy) = (fs::read(&kit.db).unwrap(), fs::read(&kept.path).unwrap());
            // Change counter, schema cookie, version-valid-for and the writer's version are SQLite's to count.
            for bytes in [&mut original, &mut copy] {
                [24..28, 40..44, 92..100].into_iter().for_each(|range| bytes[range].fill(0));
            }
            assert!(original == copy, "page size {page}");
            cases += 1;
        }
    }
    assert_eq!(cases, 24);
}

#[test]
fn compaction_shrinks_the_copy_and_never_the_source() {
    let kit = Kit::new();
    make(
        &kit.db,
        "PRAGMA journal_mode=WAL; PRAGMA user_version=9; CREATE TABLE t(id INTEGER PRIMARY KEY, x);
         CREATE VIRTUAL TABLE s USING fts5(x, content='t', content_rowid='id');
         WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n<500)
         INSERT INTO t SELECT n, hex(randomblob(500)) FROM i;
         DELETE FROM t WHERE id > 50; INSERT INTO s(s) VALUES('rebuild')",
    );
    let before = listing(&kit.home);
    let plain = kit.back_up().unwrap();
    let compact = kit.back_up_with(&kit.spec(), true).unwrap();
    assert!(compact.facts.compacted && compact.facts.page_count * 3 < plain.facts.page_count);
    assert_eq!(compact.facts.tables, plain.facts.tables);
    assert_eq!((compact.facts.journal_mode.as_str(), compact.facts.user_version), ("wal", 9));
    assert_eq!(listing(&kit.home), before);
}

#[test]
fn an_index_over_row_numbers_is_not_compacted() {
    let kit = Kit::new();
    make(
        &kit.db,
        "CREATE TABLE t(x); INSERT INTO t(rowid, x) VALUES(5, 'five'), (900, 'nine hundred');
         CREATE VIRTUAL TABLE s USING fts5(x, content='t'); INSERT INTO s(s) VALUES('rebuild')",
    );
    let kept = kit.back_up_with(&kit.spec(), true).unwrap();
    assert!(!kept.facts.compacted);
    assert_eq!(kept.codes(), ["not_compacted"]);
    assert_eq!(kept.number("SELECT rowid FROM s WHERE s MATCH 'nine'"), 900);
}

#[test]
fn a_crashed_application_is_recovered_in_the_copy_and_not_in_place() {
    for mode in ["delete", "wal"] {
        let kit = Kit::new();
        make(
            &kit.db,
            &format!(
                "PRAGMA journal_mode={mode}; CREATE TABLE t(id INTEGER PRIMARY KEY, x);
                 WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM i WHERE n<2000)
                 INSERT INTO t SELECT n, zeroblob(500) FROM i"
            ),
        );
        let spill = [
            "PRAGMA cache_size=10",
            "INSERT INTO t(x) VALUES('committed')",
            "BEGIN",
            "UPDATE t SET x = randomblob(500)",
        ];
        HeldDatabase::hold(&kit.db, &spill).crash();
        let journal = kit.home.join("app.db-journal");
        assert_eq!(journal.exists(), mode == "delete");
        let before = listing(&kit.home);
        let kept = kit.back_up().unwrap();
        assert_eq!(kept.number("SELECT count(*) FROM t WHERE x = 'committed'"), 1, "{mode}");
        assert_eq!(kept.number("SELECT count(*) FROM t WHERE x = zeroblob(500)"), 2000, "{mode}");
        if mode == "delete" {
            assert_eq!(listing(&kit.home), before);
        }
        assert_eq!(fs::read_dir(&kit.scope.staging).unwrap().count(), 0, "{mode}");
    }
}

struct StopOnDrop<'a>(&'a std::sync::atomic::AtomicBool);
impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_symlink_that_is_exchanged_all_the_time_gives_one_of_the_two_databases() {
    let kit = Kit::new();
    let names = ["a.db", "b.db"];
    for (at, name) in names.iter().enumerate() {
        let fill = format!("CREATE TABLE t(x); INSERT INTO t VALUES({at}); CREATE TABLE only_{at}(y)");
        make(&kit.home.join(name), &format!("PRAGMA journal_mode=WAL; {fill}"));
    }
    symlink("a.db", &kit.db).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let next = kit.home.join("next");
            for turn in (0..2).cycle().take_while(|_| !stop.load(std::sync::atomic::Ordering::Relaxed)) {
                symlink(names[turn], &next).unwrap();
                fs::rename(&next, &kit.db).unwrap();
            }
        });
        let _stop = StopOnDrop(&stop);
        let mut seen = [0, 0];
        for _ in 0..60 {
            let kept = kit.back_up().unwrap();
            let which = kept.number("SELECT x FROM t") as usize;
            assert_eq!(kept.number(&format!("SELECT count(*) FROM only_{which}")), 0);
            seen[which] += 1;
        }
        assert_eq!(seen[0] + seen[1], 60);
    });
}

#[test]
fn a_database_that_is_replaced_during_the_backup_is_noticed() {
    let kit = Kit::new();
    let other = kit.home.join("other.db");
    for path in [&kit.db, &other] {
        make(path, "CREATE TABLE t(x)");
    }
    let mut source = source(&kit.spec(), &kit.home, false);
    source.begin(&kit.scope).unwrap();
    fs::rename(&other, &kit.db).unwrap();
    let error = source.capture(&kit.scope).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "source_replaced"));
    assert_eq!(fs::read_dir(&kit.scope.staging).unwrap().count(), 0);
}

#[test]
fn an_application_that_starts_during_an_unlocked_copy_is_noticed_and_copied_again() {
    let kit = Kit::new();
    make(&kit.db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");
    let mut source = source(&kit.spec(), &kit.home, false);
    source.begin(&kit.scope).unwrap();
    let _app = HeldDatabase::hold(&kit.db, &["INSERT INTO t VALUES(2)", "PRAGMA wal_checkpoint"]);
    let kept = kit.finish(source).unwrap();
    assert_eq!(kept.number("SELECT count(*) FROM t"), 2);
    assert_eq!(kept.codes(), ["moment_later"]);
}

#[test]
fn several_databases_share_the_moment_of_begin() {
    let kit = Kit::new();
    let second = kit.home.join("second.db");
    let mut apps = Vec::new();
    for path in [&kit.db, &second] {
        make(path, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)");
        apps.push(HeldDatabase::hold(path, &["INSERT INTO t VALUES(2)"]));
    }
    let mut spec = kit.spec();
    (spec.name, spec.location) = ("second".into(), second.to_str().unwrap().into());
    let mut sources = [source(&kit.spec(), &kit.home, false), source(&spec, &kit.home, false)];
    for source in &mut sources {
        assert_eq!(source.begin(&kit.scope).unwrap(), Presence::Present);
    }
    for path in [&kit.db, &second] {
        drop(HeldDatabase::hold(path, &["INSERT INTO t VALUES(3)"]));
    }
    for source in sources {
        assert_eq!(kit.finish(source).unwrap().number("SELECT count(*) FROM t"), 2);
    }
}

#[test]
fn what_plain_sqlite_cannot_check_is_a_named_warning_and_the_copy_is_whole() {
    let kit = Kit::new();
    python(
        "import sqlite3,sys\nc=sqlite3.connect(sys.argv[1])\n\
         c.create_collation('german',lambda a,b:(a.lower()>b.lower())-(a.lower()<b.lower()))\n\
         c.create_function('slug',1,lambda x:x,deterministic=True)\n\
         c.executescript('''create table city(name text); create index byname on city(name collate german);\
         insert into city values('b'),('A'),('c'); create table k(x text collate german primary key) without rowid;\
         insert into k values('q'); create table checked(x check(slug(x)>0)); insert into checked values(1);\
         create table fine(y unique); insert into fine values(1),(2); pragma writable_schema=1;\
         insert into sqlite_master values('table','vec','vec',0,'CREATE VIRTUAL TABLE vec USING vec0(a)')''')\n\
         c.executescript('''create virtual table f using fts5(a, tokenize='unicode61'); insert into f values('x');\
         create virtual table g using fts4(a, tokenize=porter); pragma writable_schema=1;\
         update sqlite_master set sql=replace(sql,'unicode61','mine') where name='f';\
         update sqlite_master set sql=replace(sql,'porter','mine') where name='g'; select 1''')",
        &[&kit.db],
    );
    for compact in [false, true] {
        let kept = kit.back_up_with(&kit.spec(), compact).unwrap();
        let unchecked = kept.facts.unchecked.join("; ");
        for name in [
            "collation german (table city)",
            "collation german (table k)",
            "function slug (table checked)",
            "module vec0 (table vec)",
            "table f",
            "tokenizer mine (table g)",
        ] {
            assert!(unchecked.contains(name), "{name} in {unchecked}");
        }
        assert!(!unchecked.contains("fine"));
        assert_eq!(kept.codes(), if compact { vec!["unchecked", "not_compacted"] } else { vec!["unchecked"] });
        let rows: Vec<_> = kept.facts.tables.iter().map(|t| (t.name.as_str(), t.rows)).collect();
        assert_eq!(
            rows,
            [
                ("checked", Some(1)),
                ("city", Some(3)),
                ("f", Some(1)),
                ("fine", Some(2)),
                ("g", None),
                ("k", None),
                ("vec", None)
            ]
        );
        assert!(fs::read(&kit.db).unwrap()[4096..] == fs::read(&kept.path).unwrap()[4096..]);
    }
    // Damage still is damage: in the table that can only be read through, and in its neighbour.
    let sound = fs::read(&kit.db).unwrap();
    for table in ["city", "fine"] {
        let root = kit.number(&format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'")) as usize;
        let mut damaged = sound.clone();
        damaged[(root - 1) * 4096..][..100].fill(0xA5);
        fs::write(&kit.db, damaged).unwrap();
        assert_eq!(kit.back_up().unwrap_err().code(), "source_corrupted", "{table}");
        fs::write(&kit.db, &sound).unwrap();
    }
}

#[test]
fn broken_references_and_rules_of_the_source_are_warnings() {
    let kit = Kit::new();
    make(
        &kit.db,
        "PRAGMA foreign_keys=0; CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p);
         INSERT INTO c VALUES(7),(8); CREATE TABLE n(x); INSERT INTO n VALUES(NULL);
         CREATE TABLE bad(x); CREATE TABLE m(x REFERENCES bad(x)); INSERT INTO m VALUES(1);
         PRAGMA writable_schema=1; UPDATE sqlite_schema SET sql='CREATE TABLE n(x NOT NULL)' WHERE name='n'",
    );
    let kept = kit.back_up().unwrap();
    assert_eq!(kept.facts.foreign_key_violations, 2);
    assert_eq!(kept.codes(), ["unchecked", "foreign_keys", "constraints"]);
    assert!(kept.facts.unchecked[0].starts_with("foreign keys of table m"));
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let kit = Kit::new();
    make(&kit.db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(9000000))");
    let mut source = source(&kit.spec(), &kit.home, false);
    source.begin(&kit.scope).unwrap();
    kit.scope.context.cancel.cancel();
    assert_eq!(source.capture(&kit.scope).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(fs::read_dir(&kit.scope.staging).unwrap().count(), 0);
}

#[test]
fn databases_inside_directories_are_copied_the_same_way() {
    let kit = Kit::new();
    make(&kit.db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x)");
    let _app = HeldDatabase::hold(&kit.db, &["INSERT INTO t VALUES(2)"]);
    let to = kit.scope.staging.join("7");
    let busy = Duration::from_secs(5);
    let facts = recoup::source::sqlite::snapshot_file(&kit.db, &to, busy, &kit.scope.context).unwrap();
    assert_eq!((facts.tables[0].rows, facts.journal_mode.as_str()), (Some(1), "wal"));
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    let empty = kit.home.join("empty.db");
    make(&empty, "PRAGMA user_version=1");
    let to = kit.scope.staging.join("8");
    assert!(recoup::source::sqlite::snapshot_file(&empty, &to, busy, &kit.scope.context).unwrap().tables.is_empty());
    fs::write(&empty, vec![1; 5000]).unwrap();
    let to = kit.scope.staging.join("9");
    let error = recoup::source::sqlite::snapshot_file(&empty, &to, busy, &kit.scope.context).unwrap_err();
    assert_eq!((error.code(), to.exists()), ("not_a_database", false));
}
