//! Unpacking: single members, and whole trees with their links, holes, modes, times and owners. Nothing is
//! ever written outside the folder that was named, whatever the archive says.
//!
//! Not here: putting data where an application expects it; what is unpacked here is compared or moved later.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::folder::Folder;
use super::reader::ArchiveReader;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Entry, EntryKind, Part};
use crate::progress::Context;

/// A hole is made again where so many bytes in a row are zero.
const HOLE: usize = 4096;
/// From so many bytes on a second thread pays.
const LARGE: u64 = 4 << 20;
/// Chunks on their way to it.
const QUEUE: usize = 4;

impl ArchiveReader {
    /// Writes one member to the new file `to` (0600). A member that is not what was expected leaves no file.
    /// Nothing is synced.
    pub fn extract_member(&mut self, member: &str, to: &Path, sha256: &str, context: &Context) -> Result<()> {
        let mut options = File::options();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(to).map_err(|e| Error::at("creating", to, e))?;
        let written = self.fill(&file, member, sha256, false, context);
        if written.is_err() {
            let _ = fs::remove_file(to);
        }
        written
    }

    /// Makes a tree again below the new folder `to`. While it grows it has no links and its folders are 0700;
    /// links come when all bytes are there, the modes of folders last. Nothing is synced.
    pub fn extract_part(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        let mut folder = Folder::create(to)?;
        let mut folders = Vec::new();
        let mut links = false;
        for entry in self.read_entries(part)? {
            let entry = entry?;
            match entry.kind {
                EntryKind::Directory => {
                    if !entry.path.0.is_empty() {
                        folder.make_folder(&entry.path)?;
                    }
                    folders.push(entry);
                }
                EntryKind::Symlink | EntryKind::Hardlink => links = true,
                EntryKind::File => {
                    let file = folder.make_file(&entry.path)?;
                    let (member, sha256) = (self.member_of(part, &entry), entry.sha256.as_deref().unwrap_or_default());
                    if let Err(error) = self.fill(&file, &member, sha256, entry.sparse, context) {
                        let _ = folder.remove_file(&entry.path);
                        return Err(error);
                    }
                    folder.settle_file(&file, &entry)?;
                }
            }
            context.check()?;
        }
        if links {
            for entry in self.read_entries(part)? {
                link(&mut folder, &entry?)?;
            }
        }
        // Deepest first: a folder's time changes when something is made in it.
        for entry in folders.iter().rev() {
            folder.settle_folder(entry)?;
        }
        Ok(())
    }

    /// Writes a member's bytes, which must have the SHA-256, to an empty file. Of a large member one thread unpacks
    /// what another hashes and writes.
    fn fill(&mut self, file: &File, name: &str, sha256: &str, sparse: bool, context: &Context) -> Result<()> {
        let member = self.member(name)?;
        let mut filling = Filling { file, name, sparse, hash: Sha256::new() };
        if member.size < LARGE {
            self.unpack(&member, context, &mut |chunk| filling.take(chunk))?;
            return filling.finish(member.size, sha256);
        }
        let (full, to_write) = mpsc::sync_channel::<Vec<u8>>(QUEUE);
        let (written, empty) = mpsc::channel::<Vec<u8>>();
        std::thread::scope(|scope| {
            let writer = move || -> Result<()> {
                for chunk in to_write {
                    filling.take(&chunk)?;
                    // Nobody takes it back when unpacking has ended.
                    let _ = written.send(chunk);
                }
                filling.finish(member.size, sha256)
            };
            let writer = std::thread::Builder::new().spawn_scoped(scope, writer);
            let writer = writer.map_err(|e| Error::io("starting a thread", e))?;
            let unpacked = self.unpack(&member, context, &mut |chunk| {
                let mut buffer = empty.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(chunk);
                full.send(buffer).map_err(|_| stopped(name))
            });
            drop(full);
            match (unpacked, writer.join()) {
                // What could not be written is why unpacking has stopped; else the writer had too little.
                (Err(error), Ok(Err(_)) | Err(_)) if error.code() != WRITER_STOPPED => Err(error),
                (_, Ok(Err(error))) => Err(error),
                (_, Err(_)) => Err(stopped(name)),
                (unpacked, Ok(Ok(()))) => unpacked,
            }
        })
    }
}

const WRITER_STOPPED: &str = "writer_stopped";

fn stopped(name: &str) -> Error {
    Error::new(ErrorKind::Failed, WRITER_STOPPED, format!("Writing {name} stopped"))
}

/// A file on its way to be what the manifest says.
struct Filling<'a> {
    file: &'a File,
    name: &'a str,
    sparse: bool,
    hash: Sha256,
}

impl Filling<'_> {
    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.hash.update(chunk);
        self.write(chunk).map_err(|e| Error::io(format!("writing {}", self.name), e))
    }

    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if !self.sparse {
            return self.file.write_all(chunk);
        }
        let empty = |block: &&[u8]| block.iter().all(|byte| *byte == 0);
        let mut rest = chunk;
        while !rest.is_empty() {
            let zeros: usize = rest.chunks(HOLE).take_while(empty).map(<[u8]>::len).sum();
            self.file.seek(SeekFrom::Current(zeros as i64))?;
            rest = &rest[zeros..];
            let bytes: usize = rest.chunks(HOLE).take_while(|block| !empty(block)).map(<[u8]>::len).sum();
            self.file.write_all(&rest[..bytes])?;
            rest = &rest[bytes..];
        }
        Ok(())
    }

    fn finish(self, size: u64, sha256: &str) -> Result<()> {
        if HEXLOWER.encode(&self.hash.finalize()) != sha256 {
            return Err(Error::corrupted(format!("{} is not what the manifest says", self.name)));
        }
        if self.sparse {
            self.file.set_len(size).map_err(|e| Error::io(format!("writing {}", self.name), e))?;
        }
        Ok(())
    }
}

fn link(folder: &mut Folder, entry: &Entry) -> Result<()> {
    let target = || entry.target.as_ref().ok_or_else(|| Error::corrupted(format!("link {} has no target", entry.path)));
    match entry.kind {
        EntryKind::Symlink => folder.make_symlink(target()?, entry),
        EntryKind::Hardlink => folder.make_hard_link(target()?, &entry.path),
        EntryKind::File | EntryKind::Directory => Ok(()),
    }
}
