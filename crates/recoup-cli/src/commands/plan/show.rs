//! `recoup plan list` and `show`: every plan, where it comes from, what it does and how it stands.

use jiff::Timestamp;
use recoup::Result;
use recoup::catalog::{Origin, PlanRow};
use recoup::engine::Engine;
use recoup::model::{Plan, SourceSpec, duration};
use recoup::sqlite::location;
use serde_json::{Value, json};

use super::super::engine;
use super::{named, rows};
use crate::args::DataPlace;
use crate::output::Reply;
use crate::session::Session;
use crate::table::{Table, printable};
use crate::words;

pub fn list(place: &DataPlace, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let Some(engine) = engine::if_there(session, place).await? else { return Ok(of_file(session)) };
        let rows = rows(&engine).await;
        engine.catalog().close().await;
        let rows = rows?;
        let now = engine.clock().now();
        let mut table = Table::new(&["PLAN", "FROM", "SCHEDULE", "NEXT", "LAST GOOD", "VERIFIED", "LAST RUN"]);
        for row in &rows {
            let plan = engine.meant(&row.name, &row.body).ok();
            let age = |at: Option<Timestamp>| at.map(|at| words::age(at, now));
            let outcome = row.last_outcome.map(|outcome| json!(outcome)).unwrap_or_default();
            table.row([
                row.name.clone(),
                from(row.origin).to_owned(),
                plan.as_ref().map_or_else(|| "does not make sense any more".to_owned(), when),
                age(row.timing.next_due.filter(|_| row.enabled)).unwrap_or_default(),
                age(row.last_success).unwrap_or_else(|| "never".to_owned()),
                age(row.last_verified).unwrap_or_else(|| "never".to_owned()),
                outcome.as_str().unwrap_or_default().to_owned(),
            ]);
        }
        let text = table.draw("");
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let plans: Vec<Value> = rows.iter().map(|row| document(row, session)).collect();
        Ok(Reply::good(json!({ "plans": plans }), text, names.join("\n")))
    })
}

pub fn show(name: &str, place: &DataPlace, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let Some(engine) = engine::if_there(session, place).await? else {
            let plan = session.settings.plan(name)?;
            let text = format!("{}\n{}", session.screen.bold(&plan.name), does_plan(plan, session));
            return Ok(Reply::good(declared(plan, session), text, plan.name.clone()));
        };
        let shown = async {
            let row = named(&engine, name).await?;
            let status = engine.status(&row).await?;
            Ok((row, status))
        };
        let shown = shown.await;
        engine.catalog().close().await;
        let (row, status) = shown?;
        let plan = engine.meant(&row.name, &row.body)?;
        let mut text = format!("{}\n{}", session.screen.bold(&row.name), does(&row, &plan, &engine));
        let now = engine.clock().now();
        let at = |at: Option<Timestamp>| at.map_or_else(|| "never".to_owned(), |at| words::age(at, now));
        let mut table = Table::new(&["", ""]);
        let backups = words::things(status.total.unsigned_abs(), "backup");
        let bytes = words::size(status.bytes.unsigned_abs());
        table.row(["backups".into(), if status.total == 0 { "none".into() } else { format!("{backups}, {bytes}") }]);
        table.row(["last good".into(), at(status.last_success)]);
        table.row(["verified".into(), at(status.last_verified)]);
        table.row(["proven".into(), at(status.last_proven)]);
        if let Some(run) = &status.running {
            table.row(["now".into(), format!("run {run}")]);
        }
        text.push_str(&table.draw("  "));
        if status.overdue {
            text.push_str("\nOverdue: there is no verified backup of the last two intervals.\n");
        }
        let mut document = document(&row, session);
        document["status"] = json!(status);
        Ok(Reply::good(document, text, row.name))
    })
}

/// The plans of recoup.toml, when nothing has ever run them by itself.
fn of_file(session: &Session) -> Reply {
    let plans = &session.settings.plans;
    let mut table = Table::new(&["PLAN", "FROM", "SCHEDULE"]);
    for plan in plans {
        table.row([plan.name.clone(), from(Origin::File).to_owned(), when(plan)]);
    }
    let text = match plans.as_slice() {
        [] => "There are no plans: add one with `recoup plan add`, or write [plan.NAME] into recoup.toml.\n".to_owned(),
        _ => format!(
            "{}\nNothing runs them by itself yet: `recoup serve` does, or `recoup run --due`.\n",
            table.draw("")
        ),
    };
    let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
    let documents: Vec<Value> = plans.iter().map(|plan| declared(plan, session)).collect();
    Reply::good(json!({ "plans": documents }), text, names.join("\n"))
}

