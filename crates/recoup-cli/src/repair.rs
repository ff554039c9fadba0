//! Interrupted restores are finished or taken back before a command does anything else with the data.
//!
//! Not here: how that is decided ([`recoup::restore::recover`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use recoup::model::{Manifest, RestoreRecord, SourceSpec};
use recoup::progress::Context;
use recoup::restore::recover::{self, Recovered};
use recoup::restore::{self, Places};
use recoup::sqlite::location;
use recoup::store::Store;
use recoup::{ErrorKind, Result};

use crate::output::{Mark, error_line};
use crate::session::Session;
use crate::words;

/// How long somebody who holds a database is waited for.
pub const BUSY: Duration = Duration::from_secs(30);

/// Folders in which a restore may have worked: around the places of parts, and those that are trees.
pub fn folders_of<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for manifest in manifests {
        for (_, path) in Places::origins(manifest).all() {
            add(&mut folders, path);
        }
    }
    folders
}

/// The same for the sources of plans.
pub fn folders_of_sources(sources: &[SourceSpec], base: &Path) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for source in sources {
        let path = match source {
            SourceSpec::Database(spec) => location::parse(&spec.location, base).ok().map(|location| location.path),
            SourceSpec::Directory(spec) => Some(base.join(&spec.path)),
            SourceSpec::File(spec) => Some(base.join(&spec.path)),
            SourceSpec::Settings(_) | SourceSpec::Command(_) => None,
        };
        path.iter().for_each(|path| add(&mut folders, path));
    }
    folders
}

fn add(folders: &mut BTreeSet<PathBuf>, path: &Path) {
    // A restore works where the data really is.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    folders.extend(real.parent().map(Path::to_path_buf));
    if real.is_dir() {
        folders.insert(real);
    }
}

/// Folders in which an interrupted restore waits.
pub fn waiting(folders: &BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut waiting = Vec::new();
    for folder in folders {
        if !recover::waiting(folder)?.is_empty() {
            waiting.push(folder.clone());
        }
    }
    Ok(waiting)
}

/// Deals with everything that was interrupted in `folders`, says so, and remembers what was finished at `stores`.
pub fn repair(
    session: &Session,
    folders: &BTreeSet<PathBuf>,
    stores: &[Arc<dyn Store>],
    busy: Duration,
    context: &Context,
) -> Result<Vec<Recovered>> {
    let remember = |record: &RestoreRecord| {
        let has = |store: &&Arc<dyn Store>| {
            let listing = store.list(Some(&record.plan)).ok();
            listing.is_some_and(|listing| {
                listing.backups.iter().any(|listed| Some(&listed.manifest.id) == record.safety.as_ref())
            })
        };
        let store = stores.iter().find(has).or(stores.first());
        store.and_then(|store| restore::remember(record, &[Arc::clone(store)], context))
    };
    let mut all = Vec::new();
    for folder in folders {
        let recovered = recover::folder(folder, &remember, busy, context)?;
        recovered.iter().for_each(|recovered| tell(session, recovered));
        all.extend(recovered);
    }
    Ok(all)
}

/// The same before a command that only looks: what cannot be repaired now is told, and the command goes on.
pub fn repair_or_tell(session: &Session, folders: &BTreeSet<PathBuf>, stores: &[Arc<dyn Store>]) -> Result<()> {
    let context = crate::session::context(&session.screen, &session.cancel);
    match repair(session, folders, stores, Duration::from_secs(2), &context) {
        Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
        Err(error) => {
            let mark = session.screen.mark(Mark::Warning);
            session.screen.aside(format!("{mark} An interrupted restore waits: {}", error_line(&error)));
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

fn tell(session: &Session, recovered: &Recovered) {
    let parts = words::list(&recovered.parts);
    let (mark, plan) = (session.screen.mark(Mark::Good), &recovered.plan);
    session.screen.aside(match recovered.finished {
        Some(_) => format!("{mark} An interrupted restore of {plan} was finished: {parts}."),
        None => format!("{mark} An interrupted restore of {plan} was taken back: {parts} as before."),
    });
    for warning in &recovered.warnings {
        session.screen.aside(format!("{} {}", session.screen.mark(Mark::Warning), warning.text));
    }
}
