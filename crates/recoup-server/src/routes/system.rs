//! The daemon itself, for admins: version, machine, self-checks, every setting in effect with where it comes from, and all of
//! that as one text to hand on. Secrets never show: the settings have dots for them already, and what runs tell has none.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::{RunRow, Runs};
use recoup::config::Origin;
use recoup::engine::{Machine, Standing};
use recoup::model::user::Scope;
use recoup::model::{Outcome, Plan, duration};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::attachment;
use crate::App;
use crate::caller::Caller;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(read))
        .routes(routes!(values))
        .routes(routes!(defaults))
        .routes(routes!(diagnostics))
}

/// With less than this on the disk of the daemon's own data something is wrong soon.
const LEAST_FREE: u64 = 1 << 30;
/// How long a clock that was wrong is told.
const CLOCK: SignedDuration = SignedDuration::from_hours(24);
/// Runs that are looked at for the text, and those of them that are in it with their log.
const LOOKED_AT: i64 = 300;
const TOLD: usize = 20;
/// Lines of a log that are in it.
const LINES: usize = 30;

/// What is checked.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum CheckWord {
    /// The catalog answers.
    Catalog,
    /// The scheduler runs, and nobody paused everything.
    Scheduler,
    /// Every plan has a fresh verified backup, or needs none yet.
    Plans,
    /// Nothing is missing and nothing went wrong at any destination of a plan.
    Destinations,
    /// There is room for the daemon's own data.
    Disk,
    /// The clock was not found to be wrong in the last day.
    Clock,
}

/// The word of something on the wire.
fn word(of: impl Serialize) -> String {
    json!(of).as_str().unwrap_or_default().to_owned()
}

/// A self-check.
#[derive(Debug, Serialize, ToSchema)]
struct CheckView {
    name: CheckWord,
    ok: bool,
    /// Of how many things.
    count: usize,
    /// Those that are not well.
    wrong: Vec<String>,
}

/// Where the daemon's own things lie.
#[derive(Serialize, ToSchema)]
struct PathsView {
    data: String,
    /// recoup.toml, when there is one.
    config: Option<String>,
    /// The catalog's file; null when it is a server.
    catalog: Option<String>,
}

/// The daemon and the machine below it.
#[derive(Serialize, ToSchema)]
struct SystemView {
    version: String,
    /// `release` or `debug`.
    build: String,
    /// As in `linux x86_64`.
    platform: String,
    /// The version of SQLite that is built in.
    sqlite: String,
    host: Option<String>,
    #[schema(format = DateTime, value_type = String)]
    started_at: Timestamp,
    uptime_seconds: u64,
    paths: PathsView,
    catalog_bytes: Option<u64>,
    /// Bytes that may still be written where the daemon's data lies.
    free_bytes: Option<u64>,
    /// Bytes that the disk has there.
    disk_bytes: Option<u64>,
    checks: Vec<CheckView>,
}

async fn system(app: &App, caller: &Caller) -> Result<SystemView, Problem> {
    let actor = caller.actor();
    let machine = app.engine().machine(&actor).await?;
    let uptime = app.uptime();
    let paths = PathsView {
        data: app.engine().data().display().to_string(),
        config: app.engine().settings().file.as_ref().map(|path| path.display().to_string()),
        catalog: machine.catalog.as_ref().map(|path| path.display().to_string()),
    };
    let started_at = app.now().saturating_sub(uptime).unwrap_or_default();
    Ok(SystemView {
        version: env!("CARGO_PKG_VERSION").into(),
        build: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        sqlite: recoup::sqlite::open::version().to_owned(),
        started_at,
        uptime_seconds: uptime.as_secs(),
        paths,
        catalog_bytes: machine.catalog_bytes,
        free_bytes: machine.free_bytes,
        disk_bytes: machine.disk_bytes,
        checks: checks(app, &machine, &app.engine().standings(&actor).await?).await?,
        host: machine.host,
    })
}

