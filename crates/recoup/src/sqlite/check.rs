//! Is a database sound? SQLite's own `integrity_check` and `foreign_key_check`, and what remains of them when the
//! application's collations, functions or modules are missing here: never a false "corrupt", never silence.
//!
//! Not here: whether it is the database that was stored; that is hashes and [`super::facts`].

use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::facts::{failed, is_refusal, quoted, text};
use super::missing::{self, Missing};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Problem;
use crate::progress::Context;

/// Problems that are listed at most; a damaged database can have millions.
const LISTED: usize = 20;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Damage. Empty means sound as far as it could be checked.
    pub problems: Vec<Problem>,
    /// What could not be checked, by name: `collation german (table cities)`.
    pub unchecked: Vec<String>,
    /// Rows whose parent does not exist.
    pub foreign_key_violations: u64,
    /// Values that break a NOT NULL or type rule of their table (counted up to a hundred). SQLite reads and writes
    /// such rows: they come from the application and are no damage. CHECK rules are not evaluated at all, because
    /// SQLite does not parse them in a read-only database.
    pub constraint_violations: u64,
}

/// Checks everything: structure, indexes against tables, inverted indexes, foreign keys
/// (<https://sqlite.org/pragma.html#pragma_integrity_check>). Reads the whole database; memory stays flat.
///
/// Errors are for what stopped the check (`cancelled`, input/output); damage is in the result.
pub fn check(connection: &Connection, context: &Context) -> Result<Checked> {
    examine(connection, context, "integrity_check", None)
}

/// As [`check`] without comparing indexes with their tables: about five times as fast.
pub fn quick_check(connection: &Connection, context: &Context) -> Result<Checked> {
    examine(connection, context, "quick_check", None)
}

/// Either check; when `until` (by the monotonic clock) has passed it ends as if it was cancelled.
pub(super) fn examine(
    connection: &Connection,
    context: &Context,
    pragma: &str,
    until: Option<Duration>,
) -> Result<Checked> {
    let check = Check { connection, context };
    // Index lookups are random reads: a larger cache than usual pays.
    connection.execute_batch("PRAGMA cache_size=-8192").map_err(failed)?;
    let interruptible = Interruptible::until(connection, context, until)?;
    let mut checked = Checked::default();
    let missing = missing::find(connection);
    let missing = match missing {
        Err(error) if error.kind() == ErrorKind::Corrupted => {
            checked.damage(error.message());
            return Ok(checked);
        }
        other => other?,
    };
    checked.unchecked = missing.iter().map(ToString::to_string).collect();
    if let Answer::Cannot(_) = check.run(pragma, &mut checked)? {
        check.table_by_table(pragma, &missing, &mut checked)?;
    }
    if checked.problems.is_empty() {
        check.foreign_keys(&mut checked)?;
    }
    drop(interruptible);
    Ok(checked)
}

impl Checked {
    fn damage(&mut self, text: impl Into<String>) {
        let problem = Problem::new("integrity", text);
        if self.problems.len() < LISTED && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn not_checked(&mut self, text: String) {
        if !self.unchecked.contains(&text) {
            self.unchecked.push(text);
        }
    }

    /// Sorts one line of `integrity_check`; the wordings are those of SQLite's `pragma.c`.
    fn line(&mut self, line: String) {
        let broken_rule = ["NULL value in ", "NUMERIC value in ", "TEXT value in ", "CHECK constraint failed in "];
        if line == "ok" {
        } else if broken_rule.iter().any(|start| line.starts_with(start))
            || (line.starts_with("non-") && line.contains(" value in "))
        {
            self.constraint_violations += 1;
        } else if line.starts_with("unable to validate the inverted index") {
            self.not_checked(line);
        } else {
            self.damage(line);
        }
    }
}

enum Answer {
    /// The check ran to its end; its findings are taken down.
    Given,
    /// Plain SQLite cannot do it, for this reason.
    Cannot(rusqlite::Error),
}

struct Check<'a> {
    connection: &'a Connection,
    context: &'a Context,
}

