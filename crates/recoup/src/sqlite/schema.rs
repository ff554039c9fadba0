//! The schema of a database as values: its objects word for word, its tables with their columns and keys, and
//! the settings that live in the file. Reading it runs nothing of the application's: views and triggers are
//! only text here.
//!
//! Not here: the rows ([`super::rows`]) and judging whether a schema is sound.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// How a database stores text (`PRAGMA encoding`). It is chosen once, at creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// UTF-16, little-endian.
    #[serde(rename = "UTF-16le")]
    Utf16le,
    /// UTF-16, big-endian.
    #[serde(rename = "UTF-16be")]
    Utf16be,
}

impl Encoding {
    /// The word that `PRAGMA encoding` uses.
    pub fn word(self) -> &'static str {
        match self {
            Encoding::Utf8 => "UTF-8",
            Encoding::Utf16le => "UTF-16le",
            Encoding::Utf16be => "UTF-16be",
        }
    }
}

/// The four kinds of schema objects, as in `sqlite_schema.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// A table, virtual ones included.
    Table,
    /// An index with SQL of its own; those that `UNIQUE` and `PRIMARY KEY` imply are not listed.
    Index,
    /// A trigger.
    Trigger,
    /// A view.
    View,
}

impl ObjectKind {
    /// The word in `sqlite_schema.type`.
    pub fn word(self) -> &'static str {
        match self {
            ObjectKind::Table => "table",
            ObjectKind::Index => "index",
            ObjectKind::Trigger => "trigger",
            ObjectKind::View => "view",
        }
    }
}

/// One row of `sqlite_schema`, word for word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Object {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// The statement that made it, as SQLite keeps it.
    pub sql: String,
}

impl Object {
    /// Whether this is a virtual table; SQLite always keeps their statement with these first words.
    pub fn is_virtual_table(&self) -> bool {
        self.kind == ObjectKind::Table && starts_with_words(&self.sql, "CREATE VIRTUAL TABLE")
    }
}

/// What kind of table it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    /// Rows in a b-tree of its own.
    Ordinary,
    /// Rows in a b-tree of its own that a virtual table keeps there. Known only for modules of this build.
    Shadow {
        /// The virtual table.
        of: String,
    },
    /// No rows of its own: a module answers for it.
    Virtual {
        /// The module, as written after `USING`.
        module: String,
    },
}

/// How the rowid of a table is reached (<https://sqlite.org/lang_createtable.html#rowid>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rowid {
    /// `INTEGER PRIMARY KEY`: this column (an index into [`Table::columns`]) is the rowid.
    Column(usize),
    /// By one of the names `rowid`, `_rowid_` and `oid`: the first that no column has taken.
    Name(&'static str),
    /// There is one, but columns have taken all three names.
    Unreachable,
    /// `WITHOUT ROWID`, or not a table with rows of its own.
    None,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Declared type, as written; may be empty.
    pub declared: String,
    /// Position in the primary key, from 1; 0 when it is not part of it.
    pub key: u32,
    /// `NOT NULL`.
    pub not_null: bool,
    /// Generated, stored or virtual: its value follows from the other columns.
    pub generated: bool,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// `STRICT`.
    pub strict: bool,
    /// Columns in declared order; empty for virtual tables.
    pub columns: Vec<Column>,
    /// How its rowid is reached.
    pub rowid: Rowid,
}

impl Table {
    /// Belongs to SQLite itself: `sqlite_sequence`, `sqlite_stat1` and the like.
    pub fn is_internal(&self) -> bool {
        is_internal_name(&self.name)
    }
    /// Has rows of its own, so that its rows can be read without any module.
    pub fn has_rows(&self) -> bool {
        !matches!(self.kind, TableKind::Virtual { .. })
    }
    /// The columns whose values are stored rather than generated.
    pub fn stored_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.generated)
    }
    /// The columns of the declared primary key, in key order.
    pub fn key_columns(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|column| column.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }
}

/// Everything that a schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// `PRAGMA encoding`.
    pub encoding: Encoding,
    /// `PRAGMA page_size` in bytes.
    pub page_size: u32,
    /// `PRAGMA auto_vacuum`.
    pub auto_vacuum: u32,
    /// `PRAGMA user_version`.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// Every object that has SQL, in the order in which it was made.
    pub objects: Vec<Object>,
    /// Every table, in the order in which it was made.
    pub tables: Vec<Table>,
}

impl Schema {
    /// A table by its exact name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }
}

/// Reads the schema through `connection`. Fails with [`ErrorKind::Unsupported`] on names that are not UTF-8,
/// which SQLite keeps but whose tables cannot be addressed in SQL text.
pub fn read(connection: &Connection) -> Result<Schema> {
    read_rows(connection).map_err(failed("reading the schema"))
}

