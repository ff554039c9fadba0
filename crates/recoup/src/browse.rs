//! The verb *browse*: what is in a backup, looked at without restoring it: one folder of a tree, one file, the first rows
//! of a table. A name that a caller gives is compared with the names in the backup; none is ever used as a path.
//!
//! Not here: several files as one ZIP ([`bundle`]), names in many backups ([`find`]), what is new since the backup before
//! ([`since`]), which copy is read (the engine), and what a secret is ([`crate::source::settings`]).

pub mod bundle;
pub mod find;
pub mod since;

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::format::archive::member::escape;
use crate::format::archive::reader::ArchiveReader;
use crate::format::json;
use crate::model::{Entry, EntryKind, Format, Manifest, Part, PartKind};
use crate::progress::Context;
use crate::source::settings::looks_secret;
use crate::sqlite::facts;
use crate::sqlite::open::open_private;
use crate::sqlite::schema::{failed, quote};
use crate::store::{Listed, Store};

/// What may have to be fetched, decrypted or put together only to look for names in it. More is opened on purpose.
const GLANCE: u64 = 256 << 20;
/// Things of one folder, or found by a search, that are listed at most.
const LISTED: usize = 1000;
/// Characters of a cell that are shown.
const CELL: usize = 300;

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its own name. Bytes that are no text are written as in the archive: `caf%E9`.
    pub name: String,
    /// Where it lies in the part, written the same way; what [`file()`] takes.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its length in bytes; of a folder, of all files below it.
    pub bytes: u64,
    /// Files below it, of a folder.
    pub files: u64,
    /// When it was last changed.
    pub modified: Option<Timestamp>,
    /// Where a link points.
    pub target: Option<String>,
    /// What has become of it since the backup before, where that was asked.
    pub since: Option<since::Since>,
    /// Of all that lies there, in any order: two lists of this process that have the same hold the same.
    content: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Folders first, then by name.
    pub items: Vec<Item>,
    /// There is more than is listed.
    pub more: bool,
}

/// A file, proven and open.
#[derive(Debug)]
pub struct Taken {
    /// Its bytes.
    pub file: File,
    /// Its own name.
    pub name: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// `NULL`.
    Null,
    /// A number, as SQLite writes it.
    Number(String),
    /// The first 300 characters of a text.
    Text(String),
    /// Bytes; how many.
    Blob(i64),
    /// It looks like a secret.
    Hidden,
}

/// The first rows of a table.
#[derive(Debug)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<Cell>>,
    /// There are more rows.
    pub more: bool,
}

fn part<'m>(manifest: &'m Manifest, name: &str) -> Result<&'m Part> {
    let found = manifest.parts.iter().find(|part| part.name == name && !part.absent);
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, "part_missing", "This is not in the backup"))
}

fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "file_missing", "There is no such file in the backup")
}

/// The object that holds a part, fetched and readable.
fn fetched(store: &dyn Store, manifest: &Manifest, part: &Part, scratch: &Path, context: &Context) -> Result<PathBuf> {
    manifest.opened()?;
    let named = manifest.objects.iter().find(|object| object.name == part.path);
    let object = named.or_else(|| manifest.objects.first());
    let object = object.ok_or_else(|| Error::corrupted("the manifest names no data"))?;
    store.fetch(manifest, object, scratch, context)
}

/// The archive that a tree lies in. Errors: `not_a_folder`.
fn tree(
    store: &dyn Store,
    manifest: &Manifest,
    part: &Part,
    scratch: &Path,
    context: &Context,
) -> Result<ArchiveReader> {
    if part.directory.is_none() || manifest.format != Format::Archive {
        return Err(Error::usage("not_a_folder", format!("{} is not a folder", part.name)));
    }
    ArchiveReader::open(&fetched(store, manifest, part, scratch, context)?)
}

/// Refuses a backup that would have to be fetched for long before its names can be read. Errors: `too_large_to_search`.
pub fn at_a_glance(store: &dyn Store, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.objects.iter().map(|object| object.bytes).sum::<u64>();
    let lies_there = manifest.encryption.is_none() && manifest.history.is_none() && store.staging_root().is_some();
    if lies_there || bytes <= GLANCE {
        return Ok(());
    }
    let text = format!("{} MiB would have to be fetched first, more than {} MiB", bytes >> 20, GLANCE >> 20);
    Err(Error::new(ErrorKind::Failed, "too_large_to_search", text).hint("browse this backup and search in it"))
}

