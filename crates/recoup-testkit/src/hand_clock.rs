//! A clock that is moved by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use recoup::clock::Clock;
use recoup::progress::Context;

/// Tells the time that it was given.
#[derive(Debug)]
pub struct HandClock(Mutex<Hands>);

#[derive(Debug, Clone, Copy)]
struct Hands {
    wall: Timestamp,
    monotonic: Duration,
    elapsed: Duration,
}

impl HandClock {
    pub fn at(wall: Timestamp) -> Arc<Self> {
        Arc::new(HandClock(Mutex::new(Hands { wall, monotonic: Duration::ZERO, elapsed: Duration::ZERO })))
    }
    /// Somebody sets the wall clock; no time passes.
    pub fn set(&self, now: Timestamp) {
        self.0.lock().unwrap().wall = now;
    }
    /// Somebody sets the wall clock forward by so many hours, or back.
    pub fn forward(&self, hours: i64) {
        self.set(self.now() + SignedDuration::from_hours(hours));
    }
    /// Time passes.
    pub fn pass(&self, time: Duration) {
        self.sleep(time);
        self.0.lock().unwrap().monotonic += time;
    }
    /// The machine is suspended for so long.
    pub fn sleep(&self, time: Duration) {
        let mut hands = self.0.lock().unwrap();
        hands.wall += time;
        hands.elapsed += time;
    }
    /// A quiet context with this clock.
    pub fn context(self: &Arc<Self>) -> Context {
        let clock: Arc<dyn Clock> = self.clone();
        Context { clock, ..Context::quiet() }
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().wall
    }
    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().monotonic
    }
    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().elapsed
    }
}
