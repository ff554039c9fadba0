//! A few keys of rows that differ, as examples for people and scripts.
//!
//! Not here: finding the rows ([`super::compare`]).

use serde::Serialize;

use super::rows::{Value, write_json_row};

/// Keys told per table and direction.
pub(super) const EXAMPLES: usize = 5;

/// Characters of one key that are told.
const LONGEST: usize = 100;

/// The first keys of rows that differ, at most five of each, as the JSON export writes values: a number, a string, a
/// tagged value; a list of them where a key has several columns. A key of more than a hundred characters is cut and
/// ends with `…`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// Rows only on the right.
    pub added: Vec<serde_json::Value>,
    /// Rows only on the left.
    pub removed: Vec<serde_json::Value>,
    /// Rows with the same key and other values.
    pub changed: Vec<serde_json::Value>,
}

impl Keys {
    /// There is none to tell: no row differs, or the table has no key.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// Adds a key while there is room.
pub(super) fn add(examples: &mut Vec<serde_json::Value>, key: &[Value<'_>]) {
    if examples.len() >= EXAMPLES {
        return;
    }
    let mut line = Vec::new();
    write_json_row(key, &mut line);
    let text = String::from_utf8_lossy(&line);
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(&text);
    let shown = if key.len() == 1 { inner } else { text.as_ref() };
    if shown.chars().count() > LONGEST {
        let mut cut: String = shown.trim_start_matches('"').chars().take(LONGEST).collect();
        cut.push('…');
        examples.push(cut.into());
    } else if let Ok(value) = serde_json::from_str(shown) {
        examples.push(value);
    }
}
