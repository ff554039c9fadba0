//! Objects on their way over SFTP: many requests are on the line at once, as many as hide the distance, few enough that
//! memory stays flat.
//!
//! An upload goes to a dotted part file beside its target, and gets its name when it is whole.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::stream::{FuturesOrdered, StreamExt};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags, StatusCode};

use super::super::failure::{Failure, Step};
use super::super::{Content, Upload};
use super::Sftp;
use super::connection::{Answer, Connection, failed, missing, status, withheld};
use super::pool::{Lease, Pool};
use crate::error::{Error, ErrorKind};

/// Bytes in one request: what every server must take (draft-ietf-secsh-filexfer-02, section 3).
const CHUNK: usize = 32 * 1024;
/// Requests on the line at once.
const WINDOW: usize = 64;

type Waiting<T> = FuturesOrdered<Pin<Box<dyn Future<Output = Answer<T>> + Send>>>;

/// An object on its way out.
pub(super) struct Uploading<'a> {
    sftp: &'a Sftp,
    content: &'a Content<'a>,
    target: String,
    part: String,
    /// What the server confirmed, without a gap. A server that works on several requests at once may have more, with
    /// gaps: it is not believed.
    confirmed: u64,
    /// The part is there, as far as we know.
    begun: bool,
}

impl<'a> Uploading<'a> {
    pub fn new(sftp: &'a Sftp, key: &str, content: &'a Content<'a>) -> Self {
        Uploading { sftp, content, target: sftp.path(key), part: sftp.part_of(key), confirmed: 0, begun: false }
    }

    fn open(&mut self, on: &Connection) -> Step<String> {
        let open = |path: &str| {
            let private = FileAttributes { permissions: Some(0o600), ..FileAttributes::empty() };
            on.ask(on.raw.open(path, OpenFlags::WRITE | OpenFlags::CREATE, private)).map(|opened| opened.handle)
        };
        let mut opened = open(&self.part);
        if matches!(&opened, Err(error) if missing(error)) {
            super::make_folders(on, &self.part);
            opened = open(&self.part);
        }
        opened.map_err(|error| failed(error, format!("opening {}", self.part)))
    }

    fn send_over(&mut self, on: &Connection) -> Step<()> {
        let handle = self.open(on)?;
        self.begun = true;
        let size = on.ask(on.raw.fstat(handle.as_str()));
        let size = size.map_err(|error| failed(error, format!("looking at {}", self.part)))?.attrs.size.unwrap_or(0);
        self.confirmed = self.confirmed.min(size);
        let sent = self.write(on, &handle);
        let sent = sent.and_then(|()| match on.offers("fsync@openssh.com") {
            true => match on.ask_slowly(on.raw.fsync(handle.as_str())) {
                Err(error) if withheld(&error) => Ok(()),
                answer => answer.map(drop).map_err(|error| self.refused(on, error)),
            },
            false => Ok(()),
        });
        match &sent {
            Err(failure) if failure.passing => {}
            _ => {
                let closed = on.ask_slowly(on.raw.close(handle));
                // Servers that write late say so when a file is closed.
                sent.as_ref().is_ok().then(|| closed.map_err(|error| self.refused(on, error))).transpose()?;
            }
        }
        sent
    }

    fn write(&mut self, on: &Connection, handle: &str) -> Step<()> {
        let mut from = self.content.from(self.confirmed, u64::MAX)?;
        let mut at = self.confirmed;
        let mut waiting: Waiting<u64> = FuturesOrdered::new();
        let mut more = true;
        while more || !waiting.is_empty() {
            let answer = if more && waiting.len() < WINDOW {
                let mut chunk = Vec::with_capacity(CHUNK);
                let read = from.by_ref().take(CHUNK as u64).read_to_end(&mut chunk);
                let read = read.map_err(|error| Error::io("reading what is stored", error))? as u64;
                more = read > 0;
                if more {
                    let (raw, handle) = (on.raw.clone(), handle.to_owned());
                    waiting.push_back(Box::pin(async move { raw.write(handle, at, chunk).await.map(|_| read) }));
                    at += read;
                }
                // It is said now, behind what was said before.
                on.nudge(|context| waiting.poll_next_unpin(context))
            } else {
                Poll::Ready(on.ask(async { waiting.next().await.transpose() }).transpose())
            };
            if let Poll::Ready(Some(answer)) = answer {
                self.confirmed += answer.map_err(|error| self.refused(on, error))?;
            }
        }
        Ok(())
    }

    /// Version 3 has no word for a full disk.
    fn refused(&self, on: &Connection, error: SftpError) -> Failure {
        let what = format!("writing {}", self.part);
        if status(&error) == Some(StatusCode::Failure) {
            let left = self.content.bytes().saturating_sub(self.confirmed);
            if let Ok(Some(free)) = super::free_bytes(on, &self.part)
                && free < left.max(CHUNK as u64)
            {
                let detail = format!("{free} bytes are free at {}, {left} are needed", self.sftp.pool.to().host);
                return Failure::lasting(Error::no_space(detail).while_(what));
            }
        }
        failed(error, what)
    }

