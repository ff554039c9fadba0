//! A large object in blocks, each asked for by itself, several at once over connections of their own, and given on in
//! their order. While one thread hashes or writes what came, the others wait for the line; and a far server gives each
//! connection its own share.
//!
//! What breaks off is told where it would have come, and only the connection it came over begins anew. Not here: how often
//! and when that is tried ([`super::reading`]), and how a protocol asks for a part.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::{Given, Protocol};

/// Less is not worth several connections.
pub(super) const WORTH: u64 = 64 << 20;
/// Connections at once.
const LANES: usize = 4;
/// What is asked for at once. Each lane holds no more than that, so that an answer never waits for whoever reads.
const BLOCK: u64 = 8 << 20;
/// What goes from hand to hand: small enough for the processor's cache.
const PIECE: u64 = 64 << 10;

/// The blocks of one object.
pub(super) struct Blocks<P> {
    protocol: Arc<P>,
    key: String,
    at: u64,
    end: u64,
    lanes: [Option<Lane>; LANES],
    /// What came last, of which so much is given on already.
    piece: Vec<u8>,
    given: usize,
}

/// A thread that fetches every block whose number leaves the same rest.
struct Lane {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
}

/// What is asked for at once from `at` on, of an object that ends at `end`. Blocks lie on a grid, wherever reading began.
pub(super) fn block(at: u64, end: u64) -> Range<u64> {
    at..end.min((at / BLOCK + 1) * BLOCK)
}

fn lane(at: u64) -> usize {
    usize::try_from(at / BLOCK % LANES as u64).unwrap_or_default()
}

impl<P: Protocol + 'static> Blocks<P> {
    /// Of an object that ends at `end`; nothing comes before [`Blocks::go_on`].
    pub fn new(protocol: &Arc<P>, key: &str, end: u64) -> Self {
        let lanes = [const { None }; LANES];
        Blocks { protocol: protocol.clone(), key: key.to_owned(), at: 0, end, lanes, piece: Vec::new(), given: 0 }
    }

    /// Goes on at `at`, of whose block the rest is `opened`. Other lanes that work are left alone.
    pub fn go_on(&mut self, at: u64, opened: Box<dyn Read + Send>) -> io::Result<()> {
        (self.at, self.given) = (at, self.piece.len());
        self.lanes[lane(at)] = Some(self.start(at, Some(opened))?);
        let mut next = block(at, self.end).end;
        for _ in 1..LANES {
            if next < self.end && self.lanes[lane(next)].is_none() {
                self.lanes[lane(next)] = Some(self.start(next, None)?);
            }
            next = block(next, self.end).end;
        }
        Ok(())
    }

    fn start(&self, at: u64, opened: Option<Box<dyn Read + Send>>) -> io::Result<Lane> {
        let pieces = usize::try_from(BLOCK / PIECE).unwrap_or(usize::MAX);
        let ((full, to_read), (empty, to_fill)) = (sync_channel(pieces), channel());
        // One more is with whoever reads.
        for _ in 0..=pieces {
            let _ = empty.send(Vec::new());
        }
        let (protocol, key, end) = (self.protocol.clone(), self.key.clone(), self.end);
        let fetch = move || {
            // Whoever reads may be gone: then it does not matter why this ended.
            if let Err(error) = fetch(&*protocol, &key, at, end, opened, &to_fill, &full) {
                let _ = full.send(Err(error));
            }
        };
        thread::Builder::new().name("blocks".into()).spawn(fetch)?;
        Ok(Lane { full: to_read, empty })
    }
}

/// Fetches what is left of the block at `at`, and every block of the same lane after it. It ends when nobody wants more.
fn fetch<P: Protocol>(
    protocol: &P,
    key: &str,
    mut at: u64,
    end: u64,
    mut opened: Option<Box<dyn Read + Send>>,
    to_fill: &Receiver<Vec<u8>>,
    full: &SyncSender<io::Result<Vec<u8>>>,
) -> io::Result<()> {
    while at < end {
        let block = block(at, end);
        let mut body = match opened.take() {
            Some(body) => body,
            None => match protocol.part(key, block.clone(), end).map_err(|failure| io::Error::other(failure.error))? {
                Given::Part(body) => body,
                // It gave parts before. Asked again, it is taken as it is.
                Given::Rest(_) => return Err(io::ErrorKind::InvalidData.into()),
            },
        };
        while at < block.end {
            let Ok(mut piece) = to_fill.recv() else { return Ok(()) };
            piece.resize(usize::try_from(PIECE.min(block.end - at)).unwrap_or_default(), 0);
            let (filled, whole) = fill(&mut *body, &mut piece);
            piece.truncate(filled);
            at += filled as u64;
            if full.send(Ok(piece)).is_err() {
                return Ok(());
            }
            whole?;
        }
        // A connection is free for the next block once its answer was read to the end.
        let _ = body.read(&mut [0]);
        at = block.end + (LANES as u64 - 1) * BLOCK;
    }
    Ok(())
}

/// How much came, and why not all of it.
fn fill(from: &mut dyn Read, space: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while let Some(rest) = space.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => return (filled, Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (filled, Err(error)),
        }
    }
    (filled, Ok(()))
}

impl<P> Read for Blocks<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.piece.len() {
            let Some(lane) = self.lanes[lane(self.at)].as_ref().filter(|_| self.at < self.end) else { return Ok(0) };
            let piece = lane.full.recv().unwrap_or_else(|_| Err(io::ErrorKind::UnexpectedEof.into()))?;
            let _ = lane.empty.send(std::mem::replace(&mut self.piece, piece));
            self.given = 0;
        }
        let rest = self.piece.get(self.given..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..read), rest.get(..read)) {
            to.copy_from_slice(from);
        }
        self.given += read;
        self.at += read as u64;
        Ok(read)
    }
}
