//! Clocks that are set, machines that sleep, nights with 23 and with 25 hours: no occurrence twice, at most one run for
//! what was missed, and people are told when the clock cannot be trusted.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::time::Duration;

use recoup::catalog::Filter;
use recoup::clock::Clock;
use recoup::scheduler::Handle;
use scheduler_kit::{Place, at, stop};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

/// A plan that ran last night at 01:00 UTC; it is noon of 2 July 2026.
async fn after_a_night() -> (Place, Handle) {
    let place = Place::new("2026-07-01T12:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T01:00:00Z");
    place.settle(&handle).await;
    assert_eq!(place.runs("shop").await.len(), 1);
    place.pass_until("2026-07-02T12:00:00Z");
    assert!(!place.settle(&handle).await.clock_wrong);
    (place, handle)
}

/// What the runs of the plan stood for, the oldest first.
async fn missed(place: &Place) -> Vec<i64> {
    place.runs("shop").await.iter().map(|run| run.missed).collect()
}

async fn anomalies(place: &Place) -> usize {
    place.events("scheduler.clock_anomaly").await.len()
}

#[tokio::test]
async fn an_hour_forward_changes_nothing() {
    let (place, handle) = after_a_night().await;
    place.clock.forward(1);
    assert!(!place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await, [0]);
    assert_eq!(place.next("shop").await, "2026-07-03T01:00:00Z");
}

#[tokio::test]
async fn a_day_forward_is_one_run() {
    let (place, handle) = after_a_night().await;
    place.clock.forward(24);
    assert!(!place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await, [0, 1]);
    assert_eq!(place.next("shop").await, "2026-07-04T01:00:00Z");
    assert_eq!(anomalies(&place).await, 0);
}

#[tokio::test]
async fn a_month_forward_is_one_run_and_people_are_told() {
    let (place, handle) = after_a_night().await;
    place.clock.forward(30 * 24);
    assert!(place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await, [0, 30]);
    assert_eq!(place.next("shop").await, "2026-08-02T01:00:00Z");
    assert_eq!(anomalies(&place).await, 1);
    place.clock.pass(HOUR);
    assert!(!place.settle(&handle).await.clock_wrong);
    assert_eq!(anomalies(&place).await, 1);
}

#[tokio::test]
async fn after_a_leap_nothing_is_removed_for_a_day() {
    for hours in [-30 * 24, 40, 365 * 24] {
        let place = Place::new("2026-07-01T12:00:00Z").await;
        place.daily("shop").await;
        place.change("shop", json!({"retention": {"keep_count": 2}})).await;
        let handle = place.start().await;
        let backups = async || {
            let filter = Filter { plan: Some("shop".into()), limit: 100, ..Filter::default() };
            place.engine.catalog().backups(&filter).await.unwrap().len()
        };
        for _ in 0..5 {
            handle.check_now().await.unwrap();
            place.clock.pass(24 * HOUR);
            place.settle(&handle).await;
        }
        assert_eq!(backups().await, 2);
        place.clock.forward(hours);
        assert!(place.settle(&handle).await.clock_wrong, "{hours}");
        let catch_up = usize::from(hours > 0);
        assert_eq!(backups().await, 2 + catch_up, "{hours}");
        place.clock.pass(23 * HOUR);
        place.settle(&handle).await;
        assert_eq!(backups().await, 3 + catch_up, "{hours}");
        let paused = place.events("backup_retention.safety_check").await;
        assert!(paused.len() == 1 + catch_up && paused.iter().all(|event| event["code"] == "clock"), "{paused:?}");
        if hours > 0 {
            place.clock.pass(25 * HOUR);
            place.settle(&handle).await;
            assert_eq!(backups().await, 2, "{hours}: the day is over");
        }
        stop(&handle).await;
    }
}

#[tokio::test]
async fn a_month_forward_and_back_again_loses_no_night() {
    let (place, handle) = after_a_night().await;
    place.clock.forward(30 * 24);
    place.settle(&handle).await;
    for _ in 0..3 {
        place.clock.pass(24 * HOUR);
        place.settle(&handle).await;
    }
    assert_eq!(missed(&place).await, [0, 30, 1, 1, 1]);
    place.clock.forward(-30 * 24);
    assert!(place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await.len(), 5);
    assert_eq!(place.next("shop").await, "2026-07-06T01:00:00Z");
    // The nights of August come once more, and this time they are real.
    for day in 6..=40 {
        place.clock.pass(24 * HOUR);
        place.settle(&handle).await;
        assert_eq!(missed(&place).await.len(), day, "{}", place.clock.now());
    }
    assert_eq!(anomalies(&place).await, 2);
}

