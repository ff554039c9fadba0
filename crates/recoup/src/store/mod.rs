//! Backups at a destination: how they are committed, listed, opened, protected and deleted. Data objects first, the manifest
//! last; without a manifest there is no backup. Two layouts: in `files` the objects lie there as they are, in `history` they
//! are made of pieces that several backups share. A manifest says which; both may lie side by side.
//!
//! Not here: how bytes become durable ([`crate::destination`]) and what retention decides.

#[cfg_attr(not(feature = "encryption"), path = "no_cipher.rs")]
mod cipher;
mod files;
mod find;
mod foreign;
mod history;
mod hold;
mod key_name;
mod keyring;
mod last;
mod memory;
mod name;
mod pieces;
mod reading;
mod records;
mod removal;
mod seal;
mod trash;

use std::path::{Path, PathBuf};

pub use cipher::{Identity, fingerprint};
pub use files::FilesStore;
pub use foreign::{keep_adopted, take_over};
pub use hold::Hold;
pub use keyring::{Keyring, Place as KeyPlace, Rotated};
pub use last::Taken;
pub(crate) use name::{PLAIN as EXTENSIONS, in_pieces};
pub use trash::Trashed;
pub(crate) use trash::not_there as not_in_trash;

use crate::destination::Lease;
use crate::error::{Error, Result};
use crate::format::Packed;
use crate::model::encryption::Protection;
use crate::model::guard::Memory;
use crate::model::{BackupId, Manifest, Object, RestoreRecord, Warning};
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
    /// Somebody holds it right now.
    pub in_use: bool,
    /// The key of the file, when somebody else made it: then it is only read, and its manifest is what can be said without
    /// opening it ([`take_over`]).
    pub foreign: Option<String>,
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
    /// What becomes of backups of a plan that are put here.
    fn protection(&self, plan: &str) -> Protection;
    /// Whether what is put here is made small on the way, and better be given as it is.
    fn compresses(&self) -> bool;
    /// This backup turned out to be damaged: nothing that was remembered of its plan is to be relied upon.
    fn distrust(&self, manifest: &Manifest);
    /// The copy of the only database of a plan, as the last run made it, to be brought up to date where it lies. `None`
    /// where nothing is kept, or somebody else has it.
    fn take_earlier(&self, plan: &str) -> Option<Taken>;
    /// Makes sure that backups of a plan can be locked here and opened again, before anything is made; makes a key where
    /// one is needed. Warnings are worth telling once.
    ///
    /// Errors: `wrong_key` when what is configured does not fit the key that is there.
    fn check_key(&self, plan: &str, context: &Context) -> Result<Vec<Warning>>;
    /// Puts the data objects, each read back and compared, and fills `manifest.objects`: as they are before encryption.
    /// Nothing is listed yet.
    fn put_objects(&self, manifest: &mut Manifest, packed: &[Packed], context: &Context) -> Result<()>;
    /// Whether a backup of the same bytes as `before`, the newest of its plan here, is made by [`Store::put_again`].
    fn can_repeat(&self, before: &Listed, context: &Context) -> Result<bool>;
    /// Does what [`Store::put_objects`] does, with the bytes that `before` is made of: nothing is stored.
    fn put_again(&self, manifest: &mut Manifest, before: &Manifest, context: &Context) -> Result<()>;
    /// Puts the manifest: now the backup exists.
    fn put_manifest(&self, manifest: &Manifest, context: &Context) -> Result<()>;
    /// Removes data objects of a manifest that was never put, after a failure.
    fn abandon(&self, manifest: &Manifest);
    /// Everything here, of one plan or of all. With those of all come the files of others that look like backups.
    fn list(&self, plan: Option<&str>) -> Result<Listing>;
    /// A local path of one object: in place, downloaded or decrypted to `scratch`. The object is one of
    /// [`Manifest::objects`], or of [`Manifest::stored`] for the bytes as they lie there.
    fn fetch(&self, manifest: &Manifest, object: &Object, scratch: &Path, context: &Context) -> Result<PathBuf>;
    /// A local path of somebody else's file, by its key: in place, or downloaded to `scratch`.
    fn fetch_foreign(&self, key: &str, scratch: &Path, context: &Context) -> Result<PathBuf>;
    /// Where people can look at a backup; `None` for destinations without pages.
    fn link(&self, manifest: &Manifest) -> Result<Option<String>>;
    /// Protects a backup from retention and from `delete` without force, or lifts that.
    fn set_protected(&self, id: &BackupId, protected: bool, context: &Context) -> Result<()>;
    /// Keeps a backup from being deleted until the hold is dropped; `None` where this cannot be said (a remote
    /// destination, one that cannot be written to). Fails when it is not there, or is being deleted.
    fn hold(&self, manifest: &Manifest) -> Result<Option<Hold>>;
    /// Removes a backup for good, manifest first. Protected ones only with `force`; one that is held never, the code
    /// is `backup_in_use`.
    fn delete(&self, id: &BackupId, force: bool) -> Result<()>;
    /// As [`Store::delete`], but where the destination has a trash it waits there for 24 hours; tells whether.
    fn discard(&self, id: &BackupId, force: bool) -> Result<bool>;
    /// What lies in the trash, the oldest first.
    fn trash(&self) -> Result<Vec<Trashed>>;
    /// Puts a backup back from the trash, by its stem, protected from retention where that is asked: it would take it again.
    ///
    /// Errors: `trash_missing`, also when it has waited long enough; `backup_exists`.
    fn put_back(&self, stem: &str, _protect: bool, _context: &Context) -> Result<Manifest> {
        Err(trash::not_there(stem))
    }
    /// Removes for good what has been in the trash for 24 hours, or everything; tells what that was.
    fn empty_trash(&self, everything: bool) -> Result<Vec<Trashed>>;
    /// Removes what crashed runs left behind, and files of ours without a single byte. Returns what was removed.
    /// Also empties the trash of what has waited there long enough.
    fn sweep(&self) -> Result<Vec<String>>;
    /// Taken by whoever applies retention, so that two do not at once: [`crate::ErrorKind::Busy`] when somebody has it,
    /// `None` where there are no leases.
    fn retention_lease(&self) -> Result<Option<Lease>>;
    /// What retention remembers of a plan; empty where nothing is remembered.
    fn memory(&self, plan: &str) -> Result<Memory>;
    /// Replaces that. Only for who has the retention lease.
    fn remember(&self, plan: &str, memory: &Memory) -> Result<()>;
    /// Remembers a restore, so that it can be undone.
    fn put_record(&self, record: &RestoreRecord, context: &Context) -> Result<()>;
    /// The restores of a plan, oldest first.
    fn records(&self, plan: &str) -> Result<Vec<RestoreRecord>>;
}
