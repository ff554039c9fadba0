//! The trash: what was deleted at destinations on this machine and waits there for a day, whose it is, and putting it back.
//! Nobody keeps a list of it; the destinations are asked.
//!
//! Not here: how files get into the trash and out of it ([`crate::store`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use jiff::Timestamp;
use serde_json::json;

use super::audit::{event, wrong};
use super::list::row as listed_row;
use super::site::Site;
use super::{Actor, Engine, blocking, insist};
use crate::error::{Error, ErrorKind, Result};
use crate::model::user::Role;
use crate::model::{BackupId, Manifest};
use crate::store::{Trashed, not_in_trash};

/// What lies in the trash.
#[derive(Debug, Default)]
pub struct Trash {
    /// The backups, what was deleted last first.
    pub backups: Vec<TrashedBackup>,
    /// Destinations that could not be looked at.
    pub failed: Vec<(String, Error)>,
    /// Destinations without a trash: what is deleted there is gone at once.
    pub without: Vec<String>,
}

/// A backup in the trash.
#[derive(Debug)]
pub struct TrashedBackup {
    /// Its file name without extension.
    pub name: String,
    /// Its plan.
    pub plan: String,
    /// Whose it is.
    owner: String,
    /// What its manifest says; an error when none of the copies has one that can be read.
    pub manifest: Result<Manifest>,
    /// Its copies there.
    pub copies: Vec<TrashedCopy>,
}

/// A copy in the trash.
#[derive(Debug, Clone)]
pub struct TrashedCopy {
    /// Where it lies.
    pub destination: String,
    /// Length of its files together.
    pub bytes: u64,
    /// When it was deleted.
    pub since: Timestamp,
    /// When it is removed for good.
    pub until: Timestamp,
}

/// What was put back.
#[derive(Debug)]
pub struct PutBack {
    /// The backup.
    pub id: String,
    /// Where it lies again.
    pub destinations: Vec<String>,
    /// Where it could not be put back, or could not be looked for.
    pub failed: Vec<(String, Error)>,
}

/// A copy in a trash, and its manifest.
type Found = (Trashed, Result<Manifest>);

impl Site {
    /// What waits at a destination; `None` when it has no trash.
    fn trash(&self, destination: &str) -> Result<Option<Vec<Found>>> {
        let settings = self.destination(destination)?;
        let Some(path) = settings.path() else { return Ok(None) };
        if !settings.has_marker() && fs::symlink_metadata(path).is_err() {
            // Nobody has made it yet, so nothing was deleted there.
            return Ok(Some(Vec::new()));
        }
        let now = self.clock.now();
        let mut found = self.store(destination)?.trash()?;
        found.retain(|trashed| trashed.until > now);
        let with_manifest = |trashed: Trashed| {
            let manifest = trashed.manifest();
            (trashed, manifest)
        };
        // A folder without a manifest was left on the way out of the trash, or in.
        let is_backup = |(_, manifest): &(Trashed, Result<Manifest>)| !matches!(manifest, Err(error) if error.kind() == ErrorKind::NotFound);
        Ok(Some(found.into_iter().map(with_manifest).filter(is_backup).collect()))
    }
}

impl TrashedBackup {
    fn is(&self, word: &str) -> bool {
        self.name == word
            || self.manifest.as_ref().is_ok_and(|manifest| manifest.id.as_str().eq_ignore_ascii_case(word))
    }

    /// When it was deleted.
    pub fn since(&self) -> Timestamp {
        self.copies.iter().map(|copy| copy.since).max().unwrap_or_default()
    }
}

