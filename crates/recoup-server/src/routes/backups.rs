//! Backups: list, read, compare, prove, protect, delete, download. A client names a backup by its id only; no path of a
//! client is ever used as a path.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use recoup::catalog::{BackupRow, Filter};
use recoup::engine::Work;
use recoup::model::user::Scope;
use recoup::model::{Kind, Manifest, PartKind};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::plans::VerifyRequest;
use crate::App;
use crate::caller::Caller;
use crate::input::{Input, Path, Query};
use crate::problem::Problem;
use crate::views::{Accepted, FormatWord, KindWord, LevelWord, Note, Page, accepted, limit};

/// Routes that answer soon.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(read, remove))
        .routes(routes!(contents))
        .routes(routes!(verify))
        .routes(routes!(protect, unprotect))
}

/// Routes that stream or compare for long.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(download)).routes(routes!(diff))
}

/// One copy of a backup.
#[derive(Serialize, ToSchema)]
struct CopyView {
    destination: String,
    bytes: i64,
    /// The highest level that was proven of this copy.
    verified: Option<LevelWord>,
    #[schema(format = DateTime, value_type = Option<String>)]
    verified_at: Option<Timestamp>,
    /// What verification found wrong with it.
    damaged: Option<String>,
}

/// A backup.
#[derive(Serialize, ToSchema)]
struct BackupView {
    id: String,
    /// Name of the plan.
    plan: String,
    kind: KindWord,
    format: FormatWord,
    label: Option<String>,
    /// The consistent moment.
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    /// Bytes of one copy.
    bytes: i64,
    /// The highest level that was proven of any copy.
    verified: Option<LevelWord>,
    /// Never removed by retention.
    protected: bool,
    copies: Vec<CopyView>,
}

/// Rows of copies, newest backup first, as backups.
fn views(rows: Vec<BackupRow>) -> Vec<BackupView> {
    let mut views: Vec<BackupView> = Vec::new();
    for row in rows {
        let verified = row.verified.map(LevelWord::from);
        let copy = CopyView {
            destination: row.destination,
            bytes: row.bytes,
            verified,
            verified_at: row.verified_at,
            damaged: row.damaged,
        };
        match views.last_mut().filter(|view| view.id == row.id) {
            Some(view) => {
                view.protected |= row.protected;
                view.verified = std::cmp::max(view.verified, copy.verified);
                view.copies.push(copy);
            }
            None => views.push(BackupView {
                id: row.id,
                plan: row.plan,
                kind: row.kind.into(),
                format: row.format.into(),
                label: row.label,
                created_at: row.created_at,
                bytes: row.bytes,
                verified,
                protected: row.protected,
                copies: vec![copy],
            }),
        }
    }
    views
}

/// A page of backups is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct BackupsQuery {
    /// Only of the plan of this name.
    plan: Option<String>,
    kind: Option<KindWord>,
    /// Only protected ones, or only others.
    protected: Option<bool>,
    /// Made at this time or later.
    #[param(format = DateTime, value_type = Option<String>)]
    since: Option<Timestamp>,
    /// Made before.
    #[param(format = DateTime, value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// At most so many; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u16>,
}

/// How many copies of one backup a page allows for.
const COPIES: i64 = 8;

