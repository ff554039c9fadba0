//! `recoup backup`: a plan of the configuration, or what the options name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use recoup::backup::{self, Report, Request};
use recoup::config::{AdHoc, DestinationSettings, Origin, Resolved};
use recoup::hooks::{self, Occasion};
use recoup::migration::{self, Made, Terms};
use recoup::model::{Kind, Manifest, Outcome, PartKind, Plan, Warning};
use recoup::restore::recover;
use recoup::source::factory;
use recoup::store::Store;
use recoup::{Error, Result};
use serde_json::{Value, json};

use crate::args::Backup;
use crate::exit;
use crate::output::{self, Mark, Reply, Screen, error_line};
use crate::places::Place;
use crate::repair;
use crate::session::{self, Session};
use crate::words;

/// What is backed up, from where relative paths count, and where it goes.
struct Task {
    plan: Plan,
    base: PathBuf,
    /// Paths as written that were resolved against `base`, and those that were against the current directory.
    from_base: Vec<String>,
    from_here: Vec<String>,
    destinations: Vec<DestinationSettings>,
    /// All of them encrypt, and those of the plan that are left out this time.
    encrypted: bool,
}

pub fn run(args: &Backup, session: &Session) -> Result<Reply> {
    let task = task(args, session)?;
    tell_resolved(&task, session);
    let sources = task.plan.sources.iter().map(|spec| {
        let compact = args.compact || task.plan.compact;
        factory(spec, &task.base, compact, Arc::clone(&session.environment))
    });
    let request = Request {
        plan: task.plan.name.clone(),
        sources: sources.collect(),
        format: args.format.unwrap_or(task.plan.format),
        queries: task.plan.queries.clone(),
        kind: args.kind.into(),
        label: args.name.clone(),
        protect: args.protect,
        host: host(),
        hooks: hooks::of_plan(&task.plan.hooks, Occasion::Backup),
        scratch: session::scratch_root(None),
        audit: None,
        local_only: args.local_only,
        secrets: task.encrypted,
        rescan: args.rescan,
    };
    let context = session.work()?;
    let (places, closed) = open(&task.destinations)?;
    let stores: Vec<Arc<dyn Store>> = places.iter().map(|place| Arc::clone(&place.store)).collect();
    // Half a restore must never become a backup.
    let folders = repair::folders_of_sources(&task.plan.sources, &task.base);
    repair::repair(session, &folders, &stores, repair::BUSY, &context)?;
    folders.iter().try_for_each(|folder| recover::nobody_restores(folder))?;
    let mut report = match request.kind {
        Kind::PreMigration => {
            let fresh = args.fresh.as_deref().map(words::parse_age).transpose()?;
            let terms = Terms { fresh: fresh.unwrap_or(Terms::default().fresh), ..Terms::default() };
            match migration::run(&request, &stores, &terms, &context)? {
                Made::Reused(listed, warnings) => return Ok(reused(listed.manifest, warnings, &places, session)),
                Made::New(report) => *report,
            }
        }
        _ => backup::run(&request, &stores, &context)?,
    };
    if !closed.is_empty() {
        report.outcome = Outcome::Warnings;
        report.failed.extend(closed);
    }
    let failed: Vec<&String> = report.failed.iter().map(|(name, _)| name).collect();
    let places: Vec<&Place> = places.iter().filter(|place| !failed.contains(&&place.store.describe())).collect();
    let mut text = human(&report, &places, &session.screen);
    if session.screen.for_people() {
        text.push_str(&session.screen.dim(&next(args, session, &report.manifest, &places)));
    }
    let quiet = report.manifest.id.to_string();
    let reply = Reply { json: json(&report, &places), text, quiet, exit: exit::of_outcome(report.outcome) };
    Ok(super::prune::after_backup(&task.plan, &report.manifest, &places, session, &context, reply))
}

