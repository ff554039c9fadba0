//! What a source emits: entries with a path, a kind and what the file system knows of them. The same
//! shape is written to the contents list of a backup (`docs/formats.md`), one JSON line per entry.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as the file system has it: any bytes but NUL. In JSON a string when it is UTF-8, else
/// `{"base64": "…"}`, so that no name is ever changed by being written down.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathBytes(pub Vec<u8>);

impl PathBytes {
    /// The bytes of a path.
    pub fn new(path: impl AsRef<Path>) -> Self {
        PathBytes(path.as_ref().as_os_str().as_bytes().to_vec())
    }
    /// The path for the file system.
    pub fn to_path_buf(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(self.0.clone()))
    }
    /// The path for the file system, borrowed.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

impl fmt::Display for PathBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_path().display(), f)
    }
}
impl fmt::Debug for PathBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_path(), f)
    }
}
impl From<&str> for PathBytes {
    fn from(text: &str) -> Self {
        PathBytes(text.as_bytes().to_vec())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PathJson {
    Text(String),
    #[serde(rename_all = "lowercase")]
    Bytes {
        base64: String,
    },
}

impl Serialize for PathBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => PathJson::Bytes { base64: BASE64.encode(&self.0) }.serialize(serializer),
        }
    }
}
impl<'de> Deserialize<'de> for PathBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PathJson::deserialize(deserializer)? {
            PathJson::Text(text) => Ok(PathBytes(text.into_bytes())),
            PathJson::Bytes { base64 } => {
                BASE64.decode(base64.as_bytes()).map(PathBytes).map_err(serde::de::Error::custom)
            }
        }
    }
}

/// What kind of thing an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Bytes.
    File,
    /// A directory, empty or not.
    Directory,
    /// A symbolic link, kept as a link and never followed.
    Symlink,
    /// A second name of a file that was emitted before; `target` names it.
    Hardlink,
}

/// One entry of a source. Paths are relative to the source and use `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative path; empty for the root of a directory source.
    pub path: PathBytes,
    /// What it is.
    pub kind: EntryKind,
    /// Length in bytes of a file, 0 for everything else.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// Permission bits, without the file type: `0o644`.
    pub mode: u32,
    /// Modification time in nanoseconds since 1970-01-01T00:00Z.
    pub mtime_ns: i64,
    /// Owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// Where a symbolic link points (as stored in the link), or which entry a hard link is another name of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBytes>,
    /// SHA-256 of a file's bytes in lower-case hex; absent until the bytes have been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file was a SQLite database: its bytes are a consistent copy taken through SQLite.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sqlite: bool,
    /// The file has holes; a restore may make them again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sparse: bool,
}

impl Entry {
    /// A file entry with mode 0600 and no times, for data that has no file of its own.
    pub fn file(path: impl Into<PathBytes>, size: u64) -> Self {
        Entry {
            path: path.into(),
            kind: EntryKind::File,
            size,
            mode: 0o600,
            mtime_ns: 0,
            uid: None,
            gid: None,
            target: None,
            sha256: None,
            sqlite: false,
            sparse: false,
        }
    }
}

/// The bytes of an entry on their way to a [`Sink`].
pub enum Content<'a> {
    /// The entry has no bytes: a directory or a link.
    None,
    /// A finished private copy in staging. The sink may read it or move it away.
    Staged(&'a Path),
    /// Bytes to be read now, once.
    Stream(&'a mut dyn Read),
}

/// Receives what a source emits, in order. Implemented by every format's writer, by scratch trees and by
/// the comparison with live data.
pub trait Sink {
    /// Takes one entry with its bytes. A file's bytes must be read to their end; their number may differ
    /// from `entry.size`, which is then only what the file system announced.
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> crate::error::Result<()>;

    /// Takes back the last file entry, because the file changed while it was read; it is emitted again or
    /// not at all. Called at most once after an entry and before the next.
    fn retract(&mut self) -> crate::error::Result<()>;
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}
fn is_false(b: &bool) -> bool {
    !*b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_survives_json() {
        for name in [&b"plain"[..], b"caf\xe9", b"\xff\xfe/x", b"new\nline"] {
            let path = PathBytes(name.to_vec());
            let json = serde_json::to_string(&path).unwrap_or_default();
            assert_eq!(serde_json::from_str::<PathBytes>(&json).ok(), Some(path));
        }
    }
}
