//! Databases that somebody else made, on a private copy of ours: read-only, hardened as
//! <https://www.sqlite.org/security.html> advises, bounded in time and memory, checked before anything else. Views
//! and triggers are never executed.
//!
//! Not here: databases in use by an application ([`super::open`]).

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::check::{self, Checked, Interruptible};
use super::{facts, open, place};
use crate::error::{Error, ErrorKind, Result};
use crate::model::DatabaseFacts;
use crate::progress::Context;

/// How much a database may cost us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Longest time for everything that is done with it.
    pub deadline: Option<Duration>,
    /// Longest value in bytes that is looked at; what needs a longer one is named as not checked.
    pub longest_value: Option<i32>,
    /// Refuse what our own copies may legitimately have: names that are not Unicode, and no table at all.
    pub stranger: bool,
}

impl Guard {
    /// For what somebody has brought here: ten minutes, values of 16 MiB.
    pub fn stranger() -> Self {
        Guard { deadline: Some(Duration::from_secs(600)), longest_value: Some(16 << 20), stranger: true }
    }

    /// For copies whose hash says that we made them.
    pub fn ours() -> Self {
        Guard { deadline: None, longest_value: None, stranger: false }
    }
}

/// A database that has passed SQLite's `quick_check`. Whatever is wrong with it is `Backup file is corrupted`.
pub struct Untrusted {
    connection: Connection,
    journal_mode: &'static str,
    context: Context,
    until: Option<Duration>,
}

/// SQLite instructions in one statement: `integrity_check` takes about a hundred for a table.
const INSTRUCTIONS: i32 = 1_000_000;

/// Pragmas that only tell something, or only the cache of this connection; with a value only the first.
const PRAGMAS: &[&str] = &[
    "cache_size",
    "application_id",
    "auto_vacuum",
    "data_version",
    "encoding",
    "freelist_count",
    "journal_mode",
    "page_count",
    "page_size",
    "schema_version",
    "user_version",
];
/// Pragmas whose value says what is asked about.
const QUESTIONS: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Opens a private copy that nobody changes; its first statement is `quick_check`.
pub fn open_untrusted(path: &Path, guard: &Guard, context: &Context) -> Result<Untrusted> {
    let length = std::fs::metadata(path).map_err(|e| Error::at("looking at", path, e))?.len();
    if guard.stranger && length == 0 {
        return Err(Error::corrupted("the database is empty"));
    }
    let until = guard.deadline.map(|deadline| context.clock.monotonic() + deadline);
    // Once SQLite has the file open, nothing else may open it.
    let journal_mode = if place::header_says_wal(path) == Some(true) { "wal" } else { "delete" };
    let connection = open::open_private(path).map_err(blame)?;
    if guard.stranger {
        connection.set_limit(Limit::SQLITE_LIMIT_VDBE_OP, INSTRUCTIONS).map_err(|e| open::failed(path, e))?;
    }
    if let Some(longest) = guard.longest_value {
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest).map_err(|e| open::failed(path, e))?;
    }
    let untrusted = Untrusted { connection, journal_mode, context: context.clone(), until };
    let checked = untrusted.examine("quick_check")?;
    if let Some(problem) = checked.problems.first() {
        return Err(Error::corrupted(problem.text.clone()));
    }
    // The authorizer can only be told names in UTF-8.
    match untrusted.guarded(|connection| names(connection).map_err(facts::failed))? {
        Names { unicode: true, objects } if objects > 0 || !guard.stranger => untrusted.restrict()?,
        Names { unicode: false, .. } if !guard.stranger => {}
        Names { unicode: false, .. } => return Err(Error::corrupted("its schema is not Unicode")),
        Names { .. } => return Err(Error::corrupted("the database is empty")),
    }
    Ok(untrusted)
}

impl Untrusted {
    /// The connection, for reading tables.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// SQLite's `integrity_check` and foreign keys.
    pub fn check(&self) -> Result<Checked> {
        self.examine("integrity_check")
    }

    /// What the database says about itself; the journal mode is that of its header when none is given.
    pub fn facts(&self, journal_mode: Option<&str>) -> Result<DatabaseFacts> {
        self.guarded(|connection| facts::facts(connection, journal_mode.unwrap_or(self.journal_mode)))
    }

    fn examine(&self, pragma: &str) -> Result<Checked> {
        self.blame(check::examine(&self.connection, &self.context, pragma, self.until))
    }

    /// Does something that ends with the deadline.
    fn guarded<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let _limited = Interruptible::until(&self.connection, &self.context, self.until)?;
        self.blame(work(&self.connection))
    }

    fn blame<T>(&self, result: Result<T>) -> Result<T> {
        self.context.check()?;
        if result.is_err() && self.until.is_some_and(|until| self.context.clock.monotonic() >= until) {
            return Err(Error::corrupted("looking at the database took longer than is allowed"));
        }
        result.map_err(blame)
    }

    fn restrict(&self) -> Result<()> {
        self.connection.authorizer(Some(authorize)).map_err(facts::failed)
    }
}

/// What SQLite says about a copy is the fault of the copy. What the machine says is not.
fn blame(error: Error) -> Error {
    let of_the_copy = ["sqlite", "source_corrupted", "source_encrypted", "not_a_database", "db_in_use"];
    if of_the_copy.contains(&error.code()) {
        let said = std::error::Error::source(&error).map(ToString::to_string);
        return Error::corrupted(said.unwrap_or_else(|| error.to_string())).while_("opening the database");
    }
    match error.kind() {
        ErrorKind::Corrupted => Error::corrupted(format!("{error}: {}", error.detail())),
        _ => error,
    }
}

struct Names {
    unicode: bool,
    objects: u64,
}

fn names(connection: &Connection) -> rusqlite::Result<Names> {
    let mut statement = connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema")?;
    let mut rows = statement.query([])?;
    let mut found = Names { unicode: true, objects: 0 };
    while let Some(row) = rows.next()? {
        found.objects += 1;
        for column in 0..4 {
            let bytes = row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default();
            found.unicode &= std::str::from_utf8(bytes).is_ok();
        }
    }
    Ok(found)
}

/// Reads of tables and harmless pragmas, and nothing on behalf of a view or a trigger.
fn authorize(asked: AuthContext<'_>) -> Authorization {
    let allowed = asked.accessor.is_none()
        && match asked.action {
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Transaction { .. } => true,
            AuthAction::Function { function_name } => !function_name.eq_ignore_ascii_case("load_extension"),
            AuthAction::Pragma { pragma_name, pragma_value } => {
                let name = pragma_name.to_ascii_lowercase();
                QUESTIONS.contains(&&*name)
                    || PRAGMAS.contains(&&*name) && (pragma_value.is_none() || name == "cache_size")
            }
            // R-trees prepare all their statements when they are first read. The file is read-only, so that none of
            // them can be executed.
            AuthAction::Insert { table_name }
            | AuthAction::Delete { table_name }
            | AuthAction::Update { table_name, .. } => {
                ["_node", "_rowid", "_parent"].iter().any(|end| table_name.ends_with(end))
            }
            _ => false,
        };
    if allowed { Authorization::Allow } else { Authorization::Deny }
}
