//! What an application made or wrote between the moment at which its files were compared with the safety backup and the
//! moment at which they were exchanged: no backup has it, so it is brought over before what was replaced is removed.
//!
//! Not here: what is noticed in time, before anything is exchanged ([`super::nested`]).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::changes::Changes;
use super::item::Item;
use super::nested::Inside;
use super::safety::{self, Purpose, Saved};
use super::tree::Whereabouts;
use super::unit::{later_path, rename_new, sync_folder};
use crate::error::{Error, Result};
use crate::format::proof;
use crate::model::{Part, Warning};
use crate::progress::Context;
use crate::sqlite::open::sidecar;

const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Brings over what lies aside and is in no backup: to its place, or beside what took that. All changes are applied.
pub fn bring_over(
    items: &[Item],
    changes: &Changes,
    saved: &Saved,
    purpose: &Purpose<'_>,
    context: &Context,
) -> Vec<Warning> {
    let of = |item| match bring_over_one(items, item, changes, saved, purpose, context) {
        Ok(brought) => told(item, &brought),
        Err(error) => {
            let text = format!("What was written to {} while it was exchanged could not be kept: {error}", item.name);
            Some(Warning::new("written_meanwhile", text))
        }
    };
    items.iter().filter_map(of).collect()
}

fn told(item: &Item, brought: &[PathBuf]) -> Option<Warning> {
    let first = brought.first()?.display();
    let more = if brought.len() > 1 { format!(" and {} more", brought.len() - 1) } else { String::new() };
    let text = format!("{} was written to while it was exchanged; what was written is kept: {first}{more}", item.name);
    Some(Warning::new("written_meanwhile", text))
}

fn bring_over_one(
    items: &[Item],
    item: &Item,
    changes: &Changes,
    saved: &Saved,
    purpose: &Purpose<'_>,
    context: &Context,
) -> Result<Vec<PathBuf>> {
    // Several files of one directory have one name.
    let is_of = |part: &&Part| {
        let here = part.origin.as_ref().is_some_and(|origin| origin.as_path() == item.target);
        part.name == item.name && (here || part.directory.is_some())
    };
    let Some(part) = saved.manifest.parts.iter().find(is_of) else { return Ok(Vec::new()) };
    let inside = Inside::of(items, item, purpose.elsewhere);
    let old = old_of(item, &inside, changes);
    let paths: BTreeSet<PathBuf> = if part.directory.is_some() {
        let found = safety::compare_tree(saved, item, &old, context)?;
        // What came along has a part of its own, which says whether it was written.
        let kept = found.kept.into_iter().filter(|path| !inside.along.contains(path));
        kept.chain(found.changed).collect()
    } else {
        old.find(Path::new(""))
            .filter(|old| is_written(part, old, context))
            .map(|_| PathBuf::new())
            .into_iter()
            .collect()
    };
    bring(&old, &item.target, paths)
}

/// Where what an item has replaced lies now: aside as a whole, piece by piece, or with the tree around it.
fn old_of(item: &Item, inside: &Inside, changes: &Changes) -> Whereabouts {
    let mut pieces = BTreeMap::new();
    for unit in changes.units.iter().filter(|unit| unit.old.is_some()) {
        let (target, aside) = (unit.target.as_path(), unit.aside.as_path());
        if let Ok(path) = target.strip_prefix(&item.target) {
            if !path.ancestors().any(|around| inside.apart.contains(around)) {
                pieces.insert(path.to_owned(), aside.to_owned());
            }
        } else if let Ok(path) = item.target.strip_prefix(target) {
            pieces.insert(PathBuf::new(), aside.join(path));
        }
    }
    Whereabouts::aside(pieces)
}

/// Whether a file is not what was saved of it. An earlier backup that holds the same bytes may have another time.
fn is_written(part: &Part, old: &Path, context: &Context) -> bool {
    let (Some(facts), Ok(meta)) = (&part.file, fs::symlink_metadata(old)) else { return false };
    let modified = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
    let same_stamp = meta.len() == part.bytes && modified == i128::from(facts.mtime_ns);
    meta.is_file() && !same_stamp && proof::hash_file(old, context).is_ok_and(|(_, found)| found != part.sha256)
}

/// Moves things of an old tree to the new one at `target`; gives where they are now. What SQLite keeps beside a database
/// goes where that goes: beside another one it would be replayed into it.
fn bring(old: &Whereabouts, target: &Path, paths: BTreeSet<PathBuf>) -> Result<Vec<PathBuf>> {
    let (mut brought, mut along, mut folders) = (Vec::new(), HashSet::new(), BTreeSet::new());
    // A name comes before the longer ones that begin with it.
    for path in paths {
        let Some(from) = old.find(&path).filter(|from| !along.contains(&path) && is_there(from)) else { continue };
        let wanted = if path.as_os_str().is_empty() { target.to_owned() } else { target.join(&path) };
        let foreign = database_of(&wanted).is_some_and(|database| is_there(&database));
        let to = move_to(&from, &wanted, foreign).map_err(|error| Error::at("keeping", &wanted, error))?;
        if to.is_file() {
            for side in BESIDE.map(|suffix| (sidecar(&path, suffix), sidecar(&to, suffix))) {
                let Some(from) = old.find(&side.0).filter(|from| is_there(from)) else { continue };
                rename_new(&from, &side.1).map_err(|error| Error::at("keeping", &side.1, error))?;
                along.insert(side.0);
            }
        }
        folders.extend(to.parent().map(Path::to_owned));
        brought.push(to);
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))?;
    Ok(brought)
}

fn move_to(from: &Path, wanted: &Path, taken: bool) -> std::io::Result<PathBuf> {
    if !taken && rename_new(from, wanted).is_ok() {
        return Ok(wanted.to_owned());
    }
    // The folder may be gone, too; then it goes beside that.
    let around = wanted.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let beside = later_path(&around.join(wanted.file_name().unwrap_or_default()));
    rename_new(from, &beside).map(|()| beside)
}

fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The database that something would belong to by its name.
fn database_of(path: &Path) -> Option<PathBuf> {
    let bytes = path.as_os_str().as_bytes();
    let database = BESIDE.iter().find_map(|ending| bytes.strip_suffix(ending.as_bytes()))?;
    Some(PathBuf::from(OsStr::from_bytes(database)))
}
