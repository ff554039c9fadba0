//! The regions of an object: ranges that have a name, by which a range of the state before is found again wherever it has
//! moved to. A database is one region; in an archive every member is one, and so is what lies before it.
//!
//! Not here: comparing them ([`super::window`]).

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek};

use zip::ZipArchive;

use super::{BLOCK, Past, Seeking, damaged};
use crate::error::Result;
use crate::sqlite::facts::page_size_in;

/// The first bytes of every SQLite database (<https://www.sqlite.org/fileformat2.html#the_database_header>).
const SQLITE: &[u8; 16] = b"SQLite format 3\0";

/// A range with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    name: Vec<u8>,
    /// Of the whole member: what has the same is likely the same, whatever it is called.
    likeness: Option<(u32, u64)>,
    pub start: u64,
    pub length: u64,
    /// Bytes that are compared as one.
    pub block: usize,
}

/// The regions of an object, in order and without gaps.
pub(super) fn regions(past: &mut dyn Past, extension: &str) -> Result<Vec<Region>> {
    let length = past.length(extension).unwrap_or(0);
    let members = if extension.ends_with(".zip") {
        let from = Seeking { past, extension, length, at: 0 };
        // What is no archive is compared as it lies.
        members(BufReader::with_capacity(64 << 10, from)).unwrap_or_default()
    } else {
        Vec::new()
    };
    let mut regions = Vec::with_capacity(members.len() * 2 + 1);
    let mut end = 0;
    for (name, crc, start, length) in members {
        if start < end {
            return Err(damaged("members of an archive overlap"));
        }
        let before = [b"before ", name.as_slice()].concat();
        regions.push(Region { name: before, likeness: None, start: end, length: start - end, block: BLOCK });
        regions.push(Region { name, likeness: Some((crc, length)), start, length, block: BLOCK });
        end = start + length;
    }
    let left = length.checked_sub(end).ok_or_else(|| damaged("an archive ends early"))?;
    regions.push(Region { name: b"end".to_vec(), likeness: None, start: end, length: left, block: BLOCK });
    regions.retain(|region| region.length > 0);
    for region in regions.iter_mut().filter(|region| region.length >= 512) {
        let mut head = [0; 18];
        past.read_at(extension, region.start, &mut head)?;
        if let Some(size) = page_size_in(&head).filter(|_| head.starts_with(SQLITE)) {
            region.block = size as usize;
        }
    }
    Ok(regions)
}

/// Name, CRC, begin and length of the data of every member, in the order in which they lie there.
type Members = Vec<(Vec<u8>, u32, u64, u64)>;

fn members(from: impl Read + Seek) -> zip::result::ZipResult<Members> {
    let mut archive = ZipArchive::new(from)?;
    let mut found = Vec::with_capacity(archive.len());
    for at in 0..archive.len() {
        let member = archive.by_index_raw(at)?;
        let start = member.data_start().unwrap_or(0);
        found.push((member.name_raw().to_vec(), member.crc32(), start, member.compressed_size()));
    }
    found.sort_by_key(|(_, _, start, length)| (*start, *length));
    Ok(found)
}

/// Finds counterparts.
pub(super) struct Counterparts {
    by_name: HashMap<Vec<u8>, (u64, u64)>,
    by_likeness: HashMap<(u32, u64), u64>,
}

impl Counterparts {
    /// Of the regions of the state before.
    pub fn of(before: Vec<Region>) -> Self {
        let by_likeness = before.iter().filter_map(|region| Some((region.likeness?, region.start))).collect();
        let by_name = before.into_iter().map(|region| (region.name, (region.start, region.length))).collect();
        Counterparts { by_name, by_likeness }
    }

    /// Where the counterpart of a region begins, and how long it is.
    pub fn find(&self, region: &Region) -> Option<(u64, u64)> {
        let same = region.likeness.and_then(|likeness| self.by_likeness.get(&likeness));
        same.map(|start| (*start, region.length)).or_else(|| self.by_name.get(&region.name).copied())
    }
}
