//! Everything that a restore does by renames and modes: applied together, made durable together, taken back together.
//!
//! Not here: the single rename ([`super::unit`]), and databases that are written through SQLite.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::unit::{Unit, open_folder, sync_folder};
use crate::error::Result;
use crate::model::PathBytes;

/// A folder that stays where it is and gets the mode of the restored one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folder {
    /// Where it is.
    pub path: PathBytes,
    /// Its mode before.
    pub old: u32,
    /// Its mode in the backup.
    pub new: u32,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// What is renamed, in order.
    pub units: Vec<Unit>,
    /// Folders that stay.
    pub folders: Vec<Folder>,
}

impl Changes {
    /// More of the same restore.
    pub fn add(&mut self, more: Changes) {
        self.units.extend(more.units);
        self.folders.extend(more.folders);
    }

    /// A folder that stays takes over the mode of another one.
    pub fn stay(&mut self, live: &Path, staged: &Path) {
        let mode = |path: &Path| fs::metadata(path).map(|meta| meta.permissions().mode() & 0o7777);
        if let (Ok(old), Ok(new)) = (mode(live), mode(staged))
            && old != new
        {
            self.folders.push(Folder { path: PathBytes::new(live), old, new });
        }
    }

    /// Puts everything in place, durably. Applied twice it does nothing more.
    pub fn apply(&self) -> Result<()> {
        self.units.iter().try_for_each(Unit::apply)?;
        self.folders.iter().for_each(|folder| set_mode(folder, folder.new));
        self.sync()
    }

    /// Takes everything back, durably. Done twice it does nothing more. Gives the paths at which lies what an application
    /// made since.
    pub fn revert(&self) -> Result<Vec<PathBuf>> {
        self.folders.iter().for_each(|folder| set_mode(folder, folder.old));
        let reverted = self.units.iter().rev().map(Unit::revert);
        let later = reverted.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        self.sync()?;
        Ok(later)
    }

    /// Everything is in place, or was before an application went on.
    pub fn were_applied(&self) -> bool {
        self.units.iter().all(Unit::was_applied)
    }

    /// fsync of every folder in which something changed.
    fn sync(&self) -> Result<()> {
        let mut folders: BTreeSet<&Path> = self.folders.iter().map(|folder| folder.path.as_path()).collect();
        for unit in &self.units {
            for path in [&unit.target, &unit.staged, &unit.aside] {
                folders.extend(path.as_path().parent());
            }
        }
        folders.into_iter().try_for_each(sync_folder)
    }
}

/// A mode that we may not set is not worth failing a restore for.
fn set_mode(folder: &Folder, mode: u32) {
    let _ = open_folder(folder.path.as_path()).and_then(|folder| folder.set_permissions(Permissions::from_mode(mode)));
}
