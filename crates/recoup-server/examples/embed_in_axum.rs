//! An application that has Recoup inside: its own axum server mounts Recoup's API under `/backup`, its own people are
//! Recoup's users, its memory is a source, its background task is held still while data is read or replaced.
//!
//!     cargo run -p recoup-server --example embed_in_axum -- ./shop-data 127.0.0.1:8080
//!
//! docs/embedding.md walks through it.

use std::collections::{BTreeMap, HashMap};
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use recoup::clock::SystemClock;
use recoup::config::{Inputs, Settings};
use recoup::engine::{Engine, Options};
use recoup::hooks::{Event, Hook, Occasion};
use recoup::model::user::Role;
use recoup::model::{Content, Entry, Sink};
use recoup::progress::Context;
use recoup::scheduler::{Handle, Scheduler};
use recoup::source::application::{Dump, application_at};
use recoup::{Error, ErrorKind, Result};
use recoup_server::{App, Authenticate, Identity};
use rusqlite::Connection;
use tokio::net::TcpListener;

/// What would stand in recoup.toml. What lives in memory and what is held still is added in [`open`].
const SETTINGS: &str = r#"
[plan.shop]
databases = ["shop.db"]
destinations = ["./backups"]
schedule = { every = "daily", at = "03:00", zone = "UTC" }
retention = { preset = "7-4-12" }
"#;
/// The name of the plan there.
const PLAN: &str = "shop";
/// Who may sign in. A real application has accounts of its own.
const PEOPLE: [(&str, &str, Role); 2] = [("owner", "open sesame", Role::Admin), ("clerk", "knock", Role::Viewer)];
/// The one file in which the visits are kept.
const VISITS: &str = "visits.json";

/// The application.
pub struct Shop {
    folder: PathBuf,
    /// Lives in memory only: how often each page was visited.
    visits: Mutex<BTreeMap<String, u64>>,
    /// Who has signed in, by cookie.
    sessions: Mutex<HashMap<String, (&'static str, Role)>>,
    /// Whether the background task is to stand still. It holds this while it works.
    paused: Mutex<bool>,
    /// What the hooks were asked.
    pub diary: Mutex<Vec<String>>,
}

/// A lock of somebody who panicked is still a lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(what: &str, error: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Failed, "shop", format!("The shop could not {what}")).because(error)
}

impl Shop {
    /// Touches nothing yet: a restore may have to be finished first.
    fn new(folder: &Path) -> Arc<Self> {
        Arc::new(Shop {
            folder: folder.to_owned(),
            visits: Mutex::default(),
            sessions: Mutex::default(),
            paused: Mutex::default(),
            diary: Mutex::default(),
        })
    }

    /// Takes in what it was when it ended.
    fn begin(&self) -> Result<()> {
        let schema = "PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS visit(id INTEGER PRIMARY KEY, page TEXT)";
        self.database()?.execute_batch(schema).map_err(|error| failed("make its tables", error))?;
        self.take_in()
    }

    fn database(&self) -> Result<Connection> {
        Connection::open(self.folder.join("shop.db")).map_err(|error| failed("open its database", error))
    }

    /// Counts a visit, in memory and in the database: the two always agree while nobody is in here.
    pub fn visit(&self, page: &str) -> Result<()> {
        let paused = locked(&self.paused);
        if *paused {
            return Err(Error::new(ErrorKind::Busy, "closed", "The shop is closed for a moment"));
        }
        let sql = "INSERT INTO visit(page) VALUES (?1)";
        self.database()?.execute(sql, [page]).map_err(|error| failed("note a visit", error))?;
        *locked(&self.visits).entry(page.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Visits of a page in memory, and in the database; of all pages together for `*`.
    pub fn counted(&self, page: &str) -> Result<(u64, u64)> {
        let _nobody_works = locked(&self.paused);
        let sql = "SELECT count(*) FROM visit WHERE page GLOB ?1";
        let rows = self.database()?.query_row(sql, [page], |row| row.get::<_, i64>(0));
        let rows = rows.map_err(|error| failed("count", error))?;
        let visits = locked(&self.visits);
        let of_page = visits.iter().filter(|(known, _)| page == "*" || page == known.as_str());
        Ok((of_page.map(|(_, count)| count).sum(), rows.unsigned_abs()))
    }

    /// The state factory: what lives in memory, as it is at this moment.
    fn state(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&*locked(&self.visits)).map_err(|error| failed("write its state", error))
    }

    /// Where a restore puts that state, and from where it is taken into memory.
    fn place(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// Writes the state there: before a restore, and when the application ends.
    fn put_out(&self) -> Result<()> {
        let (place, state) = (self.place(), self.state()?);
        let written = std::fs::create_dir_all(&place)
            .and_then(|()| std::fs::write(self.folder.join("state.new"), state))
            .and_then(|()| std::fs::rename(self.folder.join("state.new"), place.join(VISITS)));
        written.map_err(|error| failed("put its state out", error))
    }

    fn take_in(&self) -> Result<()> {
        let text = match std::fs::read(self.place().join(VISITS)) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("take its state in", error)),
        };
        *locked(&self.visits) = serde_json::from_slice(&text).map_err(|error| failed("read its state", error))?;
        Ok(())
    }
}

/// The visits on their way into a backup.
struct Visits(Vec<u8>);

impl Dump for Visits {
    fn dump(&mut self, sink: &mut dyn Sink) -> Result<()> {
        sink.entry(&Entry::file(VISITS, self.0.len() as u64), Content::Stream(&mut self.0.as_slice()))
    }
}

/// Holds the background task and the visitors still.
struct Stillness(Arc<Shop>);

impl Hook for Stillness {
    fn describe(&self) -> String {
        "the shop's background task".to_owned()
    }

