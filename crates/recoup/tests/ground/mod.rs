//! An application of any shape in a temporary folder, restored through the public API: what the tests about hard
//! restores share.
//!
//! Not here: what makes them hard; the tests say that.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use recoup::Result;
use recoup::backup;
use recoup::destination::local::LocalDestination;
use recoup::model::{BackupId, DatabaseSpec, DirectorySpec, FileSpec, Format, Kind, RestoreRecord, SourceSpec};
use recoup::progress::{Context, Observer, Phase};
use recoup::restore::{self, Opened, Places, Report, Request};
use recoup::source;
use recoup::sqlite::digest::logical_digest;
use recoup::store::{FilesStore, Listed, Store};
use recoup_testkit::sample::request;
use recoup_testkit::tree::tree;
use rusqlite::Connection;

/// An application in `app`, its backups beside it.
pub struct Ground {
    folder: tempfile::TempDir,
    pub sources: Vec<SourceSpec>,
    pub busy: Duration,
}

impl Ground {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("app")).unwrap();
        Ground { folder, sources: Vec::new(), busy: Duration::from_millis(400) }
    }

    /// The same with these sources, by their paths in `app`: `x.db` databases, `x/` directories, others files.
    pub fn of(sources: &[&str]) -> Self {
        let mut ground = Ground::new();
        for source in sources {
            ground.add(source, &[]);
        }
        ground
    }

    /// One source more; directories leave `exclude` out.
    pub fn add(&mut self, source: &str, exclude: &[&str]) {
        let path = self.at(source.trim_end_matches('/'));
        let name = source.trim_end_matches('/').replace('/', "-");
        self.sources.push(match (source.ends_with('/'), source.ends_with(".db")) {
            (true, _) => SourceSpec::Directory(DirectorySpec {
                name,
                path,
                exclude: exclude.iter().map(|glob| (*glob).to_owned()).collect(),
                optional: false,
                cross_mounts: false,
            }),
            (_, true) => SourceSpec::Database(DatabaseSpec {
                name,
                location: path.to_str().unwrap().to_owned(),
                optional: false,
                busy_timeout_ms: 2_000,
            }),
            _ => SourceSpec::File(FileSpec { name, path, optional: false }),
        });
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }
    pub fn app(&self) -> PathBuf {
        self.root().join("app")
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.app().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Runs statements on a database, as the application would.
    pub fn sql(&self, database: &str, statements: &str) {
        fs::create_dir_all(self.at(database).parent().unwrap()).unwrap();
        Connection::open(self.at(database)).unwrap().execute_batch(statements).unwrap();
    }
    pub fn number(&self, database: &str, query: &str) -> i64 {
        let connection = Connection::open(self.at(database)).unwrap();
        connection.busy_timeout(Duration::from_secs(120)).unwrap();
        connection.query_row(query, [], |row| row.get(0)).unwrap()
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(FilesStore::new(Arc::new(LocalDestination::open(&self.root().join("backups"), true).unwrap())))
    }

    pub fn back_up(&self) -> Listed {
        self.back_up_as(Format::Archive)
    }
    pub fn back_up_as(&self, format: Format) -> Listed {
        let report = backup::run(&self.request(format), &[self.store()], &Context::quiet()).unwrap();
        self.listed(report.manifest.id.as_str())
    }
    pub fn request(&self, format: Format) -> backup::Request {
        let make = |spec| source::factory(spec, &self.app(), false, Arc::new(Vec::new));
        request("app", self.sources.iter().map(make).collect(), format, self.root())
    }
    pub fn listed(&self, id: &str) -> Listed {
        self.store().list(Some("app")).unwrap().find(id).unwrap().clone()
    }
    /// Safety backups that are there now.
    pub fn safety(&self) -> Vec<Listed> {
        let mut backups = self.store().list(Some("app")).unwrap().backups;
        backups.retain(|listed| listed.manifest.kind == Kind::PreRestore);
        backups
    }

    pub fn restore(&self, listed: &Listed) -> Result<Report> {
        self.restore_only(listed, &[])
    }
    pub fn restore_only(&self, listed: &Listed, only: &[&str]) -> Result<Report> {
        self.put_back(listed, only, None, &Context::quiet())
    }
    pub fn put_back(
        &self,
        listed: &Listed,
        only: &[&str],
        undoes: Option<BackupId>,
        context: &Context,
    ) -> Result<Report> {
        let stores = [self.store()];
        let scratch = tempfile::tempdir().unwrap();
        let mut opened = Opened::stored(stores[0].as_ref(), listed, scratch.path(), context)?;
        let places = Places::of_plan(&listed.manifest, &self.sources, &self.app())?;
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        let request = Request {
            only: &only,
            places: &places,
            stores: &stores,
            undoes,
            force: false,
            hooks: &[],
            busy: self.busy,
            seen: None,
            environment: std::sync::Arc::new(Vec::new),
            host: None,
            audit: None,
        };
        restore::run(&mut opened, &request, context)
    }
    /// What `recoup undo` does.
    pub fn undo(&self) -> Result<Report> {
        let records = self.store().records("app").unwrap();
        let record = RestoreRecord::to_undo(&records).expect("something to undo").clone();
        let safety = self.listed(record.safety.unwrap().as_str());
        self.put_back(&safety, &[], Some(record.id), &Context::quiet())
    }

    /// Everything in `app` as a person would compare it: rows of databases, bytes of files, targets of links, modes,
    /// times of files.
    pub fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        for path in below(&self.app()) {
            let name = path.strip_prefix(self.app()).unwrap().to_string_lossy().into_owned();
            if ["-wal", "-shm", "-journal"].iter().any(|suffix| name.ends_with(&format!(".db{suffix}"))) {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            let shown = if meta.is_symlink() {
                fs::read_link(&path).unwrap().display().to_string()
            } else if meta.is_file() && name.ends_with(".db") && meta.len() > 0 && is_database(&path) {
                self.rows(&path)
            } else if meta.is_file() {
                let time = (meta.mtime(), meta.mtime_nsec());
                format!("{mode:o} {time:?} {}", short(&fs::read(&path).unwrap()))
            } else {
                format!("{mode:o}")
            };
            state.insert(name, shown);
        }
        state
    }
    fn rows(&self, database: &Path) -> String {
        let copy = self.root().join("copy.db");
        let open = Connection::open(database).unwrap();
        open.busy_timeout(Duration::from_secs(20)).unwrap();
        open.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        let digest = logical_digest(&copy, &Context::quiet()).unwrap();
        fs::remove_file(&copy).unwrap();
        format!("{digest:?}")
    }

    /// Nothing of a restore lies about.
    pub fn is_tidy(&self) {
        let left: Vec<String> = tree(self.root()).into_iter().filter(|name| name.contains(".recoup-restore")).collect();
        assert!(left.is_empty(), "{left:?}");
        let staged = fs::read_dir(self.root().join("backups/.recoup")).unwrap().flatten().map(|entry| entry.path());
        // Who still has a backup open holds it.
        let staged: Vec<_> = staged.filter(|path| path.extension().is_none_or(|end| end != "lease")).collect();
        assert!(staged.is_empty(), "staging is empty: {staged:?}");
    }
}

