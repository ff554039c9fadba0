//! The safety backup: everything that a restore is about to replace, made, proven and stored before the first
//! change, as an ordinary backup of kind `pre_restore`.
//!
//! Not here: when it is made, and what becomes of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::item::{Item, Items};
use super::tree::{Uncovered, Whereabouts};
use crate::backup;
use crate::error::{Error, ErrorKind, Result};
use crate::format::archive::reader::ArchiveReader;
use crate::model::audit::Head;
use crate::model::encryption::Protection;
use crate::model::{
    BackupId, DatabaseFacts, DirectorySpec, FileSpec, Format, Kind, Manifest, Part, PartKind, SourceSpec, Warning,
};
use crate::progress::Context;
use crate::source::{SourceFactory, factory, file, sqlite};
use crate::sqlite::pin::Pinned;
use crate::sqlite::put;
use crate::sqlite::{facts, open};
use crate::store::{Listed, Store};

/// More safety backups than this, or more bytes in them, are worth a word.
const MOST: usize = 10;
const MOST_BYTES: u64 = 50_000_000_000;

/// What was saved, and where.
pub struct Saved {
    /// The safety backup.
    pub manifest: Manifest,
    /// When what is there now was read: an earlier backup that holds the same is older.
    pub moment: Timestamp,
    /// Stores that have it.
    pub stores: Vec<Arc<dyn Store>>,
    /// Worth a look.
    pub warnings: Vec<Warning>,
    /// It was there already: an earlier backup holds exactly the same.
    pub reused: bool,
}

/// What the safety backup is made for.
pub struct Purpose<'a> {
    /// The plan it belongs to.
    pub plan: &'a str,
    /// The backup that is going to be restored.
    pub restored: &'a Manifest,
    /// How directories are read: with what their plan leaves out.
    pub specs: &'a dyn Fn(&str) -> Option<SourceSpec>,
    /// The restore that is taken back.
    pub undoes: Option<BackupId>,
    /// Databases that lie in directories and are not part of this restore.
    pub elsewhere: &'a [PathBuf],
    /// Where it goes.
    pub stores: &'a [Arc<dyn Store>],
    /// The host's name.
    pub host: Option<String>,
    /// The end of the audit.
    pub audit: Option<Head>,
}

