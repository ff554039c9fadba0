//! What a page draws: the calendar of what happened and what is to come, and how full the destinations were and will be.

use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::RunBrief;
use recoup::engine::{Actor, Filled};
use recoup::model::Outcome;
use recoup::model::job::RunKind;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::RunKindWord;
use crate::App;
use crate::caller::Caller;
use crate::input::Query;
use crate::problem::Problem;
use crate::views::OutcomeWord;

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(calendar)).routes(routes!(growth))
}

/// Times of one plan that are told of a day at most.
const TIMES: usize = 500;
/// How far ahead they are told.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 60);
/// Plans whose times are told.
const PLANS: i64 = 200;

/// Days are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CalendarQuery {
    /// The first day: `2026-11-01`.
    #[param(value_type = String, format = Date)]
    from: Date,
    /// The last day, at most 400 days later.
    #[param(value_type = String, format = Date)]
    until: Date,
    /// Of this plan only.
    plan: Option<String>,
}

/// A run on a day.
#[derive(Serialize, ToSchema)]
struct DayRun {
    id: String,
    plan: String,
    kind: RunKindWord,
    outcome: OutcomeWord,
    #[schema(format = DateTime, value_type = String)]
    at: Timestamp,
    /// The backup that it made is not there any more: retention or somebody removed it.
    gone: bool,
}

/// A day on which something ended.
#[derive(Serialize, ToSchema)]
struct DayView {
    #[schema(format = Date, value_type = String)]
    date: Date,
    /// In the order in which they were to begin.
    runs: Vec<DayRun>,
}

/// A day on which something will begin.
#[derive(Serialize, ToSchema)]
struct PlannedView {
    #[schema(format = Date, value_type = String)]
    date: Date,
    plan: String,
    /// So many times.
    times: u32,
}

/// What happened and what is to come.
#[derive(Serialize, ToSchema)]
struct CalendarView {
    /// The time zone in which a day begins.
    zone: String,
    #[schema(format = Date, value_type = String)]
    today: Date,
    /// Days with runs that ended, from the log of runs; what retention removed since does not change them.
    days: Vec<DayView>,
    /// What the schedules say of the days after this moment, 60 days at most.
    planned: Vec<PlannedView>,
}

impl From<RunBrief> for DayRun {
    fn from(run: RunBrief) -> Self {
        DayRun {
            id: run.id,
            plan: run.plan,
            kind: run.kind.into(),
            outcome: run.outcome.into(),
            at: run.at,
            gone: run.gone,
        }
    }
}

/// Tells what ended on each of some days, and what is planned.
#[utoipa::path(get, path = "/calendar", tag = "runs", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(CalendarQuery), responses((status = 200, body = CalendarView)))]
async fn calendar(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<CalendarQuery>,
) -> Result<Json<CalendarView>, Problem> {
    caller.may(Scope::Read)?;
    let (engine, who) = (app.engine(), caller.actor());
    let days = engine.calendar(&who, asked.plan.as_deref(), asked.from, asked.until).await?;
    let days =
        days.into_iter().map(|(date, runs)| DayView { date, runs: runs.into_iter().map(DayRun::from).collect() });
    let zone = engine.settings().zone.clone();
    let tz = TimeZone::get(&zone).unwrap_or(TimeZone::UTC);
    let now = app.now();
    let end = asked.until.tomorrow().ok().and_then(|day| day.to_zoned(tz.clone()).ok());
    let far = now.saturating_add(AHEAD).unwrap_or(now);
    let end = end.map_or(far, |end| end.timestamp().min(far));
    let plans = match &asked.plan {
        Some(name) => vec![engine.plan(&who, name).await?],
        None => app.catalog().plans(who.owner_filter(), "", PLANS).await?,
    };
    let mut planned = Vec::new();
    for plan in plans {
        let mut times: BTreeMap<Date, u32> = BTreeMap::new();
        // A schedule that makes no sense any more has no times; the plan's own page says why.
        for at in engine.next_runs(&plan, now, TIMES).unwrap_or_default().into_iter().take_while(|at| *at < end) {
            *times.entry(at.to_zoned(tz.clone()).date()).or_default() += 1;
        }
        planned.extend(times.into_iter().map(|(date, times)| PlannedView { date, plan: plan.name.clone(), times }));
    }
    Ok(Json(CalendarView { zone, today: now.to_zoned(tz).date(), days: days.collect(), planned }))
}

