//! The verb *verify*: is a stored backup still what its manifest says? Each level includes the ones before
//! it: bytes, databases, a test restore.
//!
//! Not here: the proofs of each format ([`crate::format::proof`]); what happens to a damaged backup.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{ErrorKind, Result};
use crate::format::proof;
use crate::model::{BackupId, Level, Manifest, Object, Problem};
use crate::progress::{Context, Phase};
use crate::store::{Listed, Store};

/// What verification found.
#[derive(Debug)]
pub struct Report {
    /// Which backup.
    pub id: BackupId,
    /// How deep it was looked at.
    pub level: Level,
    /// Nothing wrong.
    pub ok: bool,
    /// Everything wrong.
    pub problems: Vec<Problem>,
}

/// Pieces of histories that were looked at already, so that of several backups each is read once.
#[derive(Debug, Default)]
pub struct Looked(HashMap<(String, Object), Vec<Problem>>);

/// Verifies one backup at `level`. `scratch` is a private directory on a disk with room for a restored copy.
/// Errors are for what could not be looked at, such as an encrypted backup whose key does not fit; what is wrong with the
/// backup is in the report.
pub fn run(store: &dyn Store, backup: &Listed, level: Level, scratch: &Path, context: &Context) -> Result<Report> {
    after(&mut Looked::default(), store, backup, level, scratch, context)
}

/// As [`run`], one after the other: a piece that several backups need is looked at once.
pub fn after(
    looked: &mut Looked,
    store: &dyn Store,
    backup: &Listed,
    level: Level,
    scratch: &Path,
    context: &Context,
) -> Result<Report> {
    let manifest = &backup.manifest;
    let _held = store.hold(manifest)?;
    let mut problems = Vec::new();
    if manifest.objects.is_empty() {
        problems.push(Problem::new("no_objects", "The manifest names no data"));
    }
    // Without its key, and for its bytes alone, what is encrypted is hashed as it lies there, and so are all pieces.
    let opened = manifest.opened();
    let raw = manifest.is_made() && (level == Level::Checksum || opened.is_err());
    let stored = manifest.stored().iter().map(|object| (object, true)).filter(|_| raw || manifest.history.is_some());
    let made = manifest.objects.iter().map(|object| (object, false)).filter(|_| !raw);
    for (object, raw) in stored.chain(made) {
        // What lacks a piece is not put together to be told twice.
        if !raw && manifest.history.is_some() && !problems.is_empty() {
            break;
        }
        let key = (store.describe(), object.clone());
        let known = looked.0.get(&key).filter(|_| raw);
        let found = match known {
            Some(known) => known.clone(),
            None => look(store, manifest, (object, raw), level, scratch, context)?,
        };
        problems.extend_from_slice(&found);
        if raw && known.is_none() {
            looked.0.insert(key, found);
        }
    }
    if !problems.is_empty() {
        store.distrust(manifest);
    }
    // Damage is told first; a key that was given and does not open it, at every level.
    match opened {
        Err(error) if problems.is_empty() && (level > Level::Checksum || error.code() == "wrong_key") => Err(error),
        _ => Ok(Report { id: manifest.id.clone(), level, ok: problems.is_empty(), problems }),
    }
}

/// What is wrong with one object; a `raw` one is only compared with its SHA-256.
fn look(
    store: &dyn Store,
    manifest: &Manifest,
    (object, raw): (&Object, bool),
    level: Level,
    scratch: &Path,
    context: &Context,
) -> Result<Vec<Problem>> {
    let found = |code: &str, text: String| Ok(vec![Problem::new(code, text)]);
    let path = match store.fetch(manifest, object, scratch, context) {
        Ok(path) => path,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return found("object_missing", format!("{} is missing", object.name));
        }
        Err(error) if error.kind() == ErrorKind::Corrupted && manifest.is_made() => {
            return found("hash_differs", format!("{}: {error}: {}", object.name, error.detail()));
        }
        Err(error) => return Err(error),
    };
    context.observer.phase(Phase::Verify, &object.name, Some(object.bytes));
    let (bytes, sha256) = proof::hash_file(&path, context)?;
    if bytes != object.bytes {
        let text = format!("{} has {bytes} bytes, the manifest says {}", object.name, object.bytes);
        found("size_differs", text)
    } else if sha256 != object.sha256 {
        found("hash_differs", format!("{} does not have the SHA-256 that the manifest gives", object.name))
    } else if raw {
        Ok(Vec::new())
    } else {
        proof::prove(manifest, &object.name, &path, level, scratch, context)
    }
}
