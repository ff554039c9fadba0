//! Reading the directory at the end of a ZIP, strictly (PKWARE APPNOTE.TXT 6.3.10): one spelling of every number,
//! nothing before, between and behind. Records are read one at a time, and what stays in memory is sixteen bytes
//! for each.
//!
//! Not here: which members are allowed ([`super::policy`]) and their bytes ([`super::reader`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::container::{CENTRAL, END, END_64, EXTRA_64, IN_64, LOCAL, LOCATOR_64, UTF8};
use crate::error::{Error, Result};

const END_LENGTH: u64 = 22;
const END_64_LENGTH: u64 = 56;
const LOCATOR_LENGTH: u64 = 20;
const CENTRAL_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;
/// Bit 3 of the flags: sizes and CRC follow the data.
const DESCRIBED: u16 = 1 << 3;
/// Bits of the flags that say nothing about safety: how hard deflate worked, descriptor, UTF-8.
const HARMLESS: u16 = 0b110 | DESCRIBED | UTF8;
const DESCRIPTOR: u32 = 0x0807_4b50;
/// Extra fields: another name for the same member (Info-ZIP), seconds since 1970.
const EXTRA_NAME: u16 = 0x7075;
const EXTRA_TIME: u16 = 0x5455;

/// How a member's bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// As they are.
    Stored,
    /// Deflated (RFC 1951).
    Deflated,
}

/// What the directory says about one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name; folders end in `/`.
    pub name: String,
    /// How its bytes are kept.
    pub method: Method,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// Bytes in the archive.
    pub packed: u64,
    /// Bytes when unpacked.
    pub size: u64,
    /// Where its local header begins.
    pub start: u64,
    /// Mode with file type, when the archive was made on Unix.
    pub mode: Option<u32>,
    /// Seconds since 1970, when it says so.
    pub modified: Option<i64>,
    flags: u16,
    /// Date and time as DOS has them.
    dos: u32,
}

/// Where the directory lies, as the end of the archive tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Number of members.
    pub members: u64,
    /// Where the directory begins.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
}

fn bad(why: impl Into<String>) -> Error {
    Error::corrupted(why).while_("reading the archive's directory")
}

/// A name for a message: quoted, and not longer than a line.
pub(crate) fn shown(name: &str) -> String {
    let end = name.char_indices().nth(80).map_or(name.len(), |(at, _)| at);
    format!("{:?}{}", &name[..end], if end < name.len() { "…" } else { "" })
}

fn short<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        out.copy_from_slice(found);
    }
    out
}
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(short(bytes, at))
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(short(bytes, at))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(short(bytes, at))
}

/// Bytes that have to be there; a file that ends before them is no archive.
fn read_at(file: &File, at: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(bytes),
        // A position beyond what a file can have is an invalid argument.
        Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) => {
            Err(bad("the file is cut off"))
        }
        Err(error) => Err(Error::io("reading the archive", error)),
    }
}

impl End {
    /// Reads the end of an archive of `length` bytes. The directory reaches exactly to it, and it to the end of
    /// the file.
    pub fn read(file: &File, length: u64) -> Result<Self> {
        let at = length.checked_sub(END_LENGTH).ok_or_else(|| bad("too short for a ZIP archive"))?;
        let end = read_at(file, at, END_LENGTH as usize)?;
        if u32_at(&end, 0) != END || u16_at(&end, 20) != 0 {
            return Err(bad("it does not end where its directory ends: cut off, or something follows"));
        }
        if u32_at(&end, 4) != 0 || u16_at(&end, 8) != u16_at(&end, 10) {
            return Err(bad("it is one of several volumes"));
        }
        let small =
            End { members: u16_at(&end, 10).into(), length: u32_at(&end, 12).into(), start: u32_at(&end, 16).into() };
        let wide = End::read_wide(file, at)?;
        let (found, reaches) = match wide {
            Some((wide, begins)) => {
                let agrees = |small: u64, full: u64, wide: u64| small == wide || small == full;
                let same = agrees(small.members, u16::MAX.into(), wide.members)
                    && agrees(small.length, IN_64.into(), wide.length)
                    && agrees(small.start, IN_64.into(), wide.start);
                if !same {
                    return Err(bad("its two ends disagree"));
                }
                (wide, begins)
            }
            None => (small, at),
        };
        if found.start.checked_add(found.length) != Some(reaches) {
            return Err(bad("there is data before the first member, or before the end"));
        }
        if found.members > found.length / CENTRAL_LENGTH as u64 {
            return Err(bad("its directory is too short for its members"));
        }
        Ok(found)
    }

