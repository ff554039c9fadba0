//! How a restored tree takes the place of a live one: as few renames as possible, and nothing that the backup does
//! not cover is touched. A folder that holds nothing but what was saved is exchanged as a whole; one in which something
//! lies that no backup has (left out by the plan, a socket, a mount, a file made since) stays, and what is in it
//! is exchanged piece by piece.
//!
//! Not here: carrying the renames out ([`super::unit`]).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::iter::Peekable;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::changes::Changes;
use super::mounts;
use super::unit::{self, Unit};
use crate::error::{Error, Result};
use crate::model::{Entry, EntryKind, PathBytes, RESTORE_FOLDER};
use crate::progress::Context;
use crate::sqlite::place::{Stamp, sidecar};

/// What was found in a live tree beside what was saved.
#[derive(Debug, Default)]
pub struct Uncovered {
    /// Relative paths of what the safety backup does not have, topmost only.
    pub kept: BTreeSet<PathBuf>,
    /// Relative paths of files that were written since they were saved.
    pub changed: Vec<PathBuf>,
    /// Relative paths on which something is mounted; they are kept, too.
    pub mounts: Vec<PathBuf>,
}

/// Where the things of a tree lie.
pub struct Whereabouts {
    /// By relative path, the topmost only: the tree itself has the empty one.
    pieces: BTreeMap<PathBuf, PathBuf>,
    mounts: Vec<PathBuf>,
}

impl Whereabouts {
    /// The live tree at `root`.
    pub fn live(root: &Path) -> Self {
        Whereabouts { pieces: [(PathBuf::new(), root.to_owned())].into(), mounts: mounts::below(root) }
    }

    /// What a restore has put aside of a tree; nothing is mounted there.
    pub fn aside(pieces: BTreeMap<PathBuf, PathBuf>) -> Self {
        Whereabouts { pieces, mounts: Vec::new() }
    }

    /// Where something lies; nowhere when no piece contains it.
    pub fn find(&self, path: &Path) -> Option<PathBuf> {
        path.ancestors().find_map(|around| Some(join(self.pieces.get(around)?, path.strip_prefix(around).ok()?)))
    }

    /// Compares what lies there with what was saved of it. `saved` comes in the order of a contents list; `during` is
    /// the time, in nanoseconds since 1970, from the beginning of the saving until now.
    pub fn uncovered(
        &self,
        saved: impl Iterator<Item = Result<Entry>>,
        during: Range<i128>,
        context: &Context,
    ) -> Result<Uncovered> {
        let found = Uncovered { mounts: self.mounts.clone(), ..Uncovered::default() };
        let databases = HashSet::new();
        let mut looking = Looking { at: self, saved: saved.peekable(), during, databases, found };
        // Not by recursion: a tree may be deeper than a thread's stack.
        let mut levels: Vec<Level> = Vec::new();
        for (path, here) in &self.pieces {
            levels.extend(looking.look(path, here.clone())?);
            while let Some(level) = levels.last_mut() {
                let Some(name) = level.names.next() else {
                    levels.pop();
                    continue;
                };
                context.check()?;
                let (path, here) = (level.relative.join(&name), level.here.join(&name));
                levels.extend(looking.look(&path, here)?);
            }
        }
        let Looking { mut saved, mut found, .. } = looking;
        found.kept.extend(found.mounts.iter().cloned());
        match saved.find_map(Result::err) {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }
}

/// `path` below `root`; without a slash at the end when it is empty.
fn join(root: &Path, path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { root.to_owned() } else { root.join(path) }
}

/// A comparison on its way through a tree.
struct Looking<'a, I: Iterator<Item = Result<Entry>>> {
    at: &'a Whereabouts,
    saved: Peekable<I>,
    during: Range<i128>,
    databases: HashSet<PathBuf>,
    found: Uncovered,
}

