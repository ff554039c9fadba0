//! Walks a TOML document key by key and keeps, for every value, the line and the dotted key it stands at, so
//! that every error names file, line and key, and an unknown key names the nearest valid one.
//!
//! Not here: which keys there are ([`super::written`]).

use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use crate::error::{Error, Result};
use crate::model::duration;

/// A value with the place it was written at.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Line in the file, from 1.
    pub line: usize,
    /// Dotted key, with an index for array elements: `plan.shop.databases[1].path`.
    pub key: String,
}

/// The file that is walked.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Document<'_> {
    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|b| **b == b'\n').count() + 1
    }

    /// A configuration error at a line and a key.
    pub fn wrong(&self, line: usize, key: &str, what: impl std::fmt::Display) -> Error {
        wrong(self.path, line, key, what)
    }

    /// The syntax error of the TOML parser, in our shape.
    pub fn syntax(&self, error: &toml::de::Error) -> Error {
        let line = error.span().map_or(1, |span| self.line(span.start));
        let what = error.message().lines().collect::<Vec<_>>().join(", ");
        Error::usage("bad_config", format!("{}not valid TOML: {what}", place(self.path, line)))
    }
}

/// A configuration error with file, line and key.
pub(super) fn wrong(path: &Path, line: usize, key: &str, what: impl std::fmt::Display) -> Error {
    Error::usage("bad_config", format!("{}{key}: {what}", place(path, line)))
}

/// A document that came through the API has no file, and its lines mean nothing to who sent it.
pub(super) fn place(path: &Path, line: usize) -> String {
    if path.as_os_str().is_empty() { String::new() } else { format!("{}:{line}: ", path.display()) }
}

/// A table whose keys are taken one by one; what is left at the end is unknown.
pub(super) struct Table<'a> {
    document: Document<'a>,
    key: String,
    pub line: usize,
    entries: Vec<(&'a str, usize, &'a Spanned<DeValue<'a>>)>,
    known: Vec<&'static str>,
}

/// A value not yet looked at.
pub(super) struct Field<'a> {
    document: Document<'a>,
    pub key: String,
    pub line: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    pub fn new(document: Document<'a>, key: String, line: usize, table: &'a DeTable<'a>) -> Self {
        let mut entries: Vec<_> =
            table.iter().map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value)).collect();
        // The parser sorts by key; a person expects the order of the file.
        entries.sort_by_key(|(_, start, _)| *start);
        Table { document, key, line, entries, known: Vec::new() }
    }

    fn dotted(&self, name: &str) -> String {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let name = if plain { name.to_owned() } else { format!("{name:?}") };
        if self.key.is_empty() { name } else { format!("{}.{name}", self.key) }
    }

    fn field(&self, name: &str, start: usize, value: &'a Spanned<DeValue<'a>>) -> Field<'a> {
        let line = self.document.line(start);
        Field { document: self.document, key: self.dotted(name), line, value: value.get_ref() }
    }

    /// Takes the value of `name`, which is a valid key from now on.
    pub fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        let at = self.entries.iter().position(|(key, ..)| *key == name)?;
        let (_, start, value) = self.entries.remove(at);
        Some(self.field(name, start, value))
    }

    /// Takes the value of `name`, which must be there.
    pub fn need(&mut self, name: &'static str) -> Result<Field<'a>> {
        let missing = self.document.wrong(self.line, &self.dotted(name), "is missing");
        self.take(name).ok_or(missing)
    }

    /// Takes every key: a table whose keys are names given by the user.
    pub fn take_all(mut self) -> Vec<(String, Field<'a>)> {
        let entries = std::mem::take(&mut self.entries);
        entries.into_iter().map(|(key, start, value)| (key.to_owned(), self.field(key, start, value))).collect()
    }

    /// Fails on the first key that nobody took.
    pub fn finish(self) -> Result<()> {
        let Some((key, start, _)) = self.entries.first() else { return Ok(()) };
        let line = self.document.line(*start);
        let error = self.document.wrong(line, &self.dotted(key), "unknown key");
        Err(match nearest(key, self.known.iter().copied()) {
            Some(meant) => error.hint(format!("did you mean {}?", self.dotted(meant))),
            None => error.hint(format!("keys here: {}", self.known.join(", "))),
        })
    }
}

