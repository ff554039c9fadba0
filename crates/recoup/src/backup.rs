//! The verb *backup*: sources in, a proven backup at one or more stores out.
//!
//! begin on all sources → capture on all → pack, hashing on the way → prove the packed files → put the
//! data, read back → put the manifest: now the backup exists. Whatever fails before that leaves nothing.
//!
//! Not here: locking plans, recording runs, retention, telling people; the verbs know no catalog.

mod late;
mod pack;
mod unchanged;

use std::path::PathBuf;
use std::sync::Arc;

use crate::destination::{Lease, Staging};
use crate::error::{Error, ErrorKind, Result};
use crate::format::pack::Packer;
use crate::format::{Packed, proof};
use crate::hooks::{self, Hook, Occasion};
use crate::model::audit::Head;
use crate::model::backup::MADE_BY;
use crate::model::encryption::Protection;
use crate::model::{BackupId, Format, Kind, Level, MANIFEST_VERSION, Manifest, Outcome, PartKind, Warning, shrink};
use crate::progress::{Context, Phase};
use crate::source::{FileId, Presence, Scope, Source, SourceFactory};
use crate::store::{Listed, Store};
use pack::pack;
use unchanged::{again, look, unchanged};

/// What is to be backed up and how.
pub struct Request {
    /// Plan name; part of file names.
    pub plan: String,
    /// Makes each source afresh.
    pub sources: Vec<SourceFactory>,
    /// Shape of the bytes.
    pub format: Format,
    /// A curated JSON export instead of a complete one: array name → query. Empty means complete.
    pub queries: Vec<(String, String)>,
    /// Why.
    pub kind: Kind,
    /// A label given by hand.
    pub label: Option<String>,
    /// Protect it from retention from the first moment.
    pub protect: bool,
    /// Host name for the manifest.
    pub host: Option<String>,
    /// What holds the application still until all that lives has been read: databases, commands and the application's own
    /// entries are, when they are captured; directories, files and settings, when they are packed.
    pub hooks: Vec<Arc<dyn Hook>>,
    /// Where to stage when no store is on this machine.
    pub scratch: PathBuf,
    /// The end of the audit, for the manifest; where there is none, none.
    pub audit: Option<Head>,
    /// It is not to be copied elsewhere later, either.
    pub local_only: bool,
    /// Secret settings may be in it, if all these stores encrypt: so does every other place that it may come to, also one
    /// that is left out this time.
    pub secrets: bool,
    /// Read everything, also what the file system says has not changed since the last backup of a history.
    pub rescan: bool,
}

/// How a backup went.
#[derive(Debug)]
pub struct Report {
    /// The manifest as stored.
    pub manifest: Manifest,
    /// Good or warnings; everything else is an error.
    pub outcome: Outcome,
    /// Stores that have it now.
    pub stored: Vec<String>,
    /// Stores at which it could not be put, with the reason.
    pub failed: Vec<(String, Error)>,
}

