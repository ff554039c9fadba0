//! What a restore puts back, piece by piece: chosen parts become items, each with its target, its stage on the target's
//! own disk, and the new data made there and proven. Nothing live is touched.
//!
//! Not here: saving what is there, and putting items in place.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::choose::{Choice, Piece, Places};
use super::from::Opened;
use super::nested;
use super::stage::{Stage, is_ours, lease};
use super::unit::parent;
use crate::destination::Lease;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{PartKind, RESTORE_FOLDER, Warning};
use crate::progress::Context;
use crate::source::settings::Environment;
use crate::source::settings::restore::TableRows;
use crate::sqlite::put::{self, Obstacle};
use crate::sqlite::{facts, open};

/// How an item takes its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// A database, written through SQLite.
    InPlace {
        /// Where a copy of what is in it now goes.
        old: PathBuf,
        /// `PRAGMA journal_mode` that it shall have; absent when it keeps its own.
        journal_mode: Option<String>,
        /// The new content is made of what is there now.
        derive: Option<Derive>,
    },
    /// A database whose file is exchanged.
    Swap(Obstacle),
    /// A file.
    File,
    /// A tree; `stays` when its root cannot be renamed.
    Tree {
        /// It is a mount point.
        stays: bool,
    },
    /// It was not there at the moment that comes back.
    Gone,
}

/// How new content is made of what is there now.
#[derive(Debug, Clone, PartialEq)]
pub enum Derive {
    /// One table comes from the backup's database, which lies in this file.
    Table(PathBuf, String),
    /// Rows of key/value tables.
    Rows(Vec<TableRows>),
}

/// How a restore was asked for.
pub struct Ask<'a> {
    /// Take away what was not there.
    pub undo: bool,
    /// How long to wait for somebody who holds a database.
    pub busy: Duration,
    /// Where parts belong.
    pub places: &'a Places,
    /// The environment, for secrets in settings.
    pub environment: &'a Environment,
}

/// One thing that is put back.
#[derive(Debug, Clone)]
pub struct Item {
    /// Name of the part.
    pub name: String,
    /// Kind of the part.
    pub kind: PartKind,
    /// Where it goes.
    pub target: PathBuf,
    /// The new data.
    pub staged: PathBuf,
    /// How.
    pub way: Way,
    /// The stage in which old data is put aside.
    pub stage: PathBuf,
}

/// All items of one restore and their stages.
pub struct Items {
    /// The items, in the order of the backup.
    pub items: Vec<Item>,
    /// Worth a look.
    pub warnings: Vec<Warning>,
    /// The first one leads.
    pub stages: Vec<Stage>,
    // Nobody else restores the same targets meanwhile.
    leases: Vec<Lease>,
    // The folders around stages and leases, made by us or by somebody else.
    roots: Vec<PathBuf>,
    number: usize,
}

impl Drop for Items {
    fn drop(&mut self) {
        // The leading one last: it says what the others are.
        while self.stages.pop().is_some() {}
        self.leases.clear();
        // Only those that are empty now.
        self.roots.iter().for_each(|root| drop(fs::remove_dir(root)));
    }
}

impl Items {
    /// The journal says that something is changed and not finished.
    pub fn is_open(&self) -> bool {
        self.stages.iter().any(Stage::is_kept)
    }

    /// The stage for a target whose new data is made in `folder`; the target is ours from here on.
    pub(super) fn stage(&mut self, folder: PathBuf, target: &Path) -> Result<PathBuf> {
        self.roots.push(folder.join(RESTORE_FOLDER));
        self.leases.push(lock(&folder, target)?);
        let found = self
            .stages
            .iter()
            .map(|stage| stage.path())
            .find(|path| parent(path).and_then(|root| parent(&root)).is_ok_and(|around| around == folder));
        if let Some(found) = found {
            return Ok(found.to_owned());
        }
        let stage = Stage::create(&folder)?;
        if let Some(lead) = self.stages.first() {
            stage.follow(lead)?;
        }
        let path = stage.path().to_owned();
        self.stages.push(stage);
        Ok(path)
    }