async fn checks(app: &App, machine: &Machine, standings: &[Standing]) -> Result<Vec<CheckView>, Problem> {
    let check = |name, count, wrong: Vec<String>| CheckView { name, ok: wrong.is_empty(), count, wrong };
    let mut all = Vec::new();
    let answers = app.catalog().ping().await;
    all.push(check(CheckWord::Catalog, 1, answers.err().map(|error| error.code().to_owned()).into_iter().collect()));
    if let Some(scheduler) = app.scheduler() {
        let stopped = (!scheduler.state().await?.running).then(|| "stopped".to_owned());
        let paused = app.engine().paused().await?.map(|_| "paused".to_owned());
        all.push(check(CheckWord::Scheduler, 1, stopped.into_iter().chain(paused).collect()));
    }
    let plans = app.engine().statuses(None).await?;
    let overdue = plans.iter().filter(|(_, status)| status.overdue).map(|(row, _)| row.name.clone()).collect();
    all.push(check(CheckWord::Plans, plans.len(), overdue));
    let bad = |standing: &&Standing| standing.error.is_some() || !standing.missing.is_empty() || standing.needs_sign_in;
    let bad = standings.iter().filter(bad).map(|standing| format!("{} ({})", standing.destination, standing.plan));
    all.push(check(CheckWord::Destinations, standings.len(), bad.collect()));
    let full = machine.free_bytes.is_some_and(|free| free < LEAST_FREE);
    all.push(check(CheckWord::Disk, 1, full.then(|| app.engine().data().display().to_string()).into_iter().collect()));
    let wrong = machine.clock_wrong_at.filter(|at| app.now().duration_since(*at).abs() < CLOCK);
    all.push(check(CheckWord::Clock, 1, wrong.map(|at| at.to_string()).into_iter().collect()));
    Ok(all)
}

/// Reads what the daemon says of itself and of the machine. For admins.
#[utoipa::path(get, path = "/system", tag = "system", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    responses((status = 200, body = SystemView)))]
async fn read(State(app): State<App>, caller: Caller) -> Result<Json<SystemView>, Problem> {
    caller.may(Scope::Admin)?;
    Ok(Json(system(&app, &caller).await?))
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OriginWord {
    /// Nobody said.
    Default,
    /// recoup.toml.
    File,
    /// An environment variable.
    Environment,
    /// An option of the command line.
    CommandLine,
}

/// A setting in effect.
#[derive(Debug, Serialize, ToSchema)]
struct ValueView {
    /// As in recoup.toml, with dots.
    key: String,
    /// What is secret shows as dots, or as `(set)`.
    value: Value,
    origin: OriginWord,
    /// The line of the file, the variable or the option; null for a default.
    place: Option<String>,
}

impl ValueView {
    fn new(key: &str, value: Value, origin: &Origin) -> Self {
        let (word, place) = match origin {
            Origin::Default => (OriginWord::Default, None),
            Origin::Environment(variable) => (OriginWord::Environment, Some((*variable).to_owned())),
            Origin::CommandLine(option) => (OriginWord::CommandLine, Some((*option).to_owned())),
            Origin::File { path, line } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                (OriginWord::File, Some(format!("{name}:{line}")))
            }
        };
        ValueView { key: key.to_owned(), value, origin: word, place }
    }

    fn default(key: &str, value: Value) -> Self {
        ValueView::new(key, value, &Origin::Default)
    }
}

/// Settings in effect.
#[derive(Serialize, ToSchema)]
struct ValuesView {
    items: Vec<ValueView>,
}

fn effective(app: &App) -> Vec<ValueView> {
    let settings = app.engine().settings();
    settings.values.iter().map(|known| ValueView::new(&known.key, known.value.clone(), &known.origin)).collect()
}

/// Lists every setting in effect and where it comes from. For admins.
#[utoipa::path(get, path = "/settings/values", tag = "settings",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = ValuesView)))]
async fn values(State(app): State<App>, caller: Caller) -> Result<Json<ValuesView>, Problem> {
    caller.may(Scope::Admin)?;
    Ok(Json(ValuesView { items: effective(&app) }))
}

/// Lists what holds for a plan that does not say otherwise, and where that comes from.
#[utoipa::path(get, path = "/settings/defaults", tag = "settings",
    security(("session" = ["read"]), ("bearer" = ["read"])), responses((status = 200, body = ValuesView)))]
async fn defaults(State(app): State<App>, caller: Caller) -> Result<Json<ValuesView>, Problem> {
    caller.may(Scope::Read)?;
    let mut items = effective(&app);
    items.retain(|item| item.key == "format" || item.key == "destinations" || item.key.starts_with("retention."));
    if !items.iter().any(|item| item.key.starts_with("retention.")) {
        items.push(ValueView::default("retention", Value::Null));
    }
    let zone = app.engine().settings().zone.clone();
    items.push(ValueView::default("schedule", Value::Null));
    items.push(ValueView::default("schedule.zone", json!(zone)));
    items.push(ValueView::default("test_restore", json!(duration::words(Plan::TEST_RESTORE))));
    items.push(ValueView::default("deadline", json!(duration::words(Plan::DEADLINE))));
    items.push(ValueView::default("compact", json!(false)));
    Ok(Json(ValuesView { items }))
}