/// For scripts: the fields of the API's answer.
pub fn document(row: &PlanRow, session: &Session) -> Value {
    json!({
        "id": row.id, "name": row.name, "owner": row.owner, "origin": row.origin,
        "file": file(row.origin, session), "enabled": row.enabled, "plan": row.body, "version": row.version,
        "next_run": row.timing.next_nominal.filter(|_| row.enabled), "last_attempt": row.last_attempt,
        "last_success": row.last_success, "last_verified": row.last_verified, "last_proven": row.last_proven,
        "last_outcome": row.last_outcome, "created_at": row.created_at, "updated_at": row.updated_at,
    })
}

/// The same for a plan that only recoup.toml knows.
fn declared(plan: &Plan, session: &Session) -> Value {
    let body = session.settings.documents.iter().find(|(name, _)| *name == plan.name).map(|(_, body)| body);
    json!({ "name": plan.name, "origin": Origin::File, "file": file(Origin::File, session), "enabled": plan.enabled, "plan": body })
}

fn file(origin: Origin, session: &Session) -> Option<String> {
    let (path, _) = session.config.as_ref().filter(|_| origin == Origin::File)?;
    Some(path.display().to_string())
}

fn from(origin: Origin) -> &'static str {
    match origin {
        Origin::Catalog => "catalog",
        Origin::File => "recoup.toml",
        Origin::BuiltIn => "recoup",
    }
}

fn when(plan: &Plan) -> String {
    match (&plan.schedule, plan.enabled) {
        (Some(schedule), true) => schedule.describe(),
        (Some(schedule), false) => format!("off ({})", schedule.describe()),
        (None, _) => "only by hand".to_owned(),
    }
}

/// What a plan of the catalog does, for people.
pub fn does(row: &PlanRow, plan: &Plan, engine: &Engine) -> String {
    let settings = engine.settings();
    let origin = match row.origin {
        Origin::Catalog => format!("the catalog, version {}", row.version),
        Origin::File => match &settings.file {
            Some(file) => format!("{}, changed there", file.display()),
            None => "another machine's recoup.toml".to_owned(),
        },
        Origin::BuiltIn => "recoup itself".to_owned(),
    };
    let next = engine.next_runs(row, engine.clock().now(), 1).ok().and_then(|next| next.first().copied());
    lines(plan, &settings, origin, next)
}

fn does_plan(plan: &Plan, session: &Session) -> String {
    let origin = session.settings.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
    lines(plan, &session.settings, origin, None)
}

fn lines(plan: &Plan, settings: &recoup::config::Settings, origin: String, next: Option<Timestamp>) -> String {
    let mut table = Table::new(&["", ""]);
    table.row(["from".into(), origin]);
    for source in &plan.sources {
        let (kind, what) = source_words(source, settings);
        table.row([kind.into(), what]);
    }
    table.row(["format".into(), plan.format.word().to_owned()]);
    for name in &plan.destinations {
        let found = settings.destination(name, &settings.base).ok();
        let path = found.as_ref().and_then(|found| found.path()).map(|path| path.display().to_string());
        let told = path.filter(|path| path != name).map_or_else(|| name.clone(), |path| format!("{name} ({path})"));
        table.row(["to".into(), told]);
    }
    table.row(["schedule".into(), when(plan)]);
    if let Some(next) = next {
        table.row(["next".into(), format!("{} UTC", words::time(next))]);
    }
    let policy = plan.retention.as_ref().or(settings.retention.as_ref());
    table.row(["keeps".into(), policy.map_or_else(|| "everything".to_owned(), |policy| policy.words())]);
    let proof =
        plan.test_restore.map_or_else(|| "never".to_owned(), |often| format!("every {}", duration::words(often)));
    table.row(["test restore".into(), proof]);
    if !plan.notify.is_empty() {
        table.row(["tells".into(), plan.notify.join(", ")]);
    }
    table.draw("  ")
}

fn source_words(source: &SourceSpec, settings: &recoup::config::Settings) -> (&'static str, String) {
    match source {
        SourceSpec::Database(spec) => {
            let path = location::parse(&spec.location, &settings.base).map(|found| found.path.display().to_string());
            ("database", path.unwrap_or_else(|_| spec.location.clone()))
        }
        SourceSpec::Directory(spec) => {
            let without = match spec.exclude.as_slice() {
                [] => String::new(),
                exclude => format!(" without {}", exclude.join(", ")),
            };
            ("directory", format!("{}{without}", spec.path.display()))
        }
        SourceSpec::File(spec) => ("file", spec.path.display().to_string()),
        SourceSpec::Settings(_) => ("settings", "what [settings] of the plan allows".to_owned()),
        SourceSpec::Command(spec) => ("command", printable(spec.argv.first().map_or("", String::as_str))),
    }
}
