//! Keys: relative, `/` between parts, no part empty, too long or with a leading dot, so that a key never leaves its
//! destination and never meets what a destination keeps for itself.

use crate::error::{Error, Result};

/// One part of a key: not empty, no leading dot, no control character, short enough for a part file's name.
pub(super) fn valid(part: &str) -> bool {
    !part.is_empty() && !part.starts_with('.') && part.len() <= 200 && !part.chars().any(|c| c.is_control() || c == '/')
}

/// The folders of a key and its name.
pub(super) fn check(key: &str) -> Result<(Vec<&str>, &str)> {
    let mut parts: Vec<&str> = key.split('/').collect();
    if parts.iter().any(|part| !valid(part)) {
        return Err(bad(key));
    }
    let name = parts.pop().ok_or_else(|| bad(key))?;
    Ok((parts, name))
}

/// The error of what is no key.
pub(super) fn bad(key: &str) -> Error {
    Error::usage("bad_key", format!("Not a key: {key:?}"))
        .hint("a key is relative, and no part of it is empty or begins with a dot")
}
