//! What can be done with one backup: look at it, hand it out, compare, protect, delete.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::audit::event;
use super::fence::backup_missing;
use super::nearest::{Copy, Skipped, read_only};
use super::site::Site;
use super::upload::modified;
use super::{Actor, Engine, blocking};
use crate::catalog::BackupRow;
use crate::config::from_origins;
use crate::diff::{self, Right};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{bundle, proof};
use crate::model::copies;
use crate::model::user::Role;
use crate::model::{BackupId, Manifest, Object, Plan};
use crate::progress::{Cancel, Context, Silent};
use crate::source::factory;

/// How long what was made for a download is kept.
const DOWNLOAD: Duration = Duration::from_secs(60 * 60);

impl Site {
    /// Where files are put together for downloads.
    pub fn downloads(&self) -> PathBuf {
        self.data.join("downloads")
    }

    /// Tells nobody.
    pub fn context(&self) -> Context {
        Context { observer: Arc::new(Silent), cancel: Cancel::default(), clock: self.clock.clone() }
    }

    /// The bytes of a copy, proven: what is handed out is what was stored.
    fn object(&self, copy: &Copy) -> Result<(File, String, u64)> {
        let Copy { store, listed, .. } = copy;
        let manifest = &listed.manifest;
        if !listed.missing.is_empty() {
            return Err(Error::corrupted(format!("it is not whole: {}", listed.missing.join(", "))));
        }
        let _held = store.hold(manifest)?;
        let context = self.context();
        let fetch = |object: &Object, scratch: &Path| -> Result<PathBuf> {
            let path = store.fetch(manifest, object, scratch, &context)?;
            proof::is_object(&path, object, &context)?;
            Ok(path)
        };
        let open = |path: PathBuf, name: String| {
            let file = File::open(&path).map_err(|e| Error::at("opening", &path, e))?;
            let length = file.metadata().map_err(|e| Error::at("looking at", &path, e))?.len();
            Ok((file, name, length))
        };
        if let [only] = manifest.objects.as_slice() {
            let scratch = self.scratch()?;
            return open(fetch(only, scratch.path())?, only.name.clone());
        }
        let scratch = self.scratch()?;
        self.sweep_downloads();
        let made = self.downloads().join(format!("{}.zip", manifest.id));
        if !made.exists() {
            let mut files = Vec::new();
            for object in &manifest.objects {
                files.push((object.name.clone(), fetch(object, scratch.path())?));
            }
            let parts = scratch.path().join("download.zip");
            bundle::write(&parts, &files, &context)?;
            std::fs::rename(&parts, &made).map_err(|e| Error::at("keeping", &made, e))?;
        }
        open(made, format!("{}.zip", manifest.file_stem()))
    }

