//! Reading an archive: the judged list, the manifest in it, contents lists as a stream, and the proof that
//! every member is what manifest and list say.
//!
//! Not here: putting members into a file system ([`super::unpack`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use flate2::read::DeflateDecoder;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use sha2::{Digest, Sha256};

use super::listing::{At, End, Index, Member, Method, Records, shown};
use super::policy::{self, Limits};
use super::{CHUNK, METADATA, RESTORE, member};
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, Manifest, Part, PartKind, Problem};
use crate::progress::Context;

/// Longest manifest and longest line of a contents list that are read.
pub(super) const DOCUMENT: u64 = 4 << 20;
const LINE: u64 = 512 << 10;

/// An archive whose list of members has been judged. It keeps the file open: what was judged is what is read,
/// whatever happens to the path.
pub struct ArchiveReader {
    file: Arc<File>,
    end: End,
    index: Index,
    inflate: Decompress,
    packed: Vec<u8>,
    plain: Vec<u8>,
    made: Option<Made>,
}

/// Of a foreign archive: the contents lists that were made for it, and what stands for members of it; its names are taken
/// as they are.
pub(crate) type Made = BTreeMap<String, Arc<File>>;

impl ArchiveReader {
    /// Opens an archive within the default limits.
    pub fn open(path: &Path) -> Result<Self> {
        ArchiveReader::open_within(path, &Limits::default())
    }

    /// Opens an archive; whatever the policy does not like is `Backup file is corrupted`.
    pub fn open_within(path: &Path, limits: &Limits) -> Result<Self> {
        ArchiveReader::of_file(File::open(path).map_err(|e| Error::at("opening", path, e))?, limits)
    }

    /// As [`ArchiveReader::open_within`] for a file that is open already.
    pub fn of_file(file: File, limits: &Limits) -> Result<Self> {
        let meta = file.metadata().map_err(|e| Error::io("looking at the archive", e))?;
        if !meta.is_file() {
            return Err(Error::corrupted("not a file").while_("looking at the archive"));
        }
        let file = Arc::new(file);
        let (end, index) = policy::judge(&file, meta.len(), limits)?;
        let (packed, plain) = (vec![0; CHUNK], vec![0; CHUNK]);
        Ok(ArchiveReader { file, end, index, inflate: Decompress::new(false), packed, plain, made: None })
    }

    /// Takes contents lists for an archive that has none of its own.
    pub(crate) fn with_lists(self, made: Made) -> Self {
        ArchiveReader { made: Some(made), ..self }
    }

    /// Whether contents lists were made for it.
    pub(crate) fn has_lists(&self) -> bool {
        self.made.is_some()
    }

    /// The manifest in the archive.
    pub fn manifest(&mut self) -> Result<Manifest> {
        Manifest::parse(&self.read_document(METADATA, &Context::quiet())?)
    }

    /// A whole member of at most 4 MiB.
    pub(crate) fn read_document(&mut self, name: &str, context: &Context) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let member = self.member(name)?;
        if member.size > DOCUMENT {
            return Err(Error::corrupted(format!("{name} is larger than {DOCUMENT} bytes")));
        }
        self.unpack(&member, context, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// All members, in the order in which they lie in the archive.
    pub fn members(&self) -> impl Iterator<Item = Result<Member>> + use<> {
        Records::new(&self.file, &self.end).map(|record| record.map(|(_, member)| member))
    }

    /// Whether there is such a member.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.index.find(&self.file, name)?.is_some())
    }

    pub(super) fn member(&self, name: &str) -> Result<Member> {
        self.index
            .find(&self.file, name)?
            .ok_or_else(|| Error::corrupted(format!("{} is not in the archive", shown(name))))
    }

    /// Refuses members that neither the manifest names nor a contents list can name.
    pub fn admit(&self, manifest: &Manifest) -> Result<()> {
        let mut files = vec![METADATA, RESTORE];
        let mut folders = Vec::new();
        for part in manifest.parts.iter().filter(|part| !part.absent) {
            match &part.directory {
                Some(directory) => {
                    files.push(&directory.list);
                    folders.push(format!("{}/", part.path));
                }
                None => files.push(&part.path),
            }
        }
        for member in self.members() {
            let name = member?.name;
            if !files.contains(&&*name) && !folders.iter().any(|folder| name.starts_with(folder)) {
                return Err(Error::corrupted(format!("member {} is not named by the manifest", shown(&name))));
            }
        }
        Ok(())
    }

