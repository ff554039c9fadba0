//! Who is told what, and that secrets stay secrets.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::Warning;
use crate::model::notice::ErrorTold;

fn ntfy() -> Channel {
    Channel::new("ops", Target::Ntfy { url: Secret::value("https://ntfy.sh/canary-topic"), token: None })
}

fn monitor() -> Channel {
    let url = Secret::value("https://hc.example/canary-uuid");
    Channel::new("monitor", Target::Heartbeat { url, method: "POST".into() })
}

fn at(hours: i64) -> Timestamp {
    let start: Timestamp = "2026-05-01T03:00:00Z".parse().unwrap();
    start + SignedDuration::from_hours(hours)
}

fn ended(event: Event, outcome: Outcome, hours: i64) -> Notice {
    Notice { outcome: Some(outcome), ..Notice::new(event, "shop", at(hours)) }
}

fn failed(message: &str, hours: i64) -> Notice {
    let message = message.to_owned();
    let error = Some(ErrorTold { code: "x".into(), message, detail: String::new(), hint: None });
    Notice { error, ..ended(Event::Failure, Outcome::Failed, hours) }
}

/// What a channel tells of a row of notices, by their places in it.
fn told(channel: &Channel, notices: &[Notice]) -> Vec<usize> {
    let mut history = History::default();
    let mut told = Vec::new();
    for (place, notice) in notices.iter().enumerate() {
        if wanted(channel, notice, &history) {
            history.last_told = Some(Told { event: notice.event, cause: notice.cause(), at: notice.at });
            told.push(place);
        }
        history.previous_outcome = notice.outcome.or(history.previous_outcome);
    }
    told
}

#[test]
fn a_plan_that_fails_every_minute_is_told_once_a_day_and_when_it_works_again() {
    let minute = |n: i64| Notice { at: at(0) + SignedDuration::from_mins(n), ..failed("full", 0) };
    let mut notices: Vec<Notice> = (0..3000).map(minute).collect();
    notices.push(ended(Event::Recovery, Outcome::Good, 51));
    notices.push(ended(Event::Success, Outcome::Good, 52));
    notices.push(failed("full", 53));
    assert_eq!(told(&ntfy(), &notices), [0, 1440, 2880, 3000, 3002]);
}

#[test]
fn another_cause_is_told_at_once() {
    let notices = [failed("disk gone", 0), failed("disk gone", 1), failed("no network", 2), failed("no network", 3)];
    assert_eq!(told(&ntfy(), &notices), [0, 2]);
}

#[test]
fn a_clock_that_was_set_back_silences_nothing() {
    assert_eq!(told(&ntfy(), &[failed("full", 0), failed("full", -100)]), [0, 1]);
}

#[test]
fn only_on_change_tells_the_first_of_each_kind_in_a_row() {
    let channel = Channel {
        on: vec![Event::Start, Event::Success, Event::Warnings, Event::Failure, Event::Recovery],
        only_on_change: true,
        ..ntfy()
    };
    let warned = |code: &str, hours| Notice {
        warnings: vec![Warning::new(code, "x")],
        ..ended(Event::Warnings, Outcome::Warnings, hours)
    };
    let notices = [
        ended(Event::Success, Outcome::Good, 0),
        Notice::new(Event::Start, "shop", at(1)),
        ended(Event::Success, Outcome::Good, 1),
        failed("full", 2),
        failed("full", 100),
        failed("gone", 101),
        ended(Event::Recovery, Outcome::Good, 102),
        ended(Event::Success, Outcome::Good, 103),
        warned("left_out", 104),
        warned("left_out", 105),
        warned("changed", 106),
        ended(Event::Success, Outcome::Good, 107),
    ];
    assert_eq!(told(&channel, &notices), [0, 3, 5, 6, 8, 10, 11]);
    let overdue = |hours| Notice::new(Event::Overdue, "shop", at(hours));
    let channel = Channel { only_on_change: true, ..ntfy() };
    assert_eq!(told(&channel, &[overdue(0), overdue(30), overdue(60)]), [0]);
}

#[test]
fn who_hears_of_every_success_hears_of_the_one_after_a_failure() {
    let good = ended(Event::Recovery, Outcome::Good, 0);
    let warned = ended(Event::Recovery, Outcome::Warnings, 0);
    for (on, of_good, of_warned) in [
        (vec![Event::Success], true, false),
        (vec![Event::Warnings], false, true),
        (vec![Event::Recovery], true, true),
        (vec![Event::Failure], false, false),
    ] {
        let channel = Channel { on, ..ntfy() };
        assert_eq!(wanted(&channel, &good, &History::default()), of_good);
        assert_eq!(wanted(&channel, &warned, &History::default()), of_warned);
    }
}

#[test]
fn a_monitor_hears_every_run_and_people_only_of_trouble_and_its_end() {
    let notices = [
        Notice::new(Event::Start, "shop", at(0)),
        ended(Event::Success, Outcome::Good, 0),
        failed("full", 1),
        failed("full", 2),
        ended(Event::Recovery, Outcome::Good, 3),
        Notice::new(Event::Test, "", at(3)),
    ];
    let eager = Channel { only_on_change: true, ..monitor() };
    assert_eq!(told(&monitor(), &notices), [0, 1, 2, 3, 4, 5]);
    assert_eq!(told(&eager, &notices), [0, 1, 2, 3, 4, 5]);
    assert_eq!(told(&ntfy(), &notices), [2, 4, 5]);
}

#[test]
fn no_secret_is_printed_or_serialised_and_dots_are_not_taken_for_one() {
    let email = Target::Email {
        host: "mail.example".into(),
        port: 587,
        tls: Tls::Starttls,
        user: Some("recoup".into()),
        password: Some(Secret::value("canary-password")),
        from: "recoup@example.org".into(),
        to: vec!["ops@example.org".into()],
    };
    let webhook = Target::Webhook {
        url: Secret::value("https://hooks.example/canary-path"),
        method: "POST".into(),
        headers: vec![("authorization".into(), Secret::value("Bearer canary-token"))],
        headers_file: None,
        body: None,
        content_type: "application/json".into(),
    };
    for channel in [ntfy(), monitor(), Channel::new("post", email), Channel::new("hook", webhook)] {
        let json = serde_json::to_string(&channel).unwrap();
        for shown in [format!("{channel:?}"), format!("{channel:#?}"), json.clone()] {
            assert!(!shown.contains("canary"), "{shown}");
        }
        assert!(serde_json::from_str::<Channel>(&json).is_err(), "{json}");
    }
}

#[test]
fn who_writes_json_names_no_files_of_this_machine() {
    let json = r#"{"name":"ops","kind":"ntfy","url":"https://ntfy.sh/t","on":["failure"],"ca_file":"/etc/shadow"}"#;
    let channel: Channel = serde_json::from_str(json).unwrap();
    assert!(!channel.names_files());
    assert_eq!((channel.repeat_seconds, channel.on.clone()), (86_400, vec![Event::Failure]));
    let file = json.replace(r#""https://ntfy.sh/t""#, r#"{"file":"/etc/shadow"}"#);
    assert!(serde_json::from_str::<Channel>(&file).is_err());
    let secret = Target::Ntfy { url: Secret::file("/etc/shadow"), token: None };
    assert!(Channel::new("ops", secret).names_files());
}
