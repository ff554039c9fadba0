//! A place for schedulers: a catalog in a folder, a clock that is moved by hand, plans that do what a test says.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use recoup::catalog::{PlanRow, RunRow, Runs};
use recoup::clock::Clock;
use recoup::config::{Inputs, Settings};
use recoup::engine::{Actor, Engine};
use recoup::model::job::{RunKind, State};
use recoup::model::{Content, Entry, Sink};
use recoup::scheduler::{Handle, Looked, Options, Scheduler};
use recoup::source::application::{Dump, application};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::postgres::Server;
use serde_json::{Value, json};

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Keeps runs inside until it is opened.
#[derive(Default)]
pub struct Gate(Mutex<(bool, usize)>, Condvar);

impl Gate {
    pub fn open(&self) {
        self.0.lock().unwrap().0 = true;
        self.1.notify_all();
    }
    pub fn pass(&self) {
        let mut inside = self.0.lock().unwrap();
        inside.1 += 1;
        inside = self.1.wait_while(inside, |(open, _)| !*open).unwrap();
        inside.1 -= 1;
    }
    /// How many are inside.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

/// What happens while a run of a plan reads its source.
pub type During = Arc<dyn Fn(&str) + Send + Sync>;

pub struct Place {
    pub clock: Arc<HandClock>,
    pub engine: Arc<Engine>,
    pub folder: tempfile::TempDir,
    during: During,
    url: Option<String>,
    _server: Option<Arc<Server>>,
}

impl Place {
    pub async fn new(now: &str) -> Place {
        Place::with(now, |_| {}).await
    }

    /// A place where this happens, with the plan's name, whenever one of [`NAMES`] or `p0` to `p499` reads its source.
    pub async fn with(now: &str, during: impl Fn(&str) + Send + Sync + 'static) -> Place {
        Place::made(now, "", Arc::new(during), None).await
    }

    /// The same on a server.
    pub async fn on_a_server(now: &str, during: impl Fn(&str) + Send + Sync + 'static) -> Place {
        Place::made(now, "", Arc::new(during), Some(Server::shared())).await
    }

    /// A place whose `recoup.toml` says this.
    pub async fn written(now: &str, toml: &str) -> Place {
        Place::made(now, toml, Arc::new(|_| {}), None).await
    }

    async fn made(now: &str, toml: &str, during: During, server: Option<Arc<Server>>) -> Place {
        let url = match &server {
            Some(server) => Some(server.database().await),
            None => None,
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("recoup.toml"), format!("destinations = [\"./backups\"]\n{toml}")).unwrap();
        std::fs::write(folder.path().join("data.txt"), "data").unwrap();
        let clock = HandClock::at(at(now));
        let engine = open(folder.path(), &clock, &during, url.clone()).await;
        Place { clock, engine, folder, during, url, _server: server }
    }

    /// Another daemon on the same catalog.
    pub async fn another(&self) -> Arc<Engine> {
        open(self.folder.path(), &self.clock, &self.during, self.url.clone()).await
    }

    pub async fn plan(&self, name: &str, schedule: Value) -> PlanRow {
        let body = json!({"files": ["data.txt"], "schedule": schedule, "test_restore": "never"});
        self.engine.create_plan(&Actor::daemon(), name, body).await.unwrap()
    }

    pub async fn daily(&self, name: &str) -> PlanRow {
        self.plan(name, json!({"every": "daily", "at": "03:00", "zone": "Europe/Berlin"})).await
    }

    pub async fn change(&self, name: &str, patch: Value) {
        self.engine.update_plan(&Actor::daemon(), name, patch, None).await.unwrap();
    }

    pub async fn row(&self, name: &str) -> PlanRow {
        self.engine.catalog().plan(name, None).await.unwrap().unwrap()
    }

    pub async fn start(&self) -> Handle {
        start(&self.engine).await
    }

