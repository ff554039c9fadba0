//! Any single file as a backup: an archive of ours without its manifest, one that another program made, a database,
//! a JSON export. What comes out is a manifest and a file that fit together like those of a store.
//!
//! Not here: reading foreign archives ([`super::foreign`]), and putting anything in place.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::archive::policy::Limits;
use super::archive::reader::ArchiveReader;
use super::archive::writer::ArchiveWriter;
use super::foreign::{self, Private, part, sound_database};
use super::json;
use crate::error::{Error, ErrorKind, Result};
use crate::model::backup::MADE_BY;
use crate::model::{
    BackupId, Content, Entry, EntryKind, Format, Kind, Level, MANIFEST_VERSION, Manifest, Object, Part, PartKind, Sink,
};
use crate::progress::{Context, Phase};
use crate::sqlite::open::sidecar;

/// A file that has become a backup.
#[derive(Debug)]
pub struct Adopted {
    /// What it is. Its one object is the file.
    pub manifest: Manifest,
    /// The file: for an archive of ours where it was, every byte of it bound by the hashes in the manifest; for
    /// everything else a private copy in scratch, which the caller removes.
    pub path: PathBuf,
}

pub use super::foreign::plan_of;

const CHUNK: usize = 256 << 10;

/// Judges and reads a single file, whatever it is, and makes a backup of it. Whatever is wrong with it is `Backup
/// file is corrupted` with the reason as its cause. `scratch` is a private folder with room for the file and for
/// the largest database in it.
///
/// Errors besides: `version_newer`, `curated_export` and `csv_not_restorable` (unsupported), `not_a_file`,
/// `database_in_use` (somebody's log lies beside a database), `is_a_manifest`.
pub fn adopt(path: &Path, limits: &Limits, scratch: &Path, context: &Context) -> Result<Adopted> {
    adopt_as(path, None, limits, scratch, context)
}

/// What somebody else's file is known as.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Its id.
    pub id: BackupId,
    /// The name of the plan that it counts as one of.
    pub plan: String,
    /// Its moment.
    pub created_at: Timestamp,
}

impl Identity {
    fn give(&self, manifest: &mut Manifest) {
        (manifest.id, manifest.plan, manifest.created_at) = (self.id.clone(), self.plan.clone(), self.created_at);
    }
}

/// As [`adopt`], for a file that has an identity already. An archive of ours keeps its own.
pub fn adopt_as(
    path: &Path,
    identity: Option<&Identity>,
    limits: &Limits,
    scratch: &Path,
    context: &Context,
) -> Result<Adopted> {
    let file = foreign::open_plain(path)?;
    let mut head = [0; 4096];
    let read = file.read_at(&mut head, 0).map_err(|e| Error::at("reading", path, e))?;
    let head = &head[..read];
    if head.starts_with(b"PK") {
        return archive(file, path, identity, limits, scratch, context);
    }
    if head.starts_with(b"SQLite format 3\0") {
        return database(&file, path, identity, limits, scratch, context);
    }
    if head.starts_with(b"{") {
        if head.windows(18).any(|window| window == b"\"recoup_manifest\":") {
            return Err(Error::usage("is_a_manifest", format!("{} describes a backup, it is none", path.display()))
                .hint("name the data file beside it: the same name without .manifest.json"));
        }
        return document(&file, path, limits, scratch, context);
    }
    Err(Error::corrupted("neither a ZIP archive nor a SQLite database nor a JSON export")
        .while_(format!("looking at {}", path.display())))
}

fn archive(
    file: File,
    path: &Path,
    identity: Option<&Identity>,
    limits: &Limits,
    scratch: &Path,
    context: &Context,
) -> Result<Adopted> {
    let again = file.try_clone().map_err(|e| Error::at("opening", path, e))?;
    let (reader, mut manifest) = foreign::open_file(file, path, limits, scratch, context)?;
    if manifest.kind == Kind::Upload && reader.has_lists() {
        identity.into_iter().for_each(|identity| identity.give(&mut manifest));
        return repack(reader, manifest, scratch, context);
    }
    let (bytes, sha256) = copy(&again, None, path, u64::MAX, context)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    manifest.objects = vec![Object { name, bytes, sha256 }];
    Ok(Adopted { manifest, path: path.to_owned() })
}

/// Packs a foreign archive again as one of ours. Nothing of its structure is left; its contents lists, hash by
/// hash, are those that were made when it was judged.
fn repack(mut reader: ArchiveReader, mut manifest: Manifest, scratch: &Path, context: &Context) -> Result<Adopted> {
    context.observer.phase(Phase::Pack, "archive", Some(manifest.parts.iter().map(|part| part.bytes).sum()));
    let packed = Private::new(scratch, "zip")?;
    let databases = manifest.parts.iter().filter(|part| part.kind == PartKind::Database).count();
    let mut writer = ArchiveWriter::create(&packed.0, databases == 1, context)?;
    for part in &mut manifest.parts {
        writer.begin_part(part.kind, &part.name)?;
        if part.directory.is_some() {
            for entry in reader.read_entries(part)? {
                let entry = entry?;
                match entry.kind {
                    EntryKind::File => {
                        let mut bytes = reader.stream(&reader.member_of(part, &entry))?;
                        writer.entry(&entry, Content::Stream(&mut *bytes))?;
                    }
                    _ => writer.entry(&entry, Content::None)?,
                }
            }
        } else {
            let mut bytes = reader.stream(&part.path)?;
            let mtime_ns = i64::try_from(manifest.created_at.as_nanosecond()).unwrap_or(0);
            let entry = Entry { mtime_ns, ..Entry::file(part.name.as_str(), part.bytes) };
            writer.entry(&entry, Content::Stream(&mut *bytes))?;
        }
        let body = writer.end_part()?;
        if (body.bytes, &body.sha256) != (part.bytes, &part.sha256) {
            return Err(Error::corrupted(format!("{} changed while it was read", part.path)));
        }
        (part.path, part.directory, part.file) = (body.path, body.directory, body.file);
    }
    manifest.verified = Some(Level::Integrity);
    writer.finish(&manifest)?;
    let file = File::open(&packed.0).map_err(|e| Error::at("opening", &packed.0, e))?;
    let (bytes, sha256) = copy(&file, None, &packed.0, u64::MAX, context)?;
    manifest.objects = vec![Object { name: format!("{}.zip", manifest.file_stem()), bytes, sha256 }];
    Ok(Adopted { manifest, path: packed.keep() })
}

