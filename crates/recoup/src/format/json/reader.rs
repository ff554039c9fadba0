//! Reading the document, line by line and strictly: every line must be the one that its place asks for, every
//! count and hash must agree, and nothing may be missing or left over. What another program has formatted anew is
//! no longer the document.
//!
//! Not here: making a database of it ([`super::import`]). Depth, duplicate keys and sizes need no limits of their
//! own: no line may nest deeper than its form, and no line may be longer than [`MAX_LINE`].

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use data_encoding::HEXLOWER;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use sha2::{Digest, Sha256};

use super::{Coverage, End, Header, JSON_VERSION, MAX_LINE, TableFoot, TableHead};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Problem;
use crate::progress::Context;
use crate::sqlite::digest::RowsHash;
use crate::sqlite::rows::Value;

/// Reads a whole document and returns what is wrong with it: nothing, or the first thing that is. Errors are for
/// what could not be looked at: unreadable bytes, or a document of a newer version.
pub fn check(json: impl Read, context: &Context) -> Result<Vec<Problem>> {
    let read = || -> Result<()> {
        let mut document = Document::open(json, context)?;
        while document.next_event()? != Event::End {}
        Ok(())
    };
    match read() {
        Ok(()) => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            Ok(vec![Problem::new(error.code(), format!("{error}: {}", error.detail()))])
        }
        Err(error) => Err(error),
    }
}

/// What comes next in a document.
#[derive(Debug, PartialEq)]
pub enum Event {
    /// A table begins, or a query, which has no columns here.
    Table(TableHead),
    /// One row.
    Row(Vec<Value<'static>>),
    /// The table ends; the SHA-256 of its rows was right. A query has none.
    TableEnd(Option<String>),
    /// The document ends, and everything in it was right.
    End,
}

/// Where in the document the reader stands.
enum At {
    Tables,
    Rows { more: bool, hash: RowsHash, columns: usize },
    AfterTable { more: bool },
    End,
}

/// A document that is being read. Nothing in it is proven before [`Event::End`].
pub struct Document<'a, R> {
    /// What its first lines say.
    pub header: Header,
    lines: Lines<'a, R>,
    at: At,
    tables: u64,
    rows: u64,
    names: HashSet<String>,
}

impl<'a, R: Read> Document<'a, R> {
    /// Reads up to the first table.
    pub fn open(input: R, context: &'a Context) -> Result<Self> {
        let mut lines = Lines::new(input, context);
        lines.expect("{")?;
        let version: Option<u32> = lines
            .advance()?
            .strip_prefix("\"recoup_json\": ")
            .and_then(|rest| rest.strip_suffix(','))
            .and_then(|number| number.parse().ok());
        match version {
            Some(version) if version > JSON_VERSION => return Err(newer(version)),
            Some(_) => {}
            None => return Err(lines.wrong("recoup_json")),
        }
        let mut head = format!("{{{}", lines.line());
        for key in ["exported_at", "backup_type", "coverage", "database"] {
            if !lines.advance()?.starts_with(&format!("\"{key}\": ")) {
                return Err(lines.wrong(key));
            }
            head.push_str(lines.line());
        }
        let list = lines.advance()?.to_owned();
        if !matches!(list.as_str(), "\"schema\": [" | "\"queries\": [") {
            return Err(lines.wrong("schema or queries"));
        }
        head.push_str(&list);
        while lines.advance()? != "]," {
            head.push_str(lines.line());
            if head.len() > MAX_LINE {
                return Err(lines.corrupted("the schema is too long"));
            }
        }
        head.push_str("]}");
        let header: Header = lines.parse(&head)?;
        match (header.coverage, list.as_str()) {
            (Coverage::Complete, "\"schema\": [") => lines.expect("\"tables\": [")?,
            (Coverage::Curated, "\"queries\": [") => lines.expect("\"data\": {")?,
            _ => return Err(lines.corrupted("its coverage is not what it says")),
        }
        Ok(Document { header, lines, at: At::Tables, tables: 0, rows: 0, names: HashSet::new() })
    }

    /// What comes next.
    pub fn next_event(&mut self) -> Result<Event> {
        let curated = self.header.coverage == Coverage::Curated;
        match std::mem::replace(&mut self.at, At::End) {
            At::Tables => match self.lines.advance()? {
                "]," if !curated => self.end(),
                "}," if curated => self.end(),
                _ => self.table(curated),
            },
            At::AfterTable { more: true } => {
                self.lines.advance()?;
                self.table(curated)
            }
            At::AfterTable { more: false } => {
                self.lines.expect(if curated { "}," } else { "]," })?;
                self.end()
            }
            At::Rows { more, hash, columns } => self.row(curated, more, hash, columns),
            At::End => Ok(Event::End),
        }
    }

    fn table(&mut self, curated: bool) -> Result<Event> {
        let line = self.lines.line();
        let head = if curated {
            let name = line.strip_suffix(": [").ok_or_else(|| self.lines.wrong("a query"))?;
            TableHead { name: self.lines.parse(name)?, columns: Vec::new(), rowids: false }
        } else {
            let open = line.strip_suffix(",\"rows\":[").ok_or_else(|| self.lines.wrong("a table"))?;
            self.lines.parse::<TableHead>(&format!("{open}}}"))?
        };
        if !self.names.insert(head.name.clone()) {
            return Err(self.lines.corrupted(format!("table {} comes twice", head.name)));
        }
        let columns = head.columns.len() + usize::from(head.rowids);
        self.at = At::Rows { more: false, hash: RowsHash::default(), columns };
        self.tables += 1;
        Ok(Event::Table(head))
    }

