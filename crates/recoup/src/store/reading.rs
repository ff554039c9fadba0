//! Reading what lies at a destination: manifests, judged, and objects as files on this machine.
//!
//! Not here: opening what is encrypted ([`super::seal`]) and putting pieces together ([`super::history`]).

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::files::FilesStore;
use super::name::{self, MANIFEST, StoredName};
use crate::error::{Error, Result};
use crate::model::{BackupId, Manifest, Object, Plan};
use crate::progress::Context;

/// Longest manifest that is read: far more than any real one, far less than memory.
const MANIFEST_LIMIT: u64 = 256 << 20;

impl FilesStore {
    /// A manifest, opened where that can be done.
    pub(super) fn read_manifest(&self, stored: &StoredName<'_>) -> Result<Manifest> {
        self.unsealed(self.read_outer(stored)?).map_err(|error| error.while_("opening the manifest"))
    }

    pub(super) fn read_outer(&self, stored: &StoredName<'_>) -> Result<Manifest> {
        let mut bytes = Vec::new();
        let from = self.destination.get(&format!("{}{MANIFEST}", stored.base), 0)?;
        from.take(MANIFEST_LIMIT).read_to_end(&mut bytes).map_err(|e| Error::io("reading the manifest", e))?;
        let manifest = Manifest::parse(&bytes)?;
        let bad = |text: String| Err(Error::corrupted(text).while_("reading the manifest"));
        if base_of(&manifest)? != stored.base {
            return bad("it is the manifest of another backup".into());
        }
        let pieces = manifest.history.iter().flat_map(|history| &history.pieces);
        match manifest.objects.iter().chain(pieces).find(|object| !belongs(object, stored.base)) {
            Some(object) => bad(format!("it names {:?}, which is not of this backup", object.name)),
            None => Ok(manifest),
        }
    }

    /// The base (`<plan>/<stem>`) and manifest of one backup.
    pub(super) fn locate(&self, id: &BackupId) -> Result<(String, Manifest)> {
        let mut lost = super::find::missing(id.as_str());
        for object in self.destination.list("")? {
            let Some(stored) = StoredName::parse(&object.key) else { continue };
            if stored.extension == MANIFEST && stored.tail() == id.tail() {
                match self.read_outer(&stored) {
                    Ok(manifest) if manifest.id == *id => return Ok((stored.base.to_owned(), manifest)),
                    Ok(_) => {}
                    Err(error) => lost = error.while_(format!("reading {}", object.key)),
                }
            }
        }
        Err(lost)
    }

    /// Objects of a manifest that are not there or have another size.
    pub(super) fn missing(base: &str, manifest: &Manifest, present: &HashMap<&str, u64>) -> Vec<String> {
        let (plan, _) = base.split_once('/').unwrap_or_default();
        let lacks = |o: &&Object| present.get(format!("{plan}/{}", o.name).as_str()) != Some(&o.bytes);
        manifest.stored().iter().filter(lacks).map(|object| object.name.clone()).collect()
    }

    /// Writes an object to the new file `path` (0600); its length and SHA-256.
    pub(super) fn download(&self, key: &str, path: &Path, context: &Context) -> Result<(u64, String)> {
        let mut from = self.destination.get(key, 0)?;
        write_out(&mut from, path, |e| Error::io(format!("downloading {key}"), e), context)
    }
}

/// A new file (0600).
pub(super) fn create(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.map_err(|e| Error::at("writing", path, e))
}

/// Writes all that comes to a new file; its length and SHA-256. `unread` says what it means that nothing comes.
pub(super) fn write_out(
    from: &mut dyn Read,
    to: &Path,
    unread: impl Fn(io::Error) -> Error,
    context: &Context,
) -> Result<(u64, String)> {
    let mut file = create(to)?;
    let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let n = from.read(&mut buffer).map_err(&unread)?;
        let Some(chunk) = buffer.get(..n).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        file.write_all(chunk).map_err(|e| Error::at("writing", to, e))?;
        bytes += n as u64;
        context.advance(n as u64)?;
    }
    Ok((bytes, HEXLOWER.encode(&hasher.finalize())))
}

pub(super) fn base_of(manifest: &Manifest) -> Result<String> {
    Plan::check_name(&manifest.plan)?;
    Ok(format!("{}/{}", manifest.plan, manifest.file_stem()))
}

/// Whether an object that a manifest names is data of that backup, or a piece of its plan's history; a manifest must not
/// lead elsewhere.
pub(super) fn belongs(object: &Object, base: &str) -> bool {
    let plan = base.split_once('/').map_or("", |(plan, _)| plan);
    object.name.strip_prefix(name::stem_of(base)).is_some_and(|extension| name::DATA.contains(&extension))
        || name::is_piece(plan, &object.name)
}
