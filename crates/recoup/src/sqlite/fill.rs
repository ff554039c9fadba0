//! Putting rows into a table bit for bit: every storage class as it was read, rowids included.
//!
//! Not here: making the table ([`super::rebuild`]), and where the rows come from.

use rusqlite::{Connection, Statement};

use super::rows::{Value, bindable, expressions};
use super::schema::{Encoding, Table, failed, quote};
use crate::error::Result;

/// A table that is being filled. Rows are given as [`super::rows::expressions`] names their values. The conflict
/// clauses of the table's constraints are overruled: a row that does not fit is an error, never a silent loss.
pub struct Filling<'c> {
    connection: &'c Connection,
    table: String,
    encoding: Encoding,
    columns: String,
    plain: Statement<'c>,
}

impl<'c> Filling<'c> {
    /// Prepares to fill `table` of a database that stores text in `encoding`.
    pub fn new(connection: &'c Connection, table: &Table, encoding: Encoding) -> Result<Self> {
        let columns = expressions(table);
        let marks = vec!["?"; columns.len()].join(", ");
        let columns = columns.join(", ");
        let plain = connection.prepare(&insertion(&table.name, &columns, &marks)).map_err(failed("preparing rows"))?;
        Ok(Filling { connection, table: table.name.clone(), encoding, columns, plain })
    }

    /// Adds one row.
    pub fn insert(&mut self, row: Vec<Value<'_>>) -> Result<()> {
        let row: Vec<Value<'_>> = row.into_iter().map(|value| bindable(value, self.encoding)).collect();
        let odd = |value: &Value<'_>| matches!(value, Value::OddText(_));
        let parameters = rusqlite::params_from_iter(&row);
        let done = if row.iter().any(odd) {
            let marks: Vec<&str> = row.iter().map(|v| if odd(v) { "CAST(? AS TEXT)" } else { "?" }).collect();
            let sql = insertion(&self.table, &self.columns, &marks.join(", "));
            self.connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(parameters))
        } else {
            self.plain.execute(parameters)
        };
        done.map(drop).map_err(failed(format!("writing rows of table {}", self.table)))
    }
}

/// `OR ABORT` overrules the conflict clauses that the table's own constraints may have.
fn insertion(table: &str, columns: &str, marks: &str) -> String {
    format!("INSERT OR ABORT INTO main.{} ({columns}) VALUES ({marks})", quote(table))
}
