//! Proof that a file of a backup still is what the manifest says, level by level, whatever the format.
//! Used on staged files before a backup is called good and on stored files when it is verified.
//!
//! Not here: the comparison of a stored object's own size and hash (the caller has just read it back).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::archive::folder::Folder;
use super::archive::reader::ArchiveReader;
use super::{csv, json};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DatabaseFacts, Entry, EntryKind, Level, Manifest, Object, Part, PartKind, Problem};
use crate::progress::{Context, Phase};
use crate::sqlite::{check, facts, open};

/// Bytes that are read at once while hashing.
const CHUNK: usize = 256 * 1024;

/// Length and SHA-256 (lower-case hex) of a file that no SQLite connection of ours has open.
pub fn hash_file(path: &Path, context: &Context) -> Result<(u64, String)> {
    hash_open(File::open(path).map_err(|e| Error::at("opening", path, e))?, path, context)
}

/// Makes sure that a file has exactly the bytes of an object. Errors: [`ErrorKind::Corrupted`] when it has not.
pub fn is_object(path: &Path, object: &Object, context: &Context) -> Result<()> {
    if hash_file(path, context)? == (object.bytes, object.sha256.clone()) {
        return Ok(());
    }
    Err(Error::corrupted(format!("{} is not what its manifest says", object.name)))
}

/// The path is only for messages.
fn hash_open(mut file: File, path: &Path, context: &Context) -> Result<(u64, String)> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::at("reading", path, e)),
        };
        hash.update(&buffer[..n]);
        length += n as u64;
        context.advance(n as u64)?;
    }
    Ok((length, HEXLOWER.encode(&hash.finalize())))
}

/// Proves the contents of one object, whose own hash is known to be right.
///
/// * `checksum`: every member or row is there with the hash that the manifest or the document gives;
/// * `integrity`: every database is opened, `integrity_check`ed, and its facts equal the manifest's;
/// * `restore`: everything is restored below `scratch` and compared there.
pub fn prove(
    manifest: &Manifest,
    name: &str,
    path: &Path,
    level: Level,
    scratch: &Path,
    context: &Context,
) -> Result<Vec<Problem>> {
    let found = if name.ends_with(".csv.zip") {
        csv::check(path, context)
    } else if name.ends_with(".zip") {
        archive(manifest, path, level, scratch, context)
    } else if name.ends_with(".json") {
        document(manifest, path, level, scratch, context)
    } else {
        single(manifest, path, level, scratch, context)
    };
    match found {
        // What is wrong with the bytes is a finding; only what kept us from looking is an error.
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            Ok(vec![Problem::new(error.code(), format!("{name}: {error}: {}", error.detail()))])
        }
        other => other,
    }
}

fn archive(manifest: &Manifest, path: &Path, level: Level, scratch: &Path, context: &Context) -> Result<Vec<Problem>> {
    context.observer.phase(Phase::Verify, "archive", Some(manifest.parts.iter().map(|part| part.bytes).sum()));
    let mut reader = ArchiveReader::open(path)?;
    let mut problems = Vec::new();
    let inner = reader.manifest()?;
    if inner.id != *manifest.same_as.as_ref().unwrap_or(&manifest.id) || inner.parts != manifest.parts {
        problems.push(Problem::new("manifest_differs", "metadata.json in the archive describes another backup"));
    }
    problems.extend(reader.check(manifest, context)?);
    if level < Level::Integrity || !problems.is_empty() {
        return Ok(problems);
    }
    for part in manifest.parts.iter().filter(|part| !part.absent) {
        let target = scratch.join(&part.name);
        match (&part.database, part.kind) {
            (Some(expected), _) => {
                reader.extract_member(&part.path, &target, &part.sha256, context)?;
                problems.extend(database(&part.name, expected, &target, context)?);
            }
            (None, PartKind::Directory | PartKind::Application) if level == Level::Restore => {
                reader.extract_part(part, &target, context)?;
                problems.extend(tree(&mut reader, part, &target, scratch, context)?);
            }
            (None, PartKind::Directory | PartKind::Application) => {
                problems.extend(nested_databases(&mut reader, part, scratch, context)?);
            }
            (None, _) if level == Level::Restore => {
                reader.extract_member(&part.path, &target, &part.sha256, context)?;
            }
            (None, _) => {}
        }
        remove(&target)?;
    }
    Ok(problems)
}

/// SQLite files that were found inside a directory are opened too: their hash alone proves no database.
fn nested_databases(
    reader: &mut ArchiveReader,
    part: &Part,
    scratch: &Path,
    context: &Context,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let nested: Vec<Entry> = reader
        .read_entries(part)?
        .filter(|entry| entry.as_ref().map_or(true, |entry| entry.sqlite && entry.kind == EntryKind::File))
        .collect::<Result<_>>()?;
    for entry in nested {
        let target = scratch.join(".nested.db");
        let member = reader.member_of(part, &entry);
        reader.extract_member(&member, &target, entry.sha256.as_deref().unwrap_or_default(), context)?;
        problems.extend(integrity(&format!("{}/{}", part.name, entry.path), &target, context)?);
        remove(&target)?;
    }
    Ok(problems)
}