    fn row(&mut self, curated: bool, more: bool, mut hash: RowsHash, columns: usize) -> Result<Event> {
        let first = hash.rows() == 0;
        self.lines.advance()?;
        let line = self.lines.line();
        if !more && line.starts_with(']') {
            return self.foot(curated, hash);
        }
        if !more && !first {
            return Err(self.lines.wrong("the end of the table"));
        }
        let (line, more) = match line.strip_suffix(',') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let values = if curated {
            self.lines.parse::<Members>(line)?.0
        } else {
            let values: Vec<Value<'static>> = self.lines.parse(line)?;
            if values.len() != columns {
                return Err(self.lines.corrupted(format!("a row of {} values, not {columns}", values.len())));
            }
            values
        };
        hash.add(line.as_bytes());
        self.at = At::Rows { more, hash, columns };
        Ok(Event::Row(values))
    }

    fn foot(&mut self, curated: bool, hash: RowsHash) -> Result<Event> {
        let line = self.lines.line();
        let (line, more) = match line.strip_suffix(',') {
            Some(line) if line != "]" || curated => (line, true),
            _ => (line, false),
        };
        let rows = hash.rows();
        let sha256 = if curated {
            if line != "]" {
                return Err(self.lines.wrong("the end of the query"));
            }
            None
        } else {
            let foot = line.strip_prefix("],").ok_or_else(|| self.lines.wrong("the end of the table"))?;
            let foot: TableFoot = self.lines.parse(&format!("{{{foot}"))?;
            if foot.count != rows {
                return Err(self.lines.corrupted(format!("{rows} rows, not {}", foot.count)));
            }
            if foot.sha256 != hash.finish() {
                return Err(self.lines.corrupted("the rows do not have the SHA-256 that is given"));
            }
            Some(foot.sha256)
        };
        self.rows += rows;
        self.at = At::AfterTable { more };
        Ok(Event::TableEnd(sha256))
    }

    fn end(&mut self) -> Result<Event> {
        self.lines.advance()?;
        let end = self.lines.line().strip_prefix("\"end\": ").ok_or_else(|| self.lines.wrong("the end"))?;
        let end: End = self.lines.parse(end)?;
        let sha256 = self.lines.digest();
        if (end.tables, end.rows) != (self.tables, self.rows) {
            return Err(self.lines.corrupted("not all tables and rows are here"));
        }
        if end.sha256 != sha256 {
            return Err(self.lines.corrupted("its bytes do not have the SHA-256 that its end gives"));
        }
        self.lines.expect("}")?;
        self.lines.nothing_more()?;
        self.at = At::End;
        Ok(Event::End)
    }
}

fn newer(version: u32) -> Error {
    Error::new(ErrorKind::Unsupported, "version_newer", "Backup from newer version, cannot restore")
        .because(format!("JSON version {version}, this build reads up to {JSON_VERSION}"))
        .hint("use a newer recoup")
}

/// The values of an object in which no key comes twice.
struct Members(Vec<Value<'static>>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row as an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let (mut keys, mut values) = (HashSet::new(), Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Value<'static>>()? {
                    if !keys.insert(key) {
                        return Err(serde::de::Error::custom("a key comes twice"));
                    }
                    values.push(value);
                }
                Ok(Members(values))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Lines, hashed when they have passed, and numbered for messages.
struct Lines<'a, R> {
    input: BufReader<R>,
    line: String,
    number: u64,
    hash: Sha256,
    unreported: u64,
    context: &'a Context,
}

impl<'a, R: Read> Lines<'a, R> {
    fn new(input: R, context: &'a Context) -> Self {
        let input = BufReader::with_capacity(1 << 18, input);
        Lines { input, line: String::new(), number: 0, hash: Sha256::new(), unreported: 0, context }
    }

    /// Goes to the next line.
    fn advance(&mut self) -> Result<&str> {
        if self.number > 0 {
            self.hash.update(self.line.as_bytes());
            self.hash.update(b"\n");
        }
        let mut bytes = std::mem::take(&mut self.line).into_bytes();
        bytes.clear();
        let limit = MAX_LINE as u64 + 1;
        self.input.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(|e| Error::io("reading JSON", e))?;
        self.number += 1;
        self.unreported += bytes.len() as u64;
        if self.unreported > 1 << 18 {
            self.context.advance(std::mem::take(&mut self.unreported))?;
        }
        match bytes.pop() {
            Some(b'\n') => {}
            _ if bytes.len() >= MAX_LINE => return Err(self.corrupted("the line is too long")),
            _ => return Err(self.corrupted("the document ends too early")),
        }
        self.line = String::from_utf8(bytes).map_err(|_| self.corrupted("not UTF-8"))?;
        Ok(&self.line)
    }

    /// The present line, without its line feed.
    fn line(&self) -> &str {
        &self.line
    }

    /// Goes to the next line, which must be this one.
    fn expect(&mut self, line: &str) -> Result<()> {
        if self.advance()? == line { Ok(()) } else { Err(self.wrong(line)) }
    }

    /// SHA-256 of all lines before the present one.
    fn digest(&self) -> String {
        HEXLOWER.encode(&self.hash.clone().finalize())
    }

    fn nothing_more(&mut self) -> Result<()> {
        match self.input.fill_buf() {
            Ok([]) => self.context.advance(self.unreported),
            Ok(_) => Err(self.corrupted("something follows the end of the document")),
            Err(error) => Err(Error::io("reading JSON", error)),
        }
    }

    fn parse<T: DeserializeOwned>(&self, json: &str) -> Result<T> {
        serde_json::from_str(json).map_err(|error| self.corrupted(error.to_string()))
    }

    fn wrong(&self, expected: &str) -> Error {
        self.corrupted(format!("expected {expected}"))
    }

    fn corrupted(&self, detail: impl fmt::Display) -> Error {
        Error::corrupted(format!("line {}: {detail}", self.number))
    }
}
