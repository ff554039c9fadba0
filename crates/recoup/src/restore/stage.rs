//! The private folder in which a restore prepares everything, on the disk of what it will replace:
//! `.recoup-restore/<ulid>/` beside each target, with a lease beside it that tells the living from the dead. One
//! restore may need several; the first one leads and has the journal, the others point to it.
//!
//! Not here: what is in the journal ([`super::journal`]).

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::item::is_mount_point;
use super::unit::{open_folder, parent, sync_folder};
use crate::destination::Lease;
use crate::error::{Error, ErrorKind, Result};
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
    /// Inode of the folder around the leading stage, to tell a finished restore from an unmounted disk. Not its device,
    /// which can be another one after a restart.
    inode: u64,
}

impl Stage {
    /// Makes a stage in `folder`, which must exist.
    pub fn create(folder: &Path) -> Result<Self> {
        let root = folder.join(RESTORE_FOLDER);
        is_ours(&root)?;
        loop {
            let name = ulid::Ulid::generate().to_string();
            let lease = lease(&root, &name).map_err(|e| e.while_("preparing the restore"))?;
            let Some(lease) = lease else { continue };
            close(&root)?;
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
        is_ours(root)?;
        let Some(lease) = Lease::take(root, name)? else { return Ok(None) };
        Ok(Some(Stage { path: path.to_owned(), lease: Some(lease), keep: false }))
    }

    /// The stages in `folder`, held by somebody or not. What somebody else put there is not trusted: it could name
    /// any file of this machine.
    ///
    /// Errors: `restore_of_another` when the owner of the folder, or root, has not ended a restore there.
    pub fn find(folder: &Path) -> Result<Vec<PathBuf>> {
        let root = folder.join(RESTORE_FOLDER);
        let Ok(meta) = fs::symlink_metadata(&root) else { return Ok(Vec::new()) };
        if is_ours(&root).is_err() {
            let around = fs::metadata(folder).map_or(0, |meta| meta.uid());
            let empty = fs::read_dir(&root).is_ok_and(|mut names| names.next().is_none());
            if !meta.is_dir() || empty || ![0, around].contains(&meta.uid()) {
                return Ok(Vec::new());
            }
            let text = format!("A restore of another user (uid {}) has not ended in {}", meta.uid(), folder.display());
            return Err(Error::new(ErrorKind::Busy, "restore_of_another", text)
                .hint("wait for it; if it was interrupted, let that user run `recoup doctor --repair`"));
        }
        let names = fs::read_dir(&root).map_err(|e| Error::at("reading", &root, e))?;
        let mut found: Vec<PathBuf> = names
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| ulid::Ulid::from_string(name).is_ok()))
            .map(|entry| entry.path())
            .collect();
        found.sort();
        Ok(found)
    }

    /// Removes what a killed restore left in `folder` beside its stages: leases that nobody holds, and the folder
    /// around them when it is empty. What cannot be removed now is removed the next time.
    pub fn sweep(folder: &Path) {
        let root = folder.join(RESTORE_FOLDER);
        for name in Lease::names(&root).unwrap_or_default() {
            // The lease of a stage goes with it.
            if !root.join(&name).exists() {
                // Dropping a lease removes its file.
                drop(Lease::take(&root, &name));
            }
        }
        // Only when it is empty.
        let _ = fs::remove_dir(root);
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Points to the stage that leads.
    pub fn follow(&self, lead: &Stage) -> Result<()> {
        let around = around(&lead.path)?;
        let inode = fs::metadata(&around).map_err(|e| Error::at("looking at", &around, e))?.ino();
        let pointer = Pointer { lead: PathBytes::new(&lead.path), inode };
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
        let gone = !lead.is_dir() && mounted.is_some_and(|meta| meta.ino() == pointer.inode);
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

    /// Removes what is in it, and says when that does not work (an immutable file, say).
    pub fn clear(&self) -> Result<()> {
        match remove(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at("removing", &self.path, error)),
            _ => Ok(()),
        }
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

/// Takes a lease in the folder of stages, which another restore that ends may remove at any moment.
pub fn lease(root: &Path, name: &str) -> Result<Option<Lease>> {
    for _ in 0..1000 {
        match Lease::take(root, name) {
            Err(error) if error.code() == "not_found" && root.parent().is_some_and(Path::is_dir) => {}
            other => return other,
        }
    }
    Lease::take(root, name)
}

/// Nobody else can have put anything into the folder of our stages. One that is not there is fine.
pub fn is_ours(root: &Path) -> Result<()> {
    let Ok(meta) = fs::symlink_metadata(root) else { return Ok(()) };
    if meta.is_dir() && meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & 0o022 == 0 {
        return Ok(());
    }
    let text = format!("{} was not made by recoup for this user", root.display());
    Err(Error::new(ErrorKind::Denied, "stage_not_ours", text)
        .hint("another user's restore may be running; if not, look who made it, and remove it"))
}

/// Nobody else may look into it either: who cannot guess where we work cannot plant a link there.
fn close(root: &Path) -> Result<()> {
    is_ours(root)?;
    let folder = open_folder(root).map_err(|e| Error::at("opening", root, e))?;
    let private = fs::Permissions::from_mode(0o700);
    folder.set_permissions(private).map_err(|e| Error::at("setting the mode of", root, e))
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

/// Removes a tree, whatever modes its folders have and however deep they are: what lies deep is moved up first, so that
/// neither paths nor descriptors run out. A mount in it is left alone, and is an error.
pub fn remove(root: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(root)?.is_dir() {
        return fs::remove_file(root);
    }
    make_writable(root)?;
    let mut number = 0;
    loop {
        let entries = fs::read_dir(root)?.collect::<io::Result<Vec<_>>>()?;
        if entries.is_empty() {
            return fs::remove_dir(root);
        }
        for entry in entries {
            if !entry.file_type()?.is_dir() {
                fs::remove_file(entry.path())?;
                continue;
            }
            make_writable(&entry.path())?;
            for inner in fs::read_dir(entry.path())? {
                let inner = inner?;
                if !inner.file_type()?.is_dir() {
                    fs::remove_file(inner.path())?;
                    continue;
                }
                // A folder that changes its place must be writable (rename(2)).
                make_writable(&inner.path())?;
                let up = loop {
                    number += 1;
                    let up = root.join(format!("{number}"));
                    if fs::symlink_metadata(&up).is_err() {
                        break up;
                    }
                };
                fs::rename(inner.path(), up)?;
            }
            fs::remove_dir(entry.path())?;
        }
    }
}

/// A restored tree may hold folders that even its owner cannot write to.
fn make_writable(path: &Path) -> io::Result<()> {
    if is_mount_point(path) {
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let mode = fs::symlink_metadata(path)?.permissions().mode();
    if mode & 0o700 == 0o700 { Ok(()) } else { fs::set_permissions(path, fs::Permissions::from_mode(0o700)) }
}
