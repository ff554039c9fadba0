//! What is left of a run whose process died: it is closed, said, and repeated where that makes sense. An interrupted
//! restore is finished or taken back first, and its run ends with which of the two it was: nobody has to guess whether
//! the data is old or new.
//!
//! Not here: finding out that the process is gone ([`crate::scheduler`]), and putting data right
//! ([`crate::restore::recover`]).

use serde_json::{Value, json};

use super::audit::event;
use super::work::document;
use super::{Actor, Engine, Work, blocking};
use crate::catalog::{RunRow, Runs};
use crate::error::{Error, ErrorKind, Result};
use crate::model::job::{RunKind, State};
use crate::model::notice::{ErrorTold, Event, Notice};
use crate::model::user::Role;
use crate::model::{Outcome, RestoreRecord, Warning};
use crate::restore::{Places, recover};

use super::site::Place;

/// What became of an interrupted restore.
pub(super) enum Fate {
    /// Everything is in place, as if nothing had happened.
    Finished { record: RestoreRecord, paths: Vec<(String, String)>, homes: Vec<Place> },
    /// Everything is as it was; `back` when it had to be put back for that.
    Before { back: bool },
    /// The data could not be put right yet.
    Waits(Error),
}

impl Engine {
    /// At the start: restores of ours that a crash interrupted are finished or taken back before anybody works, and so is
    /// whatever else waits around the plans of `recoup.toml`.
    pub(super) async fn recover(&self) -> Result<()> {
        let wanted = Runs { state: Some(State::Running), kind: Some(RunKind::Restore), limit: 1000, ..Runs::default() };
        for run in self.catalog.runs(&wanted).await? {
            let fate = self.fate(&run).await;
            // Only who is gone leaves something to recover.
            let gone = matches!(fate, Fate::Finished { .. } | Fate::Before { back: true });
            if gone && let Some(run) = self.catalog.interrupt_run(&run.id, run.beat, self.clock().now()).await? {
                Box::pin(self.close_interrupted(run, Some(fate))).await?;
            }
        }
        for plan in self.settings().plans.clone() {
            let (site, name) = (self.site.clone(), plan.name.clone());
            let done = blocking(move || {
                let stores: Vec<_> = site.existing(&plan.destinations).into_iter().map(|place| place.store).collect();
                let paths = recover::places_of(&plan.sources, &site.settings().base);
                site.recover_around(&paths, &stores, &site.context())
            });
            if let Err(error) = done.await {
                tracing::error!(plan = name, "An interrupted restore waits: {error}");
            }
        }
        Ok(())
    }

    /// A run whose process is gone, and that was closed as interrupted: what is left is put right, and it is said.
    pub async fn interrupted(&self, run: RunRow) -> Result<()> {
        let fate = match run.kind {
            RunKind::Restore => Some(self.fate(&run).await),
            _ => None,
        };
        self.close_interrupted(run, fate).await
    }

    async fn close_interrupted(&self, run: RunRow, fate: Option<Fate>) -> Result<()> {
        let run = match fate {
            None => run,
            Some(Fate::Finished { record, paths, homes }) => {
                return self.close_finished(&run, &record, &paths, homes).await;
            }
            Some(fate) => self.close_unfinished(run, fate).await?,
        };
        self.say(&run, None, None);
        let plan = self.catalog.plan(&run.plan, None).await?;
        if run.kind == RunKind::Backup {
            self.catalog.note_run(&run.plan, None, None, None, None, Some(Outcome::Interrupted)).await?;
        }
        let name = match run.kind {
            RunKind::Backup => "backup_scheduler.backup_error",
            RunKind::Verify => "backup.verified",
            RunKind::Restore => "restore.failed",
            RunKind::Prune => "backup_retention.error",
            RunKind::Copy => "backup.copied",
        };
        let kept = |key: &str| run.error.as_ref().and_then(|error| error.get(key)?.as_str());
        let (code, text) =
            (kept("code").unwrap_or("interrupted"), kept("message").unwrap_or("The run was interrupted"));
        let details = json!({ "plan": run.plan_name, "code": code, "message": text });
        self.record(&Actor::daemon(), event(name, ("run", &run.id), run.kind.word(), false, details)).await;
        if plan.is_some() && run.kind == RunKind::Backup && run.retry_of.is_none() && !run.cancel {
            return self.repeat(&run).await;
        }
        if let (Some(row), RunKind::Copy, false) = (&plan, run.kind, run.cancel) {
            // Told already, and tried until it is there.
            let meant = self.plan_of(row)?;
            return self.queue_copies(row, &meant, &[]).await;
        }
        let error = Error::new(ErrorKind::Failed, "interrupted", text.to_owned());
        self.tell_interrupted(&run, Event::Failure, Outcome::Interrupted, Some(&error)).await
    }

    /// A restore that was finished after all is one that can be undone.
    async fn close_finished(
        &self,
        run: &RunRow,
        record: &RestoreRecord,
        paths: &[(String, String)],
        homes: Vec<Place>,
    ) -> Result<()> {
        let text = "The restore was interrupted and finished after the restart: the data is that of the backup";
        let warnings = [Warning::new("finished_later", text)];
        let restored: Vec<Value> = paths.iter().map(|(name, path)| json!({ "name": name, "path": path })).collect();
        let result = json!({
            "backup": record.restored.as_str(),
            "restore": record.id.as_str(),
            "undoes": record.undoes.as_ref().map(crate::model::BackupId::as_str),
            "restored": restored,
            "safety_backup": record.safety.as_ref().map(crate::model::BackupId::as_str),
            "warnings": warnings,
        });
        if let Some(safety) = &record.safety {
            self.note_safety(run, safety, homes).await?;
        }
        let run = self.settle(run, Outcome::Warnings, Some(&result), None, text).await?;
        let ended = if record.undoes.is_some() { "restore.undone" } else { "restore.completed" };
        let mut details = result;
        details["plan"] = json!(run.plan_name);
        self.record(&Actor::daemon(), event(ended, ("restore", &run.id), "restore", true, details)).await;
        self.say(&run, None, None);
        self.tell_interrupted(&run, Event::Warnings, Outcome::Warnings, None).await
    }

