//! Destinations and channels as documents: those of recoup.toml, which are read-only here, and those that admins add,
//! change, try and remove. No answer holds a secret: what is one shows as `(set)`, and a change leaves out what stays.
//!
//! Not here: the names alone and what lies at a destination ([`super::places`]).

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use recoup::engine::{Connection, Declared, DeclaredKind};
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::places::{StepView, TestView};
use crate::App;
use crate::caller::Caller;
use crate::conditional::{IfMatch, etag};
use crate::input::{Input, Path};
use crate::problem::Problem;

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(destination, add_destination, change_destination, remove_destination))
        .routes(routes!(channels))
        .routes(routes!(channel, add_channel, change_channel, remove_channel))
}

/// Routes that reach others.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(try_destination))
        .routes(routes!(try_channel))
        .routes(routes!(connection, connect, disconnect))
}

/// A destination or channel.
#[derive(Serialize, ToSchema)]
pub struct DeclaredView {
    pub name: String,
    /// Where it is declared.
    pub origin: DeclaredOrigin,
    /// The ETag without its quotes, of one that was added here.
    pub version: Option<i64>,
    /// Its keys as in recoup.toml (dots where tables are nested) and what may be shown of each; empty for who is no admin.
    #[schema(value_type = Object)]
    pub document: Value,
    /// Names of the plans that name it.
    pub used_by: Vec<String>,
}

/// Where something is declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredOrigin {
    /// recoup.toml; read-only here.
    File,
    /// Added here.
    Catalog,
}

impl From<Declared> for DeclaredView {
    fn from(declared: Declared) -> Self {
        let origin = if declared.version.is_some() { DeclaredOrigin::Catalog } else { DeclaredOrigin::File };
        DeclaredView {
            name: declared.name,
            origin,
            version: declared.version,
            document: declared.document,
            used_by: declared.used_by,
        }
    }
}

/// The ways to tell people.
#[derive(Serialize, ToSchema)]
struct Channels {
    items: Vec<DeclaredView>,
}

/// The keys of a document that are to be tried; `{}` tries it as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TryRequest {
    /// As in recoup.toml. Of one that was added already, only what is to change.
    #[serde(default)]
    #[schema(value_type = Object)]
    document: Map<String, Value>,
}

async fn one(
    app: &App,
    caller: &Caller,
    kind: DeclaredKind,
    name: &str,
    status: StatusCode,
) -> Result<Response, Problem> {
    let all = app.engine().declared(&caller.actor(), kind).await?;
    let found = all.into_iter().find(|known| known.name == name).ok_or_else(|| {
        let (code, title) = match kind {
            DeclaredKind::Destination => ("destination_missing", "Destination not found"),
            DeclaredKind::Channel => ("channel_missing", "Channel not found"),
        };
        Problem::missing(code, title)
    })?;
    let view = DeclaredView::from(found);
    Ok(match view.version {
        Some(version) => (status, etag(version), Json(view)).into_response(),
        None => (status, Json(view)).into_response(),
    })
}

macro_rules! documents {
    ($kind:ident, $path:literal, $tag:literal: $read:ident $reads:literal, $add:ident $adds:literal, $change:ident $changes:literal, $remove:ident $removes:literal) => {
        #[utoipa::path(get, summary = $reads, path = $path, tag = $tag, security(("session" = ["read"]), ("bearer" = ["read"])),
            params(("name" = String, Path)),
            responses((status = 200, body = DeclaredView, headers(("etag" = Option<String>)))))]
        async fn $read(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<Response, Problem> {
            caller.may(Scope::Read)?;
            one(&app, &caller, DeclaredKind::$kind, &name, StatusCode::OK).await
        }

        #[utoipa::path(post, summary = $adds, path = $path, tag = $tag, security(("session" = ["admin"]), ("bearer" = ["admin"])),
            params(("name" = String, Path)), request_body = Object,
            responses((status = 201, body = DeclaredView, headers(("etag" = String))), (status = 409)))]
        async fn $add(
            State(app): State<App>,
            caller: Caller,
            Path(name): Path<String>,
            Input(document): Input<Map<String, Value>>,
        ) -> Result<Response, Problem> {
            caller.may(Scope::Admin)?;
            let document = Value::Object(document);
            app.engine().declare_one(&caller.actor(), DeclaredKind::$kind, &name, &document).await?;
            one(&app, &caller, DeclaredKind::$kind, &name, StatusCode::CREATED).await
        }

        #[utoipa::path(patch, summary = $changes, path = $path, tag = $tag, security(("session" = ["admin"]), ("bearer" = ["admin"])),
            params(("name" = String, Path), ("if-match" = Option<String>, Header, description = "The ETag of what was read")),
            request_body = Object,
            responses((status = 200, body = DeclaredView, headers(("etag" = String))), (status = 409), (status = 412)))]
        async fn $change(
            State(app): State<App>,
            caller: Caller,
            Path(name): Path<String>,
            IfMatch(version): IfMatch,
            Input(change): Input<Map<String, Value>>,
        ) -> Result<Response, Problem> {
            caller.may(Scope::Admin)?;
            let (who, kind) = (caller.actor(), DeclaredKind::$kind);
            app.engine().redeclare(&who, kind, &name, Value::Object(change), version).await?;
            one(&app, &caller, kind, &name, StatusCode::OK).await
        }

        #[utoipa::path(delete, summary = $removes, path = $path, tag = $tag, security(("session" = ["admin"]), ("bearer" = ["admin"])),
            params(("name" = String, Path)), responses((status = 204), (status = 409)))]
        async fn $remove(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Problem> {
            caller.may(Scope::Admin)?;
            caller.fresh()?;
            app.engine().undeclare(&caller.actor(), DeclaredKind::$kind, &name).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    };
}
documents!(Destination, "/destinations/{name}", "destinations":
    destination "Reads how a destination is declared.",
    add_destination "Adds a destination: the keys of its table in recoup.toml. For admins.",
    change_destination "Merges a change into a destination that was added here (RFC 7386); what is absent stays. For admins.",
    remove_destination "Removes a destination that was added here and that no plan names; what lies there stays. For admins.");
