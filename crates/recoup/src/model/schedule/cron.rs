//! Cron expressions: five fields, names and nicknames, `L`, `W` and `#`. The parser and the matching of single fields are
//! croner's; what an expression means where a clock jumps is ours ([`super::next`]), because croner decides it by other
//! rules: it runs `0,30 2 * * *` by the wall clock, and makes up for a skipped `30 2 * * *` but not for `30 2,4 * * *`.

use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use jiff::civil::{Date, DateTime, DateTimeRound, Time};
use jiff::{RoundMode, Unit};

use super::next::{STEPS, no_occurrence};
use crate::error::{Error, Result};

/// A cron expression that matches some minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Cron {
    text: String,
    pattern: Box<CronPattern>,
}

impl Cron {
    /// Reads an expression. Fails with `bad_schedule` when it is none, with `no_occurrence` when no date ever matches.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let parsed = parser.parse(&text).map_err(|error| {
            Error::usage("bad_schedule", format!("not a cron expression: {text:?}"))
                .because(error)
                .hint("minute hour day-of-month month weekday: \"30 2 * * sun\"")
        })?;
        let cron = Cron { text, pattern: Box::new(parsed.pattern) };
        match cron.at_or_after(DateTime::constant(2024, 1, 1, 0, 0, 0, 0))? {
            Some(_) => Ok(cron),
            None => Err(no_occurrence(format!("no date matches {}", cron.text))),
        }
    }

    /// As written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn words(&self) -> String {
        let words = self.pattern.describe();
        words.trim_end_matches('.').to_owned()
    }

    /// Whether the hours are numbers and not `*`, a step or a range.
    pub(super) fn fixed_hours(&self) -> bool {
        let hours = self.pattern.as_str().split_whitespace().nth(1).unwrap_or("*");
        hours.bytes().all(|byte| byte.is_ascii_digit() || byte == b',')
    }

    /// Whether neither day of month nor weekday is restricted.
    pub(super) fn every_day(&self) -> bool {
        self.pattern.is_dom_wildcard() && self.pattern.is_dow_wildcard()
    }

    /// The first whole minute from `from` on that matches, on a calendar without zones.
    pub(super) fn at_or_after(&self, from: DateTime) -> Result<Option<DateTime>> {
        let up = DateTimeRound::new().smallest(Unit::Minute).mode(RoundMode::Ceil);
        let mut from = from.round(up).map_err(beyond)?;
        for _ in 0..STEPS {
            let (year, month, last) = (i32::from(from.year()), number(from.month()), from.date().last_of_month());
            if self.pattern.month_match(month).map_err(beyond)? {
                for day in from.day()..=last.day() {
                    let weekday = Weekday::from_days_from_sunday(number(from.weekday().to_sunday_zero_offset()));
                    if self.pattern.day_match(year, month, number(day), weekday).map_err(beyond)?
                        && let Some(found) = self.within_day(from)?
                    {
                        return Ok(Some(found));
                    }
                    from = midnight_after(from.date())?;
                }
            } else {
                from = midnight_after(last)?;
            }
        }
        Ok(None)
    }

    fn within_day(&self, from: DateTime) -> Result<Option<DateTime>> {
        for hour in from.hour()..24 {
            if !self.pattern.hour_match(number(hour)).map_err(beyond)? {
                continue;
            }
            let first = if hour == from.hour() { from.minute() } else { 0 };
            for minute in first..60 {
                if self.pattern.minute_match(number(minute)).map_err(beyond)? {
                    return Ok(Some(from.date().at(hour, minute, 0, 0)));
                }
            }
        }
        Ok(None)
    }
}

fn midnight_after(date: Date) -> Result<DateTime> {
    Ok(date.tomorrow().map_err(beyond)?.to_datetime(Time::midnight()))
}

fn number(n: i8) -> u32 {
    u32::from(n.unsigned_abs())
}

fn beyond(error: impl std::fmt::Display) -> Error {
    no_occurrence(error.to_string())
}
