//! The source *application*: entries that the embedding application gives, through an object made afresh for
//! every backup. They are spooled to staging while the application dumps, and emitted from there.
//!
//! Not here: what an application would dump.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Emitted, Presence, Scope, Source, SourceFactory};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, Entry, EntryKind, PartKind, PathBytes, Sink};
use crate::progress::Context;

/// What an application implements to give its data itself.
pub trait Dump: Send {
    /// Gives every entry to `sink`. Paths are relative and have no `.` or `..`; the root and folders that are
    /// not given are made.
    fn dump(&mut self, sink: &mut dyn Sink) -> Result<()>;
}

/// A source of an application's own; `make` is called once per backup, so runs share no state.
pub fn application<F>(name: &str, make: F) -> SourceFactory
where
    F: Fn() -> Result<Box<dyn Dump>> + Send + Sync + 'static,
{
    let name = name.to_owned();
    Arc::new(move || Ok(Box::new(ApplicationSource { name: name.clone(), dump: make()?, spooled: Vec::new() })))
}

struct ApplicationSource {
    name: String,
    dump: Box<dyn Dump>,
    spooled: Vec<(Entry, Option<PathBuf>)>,
}

impl Source for ApplicationSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Application
    }

    fn origin(&self) -> Option<PathBytes> {
        None
    }

    fn estimate(&self) -> u64 {
        self.spooled.iter().map(|(entry, _)| entry.size).sum()
    }

    fn begin(&mut self, _scope: &Scope) -> Result<Presence> {
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        let folder = scope.staging.join(format!("{}.spool", self.name.replace('/', "_")));
        fs::create_dir(&folder).map_err(|e| Error::at("creating", &folder, e))?;
        let mut spool = Spool { folder, entries: Vec::new(), context: &scope.context };
        self.dump.dump(&mut spool)?;
        let mut entries = spool.entries;
        if entries.is_empty() {
            return Err(Error::new(ErrorKind::Failed, "source_empty", format!("{} gave nothing", self.name))
                .hint("an empty dump is never a good backup"));
        }
        complete(&mut entries)?;
        self.spooled = entries;
        Ok(())
    }

    fn emit(&mut self, _scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        for (entry, path) in std::mem::take(&mut self.spooled) {
            match path {
                None => sink.entry(&entry, Content::None)?,
                Some(path) => {
                    sink.entry(&entry, Content::Staged(&path))?;
                    let _ = fs::remove_file(path);
                }
            }
        }
        Ok(Emitted::default())
    }
}

/// Depth-first order, every folder there and before its contents, no path twice.
fn complete(entries: &mut Vec<(Entry, Option<PathBuf>)>) -> Result<()> {
    let folder =
        |path: Vec<u8>| (Entry { kind: EntryKind::Directory, mode: 0o700, ..Entry::file(PathBytes(path), 0) }, None);
    let mut known: std::collections::BTreeSet<Vec<u8>> = Default::default();
    for (entry, _) in entries.iter() {
        if !known.insert(entry.path.0.clone()) {
            return Err(bad(&entry.path, "is given twice"));
        }
    }
    let parents: std::collections::BTreeSet<Vec<u8>> = entries
        .iter()
        .flat_map(|(entry, _)| {
            let path = &entry.path.0;
            (0..path.len()).filter(|at| path[*at] == b'/').map(|at| path[..at].to_vec()).collect::<Vec<_>>()
        })
        .chain([Vec::new()])
        .collect();
    entries.extend(parents.into_iter().filter(|path| !known.contains(path)).map(folder));
    entries.sort_by(|(a, _), (b, _)| names(&a.path).cmp(names(&b.path)));
    let files = entries.iter().filter(|(entry, _)| entry.kind != EntryKind::Directory);
    let files: std::collections::BTreeSet<&[u8]> = files.map(|(entry, _)| entry.path.0.as_slice()).collect();
    for (entry, _) in entries.iter() {
        let path = &entry.path.0;
        if (0..path.len()).any(|at| path[at] == b'/' && files.contains(&path[..at])) {
            return Err(bad(&entry.path, "lies below something that is not a folder"));
        }
    }
    Ok(())
}

/// The root has no names, everything else the parts of its path.
fn names(path: &PathBytes) -> impl Iterator<Item = &[u8]> {
    path.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

fn bad(path: &PathBytes, why: &str) -> Error {
    Error::usage("bad_entry", format!("The application's entry {path} {why}"))
}

struct Spool<'a> {
    folder: PathBuf,
    entries: Vec<(Entry, Option<PathBuf>)>,
    context: &'a Context,
}

impl Sink for Spool<'_> {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        self.context.check()?;
        let path = &entry.path;
        let leads_elsewhere = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.contains(&0);
        if !path.0.is_empty() && path.0.split(|byte| *byte == b'/').any(leads_elsewhere) {
            return Err(bad(path, "leads elsewhere"));
        }
        if path.0.is_empty() && entry.kind != EntryKind::Directory {
            return Err(bad(path, "has no name"));
        }
        let mut entry = entry.clone();
        let spooled = self.folder.join(self.entries.len().to_string());
        let mut from: Box<dyn Read + '_> = match (entry.kind, content) {
            (EntryKind::File, Content::Stream(stream)) => Box::new(stream),
            (EntryKind::File, Content::Staged(path)) => {
                Box::new(File::open(path).map_err(|e| Error::at("opening", path, e))?)
            }
            (EntryKind::File, Content::None) => Box::new(io::empty()),
            _ => {
                self.entries.push((entry, None));
                return Ok(());
            }
        };
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(&spooled);
        let mut file = file.map_err(|e| Error::at("creating", &spooled, e))?;
        entry.size = io::copy(&mut from, &mut file).map_err(|e| Error::at("spooling", &spooled, e))?;
        self.context.advance(entry.size)?;
        self.entries.push((entry, Some(spooled)));
        Ok(())
    }

    fn retract(&mut self) -> Result<()> {
        if let Some((_, Some(path))) = self.entries.pop() {
            fs::remove_file(&path).map_err(|e| Error::at("removing", &path, e))?;
        }
        Ok(())
    }
}
