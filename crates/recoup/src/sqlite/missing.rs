//! What a schema needs and plain SQLite does not have: collations, functions and virtual-table modules that only
//! the application registers.
//!
//! Not here: checking in spite of it ([`super::check`]).

use std::fmt;

use rusqlite::Connection;

use super::facts::{failed, is_refusal, quoted, text};
use crate::error::Result;

/// Something that plain SQLite lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// `collation german`, `function slug`, `module vec0`.
    pub what: String,
    /// The table that needs it.
    pub table: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (table {})", self.what, self.table)
    }
}

/// Builds the schema again in an empty database in memory: there SQLite complains about every object that needs
/// something it does not have. (In a read-only database it does not even parse CHECK constraints.) Virtual tables
/// are asked in place.
pub(crate) fn find(connection: &Connection) -> Result<Vec<Missing>> {
    let mut found: Vec<Missing> = Vec::new();
    let mut add = |what: Option<String>, table: &str| {
        if let Some(what) = what {
            let missing = Missing { what, table: table.to_owned() };
            if !found.contains(&missing) {
                found.push(missing);
            }
        }
    };
    let empty = empty_database().map_err(failed)?;
    for object in objects(connection).map_err(failed)? {
        let Object { table, sql, is_virtual } = object;
        if is_virtual {
            let probe = connection.prepare(&format!("SELECT * FROM {} LIMIT 0", quoted(&table)));
            add(probe.err().and_then(|error| what(&error)), &table);
        } else {
            let probe = empty.prepare(&sql).and_then(|mut statement| statement.raw_execute());
            add(probe.err().and_then(|error| what(&error)), &table);
        }
    }
    Ok(found)
}

struct Object {
    table: String,
    sql: String,
    is_virtual: bool,
}

/// Tables before their indexes; SQLite's own are never special.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<Object>> {
    let mut statement = connection.prepare(
        "SELECT tbl_name, sql, type = 'table' AND coalesce(rootpage, 0) = 0 FROM sqlite_schema \
         WHERE type IN ('table', 'index') AND sql LIKE 'CREATE %' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY type = 'index', rowid",
    )?;
    let column = |row: &rusqlite::Row<'_>, at: usize| -> rusqlite::Result<String> {
        Ok(String::from_utf8_lossy(row.get_ref(at)?.as_bytes().unwrap_or_default()).into_owned())
    };
    let rows = statement
        .query_map([], |row| Ok(Object { table: column(row, 0)?, sql: column(row, 1)?, is_virtual: row.get(2)? }))?;
    rows.collect()
}

/// A statement from a stranger's schema may be anything that begins with CREATE, so it gets no files, no other
/// databases and little time.
fn empty_database() -> rusqlite::Result<Connection> {
    let empty = Connection::open_in_memory()?;
    empty.set_limit(rusqlite::limits::Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    empty.execute_batch("PRAGMA trusted_schema=0; PRAGMA max_page_count=20000; PRAGMA temp_store=MEMORY")?;
    let mut calls = 0_u32;
    empty.progress_handler(
        1_000,
        Some(move || {
            calls += 1;
            calls > 100_000
        }),
    )?;
    Ok(empty)
}

/// What an error says is missing; `None` for every other error.
pub(crate) fn what(error: &rusqlite::Error) -> Option<String> {
    if !is_refusal(error) {
        return None;
    }
    let text = text(error);
    for (start, kind) in [
        ("no such collation sequence: ", "collation"),
        ("unknown function: ", "function"),
        ("no such function: ", "function"),
        ("no such module: ", "module"),
        ("unknown tokenizer: ", "tokenizer"),
        ("no such tokenizer: ", "tokenizer"),
        ("unsafe use of ", "function"),
    ] {
        if let Some(name) = text.strip_prefix(start) {
            return Some(format!("{kind} {}", name.trim_end_matches("()")));
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_schema_misses_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT COLLATE NOCASE CHECK(length(x) > 0),
                   y TEXT AS (upper(x)) STORED) STRICT;
                 CREATE UNIQUE INDEX ai ON a(lower(x)) WHERE y <> 'Z';
                 CREATE VIRTUAL TABLE s USING fts5(x, content='a', content_rowid='id');
                 CREATE VIRTUAL TABLE r USING rtree(id, a, b); CREATE TEMP TABLE t(x);
                 CREATE TABLE w(k PRIMARY KEY, v) WITHOUT ROWID; ANALYZE",
            )
            .unwrap();
        assert_eq!(find(&connection).unwrap(), []);
    }
}