/// Everything in a directory, links not followed.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut at = 0;
    while at < found.len() {
        if found[at].symlink_metadata().unwrap().is_dir() {
            found.extend(fs::read_dir(found[at].clone()).unwrap().map(|entry| entry.unwrap().path()));
        }
        at += 1;
    }
    found.remove(0);
    found
}

fn is_database(path: &Path) -> bool {
    // By another connection of SQLite's, so that no lock is lost.
    Connection::open(path).is_ok_and(|db| db.query_row("PRAGMA schema_version", [], |_| Ok(())).is_ok())
}

/// The codes of a report's warnings.
pub fn codes(report: &Report) -> Vec<&str> {
    report.warnings.iter().map(|warning| warning.code.as_str()).collect()
}

/// A sentence with what is behind it, for messages of failing tests.
pub fn told(error: &recoup::Error) -> String {
    format!(
        "{} [{}] {error}: {} ({})",
        error.kind() as u8,
        error.code(),
        error.detail(),
        error.hint_text().unwrap_or("-")
    )
}

type Act = Box<dyn FnMut(&str) + Send>;

/// Does something at the n-th beginning of a phase.
pub struct At {
    phase: Phase,
    nth: Mutex<(usize, Act)>,
}

impl At {
    pub fn nth(phase: Phase, nth: usize, act: impl FnMut(&str) + Send + 'static) -> Context {
        Context { observer: Arc::new(At { phase, nth: Mutex::new((nth, Box::new(act))) }), ..Context::quiet() }
    }
    /// At every beginning of it.
    pub fn every(phase: Phase, act: impl FnMut(&str) + Send + 'static) -> Context {
        At::nth(phase, 0, act)
    }
}

impl Observer for At {
    fn phase(&self, phase: Phase, what: &str, _total: Option<u64>) {
        if phase != self.phase {
            return;
        }
        let (nth, act) = &mut *self.nth.lock().unwrap();
        match *nth {
            0 => act(what),
            1 => {
                act(what);
                *nth = usize::MAX;
            }
            _ => *nth -= 1,
        }
    }
}

fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
    match bytes.len() > 40 {
        true => format!("{text}… {} {:?}", bytes.len(), <sha2::Sha256 as sha2::Digest>::digest(bytes)),
        false => text,
    }
}
