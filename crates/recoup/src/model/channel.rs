//! A channel: how people are told, and of what. Secrets in it print as dots, and whether a notice is wanted is a pure rule.
//!
//! Not here: sending (`notify`), and reading the configuration ([`crate::config`]).

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::notice::{Event, Notice};
use super::run::Outcome;
use crate::error::Result;

/// What a secret shows as.
const DOTS: &str = "••••••";

/// Something that is never shown: a token, a password, a URL whose path is one. Given in place, or as a file that is read
/// whenever it is needed, so that a secret can be changed without a restart.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Here(String),
    File(PathBuf),
}

impl Secret {
    /// A secret given in place.
    pub fn value(text: impl Into<String>) -> Self {
        Secret(Kept::Here(text.into()))
    }
    /// A secret in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Secret(Kept::File(path.into()))
    }
    /// The file it is in, when it is in one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Kept::Here(_) => None,
            Kept::File(path) => Some(path),
        }
    }
    /// The secret itself; `read` reads a file.
    pub fn reveal(&self, read: impl FnOnce(&Path) -> Result<String>) -> Result<String> {
        match &self.0 {
            Kept::Here(text) => Ok(text.clone()),
            Kept::File(path) => read(path),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kept::Here(_) => f.write_str(DOTS),
            Kept::File(path) => write!(f, "in {}", path.display()),
        }
    }
}

impl Serialize for Secret {
    /// Dots; of one in a file, the file.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Kept::Here(_) => serializer.serialize_str(DOTS),
            Kept::File(path) => serializer.serialize_str(&format!("in {}", path.display())),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Only one given in place: who writes JSON to us must not name files of this machine. Dots are refused, so that what
    /// was shown is not taken for the secret.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text == DOTS {
            true => Err(serde::de::Error::custom("dots stand for a secret and are none")),
            false => Ok(Secret::value(text)),
        }
    }
}

/// How people are told, and of what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Where it leads.
    #[serde(flatten)]
    pub target: Target,
    /// The events that are told.
    pub on: Vec<Event>,
    /// Tell only when the outcome differs from the one before.
    #[serde(default)]
    pub only_on_change: bool,
    /// The same trouble is told again after so many seconds.
    #[serde(default = "a_day")]
    pub repeat_seconds: u64,
    /// A template instead of the usual title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A template instead of the usual text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Certificates in PEM that are trusted instead of the usual ones.
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

fn a_day() -> u64 {
    24 * 60 * 60
}

/// Where a channel leads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Target {
    /// A topic of an ntfy server.
    Ntfy {
        /// Server and topic: `https://ntfy.sh/topic`. Whoever knows the topic reads it.
        url: Secret,
        /// An access token.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Secret>,
    },
    /// Any server that takes a request.
    Webhook {
        /// Where.
        url: Secret,
        /// `POST` or `PUT`.
        method: String,
        /// Names and values.
        #[serde(default)]
        headers: Vec<(String, Secret)>,
        /// A file of further ones, a line each as `name: value`.
        #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
        headers_file: Option<PathBuf>,
        /// A template instead of the notice as JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        /// What the body is; values are escaped when it is JSON.
        content_type: String,
    },
    /// E-mail by SMTP.
    Email {
        /// The server.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is encrypted.
        tls: Tls,
        /// Who signs in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        /// With which password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Secret>,
        /// Who writes.
        from: String,
        /// Who is written to.
        to: Vec<String>,
    },
    /// A monitor that raises the alarm when it hears nothing: Healthchecks and its like, or a push monitor of Uptime Kuma.
    Heartbeat {
        /// The address of the check.
        url: Secret,
        /// `POST`, or `GET` without a log.
        method: String,
    },
    /// An Apprise API server, which passes it on to a hundred services.
    Apprise {
        /// `https://apprise.example.org/notify/KEY`.
        url: Secret,
        /// Only services with this tag.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tag: Option<String>,
    },
}

/// How an SMTP connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Not at all.
    None,
    /// After a greeting in the clear; without it nothing is sent (RFC 3207, port 587).
    Starttls,
    /// From the first byte (RFC 8314, port 465).
    Implicit,
}

