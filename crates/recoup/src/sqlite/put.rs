//! Putting a database in place while applications have it open: SQLite's backup API writes into the live file in one
//! transaction of SQLite's own, so every other connection sees exactly the old or exactly the new pages.
//!
//! The lock comes first and the pages later: a step of zero pages takes the write lock of the target
//! (<https://www.sqlite.org/c3ref/backup_finish.html>), and until the last step nothing is changed. In between the
//! caller can look whether what it saved is still what is there. Where it can be done, only pages that differ are
//! written ([`super::overwrite`]), so that the application waits for what changed and not for the size.
//!
//! Not here: exchanging files, and deciding which of the two ways is right.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::open;
use super::overwrite::Overwrite;
use super::place::{self, Stamp};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Context;

/// How long SQLite itself waits for a lock before we look whether somebody cancelled.
const SLICE: Duration = Duration::from_millis(100);
/// Bytes written between two looks at progress.
const STEP: u64 = 8 << 20;
/// File systems stamp with a clock that ticks every 1 to 10 ms; an older stamp changes with the next write.
const TICK: Duration = Duration::from_millis(25);

/// `Cannot restore while database is in use`.
pub fn in_use(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, "db_in_use", "Cannot restore while database is in use").hint(format!(
        "something holds {}; stop the application, or give the plan a before_restore hook that does",
        path.display()
    ))
}

/// What changes when anybody commits to a database: the stamps of its file and of its logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    main: Option<Stamp>,
    wal: Option<Stamp>,
    journal: bool,
}

impl Stamps {
    /// The stamps of now.
    pub fn of(path: &Path) -> Self {
        // An empty log says the same as none: it comes and goes with connections.
        let log = place::sidecar(path, "-wal");
        let has_log = std::fs::metadata(&log).is_ok_and(|meta| meta.len() > 0);
        Stamps {
            main: Stamp::of(path).ok(),
            wal: Stamp::of(&log).ok().filter(|_| has_log),
            journal: place::sidecar(path, "-journal").exists(),
        }
    }

    /// Stamps that the next commit is certain to change: waits until the newest is older than a tick of the
    /// file system's clock. A database that is written all the time gives what it gives after a few tries.
    pub fn settled(path: &Path, context: &Context) -> Self {
        for _ in 0..4 {
            let stamps = Stamps::of(path);
            let now = context.clock.now().as_nanosecond();
            let fresh = |stamp: &Option<Stamp>| {
                stamp.as_ref().is_some_and(|stamp| (0..TICK.as_nanos() as i128).contains(&(now - stamp.modified_ns())))
            };
            if !fresh(&stamps.main) && !fresh(&stamps.wal) {
                return stamps;
            }
            std::thread::sleep(TICK);
        }
        Stamps::of(path)
    }

    /// Short text that is equal when the stamps are.
    pub fn text(&self) -> String {
        format!("{self:?}")
    }
}

/// Why a database cannot be written through SQLite and has to be exchanged as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no database.
    Missing,
    /// What is there cannot be read as a database.
    Unreadable,
    /// It is in WAL mode and its pages have another size, which SQLite cannot change in place.
    OtherPageSize,
}

/// The live database and what is to be put into it.
pub struct Pair {
    staged: Connection,
    live: Connection,
    path: PathBuf,
    page_size: u64,
    /// `PRAGMA schema_version` of the live database; a finished write makes it one more.
    pub cookie: i64,
    /// `PRAGMA journal_mode` of the live database.
    pub journal_mode: String,
    pub(super) overwrite: Option<Overwrite>,
}

impl Pair {
    /// Opens both. `staged` is a finished private file; `path` is without symbolic links. `old` is a copy of exactly what
    /// will be live when the lock is held, if there is one. Nothing is locked yet.
    pub fn open(staged: &Path, path: &Path, old: Option<&Path>, busy: Duration, context: &Context) -> Result<Self> {
        let source = open::open_private(staged)?;
        let page_size = super::facts::page_size(&source)?;
        let live = patiently(path, busy, context, || writer(path))?;
        let (cookie, journal_mode): (_, String) = patiently(path, busy, context, || {
            let cookie = live.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
            Ok((cookie, live.query_row("PRAGMA journal_mode", [], |row| row.get(0))?))
        })?;
        let overwrite = match old {
            Some(old) => Overwrite::plan(&live, &journal_mode, old, staged, context)?,
            None => None,
        };
        let path = path.to_owned();
        Ok(Pair { staged: source, live, path, page_size: page_size.into(), cookie, journal_mode, overwrite })
    }

