//! A key/value table of a database, read under one read transaction that begins with the backup's moment.
//!
//! Not here: which rows are secret ([`super::secret`]).

use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Value, json};

use super::document::TableOrigin;
use super::too_large;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{PathBytes, TableSettings};
use crate::progress::Context;
use crate::sqlite::schema::quote;
use crate::sqlite::{location, open};

/// How long a database is waited for.
const BUSY: Duration = Duration::from_secs(30);

/// One table.
pub(super) struct Table {
    /// `<stem of the database's file>.<table>`.
    pub label: String,
    origin: TableOrigin,
    held: Option<Connection>,
}

impl Table {
    pub fn new(wanted: &TableSettings, base: &Path) -> Result<Self> {
        let location = location::parse(&wanted.database, base)?;
        let stem = location.path.file_stem().unwrap_or_default().to_string_lossy();
        let origin = TableOrigin {
            database: PathBytes::new(&location.path),
            table: wanted.table.clone(),
            key: wanted.key.clone(),
            value: wanted.value.clone(),
        };
        Ok(Table { label: format!("{stem}.{}", wanted.table), origin, held: None })
    }

    /// The table that a document tells of.
    pub fn of(label: &str, origin: TableOrigin) -> Self {
        Table { label: label.to_owned(), origin, held: None }
    }

    /// Where it is.
    pub fn origin(&self) -> TableOrigin {
        self.origin.clone()
    }

    /// Opens the database, begins the read transaction and looks for the table and its columns.
    pub fn hold(&mut self, context: &Context) -> Result<()> {
        let path = self.origin.database.as_path();
        let connection = open::open_source(path, BUSY)?;
        open::pin(&connection, path, BUSY, context)?;
        look(&connection, &self.origin)?;
        self.held = Some(connection);
        Ok(())
    }

    /// Every key with its value as text, in which secrets are looked for, and as stored; by key. Lets go of
    /// the database.
    pub fn rows(&mut self, most: usize, context: &Context) -> Result<Vec<(String, Value, Value)>> {
        let Some(connection) = self.held.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_begun", "The settings were not begun"));
        };
        let failed = |e| open::failed(self.origin.database.as_path(), e);
        let mut statement = connection.prepare(&all_rows(&self.origin)).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut found = Vec::new();
        let mut size = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            context.check()?;
            let key = key_text(row.get_ref(0).map_err(failed)?);
            let stored = row.get_ref(1).map_err(failed)?;
            let text = stored.as_bytes_or_null().ok().flatten().map(String::from_utf8_lossy);
            let text = Value::from(text.unwrap_or_default());
            size += key.len() + text.as_str().map_or(0, str::len) + 16;
            if size > most {
                return Err(too_large(&self.label));
            }
            found.push((key, text, in_json(stored)));
        }
        Ok(found)
    }
}

/// Looks for the table and its columns: SQLite takes a quoted name that it does not know for a string
/// (<https://www.sqlite.org/quirks.html>, 8).
pub(super) fn look(connection: &Connection, origin: &TableOrigin) -> Result<()> {
    let path = origin.database.as_path();
    let columns = || -> rusqlite::Result<Vec<String>> {
        let mut statement = connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
        let names = statement.query_map([&origin.table], |row| row.get(0))?;
        names.collect()
    };
    let columns = columns().map_err(|e| open::failed(path, e))?;
    let shown = path.display();
    let missing = |code, what: String| Err(Error::new(ErrorKind::NotFound, code, format!("{what} in {shown}")));
    if columns.is_empty() {
        return missing("settings_table_missing", format!("Table not found: {}", origin.table));
    }
    for column in [&origin.key, &origin.value] {
        if !columns.iter().any(|name| name.eq_ignore_ascii_case(column)) {
            let what = format!("Column not found: {}.{column}", origin.table);
            return missing("settings_column_missing", what);
        }
    }
    Ok(())
}

/// Every key with its value, by key.
pub(super) fn all_rows(origin: &TableOrigin) -> String {
    let [key, value, table] = [&origin.key, &origin.value, &origin.table].map(|name| quote(name));
    format!("SELECT {key}, {value} FROM {table} ORDER BY 1")
}

/// A key as the document writes it.
pub(super) fn key_text(key: ValueRef<'_>) -> String {
    match in_json(key) {
        Value::String(key) => key,
        other => other.to_string(),
    }
}

/// A value in JSON. Bytes and text that is not UTF-8 become `{"base64": "…"}`; infinite numbers become text.
pub(super) fn in_json(value: ValueRef<'_>) -> Value {
    let bytes = |bytes: &[u8]| json!({ "base64": BASE64.encode(bytes) });
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) if number.is_finite() => Value::from(number),
        ValueRef::Real(number) => Value::from(number.to_string()),
        ValueRef::Text(text) => std::str::from_utf8(text).map_or_else(|_| bytes(text), Value::from),
        ValueRef::Blob(blob) => bytes(blob),
    }
}
