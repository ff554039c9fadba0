//! Runs: queued, cancelled, closed when their process is gone. Doing them is [`super::work`]'s.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::audit::event;
use super::fence::backup_missing;
use super::{Actor, Engine, Work};
use crate::catalog::{NewRun, PlanRow, RunRow, Runs};
use crate::error::{Error, ErrorKind, Result};
use crate::model::job::{Cause, RunKind, State};
use crate::model::user::Role;
use crate::model::{BackupId, Kind, Plan, SourceSpec};
use crate::sqlite::location;

/// Runs of one account that may wait.
const WAITING: usize = 20;
/// Runs among which those are counted.
const LOOKED_AT: i64 = 500;

impl Engine {
    /// Queues work on a plan. Errors: `already_running` for a second backup of the plan, `queue_full`, `plan_missing`,
    /// `backup_missing`, `no_local_destination`.
    pub async fn enqueue(&self, who: &Actor, plan: &str, work: Work) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let row = match self.plan(who, plan).await {
            // What was adopted may belong to no plan.
            Err(error) if error.code() == "plan_missing" && work.kind() == RunKind::Verify => None,
            other => Some(other?),
        };
        match &work {
            Work::Backup { kind: Kind::Manual | Kind::Scheduled | Kind::PreMigration, local_only, .. } => {
                if let Some(row) = row.as_ref().filter(|_| *local_only) {
                    self.site.on_this_machine(&self.plan_of(row)?)?;
                }
            }
            Work::Verify { backup: Some(id), .. } => {
                let copies = self.backup(who, id).await?;
                if copies.iter().any(|copy| copy.plan != row.as_ref().map_or(plan, |row| row.name.as_str())) {
                    return Err(backup_missing(id));
                }
            }
            Work::Verify { backup: None, .. } if row.is_some() => {}
            Work::Verify { .. } => return Err(super::plans::missing(plan)),
            _ => return Err(Error::usage("bad_work", "This is not started like that")),
        }
        self.queue(who, row.as_ref(), plan, work).await
    }

    /// Queues work that has been checked.
    pub(super) async fn queue(&self, who: &Actor, row: Option<&PlanRow>, name: &str, work: Work) -> Result<RunRow> {
        let now = self.clock().now();
        let kind = work.kind();
        let owner = row.map_or(self.own.as_str(), |row| row.owner.as_str());
        if let Some(row) = row.filter(|_| kind == RunKind::Backup)
            && self.open_run(&row.id, RunKind::Backup).await?.is_some()
        {
            let text = "Another backup or restore is running";
            return Err(Error::new(ErrorKind::Busy, "already_running", text)
                .because(format!("a backup of {} waits or is made", row.name))
                .hint("wait until it has ended"));
        }
        let state = Some(State::Queued);
        let waiting = Runs { owner: Some(owner.to_owned()), state, limit: LOOKED_AT, ..Runs::default() };
        // What waits for a destination that is out of reach keeps nobody from asking for more.
        let due = |run: &&RunRow| run.kind != RunKind::Copy || run.due_at <= now;
        if self.catalog.runs(&waiting).await?.iter().filter(due).count() >= WAITING {
            let text = format!("{WAITING} runs wait already");
            return Err(Error::new(ErrorKind::Busy, "queue_full", text).hint("wait until some have ended"));
        }
        let mut new = self.new_run(row, name, work, Cause::Manual, now);
        new.request["by"] = json!(who.account);
        self.catalog.add_run(&new, now).await?;
        let run = self.catalog.run(&new.id, None).await?.ok_or_else(|| run_missing(&new.id))?;
        self.say(&run, None, None);
        Ok(run)
    }

    /// The run of a plan's schedule; occurrence, count of misses and time are the caller's.
    pub fn new_backup_run(&self, row: &PlanRow, cause: Cause, now: Timestamp) -> NewRun {
        let work =
            Work::Backup { kind: Kind::Scheduled, label: None, protect: false, local_only: false, rescan: false };
        self.new_run(Some(row), &row.name, work, cause, now)
    }

    pub(super) fn new_run(
        &self,
        row: Option<&PlanRow>,
        name: &str,
        work: Work,
        cause: Cause,
        now: Timestamp,
    ) -> NewRun {
        let kind = work.kind();
        let request = serde_json::to_value(work).unwrap_or_default();
        let resource = match kind {
            RunKind::Backup | RunKind::Restore => self.resource(row, name),
            // They touch no source, and holds and leases keep them from each other.
            RunKind::Verify | RunKind::Prune => format!("{}:{name}", kind.word()),
            // One that hangs must not hold up another destination.
            RunKind::Copy => format!("copy:{name}:{}", request["destination"].as_str().unwrap_or_default()),
        };
        NewRun {
            id: BackupId::generate(now).to_string(),
            plan: row.map(|row| row.id.clone()).unwrap_or_default(),
            plan_name: name.to_owned(),
            owner: row.map_or_else(|| self.own.clone(), |row| row.owner.clone()),
            kind,
            cause,
            occurrence: None,
            missed: 0,
            retry_of: None,
            resource,
            request,
            due_at: now,
        }
    }

    /// What only one backup or restore may use at a time: the first database of the plan, else the plan.
    fn resource(&self, row: Option<&PlanRow>, name: &str) -> String {
        let plan = row.and_then(|row| self.meant(&row.name, &row.body).ok());
        let database = plan.and_then(|plan| first_database(&plan, &self.settings().base));
        database.unwrap_or_else(|| format!("plan:{name}"))
    }

    /// A run of a kind that waits or is worked on.
    pub(super) async fn open_run(&self, plan: &str, kind: RunKind) -> Result<Option<RunRow>> {
        for state in [State::Running, State::Queued] {
            let (plan, state, kind) = (Some(plan.to_owned()), Some(state), Some(kind));
            let found = self.catalog.runs(&Runs { plan, state, kind, limit: 1, ..Runs::default() }).await?;
            if let Some(run) = found.into_iter().next() {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Asks a run to stop; one that waits is ended at once. Errors: `run_missing`, also for what is not theirs.
    pub async fn cancel(&self, who: &Actor, run: &str) -> Result<()> {
        who.must_be(Role::Operator)?;
        let row = self.catalog.run(run, who.owner_filter()).await?.ok_or_else(|| run_missing(run))?;
        if row.state == State::Done {
            return Ok(());
        }
        self.catalog.cancel_run(&row.id, self.clock().now()).await?;
        // Here it stops at once, elsewhere with its next beat.
        if let Some(handle) = self.running().get(&row.id) {
            handle.asked.cancel();
            handle.cancel.cancel();
        }
        let details = json!({ "plan": row.plan_name, "kind": row.kind });
        self.record(who, event("run.cancelled", ("run", &row.id), "cancel", true, details)).await;
        if let Some(row) = self.catalog.run(&row.id, None).await?.filter(|row| row.state == State::Done) {
            self.say(&row, None, None);
        }
        Ok(())
    }

    /// This process ends, or its scheduler stops: what it works on is interrupted, and repeated by whoever starts next.
    /// Nothing is begun until [`Engine::go_on`].
    pub fn interrupt(&self) {
        self.ending.store(true, Ordering::SeqCst);
        for handle in self.running().values() {
            handle.cancel.cancel();
        }
    }

    /// The scheduler starts again.
    pub fn go_on(&self) {
        self.ending.store(false, Ordering::SeqCst);
    }

    /// Queues an interrupted backup once more, whoever notices; nothing when somebody did so already.
    pub async fn repeat(&self, run: &RunRow) -> Result<()> {
        let Some(plan) = self.catalog.plan(&run.plan, None).await? else { return Ok(()) };
        let now = self.clock().now();
        let mut new = self.new_backup_run(&plan, Cause::Retry, now);
        (new.request, new.retry_of) = (run.request.clone(), Some(run.id.clone()));
        self.catalog.add_run(&new, now).await.map(drop)
    }

    /// From now on nothing is removed for a day: what is old cannot be told by a clock that was wrong.
    pub async fn distrust_clock(&self) -> Result<()> {
        let at: Value = json!(self.clock().now());
        self.catalog.set_setting("clock_anomaly", &at.to_string()).await
    }
}

fn first_database(plan: &Plan, base: &std::path::Path) -> Option<String> {
    let first = plan.sources.iter().find_map(|source| match source {
        SourceSpec::Database(spec) => Some(spec),
        _ => None,
    })?;
    let path = location::parse(&first.location, base).ok()?.path;
    Some(std::fs::canonicalize(&path).unwrap_or(path).display().to_string())
}

/// There is no such run, or it is not theirs.
pub(super) fn run_missing(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, "run_missing", format!("Run not found: {id}"))
}
