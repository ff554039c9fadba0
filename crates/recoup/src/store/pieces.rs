//! When a piece of a history may go: never while a manifest of its plan names it, and only when every manifest could be read
//! and nobody else is at work on the plan, whose next manifest might name it. Whoever makes a backup announces it before it
//! looks at the pieces; whoever removes pieces has removed the manifest before it looks at the announcements. So one of the
//! two always sees the other.
//!
//! Not here: deleting a backup ([`super::removal`]) and making pieces ([`super::history`]).

use std::collections::HashSet;

use super::Store;
use super::files::{FilesStore, PENDING_AGE};
use super::name::{self, MANIFEST, PENDING, StoredName};
use crate::destination::{Lease, ObjectInfo};
use crate::error::{ErrorKind, Result};
use crate::model::Manifest;

/// The pieces of a plan that are needed.
pub(super) enum Needed {
    /// Exactly these.
    These(HashSet<String>),
    /// It cannot be said now: none may go.
    Unknown,
}

impl Needed {
    /// Whether a piece may go.
    pub fn lets_go(&self, name: &str) -> bool {
        matches!(self, Needed::These(named) if !named.contains(name))
    }
}

impl FilesStore {
    /// What manifests of a plan name. `own` is the stem of who asks.
    pub(super) fn needed(&self, plan: &str, own: &str) -> Result<Needed> {
        let objects = self.destination.list(&format!("{plan}/"))?;
        if self.others_at_work(plan, own, &objects)? {
            return Ok(Needed::Unknown);
        }
        let mut named = HashSet::new();
        for object in &objects {
            let Some(stored) = StoredName::parse(&object.key).filter(|stored| stored.extension == MANIFEST) else {
                continue;
            };
            match self.read_outer(&stored) {
                Ok(manifest) => named.extend(manifest.stored().iter().map(|object| object.name.clone())),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
                Err(_) => return Ok(Needed::Unknown),
            }
        }
        // What waits in the trash can come back.
        for trashed in self.trash()?.iter().filter(|trashed| trashed.plan == plan) {
            let path = trashed.folder.join(format!("{}{MANIFEST}", trashed.stem));
            match std::fs::read(&path).map(|bytes| Manifest::parse(&bytes)) {
                Ok(Ok(manifest)) => named.extend(manifest.stored().iter().map(|object| object.name.clone())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                _ => return Ok(Needed::Unknown),
            }
        }
        Ok(Needed::These(named))
    }

    /// Whether somebody else has announced a backup of the plan and is alive.
    fn others_at_work(&self, plan: &str, own: &str, objects: &[ObjectInfo]) -> Result<bool> {
        let of_plan = |stem: &str| name::base_of_stem(stem).is_some_and(|base| base.starts_with(&format!("{plan}/")));
        let Some(root) = self.destination.staging_root() else {
            let now = self.clock.now();
            let announced = objects.iter().filter_map(|object| Some((StoredName::parse(&object.key)?, object)));
            return Ok(announced.into_iter().any(|(stored, object)| {
                let young = now.duration_since(object.modified) <= PENDING_AGE;
                stored.extension == PENDING && name::stem_of(stored.base) != own && young
            }));
        };
        for stem in Lease::names(&root)? {
            if stem != own && of_plan(&stem) {
                match Lease::take(&root, &stem)? {
                    None => return Ok(true),
                    // It died, and what it announced is for a sweep.
                    Some(dead) => dead.leave(),
                }
            }
        }
        Ok(false)
    }

    /// Removes pieces that no manifest names, a day after they were put: left by a deletion that could not tell, or died.
    pub(super) fn sweep_pieces(&self) -> Result<Vec<String>> {
        let objects = self.destination.list("")?;
        let with_manifest: HashSet<&str> = objects
            .iter()
            .filter_map(|object| StoredName::parse(&object.key))
            .filter(|stored| stored.extension == MANIFEST)
            .map(|stored| stored.base)
            .collect();
        let now = self.clock.now();
        let mut removed = Vec::new();
        let mut asked: Option<(String, Needed)> = None;
        for object in &objects {
            let Some(stored) = StoredName::parse(&object.key) else { continue };
            let Some((plan, name)) = object.key.split_once('/') else { continue };
            let old = now.duration_since(object.modified) > PENDING_AGE;
            if !old || !name::is_piece(plan, name) || with_manifest.contains(stored.base) {
                continue;
            }
            if asked.as_ref().is_none_or(|(of, _)| of != plan) {
                asked = Some((plan.to_owned(), self.needed(plan, "")?));
            }
            if asked.as_ref().is_some_and(|(_, needed)| needed.lets_go(name)) {
                self.destination.delete(&object.key)?;
                removed.push(object.key.clone());
            }
        }
        Ok(removed)
    }
}
