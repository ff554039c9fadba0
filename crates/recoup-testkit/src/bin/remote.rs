//! `remote [MIB] [ROUNDS] [s3|webdav|sftp…]`: how fast one large object goes to a server and comes back, beside `rclone` (and
//! OpenSSH's `sftp`) on the same server, in turns, one round after the other. The servers are real ones on loopback: OpenSSH,
//! Apache, and for S3 `s3rver` from npm, which keeps objects on the disk (`S3RVER` names its program).
//!
//! Ours is told twice: sending alone, as the others do it, and the whole put, which reads the bytes beforehand to know their
//! hash, and reads back from the server afterwards what was stored. Beside that stands `rclone` followed by
//! `rclone check --download`, which promises the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use recoup::destination::{Body, open};
use recoup::model::destination::DestinationSettings;
use recoup::progress::{Context, Observer, Phase};
use recoup_testkit::apache::{self, Apache};
use recoup_testkit::contract::destination::noise;
use recoup_testkit::s3rver::{self, S3rver};
use recoup_testkit::sshd::Sshd;

/// What a round gave, in MiB/s, by what was done.
type Round = Vec<(&'static str, f64)>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, usual: u64| arguments.get(at).map_or(usual, |text| text.parse().unwrap());
    let (mebibytes, rounds) = (number(0, 512), number(1, 5));
    let wanted = |name: &str| arguments.len() < 3 || arguments[2..].iter().any(|word| word == name);
    let work = tempfile::tempdir().unwrap();
    let bench = Bench { file: work.path().join("large"), work: work.path().to_owned(), mebibytes };
    let mut file = fs::File::create(&bench.file).unwrap();
    for i in 0..mebibytes {
        file.write_all(&noise(i + 1, 1 << 20)).unwrap();
    }
    drop(file);
    show(&format!("{mebibytes} MiB, {rounds} rounds, load {}", load()));
    show("| protocol | what | median MiB/s (min–max) | beside rclone, median (min–max) |\n|---|---|---|---|");
    if wanted("s3") {
        let server = S3rver::start();
        bench.rounds("S3", rounds, |round| bench.s3(&server, round));
    }
    if wanted("webdav") {
        let server = Apache::start();
        bench.rounds("WebDAV", rounds, |round| bench.webdav(&server, round));
    }
    if wanted("sftp") {
        let server = Sshd::start();
        bench.rounds("SFTP", rounds, |round| bench.sftp(&server, round));
    }
    show(&format!("load {} at the end", load()));
}

fn show(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap_or_default().to_owned()
}

/// When each phase began.
#[derive(Default)]
struct Phases(Mutex<Vec<(Phase, Instant)>>);

impl Observer for Phases {
    fn phase(&self, phase: Phase, _: &str, _: Option<u64>) {
        self.0.lock().unwrap().push((phase, Instant::now()));
    }
}

struct Bench {
    file: PathBuf,
    work: PathBuf,
    mebibytes: u64,
}

impl Bench {
    fn speed(&self, time: Duration) -> f64 {
        self.mebibytes as f64 / time.as_secs_f64()
    }

    /// Runs all rounds, the first of which only warms up, and shows what they gave.
    fn rounds(&self, protocol: &str, rounds: u64, mut round: impl FnMut(u64) -> Round) {
        let mut all: Vec<Round> = (0..=rounds).map(&mut round).collect();
        all.remove(0);
        let named = |round: &Round, name: &str| round.iter().find(|(known, _)| *known == name).unwrap().1;
        for (name, _) in &all[0] {
            let mut speeds: Vec<f64> = all.iter().map(|round| named(round, name)).collect();
            let peer = match *name {
                name if name.contains("fetch") => "rclone, fetching",
                name if name.contains("whole") || name.contains("check") => "rclone, sending and `check --download`",
                _ => "rclone, sending",
            };
            let mut ratios: Vec<f64> = all.iter().map(|round| named(round, name) / named(round, peer)).collect();
            show(&format!("| {protocol} | {name} | {} | {} |", spread(&mut speeds, 0), spread(&mut ratios, 2)));
        }
    }

    /// What was written before shall not be written while somebody is measured. And there is memory: a host takes back what
    /// its machine does not use, and who is the first to need it again would be measured as slow.
    fn settle(&self) {
        let _ = Command::new("sync").status();
        let bytes = usize::try_from(self.mebibytes << 21).unwrap();
        drop(std::hint::black_box(vec![1_u8; bytes]));
    }

    fn timed(&self, command: &mut Command) -> f64 {
        self.settle();
        let begin = Instant::now();
        let output = command.output().unwrap();
        let time = begin.elapsed();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        self.speed(time)
    }

    fn rclone(&self, options: &[String], verb: &str, from: &str, to: &str) -> f64 {
        let mut command = Command::new("rclone");
        command.args(["--config", "/dev/null", "--ignore-times"]).args(options).args([verb, from, to]);
        // It cannot have certificates of its own.
        command.env_remove("AWS_CA_BUNDLE");
        self.timed(&mut command)
    }

