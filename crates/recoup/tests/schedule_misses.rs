//! What is done about times that passed, clocks that jump and plans that are switched off: all of it follows
//! from one remembered high-water mark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use recoup::model::schedule::{Anomaly, Due, Schedule, Skipped, State, Written, due, due_in};

const BERLIN: &str = "Europe/Berlin";

fn zone() -> TimeZone {
    TimeZoneDatabase::bundled().get(BERLIN).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn every(every: &str, time: Option<&str>) -> Schedule {
    let (every, time, zone) = (Some(every.to_owned()), time.map(str::to_owned), Some(BERLIN.to_owned()));
    Written { every, at: time, zone, ..Written::default() }.meant(None).unwrap()
}

fn nightly() -> Schedule {
    every("daily", Some("03:00"))
}

fn since(last_nominal: &str) -> State {
    State { enabled: true, running: false, last_nominal: Some(at(last_nominal)), last_success: None }
}

fn look(schedule: &Schedule, state: &State, now: &str) -> Due {
    due_in(&zone(), schedule, "shop", state, at(now)).unwrap()
}

/// Nominal time and missed count of the run to start.
fn run(due: &Due) -> Option<(String, u32)> {
    due.run.map(|planned| (planned.occurrence.nominal.to_string(), planned.missed_count))
}

fn next(due: &Due) -> String {
    due.next.unwrap().nominal.to_string()
}

#[test]
fn all_that_was_missed_is_one_run_for_the_latest() {
    let told = look(&nightly(), &since("2026-10-22T01:00:00Z"), "2026-10-25T09:15:00Z");
    assert_eq!(run(&told), Some(("2026-10-25T02:00:00Z".into(), 3)));
    assert_eq!(next(&told), "2026-10-26T02:00:00Z");
    assert_eq!(told.last_nominal, Some(at("2026-10-25T02:00:00Z")));
    // The same question again: nothing.
    let state = State { last_nominal: told.last_nominal, ..since("2026-10-22T01:00:00Z") };
    assert_eq!(run(&look(&nightly(), &state, "2026-10-25T09:15:30Z")), None);
}

#[test]
fn a_run_over_two_nights_is_followed_by_one_run_right_after() {
    let mut state = State { running: true, ..since("2026-10-24T01:00:00Z") };
    for now in ["2026-10-25T02:00:10Z", "2026-10-26T02:00:10Z", "2026-10-26T03:59:00Z"] {
        let told = look(&nightly(), &state, now);
        assert_eq!((run(&told), told.waiting), (None, true), "{now}");
        state.last_nominal = told.last_nominal;
    }
    state.running = false;
    let told = look(&nightly(), &state, "2026-10-26T04:00:00Z");
    assert_eq!(run(&told), Some(("2026-10-26T02:00:00Z".into(), 2)));
    assert_eq!((next(&told), told.waiting), ("2026-10-27T02:00:00Z".into(), false));
}

#[test]
fn a_machine_that_slept_over_the_minute_is_on_time() {
    let told = look(&nightly(), &since("2026-10-22T01:00:00Z"), "2026-10-23T01:00:20Z");
    assert_eq!(run(&told), Some(("2026-10-23T01:00:00Z".into(), 0)));
    // The one of the night before was missed, this one is not.
    let told = look(&nightly(), &since("2026-10-21T01:00:00Z"), "2026-10-23T01:00:20Z");
    assert_eq!(run(&told), Some(("2026-10-23T01:00:00Z".into(), 1)));
}

#[test]
fn a_clock_that_is_set_back_repeats_nothing() {
    let told = look(&nightly(), &since("2026-10-23T01:00:00Z"), "2026-10-23T00:30:00Z");
    assert_eq!((run(&told), next(&told)), (None, "2026-10-24T01:00:00Z".into()));
    let again = look(&nightly(), &since("2026-10-23T01:00:00Z"), "2026-10-23T01:00:00Z");
    assert_eq!((run(&again), again.anomaly), (None, None));
    // Two days back is still no anomaly; the next run is the one after the mark.
    let told = look(&nightly(), &since("2026-10-25T02:00:00Z"), "2026-10-23T02:00:00Z");
    assert_eq!((told.anomaly, next(&told)), (None, "2026-10-26T02:00:00Z".into()));
}

#[test]
fn a_mark_far_ahead_is_an_anomaly_and_backups_go_on_tonight() {
    let (mark, now) = ("2026-12-01T02:00:00Z", "2026-10-23T12:00:00Z");
    let told = look(&nightly(), &since(mark), now);
    let retention_paused_until = at("2026-10-24T12:00:00Z");
    assert_eq!(told.anomaly, Some(Anomaly::MarkAhead { mark: at(mark), retention_paused_until }));
    assert_eq!((run(&told), next(&told)), (None, "2026-10-24T01:00:00Z".into()));
    assert_eq!(told.last_nominal, Some(at("2026-10-23T01:00:00Z")));
    let tonight = look(&nightly(), &State { last_nominal: told.last_nominal, ..since(mark) }, "2026-10-24T01:00:05Z");
    assert_eq!((run(&tonight), tonight.anomaly), (Some(("2026-10-24T01:00:00Z".into(), 0)), None));
    let yearly = look(&every("0 3 1 1 *", None), &since(mark), now);
    assert_eq!(yearly.last_nominal, Some(at("2026-01-01T02:00:00Z")));
    let rolling = look(&every("rolling-weekly", None), &since(mark), now);
    assert_eq!((rolling.last_nominal, next(&rolling)), (Some(at(now)), "2026-10-30T02:00:00Z".into()));
}

#[test]
fn at_an_hour_that_cannot_be_nothing_runs() {
    for now in ["1970-01-01T00:10:00Z", "2023-12-31T23:59:59Z", "2042-01-01T00:00:01Z", "2106-02-07T06:28:16Z"] {
        let told = look(&nightly(), &since("2026-10-23T01:00:00Z"), now);
        assert_eq!((told.anomaly, run(&told), told.next), (Some(Anomaly::Impossible), None, None), "{now}");
        assert_eq!(told.last_nominal, Some(at("2026-10-23T01:00:00Z")), "the mark survives");
    }
    assert_eq!(look(&nightly(), &since("2024-01-01T00:00:00Z"), "2024-01-01T00:00:00Z").anomaly, None);
}

#[test]
fn a_plan_that_was_off_catches_nothing_up() {
    let off = State { enabled: false, ..since("2026-10-19T01:00:00Z") };
    let told = look(&nightly(), &off, "2026-10-22T12:00:00Z");
    assert_eq!((run(&told), told.next, told.next_at), (None, None, None));
    // Who enables it remembers the moment.
    let told = look(&nightly(), &since("2026-10-25T12:00:00Z"), "2026-10-25T12:00:00Z");
    assert_eq!((run(&told), next(&told)), (None, "2026-10-26T02:00:00Z".into()));
    let fresh = State { last_nominal: None, ..since("2026-10-25T12:00:00Z") };
    let told = look(&nightly(), &fresh, "2026-10-25T12:00:00Z");
    assert_eq!((run(&told), told.last_nominal), (None, Some(at("2026-10-25T12:00:00Z"))));
}

#[test]
fn an_edited_schedule_does_not_fire_for_times_before_the_edit() {
    let edited = look(&every("daily", Some("02:00")), &since("2026-10-23T12:00:00Z"), "2026-10-23T12:00:00Z");
    assert_eq!((run(&edited), next(&edited)), (None, "2026-10-24T00:00:00Z".into()));
}

#[test]
fn a_run_by_hand_does_not_move_the_schedule_unless_asked_to() {
    let by_hand = State { last_success: Some(at("2026-10-23T00:58:00Z")), ..since("2026-10-22T01:00:00Z") };
    let now = "2026-10-23T01:00:05Z";
    assert_eq!(run(&look(&nightly(), &by_hand, now)), Some(("2026-10-23T01:00:00Z".into(), 0)));
    let sparing = Schedule { skip_if_success_within: Some(Duration::from_secs(3600)), ..nightly() };
    let told = look(&sparing, &by_hand, now);
    assert_eq!((run(&told), told.skipped.unwrap().1), (None, Skipped::RecentSuccess));
    assert_eq!(told.last_nominal, Some(at("2026-10-23T01:00:00Z")), "it is not looked at again");
    let long_ago = State { last_success: Some(at("2026-10-22T23:59:00Z")), ..by_hand };
    assert!(run(&look(&sparing, &long_ago, now)).is_some());
    let by_a_wrong_clock = State { last_success: Some(at("2026-10-30T00:00:00Z")), ..by_hand };
    assert!(run(&look(&sparing, &by_a_wrong_clock, now)).is_some());
}

#[test]
fn a_run_that_would_be_too_late_is_given_up_and_told() {
    let strict = Schedule { skip_if_later_than: Some(Duration::from_secs(6 * 3600)), ..nightly() };
    let told = look(&strict, &since("2026-10-22T01:00:00Z"), "2026-10-25T09:15:00Z");
    let (planned, why) = told.skipped.unwrap();
    assert_eq!((run(&told), why, planned.missed_count), (None, Skipped::TooLate, 3));
    assert_eq!((told.last_nominal, next(&told)), (Some(planned.occurrence.nominal), "2026-10-26T02:00:00Z".into()));
    let told = look(&strict, &since("2026-10-22T01:00:00Z"), "2026-10-25T08:00:00Z");
    assert_eq!(run(&told), Some(("2026-10-25T02:00:00Z".into(), 3)), "six hours late to the second");
}

#[test]
fn a_month_without_a_run_of_every_minute_is_one_run_and_no_long_work() {
    let busy = every("* * * * *", None);
    let told = look(&busy, &since("2026-09-01T00:00:00Z"), "2026-10-01T00:00:30Z");
    assert_eq!(run(&told), Some(("2026-10-01T00:00:00Z".into(), 9_999)));
    let told = look(&busy, &since("2026-10-01T00:00:00Z"), "2026-10-01T00:10:30Z");
    assert_eq!(run(&told), Some(("2026-10-01T00:10:00Z".into(), 9)));
    let leap = look(&every("0 3 29 2 *", None), &since("2024-03-01T00:00:00Z"), "2036-06-01T00:00:00Z");
    assert_eq!(run(&leap), Some(("2036-02-29T02:00:00Z".into(), 3)));
    assert_eq!(next(&leap), "2040-02-29T02:00:00Z");
}

#[test]
fn jitter_moves_the_start_and_not_the_name() {
    let spread = Schedule { jitter: Duration::from_secs(3600), ..nightly() };
    let offset = spread.offset("shop");
    // The first 64 bits of SHA-256 of the id, modulo the window: every daemon and every version must agree.
    assert_eq!(offset.as_secs(), 2125);
    let due_at = at("2026-10-23T01:00:00Z") + offset;
    let before =
        due_in(&zone(), &spread, "shop", &since("2026-10-22T01:00:00Z"), due_at - SignedDuration::from_secs(1));
    let before = before.unwrap();
    assert_eq!((run(&before), before.next_at), (None, Some(due_at)));
    let told = due_in(&zone(), &spread, "shop", &since("2026-10-22T01:00:00Z"), due_at).unwrap();
    assert_eq!(run(&told), Some(("2026-10-23T01:00:00Z".into(), 0)));
    assert_eq!(spread.key(&told.run.unwrap().occurrence), "2026-10-23T03:00[Europe/Berlin]");
    assert_eq!(told.next_at, Some(at("2026-10-24T01:00:00Z") + offset));
}

#[test]
fn five_hundred_plans_spread_over_the_window() {
    let spread = Schedule { jitter: Duration::from_secs(600), ..nightly() };
    let offsets: Vec<i64> = (0..500).map(|n| spread.offset(&format!("plan-{n}")).as_secs()).collect();
    assert!(offsets.iter().all(|offset| (0..600).contains(offset)));
    assert!(offsets.iter().collect::<BTreeSet<_>>().len() > 250);
    let busiest = (0..10).map(|minute| offsets.iter().filter(|offset| **offset / 60 == minute).count()).max();
    assert!(busiest.unwrap() < 100, "{busiest:?}");
    assert_eq!(nightly().offset("plan-1"), SignedDuration::ZERO);
}

#[test]
fn a_zone_that_is_gone_is_an_error_and_never_another_zone() {
    let lost = Schedule { zone: "Mars/Olympus".into(), ..nightly() };
    let error = due(&lost, "shop", &since("2026-10-22T01:00:00Z"), at("2026-10-23T01:00:00Z")).unwrap_err();
    assert_eq!((error.code(), error.message()), ("bad_zone", "Unknown time zone: Mars/Olympus"));
    assert!(lost.next(at("2026-10-23T01:00:00Z"), None).is_err());
}

/// The law of a zone changes: the rule stays what it was, and the instant follows the new table.
#[test]
fn a_new_law_moves_the_instant_and_keeps_the_name() {
    let old = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let new = TimeZone::posix("CEST-2").unwrap();
    let (before, after) = (at("2026-12-01T00:00:00Z"), nightly());
    let (a, b) = (after.next_in(&old, before, None).unwrap(), after.next_in(&new, before, None).unwrap());
    assert_eq!((a.nominal, b.nominal), (at("2026-12-01T02:00:00Z"), at("2026-12-01T01:00:00Z")));
    assert_eq!(after.key(&a), after.key(&b));
}
