//! Writing an archive: parts one after the other, each member hashed on its way, flat memory.
//!
//! Not here: what members are called ([`super::member`]) and where the finished file goes.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::container::{Container, Head};
use super::{CHUNK, METADATA, RESTORE, member, text};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, DirectoryFacts, Entry, EntryKind, FileFacts, Manifest, PartKind, Sink};
use crate::progress::Context;

/// Deflate levels, by measurement (BENCHMARKS.md): of a small member nobody notices the time, so it is made
/// small; of a large one level 1 takes a fifth of the time of the usual 6 and gives a tenth more bytes.
const LEVEL_SMALL: u32 = 4;
const LEVEL_LARGE: u32 = 1;
/// What counts as a large member, in bytes.
const LARGE_MEMBER: u64 = 64 << 20;
/// From this size on a member gets the Zip64 fields, which small members do without.
const ZIP64: u64 = 2 << 30;
/// Below so many bytes there is nothing that deflate could make smaller.
const TINY: usize = 48;
/// Places of a file that are looked at.
const SAMPLES: u64 = 64;
/// Bits per byte above which compressing a file is a waste: pictures, films, archives, ciphers.
const DENSE: f64 = 7.8;

/// What a part has become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartBody {
    /// The member, or the folder of the members.
    pub path: String,
    /// Uncompressed bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes, or of the contents list.
    pub sha256: String,
    /// Facts about a tree.
    pub directory: Option<DirectoryFacts>,
    /// Facts about a single file.
    pub file: Option<FileFacts>,
}

/// Writes one archive.
pub struct ArchiveWriter {
    zip: Container,
    path: PathBuf,
    single_database: bool,
    context: Context,
    part: Option<Part>,
    quick: bool,
    buffer: Vec<u8>,
}

struct Part {
    kind: PartKind,
    place: String,
    bytes: u64,
    sha256: String,
    file: Option<FileFacts>,
    tree: Option<Tree>,
}

/// The contents list of a tree while it grows. The newest entry is held back, so that taking it back is easy.
struct Tree {
    path: PathBuf,
    list: BufWriter<File>,
    newest: Option<Entry>,
    facts: DirectoryFacts,
}

impl ArchiveWriter {
    /// Starts a new file, mode 0600. `single_database` decides whether the database is called `database.db`.
    pub fn create(path: &Path, single_database: bool, context: &Context) -> Result<Self> {
        let zip = Container::new(create(path)?, path).map_err(|e| failed(path, e))?;
        Ok(ArchiveWriter {
            zip,
            path: path.to_owned(),
            single_database,
            context: context.clone(),
            part: None,
            quick: false,
            buffer: vec![0; CHUNK],
        })
    }

    /// Stores everything uncompressed: for archives that somebody waits for.
    pub fn quick(self) -> Self {
        ArchiveWriter { quick: true, ..self }
    }

    /// Begins a part; its entries follow through [`Sink`].
    pub fn begin_part(&mut self, kind: PartKind, name: &str) -> Result<()> {
        let place = member::place(kind, name, self.single_database);
        let tree = match kind {
            PartKind::Directory | PartKind::Application => Some(Tree::create(&self.path, &place)?),
            _ => None,
        };
        self.part = Some(Part { kind, place, bytes: 0, sha256: String::new(), file: None, tree });
        Ok(())
    }

    /// Ends the part that was begun.
    pub fn end_part(&mut self) -> Result<PartBody> {
        let part = self.part.take().ok_or_else(|| fault("no part was begun"))?;
        let Some(mut tree) = part.tree else {
            if part.sha256.is_empty() {
                return Err(fault("the source emitted nothing"));
            }
            let (path, bytes, sha256, file) = (part.place, part.bytes, part.sha256, part.file);
            return Ok(PartBody { path, bytes, sha256, directory: None, file });
        };
        let bytes = part.bytes + tree.settle()?;
        tree.list.flush().map_err(|e| Error::at("writing", &tree.path, e))?;
        let mut list = File::open(&tree.path).map_err(|e| Error::at("opening", &tree.path, e))?;
        let length = list.metadata().map_err(|e| Error::at("reading", &tree.path, e))?.len();
        let (_, sha256) = self.member(&tree.facts.list, &Entry::file("", length), &mut list, None)?;
        std::fs::remove_file(&tree.path).map_err(|e| Error::at("removing", &tree.path, e))?;
        Ok(PartBody { path: part.place, bytes, sha256, directory: Some(tree.facts), file: None })
    }

