//! `--to DIR`: everything that is chosen, as a fresh tree in a folder of its own. Nothing else is touched, and nothing of
//! it is there before all of it is.
//!
//! Not here: putting data back where it came from.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::choose::{Choice, Piece};
use super::from::Opened;
use super::stage::Stage;
use super::unit::{parent, sync_folder};
use super::{Report, Restored};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Outcome, PartKind, Warning};
use crate::progress::Context;
use crate::source::settings;
use crate::sqlite::table;

/// Restores the choices below `to`, which must be empty or not there.
pub fn run(opened: &mut Opened, choices: &[Choice<'_>], to: &Path, context: &Context) -> Result<Report> {
    let to = std::path::absolute(to).map_err(|e| Error::at("finding", to, e))?;
    let exists = look(&to)?;
    // Made beside it and moved there in one step; inside it when only inside is writable.
    let around = if exists && crosses(&to) { to.clone() } else { parent(&to)? };
    let stage = Stage::create(&around)?;
    let tree = stage.path().join("tree");
    fs::DirBuilder::new().create(&tree).map_err(|e| Error::at("creating", &tree, e))?;
    set_private(&tree)?;
    let mut report = Report::default();
    let mut names = HashSet::new();
    for choice in choices {
        let part = choice.part;
        if part.absent {
            let text = format!("{} was not there when the backup was made", part.name);
            report.warnings.push(Warning::new("part_absent", text));
            continue;
        }
        let name = name(choice, &mut names);
        let path = tree.join(&name);
        if let Some(around) = path.parent() {
            fs::create_dir_all(around).map_err(|e| Error::at("creating", around, e))?;
        }
        write(opened, choice, &path, &stage, context)?;
        report.restored.push(Restored { name: part.name.clone(), path: to.join(name) });
    }
    sync(&tree, &stage)?;
    publish(&tree, &to, exists).map_err(|e| Error::at("writing", &to, e))?;
    sync_folder(&to)?;
    sync_folder(&parent(&to)?)?;
    report.outcome = if report.warnings.is_empty() { Outcome::Good } else { Outcome::Warnings };
    Ok(report)
}

fn write(opened: &mut Opened, choice: &Choice<'_>, path: &Path, stage: &Stage, context: &Context) -> Result<()> {
    let part = choice.part;
    match (&choice.piece, part.kind) {
        (Piece::Table(name), _) => {
            let whole = stage.path().join("whole.db");
            opened.database(part, &whole, context)?;
            table::alone(&whole, name, path, context)?;
            fs::remove_file(&whole).map_err(|e| Error::at("removing", &whole, e))
        }
        (Piece::File(inside), _) => set_mode(path, Some(opened.file_of_tree(part, inside, path, context)?.mode)),
        (Piece::Whole, PartKind::Database) => {
            opened.database(part, path, context)?;
            let mode = part.database.as_ref().map_or("delete", |facts| facts.journal_mode.as_str());
            crate::sqlite::put::give_journal_mode(path, mode)
        }
        (Piece::Whole, PartKind::Directory | PartKind::Application) => opened.tree(part, path, context),
        (Piece::Whole, PartKind::Settings) => {
            let document = opened.bytes(part, context)?;
            put(path, &document)?;
            // Lines that a person or a unit file can take over.
            let change = settings::restore::plan(&document, None, Path::new("/"), &(Arc::new(Vec::new) as _), context);
            match change {
                Ok(change) if !change.environment.is_empty() => {
                    put(&path.with_extension("env"), change.environment.as_bytes())
                }
                _ => Ok(()),
            }
        }
        (Piece::Whole, _) => set_mode(path, opened.file(part, path, context)?),
    }
}

/// Makes what was restored durable: file by file, or all at once when there are trees.
fn sync(tree: &Path, stage: &Stage) -> Result<()> {
    let read = |e| Error::at("reading", tree, e);
    let paths = fs::read_dir(tree).map_err(read)?.map(|entry| entry.map(|entry| entry.path()));
    let paths: Vec<PathBuf> = paths.collect::<io::Result<_>>().map_err(read)?;
    let trees = paths.iter().any(|path| path.is_dir());
    if !trees {
        paths.iter().try_for_each(|path| super::item::sync_file(path))?;
        super::unit::sync_folder(tree)?;
    }
    stage.sync(trees)
}

fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = crate::sqlite::open::create_private(path)?;
    file.write_all(bytes).map_err(|e| Error::at("writing", path, e))
}

/// What a part is called in the folder: as it was called at home.
fn name(choice: &Choice<'_>, taken: &mut HashSet<PathBuf>) -> PathBuf {
    let part = choice.part;
    let own = |suffix: &str| PathBuf::from(format!("{}{suffix}", part.name));
    let wanted = match (&choice.piece, part.kind) {
        (Piece::Table(table), _) => own(&format!("-{}.db", table.replace(['/', '\0'], "_"))),
        (Piece::File(path), _) => {
            use std::os::unix::ffi::OsStrExt;
            Path::new(&part.name).join(std::ffi::OsStr::from_bytes(path))
        }
        (Piece::Whole, PartKind::Database) => own(".db"),
        (Piece::Whole, PartKind::Settings) => PathBuf::from("settings.json"),
        (Piece::Whole, _) => own(""),
    };
    let free = (0..)
        .map(|n| if n == 0 { wanted.clone() } else { own(&format!("-{n}")) })
        .find(|name| taken.insert(name.clone()));
    free.unwrap_or(wanted)
}

/// Whether the folder exists; one with something in it is refused.
fn look(to: &Path) -> Result<bool> {
    match fs::read_dir(to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(refuse(to));
            }
            Ok(false)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(refuse(to)),
        Err(error) => Err(Error::at("looking at", to, error)),
        Ok(mut names) => {
            if names.next().is_none() {
                Ok(true)
            } else {
                Err(refuse(to))
            }
        }
    }
}

fn refuse(to: &Path) -> Error {
    let text = format!("{} is not an empty folder", to.display());
    Error::new(ErrorKind::WouldOverwrite, "would_overwrite", text).hint("name a folder that does not exist yet")
}

/// Whether an empty folder cannot be replaced by a rename from beside it.
fn crosses(to: &Path) -> bool {
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    super::item::is_mount_point(to)
        || fs::symlink_metadata(to).is_ok_and(|meta| meta.is_symlink())
        || to.parent().is_none_or(|parent| !writable(parent))
}

fn publish(tree: &Path, to: &Path, exists: bool) -> io::Result<()> {
    if exists && crosses(to) {
        for entry in fs::read_dir(tree)? {
            let entry = entry?;
            fs::rename(entry.path(), to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    // An empty folder is replaced by rename(2); one that got something meanwhile is not.
    fs::rename(tree, to)
}

fn set_private(path: &Path) -> Result<()> {
    set_mode(path, Some(0o700))
}

/// As it was at home, but never setuid or setgid.
fn set_mode(path: &Path, mode: Option<u32>) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let Some(mode) = mode else { return Ok(()) };
    let mode = fs::Permissions::from_mode(mode & 0o777);
    fs::set_permissions(path, mode).map_err(|e| Error::at("setting the mode of", path, e))
}
