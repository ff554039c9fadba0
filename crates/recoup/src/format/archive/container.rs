//! Writing the ZIP container itself: headers, deflated or stored bytes, the directory at the end (PKWARE
//! APPNOTE.TXT 6.3.10). Memory does not grow with the number of members: their records wait in a file without a
//! name until the end.
//!
//! Not here: what members there are ([`super::writer`]) and reading ([`super::listing`]).

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{CHUNK, stream};

pub(super) const LOCAL: u32 = 0x0403_4b50;
pub(super) const CENTRAL: u32 = 0x0201_4b50;
pub(super) const END: u32 = 0x0605_4b50;
pub(super) const END_64: u32 = 0x0606_4b50;
pub(super) const LOCATOR_64: u32 = 0x0706_4b50;
/// Extra fields: Zip64 sizes, and Info-ZIP's extended timestamp (one flag byte, seconds since 1970).
pub(super) const EXTRA_64: u16 = 0x0001;
const EXTRA_TIME: u16 = 0x5455;
/// A number that stands in the Zip64 field instead.
pub(super) const IN_64: u32 = u32::MAX;
/// Bit 11 of the flags: the name is UTF-8.
pub(super) const UTF8: u16 = 1 << 11;

/// What a member's headers say before its bytes are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub name: &'a str,
    /// Permission bits with the file type of `stat`.
    pub mode: u32,
    /// Nanoseconds since 1970; 0 when there is no time.
    pub mtime_ns: i64,
    /// Deflate level; `None` stores.
    pub level: Option<u32>,
    /// The member may reach 4 GiB.
    pub large: bool,
}

/// A ZIP file that is being written. After an error it is good for nothing but being dropped.
pub(super) struct Container {
    out: Out,
    directory: BufWriter<File>,
    members: u64,
    newest: Option<Record>,
    deflate: Option<(u32, Compress)>,
    packed: Vec<u8>,
}

/// The newest member. Its record is written when the next one begins, so that taking it back is easy.
struct Record {
    start: u64,
    name: usize,
    /// The central header, with its numbers still 0.
    head: Vec<u8>,
    level: Option<u32>,
    large: bool,
    crc: Crc,
    size: u64,
    packed: u64,
    open: bool,
}

impl Container {
    /// Writes to `file`, which is empty. The list of members waits in a file beside `path` that has no name.
    pub fn new(file: File, path: &Path) -> io::Result<Self> {
        let spool = path.with_extension("directory.part");
        let directory = File::options().read(true).write(true).create_new(true).mode(0o600).open(&spool)?;
        std::fs::remove_file(&spool)?;
        Ok(Container {
            out: Out { file, buffer: Vec::with_capacity(2 * CHUNK), written: 0 },
            directory: BufWriter::with_capacity(CHUNK, directory),
            members: 0,
            newest: None,
            deflate: None,
            packed: Vec::with_capacity(CHUNK),
        })
    }

    /// Begins a member; its bytes follow through [`Container::write`].
    pub fn begin(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.settle()?;
        let name = head.name.as_bytes();
        let name_length = u16::try_from(name.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidFilename, "the name is longer than ZIP allows"))?;
        let start = self.out.position();
        let (date, time) = dos(head.mtime_ns);
        let stamp = stamp(head.mtime_ns);
        let flags = if head.name.is_ascii() { 0 } else { UTF8 };
        let method: u16 = if head.level.is_some() { 8 } else { 0 };
        let needed: u16 = if head.large { 45 } else { 20 };
        // What both headers share: version needed to the date.
        let mut shared = Vec::with_capacity(10);
        [needed, flags, method, time, date].iter().for_each(|n| shared.extend_from_slice(&n.to_le_bytes()));

        let mut local = LOCAL.to_le_bytes().to_vec();
        local.extend_from_slice(&shared);
        let sizes = if head.large { IN_64 } else { 0 };
        [0, sizes, sizes].iter().for_each(|n| local.extend_from_slice(&n.to_le_bytes()));
        let extra = stamp.len() + if head.large { 20 } else { 0 };
        [name_length, extra as u16].iter().for_each(|n| local.extend_from_slice(&n.to_le_bytes()));
        local.extend_from_slice(name);
        if head.large {
            extra_64(&mut local, &[0, 0]);
        }
        local.extend_from_slice(&stamp);
        self.out.write(&local)?;

