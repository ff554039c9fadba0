//! One run from its claim to its end: a verb on a blocking thread, beats meanwhile, and what has to be said afterwards.
//! A panic ends the run as failed and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::audit::event;
use super::fence::Fence;
use super::watch::{Handle, Watcher};
use super::{Actor, Engine, Work, insist};
use crate::catalog::{PlanRow, RunRow};
use crate::error::{Error, ErrorKind, Result};
use crate::model::job::{Cause, RunKind, State};
use crate::model::notice::{BackupTold, ErrorTold, Event, Notice};
use crate::model::user::Role;
use crate::model::{Outcome, Plan, Warning};
use crate::progress::{Cancel, Context};

/// How often those who watch are told.
const TICK: Duration = Duration::from_secs(1);
/// Every so many ticks the catalog is told.
const BEAT: u32 = 10;
/// How long a verb may take to stop when it is asked to; one that hangs in a system call never does.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is transient is tried again after so many minutes.
const AGAIN: [i64; 3] = [1, 5, 25];
/// Bytes of the log that a notice carries.
const TAIL: usize = 4096;

/// A run and what it needs.
pub(super) struct Task {
    pub run: RunRow,
    /// The plan; what was adopted may have none.
    pub plan: Option<(PlanRow, Plan)>,
    /// What the plan's owner may do.
    pub role: Role,
    /// Who asked for it.
    pub who: Actor,
    pub context: Context,
    pub fence: Arc<Fence>,
}

/// What a run that came to its end did.
#[derive(Default)]
pub(super) struct Done {
    pub outcome: Outcome,
    pub result: Value,
    pub warnings: Vec<Warning>,
    pub backup: Option<BackupTold>,
    /// Why it counts as failed although it came to its end.
    pub error: Option<Error>,
}

impl Task {
    pub fn plan(&self) -> Result<(&PlanRow, &Plan)> {
        let gone = || super::plans::missing(&self.run.plan_name);
        self.plan.as_ref().map(|(row, plan)| (row, plan)).ok_or_else(gone)
    }
}

/// How a run goes on.
enum End {
    Done(Box<Done>),
    Failed(Outcome, Error),
    Again(Error, Timestamp),
}

impl Engine {
    /// Claims one run that is due and does it to its end; `None` when nothing is due. Dropping the future asks the run to
    /// stop and leaves it to be found interrupted.
    pub async fn work(&self, worker: &str) -> Result<Option<RunRow>> {
        if self.ending.load(Ordering::SeqCst) {
            return Ok(None);
        }
        let Some(run) = self.catalog.claim_run(worker, self.clock().now()).await? else { return Ok(None) };
        let handle = Handle { cancel: Cancel::default(), asked: Cancel::default() };
        self.running().insert(run.id.clone(), handle.clone());
        let _working = Working { engine: self, run: &run.id, cancel: &handle.cancel };
        let watcher = Watcher::new(self.clock().clone());
        if let Err(error) = self.expect_mounts().await {
            tracing::warn!(run = run.id, "Which destinations hold backups is not known anew: {error}");
        }
        let fence = Fence::new(self.catalog.clone(), &run.id, worker, self.clock().clone());
        self.say(&run, None, None);
        let end = match self.task(&run, &handle, &watcher, &fence).await {
            Ok(task) => self.carry_out(&task, &handle, &watcher).await?,
            Err(error) => Some(End::Failed(Outcome::Failed, error)),
        };
        let Some(end) = end else {
            watcher.line("Another process has taken this run over");
            return self.catalog.run(&run.id, None).await;
        };
        self.close(&run, end, &watcher, worker).await.map(Some)
    }