/// The answer when nothing has changed since an existing backup. Its own warnings were told when it was made.
fn reused(manifest: Manifest, warnings: Vec<Warning>, places: &[Place], session: &Session) -> Reply {
    let outcome = if warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
    let manifest = Manifest { warnings, ..manifest };
    let (mark, age) = (session.screen.mark(Mark::Good), words::age(manifest.created_at, jiff::Timestamp::now()));
    let stem = manifest.file_stem();
    let mut text = format!("{mark} Nothing has changed since {stem} ({age}), which is protected now.\n");
    for warning in &manifest.warnings {
        text.push_str(&format!("{} {}\n", session.screen.mark(Mark::Warning), crate::table::printable(&warning.text)));
    }
    let report = Report { manifest, outcome, stored: vec![], failed: vec![] };
    let places: Vec<&Place> = places.iter().take(1).collect();
    let mut json = json(&report, &places);
    json["reused"] = true.into();
    Reply { json, text, quiet: report.manifest.id.to_string(), exit: exit::of_outcome(outcome) }
}

fn task(args: &Backup, session: &Session) -> Result<Task> {
    let mut task = everywhere(args, session)?;
    if args.local_only {
        task.destinations.retain(|destination| destination.path().is_some());
        if task.destinations.is_empty() {
            let text = format!("{} goes to destinations in the network only", task.plan.name);
            return Err(Error::usage("no_local_destination", text).hint("name a directory with --to DIR"));
        }
    }
    Ok(task)
}

/// With all its destinations.
fn everywhere(args: &Backup, session: &Session) -> Result<Task> {
    let settings = &session.settings;
    let mut ad_hoc = AdHoc {
        plan: args.plan_name.clone(),
        databases: args.database.clone(),
        directories: args.directory.clone(),
        files: args.file.clone(),
        exclude: args.exclude.clone(),
        format: args.format,
        compact: args.compact,
    };
    let plan = match (&args.plan, settings.plans.as_slice()) {
        (Some(name), _) => Some(match settings.plan(name) {
            Ok(plan) => plan.clone(),
            // One that was added to the catalog of a daemon.
            Err(error) => super::plan::to_back_up(name, session, looks_like_a_path(name, error))?,
        }),
        (None, _) if !ad_hoc.is_empty() => None,
        (None, [only]) if args.plan_name.is_none() => Some(only.clone()),
        (None, []) => match &settings.database {
            Some((database, origin)) => {
                session.screen.aside(format!("Backing up the database of {origin}."));
                ad_hoc.databases.push(database.clone());
                None
            }
            None => return Err(nothing_named()),
        },
        (None, several) => return Err(which_plan(several, args.plan_name.as_deref())),
    };
    let written = |resolved: &Resolved| resolved.written.clone();
    let named = |text: &str| settings.destinations.iter().any(|destination| destination.name == text);
    let relative = |text: &&String| Path::new(text).is_relative() && !named(text);
    let to: Vec<String> = args.to.iter().filter(relative).cloned().collect();
    let destinations = |otherwise: Vec<DestinationSettings>| -> Result<Vec<DestinationSettings>> {
        let mut found = match args.to.as_slice() {
            [] => otherwise,
            to => to.iter().map(|to| settings.destination(to, &session.current)).collect::<Result<_>>()?,
        };
        found.iter_mut().for_each(|one| one.layout = args.layout.unwrap_or(one.layout));
        Ok(found)
    };
    if let Some(plan) = plan {
        let planned = settings.destinations_of(&plan)?;
        let unused = |path: &PathBuf| !args.to.is_empty() && planned.iter().any(|planned| planned.path() == Some(path));
        let resolved =
            settings.resolved.iter().filter(|resolved| resolved.plan == plan.name && !unused(&resolved.path));
        let from_base = resolved.map(written).collect();
        let base = settings.base.clone();
        let kept = encrypt(&planned, &plan);
        let destinations = destinations(planned)?;
        let encrypted = kept && encrypt(&destinations, &plan);
        return Ok(Task { plan, base, from_base, from_here: to, destinations, encrypted });
    }
    let defaults = settings.default_destinations(&session.current)?;
    let in_backups = defaults.iter().any(|default| default.path() == Some(&session.current.join("backups")));
    let destinations = destinations(defaults)?;
    let (plan, resolved) = ad_hoc.plan(settings, &session.current, &destinations)?;
    let mut from_here: Vec<String> = resolved.iter().map(written).collect();
    if args.to.is_empty() && in_backups {
        from_here.push("./backups".to_owned());
    }
    from_here.extend(to);
    let base = session.current.clone();
    let encrypted = encrypt(&destinations, &plan);
    Ok(Task { plan, base, from_base: Vec::new(), from_here, destinations, encrypted })
}

