//! What a scheduler asks beyond plans and runs: when to wake, whether a plan has a backup on its way, times that passed
//! unused, and times that a wrong clock used up.

use std::collections::HashSet;

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, is_taken};
use super::row::{Columns, ms};
use super::runs::NewRun;
use super::statement::Statement;
use crate::error::Result;
use crate::model::Outcome;
use crate::model::job::RunKind;

/// The little of a run that a calendar shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunBrief {
    /// Which.
    pub id: String,
    /// Name of the plan.
    pub plan: String,
    /// What it did.
    pub kind: RunKind,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was to begin.
    pub at: Timestamp,
    /// The backup that it made, or found to be the same as its data.
    pub backup: Option<String>,
    /// That backup is not at any destination any more.
    pub gone: bool,
}

impl Catalog {
    /// The earliest time of any enabled plan that is still to come. What was due before and could not be started is not
    /// what to sleep for.
    pub async fn next_due_after(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(next_due) FROM plan WHERE enabled = 1 AND next_due > $1";
        let found: Result<Option<i64>, _> = sqlx::query_scalar(sql).bind(ms(now)).fetch_one(&self.pool).await;
        let found = found.map_err(|error| failed("asking for the next time", error))?;
        Ok(found.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// When the next waiting run may start that may not start yet.
    pub async fn next_run_after(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let sql = "SELECT min(due_at) FROM run WHERE state = 'queued' AND due_at > $1";
        let found: Result<Option<i64>, _> = sqlx::query_scalar(sql).bind(ms(now)).fetch_one(&self.pool).await;
        let found = found.map_err(|error| failed("asking for the next run", error))?;
        Ok(found.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// Whether a backup of the plan of this id waits or is made.
    pub async fn has_open_backup(&self, plan: &str) -> Result<bool> {
        let sql = "SELECT count(*) FROM run WHERE plan = $1 AND kind = 'backup' AND state IN ('queued', 'running')";
        let found: Result<i64, _> = sqlx::query_scalar(sql).bind(plan).fetch_one(&self.pool).await;
        Ok(found.map_err(|error| failed("asking for open runs", error))? > 0)
    }

    /// Notes an occurrence that passed unused as a run with the outcome *missed*; `false` when it has a run already.
    pub async fn add_missed_run(&self, new: &NewRun, why: &serde_json::Value, now: Timestamp) -> Result<bool> {
        let sql = "INSERT INTO run (id, plan, plan_name, owner, kind, cause, state, outcome, occurrence, missed, resource, request, error, due_at, queued_at, finished_at)
                   VALUES ($1, $2, $3, $4, $5, $6, 'done', 'missed', $7, $8, $9, $10, $11, $12, $13, $13)";
        let done = sqlx::query(sql)
            .bind(&new.id)
            .bind(&new.plan)
            .bind(&new.plan_name)
            .bind(&new.owner)
            .bind(new.kind.word())
            .bind(new.cause.word())
            .bind(&new.occurrence)
            .bind(new.missed)
            .bind(&new.resource)
            .bind(new.request.to_string())
            .bind(why.to_string())
            .bind(ms(new.due_at))
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        match done {
            Err(error) if is_taken(&error) => Ok(false),
            done => done.map(|_| true).map_err(|error| failed("noting a missed time", error)),
        }
    }

    /// Gives back the occurrences of a plan whose keys sort after `after` to those who come by the right clock: a clock
    /// that was ahead has used them up.
    pub async fn free_occurrences(&self, plan: &str, after: &str) -> Result<u64> {
        let sql = "UPDATE run SET occurrence = '(' || id || ') ' || occurrence WHERE plan = $1 AND occurrence > $2 AND state = 'done'";
        let done = sqlx::query(sql).bind(plan).bind(after).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("giving back occurrences", error))?.rows_affected())
    }

    /// Runs that have ended, of those that were to begin in a span of time, the oldest first.
    pub async fn runs_between(
        &self,
        owner: Option<&str>,
        plan: Option<&str>,
        since: Timestamp,
        until: Timestamp,
        limit: i64,
    ) -> Result<Vec<RunBrief>> {
        let columns = "id, plan_name, kind, outcome, due_at, CASE WHEN kind = 'backup' THEN result END AS result";
        let mut sql = Statement::all(&format!("SELECT {columns} FROM run WHERE state = 'done'"));
        sql.end(&format!("AND due_at >= {} AND due_at < {}", ms(since), ms(until)));
        sql.also("owner =", owner);
        sql.also("plan =", plan);
        sql.end(&format!("ORDER BY due_at, id LIMIT {}", limit.max(0)));
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("reading the calendar", error))?;
        let one = |row| {
            let row = Columns(row);
            let (id, plan, at) = (row.text("id")?, row.text("plan_name")?, row.time("due_at")?);
            let result = row.maybe_json("result")?;
            let backup = result.and_then(|result| Some(result.get("backup")?.as_str()?.to_owned()));
            Ok(RunBrief { id, plan, kind: row.word("kind")?, outcome: row.word("outcome")?, at, backup, gone: false })
        };
        let mut runs: Vec<RunBrief> = rows.iter().map(one).collect::<Result<_>>()?;
        let named = || runs.iter().filter_map(|run| run.backup.as_deref());
        if let (Some(first), Some(last)) = (named().min(), named().max()) {
            let left = self.ids_between(first, last).await?;
            for run in &mut runs {
                run.gone = run.backup.as_ref().is_some_and(|backup| !left.contains(backup));
            }
        }
        Ok(runs)
    }

    /// The backups of a span of time of which there is a copy: ids sort by time.
    async fn ids_between(&self, first: &str, last: &str) -> Result<HashSet<String>> {
        let sql = "SELECT DISTINCT id FROM backup WHERE id >= $1 AND id <= $2";
        let rows = sqlx::query(sql).bind(first).bind(last).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| failed("reading the backups", error))?;
        rows.iter().map(|row| Columns(row).text("id")).collect()
    }
}
