//! What schedules promise in every zone at every change of its clocks from 2000 to 2037: the next time is later than the
//! question, none is left out, and local times are resolved as a scan minute by minute does. All zones and all changes
//! with `SOAK=1`, else every 37th.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp};
use recoup::model::schedule::{DayWritten, Schedule, Written};
use recoup_testkit::faults::soak;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

/// Zone and instant of every change of offset.
fn changes() -> Vec<(String, TimeZone, Timestamp)> {
    let database = TimeZoneDatabase::bundled();
    let (from, to): (Timestamp, Timestamp) =
        ("2000-01-01T00:00:00Z".parse().unwrap(), "2038-01-01T00:00:00Z".parse().unwrap());
    let mut found = Vec::new();
    for name in database.available().map(|name| name.to_string()) {
        let zone = database.get(&name).unwrap();
        for change in zone.following(from).take_while(|change| change.timestamp() < to) {
            let at = change.timestamp();
            if zone.to_offset(at) != zone.to_offset(at - SignedDuration::from_secs(1)) {
                found.push((name.clone(), zone.clone(), at));
            }
        }
    }
    assert!(found.len() > 5_000, "{}", found.len());
    let step = if soak() { 1 } else { 37 };
    found.into_iter().step_by(step).collect()
}

fn schedules(zone: &str, times: &[String]) -> Vec<Schedule> {
    let mut written = Vec::new();
    for time in times {
        for every in ["daily", "weekly", "monthly", "rolling-weekly", "rolling-monthly"] {
            let (every, at) = (Some(every.to_owned()), Some(time.clone()));
            written.push(Written { every, at, ..Written::default() });
        }
        let (hour, minute) = time.split_once(':').unwrap();
        let (hour, minute): (u8, u8) = (hour.parse().unwrap(), minute.parse().unwrap());
        for cron in [format!("{minute} {hour} * * *"), format!("*/20 {hour} * * *"), format!("{minute} * * * *")] {
            written.push(Written { every: Some(cron), ..Written::default() });
        }
    }
    let day = Some(DayWritten::Number(31));
    written.push(Written { every: Some("monthly".into()), day, ..Written::default() });
    // The zone's name is not looked up again: the bundled table is handed in.
    written.iter().map(|written| Schedule { zone: zone.into(), ..written.meant(Some("UTC")).unwrap() }).collect()
}

/// Local times around a change: before, in and after what is skipped or repeated.
fn times_around(zone: &TimeZone, change: Timestamp) -> Vec<String> {
    let second = SignedDuration::from_secs(1);
    let shown = [zone.to_datetime(change - second), zone.to_datetime(change)];
    let around = |local: DateTime| [-31, 0, 1, 30].map(|minutes| local.saturating_add(Span::new().minutes(minutes)));
    let times: BTreeSet<String> =
        shown.into_iter().flat_map(around).map(|local| local.strftime("%H:%M").to_string()).collect();
    times.into_iter().collect()
}

#[test]
fn the_next_time_is_always_later_and_no_later_than_it_must_be() {
    for (name, zone, change) in changes() {
        let times = times_around(&zone, change);
        let offsets = [-90_000, -7_200, -3_601, -1_800, -1, 0, 1, 1_800, 3_599, 3_600, 7_200, 90_000];
        for schedule in schedules(&name, &times) {
            let mut last: Option<(Timestamp, Timestamp)> = None;
            for seconds in offsets {
                let after = change + SignedDuration::from_secs(seconds);
                // A rolling rule has one grid, whenever it is asked.
                let anchor = Some(change - SignedDuration::from_hours(24 * 9));
                let next = schedule.next_in(&zone, after, anchor).unwrap();
                let what = format!("{name} {} after {after}: {next:?}", schedule.describe());
                assert!(next.nominal > after, "{what}");
                assert_eq!(next.nominal.subsec_nanosecond(), 0, "{what}");
                // Asked later, the answer is not earlier; and what was the next stays the next until it has come.
                if let Some((asked, told)) = last {
                    assert!(
                        if told > after { next.nominal == told } else { next.nominal > told },
                        "{what}, {asked} {told}"
                    );
                }
                // The clock shows the wanted time, or it is the first instant after a gap.
                let shown = zone.to_datetime(next.nominal);
                let before = zone.to_datetime(next.nominal - SignedDuration::from_nanos(1));
                assert!(shown == next.local || (before < next.local && next.local < shown), "{what}");
                last = Some((after, next.nominal));
            }
        }
    }
}

/// The definition itself: the first instant at which the clock shows the wanted time or a later one.
#[test]
fn a_daily_time_is_where_a_scan_of_every_minute_finds_it() {
    for (name, zone, change) in changes() {
        let start = change - SignedDuration::from_hours(26);
        let minutes: Vec<Timestamp> = (0..52 * 60).map(|n| start + MINUTE * n).collect();
        let shown: Vec<DateTime> = minutes.iter().map(|at| zone.to_datetime(*at)).collect();
        let dates: BTreeSet<_> = shown.iter().map(|local| local.date()).collect();
        for time in times_around(&zone, change) {
            let schedule = &schedules(&name, std::slice::from_ref(&time))[0];
            let at: jiff::civil::Time = time.parse().unwrap();
            // The first and the last date may be cut off.
            let inner = dates.iter().skip(1).take(dates.len() - 2);
            let scanned = inner.filter_map(|date| {
                let wanted = date.to_datetime(at);
                minutes.iter().zip(&shown).find(|(_, local)| **local >= wanted).map(|(at, _)| *at)
            });
            let scanned: BTreeSet<Timestamp> = scanned.collect();
            let first = *scanned.first().unwrap();
            let told: BTreeSet<Timestamp> = schedule
                .upcoming_in(zone.clone(), first - SignedDuration::from_secs(1))
                .map(|occurrence| occurrence.unwrap().nominal)
                .take(scanned.len())
                .collect();
            assert_eq!(told, scanned, "{name} {time} around {change}");
        }
    }
}

#[test]
fn a_wall_clock_expression_is_where_a_scan_of_every_minute_finds_it() {
    for (name, zone, change) in changes() {
        let schedule = Written { every: Some("*/10 0-23 * * *".into()), ..Written::default() };
        let schedule = Schedule { zone: name.clone(), ..schedule.meant(Some("UTC")).unwrap() };
        let start = change - SignedDuration::from_hours(3);
        let minutes = (1..6 * 60).map(|n| start + MINUTE * n);
        let scanned: Vec<Timestamp> = minutes.filter(|at| zone.to_datetime(*at).minute() % 10 == 0).collect();
        let told = schedule.upcoming_in(zone.clone(), start).map(|occurrence| occurrence.unwrap());
        let told: Vec<_> = told.take(scanned.len()).collect();
        let nominal: Vec<Timestamp> = told.iter().map(|occurrence| occurrence.nominal).collect();
        assert_eq!(nominal, scanned, "{name} around {change}");
        let keys: BTreeSet<String> = told.iter().map(|occurrence| schedule.key(occurrence)).collect();
        assert_eq!(keys.len(), told.len(), "every run has a name of its own: {name} around {change}");
    }
}