/// Everything that helps somebody to find out what is wrong, as one text: version, machine, self-checks, settings, how the
/// destinations stand, runs that went wrong with the end of their log. Without secrets. For admins.
#[utoipa::path(get, path = "/diagnostics", tag = "system", security(("session" = ["admin"]), ("bearer" = ["admin"])),
    responses((status = 200, body = String, content_type = "text/plain")))]
async fn diagnostics(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let system = system(&app, &caller).await?;
    let standings = app.engine().standings(&caller.actor()).await?;
    let runs = app.catalog().runs(&Runs { limit: LOOKED_AT, ..Runs::default() }).await?;
    let now = app.now();
    let text = text(&system, &effective(&app), &standings, &runs, now).unwrap_or_default();
    let name = format!("recoup-diagnostics-{}.txt", now.strftime("%Y%m%dT%H%M%SZ"));
    let kind = "text/plain; charset=utf-8".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, attachment(&name))], text).into_response())
}

fn text(
    system: &SystemView,
    settings: &[ValueView],
    standings: &[Standing],
    runs: &[RunRow],
    now: Timestamp,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "Recoup diagnostics, {now}\n\nSYSTEM")?;
    writeln!(out, "version      {} ({}, {})", system.version, system.build, system.platform)?;
    writeln!(out, "sqlite       {}", system.sqlite)?;
    writeln!(out, "host         {}", system.host.as_deref().unwrap_or("-"))?;
    writeln!(out, "running for  {} s, since {}", system.uptime_seconds, system.started_at)?;
    writeln!(out, "data         {}", system.paths.data)?;
    writeln!(out, "config       {}", system.paths.config.as_deref().unwrap_or("-"))?;
    writeln!(out, "catalog      {}", system.paths.catalog.as_deref().unwrap_or("a server"))?;
    let number = |bytes: Option<u64>| bytes.map_or("-".to_owned(), |bytes| bytes.to_string());
    writeln!(out, "disk         {} bytes free of {}", number(system.free_bytes), number(system.disk_bytes))?;
    writeln!(out, "\nSELF-CHECKS")?;
    for check in &system.checks {
        let (mark, wrong) = (if check.ok { "ok  " } else { "FAIL" }, check.wrong.join(", "));
        writeln!(out, "{mark} {}{}{wrong}", word(check.name), if wrong.is_empty() { "" } else { ": " })?;
    }
    writeln!(out, "\nSETTINGS (secrets are dots)")?;
    for item in settings {
        writeln!(out, "{} = {}  # {}", item.key, item.value, item.place.as_deref().unwrap_or("default"))?;
    }
    writeln!(out, "\nDESTINATIONS OF PLANS")?;
    for standing in standings {
        let last = standing.last_good.map_or("never".to_owned(), |at| at.to_string());
        let (plan, name) = (&standing.plan, &standing.destination);
        let (copies, missing) = (standing.copies, standing.missing.len());
        writeln!(
            out,
            "{plan} at {name}: {copies} copies, last good {last}, {missing} missing, {} damaged",
            standing.damaged
        )?;
        if let Some(error) = &standing.error {
            writeln!(out, "  {error}")?;
        }
    }
    let wrong = |run: &&RunRow| run.outcome.is_some_and(|outcome| outcome != Outcome::Good);
    let wrong: Vec<&RunRow> = runs.iter().filter(wrong).take(TOLD).collect();
    writeln!(out, "\nRUNS THAT DID NOT END WELL ({} of the last {})", wrong.len(), runs.len())?;
    for run in wrong {
        let (outcome, at) = (run.outcome.map(word).unwrap_or_default(), run.finished_at.unwrap_or(run.queued_at));
        writeln!(out, "\n{at} {} {} of {}: {outcome}", run.id, run.kind.word(), run.plan_name)?;
        if let Some(error) = &run.error {
            writeln!(out, "  {error}")?;
        }
        let lines: Vec<&str> = run.log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            writeln!(out, "  | {line}")?;
        }
    }
    Ok(out)
}
