//! How a restored tree takes the place of a live one: as few renames as possible, and nothing that the backup does
//! not cover is touched. A folder that holds nothing but what was saved is exchanged as a whole; one in which something
//! lies that no backup has (left out by the plan, a socket, a mount, a file made since) stays, and what is in it
//! is exchanged piece by piece.
//!
//! Not here: carrying the renames out ([`super::unit`]).

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::unit::Unit;
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, RESTORE_FOLDER};
use crate::progress::Context;

/// What was found in a live tree beside what was saved.
#[derive(Debug, Default)]
pub struct Uncovered {
    /// Relative paths of what the safety backup does not have, topmost only.
    pub kept: BTreeSet<PathBuf>,
    /// Relative paths of files that were written since they were saved.
    pub changed: Vec<PathBuf>,
}

/// Compares the live tree at `root` with what was saved of it. `saved` comes in the order of a contents list.
pub fn uncovered(root: &Path, saved: impl Iterator<Item = Result<Entry>>, context: &Context) -> Result<Uncovered> {
    let mut saved = saved.peekable();
    let mut found = Uncovered::default();
    // The root itself.
    if matches!(saved.peek(), Some(Ok(entry)) if entry.path.0.is_empty()) {
        saved.next();
    }
    walk(root, Path::new(""), &mut saved, &mut found, context)?;
    match saved.find_map(Result::err) {
        Some(error) => Err(error),
        None => Ok(found),
    }
}

fn walk<I: Iterator<Item = Result<Entry>>>(
    root: &Path,
    relative: &Path,
    saved: &mut Peekable<I>,
    found: &mut Uncovered,
    context: &Context,
) -> Result<()> {
    context.check()?;
    let folder = root.join(relative);
    let names = match names(&folder) {
        Ok(names) => names,
        // Deeper than a path can say: saved by descriptors, and exchanged with the folder above.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error()) => return Ok(()),
        Err(error) => return Err(Error::at("reading", &folder, error)),
    };
    let mut databases: Vec<OsString> = Vec::new();
    for name in names {
        if name == RESTORE_FOLDER {
            continue;
        }
        let path = relative.join(&name);
        let Ok(meta) = fs::symlink_metadata(root.join(&path)) else { continue };
        let entry = match advance(saved, &path)? {
            Some(entry) => entry,
            None if belongs_to(&databases, &name) => continue,
            None => {
                found.kept.insert(path);
                continue;
            }
        };
        if entry.sqlite {
            databases.push(name);
        } else if entry.kind == EntryKind::File && differs(&entry, &meta) {
            found.changed.push(path);
        } else if entry.kind == EntryKind::Directory && meta.is_dir() {
            walk(root, &path, saved, found, context)?;
        }
    }
    Ok(())
}

/// The saved entry of a path, if there is one; entries before it have vanished meanwhile.
fn advance<I: Iterator<Item = Result<Entry>>>(saved: &mut Peekable<I>, path: &Path) -> Result<Option<Entry>> {
    loop {
        let order = match saved.peek() {
            None => return Ok(None),
            Some(Err(_)) => std::cmp::Ordering::Less,
            Some(Ok(entry)) => parts(entry.path.as_path()).cmp(parts(path)),
        };
        match order {
            std::cmp::Ordering::Less => drop(saved.next().transpose()?),
            std::cmp::Ordering::Equal => return saved.next().transpose(),
            std::cmp::Ordering::Greater => return Ok(None),
        }
    }
}

fn parts(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.as_os_str().as_bytes().split(|byte| *byte == b'/')
}

fn differs(entry: &Entry, meta: &fs::Metadata) -> bool {
    let mtime = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    meta.len() != entry.size || mtime != entry.mtime_ns
}

