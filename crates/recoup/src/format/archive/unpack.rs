//! Unpacking: single members, and whole trees with their links, holes, modes, times and owners. Nothing is
//! ever written outside the folder that was named, whatever the archive says.
//!
//! Not here: putting data where an application expects it; what is unpacked here is compared or moved later.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::folder::Folder;
use super::reader::ArchiveReader;
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, Part};
use crate::progress::Context;

/// A hole is made again where so many bytes in a row are zero.
const HOLE: usize = 4096;

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

    /// Writes a member's bytes, which must have the SHA-256, to an empty file.
    fn fill(&mut self, file: &File, member: &str, sha256: &str, sparse: bool, context: &Context) -> Result<()> {
        let mut file = file;
        let failed = |e| Error::io(format!("writing {member}"), e);
        let (length, found) = self.read_member(member, context, &mut |chunk| {
            if !sparse {
                return file.write_all(chunk).map_err(failed);
            }
            let empty = |block: &&[u8]| block.iter().all(|byte| *byte == 0);
            let mut rest = chunk;
            while !rest.is_empty() {
                let zeros: usize = rest.chunks(HOLE).take_while(empty).map(<[u8]>::len).sum();
                file.seek(SeekFrom::Current(zeros as i64)).map_err(failed)?;
                rest = &rest[zeros..];
                let bytes: usize = rest.chunks(HOLE).take_while(|block| !empty(block)).map(<[u8]>::len).sum();
                file.write_all(&rest[..bytes]).map_err(failed)?;
                rest = &rest[bytes..];
            }
            Ok(())
        })?;
        if found != sha256 {
            return Err(Error::corrupted(format!("{member} is not what the manifest says")));
        }
        if sparse { file.set_len(length).map_err(failed) } else { Ok(()) }
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