/// The things of one folder of a tree (`""` is its root), or with `search` everything below it that has this in its name,
/// whether in capitals or not. Errors: `part_missing`, `file_missing`, `not_a_folder`.
pub fn list(
    store: &dyn Store,
    listed: &Listed,
    (name, folder): (&str, &str),
    search: Option<&str>,
    scratch: &Path,
    context: &Context,
) -> Result<Found> {
    let manifest = &listed.manifest;
    let part = part(manifest, name)?;
    let _held = store.hold(manifest)?;
    let mut reader = tree(store, manifest, part, scratch, context)?;
    let inside = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let search = search.map(str::to_lowercase);
    let mut found: BTreeMap<(bool, String), Item> = BTreeMap::new();
    let (mut more, mut exists) = (false, folder.is_empty());
    for entry in reader.read_entries(part)? {
        let entry = entry?;
        let path = escape(&entry.path.0);
        exists |= path == folder && entry.kind == EntryKind::Directory;
        let Some(rest) = path.strip_prefix(&inside).filter(|rest| !rest.is_empty()) else { continue };
        exists = true;
        let (key, item) = match (&search, rest.split_once('/')) {
            (Some(words), _) => {
                let own = rest.rsplit('/').next().unwrap_or(rest);
                if !own.to_lowercase().contains(words) {
                    continue;
                }
                ((entry.kind != EntryKind::Directory, rest.to_owned()), item(&entry, rest, path.clone()))
            }
            // Deeper down: its folder grows.
            (None, Some((own, _))) => {
                let key = (false, own.to_owned());
                if let Some(above) = found.get_mut(&key) {
                    above.bytes += entry.size;
                    above.content = above.content.wrapping_add(content(&entry));
                    above.files += u64::from(is_file(&entry));
                    continue;
                }
                let shape = Entry { kind: EntryKind::Directory, target: None, mtime_ns: 0, ..entry.clone() };
                let (files, content) = (u64::from(is_file(&entry)), content(&entry));
                let above = Item { files, content, ..item(&shape, own, format!("{inside}{own}")) };
                (key, above)
            }
            (None, None) => ((entry.kind != EntryKind::Directory, rest.to_owned()), item(&entry, rest, path.clone())),
        };
        if found.len() < LISTED {
            found.insert(key, item);
        } else {
            more = true;
        }
    }
    if !exists {
        return Err(missing());
    }
    Ok(Found { items: found.into_values().collect(), more })
}

fn is_file(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File | EntryKind::Hardlink)
}

fn item(entry: &Entry, name: &str, path: String) -> Item {
    let modified = Timestamp::from_nanosecond(i128::from(entry.mtime_ns)).ok().filter(|_| entry.mtime_ns != 0);
    let target = entry.target.as_ref().map(|target| escape(&target.0));
    // A folder's own time and mode say nothing about what lies in it.
    let content = if entry.kind == EntryKind::Directory { 0 } else { content(entry) };
    let (name, kind, bytes) = (name.to_owned(), entry.kind, entry.size);
    Item { name, path, kind, bytes, files: 0, modified, target, since: None, content }
}

/// What an entry is and where it lies, as a number: by its SHA-256, where it has one, else by its time.
fn content(entry: &Entry) -> u64 {
    let mut hash = DefaultHasher::new();
    let time = if entry.sha256.is_none() && is_file(entry) { entry.mtime_ns } else { 0 };
    (&entry.path, entry.kind, entry.size, &entry.sha256, &entry.target, time).hash(&mut hash);
    hash.finish()
}

/// One file of a tree, or a part that is one file (`path` is empty then): taken out into `scratch`, compared with its
/// SHA-256 and open. Errors: `part_missing`, `file_missing`, `not_a_file`.
pub fn file(
    store: &dyn Store,
    listed: &Listed,
    (name, path): (&str, &str),
    scratch: &Path,
    context: &Context,
) -> Result<Taken> {
    let manifest = &listed.manifest;
    let part = part(manifest, name)?;
    let _held = store.hold(manifest)?;
    let object = fetched(store, manifest, part, scratch, context)?;
    let last = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    if manifest.format != Format::Archive {
        if !path.is_empty() {
            return Err(missing());
        }
        crate::format::proof::is_object(
            &object,
            manifest.objects.iter().find(|one| object.ends_with(&one.name)).ok_or_else(missing)?,
            context,
        )?;
        return taken(&object, last(&part.path));
    }
    let mut reader = ArchiveReader::open(&object)?;
    let (member, sha256, own) = if part.directory.is_some() {
        let entry = entry(&mut reader, part, path)?;
        (reader.member_of(part, &entry), entry.sha256.unwrap_or_default(), last(path))
    } else if path.is_empty() {
        (part.path.clone(), part.sha256.clone(), last(&part.path))
    } else {
        return Err(missing());
    };
    let out = scratch.join("file");
    reader.extract_member(&member, &out, &sha256, context)?;
    taken(&out, own)
}

fn taken(path: &Path, name: String) -> Result<Taken> {
    let file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
    let bytes = file.metadata().map_err(|e| Error::at("looking at", path, e))?.len();
    Ok(Taken { file, name, bytes })
}

/// The file at `path`; a second name leads to the first.
fn entry(reader: &mut ArchiveReader, part: &Part, path: &str) -> Result<Entry> {
    let mut wanted = path.to_owned();
    // A hard link names a file, never another link.
    for _ in 0..2 {
        let mut entries = reader.read_entries(part)?;
        let found = entries.find(|entry| entry.as_ref().map_or(true, |entry| escape(&entry.path.0) == wanted));
        let entry = found.transpose()?.ok_or_else(missing)?;
        match (entry.kind, &entry.target) {
            (EntryKind::File, _) => return Ok(entry),
            (EntryKind::Hardlink, Some(target)) => wanted = escape(&target.0),
            _ => return Err(Error::usage("not_a_file", format!("{path} is not a file"))),
        }
    }
    Err(missing())
}

