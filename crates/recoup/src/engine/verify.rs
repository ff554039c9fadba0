//! A verification run: every copy of a backup at its destination, then further ones whose bytes were not read for long.

use serde_json::{Value, json};

use super::audit::event;
use super::fence::backup_missing;
use super::list::row;
use super::site::Site;
use super::work::{Done, Task, document, told};
use super::{Engine, blocking};
use crate::catalog::{BackupRow, Filter};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Format, Kind, Level, Outcome, Problem, Warning};
use crate::progress::Context;
use crate::verify::{self, Report};

/// Rows among which the newest backup is looked for.
const LOOKED_AT: i64 = 100;

impl Site {
    fn verify(&self, copy: &BackupRow, level: Level, context: &Context) -> Result<(BackupRow, Report)> {
        let opened = match self.open_one(copy) {
            // Somebody else's file is judged when it is opened.
            Err(error) if copy.foreign.is_some() && error.kind() == ErrorKind::Corrupted => {
                let problems = vec![Problem::new(error.code(), told(&error))];
                let report = Report { id: copy.id.parse()?, level, ok: false, problems };
                return Ok((copy.clone(), report));
            }
            other => other?,
        };
        let scratch = self.scratch()?;
        let report = verify::run(opened.store.as_ref(), &opened.listed, level, scratch.path(), context)?;
        let fresh = match copy.foreign {
            Some(_) => copy.clone(),
            None => row(&opened.listed, &copy.destination, &copy.owner),
        };
        Ok((fresh, report))
    }
}

impl Engine {
    pub(super) async fn run_verify(
        &self,
        task: &Task,
        backup: Option<String>,
        level: Level,
        also: Vec<String>,
    ) -> Result<Done> {
        let first = match backup {
            Some(id) => id,
            None => self.newest(&task.run.plan_name).await?,
        };
        let mut done = Done::default();
        let mut results = Vec::new();
        let proven = self.verify_copies(task, &first, level, &mut results, &mut done).await?;
        let now = self.clock().now();
        let restored = (proven && level == Level::Restore).then_some(now);
        if !task.run.plan.is_empty() {
            self.catalog.note_run(&task.run.plan, None, None, proven.then_some(now), restored, None).await?;
        }
        for id in also {
            match self.verify_copies(task, &id, Level::Integrity, &mut results, &mut done).await {
                // Retention took it since.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => drop(other?),
            }
        }
        done.outcome = match (&done.error, done.warnings.is_empty()) {
            (Some(_), _) => Outcome::Failed,
            (None, false) => Outcome::Warnings,
            (None, true) => Outcome::Good,
        };
        done.result = json!({ "results": results });
        Ok(done)
    }

    /// Verifies every copy of a backup; tells whether all that could be looked at are good, and at least one could.
    async fn verify_copies(
        &self,
        task: &Task,
        id: &str,
        level: Level,
        results: &mut Vec<Value>,
        done: &mut Done,
    ) -> Result<bool> {
        let copies = self.catalog.copies(id, None).await?;
        if copies.is_empty() {
            return Err(backup_missing(id));
        }
        let mut good = 0;
        for copy in &copies {
            let (site, looked_at, context) = (self.site.clone(), copy.clone(), task.context.clone());
            let verified = blocking(move || site.verify(&looked_at, level, &context)).await;
            let place = &copy.destination;
            let details =
                |ok: bool, more: Value| json!({ "destination": place, "level": level, "ok": ok, "problems": more });
            let (ok, problems) = match verified {
                Err(error) if matches!(error.kind(), ErrorKind::Cancelled) => return Err(error),
                Err(error) if error.code() == "backup_missing" => {
                    self.catalog.forget_backup(id, Some(place)).await?;
                    let text = format!("The copy of {id} at {place} is gone");
                    done.warnings.push(Warning::new("copy_gone", text));
                    continue;
                }
                Err(error) => {
                    let text = format!("The copy of {id} at {place} could not be looked at: {}", told(&error));
                    done.warnings.push(Warning::new(error.code(), text));
                    results.push(json!({ "id": id, "destination": place, "level": level, "ok": null, "error": document(&error) }));
                    continue;
                }
                Ok((mut fresh, report)) => {
                    fresh.damaged = report.problems.first().map(|problem| problem.text.clone());
                    fresh.verified = copy.verified.max(fresh.verified);
                    if report.ok {
                        fresh.verified = fresh.verified.max(Some(level));
                    }
                    fresh.verified_at = Some(self.clock().now());
                    self.catalog.put_backup(&fresh).await?;
                    (report.ok, json!(report.problems))
                }
            };
            let recorded = event("backup.verified", ("backup", id), "verify", ok, details(ok, problems.clone()));
            self.record(&task.who, recorded).await;
            good += usize::from(ok);
            if !ok {
                let why = problems[0]["text"].as_str().unwrap_or_default().to_owned();
                let error = Error::corrupted(format!("the copy of {id} at {place}: {why}"));
                done.error.get_or_insert(error.hint("another copy or another backup may be whole; make a new one now"));
            }
            let mut told = details(ok, problems);
            told["id"] = json!(id);
            results.push(told);
        }
        Ok(good > 0 && done.error.is_none())
    }

    /// The newest backup of a plan that is no safety backup and no export.
    async fn newest(&self, plan: &str) -> Result<String> {
        let filter = Filter { plan: Some(plan.to_owned()), limit: LOOKED_AT, ..Filter::default() };
        let rows = self.catalog.backups(&filter).await?;
        let fits =
            |row: &&BackupRow| row.kind != Kind::PreRestore && row.format != Format::Csv && row.foreign.is_none();
        rows.iter().find(fits).map(|row| row.id.clone()).ok_or_else(|| backup_missing("latest"))
    }
}
