//! The names of key objects at a destination, written and read. Reading is exact: what does not match is somebody else's
//! file.
//!
//! Not here: what they hold ([`super::keyring`]).

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::destination::Destination;
use crate::error::Result;
use crate::model::Plan;

/// Where keys are kept at a destination.
pub(super) const FOLDER: &str = "recoup-keys/";
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A key object at a destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// When it was made, as the name says it.
    pub created: String,
    /// What it is known by.
    pub fingerprint: String,
    /// When it was locked again.
    pub relocked: Option<String>,
    /// The whole key of the object.
    pub key: String,
}

/// A time as names have it.
pub(super) fn stamp(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime(STAMP).to_string()
}

/// The time of a stamp.
pub(super) fn at(stamp: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y%m%dT%H%M%SZ %z", format!("{stamp} +0000")).ok()
}

/// The key objects of a scope (`Some(None)` is the destination's own), or all of them; in order of making.
pub(super) fn named(destination: &dyn Destination, scope: Option<Option<&str>>) -> Result<Vec<Named>> {
    let mut found = Vec::new();
    for object in destination.list(FOLDER)? {
        let Some((plan, named)) = parse(&object.key) else { continue };
        if scope.is_none_or(|scope| scope == plan.as_deref()) {
            found.push(named);
        }
    }
    found.sort();
    Ok(found)
}

/// `[<plan>.]<stamp>-<fingerprint>[.<stamp>].age`
fn parse(key: &str) -> Option<(Option<String>, Named)> {
    let name = key.strip_prefix(FOLDER)?.strip_suffix(".age")?;
    let is_stamp = |text: &str| text.len() == 16 && at(text).is_some();
    let (rest, relocked) = match name.rsplit_once('.') {
        Some((rest, last)) if is_stamp(last) => (rest, Some(last.to_owned())),
        _ => (name, None),
    };
    let (plan, rest) = match rest.rsplit_once('.') {
        Some((plan, rest)) => (Some(plan.to_owned()), rest),
        None => (None, rest),
    };
    let (created, fingerprint) = rest.split_once('-')?;
    let hex = fingerprint.len() == 16 && fingerprint.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_stamp(created) || !hex || plan.as_deref().is_some_and(|plan| Plan::check_name(plan).is_err()) {
        return None;
    }
    let (created, fingerprint) = (created.to_owned(), fingerprint.to_owned());
    Some((plan, Named { created, fingerprint, relocked, key: key.to_owned() }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_keys() {
        let named =
            |key: &str| parse(key).map(|(plan, named)| (plan, named.created, named.fingerprint, named.relocked));
        let (at, print) = ("20270115T080000Z".to_owned(), "9f86d081884c7d65".to_owned());
        let later = Some("20270301T090000Z".to_owned());
        for (name, plan, relocked) in [
            ("20270115T080000Z-9f86d081884c7d65.age", None, None),
            ("20270115T080000Z-9f86d081884c7d65.20270301T090000Z.age", None, later.clone()),
            ("shop.20270115T080000Z-9f86d081884c7d65.age", Some("shop".to_owned()), None),
            ("my.shop.20270115T080000Z-9f86d081884c7d65.20270301T090000Z.age", Some("my.shop".to_owned()), later),
        ] {
            let key = format!("recoup-keys/{name}");
            assert_eq!(named(&key), Some((plan, at.clone(), print.clone(), relocked)), "{name}");
        }
        for other in ["20270115T080000Z-9f86d081884c7d6.age", "x-9f86d081884c7d65.age", "readme.age", "a/b.age", ".age"]
        {
            assert_eq!(named(&format!("recoup-keys/{other}")), None, "{other}");
        }
    }
}
