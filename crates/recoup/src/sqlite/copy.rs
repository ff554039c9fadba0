//! Copying a live database: our own step loop over SQLite's backup API, under a read transaction that is held
//! on the source for its whole length. Without that transaction any commit by another process would restart
//! the copy (<https://www.sqlite.org/c3ref/backup_finish.html>); with it the copy is one moment and always ends.
//!
//! Not here: deciding when to copy and checking what came out.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode};
use rustix::fs::FallocateFlags;

use super::check::Interruptible;
use super::open;
use crate::error::{Error, Result};
use crate::progress::Context;

/// Bytes copied between two looks at cancellation and progress.
const STEP: u64 = 4 << 20;

/// What a copy cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyStats {
    /// Pages of the copy.
    pub pages: u64,
    /// Bytes per page.
    pub page_size: u32,
    /// How often the copy had to start over; 0 under a held read transaction.
    pub restarts: u32,
    /// Bytes read from the source.
    pub bytes_read: u64,
}

/// Copies `source`, which holds a read transaction, to the new file `to` (0600). It is not durable before whoever
/// keeps it makes it so: of most copies only what is made of them is kept. Waits at most
/// `busy` in all for locks. The file is removed when anything fails.
pub fn copy_pinned(source: &Connection, to: &Path, context: &Context, busy: Duration) -> Result<CopyStats> {
    let copied = copy(source, to, context, busy);
    if copied.is_err() {
        let _ = std::fs::remove_file(to);
    }
    copied
}

fn copy(source: &Connection, to: &Path, context: &Context, busy: Duration) -> Result<CopyStats> {
    let page_size = super::facts::page_size(source)?;
    let pages = super::facts::page_count(source)?;
    let mut target = open::open_scratch(to)?;
    reserve(to, pages * u64::from(page_size))?;
    let mut stats = CopyStats { pages, page_size, restarts: 0, bytes_read: 0 };
    {
        let backup = Backup::new(source, &mut target).map_err(|e| written(to, e))?;
        let step = i32::try_from(STEP / u64::from(page_size)).unwrap_or(i32::MAX).max(1);
        let mut waited = Duration::ZERO;
        let mut left = pages;
        loop {
            context.check()?;
            let before = context.clock.monotonic();
            let result = backup.step(step).map_err(|e| written(to, e))?;
            let progress = backup.progress();
            let now_left = u64::try_from(progress.remaining).unwrap_or(0);
            match result {
                StepResult::Done | StepResult::More => {
                    if now_left > left {
                        stats.restarts += 1;
                        left = pages;
                    }
                    let bytes = (left - now_left) * u64::from(page_size);
                    left = now_left;
                    stats.bytes_read += bytes;
                    context.advance(bytes)?;
                    if result == StepResult::Done {
                        break;
                    }
                }
                _ => {
                    std::thread::sleep(Duration::from_millis(20));
                    waited += context.clock.monotonic().saturating_sub(before);
                    if waited >= busy {
                        let busy =
                            rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
                        return Err(open::failed(to, busy));
                    }
                }
            }
        }
    }
    target.close().map_err(|(_, e)| written(to, e))?;
    Ok(stats)
}

/// Rewrites a private copy without its free pages. `VACUUM INTO` never touches what it reads, but rowids of tables
/// without an INTEGER PRIMARY KEY may change (<https://www.sqlite.org/lang_vacuum.html>). `to` is removed when
/// anything fails.
pub fn compact(from: &Path, to: &Path, context: &Context) -> Result<()> {
    context.check()?;
    let done = (|| {
        // VACUUM attaches a database of its own, which a hardened connection would forbid.
        let connection = open::immutable(from)?;
        let careful = "PRAGMA trusted_schema=OFF; PRAGMA synchronous=OFF; PRAGMA mmap_size=0; PRAGMA cache_size=-8192;";
        connection.execute_batch(careful).map_err(|e| open::failed(from, e))?;
        // An existing empty file is accepted and keeps the mode it was created with.
        drop(open::create_private(to)?);
        let name = to.to_str().ok_or_else(|| Error::usage("bad_path", "Staging needs a path that is UTF-8"))?;
        let interruptible = Interruptible::new(&connection, context)?;
        let vacuumed = connection.execute("VACUUM INTO ?1", [name]);
        drop(interruptible);
        context.check()?;
        vacuumed.map(drop).map_err(|e| written(to, e))
    })();
    if done.is_err() {
        let _ = std::fs::remove_file(to);
        let _ = std::fs::remove_file(open::sidecar(to, "-journal"));
    }
    done
}

/// Reserves blocks without changing the length, so that a full disk is told before anything is copied.
fn reserve(path: &Path, bytes: u64) -> Result<()> {
    let file = File::options().write(true).open(path).map_err(|e| Error::at("opening", path, e))?;
    match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes.max(1)) {
        Ok(()) => Ok(()),
        // File systems that cannot reserve tell the space problem later, when the bytes are written.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        Err(error) => Err(Error::at("reserving space for", path, error.into())),
    }
}

/// Makes a private copy durable, for whoever keeps it.
pub fn sync(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|e| Error::at("writing", path, e))
}

/// SQLite reports some full disks as a plain I/O error: the operating system is asked again.
pub(super) fn written(path: &Path, error: rusqlite::Error) -> Error {
    let io = matches!(error.sqlite_error_code(), Some(ErrorCode::SystemIoFailure));
    let folder = path.parent().unwrap_or(path);
    let full = rustix::fs::statvfs(folder).is_ok_and(|fs| fs.f_bavail == 0 || fs.f_favail == 0 && fs.f_files > 0);
    if io && full {
        return Error::no_space(format!("while writing {}", path.display()));
    }
    open::failed(path, error)
}
