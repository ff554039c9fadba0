//! What the two test files about the SQLite source share: a source directory, a staging directory, a sink that
//! keeps what it is given.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup::Result;
use recoup::model::{Content, DatabaseFacts, DatabaseSpec, Entry, Sink, Warning};
use recoup::progress::Context;
use recoup::source::sqlite::SqliteSource;
use recoup::source::{Presence, Scope, Source};
use recoup::sqlite::open::open_private;
use rusqlite::Connection;

pub struct Kit {
    pub home: PathBuf,
    pub db: PathBuf,
    pub scope: Scope,
    root: tempfile::TempDir,
}

#[derive(Debug)]
pub struct Kept {
    pub path: PathBuf,
    pub entry: Entry,
    pub facts: DatabaseFacts,
    pub warnings: Vec<Warning>,
}

struct KeepingSink(PathBuf, Option<Entry>);

impl Sink for KeepingSink {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let Content::Staged(staged) = content else { panic!("a database is always staged") };
        assert_eq!(fs::metadata(staged).unwrap().len(), entry.size);
        assert!(self.1.replace(entry.clone()).is_none(), "one entry only");
        fs::rename(staged, &self.0).unwrap();
        Ok(())
    }
    fn retract(&mut self) -> Result<()> {
        panic!("a database never changes while it is emitted")
    }
}

impl Kit {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let [home, staging, out] = ["home", "staging", "out"].map(|name| root.path().join(name));
        for dir in [&home, &staging, &out] {
            fs::create_dir(dir).unwrap();
        }
        let scope = Scope {
            staging,
            context: Context::quiet(),
            excluded: vec![],
            databases: vec![],
            secrets: false,
            earlier: None,
        };
        Kit { db: home.join("app.db"), home, scope, root }
    }

    pub fn spec(&self) -> DatabaseSpec {
        DatabaseSpec {
            name: "app".into(),
            location: self.db.to_str().unwrap().into(),
            optional: false,
            busy_timeout_ms: 10_000,
        }
    }

    pub fn back_up(&self) -> Result<Kept> {
        self.back_up_with(&self.spec(), false)
    }

    pub fn back_up_waiting(&self, milliseconds: u64) -> Result<Kept> {
        self.back_up_with(&DatabaseSpec { busy_timeout_ms: milliseconds, ..self.spec() }, false)
    }

    pub fn back_up_with(&self, spec: &DatabaseSpec, compact: bool) -> Result<Kept> {
        let mut source = source(spec, &self.home, compact);
        assert_eq!(source.begin(&self.scope)?, Presence::Present);
        self.finish(source)
    }

    pub fn finish(&self, mut source: SqliteSource) -> Result<Kept> {
        source.capture(&self.scope)?;
        let path = self
            .root
            .path()
            .join("out")
            .join(format!("{}.db", fs::read_dir(self.root.path().join("out")).unwrap().count()));
        let mut sink = KeepingSink(path.clone(), None);
        let emitted = source.emit(&self.scope, &mut sink)?;
        assert!(fs::read_dir(&self.scope.staging).unwrap().next().is_none(), "staging is clean");
        Ok(Kept { path, entry: sink.1.unwrap(), facts: emitted.database.unwrap(), warnings: emitted.warnings })
    }

    pub fn number(&self, sql: &str) -> i64 {
        open_private(&self.db).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

impl Kept {
    pub fn number(&self, sql: &str) -> i64 {
        open_private(&self.path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub fn codes(&self) -> Vec<&str> {
        self.warnings.iter().map(|warning| warning.code.as_str()).collect()
    }
}

pub fn source(spec: &DatabaseSpec, home: &Path, compact: bool) -> SqliteSource {
    SqliteSource::new(spec, home, compact).unwrap()
}

/// Builds a database and closes it.
pub fn make(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// Every file of a directory with its bytes, read by another process, so that no lock of ours is lost. The
/// shared memory is left out of the comparison of bytes: readers write their marks there.
pub fn listing(dir: &Path) -> BTreeMap<String, String> {
    let output =
        Command::new("sh").args(["-c", "cd \"$1\" && sha256sum -- * 2>/dev/null", "sh"]).arg(dir).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().filter_map(|line| line.split_once("  "));
    pairs.map(|(hash, name)| (name.into(), if name.ends_with("-shm") { "present" } else { hash }.into())).collect()
}

/// Runs a Python script and returns what it prints.
pub fn python(script: &str, arguments: &[&Path]) -> String {
    let output = Command::new("python3").args(["-c", script]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
