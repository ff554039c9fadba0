//! Somebody else's files at a destination: plain copies of SQLite databases, and ZIPs that other programs call backups.
//! They are known by their names alone, listed as backups, and only ever read. Their identity is what the destination
//! tells of them, so that it stays as long as the file does.
//!
//! Not here: what is in them ([`crate::format::adopt`], which judges every byte when one is opened).

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::name::StoredName;
use super::{FilesStore, Listed, Store};
use crate::destination::{LocalDestination, ObjectInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Packed;
use crate::format::adopt::{self, Adopted, Identity};
use crate::format::archive::policy::Limits;
use crate::model::{BackupId, Format, Kind, MANIFEST_VERSION, Manifest, Object, Warning};
use crate::progress::Context;

/// The smallest page of SQLite, in bytes: a database has a whole number of them (file format, section 1.3.2).
const PAGE: u64 = 512;

/// The files among these objects that look like a backup of somebody else, the newest first.
pub(super) fn found(objects: &[ObjectInfo]) -> Vec<Listed> {
    let bytes_of =
        |key: String| objects.binary_search_by(|object| object.key.cmp(&key)).ok().map(|at| objects[at].bytes);
    // Beside a log that is not empty lies a database that somebody has open, or that was not closed.
    let in_use =
        |key: &str| ["-wal", "-journal"].iter().any(|end| bytes_of(format!("{key}{end}")).is_some_and(|n| n > 0));
    let fits = |object: &&ObjectInfo| format_of(object).is_some() && !in_use(&object.key);
    let mut found: Vec<Listed> = objects.iter().filter(fits).filter_map(listed).collect();
    found.sort_by(|a, b| (b.manifest.created_at, &b.manifest.id).cmp(&(a.manifest.created_at, &a.manifest.id)));
    found
}

/// What an object could be by its name and length. What has a name of ours is ours.
fn format_of(object: &ObjectInfo) -> Option<Format> {
    if StoredName::parse(&object.key).is_some() {
        return None;
    }
    let name = file_name(&object.key).to_ascii_lowercase();
    let whole_pages = object.bytes >= PAGE && object.bytes.is_multiple_of(PAGE);
    match name.rsplit_once('.')?.1 {
        "db" | "sqlite" | "sqlite3" if whole_pages => Some(Format::Database),
        "zip" if object.bytes > 0 && name.contains("backup") => Some(Format::Archive),
        _ => None,
    }
}

fn file_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// What can be said without opening it.
fn listed(object: &ObjectInfo) -> Option<Listed> {
    let name = file_name(&object.key);
    // To the second, which is what every destination tells alike.
    let created_at = jiff::Timestamp::from_second(object.modified.as_second()).ok()?;
    let text = "Made by another program: what is in it is known when it is opened";
    let manifest = Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: "another program".to_owned(),
        id: identity(object)?,
        plan: adopt::plan_of(Path::new(name)),
        kind: Kind::Upload,
        format: format_of(object)?,
        label: Some(name.to_owned()),
        created_at,
        duration_ms: 0,
        host: None,
        parts: Vec::new(),
        objects: vec![Object { name: name.to_owned(), bytes: object.bytes, sha256: String::new() }],
        verified: None,
        warnings: vec![Warning::new("foreign_file", text)],
        audit: None,
        local_only: true,
        encryption: None,
        history: None,
        state: None,
        same_as: None,
    };
    let (protected, missing, in_use) = (false, Vec::new(), false);
    Some(Listed { manifest, protected, missing, in_use, foreign: Some(object.key.clone()) })
}

/// Time, key and length, as an id.
fn identity(object: &ObjectInfo) -> Option<BackupId> {
    let seconds = object.modified.as_second();
    let hash = Sha256::digest(format!("{}\0{}\0{seconds}", object.key, object.bytes).as_bytes());
    let random = hash.iter().take(10).fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    let ms = u64::try_from(seconds).ok()?.checked_mul(1000)?;
    ulid::Ulid::from_parts(ms, random).to_string().parse().ok()
}