/// What SQLite keeps beside a database that was saved through SQLite: the copy contains it already.
fn belongs_to(databases: &[OsString], name: &OsStr) -> bool {
    databases.iter().any(|database| {
        let rest = name.as_bytes().strip_prefix(database.as_bytes());
        rest.is_some_and(|rest| [&b"-wal"[..], b"-shm", b"-journal"].contains(&rest))
    })
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}

/// The renames that put the tree at `staged` in the place of the one at `live`. `kept` stays where it is; `stays`
/// says that the live root itself cannot be renamed (a mount point). `aside` gives a free path for an old thing.
pub fn plan(
    live: &Path,
    staged: &Path,
    kept: &BTreeSet<PathBuf>,
    stays: bool,
    aside: &mut dyn FnMut() -> PathBuf,
) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if is_folder(live) && (stays || !kept.is_empty()) {
        children(live, staged, Path::new(""), kept, aside, &mut units)?;
    } else {
        units.push(Unit::new(live, Some(staged), &aside())?);
    }
    Ok(units)
}

fn children(
    live: &Path,
    staged: &Path,
    relative: &Path,
    kept: &BTreeSet<PathBuf>,
    aside: &mut dyn FnMut() -> PathBuf,
    units: &mut Vec<Unit>,
) -> Result<()> {
    let list = |root: &Path| {
        let folder = root.join(relative);
        names(&folder).map_err(|e| Error::at("reading", &folder, e))
    };
    let (old, new) = (list(live)?, list(staged)?);
    let all: BTreeSet<&OsString> = old.iter().chain(&new).filter(|name| *name != RESTORE_FOLDER).collect();
    for name in all {
        let path = relative.join(name);
        if kept.contains(&path) {
            continue;
        }
        let (target, made) = (live.join(&path), staged.join(&path));
        let is_old = fs::symlink_metadata(&target).ok();
        let is_new = fs::symlink_metadata(&made).ok();
        let holds_kept = kept.range(path.clone()..).next().is_some_and(|first| first.starts_with(&path));
        match (&is_old, &is_new) {
            (Some(old), Some(new)) if holds_kept && old.is_dir() && new.is_dir() => {
                children(live, staged, &path, kept, aside, units)?;
            }
            // The backup has no such folder, or something else in its place: what nobody saved stays.
            (Some(_), None) if holds_kept => clear(live, &path, kept, aside, units)?,
            (Some(_), Some(_)) if holds_kept => {}
            (_, Some(_)) => units.push(Unit::new(&target, Some(&made), &aside())?),
            (Some(_), None) => units.push(Unit::new(&target, None, &aside())?),
            (None, None) => {}
        }
    }
    Ok(())
}