    /// A name of its own for one of several files of a part: in the safety backup each is a part.
    fn free_name(&self, part: &str, choices: &[(Choice<'_>, Option<PathBuf>)]) -> String {
        if self.items.iter().all(|item| item.name != part) {
            return part.to_owned();
        }
        let taken = |name: &str| {
            let known = self.items.iter().any(|item| item.name == name);
            known || choices.iter().any(|(choice, _)| choice.part.name == name)
        };
        let mut number = 2;
        loop {
            let name = format!("{}-{number}", cut(part));
            if !taken(&name) {
                return name;
            }
            number += 1;
        }
    }

    /// A free path in a stage.
    pub fn free(&mut self, stage: &Path, what: &str) -> PathBuf {
        self.number += 1;
        stage.join(format!("{what}-{}", self.number))
    }
}

/// A name that stays below 255 bytes with a number behind it.
fn cut(name: &str) -> &str {
    let end = (0..=name.len().min(240)).rev().find(|at| name.is_char_boundary(*at));
    &name[..end.unwrap_or(0)]
}

/// Makes and proves the new data of everything that is chosen. `undo` also takes away what was not there.
pub fn prepare(
    opened: &mut Opened,
    choices: &[(Choice<'_>, Option<PathBuf>)],
    ask: &Ask<'_>,
    context: &Context,
) -> Result<Items> {
    let (undo, busy) = (ask.undo, ask.busy);
    let mut items = Items { items: vec![], warnings: vec![], stages: vec![], leases: vec![], roots: vec![], number: 0 };
    let mut taken = HashSet::new();
    let is_tree = |choice: &Choice<'_>| {
        matches!(choice.part.kind, PartKind::Directory | PartKind::Application) && choice.piece == Piece::Whole
    };
    let trees: Vec<PathBuf> =
        choices.iter().filter(|(choice, _)| is_tree(choice)).filter_map(|(_, target)| target.clone()).collect();
    // Settings last: their rows come with their databases when those are restored too.
    let (settings, others): (Vec<_>, Vec<_>) =
        choices.iter().partition(|(choice, _)| choice.part.kind == PartKind::Settings && !choice.part.absent);
    for (choice, target) in others {
        let part = choice.part;
        if part.absent && !undo {
            let text = format!("{} was not there when the backup was made; what is there now stays", part.name);
            items.warnings.push(Warning::new("part_absent", text));
            continue;
        }
        let Some(target) = target else {
            let text = format!("{} has no place in the file system; --to DIR writes it to a folder", part.name);
            items.warnings.push(Warning::new("no_place", text));
            continue;
        };
        let target = match &choice.piece {
            Piece::File(path) => super::choose::resolve(&join(target, path)?)?,
            _ => target.clone(),
        };
        if !taken.insert(target.clone()) {
            let text = format!("Two parts would be restored to {}", target.display());
            return Err(Error::usage("same_target", text).hint("restore them one after the other with --only"));
        }
        let stays = is_tree(choice) && is_mount_point(&target);
        let folder = if stays { target.clone() } else { nested::folder(&trees, &target)? };
        let stage = items.stage(folder, &target)?;
        let staged = items.free(&stage, "new");
        let way = if part.absent {
            Way::Gone
        } else {
            make(opened, choice, &target, &staged, stays, busy, &mut items, &stage, context)?
        };
        let name = items.free_name(&part.name, choices);
        items.items.push(Item { name, kind: part.kind, target, staged, way, stage });
    }
    for (choice, _) in settings {
        super::derive::settings(opened, choice, ask, &mut items, context)?;
    }
    nested::settle(&mut items.items)?;
    if items.items.is_empty() {
        let error = Error::new(ErrorKind::NotFound, "nothing_to_restore", "Nothing of the backup can be put back");
        return Err(error.hint("--to DIR writes everything to a folder"));
    }
    Ok(items)
}

#[allow(clippy::too_many_arguments)]
fn make(
    opened: &mut Opened,
    choice: &Choice<'_>,
    target: &Path,
    staged: &Path,
    stays: bool,
    busy: Duration,
    items: &mut Items,
    stage: &Path,
    context: &Context,
) -> Result<Way> {
    let part = choice.part;
    match (&choice.piece, part.kind) {
        (Piece::Table(name), _) => {
            let whole = items.free(stage, "backup");
            opened.database(part, &whole, context)?;
            if put::obstacle(target, page_size(target, busy, context)?, busy, context)?.is_some() {
                let text = format!("{} is no database that a table can be put into", target.display());
                return Err(Error::new(ErrorKind::NotFound, "source_missing", text)
                    .hint("restore the whole database, or the table with --to DIR"));
            }
            let old = items.free(stage, "old");
            Ok(Way::InPlace { old, journal_mode: None, derive: Some(Derive::Table(whole, name.clone())) })
        }
        (Piece::File(path), _) => {
            let entry = opened.file_of_tree(part, path, staged, context)?;
            like_old(staged, target, Some(entry.mode))?;
            Ok(Way::File)
        }
        (Piece::Whole, PartKind::Database) => {
            let facts = part.database.as_ref().ok_or_else(|| Error::corrupted("the manifest has no facts about it"))?;
            let mode = facts.journal_mode.clone();
            match put::obstacle(target, facts.page_size, busy, context)? {
                Some(obstacle) => {
                    opened.database(part, staged, context)?;
                    put::give_journal_mode(staged, &mode)?;
                    like_old(staged, target, None)?;
                    Ok(Way::Swap(obstacle))
                }
                None => {
                    opened.database_to_read(part, staged, context)?;
                    Ok(Way::InPlace { old: items.free(stage, "old"), journal_mode: Some(mode), derive: None })
                }
            }
        }
        (Piece::Whole, PartKind::Directory | PartKind::Application) => {
            stays_theirs(target)?;
            opened.tree(part, staged, context)?;
            Ok(Way::Tree { stays })
        }
        (Piece::Whole, PartKind::File | PartKind::Command | PartKind::Settings) => {
            let mode = opened.file(part, staged, context)?;
            like_old(staged, target, mode)?;
            Ok(Way::File)
        }
    }
}

/// Makes everything durable that a recovery may need.
pub fn sync(items: &Items) -> Result<()> {
    for stage in &items.stages {
        let mut here = items.items.iter().filter(|item| item.stage == stage.path() && item.staged.exists());
        // One call for a tree of any size; for single files it would wait for everybody else's writes.
        let tree = here.clone().any(|item| item.staged.is_dir());
        here.try_for_each(|item| if tree { Ok(()) } else { sync_file(&item.staged) })?;
        stage.sync(tree)?;
    }
    Ok(())
}

/// Makes the old databases durable, which a recovery puts back. The copy that became the safety backup is that already.
pub fn sync_old(items: &Items) -> Result<()> {
    for item in &items.items {
        if let Way::InPlace { old, .. } = &item.way
            && old.exists()
        {
            sync_file(old)?;
        }
    }
    Ok(())
}

/// Makes one file durable.
pub fn sync_file(path: &Path) -> Result<()> {
    let file = fs::File::open(path).map_err(|e| Error::at("opening", path, e))?;
    file.sync_all().map_err(|e| Error::at("making durable", path, e))
}

/// What is exchanged belongs to whoever restores, and only root can give it back to another user: the application
/// could be locked out of its own data.
fn stays_theirs(target: &Path) -> Result<()> {
    let us = rustix::process::geteuid();
    match fs::metadata(target).map(|meta| meta.uid()) {
        Ok(owner) if !us.is_root() && owner != us.as_raw() => {
            let text = format!("{} belongs to another user (uid {owner})", target.display());
            Err(Error::new(ErrorKind::Denied, "foreign_owner", text)
                .hint("restore as that user or as root, so that it stays theirs; or with --to DIR"))
        }
        _ => Ok(()),
    }
}

/// Takes over owner and mode of what lies at `target`; of nothing, the owner of the folder and `mode`.
pub(super) fn like_old(staged: &Path, target: &Path, mode: Option<u32>) -> Result<()> {
    let old = fs::metadata(target).ok();
    stays_theirs(target)?;
    let around = fs::metadata(parent(target)?).ok();
    if let Some(owner) = old.as_ref().or(around.as_ref())
        && rustix::process::geteuid().is_root()
    {
        std::os::unix::fs::lchown(staged, Some(owner.uid()), Some(owner.gid()))
            .map_err(|e| Error::at("setting the owner of", staged, e))?;
    }
    let mode = old.map(|old| old.mode()).or(mode).unwrap_or(0o600) & 0o1777;
    fs::set_permissions(staged, Permissions::from_mode(mode)).map_err(|e| Error::at("setting the mode of", staged, e))
}

fn page_size(target: &Path, busy: Duration, context: &Context) -> Result<u32> {
    context.check()?;
    facts::page_size(&open::open_source(target, busy)?)
}

/// A relative path of a contents list below a root.
fn join(root: &Path, path: &[u8]) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let relative = Path::new(std::ffi::OsStr::from_bytes(path));
    if relative.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(Error::usage("bad_path", format!("Not a path inside a directory: {}", relative.display())));
    }
    Ok(root.join(relative))
}

/// Whether another file system is mounted there, or the folder itself a second time.
pub fn is_mount_point(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags};
        let stat = rustix::fs::statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty());
        if stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
            return true;
        }
    }
    let device = |path: &Path| fs::metadata(path).ok().map(|meta| meta.dev());
    device(path).is_some() && path.parent().is_some_and(|parent| device(parent) != device(path))
}

/// One restore at a time for a target.
fn lock(folder: &Path, target: &Path) -> Result<Lease> {
    use sha2::Digest;
    use std::os::unix::ffi::OsStrExt;
    let name = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(target.as_os_str().as_bytes()));
    is_ours(&folder.join(RESTORE_FOLDER))?;
    let lease = lease(&folder.join(RESTORE_FOLDER), &format!("target-{}", &name[..16]));
    lease
        .map_err(|e| e.while_(format!("preparing the restore of {}", target.display())))?
        .ok_or_else(|| crate::backup::already_running(format!("{} is being restored", target.display())))
}

/// The targets of choices.
pub fn targets<'a>(choices: &[Choice<'a>], places: &Places) -> Result<Vec<(Choice<'a>, Option<PathBuf>)>> {
    choices.iter().map(|choice| Ok((choice.clone(), places.target(choice.part)?))).collect()
}
