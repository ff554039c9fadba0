//! What was captured last, kept on this machine: the next backup of a history is compared with it and reads nothing from the
//! destination. A run may take it and bring it up to date where it lies; then it means nothing until the run has put its
//! backup.
//!
//! ```text
//! <root>/history/<plan>/last.db       the last capture, by the extensions of its objects
//! <root>/history/<plan>/last.json     of which backup it is, and its checksums; without this the others mean nothing
//! <root>/history/<plan>/taken.json    the same, while a run brings it up to date
//! <root>/history/<plan>/before        what the run has changed in it
//! ```
//!
//! Not here: how the two are compared ([`super::history`]).

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::files::FilesStore;
use super::reading::create;
use crate::destination::Lease;
use crate::error::{Error, Result};
use crate::format::history::{Encoded, Kept};
use crate::model::encryption::Protection;
use crate::model::{BackupId, Manifest};
use crate::progress::Context;
use crate::sqlite::follow::Earlier;

const LAST: &str = "last.json";
const TAKEN: &str = "taken.json";
const BEFORE: &str = "before";
/// The only object of a backup that can be brought up to date.
const DATABASE: &str = ".db";

/// What the backup after one that is being put will be compared with.
pub(super) enum Captured {
    /// These files, which may be moved if they are `ours`.
    Now { folder: PathBuf, files: Vec<(&'static str, PathBuf, Encoded)>, ours: bool },
    /// What is kept already for another backup of the same bytes.
    Before { folder: PathBuf, id: BackupId },
}

/// The last capture, ours alone as long as this lives. It is worth nothing afterwards unless a backup has been made of it.
pub struct Taken {
    /// Where it lies.
    pub earlier: Earlier,
    _alone: Lease,
}

/// What is known of the capture that is kept.
#[derive(Serialize, Deserialize)]
struct Last {
    id: BackupId,
    objects: Vec<LastObject>,
}

#[derive(Serialize, Deserialize)]
struct LastObject {
    extension: String,
    sums: Vec<u32>,
}

impl FilesStore {
    /// Where the last capture of a plan is kept: beside the backups, unless they are encrypted or not on this machine.
    pub(super) fn kept_in(&self, plan: &str, sealed: bool) -> Option<PathBuf> {
        let here = self.destination.staging_root().filter(|_| !sealed).map(|root| root.join("history"));
        let place = || HEXLOWER.encode(&Sha256::digest(self.destination.describe()));
        let elsewhere = || self.cache.as_ref().map(|cache| cache.join("history").join(&place()[..16]));
        here.or_else(elsewhere).map(|root| root.join(plan))
    }

    /// Something is wrong with a history: the next backup is not to rely on what it knows of it.
    pub(super) fn forget_capture(&self, manifest: &Manifest) {
        let folder = self.kept_in(&manifest.plan, manifest.encryption.is_some());
        if let Some(folder) = folder.filter(|folder| folder.exists())
            && let Ok(Some(_alone)) = alone(&folder)
        {
            let _ = fs::remove_dir_all(folder);
        }
    }

    /// The last capture of a plan, for a run that brings it up to date; when it is one database.
    pub(super) fn take_capture(&self, plan: &str) -> Option<Taken> {
        self.history.as_ref()?;
        let sealed = match self.sealing(plan) {
            Protection::Plain => false,
            Protection::Sealed => true,
            Protection::Blind => return None,
        };
        let folder = self.kept_in(plan, sealed)?;
        let known = read(&folder.join(LAST))?;
        let alone = alone(&folder).ok()??;
        let earlier = Earlier { copy: copy_in(&folder, DATABASE), before: folder.join(BEFORE) };
        let is_database = known.objects.iter().all(|object| object.extension == DATABASE) && known.objects.len() == 1;
        // What cannot be renamed is not touched.
        (is_database && fs::rename(folder.join(LAST), folder.join(TAKEN)).is_ok())
            .then_some(Taken { earlier, _alone: alone })
    }
}

/// Does something with what is kept in a folder, unless somebody else has it.
fn when_alone(folder: &Path, act: impl FnOnce() -> Result<()>) -> Result<()> {
    match alone(folder)? {
        Some(_alone) => act(),
        None => Ok(()),
    }
}

/// Keeps everybody else away from what is kept in a folder.
fn alone(folder: &Path) -> Result<Option<Lease>> {
    let (root, name) = (folder.parent().unwrap_or(folder), folder.file_name().unwrap_or_default());
    fs::DirBuilder::new().mode(0o700).recursive(true).create(root).map_err(|e| Error::at("making", root, e))?;
    Lease::take(root, &name.to_string_lossy())
}

fn copy_in(folder: &Path, extension: &str) -> PathBuf {
    folder.join(format!("last{extension}"))
}

/// The capture that is kept, when it is that of this backup; also when a run has brought it up to date, and `sources` is that.
pub(super) fn kept(folder: &Path, id: &BackupId, sources: &[(&str, &Path)]) -> Option<Kept> {
    let taken = matches!(sources, [(DATABASE, path)] if *path == copy_in(folder, DATABASE));
    let last = match taken {
        true => read(&folder.join(TAKEN)),
        // Of a database that is compacted, or has another page size now, nothing was changed in what was taken.
        false => {
            read(&folder.join(LAST)).or_else(|| read(&folder.join(TAKEN)).filter(|_| !folder.join(BEFORE).exists()))
        }
    };
    let last = last.filter(|last| last.id == *id)?;
    let paths: Vec<PathBuf> = last.objects.iter().map(|object| copy_in(folder, &object.extension)).collect();
    let files = last.objects.iter().zip(&paths);
    let files = files.map(|(object, path)| (object.extension.as_str(), path.as_path(), object.sums.as_slice()));
    Kept::open(files, taken.then(|| folder.join(BEFORE)).as_deref()).ok()
}

impl Captured {
    /// Keeps it for the next backup, which can do without: where there is no room, nothing is kept.
    pub(super) fn keep(self, id: &BackupId, context: &Context) {
        let (folder, kept) = match self {
            Captured::Before { folder, id: before } => {
                let kept = when_alone(&folder, || rename(&folder, &before, id));
                (folder, kept)
            }
            Captured::Now { folder, files, ours } => {
                let replace = || replace(&folder, &files, ours, id);
                // Whoever brought it up to date keeps others away already.
                let kept = match files.iter().all(|(extension, path, _)| *path == copy_in(&folder, extension)) {
                    true => replace(),
                    false => when_alone(&folder, replace),
                };
                (folder, kept)
            }
        };
        if let Err(error) = kept {
            let _ = fs::remove_file(folder.join(LAST));
            context.observer.note(&format!("What was captured is not kept for the next backup: {error}"));
        }
    }
}

fn replace(folder: &Path, files: &[(&'static str, PathBuf, Encoded)], ours: bool, id: &BackupId) -> Result<()> {
    let doing = |e| Error::at("writing in", folder, e);
    fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(doing)?;
    let remove = |path: &Path| match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(doing(error)),
        _ => Ok(()),
    };
    for name in [LAST, TAKEN, BEFORE] {
        remove(&folder.join(name))?;
    }
    for (extension, path, _) in files {
        let to = copy_in(folder, extension);
        if *path == to {
            continue;
        }
        remove(&to)?;
        let moved = ours && fs::rename(path, &to).is_ok();
        if !moved {
            fs::copy(path, &to).map_err(doing)?;
        }
    }
    let object = |(extension, _, encoded): &(&str, PathBuf, Encoded)| LastObject {
        extension: (*extension).to_owned(),
        sums: encoded.sums.clone(),
    };
    write(folder, &Last { id: id.clone(), objects: files.iter().map(object).collect() })
}

/// What is kept for one backup serves another one of the same bytes.
fn rename(folder: &Path, before: &BackupId, id: &BackupId) -> Result<()> {
    match read(&folder.join(LAST)) {
        Some(last) if last.id == *before => write(folder, &Last { id: id.clone(), ..last }),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Option<Last> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn write(folder: &Path, known: &Last) -> Result<()> {
    let known = serde_json::to_vec(known).map_err(|e| Error::io("writing", e.into()))?;
    let new = folder.join("last.json.part");
    let written = create(&new)?.write_all(&known).and_then(|()| fs::rename(&new, folder.join(LAST)));
    written.map_err(|e| Error::at("writing in", folder, e))
}
