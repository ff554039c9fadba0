//! What has become of the things of a folder since the backup before: two lists of it are laid beside each other. Both are
//! bounded, however much lies below.
//!
//! Not here: which backup is the one before (the engine).

use std::collections::HashMap;

use super::{Found, Item, LISTED};
use crate::model::EntryKind;

/// What has become of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It was not there.
    New,
    /// It holds something else; a folder, that anything below it does.
    Changed,
    /// It was there and is not any more.
    Gone,
}

/// Marks in a list what differs from the list of the same folder in the backup before, and adds what is gone. What one of
/// them leaves out is neither called new nor gone.
pub fn mark(now: &mut Found, before: Found) {
    let folder = |item: &Item| item.kind == EntryKind::Directory;
    let key = |item: &Item| (folder(item), item.name.clone());
    let mut earlier: HashMap<_, Item> = before.items.into_iter().map(|item| (key(&item), item)).collect();
    for item in &mut now.items {
        item.since = match earlier.remove(&key(item)) {
            Some(same) if same.content == item.content => None,
            Some(_) => Some(Since::Changed),
            None if before.more => None,
            None => Some(Since::New),
        };
    }
    if now.more {
        return;
    }
    let room = LISTED.saturating_sub(now.items.len());
    now.more = earlier.len() > room;
    now.items.extend(earlier.into_values().take(room).map(|item| Item { since: Some(Since::Gone), ..item }));
    now.items.sort_by_cached_key(|item| (!folder(item), item.name.clone()));
}
