//! What a person sees of many days: how each ended, from the log of runs (never from the backups that are left), and how
//! full the destinations were.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::site::Place;
use super::{Actor, Engine, blocking};
use crate::catalog::{RunBrief, StoredRow};
use crate::error::{Error, Result};
use crate::model::growth::{Day, Growth, growth};

/// Days that can be asked for at once.
const DAYS: i32 = 400;
/// Runs that are looked at for them.
const RUNS: i64 = 200_000;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// How full one destination was and will be.
#[derive(Debug, Clone, PartialEq)]
pub struct Filled {
    /// Its name.
    pub destination: String,
    /// The end of each day that was looked at, the oldest first.
    pub days: Vec<StoredRow>,
    /// How it goes on, when enough is known.
    pub growth: Option<Growth>,
}

impl Engine {
    /// What ended on each day, from `from` to `until`, both included, in the time zone of the settings. Days without a run
    /// are left out. Runs that wait or work do not count yet.
    pub async fn calendar(
        &self,
        who: &Actor,
        plan: Option<&str>,
        from: Date,
        until: Date,
    ) -> Result<BTreeMap<Date, Vec<RunBrief>>> {
        let bad =
            || Error::usage("bad_days", "Not a span of days").hint(format!("at most {DAYS} days, the first first"));
        let days = from.until(until).map_err(|_| bad())?.get_days();
        if !(0..DAYS).contains(&days) {
            return Err(bad());
        }
        let plan = match plan {
            Some(name) => Some(self.plan(who, name).await?.id),
            None => None,
        };
        let zone = TimeZone::get(&self.settings().zone).unwrap_or(TimeZone::UTC);
        let edge = |date: Date| Ok(date.to_zoned(zone.clone()).map_err(|_| bad())?.timestamp());
        let (since, end) = (edge(from)?, edge(until.tomorrow().map_err(|_| bad())?)?);
        let runs = self.catalog.runs_between(who.owner_filter(), plan.as_deref(), since, end, RUNS).await?;
        let mut all: BTreeMap<Date, Vec<RunBrief>> = BTreeMap::new();
        for run in runs {
            all.entry(run.at.to_zoned(zone.clone()).date()).or_default().push(run);
        }
        Ok(all)
    }

    /// How full the destinations were in the last `days`, and when they would be full.
    pub async fn filled(&self, days: u32) -> Result<Vec<Filled>> {
        let today = self.clock().now().as_millisecond() / DAY_MS;
        let mut all: BTreeMap<String, Vec<StoredRow>> = BTreeMap::new();
        for row in self.catalog.stored(today - i64::from(days)).await? {
            all.entry(row.destination.clone()).or_default().push(row);
        }
        let one = |(destination, days): (String, Vec<StoredRow>)| {
            let held: Vec<Day> = days.iter().map(|row| Day { day: row.day, bytes: row.bytes }).collect();
            let growth = growth(&held, days.last().and_then(|row| row.free));
            Filled { destination, days, growth }
        };
        Ok(all.into_iter().map(one).collect())
    }

    /// Notes how full some destinations are now. What fails here is logged: it is only a chart.
    pub(super) async fn note_filled(&self, places: &[Place]) {
        let day = self.clock().now().as_millisecond() / DAY_MS;
        for place in places {
            let store = place.store.clone();
            let free = blocking(move || store.free_bytes()).await.ok().flatten();
            let free = free.map(|free| i64::try_from(free).unwrap_or(i64::MAX));
            if let Err(error) = self.catalog.note_stored(&place.name, day, free).await {
                tracing::warn!(destination = place.name, "{error}");
            }
        }
    }
}
