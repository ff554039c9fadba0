//! A folder below which things are put by descriptors, one part of a path at a time and never through a link:
//! whatever somebody plants there meanwhile, nothing is written anywhere else, and paths may be longer than the
//! 4,096 bytes that one system call takes.
//!
//! Not here: what is put there ([`super::unpack`]).

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, Result};
use crate::model::{Entry, PathBytes};

/// So many folders on the way to the present one stay open, and beyond them every so many.
const KEPT: usize = 64;
const EVERY: usize = 128;

/// A folder, and the way from it to where something was put last.
pub(crate) struct Folder {
    root: OwnedFd,
    /// The parts of the way; the last folder is always open.
    trail: Vec<(Vec<u8>, Option<OwnedFd>)>,
    as_root: bool,
}

impl Folder {
    /// Makes the new folder `to` (0700).
    pub fn create(to: &Path) -> Result<Self> {
        rustix::fs::mkdir(to, Mode::RWXU).map_err(|e| Error::at("creating", to, e.into()))?;
        let root = rustix::fs::open(to, folder_flags(), Mode::empty());
        let root = root.map_err(|e| Error::at("opening", to, e.into()))?;
        Ok(Folder { root, trail: Vec::new(), as_root: rustix::process::geteuid().is_root() })
    }

    /// Opens a folder that is there, to look at what was put below it.
    pub fn open(at: &Path) -> Result<Self> {
        let root = rustix::fs::open(at, folder_flags(), Mode::empty());
        let root = root.map_err(|e| Error::at("opening", at, e.into()))?;
        Ok(Folder { root, trail: Vec::new(), as_root: false })
    }

