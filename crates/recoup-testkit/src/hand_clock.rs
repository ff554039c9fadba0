//! A clock that is moved by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use recoup::clock::Clock;
use recoup::progress::Context;

/// Tells the time that it was given.
#[derive(Debug)]
pub struct HandClock(Mutex<Timestamp>);

impl HandClock {
    pub fn at(now: Timestamp) -> Arc<Self> {
        Arc::new(HandClock(Mutex::new(now)))
    }
    pub fn set(&self, now: Timestamp) {
        *self.0.lock().unwrap() = now;
    }
    pub fn forward(&self, hours: i64) {
        self.set(self.now() + SignedDuration::from_hours(hours));
    }
    /// A quiet context with this clock.
    pub fn context(self: &Arc<Self>) -> Context {
        let clock: Arc<dyn Clock> = self.clone();
        Context { clock, ..Context::quiet() }
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}
