//! Writing a piece: each object window by window, several windows at once, hashed on the way.
//!
//! Not here: what a window becomes ([`super::window`]).

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::groups::pack;
use super::kept::sum;
use super::regions::{Counterparts, Region, regions};
use super::table::put;
use super::window::{Made, Run, make};
use super::{Kept, MAGIC, Past, WINDOW, damaged};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Context;

/// What an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Length.
    pub bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
    /// CRC-32 of every window of 4 MiB.
    pub sums: Vec<u32>,
}

/// Writes a new piece to `to`: the `objects` (extension and file) as they differ from `past`, or whole when there is none.
/// What each of them is, in the same order.
pub fn write(
    to: &Path,
    objects: &[(&str, &Path)],
    mut past: Option<&mut dyn Past>,
    context: &Context,
) -> Result<Vec<Encoded>> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(to);
    let mut out = Out { file: BufWriter::with_capacity(1 << 20, file.map_err(|e| Error::at("creating", to, e))?), to };
    out.put(MAGIC)?;
    let mut index = Vec::new();
    put(&mut index, objects.len() as u64);
    let mut encoded = Vec::new();
    for (extension, path) in objects {
        put(&mut index, extension.len() as u64);
        index.extend_from_slice(extension.as_bytes());
        encoded.push(object(extension, path, &mut past, &mut out, &mut index, context)?);
    }
    let packed = pack(&index)?;
    out.put(&packed)?;
    let length = |n: usize| u32::try_from(n).map_err(|_| too_large());
    out.put(&length(packed.len())?.to_le_bytes())?;
    out.put(&length(index.len())?.to_le_bytes())?;
    out.put(MAGIC)?;
    let file = out.file.into_inner().map_err(|e| Error::at("writing", to, e.into_error()))?;
    file.sync_all().map_err(|e| Error::at("writing", to, e))?;
    Ok(encoded)
}

struct Out<'a> {
    file: BufWriter<File>,
    to: &'a Path,
}

impl Out<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::at("writing", self.to, e))
    }
}

/// A window that has been read and is to be made.
struct Read {
    start: u64,
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

fn object(
    extension: &str,
    path: &Path,
    past: &mut Option<&mut dyn Past>,
    out: &mut Out<'_>,
    index: &mut Vec<u8>,
    context: &Context,
) -> Result<Encoded> {
    let mut now = Kept::open([(extension, path, &[][..])], None)?;
    let length = now.length(extension).unwrap_or(0);
    put(index, length);
    let known = past.as_mut().and_then(|past| past.length(extension).map(|_| past));
    let counterparts = match known {
        Some(past) => Some(Counterparts::of(regions(&mut **past, extension)?)),
        None => None,
    };
    let mut map = Map { regions: regions(&mut now, extension)?, at: 0, counterparts };
    let file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
    let at_once = thread::available_parallelism().map_or(1, usize::from).min(4);
    let (mut hash, mut sums, mut start) = (Sha256::new(), Vec::new(), 0);
    let mut batch: Vec<Read> = Vec::new();
    let mut spare = Spare::default();
    while start < length || !batch.is_empty() {
        while start < length && batch.len() < at_once {
            let size = usize::try_from(length - start).unwrap_or(WINDOW).min(WINDOW);
            let mut bytes = spare.take(size);
            file.read_exact_at(&mut bytes, start).map_err(|e| Error::at("reading", path, e))?;
            let runs = map.runs(extension, start, size, past, &mut spare)?;
            batch.push(Read { start, bytes, runs });
            start += size as u64;
        }
        let made: Vec<Result<Made>> = thread::scope(|scope| {
            let make = |read: &Read| make(read.start, &read.bytes, &read.runs);
            let (first, others) = batch.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
            let others: Vec<_> = others.iter().map(|read| scope.spawn(move || make(read))).collect();
            let first = first.map(make);
            for read in &batch {
                hash.update(&read.bytes);
                sums.push(sum(&read.bytes));
            }
            let joined =
                others.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(damaged("a thread died"))));
            first.into_iter().chain(joined).collect()
        });
        for (made, read) in made.into_iter().zip(batch.drain(..)) {
            let made = made?;
            put(index, made.table.len() as u64);
            put(index, made.groups.len() as u64);
            out.put(&made.table)?;
            out.put(&made.groups)?;
            context.advance(read.bytes.len() as u64)?;
            spare.put(read.bytes);
            read.runs.into_iter().filter_map(|run| run.old).for_each(|(_, old)| spare.put(old));
        }
    }
    Ok(Encoded { bytes: length, sha256: HEXLOWER.encode(&hash.finalize()), sums })
}

/// Large buffers that are used again: fresh ones come as pages that the system clears first.
#[derive(Default)]
struct Spare(Vec<Vec<u8>>);

impl Spare {
    fn take(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = if size < WINDOW / 4 { Vec::new() } else { self.0.pop().unwrap_or_default() };
        bytes.resize(size, 0);
        bytes
    }

    fn put(&mut self, bytes: Vec<u8>) {
        if bytes.capacity() >= WINDOW / 4 {
            self.0.push(bytes);
        }
    }
}

/// Walks through the regions of an object.
struct Map {
    regions: Vec<Region>,
    at: usize,
    counterparts: Option<Counterparts>,
}

impl Map {
    /// The ranges of the window of `size` bytes at `start`, with their older bytes.
    fn runs(
        &mut self,
        extension: &str,
        start: u64,
        size: usize,
        past: &mut Option<&mut dyn Past>,
        spare: &mut Spare,
    ) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        let end = start + size as u64;
        while let Some(region) = self.regions.get(self.at) {
            let (from, to) = (region.start.max(start), (region.start + region.length).min(end));
            let into = from - region.start;
            let mut old = None;
            let counterpart = self.counterparts.as_ref().and_then(|counterparts| counterparts.find(region));
            if let (Some((before, length)), Some(past)) = (counterpart, past.as_mut()) {
                let there = usize::try_from(length.saturating_sub(into).min(to - from)).unwrap_or(0);
                // What has grown may begin where the older one had ended long since.
                if there > 0 {
                    let mut bytes = spare.take(there);
                    past.read_at(extension, before + into, &mut bytes)?;
                    old = Some((before + into, bytes));
                }
            }
            let into = usize::try_from(into % region.block as u64).unwrap_or(0);
            let run_end = usize::try_from(to - start).unwrap_or(size);
            runs.push(Run { end: run_end, old, block: region.block, into });
            if region.start + region.length > end {
                break;
            }
            self.at += 1;
            if to == end {
                break;
            }
        }
        Ok(runs)
    }
}

fn too_large() -> Error {
    Error::new(ErrorKind::Unsupported, "history_too_large", "The backup is too large for a history")
}
