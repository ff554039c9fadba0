//! Writing the document. Rows go straight from SQLite to the file, one at a time, so memory stays flat.
//!
//! What could not be imported again is refused here, when the backup is made, and not when it is needed: the
//! schema is made once in memory first, and values that a column's affinity would change are found on the way.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use rusqlite::Connection;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Coverage, DatabaseHeader, End, Header, JSON_VERSION, MAX_LINE, Query, TableFoot, TableHead};
use crate::error::{Error, ErrorKind, Result};
use crate::format::fresh_file::FreshFile;
use crate::model::Kind;
use crate::progress::Context;
use crate::sqlite::affinity::Affinity;
use crate::sqlite::digest::RowsHash;
use crate::sqlite::open::open_private;
use crate::sqlite::rebuild;
use crate::sqlite::rows::{self, write_json_row, write_json_string};
use crate::sqlite::schema::{self, Encoding, Rowid, Schema, Table, failed};

/// What the database itself does not know.
#[derive(Debug, Clone)]
pub struct ExportHeader {
    /// The moment of the data.
    pub exported_at: Timestamp,
    /// Why the backup is made.
    pub backup_type: Kind,
    /// Name of the source.
    pub name: String,
    /// Journal mode of the source; `None` takes that of `db`.
    pub journal_mode: Option<String>,
}

/// Writes the database at `db`, a private copy that nobody else has open, to the new file `to`. With `queries`
/// (name and SQL of each) it is a curated export. On any error there is no file.
///
/// Fails with [`ErrorKind::Unsupported`] when an import could not give back the same database: the schema needs a
/// function or collation of the application, a row is longer than [`MAX_LINE`], a name is not text, or a value
/// does not have the type that its column would give it (after `PRAGMA writable_schema`).
pub fn export(
    db: &Path,
    header: &ExportHeader,
    queries: &[(String, String)],
    to: &Path,
    context: &Context,
) -> Result<()> {
    let connection = open_private(db)?;
    let reading = connection.unchecked_transaction().map_err(failed("reading the database"))?;
    let schema = schema::read(&reading)?;
    let journal_mode = match &header.journal_mode {
        Some(mode) => mode.clone(),
        None => reading.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(failed("reading settings"))?,
    };
    let mut head = Header {
        recoup_json: JSON_VERSION,
        exported_at: header.exported_at,
        backup_type: header.backup_type,
        coverage: if queries.is_empty() { Coverage::Complete } else { Coverage::Curated },
        database: DatabaseHeader {
            name: header.name.clone(),
            page_size: schema.page_size,
            encoding: schema.encoding,
            user_version: schema.user_version,
            application_id: schema.application_id,
            auto_vacuum: schema.auto_vacuum,
            journal_mode,
        },
        queries: Vec::new(),
        schema: Vec::new(),
    };
    if queries.is_empty() {
        rehearse(&schema)?;
    }
    let (fresh, file) = FreshFile::create(to)?;
    let mut out = Output::new(file, to, context);
    out.header(&head)?;
    let (tables, rows) = if queries.is_empty() {
        complete(&reading, &schema, &mut out)?
    } else {
        head.queries = queries.iter().map(|(name, sql)| Query { name: name.clone(), sql: sql.clone() }).collect();
        curated(&reading, &head.queries, &mut out)?
    };
    out.end(tables, rows)?;
    fresh.keep();
    Ok(())
}

/// Makes the whole schema in memory, without rows.
fn rehearse(schema: &Schema) -> Result<()> {
    let attempt = || {
        let connection = Connection::open_in_memory().map_err(failed("opening a database in memory"))?;
        let encoding = format!("PRAGMA encoding = '{}'", schema.encoding.word());
        connection.execute_batch(&encoding).map_err(failed("preparing"))?;
        rebuild::create_tables(&connection, &schema.objects)?;
        rebuild::create_the_rest(&connection, &schema.objects)
    };
    attempt().map_err(|error| unsupported("json_cannot_hold_schema", "This database cannot be exported as JSON", error))
}

