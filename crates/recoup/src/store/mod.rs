//! Backups at a destination: how they are committed, listed, opened, protected and deleted. One layout so
//! far, `files`: data objects first, the manifest last; without a manifest there is no backup.
//!
//! Not here: how bytes become durable ([`crate::destination`]) and what retention decides.

mod files;
mod find;
mod name;
mod records;

use std::path::{Path, PathBuf};

pub use files::FilesStore;

use crate::error::{Error, Result};
use crate::format::Packed;
use crate::model::{BackupId, Manifest, Object, RestoreRecord};
use crate::progress::Context;

/// A backup as it lies at a destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its manifest.
    pub manifest: Manifest,
    /// Never removed by retention: by its kind, or by hand.
    pub protected: bool,
    /// Names of objects that are not there or have another size than the manifest says: the backup cannot be
    /// restored whole. Told from one listing; that the bytes are right is for verification to prove.
    pub missing: Vec<String>,
}

/// What lies at a destination.
#[derive(Debug, Default)]
pub struct Listing {
    /// Every backup whose manifest could be read, newest first.
    pub backups: Vec<Listed>,
    /// Manifests that could not be read, with the reason. Never silently skipped.
    pub damaged: Vec<(String, Error)>,
}

/// Backups at one destination and the rules of their layout.
pub trait Store: Send + Sync {
    /// For people: where this is.
    fn describe(&self) -> String;
    /// Where a run may stage its files cheaply; `None` when the store is remote.
    fn staging_root(&self) -> Option<PathBuf>;
    /// Bytes that may still be written here; `None` when unknown.
    fn free_bytes(&self) -> Result<Option<u64>>;
    /// Puts the data objects, each read back and compared, and fills `manifest.objects`. Nothing is listed yet.
    fn put_objects(&self, manifest: &mut Manifest, packed: &[Packed], context: &Context) -> Result<()>;
    /// Puts the manifest: now the backup exists.
    fn put_manifest(&self, manifest: &Manifest, context: &Context) -> Result<()>;
    /// Removes data objects of a manifest that was never put, after a failure.
    fn abandon(&self, manifest: &Manifest);
    /// Everything here, of one plan or of all.
    fn list(&self, plan: Option<&str>) -> Result<Listing>;
    /// A local path of one object: in place, or downloaded to `scratch`.
    fn fetch(&self, manifest: &Manifest, object: &Object, scratch: &Path, context: &Context) -> Result<PathBuf>;
    /// Protects a backup from retention and from `delete` without force, or lifts that.
    fn set_protected(&self, id: &BackupId, protected: bool, context: &Context) -> Result<()>;
    /// Removes a backup, manifest first. Protected ones only with `force`.
    fn delete(&self, id: &BackupId, force: bool) -> Result<()>;
    /// Removes what crashed runs left behind. Returns what was removed.
    fn sweep(&self) -> Result<Vec<String>>;
    /// Remembers a restore, so that it can be undone.
    fn put_record(&self, record: &RestoreRecord, context: &Context) -> Result<()>;
    /// The restores of a plan, oldest first.
    fn records(&self, plan: &str) -> Result<Vec<RestoreRecord>>;
}
