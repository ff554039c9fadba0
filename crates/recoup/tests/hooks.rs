//! Hooks around backup and restore: what they are told, what a failing one stops, and that *after* always runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use recoup::hooks::{Event, Hook, Occasion, Quiesced, of_plan};
use recoup::model::hook::{HookAction, HookSpec, Hooks};
use recoup::model::{Format, Kind, Outcome};
use recoup::progress::{Cancel, Context, Observer, Phase};
use recoup::{Error, Result, backup};
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::restoring::{How, change, restore_as, state};
use recoup_testkit::sample::Sample;

fn program(argv: &[&str]) -> HookSpec {
    spec(HookAction::Program(argv.iter().map(|word| word.to_string()).collect()), 5_000)
}

fn spec(action: HookAction, timeout_ms: u64) -> HookSpec {
    HookSpec { action, timeout_ms }
}

/// A line of what the hook was told, appended to `log`.
fn note(log: &Path, name: &str) -> HookSpec {
    let line = format!("echo {name} $HOOK_OCCASION $HOOK_PLAN $HOOK_MOMENT $HOOK_OUTCOME >> {}", log.display());
    program(&["sh", "-c", &line])
}

fn back_up(sample: &Sample, hooks: Vec<Arc<dyn Hook>>, context: &Context) -> Result<backup::Report> {
    let mut request = sample.request(&sample.sources(), Format::Archive);
    request.hooks = hooks;
    backup::run(&request, &[sample.store()], context)
}

fn lines(log: &Path) -> Vec<String> {
    fs::read_to_string(log).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn programs_are_told_what_happens_and_run_in_the_order_in_which_they_are_written() {
    let sample = Sample::new();
    let log = sample.path().join("log");
    let hooks = Hooks {
        before_backup: vec![note(&log, "first"), note(&log, "second")],
        after_backup: vec![note(&log, "third"), note(&log, "fourth")],
        ..Hooks::default()
    };
    back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap();
    let told = [
        "first backup shop before",
        "second backup shop before",
        "third backup shop after good",
        "fourth backup shop after good",
    ];
    assert_eq!(lines(&log), told);
}

#[test]
fn a_failing_before_stops_the_run_and_after_runs_all_the_same() {
    let sample = Sample::new();
    let log = sample.path().join("log");
    let hooks = Hooks {
        before_backup: vec![
            note(&log, "one"),
            program(&["sh", "-c", "echo no reason given >&2; exit 7"]),
            note(&log, "never"),
        ],
        after_backup: vec![note(&log, "after")],
        ..Hooks::default()
    };
    let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "hook_failed");
    assert!(error.detail().contains("no reason given"), "{}", error.detail());
    assert_eq!(lines(&log), ["one backup shop before", "after backup shop after failed"]);
    assert!(sample.store().list(None).unwrap().backups.is_empty());
    assert!(sample.stored_files().is_empty());
}

