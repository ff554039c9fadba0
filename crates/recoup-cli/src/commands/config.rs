//! `recoup config print`: every setting in effect, and where each comes from.

use recoup::Result;
use recoup::config::{Origin, Value};
use serde_json::json;

use crate::output::Reply;
use crate::session::Session;
use crate::table::Table;

pub fn print(origin: bool, session: &Session) -> Result<Reply> {
    let mut values = Vec::new();
    if let Some((path, origin)) = &session.config {
        let (value, origin) = (json!(path.display().to_string()), origin.clone());
        values.push(Value { key: "config".into(), value, resolved: None, origin });
    }
    values.extend(session.settings.values.iter().cloned());

    let mut table = Table::new(&["", "", ""]);
    for value in &values {
        let mut notes = Vec::new();
        notes.extend(origin.then(|| shown(&value.origin)));
        notes.extend(value.resolved.as_ref().map(|path| format!("→ {}", path.display())));
        let notes = if notes.is_empty() { String::new() } else { format!("# {}", notes.join("  ")) };
        table.row([value.key.clone(), format!("= {}", value.value), notes]);
    }
    let mut text = table.draw("");
    if session.config.is_none() {
        text.push_str("\nThere is no recoup.toml; looked at:\n");
        for place in crate::session::places(&session.current) {
            text.push_str(&format!("  {}\n", place.display()));
        }
    }
    let settings: Vec<_> = values
        .iter()
        .map(|value| {
            let resolved = value.resolved.as_ref().map(|path| path.display().to_string());
            json!({ "key": value.key, "value": value.value, "resolved": resolved, "origin": value.origin.to_string() })
        })
        .collect();
    Ok(Reply::good(json!({ "settings": settings }), text.clone(), text))
}

/// An origin for people, who have read above where the file is.
fn shown(origin: &Origin) -> String {
    match origin {
        Origin::File { path, line } => {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            format!("{}:{line}", name.unwrap_or_default())
        }
        other => other.to_string(),
    }
}
