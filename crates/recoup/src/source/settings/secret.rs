//! What is a secret: by its name, by its value, or because the configuration says so.
//!
//! Not here: where settings come from ([`super`]).

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
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let authority = rest.split(['/', '?', '#', ' ', '\n', '\t', '"', '\'']).next().unwrap_or(rest);
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        user.and_then(|user| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