    async fn task(&self, run: &RunRow, handle: &Handle, watcher: &Arc<Watcher>, fence: &Arc<Fence>) -> Result<Task> {
        let plan = match self.catalog.plan(&run.plan, None).await? {
            Some(row) => {
                let plan = self.plan_of(&row)?;
                Some((row, plan))
            }
            None if run.plan.is_empty() => None,
            None => return Err(super::plans::missing(&run.plan_name)),
        };
        let by = run.request.get("by").and_then(Value::as_str).map(str::to_owned);
        Ok(Task {
            role: self.role_of(&run.owner).await?,
            who: Actor { account: by, role: Role::Admin, address: None },
            context: watcher.context(&handle.cancel),
            fence: fence.clone(),
            run: run.clone(),
            plan,
        })
    }

    /// Works until the end or until the run was taken away (`None`).
    async fn carry_out(&self, task: &Task, handle: &Handle, watcher: &Arc<Watcher>) -> Result<Option<End>> {
        let run = &task.run;
        if run.kind == RunKind::Backup {
            let now = self.clock().now();
            self.catalog.note_run(&run.plan, Some(now), None, None, None, None).await?;
            self.tell(&self.notice(run, Event::Start)).await;
        }
        let limit = task.plan.as_ref().map_or(Plan::DEADLINE, |(_, plan)| plan.deadline);
        let verb = self.execute(task);
        let deadline = sleep(limit);
        tokio::pin!(verb, deadline);
        let (mut ticks, mut late, mut lost, mut stopping) = (0_u32, false, false, Duration::ZERO);
        let mut clock = interval(TICK);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let done = loop {
            tokio::select! {
                done = &mut verb => break done,
                () = &mut deadline, if !late => {
                    late = true;
                    handle.cancel.cancel();
                }
                _ = clock.tick() => {
                    self.say(run, Some(watcher), None);
                    ticks = ticks.wrapping_add(1);
                    if handle.cancel.is_cancelled() && run.kind != RunKind::Restore {
                        // Its thread is left behind, so that a source that hangs holds up no other plan. Should it ever go
                        // on, it finds that the run is no longer its own.
                        stopping += TICK;
                        if stopping > PATIENCE.min(limit) {
                            watcher.line("It does not stop, and is left behind");
                            break Err(Error::cancelled());
                        }
                    }
                    if !ticks.is_multiple_of(BEAT) {
                        continue;
                    }
                    match task.fence.beat(watcher).await {
                        Ok(Some(false)) => {}
                        Ok(Some(true)) => {
                            handle.asked.cancel();
                            handle.cancel.cancel();
                        }
                        Ok(None) => {
                            lost = true;
                            handle.cancel.cancel();
                        }
                        Err(error) => tracing::warn!(run = run.id, "A beat was missed: {error}"),
                    }
                }
            }
        };
        let error = match done {
            Ok(done) => return Ok(Some(End::Done(Box::new(done)))),
            Err(error) => error,
        };
        if lost || error.code() == "lease_lost" {
            return Ok(None);
        }
        if error.kind() == ErrorKind::Cancelled && !handle.asked.is_cancelled() {
            if late {
                let text = format!("The run took longer than {}", crate::model::duration::words(limit));
                let error = Error::new(ErrorKind::Failed, "deadline", text);
                let error = error.hint("deadline of the plan says how long a run may take");
                return Ok(Some(End::Failed(Outcome::Failed, error)));
            }
            let text = "The run was interrupted because recoup was stopped";
            return Ok(Some(End::Failed(Outcome::Interrupted, Error::new(ErrorKind::Failed, "interrupted", text))));
        }
        if error.kind() == ErrorKind::Cancelled {
            return Ok(Some(End::Failed(Outcome::Cancelled, error)));
        }
        Ok(Some(match self.again(run, &error) {
            Some(at) => End::Again(error, at),
            None => End::Failed(Outcome::Failed, error),
        }))
    }

