//! A look at the plans: which are due, what is queued for them, when they are due next. Runs are queued before the plan
//! moves on, and an occurrence can be queued only once: a crash between the two, or another scheduler, changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use super::steps::Watch;
use super::{chores, takeover};
use crate::catalog::{PlanRow, Timing, leases};
use crate::engine::{Actor, Engine, Pause};
use crate::error::{Error, Result};
use crate::model::audit::Event;
use crate::model::job::Cause;
use crate::model::notice::{self, ErrorTold, Notice};
use crate::model::schedule::{self, Anomaly, Due, Planned, Schedule, Skipped, State};

/// Plans that are read at a time.
const PAGE: i64 = 100;
/// So often every plan is looked at, due or not: the law of a zone may have changed, or the catalog behind our back.
const EVERYTHING: Duration = Duration::from_secs(3600);

/// So often the destinations are looked at: somebody may have added or removed backups behind our back.
const DESTINATIONS: Duration = Duration::from_secs(24 * 3600);

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// When.
    pub at: Timestamp,
    /// Runs that were queued.
    pub queued: usize,
    /// Plans that are due and wait for a run of theirs to end.
    pub waiting: usize,
    /// Plans that cannot be scheduled as they are written.
    pub broken: usize,
    /// Whether the clock is or was wrong.
    pub clock_wrong: bool,
    /// When there will be something to do.
    pub next: Option<Timestamp>,
    pub(super) told: bool,
}

impl Looked {
    /// How long there is nothing to do, by the clock of then.
    pub(super) fn sleep(&self) -> Duration {
        let length = self.next.map(|next| next.duration_since(self.at));
        length.map_or(Duration::MAX, |length| Duration::try_from(length).unwrap_or_default())
    }
}

/// Looks, and remembers what it said already.
pub(super) struct Looker {
    engine: Arc<Engine>,
    watch: Watch,
    beats: leases::Watch,
    /// When to look at everything again, by the clock that only moves forward.
    everything: Duration,
    /// When to look at the destinations again, and the look that goes on.
    destinations: (Duration, Option<JoinHandle<()>>),
    /// Why a plan could not be scheduled, by its id: told once.
    broken: HashMap<String, &'static str>,
    impossible: bool,
    /// Nothing is queued: somebody paused everything.
    paused: Option<Pause>,
}

impl Looker {
    pub fn new(engine: Arc<Engine>) -> Self {
        let everything = engine.clock().elapsed();
        let (watch, broken) = (Watch::default(), HashMap::new());
        let beats = leases::Watch::new(leases::SILENCE);
        let destinations = (everything, None);
        Looker { engine, watch, beats, everything, destinations, broken, impossible: false, paused: None }
    }

    pub async fn look(&mut self) -> Result<Looked> {
        let clock = self.engine.clock().clone();
        let look = self.watch.look(clock.as_ref());
        let now = look.now;
        let mut looked =
            Looked { at: now, queued: 0, waiting: 0, broken: 0, clock_wrong: false, next: None, told: false };
        // What was changed by another daemon holds here too.
        self.engine.reread_settings().await?;
        self.paused = self.engine.paused().await?;
        // By whatever clock: what is left behind by a crash does not wait.
        looked.told |= takeover::look(&mut self.beats, &self.engine).await? > 0;
        let before = std::mem::replace(&mut self.impossible, schedule::impossible(now));
        if self.impossible {
            // Nothing is judged by such a clock, and the hour at which it is right again is not known.
            looked.clock_wrong = true;
            if !before {
                self.wrong_clock(now, json!({"why": "impossible", "clock": now})).await?;
                looked.told = true;
            }
            return Ok(looked);
        }
        if look.step.is_some() {
            self.everything = Duration::ZERO;
        }
        if before {
            // Told when it began; but what is old is no clearer now.
            self.engine.distrust_clock().await?;
        } else if look.leapt() {
            let seconds = look.step.unwrap_or_default().as_secs();
            self.wrong_clock(now, json!({"why": "step", "seconds": seconds})).await?;
            (looked.clock_wrong, looked.told) = (true, true);
        }
        let everything = clock.elapsed() >= self.everything;
        let mut marks_ahead = Vec::new();
        if everything {
            self.all(now, &mut looked, &mut marks_ahead).await?;
        } else {
            self.due(now, &mut looked, &mut marks_ahead).await?;
        }
        if !marks_ahead.is_empty() {
            // A step that was told a moment ago is the same story.
            if !looked.clock_wrong {
                marks_ahead.truncate(20);
                self.wrong_clock(now, json!({"why": "marks_ahead", "plans": marks_ahead})).await?;
            }
            (looked.clock_wrong, looked.told) = (true, true);
        }
        if everything {
            looked.told |= chores::hourly(&self.engine, now).await;
            self.everything = clock.elapsed() + EVERYTHING;
            self.look_at_destinations(clock.elapsed());
        }
        let catalog = self.engine.catalog();
        let (plan, run) = (catalog.next_due_after(now).await?, catalog.next_run_after(now).await?);
        let resumed = self.paused.as_ref().and_then(|pause| pause.until);
        looked.next = plan.into_iter().chain(run).chain(resumed).min();
        Ok(looked)
    }

