//! How plans stand: their dates, whether there is a fresh verified backup, whether one is overdue. All of them take as many
//! questions to the catalog as one.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Engine;
use crate::catalog::{Of, PlanRow, Sum};
use crate::error::Result;
use crate::model::Plan;

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

/// What the catalog says of some plans.
struct Seen {
    sums: HashMap<String, Sum>,
    working: HashMap<String, String>,
}

impl Engine {
    /// How a plan stands now.
    pub async fn status(&self, row: &PlanRow) -> Result<PlanStatus> {
        let mut seen = self.see(Of::Plan(&row.name), Some(&row.id)).await?;
        Ok(self.stand(row, &mut seen))
    }

    /// The plans of an account (everybody's with `None`), by name, and how each stands now.
    pub async fn statuses(&self, owner: Option<&str>) -> Result<Vec<(PlanRow, PlanStatus)>> {
        let mut seen = self.see(Of::Owner(owner), None).await?;
        let (mut all, mut plans) = (Vec::new(), self.catalog.every_plan(owner));
        while let Some(row) = plans.next().await? {
            let status = self.stand(&row, &mut seen);
            all.push((row, status));
        }
        Ok(all)
    }

    async fn see(&self, of: Of<'_>, id: Option<&str>) -> Result<Seen> {
        Ok(Seen { sums: self.catalog.sums(of).await?, working: self.catalog.working(id).await? })
    }

    fn stand(&self, row: &PlanRow, seen: &mut Seen) -> PlanStatus {
        let now = self.clock().now();
        let Sum { backups, bytes, relied: newest } = seen.sums.remove(&row.name).unwrap_or_default();
        let patience = self.meant(&row.name, &row.body).ok().and_then(|plan| patience(&plan, now));
        let recent = |since: Timestamp| patience.is_none_or(|patience| now.duration_since(since) <= patience);
        let fresh = newest.is_some_and(recent);
        let waits_since = newest.into_iter().chain(Some(row.created_at)).max();
        let scheduled = row.enabled && patience.is_some();
        PlanStatus {
            last_attempt: row.last_attempt,
            last_success: row.last_success,
            last_verified: row.last_verified,
            last_proven: row.last_proven,
            next: row.timing.next_due.filter(|_| row.enabled),
            overdue: scheduled && !fresh && waits_since.is_some_and(|since| !recent(since)),
            fresh,
            total: backups,
            bytes,
            running: seen.working.remove(&row.id),
        }
    }
}

/// Twice the time between two runs of the schedule; `None` without one.
fn patience(plan: &Plan, now: Timestamp) -> Option<SignedDuration> {
    let schedule = plan.schedule.as_ref()?;
    let first = schedule.next(now, Some(now)).ok()?.nominal;
    let second = schedule.next(first, Some(first)).ok()?.nominal;
    Some(second.duration_since(first) * 2)
}
