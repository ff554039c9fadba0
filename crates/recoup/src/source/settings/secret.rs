//! What is a secret: by its name, by its value, or because the configuration says so.
//!
//! Not here: where settings come from ([`super`]).

use std::collections::HashSet;
use std::ffi::OsStr;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde_json::Value;

use crate::error::{Error, Result};

/// Parts of names that mean a secret.
const PARTS: [&str; 17] = [
    "APIKEY",
    "AUTH",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "KEY",
    "KEYS",
    "PASS",
    "PASSPHRASE",
    "PASSWD",
    "PASSWORD",
    "PASSWORDS",
    "PRIVATE",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKENS",
];

/// Words that mean a secret wherever they stand in a name: `DBPASSWORD`, `accesstoken`.
const ANYWHERE: [&str; 5] = ["CREDENTIAL", "PASSWD", "PASSWORD", "SECRET", "TOKEN"];

/// The fewest characters in a row that are taken for a random token when they look like one: what 120 bits need
/// in base 64.
const TOKEN: usize = 20;

/// Longer than this it is data, not a token.
const LONGEST_TOKEN: usize = 1024;

/// Decides what is left out.
pub(super) struct Secrets {
    secret: GlobSet,
    not_secret: GlobSet,
}

impl Secrets {
    pub fn new(secret: &[String], not_secret: &[String]) -> Result<Self> {
        Ok(Secrets { secret: names(secret)?, not_secret: names(not_secret)? })
    }

    /// Whether a setting must not be stored. What is listed as secret is, whatever else is said.
    pub fn is(&self, name: &OsStr, value: &Value) -> bool {
        if self.secret.is_match(name) {
            return true;
        }
        if self.not_secret.is_match(name) {
            return false;
        }
        looks_secret_by_name(&name.to_string_lossy()) || self.looks_secret_by_value(value)
    }

    /// Text that is JSON hides as little as JSON does.
    fn looks_secret_by_value(&self, value: &Value) -> bool {
        let Value::String(text) = value else { return false };
        if is_secret_text(text) {
            return true;
        }
        let json = text.trim_start().starts_with(['{', '[']);
        json && serde_json::from_str(text).is_ok_and(|inner| self.any_inside(&inner))
    }

    fn any_inside(&self, value: &Value) -> bool {
        match value {
            Value::Object(map) => {
                map.iter().any(|(name, value)| self.is(OsStr::new(name), value) || self.any_inside(value))
            }
            Value::Array(list) => list.iter().any(|value| self.any_inside(value)),
            other => self.looks_secret_by_value(other),
        }
    }

    /// Takes every secret out of a document; `place` names it. What is taken out of a list leaves a `null`.
    pub fn strip(&self, value: &mut Value, place: &str, left_out: &mut Vec<String>) {
        match value {
            Value::Object(map) => map.retain(|name, value| {
                let place = format!("{place}.{name}");
                if self.is(OsStr::new(name), value) {
                    left_out.push(place);
                    return false;
                }
                if !self.not_secret.is_match(name) || !value.is_string() {
                    self.strip(value, &place, left_out);
                }
                true
            }),
            Value::Array(list) => {
                for (at, value) in list.iter_mut().enumerate() {
                    self.strip(value, &format!("{place}.{at}"), left_out);
                }
            }
            other if self.looks_secret_by_value(other) => {
                left_out.push(place.to_owned());
                *other = Value::Null;
            }
            _ => {}
        }
    }
}

/// A set of names or globs of names.
pub(super) fn names(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    let bad = |pattern: &str, e: globset::Error| {
        Error::usage("bad_setting_name", format!("Not a name: {pattern}")).because(e)
    };
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(|e| bad(pattern, e))?);
    }
    set.build().map_err(|e| bad("", e))
}

fn looks_secret_by_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    ANYWHERE.iter().any(|word| upper.contains(word)) || words(name).any(|word| PARTS.contains(&word.as_str()))
}

