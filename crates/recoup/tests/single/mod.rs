//! One database, backed up through the verbs into a format of choice, and taken out of the backup again.
//!
//! Not here: what the database is, and what must hold of it; the tests say that.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recoup::backup;
use recoup::destination::local::LocalDestination;
use recoup::diff::{self, Right};
use recoup::format::json;
use recoup::model::{DatabaseFacts, DatabaseSpec, Format, Level, Manifest, SourceSpec};
use recoup::progress::Context;
use recoup::source::{self, SourceFactory};
use recoup::sqlite::{facts, open};
use recoup::store::{FilesStore, Listed, Store};
use recoup::{Result, verify};
use recoup_testkit::sample::request;
use tempfile::TempDir;

/// A database file and a destination of its own.
pub struct Single {
    database: PathBuf,
    folder: TempDir,
}

impl Single {
    /// Backups of `database`, kept in a temporary folder.
    pub fn of(database: &Path) -> Self {
        Single { database: database.to_owned(), folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> FilesStore {
        FilesStore::new(Arc::new(LocalDestination::open(&self.folder.path().join("backups"), true).unwrap()))
    }

    fn source(&self) -> SourceFactory {
        let spec = SourceSpec::Database(DatabaseSpec {
            name: "one".into(),
            location: self.database.to_string_lossy().into_owned(),
            optional: false,
            busy_timeout_ms: 2_000,
        });
        source::factory(&spec, Path::new("/"), false, Arc::new(Vec::<(OsString, OsString)>::new))
    }

    /// One backup.
    pub fn back_up(&self, format: Format) -> Result<Manifest> {
        let request = request("one", vec![self.source()], format, self.folder.path());
        Ok(backup::run(&request, &[Arc::new(self.store())], &Context::quiet())?.manifest)
    }

    fn listed(&self, manifest: &Manifest) -> Listed {
        let backups = self.store().list(Some("one")).unwrap().backups;
        backups.into_iter().find(|listed| listed.manifest.id == manifest.id).unwrap()
    }

    /// Asserts that a test restore finds nothing wrong.
    pub fn prove(&self, manifest: &Manifest) {
        let scratch = tempfile::tempdir_in(self.folder.path()).unwrap();
        let (store, listed) = (self.store(), self.listed(manifest));
        let report = verify::run(&store, &listed, Level::Restore, scratch.path(), &Context::quiet()).unwrap();
        assert!(report.ok, "{}: {:?}", manifest.format, report.problems);
    }

    /// What differs between a backup and itself.
    pub fn differs_from_itself(&self, manifest: &Manifest) -> bool {
        let scratch = tempfile::tempdir_in(self.folder.path()).unwrap();
        let (store, listed) = (self.store(), self.listed(manifest));
        let right = Right::Backup(&store, &listed);
        let report = diff::run(&store, &listed, right, scratch.path(), &Context::quiet()).unwrap();
        assert_eq!(report.databases.len(), 1);
        !report.databases[0].tables.is_empty() || !report.databases[0].schema.is_empty()
    }

    /// Every database that a backup holds, taken out with what everybody has: unzip, a copy, an import.
    pub fn taken_out(&self, manifest: &Manifest) -> Vec<PathBuf> {
        let objects = manifest.objects.iter().map(|object| {
            let stored = self.folder.path().join("backups/one").join(&object.name);
            let target = self.folder.path().join(format!("{}.taken-out.db", object.name));
            match stored.extension().unwrap().to_str().unwrap() {
                "zip" => {
                    let mut zip = zip::ZipArchive::new(fs::File::open(&stored).unwrap()).unwrap();
                    let mut member = zip.by_name("database.db").unwrap();
                    std::io::copy(&mut member, &mut fs::File::create(&target).unwrap()).unwrap();
                }
                "json" => drop(json::import(&stored, &target, &Context::quiet()).unwrap()),
                _ => drop(fs::copy(&stored, &target).unwrap()),
            }
            target
        });
        objects.collect()
    }
}

/// Digests of what a database says.
pub fn digest(database: &Path) -> BTreeMap<String, String> {
    json::logical_digest(database, &Context::quiet()).unwrap()
}

/// What a database says about itself.
pub fn facts_of(database: &Path, journal_mode: &str) -> DatabaseFacts {
    facts::facts(&open::open_private(database).unwrap(), journal_mode).unwrap()
}

/// The bytes of a database and of the files beside it that carry data; not of the `-shm`, which is only an index.
pub fn bytes_of(database: &Path) -> Vec<Option<Vec<u8>>> {
    let beside = ["", "-wal", "-journal"].map(|ending| format!("{}{ending}", database.display()));
    beside.iter().map(|path| fs::read(path).ok()).collect()
}
