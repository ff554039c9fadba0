//! The backup that is restored, opened once: whatever its format, each part comes out as a file or a tree in a
//! private folder, proven against the manifest.
//!
//! Not here: where the parts go.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use data_encoding::HEXLOWER;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};
use sha2::{Digest, Sha256};

use crate::diff::{self, Side};
use crate::error::{Error, ErrorKind, Result};
use crate::format::archive::reader::ArchiveReader;
use crate::format::{json, proof};
use crate::model::{DatabaseFacts, Entry, EntryKind, Format, Kind, Level, Manifest, Part};
use crate::progress::{Context, Phase};
use crate::sqlite::{check, facts, open};
use crate::store::{Hold, Listed, Store};

/// Bytes that are copied at once.
const CHUNK: u64 = 8 << 20;

/// Settings are small.
const LARGEST: usize = 64 << 20;

/// An opened backup.
pub struct Opened {
    /// What it is.
    pub manifest: Manifest,
    body: Body,
    /// As long as it is read, nobody deletes it.
    _held: Option<Hold>,
}

enum Body {
    Archive(Box<ArchiveReader>),
    Database(PathBuf),
    Json(PathBuf),
}

impl Opened {
    /// Opens a backup of a store. Its object is read from where it lies, or downloaded to `scratch`.
    pub fn stored(store: &dyn Store, listed: &Listed, scratch: &Path, context: &Context) -> Result<Self> {
        let manifest = listed.manifest.clone();
        manifest.opened()?;
        if !listed.missing.is_empty() {
            return Err(Error::corrupted(format!("it is not whole: {}", listed.missing.join(", ")))
                .hint("choose another backup, or another destination with --at"));
        }
        let _held = store.hold(&manifest)?;
        let wanted = if manifest.format == Format::Both { ".db" } else { "" };
        let object = manifest.objects.iter().find(|object| object.name.ends_with(wanted));
        let object = object.ok_or_else(|| Error::corrupted("the manifest names no data"))?.clone();
        let path = store.fetch(&manifest, &object, scratch, context)?;
        let bytes = fs::metadata(&path).map_err(|e| Error::at("looking at", &path, e))?.len();
        if bytes != object.bytes {
            return Err(Error::corrupted(format!(
                "{} has {bytes} bytes, the manifest says {}",
                object.name, object.bytes
            )));
        }
        Ok(Opened { _held, ..Opened::at(manifest, path)? })
    }

