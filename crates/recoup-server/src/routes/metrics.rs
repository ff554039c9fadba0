//! `/metrics` in the OpenMetrics text format: made anew for each scrape from the catalog, so that every daemon on one
//! catalog tells the same. To a token with the scope read it shows what its owner sees.

use std::sync::atomic::{AtomicI64, AtomicU64};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use recoup::catalog::PlanRow;
use recoup::engine::PlanStatus;
use recoup::model::user::Scope;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(metrics))
}

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<i64, AtomicI64>>;

/// Numbers for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", security(("bearer" = ["read"])),
    responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
async fn metrics(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let owner = if app.options().open_metrics {
        None
    } else {
        let (mut parts, _) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, &app).await?;
        caller.may(Scope::Read)?;
        caller.actor().owner_filter().map(str::to_owned)
    };
    let mut registry = Registry::with_prefix("recoup");
    let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("build", "What is running", build);
    let plans = app.engine().statuses(owner.as_deref()).await?;
    of_plans(&mut registry, &plans, app.now());
    if owner.is_none() {
        of_daemon(&mut registry, &app).await?;
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| Problem::ours())?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// What a plan has as one number.
type Number = fn(&PlanRow, &PlanStatus, Timestamp) -> Option<i64>;

const OF_PLANS: [(&str, &str, Number); 10] = [
    ("plan_enabled", "Whether its schedule runs", |row, _, _| Some(row.enabled.into())),
    ("plan_overdue", "Whether there is no verified backup within twice its interval", |_, status, _| {
        Some(status.overdue.into())
    }),
    ("plan_last_attempt_timestamp_seconds", "Start of the last attempt", |_, status, _| {
        status.last_attempt.map(Timestamp::as_second)
    }),
    ("plan_last_success_timestamp_seconds", "Consistent moment of the last backup", |_, status, _| {
        status.last_success.map(Timestamp::as_second)
    }),
    ("plan_last_verified_timestamp_seconds", "When a backup was last verified", |_, status, _| {
        status.last_verified.map(Timestamp::as_second)
    }),
    ("plan_last_proven_timestamp_seconds", "When a test restore last succeeded", |_, status, _| {
        status.last_proven.map(Timestamp::as_second)
    }),
    ("plan_next_run_timestamp_seconds", "The next time by the schedule", |_, status, _| {
        status.next.map(Timestamp::as_second)
    }),
    ("plan_age_seconds", "Time since the consistent moment of the last backup", |_, status, now| {
        status.last_success.map(|at| now.duration_since(at).as_secs().max(0))
    }),
    ("plan_backups", "Backups that there are", |_, status, _| Some(status.total)),
    ("plan_bytes", "Bytes of all copies", |_, status, _| Some(status.bytes)),
];

fn of_plans(registry: &mut Registry, plans: &[(PlanRow, PlanStatus)], now: Timestamp) {
    for (name, help, number) in OF_PLANS {
        let gauges = Gauges::default();
        for (row, status) in plans {
            if let Some(value) = number(row, status, now) {
                gauges.get_or_create(&vec![("plan", row.name.clone())]).set(value);
            }
        }
        registry.register(name, help, gauges);
    }
}

async fn of_daemon(registry: &mut Registry, app: &App) -> Result<(), Problem> {
    let (queued, running) = app.catalog().queue().await?;
    let queue = Gauges::default();
    for (state, count) in [("queued", queued), ("running", running)] {
        queue.get_or_create(&vec![("state", state.to_owned())]).set(count);
    }
    registry.register("queue", "Runs that wait or are worked on", queue);
    let runs = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (kind, outcome, count) in app.catalog().count_runs().await? {
        let outcome = serde_json::to_value(outcome).ok().and_then(|word| word.as_str().map(str::to_owned));
        let labels = vec![("kind", kind.word().to_owned()), ("outcome", outcome.unwrap_or_default())];
        runs.get_or_create(&labels).inc_by(u64::try_from(count).unwrap_or(0));
    }
    registry.register("runs", "Runs that ended; those whose time passed have the outcome missed", runs);
    if let Some(scheduler) = app.scheduler() {
        let state = scheduler.state().await?;
        let (running, looked) = (Gauge::<i64, AtomicI64>::default(), Gauge::<i64, AtomicI64>::default());
        running.set(state.running.into());
        registry.register("scheduler_running", "Whether the scheduler runs", running);
        if let Some(at) = state.last_check {
            looked.set(at.as_second());
            let help = "When it last looked at the plans";
            registry.register("scheduler_last_check_timestamp_seconds", help, looked);
        }
    }
    Ok(())
}
