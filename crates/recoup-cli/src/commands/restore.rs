//! `recoup restore`: a preview, a question, the act; or a fresh tree in a folder.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use recoup::format::adopt::adopt;
use recoup::format::archive::policy::Limits;
use recoup::hooks::{self, Occasion};
use recoup::model::destination::Address;
use recoup::model::{BackupId, Kind, Manifest, SourceSpec};
use recoup::progress::Context;
use recoup::restore::{self, Opened, Places, Preview, Report, Request};
use recoup::store::Store;
use recoup::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::args::Restore;
use crate::ask;
use crate::exit;
use crate::output::{self, Mark, Reply, Screen, error_line};
use crate::places::{Place, Shelf};
use crate::repair;
use crate::session::{self, Session};
use crate::table::printable;
use crate::words;

/// How often a preview is made anew when the data changes under it.
const PREVIEWS: usize = 3;

pub fn run(args: &Restore, session: &Session) -> Result<Reply> {
    let context = session.work()?;
    let scratch = session::scratch(args.scratch.as_deref())?;
    let file = session.current.join(&args.backup);
    let (mut opened, found) = if looks_like_a_file(&args.backup, &file) {
        (adopted(args, &file, scratch.path(), &context)?, None)
    } else {
        let shelf = Shelf::open(session, args.at.at.as_deref())?;
        let id = shelf.find(&args.backup)?.listed.manifest.id.clone();
        let (opened, place) = open_best(&shelf, &id, scratch.path(), session, &context)?;
        has_places(args, &opened)?;
        (opened, Some((Arc::clone(&place.store), place.settings.real())))
    };
    if let Some(plan) = &args.plan {
        opened.manifest.plan.clone_from(&session.settings.plan(plan)?.name);
    }
    let manifest = opened.manifest.clone();
    if let Some(to) = &args.to {
        let report = restore::to_folder(&mut opened, &args.only, &session.current.join(to), &context)?;
        return Ok(reply(&manifest, &report, None, &session.screen));
    }
    let (sources, stores) = home(session, &manifest, found)?;
    let places = match &sources {
        Some(sources) => Places::of_plan(&manifest, sources, &session.settings.base)?,
        None => Places::origins(&manifest),
    };
    let act = Act { args, undoes: None, places: &places, stores: &stores, busy: busy(args), scratch: scratch.path() };
    act.run(&mut opened, session, &context)
}

