//! Runs whose worker is gone: closed as interrupted and, by the engine, repeated once. Who is gone is
//! [`crate::catalog::leases`]' and [`crate::catalog::holder`]'s.

use jiff::SignedDuration;

use crate::catalog::holder::is_gone;
use crate::catalog::leases::Watch;
use crate::engine::Engine;
use crate::error::Result;

/// An interrupted backup that nobody repeated by then is repeated by whoever sees it: its closer has died, too.
const OURS: SignedDuration = SignedDuration::from_secs(30);
/// What is older is history.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// Closes the runs that nobody works on any more; tells how many. To be asked every half minute.
pub(super) async fn look(watch: &mut Watch, engine: &Engine) -> Result<usize> {
    let beats = engine.catalog().beats().await?;
    let mut closed = 0;
    let silent = watch.expired(&beats, engine.clock().monotonic());
    let gone = beats.iter().filter(|(_, lease, _)| is_gone(lease)).map(|(id, _, beat)| (id.clone(), *beat));
    for (run, beat) in gone.chain(silent) {
        // It may be alive after all, or somebody else was first.
        if let Some(row) = engine.catalog().interrupt_run(&run, beat, engine.clock().now()).await? {
            tracing::warn!(run, plan = row.plan_name, "nobody works on it any more: interrupted");
            engine.interrupted(row).await?;
            closed += 1;
        }
    }
    repeat(engine).await?;
    Ok(closed)
}

/// Queues again what was closed by somebody who ended before doing so.
async fn repeat(engine: &Engine) -> Result<()> {
    let now = engine.clock().now();
    let (Ok(since), Ok(until)) = (now.checked_sub(STALE), now.checked_sub(OURS)) else { return Ok(()) };
    for run in engine.catalog().unrepeated(since, until).await? {
        engine.repeat(&run).await?;
    }
    Ok(())
}
