//! `recoup show`: a manifest for people.

use std::time::Duration;

use jiff::Timestamp;
use recoup::Result;
use recoup::model::{Manifest, Part, PartKind};
use serde_json::{Value, json};

use crate::args::Show;
use crate::exit;
use crate::output::{Mark, Reply, Screen};
use crate::places::{Copy, Shelf};
use crate::session::{self, Session};
use crate::table::Table;
use crate::words;

pub fn run(args: &Show, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let found = shelf.find(&args.backup)?;
    let copies = shelf.copies(&found.listed.manifest.id);
    // What is in somebody else's file is known when it is open.
    let opened = match found.listed.foreign {
        Some(_) => {
            let scratch = session::scratch(None)?;
            Some(found.ready(scratch.path(), &session.work()?)?.listed.manifest)
        }
        None => None,
    };
    let manifest = opened.as_ref().unwrap_or(&found.listed.manifest);

    let mut json = serde_json::to_value(manifest).unwrap_or(Value::Null);
    if let Some(members) = json.as_object_mut() {
        members.insert("objects".into(), json!(manifest.stored()));
        if let Some(encryption) = &manifest.encryption {
            let opened = manifest.opened().is_ok();
            let json = json!({ "keys": encryption.keys, "locked": encryption.locked_key.is_some(), "opened": opened });
            members.insert("encryption".into(), json);
        }
        members.insert("protected".into(), json!(found.listed.protected));
        let destinations = copies.iter().map(|copy| {
            let objects: Vec<String> = match &copy.listed.foreign {
                Some(key) => vec![format!("{}/{key}", copy.place.shown())],
                None => manifest.stored().iter().map(|object| copy.place.path_of(manifest, &object.name)).collect(),
            };
            json!({ "name": copy.place.name, "objects": objects, "missing": copy.listed.missing })
        });
        members.insert("destinations".into(), destinations.collect());
    }
    let whole = copies.iter().all(|copy| copy.listed.missing.is_empty());
    let exit = if whole { exit::GOOD } else { exit::WARNINGS };
    let text = human(manifest, &found, &copies, &session.screen, Timestamp::now());
    Ok(Reply { json, text, quiet: manifest.id.to_string(), exit })
}

fn human(manifest: &Manifest, found: &Copy<'_>, copies: &[Copy<'_>], screen: &Screen, now: Timestamp) -> String {
    let mut text = format!("{}\n", screen.bold(&manifest.file_stem()));
    let mut facts = Table::new(&["", ""]);
    let mut fact = |name: &str, value: String| facts.row([name.to_owned(), value]);
    fact("Id", manifest.id.to_string());
    let (at, age) = (words::time(manifest.created_at), words::age(manifest.created_at, now));
    let host = manifest.host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    fact("Made", format!("{at} UTC, {age}{host}"));
    let took = words::duration(Duration::from_millis(manifest.duration_ms));
    fact("Plan", format!("{}, {}, took {took}", manifest.plan, manifest.kind.word().replace('_', "-")));
    if let Some(label) = &manifest.label {
        fact("Label", label.clone());
    }
    let verified = manifest.verified.map_or("no", |level| level.word());
    fact("Format", format!("{}, {}", manifest.format, words::size(manifest.stored_bytes())));
    fact("Verified", verified.to_owned());
    if let Some(encryption) = &manifest.encryption {
        let opened = match manifest.opened() {
            Ok(()) => String::new(),
            Err(error) => format!("; {}: {}", error, error.detail()),
        };
        fact("Encrypted", format!("key {}{opened}", encryption.keys.join(", ")));
    }
    if found.listed.protected {
        fact("Protected", "yes".to_owned());
    }
    fact("Made by", manifest.made_by.clone());
    text.push_str(&facts.draw("  "));

    text.push_str("\nParts\n");
    for part in &manifest.parts {
        text.push_str(&describe(part, screen));
    }
    text.push_str("\nFiles\n");
    for copy in copies {
        text.push_str(&objects(copy, manifest, screen));
    }
    if !manifest.warnings.is_empty() {
        text.push_str("\nWarnings\n");
        for warning in &manifest.warnings {
            text.push_str(&format!("  {} {}\n", screen.mark(Mark::Warning), warning.text));
        }
    }
    text
}

fn describe(part: &Part, screen: &Screen) -> String {
    let kind = match part.kind {
        PartKind::Database => "database",
        PartKind::Directory => "directory",
        PartKind::File => "file",
        PartKind::Settings => "settings",
        PartKind::Command => "command",
        PartKind::Application => "application",
    };
    let origin = part.origin.as_ref().map(|origin| format!(" from {origin}")).unwrap_or_default();
    if part.absent {
        return format!("  {kind} {}{origin}: was not there (optional)\n", screen.bold(&part.name));
    }
    let mut text = format!("  {kind} {}{origin}, {}\n", screen.bold(&part.name), words::size(part.bytes));
    if let Some(facts) = &part.database {
        let mode = &facts.journal_mode;
        let pages = format!("{} × {}", words::count(facts.page_count), words::size(facts.page_size.into()));
        text.push_str(&format!("    {pages} pages, {}, journal mode {mode}", facts.encoding));
        if facts.user_version != 0 {
            text.push_str(&format!(", schema version {}", facts.user_version));
        }
        text.push_str(if facts.compacted { ", compacted\n" } else { "\n" });
        let mut tables = Table::new(&["", ">"]);
        for table in &facts.tables {
            let rows = table.rows.map_or("rows unknown".to_owned(), |rows| words::things(rows, "row"));
            tables.row([table.name.clone(), rows]);
        }
        text.push_str(&tables.draw("    "));
        if !facts.unchecked.is_empty() {
            text.push_str(&format!("    not checked: {}\n", words::list(&facts.unchecked)));
        }
        if facts.foreign_key_violations > 0 {
            let violations = words::things(facts.foreign_key_violations, "foreign key violation");
            text.push_str(&format!("    {violations} that the source had\n"));
        }
    }
    if let Some(facts) = &part.directory {
        let links =
            if facts.links > 0 { format!(" and {}", words::things(facts.links, "link")) } else { String::new() };
        let (files, directories) = (words::things(facts.files, "file"), words::things(facts.directories, "directory"));
        text.push_str(&format!("    {files}{links} in {directories}\n"));
        if facts.skipped > 0 {
            let skipped = words::things(facts.skipped, "socket, pipe or device");
            text.push_str(&format!("    left out: {skipped}\n"));
        }
    }
    if let Some(facts) = &part.settings {
        text.push_str(&format!("    {}\n", words::things(facts.count, "setting")));
        if !facts.left_out.is_empty() {
            text.push_str(&format!("    left out because secret: {}\n", words::list(&facts.left_out)));
        }
    }
    text
}

fn objects(copy: &Copy<'_>, manifest: &Manifest, screen: &Screen) -> String {
    let mut text = String::new();
    for object in manifest.stored() {
        let gone = copy.listed.missing.contains(&object.name);
        let mark = if gone { format!("{} missing or wrong size: ", screen.mark(Mark::Bad)) } else { String::new() };
        let path = match &copy.listed.foreign {
            Some(key) => format!("{}/{key}", copy.place.shown()),
            None => copy.place.path_of(manifest, &object.name),
        };
        text.push_str(&format!("  {mark}{}\n", path));
        text.push_str(&format!("    {}, SHA-256 {}\n", words::size(object.bytes), object.sha256));
    }
    text
}
