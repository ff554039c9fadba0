//! The restore protocol: save what is there → lock → make sure that it is still what was saved → write the journal →
//! put in place → compare → finish. Any failure before the journal changes nothing; any failure after it is taken back;
//! a crash is finished or taken back by the next [`super::recover`].
//!
//! The application waits only while its databases are locked. Should it commit between the safety backup and the lock,
//! the safety backup is made again; the third time it is made under the lock.
//!
//! Not here: how the new data was made ([`super::item`]).

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::changes::Changes;
use super::commit::{self, Locked};
use super::derive;
use super::item::{self, Item, Items, Way};
use super::safety::{self, Purpose, Saved};
use super::unit::{self, Unit};
use super::{meanwhile, nested};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{BackupId, DatabaseFacts, PartKind, RestoreRecord, Warning};
use crate::progress::{Context, Phase};
use crate::sqlite::put::{self, Obstacle, Pair, Stamps};
use crate::sqlite::{check, open};

/// How often what is there is saved before it is saved under the lock.
const TRIES: usize = 3;

/// What came of it.
pub struct Done {
    /// The safety backup, when there was something to save.
    pub saved: Option<Saved>,
    /// What was remembered of it.
    pub record: RestoreRecord,
    /// Worth a look.
    pub warnings: Vec<Warning>,
}

/// A safety backup of a restore that has not happened: dropped, it is taken back.
struct Unused(Option<Saved>);

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.iter().for_each(safety::discard);
    }
}

/// Databases of items by their number, with the copy of what is in them now.
type Copies = Vec<(usize, PathBuf, DatabaseFacts)>;

/// Puts all items in place, or none.
pub fn run(id: &BackupId, items: &mut Items, purpose: &Purpose<'_>, busy: Duration, context: &Context) -> Result<Done> {
    for attempt in 1..=TRIES {
        let last = attempt == TRIES;
        let stamps: Vec<Option<Stamps>> = items.items.iter().map(|item| stamps(item, context)).collect();
        let mut warnings = Vec::new();
        // The last time a copy is made only when the lock is held, unless the new content is made of it.
        let derived = items.items.iter().any(|item| matches!(item.way, Way::InPlace { derive: Some(_), .. }));
        let mut saved = Unused(None);
        if !last || derived {
            let mut copies = copy_all(items, busy, context)?;
            for item in &items.items {
                warnings.extend(derive::make(item, context)?);
            }
            saved = Unused(save(purpose, items, &mut copies, context)?);
        }
        item::sync(items)?;
        let mut pairs = open_all(items, !last || derived, busy, context)?;
        let mut held = Vec::new();
        for (at, pair) in &mut pairs {
            let (cookie, mode) = (pair.cookie, pair.journal_mode.clone());
            held.push(Locked { item: *at, cookie, mode, held: pair.lock(busy, context)? });
        }
        let same = |(item, before): (&Item, &Option<Stamps>)| {
            before.as_ref().is_none_or(|before| *before == Stamps::of(&item.target))
        };
        let unchanged = items.items.iter().zip(&stamps).all(same);
        if !unchanged || (last && !derived) {
            drop(std::mem::replace(&mut saved, Unused(None)));
            if !last {
                continue;
            }
            if derived {
                return Err(put::in_use(&items.items[0].target).because("it is written to all the time"));
            }
            let mut copies = Copies::new();
            for locked in &mut held {
                let item = &items.items[locked.item];
                let Way::InPlace { old, .. } = &item.way else { continue };
                // The schema may have changed since we opened it.
                let (facts, cookie) = safety::copy_locked(item, old, &locked.mode, context)?;
                locked.cookie = cookie;
                copies.push((locked.item, old.clone(), facts));
            }
            copy_exchanged(items, &mut copies, busy, context)?;
            saved = Unused(save(purpose, items, &mut copies, context)?);
        }
        sole_users(items, purpose.elsewhere, busy, context)?;
        let changes = match changes(items, saved.0.as_ref(), purpose, context)? {
            Planned::Changes(changes, kept) => {
                warnings.extend(kept);
                changes
            }
            Planned::Changed(path) => {
                if last {
                    return Err(changing(&path));
                }
                continue;
            }
        };
        let safety = saved.0.as_ref().map(|saved| saved.manifest.id.clone());
        item::sync_old(items)?;
        let journal = commit::journal(id, purpose, safety, items, &held, changes, context)?;
        let kept = saved.0.take();
        let (all, brought) = (items.items.clone(), RefCell::new(Vec::new()));
        let applied = commit::apply(&journal, items, held, busy, context).and_then(|()| {
            pairs.iter().for_each(|(_, pair)| pair.checkpoint());
            drop(pairs);
            let keepers = kept.as_ref().map_or(purpose.stores, |saved| saved.stores.as_slice());
            let remember = |record: &RestoreRecord| {
                if let Some(saved) = &kept {
                    let context = commit::uncancelled(context);
                    *brought.borrow_mut() = meanwhile::bring_over(&all, &journal.changes, saved, purpose, &context);
                }
                super::remember(record, keepers, context)
            };
            commit::finish(&journal, items, &remember, busy, context)
        });
        match applied {
            Ok(told) => warnings.extend(told.into_iter().chain(brought.into_inner())),
            Err(error) => {
                // Unless the old data could not be put back yet, nobody needs the safety backup.
                saved.0 = kept.filter(|_| !items.is_open());
                return Err(error);
            }
        }
        let saved = kept;
        warnings.extend(saved.iter().flat_map(|saved| saved.warnings.clone()));
        return Ok(Done { saved, record: journal.record(), warnings });
    }
    Err(put::in_use(&items.items[0].target))
}