        let mut central = CENTRAL.to_le_bytes().to_vec();
        central.extend_from_slice(&(3 << 8 | needed).to_le_bytes());
        central.extend_from_slice(&shared);
        central.extend_from_slice(&[0; 12]);
        central.extend_from_slice(&name_length.to_le_bytes());
        // Extra length, comment, disk, internal attributes; then Unix mode and the DOS folder bit.
        central.extend_from_slice(&[0; 8]);
        let folder = u32::from(head.name.ends_with('/')) << 4;
        central.extend_from_slice(&(head.mode << 16 | folder).to_le_bytes());
        central.extend_from_slice(&[0; 4]);
        central.extend_from_slice(name);
        central.extend_from_slice(&stamp);

        self.newest = Some(Record {
            start,
            name: name.len(),
            head: central,
            level: head.level,
            large: head.large,
            crc: Crc::new(),
            size: 0,
            packed: 0,
            open: true,
        });
        if let Some(level) = head.level {
            match &mut self.deflate {
                Some((same, deflate)) if *same == level => deflate.reset(),
                other => *other = Some((level, Compress::new(Compression::new(level), false))),
            }
        }
        Ok(())
    }

    /// Writes bytes of the member that was begun.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(record) = &mut self.newest else { return Err(io::ErrorKind::InvalidInput.into()) };
        record.crc.update(bytes);
        record.size += bytes.len() as u64;
        if record.level.is_none() {
            return self.out.write(bytes);
        }
        self.squeeze(bytes, FlushCompress::None)
    }

    /// Ends the member that was begun.
    pub fn end(&mut self) -> io::Result<()> {
        if self.newest.as_ref().is_some_and(|record| record.level.is_some()) {
            self.squeeze(&[], FlushCompress::Finish)?;
        }
        let Some(record) = &mut self.newest else { return Err(io::ErrorKind::InvalidInput.into()) };
        if record.level.is_none() {
            record.packed = record.size;
        }
        record.open = false;
        let crc = record.crc.sum().to_le_bytes();
        self.out.patch(record.start + 14, &crc)?;
        if record.large {
            let sizes = [record.size.to_le_bytes(), record.packed.to_le_bytes()].concat();
            return self.out.patch(record.start + 30 + record.name as u64 + 4, &sizes);
        }
        let (Ok(packed), Ok(size)) = (u32::try_from(record.packed), u32::try_from(record.size)) else {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file grew beyond 4 GiB while it was packed"));
        };
        self.out.patch(record.start + 18, &[packed.to_le_bytes(), size.to_le_bytes()].concat())
    }

    /// Takes the newest member back: the file ends where it began.
    pub fn retract(&mut self) -> io::Result<()> {
        let Some(record) = self.newest.take() else { return Ok(()) };
        self.out.cut(record.start)
    }

    /// Writes the directory and makes everything durable.
    pub fn finish(mut self) -> io::Result<()> {
        self.settle()?;
        let start = self.out.position();
        let mut directory = self.directory.into_inner().map_err(|error| error.into_error())?;
        let size = directory.seek(SeekFrom::End(0))?;
        directory.seek(SeekFrom::Start(0))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match directory.read(&mut chunk)? {
                0 => break,
                n => self.out.write(&chunk[..n])?,
            }
        }
        self.out.write(&stream::end(self.members, size, start))?;
        self.out.flush()?;
        self.out.file.sync_all()
    }

    fn squeeze(&mut self, mut bytes: &[u8], flush: FlushCompress) -> io::Result<()> {
        let (Some(record), Some((_, deflate))) = (&mut self.newest, &mut self.deflate) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        loop {
            self.packed.clear();
            let before = deflate.total_in();
            let status = deflate.compress_vec(bytes, &mut self.packed, flush).map_err(io::Error::other)?;
            bytes = &bytes[(deflate.total_in() - before) as usize..];
            record.packed += self.packed.len() as u64;
            self.out.write(&self.packed)?;
            let full = self.packed.len() == self.packed.capacity();
            match status {
                Status::StreamEnd => return Ok(()),
                // Everything is taken, and nothing more is ready to come out.
                _ if bytes.is_empty() && !full && flush == FlushCompress::None => return Ok(()),
                _ => {}
            }
        }
    }

    /// The newest member stays: its record goes to the directory.
    fn settle(&mut self) -> io::Result<()> {
        let Some(mut record) = self.newest.take() else { return Ok(()) };
        if record.open {
            return Err(io::Error::other("a member was not ended"));
        }
        let too_far = record.start >= u64::from(IN_64);
        let stamp = record.head.len() - 46 - record.name;
        let mut extra = Vec::new();
        if record.large {
            extra.extend([record.size, record.packed]);
        }
        if too_far {
            extra.push(record.start);
        }
        let sizes = if record.large {
            [IN_64, IN_64]
        } else {
            [record.packed, record.size].map(|n| u32::try_from(n).unwrap_or(IN_64))
        };
        let head = &mut record.head;
        head[16..20].copy_from_slice(&record.crc.sum().to_le_bytes());
        head[20..24].copy_from_slice(&sizes[0].to_le_bytes());
        head[24..28].copy_from_slice(&sizes[1].to_le_bytes());
        let start = if too_far { IN_64 } else { record.start as u32 };
        head[42..46].copy_from_slice(&start.to_le_bytes());
        if too_far {
            head[6] = 45;
        }
        let length = stamp + if extra.is_empty() { 0 } else { 4 + 8 * extra.len() };
        head[30..32].copy_from_slice(&(length as u16).to_le_bytes());
        if !extra.is_empty() {
            extra_64(head, &extra);
        }
        self.directory.write_all(head)?;
        self.members += 1;
        Ok(())
    }
}

