//! The scheduler: sleeps until a plan is due, queues its run, and keeps a few workers busy with what is queued. On a
//! runtime of its own, so that nobody who is slow can hold it up.
//!
//! Not here: when a plan is due ([`crate::model::schedule`], a pure function), what a run does ([`crate::engine`]), and
//! that no occurrence runs twice (the catalog's unique rows). Everything here may stop at any point and start again.

mod chores;
mod look;
mod outbox;
mod steps;
mod takeover;
mod turn;
mod workers;

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{Mutex, oneshot};

pub use look::Looked;

use crate::config::ServerSettings;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use turn::Turn;

/// The clocks are read at least so often, whatever the interval: a machine wakes up, somebody sets the time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How a scheduler works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often the plans are looked at when nothing is known to be due (60 s), unless the catalog says otherwise. The
    /// clocks are read every half minute anyway.
    pub check_interval: Duration,
    /// How many runs are worked on at a time (2).
    pub workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { check_interval: Duration::from_secs(60), workers: 2 }
    }
}

impl Options {
    /// What `recoup.toml` says.
    pub fn of(settings: &ServerSettings) -> Self {
        let usual = Options::default();
        let workers = usize::try_from(settings.concurrency).unwrap_or(usual.workers);
        Options { check_interval: settings.check_interval.unwrap_or(usual.check_interval), workers }
    }

    /// The interval as it is now: that of the catalog can be changed at any time, and gives way to that of the file.
    async fn interval(&self, engine: &Engine) -> Result<Duration> {
        if let Some(written) = engine.settings().server.check_interval {
            return Ok(written);
        }
        let kept = engine.catalog().daemon_settings().await?.check_interval();
        Ok(kept.unwrap_or(self.check_interval))
    }
}

/// What a scheduler is doing.
#[derive(Debug, Clone, Serialize)]
pub struct State {
    /// Whether it is started.
    pub running: bool,
    /// Seconds between two looks.
    pub check_interval_seconds: u64,
    /// Runs that can be worked on at a time.
    pub workers: usize,
    /// When it last looked at the plans.
    pub last_check: Option<Timestamp>,
    /// The next time of any plan.
    pub next_due: Option<Timestamp>,
    /// Plans.
    pub plans: i64,
    /// Plans whose schedule runs.
    pub enabled: i64,
    /// Runs that wait.
    pub queued: i64,
    /// Runs that are worked on, by whomever.
    pub working: i64,
}

/// The namespace of [`Scheduler::start`].
#[derive(Debug, Clone, Copy)]
pub struct Scheduler;

impl Scheduler {
    /// Starts a scheduler for an engine. Several may share one catalog.
    pub async fn start(engine: Arc<Engine>, options: Options) -> Result<Handle> {
        let (moves, turn) = (Mutex::default(), StdMutex::default());
        let handle = Handle(Arc::new(Kept { engine, options, moves, turn }));
        handle.start().await?;
        Ok(handle)
    }
}

/// A scheduler, started or stopped. Dropping the last of its clones stops it without waiting.
#[derive(Clone)]
pub struct Handle(Arc<Kept>);

struct Kept {
    engine: Arc<Engine>,
    options: Options,
    /// Held while it starts or stops, so that two turns never overlap.
    moves: Mutex<()>,
    turn: StdMutex<Option<Turn>>,
}

impl Handle {
    /// Starts it again; nothing when it is started.
    pub async fn start(&self) -> Result<()> {
        let _alone = self.0.moves.lock().await;
        if !self.is_started() {
            *self.turn() = Some(Turn::start(self.0.engine.clone(), self.0.options)?);
        }
        Ok(())
    }

    /// Stops it; nothing when it is stopped. Takes no new run, lets those that are worked on end for half of `grace`,
    /// then interrupts them. After `grace` it returns whatever still goes on: what cannot be interrupted is closed and
    /// repeated by whoever starts next.
    pub async fn stop(&self, grace: Duration) {
        let _alone = self.0.moves.lock().await;
        let turn = self.turn().take();
        if let Some(turn) = turn {
            turn.stop(grace).await;
        }
    }

    /// Whether it takes new runs.
    pub fn is_started(&self) -> bool {
        self.turn().is_some()
    }

    /// Looks at the plans now, and tells what it found. Fails with `scheduler_stopped` ([`ErrorKind::Busy`]).
    pub async fn check_now(&self) -> Result<Looked> {
        let stopped = || Error::new(ErrorKind::Busy, "scheduler_stopped", "The scheduler is stopped");
        let (answer, answered) = oneshot::channel();
        self.turn().as_ref().ok_or_else(stopped)?.ask(answer);
        answered.await.map_err(|_| stopped())?
    }

    /// Wakes it, because something was queued or a plan was changed.
    pub fn wake(&self) {
        if let Some(turn) = self.turn().as_ref() {
            turn.wake();
        }
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is doing.
    pub async fn state(&self) -> Result<State> {
        let catalog = self.0.engine.catalog();
        let (plans, enabled) = catalog.count_plans().await?;
        let (queued, working) = catalog.queue().await?;
        let next_due = catalog.next_due().await?;
        let interval = self.0.options.interval(&self.0.engine).await?;
        let turn = self.turn();
        Ok(State {
            running: turn.is_some(),
            check_interval_seconds: interval.as_secs(),
            workers: self.0.options.workers,
            last_check: turn.as_ref().and_then(Turn::last_check),
            next_due: next_due.filter(|_| turn.is_some()),
            plans,
            enabled,
            queued,
            working,
        })
    }
}
