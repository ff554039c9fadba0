//! Parts that lie inside each other: a database or a file in a directory of the same backup, a directory in a directory.
//! What is exchanged takes its place in the new tree before that takes the place of the live one, so that one
//! rename brings both. What is written through SQLite stays where it is, and the tree is exchanged around it.
//!
//! Not here: how a tree is exchanged ([`super::tree`]).

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::changes::Changes;
use super::item::{Item, Items, Way, is_mount_point};
use super::safety::{self, Purpose, Saved};
use super::stage;
use super::tree::{self, Uncovered, Whereabouts};
use super::unit::parent;
use crate::error::{Error, Result};
use crate::model::{PartKind, RESTORE_FOLDER, Warning};
use crate::progress::Context;
use crate::source::directory;
use crate::sqlite::open::sidecar;

/// The folder in which the new data of `target` is made: beside the outermost of `trees` around it, because a stage
/// inside a tree that is exchanged would go with it; else beside the target.
pub fn folder(trees: &[PathBuf], target: &Path) -> Result<PathBuf> {
    let beside = parent(target)?;
    let reaches = |tree: &&PathBuf| {
        tree.as_path() != target && target.starts_with(tree) && {
            let between = beside.ancestors().take_while(|folder| folder.starts_with(tree));
            !between.filter(|folder| *folder != tree.as_path()).any(is_mount_point)
        }
    };
    match trees.iter().filter(reaches).min_by_key(|tree| tree.components().count()) {
        Some(tree) if is_mount_point(tree) => Ok(tree.clone()),
        Some(tree) => folder(&[], tree),
        None if beside.is_dir() => Ok(beside),
        None => {
            let error = fs::metadata(&beside).err().unwrap_or_else(|| std::io::ErrorKind::NotADirectory.into());
            Err(Error::at("finding", &beside, error)
                .hint("the folder must exist; restore with --to DIR to put it elsewhere"))
        }
    }
}

/// Moves the new data of what lies in a tree into the new tree, from the outside in.
pub fn settle(items: &mut [Item]) -> Result<()> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|at| items[*at].target.components().count());
    for at in order {
        let item = &items[at];
        if !matches!(item.way, Way::Swap(_) | Way::File | Way::Tree { stays: false }) {
            continue;
        }
        let Some((outer, relative)) = outer(items, item) else { continue };
        let place = outer.staged.join(relative);
        let around = parent(&place)?;
        let is_tree = matches!(item.way, Way::Tree { .. });
        match fs::symlink_metadata(&around) {
            // The plan leaves out what is around it, so the tree does not touch it.
            Err(_) if parent(&item.target)?.is_dir() => continue,
            Err(_) => fs::create_dir_all(&around).map_err(|e| Error::at("creating", &around, e))?,
            Ok(_) => {}
        }
        let time = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let (time_around, mut time_inside) = (time(&around), None);
        match fs::symlink_metadata(&place) {
            Err(_) if is_tree && item.target.is_dir() => continue,
            Err(_) => {}
            Ok(meta) => {
                if item.way == Way::File && meta.is_file() {
                    // The tree knows more about the same file than its own part does.
                    let _ = fs::set_permissions(&item.staged, meta.permissions());
                    time_inside = meta.modified().ok();
                }
                remove(&place)?;
            }
        }
        fs::rename(&item.staged, &place).map_err(|e| Error::at("preparing", &place, e))?;
        for (path, time) in [(&place, time_inside), (&around, time_around)] {
            // What we may not open keeps the time of now.
            let _ = time.map(|time| fs::File::open(path).and_then(|file| file.set_modified(time)));
        }
        items[at].staged = place;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match path.is_dir() && !path.is_symlink() {
        true => stage::remove(path),
        false => fs::remove_file(path),
    };
    removed.map_err(|e| Error::at("removing", path, e))
}

/// The innermost tree around an item, staged on the same disk, and the path inside it.
fn outer<'a>(items: &'a [Item], item: &'a Item) -> Option<(&'a Item, &'a Path)> {
    let around = items.iter().filter(|other| {
        matches!(other.way, Way::Tree { .. }) && other.stage == item.stage && other.target != item.target
    });
    let fitting = around.filter_map(|other| Some((other, item.target.strip_prefix(&other.target).ok()?)));
    fitting.min_by_key(|(_, relative)| relative.components().count())
}

