//! Judging an archive before a single byte of it is used: the whole list of members first. An archive is
//! hostile until it has passed.
//!
//! Not here: hashes; a well-formed archive can still hold the wrong bytes. Nor whether members belong to the
//! backup: that needs its manifest ([`super::reader::ArchiveReader::admit`]).

use std::fs::File;
use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::listing::{End, Index, Member, Records, shown};
use crate::error::{Error, Result};

/// What an archive may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: u64,
    /// Uncompressed bytes in all.
    pub bytes: u64,
    /// Uncompressed bytes per byte of the file, over the whole archive; not looked at below 64 MiB.
    pub ratio: u64,
    /// What members may be called.
    pub names: Names,
}

/// What members may be called, and when two names are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// As [`super::writer::ArchiveWriter`] gives them: whatever Linux allows, names that differ by case or by
    /// Unicode normalization included, because a directory may hold such files. Links are allowed. What a member
    /// becomes is told by the sealed contents list and not by its name, so two names can never become one file.
    Sealed,
    /// Of an archive without our contents list, where the name is all there is: names that mean the same file
    /// on every system, 255 bytes for a part and 4,096 in all, 32 parts, and nothing but files and folders.
    Foreign,
}

impl Default for Limits {
    /// For archives from a destination of ours, and those that the operator of this machine names. They stop bombs, not large applications; deflate itself cannot
    /// reach more than 1,032 to 1.
    fn default() -> Self {
        Limits { members: 20_000_000, bytes: 64 << 40, ratio: 1100, names: Names::Sealed }
    }
}

impl Limits {
    /// For archives that somebody has uploaded: 65,535 members, 64 GiB, 200 to 1.
    pub fn upload() -> Self {
        Limits { members: 65_535, bytes: 64 << 30, ratio: 200, names: Names::Sealed }
    }

    /// The same for an archive without our contents list, whoever named it: never more than an upload may be.
    pub fn foreign(self) -> Self {
        let most = Limits::upload();
        Limits {
            members: self.members.min(most.members),
            bytes: self.bytes.min(most.bytes),
            ratio: self.ratio.min(most.ratio),
            names: Names::Foreign,
        }
    }
}

/// What unpacks to less does no harm, whatever its ratio.
const HARMLESS: u64 = 64 << 20;

/// Longest part of a sealed name, in bytes: what Linux allows, escaped threefold. The whole is as long as ZIP allows.
const SEALED_PART: usize = 3 * 255;
const FOREIGN_PART: usize = 255;
const FOREIGN_WHOLE: usize = 4096;
const FOREIGN_DEPTH: usize = 32;
/// So many bytes of directory for each member that is allowed: all names are in memory once.
const FOREIGN_RECORD: u64 = 256;

const FILE_TYPE: u32 = 0o170_000;
const SETUID_SETGID: u32 = 0o6_000;

/// Refuses an archive that is not exactly members one after the other, in the order of the directory at its end.
pub(super) fn judge(file: &Arc<File>, length: u64, limits: &Limits) -> Result<(End, Index)> {
    let end = End::read(file, length)?;
    let refuse = |why: String| Err(Error::corrupted(why).while_("looking at the archive"));
    if end.members > limits.members {
        return refuse(format!("{} members, {} are allowed", end.members, limits.members));
    }
    if limits.names == Names::Foreign && end.length > limits.members.saturating_mul(FOREIGN_RECORD) {
        return refuse(format!("its directory has {} bytes, which is too much", end.length));
    }
    let key = match limits.names {
        Names::Sealed => |name: &str| name.trim_end_matches('/').to_owned(),
        Names::Foreign => folded,
    };
    let mut index = Index::new(usize::try_from(end.members).unwrap_or_default(), key);
    let mut records = Records::new(file, &end);
    let (mut total, mut reached) = (0_u64, 0);
    for record in records.by_ref() {
        let (position, member) = record?;
        if let Err(why) = check(&member, limits.names) {
            return refuse(format!("member {} {why}", shown(&member.name)));
        }
        total = total.saturating_add(member.size);
        if total > limits.bytes {
            return refuse(format!("more than {} bytes uncompressed", limits.bytes));
        }
        if member.start != reached {
            return refuse(format!("member {} overlaps another or leaves a gap", shown(&member.name)));
        }
        (_, reached) = member.locate(file)?;
        index.add(&member.name, position);
    }
    if reached != end.start || !records.ended()? {
        return refuse("there is data between the members and their directory, or in it".into());
    }
    if total > HARMLESS && total / length.max(1) > limits.ratio {
        return refuse(format!("{total} bytes from {length}: more than {} to 1", limits.ratio));
    }
    match index.settle(file)? {
        Some((one, other)) => refuse(format!("members {} and {} have the same name", shown(&one), shown(&other))),
        None => Ok((end, index)),
    }
}

/// What file systems that ignore case and normalization make of a name.
pub(crate) fn folded(name: &str) -> String {
    let composed: String = name.trim_end_matches('/').nfc().collect();
    composed.to_uppercase().to_lowercase().nfc().collect()
}

fn check(member: &Member, names: Names) -> std::result::Result<(), &'static str> {
    check_name(&member.name, names)?;
    let mode = member.mode.unwrap_or_default();
    match (mode & FILE_TYPE, names) {
        (0, _) => {}
        (0o040_000, _) if member.is_folder() => {}
        (0o100_000, _) if !member.is_folder() => {}
        (0o120_000, Names::Sealed) if !member.is_folder() => {}
        (0o120_000, _) => return Err("is a link"),
        (0o040_000 | 0o100_000, _) => return Err("is a folder by its name or by its mode, but not by both"),
        _ => return Err("is a device, a pipe or a socket"),
    }
    if mode & SETUID_SETGID != 0 && !member.is_folder() {
        return Err("would run with the rights of its owner");
    }
    if member.is_folder() && member.size != 0 {
        return Err("is a folder with bytes");
    }
    Ok(())
}

/// Names that could lead anywhere but below the folder that they are unpacked into, or that mean different things
/// to different systems.
fn check_name(name: &str, names: Names) -> std::result::Result<(), &'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() {
        return Err("has no name");
    }
    if name.chars().any(|c| c.is_ascii_control() || c == '\\') {
        return Err("has a control character or a backslash");
    }
    let longest = if names == Names::Foreign { FOREIGN_PART } else { SEALED_PART };
    for part in path.split('/') {
        match part {
            "" => return Err("is absolute or has an empty part"),
            "." | ".." => return Err("has a part that leads elsewhere"),
            _ if part.len() > longest => return Err("has a part that is too long"),
            _ => {}
        }
    }
    if names == Names::Sealed {
        return Ok(());
    }
    if name.len() > FOREIGN_WHOLE || path.split('/').count() > FOREIGN_DEPTH {
        return Err("is too long or too deep");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character or a backslash");
    }
    if name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic() {
        return Err("begins with a drive letter");
    }
    if path.split('/').any(|part| part.ends_with(['.', ' '])) {
        return Err("has a part that ends in a dot or a space");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_by_case_and_by_normalization_are_the_same_name() {
        for (one, other) in
            [("A/b", "a/B"), ("caf\u{e9}", "cafe\u{301}"), ("STRASSE", "straße"), ("a", "a/"), ("Σ", "ς")]
        {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("a"), folded("b"));
    }
}
