//! What is done once an hour: no news is no good news, and what was kept for a while goes.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::fs::{self, File};
use std::time::Duration;

use recoup::catalog::Kept;
use recoup::clock::Clock;
use scheduler_kit::{Place, stop};

const HOUR: Duration = Duration::from_secs(3600);

async fn told(place: &Place) -> Vec<String> {
    let mut all = place.engine.catalog().outgoing_of("hook", "shop", 100).await.unwrap();
    all.reverse();
    all.iter().map(|out| out.notice["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_plan_without_a_fresh_backup_is_told_of_once_and_again_when_it_recovers() {
    let toml = "[notify.hook]\nwebhook = \"http://127.0.0.1:9/\"\non = [\"overdue\", \"recovery\"]\n";
    let place = Place::written("2026-07-01T00:00:00Z", toml).await;
    place.daily("shop").await;
    let data = place.folder.path().join("data.txt");
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-01T01:00:00Z");
    place.settle(&handle).await;
    assert_eq!(told(&place).await, [""; 0]);
    fs::remove_file(&data).unwrap();
    let mut first = None;
    for hour in 1..=72 {
        place.clock.pass(HOUR);
        place.settle(&handle).await;
        if !told(&place).await.is_empty() {
            first.get_or_insert(hour);
        }
    }
    // The newest good backup is of hour 0, and two days are twice the interval.
    assert_eq!((first, told(&place).await), (Some(49), vec!["overdue".to_owned()]));
    assert!(place.row("shop").await.overdue_at.is_some());
    fs::write(&data, "data").unwrap();
    for _ in 0..26 {
        place.clock.pass(HOUR);
        place.settle(&handle).await;
    }
    assert_eq!(place.row("shop").await.overdue_at, None);
    assert_eq!(
        told(&place).await,
        ["overdue", "recovery"],
        "by the run, and not again because it is no longer overdue"
    );
    stop(&handle).await;
}

#[tokio::test]
async fn a_plan_that_was_not_run_for_days_recovers_too() {
    let toml = "[notify.hook]\nwebhook = \"http://127.0.0.1:9/\"\non = [\"overdue\", \"recovery\"]\n";
    let place = Place::written("2026-07-01T00:00:00Z", toml).await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-01T01:00:00Z");
    place.settle(&handle).await;
    // The machine is off until the Monday after.
    stop(&handle).await;
    place.pass_until("2026-07-06T08:00:00Z");
    handle.start().await.unwrap();
    place.settle(&handle).await;
    assert_eq!(told(&place).await, ["overdue"]);
    place.clock.pass(HOUR);
    place.settle(&handle).await;
    assert_eq!(told(&place).await, ["overdue", "recovery"]);
    stop(&handle).await;
}

#[tokio::test]
async fn what_was_kept_for_an_hour_goes_and_what_is_younger_stays() {
    let place = Place::new("2026-07-01T00:00:00Z").await;
    let now = place.clock.now();
    let kept = |id: &str, hours| Kept {
        kind: "restore_preview".into(),
        id: id.into(),
        owner: "me".into(),
        body: serde_json::json!({}),
        expires_at: now + jiff::SignedDuration::from_hours(hours),
    };
    place.engine.catalog().keep_once(&kept("old", 1), now).await.unwrap();
    place.engine.catalog().keep_once(&kept("new", 9), now).await.unwrap();
    // Ages of files are told by the clock that made them.
    let file = |name: &str, minutes: u64| {
        let path = place.engine.data().join("downloads").join(name);
        let made = std::time::SystemTime::now() - Duration::from_secs(minutes * 60);
        File::create(&path).unwrap().set_modified(made).unwrap();
        path
    };
    let (old, new) = (file("old.zip", 90), file("new.zip", 10));
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.clock.pass(HOUR * 3 / 2);
    handle.check_now().await.unwrap();
    assert!(!old.exists() && new.exists());
    // Asked with the time of then: what is gone, is gone.
    let there = async |id: &str| place.engine.catalog().kept("restore_preview", id, "me", now).await.unwrap().is_some();
    assert_eq!((there("old").await, there("new").await), (false, true));
    stop(&handle).await;
}

#[tokio::test]
async fn a_destination_that_waits_for_a_sign_in_is_told_at_once_and_every_day() {
    let google = recoup_testkit::drive::Google::start();
    let toml = format!("{}[notify.hook]\nwebhook = \"http://127.0.0.1:9/\"\n", google.toml("offsite"));
    let place = Place::written("2026-07-01T00:00:00Z", &toml).await;
    place.daily("shop").await;
    place.change("shop", serde_json::json!({"destinations": ["./backups", "offsite"]})).await;
    let handle = place.start().await;
    for _ in 0..60 {
        place.settle(&handle).await;
        place.clock.pass(HOUR);
    }
    let told = place.engine.catalog().outgoing_of("hook", "", 100).await.unwrap();
    let told: Vec<String> = told.iter().map(|out| format!("{} {}", out.notice["event"], out.notice["at"])).collect();
    // The last first; no backup was needed for it.
    let at = |day: u8| format!("\"needs_sign_in\" \"2026-07-0{day}T00:00:00Z\"");
    assert_eq!(told, [at(3), at(2), at(1)]);
    stop(&handle).await;
}
