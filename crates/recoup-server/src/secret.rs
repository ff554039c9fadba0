//! Secrets that we make: sign-ins, tokens, set-up codes. 256 random bits each; only their hash is kept, so a fast one
//! is enough: there is nothing to guess. Passwords, which people make, are `recoup::catalog::password`'s.

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use rand::TryRngCore;
use rand::rngs::OsRng;
use recoup::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

/// How a token begins, so that a scanner for secrets knows one.
pub const TOKEN_PREFIX: &str = "rcp_";

/// 256 random bits in 43 characters that fit a cookie, a header and a URL.
pub fn new() -> Result<String> {
    let mut bytes = [0u8; 32];
    fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// A token.
pub fn new_token() -> Result<String> {
    Ok(format!("{TOKEN_PREFIX}{}", new()?))
}

/// A set-up code that a person types: 100 random bits, `ABCDE-FGHIJ-KLMNO-PQRST`.
pub fn new_code() -> Result<String> {
    let mut bytes = [0u8; 13];
    fill(&mut bytes)?;
    let text = BASE32_NOPAD.encode(&bytes);
    let groups: Vec<&str> = (0..4).filter_map(|group| text.get(group * 5..group * 5 + 5)).collect();
    Ok(groups.join("-"))
}

/// The code as it was given out, however it was typed.
pub fn typed(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(secret.as_bytes()))
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    OsRng.try_fill_bytes(bytes).map_err(|error| {
        Error::new(ErrorKind::Failed, "no_random", "The system gives no random numbers").because(error.to_string())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_fit_where_they_go() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 47);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn a_code_may_be_typed_with_other_dashes_and_in_small_letters() {
        let code = new_code().unwrap();
        assert_eq!(code.len(), 23);
        assert_eq!(typed(&code.to_lowercase().replace('-', " ")), typed(&code));
        assert_eq!(typed(&code).len(), 20);
    }
}
