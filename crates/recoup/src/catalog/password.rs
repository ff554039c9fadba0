//! Passwords: which may be chosen, what is kept of one, whether one is right. argon2id with 19 MiB and two passes, the
//! least that OWASP's password storage page and ASVS 5.0 11.4.2 ask for.
//!
//! Both [`hash`] and [`verify`] take tens of milliseconds and 19 MiB: call them on a blocking thread, a few at a time.
//! Not here: waits after wrong ones, and secrets that are random (nobody can guess those; a fast hash is enough).

use std::collections::HashSet;

use argon2::password_hash::{
    Decimal, Ident, Output, ParamsString, PasswordHash, PasswordHasher, PasswordVerifier, Result as Hashed, Salt,
    SaltString,
};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use crate::error::{Error, ErrorKind, Result};

/// The shortest password, in characters (ASVS 5.0 6.2.1).
pub const SHORTEST: usize = 12;
/// The longest, in bytes: longer ones cost time and prove nothing.
pub const LONGEST: usize = 1024;

/// The hash of nothing anybody knows, with the same cost as every other.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$0ZyzWjYlLQ7gVtHq2vU6nvMZLRQ4BWkE6lXm5bYCkGs";

/// Passwords of twelve characters and more that lists of leaked ones have near their top, without their digits at the
/// end and in small letters.
const COMMON: [&str; 34] = [
    "password",
    "passwordpassword",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "qwertyuiop",
    "qwertyuiopasdfghjkl",
    "qwerty",
    "qwertyqwerty",
    "asdfghjkl",
    "asdfghjklqwertyuiop",
    "zxcvbnm",
    "qazwsxedc",
    "qazwsxedcrfv",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "q1w2e3r4t5y6",
    "letmein",
    "letmeinletmein",
    "iloveyou",
    "iloveyouiloveyou",
    "welcome",
    "administrator",
    "adminadmin",
    "adminadminadmin",
    "changeme",
    "changemechangeme",
    "correcthorsebatterystaple",
    "unbelievable",
    "computer",
    "princess",
    "superman",
    "backup",
    "recoup",
];

/// Blocks of 1 KiB that are asked for, however few are used. The C library gives what is larger than 32 MiB back to the
/// system at once (mallopt(3), M_MMAP_THRESHOLD); of anything smaller it would learn to keep it, and a daemon would hold
/// 19 MiB from its first sign-in on. What is never touched costs nothing.
const ROOM: usize = 33 << 10;

/// Argon2 that gives its memory back.
struct Argon;

impl PasswordHasher for Argon {
    type Params = Params;

    fn hash_password_customized<'a>(
        &self,
        password: &[u8],
        algorithm: Option<Ident<'a>>,
        version: Option<Decimal>,
        params: Params,
        salt: impl Into<Salt<'a>>,
    ) -> Hashed<PasswordHash<'a>> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or(Algorithm::Argon2id);
        let version = version.map(Version::try_from).transpose()?.unwrap_or(Version::V0x13);
        let (salt, mut bytes) = (salt.into(), [0; 64]);
        let bytes = salt.decode_b64(&mut bytes)?;
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let mut memory: Vec<Block> = Vec::with_capacity(params.block_count().max(ROOM));
        memory.resize(params.block_count(), Block::new());
        let argon = Argon2::new(algorithm, version, params.clone());
        let hash = Output::init_with(length, |out| {
            Ok(argon.hash_password_into_with_memory(password, bytes, out, &mut memory)?)
        })?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(&params)?,
            salt: Some(salt),
            hash: Some(hash),
        })
    }
}

/// Whether a password may be chosen for an account of this name. Any characters may be in it, and none must. Errors:
/// `weak_password` ([`ErrorKind::Usage`]); the password is never in them.
pub fn check(password: &str, name: &str) -> Result<()> {
    let weak = |text: &str, hint: &str| Err(Error::usage("weak_password", text).hint(hint.to_owned()));
    if password.chars().count() < SHORTEST {
        return weak("The password is too short", "at least 12 characters");
    }
    if password.len() > LONGEST {
        return weak("The password is too long", "at most 1024 bytes");
    }
    let small = password.to_lowercase();
    let different: HashSet<char> = small.chars().collect();
    let stem = small.trim_end_matches(|c: char| !c.is_alphabetic());
    let named = !name.is_empty() && stem == name.to_lowercase();
    if different.len() < 5 || is_row(&small) || COMMON.contains(&stem) || named {
        return weak("The password is easy to guess", "a few words that do not belong together are harder");
    }
    Ok(())
}

