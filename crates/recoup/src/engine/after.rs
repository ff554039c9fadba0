//! What a good backup starts: retention where it was stored, and a run that proves what is due: a test restore of the
//! new one every so often, and the bytes of old ones that nobody has looked at for a month.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Engine;
use super::Work;
use super::backup::Stored;
use super::work::Task;
use crate::catalog::{BackupRow, Filter};
use crate::error::Result;
use crate::model::job::{Cause, RunKind};
use crate::model::{Format, Kind, Level, Plan, Warning};

/// Every copy is read again once in this time.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Backups that one run looks at again, besides the newest.
const AT_ONCE: usize = 20;
/// Backups among which those are looked for.
const LOOKED_AT: i64 = 10_000;

impl Engine {
    /// Everything that follows. What fails here makes the run one with warnings; the backup is there.
    pub(super) async fn after_backup(
        &self,
        task: &Task,
        stored: &Stored,
        result: &mut Value,
        warnings: &mut Vec<Warning>,
    ) -> Result<()> {
        let (_, plan) = task.plan()?;
        let made = &stored.report.manifest;
        // Only a verified backup of the series itself starts retention: an export is none, and what is made before a
        // migration comes at a time at which nothing should go.
        let series = made.verified.is_some() && made.format != Format::Csv && !made.kind.is_protected();
        if series && !stored.reused {
            let mut pruned = Vec::new();
            // Only where this one was stored.
            for place in &stored.places {
                pruned.extend(self.prune_after(task, plan, place, warnings).await?);
            }
            if !pruned.is_empty() {
                result["retention"] = json!(pruned);
            }
        }
        let reached: Vec<String> = stored.places.iter().map(|place| place.name.clone()).collect();
        if let Err(error) = self.queue_copies(task.plan()?.0, plan, &reached).await {
            let text = format!("What is missing elsewhere could not be queued: {error}");
            warnings.push(Warning::new("not_queued", text));
        }
        self.note_filled(&stored.places).await;
        if let Err(error) = self.queue_proof(task, stored, plan).await {
            let text = format!("Its verification could not be queued: {error}");
            warnings.push(Warning::new("not_queued", text));
        }
        Ok(())
    }

    /// Queues a verification when something is due.
    async fn queue_proof(&self, task: &Task, stored: &Stored, plan: &Plan) -> Result<()> {
        let (row, _) = task.plan()?;
        let made = &stored.report.manifest;
        let now = self.clock().now();
        let proof = plan.test_restore.filter(|_| made.format != Format::Csv && made.kind != Kind::PreRestore);
        let test = proof.is_some_and(|every| {
            let every = SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX);
            // A little early, or a weekly one would come a day later every time.
            row.last_proven.is_none_or(|last| now.duration_since(last) >= every - every / 10)
        });
        let also = self.unread(&plan.name, made.id.as_str(), now).await?;
        if !test && also.is_empty() || self.open_run(&row.id, RunKind::Verify).await?.is_some() {
            return Ok(());
        }
        let level = if test { Level::Restore } else { Level::Integrity };
        let work = Work::Verify { backup: Some(made.id.to_string()), level, also };
        let new = self.new_run(Some(row), &row.name, work, Cause::Scheduled, now);
        self.catalog.add_run(&new, now).await.map(drop)
    }

    /// Backups with a copy that nobody has read for long, the longest first.
    async fn unread(&self, plan: &str, but: &str, now: Timestamp) -> Result<Vec<String>> {
        let filter = Filter { plan: Some(plan.to_owned()), limit: LOOKED_AT, ..Filter::default() };
        let mut rows: Vec<BackupRow> = self.catalog.backups(&filter).await?;
        rows.retain(|row| {
            let last = row.verified_at.unwrap_or(row.created_at);
            row.id != but && row.foreign.is_none() && row.damaged.is_none() && now.duration_since(last) >= LOOK_AGAIN
        });
        rows.sort_by_key(|row| row.verified_at.unwrap_or(row.created_at));
        let mut ids: Vec<String> = Vec::new();
        for row in rows {
            if !ids.contains(&row.id) && ids.len() < AT_ONCE {
                ids.push(row.id);
            }
        }
        Ok(ids)
    }
}
