//! Restores: first a preview with an id, then the act with that id and a yes, then its run. Also of what a client
//! uploads, at once or in pieces; what comes in is hostile until the engine has proven it.

use std::path::PathBuf;

use axum::Json;
use axum::body::Body;
use axum::extract::{Multipart, State};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use jiff::SignedDuration;
use recoup::catalog::Kept;
use recoup::model::user::Scope;
use recoup::restore::Preview;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path, Query};
use crate::problem::{Document, Problem};
use crate::views::{Accepted, Note, accepted};

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(begin)).routes(routes!(how_far, give_up))
}

/// Routes that take long or much.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(preview)).routes(routes!(upload)).routes(routes!(piece)).routes(routes!(finish))
}

/// Where a piece begins, in bytes.
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// A client that sends nothing for so long is gone.
const IDLE: std::time::Duration = std::time::Duration::from_secs(60);
/// An upload that nobody goes on with is removed after so long.
const KEPT: SignedDuration = SignedDuration::from_hours(1);

/// What would be restored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PreviewRequest {
    /// Id of the backup.
    backup: String,
    /// Names of parts, `database:table`, `directory/file`; everything when empty.
    #[serde(default)]
    only: Vec<String>,
}

/// A part that would be put back.
#[derive(Serialize, ToSchema)]
struct PartPreview {
    name: String,
    kind: String,
    /// Something is there now.
    exists: bool,
    bytes: u64,
}

/// What a restore would do.
#[derive(Serialize, ToSchema)]
struct PreviewView {
    /// Starts the restore, within 15 minutes.
    preview: String,
    parts: Vec<PartPreview>,
    /// From the live data to the backup: *added* comes back, *removed* is lost, *changed* changes.
    #[schema(value_type = Object)]
    differences: Value,
    /// Why it would be refused without force.
    refused: Option<Document>,
    warnings: Vec<Note>,
    /// The question to which the restore wants a yes.
    question: &'static str,
}

fn shown(id: String, preview: Preview) -> PreviewView {
    let kind = |kind| serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned));
    PreviewView {
        preview: id,
        parts: preview
            .parts
            .into_iter()
            .map(|part| PartPreview {
                name: part.name,
                kind: kind(part.kind).unwrap_or_default(),
                exists: part.exists,
                bytes: part.bytes,
            })
            .collect(),
        differences: serde_json::to_value(preview.differences).unwrap_or_default(),
        refused: preview.refused.map(|error| Problem::from(error).into_document()),
        warnings: preview.warnings.into_iter().map(Note::from).collect(),
        question: "Restore will replace all data. Continue?",
    }
}

/// Tells what a restore would do: what comes back, what changes, what is lost. Changes nothing.
#[utoipa::path(post, path = "/restores/preview", tag = "restores",
    security(("session" = ["write"]), ("bearer" = ["write"])),
    request_body = PreviewRequest, responses((status = 200, body = PreviewView)))]
async fn preview(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<PreviewRequest>,
) -> Result<Json<PreviewView>, Problem> {
    caller.may(Scope::Write)?;
    let (id, preview) = app.engine().preview_restore(&caller.actor(), &given.backup, given.only).await?;
    Ok(Json(shown(id, preview)))
}

/// A restore that was previewed is to begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// From the preview.
    preview: String,
    /// The yes to `Restore will replace all data. Continue?`
    #[serde(default)]
    confirm: bool,
    /// Also what another application or a newer version made.
    #[serde(default)]
    force: bool,
}

/// Restores what was previewed. Needs `confirm` and the password of just now.
#[utoipa::path(post, path = "/restores", tag = "restores", security(("session" = ["write"]), ("bearer" = ["write"])),
    request_body = StartRequest, responses((status = 202, body = Accepted), (status = 428)))]
async fn start(State(app): State<App>, caller: Caller, Input(given): Input<StartRequest>) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    if !given.confirm {
        let text = "Restore will replace all data. Continue?";
        return Err(
            Problem::new(StatusCode::PRECONDITION_REQUIRED, "confirm_required", text).hint("send \"confirm\": true")
        );
    }
    caller.fresh()?;
    Ok(accepted(app.engine().start_restore(&caller.actor(), &given.preview, given.force).await?.id))
}

