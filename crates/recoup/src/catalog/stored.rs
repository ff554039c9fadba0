//! How full each destination was, a row a day: what growth is told from. What a day says last is what counts for it.

use super::Catalog;
use super::failure::{failed, patiently};
use super::row::Columns;
use crate::error::Result;

/// How full a destination was at the end of a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its name.
    pub destination: String,
    /// Days since 1970-01-01, UTC.
    pub day: i64,
    /// How many backups had a copy there.
    pub backups: i64,
    /// Bytes of these copies.
    pub bytes: i64,
    /// Bytes that were free beside them, where that can be known.
    pub free: Option<i64>,
}

impl Catalog {
    /// Notes how full a destination is today, from the list of backups.
    pub async fn note_stored(&self, destination: &str, day: i64, free: Option<i64>) -> Result<()> {
        let sql = "INSERT INTO stored (destination, day, backups, bytes, free)
                   SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), count(*), CAST(COALESCE(sum(bytes), 0) AS BIGINT), CAST($3 AS BIGINT)
                   FROM backup WHERE destination = $1
                   ON CONFLICT (destination, day) DO UPDATE
                   SET backups = excluded.backups, bytes = excluded.bytes, free = excluded.free";
        let done = patiently(|| sqlx::query(sql).bind(destination).bind(day).bind(free).execute(&self.pool)).await;
        done.map(drop).map_err(|error| failed("noting how full a destination is", error))
    }

    /// How full the destinations were, from a day on, the oldest first.
    pub async fn stored(&self, since: i64) -> Result<Vec<StoredRow>> {
        let sql = "SELECT * FROM stored WHERE day >= $1 ORDER BY destination, day";
        let rows = sqlx::query(sql).bind(since).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| failed("asking how full destinations were", error))?;
        let one = |row| {
            let row = Columns(row);
            let free = row.maybe_number("free")?;
            let (destination, day) = (row.text("destination")?, row.number("day")?);
            Ok(StoredRow { destination, day, backups: row.number("backups")?, bytes: row.number("bytes")?, free })
        };
        rows.iter().map(one).collect()
    }
}
