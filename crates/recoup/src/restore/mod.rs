//! The verb *restore*: choose → stage on the target's own disk → prove → save what is there → put in place → compare. It
//! ends with exactly the old data or exactly the new data, whatever happens in between.
//!
//! Three ways: [`run`] puts data back where it belongs, [`to_folder`] writes a fresh tree and touches nothing else,
//! [`preview`](mod@preview) only tells. [`recover`] deals with what a crash left.
//!
//! Not here: asking people, and where safety backups are kept for how long.

mod act;
mod changes;
pub mod choose;
mod commit;
mod derive;
mod folder;
mod from;
mod item;
mod journal;
mod meanwhile;
mod mounts;
mod nested;
mod preview;
pub mod recover;
mod safety;
mod space;
mod stage;
mod tree;
mod unit;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::choose::Places;
pub use self::from::Opened;
pub use self::preview::{Preview, Seen, preview};
use crate::error::Result;
use crate::hooks::{self, Hook, Occasion, Quiesced};
use crate::model::{BackupId, Outcome, PartKind, RestoreRecord, Warning};
use crate::progress::Context;
use crate::source::settings::Environment;
use crate::store::Store;

/// What is to be put back where it belongs.
pub struct Request<'a> {
    /// Names of parts, `database:table`, `directory/file`; everything when empty.
    pub only: &'a [String],
    /// Where parts belong.
    pub places: &'a Places,
    /// Where the safety backup goes; the first one that has it also remembers the restore.
    pub stores: &'a [Arc<dyn Store>],
    /// The restore that this one takes back: then checks of version and application are no concern, and what was
    /// not there goes.
    pub undoes: Option<BackupId>,
    /// Restore also what another application or a newer version made.
    pub force: bool,
    /// What holds the application still from before the safety backup until everything is in place.
    pub hooks: &'a [Arc<dyn Hook>],
    /// How long to wait for somebody who holds a database.
    pub busy: Duration,
    /// What the person saw who said yes; live data that changed since is refused with `preview_stale`.
    pub seen: Option<&'a Seen>,
    /// The environment, to tell secrets in settings.
    pub environment: Environment,
    /// Host name for the safety backup.
    pub host: Option<String>,
}

/// How a restore went.
#[derive(Debug, Default)]
pub struct Report {
    /// Good or warnings; everything else is an error.
    pub outcome: Outcome,
    /// What was put where.
    pub restored: Vec<Restored>,
    /// The backup of what was replaced; none when there was nothing, or nothing was replaced.
    pub safety: Option<BackupId>,
    /// The restore, for `undo`.
    pub record: Option<RestoreRecord>,
    /// Worth a look.
    pub warnings: Vec<Warning>,
}

/// A part in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Its name.
    pub name: String,
    /// Where it is now.
    pub path: PathBuf,
}

/// Puts a backup back where it belongs. On any error the data is exactly as it was.
///
/// Errors: `db_in_use` (`Cannot restore while database is in use`), `data_changing`, `already_running`, `version_newer`,
/// `another_application`, `preview_stale`, `backup_corrupted`, `disk_full`.
pub fn run(opened: &mut Opened, request: &Request<'_>, context: &Context) -> Result<Report> {
    let manifest = opened.manifest.clone();
    let _alone = crate::backup::alone(&manifest.plan, request.stores)?;
    let choices = choose::choose(&manifest, request.only)?;
    let targets = item::targets(&choices, request.places)?;
    if let Some(seen) = request.seen {
        seen.still(&targets, context)?;
    }
    let undo = request.undoes.is_some();
    let mut warnings = preview::checks(&manifest, &targets, request.force || undo, request.busy)?;
    if undo {
        // It comes back because it was here.
        warnings.clear();
    }
    let ask = item::Ask { undo, busy: request.busy, places: request.places, environment: &request.environment };
    let mut items = item::prepare(opened, &targets, &ask, context)?;
    space::check(&items, request.stores)?;
    let chosen: Vec<&str> = items.items.iter().map(|item| item.name.as_str()).collect();
    let elsewhere: Vec<PathBuf> = manifest
        .parts
        .iter()
        .filter(|part| part.kind == PartKind::Database && !chosen.contains(&part.name.as_str()))
        .filter_map(|part| request.places.target(part).ok().flatten())
        .collect();
    let purpose = safety::Purpose {
        plan: &manifest.plan,
        restored: &manifest,
        specs: &|name| request.places.spec(name).cloned(),
        elsewhere: &elsewhere,
        stores: request.stores,
        host: request.host.clone(),
        undoes: request.undoes.clone(),
    };
    let id = BackupId::generate(context.clock.now());
    let quiesced = Quiesced::begin(request.hooks, Occasion::Restore, &manifest.plan, context)?;
    let done = act::run(&id, &mut items, &purpose, request.busy, context);
    // Everything is durable by now, or as it was.
    let resumed = quiesced.resume(Quiesced::outcome(&done));
    let done = done.map_err(|error| hooks::with_warnings(error, &resumed))?;
    warnings.extend(resumed);
    warnings.append(&mut items.warnings);
    warnings.extend(done.warnings);
    let restored: Vec<Restored> =
        items.items.iter().map(|item| Restored { name: item.name.clone(), path: item.target.clone() }).collect();
    let safety = done.saved.as_ref().map(|saved| saved.manifest.id.clone());
    let outcome = if warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
    Ok(Report { outcome, restored, safety, record: Some(done.record), warnings })
}

/// Keeps the record of a restore where its safety backup is, so that it can be undone.
pub fn remember(record: &RestoreRecord, stores: &[Arc<dyn Store>], context: &Context) -> Option<Warning> {
    let context = commit::uncancelled(context);
    let mut failed = None;
    for store in stores {
        match store.put_record(record, &context) {
            Ok(()) => return None,
            Err(error) => failed = Some(format!("{}: {error}", store.describe())),
        }
    }
    let text =
        format!("The restore could not be noted for undo: {}", failed.unwrap_or_else(|| "no destination".into()));
    Some(Warning::new("not_noted", text))
}

/// Restores to a folder that is empty or not there yet, and touches nothing else.
pub fn to_folder(opened: &mut Opened, only: &[String], to: &Path, context: &Context) -> Result<Report> {
    let manifest = opened.manifest.clone();
    let choices = choose::choose(&manifest, only)?;
    folder::run(opened, &choices, to, context)
}