fn stamps(item: &Item, context: &Context) -> Option<Stamps> {
    match item.way {
        Way::InPlace { .. } | Way::Swap(_) => Some(Stamps::settled(&item.target, context)),
        _ => None,
    }
}

/// Copies of all databases that can be read.
fn copy_all(items: &mut Items, busy: Duration, context: &Context) -> Result<Copies> {
    context.observer.phase(Phase::Capture, "what is there now", None);
    let mut copies = Copies::new();
    for (at, item) in items.items.iter().enumerate() {
        let Way::InPlace { old, .. } = &item.way else { continue };
        if let Some(facts) = safety::copy_old(item, old, busy, context)? {
            copies.push((at, old.clone(), facts));
        }
    }
    copy_exchanged(items, &mut copies, busy, context)?;
    Ok(copies)
}

/// Databases whose file is exchanged although it could be read, and those that go.
fn copy_exchanged(items: &mut Items, copies: &mut Copies, busy: Duration, context: &Context) -> Result<()> {
    for at in 0..items.items.len() {
        let item = items.items[at].clone();
        let readable = match item.way {
            Way::Swap(Obstacle::OtherPageSize) => true,
            Way::Gone => item.kind == PartKind::Database && item.target.exists(),
            _ => false,
        };
        if readable {
            let old = items.free(&item.stage, "old");
            if let Some(facts) = safety::copy_old(&item, &old, busy, context)? {
                copies.push((at, old, facts));
            }
        }
    }
    Ok(())
}

/// Makes the safety backup. Copies that are not sound are left out: then the raw bytes are saved.
fn save(purpose: &Purpose<'_>, items: &Items, copies: &mut Copies, context: &Context) -> Result<Option<Saved>> {
    match safety::save(purpose, items, copies, context) {
        Err(error) if error.code() == "source_corrupted" && !copies.is_empty() => {
            let mut sound = Copies::new();
            for (at, path, facts) in copies.drain(..) {
                if is_sound(&path, context)? {
                    sound.push((at, path, facts));
                }
            }
            *copies = sound;
            safety::save(purpose, items, copies, context)
        }
        other => other,
    }
}

fn is_sound(path: &Path, context: &Context) -> Result<bool> {
    // The proof of the backup removes a copy that it found damaged.
    if !path.exists() {
        return Ok(false);
    }
    let checked = open::open_private(path).and_then(|connection| check::check(&connection, context));
    match checked {
        Ok(checked) => Ok(checked.problems.is_empty()),
        Err(error) if error.kind() == ErrorKind::Corrupted => Ok(false),
        Err(error) => Err(error),
    }
}

