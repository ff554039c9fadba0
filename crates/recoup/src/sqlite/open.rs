//! Opening databases: the application's (read-only, never created, never checkpointed), finished private
//! copies (immutable, hardened), and new files that we build.
//!
//! Not here: plain descriptors of a database (`super::place` tells why), and holding a moment ([`super::pin`]).

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use super::place::sidecar;
use super::place::{self, Inode, PlainFile, Stamp};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Context;

/// Before 3.51.3 two connections that checkpoint at the same instant can corrupt a WAL database.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite itself waits before it tells us busy; we loop around it to stay cancellable.
const BUSY_SLICE: Duration = Duration::from_millis(100);

/// The version of SQLite that is built in.
pub fn version() -> &'static str {
    rusqlite::version()
}

/// Fails when this process is linked to a SQLite that may corrupt a database. Called at program start.
pub fn assert_version() -> Result<()> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    let found = rusqlite::version();
    Err(Error::new(ErrorKind::Unsupported, "sqlite_too_old", format!("SQLite {found} is too old, 3.51.3 is needed"))
        .hint("build recoup with its bundled SQLite"))
}

/// The application's database, opened so that nothing of it changes.
///
/// When it is in WAL mode and nobody uses it (there is no `-wal` and no `-shm`), an ordinary reader would create
/// both files and leave them behind under its own name, which can lock the application out. Then it is opened as
/// immutable, without locks, and [`Opened::undisturbed`] tells afterwards whether that was right. Closing it is safe
/// even when an application in this process has begun to use the database: SQLite keeps a descriptor open while
/// any connection of the process holds a lock on the file.
pub struct Opened {
    connection: Connection,
    path: PathBuf,
    inode: Inode,
    sealed: Option<Stamp>,
    _known: Option<Known>,
}

/// Databases that this process has open without locks. Their header was read then and must not be read again through a
/// descriptor of its own, which would end the locks of whoever has any.
static SEALED: Mutex<Vec<Inode>> = Mutex::new(Vec::new());

struct Known(Inode);

impl Known {
    fn of(inode: Inode) -> Self {
        SEALED.lock().unwrap_or_else(PoisonError::into_inner).push(inode);
        Known(inode)
    }

    fn is(inode: Inode) -> bool {
        SEALED.lock().unwrap_or_else(PoisonError::into_inner).contains(&inode)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        let mut all = SEALED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|inode| *inode == self.0) {
            all.swap_remove(at);
        }
    }
}

impl Opened {
    /// Opens `path`, symbolic links resolved once, so that the database and its `-wal` and `-shm` are looked for
    /// together. Waits up to `busy` for somebody who holds it.
    pub fn open(path: &Path, busy: Duration) -> Result<Self> {
        let real = fs::canonicalize(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(path),
            _ => Error::at("looking at", path, error),
        })?;
        let seen = fs::metadata(&real).map_err(|e| Error::at("looking at", &real, e))?;
        if !seen.is_file() {
            return Err(Error::usage("not_a_database", format!("Not a file: {}", path.display())));
        }
        let inode = place::inode(&seen);
        let (connection, sealed) = match sealed(&real)? {
            Some((connection, stamp)) => (connection, Some(stamp)),
            None => (shared_with_others(&real, busy)?, None),
        };
        let known = sealed.is_some().then(|| Known::of(inode));
        let opened = Opened { connection, path: real, inode, sealed, _known: known };
        // The file may have been exchanged between the look and the open; then SQLite has another one in hand.
        if opened.replaced() || place::openers_here(inode) == Some(0) {
            return Err(replaced(&opened.path));
        }
        Ok(opened)
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Where the database is, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opened without locks because nobody used the database.
    pub fn is_sealed(&self) -> bool {
        self.sealed.is_some()
    }

    /// Whether everything read so far is one consistent state: always when locks protected it, else when the file
    /// is untouched and still nobody uses it.
    pub fn undisturbed(&self) -> bool {
        self.sealed.as_ref().is_none_or(|stamp| unused(&self.path, stamp))
    }

    /// Whether another file lies at the path by now.
    pub fn replaced(&self) -> bool {
        fs::metadata(&self.path).map(|meta| place::inode(&meta)).ok() != Some(self.inode)
    }
}

