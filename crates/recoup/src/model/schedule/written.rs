//! A schedule as text: the table `schedule` of a plan, the same in TOML and in JSON, and its way to a [`Schedule`] and
//! back. What is wrong is said for the key it stands at.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};

use super::every::{weekday, weekday_name, wrong_day};
use super::{Cron, DEFAULT_TIME, Day, Every, Schedule, canonical, duration};
use crate::error::{Error, Result};

/// The table as written; nothing filled in, nothing checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// One of [`Every::WORDS`] or a cron expression; `daily` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// `HH:MM`; 03:00 when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// An IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// For `weekly`: `sunday` (the default) to `saturday`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekday: Option<String>,
    /// For `monthly`: 1 (the default) to 31, or `last`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<DayWritten>,
    /// See [`Schedule::skip_if_later_than`]; `6h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_if_later_than: Option<String>,
    /// See [`Schedule::jitter`]; `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<String>,
    /// See [`Schedule::skip_if_success_within`]; `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_if_success_within: Option<String>,
}

/// A day of the month as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DayWritten {
    /// A number.
    Number(i64),
    /// A word, or a number in quotes.
    Word(String),
}

/// What is wrong with a [`Written`], and at which of its keys.
#[derive(Debug)]
pub struct Wrong {
    /// The key.
    pub key: &'static str,
    /// Why; its message does not name the key.
    pub error: Box<Error>,
}

/// Notes the key.
fn at<T>(key: &'static str, result: Result<T>) -> Result<T, Wrong> {
    result.map_err(|error| Wrong { key, error: Box::new(error) })
}

impl Written {
    /// The schedule that this means; `zone` is taken where none is written.
    pub fn meant(&self, zone: Option<&str>) -> Result<Schedule, Wrong> {
        let every = at("every", self.every())?;
        at("weekday", self.fits(&every, self.weekday.is_some(), "weekly", matches!(every, Every::Weekly(_))))?;
        at("day", self.fits(&every, self.day.is_some(), "monthly", matches!(every, Every::Monthly(_))))?;
        let every = match every {
            Every::Weekly(_) => Every::Weekly(at("weekday", self.weekday())?),
            Every::Monthly(_) => Every::Monthly(at("day", self.day())?),
            every => every,
        };
        let cron = matches!(every, Every::Cron(_));
        let time = match &self.at {
            Some(_) if cron => {
                let error = Error::usage("bad_schedule", "does not go with a cron expression");
                return at("at", Err(error.hint("the expression says the time itself")));
            }
            Some(text) => at("at", time(text))?,
            None if cron => Time::midnight(),
            None => DEFAULT_TIME,
        };
        let zone = match self.zone.as_deref().or(zone) {
            Some(zone) => at("zone", canonical(zone))?,
            None => return at("zone", Err(Error::usage("bad_zone", "is missing"))),
        };
        let length = |key, text: &Option<String>| text.as_deref().map(|text| at(key, length(text))).transpose();
        Ok(Schedule {
            every,
            at: time,
            zone,
            skip_if_later_than: length("skip_if_later_than", &self.skip_if_later_than)?,
            jitter: length("jitter", &self.jitter)?.unwrap_or_default(),
            skip_if_success_within: length("skip_if_success_within", &self.skip_if_success_within)?,
        })
    }

    fn every(&self) -> Result<Every> {
        match self.every.as_deref() {
            None | Some("daily") => Ok(Every::Daily),
            Some("weekly") => Ok(Every::Weekly(Weekday::Sunday)),
            Some("monthly") => Ok(Every::Monthly(Day::Number(1))),
            Some("rolling-weekly") => Ok(Every::RollingWeekly),
            Some("rolling-monthly") => Ok(Every::RollingMonthly),
            Some(text) if text.trim().contains(char::is_whitespace) || text.starts_with('@') => {
                Ok(Every::Cron(Cron::parse(text)?))
            }
            Some(word) => Err(Error::usage("bad_schedule", format!("Unknown frequency: {word}"))
                .hint(format!("one of: {}, or a cron expression", Every::WORDS.join(", ")))),
        }
    }

    fn fits(&self, every: &Every, given: bool, wanted: &str, fits: bool) -> Result<()> {
        if !given || fits {
            return Ok(());
        }
        Err(Error::usage("bad_schedule", format!("does not go with every = {:?}", every.text()))
            .hint(format!("only with every = {wanted:?}")))
    }

