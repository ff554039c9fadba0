//! Emitting what a walk meets: links, files, further names of the same file, databases.
//!
//! Not here: which way the walk goes ([`super::walk`]) and how a file's bytes are read ([`super::read`]).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, accessat, openat, readlinkat, statat};

use super::findings::Findings;
use super::read::{self, Outcome, SQLITE_MAGIC, Seen, TRIES};
use super::walk::{Step, Walk};
use crate::error::{Error, Result};
use crate::model::{Content, Entry, EntryKind, PathBytes, Sink};
use crate::progress::Context;
use crate::source::{FileId, sqlite};
use crate::sqlite::open::sidecar;

/// How long a database inside a directory is waited for.
const DATABASE_BUSY: Duration = Duration::from_secs(30);

/// Names that are taken for databases before anybody looks inside.
const DATABASE_EXTENSIONS: [&str; 6] = ["db", "sqlite", "sqlite3", "db3", "s3db", "sl3"];

/// Never through a link, never waiting for the other end of a pipe.
const OPEN_FILE: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// Bytes of the smallest page (<https://www.sqlite.org/fileformat2.html>, 1.3.2). SQLite takes what is shorter
/// for an empty database, whatever is in it.
const SMALLEST_DATABASE: u64 = 512;

/// The longest path that SQLite opens, links resolved, with room for `-journal`
/// (`MAX_PATHNAME` in <https://www.sqlite.org/src/file/src/os_unix.c>).
const LONGEST_DATABASE_PATH: usize = 504;

/// The longest name of which `<name>-journal` is still a file name.
const LONGEST_DATABASE_NAME: usize = 255 - 8;

/// One emission in progress.
pub(super) struct Tree<'a> {
    root: PathBuf,
    walk: Walk<'a>,
    sink: &'a mut dyn Sink,
    context: &'a Context,
    /// Where a database is copied to before it is emitted.
    staged: PathBuf,
    buffer: Vec<u8>,
    /// The first name of every file that has several.
    names: HashMap<FileId, PathBytes>,
}

impl<'a> Tree<'a> {
    pub fn new(root: &'a Path, walk: Walk<'a>, sink: &'a mut dyn Sink, context: &'a Context, staged: PathBuf) -> Self {
        // As SQLite will see it; below the root no link is followed.
        let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
        Tree { root, walk, sink, context, staged, buffer: Vec::new(), names: HashMap::new() }
    }

    /// Emits all that the walk meets, and tells what was met.
    pub fn take_all(&mut self) -> Result<&Findings> {
        while let Some(step) = self.walk.next()? {
            self.take(step)?;
        }
        Ok(&self.walk.findings)
    }

    fn take(&mut self, step: Step) -> Result<()> {
        let path = self.walk.path();
        match step.seen.kind {
            FileType::Directory => self.sink.entry(&step.seen.entry(path, EntryKind::Directory), Content::None),
            FileType::Symlink => self.link(step.seen, path),
            FileType::RegularFile => self.regular(step, path),
            _ => {
                self.walk.findings.add("special_files", &path);
                Ok(())
            }
        }
    }

    fn link(&mut self, seen: Seen, path: PathBytes) -> Result<()> {
        let Some((directory, name)) = self.walk.place() else { return Ok(()) };
        match readlinkat(directory, name, Vec::new()) {
            Ok(target) => {
                let mut entry = seen.entry(path, EntryKind::Symlink);
                entry.target = Some(PathBytes(target.into_bytes()));
                self.sink.entry(&entry, Content::None)
            }
            // EINVAL: it is no link any more.
            Err(rustix::io::Errno::INVAL) => self.walk.failed(io::ErrorKind::NotFound.into()),
            Err(error) => self.walk.failed(error.into()),
        }
    }

    fn regular(&mut self, step: Step, path: PathBytes) -> Result<()> {
        let several = step.seen.links > 1;
        if several && let Some(first) = self.names.get(&step.seen.id) {
            let mut entry = step.seen.entry(path, EntryKind::Hardlink);
            entry.target = Some(first.clone());
            entry.sparse = false;
            return self.sink.entry(&entry, Content::None);
        }
        // An empty file is opened by nobody: SQLite takes it for an empty database, and it may be one.
        let candidate = step.has_sidecar || has_database_name(path.as_path());
        let kept = if candidate && step.seen.size == 0 {
            self.sink.entry(&step.seen.entry(path.clone(), EntryKind::File), Content::Stream(&mut io::empty()))?;
            true
        } else if candidate && step.seen.size >= SMALLEST_DATABASE {
            self.database(step.seen, &path)?
        } else {
            self.plain(&path, !candidate)?
        };
        if several && kept {
            self.names.insert(step.seen.id, path);
        }
        Ok(())
    }

