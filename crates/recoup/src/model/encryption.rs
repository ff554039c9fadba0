//! Encryption as values: what a destination's backups are locked with, and what an encrypted manifest says in the clear.
//!
//! Not here: ciphers and keys ([`crate::store`]), and reading the configuration ([`crate::config`]).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::backup::{Manifest, Object};
use super::channel::Secret;
use crate::error::{Error, ErrorKind, Result};

/// What backups are locked with. The formats are those of age (<https://age-encryption.org/v1>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// A key that is made at the destination and locked with a passphrase.
    Passphrase {
        /// The passphrase.
        passphrase: Secret,
        /// Earlier ones, which still open earlier keys.
        old: Vec<Secret>,
    },
    /// Keys that somebody else keeps.
    Recipients {
        /// Public keys, `age1…`. Empty: those of the last identity in the file.
        recipients: Vec<String>,
        /// A file of secret keys, `AGE-SECRET-KEY-1…`, a line each; without it nothing can be read back here.
        identities: Option<PathBuf>,
    },
}

/// The keys of one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// What new backups are locked with; `None` leaves them in the clear.
    pub lock: Option<Lock>,
    /// Locks of single plans, which win over that.
    pub plans: Vec<(String, Lock)>,
    /// What may open older ones as well.
    pub others: Vec<Lock>,
}

impl Keys {
    /// Whether nothing is encrypted and nothing can be opened.
    pub fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    /// What new backups of a plan are locked with, and whether that is the plan's own.
    pub fn of(&self, plan: &str) -> Option<(&Lock, bool)> {
        let own = self.plans.iter().find(|(name, _)| name == plan).map(|(_, lock)| (lock, true));
        own.or_else(|| self.lock.as_ref().map(|lock| (lock, false)))
    }

    /// Everything that may open a backup.
    pub fn all(&self) -> impl Iterator<Item = &Lock> {
        self.lock.iter().chain(self.plans.iter().map(|(_, lock)| lock)).chain(&self.others)
    }

    /// Adds what somebody gave by hand. It opens backups, and locks new ones: all of them when it `wins`, else those that
    /// nothing else locks.
    pub fn given(&mut self, lock: Lock, wins: bool) {
        if wins {
            self.others.extend(self.plans.drain(..).map(|(_, lock)| lock));
            self.others.extend(self.lock.take());
        }
        match &self.lock {
            None => self.lock = Some(lock),
            Some(_) => self.others.insert(0, lock),
        }
    }
}

/// What the manifest of an encrypted backup says about its encryption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Fingerprints of the keys that open it: the first 16 hexadecimal digits of the SHA-256 of the public key.
    pub keys: Vec<String>,
    /// The key, locked with the passphrase: an age file of an age identity. Absent when somebody else keeps the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_key: Option<String>,
    /// The whole manifest, encrypted: an armored age file. Empty once it has been opened.
    pub sealed: String,
    /// Whether it has been opened; never stored.
    #[serde(skip)]
    pub opening: Opening,
    /// The objects as they lie at the destination, where those of the manifest are what they hold; never stored.
    #[serde(skip)]
    pub stored: Vec<Object>,
}

/// Whether an encrypted manifest was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Opening {
    /// Nobody gave a key.
    #[default]
    NoKey,
    /// No key that was given opens it, or none could be read; and why.
    Refused(String),
    /// Everything is known.
    Open,
}

/// What becomes of bytes that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// They are stored as they are.
    Plain,
    /// They are encrypted, and can be read back here.
    Sealed,
    /// They are encrypted, and this machine has no key that opens them.
    Blind,
}

impl Protection {
    /// Whether they are encrypted.
    pub fn is_sealed(self) -> bool {
        self != Protection::Plain
    }
}

impl Manifest {
    /// The objects as they lie at the destination: encrypted ones, the pieces of a history, or those of the manifest.
    pub fn stored(&self) -> &[Object] {
        match &self.encryption {
            Some(encryption) if !encryption.stored.is_empty() => &encryption.stored,
            _ => self.unsealed(),
        }
    }

    /// The same before anything is encrypted.
    pub fn unsealed(&self) -> &[Object] {
        self.history.as_ref().map_or(&self.objects, |history| &history.pieces)
    }

    /// Whether its objects have to be made from what lies at the destination.
    pub fn is_made(&self) -> bool {
        self.encryption.is_some() || self.history.is_some()
    }

    /// Whether secret settings are in it.
    pub fn has_secrets(&self) -> bool {
        self.parts.iter().filter_map(|part| part.settings.as_ref()).any(|facts| facts.secrets > 0)
    }

    /// Fails when it is encrypted and has not been opened.
    ///
    /// Errors: `key_needed` (`A key is needed`), `wrong_key` (`This key does not fit`).
    pub fn opened(&self) -> Result<()> {
        let Some(encryption) = &self.encryption else { return Ok(()) };
        let made_with = || format!("made with key {}", encryption.keys.join(", "));
        match &encryption.opening {
            Opening::Open => Ok(()),
            Opening::NoKey => Err(Error::new(ErrorKind::Denied, "key_needed", "A key is needed")
                .because(format!("{} was {}", self.file_stem(), made_with()))
                .hint("give --passphrase-file FILE or --identity FILE, or set encrypt in recoup.toml")),
            Opening::Refused(why) => Err(Error::new(ErrorKind::Denied, "wrong_key", "This key does not fit")
                .because(format!("{}; {why}", made_with()))
                .hint("try another key; the recovery kit says where it is kept")),
        }
    }
}
