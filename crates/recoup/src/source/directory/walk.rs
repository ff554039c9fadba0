//! The walk through a directory tree: one directory's names at a time, in byte order, depth first, always
//! relative to an open directory, so that nobody can lead it elsewhere by swapping a directory for a link.
//!
//! Not here: reading files ([`super::read`]) and databases ([`super::Tree`]).

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};

use super::findings::Findings;
use super::read::Seen;
use super::rules::{Rules, Verdict};
use crate::error::{Error, Result};
use crate::model::{PathBytes, RESTORE_FOLDER};
use crate::source::{FileId, Scope};

/// What SQLite keeps beside a database (<https://www.sqlite.org/tempfiles.html>).
pub(super) const SIDECARS: [&[u8]; 3] = [b"-journal", b"-shm", b"-wal"];

/// Directories kept open at once; those further up are opened again through `..` on the way back.
const OPEN_DIRECTORIES: usize = 64;

/// One thing that was met. Its path is [`Walk::path`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub seen: Seen,
    /// Has a file beside it that SQLite keeps beside databases.
    pub has_sidecar: bool,
}

/// One directory on the way from the root to where we are.
struct Level {
    directory: Option<OwnedFd>,
    id: FileId,
    names: Vec<CString>,
    next: usize,
    left_out: HashSet<Vec<u8>>,
    path_length: usize,
}

/// A walk in progress.
pub(super) struct Walk<'a> {
    rules: &'a Rules,
    scope: &'a Scope,
    cross_mounts: bool,
    levels: Vec<Level>,
    device: u64,
    staging: Option<FileId>,
    path: Vec<u8>,
    pub findings: Findings,
}

impl<'a> Walk<'a> {
    /// Begins at `root`, a directory that is open already.
    pub fn new(root: OwnedFd, rules: &'a Rules, cross_mounts: bool, scope: &'a Scope) -> io::Result<(Self, Step)> {
        let seen = Seen::new(&fstat(&root)?);
        let mut walk = Walk {
            rules,
            scope,
            cross_mounts,
            levels: Vec::new(),
            device: seen.id.device,
            staging: FileId::of(&scope.staging),
            path: Vec::new(),
            findings: Findings::default(),
        };
        walk.enter(root, seen.id)?;
        Ok((walk, Step { seen, has_sidecar: false }))
    }

    /// The path of the newest step, relative to the root.
    pub fn path(&self) -> PathBytes {
        PathBytes(self.path.clone())
    }

    /// The open directory in which the newest step lies, and its name there. Not for directories.
    pub fn place(&self) -> Option<(&OwnedFd, &CStr)> {
        let level = self.levels.last()?;
        let name = level.names.get(level.next.checked_sub(1)?)?;
        Some((level.directory.as_ref()?, name.as_c_str()))
    }

    /// Leaves out what SQLite keeps beside the newest step.
    pub fn leave_sidecars_out(&mut self) {
        let Some(level) = self.levels.last_mut() else { return };
        let Some(name) = level.next.checked_sub(1).and_then(|at| level.names.get(at)) else { return };
        for suffix in SIDECARS {
            level.left_out.insert([name.as_bytes(), suffix].concat());
        }
    }

