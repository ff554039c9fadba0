//! In which backups a name lies. A search looks into one backup after the other, the newest first, for a bounded time; it tells
//! how far it came, what it could not look into, and where to go on.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recoup::browse::find::{Hit, What};
use recoup::model::EntryKind;
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::backups::{BackupView, BackupsQuery, ProofWord, cursor, views};
use crate::App;
use crate::caller::Caller;
use crate::input::Query;
use crate::problem::Problem;
use crate::views::KindWord;

/// Routes that read backups, which may have to be fetched first.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(find))
}

/// A name is looked for in the backups that the other fields leave.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FindQuery {
    /// A piece of the name of a file, a folder, a table or a part, whether in capitals or not.
    #[param(min_length = 1)]
    name: String,
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
    /// Only those with a copy at the destination of this name.
    destination: Option<String>,
    /// Only those of which this is known.
    #[param(inline)]
    state: Option<ProofWord>,
    /// Only those with this in plan, label or id, whether in capitals or not.
    search: Option<String>,
    /// Where the search before stopped.
    cursor: Option<String>,
}

/// What has the name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MatchKind {
    Part,
    Table,
    File,
    Directory,
    Link,
}

/// One thing with the name.
#[derive(Serialize, ToSchema)]
struct MatchView {
    /// Name of the part.
    part: String,
    kind: MatchKind,
    /// Where it lies in the part; of a table its name, of a part nothing.
    path: String,
    /// Length of a file or part.
    bytes: u64,
}

impl From<Hit> for MatchView {
    fn from(hit: Hit) -> Self {
        let Hit { part, what, path, bytes } = hit;
        let kind = match what {
            What::Part => MatchKind::Part,
            What::Table => MatchKind::Table,
            What::Entry(EntryKind::File | EntryKind::Hardlink) => MatchKind::File,
            What::Entry(EntryKind::Directory) => MatchKind::Directory,
            What::Entry(EntryKind::Symlink) => MatchKind::Link,
        };
        MatchView { part, kind, path, bytes }
    }
}

/// A backup in which the name lies.
#[derive(Serialize, ToSchema)]
struct NamedBackup {
    backup: BackupView,
    /// The first few.
    matches: Vec<MatchView>,
    /// How many there are.
    total: u64,
}

/// A backup that could not be looked into.
#[derive(Serialize, ToSchema)]
struct PassedBackup {
    backup: String,
    plan: String,
    #[schema(format = DateTime, value_type = String)]
    created_at: Timestamp,
    /// Stable, for scripts.
    code: String,
    /// The sentence for people.
    text: String,
}

/// How far a search came.
#[derive(Serialize, ToSchema)]
struct NamedBackups {
    /// Newest first.
    items: Vec<NamedBackup>,
    passed: Vec<PassedBackup>,
    /// How many backups it looked into or passed.
    looked: usize,
    /// The cursor to go on with; absent when there is no backup left.
    next: Option<String>,
}

/// Finds the backups in which a file, a folder, a table or a part with a name lies, newest first. Looks into 50 backups at
/// most, and for about ten seconds; `next` goes on.
#[utoipa::path(get, path = "/files", tag = "backups", security(("session" = ["read"]), ("bearer" = ["read"])),
    params(FindQuery), responses((status = 200, body = NamedBackups)))]
async fn find(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<FindQuery>,
) -> Result<Json<NamedBackups>, Problem> {
    caller.may(Scope::Read)?;
    let FindQuery { name, plan, kind, protected, since, until, destination, state, search, cursor: from } = asked;
    let limit = None;
    let left = BackupsQuery { plan, kind, protected, since, until, destination, state, search, cursor: from, limit };
    let found = app.engine().find_files(&caller.actor(), &name, left.filter()?).await?;
    let items = found.found.into_iter().filter_map(|(copies, hits)| {
        let backup = views(copies).into_iter().next()?;
        let matches = hits.items.into_iter().map(MatchView::from).collect();
        Some(NamedBackup { backup, matches, total: hits.total })
    });
    let passed = found.passed.into_iter().map(|(row, code, text)| PassedBackup {
        backup: row.id,
        plan: row.plan,
        created_at: row.created_at,
        code: code.to_owned(),
        text,
    });
    Ok(Json(NamedBackups {
        items: items.collect(),
        passed: passed.collect(),
        looked: found.looked,
        next: found.next.map(|(at, id)| cursor(at, &id)),
    }))
}
