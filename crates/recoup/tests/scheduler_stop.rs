//! Ends: a scheduler that is stopped in the middle of a run, a process that dies in one, a source that never answers.
//! Every run gets an outcome, what was interrupted is repeated once, and nobody waits for what does not come.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::sync::Arc;
use std::time::Duration;

use recoup::catalog::Filter;
use recoup::clock::Clock;
use recoup::engine::Actor;
use recoup::model::Outcome;
use recoup::model::job::{Cause, State};
use recoup::scheduler::{Options, Scheduler};
use scheduler_kit::{Gate, Place, start, stop};
use serde_json::json;
use tokio::time::{sleep, timeout};

/// A place with a plan whose run stays inside until the gate is open, and is inside.
async fn inside() -> (Place, recoup::scheduler::Handle, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let holds = gate.clone();
    let place = Place::with("2026-07-01T12:00:00Z", move |_| holds.pass()).await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T01:00:00Z");
    handle.check_now().await.unwrap();
    place.until(async || gate.waiting() == 1).await;
    (place, handle, gate)
}

async fn backups(place: &Place) -> usize {
    let filter = Filter { plan: Some("shop".into()), limit: 100, ..Filter::default() };
    place.engine.refresh(None).await.unwrap();
    place.engine.catalog().backups(&filter).await.unwrap().len()
}

#[tokio::test]
async fn a_run_that_ends_in_time_is_let_end() {
    let (place, handle, gate) = inside().await;
    let grace = Duration::from_secs(10);
    let open = async {
        place.until(async || !handle.is_started()).await;
        gate.open();
    };
    timeout(grace, async { tokio::join!(handle.stop(grace), open) }).await.expect("it stops within its grace");
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[0].outcome), (1, Some(Outcome::Good)), "{:?}", runs[0].error);
}

#[tokio::test]
async fn a_run_that_does_not_is_interrupted_and_repeated_by_the_next_start() {
    let (place, handle, gate) = inside().await;
    let open = async {
        // By then it was asked to stop, and finds that out as soon as it goes on.
        sleep(Duration::from_millis(3000)).await;
        gate.open();
    };
    tokio::join!(handle.stop(Duration::from_secs(4)), open);
    let runs = place.runs("shop").await;
    assert_eq!(runs.iter().map(|run| run.outcome).collect::<Vec<_>>(), [Some(Outcome::Interrupted), None]);
    assert_eq!((runs[1].cause, runs[1].state), (Cause::Retry, State::Queued));
    assert_eq!(runs[1].retry_of.as_deref(), Some(runs[0].id.as_str()));
    handle.start().await.unwrap();
    place.settle(&handle).await;
    let runs = place.runs("shop").await;
    assert_eq!((runs.len(), runs[1].outcome), (2, Some(Outcome::Good)), "{:?}", runs[1].error);
    assert_eq!(backups(&place).await, 1);
}

#[tokio::test]
async fn a_run_whose_process_is_gone_is_closed_repeated_once_and_makes_no_second_backup_when_it_wakes_up() {
    let (place, handle, gate) = inside().await;
    // Its thread stays behind, as that of a machine that sleeps.
    handle.stop(Duration::from_millis(200)).await;
    assert_eq!(place.runs("shop").await[0].state, State::Running);
    let another = place.another().await;
    let other = start(&another).await;
    for closed in [false, false, true] {
        other.check_now().await.unwrap();
        assert_eq!(place.runs("shop").await[0].outcome.is_some(), closed);
        place.clock.pass(Duration::from_secs(30));
    }
    gate.open();
    place.quiet(&other).await;
    let runs = place.runs("shop").await;
    let outcomes: Vec<_> = runs.iter().map(|run| run.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Interrupted, Outcome::Good], "{:?}", runs.last().unwrap().error);
    place.until(async || gate.waiting() == 0).await;
    assert_eq!(backups(&place).await, 1);
    assert_eq!(place.events("backup_scheduler.backup_error").await.len(), 1);
    stop(&other).await;
}

#[tokio::test]
async fn what_was_interrupted_twice_is_not_tried_a_third_time() {
    let gate = Arc::new(Gate::default());
    let holds = gate.clone();
    let place = Place::with("2026-07-02T00:59:00Z", move |_| holds.pass()).await;
    // The only worker is busy with another plan, and two others take the run of this one and die.
    place.daily("hangs").await;
    let shop = place.plan("shop", json!({"every": "daily", "at": "03:00", "zone": "America/New_York"})).await;
    let one = Options { workers: 1, ..Options::default() };
    let handle = Scheduler::start(place.engine.clone(), one).await.unwrap();
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T01:00:00Z");
    handle.check_now().await.unwrap();
    place.until(async || gate.waiting() == 1).await;
    let catalog = place.engine.catalog();
    let now = place.clock.now();
    assert!(catalog.add_run(&place.engine.new_backup_run(&shop, Cause::Scheduled, now), now).await.unwrap());
    for worker in ["dies", "dies too"] {
        let claimed = catalog.claim_run(worker, place.clock.now()).await.unwrap().unwrap();
        assert_eq!(claimed.plan_name, "shop");
        for _ in 0..4 {
            // As its worker does every ten seconds, by the real clock.
            let alive = &place.runs("hangs").await[0];
            catalog.beat_run(&alive.id, alive.lease.as_ref().unwrap(), None, "").await.unwrap().unwrap();
            handle.check_now().await.unwrap();
            place.clock.pass(Duration::from_secs(20));
        }
    }
    let runs = place.runs("shop").await;
    let outcomes: Vec<_> = runs.iter().map(|run| run.outcome.unwrap()).collect();
    assert_eq!(outcomes, [Outcome::Interrupted, Outcome::Interrupted]);
    gate.open();
    place.quiet(&handle).await;
    assert_eq!(place.runs("hangs").await[0].outcome, Some(Outcome::Good), "that one was alive");
    assert_eq!(place.runs("shop").await.len(), 2);
    stop(&handle).await;
}

#[tokio::test]
async fn a_source_that_never_answers_ends_with_its_deadline_and_the_next_plan_begins() {
    let gate = Arc::new(Gate::default());
    let holds = gate.clone();
    let place = Place::with("2026-07-01T12:00:00Z", move |plan| {
        if plan == "hangs" {
            holds.pass();
        }
    })
    .await;
    let daily = json!({"every": "daily", "at": "03:00", "zone": "UTC"});
    let body = json!({"files": ["data.txt"], "schedule": daily, "deadline": "1s", "test_restore": "never"});
    place.engine.create_plan(&Actor::daemon(), "hangs", body).await.unwrap();
    place.plan("shop", json!({"every": "daily", "at": "03:01", "zone": "UTC"})).await;
    let one = Options { workers: 1, ..Options::default() };
    let handle = Scheduler::start(place.engine.clone(), one).await.unwrap();
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T03:02:00Z");
    place.settle(&handle).await;
    let hung = &place.runs("hangs").await[0];
    assert_eq!(
        (hung.outcome, hung.error.as_ref().unwrap()["code"].as_str()),
        (Some(Outcome::Failed), Some("deadline"))
    );
    assert_eq!(place.runs("shop").await[0].outcome, Some(Outcome::Good));
    // Should it ever answer, nothing comes of it.
    gate.open();
    place.until(async || gate.waiting() == 0).await;
    stop(&handle).await;
    let filter = Filter { plan: Some("hangs".into()), limit: 100, ..Filter::default() };
    assert!(place.engine.catalog().backups(&filter).await.unwrap().is_empty());
}