/// Whether each character follows the one before it: `123456789012`, `abcdefghijkl`.
fn is_row(text: &str) -> bool {
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    letters.windows(2).all(|pair| pair[1] == pair[0] + 1 || (pair[0] == u32::from('9') && pair[1] == u32::from('0')))
}

/// What is kept of a password: argon2id in PHC form, with a salt of its own.
pub fn hash(password: &str) -> Result<String> {
    let failed = |error: argon2::password_hash::Error| {
        Error::new(ErrorKind::Failed, "no_hash", "The password could not be hashed").because(error.to_string())
    };
    let bytes: [u8; 16] = rand::random();
    let salt = SaltString::encode_b64(&bytes).map_err(failed)?;
    let params = Params::new(19 << 10, 2, 1, None).unwrap_or_default();
    Ok(Argon.hash_password_customized(password.as_bytes(), None, None, params, &salt).map_err(failed)?.to_string())
}

/// Whether a password is the one of a hash. Takes as long when there is no hash, so that nobody can tell by the time
/// which accounts there are.
pub fn verify(password: &str, hash: Option<&str>) -> bool {
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODYS)) else { return false };
    Argon.verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_right_only_for_its_own_hash() {
        let (one, other) = (hash("correct horse battery").unwrap(), hash("correct horse battery").unwrap());
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert!(verify("correct horse battery", Some(&one)) && verify("correct horse battery", Some(&other)));
        assert!(!verify("correct horse batterY", Some(&one)) && !verify("", Some(&one)));
        assert!(!verify("correct horse battery", None) && !verify("x", Some("not a hash")));
    }

    #[test]
    fn a_name_that_nobody_has_costs_the_same() {
        let (nobodys, ours) = (PasswordHash::new(NOBODYS).unwrap(), hash("correct horse battery").unwrap());
        let ours = PasswordHash::new(&ours).unwrap();
        assert_eq!((nobodys.algorithm, nobodys.version, &nobodys.params), (ours.algorithm, ours.version, &ours.params));
        assert_eq!(nobodys.hash.unwrap().len(), ours.hash.unwrap().len());
    }

    #[test]
    fn short_and_famous_passwords_cannot_be_chosen() {
        let famous = [
            "short",
            "elevenchars",
            "password1234",
            "Password2026!",
            "aaaaaaaaaaaa",
            "abababababab",
            "123456789012",
            "abcdefghijkl",
            "qwertyuiop123",
            "administrator",
            "Correcthorsebatterystaple",
            "marguerite-2026",
        ];
        for password in famous {
            assert_eq!(check(password, "marguerite").unwrap_err().code(), "weak_password", "{password}");
        }
        for password in ["correct horse battery", "пароль из слов", "a 12 long one", "\u{1F600}\u{1F601} smile wide"]
        {
            check(password, "marguerite").unwrap();
        }
        assert!(check(&"x1y2z3".repeat(200), "").is_err());
    }

    #[test]
    fn what_it_makes_is_what_every_other_argon2_makes() {
        let other = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 << 10, 2, 1, None).unwrap());
        let ours = hash("a long enough password").unwrap();
        let parsed = PasswordHash::new(&ours).unwrap();
        assert!(other.verify_password(b"a long enough password", &parsed).is_ok());
        let salt = SaltString::from_b64("c29tZXNhbHRzb21lc2FsdA").unwrap();
        let theirs = other.hash_password(b"a long enough password", &salt).unwrap().to_string();
        assert!(verify("a long enough password", Some(&theirs)) && !verify("another long password", Some(&theirs)));
        assert!(
            theirs.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
                && ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
        );
    }
}