    /// Writes `RESTORE.txt` and the manifest, the latter last, and makes the file durable.
    pub fn finish(mut self, manifest: &Manifest) -> Result<()> {
        let restore = text::restore(manifest);
        self.member(RESTORE, &Entry::file("", restore.len() as u64), &mut restore.as_bytes(), None)?;
        let inner = Manifest { objects: Vec::new(), ..manifest.clone() };
        let bytes = inner.to_json()?;
        self.member(METADATA, &Entry::file("", bytes.len() as u64), &mut bytes.as_slice(), None)?;
        self.zip.finish().map_err(|e| failed(&self.path, e))
    }

    /// Writes one member; returns its length and hash. Whether compressing is a waste is told by its beginning,
    /// unless the caller has looked at more.
    fn member(
        &mut self,
        name: &str,
        entry: &Entry,
        content: &mut dyn Read,
        waste: Option<bool>,
    ) -> Result<(u64, String)> {
        let mut filled = 0;
        while filled < self.buffer.len() {
            match read(content, &mut self.buffer[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        let stored = self.quick || filled < TINY || waste.unwrap_or_else(|| dense(&self.buffer[..filled]));
        let level = if entry.size >= LARGE_MEMBER { LEVEL_LARGE } else { LEVEL_SMALL };
        // A stream of unknown length may become anything.
        let large = entry.size >= ZIP64 || filled == self.buffer.len() && entry.size < filled as u64;
        let head = Head { level: (!stored).then_some(level), large, ..head(name, entry) };
        self.zip.begin(&head).map_err(|e| failed(&self.path, e))?;
        let mut hash = Sha256::new();
        let mut length = 0;
        while filled > 0 {
            hash.update(&self.buffer[..filled]);
            length += filled as u64;
            self.zip.write(&self.buffer[..filled]).map_err(|e| failed(&self.path, e))?;
            self.context.advance(filled as u64)?;
            filled = read(content, &mut self.buffer)?;
        }
        self.zip.end().map_err(|e| failed(&self.path, e))?;
        Ok((length, HEXLOWER.encode(&hash.finalize())))
    }

    fn tree_entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let Some(part) = &mut self.part else { return Err(fault("no part was begun")) };
        let Some(tree) = &mut part.tree else { return Err(fault("not a tree")) };
        part.bytes += tree.settle()?;
        let name = member::of_entry(&part.place, &entry.path, entry.kind == EntryKind::Directory);
        let mut entry = entry.clone();
        match entry.kind {
            EntryKind::Directory => self.without_level(&name, &entry, &[])?,
            EntryKind::Symlink => {
                let target = entry.target.as_ref().map(|target| member::escape(&target.0)).unwrap_or_default();
                self.without_level(&name, &entry, target.as_bytes())?;
            }
            EntryKind::Hardlink => {}
            EntryKind::File => {
                let (size, sha256) = self.bytes(&name, &entry, content)?;
                entry.size = size;
                entry.sha256 = Some(sha256);
            }
        }
        if let Some(tree) = self.part.as_mut().and_then(|part| part.tree.as_mut()) {
            tree.newest = Some(entry);
        }
        Ok(())
    }

    /// Writes a folder, or a link with its target.
    fn without_level(&mut self, name: &str, entry: &Entry, bytes: &[u8]) -> Result<()> {
        let zip = &mut self.zip;
        let written = zip.begin(&head(name, entry)).and_then(|()| zip.write(bytes)).and_then(|()| zip.end());
        written.map_err(|e| failed(&self.path, e))
    }

    fn bytes(&mut self, name: &str, entry: &Entry, content: Content<'_>) -> Result<(u64, String)> {
        match content {
            Content::Stream(stream) => self.member(name, entry, stream, None),
            Content::Staged(path) => {
                let mut file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
                let size = file.metadata().map_err(|e| Error::at("reading", path, e))?.len();
                let waste = mostly_dense(&file, size).map_err(|e| Error::at("reading", path, e))?;
                self.member(name, &Entry { size, ..entry.clone() }, &mut file, Some(waste))
            }
            Content::None => self.member(name, entry, &mut io::empty(), None),
        }
    }
}

impl Sink for ArchiveWriter {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let Some(part) = &self.part else { return Err(fault("no part was begun")) };
        if part.tree.is_some() {
            return self.tree_entry(entry, content);
        }
        if !part.sha256.is_empty() || entry.kind != EntryKind::File {
            return Err(fault(&format!("a {:?} part is one file", part.kind)));
        }
        let place = part.place.clone();
        let (bytes, sha256) = self.bytes(&place, entry, content)?;
        if let Some(part) = &mut self.part {
            (part.bytes, part.sha256) = (bytes, sha256);
            let facts = FileFacts { mode: entry.mode, mtime_ns: entry.mtime_ns };
            part.file = Some(facts).filter(|_| part.kind == PartKind::File);
        }
        Ok(())
    }

    fn retract(&mut self) -> Result<()> {
        let Some(part) = &mut self.part else { return Err(fault("no part was begun")) };
        match &mut part.tree {
            Some(tree) => tree.newest = None,
            None => part.sha256.clear(),
        }
        self.zip.retract().map_err(|e| failed(&self.path, e))
    }
}

impl Tree {
    fn create(archive: &Path, place: &str) -> Result<Self> {
        let path = archive.with_extension("entries.part");
        let list = BufWriter::new(create(&path)?);
        let facts = DirectoryFacts { list: format!("{place}.entries.jsonl"), ..DirectoryFacts::default() };
        Ok(Tree { path, list, newest: None, facts })
    }

