//! A look at a path before a plan names it: is it there, may it be read, what is it. Nothing is written and no database is
//! touched but through SQLite. And a search for databases below the folders that may be named.

use std::collections::VecDeque;
use std::io::ErrorKind as Io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::site::Site;
use super::{Actor, Engine, blocking};
use crate::error::{Error, Result};
use crate::model::user::Role;
use crate::sqlite::facts;
use crate::sqlite::location;
use crate::sqlite::open::{Opened, sidecar};

/// How long somebody who writes is waited for.
const BUSY: Duration = Duration::from_secs(1);
/// Databases of a folder that are told, and files of it that are looked at for them.
const TOLD: usize = 20;
const LOOKED_AT: usize = 2000;

/// How deep a search goes, how many entries it looks at, and how many databases it tells.
const DEPTH: usize = 6;
const SEARCHED: usize = 50_000;
const FOUND: usize = 50;
/// Folders that hold no data of an application.
const PASSED: [&str; 4] = ["node_modules", "proc", "sys", "lost+found"];

/// Databases that a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Where it looked.
    pub folders: Vec<PathBuf>,
    /// What was written to last comes first: path, length, last change.
    pub databases: Vec<(PathBuf, u64, Option<Timestamp>)>,
    /// There may be more than is told.
    pub more: bool,
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Nothing.
    Missing,
    /// Something that the daemon may not read; why.
    Unreadable(String),
    /// A SQLite database with so many tables.
    Database(usize),
    /// A folder, with the databases that lie in it.
    Directory(Vec<(PathBuf, u64)>),
    /// Another file.
    File,
}

/// A path that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// As a plan would mean it: absolute.
    pub path: PathBuf,
    /// What lies there.
    pub sight: Sight,
    /// Length of a file in bytes.
    pub bytes: u64,
}

impl Engine {
    /// Looks at a path as a plan would name it; who is no admin below the roots only. Errors: `outside_roots`.
    pub async fn look_at(&self, who: &Actor, path: &str) -> Result<Looked> {
        who.must_be(Role::Operator)?;
        let (site, text, role) = (self.site.clone(), path.to_owned(), who.role);
        blocking(move || site.look_at(&text, role)).await
    }

    /// Searches for databases below the roots; where there are none, an admin's search is below the folder of recoup.toml.
    pub async fn find_databases(&self, who: &Actor) -> Result<Found> {
        who.must_be(Role::Operator)?;
        let (site, role) = (self.site.clone(), who.role);
        blocking(move || Ok(site.find_databases(role))).await
    }
}

impl Site {
    fn find_databases(&self, role: Role) -> Found {
        let settings = self.settings();
        let mut folders = self.roots();
        if folders.is_empty() && role == Role::Admin && settings.file.is_some() {
            folders.push(settings.base.clone());
        }
        // What Recoup keeps itself is not what it is to protect.
        let own = |path: &Path| {
            path == self.data || settings.destinations.iter().any(|destination| destination.path() == Some(path))
        };
        let mut found = Found { folders: folders.clone(), ..Found::default() };
        let mut waiting: VecDeque<(PathBuf, usize)> = folders.into_iter().map(|folder| (folder, 0)).collect();
        let mut candidates = Vec::new();
        let mut seen = 0;
        while let Some((folder, depth)) = waiting.pop_front() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                seen += 1;
                if seen > SEARCHED {
                    found.more = true;
                    waiting.clear();
                    break;
                }
                let name = entry.file_name().to_string_lossy().into_owned();
                // Not following links: what they lead to is found where it is, or is outside.
                let Ok(kind) = entry.file_type() else { continue };
                let path = entry.path();
                if kind.is_dir() && !name.starts_with('.') && !PASSED.contains(&name.as_str()) && !own(&path) {
                    match depth < DEPTH {
                        true => waiting.push_back((path, depth + 1)),
                        false => found.more = true,
                    }
                } else if kind.is_file() && (named_so(&path) || has_log(&path)) {
                    candidates.extend(entry.metadata().ok().map(|meta| (meta.modified().ok(), path, meta.len())));
                }
            }
        }
        candidates.sort_by(|a, b| b.cmp(a));
        for (changed, path, bytes) in candidates {
            if tables(&path).is_err() {
                continue;
            }
            if found.databases.len() == FOUND {
                found.more = true;
                break;
            }
            let changed = changed.and_then(|changed| Timestamp::try_from(changed).ok());
            found.databases.push((path, bytes, changed));
        }
        found
    }

    fn look_at(&self, text: &str, role: Role) -> Result<Looked> {
        let path = location::parse(text, &self.settings().base)?.path;
        if role != Role::Admin {
            self.is_within_roots(&path)?;
        }
        let bytes = std::fs::metadata(&path).map(|meta| if meta.is_file() { meta.len() } else { 0 });
        let sight = match &bytes {
            Err(error) if matches!(error.kind(), Io::NotFound | Io::NotADirectory) => Sight::Missing,
            Err(_) => Sight::Unreadable(why(&path)),
            Ok(_) => sight(&path),
        };
        Ok(Looked { path, sight, bytes: bytes.unwrap_or(0) })
    }
}

fn sight(path: &Path) -> Sight {
    if path.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else { return Sight::Unreadable(why(path)) };
        let mut names: Vec<PathBuf> = entries.flatten().take(LOOKED_AT).map(|entry| entry.path()).collect();
        names.sort();
        let found =
            names.iter().filter(|path| named_so(path) && path.is_file()).filter(|path| tables(path).is_ok()).take(TOLD);
        let found = found.map(|path| (path.clone(), std::fs::metadata(path).map_or(0, |meta| meta.len())));
        return Sight::Directory(found.collect());
    }
    match tables(path) {
        Ok(count) => Sight::Database(count),
        Err(error) if error.code() == "not_a_database" => readable(path),
        // A database all the same: it is busy, or wants something before it can be read.
        Err(error) if rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok() => {
            Sight::Unreadable(format!("{error}"))
        }
        Err(_) => Sight::Unreadable(why(path)),
    }
}

/// Whether a name is one that databases have. Their first bytes are not looked at: closing a descriptor of our own would drop
/// the locks that SQLite has on the file in this process.
fn named_so(path: &Path) -> bool {
    let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
    ["db", "db3", "sqlite", "sqlite3"].contains(&end.as_str())
}

/// Whether a write-ahead log lies beside it, so that it is a database whatever it is called.
fn has_log(path: &Path) -> bool {
    sidecar(path, "-wal").is_file()
}

fn tables(path: &Path) -> Result<usize> {
    let opened = Opened::open(path, BUSY)?;
    if facts::objects(opened.connection())? == 0 {
        return Err(Error::usage("not_a_database", "There is no table in it"));
    }
    Ok(facts::tables(opened.connection())?.len())
}

fn readable(path: &Path) -> Sight {
    match rustix::fs::access(path, rustix::fs::Access::READ_OK) {
        Ok(()) => Sight::File,
        Err(_) => Sight::Unreadable(why(path)),
    }
}

/// Whose it is and who we are, as far as that can be told.
fn why(path: &Path) -> String {
    let us = rustix::process::geteuid().as_raw();
    match std::fs::metadata(path) {
        Ok(meta) => {
            format!("Recoup runs as uid {us}; it belongs to uid {} with mode {:03o}", meta.uid(), meta.mode() & 0o777)
        }
        Err(_) => format!("Recoup runs as uid {us}, which may not look into a folder on the way"),
    }
}