/// Lists backups, newest first: one's own, an admin's list has everybody's.
#[utoipa::path(get, path = "/backups", tag = "backups", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(BackupsQuery), responses((status = 200, body = Page<BackupView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<BackupsQuery>,
) -> Result<Json<Page<BackupView>>, Problem> {
    caller.may(Scope::Read)?;
    let (limit, actor) = (limit(asked.limit)?, caller.actor());
    let mut filter = Filter {
        owner: actor.owner_filter().map(str::to_owned),
        plan: asked.plan,
        kind: asked.kind.map(Kind::from),
        protected: asked.protected,
        since: asked.since,
        until: asked.until,
        after: asked.cursor.as_deref().map(position).transpose()?,
        limit: 0,
    };
    // Rows are copies: read on until there are enough backups, whole ones.
    let mut rows: Vec<BackupRow> = Vec::new();
    loop {
        filter.limit = (limit as i64 + 2).max(COPIES);
        let more = app.catalog().backups(&filter).await?;
        let ended = (more.len() as i64) < filter.limit;
        rows.extend(more);
        if ended {
            break;
        }
        // Copies of the last one may have been cut off: it is read again with the next.
        let Some(last) = rows.last().map(|row| (row.created_at, row.id.clone())) else { break };
        let whole = rows.iter().position(|row| row.id == last.1).unwrap_or(0);
        let mut seen: Vec<&str> = rows[..whole].iter().map(|row| row.id.as_str()).collect();
        seen.dedup();
        if seen.len() > limit {
            rows.truncate(whole);
            break;
        }
        let copies = app.catalog().copies(&last.1, filter.owner.as_deref()).await?;
        rows.truncate(whole);
        rows.extend(copies);
        filter.after = Some(last);
    }
    let cursor = |view: &BackupView| format!("{}-{}", view.created_at.as_millisecond(), view.id);
    Ok(Json(Page::cut(views(rows), limit, cursor)))
}

/// A cursor as we gave it.
fn position(cursor: &str) -> Result<(Timestamp, String), Problem> {
    let parts = cursor.split_once('-').and_then(|(ms, id)| {
        let at = Timestamp::from_millisecond(ms.parse().ok()?).ok()?;
        Some((at, id.to_owned()))
    });
    parts.ok_or_else(|| Problem::invalid("bad_cursor", "The cursor is not one of ours"))
}

/// One part of a backup.
#[derive(Serialize, ToSchema)]
struct PartView {
    name: String,
    /// `database`, `directory`, `file`, `settings`, `command` or `application`.
    kind: String,
    /// Where it was read.
    origin: Option<String>,
    /// It was optional and not there.
    absent: bool,
    bytes: u64,
    sha256: String,
    /// Tables of a database with their rows.
    tables: Vec<TableView>,
    /// Files of a directory.
    files: Option<u64>,
    /// Settings that were left out because they are secret.
    left_out: Vec<String>,
}

/// A table.
#[derive(Serialize, ToSchema)]
struct TableView {
    name: String,
    rows: Option<u64>,
}

/// A backup with what is in it.
#[derive(Serialize, ToSchema)]
struct BackupDetail {
    #[serde(flatten)]
    backup: BackupView,
    parts: Vec<PartView>,
    warnings: Vec<Note>,
    /// The program that made it.
    made_by: String,
    host: Option<String>,
    duration_ms: u64,
}

fn kind_word(kind: PartKind) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn parts(manifest: &Manifest) -> Vec<PartView> {
    let part = |part: &recoup::model::Part| PartView {
        name: part.name.clone(),
        kind: kind_word(part.kind),
        origin: part.origin.as_ref().map(ToString::to_string),
        absent: part.absent,
        bytes: part.bytes,
        sha256: part.sha256.clone(),
        tables: part
            .database
            .iter()
            .flat_map(|facts| &facts.tables)
            .map(|table| TableView { name: table.name.clone(), rows: table.rows })
            .collect(),
        files: part.directory.as_ref().map(|facts| facts.files),
        left_out: part.settings.as_ref().map(|facts| facts.left_out.clone()).unwrap_or_default(),
    };
    manifest.parts.iter().map(part).collect()
}

fn missing() -> Problem {
    Problem::missing("backup_missing", "Backup not found")
}