/// Copies what is in a database now to where the item wants it. Its file may be anything; what no copy can be made of
/// gives `None` and is saved as it lies there.
pub fn copy_old(item: &Item, to: &Path, busy: Duration, context: &Context) -> Result<Option<DatabaseFacts>> {
    let _ = fs::remove_file(to);
    let scratch = to.with_extension("recovering");
    let copied = Pinned::begin(&item.target, &scratch, busy, context).and_then(|pinned| pinned.copy(to, context, busy));
    match copied {
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.code() == "db_in_use" => Err(put::in_use(&item.target).because(error)),
        Err(error) if matches!(error.code(), "source_corrupted" | "not_a_database" | "source_encrypted") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The same while we hold the write lock of the database; also gives its schema cookie.
pub fn copy_locked(item: &Item, to: &Path, journal_mode: &str, context: &Context) -> Result<(DatabaseFacts, i64)> {
    let _ = fs::remove_file(to);
    let cookie = put::copy_locked(&item.target, journal_mode, to, context)?;
    Ok((facts::outline(&open::open_private(to)?, journal_mode)?, cookie))
}

/// Makes the safety backup of all items. `copies` are the databases' copies; `None` when nothing is there to save.
pub fn save(
    purpose: &Purpose<'_>,
    items: &Items,
    copies: &[(usize, PathBuf, DatabaseFacts)],
    context: &Context,
) -> Result<Option<Saved>> {
    let single = matches!(items.items.as_slice(), [item] if item.kind == PartKind::Database && copies.len() == 1);
    let mut sources: Vec<SourceFactory> = Vec::new();
    let mut warnings = Vec::new();
    for (at, item) in items.items.iter().enumerate() {
        if fs::symlink_metadata(&item.target).is_err() {
            sources.push(absent(item));
            continue;
        }
        let copy = copies.iter().find(|(of, ..)| *of == at);
        match (copy, item.kind) {
            (Some((_, copy, facts)), _) => {
                sources.push(sqlite::captured(&item.name, copy, facts.clone(), &item.target, single));
            }
            (None, PartKind::Directory | PartKind::Application) if item.target.is_dir() => {
                sources.push(directory(item, purpose));
            }
            (None, PartKind::Database) => {
                let text = format!("{} could not be read as a database; its bytes were saved as they are", item.name);
                warnings.push(Warning::new("raw_safety_copy", text));
                sources.extend(raw(item));
            }
            (None, _) => sources.extend(raw(item)),
        }
    }
    if items.items.iter().all(|item| fs::symlink_metadata(&item.target).is_err()) {
        return Ok(None);
    }
    let blind = |store: &Arc<dyn Store>| store.protection(purpose.plan) == Protection::Blind;
    if !purpose.stores.is_empty() && purpose.stores.iter().all(blind) {
        // It could not be read back, so there would be no way back.
        return Err(Error::new(ErrorKind::Denied, "key_needed", "A key is needed")
            .while_("making the safety backup")
            .because("the safety backup is encrypted, and this machine has no key that opens it")
            .hint("give --identity FILE, or set identity_file in recoup.toml"));
    }
    let scratch = items.stages.first().map(|stage| stage.path().to_owned()).unwrap_or_default();
    let request = backup::Request {
        plan: purpose.plan.to_owned(),
        sources,
        // Quick: the application may be waiting.
        format: if single { Format::Database } else { Format::Archive },
        queries: Vec::new(),
        kind: Kind::PreRestore,
        label: Some(format!("before the restore of {}", purpose.restored.file_stem())),
        protect: false,
        host: purpose.host.clone(),
        // The restore holds the application still already.
        hooks: Vec::new(),
        scratch,
        audit: purpose.audit.clone(),
        local_only: false,
        secrets: true,
        rescan: false,
    };
    let report = backup::run(&request, purpose.stores, context).map_err(|e| e.while_("making the safety backup"))?;
    for (store, error) in &report.failed {
        let text = format!("The safety backup was not stored at {store}: {error}");
        warnings.push(Warning::new(error.code(), text));
    }
    let stores: Vec<Arc<dyn Store>> =
        purpose.stores.iter().filter(|store| report.stored.contains(&store.describe())).cloned().collect();
    if let (true, Some((_, copy, _))) = (single, copies.first()) {
        take_again(copy, &report.manifest, &stores, context)?;
    }
    // Sockets and pipes stay where they are, so nothing is lost with them.
    warnings.extend(report.manifest.warnings.iter().filter(|warning| warning.code != "special_files").cloned());
    let moment = report.manifest.created_at;
    let mut saved = Saved { manifest: report.manifest, moment, stores, warnings, reused: false };
    use_what_is_there(&mut saved, context)?;
    if !saved.reused {
        saved.warnings.extend(over_the_limit(&saved));
    }
    Ok(Some(saved))
}

/// An earlier backup that holds exactly the same, wherever the new one was stored, takes its place and is protected.
fn use_what_is_there(saved: &mut Saved, context: &Context) -> Result<()> {
    let Some(first) = saved.stores.first() else { return Ok(()) };
    let same = |part: &Part, other: &Part| {
        (&part.name, part.kind, &part.origin, part.absent, &part.sha256)
            == (&other.name, other.kind, &other.origin, other.absent, &other.sha256)
    };
    let holds_the_same = |listed: &Listed| {
        let (ours, theirs) = (&saved.manifest.parts, &listed.manifest.parts);
        listed.manifest.id != saved.manifest.id
            && listed.missing.is_empty()
            && matches!(listed.manifest.format, Format::Archive | Format::Database)
            && ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(part, other)| same(part, other))
    };
    let found = first.list(Some(&saved.manifest.plan))?.backups.into_iter().find(holds_the_same);
    let Some(found) = found else { return Ok(()) };
    let id = &found.manifest.id;
    for store in &saved.stores {
        let there = store.list(Some(&saved.manifest.plan))?;
        if !there.backups.iter().any(|listed| listed.manifest.id == *id && listed.missing.is_empty()) {
            return Ok(());
        }
    }
    for store in &saved.stores {
        store.set_protected(id, true, context)?;
        store.delete(&saved.manifest.id, true)?;
    }
    saved.reused = true;
    saved.manifest = found.manifest;
    Ok(())
}

/// Nothing removes safety backups but a person; that there are many is told.
fn over_the_limit(saved: &Saved) -> Option<Warning> {
    let listing = saved.stores.first()?.list(Some(&saved.manifest.plan)).ok()?;
    let safety = listing.backups.iter().filter(|listed| listed.manifest.kind == Kind::PreRestore);
    let (count, bytes) = safety.fold((0, 0), |(n, bytes), listed| (n + 1, bytes + listed.manifest.stored_bytes()));
    (count > MOST || bytes > MOST_BYTES).then(|| {
        let text = format!(
            "There are {count} safety backups, {} MB; `recoup prune --protected --older-than 30d` removes old ones",
            bytes / 1_000_000
        );
        Warning::new("many_safety_backups", text)
    })
}

/// The copy was moved into the safety backup; for taking the restore back it gets its name again.
fn take_again(copy: &Path, manifest: &Manifest, stores: &[Arc<dyn Store>], context: &Context) -> Result<()> {
    if copy.exists() {
        return Ok(());
    }
    let lost = || Error::new(ErrorKind::Failed, "safety_missing", "The safety backup cannot be read");
    let folder = copy.parent().ok_or_else(lost)?;
    let path = fetch(manifest, stores.iter().rev(), folder, context)?.ok_or_else(lost)?;
    fs::hard_link(&path, copy).or_else(|_| fs::copy(&path, copy).map(drop)).map_err(|e| Error::at("copying", &path, e))
}

/// The first object of a backup from the first of these stores that has it. What a store has may be encrypted in its own
/// way, so it is asked for its own manifest.
fn fetch<'a>(
    manifest: &Manifest,
    stores: impl Iterator<Item = &'a Arc<dyn Store>>,
    scratch: &Path,
    context: &Context,
) -> Result<Option<PathBuf>> {
    for store in stores.filter(|store| store.protection(&manifest.plan) != Protection::Blind) {
        let listing = store.list(Some(&manifest.plan))?;
        let Some(listed) = listing.backups.iter().find(|listed| listed.manifest.id == manifest.id) else { continue };
        listed.manifest.opened()?;
        let Some(object) = listed.manifest.objects.first() else { continue };
        return store.fetch(&listed.manifest, object, scratch, context).map(Some);
    }
    Ok(None)
}