impl Target {
    /// Its word in configuration and API.
    pub fn kind(&self) -> &'static str {
        match self {
            Target::Ntfy { .. } => "ntfy",
            Target::Webhook { .. } => "webhook",
            Target::Email { .. } => "email",
            Target::Heartbeat { .. } => "heartbeat",
            Target::Apprise { .. } => "apprise",
        }
    }

    /// What a channel tells when nobody says: people hear of trouble and of its end, a monitor of every run.
    pub fn usual_events(&self) -> Vec<Event> {
        match self {
            Target::Heartbeat { .. } => {
                vec![Event::Start, Event::Success, Event::Warnings, Event::Failure, Event::Recovery]
            }
            _ => vec![
                Event::Failure,
                Event::Warnings,
                Event::Recovery,
                Event::Overdue,
                Event::NeedsSignIn,
                Event::ClockAnomaly,
            ],
        }
    }
}

impl Channel {
    /// A channel that tells what is usual.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Channel {
            name: name.into(),
            on: target.usual_events(),
            target,
            only_on_change: false,
            repeat_seconds: a_day(),
            title: None,
            text: None,
            ca_file: None,
        }
    }

    /// Whether it reads files of this machine: only an operator may have it do so.
    pub fn names_files(&self) -> bool {
        let file = |secret: &Secret| secret.path().is_some();
        let target = match &self.target {
            Target::Ntfy { url, token } => file(url) || token.as_ref().is_some_and(file),
            Target::Webhook { url, headers, headers_file, .. } => {
                file(url) || headers_file.is_some() || headers.iter().any(|(_, value)| file(value))
            }
            Target::Email { password, .. } => password.as_ref().is_some_and(file),
            Target::Heartbeat { url, .. } | Target::Apprise { url, .. } => file(url),
        };
        target || self.ca_file.is_some()
    }
}

/// What happened before a notice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// What this channel told last about the same plan, and when.
    pub last_told: Option<Told>,
    /// How the plan's run before ended, cancelled ones not counted.
    pub previous_outcome: Option<Outcome>,
}

/// A notice that was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What.
    pub event: Event,
    /// Its [`Notice::cause`].
    pub cause: String,
    /// When it happened.
    pub at: Timestamp,
}

/// Whether a channel tells a notice: its event is asked for; with `only_on_change` only when it is news; the same trouble
/// from the same cause is told again only after `repeat`. A monitor is told every time, because silence is what alarms it.
/// A test is always told.
pub fn wanted(channel: &Channel, notice: &Notice, history: &History) -> bool {
    if notice.event == Event::Test {
        return true;
    }
    let on = |event| channel.on.contains(&event);
    let asked = match (notice.event, notice.outcome) {
        // Whoever hears of every success hears of this one.
        (Event::Recovery, Some(Outcome::Warnings)) => on(Event::Recovery) || on(Event::Warnings),
        (Event::Recovery, _) => on(Event::Recovery) || on(Event::Success),
        (event, _) => on(event),
    };
    if !asked || matches!(channel.target, Target::Heartbeat { .. }) {
        return asked;
    }
    let same = history.last_told.as_ref().filter(|last| last.event == notice.event && last.cause == notice.cause());
    if channel.only_on_change {
        let changed = match (notice.outcome, history.previous_outcome) {
            (Some(now), Some(before)) => now != before,
            // A beginning is no change, and what is no run is news once.
            _ => notice.event != Event::Start,
        };
        let another_cause = notice.event.is_trouble() && same.is_none();
        return (changed && (notice.outcome.is_some() || same.is_none())) || another_cause;
    }
    match same {
        Some(last) if notice.event.is_trouble() => {
            let passed = notice.at.duration_since(last.at);
            let repeat = SignedDuration::from_secs(i64::try_from(channel.repeat_seconds).unwrap_or(i64::MAX));
            // A clock that was set back must not silence anything.
            passed >= repeat || passed.is_negative()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
