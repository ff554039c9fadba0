//! One turn of a scheduler, from its start to its stop: a thread with a runtime, the tasks on it, what they tell each
//! other, and how they end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::look::{Looked, Looker};
use super::{LONGEST_SLEEP, Options, outbox, workers};
use crate::engine::{Actor, Engine};
use crate::error::{Error, Result};
use crate::model::audit::Event;
use crate::model::job::State;

/// Who asked for a look and waits for what it finds.
type Asked = oneshot::Sender<Result<Looked>>;

/// What the tasks of a turn tell each other.
#[derive(Debug)]
pub(super) struct Signals {
    /// Some: stop, within this time.
    pub stop: watch::Sender<Option<Duration>>,
    /// Raised when a run may be waiting for a worker.
    pub work: watch::Sender<u64>,
    /// Look at the plans.
    pub look: Notify,
    /// Look into the outbox.
    pub tell: Notify,
    asked: Mutex<Vec<Asked>>,
    last_check: Mutex<Option<Timestamp>>,
}

impl Signals {
    /// Wakes every worker.
    pub fn raise(&self) {
        self.work.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Returns once it is time to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`, so this ends only by the value.
        let _ = self.stop.subscribe().wait_for(Option::is_some).await;
    }

    pub fn is_stopping(&self) -> bool {
        self.stop.borrow().is_some()
    }
}

/// A started scheduler.
pub(super) struct Turn {
    signals: Arc<Signals>,
    ended: watch::Receiver<bool>,
}

impl Turn {
    pub fn start(engine: Arc<Engine>, options: Options) -> Result<Turn> {
        let signals = Arc::new(Signals {
            stop: watch::Sender::new(None),
            work: watch::Sender::new(0),
            look: Notify::new(),
            tell: Notify::new(),
            asked: Mutex::default(),
            last_check: Mutex::default(),
        });
        let failed = |error: std::io::Error| Error::io("starting the scheduler", error);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("scheduler")
            .enable_all()
            .build()
            .map_err(failed)?;
        engine.go_on();
        let (end, ended) = watch::channel(false);
        let turn = Turn { signals: signals.clone(), ended };
        let body = move || {
            runtime.block_on(run(engine, options, signals));
            // A verb that hangs in a system call cannot be waited for.
            runtime.shutdown_background();
            end.send_replace(true);
        };
        std::thread::Builder::new().name("scheduler".into()).spawn(body).map_err(failed)?;
        Ok(turn)
    }

    /// Stops and waits for the end, but not longer than `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.signals.stop.send_replace(Some(grace));
        let _ = timeout(grace + Duration::from_secs(1), self.ended.wait_for(|ended| *ended)).await;
    }

    pub fn ask(&self, answer: Asked) {
        self.signals.asked.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
        self.signals.look.notify_one();
    }

    pub fn wake(&self) {
        self.signals.look.notify_one();
        self.signals.tell.notify_one();
        self.signals.raise();
    }

    pub fn last_check(&self) -> Option<Timestamp> {
        *self.signals.last_check.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.signals.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert(Duration::ZERO);
            first
        });
    }
}

async fn run(engine: Arc<Engine>, options: Options, signals: Arc<Signals>) {
    let mut working = JoinSet::new();
    for number in 1..=options.workers.max(1) {
        let name = engine.worker(number);
        let (engine, signals) = (engine.clone(), signals.clone());
        working.spawn(async move {
            again(&signals, "a worker", || workers::work(engine.clone(), signals.clone(), name.clone())).await;
        });
    }
    let mut others = JoinSet::new();
    {
        let (engine, signals) = (engine.clone(), signals.clone());
        others.spawn(async move {
            again(&signals, "the scheduler", || plans(engine.clone(), options, signals.clone())).await;
        });
    }
    {
        let (engine, signals) = (engine.clone(), signals.clone());
        others.spawn(async move {
            again(&signals, "the outbox", || outbox::pump(engine.clone(), signals.clone())).await;
        });
    }
    {
        let (engine, signals) = (engine.clone(), signals.clone());
        others.spawn(async move { listen(&engine, &signals).await });
    }
    record(&engine, "start", true, json!({})).await;
    signals.stopped().await;
    let grace = signals.stop.borrow().unwrap_or_default();
    if timeout(grace / 2, ended(&mut working)).await.is_err() {
        engine.interrupt();
        let _ = timeout(grace / 2, ended(&mut working)).await;
    }
    if !grace.is_zero() {
        record(&engine, "stop", true, json!({})).await;
    }
    others.shutdown().await;
}

async fn record(engine: &Engine, what: &str, success: bool, details: serde_json::Value) {
    let event = Event {
        event: format!("backup_scheduler.{what}"),
        user: None,
        resource_type: "scheduler".into(),
        resource_id: engine.node().to_owned(),
        action: what.to_owned(),
        success,
        details,
    };
    engine.record(&Actor::daemon(), event).await;
}

async fn ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}

/// Does something as a task of its own and, when that panics, does it again: a mistake in one run ends no worker.
async fn again<F>(signals: &Signals, what: &str, make: impl Fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let mut task = JoinSet::new();
        task.spawn(make());
        match task.join_next().await {
            Some(Err(error)) if error.is_panic() && !signals.is_stopping() => {
                tracing::error!("{what} panicked and goes on");
            }
            _ => return,
        }
        let _ = timeout(Duration::from_secs(1), signals.stopped()).await;
    }
}

/// Wakes the workers when somebody queues a run in this process. What others queue is found by the next look.
async fn listen(engine: &Engine, signals: &Signals) {
    let mut events = engine.watch();
    loop {
        match events.recv().await {
            Ok(event) if event.state == State::Queued => signals.raise(),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => signals.raise(),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Looks at the plans whenever it is time to.
async fn plans(engine: Arc<Engine>, options: Options, signals: Arc<Signals>) {
    let mut looker = Looker::new(engine.clone());
    let mut failing = None;
    while !signals.is_stopping() {
        let asked = std::mem::take(&mut *signals.asked.lock().unwrap_or_else(PoisonError::into_inner));
        let looked = looker.look().await;
        let mut sleep = LONGEST_SLEEP.min(options.interval(&engine).await.unwrap_or(options.check_interval));
        let code = looked.as_ref().err().map(Error::code);
        if let Err(error) = &looked {
            tracing::error!("{error}");
            if failing != code {
                let details = json!({"code": error.code(), "message": error.message()});
                record(&engine, "check_error", false, details).await;
            }
        }
        failing = code;
        if let Ok(looked) = &looked {
            *signals.last_check.lock().unwrap_or_else(PoisonError::into_inner) = Some(looked.at);
            sleep = sleep.min(looked.sleep()).max(Duration::from_millis(10));
            signals.raise();
            if looked.told {
                signals.tell.notify_one();
            }
        }
        for answer in asked {
            // Nobody waits any more: fine.
            let _ = answer.send(match &looked {
                Ok(looked) => Ok(*looked),
                Err(error) => Err(Error::new(error.kind(), error.code(), error.message())),
            });
        }
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = signals.look.notified() => {}
            () = signals.stopped() => {}
        }
    }
}
