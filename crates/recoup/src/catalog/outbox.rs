//! The outbox: notices that are to be told, each once for every channel, tried again until they arrive or are given up.
//! Telling never changes how a run ended, because it happens after it and apart from it.

use jiff::Timestamp;

use super::Catalog;
use super::failure::failed;
use super::row::{Columns, ms, only, plain};
use crate::error::Result;

/// A notice on its way to one channel.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// ULID.
    pub id: String,
    /// Name of the channel.
    pub channel: String,
    /// Name of the plan, or empty.
    pub plan: String,
    /// What makes two notices the same one.
    pub cause: String,
    /// The notice.
    pub notice: serde_json::Value,
    /// Attempts so far.
    pub attempt: i64,
    /// When it was told.
    pub told_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

fn outgoing(row: &sqlx::any::AnyRow) -> Result<Outgoing> {
    let row = Columns(row);
    Ok(Outgoing {
        id: row.text("id")?,
        channel: row.text("channel")?,
        plan: row.text("plan")?,
        cause: row.text("cause")?,
        notice: row.json("notice")?,
        attempt: row.number("attempt")?,
        told_at: row.maybe_time("told_at")?,
        error: row.maybe_text("error")?,
    })
}

impl Catalog {
    /// Puts a notice in the outbox.
    pub async fn add_outgoing(&self, out: &Outgoing, now: Timestamp) -> Result<()> {
        let sql = "INSERT INTO outbox (id, channel, plan, cause, notice, due_at) VALUES ($1, $2, $3, $4, $5, $6)";
        let done = sqlx::query(sql)
            .bind(&out.id)
            .bind(&out.channel)
            .bind(&out.plan)
            .bind(&out.cause)
            .bind(out.notice.to_string())
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        done.map(drop).map_err(|error| failed("putting a notice in the outbox", error))
    }

    /// Takes one notice whose time has come; nobody else gets it for `hold_ms` milliseconds.
    pub async fn claim_outgoing(&self, now: Timestamp, hold_ms: i64) -> Result<Option<Outgoing>> {
        let lock = if self.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE outbox SET attempt = attempt + 1, due_at = $1 + $2 WHERE id = (
                SELECT o.id FROM outbox o WHERE o.told_at IS NULL AND o.given_up_at IS NULL AND o.due_at <= $1
                ORDER BY o.due_at, o.id LIMIT 1{lock})
             RETURNING *"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(ms(now)).bind(hold_ms).fetch_all(&self.pool).await;
        only(rows.map_err(|error| failed("reading the outbox", error))?).as_ref().map(outgoing).transpose()
    }

    /// Notes that a notice arrived.
    pub async fn told(&self, id: &str, now: Timestamp) -> Result<()> {
        let done = sqlx::query("UPDATE outbox SET told_at = $2, error = NULL WHERE id = $1").bind(id).bind(ms(now));
        done.execute(&self.pool).await.map(drop).map_err(|error| failed("noting a notice", error))
    }

    /// Notes that it did not: tried again at `again`, or given up with `None`.
    pub async fn not_told(&self, id: &str, error: &str, again: Option<Timestamp>, now: Timestamp) -> Result<()> {
        let sql = "UPDATE outbox SET error = $2, due_at = COALESCE($3, due_at),
                   given_up_at = CASE WHEN $3 IS NULL THEN $4 ELSE NULL END WHERE id = $1";
        let done =
            sqlx::query(sql).bind(id).bind(plain(error)).bind(again.map(ms)).bind(ms(now)).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("noting a notice", error))
    }

    /// The last notices about a plan for a channel, newest first, told or on their way.
    pub async fn outgoing_of(&self, channel: &str, plan: &str, limit: i64) -> Result<Vec<Outgoing>> {
        let sql = "SELECT * FROM outbox WHERE channel = $1 AND plan = $2 ORDER BY id DESC LIMIT $3";
        let rows = sqlx::query(sql).bind(channel).bind(plan).bind(limit).fetch_all(&self.pool).await;
        rows.map_err(|error| failed("reading the outbox", error))?.iter().map(outgoing).collect()
    }

    /// Forgets what was told or given up before `before`.
    pub async fn tidy_outbox(&self, before: Timestamp) -> Result<()> {
        let sql = "DELETE FROM outbox WHERE (told_at IS NOT NULL AND told_at < $1) OR (given_up_at IS NOT NULL AND given_up_at < $1)";
        let done = sqlx::query(sql).bind(ms(before)).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("tidying the outbox", error))
    }
}
