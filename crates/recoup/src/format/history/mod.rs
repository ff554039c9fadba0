//! The `history` layout's bytes: a *piece* holds what one backup's objects are, as copies of ranges of the backup before,
//! as blocks compressed against their older version, and as new bytes. A chain of pieces, from one without a past to the
//! last one, gives each of its states bit by bit.
//!
//! Not here: which piece continues which chain, and when one may go; that is the store's business. `docs/formats.md`
//! specifies every byte.

mod groups;
mod kept;
mod reader;
mod regions;
mod table;
mod window;
mod writer;

pub use kept::Kept;
pub use reader::Chain;
pub use writer::{Encoded, write};

use std::io;

use crate::error::{Error, Result};

/// Begins a piece; the last byte is the version.
const MAGIC: &[u8; 8] = b"RECOUPH\x01";
/// Bytes of an object that one table describes.
const WINDOW: usize = 4 << 20;
/// Raw bytes from which on a group of new bytes is closed.
const NEW_GROUP: usize = 512 << 10;
/// Raw bytes from which on a group of changed blocks is closed: smaller, since one block needs its whole group.
const CHANGED_GROUP: usize = 64 << 10;
/// The longest table, unpacked, and the most ranges that one has: far more than the members of any archive make.
const TABLE: usize = 4 << 20;
const RANGES: usize = 1 << 18;
/// Compression level of zstd.
const LEVEL: i32 = 3;
/// Blocks of what is no database.
const BLOCK: usize = 4096;

/// The state that came before: its objects, to be compared with and to be referred to.
pub trait Past {
    /// Length of an object, by its extension; `None` when that state has none.
    fn length(&mut self, extension: &str) -> Option<u64>;
    /// Fills `to` with what lies at `offset`.
    fn read_at(&mut self, extension: &str, offset: u64, to: &mut [u8]) -> Result<()>;
}

/// What is wrong with a piece.
fn damaged(what: &str) -> Error {
    Error::corrupted(what).while_("reading a history")
}

/// A reader with a place, over one object of a past.
struct Seeking<'a> {
    past: &'a mut dyn Past,
    extension: &'a str,
    length: u64,
    at: u64,
}

impl io::Read for Seeking<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.at);
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(to.len());
        self.past.read_at(self.extension, self.at, &mut to[..n]).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl io::Seek for Seeking<'_> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::End(by) => self.length.checked_add_signed(by),
            io::SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
