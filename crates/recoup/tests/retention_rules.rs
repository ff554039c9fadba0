//! What is kept and why: worked examples, day by day, and the steady state of 7/4/12.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use recoup::model::BackupId;
use recoup::model::forecast::{forecast, rhythm};
use recoup::model::retention::{Class, Decision, Item, Policy, decide};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn item(created_at: Timestamp, class: Class) -> Item {
    Item { id: BackupId::generate(created_at), created_at, class, proven: false, damaged_since: None }
}

fn good(text: &str) -> Item {
    item(at(text), Class::Good)
}

/// One a day at 03:00Z, from the first day on.
fn dailies(first: &str, days: i64) -> Vec<Item> {
    let first = at(&format!("{first}T03:00:00Z"));
    (0..days).map(|day| item(first + SignedDuration::from_hours(24 * day), Class::Good)).collect()
}

fn days_of(items: &[Item], decisions: &[Decision], keep: bool) -> Vec<String> {
    let kept: BTreeSet<&BackupId> = decisions.iter().filter(|d| d.keep == keep).map(|d| &d.id).collect();
    let mut days: Vec<String> = items
        .iter()
        .filter(|item| kept.contains(&item.id))
        .map(|item| item.created_at.to_string()[..10].to_owned())
        .collect();
    days.sort();
    days
}

fn kept(policy: &Policy, items: &[Item], now: &str) -> Vec<String> {
    days_of(items, &decide(policy, items, at(now)).unwrap(), true)
}

fn reasons<'a>(items: &[Item], decisions: &'a [Decision], day: &str) -> &'a [String] {
    let id = &items.iter().find(|item| item.created_at.to_string().starts_with(day)).unwrap().id;
    &decisions.iter().find(|decision| decision.id == *id).unwrap().reasons
}

#[test]
fn seven_days_four_weeks_twelve_months_of_ninety_dailies_keep_eleven_each_with_its_reasons() {
    let items = dailies("2026-01-01", 90);
    let policy: Policy = "7-4-12".parse().unwrap();
    let decisions = decide(&policy, &items, at("2026-03-31T04:00:00Z")).unwrap();
    let expected = [
        "2026-01-31",
        "2026-02-28",
        "2026-03-15",
        "2026-03-22",
        "2026-03-25",
        "2026-03-26",
        "2026-03-27",
        "2026-03-28",
        "2026-03-29",
        "2026-03-30",
        "2026-03-31",
    ];
    assert_eq!(days_of(&items, &decisions, true), expected);
    assert_eq!(decisions.len(), 90);
    let told = |day| reasons(&items, &decisions, day).to_vec();
    let every = "every one of the last 7 days";
    assert_eq!(told("2026-03-31"), [every, "daily 1 of 7", "weekly 1 of 4", "monthly 1 of 12"]);
    assert_eq!(told("2026-03-30"), [every, "daily 2 of 7"]);
    assert_eq!(told("2026-03-29"), [every, "daily 3 of 7", "weekly 2 of 4"]);
    assert_eq!(told("2026-03-15"), ["weekly 4 of 4"]);
    assert_eq!(told("2026-02-28"), ["monthly 2 of 12"]);
    let gone = ["older than the 7 daily", "its week has a newer one", "its month has a newer one"];
    assert_eq!(told("2026-03-18"), gone);
    assert_eq!(told("2026-03-08"), ["older than the 7 daily", "older than the 4 weekly", "its month has a newer one"]);
}

