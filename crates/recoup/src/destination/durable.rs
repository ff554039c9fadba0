//! Small durable steps on one directory held by descriptor: create, publish under a name that nobody has
//! yet, unlink, fsync. Every name is resolved below the descriptor and symbolic links are never followed, so
//! neither a moved directory nor a planted link can lead a write astray.
//!
//! Not here: what the files mean, and the order of the steps ([`super::local`]).

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use data_encoding::HEXLOWER;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::progress::Context;

/// Read, hashed and reported at once: large enough that a system call costs nothing, small enough to be flat.
pub(crate) const CHUNK: usize = 1 << 20;

/// Memory and lengths are multiples of this where the page cache is passed by: no disk has larger blocks.
const BLOCK: usize = 4096;

/// A directory by descriptor, with the path that people know it by.
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory by path; a symbolic link given by the user is followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Directory { fd, path: path.to_owned() })
    }

    /// Opens a directory inside this one; a symbolic link is an error.
    pub fn child(&self, name: &str) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        Ok(Directory { fd, path: self.path.join(name) })
    }

    /// Opens a directory inside this one and makes it, 0700, when it is not there.
    pub fn make_child(&self, name: &str) -> io::Result<Self> {
        let made = match rustix::fs::mkdirat(&self.fd, name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let child = self.child(name)?;
        if made {
            set_mode(&child.fd, Mode::RWXU)?;
        }
        Ok(child)
    }

    /// The path that people know it by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode.
    pub fn id(&self) -> io::Result<(u64, u64)> {
        let stat = rustix::fs::fstat(&self.fd)?;
        // Not 64 bits wide everywhere.
        #[allow(clippy::unnecessary_cast)]
        Ok((stat.st_dev as u64, stat.st_ino))
    }

    /// What a name is, without following it.
    pub fn stat(&self, name: impl AsRef<OsStr>) -> io::Result<Stat> {
        Ok(rustix::fs::statat(&self.fd, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Every name in here but `.` and `..`, in no order.
    pub fn names(&self) -> io::Result<Vec<std::ffi::OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        Ok(names)
    }

    /// Creates a file that must not exist, 0600 whatever the umask.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)?);
        set_mode(&file, Mode::RUSR | Mode::WUSR)?;
        Ok(file)
    }

    /// Opens a file for locking and creates it, 0600, when `create` and it is not there.
    pub fn open_to_lock(&self, name: impl AsRef<OsStr>, create: bool) -> io::Result<File> {
        let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        flags.set(OFlags::CREATE, create);
        Ok(File::from(rustix::fs::openat(&self.fd, name.as_ref(), flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Opens a regular file for reading; everything else is not found.
    pub fn read(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let name = name.as_ref();
        if !is_file(&self.stat(name)?) {
            return Err(io::ErrorKind::NotFound.into());
        }
        // NONBLOCK: should the name become a pipe in between, the open must not hang.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.fd, name, flags, Mode::empty())?))
    }

    /// Removes a file; whether there was one.
    pub fn unlink(&self, name: impl AsRef<OsStr>) -> io::Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name.as_ref(), AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes names in here durable (fsync(2): the file's own fsync does not cover its directory entry).
    pub fn sync(&self) -> io::Result<()> {
        match rustix::fs::fsync(&self.fd) {
            // Some network and FUSE file systems cannot fsync a directory and say so.
            Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Moves `from_name` of `from` here as `name`; fails with `AlreadyExists` when the name is taken.
    pub fn publish(&self, from: &Directory, from_name: &OsStr, name: &OsStr) -> io::Result<()> {
        match rustix::fs::renameat_with(&from.fd, from_name, &self.fd, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return Ok(other?),
        }
        // No RENAME_NOREPLACE here (NFS, FUSE): a hard link refuses a taken name as well.
        match rustix::fs::linkat(&from.fd, from_name, &self.fd, name, AtFlags::empty()) {
            Ok(()) => return from.unlink(from_name).map(drop),
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        // Neither: look, then rename. What remains is the moment in between.
        match self.stat(name) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => Ok(rustix::fs::renameat(&from.fd, from_name, &self.fd, name)?),
        }
    }

    /// Renames a file in here and replaces what has the name.
    pub fn replace(&self, from_name: &str, name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from_name, &self.fd, name)?)
    }

    /// Bytes that may still be written: `f_bavail`, which leaves out what is reserved for root, and nothing
    /// when the inodes are used up (statvfs(3)).
    pub fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.fd)?;
        if stat.f_files > 0 && stat.f_favail == 0 {
            return Ok(0);
        }
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// Whether it is a regular file.
pub(crate) fn is_file(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
}

/// Sets exactly this mode. File systems without permissions (FAT) refuse; there is nothing to protect there.
pub(crate) fn set_mode(fd: impl AsFd, mode: Mode) -> io::Result<()> {
    match rustix::fs::fchmod(fd, mode) {
        Err(Errno::PERM | Errno::NOTSUP) => Ok(()),
        other => Ok(other?),
    }
}

/// Makes a directory and its missing parents, 0700, each durable in its parent. One that exists is left as
/// it is.
pub(crate) fn make_directories(path: &Path) -> io::Result<()> {
    let builder = {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        builder
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match builder.create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Some(parent) = parent else { return Err(error) };
            make_directories(parent)?;
            builder.create(path)?;
        }
        Err(error) => return Err(error),
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    match parent {
        Some(parent) => Directory::open(parent)?.sync(),
        None => Ok(()),
    }
}

/// Reserves space, so that a full disk is known before the work; file systems that cannot are believed.
/// The length of the file stays what is written (`FALLOC_FL_KEEP_SIZE`, fallocate(2)).
pub(crate) fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, bytes) {
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL | Errno::NODEV | Errno::INTR) => Ok(()),
        other => Ok(other?),
    }
}

/// A file that is read from the disk and not from the page cache: past it (`O_DIRECT`, open(2)), so that what others
/// have cached stays; where a file system cannot do that, the cache is dropped first. Call it after fsync: only clean
/// pages can be dropped (posix_fadvise(2)).
pub(crate) struct FromDisk(File);

impl FromDisk {
    pub fn new(file: File) -> Self {
        let reader = FromDisk(file);
        if !reader.set_direct(true) {
            reader.forget_cached();
        }
        reader
    }

    #[cfg(target_os = "linux")]
    fn set_direct(&self, on: bool) -> bool {
        let set = |flags: OFlags| {
            let flags = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
            rustix::fs::fcntl_setfl(&self.0, flags)
        };
        rustix::fs::fcntl_getfl(&self.0).and_then(set).is_ok()
    }

    #[cfg(target_os = "linux")]
    fn forget_cached(&self) {
        // Advice: a file system that ignores it costs proof, not correctness.
        let _ = rustix::fs::fadvise(&self.0, 0, None, rustix::fs::Advice::DontNeed);
    }

    #[cfg(not(target_os = "linux"))]
    fn set_direct(&self, _on: bool) -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    fn forget_cached(&self) {}
}

impl FromDisk {
    /// Length and SHA-256 (lower-case hex). The disk reads on while a block is hashed.
    pub fn hash(mut self, context: &Context) -> Result<(u64, String)> {
        std::thread::scope(|scope| {
            let (full, to_hash) = mpsc::sync_channel(1);
            let (empty, to_fill) = mpsc::sync_channel(2);
            for _ in 0..2 {
                let _ = empty.send(Block::default());
            }
            scope.spawn(move || {
                for mut block in to_fill {
                    let filled = self.fill(&mut block).map(|()| block);
                    let last = filled.as_ref().map_or(true, |block| block.bytes().is_empty());
                    if full.send(filled).is_err() || last {
                        return;
                    }
                }
            });
            let (mut hasher, mut bytes) = (Sha256::new(), 0);
            for filled in to_hash {
                let block = filled.map_err(|error| Error::io("reading", error))?;
                hasher.update(block.bytes());
                bytes += block.bytes().len() as u64;
                context.advance(block.bytes().len() as u64)?;
                // Nobody takes it after the end.
                let _ = empty.send(block);
            }
            Ok((bytes, HEXLOWER.encode(&hasher.finalize())))
        })
    }

    fn fill(&mut self, block: &mut Block) -> io::Result<()> {
        let read = loop {
            match self.0.read(block.space()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It took the flag and cannot do it.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) && self.set_direct(false) => {
                    self.forget_cached();
                    break self.0.read(block.space())?;
                }
                other => break other?,
            }
        };
        // What follows the last block is not aligned: nothing, or what somebody appends meanwhile.
        if !read.is_multiple_of(BLOCK) {
            self.set_direct(false);
        }
        block.filled = read;
        Ok(())
    }
}

/// Memory that `O_DIRECT` accepts.
struct Block {
    memory: Vec<u8>,
    filled: usize,
}

impl Default for Block {
    fn default() -> Self {
        Block { memory: vec![0; CHUNK + BLOCK], filled: 0 }
    }
}

impl Block {
    fn start(&self) -> usize {
        self.memory.as_ptr().align_offset(BLOCK)
    }

    fn space(&mut self) -> &mut [u8] {
        let start = self.start();
        self.memory.get_mut(start..start + CHUNK).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        let start = self.start();
        self.memory.get(start..start + self.filled).unwrap_or_default()
    }
}

/// Length and SHA-256 (lower-case hex) of everything that `from` gives; `each` sees every chunk.
pub(crate) fn hash(
    from: &mut dyn Read,
    context: &Context,
    mut each: impl FnMut(&[u8]) -> Result<()>,
) -> Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok((bytes, HEXLOWER.encode(&hasher.finalize()))),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io("reading", error)),
        };
        let chunk = buffer.get(..n).unwrap_or_default();
        hasher.update(chunk);
        each(chunk)?;
        bytes += n as u64;
        context.advance(n as u64)?;
    }
}