    /// Beside everything else, because a destination may take its time.
    fn look_at_destinations(&mut self, elapsed: Duration) {
        let (next, going) = &mut self.destinations;
        if elapsed < *next || going.as_ref().is_some_and(|going| !going.is_finished()) {
            return;
        }
        let engine = self.engine.clone();
        let look = async move {
            if let Err(error) = engine.refresh(None).await {
                tracing::warn!("{error}");
            }
        };
        *going = Some(tokio::spawn(look));
        *next = elapsed + DESTINATIONS;
    }

    async fn all(&mut self, now: Timestamp, looked: &mut Looked, ahead: &mut Vec<String>) -> Result<()> {
        let engine = self.engine.clone();
        let mut plans = engine.catalog().every_plan(None);
        while let Some(row) = plans.next().await? {
            self.plan(&row, now, looked, ahead).await?;
        }
        Ok(())
    }

    async fn due(&mut self, now: Timestamp, looked: &mut Looked, ahead: &mut Vec<String>) -> Result<()> {
        let mut seen = HashSet::new();
        loop {
            // Those that wait or are broken stay due, and must not hide others behind them.
            let stuck = i64::try_from(looked.waiting + looked.broken).unwrap_or(i64::MAX);
            let rows = self.engine.catalog().due_plans(now, stuck.saturating_add(PAGE)).await?;
            let mut found = false;
            for row in rows {
                if seen.insert(row.id.clone()) {
                    found = true;
                    self.plan(&row, now, looked, ahead).await?;
                }
            }
            if !found {
                return Ok(());
            }
        }
    }

    /// Looks at one plan. What is wrong with it concerns no other.
    async fn plan(
        &mut self,
        row: &PlanRow,
        now: Timestamp,
        looked: &mut Looked,
        ahead: &mut Vec<String>,
    ) -> Result<()> {
        match self.judge(row, now).await {
            Ok(Judged::Idle) => {}
            Ok(Judged::Queued) => looked.queued += 1,
            Ok(Judged::Waiting) => looked.waiting += 1,
            Ok(Judged::MarkAhead) => ahead.push(row.name.clone()),
            Err(Trouble::Catalog(error)) => return Err(error),
            Err(Trouble::Plan(error)) => {
                looked.broken += 1;
                if self.broken.insert(row.id.clone(), error.code()) != Some(error.code()) {
                    tracing::error!(plan = row.name, "{error}");
                    looked.told |= self.broken_plan(row, &error, now).await;
                }
                return Ok(());
            }
        }
        self.broken.remove(&row.id);
        Ok(())
    }

    async fn judge(&self, row: &PlanRow, now: Timestamp) -> Result<Judged, Trouble> {
        let catalog = self.engine.catalog();
        let schedule = match row.enabled {
            true => self.engine.meant(&row.name, &row.body).map_err(Trouble::Plan)?.schedule,
            false => None,
        };
        let Some(schedule) = schedule else {
            // Nothing is next; the mark stays, so that a clock that goes back repeats nothing.
            let timing = Timing { next_nominal: None, next_due: None, ..row.timing };
            self.move_on(row, timing).await?;
            return Ok(Judged::Idle);
        };
        if self.paused.is_some() && row.timing.next_due.is_some_and(|due| due <= now) {
            // It stays due, and all that comes meanwhile becomes one run.
            return Ok(Judged::Waiting);
        }
        let state = State {
            enabled: row.enabled,
            running: false,
            last_nominal: row.timing.last_nominal,
            last_success: row.last_success,
        };
        let mut due = schedule::due(&schedule, &row.id, &state, now).map_err(Trouble::Plan)?;
        if due.run.is_some() && catalog.has_open_backup(&row.id).await? {
            due = schedule::due(&schedule, &row.id, &State { running: true, ..state }, now).map_err(Trouble::Plan)?;
        }
        let mark_ahead = matches!(due.anomaly, Some(Anomaly::MarkAhead { .. }));
        if mark_ahead {
            let zone = schedule.time_zone().map_err(Trouble::Plan)?;
            let local = zone.to_datetime(now).strftime("%Y-%m-%dT%H:%M").to_string();
            catalog.free_occurrences(&row.id, &local).await?;
        }
        let queued = self.queue(row, &schedule, &due, now).await?;
        if due.waiting {
            // It stays due, and the next look finds it again.
            return Ok(Judged::Waiting);
        }
        let timing = Timing {
            next_nominal: due.next.map(|next| next.nominal),
            next_due: due.next_at,
            last_nominal: due.last_nominal,
        };
        self.move_on(row, timing).await?;
        Ok(match (mark_ahead, queued) {
            (true, _) => Judged::MarkAhead,
            (false, true) => Judged::Queued,
            (false, false) => Judged::Idle,
        })
    }

