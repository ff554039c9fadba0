//! Reading a file that somebody may be writing: what was read is only taken when size, modification and change
//! time are the same before and after; else it is taken back and read again, up to three times.
//!
//! Not here: databases, whose consistency no look at times can tell.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::error::Result;
use crate::model::{Content, Entry, Sink};
use crate::progress::Context;

/// How often a changing file is read before it is kept as it is.
const TRIES: usize = 3;
/// The first bytes of every SQLite database (<https://www.sqlite.org/fileformat2.html>, 1.3).
pub const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Opens the file anew, without following links and without waiting.
pub type Open<'a> = dyn Fn() -> rustix::io::Result<OwnedFd> + 'a;

/// What became of a file.
pub enum Emission {
    /// Emitted as it was at one moment.
    Whole,
    /// Emitted, but it changed every time it was read.
    Changed,
    /// Not emitted: it is a SQLite database.
    Database,
    /// Not emitted: it cannot be read.
    Failed(Errno),
}

/// Emits a file unless it is a database.
pub fn emit(entry: &Entry, open: &Open<'_>, sink: &mut dyn Sink, context: &Context) -> Result<Emission> {
    run(entry, open, sink, context, false)
}

/// Emits a file whatever it is.
pub fn emit_any(entry: &Entry, open: &Open<'_>, sink: &mut dyn Sink, context: &Context) -> Result<Emission> {
    run(entry, open, sink, context, true)
}

fn run(entry: &Entry, open: &Open<'_>, sink: &mut dyn Sink, context: &Context, any: bool) -> Result<Emission> {
    for left in (0..TRIES).rev() {
        let file = match open() {
            Ok(file) => File::from(file),
            Err(error) => return Ok(Emission::Failed(error)),
        };
        let before = match rustix::fs::fstat(&file) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => stat,
            Ok(_) => return Ok(Emission::Failed(Errno::NOENT)),
            Err(error) => return Ok(Emission::Failed(error)),
        };
        let mut head = [0; SQLITE_MAGIC.len()];
        let filled = match fill(&file, &mut head) {
            Ok(filled) => filled,
            Err(error) => return Ok(Emission::Failed(Errno::from_io_error(&error).unwrap_or(Errno::IO))),
        };
        if !any && &head == SQLITE_MAGIC {
            return Ok(Emission::Database);
        }
        context.check()?;
        let size = u64::try_from(before.st_size).unwrap_or(0);
        let entry = Entry { size, mtime_ns: mtime(&before), ..entry.clone() };
        let rest = Live { file: &file, position: filled as u64, failed: None };
        let mut stream = Cursor::new(&head[..filled]).chain(rest);
        sink.entry(&entry, Content::Stream(&mut stream))?;
        let (_, rest) = stream.into_inner();
        if let Some(error) = rest.failed {
            sink.retract()?;
            return Ok(Emission::Failed(error));
        }
        let same = rustix::fs::fstat(&file).is_ok_and(|after| stamp(&after) == stamp(&before));
        if same && rest.position.max(filled as u64) == size {
            return Ok(Emission::Whole);
        }
        if left == 0 {
            return Ok(Emission::Changed);
        }
        sink.retract()?;
    }
    Ok(Emission::Changed)
}

/// A file's bytes; an error of the disk ends them, to be told afterwards instead of failing the whole backup.
struct Live<'a> {
    file: &'a File,
    position: u64,
    failed: Option<Errno>,
}

impl Read for Live<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read_at(buffer, self.position) {
            Ok(n) => {
                self.position += n as u64;
                Ok(n)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.failed = Some(Errno::from_io_error(&error).unwrap_or(Errno::IO));
                Ok(0)
            }
        }
    }
}

fn fill(file: &File, head: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64)? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

fn mtime(stat: &Stat) -> i64 {
    stat.st_mtime.saturating_mul(1_000_000_000).saturating_add(stat.st_mtime_nsec as i64)
}

fn stamp(stat: &Stat) -> (i64, i64, i64, i64) {
    (stat.st_size, mtime(stat), stat.st_ctime, stat.st_ctime_nsec as i64)
}
