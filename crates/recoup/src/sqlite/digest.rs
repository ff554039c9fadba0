//! The logical digest of a database: what it says, independent of where its pages lie. Two databases with equal
//! digests have the same schema, the same settings and the same rows with the same rowids, bit for bit.
//!
//! Not here: the hash of the bytes, which manifests hold.

use std::collections::BTreeMap;
use std::path::Path;

use data_encoding::HEXLOWER;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::open::open_private;
use super::rows::{prepare, write_json_row};
use super::schema::{self, Encoding, Schema, Table};
use crate::error::Result;
use crate::progress::Context;

/// The entry of [`logical_digest`] for schema and settings; no table can have this name.
pub const SCHEMA_ENTRY: &str = "sqlite_schema";

/// SHA-256 over the rows of a table as JSON lines, joined by `,` and a line feed, as they stand in a JSON export.
#[derive(Debug, Clone, Default)]
pub struct RowsHash {
    hash: Sha256,
    rows: u64,
}

impl RowsHash {
    /// Adds one row.
    pub fn add(&mut self, line: &[u8]) {
        if self.rows > 0 {
            self.hash.update(b",\n");
        }
        self.hash.update(line);
        self.rows += 1;
    }
    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }
    /// The digest in lower-case hex.
    pub fn finish(self) -> String {
        HEXLOWER.encode(&self.hash.finalize())
    }
}

/// Reads a whole table and returns its digest.
pub fn table_digest(connection: &Connection, table: &Table, encoding: Encoding, context: &Context) -> Result<String> {
    let mut hash = RowsHash::default();
    let mut line = Vec::new();
    let mut reading = prepare(connection, table, encoding)?;
    let mut rows = reading.rows()?;
    let mut unreported = 0;
    while let Some(row) = rows.next_row()? {
        line.clear();
        write_json_row(&row, &mut line);
        hash.add(&line);
        unreported += line.len();
        if unreported > 1 << 18 {
            context.advance(unreported as u64)?;
            unreported = 0;
        }
    }
    context.advance(unreported as u64)?;
    Ok(hash.finish())
}

/// The digest of every table that has rows of its own (those that virtual tables and SQLite itself keep
/// included), and one for schema and settings under [`SCHEMA_ENTRY`]. The journal mode is not part of it.
pub fn logical_digest(db: &Path, context: &Context) -> Result<BTreeMap<String, String>> {
    let connection = open_private(db)?;
    let schema = schema::read(&connection)?;
    let mut digests = BTreeMap::from([(SCHEMA_ENTRY.to_owned(), schema_digest(&schema))]);
    for table in schema.tables.iter().filter(|table| table.has_rows()) {
        digests.insert(table.name.clone(), table_digest(&connection, table, schema.encoding, context)?);
    }
    Ok(digests)
}

fn schema_digest(schema: &Schema) -> String {
    let mut objects: Vec<_> = schema.objects.iter().collect();
    objects.sort();
    let mut hash = Sha256::new();
    let settings = (schema.page_size, schema.auto_vacuum, schema.user_version, schema.application_id);
    hash.update(format!("{} {settings:?}\n", schema.encoding.word()));
    for object in objects {
        for part in [object.kind.word(), &object.name, &object.table, &object.sql] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    HEXLOWER.encode(&hash.finalize())
}