    /// What lies there, a link itself and not what it points to; `None` when nothing does.
    pub fn look(&mut self, path: &PathBytes) -> Result<Option<Stat>> {
        if path.0.is_empty() {
            return rustix::fs::fstat(&self.root).map(Some).map_err(|e| failed("looking at", path, e));
        }
        let (parent, name) = match self.place(path) {
            Err(error) if error.kind() == ErrorKind::Corrupted => return Ok(None),
            other => other?,
        };
        match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            other => other.map(Some).map_err(|e| failed("looking at", path, e)),
        }
    }

    /// Opens a file to read it.
    pub fn open_file(&mut self, path: &PathBytes) -> Result<File> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name, flags, Mode::empty());
        Ok(File::from(file.map_err(|e| failed("opening", path, e))?))
    }

    /// Where a link points.
    pub fn read_link(&mut self, path: &PathBytes) -> Result<PathBytes> {
        let (parent, name) = self.place(path)?;
        let target = rustix::fs::readlinkat(parent, name, Vec::new()).map_err(|e| failed("reading", path, e))?;
        Ok(PathBytes(target.into_bytes()))
    }

    /// Makes a folder (0700) below it.
    pub fn make_folder(&mut self, path: &PathBytes) -> Result<()> {
        let (parent, name) = self.place(path)?;
        rustix::fs::mkdirat(parent, name, Mode::RWXU).map_err(|e| failed("creating", path, e))
    }

    /// Makes an empty file (0600).
    pub fn make_file(&mut self, path: &PathBytes) -> Result<File> {
        let (parent, name) = self.place(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, name, flags, Mode::RUSR | Mode::WUSR);
        Ok(File::from(file.map_err(|e| failed("creating", path, e))?))
    }

    /// Removes a file that turned out to be wrong.
    pub fn remove_file(&mut self, path: &PathBytes) -> Result<()> {
        let (parent, name) = self.place(path)?;
        rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(|e| failed("removing", path, e))
    }

    /// Makes a symbolic link, with its owner and time.
    pub fn make_symlink(&mut self, target: &PathBytes, entry: &Entry) -> Result<()> {
        let (as_root, path) = (self.as_root, &entry.path);
        let (parent, name) = self.place(path)?;
        rustix::fs::symlinkat(target.as_path(), parent, name).map_err(|e| failed("linking", path, e))?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        if let Some((uid, gid)) = owner(entry, as_root) {
            rustix::fs::chownat(parent, name, uid, gid, flags).map_err(|e| failed("setting the owner of", path, e))?;
        }
        rustix::fs::utimensat(parent, name, &times(entry.mtime_ns), flags)
            .map_err(|e| failed("setting the time of", path, e))
    }

    /// Makes another name of a file below the same folder.
    pub fn make_hard_link(&mut self, first: &PathBytes, path: &PathBytes) -> Result<()> {
        let (parent, name) = self.place(first)?;
        let parent = parent.try_clone_to_owned().map_err(|e| Error::at("opening", first.as_path(), e))?;
        let (to, new) = self.place(path)?;
        rustix::fs::linkat(parent, name, to, new, AtFlags::empty()).map_err(|e| failed("linking", path, e))
    }

    /// Gives a folder below it, or the folder itself, its owner, mode and time.
    pub fn settle_folder(&mut self, entry: &Entry) -> Result<()> {
        let as_root = self.as_root;
        if entry.path.0.is_empty() {
            return settle(&self.root, entry, as_root);
        }
        let (parent, name) = self.place(&entry.path)?;
        let folder = rustix::fs::openat(parent, name, folder_flags(), Mode::empty());
        settle(folder.map_err(|e| failed("opening", &entry.path, e))?, entry, as_root)
    }

    /// Gives a file that is still open its owner, mode and time.
    pub fn settle_file(&self, file: &File, entry: &Entry) -> Result<()> {
        settle(file, entry, self.as_root)
    }

    /// The folder that a path lies in, and its last part.
    fn place<'p>(&mut self, path: &'p PathBytes) -> Result<(BorrowedFd<'_>, &'p OsStr)> {
        let mut parts: Vec<&[u8]> = path.0.split(|byte| *byte == b'/').collect();
        if parts.iter().any(|part| matches!(*part, b"" | b"." | b"..") || part.contains(&0)) {
            return Err(Error::corrupted(format!("the contents list names {path}, which leads elsewhere")));
        }
        let name = OsStr::from_bytes(parts.pop().unwrap_or_default());
        let same = self.trail.iter().zip(&parts).take_while(|((kept, _), part)| kept == *part).count();
        self.trail.truncate(same);
        let open = self.trail.iter().rposition(|(_, folder)| folder.is_some()).map_or(0, |last| last + 1);
        for (level, part) in parts.iter().enumerate().skip(open) {
            let above = self.trail[..level].last().and_then(|(_, folder)| folder.as_ref()).unwrap_or(&self.root);
            let next = rustix::fs::openat(above, *part, folder_flags(), Mode::empty());
            let next = Some(next.map_err(|e| failed("opening", path, e))?);
            match self.trail.get_mut(level) {
                Some((_, folder)) => *folder = next,
                None => self.trail.push((part.to_vec(), next)),
            }
            if level > KEPT && level % EVERY != 0 {
                self.trail[level - 1].1 = None;
            }
        }
        let last = self.trail.last().and_then(|(_, folder)| folder.as_ref()).unwrap_or(&self.root);
        Ok((last.as_fd(), name))
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Owner, mode and time; never setuid or setgid.
fn settle(fd: impl AsFd, entry: &Entry, as_root: bool) -> Result<()> {
    let path = &entry.path;
    if let Some((uid, gid)) = owner(entry, as_root) {
        rustix::fs::fchown(&fd, uid, gid).map_err(|e| failed("setting the owner of", path, e))?;
    }
    let mode = Mode::from_raw_mode((entry.mode & 0o1777) as rustix::fs::RawMode);
    rustix::fs::fchmod(&fd, mode).map_err(|e| failed("setting the mode of", path, e))?;
    if entry.mtime_ns == 0 {
        return Ok(());
    }
    rustix::fs::futimens(&fd, &times(entry.mtime_ns)).map_err(|e| failed("setting the time of", path, e))
}

fn owner(entry: &Entry, as_root: bool) -> Option<(Option<Uid>, Option<Gid>)> {
    match (as_root, entry.uid, entry.gid) {
        (true, Some(uid), Some(gid)) if uid != u32::MAX && gid != u32::MAX => {
            Some((Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
        }
        _ => None,
    }
}

fn times(mtime_ns: i64) -> Timestamps {
    let time = Timespec { tv_sec: mtime_ns.div_euclid(1_000_000_000), tv_nsec: mtime_ns.rem_euclid(1_000_000_000) };
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: time }
}

/// What only a forged contents list, or somebody else in this folder, can bring about is no fault of the disk.
fn failed(doing: &str, path: &PathBytes, error: Errno) -> Error {
    match error {
        Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::NAMETOOLONG => {
            Error::corrupted(format!("{path}: {}", std::io::Error::from(error))).while_("unpacking")
        }
        _ => Error::at(doing, path.as_path(), error.into()),
    }
}
