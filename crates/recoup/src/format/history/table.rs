//! The table of one window: its groups and its extents, as numbers of seven bits a byte (LEB128), the low ones first.
//!
//! Not here: what the groups hold ([`super::groups`]).

use super::damaged;
use crate::error::Result;

/// How a group lies in the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// New bytes as they are.
    Raw,
    /// New bytes, a zstd frame without its magic number.
    Packed,
    /// Changed blocks: a zstd frame without its magic number, compressed with their older versions as its prefix.
    Against,
    /// Changed blocks that their older versions do not help: a zstd frame without its magic number.
    Alone,
    /// Changed blocks as they are.
    Plain,
}

impl Shape {
    const ALL: [Shape; 5] = [Shape::Raw, Shape::Packed, Shape::Against, Shape::Alone, Shape::Plain];

    /// Whether its extents name the older version.
    pub fn is_changed(self) -> bool {
        !matches!(self, Shape::Raw | Shape::Packed)
    }
}

/// A group: bytes that are stored together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    pub shape: Shape,
    /// Bytes that it holds.
    pub raw: usize,
    /// Bytes that it takes.
    pub stored: usize,
}

/// Where a range of a window comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// The same bytes of the state before.
    Same,
    /// The next bytes of the next group of new bytes.
    New,
    /// The next bytes of the next group of changed blocks.
    Changed,
}

/// A range of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub from: From,
    pub length: usize,
    /// Where it lies in the object of the state before; 0 for new bytes.
    pub before: u64,
}

/// What a window consists of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub groups: Vec<Group>,
    pub extents: Vec<Extent>,
}

impl Table {
    /// `start` is where the window begins in its object.
    pub fn encode(&self, start: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.groups.len() * 6 + self.extents.len() * 4);
        put(&mut out, self.groups.len() as u64);
        for group in &self.groups {
            out.push(group.shape as u8);
            put(&mut out, group.raw as u64);
            put(&mut out, group.stored as u64);
        }
        put(&mut out, self.extents.len() as u64);
        let (mut at, mut shift) = (start, 0_i64);
        for extent in &self.extents {
            put(&mut out, (extent.length as u64) << 2 | extent.from as u64);
            if extent.from != From::New {
                let found = extent.before.wrapping_sub(at).cast_signed();
                put(&mut out, zigzag(found.wrapping_sub(shift)));
                shift = found;
            }
            at += extent.length as u64;
        }
        out
    }

    /// Reads a table of a window of `length` bytes that begins at `start`, and makes sure that its numbers agree.
    pub fn decode(bytes: &[u8], start: u64, length: usize) -> Result<Self> {
        let mut from = bytes;
        let mut table = Table::default();
        for _ in 0..take(&mut from)? {
            let (shape, rest) = from.split_first().ok_or_else(|| damaged("a table ends early"))?;
            from = rest;
            let shape = *Shape::ALL.get(usize::from(*shape)).ok_or_else(|| damaged("a group of an unknown shape"))?;
            let (raw, stored) = (size(&mut from)?, size(&mut from)?);
            if table.groups.len() >= super::RANGES {
                return Err(damaged("a table has too many groups"));
            }
            table.groups.push(Group { shape, raw, stored });
        }
        let (mut at, mut shift) = (start, 0_i64);
        let (mut all, mut new, mut changed) = (0, 0, 0);
        for _ in 0..take(&mut from)? {
            let word = take(&mut from)?;
            let length = usize::try_from(word >> 2).map_err(|_| damaged("a range is too long"))?;
            let source = match word & 3 {
                0 => From::Same,
                1 => From::New,
                2 => From::Changed,
                _ => return Err(damaged("a range of an unknown kind")),
            };
            let mut before = 0;
            if source != From::New {
                shift = shift.wrapping_add(unzigzag(take(&mut from)?));
                before = at.wrapping_add_signed(shift);
            }
            table.extents.push(Extent { from: source, length, before });
            at = at.wrapping_add(length as u64);
            all += length;
            match source {
                From::Same => {}
                From::New => new += length,
                From::Changed => changed += length,
            }
            if all > super::WINDOW || table.extents.len() > super::RANGES {
                return Err(damaged("a window is too long"));
            }
        }
        let held = |is: bool| -> usize {
            table.groups.iter().filter(|group| group.shape.is_changed() == is).map(|group| group.raw).sum()
        };
        if all != length || new != held(false) || changed != held(true) || !from.is_empty() {
            return Err(damaged("the numbers of a table do not agree"));
        }
        Ok(table)
    }
}

/// Appends a number.
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the beginning.
pub(super) fn take(from: &mut &[u8]) -> Result<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first().ok_or_else(|| damaged("a table ends early"))?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged("a number is too long"))
}

/// A length within a window.
fn size(from: &mut &[u8]) -> Result<usize> {
    let number = take(from)?;
    usize::try_from(number).ok().filter(|n| *n <= 2 * super::WINDOW).ok_or_else(|| damaged("a group is too long"))
}

fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_table_comes_back() {
        let group = |shape, raw| Group { shape, raw, stored: raw / 2 };
        let extent = |from, length, before| Extent { from, length, before };
        let table = Table {
            groups: vec![group(Shape::Packed, 700), group(Shape::Against, 4096), group(Shape::Plain, 4096)],
            extents: vec![
                extent(From::Same, 8192, 1 << 33),
                extent(From::Changed, 4096, (1 << 33) + 8192),
                extent(From::New, 700, 0),
                extent(From::Changed, 4096, 0),
            ],
        };
        let bytes = table.encode(1 << 33);
        assert_eq!(Table::decode(&bytes, 1 << 33, 17_084).unwrap(), table);
        // A range that continues takes three bytes.
        assert!(bytes.len() < 40, "{}", bytes.len());
        for cut in 0..bytes.len() {
            assert!(Table::decode(&bytes[..cut], 1 << 33, 17_084).is_err());
        }
        assert!(Table::decode(&bytes, 1 << 33, 17_083).is_err());
    }

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 1 << 40, u64::MAX] {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(take(&mut out.as_slice()).unwrap(), number);
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(number)), number);
        }
    }
}