/// A file with a buffer in which the newest bytes can still be changed.
struct Out {
    file: File,
    buffer: Vec<u8>,
    written: u64,
}

impl Out {
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.buffer.len() + bytes.len() > 2 * CHUNK || bytes.len() >= CHUNK {
            self.flush()?;
        }
        if bytes.len() >= CHUNK {
            self.file.write_all_at(bytes, self.written)?;
            self.written += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn patch(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match at.checked_sub(self.written) {
            Some(inside) => {
                let inside = inside as usize;
                self.buffer[inside..inside + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
            None => {
                self.flush()?;
                self.file.write_all_at(bytes, at)
            }
        }
    }

    /// Ends the file at an earlier position.
    fn cut(&mut self, at: u64) -> io::Result<()> {
        match at.checked_sub(self.written) {
            Some(inside) => self.buffer.truncate(inside as usize),
            None => {
                self.buffer.clear();
                self.written = at;
                self.file.set_len(at)?;
            }
        }
        Ok(())
    }
}

pub(super) fn extra_64(to: &mut Vec<u8>, numbers: &[u64]) {
    to.extend_from_slice(&EXTRA_64.to_le_bytes());
    to.extend_from_slice(&(8 * numbers.len() as u16).to_le_bytes());
    numbers.iter().for_each(|n| to.extend_from_slice(&n.to_le_bytes()));
}

pub(super) fn stamp(mtime_ns: i64) -> Vec<u8> {
    let Ok(seconds) = i32::try_from(mtime_ns.div_euclid(1_000_000_000)) else { return Vec::new() };
    if mtime_ns == 0 {
        return Vec::new();
    }
    let mut field = EXTRA_TIME.to_le_bytes().to_vec();
    field.extend_from_slice(&5_u16.to_le_bytes());
    field.push(1);
    field.extend_from_slice(&seconds.to_le_bytes());
    field
}

/// Date and time as DOS has them: UTC, two seconds, from 1980 to 2107.
pub(super) fn dos(mtime_ns: i64) -> (u16, u16) {
    let first = (1 << 5 | 1, 0);
    let Ok(at) = Timestamp::from_second(mtime_ns.div_euclid(1_000_000_000)) else { return first };
    let at = at.to_zoned(TimeZone::UTC);
    if !(1980..=2107).contains(&at.year()) {
        return first;
    }
    let [year, month, day] = [at.year() - 1980, at.month().into(), at.day().into()].map(|n: i16| n.unsigned_abs());
    let [hour, minute, second] = [at.hour(), at.minute(), at.second()].map(|n| u16::from(n.unsigned_abs()));
    (year << 9 | month << 5 | day, hour << 11 | minute << 5 | (second / 2))
}
