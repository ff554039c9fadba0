//! Passwords: argon2id in PHC form.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};

use crate::error::{Error, ErrorKind, Result};

fn argon() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 << 10, 2, 1, None).unwrap_or_default())
}

/// Whether a password may be chosen.
pub fn check(password: &str) -> Result<()> {
    if password.chars().count() < 12 {
        return Err(Error::usage("weak_password", "The password is too short").hint("at least 12 characters"));
    }
    Ok(())
}

/// What is kept of a password. Takes tens of milliseconds and 19 MiB.
pub fn hash(password: &str) -> Result<String> {
    let bytes: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&bytes).map_err(|error| {
        Error::new(ErrorKind::Failed, "no_hash", "The password could not be hashed").because(error.to_string())
    })?;
    let hashed = argon().hash_password(password.as_bytes(), &salt);
    hashed.map(|hash| hash.to_string()).map_err(|error| {
        Error::new(ErrorKind::Failed, "no_hash", "The password could not be hashed").because(error.to_string())
    })
}

/// Whether a password is the one of a hash. Takes as long when there is none.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    const NOBODYS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0ZyzWjYlLQ7gVtHq2vU6nvMZLRQ4BWkE6lXm5bYCkGs";
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODYS)) else { return false };
    argon().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}
