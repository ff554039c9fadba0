//! Backups that retention removed from a directory wait a day in its trash, each in a folder
//! `<YYYYMMDDTHHMMSSZ>-<stem>`: when it was put there (UTC), and which backup it is.
//!
//! [`FilesStore::bring_back`] puts one back.
//!
//! Not here: how files get there ([`crate::destination::Trash`]).

use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use super::files::{FilesStore, MARK};
use super::name::{self, MANIFEST, PROTECTED};
use crate::destination::{Body, Trash};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Manifest, Object};
use crate::progress::Context;

/// How long a backup waits.
const WAIT: SignedDuration = SignedDuration::from_hours(24);
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// A backup in the trash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Its file name without extension: `<plan>-<YYYYMMDDTHHMMSSZ>-<id6>`.
    pub stem: String,
    /// Its plan.
    pub plan: String,
    /// When it was put there.
    pub since: Timestamp,
    /// When it may be removed for good.
    pub until: Timestamp,
    /// Length of its files together.
    pub bytes: u64,
    /// The folder that holds its files; moved back to `<destination>/<plan>/`, they are the backup again.
    pub folder: PathBuf,
}

impl Trashed {
    /// Its manifest. The outer one, where backups are encrypted.
    pub fn manifest(&self) -> Result<Manifest> {
        let path = self.folder.join(format!("{}{MANIFEST}", self.stem));
        let bytes = std::fs::read(&path).map_err(|e| Error::at("reading", &path, e))?;
        Manifest::parse(&bytes)
    }

    /// What its folder is called.
    fn name(&self) -> String {
        folder(&self.stem, self.since)
    }
}

/// The folder for a backup that is removed now.
pub(super) fn folder(stem: &str, now: Timestamp) -> String {
    format!("{}-{stem}", now.to_zoned(TimeZone::UTC).strftime(STAMP))
}

/// What lies in the trash, the oldest first. Folders with other names are not ours.
pub(super) fn list(trash: &Trash) -> Result<Vec<Trashed>> {
    let mut found = Vec::new();
    for (folder, bytes) in trash.folders()? {
        let Some((stamp, stem)) = folder.split_once('-') else { continue };
        let since = civil::DateTime::strptime(STAMP, stamp).ok().and_then(|at| at.to_zoned(TimeZone::UTC).ok());
        let (Some(since), Some(base)) = (since, name::base_of_stem(stem)) else { continue };
        let since = since.timestamp();
        found.push(Trashed {
            stem: stem.to_owned(),
            plan: base.split_once('/').map_or(String::new(), |(plan, _)| plan.to_owned()),
            since,
            until: since.saturating_add(WAIT).unwrap_or(Timestamp::MAX),
            bytes,
            folder: trash.path(&folder),
        });
    }
    Ok(found)
}

/// Removes for good what has waited long enough, or everything; tells what that was.
pub(super) fn empty(trash: &Trash, now: Timestamp, everything: bool) -> Result<Vec<Trashed>> {
    let mut removed = list(trash)?;
    removed.retain(|trashed| everything || trashed.until <= now);
    for trashed in &removed {
        trash.remove(&trashed.name())?;
    }
    Ok(removed)
}

/// It is not in the trash.
pub(crate) fn not_there(stem: &str) -> Error {
    Error::new(ErrorKind::NotFound, "trash_missing", format!("Not in the trash: {stem}"))
        .hint("it was put back already, or it is gone for good")
}

impl FilesStore {
    /// Puts a backup back from the trash. Its data first and its manifest last, as when it was made, under the announcement
    /// that a sweep looks for: after a crash in between, a sweep takes it all to the trash again.
    pub(super) fn bring_back(&self, stem: &str, protect: bool, context: &Context) -> Result<Manifest> {
        let (Some(bin), Some(base)) = (self.bin(), name::base_of_stem(stem)) else { return Err(not_there(stem)) };
        let root = self.destination.staging_root().unwrap_or_default();
        let lease = super::hold::lease(&root, stem)?;
        lease.persist()?;
        let mut begun = false;
        let done = self.bring_back_alone(&bin, &base, protect, &mut begun, context);
        match &done {
            Err(_) if begun => lease.leave(),
            _ => drop(lease),
        }
        done.map_err(|error| error.while_(format!("putting {stem} back")))
    }

    fn bring_back_alone(
        &self,
        bin: &Trash,
        base: &str,
        protect: bool,
        begun: &mut bool,
        context: &Context,
    ) -> Result<Manifest> {
        let stem = name::stem_of(base);
        let (plan, manifest_name) = (base.split_once('/').unwrap_or_default().0, format!("{stem}{MANIFEST}"));
        let all = list(bin)?;
        let now = self.clock.now();
        let waits = |trashed: &&Trashed| trashed.stem == stem && trashed.until > now;
        let trashed = all.iter().rev().find(waits).ok_or_else(|| not_there(stem))?;
        let own = bin.files(&trashed.name())?;
        if !own.contains_key(&manifest_name) {
            return Err(not_there(stem));
        }
        let manifest = trashed.manifest()?;
        if self.has_manifest(base)? {
            return Err(Error::new(
                ErrorKind::WouldOverwrite,
                "backup_exists",
                format!("Backup exists already: {stem}"),
            ));
        }
        // Everything is found before anything moves. Pieces may lie with another backup that went after it.
        let there = self.destination.list(&format!("{plan}/"))?;
        let mut moves: Vec<(String, String)> =
            own.keys().filter(|name| **name != manifest_name).map(|name| (trashed.name(), name.clone())).collect();
        let mut missing = Vec::new();
        for Object { name, bytes, .. } in manifest.stored() {
            let key = format!("{plan}/{name}");
            if there.iter().any(|object| object.key == key && object.bytes == *bytes) || own.get(name) == Some(bytes) {
                continue;
            }
            let with_others = all.iter().filter(|other| other.plan == plan && other.folder != trashed.folder);
            let mut found = None;
            for other in with_others {
                if bin.files(&other.name())?.get(name) == Some(bytes) {
                    found = Some((other.name(), name.clone()));
                }
            }
            match found {
                Some(found) => moves.push(found),
                None => missing.push(name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(Error::corrupted(format!("it is not whole in the trash: {}", missing.join(", "))));
        }
        *begun = true;
        for (folder, name) in &moves {
            context.check()?;
            bin.take_out(folder, name, plan)?;
        }
        if protect && !own.contains_key(&format!("{stem}{PROTECTED}")) && !manifest.kind.is_protected() {
            self.destination.put(&format!("{base}{PROTECTED}"), Body::Bytes(MARK), context)?;
        }
        bin.take_out(&trashed.name(), &manifest_name, plan)?;
        // What is left in the folder lies at the destination too, and goes when its day is over.
        drop(bin.remove(&trashed.name()));
        Ok(manifest)
    }
}
