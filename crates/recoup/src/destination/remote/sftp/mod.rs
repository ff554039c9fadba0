//! A folder of an SFTP server. An object is a file; folders are made as needed, 0700, files are 0600; names with a leading
//! dot are ours or somebody else's, never objects. Nothing is ever replaced: a part file gets its name by a hard link, or
//! by a rename, which version 3 refuses when the name is taken.
//!
//! Not here: the connection (`connection`, `pool`) and how objects flow (`transfer`).

mod connection;
mod pool;
mod transfer;

use std::io::Read;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use russh_sftp::client::RawSftpSession;
use russh_sftp::protocol::{File, FileAttributes, StatusCode};

use self::connection::{Answer, Connection, failed, missing, status, withheld};
use self::pool::Pool;
use self::transfer::{Downloading, Uploading};
use super::failure::{self, Step};
use super::{Content, Protocol, Unfinished, Upload};
use crate::destination::ObjectInfo;
use crate::error::Result;
use crate::model::destination::{self, Limits};

/// Between the name that a part file will have and what makes it unique.
const PART: &str = ".part-";
/// Folders that are looked through at once.
const AT_ONCE: usize = 16;

/// A folder of an SFTP server.
pub(super) struct Sftp {
    pool: Arc<Pool>,
    /// Ends with `/` or is empty.
    root: String,
}

impl Sftp {
    /// Without connecting.
    pub fn new(to: &destination::Sftp, limits: &Limits) -> Result<Self> {
        let root = match to.path.trim_end_matches('/') {
            "" if to.path.starts_with('/') => "/".to_owned(),
            "" | "." => String::new(),
            path => format!("{path}/"),
        };
        Ok(Sftp { pool: Pool::new(to.clone(), limits.clone())?, root })
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.root)
    }

    /// Where an object is written before it has its name.
    fn part_of(&self, key: &str) -> String {
        let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{}{folder}{slash}.{name}{PART}{}", self.root, ulid::Ulid::generate())
    }

    /// Another part file for the same object.
    fn another(&self, part: &str) -> String {
        let name = part.rsplit_once(PART).map_or(part, |(name, _)| name);
        format!("{name}{PART}{}", ulid::Ulid::generate())
    }

    /// Everything below the folder of a prefix.
    fn walk(&self, prefix: &str) -> Step<Vec<Found>> {
        let below = prefix.rfind('/').and_then(|end| prefix.get(..=end)).unwrap_or("");
        self.pool.with(|on| walk(on, &self.root, below))
    }
}

impl Protocol for Sftp {
    fn describe(&self) -> String {
        let to = self.pool.to();
        let port = if to.port == 22 { String::new() } else { format!(":{}", to.port) };
        // Relative to where the server puts us: draft-ietf-secsh-scp-sftp-ssh-uri-04, section 3.
        let home = if self.root.starts_with('/') { "" } else { "/~/" };
        format!("sftp://{}@{}{port}{home}{}", to.user, to.host, self.root.trim_end_matches('/'))
    }

    fn begin<'a>(&'a self, key: &str, content: &'a Content<'a>) -> Step<Box<dyn Upload + 'a>> {
        Ok(Box::new(Uploading::new(self, key, content)))
    }

    fn read(&self, key: &str, from: u64) -> Step<Box<dyn Read + Send>> {
        Ok(Box::new(Downloading::open(&self.pool, self.path(key), from)?))
    }

    fn find(&self, key: &str) -> Step<Option<ObjectInfo>> {
        let path = self.path(key);
        self.pool.with(|on| match on.ask(on.raw.lstat(path.as_str())) {
            Ok(found) if found.attrs.file_type().is_file() => Ok(Some(object(key.to_owned(), &found.attrs))),
            Ok(_) => Ok(None),
            Err(error) if missing(&error) => Ok(None),
            Err(error) => Err(failed(error, format!("looking for {path}"))),
        })
    }

    fn list(&self, prefix: &str) -> Step<Vec<ObjectInfo>> {
        let found = self.walk(prefix)?.into_iter();
        Ok(found.filter(|found| !found.name().starts_with('.')).map(|found| object(found.key, &found.attrs)).collect())
    }

    fn delete(&self, key: &str) -> Step<()> {
        self.remove(self.path(key))
    }

    fn free_bytes(&self) -> Step<Option<u64>> {
        self.pool.with(|on| free_bytes(on, &self.root))
    }

    fn unfinished(&self) -> Step<Vec<Unfinished>> {
        let parts = self.walk("")?.into_iter().filter_map(|found| {
            let (name, unique) = found.name().strip_prefix('.')?.rsplit_once(PART)?;
            ulid::Ulid::from_string(unique).ok()?;
            let folder = found.key.strip_suffix(found.name()).unwrap_or_default();
            Some(Unfinished { key: format!("{folder}{name}"), begun: modified(&found.attrs), id: found.key.clone() })
        });
        Ok(parts.collect())
    }

    fn remove_unfinished(&self, upload: &Unfinished) -> Step<()> {
        self.remove(self.path(&upload.id))
    }
}

