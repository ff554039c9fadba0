//! Reading one file while its owner may write to it: what `stat` says of it, a reader that reports progress,
//! and the three tries until two looks at it agree.
//!
//! Not here: which files are read ([`super::walk`]) and what a warning says ([`super::findings`]).

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use rustix::fs::{FileType, SeekFrom, Stat, seek};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::model::{Content, Entry, EntryKind, PathBytes, Sink};
use crate::progress::Context;
use crate::source::FileId;

/// The first bytes of every SQLite database (<https://www.sqlite.org/fileformat2.html>, 1.3).
pub(in crate::source) const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How often a file that changes while it is read is read before it is kept as it came.
pub(super) const TRIES: u32 = 3;

/// Bytes asked for at once.
const BUFFER: usize = 128 * 1024;

/// What a file system may keep inside the inode, without a block.
const SMALL: u64 = 4096;

/// What one look at a file said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Seen {
    /// Device and inode.
    pub id: FileId,
    /// Regular file, directory, link or something special.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u32,
    /// Bytes.
    pub size: u64,
    /// Number of names.
    pub links: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    blocks: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// When anything of it last changed.
    pub ctime_ns: i64,
}

impl Seen {
    /// Fields have other widths on other systems, hence the casts.
    #[allow(clippy::unnecessary_cast)]
    pub fn new(stat: &Stat) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Seen {
            id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            kind: FileType::from_raw_mode(stat.st_mode as _),
            mode: stat.st_mode as u32 & 0o7777,
            size: stat.st_size as u64,
            links: stat.st_nlink as u64,
            uid: stat.st_uid,
            gid: stat.st_gid,
            blocks: stat.st_blocks as u64,
            mtime_ns: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            ctime_ns: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }

    /// A look at an open file.
    pub fn open(file: &File) -> io::Result<Self> {
        Ok(Seen::new(&rustix::fs::fstat(file)?))
    }

    /// Whether another look says that the bytes were left alone in between.
    pub fn same_bytes(&self, other: &Seen) -> bool {
        (self.id, self.size, self.mtime_ns, self.ctime_ns) == (other.id, other.size, other.mtime_ns, other.ctime_ns)
    }

    /// The entry for it.
    pub fn entry(&self, path: PathBytes, kind: EntryKind) -> Entry {
        let file = kind == EntryKind::File;
        Entry {
            path,
            kind,
            size: if file { self.size } else { 0 },
            mode: self.mode,
            mtime_ns: self.mtime_ns,
            uid: Some(self.uid),
            gid: Some(self.gid),
            target: None,
            sha256: None,
            sqlite: false,
            sparse: file && self.has_holes(),
        }
    }

    /// Less lies on the disk than its size says. Small files may lie elsewhere than in blocks.
    fn has_holes(&self) -> bool {
        self.size > SMALL && self.blocks.saturating_mul(512) < self.size
    }

    /// Bytes to expect of it: holes are none.
    pub fn expected(&self) -> u64 {
        if self.has_holes() { self.blocks.saturating_mul(512) } else { self.size }
    }
}

/// A file on its way to a sink. It ends where the file ended when it was opened, so that a log which grows
/// as fast as we read has an end; and it ends where the disk fails, which the caller then finds in `failure`.
/// Holes are not read: nobody waits for a terabyte of nothing to come from the disk.
struct Watched<'a> {
    file: &'a File,
    buffer: &'a mut Vec<u8>,
    ready: std::ops::Range<usize>,
    /// Where the next byte to be taken from the disk lies, and where the file ends.
    at: u64,
    end: u64,
    /// The file has holes; `hole` and `data` say until where the one and the other are known to go.
    sparse: bool,
    hole: u64,
    data: u64,
    failure: Option<io::Error>,
    context: &'a Context,
}

impl<'a> Watched<'a> {
    fn new(file: &'a File, seen: &Seen, buffer: &'a mut Vec<u8>, context: &'a Context) -> Self {
        buffer.resize(BUFFER, 0);
        // Files of the kernel have size 0 and still say something.
        let end = if seen.size == 0 { u64::MAX } else { seen.size };
        let sparse = seen.has_holes();
        let data = if sparse { 0 } else { end };
        Watched { file, buffer, ready: 0..0, at: 0, end, sparse, hole: 0, data, failure: None, context }
    }

