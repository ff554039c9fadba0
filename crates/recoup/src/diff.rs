//! The verb *diff*: what differs between two backups, or between a backup and the live data. Both sides are
//! first brought to the same shape in scratch: a database file per database, a contents list per directory.
//!
//! Not here: how rows are compared ([`crate::sqlite::compare`]).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::format::archive::reader::ArchiveReader;
use crate::format::{json, proof};
use crate::model::{Content, Entry, EntryKind, Format, Manifest, Part, PartKind, Sink};
use crate::progress::{Context, Phase};
use crate::source::{FileId, Presence, Scope, SourceFactory};
use crate::sqlite::compare;
use crate::store::{Listed, Store};

/// Names shown per directory.
const EXAMPLES: usize = 20;

/// Differences, part by part. Parts without differences are listed with zeros, so that a reader sees that
/// they were compared.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Databases that both or either side has.
    pub databases: Vec<DatabaseDiff>,
    /// Directories that both or either side has; single files, settings and command outputs count as
    /// directories with one entry.
    pub directories: Vec<DirectoryDiff>,
}

/// One database.
#[derive(Debug, Default, Serialize)]
pub struct DatabaseDiff {
    /// Name of the source.
    pub name: String,
    /// Tables with differences.
    pub tables: Vec<compare::TableChange>,
    /// Schema objects that differ, as `+ index videos_ext`, `- table old`, `~ view recent`.
    pub schema: Vec<String>,
}

/// One directory: numbers of entries, and a few names of each.
#[derive(Debug, Default, Serialize)]
pub struct DirectoryDiff {
    /// Name of the source.
    pub name: String,
    /// Entries only on the right.
    pub added: u64,
    /// Entries only on the left.
    pub removed: u64,
    /// Entries with other bytes, kind, mode or link target.
    pub changed: u64,
    /// The first twenty, as `+ path`, `- path`, `~ path`.
    pub examples: Vec<String>,
}

/// The right-hand side.
pub enum Right<'a> {
    /// Another backup.
    Backup(&'a dyn Store, &'a Listed),
    /// The live data: the sources as they are now.
    Live(&'a [SourceFactory]),
}

/// One side in its common shape, by part name.
#[derive(Default)]
pub(crate) struct Side {
    /// Database files.
    pub databases: BTreeMap<String, PathBuf>,
    /// Contents lists.
    pub lists: BTreeMap<String, PathBuf>,
}

/// Compares `left` with `right`. `scratch` is a private directory with room for both sides' databases.
pub fn run(store: &dyn Store, left: &Listed, right: Right<'_>, scratch: &Path, context: &Context) -> Result<Report> {
    let _held = store.hold(&left.manifest)?;
    let _held_too = match right {
        Right::Backup(store, listed) => store.hold(&listed.manifest)?,
        Right::Live(_) => None,
    };
    let secrets = left.manifest.has_secrets();
    let left = of_backup(store, left, &folder(scratch, "left")?, context)?;
    let place = folder(scratch, "right")?;
    let right = match right {
        Right::Backup(store, listed) => of_backup(store, listed, &place, context)?,
        Right::Live(sources) => of_live(sources, Vec::new(), secrets, &place, context)?,
    };
    compare_sides(&left, &right, scratch, context)
}

/// Compares two sides in their common shape.
pub(crate) fn compare_sides(left: &Side, right: &Side, scratch: &Path, context: &Context) -> Result<Report> {
    context.observer.phase(Phase::Compare, "", None);
    let mut report = Report::default();
    let empty = scratch.join("empty.db");
    let names: BTreeSet<&String> = left.databases.keys().chain(right.databases.keys()).collect();
    for name in names {
        if !empty.exists() {
            drop(crate::sqlite::open::open_scratch(&empty)?);
        }
        let side = |side: &Side| side.databases.get(name).cloned().unwrap_or_else(|| empty.clone());
        let (tables, schema) = compare::compare(&side(left), &side(right), context)?;
        report.databases.push(DatabaseDiff { name: name.clone(), tables, schema });
    }
    let names: BTreeSet<&String> = left.lists.keys().chain(right.lists.keys()).collect();
    for name in names {
        report.directories.push(directory(name, left.lists.get(name), right.lists.get(name), context)?);
    }
    Ok(report)
}

