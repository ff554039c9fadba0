//! Runs whose worker is gone: a beat that has not been raised for a minute, by our own clock that only moves forward,
//! will not be. Such a run is closed as interrupted and, by the engine, repeated once.
//!
//! A machine that slept, or whose wall clock was set, takes nothing away: that clock stands still while it sleeps.

use std::collections::HashMap;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::Result;

/// How long a beat may stay the same. Workers raise it every ten seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// The most that counts between two looks: when this process stood still, its own workers did too.
const MOST: Duration = Duration::from_secs(35);

/// What was seen of the runs that are worked on.
#[derive(Debug, Default)]
pub(super) struct Beats {
    last: Duration,
    /// By run, its beat and for how long that was seen to stay the same.
    seen: HashMap<String, (i64, Duration)>,
}

impl Beats {
    /// Notes who works at `now`, and gives the runs that nobody does, with their beat.
    pub fn silent(&mut self, beats: Vec<(String, i64)>, now: Duration) -> Vec<(String, i64)> {
        let before = std::mem::take(&mut self.seen);
        let passed = now.saturating_sub(std::mem::replace(&mut self.last, now)).min(MOST);
        let mut silent = Vec::new();
        for (run, beat) in beats {
            let same = before.get(&run).filter(|(last, _)| *last == beat);
            let quiet = same.map_or(Duration::ZERO, |(_, quiet)| *quiet + passed);
            if quiet >= SILENCE {
                silent.push((run.clone(), beat));
            }
            self.seen.insert(run, (beat, quiet));
        }
        silent
    }

    /// Closes the runs that nobody works on any more; tells how many.
    pub async fn look(&mut self, engine: &Engine) -> Result<usize> {
        let beats = engine.catalog().beats().await?.into_iter().map(|(run, _, beat)| (run, beat)).collect();
        let mut closed = 0;
        for (run, beat) in self.silent(beats, engine.clock().monotonic()) {
            // It may be alive after all, or somebody else was first.
            if let Some(row) = engine.catalog().interrupt_run(&run, beat, engine.clock().now()).await? {
                tracing::warn!(run, plan = row.plan_name, "nobody works on it any more: interrupted");
                engine.interrupted(row).await?;
                closed += 1;
            }
        }
        Ok(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_that_stays_the_same_for_a_minute_is_silence() {
        let mut beats = Beats::default();
        let mut at = |seconds: u64, seen: &[(&str, i64)]| {
            let seen = seen.iter().map(|(run, beat)| ((*run).to_owned(), *beat)).collect();
            let silent = beats.silent(seen, Duration::from_secs(seconds));
            silent.into_iter().map(|(run, beat)| format!("{run}{beat}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(at(1000, &[("a", 1), ("b", 5)]), "");
        assert_eq!(at(1030, &[("a", 2), ("b", 5)]), "");
        assert_eq!(at(1059, &[("a", 2), ("b", 5)]), "");
        assert_eq!(at(1060, &[("a", 2), ("b", 5)]), "b5");
        assert_eq!(at(1090, &[("a", 2)]), "a2");
        assert_eq!(at(1091, &[]), "");
        assert_eq!(at(2000, &[("a", 2)]), "", "what was gone begins anew");
        assert_eq!(at(2030, &[("a", 3)]), "");
        assert_eq!(at(9000, &[("a", 3)]), "", "this process stood still");
        assert_eq!(at(9030, &[("a", 3)]), "a3");
    }
}
