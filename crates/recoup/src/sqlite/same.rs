//! Whether a live database holds exactly the pages of a finished copy: the proof that a restore arrived.
//!
//! Not here: what rows differ ([`super::compare`]).

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::open;
use super::pin::Pinned;
use super::place::{self, PlainFile};
use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes compared at once.
const CHUNK: usize = 1 << 20;

/// What of the header belongs to the file and not to the data: format versions (journal mode), change counter, schema
/// cookie, version-valid-for and SQLite's version (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const OF_THE_FILE: [std::ops::Range<usize>; 4] = [18..20, 24..28, 40..44, 92..100];

/// Compares the committed state of `live` with `copy`, page by page. `scratch` is a path in a private folder, used
/// when the live file alone does not tell (its log cannot be brought home, or this process has it open).
pub fn same(live: &Path, copy: &Path, scratch: &Path, busy: Duration, context: &Context) -> Result<bool> {
    // Opened before SQLite opens it and closed after, so that no lock of anybody in this process is lost.
    if let Some(mut plain) = PlainFile::open(live).map_err(|e| Error::at("opening", live, e))? {
        let reader = open::open_source(live, busy)?;
        open::pin(&reader, live, busy, context)?;
        // With an empty log the file is the whole state, and our read transaction keeps it so.
        let log = fs::metadata(place::sidecar(live, "-wal")).map_or(0, |meta| meta.len());
        if log == 0 {
            let equal = equal(&mut plain, copy, context);
            drop(reader);
            return equal;
        }
    }
    let pinned = Pinned::begin(live, &scratch.with_extension("recovering"), busy, context)?;
    let compared = pinned.copy(scratch, context, busy).and_then(|_| {
        let mut file = File::open(scratch).map_err(|e| Error::at("opening", scratch, e))?;
        equal(&mut file, copy, context)
    });
    let _ = fs::remove_file(scratch);
    compared
}

fn equal(left: &mut dyn Read, copy: &Path, context: &Context) -> Result<bool> {
    let mut right = File::open(copy).map_err(|e| Error::at("opening", copy, e))?;
    let (mut a, mut b) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut first = true;
    loop {
        let n = fill(left, &mut a)?;
        let m = fill(&mut right, &mut b)?;
        if n != m {
            return Ok(false);
        }
        if std::mem::take(&mut first) && n >= 100 {
            for range in OF_THE_FILE {
                a[range.clone()].fill(0);
                b[range].fill(0);
            }
        }
        if a[..n] != b[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
        context.advance(n as u64)?;
    }
}

fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("comparing", error)),
        }
    }
    Ok(filled)
}
