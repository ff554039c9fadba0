//! A store that makes a history in a folder, and a database whose states are put there.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use recoup::destination::LocalDestination;
use recoup::format::Packed;
use recoup::model::{Kind, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Listed, Store};
use recoup_testkit::contract::store::{at, manifest};
use rusqlite::Connection;

pub fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap())).with_history(std::env::temp_dir())
}

/// Puts a file as the only object of a backup.
pub fn put(store: &dyn Store, second: i64, extension: &'static str, bytes: &[u8]) -> Manifest {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    fs::write(&path, bytes).unwrap();
    let mut manifest = manifest("shop", at(second), Kind::Manual);
    store.put_objects(&mut manifest, &[Packed { extension, path }], &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest
}

pub fn get(store: &dyn Store, manifest: &Manifest) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    fs::read(store.fetch(manifest, &manifest.objects[0], scratch.path(), &Context::quiet()).unwrap()).unwrap()
}

pub fn listed(store: &dyn Store) -> Vec<Listed> {
    let listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    listing.backups
}

pub fn pieces(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root.join("shop")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().contains(".history"));
    found.sort();
    found
}

/// A database with `rows` rows, of which `changed` are changed afterwards, as the bytes of its file.
pub struct Shop {
    _folder: tempfile::TempDir,
    pub path: PathBuf,
    pub connection: Connection,
}

impl Shop {
    pub fn new(page_size: u32, rows: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA page_size = {page_size}; CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER, note TEXT); CREATE INDEX by_note ON orders (note);")).unwrap();
        let shop = Shop { _folder: folder, path, connection };
        shop.grow(rows, 1);
        shop
    }

    pub fn grow(&self, rows: u32, seed: u32) {
        self.connection
            .execute_batch(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO orders (at, note) SELECT i * {seed}, hex(i * 7919 * {seed} % 1000003) || ' ordered something' FROM n"
            ))
            .unwrap();
    }

    pub fn change(&self, every: u32, seed: u32) {
        self.connection
            .execute(
                &format!("UPDATE orders SET note = hex(id * {seed} % 99991) WHERE (id * 31 + {seed}) % {every} = 0"),
                [],
            )
            .unwrap();
    }

    pub fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

/// What an application does between two backups.
#[derive(Debug, Clone)]
pub enum Use {
    Grow(u32),
    Change(u32),
    Shrink,
    Vacuum,
    PageSize(u32),
    Wal(bool),
    Checkpoint,
}

pub fn used() -> impl Strategy<Value = Use> {
    prop_oneof![
        4 => (1..400_u32).prop_map(Use::Grow),
        6 => (2..60_u32).prop_map(Use::Change),
        1 => Just(Use::Shrink),
        1 => Just(Use::Vacuum),
        1 => prop::sample::select(vec![512_u32, 1024, 4096, 65536]).prop_map(Use::PageSize),
        1 => any::<bool>().prop_map(Use::Wal),
        1 => Just(Use::Checkpoint),
    ]
}

impl Use {
    pub fn of(&self, shop: &Shop, seed: u32) {
        let run = |sql: &str| shop.connection.execute_batch(sql).unwrap();
        match self {
            Use::Grow(rows) => shop.grow(*rows, seed + 1),
            Use::Change(every) => shop.change(*every, seed),
            Use::Shrink => run("DELETE FROM orders WHERE id % 3 = 0"),
            Use::Vacuum => run("VACUUM"),
            Use::PageSize(size) => run(&format!("PRAGMA journal_mode = DELETE; PRAGMA page_size = {size}; VACUUM")),
            Use::Wal(wal) => run(&format!("PRAGMA journal_mode = {}", if *wal { "WAL" } else { "DELETE" })),
            Use::Checkpoint => run("PRAGMA wal_checkpoint(TRUNCATE)"),
        }
    }
}
