//! Whether compaction can break a database: VACUUM may renumber the rows of a table without an INTEGER PRIMARY
//! KEY (<https://sqlite.org/lang_vacuum.html>), and a full-text index over such a table points at row numbers.

use rusqlite::Connection;

use super::facts::failed;
use crate::error::Result;

/// The full-text index that compaction could detach from its table, if there is one.
pub(crate) fn bound_index(connection: &Connection) -> Result<Option<String>> {
    let find = || -> rusqlite::Result<Option<String>> {
        let mut statement = connection.prepare(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE %fts%'",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            if let Some(content) = content_table(&sql)
                && !has_integer_key(connection, &content)?
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    };
    find().map_err(failed)
}

fn has_integer_key(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) = 1 AND max(upper(type)) = 'INTEGER' FROM pragma_table_info(?1) WHERE pk > 0";
    connection.query_row(sql, [table], |row| Ok(row.get::<_, Option<bool>>(0)?.unwrap_or(false)))
}

/// The value of the option `content=…`; `None` when it is absent or empty (a contentless index).
pub(crate) fn content_table(sql: &str) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower.get(from..).and_then(|rest| rest.find("content")) {
        let at = from + found;
        from = at + "content".len();
        let starts_word = lower[..at].ends_with(|c: char| c == ',' || c == '(' || c.is_whitespace());
        let Some(value) = sql[from..].trim_start().strip_prefix('=') else { continue };
        if !starts_word {
            continue;
        }
        let value = value.trim_start();
        let name = match value.chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => value[1..].split(quote).next(),
            Some('[') => value[1..].split(']').next(),
            _ => value.split([',', ')']).next().map(str::trim),
        };
        return name.filter(|name| !name.is_empty()).map(str::to_owned);
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_an_index_over_a_table_without_an_integer_key_is_bound_to_row_numbers() {
        for (sql, bound) in [
            ("CREATE TABLE d(x); CREATE VIRTUAL TABLE s USING fts5(x, content='d')", true),
            ("CREATE TABLE d(x); CREATE VIRTUAL TABLE s USING fts4(content=\"d\", x)", true),
            ("CREATE TABLE d(k TEXT PRIMARY KEY, x); CREATE VIRTUAL TABLE s USING fts5(x, content = d)", true),
            ("CREATE TABLE d(id INTEGER PRIMARY KEY, x); CREATE VIRTUAL TABLE s USING fts5(x, content=d)", false),
            ("CREATE VIRTUAL TABLE s USING fts5(x, content='')", false),
            ("CREATE VIRTUAL TABLE s USING fts5(x, content)", false),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            assert_eq!(bound_index(&connection).unwrap().is_some(), bound, "{sql}");
        }
    }
}
