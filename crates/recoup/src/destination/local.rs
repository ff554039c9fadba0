//! A directory as destination. `put` is a durable publish: a locked part file in the final directory
//! (or the staged file itself, when it lies on the same file system), space reserved, written, fsynced, read
//! back from the disk, renamed to a name that must be free, the directory fsynced. Only then is it success.
//!
//! A part file `.<name>.part-<ulid>` stays locked (flock(2)) while it is written: one that can be locked has
//! no writer any more, and `sweep` removes it. Names with a leading dot are never listed. Empty directories
//! may stay behind. Not here: single durable steps (`durable`), staging ([`super::staging`]).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{FileType, Mode};

use super::durable::{self, Directory, FromDisk, is_file};
use super::key;
use super::staging::{Staging, lock_leftover};
use super::{Body, Destination, ObjectInfo, Stored};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::{Context, Phase};

pub(super) const MARKER: &str = ".recoup-destination";
const STAGING: &str = ".recoup";

/// A directory that keeps objects as files.
#[derive(Debug, Clone)]
pub struct LocalDestination {
    root: PathBuf,
    id: (u64, u64),
    marker: bool,
}

impl LocalDestination {
    /// Opens the directory `root`; with `create` it is made when missing, 0700, durable and marked. Fails with
    /// [`ErrorKind::Unreachable`] when it is missing and with [`ErrorKind::Usage`] when it is no directory.
    pub fn open(root: &Path, create: bool) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| Error::at("opening", root, e))?;
        let not_a_directory =
            || Error::usage("destination_not_directory", format!("Not a directory: {}", root.display()));
        let mut made = false;
        match fs::metadata(&root) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(not_a_directory()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(not_a_directory()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                durable::make_directories(&root).map_err(|e| Error::at("creating", &root, e))?;
                made = true;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing(&root)),
            Err(error) => return Err(Error::at("opening", &root, error)),
        }
        let id = Directory::open(&root).and_then(|directory| directory.id());
        let id = id.map_err(|e| Error::at("opening", &root, e))?;
        let opened = LocalDestination { root, id, marker: false };
        if made {
            opened.place_marker()?;
        }
        Ok(opened)
    }

    /// Requires the marker file `.recoup-destination` from now on, so that the empty mount point of a disk
    /// that is not mounted is an error and not a new destination.
    pub fn with_marker(mut self) -> Self {
        self.marker = true;
        self
    }

    /// Puts the marker file there, once, when the destination is set up.
    pub fn place_marker(&self) -> Result<()> {
        let doing = |e| Error::at("marking", &self.root, e);
        let root = Directory::open(&self.root).map_err(doing)?;
        match root.create(MARKER) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(doing(error)),
            Ok(mut file) => {
                // Which directory this is, for who remembers it.
                let written = writeln!(file, "{}", ulid::Ulid::generate()).and_then(|()| file.sync_all());
                written.and_then(|()| root.sync()).map_err(doing)
            }
        }
    }

    /// What the marker says; `None` when there is none. One that was made by hand says nothing.
    pub fn marker(&self) -> Result<Option<String>> {
        let mut text = String::new();
        match self.reach()?.read(MARKER).and_then(|file| file.take(256).read_to_string(&mut text)) {
            Ok(_) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("reading", MARKER, error)),
        }
    }

    /// Device and inode of the directory, by which sources leave it out of what they read.
    pub fn file_id(&self) -> (u64, u64) {
        self.id
    }

    /// The root, if it is still the directory that was opened and carries the marker when one is required.
    fn reach(&self) -> Result<Directory> {
        let root = match Directory::open(&self.root) {
            Ok(root) => root,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(missing(&self.root));
            }
            Err(error) => return Err(Error::at("opening", &self.root, error)),
        };
        if root.id().map_err(|e| Error::at("opening", &self.root, e))? != self.id {
            return Err(missing(&self.root).because("another directory lies there now"));
        }
        if self.marker && !root.stat(MARKER).is_ok_and(|stat| is_file(&stat)) {
            return Err(missing(&self.root).because(format!("the directory has no {MARKER} file")));
        }
        Ok(root)
    }

    /// The directory of a key that may be absent; `None` when it is.
    fn find(&self, parts: &[&str]) -> Result<Option<Directory>> {
        let mut directory = self.reach()?;
        for part in parts {
            directory = match directory.child(part) {
                Ok(child) => child,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(error) => return Err(self.failed("opening", part, error)),
            };
        }
        Ok(Some(directory))
    }

    /// The directory of a key that is about to be put. Every directory on the way is fsynced, also when
    /// another process made it: that one may be killed before its own fsync.
    fn make(&self, parts: &[&str]) -> Result<Directory> {
        let mut directory = self.reach()?;
        for part in parts {
            let child = directory.make_child(part).and_then(|child| directory.sync().map(|()| child));
            directory = child.map_err(|error| self.failed("creating", part, error))?;
        }
        Ok(directory)
    }

    fn failed(&self, doing: &str, name: &str, error: io::Error) -> Error {
        self.located(Error::io(format!("{doing} {name} in {}", self.root.display()), error))
    }

    /// Says where there is no space, whatever step found out.
    fn located(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::NoSpace {
            return error;
        }
        let free = Directory::open(&self.root).and_then(|root| root.free_bytes()).unwrap_or(0);
        error.while_(format!("{free} bytes are free in {}", self.root.display()))
    }

    /// A file of ours in the staging area, which can be moved into place instead of being copied.
    fn staged(&self, path: &Path, into: &Directory) -> Option<(Directory, OsString)> {
        let staging = fs::canonicalize(self.root.join(STAGING)).ok()?;
        let parent = fs::canonicalize(path.parent()?).ok()?;
        let meta = fs::symlink_metadata(path).ok()?;
        // A second name would let somebody change the object afterwards.
        let ours = parent.starts_with(staging) && meta.is_file() && meta.nlink() == 1;
        let same = meta.dev() == into.id().ok()?.0;
        (ours && same).then_some((Directory::open(&parent).ok()?, path.file_name()?.to_owned()))
    }

    /// The durable publish of bytes that are copied.
    fn copy_in(&self, into: &Directory, name: &str, body: Body<'_>, context: &Context) -> Result<Stored> {
        let failed = |doing: &'static str| move |error| self.failed(doing, name, error);
        let reserving = |length| move |error| self.failed(&format!("reserving {length} bytes for"), name, error);
        let (mut from, length): (Box<dyn Read + '_>, u64) = match body {
            Body::Bytes(bytes) => (Box::new(bytes), bytes.len() as u64),
            Body::File(path) => {
                let file = File::open(path).map_err(|e| Error::at("reading", path, e))?;
                let length = file.metadata().map_err(|e| Error::at("reading", path, e))?.len();
                (Box::new(file), length)
            }
        };
        context.observer.phase(Phase::Store, name, Some(length));
        let part = Part::create(into, name).map_err(failed("creating"))?;
        durable::reserve(&part.file, length).map_err(reserving(length))?;
        let mut file = &part.file;
        let (bytes, sha256) =
            durable::hash(&mut from, context, |chunk| file.write_all(chunk).map_err(failed("writing")))?;
        part.file.sync_all().map_err(failed("writing"))?;
        context.observer.phase(Phase::Verify, name, Some(bytes));
        let stored = self.read_back(into, OsStr::new(&part.name), name, context)?;
        if bytes != length || (stored.bytes, &stored.sha256) != (bytes, &sha256) {
            return Err(
                Error::corrupted("what was read back is not what was written").while_(format!("storing {name}"))
            );
        }
        self.publish(into, into, OsStr::new(&part.name), name, stored, context)
    }

    /// The durable publish of a staged file that is moved. There is no second writing whose bytes could
    /// differ; the hash is of what the disk has, and the backup's own checks compare it with the sources.
    fn move_in(
        &self,
        into: &Directory,
        name: &str,
        staged: (Directory, OsString),
        context: &Context,
    ) -> Result<Stored> {
        let (from, from_name) = staged;
        let prepare = || {
            let file = from.read(&from_name)?;
            durable::set_mode(&file, Mode::RUSR | Mode::WUSR)?;
            file.sync_all()?;
            file.metadata().map(|meta| meta.len())
        };
        let length = prepare().map_err(|error| self.failed("writing", name, error))?;
        context.observer.phase(Phase::Verify, name, Some(length));
        let stored = self.read_back(&from, &from_name, name, context)?;
        self.publish(into, &from, &from_name, name, stored, context)
    }

    /// Reads a file again, from the disk and not from the cache.
    fn read_back(&self, directory: &Directory, file: &OsStr, name: &str, context: &Context) -> Result<Stored> {
        let file = directory.read(file).map_err(|error| self.failed("reading back", name, error))?;
        let (bytes, sha256) =
            FromDisk::new(file).hash(context).map_err(|error| error.while_(format!("reading back {name}")))?;
        Ok(Stored { bytes, sha256 })
    }

    /// The last two steps: the name, and the name made durable.
    fn publish(
        &self,
        into: &Directory,
        from: &Directory,
        from_name: &OsStr,
        name: &str,
        stored: Stored,
        context: &Context,
    ) -> Result<Stored> {
        match into.publish(from, from_name, OsStr::new(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return self.compare(into, name, &stored, context);
            }
            Err(error) => return Err(self.failed("publishing", name, error)),
        }
        if let Err(error) = into.sync() {
            // Nobody may find it: it is not durable and the caller hears of a failure. Back to where it was,
            // so that the caller can try another destination; else away.
            if from.publish(into, OsStr::new(name), from_name).is_err() {
                let _ = into.unlink(name);
            }
            return Err(self.failed("publishing", name, error));
        }
        Ok(stored)
    }

    /// The key is taken: success when by the same bytes (which are made durable: whoever put them may have
    /// failed at that), else an error.
    fn compare(&self, into: &Directory, name: &str, ours: &Stored, context: &Context) -> Result<Stored> {
        let taken = || {
            let text = format!("Something else is stored as {name} already");
            Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text)
                .while_(format!("in {}", into.path().display()))
        };
        let file = into.read(name).map_err(|_| taken())?;
        let length = file.metadata().map_err(|error| self.failed("reading", name, error))?.len();
        if length != ours.bytes || self.read_back(into, OsStr::new(name), name, context)? != *ours {
            return Err(taken());
        }
        let durable = file.sync_all().and_then(|()| into.sync());
        durable.map_err(|error| self.failed("writing", name, error))?;
        Ok(ours.clone())
    }

    /// Calls `visit` for every file below `directory` with a valid name or a leading dot.
    fn walk(&self, directory: &Directory, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let failed = |error| Error::at("listing", directory.path(), error);
        for name in directory.names().map_err(failed)? {
            let Some(name) = name.to_str().filter(|name| !name.chars().any(char::is_control)) else { continue };
            let stat = match directory.stat(name) {
                Ok(stat) => stat,
                // Removed or renamed since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => visit(directory, name, format!("{prefix}{name}"), &stat)?,
                // The file system's own directory at the root of a mount, which only root can read.
                FileType::Directory if prefix.is_empty() && name == "lost+found" => {}
                FileType::Directory if !name.starts_with('.') => match directory.child(name) {
                    Ok(child) => self.walk(&child, &format!("{prefix}{name}/"), visit)?,
                    Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                    Err(error) => return Err(failed(error)),
                },
                _ => {}
            }
        }
        Ok(())
    }
}