documents!(Channel, "/channels/{name}", "channels":
    channel "Reads how a channel is declared.",
    add_channel "Adds a channel: the keys of its table in recoup.toml. For admins.",
    change_channel "Merges a change into a channel that was added here (RFC 7386); what is absent stays. For admins.",
    remove_channel "Removes a channel that was added here and that no plan names. For admins.");

/// Lists the ways to tell people.
#[utoipa::path(get, path = "/channels", tag = "channels", security(("session" = ["read"]), ("bearer" = ["read"])),
    responses((status = 200, body = Channels)))]
async fn channels(State(app): State<App>, caller: Caller) -> Result<Json<Channels>, Problem> {
    caller.may(Scope::Read)?;
    let all = app.engine().declared(&caller.actor(), DeclaredKind::Channel).await?;
    Ok(Json(Channels { items: all.into_iter().map(DeclaredView::from).collect() }))
}

/// Writes, lists, reads and deletes a small object at a destination as it would be with these keys, before they are kept.
/// For admins.
#[utoipa::path(post, path = "/destinations/{name}/try", tag = "destinations",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), params(("name" = String, Path)),
    request_body = TryRequest, responses((status = 200, body = TestView)))]
async fn try_destination(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Input(given): Input<TryRequest>,
) -> Result<Json<TestView>, Problem> {
    caller.may(Scope::Admin)?;
    let steps = app.engine().try_destination(&caller.actor(), &name, Value::Object(given.document)).await?;
    Ok(Json(TestView { ok: steps.iter().all(|step| step.ok), steps: steps.into_iter().map(StepView::from).collect() }))
}

/// How telling somebody went.
#[derive(Serialize, ToSchema)]
struct TriedView {
    ok: bool,
    /// Why not.
    text: Option<String>,
    hint: Option<String>,
}

/// Sends a test message through a channel, as it is or as it would be with these keys. For admins.
#[utoipa::path(post, path = "/channels/{name}/try", tag = "channels",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), params(("name" = String, Path)),
    request_body = TryRequest, responses((status = 200, body = TriedView)))]
async fn try_channel(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
    Input(given): Input<TryRequest>,
) -> Result<Json<TriedView>, Problem> {
    caller.may(Scope::Admin)?;
    let tried = app.engine().try_channel(&caller.actor(), &name, Value::Object(given.document)).await;
    Ok(Json(match tried {
        Ok(()) => TriedView { ok: true, text: None, hint: None },
        Err(error) if error.kind() == recoup::ErrorKind::Usage || error.code() == "channel_missing" => {
            return Err(error.into());
        }
        Err(error) => {
            TriedView { ok: false, text: Some(error.to_string()), hint: error.hint_text().map(str::to_owned) }
        }
    }))
}

/// How a destination in Google Drive stands.
#[derive(Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
enum ConnectionView {
    /// Nobody has signed in.
    SignedOut {
        /// Why the last try came to nothing.
        error: Option<String>,
    },
    /// A person is to open the page in any browser and type the code.
    Waiting { url: String, code: String },
    /// Backups can be stored there.
    SignedIn {
        /// Whose account it is.
        account: Option<String>,
        /// Bytes that are free.
        free: Option<u64>,
    },
}

impl From<Connection> for ConnectionView {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::SignedOut(error) => ConnectionView::SignedOut { error },
            Connection::Waiting { url, code } => ConnectionView::Waiting { url, code },
            Connection::SignedIn { account, free } => ConnectionView::SignedIn { account, free },
        }
    }
}

/// Tells how a destination in Google Drive stands; asked again every few seconds while somebody signs in.
#[utoipa::path(get, path = "/destinations/{name}/sign-in", tag = "destinations",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("name" = String, Path)),
    responses((status = 200, body = ConnectionView)))]
async fn connection(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ConnectionView>, Problem> {
    caller.may(Scope::Write)?;
    Ok(Json(app.engine().connection(&caller.actor(), &name).await?.into()))
}

/// Begins a sign-in to Google Drive: gives a page and a code to type there, good for ten minutes. For admins.
#[utoipa::path(post, path = "/destinations/{name}/sign-in", tag = "destinations",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), params(("name" = String, Path)),
    responses((status = 200, body = ConnectionView)))]
async fn connect(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<ConnectionView>, Problem> {
    caller.may(Scope::Admin)?;
    Ok(Json(app.engine().connect_drive(&caller.actor(), &name).await?.into()))
}

/// Signs out of Google Drive, or stops a sign-in that waits. Backups there stay. For admins.
#[utoipa::path(delete, path = "/destinations/{name}/sign-in", tag = "destinations",
    security(("session" = ["admin"]), ("bearer" = ["admin"])), params(("name" = String, Path)),
    responses((status = 204)))]
async fn disconnect(State(app): State<App>, caller: Caller, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Admin)?;
    app.engine().disconnect_drive(&caller.actor(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
