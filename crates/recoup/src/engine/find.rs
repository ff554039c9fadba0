//! In which backups a name lies: from the newest on, one after the other, for a bounded time and number. Nothing is kept of
//! it, so there is nothing that could be out of date; what could not be looked into is told.
//!
//! Not here: what is looked for in one backup ([`crate::browse::find`]).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::nearest::Skipped;
use super::site::Site;
use super::work::told;
use super::{Actor, Engine, blocking};
use crate::browse::find::{self, Hits, Known};
use crate::catalog::{BackupRow, Filter};
use crate::error::{Error, ErrorKind, Result};

/// Backups that one search looks into at most.
const LOOKED_INTO: usize = 50;
/// After so long it stops with the backup that it is at.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rows that are read at once: copies of backups.
const ROWS: i64 = 200;

/// How far a search came.
#[derive(Debug, Default)]
pub struct Search {
    /// Backups with hits, the newest first: their copies, and what was found.
    pub found: Vec<(Vec<BackupRow>, Hits)>,
    /// Backups that could not be looked into, with a stable code and the reason.
    pub passed: Vec<(BackupRow, &'static str, String)>,
    /// How many it looked into or passed.
    pub looked: usize,
    /// The last one of them, when there are more: where to go on.
    pub next: Option<(Timestamp, String)>,
}

impl Engine {
    /// Looks for a name in the backups that a filter leaves. Errors: `no_name`.
    pub async fn find_files(&self, who: &Actor, name: &str, filter: Filter) -> Result<Search> {
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return Err(Error::usage("no_name", "A search needs a name").hint("give a piece of the file's name"));
        }
        let owner = who.owner_filter().map(str::to_owned);
        let filter = Filter { owner: owner.clone(), limit: ROWS, ..filter };
        let rows = self.catalog.backups(&filter).await?;
        let whole = (rows.len() as i64) < ROWS;
        let mut ids: Vec<(Timestamp, String)> = rows.into_iter().map(|row| (row.created_at, row.id)).collect();
        ids.dedup();
        let more = !whole || ids.len() > LOOKED_INTO;
        ids.truncate(LOOKED_INTO);
        let mut backups = Vec::new();
        for (_, id) in &ids {
            // One that was deleted meanwhile has none.
            backups.push(self.catalog.copies(id, owner.as_deref()).await?);
        }
        let site = self.site.clone();
        let (mut search, skipped) = blocking(move || Ok(site.find(backups, &name))).await?;
        self.note_skipped(who, &skipped).await;
        let ended = search.looked == ids.len() && !more;
        search.next = ids.into_iter().nth(search.looked.saturating_sub(1)).filter(|_| !ended);
        Ok(search)
    }
}

impl Site {
    fn find(&self, backups: Vec<Vec<BackupRow>>, name: &str) -> (Search, Vec<Skipped>) {
        let began = self.clock.monotonic();
        let (mut search, mut skipped) = (Search::default(), Vec::new());
        // A destination that does not answer is asked once.
        let mut silent: BTreeMap<String, (&'static str, String)> = BTreeMap::new();
        let mut known = Known::new();
        for copies in backups {
            if search.looked > 0 && self.clock.monotonic().saturating_sub(began) > PATIENCE {
                break;
            }
            search.looked += 1;
            let Some(first) = copies.first().cloned() else { continue };
            let reached: Vec<BackupRow> =
                copies.iter().filter(|copy| !silent.contains_key(&copy.destination)).cloned().collect();
            if let (true, Some((code, why))) = (reached.is_empty(), silent.get(&first.destination)) {
                search.passed.push((first, code, why.clone()));
                continue;
            }
            let (hits, passed_over) = self.first_good(&reached, |_, copy| {
                let scratch = self.scratch()?;
                let store = copy.store.as_ref();
                find::names(store, &copy.listed, name, &mut known, scratch.path(), &self.context())
            });
            match hits {
                Ok(hits) if hits.total > 0 => search.found.push((copies, hits)),
                Ok(_) => {}
                Err(error) => {
                    if error.kind() == ErrorKind::Unreachable {
                        let why = || (error.code(), told(&error));
                        silent.extend(reached.into_iter().map(|copy| (copy.destination, why())));
                    }
                    search.passed.push((first, error.code(), told(&error)));
                }
            }
            skipped.extend(passed_over);
        }
        (search, skipped)
    }
}
