//! Walking a tree: depth first, names sorted by bytes, one directory's names in memory per level. Everything is
//! reached by descriptors from the root, so that a directory swapped for a link meanwhile leads nowhere else.
//!
//! Not here: what is done with an entry.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::filter::Filter;
use crate::error::{Error, Result};
use crate::model::PathBytes;
use crate::source::FileId;

/// What the walk comes upon.
pub enum Visit<'a> {
    /// An entry, the root (with the empty path) first.
    Entry(Found<'a>),
    /// Another file system, which is not entered.
    Mount(PathBytes),
    /// A directory that is never read.
    Excluded(PathBytes),
    /// It was listed and is gone.
    Vanished(PathBytes),
    /// A directory whose names cannot be read.
    Unreadable(PathBytes),
}

/// An entry and how to reach it.
pub struct Found<'a> {
    /// Path from the root.
    pub path: PathBytes,
    /// The directory that holds it.
    pub folder: &'a OwnedFd,
    /// Its name there.
    pub name: &'a CStr,
    /// What the file system knows, links not followed.
    pub stat: Stat,
}

struct Level {
    folder: OwnedFd,
    path: Vec<u8>,
    /// Sorted, last first.
    names: Vec<CString>,
}

/// The walk itself.
pub struct Walk<'a> {
    filter: &'a Filter,
    excluded: &'a [FileId],
    cross_mounts: bool,
    device: u64,
    levels: Vec<Level>,
    root: Option<Stat>,
    current: CString,
}

impl<'a> Walk<'a> {
    /// Opens the root, whose own path may lead over links.
    pub fn start(root: &Path, filter: &'a Filter, excluded: &'a [FileId], cross_mounts: bool) -> Result<Self> {
        let failed = |e: Errno| Error::at("opening", root, e.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, root, flags, Mode::empty()).map_err(failed)?;
        let stat = rustix::fs::fstat(&folder).map_err(failed)?;
        let names = names(&folder).map_err(failed)?;
        Ok(Walk {
            filter,
            excluded,
            cross_mounts,
            device: stat.st_dev,
            levels: vec![Level { folder, path: Vec::new(), names }],
            root: Some(stat),
            current: CString::default(),
        })
    }

    /// The next thing, `None` at the end.
    pub fn next(&mut self) -> Result<Option<Visit<'_>>> {
        if let Some(stat) = self.root.take() {
            self.current = c".".to_owned();
            let found = Found { path: PathBytes::default(), folder: &self.levels[0].folder, name: &self.current, stat };
            return Ok(Some(Visit::Entry(found)));
        }
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let mut path = level.path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            if self.filter.leaves_out(Path::new(std::ffi::OsStr::from_bytes(&path))) {
                continue;
            }
            self.current = name;
            let path = PathBytes(path);
            let stat = match super::stat(&level.folder, &self.current) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => return Ok(Some(Visit::Vanished(path))),
                Err(_) => return Ok(Some(Visit::Unreadable(path))),
            };
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                && let Some(instead) = self.enter(&path, &stat)
            {
                return Ok(Some(instead));
            }
            // A directory that was entered lies on top; its holder is one below.
            let below = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.levels.len() - 2,
                _ => self.levels.len() - 1,
            };
            let found = Found { path, folder: &self.levels[below].folder, name: &self.current, stat };
            return Ok(Some(Visit::Entry(found)));
        }
    }

    /// Makes a directory the top level, or says what it is instead.
    fn enter(&mut self, path: &PathBytes, stat: &Stat) -> Option<Visit<'static>> {
        if self.excluded.contains(&FileId { device: stat.st_dev, inode: stat.st_ino }) {
            return Some(Visit::Excluded(path.clone()));
        }
        if stat.st_dev != self.device && !self.cross_mounts {
            return Some(Visit::Mount(path.clone()));
        }
        let holder = &self.levels.last()?.folder;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(holder, &self.current, flags, Mode::empty());
        match opened.and_then(|folder| names(&folder).map(|names| (folder, names))) {
            Ok((folder, names)) => {
                self.levels.push(Level { folder, path: path.0.clone(), names });
                None
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Some(Visit::Vanished(path.clone())),
            Err(_) => Some(Visit::Unreadable(path.clone())),
        }
    }
}

fn names(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable_by(|a, b| b.cmp(a));
    Ok(names)
}