    /// The next thing that is taken; a directory comes before what is in it.
    pub fn next(&mut self) -> Result<Option<Step>> {
        loop {
            self.scope.context.check()?;
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            self.path.truncate(level.path_length);
            let Some(name) = level.names.get(level.next) else {
                self.leave();
                continue;
            };
            level.next += 1;
            if level.left_out.remove(name.as_bytes()) {
                continue;
            }
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.as_bytes());
            let Some(directory) = &level.directory else { continue };
            match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    if let Some(step) = self.consider(Seen::new(&stat))? {
                        return Ok(Some(step));
                    }
                }
                Err(error) => self.failed(error.into())?,
            }
        }
    }

    /// Decides about one name: whether it is taken, and enters it when it is a directory.
    fn consider(&mut self, seen: Seen) -> Result<Option<Step>> {
        let directory = seen.kind == FileType::Directory;
        let path = Path::new(OsStr::from_bytes(&self.path));
        let name = path.file_name().unwrap_or_default();
        if directory && name == RESTORE_FOLDER {
            return Ok(None);
        }
        let verdict = self.rules.judge(path, Path::new(name), directory);
        let has_sidecar = !directory && self.has_sidecar(name.as_bytes());
        if verdict == Verdict::LeftOut {
            if has_sidecar {
                // The log of a database that is not wanted is of no use to anybody.
                self.leave_sidecars_out();
            }
            return Ok(None);
        }
        if self.scope.databases.contains(&seen.id) {
            self.leave_sidecars_out();
            return Ok(None);
        }
        if directory && self.scope.excluded.contains(&seen.id) {
            if Some(seen.id) != self.staging {
                self.findings.add("destination_left_out", &self.path());
            }
            return Ok(None);
        }
        if seen.id.device != self.device && !self.cross_mounts {
            self.findings.add("mount_not_entered", &self.path());
            return Ok(directory.then_some(Step { seen, has_sidecar }));
        }
        if !directory || verdict == Verdict::Emptied {
            return Ok(Some(Step { seen, has_sidecar }));
        }
        self.descend(seen)
    }

    fn descend(&mut self, seen: Seen) -> Result<Option<Step>> {
        let Some((parent, name)) = self.place() else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = openat(parent, name, flags, Mode::empty()).and_then(|fd| fstat(&fd).map(|stat| (fd, stat)));
        let (fd, now) = match opened {
            Ok((fd, stat)) => (fd, Seen::new(&stat)),
            Err(error) => {
                let error = io::Error::from(error);
                let still_there = error.kind() == io::ErrorKind::PermissionDenied;
                self.failed(error)?;
                return Ok(still_there.then_some(Step { seen, has_sidecar: false }));
            }
        };
        if now.id != seen.id {
            // Replaced since we looked, so nothing that was decided about it holds.
            self.findings.add("vanished", &self.path());
            return Ok(None);
        }
        if let Err(error) = self.enter(fd, now.id) {
            self.failed(error)?;
        }
        Ok(Some(Step { seen: now, has_sidecar: false }))
    }

    fn enter(&mut self, directory: OwnedFd, id: FileId) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        if let Some(far) = self.levels.len().checked_sub(OPEN_DIRECTORIES) {
            self.levels[far].directory = None;
        }
        let path_length = self.path.len();
        self.levels.push(Level {
            directory: Some(directory),
            id,
            names,
            next: 0,
            left_out: HashSet::new(),
            path_length,
        });
        Ok(())
    }

    /// Goes back to the directory above. One that was closed meanwhile is opened again, and is the same or
    /// counts as gone.
    fn leave(&mut self) {
        let Some(done) = self.levels.pop() else { return };
        let Some(above) = self.levels.last_mut() else { return };
        if above.directory.is_some() {
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        above.directory = done.directory.and_then(|fd| openat(&fd, c"..", flags, Mode::empty()).ok());
        let id = above.directory.as_ref().and_then(|fd| fstat(fd).ok()).map(|stat| Seen::new(&stat).id);
        if id != Some(above.id) {
            above.directory = None;
            above.next = above.names.len();
            self.path.truncate(above.path_length);
            let path = self.path();
            self.findings.add("vanished", &path);
        }
    }

    fn has_sidecar(&self, name: &[u8]) -> bool {
        let Some(level) = self.levels.last() else { return false };
        let beside = |suffix: &&[u8]| {
            let wanted = [name, suffix].concat();
            level.names.binary_search_by(|other| other.as_bytes().cmp(&wanted)).is_ok()
        };
        SIDECARS.iter().any(beside)
    }

    /// What cannot be looked at is a warning when it concerns one file, an error when it concerns everything.
    pub fn failed(&mut self, error: io::Error) -> Result<()> {
        use rustix::io::Errno;
        let code = match Errno::from_io_error(&error) {
            // Replaced by a link or a pipe in between is gone, too.
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO | Errno::STALE) => "vanished",
            Some(Errno::ACCESS | Errno::PERM | Errno::IO) => "unreadable",
            None if error.kind() == io::ErrorKind::NotFound => "vanished",
            _ => return Err(Error::at("reading", self.path().as_path(), error)),
        };
        self.findings.add(code, &self.path());
        Ok(())
    }
}
