//! The list of backups: what was seen at which destination. A cache of the manifests there, so that a list of a hundred
//! thousand costs nothing; it is made again by looking.

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, patiently};
use super::row::{Columns, ms, plain, word};
use super::statement::Statement;
use crate::error::Result;
use crate::model::copies::Known;
use crate::model::{Format, Kind, Level};

/// One copy of a backup, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct BackupRow {
    /// Identity of the backup.
    pub id: String,
    /// Name of the destination that has this copy.
    pub destination: String,
    /// Name of the plan.
    pub plan: String,
    /// Account whose plan made it.
    pub owner: String,
    /// Why it exists.
    pub kind: Kind,
    /// Its shape.
    pub format: Format,
    /// A label given by hand.
    pub label: Option<String>,
    /// The consistent moment.
    pub created_at: Timestamp,
    /// All of its objects.
    pub bytes: i64,
    /// The highest level that was ever proven.
    pub verified: Option<Level>,
    /// When it was last verified.
    pub verified_at: Option<Timestamp>,
    /// Never removed by retention.
    pub protected: bool,
    /// What verification found wrong.
    pub damaged: Option<String>,
    /// It was made for places on the machine only, and is copied nowhere by itself.
    pub local_only: bool,
    /// The key of the file, when somebody else made it: it is only ever read.
    pub foreign: Option<String>,
}

impl BackupRow {
    /// What there is to decide about copies by.
    pub fn known(&self) -> Option<Known> {
        Some(Known {
            id: self.id.parse().ok()?,
            destination: self.destination.clone(),
            created_at: self.created_at,
            kind: self.kind,
            format: self.format,
            verified: self.verified,
            protected: self.protected,
            damaged: self.damaged.is_some(),
            local_only: self.local_only,
            foreign: self.foreign.is_some(),
        })
    }
}

/// Which backups are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this account only.
    pub owner: Option<String>,
    /// Of the plan of this name only.
    pub plan: Option<String>,
    /// Only of this kind.
    pub kind: Option<Kind>,
    /// Only protected ones, or only others.
    pub protected: Option<bool>,
    /// Made at this time or later.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
    /// Only those with a copy at this destination.
    pub destination: Option<String>,
    /// Only those of which this is known.
    pub proof: Option<Proof>,
    /// Only those with this in plan, label or id, whether in capitals or not (of ASCII).
    pub search: Option<String>,
    /// After this one in the list: its time and id.
    pub after: Option<(Timestamp, String)>,
    /// At most so many.
    pub limit: i64,
}

/// What is known of a backup from its copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A copy was found damaged.
    Damaged,
    /// No copy was verified.
    Unverified,
    /// A copy was verified, at any level.
    Verified,
    /// A copy was restored to scratch.
    Restored,
}

pub(super) fn backup(row: &sqlx::any::AnyRow) -> Result<BackupRow> {
    let row = Columns(row);
    Ok(BackupRow {
        id: row.text("id")?,
        destination: row.text("destination")?,
        plan: row.text("plan")?,
        owner: row.text("owner")?,
        kind: row.word("kind")?,
        format: row.word("format")?,
        label: row.maybe_text("label")?,
        created_at: row.time("created_at")?,
        bytes: row.number("bytes")?,
        verified: row.maybe_word("verified")?,
        verified_at: row.maybe_time("verified_at")?,
        protected: row.truth("protected")?,
        damaged: row.maybe_text("damaged")?,
        local_only: row.truth("local_only")?,
        foreign: row.maybe_text("object")?,
    })
}

