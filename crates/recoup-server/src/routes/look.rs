//! A look at a path before a plan names it, and a search for databases. Operators see below the roots only, as their plans do.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use recoup::engine::{Looked, Sight};
use recoup::model::user::Scope;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::caller::Caller;
use crate::input::Query;
use crate::problem::Problem;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(look)).routes(routes!(find))
}

/// A path to look at.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct LookQuery {
    /// As a plan would name it: absolute, relative to recoup.toml, or a SQLite URL.
    #[param(min_length = 1)]
    path: String,
}

/// What lies at a path.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SightWord {
    Missing,
    Unreadable,
    Database,
    Directory,
    File,
}

/// A database in a folder.
#[derive(Serialize, ToSchema)]
struct CandidateView {
    path: String,
    bytes: u64,
}

/// A path that was looked at.
#[derive(Serialize, ToSchema)]
struct LookView {
    /// Absolute.
    path: String,
    kind: SightWord,
    /// Length of a file.
    bytes: u64,
    /// Tables of a database.
    tables: Option<usize>,
    /// Why it cannot be read.
    why: Option<String>,
    /// SQLite databases that lie in a folder, at most 20.
    databases: Vec<CandidateView>,
}

impl From<Looked> for LookView {
    fn from(looked: Looked) -> Self {
        let (kind, tables, why, found) = match looked.sight {
            Sight::Missing => (SightWord::Missing, None, None, vec![]),
            Sight::Unreadable(why) => (SightWord::Unreadable, None, Some(why), vec![]),
            Sight::Database(tables) => (SightWord::Database, Some(tables), None, vec![]),
            Sight::Directory(found) => (SightWord::Directory, None, None, found),
            Sight::File => (SightWord::File, None, None, vec![]),
        };
        let candidate =
            |(path, bytes): (std::path::PathBuf, u64)| CandidateView { path: path.display().to_string(), bytes };
        LookView {
            path: looked.path.display().to_string(),
            kind,
            bytes: looked.bytes,
            tables,
            why,
            databases: found.into_iter().map(candidate).collect(),
        }
    }
}

/// Looks at a path: is it there, may it be read, what is it.
#[utoipa::path(get, path = "/look", tag = "plans", security(("session" = ["write"]), ("bearer" = ["write"])),
    params(LookQuery), responses((status = 200, body = LookView)))]
async fn look(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<LookQuery>,
) -> Result<Json<LookView>, Problem> {
    caller.may(Scope::Write)?;
    Ok(Json(app.engine().look_at(&caller.actor(), &asked.path).await?.into()))
}

/// A database that was found.
#[derive(Serialize, ToSchema)]
struct FoundDatabase {
    path: String,
    bytes: u64,
    /// When it was last written to.
    #[schema(format = DateTime, value_type = Option<String>)]
    changed: Option<Timestamp>,
}

/// Databases that were found.
#[derive(Serialize, ToSchema)]
struct FoundView {
    /// The folders below which it was looked; none where nobody said which.
    folders: Vec<String>,
    /// What was written to last comes first; at most 50.
    databases: Vec<FoundDatabase>,
    /// There may be more.
    more: bool,
}

/// Searches for SQLite databases below the folders that users may name (`roots`); where there are none, for an admin, below the
/// folder of recoup.toml.
#[utoipa::path(get, path = "/look/databases", tag = "plans", security(("session" = ["write"]), ("bearer" = ["write"])),
    responses((status = 200, body = FoundView)))]
async fn find(State(app): State<App>, caller: Caller) -> Result<Json<FoundView>, Problem> {
    caller.may(Scope::Write)?;
    let found = app.engine().find_databases(&caller.actor()).await?;
    let shown = |path: std::path::PathBuf| path.display().to_string();
    let one = |(path, bytes, changed)| FoundDatabase { path: shown(path), bytes, changed };
    Ok(Json(FoundView {
        folders: found.folders.into_iter().map(shown).collect(),
        databases: found.databases.into_iter().map(one).collect(),
        more: found.more,
    }))
}
