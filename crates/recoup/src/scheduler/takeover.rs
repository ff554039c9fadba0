//! Runs whose worker is gone: closed as interrupted and, by the engine, repeated once. Who is gone is
//! [`crate::catalog::leases`]'.

use crate::catalog::leases::Watch;
use crate::engine::Engine;
use crate::error::Result;

/// Closes the runs that nobody works on any more; tells how many. To be asked every half minute.
pub(super) async fn look(watch: &mut Watch, engine: &Engine) -> Result<usize> {
    let beats = engine.catalog().beats().await?;
    let mut closed = 0;
    for (run, beat) in watch.expired(&beats, engine.clock().monotonic()) {
        // It may be alive after all, or somebody else was first.
        if let Some(row) = engine.catalog().interrupt_run(&run, beat, engine.clock().now()).await? {
            tracing::warn!(run, plan = row.plan_name, "nobody works on it any more: interrupted");
            engine.interrupted(row).await?;
            closed += 1;
        }
    }
    Ok(closed)
}