    /// The Zip64 end record directly before the locator that lies directly before `at`.
    fn read_wide(file: &File, at: u64) -> Result<Option<(End, u64)>> {
        let Some(locator_at) = at.checked_sub(LOCATOR_LENGTH) else { return Ok(None) };
        let locator = read_at(file, locator_at, LOCATOR_LENGTH as usize)?;
        if u32_at(&locator, 0) != LOCATOR_64 {
            return Ok(None);
        }
        let begins = u64_at(&locator, 8);
        if u32_at(&locator, 4) != 0
            || u32_at(&locator, 16) != 1
            || begins.checked_add(END_64_LENGTH) != Some(locator_at)
        {
            return Err(bad("the Zip64 end is not where it should be"));
        }
        let end = read_at(file, begins, END_64_LENGTH as usize)?;
        let members = u64_at(&end, 32);
        let one_volume = u64_at(&end, 16) == 0 && u64_at(&end, 24) == members;
        if u32_at(&end, 0) != END_64 || u64_at(&end, 4) != END_64_LENGTH - 12 || !one_volume {
            return Err(bad("the Zip64 end is not one"));
        }
        Ok(Some((End { members, length: u64_at(&end, 40), start: u64_at(&end, 48) }, begins)))
    }
}

/// The members of a directory in its order, each with the position of its record.
pub(super) struct Records {
    stream: BufReader<io::Take<At>>,
    position: u64,
    left: u64,
}

impl Records {
    pub fn new(file: &Arc<File>, end: &End) -> Self {
        let stream = At { file: file.clone(), position: end.start }.take(end.length);
        Records { stream: BufReader::with_capacity(1 << 16, stream), position: end.start, left: end.members }
    }

    fn read(&mut self) -> Result<(u64, Member)> {
        let cut = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => bad("its directory is cut off"),
            _ => Error::io("reading the archive", error),
        };
        let mut record = vec![0; CENTRAL_LENGTH];
        self.stream.read_exact(&mut record).map_err(cut)?;
        record.resize(record_length(&record), 0);
        self.stream.read_exact(&mut record[CENTRAL_LENGTH..]).map_err(cut)?;
        let position = self.position;
        self.position += record.len() as u64;
        self.left -= 1;
        Ok((position, parse(&record)?))
    }

    /// Whether the directory ends after its last member.
    pub fn ended(&mut self) -> Result<bool> {
        let mut one = [0];
        Ok(self.left == 0 && self.stream.read(&mut one).map_err(|e| Error::io("reading the archive", e))? == 0)
    }
}

impl Iterator for Records {
    type Item = Result<(u64, Member)>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.left > 0).then(|| self.read())
    }
}

fn record_length(fixed: &[u8]) -> usize {
    CENTRAL_LENGTH + usize::from(u16_at(fixed, 28)) + usize::from(u16_at(fixed, 30)) + usize::from(u16_at(fixed, 32))
}