/// Compares a restored tree with the contents list: kind, bytes, mode, time, link target.
fn tree(
    reader: &mut ArchiveReader,
    part: &Part,
    root: &Path,
    scratch: &Path,
    context: &Context,
) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut folder = Folder::open(root)?;
    for entry in reader.read_entries(part)? {
        let entry = entry?;
        let differs =
            |what: &str| Problem::new("restored_differs", format!("{}/{}: {what} differs", part.name, entry.path));
        let Some(found) = folder.look(&entry.path)? else {
            problems.push(differs("presence"));
            continue;
        };
        match entry.kind {
            EntryKind::Directory if FileType::from_raw_mode(found.st_mode) != FileType::Directory => {
                problems.push(differs("kind"));
            }
            EntryKind::Directory => {}
            EntryKind::Symlink => {
                if folder.read_link(&entry.path).ok() != entry.target {
                    problems.push(differs("link target"));
                }
            }
            EntryKind::Hardlink => {
                let first = entry.target.as_ref().map(|target| folder.look(target)).transpose()?.flatten();
                if first.map(|first| (first.st_dev, first.st_ino)) != Some((found.st_dev, found.st_ino)) {
                    problems.push(differs("hard link"));
                }
            }
            EntryKind::File => {
                let (length, sha256) = hash_open(folder.open_file(&entry.path)?, entry.path.as_path(), context)?;
                if length != entry.size || Some(&sha256) != entry.sha256.as_ref() {
                    problems.push(differs("content"));
                }
                if found.st_mode & 0o777 != entry.mode & 0o777 {
                    problems.push(differs("mode"));
                }
                let time = i128::from(found.st_mtime) * 1_000_000_000 + i128::from(found.st_mtime_nsec);
                if time != i128::from(entry.mtime_ns) && entry.mtime_ns != 0 {
                    problems.push(differs("modification time"));
                }
            }
        }
    }
    problems.extend(nested_databases(reader, part, scratch, context)?);
    Ok(problems)
}

fn single(manifest: &Manifest, path: &Path, level: Level, scratch: &Path, context: &Context) -> Result<Vec<Problem>> {
    let Some((part, expected)) = first_database(manifest) else {
        return Ok(vec![Problem::new("facts_missing", "The manifest has no facts about the database")]);
    };
    match level {
        Level::Checksum => Ok(Vec::new()),
        Level::Integrity => database(&part.name, expected, path, context),
        Level::Restore => {
            let target = scratch.join("restored.db");
            copy_private(path, &target)?;
            let mut problems = database(&part.name, expected, &target, context)?;
            if hash_file(&target, context)?.1 != part.sha256 {
                problems.push(Problem::new("restored_differs", format!("{}: the restored bytes differ", part.name)));
            }
            remove(&target)?;
            Ok(problems)
        }
    }
}

fn document(manifest: &Manifest, path: &Path, level: Level, scratch: &Path, context: &Context) -> Result<Vec<Problem>> {
    let file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
    let problems = json::check(io::BufReader::with_capacity(CHUNK, file), context)?;
    if level < Level::Integrity || !problems.is_empty() {
        return Ok(problems);
    }
    let Some((part, expected)) = first_database(manifest) else {
        return Ok(vec![Problem::new("facts_missing", "The manifest has no facts about the database")]);
    };
    // The import compares every row and the schema with the hashes in the document by itself.
    let target = scratch.join("imported.db");
    match json::import(path, &target, context) {
        Ok(_) => {}
        // A curated export declares that it cannot be restored; that its bytes are right is all there is to prove.
        Err(error) if error.code() == "curated_export" => return Ok(problems),
        Err(error) => return Err(error),
    }
    // An import rebuilds the file: how many pages it takes is not a fact about the data.
    let page_count = facts::page_count(&open::open_private(&target)?)?;
    let expected = DatabaseFacts { page_count, ..expected.clone() };
    let problems = database(&part.name, &expected, &target, context)?;
    remove(&target)?;
    Ok(problems)
}

/// Opens a database, checks it and compares its facts.
fn database(name: &str, expected: &DatabaseFacts, path: &Path, context: &Context) -> Result<Vec<Problem>> {
    let mut problems = integrity(name, path, context)?;
    if problems.is_empty() {
        let connection = open::open_private(path)?;
        let found = facts::facts(&connection, &expected.journal_mode)?;
        problems.extend(facts::compare(expected, &found));
    }
    Ok(problems)
}

fn integrity(name: &str, path: &Path, context: &Context) -> Result<Vec<Problem>> {
    context.observer.phase(Phase::Check, name, None);
    let connection = open::open_private(path)?;
    let checked = check::check(&connection, context)?;
    Ok(checked
        .problems
        .into_iter()
        .map(|problem| Problem { text: format!("{name}: {}", problem.text), ..problem })
        .collect())
}

fn first_database(manifest: &Manifest) -> Option<(&Part, &DatabaseFacts)> {
    manifest.parts.iter().find_map(|part| part.database.as_ref().map(|facts| (part, facts)))
}

fn copy_private(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut source = File::open(from).map_err(|e| Error::at("opening", from, e))?;
    let mut target =
        File::options().write(true).create_new(true).mode(0o600).open(to).map_err(|e| Error::at("creating", to, e))?;
    io::copy(&mut source, &mut target).map_err(|e| Error::at("copying to", to, e))?;
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let done = match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
    done.map_err(|e| Error::at("removing", path, e))
}
