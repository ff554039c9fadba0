//! Small things that are kept for a while and then forgotten: answers to repeated requests, previews, uploads.

use jiff::Timestamp;

use super::Catalog;
use super::failure::failed;
use super::row::{Columns, ms};
use crate::error::Result;

/// A small document that expires.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// `idempotency`, `restore_preview`, `prune_preview`, `upload`, `download`, …
    pub kind: String,
    /// Unique for its kind and owner.
    pub id: String,
    /// Account that it belongs to.
    pub owner: String,
    /// Whatever it is.
    pub body: serde_json::Value,
    /// From then on it is as if it were not there.
    pub expires_at: Timestamp,
}

impl Catalog {
    /// Keeps a document under a name that is free or expired; `false` when it is taken.
    pub async fn keep_once(&self, kept: &Kept, now: Timestamp) -> Result<bool> {
        let sql = "INSERT INTO kept (kind, id, owner, body, expires_at) VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (kind, id, owner) DO UPDATE SET body = excluded.body, expires_at = excluded.expires_at
                   WHERE kept.expires_at <= $6";
        let done = sqlx::query(sql)
            .bind(&kept.kind)
            .bind(&kept.id)
            .bind(&kept.owner)
            .bind(kept.body.to_string())
            .bind(ms(kept.expires_at))
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        Ok(done.map_err(|error| failed("keeping a document", error))?.rows_affected() == 1)
    }

    /// Replaces the body of a document that is there.
    pub async fn keep_again(&self, kept: &Kept) -> Result<bool> {
        let sql = "UPDATE kept SET body = $4, expires_at = $5 WHERE kind = $1 AND id = $2 AND owner = $3";
        let done = sqlx::query(sql)
            .bind(&kept.kind)
            .bind(&kept.id)
            .bind(&kept.owner)
            .bind(kept.body.to_string())
            .bind(ms(kept.expires_at))
            .execute(&self.pool)
            .await;
        Ok(done.map_err(|error| failed("keeping a document", error))?.rows_affected() == 1)
    }

    /// A document that has not expired.
    pub async fn kept(&self, kind: &str, id: &str, owner: &str, now: Timestamp) -> Result<Option<Kept>> {
        let sql = "SELECT * FROM kept WHERE kind = $1 AND id = $2 AND owner = $3 AND expires_at > $4";
        let row = sqlx::query(sql).bind(kind).bind(id).bind(owner).bind(ms(now)).fetch_optional(&self.pool).await;
        row.map_err(|error| failed("reading a document", error))?.as_ref().map(one).transpose()
    }

    /// Forgets a document; tells whether it was there, so that only one caller can use it up.
    pub async fn forget(&self, kind: &str, id: &str, owner: &str) -> Result<bool> {
        let sql = "DELETE FROM kept WHERE kind = $1 AND id = $2 AND owner = $3";
        let done = sqlx::query(sql).bind(kind).bind(id).bind(owner).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("forgetting a document", error))?.rows_affected() == 1)
    }

    /// Forgets what has expired and gives it, so that files that belong to it can go too.
    pub async fn forget_expired(&self, now: Timestamp) -> Result<Vec<Kept>> {
        let rows = sqlx::query("DELETE FROM kept WHERE expires_at <= $1 RETURNING *").bind(ms(now));
        let rows = rows.fetch_all(&self.pool).await.map_err(|error| failed("forgetting documents", error))?;
        rows.iter().map(one).collect()
    }
}

fn one(row: &sqlx::any::AnyRow) -> Result<Kept> {
    let row = Columns(row);
    Ok(Kept {
        kind: row.text("kind")?,
        id: row.text("id")?,
        owner: row.text("owner")?,
        body: row.json("body")?,
        expires_at: row.time("expires_at")?,
    })
}
