//! kill -9 during `recoup restore` and `recoup undo`, at random moments and at chosen system calls, and again during
//! the recovery: after the next command, whichever it is, everything is exactly old or exactly new.
//!
//! Not here: power cuts (`restore_power_cut.rs`) and full disks (`restore_full_disk.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use recoup_testkit::busy::BusyDatabase;
use recoup_testkit::faults::{run, soak, text, traced};
use stand::{Judged, Kind, Stand};

const SYSCALLS: [&str; 16] = [
    "openat",
    "write",
    "pwrite64",
    "fallocate",
    "fsync",
    "fdatasync",
    "renameat2",
    "rename",
    "unlinkat",
    "unlink",
    "ftruncate",
    "syncfs",
    "mkdir",
    "mkdirat",
    "rmdir",
    "chmod",
];

/// A call to be killed at.
type Point = (String, usize);

struct Trials {
    stand: Stand,
    undo: bool,
    /// Calls before the restore changes anything, those while there is a journal, and those after it.
    points: [Vec<Point>; 3],
    /// How long a run takes, and how long there is a journal.
    normal: [Duration; 2],
    killed: usize,
    ends: [usize; 2],
    recovered: usize,
    killed_again: usize,
    bad: Vec<String>,
}

impl Trials {
    fn new(stand: Stand, undo: bool) -> Self {
        let points = [vec![], vec![], vec![]];
        let normal = [Duration::ZERO; 2];
        let mut trials =
            Trials { stand, undo, points, normal, killed: 0, ends: [0, 0], recovered: 0, killed_again: 0, bad: vec![] };
        trials.normal = trials.measure();
        trials.points = trials.trace();
        trials
    }

    fn act(&self) -> Command {
        if self.undo { self.stand.undo() } else { self.stand.restore() }
    }

    fn measure(&self) -> [Duration; 2] {
        let started = Instant::now();
        let mut child = self.act().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let begun = self.wait_for_journal(&mut child);
        while self.stand.has_begun() {
            std::thread::yield_now();
        }
        let ended = Instant::now();
        let status = child.wait().unwrap();
        assert!(matches!(status.code(), Some(0 | 3)), "{status}");
        let normal = [started.elapsed(), ended - begun];
        self.stand.reset();
        normal
    }

    fn wait_for_journal(&self, child: &mut Child) -> Instant {
        while !self.stand.has_begun() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        Instant::now()
    }

    /// All calls of a run, as strace(1) counts them: per thread and name.
    fn trace(&self) -> [Vec<Point>; 3] {
        let mut points = [vec![], vec![], vec![]];
        let mut phase = 0;
        for (point, line) in self.calls(&[]) {
            if line.contains("journal.part") {
                phase = 1;
            }
            let ends = phase == 1 && point.0.starts_with("unlink") && line.contains("journal.json");
            points[phase].push(point);
            if ends {
                phase = 2;
            }
        }
        assert!(points.iter().all(|points| points.len() > 10), "{points:?}");
        points
    }

    /// The calls of the thread that works, with what strace(1) shows of them.
    fn calls(&self, options: &[&str]) -> Vec<(Point, String)> {
        let log = self.stand.beside().join("log");
        let expression = format!("trace={}", SYSCALLS.join(","));
        let options = [&["-o", log.to_str().unwrap(), "-e", &expression], options].concat();
        let output = run(&mut traced(&self.act(), &options));
        assert!(options.len() > 4 || matches!(output.status.code(), Some(0 | 3)), "{}", text(&output));
        self.stand.reset();
        let log = fs::read_to_string(log).unwrap();
        let worker = log.lines().find(|line| line.contains("journal.part")).unwrap();
        let worker = worker.split_whitespace().next().unwrap();
        let mut counts = BTreeMap::<&str, usize>::new();
        let mut calls = Vec::new();
        for line in log.lines().filter(|line| line.starts_with(worker)) {
            let Some((syscall, _)) = line[worker.len()..].trim_start().split_once('(') else { continue };
            let nth = counts.entry(syscall).or_default();
            *nth += 1;
            calls.push(((syscall.to_owned(), *nth), line.to_owned()));
        }
        calls
    }