type Visit<'a> = dyn FnMut(&Directory, &str, String, &rustix::fs::Stat) -> Result<()> + 'a;

impl Destination for LocalDestination {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn put(&self, key: &str, body: Body<'_>, context: &Context) -> Result<Stored> {
        let (parents, name) = key::check(key)?;
        context.check()?;
        let into = self.make(&parents)?;
        let stored = if into.stat(name).is_ok() {
            // Known before anything is written: the usual case of a repeated attempt.
            let mut from: Box<dyn Read + '_> = match body {
                Body::Bytes(bytes) => Box::new(bytes),
                Body::File(path) => Box::new(File::open(path).map_err(|e| Error::at("reading", path, e))?),
            };
            let (bytes, sha256) = durable::hash(&mut from, context, |_| Ok(()))?;
            self.compare(&into, name, &Stored { bytes, sha256 }, context)
        } else {
            let staged = match body {
                Body::File(path) => self.staged(path, &into),
                Body::Bytes(_) => None,
            };
            match staged {
                Some(staged) => self.move_in(&into, name, staged, context),
                None => self.copy_in(&into, name, body, context),
            }
        };
        stored.map_err(|error| error.while_(format!("storing {key}")))
    }

    fn get(&self, key: &str, from: u64) -> Result<Box<dyn Read + Send>> {
        let (parents, name) = key::check(key)?;
        let absent = || {
            let text = format!("Not found at {}: {key}", self.root.display());
            Error::new(ErrorKind::NotFound, "object_missing", text)
        };
        let directory = self.find(&parents)?.ok_or_else(absent)?;
        let mut file = match directory.read(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
            Err(error) => return Err(self.failed("reading", key, error)),
        };
        file.seek(SeekFrom::Start(from)).map_err(|error| self.failed("reading", key, error))?;
        Ok(Box::new(file))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        let (above, rest) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let parts: Vec<&str> = above.split('/').filter(|_| !above.is_empty()).collect();
        if parts.iter().any(|part| !key::valid(part)) || (!rest.is_empty() && !key::valid(rest)) {
            return Err(key::bad(prefix));
        }
        let base = if above.is_empty() { String::new() } else { format!("{above}/") };
        let mut found = Vec::new();
        let Some(directory) = self.find(&parts)? else { return Ok(found) };
        self.walk(&directory, &base, &mut |_, name, key, stat| {
            if !name.starts_with('.') && key.starts_with(prefix) {
                let bytes = u64::try_from(stat.st_size).unwrap_or(0);
                let modified = Timestamp::new(stat.st_mtime as _, i32::try_from(stat.st_mtime_nsec).unwrap_or(0));
                found.push(ObjectInfo { key, bytes, modified: modified.unwrap_or(Timestamp::UNIX_EPOCH) });
            }
            Ok(())
        })?;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let (parents, name) = key::check(key)?;
        let Some(directory) = self.find(&parents)? else { return Ok(()) };
        // A directory or a link of that name is no object of ours.
        if directory.stat(name).is_ok_and(|stat| is_file(&stat)) {
            directory.unlink(name).map_err(|error| self.failed("deleting", key, error))?;
        }
        directory.sync().map_err(|error| self.failed("deleting", key, error))
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        let free = self.reach()?.free_bytes();
        free.map(Some).map_err(|e| Error::at("asking for free space at", &self.root, e))
    }

    fn local_path(&self, key: &str) -> Option<PathBuf> {
        key::check(key).ok().map(|_| self.root.join(key))
    }

    fn staging_root(&self) -> Option<PathBuf> {
        // Not while the destination is missing: nothing shall be made where it should be.
        self.reach().ok().map(|_| self.root.join(STAGING))
    }

    fn sweep(&self) -> Result<Vec<String>> {
        let root = self.reach()?;
        let mut removed: Vec<String> = Staging::sweep(&self.root.join(STAGING))?
            .iter()
            .filter_map(|path| Some(path.strip_prefix(&self.root).ok()?.display().to_string()))
            .collect();
        self.walk(&root, "", &mut |directory, name, key, _| {
            if !is_part(name) {
                return Ok(());
            }
            let failed = |error| self.failed("sweeping", name, error);
            if let Some(_lock) = lock_leftover(directory, name).map_err(failed)?
                && directory.unlink(name).map_err(failed)?
            {
                removed.push(key);
            }
            Ok(())
        })?;
        removed.sort();
        Ok(removed)
    }
}

/// A part file, locked while it lives. Dropping it removes its name, which a published one has lost already.
struct Part<'a> {
    directory: &'a Directory,
    name: String,
    file: File,
}

impl<'a> Part<'a> {
    fn create(directory: &'a Directory, name: &str) -> io::Result<Self> {
        loop {
            let part = format!(".{name}.part-{}", ulid::Ulid::generate());
            let file = directory.create(&part)?;
            let part = Part { directory, name: part, file };
            match part.file.try_lock() {
                // A sweep that came between creating and locking has the lock, or has removed the file.
                Ok(()) if rustix::fs::fstat(&part.file)?.st_nlink == 0 => {}
                Ok(()) => return Ok(part),
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let _ = self.directory.unlink(&self.name);
    }
}

fn is_part(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|rest| rest.rsplit_once(".part-"));
    parts.is_some_and(|(name, id)| key::valid(name) && id.len() == 26 && ulid::Ulid::from_string(id).is_ok())
}

pub(super) fn missing(root: &Path) -> Error {
    Error::new(ErrorKind::Unreachable, "destination_missing", format!("Destination is not there: {}", root.display()))
        .hint("is the disk mounted? Nothing was created in its place")
}
