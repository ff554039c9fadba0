//! A monitor that raises the alarm when it hears nothing. Healthchecks and its like: the address of the check for a good run,
//! `/start` and `/fail` below it, the end of the log as body, the run as `rid` (healthchecks.io, "Pinging API"). A push
//! monitor of Uptime Kuma is known by `/api/push/` in its address and is told `status=up` or `status=down`.

use super::{Message, reveal};
use crate::error::Result;
use crate::model::channel::Target;
use crate::model::notice::Event;

/// Bytes of the log that are sent.
const LOG: usize = 10_000;

pub fn send(message: &Message<'_>) -> Result<()> {
    let Target::Heartbeat { url, method } = &message.channel.target else { return Ok(()) };
    let url = reveal(url)?;
    let notice = message.notice;
    if url.contains("/api/push/") {
        let status = match notice.event {
            // It knows no beginning, and a test must not say that all is well.
            Event::Start => return Ok(()),
            Event::Success | Event::Warnings | Event::Recovery => "up",
            Event::Failure | Event::Overdue | Event::NeedsSignIn | Event::ClockAnomaly | Event::Test => "down",
        };
        let plain = url.split(['?', '#']).next().unwrap_or_default();
        let url = format!("{plain}?status={status}&msg={}", percent(&message.title()));
        return message.request("GET", url, Vec::new(), Vec::new());
    }
    let signal = match notice.event {
        Event::Start => "/start",
        Event::Success | Event::Warnings | Event::Recovery => "",
        Event::Failure | Event::Overdue => "/fail",
        // Kept in the history of the check, and changes nothing about it.
        Event::NeedsSignIn | Event::ClockAnomaly | Event::Test => "/log",
    };
    let (plain, query) = url.split_once('?').map_or((url.as_str(), None), |(plain, query)| (plain, Some(query)));
    let mut url = format!("{}{signal}", plain.trim_end_matches('/'));
    let run = notice.run.as_deref().and_then(uuid).map(|run| format!("rid={run}"));
    let query: Vec<String> = query.map(str::to_owned).into_iter().chain(run).collect();
    if !query.is_empty() {
        url = format!("{url}?{}", query.join("&"));
    }
    let body = format!("{}\n{}\n{}", message.title(), message.text(), notice.log_tail);
    message.request(method, url, Vec::new(), end_of(body.trim_end(), LOG).as_bytes().to_vec())
}

/// The last bytes, from the beginning of a character.
fn end_of(text: &str, bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

/// The id of a run, which is a ULID, in the form of a UUID: the same 128 bits.
fn uuid(run: &str) -> Option<String> {
    let hex = format!("{:032x}", ulid::Ulid::from_string(run).ok()?.0);
    Some(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_the_same_bits_as_a_uuid() {
        assert_eq!(uuid("01ARZ3NDEKTSV4RRFFQ69G5FAV").as_deref(), Some("01563e3a-b5d3-d676-4c61-efb99302bd5b"));
        assert_eq!(uuid("17"), None);
    }

    #[test]
    fn the_end_of_a_log_begins_with_a_whole_character() {
        assert_eq!(end_of("äöü", 3), "ü");
        assert_eq!(end_of("abc", 9), "abc");
        assert_eq!(percent("✓ a&b"), "%E2%9C%93%20a%26b");
    }
}