async fn put<'e>(row: &BackupRow, at: impl sqlx::Executor<'e, Database = sqlx::Any>) -> Result<(), sqlx::Error> {
    // The words for levels sort as the levels do.
    let sql = "INSERT INTO backup (id, destination, plan, owner, kind, format, label, created_at, bytes, verified, verified_at, protected, damaged,
               local_only, object)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
               ON CONFLICT (id, destination) DO UPDATE SET owner = excluded.owner, label = excluded.label, bytes = excluded.bytes,
               verified = CASE WHEN backup.verified IS NULL OR excluded.verified > backup.verified THEN excluded.verified ELSE backup.verified END,
               verified_at = CASE WHEN backup.verified_at IS NULL OR excluded.verified_at > backup.verified_at THEN excluded.verified_at ELSE backup.verified_at END,
               protected = excluded.protected, damaged = excluded.damaged";
    let done = sqlx::query(sql)
        .bind(&row.id)
        .bind(&row.destination)
        .bind(&row.plan)
        .bind(&row.owner)
        .bind(word(row.kind))
        .bind(word(row.format))
        .bind(row.label.as_deref().map(plain))
        .bind(ms(row.created_at))
        .bind(row.bytes)
        .bind(row.verified.map(word))
        .bind(row.verified_at.map(ms))
        .bind(i64::from(row.protected))
        .bind(row.damaged.as_deref().map(plain))
        .bind(i64::from(row.local_only))
        .bind(row.foreign.as_deref().map(plain))
        .execute(at)
        .await;
    done.map(drop)
}

impl Catalog {
    /// Keeps one copy, or what is newly known about it. What was proven once stays proven.
    pub async fn put_backup(&self, row: &BackupRow) -> Result<()> {
        let done = patiently(|| put(row, &self.pool)).await;
        done.map_err(|error| failed("keeping a backup's row", error))
    }

    /// As [`put_backup`](Self::put_backup), many at once: a hundred times as fast.
    pub async fn put_backups(&self, rows: &[BackupRow]) -> Result<()> {
        // In one order, so that two daemons that look at one destination do not wait for each other.
        let mut rows: Vec<&BackupRow> = rows.iter().collect();
        rows.sort_by(|a, b| (&a.id, &a.destination).cmp(&(&b.id, &b.destination)));
        for some in rows.chunks(500) {
            let done = patiently(|| async {
                let mut change = self.pool.begin().await?;
                for row in some {
                    put(row, &mut *change).await?;
                }
                change.commit().await
            });
            done.await.map_err(|error| failed("keeping the list of backups", error))?;
        }
        Ok(())
    }

