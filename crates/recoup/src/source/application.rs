//! The source *application*: entries that the embedding program gives itself. They are spooled to staging at
//! once, checked, and emitted in the order that every source keeps.
//!
//! Not here: what the program gives; it implements [`Dump`].

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Emitted, Presence, Scope, Source, SourceFactory};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, Entry, EntryKind, PartKind, PathBytes, Sink};
use crate::progress::Context;

/// Gives the entries of one backup. Files, directories and symbolic links, in any order, each path once and
/// relative; directories above an entry need not be given.
pub trait Dump: Send {
    /// Gives every entry to `sink`. An error fails the backup.
    fn dump(&mut self, sink: &mut dyn Sink) -> Result<()>;
}

/// A source that asks the embedding program. `make` is called when the moment of a backup is fixed, and what it
/// returns is asked for its entries right after the databases were copied.
pub fn application(name: &str, make: impl Fn() -> Result<Box<dyn Dump>> + Send + Sync + 'static) -> SourceFactory {
    placed(name, None, Arc::new(make))
}

/// The same, and a restore puts what was given into the directory `place` (absolute), from where the program takes it in
/// a hook after the restore. What lies there when a restore begins is in the safety backup: a hook before the restore
/// that writes the present state there makes the restore one that can be undone.
pub fn application_at(
    name: &str,
    place: &Path,
    make: impl Fn() -> Result<Box<dyn Dump>> + Send + Sync + 'static,
) -> SourceFactory {
    placed(name, Some(place.to_owned()), Arc::new(make))
}

fn placed(name: &str, place: Option<PathBuf>, make: Make) -> SourceFactory {
    let name = name.to_owned();
    Arc::new(move || {
        super::check_name(&name)?;
        let (name, place, make) = (name.clone(), place.clone(), make.clone());
        Ok(Box::new(ApplicationSource { name, place, make, dump: None, spool: None }))
    })
}

type Make = Arc<dyn Fn() -> Result<Box<dyn Dump>> + Send + Sync>;

struct ApplicationSource {
    name: String,
    place: Option<PathBuf>,
    make: Make,
    dump: Option<Box<dyn Dump>>,
    spool: Option<Spool>,
}

impl Source for ApplicationSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Application
    }

    fn origin(&self) -> Option<PathBytes> {
        self.place.as_deref().map(PathBytes::new)
    }

    fn estimate(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.entries.values().map(|kept| kept.entry.size).sum())
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        scope.context.check()?;
        self.dump = Some((self.make)()?);
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        let Some(mut dump) = self.dump.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_begun", "The application was not begun"));
        };
        let mut spool = Spool::create(scope.staging.join(format!("{}.application", self.name)), &scope.context)?;
        dump.dump(&mut spool)?;
        if spool.entries.is_empty() {
            let empty = format!("The application gave nothing for {}", self.name);
            return Err(Error::new(ErrorKind::Failed, "source_empty", empty));
        }
        spool.add_directories(&scope.context)?;
        self.spool = Some(spool);
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let Some(spool) = self.spool.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_captured", "The application was not captured"));
        };
        for kept in spool.entries.values() {
            scope.context.check()?;
            match kept.file {
                Some(number) => sink.entry(&kept.entry, Content::Staged(&spool.file(number)))?,
                None => sink.entry(&kept.entry, Content::None)?,
            }
        }
        Ok(Emitted::default())
    }
}

/// An entry in the spool; the bytes of a file lie under a number.
struct Kept {
    entry: Entry,
    file: Option<u64>,
}

/// Receives the entries. Removed with its files when it is dropped.
struct Spool {
    directory: PathBuf,
    /// By path with `/` as the lowest byte: depth first, a directory before what is in it.
    entries: BTreeMap<Vec<u8>, Kept>,
    newest: Option<Vec<u8>>,
    files: u64,
    context: Context,
}

