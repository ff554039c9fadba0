//! What is to be done about a schedule now: a pure function from the rule, what is remembered of the plan and the time.
//!
//! All times that passed since the last one become one run, for the latest of them. What is remembered is a high-water
//! mark: a clock that is set back repeats nothing. Not here: who remembers, and who runs.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::next::Occurrence;
use super::{Every, Schedule};
use crate::error::Result;

/// A run that starts this much after its time is on time: the scheduler looks every minute.
const ON_TIME: SignedDuration = SignedDuration::from_mins(2);
/// A mark so far ahead of now is no clock that was set back but one that was wrong before.
const TOO_FAR_AHEAD: SignedDuration = SignedDuration::from_hours(48);
/// How long nothing is pruned after that: ages of backups were judged by a wrong clock.
const RETENTION_PAUSE: SignedDuration = SignedDuration::from_hours(24);
/// No clock that is right shows less; the first line of this program is younger.
const EARLIEST: &str = "2024-01-01T00:00:00Z";
/// Fifteen years after this version: a clock that shows more is broken. Moves with releases.
const LATEST: &str = "2042-01-01T00:00:00Z";
/// Missed times are counted up to here.
const MOST_COUNTED: u32 = 10_000;

/// What is remembered of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Whether the plan runs on its schedule.
    pub enabled: bool,
    /// Whether a run of the plan is going on.
    pub running: bool,
    /// The nominal time of the last occurrence that was run, skipped or given up. Whoever edits the schedule, enables
    /// the plan or restores the catalog sets it to now, so that nothing in the past fires; `None` means the same.
    pub last_nominal: Option<Timestamp>,
    /// When a backup last succeeded, also by hand.
    pub last_success: Option<Timestamp>,
}

/// What is to be done now, and what to remember.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// The run to start.
    pub run: Option<Planned>,
    /// A run that is due and is not wanted.
    pub skipped: Option<(Planned, Skipped)>,
    /// Something is due and waits for the run that is going on; it is still there at the next look.
    pub waiting: bool,
    /// To be remembered as [`State::last_nominal`].
    pub last_nominal: Option<Timestamp>,
    /// The next occurrence; `None` when there will be none of its own accord.
    pub next: Option<Occurrence>,
    /// When `next` starts: its nominal time and the plan's share of the jitter.
    pub next_at: Option<Timestamp>,
    /// What is wrong with the clock.
    pub anomaly: Option<Anomaly>,
}

/// An occurrence whose time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The latest of those that passed.
    pub occurrence: Occurrence,
    /// When it was to start, with jitter.
    pub at: Timestamp,
    /// How many times passed without a run, this one too when it is not on time; 0 for a run on time. Counted to 10 000.
    pub missed_count: u32,
}

/// Why a run that is due is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// It is later than [`Schedule::skip_if_later_than`].
    TooLate,
    /// One succeeded within [`Schedule::skip_if_success_within`].
    RecentSuccess,
}

/// What is wrong with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anomaly {
    /// The last run was more than 48 hours after now: the clock was far ahead then. The mark is set back.
    MarkAhead {
        /// The mark as it was.
        mark: Timestamp,
        /// Nothing is to be pruned before.
        retention_paused_until: Timestamp,
    },
    /// A time that cannot be: before 2024, or 15 years after this version. Nothing runs on schedule.
    Impossible,
}

/// What is to be done about `schedule` of the plan with this id, now.
///
/// Fails with `bad_zone` when the zone is not known any more (keep what was the next time and tell somebody; no other
/// zone is taken in its place) and with `no_occurrence`.
pub fn due(schedule: &Schedule, plan: &str, state: &State, now: Timestamp) -> Result<Due> {
    due_in(&schedule.time_zone()?, schedule, plan, state, now)
}

