//! Histories that earlier builds made, read by this one: one folder for every version of a piece, below `history_versions`. They
//! are never made again, only added to. Each has three states of a database of 512-byte pages that `recoup backup --format
//! database --layout history` captured.
//!
//! Not here: what this build makes (`history.rs`), and reading without it (`restore_by_hand.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use recoup::destination::LocalDestination;
use recoup::model::Level;
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::verify;
use recoup_testkit::contract::destination::sha256;
use rusqlite::Connection;

/// What a state was: the SHA-256 of the file, how many pieces give it, and what its rows say.
type State = (&'static str, usize, &'static str);

fn reads(version: &str, states: &[State]) {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/history_versions").join(version);
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("shop")).unwrap();
    for file in fs::read_dir(made).unwrap().map(|entry| entry.unwrap()) {
        fs::copy(file.path(), root.path().join("shop").join(file.file_name())).unwrap();
    }
    let store = FilesStore::new(Arc::new(LocalDestination::open(root.path(), false).unwrap()));
    let listing = store.list(Some("shop")).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    assert_eq!(listing.backups.len(), states.len());
    for (listed, (digest, pieces, rows)) in listing.backups.iter().rev().zip(states) {
        let scratch = tempfile::tempdir().unwrap();
        let report = verify::run(&store, listed, Level::Restore, scratch.path(), &Context::quiet()).unwrap();
        assert!(report.ok, "{:?}", report.problems);
        let manifest = &listed.manifest;
        assert_eq!(manifest.history.as_ref().unwrap().pieces.len(), *pieces);
        let path = store.fetch(manifest, &manifest.objects[0], scratch.path(), &Context::quiet()).unwrap();
        assert_eq!(sha256(&fs::read(&path).unwrap()), *digest);
        let sql = "SELECT group_concat(id || ' ' || note, ', ') FROM (SELECT * FROM orders ORDER BY id LIMIT 3)";
        let found: String = Connection::open(&path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(found, *rows);
    }
}

#[test]
fn version_1_is_read() {
    reads(
        "1",
        &[
            (
                "21f7a8ef9878c20714c2202feb78e06c86ecac81520086f7fbe996a5f18f27fc",
                1,
                "1 1 bowls and 1 spoons for table 1, 2 2 bowls and 2 spoons for table 2, 3 3 bowls and 3 spoons for table 3",
            ),
            (
                "3e87a370ae95b20a37d66606557524cd9f5e61843ffc01701fe16dc4e7ad3805",
                2,
                "1 1 bowls and 1 spoons for table 1, 2 nothing, 3 3 bowls and 3 spoons for table 3",
            ),
            (
                "503a2c2550a55cd0607dbfa01119103b97aa756ceb3974934bf3ea281b3ef9b2",
                3,
                "1 1 bowls and 1 spoons for table 1, 2 nothing, 3 one more 3 bowls and 3 spoons for table 3",
            ),
        ],
    );
}