#[test]
fn a_hook_that_hangs_is_ended_with_everything_it_started() {
    let sample = Sample::new();
    let pid = sample.path().join("pid");
    let line = format!("sleep 600 & echo $! > {}; wait", pid.display());
    let action = HookAction::Program(vec!["sh".into(), "-c".into(), line]);
    let hooks = Hooks { before_backup: vec![spec(action, 500)], ..Hooks::default() };
    let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "hook_timeout");
    let child = fs::read_to_string(pid).unwrap();
    let gone = || fs::read_to_string(format!("/proc/{}/stat", child.trim())).map_or(true, |stat| stat.contains(") Z "));
    let started = Instant::now();
    while !gone() {
        assert!(started.elapsed() < Duration::from_secs(10), "the child of a hook still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Answers every request with `answer`; what came is kept.
fn server(answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&came);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push(format!("{head}{}", String::from_utf8(body).unwrap()));
            if answer.is_empty() {
                std::thread::sleep(Duration::from_secs(600));
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (place, came)
}

fn http(url: &str, timeout_ms: u64) -> HookSpec {
    let headers = vec![("x-key".to_owned(), "secret-7".to_owned())];
    spec(HookAction::Http { url: url.to_owned(), method: "POST".into(), headers, headers_file: None }, timeout_ms)
}

#[test]
fn an_http_hook_says_what_happens_and_only_2xx_is_success() {
    let sample = Sample::new();
    let (place, came) = server("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let hooks = Hooks { before_backup: vec![http(&format!("{place}/pause"), 5_000)], ..Hooks::default() };
    back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap();
    let request = came.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /pause HTTP/1.1\r\n") && request.contains("x-key: secret-7"), "{request}");
    let body: serde_json::Value = serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap();
    assert_eq!(
        (body["occasion"].as_str(), body["plan"].as_str(), body["moment"].as_str()),
        (Some("backup"), Some("shop"), Some("before"))
    );

    for answer in [
        "HTTP/1.1 500 Oh\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbusy",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (place, _) = server(answer);
        let url = format!("{place}/pause?token=canary");
        let hooks = Hooks { before_backup: vec![http(&url, 5_000)], ..Hooks::default() };
        let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
        assert_eq!(error.code(), "hook_failed");
        let told = format!("{error} {}", error.detail());
        assert!(!told.contains("canary") && !told.contains("pass") && !told.contains("secret-7"), "{told}");
    }
    // Neither a password in the URL nor a metadata service is ever asked.
    for (url, code) in [("http://me:canary@127.0.0.1:1/", "bad_hook"), ("http://169.254.169.254/canary", "hook_failed")]
    {
        let hooks = Hooks { before_backup: vec![http(url, 5_000)], ..Hooks::default() };
        let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
        let told = format!("{error} {}", error.detail());
        assert_eq!(error.code(), code, "{told}");
        assert!(!told.contains("me:canary") && !told.contains("secret-7"), "{told}");
    }
    let (silent, _) = server("");
    let hooks = Hooks { before_backup: vec![http(&silent, 300)], ..Hooks::default() };
    let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "hook_timeout");
}

/// A hook of the embedding program, and the phases of the run around it.
#[derive(Default)]
struct Watch {
    seen: Mutex<Vec<String>>,
    cancel: Option<Cancel>,
    fail_after: bool,
}

impl Hook for Watch {
    fn describe(&self) -> String {
        "the test".into()
    }
    fn before(&self, event: &Event<'_>, _context: &Context) -> Result<()> {
        self.seen.lock().unwrap().push(format!("before {}", event.occasion.word()));
        self.cancel.iter().for_each(Cancel::cancel);
        Ok(())
    }
    fn after(&self, event: &Event<'_>, context: &Context) -> Result<()> {
        self.seen.lock().unwrap().push(format!("after {}", event.outcome.unwrap()));
        context.check()?;
        if self.fail_after { Err(Error::usage("tired", "Cannot go on")) } else { Ok(()) }
    }
}

struct Phases(Arc<Watch>);
impl Observer for Phases {
    fn phase(&self, phase: Phase, what: &str, _total: Option<u64>) {
        self.0.seen.lock().unwrap().push(format!("{} {what}", phase.words()));
    }
}

#[test]
fn the_application_goes_on_when_everything_that_lives_has_been_read() {
    for (directory, earlier) in [(false, "Packing shop"), (true, "Reading back archive")] {
        let sample = Sample::new();
        let sources = if directory { sample.sources() } else { vec![sample.database_source()] };
        let watch = Arc::new(Watch::default());
        let context = Context { observer: Arc::new(Phases(Arc::clone(&watch))), ..Context::quiet() };
        let mut request = sample.request(&sources, Format::Archive);
        request.hooks = vec![Arc::clone(&watch) as Arc<dyn Hook>];
        backup::run(&request, &[sample.store()], &context).unwrap();
        let seen = watch.seen.lock().unwrap().clone();
        let at = |text: &str| seen.iter().position(|line| line == text).unwrap_or_else(|| panic!("{text}: {seen:?}"));
        assert!(at("before backup") < at("Copying data shop"), "{seen:?}");
        assert!(at("after good") < at(earlier), "{seen:?}");
        if directory {
            assert!(at("after good") > at("Packing pictures"), "{seen:?}");
        }
    }
}

#[test]
fn after_runs_when_the_run_is_cancelled_and_is_not_cancelled_itself() {
    let sample = Sample::new();
    let cancel = Cancel::default();
    let watch = Arc::new(Watch { cancel: Some(cancel.clone()), ..Watch::default() });
    let context = Context { cancel, ..Context::quiet() };
    let error = back_up(&sample, vec![Arc::clone(&watch) as _], &context).unwrap_err();
    assert_eq!(error.code(), "cancelled");
    assert_eq!(*watch.seen.lock().unwrap(), ["before backup", "after cancelled"]);
}

#[test]
fn an_after_that_fails_is_tried_again_and_told_loudly() {
    let sample = Sample::new();
    let watch = Arc::new(Watch { fail_after: true, ..Watch::default() });
    let report = back_up(&sample, vec![Arc::clone(&watch) as _], &Context::quiet()).unwrap();
    assert_eq!(report.outcome, Outcome::Warnings);
    let warning = report.manifest.warnings.iter().find(|warning| warning.code == "not_resumed").unwrap();
    assert!(warning.text.contains("may still stand") && warning.text.contains("the test"), "{}", warning.text);
    assert_eq!(*watch.seen.lock().unwrap(), ["before backup", "after good", "after good"]);
}

#[test]
fn a_restore_holds_the_application_still_and_a_failing_before_changes_nothing() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let original = state(&sample);
    change(&sample, "changed");
    let changed = state(&sample);
    let log = sample.path().join("log");
    let failing = Hooks {
        before_restore: vec![note(&log, "a"), program(&["false"])],
        after_restore: vec![note(&log, "b")],
        ..Hooks::default()
    };
    let hooks = of_plan(&failing, Occasion::Restore);
    let error = restore_as(&sample, &listed, How { hooks: &hooks, ..How::default() }).unwrap_err();
    assert_eq!(error.code(), "hook_failed");
    assert_eq!(state(&sample), changed);
    assert!(sample.store().list(None).unwrap().backups.iter().all(|listed| listed.manifest.kind != Kind::PreRestore));
    assert_eq!(lines(&log), ["a restore shop before", "b restore shop after failed"]);

    let working =
        Hooks { before_restore: vec![note(&log, "c")], after_restore: vec![note(&log, "d")], ..Hooks::default() };
    let hooks = of_plan(&working, Occasion::Restore);
    restore_as(&sample, &listed, How { hooks: &hooks, ..How::default() }).unwrap();
    assert_eq!(state(&sample), original);
    assert_eq!(lines(&log)[2..], ["c restore shop before", "d restore shop after good"]);
}

#[test]
fn a_failed_restore_tells_every_after_that_failed_and_keeps_its_own_hint() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let hooks =
        Hooks { after_restore: vec![program(&["sh", "-c", "exit 3"]), program(&["false"])], ..Hooks::default() };
    let hooks = of_plan(&hooks, Occasion::Restore);
    let _held = HeldDatabase::hold(&sample.database(), &["BEGIN IMMEDIATE"]);
    let error = restore_as(&sample, &listed, How { hooks: &hooks, ..How::default() }).unwrap_err();
    assert_eq!(error.message(), "Cannot restore while database is in use");
    let hint = error.hint_text().unwrap_or_default();
    assert!(hint.starts_with("something holds ") && hint.contains("sh (") && hint.contains("false ("), "{hint}");
    assert_eq!(hint.matches("may still stand").count(), 2, "{hint}");
}

