//! One rename that a restore is made of: a new thing takes the place of an old one, or comes where nothing was, or
//! an old thing goes. Every step can be repeated and taken back; which of the two states holds is told by
//! the inode that lies at the target, never by a note that might be missing after a crash.
//!
//! Not here: the order of all changes ([`super::changes`]), and databases that are written through SQLite.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::model::PathBytes;

/// Device and inode.
pub type Inode = (u64, u64);

/// What lies at `path`, a link not followed.
pub fn inode(path: &Path) -> Option<Inode> {
    fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Whether `what` lies at `path`. A file keeps its inode over a restart, but its device can be another one then; all
/// places of a unit are on one file system.
fn is(path: &Path, what: Option<Inode>) -> bool {
    inode(path).map(|(_, inode)| inode) == what.map(|(_, inode)| inode)
}

/// A free name beside what an application has made or written since a restore.
pub fn later_path(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".before-restore-{}", ulid::Ulid::generate()));
    target.with_file_name(name)
}

/// One thing that changes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unit {
    /// Where the new thing goes, or from where the old one leaves.
    pub target: PathBytes,
    /// Where the new thing was made, on the target's own file system.
    pub staged: PathBytes,
    /// Where the old thing is kept until the restore is finished.
    pub aside: PathBytes,
    /// The new thing; absent when the old one just goes.
    pub new: Option<Inode>,
    /// The old thing; absent when there was nothing.
    pub old: Option<Inode>,
}

impl Unit {
    /// What is to happen at `target`; `staged` is the new thing, if there is one.
    pub fn new(target: &Path, staged: Option<&Path>, aside: &Path) -> Result<Self> {
        let new = match staged {
            Some(staged) => Some(inode(staged).ok_or_else(|| {
                Error::new(ErrorKind::Failed, "stage_missing", format!("{} is not staged", target.display()))
            })?),
            None => None,
        };
        let old = inode(target);
        if let (Some((here, _)), Some((there, _))) = (new, old.or_else(|| inode(target.parent()?)))
            && here != there
        {
            return Err(across(target));
        }
        Ok(Unit {
            target: PathBytes::new(target),
            staged: PathBytes::new(staged.unwrap_or(aside)),
            aside: PathBytes::new(aside),
            new,
            old,
        })
    }

    /// The target holds what the restore wanted there.
    pub fn is_applied(&self) -> bool {
        is(self.target.as_path(), self.new)
    }

    /// It was applied, whatever an application has put at the target since.
    pub fn was_applied(&self) -> bool {
        let waits = self.new.is_some() && is(self.staged.as_path(), self.new);
        !waits && (self.is_applied() || !is(self.target.as_path(), self.old))
    }

    /// Puts the new thing in place and the old one aside. Applied twice it does nothing more.
    pub fn apply(&self) -> Result<()> {
        let (target, staged, aside) = (self.target.as_path(), self.staged.as_path(), self.aside.as_path());
        let moved = || -> io::Result<()> {
            let found = inode(target);
            if is(target, self.new) {
                return self.old_to_aside();
            }
            if found.is_some() && !is(target, self.old) {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else lies there by now"));
            }
            match (self.new, found) {
                (Some(_), None) => rename_new(staged, target),
                (Some(_), Some(_)) => match exchange(staged, target) {
                    Ok(()) => self.old_to_aside(),
                    Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                        rename_new(target, aside)?;
                        rename_new(staged, target)
                    }
                    Err(error) => Err(error.into()),
                },
                (None, Some(_)) => rename_new(target, aside),
                (None, None) => Ok(()),
            }
        };
        self.even_if_read_only(moved).map_err(|error| self.failed("putting in place", error))
    }

    /// Puts the old thing back. Done twice it does nothing more. What an application made at the target after it was
    /// applied is kept beside it, at the path that is returned.
    pub fn revert(&self) -> Result<Option<PathBuf>> {
        self.even_if_read_only(|| self.put_back()).map_err(|error| self.failed("putting back", error))
    }

    /// After it was taken back: keeps the new thing beside the old one if an application has written to it since `begun`.
    pub fn keep_what_was_written(&self, begun: i128) -> Result<Option<PathBuf>> {
        let (target, staged) = (self.target.as_path(), self.staged.as_path());
        if self.new.is_none() || !is(staged, self.new) || !was_written(staged, begun) {
            return Ok(None);
        }
        let beside = later_path(target);
        rename_new(staged, &beside).map_err(|error| self.failed("keeping what was written to", error))?;
        Ok(Some(beside))
    }

    fn put_back(&self) -> io::Result<Option<PathBuf>> {
        let (target, staged, aside) = (self.target.as_path(), self.staged.as_path(), self.aside.as_path());
        if self.old.is_some() && is(target, self.old) {
            return Ok(None);
        }
        // Without the stage nothing can be told: its disk may not be mounted.
        aside.parent().map_or(Ok(()), |stage| fs::metadata(stage).map(drop))?;
        let is_old = |path: &Path| self.old.is_some() && is(path, self.old);
        let kept = if is_old(aside) { aside } else { staged };
        let waits = self.new.is_some() && is(staged, self.new);
        if !is_old(kept) && (waits || self.new.is_none()) {
            // Not applied; the application itself has replaced or removed the old thing.
            return Ok(None);
        }
        if self.old.is_some() && !is_old(kept) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut found = inode(target);
        let mut later = None;
        if found.is_some() && !is(target, self.new) {
            let beside = later_path(target);
            rename_new(target, &beside)?;
            later = Some(beside);
            found = None;
        }
        match (self.old, found) {
            (None, None) => Ok(()),
            (None, Some(_)) => rename_new(target, staged),
            (Some(_), None) => rename_new(kept, target),
            (Some(_), Some(_)) => match exchange(kept, target) {
                // The new thing goes back to where it was made, so that everything could begin again.
                Ok(()) if kept != staged => rename_new(kept, staged),
                Ok(()) => Ok(()),
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    rename_new(target, staged)?;
                    rename_new(kept, target)
                }
                Err(error) => Err(error.into()),
            },
        }?;
        Ok(later)
    }

    /// A folder that its owner made read-only can neither be moved nor changed (rename(2)); for the moment of the
    /// rename its owner, who we are, makes it writable.
    fn even_if_read_only<T>(&self, moved: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match moved() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => return other,
        }
        let mut opened = Vec::new();
        for path in [&self.target, &self.staged, &self.aside] {
            for folder in [Some(path.as_path()), path.as_path().parent()].into_iter().flatten() {
                let Ok(folder) = open_folder(folder) else { continue };
                let mode = folder.metadata()?.permissions().mode() & 0o7777;
                if mode & 0o200 == 0 && folder.set_permissions(Permissions::from_mode(mode | 0o700)).is_ok() {
                    opened.push((folder, mode));
                }
            }
        }
        let result = moved();
        // By descriptor, wherever they are now; the other way round, should one have been opened twice.
        for (folder, mode) in opened.iter().rev() {
            let _ = folder.set_permissions(Permissions::from_mode(*mode));
        }
        result
    }

    /// After an exchange the old thing lies where the new one was made.
    fn old_to_aside(&self) -> io::Result<()> {
        let (staged, aside) = (self.staged.as_path(), self.aside.as_path());
        if staged != aside && self.old.is_some() && is(staged, self.old) {
            return rename_new(staged, aside);
        }
        Ok(())
    }

    fn failed(&self, doing: &str, error: io::Error) -> Error {
        let target = self.target.as_path();
        match error.kind() {
            io::ErrorKind::CrossesDevices => across(target),
            io::ErrorKind::ResourceBusy => {
                let text = format!("Cannot replace {}, it is a mount point", target.display());
                Error::new(ErrorKind::Busy, "mount_point", text).hint("restore with --to DIR and copy it from there")
            }
            _ => Error::at(doing, target, error),
        }
    }
}

