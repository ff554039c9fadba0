//! kill -9 during `recoup backup`, at random moments and at chosen system calls: what is listed afterwards is whole,
//! the source has not changed, the next run succeeds and tidies up.
//!
//! Not here: power cuts, and crashes of single steps; those are tests of the library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use recoup_testkit::busy::{BusyDatabase, chain_prefix};
use recoup_testkit::faults::{injected, run, soak, text};
use support::{Scene, answer, counts, spread};

const SYSCALLS: [&str; 8] = ["openat", "write", "pwrite64", "fallocate", "fsync", "renameat2", "unlinkat", "unlink"];

/// A third of all runs is of the format `database`, some are of `both`.
const FORMATS: [&str; 6] = ["archive", "database", "archive", "both", "database", "archive"];

/// Trials of each of the two tests, of which every block of ten ends with a look at everything.
fn trials() -> usize {
    if soak() { 1000 } else { 150 }
}

/// One destination, on which one backup after the other is killed.
struct Trials {
    scene: Scene,
    known: BTreeSet<String>,
    source: String,
    writer: Option<BusyDatabase>,
    killed: usize,
    bad: Vec<String>,
}

impl Trials {
    fn new() -> Self {
        let scene = Scene::new(200);
        let source = scene.source();
        let mut trials = Trials { scene, known: BTreeSet::new(), source, writer: None, killed: 0, bad: Vec::new() };
        trials.next_backup_is_good("at the start");
        trials
    }

    /// The database that is backed up in trial `i`; every third block of ten has one that is written to meanwhile.
    fn database(&mut self, i: usize) -> &'static str {
        if i / 10 % 3 != 2 {
            return "app.db";
        }
        if self.writer.is_none() {
            self.writer = Some(BusyDatabase::start(&self.scene.path().join("busy.db"), 300.0, "wal", 200));
        }
        "busy.db"
    }

    /// What must be true after every kill.
    fn look(&mut self, i: usize, what: &str) {
        let what = format!("trial {i}, {what}");
        self.look_at_new(&what);
        if self.scene.source() != self.source {
            self.bad.push(format!("{what}: the source changed"));
            self.source = self.scene.source();
        }
        if let Some(writer) = &mut self.writer
            && !writer.is_writing()
        {
            self.bad.push(format!("{what}: the application could not write any more"));
            self.writer = None;
        }
        if i % 10 == 9 {
            self.next_backup_is_good(&what);
            if self.writer.take().is_some() {
                let path = self.scene.path().join("busy.db");
                // `chain_prefix` looks at the main file alone.
                let db = rusqlite::Connection::open(&path).unwrap();
                db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
                drop(db);
                assert!(chain_prefix(&path) > 0);
            }
        }
    }

    /// Backups that were not listed before verify; none that was listed is gone.
    fn look_at_new(&mut self, what: &str) {
        let listed: BTreeSet<String> = self.scene.listed().into_iter().collect();
        let new: Vec<&str> = listed.difference(&self.known).map(String::as_str).collect();
        if !new.is_empty() && !self.scene.verifies(&new, "checksum") {
            self.bad.push(format!("{what}: listed, but does not verify: {new:?}"));
        }
        if !self.known.is_subset(&listed) {
            self.bad.push(format!("{what}: a listed backup is gone"));
        }
        self.known = listed;
    }

    fn next_backup_is_good(&mut self, what: &str) {
        for database in ["app.db"].into_iter().chain(self.writer.as_ref().map(|_| "busy.db")) {
            let (exit, answer) = answer(&mut self.scene.backup(database, "archive"));
            if !matches!(exit, 0 | 3) {
                self.bad.push(format!("{what}: the next backup ended with {exit}: {answer:#}"));
            }
        }
        let leftovers = self.scene.leftovers();
        if !leftovers.is_empty() {
            self.bad.push(format!("{what}: left behind: {leftovers:?}"));
        }
        self.look_at_new(what);
        if !self.scene.verifies(&["--all"], "integrity") {
            self.bad.push(format!("{what}: not everything verifies"));
        }
        // So that looking does not become slower and slower.
        let ids: Vec<&str> = self.known.iter().map(String::as_str).collect();
        let output = run(self.scene.recoup(&["delete", "--at", "backups", "--yes"]).args(&ids[..ids.len() - 1]));
        assert!(ids.len() == 1 || output.status.success(), "{}", text(&output));
        self.known = self.scene.listed().into_iter().collect();
        assert_eq!(self.known.len(), 1);
    }

    fn end(mut self, how: &str, trials: usize) {
        self.next_backup_is_good("at the end");
        println!("R1 trials={trials} bad={} ({how}, {} killed)", self.bad.len(), self.killed);
        assert!(self.bad.is_empty(), "{:#?}", self.bad);
        assert!(self.killed * 3 > trials, "most runs ended before they could be killed");
    }
}

#[test]
fn a_backup_killed_at_any_moment_leaves_nothing_half_done() {
    let mut trials = Trials::new();
    let mut normal = Duration::ZERO;
    for format in ["archive", "both", "database"] {
        let started = Instant::now();
        let (exit, answer) = answer(&mut trials.scene.backup("app.db", format));
        assert!(matches!(exit, 0 | 3), "{answer:#}");
        normal = normal.max(started.elapsed());
    }
    trials.look_at_new("before");
    let number = self::trials();
    for i in 0..number {
        let database = trials.database(i);
        let mut command = trials.scene.backup(database, FORMATS[i % FORMATS.len()]);
        // Multiples of the golden ratio fill 0..1 evenly and never meet the same moment twice.
        let part = (i as f64 * 0.618_033_988_75).fract() * 1.2;
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(normal.mul_f64(part));
        child.kill().unwrap();
        if child.wait().unwrap().code().is_none() {
            trials.killed += 1;
        } else {
            // It ended before it could be killed: the machine has become faster than it was.
            normal = normal.mul_f64(part.min(0.97));
        }
        trials.look(i, &format!("killed after {part:.3} of a run"));
    }
    trials.end("random moments", number);
}

#[test]
fn a_backup_killed_at_any_system_call_leaves_nothing_half_done() {
    let mut trials = Trials::new();
    let number = self::trials();
    let formats = ["archive", "database", "both"];
    let points = formats.map(|format| {
        let command = trials.scene.backup("app.db", format);
        spread(&counts(&command, &SYSCALLS, &trials.scene.path().join("log")), number / 3)
    });
    trials.look_at_new("before");
    for i in 0..number {
        // Multiples of a number that shares no factor: every block has points of all parts of a run.
        let point = &points[i % 3][i / 3 * 41 % (number / 3)];
        let database = trials.database(i);
        let command = trials.scene.backup(database, formats[i % 3]);
        let output = run(&mut injected(&command, point, "signal=KILL"));
        if output.status.code().is_none_or(|code| code > 128) {
            trials.killed += 1;
        }
        trials.look(i, &format!("{}, killed at {point:?}", formats[i % 3]));
    }
    trials.end("system calls", number / 3 * 3);
}
