//! `recoup doctor`: this machine, the configuration, every source, every destination. One line each, with what
//! to do about it. Reads only, but removes what interrupted
//! runs left behind; with `--repair` it also finishes interrupted restores or takes them back.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use recoup::config::{AdHoc, DestinationSettings};
use recoup::model::{PartKind, Plan};
use recoup::progress::Context;
use recoup::source::{FileId, Presence, Scope, factory};
use recoup::store::Store;
use recoup::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::keys;
use crate::args::Doctor;
use crate::exit;
use crate::output::{Mark, Reply, Screen, error_line};
use crate::places::{self, Place, is_absent};
use crate::repair;
use crate::session::{self, Session};
use crate::table::printable;
use crate::words;

/// This version was not made before.
const BUILT_AFTER: i64 = 1_767_225_600; // 2026-01-01T00:00:00Z

pub fn run(args: &Doctor, open: &dyn Fn() -> Result<Session>, screen: &Screen) -> Result<Reply> {
    let mut findings = Findings { lines: Vec::new(), text: String::new(), screen };
    let session = open();
    sqlite(&mut findings);
    let mut newest = None;
    match session {
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => findings.error("configuration", "", &error),
        Ok(session) => {
            let context = session.work()?;
            configuration(&mut findings, &session);
            restores(&mut findings, args, &session, &context);
            let expected = sources(&mut findings, &session, &context)?;
            newest = destinations(&mut findings, &session, expected)?;
        }
    }
    clock(&mut findings, newest);
    let worst = findings.lines.iter().map(|line| line.mark).max_by_key(|mark| *mark as u8).unwrap_or(Mark::Good);
    let exit = match worst {
        Mark::Good => exit::GOOD,
        Mark::Warning => exit::WARNINGS,
        Mark::Bad => exit::FAILED,
    };
    let checks: Vec<Value> = findings.lines.iter().map(Line::json).collect();
    let wrong = findings.lines.iter().filter(|line| line.mark != Mark::Good).map(Line::plain);
    let quiet = wrong.collect::<Vec<_>>().join("\n");
    let end = match findings.lines.iter().filter(|line| line.mark != Mark::Good).count() as u64 {
        0 => "Everything is fine.\n".to_owned(),
        n => format!("{} to look at.\n", words::things(n, "thing")),
    };
    Ok(Reply { json: json!({ "checks": checks }), text: format!("{}{end}", findings.text), quiet, exit })
}

struct Line {
    name: &'static str,
    mark: Mark,
    text: String,
    hint: Option<String>,
}

impl Line {
    fn word(&self) -> &'static str {
        match self.mark {
            Mark::Good => "ok",
            Mark::Warning => "warn",
            Mark::Bad => "fail",
        }
    }
    fn json(&self) -> Value {
        json!({ "name": self.name, "status": self.word(), "text": self.text, "hint": self.hint })
    }
    fn plain(&self) -> String {
        format!("{} {}: {}", self.word(), self.name, self.text)
    }
}

struct Findings<'a> {
    lines: Vec<Line>,
    text: String,
    screen: &'a Screen,
}

impl Findings<'_> {
    fn add(&mut self, mark: Mark, name: &'static str, text: impl Into<String>, hint: Option<String>) {
        let line = Line { name, mark, text: printable(&text.into()), hint };
        let sign = self.screen.mark(mark);
        let mut told = format!("{sign} {:4}  {:13}  {}\n", line.word(), line.name, line.text);
        if let Some(hint) = &line.hint {
            told.push_str(&format!("                       {}\n", printable(hint)));
        }
        self.text.push_str(&told);
        self.lines.push(line);
    }
    fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(Mark::Good, name, text, None);
    }
    fn warn(&mut self, name: &'static str, text: impl Into<String>, hint: &str) {
        self.add(Mark::Warning, name, text, Some(hint.to_owned()).filter(|hint| !hint.is_empty()));
    }
    fn error(&mut self, name: &'static str, what: &str, error: &Error) {
        let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
        let hint = error.hint_text().map(str::to_owned);
        self.add(Mark::Bad, name, format!("{what}{}", error_line(error)), hint);
    }
}

