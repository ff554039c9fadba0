//! Whether the directory of a destination is the one that holds the backups, or the empty place where a disk is to be
//! mounted. A directory of ours carries a small file from its creation on; a mount point without its disk does not.
//!
//! Not here: who knows that there should be backups (the catalog, or `marker = true` in the configuration).

use std::path::Path;

use super::local::{LocalDestination, missing};
use super::{Destination, local};
use crate::error::{ErrorKind, Result};

/// Marks a directory as a destination of ours, once.
pub fn mark(root: &Path) -> Result<()> {
    LocalDestination::open(root, false)?.place_marker()
}

/// Makes sure that a directory which had backups is the one that had them. One that an older version made has no mark; it
/// is known by what lies there and gets one. Creates nothing else.
///
/// Errors: `destination_missing` ([`ErrorKind::Unreachable`]).
pub fn expect(root: &Path) -> Result<()> {
    let opened = LocalDestination::open(root, false)?;
    if opened.is_marked()? {
        return Ok(());
    }
    let manifest = |key: &str| key.ends_with(".manifest.json");
    if opened.list("")?.iter().any(|object| manifest(&object.key)) {
        return match opened.place_marker() {
            // It can be read, which is what somebody may want.
            Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NoSpace) => Ok(()),
            other => other,
        };
    }
    let why = format!("it has neither a {} file nor any of the backups that were there", local::MARKER);
    let hint = format!(
        "mount the disk; nothing was created in its place. If it is meant to be empty: touch {}",
        root.join(local::MARKER).display()
    );
    Err(missing(root).because(why).hint(hint))
}
