//! Secrets of destinations, read from where they are kept whenever they are needed, so that they can be changed without a
//! restart.

use crate::error::{Error, Result};
use crate::model::channel::Secret;

/// The longest secret that is read.
const LONGEST: usize = 64 * 1024;

/// A secret in one line. Blanks around what a file holds are not meant.
pub(super) fn reveal(secret: &Secret) -> Result<String> {
    secret.reveal(|path| {
        let text = std::fs::read_to_string(path).map_err(|error| Error::at("reading a secret in", path, error))?;
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(Error::usage("bad_secret", format!("Not a single line: {}", path.display())));
        }
        Ok(text.to_owned())
    })
}