    fn before(&self, event: &Event<'_>, _: &Context) -> Result<()> {
        // Whoever works has the lock, so that from here on nobody does.
        *locked(&self.0.paused) = true;
        locked(&self.0.diary).push(format!("before {}", event.occasion.word()));
        match event.occasion {
            // So that the safety backup has it, and the restore can be undone.
            Occasion::Restore => self.0.put_out(),
            Occasion::Backup => Ok(()),
        }
    }

    fn after(&self, event: &Event<'_>, _: &Context) -> Result<()> {
        let outcome = event.outcome.unwrap_or_default();
        locked(&self.0.diary).push(format!("after {}: {outcome}", event.occasion.word()));
        // Also after a restore that failed: what lies there is then what was put out.
        let taken = if event.occasion == Occasion::Restore { self.0.take_in() } else { Ok(()) };
        *locked(&self.0.paused) = false;
        taken
    }
}

/// The shop's people are Recoup's.
struct Cookies(Arc<Shop>);

impl Authenticate for Cookies {
    fn identify<'a>(
        &'a self,
        request: &'a Parts,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Identity>>> + Send + 'a>> {
        let found = cookie(&request.headers).and_then(|key| locked(&self.0.sessions).get(key).copied());
        // The shop's sign-ins end soon, so each counts as a password of just now.
        Box::pin(async move { Ok(found.map(|(name, role)| Identity { name: name.to_owned(), role, fresh: true })) })
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get(header::COOKIE)?.to_str().ok()?;
    all.split("; ").find_map(|one| one.strip_prefix("shop="))
}

/// Who signs in to the shop.
#[derive(serde::Deserialize)]
struct Card {
    name: String,
    password: String,
}

async fn sign_in(State(shop): State<Arc<Shop>>, Json(card): Json<Card>) -> Response {
    let known = PEOPLE.into_iter().find(|(name, password, _)| *name == card.name && *password == card.password);
    let (Some((name, _, role)), Ok(key)) = (known, recoup_server::secret::new()) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let set = format!("shop={key}; HttpOnly; SameSite=Strict; Path=/");
    locked(&shop.sessions).insert(key, (name, role));
    ([(header::SET_COOKIE, set)], "welcome").into_response()
}

async fn front(State(shop): State<Arc<Shop>>) -> Response {
    match shop.visit("/").and_then(|()| shop.counted("*")) {
        Ok((visits, _)) => format!("The shop. Visit number {visits}.\n").into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

/// Works all the time, unless it is to stand still.
async fn background(shop: Arc<Shop>) {
    loop {
        let working = shop.clone();
        // Busy: it stands still.
        let _ = tokio::task::spawn_blocking(move || working.visit("/feed")).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Everything that runs until the application ends.
pub struct Running {
    /// The application's routes, and Recoup's below `/backup`.
    pub routes: Router,
    /// The application.
    pub shop: Arc<Shop>,
    /// Recoup.
    pub recoup: App,
    scheduler: Handle,
}

impl Running {
    /// Puts the two together in a folder.
    pub async fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| Error::at("making", folder, error))?;
        let folder = &std::path::absolute(folder).map_err(|error| Error::at("finding", folder, error))?;
        let shop = Shop::new(folder);

        let asked = shop.clone();
        let visits =
            application_at("visits", &shop.place(), move || Ok(Box::new(Visits(asked.state()?)) as Box<dyn Dump>));
        let still: Arc<dyn Hook> = Arc::new(Stillness(shop.clone()));
        let file = folder.join("recoup.toml");
        let inputs = Inputs { file: Some((&file, SETTINGS)), environment: &[], current_directory: folder, zone: "UTC" };
        let engine = Engine::open(Options {
            data: folder.join("recoup-data"),
            catalog_url: None,
            settings: Settings::resolve(inputs)?,
            environment: Arc::new(Vec::new),
            clock: Arc::new(SystemClock::new()),
            host: None,
            hooks: HashMap::from([(PLAN.to_owned(), vec![still])]),
            sources: HashMap::from([(PLAN.to_owned(), vec![visits])]),
        })
        .await?;
        // Only now: the engine has finished, or taken back, a restore that a crash interrupted.
        shop.begin()?;

        let scheduler = Scheduler::start(engine.clone(), recoup::scheduler::Options::default()).await?;
        let cookies: Arc<dyn Authenticate> = Arc::new(Cookies(shop.clone()));
        let options = recoup_server::Options { authenticate: Some(cookies), ..recoup_server::Options::default() };
        let recoup = App::new(engine, options).with_scheduler(scheduler.clone());
        let routes = Router::new()
            .route("/", get(front))
            .route("/sign-in", post(sign_in))
            .with_state(shop.clone())
            .nest("/backup", recoup_server::router(recoup.clone()));
        tokio::spawn(background(shop.clone()));
        Ok(Running { routes, shop, recoup, scheduler })
    }

    /// Answers on `listener` until `end`, then ends in order: streams, runs, the application's own state.
    pub async fn serve(self, listener: TcpListener, end: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let recoup = self.recoup.clone();
        let end = async move {
            end.await;
            recoup.close();
        };
        let service = self.routes.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listener, service).with_graceful_shutdown(end).await;
        self.scheduler.stop(Duration::from_secs(10)).await;
        *locked(&self.shop.paused) = true;
        self.shop.put_out()?;
        self.recoup.catalog().close().await;
        served.map_err(|error| Error::io("serving", error))
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn StdError>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or("shop-data".into()));
    let listener = TcpListener::bind(arguments.next().unwrap_or("127.0.0.1:8080".into())).await?;
    let running = Running::start(&folder).await?;
    println!("The shop is at http://{0}, its backups at http://{0}/backup/api/docs", listener.local_addr()?);
    running.serve(listener, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
