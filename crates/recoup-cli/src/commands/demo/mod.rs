//! `recoup demo`: a small shop that keeps selling while it is backed up, and the proof that the backup is one
//! moment of it. Run again, it continues with what is there.
//!
//! The shop itself is in [`shop`], the process that sells in [`writer`], the weeks before in [`past`].

mod past;
mod shop;
mod visitor;
pub mod writer;

pub use visitor::{NAME, password};

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recoup::backup::{self, Report, Request};
use recoup::config::{Inputs, Settings};
use recoup::model::{Kind, Level, Manifest};
use recoup::progress::Cancel;
use recoup::source::factory;
use recoup::{Error, Result, verify};
use serde_json::json;

use super::engine;
use crate::args::{Demo, Global};
use crate::exit;
use crate::output::{self, Mark, Reply, Screen};
use crate::places::Place;
use crate::{session, signals, words};

pub fn run(args: &Demo, screen: &Screen) -> Result<Reply> {
    let directory = place(args)?;
    let fresh = shop::open(&directory)?;
    show(args, &directory, fresh, screen)
}

fn place(args: &Demo) -> Result<PathBuf> {
    std::path::absolute(&args.directory).map_err(|error| Error::at("resolving", &args.directory, error))
}

fn show(args: &Demo, directory: &Path, fresh: bool, screen: &Screen) -> Result<Reply> {
    let cancel = Cancel::default();
    signals::watch(&cancel, screen)?;
    let again = if fresh { "" } else { ", continued" };
    screen.say(screen.bold(&format!("A demo of Recoup in {}{again}", directory.display())));
    screen.say("");
    screen.say("  A small shop: orders in a SQLite database (WAL), 200 thumbnails, settings.");
    screen.say("  Another process keeps taking orders while Recoup backs the shop up.");
    screen.say("");

    let selling = writer::Selling::start(&directory.join(shop::DATABASE))?;
    let (report, place) = back_up(directory, screen, &cancel)?;
    test_restore(&report.manifest, &place, screen, &cancel)?;
    let sold = selling.stop()?;
    let thumbnail = shop::add_thumbnail(directory)?;

    let manifest = &report.manifest;
    let kept = rows(manifest, "orders");
    let items = rows(manifest, "order_items");
    let whole = items == kept * writer::ITEMS;
    let meanwhile = sold.after.saturating_sub(sold.before);
    let later = sold.after.saturating_sub(kept);
    let good = screen.mark(Mark::Good);
    screen.say(format!("{good} {}", backup_sentence(manifest)));
    let moment = if whole { "each with all its items: one moment, nothing cut in half" } else { "NOT all whole" };
    let mark = screen.mark(if whole { Mark::Good } else { Mark::Bad });
    screen.say(format!(
        "{mark} {} came in while it ran. The backup holds the first {}, {moment}.",
        words::things(meanwhile, "order"),
        words::count(kept),
    ));
    screen.say(format!(
        "{good} Test restore: unpacked to scratch, opened, checked, and compared with the moment of the backup."
    ));
    for left_out in left_out(manifest) {
        screen.say(format!("{good} Left out because it is secret: {left_out}."));
    }
    for warning in &manifest.warnings {
        screen.say(format!("{} {}", screen.mark(Mark::Warning), warning.text));
    }
    let files = manifest.stored().iter().map(|object| PathBuf::from(place.path_of(manifest, &object.name)));
    let files: Vec<PathBuf> = files.collect();
    screen.say("");
    for file in &files {
        screen.say(format!("  {}", file.display()));
    }
    screen.say("");
    screen.say(format!("Since then {} and {thumbnail} came in. Try next:", words::things(later, "order")));
    let next = next(&args.directory, &files);
    let width = next.iter().filter(|(_, what)| !what.is_empty()).map(|(command, _)| command.len()).max().unwrap_or(0);
    for (command, what) in &next {
        let what = if what.is_empty() { String::new() } else { screen.dim(what) };
        screen.say(format!("  {command:width$}  {what}").trim_end());
    }
    let json = json!({
        "directory": directory.display().to_string(),
        "id": manifest.id.as_str(),
        "outcome": output::outcome(report.outcome),
        "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "verified": manifest.verified,
        "warnings": output::warnings(&manifest.warnings),
        "orders_before": sold.before,
        "orders_in_backup": kept,
        "orders_after": sold.after,
        "orders_whole": whole,
        "next": next.iter().map(|(command, _)| command).collect::<Vec<_>>(),
    });
    let exit = if whole { exit::of_outcome(report.outcome) } else { exit::FAILED };
    Ok(Reply { json, text: String::new(), quiet: manifest.id.to_string(), exit })
}

/// The demo, and then the daemon on it, which makes one more backup at once. A new one has weeks behind it already.
pub fn serve(args: &Demo, screen: &Screen) -> Result<Reply> {
    let directory = place(args)?;
    let fresh = shop::open(&directory)?;
    let global = Global { config: Some(directory.join("recoup.toml")), json: false, quiet: false };
    let session = session::Session::open(&global, screen.clone())?;
    let server = &session.settings.server;
    if server.catalog.is_none() && !server.data.join("catalog.db").exists() {
        screen.say("The weeks before are made first, so that there is something to look at.");
        let days = engine::runtime()?.block_on(past::make(&session, &directory))?;
        screen
            .say(format!("{} The shop was backed up for {days} days, as its schedule says.", screen.mark(Mark::Good)));
        screen.say("");
    }
    let shown = show(args, &directory, fresh, screen)?;
    if shown.exit != exit::GOOD && shown.exit != exit::WARNINGS {
        return Ok(shown);
    }
    screen.say("");
    super::serve::with_demo(&session, shop::PLAN, args.listen)
}

