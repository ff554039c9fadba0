//! What is done once an hour: people are told of plans without a fresh verified backup, and what was kept for a while is
//! forgotten. Nothing here fails a look at the plans.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

use crate::catalog::PlanRow;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::notice::{Event, Notice};

/// Folders of the daemon with files that nobody fetches after an hour.
const PASSING: [&str; 2] = ["uploads", "downloads"];
const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Notices are remembered for so long after they were told.
const NOTICES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Everything of an hour. Tells whether there is something in the outbox.
pub(super) async fn hourly(engine: &Engine, now: Timestamp) -> bool {
    if let Err(error) = forget(engine, now).await {
        tracing::warn!("{error}");
    }
    overdue(engine, now).await.unwrap_or_else(|error| {
        tracing::warn!("{error}");
        false
    })
}

async fn forget(engine: &Engine, now: Timestamp) -> Result<()> {
    engine.catalog().forget_expired(now).await?;
    if let Ok(before) = now.checked_sub(NOTICES) {
        engine.catalog().tidy_outbox(before).await?;
    }
    let folders: Vec<PathBuf> = PASSING.iter().map(|name| engine.data().join(name)).collect();
    if let Ok(before) = now.checked_sub(AN_HOUR) {
        let swept = tokio::task::spawn_blocking(move || folders.iter().try_for_each(|folder| sweep(folder, before)));
        // It panics nowhere.
        swept.await.unwrap_or(Ok(()))?;
    }
    Ok(())
}

/// Removes the files of a folder that were last changed before a time. That there is no folder is fine.
fn sweep(folder: &Path, before: Timestamp) -> Result<()> {
    let failed = |error| Error::at("tidying", folder, error);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let before = SystemTime::UNIX_EPOCH + Duration::try_from(before.as_duration()).unwrap_or_default();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        // Of the entry itself: a link is removed, and what it leads to is not ours.
        let old = entry.metadata().is_ok_and(|facts| !facts.is_dir() && facts.modified().is_ok_and(|at| at < before));
        if old && let Err(error) = std::fs::remove_file(entry.path()) {
            tracing::warn!("removing {}: {error}", entry.path().display());
        }
    }
    Ok(())
}

async fn overdue(engine: &Engine, now: Timestamp) -> Result<bool> {
    let (mut after, mut told) = (String::new(), false);
    loop {
        let rows = engine.catalog().plans(None, &after, 100).await?;
        let Some(last) = rows.last() else { return Ok(told) };
        after = last.name.clone();
        for row in &rows {
            match overdue_one(engine, row, now).await {
                Ok(this) => told |= this,
                Err(error) => tracing::warn!(plan = row.name, "{error}"),
            }
        }
    }
}

/// No news is no good news: told once, until there is a fresh backup again.
async fn overdue_one(engine: &Engine, row: &PlanRow, now: Timestamp) -> Result<bool> {
    let overdue = row.enabled && engine.status(row).await?.overdue;
    match (overdue, row.overdue_at) {
        (true, None) => {
            tracing::warn!(plan = row.name, "there is no fresh verified backup");
            // In this order: rather twice than never.
            let told = engine.tell(&Notice::new(Event::Overdue, row.name.clone(), now)).await;
            engine.catalog().set_overdue(&row.id, Some(now)).await?;
            Ok(told)
        }
        (false, Some(_)) => {
            engine.catalog().set_overdue(&row.id, None).await?;
            // A plan that was switched off has not recovered.
            Ok(row.enabled && engine.tell(&Notice::new(Event::Recovery, row.name.clone(), now)).await)
        }
        _ => Ok(false),
    }
}