    fn name_it(&self, on: &Connection) -> Step<()> {
        let taken = || {
            let text = format!("There is something at {} already", self.target);
            Failure::lasting(Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text))
        };
        let doing = || format!("naming {}", self.target);
        if on.offers("hardlink@openssh.com") {
            match on.ask_slowly(on.raw.hardlink(self.part.as_str(), self.target.as_str())) {
                Ok(_) => {
                    // Who may not remove it has it twice, which costs a name.
                    let removed = on.ask(on.raw.remove(self.part.as_str()));
                    return match removed {
                        Err(error) if status(&error).is_none() => Err(failed(error, doing())),
                        _ => Ok(()),
                    };
                }
                Err(error) if status(&error).is_none() => return Err(failed(error, doing())),
                // Something is there, or the file system has no links.
                Err(_) => {}
            }
        }
        // Not every server refuses to rename onto something, as version 3 says it must.
        let there = || match on.ask(on.raw.lstat(self.target.as_str())) {
            Ok(_) => Ok(true),
            Err(error) if missing(&error) => Ok(false),
            Err(error) => Err(failed(error, doing())),
        };
        if there()? {
            return Err(taken());
        }
        match on.ask_slowly(on.raw.rename(self.part.as_str(), self.target.as_str())) {
            Ok(_) => Ok(()),
            Err(error) if status(&error).is_some() && there()? => Err(taken()),
            Err(error) => Err(failed(error, doing())),
        }
    }
}

impl Upload for Uploading<'_> {
    fn send(&mut self) -> Step<()> {
        let pool = self.sftp.pool.clone();
        let (before, begun) = (self.confirmed, self.begun);
        let result = match pool.with(|on| self.send_over(on)) {
            // Who may only make new files may not go on with an old one.
            Err(failure) if begun && failure.error.kind() == ErrorKind::Denied => {
                self.part = self.sftp.another(&self.part);
                (self.confirmed, self.begun) = (0, false);
                pool.with(|on| self.send_over(on))
            }
            result => result,
        };
        result.map_err(|failure| failure.having_advanced(self.confirmed > before))
    }

    fn finish(&mut self) -> Step<()> {
        self.sftp.pool.with(|on| self.name_it(on))
    }

    fn abort(&mut self) {
        let _ = self.sftp.pool.with(|on| match on.ask(on.raw.remove(self.part.as_str())) {
            Err(error) if status(&error).is_none() => Err(failed(error, "")),
            _ => Ok(()),
        });
    }
}

/// An object on its way in.
pub(super) struct Downloading {
    lease: Option<Lease>,
    path: String,
    handle: String,
    /// What is asked for next.
    at: u64,
    waiting: Waiting<Vec<u8>>,
    /// Where each request that waits begins.
    begun: VecDeque<u64>,
    /// Requests that may be on the line: few for what is small.
    window: usize,
    chunk: Vec<u8>,
    used: usize,
}

impl Downloading {
    pub fn open(pool: &Arc<Pool>, path: String, from: u64) -> Step<Self> {
        let (lease, handle) = pool.lease(|on| {
            let opened = on.ask(on.raw.open(path.as_str(), OpenFlags::READ, FileAttributes::empty()));
            opened.map(|opened| opened.handle).map_err(|error| failed(error, format!("opening {path}")))
        })?;
        Ok(Downloading {
            lease: Some(lease),
            path,
            handle,
            at: from,
            waiting: FuturesOrdered::new(),
            begun: VecDeque::new(),
            window: 2,
            chunk: Vec::new(),
            used: 0,
        })
    }

    /// The next bytes; none at the end.
    fn next(&mut self) -> Step<Vec<u8>> {
        let Some(lease) = &self.lease else { return Ok(Vec::new()) };
        let on = lease.connection();
        while self.waiting.len() < self.window {
            let (raw, handle, at): (Arc<RawSftpSession>, _, _) = (on.raw.clone(), self.handle.clone(), self.at);
            self.waiting.push_back(Box::pin(async move {
                raw.read(handle, at, u32::try_from(CHUNK).unwrap_or(u32::MAX)).await.map(|data| data.data)
            }));
            self.begun.push_back(at);
            self.at += CHUNK as u64;
        }
        let at = self.begun.pop_front().unwrap_or(self.at);
        match on.ask(async { self.waiting.next().await.unwrap_or(Ok(Vec::new())) }) {
            Ok(bytes) => {
                self.window = (self.window + 2).min(WINDOW);
                if bytes.len() < CHUNK && !bytes.is_empty() {
                    // Less than asked for is not the end: what comes after it is asked for again.
                    self.waiting = FuturesOrdered::new();
                    self.begun.clear();
                    self.at = at + bytes.len() as u64;
                }
                Ok(bytes)
            }
            Err(error) if status(&error) == Some(StatusCode::Eof) => Ok(Vec::new()),
            Err(error) => Err(failed(error, format!("reading {}", self.path))),
        }
    }
}

impl Read for Downloading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.chunk.len() {
            self.used = 0;
            self.chunk.clear();
            match self.next() {
                Ok(chunk) => self.chunk = chunk,
                Err(failure) => {
                    // Nobody uses it any more.
                    self.lease = None;
                    return Err(io::Error::other(failure.error));
                }
            }
        }
        let rest = self.chunk.get(self.used..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        if let (Some(space), Some(bytes)) = (buffer.get_mut(..length), rest.get(..length)) {
            space.copy_from_slice(bytes);
        }
        self.used += length;
        Ok(length)
    }
}

impl Drop for Downloading {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let (raw, handle) = (lease.connection().raw.clone(), std::mem::take(&mut self.handle));
        lease.connection().tell(async move {
            let _ = raw.close(handle).await;
        });
        lease.give_back();
    }
}
