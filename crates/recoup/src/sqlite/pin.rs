//! One moment of the application's database: a read transaction that is held while the database is copied, and
//! let go as soon as the copy is there. Used by the SQLite source and by directories that contain databases.
//!
//! Not here: proving the copy ([`super::check`], [`super::facts`]) and how pages travel ([`super::copy`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::copy;
use super::follow::{self, Earlier};
use super::open::{self, Opened};
use super::{facts, recover};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DatabaseFacts, Problem};
use crate::progress::Context;

/// A database with a read transaction open. Writers go on in WAL mode; in rollback mode they wait until the copy
/// is done.
pub struct Pinned {
    opened: Opened,
    facts: DatabaseFacts,
    original: PathBuf,
    recovered: bool,
    objects: i64,
}

impl Pinned {
    /// Fixes the moment. Waits up to `busy` for somebody who holds the database, asking for cancellation
    /// meanwhile. `scratch` is a path in a private directory, used only when a crashed application left a hot
    /// journal: the recovery then happens in a copy there.
    ///
    /// Errors: those of [`open::open_source`], and `source_replaced` when the file was exchanged while we looked.
    pub fn begin(path: &Path, scratch: &Path, busy: Duration, context: &Context) -> Result<Self> {
        let started = context.clock.monotonic();
        loop {
            context.check()?;
            let slice = busy.min(Duration::from_millis(200));
            match Self::attempt(path, scratch, slice, context) {
                Err(error) if error.kind() == ErrorKind::Busy => {
                    if context.clock.monotonic().saturating_sub(started) >= busy {
                        return Err(error);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                result => return result,
            }
        }
    }

    fn attempt(path: &Path, scratch: &Path, busy: Duration, context: &Context) -> Result<Self> {
        match Opened::open(path, busy) {
            Ok(opened) => Self::fix(opened, None),
            Err(error) if error.code() == open::NEEDS_RECOVERY => {
                let original = fs::canonicalize(path).map_err(|e| Error::at("finding", path, e))?;
                recover::recovered_copy(&original, scratch, context)?;
                let fixed = Opened::open(scratch, busy).and_then(|opened| Self::fix(opened, Some(original)));
                fixed.inspect_err(|_| {
                    let _ = fs::remove_file(scratch);
                })
            }
            Err(error) => Err(error),
        }
    }

    fn fix(opened: Opened, recovered_from: Option<PathBuf>) -> Result<Self> {
        let recovered = recovered_from.is_some();
        let original = recovered_from.unwrap_or_else(|| opened.path().to_owned());
        let connection = opened.connection();
        let pin = || -> rusqlite::Result<i64> {
            connection.execute_batch("BEGIN")?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        };
        let objects = pin().map_err(|error| open::failed(&original, error))?;
        let mode = match opened.is_sealed() {
            true => "wal".to_owned(),
            false => facts::journal_mode(connection)?,
        };
        let facts = facts::outline(connection, &mode).map_err(|error| source_damage(error, &original))?;
        if opened.replaced() {
            return Err(open::replaced(&original));
        }
        Ok(Pinned { opened, facts, original, recovered, objects })
    }

    /// No table and nothing else was in the database at the moment.
    pub fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// Bytes of the database at the moment.
    pub fn bytes(&self) -> u64 {
        self.facts.page_count * u64::from(self.facts.page_size)
    }

    /// Where the database is, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.original
    }

    /// Read without locks because nobody used the database; [`Pinned::copy`] tells whether that was right.
    pub fn is_sealed(&self) -> bool {
        self.opened.is_sealed()
    }

    /// Copies the moment to the new file `to` and lets go of the application's database.
    ///
    /// Errors: `db_in_use` when nobody used the database at the beginning and somebody does now, so that the copy
    /// is worth nothing; `source_replaced` when the file was exchanged; those of [`copy::copy_pinned`]. `to` is
    /// then gone.
    pub fn copy(self, to: &Path, context: &Context, busy: Duration) -> Result<DatabaseFacts> {
        let copy = |connection: &Connection| copy::copy_pinned(connection, to, context, busy).map(drop);
        self.let_go(to, copy)
    }

    /// As [`Pinned::copy`], but an earlier copy is brought up to date where that is possible; where the copy is then.
    pub fn follow(
        self,
        earlier: Option<&Earlier>,
        to: &Path,
        context: &Context,
        busy: Duration,
    ) -> Result<(PathBuf, DatabaseFacts)> {
        let Some(earlier) = earlier else { return Ok((to.to_owned(), self.copy(to, context, busy)?)) };
        let mut followed = false;
        let facts = self.let_go(to, |connection| {
            followed = follow::follow(connection, earlier, context).or_else(|error| match error.kind() {
                ErrorKind::Cancelled => Err(error),
                _ => {
                    context.observer.note(&format!("The last capture is not used: {error}: {}", error.detail()));
                    Ok(false)
                }
            })?;
            if followed { Ok(()) } else { copy::copy_pinned(connection, to, context, busy).map(drop) }
        })?;
        Ok((if followed { earlier.copy.clone() } else { to.to_owned() }, facts))
    }

    /// Has the moment copied and lets go of the database.
    fn let_go(self, to: &Path, copy: impl FnOnce(&Connection) -> Result<()>) -> Result<DatabaseFacts> {
        let result = self.copy_checked(copy);
        if result.is_err() {
            let _ = fs::remove_file(to);
        }
        let scratch = self.recovered.then(|| self.opened.path().to_owned());
        let facts = self.facts.clone();
        drop(self);
        if let Some(scratch) = scratch {
            let _ = fs::remove_file(scratch);
        }
        result.map(|()| facts)
    }

    fn copy_checked(&self, copy: impl FnOnce(&Connection) -> Result<()>) -> Result<()> {
        let copied = copy(self.opened.connection());
        if !self.opened.undisturbed() {
            return Err(open::in_use(&self.original).because("somebody began to use it while it was copied"));
        }
        copied.map_err(|error| source_damage(error, &self.original))?;
        if self.opened.replaced() {
            return Err(open::replaced(&self.original));
        }
        Ok(())
    }
}

/// Opens the copy and compares it with what the source said at the moment.
pub fn open_copy(copy: &Path, at_the_moment: &DatabaseFacts) -> Result<Connection> {
    let connection = open::open_private(copy)?;
    let found = facts::outline(&connection, &at_the_moment.journal_mode)?;
    match facts::compare(at_the_moment, &found).first() {
        None => Ok(connection),
        Some(Problem { text, .. }) => {
            let error = Error::new(ErrorKind::Failed, "copy_differs", "The copy differs from the database");
            Err(error.because(text.clone()))
        }
    }
}

/// A damaged page met while the source is read is the source's damage.
fn source_damage(error: Error, path: &Path) -> Error {
    if error.kind() == ErrorKind::Corrupted { open::corrupted(path).because(error) } else { error }
}
