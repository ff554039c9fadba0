//! Interrupted restores are finished or taken back before a command does anything else with the data.
//!
//! Not here: how that is decided ([`recoup::restore::recover`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use recoup::model::{Manifest, RestoreRecord, SourceSpec};
use recoup::progress::Context;
use recoup::restore::Places;
use recoup::restore::recover::{self, Recovered};
use recoup::store::Store;
use recoup::{ErrorKind, Result};

use crate::output::{Mark, error_line};
use crate::session::Session;
use crate::words;

/// How long somebody who holds a database is waited for.
pub const BUSY: Duration = Duration::from_secs(30);

/// Folders in which a restore may have worked: around the places of parts, and those that are trees.
pub fn folders_of<'a>(manifests: impl Iterator<Item = &'a Manifest>) -> BTreeSet<PathBuf> {
    let places: Vec<Places> = manifests.map(Places::origins).collect();
    recover::folders_of(places.iter().flat_map(Places::all).map(|(_, path)| path.as_path()))
}

/// The same for the sources of plans.
pub fn folders_of_sources(sources: &[SourceSpec], base: &Path) -> BTreeSet<PathBuf> {
    recover::folders_of(recover::places_of(sources, base).iter().map(PathBuf::as_path))
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
    let remember = |record: &RestoreRecord| recover::remember_at(stores, record, context);
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