    /// The newest entry stays: it is counted and listed. Returns its bytes.
    fn settle(&mut self) -> Result<u64> {
        let Some(entry) = self.newest.take() else { return Ok(0) };
        match entry.kind {
            EntryKind::File => self.facts.files += 1,
            EntryKind::Directory => self.facts.directories += 1,
            EntryKind::Symlink | EntryKind::Hardlink => self.facts.links += 1,
        }
        let mut line = serde_json::to_vec(&entry).map_err(|e| fault("the contents list").because(e))?;
        line.push(b'\n');
        self.list.write_all(&line).map_err(|e| Error::at("writing", &self.path, e))?;
        Ok(entry.size)
    }
}

fn create(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|e| Error::at("creating", path, e))
}

fn read(content: &mut dyn Read, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(|e| Error::io("reading", e)),
        }
    }
}

/// A member that is stored, with the file type that its kind has in `stat`.
fn head<'a>(name: &'a str, entry: &Entry) -> Head<'a> {
    let file_type = match entry.kind {
        EntryKind::Directory => 0o040_000,
        EntryKind::Symlink => 0o120_000,
        EntryKind::File | EntryKind::Hardlink => 0o100_000,
    };
    Head { name, mode: file_type | entry.mode & 0o777, mtime_ns: entry.mtime_ns, level: None, large: false }
}

/// Whether nearly all of a file looks compressed already, by samples from everywhere: a database begins with its
/// schema, whatever fills the rest.
fn mostly_dense(file: &File, size: u64) -> io::Result<bool> {
    let mut sample = vec![0; 16 * 1024];
    let mut found = 0;
    for at in 0..SAMPLES {
        let read = file.read_at(&mut sample, size / SAMPLES * at)?;
        found += u64::from(dense(&sample[..read]));
    }
    Ok(found * 16 >= SAMPLES * 15)
}

/// Whether bytes look compressed already: nearly every value about equally often. A short sample says little.
fn dense(sample: &[u8]) -> bool {
    if sample.len() < 1024 {
        return false;
    }
    let mut counts = [0_u32; 256];
    sample.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let total = sample.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|n| **n > 0)
        .map(|n| {
            let share = f64::from(*n) / total;
            -share * share.log2()
        })
        .sum();
    // A small sample of random bytes has not seen every value yet.
    let reachable = if sample.len() < 8192 { DENSE - 0.2 } else { DENSE };
    bits > reachable
}

fn fault(what: &str) -> Error {
    Error::new(ErrorKind::Failed, "archive_writer", format!("The archive could not be written: {what}"))
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::at("writing", path, error)
}
