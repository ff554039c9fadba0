//! Retention: previewed, confirmed, carried out, at each destination of a plan. Every backup that goes is recorded before
//! it goes, and stays when that fails.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::audit::event;
use super::site::{Place, Site};
use super::work::{Done, Task, document, told};
use super::{Actor, Engine, Work, blocking};
use crate::catalog::{Kept, PlanRow, RunRow};
use crate::error::{Error, ErrorKind, Result};
use crate::model::guard::Trigger;
use crate::model::retention::Policy;
use crate::model::user::Role;
use crate::model::{BackupId, Outcome, Plan, Warning};
use crate::prune::{self, Preview, Report, Request, Rule};

/// How long a preview is good for.
pub(super) const PREVIEW: SignedDuration = SignedDuration::from_mins(15);
/// How far a draft looks ahead.
const LATER: SignedDuration = SignedDuration::from_hours(24 * 90);
/// How long nothing is removed after the clock was wrong.
const DISTRUST: SignedDuration = SignedDuration::from_hours(24);

/// One series and what is wanted of it.
struct Pruning {
    plan: String,
    what: What,
    trigger: Trigger,
    /// The set that somebody said yes to.
    confirmed: Option<String>,
}

/// What may go.
#[derive(Clone)]
enum What {
    /// What the plan's policy does not want.
    Policy(Policy),
    /// Protected ones that are older than this.
    Protected(SignedDuration),
}

impl What {
    fn at(site: &Site, plan: &Plan, destination: &str, protected_older_than: Option<SignedDuration>) -> What {
        match protected_older_than {
            Some(older_than) => What::Protected(older_than),
            None => What::Policy(site.policy_at(plan, destination).unwrap_or_default()),
        }
    }
}

impl Pruning {
    /// `damaged` are the copies there that are known to be: they take the place of no good one.
    fn request<'a>(&'a self, damaged: &'a [BackupId]) -> Request<'a> {
        let rule = match &self.what {
            What::Policy(policy) => Rule::Policy { policy, once: false },
            What::Protected(older_than) => Rule::Protected { older_than: *older_than },
        };
        Request { plan: &self.plan, rule, trigger: self.trigger, confirmed: self.confirmed.as_deref(), damaged }
    }
}

impl Engine {
    /// What retention would remove now, by destination. Good for [`Engine::start_prune`] for 15 minutes. Errors:
    /// `no_retention` when the plan keeps everything.
    pub async fn preview_prune(&self, who: &Actor, plan: &str) -> Result<(String, Vec<(String, Preview)>)> {
        let row = self.plan(who, plan).await?;
        let plan = self.plan_of(&row)?;
        if plan.retention.is_none() && plan.retention_at.is_empty() {
            let text = format!("{} keeps everything", plan.name);
            return Err(Error::usage("no_retention", text).hint("say under retention what is kept"));
        }
        self.preview(who, &row, plan, None).await
    }

    /// What would go of the protected backups that are older than this, by destination: those that were protected by hand,
    /// or made before a restore or a migration. The newest good one of the plan always stays. To be confirmed as
    /// [`Engine::preview_prune`]'s.
    pub async fn preview_cleanup(
        &self,
        who: &Actor,
        plan: &str,
        older_than: SignedDuration,
    ) -> Result<(String, Vec<(String, Preview)>)> {
        let row = self.plan(who, plan).await?;
        let plan = self.plan_of(&row)?;
        self.preview(who, &row, plan, Some(older_than)).await
    }

