//! Exact times of schedules, on the time zone tables that are compiled in, so that they are the same on every machine:
//! gaps and overlaps of the clock, short months, leap years, dates that never were, cron expressions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use recoup::model::schedule::{DayWritten, Schedule, Written};

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn written(every: &str, time: Option<&str>, zone: &str) -> Written {
    Written { every: Some(every.into()), at: time.map(str::to_owned), zone: Some(zone.into()), ..Written::default() }
}

fn meant(written: &Written) -> Schedule {
    written.meant(None).unwrap_or_else(|wrong| panic!("{}: {}", wrong.key, wrong.error))
}

/// The next `wanted.len()` times after `after` are exactly `wanted`; times without seconds are short for whole minutes.
#[track_caller]
fn comes(schedule: &Schedule, after: &str, wanted: &[&str]) {
    let found: Vec<Timestamp> = schedule
        .upcoming_in(zone(&schedule.zone), at(after))
        .take(wanted.len())
        .map(|occurrence| occurrence.unwrap().nominal)
        .collect();
    let wanted: Vec<Timestamp> = wanted.iter().map(|text| at(&text.replace("Z", ":00Z"))).collect();
    assert_eq!(found, wanted, "{} after {after}", schedule.describe());
}

#[test]
fn a_daily_time_is_never_skipped_and_never_twice() {
    let table = "
        America/New_York    02:30  2026-03-08T06:59:59Z  2026-03-08T07:00Z  03-08 03:00 -04  gap
        America/New_York    02:30  2026-03-08T07:00:00Z  2026-03-09T06:30Z  03-09 02:30 -04  strictly later, once
        America/New_York    01:30  2026-10-31T12:00:00Z  2026-11-01T05:30Z  11-01 01:30 -04  overlap, first
        America/New_York    01:30  2026-11-01T05:30:00Z  2026-11-02T06:30Z  11-02 01:30 -05  not again at 06:30Z
        America/New_York    01:30  2026-11-01T06:15:00Z  2026-11-02T06:30Z  11-02 01:30 -05  second 01:30 ignored
        America/New_York    02:00  2026-10-31T12:00:00Z  2026-11-01T07:00Z  11-01 02:00 -05  end of overlap, unique
        Europe/Berlin       02:00  2026-03-28T12:00:00Z  2026-03-29T01:00Z  03-29 03:00 +02  gap start
        Europe/Berlin       02:30  2026-03-28T12:00:00Z  2026-03-29T01:00Z  03-29 03:00 +02  gap
        Europe/Berlin       03:00  2026-03-28T23:30:00Z  2026-03-29T01:00Z  03-29 03:00 +02  the same instant as 02:30
        Europe/Berlin       02:30  2026-10-25T00:45:00Z  2026-10-26T01:30Z  10-26 02:30 +01  first already passed
        Europe/Berlin       03:00  2026-10-24T22:30:00Z  2026-10-25T02:00Z  10-25 03:00 +01  25 h after the previous
        Australia/Lord_Howe 02:15  2026-10-03T12:00:00Z  2026-10-03T15:30Z  10-04 02:30 +11  30-minute gap
        Australia/Lord_Howe 01:45  2026-04-04T12:00:00Z  2026-04-04T14:45Z  04-05 01:45 +11  30-minute overlap, first
        Australia/Lord_Howe 01:45  2026-04-04T14:50:00Z  2026-04-05T15:15Z  04-06 01:45 +1030  second ignored
        Asia/Kolkata        03:00  2026-03-28T21:29:59Z  2026-03-28T21:30Z  03-29 03:00 +0530  half-hour zone
        America/Sao_Paulo   00:00  2018-11-03T12:00:00Z  2018-11-04T03:00Z  11-04 01:00 -02  gap at midnight
        America/Sao_Paulo   03:00  2026-10-31T12:00:00Z  2026-11-01T06:00Z  11-01 03:00 -03  no such law since 2019
        UTC                 03:00  2028-02-28T12:00:00Z  2028-02-29T03:00Z  02-29 03:00 +00  leap day
        UTC                 23:59  2026-12-31T23:59:00Z  2027-01-01T23:59Z  01-01 23:59 +00  end of a year, strict
    ";
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).filter(|row: &Vec<_>| !row.is_empty()).collect();
    assert_eq!(rows.len(), 19);
    for row in rows {
        let schedule = meant(&written("daily", Some(row[1]), row[0]));
        let next = schedule.next_in(&zone(row[0]), at(row[2]), None).unwrap();
        assert_eq!(next.nominal, at(&row[3].replace("Z", ":00Z")), "{row:?}");
        let shown = next.nominal.to_zoned(zone(row[0]));
        let shown = (shown.strftime("%m-%d").to_string(), shown.strftime("%H:%M").to_string(), shown.offset());
        let offset = format!("{:0<5}", row[6]);
        let (sign, hours, minutes) = (&offset[..1], &offset[1..3], &offset[3..5]);
        let seconds = (hours.parse::<i32>().unwrap() * 60 + minutes.parse::<i32>().unwrap()) * 60;
        let seconds = if sign == "-" { -seconds } else { seconds };
        assert_eq!((shown.0.as_str(), shown.1.as_str(), shown.2.seconds()), (row[4], row[5], seconds), "{row:?}");
        assert_eq!(next.local.strftime("%H:%M").to_string(), row[1], "the rule's own time is kept: {row:?}");
    }
}

