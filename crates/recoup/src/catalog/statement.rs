//! A statement with only the conditions that are asked for, so that an index fits: `$1 = '' OR owner = $1` is a look at
//! every row, whoever plans it.

use sqlx::any::AnyArguments;
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::row::plain;

/// A text of SQL and its values. Conditions are texts of ours, never of anybody else's.
pub(super) struct Statement {
    sql: String,
    values: Vec<String>,
}

impl Statement {
    /// From a text that ends where the conditions begin.
    pub fn all(sql: &str) -> Self {
        Statement { sql: sql.to_owned(), values: Vec::new() }
    }

    /// From a text that ends where its first value belongs.
    pub fn new(sql: &str, value: &str) -> Self {
        Statement { sql: format!("{sql}$1"), values: vec![plain(value)] }
    }

    /// Adds a condition, if there is a value for it.
    pub fn also(&mut self, condition: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.values.push(plain(value));
            self.sql.push_str(&format!(" AND {condition} ${}", self.values.len()));
        }
    }

    /// Adds a condition without a value, or whatever else comes last.
    pub fn end(&mut self, text: &str) {
        self.sql.push(' ');
        self.sql.push_str(text);
    }

    /// Names a value; gives its placeholder.
    pub fn value(&mut self, value: &str) -> String {
        self.values.push(plain(value));
        format!("${}", self.values.len())
    }

    /// To be asked.
    pub fn query(self) -> Query<'static, Any, AnyArguments> {
        self.values.into_iter().fold(sqlx::query(AssertSqlSafe(self.sql)), |query, value| query.bind(value))
    }
}
