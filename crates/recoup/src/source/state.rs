//! Whether anything has changed since the last backup, told by the file system alone: device, inode, size, times and rights
//! of every file. The time of the last change of an inode (`st_ctime`, inode(7)) cannot be set by programs.
//!
//! Not here: what each source looks at; sources that only reading tells about do not look.

use std::io;
use std::path::Path;

use data_encoding::HEXLOWER;
use rustix::fs::stat;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::directory::read::Seen;
use super::{Scope, Source};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::model::backup::MADE_BY;

/// The clocks of file systems tick as slowly as every two seconds (FAT): what changed less than that ago may change once
/// more without its times telling.
const TICK_NS: i128 = 2_000_000_000;

/// What was seen so far.
pub struct State {
    hash: Sha256,
    /// The last change of anything.
    newest_ns: i128,
}

/// What a look at all sources of a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// A SHA-256 (hex): the same as long as nothing changes.
    pub digest: String,
    /// Any later change will show. If not, the digest serves for comparing, and not to be compared with.
    pub settled: bool,
}

impl State {
    /// Adds bytes that belong to what is looked at.
    pub fn add(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_le_bytes());
        self.hash.update(bytes);
    }

    /// Adds what a look at a file said.
    pub(super) fn add_seen(&mut self, seen: &Seen) {
        self.add_numbers(seen, seen.ctime_ns);
    }

    /// Adds what a path leads to, or that it leads nowhere.
    pub fn add_path(&mut self, path: &Path) -> io::Result<()> {
        self.add_found(path, |seen| seen.ctime_ns)
    }

    /// As [`State::add_path`], for a file that SQLite keeps beside a database. Whoever opens one as root gives it to the
    /// database's owner once more (`robustFchown` in <https://www.sqlite.org/src/file/src/os_unix.c>), which changes
    /// `st_ctime`; so the time that counts is when it was written.
    pub fn add_sidecar(&mut self, path: &Path) -> io::Result<()> {
        self.add_found(path, |seen| seen.mtime_ns)
    }

    fn add_found(&mut self, path: &Path, changed: impl Fn(&Seen) -> i64) -> io::Result<()> {
        match stat(path) {
            Ok(stat) => {
                let seen = Seen::new(&stat);
                self.add_numbers(&seen, changed(&seen));
            }
            Err(Errno::NOENT) => self.add(b"nothing"),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn add_numbers(&mut self, seen: &Seen, changed_ns: i64) {
        let rights = u64::from(seen.mode) << 32 | u64::from(seen.uid);
        let kind = u64::from(seen.kind.as_raw_mode()) << 32 | u64::from(seen.gid);
        let written = seen.mtime_ns.cast_unsigned();
        for number in [seen.id.device, seen.id.inode, seen.size, seen.links, rights, kind, written] {
            self.hash.update(number.to_le_bytes());
        }
        self.hash.update(changed_ns.to_le_bytes());
        self.newest_ns = self.newest_ns.max(changed_ns.into());
    }
}

/// Looks at all sources of a run; `None` where only reading tells whether something has changed. `about` is everything else
/// that the backup depends on. Reads nothing but names and, of settings, their values.
pub fn look(sources: &mut [Box<dyn Source>], about: &str, scope: &Scope) -> Result<Option<Looked>> {
    let mut state = State { hash: Sha256::new(), newest_ns: 0 };
    // Another version may leave other things out.
    state.add(MADE_BY.as_bytes());
    state.add(about.as_bytes());
    for source in sources {
        state.add(source.name().as_bytes());
        state.add(format!("{:?}", source.kind()).as_bytes());
        match source.look(scope, &mut state) {
            Ok(true) => {}
            // Whoever reads it tells better what is wrong with it.
            Err(error) if error.kind() != crate::ErrorKind::Cancelled => return Ok(None),
            other => return other.map(|_| None),
        }
    }
    let settled = SystemClock::new().now().as_nanosecond() - state.newest_ns > TICK_NS;
    Ok(Some(Looked { digest: HEXLOWER.encode(&state.hash.finalize()), settled }))
}
