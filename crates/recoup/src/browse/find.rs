//! Names in one backup: parts, tables and everything in its trees whose own name has a text in it, in capitals or not. The
//! first few are told, the others counted, so that a backup of a million files takes no more memory than one of ten.
//!
//! Not here: which backups are looked into, and how long (the engine).

use std::collections::HashMap;
use std::path::Path;

use super::{at_a_glance, tree};
use crate::error::Result;
use crate::format::archive::member::escape;
use crate::model::{EntryKind, Format};
use crate::progress::Context;
use crate::store::{Listed, Store};

/// Hits in one backup that are told.
const TOLD: usize = 5;

/// What has the text in its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A whole part.
    Part,
    /// A table of a database.
    Table,
    /// Something in a tree.
    Entry(EntryKind),
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// Name of the part.
    pub part: String,
    /// What it is.
    pub what: What,
    /// Where it lies in the part, as [`super::list`] tells it; of a table its name, of a part nothing.
    pub path: String,
    /// Length of a file or part in bytes.
    pub bytes: u64,
}

/// What was found in one backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// The first few.
    pub items: Vec<Hit>,
    /// How many there are.
    pub total: u64,
}

impl Hits {
    fn add(&mut self, hit: impl FnOnce() -> Hit) {
        self.total += 1;
        if self.items.len() < TOLD {
            self.items.push(hit());
        }
    }

    fn join(&mut self, others: &Hits, part: &str) {
        self.total += others.total;
        let room = TOLD.saturating_sub(self.items.len());
        self.items.extend(others.items.iter().take(room).map(|hit| Hit { part: part.to_owned(), ..hit.clone() }));
    }
}

/// What was found in trees of one search, by the SHA-256 of their contents lists: a tree that has not changed between two
/// backups is read once.
pub type Known = HashMap<String, Hits>;

/// Looks for a name in a backup. `name` is in lower case. Errors: `too_large_to_search`, and that of a key that is missing.
pub fn names(
    store: &dyn Store,
    listed: &Listed,
    name: &str,
    known: &mut Known,
    scratch: &Path,
    context: &Context,
) -> Result<Hits> {
    let manifest = &listed.manifest;
    manifest.opened()?;
    let mut hits = Hits::default();
    let fits = |own: &str| own.to_lowercase().contains(name);
    for part in manifest.parts.iter().filter(|part| !part.absent) {
        let hit = |what, path: &str, bytes| Hit { part: part.name.clone(), what, path: path.to_owned(), bytes };
        if fits(&part.name) {
            hits.add(|| hit(What::Part, "", part.bytes));
        }
        for table in part.database.iter().flat_map(|facts| &facts.tables).filter(|table| fits(&table.name)) {
            hits.add(|| hit(What::Table, &table.name, 0));
        }
        if part.directory.is_none() || manifest.format != Format::Archive {
            continue;
        }
        if !known.contains_key(&part.sha256) {
            at_a_glance(store, manifest)?;
            let _held = store.hold(manifest)?;
            let mut inside = Hits::default();
            for entry in tree(store, manifest, part, scratch, context)?.read_entries(part)? {
                let entry = entry?;
                let path = escape(&entry.path.0);
                if fits(path.rsplit('/').next().unwrap_or(&path)) && !path.is_empty() {
                    inside.add(|| hit(What::Entry(entry.kind), &path, entry.size));
                }
                context.check()?;
            }
            known.insert(part.sha256.clone(), inside);
        }
        if let Some(inside) = known.get(&part.sha256) {
            hits.join(inside, &part.name);
        }
    }
    Ok(hits)
}
