//! Bringing backups to the destinations of their plan that lack them: after a destination failed, until they are there.
//! What is missing is told from the list of backups ([`copies::missing`]) whenever it is asked; all that is remembered is
//! that somebody will try again, as a run of kind *copy* that waits in the catalog.
//!
//! Not here: how a backup is copied ([`crate::copy`]), and how a destination stands ([`super::standing`]).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::audit::event;
use super::fence::backup_missing;
use super::list::row as listed_row;
use super::nearest::Skipped;
use super::site::{Place, Site};
use super::work::{Done, Task, document};
use super::{Actor, Engine, Work, blocking, insist};
use crate::catalog::{BackupRow, PlaceRow, PlanRow, RunRow, Runs};
use crate::copy::{self, Copied, There};
use crate::error::{Error, ErrorKind, Result};
use crate::model::copies::{self, Known};
use crate::model::job::{Cause, RunKind, State};
use crate::model::notice::BackupTold;
use crate::model::retention::Policy;
use crate::model::user::Role;
use crate::model::{BackupId, Outcome, Plan, Warning};
use crate::progress::Context;
use crate::store::{Listed, Listing, Store};

/// Copy runs of a plan that are looked at.
const OPEN: i64 = 200;

/// What the catalog knows of a plan's copies and of its destinations.
pub(super) struct Inventory {
    pub rows: Vec<BackupRow>,
    pub known: Vec<Known>,
    pub places: Vec<PlaceRow>,
}

/// A destination of a plan: as the plan's document calls it, and as the list does.
pub(super) struct Named {
    pub written: String,
    pub usual: String,
}

impl Site {
    /// The destinations of a plan, each place once.
    pub fn named(&self, plan: &Plan) -> Vec<Named> {
        let mut seen = BTreeSet::new();
        let named = |written: &String| Named { written: written.clone(), usual: self.usual_name(written) };
        plan.destinations.iter().map(named).filter(|named| seen.insert(named.usual.clone())).collect()
    }

    /// What a plan keeps at a destination, by the name that the list has for it; `None` is everything.
    pub fn policy_at(&self, plan: &Plan, usual: &str) -> Option<Policy> {
        let named = self.named(plan).into_iter().find(|named| named.usual == usual);
        named.map_or(plan.retention.as_ref(), |named| plan.retention_of(&named.written)).cloned()
    }

    /// Copies one backup from the first of these copies that is whole; tells from where.
    fn spread(
        &self,
        from: &[BackupRow],
        to: &dyn Store,
        there: &There<'_>,
        context: &Context,
    ) -> (Result<(Copied, Listed, String)>, Vec<Skipped>) {
        self.first_good(from, |row, copy| {
            let scratch = self.scratch()?;
            let copied = copy::knowing(copy.store.as_ref(), &copy.listed, to, there, scratch.path(), context)?;
            Ok((copied, copy.listed.clone(), row.destination.clone()))
        })
    }
}

impl Engine {
    /// What the catalog knows of a plan's copies and of its destinations.
    pub(super) async fn inventory(&self, row: &PlanRow) -> Result<Inventory> {
        let rows = self.catalog.backups_of(&row.name).await?;
        Ok(Inventory {
            known: rows.iter().filter_map(BackupRow::known).collect(),
            rows,
            places: self.catalog.places(&row.id).await?,
        })
    }

    /// The backups that a destination of a plan should have and lacks, the newest first.
    pub(super) fn missing_at(&self, plan: &Plan, usual: &str, inventory: &Inventory) -> Result<Vec<BackupId>> {
        let Some(place) = inventory.places.iter().find(|place| place.destination == usual) else {
            return Ok(Vec::new());
        };
        let policy = self.site.policy_at(plan, usual);
        copies::missing(policy.as_ref(), place.since, usual, &inventory.known, self.clock().now())
    }

    /// Remembers which destinations a plan has now, and since when.
    pub(super) async fn know_places(&self, row: &PlanRow, plan: &Plan) -> Result<()> {
        let names: Vec<String> = self.site.named(plan).into_iter().map(|named| named.usual).collect();
        self.catalog.forget_places(&row.id, &names).await?;
        let now = self.clock().now();
        for name in &names {
            self.catalog.know_place(&row.id, name, now).await?;
        }
        Ok(())
    }

    /// Queues a run for every destination of a plan that lacks something, unless one waits. One that waits begins at once
    /// where `reached` says that the destination answers; where it did not just now, the first attempt waits a minute.
    pub(super) async fn queue_copies(&self, row: &PlanRow, plan: &Plan, reached: &[String]) -> Result<()> {
        let named = self.site.named(plan);
        if named.len() < 2 {
            return Ok(());
        }
        let (now, inventory) = (self.clock().now(), self.inventory(row).await?);
        for Named { usual, .. } in named {
            if self.missing_at(plan, &usual, &inventory)?.is_empty() {
                continue;
            }
            let reached = reached.contains(&usual);
            match self.open_copy_run(&row.id, &usual).await? {
                Some(run) if reached => self.catalog.hasten_run(&run.id, now).await?,
                Some(_) => {}
                None => {
                    let work = Work::Copy { destination: usual, backup: None };
                    let mut new = self.new_run(Some(row), &row.name, work, Cause::Retry, now);
                    if !reached {
                        new.due_at = now.saturating_add(copies::pause(1)).unwrap_or(now);
                    }
                    self.catalog.add_run(&new, now).await?;
                }
            }
        }
        Ok(())
    }

