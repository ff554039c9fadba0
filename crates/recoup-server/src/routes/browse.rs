//! Looking into a backup: folders, one file or several, rows of a table. What a client names is compared with names in the backup and
//! never used as a path. Guarded as the download of the whole is.

use std::io::{self, Write};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use recoup::browse::bundle::Bundle;
use recoup::browse::since::Since;
use recoup::browse::{Cell, Item};
use recoup::engine::Before;
use recoup::model::EntryKind;
use recoup::model::user::Scope;
use recoup::progress::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::{attached, bytes};
use crate::App;
use crate::caller::Caller;
use crate::input::{Path, Query};
use crate::problem::Problem;

/// Rows of a table when nobody says.
const ROWS: u16 = 50;

/// Files and folders that are chosen at once, at most.
const CHOSEN: usize = 1000;
/// Pieces of a ZIP that wait for a client.
const WAITING: usize = 4;

/// Routes that read a backup, which may have to be fetched first.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(files)).routes(routes!(file)).routes(routes!(selection)).routes(routes!(rows))
}

/// A folder in a backup.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FilesQuery {
    /// Name of the part.
    part: String,
    /// The folder, as it was listed; the root of the part when absent.
    #[serde(default)]
    path: String,
    /// Everything below the folder with this in its name, instead of the folder.
    #[param(min_length = 1)]
    search: Option<String>,
    /// Of a folder: also what is new, changed and gone since the good backup before.
    #[serde(default)]
    since_previous: bool,
}

/// What has become of a thing since the backup before.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SinceWord {
    New,
    /// It holds something else; a folder, that anything below it does.
    Changed,
    /// It is in the backup before and not in this one.
    Gone,
}

/// The backup that a folder was compared with.
#[derive(Serialize, ToSchema)]
struct BeforeView {
    backup: String,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    /// Why they could not be compared.
    not_compared: Option<String>,
}

impl From<Before> for BeforeView {
    fn from(before: Before) -> Self {
        BeforeView { backup: before.id, created_at: before.created_at, not_compared: before.not }
    }
}

/// What a thing in a tree is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FileKind {
    File,
    Directory,
    /// A symbolic link, which is never followed.
    Link,
}

/// One thing in a tree.
#[derive(Serialize, ToSchema)]
struct FileView {
    name: String,
    /// Where it lies in the part: what `path` takes.
    path: String,
    kind: FileKind,
    /// Of a folder: of all files below it.
    bytes: u64,
    /// Files below it, of a folder.
    files: u64,
    #[schema(format = DateTime, value_type = Option<String>)]
    modified: Option<Timestamp>,
    /// Where a link points.
    target: Option<String>,
    /// Where that was asked and it differs.
    since: Option<SinceWord>,
}

/// A folder, or what was found below it.
#[derive(Serialize, ToSchema)]
struct FilesView {
    /// Folders first, then by name; at most 1000.
    items: Vec<FileView>,
    /// There is more than is listed.
    more: bool,
    /// Where that was asked and there is a good backup before.
    since_previous: Option<BeforeView>,
}

impl From<Item> for FileView {
    fn from(item: Item) -> Self {
        let Item { name, path, kind, bytes, files, modified, target, since, .. } = item;
        let kind = match kind {
            EntryKind::File | EntryKind::Hardlink => FileKind::File,
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink => FileKind::Link,
        };
        let since = since.map(|since| match since {
            Since::New => SinceWord::New,
            Since::Changed => SinceWord::Changed,
            Since::Gone => SinceWord::Gone,
        });
        FileView { name, path, kind, bytes, files, modified, target, since }
    }
}

/// Lists a folder in a backup, or searches below it by name.
#[utoipa::path(get, path = "/backups/{id}/files", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path), FilesQuery),
    responses((status = 200, body = FilesView)))]
async fn files(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<FilesQuery>,
) -> Result<Json<FilesView>, Problem> {
    caller.may(Scope::Read)?;
    let search = asked.search.filter(|words| !words.is_empty());
    let (engine, actor, at) = (app.engine(), caller.actor(), (asked.part, asked.path));
    let (found, before) = match search {
        None if asked.since_previous => engine.list_since(&actor, &id, at).await?,
        search => (engine.list_files(&actor, &id, at, search).await?, None),
    };
    let items = found.items.into_iter().map(FileView::from).collect();
    Ok(Json(FilesView { items, more: found.more, since_previous: before.map(BeforeView::from) }))
}

/// A file in a backup.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    /// Name of the part.
    part: String,
    /// The file, as it was listed; absent when the part is one file.
    #[serde(default)]
    path: String,
}