impl Check<'_> {
    fn run(&self, pragma: &str, checked: &mut Checked) -> Result<Answer> {
        self.context.check()?;
        let lines = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(&format!("PRAGMA {pragma}"))?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect()
        };
        match lines() {
            Ok(lines) => lines.into_iter().for_each(|line| checked.line(line)),
            Err(error) => return self.stopped(error, checked),
        }
        Ok(Answer::Given)
    }

    /// An error instead of an answer: damage, inability, or a reason to stop.
    fn stopped(&self, error: rusqlite::Error, checked: &mut Checked) -> Result<Answer> {
        if is_refusal(&error) {
            return Ok(Answer::Cannot(error));
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                checked.damage(text(&error));
                Ok(Answer::Given)
            }
            Some(ErrorCode::OperationInterrupted) => Err(Error::cancelled()),
            // Beyond the limit that was set for a stranger's values.
            Some(ErrorCode::TooBig) => Ok(Answer::Cannot(error)),
            _ => Err(failed(error)),
        }
    }

    /// Everything that can be checked without what is missing: the structure of the whole when possible, then
    /// each table as deep as possible.
    fn table_by_table(&self, pragma: &str, missing: &[Missing], checked: &mut Checked) -> Result<()> {
        if pragma != "quick_check" {
            self.run("quick_check", checked)?;
        }
        let names = || -> rusqlite::Result<Vec<(String, bool)>> {
            let sql = "SELECT name, coalesce(rootpage, 0) = 0 FROM sqlite_schema WHERE type = 'table' ORDER BY rowid";
            let mut statement = self.connection.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        self.run(&format!("{pragma}(sqlite_schema)"), checked)?;
        for (table, is_virtual) in names().map_err(failed)? {
            if is_virtual && missing.iter().any(|missing| missing.table == table) {
                continue;
            }
            let Answer::Cannot(error) = self.run(&format!("{pragma}({})", quoted(&table)), checked)? else { continue };
            checked.not_checked(match missing::what(&error) {
                Some(what) => Missing { what, table: table.clone() }.to_string(),
                None => format!("table {table} ({})", text(&error)),
            });
            if is_virtual {
                continue;
            }
            if let Answer::Cannot(_) = self.run(&format!("quick_check({})", quoted(&table)), checked)? {
                self.read_through(&table, checked)?;
            }
        }
        Ok(())
    }

    /// Reads every row without any index: damage in the table's own pages shows.
    fn read_through(&self, table: &str, checked: &mut Checked) -> Result<()> {
        let read = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&format!("SELECT * FROM {} NOT INDEXED", quoted(table)))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                // Touching a value makes SQLite follow its overflow pages.
                for column in 0..columns {
                    row.get_ref(column)?;
                }
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(()),
            Err(error) => match self.stopped(error, checked)? {
                Answer::Given => Ok(()),
                Answer::Cannot(_) => {
                    checked.not_checked(format!("all of table {table}"));
                    Ok(())
                }
            },
        }
    }

    fn foreign_keys(&self, checked: &mut Checked) -> Result<()> {
        if let Answer::Given = self.count_violations("foreign_key_check", checked)? {
            return Ok(());
        }
        checked.foreign_key_violations = 0;
        let names = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND coalesce(rootpage, 0) <> 0 ORDER BY rowid",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        };
        for table in names().map_err(failed)? {
            let pragma = format!("foreign_key_check({})", quoted(&table));
            if let Answer::Cannot(error) = self.count_violations(&pragma, checked)? {
                checked.not_checked(format!("foreign keys of table {table} ({})", text(&error)));
            }
        }
        Ok(())
    }

    fn count_violations(&self, pragma: &str, checked: &mut Checked) -> Result<Answer> {
        self.context.check()?;
        let count = || -> rusqlite::Result<u64> {
            let mut statement = self.connection.prepare(&format!("PRAGMA {pragma}"))?;
            let mut rows = statement.query([])?;
            let mut n = 0;
            while rows.next()?.is_some() {
                n += 1;
            }
            Ok(n)
        };
        match count() {
            Ok(n) => {
                checked.foreign_key_violations += n;
                Ok(Answer::Given)
            }
            Err(error) => self.stopped(error, checked),
        }
    }
}

/// While it lives, statements of a connection end with `cancelled` when the context is cancelled.
pub(crate) struct Interruptible<'a>(&'a Connection);

impl<'a> Interruptible<'a> {
    pub(crate) fn new(connection: &'a Connection, context: &Context) -> Result<Self> {
        Interruptible::until(connection, context, None)
    }

    /// Also when `until` (by the monotonic clock) has passed.
    pub(super) fn until(connection: &'a Connection, context: &Context, until: Option<Duration>) -> Result<Self> {
        let (cancel, clock) = (context.cancel.clone(), context.clock.clone());
        let stop = move || cancel.is_cancelled() || until.is_some_and(|until| clock.monotonic() >= until);
        let installed = connection.progress_handler(10_000, Some(stop));
        installed.map_err(failed)?;
        Ok(Interruptible(connection))
    }
}

impl Drop for Interruptible<'_> {
    fn drop(&mut self) {
        let _: std::result::Result<(), rusqlite::Error> = self.0.progress_handler(0, None::<fn() -> bool>);
    }
}
