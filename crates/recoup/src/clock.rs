//! The only place that asks what time it is. Everything else is handed a [`Clock`] or receives `now`,
//! so that tests never sleep and a restored catalog never sees a surprising hour.

use jiff::Timestamp;

/// Tells the time. Timestamps are UTC instants; zones are a matter of display and of schedules.
pub trait Clock: Send + Sync {
    /// The present instant by the wall clock.
    fn now(&self) -> Timestamp;
    /// Time that only moves forward, since some fixed point: for durations, rates and deadlines.
    fn monotonic(&self) -> std::time::Duration;
    /// As [`Clock::monotonic`], and it counts on while the machine sleeps: what the wall clock should have moved by.
    fn elapsed(&self) -> std::time::Duration {
        self.monotonic()
    }
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// The clock of this machine; its monotonic time counts from here.
    pub fn new() -> Self {
        SystemClock { started: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    fn monotonic(&self) -> std::time::Duration {
        self.started.elapsed()
    }
    #[cfg(target_os = "linux")]
    fn elapsed(&self) -> std::time::Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        std::time::Duration::try_from(now).unwrap_or_else(|_| self.monotonic())
    }
}
