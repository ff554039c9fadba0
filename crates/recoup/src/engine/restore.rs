//! Restores: previewed, confirmed, carried out, taken back. What replaces data is recorded before it happens, and does not
//! happen when that fails. A restore is never tried again by itself. Not here: what a crash interrupted
//! ([`super::interrupted`]).

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::audit::event;
use super::backup::{BUSY, Guard};
use super::fence::find;
use super::list::row;
use super::nearest::{Copy, Skipped};
use super::site::{Place, Site};
use super::work::{Done, Task};
use super::{Actor, Engine, Work, blocking};
use crate::catalog::{BackupRow, Origin, PlanRow, RunRow};
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::Occasion;
use crate::model::audit::Head;
use crate::model::user::Role;
use crate::model::{BackupId, Kind, Manifest, Outcome, Plan, RestoreRecord};
use crate::progress::Context;
use crate::restore::recover::{self, Recovered};
use crate::restore::{self, Opened, Places, Preview, Report, Request, Seen};
use crate::store::Store;

/// What a blocking thread needs to put a backup back.
struct Act {
    plan: Option<Plan>,
    role: Role,
    backup: BackupId,
    plan_name: String,
    destination: String,
    /// Every copy that the list knows; none of an upload.
    copies: Vec<BackupRow>,
    only: Vec<String>,
    force: bool,
    seen: Option<Seen>,
    undoes: Option<BackupId>,
    audit: Option<Head>,
    guard: Guard,
    context: Context,
}

impl Site {
    /// Where the parts of a backup go: where its plan has its sources now, else where they came from. What people without
    /// an admin's role, or an upload, say about other places does not count.
    pub(super) fn restore_places(
        &self,
        manifest: &Manifest,
        plan: Option<&Plan>,
        role: Role,
        undo: bool,
    ) -> Result<Places> {
        if undo {
            // The safety backup knows best where its parts were.
            let places = Places::origins(manifest);
            if role != Role::Admin {
                places.all().try_for_each(|(_, path)| self.is_within_roots(path))?;
            }
            return Ok(places);
        }
        let Some(plan) = plan else { return Ok(Places::origins(manifest)) };
        self.within_roots(role, plan)?;
        let mut named = manifest.clone();
        if role != Role::Admin || manifest.kind == Kind::Upload {
            named.parts.iter_mut().for_each(|part| part.origin = None);
        }
        let places = Places::of_plan(&named, &plan.sources, &self.settings().base)?;
        if named.parts.iter().all(|part| places.target(part).ok().flatten().is_none()) {
            let text = "Nothing in this backup belongs to the plan's sources";
            return Err(Error::usage("no_place", text).hint("give the sources of the plan the names of the parts"));
        }
        Ok(places)
    }

    /// Puts the nearest good copy back; tells which were passed over.
    fn put_back(&self, act: &Act) -> (Result<(Report, Vec<Place>)>, Vec<Skipped>) {
        if !act.copies.is_empty() {
            return self.first_good(&act.copies, |row, copy| self.put_back_from(act, &row.destination, copy));
        }
        let open = || {
            let store = self.store(&act.destination)?;
            let listing = store.list(Some(&act.plan_name))?;
            let listed = find(&listing, act.backup.as_str())?.clone();
            Ok(Copy::new(store, listed))
        };
        (open().and_then(|copy| self.put_back_from(act, &act.destination, &copy)), Vec::new())
    }

