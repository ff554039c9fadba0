//! The source *directory*: a tree as it is, links kept as links, databases in it copied through SQLite, what
//! cannot be read told by name.
//!
//! Not here: the order of the walk (`walk`) and reading a file that may change meanwhile ([`super::stable`]).

mod filter;
mod walk;

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use self::filter::Filter;
use self::walk::{Visit, Walk};
use super::stable::{self, Emission};
use super::{Emitted, FileId, Presence, Scope, Source, sqlite};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, DirectorySpec, Entry, EntryKind, PartKind, PathBytes, Sink, Warning};
use crate::sqlite::open::sidecar;

/// How long a database inside the tree is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// How often a database that is replaced meanwhile is read.
const TRIES: usize = 3;
/// Names that are told with a warning; the rest is counted.
const NAMED: usize = 20;
/// File names that are asked to be databases before anything opens them plainly.
const DATABASE_EXTENSIONS: [&[u8]; 6] = [b"db", b"sqlite", b"sqlite3", b"db3", b"s3db", b"sl3"];

/// A directory tree.
pub struct DirectorySource {
    spec: DirectorySpec,
    root: PathBuf,
    filter: Filter,
    estimate: u64,
}

impl DirectorySource {
    /// A tree by its spec; a relative path is meant from `base`.
    pub fn new(spec: &DirectorySpec, base: &Path) -> Result<Self> {
        let filter = Filter::new(&spec.exclude)?;
        Ok(DirectorySource { root: base.join(&spec.path), spec: spec.clone(), filter, estimate: 0 })
    }

    fn walk<'a>(&'a self, scope: &'a Scope) -> Result<Walk<'a>> {
        Walk::start(&self.root, &self.filter, &scope.excluded, self.spec.cross_mounts)
    }
}

impl Source for DirectorySource {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Directory
    }

    fn origin(&self) -> Option<PathBytes> {
        Some(PathBytes::new(&self.root))
    }

    fn estimate(&self) -> u64 {
        self.estimate
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        let shown = self.spec.path.display();
        match fs::metadata(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return if self.spec.optional {
                    Ok(Presence::Absent)
                } else {
                    Err(Error::new(ErrorKind::NotFound, "source_missing", format!("Directory not found: {shown}"))
                        .hint("check the path; mark the source as optional if it may be absent"))
                };
            }
            Err(error) => return Err(Error::at("looking at", &self.root, error)),
            Ok(meta) if !meta.is_dir() => {
                return Err(Error::usage("not_a_directory", format!("Not a directory: {shown}"))
                    .hint("name a single file with --file or `files`"));
            }
            Ok(_) => {}
        }
        if FileId::of(&self.root).is_some_and(|id| scope.excluded.contains(&id)) {
            return Err(Error::usage("destination_inside_source", format!("{shown} is the destination itself"))
                .hint("a backup cannot contain itself: choose another destination"));
        }
        let mut total = 0;
        let mut walk = self.walk(scope)?;
        while let Some(visit) = walk.next()? {
            if let Visit::Entry(entry) = visit
                && FileType::from_raw_mode(entry.stat.st_mode) == FileType::RegularFile
            {
                total += u64::try_from(entry.stat.st_size).unwrap_or(0);
            }
            scope.context.check()?;
        }
        self.estimate = total;
        Ok(Presence::Present)
    }

    fn capture(&mut self, _scope: &Scope) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let mut emission = Tree { root: &self.root, scope, sink, told: Told::default(), links: HashMap::new() };
        let mut walk = self.walk(scope)?;
        while let Some(visit) = walk.next()? {
            scope.context.check()?;
            match visit {
                Visit::Entry(entry) => emission.entry(&entry)?,
                Visit::Mount(path) => emission.told.note("mount_not_entered", &path),
                Visit::Excluded(path) => emission.told.note("destination_left_out", &path),
                Visit::Vanished(path) => emission.told.note("vanished", &path),
                Visit::Unreadable(path) => emission.told.note("unreadable", &path),
            }
        }
        Ok(emission.told.emitted(&self.spec.name))
    }
}

