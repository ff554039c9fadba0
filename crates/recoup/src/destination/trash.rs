//! The trash of a directory destination: `.recoup/trash/<folder>/<file>`. What retention removes is moved here by a
//! rename on the same file system, durably, and is gone for good when somebody removes the folder.
//!
//! Not here: what a folder is called and how long it stays ([`crate::store`]).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::durable::{Directory, is_file};
use crate::error::{Error, Result};

const NAME: &str = "trash";

/// The trash beside the staging area of a destination.
#[derive(Debug, Clone)]
pub struct Trash {
    staging: PathBuf,
}

impl Trash {
    /// The trash of the destination that stages in `staging`.
    pub fn beside(staging: &Path) -> Self {
        Trash { staging: staging.to_owned() }
    }

    /// Where a folder is.
    pub fn path(&self, folder: &str) -> PathBuf {
        self.staging.join(NAME).join(folder)
    }

    /// Moves the object `key` of the destination into `folder`, which is made when it is not there. `false` when it
    /// cannot be moved (another file system, or a disk that is too full for a folder): it is where it was.
    pub fn put(&self, key: &str, folder: &str) -> Result<bool> {
        match self.try_put(key, folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::CrossesDevices | io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(Error::io(format!("moving {key} to the trash"), error)),
        }
    }

    fn try_put(&self, key: &str, folder: &str) -> io::Result<()> {
        let (root, staging) = match (self.staging.parent(), self.staging.file_name().and_then(OsStr::to_str)) {
            (Some(root), Some(staging)) => (Directory::open(root)?, staging),
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let mut to = Directory::open(root.path())?;
        for name in [staging, NAME, folder] {
            let child = to.make_child(name)?;
            to.sync()?;
            to = child;
        }
        let mut from = root;
        let mut parts = key.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                from = from.child(part)?;
            } else if is_file(&from.stat(part)?) {
                to.publish(&from, OsStr::new(part), OsStr::new(part))?;
            }
        }
        to.sync()?;
        from.sync()
    }

    /// The folders, sorted, each with the sum of its files' lengths.
    pub fn folders(&self) -> Result<Vec<(String, u64)>> {
        let path = self.staging.join(NAME);
        let trash = match Directory::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(|e| Error::at("opening", &path, e))?,
        };
        let read = || -> io::Result<Vec<(String, u64)>> {
            let mut folders = Vec::new();
            for name in trash.names()? {
                let Some(name) = name.to_str() else { continue };
                match trash.child(name) {
                    Ok(folder) => folders.push((name.to_owned(), bytes(&folder)?)),
                    Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                    Err(error) => return Err(error),
                }
            }
            folders.sort();
            Ok(folders)
        };
        read().map_err(|e| Error::at("listing", &path, e))
    }

    /// The files of a folder, each with its length, by name. None when it is not there.
    pub fn files(&self, folder: &str) -> Result<BTreeMap<String, u64>> {
        let path = self.path(folder);
        let read = || -> io::Result<BTreeMap<String, u64>> {
            let directory = Directory::open(&path)?;
            let mut files = BTreeMap::new();
            for name in directory.names()? {
                let stat = directory.stat(&name)?;
                if let (true, Some(name)) = (is_file(&stat), name.to_str()) {
                    files.insert(name.to_owned(), u64::try_from(stat.st_size).unwrap_or(0));
                }
            }
            Ok(files)
        };
        match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            other => other.map_err(|e| Error::at("listing", &path, e)),
        }
    }

    /// Moves a file of a folder back to where it was: the object `<parent>/<name>` of the destination, durably. One that is
    /// there already stays as it is, and so does the file in the trash.
    pub fn take_out(&self, folder: &str, name: &str, parent: &str) -> Result<()> {
        let moved = || -> io::Result<()> {
            let root = self.staging.parent().ok_or(io::ErrorKind::InvalidInput)?;
            let from = Directory::open(&self.path(folder))?;
            let root = Directory::open(root)?;
            let to = root.make_child(parent)?;
            root.sync()?;
            match to.publish(&from, OsStr::new(name), OsStr::new(name)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                other => other?,
            }
            to.sync()?;
            from.sync()
        };
        moved().map_err(|error| Error::io(format!("putting {name} back from the trash"), error))
    }

    /// Removes a folder for good.
    pub fn remove(&self, folder: &str) -> Result<()> {
        let path = self.path(folder);
        match std::fs::remove_dir_all(&path) {
            // Somebody else removes it too, or puts something into it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other.map_err(|e| Error::at("emptying", &path, e)),
        }
    }
}

fn bytes(folder: &Directory) -> io::Result<u64> {
    let mut sum = 0;
    for name in folder.names()? {
        match folder.stat(&name) {
            Ok(stat) if is_file(&stat) => sum += u64::try_from(stat.st_size).unwrap_or(0),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}
