//! Is it alive, is it ready, is there a fresh verified backup of everything. For people, load balancers and monitors.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::Query;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(backups))
}

/// What stands outside of `/api/v1`, where monitors look.
pub fn probes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(alive)).routes(routes!(ready))
}

/// That it answers.
#[derive(Serialize, ToSchema)]
struct Alive {
    /// `ok`.
    status: String,
}

fn ok() -> Json<Alive> {
    Json(Alive { status: "ok".into() })
}

/// Is the process alive?
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Alive)))]
async fn alive() -> Json<Alive> {
    ok()
}

/// Can it do its work: does the catalog answer, does the scheduler run?
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses((status = 200, body = Alive)))]
async fn ready(State(app): State<App>) -> Result<Json<Alive>, Problem> {
    app.catalog().ping().await?;
    if let Some(scheduler) = app.scheduler()
        && !scheduler.state().await?.running
    {
        let text = "The scheduler is stopped";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "scheduler_stopped", text));
    }
    Ok(ok())
}

/// How the daemon is.
#[derive(Serialize, ToSchema)]
struct Health {
    /// `ok`, or `degraded` when the scheduler is stopped or a plan is overdue.
    status: String,
    version: String,
    /// Whether the scheduler runs; null where there is none.
    scheduler: Option<bool>,
    /// Runs that wait.
    queued: i64,
    /// Runs that are worked on.
    running: i64,
    /// One's own plans; an admin's are everybody's.
    plans: usize,
    /// Those without a verified backup within twice the interval of their schedule.
    overdue: usize,
}

/// How is the daemon?
#[utoipa::path(get, path = "/health", tag = "health", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = Health)))]
async fn health(State(app): State<App>, caller: Caller) -> Result<Json<Health>, Problem> {
    caller.may(Scope::Read)?;
    let actor = caller.actor();
    let plans = app.engine().statuses(actor.owner_filter()).await?;
    let overdue = plans.iter().filter(|(_, status)| status.overdue).count();
    let scheduler = match app.scheduler() {
        Some(scheduler) => Some(scheduler.state().await?.running),
        None => None,
    };
    let (queued, running) = app.catalog().queue().await?;
    let good = overdue == 0 && scheduler != Some(false);
    Ok(Json(Health {
        status: if good { "ok" } else { "degraded" }.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        scheduler,
        queued,
        running,
        plans: plans.len(),
        overdue,
    }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only this plan.
    plan: Option<String>,
}

/// Whether everything is backed up.
#[derive(Serialize, ToSchema)]
struct BackupsHealth {
    /// No plan is overdue.
    ok: bool,
    plans: Vec<PlanHealth>,
}

/// Whether a plan is backed up.
#[derive(Serialize, ToSchema)]
struct PlanHealth {
    plan: String,
    /// Whether its schedule runs.
    enabled: bool,
    /// There is no verified backup within twice the interval of its schedule.
    overdue: bool,
    /// There is one.
    fresh: bool,
    /// The consistent moment of the last backup.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_success: Option<Timestamp>,
    /// When a backup was last verified.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_verified: Option<Timestamp>,
    /// When a test restore last succeeded.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_proven: Option<Timestamp>,
    /// Seconds since the consistent moment of the last backup.
    age_seconds: Option<i64>,
    backups: i64,
    /// Bytes of all copies.
    bytes: i64,
}

/// Is everything backed up? 503 when a plan is overdue, for monitors that look at nothing but the status.
#[utoipa::path(get, path = "/health/backups", tag = "health",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(Which),
    responses((status = 200, body = BackupsHealth), (status = 503, body = BackupsHealth)))]
async fn backups(State(app): State<App>, caller: Caller, Query(which): Query<Which>) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let actor = caller.actor();
    let plans = match &which.plan {
        None => app.engine().statuses(actor.owner_filter()).await?,
        Some(name) => {
            let row = app.engine().plan(&actor, name).await?;
            let status = app.engine().status(&row).await?;
            vec![(row, status)]
        }
    };
    let now = app.now();
    let plans: Vec<PlanHealth> = plans
        .into_iter()
        .map(|(row, status)| PlanHealth {
            plan: row.name,
            enabled: row.enabled,
            overdue: status.overdue,
            fresh: status.fresh,
            last_success: status.last_success,
            last_verified: status.last_verified,
            last_proven: status.last_proven,
            age_seconds: status.last_success.map(|at| now.duration_since(at).as_secs().max(0)),
            backups: status.total,
            bytes: status.bytes,
        })
        .collect();
    let ok = plans.iter().all(|plan| !plan.overdue);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(BackupsHealth { ok, plans })).into_response())
}
