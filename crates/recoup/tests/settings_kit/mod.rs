//! An application with settings, for the tests of their way back.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use recoup::Result;
use recoup::model::{SettingsSpec, SourceSpec, TableSettings};
use recoup::progress::Context;
use recoup::source::factory;
use recoup::source::settings::Environment;
use recoup::source::settings::apply::apply_table;
use recoup::source::settings::restore::{SettingsChange, plan};
use recoup_testkit::contract::source::collect;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

pub const BUSY: Duration = Duration::from_millis(300);

pub fn environment(pairs: &[(&str, &[u8])]) -> Environment {
    let pairs: Vec<(OsString, OsString)> =
        pairs.iter().map(|(name, value)| (name.into(), OsString::from_vec(value.to_vec()))).collect();
    Arc::new(move || pairs.clone())
}

/// An application with a key/value table and a JSON file.
pub struct Shop(pub TempDir);

impl Shop {
    pub fn new(sql: &str, json: &str) -> Self {
        let shop = Shop(tempfile::tempdir().unwrap());
        shop.sql("CREATE TABLE settings(key TEXT PRIMARY KEY, value)");
        shop.sql(sql);
        shop.write(json);
        shop
    }
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    pub fn sql(&self, sql: &str) {
        Connection::open(self.at("shop.db")).unwrap().execute_batch(sql).unwrap();
    }
    pub fn write(&self, json: &str) {
        fs::write(self.at("app.json"), json).unwrap();
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("app.json")).unwrap()).unwrap()
    }
    /// Every row as `key=typeof:value`.
    pub fn rows(&self) -> Vec<String> {
        let db = Connection::open(self.at("shop.db")).unwrap();
        let sql = "SELECT key || '=' || typeof(value) || ':' || CASE typeof(value) WHEN 'blob' THEN hex(value)
                   ELSE coalesce(value, '') END FROM settings ORDER BY 1";
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(|row| row.unwrap()).collect()
    }
    pub fn spec() -> SettingsSpec {
        SettingsSpec {
            environment: vec!["SHOP_*".into()],
            tables: vec![TableSettings {
                database: "shop.db".into(),
                table: "settings".into(),
                key: "key".into(),
                value: "value".into(),
            }],
            json: vec!["app.json".into()],
            ..SettingsSpec::default()
        }
    }
    pub fn backup_in(&self, environment: &Environment) -> Vec<u8> {
        let make = factory(&SourceSpec::Settings(Self::spec()), self.0.path(), false, environment.clone());
        let (mut collected, _) = collect(&make).unwrap();
        collected.entries.remove(0).1
    }
    pub fn backup(&self) -> Vec<u8> {
        self.backup_in(&environment(&[]))
    }
    /// Without any configuration: the document knows where everything belongs.
    pub fn plan(&self, document: &[u8]) -> Result<SettingsChange> {
        plan(document, None, Path::new("/nowhere"), &environment(&[]), &Context::quiet())
    }
}

pub fn apply(change: &SettingsChange) -> Result<()> {
    for (path, bytes) in &change.files {
        fs::write(path, bytes).unwrap();
    }
    change.tables.iter().try_for_each(|table| apply_table(table, BUSY, &Context::quiet()))
}

pub fn is_nothing(change: &SettingsChange) -> bool {
    change.files.is_empty() && change.tables.is_empty() && change.differences.is_empty()
}
