//! A bucket of an S3-compatible service. Every request is signed in its query (`rusty-s3`) and sent by [`Http`]; an object
//! is one PUT or an upload in parts (`upload`). `If-None-Match: *` is used where this server showed that it honours it,
//! and trusted nowhere: we look before and read back afterwards.
//!
//! Not here: what answers without success mean (`refusal`).

mod refusal;
mod upload;

use std::io::Read;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use rusty_s3::{Bucket, Credentials, Method, UrlStyle, signing};
use ureq::http::{Request, Response};
use ureq::{AsSendBody, Body};

use self::refusal::{explain, forbids};
use self::upload::Uploading;
use super::failure::{self, Step};
use super::http::{self, Http, Refusal};
use super::secret::reveal;
use super::xml::Element;
use super::{Content, Protocol, Unfinished, Upload};
use crate::clock::{Clock, SystemClock};
use crate::destination::ObjectInfo;
use crate::error::{Error, Result};
use crate::model::destination::{self, Limits};

/// How long a signature is good for; the request begins at once, and clocks differ.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);
/// What shows whether the server honours `If-None-Match: *`. It stays: with credentials that may only add, taking it away
/// is refused. No key begins with a dot, so it is never listed.
const PROBE: &str = ".recoup-probe";
const PROBE_BYTES: &[u8] = b"recoup\n";
const PROBE_MD5: &str = "0x/of07wtA+hHQO/phB8ZA==";

/// A bucket.
pub(super) struct S3 {
    http: Http,
    bucket: Bucket,
    settings: destination::S3,
    /// Ends with `/` or is empty.
    prefix: String,
    /// Whether the server honours `If-None-Match: *`, when we know.
    conditional: OnceLock<bool>,
}

