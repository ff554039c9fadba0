//! `recoup config print`: every setting in effect, and where each comes from.

use recoup::Result;
use recoup::config::Value;
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

    let mut table = Table::new(&["", "", "", ""]);
    for value in &values {
        let resolved = value.resolved.as_ref().map(|path| format!("→ {}", path.display()));
        let from = if origin { format!("# {}", value.origin) } else { String::new() };
        table.row([value.key.clone(), format!("= {}", value.value), resolved.unwrap_or_default(), from]);
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
