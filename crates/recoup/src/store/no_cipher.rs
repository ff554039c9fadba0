//! What stands in for ciphers in a build without the feature `encryption`: nothing can be locked or opened.

use std::io::{self, BufRead, Read, Write};

use crate::error::{Error, ErrorKind, Result};

/// A secret key; there is none.
#[derive(Clone)]
pub struct Identity(std::convert::Infallible);

impl Identity {
    /// Fails.
    pub fn generate() -> Result<Self> {
        Err(unsupported())
    }
    /// Fails.
    pub fn read(_text: &str, _place: &str) -> Result<Vec<Self>> {
        Err(unsupported())
    }
    /// Never called.
    pub fn recipient(&self) -> String {
        match self.0 {}
    }
    /// Never called.
    pub fn fingerprint(&self) -> String {
        match self.0 {}
    }
    /// Never called.
    pub fn file(&self, _note: &str) -> String {
        match self.0 {}
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "encryption_unsupported", "This build cannot encrypt")
        .hint("it was made without the feature `encryption`")
}

/// Of no use here.
pub fn fingerprint(recipient: &str) -> String {
    recipient.to_owned()
}

/// Fails.
pub fn lock(_identity: &Identity, _passphrase: &str, _note: &str) -> Result<String> {
    Err(unsupported())
}

/// Fails.
pub fn unlock(_locked: &str, _passphrase: &str) -> Result<Option<Identity>> {
    Err(unsupported())
}

/// Fails.
pub fn seal_text(_bytes: &[u8], _recipients: &[String]) -> Result<String> {
    Err(unsupported())
}

/// Fails.
pub fn open_text(_text: &str, _identities: &[Identity]) -> Result<Option<Vec<u8>>> {
    Err(unsupported())
}

/// Fails.
pub fn encrypt<W: Write>(_recipients: &[String], _from: impl Read, _to: W, _doing: &str) -> Result<W> {
    Err(unsupported())
}

/// Fails.
pub fn decrypted<R: BufRead>(_from: R, _identities: &[Identity]) -> Result<Option<R>> {
    Err(unsupported())
}

/// As it is.
pub fn unreadable(doing: &str, error: io::Error) -> Error {
    Error::io(doing, error)
}
