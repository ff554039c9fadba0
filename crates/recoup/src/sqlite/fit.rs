//! Whether the rows of a table fit another table of the same name, and why they do not.
//!
//! Not here: moving them ([`super::table`]).

use rusqlite::ErrorCode;

use super::schema::{Rowid, Table, TableKind};
use crate::error::{Error, ErrorKind};

/// Why rows of one do not fit the other; `None` when they do.
pub(super) fn difference(backup: &Table, live: &Table) -> Option<String> {
    if live.kind != TableKind::Ordinary {
        return Some("the live one is not a plain table".into());
    }
    let rowid = |table: &Table| table.rowid != Rowid::None;
    for (what, ours, theirs) in
        [("STRICT", backup.strict, live.strict), ("WITHOUT ROWID", !rowid(backup), !rowid(live))]
    {
        if ours != theirs {
            let (with, without) =
                if ours { ("the backup's", "the live one") } else { ("the live one", "the backup's") };
            return Some(format!("{with} is {what}, {without} is not"));
        }
    }
    let names = |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (ours, theirs) = (names(backup), names(live));
    if ours != theirs {
        let only = |some: &[String], others: &[String]| -> Vec<String> {
            some.iter().filter(|name| !others.contains(name)).cloned().collect()
        };
        return Some(match (only(&ours, &theirs).join(", "), only(&theirs, &ours).join(", ")) {
            (backup, live) if backup.is_empty() && live.is_empty() => "the columns are in another order".into(),
            (backup, live) if live.is_empty() => format!("only the backup has the column {backup}"),
            (backup, live) if backup.is_empty() => format!("only the live database has the column {live}"),
            (backup, live) => format!("the backup has the column {backup}, the live database {live}"),
        });
    }
    for (ours, theirs) in backup.columns.iter().zip(&live.columns) {
        let name = &ours.name;
        if !ours.declared.eq_ignore_ascii_case(&theirs.declared) {
            let (ours, theirs) = (&ours.declared, &theirs.declared);
            return Some(format!("column {name} is {ours:?} in the backup and {theirs:?} in the live database"));
        }
        if ours.key != theirs.key {
            return Some(format!("column {name} has another place in the primary key"));
        }
        if ours.generated != theirs.generated {
            return Some(format!("column {name} is generated on one side only"));
        }
    }
    (backup.rowid != live.rowid).then(|| "the rowid is another column".into())
}

pub(super) fn differs(table: &Table, what: String) -> Error {
    let text = format!("Table {} is not the same table in the live database: {what}", table.name);
    Error::new(ErrorKind::Failed, "table_differs", text)
        .hint("restore the table into a new file with --to, and take from there what is needed")
}

pub(super) fn changed_on_the_way(table: &Table) -> Error {
    differs(table, "it would not hold the same values".into())
}

/// SQLite's words about rows that do not fit and about what is missing, in ours.
pub(super) fn explain(error: Error, table: &Table) -> Error {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<rusqlite::Error>());
    let Some(cause) = cause else { return error };
    if let Some(what) = super::missing::what(cause) {
        let text = format!("Table {} needs what only the application has: {what}", table.name);
        return Error::new(ErrorKind::Unsupported, "table_needs_application", text).hint("restore the whole database");
    }
    if cause.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) {
        return differs(table, format!("it refuses rows of the backup ({cause})"));
    }
    error
}
