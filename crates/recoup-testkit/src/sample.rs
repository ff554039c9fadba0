//! A small application in a temporary folder: a WAL database, pictures, a file, settings; and a destination
//! beside it. What the tests of the verbs back up.
//!
//! Not here: busy or odd databases; those are `busy` and `matrix`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recoup::backup::{self, Report, Request};
use recoup::destination::local::LocalDestination;
use recoup::model::{
    CommandSpec, DatabaseSpec, DirectorySpec, FileSpec, Format, Kind, Level, SettingsSpec, SourceSpec,
};
use recoup::progress::Context;
use recoup::source::{self, SourceFactory};
use recoup::store::{FilesStore, Listed, Store};
use recoup::{Result, verify};

/// The application and its destination; removed when dropped.
pub struct Sample {
    folder: tempfile::TempDir,
}

impl Sample {
    /// An application with three products, ten pictures in two folders, a file and settings.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample { folder };
        let app = sample.app();
        fs::create_dir_all(app.join("pictures/2026/empty")).unwrap();
        for i in 0..10_u32 {
            let place = if i % 2 == 0 { "pictures" } else { "pictures/2026" };
            fs::write(app.join(place).join(format!("{i:03}.jpg")), vec![i as u8; 1000 + i as usize]).unwrap();
        }
        std::os::unix::fs::symlink("2026/001.jpg", app.join("pictures/newest.jpg")).unwrap();
        fs::write(app.join("config.yml"), "port: 8080\n").unwrap();
        sample.sql(
            "PRAGMA journal_mode=WAL;
             CREATE TABLE product(id INTEGER PRIMARY KEY, title TEXT, price INTEGER);
             INSERT INTO product VALUES(1,'Bowl',1200),(2,'Spoon',300),(3,'Cup',800);
             CREATE TABLE setting(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
             INSERT INTO setting VALUES('theme','dark'),('smtp_password','canary-5f2b');",
        );
        sample
    }

    /// The temporary folder of it all.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    /// The application's folder.
    pub fn app(&self) -> PathBuf {
        self.path().join("app")
    }
    /// The application's database.
    pub fn database(&self) -> PathBuf {
        self.app().join("shop.db")
    }
    /// The destination's folder.
    pub fn backups(&self) -> PathBuf {
        self.path().join("backups")
    }

    /// Runs statements as the application would.
    pub fn sql(&self, statements: &str) {
        fs::create_dir_all(self.app()).unwrap();
        let db = rusqlite::Connection::open(self.database()).unwrap();
        db.execute_batch(statements).unwrap();
    }

    /// Everything the application has.
    pub fn sources(&self) -> Vec<SourceSpec> {
        vec![
            self.database_source(),
            SourceSpec::Directory(DirectorySpec {
                name: "pictures".into(),
                path: self.app().join("pictures"),
                exclude: vec![],
                optional: false,
                cross_mounts: false,
            }),
            SourceSpec::File(FileSpec {
                name: "config.yml".into(),
                path: self.app().join("config.yml"),
                optional: false,
            }),
            SourceSpec::Settings(SettingsSpec { environment: vec!["SHOP_*".into()], ..SettingsSpec::default() }),
            SourceSpec::Command(CommandSpec {
                name: "hello.txt".into(),
                argv: vec!["echo".into(), "hello".into()],
                timeout_ms: 10_000,
            }),
        ]
    }

    /// The database alone.
    pub fn database_source(&self) -> SourceSpec {
        SourceSpec::Database(DatabaseSpec {
            name: "shop".into(),
            location: self.database().to_string_lossy().into_owned(),
            optional: false,
            busy_timeout_ms: 2_000,
        })
    }

    /// Factories for some sources.
    pub fn factories(&self, specs: &[SourceSpec]) -> Vec<SourceFactory> {
        let environment = || {
            vec![
                (OsString::from("SHOP_REGION"), OsString::from("eu")),
                (OsString::from("SHOP_API_TOKEN"), OsString::from("canary-91ac")),
                (OsString::from("PATH"), OsString::from("/bin")),
            ]
        };
        specs.iter().map(|spec| source::factory(spec, &self.app(), false, Arc::new(environment))).collect()
    }

    /// A request for some sources in a format.
    pub fn request(&self, specs: &[SourceSpec], format: Format) -> Request {
        request("shop", self.factories(specs), format, self.path())
    }

    /// The store at [`Sample::backups`].
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(FilesStore::new(Arc::new(LocalDestination::open(&self.backups(), true).unwrap())))
    }

    /// Backs everything up as an archive.
    pub fn back_up(&self) -> Report {
        self.back_up_as(&self.sources(), Format::Archive).unwrap()
    }

    /// Backs some sources up in a format.
    pub fn back_up_as(&self, specs: &[SourceSpec], format: Format) -> Result<Report> {
        backup::run(&self.request(specs, format), &[self.store()], &Context::quiet())
    }

    /// The newest backup, whole or not.
    pub fn latest(&self) -> Listed {
        self.store().list(Some("shop")).unwrap().backups.remove(0)
    }

    /// Verifies the newest backup.
    pub fn verify(&self, level: Level) -> verify::Report {
        let scratch = tempfile::tempdir_in(self.path()).unwrap();
        verify::run(self.store().as_ref(), &self.latest(), level, scratch.path(), &Context::quiet()).unwrap()
    }

    /// Every file below the destination, staging included, as relative paths.
    pub fn stored_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.backups(), &self.backups(), &mut found);
        // The mark of a directory that holds backups is no leftover.
        found.retain(|file| file != ".recoup-destination");
        found.sort();
        found
    }
}

impl Default for Sample {
    fn default() -> Self {
        Sample::new()
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}

/// A request by hand, with nothing unusual.
pub fn request(plan: &str, sources: Vec<SourceFactory>, format: Format, scratch: &Path) -> Request {
    Request {
        plan: plan.into(),
        sources,
        format,
        queries: vec![],
        kind: Kind::Manual,
        label: None,
        protect: false,
        host: None,
        hooks: vec![],
        audit: None,
        local_only: false,
        secrets: true,
        rescan: false,
        scratch: scratch.to_owned(),
    }
}
