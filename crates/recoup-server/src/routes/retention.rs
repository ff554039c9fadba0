//! Retention: first a preview with a reason for every backup, then exactly that.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use recoup::model::user::Scope;
use recoup::prune::Preview;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path};
use crate::problem::Problem;
use crate::views::{Accepted, KindWord, accepted};

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(apply))
}

/// Routes that look at destinations.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(preview)).routes(routes!(draft))
}

/// What happens to one backup.
#[derive(Serialize, ToSchema)]
struct DecisionView {
    id: String,
    kind: KindWord,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    bytes: u64,
    keep: bool,
    /// Why.
    reasons: Vec<String>,
}

/// What happens at one destination.
#[derive(Serialize, ToSchema)]
struct SeriesView {
    destination: String,
    /// Newest first.
    backups: Vec<DecisionView>,
    total: usize,
    keep: usize,
    delete: usize,
    protected: usize,
    /// Bytes of what would go.
    freed_bytes: u64,
    /// Why nothing would go although something should.
    paused: Option<String>,
}

/// What retention would do.
#[derive(Serialize, ToSchema)]
struct RetentionView {
    /// Applies exactly this, within 15 minutes.
    preview: String,
    destinations: Vec<SeriesView>,
}

fn series((destination, preview): (String, Preview)) -> SeriesView {
    let backups: Vec<DecisionView> = preview
        .entries
        .iter()
        .map(|entry| {
            let manifest = &entry.listed.manifest;
            DecisionView {
                id: manifest.id.to_string(),
                kind: manifest.kind.into(),
                created_at: manifest.created_at,
                bytes: manifest.stored_bytes(),
                keep: entry.decision.keep,
                reasons: entry.decision.reasons.iter().map(ToString::to_string).collect(),
            }
        })
        .collect();
    let keep = backups.iter().filter(|backup| backup.keep).count();
    SeriesView {
        destination,
        total: backups.len(),
        keep,
        delete: backups.len() - keep,
        protected: preview.entries.iter().filter(|entry| entry.listed.protected).count(),
        freed_bytes: preview.going_bytes(),
        paused: preview.paused.as_ref().map(recoup::model::guard::Pause::sentence),
        backups,
    }
}

/// Tells what retention would keep and remove of a plan, and why. Changes nothing.
#[utoipa::path(post, path = "/plans/{name}/retention", tag = "retention",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("name" = String, Path)),
    responses((status = 200, body = RetentionView)))]
async fn preview(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<RetentionView>, Problem> {
    caller.may(Scope::Write)?;
    let (id, previews) = app.engine().preview_prune(&caller.actor(), &name).await?;
    Ok(Json(RetentionView { preview: id, destinations: previews.into_iter().map(series).collect() }))
}

/// Another policy is thought about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DraftRequest {
    /// As `retention` in a plan; null keeps everything.
    #[schema(value_type = Option<Object>)]
    retention: Option<Map<String, Value>>,
}

/// What another policy would do at one destination.
#[derive(Serialize, ToSchema)]
struct DraftSeries {
    #[serde(flatten)]
    series: SeriesView,
    /// How many backups there would be in 90 days, those still to be made included.
    in_90_days: usize,
}

/// What another policy would do.
#[derive(Serialize, ToSchema)]
struct DraftView {
    /// The destinations on this machine; the others when there are none.
    destinations: Vec<DraftSeries>,
}

/// Tells what another policy would keep and remove now. Changes nothing, and cannot be applied: first the plan is changed.
#[utoipa::path(post, path = "/plans/{name}/retention/draft", tag = "retention",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("name" = String, Path)),
    request_body = DraftRequest, responses((status = 200, body = DraftView)))]
async fn draft(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Input(given): Input<DraftRequest>,
) -> Result<Json<DraftView>, Problem> {
    caller.may(Scope::Read)?;
    let retention = given.retention.map_or(Value::Null, Value::Object);
    let previews = app.engine().preview_draft(&caller.actor(), &name, retention).await?;
    let one = |(destination, preview, in_90_days)| DraftSeries { series: series((destination, preview)), in_90_days };
    Ok(Json(DraftView { destinations: previews.into_iter().map(one).collect() }))
}

/// Removes exactly what a preview showed. Needs the password of just now.
#[utoipa::path(post, path = "/retention/{preview}/apply", tag = "retention",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("preview" = String, Path)),
    responses((status = 202, body = Accepted)))]
async fn apply(State(app): State<App>, caller: Caller, Path(preview): Path<String>) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    caller.fresh()?;
    Ok(accepted(app.engine().start_prune(&caller.actor(), &preview).await?.id))
}
