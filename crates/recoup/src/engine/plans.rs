//! Plans: made, changed and removed by people, each as the document that a `[plan.NAME]` table is.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::audit::{event, wrong};
use super::{Actor, Engine, blocking};
use crate::catalog::{BackupRow, Filter, NewPlan, Origin, PlanRow, Runs, Timing};
use crate::error::{Error, ErrorKind, Result};
use crate::model::audit::Event;
use crate::model::job::State;
use crate::model::plan::CATALOG_PLAN;
use crate::model::user::Role;
use crate::model::{BackupId, Plan, SourceSpec};
use crate::restore::{choose, recover};

/// What is said in `recoup.toml` only: it starts programs as whoever runs the daemon.
const NOT_FROM_API: [&str; 2] = ["hooks", "commands"];

impl Engine {
    /// What a plan's document means. That of a plan of `recoup.toml` means what the file says.
    pub fn meant(&self, name: &str, body: &Value) -> Result<Plan> {
        let settings = self.settings();
        if settings.documents.iter().any(|(known, document)| known == name && document == body)
            && let Some(plan) = settings.plans.iter().find(|plan| plan.name == name)
        {
            return Ok(plan.clone());
        }
        settings.plan_of(name, body)
    }

    /// The plan of a row, to work with. Errors: `plan_elsewhere` when only another daemon's `recoup.toml` has it whole.
    pub(super) fn plan_of(&self, row: &PlanRow) -> Result<Plan> {
        let declared = self.settings().documents.iter().any(|(name, body)| *name == row.name && *body == row.body);
        if row.origin == Origin::File && !declared {
            let text = format!("{} is declared in another recoup.toml, or was when it was changed last", row.name);
            let error = Error::new(ErrorKind::NotFound, "plan_elsewhere", text);
            return Err(
                error.hint("daemons that share a catalog need the same recoup.toml; restart those that changed")
            );
        }
        self.meant(&row.name, &row.body)
    }

    /// A plan by its name or id. Errors: `plan_missing`, also for what is not theirs.
    pub async fn plan(&self, who: &Actor, name: &str) -> Result<PlanRow> {
        self.catalog.plan(name, who.owner_filter()).await?.ok_or_else(|| missing(name))
    }

    /// Makes a plan that belongs to who asks. Errors: `plan_exists`, `name_taken`, `bad_config`, `not_from_api`, `outside_roots`.
    pub async fn create_plan(&self, who: &Actor, name: &str, body: Value) -> Result<PlanRow> {
        who.must_be(Role::Operator)?;
        let body = self.with_zone(body);
        let plan = match self.allowed(who.role, name, &body) {
            Ok(plan) => plan,
            Err(error) => return Err(self.refused(who, name, error).await),
        };
        self.is_free(who, &plan).await?;
        let now = self.clock().now();
        let id = BackupId::generate(now).to_string();
        let timing = timing(&plan, &id, now)?;
        let owner = who.account.clone().unwrap_or_else(|| self.own.clone());
        let (name, origin, enabled) = (name.to_owned(), Origin::Catalog, plan.enabled);
        let new = NewPlan { id: id.clone(), owner, name, origin, body, enabled };
        self.catalog.add_plan(&new, timing, now).await?;
        self.record(who, about("plan.created", &id, "create", &plan, &new.body)).await;
        if plan.schedule.is_some() {
            self.record(who, about("backup_scheduler.settings_created", &id, "create", &plan, &new.body)).await;
        }
        self.catalog.plan(&id, None).await?.ok_or_else(|| missing(&new.name))
    }

    /// Merges `patch` into a plan's document (RFC 7386: `null` takes a key away). With `version` only when nobody changed
    /// it since: `plan_changed`. Errors besides: those of [`Engine::create_plan`], `plan_read_only`.
    pub async fn update_plan(&self, who: &Actor, name: &str, patch: Value, version: Option<i64>) -> Result<PlanRow> {
        who.must_be(Role::Operator)?;
        let row = self.plan(who, name).await?;
        writable(&row)?;
        let changed = || {
            Error::new(ErrorKind::WouldOverwrite, "plan_changed", format!("{} was changed meanwhile", row.name))
                .hint("read it again, then change it")
        };
        if version.is_some_and(|version| version != row.version) {
            return Err(changed());
        }
        let mut body = row.body.clone();
        merge(&mut body, patch);
        let body = self.with_zone(body);
        // An admin who changes somebody's plan does not lend them an admin's reach.
        let role = self.role_of(&row.owner).await?.min(who.role);
        let plan = match self.allowed(role, &row.name, &body) {
            Ok(plan) => plan,
            Err(error) => return Err(self.refused(who, &row.name, error).await),
        };
        let now = self.clock().now();
        let before = self.meant(&row.name, &row.body).ok();
        let timing = timing_after(&row, before.as_ref(), &plan, now)?;
        let at = Some(row.version);
        let updated = self.catalog.update_plan(&row.id, at, &body, plan.enabled, timing, now).await?;
        let updated = updated.ok_or_else(changed)?;
        self.record(who, about("plan.changed", &row.id, "update", &plan, &body)).await;
        if before.is_none_or(|before| before.schedule != plan.schedule || before.enabled != plan.enabled) {
            self.record(who, about("backup_scheduler.settings_updated", &row.id, "update", &plan, &body)).await;
        }
        Ok(updated)
    }

