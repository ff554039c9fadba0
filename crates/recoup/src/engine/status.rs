//! How a plan stands: its dates, whether there is a fresh verified backup, whether one is overdue.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Engine;
use crate::catalog::{BackupRow, Filter, PlanRow, Runs};
use crate::error::Result;
use crate::model::job::State;
use crate::model::{Format, Kind, Plan};

/// Rows among which the newest good backup is looked for.
const LOOKED_AT: i64 = 50;

/// How a plan stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PlanStatus {
    /// Start of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// The consistent moment of the last backup that was made.
    pub last_success: Option<Timestamp>,
    /// When a backup was last verified.
    pub last_verified: Option<Timestamp>,
    /// When a test restore last succeeded.
    pub last_proven: Option<Timestamp>,
    /// The next time by the schedule.
    pub next: Option<Timestamp>,
    /// There is no verified backup within twice the interval of the schedule.
    pub overdue: bool,
    /// There is a verified backup, not older than that when there is a schedule.
    pub fresh: bool,
    /// How many backups there are.
    pub total: i64,
    /// Bytes of all copies.
    pub bytes: i64,
    /// Id of the run that works on it now.
    pub running: Option<String>,
}

impl Engine {
    /// How a plan stands now.
    pub async fn status(&self, row: &PlanRow) -> Result<PlanStatus> {
        let now = self.clock().now();
        let filter = Filter { plan: Some(row.name.clone()), limit: LOOKED_AT, ..Filter::default() };
        let rows = self.catalog.backups(&filter).await?;
        let newest = rows.iter().find(|row| counts(row)).map(|row| row.created_at);
        let patience = self.meant(&row.name, &row.body).ok().and_then(|plan| patience(&plan, now));
        let recent = |since: Timestamp| patience.is_none_or(|patience| now.duration_since(since) <= patience);
        let fresh = newest.is_some_and(recent);
        let waits_since = newest.into_iter().chain(Some(row.created_at)).max();
        let scheduled = row.enabled && patience.is_some();
        let running = Runs { plan: Some(row.id.clone()), state: Some(State::Running), limit: 1, ..Runs::default() };
        let running = self.catalog.runs(&running).await?.pop().map(|run| run.id);
        let (total, bytes) = self.catalog.sum_backups(&row.name).await?;
        Ok(PlanStatus {
            last_attempt: row.last_attempt,
            last_success: row.last_success,
            last_verified: row.last_verified,
            last_proven: row.last_proven,
            next: row.timing.next_due.filter(|_| row.enabled),
            overdue: scheduled && !fresh && waits_since.is_some_and(|since| !recent(since)),
            fresh,
            total,
            bytes,
            running,
        })
    }
}

/// Whether a backup is one that a plan can rely on.
fn counts(row: &BackupRow) -> bool {
    row.foreign.is_none()
        && row.verified.is_some()
        && row.damaged.is_none()
        && row.kind != Kind::PreRestore
        && row.format != Format::Csv
}

/// Twice the time between two runs of the schedule; `None` without one.
fn patience(plan: &Plan, now: Timestamp) -> Option<SignedDuration> {
    let schedule = plan.schedule.as_ref()?;
    let first = schedule.next(now, Some(now)).ok()?.nominal;
    let second = schedule.next(first, Some(first)).ok()?.nominal;
    Some(second.duration_since(first) * 2)
}
