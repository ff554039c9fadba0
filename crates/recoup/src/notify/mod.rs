//! Telling people: one notice through one channel, now. A file per kind of channel.
//!
//! Sending blocks until it was taken or refused, never longer than the reach allows, and no error contains a secret: of a
//! URL only the host is told, because topics, hooks and checks are kept by nobody knowing their path. Not here: which
//! notice a channel wants ([`crate::model::channel::wanted`]) and keeping it until it was sent (the catalog's outbox).

mod apprise;
mod email;
mod heartbeat;
mod ntfy;
mod webhook;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::{Channel, Secret, Target};
use crate::model::notice::{Notice, one_line, shorten};
use crate::model::template::{self, Escape};
use crate::outbound::{self, Reach, Request};

/// Bytes that a file of secrets or certificates has at most.
const FILE: u64 = 256 * 1024;

/// Sends a notice. Errors: what [`outbound::send`] says, `told_later` and `told_too_often` ([`ErrorKind::Unreachable`]),
/// `told_denied`, `told_gone`, `told_redirected`, `told_refused`, `bad_mail`, and those of files of secrets.
pub fn send(channel: &Channel, notice: &Notice, reach: &Reach) -> Result<()> {
    let message = Message { channel, notice, reach };
    let sent = match &channel.target {
        Target::Ntfy { .. } => ntfy::send(&message),
        Target::Webhook { .. } => webhook::send(&message),
        Target::Email { .. } => email::send(&message),
        Target::Heartbeat { .. } => heartbeat::send(&message),
        Target::Apprise { .. } => apprise::send(&message),
    };
    sent.map_err(|error| {
        let error = error.while_(format!("telling {}", channel.name));
        match error.code() {
            "tls" => error.hint("ca_file names the certificates of an authority of your own"),
            _ => error,
        }
    })
}

/// How long to wait after so many attempts that failed, counted from 1; nothing when it is given up. From 30 seconds to 6
/// hours, all together most of a working day.
pub fn retry_after(attempts: u32) -> Option<Duration> {
    let seconds = match attempts {
        0 => 0,
        1 => 30,
        2 => 2 * 60,
        3 => 10 * 60,
        4 => 60 * 60,
        5 => 6 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(seconds))
}

/// Whether the same may work later without anybody changing anything.
pub fn worth_retrying(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Busy)
}

/// What a sender is handed.
struct Message<'a> {
    channel: &'a Channel,
    notice: &'a Notice,
    reach: &'a Reach,
}

impl Message<'_> {
    /// One line of at most 200 bytes.
    fn title(&self) -> String {
        let Some(template) = &self.channel.title else { return self.notice.title() };
        let mut title = one_line(&template::render(template, self.notice, Escape::No));
        shorten(&mut title, 200);
        title
    }

    fn text(&self) -> String {
        match &self.channel.text {
            Some(template) => template::render(template, self.notice, Escape::No),
            None => self.notice.text(),
        }
    }

    fn roots(&self) -> Result<Option<Vec<u8>>> {
        self.channel.ca_file.as_deref().map(|path| read(path, "certificates")).transpose()
    }

    /// A request and what its answer means.
    fn request(&self, method: &str, url: String, headers: Vec<(String, String)>, body: Vec<u8>) -> Result<()> {
        let request = Request { method: method.to_owned(), url, headers, body, roots: self.roots()? };
        taken(outbound::send(&request, self.reach)?)
    }

    fn json(&self, url: String, mut headers: Vec<(String, String)>, body: &serde_json::Value) -> Result<()> {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
        self.request("POST", url, headers, body.to_string().into_bytes())
    }
}

/// What the status of an answer means.
fn taken(status: u16) -> Result<()> {
    let (kind, code, message) = match status {
        200..=299 => return Ok(()),
        408 | 425 | 500.. => (ErrorKind::Unreachable, "told_later", "The server could not take it now"),
        429 => (ErrorKind::Unreachable, "told_too_often", "The server wants to hear less often of us"),
        300..=399 => (ErrorKind::Usage, "told_redirected", "The server sends us elsewhere, and we do not follow"),
        401 | 403 | 407 => (ErrorKind::Denied, "told_denied", "The server does not let us in"),
        404 | 410 => (ErrorKind::NotFound, "told_gone", "The server does not know the address"),
        _ => (ErrorKind::Failed, "told_refused", "The server refused it"),
    };
    let error = Error::new(kind, code, message).because(format!("status {status}"));
    Err(match code {
        "told_redirected" => error.hint("write the address that it ends at"),
        "told_denied" => error.hint("look at the token, the password or the headers"),
        _ => error,
    })
}

/// A secret, from where it is. Blanks around what a file holds are not meant.
fn reveal(secret: &Secret) -> Result<String> {
    secret.reveal(|path| {
        let text = String::from_utf8(read(path, "a secret")?);
        let text = text.map_err(|_| Error::usage("bad_secret", format!("Not text: {}", path.display())))?;
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Error::usage("bad_secret", format!("Not a single line: {}", path.display())));
        }
        Ok(text.to_owned())
    })
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>> {
    let told = |error| Error::at(&format!("reading {what} in"), path, error);
    let mut bytes = Vec::new();
    File::open(path).map_err(told)?.take(FILE).read_to_end(&mut bytes).map_err(told)?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_rarer_and_end() {
        let waits: Vec<u64> = (1..).map_while(retry_after).map(|wait| wait.as_secs()).collect();
        assert_eq!(waits, [30, 120, 600, 3600, 21_600]);
        assert_eq!(retry_after(u32::MAX), None);
    }

    #[test]
    fn every_status_says_whether_to_try_again() {
        for status in 200..300 {
            assert!(taken(status).is_ok());
        }
        for (status, code, again) in [
            (301, "told_redirected", false),
            (400, "told_refused", false),
            (401, "told_denied", false),
            (404, "told_gone", false),
            (408, "told_later", true),
            (413, "told_refused", false),
            (429, "told_too_often", true),
            (500, "told_later", true),
            (503, "told_later", true),
            (999, "told_later", true),
            (100, "told_refused", false),
        ] {
            let error = taken(status).unwrap_err();
            assert_eq!((error.code(), worth_retrying(&error)), (code, again), "{status}");
        }
    }
}
