//! One table out of a backup: alone in a new file, or in the place of the live one. Rows are read through one
//! connection and written with bound values through another, so that nothing of the backup is ever run and every
//! storage class stays what it is.
//!
//! Not here: what stands around the table in the live database ([`super::around`]), and bringing the changed copy
//! into place.

use std::path::Path;

use rusqlite::Connection;

use super::around::{self, Violations};
use super::digest::{RowsHash, table_digest};
use super::fill::Filling;
use super::fit::{changed_on_the_way, difference, differs, explain};
use super::open::{open_scratch, open_to_change};
use super::rebuild::{create_index, create_table};
use super::rows::{prepare, write_json_row};
use super::schema::{self, Object, ObjectKind, Schema, Table, TableKind, failed, is_internal_name, quote};
use super::side::Side;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Warning;
use crate::progress::Context;

/// What putting one table into a database did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// Rows that the table had.
    pub rows_before: u64,
    /// Rows that it has now: those of the backup.
    pub rows_after: u64,
    /// Rows of this or another table that refer to nothing now and did not before.
    pub new_foreign_key_violations: u64,
    /// What to look at: triggers that did not run, indexes for searching that were or must be built again.
    pub notes: Vec<Warning>,
}

/// Makes the new database file `to` (0600, fsynced) that holds only `table` of `from`, a private copy: its rows with
/// their rowids bit for bit, its indexes and its sequence, in the same page size and encoding. Its triggers stay
/// behind, because they refer to other tables. Returns the number of rows.
///
/// Errors: `table_not_found`, `not_a_plain_table` for what has no rows of its own, `table_needs_application` when an
/// index needs what only the application has, `already_exists`. On any error there is no file.
pub fn alone(from: &Path, table: &str, to: &Path, context: &Context) -> Result<u64> {
    let side = Side::open(from)?;
    let table = side.pick(table)?;
    let connection = open_scratch(to)?;
    let made = fill_alone(&side, table, connection, to, context);
    if made.is_err() {
        let _ = std::fs::remove_file(to);
    }
    made
}

/// Replaces the rows of `table` in `live_copy`, a private copy of the live database that is changed in place, by
/// those of `backup`, in one transaction: on any error the copy is as it was. Triggers do not fire. A table that is
/// missing is made, with its indexes; one that is there keeps its definition, its indexes and its triggers. Its
/// sequence (`AUTOINCREMENT`) never goes back. Full-text indexes over the table are built again.
///
/// Errors: `table_not_found`, `not_a_plain_table`, `table_needs_application`, and `table_differs` when the rows
/// would not fit the table that is there.
pub fn into(backup: &Path, table: &str, live_copy: &Path, context: &Context) -> Result<Merged> {
    let side = Side::open(backup)?;
    let table = side.pick(table)?;
    let live = open_to_change(live_copy)?;
    let doing = || format!("restoring table {}", table.name);
    live.execute_batch("BEGIN IMMEDIATE").map_err(failed(doing()))?;
    let merged = merge(&side, table, &live, context).and_then(|merged| {
        live.execute_batch("COMMIT").map_err(failed(doing()))?;
        Ok(merged)
    });
    if merged.is_err() {
        // A failed COMMIT may have rolled back already.
        let _ = live.execute_batch("ROLLBACK");
    }
    // Closing would swallow a checkpoint that fails, and leave the rows beside the file.
    let folded = live.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    let closed = live.close().map_err(|(_, error)| error);
    let merged = merged.map_err(|error| explain(error, table))?;
    folded.and(closed).map_err(failed(doing()))?;
    Ok(merged)
}

