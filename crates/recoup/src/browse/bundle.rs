//! Several files and folders of a tree as one ZIP, written straight through: its length is known before its first byte, and
//! memory does not grow with what is in it. Every file is compared with its SHA-256 on the way.
//!
//! Not here: one file, which goes out as it is ([`super::file`]), and the shape of a ZIP ([`crate::format::archive`]).

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;

use super::{missing, part, tree};
use crate::error::{Error, Result};
use crate::format::archive::member::escape;
use crate::format::archive::reader::ArchiveReader;
use crate::format::archive::stream::{self, Member};
use crate::model::{Entry, EntryKind, Part};
use crate::progress::Context;
use crate::store::{Hold, Listed, Store};

/// What was chosen, ready to be written.
pub struct Bundle {
    reader: ArchiveReader,
    part: Part,
    chosen: HashSet<String>,
    /// A name for the ZIP.
    pub name: String,
    /// The length of the ZIP.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
    /// Symbolic links that are left out: whoever unpacks a ZIP shall not be led anywhere.
    pub links: u64,
    _held: Option<Hold>,
}

/// One member on its way: what its headers say, and where its bytes are.
struct Taken {
    member: Member,
    /// The member of the backup that has its bytes, and their SHA-256. A second name of a file has none: its CRC proves it.
    from: Option<(String, Option<String>)>,
}

/// Chooses files and folders (with all below them) of a tree, as they were listed. Errors: `part_missing`, `not_a_folder`,
/// `file_missing`, `not_a_file` for a link alone.
pub fn choose(
    store: &dyn Store,
    listed: &Listed,
    (name, paths): (&str, &[String]),
    scratch: &Path,
    context: &Context,
) -> Result<Bundle> {
    let manifest = &listed.manifest;
    let part = part(manifest, name)?.clone();
    let held = store.hold(manifest)?;
    let reader = tree(store, manifest, &part, scratch, context)?;
    let name = format!("{}-{}.zip", manifest.file_stem(), part.name);
    let chosen = paths.iter().cloned().collect();
    let mut bundle = Bundle { reader, part, chosen, name, bytes: 0, files: 0, links: 0, _held: held };
    let mut unseen = bundle.chosen.clone();
    let (mut start, mut directory, mut members, mut files) = (0, 0, 0, 0);
    bundle.links = bundle.each(&mut unseen, context, &mut |_, taken| {
        directory += taken.member.central(start)?.len() as u64;
        start += taken.member.local()?.len() as u64 + taken.member.size;
        members += 1;
        files += u64::from(taken.from.is_some());
        Ok(())
    })?;
    if !unseen.is_empty() {
        return Err(missing());
    }
    if members == 0 {
        return Err(Error::usage("not_a_file", "Only links were chosen, and a link is not a file"));
    }
    bundle.files = files;
    bundle.bytes = start + directory + stream::end(members, directory, start).len() as u64;
    Ok(bundle)
}

impl Bundle {
    /// Writes the ZIP: exactly [`Bundle::bytes`] bytes, or an error before the last of them.
    pub fn write(mut self, out: &mut dyn Write, context: &Context) -> Result<()> {
        let sending = |error| Error::io("handing out a backup's files", error);
        let mut start = 0;
        self.each(&mut HashSet::new(), context, &mut |reader, taken| {
            let head = taken.member.local()?;
            out.write_all(&head).map_err(sending)?;
            if let Some((from, sha256)) = &taken.from {
                let read = reader.read_member(from, context, &mut |chunk| out.write_all(chunk).map_err(sending))?;
                if sha256.as_ref().is_some_and(|sha256| *sha256 != read.1) {
                    return Err(Error::corrupted(format!("{from} is not what the contents list says")));
                }
            }
            start += head.len() as u64 + taken.member.size;
            Ok(())
        })?;
        let (mut at, mut directory, mut members) = (0, 0, 0);
        self.each(&mut HashSet::new(), context, &mut |_, taken| {
            let record = taken.member.central(at)?;
            out.write_all(&record).map_err(sending)?;
            at += taken.member.local()?.len() as u64 + taken.member.size;
            directory += record.len() as u64;
            members += 1;
            Ok(())
        })?;
        out.write_all(&stream::end(members, directory, start)).map_err(sending)?;
        out.flush().map_err(sending)
    }

    /// Gives what is chosen in the order of the contents list; takes from `unseen` what it found of it. Returns how many
    /// links were passed over.
    fn each(
        &mut self,
        unseen: &mut HashSet<String>,
        context: &Context,
        take: &mut dyn FnMut(&mut ArchiveReader, &Taken) -> Result<()>,
    ) -> Result<u64> {
        let mut links = 0;
        for entry in self.reader.read_entries(&self.part)? {
            let entry = entry?;
            let path = escape(&entry.path.0);
            context.check()?;
            // The root of everything, its folders from the top, and itself.
            let above = path.match_indices('/').map(|(at, _)| &path[..at]);
            let Some(by) =
                std::iter::once("").chain(above).chain([path.as_str()]).find(|one| self.chosen.contains(*one))
            else {
                continue;
            };
            unseen.remove(by);
            // Chosen itself as well as a folder above it.
            unseen.remove(&path);
            if path.is_empty() {
                continue;
            }
            if entry.kind == EntryKind::Symlink {
                links += 1;
                continue;
            }
            let taken = self.taken(&entry, path)?;
            take(&mut self.reader, &taken)?;
        }
        Ok(links)
    }

    fn taken(&self, entry: &Entry, path: String) -> Result<Taken> {
        // What unpacks below a folder stays below it, whoever wrote the contents list.
        if path.split('/').any(|step| matches!(step, "" | "." | "..")) {
            return Err(Error::corrupted("a name in it leads elsewhere").while_("reading a contents list"));
        }
        let (mtime_ns, mode) = (entry.mtime_ns, entry.mode & 0o777);
        if entry.kind == EntryKind::Directory {
            let member = Member { name: format!("{path}/"), mode: 0o040_000 | mode, mtime_ns, crc: 0, size: 0 };
            return Ok(Taken { member, from: None });
        }
        let from = match &entry.target {
            Some(target) if entry.kind == EntryKind::Hardlink => {
                let first = Entry { kind: EntryKind::File, path: target.clone(), ..entry.clone() };
                self.reader.member_of(&self.part, &first)
            }
            _ => self.reader.member_of(&self.part, entry),
        };
        let (size, crc) = self.reader.measure(&from)?;
        let member = Member { name: path, mode: 0o100_000 | mode, mtime_ns, crc, size };
        Ok(Taken { member, from: Some((from, entry.sha256.clone())) })
    }
}