    fn put_back_from(&self, act: &Act, destination: &str, copy: &Copy) -> Result<(Report, Vec<Place>)> {
        let scratch = self.scratch()?;
        let mut opened = Opened::stored(copy.store.as_ref(), &copy.listed, scratch.path(), &act.context)?;
        // What a restore replaces is not kept where somebody else's file was laid out for a moment.
        let store = if copy.listed.foreign.is_some() { self.store(destination)? } else { copy.store.clone() };
        let found = Place { name: destination.to_owned(), store };
        if let Some(plan) = &act.plan {
            // An upload comes from anywhere; its data is this plan's from here on.
            opened.manifest.plan.clone_from(&plan.name);
        }
        let places = self.restore_places(&opened.manifest, act.plan.as_ref(), act.role, act.undoes.is_some())?;
        let mut homes = if self.is_upload(&found.name) { Vec::new() } else { vec![found] };
        for name in act.plan.iter().flat_map(|plan| &plan.destinations).map(|name| self.usual_name(name)) {
            if homes.iter().all(|home| home.name != name) {
                match self.store(&name) {
                    Ok(store) => homes.push(Place { name, store }),
                    Err(error) => act.context.observer.note(&format!("{name} is left out: {error}")),
                }
            }
        }
        let stores = act.guard.stores(&homes);
        let paths: Vec<PathBuf> = places.all().map(|(_, path)| path.clone()).collect();
        self.recover_around(&paths, &stores, &act.context)?;
        let hooks = act.plan.as_ref().map(|plan| self.hooks(plan, Occasion::Restore)).unwrap_or_default();
        let request = Request {
            only: &act.only,
            places: &places,
            stores: &stores,
            undoes: act.undoes.clone(),
            force: act.force,
            hooks: &hooks,
            busy: BUSY,
            seen: act.seen.as_ref(),
            environment: self.environment.clone(),
            host: self.host.clone(),
            audit: act.audit.clone(),
        };
        restore::run(&mut opened, &request, &act.context).map(|report| (report, homes))
    }

    /// Deals with interrupted restores around these places; tells how each ended.
    pub(super) fn recover_around(
        &self,
        paths: &[PathBuf],
        stores: &[Arc<dyn Store>],
        context: &Context,
    ) -> Result<Vec<Recovered>> {
        let remember = |record: &RestoreRecord| recover::remember_at(stores, record, context);
        let mut all = Vec::new();
        for folder in recover::folders_of(paths.iter().map(PathBuf::as_path)) {
            let recovered = recover::folder(&folder, &remember, BUSY, context)?;
            recovered.iter().for_each(|recovered| tell_recovered(recovered, context));
            all.extend(recovered);
        }
        Ok(all)
    }

    /// What a preview is made of: the copy of a backup, and its plan.
    pub(super) fn preview(
        &self,
        store: &dyn Store,
        listed: &crate::store::Listed,
        plan: Option<&Plan>,
        role: Role,
        only: &[String],
    ) -> Result<Preview> {
        let context = self.context();
        let scratch = self.scratch()?;
        let mut opened = Opened::stored(store, listed, scratch.path(), &context)?;
        let places = self.restore_places(&opened.manifest, plan, role, false)?;
        restore::preview(&mut opened, only, &places, scratch.path(), BUSY, &context)
    }
}

/// Says how an interrupted restore ended.
pub(super) fn tell_recovered(recovered: &Recovered, context: &Context) {
    let (plan, parts) = (&recovered.plan, recovered.parts.join(", "));
    context.observer.note(&match recovered.finished {
        Some(_) => format!("An interrupted restore of {plan} was finished: {parts}"),
        None => format!("An interrupted restore of {plan} was taken back: {parts} as before"),
    });
    recovered.warnings.iter().for_each(|warning| context.observer.note(&warning.text));
    tracing::warn!(plan, parts, finished = recovered.finished.is_some(), "An interrupted restore was dealt with");
}

impl Engine {
    /// What a restore of a backup (of `only` these parts, tables, files) would do. Good for [`Engine::start_restore`] for
    /// 15 minutes.
    pub async fn preview_restore(&self, who: &Actor, backup: &str, only: Vec<String>) -> Result<(String, Preview)> {
        who.must_be(Role::Operator)?;
        let copies = self.backup(who, backup).await?;
        let name = copies.first().map(|copy| copy.plan.clone()).unwrap_or_default();
        let (row, plan, role) = self.home(who, &name).await?;
        let (site, names) = (self.site.clone(), only.clone());
        let (made, skipped) = blocking(move || {
            Ok(site.first_good(&copies, |row, copy| {
                let preview = site.preview(copy.store.as_ref(), &copy.listed, plan.as_ref(), role, &names)?;
                Ok((row.destination.clone(), row.id.parse()?, preview))
            }))
        })
        .await?;
        self.note_skipped(who, &skipped).await;
        let (destination, id, mut preview) = made?;
        preview.warnings.extend(skipped.iter().map(Skipped::warning));
        let work = Work::Restore {
            backup: id,
            destination,
            only,
            force: false,
            seen: Some(preview.seen.clone()),
            undoes: None,
        };
        self.keep_preview(who, row.as_ref(), &name, work, preview).await
    }