/// Takes a safety backup back that does not hold what is there any more.
pub fn discard(saved: &Saved) {
    if !saved.reused {
        for store in &saved.stores {
            // Should it stay, it is one protected backup too many.
            let _ = store.delete(&saved.manifest.id, true);
        }
    }
}

/// What of the tree of an item, as it lies `at` some place, the safety backup does not hold.
pub fn compare_tree(saved: &Saved, item: &Item, at: &Whereabouts, context: &Context) -> Result<Uncovered> {
    let part = saved.manifest.parts.iter().find(|part| part.name == item.name);
    let lost = || Error::new(ErrorKind::Failed, "safety_missing", "The safety backup cannot be read");
    let part = part.filter(|part| part.directory.is_some()).ok_or_else(lost)?;
    let path = fetch(&saved.manifest, saved.stores.iter(), &item.stage, context)?.ok_or_else(lost)?;
    let entries = ArchiveReader::open(&path)?.read_entries(part)?;
    // File systems stamp with a clock that is up to 10 ms late.
    let begun = saved.moment.as_nanosecond() - 20_000_000;
    at.uncovered(entries, begun..context.clock.now().as_nanosecond(), context)
}

fn absent(item: &Item) -> SourceFactory {
    // A path that leads nowhere makes the part that says so.
    let spec = FileSpec { name: item.name.clone(), path: item.target.clone(), optional: true };
    let spec = match item.kind {
        PartKind::Directory | PartKind::Application => SourceSpec::Directory(DirectorySpec {
            name: spec.name,
            path: spec.path,
            exclude: Vec::new(),
            optional: true,
            cross_mounts: false,
        }),
        _ => SourceSpec::File(spec),
    };
    factory(&spec, Path::new("/"), false, Arc::new(Vec::new))
}

/// How a live directory is read: without what its plan leaves out, and what it left out when the backup was made.
pub fn spec_of(name: &str, target: &Path, planned: Option<SourceSpec>, restored: &Manifest) -> DirectorySpec {
    let mut spec = match planned {
        Some(SourceSpec::Directory(spec)) => spec,
        _ => DirectorySpec {
            name: name.to_owned(),
            path: PathBuf::new(),
            exclude: Vec::new(),
            optional: false,
            cross_mounts: false,
        },
    };
    let facts = restored.parts.iter().find(|part| part.name == name).and_then(|part| part.directory.as_ref());
    for pattern in facts.map(|facts| facts.exclude.as_slice()).unwrap_or_default() {
        if !spec.exclude.contains(pattern) {
            spec.exclude.push(pattern.clone());
        }
    }
    // The part may be called differently than the plan's source it goes to.
    name.clone_into(&mut spec.name);
    target.clone_into(&mut spec.path);
    spec
}

fn directory(item: &Item, purpose: &Purpose<'_>) -> SourceFactory {
    let mut spec = spec_of(&item.name, &item.target, (purpose.specs)(&item.name), purpose.restored);
    for database in purpose.elsewhere {
        if let Ok(inside) = database.strip_prefix(&item.target)
            && let Some(inside) = inside.to_str()
        {
            spec.exclude.push(format!("/{}", literal(inside)));
        }
    }
    factory(&SourceSpec::Directory(spec), Path::new("/"), false, Arc::new(Vec::new))
}

/// A path as a pattern that fits nothing else.
fn literal(path: &str) -> String {
    let special = |c| matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\');
    path.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The bytes of a file, and of what SQLite left beside it.
fn raw(item: &Item) -> Vec<SourceFactory> {
    let mut sources = vec![file::raw(&item.name, &item.target, &item.target)];
    if item.kind == PartKind::Database {
        for suffix in ["-wal", "-journal"] {
            let path = open::sidecar(&item.target, suffix);
            if fs::metadata(&path).is_ok_and(|meta| meta.len() > 0) {
                sources.push(file::raw(&format!("{}{suffix}", item.name), &path, &path));
            }
        }
    }
    sources
}