#[test]
fn the_night_that_systemd_skips_has_its_backup() {
    for (name, eve, night) in [
        ("America/New_York", "2026-03-07T12:00:00Z", "2026-03-08T07:00Z"),
        ("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T01:00Z"),
    ] {
        comes(&meant(&written("daily", Some("02:30"), name)), eve, &[night]);
    }
}

#[test]
fn a_weekly_time_follows_the_clock_through_the_year() {
    let sunday = |zone: &str| meant(&written("weekly", Some("02:30"), zone));
    let berlin = sunday("Europe/Berlin");
    let spring = ["2026-03-22T01:30Z", "2026-03-29T01:00Z", "2026-04-05T00:30Z"];
    comes(&berlin, "2026-03-16T00:00:00Z", &spring);
    comes(&berlin, "2026-10-12T00:00:00Z", &["2026-10-18T00:30Z", "2026-10-25T00:30Z"]);
    let spring = ["2026-03-01T07:30Z", "2026-03-08T07:00Z", "2026-03-15T06:30Z"];
    comes(&sunday("America/New_York"), "2026-02-23T00:00:00Z", &spring);
    let friday = Written { weekday: Some("Fri".into()), ..written("weekly", Some("00:00"), "UTC") };
    comes(&meant(&friday), "2026-10-16T00:00:00Z", &["2026-10-23T00:00Z", "2026-10-30T00:00Z"]);
}

#[test]
fn a_day_that_a_month_does_not_have_is_its_last() {
    let monthly =
        |day: DayWritten, zone: &str| meant(&Written { day: Some(day), ..written("monthly", Some("03:00"), zone) });
    let berlin = |day| monthly(DayWritten::Number(day), "Europe/Berlin");
    let year = [
        "2026-01-31T02:00Z",
        "2026-02-28T02:00Z",
        "2026-03-31T01:00Z",
        "2026-04-30T01:00Z",
        "2026-05-31T01:00Z",
        "2026-06-30T01:00Z",
    ];
    comes(&berlin(31), "2026-01-01T00:00:00Z", &year);
    comes(&monthly(DayWritten::Word("last".into()), "Europe/Berlin"), "2026-01-01T00:00:00Z", &year);
    comes(&berlin(29), "2027-02-01T00:00:00Z", &["2027-02-28T02:00Z"]);
    comes(&berlin(29), "2028-02-01T00:00:00Z", &["2028-02-29T02:00Z"]);
    let century = ["2100-01-31T03:00Z", "2100-02-28T03:00Z", "2100-03-31T03:00Z"];
    comes(&monthly(DayWritten::Number(31), "UTC"), "2100-01-01T00:00:00Z", &century);
    comes(&meant(&written("monthly", None, "UTC")), "2026-12-01T03:00:00Z", &["2027-01-01T03:00Z"]);
}

#[test]
fn a_rolling_rule_counts_from_the_nominal_date_and_does_not_drift() {
    let thirty = meant(&written("rolling-monthly", Some("03:00"), "Europe/Berlin"));
    let wanted = ["2026-03-02T02:00Z", "2026-04-01T01:00Z", "2026-05-01T01:00Z", "2026-05-31T01:00Z"];
    comes(&thirty, "2026-01-31T02:00:00Z", &wanted);
    let zone = zone("Europe/Berlin");
    // However late the question comes, the grid is that of the anchor; and however long nothing ran.
    let anchor = Some(at("2026-01-31T02:00:00Z"));
    let next = |after: &str| thirty.next_in(&zone, at(after), anchor).unwrap().nominal.to_string();
    assert_eq!(next("2026-04-20T17:00:00Z"), "2026-05-01T01:00:00Z");
    assert_eq!(next("2026-05-01T00:59:59Z"), "2026-05-01T01:00:00Z");
    assert_eq!(next("2026-05-01T01:00:00Z"), "2026-05-31T01:00:00Z");
    assert_eq!(next("2096-01-01T00:00:00Z"), "2096-01-24T02:00:00Z");
    // Never sooner than the whole span after the anchor, even when the anchor lies ahead.
    assert_eq!(next("2026-01-01T00:00:00Z"), "2026-03-02T02:00:00Z");
    let seven = meant(&written("rolling-weekly", Some("02:30"), "Europe/Berlin"));
    comes(&seven, "2026-03-22T01:30:00Z", &["2026-03-29T01:00Z", "2026-04-05T00:30Z"]);
}

