//! Shapes that several routes share on the wire: words, pages of a list, an answer to long work. They change for other
//! reasons than the library's own types, so they are not those.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use recoup::model::user::{Role, Scope};
use recoup::model::{Format, Kind, Level, Outcome, Warning};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::door;
use crate::problem::Problem;

/// What a person may do; each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
pub enum RoleWord {
    /// Sees what is theirs.
    Viewer,
    /// Also makes plans, backs up, restores and deletes what is theirs.
    Operator,
    /// Everything.
    Admin,
}

/// What a token may do; each may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Scope)]
pub enum ScopeWord {
    /// Reads.
    Read,
    /// Also starts backups and verifications.
    Run,
    /// Also changes plans, restores and deletes.
    Write,
    /// Everything that its owner may do.
    Admin,
}

macro_rules! same_words {
    ($wire:ident, $ours:ident: $($word:ident),+) => {
        impl From<$ours> for $wire {
            fn from(value: $ours) -> Self {
                match value { $($ours::$word => $wire::$word),+ }
            }
        }
        impl From<$wire> for $ours {
            fn from(value: $wire) -> Self {
                match value { $($wire::$word => $ours::$word),+ }
            }
        }
    };
}
same_words!(RoleWord, Role: Viewer, Operator, Admin);
same_words!(ScopeWord, Scope: Read, Run, Write, Admin);

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Gives the next page as `cursor`; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of at most `limit` of one item more than that, and the cursor of the last one on it.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Page { items, next }
    }
}

/// Long work that has begun or waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accepted {
    /// Id of the run: GET /api/v1/runs/{id} tells how far it is.
    pub run: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Outcome)]
pub enum OutcomeWord {
    /// Everything was done and proven.
    Good,
    /// Done, with something to look at.
    Warnings,
    /// Not done.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// A crash ended it.
    Interrupted,
    /// Its time passed while nothing ran.
    Missed,
}
same_words!(OutcomeWord, Outcome: Good, Warnings, Failed, Cancelled, Interrupted, Missed);

/// How much is proven; each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Level)]
pub enum LevelWord {
    /// Every byte read back, every hash equal.
    Checksum,
    /// Databases opened and checked.
    Integrity,
    /// Restored to scratch and compared.
    Restore,
}
same_words!(LevelWord, Level: Checksum, Integrity, Restore);

/// Why a backup exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Kind)]
pub enum KindWord {
    /// A schedule asked for it.
    Scheduled,
    /// A person or a script asked for it.
    Manual,
    /// Made of what a restore was about to replace.
    PreRestore,
    /// Made before a migration.
    PreMigration,
    /// Brought here by upload.
    Upload,
}
same_words!(KindWord, Kind: Scheduled, Manual, PreRestore, PreMigration, Upload);

/// The shape of a backup's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Format)]
pub enum FormatWord {
    /// One ZIP with everything.
    Archive,
    /// One SQLite file.
    Database,
    /// One JSON document.
    Json,
    /// One ZIP of CSV files.
    Csv,
    /// `database` and `json` side by side.
    Both,
}
same_words!(FormatWord, Format: Archive, Database, Json, Csv, Both);

/// Something worth a look.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Note {
    /// Stable, for scripts.
    pub code: String,
    /// The sentence for people.
    pub text: String,
}

impl From<Warning> for Note {
    fn from(warning: Warning) -> Self {
        Note { code: warning.code, text: warning.text }
    }
}

/// 202 with the id of a run and where to look for it.
pub fn accepted(run: String) -> Response {
    let place = door::place(&format!("/api/v1/runs/{run}"));
    (StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(Accepted { run })).into_response()
}

/// The length of a page, 1 to 500; 100 when nobody says.
pub fn limit(asked: Option<u16>) -> Result<usize, Problem> {
    match asked.unwrap_or(100) {
        limit @ 1..=500 => Ok(limit.into()),
        _ => Err(Problem::invalid("bad_limit", "A page has 1 to 500 items")),
    }
}
