//! Many plans at one minute, many schedulers on one catalog, one plan that hangs: everything runs, once, in its turn.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod scheduler_kit;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use recoup::clock::Clock;
use recoup::model::Outcome;
use recoup::model::job::State;
use scheduler_kit::{Gate, Place, start, stop};
use serde_json::json;

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn five_hundred_plans_of_one_minute_all_run_two_at_a_time_and_in_their_turn() {
    five_hundred(false).await;
}

#[tokio::test]
async fn on_a_server_five_hundred_plans_of_one_minute_all_run_two_at_a_time_and_in_their_turn() {
    five_hundred(true).await;
}

async fn five_hundred(server: bool) {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let (now_in, top, started) = (inside.clone(), most.clone(), order.clone());
    let during = move |plan: &str| {
        top.fetch_max(now_in.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        started.lock().unwrap().push(plan.to_owned());
        std::thread::yield_now();
        now_in.fetch_sub(1, Ordering::SeqCst);
    };
    let noon = "2026-07-01T12:00:00Z";
    let place = if server { Place::on_a_server(noon, during).await } else { Place::with(noon, during).await };
    for n in 0..500 {
        // Five minutes, a hundred plans in each: the earlier ones come first.
        let minute = n % 5;
        let schedule = json!({"every": "daily", "at": format!("03:0{minute}"), "zone": "UTC"});
        place.plan(&format!("p{n}"), schedule).await;
    }
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T03:04:00Z");
    assert_eq!(handle.check_now().await.unwrap().queued, 500);
    place.until(async || order.lock().unwrap().len() >= 100).await;
    let after_a_fifth = resident_mib();
    place.quiet(&handle).await;
    let grown = resident_mib().saturating_sub(after_a_fifth);
    assert!(grown < 16, "400 runs took {grown} MiB that did not come back");
    let order = order.lock().unwrap().clone();
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), 500);
    assert_eq!(order.len(), 500);
    assert!(most.load(Ordering::SeqCst) <= 2);
    // Two workers may overtake each other by one.
    let minutes: Vec<usize> = order.iter().map(|name| name[1..].parse::<usize>().unwrap() % 5).collect();
    for (n, minute) in minutes.iter().enumerate() {
        assert!(minutes[n..].iter().all(|later| later >= minute) || n % 100 >= 98, "{n}: {minutes:?}");
    }
    let state = handle.state().await.unwrap();
    assert_eq!((state.plans, state.enabled, state.queued, state.working), (500, 500, 0, 0));
    assert_eq!(state.next_due.unwrap().to_string(), "2026-07-03T03:00:00Z");
    assert_eq!((state.running, state.last_check), (true, Some(place.clock.now())));
    for name in ["p0", "p499"] {
        let runs = place.runs(name).await;
        assert_eq!((runs.len(), runs[0].outcome), (1, Some(Outcome::Good)));
    }
}

#[tokio::test]
async fn several_schedulers_on_one_catalog_run_every_occurrence_once() {
    several(false).await;
}

#[tokio::test]
async fn several_schedulers_on_one_server_run_every_occurrence_once() {
    several(true).await;
}

async fn several(server: bool) {
    let done = Arc::new(Mutex::new(Vec::new()));
    let seen = done.clone();
    let during = move |plan: &str| seen.lock().unwrap().push(plan.to_owned());
    let noon = "2026-07-01T12:00:00Z";
    let place = if server { Place::on_a_server(noon, during).await } else { Place::with(noon, during).await };
    for n in 10..30 {
        place.plan(&format!("p{n}"), json!({"every": "0 * * * *", "zone": "UTC"})).await;
    }
    let mut handles = vec![place.start().await];
    for _ in 0..3 {
        handles.push(start(&place.another().await).await);
    }
    for handle in &handles {
        handle.check_now().await.unwrap();
    }
    for hour in 13..=22 {
        place.pass_until(&format!("2026-07-01T{hour}:00:00Z"));
        let (a, b, c, d) = tokio::join!(
            handles[0].check_now(),
            handles[1].check_now(),
            handles[2].check_now(),
            handles[3].check_now()
        );
        let queued: usize = [a, b, c, d].into_iter().map(|looked| looked.unwrap().queued).sum();
        // A scheduler that looks by itself, because a run of its has ended, may be first.
        assert!(queued <= 20, "{queued} at {hour}");
        place.quiet(&handles[0]).await;
        assert_eq!(done.lock().unwrap().len(), 20 * (hour - 12), "at {hour}");
    }
    let mut all = done.lock().unwrap().clone();
    all.sort();
    let expected: Vec<String> = (100..300).map(|n| format!("p{}", n / 10)).collect();
    assert_eq!(all, expected);
    for handle in &handles {
        stop(handle).await;
    }
}

#[tokio::test]
async fn a_plan_that_hangs_holds_up_no_other() {
    let gate = Arc::new(Gate::default());
    let inside = gate.clone();
    let place = Place::with("2026-07-01T12:00:00Z", move |plan| {
        if plan == "hangs" {
            inside.pass();
        }
    })
    .await;
    place.daily("hangs").await;
    for n in 0..10 {
        place.daily(&format!("p{n}")).await;
    }
    let handle = place.start().await;
    handle.check_now().await.unwrap();
    place.pass_until("2026-07-02T01:00:00Z");
    handle.check_now().await.unwrap();
    place.until(async || place.engine.catalog().queue().await.unwrap() == (0, 1)).await;
    for n in 0..10 {
        assert_eq!(place.runs(&format!("p{n}")).await[0].outcome, Some(Outcome::Good));
    }
    assert_eq!(place.runs("hangs").await[0].state, State::Running);
    gate.open();
    place.quiet(&handle).await;
}

#[tokio::test]
async fn starting_and_stopping_twice_is_starting_and_stopping() {
    let place = Place::new("2026-07-01T12:00:00Z").await;
    place.daily("shop").await;
    let handle = place.start().await;
    handle.start().await.unwrap();
    handle.check_now().await.unwrap();
    assert!(handle.state().await.unwrap().running);
    stop(&handle).await;
    stop(&handle).await;
    let state = handle.state().await.unwrap();
    assert_eq!((state.running, state.next_due), (false, None));
    assert_eq!(handle.check_now().await.unwrap_err().code(), "scheduler_stopped");
    place.pass_until("2026-07-02T01:00:00Z");
    handle.start().await.unwrap();
    place.settle(&handle).await;
    assert_eq!(place.runs("shop").await.len(), 1);
    stop(&handle).await;
    let count = async |what: &str| place.events(&format!("backup_scheduler.{what}")).await.len();
    assert_eq!((count("start").await, count("stop").await), (2, 2));
}