/// Reads a backup.
#[utoipa::path(get, path = "/backups/{id}", tag = "backups", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path)), responses((status = 200, body = BackupDetail)))]
async fn read(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<BackupDetail>, Problem> {
    caller.may(Scope::Read)?;
    let (manifest, copies) = app.engine().manifest(&caller.actor(), &id).await?;
    let backup = views(copies).into_iter().next().ok_or_else(missing)?;
    Ok(Json(BackupDetail {
        backup,
        parts: parts(&manifest),
        warnings: manifest.warnings.into_iter().map(Note::from).collect(),
        made_by: manifest.made_by,
        host: manifest.host,
        duration_ms: manifest.duration_ms,
    }))
}

/// What is in a backup.
#[derive(Serialize, ToSchema)]
struct Contents {
    parts: Vec<PartView>,
}

/// Lists what is in a backup.
#[utoipa::path(get, path = "/backups/{id}/contents", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path)),
    responses((status = 200, body = Contents)))]
async fn contents(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<Json<Contents>, Problem> {
    caller.may(Scope::Read)?;
    let (manifest, _) = app.engine().manifest(&caller.actor(), &id).await?;
    Ok(Json(Contents { parts: parts(&manifest) }))
}

/// What is compared with.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DiffQuery {
    /// Id of another backup; the live data when absent.
    with: Option<String>,
}

/// Compares a backup with the live data or with another backup. *Added* is what only the right side has.
#[utoipa::path(get, path = "/backups/{id}/diff", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])), params(("id" = String, Path), DiffQuery),
    responses((status = 200, body = Object)))]
async fn diff(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<DiffQuery>,
) -> Result<Json<serde_json::Value>, Problem> {
    caller.may(Scope::Read)?;
    let report = app.engine().diff(&caller.actor(), &id, asked.with.as_deref()).await?;
    Ok(Json(serde_json::to_value(report).unwrap_or_default()))
}

/// Proves every copy of a backup.
#[utoipa::path(post, path = "/backups/{id}/verify", tag = "backups",
    security(("session" = ["run"]), ("bearer" = ["run"])), params(("id" = String, Path)),
    request_body = Option<VerifyRequest>, responses((status = 202, body = Accepted)))]
async fn verify(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    given: Option<Input<VerifyRequest>>,
) -> Result<Response, Problem> {
    caller.may(Scope::Run)?;
    let actor = caller.actor();
    let backup = app.engine().backup(&actor, &id).await?.into_iter().next().ok_or_else(missing)?;
    let level = given.and_then(|input| input.0.level).unwrap_or(LevelWord::Integrity).into();
    let work = Work::Verify { backup: Some(backup.id), level, also: Vec::new() };
    Ok(accepted(app.engine().enqueue(&actor, &backup.plan, work).await?.id))
}

/// Protects a backup from retention.
#[utoipa::path(put, path = "/backups/{id}/protection", tag = "backups",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path)), responses((status = 204)))]
async fn protect(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    app.engine().set_protected(&caller.actor(), &id, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts the protection of a backup. Needs the password of just now.
#[utoipa::path(delete, path = "/backups/{id}/protection", tag = "backups",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path)), responses((status = 204)))]
async fn unprotect(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    caller.fresh()?;
    app.engine().set_protected(&caller.actor(), &id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether also a protected one goes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RemoveQuery {
    /// Also when it is protected; needs the password of just now.
    #[serde(default)]
    force: bool,
}

/// Deletes a backup for good, everywhere.
#[utoipa::path(delete, path = "/backups/{id}", tag = "backups",
    security(("session" = ["write"]), ("bearer" = ["write"])), params(("id" = String, Path), RemoveQuery),
    responses((status = 204)))]
async fn remove(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<RemoveQuery>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    if asked.force {
        caller.fresh()?;
    }
    app.engine().delete_backup(&caller.actor(), &id, asked.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Downloads a backup as one file, whole or a range of it.
#[utoipa::path(get, path = "/backups/{id}/download", tag = "backups",
    security(("session" = ["read"]), ("bearer" = ["read"])),
    params(("id" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 206, body = Vec<u8>, content_type = "application/octet-stream"), (status = 416)))]
async fn download(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let (file, name, length) = app.engine().open_object(&caller.actor(), &id).await?;
    let mut file = tokio::fs::File::from_std(file);
    // Objects never change, so the id is as good a tag as any.
    let tag = format!("\"{id}\"");
    let current = headers.get(header::IF_RANGE).is_none_or(|given| given.as_bytes() == tag.as_bytes());
    let asked = headers.get(header::RANGE).filter(|_| current).and_then(|range| range.to_str().ok());
    let (status, start, end) = match asked.map(|range| one_range(range, length)) {
        None | Some(Range::Whole) => (StatusCode::OK, 0, length),
        Some(Range::Part(start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
        Some(Range::Nothing) => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "bad_range", "There are no such bytes");
            let mut answer = problem.into_response();
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{length}")) {
                answer.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            return Ok(answer);
        }
    };
    file.seek(std::io::SeekFrom::Start(start)).await.map_err(|error| recoup::Error::io("reading a backup", error))?;
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(end - start), 64 << 10));
    let mut answer = (status, body).into_response();
    let mut put = |name, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.headers_mut().insert(name, value);
        }
    };
    put(header::CONTENT_TYPE, "application/octet-stream".into());
    put(header::CONTENT_LENGTH, (end - start).to_string());
    put(header::CONTENT_DISPOSITION, attachment(&name));
    put(header::ACCEPT_RANGES, "bytes".into());
    put(header::ETAG, tag);
    if status == StatusCode::PARTIAL_CONTENT {
        put(header::CONTENT_RANGE, format!("bytes {start}-{}/{length}", end.saturating_sub(1)));
    }
    Ok(answer)
}

