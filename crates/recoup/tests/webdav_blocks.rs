//! Large objects over WebDAV come in blocks, several at once: the same bytes whatever happens to lines and servers, one
//! stream where that is better, and nothing left working when nobody reads any more.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::destination::DestinationSettings;
use recoup::progress::{Cancel, Context, Observer, Phase};
use recoup_testkit::apache::Apache;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::cutting::{Cut, Cutting, How, Way};
use recoup_testkit::faulty::{Asked, Fault, Faulty};

/// Blocks are 8 MiB, and worth it from 64 MiB on.
const MIB: usize = 1 << 20;
const SIZE: usize = 77 * MIB + 3;

/// A server with one object that is large enough.
struct Large {
    server: Arc<Apache>,
    path: String,
    bytes: Vec<u8>,
}

impl Large {
    fn on(server: Arc<Apache>, bytes: Vec<u8>) -> Large {
        let path = server.fresh();
        // The server makes the folder, so that it may write there.
        let destination = open(&server.settings(&path, server.port()), true).unwrap();
        destination.put("small", Body::Bytes(b"x"), &Context::quiet()).unwrap();
        fs::write(server.on_disk(&path).join("x"), &bytes).unwrap();
        Large { server, path, bytes }
    }

    fn new() -> Large {
        Large::on(Apache::shared(), noise(1, SIZE))
    }

    /// Of nothing but this.
    fn of(byte: u8) -> Large {
        Large::on(Apache::shared(), vec![byte; SIZE])
    }

    fn through(&self, port: u16) -> DestinationSettings {
        self.server.settings(&self.path, port)
    }

    fn behind(&self, rule: impl FnMut(&Asked) -> Fault + Send + 'static) -> (Faulty, DestinationSettings) {
        let proxy = Faulty::to_port(self.server.port(), rule);
        let settings = self.through(proxy.port());
        (proxy, settings)
    }

    fn assert_read(&self, settings: &DestinationSettings, from: usize, what: &str) {
        let mut bytes = Vec::new();
        let read = open(settings, true).unwrap().get("x", from as u64).map(|mut x| x.read_to_end(&mut bytes));
        read.unwrap_or_else(|e| panic!("{what}: {}", e.detail())).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert!(bytes == self.bytes[from..], "{what}: {} of {}", bytes.len(), SIZE - from);
    }
}

/// What was asked for with GET: the first byte, and the last.
fn parts(proxy: &Faulty) -> Vec<(usize, Option<usize>)> {
    let asked = proxy.asked();
    let mut parts: Vec<_> = asked.iter().filter(|asked| asked.method == "GET").map(part).collect();
    parts.sort_unstable();
    parts
}

fn part(asked: &Asked) -> (usize, Option<usize>) {
    let head = asked.head.to_lowercase();
    let range = head.split_once("range: bytes=").map_or("0-", |(_, rest)| rest.split('\r').next().unwrap());
    let (first, last) = range.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().ok())
}

/// Threads of this process that fetch blocks.
fn working() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter(|task| fs::read_to_string(task.as_ref().unwrap().path().join("comm")).is_ok_and(|n| n == "blocks\n"))
        .count()
}

fn assert_all_end() {
    let begin = Instant::now();
    while working() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} still work", working());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_large_comes_in_blocks_and_what_is_not_in_one_stream() {
    let large = Large::new();
    let (proxy, mut settings) = large.behind(|_| Fault::Pass);
    large.assert_read(&settings, 0, "all");
    let blocks: Vec<_> = (0..SIZE).step_by(8 * MIB).map(|at| (at, Some((at + 8 * MIB).min(SIZE) - 1))).collect();
    assert_eq!(parts(&proxy), blocks);
    large.assert_read(&settings, 8 * MIB - 1, "from the end of a block");
    assert_eq!(parts(&proxy)[..2], [(8 * MIB - 1, Some(8 * MIB - 1)), blocks[1]]);
    large.assert_read(&settings, SIZE - 64 * MIB, "just enough");
    assert_eq!(parts(&proxy).len(), 9);
    for from in [SIZE - 64 * MIB + 1, SIZE - 1] {
        large.assert_read(&settings, from, "not enough");
        assert_eq!(parts(&proxy), [(from, None)]);
    }
    // What comes ahead would come faster than allowed.
    settings.limits.bandwidth = Some(1 << 30);
    large.assert_read(&settings, 0, "limited");
    assert_eq!(parts(&proxy), [(0, None)]);
    assert_all_end();
}

