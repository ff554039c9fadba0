//! Texts with places to fill in: `{{plan}} failed: {{error}}`. A place is a field of a notice; there is no logic, so what a
//! notice holds is never read as a template.
//!
//! Not here: who uses them ([`super::channel`]).

use super::notice::{Notice, size};

/// What can be filled in.
pub const FIELDS: [&str; 19] = [
    "event", "title", "text", "plan", "work", "host", "run", "at", "outcome", "backup", "name", "size", "bytes",
    "verified", "places", "error", "code", "hint", "link",
];

/// How what is filled in is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Escape {
    /// As it is.
    No,
    /// As the inside of a JSON string.
    Json,
}

/// Fills in. An unknown place stays as it is written; [`unknown`] finds those when the template is made.
pub fn render(template: &str, notice: &Notice, escape: Escape) -> String {
    let mut out = String::with_capacity(template.len() + 200);
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Place { written, name } => match field(notice, name) {
                None => out.push_str(written),
                Some(value) if escape == Escape::No => out.push_str(&value),
                Some(value) => {
                    let quoted = serde_json::Value::String(value).to_string();
                    out.push_str(&quoted[1..quoted.len() - 1]);
                }
            },
        }
    }
    out
}

/// The first place that names no field.
pub fn unknown(template: &str) -> Option<&str> {
    pieces(template).into_iter().find_map(|piece| match piece {
        Piece::Place { name, .. } if !FIELDS.contains(&name) => Some(name),
        _ => None,
    })
}

enum Piece<'a> {
    Text(&'a str),
    Place { written: &'a str, name: &'a str },
}

fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(start) = rest.find("{{") {
        let Some(length) = rest[start..].find("}}") else { break };
        let written = &rest[start..start + length + 2];
        pieces.push(Piece::Text(&rest[..start]));
        pieces.push(Piece::Place { written, name: written[2..length].trim() });
        rest = &rest[start + length + 2..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

fn field(notice: &Notice, name: &str) -> Option<String> {
    let backup = notice.backup.as_ref();
    let error = notice.error.as_ref();
    let or_empty = |value: Option<String>| Some(value.unwrap_or_default());
    match name {
        "event" => Some(notice.event.word().to_owned()),
        "title" => Some(notice.title()),
        "text" => Some(notice.text()),
        "plan" => Some(notice.plan.clone()),
        "work" => Some(notice.work.word().to_owned()),
        "host" => or_empty(notice.host.clone()),
        "run" => or_empty(notice.run.clone()),
        "at" => Some(notice.at.to_string()),
        "outcome" => {
            let word = notice.outcome.and_then(|outcome| serde_json::to_value(outcome).ok());
            or_empty(word.and_then(|word| word.as_str().map(str::to_owned)))
        }
        "backup" => or_empty(backup.map(|backup| backup.id.clone())),
        "name" => or_empty(backup.map(|backup| backup.name.clone())),
        "size" => or_empty(backup.map(|backup| size(backup.bytes))),
        "bytes" => or_empty(backup.map(|backup| backup.bytes.to_string())),
        "verified" => or_empty(backup.and_then(|backup| backup.verified).map(|level| level.to_string())),
        "places" => or_empty(backup.map(|backup| backup.places.join(", "))),
        "error" => or_empty(error.map(|error| error.message.clone())),
        "code" => or_empty(error.map(|error| error.code.clone())),
        "hint" => or_empty(error.and_then(|error| error.hint.clone())),
        "link" => or_empty(notice.link.clone().or_else(|| backup.and_then(|backup| backup.link.clone()))),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::notice::{ErrorTold, Event};

    fn notice() -> Notice {
        let mut notice = Notice::new(Event::Failure, "shop", "2026-05-01T03:00:00Z".parse().unwrap());
        let message = "no \"file\" C:\\x\n{{plan}}".to_owned();
        notice.error = Some(ErrorTold { code: "x".into(), message, detail: String::new(), hint: None });
        notice
    }

    #[test]
    fn every_field_can_be_filled_in_and_no_other() {
        for name in FIELDS {
            assert!(field(&notice(), name).is_some(), "{name}");
            assert_eq!(unknown(&format!("a {{{{ {name} }}}} b")), None);
        }
        assert_eq!(unknown("{{plan}} {{plam}}"), Some("plam"));
        assert_eq!(render("{{nothing}} {{ {{x", &notice(), Escape::No), "{{nothing}} {{ {{x");
    }

    #[test]
    fn json_stays_json_whatever_is_filled_in_and_values_are_no_templates() {
        let text = render(r#"{"a": "{{plan}}: {{error}}"}"#, &notice(), Escape::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["a"], "shop: no \"file\" C:\\x\n{{plan}}");
    }
}
