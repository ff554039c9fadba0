//! What a backup is: its identity and its manifest, the document that is written last and without which
//! there is no backup. This is the shape on the destination (`docs/formats.md`); it only ever gains
//! optional fields within a version. How it is written and read durably is [`crate::store`].

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Plan;
use super::audit::Head;
use super::encryption::Encryption;
use super::entry::PathBytes;
use super::history::History;
use crate::error::{Error, ErrorKind, Result};

/// The manifest version that this build writes.
pub const MANIFEST_VERSION: u32 = 1;
/// The version of an encrypted one.
pub const SEALED_VERSION: u32 = 2;
/// The version of one whose bytes are in a history, and the newest that this build reads.
pub const HISTORY_VERSION: u32 = 3;

/// Identity of a backup: a ULID, 26 characters of Crockford base 32. Time-ordered and unique without
/// coordination; file names carry its last six characters in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(String);

impl BackupId {
    /// A new id for a backup made at `now`.
    pub fn generate(now: Timestamp) -> Self {
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let fresh = ulid::Ulid::generate();
        BackupId(ulid::Ulid::from_parts(ms, fresh.random()).to_string())
    }
    /// All 26 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// When it was given, to the millisecond.
    pub fn moment(&self) -> Timestamp {
        let ms = ulid::Ulid::from_string(&self.0).map_or(0, |id| id.timestamp_ms());
        Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
    }
    /// The six characters that file names carry.
    pub fn tail(&self) -> String {
        self.0[20..].to_ascii_lowercase()
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl FromStr for BackupId {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match ulid::Ulid::from_string(text) {
            Ok(ulid) => Ok(BackupId(ulid.to_string())),
            Err(_) => Err(Error::usage("bad_backup_id", format!("Not a backup id: {text}"))),
        }
    }
}
impl TryFrom<String> for BackupId {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}
impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.0
    }
}

/// Why a backup exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A schedule asked for it.
    Scheduled,
    /// A person or a script asked for it.
    Manual,
    /// Made of what a restore was about to replace; protected.
    PreRestore,
    /// Made before a deployment or a migration; protected.
    PreMigration,
    /// Brought here by upload.
    Upload,
}

impl Kind {
    /// Kinds that retention never removes by itself.
    pub fn is_protected(self) -> bool {
        matches!(self, Kind::PreRestore | Kind::PreMigration)
    }
}

/// The shape of a backup's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One ZIP with everything.
    Archive,
    /// One SQLite file.
    Database,
    /// One JSON document, lossless.
    Json,
    /// One ZIP with a CSV file per table; an export, not restorable.
    Csv,
    /// `database` and `json` side by side.
    Both,
}

/// How much was proven. Each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every byte read back, every hash equal.
    Checksum,
    /// Databases opened: `integrity_check`, foreign keys, facts equal the manifest.
    Integrity,
    /// Restored to scratch and compared.
    Restore,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $type {
            /// The word used in manifests, on the command line and in the API.
            pub fn word(self) -> &'static str {
                match self { $($type::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.word()) }
        }
        impl FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($word => Ok($type::$variant),)+
                    _ => Err(Error::usage(
                        concat!("bad_", stringify!($type)),
                        format!("Unknown {}: {text}", stringify!($type).to_lowercase()),
                    ).hint(concat!("one of:" $(, " ", $word)+))),
                }
            }
        }
    };
}
words!(Kind { Scheduled = "scheduled", Manual = "manual", PreRestore = "pre_restore", PreMigration = "pre_migration", Upload = "upload" });
words!(Format { Archive = "archive", Database = "database", Json = "json", Csv = "csv", Both = "both" });
words!(Level { Checksum = "checksum", Integrity = "integrity", Restore = "restore" });

/// Something to look at that did not stop the backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable, for scripts.
    pub code: String,
    /// The sentence for people.
    pub text: String,
}

impl Warning {
    /// A warning with its stable code and its sentence.
    pub fn new(code: &str, text: impl Into<String>) -> Self {
        Warning { code: code.to_owned(), text: text.into() }
    }
}

/// Who writes manifests: this build.
pub const MADE_BY: &str = concat!("recoup ", env!("CARGO_PKG_VERSION"));

