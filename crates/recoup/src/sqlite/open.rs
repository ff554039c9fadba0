//! Opening databases: the application's (read-only, never created, never checkpointed), finished private
//! copies (immutable, hardened), and new files that we build.
//!
//! Not here: reading a database's header ourselves. Closing a descriptor of a file drops all POSIX locks that
//! any SQLite connection of this process holds on it (<https://www.sqlite.org/howtocorrupt.html>, 2.2), so what
//! a file is, is asked through SQLite.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Error, ErrorKind, Result};
use crate::progress::Context;

/// Before 3.51.3 two connections that checkpoint at the same instant can corrupt a WAL database.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long SQLite itself waits before it tells us busy; we loop around it to stay cancellable.
const BUSY_SLICE: Duration = Duration::from_millis(100);

/// Fails when this process is linked to a SQLite that may corrupt a database. Called at program start.
pub fn assert_version() -> Result<()> {
    if rusqlite::version_number() >= OLDEST_SQLITE {
        return Ok(());
    }
    let found = rusqlite::version();
    Err(Error::new(ErrorKind::Unsupported, "sqlite_too_old", format!("SQLite {found} is too old, 3.51.3 is needed"))
        .hint("build recoup with its bundled SQLite"))
}

/// Opens the application's database without ever changing it. The caller pins a read transaction with [`pin`].
pub fn open_source(path: &Path, busy: Duration) -> Result<Connection> {
    let missing = || {
        Error::new(ErrorKind::NotFound, "source_missing", format!("Database file not found: {}", path.display()))
            .hint("check the path; Recoup never creates a database")
    };
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
        Err(error) => return Err(Error::at("looking at", path, error)),
        Ok(meta) if !meta.is_file() => {
            return Err(Error::usage("not_a_database", format!("Not a file: {}", path.display())));
        }
        Ok(_) => {}
    }
    // Symbolic links are resolved once, so that the database and its -wal and -shm are looked for together.
    let real = fs::canonicalize(path).map_err(|e| Error::at("resolving", path, e))?;
    let connection = Connection::open_with_flags(uri(&real, "mode=ro"), read_only()).map_err(|e| failed(path, e))?;
    let set = || -> rusqlite::Result<()> {
        // No PRAGMA here that reads the file: whether it is a database is asked when it is pinned.
        connection.busy_timeout(busy.min(BUSY_SLICE))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.execute_batch("PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048;")
    };
    set().map_err(|e| failed(path, e))?;
    Ok(connection)
}

/// Opens a WAL database that lies where we cannot write, which is only right while nobody changes it: the
/// caller compares the file's identity, size and time before and after.
pub fn open_quiet(path: &Path) -> Result<Connection> {
    let real = fs::canonicalize(path).map_err(|e| Error::at("resolving", path, e))?;
    let wal = sidecar(&real, "-wal");
    if fs::metadata(&wal).is_ok_and(|meta| meta.len() > 0) {
        return Err(Error::new(
            ErrorKind::Denied,
            "db_needs_write_access",
            format!("Cannot read {} consistently: its folder is not writable and a -wal file is there", path.display()),
        )
        .hint("run recoup as the user or in the group that owns the database"));
    }
    let connection = Connection::open_with_flags(uri(&real, "mode=ro&immutable=1"), read_only());
    connection.map_err(|e| failed(path, e))
}

/// Opens a finished private copy, ours or somebody's upload: immutable, so that no `-wal` or `-shm` appears
/// beside it, and hardened as <https://www.sqlite.org/security.html> advises for untrusted files.
pub fn open_private(path: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags(uri(path, "mode=ro&immutable=1"), read_only()).map_err(|e| failed(path, e))?;
    let harden = || -> rusqlite::Result<()> {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.execute_batch("PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-16384;")
    };
    harden().map_err(|e| failed(path, e))?;
    Ok(connection)
}

/// Opens a new database file that we build, mode 0600. Nothing protects it against a crash while it is built:
/// who builds it finishes it with fsync, or removes it.
pub fn open_scratch(path: &Path) -> Result<Connection> {
    File::options().write(true).create_new(true).mode(0o600).open(path).map_err(|e| Error::at("creating", path, e))?;
    let connection = Connection::open_with_flags(uri(path, "mode=rw"), OpenFlags::SQLITE_OPEN_READ_WRITE | shared());
    let connection = connection.map_err(|e| failed(path, e))?;
    let set =
        "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-8192;";
    connection.execute_batch(set).map_err(|e| failed(path, e))?;
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
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::new(ErrorKind::Busy, "db_in_use", "Cannot backup while database is in use")
                .hint(format!("something holds {shown} exclusively; try again when it is done"))
        }
        Some(ErrorCode::NotADatabase) => return not_a_database(path),
        Some(ErrorCode::DatabaseCorrupt) => corrupted(path),
        Some(ErrorCode::DiskFull) => Error::no_space(format!("while writing {shown}")),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::new(ErrorKind::Denied, "db_needs_write_access", format!("Cannot read {shown} consistently"))
                .hint("SQLite needs to reach the -wal, -shm or -journal file beside it: run recoup as the user that owns the database, or start the application once if it crashed")
        }
        _ => Error::new(ErrorKind::Failed, "sqlite", format!("SQLite failed on {shown}: {error}")),
    }
    .because(error)
}

/// The application's database itself is damaged.
pub fn corrupted(path: &Path) -> Error {
    Error::new(ErrorKind::Corrupted, "source_corrupted", format!("Database is corrupted: {}", path.display()))
        .hint("older backups are still there: see `recoup list`; verify the newest and restore it")
}

/// SQLite has just refused the file, so no connection of this process can hold locks on it, and a plain look
/// at its first bytes does no harm.
fn not_a_database(path: &Path) -> Error {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    if read.is_ok() && looks_random(&head) {
        return Error::new(
            ErrorKind::Unsupported,
            "source_encrypted",
            format!("Database is encrypted: {}", path.display()),
        )
        .hint("Recoup cannot check an encrypted database; let the application export it, or back it up as a --file");
    }
    Error::usage("not_a_database", format!("Not a SQLite database: {}", path.display()))
        .hint("back it up with --file if it is meant to be something else")
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

/// The path of a file that SQLite keeps beside a database: `-wal`, `-shm`, `-journal`.
pub fn sidecar(path: &Path, suffix: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
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
