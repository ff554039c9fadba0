//! Looking into a backup: folders and what is new in them, files, the first rows of a table, from the nearest good copy. What
//! was looked at is recorded, as a download is.

use jiff::Timestamp;
use serde_json::json;

use super::audit::event;
use super::nearest::Copy;
use super::site::Site;
use super::work::told;
use super::{Actor, Engine, blocking};
use crate::browse::bundle::{self, Bundle};
use crate::browse::{self, Found, Rows, Taken, since};
use crate::catalog::{BackupRow, Filter};
use crate::error::{Error, Result};
use crate::model::Kind;

/// Names of a choice that are recorded.
const RECORDED: usize = 20;

/// The backup that a folder was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why they could not be compared.
    pub not: Option<String>,
}

impl Site {
    /// The first rows of a table. A database that had to be taken out of an archive stays for an hour, as downloads do;
    /// one that is encrypted where it lies does not.
    fn rows(&self, copy: &Copy, part: &str, table: &str, limit: usize) -> Result<Rows> {
        let manifest = &copy.listed.manifest;
        let scratch = self.scratch()?;
        let to = scratch.path().join("browsed.db");
        let sha256 = manifest.parts.iter().find(|one| one.name == part).map(|one| one.sha256.as_str());
        let kept = sha256
            .and_then(|sha256| sha256.get(..16))
            .filter(|_| manifest.encryption.is_none())
            .map(|begin| self.downloads().join(format!("{}-{begin}.db", manifest.id)));
        self.sweep_downloads();
        if let Some(kept) = kept.as_ref().filter(|kept| kept.exists()) {
            return browse::rows(kept, table, limit);
        }
        let context = self.context();
        let database = browse::database(copy.store.as_ref(), &copy.listed, part, (scratch.path(), &to), &context)?;
        let rows = browse::rows(&database, table, limit)?;
        if let Some(kept) = kept.filter(|_| database == to) {
            // Kept to be faster next time; without it, it is read again.
            let _ = std::fs::rename(&to, &kept);
        }
        Ok(rows)
    }
}

impl Engine {
    /// What lies in a folder of a backup (part and path), or what is found below it by name.
    pub async fn list_files(
        &self,
        who: &Actor,
        id: &str,
        at: (String, String),
        search: Option<String>,
    ) -> Result<Found> {
        let copies = self.backup(who, id).await?;
        let site = self.site.clone();
        let look = move || {
            Ok(site.first_good(&copies, |_, copy| {
                let scratch = site.scratch()?;
                let (at, search) = ((at.0.as_str(), at.1.as_str()), search.as_deref());
                browse::list(copy.store.as_ref(), &copy.listed, at, search, scratch.path(), &site.context())
            }))
        };
        let (found, skipped) = blocking(look).await?;
        self.note_skipped(who, &skipped).await;
        found
    }

    /// The same of a folder, with what is new, changed and gone since the good backup before; `None` when there is none.
    pub async fn list_since(&self, who: &Actor, id: &str, at: (String, String)) -> Result<(Found, Option<Before>)> {
        let mut found = self.list_files(who, id, at.clone(), None).await?;
        let copies = self.backup(who, id).await?;
        let Some(earlier) = self.before(who, &copies).await? else { return Ok((found, None)) };
        let Some(first) = earlier.first() else { return Ok((found, None)) };
        let mut before = Before { id: first.id.clone(), created_at: first.created_at, not: None };
        match self.same_folder(who, &copies, &earlier, at).await {
            Ok(Some(folder)) => since::mark(&mut found, folder),
            // Nothing has changed.
            Ok(None) => {}
            Err(error) => before.not = Some(told(&error)),
        }
        Ok((found, Some(before)))
    }

    /// The newest backup of the same plan before this one that has a good copy.
    async fn before(&self, who: &Actor, copies: &[BackupRow]) -> Result<Option<Vec<BackupRow>>> {
        let Some(this) = copies.first() else { return Ok(None) };
        let filter = Filter {
            owner: who.owner_filter().map(str::to_owned),
            plan: Some(this.plan.clone()),
            until: Some(this.created_at),
            limit: 50,
            ..Filter::default()
        };
        let rows = self.catalog.backups(&filter).await?;
        // What was saved before a restore, and what came from elsewhere, need not be all of the plan's data.
        let whole = |row: &&BackupRow| !matches!(row.kind, Kind::PreRestore | Kind::Upload);
        let good = rows.iter().filter(whole).find(|row| row.damaged.is_none() && row.foreign.is_none());
        let Some(good) = good else { return Ok(None) };
        self.catalog.copies(&good.id, who.owner_filter()).await.map(Some)
    }

