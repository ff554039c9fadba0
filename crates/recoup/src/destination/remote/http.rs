//! HTTP for destinations: bodies of any size both ways, a limit for silence instead of one for the whole, answers that
//! say whether trying again may help. Errors name the host and the status, never a URL or a header: both may be secret.
//!
//! Not here: requests to addresses that users choose ([`crate::outbound`]); those of destinations are the operator's.

use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use ureq::http::{Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Body};

use super::Given;
use super::failure::{Failure, Step};
use crate::error::{Error, ErrorKind};
use crate::model::destination::Limits;

/// Bytes of an answer that are read to say what went wrong.
const EXPLANATION: u64 = 16 * 1024;
/// The largest document that is read.
const DOCUMENT: u64 = 64 << 20;

/// A client for one destination; its connections are kept.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    agent: Agent,
}

impl Http {
    /// `ca_file`: certificates in PEM that are trusted instead of the usual ones.
    pub fn new(limits: &Limits, ca_file: Option<&Path>) -> crate::Result<Self> {
        let silence = Some(limits.timeout);
        let mut config = Agent::config_builder()
            .timeout_connect(silence)
            .timeout_resolve(silence)
            .timeout_recv_response(silence)
            .timeout_per_read(silence)
            .timeout_per_write(silence)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .user_agent(concat!("recoup/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(|e| Error::at("reading", path, e))?;
            config = config.tls_config(TlsConfig::builder().root_certs(roots(&pem, path)?).build());
        }
        Ok(Http { agent: config.build().into() })
    }

    /// Asks, and gives the answer whatever its status is.
    pub fn ask<S: AsSendBody>(&self, request: Request<S>) -> Step<Response<Body>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        self.agent.run(request).map_err(|error| lost(&host, error))
    }
}

/// An answer without success.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its status.
    pub status: u16,
    /// `Retry-After`.
    pub wait: Option<Duration>,
    /// The beginning of its body. It may repeat what we sent: never shown.
    pub text: String,
}

impl Refusal {
    /// Reads it, so that the connection can be used again.
    pub fn of(answer: Response<Body>) -> Self {
        let (wait, status) = (wait_of(&answer), answer.status().as_u16());
        let mut text = Vec::new();
        let _ = answer.into_body().into_reader().take(EXPLANATION).read_to_end(&mut text);
        Refusal { status, wait, text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// What the status means. 429 and 5xx may pass (RFC 9110 15.6, RFC 6585 4), and say how long it takes when they do.
    /// `what` is what was asked for, for people.
    pub fn failure(&self, what: &str) -> Failure {
        let (kind, code, text) = match self.status {
            401 | 403 => (ErrorKind::Denied, "destination_denied", "The destination does not let us in"),
            404 | 410 => (ErrorKind::NotFound, "object_missing", "The destination does not have it"),
            409 | 412 => (ErrorKind::WouldOverwrite, "would_overwrite", "Something else is stored there already"),
            507 => return Failure::lasting(Error::no_space(format!("{what}: the destination answered 507"))),
            501 | 505 => (ErrorKind::Failed, "destination_refused", "The destination refused the request"),
            408 | 423 | 425 | 429 | 500..=599 => {
                (ErrorKind::Unreachable, "destination_failing", "The destination is failing")
            }
            _ => (ErrorKind::Failed, "destination_refused", "The destination refused the request"),
        };
        let error = Error::new(kind, code, text).because(format!("it answered {}", self.status)).while_(what);
        let failure = if kind == ErrorKind::Unreachable { Failure::passing(error) } else { Failure::lasting(error) };
        failure.after(self.wait)
    }
}

/// What an answer without success means. `what` is what was asked for, for people.
pub(crate) fn refused(answer: Response<Body>, what: &str) -> Failure {
    Refusal::of(answer).failure(what)
}

/// How long the other side wants to be left alone.
pub(crate) fn wait_of(answer: &Response<Body>) -> Option<Duration> {
    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds)
}

/// A document that is small enough for the memory.
pub(crate) fn document(answer: Response<Body>, what: &str) -> Step<String> {
    let mut text = String::new();
    match answer.into_body().into_reader().take(DOCUMENT).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(cut(error, what)),
    }
}