    /// Takes the write lock. Until [`Held::write`] has finished, dropping it leaves the database as it was.
    ///
    /// Errors: `db_in_use` when somebody holds it longer than `busy`.
    pub fn lock(&mut self, busy: Duration, context: &Context) -> Result<Held<'_>> {
        let started = context.clock.monotonic();
        let failed = |e| failed(&self.path, e);
        let lock = match &self.overwrite {
            Some(overwrite) => {
                let begin = || Transaction::new_unchecked(&self.live, TransactionBehavior::Immediate);
                Lock::Some(patiently(&self.path, busy, context, begin)?, overwrite)
            }
            None => {
                let backup = Backup::new(&self.staged, &mut self.live).map_err(failed)?;
                loop {
                    context.check()?;
                    match backup.step(0) {
                        Ok(StepResult::More | StepResult::Done) => break,
                        Ok(_) => {}
                        Err(error) if is_busy(&error) => {}
                        Err(error) => return Err(failed(error)),
                    }
                    if context.clock.monotonic().saturating_sub(started) >= busy {
                        return Err(in_use(&self.path));
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                Lock::All(backup)
            }
        };
        Ok(Held { lock, path: &self.path, page_size: self.page_size })
    }

    /// Brings the log into the database file as far as readers let us.
    pub fn checkpoint(&self) {
        // Should this fail, SQLite does it later; nothing depends on it.
        let Ok(fresh) = writer(&self.path) else { return };
        let _ = fresh.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let _ = fresh.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
}

/// A live database that is locked for writing and not changed yet.
pub struct Held<'a> {
    lock: Lock<'a>,
    path: &'a Path,
    page_size: u64,
}

/// Who holds the lock, and what will be written under it.
enum Lock<'a> {
    /// All pages.
    All(Backup<'a, 'a>),
    /// The pages that differ.
    Some(Transaction<'a>, &'a Overwrite),
}

impl Held<'_> {
    /// Writes the new content and commits. On any error the database is as it was.
    pub fn write(self, context: &Context) -> Result<()> {
        let backup = match self.lock {
            Lock::All(backup) => backup,
            Lock::Some(transaction, overwrite) => {
                return overwrite.write(transaction, self.path, context);
            }
        };
        let pages = i32::try_from(STEP / self.page_size).unwrap_or(i32::MAX).max(1);
        let mut left = None;
        loop {
            let step = backup.step(pages);
            let result = step.map_err(|e| failed(self.path, e))?;
            let now = u64::try_from(backup.progress().remaining).unwrap_or(0);
            let bytes = left.map_or(0, |left: u64| left.saturating_sub(now)) * self.page_size;
            left = Some(now);
            match result {
                // Asked to stop after the commit is too late to stop.
                StepResult::Done => {
                    context.observer.advance(bytes);
                    return Ok(());
                }
                StepResult::More => context.advance(bytes)?,
                // The last step commits, which in rollback mode waits for readers that came before us.
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// A copy of a database whose write lock this process holds through a [`Held`], in the new file `to`: nobody can
/// commit meanwhile. In rollback mode nobody else may even read, and the file is all there is. Gives the database's
/// `PRAGMA schema_version`.
pub fn copy_locked(path: &Path, journal_mode: &str, to: &Path, context: &Context) -> Result<i64> {
    let source =
        if journal_mode.eq_ignore_ascii_case("wal") { open::open_source(path, SLICE)? } else { open::immutable(path)? };
    source.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;").map_err(|e| failed(path, e))?;
    super::copy::copy_pinned(&source, to, context, SLICE)?;
    source.query_row("PRAGMA schema_version", [], |row| row.get(0)).map_err(|e| failed(path, e))
}

/// Sets the journal mode that a restored database had, when whoever uses it lets us. Whether it has it now.
pub fn set_journal_mode(path: &Path, wanted: &str, context: &Context) -> Result<bool> {
    let wal = |mode: &str| mode.eq_ignore_ascii_case("wal");
    // Only `wal` and not `wal` are kept in the file; the others belong to a connection.
    let mode = if wal(wanted) { "wal" } else { "delete" };
    let set = patiently(path, SLICE, context, || {
        let mut now = String::new();
        // An I/O error on the way is no error to SQLite: the old mode stays.
        for _ in 0..3 {
            let live = writer(path)?;
            now = live.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
            if wal(&now) == wal(wanted) {
                break;
            }
            now = live.query_row(&format!("PRAGMA journal_mode={mode}"), [], |row| row.get(0))?;
        }
        Ok(now)
    });
    match set {
        Ok(now) => Ok(wal(&now) == wal(wanted)),
        Err(error) if error.kind() == ErrorKind::Busy => Ok(false),
        Err(error) => Err(error),
    }
}

/// What keeps a database from being written through SQLite; `None` when nothing does.
pub fn obstacle(path: &Path, page_size: u32, busy: Duration, context: &Context) -> Result<Option<Obstacle>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(Obstacle::Missing)),
        Err(error) => return Err(Error::at("looking at", path, error)),
        // An empty file is an empty database to SQLite, without anything to keep.
        Ok(meta) if meta.len() == 0 => return Ok(Some(Obstacle::Unreadable)),
        Ok(_) => {}
    }
    let look = || -> rusqlite::Result<(u32, String)> {
        let live = writer(path)?;
        let size = live.query_row("PRAGMA page_size", [], |row| row.get(0))?;
        live.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok((size, live.query_row("PRAGMA journal_mode", [], |row| row.get(0))?))
    };
    match patiently(path, busy, context, look) {
        Ok((size, mode)) if mode == "wal" && size != page_size => Ok(Some(Obstacle::OtherPageSize)),
        Ok(_) => Ok(None),
        Err(error) if matches!(error.code(), "source_corrupted" | "not_a_database" | "source_encrypted") => {
            Ok(Some(Obstacle::Unreadable))
        }
        Err(error) => Err(error),
    }
}