impl<I: Iterator<Item = Result<Entry>>> Looking<'_, I> {
    /// Judges one thing. A folder that was saved is to be gone through.
    fn look(&mut self, path: &Path, here: PathBuf) -> Result<Option<Level>> {
        if path.file_name().is_some_and(|name| name == RESTORE_FOLDER) {
            // Our own, or somebody restores something in here right now.
            self.found.kept.insert(path.to_owned());
            return Ok(None);
        }
        if self.found.mounts.binary_search_by(|mount| mount.as_path().cmp(path)).is_ok() {
            return Ok(None);
        }
        let is_root = path.as_os_str().is_empty();
        let meta = match fs::symlink_metadata(&here) {
            Ok(meta) => meta,
            Err(error) if is_root => return Err(Error::at("reading", &here, error)),
            Err(_) => return Ok(None),
        };
        let entry = match advance(&mut self.saved, path)? {
            Some(entry) => entry,
            None if is_root => return self.enter(path, here),
            None if belongs_to(&self.databases, path) => return Ok(None),
            None => {
                self.found.kept.insert(path.to_owned());
                return Ok(None);
            }
        };
        if entry.sqlite {
            self.databases.insert(path.to_owned());
        }
        if is_changed(&entry, &here, &meta) || entry.sqlite && self.was_written(path) {
            self.found.changed.push(path.to_owned());
        } else if entry.kind == EntryKind::Directory {
            return self.enter(path, here);
        }
        Ok(None)
    }

    fn enter(&mut self, path: &Path, here: PathBuf) -> Result<Option<Level>> {
        match names(&here) {
            Ok(names) => Ok(Some(Level { relative: path.to_owned(), here, names: names.into_iter() })),
            // Deeper than a path can say: saved by descriptors, and exchanged with the folder above.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NAMETOOLONG.raw_os_error()) => Ok(None),
            // Nobody could save what is in it.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !path.as_os_str().is_empty() => {
                self.found.kept.insert(path.to_owned());
                Ok(None)
            }
            Err(error) => Err(Error::at("reading", &here, error)),
        }
    }

    /// Whether a database may have been written since it was copied: whoever did need not have it open any more.
    fn was_written(&self, database: &Path) -> bool {
        let paths = ["", "-wal", "-journal"].map(|suffix| sidecar(database, suffix));
        let places = paths.iter().filter_map(|path| self.at.find(path));
        // An empty log comes and goes with connections, ours among them.
        let written = places.filter(|path| fs::metadata(path).is_ok_and(|meta| meta.len() > 0));
        let mut stamps = written.filter_map(|path| Stamp::of(&path).ok());
        stamps.any(|stamp| self.during.contains(&stamp.modified_ns()))
    }
}

