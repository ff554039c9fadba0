//! What of a backup is restored and where to: names as a person gives them become parts and targets.
//!
//! Not here: looking at what lies at the targets.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{DatabaseSpec, DirectorySpec, FileSpec, Manifest, Part, PartKind, SourceSpec};
use crate::sqlite::location;

/// How much of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// All of it.
    Whole,
    /// One table of a database.
    Table(String),
    /// One file of a directory, by its path relative to it.
    File(Vec<u8>),
}

/// A part that is wanted.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// Which.
    pub part: &'a Part,
    /// How much of it.
    pub piece: Piece,
}

/// The parts that `only` names: `shop`, `shop:orders` (a table), `pictures/a/b.jpg` (a file, and others of the same tree
/// beside it). All that the backup holds when `only` is empty.
pub fn choose<'a>(manifest: &'a Manifest, only: &[String]) -> Result<Vec<Choice<'a>>> {
    if only.is_empty() {
        return Ok(manifest.parts.iter().map(|part| Choice { part, piece: Piece::Whole }).collect());
    }
    let mut chosen: Vec<Choice<'a>> = Vec::new();
    for wanted in only {
        let choice = find(manifest, wanted)?;
        if choice.part.absent {
            let text = format!("{wanted} was not there when the backup was made");
            return Err(Error::new(ErrorKind::NotFound, "part_missing", text));
        }
        // Several files of a tree stand beside each other; everything else has room for one piece.
        let apart = |other: &Choice<'_>| matches!((&other.piece, &choice.piece), (Piece::File(one), Piece::File(two)) if one != two);
        if let Some(other) = chosen.iter().find(|other| other.part.name == choice.part.name && !apart(other)) {
            let text = format!("{} is named twice", other.part.name);
            return Err(Error::usage("named_twice", text).hint("restore the pieces one after the other"));
        }
        chosen.push(choice);
    }
    Ok(chosen)
}

fn find<'a>(manifest: &'a Manifest, wanted: &str) -> Result<Choice<'a>> {
    let part = |name: &str| manifest.parts.iter().find(|part| part.name == name);
    if let Some(part) = part(wanted) {
        return Ok(Choice { part, piece: Piece::Whole });
    }
    if let Some((name, table)) = wanted.split_once(':')
        && let Some(part) = part(name).filter(|part| part.kind == PartKind::Database)
    {
        return Ok(Choice { part, piece: Piece::Table(table.to_owned()) });
    }
    for (at, _) in wanted.match_indices('/') {
        let (name, path) = (&wanted[..at], wanted[at + 1..].trim_end_matches('/'));
        if let Some(part) = part(name).filter(|part| part.directory.is_some() && !path.is_empty()) {
            return Ok(Choice { part, piece: Piece::File(path.as_bytes().to_vec()) });
        }
    }
    let names: Vec<&str> = manifest.parts.iter().map(|part| part.name.as_str()).collect();
    Err(Error::new(ErrorKind::NotFound, "part_missing", format!("The backup has no part {wanted}"))
        .hint(format!("it has: {}; database:table and directory/file name less than a part", names.join(", "))))
}

/// Where the parts of a backup belong, by name.
#[derive(Debug, Clone, Default)]
pub struct Places {
    places: HashMap<String, PathBuf>,
    specs: HashMap<String, SourceSpec>,
    base: PathBuf,
}

impl Places {
    /// Where the backup says that its parts came from.
    pub fn origins(manifest: &Manifest) -> Self {
        let mut places = Places::default();
        for part in &manifest.parts {
            if let Some(origin) = &part.origin {
                places.places.insert(part.name.clone(), origin.to_path_buf());
            }
        }
        places
    }

    /// The same, but a source that the plan still has is where the plan says now. Relative paths are meant from
    /// `base`.
    pub fn of_plan(manifest: &Manifest, sources: &[SourceSpec], base: &Path) -> Result<Self> {
        let mut places = Places { base: base.to_owned(), ..Places::origins(manifest) };
        for spec in sources {
            let name = spec.name().to_owned();
            let path = match spec {
                SourceSpec::Database(DatabaseSpec { location, .. }) => Some(location::parse(location, base)?.path),
                SourceSpec::Directory(DirectorySpec { path, .. }) | SourceSpec::File(FileSpec { path, .. }) => {
                    Some(base.join(path))
                }
                SourceSpec::Settings(_) | SourceSpec::Command(_) => None,
            };
            if let Some(path) = path {
                places.places.insert(name.clone(), path);
            }
            places.specs.insert(name, spec.clone());
        }
        places.adopt_the_only_ones(manifest, sources);
        Ok(places)
    }