impl Side {
    /// The table of this name, if its rows can be taken by themselves.
    fn pick(&self, name: &str) -> Result<&Table> {
        let refused = |why: String| {
            Err(Error::new(ErrorKind::Unsupported, "not_a_plain_table", format!("Cannot restore {name} alone: {why}"))
                .hint("restore the whole database, to a new place with --to if only this is wanted"))
        };
        if is_internal_name(name) {
            return refused("it belongs to SQLite itself".into());
        }
        match find(&self.schema, name) {
            Some(Table { kind: TableKind::Virtual { module }, .. }) => {
                refused(format!("it is a virtual table, its module {module} keeps the rows elsewhere"))
            }
            Some(Table { kind: TableKind::Shadow { of }, .. }) => {
                refused(format!("the virtual table {of} keeps its rows there"))
            }
            Some(table) => Ok(table),
            None => match object(&self.schema, name) {
                Some(object) => refused(format!("it is {}, not a table", a(object.kind))),
                None => Err(self.unknown(name)),
            },
        }
    }

    fn unknown(&self, name: &str) -> Error {
        let tables =
            self.schema.tables.iter().filter(|table| table.kind == TableKind::Ordinary && !table.is_internal());
        let names: Vec<&str> = tables.map(|table| table.name.as_str()).collect();
        let error =
            Error::new(ErrorKind::NotFound, "table_not_found", format!("Table not found in the backup: {name}"));
        match nearest(name, &names) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None if names.is_empty() => error.hint("the database in the backup has no tables"),
            None => error.hint(format!("the backup has {}", names.join(", "))),
        }
    }

    /// `CREATE TABLE` and, after the rows, every `CREATE INDEX`.
    fn definition(&self, table: &Table) -> Result<&Object> {
        let mut objects = self.schema.objects.iter().filter(|object| object.kind == ObjectKind::Table);
        objects
            .find(|object| object.name == table.name)
            .ok_or_else(|| Error::corrupted(format!("table {} has no definition", table.name)))
    }

    fn belonging(&self, table: &Table, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        let of = table.name.clone();
        self.schema.objects.iter().filter(move |o| o.kind == kind && o.table.eq_ignore_ascii_case(&of))
    }

    /// Copies every row into the same table behind `filling`; returns their number and their digest.
    fn copy(&self, table: &Table, filling: &mut Filling<'_>, context: &Context) -> Result<(u64, String)> {
        let mut hash = RowsHash::default();
        let mut line = Vec::new();
        let mut unreported = 0;
        let mut reading = prepare(&self.connection, table, self.schema.encoding)?;
        let mut rows = reading.rows()?;
        while let Some(row) = rows.next_row()? {
            line.clear();
            write_json_row(&row, &mut line);
            hash.add(&line);
            filling.insert(row)?;
            unreported += line.len() as u64;
            if unreported > 1 << 18 {
                context.advance(std::mem::take(&mut unreported))?;
            }
        }
        context.advance(unreported)?;
        Ok((hash.rows(), hash.finish()))
    }
}

fn fill_alone(side: &Side, table: &Table, new: Connection, to: &Path, context: &Context) -> Result<u64> {
    let doing = || format!("writing table {} into a new file", table.name);
    let run = |sql: &str| new.execute_batch(sql).map_err(failed(doing()));
    let Schema { page_size, encoding, auto_vacuum, user_version, application_id, .. } = side.schema;
    run(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA encoding = '{}'; PRAGMA auto_vacuum = {auto_vacuum};
         PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = FILE; BEGIN",
        encoding.word()
    ))?;
    let make = || -> Result<(u64, String)> {
        make_table(&new, side, table)?;
        let mut filling = Filling::new(&new, table, encoding)?;
        let copied = side.copy(table, &mut filling, context)?;
        for index in side.belonging(table, ObjectKind::Index) {
            make_index(&new, index)?;
        }
        Ok(copied)
    };
    let (rows, sha256) = make().map_err(|error| explain(error, table))?;
    if has_sequences(&new)? {
        new.execute("DELETE FROM sqlite_sequence", []).map_err(failed(doing()))?;
        if let Some(seq) = sequence(&side.connection, &table.name)? {
            let sql = "INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)";
            new.execute(sql, (&table.name, seq)).map_err(failed(doing()))?;
        }
    }
    run(&format!("PRAGMA user_version = {user_version}; PRAGMA application_id = {application_id}; COMMIT"))?;
    new.close().map_err(|(_, error)| failed(doing())(error))?;
    super::copy::sync(to)?;
    let made = Side::open(to)?;
    if table_digest(&made.connection, made.pick(&table.name)?, encoding, context)? != sha256 {
        return Err(changed_on_the_way(table));
    }
    Ok(rows)
}