    async fn execute(&self, task: &Task) -> Result<Done> {
        let bad = |error| Error::new(ErrorKind::Unsupported, "bad_work", "This run cannot be read").because(error);
        match serde_json::from_value(task.run.request.clone()).map_err(bad)? {
            Work::Backup { kind, label, protect, local_only, rescan } => {
                self.run_backup(task, kind, label, protect, local_only, rescan).await
            }
            Work::Verify { backup, level, also } => self.run_verify(task, backup, level, also).await,
            Work::Copy { destination, backup } => self.run_copy(task, destination, backup).await,
            restore @ Work::Restore { .. } => self.run_restore(task, restore).await,
            Work::Prune { sets, protected_older_than } => {
                self.run_prune(task, sets, protected_older_than.map(SignedDuration::from_secs)).await
            }
        }
    }

    /// When to try again: only what the schedule asked for, and only what may work later without anybody's doing. Copies
    /// that are missing are tried until they are there.
    fn again(&self, run: &RunRow, error: &Error) -> Option<Timestamp> {
        // Up to a fifth more, so that what failed together does not come back together.
        let spread = |wait: i64| {
            let digest = Sha256::digest(format!("{} {}", run.id, run.attempt).as_bytes());
            digest.iter().take(4).fold(0_i64, |number, byte| number << 8 | i64::from(*byte)) % (wait / 5)
        };
        if run.kind == RunKind::Copy {
            return self.copy_again(run, spread);
        }
        let scheduled = matches!(run.cause, Cause::Scheduled | Cause::CatchUp | Cause::Retry);
        let transient = matches!(error.kind(), ErrorKind::Busy | ErrorKind::Unreachable);
        if run.kind == RunKind::Restore || !scheduled || !transient {
            return None;
        }
        let wait = AGAIN.get(usize::try_from(run.attempt).ok()?.checked_sub(1)?)? * 60;
        self.clock().now().checked_add(SignedDuration::from_secs(wait + spread(wait))).ok()
    }

    /// Writes the end down and says it.
    async fn close(&self, run: &RunRow, end: End, watcher: &Watcher, worker: &str) -> Result<RunRow> {
        let now = self.clock().now();
        let (outcome, done, error) = match end {
            End::Done(mut done) => (done.outcome, *done_of(&mut done), done.error.take()),
            End::Failed(outcome, error) => (outcome, Done::default(), Some(error)),
            End::Again(error, at) => {
                watcher.line(&format!("{}; tried again at {at}", told(&error)));
                let document = document(&error);
                let lines = watcher.take_unkept();
                insist(|| self.catalog.retry_run(&run.id, worker, &document, &lines, at)).await?;
                return self.finished(run, watcher).await;
            }
        };
        if let Some(error) = &error {
            watcher.line(&told(error));
        }
        for warning in &done.warnings {
            watcher.line(&format!("Warning: {}", warning.text));
        }
        let previous = insist(|| self.outcome_before(run)).await?;
        let log = watcher.take_unkept();
        let result = (!done.result.is_null()).then_some(&done.result);
        let error_document = error.as_ref().map(document);
        let kept = (result, error_document.as_ref());
        let finish = || self.catalog.finish_run(&run.id, worker, outcome, kept.0, kept.1, &log, now);
        let ours = insist(finish).await?;
        if !ours {
            return self.finished(run, watcher).await;
        }
        if run.kind == RunKind::Backup {
            self.catalog.note_run(&run.plan, None, None, None, None, Some(outcome)).await?;
        }
        if outcome == Outcome::Interrupted {
            let row = self.finished(run, watcher).await?;
            self.interrupted(row.clone()).await?;
            return Ok(row);
        }
        if let Some(error) = &error {
            self.record_failure(run, error).await;
        }
        if super::sign_ins::asked_for(error.as_ref(), &done.warnings)
            && let Err(error) = self.tell_of_sign_ins().await
        {
            tracing::error!("People could not be told: {error}");
        }
        if let Some((event, previous)) = told_as(run, outcome, previous, &done) {
            let mut notice = self.notice(run, event);
            notice.outcome = Some(outcome);
            notice.warnings = done.warnings;
            notice.backup = done.backup;
            notice.error = error.as_ref().map(ErrorTold::from);
            let all = format!("{}{log}", run.log);
            let start = (all.len().saturating_sub(TAIL)..=all.len()).find(|at| all.is_char_boundary(*at));
            notice.log_tail = start.and_then(|at| all.get(at..)).unwrap_or_default().to_owned();
            self.tell_of(&notice, previous).await;
        }
        self.finished(run, watcher).await
    }

