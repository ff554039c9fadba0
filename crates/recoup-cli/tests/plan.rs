//! `recoup plan next`: the command line's answers about schedules. Exact times of every rule are tested in the library
//! (`schedule_times.rs`); here: options, plans of recoup.toml, the shapes of the answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use shop::Shop;

fn next(shop: &Shop, words: &str) -> Vec<String> {
    let answer = shop.run(&format!("plan next --json {words}")).good().json();
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["next"].as_array().unwrap().iter().map(|time| time.as_str().unwrap().to_owned()).collect()
}

/// What a command that fails says: exit code, code, message and hint.
fn refused(shop: &Shop, args: &[&str]) -> (i32, String, String, String) {
    let told = shop.run_with([["plan", "next", "--json"].as_slice(), args].concat(), &[]);
    let error = &told.json()["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (told.code, text("code"), text("message"), text("hint"))
}

#[test]
fn the_answer_for_scripts_is_a_list_of_utc_times_and_nothing_else() {
    let shop = Shop::new();
    let new_york = "--every daily --at 02:30 --zone America/New_York --after 2026-03-07T12:00:00Z --count 2";
    assert_eq!(next(&shop, new_york), ["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
    assert_eq!(
        next(&shop, "--every weekly --at 02:30 --zone Europe/Berlin --after 2026-03-16T00:00:00Z --count 3"),
        ["2026-03-22T01:30:00Z", "2026-03-29T01:00:00Z", "2026-04-05T00:30:00Z"]
    );
    assert_eq!(
        next(&shop, "--every monthly --day 31 --at 03:00 --zone Europe/Berlin --after 2026-01-01T00:00:00Z --count 3"),
        ["2026-01-31T02:00:00Z", "2026-02-28T02:00:00Z", "2026-03-31T01:00:00Z"]
    );
    assert_eq!(
        next(&shop, "--every monthly --day last --zone UTC --after 2100-02-01T00:00:00+01:00 --count 1"),
        ["2100-02-28T03:00:00Z"]
    );
    assert_eq!(
        next(&shop, "--every rolling-monthly --zone Europe/Berlin --after 2026-01-31T02:00:00Z --count 4"),
        ["2026-03-02T02:00:00Z", "2026-04-01T01:00:00Z", "2026-05-01T01:00:00Z", "2026-05-31T01:00:00Z"]
    );
    // Fractions of a second in the question are none in the answer.
    assert_eq!(next(&shop, "--zone UTC --after 2026-10-25T02:59:59.75Z --count 1"), ["2026-10-25T03:00:00Z"]);
    let told = shop.run_with(
        [
            "plan",
            "next",
            "--quiet",
            "--every",
            "30 * * * *",
            "--zone",
            "America/New_York",
            "--after",
            "2026-11-01T05:00:00Z",
        ],
        &[],
    );
    assert_eq!(
        told.good().out,
        "2026-11-01T05:30:00Z\n2026-11-01T06:30:00Z\n2026-11-01T07:30:00Z\n2026-11-01T08:30:00Z\n2026-11-01T09:30:00Z\n"
    );
}

#[test]
fn nothing_said_is_every_night_at_three_by_the_clock_of_the_machine() {
    let shop = Shop::new();
    let told = shop.run_with(["plan", "next", "--json", "--after", "2026-10-24T22:30:00Z"], &[("TZ", "Europe/Berlin")]);
    let next: Vec<String> = serde_json::from_value(told.good().json()["next"].clone()).unwrap();
    assert_eq!(next.len(), 5);
    assert_eq!(next[..2], ["2026-10-25T02:00:00Z", "2026-10-26T02:00:00Z"]);
    let now = jiff::Timestamp::now();
    let soon = self::next(&shop, "--every @hourly --zone UTC --count 1")[0].parse::<jiff::Timestamp>().unwrap();
    assert!(soon > now && soon.duration_since(now).as_secs() <= 3_660, "{soon}");
}

#[test]
fn a_plan_of_the_file_answers_with_its_schedule() {
    let shop = Shop::new();
    let plan = "databases = [\"shop.db\"]\nschedule = { every = \"weekly\", weekday = \"sat\", zone = \"Europe/Berlin\", jitter = \"10m\" }\n";
    shop.write("recoup.toml", &format!("[plan.shop]\nenabled = false\n{plan}"));
    let saturdays = ["2026-10-24T01:00:00Z", "2026-10-31T02:00:00Z"];
    assert_eq!(next(&shop, "shop --after 2026-10-20T00:00:00Z --count 2"), saturdays);
    assert_eq!(next(&shop, "--after 2026-10-20T00:00:00Z --count 2"), saturdays);
    let told = shop.run("plan next --after 2026-10-20T00:00:00Z --count 2").good().out;
    for line in [
        "every Saturday at 03:00 Europe/Berlin",
        "Sat 2026-10-24 03:00 +02:00  2026-10-24T01:00:00Z",
        "Sat 2026-10-31 03:00 +01:00  2026-10-31T02:00:00Z",
        "up to 10m later",
        "enabled = false",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // What the options spell out is no plan's business.
    assert_eq!(next(&shop, "--zone UTC --after 2026-10-20T00:00:00Z --count 1"), ["2026-10-20T03:00:00Z"]);
    let (code, _, message, hint) = refused(&shop, &["shp"]);
    assert_eq!((code, message.as_str(), hint.as_str()), (10, "Plan not found: shp", "did you mean shop?"));
    shop.write("recoup.toml", &format!("[plan.shop]\n{plan}[plan.other]\ndatabases = [\"shop.db\"]\n"));
    let (code, kind, message, _) = refused(&shop, &[]);
    assert_eq!((code, kind.as_str(), message.as_str()), (2, "which_plan", "Which plan? There are shop, other"));
    let (code, kind, message, _) = refused(&shop, &["other"]);
    assert_eq!((code, kind.as_str(), message.as_str()), (2, "no_schedule", "other has no schedule"));
}

#[test]
fn what_is_no_schedule_is_refused_and_never_replaced_by_another() {
    let shop = Shop::new();
    for (args, code, message, hint) in [
        (["--at", "2:30"], "bad_time", "--at: Invalid time format. Use HH:MM (24-hour)", ""),
        (["--every", "hourly"], "bad_schedule", "--every: Unknown frequency: hourly", "daily, weekly, monthly"),
        (["--every", "0 3 30 2 *"], "no_occurrence", "--every: The schedule never comes", ""),
        (["--every", "0 3 * *"], "bad_schedule", "--every: not a cron expression: \"0 3 * *\"", "minute hour"),
        (["--zone", "CEST"], "bad_zone", "--zone: Unknown time zone: CEST", "Europe/Berlin"),
        (["--day", "31"], "bad_schedule", "--day: does not go with every = \"daily\"", "monthly"),
    ] {
        let (exit, kind, told, why) = refused(&shop, &args);
        assert_eq!((exit, kind.as_str(), told.as_str()), (2, code, message));
        assert!(why.contains(hint), "{args:?}: {why}");
    }
    assert_eq!(shop.run("plan next --after tomorrow").code, 2);
    assert_eq!(shop.run("plan next --count 0").code, 2);
}
