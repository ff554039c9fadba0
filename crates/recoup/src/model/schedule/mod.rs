//! When a plan runs: a rule of the local calendar (or a cron expression) in a time zone. Everything is a pure function
//! of the rule, an instant and the zone's table of offsets.
//!
//! Not here: what is done with an occurrence that has come, or was missed ([`due`]); who asks ([`crate::clock`]).

mod cron;
mod due;
mod every;
mod next;
mod written;

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use cron::Cron;
pub use due::{Anomaly, Due, Planned, Skipped, State, due, due_in, impossible};
pub use every::{Day, Every};
pub use next::Occurrence;
pub use written::{DayWritten, Written, Wrong};

use super::duration;
use crate::error::{Error, Result};

/// The time of day when nobody says one.
pub const DEFAULT_TIME: Time = Time::constant(3, 0, 0, 0);

/// A rule that says when. As text, in JSON and in TOML alike, it is a [`Written`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Schedule {
    /// On which days, or the cron expression.
    pub every: Every,
    /// At what time of the local clock; whole minutes. A cron expression has its own.
    pub at: Time,
    /// The local clock: an IANA name.
    pub zone: String,
    /// An occurrence that is later than this is given up (default: however late, it is made up for).
    pub skip_if_later_than: Option<Duration>,
    /// Plans start spread over so long after the time, each always at the same place; 0 by default.
    pub jitter: Duration,
    /// No run when one has succeeded so recently, also by hand.
    pub skip_if_success_within: Option<Duration>,
}

impl Schedule {
    /// `every` at `at` by the clocks of `zone`, and nothing else. Fails with `bad_zone` for an unknown zone.
    pub fn new(every: Every, at: Time, zone: &str) -> Result<Self> {
        let zone = canonical(zone)?;
        let (skip_if_later_than, skip_if_success_within) = (None, None);
        Ok(Schedule { every, at, zone, skip_if_later_than, jitter: Duration::ZERO, skip_if_success_within })
    }

    /// The first occurrence strictly after `after`. `anchor` is the last nominal time: a rolling rule counts its 7 or
    /// 30 days from that date (without one, from the date of `after`); other rules do not look at it.
    ///
    /// Fails with `bad_zone` when this machine no longer knows the zone, and with `no_occurrence` when there is none.
    pub fn next(&self, after: Timestamp, anchor: Option<Timestamp>) -> Result<Occurrence> {
        self.next_in(&self.time_zone()?, after, anchor)
    }

    /// [`Schedule::next`] by a table of offsets that the caller chose.
    pub fn next_in(&self, zone: &TimeZone, after: Timestamp, anchor: Option<Timestamp>) -> Result<Occurrence> {
        next::next(self, zone, after, anchor)
    }

    /// All occurrences after `after`, one after the other; a rolling rule counts from the date of `after`. Ends after
    /// the first error.
    pub fn upcoming(&self, after: Timestamp) -> Result<impl Iterator<Item = Result<Occurrence>> + use<>> {
        Ok(self.upcoming_in(self.time_zone()?, after))
    }

    /// [`Schedule::upcoming`] by a table of offsets that the caller chose.
    pub fn upcoming_in(&self, zone: TimeZone, after: Timestamp) -> impl Iterator<Item = Result<Occurrence>> + use<> {
        let schedule = self.clone();
        let mut from = Some(after);
        std::iter::from_fn(move || {
            let next = schedule.next_in(&zone, from?, Some(after));
            from = next.as_ref().ok().map(|occurrence| occurrence.nominal);
            Some(next)
        })
    }

    /// What names an occurrence for good, also after a change of the zone's law: the local time as the rule says it,
    /// and the zone. `2026-10-25T03:00[Europe/Berlin]`; the second 01:30 of a night that has two ends in `/2`.
    pub fn key(&self, occurrence: &Occurrence) -> String {
        let second = if occurrence.repeated { "/2" } else { "" };
        format!("{}[{}]{second}", occurrence.local.strftime("%Y-%m-%dT%H:%M"), self.zone)
    }

    /// How long after its nominal time the plan of this id starts: less than [`Schedule::jitter`], whole seconds, the
    /// same on every machine and in every version.
    pub fn offset(&self, plan: &str) -> SignedDuration {
        let window = self.jitter.as_secs();
        if window == 0 {
            return SignedDuration::ZERO;
        }
        let digest = Sha256::digest(plan.as_bytes());
        let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        SignedDuration::from_secs(i64::try_from(number % window).unwrap_or(0))
    }

    /// The rule in words: `every day at 03:00 Europe/Berlin`.
    pub fn describe(&self) -> String {
        match &self.every {
            Every::Cron(cron) => format!("{} ({}) {}", cron.words(), cron.text(), self.zone),
            every => format!("{} at {} {}", every.words(), self.at.strftime("%H:%M"), self.zone),
        }
    }

    /// The zone's table of offsets on this machine; `bad_zone` when there is none.
    pub fn time_zone(&self) -> Result<TimeZone> {
        time_zone(&self.zone)
    }
}

fn time_zone(name: &str) -> Result<TimeZone> {
    let unknown = || {
        Error::usage("bad_zone", format!("Unknown time zone: {name}"))
            .hint("a name of the IANA database, such as Europe/Berlin or UTC")
    };
    match TimeZone::get(name) {
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        Ok(_) => Err(unknown()),
        Err(error) => Err(unknown().because(error)),
    }
}

/// The name as the database spells it.
fn canonical(name: &str) -> Result<String> {
    Ok(time_zone(name)?.iana_name().unwrap_or(name).to_owned())
}
