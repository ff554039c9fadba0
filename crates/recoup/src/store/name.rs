//! The names of what lies at a destination, written and read: `<plan>/<plan>-<YYYYMMDDTHHMMSSZ>-<id6>.<ext>`. Reading
//! is exact, because deleting depends on it: what does not match is somebody else's file.
//!
//! Not here: the time and id inside a name are cosmetic; the manifest is what counts.

use crate::model::{Manifest, Plan};

/// Extension of the manifest.
pub(super) const MANIFEST: &str = ".manifest.json";
/// Extension of the marker that protects a backup by hand.
pub(super) const PROTECTED: &str = ".protected";
/// Extension of the announcement at destinations without locks.
pub(super) const PENDING: &str = ".pending";
/// Extensions of data objects, of every format.
pub(crate) const PLAIN: &[&str] = &[".zip", ".db", ".json", ".csv.zip"];
/// What is appended to them when they are encrypted.
pub(super) const SEALED: &str = ".age";
/// Extensions of pieces of a history: the first, unless a piece of that name is there already and others need it.
pub(super) const PIECES: [&str; 4] = [".history", ".1.history", ".2.history", ".3.history"];
/// All of them.
pub(super) const DATA: &[&str] = &[
    ".zip",
    ".db",
    ".json",
    ".csv.zip",
    ".history",
    ".1.history",
    ".2.history",
    ".3.history",
    ".zip.age",
    ".db.age",
    ".json.age",
    ".csv.zip.age",
    ".history.age",
    ".1.history.age",
    ".2.history.age",
    ".3.history.age",
];

/// A key of ours, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredName<'a> {
    /// `<plan>/<stem>`.
    pub base: &'a str,
    /// One of the extensions above, with its dot.
    pub extension: &'a str,
}

impl<'a> StoredName<'a> {
    /// Takes a key apart; `None` when it is not exactly a name of this layout.
    pub fn parse(key: &'a str) -> Option<Self> {
        let (plan, file) = key.split_once('/')?;
        let base_length = plan.len() + 1 + StoredName::of_parts(plan, file)?;
        let (base, extension) = key.split_at_checked(base_length)?;
        Some(StoredName { base, extension })
    }

    /// The last six characters of the id, as names carry them.
    pub fn tail(&self) -> &'a str {
        self.base.get(self.base.len().saturating_sub(6)..).unwrap_or_default()
    }

    /// Length of the stem in `file`.
    fn of_parts(plan: &str, file: &str) -> Option<usize> {
        Plan::check_name(plan).ok()?;
        let stem = plan.len() + STAMP;
        let (stem_text, extension) = file.split_at_checked(stem)?;
        let known = [MANIFEST, PROTECTED, PENDING].contains(&extension) || DATA.contains(&extension);
        (known && is_stamp(stem_text.strip_prefix(plan)?)).then_some(stem)
    }
}

/// `-YYYYMMDDTHHMMSSZ-` and six characters.
const STAMP: usize = 1 + 16 + 1 + 6;

fn is_stamp(text: &str) -> bool {
    let shape = |(i, b): (usize, u8)| match i {
        0 | 17 => b == b'-',
        9 => b == b'T',
        16 => b == b'Z',
        1..=15 => b.is_ascii_digit(),
        _ => b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"ilou".contains(&b)),
    };
    text.len() == STAMP && text.bytes().enumerate().all(shape)
}

/// The stem of a base `<plan>/<stem>`.
pub(super) fn stem_of(base: &str) -> &str {
    base.split_once('/').map_or(base, |(_, stem)| stem)
}

/// Whether this is the name of a piece of a history of a plan: it may belong to several backups.
pub(super) fn is_piece(plan: &str, name: &str) -> bool {
    let plain = name.strip_suffix(SEALED).unwrap_or(name);
    let mut bases = PIECES.iter().filter_map(|extension| base_of_stem(plain.strip_suffix(extension)?));
    bases.any(|base| base.split_once('/').is_some_and(|(of, _)| of == plan))
}

/// Whether a backup is made of pieces of a history; told without opening it, too.
pub(crate) fn in_pieces(manifest: &Manifest) -> bool {
    manifest.stored().iter().any(|object| is_piece(&manifest.plan, &object.name))
}

/// The base of a stem; `None` when it is not exactly a stem of this layout.
pub(super) fn base_of_stem(stem: &str) -> Option<String> {
    let (plan, stamp) = stem.split_at_checked(stem.len().checked_sub(STAMP)?)?;
    (is_stamp(stamp) && Plan::check_name(plan).is_ok()).then(|| format!("{plan}/{stem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_ours() {
        fn parse(key: &str) -> Option<(&str, &str)> {
            StoredName::parse(key).map(|name| (name.base, name.extension))
        }
        let base = "shop/shop-20270115T080000Z-k3f9qz";
        for extension in DATA.iter().chain(&[MANIFEST, PROTECTED, PENDING]) {
            let key = format!("{base}{extension}");
            assert_eq!(parse(&key), Some((base, *extension)));
        }
        for foreign in [
            "shop/shop-20270115T080000Z-k3f9qz.zip.bak",
            "shop/shop-20270115T080000Z-k3f9qz",
            "shop/shop-20270115T080000Z-k3f9q.zip",
            "shop/shop-20270115T080000Z-k3f9qzz.zip",
            "shop/shop-20270115T080000Z-k3f9qu.zip",
            "shop/shop-20270115T080000Z-K3F9QZ.zip",
            "shop/shop-20270115T080000-k3f9qz.zip",
            "shop/shop2-20270115T080000Z-k3f9qz.zip",
            "other/shop-20270115T080000Z-k3f9qz.zip",
            "shop/x/shop-20270115T080000Z-k3f9qz.zip",
            "shop-20270115T080000Z-k3f9qz.zip",
            "shop/photo.zip",
        ] {
            assert_eq!(parse(foreign), None, "{foreign}");
        }
        assert_eq!(base_of_stem(stem_of(base)).as_deref(), Some(base));
        assert_eq!(base_of_stem("01ARZ3NDEKTSV4RRFFQ69G5FAV"), None);
    }
}
