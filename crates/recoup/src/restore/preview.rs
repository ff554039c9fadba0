//! What a restore would do, told before it does it: what comes back, what changes, what is lost, and whether the backup
//! fits at all. Reads the live data as a backup would and changes nothing.
//!
//! Not here: words for people; the command line and the page have theirs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::choose::{self, Choice, Piece, Places};
use super::from::Opened;
use super::item;
use super::safety;
use crate::diff;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{DatabaseFacts, DatabaseSpec, FileSpec, Manifest, PartKind, RESTORE_FOLDER, SourceSpec, Warning};
use crate::progress::Context;
use crate::source::{SourceFactory, factory};
use crate::sqlite::put::Stamps;
use crate::sqlite::{facts, open};

/// A chosen part and where it goes.
type Target<'a> = (Choice<'a>, Option<PathBuf>);

/// What a restore would do.
#[derive(Debug)]
pub struct Preview {
    /// Parts that would be put back, with their places.
    pub parts: Vec<PartPreview>,
    /// From the live data to the backup: *added* comes back, *removed* is lost, *changed* changes.
    pub differences: diff::Report,
    /// Why it would be refused without force.
    pub refused: Option<Error>,
    /// Worth a look.
    pub warnings: Vec<Warning>,
    /// What was there when this was told; a restore that is given it is refused when that changes.
    pub seen: Seen,
}

/// One part that would be put back.
#[derive(Debug, Clone, Serialize)]
pub struct PartPreview {
    /// Its name, with the table or file when only that is chosen.
    pub name: String,
    /// Its kind.
    pub kind: PartKind,
    /// Where it goes; absent for what has no place in the file system.
    pub path: Option<PathBuf>,
    /// Something is there now.
    pub exists: bool,
    /// Uncompressed bytes in the backup.
    pub bytes: u64,
}

/// Tells what a restore of `only` would do. `scratch` is a private folder with room for both sides' databases.
pub fn preview(
    opened: &mut Opened,
    only: &[String],
    places: &Places,
    scratch: &Path,
    busy: Duration,
    context: &Context,
) -> Result<Preview> {
    let manifest = opened.manifest.clone();
    let choices = choose::choose(&manifest, only)?;
    let targets = item::targets(&choices, places)?;
    let seen = Seen::of(&targets, context)?;
    let (refused, mut warnings) = match checks(&manifest, &targets, false, busy) {
        Ok(warnings) => (None, warnings),
        Err(error) => (Some(error), Vec::new()),
    };
    let mut live = Vec::new();
    for (choice, target) in &targets {
        if let Some(spec) = target.as_ref().and_then(|target| live_spec(choice, target, places, &manifest)) {
            live.push(factory(&spec, Path::new("/"), false, Arc::new(Vec::new)));
        }
    }
    let mut wanted = manifest.clone();
    let compared = |part: &&crate::model::Part| {
        choices.iter().any(|choice| choice.part.name == part.name && !matches!(choice.piece, Piece::File(_)))
    };
    wanted.parts = manifest.parts.iter().filter(compared).cloned().collect();
    let backup = opened.side(&wanted, &diff::folder(scratch, "backup")?, context)?;
    let live = live_side(live, scratch, &mut warnings, context)?;
    let mut differences = diff::compare_sides(&live, &backup, scratch, context)?;
    for (choice, _) in &targets {
        if let Piece::Table(table) = &choice.piece {
            for database in differences.databases.iter_mut().filter(|database| database.name == choice.part.name) {
                database.tables.retain(|change| change.name == *table);
                database.schema.retain(|line| line.ends_with(&format!(" {table}")));
            }
        }
    }
    let parts = targets.iter().map(|(choice, target)| part(choice, target.as_deref())).collect();
    Ok(Preview { parts, differences, refused, warnings, seen })
}

