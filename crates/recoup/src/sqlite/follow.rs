//! Bringing an earlier copy of a database up to date where it lies: every page is read through SQLite's table of pages
//! (<https://sqlite.org/dbpage.html>) under the read transaction that fixes the moment, and only those that differ are
//! written. What they were is taken down first, for whoever still compares with it.
//!
//! Not here: a copy from nothing ([`super::copy`]), and who keeps the earlier one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::before::Writer;
use super::{facts, open};
use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes of the copy that are read at once; a multiple of every page size.
const CHUNK: usize = 1 << 20;

/// An earlier copy of a database, which is ours alone.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// The copy.
    pub copy: PathBuf,
    /// Where its older pages are taken down ([`super::before`]).
    pub before: PathBuf,
}

/// Whether SQLite was built with its table of pages.
pub(super) fn has_pages(connection: &Connection) -> bool {
    let sql = "SELECT sqlite_compileoption_used('ENABLE_DBPAGE_VTAB')";
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or(false)
}

/// Makes the copy what `source` is at the moment of its read transaction. False, and nothing has changed, where that is not
/// possible: another page size, no table of pages. After an error the copy is worth nothing.
pub fn follow(source: &Connection, earlier: &Earlier, context: &Context) -> Result<bool> {
    let size = u64::from(facts::page_size(source)?);
    let copy = File::options().read(true).write(true).open(&earlier.copy);
    let copy = copy.map_err(|e| Error::at("opening", &earlier.copy, e))?;
    let length = copy.metadata().map_err(|e| Error::at("looking at", &earlier.copy, e))?.len();
    let mut head = [0; 18];
    let theirs = copy.read_exact_at(&mut head, 0).ok().and_then(|()| facts::page_size_in(&head)).map(u64::from);
    if !has_pages(source) || theirs != Some(size) || !length.is_multiple_of(size) {
        return Ok(false);
    }
    let before = Writer::create(&earlier.before).map_err(|e| Error::at("creating", &earlier.before, e))?;
    let mut following = Following { copy, before, size, length, chunk: Vec::new(), start: 0 };
    following.all(source, &earlier.copy, context)?;
    following.before.finish(length, size).map_err(|e| Error::at("writing", &earlier.before, e))?;
    Ok(true)
}

struct Following {
    copy: File,
    before: Writer,
    size: u64,
    /// Length of the copy as it was.
    length: u64,
    /// A piece of the copy as it was, and where it begins.
    chunk: Vec<u8>,
    start: u64,
}

impl Following {
    fn all(&mut self, source: &Connection, path: &Path, context: &Context) -> Result<()> {
        let pages = facts::page_count(source)?;
        let failed = |e| open::failed(path, e);
        let written = |e| Error::at("writing", path, e);
        let mut statement = source.prepare("SELECT data FROM sqlite_dbpage('main')").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut number = 0;
        while let Some(row) = rows.next().map_err(failed)? {
            let data = row.get_ref(0).map_err(failed)?.as_blob().map_err(|e| failed(e.into()))?;
            self.page(number, data).map_err(written)?;
            number += 1;
            if (u64::from(number) * self.size).is_multiple_of(CHUNK as u64) {
                context.advance(CHUNK as u64)?;
            }
        }
        if u64::from(number) != pages {
            let found = format!("{number} of {pages} pages were there");
            return Err(Error::corrupted(found).while_("reading the database page by page"));
        }
        self.cut(number).map_err(written)
    }

    /// The page `number`, counted from 0, is `data` now.
    fn page(&mut self, number: u32, data: &[u8]) -> io::Result<()> {
        let at = u64::from(number) * self.size;
        if at < self.length {
            let old = self.old(at)?;
            if old == data {
                return Ok(());
            }
            let old = old.to_vec();
            self.before.put(number, &old)?;
        }
        self.copy.write_all_at(data, at)
    }

    /// What lies at `at` in the copy.
    fn old(&mut self, at: u64) -> io::Result<&[u8]> {
        if !(self.start..self.start + self.chunk.len() as u64).contains(&at) {
            self.chunk.resize(usize::try_from(self.length - at).unwrap_or(CHUNK).min(CHUNK), 0);
            self.copy.read_exact_at(&mut self.chunk, at)?;
            self.start = at;
        }
        let into = (at - self.start) as usize;
        Ok(&self.chunk[into..into + self.size as usize])
    }

    /// Nothing follows after `pages` pages.
    fn cut(&mut self, pages: u32) -> io::Result<()> {
        let mut number = pages;
        while u64::from(number) * self.size < self.length {
            let old = self.old(u64::from(number) * self.size)?.to_vec();
            self.before.put(number, &old)?;
            number += 1;
        }
        if u64::from(pages) * self.size < self.length {
            self.copy.set_len(u64::from(pages) * self.size)?;
        }
        Ok(())
    }
}