/// Whether all of these encrypt what a plan makes.
fn encrypt(destinations: &[DestinationSettings], plan: &Plan) -> bool {
    destinations.iter().all(|destination| destination.keys.of(&plan.name).is_some())
}

fn nothing_named() -> Error {
    Error::usage("no_sources", "Nothing to back up: there is no recoup.toml and nothing is named")
        .hint("recoup backup --database PATH, or try recoup demo")
}

fn which_plan(plans: &[Plan], given: Option<&str>) -> Error {
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    match given {
        Some(_) => {
            Error::usage("no_sources", "--plan names what --database, --directory and --file give; none is there")
                .hint("recoup backup NAME backs up a plan of recoup.toml")
        }
        None => Error::usage("which_plan", format!("Which plan? There are {}", names.join(", ")))
            .hint(format!("recoup backup {}", names.first().copied().unwrap_or_default())),
    }
}

/// `recoup backup app.db` is a likely slip.
fn looks_like_a_path(name: &str, error: Error) -> Error {
    let path = Path::new(name);
    if !name.contains('/') && !path.exists() {
        return error;
    }
    let option = if path.is_dir() { "--directory" } else { "--database" };
    error.hint(format!("to back up that path: recoup backup {option} {name}"))
}

/// Relative paths are resolved once and said once.
fn tell_resolved(task: &Task, session: &Session) {
    let sides = [(&task.base, &task.from_base, " (where recoup.toml is)"), (&session.current, &task.from_here, "")];
    for (base, written, note) in sides {
        let mut told: Vec<&str> = Vec::new();
        for text in written {
            if !told.contains(&text.as_str()) {
                told.push(text);
            }
        }
        if !told.is_empty() {
            let line = format!("Relative to {}{note}: {}", base.display(), told.join(", "));
            session.screen.aside(session.screen.dim(&line));
        }
    }
}

/// Destinations that could not be opened, and why.
type Closed = Vec<(String, Error)>;

/// Opens the destinations. One that cannot be opened is a warning as long as another one can.
fn open(destinations: &[DestinationSettings]) -> Result<(Vec<Place>, Closed)> {
    let mut places = Vec::new();
    let mut closed = Vec::new();
    for settings in destinations {
        match Place::open(settings, true) {
            Ok(place) => places.push(place),
            Err(error) => closed.push((settings.name.clone(), error)),
        }
    }
    match (places.is_empty(), closed.pop()) {
        (true, Some((name, error))) => Err(error.while_(format!("opening destination {name}"))),
        (_, last) => {
            closed.extend(last);
            Ok((places, closed))
        }
    }
}

/// The host's name, for backups that are found elsewhere later.
pub fn host() -> Option<String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// `2 databases, 1 directory (204 files) and settings`.
pub fn contents(manifest: &Manifest) -> String {
    let mut told = Vec::new();
    let kinds = [
        (PartKind::Database, "database"),
        (PartKind::Directory, "directory"),
        (PartKind::File, "file"),
        (PartKind::Settings, "settings"),
        (PartKind::Command, "command"),
        (PartKind::Application, "part of the application"),
    ];
    for (kind, word) in kinds {
        let parts: Vec<_> = manifest.parts.iter().filter(|part| part.kind == kind && !part.absent).collect();
        let files: u64 = parts.iter().filter_map(|part| part.directory.as_ref()).map(|facts| facts.files).sum();
        match (parts.len() as u64, kind) {
            (0, _) => {}
            (_, PartKind::Settings) => told.push(word.to_owned()),
            (n, PartKind::Directory) => {
                told.push(format!("{} ({})", words::things(n, word), words::things(files, "file")))
            }
            (n, _) => told.push(words::things(n, word)),
        }
    }
    words::list(&told)
}

