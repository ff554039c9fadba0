//! Backups through the engine: asked for, worked on, recorded; what ends badly concerns nobody else.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine_kit::{Desk, Embedded, SHOP, document, good, manual, outcome, verify};
use recoup::catalog::RunRow;
use recoup::engine::Actor;
use recoup::hooks::{Event, Hook};
use recoup::model::job::{Cause, State};
use recoup::model::{Level, Outcome};
use recoup::progress::Context;
use recoup::source::application::{Dump, application};
use recoup::{Error, ErrorKind, Result};
use serde_json::json;

#[tokio::test]
async fn a_backup_that_was_asked_for_ends_good_and_is_in_the_list_the_audit_and_the_status() {
    let desk = Desk::new(SHOP).await;
    let run = desk.back_up("shop").await;
    let result = good(&run);
    let id = result["backup"].as_str().unwrap();
    assert_eq!((run.state, run.cause, run.attempt), (State::Done, Cause::Manual, 1));
    assert_eq!(result["destinations"], json!(["here"]));
    assert!(run.log.contains("Copying data"), "{}", run.log);

    let (manifest, copies) = desk.engine.manifest(&Actor::daemon(), id).await.unwrap();
    assert_eq!((copies.len(), copies[0].destination.as_str(), copies[0].plan.as_str()), (1, "here", "shop"));
    assert_eq!((copies[0].verified, &copies[0].damaged), (Some(Level::Integrity), &None));
    assert_eq!((manifest.parts.len(), manifest.host.as_deref()), (2, Some("desk")));

    let status = desk.engine.status(&desk.plan("shop").await).await.unwrap();
    assert_eq!((status.total, status.fresh, status.overdue, status.running), (1, true, false, None));
    assert_eq!(status.last_success, Some(manifest.created_at));
    assert!(status.last_attempt.is_some() && status.last_verified.is_some() && status.last_proven.is_none());
    assert!(desk.events().await.contains(&"backup_scheduler.backup_completed".to_owned()));
}

#[tokio::test]
async fn settings_in_a_database_that_nobody_uses_do_not_disturb_its_copy() {
    let toml = format!(
        "{SHOP}settings = {{ tables = [{{ database = \"app/shop.db\", table = \"product\", key = \"id\", value = \"title\" }}] }}\n"
    );
    let desk = Desk::new(&toml).await;
    let sidecar = |end: &str| desk.path().join(format!("app/shop.db-{end}")).exists();
    assert!(!sidecar("shm") && !sidecar("wal"), "nobody has it open");
    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run).0, Outcome::Good, "{run:?}");
    assert!(!sidecar("shm") && !sidecar("wal"), "and nothing of ours is left beside it");
}

#[tokio::test]
async fn every_manifest_carries_the_end_of_the_audit() {
    let desk = Desk::new(SHOP).await;
    let first = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let (manifest, _) = desk.engine.manifest(&Actor::daemon(), &first).await.unwrap();
    assert_eq!(manifest.audit, None, "nothing had been recorded");
    desk.work_all().await;
    let head = desk.engine.catalog().audit_head().await.unwrap();
    let second = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let (manifest, _) = desk.engine.manifest(&Actor::daemon(), &second).await.unwrap();
    assert_eq!(manifest.audit, Some(head.clone()));
    let (_, problems) = desk.engine.catalog().verify_audit(&[head]).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
}

#[tokio::test]
async fn a_good_backup_is_test_restored_and_the_plan_is_proven_for_a_week() {
    let desk = Desk::new(SHOP).await;
    desk.back_up("shop").await;
    let proofs = desk.work_all().await;
    assert_eq!(proofs.len(), 1);
    assert_eq!(good(&proofs[0])["results"][0]["level"], "restore");
    let row = desk.plan("shop").await;
    assert_eq!(row.last_proven, proofs[0].finished_at);
    desk.clock.forward(24);
    desk.back_up("shop").await;
    assert!(desk.work_all().await.is_empty(), "a day later nothing is due");
    desk.clock.forward(24 * 6);
    desk.back_up("shop").await;
    assert_eq!(desk.work_all().await.len(), 1);
    assert!(desk.plan("shop").await.last_proven > row.last_proven);
}