    /// The folder in the backup before, empty when it was not there; `None` when the whole tree is the same.
    async fn same_folder(
        &self,
        who: &Actor,
        copies: &[BackupRow],
        earlier: &[BackupRow],
        at: (String, String),
    ) -> Result<Option<Found>> {
        let (site, copies, earlier) = (self.site.clone(), copies.to_vec(), earlier.to_vec());
        let look = move || {
            let list_of = |copy: &Copy| {
                let part = copy.listed.manifest.parts.iter().find(|part| part.name == at.0 && !part.absent);
                part.filter(|part| part.directory.is_some()).map(|part| part.sha256.clone())
            };
            let (now, mut skipped) = site.first_good(&copies, |_, copy| Ok(list_of(copy)));
            let now = match now {
                Ok(now) => now,
                Err(error) => return Ok((Err(error), skipped)),
            };
            let (folder, passed) = site.first_good(&earlier, |_, copy| {
                copy.listed.manifest.opened()?;
                let was = list_of(copy);
                if was.is_none() || was == now {
                    return Ok(was.is_none().then(Found::default));
                }
                let (store, scratch) = (copy.store.as_ref(), site.scratch()?);
                browse::at_a_glance(store, &copy.listed.manifest)?;
                let at = (at.0.as_str(), at.1.as_str());
                match browse::list(store, &copy.listed, at, None, scratch.path(), &site.context()) {
                    Err(error) if error.code() == "file_missing" => Ok(Some(Found::default())),
                    other => other.map(Some),
                }
            });
            skipped.extend(passed);
            Ok((folder, skipped))
        };
        let (folder, skipped): (Result<Option<Found>, Error>, _) = blocking(look).await?;
        self.note_skipped(who, &skipped).await;
        folder
    }

    /// Files and folders of a tree as one ZIP, ready to be written.
    pub async fn open_bundle(&self, who: &Actor, id: &str, part: &str, paths: Vec<String>) -> Result<Bundle> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let names: Vec<String> = paths.iter().take(RECORDED).cloned().collect();
        let (site, part_name) = (self.site.clone(), part.to_owned());
        let take = move || {
            Ok(site.first_good(&copies, |_, copy| {
                let scratch = site.scratch()?;
                let chosen = (part_name.as_str(), paths.as_slice());
                bundle::choose(copy.store.as_ref(), &copy.listed, chosen, scratch.path(), &site.context())
            }))
        };
        let (bundle, skipped) = blocking(take).await?;
        self.note_skipped(who, &skipped).await;
        let bundle = bundle?;
        let details = json!({ "part": part, "paths": names, "files": bundle.files, "bytes": bundle.bytes });
        self.record(who, event("backup.downloaded", ("backup", &id), "read", true, details)).await;
        Ok(bundle)
    }

    /// One file of a backup, proven and open.
    pub async fn open_file(&self, who: &Actor, id: &str, at: (String, String)) -> Result<Taken> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let (site, wanted) = (self.site.clone(), at.clone());
        let take = move || {
            Ok(site.first_good(&copies, |_, copy| {
                let scratch = site.scratch()?;
                let at = (wanted.0.as_str(), wanted.1.as_str());
                browse::file(copy.store.as_ref(), &copy.listed, at, scratch.path(), &site.context())
            }))
        };
        let (taken, skipped) = blocking(take).await?;
        self.note_skipped(who, &skipped).await;
        let taken = taken?;
        let details = json!({ "part": at.0, "path": at.1, "bytes": taken.bytes });
        self.record(who, event("backup.downloaded", ("backup", &id), "read", true, details)).await;
        Ok(taken)
    }

    /// The first rows of a table of a backup; what looks like a secret is hidden.
    pub async fn table_rows(&self, who: &Actor, id: &str, part: &str, table: &str, limit: usize) -> Result<Rows> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let (site, wanted) = (self.site.clone(), (part.to_owned(), table.to_owned()));
        let read = move || Ok(site.first_good(&copies, |_, copy| site.rows(copy, &wanted.0, &wanted.1, limit)));
        let (rows, skipped) = blocking(read).await?;
        self.note_skipped(who, &skipped).await;
        let rows = rows?;
        let details = json!({ "part": part, "table": table, "rows": rows.rows.len() });
        self.record(who, event("backup.read", ("backup", &id), "read", true, details)).await;
        Ok(rows)
    }
}
