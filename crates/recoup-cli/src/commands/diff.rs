//! `recoup diff`: what differs between a backup and another one, or the live data.

use std::sync::Arc;

use jiff::Timestamp;
use recoup::Result;
use recoup::config::from_origins;
use recoup::diff::{self, Report, Right};
use recoup::model::{Manifest, SourceSpec};
use recoup::source::{SourceFactory, factory};
use recoup::sqlite::compare::TableChange;

use crate::args::Diff;
use crate::output::{Reply, Screen};
use crate::places::Shelf;
use crate::session::{self, Session};
use crate::table::{Table, printable};
use crate::words;

/// Characters of one key on a line.
const LONGEST_KEY: usize = 24;

pub fn run(args: &Diff, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let left = shelf.find(&args.left)?;
    let context = session.work()?;
    let scratch = session::scratch(args.scratch.as_deref())?;
    let now = Timestamp::now();
    let name = super::phrase(&left.listed.manifest, now);
    let (report, title) = if args.right == "live" {
        let left = left.ready(scratch.path(), &context)?;
        let sources = live(session, &left.listed.manifest)?;
        let store = left.store.as_ref();
        let report = diff::run(store, &left.listed, Right::Live(&sources), scratch.path(), &context)?;
        (report, format!("From {name} to the live data"))
    } else {
        let right = shelf.find(&args.right)?;
        let (left, right) = (left.ready(scratch.path(), &context)?, right.ready(scratch.path(), &context)?);
        let side = Right::Backup(right.store.as_ref(), &right.listed);
        let report = diff::run(left.store.as_ref(), &left.listed, side, scratch.path(), &context)?;
        (report, format!("From {name} to {}", super::phrase(&right.listed.manifest, now)))
    };
    let json = serde_json::to_value(&report).unwrap_or_default();
    Ok(Reply::good(json, human(&title, &report, &session.screen), ""))
}

/// The sources as they are now: of the plan if the configuration has it, else from where the parts came from.
fn live(session: &Session, manifest: &Manifest) -> Result<Vec<SourceFactory>> {
    let make = |spec: &SourceSpec| factory(spec, &session.settings.base, false, Arc::clone(&session.environment));
    if let Ok(plan) = session.settings.plan(&manifest.plan) {
        return Ok(plan.sources.iter().map(make).collect());
    }
    let (sources, without) = from_origins(manifest);
    if !without.is_empty() {
        let parts = words::list(&without);
        session.screen.aside(format!("Not compared, because no plan {} says where from: {parts}", manifest.plan));
    }
    Ok(sources.iter().map(make).collect())
}

fn human(title: &str, report: &Report, screen: &Screen) -> String {
    let differences = describe(report, ["added", "removed", "changed"]);
    let differences = if differences.is_empty() { "  Nothing differs.\n" } else { &differences };
    format!("{}\n{differences}", screen.bold(title))
}

/// The differences, in the words for what only the right side has, only the left side, and what both have differently.
/// Empty when there are none.
pub fn describe(report: &Report, [added, removed, changed]: [&str; 3]) -> String {
    let mut text = String::new();
    for database in &report.databases {
        let mut table = Table::new(&["", ">", ">", ">", ""]);
        for change in &database.tables {
            table.row([
                change.name.clone(),
                some(change.added, added),
                some(change.removed, removed),
                some(change.changed, changed),
                keys(change),
            ]);
        }
        if database.tables.is_empty() && database.schema.is_empty() {
            continue;
        }
        text.push_str(&format!("  Database {}\n{}", database.name, table.draw("    ")));
        for line in &database.schema {
            text.push_str(&format!("    {}\n", printable(line)));
        }
    }
    for directory in &report.directories {
        let numbers = [(directory.added, added), (directory.removed, removed), (directory.changed, changed)];
        let told: Vec<String> = numbers.iter().map(|(n, word)| some(*n, word)).filter(|t| !t.is_empty()).collect();
        if told.is_empty() {
            continue;
        }
        text.push_str(&format!("  {}  {}\n", directory.name, told.join(", ")));
        for line in &directory.examples {
            // The directory itself has an empty path.
            let itself = if line.ends_with(' ') { "." } else { "" };
            text.push_str(&format!("    {}{itself}\n", printable(line)));
        }
        let more =
            (directory.added + directory.removed + directory.changed).saturating_sub(directory.examples.len() as u64);
        if more > 0 {
            text.push_str(&format!("    … and {} more\n", words::count(more)));
        }
    }
    text
}

/// The first keys of what differs: `+ 7, 8  - 2  ~ 1`.
fn keys(change: &TableChange) -> String {
    let of = |sign: &str, n: u64, keys: &[serde_json::Value]| {
        let mut words: Vec<String> = keys.iter().map(key).collect();
        if words.is_empty() {
            return None;
        }
        if n > words.len() as u64 {
            words.push("…".into());
        }
        Some(format!("{sign} {}", words.join(", ")))
    };
    let TableChange { added, removed, changed, keys, .. } = change;
    let all = [of("+", *added, &keys.added), of("-", *removed, &keys.removed), of("~", *changed, &keys.changed)];
    all.into_iter().flatten().collect::<Vec<String>>().join("  ")
}

fn key(value: &serde_json::Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.chars().count() <= LONGEST_KEY {
        return text;
    }
    text.chars().take(LONGEST_KEY).chain(['…']).collect()
}

fn some(n: u64, word: &str) -> String {
    if n == 0 { String::new() } else { format!("{} {word}", words::count(n)) }
}
