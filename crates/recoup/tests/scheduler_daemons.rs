//! Eight daemons on one catalog, killed, stopped and continued at random: every occurrence runs exactly once, on PostgreSQL
//! and on a SQLite file. `SOAK=1`: 2,000 occurrences each, and some are stopped for longer than their leases last.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemons_kit;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use daemons_kit::{FileClock, Ground, be_a_daemon, signal};
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::{Catalog, RunRow, Runs};
use recoup::clock::Clock;
use recoup::engine::{Actor, Engine};
use recoup::model::Outcome;
use recoup::model::job::{RunKind, State};
use recoup_testkit::postgres::Server;
use recoup_testkit::random::Random;
use serde_json::json;

const DAEMONS: usize = 8;
/// Before and after this the catalog's own plan is due.
const BEGIN: &str = "2026-07-01T03:30:00Z";

#[test]
#[ignore]
fn a_child_is_a_daemon() {
    be_a_daemon();
}

struct Daemon {
    process: Child,
    nth: usize,
    stopped_until: Option<Instant>,
}

/// The daemons and what was done to them.
struct Fleet<'a> {
    ground: &'a Ground,
    catalog: &'a Catalog,
    daemons: Vec<Daemon>,
    random: Random,
    kills: usize,
    stops: usize,
    /// Stopped for longer than a lease lasts: by their numbers.
    slept: BTreeSet<u32>,
    long_stops: usize,
    ended: usize,
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.process.kill();
            let _ = daemon.process.wait();
        }
    }
}

impl Fleet<'_> {
    /// Whether the process, which is stopped, is at the repetition of a run: that is the last one, so it is spared.
    async fn repeats(&self, pid: u32) -> bool {
        // What it asked of a server before it was stopped is done by now.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let running = Runs { state: Some(State::Running), limit: 1000, ..Runs::default() };
        let runs = self.catalog.runs(&running).await.unwrap();
        let mut theirs =
            runs.iter().filter(|run| run.lease.as_ref().is_some_and(|lease| lease.contains(&format!(".{pid}."))));
        theirs.any(|run| run.retry_of.is_some())
    }

    /// Something happens to one of them, perhaps.
    async fn trouble(&mut self) {
        let now = Instant::now();
        for daemon in &mut self.daemons {
            if daemon.stopped_until.is_some_and(|until| until <= now) {
                daemon.stopped_until = None;
                signal(daemon.process.id(), "-CONT");
            }
            if daemon.process.try_wait().unwrap().is_some() {
                // As systemd would: it ended by itself, because the catalog did not answer.
                self.ended += 1;
                daemon.stopped_until = None;
                daemon.process = self.ground.spawn("a_child_is_a_daemon", daemon.nth);
            }
        }
        let nth = usize::try_from(self.random.below(DAEMONS as u64)).unwrap();
        if !self.random.one_in(8) || self.daemons[nth].stopped_until.is_some() {
            return;
        }
        let pid = self.daemons[nth].process.id();
        signal(pid, "-STOP");
        if self.repeats(pid).await {
            signal(pid, "-CONT");
        } else if self.random.one_in(2) {
            self.kills += 1;
            self.daemons[nth].process.kill().unwrap();
            self.daemons[nth].process.wait().unwrap();
            self.daemons[nth].process = self.ground.spawn("a_child_is_a_daemon", nth);
        } else {
            let mut length = Duration::from_millis(self.random.below(2000));
            if self.long_stops > 0 && self.random.one_in(10) {
                self.long_stops -= 1;
                self.slept.insert(pid);
                length = Duration::from_secs(75);
            }
            self.stops += 1;
            self.daemons[nth].stopped_until = Some(Instant::now() + length);
        }
    }
}

async fn done(catalog: &Catalog) -> i64 {
    let counted = catalog.count_runs().await.unwrap();
    let good = |kind, outcome| kind == RunKind::Backup && matches!(outcome, Outcome::Good | Outcome::Warnings);
    counted.into_iter().filter(|(kind, outcome, _)| good(*kind, *outcome)).map(|(_, _, count)| count).sum()
}

