//! The list of backups: rows made from manifests, a look at the destinations, finding one by its id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::fence::backup_missing;
use super::site::Site;
use super::{Actor, Engine, blocking};
use crate::catalog::BackupRow;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Listed, Listing};

/// What the list says of a backup at a destination.
pub(super) fn row(listed: &Listed, destination: &str, owner: &str) -> BackupRow {
    let manifest = &listed.manifest;
    BackupRow {
        id: manifest.id.to_string(),
        destination: destination.to_owned(),
        plan: manifest.plan.clone(),
        owner: owner.to_owned(),
        kind: manifest.kind,
        format: manifest.format,
        label: manifest.label.clone(),
        created_at: manifest.created_at,
        bytes: i64::try_from(manifest.stored_bytes()).unwrap_or(i64::MAX),
        verified: manifest.verified,
        verified_at: manifest.verified.map(|_| manifest.created_at),
        protected: listed.protected,
        damaged: match listed.missing.as_slice() {
            [] => None,
            missing => Some(format!("{LACKS}{}", missing.join(", "))),
        },
        local_only: manifest.local_only,
        foreign: listed.foreign.clone(),
    }
}

/// How the trouble begins that every look sees anew.
const LACKS: &str = "missing: ";

/// What a look found, with what was known before and no look can see.
fn merged(seen: BackupRow, known: Option<&BackupRow>) -> BackupRow {
    let Some(known) = known else { return seen };
    let found_wrong = known.damaged.clone().filter(|damaged| !damaged.starts_with(LACKS));
    BackupRow {
        // What somebody owns does not become another's because a plan of that name did.
        owner: known.owner.clone(),
        verified: known.verified.max(seen.verified),
        verified_at: known.verified_at.max(seen.verified_at),
        damaged: seen.damaged.clone().or(found_wrong),
        ..seen
    }
}

impl Site {
    /// Everything of a plan, or of all, at a destination; `None` when its folder is not there, and none is made.
    pub fn look(&self, destination: &str, plan: Option<&str>) -> Result<Option<Listing>> {
        let settings = self.destination(destination)?;
        if !settings.has_marker() && settings.path().is_some_and(|path| fs::symlink_metadata(path).is_err()) {
            return Ok(None);
        }
        self.store(destination)?.list(plan).map(Some)
    }

    /// Whether two names lead to the same place.
    fn is_same(&self, one: &str, other: &str) -> bool {
        let real = |name: &str| self.destination(name).ok().map(|found| found.real());
        one == other || real(one).is_some_and(|one| real(other) == Some(one))
    }
}

