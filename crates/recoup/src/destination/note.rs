//! A small document in the staging area of a directory destination that is replaced as a whole and durably. Losing
//! it must never lose a backup.
//!
//! Not here: what it says.

use std::io::{self, Read, Write};
use std::path::Path;

use super::durable::{self, Directory};
use crate::error::{Error, Result};

/// Longer than any note.
const LIMIT: u64 = 4 << 20;

/// Reads the note `name` in `staging`; `None` when there is none.
pub fn read(staging: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let doing = |e| Error::at("reading", &staging.join(name), e);
    let file = match Directory::open(staging).and_then(|directory| directory.read(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(doing)?,
    };
    let mut bytes = Vec::new();
    file.take(LIMIT).read_to_end(&mut bytes).map_err(doing)?;
    Ok(Some(bytes))
}

/// Replaces the note `name` in `staging`: whatever happens, it is the old one or the new one.
pub fn replace(staging: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        durable::make_directories(staging)?;
        let directory = Directory::open(staging)?;
        let new = format!("{name}.new");
        // Whoever replaces a note has its lease: what lies here was left by somebody who died.
        directory.unlink(&new)?;
        let mut file = directory.create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        directory.replace(&new, name)?;
        directory.sync()
    };
    write().map_err(|e| Error::at("writing", &staging.join(name), e))
}