fn database(
    file: &File,
    path: &Path,
    identity: Option<&Identity>,
    limits: &Limits,
    scratch: &Path,
    context: &Context,
) -> Result<Adopted> {
    for log in ["-wal", "-journal"].map(|suffix| sidecar(path, suffix)) {
        if log.metadata().is_ok_and(|meta| meta.len() > 0) {
            return Err(Error::new(ErrorKind::Busy, "database_in_use", "This database is in use, or was not closed")
                .because(format!("a part of it lies in {}", log.display()))
                .hint("back it up with `recoup backup --database`, and restore that"));
        }
    }
    let (kept, bytes, sha256) = private_copy(file, path, "db", limits, context, scratch)?;
    context.observer.phase(Phase::Check, "database", None);
    let mut manifest = manifest_of(path, file, Format::Database, context)?;
    identity.into_iter().for_each(|identity| identity.give(&mut manifest));
    let facts = sound_database(&kept.0, "the database", None, &mut manifest.warnings, context)?;
    let object = Object { name: format!("{}.db", manifest.file_stem()), bytes, sha256 };
    manifest.parts = vec![single(&manifest.plan, &object, facts)];
    manifest.objects = vec![object];
    manifest.verified = Some(Level::Integrity);
    Ok(Adopted { manifest, path: kept.keep() })
}

fn document(file: &File, path: &Path, limits: &Limits, scratch: &Path, context: &Context) -> Result<Adopted> {
    let (kept, bytes, sha256) = private_copy(file, path, "json", limits, context, scratch)?;
    let imported = Private::new(scratch, "db")?;
    let header = json::import(&kept.0, &imported.0, context)?.header;
    let mut manifest = manifest_of(path, file, Format::Json, context)?;
    manifest.created_at = header.exported_at.min(context.clock.now());
    manifest.id = BackupId::generate(manifest.created_at);
    let journal_mode = Some(header.database.journal_mode.as_str());
    let facts = sound_database(&imported.0, "the imported database", journal_mode, &mut manifest.warnings, context)?;
    let object = Object { name: format!("{}.json", manifest.file_stem()), bytes, sha256 };
    manifest.parts = vec![single(&manifest.plan, &object, facts)];
    manifest.objects = vec![object];
    manifest.verified = Some(Level::Integrity);
    Ok(Adopted { manifest, path: kept.keep() })
}

fn single(name: &str, object: &Object, facts: crate::model::DatabaseFacts) -> Part {
    let part = part(name.to_owned(), PartKind::Database, &object.name, object.bytes, object.sha256.clone());
    Part { database: Some(facts), ..part }
}

/// A manifest for a bare file; its time is that of the file.
fn manifest_of(path: &Path, file: &File, format: Format, context: &Context) -> Result<Manifest> {
    let now = context.clock.now();
    let modified = file.metadata().and_then(|meta| meta.modified()).map_err(|e| Error::at("looking at", path, e))?;
    let created_at = Timestamp::try_from(modified).unwrap_or(now).min(now);
    Ok(Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: MADE_BY.to_owned(),
        id: BackupId::generate(created_at),
        plan: plan_of(path),
        kind: Kind::Upload,
        format,
        label: None,
        created_at,
        duration_ms: 0,
        host: None,
        parts: Vec::new(),
        objects: Vec::new(),
        verified: None,
        warnings: Vec::new(),
        audit: None,
        local_only: false,
        encryption: None,
        history: None,
        state: None,
        same_as: None,
    })
}

/// Copies the open file to scratch, so that what is judged is what is restored.
fn private_copy(
    file: &File,
    path: &Path,
    extension: &str,
    limits: &Limits,
    context: &Context,
    scratch: &Path,
) -> Result<(Private, u64, String)> {
    let kept = Private::new(scratch, extension)?;
    let to = kept.create()?;
    context.observer.phase(Phase::Capture, "file", file.metadata().ok().map(|meta| meta.len()));
    let (bytes, sha256) = copy(file, Some((&to, &kept.0)), path, limits.bytes, context)?;
    Ok((kept, bytes, sha256))
}

/// Reads the open file to its end, hashes it and writes it somewhere when asked to.
fn copy(file: &File, to: Option<(&File, &Path)>, path: &Path, limit: u64, context: &Context) -> Result<(u64, String)> {
    let mut from = file.try_clone().map_err(|e| Error::at("opening", path, e))?;
    std::io::Seek::rewind(&mut from).map_err(|e| Error::at("reading", path, e))?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok((bytes, HEXLOWER.encode(&hash.finalize()))),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.map_err(|e| Error::at("reading", path, e))?,
        };
        bytes += n as u64;
        if bytes > limit {
            return Err(Error::corrupted(format!("more than {limit} bytes")));
        }
        hash.update(&buffer[..n]);
        if let Some((mut to, name)) = to {
            to.write_all(&buffer[..n]).map_err(|e| Error::at("writing", name, e))?;
        }
        context.advance(n as u64)?;
    }
}