/// Opens a file that was listed with [`Listed::foreign`]: it is judged, every byte of it, and laid out in `scratch` like a
/// backup of ours, with the same id. `scratch` is a private folder with room for twice the file.
///
/// Errors: those of [`adopt::adopt`]; `backup_missing` when the file is another one by now.
pub fn take_over(
    store: &dyn Store,
    listed: &Listed,
    scratch: &Path,
    context: &Context,
) -> Result<(Arc<dyn Store>, Listed)> {
    let known = &listed.manifest;
    let Some(key) = &listed.foreign else {
        return Err(Error::usage("not_foreign", "This backup is one of ours"));
    };
    let path = store.fetch_foreign(key, scratch, context)?;
    let bytes = std::fs::metadata(&path).map_err(|e| Error::at("looking at", &path, e))?.len();
    if known.objects.first().is_some_and(|object| object.bytes != bytes) {
        let text = format!("Backup not found: {key} is another file by now");
        return Err(Error::new(ErrorKind::NotFound, "backup_missing", text));
    }
    let identity = Identity { id: known.id.clone(), plan: known.plan.clone(), created_at: known.created_at };
    let adopted = adopt::adopt_as(&path, Some(&identity), &Limits::default(), scratch, context)?;
    let manifest = Manifest { label: known.label.clone(), ..adopted.manifest };
    let folder = scratch.join(format!("taken-{}", ulid::Ulid::generate()));
    let taken = FilesStore::new(Arc::new(LocalDestination::open(&folder, true)?));
    let kept = keep_adopted(&taken, Adopted { manifest, path: adopted.path.clone() }, context);
    if adopted.path != path {
        let _ = std::fs::remove_file(&adopted.path);
    }
    let kept = Listed { foreign: listed.foreign.clone(), ..kept? };
    Ok((Arc::new(taken), kept))
}

/// Stores what was made of a file that came from elsewhere; gives it as it is listed then.
///
/// Errors: `csv_not_restorable` for what is only an export, and those of storing.
pub fn keep_adopted(store: &dyn Store, adopted: Adopted, context: &Context) -> Result<Listed> {
    let Adopted { mut manifest, path } = adopted;
    let extension = match manifest.format {
        Format::Archive => ".zip",
        Format::Database => ".db",
        Format::Json => ".json",
        Format::Csv | Format::Both => {
            let text = "This kind of file cannot be restored";
            return Err(Error::new(ErrorKind::Unsupported, "csv_not_restorable", text));
        }
    };
    store.put_objects(&mut manifest, &[Packed { extension, path }], context)?;
    store.put_manifest(&manifest, context)?;
    let listed = store.list(Some(&manifest.plan))?.backups.into_iter().find(|one| one.manifest.id == manifest.id);
    listed.ok_or_else(|| Error::corrupted("what was stored of it cannot be read"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn object(key: &str, bytes: u64) -> ObjectInfo {
        ObjectInfo { key: key.into(), bytes, modified: "2026-01-02T03:04:05.678Z".parse().unwrap() }
    }

    #[test]
    fn names_and_lengths_tell_what_may_be_a_backup() {
        for (key, bytes, is) in [
            ("db_20260102_030405.sqlite3", 8192, Some("db")),
            ("old/shop.db", 4096, Some("shop")),
            ("APP.SQLITE", 512, Some("app")),
            ("photo-backup-2026-01-02-03-04-05.zip", 22, Some("photo-backup")),
            ("pb_backup_acme_20260102030405.zip", 4000, Some("pb_backup_acme")),
            ("shop.db", 4097, None),
            ("shop.db", 0, None),
            ("holiday.zip", 4000, None),
            ("shop/shop-20260102T030405Z-ABCDEF.db", 4096, Some("shop")),
            ("shop/shop-20260102T030405Z-abcdef.db", 4096, None),
            ("readme.txt", 512, None),
        ] {
            let one = [object(key, bytes)];
            let found = found(&one);
            assert_eq!(found.first().map(|listed| listed.manifest.plan.as_str()), is, "{key}");
        }
    }

    #[test]
    fn a_database_that_somebody_has_open_is_none_and_an_identity_stays() {
        let all = [object("a.db", 4096), object("a.db-wal", 32), object("b.db", 4096), object("b.db-wal", 0)];
        let first = found(&all);
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].foreign.as_deref(), Some("b.db"));
        assert_eq!(found(&all)[0].manifest.id, first[0].manifest.id);
        let other = [object("b.db", 8192)];
        assert_ne!(found(&other)[0].manifest.id, first[0].manifest.id);
    }
}