#[tokio::test]
async fn a_clock_that_is_set_back_repeats_nothing() {
    for (minutes, now) in [(5, "2026-07-02T01:03:00Z"), (60, "2026-07-02T01:05:00Z")] {
        let place = Place::new("2026-07-01T12:00:00Z").await;
        place.daily("shop").await;
        let handle = place.start().await;
        handle.check_now().await.unwrap();
        place.pass_until(now);
        place.settle(&handle).await;
        assert_eq!(missed(&place).await.len(), 1);
        place.clock.set(at(now) - jiff::SignedDuration::from_mins(minutes));
        for _ in 0..8 {
            assert!(!place.settle(&handle).await.clock_wrong);
            place.clock.pass(HOUR / 4);
        }
        assert_eq!(missed(&place).await.len(), 1, "{minutes} minutes");
        assert_eq!(place.next("shop").await, "2026-07-03T01:00:00Z");
        assert_eq!(anomalies(&place).await, 0);
        stop(&handle).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_set_back_by_a_month_goes_on_from_there() {
    let (place, handle) = after_a_night().await;
    place.clock.forward(-30 * 24);
    assert!(place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await, [0]);
    assert_eq!(place.next("shop").await, "2026-06-03T01:00:00Z");
    place.clock.pass(24 * HOUR);
    assert!(!place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await.len(), 2);
    assert_eq!(anomalies(&place).await, 1);
}

#[tokio::test]
async fn a_clock_that_was_wrong_while_nothing_ran_is_found_at_the_start() {
    let (place, handle) = after_a_night().await;
    stop(&handle).await;
    place.clock.forward(-30 * 24);
    handle.start().await.unwrap();
    assert!(handle.check_now().await.is_ok());
    assert_eq!(place.next("shop").await, "2026-06-03T01:00:00Z");
    let told = place.events("scheduler.clock_anomaly").await;
    assert_eq!(told, [json!({"why": "marks_ahead", "plans": ["shop"]})]);
}

#[tokio::test]
async fn a_weekend_asleep_is_one_run_and_no_alarm() {
    let (place, handle) = after_a_night().await;
    place.clock.sleep(64 * HOUR);
    assert!(!place.settle(&handle).await.clock_wrong);
    assert_eq!(missed(&place).await, [0, 3]);
    assert_eq!(anomalies(&place).await, 0);
}

#[tokio::test]
async fn by_an_impossible_clock_nothing_runs_and_nothing_is_forgotten() {
    for wrong in ["1970-01-01T00:00:05Z", "2098-01-01T00:00:00Z"] {
        let (place, handle) = after_a_night().await;
        place.set(wrong);
        for _ in 0..3 {
            assert!(place.settle(&handle).await.clock_wrong);
            place.clock.pass(24 * HOUR);
        }
        assert_eq!(missed(&place).await, [0]);
        assert_eq!(place.next("shop").await, "2026-07-03T01:00:00Z");
        assert_eq!(anomalies(&place).await, 1);
        place.set("2026-07-05T12:00:00Z");
        place.settle(&handle).await;
        assert_eq!(missed(&place).await, [0, 3]);
        assert_eq!(place.next("shop").await, "2026-07-06T01:00:00Z");
        assert_eq!(anomalies(&place).await, 1);
        stop(&handle).await;
    }
}

#[tokio::test]
async fn every_night_has_one_run_also_those_with_23_and_25_hours() {
    for (from, nights, times) in [
        ("2026-03-27T12:00:00Z", 3, ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("2026-10-23T12:00:00Z", 3, ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    ] {
        let place = Place::new(from).await;
        place.plan("shop", json!({"every": "daily", "at": "02:30", "zone": "Europe/Berlin"})).await;
        let handle = place.start().await;
        for _ in 0..nights * 48 {
            place.settle(&handle).await;
            place.clock.pass(HOUR / 2);
        }
        let runs = place.runs("shop").await;
        let started: Vec<String> = runs.iter().map(|run| run.started_at.unwrap().to_string()).collect();
        assert_eq!(started, times);
        assert!(runs.iter().all(|run| run.missed == 0));
        stop(&handle).await;
    }
}

#[tokio::test]
async fn another_zone_is_another_time_and_starts_nothing_of_the_past() {
    let (place, handle) = after_a_night().await;
    let overseas = json!({"schedule": {"every": "daily", "at": "03:00", "zone": "America/New_York"}});
    place.change("shop", overseas).await;
    place.clock.pass(HOUR);
    place.settle(&handle).await;
    assert_eq!(place.next("shop").await, "2026-07-03T07:00:00Z");
    place.pass_until("2026-07-03T07:00:00Z");
    place.settle(&handle).await;
    assert_eq!(missed(&place).await, [0, 0]);
    assert_eq!(place.runs("shop").await[1].occurrence.as_deref(), Some("2026-07-03T03:00[America/New_York]"));
}
