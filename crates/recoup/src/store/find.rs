//! Finding one backup by what a person calls it: id, unique prefix of an id, file name, `latest`.

use super::{Listed, Listing, name};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Kind;

impl Listing {
    /// Finds a backup by id, unique prefix of an id or the six characters that file names carry (both
    /// in either case), file name (of the manifest or of any object, with or without the plan's directory) or
    /// stem, or `latest`: the newest that is whole and not a safety backup. A prefix of several is a usage
    /// error that names them; the name of one whose manifest is damaged tells that.
    pub fn find(&self, reference: &str) -> Result<&Listed> {
        if reference == "latest" {
            let good = |backup: &&Listed| backup.manifest.kind != Kind::PreRestore && backup.missing.is_empty();
            let ours = self.backups.iter().filter(good).find(|backup| backup.foreign.is_none());
            return ours.or_else(|| self.backups.iter().find(good)).ok_or_else(|| self.lost(reference));
        }
        if let Some(exact) = self.backups.iter().find(|backup| is_called(backup, reference)) {
            return Ok(exact);
        }
        let wanted = reference.to_ascii_uppercase();
        let could = |backup: &&Listed| {
            let id = backup.manifest.id.as_str();
            !wanted.is_empty() && (id.starts_with(&wanted) || (wanted.len() == 6 && id.ends_with(&wanted)))
        };
        let found: Vec<&Listed> = self.backups.iter().filter(could).collect();
        match found.as_slice() {
            [one] => Ok(one),
            [] => Err(self.lost(reference)),
            several => {
                let mut names: Vec<&str> = several.iter().take(5).map(|b| b.manifest.id.as_str()).collect();
                if several.len() > names.len() {
                    names.push("…");
                }
                let text = format!("{reference} could be any of {} backups: {}", several.len(), names.join(", "));
                Err(Error::usage("backup_ambiguous", text).hint("give more of the id"))
            }
        }
    }

    fn lost(&self, reference: &str) -> Error {
        let wanted = name::stem_of(reference);
        let called = |key: &str| {
            let file = name::stem_of(key);
            let stem = file.strip_suffix(name::MANIFEST).unwrap_or(file);
            let tail = stem.get(stem.len().saturating_sub(6)..).unwrap_or_default();
            wanted == stem || wanted.starts_with(&format!("{stem}.")) || wanted.eq_ignore_ascii_case(tail)
        };
        match self.damaged.iter().find(|(key, _)| called(key)) {
            Some((key, error)) => Error::new(error.kind(), error.code(), error.message())
                .because(error.detail())
                .while_(format!("reading {key}")),
            None => missing(reference),
        }
    }
}

fn is_called(backup: &Listed, reference: &str) -> bool {
    let manifest = &backup.manifest;
    let stem = manifest.file_stem();
    let file = reference.strip_prefix(&format!("{}/", manifest.plan)).unwrap_or(reference);
    manifest.id.as_str().eq_ignore_ascii_case(reference)
        || file == stem
        || file.strip_prefix(&stem) == Some(name::MANIFEST)
        || manifest.objects.iter().chain(manifest.stored()).any(|object| object.name == file)
}

/// There is no such backup.
pub(super) fn missing(reference: &str) -> Error {
    Error::new(ErrorKind::NotFound, "backup_missing", format!("Backup not found: {reference}"))
        .hint("recoup list shows what there is")
}