fn complete(connection: &Connection, schema: &Schema, out: &mut Output<'_>) -> Result<(u64, u64)> {
    out.write(b"\"schema\": [")?;
    for (at, object) in schema.objects.iter().enumerate() {
        out.write(if at == 0 { b"\n" } else { b",\n" })?;
        out.json(object)?;
    }
    out.write(b"\n],\n\"tables\": [")?;
    let (mut tables, mut total) = (0, 0);
    // Importing AUTOINCREMENT tables writes to sqlite_sequence, so its rows must come after theirs.
    let is_sequence = |table: &&Table| table.name.eq_ignore_ascii_case("sqlite_sequence");
    let with_rows = || schema.tables.iter().filter(|table| table.has_rows());
    for table in with_rows().filter(|table| !is_sequence(table)).chain(with_rows().filter(is_sequence)) {
        out.write(if tables == 0 { b"\n" } else { b",\n" })?;
        total += write_table(connection, table, schema.encoding, out)?;
        tables += 1;
    }
    out.write(b"\n],\n")?;
    Ok((tables, total))
}

fn write_table(connection: &Connection, table: &Table, encoding: Encoding, out: &mut Output<'_>) -> Result<u64> {
    let rowids = matches!(table.rowid, Rowid::Name(_));
    let head = TableHead {
        name: table.name.clone(),
        columns: table.stored_columns().map(|column| column.name.clone()).collect(),
        rowids,
    };
    out.json_open(&head)?;
    out.write(b",\"rows\":[")?;
    let affinities: Vec<Affinity> = rowids
        .then_some(Affinity::None)
        .into_iter()
        .chain(table.stored_columns().map(|column| Affinity::of(&column.declared, table.strict)))
        .collect();
    let mut hash = RowsHash::default();
    let mut line = Vec::new();
    let mut reading = rows::prepare(connection, table, encoding)?;
    let mut rows = reading.rows()?;
    while let Some(row) = rows.next_row()? {
        if row.iter().zip(&affinities).any(|(value, affinity)| affinity.would_change(value)) {
            return Err(unsupported(
                "json_cannot_hold_value",
                "This database cannot be exported as JSON",
                format!("table {} holds values that its columns would change when written again", table.name),
            ));
        }
        line.clear();
        write_json_row(&row, &mut line);
        out.write(if hash.rows() == 0 { b"\n" } else { b",\n" })?;
        hash.add(&line);
        out.line(&line, &table.name)?;
    }
    let count = hash.rows();
    let foot = TableFoot { count, sha256: hash.finish() };
    out.write(b"\n],")?;
    out.json_rest(&foot)?;
    Ok(count)
}

fn curated(connection: &Connection, queries: &[Query], out: &mut Output<'_>) -> Result<(u64, u64)> {
    let twice = queries.iter().enumerate().find(|(at, query)| queries[..*at].iter().any(|q| q.name == query.name));
    if let Some((_, query)) = twice {
        return Err(Error::usage("query_twice", format!("Two queries are named {}", query.name)));
    }
    out.write(b"\"queries\": [")?;
    for (at, query) in queries.iter().enumerate() {
        out.write(if at == 0 { b"\n" } else { b",\n" })?;
        out.json(query)?;
    }
    out.write(b"\n],\n\"data\": {")?;
    let mut total = 0;
    for (at, query) in queries.iter().enumerate() {
        out.write(if at == 0 { b"\n" } else { b",\n" })?;
        let mut key = Vec::new();
        write_json_string(&query.name, &mut key);
        out.write(&key)?;
        out.write(b": [")?;
        total += write_query(connection, query, out)
            .map_err(|error| error.while_(format!("running the query {}", query.name)))?;
        out.write(b"\n]")?;
    }
    out.write(b"\n},\n")?;
    Ok((queries.len() as u64, total))
}

