//! The way back of settings: what would have to be written so that they are those of a backup. Nothing is written
//! here, so that the same answer serves as preview and as order.
//!
//! Not here: writing tables ([`super::apply`]) and files (the restore does that with all others), and setting the
//! environment of another process, which nobody can: those lines are for a person.
//!
//! One rule for secrets: what the backup does not have (they are only in encrypted ones) and Recoup would leave out of a
//! backup of the live settings stays as it is there, since no safety backup could bring it back. Everything else becomes what the backup has: what only the live settings
//! have goes, unless there is a secret in it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::{Document, TableOrigin};
use super::merge::{Merge, is_below, is_empty};
use super::secret::Secrets;
use super::shown::Shown;
use super::table::Table;
use super::{Environment, LARGEST, parse};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{PathBytes, SettingsSpec};
use crate::progress::Context;

/// What has to be written so that settings are those of a backup.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsChange {
    /// New contents of JSON files; files that are right already are not among them. Members are in alphabetical
    /// order.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Key/value tables with differences.
    pub tables: Vec<TableRows>,
    /// Lines of an environment file (`KEY="value"`), as shells and systemd read it; empty when there are none.
    pub environment: String,
    /// Secrets that the backup does not have and that are not there now: somebody must enter them again.
    pub missing: Vec<String>,
    /// What would be different, one line each, without any secret: `~ settings.json: theme: "light" → "dark"`.
    pub differences: Vec<String>,
}

/// What to write into one key/value table.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRows {
    /// The database, absolute.
    pub database: PathBuf,
    /// Table name.
    pub table: String,
    /// Column that holds the key.
    pub key: String,
    /// Column that holds the value.
    pub value: String,
    /// Every key of the backup with its value as the document writes it.
    pub set: Vec<(String, Value)>,
    /// Keys that the backup does not have. No secrets are among them.
    pub remove: Vec<String>,
}

/// Reads a settings document and the live settings, and tells what would have to be written: all of it or an error.
/// Places are those of `spec` where it names them, relative ones from `base`, else those that the document tells.
/// Files, databases and tables that are not there count as empty: they may come back with the same restore.
///
/// Errors: `backup_corrupted`, `version_newer`, `settings_origin_unknown` when nothing tells where settings belong,
/// and whatever hinders reading the live ones.
pub fn plan(
    document: &[u8],
    spec: Option<&SettingsSpec>,
    base: &Path,
    environment: &Environment,
    context: &Context,
) -> Result<SettingsChange> {
    let document = Document::read(document)?;
    let secrets = match spec {
        Some(spec) => Secrets::new(&spec.secret, &spec.not_secret)?,
        None => Secrets::new(&document.origins.secret, &[])?,
    };
    let places = Places::new(&document, spec, base)?;
    let mut work = Work { shown: Shown::new(&secrets), secrets: &secrets, change: SettingsChange::default() };
    let mut left_out: BTreeSet<&str> = document.left_out.iter().map(String::as_str).collect();
    for (label, rows) in &document.tables {
        context.check()?;
        let secret = take_below(&mut left_out, label, &document);
        work.table(label, places.table(label)?, rows, &secret, context)?;
    }
    for (name, wanted) in &document.json {
        context.check()?;
        let secret = take_below(&mut left_out, name, &document);
        work.file(name, places.file(name)?, wanted, &secret)?;
    }
    work.environment(&document, &left_out, environment);
    work.change.missing.sort();
    Ok(work.change)
}

/// Takes those names out of `all` that belong to this label and to no longer one.
fn take_below<'a>(all: &mut BTreeSet<&'a str>, label: &str, document: &Document) -> BTreeSet<&'a str> {
    let labels: Vec<&String> = document.tables.keys().chain(document.json.keys()).collect();
    let belongs = |name: &str| {
        let below = |label: &str| name == label || is_below(name, label);
        below(label) && !labels.iter().any(|other| other.len() > label.len() && below(other))
    };
    let taken: BTreeSet<&str> = all.iter().copied().filter(|name| belongs(name)).collect();
    all.retain(|name| !taken.contains(name));
    taken
}

/// `Cannot restore while database is in use`.
pub(super) fn in_use(error: Error, database: &PathBytes) -> Error {
    Error::new(ErrorKind::Busy, "db_in_use_restore", "Cannot restore while database is in use")
        .because(error)
        .hint(format!("something holds {database}; stop it, or try again when it is done"))
}

/// Where settings belong.
struct Places<'a> {
    document: &'a Document,
    tables: Vec<Table>,
    files: Vec<(String, PathBuf)>,
}

impl<'a> Places<'a> {
    fn new(document: &'a Document, spec: Option<&SettingsSpec>, base: &Path) -> Result<Self> {
        let mut places = Places { document, tables: Vec::new(), files: Vec::new() };
        for wanted in spec.map_or(&[][..], |spec| &spec.tables) {
            places.tables.push(Table::new(wanted, base)?);
        }
        for path in spec.map_or(&[][..], |spec| &spec.json) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let path = base.join(path);
            places.files.push((name, std::path::absolute(&path).map_err(|e| Error::at("finding", &path, e))?));
        }
        Ok(places)
    }

    fn table(&self, label: &str) -> Result<TableOrigin> {
        let configured = self.tables.iter().find(|table| table.label == label).map(Table::origin);
        configured.or_else(|| self.document.origins.tables.get(label).cloned()).ok_or_else(|| unknown(label))
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        let configured = self.files.iter().find(|(other, _)| other == name).map(|(_, path)| path.clone());
        let origin = || self.document.origins.json.get(name).map(PathBytes::to_path_buf);
        configured.or_else(origin).ok_or_else(|| unknown(name))
    }
}