    /// Opens the file of a backup whose manifest is known.
    pub fn at(manifest: Manifest, path: PathBuf) -> Result<Self> {
        let body = match manifest.format {
            Format::Archive => {
                let mut reader = ArchiveReader::open(&path)?;
                let inner = reader.manifest()?;
                if inner.id != manifest.id || inner.parts != manifest.parts {
                    return Err(Error::corrupted("metadata.json in the archive describes another backup"));
                }
                Body::Archive(Box::new(reader))
            }
            Format::Database | Format::Both => Body::Database(path),
            Format::Json => Body::Json(path),
            Format::Csv => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "csv_not_restorable",
                    "A CSV export cannot be restored",
                )
                .hint("CSV is an export for other tools; restore a backup in another format"));
            }
        };
        Ok(Opened { manifest, body, _held: None })
    }

    /// Opens an archive that has been judged already.
    pub fn read(manifest: Manifest, reader: ArchiveReader) -> Self {
        Opened { manifest, body: Body::Archive(Box::new(reader)), _held: None }
    }

    /// Writes the database of a part to the new file `to` (0600) and proves it: every byte is what the manifest says,
    /// or every row what the document says, and SQLite opens it with the facts of the manifest.
    pub fn database(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        let made = self.make_database(part, to, context);
        if made.is_err() {
            let _ = fs::remove_file(to);
        }
        made
    }

    /// The same for a file that is only read: the stored object itself under a second name, when it lies on the same
    /// disk. Objects never change, and a second name keeps the bytes even when the backup is deleted meanwhile.
    pub fn database_to_read(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        if let Body::Database(path) = &self.body
            && fs::hard_link(path, to).is_ok()
        {
            context.observer.phase(Phase::Restore, &part.name, Some(part.bytes));
            let proven = proof::hash_file(to, context).and_then(|(_, found)| {
                if found != part.sha256 {
                    return Err(Error::corrupted(format!("{} is not what the manifest says", part.path)));
                }
                self.prove_database(part, to, true, context)
            });
            if proven.is_err() {
                let _ = fs::remove_file(to);
            }
            return proven;
        }
        self.database(part, to, context)
    }

    fn make_database(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        context.observer.phase(Phase::Restore, &part.name, Some(part.bytes));
        let mut exact = true;
        match &mut self.body {
            Body::Archive(reader) => reader.extract_member(&part.path, to, &part.sha256, context)?,
            Body::Database(path) => copy_proven(path, to, part, context)?,
            Body::Json(path) => {
                exact = false;
                // What is imported is what was proven, whoever writes to the original meanwhile.
                let proven = to.with_extension("json");
                let imported =
                    copy_proven(path, &proven, part, context).and_then(|()| json::import(&proven, to, context));
                let _ = fs::remove_file(&proven);
                imported?;
            }
        }
        self.prove_database(part, to, exact, context)
    }

    /// `exact`: the bytes are those of the manifest.
    fn prove_database(&self, part: &Part, to: &Path, exact: bool, context: &Context) -> Result<()> {
        let expected = part.database.as_ref().ok_or_else(|| Error::corrupted("the manifest has no facts about it"))?;
        let connection = open::open_private(to)?;
        // The bytes that were checked when the backup was made need no second check, and what a restore replaced comes
        // back as it was, even if its indexes were wrong.
        let known = self.manifest.verified >= Some(Level::Integrity) || self.manifest.kind == Kind::PreRestore;
        if !exact || !known {
            context.observer.phase(Phase::Check, &part.name, None);
            let checked = check::check(&connection, context)?;
            if let Some(problem) = checked.problems.first() {
                return Err(Error::corrupted(format!("{}: {}", part.name, problem.text)));
            }
        }
        let mut found = facts::outline(&connection, &expected.journal_mode)?;
        if !exact {
            // An import rebuilds the file: how many pages it takes is not a fact about the data.
            found.page_count = expected.page_count;
        }
        let outline = DatabaseFacts { tables: Vec::new(), ..expected.clone() };
        match facts::compare(&outline, &found).first() {
            None => Ok(()),
            Some(problem) => Err(Error::corrupted(format!("{}: {}", part.name, problem.text))),
        }
    }

    /// Makes the tree of a part in the new folder `to`; every file is what the contents list says.
    pub fn tree(&mut self, part: &Part, to: &Path, context: &Context) -> Result<()> {
        context.observer.phase(Phase::Restore, &part.name, Some(part.bytes));
        self.archive()?.extract_part(part, to, context)
    }

    /// Writes the one file of a part, or the settings, to the new file `to` (0600) with the time that it had. Gives the
    /// mode that it had, of a file.
    pub fn file(&mut self, part: &Part, to: &Path, context: &Context) -> Result<Option<u32>> {
        context.observer.phase(Phase::Restore, &part.name, Some(part.bytes));
        self.archive()?.extract_member(&part.path, to, &part.sha256, context)?;
        let Some(facts) = &part.file else { return Ok(None) };
        set_time(to, facts.mtime_ns)?;
        Ok(Some(facts.mode))
    }

    /// A small part, such as settings, in memory.
    pub fn bytes(&mut self, part: &Part, context: &Context) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit =
            |bytes: &Vec<u8>| (bytes.len() > LARGEST).then(|| Error::corrupted(format!("{} is too large", part.name)));
        let (_, found) = self.archive()?.read_member(&part.path, context, &mut |chunk| {
            bytes.extend_from_slice(chunk);
            limit(&bytes).map_or(Ok(()), Err)
        })?;
        if found == part.sha256 {
            Ok(bytes)
        } else {
            Err(Error::corrupted(format!("{} is not what the manifest says", part.path)))
        }
    }

    /// Writes one file of a tree to the new file `to` (0600). `path` is relative to the tree.
    pub fn file_of_tree(&mut self, part: &Part, path: &[u8], to: &Path, context: &Context) -> Result<Entry> {
        let reader = self.archive()?;
        let mut found = None;
        for entry in reader.read_entries(part)? {
            let entry = entry?;
            if entry.path.0 == path {
                found = Some(entry);
            }
        }
        let shown = String::from_utf8_lossy(path).into_owned();
        let missing = || Error::new(ErrorKind::NotFound, "part_missing", format!("{} has no {shown}", part.name));
        let entry = found.ok_or_else(missing)?;
        if entry.kind != EntryKind::File {
            return Err(Error::usage("not_a_file", format!("{}/{shown} is not a file", part.name))
                .hint("name a file, or the whole directory"));
        }
        let member = reader.member_of(part, &entry);
        reader.extract_member(&member, to, entry.sha256.as_deref().unwrap_or_default(), context)?;
        set_time(to, entry.mtime_ns)?;
        Ok(entry)
    }

    /// The parts of `wanted` in the shape in which sides are compared.
    pub(super) fn side(&mut self, wanted: &Manifest, scratch: &Path, context: &Context) -> Result<Side> {
        let mut side = Side::default();
        if let Body::Archive(reader) = &mut self.body {
            diff::of_archive(wanted, reader, scratch, &mut side, context)?;
            return Ok(side);
        }
        for part in wanted.parts.iter().filter(|part| !part.absent) {
            let path = scratch.join("backup.db");
            self.database(part, &path, context)?;
            side.databases.insert(part.name.clone(), path);
        }
        Ok(side)
    }

    fn archive(&mut self) -> Result<&mut ArchiveReader> {
        match &mut self.body {
            Body::Archive(reader) => Ok(reader),
            _ => Err(Error::corrupted("this format holds one database and nothing else")),
        }
    }
}

