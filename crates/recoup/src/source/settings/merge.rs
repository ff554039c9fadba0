//! Live secrets and the contents of a JSON file out of a backup, brought together.
//!
//! Not here: what is done with the result ([`super::restore`]).

use std::collections::BTreeSet;
use std::ffi::OsStr;

use serde_json::{Map, Value};

use super::secret::Secrets;

/// Brings live secrets into what the backup has of a JSON file.
pub(super) struct Merge<'a> {
    secrets: &'a Secrets,
    left_out: &'a BTreeSet<&'a str>,
    /// What was left out of the backup and has been found.
    pub kept: BTreeSet<&'a str>,
}

impl<'a> Merge<'a> {
    /// `left_out` has the places of the secrets of this file.
    pub fn new(secrets: &'a Secrets, left_out: &'a BTreeSet<&'a str>) -> Self {
        Merge { secrets, left_out, kept: BTreeSet::new() }
    }

    /// Puts the live secrets at and below `place` into `new`, which is the backup's.
    pub fn keep(&mut self, new: &mut Value, live: &Value, place: &str) {
        match (new, live) {
            (Value::Object(new), Value::Object(live)) => self.keep_members(new, live, place),
            (Value::Array(new), Value::Array(live)) => self.keep_elements(new, live, place),
            (new @ Value::Null, live) if self.left_out.contains(place) => {
                *new = live.clone();
                self.found(place, live);
            }
            _ => {}
        }
    }

    fn keep_members(&mut self, new: &mut Map<String, Value>, live: &Map<String, Value>, place: &str) {
        for (name, value) in live {
            let place = format!("{place}.{name}");
            match new.get_mut(name) {
                Some(new) => self.keep(new, value, &place),
                None if self.left_out.contains(place.as_str()) || self.holds_secret(name, value) => {
                    new.insert(name.clone(), value.clone());
                    self.found(&place, value);
                }
                None => {}
            }
        }
    }

    /// Secrets in a list stay only with the element that they were left out of: one that, without them, is what
    /// the backup has. A list may have been put in another order, and a password must not go to another server.
    fn keep_elements(&mut self, new: &mut [Value], live: &[Value], place: &str) {
        let places: Vec<String> = (0..new.len()).map(|at| format!("{place}.{at}")).collect();
        let stripped = |live: &Value, place: &str| {
            let mut live = live.clone();
            strip(&mut live, place, self.left_out).then_some(live)
        };
        let is_whole_list = new.len() == live.len()
            && new
                .iter()
                .zip(live)
                .zip(&places)
                .all(|((new, live), place)| stripped(live, place).as_ref() == Some(new));
        let partners: Vec<Option<&Value>> = places
            .iter()
            .zip(new.iter())
            .enumerate()
            .map(|(at, (place, new))| {
                if !self.left_out.iter().any(|name| *name == place || is_below(name, place)) {
                    return None;
                }
                if is_whole_list {
                    return live.get(at);
                }
                let mut equal = live.iter().filter(|live| stripped(live, place).as_ref() == Some(new));
                let first = equal.next().filter(|_| !new.is_null());
                first.filter(|_| equal.next().is_none())
            })
            .collect();
        for ((new, partner), place) in new.iter_mut().zip(partners).zip(&places) {
            if let Some(live) = partner {
                *new = live.clone();
                self.found(place, live);
            }
        }
    }

    fn holds_secret(&self, name: &str, value: &Value) -> bool {
        let mut found = Vec::new();
        self.secrets.is(OsStr::new(name), value) || {
            self.secrets.strip(&mut value.clone(), "", &mut found);
            !found.is_empty()
        }
    }

    /// Everything that was left out at or below `place` is there, as far as it is not empty.
    fn found(&mut self, place: &str, live: &Value) {
        if is_empty(live) {
            return;
        }
        self.kept.extend(self.left_out.iter().filter(|name| **name == place || is_below(name, place)));
    }
}

/// Takes out of `value` what was left out of the backup; false when something of it is not there.
fn strip(value: &mut Value, place: &str, left_out: &BTreeSet<&str>) -> bool {
    let mut wanted: BTreeSet<&str> =
        left_out.iter().copied().filter(|name| *name == place || is_below(name, place)).collect();
    take(value, place, &mut wanted);
    wanted.is_empty()
}

fn take(value: &mut Value, place: &str, wanted: &mut BTreeSet<&str>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let place = format!("{place}.{name}");
            let gone = wanted.remove(place.as_str());
            if !gone {
                take(value, &place, wanted);
            }
            !gone
        }),
        Value::Array(list) => {
            list.iter_mut().enumerate().for_each(|(at, value)| take(value, &format!("{place}.{at}"), wanted));
        }
        _ => {
            if wanted.remove(place) {
                *value = Value::Null;
            }
        }
    }
}

/// An empty secret is none.
pub(super) fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// Whether a place is inside of another.
pub(super) fn is_below(name: &str, place: &str) -> bool {
    name.strip_prefix(place).is_some_and(|rest| rest.starts_with('.'))
}
