//! What is stored: bytes that can be read again from any offset, with their length and SHA-256, no faster than allowed,
//! and stopping when asked to.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use md5::{Digest, Md5};

use super::failure;
use crate::destination::{Body, durable};
use crate::error::{Error, Result};
use crate::model::destination::Limits;
use crate::progress::Context;

/// Bytes on their way out.
pub(crate) struct Content<'a> {
    body: Body<'a>,
    bytes: u64,
    sha256: Mutex<Option<String>>,
    bandwidth: Option<u64>,
    context: &'a Context,
}

impl<'a> Content<'a> {
    /// As long as it is now.
    pub fn new(body: Body<'a>, limits: &Limits, context: &'a Context) -> Result<Self> {
        let bytes = match body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(path) => std::fs::metadata(path).map_err(|e| Error::at("reading", path, e))?.len(),
        };
        Ok(Content { body, bytes, sha256: Mutex::default(), bandwidth: limits.bandwidth, context })
    }

    /// Length.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256, lower-case hex. The first who asks reads everything; others wait for that.
    pub fn sha256(&self) -> Result<String> {
        self.sha256_while(&|| true)
    }

    /// The same, given up when it is not wanted any more.
    pub fn sha256_while(&self, wanted: &dyn Fn() -> bool) -> Result<String> {
        let mut known = self.sha256.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known {
            return Ok(known.clone());
        }
        let context = quietly(self.context);
        let mut from = Paced::new(open(self.body, 0)?, Some(self.bytes), None, &context);
        let still = |_: &[u8]| if wanted() { Ok(()) } else { Err(Error::cancelled()) };
        let (_, sha256) = durable::hash(&mut from, &context, still)?;
        Ok(known.insert(sha256).clone())
    }

    /// Whether it may only go so fast.
    pub fn is_limited(&self) -> bool {
        self.bandwidth.is_some()
    }

    /// Who asks us to stop.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// MD5 of a part in Base64, as `Content-MD5` carries it (RFC 1864).
    pub fn md5(&self, offset: u64, length: u64) -> Result<String> {
        let length = length.min(self.bytes.saturating_sub(offset));
        let mut from = Paced::new(open(self.body, offset)?, Some(length), None, &quietly(self.context));
        let mut hash = Md5::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match from.read(&mut buffer).map_err(|error| Error::io("reading", error))? {
                0 => return Ok(BASE64.encode(&hash.finalize())),
                read => hash.update(buffer.get(..read).unwrap_or_default()),
            }
        }
    }

    /// `length` bytes from `offset` on. They count as progress while they are read; being asked to stop, and a file that
    /// became shorter, are errors of reading.
    pub fn from(&self, offset: u64, length: u64) -> Result<Paced<Box<dyn Read + Send + 'a>>> {
        let length = length.min(self.bytes.saturating_sub(offset));
        Ok(Paced::new(open(self.body, offset)?, Some(length), self.bandwidth, self.context))
    }
}

fn open<'a>(body: Body<'a>, offset: u64) -> Result<Box<dyn Read + Send + 'a>> {
    match body {
        Body::Bytes(bytes) => {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            Ok(Box::new(Cursor::new(bytes.get(start..).unwrap_or_default())))
        }
        Body::File(path) => {
            let opened = File::open(path).and_then(|mut file| file.seek(SeekFrom::Start(offset)).map(|_| file));
            Ok(Box::new(opened.map_err(|e| Error::at("reading", path, e))?))
        }
    }
}

/// The first reading is no progress: the bytes have not moved.
fn quietly(context: &Context) -> Context {
    Context { observer: std::sync::Arc::new(crate::progress::Silent), ..context.clone() }
}

/// A reader that goes no faster than allowed, tells progress and stops when asked to.
pub(crate) struct Paced<R> {
    from: R,
    /// What must still come, when that is known.
    left: Option<u64>,
    bandwidth: Option<u64>,
    context: Context,
    read: u64,
    begun: Duration,
}

impl<R: Read> Paced<R> {
    /// With a `length`, coming to an end before it is an error.
    pub fn new(from: R, length: Option<u64>, bandwidth: Option<u64>, context: &Context) -> Self {
        let begun = context.clock.monotonic();
        Paced { from, left: length, bandwidth, context: context.clone(), read: 0, begun }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.context.check()?;
        let most = self.left.map_or(buffer.len(), |left| usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len()));
        // Slow lines in small pieces, so that they flow.
        let most =
            self.bandwidth.map_or(most, |rate| most.min(usize::try_from(rate / 8).unwrap_or(usize::MAX).max(512)));
        let Some(space) = buffer.get_mut(..most).filter(|space| !space.is_empty()) else { return Ok(0) };
        let read = self.from.read(space)?;
        if read == 0 && self.left.is_some() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
        }
        self.left = self.left.map(|left| left - read as u64);
        self.read += read as u64;
        self.context.advance(read as u64)?;
        if let Some(rate) = self.bandwidth {
            let due = Duration::from_secs_f64(self.read as f64 / rate as f64);
            let since = self.context.clock.monotonic().saturating_sub(self.begun);
            failure::wait(due.saturating_sub(since), &self.context)?;
        }
        Ok(read)
    }
}