/// Makes one backup. On any error nothing is listed anywhere and nothing is left behind.
pub fn run(request: &Request, stores: &[Arc<dyn Store>], context: &Context) -> Result<Report> {
    let started = context.clock.monotonic();
    crate::model::Plan::check_name(&request.plan)?;
    let first = stores.first().ok_or_else(|| Error::usage("no_destination", "The plan has no destination"))?;
    // The safety backup of a restore is part of the restore, which is alone already.
    let _alone = if request.kind == Kind::PreRestore { Vec::new() } else { alone(&request.plan, stores)? };
    let (stores, refused, mut keys) = keys_fit(stores, &request.plan, context)?;
    let stores = stores.as_slice();
    let first = stores.first().unwrap_or(first);
    let root = stores.iter().find_map(|store| store.staging_root()).unwrap_or_else(|| request.scratch.clone());
    sweep(stores, context);
    let staging = Staging::create(&root)?;

    let mut sources = request.sources.iter().map(|make| make()).collect::<Result<Vec<_>>>()?;
    check_sources(&sources)?;
    let kinds: Vec<PartKind> = sources.iter().map(|source| source.kind()).collect();
    let mut packer = Packer::create(request.format, &kinds, &request.queries, staging.path(), context)?;
    // The application may be waiting for what comes after it; what a history holds is compressed there, page by page.
    if request.kind == Kind::PreRestore || stores.iter().any(|store| store.compresses()) {
        packer = packer.quick();
    }

    let mut excluded: Vec<FileId> =
        stores.iter().filter_map(|store| FileId::of(store.staging_root()?.parent()?)).collect();
    excluded.extend(FileId::of(staging.path()));
    let mut scope = Scope::of(&sources, staging.path(), excluded, context);
    let sealed = |store: &Arc<dyn Store>| store.protection(&request.plan).is_sealed();
    scope.secrets = request.secrets && refused.is_empty() && stores.iter().all(sealed);

    let looked = look(request, &mut sources, stores, &scope)?;
    if let Some(looked) = looked.as_ref().filter(|_| !request.rescan)
        && let Some(befores) = unchanged(request, stores, looked, context)?
    {
        return again(request, &befores, (stores.to_vec(), refused, keys), started, context);
    }

    hooks::around(&request.hooks, Occasion::Backup, &request.plan, context, |resume| {
        let present = begin(&mut sources, &scope)?;
        let created_at = context.clock.now();
        let expected: u64 = estimate(&sources, &present, |_| true);
        check_space(stores, request, estimate(&sources, &present, |kind| kind == PartKind::Database), expected)?;
        // Held until the backup has been put.
        let follows = request.format == Format::Database && request.kind != Kind::PreRestore;
        let taken = stores.iter().filter(|_| follows).find_map(|store| store.take_earlier(&request.plan));
        scope.earlier = taken.as_ref().map(|taken| taken.earlier.clone());
        context.observer.phase(Phase::Capture, &request.plan, Some(estimate(&sources, &present, captured_early)));
        for (source, presence) in sources.iter_mut().zip(&present) {
            if *presence == Presence::Present {
                source.capture(&scope).map_err(|e| e.while_(format!("copying {}", source.name())))?;
            }
        }
        let resumed = if kinds.iter().all(|kind| captured_early(*kind)) { resume() } else { Vec::new() };

        let mut manifest = Manifest {
            recoup_manifest: MANIFEST_VERSION,
            made_by: MADE_BY.to_owned(),
            id: BackupId::generate(created_at),
            plan: request.plan.clone(),
            kind: request.kind,
            format: request.format,
            label: request.label.clone(),
            created_at,
            duration_ms: 0,
            host: request.host.clone(),
            parts: Vec::new(),
            objects: Vec::new(),
            verified: None,
            warnings: resumed,
            audit: request.audit.clone(),
            local_only: request.local_only,
            encryption: None,
            history: None,
            state: None,
            same_as: None,
        };
        // Only where the copy stays where it is until its manifest is put, and has nothing to do with another one.
        let late = request.format == Format::Database && stores.iter().all(|store| store.compresses());
        let mut proof = None;
        for (source, presence) in sources.iter_mut().zip(&present) {
            proof = pack(source.as_mut(), *presence, &mut packer, &scope, &mut manifest, late)?;
        }
        drop(sources);
        manifest.warnings.extend(resume());
        manifest.warnings.append(&mut keys);
        // A safety backup holds what a restore replaces, which may be less than the plan does.
        let compare = |manifest: &mut Manifest| {
            if request.kind != Kind::PreRestore {
                compare_with_previous(first.as_ref(), manifest);
            }
        };
        if proof.is_none() {
            compare(&mut manifest);
        }
        let packed = packer.finish(&manifest)?;
        manifest.state = looked.filter(|looked| looked.settled).map(|looked| looked.digest);
        prove(&manifest, &packed, &staging, context)?;

        let mut report = Report { manifest, outcome: Outcome::Good, stored: Vec::new(), failed: refused };
        late::beside(proof, context, compare, |proven| {
            store(stores, &mut report, |store, manifest| {
                store.put_objects(manifest, &packed, context)?;
                proven(manifest)?;
                publish(store, request, manifest, started, context)
            })
        })?;
        Ok(report.judged())
    })
}

impl Report {
    fn judged(mut self) -> Self {
        if !self.manifest.warnings.is_empty() || !self.failed.is_empty() {
            self.outcome = Outcome::Warnings;
        }
        self
    }
}

/// Makes sure that no other backup or restore of the plan runs with one of the stores on this machine, and that none
/// begins while the leases are held: half of a restore must not become a backup.
///
/// Errors: `already_running` (`Another backup or restore is running`).
pub fn alone(plan: &str, stores: &[Arc<dyn Store>]) -> Result<Vec<Lease>> {
    let mut leases = Vec::new();
    let mut roots: Vec<PathBuf> = stores.iter().filter_map(|store| store.staging_root()).collect();
    roots.sort();
    roots.dedup();
    for root in roots {
        match Lease::take(&root, &format!("plan-{plan}")) {
            Ok(Some(lease)) => leases.push(lease),
            Ok(None) => return Err(already_running(format!("the plan is {plan}"))),
            // A store that cannot be written to says so when something is put there.
            Err(_) => {}
        }
    }
    Ok(leases)
}

