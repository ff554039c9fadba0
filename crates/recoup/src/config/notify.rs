//! `[notify.NAME]`: a channel as written, and what it means. Files of secrets are only named here; they are read when
//! something is sent.
//!
//! Not here: which plan tells which channel ([`super::meant`]), and sending (`notify`).

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::nearest::nearest;
use super::reader::Reader;
use super::walk::{At, Field};
use crate::error::Result;
use crate::model::Plan;
use crate::model::channel::{Channel, Secret, Target, Tls};
use crate::model::notice::{Event, Notice};
use crate::model::template::{self, Escape};
use crate::outbound;

/// What a channel can be.
const KINDS: [&str; 5] = ["ntfy", "webhook", "email", "heartbeat", "apprise"];

/// The table, and for every key a value without secrets.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub channel: Channel,
    pub values: Vec<At<Value>>,
}

/// Reads `[notify.NAME]`. Relative paths of files are meant from `base`.
pub(super) fn read(name: &At<String>, field: &Field<'_>, base: &Path) -> Result<Written> {
    if Plan::check_name(&name.value).is_err() {
        return Err(field
            .wrong("is not a name")
            .hint("1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit"));
    }
    let mut reader = Reader::new(field, base)?;
    let mut kinds = Vec::new();
    for (kind, in_file) in KINDS.into_iter().zip(["ntfy_file", "webhook_file", "", "heartbeat_file", "apprise_file"]) {
        if let Some(field) = reader.table.take(kind) {
            kinds.push((kind, false, field));
        }
        if !in_file.is_empty()
            && let Some(field) = reader.table.take(in_file)
        {
            kinds.push((kind, true, field));
        }
    }
    let target = match &kinds[..] {
        [(kind, in_file, given)] => reader.target(kind, *in_file, given)?,
        _ => {
            let error = field.wrong(format!("needs exactly one of {}", KINDS.join(", ")));
            return Err(error.hint("ntfy = \"https://ntfy.sh/topic\", or email = [\"me@example.org\"] with a server"));
        }
    };
    let mut channel = Channel::new(name.value.clone(), target);
    reader.rules(&mut channel)?;
    reader.table.finish()?;
    Ok(Written { channel, values: reader.values })
}

impl<'a> Reader<'a> {
    fn url(&mut self, in_file: bool, given: &Field<'_>) -> Result<Secret> {
        if in_file {
            return Ok(Secret::file(self.file(given)?));
        }
        let url = given.string()?.value;
        outbound::check_url(&url).map_err(|error| given.wrong(format!("is not a URL to ask: {}", error.detail())))?;
        // The path is what keeps strangers out.
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        self.note(given, json!(format!("{scheme}://{host}/…")));
        Ok(Secret::value(url))
    }

    fn method(&mut self, allowed: &[&str]) -> Result<String> {
        let Some(field) = self.take("method") else { return Ok("POST".to_owned()) };
        let word = field.string()?.value.to_ascii_uppercase();
        if !allowed.contains(&word.as_str()) {
            return Err(field.wrong("is not a method for this").hint(format!("one of: {}", allowed.join(" "))));
        }
        self.note(&field, json!(word));
        Ok(word)
    }

    fn target(&mut self, kind: &str, in_file: bool, given: &Field<'_>) -> Result<Target> {
        Ok(match kind {
            "ntfy" => {
                let url = self.url(in_file, given)?;
                if url.path().is_none() && !has_topic(&given.string()?.value) {
                    return Err(given.wrong("names no topic").hint("ntfy = \"https://ntfy.sh/topic\""));
                }
                Target::Ntfy { url, token: self.secret("token", "token_file")? }
            }
            "webhook" => self.webhook(in_file, given)?,
            "email" => self.email(given)?,
            "heartbeat" => Target::Heartbeat { url: self.url(in_file, given)?, method: self.method(&["POST", "GET"])? },
            _ => Target::Apprise { url: self.url(in_file, given)?, tag: self.text("tag")? },
        })
    }

    fn webhook(&mut self, in_file: bool, given: &Field<'_>) -> Result<Target> {
        let url = self.url(in_file, given)?;
        let method = self.method(&["POST", "PUT"])?;
        let mut headers = Vec::new();
        if let Some(field) = self.take("headers") {
            for (name, value) in field.table()?.take_all() {
                let text = value.string()?.value;
                outbound::check_header(&name, &text).map_err(|error| value.refused(&error))?;
                headers.push((name, Secret::value(text)));
            }
            let names: Vec<&String> = headers.iter().map(|(name, _)| name).collect();
            self.note(&field, json!(names));
        }
        let headers_file = self.take("headers_file").map(|field| self.file(&field)).transpose()?;
        let content_type = self.text("content_type")?.unwrap_or_else(|| "application/json".to_owned());
        let body = self.template("body")?;
        if let Some((body, field)) = body.as_ref().filter(|_| content_type.contains("json")) {
            let sample = Notice::new(Event::Test, "plan", Timestamp::UNIX_EPOCH);
            if serde_json::from_str::<Value>(&template::render(body, &sample, Escape::Json)).is_err() {
                let hint = "fields stand inside of quotes: { \"message\": \"{{title}}\" }; content_type says when it is no JSON";
                return Err(field.wrong("does not become JSON").hint(hint));
            }
        }
        let body = body.map(|(body, _)| body);
        Ok(Target::Webhook { url, method, headers, headers_file, body, content_type })
    }

