//! Restores of databases that others read, write and hold, of links and strange places, and by several at once.
//!
//! Not here: directories (`restore_nested`), damaged backups and planted links (`restore_damage`), other users and
//! mounts (the tests of the command line).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ground;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ground::{At, Ground, codes, told};
use recoup::ErrorKind;
use recoup::backup;
use recoup::model::{Format, Kind};
use recoup::progress::{Context, Phase};
use recoup_testkit::busy::{BusyDatabase, HeldDatabase, chain_prefix};
use rusqlite::Connection;

const TABLE: &str = "CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)";
const CHANGE: &str = "DELETE FROM t WHERE x = 1; INSERT INTO t VALUES ('changed')";
const COUNT: &str = "SELECT count(*) FROM t WHERE x = 'changed'";

fn with_database(mode: &str) -> Ground {
    let ground = Ground::of(&["app.db"]);
    ground.sql("app.db", &format!("PRAGMA journal_mode={mode}; {TABLE}"));
    ground
}

fn in_use(ground: &Ground, error: &recoup::Error) {
    assert_eq!(error.kind(), ErrorKind::Busy, "{}", told(error));
    assert_eq!(error.message(), "Cannot restore while database is in use", "{}", told(error));
    assert_eq!(ground.safety().len(), 0, "what was saved for nothing is not kept");
    ground.is_tidy();
}

/// Another process that answers queries on one connection.
struct Reader {
    child: Child,
    input: Option<ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
}

