//! Whether there is room for a restore, asked before anything is changed.
//!
//! Not here: what happens when the room goes away in between; every step still fails cleanly.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::item::{Items, Way};
use crate::error::{Error, Result};
use crate::store::Store;

/// Bytes that stay free.
const MARGIN: u64 = 1 << 20;

/// Room for everything that is still to be written: a copy of each database and the log of writing it, and the safety
/// backup. What is staged already is on the disk.
pub fn check(items: &Items, stores: &[Arc<dyn Store>]) -> Result<()> {
    let mut needed = BTreeMap::<u64, (u64, PathBuf)>::new();
    let mut saved = 0;
    for item in &items.items {
        let (old, new) = (size(&item.target), size(&item.staged));
        saved += old;
        if let Way::InPlace { .. } = item.way {
            let device = fs::metadata(&item.stage).map_or(0, |meta| meta.dev());
            let entry = needed.entry(device).or_insert_with(|| (0, item.stage.clone()));
            entry.0 += old + old.max(new);
        }
    }
    let more = |bytes: u64| bytes + bytes / 10 + MARGIN;
    for (bytes, path) in needed.values() {
        let stat = rustix::fs::statvfs(path.as_path()).map_err(|e| Error::at("looking at", path, e.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < more(*bytes) {
            let detail = format!("about {} bytes are needed beside the data, {free} are free", more(*bytes));
            return Err(Error::no_space(detail));
        }
    }
    for store in stores {
        if let Some(free) = store.free_bytes()?
            && free < more(saved)
        {
            let (needed, place) = (more(saved), store.describe());
            let detail = format!("about {needed} bytes are needed for the safety backup at {place}, {free} are free");
            return Err(Error::no_space(detail));
        }
    }
    Ok(())
}

/// Bytes of a file or a tree, however deep.
fn size(path: &Path) -> u64 {
    let (mut bytes, mut todo) = (0, vec![path.to_owned()]);
    while let Some(path) = todo.pop() {
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                todo.extend(fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()));
            }
            Ok(meta) => bytes += meta.len().min(meta.blocks().saturating_mul(512)),
            Err(_) => {}
        }
    }
    bytes
}
