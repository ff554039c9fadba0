//! `recoup plan next`: when a plan, or a schedule that the options spell out, runs next.

use jiff::{Timestamp, Unit};
use recoup::clock::{Clock, SystemClock};
use recoup::model::duration;
use recoup::model::schedule::{DayWritten, Schedule, Written};
use recoup::{Error, Result};
use serde_json::json;

use super::of_catalog;
use crate::args::{DataPlace, PlanNext, ScheduleArgs};
use crate::output::Reply;
use crate::session::{Session, zone};
use crate::table::Table;
use crate::words;

pub fn run(args: &PlanNext, place: &DataPlace, session: &Session) -> Result<Reply> {
    let (schedule, enabled) = match args.schedule.spelled_out() {
        true => (spelled_out(&args.schedule)?, true),
        false => declared(args, place, session)?,
    };
    let now = SystemClock::new().now();
    let zone = schedule.time_zone()?;
    let mut table = Table::new(&["LOCAL", "UTC", ""]);
    let mut next = Vec::new();
    for occurrence in schedule.upcoming(args.after.unwrap_or(now))?.take(args.count.into()) {
        let nominal = occurrence?.nominal;
        let local = nominal.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string();
        table.row([local, utc(nominal), words::age(nominal, now)]);
        next.push(utc(nominal));
    }
    let mut text = format!("{}\n\n{}", session.screen.bold(&schedule.describe()), table.draw("  "));
    if !schedule.jitter.is_zero() {
        let window = duration::words(schedule.jitter);
        text.push_str(&format!("\nIt starts up to {window} later, every time by the same: jitter.\n"));
    }
    if !enabled {
        text.push_str("\nThe plan is off (enabled = false): none of these will run.\n");
    }
    let quiet = next.join("\n");
    Ok(Reply::good(json!({ "next": next }), text, quiet))
}

/// `2026-10-25T02:00:00Z`: whole seconds.
fn utc(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

fn declared(args: &PlanNext, place: &DataPlace, session: &Session) -> Result<(Schedule, bool)> {
    let plans = &session.settings.plans;
    let plan = match (&args.plan, plans.as_slice()) {
        (Some(name), _) => match session.settings.plan(name) {
            Ok(plan) => plan.clone(),
            Err(error) => of_catalog(name, place, session, error)?,
        },
        (None, [only]) => only.clone(),
        // Nothing is named and nothing is declared: the default schedule.
        (None, []) => return Ok((spelled_out(&args.schedule)?, true)),
        (None, several) => {
            let names: Vec<&str> = several.iter().map(|plan| plan.name.as_str()).collect();
            return Err(Error::usage("which_plan", format!("Which plan? There are {}", names.join(", ")))
                .hint(format!("recoup plan next {}", names.first().copied().unwrap_or_default())));
        }
    };
    let schedule = plan.schedule.ok_or_else(|| {
        Error::usage("no_schedule", format!("{} has no schedule", plan.name))
            .hint(format!("add schedule = {{ every = \"daily\", at = \"03:00\" }} to [plan.{}]", plan.name))
    })?;
    Ok((schedule, plan.enabled))
}

fn spelled_out(args: &ScheduleArgs) -> Result<Schedule> {
    let written = Written {
        every: args.every.clone(),
        at: args.at.clone(),
        zone: args.zone.clone(),
        weekday: args.weekday.clone(),
        day: args.day.clone().map(DayWritten::Word),
        ..Written::default()
    };
    written.meant(Some(&zone())).map_err(|wrong| {
        let error = Error::usage(wrong.error.code(), format!("--{}: {}", wrong.key, wrong.error.message()));
        match wrong.error.hint_text() {
            Some(hint) => error.hint(hint),
            None => error,
        }
    })
}
