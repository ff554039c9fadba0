//! When a plan runs: `enabled`, `schedule`, `test_restore` and `deadline` of `[plan.NAME]`, as written and as meant.
//!
//! Not here: what a schedule means and which are refused ([`crate::model::schedule`]).

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::walk::{At, Field, Table, place, wrong};
use super::{Origin, Value};
use crate::error::Result;
use crate::model::schedule::{DayWritten, Schedule, Written};
use crate::model::{Plan, duration};

/// What a plan says about when it runs.
#[derive(Debug)]
pub(super) struct When {
    pub enabled: Option<At<bool>>,
    pub schedule: Option<Rule>,
    /// `None` inside for `never`.
    pub test_restore: Option<At<Option<Duration>>>,
    pub deadline: Option<At<Duration>>,
}

/// The table `schedule`.
#[derive(Debug)]
pub(super) struct Rule {
    line: usize,
    key: String,
    written: Written,
    /// What was written, under the keys of the table.
    values: Vec<(&'static str, At<serde_json::Value>)>,
}

/// Takes the keys out of a plan's table.
pub(super) fn read(table: &mut Table<'_>) -> Result<When> {
    Ok(When {
        enabled: table.take("enabled").map(|f| f.flag()).transpose()?,
        schedule: table.take("schedule").map(|f| rule(&f)).transpose()?,
        test_restore: table.take("test_restore").map(|f| length_or_never(&f)).transpose()?,
        deadline: table.take("deadline").map(|f| f.duration()).transpose()?,
    })
}

fn length_or_never(field: &Field<'_>) -> Result<At<Option<Duration>>> {
    if field.is_string() && field.string()?.value == "never" {
        return Ok(At { value: None, line: field.line, key: field.key.clone() });
    }
    let length = field.duration()?;
    Ok(At { value: Some(length.value), line: length.line, key: length.key })
}

fn rule(field: &Field<'_>) -> Result<Rule> {
    let mut table = field.table()?;
    let mut values = Vec::new();
    let mut text = |key: &'static str| -> Result<Option<String>> {
        let Some(field) = table.take(key) else { return Ok(None) };
        let text = field.string()?;
        values.push((key, At { value: json!(text.value), line: text.line, key: text.key }));
        Ok(Some(text.value))
    };
    let mut written = Written {
        every: text("every")?,
        at: text("at")?,
        zone: text("zone")?,
        weekday: text("weekday")?,
        day: None,
        skip_if_later_than: text("skip_if_later_than")?,
        jitter: text("jitter")?,
        skip_if_success_within: text("skip_if_success_within")?,
    };
    if let Some(field) = table.take("day") {
        let day = match field.is_string() {
            true => DayWritten::Word(field.string()?.value),
            false => DayWritten::Number(field.number()?.value.into()),
        };
        values.push(("day", At { value: json!(day), line: field.line, key: field.key }));
        written.day = Some(day);
    }
    table.finish()?;
    Ok(Rule { line: field.line, key: field.key.clone(), written, values })
}

/// What it means, and every setting in effect.
pub(super) struct Meant {
    pub enabled: bool,
    pub schedule: Option<Schedule>,
    pub test_restore: Option<Duration>,
    pub deadline: Duration,
    pub values: Vec<Value>,
}

impl When {
    /// What it means for the plan at the dotted key `plan` of the file at `path`; a schedule without a zone is by the
    /// clocks of `zone`.
    pub fn meant(&self, plan: &str, path: &Path, zone: &str) -> Result<Meant> {
        let file = |line: usize| Origin::File { path: path.to_path_buf(), line };
        let mut values = Vec::new();
        let mut note = |key: String, value: serde_json::Value, line: Option<usize>| {
            let origin = line.map_or(Origin::Default, file);
            values.push(Value { key, value, resolved: None, origin });
        };
        let enabled = self.enabled.as_ref().is_none_or(|at| at.value);
        note(format!("{plan}.enabled"), json!(enabled), self.enabled.as_ref().map(|at| at.line));
        let schedule = self.schedule.as_ref().map(|rule| rule.meant(path, zone)).transpose()?;
        if let (Some(rule), Some(schedule)) = (&self.schedule, &schedule) {
            for (_, at) in &rule.values {
                note(at.key.clone(), at.value.clone(), Some(at.line));
            }
            if rule.written.zone.is_none() {
                note(format!("{plan}.schedule.zone"), json!(schedule.zone), None);
            }
        }
        let test_restore = self.test_restore.as_ref().map_or(Some(Plan::TEST_RESTORE), |at| at.value);
        let words = test_restore.map_or_else(|| "never".to_owned(), duration::words);
        note(format!("{plan}.test_restore"), json!(words), self.test_restore.as_ref().map(|at| at.line));
        let deadline = self.deadline.as_ref().map_or(Plan::DEADLINE, |at| at.value);
        note(format!("{plan}.deadline"), json!(duration::words(deadline)), self.deadline.as_ref().map(|at| at.line));
        Ok(Meant { enabled, schedule, test_restore, deadline, values })
    }
}

impl Rule {
    /// What is wrong is said at its own key, what is missing at the table.
    fn meant(&self, path: &Path, zone: &str) -> Result<Schedule> {
        self.written.meant(Some(zone)).map_err(|found| {
            let value = self.values.iter().find(|(key, _)| *key == found.key);
            let (line, key) = value.map_or((self.line, &self.key), |(_, at)| (at.line, &at.key));
            // The specified sentence stands alone.
            if found.error.code() == "bad_time" {
                return found.error.while_(format!("{}{key}", place(path, line)));
            }
            let error = wrong(path, line, key, found.error.message());
            match found.error.hint_text() {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}