/// Opens the nearest copy; when it is damaged or out of reach, the next, and says so.
fn open_best<'a>(
    shelf: &'a Shelf,
    id: &BackupId,
    scratch: &Path,
    session: &Session,
    context: &Context,
) -> Result<(Opened, &'a Place)> {
    let copies = shelf.nearest(id);
    let last = copies.len().saturating_sub(1);
    for (at, copy) in copies.into_iter().enumerate() {
        let opened = copy
            .ready(scratch, context)
            .and_then(|ready| Opened::stored(ready.store.as_ref(), &ready.listed, scratch, context));
        match opened {
            Ok(opened) => return Ok((opened, copy.place)),
            Err(error) if at < last && may_be_elsewhere(&error) => {
                let text = format!("The copy at {} was not used: {}", copy.place.name, error_line(&error));
                session.screen.aside(text);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(ErrorKind::NotFound, "backup_missing", "Backup not found"))
}

fn may_be_elsewhere(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::NotFound | ErrorKind::Unreachable)
}

/// A path, and not the name of a backup in a destination.
fn looks_like_a_file(reference: &str, path: &Path) -> bool {
    (reference.contains('/') || Path::new(reference).extension().is_some()) && path.is_file()
}

/// A file from anywhere: hostile until it is proven.
fn adopted(args: &Restore, file: &Path, scratch: &Path, context: &Context) -> Result<Opened> {
    let adopted = adopt(file, &Limits::default(), scratch, context)?;
    let opened = Opened::at(adopted.manifest, adopted.path)?;
    has_places(args, &opened)?;
    Ok(opened)
}

/// Refuses what does not say where it belongs when nobody else does.
fn has_places(args: &Restore, opened: &Opened) -> Result<()> {
    if args.to.is_none()
        && args.plan.is_none()
        && opened.manifest.kind == Kind::Upload
        && opened.manifest.parts.iter().all(|part| part.origin.is_none())
    {
        let error = Error::usage("no_place", "The file does not say where its data belongs");
        return Err(
            error.hint("--plan NAME puts it where a plan of recoup.toml has its sources; --to DIR writes a fresh tree")
        );
    }
    Ok(())
}

fn busy(args: &Restore) -> Duration {
    Duration::from_secs(args.wait)
}

/// Sources of a plan, and where safety backups go.
type Home = (Option<Vec<SourceSpec>>, Vec<Arc<dyn Store>>);

/// The sources of the backup's plan when the configuration has it, and where its safety backups go: with its other
/// backups, where this one was `found`, or where backups go when nobody says.
pub fn home(session: &Session, manifest: &Manifest, found: Option<(Arc<dyn Store>, Address)>) -> Result<Home> {
    let plan = session.settings.plan(&manifest.plan).ok();
    let (mut stores, found_at) = found.map_or((vec![], None), |(store, at)| (vec![store], Some(at)));
    let further = match plan {
        Some(plan) => session.settings.destinations_of(plan)?,
        None if stores.is_empty() => session.settings.default_destinations(&session.current)?,
        None => Vec::new(),
    };
    for settings in further {
        match Place::open(&settings, true) {
            Ok(place) if Some(place.settings.real()) == found_at => {}
            Ok(place) => stores.push(place.store),
            Err(error) => session.screen.aside(format!("{} is left out: {}", settings.name, error_line(&error))),
        }
    }
    Ok((plan.map(|plan| plan.sources.clone()), stores))
}

/// Putting data back where it belongs.
pub struct Act<'a> {
    pub args: &'a Restore,
    pub undoes: Option<BackupId>,
    pub places: &'a Places,
    pub stores: &'a [Arc<dyn Store>],
    pub busy: Duration,
    pub scratch: &'a Path,
}

impl Act<'_> {
    /// Previews, asks, acts.
    pub fn run(&self, opened: &mut Opened, session: &Session, context: &Context) -> Result<Reply> {
        let folders = repair::folders_of([&opened.manifest].into_iter());
        repair::repair(session, &folders, self.stores, self.busy, context)?;
        let manifest = opened.manifest.clone();
        let plan = session.settings.plan(&manifest.plan);
        let hooks = plan.map(|plan| hooks::of_plan(&plan.hooks, Occasion::Restore)).unwrap_or_default();
        for _ in 0..PREVIEWS {
            let mut seen = None;
            if self.args.dry_run || !self.args.yes {
                let folder = tempfile::tempdir_in(self.scratch);
                let folder = folder.map_err(|e| Error::at("making a folder in", self.scratch, e))?;
                let preview =
                    restore::preview(opened, &self.args.only, self.places, folder.path(), self.busy, context)?;
                if self.args.dry_run {
                    return Ok(previewed(&manifest, preview, self.args.force, &session.screen));
                }
                session.screen.say(human(&manifest, &preview, &session.screen));
                if let Some(error) = preview.refused.filter(|_| !self.args.force && self.undoes.is_none()) {
                    return Err(error);
                }
                ask::confirm(&session.screen, "Restore will replace all data. Continue?")?;
                seen = Some(preview.seen);
            }
            let request = Request {
                only: &self.args.only,
                places: self.places,
                stores: self.stores,
                undoes: self.undoes.clone(),
                force: self.args.force,
                hooks: &hooks,
                busy: self.busy,
                seen: seen.as_ref(),
                environment: Arc::clone(&session.environment),
                host: super::backup::host(),
                audit: None,
            };
            match restore::run(opened, &request, context) {
                Err(error) if error.code() == "preview_stale" => {
                    session.screen.aside("The data has changed meanwhile; this is the new preview:");
                }
                other => return Ok(reply(&manifest, &other?, self.undoes.as_ref(), &session.screen)),
            }
        }
        let error =
            Error::new(recoup::ErrorKind::Busy, "data_changing", "The data changes faster than it can be previewed");
        Err(error.hint("stop the application first, or say --yes"))
    }
}