/// `Another backup or restore is running`.
pub fn already_running(which: String) -> Error {
    Error::new(ErrorKind::Busy, "already_running", "Another backup or restore is running")
        .because(which)
        .hint("wait until it has ended, then run it again; nothing was changed")
}

/// The stores whose keys fit, those that were refused with the reason, and what is worth telling about keys.
type Fitting = (Vec<Arc<dyn Store>>, Vec<(String, Error)>, Vec<Warning>);

/// Before anything is made: a passphrase that does not open the key at a store must not lock a backup there. A store that
/// does not answer is left to tell that when the backup is put there.
fn keys_fit(stores: &[Arc<dyn Store>], plan: &str, context: &Context) -> Result<Fitting> {
    let (mut fitting, mut refused, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for store in stores {
        match store.check_key(plan, context) {
            Ok(found) => {
                warnings.extend(found);
                fitting.push(Arc::clone(store));
            }
            Err(error) if error.kind() == ErrorKind::Unreachable => fitting.push(Arc::clone(store)),
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(error) => refused.push((store.describe(), error)),
        }
    }
    match (fitting.is_empty(), refused.pop()) {
        (true, Some((_, error))) => Err(error),
        (_, last) => {
            refused.extend(last);
            Ok((fitting, refused, warnings))
        }
    }
}

/// Removes what killed runs left behind, before their bytes are missing for this one. A destination that cannot
/// be swept may still take a backup, and says why it cannot when it is put.
fn sweep(stores: &[Arc<dyn Store>], context: &Context) {
    for store in stores {
        match store.sweep() {
            Ok(removed) if removed.is_empty() => {}
            Ok(removed) => {
                context.observer.note(&format!("Removed {} leftovers of an interrupted run", removed.len()));
            }
            Err(error) => context.observer.note(&format!("Leftovers at {} stay: {error}", store.describe())),
        }
    }
}

/// Names are unique, and there is something to back up.
fn check_sources(sources: &[Box<dyn Source>]) -> Result<()> {
    if sources.is_empty() {
        return Err(Error::usage("no_source", "The plan has no sources")
            .hint("name at least one --database, --directory or --file"));
    }
    for (at, source) in sources.iter().enumerate() {
        if sources[..at].iter().any(|other| other.name() == source.name()) {
            return Err(Error::usage("duplicate_source", format!("Two sources are called {}", source.name()))
                .hint("give one of them another name"));
        }
    }
    Ok(())
}

/// Fixes the moment on all sources, databases first: their read transactions are what makes it one moment.
fn begin(sources: &mut [Box<dyn Source>], scope: &Scope) -> Result<Vec<Presence>> {
    let mut present = vec![Presence::Absent; sources.len()];
    for databases in [true, false] {
        for (source, presence) in sources.iter_mut().zip(&mut present) {
            if (source.kind() == PartKind::Database) == databases {
                *presence = source.begin(scope)?;
            }
        }
    }
    if present.iter().all(|presence| *presence == Presence::Absent) {
        return Err(Error::new(ErrorKind::NotFound, "source_missing", "None of the plan's sources is there")
            .hint("at least one source must exist; an empty backup is never made"));
    }
    Ok(present)
}

/// What `capture` copies; the rest is read while packing.
fn captured_early(kind: PartKind) -> bool {
    matches!(kind, PartKind::Database | PartKind::Command | PartKind::Application)
}

fn estimate(sources: &[Box<dyn Source>], present: &[Presence], which: impl Fn(PartKind) -> bool) -> u64 {
    sources
        .iter()
        .zip(present)
        .filter(|(source, presence)| **presence == Presence::Present && which(source.kind()))
        .map(|(source, _)| source.estimate())
        .sum()
}

/// Refuses before anything is copied when a destination clearly cannot hold it. Staged database copies are
/// counted whole, packed databases by half, because they nearly always compress that well; what is too
/// optimistic here still fails cleanly later.
fn check_space(stores: &[Arc<dyn Store>], request: &Request, databases: u64, all: u64) -> Result<()> {
    let packed = match request.format {
        Format::Database => 0,
        Format::Archive => (all - databases) + databases / 2,
        Format::Json | Format::Csv | Format::Both => databases / 2,
    };
    let mut unknown = None;
    for store in stores {
        let staged_here = if store.staging_root().is_some() { databases } else { 0 };
        // What is encrypted lies beside what is packed for a moment.
        let sealed = store.protection(&request.plan).is_sealed() && store.staging_root().is_some();
        let sealed = if sealed { packed.max(databases) } else { 0 };
        let needed = staged_here + packed + sealed;
        let mut free = match store.free_bytes() {
            Ok(free) => free,
            // It may be reached when the backup is put there, or says so then.
            Err(error) => {
                unknown = unknown.or(Some(error));
                continue;
            }
        };
        // What retention removed does not keep a new backup from being made.
        if free.is_some_and(|free| free < needed) && !store.empty_trash(true)?.is_empty() {
            free = store.free_bytes()?;
        }
        if let Some(free) = free
            && free < needed
        {
            return Err(Error::no_space(format!(
                "about {needed} bytes are needed at {}, {free} are free",
                store.describe()
            )));
        }
    }
    // Where there is only one, nothing is copied for nothing.
    unknown.filter(|_| stores.len() == 1).map_or(Ok(()), Err)
}

/// The newest backup of a plan; a safety backup may hold less than the plan does.
fn previous(store: &dyn Store, plan: &str) -> Result<Option<Listed>> {
    let listing = store.list(Some(plan))?;
    Ok(listing.backups.into_iter().find(|listed| listed.manifest.kind != Kind::PreRestore))
}

/// A backup that suddenly holds almost nothing is told, not celebrated.
fn compare_with_previous(store: &dyn Store, manifest: &mut Manifest) {
    match previous(store, &manifest.plan) {
        Ok(Some(previous)) => {
            let warnings = shrink::compare(&previous.manifest, manifest);
            manifest.warnings.extend(warnings);
        }
        Ok(None) => {}
        Err(error) => manifest.warnings.push(Warning::new(
            "previous_unknown",
            format!("The previous backups could not be listed, so sizes were not compared: {error}"),
        )),
    }
}

/// Decodes what was encoded before anybody relies on it. Database copies have passed `integrity_check` when
/// they were captured, so an archive only has to give the same bytes back; a JSON export is imported again.
fn prove(manifest: &Manifest, packed: &[Packed], staging: &Staging, context: &Context) -> Result<()> {
    for file in packed {
        let level = match file.extension {
            ".zip" => Level::Checksum,
            ".db" => continue,
            _ => Level::Integrity,
        };
        let problems = proof::prove(manifest, file.extension, &file.path, level, staging.path(), context)?;
        if let Some(problem) = problems.first() {
            return Err(Error::new(ErrorKind::Failed, "proof_failed", "The packed backup does not read back right")
                .because(problem.text.clone())
                .hint("this is a fault of the disk, the memory or of recoup; nothing was published"));
        }
    }
    Ok(())
}

/// Puts the backup at every store; one that fails is told as long as another one has it.
fn store(
    stores: &[Arc<dyn Store>],
    report: &mut Report,
    put: impl Fn(&dyn Store, &mut Manifest) -> Result<()>,
) -> Result<()> {
    // The store on whose disk the files are staged moves them away, so the others have to have theirs first.
    let mut order: Vec<&Arc<dyn Store>> = stores.iter().collect();
    if let Some(at) = order.iter().position(|store| store.staging_root().is_some()) {
        let store = order.remove(at);
        order.push(store);
    }
    let original = report.manifest.clone();
    for store in order {
        let mut manifest = original.clone();
        match put(store.as_ref(), &mut manifest) {
            Ok(()) => {
                report.manifest = manifest;
                report.stored.push(store.describe());
            }
            Err(error) => {
                store.abandon(&manifest);
                if error.kind() == ErrorKind::Cancelled {
                    return Err(error);
                }
                report.failed.push((store.describe(), error));
            }
        }
    }
    if report.stored.is_empty() {
        let (_, error) = report.failed.remove(0);
        return Err(error);
    }
    Ok(())
}

/// Puts the manifest, once the data is there.
fn publish(
    store: &dyn Store,
    request: &Request,
    manifest: &mut Manifest,
    started: std::time::Duration,
    context: &Context,
) -> Result<()> {
    if manifest.format != Format::Archive
        && let (Some(part), Some(object)) = (manifest.parts.first_mut(), manifest.objects.first())
    {
        part.path = object.name.clone();
        part.bytes = object.bytes;
        part.sha256 = object.sha256.clone();
    }
    // Of a safety backup the copies were checked only in their structure; a restore of it checks the rest. Whether a
    // key opens what it locked is not known where the key is not.
    let unproven = request.kind == Kind::PreRestore || store.protection(&request.plan) == Protection::Blind;
    manifest.verified = Some(if unproven { Level::Checksum } else { Level::Integrity });
    let taken = context.clock.monotonic().saturating_sub(started);
    manifest.duration_ms = u64::try_from(taken.as_millis()).unwrap_or(u64::MAX);
    if request.protect {
        store.set_protected(&manifest.id, true, context)?;
    }
    store.put_manifest(manifest, context)
}
