//! From the journal to the end: renames first, because they can always be taken back, then the databases, then the proof
//! that everything arrived. What fails on the way is taken back to exactly the old state.
//!
//! Not here: what happens when we die on the way ([`super::recover`]).

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::changes::Changes;
use super::item::{self, Items, Way};
use super::journal::{Database, Journal, Remember};
use super::safety::Purpose;
use super::unit::{self, Inode};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{BackupId, PathBytes, Warning};
use crate::progress::{Cancel, Context, Phase};
use crate::sqlite::place::PlainFile;
use crate::sqlite::put::{self, Held, Pair, Stamps};
use crate::sqlite::{open, same};

/// A database whose write lock we hold.
pub struct Locked<'a> {
    /// Number of its item.
    pub item: usize,
    /// Its schema cookie.
    pub cookie: i64,
    /// Its journal mode.
    pub mode: String,
    /// The lock.
    pub held: Held<'a>,
}

/// What is about to be changed.
pub fn journal(
    id: &BackupId,
    purpose: &Purpose<'_>,
    safety: Option<BackupId>,
    items: &Items,
    held: &[Locked<'_>],
    changes: Changes,
    context: &Context,
) -> Result<Journal> {
    let mut journal = Journal::new(id.clone(), purpose.plan, &purpose.restored.id, context.clock.now());
    journal.safety = safety;
    journal.undoes = purpose.undoes.clone();
    journal.followers = items.stages.iter().skip(1).map(|stage| PathBytes::new(stage.path())).collect();
    journal.parts = items.items.iter().map(|item| item.name.clone()).collect();
    journal.changes = changes;
    for locked in held {
        let item = &items.items[locked.item];
        let Way::InPlace { old, journal_mode, .. } = &item.way else { continue };
        journal.databases.push(Database {
            name: item.name.clone(),
            target: PathBytes::new(&item.target),
            staged: PathBytes::new(&item.staged),
            old: PathBytes::new(old),
            cookie: locked.cookie,
            old_journal_mode: locked.mode.clone(),
            journal_mode: journal_mode.clone().unwrap_or_else(|| locked.mode.clone()),
            stamps: Stamps::of(&item.target).text(),
        });
    }
    Ok(journal)
}

/// Writes the journal and puts everything in place. On an error the old state is back.
pub fn apply(
    journal: &Journal,
    items: &mut Items,
    held: Vec<Locked<'_>>,
    busy: Duration,
    context: &Context,
) -> Result<()> {
    let lead = lead(items)?;
    context.check()?;
    if let Err(error) = journal.write(&lead) {
        // Perhaps it lies there after all.
        let _ = Journal::remove(&lead);
        return Err(error);
    }
    items.stages.iter_mut().for_each(|stage| stage.keep());
    let sizes = items.items.iter().filter(|item| matches!(item.way, Way::InPlace { .. }));
    let total = sizes.map(|item| fs::metadata(&item.staged).map_or(0, |meta| meta.len())).sum();
    context.observer.phase(Phase::Restore, "into place", Some(total));
    let applied = (|| {
        journal.changes.apply()?;
        held.into_iter().try_for_each(|locked| locked.held.write(context))
    })();
    applied.map_err(|error| take_back(journal, items, error, busy, context))
}

/// Proves that everything arrived, and ends the restore. On an error the old state is back.
pub fn finish(
    journal: &Journal,
    items: &mut Items,
    remember: Remember<'_>,
    busy: Duration,
    context: &Context,
) -> Result<Vec<Warning>> {
    // Too late to stop: everything is in place already.
    let context = &uncancelled(context);
    let mut warnings = Vec::new();
    let proven =
        prove(journal, busy, &mut warnings, context).and_then(|()| set_journal_modes(journal, &mut warnings, context));
    if let Err(error) = proven {
        return Err(take_back(journal, items, error, busy, context));
    }
    warnings.extend(remember(&journal.record()));
    Journal::remove(&lead(items)?)?;
    items.stages.iter_mut().for_each(|stage| stage.release());
    for stage in &items.stages {
        if let Err(error) = stage.clear() {
            let text = format!("What was replaced is not needed any more and could not be removed: {error}");
            warnings.push(Warning::new("leftover", text));
        }
    }
    Ok(warnings)
}

/// Sets the journal modes that the databases had in the backup, as far as whoever uses them lets us.
pub fn set_journal_modes(journal: &Journal, warnings: &mut Vec<Warning>, context: &Context) -> Result<()> {
    for database in &journal.databases {
        let (target, mode) = (database.target.as_path(), &database.journal_mode);
        if !put::set_journal_mode(target, mode, context)? {
            let text = format!("{} keeps its journal mode; it was {mode} in the backup", database.name);
            warnings.push(Warning::new("journal_mode_kept", text));
        }
    }
    Ok(())
}

fn lead(items: &Items) -> Result<PathBuf> {
    let lead = items.stages.first().map(|stage| stage.path().to_owned());
    lead.ok_or_else(|| Error::new(ErrorKind::Failed, "stage_missing", "The restore has no stage"))
}

fn prove(journal: &Journal, busy: Duration, warnings: &mut Vec<Warning>, context: &Context) -> Result<()> {
    for unit in journal.changes.units.iter().filter(|unit| !unit.is_applied()) {
        let target = unit.target.as_path();
        if !unit.was_applied() {
            return Err(not_arrived(target));
        }
        let text = format!("{} was restored, and its application has replaced it since", target.display());
        warnings.push(Warning::new("changed_since", text));
    }
    for database in &journal.databases {
        let (target, staged) = (database.target.as_path(), database.staged.as_path());
        let size = fs::metadata(staged).map_err(|e| Error::at("looking at", staged, e))?.len();
        context.observer.phase(Phase::Compare, &database.name, Some(size));
        let before = Stamps::of(target);
        let scratch = staged.with_extension("arrived");
        if same::same(target, staged, &scratch, busy, context)? {
            continue;
        }
        // Not what we wrote: either somebody has written since, or it did not arrive.
        if before == Stamps::of(target) && holder(|_, inode| Some(inode) == unit::inode(target)).is_none() {
            return Err(not_arrived(target));
        }
        let text = format!("{} was restored, and its application has written to it since", database.name);
        warnings.push(Warning::new("changed_since", text));
    }
    Ok(())
}

fn not_arrived(target: &Path) -> Error {
    let text = format!("What was restored to {} is not what is there", target.display());
    Error::new(ErrorKind::Failed, "restore_differs", text).hint("the old data was put back; check the disk")
}

/// Puts the old state back after `error`, which is returned with what became of it.
fn take_back(journal: &Journal, items: &mut Items, error: Error, busy: Duration, context: &Context) -> Error {
    let context = &uncancelled(context);
    let back = || {
        for database in &journal.databases {
            // A recovery may need it after a power cut.
            if is_new(database, busy, context)? {
                let _ = item::sync_file(database.old.as_path());
            }
        }
        let lead = lead(items)?;
        journal.turn_back(&lead)?;
        let later = revert(journal, &lead, busy, context)?;
        Journal::remove(&lead)?;
        Ok::<_, Error>(later)
    };
    match back() {
        Ok(later) => {
            items.stages.iter_mut().for_each(|stage| stage.release());
            match later.first() {
                Some(path) => error.hint(format!("what an application wrote meanwhile is kept in {}", path.display())),
                None => error,
            }
        }
        Err(second) => error.while_(format!("the old data could not be put back yet ({second})")).hint(
            "`recoup doctor --repair` puts it back; nothing is lost: it lies beside the data and in the safety backup",
        ),
    }
}

/// Puts the old state back, wherever that was interrupted before. Gives the paths at which lies what an application made
/// since. `lead` is the stage with the journal.
pub fn revert(journal: &Journal, lead: &Path, busy: Duration, context: &Context) -> Result<Vec<PathBuf>> {
    for database in journal.databases.iter().rev() {
        let target = database.target.as_path();
        let cookie = put::settled_cookie(target, busy, context)?;
        // Each write makes it one more: after the second one the old content is there again.
        let written_back = journal.back && cookie != database.cookie + 1;
        if cookie != database.cookie && !written_back {
            write(database, database.old.as_path(), busy, context)?;
        }
        put::set_journal_mode(target, &database.old_journal_mode, context)?;
    }
    leave(&journal.changes, busy, context)?;
    journal.changes.revert(Journal::written_at(lead))
}

/// Nobody has a restored database open that is about to go: who did would write to a file without a name, and what
/// lies beside it would be replayed into the old one.
fn leave(changes: &Changes, busy: Duration, context: &Context) -> Result<()> {
    let arrived = changes.units.iter().filter(|unit| unit.new.is_some() && unit.is_applied() && unit.new != unit.old);
    let mut used = Vec::new();
    for unit in arrived {
        let target = unit.target.as_path();
        if is_database(target) {
            match put::become_sole_user(target, busy, context) {
                // A file that only begins like a database is one that nobody has open as such.
                Err(error) if error.kind() == ErrorKind::Busy => return Err(error),
                _ => used.push(target),
            }
        } else if target.is_dir() && !target.is_symlink() {
            used.push(target);
        }
    }
    nobody_holds(&used, &[], busy, context)
}

/// Whether the restored content was committed to a database.
pub fn is_new(database: &Database, busy: Duration, context: &Context) -> Result<bool> {
    Ok(put::cookie(database.target.as_path(), busy, context)? != database.cookie)
}

/// Writes `content` into a database.
pub fn write(database: &Database, content: &Path, busy: Duration, context: &Context) -> Result<()> {
    let mut pair = Pair::open(content, database.target.as_path(), None, busy, context)?;
    pair.lock(busy, context)?.write(context)?;
    pair.checkpoint();
    Ok(())
}

/// The same context, which nobody can cancel.
pub fn uncancelled(context: &Context) -> Context {
    Context { cancel: Cancel::default(), ..context.clone() }
}

/// A process that has a file open.
struct Holder {
    pid: u32,
    name: String,
    path: PathBuf,
}

/// The first open file of any process that `wanted` says yes to. Without root only our own processes are seen.
fn holder(wanted: impl Fn(&Path, Inode) -> bool) -> Option<Holder> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        for descriptor in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let Ok(path) = fs::read_link(descriptor.path()) else { continue };
            if !path.is_absolute() {
                continue;
            }
            let Ok(meta) = fs::metadata(descriptor.path()) else { continue };
            if meta.is_file() && wanted(&path, (meta.dev(), meta.ino())) {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(Holder { pid, name: name.trim().to_owned(), path });
            }
        }
    }
    None
}

