//! Whether a destination waits for a person to sign in: told by what lies on this machine, nobody is asked.
//!
//! Not here: signing in (`remote/drive/account.rs`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::model::destination::{Address, DestinationSettings, Drive};

/// The error of a destination that can only go on when a person has signed in, with the code `needs_sign_in`; `None` for
/// all others, as far as this machine knows.
pub fn sign_in_needed(settings: &DestinationSettings) -> Option<Error> {
    match &settings.address {
        Address::Drive(drive) => of_drive(&settings.name, drive),
        _ => None,
    }
}

/// The same about a folder in Drive.
pub(super) fn of_drive(name: &str, drive: &Drive) -> Option<Error> {
    // A service account signs in by itself.
    drive.client_id.as_ref()?;
    if !drive.token_file.exists() {
        return Some(error(name, "Nobody has signed in to Google Drive for"));
    }
    refusal_of(&drive.token_file).exists().then(|| again(name))
}

/// The sign-in was taken back or has expired.
pub(super) fn again(name: &str) -> Error {
    error(name, "Somebody has to sign in to Google Drive again for")
}

/// Lies there as long as Google does not accept the token beside it.
pub(super) fn refusal_of(token_file: &Path) -> PathBuf {
    let mut name = OsString::from(token_file);
    name.push(".refused");
    PathBuf::from(name)
}

fn error(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::Denied, "needs_sign_in", format!("{what} {name}"))
        .hint(format!("recoup drive connect {name}"))
}
