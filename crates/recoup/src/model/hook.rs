//! What a plan wants to be done to the application around a run. Carrying it out is [`crate::hooks`].

use std::path::PathBuf;

/// The hooks of a plan, each list in the order in which it is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hooks {
    /// Before sources are read.
    pub before_backup: Vec<HookSpec>,
    /// When all that lives has been read, however it went.
    pub after_backup: Vec<HookSpec>,
    /// Before live data is saved and replaced.
    pub before_restore: Vec<HookSpec>,
    /// When the new data is in place, or the old one again.
    pub after_restore: Vec<HookSpec>,
}

/// One thing that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct HookSpec {
    /// What.
    pub action: HookAction,
    /// Give up after so many milliseconds.
    pub timeout_ms: u64,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum HookAction {
    /// A program with its arguments; never a shell line.
    Program(Vec<String>),
    /// An HTTP request; 2xx is success, redirects are not followed.
    Http {
        /// `http` or `https`.
        url: String,
        /// `POST` unless said otherwise.
        method: String,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// A file of further ones, a line each as `name: value`, read when the request is made: secrets stay out of the
        /// configuration.
        headers_file: Option<PathBuf>,
    },
}
