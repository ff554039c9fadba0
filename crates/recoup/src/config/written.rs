//! `recoup.toml` as written: every key of the file, with its place, nothing filled in and nothing resolved.
//! What the values mean together is [`super::meant`].

use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::destination;
use super::encryption;
use super::hooks;
use super::notify;
use super::retention::{self, Retention};
use super::schedule::{self, When};
use super::server;
use super::walk::{At, Document, Field, Table};
use crate::error::Result;
use crate::model::Format;

/// The file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub format: Option<At<Format>>,
    pub default_destinations: Option<At<Vec<At<String>>>>,
    pub retention: Option<Retention>,
    pub plans: Vec<Plan>,
    pub destinations: Vec<destination::Written>,
    pub channels: Vec<notify::Written>,
    pub server: Option<server::Written>,
}

/// `[plan.NAME]`.
#[derive(Debug)]
pub(super) struct Plan {
    pub name: At<String>,
    pub format: Option<At<Format>>,
    pub destinations: Option<At<Vec<At<String>>>>,
    /// By the index of the destination that says it.
    pub retention_at: Vec<(usize, Retention)>,
    pub compact: Option<At<bool>>,
    pub databases: Vec<Located>,
    pub directories: Vec<Located>,
    pub files: Vec<Located>,
    pub commands: Vec<Command>,
    pub settings: Option<Settings>,
    pub hooks: Option<hooks::Written>,
    pub retention: Option<Retention>,
    pub when: When,
    pub notify: Option<At<Vec<At<String>>>>,
    pub encrypt: Option<encryption::Written>,
    /// `[plan.NAME.export]`: array name and query.
    pub export: Vec<(String, At<String>)>,
}

/// A database, directory or file: a path alone, or a table.
#[derive(Debug)]
pub(super) struct Located {
    pub path: At<String>,
    pub name: Option<At<String>>,
    pub optional: bool,
    pub busy_timeout: Option<At<Duration>>,
    pub exclude: Vec<At<String>>,
    pub cross_mounts: bool,
}

/// An element of `commands`.
#[derive(Debug)]
pub(super) struct Command {
    pub name: At<String>,
    pub argv: Vec<At<String>>,
    pub timeout: Option<At<Duration>>,
}

/// `[plan.NAME.settings]`.
#[derive(Debug)]
pub(super) struct Settings {
    pub line: usize,
    pub environment: Vec<At<String>>,
    pub tables: Vec<KeyValue>,
    pub json: Vec<At<String>>,
    pub secret: Vec<At<String>>,
    pub not_secret: Vec<At<String>>,
}

/// An element of `settings.tables`.
#[derive(Debug)]
pub(super) struct KeyValue {
    pub database: At<String>,
    pub table: At<String>,
    pub key: At<String>,
    pub value: At<String>,
}

/// What an element of `databases`, `directories` and `files` may say.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Database,
    Directory,
    File,
}

impl File {
    /// Reads the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let document = Document { path, text };
        let table = DeTable::parse(text).map_err(|error| document.syntax(&error))?;
        let mut table = Table::new(document, String::new(), 1, table.get_ref());
        let mut file = File {
            format: table.take("format").map(|f| f.word()).transpose()?,
            default_destinations: destinations(&mut table)?,
            retention: table.take("retention").map(|f| retention::read(&f)).transpose()?,
            ..File::default()
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        for (name, field) in named(&mut table, "plan")? {
            file.plans.push(plan(name, &field, folder)?);
        }
        for (name, field) in named(&mut table, "destination")? {
            file.destinations.push(destination::read(name, &field, folder)?);
        }
        for (name, field) in named(&mut table, "notify")? {
            file.channels.push(notify::read(&name, &field, folder)?);
        }
        file.server = table.take("server").map(|field| server::read(&field, folder)).transpose()?;
        table.finish()?;
        Ok(file)
    }
}

/// The tables below `[plan]` or `[destination]`, by the names the user gave.
pub(super) fn named<'a>(table: &mut Table<'a>, kind: &'static str) -> Result<Vec<(At<String>, Field<'a>)>> {
    let Some(all) = table.take(kind) else { return Ok(Vec::new()) };
    let fields = all.table()?.take_all();
    Ok(fields.into_iter().map(|(value, f)| (At { value, line: f.line, key: f.key.clone() }, f)).collect())
}

fn destinations(table: &mut Table<'_>) -> Result<Option<At<Vec<At<String>>>>> {
    let Some(field) = table.take("destinations") else { return Ok(None) };
    let value = field.strings()?;
    if value.is_empty() {
        return Err(field.wrong("names no destination").hint("leave the key out to use ./backups"));
    }
    Ok(Some(At { value, line: field.line, key: field.key }))
}

/// Destinations by what they are called, and what is kept at some of them, by their index.
type Own = (Option<At<Vec<At<String>>>>, Vec<(usize, Retention)>);

