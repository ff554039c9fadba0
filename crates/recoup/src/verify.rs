//! The verb *verify*: is a stored backup still what its manifest says?

use std::path::Path;

use crate::error::Result;
use crate::model::{BackupId, Level, Problem};
use crate::progress::Context;
use crate::store::{Listed, Store};

/// What verification found.
#[derive(Debug)]
pub struct Report {
    /// Which backup.
    pub id: BackupId,
    /// How deep it was looked at.
    pub level: Level,
    /// Nothing wrong.
    pub ok: bool,
    /// Everything wrong.
    pub problems: Vec<Problem>,
}

/// Verifies one backup at `level`. `scratch` is a private directory on a disk with room for a restored copy.
/// Errors are for what could not be looked at; what is wrong with the backup is in the report.
pub fn run(store: &dyn Store, backup: &Listed, level: Level, scratch: &Path, context: &Context) -> Result<Report> {
    let _ = (store, backup, level, scratch, context);
    unimplemented!()
}
