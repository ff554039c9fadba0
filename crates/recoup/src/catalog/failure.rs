//! What the databases complain about, as errors of ours, and what is simply tried again. The text of a PostgreSQL URL,
//! which may hold a password, never gets in.

use std::future::Future;

use crate::error::{Error, ErrorKind};

/// How often a statement is tried that another one was in the way of.
const TRIES: u32 = 10;

/// An error of the database, as ours.
pub(super) fn failed(doing: &str, error: sqlx::Error) -> Error {
    let (kind, code, text) = match &error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => UNREACHABLE,
        sqlx::Error::Database(cause) => match cause.code().as_deref() {
            Some(code) if code.len() == 5 => of_postgres(code),
            _ => of_sqlite(cause.message()),
        },
        _ => OTHERWISE,
    };
    Error::new(kind, code, text).while_(doing).because(error)
}

type Meaning = (ErrorKind, &'static str, &'static str);
const OTHERWISE: Meaning = (ErrorKind::Failed, "catalog_failed", "The catalog did not do what was asked");
const UNREACHABLE: Meaning = (ErrorKind::Unreachable, "catalog_unreachable", "The catalog cannot be reached");
const BUSY: Meaning = (ErrorKind::Busy, "catalog_busy", "The catalog is in use");
const FULL: Meaning = (ErrorKind::NoSpace, "disk_full", "Not enough disk space");
const CORRUPTED: Meaning = (ErrorKind::Corrupted, "catalog_corrupted", "The catalog is corrupted");
const DENIED: Meaning = (ErrorKind::Denied, "catalog_read_only", "The catalog may not be written");

/// By SQLSTATE (PostgreSQL's appendix A, error codes).
fn of_postgres(code: &str) -> Meaning {
    match code {
        "53100" => FULL,
        "53300" | "40001" | "40P01" | "55P03" => BUSY,
        "25006" | "42501" => DENIED,
        "22021" => (ErrorKind::Usage, "bad_text", "A text has a NUL character"),
        _ if code.starts_with("08") || code.starts_with("28") || code.starts_with("57P") => UNREACHABLE,
        "3D000" => UNREACHABLE,
        _ if code.starts_with("XX") => CORRUPTED,
        _ => OTHERWISE,
    }
}

/// By the text: sqlx gives extended result codes, of which there are many for each.
fn of_sqlite(text: &str) -> Meaning {
    match text {
        _ if text.contains("is locked") => BUSY,
        _ if text.contains("disk is full") => FULL,
        _ if text.contains("malformed") || text.contains("not a database") => CORRUPTED,
        _ if text.contains("readonly") || text.contains("unable to open") => DENIED,
        _ => OTHERWISE,
    }
}

/// Whether a statement failed because what it adds is there already.
pub(super) fn is_taken(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause) if cause.is_unique_violation())
}

/// Whether PostgreSQL ended a statement only because another one was in its way: serialization failure, deadlock.
fn is_in_the_way(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause) if matches!(cause.code().as_deref(), Some("40001" | "40P01")))
}

/// Does what changes many rows, again when another change of many rows was in its way. A serialization failure or a
/// deadlock has undone all of the statement (PostgreSQL's manual, 13.5).
pub(super) async fn patiently<T, F, A>(attempt: F) -> Result<T, sqlx::Error>
where
    F: Fn() -> A + Send,
    A: Future<Output = Result<T, sqlx::Error>> + Send,
{
    for _ in 1..TRIES {
        match attempt().await {
            Err(error) if is_in_the_way(&error) => {}
            done => return done,
        }
    }
    attempt().await
}