#[tokio::test]
async fn bytes_that_rot_are_found_told_and_recorded() {
    let desk = Desk::new(SHOP).await;
    let run = desk.back_up("shop").await;
    let id = good(&run)["backup"].as_str().unwrap().to_owned();
    let (manifest, _) = desk.engine.manifest(&Actor::daemon(), &id).await.unwrap();
    let object = desk.path().join("backups/shop").join(&manifest.objects[0].name);
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let ended = desk.work_all().await;
    assert_eq!(outcome(&ended[0]), (Outcome::Failed, "backup_corrupted".into()));
    assert!(desk.plan("shop").await.last_proven.is_none());
    let copies = desk.engine.backup(&Actor::daemon(), &id).await.unwrap();
    assert!(copies[0].damaged.as_deref().unwrap().contains("SHA-256"), "{copies:?}");
    assert!(!desk.engine.status(&desk.plan("shop").await).await.unwrap().fresh);
    // A look at the folder cannot see it, and does not forget it.
    desk.engine.refresh(None).await.unwrap();
    assert!(desk.engine.backup(&Actor::daemon(), &id).await.unwrap()[0].damaged.is_some());
    let links = desk.engine.catalog().audit_before(i64::MAX, Some("backup.verified"), None, None, 1).await.unwrap();
    assert!(!links[0].event.success);
}

#[tokio::test]
async fn a_beginning_of_an_id_is_enough() {
    let desk = Desk::new(SHOP).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let daemon = Actor::daemon();
    for name in [&id, &id.to_lowercase(), &id[..12].to_owned(), &id[20..].to_lowercase()] {
        assert_eq!(desk.engine.backup(&daemon, name).await.unwrap()[0].id, id, "{name}");
    }
    for name in ["", "x'; DROP TABLE backup", "../shop", "ZZZ", &format!("{id}0"), "%", "0_"] {
        assert_eq!(desk.engine.backup(&daemon, name).await.unwrap_err().code(), "backup_missing", "{name}");
    }
    let second = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    assert_eq!(desk.engine.backup(&daemon, &second[..5]).await.unwrap_err().code(), "backup_ambiguous");
}

#[tokio::test]
async fn one_plan_that_fails_does_not_stop_another() {
    let desk = Desk::new(SHOP).await;
    let daemon = Actor::daemon();
    desk.engine.create_plan(&daemon, "gone", document(&desk.path().join("app/gone.db"))).await.unwrap();
    let (bad, fine) = (desk.ask("gone").await, desk.ask("shop").await);
    let done = desk.work_all().await;
    let of = |run: &RunRow| done.iter().find(|done| done.id == run.id).unwrap().clone();
    assert_eq!(outcome(&of(&bad)), (Outcome::Failed, "source_missing".into()));
    good(&of(&fine));
    assert_eq!(desk.plan("gone").await.last_outcome, Some(Outcome::Failed));
    let links =
        desk.engine.catalog().audit_before(i64::MAX, Some("backup_scheduler.backup_error"), None, None, 9).await;
    assert_eq!(links.unwrap()[0].event.details["code"], "source_missing");
}

#[tokio::test]
async fn one_destination_that_fails_makes_warnings_and_all_of_them_a_failure() {
    let toml = SHOP.replace("destinations = [\"here\"]", "destinations = [\"here\", \"there\"]");
    let toml = format!("{toml}[destination.there]\npath = \"nas\"\nmarker = true\n");
    let desk = Desk::new(&toml).await;
    let run = desk.back_up("shop").await;
    assert_eq!(run.outcome, Some(Outcome::Warnings), "{:?}", run.error);
    let result = run.result.unwrap();
    assert_eq!((&result["destinations"], &result["failed"][0]["destination"]), (&json!(["here"]), &json!("there")));
    let toml = toml.replace("path = \"backups\"", "path = \"gone\"\nmarker = true");
    let desk = desk.reopened(Some(&toml)).await.unwrap();
    assert_eq!(desk.back_up("shop").await.outcome, Some(Outcome::Failed));
}

struct Panics;
impl Dump for Panics {
    fn dump(&mut self, _: &mut dyn recoup::model::Sink) -> Result<()> {
        panic!("a mistake in the application")
    }
}

#[tokio::test]
async fn a_panic_in_a_source_ends_its_run_and_nothing_else() {
    let make = application("state", || Ok(Box::new(Panics) as Box<dyn Dump>));
    let sources = HashMap::from([("shop".to_owned(), vec![make])]);
    let desk = Desk::with(SHOP, Embedded { sources, ..Embedded::default() }).await;
    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run), (Outcome::Failed, "panicked".into()));
    assert!(run.error.unwrap()["detail"].as_str().unwrap().contains("a mistake in the application"));
    let other = desk.another("other.db");
    desk.engine.create_plan(&Actor::daemon(), "other", document(&other)).await.unwrap();
    good(&desk.back_up("other").await);
    desk.work_all().await;
    assert_eq!(desk.engine.catalog().queue().await.unwrap(), (0, 0));
}