/// The live data; what cannot be read now is told and counts as nothing. That is when people restore.
fn live_side(
    mut sources: Vec<SourceFactory>,
    scratch: &Path,
    warnings: &mut Vec<Warning>,
    context: &Context,
) -> Result<diff::Side> {
    let unreadable = |error: &Error| {
        matches!(error.code(), "source_corrupted" | "not_a_database" | "source_encrypted" | "source_empty")
    };
    match diff::of_live(&sources, Vec::new(), false, &diff::folder(scratch, "live")?, context) {
        Err(error) if unreadable(&error) => {}
        other => return other,
    }
    let mut number = 0;
    let mut sound = Vec::new();
    for source in sources.drain(..) {
        number += 1;
        let folder = diff::folder(scratch, &format!("look-{number}"))?;
        match diff::of_live(std::slice::from_ref(&source), Vec::new(), false, &folder, context) {
            Ok(_) => sound.push(source),
            Err(error) if unreadable(&error) => {
                warnings.push(Warning::new("live_unreadable", format!("{}; all of it comes back", error.message())));
            }
            Err(error) => return Err(error),
        }
        std::fs::remove_dir_all(&folder).map_err(|e| Error::at("removing", &folder, e))?;
    }
    diff::of_live(&sound, Vec::new(), false, &diff::folder(scratch, "live-again")?, context)
}

fn part(choice: &Choice<'_>, target: Option<&Path>) -> PartPreview {
    let name = match &choice.piece {
        Piece::Whole => choice.part.name.clone(),
        Piece::Table(table) => format!("{}:{table}", choice.part.name),
        Piece::File(path) => format!("{}/{}", choice.part.name, String::from_utf8_lossy(path)),
    };
    PartPreview {
        name,
        kind: choice.part.kind,
        path: target.map(Path::to_path_buf),
        exists: target.is_some_and(|target| fs::symlink_metadata(target).is_ok()),
        bytes: choice.part.bytes,
    }
}

/// The live side of a part, read as its plan reads it.
fn live_spec(choice: &Choice<'_>, target: &Path, places: &Places, manifest: &Manifest) -> Option<SourceSpec> {
    let name = choice.part.name.clone();
    match (choice.part.kind, &choice.piece) {
        (_, Piece::File(_)) => None,
        (PartKind::Database, _) => Some(SourceSpec::Database(DatabaseSpec {
            name,
            location: target.to_str()?.to_owned(),
            optional: true,
            busy_timeout_ms: 30_000,
        })),
        (PartKind::Directory | PartKind::Application, _) => {
            let mut spec = safety::spec_of(&name, target, places.spec(&name).cloned(), manifest);
            spec.optional = true;
            Some(SourceSpec::Directory(spec))
        }
        _ => Some(SourceSpec::File(FileSpec { name, path: target.to_owned(), optional: true })),
    }
}