/// Opens the application's database without ever changing it, for a few reads. The caller pins a read transaction
/// with [`pin`]; for anything longer there is [`super::pin::Pinned`].
///
/// Errors: `source_missing`, `not_a_database`, `source_encrypted`, `source_corrupted`, `db_needs_write_access`
/// (the log beside it cannot be read), `source_needs_recovery` (a crash left a hot journal), `db_in_use`.
pub fn open_source(path: &Path, busy: Duration) -> Result<Connection> {
    Ok(Opened::open(path, busy)?.connection)
}

fn missing(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "source_missing", format!("Database file not found: {}", path.display()))
        .hint("check the path; Recoup never creates a database")
}

/// `Cannot backup while database is in use`.
pub(crate) fn in_use(path: &Path) -> Error {
    Error::new(ErrorKind::Busy, "db_in_use", "Cannot backup while database is in use")
        .hint(format!("something holds {} exclusively; try again when it is done", path.display()))
}

/// Another file lies at the path than the one that was read.
pub(crate) fn replaced(path: &Path) -> Error {
    let text = format!("{} was replaced while it was read", path.display());
    Error::new(ErrorKind::Busy, "source_replaced", text).hint("run the backup again")
}

fn unused(path: &Path, stamp: &Stamp) -> bool {
    !place::has_sidecars(path) && Stamp::of(path).is_ok_and(|now| now == *stamp)
}

/// Opens a WAL database that provably nobody uses; `None` when it is not in WAL mode or somebody may use it.
fn sealed(path: &Path) -> Result<Option<(Connection, Stamp)>> {
    if place::has_sidecars(path) || place::network_filesystem(path).is_some() {
        return Ok(None);
    }
    // One of ours that has it open without locks has seen that it is.
    let known = || fs::metadata(path).is_ok_and(|meta| Known::is(place::inode(&meta))).then_some(true);
    if place::header_says_wal(path).or_else(known) != Some(true) {
        return Ok(None);
    }
    // File systems stamp with a clock that ticks every 1 to 10 ms: only a stamp that is older than a tick changes
    // with the next write.
    let tick = Duration::from_millis(25);
    let look = || Stamp::of(path).map_err(|e| Error::at("looking at", path, e));
    let mut stamp = look()?;
    let age = SystemClock::new().now().as_nanosecond() - stamp.modified_ns();
    if (0..tick.as_nanos() as i128).contains(&age) {
        std::thread::sleep(tick);
        stamp = look()?;
    }
    let connection = immutable(path)?;
    careful(&connection).and_then(|()| first_read(&connection)).map_err(|e| unreadable(path, e))?;
    Ok(unused(path, &stamp).then_some((connection, stamp)))
}

/// Opens with SQLite's ordinary locks.
fn shared_with_others(path: &Path, busy: Duration) -> Result<Connection> {
    let open = || {
        let connection = Connection::open_with_flags(uri(path, "mode=ro"), read_only() | no_symlinks())?;
        // First of all: even `PRAGMA cache_size` reads the file, and may have to wait.
        connection.busy_timeout(busy)?;
        careful(&connection)?;
        first_read(&connection)?;
        connection.busy_timeout(busy.min(BUSY_SLICE))?;
        Ok(connection)
    };
    // Classified only when the connection is gone: then a plain look at the file does no harm.
    open().map_err(|e| unreadable(path, e))
}

fn no_symlinks() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_NOFOLLOW
}

fn careful(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.execute_batch("PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048;")
}

/// Classifies through SQLite itself; a header read by hand would not know about a log that changes it.
fn first_read(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))
}

/// The code of a database that a crashed application left with a hot journal.
pub(crate) const NEEDS_RECOVERY: &str = "source_needs_recovery";

/// Why the application's database could not be read. No connection of ours has it open any more.
fn unreadable(path: &Path, error: rusqlite::Error) -> Error {
    match extended(&error) {
        rusqlite::ffi::SQLITE_READONLY_ROLLBACK => {
            let text = format!("Database was not closed properly: {}", path.display());
            Error::new(ErrorKind::Busy, NEEDS_RECOVERY, text)
                .because(error)
                .hint("start the application once, it then recovers the database by itself")
        }
        rusqlite::ffi::SQLITE_CANTOPEN_SYMLINK => replaced(path),
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
                if rustix::fs::access(path, rustix::fs::Access::READ_OK).is_err() =>
            {
                Error::at("reading", path, std::io::ErrorKind::PermissionDenied.into())
            }
            _ => failed(path, error),
        },
    }
}

