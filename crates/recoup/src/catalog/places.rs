//! How each destination of each plan stands: since when it belongs to the plan, when something was last stored there, what
//! went wrong there last.
//!
//! Not here: what is missing there, which follows from the list of backups ([`crate::model::copies`]).

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, patiently};
use super::row::{Columns, ms, plain};
use crate::error::Result;

/// One destination of one plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceRow {
    /// Id of the plan.
    pub plan: String,
    /// Name of the destination.
    pub destination: String,
    /// Since when it belongs to the plan.
    pub since: Timestamp,
    /// What went wrong there last, as an error's document; `None` when all has been well since.
    pub error: Option<serde_json::Value>,
    /// When that was.
    pub error_at: Option<Timestamp>,
    /// When something was last stored there.
    pub good_at: Option<Timestamp>,
}

const DOING: &str = "keeping the state of a destination";

impl Catalog {
    /// The destinations of a plan as far as they are known, by name.
    pub async fn places(&self, plan: &str) -> Result<Vec<PlaceRow>> {
        let sql = "SELECT * FROM place WHERE plan = $1 ORDER BY destination";
        let rows = sqlx::query(sql).bind(plan).fetch_all(&self.pool).await.map_err(|error| failed(DOING, error))?;
        let place = |row| {
            let row = Columns(row);
            Ok(PlaceRow {
                plan: row.text("plan")?,
                destination: row.text("destination")?,
                since: row.time("since")?,
                error: row.maybe_json("error")?,
                error_at: row.maybe_time("error_at")?,
                good_at: row.maybe_time("good_at")?,
            })
        };
        rows.iter().map(place).collect()
    }

    /// Remembers since when a destination belongs to a plan; nothing changes when that is known.
    pub async fn know_place(&self, plan: &str, destination: &str, since: Timestamp) -> Result<()> {
        let sql = "INSERT INTO place (plan, destination, since) VALUES ($1, $2, $3)
                   ON CONFLICT (plan, destination) DO NOTHING";
        let done =
            patiently(|| sqlx::query(sql).bind(plan).bind(destination).bind(ms(since)).execute(&self.pool)).await;
        done.map(drop).map_err(|error| failed(DOING, error))
    }

    /// Notes what came of storing something there: nothing wrong, or this error.
    pub async fn note_place(
        &self,
        plan: &str,
        destination: &str,
        error: Option<&serde_json::Value>,
        now: Timestamp,
    ) -> Result<()> {
        let sql =
            "INSERT INTO place (plan, destination, since, error, error_at, good_at) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (plan, destination) DO UPDATE SET error = excluded.error,
                   error_at = COALESCE(excluded.error_at, place.error_at),
                   good_at = COALESCE(excluded.good_at, place.good_at)";
        let (wrong, good) = if error.is_some() { (Some(ms(now)), None) } else { (None, Some(ms(now))) };
        let text = error.map(|error| plain(&error.to_string()));
        let note = || {
            let query = sqlx::query(sql).bind(plan).bind(destination).bind(ms(now));
            query.bind(text.clone()).bind(wrong).bind(good).execute(&self.pool)
        };
        patiently(note).await.map(drop).map_err(|error| failed(DOING, error))
    }

    /// Forgets the destinations of a plan that are none of these any more.
    pub async fn forget_places(&self, plan: &str, but: &[String]) -> Result<()> {
        for place in self.places(plan).await?.iter().filter(|place| !but.contains(&place.destination)) {
            let sql = "DELETE FROM place WHERE plan = $1 AND destination = $2";
            let gone = sqlx::query(sql).bind(plan).bind(&place.destination).execute(&self.pool).await;
            gone.map_err(|error| failed(DOING, error))?;
        }
        Ok(())
    }
}