fn sqlite(findings: &mut Findings<'_>) {
    let version = rusqlite::version();
    if let Err(error) = recoup::sqlite::open::assert_version() {
        return findings.error("SQLite", version, &error);
    }
    let probes = [
        ("FTS5", "CREATE VIRTUAL TABLE temp.f USING fts5(a)"),
        ("R*Tree", "CREATE VIRTUAL TABLE temp.r USING rtree(id, a, b)"),
        ("JSON", "SELECT json('{}')"),
        ("STRICT", "CREATE TABLE temp.s(a INT) STRICT"),
    ];
    let missing = |(name, sql): &(&'static str, &str)| {
        let tried = rusqlite::Connection::open_in_memory().and_then(|connection| connection.execute_batch(sql));
        tried.err().map(|_| *name)
    };
    let missing: Vec<&str> = probes.iter().filter_map(missing).collect();
    match missing.as_slice() {
        [] => findings.ok("SQLite", format!("{version}, with FTS5, R*Tree, JSON and STRICT")),
        _ => {
            let text = format!("{version}, without {}", missing.join(", "));
            findings.warn(
                "SQLite",
                text,
                "databases that use it are copied but cannot be checked; use the official build",
            );
        }
    }
}

fn configuration(findings: &mut Findings<'_>, session: &Session) {
    match (&session.config, session.settings.plans.as_slice()) {
        (None, _) => findings.ok("configuration", "no recoup.toml; options of recoup backup name what to back up"),
        (Some((path, _)), []) => {
            let hint = "add [plan.NAME] with databases, directories or files";
            findings.warn("configuration", format!("{} has no plan", path.display()), hint);
        }
        (Some((path, _)), plans) => {
            let names: Vec<String> = plans.iter().map(|plan| plan.name.clone()).collect();
            let number = words::things(plans.len() as u64, "plan");
            findings.ok("configuration", format!("{}: {number}, {}", path.display(), words::list(&names)));
        }
    }
}

/// Looks for restores that were interrupted, or finishes them.
fn restores(findings: &mut Findings<'_>, args: &Doctor, session: &Session, context: &Context) {
    let mut folders = BTreeSet::new();
    let mut stores: Vec<Arc<dyn Store>> = Vec::new();
    for settings in places::everywhere(session).unwrap_or_default() {
        // A destination that cannot be opened is told below.
        if let Ok(place) = Place::open(&settings, false)
            && let Ok(listing) = place.store.list(None)
        {
            folders.append(&mut repair::folders_of(listing.backups.iter().map(|listed| &listed.manifest)));
            stores.push(place.store);
        }
    }
    for plan in &session.settings.plans {
        folders.append(&mut repair::folders_of_sources(&plan.sources, &session.settings.base));
    }
    if args.repair {
        match repair::repair(session, &folders, &stores, repair::BUSY, context) {
            Err(error) => findings.error("restores", "", &error),
            Ok(done) if done.is_empty() => findings.ok("restores", "none was interrupted"),
            Ok(done) => findings.ok("restores", format!("{} repaired", words::things(done.len() as u64, "restore"))),
        }
        return;
    }
    match repair::waiting(&folders) {
        Err(error) => findings.error("restores", "", &error),
        Ok(waiting) if waiting.is_empty() => {}
        Ok(waiting) => {
            let list: Vec<String> = waiting.iter().map(|folder| folder.display().to_string()).collect();
            let text = format!("interrupted in {}", words::list(&list));
            findings.add(
                Mark::Bad,
                "restores",
                text,
                Some("recoup doctor --repair finishes it or takes it back".into()),
            );
        }
    }
}

/// Begins every source, captures none. Returns the bytes that a backup of everything would read.
fn sources(findings: &mut Findings<'_>, session: &Session, context: &Context) -> Result<u64> {
    let mut expected = 0;
    for plan in &session.settings.plans {
        expected += plan_sources(findings, session, context, plan, &session.settings.base)?;
    }
    if let (true, Some((database, _))) = (session.settings.plans.is_empty(), &session.settings.database) {
        let ad_hoc = AdHoc { databases: vec![database.clone()], ..AdHoc::default() };
        match ad_hoc.plan(&session.settings, &session.current, &[]) {
            Ok((plan, _)) => expected += plan_sources(findings, session, context, &plan, &session.current)?,
            Err(error) => findings.error("source", "", &error),
        }
    }
    Ok(expected)
}

fn plan_sources(
    findings: &mut Findings<'_>,
    session: &Session,
    context: &Context,
    plan: &Plan,
    base: &std::path::Path,
) -> Result<u64> {
    let staging = session::scratch(None)?;
    let destinations = session.settings.destinations_of(plan)?;
    let scope = Scope {
        staging: staging.path().to_path_buf(),
        context: context.clone(),
        excluded: destinations.iter().filter_map(|destination| FileId::of(destination.path()?)).collect(),
        databases: Vec::new(),
        secrets: false,
        earlier: None,
    };
    let mut expected = 0;
    for spec in &plan.sources {
        context.check()?;
        let begun = factory(spec, base, plan.compact, Arc::clone(&session.environment))().and_then(|mut source| {
            let presence = source.begin(&scope)?;
            Ok((presence, source.estimate(), source.kind()))
        });
        let name = format!("{}/{}", plan.name, spec.name());
        match begun {
            Err(error) => findings.error("source", &name, &error),
            Ok((Presence::Absent, ..)) => findings.ok("source", format!("{name} is not there, which is allowed")),
            Ok((Presence::Present, bytes, kind)) => {
                expected += bytes;
                let told = match kind {
                    PartKind::Database | PartKind::File => format!(", {}", words::size(bytes)),
                    _ => String::new(),
                };
                findings.ok("source", format!("{name} can be read{told}"));
            }
        }
    }
    Ok(expected)
}