fn read_rows(connection: &Connection) -> rusqlite::Result<Schema> {
    let objects = connection
        .prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?
        .query_map([], |row| {
            let kind = match row.get_ref(0)?.as_bytes().unwrap_or_default() {
                b"table" => ObjectKind::Table,
                b"index" => ObjectKind::Index,
                b"trigger" => ObjectKind::Trigger,
                b"view" => ObjectKind::View,
                _ => return Err(rusqlite::Error::InvalidColumnName("sqlite_schema.type".into())),
            };
            Ok(Object { kind, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? })
        })?
        .collect::<rusqlite::Result<Vec<Object>>>()?;
    let encoding = match connection.query_row("PRAGMA encoding", [], |row| row.get::<_, String>(0))?.as_str() {
        "UTF-16le" => Encoding::Utf16le,
        "UTF-16be" => Encoding::Utf16be,
        _ => Encoding::Utf8,
    };
    Ok(Schema {
        encoding,
        page_size: connection.query_row("PRAGMA page_size", [], |row| row.get(0))?,
        auto_vacuum: connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?,
        user_version: connection.query_row("PRAGMA user_version", [], |row| row.get(0))?,
        application_id: connection.query_row("PRAGMA application_id", [], |row| row.get(0))?,
        tables: read_tables(connection, &objects)?,
        objects,
    })
}

fn read_tables(connection: &Connection, objects: &[Object]) -> rusqlite::Result<Vec<Table>> {
    let mut flags = std::collections::BTreeMap::new();
    let mut list = connection.prepare("SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'")?;
    let mut rows = list.query([])?;
    while let Some(row) = rows.next()? {
        let shadow = row.get_ref(1)?.as_bytes().unwrap_or_default() == b"shadow";
        flags.insert(row.get::<_, String>(0)?, (shadow, row.get::<_, bool>(2)?, row.get::<_, bool>(3)?));
    }
    let virtual_names: Vec<&str> = objects.iter().filter(|o| o.is_virtual_table()).map(|o| o.name.as_str()).collect();
    let mut columns_of = connection
        .prepare("SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid")?;
    let mut key_index_of = connection.prepare("SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk'")?;
    let mut tables = Vec::new();
    for object in objects.iter().filter(|object| object.kind == ObjectKind::Table) {
        let name = object.name.clone();
        if object.is_virtual_table() {
            let module = module_of(&object.sql);
            let kind = TableKind::Virtual { module };
            tables.push(Table { name, kind, strict: false, columns: Vec::new(), rowid: Rowid::None });
            continue;
        }
        let (shadow, without_rowid, strict) = flags.get(&name).copied().unwrap_or_default();
        let columns = columns_of
            .query_map([&name], |row| {
                let hidden: u32 = row.get(4)?;
                Ok(Column {
                    name: row.get(0)?,
                    declared: row.get(1)?,
                    not_null: row.get(2)?,
                    key: row.get(3)?,
                    generated: hidden == 2 || hidden == 3,
                })
            })?
            .collect::<rusqlite::Result<Vec<Column>>>()?;
        // A primary key has an index of its own unless it is the rowid itself. This also tells the historical
        // exception `INTEGER PRIMARY KEY DESC`, which is no rowid, from the rule.
        let has_key_index = key_index_of.exists([&name])?;
        let rowid = rowid_of(&columns, without_rowid, has_key_index);
        let kind = match owner_of(&name, &virtual_names) {
            Some(of) if shadow => TableKind::Shadow { of: of.to_owned() },
            _ => TableKind::Ordinary,
        };
        tables.push(Table { name, kind, strict, columns, rowid });
    }
    Ok(tables)
}

fn rowid_of(columns: &[Column], without_rowid: bool, has_key_index: bool) -> Rowid {
    if without_rowid {
        return Rowid::None;
    }
    if !has_key_index && let Some(at) = columns.iter().position(|column| column.key > 0) {
        return Rowid::Column(at);
    }
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| columns.iter().all(|column| !column.name.eq_ignore_ascii_case(name)))
        .map_or(Rowid::Unreachable, Rowid::Name)
}

/// The virtual table that a shadow table belongs to: the longest name that `<name>_` starts it with.
fn owner_of<'a>(shadow: &str, virtual_names: &[&'a str]) -> Option<&'a str> {
    virtual_names
        .iter()
        .copied()
        .filter(|owner| {
            let (Some(start), Some(b'_')) = (shadow.get(..owner.len()), shadow.as_bytes().get(owner.len())) else {
                return false;
            };
            start.eq_ignore_ascii_case(owner)
        })
        .max_by_key(|owner| owner.len())
}