/// Opens a file that nobody changes, without locks and whatever lies beside it. Only for copies of ours, and where
/// [`sealed`] has looked before.
pub(crate) fn immutable(path: &Path) -> Result<Connection> {
    let path = std::path::absolute(path).map_err(|e| Error::at("finding", path, e))?;
    let connection = Connection::open_with_flags(uri(&path, "mode=ro&immutable=1"), read_only());
    connection.map_err(|e| failed(&path, e))
}

/// Creates an empty file of mode 0600 whatever the umask; fails when something is there.
pub(crate) fn create_private(path: &Path) -> Result<File> {
    let make = || {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        Ok(file)
    };
    make().map_err(|e| Error::at("creating", path, e))
}

/// Opens a finished private copy, ours or somebody's upload: immutable, so that no `-wal` or `-shm` appears
/// beside it, and hardened as <https://www.sqlite.org/security.html> advises for untrusted files.
pub fn open_private(path: &Path) -> Result<Connection> {
    let connection = immutable(path)?;
    let harden = || -> rusqlite::Result<()> {
        careful(&connection)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.execute_batch("PRAGMA cell_size_check=ON; PRAGMA cache_size=-16384;")
    };
    harden().map_err(|e| failed(path, e))?;
    Ok(connection)
}

/// Works the log that lies beside a private copy of somebody's database into it, and removes the log: what was committed
/// last is only there. Nobody else has it open.
pub(crate) fn fold_log(path: &Path) -> Result<()> {
    let fold = || -> rusqlite::Result<i64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | shared();
        let connection = Connection::open_with_flags(uri(path, "mode=rw"), flags)?;
        careful(&connection)?;
        connection.pragma_update(None, "query_only", "OFF")?;
        let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        connection.close().map_err(|(_, error)| error)?;
        Ok(busy)
    };
    match fold().map_err(|e| failed(path, e))? {
        0 => Ok(()),
        _ => Err(in_use(path)),
    }
}

/// Opens a new database file that we build, mode 0600. Nothing protects it against a crash while it is built:
/// who builds it finishes it with fsync, or removes it.
pub fn open_scratch(path: &Path) -> Result<Connection> {
    drop(create_private(path)?);
    let connection = Connection::open_with_flags(uri(path, "mode=rw"), OpenFlags::SQLITE_OPEN_READ_WRITE | shared());
    let connection = connection.map_err(|e| failed(path, e))?;
    let set =
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-8192;";
    connection.execute_batch(set).map_err(|e| failed(path, e))?;
    Ok(connection)
}

/// Opens the application's database to write a few rows in a transaction, beside whoever else uses it: never
/// created, no symbolic links below, triggers do not fire, foreign keys are enforced. SQLite itself waits only for
/// a moment; the caller goes on waiting.
pub fn open_to_write(path: &Path) -> Result<Connection> {
    let real = fs::canonicalize(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(path),
        _ => Error::at("looking at", path, error),
    })?;
    let open = || -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | shared() | no_symlinks();
        let connection = Connection::open_with_flags(uri(&real, "mode=rw"), flags)?;
        connection.busy_timeout(BUSY_SLICE)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        Ok(connection)
    };
    let connection = open().map_err(|e| failed(&real, e))?;
    // SQLite opens what it may not write for reading, whatever was asked for.
    if connection.is_readonly("main").map_err(|e| failed(&real, e))? {
        let text = format!("Cannot write to {}", path.display());
        return Err(Error::new(ErrorKind::Denied, "permission_denied", text)
            .hint("run recoup as the user that owns the database"));
    }
    Ok(connection)
}

