//! Backups that somebody reads: a restore, a verification or a download holds its backup, and nobody deletes it
//! meanwhile. A hold is a lease `hold-<stem>-<ulid>` in the staging area: any number of readers, one per holder.
//!
//! Whoever deletes takes the lease of the stem first and looks for holds then; whoever holds leaves its mark first
//! and then asks for the lease of the stem. So one of the two always sees the other. Not here: deleting.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use super::name;
use crate::destination::Lease;
use crate::error::{Error, ErrorKind, Result};

const PREFIX: &str = "hold-";

/// Keeps a backup from being deleted until it is dropped.
#[derive(Debug)]
pub struct Hold(#[allow(dead_code)] Lease);

/// Marks the backup `stem` as read. `None` where nothing can be written, and so nothing be deleted.
pub(super) fn take(root: &Path, stem: &str) -> Result<Option<Hold>> {
    let held = match Lease::take(root, &format!("{PREFIX}{stem}-{}", ulid::Ulid::generate())) {
        Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NoSpace) => return Ok(None),
        other => other?,
    };
    Ok(held.map(Hold))
}

/// Stems of the backups that are held. Marks of holders that died are removed on the way.
pub(super) fn held(root: &Path) -> Result<HashSet<String>> {
    let mut stems = HashSet::new();
    for lease in Lease::names(root)? {
        let Some(stem) = stem_of(&lease) else { continue };
        match Lease::take(root, &lease) {
            Ok(Some(_dead)) => {}
            // Who cannot find out must not delete.
            Ok(None) | Err(_) => drop(stems.insert(stem.to_owned())),
        }
    }
    Ok(stems)
}

/// Takes the lease of a stem, which others have for a moment at most, unless they work on the backup.
pub(super) fn lease(root: &Path, stem: &str) -> Result<Lease> {
    for _ in 0..100 {
        if let Some(lease) = Lease::take(root, stem)? {
            return Ok(lease);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(Error::new(ErrorKind::Busy, "backup_busy", format!("Somebody is working on {stem}")))
}

/// Somebody reads it.
pub(super) fn in_use(stem: &str) -> Error {
    Error::new(ErrorKind::Busy, "backup_in_use", format!("Backup is in use: {stem}"))
        .hint("a restore or a verification reads it; try again when that has ended")
}

fn stem_of(lease: &str) -> Option<&str> {
    let (stem, id) = lease.strip_prefix(PREFIX)?.rsplit_once('-')?;
    let ours = id.len() == 26 && ulid::Ulid::from_string(id).is_ok() && name::base_of_stem(stem).is_some();
    ours.then_some(stem)
}
