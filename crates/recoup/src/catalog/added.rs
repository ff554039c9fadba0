//! Destinations and channels that were added while the daemon ran, beside those of recoup.toml. Bodies are sealed by the
//! engine; here they are texts.

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, is_taken};
use super::row::{Columns, ms};
use crate::error::{Error, ErrorKind, Result};

/// One that was added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedRow {
    /// `destination` or `channel`.
    pub kind: String,
    /// Unique for its kind.
    pub name: String,
    /// Whatever the engine made of its document.
    pub body: String,
    /// Grows with every change, from 1.
    pub version: i64,
}

impl Catalog {
    /// All that were added.
    pub async fn added(&self) -> Result<Vec<AddedRow>> {
        let rows = sqlx::query("SELECT * FROM added ORDER BY kind, name").fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| failed("reading what was added", error))?;
        let one = |row| {
            let row = Columns(row);
            let (kind, name, body) = (row.text("kind")?, row.text("name")?, row.text("body")?);
            Ok(AddedRow { kind, name, body, version: row.number("version")? })
        };
        rows.iter().map(one).collect()
    }

    /// Adds one. Errors: `name_taken`.
    pub async fn add(&self, kind: &str, name: &str, body: &str, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO added (kind, name, body, version, updated_at) VALUES ($1, $2, $3, 1, $4)";
        let done = sqlx::query(sql).bind(kind).bind(name).bind(body).bind(ms(now)).execute(&self.pool).await;
        match done {
            Err(error) if is_taken(&error) => {
                let text = format!("There is a {kind} of that name already: {name}");
                Err(Error::new(ErrorKind::WouldOverwrite, "name_taken", text).hint("choose another name"))
            }
            done => done.map(drop).map_err(|error| failed("adding something", error)),
        }
    }

    /// Replaces the body that was read as `version`; `false` when somebody else changed or removed it meanwhile.
    pub async fn change_added(&self, row: &AddedRow, body: &str, now: Timestamp) -> Result<bool> {
        let sql = "UPDATE added SET body = $3, version = version + 1, updated_at = $5
                   WHERE kind = $1 AND name = $2 AND version = $4";
        let query = sqlx::query(sql).bind(&row.kind).bind(&row.name).bind(body).bind(row.version).bind(ms(now));
        let done = query.execute(&self.pool).await.map_err(|error| failed("changing what was added", error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Removes one; tells whether it was there.
    pub async fn remove_added(&self, kind: &str, name: &str) -> Result<bool> {
        let sql = "DELETE FROM added WHERE kind = $1 AND name = $2";
        let done = sqlx::query(sql).bind(kind).bind(name).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("removing what was added", error))?.rows_affected() == 1)
    }
}