/// For which plan.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UploadQuery {
    /// Name of the plan into which it would be restored.
    plan: String,
}

/// A file in one part of a form.
#[derive(ToSchema)]
#[allow(dead_code)]
struct UploadForm {
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Uploads a backup (ours, another application's ZIP of the documented layout, a database, a JSON export) and previews
/// its restore. It is judged before anything is unpacked.
#[utoipa::path(post, path = "/uploads", tag = "uploads", security(("session" = ["write"]), ("bearer" = ["write"])),
    params(UploadQuery), request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = 201, body = PreviewView), (status = 413)))]
async fn upload(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<UploadQuery>,
    mut form: Multipart,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    app.engine().plan(&caller.actor(), &asked.plan).await?;
    let unreadable = |_| Problem::unreadable("bad_upload", "The upload could not be read");
    let field = form.next_field().await.map_err(unreadable)?;
    let field = field.ok_or_else(|| Problem::invalid("no_file", "The form has no file"))?;
    let path = place(&app, &app.new_id())?;
    let stored =
        store(&path, 0, app.options().upload_limit, field.map(|chunk| chunk.map_err(std::io::Error::other))).await;
    if let Err(problem) = stored {
        remove(&path).await;
        return Err(problem);
    }
    judge(&app, &caller, &asked.plan, path).await
}

async fn judge(app: &App, caller: &Caller, plan: &str, path: PathBuf) -> Result<Response, Problem> {
    // From here on the file is the engine's.
    let (id, preview) = app.engine().upload(&caller.actor(), plan, path).await?;
    Ok((StatusCode::CREATED, Json(shown(id, preview))).into_response())
}

/// Where an upload lies; the name is ours.
fn place(app: &App, id: &str) -> Result<PathBuf, Problem> {
    use std::os::unix::fs::DirBuilderExt;
    let folder = app.engine().data().join("uploads");
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| recoup::Error::at("making", &folder, error))?;
    Ok(folder.join(id))
}

async fn remove(path: &std::path::Path) {
    if let Err(error) = tokio::fs::remove_file(path).await {
        tracing::debug!(%error, "an upload was not there to be removed");
    }
}

/// Appends a body to a file that has `offset` bytes; gives its new length.
async fn store(
    path: &std::path::Path,
    offset: u64,
    limit: u64,
    mut body: impl Stream<Item = std::io::Result<axum::body::Bytes>> + Unpin,
) -> Result<u64, Problem> {
    let failed = |error| Problem::from(recoup::Error::io("storing an upload", error));
    let mut options = tokio::fs::OpenOptions::new();
    options.write(true).create(offset == 0).mode(0o600);
    let mut file = options.open(path).await.map_err(failed)?;
    // What a piece that broke off has left behind its note goes.
    file.set_len(offset).await.map_err(failed)?;
    tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(offset)).await.map_err(failed)?;
    let mut length = offset;
    loop {
        let Ok(next) = tokio::time::timeout(IDLE, body.next()).await else {
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "The upload stopped"));
        };
        let Some(chunk) = next else { break };
        let chunk = chunk.map_err(|_| Problem::unreadable("bad_upload", "The upload broke off"))?;
        length += chunk.len() as u64;
        if length > limit {
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "upload_too_large", "The upload is too large");
            return Err(problem.hint(format!("up to {limit} bytes; upload_limit in [server] of recoup.toml says so")));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.sync_all().await.map_err(failed)?;
    Ok(length)
}

/// An upload in pieces is to begin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UploadRequest {
    /// Name of the plan into which it would be restored.
    plan: String,
    /// How long it will be, in bytes.
    #[schema(minimum = 1)]
    bytes: u64,
}

/// An upload in pieces.
#[derive(Serialize, ToSchema)]
struct UploadView {
    id: String,
    plan: String,
    /// How many bytes have arrived: the next piece begins there.
    offset: u64,
    bytes: u64,
}

fn kept(app: &App, caller: &Caller, view: &UploadView) -> Kept {
    Kept {
        kind: "upload".into(),
        id: view.id.clone(),
        owner: caller.account.id.clone(),
        body: json!({"plan": view.plan, "offset": view.offset, "bytes": view.bytes}),
        expires_at: app.now() + KEPT,
    }
}

