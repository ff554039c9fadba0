//! Reading ahead: what comes over the line is taken by a thread of its own, so that the line and whoever hashes or writes the
//! bytes do not wait for each other. Who reads little reads alone.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes that are read alone before there is a thread.
const ALONE: u64 = 4 << 20;
/// Bytes that are handed over at once.
const BLOCK: usize = 256 << 10;
/// Blocks that are under way.
const BLOCKS: usize = 8;

/// A reader that reads ahead when much is read from it.
pub(super) struct Ahead<R> {
    way: Way<R>,
    read: u64,
}

enum Way<R> {
    Alone(R),
    Ahead {
        full: Receiver<io::Result<Block>>,
        empty: SyncSender<Block>,
        block: Block,
    },
    /// It came to its end, or failed.
    Over,
}

/// Bytes that were read and not used yet.
#[derive(Default)]
struct Block {
    memory: Vec<u8>,
    used: usize,
    filled: usize,
}

impl Block {
    fn rest(&self) -> &[u8] {
        self.memory.get(self.used..self.filled).unwrap_or_default()
    }
}

impl<R: Read + Send + 'static> Ahead<R> {
    pub fn new(from: R) -> Self {
        Ahead { way: Way::Alone(from), read: 0 }
    }

    /// From now on a thread reads. Where none is to be had everything stays as it is.
    fn begin(&mut self) {
        let (give, take) = sync_channel::<R>(1);
        let (to_use, full) = sync_channel(BLOCKS);
        let (empty, to_fill) = sync_channel(BLOCKS);
        let work = move || {
            let Ok(mut from) = take.recv() else { return };
            // Whoever reads no more takes nothing any more.
            while let Ok(mut block) = to_fill.recv() {
                let filled = fill(&mut from, &mut block);
                let more = matches!(filled, Ok(true));
                if to_use.send(filled.map(|_| block)).is_err() || !more {
                    return;
                }
            }
        };
        self.read = 0;
        if thread::Builder::new().name("recoup-ahead".into()).spawn(work).is_err() {
            return;
        }
        let Way::Alone(from) = std::mem::replace(&mut self.way, Way::Over) else { return };
        let _ = give.send(from);
        for _ in 0..BLOCKS {
            let _ = empty.send(Block { memory: vec![0; BLOCK], used: 0, filled: 0 });
        }
        self.way = Way::Ahead { full, empty, block: Block::default() };
    }
}

/// Fills a block as far as one reading does; whether there may be more.
fn fill(from: &mut impl Read, block: &mut Block) -> io::Result<bool> {
    (block.used, block.filled) = (0, 0);
    block.filled = loop {
        match from.read(&mut block.memory) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    Ok(block.filled > 0)
}

impl<R: Read + Send + 'static> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.read >= ALONE && matches!(self.way, Way::Alone(_)) {
            self.begin();
        }
        let (full, empty, block) = match &mut self.way {
            Way::Over => return Ok(0),
            Way::Alone(from) => {
                let read = from.read(buffer)?;
                self.read += read as u64;
                return Ok(read);
            }
            Way::Ahead { full, empty, block } => (full, empty, block),
        };
        if block.rest().is_empty() {
            let next = full.recv().unwrap_or_else(|_| Err(io::Error::other("whoever read ahead is gone")));
            let used = match next {
                Ok(next) if next.filled > 0 => std::mem::replace(block, next),
                // A failure is told once and for all: what comes after it is not what was asked for.
                other => {
                    let told = other.map(|_| 0);
                    if told.is_ok() {
                        self.way = Way::Over;
                    }
                    return told;
                }
            };
            if !used.memory.is_empty() {
                // Nobody takes it after the end.
                let _ = empty.send(used);
            }
        }
        let rest = block.rest();
        let length = rest.len().min(buffer.len());
        if let (Some(space), Some(bytes)) = (buffer.get_mut(..length), rest.get(..length)) {
            space.copy_from_slice(bytes);
        }
        block.used += length;
        Ok(length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// Gives bytes that count, a few at a time, and then an end or an error.
    struct Counting {
        at: u64,
        end: u64,
        error: bool,
    }

    fn byte(at: u64) -> u8 {
        (at * 31 / 7) as u8
    }

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.at == self.end && self.error {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let length = buffer.len().min(70_001).min((self.end - self.at) as usize);
            for space in &mut buffer[..length] {
                *space = byte(self.at);
                self.at += 1;
            }
            Ok(length)
        }
    }

    #[test]
    fn what_was_read_ahead_is_what_was_there_to_its_end() {
        for end in [0, 1, ALONE - 1, ALONE, ALONE + 1, ALONE + BLOCK as u64, 4 * ALONE + 12_345] {
            let mut from = Ahead::new(Counting { at: 0, end, error: false });
            let mut read = Vec::new();
            from.read_to_end(&mut read).unwrap();
            assert_eq!(read.len() as u64, end);
            assert!(read.iter().zip(0..).all(|(is, at)| *is == byte(at)));
            assert_eq!(from.read(&mut [0; 10]).unwrap(), 0);
        }
    }

    #[test]
    fn a_failure_comes_after_what_was_before_it_and_never_looks_like_an_end() {
        for end in [10, ALONE, 3 * ALONE + 5] {
            let mut from = Ahead::new(Counting { at: 0, end, error: true });
            let mut read = Vec::new();
            assert_eq!(from.read_to_end(&mut read).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            assert_eq!(read.len() as u64, end);
            assert!(from.read(&mut [0; 10]).is_err());
        }
    }

    #[test]
    fn whoever_stops_reading_leaves_no_thread_behind() {
        let (gone, told) = std::sync::mpsc::channel();
        struct Tells(Counting, std::sync::mpsc::Sender<()>);
        impl Read for Tells {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
        impl Drop for Tells {
            fn drop(&mut self) {
                let _ = self.1.send(());
            }
        }
        let mut from = Ahead::new(Tells(Counting { at: 0, end: 100 * ALONE, error: false }, gone));
        let mut read = vec![0; 2 * ALONE as usize];
        from.read_exact(&mut read).unwrap();
        drop(from);
        told.recv().unwrap();
    }
}