/// A private folder in `scratch`.
pub(crate) fn folder(scratch: &Path, name: &str) -> Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let path = scratch.join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&path).map_err(|e| Error::at("creating", &path, e))?;
    Ok(path)
}

fn of_backup(store: &dyn Store, listed: &Listed, scratch: &Path, context: &Context) -> Result<Side> {
    let manifest = &listed.manifest;
    manifest.opened()?;
    let mut side = Side::default();
    let wanted = if manifest.format == Format::Both { ".db" } else { "" };
    let object = manifest.objects.iter().find(|object| object.name.ends_with(wanted));
    let object = object.ok_or_else(|| Error::corrupted("the manifest names no data"))?;
    let path = store.fetch(manifest, object, scratch, context)?;
    match manifest.format {
        Format::Archive => of_archive(manifest, &mut ArchiveReader::open(&path)?, scratch, &mut side, context)?,
        Format::Database | Format::Both => {
            side.databases.extend(manifest.parts.first().map(|part| (part.name.clone(), path)));
        }
        Format::Json => {
            let target = scratch.join("imported.db");
            json::import(&path, &target, context)?;
            side.databases.extend(manifest.parts.first().map(|part| (part.name.clone(), target)));
        }
        Format::Csv => {
            return Err(Error::new(ErrorKind::Unsupported, "csv_not_comparable", "A CSV export cannot be compared")
                .hint("CSV is an export for other tools; compare a backup in another format"));
        }
    }
    Ok(side)
}

/// The parts of an archive in their common shape.
pub(crate) fn of_archive(
    manifest: &Manifest,
    reader: &mut ArchiveReader,
    scratch: &Path,
    side: &mut Side,
    context: &Context,
) -> Result<()> {
    for part in manifest.parts.iter().filter(|part| !part.absent) {
        match part.kind {
            PartKind::Database => {
                let target = scratch.join(format!("{}.db", part.name));
                reader.extract_member(&part.path, &target, &part.sha256, context)?;
                side.databases.insert(part.name.clone(), target);
            }
            PartKind::Directory | PartKind::Application => {
                let mut list = List::create(scratch, &part.name)?;
                for entry in reader.read_entries(part)? {
                    list.write(&entry?)?;
                }
                side.lists.insert(part.name.clone(), list.finish()?);
            }
            PartKind::File | PartKind::Settings | PartKind::Command => {
                let mut list = List::create(scratch, &part.name)?;
                let name = part.path.rsplit('/').next().unwrap_or(&part.path);
                list.write(&Entry { sha256: Some(part.sha256.clone()), ..Entry::file(name, part.bytes) })?;
                side.lists.insert(part.name.clone(), list.finish()?);
            }
        }
    }
    Ok(())
}

/// Reads the live sources exactly as a backup would, but keeps hashes instead of bytes.
/// `excluded` are destinations that may lie in a directory; `secrets` tells whether the backup has secret settings.
pub(crate) fn of_live(
    factories: &[SourceFactory],
    excluded: Vec<FileId>,
    secrets: bool,
    scratch: &Path,
    context: &Context,
) -> Result<Side> {
    let mut sources = factories.iter().map(|make| make()).collect::<Result<Vec<_>>>()?;
    let mut scope = Scope::of(&sources, scratch, excluded, context);
    scope.secrets = secrets;
    let mut present = Vec::new();
    for source in &mut sources {
        present.push(source.begin(&scope)?);
    }
    context.observer.phase(Phase::Capture, "live data", Some(sources.iter().map(|source| source.estimate()).sum()));
    let mut side = Side::default();
    for (source, _) in sources.iter_mut().zip(&present).filter(|(_, presence)| **presence == Presence::Present) {
        source.capture(&scope)?;
    }
    for (source, _) in sources.iter_mut().zip(&present).filter(|(_, presence)| **presence == Presence::Present) {
        let plain = matches!(source.kind(), PartKind::File | PartKind::Settings | PartKind::Command);
        let rows = source.kind() == PartKind::Database;
        let list = List::create(scratch, source.name())?;
        let mut sink = Live { list, database: None, plain, rows, last: 0, context };
        source.emit(&scope, &mut sink)?;
        match sink.database {
            Some(path) if source.kind() == PartKind::Database => {
                side.databases.insert(source.name().to_owned(), path);
            }
            _ => {
                side.lists.insert(source.name().to_owned(), sink.list.finish()?);
            }
        }
    }
    Ok(side)
}