/// Those of a plan: a name or a directory, or a table that also says what is kept there.
fn own_destinations(table: &mut Table<'_>) -> Result<Own> {
    let Some(field) = table.take("destinations") else { return Ok((None, Vec::new())) };
    let (mut value, mut kept) = (Vec::new(), Vec::new());
    for (at, element) in field.elements()?.iter().enumerate() {
        if element.is_string() {
            value.push(element.string()?);
            continue;
        }
        let mut table = element.table()?;
        value.push(table.need("name")?.string()?);
        if let Some(field) = table.take("retention") {
            kept.push((at, retention::read(&field)?));
        }
        table.finish()?;
    }
    if value.is_empty() {
        return Err(field.wrong("names no destination").hint("leave the key out to use ./backups"));
    }
    Ok((Some(At { value, line: field.line, key: field.key }), kept))
}

fn plan(name: At<String>, field: &Field<'_>, folder: &Path) -> Result<Plan> {
    let mut table = field.table()?;
    let (destinations, retention_at) = own_destinations(&mut table)?;
    let plan = Plan {
        name,
        format: table.take("format").map(|f| f.word()).transpose()?,
        destinations,
        retention_at,
        compact: table.take("compact").map(|f| f.flag()).transpose()?,
        databases: located(&mut table, "databases", Place::Database)?,
        directories: located(&mut table, "directories", Place::Directory)?,
        files: located(&mut table, "files", Place::File)?,
        commands: each(&mut table, "commands", command)?,
        settings: table.take("settings").map(|f| settings(&f)).transpose()?,
        hooks: table.take("hooks").map(|f| hooks::read(&f)).transpose()?,
        retention: table.take("retention").map(|f| retention::read(&f)).transpose()?,
        when: schedule::read(&mut table)?,
        notify: match table.take("notify") {
            None => None,
            Some(field) => Some(At { value: field.strings()?, line: field.line, key: field.key }),
        },
        encrypt: table.take("encrypt").map(|field| encryption::read(&field, folder)).transpose()?,
        export: match table.take("export") {
            None => Vec::new(),
            Some(export) => {
                let queries = export.table()?.take_all().into_iter();
                queries.map(|(name, field)| Ok((name, field.string()?))).collect::<Result<_>>()?
            }
        },
    };
    table.finish()?;
    Ok(plan)
}

fn each<'a, T>(table: &mut Table<'a>, key: &'static str, read: impl Fn(&Field<'a>) -> Result<T>) -> Result<Vec<T>> {
    match table.take(key) {
        None => Ok(Vec::new()),
        Some(field) => field.elements()?.iter().map(read).collect(),
    }
}

fn located(table: &mut Table<'_>, key: &'static str, place: Place) -> Result<Vec<Located>> {
    each(table, key, |field| {
        if field.is_string() {
            let path = field.string()?;
            let (busy_timeout, exclude) = (None, Vec::new());
            return Ok(Located { path, name: None, optional: false, busy_timeout, exclude, cross_mounts: false });
        }
        let mut table = field.table()?;
        let flag = |field: Option<Field<'_>>| -> Result<bool> {
            Ok(field.map(|f| f.flag()).transpose()?.is_some_and(|at| at.value))
        };
        let mut located = Located {
            path: table.need("path")?.string()?,
            name: table.take("name").map(|f| f.string()).transpose()?,
            optional: flag(table.take("optional"))?,
            busy_timeout: None,
            exclude: Vec::new(),
            cross_mounts: false,
        };
        match place {
            Place::Database => located.busy_timeout = table.take("busy_timeout").map(|f| f.duration()).transpose()?,
            Place::Directory => {
                located.exclude = table.take("exclude").map(|f| f.strings()).transpose()?.unwrap_or_default();
                located.cross_mounts = flag(table.take("cross_mounts"))?;
            }
            Place::File => {}
        }
        table.finish()?;
        Ok(located)
    })
}

fn command(field: &Field<'_>) -> Result<Command> {
    let mut table = field.table()?;
    let argv = table.need("argv")?;
    let command = Command {
        name: table.need("name")?.string()?,
        argv: argv.strings()?,
        timeout: table.take("timeout").map(|f| f.duration()).transpose()?,
    };
    if command.argv.is_empty() {
        return Err(argv.wrong("needs a program").hint("argv = [\"program\", \"argument\"]; there is no shell"));
    }
    table.finish()?;
    Ok(command)
}

fn settings(field: &Field<'_>) -> Result<Settings> {
    let mut table = field.table()?;
    let mut strings =
        |key| -> Result<Vec<At<String>>> { Ok(table.take(key).map(|f| f.strings()).transpose()?.unwrap_or_default()) };
    let (environment, json) = (strings("environment")?, strings("json")?);
    let (secret, not_secret) = (strings("secret")?, strings("not_secret")?);
    let tables = each(&mut table, "tables", |field| {
        let mut table = field.table()?;
        let row = KeyValue {
            database: table.need("database")?.string()?,
            table: table.need("table")?.string()?,
            key: table.need("key")?.string()?,
            value: table.need("value")?.string()?,
        };
        table.finish()?;
        Ok(row)
    })?;
    table.finish()?;
    Ok(Settings { line: field.line, environment, tables, json, secret, not_secret })
}