    /// Forgets downloads that were made an hour ago. Who reads one still has it open.
    pub(super) fn sweep_downloads(&self) {
        let Some(now) = self.file_time() else { return };
        for entry in std::fs::read_dir(self.downloads()).into_iter().flatten().flatten() {
            let age = modified(&entry.path()).and_then(|made| now.duration_since(made).ok());
            if age.is_some_and(|age| age > DOWNLOAD) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Into the trash, where the destination has one, unless it is to go at once.
    fn delete(&self, copy: &BackupRow, force: bool, at_once: bool) -> Result<()> {
        let id: BackupId = copy.id.parse()?;
        let store = self.store(&copy.destination)?;
        let gone = if at_once { store.delete(&id, force) } else { store.discard(&id, force).map(drop) };
        match gone {
            // It is gone, as it should be.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn protect(&self, copies: &[BackupRow], protected: bool) -> Result<()> {
        for copy in copies {
            let id: BackupId = copy.id.parse()?;
            self.store(&copy.destination)?.set_protected(&id, protected, &self.context())?;
        }
        Ok(())
    }

    fn compare(&self, left: &Copy, right: Option<&Copy>, plan: Option<&Plan>) -> Result<diff::Report> {
        let Copy { store, listed, .. } = left;
        let scratch = self.scratch()?;
        let context = self.context();
        let Some(right) = right else {
            let live = match plan {
                Some(plan) => self.factories(plan),
                None => {
                    let (sources, _) = from_origins(&listed.manifest);
                    let base = &self.settings().base;
                    sources.iter().map(|spec| factory(spec, base, false, self.environment.clone())).collect()
                }
            };
            return diff::run(store.as_ref(), listed, Right::Live(&live), scratch.path(), &context);
        };
        let other = Right::Backup(right.store.as_ref(), &right.listed);
        diff::run(store.as_ref(), listed, other, scratch.path(), &context)
    }

    /// Compares the nearest good copies; tells which were passed over.
    fn compare_nearest(
        &self,
        left: &[BackupRow],
        right: Option<&[BackupRow]>,
        plan: Option<&Plan>,
    ) -> (Result<diff::Report>, Vec<Skipped>) {
        let Some(right) = right else { return self.first_good(left, |_, copy| self.compare(copy, None, plan)) };
        let mut skipped = Vec::new();
        let (done, mut passed) = self.first_good(left, |_, left| {
            let (done, passed) = self.first_good(right, |_, right| self.compare(left, Some(right), plan));
            skipped.extend(passed);
            done
        });
        skipped.append(&mut passed);
        (done, skipped)
    }
}

impl Engine {
    /// Forgets what was kept for a while: previews, answers, uploads, files made for a download. The scheduler asks for it
    /// every hour.
    pub async fn tidy(&self) -> Result<()> {
        self.catalog.forget_expired(self.clock().now()).await?;
        let site = self.site.clone();
        blocking(move || {
            site.sweep_downloads();
            site.sweep_uploads(None);
            Ok(())
        })
        .await
    }

    /// A backup's manifest, from a copy that can be read, and all copies.
    pub async fn manifest(&self, who: &Actor, id: &str) -> Result<(Manifest, Vec<BackupRow>)> {
        let copies = self.backup(who, id).await?;
        let (site, rows) = (self.site.clone(), copies.clone());
        let read = move || Ok(site.first_good(&rows, |_, copy| Ok(copy.listed.manifest.clone())));
        let (manifest, skipped) = blocking(read).await?;
        self.note_skipped(who, &skipped).await;
        Ok((manifest?, copies))
    }

    /// A backup's bytes for handing out: file, name, length. Several files become one ZIP, kept for an hour.
    pub async fn open_object(&self, who: &Actor, id: &str) -> Result<(File, String, u64)> {
        let copies = self.backup(who, id).await?;
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        let site = self.site.clone();
        let (object, skipped) = blocking(move || Ok(site.first_good(&copies, |_, copy| site.object(copy)))).await?;
        self.note_skipped(who, &skipped).await;
        let object = object?;
        let details = json!({ "name": object.1, "bytes": object.2 });
        self.record(who, event("backup.downloaded", ("backup", &id), "read", true, details)).await;
        Ok(object)
    }

    /// Protects every copy from retention, or lifts that.
    pub async fn set_protected(&self, who: &Actor, id: &str, protected: bool) -> Result<()> {
        who.must_be(Role::Operator)?;
        let copies = self.backup(who, id).await?;
        if let Some(foreign) = copies.iter().find(|copy| copy.foreign.is_some()) {
            return Err(read_only(&foreign.id));
        }
        let (site, rows) = (self.site.clone(), copies.clone());
        let name = if protected { "backup.protected" } else { "backup.unprotected" };
        let id = copies.first().map(|copy| copy.id.clone()).unwrap_or_default();
        if !protected {
            // From then on retention may take it.
            self.audit(who, event(name, ("backup", &id), "update", true, json!({}))).await?;
        }
        blocking(move || site.protect(&rows, protected)).await?;
        for copy in copies {
            self.catalog.put_backup(&BackupRow { protected, ..copy }).await?;
        }
        if protected {
            self.record(who, event(name, ("backup", &id), "update", true, json!({}))).await;
        }
        Ok(())
    }

    /// Deletes every copy; protected ones with `force` only. Where the destination has a trash it waits there for a day,
    /// unless it is to go `at_once`. Recorded before it happens, and it does not happen when that fails. Errors:
    /// `backup_protected`, `backup_in_use`.
    pub async fn delete_backup(&self, who: &Actor, id: &str, force: bool, at_once: bool) -> Result<()> {
        who.must_be(Role::Operator)?;
        let copies = self.backup(who, id).await?;
        let Some(first) = copies.first().cloned() else { return Err(backup_missing(id)) };
        if first.foreign.is_some() {
            return Err(read_only(&first.id));
        }
        let is_protected = |copy: &BackupRow| copy.protected || copy.kind.is_protected();
        if !force && copies.iter().any(is_protected) {
            let text = format!("{} is protected", first.id);
            return Err(Error::new(ErrorKind::Denied, "backup_protected", text).hint("force deletes it all the same"));
        }
        if !force && self.is_last_good(&first).await? {
            let text = format!("{} is the last good backup of {}", first.id, first.plan);
            let error = Error::new(ErrorKind::Denied, "last_good_backup", text);
            return Err(error.hint("make another one first; force deletes it all the same"));
        }
        let places: Vec<&str> = copies.iter().map(|copy| copy.destination.as_str()).collect();
        let details = json!({
            "plan": first.plan, "kind": first.kind, "created_at": first.created_at, "destinations": places, "force": force,
            "at_once": at_once,
        });
        self.audit(who, event("backup.deleted", ("backup", &first.id), "delete", true, details)).await?;
        let mut failed = None;
        for copy in copies {
            let (site, row) = (self.site.clone(), copy.clone());
            match blocking(move || site.delete(&row, force, at_once)).await {
                Ok(()) => self.catalog.forget_backup(&copy.id, Some(&copy.destination)).await?,
                Err(error) => {
                    let mut details = super::audit::wrong(&error);
                    details["destination"] = json!(copy.destination);
                    let wrong = event("backup.deleted", ("backup", &copy.id), "delete", false, details);
                    self.record(who, wrong).await;
                    failed.get_or_insert(error.while_(format!("deleting the copy at {}", copy.destination)));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn is_last_good(&self, row: &BackupRow) -> Result<bool> {
        let rows = self.catalog.backups_of(&row.plan).await?;
        let known: Vec<_> = rows.iter().filter_map(BackupRow::known).collect();
        Ok(row.id.parse().is_ok_and(|id| copies::is_last_good(&known, &id)))
    }

    /// What differs between two backups, or between one and the live data (`None`).
    pub async fn diff(&self, who: &Actor, left: &str, right: Option<&str>) -> Result<diff::Report> {
        let left = self.backup(who, left).await?;
        let right = match right {
            Some(right) => Some(self.backup(who, right).await?),
            None => None,
        };
        let name = left.first().map(|copy| copy.plan.clone()).unwrap_or_default();
        let plan = match self.catalog.plan(&name, who.owner_filter()).await? {
            Some(row) => {
                let plan = self.plan_of(&row)?;
                self.site.within_roots(self.role_of(&row.owner).await?, &plan)?;
                Some(plan)
            }
            // Where an unknown plan's data was is not for everybody to read.
            None if right.is_none() => who.must_be(Role::Admin).map(|()| None)?,
            None => None,
        };
        let site = self.site.clone();
        let compare = move || Ok(site.compare_nearest(&left, right.as_deref(), plan.as_ref()));
        let (report, skipped) = blocking(compare).await?;
        self.note_skipped(who, &skipped).await;
        report
    }
}
