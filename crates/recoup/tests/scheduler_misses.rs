//! Times that passed while nothing ran, runs that take longer than a day, plans that are changed: what the scheduler
//! makes of them. A clock that is moved by hand, a real catalog.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use recoup::engine::Actor;
use recoup::model::Outcome;
use recoup::model::job::Cause;
use scheduler_kit::{Gate, Place, stop};
use serde_json::json;

#[tokio::test]
async fn times_missed_while_off_become_one_run() {
    let place = Place::new("2026-10-22T20:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    assert_eq!(place.next("shop").await, "2026-10-23T01:00:00Z");
    stop(&handle).await;
    place.pass_until("2026-10-25T09:15:00Z");
    handle.start().await.unwrap();
    assert!(!place.settle(&handle).await.clock_wrong);
    let runs = place.runs("shop").await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!((runs[0].missed, runs[0].cause, runs[0].outcome), (3, Cause::CatchUp, Some(Outcome::Good)));
    assert_eq!(runs[0].occurrence.as_deref(), Some("2026-10-25T03:00[Europe/Berlin]"));
    assert_eq!(runs[0].started_at.unwrap().to_string(), "2026-10-25T09:15:00Z");
    assert_eq!(place.next("shop").await, "2026-10-26T02:00:00Z");
}

#[tokio::test]
async fn what_is_due_while_everything_is_paused_becomes_one_run_when_it_is_resumed() {
    let place = Place::new("2026-10-22T20:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    let pause = place.engine.pause(&Actor::daemon(), None).await.unwrap();
    assert_eq!(place.engine.pause(&Actor::daemon(), None).await.unwrap(), pause, "once is enough");
    for now in ["2026-10-23T01:00:00Z", "2026-10-24T09:15:00Z"] {
        place.pass_until(now);
        let looked = handle.check_now().await.unwrap();
        assert_eq!((looked.queued, looked.waiting, place.runs("shop").await.len()), (0, 1, 0), "{now}");
    }
    // A restart changes nothing.
    stop(&handle).await;
    handle.start().await.unwrap();
    assert_eq!(handle.check_now().await.unwrap().queued, 0);
    place.engine.resume(&Actor::daemon()).await.unwrap();
    assert_eq!(place.engine.paused().await.unwrap(), None);
    place.settle(&handle).await;
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[0].missed, runs[0].outcome), (1, 2, Some(Outcome::Good)), "{runs:?}");
    assert_eq!(place.next("shop").await, "2026-10-25T02:00:00Z");
    assert_eq!((place.events("scheduler.paused").await.len(), place.events("scheduler.resumed").await.len()), (1, 1));
}

#[tokio::test]
async fn a_pause_that_has_an_end_ends_by_itself() {
    let place = Place::new("2026-10-22T20:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.engine.pause(&Actor::daemon(), Some("1h")).await.unwrap();
    let longer = place.engine.pause(&Actor::daemon(), Some("2026-10-24T09:00:00Z")).await.unwrap();
    assert_eq!(
        (longer.since, place.engine.paused().await.unwrap()),
        (place.engine.clock().now(), Some(longer.clone()))
    );
    for now in ["2026-10-23T01:00:00Z", "2026-10-24T08:59:59Z"] {
        place.pass_until(now);
        let looked = handle.check_now().await.unwrap();
        assert_eq!((looked.queued, looked.waiting, place.runs("shop").await.len()), (0, 1, 0), "{now}");
        assert_eq!(looked.next, longer.until, "it wakes by itself");
    }
    place.pass_until("2026-10-24T09:00:00Z");
    place.settle(&handle).await;
    assert_eq!(place.engine.paused().await.unwrap(), None);
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[0].missed, runs[0].outcome), (1, 2, Some(Outcome::Good)), "{runs:?}");
    // Nothing was written, and there is nothing to resume.
    place.engine.resume(&Actor::daemon()).await.unwrap();
    assert_eq!((place.events("scheduler.paused").await.len(), place.events("scheduler.resumed").await.len()), (2, 0));
}

