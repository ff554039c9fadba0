//! Runs: claimed once, finished by who claimed them, taken away from who fell silent.

use recoup::catalog::{NewRun, RunRow, Runs};
use recoup::model::Outcome;
use recoup::model::job::{Cause, RunKind, State};
use serde_json::json;

use super::{Place, after, backup_run, noon};

impl Place {
    async fn queue(&self, run: &NewRun) {
        assert!(self.catalog.add_run(run, noon()).await.unwrap());
    }
    async fn claim(&self, worker: &str) -> Option<RunRow> {
        self.catalog.claim_run(worker, noon()).await.unwrap()
    }
    async fn finish(&self, id: &str, worker: &str) -> bool {
        self.catalog.finish_run(id, worker, Outcome::Good, None, None, "", after(9)).await.unwrap()
    }
    async fn row(&self, id: &str) -> RunRow {
        self.catalog.run(id, None).await.unwrap().unwrap()
    }
}

pub async fn a_run_comes_back_as_it_went_in(place: Place) {
    let new = NewRun {
        cause: Cause::CatchUp,
        kind: RunKind::Verify,
        missed: 3,
        retry_of: Some("before".into()),
        request: json!({"level": "restore", "note": "ü\u{0}"}),
        ..backup_run("shop", Some("2026-07-01T03:00"))
    };
    place.queue(&new).await;
    let row = place.row(&new.id).await;
    assert_eq!((&row.plan, &row.plan_name, &row.owner), (&new.plan, &new.plan_name, &new.owner));
    assert_eq!((row.kind, row.cause, row.state, row.outcome), (new.kind, new.cause, State::Queued, None));
    assert_eq!((&row.occurrence, row.missed, &row.retry_of), (&new.occurrence, 3, &new.retry_of));
    assert_eq!((&row.resource, &row.request, row.attempt), (&new.resource, &new.request, 1));
    assert_eq!((row.result, row.error, row.progress, row.log.as_str()), (None, None, None, ""));
    assert_eq!((row.cancel, row.lease, row.beat), (false, None, 0));
    assert_eq!((row.due_at, row.queued_at, row.started_at, row.finished_at), (noon(), noon(), None, None));

    let claimed = place.claim("w").await.unwrap();
    assert_eq!((claimed.state, claimed.lease.as_deref(), claimed.beat), (State::Running, Some("w"), 1));
    let progress = json!({"phase": "copy", "done": 1, "total": 2});
    assert_eq!(place.catalog.beat_run(&new.id, "w", Some(&progress), "one\n").await.unwrap(), Some(false));
    assert_eq!(place.catalog.beat_run(&new.id, "w", None, "two\n").await.unwrap(), Some(false));
    let row = place.row(&new.id).await;
    assert_eq!((row.beat, row.progress, row.log.as_str()), (3, Some(progress), "one\ntwo\n"));
    let (result, error) = (json!({"backup": "id"}), json!({"code": "c", "message": "m", "hint": null}));
    let done =
        place.catalog.finish_run(&new.id, "w", Outcome::Warnings, Some(&result), Some(&error), "end\n", after(9));
    assert!(done.await.unwrap());
    let row = place.row(&new.id).await;
    assert_eq!((row.state, row.outcome), (State::Done, Some(Outcome::Warnings)));
    assert_eq!((row.result, row.error, row.progress), (Some(result), Some(error), None));
    assert_eq!((row.log.as_str(), row.lease), ("one\ntwo\nend\n", None));
    assert_eq!((row.started_at, row.finished_at), (Some(noon()), Some(after(9))));
    assert!(place.catalog.run(&new.id, Some("owner")).await.unwrap().is_some());
    assert!(place.catalog.run(&new.id, Some("somebody else")).await.unwrap().is_none());
}

pub async fn an_occurrence_has_one_run(place: Place) {
    let insert = async || {
        let new = backup_run("shop", Some("2026-07-01T03:00"));
        place.catalog.add_run(&new, noon()).await.unwrap()
    };
    let (a, b, c, d) = tokio::join!(insert(), insert(), insert(), insert());
    assert_eq!([a, b, c, d].iter().filter(|made| **made).count(), 1);
    assert!(!insert().await);
    place.queue(&backup_run("other", Some("2026-07-01T03:00"))).await;
    place.queue(&backup_run("shop", None)).await;
    place.queue(&backup_run("shop", None)).await;
    assert_eq!(place.catalog.queue().await.unwrap(), (4, 0));
}