    async fn record_failure(&self, run: &RunRow, error: &Error) {
        let (name, thing) = match run.kind {
            RunKind::Backup => ("backup_scheduler.backup_error", "plan"),
            RunKind::Restore => ("restore.failed", "restore"),
            RunKind::Prune => ("backup_retention.error", "plan"),
            // Recorded for each backup.
            RunKind::Verify | RunKind::Copy => return,
        };
        let id = if thing == "plan" { &run.plan } else { &run.id };
        let mut details = super::audit::wrong(error);
        details["plan"] = json!(run.plan_name);
        details["run"] = json!(run.id);
        let user = run.request.get("by").and_then(Value::as_str).map(str::to_owned);
        let mut failed = event(name, (thing, id), run.kind.word(), false, details);
        failed.user = user;
        self.record(&Actor::daemon(), failed).await;
    }

    async fn finished(&self, run: &RunRow, watcher: &Watcher) -> Result<RunRow> {
        let row = self.catalog.run(&run.id, None).await?.ok_or_else(|| super::runs::run_missing(&run.id))?;
        self.say(&row, None, watcher.take_untold());
        Ok(row)
    }

    fn notice(&self, run: &RunRow, event: Event) -> Notice {
        let mut notice = Notice::new(event, &run.plan_name, self.clock().now());
        (notice.work, notice.run, notice.host) = (run.kind, Some(run.id.clone()), self.site.host.clone());
        notice
    }

    /// Tells those who watch.
    pub(super) fn say(&self, run: &RunRow, watcher: Option<&Watcher>, line: Option<String>) {
        let event = super::RunEvent {
            run: run.id.clone(),
            plan: run.plan_name.clone(),
            owner: run.owner.clone(),
            state: run.state,
            progress: watcher.and_then(Watcher::progress),
            line: line.or_else(|| watcher.and_then(Watcher::take_untold)),
            outcome: run.outcome.filter(|_| run.state == State::Done),
        };
        // Nobody watches: fine.
        let _ = self.events.send(event);
    }
}

/// What the end of a run is told as, and how the one before counts. Copies that were missing are told when they are there,
/// once; that they were missing was told by the backup.
fn told_as(run: &RunRow, outcome: Outcome, previous: Option<Outcome>, done: &Done) -> Option<(Event, Option<Outcome>)> {
    let well = matches!(outcome, Outcome::Good | Outcome::Warnings);
    if run.kind == RunKind::Copy && run.cause != Cause::Manual && well {
        return done.backup.as_ref().map(|_| (Event::Recovery, Some(Outcome::Failed)));
    }
    Event::of_run(outcome, previous).map(|event| (event, previous))
}

/// Takes a run out of the list whatever happens, and stops it when nobody waits for it any more.
struct Working<'a> {
    engine: &'a Engine,
    run: &'a str,
    cancel: &'a Cancel,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.cancel.cancel();
        self.engine.running().remove(self.run);
    }
}

fn done_of(done: &mut Done) -> Box<Done> {
    let error = done.error.take();
    let taken = std::mem::take(done);
    done.error = error;
    Box::new(taken)
}

/// An error as the catalog keeps it.
pub(super) fn document(error: &Error) -> Value {
    json!({ "code": error.code(), "message": error.message(), "detail": error.detail(), "hint": error.hint_text() })
}

/// An error on one line.
pub(super) fn told(error: &Error) -> String {
    match error.detail() {
        detail if detail.is_empty() => error.message().to_owned(),
        detail => format!("{} ({detail})", error.message()),
    }
}
