//! The age format (<https://age-encryption.org/v1>): keys, locking a key with a passphrase, streams in and out. Everything
//! that touches the crate `age` is here.
//!
//! Not here: which key is used ([`super::keyring`]) and what is encrypted ([`super::seal`]).

use std::io::{self, BufRead, Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};

/// scrypt with N = 2^16 and r = 8 takes 64 MiB of memory (RFC 7914, section 2).
const WORK: u8 = 16;
/// The most that a locked key may ask for: 256 MiB.
const MOST_WORK: u8 = 18;

/// A secret key.
#[derive(Clone)]
pub struct Identity(x25519::Identity);

impl Identity {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        Ok(Identity(x25519::Identity::generate()))
    }

    /// Reads the lines of an identity file; comments and empty lines are passed over. `place` is for errors, which never
    /// tell what stands there.
    pub fn read(text: &str, place: &str) -> Result<Vec<Self>> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut found = Vec::new();
        for (at, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let identity = line.parse::<x25519::Identity>().map_err(|_| {
                Error::usage("bad_identity", format!("Not a secret key of age: line {at} of {place}"))
                    .hint("a line reads AGE-SECRET-KEY-1…; recoup keys new makes one")
            })?;
            found.push(Identity(identity));
        }
        match found.is_empty() {
            true => Err(Error::usage("bad_identity", format!("There is no secret key in {place}"))
                .hint("recoup keys new makes one")),
            false => Ok(found),
        }
    }

    /// The public key, `age1…`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// What people know it by.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.recipient())
    }

    /// As an identity file has it. `note` becomes a comment.
    pub fn file(&self, note: &str) -> String {
        let secret = self.0.to_string();
        format!("# {note}\n# public key: {}\n{}\n", self.recipient(), secret.expose_secret())
    }
}

/// What people know a public key by: the first 16 hexadecimal digits of its SHA-256, so that
/// `printf %s age1… | sha256sum` tells it.
pub fn fingerprint(recipient: &str) -> String {
    let mut hex = HEXLOWER.encode(&Sha256::digest(recipient.as_bytes()));
    hex.truncate(16);
    hex
}

fn recipient(text: &str) -> Result<x25519::Recipient> {
    text.parse().map_err(|_| {
        Error::usage("bad_recipient", format!("Not a public key of age: {text}"))
            .hint("it reads age1… with 62 characters; recoup keys new makes one")
    })
}

/// Locks a key with a passphrase: an armored age file of an identity file, which `age -d -i` takes.
pub fn lock(identity: &Identity, passphrase: &str, note: &str) -> Result<String> {
    let mut by = scrypt::Recipient::new(SecretString::from(passphrase.to_owned()));
    by.set_work_factor(WORK);
    armored(identity.file(note).as_bytes(), &[&by])
}

/// Opens a key that was locked with a passphrase; `None` when it is another passphrase.
pub fn unlock(locked: &str, passphrase: &str) -> Result<Option<Identity>> {
    let bad = |what: String| Error::corrupted(what).while_("opening the locked key");
    let mut with = scrypt::Identity::new(SecretString::from(passphrase.to_owned()));
    with.set_max_work_factor(MOST_WORK);
    let decryptor = Decryptor::new(ArmoredReader::new(locked.as_bytes())).map_err(|e| bad(e.to_string()))?;
    let mut from = match decryptor.decrypt(std::iter::once(&with as &dyn age::Identity)) {
        Ok(from) => from,
        // Whether the passphrase is another one or the text was damaged cannot be told.
        Err(DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed) => return Ok(None),
        // Its own words for this do not hold on every machine: they overflow where much work is thought to be fine.
        Err(DecryptError::ExcessiveWork { required, .. }) => {
            return Err(bad(format!("it asks for 2^{required} of work")));
        }
        Err(error) => return Err(bad(error.to_string())),
    };
    let mut text = String::new();
    from.by_ref().take(64 << 10).read_to_string(&mut text).map_err(|e| bad(e.to_string()))?;
    Identity::read(&text, "the locked key").map(|mut found| found.pop())
}

/// Encrypts a small text to public keys, armored.
pub fn seal_text(bytes: &[u8], recipients: &[String]) -> Result<String> {
    let recipients = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
    let to: Vec<&dyn age::Recipient> = recipients.iter().map(|one| one as _).collect();
    armored(bytes, &to)
}