    /// The contents list of a tree, as a stream whose hash is compared with the part's when it ends.
    pub fn read_entries(&mut self, part: &Part) -> Result<Entries> {
        let list = part.directory.as_ref().map(|directory| directory.list.as_str());
        let list = list.ok_or_else(|| Error::corrupted(format!("{} has no contents list", part.name)))?;
        let made = self.made.as_ref().map(|made| made.get(list));
        let stream: Box<dyn Read + Send> = match made {
            Some(None) => return Err(Error::corrupted(format!("{} has no contents list", part.name))),
            Some(Some(file)) => Box::new(At { file: file.clone(), position: 0 }),
            None => self.stream(list)?,
        };
        Ok(Entries { lines: BufReader::new(stream), hash: Sha256::new(), expected: part.sha256.clone(), ended: false })
    }

    /// A member's bytes. Nothing is proven but that they are no more than the directory says.
    pub(crate) fn stream(&self, name: &str) -> Result<Box<dyn Read + Send>> {
        if let Some(file) = self.made.as_ref().and_then(|made| made.get(name)) {
            return Ok(Box::new(At { file: file.clone(), position: 0 }));
        }
        let member = self.member(name)?;
        let (position, _) = member.locate(&self.file)?;
        let raw = At { file: self.file.clone(), position }.take(member.packed);
        Ok(match member.method {
            Method::Stored => Box::new(raw),
            Method::Deflated => Box::new(DeflateDecoder::new(raw).take(member.size)),
        })
    }

    /// The member that holds an entry of a tree.
    pub fn member_of(&self, part: &Part, entry: &Entry) -> String {
        let folder = entry.kind == EntryKind::Directory;
        match &self.made {
            None => member::of_entry(&part.path, &entry.path, folder),
            Some(_) => format!("{}/{}", part.path, entry.path),
        }
    }

    /// Length and CRC-32 of a member, as the directory says.
    pub(crate) fn measure(&self, name: &str) -> Result<(u64, u32)> {
        self.member(name).map(|member| (member.size, member.crc))
    }