/// One folder on the way from the root to where we are.
struct Level {
    relative: PathBuf,
    here: PathBuf,
    names: std::vec::IntoIter<OsString>,
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

/// Whether something is not what was saved of it. Times of folders and of further names of a file say nothing.
fn is_changed(entry: &Entry, path: &Path, meta: &fs::Metadata) -> bool {
    let mtime = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
    match entry.kind {
        // Its copy has another size than its file, and its log another time.
        EntryKind::File if entry.sqlite => !meta.is_file() || mtime != entry.mtime_ns,
        EntryKind::File => !meta.is_file() || meta.len() != entry.size || mtime != entry.mtime_ns,
        EntryKind::Hardlink => !meta.is_file(),
        EntryKind::Directory => !meta.is_dir(),
        EntryKind::Symlink => {
            let target = fs::read_link(path).ok().map(PathBytes::new);
            target.is_none() || target != entry.target
        }
    }
}

/// What SQLite keeps beside a database that was saved through SQLite: the copy contains it already.
fn belongs_to(databases: &HashSet<PathBuf>, path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let endings = [&b"-wal"[..], b"-shm", b"-journal"];
    let database = endings.iter().find_map(|ending| bytes.strip_suffix(*ending));
    database.is_some_and(|database| databases.contains(Path::new(OsStr::from_bytes(database))))
}

fn names(folder: &Path) -> io::Result<Vec<OsString>> {
    let mut names =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    Ok(names)
}

/// The renames that put the tree at `staged` in the place of the one at `live`. What is kept in `found` stays where it
/// is; `stays` says that the live root itself cannot be renamed (a mount point). `aside` gives a free path for an
/// old thing. Something in the backup that belongs on a mount is refused: no rename leads there.
pub fn plan(
    live: &Path,
    staged: &Path,
    found: &Uncovered,
    stays: bool,
    aside: &mut dyn FnMut() -> PathBuf,
) -> Result<Changes> {
    let (mut changes, kept) = (Changes::default(), &found.kept);
    for mount in &found.mounts {
        let new = staged.join(mount);
        let empty = fs::read_dir(&new).is_ok_and(|mut names| names.next().is_none());
        if fs::symlink_metadata(&new).is_ok() && !empty {
            return Err(unit::across(&live.join(mount)));
        }
    }
    let is_folder = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    if is_folder(live) && (stays || !kept.is_empty()) {
        children(live, staged, Path::new(""), kept, aside, &mut changes)?;
    } else {
        changes.units.push(Unit::new(live, Some(staged), &aside())?);
    }
    Ok(changes)
}

/// The renames that take a tree away, but for what is kept.
pub fn plan_gone(live: &Path, found: &Uncovered, aside: &mut dyn FnMut() -> PathBuf) -> Result<Changes> {
    let mut units = Vec::new();
    match found.kept.is_empty() {
        true => units.push(Unit::new(live, None, &aside())?),
        false => clear(live, Path::new(""), &found.kept, aside, &mut units)?,
    }
    Ok(Changes { units, ..Changes::default() })
}

fn children(
    live: &Path,
    staged: &Path,
    relative: &Path,
    kept: &BTreeSet<PathBuf>,
    aside: &mut dyn FnMut() -> PathBuf,
    changes: &mut Changes,
) -> Result<()> {
    changes.stay(&live.join(relative), &staged.join(relative));
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
                children(live, staged, &path, kept, aside, changes)?;
            }
            // The backup has no such folder, or something else in its place: what nobody saved stays.
            (Some(_), None) if holds_kept => clear(live, &path, kept, aside, &mut changes.units)?,
            (Some(_), Some(_)) if holds_kept => {}
            (_, Some(_)) => changes.units.push(Unit::new(&target, Some(&made), &aside())?),
            (Some(_), None) => changes.units.push(Unit::new(&target, None, &aside())?),
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
        let found = Uncovered { kept: kept.iter().map(PathBuf::from).collect(), ..Uncovered::default() };
        let mut number = 0;
        let mut aside = || {
            number += 1;
            folder.path().join(format!("aside-{number}"))
        };
        let changes = plan(&live, &staged, &found, stays, &mut aside).unwrap();
        assert!(!changes.were_applied());
        for _ in 0..2 {
            changes.apply().unwrap();
            assert!(changes.were_applied() && changes.units.iter().all(Unit::is_applied));
        }
        let after = read(&live);
        for _ in 0..2 {
            assert!(changes.revert(None).unwrap().is_empty());
            assert_eq!(read(&live), before);
        }
        changes.apply().unwrap();
        assert_eq!(read(&live), after);
        (after, changes.units.len())
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
        let mut aside = || folder.path().join("aside");
        let changes = plan(&live, &staged, &Uncovered::default(), false, &mut aside).unwrap();
        changes.apply().unwrap();
        assert_eq!(read(&live).len(), 1);
        changes.revert(None).unwrap();
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
        let found = Whereabouts::live(live).uncovered(saved.into_iter().map(Ok), 0..0, &Context::quiet()).unwrap();
        assert_eq!(found.kept, ["made", "sub/made"].map(PathBuf::from).into());
        assert_eq!(found.changed, [PathBuf::from("b")]);
    }
}
