//! HTTP for destinations: bodies of any size both ways, a limit for silence instead of one for the whole, answers that
//! say whether trying again may help. Errors name the host and the status, never a URL or a header: both may be secret.
//!
//! Not here: requests to addresses that users choose ([`crate::outbound`]); those of destinations are the operator's.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use ureq::http::{Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, AsSendBody, Body};

use super::failure::{Failure, Step};
use crate::error::{Error, ErrorKind};
use crate::model::destination::Limits;

/// Bytes of an answer that are read to say what went wrong.
const EXPLANATION: u64 = 16 * 1024;

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

/// What an answer without success means. `what` is what was asked for, for people.
pub(crate) fn refused(answer: Response<Body>, what: &str) -> Failure {
    let (status, wait) = (answer.status().as_u16(), wait_of(&answer));
    // Read so that the connection can be used again.
    let _ = std::io::copy(&mut answer.into_body().into_reader().take(EXPLANATION), &mut std::io::sink());
    meaning(status, what).after(wait)
}

/// The same, and what the other side says about it: at most [`EXPLANATION`] bytes.
pub(crate) fn explained(answer: Response<Body>, what: &str) -> (Failure, Vec<u8>) {
    let (status, wait, mut said) = (answer.status().as_u16(), wait_of(&answer), Vec::new());
    let _ = answer.into_body().into_reader().take(EXPLANATION).read_to_end(&mut said);
    (meaning(status, what).after(wait), said)
}

/// How long the other side wants to be left alone.
pub(crate) fn wait_of(answer: &Response<Body>) -> Option<Duration> {
    answer.headers().get("retry-after").and_then(|value| value.to_str().ok()).and_then(seconds)
}

/// What a status without success means. 429 and 5xx may pass (RFC 9110 15.6, RFC 6585 4).
fn meaning(status: u16, what: &str) -> Failure {
    let (kind, code, text) = match status {
        401 | 403 => (ErrorKind::Denied, "destination_denied", "The destination does not let us in"),
        404 | 410 => (ErrorKind::NotFound, "object_missing", "The destination does not have it"),
        409 | 412 => (ErrorKind::WouldOverwrite, "would_overwrite", "Something else is stored there already"),
        507 => return Failure::lasting(Error::no_space(format!("{what}: the destination answered 507"))),
        408 | 423 | 425 | 429 | 500..=599 => {
            (ErrorKind::Unreachable, "destination_failing", "The destination is failing")
        }
        _ => (ErrorKind::Failed, "destination_refused", "The destination refused the request"),
    };
    let error = Error::new(kind, code, text).because(format!("it answered {status}")).while_(what.to_owned());
    if kind == ErrorKind::Unreachable { Failure::passing(error) } else { Failure::lasting(error) }
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
