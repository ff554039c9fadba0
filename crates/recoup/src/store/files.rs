//! The `files` layout: every backup is a few plain files in its plan's directory.
//!
//! ```text
//! <plan>/<stem>.zip             data objects, first (.db, .json, .csv.zip; encrypted ones end with .age)
//! <plan>/<stem>.manifest.json   the manifest, last: from here on the backup exists
//! <plan>/<stem>.protected       protected by hand; absent otherwise
//! ```
//!
//! **Leftovers.** Data without a manifest may be a run that works, a run that died, or a backup whose manifest
//! somebody lost. Only the second is removed, and only on positive evidence: before a run puts its first
//! object, and before a deletion removes a manifest, it announces the stem. Locally the announcement is a
//! [`Lease`], held as long as the process lives; remotely it is an object `<plan>/<stem>.pending`, believed dead
//! after 24 hours. A sweep that finds a dead announcement and *then* no manifest removes what has exactly
//! that stem and an extension of ours; with a manifest it removes only the announcement. Data that nobody
//! announced is never touched, unless it has not a single byte and nobody works on it.
//!
//! **The trash** of a directory keeps what retention removed for a day ([`super::trash`]); backups that are
//! [held](super::hold) are not removed at all.
//!
//! Not here: how bytes become durable ([`crate::destination`]), finding a backup by name ([`super::find`]) and taking
//! one away ([`super::removal`]).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;