/// `copied`: what is there now has been copied, and the restore goes on only if that is still what is there.
fn open_all(items: &Items, copied: bool, busy: Duration, context: &Context) -> Result<Vec<(usize, Pair)>> {
    let mut pairs = Vec::new();
    for (at, item) in items.items.iter().enumerate() {
        if let Way::InPlace { old, .. } = &item.way {
            let old = copied.then_some(old.as_path());
            pairs.push((at, Pair::open(&item.staged, &item.target, old, busy, context)?));
        }
    }
    Ok(pairs)
}

enum Planned {
    Changes(Changes, Vec<Warning>),
    /// A file that was written since it was saved.
    Changed(PathBuf),
}

/// Every rename of the restore.
fn changes(items: &mut Items, saved: Option<&Saved>, purpose: &Purpose<'_>, context: &Context) -> Result<Planned> {
    let mut changes = Changes::default();
    let mut warnings = Vec::new();
    for at in 0..items.items.len() {
        let item = items.items[at].clone();
        let there = std::fs::symlink_metadata(&item.target).is_ok();
        match item.way {
            Way::InPlace { .. } => {}
            _ if nested::goes_along(&items.items, &item) => {}
            Way::Tree { .. } => match nested::changes(items, &item, saved, purpose, context)? {
                nested::Planned::Changed(path) => return Ok(Planned::Changed(path)),
                nested::Planned::Changes(planned, warning) => {
                    changes.add(planned);
                    warnings.extend(warning);
                }
            },
            Way::Gone if item.target.is_dir() => match nested::changes(items, &item, saved, purpose, context)? {
                nested::Planned::Changed(path) => return Ok(Planned::Changed(path)),
                nested::Planned::Changes(planned, _) => changes.add(planned),
            },
            Way::Swap(_) | Way::File => {
                sidecars(items, &item, &mut changes.units)?;
                let aside = items.free(&item.stage, "aside");
                changes.units.push(Unit::new(&item.target, Some(&item.staged), &aside)?);
            }
            Way::Gone if there => {
                sidecars(items, &item, &mut changes.units)?;
                let aside = items.free(&item.stage, "aside");
                changes.units.push(Unit::new(&item.target, None, &aside)?);
            }
            Way::Gone => {}
        }
    }
    Ok(Planned::Changes(changes, warnings))
}

/// What SQLite keeps beside a database goes with it: a log that stayed would be replayed into the new file.
fn sidecars(items: &mut Items, item: &Item, units: &mut Vec<Unit>) -> Result<()> {
    let database = item.kind == PartKind::Database || commit::is_database(&item.target);
    for suffix in ["-wal", "-shm", "-journal"] {
        let path = open::sidecar(&item.target, suffix);
        let restored = items.items.iter().any(|other| other.target == path);
        if database && !restored && std::fs::symlink_metadata(&path).is_ok() {
            let aside = items.free(&item.stage, "aside");
            units.push(Unit::new(&path, None, &aside)?);
        }
    }
    Ok(())
}

/// Nobody has what is exchanged open: who did would go on with the old file. What is written through SQLite, and
/// databases that lie in a tree and stay, may be open.
fn sole_users(items: &Items, elsewhere: &[PathBuf], busy: Duration, context: &Context) -> Result<()> {
    let stays = items.items.iter().filter(|item| matches!(item.way, Way::InPlace { .. })).map(|item| &item.target);
    let stays: Vec<_> = stays.chain(elsewhere).filter_map(|path| unit::inode(path)).collect();
    for item in &items.items {
        match item.way {
            Way::Swap(Obstacle::OtherPageSize) => put::become_sole_user(&item.target, busy, context)?,
            Way::Gone if item.kind == PartKind::Database && commit::is_database(&item.target) => {
                put::become_sole_user(&item.target, busy, context)?;
            }
            Way::InPlace { .. } => continue,
            _ => {}
        }
        if item.kind != PartKind::File || commit::is_database(&item.target) {
            commit::nobody_holds(&[&item.target], &stays, busy, context)?;
        }
    }
    Ok(())
}

fn changing(path: &Path) -> Error {
    let text = format!("Cannot restore while {} is written to", path.display());
    Error::new(ErrorKind::Busy, "data_changing", text)
        .hint("stop the application, or give the plan a before_restore hook that does; nothing was changed")
}
