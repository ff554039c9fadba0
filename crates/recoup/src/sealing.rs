//! Small secrets at rest: sealed with AES-256-GCM (NIST SP 800-38D) by a key that lies in a file of its own, so that a copy
//! of one of the two is worth nothing. The files are 0600, in folders that are made 0700.
//!
//! Not here: what is kept (a sign-in to Drive, the credentials of a destination), and the encryption of backups.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Bytes of a key.
const KEY: usize = 32;

/// Seals and opens.
pub(crate) struct Key(LessSafeKey);

/// What may lie around.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    recoup_sealed: u32,
    nonce: String,
    sealed: String,
}

impl Key {
    /// The key in a file; `None` when there is no such file. Errors: `bad_key_file`.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::at("reading", path, error)),
        };
        let wrong =
            || Error::new(ErrorKind::Denied, "bad_key_file", format!("Not a key of recoup: {}", path.display()));
        let bytes = HEXLOWER.decode(text.trim().as_bytes()).map_err(|_| wrong())?;
        UnboundKey::new(&AES_256_GCM, &bytes).map(|key| Some(Key(LessSafeKey::new(key)))).map_err(|_| wrong())
    }

    /// The key in a file, which is made when there is none.
    pub fn read_or_make(path: &Path) -> Result<Self> {
        if let Some(key) = Key::read(path)? {
            return Ok(key);
        }
        let mut bytes = [0; KEY];
        random(&mut bytes)?;
        match write(path, format!("{}\n", HEXLOWER.encode(&bytes)).as_bytes(), false) {
            // Whoever was first has made it.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::at("writing", path, error));
            }
            _ => {}
        }
        let gone = || Error::new(ErrorKind::Failed, "bad_key_file", format!("The key {} is gone", path.display()));
        Key::read(path)?.ok_or_else(gone)
    }

    /// Seals `bytes` for one purpose: what was sealed for another is never taken for it.
    pub fn seal(&self, purpose: &str, bytes: &[u8]) -> Result<Sealed> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut bytes = bytes.to_vec();
        let (nonce_of, purpose) = (Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()));
        let failed = |_| Error::new(ErrorKind::Failed, "not_sealed", "Something could not be sealed");
        self.0.seal_in_place_append_tag(nonce_of, purpose, &mut bytes).map_err(failed)?;
        Ok(Sealed { recoup_sealed: 1, nonce: BASE64.encode(&nonce), sealed: BASE64.encode(&bytes) })
    }

    /// What was sealed; `None` when it was sealed with another key or for another purpose, or changed.
    pub fn open(&self, purpose: &str, sealed: &Sealed) -> Option<Vec<u8>> {
        let nonce = BASE64.decode(sealed.nonce.as_bytes()).ok()?;
        let nonce = Nonce::try_assume_unique_for_key(&nonce).ok()?;
        let mut bytes = BASE64.decode(sealed.sealed.as_bytes()).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        Some(opened.to_vec())
    }
}

/// Fills with random bytes.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    let failed = |_| Error::new(ErrorKind::Failed, "no_randomness", "This machine gives no random numbers");
    SystemRandom::new().fill(bytes).map_err(failed)
}

/// A whole file or none, 0600, in folders that are made 0700.
pub(crate) fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let part: PathBuf = folder.join(format!(".{name}.{}", ulid::Ulid::generate()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let written = file
        .set_permissions(fs::Permissions::from_mode(0o600))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| if replace { fs::rename(&part, path) } else { fs::hard_link(&part, path) });
    if written.is_err() || !replace {
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_with_its_key_for_its_purpose_only() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("keys/one"), folder.path().join("keys/other"));
        let key = Key::read_or_make(&one).unwrap();
        let sealed = key.seal("a test", b"canary").unwrap();
        assert!(!serde_json::to_string(&sealed).unwrap().contains("canary"));
        let again = Key::read(&one).unwrap().unwrap();
        assert_eq!(again.open("a test", &sealed).as_deref(), Some(&b"canary"[..]));
        assert_eq!(again.open("another test", &sealed), None);
        assert_eq!(Key::read_or_make(&other).unwrap().open("a test", &sealed), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&one), mode(one.parent().unwrap())), (0o600, 0o700));
        fs::write(&other, "no key").unwrap();
        assert_eq!(Key::read(&other).err().unwrap().code(), "bad_key_file");
        assert!(Key::read(&folder.path().join("none")).unwrap().is_none());
    }
}
