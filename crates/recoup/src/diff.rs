//! The verb *diff*: what differs between two backups, or between a backup and the live data.

use std::path::Path;

use serde::Serialize;

use crate::error::Result;
use crate::progress::Context;
use crate::source::SourceFactory;
use crate::store::{Listed, Store};

/// Differences, part by part.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Databases that both or either side has.
    pub databases: Vec<DatabaseDiff>,
    /// Directories that both or either side has; single files count as directories with one entry.
    pub directories: Vec<DirectoryDiff>,
}

/// One database.
#[derive(Debug, Default, Serialize)]
pub struct DatabaseDiff {
    /// Name of the source.
    pub name: String,
    /// Tables with differences.
    pub tables: Vec<TableDiff>,
    /// Schema objects that differ, as `+ index videos_ext`, `- table old`, `~ view recent`.
    pub schema: Vec<String>,
}

/// One table: numbers of rows.
#[derive(Debug, Default, Serialize)]
pub struct TableDiff {
    /// Name.
    pub name: String,
    /// Rows only on the right.
    pub added: u64,
    /// Rows only on the left.
    pub removed: u64,
    /// Rows with the same key and other values.
    pub changed: u64,
}

/// One directory: numbers of entries, and a few names of each.
#[derive(Debug, Default, Serialize)]
pub struct DirectoryDiff {
    /// Name of the source.
    pub name: String,
    /// Entries only on the right.
    pub added: u64,
    /// Entries only on the left.
    pub removed: u64,
    /// Entries with other bytes, kind or link target.
    pub changed: u64,
    /// The first twenty, as `+ path`, `- path`, `~ path`.
    pub examples: Vec<String>,
}

/// The right-hand side.
pub enum Right<'a> {
    /// Another backup.
    Backup(&'a dyn Store, &'a Listed),
    /// The live data: the sources as they are now.
    Live(&'a [SourceFactory]),
}

/// Compares `left` with `right`. `scratch` is a private directory with room for both.
pub fn run(store: &dyn Store, left: &Listed, right: Right<'_>, scratch: &Path, context: &Context) -> Result<Report> {
    let _ = (store, left, right, scratch, context);
    unimplemented!()
}
