//! Making a database of a document: a new file, whole or not at all. Everything is proven while it is read, and
//! once more at the end by reading the new database and comparing every table with the hashes of the document.
//!
//! Not here: putting the database in place, and its journal mode, which a restore sets there.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use super::reader::{Document, Event};
use super::{Coverage, Header, TableHead};
use crate::error::{Error, ErrorKind, Result};
use crate::format::fresh_file::FreshFile;
use crate::progress::Context;
use crate::sqlite::digest::table_digest;
use crate::sqlite::fill::Filling;
use crate::sqlite::open::{open_private, open_scratch};
use crate::sqlite::rebuild;
use crate::sqlite::rows::Value;
use crate::sqlite::schema::{self, Object, Rowid, Schema, failed};

/// What came out of an import.
#[derive(Debug, Clone)]
pub struct Imported {
    /// What the document says about itself.
    pub header: Header,
    /// Tables.
    pub tables: u64,
    /// Rows in all of them.
    pub rows: u64,
    /// Foreign key violations: those that the exported database had. `None` when a foreign key fits no table, so
    /// that SQLite cannot check it.
    pub foreign_key_violations: Option<u64>,
}

/// Makes the new database file `to` of the complete export `json`. Fails with `Backup file is corrupted` when the
/// document is not whole, [`ErrorKind::Unsupported`] for curated exports and newer versions, and
/// [`ErrorKind::WouldOverwrite`] when `to` exists. On any error there is no file.
pub fn import(json: &Path, to: &Path, context: &Context) -> Result<Imported> {
    let input = File::open(json).map_err(|e| Error::at("opening", json, e))?;
    if to.symlink_metadata().is_ok() {
        return Err(Error::new(
            ErrorKind::WouldOverwrite,
            "already_exists",
            format!("{} exists and is not replaced", to.display()),
        ));
    }
    let mut document = Document::open(input, context)?;
    if document.header.coverage == Coverage::Curated {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "curated_export",
            "This is an export of chosen queries, which cannot be restored",
        ));
    }
    let fresh = FreshFile::adopt(to);
    let connection = open_scratch(to)?;
    let hashes = fill(&connection, &mut document, context).map_err(blame_the_document)?;
    connection.close().map_err(|(_, error)| failed("closing the new database")(error))?;
    let connection = open_private(to)?;
    prove(&connection, &document.header, &hashes, context).map_err(blame_the_document)?;
    let foreign_key_violations = count_violations(&connection, context)?;
    fresh.keep();
    let rows = hashes.values().map(|(rows, _)| rows).sum();
    Ok(Imported { header: document.header, tables: hashes.len() as u64, rows, foreign_key_violations })
}

/// What SQLite refuses to make of a document is the fault of the document: an export has proven its schema.
fn blame_the_document(error: Error) -> Error {
    match error.code() {
        "sqlite" | "database_corrupted" | "schema_differs" | "import_differs" => {
            Error::corrupted(format!("{error}: {}", error.detail()))
        }
        _ => error,
    }
}

/// Table, number of its rows, their SHA-256.
type Hashes = BTreeMap<String, (u64, String)>;

fn fill<R: std::io::Read>(
    connection: &Connection,
    document: &mut Document<'_, R>,
    context: &Context,
) -> Result<Hashes> {
    let settings = document.header.database.clone();
    let objects = std::mem::take(&mut document.header.schema);
    let run = |sql: &str| connection.execute_batch(sql).map_err(failed("making the new database"));
    run(&format!(
        "PRAGMA page_size = {}; PRAGMA encoding = '{}'; PRAGMA auto_vacuum = {}; PRAGMA foreign_keys = OFF;
         PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = FILE; BEGIN",
        settings.page_size,
        settings.encoding.word(),
        settings.auto_vacuum
    ))?;
    rebuild::create_tables(connection, &objects)?;
    let schema = schema::read(connection)?;
    let mut hashes = Hashes::new();
    loop {
        context.check()?;
        match document.next_event()? {
            Event::Table(head) => {
                let mut table = target(connection, &schema, &head)?;
                let mut rows = 0;
                let sha256 = rest_of_table(document, |row| {
                    rows += 1;
                    table.insert(row)
                })?;
                hashes.insert(head.name, (rows, sha256));
            }
            Event::End => break,
            Event::Row(_) | Event::TableEnd(_) => return Err(Error::corrupted("rows outside of a table")),
        }
    }
    if let Some(missing) = schema.tables.iter().find(|table| !hashes.contains_key(&table.name)) {
        return Err(Error::corrupted(format!("the rows of table {} are missing", missing.name)));
    }
    rebuild::create_the_rest(connection, &objects)?;
    run(&format!(
        "PRAGMA user_version = {}; PRAGMA application_id = {}; COMMIT",
        settings.user_version, settings.application_id
    ))?;
    document.header.schema = objects;
    Ok(hashes)
}

