//! Plans: the document that their owner writes (the same as a `[plan.NAME]` table of recoup.toml), how they stand, and
//! what can be asked of them: a run, the next times, whether there is a fresh verified backup.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::{Filter, Origin, PlanRow};
use recoup::engine::Work;
use recoup::model::user::Scope;
use recoup::model::{Kind, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::standing::StandingView;
use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path, Query};
use crate::problem::Problem;
use crate::views::{Accepted, LevelWord, OutcomeWord, Page, accepted, limit};

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, change, remove))
        .routes(routes!(run))
        .routes(routes!(verify))
        .routes(routes!(undo))
        .routes(routes!(status))
        .routes(routes!(next))
        .routes(routes!(fresh))
}

/// Where a plan comes from.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PlanOrigin {
    /// Made here; may be changed here.
    Catalog,
    /// Declared in recoup.toml; read-only here.
    File,
    /// Recoup's own.
    BuiltIn,
}

/// A plan.
#[derive(Serialize, ToSchema)]
pub struct PlanView {
    id: String,
    name: String,
    /// Id of the user whose it is.
    owner: String,
    origin: PlanOrigin,
    /// Whether its schedule runs.
    enabled: bool,
    /// The document, as a `[plan.NAME]` table of recoup.toml.
    #[schema(value_type = Object)]
    plan: Value,
    /// The ETag without its quotes; send it back in If-Match with a change.
    version: i64,
    /// The next time by its schedule.
    #[schema(format = DateTime, value_type = Option<String>)]
    next_run: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_attempt: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_success: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_verified: Option<Timestamp>,
    /// When a test restore last succeeded.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_proven: Option<Timestamp>,
    last_outcome: Option<OutcomeWord>,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    #[schema(format = DateTime, value_type = String)]
    updated_at: Timestamp,
}

impl From<PlanRow> for PlanView {
    fn from(row: PlanRow) -> Self {
        PlanView {
            id: row.id,
            name: row.name,
            owner: row.owner,
            origin: match row.origin {
                Origin::Catalog => PlanOrigin::Catalog,
                Origin::File => PlanOrigin::File,
                Origin::BuiltIn => PlanOrigin::BuiltIn,
            },
            enabled: row.enabled,
            plan: row.body,
            version: row.version,
            next_run: row.timing.next_nominal,
            last_attempt: row.last_attempt,
            last_success: row.last_success,
            last_verified: row.last_verified,
            last_proven: row.last_proven,
            last_outcome: row.last_outcome.map(OutcomeWord::from),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn tagged(status: StatusCode, row: PlanRow) -> Response {
    let tag = format!("\"{}\"", row.version);
    (status, [(header::ETAG, tag)], Json(PlanView::from(row))).into_response()
}

/// A page of plans is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlansQuery {
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A plan to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPlan {
    /// 1 to 64 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or a digit.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: String,
    /// The document.
    #[schema(value_type = Object)]
    plan: serde_json::Map<String, Value>,
}

/// Lists plans by name: one's own, an admin's list has everybody's.
#[utoipa::path(get, path = "/plans", tag = "plans", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(PlansQuery), responses((status = 200, body = Page<PlanView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<PlansQuery>,
) -> Result<Json<Page<PlanView>>, Problem> {
    caller.may(Scope::Read)?;
    let limit = limit(asked.limit)?;
    let actor = caller.actor();
    let after = asked.cursor.unwrap_or_default();
    let rows = app.catalog().plans(actor.owner_filter(), &after, limit as i64 + 1).await?;
    let items = rows.into_iter().map(PlanView::from).collect();
    Ok(Json(Page::cut(items, limit, |plan: &PlanView| plan.name.clone())))
}

/// Makes a plan.
#[utoipa::path(post, path = "/plans", tag = "plans", security(("session" = ["write"]), ("bearer" = ["write"])),
    request_body = NewPlan, responses((status = 201, body = PlanView, headers(("etag" = String)))))]
async fn create(State(app): State<App>, caller: Caller, Input(new): Input<NewPlan>) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let row = app.engine().create_plan(&caller.actor(), &new.name, Value::Object(new.plan)).await?;
    Ok(tagged(StatusCode::CREATED, row))
}

/// Reads a plan, by name or id.
#[utoipa::path(get, path = "/plans/{name}", tag = "plans", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("name" = String, Path)), responses((status = 200, body = PlanView, headers(("etag" = String)))))]
async fn read(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    Ok(tagged(StatusCode::OK, app.engine().plan(&caller.actor(), &name).await?))
}

