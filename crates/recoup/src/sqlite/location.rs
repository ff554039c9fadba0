//! How people name a SQLite database: a path, or a URL as frameworks write it. Relative names are resolved
//! once, against a folder that the caller gives, and the result is absolute.
//!
//! Not here: whether the database exists; that is found out when it is opened.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A database as it was named and where that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// As configured; error messages quote it.
    pub configured: String,
    /// Absolute.
    pub path: PathBuf,
}

impl Location {
    /// Whether the name was relative, so that the resolved path is worth saying.
    pub fn was_relative(&self) -> bool {
        self.path != Path::new(&self.configured) && !self.configured.contains(&*self.path.to_string_lossy())
    }
}

/// Understands plain paths, `sqlite:///relative`, `sqlite:////absolute`, `sqlite+driver:///…` (three slashes
/// before a relative path, as SQLAlchemy documents), `sqlite:path` and `file:path?mode=ro` (as
/// <https://www.sqlite.org/uri.html> documents). Percent-escapes are decoded, queries dropped: how a database
/// is opened is our decision.
pub fn parse(text: &str, base: &Path) -> Result<Location> {
    let text = text.trim();
    let scheme = text.split_once(':').filter(|(scheme, _)| is_scheme(scheme));
    let path = match scheme {
        None => PathBuf::from(text),
        Some((scheme, rest)) => match scheme.split('+').next().unwrap_or(scheme) {
            "sqlite" | "sqlite3" => match rest.strip_prefix("//") {
                // sqlite://host/path has a host, which SQLite databases do not have.
                Some(rest) if !rest.starts_with('/') && !rest.is_empty() => {
                    return Err(unusable(
                        text,
                        "a SQLite URL has three slashes before a relative path, four before an absolute one",
                    ));
                }
                Some(rest) => decoded(without_query(rest.strip_prefix('/').unwrap_or(rest)))?,
                None => decoded(without_query(rest))?,
            },
            "file" => {
                let rest = without_query(rest);
                let rest = rest.strip_prefix("//localhost").or_else(|| rest.strip_prefix("//")).unwrap_or(rest);
                decoded(rest)?
            }
            other => {
                return Err(unusable(text, &format!("{other} is not SQLite; Recoup backs up SQLite databases")));
            }
        },
    };
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(unusable(text, "a database in memory has no file to back up"));
    }
    Ok(Location { configured: text.to_owned(), path: base.join(path) })
}

/// A letter, then letters, digits, `+`, `-`, `.` (RFC 3986, section 3.1); a Windows drive is not a scheme.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or(text)
}

fn decoded(text: &str) -> Result<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) if high * 16 + low != 0 => bytes.push((high * 16 + low) as u8),
            _ => return Err(unusable(text, "a % must be followed by two hexadecimal digits")),
        }
    }
    Ok(PathBuf::from(OsString::from_vec(bytes)))
}

fn unusable(text: &str, why: &str) -> Error {
    // A URL of another kind of database may carry a password: it is not repeated.
    let shown = if text.contains('@') { "the database URL" } else { text };
    Error::usage("bad_database_url", format!("Cannot use {shown}: {why}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_database_leads_to_its_path() {
        for (text, path) in [
            ("app.db", "/base/app.db"),
            ("/data/app.db", "/data/app.db"),
            ("sqlite:///app.db", "/base/app.db"),
            ("sqlite:///./data/app.db", "/base/./data/app.db"),
            ("sqlite:////data/app.db", "/data/app.db"),
            ("sqlite+aiosqlite:///./data/app.db?timeout=3", "/base/./data/app.db"),
            ("sqlite:app.db", "/base/app.db"),
            ("file:app.db?mode=ro", "/base/app.db"),
            ("file:///data/my%20app.db", "/data/my app.db"),
            ("odd:name", ""),
            ("postgres://u:secret@h/d", ""),
            (":memory:", ""),
            ("sqlite://", ""),
            ("sqlite:///:memory:", ""),
            ("file:a%zz", ""),
        ] {
            let found = parse(text, Path::new("/base"));
            match found {
                Ok(location) => assert_eq!(location.path, Path::new(path), "{text}"),
                Err(error) => {
                    assert!(path.is_empty(), "{text}: {error}");
                    assert!(!error.to_string().contains("secret"));
                }
            }
        }
    }
}
