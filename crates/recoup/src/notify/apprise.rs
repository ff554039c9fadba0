//! An Apprise API server (`POST /notify/KEY`), which passes it on to the services that it knows.

use serde_json::json;

use super::{Message, reveal};
use crate::error::Result;
use crate::model::channel::Target;
use crate::model::notice::Event;

pub fn send(message: &Message<'_>) -> Result<()> {
    let Target::Apprise { url, tag } = &message.channel.target else { return Ok(()) };
    let kind = match message.notice.event {
        Event::Failure | Event::Overdue => "failure",
        Event::Warnings | Event::NeedsSignIn | Event::ClockAnomaly => "warning",
        Event::Success | Event::Recovery => "success",
        Event::Start | Event::Test => "info",
    };
    let mut body = json!({ "title": message.title(), "body": message.text(), "type": kind, "format": "text" });
    if let Some(tag) = tag {
        body["tag"] = json!(tag);
    }
    message.json(reveal(url)?, Vec::new(), &body)
}