/// Whether the backup fits what is there. Errors: `version_newer`, `another_application`; with `force` they are
/// warnings.
pub fn checks(manifest: &Manifest, targets: &[Target<'_>], force: bool, busy: Duration) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    let refuse = |error: Error, warnings: &mut Vec<Warning>| {
        if !force {
            return Err(error);
        }
        warnings.push(Warning::new(error.code(), format!("{}: {}", error.message(), error.detail())));
        Ok(())
    };
    for (choice, target) in targets {
        let (Some(facts), Some(target), Piece::Whole) = (&choice.part.database, target, &choice.piece) else {
            continue;
        };
        let Some(live) = live_facts(target, busy) else { continue };
        let name = &choice.part.name;
        if facts.application_id != live.application_id || strangers(facts, &live) {
            let detail = format!(
                "{name}: application_id {} here, {} in the backup; {}",
                live.application_id,
                facts.application_id,
                if strangers(facts, &live) { "no table in common" } else { "the same tables" }
            );
            let text = "The backup is of another application";
            let error = Error::new(ErrorKind::WouldOverwrite, "another_application", text).because(detail);
            refuse(error.hint("--force restores it all the same; --to DIR puts it elsewhere"), &mut warnings)?;
        } else if facts.user_version > live.user_version {
            let detail = format!("{name}: version {} here, {} in the backup", live.user_version, facts.user_version);
            let text = "Backup from newer version, cannot restore";
            let error = Error::new(ErrorKind::Unsupported, "version_newer", text).because(detail);
            refuse(error.hint("update the application first, or use --force"), &mut warnings)?;
        } else if facts.user_version < live.user_version {
            let (old, new) = (facts.user_version, live.user_version);
            let text = format!("Backup from older version, may have issues ({name}: version {old}, {new} here)");
            warnings.push(Warning::new("version_older", text));
        } else if facts.schema_sha256 != live.schema_sha256 {
            warnings.push(Warning::new("schema_differs", format!("The schema of {name} differs from the one here")));
        }
    }
    if manifest.verified.is_none() {
        warnings.push(Warning::new("unverified", "The backup was never verified"));
    }
    for part in &manifest.parts {
        let left_out = part.settings.as_ref().map(|settings| settings.left_out.as_slice()).unwrap_or_default();
        if !left_out.is_empty() && targets.iter().any(|(choice, _)| choice.part.name == part.name) {
            let text = format!("Secrets are not in the backup and must be entered again: {}", left_out.join(", "));
            warnings.push(Warning::new("secrets_left_out", text));
        }
    }
    Ok(warnings)
}

/// No table has the same name.
fn strangers(a: &DatabaseFacts, b: &DatabaseFacts) -> bool {
    let has = |facts: &DatabaseFacts, name: &str| facts.tables.iter().any(|table| table.name == name);
    !a.tables.is_empty() && !b.tables.is_empty() && !a.tables.iter().any(|table| has(b, &table.name))
}

/// What the live database says about itself, without counting; `None` when it is not there, empty or cannot be read.
fn live_facts(target: &Path, busy: Duration) -> Option<DatabaseFacts> {
    let connection = open::open_source(target, busy).ok()?;
    let mut live = facts::outline(&connection, "").ok()?;
    let names = facts::tables(&connection).ok()?;
    live.tables = names.into_iter().map(|name| crate::model::TableFacts { name, rows: None }).collect();
    (facts::objects(&connection).ok()? > 0).then_some(live)
}

/// What lay at the targets at some moment, as one hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen(String);

impl Seen {
    fn of(targets: &[Target<'_>], context: &Context) -> Result<Self> {
        let mut hash = Sha256::new();
        for (choice, target) in targets {
            let Some(target) = target else { continue };
            hash.update(target.as_os_str().as_encoded_bytes());
            match choice.part.kind {
                PartKind::Directory | PartKind::Application => tree(target, &mut hash, context)?,
                _ => hash.update(Stamps::settled(target, context).text()),
            }
        }
        Ok(Seen(data_encoding::HEXLOWER.encode(&hash.finalize())))
    }

    /// Fails with `preview_stale` when something changed.
    pub(super) fn still(&self, targets: &[Target<'_>], context: &Context) -> Result<()> {
        if Seen::of(targets, context)? == *self {
            return Ok(());
        }
        let text = "The data has changed since the preview";
        Err(Error::new(ErrorKind::Busy, "preview_stale", text).hint("look at the new preview"))
    }
}

fn tree(path: &Path, hash: &mut Sha256, context: &Context) -> Result<()> {
    let mut todo = vec![path.to_owned()];
    while let Some(path) = todo.pop() {
        context.check()?;
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let facts = (meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec(), meta.mode());
        hash.update(path.as_os_str().as_encoded_bytes());
        hash.update(format!("{facts:?}"));
        if meta.is_dir() {
            let mut names: Vec<_> =
                fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.file_name()).collect();
            names.sort();
            todo.extend(names.iter().filter(|name| *name != RESTORE_FOLDER).map(|name| path.join(name)));
        }
    }
    Ok(())
}