/// Reads one record of the directory.
fn parse(record: &[u8]) -> Result<Member> {
    if u32_at(record, 0) != CENTRAL {
        return Err(bad("a record of its directory is none"));
    }
    let (name_length, extra_length) = (usize::from(u16_at(record, 28)), usize::from(u16_at(record, 30)));
    let (name, rest) = record.split_at(CENTRAL_LENGTH).1.split_at(name_length);
    let name = String::from_utf8(name.to_vec())
        .map_err(|error| bad(format!("the name {} is not UTF-8", shown(&String::from_utf8_lossy(error.as_bytes())))))?;
    let wrong = |why: &str| bad(format!("member {} {why}", shown(&name)));
    if rest.len() != extra_length || u16_at(record, 34) != 0 {
        return Err(wrong("has a comment or lies in another volume"));
    }
    let flags = u16_at(record, 8);
    if flags & 1 != 0 {
        return Err(wrong("is encrypted"));
    }
    if flags & !HARMLESS != 0 {
        return Err(wrong("has flags that are not understood"));
    }
    let method = match u16_at(record, 10) {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => return Err(wrong(&format!("uses the compression {other}"))),
    };
    let mut sizes = [u32_at(record, 24), u32_at(record, 20), u32_at(record, 42)].map(u64::from);
    let extras = Extras::read(rest, &name).map_err(wrong)?;
    let full = sizes.iter().filter(|n| **n == u64::from(IN_64)).count();
    match (full, extras.wide) {
        (0, None) => {}
        (n, Some(wide)) if n > 0 && wide.len() == 8 * n => {
            let mut numbers = wide.chunks_exact(8).map(|chunk| u64_at(chunk, 0));
            for size in sizes.iter_mut().filter(|n| **n == u64::from(IN_64)) {
                *size = numbers.next().unwrap_or_default();
            }
        }
        _ => return Err(wrong("has Zip64 fields that do not fit")),
    }
    let [size, packed, start] = sizes;
    if method == Method::Stored && size != packed {
        return Err(wrong("is stored with two sizes"));
    }
    let unix = record[5] == 3 || record[5] == 19;
    let mode = u32_at(record, 38) >> 16;
    Ok(Member {
        name,
        method,
        crc: u32_at(record, 16),
        packed,
        size,
        start,
        mode: (unix && mode != 0).then_some(mode),
        modified: extras.modified,
        flags,
        dos: u32_at(record, 12),
    })
}

/// What is looked at in a member's extra fields.
struct Extras<'a> {
    wide: Option<&'a [u8]>,
    modified: Option<i64>,
}

impl<'a> Extras<'a> {
    fn read(mut bytes: &'a [u8], name: &str) -> std::result::Result<Self, &'static str> {
        let mut found = Extras { wide: None, modified: None };
        while !bytes.is_empty() {
            let length = usize::from(u16_at(bytes, 2));
            let field = bytes.get(4..4 + length).ok_or("has extra fields that are cut off")?;
            match u16_at(bytes, 0) {
                EXTRA_64 if found.wide.is_some() => return Err("has Zip64 fields that do not fit"),
                EXTRA_64 => found.wide = Some(field),
                // Version, CRC of the other name, the name in UTF-8.
                EXTRA_NAME if field.get(5..) != Some(name.as_bytes()) => return Err("has two names"),
                EXTRA_TIME if field.first().is_some_and(|flags| flags & 1 != 0) && field.len() >= 5 => {
                    found.modified = Some(i32::from_le_bytes(short(field, 1)).into());
                }
                _ => {}
            }
            bytes = &bytes[4 + length..];
        }
        Ok(found)
    }
}

impl Member {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// When it was changed last, in seconds since 1970: by its extra field, else by the time that DOS knew, taken
    /// as UTC.
    pub fn seconds(&self) -> Option<i64> {
        let part = |from: u32, bits: u32| i8::try_from(self.dos >> from & ((1 << bits) - 1)).unwrap_or(0);
        let year = 1980 + i16::try_from(self.dos >> 25).unwrap_or(0);
        let date =
            jiff::civil::DateTime::new(year, part(21, 4), part(16, 5), part(11, 5), part(5, 6), part(0, 5) * 2, 0);
        let dos = || date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp().as_second());
        self.modified.or_else(dos)
    }