#[test]
fn every_block_is_asked_for_with_a_proof_of_the_password_where_that_is_wanted() {
    let large = Large::on(Arc::new(Apache::with_digest()), noise(3, SIZE));
    let (proxy, settings) = large.behind(|_| Fault::Pass);
    large.assert_read(&settings, 0, "with proofs");
    assert_eq!(parts(&proxy).len(), SIZE.div_ceil(8 * MIB));
}

#[test]
fn a_server_that_ignores_ranges_gives_one_stream() {
    let rules =
        "AuthType Basic\nAuthName recoup\nAuthUserFile /etc/apache2/backup-users\nRequire valid-user\nMaxRanges none\n";
    let large = Large::on(Arc::new(Apache::with(rules)), noise(2, SIZE));
    let (proxy, settings) = large.behind(|_| Fault::Pass);
    for from in [0, 3, 9 * MIB] {
        large.assert_read(&settings, from, "ignored");
        assert_eq!(parts(&proxy).len(), 1);
    }
    // And where it is cut.
    let line = Cutting::to_port(large.server.port());
    for i in 0..3 {
        line.cut(Cut { way: Way::Back, after: 20_000_000 * i, how: How::Reset });
    }
    large.assert_read(&large.through(line.port()), 0, "ignored and cut");
}

#[test]
fn blocks_survive_cuts_anywhere() {
    let large = Large::new();
    for round in 0..24 {
        let line = Cutting::to_port(large.server.port());
        let mut settings = large.through(line.port());
        settings.limits.timeout = Duration::from_millis(1500);
        // Connections are used again and again: a cut may come in any block of its lane, also between two of them.
        for i in 0..8 {
            let random = noise(round * 8 + i, 8);
            let after = u64::from_le_bytes(random.try_into().unwrap()) % (12 << 20);
            let how = match i {
                1 if round % 4 == 0 => How::Stall,
                _ if i % 2 == 0 => How::Reset,
                _ => How::Truncate,
            };
            line.cut(Cut { way: if i == 7 { Way::Out } else { Way::Back }, after, how });
        }
        large.assert_read(&settings, (round * 1_000_003) as usize % (12 * MIB), &format!("round {round}"));
        assert!(line.connections() > 7, "{}", line.connections());
    }
    assert_all_end();
}

#[test]
fn every_block_may_fail_once_in_any_way() {
    let large = Large::of(b'x');
    // What is never to be seen: another part, too little, everything, of another object.
    let answer = |part: (usize, Option<usize>), how: &str| {
        let (first, last) = (part.0, part.1.unwrap_or(SIZE - 1));
        let range = |first: usize, whole: usize| format!("Content-Range: bytes {first}-{last}/{whole}\r\n");
        match how {
            "another" => Fault::Answer(206, range(first + 1, SIZE), "y".repeat(1000)),
            "shorter" => Fault::Answer(206, range(first, SIZE), "x".repeat(1000)),
            "other object" => Fault::Answer(206, range(first, SIZE + 1), "y".repeat(last + 1 - first)),
            // Nobody knows what it is when that is the first answer of all.
            "all" if first > 0 => Fault::Answer(200, String::new(), "y".repeat(SIZE)),
            "failing" => Fault::Answer(503, String::new(), String::new()),
            "busy" => Fault::Answer(429, "Retry-After: 0\r\n".into(), String::new()),
            "lost" => Fault::LoseAnswer,
            "cut at once" => Fault::Truncate(0),
            "cut" => Fault::Truncate(100_000),
            "twice" => Fault::Twice,
            "silent" => Fault::Stall(Duration::from_secs(2)),
            _ => Fault::Pass,
        }
    };
    for how in [
        "another",
        "shorter",
        "other object",
        "all",
        "failing",
        "busy",
        "lost",
        "cut at once",
        "cut",
        "twice",
        "silent",
    ] {
        let mut seen = HashSet::new();
        let (proxy, mut settings) = large.behind(move |asked| {
            let part = part(asked);
            let again = asked.method != "GET" || !seen.insert(part.0 / (8 * MIB));
            if again { Fault::Pass } else { answer(part, how) }
        });
        settings.limits.timeout = Duration::from_secs(1);
        large.assert_read(&settings, 0, how);
        assert!(parts(&proxy).len() >= 10, "{how}");
    }
}