#[test]
fn a_date_that_a_zone_never_had_is_no_day_for_daily_and_the_next_instant_for_others() {
    // Samoa went from 29 to 31 December 2011.
    let apia = "Pacific/Apia";
    comes(
        &meant(&written("daily", Some("03:00"), apia)),
        "2011-12-28T13:00:00Z",
        &["2011-12-29T13:00Z", "2011-12-30T13:00Z"],
    );
    comes(
        &meant(&written("0 3 * * *", None, apia)),
        "2011-12-28T13:00:00Z",
        &["2011-12-29T13:00Z", "2011-12-30T13:00Z"],
    );
    let thirtieth = Written { day: Some(DayWritten::Number(30)), ..written("monthly", Some("03:00"), apia) };
    comes(&meant(&thirtieth), "2011-12-01T00:00:00Z", &["2011-12-30T10:00Z", "2012-01-29T13:00Z"]);
    let friday = Written { weekday: Some("friday".into()), ..written("weekly", Some("03:00"), apia) };
    comes(&meant(&friday), "2011-12-24T00:00:00Z", &["2011-12-30T10:00Z", "2012-01-05T13:00Z"]);
    comes(&meant(&written("0 3 30 * *", None, apia)), "2011-12-01T00:00:00Z", &["2011-12-30T10:00Z"]);
    // The rolling rule goes on from the date of the rule, the 30th that never was.
    let rolling = meant(&written("rolling-weekly", Some("03:00"), apia));
    let zone = zone(apia);
    let first = rolling.next_in(&zone, at("2011-12-23T13:00:00Z"), Some(at("2011-12-23T13:00:00Z"))).unwrap();
    assert_eq!(first.nominal, at("2011-12-30T10:00:00Z"));
    let second = rolling.next_in(&zone, first.nominal, Some(first.nominal)).unwrap();
    assert_eq!(second.nominal, at("2012-01-05T13:00:00Z"));
}

#[test]
fn cron_with_every_hour_goes_by_the_wall_clock() {
    let new_york = meant(&written("30 * * * *", None, "America/New_York"));
    let autumn = ["2026-11-01T04:30Z", "2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-01T07:30Z"];
    comes(&new_york, "2026-11-01T04:00:00Z", &autumn);
    let spring = ["2026-03-08T05:30Z", "2026-03-08T06:30Z", "2026-03-08T07:30Z", "2026-03-08T08:30Z"];
    comes(&new_york, "2026-03-08T05:00:00Z", &spring);
    // A step and a range are no fixed hours: 02:30 was skipped, 01:30 comes twice.
    let odd = meant(&written("30 */2 * * *", None, "America/New_York"));
    comes(&odd, "2026-03-08T04:00:00Z", &["2026-03-08T05:30Z", "2026-03-08T08:30Z"]);
    let range = meant(&written("30 1-2 * * *", None, "America/New_York"));
    comes(&range, "2026-03-08T05:00:00Z", &["2026-03-08T06:30Z", "2026-03-09T05:30Z", "2026-03-09T06:30Z"]);
    comes(
        &range,
        "2026-11-01T05:00:00Z",
        &["2026-11-01T05:30Z", "2026-11-01T06:30Z", "2026-11-01T07:30Z", "2026-11-02T06:30Z"],
    );
    let quarter = meant(&written("*/15 * * * *", None, "Australia/Lord_Howe"));
    let night = ["2026-10-03T15:15Z", "2026-10-03T15:30Z", "2026-10-03T15:45Z"];
    comes(&quarter, "2026-10-03T15:00:00Z", &night);
    comes(&meant(&written("@hourly", None, "Asia/Kolkata")), "2026-03-28T21:00:00Z", &["2026-03-28T21:30Z"]);
}

#[test]
fn both_hours_of_a_night_that_has_one_twice_have_a_name_of_their_own() {
    let new_york = meant(&written("30 * * * *", None, "America/New_York"));
    let night = new_york.upcoming_in(zone("America/New_York"), at("2026-11-01T05:00:00Z"));
    let keys: Vec<String> = night.take(3).map(|occurrence| new_york.key(&occurrence.unwrap())).collect();
    assert_eq!(
        keys,
        [
            "2026-11-01T01:30[America/New_York]",
            "2026-11-01T01:30[America/New_York]/2",
            "2026-11-01T02:30[America/New_York]"
        ]
    );
    let gap = meant(&written("daily", Some("02:30"), "america/new_york"));
    let next = gap.next_in(&zone("America/New_York"), at("2026-03-08T06:59:59Z"), None).unwrap();
    assert_eq!(gap.key(&next), "2026-03-08T02:30[America/New_York]");
}