    /// Reads a member to its end; `each` gets every chunk. Returns length and SHA-256.
    pub fn read_member(
        &mut self,
        name: &str,
        context: &Context,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<(u64, String)> {
        let member = self.member(name)?;
        let mut hash = Sha256::new();
        self.unpack(&member, context, &mut |chunk| {
            hash.update(chunk);
            each(chunk)
        })?;
        Ok((member.size, HEXLOWER.encode(&hash.finalize())))
    }

    /// Gives every chunk of a member's bytes to `each`. They are exactly as many as the directory says, have its
    /// CRC, and come from exactly the bytes that belong to the member.
    pub(super) fn unpack(
        &mut self,
        member: &Member,
        context: &Context,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let bad = |why: &str| Error::corrupted(why.to_owned()).while_(format!("reading {}", member.name));
        let (mut position, _) = member.locate(&self.file)?;
        let (mut left, mut size, mut crc) = (member.packed, member.size, Crc::new());
        let mut pass = |chunk: &[u8]| -> Result<()> {
            size = size.checked_sub(chunk.len() as u64).ok_or_else(|| bad("it is larger than it says"))?;
            crc.update(chunk);
            each(chunk)?;
            context.advance(chunk.len() as u64)
        };
        let mut ended = member.method == Method::Stored;
        if !ended {
            self.inflate.reset(false);
        }
        while left > 0 {
            let wanted = self.packed.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.file.read_at(&mut self.packed[..wanted], position);
            let read = match read {
                Ok(0) => return Err(bad("the file is cut off")),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.map_err(|e| Error::io(format!("reading {}", member.name), e))?,
            };
            (position, left) = (position + read as u64, left - read as u64);
            let mut packed = &self.packed[..read];
            if member.method == Method::Stored {
                pass(packed)?;
                continue;
            }
            // Until all is taken, and what is ready has come out.
            loop {
                let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
                let status = self.inflate.decompress(packed, &mut self.plain, FlushDecompress::None);
                let status = status.map_err(|_| bad("its bytes are not deflated"))?;
                packed = &packed[(self.inflate.total_in() - taken) as usize..];
                let given = (self.inflate.total_out() - given) as usize;
                pass(&self.plain[..given])?;
                if status == Status::StreamEnd {
                    ended = true;
                    break;
                }
                if given < self.plain.len() && packed.is_empty() {
                    break;
                }
                if given == 0 {
                    return Err(bad("its bytes are not deflated"));
                }
            }
            if ended && (left > 0 || !packed.is_empty()) {
                return Err(bad("something follows its deflated bytes"));
            }
        }
        if !ended || size > 0 {
            return Err(bad("it is shorter than it says"));
        }
        if crc.sum() != member.crc { Err(bad("its bytes do not have its CRC")) } else { Ok(()) }
    }

    /// Reads every member once and compares it with what the manifest and the contents lists say. Members that
    /// nobody names are problems too.
    pub fn check(&mut self, manifest: &Manifest, context: &Context) -> Result<Vec<Problem>> {
        let mut problems = Vec::new();
        let mut seen = 0;
        for part in manifest.parts.iter().filter(|part| !part.absent) {
            let known = match part.kind {
                PartKind::Directory | PartKind::Application => self.check_tree(part, &mut problems, context),
                _ => self.check_member(&part.path, part.bytes, &part.sha256, &mut problems, context),
            };
            match known {
                Ok(members) => seen += members,
                Err(error) if error.kind() == crate::ErrorKind::Corrupted => {
                    problems.push(Problem::new("member_damaged", format!("{}: {}", part.name, error.detail())));
                }
                Err(error) => return Err(error),
            }
        }
        if self.made.is_none() {
            self.read_member(RESTORE, context, &mut |_| Ok(()))?;
            seen += 2;
        }
        if self.made.is_none() && problems.is_empty() && seen != self.index.len() {
            let text = format!("{} members, the manifest and its lists name {seen}", self.index.len());
            problems.push(Problem::new("unknown_members", text));
        }
        Ok(problems)
    }

    fn check_member(
        &mut self,
        name: &str,
        bytes: u64,
        sha256: &str,
        problems: &mut Vec<Problem>,
        context: &Context,
    ) -> Result<usize> {
        let found = self.read_member(name, context, &mut |_| Ok(()))?;
        if found != (bytes, sha256.to_owned()) {
            problems.push(Problem::new("hash_differs", format!("{name} is not what the manifest says")));
        }
        Ok(1)
    }

    /// Returns the number of members that belong to the tree.
    fn check_tree(&mut self, part: &Part, problems: &mut Vec<Problem>, context: &Context) -> Result<usize> {
        let mut members = 1;
        for entry in self.read_entries(part)? {
            let entry = entry?;
            let name = self.member_of(part, &entry);
            members += match entry.kind {
                EntryKind::Hardlink => 0,
                EntryKind::File => {
                    let sha256 = entry.sha256.clone().unwrap_or_default();
                    self.check_member(&name, entry.size, &sha256, problems, context)?
                }
                // A foreign archive need not name its folders.
                EntryKind::Directory if self.made.is_some() => 0,
                EntryKind::Directory => self.check_member(&name, 0, EMPTY, problems, context)?,
                EntryKind::Symlink => {
                    let mut target = Vec::new();
                    self.read_member(&name, context, &mut |chunk| {
                        target.extend_from_slice(chunk);
                        Ok(())
                    })?;
                    let expected = entry.target.as_ref().map(|target| member::escape(&target.0));
                    if Some(target) != expected.map(String::into_bytes) {
                        problems.push(Problem::new("hash_differs", format!("{name} is another link")));
                    }
                    1
                }
            };
        }
        Ok(members)
    }
}

/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The entries of a contents list. The last item is an error when the list is not the one of the manifest.
pub struct Entries {
    lines: BufReader<Box<dyn Read + Send>>,
    hash: Sha256,
    expected: String,
    ended: bool,
}

impl Entries {
    fn read(&mut self) -> Result<Option<Entry>> {
        let mut line = Vec::new();
        let bad = |why: String| Error::corrupted(why).while_("reading a contents list");
        (&mut self.lines).take(LINE).read_until(b'\n', &mut line).map_err(|e| bad(e.to_string()))?;
        if line.is_empty() {
            let found = HEXLOWER.encode(&std::mem::take(&mut self.hash).finalize());
            return if found == self.expected {
                Ok(None)
            } else {
                Err(bad("it is not the one of the manifest".into()))
            };
        }
        self.hash.update(&line);
        if !line.ends_with(b"\n") {
            return Err(bad("a line is cut off or too long".into()));
        }
        serde_json::from_slice(&line).map(Some).map_err(|e| bad(e.to_string()))
    }
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}
