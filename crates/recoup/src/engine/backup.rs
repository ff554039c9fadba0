//! A backup run: interrupted restores are dealt with, the verb does its work, the list of backups and the plan's dates
//! follow, the audit is told, and then comes what a good backup starts ([`super::after`]).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::audit::event;
use super::fence::{Fence, Guarded, Recorder};
use super::list::row;
use super::site::{Place, Site};
use super::work::{Done, Task, document};
use super::{Actor, Engine, blocking, insist};
use crate::backup::{self, Report, Request};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::hooks::Occasion;
use crate::migration::{self, Made, Terms};
use crate::model::audit::Head;
use crate::model::notice::BackupTold;
use crate::model::user::Role;
use crate::model::{Kind, Outcome, Plan, RestoreRecord, Warning};
use crate::progress::Context;
use crate::restore::recover;
use crate::store::{Listed, Store};

/// How long somebody who holds a database is waited for.
pub(super) const BUSY: Duration = Duration::from_secs(30);

/// What a blocking thread needs to make a backup.
pub(super) struct Job {
    pub plan: Plan,
    pub role: Role,
    pub kind: Kind,
    pub label: Option<String>,
    pub protect: bool,
    pub local_only: bool,
    pub rescan: bool,
    pub audit: Option<Head>,
    pub context: Context,
    pub guard: Guard,
}

/// Makes stores that a run may write to as long as the run is its own.
#[derive(Clone)]
pub(super) struct Guard {
    pub catalog: Catalog,
    pub clock: Arc<dyn Clock>,
    pub fence: Arc<Fence>,
    pub who: Actor,
    pub tokio: Handle,
}

impl Guard {
    pub fn stores(&self, places: &[Place]) -> Vec<Arc<dyn Store>> {
        places.iter().map(|place| self.store(place)).collect()
    }

    pub fn store(&self, place: &Place) -> Arc<dyn Store> {
        Arc::new(Guarded {
            store: place.store.clone(),
            destination: place.name.clone(),
            fence: self.fence.clone(),
            recorder: Recorder {
                catalog: self.catalog.clone(),
                clock: self.clock.clone(),
                who: self.who.clone(),
                tokio: self.tokio.clone(),
            },
        })
    }
}

/// A backup and where it is.
pub(super) struct Stored {
    pub report: Report,
    pub places: Vec<Place>,
    pub failed: Vec<(String, Error)>,
    /// It was there already.
    pub reused: bool,
    /// Where people can look at it.
    pub link: Option<String>,
}

impl Site {
    pub fn back_up(&self, job: &Job) -> Result<Stored> {
        self.within_roots(job.role, &job.plan)?;
        let all = &job.plan.destinations;
        let destinations = if job.local_only { self.on_this_machine(&job.plan)? } else { all.clone() };
        let (places, mut failed) = self.places(&destinations);
        if places.is_empty() {
            let nothing = || Error::usage("no_destination", "The plan has no destination");
            return Err(failed.into_iter().next().map_or_else(nothing, |(_, error)| error));
        }
        let stores = job.guard.stores(&places);
        // Half a restore must never become a backup.
        self.repair(&job.plan, &stores, BUSY, &job.context)?;
        let request = Request {
            plan: job.plan.name.clone(),
            sources: self.factories(&job.plan),
            format: job.plan.format,
            queries: job.plan.queries.clone(),
            kind: job.kind,
            label: job.label.clone(),
            protect: job.protect,
            host: self.host.clone(),
            hooks: self.hooks(&job.plan, Occasion::Backup),
            scratch: self.scratch_root(),
            audit: job.audit.clone(),
            local_only: job.local_only,
            // It is copied to what cannot be opened now when it can.
            secrets: all.iter().all(|name| self.encrypts(name, &job.plan)),
            rescan: job.rescan,
        };
        let (mut report, reused) = match job.kind {
            Kind::PreMigration => match migration::run(&request, &stores, &Terms::default(), &job.context)? {
                Made::New(report) => (*report, false),
                Made::Reused(listed, warnings) => (found(*listed, warnings, &places), true),
            },
            _ => (backup::run(&request, &stores, &job.context)?, false),
        };
        let name_of = |described: &str| {
            let place = places.iter().find(|place| place.store.describe() == described);
            place.map_or_else(|| described.to_owned(), |place| place.name.clone())
        };
        failed.extend(report.failed.drain(..).map(|(described, error)| (name_of(&described), error)));
        if !failed.is_empty() {
            report.outcome = Outcome::Warnings;
        }
        let stored = |place: &Place| report.stored.contains(&place.store.describe());
        let places: Vec<Place> = places.iter().filter(|place| stored(place)).cloned().collect();
        // The backup is there, whether or not somebody says how to look at it.
        let link = places.iter().find_map(|place| place.store.link(&report.manifest).ok().flatten());
        Ok(Stored { places, failed, reused, link, report })
    }

    /// The destinations of a plan that are not in the network. Error: `no_local_destination` when there is none.
    pub fn on_this_machine(&self, plan: &Plan) -> Result<Vec<String>> {
        let here = |name: &&String| self.destination(name).is_ok_and(|found| found.path().is_some());
        let found: Vec<String> = plan.destinations.iter().filter(here).cloned().collect();
        if found.is_empty() {
            let text = format!("{} goes to destinations in the network only", plan.name);
            return Err(Error::usage("no_local_destination", text));
        }
        Ok(found)
    }

    /// Whether a destination encrypts what a plan makes.
    fn encrypts(&self, name: &str, plan: &Plan) -> bool {
        self.destination(name).is_ok_and(|found| found.keys.of(&plan.name).is_some())
    }

