//! An engine on a real catalog file beside a small shop: what the tests of the engine share. The clock is moved by hand.
#![allow(dead_code)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use recoup::catalog::{Account, PlanRow, RunRow, Runs};
use recoup::clock::Clock;
use recoup::config::{Inputs, Settings};
use recoup::engine::{Actor, Engine, Options, Work};
use recoup::hooks::{Event, Hook};
use recoup::model::job::State;
use recoup::model::user::Role;
use recoup::model::{BackupId, Kind, Level, Outcome};
use recoup::progress::{Context, Observer, Phase};
use recoup::restore::{self, Opened, Places, Request};
use recoup::source::SourceFactory;
use recoup_testkit::hand_clock::HandClock;
use rusqlite::Connection;
use serde_json::{Value, json};

/// One plan that keeps everything, in a folder that has a name.
pub const SHOP: &str = r#"
[destination.here]
path = "backups"
[plan.shop]
databases = ["app/shop.db"]
directories = ["app/pictures"]
destinations = ["here"]
"#;

/// The shop, its configuration and its engine; gone when dropped.
pub struct Desk {
    pub folder: Arc<tempfile::TempDir>,
    pub clock: Arc<HandClock>,
    pub engine: Arc<Engine>,
    toml: String,
}

/// What an embedding application gives.
#[derive(Default)]
pub struct Embedded {
    pub hooks: HashMap<String, Vec<Arc<dyn Hook>>>,
    pub sources: HashMap<String, Vec<SourceFactory>>,
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Desk {
    pub async fn new(toml: &str) -> Self {
        Desk::with(toml, Embedded::default()).await
    }

    pub async fn with(toml: &str, embedded: Embedded) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        fs::create_dir_all(folder.path().join("app/pictures")).unwrap();
        fs::write(folder.path().join("app/pictures/one.jpg"), [1; 2000]).unwrap();
        let clock = HandClock::at(at("2026-05-01T10:00:00Z"));
        let engine = Engine::open(options(folder.path(), toml, clock.clone(), embedded)).await;
        let desk = Desk { folder, clock, engine: engine.unwrap(), toml: toml.to_owned() };
        desk.sql(
            "PRAGMA journal_mode=WAL; CREATE TABLE product(id INTEGER PRIMARY KEY, title TEXT);
             INSERT INTO product VALUES(1,'Bowl'),(2,'Spoon'),(3,'Cup');",
        );
        desk
    }

    /// The same folder in another process, as it were; with another configuration when one is given.
    pub async fn reopened(&self, toml: Option<&str>) -> Result<Desk, recoup::Error> {
        let toml = toml.unwrap_or(&self.toml);
        let engine = Engine::open(options(self.path(), toml, self.clock.clone(), Embedded::default())).await?;
        Ok(Desk { folder: self.folder.clone(), clock: self.clock.clone(), engine, toml: toml.to_owned() })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    pub fn database(&self) -> PathBuf {
        self.path().join("app/shop.db")
    }
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }
    pub fn sql(&self, statements: &str) {
        Connection::open(self.database()).unwrap().execute_batch(statements).unwrap();
    }
    pub fn products(&self) -> i64 {
        let connection = Connection::open(self.database()).unwrap();
        connection.query_row("SELECT count(*) FROM product", [], |row| row.get(0)).unwrap()
    }
    /// A database beside the shop's.
    pub fn another(&self, name: &str) -> PathBuf {
        let path = self.path().join("app").join(name);
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(id); INSERT INTO t VALUES(1)").unwrap();
        path
    }
    /// What the catalog's file says, behind the engine's back.
    pub fn catalog(&self) -> Connection {
        Connection::open(self.data().join("catalog.db")).unwrap()
    }

    pub async fn plan(&self, name: &str) -> PlanRow {
        self.engine.plan(&Actor::daemon(), name).await.unwrap()
    }
    /// Queues a backup of a plan by hand.
    pub async fn ask(&self, plan: &str) -> RunRow {
        self.engine.enqueue(&Actor::daemon(), plan, manual()).await.unwrap()
    }
    /// Does what is due until that run was worked on.
    pub async fn done(&self, run: &RunRow) -> RunRow {
        loop {
            let done = self.engine.work("worker").await.unwrap().expect("a run is due");
            if done.id == run.id {
                return done;
            }
        }
    }
    /// A backup by hand, from asking to its end.
    pub async fn back_up(&self, plan: &str) -> RunRow {
        self.clock.pass(std::time::Duration::from_secs(60));
        let run = self.ask(plan).await;
        self.done(&run).await
    }
    pub async fn work_all(&self) -> Vec<RunRow> {
        let mut done = Vec::new();
        while let Some(run) = self.engine.work("worker").await.unwrap() {
            done.push(run);
        }
        done
    }
    /// Ids of the backups in the list, newest first.
    pub async fn listed(&self) -> Vec<String> {
        let filter = recoup::catalog::Filter { limit: 1000, ..Default::default() };
        let mut ids: Vec<String> =
            self.engine.catalog().backups(&filter).await.unwrap().into_iter().map(|row| row.id).collect();
        ids.dedup();
        ids
    }
    /// Names of all audit events, oldest first.
    pub async fn events(&self) -> Vec<String> {
        let links = self.engine.catalog().audit_after(0, 1000).await.unwrap();
        links.into_iter().map(|link| link.event.event).collect()
    }
    /// Runs that wait.
    pub async fn waiting(&self) -> Vec<RunRow> {
        let wanted = Runs { state: Some(State::Queued), limit: 100, ..Runs::default() };
        self.engine.catalog().runs(&wanted).await.unwrap()
    }
    pub async fn user(&self, name: &str, role: Role) -> Actor {
        let account = Account {
            id: BackupId::generate(self.clock.now()).to_string(),
            name: name.to_owned(),
            role,
            password: None,
            disabled: false,
            created_at: self.clock.now(),
        };
        self.engine.catalog().add_account(&account).await.unwrap();
        Actor { account: Some(account.id), role, address: None }
    }
}

