//! A short cut of the comparison: a table whose pages lie at the same places with the same bytes in both files has the
//! same rows. Copies of one database share almost all pages, and comparing bytes is much cheaper than reading rows.
//!
//! Not here: what differs in a table that is not proven equal ([`super::compare`]).

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes read at once; a multiple of every page size.
const CHUNK: usize = 1 << 20;

/// Which pages of two database files are the same.
pub(super) struct Pages {
    /// One bit per page from page 1: set where both files have the same bytes.
    same: Vec<u64>,
}

impl Pages {
    /// Reads both files, which nobody changes and which SQLite does not have open with locks. `page_size` is that of
    /// both; there is no answer for anything else than a power of two between 512 and 65 536.
    pub(super) fn compare(left: &Path, right: &Path, page_size: u32, context: &Context) -> Result<Option<Self>> {
        let size = page_size as usize;
        if !(512..=65536).contains(&size) || !size.is_power_of_two() {
            return Ok(None);
        }
        let open = |path: &Path| File::open(path).map_err(|e| Error::at("opening", path, e));
        let (mut files, mut chunks) = ([open(left)?, open(right)?], [vec![0; CHUNK], vec![0; CHUNK]]);
        let mut same = Vec::new();
        let mut page = 0_usize;
        loop {
            context.check()?;
            let l = fill(&mut files[0], &mut chunks[0]).map_err(|e| Error::at("reading", left, e))?;
            let r = fill(&mut files[1], &mut chunks[1]).map_err(|e| Error::at("reading", right, e))?;
            // How bytes of a page are read depends on these two: reserved space, and the format of the schema.
            let header = |chunk: &[u8]| (chunk[20], [chunk[44], chunk[45], chunk[46], chunk[47]]);
            if page == 0 && header(&chunks[0]) != header(&chunks[1]) {
                return Ok(None);
            }
            let whole = l.min(r) / size;
            for (l, r) in chunks[0].chunks_exact(size).zip(chunks[1].chunks_exact(size)).take(whole) {
                if page.is_multiple_of(64) {
                    same.push(0);
                }
                if l == r
                    && let Some(bits) = same.last_mut()
                {
                    *bits |= 1_u64 << (page % 64);
                }
                page += 1;
            }
            if whole * size < CHUNK {
                return Ok(Some(Pages { same }));
            }
        }
    }

    /// Whether a table has the same rows on both sides: it begins at the same page, and every page that it has on the
    /// left, overflow included, is the same on the right, so that it leads to the same pages there. Only for tables
    /// of one definition in one encoding. False when SQLite was built without `dbstat`
    /// (<https://sqlite.org/dbstat.html>), and for whatever else hinders the answer.
    pub(super) fn have_same_table(&self, left: &Connection, right: &Connection, name: &str) -> bool {
        let root = |connection: &Connection| -> rusqlite::Result<i64> {
            let sql = "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1";
            connection.query_row(sql, [name], |row| row.get(0))
        };
        let every_page_is_same = || -> rusqlite::Result<bool> {
            if root(left)? != root(right)? {
                return Ok(false);
            }
            let mut pages = left.prepare("SELECT pageno FROM dbstat('main') WHERE name = ?1")?;
            let mut pages = pages.query([name])?;
            let mut any = false;
            while let Some(row) = pages.next()? {
                any = true;
                if !self.is_same(row.get(0)?) {
                    return Ok(false);
                }
            }
            Ok(any)
        };
        every_page_is_same().unwrap_or(false)
    }

    /// Whether both files have the same bytes on a page, from 1.
    pub(super) fn is_same(&self, page: i64) -> bool {
        let Some(at) = usize::try_from(page).ok().and_then(|page| page.checked_sub(1)) else { return false };
        self.same.get(at / 64).is_some_and(|bits| bits & (1 << (at % 64)) != 0)
    }
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
