//! The scheduler: what it is doing, a look at the plans right now, and pausing everything.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recoup::engine::Pause;
use recoup::model::user::Scope;
use recoup::scheduler::Handle;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::Input;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(scheduler_state))
        .routes(routes!(scheduler_check))
        .routes(routes!(pause))
        .routes(routes!(resume))
}

/// How long everything is to be paused.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PauseRequest {
    /// How long from now (`1h`), `tomorrow` for the next midnight in the server's zone, or a time
    /// (`2026-11-22T14:00:00Z`); until it is resumed when absent.
    #[schema(example = "1h")]
    until: Option<String>,
}

/// Everything is paused.
#[derive(Serialize, ToSchema)]
pub struct PauseView {
    #[schema(format = DateTime, value_type = String)]
    since: Timestamp,
    /// When every schedule goes on by itself; null when somebody has to resume.
    #[schema(format = DateTime, value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Name of who did it.
    by: Option<String>,
}

impl From<Pause> for PauseView {
    fn from(Pause { since, until, by }: Pause) -> Self {
        PauseView { since, until, by }
    }
}

/// What the scheduler is doing.
#[derive(Serialize, ToSchema)]
struct SchedulerView {
    running: bool,
    /// No schedule starts a run; null when nothing is paused.
    paused: Option<PauseView>,
    /// Seconds between two looks at the plans.
    check_interval_seconds: u64,
    /// Runs that can be worked on at a time.
    workers: usize,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_check: Option<Timestamp>,
    /// The next time of any plan.
    #[schema(format = DateTime, value_type = Option<String>)]
    next_due: Option<Timestamp>,
    /// All plans.
    plans: i64,
    /// Plans whose schedule runs.
    enabled: i64,
    /// Runs that wait.
    queued: i64,
    /// Runs that are worked on.
    working: i64,
}

fn handle(app: &App) -> Result<&Handle, Problem> {
    app.scheduler().ok_or_else(|| Problem::missing("no_scheduler", "No scheduler runs here"))
}

async fn state(app: &App) -> Result<Json<SchedulerView>, Problem> {
    let state = handle(app)?.state().await?;
    let paused = app.engine().paused().await?.map(PauseView::from);
    Ok(Json(SchedulerView {
        running: state.running,
        paused,
        check_interval_seconds: state.check_interval_seconds,
        workers: state.workers,
        last_check: state.last_check,
        next_due: state.next_due,
        plans: state.plans,
        enabled: state.enabled,
        queued: state.queued,
        working: state.working,
    }))
}

/// Tells what the scheduler is doing.
#[utoipa::path(get, path = "/scheduler", tag = "scheduler", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = SchedulerView)))]
async fn scheduler_state(State(app): State<App>, caller: Caller) -> Result<Json<SchedulerView>, Problem> {
    caller.may(Scope::Read)?;
    state(&app).await
}

/// Looks at the plans now and queues what is due. For admins.
#[utoipa::path(post, path = "/scheduler/check", tag = "scheduler",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = SchedulerView)))]
async fn scheduler_check(State(app): State<App>, caller: Caller) -> Result<Json<SchedulerView>, Problem> {
    caller.may(Scope::Admin)?;
    handle(&app)?.check_now().await?;
    state(&app).await
}

/// Pauses everything: no schedule starts a run until it is resumed, or until the end that is given. What is paused already
/// gets that end. What people start runs all the same. For admins.
#[utoipa::path(post, path = "/scheduler/pause", tag = "scheduler", request_body = Option<PauseRequest>,
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = SchedulerView)))]
async fn pause(
    State(app): State<App>,
    caller: Caller,
    given: Option<Input<PauseRequest>>,
) -> Result<Json<SchedulerView>, Problem> {
    caller.may(Scope::Admin)?;
    handle(&app)?;
    let Input(given) = given.unwrap_or(Input(PauseRequest::default()));
    app.engine().pause(&caller.actor(), given.until.as_deref()).await?;
    state(&app).await
}

/// Resumes everything: what was due meanwhile runs once. For admins.
#[utoipa::path(post, path = "/scheduler/resume", tag = "scheduler",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = SchedulerView)))]
async fn resume(State(app): State<App>, caller: Caller) -> Result<Json<SchedulerView>, Problem> {
    caller.may(Scope::Admin)?;
    handle(&app)?;
    app.engine().resume(&caller.actor()).await?;
    handle(&app)?.check_now().await?;
    state(&app).await
}