    /// Makes a call fail while there is a journal, so that the restore is taken back, and kills it in the middle of that.
    fn kill_what_is_taken_back(&mut self, i: usize) {
        let part = (i as f64 * 0.618_033_988_75).fract();
        let fails = |point: &&Point| ["pwrite64", "fsync", "fdatasync", "ftruncate"].contains(&point.0.as_str());
        let points: Vec<&Point> = self.points[1].iter().filter(fails).collect();
        let failed = points[(points.len() as f64 * part) as usize].clone();
        let failure = format!("inject={}:error=EIO:when={}", failed.0, failed.1);
        let calls = self.calls(&["-e", &failure]);
        let after = calls.iter().skip_while(|(_, line)| !line.contains("(INJECTED)"));
        let after: Vec<&Point> = after.map(|(point, _)| point).filter(|point| point.0 != failed.0).collect();
        let end = (after.len() as f64 * (part * 7.0).fract()) as usize;
        let Some(point) = after.get(end).copied() else { return };
        let kill = format!("inject={}:signal=KILL:when={}", point.0, point.1);
        let output = run(&mut traced(&self.act(), &["-o", "/dev/null", "-e", &failure, "-e", &kill]));
        self.killed += usize::from(output.status.code().is_none_or(|code| code > 128));
        self.recovered += usize::from(self.stand.has_begun());
        let what = format!("trial {i}, failed at {failed:?}, killed at {point:?}");
        self.next(i, &what);
        self.look(i, &what, 0);
    }

    fn run(mut self, number: usize) {
        (0..number).for_each(|i| self.trial(i));
        self.told(number, "");
        let [old, new] = self.ends;
        assert!(self.killed * 2 > number, "most runs ended before they could be killed");
        let met = self.recovered * if self.stand.kind.is_busy() { 20 } else { 5 } > number;
        assert!(old > 0 && new > 0 && met, "the kills did not meet what they were meant for");
    }

    fn told(&self, number: usize, how: &str) {
        let [old, new] = self.ends;
        println!(
            "R2 trials={number} bad={} ({:?}{}: {} killed, {} of them with a journal, {} killed again in the recovery, \
             {old} old, {new} new)",
            self.bad.len(),
            self.stand.kind,
            if self.undo { ", undone" } else { how },
            self.killed,
            self.recovered,
            self.killed_again
        );
        assert!(self.bad.is_empty(), "{:#?}", self.bad);
    }

    fn trial(&mut self, i: usize) {
        let busy = self.stand.kind.is_busy();
        let mut writer = None;
        let mut before = 0;
        if busy {
            let mode = if self.stand.kind == Kind::BusyWal { "wal" } else { "delete" };
            let rate = if mode == "wal" { 150.0 } else { 50.0 };
            let started = BusyDatabase::start(&self.stand.chain(), rate, mode, 40);
            before = started.committed();
            writer = Some(started);
        }
        let what = format!("trial {i}, {}", self.kill(i));
        if self.stand.has_begun() {
            self.recovered += 1;
        }
        if i % 4 == 3 {
            self.kill_recovery(i);
        }
        self.next(i, &what);
        if let Some(mut writer) = writer
            && !writer.is_writing()
        {
            self.bad.push(format!("{what}: the application could not write any more"));
        }
        self.look(i, &what, before);
    }

    fn next(&mut self, i: usize, what: &str) {
        let (exit, answer) = self.stand.answer(&mut self.stand.next(i / 2));
        if !matches!(exit, 0 | 3) {
            self.bad.push(format!("{what}: the next command ended with {exit}: {answer:#}"));
        }
    }

    fn look(&mut self, i: usize, what: &str, before: u64) {
        match self.judge(before) {
            Ok(judged) => self.ends[judged as usize] += 1,
            Err(why) => self.bad.push(format!("{what}, then {:?}: {why}", self.stand.next(i / 2).get_args())),
        }
        self.stand.reset();
    }

    fn judge(&self, before: u64) -> Result<Judged, String> {
        let judged = self.stand.judge()?;
        let scratch = self.stand.scratch();
        // What was restored can be undone, and nothing else.
        let (records, before_it) = (self.stand.records(), usize::from(self.undo));
        if records != before_it + usize::from(judged == Judged::New) {
            return Err(format!("{judged:?}, and {records} restores are remembered"));
        }
        if self.stand.kind.is_busy() {
            let chain = self.stand.judge_chain(before)?;
            if chain != judged {
                return Err(format!("the chain is {chain:?}, everything else is {judged:?}"));
            }
            if judged == Judged::New {
                let safety = self.stand.safety().ok_or("no safety backup")?;
                let saved = self.stand.chain_of(&safety);
                if saved < before {
                    return Err(format!("the safety backup has {saved} rows of {before}"));
                }
            }
        }
        // A killed run cannot tidy the scratch directory; the system does.
        scratch.iter().for_each(|path| drop(fs::remove_dir_all(path)));
        Ok(judged)
    }

