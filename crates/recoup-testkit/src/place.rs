//! A tree on the disk that the source *directory* reads, for tests that change it between and during runs.

use std::fs;
use std::path::{Path, PathBuf};

use recoup::Result;
use recoup::model::{DirectorySpec, Sink};
use recoup::source::directory::DirectorySource;
use recoup::source::{Emitted, Presence, Scope, Source};
use rusqlite::Connection;

use crate::contract::source::{Collected, scope};

/// A directory to be backed up and a staging directory.
pub struct Place {
    pub tree: tempfile::TempDir,
    pub staging: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}
impl Place {
    pub fn new() -> Self {
        Place { tree: tempfile::tempdir().unwrap(), staging: tempfile::tempdir().unwrap() }
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }
    pub fn database(&self, name: &str, statements: &str) -> Connection {
        let db = Connection::open(self.at(name)).unwrap();
        db.execute_batch(statements).unwrap();
        db
    }
    pub fn scope(&self) -> Scope {
        scope(self.staging.path())
    }
    pub fn spec(&self, exclude: &[&str]) -> DirectorySpec {
        DirectorySpec {
            name: "tree".into(),
            path: self.tree.path().to_owned(),
            exclude: exclude.iter().map(|&pattern| pattern.to_owned()).collect(),
            optional: false,
            cross_mounts: false,
        }
    }
    pub fn collect_with(&self, spec: &DirectorySpec, scope: &Scope) -> Result<(Collected, Emitted)> {
        let mut collected = Collected::default();
        let emitted = self.emit(spec, scope, &mut collected)?;
        Ok((collected, emitted))
    }
    pub fn emit(&self, spec: &DirectorySpec, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let mut source = DirectorySource::new(spec, Path::new("/"))?;
        assert_eq!(source.begin(scope)?, Presence::Present);
        source.capture(scope)?;
        let emitted = source.emit(scope, sink)?;
        assert_eq!(fs::read_dir(self.staging.path()).unwrap().count(), 0, "something was left in staging");
        Ok(emitted)
    }
    pub fn collect(&self) -> (Collected, Emitted) {
        self.collect_with(&self.spec(&[]), &self.scope()).unwrap()
    }
    pub fn paths(&self, exclude: &[&str]) -> Vec<String> {
        self.collect_with(&self.spec(exclude), &self.scope()).unwrap().0.paths()
    }
}

/// The codes of the warnings.
pub fn codes(emitted: &Emitted) -> Vec<&str> {
    emitted.warnings.iter().map(|warning| warning.code.as_str()).collect()
}
