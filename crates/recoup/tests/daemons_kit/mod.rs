//! Daemons as processes of their own on one catalog: engine and scheduler are the real ones, the time is a file that the
//! test writes, and the work of each plan says in a witness file when it begins.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use recoup::clock::{Clock, SystemClock};
use recoup::config::{Inputs, Settings};
use recoup::engine::{Engine, Options};
use recoup::model::{Content, Entry, Sink};
use recoup::scheduler::{self, Scheduler};
use recoup::source::application::{Dump, application};
use recoup_testkit::faults::{OUTCOME, ROOT, WHAT, child, variable};

/// The wall clock is what the file says; it moves as if the machine slept. What measures silence is the real one.
pub struct FileClock {
    file: File,
    begin: Timestamp,
    real: SystemClock,
}

impl FileClock {
    pub fn make(folder: &Path, now: Timestamp) {
        std::fs::write(folder.join("clock"), now.as_millisecond().to_le_bytes()).unwrap();
    }
    pub fn open(folder: &Path) -> FileClock {
        let file = OpenOptions::new().read(true).write(true).open(folder.join("clock")).unwrap();
        let mut clock = FileClock { file, begin: Timestamp::UNIX_EPOCH, real: SystemClock::new() };
        clock.begin = clock.now() - jiff::SignedDuration::from_hours(1);
        clock
    }
    pub fn set(&self, now: Timestamp) {
        self.file.write_all_at(&now.as_millisecond().to_le_bytes(), 0).unwrap();
    }
}

impl Clock for FileClock {
    fn now(&self) -> Timestamp {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, 0).unwrap();
        Timestamp::from_millisecond(i64::from_le_bytes(bytes)).unwrap()
    }
    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
    fn elapsed(&self) -> Duration {
        self.now().duration_since(self.begin).unsigned_abs()
    }
}

/// Where daemons stand, and the catalog that they share.
#[derive(Clone)]
pub struct Ground {
    pub folder: PathBuf,
    /// `None`: a SQLite file in a folder of data that all share.
    pub url: Option<String>,
    pub plans: usize,
}

impl Ground {
    pub fn make(folder: &Path, url: Option<String>, plans: usize, now: Timestamp) -> Ground {
        std::fs::create_dir(folder.join("locks")).unwrap();
        std::fs::write(folder.join("recoup.toml"), "destinations = [\"./backups\"]\n").unwrap();
        std::fs::write(folder.join("witness"), "").unwrap();
        FileClock::make(folder, now);
        Ground { folder: folder.to_owned(), url, plans }
    }

    pub fn name(n: usize) -> String {
        format!("p{n}")
    }

    /// A daemon's engine.
    pub async fn engine(&self, data: &str, clock: Arc<dyn Clock>) -> recoup::Result<Arc<Engine>> {
        let path = self.folder.join("recoup.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let inputs =
            Inputs { file: Some((&path, &text)), environment: &[], current_directory: &self.folder, zone: "UTC" };
        let sources = (0..self.plans).map(|n| {
            let (folder, plan) = (self.folder.clone(), Ground::name(n));
            (plan.clone(), vec![application("work", move || Ok(Box::new(Work::begin(&folder, &plan))))])
        });
        let options = Options {
            data: self.folder.join(data),
            catalog_url: self.url.clone(),
            settings: Settings::resolve(inputs)?,
            environment: Arc::new(Vec::new),
            clock,
            host: Some("here".into()),
            hooks: HashMap::new(),
            sources: sources.collect(),
        };
        Engine::open(options).await
    }

    /// Starts a daemon; `nth` names its folder of data where that is its own.
    pub fn spawn(&self, entry: &str, nth: usize) -> Child {
        let data = if self.url.is_some() { format!("data{nth}") } else { "data".to_owned() };
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join(format!("log{nth}"))).unwrap();
        child(entry, &self.folder, &self.folder.join(format!("ready{nth}")))
            .env(WHAT, format!("{} {data} {}", self.plans, self.url.as_deref().unwrap_or_default()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Lines of the witness, each as words.
    pub fn witness(&self) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.folder.join("witness")).unwrap();
        text.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }
}

/// In the child: the daemon, until it is killed.
pub fn be_a_daemon() {
    let folder = variable(ROOT);
    let what = variable(WHAT).to_str().unwrap().to_owned();
    let mut words = what.split(' ');
    let plans = words.next().unwrap().parse().unwrap();
    let data = words.next().unwrap().to_owned();
    let url = words.next().filter(|url| !url.is_empty()).map(str::to_owned);
    let ground = Ground { folder, url, plans };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let engine = ground.engine(&data, Arc::new(FileClock::open(&ground.folder))).await.unwrap();
        let options = scheduler::Options { check_interval: Duration::from_millis(300), workers: 2 };
        let _handle = Scheduler::start(engine, options).await.unwrap();
        std::fs::write(variable(OUTCOME), std::process::id().to_string()).unwrap();
        std::future::pending::<()>().await;
    });
}

/// The work of a plan: nobody else may be at it. The kernel lets go of the lock of whoever was killed.
struct Work {
    _lock: Option<File>,
    folder: PathBuf,
    plan: String,
}

impl Work {
    fn begin(folder: &Path, plan: &str) -> Work {
        let path = folder.join("locks").join(plan);
        let mut lock = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path).unwrap();
        let me = std::process::id();
        let lock = match lock.try_lock() {
            Ok(()) => {
                lock.set_len(0).unwrap();
                lock.rewind().unwrap();
                write!(lock, "{me}").unwrap();
                say(folder, &format!("begin {plan} {me}"));
                Some(lock)
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                lock.read_to_string(&mut holder).unwrap();
                say(folder, &format!("double {plan} {me} {holder}"));
                None
            }
            Err(TryLockError::Error(error)) => panic!("{error}"),
        };
        Work { _lock: lock, folder: folder.to_owned(), plan: plan.to_owned() }
    }
}

impl Dump for Work {
    fn dump(&mut self, sink: &mut dyn Sink) -> recoup::Result<()> {
        sink.entry(&Entry::file("letter.txt", 2), Content::Stream(&mut &b"hi"[..]))?;
        std::thread::sleep(Duration::from_millis(10));
        // A plan that is to hang does so until the test is over.
        while self.folder.join(format!("hang {}", self.plan)).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        say(&self.folder, &format!("end {} {}", self.plan, std::process::id()));
        Ok(())
    }
}

/// One line, whole.
fn say(folder: &Path, line: &str) {
    let mut witness = OpenOptions::new().append(true).open(folder.join("witness")).unwrap();
    witness.write_all(format!("{line}\n").as_bytes()).unwrap();
}

pub fn signal(pid: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}