use super::history::{self, Histories};
use super::keyring::Writer;
use super::last::{Captured, Taken};
use super::name::{self, MANIFEST, PENDING, PROTECTED, StoredName};
use super::reading::{base_of, belongs};
use super::seal::stored_form;
use super::{Hold, Keyring, Listed, Listing, Store, Trashed, foreign, hold, memory, trash};
use crate::clock::{Clock, SystemClock};
use crate::destination::{Body, Destination, Lease, ObjectInfo, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Packed;
use crate::model::backup::{HISTORY_VERSION, MANIFEST_VERSION};
use crate::model::encryption::Protection;
use crate::model::guard::Memory;
use crate::model::{BackupId, Manifest, Object, Plan, RestoreRecord, Warning};
use crate::progress::Context;

pub(super) const MARK: &[u8] = b"{\"protected\": true}\n";
/// How old an announcement at a destination without locks must be before its run counts as dead.
pub(super) const PENDING_AGE: SignedDuration = SignedDuration::from_hours(24);

/// Backups as plain files at one destination.
pub struct FilesStore {
    pub(super) destination: Arc<dyn Destination>,
    pub(super) clock: Arc<dyn Clock>,
    /// What opens and locks its backups.
    pub(super) keyring: Option<Arc<Keyring>>,
    /// New backups become part of a history.
    pub(super) history: Option<Histories>,
    /// A private folder of this machine for the last captures of destinations that are not here or are encrypted; without
    /// one the pieces themselves are read.
    pub(super) cache: Option<PathBuf>,
    /// Backups that are being put.
    working: Mutex<HashMap<BackupId, Working>>,
}

/// A backup that is being put.
struct Working {
    base: String,
    announced: Announced,
    /// What it is locked with.
    writer: Option<Writer>,
    /// What the next backup will be compared with.
    captured: Option<Captured>,
}

/// Says that data of a stem may lie here without a manifest.
pub(super) enum Announced {
    Locally(Lease),
    Remotely(String),
}

impl FilesStore {
    /// The backups at `destination`.
    pub fn new(destination: Arc<dyn Destination>) -> Self {
        let clock = Arc::new(SystemClock::new());
        FilesStore { destination, clock, keyring: None, history: None, cache: None, working: Mutex::default() }
    }

    /// Asks another clock how old an announcement is.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Opens encrypted backups with these keys, and encrypts new ones where they say so.
    pub fn with_keys(mut self, keyring: Arc<Keyring>) -> Self {
        self.keyring = Some(keyring);
        self
    }

    /// Puts new backups in a history: each takes only what has changed. `scratch` is a private folder of this machine, for
    /// the run.
    pub fn with_history(mut self, scratch: PathBuf) -> Self {
        self.history = Some(Histories { scratch });
        self
    }

    /// Keeps what the next backup of a history is compared with in a private folder of this machine, where it may not lie
    /// at the destination; and forgets it there when the history is damaged.
    pub fn with_cache(mut self, cache: Option<PathBuf>) -> Self {
        self.cache = cache;
        self
    }

    /// Announces a backup, has it put, and takes everything back when that fails.
    fn working_on(
        &self,
        base: String,
        manifest: &mut Manifest,
        context: &Context,
        put: impl FnOnce(&str, Option<&Writer>, &mut Manifest) -> Result<Option<Captured>>,
    ) -> Result<()> {
        if self.has_manifest(&base)? {
            let text = format!("Backup exists already: {}", name::stem_of(&base));
            return Err(Error::new(ErrorKind::WouldOverwrite, "backup_exists", text));
        }
        let writer = self.writer(&manifest.plan, context)?;
        if !self.working().contains_key(&manifest.id) {
            let announced = self.announce(&base, context)?;
            let working = Working { base: base.clone(), announced, writer: writer.clone(), captured: None };
            self.working().insert(manifest.id.clone(), working);
        }
        (manifest.encryption, manifest.history) = (None, None);
        // It may come from a destination with the other layout.
        manifest.recoup_manifest = if self.history.is_some() { HISTORY_VERSION } else { MANIFEST_VERSION };
        let captured = put(&base, writer.as_ref(), manifest).inspect_err(|_| {
            self.abandon(manifest);
            manifest.objects.clear();
            (manifest.encryption, manifest.history) = (None, None);
        })?;
        if let Some(working) = self.working().get_mut(&manifest.id) {
            working.captured = captured;
        }
        Ok(())
    }

    fn working(&self) -> MutexGuard<'_, HashMap<BackupId, Working>> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn announce(&self, base: &str, context: &Context) -> Result<Announced> {
        let Some(root) = self.destination.staging_root() else {
            let key = format!("{base}{PENDING}");
            self.destination.put(&key, Body::Bytes(b"{\"pending\": true}\n"), context)?;
            return Ok(Announced::Remotely(key));
        };
        // A sweep may hold a fresh lease for a moment; nobody else holds one of an id that is ours.
        let lease = hold::lease(&root, name::stem_of(base))?;
        lease.persist()?;
        Ok(Announced::Locally(lease))
    }

    /// Takes an announcement back, or leaves it for a sweep when the work is not `done`.
    pub(super) fn withdraw(&self, announced: Announced, done: bool) {
        match announced {
            Announced::Locally(lease) if done => drop(lease),
            Announced::Locally(lease) => lease.leave(),
            // Should this fail, a sweep finds the announcement beside the manifest.
            Announced::Remotely(key) if done => drop(self.destination.delete(&key)),
            Announced::Remotely(_) => {}
        }
    }

    pub(super) fn has_manifest(&self, base: &str) -> Result<bool> {
        let key = format!("{base}{MANIFEST}");
        Ok(self.destination.list(&key)?.iter().any(|object| object.key == key))
    }

    /// Puts one object, and makes room when there is none.
    pub(super) fn put_one(&self, key: &str, path: &Path, context: &Context) -> Result<Stored> {
        match self.destination.put(key, Body::File(path), context) {
            // What retention removed does not keep a new backup from being made.
            Err(error) if error.kind() == ErrorKind::NoSpace && !self.empty_trash(true)?.is_empty() => {
                self.destination.put(key, Body::File(path), context)
            }
            other => other,
        }
    }

    /// Puts files as they are, or encrypted; fills the manifest with what was put.
    pub(super) fn put_plain(
        &self,
        base: &str,
        packed: &[Packed],
        writer: Option<&Writer>,
        manifest: &mut Manifest,
        context: &Context,
    ) -> Result<()> {
        if let Some(writer) = writer {
            return self.seal(base, packed, writer, manifest, context);
        }
        let mut put = Vec::new();
        let result = self.put_all(base, packed, context, &mut put);
        manifest.objects = put;
        result
    }

    fn put_all(&self, base: &str, packed: &[Packed], context: &Context, put: &mut Vec<Object>) -> Result<()> {
        for packed in packed {
            context.check()?;
            let stored = self.put_one(&format!("{base}{}", packed.extension), &packed.path, context)?;
            let name = format!("{}{}", name::stem_of(base), packed.extension);
            let empty = stored.bytes == 0;
            put.push(Object { name, bytes: stored.bytes, sha256: stored.sha256 });
            if empty {
                return Err(Error::corrupted("an empty file is no backup").while_("storing the backup"));
            }
        }
        Ok(())
    }
}

