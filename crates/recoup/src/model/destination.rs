//! Where backups are kept, as values: the address of a destination, how gently it is treated and who may reach it.
//!
//! Not here: reading them from a file ([`crate::config`]) and reaching them ([`crate::destination`]).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::channel::Secret;
use super::encryption::Keys;

/// A destination, as meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationSettings {
    /// Its name; the directory when it has none.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// How it is treated when it is not a directory.
    pub limits: Limits,
    /// What its backups are locked with.
    pub keys: Keys,
    /// How new backups lie there.
    pub layout: Layout,
}

/// How backups lie at a destination. Reading needs nobody to say it: every manifest does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// Each backup is a few files of its own.
    #[default]
    Files,
    /// Each backup adds what has changed since the one before.
    History,
}

impl Layout {
    /// The words for them.
    pub const WORDS: [&str; 2] = ["files", "history"];

    /// The word used in the configuration and on the command line.
    pub fn word(self) -> &'static str {
        Layout::WORDS[self as usize]
    }

    /// The layout of a word.
    pub fn of(word: &str) -> Option<Self> {
        [Layout::Files, Layout::History].into_iter().find(|layout| layout.word() == word)
    }
}

impl DestinationSettings {
    /// A directory, absolute.
    pub fn directory(name: impl Into<String>, path: PathBuf) -> Self {
        DestinationSettings {
            name: name.into(),
            address: Address::Directory { path, marker: false },
            limits: Limits::default(),
            keys: Keys::default(),
            layout: Layout::default(),
        }
    }

    /// The directory, when it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.address {
            Address::Directory { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The address, a directory without symbolic links: two names of one place are equal by it.
    pub fn real(&self) -> Address {
        match &self.address {
            Address::Directory { path, .. } => {
                Address::Directory { path: std::fs::canonicalize(path).unwrap_or_else(|_| path.clone()), marker: false }
            }
            other => other.clone(),
        }
    }

    /// Whether it is a directory that somebody must have prepared.
    pub fn has_marker(&self) -> bool {
        matches!(self.address, Address::Directory { marker: true, .. })
    }
}

/// Where a destination is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A directory, absolute. With `marker` it must carry a marker file, so that an empty mount point is not taken for it.
    Directory {
        /// Where.
        path: PathBuf,
        /// Whether a marker file is needed.
        marker: bool,
    },
    /// A bucket of an S3-compatible service.
    S3(S3),
    /// A folder of an SFTP server.
    Sftp(Sftp),
    /// A collection of a WebDAV server.
    WebDav(WebDav),
    /// A folder in Google Drive.
    Drive(Drive),
}

/// A bucket of an S3-compatible service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3 {
    /// The bucket, which must exist.
    pub bucket: String,
    /// Before every key, without `/` at the ends; may be empty.
    pub prefix: String,
    /// `us-east-1` where nobody says.
    pub region: String,
    /// `https://…`; `None` is Amazon.
    pub endpoint: Option<String>,
    /// `https://host/bucket/key` instead of `https://bucket.host/key`.
    pub path_style: bool,
    /// Who we are.
    pub access_key: Secret,
    /// And the proof of it.
    pub secret_key: Secret,
    /// Certificates in PEM that are trusted instead of the usual ones.
    pub ca_file: Option<PathBuf>,
}

/// A folder of an SFTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sftp {
    /// Name or address.
    pub host: String,
    /// 22 where nobody says.
    pub port: u16,
    /// Who we are.
    pub user: String,
    /// Relative to where the server puts us, or absolute.
    pub path: String,
    /// What the server proves itself with, as `ssh-keyscan` prints it: `ssh-ed25519 AAAA…`. Nothing else is believed.
    pub host_key: String,
    /// Our private key in OpenSSH's format.
    pub key: Option<Secret>,
    /// What the private key is locked with.
    pub key_passphrase: Option<Secret>,
    /// Where there is no key.
    pub password: Option<Secret>,
}

/// A collection of a WebDAV server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDav {
    /// `https://host/remote.php/dav/files/me/backups`.
    pub url: String,
    /// Who we are; `None` asks without.
    pub user: Option<String>,
    /// And the proof of it.
    pub password: Option<Secret>,
    /// Certificates in PEM that are trusted instead of the usual ones.
    pub ca_file: Option<PathBuf>,
}

/// A folder in Google Drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// Name of the folder, made when it is missing.
    pub folder: String,
    /// A shared drive by its id; `None` is the own one.
    pub shared_drive: Option<String>,
    /// The application that people consent to.
    pub client_id: Option<String>,
    /// Its secret, which desktop applications cannot keep.
    pub client_secret: Option<Secret>,
    /// The key of a service account, instead of a person who consents.
    pub service_account: Option<Secret>,
    /// Where the sealed refresh token is kept, absolute.
    pub token_file: PathBuf,
    /// Where the key is kept that it is sealed with, absolute; not beside it.
    pub token_key: PathBuf,
    /// Where Drive answers.
    pub endpoint: String,
    /// Where people consent.
    pub auth_endpoint: String,
    /// Where tokens are given out.
    pub token_endpoint: String,
}

/// How a destination in the network is treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long the other side may be silent.
    pub timeout: Duration,
    /// Bytes per second in each direction; `None` is as fast as it goes.
    pub bandwidth: Option<u64>,
    /// How often one step is tried in all.
    pub attempts: u32,
    /// The pause after the first attempt; it doubles.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { timeout: Duration::from_secs(60), bandwidth: None, attempts: 6, pause: Duration::from_millis(500) }
    }
}