/// One walk's worth of emitting.
struct Tree<'a> {
    root: &'a Path,
    scope: &'a Scope,
    sink: &'a mut dyn Sink,
    told: Told,
    /// First path of every file that has several names.
    links: HashMap<FileId, PathBytes>,
}

impl Tree<'_> {
    fn entry(&mut self, found: &walk::Found<'_>) -> Result<()> {
        let stat = &found.stat;
        let mut entry = described(&found.path, stat);
        let id = FileId { device: stat.st_dev, inode: stat.st_ino };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.sink.entry(&entry, Content::None),
            FileType::Symlink => match rustix::fs::readlinkat(found.folder, found.name, Vec::new()) {
                Ok(target) => {
                    entry.target = Some(PathBytes(target.into_bytes()));
                    self.sink.entry(&entry, Content::None)
                }
                Err(error) => self.told.failed(error, &found.path),
            },
            FileType::RegularFile => {
                if self.belongs_to_a_database_source(id, found) {
                    return Ok(());
                }
                if let Some(first) = self.links.get(&id) {
                    entry.kind = EntryKind::Hardlink;
                    entry.target = Some(first.clone());
                    entry.size = 0;
                    return self.sink.entry(&entry, Content::None);
                }
                if stat.st_nlink > 1 {
                    self.links.insert(id, found.path.clone());
                }
                self.file(entry, found)
            }
            _ => {
                self.told.special(&found.path);
                Ok(())
            }
        }
    }

    /// Databases that have a source of their own, and the files that SQLite keeps beside a database.
    fn belongs_to_a_database_source(&self, id: FileId, found: &walk::Found<'_>) -> bool {
        if self.scope.databases.contains(&id) {
            return true;
        }
        let Some(main) = without_sidecar_suffix(found.name.to_bytes()) else { return false };
        let path = self.root.join(found.path.as_path()).with_file_name(std::ffi::OsStr::from_bytes(main));
        FileId::of(&path).is_some_and(|id| self.scope.databases.contains(&id) || self.is_database(&path))
    }

    /// Asked of a neighbour of a `-wal`: it is one, or it would have been backed up as ordinary bytes.
    fn is_database(&self, path: &Path) -> bool {
        crate::sqlite::open::open_source(path, Duration::ZERO).and_then(|db| crate::sqlite::facts::objects(&db)).is_ok()
    }

    fn file(&mut self, entry: Entry, found: &walk::Found<'_>) -> Result<()> {
        let path = self.root.join(found.path.as_path());
        if may_be_database(found.name.to_bytes(), &path) && self.database(&entry, &path)? {
            return Ok(());
        }
        let folder: &OwnedFd = found.folder;
        let open = || {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            rustix::fs::openat(folder, found.name, flags, Mode::empty())
        };
        match stable::emit(&entry, &open, self.sink, &self.scope.context)? {
            Emission::Whole => Ok(()),
            Emission::Changed => {
                self.told.note("changed_during_backup", &found.path);
                Ok(())
            }
            Emission::Database => {
                // Found out only now, and the plain descriptor is closed: SQLite takes over.
                if self.database(&entry, &path)? { Ok(()) } else { self.as_bytes(&entry, &open, &found.path) }
            }
            Emission::Failed(error) => self.told.failed(error, &found.path),
        }
    }

    fn as_bytes(&mut self, entry: &Entry, open: &stable::Open<'_>, path: &PathBytes) -> Result<()> {
        match stable::emit_any(entry, open, self.sink, &self.scope.context)? {
            Emission::Failed(error) => self.told.failed(error, path),
            Emission::Changed => {
                self.told.note("changed_during_backup", path);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Emits a file as the database that it is; `false` when it is none, or so damaged that only its bytes can
    /// be kept.
    fn database(&mut self, entry: &Entry, path: &Path) -> Result<bool> {
        let copy = self.scope.staging.join("nested.db");
        let snapshot = || sqlite::snapshot_file(path, &copy, BUSY, &self.scope.context);
        // Replaced while it was read: the new one is read; somebody who does that all the time is told off.
        let taken = (1..TRIES).fold(snapshot(), |taken, _| match taken {
            Err(error) if error.code() == "source_replaced" => snapshot(),
            taken => taken,
        });
        if let Err(error) = taken {
            match error.code() {
                "not_a_database" | "source_empty" | "source_encrypted" => {}
                "source_missing" => {
                    self.told.note("vanished", &entry.path);
                    return Ok(true);
                }
                "source_corrupted" => self.told.note("database_corrupted", &entry.path),
                "db_needs_write_access" => self.told.note("database_as_file", &entry.path),
                _ => return Err(error.while_(format!("copying the database {}", path.display()))),
            }
            return Ok(false);
        }
        let size = fs::metadata(&copy).map_err(|e| Error::at("looking at", &copy, e))?.len();
        let entry = Entry { size, sqlite: true, sparse: false, ..entry.clone() };
        let emitted = self.sink.entry(&entry, Content::Staged(&copy));
        let _ = fs::remove_file(&copy);
        emitted.map(|()| true)
    }
}

/// What was found on the way that a person should know.
#[derive(Default)]
struct Told {
    notes: Vec<(&'static str, u64, Vec<String>)>,
    skipped: u64,
}

impl Told {
    fn note(&mut self, code: &'static str, path: &PathBytes) {
        let known = self.notes.iter().position(|(known, ..)| *known == code);
        let at = known.unwrap_or_else(|| {
            self.notes.push((code, 0, Vec::new()));
            self.notes.len() - 1
        });
        let (_, count, names) = &mut self.notes[at];
        *count += 1;
        if names.len() < NAMED {
            names.push(path.to_string());
        }
    }

    fn special(&mut self, path: &PathBytes) {
        self.skipped += 1;
        self.note("special_files", path);
    }

    fn failed(&mut self, error: Errno, path: &PathBytes) -> Result<()> {
        match error {
            Errno::NOENT => self.note("vanished", path),
            Errno::NOSPC | Errno::DQUOT => return Err(Error::io("copying", error.into())),
            _ => self.note("unreadable", path),
        }
        Ok(())
    }

    fn emitted(self, source: &str) -> Emitted {
        let words = |code: &str| match code {
            "mount_not_entered" => "other file systems mounted inside were not entered",
            "destination_left_out" => "destinations inside were left out",
            "vanished" => "entries vanished while they were read",
            "unreadable" => "entries could not be read and are NOT in the backup",
            "changed_during_backup" => "files changed while they were read, three times in a row",
            "database_corrupted" => "damaged databases were kept as they are, byte for byte",
            "database_as_file" => "databases that could not be opened were kept as plain files",
            _ => "sockets, pipes or devices were left out",
        };
        let warnings = self.notes.iter().map(|(code, count, names)| {
            let more = if *count as usize > names.len() { ", …" } else { "" };
            Warning::new(code, format!("{source}: {count} {}: {}{more}", words(code), names.join(", ")))
        });
        Emitted { skipped: self.skipped, warnings: warnings.collect(), ..Emitted::default() }
    }
}

fn described(path: &PathBytes, stat: &Stat) -> Entry {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::File,
    };
    let size = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    Entry {
        kind,
        mode: stat.st_mode & 0o7777,
        mtime_ns: stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64),
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        sparse: kind == EntryKind::File && (stat.st_blocks.unsigned_abs() * 512) < size,
        ..Entry::file(path.clone(), size)
    }
}

fn without_sidecar_suffix(name: &[u8]) -> Option<&[u8]> {
    [&b"-wal"[..], b"-shm", b"-journal"].iter().find_map(|suffix| name.strip_suffix(*suffix))
}

fn may_be_database(name: &[u8], path: &Path) -> bool {
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    DATABASE_EXTENSIONS.contains(&extension.as_slice())
        || ["-wal", "-shm", "-journal"].iter().any(|suffix| sidecar(path, suffix).exists())
}

/// The stat of one entry, links not followed.
fn stat(folder: &OwnedFd, name: &std::ffi::CStr) -> rustix::io::Result<Stat> {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
}