/// Whether something in a tree, or a file, was made or written after `begun`. A rename stamps the thing that it moves, so
/// of the top only the bytes count.
fn was_written(top: &Path, begun: i128) -> bool {
    let stamp = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
    let mut waiting = vec![top.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            // One that nobody may read has nothing new that anybody could have made by its name.
            let names = fs::read_dir(&path).into_iter().flatten().flatten();
            waiting.extend(names.map(|entry| entry.path()));
            continue;
        }
        let written =
            if path == top { stamp(meta.mtime(), meta.mtime_nsec()) } else { stamp(meta.ctime(), meta.ctime_nsec()) };
        if written > begun {
            return true;
        }
    }
    false
}

/// fsync of a folder; one that does not exist any more has nothing to keep.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let synced = match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    match synced {
        // Some network and FUSE file systems cannot fsync a folder and say so.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(|e| Error::at("making durable", folder, e)),
    }
}

fn exchange(a: &Path, b: &Path) -> Result<(), Errno> {
    rename(a, b, RenameFlags::EXCHANGE)
}

/// Renames to a name that nobody has.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rename(from, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if inode(to).is_none() => {
            Ok(rename(from, to, RenameFlags::empty())?)
        }
        other => Ok(other?),
    }
}

/// Whoever owns a folder on the way may put a link in its place at any moment: links are not followed.
fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<(), Errno> {
    let ((here, old), (there, new)) = (around(from)?, around(to)?);
    match flags.is_empty() {
        true => rustix::fs::renameat(here, old, there, new),
        false => rustix::fs::renameat_with(here, old, there, new, flags),
    }
}

fn around(path: &Path) -> Result<(OwnedFd, &OsStr), Errno> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::INVAL) };
    Ok((open_directly(folder)?, name))
}

/// A folder for reading, no link on the way to it followed.
pub fn open_folder(path: &Path) -> io::Result<File> {
    Ok(File::from(open_directly(path)?))
}

fn open_directly(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    match rustix::fs::openat2(CWD, path, flags, Mode::empty(), rustix::fs::ResolveFlags::NO_SYMLINKS) {
        // Before Linux 5.6, and in some sandboxes.
        Err(Errno::NOSYS | Errno::PERM) => {}
        // A folder that may be passed through and not be read is enough for a rename.
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            return rustix::fs::openat2(CWD, path, flags, Mode::empty(), rustix::fs::ResolveFlags::NO_SYMLINKS);
        }
        other => return other,
    }
    rustix::fs::open(path, flags, Mode::empty())
}

/// Refused: a rename does not lead to another file system.
pub fn across(target: &Path) -> Error {
    let text = format!("Cannot replace {}: it lies on another file system than its folder", target.display());
    Error::new(ErrorKind::Unsupported, "other_file_system", text)
        .hint("restore with --to DIR and copy it from there, or restore the mounted part by itself")
}

/// The folder in which a path lies.
pub fn parent(path: &Path) -> Result<PathBuf> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map(Path::to_path_buf).ok_or_else(|| {
        Error::usage("bad_target", format!("Cannot restore to {}", path.display())).hint("it has no folder around it")
    })
}