/// `plans` plans that are due every hour, for so many hours.
async fn eight_daemons(folder: &Path, url: Option<String>, plans: usize, hours: usize) {
    let begin: Timestamp = BEGIN.parse().unwrap();
    let ground = Ground::make(folder, url, plans, begin);
    let clock = FileClock::open(folder);
    // As every daemon has it; it only makes the plans and looks.
    let engine = ground.engine("data", Arc::new(FileClock::open(folder))).await.unwrap();
    for n in 0..plans {
        let hourly = json!({"every": "0 * * * *", "zone": "UTC"});
        let body = json!({"files": ["recoup.toml"], "schedule": hourly, "test_restore": "never"});
        engine.create_plan(&Actor::daemon(), &Ground::name(n), body).await.unwrap();
    }
    let soak = std::env::var_os("SOAK").is_some();
    let daemons = (0..DAEMONS).map(|nth| {
        let process = ground.spawn("a_child_is_a_daemon", nth);
        Daemon { process, nth, stopped_until: None }
    });
    let mut fleet = Fleet {
        daemons: daemons.collect(),
        ground: &ground,
        catalog: engine.catalog(),
        random: Random(7),
        kills: 0,
        stops: 0,
        slept: BTreeSet::new(),
        long_stops: if soak { 6 } else { 0 },
        ended: 0,
    };
    let started = Instant::now();
    for hour in 1..=hours {
        let full = begin + SignedDuration::from_mins(30) + SignedDuration::from_hours(hour as i64 - 1);
        clock.set(full);
        let (asked, mut minutes) = (Instant::now(), 0);
        while done(engine.catalog()).await < (plans * hour) as i64 {
            fleet.trouble().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            // What was in the way of another is tried again minutes later.
            if asked.elapsed() > Duration::from_secs(5) * (minutes + 1) && minutes < 55 {
                minutes += 1;
                clock.set(full + SignedDuration::from_mins(minutes.into()));
            }
            assert!(asked.elapsed() < Duration::from_secs(400), "{}", standing(&engine).await);
        }
    }
    eprintln!(
        "{} occurrences in {:?}; {} kills, {} stops ({} for longer than a lease), {} ended by themselves",
        plans * hours,
        started.elapsed(),
        fleet.kills,
        fleet.stops,
        fleet.slept.len(),
        fleet.ended
    );
    let (kills, slept) = (fleet.kills, fleet.slept.clone());
    drop(fleet);
    assert!(kills > 0, "nothing happened");
    judge(&ground, &engine, hours, &slept).await;
}

async fn standing(engine: &Engine) -> String {
    let mut text = String::from("it goes on and on:");
    for state in [State::Queued, State::Running] {
        let wanted = Runs { state: Some(state), limit: 100, ..Runs::default() };
        for run in engine.catalog().runs(&wanted).await.unwrap() {
            text += &format!(
                "\n{:?} {} {:?} {:?} due {} {}",
                run.state, run.plan_name, run.lease, run.error, run.due_at, run.log
            );
        }
    }
    text
}

/// For each plan and occurrence one run that ended good: the scheduled one, or its one repetition.
async fn judge(ground: &Ground, engine: &Engine, hours: usize, slept: &BTreeSet<u32>) {
    let (mut rows, mut good, mut interrupted) = (0, 0, 0);
    let mut backups = BTreeMap::new();
    for n in 0..ground.plans {
        let plan = engine.plan(&Actor::daemon(), &Ground::name(n)).await.unwrap().id;
        let wanted = Runs { plan: Some(plan), limit: 10_000, ..Runs::default() };
        let runs = engine.catalog().runs(&wanted).await.unwrap();
        let first: BTreeMap<&str, &RunRow> =
            runs.iter().filter_map(|run| Some((run.occurrence.as_deref()?, run))).collect();
        let expected: BTreeSet<String> = (0..hours).map(|hour| format!("2026-07-01T{:02}:00", 4 + hour)).collect();
        let keys: BTreeSet<String> = first.keys().map(|key| (*key).to_owned()).collect();
        assert_eq!(keys.len(), hours, "{keys:?}");
        assert!(keys.iter().zip(&expected).all(|(key, hour)| key.starts_with(hour.as_str())), "{keys:?}");
        for (occurrence, run) in first {
            let chain: Vec<&RunRow> = std::iter::once(run)
                .chain(runs.iter().filter(|other| other.retry_of.as_deref() == Some(run.id.as_str())))
                .collect();
            let ends: Vec<Outcome> = chain.iter().map(|run| run.outcome.expect("it has ended")).collect();
            let (last, before) = ends.split_last().unwrap();
            let why =
                chain.iter().map(|run| format!("{:?} {:?} {}", run.outcome, run.error, run.log)).collect::<String>();
            assert_eq!(*last, Outcome::Good, "p{n} {occurrence}: {why}");
            assert!(before.is_empty() || before == [Outcome::Interrupted], "p{n} {occurrence}: {why}");
            rows += chain.len();
            good += 1;
            interrupted += before.len();
            let backup = chain.last().unwrap().result.as_ref().unwrap()["backup"].as_str().unwrap().to_owned();
            assert!(backups.insert(backup, n).is_none(), "two runs, one backup");
        }
        assert_eq!(runs.len(), rows_of(&runs), "p{n}: runs that belong to no occurrence");
    }
    assert_eq!(good, ground.plans * hours);
    // What was killed between publishing and saying so is there, too; nothing else is.
    let store = engine.store(&ground.folder.join("backups").display().to_string()).unwrap();
    let listing = store.list(None).unwrap();
    let there: BTreeSet<String> = listing.backups.iter().map(|listed| listed.manifest.id.to_string()).collect();
    assert!(backups.keys().all(|id| there.contains(id)));
    assert!(there.len() <= good + interrupted, "{} backups of {good} runs, {interrupted} interrupted", there.len());
    assert!(listing.damaged.is_empty());
    // At one time only one was at it, except beside one that was stopped for longer than its lease.
    let witness = ground.witness();
    for line in witness.iter().filter(|line| line[0] == "double") {
        let holder = line.get(3).and_then(|pid| pid.parse().ok());
        assert!(holder.is_some_and(|pid| slept.contains(&pid)), "at the same time: {line:?}");
    }
    let began = witness.iter().filter(|line| line[0] != "end").count();
    assert!((good..=rows).contains(&began), "{began} began, {rows} runs, {good} good");
    let (links, problems) = engine.catalog().verify_audit(&[]).await.unwrap();
    assert!(links >= good as i64 && problems.is_empty(), "{problems:?}");
    eprintln!("{good} good, {interrupted} interrupted and repeated, {} backups, {links} audit events", there.len());
}

