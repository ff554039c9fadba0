//! Reading a chain of pieces: any range of the objects of its last state, by going back to where its bytes come from.
//! Memory is bounded: tables and groups are kept only as long as there is room.
//!
//! Not here: that the pieces are the right ones; whoever opens them has compared their SHA-256.

use std::collections::HashMap;
use std::fs::File;
use std::hash::Hash;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::groups::{bytes, unpack};
use super::table::{From, Table, take};
use super::{MAGIC, Past, TABLE, WINDOW, damaged};
use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes of groups that are kept for the next range.
const ROOM: usize = 24 << 20;
/// Bytes of tables that are kept.
const TABLES: usize = 8 << 20;
/// Bytes that are put together at once.
const CHUNK: usize = 1 << 20;
/// The longest index that is read: of some hundred terabytes.
const INDEX: usize = 64 << 20;

/// Pieces, each continuing the one before.
pub struct Chain {
    pieces: Vec<Piece>,
    tables: Kept<(usize, usize, usize), Window>,
    groups: Kept<(usize, usize, usize, usize), Vec<u8>>,
}

/// One piece.
struct Piece {
    file: File,
    objects: Vec<Object>,
}

/// One object as a piece has it.
struct Object {
    extension: String,
    length: u64,
    /// Where each window lies: its table, and the groups after it.
    windows: Vec<(u64, usize)>,
}

/// A table that has been read, with what its numbers add up to.
struct Window {
    table: Table,
    /// Of each extent: where it begins in the window, and of those with bytes of their own, where in all new or all
    /// changed bytes.
    begins: Vec<(usize, usize)>,
    /// Of each group: where it begins in all new or all changed bytes, and where it lies in the piece.
    groups: Vec<(usize, u64)>,
}

impl Chain {
    /// Opens pieces, the first one first.
    pub fn open<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self> {
        let pieces = paths.into_iter().map(Piece::open).collect::<Result<Vec<_>>>()?;
        if pieces.is_empty() {
            return Err(damaged("it has no pieces"));
        }
        Ok(Chain { pieces, tables: Kept::new(TABLES), groups: Kept::new(ROOM) })
    }