/// Copies a file to the new file `to` (0600). What arrived is read again and hashed while the copy goes on.
fn copy_proven(from: &Path, to: &Path, part: &Part, context: &Context) -> Result<()> {
    let source = File::open(from).map_err(|e| Error::at("opening", from, e))?;
    let length = source.metadata().map_err(|e| Error::at("looking at", from, e))?.len();
    let target = open::create_private(to)?;
    let arrived = File::open(to).map_err(|e| Error::at("opening", to, e))?;
    let (done, copied) = mpsc::channel::<u64>();
    let found = std::thread::scope(|threads| {
        let writer = threads.spawn(move || -> io::Result<()> {
            let mut left = length;
            while left > 0 {
                // In the kernel where the file system can (copy_file_range(2)).
                let n = io::copy(&mut (&source).take(left.min(CHUNK)), &mut (&target))?;
                if n == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                left -= n;
                if done.send(n).is_err() {
                    return Ok(());
                }
            }
            // The disk works while the hash is made; whoever needs it durable syncs again and finds nothing to do.
            target.sync_data()
        });
        let hashed = hash(&arrived, copied, context);
        let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the copying thread failed")));
        written.map_err(|e| Error::at("copying to", to, e)).and(hashed)
    })?;
    if found == part.sha256 {
        Ok(())
    } else {
        Err(Error::corrupted(format!("{} is not what the manifest says", part.path)))
    }
}

/// Hashes a file as far as `arrived` says that it is there.
fn hash(mut file: &File, arrived: mpsc::Receiver<u64>, context: &Context) -> Result<String> {
    let mut hash = Sha256::new();
    // Small enough that what was read is still in the cache of the core that hashes it.
    let mut buffer = vec![0; 128 << 10];
    for n in arrived {
        let mut left = n as usize;
        while left > 0 {
            let piece = left.min(buffer.len());
            file.read_exact(&mut buffer[..piece]).map_err(|e| Error::io("reading what was copied", e))?;
            hash.update(&buffer[..piece]);
            left -= piece;
        }
        context.advance(n)?;
    }
    Ok(HEXLOWER.encode(&hash.finalize()))
}

/// Sets the time of the last change, in nanoseconds since 1970.
fn set_time(path: &Path, ns: i64) -> Result<()> {
    let time = Timespec { tv_sec: ns.div_euclid(1_000_000_000), tv_nsec: ns.rem_euclid(1_000_000_000) };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| Error::at("setting the time of", path, e.into()))
}