/// A part as a database file: where it lies when that can be opened, else taken out to `to`.
/// Errors: `part_missing`, `not_a_database`.
pub fn database(
    store: &dyn Store,
    listed: &Listed,
    name: &str,
    (scratch, to): (&Path, &Path),
    context: &Context,
) -> Result<PathBuf> {
    let manifest = &listed.manifest;
    let part = part(manifest, name)?;
    if part.kind != PartKind::Database || manifest.format == Format::Csv {
        return Err(Error::usage("not_a_database", format!("{name} cannot be opened as a database")));
    }
    let _held = store.hold(manifest)?;
    let object = match manifest.format {
        Format::Both => {
            let database = manifest.objects.iter().find(|object| object.name.ends_with(".db"));
            store.fetch(manifest, database.ok_or_else(missing)?, scratch, context)?
        }
        _ => fetched(store, manifest, part, scratch, context)?,
    };
    match manifest.format {
        Format::Archive => {
            ArchiveReader::open(&object)?.extract_member(&part.path, to, &part.sha256, context)?;
            Ok(to.to_owned())
        }
        Format::Json => json::import(&object, to, context).map(|_| to.to_owned()),
        _ => Ok(object),
    }
}

/// The first rows of a table of a private copy. What looks like a secret by its column, its name or its value is hidden.
/// Errors: `table_missing`.
pub fn rows(database: &Path, table: &str, limit: usize) -> Result<Rows> {
    let doing = || failed(format!("reading {table}"));
    let connection = open_private(database)?;
    if !facts::tables(&connection)?.iter().any(|known| known == table) {
        return Err(Error::new(ErrorKind::NotFound, "table_missing", "There is no such table in the backup"));
    }
    let table = quote(table);
    let names = connection.prepare(&format!("SELECT * FROM {table} LIMIT 0")).map_err(doing())?;
    let columns: Vec<String> = names.column_names().into_iter().map(str::to_owned).collect();
    // Only the beginning of what is long is read, and of bytes only their number.
    let cells = columns.iter().map(|column| {
        let column = quote(column);
        format!("typeof({column}), CASE typeof({column}) WHEN 'blob' THEN length({column}) WHEN 'text' THEN substr({column}, 1, {CELL}) ELSE {column} END")
    });
    let query = format!("SELECT {} FROM {table} LIMIT {}", cells.collect::<Vec<_>>().join(", "), limit + 1);
    let mut statement = connection.prepare(&query).map_err(doing())?;
    let mut found = statement.query([]).map_err(doing())?;
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(doing())? {
        let cell = |at: usize| -> rusqlite::Result<Cell> {
            let kind = row.get_ref(at * 2)?;
            let blob = matches!(kind, ValueRef::Text(b"blob"));
            Ok(match row.get_ref(at * 2 + 1)? {
                ValueRef::Integer(bytes) if blob => Cell::Blob(bytes),
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(number) => Cell::Number(number.to_string()),
                ValueRef::Real(number) => Cell::Number(number.to_string()),
                ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Cell::Blob(bytes.len() as i64),
            })
        };
        let mut cells = (0..columns.len()).map(cell).collect::<rusqlite::Result<Vec<_>>>().map_err(doing())?;
        hide(&columns, &mut cells);
        rows.push(cells);
    }
    let more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Rows { columns, rows, more })
}

/// Columns that hold the name of a setting, and columns that hold what it is set to.
const NAMES: [&str; 6] = ["key", "name", "option", "option_name", "setting", "variable"];
const VALUES: [&str; 5] = ["value", "val", "option_value", "setting_value", "data"];

fn hide(columns: &[String], cells: &mut [Cell]) {
    let one_of = |column: &str, known: &[&str]| known.iter().any(|name| name.eq_ignore_ascii_case(column));
    let setting = columns.iter().zip(cells.iter()).find_map(|(column, cell)| match cell {
        Cell::Text(name) if one_of(column, &NAMES) => Some(name.clone()),
        _ => None,
    });
    for (column, cell) in columns.iter().zip(cells) {
        let by_setting =
            |value: &Value| one_of(column, &VALUES) && setting.as_ref().is_some_and(|name| looks_secret(name, value));
        let name = if one_of(column, &NAMES) { "" } else { column };
        let secret = match cell {
            Cell::Null | Cell::Hidden => false,
            Cell::Text(text) => {
                let value = Value::from(text.as_str());
                looks_secret(name, &value) || by_setting(&value)
            }
            // `token_count` is a number and no secret; bytes under such a name are.
            Cell::Number(number) => by_setting(&Value::from(number.as_str())),
            Cell::Blob(_) => looks_secret(name, &Value::Null) || by_setting(&Value::Null),
        };
        if secret {
            *cell = Cell::Hidden;
        }
    }
}
