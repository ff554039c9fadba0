//! What a member of an archive is called: where each part goes, and how a path becomes a ZIP name and is the
//! same for writer, reader and whoever unpacks by hand.
//!
//! Not here: which names are refused ([`super::policy`]).

use crate::model::{PartKind, PathBytes};

/// Where a part's member lies, or below which folder its members lie.
pub fn place(kind: PartKind, name: &str, single_database: bool) -> String {
    match kind {
        PartKind::Database if single_database => "database.db".to_owned(),
        PartKind::Database => format!("databases/{}.db", escape(name.as_bytes())),
        PartKind::Directory | PartKind::Application => format!("directories/{}", escape(name.as_bytes())),
        PartKind::File | PartKind::Command => format!("files/{}", escape(name.as_bytes())),
        PartKind::Settings => "settings.json".to_owned(),
    }
}

/// The member of one entry of a directory part. Directories end in `/`.
pub fn of_entry(place: &str, path: &PathBytes, directory: bool) -> String {
    let mut name = place.to_owned();
    if !path.0.is_empty() {
        name.push('/');
        name.push_str(&escape(&path.0));
    }
    if directory {
        name.push('/');
    }
    name
}

/// Bytes as a ZIP name: reversible, and what was fine stays as it is.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let (valid, broken) = match std::str::from_utf8(rest) {
            Ok(text) => (text, 0),
            Err(error) => {
                let valid = std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default();
                (valid, error.error_len().unwrap_or(rest.len() - error.valid_up_to()))
            }
        };
        for (at, c) in valid.char_indices() {
            let like_an_escape = c == '%'
                && valid.as_bytes().get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
            if c.is_ascii_control() || c == '\\' || like_an_escape {
                out.push_str(&format!("%{:02X}", c as u32));
            } else {
                out.push(c);
            }
        }
        let tail = &rest[valid.len()..valid.len() + broken];
        tail.iter().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        rest = &rest[valid.len() + broken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unescape(text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut out = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let two = text.get(at + 1..at + 3).filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
            match (bytes[at], two.and_then(|two| u8::from_str_radix(two, 16).ok())) {
                (b'%', Some(byte)) => {
                    out.push(byte);
                    at += 3;
                }
                (byte, _) => {
                    out.push(byte);
                    at += 1;
                }
            }
        }
        out
    }

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in ["a/b.jpg", "100%.txt", "Grüße aus Köln.txt", "spaced name. ", "a:b*?"] {
            assert_eq!(escape(name.as_bytes()), name);
        }
        assert_eq!(escape(b"caf\xe9\n\\%41"), "caf%E9%0A%5C%2541");
    }

    proptest! {
        #[test]
        fn every_name_can_be_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(unescape(&escape(&bytes)), bytes);
        }
    }
}
