//! Reading columns: times as unix milliseconds, truth as 0 and 1, words as enums. A value that does not fit is an
//! error that names the column, never a default.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::failure::failed;
use crate::error::{Error, ErrorKind, Result};

/// A row that is taken apart column by column.
pub(super) struct Columns<'a>(pub &'a AnyRow);

impl Columns<'_> {
    pub fn text(&self, name: &str) -> Result<String> {
        self.0.try_get(name).map_err(|error| failed(name, error))
    }
    pub fn maybe_text(&self, name: &str) -> Result<Option<String>> {
        self.0.try_get(name).map_err(|error| failed(name, error))
    }
    pub fn number(&self, name: &str) -> Result<i64> {
        self.0.try_get(name).map_err(|error| failed(name, error))
    }
    pub fn maybe_number(&self, name: &str) -> Result<Option<i64>> {
        self.0.try_get(name).map_err(|error| failed(name, error))
    }
    pub fn truth(&self, name: &str) -> Result<bool> {
        Ok(self.number(name)? != 0)
    }
    pub fn time(&self, name: &str) -> Result<Timestamp> {
        let ms = self.number(name)?;
        Timestamp::from_millisecond(ms).map_err(|_| odd(name))
    }
    pub fn maybe_time(&self, name: &str) -> Result<Option<Timestamp>> {
        let ms: Option<i64> = self.0.try_get(name).map_err(|error| failed(name, error))?;
        ms.map(|ms| Timestamp::from_millisecond(ms).map_err(|_| odd(name))).transpose()
    }
    pub fn json(&self, name: &str) -> Result<serde_json::Value> {
        serde_json::from_str(&self.text(name)?).map_err(|_| odd(name))
    }
    pub fn maybe_json(&self, name: &str) -> Result<Option<serde_json::Value>> {
        self.maybe_text(name)?.map(|text| serde_json::from_str(&text).map_err(|_| odd(name))).transpose()
    }
    /// A column that holds one of our words, read as serde reads it.
    pub fn word<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_value(serde_json::Value::String(self.text(name)?)).map_err(|_| odd(name))
    }
    pub fn maybe_word<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.maybe_text(name)? else { return Ok(None) };
        serde_json::from_value(serde_json::Value::String(text)).map(Some).map_err(|_| odd(name))
    }
}

fn odd(name: &str) -> Error {
    Error::new(ErrorKind::Corrupted, "catalog_corrupted", format!("The catalog has an odd value in {name}"))
}

/// The row that a change gave back. `RETURNING` is always read to its end: not before is the change committed, and a
/// commit that fails would go unnoticed.
pub(super) fn only(rows: Vec<AnyRow>) -> Option<AnyRow> {
    rows.into_iter().next()
}

/// A text that comes from elsewhere, as PostgreSQL can keep it: without NUL characters.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{2400}")
}

/// A time as it is kept.
pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// One of our words, as serde spells it.
pub(super) fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}
