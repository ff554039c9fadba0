//! What tests of the JSON format share: a folder in which databases are made, exported and imported.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use std::path::{Path, PathBuf};

use recoup::format::json::{self, ExportHeader};
use recoup::model::{Kind, Problem};
use recoup::progress::Context;
use recoup_testkit::matrix::{self, FEATURES};
use rusqlite::Connection;
use tempfile::TempDir;

pub fn header() -> ExportHeader {
    let exported_at = "2027-01-15T08:00:00Z".parse().unwrap();
    ExportHeader { exported_at, backup_type: Kind::Manual, name: "shop".into(), journal_mode: None }
}

pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        Scratch(TempDir::new().unwrap())
    }
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn made_of(&self, sql: &str) -> PathBuf {
        let path = self.path("source.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(sql).unwrap();
        db.close().unwrap();
        path
    }
    /// A database with everything that a database can have.
    pub fn everything(&self, encoding: &str) -> PathBuf {
        let path = self.path("everything.db");
        matrix::build(&path, 4096, "wal", encoding, 0, &FEATURES, 7);
        path
    }
    pub fn export(&self, db: &Path) -> PathBuf {
        let json = self.path("out.json");
        json::export(db, &header(), &[], &json, &Context::quiet()).unwrap();
        json
    }
    pub fn round_trip(&self, db: &Path) -> (PathBuf, json::Imported) {
        let back = self.path("back.db");
        let imported = json::import(&self.export(db), &back, &Context::quiet()).unwrap();
        (back, imported)
    }
}

pub fn problems(bytes: &[u8]) -> Vec<Problem> {
    json::check(bytes, &Context::quiet()).unwrap()
}

/// Whether `check` does not take these bytes for a whole document of this version.
pub fn is_refused(bytes: &[u8]) -> bool {
    !json::check(bytes, &Context::quiet()).is_ok_and(|problems| problems.is_empty())
}

pub fn line<T: rusqlite::types::FromSql>(db: &Path, sql: &str) -> T {
    Connection::open(db).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
