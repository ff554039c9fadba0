//! Destinations: their names, a test of each, what they lack, taking over what lies there. And when a schedule would run, for anybody who
//! thinks about one.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use recoup::model::schedule::{Schedule, Written};
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::standing::StandingView;
use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path, shaped};
use crate::problem::Problem;
use crate::views::{Accepted, accepted};

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(schedule))
}

/// Routes that start work.
pub fn starting() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(copy_missing))
}

/// Routes that look at destinations.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(test)).routes(routes!(adopt)).routes(routes!(recovery_kit))
}

/// A destination.
#[derive(Serialize, ToSchema)]
struct DestinationView {
    name: String,
    /// How it stands for each plan that uses it, of those that one may see.
    plans: Vec<StandingView>,
}

/// The destinations.
#[derive(Serialize, ToSchema)]
struct Destinations {
    items: Vec<DestinationView>,
}

/// Lists the destinations of recoup.toml, and how each stands.
#[utoipa::path(get, path = "/destinations", tag = "destinations",
    security(("session" = ["read"]), ("bearer" = ["read"])), responses((status = 200, body = Destinations)))]
async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Destinations>, Problem> {
    caller.may(Scope::Read)?;
    let mut standings = app.engine().standings(&caller.actor()).await?;
    let view = |name: String| {
        let plans = standings.extract_if(.., |standing| standing.destination == name).map(StandingView::from).collect();
        DestinationView { name, plans }
    };
    let items = app.engine().destinations().into_iter().map(view).collect();
    Ok(Json(Destinations { items }))
}

/// A step of a test.
#[derive(Serialize, ToSchema)]
pub struct StepView {
    /// `open`, `write`, `list`, `read`, `delete`, `space` or `key`.
    name: String,
    ok: bool,
    text: String,
}

impl From<recoup::engine::TestStep> for StepView {
    fn from(step: recoup::engine::TestStep) -> Self {
        StepView { name: step.name, ok: step.ok, text: step.text }
    }
}

/// How a test went.
#[derive(Serialize, ToSchema)]
pub struct TestView {
    pub ok: bool,
    pub steps: Vec<StepView>,
}

/// Writes, lists, reads and deletes a small object at a destination.
#[utoipa::path(post, path = "/destinations/{name}/test", tag = "destinations",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("name" = String, Path)),
    responses((status = 200, body = TestView)))]
async fn test(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Json<TestView>, Problem> {
    caller.may(Scope::Write)?;
    let steps = app.engine().test_destination(&caller.actor(), &name).await?;
    let ok = steps.iter().all(|step| step.ok);
    let steps = steps.into_iter().map(StepView::from).collect();
    Ok(Json(TestView { ok, steps }))
}

/// Of which plan something is to be copied.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CopyMissingRequest {
    /// Name of a plan that uses the destination.
    plan: String,
}

/// Copies to a destination now what it lacks of a plan; it would be done later by itself. Gives the run that waits for that, if
/// one does.
#[utoipa::path(post, path = "/destinations/{name}/copy", tag = "destinations",
    security(("session" = ["run"]), ("bearer" = ["run"])), params(("name" = String, Path)),
    request_body = CopyMissingRequest, responses((status = 202, body = Accepted)))]
async fn copy_missing(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Input(given): Input<CopyMissingRequest>,
) -> Result<Response, Problem> {
    caller.may(Scope::Run)?;
    Ok(accepted(app.engine().copy_missing(&caller.actor(), &given.plan, &name).await?.id))
}

/// What was taken over.
#[derive(Serialize, ToSchema)]
struct AdoptedView {
    /// Names of the plans whose backups are there.
    plans: Vec<String>,
    /// How many backups are listed now.
    backups: usize,
    /// Manifests that could not be read.
    damaged: usize,
}

/// Lists everything that lies at a destination, whoever made it. For admins.
#[utoipa::path(post, path = "/destinations/{name}/adopt", tag = "destinations",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), params(("name" = String, Path)),
    responses((status = 200, body = AdoptedView)))]
async fn adopt(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Json<AdoptedView>, Problem> {
    caller.may(Scope::Admin)?;
    let known = app.engine().destinations();
    if !known.contains(&name) {
        // A client names what the operator has declared, never a path.
        return Err(Problem::missing("destination_missing", "Destination not found"));
    }
    let adopted = app.engine().adopt(&caller.actor(), &name).await?;
    Ok(Json(AdoptedView { plans: adopted.plans, backups: adopted.backups, damaged: adopted.damaged.len() }))
}

/// One page that tells how to get everything back on an empty machine.
#[derive(Serialize, ToSchema)]
struct KitView {
    /// Markdown, without any secret.
    text: String,
}

/// Makes the recovery kit, with this installation's values and without secrets. For admins.
#[utoipa::path(get, path = "/recovery-kit", tag = "destinations",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), responses((status = 200, body = KitView)))]
async fn recovery_kit(State(app): State<App>, caller: Caller) -> Result<Json<KitView>, Problem> {
    caller.may(Scope::Admin)?;
    let text = app.engine().recovery_kit(&caller.actor()).await?;
    Ok(Json(KitView { text }))
}

/// A schedule that is thought about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleRequest {
    /// As `schedule` in a plan: `every`, `at`, `zone` (UTC when absent), `weekday`, `day`.
    #[schema(value_type = Object)]
    schedule: Map<String, Value>,
    /// After this time; now when absent. For a rolling one it is the last time.
    #[serde(default)]
    #[schema(format = DateTime, value_type = Option<String>)]
    after: Option<Timestamp>,
    /// So many; 5 when absent.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    count: Option<u8>,
}

/// When a schedule would run.
#[derive(Serialize, ToSchema)]
struct ScheduleView {
    #[schema(value_type = Vec<String>)]
    next: Vec<Timestamp>,
    /// The schedule in words.
    words: String,
}

/// Tells when a schedule would run.
#[utoipa::path(post, path = "/schedule/next", tag = "schedule", security(("session" = ["read"]), ("bearer" = ["read"])),
    request_body = ScheduleRequest, responses((status = 200, body = ScheduleView)))]
async fn schedule(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<ScheduleRequest>,
) -> Result<Json<ScheduleView>, Problem> {
    caller.may(Scope::Read)?;
    let count = given.count.unwrap_or(5);
    if !(1..=100).contains(&count) {
        return Err(Problem::invalid("bad_count", "Ask for 1 to 100 times"));
    }
    let written: Written = shaped(Value::Object(given.schedule))?;
    let schedule: Schedule = written.meant(Some("UTC")).map_err(|wrong| {
        let problem = Problem::from(*wrong.error);
        problem.detail(format!("schedule.{}", wrong.key))
    })?;
    let after = given.after.unwrap_or_else(|| app.now());
    let next: recoup::Result<Vec<Timestamp>> =
        schedule.upcoming(after)?.take(count.into()).map(|found| found.map(|found| found.nominal)).collect();
    Ok(Json(ScheduleView { next: next?, words: schedule.describe() }))
}