impl Store for FilesStore {
    fn describe(&self) -> String {
        self.destination.describe()
    }

    fn staging_root(&self) -> Option<PathBuf> {
        self.destination.staging_root()
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        self.destination.free_bytes()
    }

    fn protection(&self, plan: &str) -> Protection {
        self.sealing(plan)
    }

    fn compresses(&self) -> bool {
        self.history.is_some()
    }

    fn distrust(&self, manifest: &Manifest) {
        self.forget_capture(manifest);
    }

    fn take_earlier(&self, plan: &str) -> Option<Taken> {
        self.take_capture(plan)
    }

    fn check_key(&self, plan: &str, context: &Context) -> Result<Vec<Warning>> {
        self.key_checked(plan, context)
    }

    fn put_objects(&self, manifest: &mut Manifest, packed: &[Packed], context: &Context) -> Result<()> {
        let base = base_of(manifest)?;
        if packed.is_empty() || packed.iter().any(|packed| !name::PLAIN.contains(&packed.extension)) {
            return Err(Error::new(ErrorKind::Failed, "bad_objects", "This layout cannot store the backup's files"));
        }
        self.working_on(base, manifest, context, |base, writer, manifest| match &self.history {
            None => self.put_plain(base, packed, writer, manifest, context).map(|()| None),
            Some(histories) => self.put_piece(histories, base, packed, writer, manifest, context),
        })
    }

    fn can_repeat(&self, before: &Listed, context: &Context) -> Result<bool> {
        let manifest = &before.manifest;
        if self.history.is_none() || manifest.history.is_none() || !before.missing.is_empty() {
            return Ok(false);
        }
        let writer = self.writer(&manifest.plan, context)?;
        Ok(history::same_lock(manifest, writer.as_ref()))
    }

    fn put_again(&self, manifest: &mut Manifest, before: &Manifest, context: &Context) -> Result<()> {
        self.working_on(base_of(manifest)?, manifest, context, |base, writer, manifest| {
            self.put_pieces_of(before, base, writer, manifest, context).map(Some)
        })
    }

    fn put_manifest(&self, manifest: &Manifest, context: &Context) -> Result<()> {
        let base = base_of(manifest)?;
        let writer = self.working().get(&manifest.id).and_then(|working| working.writer.clone());
        let plain = Manifest { encryption: None, ..manifest.clone() };
        let manifest = &match writer {
            Some(writer) => FilesStore::outer(&plain, writer, manifest.stored().to_vec())?,
            None => plain,
        };
        // Its pieces may have been put with other backups.
        let shared = name::in_pieces(manifest);
        let there = self.destination.list(&if shared { format!("{}/", manifest.plan) } else { base.clone() })?;
        let present = there.iter().map(|object| (object.key.as_str(), object.bytes)).collect();
        let missing = FilesStore::missing(&base, manifest, &present);
        if manifest.objects.is_empty() || !missing.is_empty() {
            let detail = format!("stored data is not there: {}", missing.join(", "));
            return Err(Error::corrupted(detail).while_("storing the manifest"));
        }
        self.destination.put(&format!("{base}{MANIFEST}"), Body::Bytes(&manifest.to_json()?), context)?;
        let worked = self.working().remove(&manifest.id);
        if let Some(Working { announced, captured, .. }) = worked {
            if let Some(captured) = captured {
                captured.keep(&manifest.id, context);
            }
            self.withdraw(announced, true);
        }
        Ok(())
    }

    fn abandon(&self, manifest: &Manifest) {
        let announced = self.working().remove(&manifest.id);
        // Nothing of a backup that exists, and nothing that was not announced here.
        let Some(Working { base, announced, .. }) = announced else { return };
        let done = match self.has_manifest(&base) {
            Ok(true) => true,
            Ok(false) => self.remove_data(&base, &[], None).is_ok(),
            Err(_) => false,
        };
        self.withdraw(announced, done);
    }