#[test]
fn what_fails_for_good_is_an_error_and_no_end() {
    let large = Large::new();
    let (proxy, mut settings) = large.behind(move |asked| match part(asked).0 {
        first if first < 24 * MIB => Fault::Pass,
        _ => Fault::Answer(503, String::new(), String::new()),
    });
    settings.limits.attempts = 3;
    let mut bytes = Vec::new();
    let error = open(&settings, true).unwrap().get("x", 0).unwrap().read_to_end(&mut bytes).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<recoup::Error>().unwrap();
    assert_eq!(inner.kind(), ErrorKind::Unreachable);
    assert!(bytes == large.bytes[..24 * MIB]);
    // The first three blocks, the next one of each lane, and what was tried again.
    assert!(parts(&proxy).len() <= 3 + 4 + 3);
    // What is gone is told as gone.
    let mut from = open(&large.through(large.server.port()), true).unwrap().get("x", 0).unwrap();
    fs::remove_file(large.server.on_disk(&large.path).join("x")).unwrap();
    let error = from.read_to_end(&mut bytes).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<recoup::Error>().unwrap();
    assert_eq!(inner.kind(), ErrorKind::NotFound);
    drop(from);
    assert_all_end();
}

#[test]
fn nothing_works_on_when_nobody_reads_any_more() {
    let large = Large::new();
    let destination = open(&large.through(large.server.port()), true).unwrap();
    let mut from = destination.get("x", 0).unwrap();
    from.read_exact(&mut [0; 1000]).unwrap();
    // Ahead by as much as fits, and no more.
    std::thread::sleep(Duration::from_millis(300));
    assert!((1..=4).contains(&working()), "{}", working());
    drop(from);
    assert_all_end();
    // Where the other side is silent, too.
    let (_proxy, mut settings) = large.behind(|asked| match part(asked).0 {
        0 => Fault::Pass,
        _ => Fault::Stall(Duration::from_secs(3)),
    });
    settings.limits.timeout = Duration::from_secs(1);
    let mut from = open(&settings, true).unwrap().get("x", 0).unwrap();
    from.read_exact(&mut [0; 1000]).unwrap();
    drop(from);
    assert_all_end();
}

/// Cancels when so much was read back.
struct Stopping(Cancel, AtomicU64);
impl Observer for Stopping {
    fn phase(&self, phase: Phase, _: &str, _: Option<u64>) {
        self.1.store(if phase == Phase::Verify { 1 } else { 0 }, Ordering::SeqCst);
    }
    fn advance(&self, bytes: u64) {
        let read = self.1.load(Ordering::SeqCst);
        if read > 0 && self.1.fetch_add(bytes, Ordering::SeqCst) > 30 << 20 {
            self.0.cancel();
        }
    }
}

#[test]
fn a_put_stopped_while_it_reads_back_leaves_nothing() {
    let large = Large::new();
    let destination: Arc<dyn Destination> = open(&large.through(large.server.port()), true).unwrap();
    let cancel = Cancel::default();
    let observer = Arc::new(Stopping(cancel.clone(), AtomicU64::new(0)));
    let context = Context { observer, cancel, ..Context::quiet() };
    let error = destination.put("y", Body::Bytes(&large.bytes), &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    let keys: Vec<String> = destination.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["small", "x"]);
    assert_all_end();
    // And one that nobody stops.
    destination.put("y", Body::Bytes(&large.bytes), &Context::quiet()).unwrap();
    assert!(fs::read(large.server.on_disk(&large.path).join("y")).unwrap() == large.bytes);
}