/// Everything in a folder goes but what is kept.
fn clear(
    live: &Path,
    relative: &Path,
    kept: &BTreeSet<PathBuf>,
    aside: &mut dyn FnMut() -> PathBuf,
    units: &mut Vec<Unit>,
) -> Result<()> {
    let folder = live.join(relative);
    for name in names(&folder).map_err(|e| Error::at("reading", &folder, e))? {
        let path = relative.join(name);
        let holds_kept = kept.range(path.clone()..).next().is_some_and(|first| first.starts_with(&path));
        if kept.contains(&path) {
            continue;
        }
        match holds_kept {
            true => clear(live, &path, kept, aside, units)?,
            false => units.push(Unit::new(&live.join(&path), None, &aside())?),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn make(root: &Path, files: &[&str]) {
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{} {file}", root.file_name().unwrap().display())).unwrap();
        }
    }

    fn read(root: &Path) -> BTreeMap<String, String> {
        fn into(root: &Path, at: &Path, found: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(at).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    into(root, &entry.path(), found);
                } else {
                    let name = entry.path().strip_prefix(root).unwrap().display().to_string();
                    found.insert(name, fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        let mut found = BTreeMap::new();
        into(root, root, &mut found);
        found
    }

    /// Plans and applies with the given kept paths; what is there afterwards, and after taking it back.
    fn exchange(old: &[&str], new: &[&str], kept: &[&str], stays: bool) -> (BTreeMap<String, String>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let (live, staged) = (folder.path().join("old"), folder.path().join("new"));
        make(&live, old);
        make(&staged, new);
        let before = read(&live);
        let kept = kept.iter().map(PathBuf::from).collect();
        let mut number = 0;
        let mut aside = || {
            number += 1;
            folder.path().join(format!("aside-{number}"))
        };
        let units = plan(&live, &staged, &kept, stays, &mut aside).unwrap();
        for _ in 0..2 {
            units.iter().try_for_each(Unit::apply).unwrap();
            assert!(units.iter().all(Unit::is_applied));
        }
        let after = read(&live);
        for _ in 0..2 {
            units.iter().rev().try_for_each(Unit::revert).unwrap();
            assert_eq!(read(&live), before);
        }
        units.iter().try_for_each(Unit::apply).unwrap();
        assert_eq!(read(&live), after);
        (after, units.len())
    }

    #[test]
    fn a_tree_that_was_saved_whole_is_one_rename() {
        let (after, units) = exchange(&["a", "b/c"], &["a", "d/e"], &[], false);
        assert_eq!(after.keys().collect::<Vec<_>>(), ["a", "d/e"]);
        assert_eq!((after["a"].as_str(), units), ("new a", 1));
    }

    #[test]
    fn what_nobody_saved_stays_and_everything_around_it_is_exchanged() {
        let old = ["a", "cache/x", "deep/er/sock", "deep/er/old", "deep/gone", "only-old/kept", "only-old/gone"];
        let new = ["a", "b", "deep/er/new", "deep/here", "cache/y"];
        let (after, _) = exchange(&old, &new, &["cache", "deep/er/sock", "only-old/kept"], false);
        let names: Vec<&str> = after.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "cache/x", "deep/er/new", "deep/er/sock", "deep/here", "only-old/kept"]);
        assert_eq!((after["a"].as_str(), after["cache/x"].as_str()), ("new a", "old cache/x"));
    }

    #[test]
    fn a_root_that_cannot_be_renamed_keeps_its_inode() {
        let (after, units) = exchange(&["a", "b"], &["b", "c"], &[], true);
        assert_eq!(after.keys().collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(units, 3);
    }

    #[test]
    fn a_tree_comes_where_nothing_was() {
        let folder = tempfile::tempdir().unwrap();
        let (live, staged) = (folder.path().join("old"), folder.path().join("new"));
        make(&staged, &["a"]);
        let units = plan(&live, &staged, &BTreeSet::new(), false, &mut || folder.path().join("aside")).unwrap();
        units.iter().try_for_each(Unit::apply).unwrap();
        assert_eq!(read(&live).len(), 1);
        units.iter().try_for_each(Unit::revert).unwrap();
        assert!(!live.exists());
    }

    #[test]
    fn what_was_made_or_written_since_it_was_saved_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path();
        make(live, &["a", "b", "made", "app.db", "app.db-wal", "sub/x", "sub/made"]);
        let entry = |path: &str| {
            let meta = fs::symlink_metadata(live.join(path)).unwrap();
            Entry { mtime_ns: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(), ..Entry::file(path, meta.len()) }
        };
        let saved = [
            Entry { kind: EntryKind::Directory, ..Entry::file("", 0) },
            entry("a"),
            Entry { sqlite: true, ..entry("app.db") },
            Entry { mtime_ns: 1, ..entry("b") },
            Entry::file("gone", 1),
            Entry { kind: EntryKind::Directory, ..Entry::file("sub", 0) },
            entry("sub/x"),
        ];
        let found = uncovered(live, saved.into_iter().map(Ok), &Context::quiet()).unwrap();
        assert_eq!(found.kept, ["made", "sub/made"].map(PathBuf::from).into());
        assert_eq!(found.changed, [PathBuf::from("b")]);
    }
}
