//! Runs: queued, claimed by one worker, finished by the same. A claim is one conditional statement, and a unique index
//! lets only one run of a resource be running, so that many daemons on one catalog never do a thing twice.
//!
//! A lease has no time in it: its owner raises `beat`, and whoever sees the same beat for too long by their own
//! monotonic clock takes the run away. No clock of another machine, and no jump of our own, can end a live run.

use jiff::Timestamp;

use super::Catalog;
use super::failure::{failed, is_taken, patiently};
use super::row::{Columns, ms, only, plain, word};
use super::statement::Statement;
use crate::error::Result;
use crate::model::Outcome;
use crate::model::job::{Cause, RunKind, State};

/// A run that is to be done.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// ULID.
    pub id: String,
    /// Id of the plan; empty when there is none.
    pub plan: String,
    /// Its name.
    pub plan_name: String,
    /// Account whose run it is.
    pub owner: String,
    /// What is done.
    pub kind: RunKind,
    /// Why.
    pub cause: Cause,
    /// The key of the occurrence of the plan's schedule: unique for the plan. `None` for what nobody scheduled.
    pub occurrence: Option<String>,
    /// Scheduled times that passed unused and that this run stands for, itself included when it is late.
    pub missed: i64,
    /// The interrupted run that this one repeats.
    pub retry_of: Option<String>,
    /// What only one run may use at a time: the first database of the plan, else the plan.
    pub resource: String,
    /// What exactly is to be done; the engine's.
    pub request: serde_json::Value,
    /// Not before.
    pub due_at: Timestamp,
}

/// A run as it is kept.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// ULID.
    pub id: String,
    /// Id of the plan; empty when there is none.
    pub plan: String,
    /// Its name.
    pub plan_name: String,
    /// Account whose run it is.
    pub owner: String,
    /// What is done.
    pub kind: RunKind,
    /// Why.
    pub cause: Cause,
    /// Where it stands.
    pub state: State,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Key of its occurrence.
    pub occurrence: Option<String>,
    /// Scheduled times that it stands for.
    pub missed: i64,
    /// 1 for the first attempt.
    pub attempt: i64,
    /// The interrupted run that it repeats.
    pub retry_of: Option<String>,
    /// What only one run may use at a time.
    pub resource: String,
    /// What exactly is to be done.
    pub request: serde_json::Value,
    /// What was done.
    pub result: Option<serde_json::Value>,
    /// Why not: `{code, message, hint}`.
    pub error: Option<serde_json::Value>,
    /// How far it is: `{phase, what, done, total}`.
    pub progress: Option<serde_json::Value>,
    /// What it told, a line each.
    pub log: String,
    /// Somebody asked it to stop.
    pub cancel: bool,
    /// Who works on it.
    pub lease: Option<String>,
    /// Raised by its worker.
    pub beat: i64,
    /// Not before.
    pub due_at: Timestamp,
    /// Since when it waits.
    pub queued_at: Timestamp,
    /// Start of the first attempt.
    pub started_at: Option<Timestamp>,
    /// Its end.
    pub finished_at: Option<Timestamp>,
}

/// Which runs are listed.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    /// Of this account only.
    pub owner: Option<String>,
    /// Of the plan of this id only.
    pub plan: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this kind.
    pub kind: Option<RunKind>,
    /// Older than the run of this id.
    pub before: Option<String>,
    /// At most so many.
    pub limit: i64,
}