    /// Keeps what a preview showed, and records that it was shown.
    pub(super) async fn keep_preview(
        &self,
        who: &Actor,
        row: Option<&PlanRow>,
        name: &str,
        work: Work,
        preview: Preview,
    ) -> Result<(String, Preview)> {
        let Work::Restore { backup, .. } = &work else { return Err(Error::usage("bad_work", "This is no restore")) };
        let details = json!({ "plan": name });
        self.record(who, event("restore.previewed", ("backup", backup.as_str()), "read", true, details)).await;
        let body = json!({
            "plan": row.map(|row| row.id.clone()),
            "name": name,
            "work": work,
            "refused": preview.refused.as_ref().map(super::work::document),
        });
        Ok((self.keep(who, "restore_preview", body).await?, preview))
    }

    /// Carries out what a preview showed; each can be used once. With `force` also what the preview would refuse, and
    /// whatever the data is by now. Errors: `preview_missing`, those that the preview told.
    pub async fn start_restore(&self, who: &Actor, preview: &str, force: bool) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let kept = self.kept(who, "restore_preview", preview).await?;
        if let (false, Value::Object(refused)) = (force, &kept["refused"]) {
            let text = |key: &str| refused.get(key).and_then(Value::as_str).unwrap_or_default();
            let error = match text("code") {
                "version_newer" => Error::new(ErrorKind::Unsupported, "version_newer", text("message")),
                "another_application" => Error::new(ErrorKind::WouldOverwrite, "another_application", text("message")),
                _ => Error::new(ErrorKind::WouldOverwrite, "restore_refused", text("message")),
            };
            return Err(error.because(text("detail").to_owned()).hint("force restores it all the same"));
        }
        let bad = |error| Error::new(ErrorKind::Failed, "bad_work", "The preview cannot be read").because(error);
        let mut work: Work = serde_json::from_value(kept["work"].clone()).map_err(bad)?;
        if let (Work::Restore { force: forced, seen, .. }, true) = (&mut work, force) {
            *forced = true;
            *seen = None;
        }
        let row = match kept["plan"].as_str() {
            Some(id) => Some(self.plan(who, id).await?),
            None => None,
        };
        self.queue(who, row.as_ref(), kept["name"].as_str().unwrap_or_default(), work).await
    }

    /// Takes the last restore of a plan back that was not taken back yet. Errors: `nothing_to_undo`.
    pub async fn undo(&self, who: &Actor, plan: &str) -> Result<RunRow> {
        who.must_be(Role::Operator)?;
        let row = self.plan(who, plan).await?;
        restorable(&row)?;
        let plan = self.plan_of(&row)?;
        let site = self.site.clone();
        let (record, safety, destination) = blocking(move || {
            let (places, _) = site.places(&plan.destinations);
            let mut records = Vec::new();
            for place in &places {
                records.extend(place.store.records(&plan.name)?);
            }
            records.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
            records.dedup_by(|a, b| a.id == b.id);
            let nothing = |text: &str| Error::new(ErrorKind::NotFound, "nothing_to_undo", text.to_owned());
            let record = RestoreRecord::to_undo(&records).cloned();
            let record = record.ok_or_else(|| nothing("There is no restore to undo"))?;
            let safety = record.safety.clone().ok_or_else(|| {
                nothing("Nothing was there before the restore").hint("remove by hand what it put there")
            })?;
            for place in &places {
                let listing = place.store.list(Some(&plan.name))?;
                if find(&listing, safety.as_str()).is_ok_and(|listed| listed.missing.is_empty()) {
                    return Ok((record, safety, place.name.clone()));
                }
            }
            Err(super::fence::backup_missing(safety.as_str()))
        })
        .await?;
        let (only, force, seen, undoes) = (Vec::new(), true, None, Some(record.id));
        let work = Work::Restore { backup: safety, destination, only, force, seen, undoes };
        self.queue(who, Some(&row), &row.name, work).await
    }

    /// The plan that a backup belongs to, and what its owner may do. Without a plan only an admin decides where data goes.
    pub(super) async fn home(&self, who: &Actor, name: &str) -> Result<(Option<PlanRow>, Option<Plan>, Role)> {
        match self.catalog.plan(name, who.owner_filter()).await? {
            Some(row) => {
                restorable(&row)?;
                let plan = self.plan_of(&row)?;
                let role = self.role_of(&row.owner).await?;
                Ok((Some(row), Some(plan), role))
            }
            None => {
                who.must_be(Role::Admin)?;
                Ok((None, None, Role::Admin))
            }
        }
    }

    pub(super) async fn run_restore(&self, task: &Task, work: Work) -> Result<Done> {
        let Work::Restore { backup, destination, only, force, seen, undoes } = work else {
            return Err(Error::usage("bad_work", "This is no restore"));
        };
        let undo = undoes.is_some();
        if let Some((row, _)) = &task.plan {
            restorable(row)?;
        }
        let name = task.run.plan_name.clone();
        let details = json!({
            "plan": name, "backup": backup.as_str(), "only": only, "force": force,
            "undoes": undoes.as_ref().map(BackupId::as_str),
        });
        let thing = ("restore", task.run.id.as_str());
        let started = event("restore.started", thing, "restore", true, details);
        let link = self.audit(&task.who, started).await?;
        let act = Act {
            plan: task.plan.as_ref().map(|(_, plan)| plan.clone()),
            role: if task.plan.is_some() { task.role } else { Role::Admin },
            backup: backup.clone(),
            plan_name: if self.site.is_upload(&destination) {
                self.site.uploaded_as(&destination)?
            } else {
                name.clone()
            },
            copies: match self.site.is_upload(&destination) {
                true => Vec::new(),
                false => self.catalog.copies(backup.as_str(), None).await?,
            },
            destination,
            only,
            force,
            seen,
            undoes,
            audit: Some(link.head()),
            guard: self.guard(task),
            context: task.context.clone(),
        };
        let site = self.site.clone();
        let (done, skipped) = blocking(move || Ok(site.put_back(&act))).await?;
        self.note_skipped(&task.who, &skipped).await;
        let (mut report, homes) = done?;
        report.warnings.extend(skipped.iter().map(Skipped::warning));
        if let Some(safety) = &report.safety {
            self.note_safety(&task.run, safety, homes).await?;
        }
        let restored: Vec<Value> =
            report.restored.iter().map(|part| json!({ "name": part.name, "path": part.path })).collect();
        let result = json!({
            "backup": backup.as_str(),
            "restore": report.record.as_ref().map(|record| record.id.as_str()),
            "undoes": report.record.as_ref().and_then(|record| record.undoes.as_ref()).map(BackupId::as_str),
            "restored": restored,
            "safety_backup": report.safety.as_ref().map(BackupId::as_str),
            "warnings": report.warnings,
        });
        let ended = if undo { "restore.undone" } else { "restore.completed" };
        let mut details = result.clone();
        details["plan"] = json!(name);
        let mut warnings = report.warnings;
        if !self.record(&task.who, event(ended, thing, "restore", true, details)).await {
            let text = "The restore was carried out, but the audit could not be written";
            warnings.push(crate::model::Warning::new("audit_failed", text));
        }
        let outcome = if warnings.is_empty() { report.outcome } else { Outcome::Warnings };
        Ok(Done { outcome, result, warnings, backup: None, error: None })
    }

    /// The safety backup joins the list.
    pub(super) async fn note_safety(&self, run: &RunRow, safety: &BackupId, homes: Vec<Place>) -> Result<()> {
        let (name, id, owner) = (run.plan_name.clone(), safety.clone(), run.owner.clone());
        let rows = blocking(move || {
            let mut rows = Vec::new();
            for home in homes {
                if let Ok(listed) = home.store.list(Some(&name)).and_then(|all| find(&all, id.as_str()).cloned()) {
                    rows.push(row(&listed, &home.name, &owner));
                }
            }
            Ok(rows)
        })
        .await?;
        for row in rows {
            self.catalog.put_backup(&row).await?;
        }
        Ok(())
    }
}

/// The catalog cannot be replaced under a daemon that writes to it.
fn restorable(row: &PlanRow) -> Result<()> {
    if row.origin != Origin::BuiltIn {
        return Ok(());
    }
    let text = "The catalog cannot be restored while recoup serves";
    Err(Error::new(ErrorKind::Denied, "catalog_in_use", text)
        .hint("stop recoup serve, then `recoup restore latest --at` and the folder `backups` in its data folder"))
}