pub async fn a_run_is_claimed_once_oldest_first_and_when_it_is_due(place: Place) {
    assert_eq!((place.catalog.next_run().await.unwrap(), place.catalog.queue().await.unwrap()), (None, (0, 0)));
    let runs: Vec<NewRun> = [5, -10, 0, -5]
        .iter()
        .map(|seconds| NewRun { due_at: after(*seconds), ..backup_run(&format!("plan {seconds}"), None) })
        .collect();
    for run in &runs {
        place.queue(run).await;
    }
    assert_eq!(place.catalog.next_run().await.unwrap(), Some(after(-10)));
    for expected in [1, 3, 2] {
        assert_eq!(place.claim("w").await.unwrap().id, runs[expected].id);
    }
    assert!(place.claim("w").await.is_none());
    assert_eq!(place.catalog.queue().await.unwrap(), (1, 3));
    assert_eq!(place.catalog.next_run().await.unwrap(), Some(after(5)));
    assert_eq!(place.catalog.next_run_after(noon()).await.unwrap(), Some(after(5)));
    assert_eq!(place.catalog.next_run_after(after(5)).await.unwrap(), None);
}

pub async fn one_resource_is_used_by_one_run(place: Place) {
    let on = |resource: &str, seconds| NewRun {
        resource: resource.into(),
        due_at: after(seconds),
        ..backup_run("shop", None)
    };
    let (first, second, other) = (on("shop.db", -9), on("shop.db", -8), on("other.db", -7));
    for run in [&first, &second, &other] {
        place.queue(run).await;
    }
    assert_eq!(place.claim("a").await.unwrap().id, first.id);
    assert_eq!(place.claim("b").await.unwrap().id, other.id);
    assert!(place.claim("c").await.is_none());
    assert!(place.catalog.has_open_backup("shop").await.unwrap());
    assert!(place.finish(&first.id, "a").await);
    assert_eq!(place.claim("c").await.unwrap().id, second.id);
    assert!(place.finish(&second.id, "c").await && place.finish(&other.id, "b").await);
    assert!(!place.catalog.has_open_backup("shop").await.unwrap());
}

pub async fn many_workers_claim_each_run_once(place: Place) {
    const RUNS: usize = 120;
    for n in 0..RUNS {
        place
            .queue(&NewRun { resource: format!("resource {}", n % 7), ..backup_run(&format!("plan {n}"), None) })
            .await;
    }
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let place = place.clone();
            tokio::spawn(async move {
                let worker = format!("worker {n}");
                let mut mine = Vec::new();
                while place.catalog.queue().await.unwrap().0 > 0 {
                    let Some(row) = place.claim(&worker).await else { continue };
                    assert!(place.finish(&row.id, &worker).await);
                    mine.push(row.id);
                }
                mine
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for worker in workers {
        claimed.extend(worker.await.unwrap());
    }
    assert_eq!(claimed.len(), RUNS);
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), RUNS);
    assert_eq!(place.catalog.count_runs().await.unwrap(), [(RunKind::Backup, Outcome::Good, RUNS as i64)]);
}

pub async fn a_run_that_was_taken_away_can_do_nothing_more(place: Place) {
    let new = backup_run("shop", Some("1"));
    place.queue(&new).await;
    assert_eq!(place.claim("slow").await.unwrap().id, new.id);
    let beats = place.catalog.beats().await.unwrap();
    assert_eq!(beats, [(new.id.clone(), "slow".to_owned(), 1)]);
    let gone = place.catalog.interrupt_run(&new.id, 1, after(70)).await.unwrap().unwrap();
    assert_eq!((gone.state, gone.outcome, gone.lease), (State::Done, Some(Outcome::Interrupted), None));
    assert_eq!(gone.finished_at, Some(after(70)));
    assert!(place.catalog.interrupt_run(&new.id, 1, after(70)).await.unwrap().is_none());
    assert!(place.catalog.beats().await.unwrap().is_empty());

    assert_eq!(place.catalog.beat_run(&new.id, "slow", None, "late").await.unwrap(), None);
    assert!(!place.finish(&new.id, "slow").await);
    assert!(!place.catalog.retry_run(&new.id, "slow", &json!({}), "", noon()).await.unwrap());
    let row = place.row(&new.id).await;
    assert_eq!((row.outcome, row.log.as_str(), row.error), (Some(Outcome::Interrupted), "", None));
    // What it held is free: another run repeats it.
    place.queue(&NewRun { retry_of: Some(new.id.clone()), cause: Cause::Retry, ..backup_run("shop", None) }).await;
    assert_eq!(place.claim("other").await.unwrap().retry_of, Some(new.id));
}