/// Opens a private copy that nobody else uses in order to change it: triggers do not fire, foreign keys are not
/// enforced, and what the file brings along is not trusted. Its journal mode stays, so a transaction can be rolled
/// back; a crash of the machine is not survived, the copy is then made again.
pub(crate) fn open_to_change(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(uri(path, "mode=rw"), OpenFlags::SQLITE_OPEN_READ_WRITE | shared());
    let connection = connection.map_err(|e| failed(path, e))?;
    let set = || -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF; PRAGMA foreign_keys=OFF; PRAGMA mmap_size=0;
             PRAGMA ignore_check_constraints=ON; PRAGMA cell_size_check=ON; PRAGMA temp_store=FILE;
             PRAGMA cache_size=-32768;",
        )
    };
    set().map_err(|e| failed(path, e))?;
    Ok(connection)
}

/// Begins a read transaction and really reads, so that the moment is fixed. Somebody who holds the database
/// is waited for until `busy` has passed, then the specified sentence.
pub fn pin(connection: &Connection, path: &Path, busy: Duration, context: &Context) -> Result<()> {
    let start = context.clock.monotonic();
    loop {
        context.check()?;
        let pinned = connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;");
        let Err(error) = pinned else { return Ok(()) };
        let _ = connection.execute_batch("ROLLBACK");
        let waiting = matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked));
        if !waiting || context.clock.monotonic().saturating_sub(start) >= busy {
            return Err(failed(path, error));
        }
        std::thread::sleep(BUSY_SLICE / 4);
    }
}

/// What SQLite said about a database, as one of our errors.
pub fn failed(path: &Path, error: rusqlite::Error) -> Error {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => in_use(path),
        Some(ErrorCode::NotADatabase) => return not_a_database(path),
        Some(ErrorCode::DatabaseCorrupt) => corrupted(path),
        Some(ErrorCode::DiskFull) => Error::no_space(format!("while writing {shown}")),
        // To grow the index of a log is all that can fail there, and SQLite does not say why it did.
        Some(ErrorCode::SystemIoFailure) if extended(&error) == rusqlite::ffi::SQLITE_IOERR_SHMSIZE => {
            Error::no_space(format!("while writing the -shm of {shown}"))
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::new(ErrorKind::Denied, "db_needs_write_access", format!("Cannot read {shown} consistently"))
                .hint("SQLite needs to reach the -wal, -shm or -journal file beside it: run recoup as the user that owns the database, or start the application once if it crashed")
        }
        _ => Error::new(ErrorKind::Failed, "sqlite", format!("SQLite failed on {shown}: {error}")),
    }
    .because(error)
}

fn extended(error: &rusqlite::Error) -> std::ffi::c_int {
    error.sqlite_error().map_or(0, |error| error.extended_code)
}

/// The application's database itself is damaged.
pub fn corrupted(path: &Path) -> Error {
    Error::new(ErrorKind::Corrupted, "source_corrupted", format!("Database is corrupted: {}", path.display()))
        .hint("older backups are still there: see `recoup list`; verify the newest and restore it")
}

/// A look at the first bytes, unless somebody in this process has the file open.
fn not_a_database(path: &Path) -> Error {
    let mut head = Vec::new();
    let read = PlainFile::open(path).and_then(|file| file.map_or(Ok(0), |file| file.take(4096).read_to_end(&mut head)));
    if read.is_ok() && looks_random(&head) {
        return Error::new(
            ErrorKind::Unsupported,
            "source_encrypted",
            format!("Database is encrypted: {}", path.display()),
        )
        .hint("Recoup cannot check an encrypted database; let the application export it, or back it up as a --file; if it was a plain database before, it is damaged");
    }
    Error::usage("not_a_database", format!("Not a SQLite database: {}", path.display()))
        .hint("back it up with --file if it is meant to be something else; if it was a database before, it is damaged")
}

/// Every byte value about equally often. Text and most formats are far from it; ciphers are not.
fn looks_random(head: &[u8]) -> bool {
    if head.len() < 512 {
        return false;
    }
    let mut counts = [0_u32; 256];
    head.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let expected = head.len() as f64 / 256.0;
    let chi_square: f64 = counts.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: 400 is beyond any random sample, and far below what text reaches.
    chi_square < 400.0
}

fn shared() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

fn read_only() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_ONLY | shared()
}

/// A `file:` URI for any path: every byte that means something in a URI is escaped.
fn uri(path: &Path, query: &str) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push('?');
    uri.push_str(query);
    uri
}