    fn email(&mut self, given: &Field<'_>) -> Result<Target> {
        let list = if given.is_string() { vec![given.string()?] } else { given.strings()? };
        let to: Vec<String> = list.into_iter().map(|at| at.value).collect();
        if to.is_empty() || !to.iter().all(|address| is_address(address)) {
            return Err(given.wrong("needs addresses such as \"me@example.org\""));
        }
        self.note(given, json!(to));
        let tls = match self.take("tls") {
            None => Tls::Starttls,
            Some(field) => {
                let word = field.string()?.value;
                self.note(&field, json!(word));
                match word.as_str() {
                    "none" => Tls::None,
                    "starttls" => Tls::Starttls,
                    "implicit" => Tls::Implicit,
                    _ => return Err(field.wrong("is not a kind of TLS").hint("one of: starttls implicit none")),
                }
            }
        };
        let server = self.table.need("server")?;
        let (host, port) = host_and_port(&server.string()?.value).ok_or_else(|| {
            server
                .wrong("is not a server")
                .hint("server = \"mail.example.org\", with a port as \"mail.example.org:2525\"")
        })?;
        self.note(&server, json!(server.string()?.value));
        let from = self.table.need("from")?;
        if !is_address(&from.string()?.value) {
            return Err(from.wrong("needs an address such as \"recoup@example.org\""));
        }
        self.note(&from, json!(from.string()?.value));
        let user_field = self.take("user");
        let user = user_field.as_ref().map(|field| field.string()).transpose()?.map(|at| at.value);
        if let Some(field) = &user_field {
            self.note(field, json!(user));
        }
        let password = self.secret("password", "password_file")?;
        if user.is_some() != password.is_some() {
            let field = user_field.as_ref().unwrap_or(given);
            return Err(field
                .wrong("user and password belong together")
                .hint("password_file = \"…\" names a file with it"));
        }
        let usual = match tls {
            Tls::None => 25,
            Tls::Starttls => 587,
            Tls::Implicit => 465,
        };
        Ok(Target::Email { host, port: port.unwrap_or(usual), tls, user, password, from: from.string()?.value, to })
    }

    /// What every channel can say.
    fn rules(&mut self, channel: &mut Channel) -> Result<()> {
        if let Some(field) = self.take("on") {
            channel.on = Vec::new();
            for at in field.strings()? {
                match at.value.parse::<Event>() {
                    Ok(event) if event != Event::Test => channel.on.push(event),
                    _ => return Err(unknown_event(&field, &at.value)),
                }
            }
            self.note(&field, json!(channel.on));
        }
        if let Some(field) = self.take("only_on_change") {
            channel.only_on_change = field.flag()?.value;
            self.note(&field, json!(channel.only_on_change));
        }
        if let Some(field) = self.take("repeat") {
            channel.repeat_seconds = field.duration()?.value.as_secs();
            self.note(&field, json!(field.duration()?.value.as_secs()));
        }
        channel.title = self.template("title")?.map(|(text, _)| text);
        channel.text = self.template("text")?.map(|(text, _)| text);
        channel.ca_file = self.take("ca_file").map(|field| self.file(&field)).transpose()?;
        Ok(())
    }

    fn template(&mut self, key: &'static str) -> Result<Option<(String, Field<'a>)>> {
        let Some(field) = self.take(key) else { return Ok(None) };
        let text = field.string()?.value;
        if let Some(name) = template::unknown(&text) {
            let error = field.wrong(format!("there is no field {{{{{name}}}}}"));
            return Err(match nearest(name, template::FIELDS) {
                Some(meant) => error.hint(format!("did you mean {{{{{meant}}}}}?")),
                None => error.hint(format!("fields: {}", template::FIELDS.join(" "))),
            });
        }
        self.note(&field, json!(text));
        Ok(Some((text, field)))
    }
}

fn unknown_event(field: &Field<'_>, word: &str) -> crate::error::Error {
    let words = || Event::WORDS.iter().filter(|(event, _)| *event != Event::Test).map(|(_, word)| *word);
    let error = field.wrong(format!("there is no event {word:?}"));
    match nearest(word, words()) {
        Some(meant) => error.hint(format!("did you mean {meant:?}?")),
        None => error.hint(format!("one of: {}", words().collect::<Vec<_>>().join(" "))),
    }
}

fn has_topic(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest).split(['?', '#']).next().unwrap_or_default();
    rest.trim_end_matches('/').contains('/')
}

/// A rough look; the mail library looks closer when something is sent. `Name <address>` is fine.
fn is_address(text: &str) -> bool {
    let address = text.rsplit('<').next().unwrap_or(text).trim_end_matches('>');
    let halves = address.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    halves && !text.chars().any(char::is_control)
}

fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port =
        port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0)).map_or(Some(None), |port| port.map(Some))?;
    let fits = !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b));
    fits.then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests;
