//! Writing the ZIP. Rows go straight from SQLite into it, one at a time, so memory stays flat; the coverage comes
//! last, when everything about the tables is known.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use data_encoding::{BASE64, HEXLOWER};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{COVERAGE, CSV_VERSION, ColumnEncoding, Coverage, CoveredColumn, CoveredTable, LeftOut, RULES, zip_failed};
use crate::error::{Error, ErrorKind, Result};
use crate::format::fresh_file::FreshFile;
use crate::format::zip_file::ZipFile;
use crate::progress::Context;
use crate::sqlite::open::open_private;
use crate::sqlite::rows::{Value, prepare};
use crate::sqlite::schema::{self, Encoding, Rowid, Table, TableKind, failed};

/// Writes the database at `db`, a private copy that nobody else has open, to the new file `to`. On any error there
/// is no file.
pub fn export(db: &Path, to: &Path, context: &Context) -> Result<()> {
    let connection = open_private(db)?;
    let reading = connection.unchecked_transaction().map_err(failed("reading the database"))?;
    let schema = schema::read(&reading)?;
    let (fresh, file) = FreshFile::create(to)?;
    let writing = |error| zip_failed("writing", to, error);
    let mut zip = ZipWriter::new(ZipFile::new(1 << 18, file));
    // How long a member gets cannot be known before; room for Zip64 must be left at its beginning.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .unix_permissions(0o600)
        .large_file(true);
    let mut names = HashSet::new();
    let mut coverage = Coverage {
        recoup_csv: CSV_VERSION,
        exported_at: context.clock.now(),
        restorable: false,
        rules: RULES.map(str::to_owned).to_vec(),
        tables: Vec::new(),
        left_out: Vec::new(),
    };
    for table in &schema.tables {
        if let Some(why) = why_not(table) {
            coverage.left_out.push(LeftOut { what: table.name.clone(), why });
            continue;
        }
        let generated: Vec<&str> = table.columns.iter().filter(|c| c.generated).map(|c| c.name.as_str()).collect();
        if !generated.is_empty() {
            let what = format!("{}: {}", table.name, generated.join(", "));
            coverage.left_out.push(LeftOut { what, why: "generated columns follow from the others".into() });
        }
        let member = member_name(&table.name, coverage.tables.len() + 1, &mut names);
        zip.start_file(&member, options).map_err(writing)?;
        let covered = write_table(&reading, table, schema.encoding, member, &mut zip, context);
        coverage.tables.push(covered.map_err(|error| error.while_(format!("writing table {}", table.name)))?);
    }
    coverage.left_out.push(LeftOut {
        what: "schema".into(),
        why: "types, keys, indexes, triggers, views and settings of the database cannot be written as CSV".into(),
    });
    let document = serde_json::to_vec_pretty(&coverage)
        .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write the coverage").because(e))?;
    zip.start_file(COVERAGE, options).map_err(writing)?;
    zip.write_all(&document).map_err(|e| Error::at("writing", to, e))?;
    let file = zip.finish().map_err(writing)?;
    file.into_file().map_err(|e| Error::at("writing", to, e))?;
    fresh.keep();
    Ok(())
}

fn why_not(table: &Table) -> Option<String> {
    match &table.kind {
        TableKind::Virtual { module } => Some(format!("virtual table of the module {module}")),
        TableKind::Shadow { of } => Some(format!("belongs to the virtual table {of}")),
        TableKind::Ordinary if table.is_internal() => Some("belongs to SQLite".into()),
        TableKind::Ordinary => None,
    }
}