#[tokio::test]
async fn a_run_that_takes_days_is_followed_by_one_for_all_that_came_meanwhile() {
    let gate = Arc::new(Gate::default());
    let inside = gate.clone();
    let place = Place::with("2026-10-23T12:00:00Z", move |_| inside.pass()).await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    for (now, waiting) in [("2026-10-24T01:00:00Z", 0), ("2026-10-25T02:00:00Z", 1), ("2026-10-26T02:00:00Z", 1)] {
        place.pass_until(now);
        assert_eq!(handle.check_now().await.unwrap().waiting, waiting, "{now}");
        assert_eq!(place.runs("shop").await.len(), 1);
    }
    place.pass_until("2026-10-26T04:00:00Z");
    gate.open();
    place.until(async || place.runs("shop").await.len() == 2).await;
    place.quiet(&handle).await;
    let runs = place.runs("shop").await;
    assert_eq!(runs.iter().map(|run| run.missed).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(runs[1].occurrence.as_deref(), Some("2026-10-26T03:00[Europe/Berlin]"));
    assert_eq!(place.next("shop").await, "2026-10-27T02:00:00Z");
}

#[tokio::test]
async fn a_machine_that_slept_over_the_minute_runs_once_and_on_time() {
    let place = Place::new("2026-07-01T00:59:50Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.clock.sleep(std::time::Duration::from_secs(30));
    assert!(!place.settle(&handle).await.clock_wrong);
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[0].missed, runs[0].cause), (1, 0, Cause::Scheduled));
    assert_eq!(place.next("shop").await, "2026-07-02T01:00:00Z");
}

#[tokio::test]
async fn a_plan_that_was_disabled_makes_up_for_nothing() {
    let place = Place::new("2026-10-20T12:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.change("shop", json!({"enabled": false})).await;
    for day in 21..=25 {
        place.pass_until(&format!("2026-10-{day}T12:00:00Z"));
        place.settle(&handle).await;
        assert_eq!(place.next("shop").await, "never");
    }
    place.change("shop", json!({"enabled": true})).await;
    place.clock.pass(std::time::Duration::from_secs(3600));
    place.settle(&handle).await;
    assert_eq!(place.runs("shop").await.len(), 0);
    assert_eq!(place.next("shop").await, "2026-10-26T02:00:00Z");
}

#[tokio::test]
async fn an_edited_schedule_starts_nothing_of_the_past() {
    let place = Place::new("2026-07-01T12:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    let earlier_today = json!({"schedule": {"every": "daily", "at": "12:00", "zone": "Europe/Berlin"}});
    place.change("shop", earlier_today).await;
    place.clock.pass(std::time::Duration::from_secs(3600));
    place.settle(&handle).await;
    assert_eq!(place.runs("shop").await.len(), 0);
    assert_eq!(place.next("shop").await, "2026-07-02T10:00:00Z");
}

#[tokio::test]
async fn what_is_too_late_is_noted_as_missed() {
    let place = Place::new("2026-07-01T00:00:00Z").await;
    let schedule = json!({"every": "daily", "at": "03:00", "zone": "UTC", "skip_if_later_than": "6h"});
    place.plan("shop", schedule).await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-01T09:30:00Z");
    place.settle(&handle).await;
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[0].outcome, runs[0].started_at), (1, Some(Outcome::Missed), None));
    assert_eq!(runs[0].error.as_ref().unwrap()["message"], "Given up because it was 390 minutes late");
    assert_eq!(place.next("shop").await, "2026-07-02T03:00:00Z");
}

#[tokio::test]
async fn a_plan_that_makes_no_sense_any_more_is_told_once_and_stops_no_other() {
    let place = Place::new("2026-07-01T00:00:00Z").await;
    place.daily("bad").await;
    place.daily("good").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    // As after an update that no longer has the zone: the row stays as it is.
    let row = place.row("bad").await;
    let mut lost = row.body.clone();
    lost["schedule"]["zone"] = json!("Mars/Olympus");
    place.engine.catalog().update_plan(&row.id, None, &lost, true, row.timing, row.created_at).await.unwrap();
    place.pass_until("2026-07-01T01:00:00Z");
    for _ in 0..3 {
        assert_eq!(place.settle(&handle).await.broken, 1);
    }
    assert_eq!((place.runs("bad").await.len(), place.runs("good").await.len()), (0, 1));
    assert_eq!(place.row("bad").await.timing, row.timing, "the next time is kept");
    assert_eq!(place.events("backup_scheduler.settings_error").await.len(), 1);
}

#[tokio::test]
async fn a_run_that_panics_ends_as_failed_and_the_worker_goes_on() {
    let first = AtomicBool::new(true);
    let place = Place::with("2026-07-01T00:00:00Z", move |_| {
        assert!(!first.swap(false, Ordering::SeqCst), "the first run panics");
    })
    .await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    for day in 1..=2 {
        place.pass_until(&format!("2026-07-0{day}T01:00:00Z"));
        place.settle(&handle).await;
    }
    let outcomes: Vec<_> = place.runs("shop").await.iter().map(|run| run.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Good]);
}