fn rest_of_table<R: std::io::Read>(
    document: &mut Document<'_, R>,
    mut each: impl FnMut(Vec<Value<'static>>) -> Result<()>,
) -> Result<String> {
    loop {
        match document.next_event()? {
            Event::Row(row) => each(row)?,
            Event::TableEnd(Some(sha256)) => return Ok(sha256),
            _ => return Err(Error::corrupted("a table without its end")),
        }
    }
}

/// Looks whether the rows that follow fit the table, and prepares to take them.
fn target<'c>(connection: &'c Connection, schema: &Schema, head: &TableHead) -> Result<Filling<'c>> {
    let table = schema
        .table(&head.name)
        .ok_or_else(|| Error::corrupted(format!("table {} is not in the schema", head.name)))?;
    let stored: Vec<&str> = table.stored_columns().map(|column| column.name.as_str()).collect();
    if stored != head.columns || matches!(table.rowid, Rowid::Name(_)) != head.rowids {
        return Err(Error::corrupted(format!("table {} has other columns in the schema", head.name)));
    }
    if table.name.eq_ignore_ascii_case("sqlite_sequence") {
        // Filling AUTOINCREMENT tables has written there; that is why an export puts it last.
        connection.execute("DELETE FROM sqlite_sequence", []).map_err(failed("preparing rows"))?;
    }
    Filling::new(connection, table, schema.encoding)
}

/// Reads the finished file: the settings, the schema and every row are those of the document.
fn prove(connection: &Connection, header: &Header, hashes: &Hashes, context: &Context) -> Result<()> {
    let differs = |what: String| {
        Err(Error::new(ErrorKind::Failed, "import_differs", "The imported database is not the one that was exported")
            .because(what))
    };
    let schema = schema::read(connection)?;
    let sorted = |objects: &[Object]| {
        let mut objects = objects.to_vec();
        objects.sort();
        objects
    };
    if sorted(&schema.objects) != sorted(&header.schema) {
        return differs("the schema differs".into());
    }
    let made = (schema.page_size, schema.encoding, schema.user_version, schema.application_id, schema.auto_vacuum);
    let asked = &header.database;
    let asked = (asked.page_size, asked.encoding, asked.user_version, asked.application_id, asked.auto_vacuum);
    if made != asked {
        return differs(format!("settings {made:?}, not {asked:?}"));
    }
    for table in schema.tables.iter().filter(|table| table.has_rows()) {
        let digest = table_digest(connection, table, schema.encoding, context)?;
        if hashes.get(&table.name).is_none_or(|(_, sha256)| *sha256 != digest) {
            return differs(format!("table {} has other rows", table.name));
        }
    }
    Ok(())
}

fn count_violations(connection: &Connection, context: &Context) -> Result<Option<u64>> {
    let Ok(mut statement) = connection.prepare("PRAGMA foreign_key_check") else { return Ok(None) };
    let mut rows = statement.query([]).map_err(failed("checking foreign keys"))?;
    let mut count = 0;
    loop {
        context.check()?;
        match rows.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return Ok(Some(count)),
            Err(_) => return Ok(None),
        }
    }
}
