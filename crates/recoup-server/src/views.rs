//! Shapes that several routes share on the wire: words, pages of a list, an answer to long work. They change for other
//! reasons than the library's own types, so they are not those.

use recoup::model::user::{Role, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

/// How many items a page may have.
pub const MOST: u32 = 500;

/// The number of items on a page that a query asks for: 1 to 500, 100 when it does not say.
pub fn limit(asked: Option<u32>) -> Result<usize, Problem> {
    let asked = asked.unwrap_or(100);
    if !(1..=MOST).contains(&asked) {
        return Err(Problem::invalid("bad_limit", "A page has 1 to 500 items"));
    }
    Ok(asked as usize)
}