#[test]
fn dropping_what_holds_the_application_still_lets_it_go_on() {
    let watch = Arc::new(Watch::default());
    let hooks: Vec<Arc<dyn Hook>> = vec![Arc::clone(&watch) as _];
    let context = Context::quiet();
    drop(Quiesced::begin(&hooks, Occasion::Restore, "shop", &context).unwrap());
    assert_eq!(*watch.seen.lock().unwrap(), ["before restore", "after failed"]);
}

/// Whether a process still does anything.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn an_application_that_a_hook_started_goes_on_running() {
    let sample = Sample::new();
    let pid = sample.path().join("pid");
    let start = format!("sleep 600 >/dev/null 2>&1 & echo $! > {}", pid.display());
    let hooks = Hooks { after_backup: vec![program(&["sh", "-c", &start])], ..Hooks::default() };
    back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap();
    let pid = fs::read_to_string(pid).unwrap();
    let running = runs(&pid);
    std::process::Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(running, "the application was ended with the hook that started it");
}

#[test]
fn a_hook_that_takes_too_long_is_asked_to_end_before_it_is_killed() {
    let sample = Sample::new();
    let log = sample.path().join("log");
    let line = format!("trap 'echo cleaned up >> {}; exit 0' TERM; while :; do sleep 0.05; done", log.display());
    let action = HookAction::Program(vec!["sh".into(), "-c".into(), line]);
    let hooks = Hooks { before_backup: vec![spec(action, 500)], ..Hooks::default() };
    let error = back_up(&sample, of_plan(&hooks, Occasion::Backup), &Context::quiet()).unwrap_err();
    assert_eq!((error.code(), lines(&log)), ("hook_timeout", vec!["cleaned up".to_owned()]));
}

#[test]
fn a_failed_backup_tells_every_after_that_failed_and_keeps_its_own_hint() {
    // One fails while directories are read, one when only a database is: the application went on before packing then.
    for directory in [true, false] {
        let sample = Sample::new();
        let sources = if directory { sample.sources() } else { vec![sample.database_source()] };
        let mut request = sample.request(&sources, Format::Archive);
        let hooks =
            Hooks { after_backup: vec![program(&["sh", "-c", "exit 3"]), program(&["false"])], ..Hooks::default() };
        request.hooks = of_plan(&hooks, Occasion::Backup);
        let (stores, context) = ([sample.store()], Context::quiet());
        if directory {
            fs::rename(sample.app().join("pictures"), sample.app().join("gone")).unwrap();
        } else {
            // The only destination fails when the data is put there, long after the application went on.
            let blocked = sample.backups().join("shop");
            fs::create_dir_all(sample.backups()).unwrap();
            fs::write(blocked, "a file where the folder of the plan belongs").unwrap();
        }
        let error = backup::run(&request, &stores, &context).unwrap_err();
        let hint = error.hint_text().unwrap_or_default();
        assert_eq!(hint.matches("may still stand").count(), 2, "{directory} {error}: {hint}");
        assert!(hint.contains("sh (") && hint.contains("false ("), "{hint}");
    }
}