type Pair<'a> = (&'a str, &'a str);
/// What the next page of a listing is asked with.
type Next = Vec<(&'static str, String)>;

impl S3 {
    /// Without asking anything.
    pub fn new(settings: &destination::S3, limits: &Limits) -> Result<Self> {
        let endpoint = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => format!("https://s3.{}.amazonaws.com", settings.region),
        };
        let wrong = || Error::usage("bad_endpoint", format!("Not an address of an S3 service: {}", settings.bucket));
        // A certificate for *.host is not good for two labels.
        let by_path = settings.path_style || settings.bucket.contains('.');
        let style = if by_path { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let endpoint = endpoint.parse().map_err(|_| wrong())?;
        let bucket = Bucket::new(endpoint, style, settings.bucket.clone(), settings.region.clone())
            .map_err(|error| wrong().because(error))?;
        let prefix = match settings.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let http = Http::new(limits, settings.ca_file.as_deref())?;
        Ok(S3 { http, bucket, settings: settings.clone(), prefix, conditional: OnceLock::new() })
    }

    /// Asks for an object, or for the bucket when there is no key. The key is as the server knows it.
    fn ask<B: AsSendBody>(
        &self,
        method: Method,
        key: Option<&str>,
        query: &[Pair<'_>],
        headers: &[Pair<'_>],
        body: B,
    ) -> Step<Response<Body>> {
        let credentials = Credentials::new(reveal(&self.settings.access_key)?, reveal(&self.settings.secret_key)?);
        let (mut query, mut signed) = (query.to_vec(), headers.to_vec());
        query.sort_unstable();
        // The length is told by the connection; a proxy may tell it in another way.
        signed.retain(|(name, _)| *name != "content-length");
        signed.sort_unstable();
        let url = signing::sign(
            &SystemClock::new().now(),
            method,
            self.bucket.object_url(key.unwrap_or_default()),
            credentials.key(),
            credentials.secret(),
            credentials.token(),
            self.bucket.region(),
            SIGNED_FOR.as_secs(),
            query.iter().copied(),
            signed.iter().copied(),
        );
        let mut request = Request::builder().method(method.to_str()).uri(url.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|_| Error::usage("bad_request", "Not a request to an S3 service"))?;
        self.http.ask(request)
    }

    /// An answer that is a document whose root begins like this; servers also tell errors with 200.
    fn read_document(&self, answer: Response<Body>, root: &str, what: &str) -> Step<Element> {
        if !answer.status().is_success() {
            return Err(explain(&Refusal::of(answer), what));
        }
        let text = http::document(answer, what)?;
        let document = Element::parse(&text).ok_or_else(|| http::cut("it is not a document", what))?;
        match document.name() {
            name if name.starts_with(root) => Ok(document),
            "Error" => Err(explain(&Refusal { status: 500, wait: None, text }, what)),
            _ => Err(http::cut("it is another document", what)),
        }
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Every page of a listing: `each` uses one and gives what the next one is asked with, or nothing when it has enough.
    fn pages(&self, root: &str, fixed: &[Pair<'_>], each: &mut dyn FnMut(&Element) -> Option<Next>) -> Step<()> {
        let mut more = Next::new();
        loop {
            let query: Vec<Pair<'_>> =
                fixed.iter().copied().chain(more.iter().map(|(name, value)| (*name, value.as_str()))).collect();
            let answer = self.ask(Method::Get, None, &query, &[], ())?;
            let page = self.read_document(answer, root, "listing")?;
            let next = each(&page);
            let Some(next) = next.filter(|_| page.text_of("IsTruncated") == "true") else { return Ok(()) };
            if next.iter().all(|(_, value)| value.is_empty()) || next == more {
                return Err(http::cut("the list does not say how it goes on", "listing"));
            }
            more = next;
        }
    }

    fn objects(&self, prefix: &str, most: Option<&str>) -> Step<Vec<ObjectInfo>> {
        let full = self.full(prefix);
        let mut query = vec![("list-type", "2"), ("prefix", full.as_str())];
        query.extend(most.map(|most| ("max-keys", most)));
        let mut found = Vec::new();
        let mut unreadable = false;
        self.pages("ListBucketResult", &query, &mut |page| {
            for object in page.all("Contents") {
                let Some(key) = object.one("Key").and_then(|key| key.exact().strip_prefix(&self.prefix)) else {
                    continue;
                };
                match (object.text_of("Size").parse(), object.text_of("LastModified").parse::<Timestamp>()) {
                    (Ok(bytes), Ok(modified)) => found.push(ObjectInfo { key: key.to_owned(), bytes, modified }),
                    _ => unreadable = true,
                }
            }
            let token = page.text_of("NextContinuationToken").to_owned();
            most.is_none().then(|| vec![("continuation-token", token)])
        })?;
        if unreadable { Err(http::cut("an object has no size or no date", "listing")) } else { Ok(found) }
    }

    /// Whether the server honours `If-None-Match: *`: of two puts of one object the second must be refused. What asks
    /// may be refused for other reasons; then the condition is not used.
    fn conditional(&self) -> Step<bool> {
        if let Some(known) = self.conditional.get() {
            return Ok(*known);
        }
        let key = self.full(PROBE);
        let length = PROBE_BYTES.len().to_string();
        let headers = [("content-length", length.as_str()), ("content-md5", PROBE_MD5), ("if-none-match", "*")];
        let mut honoured = false;
        for first in [true, false] {
            let answer = self.ask(Method::Put, Some(&key), &[], &headers, PROBE_BYTES)?;
            match answer.status().as_u16() {
                200..=299 => continue,
                409 | 412 => honoured = true,
                403 => honoured = !first,
                _ => {
                    let failure = explain(&Refusal::of(answer), "asking what it can do");
                    if failure.passing {
                        return Err(failure);
                    }
                }
            }
            break;
        }
        Ok(*self.conditional.get_or_init(|| honoured))
    }
}

impl Protocol for S3 {
    fn describe(&self) -> String {
        format!("s3://{}/{}", self.settings.bucket, self.prefix).trim_end_matches('/').to_owned()
    }

    fn begin<'a>(&'a self, key: &str, content: &'a Content<'a>) -> Step<Box<dyn Upload + 'a>> {
        Ok(Box::new(Uploading::begin(self, key, content)?))
    }

    fn read(&self, key: &str, from: u64) -> Step<Box<dyn Read + Send>> {
        let range = format!("bytes={from}-");
        let headers: &[Pair<'_>] = if from > 0 { &[("range", &range)] } else { &[] };
        let answer = self.ask(Method::Get, Some(&self.full(key)), &[], headers, ())?;
        if !answer.status().is_success() {
            return Err(explain(&Refusal::of(answer), "reading"));
        }
        http::ranged(answer, from, "reading")
    }

    fn find(&self, key: &str) -> Step<Option<ObjectInfo>> {
        let answer = self.ask(Method::Head, Some(&self.full(key)), &[], &[], ())?;
        match answer.status().as_u16() {
            200..=299 => {}
            404 => return Ok(None),
            429 | 500..=599 => return Err(explain(&Refusal::of(answer), "looking for an object")),
            // Answers to HEAD do not say what is wrong, those to listing do; and some may only list.
            _ => return Ok(self.objects(key, Some("1"))?.into_iter().find(|object| object.key == key)),
        }
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let bytes = header("content-length").and_then(|value| value.parse().ok());
        let modified = header("last-modified").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        match (bytes, modified) {
            (Some(bytes), Some(date)) => {
                Ok(Some(ObjectInfo { key: key.to_owned(), bytes, modified: date.timestamp() }))
            }
            _ => Err(http::cut("it has no length or no date", "looking for an object")),
        }
    }

    fn list(&self, prefix: &str) -> Step<Vec<ObjectInfo>> {
        self.objects(prefix, None)
    }

    fn delete(&self, key: &str) -> Step<()> {
        let answer = self.ask(Method::Delete, Some(&self.full(key)), &[], &[], ())?;
        if answer.status().is_success() {
            return Ok(());
        }
        let (what, refusal) = ("removing an object", Refusal::of(answer));
        let failure = explain(&refusal, what);
        match failure.error.code() {
            "object_missing" => Ok(()),
            _ if forbids(&refusal) => Err(failure::kept(failure.error, what)),
            _ => Err(failure),
        }
    }

    fn unfinished(&self) -> Step<Vec<Unfinished>> {
        let mut found = Vec::new();
        self.pages("ListMultipartUploadsResult", &[("prefix", self.prefix.as_str()), ("uploads", "")], &mut |page| {
            for upload in page.all("Upload") {
                let key = upload.one("Key").and_then(|key| key.exact().strip_prefix(&self.prefix));
                let begun = upload.text_of("Initiated").parse::<Timestamp>();
                if let (Some(key), Ok(begun)) = (key, begun) {
                    found.push(Unfinished { key: key.to_owned(), id: upload.text_of("UploadId").to_owned(), begun });
                }
            }
            let marker = |name| page.one(name).map_or_else(String::new, |marker| marker.exact().to_owned());
            Some(vec![("key-marker", marker("NextKeyMarker")), ("upload-id-marker", marker("NextUploadIdMarker"))])
        })?;
        Ok(found)
    }

    fn remove_unfinished(&self, upload: &Unfinished) -> Step<()> {
        let answer = self.ask(Method::Delete, Some(&self.full(&upload.key)), &[("uploadId", &upload.id)], &[], ())?;
        if answer.status().is_success() || answer.status().as_u16() == 404 {
            return Ok(());
        }
        Err(explain(&Refusal::of(answer), "removing an upload that nobody finished"))
    }
}
