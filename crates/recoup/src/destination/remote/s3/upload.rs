//! Storing one object: a single PUT, which the service makes visible as a whole or not at all, or an upload in parts, of
//! which a part that the service lists is not sent again. `Content-MD5` goes with everything, because buckets with object
//! lock ask for it and every service knows it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use rusty_s3::Method;
use ureq::SendBody;

use super::super::failure::{Failure, Step};
use super::super::http::{self, Refusal};
use super::super::{Content, Unfinished, Upload};
use super::{Pair, S3, explain};
use crate::destination::remote::Protocol;
use crate::error::{Error, ErrorKind};

/// What goes in one PUT, and the smallest part. Services want at least 5 MiB.
const PART: u64 = 8 << 20;
/// Parts on the line at once.
const AT_ONCE: usize = 4;
/// Of how many parts an object may consist.
const PARTS: u64 = 10_000;

/// An object on its way.
pub(super) struct Uploading<'a> {
    s3: &'a S3,
    key: String,
    content: &'a Content<'a>,
    conditional: bool,
    /// `None` is a single PUT.
    id: Option<String>,
    /// What the service calls the parts that it has.
    parts: BTreeMap<u64, String>,
    sent_before: bool,
    finished_before: bool,
}

impl<'a> Uploading<'a> {
    /// Tells the service about an upload in parts, when it is to be one.
    pub fn begin(s3: &'a S3, key: &str, content: &'a Content<'a>) -> Step<Self> {
        let conditional = s3.conditional()?;
        let mut id = None;
        if content.bytes() > PART {
            let answer = s3.ask(Method::Post, Some(&s3.full(key)), &[("uploads", "")], &[], &b""[..])?;
            let begun = s3.read_document(answer, "InitiateMultipartUploadResult", "beginning an upload")?;
            id = Some(begun.text_of("UploadId").to_owned()).filter(|id| !id.is_empty());
            if id.is_none() {
                return Err(http::cut("it does not name the upload", "beginning an upload"));
            }
        }
        Ok(Uploading {
            s3,
            key: key.to_owned(),
            content,
            conditional,
            id,
            parts: BTreeMap::new(),
            sent_before: false,
            finished_before: false,
        })
    }

