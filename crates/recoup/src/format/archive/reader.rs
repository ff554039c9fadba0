//! Reading an archive: the judged list, the manifest in it, contents lists as a stream, and the proof that
//! every member is what manifest and list say.
//!
//! Not here: putting members into a file system ([`super::unpack`]).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use flate2::read::DeflateDecoder;
use sha2::{Digest, Sha256};
use zip::{CompressionMethod, ZipArchive};

use super::policy::{self, Limits};
use super::{CHUNK, METADATA, RESTORE, member};
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, Manifest, Part, PartKind, Problem};
use crate::progress::Context;

/// Longest manifest and longest line of a contents list that are read.
const DOCUMENT: u64 = 256 << 20;
const LINE: u64 = 64 << 10;

/// A file that several readers share, each with its own position.
#[derive(Clone)]
pub struct At {
    file: Arc<File>,
    position: u64,
    length: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.position)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Seek for At {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

/// An archive whose list of members has been judged.
pub struct ArchiveReader {
    zip: ZipArchive<At>,
    at: At,
}

impl ArchiveReader {
    /// Opens an archive within the default limits.
    pub fn open(path: &Path) -> Result<Self> {
        ArchiveReader::open_within(path, &Limits::default())
    }

    /// Opens an archive; whatever the policy does not like is `Backup file is corrupted`.
    pub fn open_within(path: &Path, limits: &Limits) -> Result<Self> {
        let file = Arc::new(File::open(path).map_err(|e| Error::at("opening", path, e))?);
        let length = file.metadata().map_err(|e| Error::at("reading", path, e))?.len();
        let at = At { file: file.clone(), position: 0, length };
        let mut zip = ZipArchive::new(at.clone()).map_err(damaged)?;
        policy::judge(&mut zip, &file, length, limits)?;
        Ok(ArchiveReader { zip, at })
    }

    /// The manifest in the archive.
    pub fn manifest(&mut self) -> Result<Manifest> {
        let mut bytes = Vec::new();
        let member = self.zip.by_name(METADATA).map_err(damaged)?;
        member.take(DOCUMENT).read_to_end(&mut bytes).map_err(|e| Error::corrupted(e.to_string()))?;
        Manifest::parse(&bytes)
    }

    /// Names of all members, in the order in which they lie in the archive.
    pub fn names(&self) -> Vec<String> {
        self.zip.file_names().filter_map(|name| name.ok().map(|name| name.into_owned())).collect()
    }

    /// The contents list of a tree, as a stream whose hash is compared with the part's when it ends.
    pub fn read_entries(&mut self, part: &Part) -> Result<Entries> {
        let list = part.directory.as_ref().map(|directory| directory.list.as_str());
        let list = list.ok_or_else(|| Error::corrupted(format!("{} has no contents list", part.name)))?;
        let member = self.zip.by_name(list).map_err(damaged)?;
        let (start, size) = (member.data_start().unwrap_or_default(), member.compressed_size());
        let raw = At { position: start, ..self.at.clone() }.take(size);
        let stream: Box<dyn Read + Send> = match member.compression() {
            CompressionMethod::Stored => Box::new(raw),
            _ => Box::new(DeflateDecoder::new(raw)),
        };
        Ok(Entries { lines: BufReader::new(stream), hash: Sha256::new(), expected: part.sha256.clone(), ended: false })
    }

    /// The member that holds an entry of a tree.
    pub fn member_of(&self, part: &Part, entry: &Entry) -> String {
        member::of_entry(&part.path, &entry.path, entry.kind == EntryKind::Directory)
    }

    /// Reads a member to its end; `each` gets every chunk. Returns length and SHA-256.
    pub fn read_member(
        &mut self,
        name: &str,
        context: &Context,
        each: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<(u64, String)> {
        let mut member = self.zip.by_name(name).map_err(|e| damaged(e).while_(format!("reading {name}")))?;
        let mut buffer = vec![0; CHUNK];
        let mut hash = Sha256::new();
        let mut length = 0;
        loop {
            let n = member
                .read(&mut buffer)
                .map_err(|e| Error::corrupted(e.to_string()).while_(format!("reading {name}")))?;
            if n == 0 {
                return Ok((length, HEXLOWER.encode(&hash.finalize())));
            }
            hash.update(&buffer[..n]);
            length += n as u64;
            each(&buffer[..n])?;
            context.advance(n as u64)?;
        }
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
        self.read_member(RESTORE, context, &mut |_| Ok(()))?;
        seen += 2;
        if problems.is_empty() && seen != self.zip.len() {
            let text = format!("{} members, the manifest and its lists name {seen}", self.zip.len());
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

fn damaged(error: zip::result::ZipError) -> Error {
    Error::corrupted(error.to_string())
}
