//! What a run is to do and how far it is, as the catalog keeps it and the API shows it. How it ends is
//! [`super::run`]; how it is done is the engine's.

use serde::{Deserialize, Serialize};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunKind {
    /// Makes a backup.
    Backup,
    /// Proves backups.
    Verify,
    /// Puts data back.
    Restore,
    /// Applies retention.
    Prune,
    /// Brings backups to a destination that lacks them.
    Copy,
}

/// Why a run exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its time came.
    Scheduled,
    /// A person, a script or a token asked.
    Manual,
    /// Its time, or several, passed while nothing ran.
    CatchUp,
    /// A crash interrupted the run before it.
    Retry,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for a worker, for its resource, or for the time of its next attempt.
    Queued,
    /// Somebody works on it.
    Running,
    /// It has an outcome.
    Done,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word in the catalog and in the API.
            pub fn word(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
            /// The value of a word.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some($type::$variant),)+ _ => None }
            }
        }
    };
}
words!(RunKind { Backup = "backup", Verify = "verify", Restore = "restore", Prune = "prune", Copy = "copy" });
words!(Cause { Scheduled = "scheduled", Manual = "manual", CatchUp = "catch_up", Retry = "retry" });
words!(State { Queued = "queued", Running = "running", Done = "done" });