/// The document that describes a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this document's shape; see [`MANIFEST_VERSION`].
    pub recoup_manifest: u32,
    /// Who wrote it, for humans: `recoup 0.1.0`.
    pub made_by: String,
    /// Identity.
    pub id: BackupId,
    /// Name of the plan.
    pub plan: String,
    /// Why it exists.
    pub kind: Kind,
    /// Shape of its bytes.
    pub format: Format,
    /// A label given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The consistent moment: when the sources were fixed, UTC.
    pub created_at: Timestamp,
    /// From the first read to the last proof, in milliseconds by the monotonic clock.
    pub duration_ms: u64,
    /// Host name, so that adopted backups say where they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What was captured, one per source.
    pub parts: Vec<Part>,
    /// Its files: they lie at the destination as they are, or are made of the pieces of its history. Empty in the copy inside
    /// an archive, which cannot contain its own hash.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
    /// How much was proven before the manifest was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Level>,
    /// Things to look at.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// The end of the audit of the daemon that made it: whoever cuts or rewrites the audit cannot rewrite this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Head>,
    /// Made for places on the machine only: no daemon copies it elsewhere by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local_only: bool,
    /// How it is encrypted; absent when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// The pieces that its objects are made of; absent where they lie at the destination as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// What the file system said of its sources, as a digest ([`crate::source::state`]); where only reading tells, and outside
    /// of a history, absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Nothing had changed since this backup: the bytes are those of that one, and an archive calls itself by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<BackupId>,
}

/// Bytes at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Object {
    /// File name below the plan's directory.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256 in lower-case hex.
    pub sha256: String,
}

/// What kind of source a part came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    /// A SQLite database.
    Database,
    /// A directory tree.
    Directory,
    /// One file.
    File,
    /// Settings.
    Settings,
    /// Output of a command.
    Command,
    /// Entries that the embedding application gave.
    Application,
}

/// What one source gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the source.
    pub name: String,
    /// Its kind.
    pub kind: PartKind,
    /// Where it lies: a member (or a directory of members) of the archive, or the object's name.
    pub path: String,
    /// Where it came from, absolute; absent for what has no place in the file system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<PathBytes>,
    /// Uncompressed length in bytes; for a directory the sum of its files.
    pub bytes: u64,
    /// SHA-256 of the bytes; for a directory and an application of its contents list, which holds the
    /// SHA-256 of every file.
    pub sha256: String,
    /// The source was optional and was not there; nothing was stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// Facts about a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseFacts>,
    /// Facts about a directory or what an application emitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryFacts>,
    /// Facts about settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<SettingsFacts>,
    /// Facts about a single file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFacts>,
}

/// What a restored file has beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: u32,
    /// Time of last change, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

/// What a restored database must still say about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFacts {
    /// `PRAGMA page_size`, 512 to 65536.
    pub page_size: u32,
    /// `PRAGMA page_count` of the stored copy.
    pub page_count: u64,
    /// `PRAGMA encoding`.
    pub encoding: String,
    /// `PRAGMA journal_mode` of the source: `wal`, `delete`, …; a restore sets it back.
    pub journal_mode: String,
    /// `PRAGMA auto_vacuum`: 0 none, 1 full, 2 incremental.
    pub auto_vacuum: u32,
    /// `PRAGMA user_version`, which applications use for their schema version.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// SHA-256 over type, name, table and SQL of every schema object, in name order.
    pub schema_sha256: String,
    /// Tables of the schema with their number of rows.
    pub tables: Vec<TableFacts>,
    /// What plain SQLite cannot check: names of collations, functions and modules that are missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// Foreign key violations that the source already had.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub foreign_key_violations: u64,
    /// The copy was compacted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compacted: bool,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFacts {
    /// Name.
    pub name: String,
    /// Number of rows; absent when plain SQLite cannot read the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
}

/// Facts about a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryFacts {
    /// The contents list: one JSON line per entry ([`super::Entry`]), in path order.
    pub list: String,
    /// Number of regular files (hard links not counted again).
    pub files: u64,
    /// Number of directories, the root included.
    pub directories: u64,
    /// Number of symbolic links and additional hard links.
    pub links: u64,
    /// Sockets, pipes and devices that were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
    /// Patterns of what the plan left out: it stays where it is when the directory comes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

