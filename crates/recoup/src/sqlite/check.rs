//! Is a database sound? `integrity_check` on everything and `foreign_key_check`; what plain SQLite cannot
//! check because the application defines its own collations, functions or modules is named, never skipped
//! silently and never called corrupt.
//!
//! Not here: bit rot inside a row, which `integrity_check` does not see; hashes do.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::facts::{is_unknown_here, tables, text};
use super::open;
use crate::error::{Error, Result};
use crate::model::Problem;
use crate::progress::Context;

/// Problems that are listed at most; a damaged database can have millions.
const LISTED: usize = 20;

/// Virtual machine steps between two looks at cancellation.
const STEPS: i32 = 100_000;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Damage.
    pub problems: Vec<Problem>,
    /// What plain SQLite could not check, and why.
    pub unchecked: Vec<String>,
    /// Rows that point nowhere. The source had them too: a copy is faithful.
    pub foreign_key_violations: u64,
    /// Rows that break a NOT NULL, CHECK or STRICT rule of the schema. The source had them too.
    pub constraint_violations: u64,
}

/// Checks everything (<https://www.sqlite.org/pragma.html#pragma_integrity_check>).
pub fn check(connection: &Connection, context: &Context) -> Result<Checked> {
    let cancel = context.cancel.clone();
    let _ = connection.progress_handler(STEPS, Some(move || cancel.is_cancelled()));
    let done = run(connection);
    let _ = connection.progress_handler(0, None::<fn() -> bool>);
    context.check()?;
    done
}

fn run(connection: &Connection) -> Result<Checked> {
    let mut checked = Checked::default();
    match integrity(connection, "PRAGMA integrity_check(1000)", &mut checked) {
        Ok(()) => {}
        Err(error) if is_unknown_here(&error) => by_table(connection, &error, &mut checked)?,
        Err(error) => damage(error, &mut checked)?,
    }
    if checked.problems.is_empty() {
        foreign_keys(connection, &mut checked)?;
    }
    Ok(checked)
}

/// One table after the other, so that a single unknown collation does not hide all the rest.
fn by_table(connection: &Connection, whole: &rusqlite::Error, checked: &mut Checked) -> Result<()> {
    *checked = Checked::default();
    for table in tables(connection)? {
        let quoted = table.replace('"', "\"\"");
        match integrity(connection, &format!("PRAGMA integrity_check(\"{quoted}\")"), checked) {
            Ok(()) => {}
            Err(error) if is_unknown_here(&error) => checked.unchecked.push(format!("table {table}: {}", text(&error))),
            Err(error) => damage(error, checked)?,
        }
    }
    if checked.unchecked.is_empty() {
        checked.unchecked.push(text(whole));
    }
    Ok(())
}

fn integrity(connection: &Connection, pragma: &str, checked: &mut Checked) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let line = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        if line == "ok" {
        } else if breaks_a_rule(&line) {
            checked.constraint_violations += 1;
        } else if checked.problems.len() < LISTED {
            checked.problems.push(Problem::new("integrity", line));
        }
    }
    Ok(())
}

/// Lines about the meaning of rows, not about the pages that hold them.
fn breaks_a_rule(line: &str) -> bool {
    ["NULL value in ", "CHECK constraint failed in ", "TEXT value in ", "NUMERIC value in ", "non-INT value in "]
        .iter()
        .any(|start| line.starts_with(start))
        || line.starts_with("non-") && line.contains(" value in ")
}

fn foreign_keys(connection: &Connection, checked: &mut Checked) -> Result<()> {
    let count = || -> rusqlite::Result<u64> {
        let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while rows.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    };
    match count() {
        Ok(count) => checked.foreign_key_violations = count,
        Err(error) if is_unknown_here(&error) || text(&error).contains("foreign key mismatch") => {
            checked.unchecked.push(format!("foreign keys: {}", text(&error)));
        }
        Err(error) => damage(error, checked)?,
    }
    Ok(())
}

/// SQLite stopping in the middle is damage too, when it says so; anything else is an error of ours.
fn damage(error: rusqlite::Error, checked: &mut Checked) -> Result<()> {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            checked.problems.push(Problem::new("integrity", text(&error)));
            Ok(())
        }
        Some(ErrorCode::OperationInterrupted) => Err(Error::cancelled()),
        _ => Err(open::failed(Path::new("the database"), error)),
    }
}