    /// Removes a plan; its backups stay where they are. Recorded before it happens. Errors: `plan_read_only`,
    /// `plan_running`.
    pub async fn remove_plan(&self, who: &Actor, name: &str) -> Result<()> {
        who.must_be(Role::Operator)?;
        let row = self.plan(who, name).await?;
        writable(&row)?;
        let of_plan = |state| Runs { plan: Some(row.id.clone()), state: Some(state), limit: 1000, ..Runs::default() };
        if !self.catalog.runs(&of_plan(State::Running)).await?.is_empty() {
            let text = format!("A run of {} is not finished", row.name);
            return Err(Error::new(ErrorKind::Busy, "plan_running", text).hint("wait for it, or cancel it"));
        }
        let details = json!({ "plan": row.name, "body": row.body });
        self.audit(who, event("plan.removed", ("plan", &row.id), "delete", true, details)).await?;
        for run in self.catalog.runs(&of_plan(State::Queued)).await? {
            self.catalog.cancel_run(&run.id, self.clock().now()).await?;
        }
        self.catalog.remove_plan(&row.id).await.map(drop)
    }

    /// The next times of a plan after a moment; none when it is disabled or has no schedule.
    pub fn next_runs(&self, row: &PlanRow, after: Timestamp, count: usize) -> Result<Vec<Timestamp>> {
        let plan = self.meant(&row.name, &row.body)?;
        let Some(schedule) = plan.schedule.filter(|_| row.enabled) else { return Ok(Vec::new()) };
        let (mut times, mut after, mut anchor) = (Vec::new(), after, row.timing.last_nominal);
        while times.len() < count.min(10_000) {
            let next = match schedule.next(after, anchor.or(Some(after))) {
                Ok(next) => next,
                Err(error) if times.is_empty() => return Err(error),
                Err(_) => break,
            };
            times.push(next.nominal.saturating_add(schedule.offset(&row.id)).unwrap_or(next.nominal));
            (after, anchor) = (next.nominal, Some(next.nominal));
        }
        Ok(times)
    }

    /// What an account may do; nothing much when there is none any more.
    pub(super) async fn role_of(&self, account: &str) -> Result<Role> {
        let account = self.catalog.account(account).await?;
        Ok(account.map_or(Role::Viewer, |account| account.role))
    }

    /// The zone of the machine is written down when a plan is made: it stays when the machine moves.
    fn with_zone(&self, mut body: Value) -> Value {
        if let Some(schedule) = body.get_mut("schedule").and_then(Value::as_object_mut) {
            schedule.entry("zone").or_insert_with(|| json!(self.settings().zone));
        }
        body
    }

    /// Backups of a plan that is no more belong to whoever had it. Who is no admin does not come by them, nor by the right
    /// to remove them, by taking its name.
    async fn is_free(&self, who: &Actor, plan: &Plan) -> Result<()> {
        let taken = || {
            let text = format!("There are backups of another plan with the name {}", plan.name);
            Error::new(ErrorKind::WouldOverwrite, "name_taken", text).hint("choose another name, or ask an admin")
        };
        if plan.name == CATALOG_PLAN {
            return Err(taken());
        }
        if who.role == Role::Admin {
            return Ok(());
        }
        let filter = Filter { plan: Some(plan.name.clone()), limit: 1000, ..Filter::default() };
        let theirs = |row: &BackupRow| Some(&row.owner) == who.account.as_ref();
        let rows = self.catalog.backups(&filter).await?;
        if !rows.iter().all(theirs) {
            return Err(taken());
        }
        let (site, name, destinations) = (self.site.clone(), plan.name.clone(), plan.destinations.clone());
        let found = blocking(move || {
            let look = |destination: &String| Ok(site.look(destination, Some(&name))?.unwrap_or_default().backups);
            Ok(destinations.iter().map(look).collect::<Result<Vec<_>>>()?.concat())
        })
        .await?;
        let listed = |id: &str| rows.iter().any(|row| row.id == id);
        if found.iter().all(|found| listed(found.manifest.id.as_str())) { Ok(()) } else { Err(taken()) }
    }

    /// What a document means, if somebody of this role may say it.
    fn allowed(&self, role: Role, name: &str, body: &Value) -> Result<Plan> {
        for key in NOT_FROM_API {
            if body.get(key).is_some_and(|value| !value.is_null()) {
                let text = format!("{key} can be set in recoup.toml only");
                let error = Error::new(ErrorKind::Denied, "not_from_api", text);
                return Err(error.hint("whoever can start programs on this machine can edit that file"));
            }
        }
        let plan = self.settings().plan_of(name, body)?;
        self.site.within_roots(role, &plan)?;
        Ok(plan)
    }