/// Changes a plan: what is in the body is set, `null` removes (RFC 7396), everything else stays. With If-Match only if
/// nobody changed it meanwhile. Removing what retention keeps, or switching it off, needs the password of just now.
#[utoipa::path(patch, path = "/plans/{name}", tag = "plans", security(("session" = ["write"]), ("bearer" = ["write"])),
    params(("name" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content = Object, content_type = "application/merge-patch+json"),
    responses((status = 200, body = PlanView, headers(("etag" = String))), (status = 412)))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Input(patch): Input<serde_json::Map<String, Value>>,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    if patch.contains_key("retention") {
        caller.fresh()?;
    }
    let version = expected(&headers)?;
    let changed = app.engine().update_plan(&caller.actor(), &name, Value::Object(patch), version).await;
    match changed {
        Err(error) if error.code() == "plan_changed" => {
            let status = StatusCode::PRECONDITION_FAILED;
            Err(Problem::new(status, "plan_changed", error.message()).hint("read it again and repeat your change"))
        }
        changed => Ok(tagged(StatusCode::OK, changed?)),
    }
}

/// The version that If-Match names; `None` for any.
fn expected(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(None);
    }
    let number = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
    let status = StatusCode::PRECONDITION_FAILED;
    let wrong = || Problem::new(status, "plan_changed", "The plan has been changed").hint("If-Match is not its ETag");
    number.map(Some).ok_or_else(wrong)
}

/// Removes a plan. Its backups stay.
#[utoipa::path(delete, path = "/plans/{name}", tag = "plans",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("name" = String, Path)), responses((status = 204)))]
async fn remove(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    caller.fresh()?;
    app.engine().remove_plan(&caller.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How a backup is made.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct RunRequest {
    /// A label for it.
    #[schema(max_length = 200)]
    label: Option<String>,
    /// Never removed by retention.
    protect: bool,
    /// To the plan's destinations on this machine only, and not copied elsewhere later.
    local_only: bool,
    /// Read everything, also what the file system says has not changed since the last backup of a history.
    rescan: bool,
    /// `manual`, or `pre_migration` before a deployment.
    kind: RunAs,
}

#[derive(Serialize, Deserialize, Default, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RunAs {
    #[default]
    Manual,
    PreMigration,
}

/// Backs a plan up now.
#[utoipa::path(post, path = "/plans/{name}/run", tag = "plans", security(("session" = ["run"]), ("bearer" = ["run"])),
    params(("name" = String, Path)), request_body = Option<RunRequest>, responses((status = 202, body = Accepted)))]
async fn run(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    given: Option<Input<RunRequest>>,
) -> Result<Response, Problem> {
    caller.may(Scope::Run)?;
    let given = given.map(|input| input.0).unwrap_or_default();
    let bad = |label: &String| label.chars().count() > 200 || label.chars().any(char::is_control);
    if given.label.as_ref().is_some_and(bad) {
        return Err(Problem::invalid("bad_label", "A label has up to 200 characters on one line"));
    }
    let kind = match given.kind {
        RunAs::Manual => Kind::Manual,
        RunAs::PreMigration => Kind::PreMigration,
    };
    let RunRequest { label, protect, local_only, rescan, .. } = given;
    let work = Work::Backup { kind, label, protect, local_only, rescan };
    Ok(accepted(app.engine().enqueue(&caller.actor(), &name, work).await?.id))
}

/// What is proven.
#[derive(Serialize, Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyRequest {
    /// How deep; `integrity` when absent.
    pub level: Option<LevelWord>,
}

/// Proves the newest backup of a plan.
#[utoipa::path(post, path = "/plans/{name}/verify", tag = "plans",
    security(("session" = ["run"]), ("bearer" = ["run"])),
    params(("name" = String, Path)), request_body = Option<VerifyRequest>, responses((status = 202, body = Accepted)))]
async fn verify(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    given: Option<Input<VerifyRequest>>,
) -> Result<Response, Problem> {
    caller.may(Scope::Run)?;
    let level = given.and_then(|input| input.0.level).unwrap_or(LevelWord::Integrity).into();
    let work = Work::Verify { backup: None, level, also: Vec::new() };
    Ok(accepted(app.engine().enqueue(&caller.actor(), &name, work).await?.id))
}

/// Brings back the state before the last restore of a plan. Needs the password of just now.
#[utoipa::path(post, path = "/plans/{name}/undo", tag = "restores",
    security(("session" = ["write"]), ("bearer" = ["write"])),
    params(("name" = String, Path)), responses((status = 202, body = Accepted)))]
async fn undo(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    caller.fresh()?;
    Ok(accepted(app.engine().undo(&caller.actor(), &name).await?.id))
}

