//! A file of ours that is being written: new, mode 0600 whatever the umask, and gone again unless it is kept.
//!
//! Not here: making it durable; a destination does that when it takes the file over.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Removes the file when dropped, unless [`FreshFile::keep`] was called.
#[derive(Debug)]
pub struct FreshFile {
    path: PathBuf,
    kept: bool,
}

impl FreshFile {
    /// Creates the file, which must not exist.
    pub fn create(path: &Path) -> Result<(Self, File)> {
        let create = || -> io::Result<File> {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        };
        let file = create().map_err(|e| Error::at("creating", path, e))?;
        Ok((FreshFile::adopt(path), file))
    }

    /// Watches over a file that somebody else creates.
    pub fn adopt(path: &Path) -> Self {
        FreshFile { path: path.to_owned(), kept: false }
    }

    /// The file is finished and stays.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for FreshFile {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