fn rows_of(runs: &[RunRow]) -> usize {
    runs.iter().filter(|run| run.occurrence.is_some() || run.retry_of.is_some()).count()
}

/// Plans and hours.
fn size() -> (usize, usize) {
    if std::env::var_os("SOAK").is_some() { (100, 20) } else { (30, 4) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_daemons_on_one_server_run_every_occurrence_once_whatever_happens_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::shared();
    let (plans, hours) = size();
    eight_daemons(folder.path(), Some(server.database().await), plans, hours).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_daemons_on_one_file_run_every_occurrence_once_whatever_happens_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let (plans, hours) = size();
    eight_daemons(folder.path(), None, plans, hours).await;
}

#[tokio::test]
async fn the_run_of_a_daemon_that_was_killed_is_taken_over_at_once_on_the_same_machine() {
    let folder = tempfile::tempdir().unwrap();
    let ground = Ground::make(folder.path(), None, 1, BEGIN.parse().unwrap());
    let clock = recoup_testkit::hand_clock::HandClock::at(BEGIN.parse().unwrap());
    let engine = ground.engine("data", clock.clone()).await.unwrap();
    let hourly = json!({"every": "0 * * * *", "zone": "UTC"});
    let body = json!({"files": ["recoup.toml"], "schedule": hourly, "test_restore": "never"});
    let plan = engine.create_plan(&Actor::daemon(), "p0", body).await.unwrap();
    std::fs::write(folder.path().join("hang p0"), "").unwrap();
    let mut dies = ground.spawn("a_child_is_a_daemon", 0);
    while !folder.path().join("ready0").exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    FileClock::open(folder.path()).set("2026-07-01T04:00:00Z".parse().unwrap());
    while ground.witness().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    clock.set(FileClock::open(folder.path()).now());
    let options = recoup::scheduler::Options::default();
    let handle = recoup::scheduler::Scheduler::start(engine.clone(), options).await.unwrap();
    let runs = async || {
        let wanted = Runs { plan: Some(plan.id.clone()), limit: 10, ..Runs::default() };
        let mut runs = engine.catalog().runs(&wanted).await.unwrap();
        runs.sort_by_key(|run| run.retry_of.is_some());
        runs.into_iter().map(|run| run.outcome).collect::<Vec<_>>()
    };
    handle.check_now().await.unwrap();
    assert_eq!(runs().await, [None], "it is alive");
    signal(dies.id(), "-STOP");
    handle.check_now().await.unwrap();
    assert_eq!(runs().await, [None], "it may go on");
    std::fs::remove_file(folder.path().join("hang p0")).unwrap();
    dies.kill().unwrap();
    dies.wait().unwrap();
    // The clock that measures silence does not move at all.
    handle.check_now().await.unwrap();
    while engine.catalog().queue().await.unwrap() != (0, 0) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(runs().await, [Some(Outcome::Interrupted), Some(Outcome::Good)]);
    handle.stop(Duration::from_secs(10)).await;
}
