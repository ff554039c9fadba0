//! The refresh token at rest: sealed with AES-256-GCM by a key that lies in another folder, so that a copy of one of the two
//! is worth nothing. Both files are 0600.
//!
//! Not here: what the token is for ([`super::token`]).

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::destination::sign_in::refusal_of;
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::Drive;

/// Sealed together with the token, so that no other file of ours is taken for it.
const PURPOSE: &[u8] = b"recoup: refresh token of Google Drive, version 1";
/// Bytes of the key.
const KEY: usize = 32;

/// What a person agreed to.
#[derive(Serialize, Deserialize)]
pub(super) struct Grant {
    /// Opens the account until it is taken back.
    pub refresh_token: String,
    /// The application that it was given to.
    pub client_id: String,
    /// When.
    pub since: jiff::Timestamp,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Sealed {
    recoup_sealed: u32,
    nonce: String,
    sealed: String,
}

/// Keeps a grant in the place of the one before; makes the key when there is none.
pub(super) fn keep(drive: &Drive, grant: &Grant) -> Result<()> {
    let key = match read_key(&drive.token_key)? {
        Some(key) => key,
        None => make_key(&drive.token_key)?,
    };
    let mut nonce = [0; NONCE_LEN];
    random(&mut nonce)?;
    let mut bytes = serde_json::to_vec(grant).map_err(|error| broken(&drive.token_file).because(error))?;
    let sealing = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(PURPOSE), &mut bytes);
    sealing.map_err(|_| broken(&drive.token_file))?;
    let file = Sealed { recoup_sealed: 1, nonce: BASE64.encode(&nonce), sealed: BASE64.encode(&bytes) };
    let text = serde_json::to_vec(&file).map_err(|error| broken(&drive.token_file).because(error))?;
    write(&drive.token_file, &text, true).map_err(|error| {
        Error::at("writing", &drive.token_file, error).hint("token_file of the destination names another place")
    })?;
    accepted(drive);
    Ok(())
}

/// The grant, when there is one. Errors: `token_unreadable` when its key is gone or another one.
pub(super) fn read(drive: &Drive) -> Result<Option<Grant>> {
    let path = &drive.token_file;
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::at("reading", path, error)),
    };
    let file: Sealed = serde_json::from_slice(&text).map_err(|error| broken(path).because(error))?;
    let decode = |text: &str| BASE64.decode(text.as_bytes()).map_err(|error| broken(path).because(error));
    let nonce = Nonce::try_assume_unique_for_key(&decode(&file.nonce)?).map_err(|_| broken(path))?;
    let mut bytes = decode(&file.sealed)?;
    let gone = || broken(path).because(format!("its key is not in {}", drive.token_key.display()));
    let key = read_key(&drive.token_key)?.ok_or_else(gone)?;
    let opened = key.open_in_place(nonce, Aad::from(PURPOSE), &mut bytes);
    let opened = opened.map_err(|_| broken(path).because("it was sealed with another key, or changed"))?;
    serde_json::from_slice(opened).map(Some).map_err(|error| broken(path).because(error))
}

/// Removes the grant; whether there was one.
pub(super) fn remove(drive: &Drive) -> Result<bool> {
    accepted(drive);
    match fs::remove_file(&drive.token_file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::at("removing", &drive.token_file, error)),
    }
}

/// Remembers that Google does not accept it any more. That it could not be remembered changes nothing.
pub(super) fn refused(drive: &Drive) {
    let _ = write(&refusal_of(&drive.token_file), b"Google does not accept the sign-in; recoup drive connect\n", true);
}

/// Forgets that.
pub(super) fn accepted(drive: &Drive) {
    let _ = fs::remove_file(refusal_of(&drive.token_file));
}

fn broken(path: &Path) -> Error {
    let text = format!("The sign-in in {} cannot be read", path.display());
    Error::new(ErrorKind::Denied, "needs_sign_in", text).hint("recoup drive connect signs in anew")
}

fn read_key(path: &Path) -> Result<Option<LessSafeKey>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::at("reading", path, error)),
    };
    let wrong = || Error::new(ErrorKind::Denied, "bad_key_file", format!("Not a key of recoup: {}", path.display()));
    let bytes = HEXLOWER.decode(text.trim().as_bytes()).map_err(|_| wrong())?;
    UnboundKey::new(&AES_256_GCM, &bytes).map(|key| Some(LessSafeKey::new(key))).map_err(|_| wrong())
}

fn make_key(path: &Path) -> Result<LessSafeKey> {
    let mut bytes = [0; KEY];
    random(&mut bytes)?;
    let text = format!("{}\n", HEXLOWER.encode(&bytes));
    match write(path, text.as_bytes(), false) {
        // Whoever was first has made it.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(Error::at("writing", path, error).hint("token_key_file of the destination names another place"));
        }
        _ => {}
    }
    let gone = || Error::new(ErrorKind::Failed, "bad_key_file", format!("The key {} is gone", path.display()));
    read_key(path)?.ok_or_else(gone)
}

pub(super) fn random(bytes: &mut [u8]) -> Result<()> {
    let failed = |_| Error::new(ErrorKind::Failed, "no_randomness", "This machine gives no random numbers");
    SystemRandom::new().fill(bytes).map_err(failed)
}

/// A whole file or none, 0600, in folders that are made 0700.
fn write(path: &Path, bytes: &[u8], replace: bool) -> io::Result<()> {
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
