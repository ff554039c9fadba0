//! The days of a rule, and the words for them.

use jiff::civil::{Date, Weekday};

use super::Cron;
use crate::error::{Error, Result};

/// How often, and on which days.
#[derive(Debug, Clone, PartialEq)]
pub enum Every {
    /// Every local date that exists.
    Daily,
    /// This day of every week.
    Weekly(Weekday),
    /// This day of every month.
    Monthly(Day),
    /// Every 7 days, counted from the last nominal date.
    RollingWeekly,
    /// Every 30 days, counted from the last nominal date.
    RollingMonthly,
    /// A cron expression of five fields.
    Cron(Cron),
}

/// A day of the month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Day {
    /// 1 to 31; in a shorter month its last day.
    Number(i8),
    /// The last day of every month.
    Last,
}

/// Names of the weekdays, from Monday on.
pub(super) const WEEKDAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

impl Every {
    /// The words that are not cron expressions.
    pub const WORDS: [&str; 5] = ["daily", "weekly", "monthly", "rolling-weekly", "rolling-monthly"];

    /// The word, or the cron expression.
    pub fn text(&self) -> &str {
        match self {
            Every::Daily => "daily",
            Every::Weekly(_) => "weekly",
            Every::Monthly(_) => "monthly",
            Every::RollingWeekly => "rolling-weekly",
            Every::RollingMonthly => "rolling-monthly",
            Every::Cron(cron) => cron.text(),
        }
    }

    /// How many days a rolling rule counts.
    pub(super) fn rolls(&self) -> Option<i32> {
        match self {
            Every::RollingWeekly => Some(7),
            Every::RollingMonthly => Some(30),
            _ => None,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Every::Daily => "every day".into(),
            Every::Weekly(weekday) => format!("every {}", capital(weekday_name(*weekday))),
            Every::Monthly(Day::Last) => "on the last day of every month".into(),
            Every::Monthly(Day::Number(day @ 29..)) => {
                format!("on day {day} of every month (the last day of shorter months)")
            }
            Every::Monthly(Day::Number(day)) => format!("on day {day} of every month"),
            Every::RollingWeekly => "every 7 days".into(),
            Every::RollingMonthly => "every 30 days".into(),
            Every::Cron(cron) => cron.words(),
        }
    }
}

impl Day {
    /// A day of the month by number; fails for anything but 1 to 31.
    pub fn number(day: i64) -> Result<Self> {
        match i8::try_from(day) {
            Ok(day @ 1..=31) => Ok(Day::Number(day)),
            _ => Err(wrong_day(&day.to_string())),
        }
    }

    pub(super) fn within(self, month: Date) -> Date {
        let last = month.last_of_month();
        match self {
            Day::Number(day) if day < last.day() => {
                let days = jiff::Span::new().days(day - 1);
                month.first_of_month().saturating_add(days)
            }
            _ => last,
        }
    }
}

pub(super) fn wrong_day(text: &str) -> Error {
    Error::usage("bad_schedule", format!("must be 1 to 31 or \"last\", not {text}"))
        .hint("in a month that is shorter, 31 is its last day")
}

pub(super) fn weekday_name(weekday: Weekday) -> &'static str {
    WEEKDAYS.iter().find(|(_, day)| *day == weekday).map_or("", |(name, _)| name)
}

/// A weekday by its name or the first three letters of it.
pub(super) fn weekday(text: &str) -> Result<Weekday> {
    let lower = text.to_ascii_lowercase();
    let named = WEEKDAYS.iter().find(|(name, _)| *name == lower || name.get(..3) == Some(&lower));
    named.map(|(_, weekday)| *weekday).ok_or_else(|| {
        let names: Vec<&str> = WEEKDAYS.iter().map(|(name, _)| *name).collect();
        Error::usage("bad_schedule", format!("not a weekday: {text:?}")).hint(format!("one of: {}", names.join(", ")))
    })
}

fn capital(name: &str) -> String {
    let (first, rest) = name.split_at(1.min(name.len()));
    format!("{}{rest}", first.to_ascii_uppercase())
}
