//! How a file in Drive is marked as ours: private properties that only our application sees. Drive finds files by
//! properties and ids; names are for people, and there may be many of one name.
//!
//! Drive allows 30 properties per application and 124 bytes for name and value of each (developers.google.com, "Add
//! custom file properties"), so a key is told by its hash and kept in pieces.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Marks the folder.
pub(super) const FOLDER: &str = "recoup_folder";
/// Marks everything that belongs to the folder, wherever a person moves it.
pub(super) const INSIDE: &str = "recoup_in";
/// Marks one object.
pub(super) const KEY: &str = "recoup_key";
/// Begins the names of the pieces of a key.
const PIECE: &str = "recoup_k";
/// Bytes of a piece.
const LENGTH: usize = 110;
/// Pieces beside the two marks.
const PIECES: usize = 28;

/// The mark of a folder.
pub(super) fn folder(name: &str) -> String {
    hash(name).get(..32).unwrap_or_default().to_owned()
}

/// The mark of an object.
pub(super) fn object(folder: &str, key: &str) -> String {
    hash(&format!("{folder}\0{key}"))
}

/// All properties of an object.
pub(super) fn properties(folder: &str, key: &str) -> Result<BTreeMap<String, String>> {
    let mut properties = BTreeMap::from([(INSIDE.to_owned(), folder.to_owned())]);
    properties.insert(KEY.to_owned(), object(folder, key));
    let mut rest = key;
    for piece in 0..PIECES {
        let end = (0..=rest.len().min(LENGTH)).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or_default();
        let (this, next) = rest.split_at(end);
        properties.insert(format!("{PIECE}{piece}"), this.to_owned());
        rest = next;
        if rest.is_empty() {
            return Ok(properties);
        }
    }
    Err(Error::usage("bad_key", format!("Too long for Google Drive: {key:?}")))
}

/// The key of an object; `None` when the properties are not whole.
pub(super) fn key(properties: &BTreeMap<String, String>) -> Option<String> {
    let mut key = String::new();
    for piece in 0..PIECES {
        match properties.get(&format!("{PIECE}{piece}")) {
            Some(text) => key.push_str(text),
            None => break,
        }
    }
    let marked = object(properties.get(INSIDE)?, &key);
    (properties.get(KEY) == Some(&marked)).then_some(key)
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_any_length_comes_back_from_its_properties() {
        for key in ["a", "shop/x.zip", &"ö".repeat(90), &format!("a/{}", "🔒ü".repeat(400))] {
            let properties = properties(&folder("Recoup"), key).unwrap();
            assert_eq!(super::key(&properties).as_deref(), Some(key));
            assert!(properties.len() <= 30);
            assert!(properties.iter().all(|(name, value)| name.len() + value.len() <= 124), "{properties:?}");
        }
        assert!(properties("x", &"k".repeat(4000)).is_err());
    }

    #[test]
    fn properties_that_are_not_whole_are_no_key() {
        let mut properties = properties(&folder("Recoup"), &"k".repeat(300)).unwrap();
        properties.remove("recoup_k2");
        assert_eq!(key(&properties), None);
    }
}