/// [`due`] by a table of offsets that the caller chose.
pub fn due_in(zone: &TimeZone, schedule: &Schedule, plan: &str, state: &State, now: Timestamp) -> Result<Due> {
    let last_nominal = state.last_nominal;
    let nothing =
        Due { run: None, skipped: None, waiting: false, last_nominal, next: None, next_at: None, anomaly: None };
    if !state.enabled {
        return Ok(nothing);
    }
    if impossible(now) {
        return Ok(Due { anomaly: Some(Anomaly::Impossible), ..nothing });
    }
    let offset = schedule.offset(plan);
    // What is nominally not later than this has its time now.
    let horizon = now.saturating_sub(offset).unwrap_or(Timestamp::MIN);
    let mut result = nothing;
    let mut mark = last_nominal.unwrap_or(now);
    if mark.duration_since(now) > TOO_FAR_AHEAD {
        let retention_paused_until = now.saturating_add(RETENTION_PAUSE).unwrap_or(Timestamp::MAX);
        result.anomaly = Some(Anomaly::MarkAhead { mark, retention_paused_until });
        mark = match schedule.every {
            // Where it stood before the clock was wrong is not known.
            Every::RollingWeekly | Every::RollingMonthly => now,
            _ => latest(zone, schedule, Timestamp::MIN, horizon)?.map_or(now, |occurrence| occurrence.nominal),
        };
    }
    if let Some(occurrence) = latest(zone, schedule, mark, horizon)? {
        if state.running {
            result.waiting = true;
        } else {
            let at = occurrence.nominal.saturating_add(offset).unwrap_or(Timestamp::MAX);
            let late = now.duration_since(at);
            let passed = count(zone, schedule, mark, occurrence.nominal)?;
            let missed_count = if late > ON_TIME { passed } else { passed - 1 };
            let planned = Planned { occurrence, at, missed_count };
            match unwanted(schedule, state, now, late) {
                Some(why) => result.skipped = Some((planned, why)),
                None => result.run = Some(planned),
            }
            mark = occurrence.nominal;
        }
    }
    let next = schedule.next_in(zone, mark.max(horizon), Some(mark))?;
    result.last_nominal = Some(mark);
    result.next_at = Some(next.nominal.saturating_add(offset).unwrap_or(Timestamp::MAX));
    result.next = Some(next);
    Ok(result)
}

/// Whether no clock that is right shows this time: before 2024, or 15 years after this version. Then nothing is due.
pub fn impossible(now: Timestamp) -> bool {
    let bound = |text: &str| text.parse::<Timestamp>().ok();
    bound(EARLIEST).is_some_and(|earliest| now < earliest) || bound(LATEST).is_some_and(|latest| now > latest)
}

fn unwanted(schedule: &Schedule, state: &State, now: Timestamp, late: SignedDuration) -> Option<Skipped> {
    let longer = |length: SignedDuration, limit: std::time::Duration| {
        SignedDuration::try_from(limit).is_ok_and(|limit| length > limit)
    };
    if schedule.skip_if_later_than.is_some_and(|limit| longer(late, limit)) {
        return Some(Skipped::TooLate);
    }
    let (since, within) = (now.duration_since(state.last_success?), schedule.skip_if_success_within?);
    // A success that lies ahead of now was dated by a wrong clock.
    (!since.is_negative() && !longer(since, within)).then_some(Skipped::RecentSuccess)
}

/// The last occurrence after `mark` and not after `until`. Looks back further and further, so that years without a run
/// cost no more than days.
fn latest(zone: &TimeZone, schedule: &Schedule, mark: Timestamp, until: Timestamp) -> Result<Option<Occurrence>> {
    for hours in [1, 24, 24 * 40, 24 * 400, 24 * 4_000] {
        let from = until.saturating_sub(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MIN).max(mark);
        let mut found = None;
        let mut next = schedule.next_in(zone, from, Some(mark))?;
        while next.nominal <= until {
            found = Some(next);
            next = schedule.next_in(zone, next.nominal, Some(mark))?;
        }
        if found.is_some() || from == mark {
            return Ok(found);
        }
    }
    Ok(None)
}

/// How many occurrences lie after `mark` up to `last`, which is one.
fn count(zone: &TimeZone, schedule: &Schedule, mark: Timestamp, last: Timestamp) -> Result<u32> {
    let (mut from, mut count) = (mark, 1);
    while count < MOST_COUNTED {
        let next = schedule.next_in(zone, from, Some(mark))?;
        if next.nominal >= last {
            break;
        }
        (from, count) = (next.nominal, count + 1);
    }
    Ok(count)
}