/// Makes sure that nobody uses a database, brings its log home and lets go of it: from here on its file may be
/// exchanged. Idle connections in rollback mode hold no lock; the caller looks for open descriptors as well.
pub fn become_sole_user(path: &Path, busy: Duration, context: &Context) -> Result<()> {
    let live = patiently(path, busy, context, || writer(path))?;
    patiently(path, busy, context, || {
        // In WAL mode an exclusive lock is refused while anybody is connected, even if idle.
        live.execute_batch("PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;").inspect_err(|_| {
            let _ = live.execute_batch("ROLLBACK");
        })?;
        live.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    })?;
    live.close().map_err(|(_, e)| failed(path, e))
}

/// Opens the live database for writing, never creating it; a commit through it is durable (`EXTRA`: the directory,
/// too, <https://www.sqlite.org/pragma.html#pragma_synchronous>).
fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let live = Connection::open_with_flags(path, flags)?;
    live.busy_timeout(SLICE)?;
    live.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    live.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    live.execute_batch("PRAGMA synchronous=EXTRA; PRAGMA mmap_size=0; PRAGMA cache_size=-8192;")?;
    Ok(live)
}

/// Tries until it works or `busy` has passed.
fn patiently<T>(path: &Path, busy: Duration, context: &Context, work: impl Fn() -> rusqlite::Result<T>) -> Result<T> {
    let started = context.clock.monotonic();
    loop {
        context.check()?;
        match work() {
            Ok(value) => return Ok(value),
            Err(error) if is_busy(&error) => {
                if context.clock.monotonic().saturating_sub(started) >= busy {
                    return Err(in_use(path).because(error));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(failed(path, error)),
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed)
    )
}

/// What SQLite said while we wrote. A full disk is told by some file systems as a plain I/O error.
pub(super) fn failed(path: &Path, error: rusqlite::Error) -> Error {
    if is_busy(&error) {
        return in_use(path).because(error);
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            let text = format!("Cannot write to {}", path.display());
            Error::new(ErrorKind::Denied, "db_needs_write_access", text)
                .hint("run recoup as the user that owns the database; its folder must be writable too")
                .because(error)
        }
        Some(ErrorCode::SystemIoFailure) => super::copy::written(path, error),
        _ => open::failed(path, error),
    }
}

/// Gives a finished private file the journal mode that it shall have when it takes its place. Only WAL is kept in a
/// file (<https://www.sqlite.org/pragma.html#pragma_journal_mode>).
pub fn give_journal_mode(path: &Path, wanted: &str) -> Result<()> {
    let mode = if wanted.eq_ignore_ascii_case("wal") { "wal" } else { "delete" };
    let set = || -> rusqlite::Result<()> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.query_row(&format!("PRAGMA journal_mode={mode}"), [], |_| Ok(()))?;
        connection.close().map_err(|(_, error)| error)
    };
    set().map_err(|e| failed(path, e))
}

/// `PRAGMA schema_version` of a database that nobody may be using: what a crash left is recovered first.
pub fn cookie(path: &Path, busy: Duration, context: &Context) -> Result<i64> {
    patiently(path, busy, context, || writer(path)?.query_row("PRAGMA schema_version", [], |row| row.get(0)))
}

/// As [`cookie`], and what it says stays true whoever dies next. In WAL mode a process may be killed when its commit is
/// whole in the log and not yet in the index in shared memory: those who are connected go by the index and do not see it, but
/// when they end before they commit, whoever comes next reads the log from its beginning and does
/// (<https://www.sqlite.org/walformat.html>, 2.3 and 4). A commit that changes nothing takes the place of what nobody sees.
pub fn settled_cookie(path: &Path, busy: Duration, context: &Context) -> Result<i64> {
    patiently(path, busy, context, || {
        // Nothing hides in a log that is not there, and then not a byte is written.
        let logged = std::fs::metadata(place::sidecar(path, "-wal")).is_ok_and(|meta| meta.len() > 0);
        let live = writer(path)?;
        let ask = |what: &str| live.query_row(&format!("PRAGMA {what}"), [], |row| row.get::<_, i64>(0));
        live.execute_batch("BEGIN IMMEDIATE")?;
        let (cookie, version) = (ask("schema_version")?, ask("user_version")?);
        let wal = live.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))? == "wal";
        // Set to what it is already, it is written all the same.
        let write = if wal && logged { format!("PRAGMA user_version={version};") } else { String::new() };
        live.execute_batch(&format!("{write} COMMIT"))?;
        Ok(cookie)
    })
}
