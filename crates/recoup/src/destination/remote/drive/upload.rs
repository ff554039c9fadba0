//! One object on its way to Drive by a resumable upload (developers.google.com, "Upload file data"): a session, pieces of
//! 8 MiB, and after a cut the question where the session is. A file exists when its last byte has arrived and not before,
//! so the last piece is sent when the upload is finished.
//!
//! The id is chosen beforehand (`files.generateIds`): whatever answer is lost, the file can be found and taken away.

use serde_json::json;
use ureq::http::{Request, Response};
use ureq::{Body, SendBody};

use super::super::content::Content;
use super::super::failure::{Failure, Step};
use super::super::http::refused;
use super::super::{Upload, taken};
use super::Drive;
use super::api::{self, FIELDS, File};
use super::label;
use crate::error::{Error, ErrorKind};

/// Bytes of a piece: a multiple of 256 KiB, as Drive wants.
const PIECE: u64 = 8 << 20;
const TYPE: &str = "application/octet-stream";
/// How often taking away what was sent is tried.
const TRIES: u32 = 3;

/// An object on its way.
pub(super) struct Sending<'a> {
    drive: &'a Drive,
    key: String,
    content: &'a Content<'a>,
    id: String,
    session: Option<String>,
    at: u64,
    // Whether `at` is what Drive has: not after a cut.
    sure: bool,
    // The last piece may have arrived.
    ending: bool,
    done: Option<File>,
}

impl<'a> Sending<'a> {
    /// Bytes that Drive has for sure.
    fn arrived(&self) -> u64 {
        if self.session.is_some() { self.at } else { 0 }
    }

    /// Opens a session.
    pub fn begin(drive: &'a Drive, key: &str, content: &'a Content<'a>) -> Step<Self> {
        let (key, id) = (key.to_owned(), drive.new_id()?);
        let mut sending =
            Sending { drive, key, content, id, session: None, at: 0, sure: true, ending: false, done: None };
        sending.open()?;
        Ok(sending)
    }

    fn what(&self) -> String {
        format!("sending {}", self.key)
    }

    fn open(&mut self) -> Step<()> {
        let parent = self.drive.folder()?;
        let body = json!({
            "id": self.id,
            "name": self.key.rsplit('/').next().unwrap_or(&self.key),
            "parents": [parent],
            "mimeType": TYPE,
            "appProperties": label::properties(&self.drive.mark, &self.key)?,
        });
        let url = self.drive.api.url("/upload/drive/v3/files", &[("uploadType", "resumable"), ("fields", FIELDS)]);
        let request = Request::post(url)
            .header("content-type", "application/json; charset=UTF-8")
            .header("x-upload-content-type", TYPE)
            .header("x-upload-content-length", self.content.bytes().to_string());
        let answer = self.drive.api.ask(request, body.to_string(), &self.what())?;
        match answer.status().as_u16() {
            200 => {
                let session = answer.headers().get("location").and_then(|url| url.to_str().ok());
                let missing = || Error::new(ErrorKind::Failed, "bad_answer", "Google Drive opened no session");
                self.session = Some(session.ok_or_else(missing)?.to_owned());
                (self.at, self.sure) = (0, true);
                Ok(())
            }
            // An answer was lost: the file is there already.
            409 => {
                drop(refused(answer, ""));
                self.done = Some(self.drive.file(&self.id)?.ok_or_else(|| Failure::lasting(taken(&self.key)))?);
                Ok(())
            }
            // Somebody took the folder away.
            404 => {
                let failure = api::refused(answer, &self.what());
                self.drive.forget_folder();
                Err(Failure::passing(failure.error))
            }
            _ => Err(api::refused(answer, &self.what())),
        }
    }

    /// Asks the session where it is.
    fn locate(&mut self, session: &str) -> Step<()> {
        let range = format!("bytes */{}", self.content.bytes());
        let request = Request::put(session).header("content-range", range).header("content-length", 0);
        let answer = self.drive.ask_session(request, SendBody::none(), session, &self.what())?;
        self.answered(answer)
    }

