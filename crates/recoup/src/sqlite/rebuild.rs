//! Making the objects of a schema again, in an order in which nothing runs: tables first, then (after the rows)
//! indexes, and last, written straight into `sqlite_schema`, what has no pages of its own: virtual tables,
//! triggers and views. So no trigger fires, no view is run, and a module need not be there.
//!
//! Not here: the rows. The statements may come from a hostile document: only one `CREATE` statement of the right
//! kind is ever prepared for each, under an authorizer that lets it do nothing else, and in the end the schema
//! must be the one that was asked for, word for word.

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::schema::{self, Object, ObjectKind, failed, is_internal_name, starts_with_words};
use crate::error::{Error, ErrorKind, Result};

/// Makes every table that has rows of its own.
pub fn create_tables(connection: &Connection, objects: &[Object]) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).map_err(failed("preparing"))?;
    for object in objects.iter().filter(|o| o.kind == ObjectKind::Table && !o.is_virtual_table()) {
        let exists = connection
            .prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = ?1")
            .and_then(|mut statement| statement.exists([&object.name]));
        // The first AUTOINCREMENT table brings sqlite_sequence along.
        if is_internal_name(&object.name) && exists.map_err(failed("reading the schema"))? {
            continue;
        }
        // The names that SQLite keeps for itself are free only while the schema is writable.
        let reserved = is_internal_name(&object.name);
        if reserved {
            set(connection, "PRAGMA writable_schema = ON")?;
        }
        let made = create_table(connection, object);
        if reserved {
            set(connection, "PRAGMA writable_schema = OFF")?;
        }
        made?;
    }
    Ok(())
}

/// Makes everything else, and compares the whole with `objects`.
pub fn create_the_rest(connection: &Connection, objects: &[Object]) -> Result<()> {
    for object in objects.iter().filter(|object| object.kind == ObjectKind::Index) {
        create_index(connection, object)?;
    }
    set(connection, "PRAGMA writable_schema = ON")?;
    // In the order in which they were made: a trigger may stand on a view.
    let has_pages = |object: &&Object| match object.kind {
        ObjectKind::Table => !object.is_virtual_table(),
        kind => kind == ObjectKind::Index,
    };
    for object in objects.iter().filter(|object| !has_pages(object)) {
        let words = match object.kind {
            ObjectKind::Table => "CREATE VIRTUAL TABLE",
            ObjectKind::Trigger => "CREATE TRIGGER",
            _ => "CREATE VIEW",
        };
        if !starts_with_words(&object.sql, words) {
            return Err(not_its_kind(object));
        }
        connection
            .execute(
                "INSERT INTO sqlite_schema(type, name, tbl_name, rootpage, sql) VALUES (?1, ?2, ?3, 0, ?4)",
                (object.kind.word(), &object.name, &object.table, &object.sql),
            )
            .map_err(failed(format!("writing {} {}", object.kind.word(), object.name)))?;
    }
    set(connection, "PRAGMA writable_schema = RESET")?;
    let mut made = schema::read(connection)?.objects;
    let mut asked = objects.to_vec();
    made.sort();
    asked.sort();
    match asked.iter().zip(&made).find(|(asked, made)| asked != made) {
        Some((asked, _)) => Err(differs(asked)),
        None if asked.len() != made.len() => {
            Err(Error::new(ErrorKind::Failed, "schema_differs", "The schema cannot be made again as it is"))
        }
        None => Ok(()),
    }
}

/// Makes one table that has rows of its own.
pub fn create_table(connection: &Connection, object: &Object) -> Result<()> {
    create(connection, object, &["CREATE TABLE"])
}

/// Makes one index.
pub fn create_index(connection: &Connection, object: &Object) -> Result<()> {
    create(connection, object, &["CREATE INDEX", "CREATE UNIQUE INDEX"])
}

fn create(connection: &Connection, object: &Object, allowed: &[&str]) -> Result<()> {
    if !allowed.iter().any(|words| starts_with_words(&object.sql, words)) {
        return Err(not_its_kind(object));
    }
    let doing = || format!("making {} {}", object.kind.word(), object.name);
    connection.authorizer(Some(only_create)).map_err(failed(doing()))?;
    let made = connection.prepare(&object.sql).and_then(|mut statement| statement.execute([]));
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(failed(doing()))?;
    made.map_err(failed(doing()))?;
    Ok(())
}

fn only_create(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select
        | AuthAction::Recursive
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. }
        | AuthAction::CreateVtable { .. } => Authorization::Deny,
        _ => Authorization::Allow,
    }
}

fn set(connection: &Connection, pragma: &str) -> Result<()> {
    connection.execute_batch(pragma).map_err(failed("preparing the schema"))
}

fn not_its_kind(object: &Object) -> Error {
    Error::new(ErrorKind::Failed, "schema_differs", "The schema cannot be made again as it is").because(format!(
        "the statement of {} {} is not one",
        object.kind.word(),
        object.name
    ))
}

fn differs(object: &Object) -> Error {
    Error::new(ErrorKind::Failed, "schema_differs", "The schema cannot be made again as it is").because(format!(
        "{} {} would be another",
        object.kind.word(),
        object.name
    ))
}