impl Engine {
    /// Looks at the destinations of a plan, or at all of them, and makes the list of backups what is there. A destination
    /// that cannot be looked at keeps its rows; the first such error is given after everything else was done.
    pub async fn refresh(&self, plan: Option<&str>) -> Result<()> {
        self.expect_mounts().await?;
        let mut wanted: BTreeSet<String> = BTreeSet::new();
        match plan {
            Some(name) => {
                let row = self.catalog.plan(name, None).await?.ok_or_else(|| super::plans::missing(name))?;
                wanted.extend(self.plan_of(&row)?.destinations.iter().map(|name| self.site.usual_name(name)));
            }
            None => {
                for name in self.catalog.backup_destinations().await? {
                    match self.site.destination(&name) {
                        Err(error) if error.code() == "destination_missing" => {
                            self.catalog.forget_destination(&name).await?;
                        }
                        _ => {}
                    }
                }
                wanted.extend(self.everywhere().await?);
            }
        }
        let mut failed = None;
        for destination in wanted {
            let (site, name) = (self.site.clone(), destination.clone());
            let only = plan.map(str::to_owned);
            match blocking(move || site.look(&name, only.as_deref())).await {
                Ok(Some(listing)) => self.note_listing(&destination, plan, &listing).await.map(drop)?,
                // What is in the list stays there: the folder may be mounted again.
                Ok(None) => {}
                Err(error) => drop(failed.get_or_insert(error.while_(format!("looking at {destination}")))),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Every destination that has a name or that a plan uses; each folder once.
    pub(super) async fn everywhere(&self) -> Result<BTreeSet<String>> {
        let mut all: BTreeSet<String> = self.destinations().into_iter().collect();
        let mut plans = self.catalog.every_plan(None);
        while let Some(row) = plans.next().await? {
            let Ok(plan) = self.meant(&row.name, &row.body) else { continue };
            for name in plan.destinations.iter().map(|name| self.site.usual_name(name)) {
                if !all.contains(&name) && !all.iter().any(|known| self.site.is_same(known, &name)) {
                    all.insert(name);
                }
            }
        }
        Ok(all)
    }

    /// Makes the rows of a destination what was seen there, of one plan or of all. Gives the plans that have backups.
    pub(super) async fn note_listing(
        &self,
        destination: &str,
        plan: Option<&str>,
        listing: &Listing,
    ) -> Result<BTreeSet<String>> {
        let known = self.catalog.backups_at(destination, plan).await?;
        let mut known: BTreeMap<String, BackupRow> = known.into_iter().map(|row| (row.id.clone(), row)).collect();
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        let mut plans = BTreeSet::new();
        for listed in &listing.backups {
            let manifest = &listed.manifest;
            if listed.foreign.is_some() {
                // Whose they are nobody knows: for admins.
                let before = known.remove(manifest.id.as_str());
                let now = merged(row(listed, destination, &self.own), before.as_ref());
                if before.as_ref() != Some(&now) {
                    self.catalog.put_backup(&now).await?;
                }
                plans.insert(manifest.plan.clone());
                continue;
            }
            if !owners.contains_key(&manifest.plan) {
                let row = self.catalog.plan(&manifest.plan, None).await?;
                let owner = row.map_or_else(|| self.own.clone(), |row| row.owner);
                owners.insert(manifest.plan.clone(), owner);
            }
            let owner = owners.get(&manifest.plan).map_or(self.own.as_str(), String::as_str);
            let before = known.remove(manifest.id.as_str());
            let now = merged(row(listed, destination, owner), before.as_ref());
            if before.as_ref() != Some(&now) {
                self.catalog.put_backup(&now).await?;
            }
        }
        // A manifest that cannot be read right now does not mean that its backup is gone.
        let unread = |id: &str| {
            let tail = id.get(20..).unwrap_or_default().to_ascii_lowercase();
            listing.damaged.iter().any(|(key, _)| key.contains(&tail))
        };
        // A look at one plan does not show them.
        let unseen = |row: &BackupRow| plan.is_some() && row.foreign.is_some();
        for (id, _) in known.iter().filter(|(id, row)| !unread(id) && !unseen(row)) {
            self.catalog.forget_backup(id, Some(destination)).await?;
        }
        plans.extend(owners.into_keys());
        Ok(plans)
    }

    /// Every copy of a backup, by its id or a beginning of it that no other has. Errors: `backup_missing`, also for what is
    /// not theirs; `backup_ambiguous`.
    pub async fn backup(&self, who: &Actor, id: &str) -> Result<Vec<BackupRow>> {
        let id = id.to_ascii_uppercase();
        let fits = id.len() <= 26 && !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fits {
            return Err(backup_missing(&id));
        }
        let owner = who.owner_filter();
        if id.len() == 26 {
            let copies = self.catalog.copies(&id, owner).await?;
            return if copies.is_empty() { Err(backup_missing(&id)) } else { Ok(copies) };
        }
        let found = self.catalog.backup_ids(&id, owner, 6).await?;
        match found.as_slice() {
            [] => Err(backup_missing(&id)),
            [one] => self.catalog.copies(one, owner).await,
            several => {
                let mut names: Vec<&str> = several.iter().take(5).map(String::as_str).collect();
                if several.len() > names.len() {
                    names.push("…");
                }
                let text = format!("{id} could be any of {}", names.join(", "));
                Err(Error::new(ErrorKind::Usage, "backup_ambiguous", text).hint("give more of the id"))
            }
        }
    }
}
