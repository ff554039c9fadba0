//! The state before as files on this machine: what the last run captured. A disk may have changed them since, so what is
//! read is compared with the checksums of that run first.
//!
//! Not here: where the files are kept.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Crc;

use super::{Past, WINDOW, damaged};
use crate::error::{Error, Result};
use crate::sqlite::before::Before;

/// Objects that lie here as files.
pub struct Kept {
    files: Vec<Object>,
    /// The window that was read last: which file, which number, its bytes.
    window: Option<(usize, usize, Vec<u8>)>,
}

struct Object {
    extension: String,
    file: File,
    length: u64,
    /// Of each window; empty where nothing has to be compared.
    sums: Vec<u32>,
    /// What it was, where it has been brought up to date since.
    before: Option<Before>,
}

impl Object {
    /// Fills `to` with a whole window, compared with its checksum.
    fn read(&self, number: usize, to: &mut [u8]) -> Result<()> {
        let start = number as u64 * WINDOW as u64;
        match &self.before {
            Some(before) => before.read(&self.file, start, to),
            None => self.file.read_exact_at(to, start),
        }
        .map_err(unread)?;
        if self.sums.get(number) != Some(&sum(to)) {
            return Err(damaged("the last capture is not what it was"));
        }
        Ok(())
    }
}

fn unread(error: io::Error) -> Error {
    Error::io("reading the last capture", error)
}

/// The checksum of a window.
pub(super) fn sum(window: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(window);
    crc.sum()
}

impl Kept {
    /// Opens files by the extensions of their objects, with the checksums of [`super::Encoded`]. With `before` they are as
    /// they were then.
    pub fn open<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a Path, &'a [u32])>,
        before: Option<&Path>,
    ) -> Result<Self> {
        let open = |(extension, path, sums): (&str, &Path, &[u32])| {
            let doing = |e| Error::at("opening", path, e);
            let file = File::open(path).map_err(doing)?;
            let before = before.map(Before::open).transpose().map_err(doing)?;
            let length = match &before {
                Some(before) => before.length,
                None => file.metadata().map_err(doing)?.len(),
            };
            if !sums.is_empty() && sums.len() as u64 != length.div_ceil(WINDOW as u64) {
                return Err(damaged("the last capture has another length"));
            }
            Ok(Object { extension: extension.to_owned(), file, length, sums: sums.to_vec(), before })
        };
        Ok(Kept { files: files.into_iter().map(open).collect::<Result<_>>()?, window: None })
    }

    fn find(&self, extension: &str) -> Option<usize> {
        self.files.iter().position(|object| object.extension == extension)
    }
}

impl Past for Kept {
    fn length(&mut self, extension: &str) -> Option<u64> {
        self.find(extension).and_then(|at| self.files.get(at)).map(|object| object.length)
    }

    fn read_at(&mut self, extension: &str, mut offset: u64, mut to: &mut [u8]) -> Result<()> {
        let found = self.find(extension).and_then(|at| Some((at, self.files.get(at)?)));
        let (at, object) = found.ok_or_else(|| damaged(&format!("it has no {extension}")))?;
        if object.sums.is_empty() {
            return object.file.read_exact_at(to, offset).map_err(unread);
        }
        while !to.is_empty() {
            let number = usize::try_from(offset / WINDOW as u64).unwrap_or(usize::MAX);
            let into = (offset % WINDOW as u64) as usize;
            let start = offset - into as u64;
            let length = usize::try_from(object.length.saturating_sub(start)).unwrap_or(WINDOW).min(WINDOW);
            // Mostly somebody wants a whole window, which needs no second buffer.
            if into == 0 && (1..=to.len()).contains(&length) {
                let (now, rest) = to.split_at_mut(length);
                object.read(number, now)?;
                offset += length as u64;
                to = rest;
                continue;
            }
            if self.window.as_ref().is_none_or(|(file, window, _)| (*file, *window) != (at, number)) {
                let mut bytes = self.window.take().map(|(.., bytes)| bytes).unwrap_or_default();
                bytes.resize(length, 0);
                object.read(number, &mut bytes)?;
                self.window = Some((at, number, bytes));
            }
            let window = self.window.as_ref().map_or(&[][..], |(.., bytes)| bytes);
            let n = to.len().min(WINDOW - into);
            let (now, rest) = to.split_at_mut(n);
            let from = window.get(into..into + n).ok_or_else(|| damaged("a range ends beyond its object"))?;
            now.copy_from_slice(from);
            offset += n as u64;
            to = rest;
        }
        Ok(())
    }
}
