//! Which copy of a backup is read: the nearest that is good, and the next one when it turns out to be damaged or out of
//! reach. What was found wrong is said, and kept in the list.
//!
//! Not here: the order ([`copies::rank`]), and what is done with the copy.

use std::sync::Arc;

use serde_json::json;

use super::audit::event;
use super::fence::{backup_missing, find};
use super::site::Site;
use super::work::told;
use super::{Actor, Engine};
use crate::catalog::BackupRow;
use crate::destination::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::model::copies::rank;
use crate::model::{Level, Warning};
use crate::store::{Listed, Store, take_over};
use crate::verify;

/// A copy that was passed over.
pub(super) struct Skipped {
    pub copy: BackupRow,
    /// What is wrong with it for certain; `None` when it could only not be reached.
    pub damaged: Option<String>,
    /// It is not there any more.
    pub gone: bool,
    /// What is said of it.
    pub why: String,
}

impl Skipped {
    /// `copy_skipped`, for people.
    pub fn warning(&self) -> Warning {
        Warning::new("copy_skipped", format!("The copy at {} was not used: {}", self.copy.destination, self.why))
    }
}

/// A copy that is open.
pub(super) struct Copy {
    pub store: Arc<dyn Store>,
    pub listed: Listed,
    /// Where somebody else's file was laid out.
    _taken: Option<Staging>,
}

impl Copy {
    pub fn new(store: Arc<dyn Store>, listed: Listed) -> Self {
        Copy { store, listed, _taken: None }
    }
}

impl Site {
    /// Copies in the order in which they are tried.
    pub fn nearest(&self, copies: &[BackupRow]) -> Vec<BackupRow> {
        let mut copies = copies.to_vec();
        let remote = |copy: &BackupRow| self.destination(&copy.destination).is_ok_and(|found| found.path().is_none());
        copies.sort_by_key(|copy| rank(copy.damaged.is_some(), remote(copy), copy.verified));
        copies
    }

    pub fn open_one(&self, copy: &BackupRow) -> Result<Copy> {
        let store = self.store(&copy.destination)?;
        if copy.foreign.is_some() {
            let listing = store.list(None)?;
            let scratch = self.scratch()?;
            let listed = find(&listing, &copy.id)?;
            let (store, listed) = take_over(store.as_ref(), listed, scratch.path(), &self.context())?;
            return Ok(Copy { store, listed, _taken: Some(scratch) });
        }
        let listing = store.list(Some(&copy.plan))?;
        let listed = find(&listing, &copy.id).map_err(|missing| {
            // A manifest that cannot be read does not mean that the backup is gone.
            let tail = copy.id.get(20..).unwrap_or_default().to_ascii_lowercase();
            match listing.damaged.iter().find(|(key, _)| key.contains(&tail)) {
                Some((key, error)) => Error::corrupted(error.detail()).while_(format!("reading {key}")),
                None => missing,
            }
        })?;
        Ok(Copy::new(store, listed.clone()))
    }

    /// Does something with the nearest copy, and with the next when that one is to blame that it failed; tells which were
    /// passed over. What is done must leave nothing behind when it fails.
    pub fn first_good<T>(
        &self,
        copies: &[BackupRow],
        mut act: impl FnMut(&BackupRow, &Copy) -> Result<T>,
    ) -> (Result<T>, Vec<Skipped>) {
        let mut skipped = Vec::new();
        let mut last = backup_missing(copies.first().map_or("", |copy| copy.id.as_str()));
        for copy in self.nearest(copies) {
            let (error, opened) = match self.open_one(&copy) {
                Ok(opened) => match act(&copy, &opened) {
                    Ok(done) => return (Ok(done), skipped),
                    Err(error) => (error, Some(opened)),
                },
                Err(error) => (error, None),
            };
            match self.blame(copy, opened.as_ref(), &error) {
                Some(skip) => skipped.push(skip),
                None => return (Err(error), skipped),
            }
            last = error;
        }
        (Err(last), skipped)
    }

    /// Whether a copy is to blame for an error, and not what was done with it.
    fn blame(&self, copy: BackupRow, opened: Option<&Copy>, error: &Error) -> Option<Skipped> {
        let why = told(error);
        let (damaged, gone) = match (error.kind(), opened) {
            (ErrorKind::Unreachable, _) => (None, false),
            (ErrorKind::NotFound, None) => (None, error.code() == "backup_missing"),
            (ErrorKind::NotFound, Some(_)) => (None, false),
            (ErrorKind::Corrupted, None) => (Some(why.clone()), false),
            (ErrorKind::Corrupted, Some(opened)) => (Some(self.wrong_bytes(opened)?), false),
            // Who cannot sign in there cannot read there.
            (ErrorKind::Denied, None) => (None, false),
            _ => return None,
        };
        Some(Skipped { copy, damaged, gone, why })
    }

    /// What is wrong with the bytes of a copy; `None` when they are as they were stored.
    fn wrong_bytes(&self, copy: &Copy) -> Option<String> {
        if !copy.listed.missing.is_empty() {
            return Some(format!("missing: {}", copy.listed.missing.join(", ")));
        }
        let scratch = self.scratch().ok()?;
        let looked = verify::run(copy.store.as_ref(), &copy.listed, Level::Checksum, scratch.path(), &self.context());
        match looked {
            Ok(report) => report.problems.first().map(|problem| problem.text.clone()),
            // A download is compared on its way.
            Err(error) if error.kind() == ErrorKind::Corrupted => Some(told(&error)),
            Err(_) => None,
        }
    }
}

impl Engine {
    /// Keeps in the list what was found wrong with copies on the way to a good one.
    pub(super) async fn note_skipped(&self, who: &Actor, skipped: &[Skipped]) {
        for skip in skipped {
            let copy = &skip.copy;
            let noted = match (&skip.damaged, skip.gone) {
                (Some(why), _) => {
                    let details = json!({ "destination": copy.destination, "ok": false, "message": why });
                    let found = event("backup.verified", ("backup", &copy.id), "verify", false, details);
                    self.record(who, found).await;
                    self.catalog.put_backup(&BackupRow { damaged: Some(why.clone()), ..copy.clone() }).await
                }
                (None, true) => self.catalog.forget_backup(&copy.id, Some(&copy.destination)).await,
                (None, false) => Ok(()),
            };
            if let Err(error) = noted {
                tracing::error!(backup = copy.id, destination = copy.destination, "Damage could not be noted: {error}");
            }
        }
    }
}

/// Somebody else's file is read and nothing else.
pub(super) fn read_only(id: &str) -> Error {
    Error::new(ErrorKind::Denied, "backup_read_only", format!("{id} was not made by recoup and is only read"))
        .hint("restore from it, or remove the file yourself")
}
