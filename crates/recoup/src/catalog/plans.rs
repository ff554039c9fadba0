//! Plans: the document as its owner wrote it, and what the scheduler remembers about it. Whether a document makes sense
//! is [`crate::config`]'s; when it is due next is the schedule's.

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, is_taken};
use super::row::{Columns, ms, only, word};
use super::statement::Statement;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Outcome;

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Made through the API or the command line; may be changed there.
    Catalog,
    /// Declared in `recoup.toml`; read-only here.
    File,
    /// The catalog's own plan.
    BuiltIn,
}

/// A plan that is to be kept.
#[derive(Debug, Clone)]
pub struct NewPlan {
    /// ULID.
    pub id: String,
    /// Account that owns it.
    pub owner: String,
    /// Name, unique in the catalog because it names folders at destinations.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The same document as a `[plan.NAME]` table.
    pub body: serde_json::Value,
    /// Whether its schedule runs.
    pub enabled: bool,
}

/// What the scheduler remembers of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timing {
    /// The next nominal time; `None` when disabled or without a schedule.
    pub next_nominal: Option<Timestamp>,
    /// That, with its jitter.
    pub next_due: Option<Timestamp>,
    /// The last nominal time that was run, or from which on times count. A high-water mark.
    pub last_nominal: Option<Timestamp>,
}

/// A plan as it is kept.
#[derive(Debug, Clone)]
pub struct PlanRow {
    /// ULID.
    pub id: String,
    /// Account that owns it.
    pub owner: String,
    /// Name.
    pub name: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The document.
    pub body: serde_json::Value,
    /// Whether its schedule runs.
    pub enabled: bool,
    /// What the scheduler remembers.
    pub timing: Timing,
    /// Start of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// The consistent moment of the last backup that was made.
    pub last_success: Option<Timestamp>,
    /// When a backup was last verified.
    pub last_verified: Option<Timestamp>,
    /// When a test restore last succeeded.
    pub last_proven: Option<Timestamp>,
    /// How the last backup run ended.
    pub last_outcome: Option<Outcome>,
    /// When it was told that there is no fresh verified backup.
    pub overdue_at: Option<Timestamp>,
    /// Grows with every change of the document: the ETag.
    pub version: i64,
    /// Since when.
    pub created_at: Timestamp,
    /// Last change of the document.
    pub updated_at: Timestamp,
}

fn plan(row: &sqlx::any::AnyRow) -> Result<PlanRow> {
    let row = Columns(row);
    Ok(PlanRow {
        id: row.text("id")?,
        owner: row.text("owner")?,
        name: row.text("name")?,
        origin: row.word("origin")?,
        body: row.json("body")?,
        enabled: row.truth("enabled")?,
        timing: Timing {
            next_nominal: row.maybe_time("next_nominal")?,
            next_due: row.maybe_time("next_due")?,
            last_nominal: row.maybe_time("last_nominal")?,
        },
        last_attempt: row.maybe_time("last_attempt")?,
        last_success: row.maybe_time("last_success")?,
        last_verified: row.maybe_time("last_verified")?,
        last_proven: row.maybe_time("last_proven")?,
        last_outcome: row.maybe_word("last_outcome")?,
        overdue_at: row.maybe_time("overdue_at")?,
        version: row.number("version")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

/// Plans that are read at a time.
const PAGE: i64 = 500;

/// Plans one after the other, of which only a page is in memory. What is added or removed meanwhile may be among them or
/// not.
pub struct EveryPlan<'a> {
    catalog: &'a Catalog,
    owner: Option<String>,
    after: String,
    page: std::vec::IntoIter<PlanRow>,
}

impl EveryPlan<'_> {
    /// The next one; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<PlanRow>> {
        if self.page.len() == 0 {
            self.page = self.catalog.plans(self.owner.as_deref(), &self.after, PAGE).await?.into_iter();
        }
        let next = self.page.next();
        if let Some(row) = &next {
            self.after.clone_from(&row.name);
        }
        Ok(next)
    }
}