    /// Forgets a backup's row at one destination, or everywhere.
    pub async fn forget_backup(&self, id: &str, destination: Option<&str>) -> Result<()> {
        let mut sql = Statement::new("DELETE FROM backup WHERE id = ", id);
        sql.also("destination =", destination);
        let done = sql.query().execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("forgetting a backup's row", error))
    }

    /// The destinations that the list knows.
    pub async fn backup_destinations(&self) -> Result<Vec<String>> {
        let sql = "SELECT DISTINCT destination FROM backup ORDER BY destination";
        let names = sqlx::query_scalar(sql).fetch_all(&self.pool).await;
        names.map_err(|error| failed("listing destinations", error))
    }

    /// Forgets the rows of a destination that is none any more.
    pub async fn forget_destination(&self, destination: &str) -> Result<()> {
        let sql = "DELETE FROM backup WHERE destination = $1";
        let done = patiently(|| sqlx::query(sql).bind(destination).execute(&self.pool)).await;
        done.map(drop).map_err(|error| failed("forgetting a destination", error))
    }

    /// Every copy of a backup that `owner` owns (anybody's with `None`).
    pub async fn copies(&self, id: &str, owner: Option<&str>) -> Result<Vec<BackupRow>> {
        let mut sql = Statement::new("SELECT * FROM backup WHERE id = ", id);
        sql.also("owner =", owner);
        sql.end("ORDER BY destination");
        let rows = sql.query().fetch_all(&self.pool).await;
        rows.map_err(|error| failed("reading a backup's rows", error))?.iter().map(backup).collect()
    }

    /// At most `limit` ids that begin with `prefix`, or end with it when it has six characters, of what `owner` owns
    /// (anybody's with `None`).
    pub async fn backup_ids(&self, prefix: &str, owner: Option<&str>, limit: i64) -> Result<Vec<String>> {
        // The range is what the index is for; what sorts inside of it without the prefix depends on the database's language.
        let mut sql = String::from(
            "SELECT DISTINCT id FROM backup WHERE ((id >= $1 AND id <= $2 AND substr(id, 1, length($1)) = $1)",
        );
        if prefix.len() == 6 {
            sql.push_str(" OR substr(id, 21) = $1");
        }
        sql.push(')');
        if owner.is_some() {
            sql.push_str(" AND owner = $4");
        }
        sql.push_str(" ORDER BY id LIMIT $3");
        let last = format!("{prefix}{}", "Z".repeat(26));
        let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(prefix).bind(last).bind(limit);
        if let Some(owner) = owner {
            query = query.bind(owner);
        }
        let ids = query.fetch_all(&self.pool).await;
        ids.map_err(|error| failed("finding a backup", error))
    }

    /// Copies of backups, newest first. Copies of one backup stand together.
    pub async fn backups(&self, filter: &Filter) -> Result<Vec<BackupRow>> {
        let mut sql = Statement::all("SELECT * FROM backup WHERE 1 = 1");
        sql.also("owner =", filter.owner.as_deref());
        sql.also("plan =", filter.plan.as_deref());
        sql.also("kind =", filter.kind.map(word).as_deref());
        if let Some(protected) = filter.protected {
            sql.end(&format!("AND protected = {}", i64::from(protected)));
        }
        if let Some(since) = filter.since {
            sql.end(&format!("AND created_at >= {}", ms(since)));
        }
        if let Some(until) = filter.until {
            sql.end(&format!("AND created_at < {}", ms(until)));
        }
        let a_copy = "EXISTS (SELECT 1 FROM backup AS other WHERE other.id = backup.id AND other";
        if let Some(destination) = &filter.destination {
            let destination = sql.value(destination);
            sql.end(&format!("AND {a_copy}.destination = {destination})"));
        }
        match filter.proof {
            Some(Proof::Damaged) => sql.end(&format!("AND {a_copy}.damaged IS NOT NULL)")),
            Some(Proof::Unverified) => sql.end(&format!("AND NOT {a_copy}.verified IS NOT NULL)")),
            Some(Proof::Verified) => sql.end(&format!("AND {a_copy}.verified IS NOT NULL)")),
            Some(Proof::Restored) => sql.end(&format!("AND {a_copy}.verified = 'restore')")),
            None => {}
        }
        if let Some(search) = &filter.search {
            let plain = search.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
            let like = |sql: &mut Statement| format!("LIKE {} ESCAPE '\\'", sql.value(&format!("%{plain}%")));
            let (plan, label, id) = (like(&mut sql), like(&mut sql), like(&mut sql));
            sql.end(&format!("AND (lower(plan) {plan} OR lower(COALESCE(label, '')) {label} OR lower(id) {id})"));
        }
        if let Some((at, id)) = &filter.after {
            // A row value lets the index on (…, created_at, id) begin where the page before ended.
            let id = sql.value(id);
            sql.end(&format!("AND (created_at, id) < ({}, {id})", ms(*at)));
        }
        sql.end(&format!("ORDER BY created_at DESC, id DESC, destination DESC LIMIT {}", filter.limit.max(0)));
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("listing backups", error))?;
        rows.iter().map(backup).collect()
    }

    /// Every copy at one destination, of one plan or of all.
    pub async fn backups_at(&self, destination: &str, plan: Option<&str>) -> Result<Vec<BackupRow>> {
        let mut sql = Statement::new("SELECT * FROM backup WHERE destination = ", destination);
        sql.also("plan =", plan);
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("listing backups", error))?;
        rows.iter().map(backup).collect()
    }

    /// Every copy of every backup of a plan.
    pub async fn backups_of(&self, plan: &str) -> Result<Vec<BackupRow>> {
        let sql = Statement::new("SELECT * FROM backup WHERE plan = ", plan);
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("listing backups", error))?;
        rows.iter().map(backup).collect()
    }

    /// Gives the rows of a plan's backups to another account.
    pub async fn own_backups(&self, plan: &str, owner: &str) -> Result<()> {
        let sql = "UPDATE backup SET owner = $2 WHERE plan = $1 AND object IS NULL";
        let done = patiently(|| sqlx::query(sql).bind(plan).bind(owner).execute(&self.pool)).await;
        done.map(drop).map_err(|error| failed("giving backups to a user", error))
    }
}
