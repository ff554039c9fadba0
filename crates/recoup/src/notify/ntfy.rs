//! A topic of an ntfy server, published as JSON to the root of the server (docs.ntfy.sh, "Publish as JSON"): titles of any
//! script, and nothing of ours in a header but the token.

use serde_json::json;

use super::{Message, reveal};
use crate::error::{Error, Result};
use crate::model::channel::Target;
use crate::model::notice::{Event, shorten};

/// A longer text would become an attachment (ntfy's limit is 4,096 bytes).
const TEXT: usize = 4000;

pub fn send(message: &Message<'_>) -> Result<()> {
    let Target::Ntfy { url, token } = &message.channel.target else { return Ok(()) };
    let url = reveal(url)?;
    let (server, topic) = server_and_topic(&url)?;
    let mut headers = Vec::new();
    if let Some(token) = token {
        headers.push(("authorization".to_owned(), format!("Bearer {}", reveal(token)?)));
    }
    let notice = message.notice;
    // ntfy shows an emoji for these tags, so the sign of the title is left out.
    let (priority, tag) = match notice.event {
        Event::Failure | Event::Overdue => (4, "rotating_light"),
        Event::Warnings | Event::NeedsSignIn | Event::ClockAnomaly => (3, "warning"),
        Event::Success | Event::Recovery => (3, "white_check_mark"),
        Event::Start => (2, "hourglass"),
        Event::Test => (3, "test_tube"),
    };
    let title = message.title();
    let title = title.trim_start_matches(['✓', '✕', '!']).trim_start();
    let mut text = message.text();
    shorten(&mut text, TEXT);
    let mut body = json!({ "topic": topic, "title": title, "message": text, "priority": priority, "tags": [tag] });
    let backup = notice.backup.as_ref().and_then(|backup| backup.link.as_deref());
    if let Some(link) = notice.link.as_deref().or(backup) {
        body["click"] = json!(link);
    }
    if let Some(link) = backup.filter(|_| notice.link.is_some()) {
        body["actions"] = json!([{ "action": "view", "label": "Open the backup", "url": link }]);
    }
    message.json(server, headers, &body)
}

/// `https://ntfy.sh/topic` as the root to publish to and the topic.
fn server_and_topic(url: &str) -> Result<(String, String)> {
    let wrong = || Error::usage("bad_topic", "Not the address of an ntfy topic").hint("https://ntfy.sh/topic");
    let plain = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    let (server, topic) = plain.rsplit_once('/').ok_or_else(wrong)?;
    let fits =
        topic.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) && (1..=64).contains(&topic.len());
    if !fits || !server.contains("://") || server.ends_with('/') {
        return Err(wrong());
    }
    Ok((format!("{server}/"), topic.to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_address_is_the_topic() {
        let parts = |url: &str| server_and_topic(url).ok();
        let both = |server: &str, topic: &str| Some((server.to_owned(), topic.to_owned()));
        assert_eq!(parts("https://ntfy.sh/alerts"), both("https://ntfy.sh/", "alerts"));
        assert_eq!(parts("http://10.0.0.5:8080/a_b-1/"), both("http://10.0.0.5:8080/", "a_b-1"));
        assert_eq!(parts("https://home.example/ntfy/alerts?up=1"), both("https://home.example/ntfy/", "alerts"));
        for wrong in ["https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a.b", "https://", "x"] {
            let error = server_and_topic(wrong).unwrap_err();
            assert_eq!(error.code(), "bad_topic", "{wrong}");
        }
    }
}
