//! New content that is made of what is there now: a database with one table of the backup, key/value rows and JSON files
//! with the settings of the backup and the secrets of the live ones.
//!
//! Not here: parts that come back as they are ([`super::item`]).

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use super::choose::{Choice, resolve};
use super::from::Opened;
use super::item::{Ask, Derive, Item, Items, Way, like_old};
use super::unit::parent;
use crate::error::{Error, Result};
use crate::model::{PartKind, SourceSpec, Warning};
use crate::progress::Context;
use crate::source::settings::restore::TableRows;
use crate::source::settings::{apply, restore};
use crate::sqlite::table;

/// Settings go back as files and rows; the environment of another process cannot be set.
pub fn settings(
    opened: &mut Opened,
    choice: &Choice<'_>,
    ask: &Ask<'_>,
    items: &mut Items,
    context: &Context,
) -> Result<()> {
    let part = choice.part;
    let spec = match ask.places.spec(&part.name) {
        Some(SourceSpec::Settings(spec)) => Some(spec),
        _ => None,
    };
    let document = opened.bytes(part, context)?;
    let change = restore::plan(&document, spec, ask.places.base(), ask.environment, context)?;
    for (path, content) in &change.files {
        let target = resolve(path)?;
        let stage = items.stage(parent(&target)?, &target)?;
        let staged = items.free(&stage, "new");
        fs::write(&staged, content).map_err(|e| Error::at("writing", &staged, e))?;
        like_old(&staged, &target, None)?;
        let name = format!("{}-{}", part.name, target.file_name().unwrap_or_default().to_string_lossy());
        items.items.push(Item { name, kind: PartKind::File, target, staged, way: Way::File, stage });
    }
    let mut databases = BTreeMap::<PathBuf, Vec<TableRows>>::new();
    for rows in change.tables {
        databases.entry(resolve(&rows.database)?).or_default().push(rows);
    }
    for (target, rows) in databases {
        if items.items.iter().any(|item| item.target == target) {
            continue;
        }
        let stage = items.stage(parent(&target)?, &target)?;
        let (staged, old) = (items.free(&stage, "new"), items.free(&stage, "old"));
        let name = format!("{}-{}", part.name, target.file_stem().unwrap_or_default().to_string_lossy());
        let way = Way::InPlace { old, journal_mode: None, derive: Some(Derive::Rows(rows)) };
        items.items.push(Item { name, kind: PartKind::Database, target, staged, way, stage });
    }
    let lines = change.environment.lines().count();
    if lines > 0 {
        let text =
            format!("{lines} environment variables cannot be set from here; --to DIR writes them to settings.env");
        items.warnings.push(Warning::new("environment_by_hand", text));
    }
    if !change.missing.is_empty() {
        let text = format!("These secrets are in no backup and must be entered again: {}", change.missing.join(", "));
        items.warnings.push(Warning::new("secrets_missing", text));
    }
    Ok(())
}

/// Makes the new content of an item of what was copied from its database.
pub fn make(item: &Item, context: &Context) -> Result<Vec<Warning>> {
    let Way::InPlace { old, derive: Some(derive), .. } = &item.way else { return Ok(Vec::new()) };
    let _ = fs::remove_file(&item.staged);
    fs::copy(old, &item.staged).map_err(|e| Error::at("copying", old, e))?;
    fs::set_permissions(&item.staged, Permissions::from_mode(0o600))
        .map_err(|e| Error::at("setting the mode of", &item.staged, e))?;
    match derive {
        Derive::Rows(tables) => {
            for rows in tables {
                let rows = TableRows { database: item.staged.clone(), ..rows.clone() };
                apply::apply_table(&rows, Duration::from_secs(1), context)?;
            }
            Ok(Vec::new())
        }
        Derive::Table(backup, name) => {
            let merged = table::into(backup, name, &item.staged, context)?;
            let mut warnings = merged.notes;
            if merged.new_foreign_key_violations > 0 {
                let n = merged.new_foreign_key_violations;
                warnings.push(Warning::new("foreign_keys", format!("{n} rows violate a foreign key after this")));
            }
            Ok(warnings)
        }
    }
}