fn write_query(connection: &Connection, query: &Query, out: &mut Output<'_>) -> Result<u64> {
    let bad = |text: &str| Error::usage("bad_query", format!("{text}: {}", query.sql));
    let mut statement =
        connection.prepare(&query.sql).map_err(|error| bad("This query cannot be run").because(error))?;
    if !statement.readonly() || statement.column_count() == 0 || statement.is_explain() != 0 {
        return Err(bad("This query does not just read"));
    }
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    if names.iter().enumerate().any(|(at, name)| names[..at].contains(name)) {
        return Err(bad("Two columns of this query have the same name").hint("give them names with AS"));
    }
    let keys: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            let mut key = Vec::new();
            write_json_string(name, &mut key);
            key.push(b':');
            key
        })
        .collect();
    let mut rows = statement.query([]).map_err(failed("running the query"))?;
    let (mut count, mut line) = (0, Vec::new());
    while let Some(row) = rows.next().map_err(failed("running the query"))? {
        line.clear();
        for (at, key) in keys.iter().enumerate() {
            line.push(if at == 0 { b'{' } else { b',' });
            line.extend_from_slice(key);
            rows::value(row.get_ref(at).map_err(failed("running the query"))?).write_json(&mut line);
        }
        line.push(b'}');
        out.write(if count == 0 { b"\n" } else { b",\n" })?;
        out.line(&line, &query.name)?;
        count += 1;
    }
    Ok(count)
}

/// The file, with a running hash of everything that went into it.
struct Output<'a> {
    file: BufWriter<File>,
    path: &'a Path,
    hash: Sha256,
    unreported: u64,
    context: &'a Context,
}

impl<'a> Output<'a> {
    fn new(file: File, path: &'a Path, context: &'a Context) -> Self {
        Output { file: BufWriter::with_capacity(1 << 18, file), path, hash: Sha256::new(), unreported: 0, context }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.unreported += bytes.len() as u64;
        if self.unreported > 1 << 18 {
            self.context.advance(std::mem::take(&mut self.unreported))?;
        }
        self.file.write_all(bytes).map_err(|e| Error::at("writing", self.path, e))
    }

    fn line(&mut self, line: &[u8], table: &str) -> Result<()> {
        if line.len() > MAX_LINE - 2 {
            let detail = format!("a row of {table} takes {} bytes, more than {MAX_LINE}", line.len());
            return Err(unsupported("row_too_large", "This database cannot be exported as JSON", detail));
        }
        self.write(line)
    }

    fn encoded(&self, value: &impl Serialize) -> Result<Vec<u8>> {
        serde_json::to_vec(value).map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write JSON").because(e))
    }

    fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let bytes = self.encoded(value)?;
        self.write(&bytes)
    }

    /// An object without its last brace.
    fn json_open(&mut self, value: &impl Serialize) -> Result<()> {
        let bytes = self.encoded(value)?;
        self.write(bytes.strip_suffix(b"}").unwrap_or(&bytes))
    }

    /// An object without its first brace.
    fn json_rest(&mut self, value: &impl Serialize) -> Result<()> {
        let bytes = self.encoded(value)?;
        self.write(bytes.strip_prefix(b"{").unwrap_or(&bytes))
    }

    fn header(&mut self, header: &Header) -> Result<()> {
        let lines = [
            ("recoup_json", self.encoded(&header.recoup_json)?),
            ("exported_at", self.encoded(&header.exported_at)?),
            ("backup_type", self.encoded(&header.backup_type)?),
            ("coverage", self.encoded(&header.coverage)?),
            ("database", self.encoded(&header.database)?),
        ];
        self.write(b"{\n")?;
        for (key, value) in lines {
            self.write(format!("\"{key}\": ").as_bytes())?;
            self.write(&value)?;
            self.write(b",\n")?;
        }
        Ok(())
    }

    fn end(mut self, tables: u64, rows: u64) -> Result<()> {
        let sha256 = HEXLOWER.encode(&self.hash.clone().finalize());
        let end = self.encoded(&End { tables, rows, sha256 })?;
        self.write(b"\"end\": ")?;
        self.write(&end)?;
        self.write(b"\n}\n")?;
        self.context.advance(self.unreported)?;
        self.file.flush().map_err(|e| Error::at("writing", self.path, e))
    }
}

fn unsupported(code: &'static str, message: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let cause = cause.into();
    // The causes of an error of ours say what exactly it was.
    let detail = match cause.downcast_ref::<Error>() {
        Some(error) => format!("{error}: {}", error.detail()),
        None => cause.to_string(),
    };
    Error::new(ErrorKind::Unsupported, code, message)
        .because(detail)
        .hint("use the format archive or database, which keep the file itself")
}