#[test]
fn a_backup_exactly_as_old_as_the_limit_is_kept_and_goes_with_the_next_one() {
    let policy = Policy { days: 30, ..Policy::default() };
    let mut items = dailies("2026-03-01", 31);
    assert_eq!(kept(&policy, &items, "2026-03-31T03:00:01Z").len(), 31);
    items.push(good("2026-04-01T03:00:00Z"));
    let decisions = decide(&policy, &items, at("2026-04-01T03:00:01Z")).unwrap();
    assert_eq!(days_of(&items, &decisions, false), ["2026-03-01"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-01"), ["older than 30 days"]);
}

#[test]
fn the_last_hour_by_the_minute_and_the_day_by_the_hour() {
    let policy = Policy { minutely: 60, hourly: 3, ..Policy::default() };
    // Every half minute for three hours.
    let first = at("2026-03-31T00:00:10Z");
    let items: Vec<_> = (0..360).map(|n| item(first + SignedDuration::from_secs(n * 30), Class::Good)).collect();
    let kept = kept(&policy, &items, "2026-03-31T03:00:00Z");
    assert_eq!(kept.len(), 60 + 2, "{kept:?}");
    let decisions = decide(&policy, &items, at("2026-03-31T03:00:00Z")).unwrap();
    assert_eq!(decisions[0].reasons, ["minutely 1 of 60", "hourly 1 of 3"]);
    assert_eq!(decisions[1].reasons, ["its minute has a newer one", "its hour has a newer one"]);
    assert_eq!(decisions[120].reasons, ["hourly 2 of 3"]);
}

#[test]
fn rules_add_up_and_never_cancel_each_other() {
    let policy = Policy { days: 14, keep_count: 7, ..Policy::default() };
    let items = dailies("2026-03-01", 31);
    let kept = kept(&policy, &items, "2026-03-31T03:00:01Z");
    assert_eq!((kept.len(), kept[0].as_str()), (15, "2026-03-17"));
}

#[test]
fn a_machine_that_was_off_for_weeks_loses_nothing_by_it() {
    let policy = Policy { daily: 7, every_of_recent_days: false, ..Policy::default() };
    let mut items = dailies("2026-03-01", 7);
    items.push(good("2026-05-01T03:00:00Z"));
    let kept = kept(&policy, &items, "2026-05-01T04:00:00Z");
    assert_eq!(kept.len(), 7, "the days that have a backup are counted, not those on the calendar: {kept:?}");
    assert_eq!(kept[0], "2026-03-02");
}

#[test]
fn a_clock_three_years_ahead_decides_as_on_the_day_of_the_newest_backup() {
    let policy = Policy { days: 7, keep_count: 3, ..Policy::default() };
    let items = dailies("2026-03-01", 10);
    let today = kept(&policy, &items, "2026-03-10T03:00:01Z");
    assert_eq!((today.len(), today[0].as_str()), (8, "2026-03-03"));
    assert_eq!(kept(&policy, &items, "2029-03-10T03:00:01Z"), today);
}

#[test]
fn a_backup_dated_in_the_future_is_kept_flagged_and_not_counted() {
    let policy = Policy { keep_count: 3, ..Policy::default() };
    let mut items = dailies("2026-03-01", 10);
    items.push(good("2042-01-01T00:00:00Z"));
    let decisions = decide(&policy, &items, at("2026-03-10T03:00:01Z")).unwrap();
    assert_eq!(days_of(&items, &decisions, true), ["2026-03-08", "2026-03-09", "2026-03-10", "2042-01-01"]);
    assert_eq!(reasons(&items, &decisions, "2042"), ["it is dated in the future: it does not count"]);
}

#[test]
fn damaged_protected_and_unverified_backups_use_no_quota() {
    let policy = Policy { keep_count: 2, ..Policy::default() };
    let mut items = dailies("2026-03-01", 10);
    items[9].class = Class::Unverified;
    items[8].class = Class::Corrupt;
    items[0].class = Class::Protected;
    items.push(item(at("2026-03-05T12:00:00Z"), Class::Protected));
    let decisions = decide(&policy, &items, at("2026-03-10T03:00:01Z")).unwrap();
    let goes = days_of(&items, &decisions, false);
    assert_eq!(goes, ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-08"), ["newest 1 of 2"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-07"), ["newest 2 of 2"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-01"), ["it is protected"]);
}

#[test]
fn a_damaged_backup_goes_after_seven_days_and_only_when_a_newer_one_is_good() {
    let policy = Policy { keep_count: 5, ..Policy::default() };
    let mut items = dailies("2026-03-01", 3);
    let gone = |items: &[Item], now: &str| days_of(items, &decide(&policy, items, at(now)).unwrap(), false);
    items[1].class = Class::Corrupt;
    assert_eq!(gone(&items, "2026-06-01T00:00:00Z"), [""; 0], "nobody knows since when");
    items[1].damaged_since = Some(at("2026-05-26T00:00:00Z"));
    assert_eq!(gone(&items, "2026-06-01T00:00:00Z"), [""; 0]);
    assert_eq!(gone(&items, "2026-06-02T00:00:00Z"), ["2026-03-02"]);
    items[2].class = Class::Warned;
    assert_eq!(gone(&items, "2026-06-02T00:00:00Z"), [""; 0], "the newer one is not good without reserve");
}

#[test]
fn the_newest_good_one_stays_behind_any_number_with_warnings() {
    let policy = Policy { keep_count: 2, min_keep: 2, ..Policy::default() };
    let mut items = dailies("2026-03-01", 10);
    items[4..].iter_mut().for_each(|item| item.class = Class::Warned);
    items[1].proven = true;
    let decisions = decide(&policy, &items, at("2026-03-10T03:00:01Z")).unwrap();
    let kept = days_of(&items, &decisions, true);
    assert_eq!(kept, ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-09", "2026-03-10"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-04"), ["never fewer than the floor"]);
    assert_eq!(reasons(&items, &decisions, "2026-03-02"), ["the newest that a test restore proved"]);
}

#[test]
fn of_two_in_the_same_second_always_the_same_one_stays() {
    let policy = Policy { keep_count: 1, ..Policy::default() };
    let mut items = vec![good("2026-03-01T03:00:00Z"), good("2026-03-01T03:00:00Z")];
    let newest = items.iter().map(|item| item.id.clone()).max().unwrap();
    for _ in 0..2 {
        let decisions = decide(&policy, &items, at("2026-03-01T03:00:01Z")).unwrap();
        let kept: Vec<BackupId> = decisions.into_iter().filter(|d| d.keep).map(|d| d.id).collect();
        assert_eq!(kept, std::slice::from_ref(&newest));
        items.reverse();
    }
}

#[test]
fn days_are_those_of_the_policys_zone_also_when_they_have_25_hours() {
    let items = [good("2026-10-24T22:30:00Z"), good("2026-10-25T22:30:00Z"), good("2026-10-25T23:30:00Z")];
    let policy = |zone: &str| Policy { daily: 1, every_of_recent_days: false, zone: zone.into(), ..Policy::default() };
    let count = |zone: &str, n| {
        let policy = Policy { daily: n, ..policy(zone) };
        kept(&policy, &items, "2026-10-26T00:00:00Z").len()
    };
    // In Berlin: the 25th 00:30 in summer time, the 25th 23:30 in winter time, the 26th 00:30.
    assert_eq!((count("Europe/Berlin", 9), count("UTC", 9)), (2, 2));
    let first = |zone: &str| {
        let decisions = decide(&Policy { daily: 9, ..policy(zone) }, &items, at("2026-10-26T00:00:00Z")).unwrap();
        decisions[2].keep
    };
    assert!(!first("Europe/Berlin"), "the day of 25 hours is one day");
    assert!(first("UTC"));
}

#[test]
fn an_unknown_zone_or_a_number_out_of_range_decides_nothing() {
    let items = dailies("2026-03-01", 3);
    let refused = |policy: Policy| decide(&policy, &items, at("2026-03-10T00:00:00Z")).unwrap_err().code();
    assert_eq!(refused(Policy { zone: "Europe/Atlantis".into(), ..Policy::default() }), "bad_zone");
    for policy in [
        Policy { days: 366, ..Policy::default() },
        Policy { keep_count: 31, ..Policy::default() },
        Policy { weekly: 367, ..Policy::default() },
        Policy { min_keep: 0, allow_large: true, ..Policy::default() },
    ] {
        assert_eq!(refused(policy), "bad_retention");
    }
    let large = Policy { days: 1000, keep_count: 500, allow_large: true, ..Policy::default() };
    large.check().unwrap();
    for text in ["{\"days\": null}", "{\"days\": -1}", "{\"day\": 3}", "{\"keep_count\": \"3\"}", "{\"daily\": 1.5}"] {
        assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
    }
    let nothing: Policy = serde_json::from_str("{}").unwrap();
    assert!(decide(&nothing, &items, at("2026-03-10T00:00:00Z")).unwrap().iter().all(|decision| decision.keep));
}

/// Three years, pruned after every backup as in real life: about 20 are kept, and what is kept reaches back a year.
#[test]
fn the_steady_state_of_seven_four_twelve_is_about_twenty() {
    for (per_day, zone) in [(1, "UTC"), (2, "America/New_York")] {
        let policy = Policy { every_of_recent_days: false, zone: zone.into(), .."7-4-12".parse().unwrap() };
        let mut items: Vec<Item> = Vec::new();
        let start = at("2024-01-01T03:00:00Z");
        let (mut least, mut most) = (usize::MAX, 0);
        for n in 0..3 * 365 * per_day {
            let now = start + SignedDuration::from_hours(24 / per_day * n);
            items.push(item(now, Class::Good));
            let decisions = decide(&policy, &items, now).unwrap();
            let kept: BTreeSet<BackupId> = decisions.into_iter().filter(|d| d.keep).map(|d| d.id).collect();
            items.retain(|item| kept.contains(&item.id));
            if n > 2 * 365 * per_day {
                (least, most) = (least.min(items.len()), most.max(items.len()));
            }
        }
        assert!(least >= 19 && most <= 21, "{per_day} a day in {zone}: {least} to {most}");
    }
}

#[test]
fn the_forecast_tells_what_of_today_is_there_on_a_later_day() {
    let items = dailies("2026-03-01", 31);
    let policy: Policy = "7-4-12".parse().unwrap();
    let now = at("2026-03-31T12:00:00Z");
    assert_eq!(rhythm(&items), SignedDuration::from_hours(24));
    let on = |day: &str| forecast(&policy, &items, now, at(day), rhythm(&items)).unwrap();
    let kept = |day: &str| days_of(&items, &on(day).decisions, true);
    assert_eq!(kept("2026-04-01T04:00:00Z").len(), 8, "six days and two Sundays");
    assert_eq!(kept("2026-05-15T04:00:00Z"), ["2026-03-31"]);
    assert_eq!(kept("2027-02-15T04:00:00Z"), ["2026-03-31"]);
    assert_eq!(kept("2027-03-01T04:00:00Z"), [""; 0], "thirteen months later");
    assert!((19..=21).contains(&on("2027-03-01T04:00:00Z").kept));
    let refused = forecast(&policy, &items, now, at("2026-03-30T00:00:00Z"), rhythm(&items));
    assert_eq!(refused.unwrap_err().code(), "bad_date");
}