impl Reader {
    fn of(ground: &Ground, database: &str) -> Self {
        let script = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
for line in sys.stdin:
    print(db.execute(line).fetchall(), flush=True)";
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(ground.at(database)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Reader { input: child.stdin.take(), child, answers }
    }
    fn ask(&mut self, sql: &str) -> String {
        use std::io::Write;
        writeln!(self.input.as_mut().unwrap(), "{sql}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_long_reader_in_wal_mode_keeps_its_moment_and_then_sees_what_was_restored() {
    let ground = with_database("wal");
    let listed = ground.back_up();
    ground.sql("app.db", CHANGE);
    let mut reader = Reader::of(&ground, "app.db");
    reader.ask("BEGIN");
    assert_eq!(reader.ask(COUNT), "[(1,)]");
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(reader.ask(COUNT), "[(1,)]");
    reader.ask("COMMIT");
    assert_eq!(reader.ask(COUNT), "[(0,)]");
    assert_eq!(reader.ask("PRAGMA integrity_check"), "[('ok',)]");
    ground.is_tidy();
}

#[test]
fn a_long_reader_in_rollback_mode_is_waited_for_until_the_deadline() {
    let mut ground = with_database("delete");
    let listed = ground.back_up();
    ground.sql("app.db", CHANGE);
    let before = ground.state();
    let mut reader = Reader::of(&ground, "app.db");
    reader.ask("BEGIN");
    reader.ask(COUNT);
    let error = ground.restore(&listed).unwrap_err();
    in_use(&ground, &error);
    assert_eq!(reader.ask(COUNT), "[(1,)]");
    // The reader ends while somebody waits.
    ground.busy = Duration::from_secs(20);
    std::thread::scope(|threads| {
        let restoring = threads.spawn(|| ground.restore(&listed).map(drop).map_err(|error| told(&error)));
        reader.ask("COMMIT");
        restoring.join().unwrap().unwrap();
    });
    assert_eq!(reader.ask(COUNT), "[(0,)]");
    drop(reader);
    ground.undo().unwrap();
    assert_eq!(ground.state(), before);
}

#[test]
fn a_busy_writer_goes_on_and_what_it_wrote_is_in_the_safety_backup() {
    for (mode, rate) in [("wal", 50.0), ("wal", 300.0), ("delete", 50.0), ("delete", 300.0)] {
        let mut ground = Ground::of(&["app.db"]);
        ground.busy = Duration::from_secs(60);
        let mut writer = BusyDatabase::start(&ground.at("app.db"), rate, mode, 200);
        while writer.committed() < 20 {
            std::thread::yield_now();
        }
        let listed = ground.back_up_as(Format::Database);
        while writer.committed() < 200 {
            std::thread::yield_now();
        }
        let before = writer.committed();
        let report = ground.restore(&listed).unwrap_or_else(|error| panic!("{mode} {rate}: {}", told(&error)));
        // The chain goes on from its own number, so what it commits now fits no restored row.
        let after = writer.committed();
        while writer.committed() == after && writer.is_writing() {
            std::thread::yield_now();
        }
        assert!(writer.is_writing(), "{mode} {rate}: the writer failed");
        drop(writer);
        let ok = ground.number("app.db", "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'");
        assert_eq!(ok, 1, "{mode} {rate}");
        let safety = ground.listed(report.safety.unwrap().as_str());
        let saved = ground.root().join("backups/app").join(&safety.manifest.objects[0].name);
        let saved = chain_prefix(&saved);
        assert!(saved >= before, "{mode} {rate}: {saved} saved, {before} were committed");
        // Between the last row of the backup and the first one written afterwards there is a gap, and all that is
        // in it is in the safety backup.
        let gap = "SELECT min(n) FROM chain WHERE n - 1 NOT IN (SELECT n FROM chain) AND n > 1";
        let next = ground.number("app.db", gap).unsigned_abs();
        assert_eq!(next, saved + 1, "{mode} {rate}: commits between {saved} and {next} are nowhere");
    }
}

#[test]
fn locks_of_an_application_in_our_own_process_survive_a_restore() {
    for mode in ["wal", "delete"] {
        let ground = Ground::of(&["app.db", "other.db"]);
        ground.sql("app.db", &format!("PRAGMA journal_mode={mode}; {TABLE}"));
        ground.sql("other.db", &format!("PRAGMA journal_mode={mode}; {TABLE}"));
        let listed = ground.back_up();
        ground.sql("app.db", CHANGE);
        // Not restored, but in the same folder and open here with its lock held.
        let locked = Connection::open(ground.at("other.db")).unwrap();
        locked.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES ('mine')").unwrap();
        let app = Connection::open(ground.at("app.db")).unwrap();
        let count = || app.query_row(COUNT, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count(), 1);
        ground.restore_only(&listed, &["app.db"]).unwrap_or_else(|error| panic!("{mode}: {}", told(&error)));
        assert_eq!(count(), 0, "{mode}");
        let probe = |name: &str| {
            let script = "
import sqlite3, sys
try:
    db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None); db.execute('BEGIN IMMEDIATE'); print('free')
except Exception as error: print(error)";
            let output = Command::new("python3").args(["-c", script]).arg(ground.at(name)).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(probe("other.db"), "database is locked", "{mode}");
        // What the application locks now is locked for others, too.
        app.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (4)").unwrap();
        assert_eq!(probe("app.db"), "database is locked", "{mode}");
        let error = ground.restore(&listed).unwrap_err();
        assert_eq!(error.message(), "Cannot restore while database is in use", "{}", told(&error));
        assert_eq!((probe("app.db"), probe("other.db")), ("database is locked".into(), "database is locked".into()));
        app.execute_batch("COMMIT").unwrap();
        locked.execute_batch("COMMIT").unwrap();
        assert_eq!(ground.number("other.db", "SELECT count(*) FROM t WHERE x = 'mine'"), 1);
    }
}

#[test]
fn a_thread_of_the_embedding_application_writes_on_during_a_restore() {
    for mode in ["wal", "delete"] {
        let mut ground = with_database(mode);
        ground.busy = Duration::from_secs(60);
        let listed = ground.back_up();
        let stop = AtomicBool::new(false);
        std::thread::scope(|threads| {
            let writer = threads.spawn(|| {
                let app = Connection::open(ground.at("app.db")).unwrap();
                app.busy_timeout(Duration::from_secs(60)).unwrap();
                let mut written = 0;
                while !stop.load(Ordering::Relaxed) {
                    app.execute("INSERT INTO t VALUES ('changed')", []).unwrap();
                    written += 1;
                }
                written
            });
            while ground.number("app.db", COUNT) < 5 {
                std::thread::yield_now();
            }
            for _ in 0..3 {
                ground.restore(&listed).unwrap_or_else(|error| panic!("{mode}: {}", told(&error)));
            }
            stop.store(true, Ordering::Relaxed);
            let written: i64 = writer.join().unwrap();
            assert!(ground.number("app.db", COUNT) <= written);
        });
        let ok = ground.number("app.db", "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'");
        assert_eq!(ok, 1);
        ground.is_tidy();
    }
}

#[test]
fn exclusive_holders_are_waited_for_until_the_deadline() {
    for statements in [
        &["PRAGMA journal_mode=WAL", "PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO t VALUES (3)"][..],
        &["PRAGMA journal_mode=WAL", "BEGIN EXCLUSIVE"],
        &["PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE", "INSERT INTO t VALUES (3)"],
        &["PRAGMA journal_mode=DELETE", "PRAGMA locking_mode=EXCLUSIVE", "INSERT INTO t VALUES (3)"],
    ] {
        let mut ground = with_database("delete");
        let listed = ground.back_up();
        ground.sql("app.db", CHANGE);
        let holder = HeldDatabase::hold(&ground.at("app.db"), statements);
        let error = ground.restore(&listed).unwrap_err();
        in_use(&ground, &error);
        ground.busy = Duration::from_secs(30);
        let late = std::thread::spawn(move || drop(holder));
        ground.restore(&listed).unwrap_or_else(|error| panic!("{statements:?}: {}", told(&error)));
        late.join().unwrap();
        assert_eq!(ground.number("app.db", "SELECT count(*) FROM t WHERE x IN (1, 2)"), 2);
    }
}

#[test]
fn an_idle_connection_that_would_go_on_with_the_old_file_is_in_use() {
    // WAL with another page size is the one case in which a readable file is exchanged.
    let ground = with_database("wal");
    let listed = ground.back_up();
    ground.sql("app.db", "PRAGMA journal_mode=DELETE; PRAGMA page_size=8192; VACUUM; PRAGMA journal_mode=WAL");
    let holder = HeldDatabase::hold(&ground.at("app.db"), &["SELECT * FROM t"]);
    let error = ground.restore(&listed).unwrap_err();
    in_use(&ground, &error);
    drop(holder);
    // Here the application itself is the one that has it open, without a lock.
    let app = Connection::open(ground.at("app.db")).unwrap();
    app.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
    let error = ground.restore(&listed).unwrap_err();
    in_use(&ground, &error);
    drop(app);
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.number("app.db", "PRAGMA page_size"), 4096);
}

#[test]
fn several_databases_come_back_together_or_none() {
    let ground = Ground::of(&["a.db", "b.db", "c.db"]);
    for name in ["a.db", "b.db", "c.db"] {
        ground.sql(name, &format!("PRAGMA journal_mode=WAL; {TABLE}"));
    }
    let listed = ground.back_up();
    for name in ["a.db", "b.db", "c.db"] {
        ground.sql(name, CHANGE);
    }
    let before = ground.state();
    let holder = HeldDatabase::hold(&ground.at("b.db"), &["BEGIN IMMEDIATE", "INSERT INTO t VALUES (7)"]);
    let error = ground.restore(&listed).unwrap_err();
    in_use(&ground, &error);
    holder.crash();
    assert_eq!(ground.state(), before);
    ground.restore(&listed).unwrap();
    assert!(["a.db", "b.db", "c.db"].iter().all(|name| ground.number(name, COUNT) == 0));
}

#[test]
fn links_stay_links_and_circles_are_refused() {
    let mut ground = Ground::new();
    ground.write("real/pictures/a.jpg", "a");
    ground.write("real/config.yml", "one");
    ground.sql("real/app.db", TABLE);
    for name in ["app.db", "config.yml", "pictures"] {
        symlink(ground.at("real").join(name), ground.at(name)).unwrap();
    }
    for source in ["app.db", "config.yml", "pictures/"] {
        ground.add(source, &[]);
    }
    let listed = ground.back_up();
    let original = ground.state();
    let change = || {
        ground.sql("real/app.db", CHANGE);
        ground.write("real/config.yml", "two");
        ground.write("real/pictures/b.jpg", "b");
    };
    change();
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), original);
    // Links that lead to nothing: what they lead to is made again.
    change();
    fs::remove_dir_all(ground.at("real/pictures")).unwrap();
    fs::remove_file(ground.at("real/config.yml")).unwrap();
    fs::remove_file(ground.at("real/app.db")).unwrap();
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), original);
    for name in ["app.db", "config.yml", "pictures"] {
        fs::remove_file(ground.at(name)).unwrap();
        symlink(ground.at(name), ground.at(name)).unwrap();
        let before = ground.state();
        let error = ground.restore_only(&listed, &[name]).unwrap_err();
        assert!(error.message().contains(name), "{}", told(&error));
        assert!(error.message().contains("symbolic links"), "{}", told(&error));
        assert_eq!(ground.state(), before);
        ground.is_tidy();
    }
}

