//! Requests to a WebDAV server: paths below the collection, encoded; who we are; what a refusal means for people.

use std::fmt;
use std::io::Read;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{Request, Response, Uri};
use ureq::{AsSendBody, Body, SendBody};

use super::super::failure::{Failure, Step};
use super::super::http::{self, Http};
use super::super::secret::reveal;
use super::digest::{self, Session, challenges};
use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::Secret;
use crate::model::destination::{self, Limits};

/// What stays as it is in a path (RFC 3986 2.3), and what separates its parts.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A client for one collection.
pub(super) struct Client {
    http: Http,
    /// `https://host:port`.
    origin: String,
    /// The path of the collection, encoded, with `/` at both ends.
    base: String,
    user: Option<String>,
    password: Option<Secret>,
    /// How the server wants to hear it, when we know.
    way: Mutex<Option<Way>>,
}

/// How it is said who we are.
enum Way {
    /// The password itself (RFC 7617).
    Basic,
    /// A proof that we know it.
    Digest(Session),
}

impl Client {
    pub fn new(settings: &destination::WebDav, limits: &Limits) -> Result<Self> {
        let wrong = || Error::usage("bad_address", "Not the address of a WebDAV folder");
        let uri: Uri = settings.url.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
        if !matches!(scheme, "http" | "https") || uri.query().is_some() {
            return Err(wrong());
        }
        if authority.as_str().contains('@') {
            return Err(wrong().hint("write user and password apart from the address"));
        }
        let base = match uri.path().trim_matches('/') {
            "" => "/".to_owned(),
            path => format!("/{path}/"),
        };
        let http = Http::new(limits, settings.ca_file.as_deref())?;
        let origin = format!("{scheme}://{authority}");
        let (user, password) = (settings.user.clone(), settings.password.clone());
        Ok(Client { http, origin, base, user, password, way: Mutex::default() })
    }

    /// For people.
    pub fn describe(&self) -> String {
        format!("{}{}", self.origin, self.base.trim_end_matches('/'))
    }

    /// The encoded path of a key, or of a collection, which ends with `/`.
    pub fn path(&self, key: &str) -> String {
        format!("{}{}", self.base, utf8_percent_encode(key, KEPT))
    }

    /// The same with the server in front.
    pub fn address(&self, key: &str) -> String {
        format!("{}{}", self.origin, self.path(key))
    }

    /// Asks for a key or a collection, again when the server wants to know first who we are.
    pub fn ask(&self, method: &str, key: &str, headers: &[(&str, &str)], body: &[u8]) -> Step<Response<Body>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = match body {
                [] => self.request(method, key, headers, ())?,
                body => self.request(method, key, headers, body)?,
            };
            let asks = answer.status().as_u16() == 401 && self.learn(&answer);
            // Once for the way, once for what was too old.
            if !asks || tries == 3 {
                return Ok(answer);
            }
            drop(http::refused(answer, ""));
        }
    }

    /// Sends what is read once. When the server wants to know first who we are, that is a failure that passes.
    pub fn send(&self, key: &str, headers: &[(&str, &str)], body: &mut dyn Read) -> Step<Response<Body>> {
        let answer = self.request("PUT", key, headers, SendBody::from_reader(body))?;
        if answer.status().as_u16() == 401 && self.learn(&answer) {
            return Err(Failure { passing: true, ..refused(answer, "sending") }.after(Some(Duration::ZERO)));
        }
        Ok(answer)
    }

    fn request<B: AsSendBody>(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> Step<Response<Body>> {
        let wrong = || Error::usage("bad_request", "Not a request to a WebDAV server");
        let mut request = Request::builder().method(method).uri(self.address(key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(user) = &self.user {
            let password = self.password.as_ref().map(reveal).transpose()?.unwrap_or_default();
            request = request.header("authorization", self.proof(user, &password, method, &self.path(key))?);
        }
        let answer = self.http.ask(request.body(body).map_err(|_| wrong())?);
        let mut way = self.way();
        if let Some(Way::Digest(session)) = way.as_mut() {
            match &answer {
                // The line may have broken because the server did not want to hear more: we ask anew what it wants.
                Err(_) => *way = None,
                Ok(answer) => {
                    let next = answer.headers().get("authentication-info").and_then(|info| info.to_str().ok());
                    next.and_then(|info| digest::parameter(info, "nextnonce"))
                        .into_iter()
                        .for_each(|n| session.renew(n));
                }
            }
        }
        answer
    }

    /// What says who we are. The first time the server is asked how it wants to hear it: a password is not told to one that
    /// does not need it.
    fn proof(&self, user: &str, password: &str, method: &str, path: &str) -> Step<String> {
        if self.way().is_none() {
            // What comes twice shall not be taken for the next answer, which would be that we are not let in.
            let asked = Request::builder().method("PROPFIND").uri(self.address("")).header("depth", "0");
            let asked = asked.header("connection", "close").body(());
            let asked = asked.map_err(|_| Error::usage("bad_request", "Not a request to a WebDAV server"))?;
            let answer = self.http.ask(asked)?;
            self.learn(&answer);
            let failure = http::refused(answer, "asking how to sign in");
            if failure.passing {
                return Err(failure);
            }
        }
        match self.way().get_or_insert(Way::Basic) {
            Way::Basic => Ok(format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()))),
            Way::Digest(session) => {
                let ours = format!("{}{}", ulid::Ulid::generate(), ulid::Ulid::generate());
                Ok(session.answer(user, password, method, path, &ours))
            }
        }
    }

    /// How the server wants to hear who we are, from an answer that says 401; whether that is something new.
    fn learn(&self, answer: &Response<Body>) -> bool {
        let headers = answer.headers().get_all("www-authenticate").iter();
        let offered: Vec<_> = headers.filter_map(|header| header.to_str().ok()).flat_map(challenges).collect();
        // The first that we know, as the server likes it best.
        let Some((session, challenge)) =
            offered.iter().find_map(|challenge| Session::of(challenge).map(|session| (session, challenge)))
        else {
            return false;
        };
        let stale = challenge.parameters.get("stale").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let mut way = self.way();
        let new = stale || !matches!(*way, Some(Way::Digest(_)));
        *way = Some(Way::Digest(session));
        new
    }

    fn way(&self) -> MutexGuard<'_, Option<Way>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.describe()).finish_non_exhaustive()
    }
}

/// What an answer without success means.
pub(super) fn refused(answer: Response<Body>, what: &str) -> Failure {
    let status = answer.status().as_u16();
    let mut failure = http::refused(answer, what);
    let hint = match status {
        401 => "look at user and password; some services want a password made for applications",
        403 => "look at what this user may do in the folder",
        301 | 302 | 303 | 307 | 308 => "the address leads to another one: use that one",
        405 | 501 => "the address is not one of WebDAV",
        _ => return failure,
    };
    failure.error = failure.error.hint(hint);
    if matches!(status, 405 | 501) {
        let text = "The destination does not understand WebDAV there";
        failure.error = Error::new(ErrorKind::Failed, "destination_refused", text).while_(what.to_owned()).hint(hint);
    }
    failure
}
