//! The weeks before the demo: real backups of the shop, made by the real scheduler, on a clock that stands there. So whoever
//! opens the page sees what it looks like after a while: days that were good, one that failed, one that was missed.
//!
//! Not here: the account to sign in with ([`super::visitor`]).

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};
use recoup::catalog::Runs;
use recoup::clock::{Clock, SystemClock};
use recoup::engine::Engine;
use recoup::model::job::State;
use recoup::scheduler::{Options, Scheduler};
use recoup::{Error, Result};
use rusqlite::Connection;

use super::{shop, writer};
use crate::commands::engine;
use crate::session::Session;

/// So many days, the last one included.
const DAYS: i32 = 24;
/// Days before the last one on which the thumbnails were not there, and on which nothing ran.
const FAILED: i32 = 9;
const MISSED: i32 = 15;
/// Orders of a day.
const SOLD: i64 = 12;
/// How long the runs of a day may take, and how often one looks.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

/// A clock that stands where it was put; what takes time is measured all the same.
struct Then {
    now: AtomicI64,
    real: SystemClock,
}

impl Clock for Then {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now.load(Ordering::Relaxed)).unwrap_or_default()
    }
    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }
}

/// Makes the weeks before; afterwards the catalog is closed again. Returns for how many days.
pub async fn make(session: &Session, directory: &Path) -> Result<i32> {
    let zone = TimeZone::get(&session.settings.zone).unwrap_or(TimeZone::UTC);
    let real = SystemClock::new();
    let now = real.now().to_zoned(zone);
    let mut last = at_three(&now)?;
    if last > now {
        last = at_three(&back(&now, 1)?)?;
    }
    // The day before the first, so that the schedule begins to run.
    let put = |at: &Zoned| (at.timestamp() + SignedDuration::from_secs(20)).as_millisecond();
    let clock = Arc::new(Then { now: AtomicI64::new(put(&back(&last, DAYS)?)), real });
    let engine = engine::open_at(session, None, clock.clone()).await?;
    for before in (0..DAYS).rev().filter(|before| *before != MISSED) {
        sell(directory)?;
        clock.now.store(put(&back(&last, before)?), Ordering::Relaxed);
        let away = directory.join("thumbs.away");
        let thumbs = directory.join("thumbs");
        if before == FAILED {
            fs::rename(&thumbs, &away).map_err(|error| Error::at("renaming", &thumbs, error))?;
        }
        let done = day(&engine).await;
        if before == FAILED {
            fs::rename(&away, &thumbs).map_err(|error| Error::at("renaming", &away, error))?;
        }
        done?;
    }
    engine.catalog().close().await;
    Ok(DAYS)
}

fn back(day: &Zoned, days: i32) -> Result<Zoned> {
    day.checked_sub(Span::new().days(days)).map_err(|error| Error::usage("bad_time", error.to_string()))
}

/// When the shop's schedule runs on a day.
fn at_three(day: &Zoned) -> Result<Zoned> {
    let three = Time::constant(3, 0, 0, 0);
    day.date()
        .to_datetime(three)
        .to_zoned(day.time_zone().clone())
        .map_err(|error| Error::usage("bad_time", error.to_string()))
}

/// What the scheduler finds to do at this moment, to its end.
async fn day(engine: &Arc<Engine>) -> Result<()> {
    let scheduler = Scheduler::start(engine.clone(), Options::default()).await?;
    scheduler.check_now().await?;
    let began = engine.clock().monotonic();
    while busy(engine).await? && engine.clock().monotonic() - began < PATIENCE {
        tokio::time::sleep(LOOK).await;
    }
    scheduler.stop(Duration::from_secs(5)).await;
    Ok(())
}

/// Whether something works, or waits for nothing but a worker. What failed waits for a later attempt.
async fn busy(engine: &Engine) -> Result<bool> {
    let (queued, working) = engine.catalog().queue().await?;
    if working > 0 || queued == 0 {
        return Ok(working > 0);
    }
    let waiting = Runs { state: Some(State::Queued), limit: 100, ..Runs::default() };
    let now = engine.clock().now();
    Ok(engine.catalog().runs(&waiting).await?.iter().any(|run| run.due_at <= now))
}

fn sell(directory: &Path) -> Result<()> {
    let sold = || -> rusqlite::Result<()> {
        let mut connection = Connection::open(directory.join(shop::DATABASE))?;
        let transaction = connection.transaction()?;
        let last = writer::last_order(&transaction)?;
        for id in last + 1..=last + SOLD {
            writer::order(&transaction, id)?;
        }
        transaction.commit()
    };
    sold().map_err(|error| Error::new(recoup::ErrorKind::Failed, "demo_database", "Cannot sell").because(error))
}
