//! `recoup list`: the backups, newest first, with everything that is not as it should be.

use jiff::Timestamp;
use recoup::model::retention::FUTURE;
use recoup::model::{Format, Kind, Level};
use recoup::store::Listed;
use recoup::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::args::List;
use crate::exit;
use crate::output::{Mark, Reply, error_line};
use crate::places::Shelf;
use crate::session::Session;
use crate::table::{Table, printable};
use crate::words;

pub fn run(args: &List, session: &Session) -> Result<Reply> {
    let shelf = Shelf::open(session, args.at.at.as_deref())?;
    let wanted = wanted(args, Timestamp::now())?;
    let backups: Vec<&Listed> = shelf.listing.backups.iter().filter(|listed| wanted(listed)).collect();
    // A script asks whether there is a good one; the exit code is its answer. A kind only chooses.
    let asked = args.fresh.is_some() || args.verified;
    if backups.is_empty() && asked {
        return Err(nothing_like_it(args, &shelf));
    }
    let belongs = |key: &str| args.plan.as_ref().is_none_or(|plan| key.starts_with(&format!("{plan}/")));

    let mut problems: Vec<(String, Value)> = Vec::new();
    for (key, error) in shelf.listing.damaged.iter().filter(|(key, _)| belongs(key)) {
        let text = format!("{}: {}", printable(key), error_line(error));
        problems.push((text.clone(), json!({ "code": error.code(), "text": text })));
    }
    for (name, error) in &shelf.unreachable {
        let text = format!("{name}: {}", error_line(error));
        problems.push((text.clone(), json!({ "code": error.code(), "text": text })));
    }
    for listed in backups.iter().filter(|listed| !listed.missing.is_empty()) {
        let text = format!("{} is not whole: {}", listed.manifest.file_stem(), words::list(&listed.missing));
        problems.push((text.clone(), json!({ "code": "objects_missing", "text": text })));
    }

    let mut text = human(&backups, &shelf, args, Timestamp::now());
    for (problem, _) in &problems {
        text.push_str(&format!("{} {problem}\n", session.screen.mark(Mark::Warning)));
    }
    let rows: Vec<Value> = backups.iter().map(|listed| row(listed, &shelf)).collect();
    let warnings: Vec<Value> = problems.into_iter().map(|(_, json)| json).collect();
    let quiet: Vec<&str> = backups.iter().map(|listed| listed.manifest.id.as_str()).collect();
    let exit = if warnings.is_empty() || asked { exit::GOOD } else { exit::WARNINGS };
    let json = json!({ "backups": rows, "warnings": warnings });
    Ok(Reply { json, text, quiet: quiet.join("\n"), exit })
}

/// What the options let through.
fn wanted(args: &List, now: Timestamp) -> Result<impl Fn(&Listed) -> bool> {
    let fresh = args.fresh.as_deref().map(words::parse_age).transpose()?;
    let oldest = fresh.map(|age| now.saturating_sub(age).unwrap_or(Timestamp::MIN));
    // Dated in the future by a clock that was wrong, it would be fresh for ever.
    let latest = now.saturating_add(FUTURE).unwrap_or(Timestamp::MAX);
    let kind = args.kind.as_deref().map(|kind| kind.replace('-', "_").parse::<Kind>()).transpose()?;
    Ok(move |listed: &Listed| {
        let manifest = &listed.manifest;
        let proven = manifest.verified >= Some(Level::Integrity) && listed.missing.is_empty();
        args.plan.as_ref().is_none_or(|plan| *plan == manifest.plan)
            && oldest.is_none_or(|oldest| manifest.created_at >= oldest && manifest.created_at <= latest)
            && kind.is_none_or(|kind| kind == manifest.kind)
            && (!args.verified || proven)
    })
}