    /// There and back with `rclone`.
    fn theirs(&self, options: &[String], remote: &str) -> Round {
        let back = self.work.join("back");
        let (file, back) = (self.file.to_str().unwrap(), back.to_str().unwrap());
        let sending = self.rclone(options, "copyto", file, remote);
        // What our put promises and theirs does not: that what is there was read and is what was sent.
        let (folder, name) = remote.split_at(remote.rfind(['/', ':']).unwrap() + 1);
        let sent = self.work.join("sent");
        fs::create_dir_all(&sent).unwrap();
        fs::hard_link(file, sent.join(name)).unwrap();
        let checking = self.rclone(&check(options), "check", sent.to_str().unwrap(), folder);
        fs::remove_file(sent.join(name)).unwrap();
        let fetching = self.rclone(options, "copyto", remote, back);
        self.same(Path::new(back));
        let checked = 1.0 / (1.0 / sending + 1.0 / checking);
        vec![
            ("rclone, sending", sending),
            ("rclone, fetching", fetching),
            ("rclone, sending and `check --download`", checked),
        ]
    }

    /// There and back with ours.
    fn ours(&self, settings: &DestinationSettings, key: &str) -> Round {
        let phases = Arc::new(Phases::default());
        let context = Context { observer: phases.clone(), ..Context::quiet() };
        let destination = open(settings, true).unwrap();
        self.settle();
        let begin = Instant::now();
        destination.put(key, Body::File(&self.file), &context).unwrap();
        let whole = begin.elapsed();
        let at = |wanted: Phase| phases.0.lock().unwrap().iter().find(|(phase, _)| *phase == wanted).unwrap().1;
        let sending = at(Phase::Verify) - at(Phase::Store);
        let back = self.work.join("back");
        self.settle();
        let begin = Instant::now();
        let mut file = fs::File::create(&back).unwrap();
        // In pieces as a restore takes them: those of `io::copy` are of 8 KiB, and would measure system calls.
        let (mut from, mut piece) = (destination.get(key, 0).unwrap(), vec![0; 1 << 20]);
        loop {
            match from.read(&mut piece).unwrap() {
                0 => break,
                read => file.write_all(&piece[..read]).unwrap(),
            }
        }
        let fetching = begin.elapsed();
        self.same(&back);
        destination.delete(key).unwrap();
        vec![
            ("ours, sending", self.speed(sending)),
            ("ours, fetching", self.speed(fetching)),
            ("ours, whole put", self.speed(whole)),
        ]
    }

    fn same(&self, back: &Path) {
        assert!(Command::new("cmp").arg(&self.file).arg(back).status().unwrap().success());
        fs::remove_file(back).unwrap();
    }

    /// Who is first changes from round to round.
    fn in_turns(&self, round: u64, ours: impl Fn() -> Round, theirs: impl Fn() -> Round) -> Round {
        if round.is_multiple_of(2) { [ours(), theirs()].concat() } else { [theirs(), ours()].concat() }
    }

    fn s3(&self, server: &S3rver, round: u64) -> Round {
        let options = [
            "--s3-provider=Other",
            "--s3-access-key-id=S3RVER",
            "--s3-secret-access-key=S3RVER",
            "--s3-no-check-bucket",
            &format!("--s3-endpoint=http://127.0.0.1:{}", server.port()),
        ];
        let options = options.map(str::to_owned);
        self.in_turns(
            round,
            || self.ours(&s3rver::settings(server.port()), &format!("ours-{round}")),
            || self.theirs(&options, &format!(":s3:bench/rclone-{round}")),
        )
    }

    fn webdav(&self, server: &Apache, round: u64) -> Round {
        let obscured = Command::new("rclone").args(["obscure", apache::PASSWORD]).output().unwrap();
        let options = [
            "--webdav-vendor=other".to_owned(),
            format!("--webdav-url=http://127.0.0.1:{}/dav", server.port()),
            format!("--webdav-user={}", apache::USER),
            format!("--webdav-pass={}", String::from_utf8(obscured.stdout).unwrap().trim()),
        ];
        let settings = server.settings("/dav/ours", server.port());
        let done = self.in_turns(
            round,
            || self.ours(&settings, &format!("ours-{round}")),
            || self.theirs(&options, &format!(":webdav:rclone-{round}")),
        );
        fs::remove_file(server.on_disk("/dav").join(format!("rclone-{round}"))).unwrap();
        done
    }

    fn sftp(&self, server: &Sshd, round: u64) -> Round {
        let options = [
            "--sftp-host=127.0.0.1".to_owned(),
            format!("--sftp-user={}", server.user()),
            format!("--sftp-port={}", server.port()),
            format!("--sftp-key-file={}", server.key("key").display()),
            "--sftp-shell-type=none".to_owned(),
        ];
        let data = server.data();
        let settings = server.settings("ours");
        let mut done = self.in_turns(
            round,
            || self.ours(&settings, &format!("ours-{round}")),
            || self.theirs(&options, &format!(":sftp:{}/rclone", data.display())),
        );
        done.push(("OpenSSH's sftp, sending", self.openssh(server)));
        for name in ["rclone", "openssh"] {
            fs::remove_file(data.join(name)).unwrap();
        }
        done
    }

    fn openssh(&self, server: &Sshd) -> f64 {
        let batch = self.work.join("batch");
        fs::write(&batch, format!("put {} {}/openssh\n", self.file.display(), server.data().display())).unwrap();
        let mut command = Command::new("sftp");
        command.args(["-q", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i"]);
        command.arg(server.key("key")).args(["-P", &server.port().to_string(), "-b"]).arg(&batch);
        self.timed(command.arg(format!("{}@127.0.0.1", server.user())))
    }
}

/// Options for comparing what is there, byte by byte.
fn check(options: &[String]) -> Vec<String> {
    options.iter().cloned().chain(["--download".to_owned(), "--one-way".to_owned()]).collect()
}

/// The median, and between what.
fn spread(values: &mut [f64], digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (least, most, middle) = (values[0], values[values.len() - 1], values[values.len() / 2]);
    format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
}