fn merge(side: &Side, table: &Table, live: &Connection, context: &Context) -> Result<Merged> {
    let doing = || format!("restoring table {}", table.name);
    let before = schema::read(live)?;
    if before.encoding != side.schema.encoding {
        let (theirs, ours) = (before.encoding.word(), side.schema.encoding.word());
        return Err(differs(table, format!("the live database stores text as {theirs}, the backup as {ours}")));
    }
    let mut merged = Merged::default();
    let violations = Violations::before(live, &before, &table.name)?;
    match find(&before, &table.name) {
        Some(there) => {
            if let Some(what) = difference(table, there) {
                return Err(differs(table, what));
            }
            let here = quote(&there.name);
            let count = live.query_row(&format!("SELECT count(*) FROM main.{here}"), [], |row| row.get::<_, i64>(0));
            merged.rows_before = count.map_err(failed(doing()))?.unsigned_abs();
            live.execute(&format!("DELETE FROM main.{here}"), []).map_err(failed(doing()))?;
        }
        None => {
            if let Some(other) = object(&before, &table.name) {
                return Err(differs(table, format!("the live database has {} of that name", a(other.kind))));
            }
            make_table(live, side, table)?;
        }
    }
    let created = find(&before, &table.name).is_none();
    let after = if created { schema::read(live)? } else { before };
    let there = find(&after, &table.name).ok_or_else(|| changed_on_the_way(table))?;
    let (rows, sha256) = side.copy(table, &mut Filling::new(live, there, after.encoding)?, context)?;
    merged.rows_after = rows;
    if table_digest(live, there, after.encoding, context)? != sha256 {
        return Err(changed_on_the_way(table));
    }
    if created {
        make_the_rest(live, side, table, &after, &mut merged.notes)?;
    } else {
        note_what_stayed(side, table, &after, &mut merged.notes);
    }
    raise_sequence(live, &side.connection, &table.name, there)?;
    around::search(live, &after, &there.name, &mut merged.notes)?;
    merged.new_foreign_key_violations = violations.new_ones(live, &mut merged.notes)?;
    context.check()?;
    Ok(merged)
}

/// The indexes of a table that was missing; its triggers are left to the person.
fn make_the_rest(
    live: &Connection,
    side: &Side,
    table: &Table,
    schema: &Schema,
    notes: &mut Vec<Warning>,
) -> Result<()> {
    for index in side.belonging(table, ObjectKind::Index) {
        if object(schema, &index.name).is_none() {
            make_index(live, index)?;
        } else {
            let text = format!("Index {} was not made, the live database uses that name", index.name);
            notes.push(Warning::new("index_left_out", text));
        }
    }
    let triggers: Vec<&str> = side.belonging(table, ObjectKind::Trigger).map(|o| o.name.as_str()).collect();
    if !triggers.is_empty() {
        let text = format!(
            "Table {} was made again without its triggers ({}), which refer to other tables",
            table.name,
            triggers.join(", ")
        );
        notes.push(Warning::new("triggers_left_out", text));
    }
    Ok(())
}

fn note_what_stayed(side: &Side, table: &Table, live: &Schema, notes: &mut Vec<Warning>) {
    let sql = |schema: &Schema| {
        let object = schema.objects.iter().find(|o| o.kind == ObjectKind::Table && same(&o.name, &table.name));
        object.map(|object| object.sql.clone())
    };
    if sql(live) != sql(&side.schema) {
        let text =
            format!("Table {} is defined in other words than in the backup; its live definition stays", table.name);
        notes.push(Warning::new("table_definition_kept", text));
    }
    let on_it = live.objects.iter().filter(|o| o.kind == ObjectKind::Trigger && same(&o.table, &table.name));
    let triggers: Vec<&str> = on_it.map(|object| object.name.as_str()).collect();
    if !triggers.is_empty() {
        let text = format!(
            "The triggers of table {} did not run ({}): what they keep up to date elsewhere may not fit its rows",
            table.name,
            triggers.join(", ")
        );
        notes.push(Warning::new("triggers_not_run", text));
    }
}