    fn weekday(&self) -> Result<Weekday> {
        self.weekday.as_deref().map_or(Ok(Weekday::Sunday), weekday)
    }

    fn day(&self) -> Result<Day> {
        match &self.day {
            None => Ok(Day::Number(1)),
            Some(DayWritten::Number(day)) => Day::number(*day),
            Some(DayWritten::Word(word)) if word == "last" => Ok(Day::Last),
            Some(DayWritten::Word(word)) => match word.parse() {
                Ok(day) => Day::number(day),
                Err(_) => Err(wrong_day(&format!("{word:?}"))),
            },
        }
    }
}

/// Two digits, a colon, two digits; then a real time of day.
fn time(text: &str) -> Result<Time> {
    let wrong =
        || Error::usage("bad_time", "Invalid time format. Use HH:MM (24-hour)").because(format!("it is {text:?}"));
    let shape =
        text.len() == 5 && text.bytes().enumerate().all(|(at, b)| if at == 2 { b == b':' } else { b.is_ascii_digit() });
    let (hour, minute) = text.split_once(':').filter(|_| shape).ok_or_else(wrong)?;
    let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn length(text: &str) -> Result<Duration> {
    duration::parse(text).ok_or_else(|| {
        Error::usage("bad_schedule", format!("not a duration: {text:?}"))
            .hint("write it as \"30s\", \"10m\" or \"1h 30m\"")
    })
}

impl TryFrom<Written> for Schedule {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        written.meant(None).map_err(|wrong| format!("{}: {}", wrong.key, wrong.error))
    }
}

impl From<Schedule> for Written {
    fn from(schedule: Schedule) -> Self {
        let words = |length: Duration| duration::words(length);
        Written {
            every: Some(schedule.every.text().to_owned()),
            at: match schedule.every {
                Every::Cron(_) => None,
                _ => Some(schedule.at.strftime("%H:%M").to_string()),
            },
            weekday: match schedule.every {
                Every::Weekly(weekday) => Some(weekday_name(weekday).to_owned()),
                _ => None,
            },
            day: match schedule.every {
                Every::Monthly(Day::Number(day)) => Some(DayWritten::Number(day.into())),
                Every::Monthly(Day::Last) => Some(DayWritten::Word("last".into())),
                _ => None,
            },
            zone: Some(schedule.zone),
            skip_if_later_than: schedule.skip_if_later_than.map(words),
            jitter: Some(schedule.jitter).filter(|jitter| !jitter.is_zero()).map(words),
            skip_if_success_within: schedule.skip_if_success_within.map(words),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_the_same_after_json_and_nothing_unknown_is_read() {
        for text in [
            r#"{"every":"daily","at":"03:00","zone":"Europe/Berlin"}"#,
            r#"{"every":"weekly","at":"23:59","zone":"UTC","weekday":"friday","skip_if_later_than":"6h"}"#,
            r#"{"every":"monthly","at":"00:00","zone":"UTC","day":31,"jitter":"10m"}"#,
            r#"{"every":"monthly","at":"00:00","zone":"UTC","day":"last","skip_if_success_within":"1h 30m"}"#,
            r#"{"every":"rolling-weekly","at":"03:00","zone":"UTC"}"#,
            r#"{"every":"30 2 * * mon-fri","zone":"UTC"}"#,
        ] {
            let schedule: Schedule = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&schedule).unwrap(), text);
        }
        let least: Schedule = serde_json::from_str(r#"{"zone":"europe/berlin"}"#).unwrap();
        assert_eq!(least, Schedule::new(Every::Daily, DEFAULT_TIME, "Europe/Berlin").unwrap());
        for (text, why) in [
            (r#"{"every":"daily"}"#, "zone: is missing"),
            (r#"{"zone":"UTC","evry":"daily"}"#, "unknown field `evry`"),
            (r#"{"zone":"UTC","every":"yearly"}"#, "every: Unknown frequency: yearly"),
            (r#"{"zone":"UTC","at":"3"}"#, "at: Invalid time format. Use HH:MM (24-hour)"),
            (r#"{"zone":"UTC","every":"monthly","day":32}"#, "day: must be 1 to 31 or \"last\", not 32"),
        ] {
            let told = serde_json::from_str::<Schedule>(text).unwrap_err().to_string();
            assert!(told.contains(why), "{text}: {told}");
        }
    }
}
