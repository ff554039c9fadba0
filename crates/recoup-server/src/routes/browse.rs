//! Looking into a backup: folders, one file, rows of a table. What a client names is compared with names in the backup and
//! never used as a path. Guarded as the download of the whole is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use recoup::browse::{Cell, Item};
use recoup::model::EntryKind;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::download::bytes;
use crate::App;
use crate::caller::Caller;
use crate::input::{Path, Query};
use crate::problem::Problem;

/// Rows of a table when nobody says.
const ROWS: u16 = 50;

/// Routes that read a backup, which may have to be fetched first.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(files)).routes(routes!(file)).routes(routes!(rows))
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
}

/// A folder, or what was found below it.
#[derive(Serialize, ToSchema)]
struct FilesView {
    /// Folders first, then by name; at most 1000.
    items: Vec<FileView>,
    /// There is more than is listed.
    more: bool,
}

impl From<Item> for FileView {
    fn from(item: Item) -> Self {
        let Item { name, path, kind, bytes, files, modified, target } = item;
        let kind = match kind {
            EntryKind::File | EntryKind::Hardlink => FileKind::File,
            EntryKind::Directory => FileKind::Directory,
            EntryKind::Symlink => FileKind::Link,
        };
        FileView { name, path, kind, bytes, files, modified, target }
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
    let found = app.engine().list_files(&caller.actor(), &id, (asked.part, asked.path), search).await?;
    Ok(Json(FilesView { items: found.items.into_iter().map(FileView::from).collect(), more: found.more }))
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