    /// Backup runs of a plan, the oldest first.
    pub async fn runs(&self, name: &str) -> Vec<RunRow> {
        let plan = self.row(name).await.id;
        let wanted = Runs { plan: Some(plan), kind: Some(RunKind::Backup), limit: 1000, ..Runs::default() };
        let mut runs = self.engine.catalog().runs(&wanted).await.unwrap();
        runs.sort_by_key(|run| (run.queued_at, run.retry_of.is_some()));
        runs
    }

    pub async fn next(&self, name: &str) -> String {
        self.row(name).await.timing.next_nominal.map_or("never".into(), |next| next.to_string())
    }

    pub async fn events(&self, name: &str) -> Vec<Value> {
        let links = self.engine.catalog().audit_after(0, 10_000).await.unwrap();
        links.into_iter().filter(|link| link.event.event == name).map(|link| link.event.details).collect()
    }

    /// Sets the clock, lets the scheduler look, and waits until everything that this queued is done.
    pub async fn settle(&self, handle: &Handle) -> Looked {
        let looked = handle.check_now().await.unwrap();
        self.quiet(handle).await;
        looked
    }

    /// Waits until nothing that is due is queued or worked on.
    pub async fn quiet(&self, handle: &Handle) {
        self.until(async || {
            // What waited for a run to end is queued by a look after it.
            handle.check_now().await.unwrap();
            // One question for both states: between two, a run could pass from the one to the other unseen.
            let all = Runs { limit: 10_000, ..Runs::default() };
            let runs = self.engine.catalog().runs(&all).await.unwrap();
            !runs.iter().any(|run| match run.state {
                State::Queued => run.due_at <= self.clock.now(),
                State::Running => true,
                State::Done => false,
            })
        })
        .await;
    }

    /// Waits for something that is about to happen.
    pub async fn until(&self, mut happened: impl AsyncFnMut() -> bool) {
        for _ in 0..3000 {
            if happened().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it did not happen within a minute");
    }

    pub fn set(&self, now: &str) {
        self.clock.set(at(now));
    }

    /// Time passes until then.
    pub fn pass_until(&self, then: &str) {
        self.clock.pass(at(then).duration_since(self.clock.now()).unsigned_abs());
    }
}

pub async fn start(engine: &Arc<Engine>) -> Handle {
    Scheduler::start(engine.clone(), Options::default()).await.unwrap()
}

pub async fn stop(handle: &Handle) {
    handle.stop(Duration::from_secs(10)).await;
}

/// Plans whose runs do what a test says.
pub const NAMES: [&str; 4] = ["shop", "hangs", "bad", "good"];

async fn open(folder: &Path, clock: &Arc<HandClock>, during: &During, url: Option<String>) -> Arc<Engine> {
    let path = folder.join("recoup.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let inputs = Inputs { file: Some((&path, &text)), environment: &[], current_directory: folder, zone: "UTC" };
    let named = NAMES.iter().map(ToString::to_string).chain((0..500).map(|n| format!("p{n}")));
    let sources = named.map(|name| {
        let (during, plan) = (during.clone(), name.clone());
        let source = application("during", move || {
            during(&plan);
            Ok(Box::new(Letter))
        });
        (name, vec![source])
    });
    let options = recoup::engine::Options {
        data: folder.join("data"),
        catalog_url: url,
        settings: Settings::resolve(inputs).unwrap(),
        environment: Arc::new(Vec::new),
        clock: clock.clone(),
        host: Some("here".into()),
        hooks: HashMap::new(),
        sources: sources.collect(),
    };
    let engine = Engine::open(options).await.unwrap();
    // The catalog's own plan is not what is looked at.
    if let Some(own) = engine.catalog().plan("recoup-catalog", None).await.unwrap() {
        engine.catalog().remove_plan(&own.id).await.unwrap();
    }
    engine
}

/// What the source of a test has in it.
struct Letter;

impl Dump for Letter {
    fn dump(&mut self, sink: &mut dyn Sink) -> recoup::Result<()> {
        sink.entry(&Entry::file("letter.txt", 2), Content::Stream(&mut &b"hi"[..]))
    }
}
