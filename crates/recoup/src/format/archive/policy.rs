//! Judging an archive before a single byte of it is used: the whole list of members first. An archive is
//! hostile until it has passed.
//!
//! Not here: hashes; a well-formed archive can still hold the wrong bytes.

use std::fs::File;
use std::os::unix::fs::FileExt;

use zip::{CompressionMethod, ZipArchive};

use super::reader::At;
use crate::error::{Error, Result};

/// What an archive may be. The defaults are generous: they stop bombs, not large applications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: usize,
    /// Uncompressed bytes in all.
    pub bytes: u64,
    /// Uncompressed bytes per stored byte, over the whole archive.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { members: 20_000_000, bytes: 64 << 40, ratio: 1100 }
    }
}

/// Longest name of one part of a path, and of a whole path, in bytes: what Linux allows, escaped threefold.
const PART: usize = 3 * 255;
const WHOLE: usize = 3 * 4096;
const END_RECORD: u64 = 22;

/// Refuses an archive that is not exactly members one after the other and a directory of them at its end.
pub fn judge(zip: &mut ZipArchive<At>, file: &File, length: u64, limits: &Limits) -> Result<()> {
    let refuse = |why: String| Err(Error::corrupted(why).while_("looking at the archive"));
    if zip.len() > limits.members {
        return refuse(format!("{} members, {} are allowed", zip.len(), limits.members));
    }
    if zip.has_duplicate_names() {
        return refuse("two members have the same name".into());
    }
    if zip.offset() != 0 || !zip.comment().is_empty() {
        return refuse("there is data before the first member or a comment after the last".into());
    }
    let mut end = [0; 4];
    let at_end = length.checked_sub(END_RECORD).is_some_and(|at| file.read_exact_at(&mut end, at).is_ok());
    if !at_end || &end != b"PK\x05\x06" {
        return refuse("the archive does not end where its directory ends".into());
    }
    let mut total = 0_u64;
    let mut spans = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let member = zip.by_index_raw(index).map_err(|e| Error::corrupted(e.to_string()))?;
        let name = member.name().map_err(|e| Error::corrupted(e.to_string()))?.into_owned();
        if let Err(why) = check_name(&name) {
            return refuse(format!("member {name:?} {why}"));
        }
        if member.encrypted() {
            return refuse(format!("member {name:?} is encrypted"));
        }
        if !matches!(member.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return refuse(format!("member {name:?} uses the compression {}", member.compression()));
        }
        let special =
            member.unix_mode().is_some_and(|mode| !matches!(mode & 0o170_000, 0 | 0o040_000 | 0o100_000 | 0o120_000));
        if special {
            return refuse(format!("member {name:?} is a device, a pipe or a socket"));
        }
        total = total.saturating_add(member.size());
        let from = member.header_start();
        let data = member.data_start().ok_or_else(|| Error::corrupted("a member has no data"))?;
        spans.push((from, data.saturating_add(member.compressed_size())));
    }
    if total > limits.bytes {
        return refuse(format!("{total} bytes uncompressed, {} are allowed", limits.bytes));
    }
    if total / length.max(1) > limits.ratio {
        return refuse(format!("{total} bytes from {length}: more than {} to 1", limits.ratio));
    }
    spans.sort_unstable();
    let mut reached = 0;
    for (from, to) in spans {
        if from != reached {
            return refuse("members overlap or leave gaps".into());
        }
        reached = to;
    }
    if reached != zip.central_directory_start() {
        return refuse("there is data between the members and their directory".into());
    }
    zip.validate_header_consistency().map_err(|e| Error::corrupted(format!("a member's two headers differ: {e}")))
}

/// Names that could lead anywhere but below the folder that they are unpacked into.
fn check_name(name: &str) -> std::result::Result<(), &'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if path.is_empty() || name.len() > WHOLE {
        return Err("has no usable length");
    }
    if name.chars().any(|c| c.is_ascii_control() || c == '\\') {
        return Err("has a control character or a backslash");
    }
    for part in path.split('/') {
        match part {
            "" => return Err("is absolute or has an empty part"),
            "." | ".." => return Err("has a part that leads elsewhere"),
            _ if part.len() > PART => return Err("has a part that is too long"),
            _ => {}
        }
    }
    Ok(())
}
