//! Storing one object. It goes to a collection of its own with a leading dot, and gets its name by a MOVE that may not
//! overwrite. Where this user may not rename, because what is there shall stay, it is one PUT to its place: common servers
//! (Apache, nginx, sabre/dav) show what a PUT brought when it is whole, and not before.
//!
//! What was cut is sent again from its beginning: WebDAV knows no going on.

use ureq::{Body, http::Response};

use super::super::failure::{Failure, Step};
use super::super::{Content, Protocol, Upload, http};
use super::{PARTS, WebDav, above, client};
use crate::error::{Error, ErrorKind};

/// An object on its way.
pub(super) struct Uploading<'a> {
    dav: &'a WebDav,
    key: String,
    content: &'a Content<'a>,
    /// Where it is before it has its name; nowhere else when nobody may rename.
    part: Option<String>,
    finished_before: bool,
    /// What is under the key may be what we sent, and nobody said so.
    unsure: bool,
}

impl<'a> Uploading<'a> {
    pub fn new(dav: &'a WebDav, key: &str, content: &'a Content<'a>, renames: bool) -> Self {
        let part = renames.then(|| format!("{PARTS}{}", ulid::Ulid::generate()));
        Uploading { dav, key: key.to_owned(), content, part, finished_before: false, unsure: false }
    }

    fn put(&self, path: &str, more: &[(&str, &str)]) -> Step<u16> {
        let length = self.content.bytes().to_string();
        let mut from = self.content.from(0, self.content.bytes())?;
        let mut headers = vec![("content-length", length.as_str()), ("content-type", "application/octet-stream")];
        headers.extend_from_slice(more);
        let answer = self.dav.client.send(path, &headers, &mut from)?;
        settled(answer, "sending")
    }

    fn rename(&self, part: &str) -> Step<u16> {
        let to = self.dav.client.address(&self.key);
        let answer = self.dav.client.ask("MOVE", part, &[("destination", &to), ("overwrite", "F")], &[])?;
        settled(answer, "naming an object")
    }

    fn put_in_place(&mut self) -> Step<u16> {
        self.unsure = true;
        let put = self.put(&self.key, &[("if-none-match", "*")]);
        // Somebody was faster.
        if matches!(&put, Err(failure) if failure.error.kind() == ErrorKind::WouldOverwrite) {
            self.unsure = false;
        }
        put
    }
}

/// The status of an answer: success, or one that we can do something about.
fn settled(answer: Response<Body>, what: &str) -> Step<u16> {
    match answer.status().as_u16() {
        // Several statuses in one answer tell of a failure (RFC 4918 9.9.4).
        207 => Err(http::cut("it was done in part", what)),
        status @ (200..=299 | 404 | 409) => http::document(answer, what).map(|_| status),
        _ => Err(client::refused(answer, what)),
    }
}

impl Upload for Uploading<'_> {
    fn send(&mut self) -> Step<()> {
        let Some(part) = &self.part else { return Ok(()) };
        if self.put(part, &[])? < 300 {
            return Ok(());
        }
        self.dav.make(PARTS)?;
        match self.put(part, &[])? {
            200..=299 => Ok(()),
            status => Err(http::cut(format!("it answered {status}"), "sending")),
        }
    }

    fn finish(&mut self) -> Step<()> {
        let taken = || {
            let text = "Something else is stored there already";
            Err(Failure::lasting(Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text)))
        };
        // Somebody may have been faster; or our last answer was lost.
        let again = std::mem::replace(&mut self.finished_before, true);
        if self.dav.find(&self.key)?.is_some() {
            self.unsure = false;
            return taken();
        }
        // Not only when it is missing: some servers (Apache) say 500 then, not 409.
        let folder = above(&self.key);
        if !folder.is_empty() {
            self.dav.make(folder)?;
        }
        let part = self.part.clone();
        let status = match &part {
            Some(part) => self.rename(part)?,
            None => self.put_in_place()?,
        };
        match status {
            200..=299 => Ok(()),
            // What we sent is not there: it has its name already, or it was swept.
            _ if again && part.is_some() && self.dav.find(&self.key)?.is_some() => taken(),
            status => Err(http::cut(format!("it answered {status}"), "naming an object")),
        }
    }

    fn abort(&mut self) {
        // What stays is swept when it is old.
        let _ = match &self.part {
            Some(part) => self.dav.remove(part, "removing what was sent"),
            None if self.unsure => self.dav.remove(&self.key, "removing what was sent"),
            None => Ok(()),
        };
    }
}
