//! The settings document as values, validated as a whole when it is read back.
//!
//! Not here: what it is made of ([`super`]) and what becomes of it ([`super::restore`]).

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::model::PathBytes;

/// Version of the document's shape.
pub(super) const SETTINGS_VERSION: u32 = 1;

/// Everything that a document says. Members that this version does not know are passed over.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Document {
    /// Variables by name.
    #[serde(default)]
    pub environment: BTreeMap<String, PathBytes>,
    /// Rows by key, by label of the table.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, Value>>,
    /// Contents by file name.
    #[serde(default)]
    pub json: BTreeMap<String, Value>,
    /// Secrets that were not stored: `NAME`, `<label>.<key>`, `<file>.<member>.<member>`.
    #[serde(default)]
    pub left_out: BTreeSet<String>,
    /// Where it all came from. Documents of the first days do not have it.
    #[serde(default)]
    pub origins: Origins,
}

/// Where settings came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origins {
    /// Tables by label.
    #[serde(default)]
    pub tables: BTreeMap<String, TableOrigin>,
    /// Absolute paths of files by name.
    #[serde(default)]
    pub json: BTreeMap<String, PathBytes>,
    /// What was declared secret.
    #[serde(default)]
    pub secret: Vec<String>,
}

/// One key/value table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableOrigin {
    /// Absolute path of the database.
    pub database: PathBytes,
    /// Table name.
    pub table: String,
    /// Column that holds the key.
    pub key: String,
    /// Column that holds the value.
    pub value: String,
}

impl Document {
    /// Reads and validates all of it. Fails with `Backup file is corrupted`, or with
    /// `Backup from newer version, cannot restore`.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            settings_version: u32,
        }
        let bad = |e: serde_json::Error| Error::corrupted(format!("settings: {e}"));
        let Version { settings_version } = serde_json::from_slice(bytes).map_err(bad)?;
        if settings_version > SETTINGS_VERSION {
            let text = "Backup from newer version, cannot restore";
            return Err(Error::new(ErrorKind::Unsupported, "version_newer", text)
                .because(format!("settings of version {settings_version}"))
                .hint("use a newer recoup"));
        }
        let document: Document = serde_json::from_slice(bytes).map_err(bad)?;
        let wrong = |what: String| Err(Error::corrupted(format!("settings: {what}")));
        for (name, PathBytes(value)) in &document.environment {
            if name.is_empty() || name.contains(['=', '\0', '\n', '\r']) || value.contains(&0) {
                return wrong(format!("not an environment variable: {name:?}"));
            }
        }
        for (label, rows) in &document.tables {
            if let Some((key, _)) = rows.iter().find(|(_, value)| in_sql(value).is_none()) {
                return wrong(format!("not a value of a table: {label}.{key}"));
            }
        }
        for (name, PathBytes(path)) in &document.origins.json {
            let path = PathBytes(path.clone()).to_path_buf();
            let same = path.file_name().is_some_and(|file| file.to_string_lossy() == *name);
            if !path.is_absolute() || !same {
                return wrong(format!("not the path of {name}: {}", path.display()));
            }
        }
        for (label, origin) in &document.origins.tables {
            if !origin.database.as_path().is_absolute() {
                return wrong(format!("not the path of {label}: {}", origin.database));
            }
        }
        Ok(document)
    }
}

/// A value of a table as SQLite takes it; `None` for what no table can have given.
pub(super) fn in_sql(value: &Value) -> Option<rusqlite::types::Value> {
    use rusqlite::types::Value as Sql;
    Some(match value {
        Value::Null => Sql::Null,
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Sql::Integer(integer),
            None => Sql::Real(number.as_f64().filter(|_| !number.is_u64())?),
        },
        Value::String(text) => Sql::Text(text.clone()),
        Value::Object(map) if map.len() == 1 => Sql::Blob(BASE64.decode(map.get("base64")?.as_str()?.as_bytes()).ok()?),
        _ => return None,
    })
}
