//! Requests to a WebDAV server: paths below the collection, encoded; who we are; what a refusal means for people.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{Request, Response, Uri};
use ureq::{AsSendBody, Body};

use super::super::failure::{Failure, Step};
use super::super::http::{self, Http};
use super::super::secret::reveal;
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
        Ok(Client { http, origin, base, user: settings.user.clone(), password: settings.password.clone() })
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

    /// Asks for a key or a collection.
    pub fn ask<B: AsSendBody>(
        &self,
        method: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> Step<Response<Body>> {
        let mut request = Request::builder().method(method).uri(self.address(key));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(user) = &self.user {
            let password = self.password.as_ref().map(reveal).transpose()?.unwrap_or_default();
            let credentials = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
            request = request.header("authorization", format!("Basic {credentials}"));
        }
        let request =
            request.body(body).map_err(|_| Error::usage("bad_request", "Not a request to a WebDAV server"))?;
        self.http.ask(request)
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