#[test]
fn everything_a_database_can_have_comes_back_in_place_from_every_format() {
    let odd = "
        CREATE TABLE rowless(a TEXT, b INT, PRIMARY KEY(a, b)) WITHOUT ROWID;
        INSERT INTO rowless VALUES ('x', 1), ('y', 2);
        CREATE TABLE made(a INT, b INT GENERATED ALWAYS AS (a * 2) STORED, c TEXT AS (a || '!'));
        INSERT INTO made(a) VALUES (1), (2);
        CREATE VIRTUAL TABLE search USING fts5(body); INSERT INTO search VALUES ('a bowl'), ('a spoon');
        CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1); INSERT INTO boxes VALUES (1, 0, 1), (2, 5, 6);
        CREATE TABLE log(what); CREATE TRIGGER noted AFTER INSERT ON made BEGIN INSERT INTO log VALUES (new.a); END;
        CREATE TABLE counted(id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO counted VALUES (41, x'00ff'), (42, 9e999);
        DELETE FROM counted WHERE id = 42;
        PRAGMA user_version = 5; PRAGMA application_id = 77;";
    for format in [Format::Archive, Format::Database, Format::Json, Format::Both] {
        for mode in ["wal", "delete"] {
            let ground = Ground::of(&["app.db"]);
            ground.sql("app.db", &format!("PRAGMA journal_mode={mode}; {odd}"));
            let listed = ground.back_up_as(format);
            let original = ground.state();
            let app = Connection::open(ground.at("app.db")).unwrap();
            app.execute_batch(
                "INSERT INTO made(a) VALUES (3); DELETE FROM search; DROP TABLE boxes; DELETE FROM rowless;
                 INSERT INTO counted(v) VALUES ('new')",
            )
            .unwrap();
            let changed = ground.state();
            let report = ground.restore(&listed).unwrap_or_else(|error| panic!("{format} {mode}: {}", told(&error)));
            assert_eq!(codes(&report), ["schema_differs"], "{format} {mode}");
            assert_eq!(ground.state(), original, "{format} {mode}");
            let one = |sql: &str| app.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(one("SELECT count(*) FROM search WHERE search MATCH 'bowl'"), 1);
            assert_eq!(one("SELECT count(*) FROM boxes WHERE x0 >= 5"), 1);
            assert_eq!(one("SELECT seq FROM sqlite_sequence WHERE name = 'counted'"), 42);
            app.execute("INSERT INTO made(a) VALUES (9)", []).unwrap();
            assert_eq!(one("SELECT count(*) FROM log WHERE what = 9"), 1, "triggers fire again");
            drop(app);
            ground.undo().unwrap_or_else(|error| panic!("{format} {mode}: {}", told(&error)));
            assert_eq!(ground.state(), changed, "{format} {mode}");
            let now = fs::metadata(ground.at("app.db")).unwrap();
            assert!(now.is_file() && now.uid() == fs::metadata(ground.app()).unwrap().uid());
        }
    }
}

