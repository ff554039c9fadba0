//! One HTTP request to a checked address: no redirects, no proxy of the environment, one limit of time for everything,
//! an answer of which nothing but its status is used.
//!
//! One parser reads the URL, and what it read is what is requested: no second opinion about where the host ends.

use std::fmt;
use std::io::Read;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::{HeaderName, HeaderValue, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::{Reach, unreachable};
use crate::error::{Error, ErrorKind, Result};

/// Bytes of an answer that are read at most, and then dropped.
const ANSWER: u64 = 64 * 1024;

/// Headers that are ours to say.
const OURS: [&str; 7] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "proxy-authorization", "te"];

/// What is asked. The URL and the headers may hold secrets, so nothing of it is ever shown.
#[derive(Clone)]
pub struct Request {
    /// `GET` has no body.
    pub method: String,
    /// `https`, or `http` where [`Reach`] allows it.
    pub url: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// What is sent.
    pub body: Vec<u8>,
    /// Certificates in PEM that are trusted instead of the usual ones.
    pub roots: Option<Vec<u8>>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Makes the request and gives the status of the answer, whatever it is. Errors: `bad_url`, `bad_header`,
/// `address_not_allowed`; with [`ErrorKind::Unreachable`] `host_not_found`, `timeout`, `tls`, `unreachable`. None of
/// them contains more of the URL than its host.
pub fn send(request: &Request, reach: &Reach) -> Result<u16> {
    let uri = parse(&request.url)?;
    let host = uri.host().unwrap_or_default().to_owned();
    let mut config = Agent::config_builder()
        .timeout_global(Some(reach.timeout()))
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .user_agent(concat!("recoup/", env!("CARGO_PKG_VERSION")));
    if let Some(pem) = &request.roots {
        config = config.tls_config(TlsConfig::builder().root_certs(roots(pem)?).build());
    }
    let agent = Agent::with_parts(config.build(), DefaultConnector::new(), Checked(reach.clone()));

    let mut asked = ureq::http::Request::builder().method(request.method.as_str()).uri(uri);
    for (name, value) in &request.headers {
        check_header(name, value)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad_header(name))?;
        value.set_sensitive(true);
        asked = asked.header(name, value);
    }
    let wrong = |_| Error::usage("bad_request", format!("Not a request to {host}"));
    let answered = match request.method.as_str() {
        "GET" | "HEAD" => agent.run(asked.body(()).map_err(wrong)?),
        _ => agent.run(asked.body(&request.body[..]).map_err(wrong)?),
    };
    let answer = answered.map_err(|error| ours(&host, error))?;
    let status = answer.status().as_u16();
    // Read so that the server can finish in peace; what it says is nobody's business.
    drop(std::io::copy(&mut answer.into_body().into_reader().take(ANSWER), &mut std::io::sink()));
    Ok(status)
}

/// Whether the text is a URL that we would ask, without asking. The error never contains it.
pub fn check_url(url: &str) -> Result<()> {
    parse(url).map(drop)
}

/// The addresses that a URL leads to, each of them permitted, without connecting to any.
#[cfg(test)]
pub(super) fn judge(url: &str, reach: &Reach) -> Result<Vec<std::net::SocketAddr>> {
    addresses(&parse(url)?, reach)
}

fn addresses(uri: &Uri, reach: &Reach) -> Result<Vec<std::net::SocketAddr>> {
    let encrypted = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    reach.resolve(bare, uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 }), encrypted)
}

/// Whether a header may be sent: its name is a token and not one that frames the request, its value has no line breaks.
pub fn check_header(name: &str, value: &str) -> Result<()> {
    let fits = HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| !OURS.contains(&name.as_str()));
    if fits && HeaderValue::from_str(value).is_ok() { Ok(()) } else { Err(bad_header(name)) }
}

fn bad_header(name: &str) -> Error {
    Error::usage("bad_header", format!("Not a header that can be sent: {}", name.escape_debug()))
}

fn parse(url: &str) -> Result<Uri> {
    let wrong = |why: &str| Error::usage("bad_url", "Not a URL that can be asked").because(why.to_owned());
    if url.len() > 2048 || url.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
        return Err(wrong("it is longer than 2048 bytes, or has blanks, backslashes or letters beyond ASCII in it"));
    }
    let uri: Uri = url.parse().map_err(|_| wrong("it has no such form"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("it does not begin with https:// or http://"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(wrong("it has a user or a password in it; they belong into a header"));
    }
    let host = authority.host();
    let (literal, name) = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inside) => (inside.parse::<std::net::Ipv6Addr>().is_ok(), false),
        None => (false, !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))),
    };
    if !literal && !name {
        return Err(wrong("its host is neither a name nor an address"));
    }
    match authority.as_str().strip_prefix(host) {
        Some("") => Ok(uri),
        Some(_) if authority.port_u16().is_some_and(|port| port > 0) => Ok(uri),
        _ => Err(wrong("its port is no number from 1 to 65535")),
    }
}

fn roots(pem: &[u8]) -> Result<RootCerts> {
    let wrong = || Error::usage("bad_certificate", "Not certificates in PEM");
    let mut found: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| wrong())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(wrong()) } else { Ok(RootCerts::new_with_certs(&found)) }
}

/// Gives only addresses that were judged.
#[derive(Debug)]
struct Checked(Reach);

impl Resolver for Checked {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = addresses(uri, &self.0).map_err(|error| ureq::Error::Other(Box::new(error)))?;
        let mut few = self.empty();
        found.into_iter().take(16).for_each(|address| few.push(address));
        Ok(few)
    }
}

/// An error of the client in our words: its own may quote the URL.
fn ours(host: &str, error: ureq::Error) -> Error {
    match error {
        ureq::Error::Other(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(_) => unreachable(host, "unreachable", "the connection failed"),
        },
        ureq::Error::Timeout(_) => unreachable(host, "timeout", "it did not answer in time"),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            unreachable(host, "timeout", "it did not answer in time")
        }
        // What rustls finds wrong with a certificate comes as invalid data.
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            unreachable(host, "tls", error.to_string())
        }
        ureq::Error::Io(error) => unreachable(host, "unreachable", error.to_string()),
        ureq::Error::ConnectionFailed => unreachable(host, "unreachable", "none of its addresses answers"),
        ureq::Error::Rustls(error) => unreachable(host, "tls", error.to_string()),
        ureq::Error::Tls(why) => unreachable(host, "tls", why),
        ureq::Error::Protocol(_) => unreachable(host, "unreachable", "what it answers is not HTTP"),
        ureq::Error::LargeResponseHeader(..) => unreachable(host, "unreachable", "its answer is too large"),
        ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
            Error::new(ErrorKind::Usage, "bad_request", format!("Not a request to {host}"))
        }
        _ => unreachable(host, "unreachable", "the connection failed"),
    }
}
