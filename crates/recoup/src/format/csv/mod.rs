//! `csv`: one database as a ZIP of CSV files, one per table, for spreadsheets and for reading. An export, not
//! restorable, and its `coverage.json` says so: what is in it, what is not, and how values are written.
//!
//! RFC 4180: a header line, CRLF, fields quoted where they must be. NULL is an empty field without quotes, the
//! empty string is `""`. Blobs, and text that is not valid Unicode, are base64.

mod reader;
mod writer;

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zip::result::ZipError;

pub use self::reader::check;
pub use self::writer::export;

use crate::error::Error;

const COVERAGE: &str = "coverage.json";
/// The version of `coverage.json` that this build writes and the newest that it reads.
pub const CSV_VERSION: u32 = 1;
/// A coverage longer than this is not one of ours.
const MAX_COVERAGE: u64 = 64 << 20;

/// `coverage.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Version of this document's shape.
    pub recoup_csv: u32,
    /// When it was written, UTC.
    pub exported_at: Timestamp,
    /// Always false: types, schema and much else are not here.
    pub restorable: bool,
    /// How values are written, for people.
    pub rules: Vec<String>,
    /// What is here.
    pub tables: Vec<CoveredTable>,
    /// What is not here, and why.
    pub left_out: Vec<LeftOut>,
}

/// One CSV file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoveredTable {
    /// Name of the table.
    pub table: String,
    /// The member of the ZIP.
    pub member: String,
    /// Rows, the header line not counted.
    pub rows: u64,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the member in lower-case hex.
    pub sha256: String,
    /// Its columns.
    pub columns: Vec<CoveredColumn>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoveredColumn {
    /// Name, as in the header line.
    pub name: String,
    /// How its values are written.
    pub encoding: ColumnEncoding,
}

/// How the values of a column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnEncoding {
    /// As they are.
    Plain,
    /// Every value that is not NULL is base64.
    Base64,
    /// Blobs as base64 among other values; which is which cannot be told from the file.
    Mixed,
}

/// Something of the database that is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// Name of the table, or what it is.
    pub what: String,
    /// Why.
    pub why: String,
}

const RULES: [&str; 5] = [
    "Files are UTF-8 and follow RFC 4180; the first line names the columns.",
    "NULL is an empty field without quotes, so with one column an empty line; the empty string is \"\".",
    "Blobs are base64, and so is text that is not valid Unicode; the encoding of each column says whether it has any.",
    "Integers are decimal; reals always have a point or an exponent, or are inf or -inf.",
    "Rows are in rowid or primary key order. Nothing is escaped for spreadsheets: a field may begin with =.",
];

/// An error of the ZIP crate: what is wrong with the archive, or with reading and writing it.
fn zip_failed(doing: &str, path: &Path, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Error::at(doing, path, error),
        other => Error::corrupted(other.to_string()).while_(format!("{doing} {}", path.display())),
    }
}