    async fn refused(&self, who: &Actor, name: &str, error: Error) -> Error {
        let mut details = wrong(&error);
        details["plan"] = json!(name);
        self.record(who, event("backup_scheduler.settings_error", ("plan", name), "validate", false, details)).await;
        error
    }
}

impl super::site::Site {
    /// Whether a plan of somebody of this role stays where it may: admins name everything; everybody else paths below
    /// the roots of `[server]`, links followed, and destinations that have a name. Asked again whenever a run begins,
    /// because a link can be made later.
    pub fn within_roots(&self, role: Role, plan: &Plan) -> Result<()> {
        if role == Role::Admin {
            return Ok(());
        }
        let settings = self.settings();
        let base = &settings.base;
        let mut places = recover::places_of(&plan.sources, base);
        for source in &plan.sources {
            match source {
                SourceSpec::Settings(settings) => {
                    if !settings.environment.is_empty() {
                        let text = "The environment of the daemon is for admins";
                        return Err(Error::new(ErrorKind::Denied, "outside_roots", text));
                    }
                    places.extend(settings.json.iter().map(|path| base.join(path)));
                    for table in &settings.tables {
                        places.push(crate::sqlite::location::parse(&table.database, base)?.path);
                    }
                }
                SourceSpec::Command(_) => {
                    return Err(Error::new(ErrorKind::Denied, "not_from_api", "Commands are for recoup.toml"));
                }
                SourceSpec::Database(_) | SourceSpec::Directory(_) | SourceSpec::File(_) => {}
            }
        }
        for place in &places {
            self.is_within_roots(place)?;
        }
        let named = |name: &String| settings.destinations.iter().any(|known| known.name == *name);
        let usual = settings.default_destinations(base)?;
        let known = |name: &&String| named(name) || usual.iter().any(|usual| usual.name == **name);
        match plan.destinations.iter().find(|name| !known(name)) {
            None => Ok(()),
            Some(name) => {
                let text = format!("Only an admin can name a folder as destination: {name}");
                let error = Error::new(ErrorKind::Denied, "outside_roots", text);
                Err(error.hint("use a destination that has a name in recoup.toml"))
            }
        }
    }

    /// Whether a path, links followed, lies below one of the roots.
    pub fn is_within_roots(&self, place: &Path) -> Result<()> {
        let real = choose::resolve(place)?;
        let root = |root: &PathBuf| std::fs::canonicalize(root).is_ok_and(|root| real.starts_with(root));
        if self.roots().iter().any(root) {
            return Ok(());
        }
        let text = format!("Not below a folder that users may name: {}", place.display());
        Err(Error::new(ErrorKind::Denied, "outside_roots", text)
            .hint("an operator of the machine lists such folders as roots below [server] in recoup.toml"))
    }
}

/// There is no such plan, or it is not theirs.
pub(super) fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, "plan_missing", format!("Plan not found: {name}"))
}

fn writable(row: &PlanRow) -> Result<()> {
    let text = match row.origin {
        Origin::Catalog => return Ok(()),
        Origin::File => format!("{} is declared in recoup.toml", row.name),
        Origin::BuiltIn => format!("{} belongs to recoup itself", row.name),
    };
    Err(Error::new(ErrorKind::Denied, "plan_read_only", text).hint("it can be changed there and not here"))
}

fn about(name: &str, id: &str, action: &str, plan: &Plan, body: &Value) -> Event {
    let schedule = plan.schedule.as_ref().filter(|_| plan.enabled).map(|schedule| schedule.describe());
    event(name, ("plan", id), action, true, json!({ "plan": plan.name, "schedule": schedule, "body": body }))
}

/// A merge patch (RFC 7386).
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// When a new plan is due first: nothing before `now` counts.
pub(super) fn timing(plan: &Plan, id: &str, now: Timestamp) -> Result<Timing> {
    let Some(schedule) = plan.schedule.as_ref().filter(|_| plan.enabled) else {
        return Ok(Timing { last_nominal: Some(now), ..Timing::default() });
    };
    let next = schedule.next(now, Some(now))?.nominal;
    let due = next.saturating_add(schedule.offset(id)).unwrap_or(next);
    Ok(Timing { next_nominal: Some(next), next_due: Some(due), last_nominal: Some(now) })
}

/// The same for one that was changed: only another schedule counts anew.
pub(super) fn timing_after(row: &PlanRow, before: Option<&Plan>, plan: &Plan, now: Timestamp) -> Result<Timing> {
    let same = before.is_some_and(|before| before.schedule == plan.schedule) && row.enabled == plan.enabled;
    if same { Ok(row.timing) } else { timing(plan, &row.id, now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7386, appendix A.
    #[test]
    fn a_merge_patch_does_what_the_rfc_says() {
        for (mut target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge(&mut target, patch);
            assert_eq!(target, result);
        }
    }
}
