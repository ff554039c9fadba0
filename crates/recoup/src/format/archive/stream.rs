//! The headers of a ZIP that goes straight out: members are stored, and their length and CRC are known before them, so that
//! nothing is ever changed afterwards (PKWARE APPNOTE.TXT 6.3.10).
//!
//! Not here: an archive that is a backup ([`super::container`]), and which members there are ([`crate::browse::bundle`]).

use super::container::{CENTRAL, END, END_64, IN_64, LOCAL, LOCATOR_64, UTF8, dos, extra_64, stamp};
use crate::error::{Error, Result};

/// What is said of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name; folders end in `/`.
    pub name: String,
    /// Permission bits with the file type of `stat`.
    pub mode: u32,
    /// Nanoseconds since 1970; 0 when there is no time.
    pub mtime_ns: i64,
    /// CRC-32 of its bytes.
    pub crc: u32,
    /// Its length in bytes.
    pub size: u64,
}

impl Member {
    /// The header before its bytes.
    pub fn local(&self) -> Result<Vec<u8>> {
        let mut head = LOCAL.to_le_bytes().to_vec();
        let numbers = if self.is_large() { vec![self.size, self.size] } else { Vec::new() };
        self.shared(&mut head, self.is_large(), &numbers)?;
        head.extend_from_slice(self.name.as_bytes());
        self.extras(&mut head, &numbers);
        Ok(head)
    }

    /// Its record in the directory; `start` is where its header begins.
    pub fn central(&self, start: u64) -> Result<Vec<u8>> {
        let too_far = start >= u64::from(IN_64);
        let mut numbers = if self.is_large() { vec![self.size, self.size] } else { Vec::new() };
        numbers.extend(too_far.then_some(start));
        let wide = self.is_large() || too_far;
        let mut head = CENTRAL.to_le_bytes().to_vec();
        head.extend_from_slice(&(3 << 8 | needed(wide)).to_le_bytes());
        self.shared(&mut head, wide, &numbers)?;
        // Comment, disk, internal attributes; then Unix mode and the DOS folder bit.
        head.extend_from_slice(&[0; 6]);
        let folder = u32::from(self.name.ends_with('/')) << 4;
        head.extend_from_slice(&(self.mode << 16 | folder).to_le_bytes());
        head.extend_from_slice(&u32::try_from(start).unwrap_or(IN_64).to_le_bytes());
        head.extend_from_slice(self.name.as_bytes());
        self.extras(&mut head, &numbers);
        Ok(head)
    }

    fn is_large(&self) -> bool {
        self.size >= u64::from(IN_64)
    }

    /// Version needed to the lengths of name and extra fields.
    fn shared(&self, head: &mut Vec<u8>, wide: bool, numbers: &[u64]) -> Result<()> {
        let too_long = |_| Error::usage("name_too_long", "A name is longer than ZIP allows");
        let name = u16::try_from(self.name.len()).map_err(too_long)?;
        let extra = stamp(self.mtime_ns).len() + if numbers.is_empty() { 0 } else { 4 + 8 * numbers.len() };
        let (date, time) = dos(self.mtime_ns);
        let flags = if self.name.is_ascii() { 0 } else { UTF8 };
        [needed(wide), flags, 0, time, date].iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes()));
        let size = if self.is_large() { IN_64 } else { self.size as u32 };
        [self.crc, size, size].iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes()));
        [name, extra as u16].iter().for_each(|n| head.extend_from_slice(&n.to_le_bytes()));
        Ok(())
    }

    fn extras(&self, head: &mut Vec<u8>, numbers: &[u64]) {
        if !numbers.is_empty() {
            extra_64(head, numbers);
        }
        head.extend_from_slice(&stamp(self.mtime_ns));
    }
}

/// The version that a reader needs.
fn needed(wide: bool) -> u16 {
    if wide { 45 } else { 20 }
}

/// The end of a ZIP with so many members, whose directory begins at `start` and has `size` bytes.
pub fn end(members: u64, size: u64, start: u64) -> Vec<u8> {
    let mut end = Vec::new();
    if members >= u64::from(u16::MAX) || start >= u64::from(IN_64) || size >= u64::from(IN_64) {
        end.extend_from_slice(&END_64.to_le_bytes());
        end.extend_from_slice(&44_u64.to_le_bytes());
        [3 << 8 | 45, 45_u16].iter().for_each(|n| end.extend_from_slice(&n.to_le_bytes()));
        end.extend_from_slice(&[0; 8]);
        [members, members, size, start].iter().for_each(|n| end.extend_from_slice(&n.to_le_bytes()));
        end.extend_from_slice(&LOCATOR_64.to_le_bytes());
        end.extend_from_slice(&[0; 4]);
        end.extend_from_slice(&(start + size).to_le_bytes());
        end.extend_from_slice(&1_u32.to_le_bytes());
    }
    end.extend_from_slice(&END.to_le_bytes());
    end.extend_from_slice(&[0; 4]);
    let members = u16::try_from(members).unwrap_or(u16::MAX);
    [members, members].iter().for_each(|n| end.extend_from_slice(&n.to_le_bytes()));
    [size, start].iter().for_each(|n| end.extend_from_slice(&u32::try_from(*n).unwrap_or(IN_64).to_le_bytes()));
    end.extend_from_slice(&[0; 2]);
    end
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    fn member(name: &str, size: u64) -> Member {
        Member { name: name.to_owned(), mode: 0o100_644, mtime_ns: 1_000_000_000_000_000_000, crc: 0, size }
    }

    #[test]
    fn more_than_4_gib_and_more_than_65535_members_are_told_in_zip64() {
        let mut members = vec![member("large", 5 << 30), member("behind it", 0)];
        members.extend((0..70_000).map(|n| member(&format!("{n}.txt"), 0)));
        let file = tempfile::tempfile().unwrap();
        let (mut start, mut directory) = (0, Vec::new());
        for member in &members {
            let head = member.local().unwrap();
            file.write_all_at(&head, start).unwrap();
            directory.extend(member.central(start).unwrap());
            start += head.len() as u64 + member.size;
        }
        let end = end(members.len() as u64, directory.len() as u64, start);
        file.write_all_at(&[directory, end].concat(), start).unwrap();
        let read = |file: File| zip::ZipArchive::new(file).unwrap();
        let mut zip = read(file);
        assert_eq!(zip.len(), 70_002);
        assert_eq!(zip.by_name("large").unwrap().size(), 5 << 30);
        let behind = zip.by_name("behind it").unwrap();
        assert!(behind.header_start() > 5 << 30 && behind.unix_mode() == Some(0o100_644));
    }

    #[test]
    fn a_name_that_zip_cannot_have_is_an_error() {
        assert_eq!(member(&"x".repeat(70_000), 0).local().unwrap_err().code(), "name_too_long");
    }
}