/// The word after `USING`, outside of quotes and comments; for people only.
fn module_of(sql: &str) -> String {
    let mut using = false;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' | '\'' | '`' => rest[1..].find(first).map_or(rest.len(), |at| at + 2),
            '[' => rest.find(']').map_or(rest.len(), |at| at + 1),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, tail) = rest.split_at(end);
        if using && (is_word(first) || matches!(first, '"' | '\'' | '`' | '[')) {
            return token.trim_matches(['"', '\'', '`', '[', ']']).to_owned();
        }
        using |= token.eq_ignore_ascii_case("USING");
        rest = tail;
    }
    String::new()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// Whether `sql` starts with these upper-case words, each followed by one space.
pub fn starts_with_words(sql: &str, words: &str) -> bool {
    sql.get(..words.len()).is_some_and(|start| start.eq_ignore_ascii_case(words))
        && sql.as_bytes().get(words.len()) == Some(&b' ')
}

/// Whether a name is one of those that SQLite keeps for itself.
pub fn is_internal_name(name: &str) -> bool {
    name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"))
}

/// An identifier, quoted so that any name is only a name (<https://sqlite.org/lang_keywords.html>).
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What went wrong in SQLite, classified: a full disk, damage, somebody else's lock, names that are not text.
pub fn failed(doing: impl Into<String>) -> impl FnOnce(rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    move |error| {
        let doing = doing.into();
        let (kind, code, message) = match (&error, error.sqlite_error_code()) {
            (_, Some(ErrorCode::DiskFull)) => return Error::no_space(error.to_string()).while_(doing),
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) => {
                (ErrorKind::Corrupted, "database_corrupted", "Database is corrupted".to_owned())
            }
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                (ErrorKind::Busy, "db_in_use", "Database is in use".to_owned())
            }
            (rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::Utf8Error(..), _) => {
                (ErrorKind::Unsupported, "name_not_text", "Names in the schema are not valid text".to_owned())
            }
            (
                _,
                Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::OutOfMemory),
            ) => (ErrorKind::Failed, "sqlite_io", format!("{doing}: {error}")),
            _ => (ErrorKind::Failed, "sqlite", format!("{doing}: {error}")),
        };
        Error::new(kind, code, message).because(error).while_(doing)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn schema(sql: &str) -> Schema {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(sql).unwrap();
        read(&connection).unwrap()
    }

    #[test]
    fn a_rowid_is_found_by_whatever_name_is_left() {
        let schema = schema(
            "CREATE TABLE a(id INTEGER PRIMARY KEY, x);
             CREATE TABLE b(x);
             CREATE TABLE c(RowId, x);
             CREATE TABLE d(rowid, oid, _rowid_);
             CREATE TABLE e(rowid, oid, _rowid_ INTEGER PRIMARY KEY);
             CREATE TABLE f(id INTEGER PRIMARY KEY DESC);
             CREATE TABLE g(id INT PRIMARY KEY);
             CREATE TABLE h(id INTEGER PRIMARY KEY) WITHOUT ROWID;",
        );
        let found: Vec<Rowid> = schema.tables.iter().map(|table| table.rowid).collect();
        let name = Rowid::Name("rowid");
        let expected = [
            Rowid::Column(0),
            name,
            Rowid::Name("_rowid_"),
            Rowid::Unreachable,
            Rowid::Column(2),
            name,
            name,
            Rowid::None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn shadow_tables_know_their_virtual_table() {
        let schema = schema(
            "CREATE VIRTUAL TABLE a USING fts5(x); CREATE VIRTUAL TABLE a_b /* USING no */ USING \"fts5\" (x);
             CREATE TABLE a_plain(x);",
        );
        let of = |name: &str| schema.table(name).unwrap().kind.clone();
        assert_eq!(of("a_b_data"), TableKind::Shadow { of: "a_b".into() });
        assert_eq!(of("a_data"), TableKind::Shadow { of: "a".into() });
        assert_eq!(of("a_b"), TableKind::Virtual { module: "fts5".into() });
        assert_eq!(of("a_plain"), TableKind::Ordinary);
    }

    #[test]
    fn generated_columns_and_keys_are_told_apart() {
        let schema = schema(
            "CREATE TABLE t(a, b AS (a + 1), c TEXT NOT NULL AS (a || 'x') STORED, d, PRIMARY KEY (d, a))
             WITHOUT ROWID",
        );
        let table = schema.table("t").unwrap();
        let stored: Vec<&str> = table.stored_columns().map(|column| column.name.as_str()).collect();
        let key: Vec<&str> = table.key_columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!((stored, key), (vec!["a", "d"], vec!["d", "a"]));
    }
}