    /// Emits the bytes as they lie there. Whether something was emitted.
    fn plain(&mut self, path: &PathBytes, databases: bool) -> Result<bool> {
        let Some((directory, name)) = self.walk.place() else { return Ok(false) };
        let open = || Ok(File::from(openat(directory, name, OPEN_FILE, Mode::empty())?));
        match read::file(&open, path, databases, &mut self.buffer, &mut *self.sink, self.context)? {
            Outcome::Kept => Ok(true),
            Outcome::Changed => {
                self.walk.findings.add("changed_during_backup", path);
                Ok(true)
            }
            Outcome::Failed(error) => self.walk.failed(error).map(|()| false),
            Outcome::Database => {
                let seen = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => Seen::new(&stat),
                    Err(error) => return self.walk.failed(error.into()).map(|()| false),
                };
                self.database(seen, path)
            }
        }
    }

    /// Copies a database through SQLite, without ever opening it plainly before: closing a plain descriptor
    /// would drop the locks that another connection of this process may hold
    /// (<https://www.sqlite.org/howtocorrupt.html>, 2.2).
    fn database(&mut self, mut seen: Seen, path: &PathBytes) -> Result<bool> {
        let origin = self.root.join(path.as_path());
        let name = path.as_path().file_name().unwrap_or_default();
        if origin.as_os_str().len() > LONGEST_DATABASE_PATH || name.len() > LONGEST_DATABASE_NAME {
            return self.too_long(path);
        }
        for _ in 0..TRIES {
            let _ = fs::remove_file(&self.staged);
            if let Err(error) = sqlite::snapshot_file(&origin, &self.staged, DATABASE_BUSY, self.context) {
                return self.no_snapshot(error, path, &origin);
            }
            // SQLite opens by path: it must have been the file that we looked at, and not one behind a link.
            let Some((directory, name)) = self.walk.place() else { break };
            let now = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Seen::new(&stat));
            match now {
                Ok(now) if now.id == seen.id && FileId::of(&origin) == Some(seen.id) => {
                    let emitted = self.snapshot(&now, path);
                    let _ = fs::remove_file(&self.staged);
                    return emitted.map(|()| true);
                }
                Ok(now) if now.kind == FileType::RegularFile => seen = now,
                _ => break,
            }
        }
        let _ = fs::remove_file(&self.staged);
        self.walk.findings.add("vanished", path);
        Ok(false)
    }

    fn snapshot(&mut self, seen: &Seen, path: &PathBytes) -> Result<()> {
        let size = fs::metadata(&self.staged).map_err(|e| Error::at("looking at", &self.staged, e))?.len();
        let entry = Entry { size, sqlite: true, sparse: false, ..seen.entry(path.clone(), EntryKind::File) };
        self.sink.entry(&entry, Content::Staged(&self.staged))?;
        self.walk.leave_sidecars_out();
        Ok(())
    }

    fn no_snapshot(&mut self, error: Error, path: &PathBytes, origin: &Path) -> Result<bool> {
        match error.code() {
            "not_a_database" | "source_empty" | "source_encrypted" => self.plain(path, false),
            "source_corrupted" => {
                self.walk.findings.add("database_corrupted", path);
                self.plain(path, false)
            }
            "source_missing" => self.walk.failed(io::ErrorKind::NotFound.into()).map(|()| false),
            "db_needs_write_access" | "permission_denied" => self.out_of_reach(path, origin),
            _ => Err(error.while_(format!("copying {path}"))),
        }
    }

    /// SQLite could not open it, or would have to write before it can read.
    fn out_of_reach(&mut self, path: &PathBytes, origin: &Path) -> Result<bool> {
        let head = match self.head() {
            Ok(head) => head,
            Err(why) => return self.walk.failed(why).map(|()| false),
        };
        let waits = |suffix| fs::metadata(sidecar(origin, suffix)).is_ok_and(|meta| meta.len() > 0);
        // What lies beside another program's file under such a name is no business of SQLite's.
        if head == SQLITE_MAGIC && (waits("-journal") || waits("-wal")) {
            // They are kept as well, so that SQLite can still recover it after a restore.
            self.walk.findings.add("database_as_file", path);
        }
        self.plain(path, false)
    }

    /// No program has it open by this path, either: SQLite would not let it. What lies beside it is kept as well.
    fn too_long(&mut self, path: &PathBytes) -> Result<bool> {
        match self.head() {
            Ok(head) if head == SQLITE_MAGIC => self.walk.findings.add("database_path_too_long", path),
            Ok(_) => {}
            Err(why) => return self.walk.failed(why).map(|()| false),
        }
        self.plain(path, false)
    }

    /// The first bytes of the newest step.
    fn head(&self) -> io::Result<Vec<u8>> {
        let (directory, name) = self.walk.place().ok_or(io::ErrorKind::NotFound)?;
        let mut head = Vec::new();
        accessat(directory, name, Access::READ_OK, AtFlags::EACCESS)?;
        let file = File::from(openat(directory, name, OPEN_FILE, Mode::empty())?);
        file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head)?;
        Ok(head)
    }
}

fn has_database_name(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| DATABASE_EXTENSIONS.contains(&extension.as_str()))
}
