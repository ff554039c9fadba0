//! Where other file systems, or other parts of the same one, are mounted inside a tree. A folder around a mount can be
//! renamed, and the mount goes along unseen: whoever exchanges a tree has to know its mounts first.
//!
//! Not here: what becomes of them ([`super::tree`]).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Paths below `root`, relative to it, on which something is mounted; `root` itself is not among them.
pub fn below(root: &Path) -> Vec<PathBuf> {
    // Another system has no such list: there the exchange fails at the mount and is taken back.
    let table = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
    parse(&table, root)
}

/// The fifth field is where it is mounted (<https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>).
fn parse(table: &[u8], root: &Path) -> Vec<PathBuf> {
    let places = table.split(|byte| *byte == b'\n').filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let mut found: Vec<PathBuf> = places
        .filter_map(|place| Some(unescaped(place).strip_prefix(root).ok()?.to_path_buf()))
        .filter(|relative| !relative.as_os_str().is_empty())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Space, tab, newline and backslash are written as octal numbers.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let number = text.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match (text[at], number.and_then(|digits| u8::from_str_radix(digits, 8).ok())) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                at += 4;
            }
            (byte, _) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_inside_a_folder_are_found_and_others_are_not() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            90 22 0:50 / /srv/app/data/in\\040side rw - tmpfs tmpfs rw\n\
            91 22 8:1 /x /srv/app/data rw - ext4 /dev/sda1 rw\n\
            92 22 8:1 /y /srv/app/database rw - ext4 /dev/sda1 rw\n";
        assert_eq!(parse(table, Path::new("/srv/app/data")), [PathBuf::from("in side")]);
    }
}
