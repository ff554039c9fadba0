//! Writing a key/value table of the live database: one transaction through SQLite, all of it or nothing.
//!
//! Not here: what to write ([`super::restore`]).

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, types};

use super::document::{TableOrigin, in_sql};
use super::restore::{TableRows, in_use};
use super::table::{all_rows, in_json, key_text, look};
use crate::error::{Error, ErrorKind, Result};
use crate::model::PathBytes;
use crate::progress::Context;
use crate::sqlite::open;
use crate::sqlite::schema::{failed, quote};

/// Makes the rows of a table what `change` says. Rows that are right already are not touched, and triggers do not
/// fire: they may need functions of the application. Foreign keys are enforced.
///
/// Errors: `Cannot restore while database is in use` (`db_in_use_restore`) when somebody holds the database for
/// longer than `busy`; `source_missing`, `settings_table_missing`, `settings_column_missing`;
/// `setting_not_written` when the table does not take a value as it is.
pub fn apply_table(change: &TableRows, busy: Duration, context: &Context) -> Result<()> {
    let connection = open::open_to_write(&change.database)?;
    begin(&connection, change, busy, context)?;
    let done = write(&connection, change, context)
        .and_then(|()| connection.execute_batch("COMMIT").map_err(failed("writing settings")));
    if done.is_err() {
        let _ = connection.execute_batch("ROLLBACK");
    }
    done.map_err(|error| error.while_(format!("writing settings into {}", change.database.display())))
}

/// Takes the lock that nothing can deny any more later: in rollback modes a commit would wait for readers.
fn begin(connection: &Connection, change: &TableRows, busy: Duration, context: &Context) -> Result<()> {
    let start = context.clock.monotonic();
    loop {
        context.check()?;
        let Err(error) = connection.execute_batch("BEGIN EXCLUSIVE") else { return Ok(()) };
        let error = open::failed(&change.database, error);
        if error.kind() != ErrorKind::Busy {
            return Err(error);
        }
        if context.clock.monotonic().saturating_sub(start) >= busy {
            return Err(in_use(error, &PathBytes::new(&change.database)));
        }
    }
}

fn write(connection: &Connection, change: &TableRows, context: &Context) -> Result<()> {
    let origin = TableOrigin {
        database: PathBytes::new(&change.database),
        table: change.table.clone(),
        key: change.key.clone(),
        value: change.value.clone(),
    };
    look(connection, &origin)?;
    let [table, key, value] = [&change.table, &change.key, &change.value].map(|name| quote(name));
    // As it is stored, whatever collation the column has.
    let matches = format!("{key} COLLATE BINARY IS ?1 AND typeof({key}) = typeof(?1)");
    let remove = format!("DELETE FROM {table} WHERE {matches}");
    let update = format!("UPDATE {table} SET {value} = ?2 WHERE {matches}");
    let insert = format!("INSERT OR ABORT INTO {table}({key}, {value}) VALUES (?1, ?2)");
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<()> {
        context.check()?;
        let mut statement = connection.prepare_cached(sql).map_err(failed("writing settings"))?;
        statement.execute(parameters).map(drop).map_err(failed("writing settings"))
    };
    // A key may be written in another way now; the old one goes first.
    let there = stored(connection, &origin)?;
    let gone: BTreeSet<&str> = change.remove.iter().map(String::as_str).collect();
    for (_, key, _) in there.iter().filter(|(text, ..)| gone.contains(text.as_str())) {
        run(&remove, &[key])?;
    }
    for (text, wanted) in &change.set {
        let Some(new) = in_sql(wanted) else { return Err(refused(change, text)) };
        let mut found = false;
        for (_, key, value) in there.iter().filter(|(other, ..)| other == text) {
            found = true;
            if value != wanted {
                run(&update, &[key, &new])?;
            }
        }
        if !found {
            run(&insert, &[&new_key(text), &new])?;
        }
    }
    let after = stored(connection, &origin)?;
    for (text, wanted) in &change.set {
        if !after.iter().any(|(other, _, value)| other == text && value == wanted) {
            return Err(refused(change, text));
        }
    }
    Ok(())
}

/// Every key as text and as it is stored, with its value in the document's words.
fn stored(connection: &Connection, origin: &TableOrigin) -> Result<Vec<(String, types::Value, serde_json::Value)>> {
    let read = || -> rusqlite::Result<Vec<_>> {
        let mut statement = connection.prepare(&all_rows(origin))?;
        let rows = statement.query_map([], |row| {
            let key = row.get_ref(0)?;
            // Text that is not UTF-8 cannot be bound as text; as a blob it matches no text, and is left alone.
            let blob = || types::Value::Blob(key.as_bytes().unwrap_or_default().to_vec());
            let stored = types::Value::try_from(key).unwrap_or_else(|_| blob());
            Ok((key_text(key), stored, in_json(row.get_ref(1)?)))
        })?;
        rows.collect()
    };
    read().map_err(failed("reading settings"))
}

/// A key that is not there yet: text, except where the document wrote bytes.
fn new_key(text: &str) -> types::Value {
    let bytes = serde_json::from_str::<serde_json::Value>(text).ok().filter(serde_json::Value::is_object);
    bytes.and_then(|value| in_sql(&value)).unwrap_or_else(|| types::Value::Text(text.to_owned()))
}

fn refused(change: &TableRows, key: &str) -> Error {
    let text = format!("Table {} does not take the setting {key} as it is in the backup", change.table);
    Error::new(ErrorKind::Failed, "setting_not_written", text)
        .hint("the table was changed since the backup; restore to a new place with --to and enter it by hand")
}