    /// Finishes or takes back restores of a plan's data that a crash interrupted.
    pub fn repair(&self, plan: &Plan, stores: &[Arc<dyn Store>], busy: Duration, context: &Context) -> Result<()> {
        let places = recover::places_of(&plan.sources, &self.settings().base);
        let remember = |record: &RestoreRecord| recover::remember_at(stores, record, context);
        for folder in recover::folders_of(places.iter().map(std::path::PathBuf::as_path)) {
            for recovered in recover::folder(&folder, &remember, busy, context)? {
                super::restore::tell_recovered(&recovered, context);
            }
            recover::nobody_restores(&folder)?;
        }
        Ok(())
    }
}

/// Nothing has changed since a backup that serves as well.
fn found(listed: Listed, warnings: Vec<Warning>, places: &[Place]) -> Report {
    let outcome = if warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
    let mut manifest = listed.manifest;
    manifest.warnings = warnings;
    let stored = places.iter().take(1).map(|place| place.store.describe()).collect();
    Report { manifest, outcome, stored, failed: Vec::new() }
}

impl Engine {
    pub(super) fn guard(&self, task: &Task) -> Guard {
        Guard {
            catalog: self.catalog.clone(),
            clock: self.clock().clone(),
            fence: task.fence.clone(),
            who: task.who.clone(),
            tokio: Handle::current(),
        }
    }

    pub(super) async fn run_backup(
        &self,
        task: &Task,
        kind: Kind,
        label: Option<String>,
        protect: bool,
        local_only: bool,
        rescan: bool,
    ) -> Result<Done> {
        let (plan_row, plan) = task.plan()?;
        let audit = match self.catalog.audit_head().await {
            Ok(head) => Some(head).filter(|head| head.seq > 0),
            Err(error) => {
                tracing::error!(plan = plan.name, "The audit cannot be read: {error}");
                None
            }
        };
        self.know_places(plan_row, plan).await?;
        let job = Job {
            plan: plan.clone(),
            role: task.role,
            kind,
            label,
            protect,
            local_only,
            rescan,
            audit,
            context: task.context.clone(),
            guard: self.guard(task),
        };
        let site = self.site.clone();
        let stored = blocking(move || site.back_up(&job)).await?;
        let manifest = &stored.report.manifest;
        // In the list first: what follows may fail, the backup is there.
        for place in &stored.places {
            let listed = Listed {
                manifest: manifest.clone(),
                protected: protect || kind.is_protected(),
                missing: Vec::new(),
                in_use: false,
                foreign: None,
            };
            let row = row(&listed, &place.name, &plan_row.owner);
            insist(|| self.catalog.put_backup(&row)).await?;
        }
        self.know_marks(&stored.places).await;
        let made = (!stored.reused).then_some(manifest.created_at);
        let verified = manifest.verified.map(|_| self.clock().now());
        insist(|| self.catalog.note_run(&plan_row.id, None, made, verified, None, None)).await?;
        let mut warnings = manifest.warnings.clone();
        let now = self.clock().now();
        for place in stored.places.iter().filter(|_| !stored.reused) {
            insist(|| self.catalog.note_place(&plan_row.id, &place.name, None, now)).await?;
        }
        for (name, error) in &stored.failed {
            let (usual, document) = (self.site.usual_name(name), document(error));
            insist(|| self.catalog.note_place(&plan_row.id, &usual, Some(&document), now)).await?;
            warnings.push(Warning::new(error.code(), format!("Not stored at {name}: {}", super::work::told(error))));
        }
        let mut result = described(&stored);
        let details = json!({
            "plan": plan.name, "run": task.run.id, "backup": manifest.id.as_str(), "kind": manifest.kind,
            "destinations": result["destinations"], "bytes": manifest.stored_bytes(), "verified": manifest.verified,
            "outcome": stored.report.outcome,
        });
        let thing = ("backup", manifest.id.as_str());
        let completed = event("backup_scheduler.backup_completed", thing, "run", true, details);
        if !self.record(&task.who, completed).await {
            let text = "The backup was made, but the audit could not be written";
            warnings.push(Warning::new("audit_failed", text));
        }
        self.after_backup(task, &stored, &mut result, &mut warnings).await?;
        result["warnings"] = json!(warnings);
        let outcome = if warnings.is_empty() { stored.report.outcome } else { Outcome::Warnings };
        let told = BackupTold {
            id: manifest.id.to_string(),
            name: manifest.own().next().map_or_else(|| manifest.file_stem(), |object| object.name.clone()),
            bytes: manifest.stored_bytes(),
            verified: manifest.verified,
            places: stored.places.iter().map(|place| place.name.clone()).collect(),
            link: stored.link.clone(),
        };
        Ok(Done { outcome, result, warnings, backup: Some(told), error: None })
    }
}

fn described(stored: &Stored) -> Value {
    let manifest = &stored.report.manifest;
    let places: Vec<&str> = stored.places.iter().map(|place| place.name.as_str()).collect();
    let failed: Vec<Value> =
        stored.failed.iter().map(|(name, error)| json!({ "destination": name, "error": document(error) })).collect();
    json!({
        "backup": manifest.id.as_str(),
        "kind": manifest.kind,
        "format": manifest.format,
        "created_at": manifest.created_at,
        "duration_ms": manifest.duration_ms,
        "bytes": manifest.stored_bytes(),
        "verified": manifest.verified,
        "destinations": places,
        "failed": failed,
        "reused": stored.reused,
        "link": stored.link,
    })
}