    /// A part that does not say where it came from goes where the plan's source is, when each side has one of that kind
    /// that the other does not know: an archive from elsewhere calls its database what it likes.
    fn adopt_the_only_ones(&mut self, manifest: &Manifest, sources: &[SourceSpec]) {
        let kind = |spec: &SourceSpec| match spec {
            SourceSpec::Database(_) => PartKind::Database,
            SourceSpec::Directory(_) => PartKind::Directory,
            SourceSpec::File(_) => PartKind::File,
            SourceSpec::Settings(_) => PartKind::Settings,
            SourceSpec::Command(_) => PartKind::Command,
        };
        for wanted in [PartKind::Database, PartKind::Directory, PartKind::File, PartKind::Settings] {
            let known = |name: &str| sources.iter().any(|spec| spec.name() == name);
            let mut parts =
                manifest.parts.iter().filter(|part| part.kind == wanted && part.origin.is_none() && !known(&part.name));
            let mut specs = sources
                .iter()
                .filter(|spec| kind(spec) == wanted && !manifest.parts.iter().any(|part| part.name == spec.name()));
            if let (Some(part), None, Some(spec), None) = (parts.next(), parts.next(), specs.next(), specs.next()) {
                if let Some(place) = self.places.get(spec.name()).cloned() {
                    self.places.insert(part.name.clone(), place);
                }
                self.specs.insert(part.name.clone(), spec.clone());
            }
        }
    }

    /// The spec of a part's source, when the plan still has it.
    pub fn spec(&self, part: &str) -> Option<&SourceSpec> {
        self.specs.get(part)
    }

    /// Where a part belongs: absolute, links resolved as far as the path exists, so that a link stays a link and what
    /// it leads to is replaced. `None` for what has no place in the file system.
    pub fn target(&self, part: &Part) -> Result<Option<PathBuf>> {
        let Some(path) = self.places.get(&part.name) else { return Ok(None) };
        let path = std::path::absolute(path).map_err(|e| Error::at("finding", path, e))?;
        resolve(&path).map(Some)
    }

    /// From where the plan's relative paths are meant.
    pub fn base(&self) -> &Path {
        if self.base.as_os_str().is_empty() { Path::new("/") } else { &self.base }
    }

    /// Every place, of all parts.
    pub fn all(&self) -> impl Iterator<Item = (&String, &PathBuf)> {
        self.places.iter()
    }
}

/// Resolves links; of a path that does not exist, those of the part that does, and where a dangling link leads.
///
/// Errors: a circle of links leads nowhere; `foreign_link` when another user's link leads to something that is not that
/// user's: whoever restores as root would write wherever the link says.
pub fn resolve(path: &Path) -> Result<PathBuf> {
    // As many links as Linux follows (path_resolution(7)).
    follow(path, &mut 40)
}

fn follow(path: &Path, left: &mut u32) -> Result<PathBuf> {
    let at = |error| Error::at("finding", path, error);
    let mut real = PathBuf::from("/");
    for part in path.components() {
        let next = match part {
            Component::Normal(name) => real.join(name),
            Component::ParentDir => {
                real.pop();
                continue;
            }
            _ => continue,
        };
        match fs::symlink_metadata(&next) {
            Ok(meta) if meta.is_symlink() => {
                *left = left.checked_sub(1).ok_or_else(|| at(rustix::io::Errno::LOOP.into()))?;
                let target = fs::read_link(&next).map_err(at)?;
                let found = follow(&real.join(target), left)?;
                let owner = |path: &Path| fs::symlink_metadata(path).map(|meta| meta.uid());
                let leads = found.ancestors().find_map(|path| owner(path).ok());
                if ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid()) && leads != Some(meta.uid()) {
                    return Err(foreign(&next, &found, meta.uid()));
                }
                real = found;
            }
            Ok(_) => real = next,
            Err(error) if error.kind() == io::ErrorKind::NotFound => real = next,
            Err(error) => return Err(at(error)),
        }
    }
    Ok(real)
}

fn foreign(link: &Path, to: &Path, owner: u32) -> Error {
    let text = format!("{} is a link of another user (uid {owner}) to what is not theirs", link.display());
    Error::new(ErrorKind::Denied, "foreign_link", text)
        .hint(format!("if it is meant so, name {} in the plan, or let that user restore", to.display()))
}