fn run(row: &sqlx::any::AnyRow) -> Result<RunRow> {
    let row = Columns(row);
    Ok(RunRow {
        id: row.text("id")?,
        plan: row.text("plan")?,
        plan_name: row.text("plan_name")?,
        owner: row.text("owner")?,
        kind: row.word("kind")?,
        cause: row.word("cause")?,
        state: row.word("state")?,
        outcome: row.maybe_word("outcome")?,
        occurrence: row.maybe_text("occurrence")?,
        missed: row.number("missed")?,
        attempt: row.number("attempt")?,
        retry_of: row.maybe_text("retry_of")?,
        resource: row.text("resource")?,
        request: row.json("request")?,
        result: row.maybe_json("result")?,
        error: row.maybe_json("error")?,
        progress: row.maybe_json("progress")?,
        log: row.text("log")?,
        cancel: row.truth("cancel")?,
        lease: row.maybe_text("lease")?,
        beat: row.number("beat")?,
        due_at: row.time("due_at")?,
        queued_at: row.time("queued_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
    })
}

impl Catalog {
    /// Queues a run; `false` when its occurrence has one already, or the run that it repeats was repeated already.
    pub async fn add_run(&self, new: &NewRun, now: Timestamp) -> Result<bool> {
        let sql = "INSERT INTO run (id, plan, plan_name, owner, kind, cause, state, occurrence, missed, retry_of, resource, request, due_at, queued_at)
                   VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $8, $9, $10, $11, $12, $13)";
        let done = sqlx::query(sql)
            .bind(&new.id)
            .bind(&new.plan)
            .bind(&new.plan_name)
            .bind(&new.owner)
            .bind(new.kind.word())
            .bind(new.cause.word())
            .bind(&new.occurrence)
            .bind(new.missed)
            .bind(&new.retry_of)
            .bind(&new.resource)
            .bind(new.request.to_string())
            .bind(ms(new.due_at))
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        match done {
            Err(error) if is_taken(&error) => Ok(false),
            done => done.map(|_| true).map_err(|error| failed("queueing a run", error)),
        }
    }

    /// Takes the oldest run that is due and whose resource is free, for `worker`.
    pub async fn claim_run(&self, worker: &str, now: Timestamp) -> Result<Option<RunRow>> {
        let lock = if self.is_postgres() { " FOR UPDATE SKIP LOCKED" } else { "" };
        let sql = format!(
            "UPDATE run SET state = 'running', lease = $1, beat = beat + 1, started_at = COALESCE(started_at, $2)
             WHERE state = 'queued' AND id = (
                SELECT r.id FROM run r WHERE r.state = 'queued' AND r.due_at <= $2
                AND NOT EXISTS (SELECT 1 FROM run o WHERE o.resource = r.resource AND o.state = 'running')
                ORDER BY r.due_at, r.id LIMIT 1{lock})
             RETURNING *"
        );
        // Between the look and the change another worker may have started a run of the same resource: look again.
        for _ in 0..8 {
            let claimed =
                sqlx::query(sqlx::AssertSqlSafe(sql.clone())).bind(worker).bind(ms(now)).fetch_all(&self.pool).await;
            match claimed {
                Err(error) if is_taken(&error) => continue,
                Err(error) => return Err(failed("claiming a run", error)),
                Ok(rows) => return only(rows).as_ref().map(run).transpose(),
            }
        }
        Ok(None)
    }

    /// Raises the beat, and notes progress and new lines of the log; `None` when the run was taken away, else whether it
    /// is asked to stop.
    pub async fn beat_run(
        &self,
        id: &str,
        worker: &str,
        progress: Option<&serde_json::Value>,
        log: &str,
    ) -> Result<Option<bool>> {
        let sql = "UPDATE run SET beat = beat + 1, progress = COALESCE($3, progress), log = log || $4
                   WHERE id = $1 AND lease = $2 AND state = 'running' RETURNING cancel";
        let rows = sqlx::query(sql)
            .bind(id)
            .bind(worker)
            .bind(progress.map(ToString::to_string))
            .bind(plain(log))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| failed("keeping a run", error))?;
        only(rows).map(|row| Columns(&row).truth("cancel")).transpose()
    }

    /// Ends a run that `worker` has; `false` when it was taken away meanwhile, and then nothing is changed.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub async fn finish_run(
        &self,
        id: &str,
        worker: &str,
        outcome: Outcome,
        result: Option<&serde_json::Value>,
        error: Option<&serde_json::Value>,
        log: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let sql =
            "UPDATE run SET state = 'done', outcome = $3, result = $4, error = $5, log = log || $6, finished_at = $7,
                   lease = NULL, progress = NULL WHERE id = $1 AND lease = $2 AND state = 'running'";
        let done = sqlx::query(sql)
            .bind(id)
            .bind(worker)
            .bind(word(outcome))
            .bind(result.map(ToString::to_string))
            .bind(error.map(ToString::to_string))
            .bind(plain(log))
            .bind(ms(now))
            .execute(&self.pool)
            .await;
        Ok(done.map_err(|error| failed("ending a run", error))?.rows_affected() == 1)
    }

    /// Puts a run that `worker` has back for another attempt at `due_at`.
    pub async fn retry_run(
        &self,
        id: &str,
        worker: &str,
        error: &serde_json::Value,
        log: &str,
        due_at: Timestamp,
    ) -> Result<bool> {
        let sql = "UPDATE run SET state = 'queued', attempt = attempt + 1, error = $3, log = log || $4, due_at = $5,
                   lease = NULL, progress = NULL WHERE id = $1 AND lease = $2 AND state = 'running' AND cancel = 0";
        let done = sqlx::query(sql)
            .bind(id)
            .bind(worker)
            .bind(error.to_string())
            .bind(plain(log))
            .bind(ms(due_at))
            .execute(&self.pool)
            .await;
        Ok(done.map_err(|error| failed("putting a run back", error))?.rows_affected() == 1)
    }

    /// Lets a run that waits for its next attempt begin at `at`, when that is earlier.
    pub async fn hasten_run(&self, id: &str, at: Timestamp) -> Result<()> {
        let sql = "UPDATE run SET due_at = $2 WHERE id = $1 AND state = 'queued' AND due_at > $2";
        let done = patiently(|| sqlx::query(sql).bind(id).bind(ms(at)).execute(&self.pool)).await;
        done.map(drop).map_err(|error| failed("moving a run forward", error))
    }

    /// Ends a run of which nobody has heard since `beat` as *interrupted*; `None` when it is alive after all.
    pub async fn interrupt_run(&self, id: &str, beat: i64, now: Timestamp) -> Result<Option<RunRow>> {
        let sql =
            "UPDATE run SET state = 'done', outcome = 'interrupted', finished_at = $3, lease = NULL, progress = NULL
                   WHERE id = $1 AND beat = $2 AND state = 'running' RETURNING *";
        let rows = sqlx::query(sql).bind(id).bind(beat).bind(ms(now)).fetch_all(&self.pool).await;
        only(rows.map_err(|error| failed("closing an interrupted run", error))?).as_ref().map(run).transpose()
    }

    /// Notes what became of a run that was closed as *interrupted*.
    pub async fn settle_run(
        &self,
        id: &str,
        outcome: Outcome,
        result: Option<&serde_json::Value>,
        error: Option<&serde_json::Value>,
        log: &str,
    ) -> Result<()> {
        let sql = "UPDATE run SET outcome = $2, result = $3, error = $4, log = log || $5
                   WHERE id = $1 AND state = 'done' AND outcome = 'interrupted'";
        let ask = || {
            sqlx::query(sql)
                .bind(id)
                .bind(word(outcome))
                .bind(result.map(ToString::to_string))
                .bind(error.map(ToString::to_string))
                .bind(plain(log))
                .execute(&self.pool)
        };
        let done = patiently(ask).await;
        done.map(drop).map_err(|error| failed("noting what became of a run", error))
    }

    /// Backups that were interrupted between `since` and `until` and that nobody repeated: who closed them ended before
    /// it could. What was cancelled, was a repetition itself, or belongs to a plan that is gone is none of them.
    pub async fn unrepeated(&self, since: Timestamp, until: Timestamp) -> Result<Vec<RunRow>> {
        let sql = "SELECT r.* FROM run r JOIN plan p ON p.id = r.plan
                   WHERE r.outcome = 'interrupted' AND r.finished_at >= $1 AND r.finished_at <= $2
                   AND r.state = 'done' AND r.kind = 'backup' AND r.cancel = 0 AND r.retry_of IS NULL
                   AND NOT EXISTS (SELECT 1 FROM run o WHERE o.retry_of = r.id) ORDER BY r.id";
        let rows = sqlx::query(sql).bind(ms(since)).bind(ms(until)).fetch_all(&self.pool).await;
        rows.map_err(|error| failed("asking for interrupted runs", error))?.iter().map(run).collect()
    }

    /// Asks a run to stop. One that waits is ended at once.
    pub async fn cancel_run(&self, id: &str, now: Timestamp) -> Result<()> {
        // One statement: between two, the run could begin or go back to waiting.
        let sql = "UPDATE run SET cancel = 1,
                   outcome = CASE WHEN state = 'queued' THEN 'cancelled' ELSE outcome END,
                   finished_at = CASE WHEN state = 'queued' THEN $2 ELSE finished_at END,
                   state = CASE WHEN state = 'queued' THEN 'done' ELSE state END
                   WHERE id = $1 AND state IN ('queued', 'running')";
        let done = sqlx::query(sql).bind(id).bind(ms(now)).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("cancelling a run", error))
    }

    /// A run that `owner` owns (anybody's with `None`).
    pub async fn run(&self, id: &str, owner: Option<&str>) -> Result<Option<RunRow>> {
        let mut wanted = Statement::new("SELECT * FROM run WHERE id = ", id);
        wanted.also("owner =", owner);
        let row = wanted.query().fetch_optional(&self.pool).await;
        row.map_err(|error| failed("reading a run", error))?.as_ref().map(run).transpose()
    }

    /// Runs, newest first.
    pub async fn runs(&self, wanted: &Runs) -> Result<Vec<RunRow>> {
        let mut sql = Statement::all("SELECT * FROM run WHERE 1 = 1");
        sql.also("owner =", wanted.owner.as_deref());
        sql.also("plan =", wanted.plan.as_deref());
        sql.also("state =", wanted.state.map(State::word));
        sql.also("kind =", wanted.kind.map(RunKind::word));
        sql.also("id <", wanted.before.as_deref());
        sql.end(&format!("ORDER BY id DESC LIMIT {}", wanted.limit.max(0)));
        let rows = sql.query().fetch_all(&self.pool).await.map_err(|error| failed("listing runs", error))?;
        rows.iter().map(run).collect()
    }

    /// Ids, lease and beats of everything that runs.
    pub async fn beats(&self) -> Result<Vec<(String, String, i64)>> {
        let sql = "SELECT id, COALESCE(lease, '') AS lease, beat FROM run WHERE state = 'running'";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.map_err(|error| failed("asking who works", error))?;
        rows.iter().map(Columns).map(|row| Ok((row.text("id")?, row.text("lease")?, row.number("beat")?))).collect()
    }

    /// How many runs wait and how many are worked on.
    pub async fn queue(&self) -> Result<(i64, i64)> {
        let sql = "SELECT CAST(COALESCE(sum(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), 0) AS BIGINT) AS queued,
                   CAST(COALESCE(sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0) AS BIGINT) AS running
                   FROM run WHERE state IN ('queued', 'running')";
        let row = sqlx::query(sql).fetch_one(&self.pool).await.map_err(|error| failed("counting runs", error))?;
        let row = Columns(&row);
        Ok((row.number("queued")?, row.number("running")?))
    }

    /// When the next waiting run may start.
    pub async fn next_run(&self) -> Result<Option<Timestamp>> {
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT min(due_at) FROM run WHERE state = 'queued'").fetch_one(&self.pool).await;
        let found = found.map_err(|error| failed("asking for the next run", error))?;
        Ok(found.and_then(|ms| Timestamp::from_millisecond(ms).ok()))
    }

    /// Ended runs by kind and outcome, for metrics.
    pub async fn count_runs(&self) -> Result<Vec<(RunKind, Outcome, i64)>> {
        let sql = "SELECT kind, outcome, count(*) AS n FROM run WHERE state = 'done' GROUP BY kind, outcome ORDER BY kind, outcome";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.map_err(|error| failed("counting runs", error))?;
        rows.iter().map(Columns).map(|row| Ok((row.word("kind")?, row.word("outcome")?, row.number("n")?))).collect()
    }
}