/// The bytes from `from` on of an answer to a request with `Range: bytes=FROM-`. A server may ignore that (RFC 9110 14.2)
/// and send everything.
pub(crate) fn ranged(answer: Response<Body>, from: u64, what: &str) -> Step<Box<dyn Read + Send>> {
    let partial = answer.status().as_u16() == 206;
    if partial && told_range(&answer).is_some_and(|(first, _)| first != from) {
        return Err(another_part(what));
    }
    let mut body = answer.into_body().into_reader();
    if from > 0 && !partial {
        std::io::copy(&mut (&mut body).take(from), &mut std::io::sink()).map_err(|error| cut(error, what))?;
    }
    Ok(Box::new(body))
}

/// The bytes of an answer to a request with `Range: bytes=FIRST-LAST` of an object of `whole` bytes. A server may ignore
/// that, and send everything; whoever reads takes no more than was asked for. The version is not asked for (`If-Range`):
/// not every server has tags, objects never change, and whoever reads compares the SHA-256 of the whole.
pub(crate) fn part(answer: Response<Body>, part: Range<u64>, whole: u64, what: &str) -> Step<Given> {
    if answer.status().as_u16() != 206 {
        return ranged(answer, part.start, what).map(Given::Rest);
    }
    if told_range(&answer).is_some_and(|(first, all)| first != part.start || all.is_some_and(|all| all != whole)) {
        return Err(another_part(what));
    }
    Ok(Given::Part(Box::new(answer.into_body().into_reader())))
}

/// First byte and whole length in `Content-Range: bytes FIRST-LAST/WHOLE` (RFC 9110 14.4); a star is a length that the
/// server does not know.
fn told_range(answer: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = answer.headers().get("content-range")?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    let (first, rest) = range.split_once('-')?;
    let whole = rest.split_once('/').and_then(|(_, whole)| whole.trim().parse().ok());
    Some((first.trim().parse().ok()?, whole))
}

fn another_part(what: &str) -> Failure {
    let text = "The destination sent another part than we asked for";
    Failure::passing(Error::new(ErrorKind::Unreachable, "destination_failing", text).while_(what))
}

/// The connection was lost in the middle of an answer, or the answer makes no sense: it may be better next time.
pub(crate) fn cut(why: impl Into<Box<dyn std::error::Error + Send + Sync>>, what: &str) -> Failure {
    let error = Error::new(ErrorKind::Unreachable, "connection_lost", "The answer was not whole").because(why);
    Failure::passing(error.while_(what))
}

/// `Retry-After` in seconds; a date is not worth a parser, and is waited for like silence.
fn seconds(value: &str) -> Option<Duration> {
    value.trim().parse::<u64>().ok().map(Duration::from_secs)
}

/// The connection was not made, or ended too early.
fn lost(host: &str, error: ureq::Error) -> Failure {
    let unreachable =
        |code, why: String| Error::new(ErrorKind::Unreachable, code, format!("Cannot reach {host}")).because(why);
    match error {
        // What we sent could not be read, or somebody asked us to stop.
        ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<Error>()) => {
            Failure::from(Error::io("reading", error))
        }
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Failure::lasting(unreachable("tls", error.to_string()))
        }
        ureq::Error::Io(error) => Failure::passing(unreachable("unreachable", error.to_string())),
        ureq::Error::Timeout(_) => Failure::passing(unreachable("timeout", "it did not answer in time".into())),
        ureq::Error::HostNotFound => Failure::passing(unreachable("host_not_found", "its name has no address".into())),
        ureq::Error::Rustls(error) => Failure::lasting(unreachable("tls", error.to_string())),
        ureq::Error::Tls(why) => Failure::lasting(unreachable("tls", why.to_owned())),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
            Failure::lasting(Error::usage("bad_request", format!("Not a request to {host}")))
        }
        _ => Failure::passing(unreachable("unreachable", "the connection failed".into())),
    }
}

fn roots(pem: &[u8], path: &Path) -> crate::Result<RootCerts> {
    let wrong = || Error::usage("bad_certificate", format!("Not certificates in PEM: {}", path.display()));
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| wrong())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(wrong()) } else { Ok(RootCerts::new_with_certs(&found)) }
}