    /// What retention would remove under another policy (`retention` of a plan's document, `null` keeps everything), at the
    /// destinations on this machine, or at all when none is; with how many there would be in 90 days. For a page that
    /// shows it while somebody types: it cannot be carried out.
    pub async fn preview_draft(
        &self,
        who: &Actor,
        plan: &str,
        retention: Value,
    ) -> Result<Vec<(String, Preview, usize)>> {
        let row = self.plan(who, plan).await?;
        let mut body = row.body.clone();
        body["retention"] = retention;
        let plan = self.settings().plan_of(&row.name, &body)?;
        let damaged = self.damaged_of(&plan.name).await?;
        let (site, now) = (self.site.clone(), self.clock().now());
        let later = now.saturating_add(LATER).map_err(|error| Error::usage("bad_date", error.to_string()))?;
        blocking(move || {
            let (near, far): (Vec<_>, Vec<_>) =
                site.open_places(&plan)?.into_iter().partition(|place| place.store.staging_root().is_some());
            let look = |place: Place| {
                let policy = site.policy_at(&plan, &place.name).unwrap_or_default();
                let damaged = damaged.get(&place.name).map(Vec::as_slice).unwrap_or_default();
                let rule = Rule::Policy { policy: &policy, once: true };
                let (trigger, confirmed) = (Trigger::Command, None);
                let request = Request { plan: &plan.name, rule, trigger, confirmed, damaged };
                let preview = prune::preview(place.store.as_ref(), &request, now)?;
                let then = preview.forecast(&policy, later)?.kept;
                Ok((place.name, preview, then))
            };
            if near.is_empty() { far } else { near }.into_iter().map(look).collect()
        })
        .await
    }

    async fn preview(
        &self,
        who: &Actor,
        row: &PlanRow,
        plan: Plan,
        protected_older_than: Option<SignedDuration>,
    ) -> Result<(String, Vec<(String, Preview)>)> {
        let (site, now) = (self.site.clone(), self.clock().now());
        let older_than = protected_older_than.map(|older_than| older_than.as_secs());
        let damaged = self.damaged_of(&plan.name).await?;
        let previews = blocking(move || {
            let look = |place: Place| {
                let what = What::at(&site, &plan, &place.name, protected_older_than);
                let (plan, confirmed) = (plan.name.clone(), None);
                let damaged = damaged.get(&place.name).map(Vec::as_slice).unwrap_or_default();
                let pruning = Pruning { plan, what, trigger: Trigger::Command, confirmed };
                let preview = prune::preview(place.store.as_ref(), &pruning.request(damaged), now)?;
                Ok((place.name, preview))
            };
            site.open_places(&plan)?.into_iter().map(look).collect::<Result<Vec<_>>>()
        })
        .await?;
        let sets: Vec<(String, String)> =
            previews.iter().map(|(name, preview)| (name.clone(), preview.set.clone())).collect();
        let kept = json!({ "plan": row.id, "sets": sets, "protected_older_than": older_than });
        let id = self.keep(who, "prune_preview", kept).await?;
        Ok((id, previews))
    }