async fn found(app: &App, caller: &Caller, id: &str) -> Result<UploadView, Problem> {
    let kept = app.catalog().kept("upload", id, &caller.account.id, app.now()).await?;
    let kept = kept.ok_or_else(|| Problem::missing("upload_missing", "Upload not found"))?;
    let number = |name: &str| kept.body[name].as_u64().unwrap_or(0);
    let plan = kept.body["plan"].as_str().unwrap_or_default().to_owned();
    Ok(UploadView { id: kept.id.clone(), plan, offset: number("offset"), bytes: number("bytes") })
}

/// Begins an upload in pieces that can be resumed for an hour after each.
#[utoipa::path(post, path = "/uploads/pieces", tag = "uploads",
    security(("session" = ["write"]), ("bearer" = ["write"])), request_body = UploadRequest,
    responses((status = 201, body = UploadView), (status = 413)))]
async fn begin(
    State(app): State<App>,
    caller: Caller,
    Input(given): Input<UploadRequest>,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    if given.bytes > app.options().upload_limit {
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "upload_too_large", "The upload is too large"));
    }
    let plan = app.engine().plan(&caller.actor(), &given.plan).await?.name;
    let view = UploadView { id: app.new_id(), plan, offset: 0, bytes: given.bytes };
    app.catalog().keep_once(&kept(&app, &caller, &view), app.now()).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Tells how far an upload is.
#[utoipa::path(get, path = "/uploads/pieces/{id}", tag = "uploads",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path)),
    responses((status = 200, body = UploadView)))]
async fn how_far(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<UploadView>, Problem> {
    caller.may(Scope::Write)?;
    Ok(Json(found(&app, &caller, &id).await?))
}

/// Removes an upload.
#[utoipa::path(delete, path = "/uploads/pieces/{id}", tag = "uploads",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path)), responses((status = 204)))]
async fn give_up(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    let view = found(&app, &caller, &id).await?;
    app.catalog().forget("upload", &view.id, &caller.account.id).await?;
    remove(&place(&app, &view.id)?).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a piece, which begins where `Upload-Offset` says: exactly at what has arrived so far.
#[utoipa::path(patch, path = "/uploads/pieces/{id}", tag = "uploads",
    security(("session" = ["write"]), ("bearer" = ["write"])),
    params(("id" = String, Path), ("Upload-Offset" = u64, Header)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = UploadView), (status = 400), (status = 409), (status = 413)))]
async fn piece(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<UploadView>, Problem> {
    caller.may(Scope::Write)?;
    let mut view = found(&app, &caller, &id).await?;
    let offset = headers.get(OFFSET).and_then(|offset| offset.to_str().ok()?.parse::<u64>().ok());
    if offset != Some(view.offset) {
        let problem =
            Problem::new(StatusCode::CONFLICT, "wrong_offset", "The piece does not begin where the last one ended");
        return Err(problem.hint(format!("Upload-Offset: {}", view.offset)));
    }
    let body = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    let end = store(&place(&app, &view.id)?, view.offset, view.bytes, Box::pin(body)).await?;
    if end == view.offset {
        return Err(Problem::unreadable("empty_piece", "The piece is empty"));
    }
    view.offset = end;
    app.catalog().keep_again(&kept(&app, &caller, &view)).await?;
    Ok(Json(view))
}

/// Ends an upload whose pieces have all arrived, and previews its restore.
#[utoipa::path(post, path = "/uploads/pieces/{id}/finish", tag = "uploads",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path)),
    responses((status = 201, body = PreviewView), (status = 409)))]
async fn finish(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let view = found(&app, &caller, &id).await?;
    if view.offset != view.bytes {
        let text = format!("{} of {} bytes have arrived", view.offset, view.bytes);
        return Err(Problem::new(StatusCode::CONFLICT, "upload_open", text));
    }
    // Whoever takes it away finishes it; a second request finds nothing.
    if !app.catalog().forget("upload", &view.id, &caller.account.id).await? {
        return Err(Problem::missing("upload_missing", "Upload not found"));
    }
    judge(&app, &caller, &view.plan, place(&app, &view.id)?).await
}
