//! Whether the directory of a destination is the one that holds the backups, or the empty place where a disk is to be
//! mounted. A directory of ours carries a small file from its creation on; a mount point without its disk does not.
//!
//! Not here: who knows that there should be backups (the catalog, or `marker = true` in the configuration).

use std::path::Path;

use super::local::{LocalDestination, missing};
use super::{Destination, local};
use crate::error::{ErrorKind, Result};

/// Marks a directory as a destination of ours, once; gives what its mark says.
pub fn mark(root: &Path) -> Result<String> {
    let opened = LocalDestination::open(root, false)?;
    if opened.marker()?.is_none() {
        opened.place_marker()?;
    }
    Ok(opened.marker()?.unwrap_or_default())
}

/// Makes sure that a directory which had backups is one that has them: it has the mark that is `known`, or there are
/// backups, as on a second disk that takes turns with the first. One that an older version made has no mark, and gets one.
/// Creates nothing else.
///
/// Errors: `destination_missing` ([`ErrorKind::Unreachable`]).
pub fn expect(root: &Path, known: Option<&str>) -> Result<()> {
    let opened = LocalDestination::open(root, false)?;
    let found = opened.marker()?;
    // By hand, or before anything was remembered.
    let unknown = known.is_none_or(str::is_empty) || found.as_deref() == Some("");
    if found.is_some() && (unknown || found.as_deref() == known) {
        return Ok(());
    }
    if opened.list("")?.iter().any(|object| object.key.ends_with(".manifest.json")) {
        return match (found, opened.place_marker()) {
            // It can be read, which is what somebody may want.
            (None, Err(error)) if !matches!(error.kind(), ErrorKind::Denied | ErrorKind::NoSpace) => Err(error),
            _ => Ok(()),
        };
    }
    let why = match found {
        None => format!("it has neither a {} file nor any of the backups that were there", local::MARKER),
        Some(_) => format!("its {} file is another one, and none of the backups are there", local::MARKER),
    };
    let hint = format!(
        "mount the disk; nothing was created in its place. If it is meant to be empty: > {}",
        root.join(local::MARKER).display()
    );
    Err(missing(root).because(why).hint(hint))
}
