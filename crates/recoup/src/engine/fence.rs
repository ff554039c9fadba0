//! What stands between a verb and a destination while somebody else may have taken the run over: before a backup comes
//! into being and before one goes, the lease is looked at once more. What goes is recorded first.
//!
//! A machine that slept through its lease wakes up in the middle of a verb; without this it would finish what another
//! machine does by then.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Handle;

use super::audit::event;
use super::{Actor, watch};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::destination::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Packed;
use crate::model::audit::Event;
use crate::model::encryption::Protection;
use crate::model::guard::Memory;
use crate::model::{BackupId, Manifest, Object, RestoreRecord, Warning};
use crate::progress::Context;
use crate::store::{Hold, Listed, Listing, Store, Taken, Trashed};

/// A lease that nobody could take away yet, when the catalog does not answer.
const SURE: Duration = Duration::from_secs(45);

/// The lease of one run.
pub(super) struct Fence {
    pub catalog: Catalog,
    pub run: String,
    pub worker: String,
    clock: Arc<dyn Clock>,
    tokio: Handle,
    /// When the catalog last said that the run is ours, by the clock that only moves forward.
    ours: Mutex<Option<Duration>>,
}

impl Fence {
    pub fn new(catalog: Catalog, run: &str, worker: &str, clock: Arc<dyn Clock>) -> Arc<Self> {
        let ours = Mutex::new(Some(clock.elapsed()));
        let (run, worker) = (run.to_owned(), worker.to_owned());
        Arc::new(Fence { catalog, run, worker, clock, tokio: Handle::current(), ours })
    }

    /// Notes in the catalog that the run goes on, and how far it is; tells whether it is asked to stop. `None` when it
    /// was taken away.
    pub async fn beat(&self, watcher: &watch::Watcher) -> Result<Option<bool>> {
        let progress = watcher.progress().and_then(|progress| serde_json::to_value(progress).ok());
        let lines = watcher.take_unkept();
        let asked = self.clock.elapsed();
        match self.catalog.beat_run(&self.run, &self.worker, progress.as_ref(), &lines).await {
            Ok(answer) => {
                *self.ours.lock().unwrap_or_else(PoisonError::into_inner) = answer.map(|_| asked);
                Ok(answer)
            }
            Err(error) => {
                watcher.give_back(lines);
                Err(error)
            }
        }
    }

    /// Fails with `lease_lost` when somebody else has the run, or may have it. On a blocking thread only.
    fn holds(&self) -> Result<()> {
        let asked = self.clock.elapsed();
        let answer = self.tokio.block_on(self.catalog.beat_run(&self.run, &self.worker, None, ""));
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(answer) => *ours = answer.map(|_| asked),
            Err(_) if ours.is_some_and(|ours| asked.saturating_sub(ours) < SURE) => return Ok(()),
            Err(_) => {}
        }
        match *ours {
            Some(at) if at == asked => Ok(()),
            _ => Err(Error::new(ErrorKind::Cancelled, "lease_lost", "Another process has taken this run over")),
        }
    }
}

/// Writes the audit from a blocking thread.
pub(super) struct Recorder {
    pub catalog: Catalog,
    pub clock: Arc<dyn Clock>,
    pub who: Actor,
    pub tokio: Handle,
}

impl Recorder {
    pub fn record(&self, mut event: Event) -> Result<()> {
        event.user = event.user.or_else(|| self.who.account.clone());
        let written = self.tokio.block_on(self.catalog.append_audit(event, self.clock.now()));
        written.map(drop).map_err(|error| error.while_("writing the audit"))
    }
}

/// A store behind the fence.
pub(super) struct Guarded {
    pub store: Arc<dyn Store>,
    pub destination: String,
    pub fence: Arc<Fence>,
    pub recorder: Recorder,
}

impl Guarded {
    fn may_go(&self, id: &BackupId) -> Result<()> {
        self.fence.holds()?;
        let details = json!({ "destination": self.destination, "run": self.fence.run });
        self.recorder.record(event("backup.deleted", ("backup", id.as_str()), "delete", true, details))
    }
}