/// The answer of `--dry-run`.
fn previewed(manifest: &Manifest, preview: Preview, force: bool, screen: &Screen) -> Reply {
    let text = human(manifest, &preview, screen);
    let refused = preview.refused.as_ref().filter(|_| !force);
    let exit = refused.map_or(exit::GOOD, |error| exit::of(error.kind()));
    let json = json!({
        "dry_run": true,
        "backup": manifest.id.as_str(),
        "parts": preview.parts,
        "databases": preview.differences.databases,
        "directories": preview.differences.directories,
        "refused": preview.refused.as_ref().map(output::error_document),
        "warnings": output::warnings(&preview.warnings),
    });
    Reply { json, text, quiet: String::new(), exit }
}

/// What a restore would do, for people.
fn human(manifest: &Manifest, preview: &Preview, screen: &Screen) -> String {
    let mut text = format!("{}\n", screen.bold(&format!("Restore {}", super::phrase(manifest, Timestamp::now()))));
    for part in &preview.parts {
        let size = words::size(part.bytes);
        text.push_str(&match &part.path {
            Some(path) => {
                let now = if part.exists { "replaces" } else { "makes" };
                format!("  {}  {size}, {now} {}\n", part.name, path.display())
            }
            None => format!("  {}  has no place in the file system; --to DIR writes it to a folder\n", part.name),
        });
    }
    let differences = super::diff::describe(&preview.differences, ["comes back", "is lost", "changes"]);
    match differences.is_empty() {
        true => text.push_str("Nothing would change: the data is what the backup holds.\n"),
        false => text.push_str(&format!("What would change:\n{differences}")),
    }
    for warning in &preview.warnings {
        text.push_str(&format!("{} {}\n", screen.mark(Mark::Warning), printable(&warning.text)));
    }
    if let Some(error) = &preview.refused {
        text.push_str(&format!("{} {}\n", screen.mark(Mark::Bad), error_line(error)));
    }
    text
}

/// The answer of a restore that was carried out.
fn reply(manifest: &Manifest, report: &Report, undoes: Option<&BackupId>, screen: &Screen) -> Reply {
    let now = Timestamp::now();
    let what = match undoes {
        Some(_) => "Undone: the data is as it was before the restore".to_owned(),
        None => format!("Restored {}", super::phrase(manifest, now)),
    };
    let mark = if report.warnings.is_empty() { Mark::Good } else { Mark::Warning };
    let mut text = format!("{} {what}.\n", screen.mark(mark));
    for part in &report.restored {
        text.push_str(&format!("  {}  {}\n", part.name, part.path.display()));
    }
    for warning in &report.warnings {
        text.push_str(&format!("{} {}\n", screen.mark(Mark::Warning), printable(&warning.text)));
    }
    if let Some(safety) = &report.safety {
        let undo = if undoes.is_none() { " `recoup undo` brings it back." } else { "" };
        text.push_str(&screen.dim(&format!("What was replaced is in backup {}.{undo}\n", safety.tail())));
    }
    let restored: Vec<Value> =
        report.restored.iter().map(|part| json!({ "name": part.name, "path": part.path })).collect();
    let json = json!({
        "outcome": output::outcome(report.outcome),
        "id": report.record.as_ref().map(|record| record.id.as_str()),
        "backup": manifest.id.as_str(),
        "restored": restored,
        "safety_backup": report.safety.as_ref().map(BackupId::as_str),
        "warnings": output::warnings(&report.warnings),
    });
    let quiet = report.safety.as_ref().map(|id| id.to_string()).unwrap_or_default();
    Reply { json, text, quiet, exit: exit::of_outcome(report.outcome) }
}
