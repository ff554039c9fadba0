//! How far a run is: what its verb tells is kept until somebody asks or the next beat notes it in the catalog.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::model::Outcome;
use crate::model::job::State;
use crate::progress::{Cancel, Context, Observer, Phase};

/// A log longer than this is cut: a run that has more to say says it again.
const LOG_LIMIT: usize = 256 << 10;

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// What is done now, as a person reads it.
    pub phase: String,
    /// To what.
    pub what: String,
    /// Bytes worked through in this phase.
    pub done: u64,
    /// Bytes of this phase, when they are known.
    pub total: Option<u64>,
}

/// Something happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunEvent {
    /// Its id.
    pub run: String,
    /// Name of its plan.
    pub plan: String,
    /// Account whose run it is.
    pub owner: String,
    /// Where it stands.
    pub state: State,
    /// How far it is.
    pub progress: Option<Progress>,
    /// New lines of its log.
    pub line: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

/// Keeps what a verb tells.
pub(super) struct Watcher {
    clock: Arc<dyn Clock>,
    done: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    progress: Option<Progress>,
    /// Lines that no beat has noted yet.
    unkept: String,
    /// Lines that no event has told yet.
    untold: String,
    length: usize,
}

/// What can be done to a run of this process from outside.
#[derive(Clone)]
pub(super) struct Handle {
    /// Stops it.
    pub cancel: Cancel,
    /// Somebody asked for that: it is cancelled and not interrupted.
    pub asked: Cancel,
}

impl Watcher {
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Watcher { clock, done: AtomicU64::new(0), told: Mutex::default() })
    }

    pub fn context(self: &Arc<Self>, cancel: &Cancel) -> Context {
        Context { observer: self.clone(), cancel: cancel.clone(), clock: self.clock.clone() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line to the log.
    pub fn line(&self, text: &str) {
        let now = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut told = self.told();
        if told.length > LOG_LIMIT {
            return;
        }
        // What a file is called must not forge a line.
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = format!("{now} {text}\n");
        told.length += line.len();
        told.unkept.push_str(&line);
        told.untold.push_str(&line);
    }

    pub fn progress(&self) -> Option<Progress> {
        let done = self.done.load(Ordering::Relaxed);
        self.told().progress.clone().map(|progress| Progress { done, ..progress })
    }

    /// Lines for the catalog; given back with [`Watcher::give_back`] when they could not be kept.
    pub fn take_unkept(&self) -> String {
        std::mem::take(&mut self.told().unkept)
    }

    pub fn give_back(&self, lines: String) {
        let mut told = self.told();
        let later = std::mem::replace(&mut told.unkept, lines);
        told.unkept.push_str(&later);
    }

    /// Lines for those who watch.
    pub fn take_untold(&self) -> Option<String> {
        Some(std::mem::take(&mut self.told().untold)).filter(|lines| !lines.is_empty())
    }
}

impl Observer for Watcher {
    fn phase(&self, phase: Phase, what: &str, total: Option<u64>) {
        let words = phase.words();
        let fresh = {
            let mut told = self.told();
            self.done.store(0, Ordering::Relaxed);
            let next = Progress { phase: words.to_owned(), what: what.to_owned(), done: 0, total };
            let same = told.progress.as_ref().is_some_and(|now| now.phase == next.phase && now.what == next.what);
            told.progress = Some(next);
            !same
        };
        if fresh {
            self.line(&if what.is_empty() { words.to_owned() } else { format!("{words}: {what}") });
        }
    }
    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
    fn note(&self, text: &str) {
        self.line(text);
    }
}
