//! Paths below a folder that are longer than one system call takes: reached through an open folder on the way; and the
//! time of what lies there.
//!
//! Not here: making things below a folder ([`super::archive`] does that by descriptors).

use std::ffi::OsStr;
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

use crate::error::{Error, Result};
use crate::model::PathBytes;

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

/// Sets the time of the last change, in nanoseconds since 1970. The owner may, also when the mode lets nobody open it.
pub fn set_time(path: &Path, ns: i64) -> Result<()> {
    let time = Timespec { tv_sec: ns.div_euclid(1_000_000_000), tv_nsec: ns.rem_euclid(1_000_000_000) };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::at("setting the time of", path, e.into()))
}