    /// Removes exactly what a preview showed. Each preview can be used once. Errors: `preview_missing`.
    pub async fn start_prune(&self, who: &Actor, preview: &str) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let kept = self.kept(who, "prune_preview", preview).await?;
        let row = self.plan(who, kept["plan"].as_str().unwrap_or_default()).await?;
        let sets = serde_json::from_value(kept["sets"].clone()).unwrap_or_default();
        let details = json!({ "plan": row.name, "preview": preview });
        self.audit(who, event("backup_retention.confirmed", ("plan", &row.id), "delete", true, details)).await?;
        let protected_older_than = kept["protected_older_than"].as_i64();
        self.queue(who, Some(&row), &row.name, Work::Prune { sets, protected_older_than }).await
    }

    pub(super) async fn run_prune(
        &self,
        task: &Task,
        sets: Vec<(String, String)>,
        protected_older_than: Option<SignedDuration>,
    ) -> Result<Done> {
        let (_, plan) = task.plan()?;
        let (mut done, mut results) = (Done::default(), Vec::new());
        for (destination, set) in sets {
            let pruning = Pruning {
                plan: plan.name.clone(),
                what: What::at(&self.site, plan, &destination, protected_older_than),
                trigger: Trigger::Command,
                confirmed: Some(set),
            };
            let site = self.site.clone();
            let name = destination.clone();
            let store = blocking(move || site.store(&name)).await?;
            let place = Place { name: destination, store };
            results.push(self.prune_at(task, &place, pruning, &mut done.warnings).await?);
            self.note_filled(&[place]).await;
        }
        done.outcome = if done.warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
        done.result = json!({ "retention": results });
        Ok(done)
    }

    /// Applies what a plan keeps at a destination where a good backup was just stored; gives what is told of it, nothing
    /// where the plan keeps everything or somebody else prunes right now. What fails is a warning: the backup is there.
    pub(super) async fn prune_after(
        &self,
        task: &Task,
        plan: &Plan,
        place: &Place,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Value>> {
        let Some(policy) = self.site.policy_at(plan, &place.name) else { return Ok(None) };
        let (what, trigger) = (What::Policy(policy), Trigger::VerifiedBackup);
        let pruning = Pruning { plan: plan.name.clone(), what, trigger, confirmed: None };
        match self.prune_at(task, place, pruning, warnings).await {
            Ok(told) => Ok(Some(told)),
            Err(error) if error.kind() == ErrorKind::Cancelled => Err(error),
            // Another daemon prunes there: then it is being done.
            Err(error) if error.code() == "retention_running" => Ok(None),
            Err(error) => {
                let text = format!("Nothing was removed at {}: {}", place.name, told(&error));
                warnings.push(Warning::new("not_pruned", text));
                Ok(None)
            }
        }
    }

    /// Applies retention at one destination; gives what is told of it. That it paused, or could not remove something, is a
    /// warning.
    async fn prune_at(
        &self,
        task: &Task,
        place: &Place,
        pruning: Pruning,
        warnings: &mut Vec<Warning>,
    ) -> Result<Value> {
        let mut warn_of_pause =
            |why: &str| warnings.push(Warning::new("retention_paused", format!("{}: {why}", place.name)));
        let plan_id = task.run.plan.as_str();
        let details = |more: Value| {
            let mut details = json!({ "plan": pruning.plan, "destination": place.name, "run": task.run.id });
            if let (Some(details), Value::Object(more)) = (details.as_object_mut(), more) {
                details.extend(more);
            }
            details
        };
        if pruning.confirmed.is_none()
            && let Some(since) = self.clock_was_wrong().await?
        {
            let reason = format!("the clock was wrong at {since}; nothing is removed for a day");
            let paused = details(json!({ "code": "clock", "reason": reason }));
            let check = event("backup_retention.safety_check", ("plan", plan_id), "check", false, paused);
            self.record(&task.who, check).await;
            warn_of_pause(&reason);
            return Ok(json!({ "destination": place.name, "deleted": [], "failed": [], "paused": reason }));
        }
        let (store, context) = (self.guard(task).store(place), task.context.clone());
        let confirmed = pruning.confirmed.clone();
        let (plan, what, trigger) = (pruning.plan.clone(), pruning.what.clone(), pruning.trigger);
        let protected = matches!(what, What::Protected(_));
        let damaged = self.damaged_of(&plan).await?.remove(&place.name).unwrap_or_default();
        let pruned = blocking(move || {
            let pruning = Pruning { plan, what, trigger, confirmed };
            prune::run(store.as_ref(), &pruning.request(&damaged), &context)
        })
        .await;
        let report = match pruned {
            Ok(report) => report,
            Err(error) => {
                if error.kind() != ErrorKind::Cancelled && task.run.kind != crate::model::job::RunKind::Prune {
                    let wrong = details(super::audit::wrong(&error));
                    let failed = event("backup_retention.error", ("plan", plan_id), "delete", false, wrong);
                    self.record(&task.who, failed).await;
                }
                return Err(error);
            }
        };
        for id in &report.deleted {
            self.catalog.forget_backup(id.as_str(), Some(&place.name)).await?;
        }
        self.record_pruned(task, &report, protected, &details).await;
        let pause = report.preview.paused.as_ref();
        pause.iter().for_each(|pause| warn_of_pause(&pause.hinted()));
        if !report.failed.is_empty() {
            let text = format!("Not everything could be removed at {}", place.name);
            warnings.push(Warning::new("not_removed", text));
        }
        let failed: Vec<Value> =
            report.failed.iter().map(|(id, error)| json!({ "id": id.as_str(), "error": document(error) })).collect();
        Ok(json!({
            "destination": place.name,
            "deleted": ids(&report.deleted),
            "failed": failed,
            "freed_bytes": report.freed_bytes,
            "trashed": report.trashed,
            "paused": pause.map(|pause| pause.sentence()),
        }))
    }

    /// Copies of a plan that are known to be damaged, by destination.
    async fn damaged_of(&self, plan: &str) -> Result<BTreeMap<String, Vec<BackupId>>> {
        let mut damaged: BTreeMap<String, Vec<BackupId>> = BTreeMap::new();
        for row in self.catalog.backups_of(plan).await?.into_iter().filter(|row| row.damaged.is_some()) {
            damaged.entry(row.destination).or_default().extend(row.id.parse::<BackupId>());
        }
        Ok(damaged)
    }

    async fn record_pruned(&self, task: &Task, report: &Report, protected: bool, details: &impl Fn(Value) -> Value) {
        let plan = ("plan", task.run.plan.as_str());
        let mut events = Vec::new();
        if let Some(pause) = &report.preview.paused {
            let paused = json!({ "code": pause.code, "reason": pause.reason, "set": report.preview.set });
            events.push(event("backup_retention.safety_check", plan, "check", false, details(paused)));
        } else if !report.deleted.is_empty() {
            let applied = json!({
                "deleted": ids(&report.deleted), "freed_bytes": report.freed_bytes,
                "kept": report.preview.entries.len() - report.preview.going().count(),
            });
            let name = if protected { "cleanup_old_protected" } else { "applied" };
            events.push(event(&format!("backup_retention.{name}"), plan, "delete", true, details(applied)));
        }
        for (id, error) in &report.failed {
            let wrong = details(super::audit::wrong(error));
            events.push(event("backup_retention.delete_error", ("backup", id.as_str()), "delete", false, wrong));
        }
        if !report.waste.is_empty() {
            let waste = details(json!({ "removed": report.waste }));
            events.push(event("backup_retention.cleanup_empty", plan, "delete", true, waste));
        }
        for event in events {
            self.record(&task.who, event).await;
        }
    }

    /// Since when the clock is not to be trusted with what is old.
    async fn clock_was_wrong(&self) -> Result<Option<Timestamp>> {
        let at = self.catalog.setting("clock_anomaly").await?;
        let at: Option<Timestamp> = at.and_then(|at| serde_json::from_str(&at).ok());
        let now = self.clock().now();
        Ok(at.filter(|at| now.duration_since(*at).abs() < DISTRUST))
    }

    /// Keeps a preview for whoever saw it.
    pub(super) async fn keep(&self, who: &Actor, kind: &str, body: Value) -> Result<String> {
        let now = self.clock().now();
        let id = BackupId::generate(now).to_string();
        let expires_at = now.saturating_add(PREVIEW).unwrap_or(now);
        let kept = Kept { kind: kind.to_owned(), id: id.clone(), owner: owner(who), body, expires_at };
        self.catalog.keep_once(&kept, now).await?;
        Ok(id)
    }

    /// Takes a preview: only one caller gets it.
    pub(super) async fn kept(&self, who: &Actor, kind: &str, id: &str) -> Result<Value> {
        let missing = || {
            Error::new(ErrorKind::NotFound, "preview_missing", "There is no such preview any more")
                .hint("make a new one; a preview is good for 15 minutes and for one use")
        };
        let kept = self.catalog.kept(kind, id, &owner(who), self.clock().now()).await?.ok_or_else(missing)?;
        if self.catalog.forget(kind, id, &owner(who)).await? { Ok(kept.body) } else { Err(missing()) }
    }
}

fn owner(who: &Actor) -> String {
    who.account.clone().unwrap_or_default()
}

fn ids(all: &[BackupId]) -> Vec<&str> {
    all.iter().map(BackupId::as_str).collect()
}