    /// Sends some of the content; the name that the service gives it.
    fn put(&self, query: &[Pair<'_>], offset: u64, length: u64, condition: bool, what: &str) -> Step<Option<String>> {
        let (bytes, md5) = (length.to_string(), self.content.md5(offset, length)?);
        let mut headers = vec![("content-length", bytes.as_str()), ("content-md5", md5.as_str())];
        if condition {
            headers.push(("if-none-match", "*"));
        }
        let mut from = self.content.from(offset, length)?;
        let body = SendBody::from_reader(&mut from);
        let answer = self.s3.ask(Method::Put, Some(&self.s3.full(&self.key)), query, &headers, body)?;
        if !answer.status().is_success() {
            return Err(explain(&Refusal::of(answer), what));
        }
        let name = answer.headers().get("etag").and_then(|name| name.to_str().ok()).map(str::to_owned);
        http::document(answer, what)?;
        Ok(name)
    }

    /// The parts that the service has, whole.
    fn listed(&self, id: &str) -> Step<BTreeMap<u64, String>> {
        let mut found = BTreeMap::new();
        let mut marker = String::new();
        loop {
            let query = [("part-number-marker", marker.as_str()), ("uploadId", id)];
            let query = if marker.is_empty() { &query[1..] } else { &query[..] };
            let answer = self.s3.ask(Method::Get, Some(&self.s3.full(&self.key)), query, &[], ())?;
            let page = self.s3.read_document(answer, "ListParts", "asking what has arrived")?;
            for part in page.all("Part") {
                if let (Ok(number), Ok(bytes)) =
                    (part.text_of("PartNumber").parse(), part.text_of("Size").parse::<u64>())
                    && self.part(number).is_some_and(|(_, length)| length == bytes)
                {
                    found.insert(number, part.text_of("ETag").to_owned());
                }
            }
            let next = page.text_of("NextPartNumberMarker");
            if page.text_of("IsTruncated") != "true" || next.is_empty() || next == marker {
                return Ok(found);
            }
            marker = next.to_owned();
        }
    }

    /// Sends parts, several at once: the service works on one while another is on the line, and one connection over a long
    /// distance is slow. With a limit of bandwidth it is one after the other.
    fn send_parts(&self, id: &str, numbers: Vec<u64>) -> Sent {
        let workers = if self.content.is_limited() { 1 } else { AT_ONCE.min(numbers.len()) };
        let (left, sent) = (Mutex::new(numbers.into_iter()), Mutex::new(Sent::default()));
        let locked = || sent.lock().unwrap_or_else(PoisonError::into_inner);
        let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while locked().failure.is_none()
                && let Some(number) = next()
            {
                let name = self.send_part(id, number);
                locked().note(number, name);
            }
        };
        std::thread::scope(|threads| {
            for _ in 1..workers {
                // Where no more threads are to be had, fewer do it.
                let _ = std::thread::Builder::new().spawn_scoped(threads, work);
            }
            work();
        });
        sent.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_part(&self, id: &str, number: u64) -> Step<String> {
        self.content.context().check()?;
        let Some((offset, length)) = self.part(number) else {
            return Err(http::cut("there is no such part", "sending a part"));
        };
        let text = number.to_string();
        let query = [("partNumber", text.as_str()), ("uploadId", id)];
        let name = self.put(&query, offset, length, false, "sending a part")?;
        name.ok_or_else(|| http::cut("it does not name the part", "sending a part"))
    }

    /// Where a part begins and how long it is; they count from 1.
    fn part(&self, number: u64) -> Option<(u64, u64)> {
        let length = PART.max(self.content.bytes().div_ceil(PARTS).next_multiple_of(1 << 20));
        let offset = number.checked_sub(1)?.checked_mul(length)?;
        (offset < self.content.bytes()).then(|| (offset, length.min(self.content.bytes() - offset)))
    }

    fn complete(&self, id: &str) -> Step<()> {
        let mut body = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for (number, name) in &self.parts {
            let name = quick_xml::escape::escape(name.as_str());
            let _ = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>{name}</ETag></Part>");
        }
        body.push_str("</CompleteMultipartUpload>");
        let headers: &[Pair<'_>] = if self.conditional { &[("if-none-match", "*")] } else { &[] };
        let full = self.s3.full(&self.key);
        let answer = self.s3.ask(Method::Post, Some(&full), &[("uploadId", id)], headers, body.as_bytes())?;
        self.s3.read_document(answer, "CompleteMultipartUploadResult", "finishing an upload").map(drop)
    }

    fn taken(&self) -> Failure {
        let text = "Something else is stored there already";
        Failure::lasting(Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text))
    }
}

/// What became of parts.
#[derive(Default)]
struct Sent {
    parts: BTreeMap<u64, String>,
    failure: Option<Failure>,
}

impl Sent {
    fn note(&mut self, number: u64, name: Step<String>) {
        match name {
            Ok(name) => drop(self.parts.insert(number, name)),
            // What will not pass is what matters.
            Err(failure) if self.failure.as_ref().is_none_or(|known| known.passing && !failure.passing) => {
                self.failure = Some(failure);
            }
            Err(_) => {}
        }
    }
}

impl Upload for Uploading<'_> {
    fn send(&mut self) -> Step<()> {
        let Some(id) = self.id.clone() else { return Ok(()) };
        if std::mem::replace(&mut self.sent_before, true) {
            self.parts = self.listed(&id)?;
        }
        let lacking = (1..).take_while(|number| self.part(*number).is_some());
        let lacking: Vec<u64> = lacking.filter(|number| !self.parts.contains_key(number)).collect();
        let sent = self.send_parts(&id, lacking);
        let advanced = !sent.parts.is_empty();
        self.parts.extend(sent.parts);
        sent.failure.map_or(Ok(()), |failure| Err(failure.having_advanced(advanced)))
    }

    fn finish(&mut self) -> Step<()> {
        // A part takes its time, and somebody may have been faster; or our last answer was lost.
        let again = std::mem::replace(&mut self.finished_before, true);
        if (again || self.id.is_some()) && self.s3.find(&self.key)?.is_some() {
            return Err(self.taken());
        }
        let done = match &self.id {
            Some(id) => self.complete(id),
            None => self.put(&[], 0, self.content.bytes(), self.conditional, "sending").map(drop),
        };
        match done {
            // Services differ in how they say that it is there already.
            Err(failure)
                if !failure.passing
                    && failure.error.kind() != ErrorKind::Cancelled
                    && self.s3.find(&self.key)?.is_some() =>
            {
                Err(self.taken())
            }
            done => done,
        }
    }

    fn abort(&mut self) {
        let Some(id) = self.id.take() else { return };
        let upload = Unfinished { key: self.key.clone(), id, begun: jiff::Timestamp::UNIX_EPOCH };
        // What stays is swept when it is old.
        let _ = self.s3.remove_unfinished(&upload);
    }
}