    /// Compares the local header with the directory. Returns where the data begins and where the next member has
    /// to begin.
    pub(super) fn locate(&self, file: &File) -> Result<(u64, u64)> {
        let wrong = |why: &str| bad(format!("member {} {why}", shown(&self.name)));
        let mut head = read_at(file, self.start, LOCAL_LENGTH)?;
        let (name, extra) = (usize::from(u16_at(&head, 26)), usize::from(u16_at(&head, 28)));
        let rest = read_at(file, self.start.saturating_add(LOCAL_LENGTH as u64), name + extra)?;
        head.extend_from_slice(&rest);
        let method: u16 = if self.method == Method::Deflated { 8 } else { 0 };
        let same = u32_at(&head, 0) == LOCAL
            && u16_at(&head, 6) == self.flags
            && u16_at(&head, 8) == method
            && u32_at(&head, 10) == self.dos
            && &rest[..name] == self.name.as_bytes();
        if !same {
            return Err(wrong("is described otherwise by its own header"));
        }
        let extras = Extras::read(&rest[name..], &self.name).map_err(wrong)?;
        if extras.modified.is_some() && self.modified.is_some() && extras.modified != self.modified {
            return Err(wrong("has two times"));
        }
        let mut numbers = [u32_at(&head, 22), u32_at(&head, 18)].map(u64::from);
        if let Some(wide) = extras.wide {
            if wide.len() != 16 || numbers != [u64::from(IN_64); 2] {
                return Err(wrong("has Zip64 fields that do not fit"));
            }
            numbers = [u64_at(wide, 0), u64_at(wide, 8)];
        }
        let crc = u32_at(&head, 14);
        let described = self.flags & DESCRIBED != 0;
        let told = crc == self.crc && numbers == [self.size, self.packed];
        // With a descriptor the header may leave all three open.
        let left_open = described && crc == 0 && numbers == [0, 0];
        if !told && !left_open {
            return Err(wrong("is described otherwise by its own header"));
        }
        let data = self.start + head.len() as u64;
        let ends = data.checked_add(self.packed).ok_or_else(|| wrong("is longer than any file"))?;
        let descriptor = if described { self.descriptor(file, ends, extras.wide.is_some())? } else { 0 };
        Ok((data, ends + descriptor))
    }

    /// The descriptor behind the data: CRC and sizes, with or without a signature, in four or eight bytes.
    fn descriptor(&self, file: &File, at: u64, wide: bool) -> Result<u64> {
        let mut numbers = self.crc.to_le_bytes().to_vec();
        match (u32::try_from(self.packed), u32::try_from(self.size)) {
            (Ok(packed), Ok(size)) if !wide => numbers.extend([packed, size].map(u32::to_le_bytes).concat()),
            _ => numbers.extend([self.packed, self.size].map(u64::to_le_bytes).concat()),
        }
        let signed = [&DESCRIPTOR.to_le_bytes(), numbers.as_slice()].concat();
        for expected in [signed, numbers] {
            if read_at(file, at, expected.len()).is_ok_and(|found| found == expected) {
                return Ok(expected.len() as u64);
            }
        }
        Err(bad(format!("member {} is described otherwise behind its data", shown(&self.name))))
    }
}

/// Finds members by name: the hash of every name with the position of its record, in the order of the hashes.
pub(super) struct Index {
    slots: Vec<(u64, u64)>,
    keys: RandomState,
    /// What of a name decides whether it is the same as another.
    key: fn(&str) -> String,
}

impl Index {
    /// For so many members, of which two are the same when their `key`s are equal.
    pub fn new(members: usize, key: fn(&str) -> String) -> Self {
        Index { slots: Vec::with_capacity(members), keys: RandomState::new(), key }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn add(&mut self, name: &str, position: u64) {
        self.slots.push((self.keys.hash_one((self.key)(name)), position));
    }

    /// Makes it ready to find; returns two members that are the same, if there are such.
    pub fn settle(&mut self, file: &File) -> Result<Option<(String, String)>> {
        self.slots.sort_unstable();
        for run in self.slots.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let mut seen = BTreeMap::new();
            for (_, position) in run {
                let name = member_at(file, *position)?.name;
                if let Some(other) = seen.insert((self.key)(&name), name.clone()) {
                    return Ok(Some((other, name)));
                }
            }
        }
        Ok(None)
    }

    pub fn find(&self, file: &File, name: &str) -> Result<Option<Member>> {
        let hash = self.keys.hash_one((self.key)(name));
        let from = self.slots.partition_point(|slot| slot.0 < hash);
        for (_, position) in self.slots[from..].iter().take_while(|slot| slot.0 == hash) {
            let member = member_at(file, *position)?;
            if member.name == name {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }
}

fn member_at(file: &File, position: u64) -> Result<Member> {
    let mut record = read_at(file, position, CENTRAL_LENGTH)?;
    let more = record_length(&record) - CENTRAL_LENGTH;
    record.extend(read_at(file, position + CENTRAL_LENGTH as u64, more)?);
    parse(&record)
}

/// A file that several readers share, each with its own position.
#[derive(Clone)]
pub(super) struct At {
    pub file: Arc<File>,
    pub position: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}
