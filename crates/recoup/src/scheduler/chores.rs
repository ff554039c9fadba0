//! What is done once an hour: people are told of plans without a fresh verified backup and of destinations that wait for
//! a sign-in, copies that are missing are queued, and what was kept for a while is forgotten. Nothing here fails a look at the plans.

use jiff::{SignedDuration, Timestamp};

use crate::catalog::{PlanRow, Runs};
use crate::engine::Engine;
use crate::error::Result;
use crate::model::job::{RunKind, State};
use crate::model::notice::{Event, Notice};

/// Notices are remembered for so long after they were told.
const NOTICES: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Everything of an hour. Tells whether there is something in the outbox.
pub(super) async fn hourly(engine: &Engine, now: Timestamp) -> bool {
    if let Err(error) = forget(engine, now).await {
        tracing::warn!("{error}");
    }
    if let Err(error) = engine.queue_missing_copies().await {
        tracing::warn!("{error}");
    }
    let mut told = false;
    for done in [overdue(engine, now).await, engine.tell_of_sign_ins().await] {
        match done {
            Ok(this) => told |= this,
            Err(error) => tracing::warn!("{error}"),
        }
    }
    told
}

async fn forget(engine: &Engine, now: Timestamp) -> Result<()> {
    engine.tidy().await?;
    match now.checked_sub(NOTICES) {
        Ok(before) => engine.catalog().tidy_outbox(before).await,
        Err(_) => Ok(()),
    }
}

async fn overdue(engine: &Engine, now: Timestamp) -> Result<bool> {
    let (mut told, mut plans) = (false, engine.catalog().every_plan(None));
    while let Some(row) = plans.next().await? {
        match overdue_one(engine, &row, now).await {
            Ok(this) => told |= this,
            Err(error) => tracing::warn!(plan = row.name, "{error}"),
        }
    }
    Ok(told)
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
        (false, Some(since)) => {
            // A plan that was switched off has not recovered.
            let news = row.enabled && !recovery_was_told(engine, row, since).await?;
            let told = news && engine.tell(&Notice::new(Event::Recovery, row.name.clone(), now)).await;
            engine.catalog().set_overdue(&row.id, None).await?;
            Ok(told)
        }
        _ => Ok(false),
    }
}

/// Whether a run that ended well after one that did not was told as a recovery since then.
async fn recovery_was_told(engine: &Engine, row: &PlanRow, since: Timestamp) -> Result<bool> {
    let (plan, state, kind) = (Some(row.id.clone()), Some(State::Done), Some(RunKind::Backup));
    let runs = engine.catalog().runs(&Runs { plan, state, kind, limit: 100, ..Runs::default() }).await?;
    Ok(runs.windows(2).any(|pair| match pair {
        [later, earlier] if later.finished_at.is_some_and(|at| at >= since) => {
            later.outcome.and_then(|outcome| Event::of_run(outcome, earlier.outcome)) == Some(Event::Recovery)
        }
        _ => false,
    }))
}