#[test]
fn a_backup_and_a_restore_of_the_same_plan_do_not_interleave() {
    let ground = Ground::of(&["app.db", "data/"]);
    ground.sql("app.db", TABLE);
    ground.write("data/a", "a");
    let listed = ground.back_up();
    ground.write("data/a", "changed");
    let told_both = |error: &recoup::Error| {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "already_running"), "{}", told(error));
        assert_eq!(error.message(), "Another backup or restore is running");
    };
    std::thread::scope(|threads| {
        let (begun, beginning) = std::sync::mpsc::channel();
        let (go, going) = std::sync::mpsc::channel::<()>();
        let context = At::nth(Phase::Store, 1, move |_| {
            begun.send(()).unwrap();
            going.recv().unwrap();
        });
        let (ground, listed) = (&ground, &listed);
        let restoring =
            threads.spawn(move || ground.put_back(listed, &[], None, &context).map(drop).map_err(|error| told(&error)));
        beginning.recv().unwrap();
        told_both(&ground.restore(listed).unwrap_err());
        told_both(&backup::run(&ground.request(Format::Archive), &[ground.store()], &Context::quiet()).unwrap_err());
        go.send(()).unwrap();
        restoring.join().unwrap().unwrap();
    });
    assert_eq!(ground.read("data/a"), "a");
    ground.is_tidy();
    // And the other way round.
    let (begun, beginning) = std::sync::mpsc::channel();
    let (go, going) = std::sync::mpsc::channel::<()>();
    let context = At::nth(Phase::Pack, 1, move |_| {
        begun.send(()).unwrap();
        going.recv().unwrap();
    });
    std::thread::scope(|threads| {
        let ground = &ground;
        let request = ground.request(Format::Archive);
        let backing_up = threads
            .spawn(move || backup::run(&request, &[ground.store()], &context).map(drop).map_err(|error| told(&error)));
        beginning.recv().unwrap();
        told_both(&ground.restore(&listed).unwrap_err());
        go.send(()).unwrap();
        backing_up.join().unwrap().unwrap();
    });
    ground.restore(&listed).unwrap();
    assert!(ground.safety().iter().all(|listed| listed.manifest.kind == Kind::PreRestore));
}