    /// Looks where the hole at `at` ends and the data after it. A file system that does not know has no holes.
    fn look(&mut self) -> io::Result<()> {
        let known = |found: Result<u64, Errno>| match found {
            Ok(place) => Ok(Some(place)),
            Err(Errno::NXIO) => Ok(None),
            Err(error) => Err(error),
        };
        let found = known(seek(self.file, SeekFrom::Data(self.at))).and_then(|data| {
            let Some(data) = data else { return Ok((self.end, self.end)) };
            Ok((data.min(self.end), known(seek(self.file, SeekFrom::Hole(data)))?.unwrap_or(self.end)))
        });
        (self.hole, self.data) = match found {
            Ok(found) => found,
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOTTY) => (self.at, self.end),
            Err(error) => return Err(error.into()),
        };
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        // The sink counts what it takes.
        self.context.check()?;
        let read = loop {
            match self.read_disk() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => break other,
            }
        };
        match read {
            Ok(Some(0)) => self.end = self.at,
            Ok(Some(got)) => {
                self.at += got as u64;
                self.ready = 0..got;
            }
            Ok(None) => {}
            Err(error) => {
                self.failure = Some(error);
                self.end = self.at;
            }
        }
        Ok(())
    }

    /// `None` in a hole.
    fn read_disk(&mut self) -> io::Result<Option<usize>> {
        if self.at >= self.data {
            self.look()?;
        }
        if self.at < self.hole {
            return Ok(None);
        }
        let most = usize::try_from(self.data.min(self.end).saturating_sub(self.at)).unwrap_or(BUFFER).min(BUFFER);
        let into = &mut self.buffer[..most];
        // Looking for holes moves the offset; and not every file of the kernel can be read at one.
        if self.sparse { self.file.read_at(into, self.at) } else { self.file.read(into) }.map(Some)
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.ready.is_empty() && self.at < self.end && self.at >= self.hole {
            self.fill()?;
        }
        if self.ready.is_empty() && self.at < self.end.min(self.hole) {
            self.context.check()?;
            let left = usize::try_from(self.end.min(self.hole) - self.at).unwrap_or(usize::MAX);
            let count = into.len().min(left);
            into[..count].fill(0);
            self.at += count as u64;
            return Ok(count);
        }
        let count = into.len().min(self.ready.len());
        into[..count].copy_from_slice(&self.buffer[self.ready.start..self.ready.start + count]);
        self.ready.start += count;
        Ok(count)
    }
}

/// What became of a file.
pub(in crate::source) enum Outcome {
    /// Emitted; two looks at it agreed.
    Kept,
    /// Emitted as the last try found it.
    Changed,
    /// Nothing emitted: it is a SQLite database and `databases` says that those are not wanted as bytes.
    Database,
    /// Nothing emitted: it could not be opened or read.
    Failed(io::Error),
}

/// Emits one file. `open` opens it afresh for every try. `path` is the entry's; when `databases` is set, a
/// file that begins like a SQLite database is not emitted.
pub(in crate::source) fn file(
    open: &dyn Fn() -> io::Result<File>,
    path: &PathBytes,
    databases: bool,
    buffer: &mut Vec<u8>,
    sink: &mut dyn Sink,
    context: &Context,
) -> Result<Outcome> {
    for attempt in 1..=TRIES {
        let opened = open().and_then(|file| Seen::open(&file).map(|seen| (file, seen)));
        let (file, before) = match opened {
            Ok(opened) => opened,
            Err(error) => return Ok(Outcome::Failed(error)),
        };
        if before.kind != FileType::RegularFile {
            return Ok(Outcome::Failed(io::ErrorKind::NotFound.into()));
        }
        let mut reader = Watched::new(&file, &before, buffer, context);
        reader.fill().map_err(|e| Error::io("reading", e))?;
        if let Some(error) = reader.failure.take() {
            return Ok(Outcome::Failed(error));
        }
        if databases && reader.buffer[reader.ready.clone()].starts_with(SQLITE_MAGIC) {
            return Ok(Outcome::Database);
        }
        sink.entry(&before.entry(path.clone(), EntryKind::File), Content::Stream(&mut reader))?;
        if let Some(error) = reader.failure.take() {
            sink.retract()?;
            return Ok(Outcome::Failed(error));
        }
        let after = Seen::open(&file).map_err(|e| Error::at("looking at", path.as_path(), e))?;
        if after.same_bytes(&before) {
            return Ok(Outcome::Kept);
        }
        if attempt < TRIES {
            sink.retract()?;
        }
    }
    Ok(Outcome::Changed)
}