impl<'a> Field<'a> {
    fn at<T>(&self, value: T) -> At<T> {
        At { value, line: self.line, key: self.key.clone() }
    }

    /// An error at this value.
    pub fn wrong(&self, what: impl std::fmt::Display) -> Error {
        self.document.wrong(self.line, &self.key, what)
    }

    fn expected(&self, what: &str) -> Error {
        self.wrong(format!("expected {what}, found {}", self.value.type_str()))
    }

    /// A string that is not empty.
    pub fn string(&self) -> Result<At<String>> {
        match self.value.as_str() {
            Some("") => Err(self.wrong("must not be empty")),
            Some(text) => Ok(self.at(text.to_owned())),
            None => Err(self.expected("a string")),
        }
    }

    /// A string that `T` can be made of.
    pub fn word<T: std::str::FromStr<Err = Error>>(&self) -> Result<At<T>> {
        let text = self.string()?;
        let value = text.value.parse().map_err(|error: Error| self.refused(&error))?;
        Ok(self.at(value))
    }

    /// `true` or `false`.
    pub fn flag(&self) -> Result<At<bool>> {
        self.value.as_bool().map(|value| self.at(value)).ok_or_else(|| self.expected("true or false"))
    }

    /// A whole number, 0 or more.
    pub fn number(&self) -> Result<At<u32>> {
        let written = self.value.as_integer().ok_or_else(|| self.expected("a number"))?;
        match i64::from_str_radix(written.as_str(), written.radix()).ok().and_then(|n| u32::try_from(n).ok()) {
            Some(value) => Ok(self.at(value)),
            None => Err(self.wrong(format!("must be a number from 0 on, not {}", written.as_str()))),
        }
    }

    /// An error of something this value was handed to.
    pub fn refused(&self, error: &Error) -> Error {
        let ours = self.wrong(error.message());
        match error.hint_text() {
            Some(hint) => ours.hint(hint),
            None => ours,
        }
    }

    /// A duration as `"30s"`, `"1h 30m"`, `"7d"`; longer than nothing.
    pub fn duration(&self) -> Result<At<Duration>> {
        let text = self.value.as_str().ok_or_else(|| self.expected("a duration such as \"30s\""))?;
        match duration::parse(text) {
            Some(value) if !value.is_zero() => Ok(self.at(value)),
            _ => {
                Err(self.wrong(format!("not a duration: {text:?}")).hint("write it as \"30s\", \"10m\" or \"1h 30m\""))
            }
        }
    }

    /// The elements of an array.
    pub fn elements(&self) -> Result<Vec<Field<'a>>> {
        let array = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let element = |(index, value): (usize, &'a Spanned<DeValue<'a>>)| Field {
            document: self.document,
            key: format!("{}[{index}]", self.key),
            line: self.document.line(value.span().start),
            value: value.get_ref(),
        };
        Ok(array.iter().enumerate().map(element).collect())
    }

    /// An array of strings.
    pub fn strings(&self) -> Result<Vec<At<String>>> {
        self.elements()?.iter().map(Field::string).collect()
    }

    /// Whether it is a string rather than a table that spells out more.
    pub fn is_string(&self) -> bool {
        self.value.is_str()
    }

    /// Whether it is an array rather than a table that spells out more.
    pub fn is_array(&self) -> bool {
        self.value.is_array()
    }

    /// A table.
    pub fn table(&self) -> Result<Table<'a>> {
        let table = self.value.as_table().ok_or_else(|| self.expected("a table"))?;
        Ok(Table::new(self.document, self.key.clone(), self.line, table))
    }
}