    fn list(&self, plan: Option<&str>) -> Result<Listing> {
        let prefix = plan.map(|plan| Plan::check_name(plan).map(|()| format!("{plan}/"))).transpose()?;
        let objects = self.destination.list(prefix.as_deref().unwrap_or_default())?;
        let sizes = |objects: &[ObjectInfo]| -> HashMap<String, u64> {
            objects.iter().map(|object| (object.key.clone(), object.bytes)).collect()
        };
        let all = sizes(&objects);
        let present: HashMap<&str, u64> = all.iter().map(|(key, bytes)| (key.as_str(), *bytes)).collect();
        let held = self.destination.staging_root().map_or_else(|| Ok(HashSet::new()), |root| hold::held(&root))?;
        let mut listing = Listing::default();
        for object in &objects {
            let Some(stored) = StoredName::parse(&object.key).filter(|stored| stored.extension == MANIFEST) else {
                continue;
            };
            let manifest = match self.read_manifest(&stored) {
                Ok(manifest) => manifest,
                // Deleted since the listing was made.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
                Err(error) => {
                    listing.damaged.push((object.key.clone(), error));
                    continue;
                }
            };
            let mut missing = FilesStore::missing(stored.base, &manifest, &present);
            if !missing.is_empty() {
                // A directory is not read in one moment: what was stored or deleted meanwhile is no damage.
                let mut now = sizes(&self.destination.list(stored.base)?);
                if name::in_pieces(&manifest) {
                    now.extend(sizes(&self.destination.list(&format!("{}/", manifest.plan))?));
                }
                if !now.contains_key(&object.key) {
                    continue;
                }
                let now = now.iter().map(|(key, bytes)| (key.as_str(), *bytes)).collect();
                missing = FilesStore::missing(stored.base, &manifest, &now);
            }
            let by_hand = present.contains_key(format!("{}{PROTECTED}", stored.base).as_str());
            let protected = by_hand || manifest.kind.is_protected();
            let in_use = held.contains(name::stem_of(stored.base));
            listing.backups.push(Listed { manifest, protected, missing, in_use, foreign: None });
        }
        if plan.is_none() {
            listing.backups.extend(foreign::found(&objects));
        }
        listing.backups.sort_by(|a, b| {
            let (a, b) = (&a.manifest, &b.manifest);
            (b.created_at, &b.id).cmp(&(a.created_at, &a.id))
        });
        Ok(listing)
    }

    fn link(&self, manifest: &Manifest) -> Result<Option<String>> {
        let Some(object) = manifest.own().next() else { return Ok(None) };
        self.destination.link(&format!("{}/{}", manifest.plan, object.name))
    }

    fn fetch(&self, manifest: &Manifest, object: &Object, scratch: &Path, context: &Context) -> Result<PathBuf> {
        let base = base_of(manifest)?;
        let key = format!("{}/{}", manifest.plan, object.name);
        if !belongs(object, &base) {
            return Err(Error::corrupted(format!("the manifest names {:?}", object.name)));
        }
        if manifest.history.is_some() && manifest.objects.contains(object) {
            return self.rebuild(manifest, object, scratch, context);
        }
        if let Some(stored) = stored_form(manifest, object) {
            return self.fetch_sealed(manifest, object, stored, scratch, context);
        }
        if let Some(path) = self.destination.local_path(&key) {
            // Absence is told here and not by whoever opens the path.
            self.destination.get(&key, object.bytes)?;
            return Ok(path);
        }
        let path = scratch.join(&object.name);
        let (_, sha256) = self.download(&key, &path, context)?;
        if sha256 != object.sha256 {
            drop(std::fs::remove_file(&path));
            return Err(Error::corrupted("its SHA-256 is not the manifest's").while_(format!("downloading {key}")));
        }
        Ok(path)
    }