impl Catalog {
    /// Keeps a new plan; its name must be free.
    pub async fn add_plan(&self, new: &NewPlan, timing: Timing, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO plan (id, owner, name, origin, body, enabled, next_nominal, next_due, last_nominal, version, created_at, updated_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $10)";
        let done = sqlx::query(sql)
            .bind(&new.id)
            .bind(&new.owner)
            .bind(&new.name)
            .bind(word(new.origin))
            .bind(new.body.to_string())
            .bind(i64::from(new.enabled))
            .bind(timing.next_nominal.map(ms))
            .bind(timing.next_due.map(ms))
            .bind(timing.last_nominal.map(ms))
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        match done {
            Err(error) if is_taken(&error) => {
                let text = format!("There is a plan of that name: {}", new.name);
                Err(Error::new(ErrorKind::WouldOverwrite, "plan_exists", text))
            }
            done => done.map(drop).map_err(|error| failed("adding a plan", error)),
        }
    }

    /// The plan of a name or an id that `owner` owns (anybody's with `None`).
    pub async fn plan(&self, name: &str, owner: Option<&str>) -> Result<Option<PlanRow>> {
        // An id comes before a name that somebody made look like it.
        let mut sql = Statement::new("SELECT * FROM plan WHERE (name = $1 OR id = ", name);
        sql.end(")");
        sql.also("owner =", owner);
        sql.end("ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1");
        let row = sql.query().fetch_optional(&self.pool).await;
        row.map_err(|error| failed("reading a plan", error))?.as_ref().map(plan).transpose()
    }

