//! What somebody uploads: hostile until it has been taken apart and proven. Then it lies in a private folder like a backup
//! at a destination, is previewed, and can be restored as long as the preview is good.
//!
//! Not here: taking it apart ([`crate::format::adopt`]).

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::audit::event;
use super::site::Site;
use super::{Actor, Engine, Work, blocking};
use crate::error::{Error, ErrorKind, Result};
use crate::format::adopt::{Adopted, adopt};
use crate::format::archive::policy::Limits;
use crate::model::user::Role;
use crate::model::{Kind, Manifest, Plan};
use crate::restore::Preview;
use crate::store::{Listed, keep_adopted};

/// How long what was uploaded is kept at least.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

impl Site {
    /// Where uploads arrive and lie.
    pub fn uploads(&self) -> PathBuf {
        self.data.join("uploads")
    }

    /// Whether a destination is the private folder of an upload.
    pub fn is_upload(&self, destination: &str) -> bool {
        Path::new(destination).parent() == Some(self.uploads().as_path())
    }

    /// Under which plan's name an upload lies in its folder.
    pub fn uploaded_as(&self, destination: &str) -> Result<String> {
        let store = self.store(destination)?;
        let listing = store.list(None)?;
        let first = listing.backups.first();
        first
            .map(|listed| listed.manifest.plan.clone())
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "preview_missing", "What was uploaded is not kept any more"))
    }

    /// Takes a file apart and puts what it is into a private folder of its own.
    fn take_in(&self, file: &Path, plan: &Plan) -> Result<(String, Listed)> {
        self.sweep_uploads(Some(file));
        let context = self.context();
        let scratch = self.scratch()?;
        let adopted = adopt(file, &Limits::upload(), scratch.path(), &context)?;
        let manifest = Manifest { kind: Kind::Upload, plan: plan.name.clone(), ..adopted.manifest };
        let folder = self.uploads().join(ulid::Ulid::generate().to_string());
        let name = folder.display().to_string();
        let kept = keep_adopted(self.store(&name)?.as_ref(), Adopted { manifest, path: adopted.path }, &context);
        if kept.is_err() {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Ok((name, kept?))
    }

    /// What time it is by the clock of the file system, which is the one that ages of files are told by.
    pub fn file_time(&self) -> Option<SystemTime> {
        self.scratch().ok().and_then(|scratch| modified(scratch.path()))
    }

    /// Forgets what was uploaded a day ago, and what never became anything. `arrived` stays.
    pub fn sweep_uploads(&self, arrived: Option<&Path>) {
        let Some(now) = self.file_time() else { return };
        for entry in std::fs::read_dir(self.uploads()).into_iter().flatten().flatten() {
            let path = entry.path();
            let age = modified(&path).and_then(|made| now.duration_since(made).ok());
            if Some(path.as_path()) == arrived || age.is_none_or(|age| age <= KEPT) {
                continue;
            }
            let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            if let Err(error) = gone {
                tracing::warn!(path = %path.display(), "An old upload could not be removed: {error}");
            }
        }
    }
}

/// When something was made or changed, by the clock of the file system.
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::symlink_metadata(path).and_then(|meta| meta.modified()).ok()
}

impl Engine {
    /// Takes in a file in the folder `uploads` (from here on it is the engine's, and goes), and tells what a restore of it to
    /// the sources of `plan` would do. Errors: `backup_corrupted` and those of [`adopt`], `no_place`.
    pub async fn upload(&self, who: &Actor, plan: &str, file: PathBuf) -> Result<(String, Preview)> {
        if file.parent() != Some(self.site.uploads().as_path()) {
            // What lies elsewhere is not ours to take.
            return Err(Error::usage("bad_upload", "Uploads arrive in the folder for uploads"));
        }
        let taken = self.take_upload(who, plan, &file).await;
        let _ = std::fs::remove_file(&file);
        let (ok, details) = match &taken {
            Ok((id, _)) => (true, json!({ "plan": plan, "preview": id })),
            Err(error) => {
                let mut details = super::audit::wrong(error);
                details["plan"] = json!(plan);
                (false, details)
            }
        };
        self.record(who, event("backup.uploaded", ("plan", plan), "create", ok, details)).await;
        taken
    }

    async fn take_upload(&self, who: &Actor, plan: &str, file: &Path) -> Result<(String, Preview)> {
        who.must_be(Role::Operator)?;
        let row = self.plan(who, plan).await?;
        let (Some(row), Some(meant), role) = self.home(who, &row.name).await? else {
            return Err(super::plans::missing(plan));
        };
        let (site, file) = (self.site.clone(), file.to_owned());
        let (destination, backup, preview) = blocking(move || {
            let (name, listed) = site.take_in(&file, &meant)?;
            let store = site.store(&name)?;
            match site.preview(store.as_ref(), &listed, Some(&meant), role, &[]) {
                Ok(preview) => Ok((name, listed.manifest.id, preview)),
                Err(error) => {
                    let _ = std::fs::remove_dir_all(&name);
                    Err(error)
                }
            }
        })
        .await?;
        let seen = Some(preview.seen.clone());
        let work = Work::Restore { backup, destination, only: Vec::new(), force: false, seen, undoes: None };
        self.keep_preview(who, Some(&row), &row.name, work, preview).await
    }
}