/// `Backed up shop: 2 databases, 12.3 MiB → 4.1 MiB in 1.2 s. Verified: integrity.`
pub fn sentence(manifest: &Manifest) -> String {
    let from = words::size(manifest.parts.iter().map(|part| part.bytes).sum());
    let to = words::size(manifest.stored_bytes());
    let took = words::duration(Duration::from_millis(manifest.duration_ms));
    let verified = manifest.verified.map(|level| format!(" Verified: {level}.")).unwrap_or_default();
    // A history says what is new, not how small it became.
    let arrow = if manifest.history.is_some() { format!("{to} new of {from}") } else { format!("{from} → {to}") };
    format!("Backed up {}: {}, {arrow} in {took}.{verified}", manifest.plan, contents(manifest))
}

fn human(report: &Report, places: &[&Place], screen: &Screen) -> String {
    let manifest = &report.manifest;
    let mark = if report.outcome == Outcome::Good { Mark::Good } else { Mark::Warning };
    let mut text = format!("{} {}\n", screen.mark(mark), sentence(manifest));
    for place in places {
        for object in manifest.own() {
            text.push_str(&format!("  {}\n", place.path_of(manifest, &object.name)));
        }
        text.extend(place.link(manifest).map(|link| format!("  {link}\n")));
    }
    if let Some(same) = &manifest.same_as {
        text.push_str(&format!("  Nothing had changed since {same}: its bytes are used again, and were not read.\n"));
    }
    for part in manifest.parts.iter().filter(|part| part.absent) {
        text.push_str(&format!("  {} was not there (optional).\n", part.name));
    }
    for (name, error) in &report.failed {
        text.push_str(&format!("{} Not stored at {name}: {}\n", screen.mark(Mark::Bad), error_line(error)));
    }
    for warning in &manifest.warnings {
        text.push_str(&format!("{} {}\n", screen.mark(Mark::Warning), crate::table::printable(&warning.text)));
    }
    text
}

/// What to do next, as it can be typed.
fn next(args: &Backup, session: &Session, manifest: &Manifest, places: &[&Place]) -> String {
    let has_it = |to: &&String| {
        let meant = session.settings.destination(to, &session.current);
        meant.is_ok_and(|meant| places.iter().any(|place| place.name == meant.name))
    };
    let at = args.to.iter().find(has_it).map(|to| format!(" --at {}", words::quoted(to))).unwrap_or_default();
    let config = match &session.config {
        Some((path, Origin::CommandLine(_))) => format!(" --config {}", words::quoted(&path.display().to_string())),
        _ => String::new(),
    };
    format!("Next: recoup verify {}{at}{config} --level restore\n", manifest.id.tail())
}

fn json(report: &Report, places: &[&Place]) -> Value {
    let manifest = &report.manifest;
    let parts = manifest.parts.iter().map(|part| {
        json!({ "name": part.name, "kind": part.kind, "path": part.path, "bytes": part.bytes, "sha256": part.sha256,
            "absent": part.absent })
    });
    let objects = places.iter().flat_map(|place| {
        manifest.own().map(|object| {
            let path = place.path_of(manifest, &object.name);
            let link = place.link(manifest);
            json!({ "destination": place.name, "path": path, "bytes": object.bytes, "sha256": object.sha256, "link": link })
        })
    });
    let failed = report.failed.iter();
    let failed = failed.map(|(name, e)| json!({ "destination": name, "code": e.code(), "text": error_line(e) }));
    json!({
        "id": manifest.id.as_str(),
        "plan": manifest.plan,
        "kind": manifest.kind,
        "outcome": output::outcome(report.outcome),
        "format": manifest.format,
        "created_at": manifest.created_at,
        "duration_ms": manifest.duration_ms,
        "parts": parts.collect::<Vec<_>>(),
        "objects": objects.collect::<Vec<_>>(),
        "verified": manifest.verified,
        "keys": manifest.encryption.as_ref().map(|encryption| &encryption.keys),
        "warnings": output::warnings(&manifest.warnings),
        "failed_destinations": failed.collect::<Vec<_>>(),
    })
}
