//! Plans that store in Google Drive, too: what the engine does and tells when nobody is signed in.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::time::Duration;

use engine_kit::{Desk, SHOP, good, outcome};
use recoup::model::Outcome;
use recoup::model::destination::DestinationSettings;
use recoup_testkit::drive::{self, Google};
use serde_json::Value;

const HOUR: Duration = Duration::from_secs(3600);

/// The shop, in Drive too; one channel that hears of everything.
async fn desk(google: &Google) -> Desk {
    let toml = SHOP.replace("destinations = [\"here\"]", "destinations = [\"here\", \"offsite1\"]");
    let all = "on = [\"success\", \"warnings\", \"failure\", \"recovery\", \"needs_sign_in\"]";
    Desk::new(&format!("{toml}\n{}[notify.hook]\nwebhook = \"http://127.0.0.1:9/\"\n{all}\n", google.toml("offsite1")))
        .await
}

fn offsite(desk: &Desk) -> DestinationSettings {
    desk.engine.settings().destinations.iter().find(|known| known.name == "offsite1").unwrap().clone()
}

async fn notices(desk: &Desk, plan: &str) -> Vec<Value> {
    let mut all = desk.engine.catalog().outgoing_of("hook", plan, 100).await.unwrap();
    all.reverse();
    all.into_iter().map(|out| out.notice).collect()
}

/// The hours of the next days at which people hear that somebody has to sign in.
async fn hours(desk: &Desk, hours: usize) -> Vec<usize> {
    let mut at = Vec::new();
    for hour in 0..hours {
        if desk.engine.tell_of_sign_ins().await.unwrap() {
            at.push(hour);
        }
        desk.clock.pass(HOUR);
    }
    at
}

#[tokio::test]
async fn without_a_sign_in_the_backup_is_made_elsewhere_and_people_hear_of_it_at_once_and_daily() {
    let google = Google::start();
    let desk = desk(&google).await;
    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run), (Outcome::Warnings, String::new()));
    let result = run.result.unwrap();
    assert_eq!(result["destinations"], serde_json::json!(["here"]));
    assert_eq!(result["failed"][0]["error"]["code"], "needs_sign_in");
    let text = result["warnings"][0]["text"].as_str().unwrap();
    assert_eq!(text, "Not stored at offsite1: Nobody has signed in to Google Drive for offsite1");
    let told = notices(&desk, "").await;
    assert_eq!((told.len(), told[0]["event"].as_str()), (1, Some("needs_sign_in")));
    assert_eq!(told[0]["error"]["hint"], "recoup drive connect offsite1");
    // Not at every backup, but every day.
    desk.back_up("shop").await;
    assert_eq!(notices(&desk, "").await.len(), 1);
    assert_eq!(hours(&desk, 72).await, [24, 48]);
    assert_eq!(google.heard(), [""; 0], "nobody was asked");
}

#[tokio::test]
async fn a_sign_in_that_was_taken_back_is_told_and_a_new_one_ends_it() {
    let google = Google::start();
    let desk = desk(&google).await;
    drive::connect(&offsite(&desk));
    let first = desk.back_up("shop").await;
    let result = good(&first);
    assert_eq!(result["destinations"], serde_json::json!(["here", "offsite1"]));
    // People can open it.
    let link = result["link"].as_str().unwrap();
    let data = google.objects().into_iter().find(|file| file.name.ends_with(".zip")).unwrap();
    assert!(link.contains(&data.id), "{link}");
    assert_eq!(notices(&desk, "shop").await[0]["backup"]["link"], link);

    google.revoke_all();
    let run = desk.back_up("shop").await;
    assert_eq!(run.outcome, Some(Outcome::Warnings), "{:?}", run.error);
    let told = notices(&desk, "").await;
    assert_eq!(told[0]["error"]["message"], "Somebody has to sign in to Google Drive again for offsite1");
    drive::connect(&offsite(&desk));
    assert_eq!(hours(&desk, 30).await, [0; 0]);
    good(&desk.back_up("shop").await);
    assert_eq!(notices(&desk, "").await.len(), 1);

    // Neither a log, a notice, the audit nor the catalog knows a token.
    for event in desk.engine.catalog().audit_after(0, 1000).await.unwrap() {
        assert!(!format!("{event:?}").contains("MARKER"));
    }
    let catalog = std::fs::read(desk.data().join("catalog.db")).unwrap();
    assert!(!catalog.windows(6).any(|bytes| bytes == b"MARKER"));
}

#[tokio::test]
async fn a_drive_that_cannot_be_reached_does_not_keep_a_backup_from_being_made_elsewhere() {
    let google = Google::start();
    let desk = desk(&google).await;
    drive::connect(&offsite(&desk));
    google.trouble("/drive/v3/", 0, 10_000, drive::Trouble::LoseAnswer);
    let run = desk.back_up("shop").await;
    assert_eq!(run.outcome, Some(Outcome::Warnings), "{:?}", run.error);
    let result = run.result.unwrap();
    assert_eq!((&result["destinations"][0], &result["link"]), (&Value::from("here"), &Value::Null));
    assert_eq!(notices(&desk, "").await.len(), 0);
}