    fn fetch_foreign(&self, key: &str, scratch: &Path, context: &Context) -> Result<PathBuf> {
        if let Some(path) = self.destination.local_path(key) {
            self.destination.get(key, 0)?;
            return Ok(path);
        }
        let path = scratch.join(key.rsplit('/').next().unwrap_or(key));
        self.download(key, &path, context).map(|_| path)
    }

    fn set_protected(&self, id: &BackupId, protected: bool, context: &Context) -> Result<()> {
        let working = self.working().get(id).map(|working| working.base.clone());
        if let Some(base) = working.filter(|_| protected) {
            // From the first moment: the marker lies there before the manifest does.
            return self.destination.put(&format!("{base}{PROTECTED}"), Body::Bytes(MARK), context).map(drop);
        }
        let (base, manifest) = self.locate(id)?;
        let key = format!("{base}{PROTECTED}");
        if !protected {
            if manifest.kind.is_protected() {
                let text = format!("A backup of kind {} is always protected", manifest.kind);
                return Err(
                    Error::new(ErrorKind::Denied, "protected", text).hint("it can still be deleted, with force")
                );
            }
            return self.destination.delete(&key);
        }
        self.destination.put(&key, Body::Bytes(MARK), context).map(drop)
    }

    fn hold(&self, manifest: &Manifest) -> Result<Option<Hold>> {
        let Some(root) = self.destination.staging_root() else { return Ok(None) };
        let base = base_of(manifest)?;
        let stem = name::stem_of(&base);
        let Some(held) = hold::take(&root, stem)? else { return Ok(None) };
        // Whoever is deleting it has this lease, and did not see the hold.
        match hold::lease(&root, stem) {
            // There is not even room for a lease that nobody has: so nobody has it.
            Err(error) if error.kind() == ErrorKind::NoSpace => {}
            other => drop(other?),
        }
        if self.has_manifest(&base)? { Ok(Some(held)) } else { Err(super::find::missing(manifest.id.as_str())) }
    }

    fn delete(&self, id: &BackupId, force: bool) -> Result<()> {
        self.remove(id, force, |_| None)
    }

    fn discard(&self, id: &BackupId, force: bool) -> Result<bool> {
        let now = self.clock.now();
        self.remove(id, force, |stem| self.bin().map(|_| trash::folder(stem, now)))?;
        Ok(self.bin().is_some())
    }

    fn trash(&self) -> Result<Vec<Trashed>> {
        self.bin().map_or_else(|| Ok(Vec::new()), |bin| trash::list(&bin))
    }

    fn put_back(&self, stem: &str, protect: bool, context: &Context) -> Result<Manifest> {
        self.bring_back(stem, protect, context)
    }

    fn empty_trash(&self, everything: bool) -> Result<Vec<Trashed>> {
        self.bin().map_or_else(|| Ok(Vec::new()), |bin| trash::empty(&bin, self.clock.now(), everything))
    }

    fn sweep(&self) -> Result<Vec<String>> {
        self.sweep_all()
    }

    fn retention_lease(&self) -> Result<Option<Lease>> {
        let Some(root) = self.destination.staging_root() else { return Ok(None) };
        match Lease::take(&root, "retention")? {
            Some(lease) => Ok(Some(lease)),
            None => Err(Error::new(ErrorKind::Busy, "retention_running", "Another prune is running")),
        }
    }

    fn memory(&self, plan: &str) -> Result<Memory> {
        self.destination.staging_root().map_or_else(|| Ok(Memory::default()), |root| memory::get(&root, plan))
    }

    fn remember(&self, plan: &str, memory: &Memory) -> Result<()> {
        self.destination.staging_root().map_or(Ok(()), |root| memory::set(&root, plan, memory))
    }

    fn put_record(&self, record: &RestoreRecord, context: &Context) -> Result<()> {
        // Names of parts are nobody's business where manifests do not tell them.
        let sealed = self.sealing(&record.plan).is_sealed();
        let parts = if sealed { Vec::new() } else { record.parts.clone() };
        let record = RestoreRecord { parts, ..record.clone() };
        super::records::put(self.destination.as_ref(), &record, context)
    }

    fn records(&self, plan: &str) -> Result<Vec<RestoreRecord>> {
        super::records::list(self.destination.as_ref(), plan)
    }
}
