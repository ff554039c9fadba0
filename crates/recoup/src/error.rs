//! One error type for the whole library: a kind that callers can act on, a stable code, the sentence
//! a person reads, what we were doing, the cause and a hint.
//!
//! Not here: exit codes and HTTP statuses. The command line and the server map [`ErrorKind`] to theirs
//! in exhaustive matches, so that a new kind cannot be forgotten.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

/// The result of everything in this library that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about an error. Each kind has one exit code and one HTTP status at the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// It did not work and none of the more precise kinds fits.
    Failed,
    /// The request or the configuration is wrong; trying again will not help.
    Usage,
    /// A source, backup, plan or destination that was named does not exist.
    NotFound,
    /// Somebody holds what we need; trying again later may help.
    Busy,
    /// Permission denied, or the wrong key.
    Denied,
    /// Bytes are not what they were, or are not what they claim to be.
    Corrupted,
    /// A destination cannot be reached.
    Unreachable,
    /// No space, no quota or no inodes left.
    NoSpace,
    /// Made by a newer version, or a feature that this build does not have.
    Unsupported,
    /// Something exists that must not be replaced.
    WouldOverwrite,
    /// The user asked us to stop.
    Cancelled,
}

/// Why something failed. `Display` gives the sentence for people, without cause and hint.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    doing: Vec<String>,
    hint: Option<String>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error. `code` is stable, lower-case with underscores; scripts compare it.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Error { kind, code, message: message.into(), doing: Vec::new(), hint: None, cause: None }
    }

    /// The request or the configuration is wrong.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, code, message)
    }

    /// `Backup file is corrupted`, with what exactly is wrong as the cause.
    pub fn corrupted(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::Corrupted, "backup_corrupted", "Backup file is corrupted").because(detail.into())
    }

    /// `Not enough disk space`; `detail` says how much is needed and where.
    pub fn no_space(detail: impl Into<String>) -> Self {
        Error::new(ErrorKind::NoSpace, "disk_full", "Not enough disk space")
            .because(detail.into())
            .hint("free some space or choose another destination, then run it again")
    }

    /// The user asked us to stop.
    pub fn cancelled() -> Self {
        Error::new(ErrorKind::Cancelled, "cancelled", "Cancelled")
    }

    /// An operating system error, classified: no space and quota become [`ErrorKind::NoSpace`], missing
    /// things [`ErrorKind::NotFound`], permissions [`ErrorKind::Denied`]. An error of ours that travelled
    /// through `std::io` (inside a reader or a writer) comes out as it went in.
    pub fn io(doing: impl Into<String>, error: io::Error) -> Self {
        let error = match error.downcast::<Error>() {
            Ok(ours) => return ours.while_(doing),
            Err(error) => error,
        };
        let (kind, code) = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                return Error::no_space(error.to_string()).while_(doing);
            }
            io::ErrorKind::NotFound => (ErrorKind::NotFound, "not_found"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                (ErrorKind::Denied, "permission_denied")
            }
            io::ErrorKind::AlreadyExists => (ErrorKind::WouldOverwrite, "already_exists"),
            _ => (ErrorKind::Failed, "io_error"),
        };
        let doing = doing.into();
        Error::new(kind, code, format!("{doing}: {error}")).because(error)
    }

    /// An operating system error about one path.
    pub fn at(doing: &str, path: &Path, error: io::Error) -> Self {
        Error::io(format!("{doing} {}", path.display()), error)
    }

    /// Adds what we were doing; the outermost phrase comes first when shown.
    pub fn while_(mut self, doing: impl Into<String>) -> Self {
        self.doing.push(doing.into());
        self
    }

    /// Adds the cause.
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what the reader can do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Error {
    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The stable code, for scripts.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence alone, as the specifications word it.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, when we know.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What we were doing, outermost first, and the causes, as one line; empty when there is nothing to add.
    pub fn detail(&self) -> String {
        let mut parts: Vec<String> = self.doing.iter().rev().cloned().collect();
        let mut cause = self.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !self.message.contains(&text) && parts.last() != Some(&text) {
                parts.push(text);
            }
            cause = error.source();
        }
        parts.join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<Error> for io::Error {
    /// For readers and writers of ours behind `std::io` traits; [`Error::io`] takes it out again.
    fn from(error: Error) -> Self {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_keeps_its_kind_through_std_io() {
        let through: io::Error = Error::corrupted("byte 3").into();
        let back = Error::io("reading the archive", through);
        assert_eq!(back.kind(), ErrorKind::Corrupted);
        assert_eq!(back.to_string(), "Backup file is corrupted");
        assert_eq!(back.detail(), "reading the archive: byte 3");
    }

    #[test]
    fn a_full_disk_is_always_the_specified_sentence() {
        for raw in [28, 122] {
            let error = Error::io("writing", io::Error::from_raw_os_error(raw));
            assert_eq!((error.kind(), error.message()), (ErrorKind::NoSpace, "Not enough disk space"));
        }
    }
}