/// The words of `SMTP_PASS`, `smtp-pass`, `smtpPass` and `SMTPPass`, in upper case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let characters: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (at, character) in characters.iter().enumerate() {
        let lower = |at: usize| characters.get(at).is_some_and(|c| c.is_lowercase());
        let begins = character.is_uppercase() && at > 0 && (!characters[at - 1].is_uppercase() || lower(at + 1));
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if character.is_alphabetic()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_uppercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// A private key in PEM (RFC 7468), or a URL with a password (RFC 3986, section 3.2.1).
fn is_secret_text(text: &str) -> bool {
    if text.contains("-----BEGIN ") && text.contains("PRIVATE KEY") {
        return true;
    }
    if is_token(text) {
        return true;
    }
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let authority = rest.split(['/', '?', '#', ' ', '\n', '\t', '"', '\'']).next().unwrap_or(rest);
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

/// A long random token, alone or after the word for its scheme (`Bearer`, RFC 6750). UUIDs and ULIDs are names of
/// things, not secrets, and paths are paths.
fn is_token(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let token = match (words.next(), words.next(), words.next()) {
        (Some(token), None, _) => token,
        (Some(scheme), Some(token), None) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => token,
        _ => return false,
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_.~-".contains(&byte);
    if token.len() > LONGEST_TOKEN || !token.bytes().all(plain) || token.starts_with("./") {
        return false;
    }
    let path = token.starts_with('/') && token.matches('/').count() > 2;
    let name = token.starts_with('0') && ulid::Ulid::from_string(token).is_ok();
    let uuid = token.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    !path && !name && !uuid && token.split(['=', '.', '~']).any(is_random)
}

/// Words and numbers keep to one kind of character for a while; random ones change it every other time (62 % in
/// base 64, 47 % in hexadecimal) and repeat few. Without a digit it is rather `aNameInCamelCase`. Base 64 may be
/// interrupted by its marks.
fn is_random(piece: &str) -> bool {
    let kind = |byte: u8| (byte.is_ascii_lowercase(), byte.is_ascii_digit());
    let changing = |run: &&str| {
        let changes = run.as_bytes().windows(2).filter(|pair| kind(pair[0]) != kind(pair[1])).count();
        run.len() >= 8 && changes * 4 >= run.len()
    };
    let runs: Vec<&str> = piece.split(['+', '/', '-', '_']).filter(changing).collect();
    let different: HashSet<u8> = runs.iter().flat_map(|run| run.bytes()).collect();
    let digit = piece.bytes().any(|byte| byte.is_ascii_digit());
    digit && runs.iter().map(|run| run.len()).sum::<usize>() >= TOKEN && different.len() >= 8
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_random_token_is_a_secret_and_a_name_of_a_thing_is_not() {
        for text in [
            "51H8xJ2eZvKYlo2CaBcDeFgH",
            "sk_live_51H8xJ2eZvKYlo2CaBcDeFgH",
            "ghp_R4nd0mT0k3nF0rT3st1ngPurp0s3s1234",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "d41d8cd98f00b204e9800998ecf8427e",
        ] {
            assert!(is_secret_text(text), "{text}");
        }
        for text in [
            "",
            "EUR",
            "America/Argentina/Buenos_Aires",
            "2024-05-01T10:00:00.123456Z",
            "SHOP-Order-2024-INVOICE-00012",
            "123e4567-e89b-12d3-a456-426614174000",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "/var/lib/docker/volumes/9f86d081884c7d659a2feaa0c55ad015/_data",
            "thisIsARatherLongCamelCaseIdentifierForSettings",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "31415926535897932384626433832795",
            "com.example.Shop2.BackupService.Version3",
            "Europe/Data2/Files3/Backup4/Year2024/Month12",
            "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
            "The order 51H8xJ2eZvKYlo2CaBcDeFgH was sent",
        ] {
            assert!(!is_secret_text(text), "{text}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_name() {
        for name in [
            "SMTP_PASSWORD",
            "smtp_pass",
            "smtpPass",
            "SMTPPass",
            "API_KEY",
            "apiKey",
            "apikey",
            "SHOP_DSN",
            "SHOP_AUTH",
            "DBPASSWORD",
            "accesstoken",
            "aws-secret-access",
            "credentials",
            "private.pem",
            "KEY2",
            "signing.keys",
        ] {
            assert!(looks_secret_by_name(name), "{name}");
        }
        for name in ["SHOP_NAME", "keyboard", "monkey", "author", "passage", "compass", "PRIVATELY", "smtp_host"] {
            assert!(!looks_secret_by_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_value() {
        for text in [
            "postgres://shop:hunter2@db/shop",
            "see redis://:hunter2@cache:6379/0 for more",
            "-----BEGIN RSA PRIVATE KEY-----\nMII",
        ] {
            assert!(is_secret_text(text), "{text}");
        }
        for text in
            ["https://example.org/a:b@c", "https://user@example.org", "mail me: a@b", "-----BEGIN CERTIFICATE-----"]
        {
            assert!(!is_secret_text(text), "{text}");
        }
        let secrets = Secrets::new(&[], &[]).unwrap();
        assert!(secrets.is(OsStr::new("mail"), &Value::from(r#"{"host":"h","smtp":[{"password":"x"}]}"#)));
        assert!(!secrets.is(OsStr::new("mail"), &Value::from(r#"{"host":"h"}"#)));
    }
}
