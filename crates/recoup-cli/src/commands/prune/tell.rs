//! How retention reads: every backup with its reasons, sums, a look ahead, what was done; for people and as JSON.

use jiff::{SignedDuration, Timestamp};
use recoup::model::guard::Pause;
use recoup::model::{BackupId, Warning};
use recoup::prune::{Entry, Preview, Report};
use recoup::{Error, Result};
use serde_json::{Value, json};

use super::{Series, name, told};
use crate::args::Prune;
use crate::exit;
use crate::output::{self, Mark, Reply, Screen};
use crate::places::{Place, Shelf};
use crate::session::Session;
use crate::table::{Table, printable};
use crate::words;

/// Days ahead at which `--dry-run` looks.
const AHEAD: [i64; 5] = [1, 7, 30, 90, 365];

/// The answer of `--dry-run` and `--on`.
pub fn previewed(
    series: &[Series<'_>],
    previews: &[Preview],
    shelf: &Shelf,
    args: &Prune,
    on: Option<Timestamp>,
    session: &Session,
) -> Result<Reply> {
    let mut text = if on.is_none() { listings(series, previews, session) } else { String::new() };
    let mut ahead = Vec::new();
    for (series, preview) in series.iter().zip(previews).filter(|(series, _)| series.older_than.is_none()) {
        let days = AHEAD.map(|days| preview.at.saturating_add(SignedDuration::from_hours(24 * days)));
        let days: Vec<Timestamp> = match on {
            Some(on) => vec![on],
            None => days.into_iter().flatten().collect(),
        };
        let looks = days.iter().map(|on| preview.forecast(&series.policy, *on)).collect::<Result<Vec<_>>>()?;
        let shown = !series.policy.keeps_everything() && !preview.entries.is_empty();
        if let Some(first) = looks.first().filter(|_| shown || on.is_some()) {
            let (of, often) = (name(series, shelf.places.len()), often(first.every));
            text.push_str(&format!("If backups of {of} go on as they did, one every {often}:\n"));
            let mut table = Table::new(&["ON (UTC)", ">LEFT OF THESE", ">IN ALL"]);
            for look in &looks {
                let left = look.decisions.iter().filter(|decision| decision.keep).count();
                let day = words::time(look.on).chars().take(10).collect::<String>();
                table.row([day, words::count(left as u64), words::count(look.kept as u64)]);
            }
            if on.is_some() {
                table = Table::new(&["", "", ""]);
                for decision in &first.decisions {
                    let entry = preview.entries.iter().find(|entry| entry.decision.id == decision.id);
                    let when = entry.map(|entry| words::time(entry.listed.manifest.created_at)).unwrap_or_default();
                    table.row([decision.id.tail(), when, because(decision.keep, &decision.reasons)]);
                }
            }
            text.push_str(&table.draw("  "));
        }
        ahead.extend(looks.iter().map(|look| {
            let kept: Vec<&BackupId> = look.decisions.iter().filter(|d| d.keep).map(|d| &d.id).collect();
            json!({ "plan": series.plan, "destination": series.place.name, "on": look.on,
                "every_seconds": look.every.as_secs(), "kept": kept, "kept_in_all": look.kept })
        }));
    }
    let warnings = problems(previews.iter(), shelf, args.plan.as_deref());
    text.push_str(&lines(&warnings, &session.screen));
    if previews.is_empty() {
        text.push_str("No backups yet.\n");
    }
    let pause = |preview: &Preview| preview.paused.clone().filter(|pause| !(pause.confirmable && args.yes));
    let mut json = document(series, previews.iter(), pause);
    json["dry_run"] = json!(true);
    json["freed_bytes"] = json!(previews.iter().map(Preview::going_bytes).sum::<u64>());
    json["forecast"] = json!(ahead);
    json["warnings"] = output::warnings(&warnings);
    let quiet = ids(previews.iter().flat_map(|preview| preview.going().rev()).map(|entry| &entry.decision.id));
    let exit = if warnings.is_empty() { exit::GOOD } else { exit::WARNINGS };
    Ok(Reply { json, text, quiet, exit })
}

/// `hour`, `6 hours`, `day`, `7 days`.
fn often(every: SignedDuration) -> String {
    let hours = (every.as_secs() + 1_800) / 3_600;
    match hours {
        ..=1 => "hour".into(),
        2..=23 => format!("{hours} hours"),
        24..=35 => "day".into(),
        _ => format!("{} days", (hours + 12) / 24),
    }
}

/// Every backup of every series with its reasons, and the sums.
pub fn listings(series: &[Series<'_>], previews: &[Preview], session: &Session) -> String {
    let places = session_places(series);
    let mut text = String::new();
    for (series, preview) in series.iter().zip(previews) {
        let title = name(series, places);
        let number = words::things(preview.entries.len() as u64, "backup");
        if series.older_than.is_none() && series.policy.keeps_everything() && preview.going().next().is_none() {
            text.push_str(&format!("{title}: {number}. Everything is kept: there is no retention policy.\n"));
            continue;
        }
        let rule = match series.older_than {
            Some(_) => "protected ones".to_owned(),
            None => format!("keeps {}", series.policy.words()),
        };
        text.push_str(&format!("{}\n", session.screen.bold(&format!("{title}: {rule}"))));
        let mut table = Table::new(&["ID", "WHEN (UTC)", "KIND", ">SIZE", ""]);
        for entry in &preview.entries {
            let manifest = &entry.listed.manifest;
            table.row([
                manifest.id.tail(),
                words::time(manifest.created_at),
                manifest.kind.word().replace('_', "-"),
                words::size(manifest.stored_bytes()),
                because(entry.decision.keep, &entry.decision.reasons),
            ]);
        }
        text.push_str(&table.draw("  "));
        let sum = |entries: &mut dyn Iterator<Item = &Entry>| {
            let (mut n, mut bytes) = (0, 0);
            entries.for_each(|entry| (n, bytes) = (n + 1, bytes + entry.listed.manifest.stored_bytes()));
            format!("{}, {}", words::things(n, "backup"), words::size(bytes))
        };
        let kept = sum(&mut preview.entries.iter().filter(|entry| entry.decision.keep));
        text.push_str(&format!("Kept: {kept}. Goes: {}.\n", sum(&mut preview.going())));
        if let Some(pause) = &preview.paused {
            let how = if pause.confirmable { "; --yes removes them all the same" } else { "" };
            text.push_str(&format!("{} {}{how}.\n", session.screen.mark(Mark::Warning), pause.sentence()));
        }
    }
    text
}

fn session_places(series: &[Series<'_>]) -> usize {
    let names: std::collections::BTreeSet<&str> = series.iter().map(|series| series.place.name.as_str()).collect();
    names.len()
}

/// `kept because daily 3 of 7, weekly 1 of 4`.
fn because(keep: bool, reasons: &[String]) -> String {
    format!("{} because {}", if keep { "kept" } else { "goes" }, reasons.join(", "))
}

/// The answer of a prune that was carried out, or paused. `shown`: the listings were shown already.
pub fn carried_out(
    series: &[Series<'_>],
    reports: &[Report],
    shelf: &Shelf,
    args: &Prune,
    shown: bool,
    session: &Session,
) -> Reply {
    let screen = &session.screen;
    let places = session_places(series);
    let mut text = String::new();
    let mut warnings = problems(reports.iter().map(|report| &report.preview), shelf, args.plan.as_deref());
    let mut worst = None;
    for (series, report) in series.iter().zip(reports) {
        let title = name(series, places);
        match &report.preview.paused {
            Some(pause) => warnings.push(Warning::new("retention_paused", format!("{title}: {}", pause.hinted()))),
            None => text.push_str(&format!("{} {title}: {}\n", screen.mark(Mark::Good), done(report))),
        }
        warnings.extend(report.failed.iter().map(|(id, error)| not_removed(id, error)));
        if report.deleted.is_empty() {
            worst = worst.or(report.failed.first().map(|(_, error)| exit::of(error.kind())));
        }
    }
    if !shown && reports.iter().any(|report| report.preview.going().next().is_some()) {
        let listings: String = series.iter().zip(reports).map(|(series, report)| listing_of(series, report)).collect();
        text = format!("{listings}{text}");
    }
    if reports.is_empty() {
        text.push_str("No backups yet.\n");
    }
    text.push_str(&lines(&warnings, screen));
    if reports.iter().any(|report| report.trashed) {
        text.push_str(&screen.dim("What went waits in the trash for a day: recoup trash list\n"));
    }
    let mut json = document(series, reports.iter().map(|report| &report.preview), |preview| preview.paused.clone());
    json["dry_run"] = json!(false);
    json["deleted"] = json!(reports.iter().flat_map(|report| &report.deleted).collect::<Vec<_>>());
    json["freed_bytes"] = json!(reports.iter().map(|report| report.freed_bytes).sum::<u64>());
    json["failed"] = reports.iter().flat_map(|report| &report.failed).map(|(id, error)| failure(id, error)).collect();
    json["waste"] = json!(reports.iter().flat_map(|report| &report.waste).collect::<Vec<_>>());
    json["warnings"] = output::warnings(&warnings);
    let quiet = ids(reports.iter().flat_map(|report| &report.deleted));
    let exit = if warnings.is_empty() { exit::GOOD } else { worst.unwrap_or(exit::WARNINGS) };
    Reply { json, text, quiet, exit }
}

/// What goes, one line each, for a run that nobody was asked about.
fn listing_of(series: &Series<'_>, report: &Report) -> String {
    let mut table = Table::new(&["", "", "", ""]);
    for entry in report.preview.going() {
        let manifest = &entry.listed.manifest;
        let why = because(false, &entry.decision.reasons);
        table.row([series.plan.clone(), manifest.id.tail(), words::time(manifest.created_at), why]);
    }
    table.draw("  ")
}

/// `kept 11, removed 3, 3.1 MiB; 2 leftovers cleaned up.`
fn done(report: &Report) -> String {
    let kept = report.preview.entries.len() - report.deleted.len();
    let removed = report.deleted.len() as u64;
    let what = match removed {
        0 => "nothing goes".to_owned(),
        _ => format!("removed {}, {}", words::things(removed, "backup"), words::size(report.freed_bytes)),
    };
    let waste = match report.waste.len() as u64 {
        0 => String::new(),
        n => format!("; {} cleaned up", words::things(n, "leftover")),
    };
    format!("{what}; {} kept{waste}.", words::count(kept as u64))
}

fn not_removed(id: &BackupId, error: &Error) -> Warning {
    Warning::new(error.code(), format!("{} could not be removed: {}", id.tail(), told(error)))
}

fn failure(id: &BackupId, error: &Error) -> Value {
    json!({ "id": id, "code": error.code(), "text": told(error) })
}

/// What is wrong at the destinations, whatever retention thinks.
fn problems<'a>(previews: impl Iterator<Item = &'a Preview>, shelf: &Shelf, plan: Option<&str>) -> Vec<Warning> {
    let mut warnings = shelf.out_of_reach("Nothing was looked at");
    let of_plan = |key: &str| plan.is_none_or(|plan| key.split('/').next() == Some(plan));
    for (key, error) in shelf.listing.damaged.iter().filter(|(key, _)| of_plan(key)) {
        let text = format!("{}: {}; it is not counted and not removed", printable(key), told(error));
        warnings.push(Warning::new(error.code(), text));
    }
    for preview in previews {
        for entry in preview.entries.iter().filter(|entry| !entry.listed.missing.is_empty()) {
            let manifest = &entry.listed.manifest;
            let text = format!("{} is not whole: {}", manifest.file_stem(), words::list(&entry.listed.missing));
            warnings.push(Warning::new("objects_missing", text));
        }
    }
    warnings
}

fn lines(warnings: &[Warning], screen: &Screen) -> String {
    let mark = screen.mark(Mark::Warning);
    warnings.iter().map(|warning| format!("{mark} {}\n", warning.text)).collect()
}

fn ids<'a>(ids: impl Iterator<Item = &'a BackupId>) -> String {
    ids.map(BackupId::as_str).collect::<Vec<_>>().join("\n")
}

/// `{keep, delete, paused, series}`.
fn document<'a>(
    series: &[Series<'_>],
    previews: impl Iterator<Item = &'a Preview>,
    pause: impl Fn(&Preview) -> Option<Pause>,
) -> Value {
    let (mut keep, mut delete, mut all, mut paused) = (Vec::new(), Vec::new(), Vec::new(), None);
    for (series, preview) in series.iter().zip(previews) {
        for entry in &preview.entries {
            let manifest = &entry.listed.manifest;
            let row = json!({ "id": manifest.id, "plan": manifest.plan, "destination": series.place.name,
                "created_at": manifest.created_at, "bytes": manifest.stored_bytes(), "class": entry.class,
                "reasons": entry.decision.reasons });
            if entry.decision.keep { keep.push(row) } else { delete.push(row) }
        }
        let pause = pause(preview);
        paused = paused.or(pause.as_ref().map(Pause::sentence));
        all.push(json!({ "plan": series.plan, "destination": series.place.name,
            "policy": series.older_than.is_none().then_some(&series.policy),
            "set": preview.set, "going": preview.going().count(), "paused": pause.as_ref().map(Pause::sentence),
            "paused_code": pause.as_ref().map(|pause| pause.code),
            "confirmable": pause.as_ref().map(|pause| pause.confirmable) }));
    }
    json!({ "keep": keep, "delete": delete, "freed_bytes": 0, "paused": paused, "series": all })
}

/// Adds what happened at the end of a backup to its answer.
pub fn after_backup(report: &Report, place: &Place, session: &Session, reply: &mut Reply) {
    let reasons = |id: &BackupId| {
        let entry = report.preview.entries.iter().find(|entry| entry.decision.id == *id);
        entry.map(|entry| entry.decision.reasons.clone()).unwrap_or_default()
    };
    let deleted: Vec<Value> = report.deleted.iter().map(|id| json!({ "id": id, "reasons": reasons(id) })).collect();
    let paused = report.preview.paused.as_ref();
    let failed: Vec<Value> = report.failed.iter().map(|(id, error)| failure(id, error)).collect();
    pruned(
        reply,
        json!({ "destination": place.name, "deleted": deleted, "failed": failed, "freed_bytes": report.freed_bytes,
            "kept": report.preview.entries.len() - deleted.len(), "paused": paused.map(Pause::sentence) }),
    );
    if !report.deleted.is_empty() {
        let mark = session.screen.mark(Mark::Good);
        reply.text.push_str(&format!("{mark} Retention at {}: {}\n", place.name, done(report)));
    }
    let paused = paused.map(|pause| Warning::new("retention_paused", pause.hinted()));
    for warning in paused.into_iter().chain(report.failed.iter().map(|(id, error)| not_removed(id, error))) {
        warn(reply, &warning, session);
    }
}

/// Retention could not even look.
pub fn not_pruned(error: &Error, place: &Place, session: &Session, reply: &mut Reply) {
    let why = told(error);
    pruned(reply, json!({ "destination": place.name, "deleted": [], "failed": [], "freed_bytes": 0, "paused": why }));
    warn(reply, &Warning::new(error.code(), format!("Nothing was pruned at {}: {why}", place.name)), session);
}

fn pruned(reply: &mut Reply, row: Value) {
    match reply.json["pruned"].as_array_mut() {
        Some(rows) => rows.push(row),
        None => reply.json["pruned"] = json!([row]),
    }
}

/// The backup is as good as it was; the run ends with something to look at.
fn warn(reply: &mut Reply, warning: &Warning, session: &Session) {
    reply.text.push_str(&lines(std::slice::from_ref(warning), &session.screen));
    if let Some(warnings) = reply.json["warnings"].as_array_mut() {
        warnings.push(json!({ "code": warning.code, "text": warning.text }));
    }
    reply.json["outcome"] = json!("warnings");
    reply.exit = exit::WARNINGS;
}

/// What waits in the trash, and how it comes back.
pub fn trash(shelf: &Shelf, session: &Session) -> Result<Reply> {
    let mut rows = Vec::new();
    let mut text = String::new();
    for place in &shelf.places {
        for trashed in place.store.trash()? {
            let back = format!(
                "mv -n {}/* {}/",
                words::quoted(&trashed.folder.display().to_string()),
                words::quoted(&format!("{}/{}", place.shown(), trashed.plan))
            );
            let (size, until) = (words::size(trashed.bytes), words::time(trashed.until));
            text.push_str(&format!("{}  {size}, until {until} UTC\n", trashed.stem));
            text.push_str(&session.screen.dim(&format!("  {back}\n")));
            rows.push(json!({ "name": trashed.stem, "plan": trashed.plan, "destination": place.name,
                "since": trashed.since, "until": trashed.until, "bytes": trashed.bytes,
                "path": trashed.folder.display().to_string(), "bring_back": back }));
        }
    }
    if rows.is_empty() {
        text.push_str("The trash is empty.\n");
    }
    let names: Vec<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    let quiet = names.join("\n");
    Ok(Reply::good(json!({ "trash": rows }), text, quiet))
}
