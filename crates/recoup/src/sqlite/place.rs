//! What the file system tells about a database file without SQLite: its sidecars, whether anybody can have
//! changed it, who in this process has it open, and whether it lies on a network.
//!
//! The rule that shapes this file: POSIX locks belong to a process and a file, and closing *any* descriptor of
//! that file drops them all (<https://sqlite.org/howtocorrupt.html>, section 2.2). An application that embeds
//! Recoup has its database open in our process, so a plain `open` + `close` of a live database would let another
//! process write through the application's locks. Plain descriptors exist only behind [`PlainFile`].

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Device and inode: what a path leads to, whatever it is called.
pub type Inode = (u64, u64);

/// The inode that metadata describe.
pub fn inode(meta: &Metadata) -> Inode {
    (meta.dev(), meta.ino())
}

/// The path of a file that SQLite keeps beside a database: `-wal`, `-shm`, `-journal`.
pub fn sidecar(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether any file of SQLite lies beside the database. While a connection of any process uses a database in
/// WAL mode, its `-wal` and `-shm` exist (<https://sqlite.org/wal.html>, section 4).
pub fn has_sidecars(path: &Path) -> bool {
    ["-wal", "-shm", "-journal"].iter().any(|suffix| fs::symlink_metadata(sidecar(path, suffix)).is_ok())
}

/// Everything that changes when a file is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    inode: Inode,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what `path` leads to.
    pub fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        Ok(Stamp {
            inode: inode(&meta),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }

    /// Nanoseconds since 1970 at which the file was last written.
    pub fn modified_ns(&self) -> i128 {
        i128::from(self.modified.0) * 1_000_000_000 + i128::from(self.modified.1)
    }
}

/// How many descriptors of this process are open on a file; `None` when the system cannot tell.
pub fn openers_here(of: Inode) -> Option<usize> {
    let list = if cfg!(target_os = "linux") { "/proc/self/fd" } else { return None };
    let entries = fs::read_dir(list).ok()?;
    Some(entries.flatten().filter(|entry| fs::metadata(entry.path()).is_ok_and(|meta| inode(&meta) == of)).count())
}

/// A file opened for plain reading, only when nobody else in this process has it open. When somebody opened it
/// meanwhile, the descriptor is never closed: one leaked descriptor is cheaper than a lost lock.
pub struct PlainFile {
    file: Option<File>,
    inode: Inode,
}

impl PlainFile {
    /// Opens `path`; `None` when somebody in this process has it open, or nobody can tell.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let inode = inode(&fs::metadata(path)?);
        if openers_here(inode) != Some(0) {
            return Ok(None);
        }
        Ok(Some(PlainFile { file: Some(File::open(path)?), inode }))
    }
}

impl Read for PlainFile {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.read(into))
    }
}

impl Drop for PlainFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take()
            && openers_here(self.inode) != Some(1)
        {
            std::mem::forget(file);
        }
    }
}

/// Whether the header says WAL (bytes 18 and 19, <https://sqlite.org/fileformat2.html>); `None` when it must not
/// or cannot be read.
pub fn header_says_wal(path: &Path) -> Option<bool> {
    let mut header = [0; 20];
    PlainFile::open(path).ok()??.read_exact(&mut header).ok()?;
    Some(header.starts_with(b"SQLite format 3\0") && header[18] == 2 && header[19] == 2)
}

/// The name of the file system when it is one on which SQLite's locks and shared memory are known not to be
/// dependable (<https://sqlite.org/wal.html>: not over a network file system).
#[cfg(target_os = "linux")]
pub fn network_filesystem(path: &Path) -> Option<&'static str> {
    rustix::fs::statfs(path).ok().and_then(|stat| network_name(stat.f_type as u64 & 0xffff_ffff))
}

/// The name of the file system when it is one on which SQLite's locks are known not to be dependable.
#[cfg(not(target_os = "linux"))]
pub fn network_filesystem(_path: &Path) -> Option<&'static str> {
    None
}

/// `f_type` of statfs(2).
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
fn network_name(magic: u64) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9p",
        0x6573_5546 => "FUSE",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x0bd0_0bd0 => "Lustre",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn network_filesystems_are_known_by_their_magic_and_local_ones_are_not() {
        for (magic, name) in [(0x6969, Some("NFS")), (0xff53_4d42, Some("SMB")), (0xef53, None), (0x5846_5342, None)] {
            assert_eq!(network_name(magic), name);
        }
    }

    #[test]
    fn a_file_that_this_process_has_open_is_never_opened_plainly() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(PlainFile::open(file.path()).unwrap().is_none());
        let path = file.into_temp_path();
        assert!(PlainFile::open(&path).unwrap().is_some());
    }

    #[test]
    fn a_descriptor_that_became_shared_is_leaked_instead_of_closed() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let inode = inode(&fs::metadata(&path).unwrap());
        let plain = PlainFile::open(&path).unwrap().unwrap();
        let other = File::open(&path).unwrap();
        drop(plain);
        assert_eq!(openers_here(inode), Some(2));
        drop(other);
        assert_eq!(openers_here(inode), Some(1));
    }
}
