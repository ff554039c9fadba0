//! The verb *verify*: is a stored backup still what its manifest says? Each level includes the ones before
//! it: bytes, databases, a test restore.
//!
//! Not here: the proofs of each format ([`crate::format::proof`]); what happens to a damaged backup.

use std::path::Path;

use crate::error::{ErrorKind, Result};
use crate::format::proof;
use crate::model::{BackupId, Level, Problem};
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

/// Verifies one backup at `level`. `scratch` is a private directory on a disk with room for a restored copy.
/// Errors are for what could not be looked at, such as an encrypted backup whose key does not fit; what is wrong with the
/// backup is in the report.
pub fn run(store: &dyn Store, backup: &Listed, level: Level, scratch: &Path, context: &Context) -> Result<Report> {
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
        let path = match store.fetch(manifest, object, scratch, context) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                problems.push(Problem::new("object_missing", format!("{} is missing", object.name)));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Corrupted && manifest.is_made() => {
                problems.push(Problem::new("hash_differs", format!("{}: {error}: {}", object.name, error.detail())));
                continue;
            }
            Err(error) => return Err(error),
        };
        context.observer.phase(Phase::Verify, &object.name, Some(object.bytes));
        let (bytes, sha256) = proof::hash_file(&path, context)?;
        if bytes != object.bytes {
            let text = format!("{} has {bytes} bytes, the manifest says {}", object.name, object.bytes);
            problems.push(Problem::new("size_differs", text));
        } else if sha256 != object.sha256 {
            let text = format!("{} does not have the SHA-256 that the manifest gives", object.name);
            problems.push(Problem::new("hash_differs", text));
        } else if !raw {
            problems.extend(proof::prove(manifest, &object.name, &path, level, scratch, context)?);
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