/// Backs the shop up as its `recoup.toml` says, which the user may have changed.
fn back_up(directory: &Path, screen: &Screen, cancel: &Cancel) -> Result<(Report, Place)> {
    let file = directory.join("recoup.toml");
    let text = fs::read_to_string(&file).map_err(|error| Error::at("reading", &file, error))?;
    let zone = session::zone();
    let inputs = Inputs { file: Some((&file, &text)), environment: &[], current_directory: directory, zone: &zone };
    let settings = Settings::resolve(inputs)?;
    let plan = settings.plan(shop::PLAN)?;
    let environment: session::Environment = Arc::new(|| std::env::vars_os().collect());
    let sources = plan.sources.iter();
    let sources = sources.map(|spec| factory(spec, &settings.base, plan.compact, Arc::clone(&environment)));
    let request = Request {
        plan: plan.name.clone(),
        sources: sources.collect(),
        format: plan.format,
        queries: plan.queries.clone(),
        kind: Kind::Manual,
        label: None,
        protect: false,
        host: super::backup::host(),
        hooks: vec![],
        scratch: session::scratch_root(None),
        audit: None,
        local_only: false,
        secrets: true,
        rescan: false,
    };
    let mut places = Vec::new();
    for destination in settings.destinations_of(plan)? {
        places.push(Place::open(&destination, true)?);
    }
    let stores: Vec<_> = places.iter().map(|place| Arc::clone(&place.store)).collect();
    let report = backup::run(&request, &stores, &session::context(screen, cancel))?;
    let place = places.into_iter().next();
    Ok((report, place.ok_or_else(|| Error::usage("no_destination", "The plan has no destination"))?))
}

/// Restores the backup to scratch and compares it with what its manifest says.
fn test_restore(manifest: &Manifest, place: &Place, screen: &Screen, cancel: &Cancel) -> Result<()> {
    let listing = place.store.list(Some(&manifest.plan))?;
    let listed = listing.find(manifest.id.as_str())?;
    let scratch = session::scratch(None)?;
    let context = session::context(screen, cancel);
    let report = verify::run(place.store.as_ref(), listed, Level::Restore, scratch.path(), &context)?;
    match report.problems.first() {
        None => Ok(()),
        Some(problem) => Err(Error::corrupted(problem.text.clone()).while_("test-restoring the demo's backup")),
    }
}

/// `Backed up shop: …` without the level, which has a line of its own.
fn backup_sentence(manifest: &Manifest) -> String {
    let sentence = super::backup::sentence(manifest);
    sentence.split(" Verified:").next().unwrap_or(&sentence).to_owned()
}

fn rows(manifest: &Manifest, table: &str) -> u64 {
    let databases = manifest.parts.iter().filter_map(|part| part.database.as_ref());
    databases
        .flat_map(|facts| &facts.tables)
        .find(|facts| facts.name == table)
        .and_then(|facts| facts.rows)
        .unwrap_or(0)
}

fn left_out(manifest: &Manifest) -> Vec<String> {
    let settings = manifest.parts.iter().filter_map(|part| part.settings.as_ref());
    settings.flat_map(|facts| facts.left_out.iter().cloned()).collect()
}

/// What to try next, as it can be typed here.
fn next(directory: &Path, files: &[PathBuf]) -> Vec<(String, &'static str)> {
    let mut next = vec![(format!("cd {}", words::quoted(&directory.display().to_string())), "")];
    next.extend(elsewhere().map(|this| (format!("alias recoup={}", words::quoted(&this)), "")));
    let commands = [
        ("recoup list", "the backups"),
        ("recoup show latest", "what is in the newest"),
        ("recoup diff latest live", "what changed since"),
        ("recoup backup --name \"my first\"", "another one, with a label"),
        ("recoup verify --all --level restore", "prove that all of them restore"),
    ];
    next.extend(commands.map(|(command, what)| (command.to_owned(), what)));
    if let Some(name) =
        files.iter().find(|file| file.extension().is_some_and(|e| e == "zip")).and_then(|f| f.file_name())
    {
        let path = format!("backups/{}/{}", shop::PLAN, name.to_string_lossy());
        next.push((format!("unzip -l {path}"), "any unzip opens it"));
    }
    next
}

/// Where this program lies, unless a shell finds it by its name.
fn elsewhere() -> Option<String> {
    let this = std::env::current_exe().ok()?;
    let same = |found: &PathBuf| fs::canonicalize(found).ok() == fs::canonicalize(&this).ok();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first = std::env::split_paths(&path).map(|directory| directory.join("recoup")).find(|found| found.is_file());
    if first.as_ref().is_some_and(same) { None } else { Some(this.display().to_string()) }
}