/// How a plan stands.
#[derive(Serialize, ToSchema)]
struct StatusView {
    #[schema(format = DateTime, value_type = Option<String>)]
    last_attempt: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_success: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_verified: Option<Timestamp>,
    #[schema(format = DateTime, value_type = Option<String>)]
    last_proven: Option<Timestamp>,
    last_outcome: Option<OutcomeWord>,
    #[schema(format = DateTime, value_type = Option<String>)]
    next_run: Option<Timestamp>,
    /// There is no verified backup within twice the interval of the schedule.
    overdue: bool,
    /// There is a verified backup that is not older than that.
    fresh: bool,
    /// How many backups there are.
    backups: i64,
    /// Bytes of all copies.
    bytes: i64,
    /// Id of the run that works on it now.
    running: Option<String>,
    /// How each of its destinations stands.
    destinations: Vec<StandingView>,
}

/// Tells how a plan stands.
#[utoipa::path(get, path = "/plans/{name}/status", tag = "plans",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("name" = String, Path)), responses((status = 200, body = StatusView)))]
async fn status(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Json<StatusView>, Problem> {
    caller.may(Scope::Read)?;
    let row = app.engine().plan(&caller.actor(), &name).await?;
    let status = app.engine().status(&row).await?;
    let standing = app.engine().standing(&row).await?;
    Ok(Json(StatusView {
        destinations: standing.into_iter().map(StandingView::from).collect(),
        last_attempt: status.last_attempt,
        last_success: status.last_success,
        last_verified: status.last_verified,
        last_proven: status.last_proven,
        last_outcome: row.last_outcome.map(|outcome: Outcome| outcome.into()),
        next_run: status.next,
        overdue: status.overdue,
        fresh: status.fresh,
        backups: status.total,
        bytes: status.bytes,
        running: status.running,
    }))
}

/// The next times are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct NextQuery {
    /// After this time; now when absent.
    #[param(format = DateTime, value_type = Option<String>)]
    after: Option<Timestamp>,
    /// So many; 5 when absent.
    #[param(minimum = 1, maximum = 100)]
    count: Option<u8>,
}

/// When a plan will run.
#[derive(Serialize, ToSchema)]
pub struct NextRuns {
    /// In order.
    #[schema(value_type = Vec<String>)]
    pub next: Vec<Timestamp>,
}

/// Tells when a plan runs next by its schedule.
#[utoipa::path(get, path = "/plans/{name}/next", tag = "schedule",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("name" = String, Path), NextQuery), responses((status = 200, body = NextRuns)))]
async fn next(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(asked): Query<NextQuery>,
) -> Result<Json<NextRuns>, Problem> {
    caller.may(Scope::Read)?;
    let count = asked.count.unwrap_or(5);
    if !(1..=100).contains(&count) {
        return Err(Problem::invalid("bad_count", "Ask for 1 to 100 times"));
    }
    let row = app.engine().plan(&caller.actor(), &name).await?;
    let after = asked.after.unwrap_or_else(|| app.now());
    Ok(Json(NextRuns { next: app.engine().next_runs(&row, after, count.into())? }))
}

/// How fresh is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FreshQuery {
    /// Not older than so many seconds, at most ten years; a day when absent.
    #[param(minimum = 1, maximum = 315_360_000)]
    within_seconds: Option<u32>,
}

/// Whether there is a fresh verified backup.
#[derive(Serialize, ToSchema)]
struct Fresh {
    fresh: bool,
    /// The newest verified backup that is fresh.
    backup: Option<String>,
    #[schema(format = DateTime, value_type = Option<String>)]
    created_at: Option<Timestamp>,
}

/// Tells in one call whether there is a fresh verified backup of a plan.
#[utoipa::path(get, path = "/plans/{name}/fresh", tag = "plans",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("name" = String, Path), FreshQuery), responses((status = 200, body = Fresh)))]
async fn fresh(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Query(asked): Query<FreshQuery>,
) -> Result<Json<Fresh>, Problem> {
    caller.may(Scope::Read)?;
    let row = app.engine().plan(&caller.actor(), &name).await?;
    let within = asked.within_seconds.unwrap_or(86_400);
    if !(1..=315_360_000).contains(&within) {
        return Err(Problem::invalid("bad_age", "Ask for 1 second to 10 years"));
    }
    let within = SignedDuration::from_secs(within.into());
    let filter =
        Filter { plan: Some(row.name), since: app.now().checked_sub(within).ok(), limit: 1000, ..Filter::default() };
    let found = app.catalog().backups(&filter).await?;
    let proven = found
        .into_iter()
        .find(|backup| backup.verified.is_some() && backup.damaged.is_none() && backup.kind != Kind::PreRestore);
    Ok(Json(Fresh {
        fresh: proven.is_some(),
        created_at: proven.as_ref().map(|backup| backup.created_at),
        backup: proven.map(|backup| backup.id),
    }))
}
