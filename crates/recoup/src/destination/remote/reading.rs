//! Reading an object to its end, whatever happens to the line: after a cut it goes on where it was, and coming to an end
//! before the length that the destination told is a cut too. Large objects come in blocks ([`super::blocks`]) from where
//! that pays.

use std::io::{self, Read};
use std::sync::Arc;

use super::blocks::{self, Blocks};
use super::content::Paced;
use super::failure::{Failure, Step, attempt};
use super::{Given, Protocol};
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::Limits;
use crate::progress::Context;

/// Where bytes come from.
enum Coming<P> {
    One(Box<dyn Read + Send>),
    Several(Blocks<P>),
}

/// An object that is being read.
pub(super) struct Reading<P> {
    protocol: Arc<P>,
    limits: Limits,
    key: String,
    context: Context,
    at: u64,
    end: u64,
    from: Option<Coming<P>>,
    // Cuts since the last byte that came.
    cuts: u32,
}

impl<P: Protocol + 'static> Reading<P> {
    /// From byte `from` on.
    pub fn open(protocol: &Arc<P>, limits: &Limits, key: &str, from: u64, context: &Context) -> Result<Paced<Self>> {
        let mut reading = Reading {
            protocol: protocol.clone(),
            limits: limits.clone(),
            key: key.to_owned(),
            context: context.clone(),
            at: from,
            end: 0,
            from: None,
            cuts: 0,
        };
        let find = || protocol.find(key);
        let found = reading.attempt(find)?;
        let missing = || Error::new(ErrorKind::NotFound, "object_missing", format!("Not found: {key}"));
        reading.end = found.ok_or_else(missing)?.bytes;
        // What cannot be opened at all is told here, not at the first byte.
        if from < reading.end {
            let opened = reading.attempt(|| reading.ask(false))?;
            reading.go_on(opened, None)?;
        }
        // Progress is told by whoever uses the bytes.
        let quiet = Context { observer: Arc::new(crate::progress::Silent), ..context.clone() };
        Ok(Paced::new(reading, None, limits.bandwidth, &quiet))
    }

    fn attempt<T>(&self, mut step: impl FnMut() -> Step<T>) -> Result<T> {
        attempt(self.limits.attempts, self.limits.pause, &self.context, &mut step)
    }

    /// In one stream when it may only go so fast: what comes ahead would come faster than that.
    fn ask(&self, in_blocks: bool) -> Step<Given> {
        if self.limits.bandwidth.is_none() && (in_blocks || self.end - self.at >= blocks::WORTH) {
            return self.protocol.part(&self.key, blocks::block(self.at, self.end), self.end);
        }
        self.protocol.read(&self.key, self.at).map(Given::Rest)
    }

    fn go_on(&mut self, opened: Given, kept: Option<Blocks<P>>) -> Result<()> {
        self.from = Some(match opened {
            Given::Rest(rest) => Coming::One(rest),
            Given::Part(part) => {
                let mut blocks = kept.unwrap_or_else(|| Blocks::new(&self.protocol, &self.key, self.end));
                blocks.go_on(self.at, part).map_err(|error| Error::io("starting a thread", error))?;
                Coming::Several(blocks)
            }
        });
        Ok(())
    }

    fn cut(&mut self, why: io::Error) -> Result<()> {
        let kept = match self.from.take() {
            Some(Coming::Several(blocks)) => Some(blocks),
            _ => None,
        };
        self.cuts += 1;
        let error = Error::new(ErrorKind::Unreachable, "connection_lost", "The connection was lost")
            .because(why)
            .while_(format!("reading {}", self.key));
        if self.cuts >= self.limits.attempts {
            return Err(error);
        }
        // The first step only makes the pause.
        let mut first = true;
        let mut lost = Some(error);
        let opened = self.attempt(|| match (std::mem::take(&mut first), lost.take()) {
            (true, Some(error)) => Err(Failure::passing(error)),
            _ => self.ask(kept.is_some()),
        })?;
        self.go_on(opened, kept)
    }
}

impl<P: Protocol + 'static> Read for Reading<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at < self.end && !buffer.is_empty() {
            self.context.check()?;
            let most = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
            let space = buffer.get_mut(..most).unwrap_or_default();
            let read = match &mut self.from {
                Some(Coming::One(from)) => from.read(space),
                Some(Coming::Several(from)) => from.read(space),
                None => Err(io::ErrorKind::NotConnected.into()),
            };
            match read {
                Ok(0) => self.cut(io::ErrorKind::UnexpectedEof.into())?,
                Ok(read) => {
                    self.at += read as u64;
                    self.cuts = 0;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.cut(error)?,
            }
        }
        Ok(0)
    }
}
