//! Backups: list, read, compare, prove, protect, delete. A client names a backup by its id only; no path of a client is
//! ever used as a path. Not here: [`super::download`].

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use recoup::catalog::{BackupRow, Filter, Proof};
use recoup::engine::Work;
use recoup::model::user::Scope;
use recoup::model::{Kind, Manifest, PartKind};
use serde::{Deserialize, Serialize};
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
        .routes(routes!(copy))
        .routes(routes!(protect, unprotect))
}

/// Routes that compare for long.
pub fn streams() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(diff))
}

/// One copy of a backup.
#[derive(Serialize, ToSchema)]
pub struct CopyView {
    destination: String,
    bytes: i64,
    /// The highest level that was proven of this copy.
    verified: Option<LevelWord>,
    #[schema(format = DateTime, value_type = Option<String>)]
    verified_at: Option<Timestamp>,
    /// What verification found wrong with it.
    damaged: Option<String>,
    /// The key of the file, when another program made it: it is only read.
    foreign: Option<String>,
}

/// A backup.
#[derive(Serialize, ToSchema)]
pub struct BackupView {
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
pub fn views(rows: Vec<BackupRow>) -> Vec<BackupView> {
    let mut views: Vec<BackupView> = Vec::new();
    for row in rows {
        let verified = row.verified.map(LevelWord::from);
        let copy = CopyView {
            destination: row.destination,
            bytes: row.bytes,
            verified,
            verified_at: row.verified_at,
            damaged: row.damaged,
            foreign: row.foreign,
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
pub(super) struct BackupsQuery {
    /// Only of the plan of this name.
    pub plan: Option<String>,
    pub kind: Option<KindWord>,
    /// Only protected ones, or only others.
    pub protected: Option<bool>,
    /// Made at this time or later.
    #[param(format = DateTime, value_type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Made before.
    #[param(format = DateTime, value_type = Option<String>)]
    pub until: Option<Timestamp>,
    /// Only those with a copy at the destination of this name.
    pub destination: Option<String>,
    /// Only those of which this is known.
    #[param(inline)]
    pub state: Option<ProofWord>,
    /// Only those with this in plan, label or id, whether in capitals or not.
    pub search: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// At most so many; 100 when absent.
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u16>,
}

impl BackupsQuery {
    pub fn filter(self) -> Result<Filter, Problem> {
        Ok(Filter {
            owner: None,
            plan: self.plan,
            kind: self.kind.map(Kind::from),
            protected: self.protected,
            since: self.since,
            until: self.until,
            destination: self.destination,
            proof: self.state.map(Proof::from),
            search: self.search.filter(|words| !words.is_empty()),
            after: self.cursor.as_deref().map(position).transpose()?,
            limit: 0,
        })
    }
}

/// What is known of a backup from its copies.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProofWord {
    /// A copy was found damaged.
    Damaged,
    /// No copy was verified.
    Unverified,
    /// A copy was verified, at any level.
    Verified,
    /// A copy was restored to scratch.
    Restored,
}

impl From<ProofWord> for Proof {
    fn from(word: ProofWord) -> Self {
        match word {
            ProofWord::Damaged => Proof::Damaged,
            ProofWord::Unverified => Proof::Unverified,
            ProofWord::Verified => Proof::Verified,
            ProofWord::Restored => Proof::Restored,
        }
    }
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
    let mut filter = Filter { owner: actor.owner_filter().map(str::to_owned), ..asked.filter()? };
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
    Ok(Json(Page::cut(views(rows), limit, |view: &BackupView| cursor(view.created_at, &view.id))))
}

/// Where a page ends that ends with this backup.
pub(super) fn cursor(at: Timestamp, id: &str) -> String {
    format!("{}-{id}", at.as_millisecond())
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

/// Where a backup is to be copied to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CopyRequest {
    /// Name of a destination of recoup.toml or of the plan.
    destination: String,
}

/// Copies a backup to one more destination, whatever retention would keep there.
#[utoipa::path(post, path = "/backups/{id}/copy", tag = "backups",
    security(("session" = ["run"]), ("bearer" = ["run"])), params(("id" = String, Path)),
    request_body = CopyRequest, responses((status = 202, body = Accepted)))]
async fn copy(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Input(given): Input<CopyRequest>,
) -> Result<Response, Problem> {
    caller.may(Scope::Run)?;
    Ok(accepted(app.engine().copy(&caller.actor(), &id, &given.destination).await?.id))
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
    /// At once, without a day in the trash.
    #[serde(default)]
    at_once: bool,
}

/// Deletes a backup everywhere. In a folder it waits in the trash for a day, elsewhere it is gone. The last good one of a plan
/// only with force.
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
    app.engine().delete_backup(&caller.actor(), &id, asked.force, asked.at_once).await?;
    Ok(StatusCode::NO_CONTENT)
}