    /// Queues what is missing of every plan: what a crash, another process or a person left. The scheduler asks for it
    /// every hour.
    pub async fn queue_missing_copies(&self) -> Result<()> {
        let mut plans = self.catalog.every_plan(None);
        while let Some(row) = plans.next().await? {
            // A plan that makes no sense any more is a trouble of its own.
            let Ok(plan) = self.plan_of(&row) else { continue };
            self.know_places(&row, &plan).await?;
            self.queue_copies(&row, &plan, &[]).await?;
        }
        Ok(())
    }

    /// The run that waits to bring a plan's backups to a destination, or does.
    pub(super) async fn open_copy_run(&self, plan: &str, destination: &str) -> Result<Option<RunRow>> {
        for state in [State::Running, State::Queued] {
            let (plan, state, kind) = (Some(plan.to_owned()), Some(state), Some(RunKind::Copy));
            let found = self.catalog.runs(&Runs { plan, state, kind, limit: OPEN, ..Runs::default() }).await?;
            let this = |run: &RunRow| run.request["destination"] == destination && run.request["backup"].is_null();
            if let Some(run) = found.into_iter().find(this) {
                return Ok(Some(run));
            }
        }
        Ok(None)
    }

    /// Brings to a destination what it lacks of a plan, now: the run that waits for that begins, or one is queued. Errors:
    /// `plan_missing`, `destination_missing` when the plan does not use it, `queue_full`.
    pub async fn copy_missing(&self, who: &Actor, plan: &str, destination: &str) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let row = self.plan(who, plan).await?;
        let usual = self.site.usual_name(destination);
        if !self.site.named(&self.plan_of(&row)?).iter().any(|named| named.usual == usual) {
            let text = format!("{} has no destination {destination}", row.name);
            return Err(Error::new(ErrorKind::NotFound, "destination_missing", text));
        }
        if let Some(run) = self.open_copy_run(&row.id, &usual).await? {
            self.catalog.hasten_run(&run.id, self.clock().now()).await?;
            // Workers sleep until something is said.
            self.say(&run, None, None);
            return Ok(run);
        }
        self.queue(who, Some(&row), &row.name, Work::Copy { destination: usual, backup: None }).await
    }

    /// Queues the copying of one backup to a destination that has a name or that its plan uses, whatever retention would
    /// keep there. Errors: `destination_missing`, `backup_missing`, `queue_full`.
    pub async fn copy(&self, who: &Actor, backup: &str, destination: &str) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let copies = self.backup(who, backup).await?;
        let Some(first) = copies.first() else { return Err(backup_missing(backup)) };
        let row = match self.plan(who, &first.plan).await {
            Err(error) if error.code() == "plan_missing" => None,
            other => Some(other?),
        };
        let plan = row.as_ref().map(|row| self.plan_of(row)).transpose()?;
        let mut known = self.destinations();
        known.extend(plan.iter().flat_map(|plan| self.site.named(plan)).map(|named| named.usual));
        let usual = self.site.usual_name(destination);
        if !known.contains(&usual) {
            let text = format!("There is no destination {destination}");
            return Err(Error::new(ErrorKind::NotFound, "destination_missing", text));
        }
        if let Some(foreign) = copies.iter().find(|copy| copy.foreign.is_some()) {
            return Err(super::nearest::read_only(&foreign.id));
        }
        let work = Work::Copy { destination: usual, backup: Some(first.id.clone()) };
        self.queue(who, row.as_ref(), &first.plan.clone(), work).await
    }

    pub(super) async fn run_copy(&self, task: &Task, destination: String, backup: Option<String>) -> Result<Done> {
        let ids: Vec<String> = match (&backup, &task.plan) {
            (Some(id), _) => vec![id.clone()],
            (None, Some((row, plan))) if self.site.named(plan).iter().any(|named| named.usual == destination) => {
                let inventory = self.inventory(row).await?;
                self.missing_at(plan, &destination, &inventory)?.iter().map(ToString::to_string).collect()
            }
            // It does not belong to the plan any more.
            (None, _) => Vec::new(),
        };
        let mut round =
            Round { destination: destination.clone(), copied: Vec::new(), told: None, warnings: Vec::new() };
        let (place, error) = match ids.is_empty() {
            true => (None, None),
            false => match self.copy_all(task, &ids, &mut round).await {
                Ok(place) => (Some(place), None),
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                Err(error) => (None, Some(error)),
            },
        };
        if !ids.is_empty() && !task.run.plan.is_empty() {
            let wrong = error.as_ref().map(document);
            self.catalog.note_place(&task.run.plan, &destination, wrong.as_ref(), self.clock().now()).await?;
        }
        if let Some(error) = error {
            let mut details = super::audit::wrong(&error);
            details["plan"] = json!(task.run.plan_name);
            details["destination"] = json!(destination);
            details["run"] = json!(task.run.id);
            let failed = event("backup.copied", ("plan", &task.run.plan), "copy", false, details);
            self.record(&task.who, failed).await;
            return Err(error.while_(format!("copying to {destination}")));
        }
        let mut result = json!({ "destination": destination, "copied": round.copied });
        if let (None, Some((_, plan)), Some(place), false) = (&backup, &task.plan, &place, round.copied.is_empty()) {
            // Where backups only ever arrive later, retention would never be applied otherwise.
            let pruned = self.prune_after(task, plan, place, &mut round.warnings).await?;
            result["retention"] = json!(Vec::from_iter(pruned));
        }
        if let Some(place) = place.filter(|_| !round.copied.is_empty()) {
            self.note_filled(&[place]).await;
        }
        result["warnings"] = json!(round.warnings);
        let outcome = if round.warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
        Ok(Done { outcome, result, warnings: round.warnings, backup: round.told, error: None })
    }

    /// Copies these backups, one after the other. What goes wrong at the destination ends it; a backup of which no copy is
    /// whole is a warning. Gives the destination, open.
    async fn copy_all(&self, task: &Task, ids: &[String], round: &mut Round) -> Result<Place> {
        let (site, name) = (self.site.clone(), round.destination.clone());
        let plan = task.run.plan_name.clone();
        // Asked first, so that a destination that is not there costs one question.
        let (store, listing) = blocking(move || {
            let store = site.store(&name)?;
            let listing: Listing = store.list(Some(&plan))?;
            Ok((store, listing))
        })
        .await?;
        let place = Place { name: round.destination.clone(), store };
        self.know_marks(std::slice::from_ref(&place)).await;
        let to = self.guard(task).store(&place);
        for id in ids {
            task.context.check()?;
            let rows = self.catalog.copies(id, None).await?;
            let (here, from): (Vec<BackupRow>, Vec<BackupRow>) =
                rows.into_iter().partition(|copy| copy.destination == round.destination);
            if from.is_empty() {
                if round.single(ids) {
                    return Err(backup_missing(id));
                }
                continue;
            }
            let owner = from.first().map(|copy| copy.owner.clone()).unwrap_or_default();
            let damaged = here.iter().any(|copy| copy.damaged.is_some());
            let there = listing.backups.iter().find(|listed| listed.manifest.id.as_str() == id).cloned();
            let (site, to, context) = (self.site.clone(), to.clone(), task.context.clone());
            let (copied, skipped) = blocking(move || {
                let there = There { listed: there.as_ref(), damaged };
                Ok(site.spread(&from, to.as_ref(), &there, &context))
            })
            .await?;
            self.note_skipped(&task.who, &skipped).await;
            let (copied, listed, source) = match copied {
                Ok(done) => done,
                Err(error) if error.kind() == ErrorKind::Corrupted && !round.single(ids) => {
                    let text = format!("{id} was not copied: {}", super::work::told(&error));
                    round.warnings.push(Warning::new("no_good_copy", text));
                    continue;
                }
                Err(error) => return Err(error),
            };
            round.warnings.extend(skipped.iter().map(Skipped::warning));
            let mut row = listed_row(&listed, &round.destination, &owner);
            row.damaged = None;
            insist(|| self.catalog.put_backup(&row)).await?;
            if copied != Copied::Already {
                let manifest = &listed.manifest;
                let details = json!({
                    "plan": manifest.plan, "destination": round.destination, "from": source, "run": task.run.id,
                    "bytes": manifest.stored_bytes(), "mended": copied == Copied::Mended,
                });
                self.record(&task.who, event("backup.copied", ("backup", id), "copy", true, details)).await;
                round.took(&listed);
            }
        }
        Ok(place)
    }

    /// When a copy is tried again that failed for the `attempt`th time.
    pub(super) fn copy_again(&self, run: &RunRow, spread: impl Fn(i64) -> i64) -> Option<Timestamp> {
        if run.cause == Cause::Manual {
            return None;
        }
        let failures = u32::try_from(run.attempt).unwrap_or(u32::MAX).saturating_add(1);
        let wait = copies::pause(failures).as_secs();
        self.clock().now().checked_add(SignedDuration::from_secs(wait + spread(wait))).ok()
    }
}

/// One go at a destination.
struct Round {
    destination: String,
    copied: Vec<String>,
    told: Option<BackupTold>,
    warnings: Vec<Warning>,
}

impl Round {
    fn single(&self, ids: &[String]) -> bool {
        ids.len() == 1
    }

    fn took(&mut self, listed: &Listed) {
        let manifest = &listed.manifest;
        self.copied.push(manifest.id.to_string());
        // The newest comes first, and is the one that people are told of.
        self.told.get_or_insert_with(|| BackupTold {
            id: manifest.id.to_string(),
            name: manifest.objects.first().map_or_else(|| manifest.file_stem(), |object| object.name.clone()),
            bytes: manifest.stored_bytes(),
            verified: manifest.verified,
            places: vec![self.destination.clone()],
            link: None,
        });
    }
}
