//! Watches two clocks: one that shows the time and may be set, one that only moves forward. What the first moved more
//! or less than the second is a step: somebody, or something, set it. A machine that slept is none.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// Less is what clocks are adjusted by every day.
const SMALL: SignedDuration = SignedDuration::from_secs(60);
/// After so large a step, ages of backups mean nothing for a while.
const LEAP: SignedDuration = SignedDuration::from_hours(36);

/// What was seen last.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: Option<(Timestamp, Duration)>,
}

/// One look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    /// The wall clock.
    pub now: Timestamp,
    /// By how much it was set since the last look; nothing when that is too little to matter.
    pub step: Option<SignedDuration>,
}

impl Look {
    /// Whether the clock was set so far that it was wrong before or is now.
    pub fn leapt(&self) -> bool {
        self.step.is_some_and(|step| step.abs() > LEAP)
    }
}

impl Watch {
    /// Looks at both clocks.
    pub fn look(&mut self, clock: &dyn Clock) -> Look {
        let (now, elapsed) = (clock.now(), clock.elapsed());
        let step = self.seen.replace((now, elapsed)).map(|(then, before)| {
            let passed = SignedDuration::try_from(elapsed.saturating_sub(before)).unwrap_or(SignedDuration::MAX);
            now.duration_since(then).saturating_sub(passed)
        });
        Look { now, step: step.filter(|step| step.abs() > SMALL) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Hands(Mutex<(Timestamp, Duration)>);
    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            self.0.lock().map_or(Timestamp::UNIX_EPOCH, |hands| hands.0)
        }
        fn monotonic(&self) -> Duration {
            self.0.lock().map_or(Duration::ZERO, |hands| hands.1)
        }
    }

    #[test]
    fn only_a_clock_that_was_set_makes_a_step() {
        let hands = Hands(Mutex::new((Timestamp::UNIX_EPOCH, Duration::ZERO)));
        let mut watch = Watch::default();
        let mut step = |wall: i64, passed: u64| {
            if let Ok(mut hands) = hands.0.lock() {
                hands.0 += SignedDuration::from_secs(wall);
                hands.1 += Duration::from_secs(passed);
            }
            let look = watch.look(&hands);
            (look.step.map(|step| step.as_secs()), look.leapt())
        };
        let day = 86_400;
        assert_eq!(step(0, 0), (None, false), "the first look knows nothing");
        assert_eq!(step(30, 30), (None, false));
        assert_eq!(step(9 * day, 9 * 86_400), (None, false), "a machine that slept");
        assert_eq!(step(60, 30), (None, false), "adjusted a little");
        assert_eq!(step(3_630, 30), (Some(3_600), false));
        assert_eq!(step(-3_570, 30), (Some(-3_600), false));
        assert_eq!(step(30 * day, 0), (Some(30 * day), true));
        assert_eq!(step(-30 * day, 0), (Some(-30 * day), true));
    }
}