#[test]
fn what_an_undo_replaces_can_be_had_again() {
    let ground = Ground::of(&["app.db", "data/", "config.yml"]);
    ground.sql("app.db", TABLE);
    ground.write("data/a", "0");
    ground.write("config.yml", "0");
    let mut backups = vec![ground.back_up()];
    for n in 1..5 {
        ground.sql("app.db", &format!("INSERT INTO t VALUES ({n} * 10)"));
        ground.write("data/a", n.to_string());
        ground.write("config.yml", n.to_string());
        backups.push(ground.back_up());
    }
    let mut states = vec![ground.state()];
    let only: [&[&str]; 5] = [&["app.db"], &["data", "config.yml"], &[], &["config.yml"], &["app.db", "data"]];
    for (listed, only) in backups.iter().zip(only) {
        ground.restore_only(listed, only).unwrap_or_else(|error| panic!("{only:?}: {}", told(&error)));
        states.push(ground.state());
    }
    // The application goes on before somebody changes their mind.
    ground.sql("app.db", "INSERT INTO t VALUES ('mine')");
    let mut replaced = Vec::new();
    for state in states.iter().rev().skip(1) {
        let report = ground.undo().unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(&ground.state(), state);
        replaced.extend(report.safety);
    }
    assert_eq!(replaced.len(), 5);
    let first = ground.listed(replaced[0].as_str());
    ground.restore(&first).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(
        ground.number("app.db", "SELECT count(*) FROM t WHERE x = 'mine'"),
        1,
        "it was in the undo's own backup"
    );
}

#[test]
fn a_deadline_of_nothing_is_no_wait() {
    let mut ground = with_database("delete");
    ground.busy = Duration::ZERO;
    let listed = ground.back_up();
    let holder = HeldDatabase::hold(&ground.at("app.db"), &["BEGIN EXCLUSIVE"]);
    let started = Instant::now();
    in_use(&ground, &ground.restore(&listed).unwrap_err());
    assert!(started.elapsed() < Duration::from_secs(20));
    drop(holder);
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
}
