//! Reading one table whose values are shown without its secrets: every key that was read, with what may be shown of it.
//!
//! Not here: what the keys are ([`super::notify`], [`super::destination`]).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::walk::{At, Field, Table};
use crate::error::Result;
use crate::model::channel::Secret;

/// A table that is being read.
pub(super) struct Reader<'a> {
    pub table: Table<'a>,
    pub base: &'a Path,
    pub values: Vec<At<Value>>,
}

impl<'a> Reader<'a> {
    /// Relative paths of files are meant from `base`.
    pub fn new(field: &Field<'a>, base: &'a Path) -> Result<Self> {
        Ok(Reader { table: field.table()?, base, values: Vec::new() })
    }

    pub fn take(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.table.take(key)
    }

    pub fn note(&mut self, field: &Field<'_>, value: Value) {
        self.values.push(At { value, line: field.line, key: field.key.clone() });
    }

    pub fn text(&mut self, key: &'static str) -> Result<Option<String>> {
        let Some(field) = self.take(key) else { return Ok(None) };
        let text = field.string()?.value;
        self.note(&field, json!(text));
        Ok(Some(text))
    }

    pub fn file(&mut self, field: &Field<'_>) -> Result<PathBuf> {
        let path = self.base.join(field.string()?.value);
        self.note(field, json!(path.display().to_string()));
        Ok(path)
    }

    /// A secret in place or in a file.
    pub fn secret(&mut self, here: &'static str, in_file: &'static str) -> Result<Option<Secret>> {
        match (self.take(here), self.take(in_file)) {
            (None, None) => Ok(None),
            (Some(field), None) => {
                let text = field.string()?.value;
                self.note(&field, json!("(set)"));
                if text.chars().any(char::is_control) {
                    return Err(field.wrong("has control characters in it"));
                }
                Ok(Some(Secret::value(text)))
            }
            (None, Some(field)) => Ok(Some(Secret::file(self.file(&field)?))),
            (Some(_), Some(field)) => Err(field.wrong(format!("is given beside {here}"))),
        }
    }
}
