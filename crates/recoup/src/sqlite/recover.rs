//! A crashed application's hot journal. SQLite recovers such a database by writing to it, and we never write to
//! the application's files: so database and journal are copied, and the recovery happens in the copy.
//!
//! Not here: databases in WAL mode. Their log is read through SQLite without any recovery of ours.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::open::{create_private, failed, in_use};
use super::place::{PlainFile, Stamp, sidecar};
use crate::error::{Error, Result};
use crate::progress::Context;

/// Makes `to` a recovered copy of the database `path` and its `-journal`. SQLite has just said that the journal
/// is hot, so no process is in a transaction; if one comes back meanwhile, the stamps tell and it is `db_in_use`.
pub fn recovered_copy(path: &Path, to: &Path, context: &Context) -> Result<()> {
    let (journal, to_journal) = (sidecar(path, "-journal"), sidecar(to, "-journal"));
    for leftover in [to, &to_journal] {
        let _ = fs::remove_file(leftover);
    }
    let stamps = || -> io::Result<(Stamp, Stamp)> { Ok((Stamp::of(path)?, Stamp::of(&journal)?)) };
    let before = stamps().map_err(|_| in_use(path))?;
    let copied = copy_plainly(&journal, &to_journal, context).and_then(|()| copy_plainly(path, to, context));
    let result = copied.and_then(|()| match stamps() {
        Ok(after) if after == before => roll_back(to).map_err(|e| failed(path, e)),
        _ => Err(in_use(path)),
    });
    let _ = fs::remove_file(&to_journal);
    if result.is_err() {
        let _ = fs::remove_file(to);
    }
    result
}

fn copy_plainly(from: &Path, to: &Path, context: &Context) -> Result<()> {
    let reading = |e| Error::at("reading", from, e);
    // Open in this process means in use by an application that embeds us.
    let mut source = PlainFile::open(from).map_err(reading)?.ok_or_else(|| in_use(from))?;
    let mut target = create_private(to)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        context.check()?;
        let n = source.read(&mut buffer).map_err(reading)?;
        if n == 0 {
            return Ok(());
        }
        target.write_all(&buffer[..n]).map_err(|e| Error::at("writing", to, e))?;
    }
}

fn roll_back(copy: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags)?;
    connection.execute_batch("PRAGMA synchronous=OFF; PRAGMA trusted_schema=0")?;
    connection.query_row("PRAGMA schema_version", [], |_| Ok(()))
}
