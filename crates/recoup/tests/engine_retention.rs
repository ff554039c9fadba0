//! Retention through the engine: only after a good backup, each removal recorded first, confirmed by hand, paused when the
//! clock was wrong.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use engine_kit::{Desk, SHOP, good};
use recoup::engine::Actor;
use recoup::model::Outcome;
use serde_json::json;

const KEEP_TWO: &str = "retention = { keep_count = 2, min_keep = 1 }\n";

/// So many backups, an hour apart, of a plan that kept everything and keeps two from now on.
async fn with_backups(count: usize) -> Desk {
    let desk = Desk::new(SHOP).await;
    for _ in 0..count {
        desk.clock.forward(1);
        good(&desk.back_up("shop").await);
    }
    desk.work_all().await;
    let desk = desk.reopened(Some(&format!("{SHOP}{KEEP_TWO}"))).await.unwrap();
    assert_eq!(desk.listed().await.len(), count);
    desk
}

/// The audit of what is removed, oldest first.
async fn removals(desk: &Desk) -> Vec<String> {
    let about = |name: &String| name.starts_with("backup_retention") || name == "backup.deleted";
    desk.events().await.into_iter().filter(about).collect()
}

#[tokio::test]
async fn retention_follows_a_good_backup_and_every_removal_is_recorded_before_it() {
    let desk = with_backups(3).await;
    let oldest = desk.listed().await.pop().unwrap();
    let result = desk.back_up("shop").await.result.unwrap();
    let deleted = result["retention"][0]["deleted"].as_array().unwrap().clone();
    assert_eq!((deleted.len(), &deleted[0]), (2, &json!(oldest)), "{result}");
    assert_eq!(desk.listed().await.len(), 2);
    assert_eq!(desk.engine.store("here").unwrap().list(None).unwrap().backups.len(), 2);
    assert_eq!(removals(&desk).await, ["backup.deleted", "backup.deleted", "backup_retention.applied"]);
    // A policy that was changed a moment ago may be a slip.
    let one = format!("{SHOP}retention = {{ keep_count = 1, min_keep = 1 }}\n");
    let desk = desk.reopened(Some(&one)).await.unwrap();
    let result = desk.back_up("shop").await.result.unwrap();
    assert!(result["retention"][0]["paused"].is_string() && result["retention"][0]["deleted"] == json!([]), "{result}");
    assert_eq!(removals(&desk).await.pop().unwrap(), "backup_retention.safety_check");
    desk.clock.forward(2);
    desk.back_up("shop").await;
    assert_eq!(desk.listed().await.len(), 1);
}

#[tokio::test]
async fn a_backup_that_failed_removes_nothing() {
    let desk = with_backups(3).await;
    let away = desk.path().join("app/away.db");
    std::fs::rename(desk.database(), &away).unwrap();
    assert_eq!(desk.back_up("shop").await.outcome, Some(Outcome::Failed));
    assert_eq!(desk.listed().await.len(), 3);
    std::fs::rename(away, desk.database()).unwrap();
    desk.back_up("shop").await;
    assert_eq!(desk.listed().await.len(), 2);
}

#[tokio::test]
async fn what_a_person_confirms_goes_at_once_and_exactly_that() {
    let desk = with_backups(5).await;
    let daemon = Actor::daemon();
    let (preview, told) = desk.engine.preview_prune(&daemon, "shop").await.unwrap();
    assert_eq!((told[0].0.as_str(), told[0].1.going().count()), ("here", 3));
    let run = desk.engine.start_prune(&daemon, &preview).await.unwrap();
    let done = desk.done(&run).await;
    assert_eq!(good(&done)["retention"][0]["deleted"].as_array().unwrap().len(), 3);
    assert_eq!(desk.listed().await.len(), 2);
    assert_eq!(desk.engine.start_prune(&daemon, &preview).await.unwrap_err().code(), "preview_missing");
    // A set that is another one by then is not what was confirmed.
    let (preview, _) = desk.engine.preview_prune(&daemon, "shop").await.unwrap();
    desk.clock.forward(1);
    desk.back_up("shop").await;
    let run = desk.engine.start_prune(&daemon, &preview).await;
    assert!(run.is_err(), "older than 15 minutes");
    let (preview, _) = desk.engine.preview_prune(&daemon, "shop").await.unwrap();
    desk.back_up("shop").await;
    let run = desk.engine.start_prune(&daemon, &preview).await.unwrap();
    let done = desk.done(&run).await;
    let stale = done.error.as_ref().is_some_and(|error| error["code"] == "preview_stale");
    assert!(stale || good(&done)["retention"][0]["deleted"] == json!([]), "{done:?}");
}

#[tokio::test]
async fn a_plan_that_keeps_everything_has_nothing_to_preview() {
    let desk = Desk::new(SHOP).await;
    assert_eq!(desk.engine.preview_prune(&Actor::daemon(), "shop").await.unwrap_err().code(), "no_retention");
}

#[tokio::test]
async fn nothing_is_removed_for_a_day_after_the_clock_was_wrong() {
    let desk = with_backups(3).await;
    desk.engine.distrust_clock().await.unwrap();
    let result = desk.back_up("shop").await.result.unwrap();
    assert!(result["retention"][0]["paused"].as_str().unwrap().contains("clock"), "{result}");
    assert_eq!(desk.listed().await.len(), 4);
    assert_eq!(removals(&desk).await, ["backup_retention.safety_check"]);
    desk.clock.forward(25);
    desk.back_up("shop").await;
    assert_eq!(desk.listed().await.len(), 2);
}

#[tokio::test]
async fn old_protected_backups_go_only_when_somebody_says_so_and_the_audit_says_that_it_was_those() {
    let desk = with_backups(3).await;
    let ids = desk.listed().await;
    for id in &ids {
        desk.engine.set_protected(&Actor::daemon(), id, true).await.unwrap();
    }
    desk.clock.forward(24 * 40);
    let month = jiff::SignedDuration::from_hours(24 * 30);
    let (preview, shown) = desk.engine.preview_cleanup(&Actor::daemon(), "shop", month).await.unwrap();
    let going: Vec<String> = shown[0].1.going().map(|entry| entry.decision.id.to_string()).collect();
    assert_eq!(going, ids[1..], "the newest good one stays");
    let run = desk.engine.start_prune(&Actor::daemon(), &preview).await.unwrap();
    good(&desk.done(&run).await);
    assert_eq!(desk.listed().await, ids[..1]);
    assert_eq!(
        removals(&desk).await[1..],
        ["backup.deleted", "backup.deleted", "backup_retention.cleanup_old_protected"]
    );
}
