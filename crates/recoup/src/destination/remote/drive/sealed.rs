//! The refresh token at rest, sealed by a key that lies in another folder.
//!
//! Not here: what the token is for ([`super::token`]), and sealing ([`crate::sealing`]).

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::destination::sign_in::refusal_of;
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::Drive;
use crate::sealing::{Key, Sealed, write};

/// Sealed together with the token, so that no other file of ours is taken for it.
const PURPOSE: &str = "recoup: refresh token of Google Drive, version 1";

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

/// Keeps a grant in the place of the one before; makes the key when there is none.
pub(super) fn keep(drive: &Drive, grant: &Grant) -> Result<()> {
    let key = Key::read_or_make(&drive.token_key)
        .map_err(|error| error.hint("token_key_file of the destination names another place"))?;
    let bytes = serde_json::to_vec(grant).map_err(|error| broken(&drive.token_file).because(error))?;
    let file = key.seal(PURPOSE, &bytes)?;
    let text = serde_json::to_vec(&file).map_err(|error| broken(&drive.token_file).because(error))?;
    write(&drive.token_file, &text, true).map_err(|error| {
        Error::at("writing", &drive.token_file, error).hint("token_file of the destination names another place")
    })?;
    accepted(drive);
    Ok(())
}

/// The grant, when there is one. Errors: `needs_sign_in` when its key is gone or another one.
pub(super) fn read(drive: &Drive) -> Result<Option<Grant>> {
    let path = &drive.token_file;
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::at("reading", path, error)),
    };
    let file: Sealed = serde_json::from_slice(&text).map_err(|error| broken(path).because(error))?;
    let gone = || broken(path).because(format!("its key is not in {}", drive.token_key.display()));
    let key = Key::read(&drive.token_key)?.ok_or_else(gone)?;
    let other = || broken(path).because("it was sealed with another key, or changed");
    let opened = key.open(PURPOSE, &file).ok_or_else(other)?;
    serde_json::from_slice(&opened).map(Some).map_err(|error| broken(path).because(error))
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
