//! A look at a path before a plan names it: is it there, may it be read, what is it. Nothing is written and no database is
//! touched but through SQLite.

use std::io::ErrorKind as Io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::site::Site;
use super::{Actor, Engine, blocking};
use crate::error::{Error, Result};
use crate::model::user::Role;
use crate::sqlite::facts;
use crate::sqlite::location;
use crate::sqlite::open::Opened;

/// How long somebody who writes is waited for.
const BUSY: Duration = Duration::from_secs(1);
/// Databases of a folder that are told, and files of it that are looked at for them.
const TOLD: usize = 20;
const LOOKED_AT: usize = 2000;

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
}

impl Site {
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
        let named_so = |path: &&PathBuf| {
            let end = path.extension().and_then(|end| end.to_str()).unwrap_or_default().to_ascii_lowercase();
            ["db", "db3", "sqlite", "sqlite3"].contains(&end.as_str()) && path.is_file()
        };
        let found = names.iter().filter(named_so).filter(|path| tables(path).is_ok()).take(TOLD);
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
