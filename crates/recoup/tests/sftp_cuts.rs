//! The SFTP destination on lines that break, servers that go away, and objects larger than memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Sftp};
use recoup::progress::{Context, Observer};
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::cutting::{Cut, Cutting, How, Way};
use recoup_testkit::faults::{OUTCOME, ROOT, child, peak, soak, text, variable};
use recoup_testkit::sshd::Sshd;
use recoup_testkit::tree::{files, same};

/// How often a line is cut in each direction.
const CUTS: u64 = 200;
const SIZE: usize = 700_000;

/// A folder of the server behind a line.
fn behind(line: &Cutting, server: &Sshd, folder: &str) -> DestinationSettings {
    let mut settings = server.settings_with(folder, |sftp| sftp.port = line.port());
    settings.limits.timeout = Duration::from_secs(4);
    settings
}

fn opened(settings: &DestinationSettings) -> Arc<dyn Destination> {
    open(settings, true).unwrap()
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

fn read(destination: &dyn Destination, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Mostly resets; going silent costs the time-out, so it is seldom.
fn how(i: u64) -> How {
    match i % 25 {
        0 | 1 => How::Stall,
        odd if odd % 2 == 1 => How::Reset,
        _ => How::Truncate,
    }
}

/// Every second of the cuts: a test shall not last too long on a busy machine.
fn half_of_the_cuts(first: u64) -> impl Iterator<Item = u64> {
    (first..CUTS).step_by(2)
}

/// Cuts the connection of a put at places spread over all that flows in one direction.
fn cut_puts(way: Way, cuts: impl Iterator<Item = u64>) {
    let server = Sshd::start();
    let line = Cutting::to_port(server.port());
    let bytes = noise(1, SIZE);
    let settings = behind(&line, &server, "root");
    let passed = || if way == Way::Out { line.passed().0 } else { line.passed().1 };
    put(&*opened(&settings), "whole", &bytes).unwrap();
    let all = passed();
    assert!(all > SIZE as u64, "{all}");
    let (mut tried, mut cut) = (0, 0);
    for i in cuts {
        let before = line.connections();
        line.cut(Cut { way, after: all * i / CUTS, how: how(i) });
        let key = format!("plan/{i}");
        let stored = put(&*opened(&settings), &key, &bytes);
        assert_eq!(stored.unwrap_or_else(|e| panic!("cut {i}: {e} {}", e.detail())), sha256(&bytes), "cut {i}");
        tried += 1;
        cut += usize::from(line.connections() > before + 1);
        assert!(fs::read(server.data().join("root").join(&key)).unwrap() == bytes, "cut {i}");
        fs::remove_file(server.data().join("root").join(&key)).unwrap();
    }
    // The last few may come after everything was said.
    assert!(cut * 10 >= tried * 9, "{cut} of {tried} were cut");
    assert_eq!(files(&server.data()), ["root/whole"], "parts were left");
}

#[test]
fn a_put_survives_a_cut_at_even_places_on_the_way_out() {
    cut_puts(Way::Out, half_of_the_cuts(0));
}

#[test]
fn a_put_survives_a_cut_at_odd_places_on_the_way_out() {
    cut_puts(Way::Out, half_of_the_cuts(1));
}

#[test]
fn a_put_survives_a_cut_at_even_places_on_the_way_back() {
    cut_puts(Way::Back, half_of_the_cuts(0));
}

#[test]
fn a_put_survives_a_cut_at_odd_places_on_the_way_back() {
    cut_puts(Way::Back, half_of_the_cuts(1));
}

fn cut_gets(cuts: impl Iterator<Item = u64>) {
    let server = Sshd::start();
    let line = Cutting::to_port(server.port());
    let bytes = noise(2, SIZE);
    let settings = behind(&line, &server, "root");
    put(&*opened(&settings), "plan/one", &bytes).unwrap();
    let before = line.passed().1;
    assert!(read(&*opened(&settings), "plan/one") == bytes);
    let all = line.passed().1 - before;
    for i in cuts {
        line.cut(Cut { way: Way::Back, after: all * i / CUTS, how: how(i) });
        assert!(read(&*opened(&settings), "plan/one") == bytes, "cut {i}");
    }
}

#[test]
fn a_get_survives_a_cut_at_even_places() {
    cut_gets(half_of_the_cuts(0));
}

#[test]
fn a_get_survives_a_cut_at_odd_places() {
    cut_gets(half_of_the_cuts(1));
}

/// Ends the server's processes when so many bytes have moved.
struct Killer {
    server: Arc<Sshd>,
    every: u64,
    moved: AtomicU64,
    killed: AtomicU64,
}

impl Observer for Killer {
    fn advance(&self, bytes: u64) {
        let before = self.moved.fetch_add(bytes, Ordering::SeqCst);
        if before / self.every != (before + bytes) / self.every && self.killed.load(Ordering::SeqCst) < 4 {
            self.killed.fetch_add(self.server.kill_sessions() as u64, Ordering::SeqCst);
        }
    }
}

#[test]
fn an_upload_goes_on_where_it_was_when_the_server_process_is_killed() {
    let server = Arc::new(Sshd::start());
    let line = Cutting::to_port(server.port());
    let destination = opened(&behind(&line, &server, "root"));
    let bytes = noise(3, 24 << 20);
    let killer = Arc::new(Killer {
        server: server.clone(),
        every: 5 << 20,
        moved: AtomicU64::new(0),
        killed: AtomicU64::new(0),
    });
    let context = Context { observer: killer.clone(), ..Context::quiet() };
    let stored = destination.put("plan/one", Body::Bytes(&bytes), &context).unwrap();
    assert_eq!(stored.sha256, sha256(&bytes));
    assert_eq!(killer.killed.load(Ordering::SeqCst), 4);
    assert_eq!(files(&server.data()), ["root/plan/one"]);
    // From the beginning each time it would be twice as much and more.
    let out = line.passed().0;
    assert!(out < 24 << 20 << 1, "{out} bytes were sent");
}

#[test]
fn a_line_that_is_cut_again_and_again_is_enough_while_the_upload_goes_on() {
    let server = Sshd::start();
    let line = Cutting::to_port(server.port());
    let settings = behind(&line, &server, "root");
    for _ in 0..20 {
        line.cut(Cut { way: Way::Out, after: 4 << 20, how: How::Truncate });
    }
    let bytes = noise(4, 32 << 20);
    assert_eq!(put(&*opened(&settings), "plan/one", &bytes).unwrap(), sha256(&bytes));
    // More often than one step is tried.
    assert!(line.connections() > 7, "{}", line.connections());
    assert_eq!(files(&server.data()), ["root/plan/one"]);
}

#[test]
fn a_line_that_lets_nothing_through_leaves_nothing() {
    let server = Sshd::start();
    let line = Cutting::to_port(server.port());
    let settings = behind(&line, &server, "root");
    let destination = opened(&settings);
    // The first is cut when something is there already, the others before anything is said.
    line.cut(Cut { way: Way::Out, after: 1 << 20, how: How::Truncate });
    for _ in 1..settings.limits.attempts {
        line.cut(Cut { way: Way::Out, after: 1000, how: How::Reset });
    }
    let error = put(&*destination, "plan/one", &noise(4, 8 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert_eq!(destination.list("").unwrap(), []);
    assert_eq!(files(&server.data()), Vec::<String>::new(), "what was sent is taken away when the line is back");
}

#[test]
fn a_server_that_went_away_for_good_is_unreachable() {
    let mut server = Sshd::start();
    let mut settings = server.settings("root");
    settings.limits.timeout = Duration::from_millis(500);
    settings.limits.attempts = 3;
    let destination = opened(&settings);
    put(&*destination, "a/b", b"bytes").unwrap();
    server.stop();
    let failures = [
        put(&*destination, "a/c", b"bytes").unwrap_err(),
        destination.get("a/b", 0).map(drop).unwrap_err(),
        destination.list("").unwrap_err(),
        destination.delete("a/b").unwrap_err(),
        destination.sweep().unwrap_err(),
    ];
    for error in failures {
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    }
}

#[test]
fn a_server_that_says_nothing_at_all_is_unreachable() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Sshd::start();
    let mut settings = server.settings_with("root", |sftp| sftp.port = silent.local_addr().unwrap().port());
    settings.limits.timeout = Duration::from_millis(300);
    settings.limits.attempts = 2;
    let error = opened(&settings).list("").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, "timeout"));
}

#[test]
fn bandwidth_is_shared_out_in_both_directions() {
    let server = Sshd::start();
    let mut settings = server.settings("root");
    settings.limits.bandwidth = Some(1 << 20);
    let begin = std::time::Instant::now();
    put(&*opened(&settings), "a/b", &noise(5, 1 << 19)).unwrap();
    // Half a second out and half a second back, at least.
    assert!(begin.elapsed() >= Duration::from_millis(900));
}

// --- larger than memory ---

/// 300 MB, or 5 GB when asked for.
#[test]
fn a_large_object_goes_there_and_back_in_little_memory() {
    let server = Sshd::start();
    let folder = tempfile::tempdir().unwrap();
    let megabytes: u64 = if soak() { 5 * 1024 } else { 300 };
    let path = folder.path().join("large");
    let mut file = fs::File::create(&path).unwrap();
    for i in 0..megabytes {
        file.write_all(&noise(i + 1, 1 << 20)).unwrap();
    }
    drop(file);
    let outcome = folder.path().join("outcome");
    let output = child("large_in_a_child", folder.path(), &outcome)
        .env("SFTP_PORT", server.port().to_string())
        .env("SFTP_USER", server.user())
        .env("SFTP_HOST_KEY", server.host_key())
        .env("SFTP_KEY", server.key("key"))
        .env("SFTP_PATH", server.data())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let peak: u64 = fs::read_to_string(&outcome).unwrap().parse().unwrap();
    println!("{megabytes} MiB there and back with a peak of {} KiB", peak);
    assert!(peak < 128 * 1024, "{peak} KiB");
    let same = Command::new("cmp").arg(&path).arg(server.data().join("root/plan/large")).status().unwrap();
    assert!(same.success());
}

#[test]
#[ignore = "run by another test"]
fn large_in_a_child() {
    let text = |name: &str| variable(name).to_str().unwrap().to_owned();
    let folder = variable(ROOT);
    let sftp = Sftp {
        host: "127.0.0.1".into(),
        port: text("SFTP_PORT").parse().unwrap(),
        user: text("SFTP_USER"),
        path: format!("{}/root", text("SFTP_PATH")),
        host_key: text("SFTP_HOST_KEY"),
        key: Some(Secret::file(PathBuf::from(text("SFTP_KEY")))),
        key_passphrase: None,
        password: None,
    };
    let settings = DestinationSettings {
        name: "offsite".into(),
        address: Address::Sftp(sftp),
        limits: recoup::model::destination::Limits::default(),
        keys: recoup::model::encryption::Keys::default(),
        layout: Default::default(),
    };
    let destination = opened(&settings);
    let large = folder.join("large");
    let stored = destination.put("plan/large", Body::File(&large), &Context::quiet()).unwrap();
    assert_eq!(stored.bytes, fs::metadata(&large).unwrap().len());
    assert!(same(destination.get("plan/large", 0).unwrap(), &large));
    fs::write(variable(OUTCOME), peak().to_string()).unwrap();
}