pub async fn what_was_interrupted_is_repeated_once(place: Place) {
    let owner = place.account("anna", recoup::model::user::Role::Operator).await;
    let plan = place.plan(&owner, "shop").await;
    let lost = async |since, until| -> Vec<String> {
        let rows = place.catalog.unrepeated(after(since), after(until)).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    let first = backup_run(&plan, Some("1"));
    place.queue(&first).await;
    place.claim("w").await.unwrap();
    place.catalog.interrupt_run(&first.id, 1, after(70)).await.unwrap().unwrap();
    assert_eq!(lost(0, 100).await, [first.id.as_str()]);
    assert_eq!((lost(71, 100).await.len(), lost(0, 69).await.len()), (0, 0));
    let repeat = async |id: &str| {
        let again = NewRun { retry_of: Some(id.to_owned()), cause: Cause::Retry, ..backup_run(&plan, None) };
        place.catalog.add_run(&again, noon()).await.unwrap().then_some(again.id)
    };
    let (a, b, c) = tokio::join!(repeat(&first.id), repeat(&first.id), repeat(&first.id));
    let made: Vec<String> = [a, b, c].into_iter().flatten().collect();
    assert_eq!((made.len(), lost(0, 100).await.len()), (1, 0));
    // The repetition is not repeated, nor is what was asked to stop, nor what belongs to no plan.
    assert_eq!(place.claim("w").await.unwrap().id, made[0]);
    place.catalog.interrupt_run(&made[0], 1, after(70)).await.unwrap().unwrap();
    let cancelled = backup_run(&plan, Some("2"));
    place.queue(&cancelled).await;
    place.claim("w").await.unwrap();
    place.catalog.cancel_run(&cancelled.id, noon()).await.unwrap();
    place.catalog.interrupt_run(&cancelled.id, 1, after(70)).await.unwrap().unwrap();
    let nobodys = backup_run("no plan", Some("3"));
    place.queue(&nobodys).await;
    place.claim("w").await.unwrap();
    place.catalog.interrupt_run(&nobodys.id, 1, after(70)).await.unwrap().unwrap();
    assert_eq!(lost(0, 100).await, [""; 0]);
}

pub async fn a_run_that_beats_is_not_interrupted(place: Place) {
    let new = backup_run("shop", None);
    place.queue(&new).await;
    place.claim("w").await.unwrap();
    let seen = place.catalog.beats().await.unwrap()[0].2;
    place.catalog.beat_run(&new.id, "w", None, "").await.unwrap();
    assert!(place.catalog.interrupt_run(&new.id, seen, noon()).await.unwrap().is_none());
    assert!(place.finish(&new.id, "w").await);
    assert_eq!(place.row(&new.id).await.outcome, Some(Outcome::Good));
}

pub async fn cancelling_ends_what_waits_and_tells_what_runs(place: Place) {
    let (waits, runs) = (backup_run("waits", None), NewRun { due_at: after(-1), ..backup_run("runs", None) });
    place.queue(&waits).await;
    place.queue(&runs).await;
    assert_eq!(place.claim("w").await.unwrap().id, runs.id);
    for id in [&waits.id, &runs.id] {
        place.catalog.cancel_run(id, after(1)).await.unwrap();
    }
    let row = place.row(&waits.id).await;
    assert_eq!((row.state, row.outcome, row.finished_at), (State::Done, Some(Outcome::Cancelled), Some(after(1))));
    assert!(row.cancel && place.claim("v").await.is_none());
    let row = place.row(&runs.id).await;
    assert_eq!((row.state, row.outcome, row.finished_at, row.cancel), (State::Running, None, None, true));
    assert_eq!(place.catalog.beat_run(&runs.id, "w", None, "").await.unwrap(), Some(true));
    // It does not begin again.
    assert!(!place.catalog.retry_run(&runs.id, "w", &json!({}), "", noon()).await.unwrap());
    let done = place.catalog.finish_run(&runs.id, "w", Outcome::Cancelled, None, None, "", after(2));
    assert!(done.await.unwrap());
    // What has ended stays as it ended.
    place.catalog.cancel_run(&runs.id, after(3)).await.unwrap();
    assert_eq!(place.row(&runs.id).await.finished_at, Some(after(2)));
}

pub async fn a_run_that_is_put_back_runs_again_later(place: Place) {
    let new = backup_run("shop", Some("1"));
    place.queue(&new).await;
    place.claim("w").await.unwrap();
    let why = json!({"code": "catalog_unreachable"});
    assert!(place.catalog.retry_run(&new.id, "w", &why, "again\n", after(60)).await.unwrap());
    assert!(!place.catalog.retry_run(&new.id, "w", &why, "again\n", after(60)).await.unwrap());
    let row = place.row(&new.id).await;
    assert_eq!((row.state, row.attempt, row.lease, row.error), (State::Queued, 2, None, Some(why)));
    assert!(place.claim("v").await.is_none());
    let row = place.catalog.claim_run("v", after(60)).await.unwrap().unwrap();
    // Since when it runs is told from its first attempt on.
    assert_eq!((row.started_at, row.lease.as_deref(), row.log.as_str()), (Some(noon()), Some("v"), "again\n"));
}

pub async fn runs_are_listed_by_what_is_asked(place: Place) {
    let mut all = Vec::new();
    for n in 0..12 {
        let new = NewRun {
            owner: ["anna", "bert"][n % 2].into(),
            kind: [RunKind::Backup, RunKind::Verify, RunKind::Prune][n % 3],
            resource: n.to_string(),
            ..backup_run(["shop", "blog"][n / 6], None)
        };
        place.queue(&new).await;
        all.push(new);
    }
    let running = place.claim("w").await.unwrap().id;
    all.sort_by(|a, b| b.id.cmp(&a.id));
    let any = Runs { limit: 100, ..Runs::default() };
    let ids = async |wanted: Runs| -> Vec<String> {
        place.catalog.runs(&wanted).await.unwrap().into_iter().map(|row| row.id).collect()
    };
    let those = |fits: &dyn Fn(&NewRun) -> bool| -> Vec<String> {
        all.iter().filter(|run| fits(run)).map(|run| run.id.clone()).collect()
    };
    assert_eq!(ids(any.clone()).await, those(&|_| true));
    let wanted = Runs { owner: Some("anna".into()), ..any.clone() };
    assert_eq!(ids(wanted).await, those(&|run| run.owner == "anna"));
    let wanted = Runs { plan: Some("blog".into()), ..any.clone() };
    assert_eq!(ids(wanted).await, those(&|run| run.plan == "blog"));
    let wanted = Runs { kind: Some(RunKind::Prune), owner: Some("bert".into()), ..any.clone() };
    assert_eq!(ids(wanted).await, those(&|run| run.kind == RunKind::Prune && run.owner == "bert"));
    assert_eq!(ids(Runs { state: Some(State::Running), ..any.clone() }).await, [running]);
    let mut paged = Vec::new();
    loop {
        let page = ids(Runs { before: paged.last().cloned(), limit: 5, ..any.clone() }).await;
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, those(&|_| true));
}

pub async fn a_missed_time_is_a_run_that_ended(place: Place) {
    let new = backup_run("shop", Some("2026-07-01T03:00"));
    let why = json!({"code": "too_late"});
    assert!(place.catalog.add_missed_run(&new, &why, after(5)).await.unwrap());
    let again = NewRun { id: super::id(), ..new.clone() };
    assert!(!place.catalog.add_missed_run(&again, &why, after(5)).await.unwrap());
    assert!(!place.catalog.add_run(&again, noon()).await.unwrap());
    let row = place.row(&new.id).await;
    assert_eq!((row.state, row.outcome, row.error), (State::Done, Some(Outcome::Missed), Some(why)));
    assert_eq!((row.started_at, row.finished_at), (None, Some(after(5))));
    assert!(place.claim("w").await.is_none());
}

pub async fn occurrences_of_a_wrong_clock_are_given_back(place: Place) {
    let keys = ["2026-07-01T03:00", "2026-07-02T03:00", "2029-07-01T03:00"];
    for key in keys {
        let run = backup_run("shop", Some(key));
        place.queue(&run).await;
        place.claim("w").await.unwrap();
        place.finish(&run.id, "w").await;
    }
    let other = backup_run("other", Some(keys[2]));
    place.queue(&other).await;
    assert_eq!(place.catalog.free_occurrences("shop", keys[0]).await.unwrap(), 2);
    // Those may run by the right clock, the one before not again, another plan's are untouched.
    for (key, free) in [(keys[0], false), (keys[1], true), (keys[2], true)] {
        assert_eq!(place.catalog.add_run(&backup_run("shop", Some(key)), noon()).await.unwrap(), free, "{key}");
    }
    assert_eq!(place.row(&other.id).await.occurrence.as_deref(), Some(keys[2]));
}

pub async fn a_log_line_may_hold_anything(place: Place) {
    let new = backup_run("shop", None);
    place.queue(&new).await;
    place.claim("w").await.unwrap();
    place.catalog.beat_run(&new.id, "w", None, "a hook says \0 and ü\n").await.unwrap();
    place.catalog.finish_run(&new.id, "w", Outcome::Good, None, None, "\0\u{1b}[31m", noon()).await.unwrap();
    assert_eq!(place.row(&new.id).await.log, "a hook says \u{2400} and ü\n\u{2400}\u{1b}[31m");
}