impl Spool {
    fn create(directory: PathBuf, context: &Context) -> Result<Self> {
        let made = fs::DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|e| Error::at("creating", &directory, e))?;
        Ok(Spool { directory, entries: BTreeMap::new(), newest: None, files: 0, context: context.clone() })
    }

    fn file(&self, number: u64) -> PathBuf {
        self.directory.join(number.to_string())
    }

    fn copy(&mut self, from: &mut dyn Read) -> Result<(u64, u64)> {
        self.files += 1;
        let path = self.file(self.files);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.map_err(|e| Error::at("creating", &path, e))?;
        let mut buffer = vec![0; 128 * 1024];
        let mut size = 0;
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => return Ok((self.files, size)),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("reading what the application gave", error)),
            };
            file.write_all(&buffer[..count]).map_err(|e| Error::at("writing", &path, e))?;
            size += count as u64;
            self.context.advance(count as u64)?;
        }
    }

    /// The root and every directory that was only implied; nothing may lie below what is no directory.
    fn add_directories(&mut self, context: &Context) -> Result<()> {
        let mtime_ns = i64::try_from(context.clock.now().as_nanosecond()).unwrap_or(0);
        let mut implied: Vec<PathBytes> = vec![PathBytes::default()];
        for kept in self.entries.values() {
            let path = &kept.entry.path.0;
            for end in path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at) {
                match self.entries.get(&key(&path[..end])) {
                    None => implied.push(PathBytes(path[..end].to_vec())),
                    Some(above) if above.entry.kind == EntryKind::Directory => {}
                    Some(_) => return Err(bad(&kept.entry.path, "it lies below what is not a directory")),
                }
            }
        }
        for path in implied {
            let entry = Entry { kind: EntryKind::Directory, mode: 0o700, mtime_ns, ..Entry::file("", 0) };
            self.entries.entry(key(&path.0)).or_insert(Kept { entry: Entry { path, ..entry }, file: None });
        }
        Ok(())
    }
}

impl Sink for Spool {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        self.context.check()?;
        check_path(&entry.path)?;
        let key = key(&entry.path.0);
        if self.entries.contains_key(&key) {
            return Err(bad(&entry.path, "it was given twice"));
        }
        let mut entry = Entry { sha256: None, ..entry.clone() };
        entry.mode &= 0o7777;
        let file = match (entry.kind, content) {
            (EntryKind::File, Content::Stream(reader)) => Some(self.copy(reader)?),
            (EntryKind::File, Content::Staged(path)) => {
                let mut file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
                Some(self.copy(&mut file)?)
            }
            (EntryKind::File, Content::None) => return Err(bad(&entry.path, "a file without bytes")),
            (EntryKind::Hardlink, _) => {
                return Err(bad(&entry.path, "give a file with several names as several files"));
            }
            (EntryKind::Symlink, Content::None) if entry.target.is_some() => None,
            (EntryKind::Directory, Content::None) => None,
            _ => return Err(bad(&entry.path, "a link needs a target, and only files have bytes")),
        };
        entry.size = file.map_or(0, |(_, size)| size);
        self.entries.insert(key.clone(), Kept { entry, file: file.map(|(number, _)| number) });
        self.newest = Some(key);
        Ok(())
    }

    fn retract(&mut self) -> Result<()> {
        let newest = self.newest.take().and_then(|key| self.entries.remove(&key));
        match newest.and_then(|kept| kept.file) {
            Some(number) => {
                let path = self.file(number);
                fs::remove_file(&path).map_err(|e| Error::at("removing", &path, e))
            }
            None => Err(Error::usage("nothing_to_retract", "The application took back what it had not given")),
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn key(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect()
}

fn check_path(path: &PathBytes) -> Result<()> {
    let bytes = &path.0;
    let strange = bytes.split(|byte| *byte == b'/').any(|part| part.is_empty() || part == b"." || part == b"..");
    if strange || bytes.contains(&0) || Path::new(path.as_path()).is_absolute() {
        return Err(bad(path, "paths are relative, without empty parts, `.` and `..`"));
    }
    Ok(())
}

fn bad(path: &PathBytes, why: &str) -> Error {
    Error::usage("bad_entry", format!("The application gave an entry that cannot be kept: {path}")).because(why)
}
