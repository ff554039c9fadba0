//! `recoup run --due`: does what is due and ends, for machines on which something else keeps the time (cron, a systemd
//! timer). The same catalog, claims and runs as the daemon's.

use std::time::Duration;

use recoup::model::Outcome;
use recoup::model::job::State;
use recoup::scheduler::{Options, Scheduler};
use recoup::{Result, catalog};
use serde_json::json;

use super::{engine, runs};
use crate::args::Run;
use crate::exit;
use crate::output::{Mark, Reply};
use crate::session::Session;
use crate::table::printable;

/// So many looks without work end it: what follows a backup is queued a moment after the backup has ended.
const IDLE: u32 = 10;

pub fn run(args: &Run, session: &Session) -> Result<Reply> {
    engine::runtime()?.block_on(async {
        let engine = engine::open(session, args.place.data.clone()).await?;
        let mut newest = engine.catalog().runs(&catalog::Runs { limit: 1, ..catalog::Runs::default() }).await?;
        let before = newest.pop().map(|run| run.id);
        let workers = usize::try_from(session.settings.server.concurrency).unwrap_or(2);
        let scheduler = Scheduler::start(engine.clone(), Options { workers, ..Options::default() }).await?;
        scheduler.check_now().await?;
        let mut idle = 0;
        while idle < IDLE {
            let (queued, running) = engine.catalog().queue().await?;
            let due = engine.catalog().next_run().await?.is_some_and(|at| at <= engine.clock().now());
            idle = if running == 0 && (queued == 0 || !due) { idle + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        scheduler.stop(Duration::from_secs(10)).await;
        let all = engine.catalog().runs(&catalog::Runs { limit: 500, ..catalog::Runs::default() }).await?;
        let next = runs::next(&engine).await?;
        engine.catalog().close().await;
        let mut done: Vec<_> = all
            .into_iter()
            .filter(|run| run.state == State::Done && before.as_ref().is_none_or(|before| run.id > *before))
            .collect();
        // As they happened.
        done.reverse();
        let worst = |outcome: &Option<Outcome>| !matches!(outcome, Some(Outcome::Good | Outcome::Warnings));
        let mut text = String::new();
        for run in &done {
            let mark = session.screen.mark(match run.outcome {
                Some(Outcome::Good) => Mark::Good,
                Some(Outcome::Warnings) => Mark::Warning,
                _ => Mark::Bad,
            });
            text.push_str(&format!("{mark} {}: {}\n", run.plan_name, runs::sentence(run)));
            if let Some(hint) = runs::hint(run) {
                text.push_str(&format!("  Hint: {}\n", printable(hint)));
            }
        }
        if done.is_empty() {
            text.push_str("Nothing is due.\n");
        }
        text.push_str(&session.screen.dim(&runs::turn(next.as_ref(), engine.clock().now())));
        let exit = match () {
            () if done.iter().any(|run| worst(&run.outcome)) => exit::FAILED,
            () if done.iter().any(|run| run.outcome == Some(Outcome::Warnings)) => exit::WARNINGS,
            () => exit::GOOD,
        };
        let runs: Vec<_> = done
            .iter()
            .map(|run| {
                let backup = run.result.as_ref().map(|result| &result["backup"]);
                json!({ "id": run.id, "plan": run.plan_name, "kind": run.kind, "outcome": run.outcome,
                    "backup": backup, "error": run.error })
            })
            .collect();
        let json = json!({ "runs": runs, "next": next.map(|(plan, at)| json!({ "plan": plan, "at": at })) });
        Ok(Reply { json, text, quiet: String::new(), exit })
    })
}