fn unknown(label: &str) -> Error {
    let text = format!("The backup does not say where the settings {label} belong");
    Error::new(ErrorKind::Usage, "settings_origin_unknown", text)
        .hint("name them in the plan's settings, or restore to a new place with --to and copy them by hand")
}

struct Work<'a> {
    secrets: &'a Secrets,
    shown: Shown<'a>,
    change: SettingsChange,
}

impl Work<'_> {
    fn table(
        &mut self,
        label: &str,
        origin: TableOrigin,
        wanted: &std::collections::BTreeMap<String, Value>,
        left_out: &BTreeSet<&str>,
        context: &Context,
    ) -> Result<()> {
        let mut table = Table::of(label, origin.clone());
        let live = match table.hold(context) {
            Ok(()) => table.rows(LARGEST, context)?,
            Err(error) if matches!(error.code(), "source_missing" | "settings_table_missing") => Vec::new(),
            Err(error) if error.kind() == ErrorKind::Busy => return Err(in_use(error, &origin.database)),
            Err(error) => return Err(error),
        };
        let mut set: Vec<(String, Value)> = Vec::new();
        let mut differs = false;
        for (key, value) in wanted {
            let there = live.iter().find(|(other, ..)| other == key).map(|(_, _, value)| value);
            differs |= there != Some(value);
            self.change.differences.extend(self.shown.line(label, key, key, there, Some(value)));
            set.push((key.clone(), value.clone()));
        }
        let mut remove: Vec<String> = Vec::new();
        for (key, text, value) in &live {
            let place = format!("{label}.{key}");
            let secret = left_out.contains(place.as_str()) || self.secrets.is(OsStr::new(key), text);
            if wanted.contains_key(key) || secret || remove.contains(key) {
                continue;
            }
            self.change.differences.extend(self.shown.line(label, key, key, Some(value), None));
            remove.push(key.clone());
        }
        for name in left_out {
            let there = live.iter().any(|(key, text, _)| {
                name.strip_prefix(label).and_then(|rest| rest.strip_prefix('.')) == Some(key) && !is_empty(text)
            });
            if !there {
                self.change.missing.push((*name).to_owned());
            }
        }
        if differs || !remove.is_empty() {
            let TableOrigin { database, table, key, value } = origin;
            let database = database.to_path_buf();
            self.change.tables.push(TableRows { database, table, key, value, set, remove });
        }
        Ok(())
    }

    fn file(&mut self, name: &str, path: PathBuf, wanted: &Value, left_out: &BTreeSet<&str>) -> Result<()> {
        let live = match parse(&path) {
            Ok(live) => Some(live),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) if error.code() == "settings_not_json" => {
                self.change.differences.push(format!("~ {name}: is not JSON now and is replaced as a whole"));
                None
            }
            Err(error) => return Err(error),
        };
        let mut merge = Merge::new(self.secrets, left_out);
        let mut new = wanted.clone();
        if let Some(live) = &live {
            merge.keep(&mut new, live, name);
        }
        let missing = left_out.iter().filter(|place| !merge.kept.contains(**place));
        self.change.missing.extend(missing.map(|place| (*place).to_owned()));
        if live.as_ref() == Some(&new) {
            return Ok(());
        }
        self.shown.tree(name, "", live.as_ref(), Some(&new), &mut self.change.differences);
        let mut bytes = serde_json::to_vec_pretty(&new).map_err(|e| Error::io("writing the settings", e.into()))?;
        bytes.push(b'\n');
        self.change.files.push((path, bytes));
        Ok(())
    }

    /// `left_out` are the names that belong to nothing else.
    fn environment(&mut self, document: &Document, left_out: &BTreeSet<&str>, environment: &Environment) {
        let live: Vec<(OsString, OsString)> = environment();
        let of = |name: &str| live.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        for (name, PathBytes(value)) in &document.environment {
            let there = of(name).map(|value| Value::from(value.to_string_lossy()));
            let wanted = Value::from(OsString::from_vec(value.clone()).to_string_lossy());
            if of(name).map(|value| value.as_bytes()) != Some(value) {
                self.change.differences.extend(self.shown.line(
                    "environment",
                    name,
                    name,
                    there.as_ref(),
                    Some(&wanted),
                ));
            }
            self.change.environment.push_str(&env_line(name, value));
        }
        for name in left_out {
            if of(name).is_none_or(|value| value.is_empty()) {
                self.change.missing.push((*name).to_owned());
            }
            let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.change.environment.push_str(&format!("# {name}= was left out of the backup as a secret\n"));
        }
    }
}

/// One line. Within double quotes shells (POSIX 2.2.3) and systemd (systemd.exec(5), `EnvironmentFile=`) take a
/// backslash before these four characters for the character.
fn env_line(name: &str, value: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(value) else {
        return format!("# {name}= has a value that is not text: see settings.json\n");
    };
    let mut quoted = String::new();
    for character in text.chars() {
        if matches!(character, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !name.as_bytes()[0].is_ascii_digit();
    let out = if is_name { "" } else { "# " };
    // A comment ends with its line.
    if !is_name && quoted.contains(['\n', '\r']) {
        return format!("# {name}= has a value of several lines: see settings.json\n");
    }
    format!("{out}{name}=\"{quoted}\"\n")
}
