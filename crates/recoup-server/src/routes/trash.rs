//! The trash: backups that were deleted from a folder and wait there for a day. List them, put one back. Not here: deleting
//! ([`super::backups`]).

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recoup::engine::{TrashedBackup, TrashedCopy};
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path, Query};
use crate::problem::{Document, Problem};
use crate::views::{FormatWord, KindWord, limit};

/// Routes that look at destinations.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put_back))
}

/// A copy in the trash.
#[derive(Serialize, ToSchema)]
struct TrashedCopyView {
    destination: String,
    bytes: u64,
    #[schema(format = DateTime, value_type = String)]
    deleted_at: Timestamp,
    /// When it is removed for good; earlier, when a backup needs the space.
    #[schema(format = DateTime, value_type = String)]
    until: Timestamp,
}

/// A backup in the trash.
#[derive(Serialize, ToSchema)]
struct TrashedView {
    /// Absent when its manifest cannot be read; then it cannot be put back here.
    id: Option<String>,
    /// Its file name without extension.
    name: String,
    /// Name of the plan.
    plan: String,
    kind: Option<KindWord>,
    format: Option<FormatWord>,
    label: Option<String>,
    /// The consistent moment.
    #[schema(format = DateTime, value_type = Option<String>)]
    created_at: Option<Timestamp>,
    copies: Vec<TrashedCopyView>,
}

impl From<TrashedCopy> for TrashedCopyView {
    fn from(copy: TrashedCopy) -> Self {
        let TrashedCopy { destination, bytes, since, until } = copy;
        TrashedCopyView { destination, bytes, deleted_at: since, until }
    }
}

impl From<TrashedBackup> for TrashedView {
    fn from(backup: TrashedBackup) -> Self {
        let manifest = backup.manifest.ok();
        TrashedView {
            id: manifest.as_ref().map(|manifest| manifest.id.to_string()),
            kind: manifest.as_ref().map(|manifest| manifest.kind.into()),
            format: manifest.as_ref().map(|manifest| manifest.format.into()),
            created_at: manifest.as_ref().map(|manifest| manifest.created_at),
            label: manifest.and_then(|manifest| manifest.label),
            name: backup.name,
            plan: backup.plan,
            copies: backup.copies.into_iter().map(TrashedCopyView::from).collect(),
        }
    }
}

/// A destination at which something was not done.
#[derive(Serialize, ToSchema)]
struct FailedView {
    destination: String,
    problem: Document,
}

fn failed(all: Vec<(String, recoup::Error)>) -> Vec<FailedView> {
    let view = |(destination, error)| FailedView { destination, problem: Problem::from(error).into_document() };
    all.into_iter().map(view).collect()
}

/// What lies in the trash.
#[derive(Serialize, ToSchema)]
struct TrashView {
    items: Vec<TrashedView>,
    /// Gives the next page as `cursor`; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Destinations that could not be looked at: there may be more.
    failed: Vec<FailedView>,
    /// Destinations without a trash: what is deleted there is gone at once.
    without: Vec<String>,
}

/// A page of the trash is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TrashQuery {
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// A cursor as we gave it: when the last one was deleted, and its name.
fn position(cursor: &str) -> Result<(Timestamp, &str), Problem> {
    let parts =
        cursor.split_once('-').and_then(|(ms, name)| Some((Timestamp::from_millisecond(ms.parse().ok()?).ok()?, name)));
    parts.ok_or_else(|| Problem::invalid("bad_cursor", "The cursor is not one of ours"))
}

/// Lists what lies in the trash, what was deleted last first: one's own, an admin's list has everybody's. The destinations are
/// asked.
#[utoipa::path(get, path = "/trash", tag = "trash", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(TrashQuery), responses((status = 200, body = TrashView)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<TrashQuery>,
) -> Result<Json<TrashView>, Problem> {
    caller.may(Scope::Read)?;
    let limit = limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(position).transpose()?;
    let trash = app.engine().trash(&caller.actor()).await?;
    let mut backups = trash.backups;
    backups.retain(|backup| after.is_none_or(|after| (backup.since(), backup.name.as_str()) < after));
    let last = backups.get(limit.saturating_sub(1)).filter(|_| backups.len() > limit);
    let next = last.map(|last| format!("{}-{}", last.since().as_millisecond(), last.name));
    backups.truncate(limit);
    let items = backups.into_iter().map(TrashedView::from).collect();
    Ok(Json(TrashView { items, next, failed: failed(trash.failed), without: trash.without }))
}

/// How a backup is put back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PutBackRequest {
    /// Protects it, so that retention does not take it again; true when absent.
    protect: Option<bool>,
}

/// What was put back.
#[derive(Serialize, ToSchema)]
struct PutBackView {
    /// The backup: GET /api/v1/backups/{id} has it again.
    id: String,
    /// Where it lies again.
    destinations: Vec<String>,
    /// Where it could not be put back, or could not be looked for.
    failed: Vec<FailedView>,
}

/// Puts a backup back from the trash, every copy of it. Its id, or its name there. Again, it is as it should be.
#[utoipa::path(post, path = "/trash/{backup}/put-back", tag = "trash",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("backup" = String, Path)),
    request_body = Option<PutBackRequest>, responses((status = 200, body = PutBackView)))]
async fn put_back(
    State(app): State<App>,
    caller: Caller,
    Path(backup): Path<String>,
    given: Option<Input<PutBackRequest>>,
) -> Result<Json<PutBackView>, Problem> {
    caller.may(Scope::Write)?;
    let protect = given.and_then(|input| input.0.protect).unwrap_or(true);
    let done = app.engine().put_back(&caller.actor(), &backup, protect).await?;
    Ok(Json(PutBackView { id: done.id, destinations: done.destinations, failed: failed(done.failed) }))
}