    /// Queues what is due, or notes what is given up.
    async fn queue(&self, row: &PlanRow, schedule: &Schedule, due: &Due, now: Timestamp) -> Result<bool> {
        let new = |planned: &Planned| {
            let cause = if planned.missed_count == 0 { Cause::Scheduled } else { Cause::CatchUp };
            let mut run = self.engine.new_backup_run(row, cause, now);
            run.occurrence = Some(schedule.key(&planned.occurrence));
            run.missed = i64::from(planned.missed_count);
            run.due_at = planned.at;
            run
        };
        let catalog = self.engine.catalog();
        if let Some(planned) = &due.run {
            return catalog.add_run(&new(planned), now).await;
        }
        if let Some((planned, Skipped::TooLate)) = &due.skipped {
            let late = now.duration_since(planned.at).as_mins();
            let message = format!("Given up because it was {late} minutes late");
            let why = json!({"code": "too_late", "message": message, "hint": null});
            catalog.add_missed_run(&new(planned), &why, now).await?;
        }
        Ok(false)
    }

    async fn move_on(&self, row: &PlanRow, timing: Timing) -> Result<()> {
        if timing != row.timing {
            // Somebody else may have looked, or changed the plan, since it was read; then theirs counts.
            self.engine.catalog().set_timing(&row.id, row.timing, timing).await?;
        }
        Ok(())
    }

    async fn broken_plan(&self, row: &PlanRow, error: &Error, now: Timestamp) -> bool {
        let event = Event {
            event: "backup_scheduler.settings_error".into(),
            user: None,
            resource_type: "plan".into(),
            resource_id: row.id.clone(),
            action: "schedule".into(),
            success: false,
            details: json!({"plan": row.name, "code": error.code(), "message": error.message()}),
        };
        self.engine.record(&Actor::daemon(), event).await;
        let mut notice = Notice::new(notice::Event::Failure, row.name.clone(), now);
        notice.error = Some(ErrorTold::from(error));
        self.engine.tell(&notice).await
    }

    /// Records it, tells people, and lets nothing be pruned for a day.
    async fn wrong_clock(&self, now: Timestamp, details: serde_json::Value) -> Result<()> {
        self.engine.distrust_clock().await?;
        let event = Event {
            event: "scheduler.clock_anomaly".into(),
            user: None,
            resource_type: "scheduler".into(),
            resource_id: String::new(),
            action: "check".into(),
            success: false,
            details,
        };
        self.engine.record(&Actor::daemon(), event).await;
        self.engine.tell(&Notice::new(notice::Event::ClockAnomaly, "", now)).await;
        Ok(())
    }
}

enum Judged {
    Idle,
    Queued,
    Waiting,
    MarkAhead,
}

enum Trouble {
    /// The catalog does not answer: nothing can be judged.
    Catalog(Error),
    /// This plan cannot be judged.
    Plan(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Catalog(error)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_look_sleeps_until_something_is_due() {
        let at = Timestamp::UNIX_EPOCH;
        let mut looked = Looked { at, queued: 0, waiting: 0, broken: 0, clock_wrong: false, next: None, told: false };
        assert_eq!(looked.sleep(), Duration::MAX);
        looked.next = Some(at + SignedDuration::from_secs(7));
        assert_eq!(looked.sleep(), Duration::from_secs(7));
        looked.next = Some(at - SignedDuration::from_secs(7));
        assert_eq!(looked.sleep(), Duration::ZERO);
    }
}
