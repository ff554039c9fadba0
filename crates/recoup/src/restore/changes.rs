//! Everything that a restore does by renames and modes: applied together, made durable together, taken back together.
//!
//! Not here: the single rename ([`super::unit`]), and databases that are written through SQLite.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::commit;
use super::unit::{Unit, inode, open_folder, sync_folder};
use crate::error::Result;
use crate::model::PathBytes;
use crate::progress::Context;
use crate::sqlite::open::sidecar;
use crate::sqlite::put;

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
    ///
    /// Errors: `db_in_use` when somebody has opened a database in the last moment.
    pub fn apply(&self) -> Result<()> {
        for unit in &self.units {
            self.has_no_new_log(unit)?;
            unit.apply()?;
        }
        self.nobody_has_the_old()?;
        self.folders.iter().for_each(|folder| set_mode(folder, folder.new));
        self.sync()
    }

    /// Takes everything back, durably. Done twice it does nothing more. Gives the paths at which lies what an application
    /// made since, also in the new things themselves: what was written there after `begun`, in nanoseconds by the clock
    /// of the file system, is in no backup.
    pub fn revert(&self, begun: Option<i128>) -> Result<Vec<PathBuf>> {
        self.folders.iter().for_each(|folder| set_mode(folder, folder.old));
        let reverted = self.units.iter().rev().map(Unit::revert);
        let mut later = reverted.filter_map(Result::transpose).collect::<Result<Vec<_>>>()?;
        if let Some(begun) = begun {
            for unit in &self.units {
                later.extend(unit.keep_what_was_written(begun)?);
            }
        }
        self.sync()?;
        Ok(later)
    }

    /// Everything is in place, or was before an application went on.
    pub fn were_applied(&self) -> bool {
        self.units.iter().all(Unit::was_applied)
    }

    /// A log that came up beside a database since everything was planned: it would stay and be replayed into the new one.
    fn has_no_new_log(&self, unit: &Unit) -> Result<()> {
        let target = unit.target.as_path();
        let is_old = unit.old.is_some() && inode(target) == unit.old;
        let new_log = |suffix: &&str| {
            let log = sidecar(target, suffix);
            let is_log = fs::metadata(&log).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
            is_log && !self.units.iter().any(|unit| unit.target.as_path() == log)
        };
        match is_old && target.is_file() && ["-wal", "-journal"].iter().any(new_log) && commit::is_database(target) {
            true => Err(put::in_use(target)),
            false => Ok(()),
        }
    }

    /// Whoever opened an old database in the last moment would go on with it, and remove the new one's log at its end.
    fn nobody_has_the_old(&self) -> Result<()> {
        let old = self.units.iter().filter(|unit| unit.old.is_some()).map(|unit| unit.aside.as_path());
        let old: Vec<&Path> = old.filter(|path| path.is_dir() || path.is_file() && commit::is_database(path)).collect();
        commit::nobody_holds(&old, &[], Duration::ZERO, &Context::quiet())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn scene() -> (tempfile::TempDir, Changes) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("stage")).unwrap();
        fs::write(at("config"), "old").unwrap();
        fs::write(at("stage/new-1"), "new").unwrap();
        fs::write(at("stage/new-2"), "new").unwrap();
        let unit =
            |target: &str, staged: &str, aside: &str| Unit::new(&at(target), Some(&at(staged)), &at(aside)).unwrap();
        let units =
            vec![unit("config", "stage/new-1", "stage/aside-1"), unit("absent", "stage/new-2", "stage/aside-2")];
        (folder, Changes { units, folders: Vec::new() })
    }

    fn replace(path: &Path, text: &str) {
        let beside = path.with_extension("tmp");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, path).unwrap();
    }

    #[test]
    fn what_an_application_replaces_after_a_crash_is_kept_beside_and_the_old_thing_comes_back() {
        let (folder, changes) = scene();
        let at = |name: &str| folder.path().join(name);
        changes.apply().unwrap();
        replace(&at("config"), "later");
        replace(&at("absent"), "later");
        assert!(changes.were_applied());
        let later = changes.revert(None).unwrap();
        assert_eq!(later.len(), 2);
        assert!(later.iter().all(|path| fs::read_to_string(path).unwrap() == "later"), "{later:?}");
        assert_eq!(fs::read_to_string(at("config")).unwrap(), "old");
        assert!(!at("absent").exists());
        assert!(changes.revert(None).unwrap().is_empty());
    }

    #[test]
    fn what_an_application_replaced_before_it_was_applied_stays() {
        let (folder, changes) = scene();
        let at = |name: &str| folder.path().join(name);
        replace(&at("config"), "later");
        assert!(changes.apply().is_err() && !changes.were_applied());
        assert!(changes.revert(None).unwrap().is_empty());
        assert_eq!(fs::read_to_string(at("config")).unwrap(), "later");
    }

    #[test]
    fn without_its_stage_nothing_is_taken_back() {
        let (folder, changes) = scene();
        let at = |name: &str| folder.path().join(name);
        changes.apply().unwrap();
        fs::rename(at("stage"), at("unmounted")).unwrap();
        changes.revert(None).unwrap_err();
        fs::rename(at("unmounted"), at("stage")).unwrap();
        changes.revert(None).unwrap();
        assert_eq!(fs::read_to_string(at("config")).unwrap(), "old");
    }

    #[test]
    fn what_an_application_wrote_to_the_new_things_is_kept_when_they_go_again() {
        let (folder, mut changes) = scene();
        let at = |name: &str| folder.path().join(name);
        for tree in ["tree", "stage/new-3"] {
            fs::create_dir(at(tree)).unwrap();
            fs::write(at(tree).join("note"), tree).unwrap();
        }
        changes.units.push(Unit::new(&at("tree"), Some(&at("stage/new-3")), &at("stage/aside-3")).unwrap());
        // The journal is a file that is written when everything is staged; the clock of the file system ticks slowly.
        std::thread::sleep(std::time::Duration::from_millis(30));
        fs::write(at("stage/journal.json"), "{}").unwrap();
        let begun = crate::restore::journal::Journal::written_at(&at("stage"));
        std::thread::sleep(std::time::Duration::from_millis(30));
        changes.apply().unwrap();
        fs::write(at("tree/made"), "by the application").unwrap();
        fs::write(at("config"), "written in place").unwrap();
        let mut later = changes.revert(begun).unwrap();
        later.sort();
        assert_eq!(later.len(), 2, "{later:?}");
        assert_eq!(fs::read_to_string(&later[0]).unwrap(), "written in place");
        assert_eq!(fs::read_to_string(later[1].join("made")).unwrap(), "by the application");
        assert_eq!(fs::read_to_string(at("config")).unwrap(), "old");
        assert_eq!(fs::read_to_string(at("tree/note")).unwrap(), "tree");
        assert!(changes.revert(begun).unwrap().is_empty());
    }
}