/// Whether the sources hold exactly what a backup holds, byte for byte: hashes of everything are compared, so that a file
/// with the same size and time is still read. The same data in another place is not the same: restored, it would go to
/// where it came from. `excluded` are destinations, which may lie in a directory. A JSON or CSV export never counts.
pub fn is_unchanged(
    factories: &[SourceFactory],
    excluded: Vec<FileId>,
    manifest: &Manifest,
    scratch: &Path,
    context: &Context,
) -> Result<bool> {
    if matches!(manifest.format, Format::Json | Format::Csv) || !same_places(factories, manifest)? {
        return Ok(false);
    }
    let live = of_live(factories, excluded, manifest.has_secrets(), scratch, context)?;
    let there: BTreeSet<&String> = live.databases.keys().chain(live.lists.keys()).collect();
    let stored: BTreeSet<&String> = manifest.parts.iter().filter(|part| !part.absent).map(|part| &part.name).collect();
    if there != stored {
        return Ok(false);
    }
    for part in manifest.parts.iter().filter(|part| !part.absent) {
        let found = match (live.databases.get(&part.name), live.lists.get(&part.name)) {
            (Some(copy), _) => proof::hash_file(copy, context)?.1,
            (None, Some(list)) if part.directory.is_some() => proof::hash_file(list, context)?.1,
            (None, Some(list)) => {
                let entry = Entries::open(Some(list))?.next()?;
                entry.and_then(|entry| entry.sha256).unwrap_or_default()
            }
            (None, None) => return Ok(false),
        };
        if found != part.sha256 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the sources are those of the backup: the same names, of the same kinds, from the same places.
fn same_places(factories: &[SourceFactory], manifest: &Manifest) -> Result<bool> {
    let sources = factories.iter().map(|make| make()).collect::<Result<Vec<_>>>()?;
    let same = |part: &Part| {
        let source = sources.iter().find(|source| source.name() == part.name);
        source.is_some_and(|source| source.kind() == part.kind && source.origin() == part.origin)
    };
    Ok(sources.len() == manifest.parts.len() && manifest.parts.iter().all(same))
}

/// Keeps what `diff` needs of live entries.
struct Live<'a> {
    list: List,
    database: Option<PathBuf>,
    plain: bool,
    /// Compared by rows, so that nobody asks for a hash.
    rows: bool,
    last: u64,
    context: &'a Context,
}

impl Sink for Live<'_> {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let mut entry = entry.clone();
        match content {
            Content::None => {}
            Content::Staged(path) => {
                self.database = Some(path.to_owned());
                if self.rows {
                    return Ok(());
                }
                let mut file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
                (entry.size, entry.sha256) = hash(&mut file, self.context)?;
            }
            Content::Stream(stream) => (entry.size, entry.sha256) = hash(stream, self.context)?,
        }
        if self.plain {
            let name = entry.path.as_path().file_name().map(PathBuf::from).unwrap_or_default();
            entry = Entry { sha256: entry.sha256, ..Entry::file(crate::model::PathBytes::new(name), entry.size) };
        }
        self.last = self.list.written;
        self.list.write(&entry)
    }

    fn retract(&mut self) -> Result<()> {
        self.list.cut(self.last)
    }
}

fn hash(stream: &mut dyn Read, context: &Context) -> Result<(u64, Option<String>)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut length = 0;
    loop {
        let n = stream.read(&mut buffer).map_err(|e| Error::io("reading live data", e))?;
        if n == 0 {
            return Ok((length, Some(HEXLOWER.encode(&hash.finalize()))));
        }
        hash.update(&buffer[..n]);
        length += n as u64;
        context.advance(n as u64)?;
    }
}