impl Engine {
    /// What lies in the trash of all destinations, of what is theirs.
    pub async fn trash(&self, who: &Actor) -> Result<Trash> {
        self.expect_mounts().await?;
        let mut trash = Trash::default();
        let mut backups: BTreeMap<String, TrashedBackup> = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for destination in self.everywhere().await? {
            let (site, name) = (self.site.clone(), destination.clone());
            let found = match blocking(move || site.trash(&name)).await {
                Ok(Some(found)) => found,
                Ok(None) => {
                    trash.without.push(destination);
                    continue;
                }
                Err(error) => {
                    trash.failed.push((destination, error));
                    continue;
                }
            };
            for (trashed, manifest) in found {
                let plan = trashed.plan.clone();
                if !owners.contains_key(&plan) {
                    owners.insert(plan.clone(), self.catalog.plan(&plan, None).await?);
                }
                // A plan that came later is another one, whatever it is called: then it is for admins.
                let then = trashed.since.as_second();
                let of_then = |id: &str| id.parse::<BackupId>().is_ok_and(|id| id.moment().as_second() <= then);
                let owner = owners.get(&plan).and_then(Option::as_ref).filter(|row| of_then(&row.id));
                let owner = owner.map_or(&self.own, |row| &row.owner).clone();
                if who.owner_filter().is_some_and(|me| me != owner) {
                    continue;
                }
                let copy = TrashedCopy {
                    destination: destination.clone(),
                    bytes: trashed.bytes,
                    since: trashed.since,
                    until: trashed.until,
                };
                let fresh = || TrashedBackup { name: trashed.stem.clone(), plan, owner, manifest, copies: Vec::new() };
                let backup = backups.entry(trashed.stem.clone()).or_insert_with(fresh);
                // Deleted, put back and deleted again: the later one counts.
                backup.copies.retain(|known| known.destination != copy.destination);
                backup.copies.push(copy);
            }
        }
        if who.role < Role::Admin {
            let theirs = self.destinations_of(who).await?;
            trash.failed.retain(|(name, _)| theirs.contains(name));
            trash.without.retain(|name| theirs.contains(name));
        }
        trash.backups = backups.into_values().collect();
        trash.backups.sort_by(|a, b| (b.since(), &b.name).cmp(&(a.since(), &a.name)));
        Ok(trash)
    }

    /// Destinations of the plans of somebody.
    async fn destinations_of(&self, who: &Actor) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        let mut plans = self.catalog.every_plan(who.owner_filter());
        while let Some(row) = plans.next().await? {
            let Ok(plan) = self.meant(&row.name, &row.body) else { continue };
            names.extend(plan.destinations.iter().map(|name| self.site.usual_name(name)));
        }
        Ok(names)
    }

    /// Puts every copy of a backup back that lies in the trash, by the backup's id or its name there; `protect`ed, because
    /// retention would take it again. One that is not in the trash any more and is in the list is as it should be. Errors:
    /// `trash_missing`, also for what is not theirs.
    pub async fn put_back(&self, who: &Actor, backup: &str, protect: bool) -> Result<PutBack> {
        who.must_be(Role::Operator)?;
        let trash = self.trash(who).await?;
        let mut failed = trash.failed;
        let Some(found) = trash.backups.into_iter().find(|found| found.is(backup)) else {
            let copies = self.backup(who, backup).await.map_err(|_| not_in_trash(backup))?;
            let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
            let destinations = copies.into_iter().map(|copy| copy.destination).collect();
            return Ok(PutBack { id, destinations, failed });
        };
        let id = found.manifest?.id.to_string();
        let mut destinations = Vec::new();
        for copy in found.copies {
            let (site, name) = (self.site.clone(), copy.destination.clone());
            let (stem, plan, wanted) = (found.name.clone(), found.plan.clone(), id.clone());
            let done = blocking(move || {
                let store = site.store(&name)?;
                store.put_back(&stem, protect, &site.context())?;
                let listing = store.list(Some(&plan))?;
                super::fence::find(&listing, &wanted).cloned()
            })
            .await;
            match done {
                Ok(listed) => {
                    let row = listed_row(&listed, &copy.destination, &found.owner);
                    insist(|| self.catalog.put_backup(&row)).await?;
                    let details =
                        json!({ "plan": found.plan, "destination": copy.destination, "protected": row.protected });
                    self.record(who, event("backup.put_back", ("backup", &id), "update", true, details)).await;
                    destinations.push(copy.destination);
                }
                Err(error) => {
                    let mut details = wrong(&error);
                    details["destination"] = json!(copy.destination);
                    self.record(who, event("backup.put_back", ("backup", &id), "update", false, details)).await;
                    failed.push((copy.destination, error));
                }
            }
        }
        match failed.pop() {
            Some((_, error)) if destinations.is_empty() => Err(error),
            last => {
                failed.extend(last);
                Ok(PutBack { id, destinations, failed })
            }
        }
    }
}
