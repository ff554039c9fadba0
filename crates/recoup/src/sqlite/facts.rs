//! What a database says about itself: the facts that a manifest keeps and a restored copy must repeat.
//!
//! Not here: whether the pages are sound ([`super::check`]).

use data_encoding::HEXLOWER;
use rusqlite::{Connection, ErrorCode};
use sha2::{Digest, Sha256};
use std::path::Path;

use super::{missing, open};
use crate::error::Result;
use crate::model::{DatabaseFacts, Problem, TableFacts};

/// All facts, with a count of every table. `journal_mode` is that of the source, which a copy cannot know. A table
/// that plain SQLite cannot read has no count; `unchecked` names what it lacks.
pub fn facts(connection: &Connection, journal_mode: &str) -> Result<DatabaseFacts> {
    let mut facts = outline(connection, journal_mode)?;
    for table in tables(connection)? {
        let counted =
            connection.query_row(&format!("SELECT count(*) FROM {}", quoted(&table)), [], |row| row.get::<_, i64>(0));
        let rows = match counted {
            Ok(rows) => u64::try_from(rows).ok(),
            Err(error) if is_refusal(&error) => None,
            Err(error) => return Err(failed(error)),
        };
        facts.tables.push(TableFacts { name: table, rows });
    }
    facts.unchecked = missing::find(connection)?.iter().map(ToString::to_string).collect();
    Ok(facts)
}

/// The facts that cost nothing, for the short time in which a live database is held.
pub fn outline(connection: &Connection, journal_mode: &str) -> Result<DatabaseFacts> {
    let number =
        |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).map_err(failed);
    Ok(DatabaseFacts {
        page_size: page_size(connection)?,
        page_count: page_count(connection)?,
        encoding: connection.query_row("PRAGMA encoding", [], |row| row.get(0)).map_err(failed)?,
        journal_mode: journal_mode.to_owned(),
        auto_vacuum: number("auto_vacuum")? as u32,
        user_version: number("user_version")? as i32,
        application_id: number("application_id")? as i32,
        schema_sha256: schema_hash(connection)?,
        tables: Vec::new(),
        unchecked: Vec::new(),
        foreign_key_violations: 0,
        compacted: false,
    })
}

/// `PRAGMA page_size` in bytes.
pub fn page_size(connection: &Connection) -> Result<u32> {
    connection.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(failed)
}

/// The page size that the first bytes of a database say, where 1 stands for 65 536
/// (<https://sqlite.org/fileformat2.html#page_size>); `None` for what no database has.
pub fn page_size_in(header: &[u8]) -> Option<u32> {
    let size = match u16::from_be_bytes([*header.get(16)?, *header.get(17)?]) {
        1 => 65_536,
        size => u32::from(size),
    };
    (size.is_power_of_two() && size >= 512).then_some(size)
}

/// `PRAGMA page_count`.
pub fn page_count(connection: &Connection) -> Result<u64> {
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(failed)?;
    Ok(pages.unsigned_abs())
}

/// `PRAGMA journal_mode` of a source. A file opened as immutable always answers `delete`, whatever its header says.
pub fn journal_mode(connection: &Connection) -> Result<String> {
    connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed)
}

/// Number of objects in the schema; 0 means that the database holds nothing.
pub fn objects(connection: &Connection) -> Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)
}

/// Names of tables, virtual ones included, without SQLite's own and without the shadow tables in which
/// virtual tables keep their data.
pub fn tables(connection: &Connection) -> Result<Vec<String>> {
    let query = "SELECT name FROM pragma_table_list WHERE schema='main' AND type IN ('table','virtual')
                 AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name COLLATE BINARY";
    let read = || -> rusqlite::Result<Vec<String>> {
        connection
            .prepare(query)?
            .query_map([], |row| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned()))?
            .collect()
    };
    read().map_err(failed)
}

/// SHA-256 over type, name, table and SQL of every schema object in name order, each with its length first.
fn schema_hash(connection: &Connection) -> Result<String> {
    let query = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name COLLATE BINARY, type";
    let mut hash = Sha256::new();
    let mut read = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..4 {
                let bytes = row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default();
                hash.update((bytes.len() as u64).to_le_bytes());
                hash.update(bytes);
            }
        }
        Ok(())
    };
    read().map_err(failed)?;
    Ok(HEXLOWER.encode(&hash.finalize()))
}

/// How a database differs from what was expected of it; a page count only when both are the same kind of copy.
pub fn compare(expected: &DatabaseFacts, found: &DatabaseFacts) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut differs = |what: &str, expected: String, found: String| {
        if expected != found {
            problems.push(Problem::new("facts_differ", format!("{what} is {found}, the manifest says {expected}")));
        }
    };
    differs("page_size", expected.page_size.to_string(), found.page_size.to_string());
    differs("page_count", expected.page_count.to_string(), found.page_count.to_string());
    differs("encoding", expected.encoding.clone(), found.encoding.clone());
    differs("auto_vacuum", expected.auto_vacuum.to_string(), found.auto_vacuum.to_string());
    differs("user_version", expected.user_version.to_string(), found.user_version.to_string());
    differs("application_id", expected.application_id.to_string(), found.application_id.to_string());
    differs("the schema's SHA-256", expected.schema_sha256.clone(), found.schema_sha256.clone());
    for table in &expected.tables {
        let same = found.tables.iter().find(|other| other.name == table.name);
        let rows = |table: Option<&TableFacts>| match table {
            None => "not there".to_owned(),
            Some(table) => table.rows.map_or("not readable here".to_owned(), |rows| format!("{rows} rows")),
        };
        if table.rows.is_some() {
            differs(&format!("table {}", table.name), rows(Some(table)), rows(same));
        }
    }
    problems
}

/// SQLite declines a statement, usually because the application defines something that plain SQLite does not
/// have: not a fault of the data. Damage, interruption and input/output errors have codes of their own.
pub(super) fn is_refusal(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. } => true,
        other => matches!(other.sqlite_error_code(), Some(ErrorCode::Unknown)),
    }
}

/// An identifier for SQL text.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The message alone.
pub(super) fn text(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(text)) => text.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

pub(super) fn failed(error: rusqlite::Error) -> crate::error::Error {
    open::failed(Path::new("the database"), error)
}