/// Downloads one file of a backup.
#[utoipa::path(get, path = "/backups/{id}/file", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path), FileQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream")))]
async fn file(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<FileQuery>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let taken = app.engine().open_file(&caller.actor(), &id, (asked.part, asked.path)).await?;
    Ok(bytes(StatusCode::OK, tokio::fs::File::from_std(taken.file), taken.bytes, &taken.name))
}

/// Files and folders in a backup.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
struct SelectionQuery {
    /// Name of the part.
    part: String,
    /// A file or a folder as it was listed, again for each; the empty one is the whole part.
    #[param(min_items = 1, max_items = 1000)]
    path: Vec<String>,
}

impl SelectionQuery {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let bad = |why: &str| Problem::invalid("bad_query", "The query does not fit").detail(why);
        let (mut part, mut path) = (None, Vec::new());
        for (key, value) in pairs {
            match key.as_str() {
                "part" if part.is_none() => part = Some(value),
                "path" => path.push(value),
                _ => return Err(bad(&format!("unexpected field `{key}`"))),
            }
        }
        let part = part.ok_or_else(|| bad("missing field `part`"))?;
        if path.is_empty() || path.len() > CHOSEN {
            return Err(bad(&format!("between 1 and {CHOSEN} fields `path`")));
        }
        Ok(SelectionQuery { part, path })
    }
}

/// Downloads files and folders of a backup as one ZIP. Symbolic links are left out.
#[utoipa::path(get, path = "/backups/{id}/selection", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path), SelectionQuery),
    responses((status = 200, body = Vec<u8>, content_type = "application/zip")))]
async fn selection(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let SelectionQuery { part, path } = SelectionQuery::read(pairs)?;
    let bundle = app.engine().open_bundle(&caller.actor(), &id, &part, path).await?;
    let (length, name) = (bundle.bytes, bundle.name.clone());
    let (to, from) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || send(bundle, to));
    Ok(attached(StatusCode::OK, Body::from_stream(ReceiverStream::new(from)), length, "application/zip", &name))
}

/// A client at the other end: what it does not take yet waits, and when it is gone, so is the work.
struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::ErrorKind::BrokenPipe.into();
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(gone).map(|()| bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn send(bundle: Bundle, to: mpsc::Sender<io::Result<Bytes>>) {
    let mut out = io::BufWriter::with_capacity(64 << 10, Pipe(to.clone()));
    if let Err(error) = bundle.write(&mut out, &Context::quiet()) {
        // The length was told already: the connection ends before it, which no client takes for the whole.
        tracing::warn!("A download broke off: {error}");
        let _ = to.blocking_send(Err(io::Error::other("broken off")));
    }
}

/// Rows of a table in a backup.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RowsQuery {
    /// Name of the part.
    part: String,
    /// So many at most; 50 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// What a cell holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CellKind {
    Null,
    Number,
    Text,
    Blob,
    /// It looks like a secret.
    Hidden,
}

/// A cell.
#[derive(Serialize, ToSchema)]
struct CellView {
    kind: CellKind,
    /// A number, or the first 300 characters of a text.
    text: Option<String>,
    /// Length of a blob.
    bytes: Option<i64>,
}

/// The first rows of a table.
#[derive(Serialize, ToSchema)]
struct RowsView {
    columns: Vec<String>,
    rows: Vec<Vec<CellView>>,
    /// There are more rows.
    more: bool,
}

impl From<Cell> for CellView {
    fn from(cell: Cell) -> Self {
        let of = |kind, text, bytes| CellView { kind, text, bytes };
        match cell {
            Cell::Null => of(CellKind::Null, None, None),
            Cell::Number(text) => of(CellKind::Number, Some(text), None),
            Cell::Text(text) => of(CellKind::Text, Some(text), None),
            Cell::Blob(bytes) => of(CellKind::Blob, None, Some(bytes)),
            Cell::Hidden => of(CellKind::Hidden, None, None),
        }
    }
}

/// Reads the first rows of a table in a backup. What looks like a secret is hidden.
#[utoipa::path(get, path = "/backups/{id}/tables/{table}", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path), ("table" = String, Path), RowsQuery), responses((status = 200, body = RowsView)))]
async fn rows(
    State(app): State<App>,
    caller: Caller,
    Path((id, table)): Path<(String, String)>,
    Query(asked): Query<RowsQuery>,
) -> Result<Json<RowsView>, Problem> {
    caller.may(Scope::Read)?;
    let limit = crate::views::limit(Some(asked.limit.unwrap_or(ROWS)))?;
    let found = app.engine().table_rows(&caller.actor(), &id, &asked.part, &table, limit).await?;
    let rows = found.rows.into_iter().map(|row| row.into_iter().map(CellView::from).collect()).collect();
    Ok(Json(RowsView { columns: found.columns, rows, more: found.more }))
}