/// Looks at every destination. Returns when the newest backup was made.
fn destinations(findings: &mut Findings<'_>, session: &Session, expected: u64) -> Result<Option<Timestamp>> {
    let settings = &session.settings;
    let mut all: Vec<DestinationSettings> = settings.destinations.clone();
    for plan in &settings.plans {
        all.extend(settings.destinations_of(plan)?);
    }
    if settings.plans.is_empty() {
        all.extend(settings.default_destinations(&session.current)?);
    }
    let mut newest = None;
    let mut seen = Vec::new();
    for destination in all {
        if !seen.contains(&destination.address) {
            newest = newest.max(look(findings, &destination, expected));
            seen.push(destination.address);
        }
    }
    Ok(newest)
}

fn look(findings: &mut Findings<'_>, settings: &DestinationSettings, expected: u64) -> Option<Timestamp> {
    let path = settings.path().map_or_else(|| settings.name.clone(), |path| path.display().to_string());
    if settings.path().is_some_and(|path| is_absent(path, settings)) {
        findings.ok("destination", format!("{path} is made by the first backup"));
        return None;
    }
    let place = match Place::open(settings, false) {
        Ok(place) => place,
        Err(error) => {
            findings.error("destination", &path, &error);
            return None;
        }
    };
    if let Some(folder) = settings.path()
        && let Err(error) = tempfile::Builder::new().prefix(".recoup-doctor-").tempfile_in(folder)
    {
        findings.error("destination", "", &Error::at("writing to", folder, error));
        return None;
    }
    let listing = match place.store.list(None) {
        Ok(listing) => listing,
        Err(error) => {
            findings.error("destination", &path, &error);
            return None;
        }
    };
    let number = words::things(listing.backups.len() as u64, "backup");
    match place.store.free_bytes() {
        Err(error) => findings.error("destination", &path, &error),
        Ok(Some(free)) if free < expected => {
            let text = format!("{path} has {} free, the sources have {}", words::size(free), words::size(expected));
            findings.warn("destination", text, "free some space, or choose another destination");
        }
        Ok(free) => {
            let free = free.map(|free| format!(", {} free", words::size(free))).unwrap_or_default();
            findings.ok("destination", format!("{path} can be written to, {number}{free}"));
        }
    }
    for (key, error) in &listing.damaged {
        findings.error("backup", key, error);
    }
    match keys::checked(&place) {
        Ok(keys) if keys.is_empty() => {}
        Ok(keys) => findings.ok("key", format!("{} locks new backups at {path}", words::list(&keys))),
        Err(error) => findings.error("key", &path, &error),
    }
    for listed in listing.backups.iter().filter(|listed| !listed.missing.is_empty()) {
        let text = format!("{} is not whole: {}", listed.manifest.file_stem(), words::list(&listed.missing));
        findings.add(Mark::Bad, "backup", text, Some("recoup verify --all looks at every byte".to_owned()));
    }
    match place.store.sweep() {
        Err(error) => findings.error("leftovers", &path, &error),
        Ok(removed) if removed.is_empty() => {}
        Ok(removed) => {
            let number = words::things(removed.len() as u64, "leftover");
            findings.ok("leftovers", format!("{number} of interrupted runs removed from {path}"));
        }
    }
    listing.backups.iter().map(|listed| listed.manifest.created_at).max()
}

fn clock(findings: &mut Findings<'_>, newest: Option<Timestamp>) {
    let now = Timestamp::now();
    let told = format!("{} UTC", words::time(now));
    let hint = "set the clock; backups are named and kept by time";
    if now.as_second() < BUILT_AFTER {
        findings.warn("clock", format!("{told} is before this version was made"), hint);
    } else if let Some(newest) = newest.filter(|newest| newest.as_second() > now.as_second() + 60) {
        findings.warn("clock", format!("{told}, but the newest backup is from {} UTC", words::time(newest)), hint);
    } else {
        findings.ok("clock", told);
    }
}
