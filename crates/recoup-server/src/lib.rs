//! Recoup with a door: routes, views, problem documents and sign-in over the engine of the library. Nothing that is true
//! about backups lives here.
//!
//! [`router`] is an axum router that can be mounted inside another application under any path; [`server::serve`] runs it
//! alone, with limits on what a connection may do.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod caller;
pub mod conditional;
mod disk;
mod door;
pub mod idempotency;
pub mod input;
mod limits;
mod openapi;
pub mod options;
mod passwords;
pub mod problem;
mod routes;
pub mod secret;
pub mod server;
mod session;
mod setup;
pub mod views;
mod web;

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use axum::Router;
use jiff::Timestamp;
use recoup::Result;
use recoup::catalog::Catalog;
use recoup::engine::Engine;
use recoup::model::audit::Event;
use recoup::scheduler;
use tokio::sync::{Semaphore, watch};

pub use caller::{Authenticate, Caller, Identity};
pub use options::Options;
pub use problem::Problem;

/// How many passwords are checked at one time: each takes 19 MiB and a core.
const PASSWORDS_AT_ONCE: usize = 2;

/// What every handler is given. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    options: Options,
    limits: limits::Limits,
    passwords: Semaphore,
    closing: watch::Sender<bool>,
    scheduler: OnceLock<scheduler::Handle>,
    /// The clock's elapsed time when this began.
    began: std::time::Duration,
}

impl App {
    /// An application on an engine.
    pub fn new(engine: Arc<Engine>, options: Options) -> Self {
        let limits = limits::Limits::new(options.rate);
        let passwords = Semaphore::new(PASSWORDS_AT_ONCE);
        let (closing, scheduler) = (watch::Sender::new(false), OnceLock::new());
        let began = engine.clock().elapsed();
        App(Arc::new(Inner { engine, options, limits, passwords, closing, scheduler, began }))
    }

    /// With the scheduler that works on this engine; only the first is taken.
    pub fn with_scheduler(self, scheduler: scheduler::Handle) -> Self {
        let _ = self.0.scheduler.set(scheduler);
        self
    }

    /// The scheduler, where there is one.
    pub fn scheduler(&self) -> Option<&scheduler::Handle> {
        self.0.scheduler.get()
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    /// The engine's catalog.
    pub fn catalog(&self) -> &Catalog {
        self.0.engine.catalog()
    }

    /// How the server is reached.
    pub fn options(&self) -> &Options {
        &self.0.options
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.0.engine.clock().now()
    }

    /// For how long this has been running.
    pub fn uptime(&self) -> std::time::Duration {
        self.0.engine.clock().elapsed().saturating_sub(self.0.began)
    }

    /// A new ULID.
    pub fn new_id(&self) -> String {
        ulid::Ulid::from_datetime(self.system_time()).to_string()
    }

    /// A code with which the first admin is made, in place of any before; `None` while there is an admin who can sign
    /// in, or when an application signs people in. Print it to the console and nowhere else.
    pub async fn setup_code(&self) -> Result<Option<String>> {
        setup::new_code(self).await
    }

    /// Records an event, then does what it tells of. What cannot be recorded is not done; what could not be done is
    /// recorded as that.
    pub async fn audited<T>(&self, event: Event, act: impl Future<Output = Result<T>>) -> Result<T> {
        let failed = Event { success: false, ..event.clone() };
        self.catalog().append_audit(event, self.now()).await?;
        let done = act.await;
        if done.is_err() {
            self.catalog().append_audit(failed, self.now()).await?;
        }
        done
    }

    /// Told that it is over: streams of events end, no new ones begin.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// Resolves when [`App::close`] is called; for streams that would never end by themselves.
    pub async fn closing(&self) {
        let mut closing = self.0.closing.subscribe();
        // The sender lives as long as `self`.
        let _ = closing.wait_for(|closed| *closed).await;
    }

    pub(crate) fn limits(&self) -> &limits::Limits {
        &self.0.limits
    }

    pub(crate) fn passwords(&self) -> &Semaphore {
        &self.0.passwords
    }

    pub(crate) fn system_time(&self) -> SystemTime {
        SystemTime::from(self.now())
    }
}

/// Every route, with everything that guards them. May be nested in another axum application under any path; that
/// application then serves with `into_make_service_with_connect_info::<SocketAddr>()`, or addresses are not limited.
pub fn router(app: App) -> Router {
    routes::router(app)
}

/// The OpenAPI document, made from the code.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::openapi()
}
