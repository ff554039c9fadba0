//! The real daemon while its clock is set, by libfaketime, and while it is told to stop: nothing runs twice, nothing is
//! removed, nothing is lost.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

struct Daemon {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "it took too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let library = fs::read_dir("/usr/lib").unwrap().flatten().map(|e| e.path().join("faketime/libfaketime.so.1"));
        let library = library.into_iter().find(|path| path.exists()).expect("the Debian package faketime");
        let mut child = Command::new(env!("CARGO_BIN_EXE_recoup"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(folder)
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", folder.join("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .stdout(Stdio::piped())
            .stderr(fs::File::options().create(true).append(true).open(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.into_iter().find_map(|line| Some(line.split_once("is at http://")?.1.trim().to_owned()));
        let daemon = Daemon { child, address: address.expect("where it is"), folder: folder.to_owned() };
        until(|| daemon.checks() > 0.0);
        daemon
    }

    /// When it last looked at the plans, by its own clock.
    fn checks(&self) -> f64 {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return 0.0 };
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let value = |line: &str| line.strip_prefix("recoup_scheduler_last_check_timestamp_seconds ")?.parse().ok();
        answer.lines().find_map(value).unwrap_or(0.0)
    }

    /// Somebody sets the clock; returns once everything that follows from it is done.
    fn set(&self, now: &str) {
        set(&self.folder, now);
        let now: Timestamp = now.parse().unwrap();
        let looked = || (self.checks() - now.as_second() as f64).abs() < 50.0;
        until(looked);
        // The look was over before it was told, and so what it queued is there.
        until(|| self.number("SELECT count(*) FROM run WHERE state <> 'done'") == 0);
    }

    fn number(&self, sql: &str) -> i64 {
        let file = self.folder.join("recoup-data/catalog.db");
        let catalog = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        catalog.busy_timeout(Duration::from_secs(10)).unwrap();
        catalog.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let catalog = Connection::open(self.folder.join("recoup-data/catalog.db")).unwrap();
        let mut found = catalog.prepare(sql).unwrap();
        found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn runs(&self) -> i64 {
        self.number("SELECT count(*) FROM run WHERE plan_name = 'app' AND kind = 'backup'")
    }

    fn anomalies(&self) -> i64 {
        self.number("SELECT count(*) FROM audit WHERE event = 'scheduler.clock_anomaly'")
    }

    fn terminate(&mut self) -> Duration {
        let started = Instant::now();
        assert!(Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", fs::read_to_string(self.folder.join("log")).unwrap());
        started.elapsed()
    }
}

fn set(folder: &Path, now: &str) {
    let now: Timestamp = now.parse().unwrap();
    let offset = now.as_second() - Timestamp::now().as_second();
    let new = folder.join("clock.new");
    fs::write(&new, format!("{offset:+}\n")).unwrap();
    fs::rename(new, folder.join("clock")).unwrap();
}

fn backups(folder: &Path) -> usize {
    let files: Vec<_> =
        fs::read_dir(folder.join("backups/app")).map(|files| files.flatten().collect()).unwrap_or_default();
    files.iter().filter(|file| file.file_name().to_string_lossy().ends_with(".manifest.json")).count()
}

fn application(plan: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Connection::open(folder.path().join("app.db")).unwrap().execute_batch("CREATE TABLE note(id, text)").unwrap();
    let server = "destinations = [\"./backups\"]\n[server]\ncheck_interval = \"1s\"\nopen_metrics = true\n";
    let schedule = "schedule = { every = \"daily\", at = \"03:00\", zone = \"UTC\" }\ntest_restore = \"never\"\n";
    fs::write(folder.path().join("recoup.toml"), format!("{server}[plan.app]\n{schedule}{plan}")).unwrap();
    folder
}

#[test]
fn a_clock_that_jumps_under_the_daemon_runs_nothing_twice_and_removes_nothing() {
    let folder = application("databases = [\"app.db\"]\n[plan.app.retention]\nkeep_count = 2\n");
    let here = folder.path();
    set(here, "2027-03-01T12:00:00Z");
    let mut daemon = Daemon::start(here);
    for (now, runs, anomalies) in [
        ("2027-03-01T13:00:00Z", 0, 0),
        // Over the night.
        ("2027-03-02T04:00:00Z", 1, 0),
        ("2027-03-02T03:55:00Z", 1, 0),
        ("2027-03-02T02:00:00Z", 1, 0),
        ("2027-03-02T04:00:00Z", 1, 0),
        // Two days at once, three years, and back.
        ("2027-03-04T04:00:00Z", 2, 1),
        ("2030-03-04T04:00:00Z", 3, 2),
        ("2027-03-04T05:00:00Z", 3, 3),
        // A month back.
        ("2027-02-02T05:00:00Z", 3, 4),
        // Times that cannot be.
        ("1970-01-02T00:00:00Z", 3, 5),
        ("2027-02-02T05:01:00Z", 3, 5),
        ("2098-01-01T00:00:00Z", 3, 6),
        // A month without anybody: one run.
        ("2027-03-05T04:00:00Z", 4, 6),
    ] {
        daemon.set(now);
        assert_eq!((daemon.runs(), daemon.anomalies()), (runs, anomalies), "{now}");
        assert_eq!(backups(here) as i64, runs, "{now}: nothing was removed");
    }
    assert_eq!(
        daemon.texts("SELECT log FROM run WHERE plan_name = 'app' AND outcome NOT IN ('good', 'warnings')"),
        [""; 0]
    );
    // Nothing is removed for a day after a clock that was wrong, and that is told.
    let told = daemon.texts("SELECT log FROM run WHERE plan_name = 'app' AND outcome = 'warnings'");
    assert!(!told.is_empty() && told.iter().all(|log| log.contains("the clock was wrong at")), "{told:#?}");
    daemon.terminate();
}

#[test]
fn a_daemon_that_is_told_to_stop_in_the_middle_of_a_run_repeats_it_when_it_starts_again() {
    let folder = application("commands = [{ name = \"slow\", argv = [\"./slow\"] }]\n");
    let here = folder.path();
    let script = "#!/bin/sh\necho begun >> begun\n[ -e fast ] || sleep 300\necho data\n";
    fs::write(here.join("slow"), script).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(here.join("slow")).status().unwrap().success());
    set(here, "2027-03-01T12:00:00Z");
    let mut daemon = Daemon::start(here);
    set(here, "2027-03-02T03:00:00Z");
    until(|| here.join("begun").exists());
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(12), "it stops within its ten seconds: {took:?}");
    assert_eq!(daemon.number("SELECT count(*) FROM run WHERE outcome = 'interrupted'"), 1);
    fs::write(here.join("fast"), "").unwrap();
    let mut daemon = Daemon::start(here);
    until(|| daemon.number("SELECT count(*) FROM run WHERE cause = 'retry' AND outcome = 'good'") == 1);
    assert_eq!((daemon.runs(), backups(here)), (2, 1));
    daemon.terminate();
}