/// Makes the table, and looks whether the statement, which may be anybody's, has made just that.
fn make_table(connection: &Connection, side: &Side, table: &Table) -> Result<()> {
    let wanted = side.definition(table)?;
    create_table(connection, wanted)?;
    is_made(connection, wanted)
}

fn make_index(connection: &Connection, index: &Object) -> Result<()> {
    create_index(connection, index)?;
    is_made(connection, index)
}

fn is_made(connection: &Connection, wanted: &Object) -> Result<()> {
    let sql = "SELECT 1 FROM sqlite_schema WHERE (type, name, tbl_name, sql) = (?1, ?2, ?3, ?4)";
    let made = connection
        .prepare_cached(sql)
        .and_then(|mut s| s.exists((wanted.kind.word(), &wanted.name, &wanted.table, &wanted.sql)));
    if made.map_err(failed("reading the schema"))? {
        return Ok(());
    }
    let what = format!("the statement of {} {} makes something else", wanted.kind.word(), wanted.name);
    Err(Error::corrupted(what))
}

fn has_sequences(connection: &Connection) -> Result<bool> {
    let mut statement =
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").map_err(failed("reading"))?;
    statement.exists([]).map_err(failed("reading the schema"))
}

/// What `sqlite_sequence` says about a table (<https://sqlite.org/autoinc.html>).
fn sequence(connection: &Connection, table: &str) -> Result<Option<rusqlite::types::Value>> {
    if !has_sequences(connection)? {
        return Ok(None);
    }
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1 COLLATE NOCASE";
    let mut statement = connection.prepare(sql).map_err(failed("reading sequences"))?;
    let mut rows = statement.query([table]).map_err(failed("reading sequences"))?;
    let Some(row) = rows.next().map_err(failed("reading sequences"))? else { return Ok(None) };
    row.get(0).map(Some).map_err(failed("reading sequences"))
}

/// The larger of both sides' sequences: an id that was given out once is never given out again.
fn raise_sequence(live: &Connection, backup: &Connection, name: &str, there: &Table) -> Result<()> {
    let Some(rusqlite::types::Value::Integer(seq)) = sequence(backup, name)? else { return Ok(()) };
    if !has_sequences(live)? {
        return Ok(());
    }
    let doing = "raising the sequence";
    let raise = "UPDATE sqlite_sequence SET seq = CASE typeof(seq) WHEN 'integer' THEN max(seq, ?2) ELSE ?2 END \
                 WHERE name = ?1";
    if live.execute(raise, (&there.name, seq)).map_err(failed(doing))? == 0 {
        let insert = "INSERT INTO sqlite_sequence(name, seq) VALUES (?1, ?2)";
        live.execute(insert, (&there.name, seq)).map_err(failed(doing))?;
    }
    Ok(())
}

fn a(kind: ObjectKind) -> String {
    format!("{} {}", if kind == ObjectKind::Index { "an" } else { "a" }, kind.word())
}

fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
}

/// By its exact name, else as SQLite compares names.
fn find<'s>(schema: &'s Schema, name: &str) -> Option<&'s Table> {
    schema.table(name).or_else(|| schema.tables.iter().find(|table| same(&table.name, name)))
}

fn object<'s>(schema: &'s Schema, name: &str) -> Option<&'s Object> {
    schema.objects.iter().find(|object| same(&object.name, name))
}

/// The name that shares the longest beginning and end with what was asked for, if that is most of it.
fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let shared = |other: &str| {
        let (a, b) = (name.to_lowercase(), other.to_lowercase());
        let longest = a.len().min(b.len());
        let start = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
        let end = a.bytes().rev().zip(b.bytes().rev()).take_while(|(a, b)| a == b).count();
        (start + end).min(longest)
    };
    let best = names.iter().copied().max_by_key(|other| shared(other))?;
    (shared(best) * 2 > name.len().max(best.len())).then_some(best)
}