#[test]
fn cron_with_fixed_hours_neither_skips_nor_repeats() {
    let half_past_two = meant(&written("30 2 * * *", None, "America/New_York"));
    comes(&half_past_two, "2026-03-07T12:00:00Z", &["2026-03-08T07:00Z", "2026-03-09T06:30Z"]);
    let half_past_one = meant(&written("30 1 * * *", None, "America/New_York"));
    comes(&half_past_one, "2026-10-31T12:00:00Z", &["2026-11-01T05:30Z", "2026-11-02T06:30Z"]);
    // Several hours, several minutes: all that the gap swallows is one run after it.
    let several = meant(&written("0,30 2,4 * * *", None, "Europe/Berlin"));
    comes(
        &several,
        "2026-03-28T23:00:00Z",
        &["2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T02:30Z", "2026-03-30T00:00Z"],
    );
    let minutes = meant(&written("*/20 2 * * *", None, "Europe/Berlin"));
    comes(
        &minutes,
        "2026-10-24T23:00:00Z",
        &["2026-10-25T00:00Z", "2026-10-25T00:20Z", "2026-10-25T00:40Z", "2026-10-26T01:00Z"],
    );
}

/// Why the crate that reads our expressions does not also say when they come.
#[test]
fn the_night_that_the_cron_crate_skips_has_its_backup() {
    let eve = at("2026-03-28T12:00:00Z");
    let theirs: croner::Cron = "30 2,4 * * *".parse().unwrap();
    let skipped = theirs.find_next_occurrence(&eve.to_zoned(zone("Europe/Berlin")), false).unwrap();
    assert_eq!(skipped.timestamp(), at("2026-03-29T02:30:00Z"));
    comes(&meant(&written("30 2,4 * * *", None, "Europe/Berlin")), "2026-03-28T12:00:00Z", &["2026-03-29T01:00Z"]);
}

#[test]
fn a_day_of_month_and_a_weekday_mean_either() {
    let either = meant(&written("0 3 13 * fri", None, "UTC"));
    comes(
        &either,
        "2026-10-01T12:00:00Z",
        &["2026-10-02T03:00Z", "2026-10-09T03:00Z", "2026-10-13T03:00Z", "2026-10-16T03:00Z"],
    );
    assert_eq!(either.describe(), "At 03:00, on day 13 or Friday (0 3 13 * fri) UTC");
    comes(&meant(&written("0 3 29 2 *", None, "UTC")), "2096-03-01T00:00:00Z", &["2104-02-29T03:00Z"]);
    comes(
        &meant(&written("0 3 L * *", None, "UTC")),
        "2028-02-01T00:00:00Z",
        &["2028-02-29T03:00Z", "2028-03-31T03:00Z"],
    );
    comes(
        &meant(&written("0 3 * * SUN#1", None, "UTC")),
        "2026-10-01T00:00:00Z",
        &["2026-10-04T03:00Z", "2026-11-01T03:00Z"],
    );
}

#[test]
fn changes_of_the_clock_are_where_the_tables_of_the_zones_put_them() {
    let changes = |name: &str, from: &str, n: usize| -> Vec<String> {
        let zone = zone(name);
        let following = zone.following(at(from)).take(n);
        following.map(|change| change.timestamp().to_string()).collect()
    };
    assert_eq!(
        changes("America/New_York", "2026-01-01T00:00:00Z", 2),
        ["2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z"]
    );
    assert_eq!(changes("Europe/Berlin", "2026-01-01T00:00:00Z", 2), ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]);
    assert_eq!(
        changes("Australia/Lord_Howe", "2026-01-01T00:00:00Z", 2),
        ["2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z"]
    );
    assert_eq!(
        changes("America/Sao_Paulo", "2018-06-01T00:00:00Z", 9),
        ["2018-11-04T03:00:00Z", "2019-02-17T02:00:00Z"]
    );
    assert_eq!(changes("Pacific/Apia", "2011-12-01T00:00:00Z", 1), ["2011-12-30T10:00:00Z"]);
    assert_eq!(changes("America/Asuncion", "2024-09-01T00:00:00Z", 1), ["2024-10-06T04:00:00Z"]);
    assert!(changes("Asia/Kolkata", "2000-01-01T00:00:00Z", 1).is_empty());
}