/// Waits until nobody has one of `files` open, or, when it is a folder, any database below it but those that stay.
pub fn nobody_holds(files: &[&Path], stays: &[Inode], busy: Duration, context: &Context) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let started = context.clock.monotonic();
    let folders: Vec<&Path> = files.iter().copied().filter(|file| file.is_dir()).collect();
    let ours: Vec<Inode> = files.iter().copied().filter_map(unit::inode).collect();
    loop {
        context.check()?;
        let found = holder(|path, inode| {
            let inside = || folders.iter().any(|folder| path.starts_with(folder)) && !stays.contains(&inode);
            ours.contains(&inode) || (inside() && is_database(path))
        });
        let Some(holder) = found else { return Ok(()) };
        if context.clock.monotonic().saturating_sub(started) >= busy {
            let who = format!("{} (process {}) has it open", holder.name, holder.pid);
            return Err(put::in_use(&holder.path).because(who));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// By its first bytes; what this process has open already only SQLite may look at.
pub fn is_database(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0; 16];
    match PlainFile::open(path) {
        Ok(Some(mut plain)) => plain.read_exact(&mut head).is_ok() && &head == b"SQLite format 3\0",
        Ok(None) => {
            let beside = ["-wal", "-shm", "-journal"]
                .iter()
                .any(|suffix| path.as_os_str().as_bytes().ends_with(suffix.as_bytes()));
            let empty = fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
            !beside && !empty && open::open_source(path, Duration::ZERO).is_ok()
        }
        Err(_) => false,
    }
}