impl Sftp {
    fn remove(&self, path: String) -> Step<()> {
        self.pool.with(|on| match on.ask_slowly(on.raw.remove(path.as_str())) {
            Ok(_) => Ok(()),
            Err(error) if missing(&error) => Ok(()),
            // A folder is no object.
            Err(error) if status(&error) == Some(StatusCode::Failure) && is_folder(on, &path) => Ok(()),
            Err(error) if status(&error) == Some(StatusCode::PermissionDenied) => {
                Err(failure::kept(error.to_string(), &format!("removing {path}")))
            }
            Err(error) => Err(failed(error, format!("removing {path}"))),
        })
    }
}

fn is_folder(on: &Connection, path: &str) -> bool {
    on.ask(on.raw.lstat(path)).is_ok_and(|found| found.attrs.file_type().is_dir())
}

fn modified(attrs: &FileAttributes) -> Timestamp {
    Timestamp::from_second(attrs.mtime.unwrap_or(0).into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn object(key: String, attrs: &FileAttributes) -> ObjectInfo {
    ObjectInfo { key, bytes: attrs.size.unwrap_or(0), modified: modified(attrs) }
}

/// Makes the folders above a path, as far as they can be made; who needs them notices.
fn make_folders(on: &Connection, path: &str) {
    let private = FileAttributes { permissions: Some(0o700), ..FileAttributes::empty() };
    for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0) {
        if let Some(folder) = path.get(..end) {
            let _ = on.ask(on.raw.mkdir(folder, private.clone()));
        }
    }
}

/// What is free where a path is, or would be.
fn free_bytes(on: &Connection, path: &str) -> Step<Option<u64>> {
    if !on.offers("statvfs@openssh.com") {
        return Ok(None);
    }
    let mut path = path;
    loop {
        let asked = if path.is_empty() { "." } else { path };
        match on.ask(on.raw.statvfs(asked)) {
            Ok(free) => return Ok(Some(free.fragment_size.saturating_mul(free.blocks_avail))),
            Err(error) if missing(&error) && asked != "." => {
                path = path.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
            }
            Err(error) if withheld(&error) => return Ok(None),
            Err(error) => return Err(failed(error, format!("asking what is free at {asked}"))),
        }
    }
}

/// A file that was found.
struct Found {
    /// Below the root.
    key: String,
    attrs: FileAttributes,
}

impl Found {
    fn name(&self) -> &str {
        self.key.rsplit_once('/').map_or(&self.key, |(_, name)| name)
    }
}

/// Every file below a folder, dotted folders and links left out. A folder that goes meanwhile had nothing finished in it.
fn walk(on: &Connection, root: &str, below: &str) -> Step<Vec<Found>> {
    let mut found = Vec::new();
    let mut todo = vec![below.to_owned()];
    let mut looking = FuturesUnordered::new();
    loop {
        while looking.len() < AT_ONCE
            && let Some(folder) = todo.pop()
        {
            let (raw, path) = (on.raw.clone(), format!("{root}{folder}"));
            looking.push(async move { (read_folder(&raw, path).await, folder) });
        }
        if looking.is_empty() {
            return Ok(found);
        }
        let (entries, folder) = match on.ask(async { Ok(looking.next().await) }) {
            Ok(Some((Ok(entries), folder))) => (entries, folder),
            Ok(Some((Err(error), _))) if missing(&error) => continue,
            Ok(Some((Err(error), folder))) => return Err(failed(error, format!("listing {root}{folder}"))),
            Ok(None) => continue,
            Err(error) => return Err(failed(error, format!("listing {root}{below}"))),
        };
        for entry in entries {
            let key = format!("{folder}{}", entry.filename);
            match entry.attrs.file_type() {
                kind if kind.is_dir() && !entry.filename.starts_with('.') => todo.push(format!("{key}/")),
                kind if kind.is_file() => found.push(Found { key, attrs: entry.attrs }),
                _ => {}
            }
        }
    }
}

async fn read_folder(raw: &RawSftpSession, path: String) -> Answer<Vec<File>> {
    let path = if path.is_empty() { ".".to_owned() } else { path };
    let handle = raw.opendir(path).await?.handle;
    let mut entries = Vec::new();
    let end = loop {
        match raw.readdir(handle.as_str()).await {
            Ok(name) => entries.extend(name.files),
            Err(error) => break error,
        }
    };
    if status(&end) != Some(StatusCode::Eof) {
        return Err(end);
    }
    raw.close(handle).await?;
    Ok(entries)
}