#[derive(Debug, PartialEq)]
enum Range {
    Whole,
    /// From, to; the end is not in it.
    Part(u64, u64),
    Nothing,
}

/// One range of bytes (RFC 9110, 14.1.2). Several at once, and what cannot be read, give the whole.
fn one_range(text: &str, length: u64) -> Range {
    let Some(range) = text.strip_prefix("bytes=").filter(|range| !range.contains(',')) else { return Range::Whole };
    let Some((first, last)) = range.split_once('-') else { return Range::Whole };
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
    match (first, last) {
        ("", last) => match number(last) {
            Some(0) => Range::Nothing,
            Some(last) if length > 0 => Range::Part(length.saturating_sub(last), length),
            Some(_) => Range::Nothing,
            None => Range::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), _) if first >= length => Range::Nothing,
            (Some(first), None) if last.is_empty() => Range::Part(first, length),
            (Some(first), Some(last)) if first <= last => Range::Part(first, last.saturating_add(1).min(length)),
            _ => Range::Whole,
        },
    }
}

/// `attachment` with a name in both spellings (RFC 6266).
fn attachment(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"._-".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_bytes_that_were_asked_for() {
        assert_eq!(one_range("bytes=0-0", 10), Range::Part(0, 1));
        assert_eq!(one_range("bytes=5-", 10), Range::Part(5, 10));
        assert_eq!(one_range("bytes=5-500", 10), Range::Part(5, 10));
        assert_eq!(one_range("bytes=-3", 10), Range::Part(7, 10));
        assert_eq!(one_range("bytes=-30", 10), Range::Part(0, 10));
        for nothing in ["bytes=10-", "bytes=-0", "bytes=99-100"] {
            assert_eq!(one_range(nothing, 10), Range::Nothing, "{nothing}");
        }
        assert_eq!(one_range("bytes=-3", 0), Range::Nothing);
        for whole in ["bytes=3-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=+1-2", "bytes=1-x"] {
            assert_eq!(one_range(whole, 10), Range::Whole, "{whole}");
        }
    }

    #[test]
    fn a_file_name_cannot_leave_its_quotes() {
        let shown = attachment("a\"; x=\r\n\u{e4}.zip");
        assert_eq!(
            shown,
            "attachment; filename=\"a___x=___.zip\"; filename*=UTF-8''a%22%3B%20x%3D%0D%0A%C3%A4.zip"
                .replace("x=_", "x__")
        );
    }
}
