//! Unpacking: single members, and whole trees with their links, holes, modes, times and owners. Nothing is
//! ever written outside the folder that was named, whatever the archive says.
//!
//! Not here: putting data where an application expects it; what is unpacked here is compared or moved later.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use super::reader::ArchiveReader;
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, Part, PathBytes};
use crate::progress::Context;

/// A hole is made again where so many bytes in a row are zero.
const HOLE: usize = 4096;

impl ArchiveReader {
    /// Writes one member to the new file `to` (0600). A member that is not what was expected leaves no file.
    pub fn extract_member(&mut self, member: &str, to: &Path, sha256: &str, context: &Context) -> Result<()> {
        let mut file = create(to)?;
        let written = self
            .read_member(member, context, &mut |chunk| file.write_all(chunk).map_err(|e| Error::at("writing", to, e)));
        let checked = written.and_then(|(_, found)| {
            if found == sha256 {
                Ok(())
            } else {
                Err(Error::corrupted(format!("{member} is not what the manifest says")))
            }
        });
        if checked.is_err() {
            let _ = fs::remove_file(to);
        }
        checked
    }

    /// Makes a tree again below the new folder `to`. While it grows it has no links and its folders are 0700;
    /// links, modes and times come when all bytes are there.
    pub fn extract_part(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        let as_root = rustix::process::geteuid().is_root();
        let mut later = Vec::new();
        for entry in self.read_entries(part)? {
            let entry = entry?;
            let path = below(to, &entry.path)?;
            match entry.kind {
                EntryKind::Directory => {
                    DirBuilder::new().mode(0o700).create(&*path).map_err(|e| Error::at("creating", &path, e))?;
                    later.push(entry);
                    continue;
                }
                EntryKind::Symlink | EntryKind::Hardlink => {
                    later.push(entry);
                    continue;
                }
                EntryKind::File => {}
            }
            let member = self.member_of(part, &entry);
            let sha256 = entry.sha256.clone().unwrap_or_default();
            if entry.sparse {
                self.extract_sparse(&member, &path, &sha256, context)?;
            } else {
                self.extract_member(&member, &path, &sha256, context)?;
            }
            settle(&path, &entry, as_root)?;
        }
        for entry in later.iter().filter(|entry| entry.kind != EntryKind::Directory) {
            link(to, entry, as_root)?;
        }
        // Deepest first: a folder's time changes when something is made in it.
        for entry in later.iter().rev().filter(|entry| entry.kind == EntryKind::Directory) {
            settle(&below(to, &entry.path)?, entry, as_root)?;
        }
        Ok(())
    }

    fn extract_sparse(&mut self, member: &str, to: &Path, sha256: &str, context: &Context) -> Result<()> {
        let mut file = create(to)?;
        let failed = |e| Error::at("writing", to, e);
        let (length, found) = self.read_member(member, context, &mut |chunk| {
            for block in chunk.chunks(HOLE) {
                if block.iter().all(|byte| *byte == 0) {
                    file.seek(SeekFrom::Current(block.len() as i64)).map_err(failed)?;
                } else {
                    file.write_all(block).map_err(failed)?;
                }
            }
            Ok(())
        })?;
        file.set_len(length).map_err(failed)?;
        if found == sha256 {
            return Ok(());
        }
        let _ = fs::remove_file(to);
        Err(Error::corrupted(format!("{member} is not what the manifest says")))
    }
}

/// A way to a path below a folder that the kernel takes however long the path is.
pub struct Place {
    path: PathBuf,
    // What `path` begins at.
    _folder: Option<OwnedFd>,
}

impl Deref for Place {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.path
    }
}

/// The longest path that is used as it is: PATH_MAX (4096) with room for what is put behind it.
const LONGEST: usize = 3800;

/// A path of a contents list below a folder; anything that could lead elsewhere is refused.
pub fn below(root: &Path, path: &PathBytes) -> Result<Place> {
    let mut out = root.to_path_buf();
    let mut folder: Option<OwnedFd> = None;
    if path.0.is_empty() {
        return Ok(Place { path: out, _folder: None });
    }
    for part in path.0.split(|byte| *byte == b'/') {
        if part.is_empty() || part == b"." || part == b".." || part.contains(&0) {
            return Err(Error::corrupted(format!("the contents list names {path}, which leads elsewhere")));
        }
        if out.as_os_str().len() + part.len() >= LONGEST {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = rustix::fs::open(&out, flags, Mode::empty()).map_err(|e| Error::at("opening", &out, e.into()))?;
            out = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
            folder = Some(fd);
        }
        out.push(OsStr::from_bytes(part));
    }
    Ok(Place { path: out, _folder: folder })
}

fn create(to: &Path) -> Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    options.open(to).map_err(|e| Error::at("creating", to, e))
}

fn link(root: &Path, entry: &Entry, as_root: bool) -> Result<()> {
    let path = below(root, &entry.path)?;
    let target =
        entry.target.as_ref().ok_or_else(|| Error::corrupted(format!("link {} without a target", entry.path)))?;
    if entry.kind == EntryKind::Hardlink {
        let first = below(root, target)?;
        return fs::hard_link(&*first, &*path).map_err(|e| Error::at("linking", &path, e));
    }
    std::os::unix::fs::symlink(target.as_path(), &*path).map_err(|e| Error::at("linking", &path, e))?;
    own(&path, entry, as_root)?;
    set_time(&path, entry.mtime_ns)
}

/// Owner, mode and time of a file or folder; never setuid or setgid.
fn settle(path: &Path, entry: &Entry, as_root: bool) -> Result<()> {
    own(path, entry, as_root)?;
    let mode = entry.mode & 0o1777;
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|e| Error::at("setting the mode of", path, e))?;
    if entry.mtime_ns != 0 {
        set_time(path, entry.mtime_ns)?;
    }
    Ok(())
}

/// Sets the time of last change, in nanoseconds since 1970. The owner of a file may set its times, also when its mode lets nobody open it.
pub fn set_time(path: &Path, ns: i64) -> Result<()> {
    let time = Timespec { tv_sec: ns.div_euclid(1_000_000_000), tv_nsec: ns.rem_euclid(1_000_000_000) };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::at("setting the time of", path, e.into()))
}

fn own(path: &Path, entry: &Entry, as_root: bool) -> Result<()> {
    let (true, Some(uid), Some(gid)) = (as_root, entry.uid, entry.gid) else { return Ok(()) };
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)
        .map_err(|e| Error::at("setting the owner of", path, e.into()))
}
