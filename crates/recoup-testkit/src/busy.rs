//! A database that another process keeps writing: rows of a hash chain, so that any copy can be proven to be
//! an exact prefix of the commit history. The writer is Python with its own SQLite, as an application would be.
//!
//! Not here: what is done with the database meanwhile.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

const WRITER: &str = r#"
import hashlib, random, sqlite3, sys, time
path, rate, mode, filler = sys.argv[1], float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
db = sqlite3.connect(path, isolation_level=None, timeout=30)
db.execute("PRAGMA page_size=4096")
db.execute("PRAGMA journal_mode=" + mode)
db.execute("PRAGMA synchronous=NORMAL")
db.execute("CREATE TABLE IF NOT EXISTS chain(n INTEGER PRIMARY KEY, hash TEXT NOT NULL)")
db.execute("CREATE TABLE IF NOT EXISTS filler(id INTEGER PRIMARY KEY, data BLOB)")
db.execute("CREATE INDEX IF NOT EXISTS chain_hash ON chain(hash)")
if filler and not db.execute("SELECT count(*) FROM filler").fetchone()[0]:
    db.execute("BEGIN")
    db.executemany("INSERT INTO filler(data) VALUES(?)", ((random.randbytes(900),) for _ in range(filler)))
    db.execute("COMMIT")
n, h = db.execute("SELECT n, hash FROM chain ORDER BY n DESC LIMIT 1").fetchone() or (0, "")
print("ready", flush=True)
start, first = time.monotonic(), n
while True:
    if rate:
        wait = start + (n - first) / rate - time.monotonic()
        if wait > 0: time.sleep(wait)
    n += 1
    h = hashlib.sha256((h + str(n)).encode()).hexdigest()
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO chain VALUES(?,?)", (n, h))
    if filler: db.execute("UPDATE filler SET data=? WHERE id=?", (random.randbytes(900), random.randint(1, filler)))
    db.execute("COMMIT")
"#;

const HOLDER: &str = r#"
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None)
for sql in sys.argv[2:]:
    db.execute(sql).fetchall()
print("ready", flush=True)
sys.stdin.read()
"#;

/// Another process that has run some statements and keeps its connection, with whatever locks, until this is
/// dropped; then it closes in order.
pub struct HeldDatabase {
    holder: Child,
}

impl HeldDatabase {
    /// Opens `path` in another process, runs `statements` there and returns when they are done.
    pub fn hold(path: &Path, statements: &[&str]) -> Self {
        let mut holder = Command::new("python3")
            .args(["-c", HOLDER])
            .arg(path)
            .args(statements)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "the other process could not start");
        HeldDatabase { holder }
    }

    /// Ends the process as a crash does: nothing is closed, nothing is rolled back.
    pub fn crash(mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

impl Drop for HeldDatabase {
    fn drop(&mut self) {
        // The end of its input lets Python close the connection and end.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A running writer; it ends when this is dropped.
pub struct BusyDatabase {
    path: PathBuf,
    writer: Child,
}

impl BusyDatabase {
    /// Starts a writer on `path`: `rate` commits a second (0: as fast as it can), `journal_mode` `wal` or
    /// `delete`, and `filler` rows of 900 bytes of which every commit changes one.
    pub fn start(path: &Path, rate: f64, journal_mode: &str, filler: u32) -> Self {
        let mut writer = Command::new("python3")
            .args(["-c", WRITER])
            .arg(path)
            .args([rate.to_string(), journal_mode.to_owned(), filler.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(writer.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "the writer could not start");
        BusyDatabase { path: path.to_owned(), writer }
    }

    /// Rows that are committed now.
    pub fn committed(&self) -> u64 {
        let db = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        db.query_row("SELECT coalesce(max(n),0) FROM chain", [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    }

    /// Whether the writer still runs; it only ends by itself when a commit failed.
    pub fn is_writing(&mut self) -> bool {
        self.writer.try_wait().unwrap().is_none()
    }

    /// The writer's process id, for signals.
    pub fn pid(&self) -> u32 {
        self.writer.id()
    }
}

impl Drop for BusyDatabase {
    fn drop(&mut self) {
        let _ = self.writer.kill();
        let _ = self.writer.wait();
    }
}

/// Length of the chain in a copy. Panics when it is not exactly rows 1..k, each with the right hash.
pub fn chain_prefix(copy: &Path) -> u64 {
    let uri = format!("file:{}?immutable=1", copy.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let db = Connection::open_with_flags(uri, flags).unwrap();
    let ok: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(ok, "ok");
    let mut statement = db.prepare("SELECT n, hash FROM chain ORDER BY n").unwrap();
    let mut rows = statement.query([]).unwrap();
    let (mut expected, mut hash) = (0, String::new());
    while let Some(row) = rows.next().unwrap() {
        expected += 1;
        hash = HEXLOWER.encode(&Sha256::digest(format!("{hash}{expected}")));
        assert_eq!((row.get::<_, i64>(0).unwrap(), row.get::<_, String>(1).unwrap()), (expected, hash.clone()));
    }
    expected.unsigned_abs()
}
