//! What there is of many plans at once, added up by the database: a first page with a thousand plans is told in as many
//! questions as one with a single plan. Not here: the list itself (`backups.rs`), and what follows from it (the engine's).

use std::collections::HashMap;

use jiff::Timestamp;

use super::Catalog;
use super::backups::{BackupRow, backup};
use super::failure::failed;
use super::row::Columns;
use super::statement::Statement;
use crate::error::Result;

/// Of which plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of<'a> {
    /// Of the one with this name.
    Plan(&'a str),
    /// Of all that an account owns; of everybody's with `None`.
    Owner(Option<&'a str>),
}

impl Of<'_> {
    /// A statement about backups that ends where its condition belongs, with this condition.
    fn backups(self, select: &str) -> Statement {
        let mut sql = Statement::all(&format!("{select} WHERE 1 = 1"));
        match self {
            Of::Plan(name) => sql.also("plan =", Some(name)),
            Of::Owner(Some(owner)) => {
                let owner = sql.value(owner);
                sql.end(&format!("AND plan IN (SELECT name FROM plan WHERE owner = {owner})"));
            }
            Of::Owner(None) => {}
        }
        sql
    }
}

/// What there is of one plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many backups, however many copies they have.
    pub backups: i64,
    /// Bytes of all copies.
    pub bytes: i64,
    /// When the newest was made that a plan relies on: verified, not damaged, made by Recoup, no safety backup of a restore and
    /// not in a format that holds only a part.
    pub relied: Option<Timestamp>,
}

/// The newest whole copy of one plan at one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewestCopy {
    /// Name of the plan.
    pub plan: String,
    /// Name of the destination.
    pub destination: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// From which everything would come back.
const WHOLE: &str = "verified IS NOT NULL AND damaged IS NULL AND kind <> 'pre_restore'";

impl Catalog {
    /// What there is of each plan, by its name; plans without a backup are not there.
    pub async fn sums(&self, of: Of<'_>) -> Result<HashMap<String, Sum>> {
        // Grouped in the order of an index, in which rows of a plan lie as they were added.
        let mut sql = of.backups(&format!(
            "SELECT plan, count(DISTINCT id) AS backups, CAST(COALESCE(sum(bytes), 0) AS BIGINT) AS bytes,
             max(CASE WHEN {WHOLE} AND object IS NULL AND format <> 'csv' THEN created_at END) AS relied FROM backup"
        ));
        sql.end("GROUP BY plan");
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("adding up backups", error))?;
        let one = |row| {
            let row = Columns(row);
            let (backups, bytes) = (row.number("backups")?, row.number("bytes")?);
            Ok((row.text("plan")?, Sum { backups, bytes, relied: row.maybe_time("relied")? }))
        };
        rows.iter().map(one).collect()
    }

    /// The newest copy of each plan at each destination from which everything would come back: verified, not damaged, no
    /// safety backup of a restore. Where there is none, there is no row.
    pub async fn newest_copies(&self, of: Of<'_>) -> Result<Vec<NewestCopy>> {
        let mut sql = of.backups(&format!(
            "SELECT place.plan AS plan, place.destination AS destination,
             (SELECT created_at FROM backup WHERE plan = place.plan AND destination = place.destination AND {WHOLE}
              ORDER BY created_at DESC LIMIT 1) AS created_at
             FROM (SELECT DISTINCT destination, plan FROM backup"
        ));
        sql.end(") AS place ORDER BY place.plan, place.destination");
        let rows = sql.query().fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| failed("asking for the newest copies", error))?;
        let one = |row| {
            let row = Columns(row);
            let Some(created_at) = row.maybe_time("created_at")? else { return Ok(None) };
            Ok(Some(NewestCopy { plan: row.text("plan")?, destination: row.text("destination")?, created_at }))
        };
        rows.iter().map(one).filter_map(Result::transpose).collect()
    }

    /// The newest backup of each plan that is no safety backup of a restore, with every copy of it.
    pub async fn newest_backups(&self, owner: Option<&str>) -> Result<Vec<BackupRow>> {
        // CROSS JOIN has SQLite begin with the plans, of which there are few, and find each backup by the index.
        let mut sql = Statement::all(
            "SELECT backup.* FROM plan CROSS JOIN backup WHERE backup.plan = plan.name AND backup.id =
             (SELECT newest.id FROM backup AS newest WHERE newest.plan = plan.name AND newest.kind <> 'pre_restore'
              ORDER BY newest.created_at DESC, newest.id DESC LIMIT 1)",
        );
        sql.also("plan.owner =", owner);
        sql.end("ORDER BY backup.plan, backup.destination DESC");
        let rows = sql.query().fetch_all(&self.pool).await;
        rows.map_err(|error| failed("asking for the newest backups", error))?.iter().map(backup).collect()
    }

    /// The run that works on each plan now, the newest where there are several, by the plan's id.
    pub async fn working(&self, plan: Option<&str>) -> Result<HashMap<String, String>> {
        let mut sql = Statement::all("SELECT plan, max(id) AS id FROM run WHERE state = 'running'");
        sql.also("plan =", plan);
        sql.end("GROUP BY plan");
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("asking what is running", error))?;
        rows.iter().map(Columns).map(|row| Ok((row.text("plan")?, row.text("id")?))).collect()
    }
}