/// A contents list in scratch: one JSON line per entry.
struct List {
    path: PathBuf,
    file: BufWriter<File>,
    written: u64,
}

impl List {
    fn create(scratch: &Path, name: &str) -> Result<Self> {
        let path = scratch.join(format!("{name}.entries.jsonl"));
        let file = File::create_new(&path).map_err(|e| Error::at("creating", &path, e))?;
        Ok(List { path, file: BufWriter::new(file), written: 0 })
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)
            .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write a contents list").because(e))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| Error::at("writing", &self.path, e))?;
        self.written += line.len() as u64;
        Ok(())
    }

    fn cut(&mut self, length: u64) -> Result<()> {
        use std::io::Seek;
        let at = |e| Error::at("writing", &self.path, e);
        self.file.seek(io::SeekFrom::Start(length)).map_err(at)?;
        self.file.get_ref().set_len(length).map_err(at)?;
        self.written = length;
        Ok(())
    }

    fn finish(mut self) -> Result<PathBuf> {
        self.file.flush().map_err(|e| Error::at("writing", &self.path, e))?;
        Ok(self.path)
    }
}

/// Entries of a list in order; an absent list has none.
struct Entries(Option<io::Lines<BufReader<File>>>);

impl Entries {
    fn open(path: Option<&PathBuf>) -> Result<Self> {
        let Some(path) = path else { return Ok(Entries(None)) };
        let file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
        Ok(Entries(Some(BufReader::new(file).lines())))
    }

    fn next(&mut self) -> Result<Option<Entry>> {
        let Some(line) = self.0.as_mut().and_then(|lines| lines.next()) else { return Ok(None) };
        let line = line.map_err(|e| Error::io("reading a contents list", e))?;
        serde_json::from_str(&line).map(Some).map_err(|e| Error::corrupted(format!("contents list: {e}")))
    }
}

/// Merges two lists. Both are in the order of a depth-first walk with sorted names, which is the order of
/// the paths compared name by name.
fn directory(name: &str, left: Option<&PathBuf>, right: Option<&PathBuf>, context: &Context) -> Result<DirectoryDiff> {
    let mut diff = DirectoryDiff { name: name.to_owned(), ..DirectoryDiff::default() };
    let (mut left, mut right) = (Entries::open(left)?, Entries::open(right)?);
    let (mut a, mut b) = (left.next()?, right.next()?);
    loop {
        context.check()?;
        let order = match (&a, &b) {
            (None, None) => return Ok(diff),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => names(a).cmp(names(b)),
        };
        let (sign, entry) = match order {
            Ordering::Less => ('-', a.as_ref()),
            Ordering::Greater => ('+', b.as_ref()),
            Ordering::Equal if a.as_ref().map(essence) != b.as_ref().map(essence) => ('~', b.as_ref()),
            Ordering::Equal => (' ', None),
        };
        match sign {
            '-' => diff.removed += 1,
            '+' => diff.added += 1,
            '~' => diff.changed += 1,
            _ => {}
        }
        if let Some(entry) = entry
            && diff.examples.len() < EXAMPLES
        {
            // The root of a tree has the empty path; people call it a dot.
            let root = entry.path.0.is_empty();
            diff.examples.push(if root { format!("{sign} .") } else { format!("{sign} {}", entry.path) });
        }
        if order != Ordering::Greater {
            a = left.next()?;
        }
        if order != Ordering::Less {
            b = right.next()?;
        }
    }
}

fn names(entry: &Entry) -> impl Iterator<Item = &[u8]> {
    entry.path.0.split(|byte| *byte == b'/')
}

/// What makes an entry another entry. Times do not: a file that was touched holds the same data.
fn essence(entry: &Entry) -> (EntryKind, u32, Option<&String>, Option<&[u8]>) {
    let mode = if entry.kind == EntryKind::Symlink { 0 } else { entry.mode };
    (entry.kind, mode, entry.sha256.as_ref(), entry.target.as_ref().map(|target| target.0.as_slice()))
}
