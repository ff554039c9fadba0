//! `json`: one database as one JSON document, one row per line. Complete exports lose nothing and can be
//! imported again; curated ones hold the results of named queries and say that they cannot.
//!
//! The document, in this order and with these line ends:
//!
//! ```text
//! {
//! "recoup_json": 1,
//! "exported_at": "2027-01-15T08:00:00Z",
//! "backup_type": "manual",
//! "coverage": "complete",
//! "database": {"name":"shop","page_size":4096,"encoding":"UTF-8","user_version":0,…},
//! "schema": [
//! {"type":"table","name":"t","table":"t","sql":"CREATE TABLE t(a, b)"}
//! ],
//! "tables": [
//! {"name":"t","columns":["a","b"],"rowids":true,"rows":[
//! [1,"one",2.0],
//! [2,null,{"$blob":"AAE="}]
//! ],"count":2,"sha256":"of the row lines, joined by `,` and a line feed"}
//! ],
//! "end": {"tables":1,"rows":2,"sha256":"of every byte before this line"}
//! }
//! ```
//!
//! With `"rowids":true` the first value of each row is its rowid. Values that JSON cannot hold are tagged:
//! `{"$int":"9223372036854775807"}` beyond ±(2^53-1), `{"$real":"inf"}`, `{"$blob":"base64"}`, and
//! `{"$text":"base64"}` for text that is not valid Unicode, in the bytes of the database's encoding. Reals always
//! have a point or an exponent. Tables that virtual tables keep their data in are exported like all others, so
//! that every module's data comes back, whether or not this build has the module; so is `sqlite_sequence`, as
//! the last one.
//! A curated export has `"queries": [{"name", "sql"}]` and `"data": {name: [{column: value}]}` in place of
//! `"schema"` and `"tables"`.

mod import;
pub mod reader;
pub mod writer;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::import::{Imported, import};
pub use self::reader::check;
pub use self::writer::{ExportHeader, export};
pub use crate::sqlite::digest::{SCHEMA_ENTRY, logical_digest};

use crate::model::Kind;
use crate::sqlite::schema::{Encoding, Object};

/// The version of the document that this build writes and the newest that it reads.
pub const JSON_VERSION: u32 = 1;

/// The longest line, in bytes, that is written or read: the bound of memory for one row.
pub const MAX_LINE: usize = 256 << 20;

/// How much of the database a document holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coverage {
    /// Everything; can be imported.
    Complete,
    /// The results of some queries; cannot be imported.
    Curated,
}

/// What the first lines of a document say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the document's shape.
    pub recoup_json: u32,
    /// The moment of the data, UTC.
    pub exported_at: Timestamp,
    /// Why the backup was made.
    pub backup_type: Kind,
    /// How much it holds.
    pub coverage: Coverage,
    /// The database.
    pub database: DatabaseHeader,
    /// The queries of a curated export.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<Query>,
    /// The schema of a complete export.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema: Vec<Object>,
}

/// The settings that live in a database file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseHeader {
    /// Name of the source.
    pub name: String,
    /// `PRAGMA page_size` in bytes.
    pub page_size: u32,
    /// `PRAGMA encoding`.
    pub encoding: Encoding,
    /// `PRAGMA user_version`.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// `PRAGMA auto_vacuum`.
    pub auto_vacuum: u32,
    /// `PRAGMA journal_mode` of the source, for whoever puts an import in place; import itself leaves it.
    pub journal_mode: String,
}

/// A query of a curated export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The key of its rows in `data`.
    pub name: String,
    /// Its text.
    pub sql: String,
}

/// What stands before the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableHead {
    /// Its name.
    pub name: String,
    /// The stored columns, in the order of the values.
    pub columns: Vec<String>,
    /// Whether each row begins with its rowid.
    pub rowids: bool,
}

/// What stands after the rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFoot {
    count: u64,
    sha256: String,
}

/// The last line but one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    tables: u64,
    rows: u64,
    sha256: String,
}
