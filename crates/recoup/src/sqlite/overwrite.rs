//! Writing only those pages of a live database that differ, in one transaction of SQLite's own, through its table of
//! pages (<https://sqlite.org/dbpage.html>). What stays the same costs the waiting application nothing.
//!
//! Only in WAL mode: a rollback journal would not hold the pages that a shorter database loses. Everything else is written
//! by the backup API ([`super::put`]), which this does as it does: the file keeps its journal mode, its schema cookie
//! becomes one more.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::{Connection, Transaction};

use super::facts::page_size_in;
use super::follow::has_pages;
use super::pages::Pages;
use super::put::failed;
use crate::error::{Error, Result};
use crate::progress::Context;

/// SQLite never uses the page at this offset (<https://sqlite.org/fileformat2.html#the_lock_byte_page>).
const LOCK_BYTE: u64 = 0x4000_0000;

/// Which pages are to be written.
pub(super) struct Overwrite {
    staged: File,
    /// Pages of the new content.
    pages: i64,
    size: u64,
    same: Pages,
}

impl Overwrite {
    /// Compares what is live, as its copy `old` has it, with what shall be. `None` when this way is closed: another page
    /// size, no table of pages in this SQLite, not WAL mode.
    pub fn plan(live: &Connection, mode: &str, old: &Path, staged: &Path, context: &Context) -> Result<Option<Self>> {
        let ask = |sql: &str| live.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(0);
        let size = u64::try_from(ask("PRAGMA page_size")).unwrap_or(0);
        let opened = File::open(staged).map_err(|e| Error::at("opening", staged, e))?;
        let mut head = [0; 100];
        if !has_pages(live)
            || !mode.eq_ignore_ascii_case("wal")
            || !old.exists()
            || opened.read_exact_at(&mut head, 0).is_err()
        {
            return Ok(None);
        }
        let theirs = page_size_in(&head).map(u64::from);
        let bytes = opened.metadata().map_err(|e| Error::at("looking at", staged, e))?.len();
        if theirs != Some(size) || bytes == 0 || !bytes.is_multiple_of(size) {
            return Ok(None);
        }
        let same = Pages::compare(old, staged, u32::try_from(size).unwrap_or(0), context)?;
        let pages = i64::try_from(bytes / size).unwrap_or(i64::MAX);
        Ok(same.map(|same| Overwrite { staged: opened, pages, size, same }))
    }

    /// Writes to the database at `path` and commits. On any error the transaction is rolled back. The connection is not to
    /// be used afterwards: SQLite's table of pages leaves it with pages that it has parsed as they were.
    pub fn write(&self, live: Transaction<'_>, path: &Path, context: &Context) -> Result<()> {
        let failed = |e| failed(path, e);
        let old_pages: i64 = live.query_row("PRAGMA page_count", [], |row| row.get(0)).map_err(failed)?;
        let head: Vec<u8> = live
            .query_row("SELECT data FROM sqlite_dbpage('main') WHERE pgno = 1", [], |row| row.get(0))
            .map_err(failed)?;
        let mut put =
            live.prepare("INSERT INTO sqlite_dbpage (pgno, data, schema) VALUES (?1, ?2, 'main')").map_err(failed)?;
        let mut page = vec![0; usize::try_from(self.size).unwrap_or(0)];
        for (number, offset) in (1..=self.pages).zip((0..).step_by(page.len())) {
            if number == 1 || !(offset == LOCK_BYTE || self.same.is_same(number)) {
                self.staged.read_exact_at(&mut page, offset).map_err(|e| Error::io("reading what is restored", e))?;
                if number == 1 {
                    self.header(&mut page, &head);
                }
                put.execute(rusqlite::params![number, page]).map_err(failed)?;
            }
            context.advance(self.size)?;
        }
        if self.pages < old_pages {
            // After this no other page may be written, or the database keeps its length.
            put.execute(rusqlite::params![self.pages + 1, None::<Vec<u8>>]).map_err(failed)?;
        }
        drop(put);
        // Last, because from here on every statement of this connection would read a schema that it has cached in part.
        let cookie = i64::from(be32(&head[40..44]).wrapping_add(1));
        live.pragma_update(None, "schema_version", cookie).map_err(failed)?;
        live.commit().map_err(failed)
    }

    /// What of the header belongs to the file and not to its data stays (<https://sqlite.org/fileformat2.html#the_database_header>).
    fn header(&self, page: &mut [u8], live: &[u8]) {
        for range in [18..20, 24..28, 40..44, 92..100] {
            page[range.clone()].copy_from_slice(&live[range]);
        }
        page[28..32].copy_from_slice(&u32::try_from(self.pages).unwrap_or(0).to_be_bytes());
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::super::place::sidecar;
    use super::super::put::Pair;
    use super::super::same::same;
    use super::*;

    fn database(path: &Path, rows: i64) -> Connection {
        let made = Connection::open(path).unwrap();
        made.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x);").unwrap();
        let fill = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) INSERT INTO t SELECT i, zeroblob(3000) FROM n";
        made.execute(fill, [rows]).unwrap();
        made.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        made
    }

    /// Puts a database of `after` rows in place of one with `before` rows; gives the pages that were written.
    fn written(before: i64, after: i64, change: &str) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let [live, old, staged] = ["live.db", "old.db", "staged.db"].map(|name| folder.path().join(name));
        drop(database(&live, before));
        std::fs::copy(&live, &old).unwrap();
        let made = if before == after {
            std::fs::copy(&live, &staged).map(|_| Connection::open(&staged).unwrap()).unwrap()
        } else {
            database(&staged, after)
        };
        made.execute_batch(change).unwrap();
        made.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(())).unwrap();
        drop(made);
        // An application that has it open all the time, and reads.
        let application = Connection::open(&live).unwrap();
        assert_eq!(application.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), before);

        let (busy, context) = (Duration::from_secs(5), Context::quiet());
        let mut pair = Pair::open(&staged, &live, Some(&old), busy, &context).unwrap();
        assert!(pair.overwrite.is_some(), "the pages are to be written singly");
        let cookie = pair.cookie;
        pair.lock(busy, &context).unwrap().write(&context).unwrap();
        let log = std::fs::metadata(sidecar(&live, "-wal")).unwrap().len();
        pair.checkpoint();
        drop(pair);
        assert_eq!(application.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), after);
        assert_eq!(application.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0)).unwrap(), cookie + 1);
        assert_eq!(application.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        assert_eq!(application.query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap(), "wal");
        assert!(same(&live, &staged, &folder.path().join("scratch"), busy, &context).unwrap());
        log / (24 + 4096)
    }

    #[test]
    fn what_stays_the_same_is_not_written_and_every_page_that_differs_is() {
        assert!(written(2000, 2000, "UPDATE t SET x = 'new' WHERE id = 1000") < 10);
        assert!(written(10, 2000, "") > 1900, "a longer database");
        written(2000, 10, "");
        written(2000, 1, "CREATE TABLE more(y)");
    }

    #[test]
    fn a_dropped_lock_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let [live, staged] = ["live.db", "staged.db"].map(|name| folder.path().join(name));
        drop(database(&live, 5));
        drop(database(&staged, 50));
        let before = std::fs::read(&live).unwrap();
        let (busy, context) = (Duration::from_secs(5), Context::quiet());
        let mut pair = Pair::open(&staged, &live, Some(&live), busy, &context).unwrap();
        drop(pair.lock(busy, &context).unwrap());
        drop(pair);
        assert_eq!(std::fs::read(&live).unwrap(), before);
    }
}
