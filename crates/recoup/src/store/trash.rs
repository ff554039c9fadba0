//! Backups that retention removed from a directory wait a day in its trash, each in a folder
//! `<YYYYMMDDTHHMMSSZ>-<stem>`: when it was put there (UTC), and which backup it is.
//!
//! Not here: how files get there ([`crate::destination::Trash`]).

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use super::name;
use crate::destination::Trash;
use crate::error::Result;

/// How long a backup waits.
const WAIT: SignedDuration = SignedDuration::from_hours(24);
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A backup in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Its file name without extension: `<plan>-<YYYYMMDDTHHMMSSZ>-<id6>`.
    pub stem: String,
    /// Its plan.
    pub plan: String,
    /// When it was put there.
    pub since: Timestamp,
    /// When it may be removed for good.
    pub until: Timestamp,
    /// Length of its files together.
    pub bytes: u64,
    /// The folder that holds its files; moved back to `<destination>/<plan>/`, they are the backup again.
    pub folder: PathBuf,
}

/// The folder for a backup that is removed now.
pub(super) fn folder(stem: &str, now: Timestamp) -> String {
    format!("{}-{stem}", now.to_zoned(TimeZone::UTC).strftime(STAMP))
}

/// What lies in the trash, the oldest first. Folders with other names are not ours.
pub(super) fn list(trash: &Trash) -> Result<Vec<Trashed>> {
    let mut found = Vec::new();
    for (folder, bytes) in trash.folders()? {
        let Some((stamp, stem)) = folder.split_once('-') else { continue };
        let since = civil::DateTime::strptime(STAMP, stamp).ok().and_then(|at| at.to_zoned(TimeZone::UTC).ok());
        let (Some(since), Some(base)) = (since, name::base_of_stem(stem)) else { continue };
        let since = since.timestamp();
        found.push(Trashed {
            stem: stem.to_owned(),
            plan: base.split_once('/').map_or(String::new(), |(plan, _)| plan.to_owned()),
            since,
            until: since.saturating_add(WAIT).unwrap_or(Timestamp::MAX),
            bytes,
            folder: trash.path(&folder),
        });
    }
    Ok(found)
}

/// Removes for good what has waited long enough, or everything; tells what that was.
pub(super) fn empty(trash: &Trash, now: Timestamp, everything: bool) -> Result<Vec<Trashed>> {
    let mut removed = list(trash)?;
    removed.retain(|trashed| everything || trashed.until <= now);
    for trashed in &removed {
        trash.remove(&folder(&trashed.stem, trashed.since))?;
    }
    Ok(removed)
}
