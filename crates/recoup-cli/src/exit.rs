//! Exit codes. Every error kind has one; the match is exhaustive, so that a new kind cannot be forgotten.

use recoup::ErrorKind;
use recoup::model::Outcome;

/// Done as asked.
pub const GOOD: u8 = 0;
/// Not done.
pub const FAILED: u8 = 1;
/// Done, with things to look at.
pub const WARNINGS: u8 = 3;
/// Bytes are not what they were.
pub const CORRUPTED: u8 = 13;

/// The exit code of an error.
pub fn of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed => FAILED,
        ErrorKind::Usage => 2,
        ErrorKind::NotFound => 10,
        ErrorKind::Busy => 11,
        ErrorKind::Denied => 12,
        ErrorKind::Corrupted => CORRUPTED,
        ErrorKind::Unreachable => 14,
        ErrorKind::NoSpace => 15,
        ErrorKind::Unsupported => 16,
        ErrorKind::WouldOverwrite => 17,
        ErrorKind::Cancelled => 130,
    }
}

/// The exit code of a run that ended without an error.
pub fn of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Good => GOOD,
        Outcome::Warnings => WARNINGS,
        Outcome::Failed | Outcome::Interrupted | Outcome::Missed => FAILED,
        Outcome::Cancelled => 130,
    }
}