impl Store for Guarded {
    fn put_manifest(&self, manifest: &Manifest, context: &Context) -> Result<()> {
        self.fence.holds()?;
        self.store.put_manifest(manifest, context)
    }
    fn delete(&self, id: &BackupId, force: bool) -> Result<()> {
        self.may_go(id)?;
        self.store.delete(id, force)
    }
    fn discard(&self, id: &BackupId, force: bool) -> Result<bool> {
        self.may_go(id)?;
        self.store.discard(id, force)
    }

    fn describe(&self) -> String {
        self.store.describe()
    }
    fn staging_root(&self) -> Option<PathBuf> {
        self.store.staging_root()
    }
    fn free_bytes(&self) -> Result<Option<u64>> {
        self.store.free_bytes()
    }
    fn link(&self, manifest: &Manifest) -> Result<Option<String>> {
        self.store.link(manifest)
    }
    fn compresses(&self) -> bool {
        self.store.compresses()
    }
    fn distrust(&self, manifest: &Manifest) {
        self.store.distrust(manifest);
    }
    fn take_earlier(&self, plan: &str) -> Option<Taken> {
        self.store.take_earlier(plan)
    }
    fn can_repeat(&self, before: &Listed, context: &Context) -> Result<bool> {
        self.store.can_repeat(before, context)
    }
    fn put_again(&self, manifest: &mut Manifest, before: &Manifest, context: &Context) -> Result<()> {
        self.store.put_again(manifest, before, context)
    }
    fn protection(&self, plan: &str) -> Protection {
        self.store.protection(plan)
    }
    fn check_key(&self, plan: &str, context: &Context) -> Result<Vec<Warning>> {
        self.store.check_key(plan, context)
    }
    fn put_objects(&self, manifest: &mut Manifest, packed: &[Packed], context: &Context) -> Result<()> {
        self.store.put_objects(manifest, packed, context)
    }
    fn abandon(&self, manifest: &Manifest) {
        self.store.abandon(manifest);
    }
    fn list(&self, plan: Option<&str>) -> Result<Listing> {
        self.store.list(plan)
    }
    fn fetch(&self, manifest: &Manifest, object: &Object, scratch: &Path, context: &Context) -> Result<PathBuf> {
        self.store.fetch(manifest, object, scratch, context)
    }
    fn fetch_foreign(&self, key: &str, scratch: &Path, context: &Context) -> Result<PathBuf> {
        self.store.fetch_foreign(key, scratch, context)
    }
    fn set_protected(&self, id: &BackupId, protected: bool, context: &Context) -> Result<()> {
        self.store.set_protected(id, protected, context)
    }
    fn hold(&self, manifest: &Manifest) -> Result<Option<Hold>> {
        self.store.hold(manifest)
    }
    fn trash(&self) -> Result<Vec<Trashed>> {
        self.store.trash()
    }
    fn put_back(&self, stem: &str, protect: bool, context: &Context) -> Result<Manifest> {
        self.store.put_back(stem, protect, context)
    }
    fn empty_trash(&self, everything: bool) -> Result<Vec<Trashed>> {
        self.store.empty_trash(everything)
    }
    fn sweep(&self) -> Result<Vec<String>> {
        self.store.sweep()
    }
    fn retention_lease(&self) -> Result<Option<Lease>> {
        self.store.retention_lease()
    }
    fn memory(&self, plan: &str) -> Result<Memory> {
        self.store.memory(plan)
    }
    fn remember(&self, plan: &str, memory: &Memory) -> Result<()> {
        self.store.remember(plan, memory)
    }
    fn put_record(&self, record: &RestoreRecord, context: &Context) -> Result<()> {
        self.store.put_record(record, context)
    }
    fn records(&self, plan: &str) -> Result<Vec<RestoreRecord>> {
        self.store.records(plan)
    }
}

/// The backup of an id in a listing.
pub(super) fn find<'a>(listing: &'a Listing, id: &str) -> Result<&'a Listed> {
    listing.backups.iter().find(|listed| listed.manifest.id.as_str() == id).ok_or_else(|| backup_missing(id))
}

/// There is no such backup, or it is not theirs.
pub(super) fn backup_missing(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, "backup_missing", format!("Backup not found: {id}"))
}