/// Whether an item takes its place, or goes, with a tree around it.
pub fn goes_along(items: &[Item], item: &Item) -> bool {
    items.iter().any(|other| match (&other.way, &item.way) {
        (Way::Tree { .. }, _) => other.staged != item.staged && item.staged.starts_with(&other.staged),
        (Way::Gone, Way::Gone) => other.target != item.target && item.target.starts_with(&other.target),
        _ => false,
    })
}

/// What lies in a tree and has its own way to be restored.
#[derive(Default)]
pub struct Inside {
    /// Relative paths that the tree brings along.
    pub along: HashSet<PathBuf>,
    /// Relative paths that the tree does not touch.
    pub apart: BTreeSet<PathBuf>,
}

impl Inside {
    /// What of all items, and of databases `elsewhere`, lies in `tree`.
    pub fn of(items: &[Item], tree: &Item, elsewhere: &[PathBuf]) -> Self {
        let mut inside = Inside::default();
        for item in items {
            let Ok(relative) = item.target.strip_prefix(&tree.target) else { continue };
            if relative.as_os_str().is_empty() {
                continue;
            }
            let with = with_sidecars(relative, item.kind == PartKind::Database);
            if goes_along(items, item) {
                inside.along.extend(with);
            } else {
                inside.apart.extend(with);
            }
        }
        for database in elsewhere {
            if let Ok(relative) = database.strip_prefix(&tree.target) {
                inside.apart.extend(with_sidecars(relative, true));
            }
        }
        inside
    }
}

/// Also those that are not there: the application may make them at any moment.
fn with_sidecars(path: &Path, database: bool) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    if database {
        paths.extend(["-wal", "-shm", "-journal"].map(|suffix| sidecar(path, suffix)));
    }
    paths
}

/// What is renamed for one tree.
pub enum Planned {
    /// All of it, and what is worth a look.
    Changes(Changes, Option<Warning>),
    /// A file that was written since it was saved.
    Changed(PathBuf),
}

/// Every rename that puts the tree of `item` in place, or takes it away. That what the plan leaves out stays, and
/// sockets and pipes do, is no news; what else stays is told.
pub fn changes(
    items: &mut Items,
    item: &Item,
    saved: Option<&Saved>,
    purpose: &Purpose<'_>,
    context: &Context,
) -> Result<Planned> {
    let stage = item.stage.clone();
    let mut found = Uncovered::default();
    if item.target.is_dir()
        && let Some(saved) = saved
    {
        found = safety::compare_tree(saved, item, &Whereabouts::live(&item.target), context)?;
    }
    let inside = Inside::of(&items.items, item, purpose.elsewhere);
    found.kept.retain(|path| !inside.along.contains(path));
    if let Some(path) = found.changed.iter().find(|path| !inside.apart.contains(*path)) {
        return Ok(Planned::Changed(item.target.join(path)));
    }
    let spec = safety::spec_of(&item.name, &item.target, (purpose.specs)(&item.name), purpose.restored);
    let leaves_out = directory::leaves_out(&spec)?;
    let expected = |path: &Path| {
        let Ok(meta) = fs::symlink_metadata(item.target.join(path)) else { return true };
        let special = !meta.is_file() && !meta.is_dir() && !meta.is_symlink();
        special || leaves_out(path, meta.is_dir())
    };
    let ours = |path: &Path| inside.apart.contains(path) || path.file_name() == Some(OsStr::new(RESTORE_FOLDER));
    let warning = kept(item, found.kept.iter().filter(|path| !ours(path) && !expected(path)));
    found.kept.extend(inside.apart);
    let aside = &mut || items.free(&stage, "aside");
    let changes = match item.way {
        Way::Tree { stays } => tree::plan(&item.target, &item.staged, &found, stays, aside)?,
        _ => tree::plan_gone(&item.target, &found, aside)?,
    };
    Ok(Planned::Changes(changes, warning))
}

fn kept<'a>(item: &Item, paths: impl Iterator<Item = &'a PathBuf>) -> Option<Warning> {
    let mut paths = paths.peekable();
    paths.peek()?;
    let names: Vec<String> = paths.by_ref().take(3).map(|path| path.display().to_string()).collect();
    let more = match paths.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!("In {} stays what no backup has: {}{more}", item.name, names.join(", "));
    Some(Warning::new("kept", text))
}
