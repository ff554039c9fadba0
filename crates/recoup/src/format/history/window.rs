//! One window of an object, compared with the state before: what is the same, what changed and what is new. It knows only
//! the bytes that it is given, so that several can be made at once.
//!
//! Not here: which range of the state before belongs to which range of the window ([`super::regions`]).

use std::borrow::Cow;

use super::groups::{self, Packing, pack, unpack};
use super::table::{Extent, From, Table};
use super::{CHANGED_GROUP, NEW_GROUP, TABLE};
use crate::error::{Error, ErrorKind, Result};

/// A range of a window that has a counterpart, or none.
pub(super) struct Run {
    /// Where it ends in the window; it begins where the one before ends.
    pub end: usize,
    /// Its bytes in the state before, which may be fewer, and where they begin there.
    pub old: Option<(u64, Vec<u8>)>,
    /// Bytes that are compared and compressed as one, counted from where the region begins.
    pub block: usize,
    /// How far into a block it begins.
    pub into: usize,
}

/// A window as it is stored.
pub(super) struct Made {
    /// The table, packed.
    pub table: Vec<u8>,
    /// The groups.
    pub groups: Vec<u8>,
}

/// What is still to be packed, in the order in which it is stored.
enum Waiting {
    New(Vec<u8>),
    Changed { raw: Vec<u8>, old: Vec<u8> },
}

#[derive(Default)]
struct Sorted {
    table: Table,
    waiting: Vec<Waiting>,
    new: Vec<u8>,
    raw: Vec<u8>,
    old: Vec<u8>,
}

/// Makes a window of `bytes`, which begin at `start` in their object.
pub(super) fn make(start: u64, bytes: &[u8], runs: &[Run]) -> Result<Made> {
    let mut sorted = Sorted::default();
    let mut begin = 0;
    for run in runs {
        sorted.run(&bytes[begin..run.end], run);
        begin = run.end;
    }
    sorted.close_changed();
    sorted.close_new();
    let Sorted { mut table, waiting, .. } = sorted;
    let mut groups = Vec::new();
    let mut packing = Packing::new()?;
    for group in &waiting {
        table.groups.push(match group {
            Waiting::New(raw) => packing.fresh(raw, &mut groups)?,
            Waiting::Changed { raw, old } => packing.changed(raw, old, &mut groups)?,
        });
    }
    let made = Made { table: pack(&table.encode(start))?, groups };
    prove(start, bytes, runs, &made)?;
    Ok(made)
}

/// Puts the window together again as a reader will: what is stored gives back exactly these bytes.
fn prove(start: u64, bytes: &[u8], runs: &[Run], made: &Made) -> Result<()> {
    let table = Table::decode(&unpack(&made.table, TABLE)?, start, bytes.len())?;
    let mut stored = made.groups.as_slice();
    let mut own = [Vec::new(), Vec::new()];
    let mut changed = table.extents.iter().filter(|extent| extent.from == From::Changed);
    for group in &table.groups {
        let (now, rest) = stored.split_at_checked(group.stored).ok_or_else(unproven)?;
        stored = rest;
        let mut old = Vec::new();
        while group.shape.is_changed() && old.len() < group.raw {
            let extent = changed.next().ok_or_else(unproven)?;
            old.extend_from_slice(&older(runs, extent).ok_or_else(unproven)?);
        }
        own[usize::from(group.shape.is_changed())].extend(groups::bytes(group, now.to_vec(), &old)?);
    }
    let (mut at, mut used) = (0, [0, 0]);
    for extent in &table.extents {
        let own = |kind: usize, used: &mut [usize; 2]| {
            let begin = used[kind];
            used[kind] += extent.length;
            own[kind].get(begin..used[kind]).map(Cow::Borrowed)
        };
        let found = match extent.from {
            From::Same => older(runs, extent),
            From::New => own(0, &mut used),
            From::Changed => own(1, &mut used),
        };
        if found.as_deref() != bytes.get(at..at + extent.length) {
            return Err(unproven());
        }
        at += extent.length;
    }
    if at == bytes.len() { Ok(()) } else { Err(unproven()) }
}

/// The older bytes of a range. It may have become longer than a run by those that follow in both states.
fn older<'a>(runs: &'a [Run], extent: &Extent) -> Option<Cow<'a, [u8]>> {
    let end = extent.before + extent.length as u64;
    let mut found: Option<Cow<'a, [u8]>> = None;
    let mut at = extent.before;
    for (before, old) in runs.iter().filter_map(|run| run.old.as_ref()) {
        let Some(from) = at.checked_sub(*before).and_then(|from| usize::try_from(from).ok()) else { continue };
        let Some(now) = old.get(from..).filter(|now| !now.is_empty()) else { continue };
        let n = now.len().min(usize::try_from(end - at).unwrap_or(0));
        match &mut found {
            None => found = Some(now[..n].into()),
            Some(found) => found.to_mut().extend_from_slice(&now[..n]),
        }
        at += n as u64;
        if at == end {
            return found;
        }
    }
    None
}

fn unproven() -> Error {
    Error::new(ErrorKind::Failed, "proof_failed", "The history does not read back right")
        .hint("this is a fault of the disk, the memory or of recoup; nothing was published")
}

impl Sorted {
    fn run(&mut self, bytes: &[u8], run: &Run) {
        let Some((before, old)) = &run.old else { return self.fresh(bytes) };
        let mut at = 0;
        let mut next = run.block - run.into % run.block;
        while at < bytes.len() {
            let end = next.min(bytes.len());
            next = end + run.block;
            let before = before + at as u64;
            match old.get(at..end) {
                Some(old) if old == &bytes[at..end] => self.extent(From::Same, end - at, before),
                Some(old) => {
                    self.extent(From::Changed, end - at, before);
                    self.raw.extend_from_slice(&bytes[at..end]);
                    self.old.extend_from_slice(old);
                    if self.raw.len() >= CHANGED_GROUP {
                        self.close_changed();
                    }
                }
                None => self.fresh(&bytes[at..end]),
            }
            at = end;
        }
    }

    fn fresh(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let n = bytes.len().min(NEW_GROUP - self.new.len());
            self.extent(From::New, n, 0);
            self.new.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.new.len() == NEW_GROUP {
                self.close_new();
            }
        }
    }

    /// Adds a range, or makes the last one longer where it goes on in both states.
    fn extent(&mut self, from: From, length: usize, before: u64) {
        // Changed blocks stay whole in their group.
        let whole = from != From::Changed || !self.raw.is_empty();
        if let Some(last) = self.table.extents.last_mut()
            && whole
            && last.from == from
            && (from == From::New || last.before + last.length as u64 == before)
        {
            last.length += length;
            return;
        }
        self.table.extents.push(Extent { from, length, before });
    }

    fn close_changed(&mut self) {
        let (raw, old) = (std::mem::take(&mut self.raw), std::mem::take(&mut self.old));
        if !raw.is_empty() {
            self.waiting.push(Waiting::Changed { raw, old });
        }
    }

    fn close_new(&mut self) {
        let raw = std::mem::take(&mut self.new);
        if !raw.is_empty() {
            self.waiting.push(Waiting::New(raw));
        }
    }
}
