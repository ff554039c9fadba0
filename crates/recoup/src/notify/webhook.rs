//! Any server that takes a request: the notice as JSON, with title and text made from it, or a template.

use super::{Message, read, reveal};
use crate::error::{Error, Result};
use crate::model::channel::Target;
use crate::model::template::{self, Escape};
use serde_json::json;

pub fn send(message: &Message<'_>) -> Result<()> {
    let Target::Webhook { url, method, headers: given, headers_file, body, content_type } = &message.channel.target
    else {
        return Ok(());
    };
    let mut headers = Vec::new();
    for (name, value) in given {
        headers.push((name.to_lowercase(), reveal(value)?));
    }
    if let Some(path) = headers_file {
        let text = String::from_utf8_lossy(&read(path, "headers")?).into_owned();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(|| {
                Error::usage("bad_header", format!("{}:{}: not a header", path.display(), at + 1))
                    .hint("a line each as name: value")
            })?;
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    let body = match body {
        Some(body) if content_type.contains("json") => template::render(body, message.notice, Escape::Json),
        Some(body) => template::render(body, message.notice, Escape::No),
        None => {
            let mut document = serde_json::to_value(message.notice).unwrap_or_else(|_| json!({}));
            document["title"] = json!(message.title());
            document["text"] = json!(message.text());
            document.to_string()
        }
    };
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), content_type.clone()));
    }
    message.request(method, reveal(url)?, headers, body.into_bytes())
}
