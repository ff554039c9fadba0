//! After a crash: an interrupted restore is finished or taken back before anything else happens to the data. Which of the
//! two is read from the data itself. Once one database has been committed the rest follows; before that every rename
//! is taken back. Both can be interrupted and repeated as often as it takes.
//!
//! Not here: the journal's shape ([`super::journal`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::commit;
use super::journal::{Database, Journal, Remember};
use super::stage::Stage;
use super::unit;
use crate::error::{Error, Result};
use crate::model::{RestoreRecord, SourceSpec, Warning};
use crate::progress::Context;
use crate::sqlite::location;
use crate::sqlite::pin::Pinned;
use crate::sqlite::put::Stamps;
use crate::sqlite::same;
use crate::store::Store;

/// An interrupted restore that was dealt with.
#[derive(Debug)]
pub struct Recovered {
    /// What was remembered of it when it was finished; it was taken back otherwise.
    pub finished: Option<RestoreRecord>,
    /// Names of its parts.
    pub parts: Vec<String>,
    /// The plan.
    pub plan: String,
    /// Worth a look.
    pub warnings: Vec<Warning>,
}

/// Finishes or takes back every interrupted restore of data in `folder`. What a restore left behind that had changed
/// nothing yet is removed without a word; one that is running is left alone. What is finished is told to `remember`.
///
/// Errors: `db_in_use` when somebody holds a database; what was to be done is then done by the next recovery.
pub fn folder(folder: &Path, remember: Remember<'_>, busy: Duration, context: &Context) -> Result<Vec<Recovered>> {
    let mut recovered = Vec::new();
    for found in Stage::find(folder)? {
        let lead = Stage::lead_of(&found);
        if let Some(lead) = &lead {
            // A restore that ends just now removes its leading stage last.
            if !lead.is_dir() && found.is_dir() {
                let text = format!("The restore that used {} cannot be finished here", found.display());
                return Err(Error::new(crate::ErrorKind::NotFound, "stage_missing", text).hint(format!(
                    "{} is not there: mount its disk, then run recoup doctor --repair",
                    lead.display()
                )));
            }
            recovered.extend(stage(lead, remember, busy, context)?);
        }
        if found.is_dir() {
            recovered.extend(stage(&found, remember, busy, context)?);
        }
    }
    Stage::sweep(folder);
    Ok(recovered)
}

fn stage(path: &Path, remember: Remember<'_>, busy: Duration, context: &Context) -> Result<Option<Recovered>> {
    // A stage that follows is removed with the one that leads.
    if Stage::lead_of(path).is_some() {
        return Ok(None);
    }
    let Some(mut stage) = Stage::adopt(path)? else { return Ok(None) };
    stage.keep();
    let Some(journal) = Journal::read(path)? else {
        stage.release();
        return Ok(None);
    };
    let finished = !journal.back && is_committed(&journal, busy, context)?;
    let mut warnings = Vec::new();
    context.observer.note(match finished {
        true => "Finishing an interrupted restore",
        false => "Taking an interrupted restore back",
    });
    if finished {
        finish(&journal, busy, &mut warnings, context)?;
        warnings.extend(remember(&journal.record()));
    } else {
        warnings.extend(commit::revert(&journal, path, busy, context)?.iter().map(|path| made_later(path)));
    }
    Journal::remove(path)?;
    for follower in &journal.followers {
        if let Some(mut follower) = Stage::adopt(follower.as_path())? {
            follower.release();
        }
    }
    stage.release();
    drop(stage);
    let finished = finished.then(|| journal.record());
    Ok(Some(Recovered { finished, parts: journal.parts, plan: journal.plan, warnings }))
}

/// The restore has passed the point from which it is finished and not taken back.
fn is_committed(journal: &Journal, busy: Duration, context: &Context) -> Result<bool> {
    for database in &journal.databases {
        if commit::is_new(database, busy, context)? {
            return Ok(true);
        }
    }
    Ok(journal.databases.is_empty() && journal.changes.were_applied())
}