/// `No fresh backup of plan shop: none of the last 1h is whole and verified`.
fn nothing_like_it(args: &List, shelf: &Shelf) -> Error {
    let fresh = if args.fresh.is_some() { " fresh" } else { "" };
    let plan = args.plan.as_ref().map(|plan| format!(" of plan {plan}")).unwrap_or_default();
    let kind = args.kind.as_ref().map(|kind| format!(" of kind {kind}")).unwrap_or_default();
    let age = args.fresh.as_ref().map(|age| format!(" of the last {age}")).unwrap_or_default();
    let state = if args.verified { "is whole and verified" } else { "is there" };
    let text = format!("No{fresh} backup{plan}: none{kind}{age} {state}");
    let error = Error::new(ErrorKind::NotFound, "no_fresh_backup", text);
    match shelf.unreachable.first() {
        Some((name, why)) => error.because(format!("{name} could not be looked at: {}", why.message())),
        None => error.hint("`recoup backup` makes one"),
    }
}

fn row(listed: &Listed, shelf: &Shelf) -> Value {
    let manifest = &listed.manifest;
    let copies = shelf.copies(&manifest.id);
    json!({
        "id": manifest.id.as_str(),
        "plan": manifest.plan,
        "kind": manifest.kind,
        "format": manifest.format,
        "created_at": manifest.created_at,
        "bytes": manifest.stored_bytes(),
        "verified": manifest.verified,
        "protected": listed.protected,
        "label": manifest.label,
        "keys": manifest.encryption.as_ref().map(|encryption| &encryption.keys),
        "warnings": manifest.warnings.len(),
        "missing": listed.missing,
        "foreign": listed.foreign,
        "destinations": copies.iter().map(|copy| copy.place.name.clone()).collect::<Vec<_>>(),
    })
}

fn human(backups: &[&Listed], shelf: &Shelf, args: &List, now: Timestamp) -> String {
    let place = |paths: &mut dyn Iterator<Item = String>| words::list(&paths.collect::<Vec<_>>());
    let looked = place(&mut shelf.places.iter().map(|place| place.shown()));
    if backups.is_empty() {
        let of = args.plan.as_ref().map(|plan| format!(" of plan {plan}")).unwrap_or_default();
        let looked = if looked.is_empty() { String::new() } else { format!(" in {looked}") };
        if let Some(kind) = &args.kind {
            return format!("No backups of kind {kind}{of}{looked}.\n");
        }
        let mut text = format!("No backups yet{of}{looked}.\n");
        for path in &shelf.absent {
            text.push_str(&format!("  {} is made by the first backup.\n", path.display()));
        }
        text.push_str("  recoup backup makes one.\n");
        return text;
    }
    let several_places = shelf.places.len() > 1;
    let mut table =
        Table::new(&["ID", "WHEN (UTC)", "AGE", "PLAN", "KIND", "FORMAT", ">SIZE", "VERIFIED", "", "WHERE", "LABEL"]);
    for listed in backups {
        let manifest = &listed.manifest;
        let mut notes = Vec::new();
        notes.extend(listed.protected.then(|| "protected".to_owned()));
        notes.extend(listed.foreign.is_some().then(|| "read-only".to_owned()));
        notes.extend((!listed.missing.is_empty()).then(|| "not whole".to_owned()));
        if let Some(encryption) = &manifest.encryption {
            let not_opened = if manifest.opened().is_err() { ", not opened" } else { "" };
            notes.push(format!("key {}{not_opened}", encryption.keys.join(", ")));
        }
        if !manifest.warnings.is_empty() && listed.foreign.is_none() {
            notes.push(words::things(manifest.warnings.len() as u64, "warning"));
        }
        let copies = shelf.copies(&manifest.id);
        let names: Vec<String> = copies.iter().map(|copy| copy.place.name.clone()).collect();
        let verified = match (manifest.verified, manifest.format) {
            (Some(level), _) => level.word(),
            (None, Format::Csv) => "export",
            (None, _) => "no",
        };
        table.row([
            manifest.id.tail(),
            words::time(manifest.created_at),
            words::age(manifest.created_at, now),
            manifest.plan.clone(),
            manifest.kind.word().replace('_', "-"),
            manifest.format.word().to_owned(),
            words::size(manifest.stored_bytes()),
            verified.to_owned(),
            notes.join(", "),
            if several_places { names.join(", ") } else { String::new() },
            manifest.label.clone().unwrap_or_default(),
        ]);
    }
    let bytes = backups.iter().map(|listed| listed.manifest.stored_bytes()).sum();
    let number = words::things(backups.len() as u64, "backup");
    format!("{}{number}, {} in {looked}\n", table.draw(""), words::size(bytes))
}
