//! Taking away: deleting a backup for good or into the trash, and sweeping what nobody needs.
//!
//! Not here: when a backup may go; that is retention's business, or a person's.

use jiff::Timestamp;

use super::files::{Announced, FilesStore, PENDING_AGE};
use super::name::{self, MANIFEST, PENDING, PROTECTED, StoredName};
use super::{Store, hold, trash};
use crate::destination::{Lease, Trash};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{BackupId, Object};
use crate::progress::Context;

impl FilesStore {
    /// The trash, where there is one.
    pub(super) fn bin(&self) -> Option<Trash> {
        self.destination.staging_root().map(|root| Trash::beside(&root))
    }

    /// Moves an object to a folder of the trash, or removes it.
    fn take_away(&self, key: &str, folder: Option<&str>) -> Result<()> {
        match (self.bin(), folder) {
            (Some(trash), Some(folder)) if trash.put(key, folder)? => Ok(()),
            _ => self.destination.delete(key),
        }
    }

    /// Removes everything of one stem that has no manifest: the marker and the data. Of pieces, those that no other backup
    /// needs, and with them `others` of the same plan.
    pub(super) fn remove_data(&self, base: &str, others: &[Object], folder: Option<&str>) -> Result<Vec<String>> {
        let (plan, stem) = base.split_once('/').unwrap_or_default();
        let mut keys = Vec::new();
        for object in self.destination.list(base)? {
            let ours = StoredName::parse(&object.key).is_some_and(|stored| stored.base == base);
            if ours && !object.key.ends_with(MANIFEST) && !object.key.ends_with(PENDING) {
                keys.push(object.key);
            }
        }
        let shared = others.iter().filter(|object| name::is_piece(plan, &object.name));
        keys.extend(shared.map(|object| format!("{plan}/{}", object.name)));
        keys.sort();
        keys.dedup();
        let name = |key: &str| key.split_once('/').map_or(String::new(), |(_, name)| name.to_owned());
        let is_piece = |key: &String| name::is_piece(plan, &name(key));
        if keys.iter().any(is_piece) {
            let needed = self.needed(plan, stem)?;
            keys.retain(|key| !is_piece(key) || needed.lets_go(&name(key)));
        }
        for key in &keys {
            self.take_away(key, folder)?;
        }
        Ok(keys)
    }

    pub(super) fn remove(&self, id: &BackupId, force: bool, folder: impl Fn(&str) -> Option<String>) -> Result<()> {
        let (base, manifest) = self.locate(id)?;
        let stem = name::stem_of(&base);
        let marker = format!("{base}{PROTECTED}");
        let by_hand = self.destination.list(&marker)?.iter().any(|object| object.key == marker);
        if !force && (by_hand || manifest.kind.is_protected()) {
            return Err(Error::new(ErrorKind::Denied, "protected", format!("Backup is protected: {stem}"))
                .hint("lift the protection first (recoup unprotect), or use --force"));
        }
        let announced = match self.announce(&base, &Context::quiet()) {
            Ok(announced) => Some(announced),
            // Deleting is how a full disk gets space again; it must not need any itself.
            Err(error) if error.kind() == ErrorKind::NoSpace => None,
            Err(error) => return Err(error),
        };
        let folder = folder(stem);
        let removed = self.not_held(stem).map_err(|error| (true, error)).and_then(|()| {
            let stored = manifest.stored().to_vec();
            let manifest = self.take_away(&format!("{base}{MANIFEST}"), folder.as_deref());
            manifest.and_then(|()| self.remove_data(&base, &stored, folder.as_deref())).map_err(|error| (false, error))
        });
        if let Some(announced) = announced {
            // A backup that is whole needs no sweep.
            self.withdraw(announced, removed.as_ref().map_or_else(|(whole, _)| *whole, |_| true));
        }
        removed.map(drop).map_err(|(_, error)| error.while_(format!("deleting {stem}")))
    }

    fn not_held(&self, stem: &str) -> Result<()> {
        match self.destination.staging_root() {
            Some(root) if hold::held(&root)?.contains(stem) => Err(hold::in_use(stem)),
            _ => Ok(()),
        }
    }

    /// Data of ours that has not a single byte and no manifest is waste, unless somebody works on it.
    fn remove_empty(&self) -> Result<Vec<String>> {
        let objects = self.destination.list("")?;
        let mut removed = Vec::new();
        for object in objects.iter().filter(|object| object.bytes == 0) {
            let Some(stored) = StoredName::parse(&object.key) else { continue };
            if !name::DATA.contains(&stored.extension) {
                continue;
            }
            let lease = match self.destination.staging_root() {
                Some(root) => match Lease::take(&root, name::stem_of(stored.base))? {
                    Some(lease) => Some(lease),
                    None => continue,
                },
                None if self.clock.now().duration_since(object.modified) <= PENDING_AGE => continue,
                None => None,
            };
            if !self.has_manifest(stored.base)? {
                self.destination.delete(&object.key)?;
                removed.push(object.key.clone());
            }
            drop(lease);
        }
        Ok(removed)
    }

    pub(super) fn sweep_all(&self) -> Result<Vec<String>> {
        let mut removed = self.destination.sweep()?;
        self.empty_trash(false)?;
        if let Some(root) = self.destination.staging_root() {
            let trashed = self.trash()?;
            for stem in Lease::names(&root)? {
                let Some(base) = name::base_of_stem(&stem) else { continue };
                let Some(lease) = Lease::take(&root, &stem)? else { continue };
                // A way to the trash that was interrupted is gone to its end.
                let folder = trashed.iter().rev().find(|trashed| trashed.stem == stem);
                let folder = folder.map(|trashed| trash::folder(&stem, trashed.since));
                // Looked at only now that nobody can be working on it.
                let swept = if self.has_manifest(&base)? {
                    Ok(Vec::new())
                } else {
                    self.remove_data(&base, &[], folder.as_deref())
                };
                self.withdraw(Announced::Locally(lease), swept.is_ok());
                removed.extend(swept?);
            }
        } else {
            let now: Timestamp = self.clock.now();
            for object in self.destination.list("")? {
                let stored = StoredName::parse(&object.key).filter(|stored| stored.extension == PENDING);
                let Some(stored) = stored.filter(|_| now.duration_since(object.modified) > PENDING_AGE) else {
                    continue;
                };
                if !self.has_manifest(stored.base)? {
                    removed.extend(self.remove_data(stored.base, &[], None)?);
                }
                self.destination.delete(&object.key)?;
            }
        }
        removed.extend(self.sweep_pieces()?);
        removed.extend(self.remove_empty()?);
        removed.sort();
        Ok(removed)
    }
}