/// Holds a backup still in its quiesce hook until it is let go or cancelled.
struct Still(Arc<AtomicBool>);
impl Hook for Still {
    fn describe(&self) -> String {
        "still".into()
    }
    fn before(&self, _: &Event<'_>, context: &Context) -> Result<()> {
        self.0.store(true, Ordering::SeqCst);
        loop {
            context.check()?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    fn after(&self, _: &Event<'_>, _: &Context) -> Result<()> {
        Ok(())
    }
}

async fn held(toml: &str) -> (Arc<Desk>, Arc<AtomicBool>) {
    let reached = Arc::new(AtomicBool::new(false));
    let hooks = HashMap::from([("shop".to_owned(), vec![Arc::new(Still(reached.clone())) as Arc<dyn Hook>])]);
    (Arc::new(Desk::with(toml, Embedded { hooks, ..Embedded::default() }).await), reached)
}

async fn until(reached: &AtomicBool) {
    while !reached.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_ends_as_cancelled_and_leaves_nothing() {
    let (desk, reached) = held(SHOP).await;
    let mut events = desk.engine.watch();
    let run = desk.ask("shop").await;
    let worker = desk.clone();
    let working = tokio::spawn(async move { worker.engine.work("worker").await });
    until(&reached).await;
    desk.engine.cancel(&Actor::daemon(), &run.id).await.unwrap();
    let done = working.await.unwrap().unwrap().unwrap();
    assert_eq!((done.outcome, done.cancel), (Some(Outcome::Cancelled), true));
    assert!(
        desk.listed().await.is_empty() && desk.engine.store("here").unwrap().list(None).unwrap().backups.is_empty()
    );
    let mut states = Vec::new();
    while let Ok(event) = events.try_recv() {
        states.push((event.state, event.outcome));
    }
    states.dedup();
    let all = [(State::Queued, None), (State::Running, None), (State::Done, Some(Outcome::Cancelled))];
    assert_eq!(states, all);
    // One that waits ends at once.
    let waiting = desk.ask("shop").await;
    desk.engine.cancel(&Actor::daemon(), &waiting.id).await.unwrap();
    let waiting = desk.engine.catalog().run(&waiting.id, None).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.outcome), (State::Done, Some(Outcome::Cancelled)));
    assert_eq!(desk.engine.cancel(&Actor::daemon(), "nothing").await.unwrap_err().code(), "run_missing");
}

#[tokio::test]
async fn a_run_that_takes_longer_than_its_deadline_fails() {
    let (desk, _) = held(&format!("{SHOP}deadline = \"1s\"\n")).await;
    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run), (Outcome::Failed, "deadline".into()));
    assert_eq!(run.error.unwrap()["message"], "The run took longer than 1s");
}

#[tokio::test]
async fn a_process_that_ends_leaves_an_interrupted_run_that_is_repeated_once() {
    let (desk, reached) = held(SHOP).await;
    let run = desk.ask("shop").await;
    let worker = desk.clone();
    let working = tokio::spawn(async move { worker.engine.work("worker").await });
    until(&reached).await;
    desk.engine.interrupt();
    let done = working.await.unwrap().unwrap().unwrap();
    assert_eq!(outcome(&done), (Outcome::Interrupted, "interrupted".into()));
    assert!(desk.engine.work("worker").await.unwrap().is_none(), "a process that ends takes nothing new");
    let next = desk.reopened(None).await.unwrap();
    let again = next.work_all().await;
    assert_eq!((again[0].cause, again[0].retry_of.as_deref()), (Cause::Retry, Some(run.id.as_str())));
    good(&again[0]);
}

#[tokio::test]
async fn a_second_backup_of_a_plan_and_a_full_queue_are_refused() {
    let desk = Desk::new(SHOP).await;
    let daemon = Actor::daemon();
    desk.back_up("shop").await;
    desk.work_all().await;
    desk.ask("shop").await;
    let error = desk.engine.enqueue(&daemon, "shop", manual()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "already_running"));
    for _ in 1..20 {
        desk.engine.enqueue(&daemon, "shop", verify(Level::Checksum)).await.unwrap();
    }
    let error = desk.engine.enqueue(&daemon, "shop", verify(Level::Checksum)).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "queue_full"));
}

