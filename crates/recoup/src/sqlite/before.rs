//! What the pages of a copy were before it was brought up to date where it lies: a file of the older pages and where they
//! belong, so that the copy can still be read as it was. Only for the run that makes it.
//!
//! Not here: which pages change ([`super::follow`]).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Length of the copy as it was and bytes per page, as they end the file.
const END: u64 = 16;

/// Takes down older pages, in the order in which they lie.
pub struct Writer {
    file: BufWriter<File>,
    pages: Vec<u32>,
}

impl Writer {
    /// A new file (0600) at `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        Ok(Writer { file: BufWriter::with_capacity(1 << 20, file), pages: Vec::new() })
    }

    /// The page `number`, counted from 0, was `old`; the next one has a larger number.
    pub fn put(&mut self, number: u32, old: &[u8]) -> io::Result<()> {
        self.pages.push(number);
        self.file.write_all(old)
    }

    /// Completes the file. The copy was `length` bytes long, of pages of `page` bytes.
    pub fn finish(mut self, length: u64, page: u64) -> io::Result<()> {
        for number in &self.pages {
            self.file.write_all(&number.to_le_bytes())?;
        }
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&page.to_le_bytes())?;
        self.file.flush()
    }
}

/// A copy as it was.
pub struct Before {
    older: File,
    pages: Vec<u32>,
    page: u64,
    /// Length of the copy as it was.
    pub length: u64,
}

impl Before {
    /// Opens what [`Writer`] wrote.
    pub fn open(path: &Path) -> io::Result<Self> {
        let older = File::open(path)?;
        let size = older.metadata()?.len();
        let mut end = [0; END as usize];
        older.read_exact_at(&mut end, size.checked_sub(END).ok_or(io::ErrorKind::UnexpectedEof)?)?;
        let (length, page) = (number(&end[..8]), number(&end[8..]));
        // Every page takes its own bytes and four for its number.
        let count = (size - END).checked_div(page + 4).filter(|count| count * (page + 4) == size - END);
        let count = count.ok_or(io::ErrorKind::InvalidData)?;
        let mut numbers = vec![0; usize::try_from(count * 4).unwrap_or(0)];
        older.read_exact_at(&mut numbers, count * page)?;
        let pages = numbers.chunks_exact(4).map(|n| u32::from_le_bytes([n[0], n[1], n[2], n[3]])).collect();
        Ok(Before { older, pages, page, length })
    }

    /// Fills `to` with what lay at `start` in `copy` before; both begin and end where pages do.
    pub fn read(&self, copy: &File, start: u64, to: &mut [u8]) -> io::Result<()> {
        // Where the copy is shorter now, every older page was taken down.
        let there = usize::try_from(copy.metadata()?.len().saturating_sub(start)).unwrap_or(usize::MAX).min(to.len());
        copy.read_exact_at(&mut to[..there], start)?;
        let (first, end) = (start / self.page, (start + to.len() as u64) / self.page);
        let from = self.pages.partition_point(|page| u64::from(*page) < first);
        let changed = self.pages[from..].iter().take_while(|page| u64::from(**page) < end);
        for (at, page) in (from as u64..).zip(changed) {
            let into = usize::try_from((u64::from(*page) - first) * self.page).unwrap_or(usize::MAX);
            let old = to.get_mut(into..).and_then(|rest| rest.get_mut(..usize::try_from(self.page).ok()?));
            self.older.read_exact_at(old.ok_or(io::ErrorKind::InvalidData)?, at * self.page)?;
        }
        Ok(())
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