/// Days of a strip.
pub const STRIP: usize = 30;
/// The worst first.
const WORST: [Outcome; 6] =
    [Outcome::Failed, Outcome::Missed, Outcome::Interrupted, Outcome::Warnings, Outcome::Cancelled, Outcome::Good];

/// How backups of each of the last 30 days ended, the worst of a day, today last; by the name of the plan.
pub async fn strips(app: &App, who: &Actor) -> Result<HashMap<String, Vec<Option<OutcomeWord>>>, Problem> {
    let tz = TimeZone::get(&app.engine().settings().zone).unwrap_or(TimeZone::UTC);
    let today = app.now().to_zoned(tz).date();
    let first = today.checked_sub(SignedDuration::from_hours(24 * (STRIP as i64 - 1))).unwrap_or(today);
    let mut strips: HashMap<String, Vec<Option<OutcomeWord>>> = HashMap::new();
    for (date, runs) in app.engine().calendar(who, None, first, today).await? {
        let at = first.until(date).map_or(0, |span| usize::try_from(span.get_days()).unwrap_or(0)).min(STRIP - 1);
        for run in runs.into_iter().filter(|run| run.kind == RunKind::Backup) {
            let day = &mut strips.entry(run.plan).or_insert_with(|| vec![None; STRIP])[at];
            let rank = |outcome: Outcome| WORST.iter().position(|one| *one == outcome);
            if day.is_none_or(|known| rank(run.outcome) < rank(known.into())) {
                *day = Some(run.outcome.into());
            }
        }
    }
    Ok(strips)
}

/// A span of days is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct GrowthQuery {
    /// So many days back; 90 when absent.
    #[param(minimum = 1, maximum = 3650)]
    days: Option<u32>,
}

/// The end of a day.
#[derive(Serialize, ToSchema)]
struct FilledDay {
    #[schema(format = Date, value_type = String)]
    date: Date,
    backups: i64,
    bytes: i64,
    /// Bytes that were free, where that can be known.
    free: Option<i64>,
}

/// How a destination fills.
#[derive(Serialize, ToSchema)]
struct FilledView {
    destination: String,
    /// The oldest first; days on which nothing changed are left out.
    days: Vec<FilledDay>,
    /// By a straight line through the last 30 days; absent when less than three are known.
    bytes_a_day: Option<f64>,
    /// When it is full at this pace, within ten years.
    #[schema(format = Date, value_type = Option<String>)]
    full_on: Option<Date>,
}

/// How the destinations fill.
#[derive(Serialize, ToSchema)]
struct GrowthView {
    items: Vec<FilledView>,
}

fn date(day: i64) -> Option<Date> {
    let at = Timestamp::from_second(day.checked_mul(86_400)?).ok()?;
    Some(at.to_zoned(TimeZone::UTC).date())
}

impl From<Filled> for FilledView {
    fn from(filled: Filled) -> Self {
        let one = |row: recoup::catalog::StoredRow| {
            Some(FilledDay { date: date(row.day)?, backups: row.backups, bytes: row.bytes, free: row.free })
        };
        FilledView {
            destination: filled.destination,
            days: filled.days.into_iter().filter_map(one).collect(),
            bytes_a_day: filled.growth.map(|growth| growth.bytes_a_day.round()),
            full_on: filled.growth.and_then(|growth| date(growth.full_on?)),
        }
    }
}

/// Tells how full each destination was at the end of each day, and when it will be full.
#[utoipa::path(get, path = "/growth", tag = "destinations", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(GrowthQuery), responses((status = 200, body = GrowthView)))]
async fn growth(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<GrowthQuery>,
) -> Result<Json<GrowthView>, Problem> {
    caller.may(Scope::Read)?;
    let days = asked.days.unwrap_or(90);
    if !(1..=3650).contains(&days) {
        return Err(Problem::invalid("bad_days", "Ask for 1 to 3650 days"));
    }
    let items = app.engine().filled(days).await?.into_iter().map(FilledView::from).collect();
    Ok(Json(GrowthView { items }))
}
