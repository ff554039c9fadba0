//! Private working directories of runs, and the leases that tell the living from the dead. A lease is a
//! file that its holder keeps locked (flock(2)); the kernel frees the lock however the holder ends, so
//! nothing here depends on clocks or process ids. The lease of a staging directory lies beside it and is
//! taken before the directory is made: a directory whose lease can be had belongs to nobody any more.
//!
//! Not here: what is staged, and leases of backups ([`crate::store`] takes those with the same type).

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::durable::{Directory, is_file};
use crate::error::{Error, Result};

const LEASE: &str = ".lease";

/// A name in a directory that one holder has at a time, across threads and processes. Dropping it removes
/// the file; a killed holder leaves the file behind, unlocked.
pub struct Lease {
    directory: Directory,
    name: String,
    file: File,
    keep: bool,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({})", self.directory.path().join(&self.name).display())
    }
}

impl Lease {
    /// Takes the lease `name` in `root`, which is made (0700, its parent must exist) when it is not there.
    /// `None` when somebody holds it.
    pub fn take(root: &Path, name: &str) -> Result<Option<Self>> {
        let mut tries = 10;
        loop {
            tries -= 1;
            match Lease::lock(open_root(root)?, format!("{name}{LEASE}"), true) {
                // Whoever tidied up meanwhile removed the empty root.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 0 => {}
                other => return other.map_err(|e| Error::at("taking a lease in", root, e)),
            }
        }
    }

    /// Makes the lease survive a power cut, so that what it announces is found afterwards.
    pub fn persist(&self) -> Result<()> {
        self.directory.sync().map_err(|e| Error::at("making durable", self.directory.path(), e))
    }

    /// Lets go of the lock and leaves the file: the work it announces is not finished, a sweep shall do it.
    pub fn leave(mut self) {
        self.keep = true;
    }

    /// Names of the leases in `root`, held or not, sorted.
    pub fn names(root: &Path) -> Result<Vec<String>> {
        let directory = match Directory::open(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| Error::at("opening", root, e))?,
        };
        let names = directory.names().map_err(|e| Error::at("listing", root, e))?;
        let mut leases: Vec<String> =
            names.iter().filter_map(|name| Some(name.to_str()?.strip_suffix(LEASE)?.to_owned())).collect();
        leases.sort();
        Ok(leases)
    }

    fn lock(directory: Directory, name: String, create: bool) -> io::Result<Option<Self>> {
        loop {
            let file = directory.open_to_lock(&name, create)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            // The last holder may have unlinked the file between our open and our lock; then the lock is on
            // a file without a name, and the name is free or another file's.
            if rustix::fs::fstat(&file)?.st_nlink > 0 {
                return Ok(Some(Lease { directory, name, file, keep: false }));
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Unlinked while still locked, so that whoever gets the lock next sees that the name is gone.
        if !self.keep {
            let _ = self.directory.unlink(&self.name);
        }
        let _ = self.file.unlock();
    }
}

/// A run's private working directory, 0700, removed when dropped.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    // After `path` is removed; fields drop in this order.
    _lease: Lease,
}

impl Staging {
    /// Makes `<root>/<ulid>/`. `root` is made too, 0700, but not its parent: an unmounted destination must
    /// not be created by staging for it.
    pub fn create(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| Error::at("staging in", root, e))?;
        loop {
            let name = ulid::Ulid::generate().to_string();
            // Held already only when a sweep looks at the file in the moment of its creation.
            let Some(lease) = Lease::take(&root, &name)? else { continue };
            let made = lease.directory.make_child(&name);
            let directory = made.map_err(|e| Error::at("making a staging directory in", &root, e))?;
            return Ok(Staging { path: directory.path().to_owned(), _lease: lease });
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the staging directories in `root` whose run is dead, and returns their paths. Nothing that
    /// does not have the name of a staging directory is touched.
    pub fn sweep(root: &Path) -> Result<Vec<PathBuf>> {
        let directory = match Directory::open(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| Error::at("opening", root, e))?,
        };
        let names = directory.names().map_err(|e| Error::at("listing", root, e))?;
        let mut removed = Vec::new();
        for name in names.iter().filter_map(|name| name.to_str()) {
            let id = name.strip_suffix(LEASE).unwrap_or(name);
            if id.len() != 26 || ulid::Ulid::from_string(id).is_err() {
                continue;
            }
            let path = root.join(id);
            let Some(_lease) = Lease::take(root, id)? else { continue };
            match std::fs::symlink_metadata(&path) {
                Ok(meta) if meta.is_dir() => {}
                _ => continue,
            }
            std::fs::remove_dir_all(&path).map_err(|e| Error::at("removing", &path, e))?;
            removed.push(path);
        }
        removed.sort();
        Ok(removed)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by a sweep, once the lease is free.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Locks an existing file if nobody else holds it; `None` when somebody does, or when it is gone.
pub(super) fn lock_leftover(directory: &Directory, name: &str) -> io::Result<Option<File>> {
    if !directory.stat(name).is_ok_and(|stat| is_file(&stat)) {
        return Ok(None);
    }
    let file = match directory.open_to_lock(name, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match file.try_lock() {
        Ok(()) if rustix::fs::fstat(&file)?.st_nlink > 0 => Ok(Some(file)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_root(root: &Path) -> Result<Directory> {
    let doing = |error| Error::at("opening", root, error);
    match Directory::open(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other.map_err(doing),
    }
    let (Some(parent), Some(name)) = (root.parent(), root.file_name().and_then(|name| name.to_str())) else {
        return Err(doing(io::ErrorKind::NotFound.into()));
    };
    let parent = Directory::open(parent).map_err(doing)?;
    let directory = parent.make_child(name).map_err(doing)?;
    parent.sync().map_err(doing)?;
    Ok(directory)
}
