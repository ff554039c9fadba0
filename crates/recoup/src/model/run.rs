//! How a run ends, and what is wrong when something is.

use serde::{Deserialize, Serialize};

/// The end of one attempt at backup, restore, verification or prune.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything that was asked for was done and proven.
    #[default]
    Good,
    /// Done, but the manifest lists things to look at.
    Warnings,
    /// Not done.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// A crash or a power cut ended it.
    Interrupted,
    /// Its time passed while nothing ran.
    Missed,
}

/// One thing that verification found wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, for scripts: `size_differs`, `hash_differs`, `integrity`, …
    pub code: String,
    /// The sentence for people, naming the part.
    pub text: String,
}

impl Problem {
    /// A problem with its stable code and its sentence.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Problem { code: code.to_owned(), text: text.into() }
    }
}