/// Fails as often as it is told to, as somebody does who is busy.
struct Busy(std::sync::atomic::AtomicUsize);
impl Hook for Busy {
    fn describe(&self) -> String {
        "busy".into()
    }
    fn before(&self, _: &Event<'_>, _: &Context) -> Result<()> {
        match self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(Error::new(ErrorKind::Busy, "db_in_use", "Cannot backup while database is in use")),
            Err(_) => Ok(()),
        }
    }
    fn after(&self, _: &Event<'_>, _: &Context) -> Result<()> {
        Ok(())
    }
}

async fn busy(times: usize) -> Desk {
    let hooks = HashMap::from([("shop".to_owned(), vec![Arc::new(Busy(times.into())) as Arc<dyn Hook>])]);
    Desk::with(SHOP, Embedded { hooks, ..Embedded::default() }).await
}

async fn schedule(desk: &Desk) -> String {
    use recoup::clock::Clock;
    let run = desk.engine.new_backup_run(&desk.plan("shop").await, Cause::Scheduled, desk.clock.now());
    assert!(desk.engine.catalog().add_run(&run, desk.clock.now()).await.unwrap());
    run.id
}

#[tokio::test]
async fn what_is_transient_is_tried_again_after_1_5_and_25_minutes() {
    let desk = busy(3).await;
    let id = schedule(&desk).await;
    for (attempt, minutes) in [(2, 1), (3, 5), (4, 25)] {
        use recoup::clock::Clock;
        let run = desk.engine.work("worker").await.unwrap().unwrap();
        assert_eq!((run.state, run.attempt), (State::Queued, attempt));
        let wait = run.due_at.duration_since(desk.clock.now()).as_secs();
        assert!((minutes * 60..minutes * 72).contains(&wait), "{wait} s instead of {minutes} min");
        assert!(desk.engine.work("worker").await.unwrap().is_none(), "not before its time");
        desk.clock.set(run.due_at);
    }
    let run = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(run.id, id);
    good(&run);
}

#[tokio::test]
async fn after_three_more_tries_it_failed_and_what_a_person_asked_for_is_not_tried_again() {
    let desk = busy(100).await;
    schedule(&desk).await;
    for _ in 0..3 {
        let run = desk.engine.work("worker").await.unwrap().unwrap();
        desk.clock.set(run.due_at);
    }
    let run = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(outcome(&run), (Outcome::Failed, "db_in_use".into()));
    assert_eq!(outcome(&desk.back_up("shop").await), (Outcome::Failed, "db_in_use".into()));
}

#[tokio::test]
async fn a_worker_whose_run_was_taken_over_publishes_nothing() {
    let reached = Arc::new(AtomicBool::new(false));
    let go = Arc::new(AtomicBool::new(false));
    struct Sleeps(Arc<AtomicBool>, Arc<AtomicBool>);
    impl Hook for Sleeps {
        fn describe(&self) -> String {
            "sleeps".into()
        }
        fn before(&self, _: &Event<'_>, _: &Context) -> Result<()> {
            self.0.store(true, Ordering::SeqCst);
            while !self.1.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(())
        }
        fn after(&self, _: &Event<'_>, _: &Context) -> Result<()> {
            Ok(())
        }
    }
    let hook: Arc<dyn Hook> = Arc::new(Sleeps(reached.clone(), go.clone()));
    let hooks = HashMap::from([("shop".to_owned(), vec![hook])]);
    let desk = Arc::new(Desk::with(SHOP, Embedded { hooks, ..Embedded::default() }).await);
    let run = desk.ask("shop").await;
    let worker = desk.clone();
    let working = tokio::spawn(async move { worker.engine.work("worker").await });
    until(&reached).await;
    // Somebody else has not heard of it for too long.
    let now = recoup::clock::Clock::now(desk.clock.as_ref());
    let (_, _, beat) = desk.engine.catalog().beats().await.unwrap().remove(0);
    let taken = desk.engine.catalog().interrupt_run(&run.id, beat, now).await.unwrap().unwrap();
    desk.engine.interrupted(taken).await.unwrap();
    go.store(true, Ordering::SeqCst);
    let row = working.await.unwrap().unwrap().unwrap();
    assert_eq!(row.outcome, Some(Outcome::Interrupted), "{row:?}");
    assert!(desk.engine.store("here").unwrap().list(None).unwrap().backups.is_empty());
    let again = desk.engine.work("other").await.unwrap().unwrap();
    assert_eq!(again.retry_of, Some(run.id));
    good(&again);
    assert_eq!(desk.engine.store("here").unwrap().list(None).unwrap().backups.len(), 1);
}
