//! Differences of settings as lines for people. Values that are secret, or look so, are never in them.
//!
//! Not here: finding out what is secret ([`super::secret`]).

use std::ffi::OsStr;

use serde_json::Value;

use super::secret::Secrets;

/// Characters of a value that are shown.
const LONGEST: usize = 40;

/// Writes lines.
pub(super) struct Shown<'a> {
    secrets: &'a Secrets,
}

impl<'a> Shown<'a> {
    pub fn new(secrets: &'a Secrets) -> Self {
        Shown { secrets }
    }

    /// `~ shop.settings: theme: "light" → "dark"`, or nothing when nothing differs. `name` is what secrets go by.
    pub fn line(
        &self,
        label: &str,
        place: &str,
        name: &str,
        old: Option<&Value>,
        new: Option<&Value>,
    ) -> Option<String> {
        let value = |value: &Value| self.value(name, value);
        let place = if place.is_empty() { label.to_owned() } else { format!("{label}: {place}") };
        match (old, new) {
            (Some(old), Some(new)) if old != new => Some(format!("~ {place}: {} → {}", value(old), value(new))),
            (None, Some(new)) => Some(format!("+ {place}: {}", value(new))),
            (Some(old), None) => Some(format!("- {place}: {}", value(old))),
            _ => None,
        }
    }

    /// A line for every member that differs.
    pub fn tree(&self, label: &str, place: &str, old: Option<&Value>, new: Option<&Value>, lines: &mut Vec<String>) {
        let empty = serde_json::Map::new();
        let members = match (old, new) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => (old, new),
            (None, Some(Value::Object(new))) if !new.is_empty() => (&empty, new),
            (Some(Value::Object(old)), None) if !old.is_empty() => (old, &empty),
            _ => {
                let name = place.rsplit('.').next().unwrap_or(place);
                lines.extend(self.line(label, place, name, old, new));
                return;
            }
        };
        let (old, new) = members;
        let added = new.keys().filter(|name| !old.contains_key(*name));
        for name in old.keys().chain(added) {
            let below = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            self.tree(label, &below, old.get(name), new.get(name), lines);
        }
    }

    fn value(&self, name: &str, value: &Value) -> String {
        let mut found = Vec::new();
        self.secrets.strip(&mut value.clone(), "", &mut found);
        if !found.is_empty() || self.secrets.is(OsStr::new(name), value) {
            return "(secret)".into();
        }
        let text = value.to_string();
        if text.chars().count() <= LONGEST {
            return text;
        }
        text.chars().take(LONGEST).chain(['…']).collect()
    }
}