    /// Every plan that `owner` owns (everybody's with `None`), by name, however many there are.
    pub fn every_plan(&self, owner: Option<&str>) -> EveryPlan<'_> {
        let (owner, after) = (owner.map(str::to_owned), String::new());
        EveryPlan { catalog: self, owner, after, page: Vec::new().into_iter() }
    }

    /// The plans that `owner` owns (everybody's with `None`), by name, `limit` of them after the name `after`.
    pub async fn plans(&self, owner: Option<&str>, after: &str, limit: i64) -> Result<Vec<PlanRow>> {
        // Two texts, so that each uses its index.
        let rows = match owner {
            Some(owner) => {
                let sql = "SELECT * FROM plan WHERE owner = $1 AND name > $2 ORDER BY name LIMIT $3";
                sqlx::query(sql).bind(owner).bind(after).bind(limit).fetch_all(&self.pool).await
            }
            None => {
                let sql = "SELECT * FROM plan WHERE name > $1 ORDER BY name LIMIT $2";
                sqlx::query(sql).bind(after).bind(limit).fetch_all(&self.pool).await
            }
        };
        rows.map_err(|error| failed("listing plans", error))?.iter().map(plan).collect()
    }

    /// Enabled plans whose next time has come, the oldest first. Uses the index on (enabled, next_due).
    pub async fn due_plans(&self, now: Timestamp, limit: i64) -> Result<Vec<PlanRow>> {
        let sql = "SELECT * FROM plan WHERE enabled = 1 AND next_due <= $1 ORDER BY next_due, id LIMIT $2";
        let rows = sqlx::query(sql).bind(ms(now)).bind(limit).fetch_all(&self.pool).await;
        rows.map_err(|error| failed("asking which plans are due", error))?.iter().map(plan).collect()
    }

    /// The earliest next time of any enabled plan.
    pub async fn next_due(&self) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(next_due) FROM plan WHERE enabled = 1";
        let found: Option<i64> = sqlx::query_scalar(sql)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| failed("asking for the next time", error))?;
        Ok(found.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// How many plans there are, and how many of them are enabled.
    pub async fn count_plans(&self) -> Result<(i64, i64)> {
        let sql = "SELECT count(*) AS n, CAST(COALESCE(sum(enabled), 0) AS BIGINT) AS enabled FROM plan";
        let row = sqlx::query(sql).fetch_one(&self.pool).await.map_err(|error| failed("counting plans", error))?;
        let row = Columns(&row);
        Ok((row.number("n")?, row.number("enabled")?))
    }

    /// Replaces a plan's document if its version is still `version` (any with `None`); `None` when it is not.
    pub async fn update_plan(
        &self,
        id: &str,
        version: Option<i64>,
        body: &serde_json::Value,
        enabled: bool,
        timing: Timing,
        now: Timestamp,
    ) -> Result<Option<PlanRow>> {
        let sql = "UPDATE plan SET body = $3, enabled = $4, next_nominal = $5, next_due = $6, last_nominal = $7, updated_at = $8,
                   version = version + 1 WHERE id = $1 AND ($2 = 0 OR version = $2) RETURNING *";
        let rows = sqlx::query(sql)
            .bind(id)
            .bind(version.unwrap_or(0))
            .bind(body.to_string())
            .bind(i64::from(enabled))
            .bind(timing.next_nominal.map(ms))
            .bind(timing.next_due.map(ms))
            .bind(timing.last_nominal.map(ms))
            .bind(ms(now))
            .fetch_all(&self.pool)
            .await;
        only(rows.map_err(|error| failed("changing a plan", error))?).as_ref().map(plan).transpose()
    }

    /// Notes what the scheduler found, if it still stands where the scheduler read it; tells whether it did.
    pub async fn set_timing(&self, id: &str, seen: Timing, timing: Timing) -> Result<bool> {
        let sql = "UPDATE plan SET next_nominal = $2, next_due = $3, last_nominal = $4
                   WHERE id = $1 AND COALESCE(last_nominal, 0) = $5 AND COALESCE(next_due, 0) = $6";
        let done = sqlx::query(sql)
            .bind(id)
            .bind(timing.next_nominal.map(ms))
            .bind(timing.next_due.map(ms))
            .bind(timing.last_nominal.map(ms))
            .bind(seen.last_nominal.map_or(0, ms))
            .bind(seen.next_due.map_or(0, ms))
            .execute(&self.pool)
            .await;
        Ok(done.map_err(|error| failed("noting the next time", error))?.rows_affected() == 1)
    }

    /// Notes how a run of a plan went. What is `None` stays as it was.
    pub async fn note_run(
        &self,
        id: &str,
        attempt: Option<Timestamp>,
        success: Option<Timestamp>,
        verified: Option<Timestamp>,
        proven: Option<Timestamp>,
        outcome: Option<Outcome>,
    ) -> Result<()> {
        let sql =
            "UPDATE plan SET last_attempt = COALESCE($2, last_attempt), last_success = COALESCE($3, last_success),
                   last_verified = COALESCE($4, last_verified), last_proven = COALESCE($5, last_proven),
                   last_outcome = COALESCE($6, last_outcome) WHERE id = $1";
        let done = sqlx::query(sql)
            .bind(id)
            .bind(attempt.map(ms))
            .bind(success.map(ms))
            .bind(verified.map(ms))
            .bind(proven.map(ms))
            .bind(outcome.map(word))
            .execute(&self.pool)
            .await;
        done.map(drop).map_err(|error| failed("noting a run", error))
    }

    /// Notes that it was told that a plan is overdue, or that it is no longer.
    pub async fn set_overdue(&self, id: &str, since: Option<Timestamp>) -> Result<()> {
        let done = sqlx::query("UPDATE plan SET overdue_at = $2 WHERE id = $1").bind(id).bind(since.map(ms));
        done.execute(&self.pool).await.map(drop).map_err(|error| failed("noting an overdue plan", error))
    }

    /// Forgets a plan. Its backups stay where they are.
    pub async fn remove_plan(&self, id: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM plan WHERE id = $1").bind(id).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("removing a plan", error))?.rows_affected() == 1)
    }
}
