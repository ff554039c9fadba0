//! The private folder in which a restore prepares everything, on the disk of what it will replace:
//! `.recoup-restore/<ulid>/` beside each target, with a lease beside it that tells the living from the dead. One
//! restore may need several; the first one leads and has the journal, the others point to it.
//!
//! Not here: what is in the journal ([`super::journal`]).

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::unit::{parent, sync_folder};
use crate::destination::Lease;
use crate::error::{Error, Result};
use crate::model::{PathBytes, RESTORE_FOLDER};

const LEAD: &str = "lead.json";

/// A stage that is ours.
pub struct Stage {
    path: PathBuf,
    // Freed when the stage is gone.
    lease: Option<Lease>,
    keep: bool,
}

/// In a stage that does not lead: where the leading one is.
#[derive(Serialize, Deserialize)]
struct Pointer {
    lead: PathBytes,
    /// Device of the folder around the leading stage, to tell a finished restore from an unmounted disk.
    device: u64,
}

impl Stage {
    /// Makes a stage in `folder`, which must exist.
    pub fn create(folder: &Path) -> Result<Self> {
        let root = folder.join(RESTORE_FOLDER);
        loop {
            let name = ulid::Ulid::generate().to_string();
            let lease = Lease::take(&root, &name).map_err(|e| e.while_("preparing the restore"))?;
            let Some(lease) = lease else { continue };
            let path = root.join(&name);
            let made = DirBuilder::new().mode(0o700).create(&path);
            made.map_err(|e| Error::at("making a folder for the restore in", folder, e))?;
            return Ok(Stage { path, lease: Some(lease), keep: false });
        }
    }

    /// Takes a stage over that nobody holds any more; `None` when somebody does, or when it is gone.
    pub fn adopt(path: &Path) -> Result<Option<Self>> {
        let (Some(root), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
            return Ok(None);
        };
        if !path.is_dir() {
            return Ok(None);
        }
        let Some(lease) = Lease::take(root, name)? else { return Ok(None) };
        Ok(Some(Stage { path: path.to_owned(), lease: Some(lease), keep: false }))
    }

    /// The stages in `folder`, held by somebody or not.
    pub fn find(folder: &Path) -> Vec<PathBuf> {
        let Ok(names) = fs::read_dir(folder.join(RESTORE_FOLDER)) else { return Vec::new() };
        let mut found: Vec<PathBuf> = names
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| ulid::Ulid::from_string(name).is_ok()))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        found
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Points to the stage that leads.
    pub fn follow(&self, lead: &Stage) -> Result<()> {
        let around = around(&lead.path)?;
        let device = fs::metadata(&around).map_err(|e| Error::at("looking at", &around, e))?.dev();
        let pointer = Pointer { lead: PathBytes::new(&lead.path), device };
        let text = serde_json::to_vec(&pointer).map_err(|e| Error::io("writing", io::Error::other(e)))?;
        let path = self.path.join(LEAD);
        fs::write(&path, text).map_err(|e| Error::at("writing", &path, e))
    }

    /// The stage that leads the one at `path`, when it is another one and may still be there: also when its disk
    /// is not mounted now.
    pub fn lead_of(path: &Path) -> Option<PathBuf> {
        let pointer: Pointer = serde_json::from_slice(&fs::read(path.join(LEAD)).ok()?).ok()?;
        let lead = pointer.lead.to_path_buf();
        let mounted = around(&lead).ok().and_then(|around| fs::metadata(around).ok());
        let gone = !lead.is_dir() && mounted.is_some_and(|meta| meta.dev() == pointer.device);
        (!gone).then_some(lead)
    }

    /// Makes the names in the stage durable, and the stage itself; with `everything`, all that is in it (syncfs(2)).
    pub fn sync(&self, everything: bool) -> Result<()> {
        let folder = fs::File::open(&self.path).map_err(|e| Error::at("opening", &self.path, e))?;
        if everything {
            sync_all(&folder).map_err(|e| Error::at("making durable", &self.path, e))?;
        }
        folder.sync_all().map_err(|e| Error::at("making durable", &self.path, e))?;
        let root = parent(&self.path)?;
        sync_folder(&root)?;
        sync_folder(&parent(&root)?)
    }

    /// From here on the stage outlives us: what is in it decides whether the data is old or new.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Whether it outlives us.
    pub fn is_kept(&self) -> bool {
        self.keep
    }

    /// Removes the stage when it is dropped.
    pub fn release(&mut self) {
        self.keep = false;
    }
}

#[cfg(target_os = "linux")]
fn sync_all(folder: &fs::File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(folder)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_all(_folder: &fs::File) -> io::Result<()> {
    rustix::fs::sync();
    Ok(())
}

fn around(stage: &Path) -> Result<PathBuf> {
    parent(&parent(stage)?)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.keep {
            // Unlocked, but still there: a recovery takes it.
            if let Some(lease) = self.lease.take() {
                lease.leave();
            }
            return;
        }
        // What cannot be removed now is removed by the next recovery that passes.
        let _ = remove(&self.path);
        drop(self.lease.take());
        if let Some(root) = self.path.parent() {
            // Only when it is empty.
            let _ = fs::remove_dir(root);
        }
    }
}

/// Removes a tree, whatever modes its folders have.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_folders(path);
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// A restored tree may hold folders that even its owner cannot write to.
fn open_folders(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    if !meta.is_dir() {
        return;
    }
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        open_folders(&entry.path());
    }
}