    /// Kills a run: every other one at a system call, the others at a random moment; most after the journal began.
    fn kill(&mut self, i: usize) -> String {
        // Multiples of the golden ratio fill 0..1 evenly and never meet the same moment twice.
        let part = (i as f64 * 0.618_033_988_75).fract();
        // A writer makes the number of calls before the journal uncertain.
        let phase = if self.stand.kind.is_busy() { [1, 1, 0, 1, 2] } else { [1, 0, 1, 2, 1] }[i / 2 % 5];
        if i.is_multiple_of(2) {
            let points = &self.points[phase];
            let point = &points[(points.len() as f64 * part) as usize];
            let expression = format!("inject={}:signal=KILL:when={}", point.0, point.1);
            let output = run(&mut traced(&self.act(), &["-o", "/dev/null", "-e", &expression]));
            if output.status.code().is_none_or(|code| code > 128) {
                self.killed += 1;
            }
            return format!("killed at {point:?}");
        }
        let mut child = self.act().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let wait = if phase == 1 {
            self.wait_for_journal(&mut child);
            self.normal[1].mul_f64(part)
        } else {
            self.normal[0].mul_f64(part)
        };
        std::thread::sleep(wait);
        self.killed += usize::from(end(&mut child));
        format!("killed after {wait:?}{}", if phase == 1 { " with a journal" } else { "" })
    }

    fn kill_recovery(&mut self, i: usize) {
        let next = self.stand.next(i);
        if i % 8 == 3 {
            let syscall =
                ["renameat2", "fsync", "pwrite64", "unlink", "openat", "unlinkat", "rmdir", "rename"][i / 8 % 8];
            let expression = format!("inject={syscall}:signal=KILL:when={}", 1 + i / 3 % 7);
            let output = run(&mut traced(&next, &["-o", "/dev/null", "-e", &expression]));
            self.killed_again += usize::from(output.status.code().is_none_or(|code| code > 128));
            return;
        }
        let mut child = self.stand.next(i).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let part = (i as f64 * 0.414_213_562).fract();
        std::thread::sleep(self.normal[0].mul_f64(part * 0.3));
        self.killed_again += usize::from(end(&mut child));
    }
}

/// Kills a child; whether it had not ended before.
fn end(child: &mut Child) -> bool {
    child.kill().unwrap();
    child.wait().unwrap().code().is_none()
}

fn trials(everyday: usize, soaked: usize) -> usize {
    if soak() { soaked } else { everyday }
}

#[test]
fn a_restore_in_place_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::InPlace), false).run(trials(60, 400));
}

#[test]
fn a_restore_by_exchange_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::Swap), false).run(trials(50, 350));
}

#[test]
fn a_restore_in_several_folders_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::Apart), false).run(trials(30, 200));
}

#[test]
fn a_restore_of_a_database_into_a_restored_directory_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::ApartSwap), false).run(trials(20, 150));
}

#[test]
fn a_restore_of_a_database_that_is_gone_with_the_directory_around_it_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::Nested), false).run(trials(20, 150));
}

#[test]
fn a_restore_that_fails_and_is_killed_while_it_is_taken_back_is_old_or_new() {
    let number = trials(20, 150);
    for kind in [Kind::InPlace, Kind::Apart] {
        let mut trials = Trials::new(Stand::new(kind), false);
        (0..number).for_each(|i| trials.kill_what_is_taken_back(i));
        trials.told(number, ", failed and taken back");
        assert!(trials.killed * 2 > number && trials.recovered * 4 > number, "most were not killed in time");
    }
}

#[test]
fn an_undo_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::to_be_undone(Kind::InPlace), true).run(trials(20, 120));
    Trials::new(Stand::to_be_undone(Kind::Swap), true).run(trials(20, 120));
}

#[test]
fn a_restore_of_a_database_that_is_written_to_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::BusyWal), false).run(trials(50, 330));
}

#[test]
fn a_restore_of_a_rollback_database_that_is_written_to_killed_at_any_moment_is_old_or_new() {
    Trials::new(Stand::new(Kind::BusyRollback), false).run(trials(50, 330));
}
