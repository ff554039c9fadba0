//! What is still to come: signatures that others build on.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Actor, Engine, Options, Work};
use crate::catalog::{BackupRow, NewRun, PlanRow, RunRow};
use crate::diff;
use crate::error::{Error, ErrorKind, Result};
use crate::model::audit::{Event, Link};
use crate::model::job::Cause;
use crate::model::notice::Notice;
use crate::model::{Manifest, Plan};
use crate::outbound::Reach;
use crate::prune;
use crate::restore;
use crate::store::Store;

/// One step of a test of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestStep {
    /// `open`, `write`, `list`, `read`, `delete`, `space`.
    pub name: String,
    /// Whether it worked.
    pub ok: bool,
    /// What was found, or why not.
    pub text: String,
}

/// What was found at a destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Adopted {
    /// Names of the plans whose backups are there.
    pub plans: Vec<String>,
    /// How many backups are listed now.
    pub backups: usize,
    /// Manifests that could not be read, and why.
    pub damaged: Vec<(String, String)>,
}

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
    /// There is a verified backup that is not older than that.
    pub fresh: bool,
    /// How many backups there are.
    pub total: i64,
    /// Bytes of all copies.
    pub bytes: i64,
    /// Id of the run that works on it now.
    pub running: Option<String>,
}

fn later() -> Error {
    Error::new(ErrorKind::Unsupported, "not_yet", "Not yet")
}

#[allow(missing_docs, clippy::unused_async, clippy::missing_errors_doc, unused_variables)]
impl Engine {
    pub async fn open(options: Options) -> Result<Arc<Engine>> {
        Err(later())
    }
    pub fn meant(&self, name: &str, body: &Value) -> Result<Plan> {
        self.site.meant(name, body)
    }
    pub async fn create_plan(&self, who: &Actor, name: &str, body: Value) -> Result<PlanRow> {
        Err(later())
    }
    pub async fn update_plan(&self, who: &Actor, name: &str, patch: Value, version: Option<i64>) -> Result<PlanRow> {
        Err(later())
    }
    pub async fn remove_plan(&self, who: &Actor, name: &str) -> Result<()> {
        Err(later())
    }
    pub async fn plan(&self, who: &Actor, name: &str) -> Result<PlanRow> {
        Err(later())
    }
    pub fn next_runs(&self, row: &PlanRow, after: Timestamp, count: usize) -> Result<Vec<Timestamp>> {
        Err(later())
    }
    pub fn new_backup_run(&self, row: &PlanRow, cause: Cause, now: Timestamp) -> NewRun {
        let work = Work::Backup { kind: crate::model::Kind::Scheduled, label: None, protect: false };
        NewRun {
            id: ulid::Ulid::generate().to_string(),
            plan: row.id.clone(),
            plan_name: row.name.clone(),
            owner: row.owner.clone(),
            kind: work.kind(),
            cause,
            occurrence: None,
            missed: 0,
            retry_of: None,
            resource: row.id.clone(),
            request: serde_json::to_value(work).unwrap_or_default(),
            due_at: now,
        }
    }
    pub async fn enqueue(&self, who: &Actor, plan: &str, work: Work) -> Result<RunRow> {
        Err(later())
    }
    pub async fn cancel(&self, who: &Actor, run: &str) -> Result<()> {
        Err(later())
    }
    pub async fn work(&self, worker: &str) -> Result<Option<RunRow>> {
        Err(later())
    }
    pub fn interrupt(&self) {}
    pub async fn interrupted(&self, row: RunRow) -> Result<()> {
        Err(later())
    }
    pub async fn distrust_clock(&self) -> Result<()> {
        Err(later())
    }
    pub fn destinations(&self) -> Vec<String> {
        Vec::new()
    }
    pub fn store(&self, destination: &str) -> Result<Arc<dyn Store>> {
        self.site.store(destination)
    }
    pub async fn test_destination(&self, who: &Actor, name: &str) -> Result<Vec<TestStep>> {
        Err(later())
    }
    pub async fn refresh(&self, plan: Option<&str>) -> Result<()> {
        Err(later())
    }
    pub async fn backup(&self, who: &Actor, id: &str) -> Result<Vec<BackupRow>> {
        Err(later())
    }
    pub async fn manifest(&self, who: &Actor, id: &str) -> Result<(Manifest, Vec<BackupRow>)> {
        Err(later())
    }
    pub async fn open_object(&self, who: &Actor, id: &str) -> Result<(std::fs::File, String, u64)> {
        Err(later())
    }
    pub async fn set_protected(&self, who: &Actor, id: &str, protected: bool) -> Result<()> {
        Err(later())
    }
    pub async fn delete_backup(&self, who: &Actor, id: &str, force: bool) -> Result<()> {
        Err(later())
    }
    pub async fn diff(&self, who: &Actor, left: &str, right: Option<&str>) -> Result<diff::Report> {
        Err(later())
    }
    pub async fn preview_restore(
        &self,
        who: &Actor,
        backup: &str,
        only: Vec<String>,
    ) -> Result<(String, restore::Preview)> {
        Err(later())
    }
    pub async fn start_restore(&self, who: &Actor, preview: &str, force: bool) -> Result<RunRow> {
        Err(later())
    }
    pub async fn undo(&self, who: &Actor, plan: &str) -> Result<RunRow> {
        Err(later())
    }
    pub async fn preview_prune(&self, who: &Actor, plan: &str) -> Result<(String, Vec<(String, prune::Preview)>)> {
        Err(later())
    }
    pub async fn start_prune(&self, who: &Actor, preview: &str) -> Result<RunRow> {
        Err(later())
    }
    pub async fn upload(&self, who: &Actor, plan: &str, file: PathBuf) -> Result<(String, restore::Preview)> {
        Err(later())
    }
    pub async fn adopt(&self, who: &Actor, destination: &str) -> Result<Adopted> {
        Err(later())
    }
    pub async fn audit(&self, who: &Actor, event: Event) -> Result<Link> {
        Err(later())
    }
    pub async fn record(&self, who: &Actor, event: Event) {}
    pub async fn tell(&self, notice: &Notice) -> bool {
        false
    }
    pub fn reach(&self) -> Reach {
        Reach::of_operator(std::time::Duration::from_secs(10), Vec::new())
    }
    pub async fn status(&self, row: &PlanRow) -> Result<PlanStatus> {
        Err(later())
    }
}
