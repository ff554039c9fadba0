//! Who has fallen silent: the beats of running runs, watched by our own monotonic clock. A plain value; what is then
//! done with a run is [`super::Catalog::interrupt_run`], which refuses if the beat has moved since.
//!
//! No time of another machine is compared with ours, and no wall clock is asked: a jump of either ends nothing.

use std::collections::HashMap;
use std::time::Duration;

/// How long the same beat is seen before its run counts as abandoned. Workers raise theirs every [`BEAT`].
pub const SILENCE: Duration = Duration::from_secs(60);

/// How often a worker raises the beat of its run.
pub const BEAT: Duration = Duration::from_secs(10);

/// Remembers how long each running run has shown the same beat.
#[derive(Debug)]
pub struct Watch {
    silence: Duration,
    looked: Option<Duration>,
    seen: HashMap<String, Sight>,
}

#[derive(Debug)]
struct Sight {
    lease: String,
    beat: i64,
    /// For how long we have watched it not move.
    still: Duration,
}

impl Watch {
    /// Runs whose beat stays the same for `silence` count as abandoned; [`SILENCE`] outside of tests.
    pub fn new(silence: Duration) -> Self {
        Watch { silence, looked: None, seen: HashMap::new() }
    }

    /// Takes a look: `beats` are id, lease and beat of everything that runs, `now` our own monotonic time. Gives id and
    /// beat of the runs that fell silent. A look should follow the one before within half of the silence: what passed
    /// beyond that is not counted, because then we ourselves were held up (a suspended machine, a frozen container),
    /// and so perhaps were those we watch.
    pub fn expired(&mut self, beats: &[(String, String, i64)], now: Duration) -> Vec<(String, i64)> {
        let passed = self.looked.map_or(Duration::ZERO, |then| now.saturating_sub(then)).min(self.silence / 2);
        self.looked = Some(now);
        let mut before = std::mem::take(&mut self.seen);
        let mut expired = Vec::new();
        for (id, lease, beat) in beats {
            let still = match before.remove(id) {
                Some(sight) if sight.lease == *lease && sight.beat == *beat => sight.still + passed,
                _ => Duration::ZERO,
            };
            if still >= self.silence {
                expired.push((id.clone(), *beat));
            }
            self.seen.insert(id.clone(), Sight { lease: lease.clone(), beat: *beat, still });
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(beat: i64) -> Vec<(String, String, i64)> {
        vec![("r".into(), "worker".into(), beat)]
    }
    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_run_that_beats_never_expires_and_a_silent_one_does_after_a_minute() {
        let mut watch = Watch::new(SILENCE);
        for second in (0..600).step_by(10) {
            assert_eq!(watch.expired(&run(second / 10), at(second as u64)), vec![]);
        }
        for second in (600..650).step_by(10) {
            assert_eq!(watch.expired(&run(59), at(second as u64)), vec![]);
        }
        assert_eq!(watch.expired(&run(59), at(650)), vec![("r".to_owned(), 59)]);
        // Whoever could not take it away now is asked again.
        assert_eq!(watch.expired(&run(59), at(651)), vec![("r".to_owned(), 59)]);
    }

    #[test]
    fn the_first_look_expires_nothing_however_long_we_have_been_running() {
        let mut watch = Watch::new(SILENCE);
        assert_eq!(watch.expired(&run(7), at(86_400)), vec![]);
    }

    #[test]
    fn a_machine_that_slept_does_not_count_its_sleep() {
        let mut watch = Watch::new(SILENCE);
        assert_eq!(watch.expired(&run(7), at(0)), vec![]);
        assert_eq!(watch.expired(&run(7), at(10)), vec![]);
        assert_eq!(watch.expired(&run(7), at(9_000)), vec![]);
        assert_eq!(watch.expired(&run(8), at(9_005)), vec![]);
    }

    #[test]
    fn another_worker_and_another_run_start_anew() {
        let mut watch = Watch::new(at(20));
        watch.expired(&run(7), at(0));
        watch.expired(&run(7), at(10));
        let taken = vec![("r".to_owned(), "other".to_owned(), 7)];
        assert_eq!(watch.expired(&taken, at(20)), vec![]);
        assert_eq!(watch.expired(&[], at(25)), vec![]);
        assert_eq!(watch.expired(&taken, at(30)), vec![]);
        assert_eq!(watch.expired(&taken, at(35)), vec![]);
        assert_eq!(watch.expired(&taken, at(45)), vec![]);
        assert_eq!(watch.expired(&taken, at(50)), vec![("r".to_owned(), 7)]);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_expires_nothing() {
        let mut watch = Watch::new(at(20));
        for now in [100, 100, 50, 50] {
            assert_eq!(watch.expired(&run(1), at(now)), vec![]);
        }
    }
}