    /// Writes an object of the last state; its length and SHA-256 (lower-case hex).
    pub fn extract(&mut self, extension: &str, to: &mut dyn Write, context: &Context) -> Result<(u64, String)> {
        let length = self.length(extension).ok_or_else(|| damaged(&format!("it has no {extension}")))?;
        let (mut hash, mut at, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
        while at < length {
            let n = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
            self.read_at(extension, at, &mut chunk[..n])?;
            hash.update(&chunk[..n]);
            to.write_all(&chunk[..n]).map_err(|e| Error::io("writing", e))?;
            at += n as u64;
            context.advance(n as u64)?;
        }
        Ok((length, HEXLOWER.encode(&hash.finalize())))
    }

    fn find(&self, piece: usize, extension: &str) -> Option<usize> {
        self.pieces.get(piece)?.objects.iter().position(|object| object.extension == extension)
    }

    /// Fills `to` with what lies at `offset` of an object as it is after a piece.
    fn range(&mut self, piece: usize, object: usize, offset: u64, mut to: &mut [u8]) -> Result<()> {
        let length = self.object(piece, object)?.length;
        if offset.checked_add(to.len() as u64).is_none_or(|end| end > length) {
            return Err(damaged("a range ends beyond its object"));
        }
        let mut at = offset;
        while !to.is_empty() {
            let number = usize::try_from(at / WINDOW as u64).map_err(|_| damaged("a window too far"))?;
            let into = (at % WINDOW as u64) as usize;
            let n = to.len().min(WINDOW - into);
            let (now, rest) = to.split_at_mut(n);
            self.within(piece, object, number, into, now)?;
            at += n as u64;
            to = rest;
        }
        Ok(())
    }

    /// As [`Chain::range`], within one window.
    fn within(&mut self, piece: usize, object: usize, number: usize, into: usize, mut to: &mut [u8]) -> Result<()> {
        let window = self.window(piece, object, number)?;
        let mut at = into;
        let mut next = window.begins.partition_point(|(begin, _)| *begin <= at).saturating_sub(1);
        while !to.is_empty() {
            let (Some(extent), Some((begin, own))) = (window.table.extents.get(next), window.begins.get(next)) else {
                return Err(damaged("a window ends early"));
            };
            let skipped = at - begin;
            let n = to.len().min(extent.length - skipped);
            let (now, rest) = to.split_at_mut(n);
            match extent.from {
                From::Same => self.before(piece, object, extent.before + skipped as u64, now)?,
                from => self.stored(piece, object, number, &window, from == From::Changed, own + skipped, now)?,
            }
            at += n;
            to = rest;
            next += 1;
        }
        Ok(())
    }

    /// A range of the state before a piece.
    fn before(&mut self, piece: usize, object: usize, offset: u64, to: &mut [u8]) -> Result<()> {
        let past = piece.checked_sub(1).ok_or_else(|| damaged("the first piece refers to one before"))?;
        let extension = self.object(piece, object)?.extension.clone();
        let object = self.find(past, &extension).ok_or_else(|| damaged("it refers to what was not there"))?;
        self.range(past, object, offset, to)
    }

    /// Bytes that a window has of its own, from `own` on in all its new or all its changed ones.
    #[expect(clippy::too_many_arguments, reason = "an address in a piece has that many parts")]
    fn stored(
        &mut self,
        piece: usize,
        object: usize,
        number: usize,
        window: &Arc<Window>,
        changed: bool,
        mut own: usize,
        mut to: &mut [u8],
    ) -> Result<()> {
        while !to.is_empty() {
            let holds = |(group, (begin, _)): &(&super::table::Group, &(usize, u64))| {
                group.shape.is_changed() == changed && (*begin..*begin + group.raw).contains(&own)
            };
            let found = window.table.groups.iter().zip(&window.groups).position(|pair| holds(&pair));
            let at = found.ok_or_else(|| damaged("a range has no group"))?;
            let begin = window.groups.get(at).map(|(begin, _)| *begin).unwrap_or_default();
            let group = self.group(piece, object, number, window, at)?;
            let from = group.get(own - begin..).unwrap_or_default();
            let n = to.len().min(from.len());
            let (now, rest) = to.split_at_mut(n);
            now.copy_from_slice(&from[..n]);
            own += n;
            to = rest;
        }
        Ok(())
    }

    /// The bytes of a group.
    fn group(
        &mut self,
        piece: usize,
        object: usize,
        number: usize,
        window: &Arc<Window>,
        at: usize,
    ) -> Result<Arc<Vec<u8>>> {
        let key = (piece, object, number, at);
        if let Some(found) = self.groups.get(&key) {
            return Ok(found);
        }
        let (Some(group), Some((begin, place))) = (window.table.groups.get(at), window.groups.get(at)) else {
            return Err(damaged("a range has no group"));
        };
        let mut stored = vec![0; group.stored];
        self.piece(piece)?.read(*place, &mut stored)?;
        let mut old = Vec::new();
        if group.shape == super::table::Shape::Against {
            old = vec![0; group.raw];
            let mut left = old.as_mut_slice();
            for (extent, (_, own)) in window.table.extents.iter().zip(&window.begins) {
                if extent.from == From::Changed && (*begin..*begin + group.raw).contains(own) {
                    if extent.length > left.len() {
                        return Err(damaged("a changed range is in two groups"));
                    }
                    let (now, rest) = left.split_at_mut(extent.length);
                    self.before(piece, object, extent.before, now)?;
                    left = rest;
                }
            }
        }
        let found = Arc::new(bytes(group, stored, &old)?);
        self.groups.put(key, Arc::clone(&found), found.len());
        Ok(found)
    }

    fn window(&mut self, piece: usize, object: usize, number: usize) -> Result<Arc<Window>> {
        let key = (piece, object, number);
        if let Some(found) = self.tables.get(&key) {
            return Ok(found);
        }
        let held = self.object(piece, object)?;
        let (place, packed) = *held.windows.get(number).ok_or_else(|| damaged("a window is missing"))?;
        let start = number as u64 * WINDOW as u64;
        let length = usize::try_from(held.length.saturating_sub(start)).unwrap_or(WINDOW).min(WINDOW);
        let mut stored = vec![0; packed];
        self.piece(piece)?.read(place, &mut stored)?;
        let table = Table::decode(&unpack(&stored, TABLE)?, start, length)?;
        let found = Arc::new(Window::of(table, place + packed as u64));
        let size = 64 * (found.begins.len() + found.groups.len());
        self.tables.put(key, Arc::clone(&found), size);
        Ok(found)
    }

    fn piece(&self, piece: usize) -> Result<&Piece> {
        self.pieces.get(piece).ok_or_else(|| damaged("a piece is missing"))
    }

    fn object(&self, piece: usize, object: usize) -> Result<&Object> {
        self.piece(piece)?.objects.get(object).ok_or_else(|| damaged("an object is missing"))
    }
}

impl Past for Chain {
    fn length(&mut self, extension: &str) -> Option<u64> {
        let last = self.pieces.len() - 1;
        let object = self.find(last, extension)?;
        self.object(last, object).ok().map(|object| object.length)
    }