    async fn close_unfinished(&self, run: RunRow, fate: Fate) -> Result<RunRow> {
        let error = match fate {
            Fate::Waits(error) => {
                let text = "The restore was interrupted, and the data could not be put right yet";
                Error::new(ErrorKind::Failed, "restore_waits", text)
                    .because(super::work::told(&error))
                    .hint("`recoup doctor --repair` puts it right, and so does the next start of recoup")
            }
            Fate::Before { back: true } => {
                let text = "The restore was interrupted and taken back: the data is exactly as it was before";
                Error::new(ErrorKind::Failed, "restore_taken_back", text)
            }
            _ => {
                let text = "The restore was interrupted before it changed anything: the data is as it was";
                Error::new(ErrorKind::Failed, "restore_taken_back", text)
            }
        };
        let backup = run.request.get("backup").map(|backup| json!({ "backup": backup }));
        self.settle(&run, Outcome::Interrupted, backup.as_ref(), Some(&error), error.message()).await
    }

    async fn settle(
        &self,
        run: &RunRow,
        outcome: Outcome,
        result: Option<&Value>,
        error: Option<&Error>,
        text: &str,
    ) -> Result<RunRow> {
        let document = error.map(document);
        let line = format!("{} {text}\n", self.clock().now().strftime("%Y-%m-%dT%H:%M:%SZ"));
        self.catalog.settle_run(&run.id, outcome, result, document.as_ref(), &line).await?;
        Ok(self.catalog.run(&run.id, None).await?.unwrap_or_else(|| run.clone()))
    }

    async fn tell_interrupted(&self, run: &RunRow, what: Event, outcome: Outcome, error: Option<&Error>) -> Result<()> {
        let mut notice = Notice::new(what, &run.plan_name, self.clock().now());
        (notice.work, notice.run, notice.outcome) = (run.kind, Some(run.id.clone()), Some(outcome));
        notice.host = self.site.host.clone();
        notice.error = error.map(ErrorTold::from);
        let previous = self.outcome_before(run).await?;
        self.tell_of(&notice, previous).await;
        Ok(())
    }

    /// Finishes or takes back what a restore left, and tells which of the two holds.
    async fn fate(&self, run: &RunRow) -> Fate {
        let Ok(Work::Restore { backup, destination, undoes, .. }) = serde_json::from_value(run.request.clone()) else {
            return Fate::Before { back: false };
        };
        let plan = match self.catalog.plan(&run.plan, None).await {
            Ok(Some(row)) => self.plan_of(&row).ok(),
            _ => None,
        };
        let role = self.role_of(&run.owner).await.unwrap_or(Role::Viewer);
        let (site, name, began) = (self.site.clone(), run.plan_name.clone(), run.started_at);
        let done = blocking(move || {
            let names = plan.iter().flat_map(|plan| plan.destinations.iter().cloned());
            let (homes, _) = site.places(&names.chain([destination.clone()]).collect::<Vec<_>>());
            let stores: Vec<_> = homes.iter().map(|place| place.store.clone()).collect();
            let mut paths = match &plan {
                Some(plan) => recover::places_of(&plan.sources, &site.settings().base),
                None => Vec::new(),
            };
            let listed = site.store(&destination).and_then(|store| {
                let listing = store.list(Some(&name))?;
                Ok(super::fence::find(&listing, backup.as_str())?.manifest.clone())
            });
            let mut named = Vec::new();
            if let Ok(manifest) = listed {
                let places = site.restore_places(&manifest, plan.as_ref(), role, undoes.is_some());
                for (part, path) in places.iter().flat_map(Places::all) {
                    paths.push(path.clone());
                    named.push((part.clone(), path.display().to_string()));
                }
            }
            let context = site.context();
            let recovered = site.recover_around(&paths, &stores, &context)?;
            let ours = || recovered.iter().filter(|recovered| recovered.plan == name);
            // What was in place is remembered before its journal goes, by us just now or by who died.
            let is_it = |record: &RestoreRecord| {
                record.restored == backup && record.undoes == undoes && began.is_some_and(|began| record.at >= began)
            };
            let mut records: Vec<RestoreRecord> = ours().filter_map(|recovered| recovered.finished.clone()).collect();
            records.extend(stores.iter().flat_map(|store| store.records(&name).unwrap_or_default()));
            let back = ours().any(|recovered| recovered.finished.is_none());
            Ok(match records.into_iter().find(is_it) {
                Some(record) => {
                    named.retain(|(part, _)| record.parts.contains(part));
                    Fate::Finished { record, paths: named, homes }
                }
                None => Fate::Before { back },
            })
        });
        match done.await {
            Ok(fate) => fate,
            Err(error) => {
                tracing::error!(plan = run.plan_name, run = run.id, "An interrupted restore waits: {error}");
                Fate::Waits(error)
            }
        }
    }
}