fn finish(journal: &Journal, busy: Duration, warnings: &mut Vec<Warning>, context: &Context) -> Result<()> {
    if !journal.changes.were_applied() {
        journal.changes.apply()?;
    }
    for database in &journal.databases {
        if commit::is_new(database, busy, context)? {
            continue;
        }
        if is_written_to(database, busy, context)? {
            warnings.push(save_later_writes(database, busy, context)?);
        }
        commit::write(database, database.staged.as_path(), busy, context)?;
    }
    commit::set_journal_modes(journal, warnings, context)
}

fn made_later(path: &Path) -> Warning {
    let text = format!("An application made something there after the crash; it is kept in {}", path.display());
    Warning::new("later_writes_kept", text)
}

/// Somebody wrote to a database since its old content was copied. Stamps also change when SQLite takes back what the
/// crash interrupted, so only content tells.
fn is_written_to(database: &Database, busy: Duration, context: &Context) -> Result<bool> {
    let (target, old) = (database.target.as_path(), database.old.as_path());
    if Stamps::of(target).text() == database.stamps {
        return Ok(false);
    }
    Ok(!same::same(target, old, &old.with_extension("compared"), busy, context)?)
}

/// After the crash somebody wrote to a database whose restore was still to come: that is in no safety backup, so it is
/// kept beside it.
fn save_later_writes(database: &Database, busy: Duration, context: &Context) -> Result<Warning> {
    let target = database.target.as_path();
    let copy = unit::later_path(target);
    let scratch = database.staged.as_path().with_extension("recovering");
    Pinned::begin(target, &scratch, busy, context)?.copy(&copy, context, busy)?;
    unit::sync_folder(&unit::parent(target)?)?;
    let text =
        format!("{} was written to after the crash; what was in it is kept in {}", database.name, copy.display());
    Ok(Warning::new("later_writes_kept", text))
}

/// Whether somebody changes data in `folder` right now.
///
/// Errors: `already_running` when it is so.
pub fn nobody_restores(folder: &Path) -> Result<()> {
    for found in Stage::find(folder)? {
        let working = Stage::lead_of(&found).is_some() || found.join(super::journal::FILE).exists();
        if working && Stage::adopt(&found)?.map(|mut stage| stage.keep()).is_none() && found.is_dir() {
            return Err(crate::backup::already_running(format!("data in {} is being restored", folder.display())));
        }
    }
    Ok(())
}

/// Interrupted restores of data in `folder` that nobody works on and that wait for a recovery: their stages.
pub fn waiting(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut waiting = Vec::new();
    for found in Stage::find(folder)? {
        let begun = Stage::lead_of(&found).is_some() || Journal::read(&found)?.is_some();
        if begun && let Some(mut stage) = Stage::adopt(&found)? {
            stage.keep();
            waiting.push(found);
        }
    }
    Ok(waiting)
}

/// Folders in which a restore of these parts may have worked: around their places, and those that are trees. A restore
/// works where the data really is.
pub fn folders_of<'a>(places: impl IntoIterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for path in places {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        folders.extend(real.parent().map(Path::to_path_buf));
        if real.is_dir() {
            folders.insert(real);
        }
    }
    folders
}

/// Where the sources of a plan are. Relative paths are meant from `base`.
pub fn places_of(sources: &[SourceSpec], base: &Path) -> Vec<PathBuf> {
    let place = |source: &SourceSpec| match source {
        SourceSpec::Database(spec) => location::parse(&spec.location, base).ok().map(|location| location.path),
        SourceSpec::Directory(spec) => Some(base.join(&spec.path)),
        SourceSpec::File(spec) => Some(base.join(&spec.path)),
        SourceSpec::Settings(_) | SourceSpec::Command(_) => None,
    };
    sources.iter().filter_map(place).collect()
}

/// Keeps the record of a restore that was finished after a crash, at the first of `stores` that has its safety backup.
pub fn remember_at(stores: &[Arc<dyn Store>], record: &RestoreRecord, context: &Context) -> Option<Warning> {
    let has = |store: &&Arc<dyn Store>| {
        let listing = store.list(Some(&record.plan)).ok();
        listing.is_some_and(|listing| {
            listing.backups.iter().any(|listed| Some(&listed.manifest.id) == record.safety.as_ref())
        })
    };
    let store = stores.iter().find(has).or(stores.first());
    store.and_then(|store| super::remember(record, &[Arc::clone(store)], context))
}
