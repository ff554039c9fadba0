//! From a rule to instants, by what the local clock shows.
//!
//! A local time that the clock shows twice means the first of the two; one that it skips means the first instant after
//! the gap. Both are one rule: the first instant at which the local clock shows that time or a later one.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp, Unit};

use super::{Cron, Every, Schedule};
use crate::error::{Error, ErrorKind, Result};

/// How many days, weeks, months or changes of the clock a search goes on: 33 years of months.
pub(super) const STEPS: i32 = 400;

/// One time at which a rule wants a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// The instant that the rule means.
    pub nominal: Timestamp,
    /// The local time as the rule says it, also when the clock skips it; see [`Schedule::key`].
    pub local: DateTime,
    /// The second of two hours that the clock shows alike. Only a cron expression that runs in every hour has it.
    pub repeated: bool,
}

/// The first occurrence strictly after `after`.
pub(super) fn next(
    schedule: &Schedule,
    zone: &TimeZone,
    after: Timestamp,
    anchor: Option<Timestamp>,
) -> Result<Occurrence> {
    let found = match &schedule.every {
        Every::Cron(cron) if cron.fixed_hours() => at_fixed_hours(cron, zone, after)?,
        Every::Cron(cron) => by_the_wall_clock(cron, zone, after)?,
        _ => on_dates(schedule, zone, after, anchor)?,
    };
    found.ok_or_else(|| no_occurrence(format!("nothing in {STEPS} steps after {after}")))
}

pub(super) fn no_occurrence(why: String) -> Error {
    Error::new(ErrorKind::Usage, "no_occurrence", "The schedule never comes").because(why)
}

/// The first instant at which the clocks of `zone` show `local` or later.
pub(super) fn resolve(zone: &TimeZone, local: DateTime) -> Result<Timestamp> {
    let instant = |offset: jiff::tz::Offset| offset.to_timestamp(local).map_err(beyond);
    match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => instant(offset),
        AmbiguousOffset::Fold { before, .. } => instant(before),
        AmbiguousOffset::Gap { before, after } => {
            // The clock jumps somewhere between these two.
            let (earliest, latest) = (instant(after)?, instant(before)?);
            let changes = zone.following(earliest).map(|change| change.timestamp());
            let jump = changes.take_while(|at| *at <= latest).find(|at| zone.to_datetime(*at) >= local);
            Ok(jump.unwrap_or(latest))
        }
    }
}

/// Whether the zone ever had that date: Samoa went from 29 to 31 December 2011.
fn exists(zone: &TimeZone, date: Date) -> Result<bool> {
    let first = resolve(zone, date.to_datetime(jiff::civil::Time::midnight()))?;
    Ok(zone.to_datetime(first).date() == date)
}

fn on_dates(
    schedule: &Schedule,
    zone: &TimeZone,
    after: Timestamp,
    anchor: Option<Timestamp>,
) -> Result<Option<Occurrence>> {
    let today = zone.to_datetime(after).date();
    // The first candidate that can lie after `after`, and the way from it to the others.
    let (first, step) = match &schedule.every {
        Every::Weekly(weekday) => {
            let days = i32::from(today.weekday().until(*weekday));
            (plus(today, Span::new().days(days))?, Span::new().days(7))
        }
        Every::Monthly(_) => (today.first_of_month(), Span::new().months(1)),
        every => match every.rolls() {
            Some(days) => {
                let start = nominal_date(schedule, zone, anchor.unwrap_or(after))?;
                let passed = start.until((Unit::Day, today)).map_err(beyond)?.get_days();
                let rounds = (passed.max(1) + days - 1) / days;
                (plus(start, Span::new().days(rounds * days))?, Span::new().days(days))
            }
            None => (today, Span::new().days(1)),
        },
    };
    for n in 0..STEPS {
        let mut date = plus(first, step.checked_mul(i64::from(n)).map_err(beyond)?)?;
        if let Every::Monthly(day) = &schedule.every {
            date = day.within(date);
        }
        if matches!(schedule.every, Every::Daily) && !exists(zone, date)? {
            continue;
        }
        let local = date.to_datetime(schedule.at);
        let nominal = resolve(zone, local)?;
        if nominal > after {
            return Ok(Some(Occurrence { nominal, local, repeated: false }));
        }
    }
    Ok(None)
}

/// The date of the rule that led to `nominal`. It is the day before the local date when the time fell into a gap that
/// reaches over midnight; counting from the local date would then drift.
fn nominal_date(schedule: &Schedule, zone: &TimeZone, nominal: Timestamp) -> Result<Date> {
    let date = zone.to_datetime(nominal).date();
    for candidate in [date, plus(date, Span::new().days(-1))?] {
        if resolve(zone, candidate.to_datetime(schedule.at))? == nominal {
            return Ok(candidate);
        }
    }
    Ok(date)
}

/// Expressions that name their hours: each matching local time once, as [`resolve`] says.
fn at_fixed_hours(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Result<Option<Occurrence>> {
    let mut from = zone.to_datetime(after);
    for _ in 0..STEPS {
        let Some(local) = cron.at_or_after(from)? else { return Ok(None) };
        if cron.every_day() && !exists(zone, local.date())? {
            from = plus(local.date(), Span::new().days(1))?.to_datetime(jiff::civil::Time::midnight());
            continue;
        }
        let nominal = resolve(zone, local)?;
        if nominal > after {
            return Ok(Some(Occurrence { nominal, local, repeated: false }));
        }
        from = local.checked_add(Span::new().minutes(1)).map_err(beyond)?;
    }
    Ok(None)
}

/// Expressions over ranges of hours: every minute that the clock shows and the expression matches, in the repeated hour
/// again, in the skipped hour not.
fn by_the_wall_clock(cron: &Cron, zone: &TimeZone, after: Timestamp) -> Result<Option<Occurrence>> {
    let mut since = after;
    for _ in 0..STEPS {
        // Until the next change, the clock runs evenly.
        let offset = zone.to_offset(since);
        let change = zone.following(since).next().map(|change| change.timestamp());
        let shown = offset.to_datetime(since);
        let from = if since == after { shown.checked_add(Span::new().nanoseconds(1)).map_err(beyond)? } else { shown };
        let Some(local) = cron.at_or_after(from)? else { return Ok(None) };
        let nominal = offset.to_timestamp(local).map_err(beyond)?;
        match change {
            Some(change) if nominal >= change => since = change,
            _ => return Ok(Some(Occurrence { nominal, local, repeated: resolve(zone, local)? < nominal })),
        }
    }
    Ok(None)
}

fn plus(date: Date, span: Span) -> Result<Date> {
    date.checked_add(span).map_err(beyond)
}

/// Years outside of the calendar.
fn beyond(error: jiff::Error) -> Error {
    no_occurrence(error.to_string())
}