fn armored(bytes: &[u8], to: &[&dyn age::Recipient]) -> Result<String> {
    let encryptor = Encryptor::with_recipients(to.iter().copied()).map_err(|e| failed(&e))?;
    let write = || -> io::Result<Vec<u8>> {
        let armor = ArmoredWriter::wrap_output(Vec::new(), Format::AsciiArmor)?;
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(bytes)?;
        writer.finish()?.finish()
    };
    let text = write().map_err(|e| Error::io("encrypting", e))?;
    String::from_utf8(text).map_err(|e| failed(&e))
}

/// Decrypts an armored text; `None` when no key fits.
pub fn open_text(text: &str, identities: &[Identity]) -> Result<Option<Vec<u8>>> {
    let Some(mut from) = decrypted(ArmoredReader::new(text.as_bytes()), identities)? else { return Ok(None) };
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|e| unreadable("decrypting the manifest", e))?;
    Ok(Some(bytes))
}

/// Encrypts what `from` gives into `to`, and gives `to` back.
pub fn encrypt<W: Write>(recipients: &[String], mut from: impl Read, to: W, doing: &str) -> Result<W> {
    let recipients = recipients.iter().map(|text| recipient(text)).collect::<Result<Vec<_>>>()?;
    let encryptor =
        Encryptor::with_recipients(recipients.iter().map(|one| one as &dyn age::Recipient)).map_err(|e| failed(&e))?;
    let copy = || -> io::Result<W> {
        let mut writer = encryptor.wrap_output(to)?;
        io::copy(&mut from, &mut writer)?;
        writer.finish()
    };
    copy().map_err(|e| Error::io(doing, e))
}

/// The plain bytes of an encrypted stream; `None` when no key fits.
pub fn decrypted<R: BufRead>(from: R, identities: &[Identity]) -> Result<Option<impl Read + use<R>>> {
    let decryptor = match Decryptor::new_buffered(from) {
        Ok(decryptor) => decryptor,
        Err(DecryptError::Io(error)) => return Err(unreadable("decrypting", error)),
        Err(error) => return Err(Error::corrupted(error.to_string()).while_("decrypting")),
    };
    match decryptor.decrypt(identities.iter().map(|one| &one.0 as &dyn age::Identity)) {
        Ok(reader) => Ok(Some(reader)),
        Err(DecryptError::NoMatchingKeys) => Ok(None),
        Err(DecryptError::Io(error)) => Err(unreadable("decrypting", error)),
        Err(error) => Err(Error::corrupted(error.to_string()).while_("decrypting")),
    }
}

/// What the stream itself finds wrong is damage; what the reader below it says stays what it is.
pub fn unreadable(doing: &str, error: io::Error) -> Error {
    let ours = error.get_ref().is_some_and(|inner| inner.is::<Error>());
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof if !ours => {
            Error::corrupted(error.to_string()).while_(doing)
        }
        _ => Error::io(doing, error),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Failed, "encryption_failed", "The backup could not be encrypted").because(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_its_passphrase_opens_a_locked_key() {
        let key = Identity::generate().unwrap();
        let locked = lock(&key, "correct horse", "test").unwrap();
        assert!(unlock(&locked, "correct horses").unwrap().is_none());
        assert_eq!(unlock(&locked, "correct horse").unwrap().unwrap().recipient(), key.recipient());
    }

    #[test]
    fn every_flipped_bit_of_a_stream_is_found() {
        let (key, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let plain: Vec<u8> = (0..200).collect();
        let sealed = encrypt(&[key.recipient()], plain.as_slice(), Vec::new(), "encrypting").unwrap();
        let open = |bytes: &[u8], key: &Identity| -> Result<Option<Vec<u8>>> {
            let Some(mut from) = decrypted(bytes, std::slice::from_ref(key))? else { return Ok(None) };
            let mut found = Vec::new();
            from.read_to_end(&mut found).map_err(|e| unreadable("decrypting", e))?;
            Ok(Some(found))
        };
        assert_eq!(open(&sealed, &key).unwrap().unwrap(), plain);
        assert!(open(&sealed, &other).unwrap().is_none());
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let found = open(&damaged, &key);
            assert!(!matches!(found, Ok(Some(_))), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(!matches!(open(&sealed[..length], &key), Ok(Some(_))), "{length} bytes");
        }
    }

    #[test]
    fn a_key_that_asks_for_gigabytes_of_memory_is_refused() {
        let key = Identity::generate().unwrap();
        let mut by = scrypt::Recipient::new(SecretString::from("x".to_owned()));
        by.set_work_factor(MOST_WORK + 1);
        let locked = armored(key.file("test").as_bytes(), &[&by]).unwrap();
        assert!(unlock(&locked, "x").is_err());
    }
}
