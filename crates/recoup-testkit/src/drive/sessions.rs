//! Resumable uploads of the stand-in: a session per file, pieces of whole 256 KiB, 308 until everything is there, and what
//! came of a piece before a cut is kept to a multiple of that.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::files::{File, Files, only};
use super::http::{Answer, Request};

/// Pieces are multiples of this.
const STEP: u64 = 256 << 10;

/// An upload that goes on.
pub struct Session {
    draft: File,
    total: u64,
    bytes: Vec<u8>,
    fields: Request,
    done: bool,
}

/// Sessions by their ids.
#[derive(Default)]
pub struct Sessions {
    pub all: HashMap<String, Session>,
}

fn invalid(why: &str) -> Answer {
    Answer::error(400, "badRequest", why)
}

fn gone() -> Answer {
    Answer::error(404, "notFound", "No such upload")
}

/// First and last byte of a piece, none of a question; and the length of all.
type Range = (Option<(u64, u64)>, u64);

/// `bytes 0-9/10` or `bytes */10`.
fn range(request: &Request) -> Result<Option<Range>, Answer> {
    let Some(text) = request.header("content-range") else { return Ok(None) };
    let read = || -> Option<_> {
        let (part, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total = total.parse().ok()?;
        if part == "*" {
            return Some((None, total));
        }
        let (first, last) = part.split_once('-')?;
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last && last < total).then_some((Some((first, last)), total))
    };
    read().map(Some).ok_or_else(|| invalid("Failed to parse Content-Range header."))
}

impl Sessions {
    fn of(&mut self, request: &Request) -> Option<&mut Session> {
        self.all.get_mut(request.of("upload_id")?)
    }

    pub fn open(
        &mut self,
        files: &mut Files,
        request: &Request,
        body: &[u8],
        at: SocketAddr,
    ) -> Result<Answer, Answer> {
        only(request, &["uploadType"])?;
        if request.of("uploadType") != Some("resumable") {
            return Err(invalid("uploadType"));
        }
        let total = request.header("x-upload-content-length").and_then(|length| length.parse::<u64>().ok());
        let total = total.ok_or_else(|| invalid("X-Upload-Content-Length"))?;
        if request.header("x-upload-content-type").is_none() {
            return Err(invalid("X-Upload-Content-Type"));
        }
        let draft = files.draft(request, body)?;
        if files.limit.is_some_and(|limit| draft.drive.is_none() && files.used() + total > limit) {
            let text = "The user's Drive storage quota has been exceeded.";
            return Err(Answer::error(403, "storageQuotaExceeded", text));
        }
        // Wrong fields are told now.
        files.told(&draft, request)?;
        let id = format!("MARKER-session-{}", ulid::Ulid::generate());
        let session = Session { draft, total, bytes: Vec::new(), fields: request.clone(), done: false };
        self.all.insert(id.clone(), session);
        // Where it was asked, as Google does it: there may be a proxy.
        let at = request.header("host").map_or_else(|| at.to_string(), str::to_owned);
        let url = format!("http://{at}/upload/drive/v3/files?uploadType=resumable&upload_id={id}");
        Ok(Answer::new(200).with("location", url))
    }

    pub fn put(&mut self, files: &mut Files, request: &Request, body: Vec<u8>) -> Result<Answer, Answer> {
        let range = range(request)?;
        let session = self.of(request).ok_or_else(gone)?;
        if session.done {
            let file = files.all.get(&session.draft.id).ok_or_else(gone)?;
            return files.told(file, &session.fields);
        }
        let have = session.bytes.len() as u64;
        match range {
            Some((_, total)) if total != session.total => return Err(invalid("another length than was told")),
            // Where is it?
            Some((None, total)) => {
                if !body.is_empty() {
                    return Err(invalid("a question has no body"));
                }
                if have < total {
                    return Ok(session.on());
                }
            }
            Some((Some((first, last)), total)) => {
                if body.len() as u64 != last - first + 1 || first != have {
                    return Err(invalid("Invalid request. The bytes do not follow."));
                }
                if last + 1 < total && !(last - first + 1).is_multiple_of(STEP) {
                    return Err(invalid("Pieces are multiples of 256 KiB."));
                }
                session.bytes.extend(body);
            }
            None if have == 0 && body.len() as u64 == session.total => session.bytes = body,
            None => return Err(invalid("no Content-Range")),
        }
        if (session.bytes.len() as u64) < session.total {
            return Ok(session.on());
        }
        session.done = true;
        let (draft, bytes) = (session.draft.clone(), std::mem::take(&mut session.bytes));
        let fields = session.fields.clone();
        if files.all.contains_key(&draft.id) {
            return Err(Answer::error(409, "fileIdInUse", "A file already exists with the provided ID."));
        }
        let file = files.add(draft, bytes);
        files.told(&file, &fields)
    }

    /// The line broke within a piece.
    pub fn put_part(&mut self, request: &Request, body: &[u8]) {
        let Ok(range) = range(request) else { return };
        let Some(session) = self.of(request) else { return };
        if let Some((Some((first, _)), _)) = range
            && first == session.bytes.len() as u64
        {
            let kept = body.len() as u64 / STEP * STEP;
            session.bytes.extend(&body[..usize::try_from(kept).unwrap()]);
        }
    }

    pub fn cancel(&mut self, request: &Request) -> Result<Answer, Answer> {
        request.of("upload_id").and_then(|id| self.all.remove(id)).ok_or_else(gone)?;
        Ok(Answer::new(499))
    }
}

impl Session {
    fn on(&self) -> Answer {
        let answer = Answer::new(308);
        if self.bytes.is_empty() { answer } else { answer.with("range", format!("bytes=0-{}", self.bytes.len() - 1)) }
    }
}