    fn read_at(&mut self, extension: &str, offset: u64, to: &mut [u8]) -> Result<()> {
        let last = self.pieces.len() - 1;
        let object = self.find(last, extension).ok_or_else(|| damaged(&format!("it has no {extension}")))?;
        self.range(last, object, offset, to)
    }
}

impl Piece {
    fn open(path: &Path) -> Result<Self> {
        let doing = |e| Error::at("reading", path, e);
        let file = File::open(path).map_err(doing)?;
        let length = file.metadata().map_err(doing)?.len();
        let piece = Piece { file, objects: Vec::new() };
        let (mut head, mut tail) = ([0; 8], [0; 16]);
        let end = length.checked_sub(16).ok_or_else(|| damaged("it is too short"))?;
        piece.read(0, &mut head)?;
        piece.read(end, &mut tail)?;
        if head != *MAGIC || tail[8..] != *MAGIC {
            return Err(damaged("it is no piece of a history, or of a newer version"));
        }
        let number = |at: usize| u32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]) as usize;
        let (packed, raw) = (number(0), number(4));
        let start = end.checked_sub(packed as u64).filter(|start| *start >= 8 && raw <= INDEX);
        let start = start.ok_or_else(|| damaged("its index is too long"))?;
        let mut stored = vec![0; packed];
        piece.read(start, &mut stored)?;
        let objects = objects(&unpack(&stored, raw)?, start)?;
        Ok(Piece { objects, ..piece })
    }

    fn read(&self, place: u64, to: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(to, place).map_err(|e| damaged("it ends early").because(e))
    }
}

/// Reads an index; the windows must lie one after the other and end at `end`.
fn objects(mut index: &[u8], end: u64) -> Result<Vec<Object>> {
    let mut found = Vec::new();
    let mut place = MAGIC.len() as u64;
    for _ in 0..take(&mut index)? {
        let name = usize::try_from(take(&mut index)?).unwrap_or(usize::MAX);
        let (name, rest) = index.split_at_checked(name).ok_or_else(|| damaged("an index ends early"))?;
        index = rest;
        let extension = String::from_utf8(name.to_vec()).map_err(|_| damaged("a name that is no text"))?;
        let length = take(&mut index)?;
        let mut windows = Vec::new();
        for _ in 0..length.div_ceil(WINDOW as u64) {
            let (table, groups) = (take(&mut index)?, take(&mut index)?);
            let next = place.checked_add(table).and_then(|next| next.checked_add(groups)).filter(|next| *next <= end);
            windows.push((place, usize::try_from(table).unwrap_or(usize::MAX)));
            place = next.ok_or_else(|| damaged("a window ends beyond its piece"))?;
        }
        found.push(Object { extension, length, windows });
    }
    if place != end || !index.is_empty() {
        return Err(damaged("the numbers of an index do not agree"));
    }
    Ok(found)
}

impl Window {
    fn of(table: Table, mut place: u64) -> Self {
        let (mut at, mut owned) = (0, [0, 0]);
        let begins = table.extents.iter().map(|extent| {
            let begin = at;
            at += extent.length;
            let own = match extent.from {
                From::Same => return (begin, 0),
                from => &mut owned[usize::from(from == From::Changed)],
            };
            let first = *own;
            *own += extent.length;
            (begin, first)
        });
        let begins = begins.collect();
        let mut held = [0, 0];
        let groups = table.groups.iter().map(|group| {
            let own = &mut held[usize::from(group.shape.is_changed())];
            let found = (*own, place);
            *own += group.raw;
            place += group.stored as u64;
            found
        });
        let groups = groups.collect();
        Window { table, begins, groups }
    }
}

/// What was read last, as much as there is room for.
struct Kept<K, V> {
    held: HashMap<K, (Arc<V>, usize, u64)>,
    room: usize,
    used: usize,
    clock: u64,
}

impl<K: Eq + Hash + Copy, V> Kept<K, V> {
    fn new(room: usize) -> Self {
        Kept { held: HashMap::new(), room, used: 0, clock: 0 }
    }

    fn get(&mut self, key: &K) -> Option<Arc<V>> {
        self.clock += 1;
        let (value, _, last) = self.held.get_mut(key)?;
        *last = self.clock;
        Some(Arc::clone(value))
    }

    fn put(&mut self, key: K, value: Arc<V>, size: usize) {
        self.clock += 1;
        if self.used + size > self.room {
            // The older half goes at once, so that looking for it costs little.
            let mut ages: Vec<u64> = self.held.values().map(|(_, _, last)| *last).collect();
            let middle = ages.len() / 2;
            if let Some((_, middle, _)) = ages.get(middle).is_some().then(|| ages.select_nth_unstable(middle)) {
                let middle = *middle;
                self.held.retain(|_, (_, _, last)| *last > middle);
            }
            self.used = self.held.values().map(|(_, size, _)| size).sum();
        }
        self.used += size;
        self.held.insert(key, (value, size, self.clock));
    }
}