/// Facts about settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsFacts {
    /// Number of settings stored.
    pub count: u64,
    /// Names of settings that are present in the source and were left out because they are secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Number of secrets among those stored; only where everything is encrypted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub secrets: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Manifest {
    /// File name without extension: `<plan>-<YYYYMMDDTHHMMSSZ>-<id6>` (UTC).
    pub fn file_stem(&self) -> String {
        let utc = self.created_at.to_zoned(jiff::tz::TimeZone::UTC);
        format!("{}-{}-{}", self.plan, utc.strftime("%Y%m%dT%H%M%SZ"), self.id.tail())
    }

    /// What lies at the destination for this backup alone: of a history only its own piece, if it has one.
    pub fn own(&self) -> impl Iterator<Item = &Object> {
        let stem = self.file_stem();
        self.stored().iter().filter(move |object| object.name.starts_with(&stem))
    }

    /// Whether it holds exactly the bytes of these objects, whatever they are called.
    pub fn holds(&self, objects: &[Object]) -> bool {
        self.objects.len() == objects.len()
            && self
                .objects
                .iter()
                .zip(objects)
                .all(|(one, other)| (one.bytes, &one.sha256) == (other.bytes, &other.sha256))
    }

    /// Bytes that this backup adds at the destination.
    pub fn stored_bytes(&self) -> u64 {
        self.own().map(|object| object.bytes).sum()
    }

    /// Reads a manifest, strictly: every byte is covered by its last member, `manifest_sha256`, and a newer
    /// version is refused by number, not by guessing.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let bad = |detail: String| Error::corrupted(detail).while_("reading the manifest");
        let (body, _) = split_seal(bytes).ok_or_else(|| bad("its last line, manifest_sha256, is missing".into()))?;
        if seal(body) != bytes {
            return Err(bad("its bytes do not have the SHA-256 that its last line gives".into()));
        }
        #[derive(Deserialize)]
        struct Version {
            recoup_manifest: u32,
        }
        let version: Version = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        if version.recoup_manifest > HISTORY_VERSION {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "version_newer",
                "Backup from newer version, cannot restore",
            )
            .because(format!("manifest version {}, this build reads up to {HISTORY_VERSION}", version.recoup_manifest))
            .hint("use a newer recoup"));
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        manifest.check_names().map_err(bad)?;
        Ok(manifest)
    }

    /// Names become parts of paths: none may lead anywhere else. The seal proves nothing about who made it.
    fn check_names(&self) -> std::result::Result<(), String> {
        let names = self.parts.iter().map(|part| &part.name).chain(self.objects.iter().map(|object| &object.name));
        let pieces = self.history.iter().flat_map(|history| &history.pieces).map(|piece| &piece.name);
        for name in names.chain(pieces) {
            let leads_away = name.starts_with('.') || name.contains('/') || name.len() > 255;
            if name.is_empty() || leads_away || name.chars().any(char::is_control) {
                return Err(format!("{name:?} is no name"));
            }
        }
        let mut parts: Vec<&str> = self.parts.iter().map(|part| &*part.name).collect();
        parts.sort_unstable();
        if parts.windows(2).any(|two| two[0] == two[1]) {
            return Err("two parts have the same name".into());
        }
        Plan::check_name(&self.plan).map_err(|error| error.to_string())
    }

    /// The manifest as it is stored: indented JSON whose last member is the SHA-256 of all lines before it,
    /// so that `head -n -2 FILE | sha256sum` proves it by hand.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write the manifest").because(e))?;
        let open = bytes.strip_suffix(b"\n}").unwrap_or(&bytes);
        let mut body = open.to_vec();
        body.extend_from_slice(b",\n");
        Ok(seal(&body))
    }
}

const SEAL: &[u8] = b"  \"manifest_sha256\": \"";

fn seal(body: &[u8]) -> Vec<u8> {
    let mut bytes = body.to_vec();
    bytes.extend_from_slice(SEAL);
    bytes.extend_from_slice(HEXLOWER.encode(&Sha256::digest(body)).as_bytes());
    bytes.extend_from_slice(b"\"\n}\n");
    bytes
}

fn split_seal(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.windows(SEAL.len()).rposition(|window| window == SEAL)?;
    Some(bytes.split_at(at))
}

#[cfg(test)]
mod tests;
