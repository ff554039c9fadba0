//! A copy of the whole catalog as a file of JSON lines, and a catalog from such a file: what stands for a copy of the file
//! where the catalog is on a server. One line says the version, then one line for each row.
//!
//! Not here: copies of a SQLite catalog; those are backups as of any other database.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use futures_util::TryStreamExt;
use serde_json::{Map, Value, json};
use sqlx::any::{AnyRow, AnyTypeInfoKind};
use sqlx::{AssertSqlSafe, Column, Row, ValueRef};

use super::Catalog;
use super::failure::failed;
use crate::error::{Error, ErrorKind, Result};

/// Every table and the schema version that brought it, those that others refer to first.
const TABLES: [(&str, i64); 12] = [
    ("account", 1),
    ("login", 1),
    ("token", 1),
    ("plan", 1),
    ("run", 1),
    ("backup", 1),
    ("audit", 1),
    ("outbox", 1),
    ("kept", 1),
    ("setting", 1),
    ("added", 3),
    ("stored", 3),
];
const DOING: &str = "copying the catalog";

impl Catalog {
    /// Writes every row, as of one moment, to a new file for its owner only, and waits until it is on the disk. Gives the
    /// number of rows. Errors: `path_exists`-like ones of the file, those of the catalog.
    pub async fn write_copy(&self, path: &Path) -> Result<u64> {
        let version = self.version().await?;
        let at = |error| Error::at("writing the copy of the catalog", path, error);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(at)?;
        let mut out = BufWriter::new(file);
        let mut line = |value: &Value| writeln!(out, "{value}").map_err(at);
        line(&json!({ "recoup_catalog": version }))?;
        let mut rows = 0;
        let mut moment = self.pool.begin().await.map_err(|error| failed(DOING, error))?;
        if self.is_postgres() {
            // SQLite's transactions see one moment anyway.
            let one = sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
            one.execute(&mut *moment).await.map_err(|error| failed(DOING, error))?;
        }
        for (table, _) in TABLES.into_iter().filter(|(_, since)| *since <= version) {
            let sql = AssertSqlSafe(format!("SELECT * FROM {table}"));
            let mut found = sqlx::query(sql).fetch(&mut *moment);
            while let Some(row) = found.try_next().await.map_err(|error| failed(DOING, error))? {
                line(&json!({ "table": table, "row": values(&row).map_err(|error| failed(DOING, error))? }))?;
                rows += 1;
            }
        }
        line(&json!({ "rows": rows }))?;
        let file = out.into_inner().map_err(|error| at(error.into_error()))?;
        file.sync_all().map_err(at)?;
        Ok(rows)
    }

    /// Fills this catalog, which must have nothing in it, from a copy, and brings it up to date. All of it or nothing.
    /// Errors: `catalog_not_empty`, `bad_copy` when the file is not whole or not one, `catalog_newer`.
    pub async fn read_copy(&self, path: &Path) -> Result<u64> {
        let opened = File::open(path).map_err(|error| Error::at("opening the copy of the catalog", path, error))?;
        let mut lines = BufReader::new(opened).lines();
        let mut next = || -> Result<Option<Value>> {
            let Some(line) = lines.next() else { return Ok(None) };
            let line = line.map_err(|error| Error::at("reading the copy of the catalog", path, error))?;
            serde_json::from_str(&line).map(Some).map_err(|_| bad())
        };
        let version = next()?.and_then(|first| first.get("recoup_catalog")?.as_i64()).ok_or_else(bad)?;
        if version > Self::newest() {
            return Err(Error::new(ErrorKind::Unsupported, "catalog_newer", "The catalog was made by a newer version"));
        }
        if self.version().await? != 0 {
            let text = "The catalog has something in it";
            return Err(
                Error::new(ErrorKind::WouldOverwrite, "catalog_not_empty", text).hint("name a database that is empty")
            );
        }
        self.migrate().await?;
        self.migrate_down(version).await?;
        let filled = self.fill(&mut next).await;
        if filled.is_err() {
            self.migrate_down(0).await?;
            return filled;
        }
        self.migrate().await?;
        filled
    }

    async fn fill(&self, next: &mut (dyn FnMut() -> Result<Option<Value>> + Send)) -> Result<u64> {
        let mut change = self.pool.begin().await.map_err(|error| failed(DOING, error))?;
        let mut rows = 0;
        loop {
            let line = next()?.ok_or_else(bad)?;
            if let Some(expected) = line.get("rows").and_then(Value::as_u64) {
                if expected != rows || next()?.is_some() {
                    return Err(bad());
                }
                change.commit().await.map_err(|error| failed(DOING, error))?;
                return Ok(rows);
            }
            let (Some(table), Some(row)) = (line.get("table").and_then(Value::as_str), line.get("row")) else {
                return Err(bad());
            };
            let known = TABLES.iter().any(|(name, _)| *name == table);
            let (true, Some(row)) = (known, row.as_object()) else { return Err(bad()) };
            // The names become part of the statement.
            if !row.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')) {
                return Err(bad());
            }
            let names = row.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let places = (1..=row.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
            let sql = AssertSqlSafe(format!("INSERT INTO {table} ({names}) VALUES ({places})"));
            let mut query = sqlx::query(sql);
            for value in row.values() {
                query = match value {
                    Value::String(text) => query.bind(text.clone()),
                    Value::Number(number) => query.bind(number.as_i64().ok_or_else(bad)?),
                    _ => return Err(bad()),
                };
            }
            query.execute(&mut *change).await.map_err(|error| failed(DOING, error))?;
            rows += 1;
        }
    }
}

/// The columns of a row that have a value: numbers and texts, nothing else is kept.
fn values(row: &AnyRow) -> std::result::Result<Map<String, Value>, sqlx::Error> {
    let mut values = Map::new();
    for column in row.columns() {
        let at = column.ordinal();
        let value = row.try_get_raw(at)?;
        if value.is_null() {
            continue;
        }
        let value = match value.type_info().kind() {
            AnyTypeInfoKind::Text => Value::from(row.try_get::<String, _>(at)?),
            _ => Value::from(row.try_get::<i64, _>(at)?),
        };
        values.insert(column.name().to_owned(), value);
    }
    Ok(values)
}

fn bad() -> Error {
    Error::new(ErrorKind::Corrupted, "bad_copy", "The file is not a whole copy of a catalog")
}