pub fn manual() -> Work {
    Work::Backup { kind: Kind::Manual, label: None, protect: false, local_only: false, rescan: false }
}
pub fn verify(level: Level) -> Work {
    Work::Verify { backup: None, level, also: Vec::new() }
}

pub fn outcome(run: &RunRow) -> (Outcome, String) {
    let code = run.error.as_ref().map(|error| error["code"].as_str().unwrap().to_owned()).unwrap_or_default();
    (run.outcome.unwrap_or_else(|| panic!("it goes on: {run:?}")), code)
}

/// The run must have ended good.
#[track_caller]
pub fn good(run: &RunRow) -> &Value {
    assert_eq!(run.outcome, Some(Outcome::Good), "{:?} {:?}\n{}", run.error, run.result, run.log);
    run.result.as_ref().unwrap()
}

pub fn document(path: &Path) -> Value {
    json!({ "databases": [path], "destinations": ["here"] })
}

pub fn settings(folder: &Path, toml: &str) -> Settings {
    let file = folder.join("recoup.toml");
    fs::write(&file, toml).unwrap();
    let inputs = Inputs { file: Some((&file, toml)), environment: &[], current_directory: folder, zone: "UTC" };
    Settings::resolve(inputs).unwrap()
}

/// Opens an engine on a folder that is there.
pub async fn open(
    folder: &Path,
    toml: &str,
    clock: Arc<HandClock>,
    embedded: Embedded,
) -> Result<Arc<Engine>, recoup::Error> {
    Engine::open(options(folder, toml, clock, embedded)).await
}

fn stay() {
    println!("it is there");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// Says that a backup has read its data, and stays there for ever.
struct Stops;
impl Hook for Stops {
    fn describe(&self) -> String {
        "stops".into()
    }
    fn before(&self, _: &Event<'_>, _: &Context) -> recoup::Result<()> {
        Ok(())
    }
    fn after(&self, _: &Event<'_>, _: &Context) -> recoup::Result<()> {
        stay();
        Ok(())
    }
}

/// A hook that stops the shop's backups where the data has been read.
pub fn stops() -> Embedded {
    let hooks = HashMap::from([("shop".to_owned(), vec![Arc::new(Stops) as Arc<dyn Hook>])]);
    Embedded { hooks, ..Embedded::default() }
}

/// Stops at a phase, for ever.
struct StopsAt(String);
impl Observer for StopsAt {
    fn phase(&self, phase: Phase, what: &str, _: Option<u64>) {
        if format!("{} {what}", phase.words()) == self.0 {
            stay();
        }
    }
}

/// What the engine does with a restore, up to a phase of it.
pub fn restore_and_stop(engine: &Engine, run: &RunRow, stop: &str) {
    let stores = vec![engine.store("here").unwrap()];
    let listing = stores[0].list(Some("shop")).unwrap();
    let listed = listing.find(run.request["backup"].as_str().unwrap()).unwrap();
    let context = Context { observer: Arc::new(StopsAt(stop.to_owned())), ..Context::quiet() };
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(stores[0].as_ref(), listed, scratch.path(), &context).unwrap();
    let settings = engine.settings();
    let plan = settings.plan("shop").unwrap();
    let places = Places::of_plan(&listed.manifest, &plan.sources, &settings.base).unwrap();
    let request = Request {
        only: &[],
        places: &places,
        stores: &stores,
        undoes: None,
        force: true,
        hooks: &[],
        busy: std::time::Duration::from_secs(1),
        seen: None,
        environment: Arc::new(Vec::new),
        host: None,
        audit: None,
    };
    restore::run(&mut opened, &request, &context).unwrap();
}

fn options(folder: &Path, toml: &str, clock: Arc<HandClock>, embedded: Embedded) -> Options {
    Options {
        data: folder.join("data"),
        catalog_url: None,
        settings: settings(folder, toml),
        environment: Arc::new(Vec::new),
        clock,
        host: Some("desk".into()),
        hooks: embedded.hooks,
        sources: embedded.sources,
    }
}