    /// Sends the next piece.
    fn piece(&mut self, session: &str) -> Step<()> {
        let length = (self.content.bytes() - self.at).min(PIECE);
        self.sure = false;
        self.ending |= self.at + length == self.content.bytes();
        let mut request = Request::put(session).header("content-type", TYPE).header("content-length", length);
        // Of nothing there is no range.
        if length > 0 {
            let range = format!("bytes {}-{}/{}", self.at, self.at + length - 1, self.content.bytes());
            request = request.header("content-range", range);
        }
        let mut reader = self.content.from(self.at, length)?;
        let body = SendBody::from_reader(&mut reader);
        let answer = self.drive.ask_session(request, body, session, &self.what())?;
        let before = self.at;
        self.answered(answer)?;
        if self.done.is_none() && self.sure && self.at <= before {
            self.sure = false;
            let text = "Google Drive took nothing of what was sent";
            return Err(Failure::passing(Error::new(ErrorKind::Unreachable, "destination_failing", text)));
        }
        Ok(())
    }

    /// What a session says: how much it has, the file when it has everything, or that it is gone.
    fn answered(&mut self, answer: Response<Body>) -> Step<()> {
        match answer.status().as_u16() {
            308 => {
                let range = answer.headers().get("range").and_then(|range| range.to_str().ok());
                let last =
                    range.and_then(|range| range.rsplit_once('-')).and_then(|(_, last)| last.parse::<u64>().ok());
                self.at = last.map_or(0, |last| last + 1).min(self.content.bytes());
                self.sure = true;
                drop(refused(answer, ""));
                Ok(())
            }
            200 | 201 => {
                let file: File = api::read(answer, &self.what())?;
                self.done = Some(file);
                Ok(())
            }
            // Sessions live for a week, and not always that long.
            404 | 410 => {
                self.session = None;
                Err(Failure::passing(refused(answer, &self.what()).error))
            }
            _ => Err(api::refused(answer, &self.what())),
        }
    }

    /// Sends until only the last piece is left, or with `last` until everything is there.
    fn go_on(&mut self, last: bool) -> Step<()> {
        while self.done.is_none() {
            self.content.context().check()?;
            let Some(session) = self.session.clone() else {
                self.open()?;
                continue;
            };
            if !self.sure {
                self.locate(&session)?;
                continue;
            }
            if !last && self.content.bytes() - self.at <= PIECE {
                return Ok(());
            }
            self.piece(&session)?;
        }
        Ok(())
    }

    /// The file is there: is it what was sent, and is it the first of its key?
    fn settle(&mut self, file: &File) -> Step<()> {
        let same = match &file.sha256_checksum {
            Some(sum) => *sum == self.content.sha256()?,
            None => true,
        };
        let whole = same && file.bytes() == self.content.bytes();
        if !whole {
            self.drive.remove(&self.id)?;
            let error = Error::corrupted("what Google Drive has is not what was sent").while_(self.what());
            return Err(Failure::lasting(error));
        }
        let others = self.drive.of_key(&self.key)?;
        if others.iter().any(|other| other.id != self.id && other.age() < file.age()) {
            // The same bytes or not, it is for others to compare.
            self.drive.remove(&self.id)?;
            return Err(Failure::lasting(taken(&self.key)));
        }
        self.drive.remember(&self.key, &self.id);
        Ok(())
    }
}

impl Upload for Sending<'_> {
    fn send(&mut self) -> Step<()> {
        let before = self.arrived();
        self.go_on(false).map_err(|failure| failure.having_advanced(self.arrived() > before))
    }

    fn finish(&mut self) -> Step<()> {
        self.go_on(true)?;
        match self.done.clone() {
            Some(file) => self.settle(&file),
            None => Ok(()),
        }
    }

    fn abort(&mut self) {
        if let Some(session) = self.session.take() {
            let request = Request::delete(&session);
            let _ = self.drive.ask_session(request, SendBody::none(), &session, "").map(|answer| refused(answer, ""));
        }
        if self.ending || self.done.is_some() {
            let _ = (0..TRIES).find(|_| self.drive.remove(&self.id).is_ok());
        }
    }
}