/// A name that every file system and ZIP tool takes and that is unique whatever the case.
fn member_name(table: &str, number: usize, taken: &mut HashSet<String>) -> String {
    let safe: String = table
        .chars()
        .take(60)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' })
        .collect();
    const DEVICES: [&str; 22] = [
        "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1",
        "lpt2", "lpt3", "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
    ];
    let plain = safe == table && !safe.is_empty() && !DEVICES.contains(&safe.to_ascii_lowercase().as_str());
    let mut name = if plain { format!("{safe}.csv") } else { format!("{safe}~{number}.csv") };
    if !taken.insert(name.to_ascii_lowercase()) {
        name = format!("{safe}~{number}.csv");
        taken.insert(name.to_ascii_lowercase());
    }
    name
}

fn write_table(
    connection: &Connection,
    table: &Table,
    encoding: Encoding,
    member: String,
    out: &mut impl Write,
    context: &Context,
) -> Result<CoveredTable> {
    let names: Vec<&str> = table.stored_columns().map(|column| column.name.as_str()).collect();
    let mut seen = vec![Seen::default(); names.len()];
    let mut line = Vec::new();
    for (at, name) in names.iter().enumerate() {
        write_field(at, name.as_bytes(), &mut line);
    }
    // The rowid is not a column of the table; here it only orders.
    let rowid_first = usize::from(matches!(table.rowid, Rowid::Name(_)));
    let mut reading = prepare(connection, table, encoding)?;
    let mut rows = reading.rows()?;
    let (mut hash, mut bytes, mut count, mut unreported) = (Sha256::new(), 0, 0, 0);
    loop {
        line.extend_from_slice(b"\r\n");
        hash.update(&line);
        out.write_all(&line).map_err(|e| Error::io("writing CSV", e))?;
        bytes += line.len() as u64;
        unreported += line.len() as u64;
        if unreported > 1 << 18 {
            context.advance(std::mem::take(&mut unreported))?;
        }
        line.clear();
        let Some(row) = rows.next_row()? else { break };
        for (at, value) in row.iter().skip(rowid_first).enumerate() {
            write_value(at, value, &mut seen[at], &mut line);
        }
        count += 1;
    }
    context.advance(unreported)?;
    let columns = names.iter().zip(seen).map(|(name, seen)| CoveredColumn {
        name: (*name).to_owned(),
        encoding: match seen {
            Seen { base64: false, .. } => ColumnEncoding::Plain,
            Seen { plain: false, .. } => ColumnEncoding::Base64,
            Seen { .. } => ColumnEncoding::Mixed,
        },
    });
    let columns = columns.collect();
    let sha256 = HEXLOWER.encode(&hash.finalize());
    Ok(CoveredTable { table: table.name.clone(), member, rows: count, bytes, sha256, columns })
}

/// What a column has had so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    base64: bool,
    plain: bool,
}

fn write_value(at: usize, value: &Value<'_>, seen: &mut Seen, line: &mut Vec<u8>) {
    let plain = match value {
        Value::Null => {
            if at > 0 {
                line.push(b',');
            }
            return;
        }
        Value::Blob(bytes) | Value::OddText(bytes) => {
            seen.base64 = true;
            return write_field(at, BASE64.encode(bytes).as_bytes(), line);
        }
        Value::Integer(n) => std::borrow::Cow::Owned(n.to_string()),
        Value::Real(x) => std::borrow::Cow::Owned(format!("{x:?}")),
        Value::Text(text) => std::borrow::Cow::Borrowed(text.as_ref()),
    };
    seen.plain = true;
    write_field(at, plain.as_bytes(), line);
}

fn write_field(at: usize, field: &[u8], line: &mut Vec<u8>) {
    if at > 0 {
        line.push(b',');
    }
    let special = |byte: &u8| matches!(byte, b'"' | b',' | 0..=31);
    let blank = |byte: Option<&u8>| matches!(byte, None | Some(b' '));
    if !blank(field.first()) && !blank(field.last()) && !field.iter().any(special) {
        line.extend_from_slice(field);
        return;
    }
    line.push(b'"');
    for byte in field {
        if *byte == b'"' {
            line.push(b'"');
        }
        line.push(*byte);
    }
    line.push(b'"');
}
