//! Opening an engine: on nothing, on what a crash left, on a catalog that was lost or is damaged; and what people are told.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use engine_kit::{Desk, SHOP, at, good};
use recoup::ErrorKind;
use recoup::clock::Clock;
use recoup::engine::Actor;
use recoup::model::Outcome;
use recoup::model::job::{RunKind, State};
use recoup::model::notice::{Event, Notice};
use recoup::model::user::Role;
use recoup_testkit::hand_clock::HandClock;

#[tokio::test]
async fn the_daemons_folder_is_its_own() {
    let desk = Desk::new(SHOP).await;
    for folder in ["", "backups", "scratch", "uploads", "downloads"] {
        let mode = fs::metadata(desk.data().join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{folder}");
    }
    assert_eq!(fs::metadata(desk.data().join("catalog.db")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_catalog_that_was_lost_loses_no_backup() {
    let desk = Desk::new(SHOP).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        desk.clock.forward(1);
        made.push(good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned());
    }
    made.reverse();
    desk.engine.catalog().close().await;
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(desk.data().join(name));
    }
    let desk = desk.reopened(None).await.unwrap();
    assert!(desk.listed().await.is_empty());
    fs::write(desk.path().join("backups/shop/shop-20260101T000000Z-abcdef.manifest.json"), "{").unwrap();
    let adopted = desk.engine.adopt(&Actor::daemon(), "here").await.unwrap();
    assert_eq!((adopted.plans, adopted.backups, adopted.damaged.len()), (vec!["shop".to_owned()], 3, 1));
    assert_eq!(desk.listed().await, made);
    let (preview, _) = desk.engine.preview_restore(&Actor::daemon(), &made[0], vec![]).await.unwrap();
    desk.sql("DELETE FROM product");
    let run = desk.engine.start_restore(&Actor::daemon(), &preview, true).await.unwrap();
    good(&desk.done(&run).await);
    assert_eq!(desk.products(), 3);
    let missing = desk.engine.adopt(&Actor::daemon(), "./nowhere").await.unwrap_err();
    assert_eq!((missing.kind(), desk.path().join("nowhere").exists()), (ErrorKind::NotFound, false));
    assert_eq!(desk.engine.adopt(&Actor::daemon(), "heer").await.unwrap_err().code(), "destination_missing");
}

#[tokio::test]
async fn backups_of_a_plan_that_nobody_declares_can_be_restored_by_an_admin() {
    let desk = Desk::new(SHOP).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let desk = desk.reopened(Some("[destination.here]\npath = \"backups\"\n")).await.unwrap();
    desk.engine.refresh(None).await.unwrap();
    desk.sql("DELETE FROM product");
    let ada = desk.user("ada", Role::Operator).await;
    assert_eq!(desk.engine.preview_restore(&ada, &id, vec![]).await.unwrap_err().code(), "backup_missing");
    let (preview, _) = desk.engine.preview_restore(&Actor::daemon(), &id, vec![]).await.unwrap();
    let run = desk.engine.start_restore(&Actor::daemon(), &preview, false).await.unwrap();
    good(&desk.done(&run).await);
    assert_eq!(desk.products(), 3);
}

#[tokio::test]
async fn a_look_makes_the_list_what_is_there() {
    let desk = Desk::new(SHOP).await;
    let first = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.clock.forward(1);
    let second = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    let copies = desk.engine.backup(&Actor::daemon(), &first).await.unwrap();
    // Somebody deletes one by hand, or with the command line.
    desk.engine.store("here").unwrap().delete(&second.parse().unwrap(), true).unwrap();
    desk.engine.refresh(Some("shop")).await.unwrap();
    assert_eq!(desk.listed().await, std::slice::from_ref(&first));
    assert_eq!(desk.engine.backup(&Actor::daemon(), &first).await.unwrap(), copies, "what was proven stays proven");
    // A folder that is gone may be mounted again.
    fs::rename(desk.path().join("backups"), desk.path().join("away")).unwrap();
    desk.engine.refresh(None).await.unwrap();
    assert_eq!(desk.listed().await, std::slice::from_ref(&first));
    assert!(!desk.path().join("backups").exists());
    fs::rename(desk.path().join("away"), desk.path().join("backups")).unwrap();
    // A destination that has no name any more leads nowhere.
    let desk = desk.reopened(Some(&SHOP.replace("here", "there"))).await.unwrap();
    desk.engine.refresh(None).await.unwrap();
    let copies = desk.engine.backup(&Actor::daemon(), &first).await.unwrap();
    assert_eq!(copies.iter().map(|copy| copy.destination.as_str()).collect::<Vec<_>>(), ["there"]);
}

#[tokio::test]
async fn a_damaged_catalog_is_refused_with_the_way_out() {
    let desk = Desk::new(SHOP).await;
    desk.engine.catalog().close().await;
    let file = desk.data().join("catalog.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[4096..middle].iter_mut().for_each(|byte| *byte = 0xaa);
    for name in ["catalog.db-wal", "catalog.db-shm"] {
        let _ = fs::remove_file(desk.data().join(name));
    }
    fs::write(&file, bytes).unwrap();
    let error = desk.reopened(None).await.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupted, "catalog_corrupted"), "{error} {}", error.detail());
    fs::write(&file, "not a database, but text that is long enough to be looked at").unwrap();
    let error = desk.reopened(None).await.err().unwrap();
    assert_eq!(error.code(), "catalog_corrupted");
}

#[tokio::test]
async fn a_catalog_of_a_newer_version_is_refused() {
    let desk = Desk::new(SHOP).await;
    let newer = "INSERT INTO _sqlx_migrations SELECT 99, 'later', installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1";
    desk.catalog().execute_batch(newer).unwrap();
    let error = desk.reopened(None).await.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "catalog_newer"));
}

#[tokio::test]
async fn a_destination_is_tried_step_by_step() {
    let desk = Desk::new(&format!("{SHOP}[destination.nas]\npath = \"nas\"\nmarker = true\n")).await;
    let daemon = Actor::daemon();
    let steps = desk.engine.test_destination(&daemon, "here").await.unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["open", "write", "read", "list", "delete", "space"]);
    assert!(steps.iter().all(|step| step.ok), "{steps:?}");
    assert!(desk.engine.store("here").unwrap().list(None).unwrap().backups.is_empty());
    let steps = desk.engine.test_destination(&daemon, "nas").await.unwrap();
    assert_eq!((steps.len(), steps[0].ok), (1, false));
    let ada = desk.user("ada", Role::Operator).await;
    assert_eq!(desk.engine.test_destination(&ada, "/tmp").await.unwrap_err().code(), "not_allowed");
}

#[tokio::test]
async fn people_hear_of_trouble_once_and_of_its_end() {
    let toml = format!(
        "{SHOP}[server]\npublic_url = \"https://backup.example/\"\n[notify.ops]\nntfy = \"https://ntfy.sh/topic\"\n[notify.watch]\nheartbeat = \"https://hc.example/x\"\n"
    );
    let toml = toml.replace("destinations = [\"here\"]", "destinations = [\"here\"]\nnotify = [\"ops\", \"watch\"]");
    let desk = Desk::new(&toml).await;
    let told = async |channel: &str| {
        let mut told: Vec<String> = Vec::new();
        for out in desk.engine.catalog().outgoing_of(channel, "shop", 100).await.unwrap() {
            told.insert(0, out.notice["event"].as_str().unwrap().to_owned());
        }
        told
    };
    good(&desk.back_up("shop").await);
    let away = desk.path().join("app/away.db");
    fs::rename(desk.database(), &away).unwrap();
    desk.back_up("shop").await;
    desk.back_up("shop").await;
    fs::rename(&away, desk.database()).unwrap();
    desk.back_up("shop").await;
    desk.work_all().await;
    assert_eq!(told("ops").await, ["failure", "recovery"]);
    let runs = ["start", "success", "start", "failure", "start", "failure", "start", "recovery"];
    assert_eq!(told("watch").await, runs, "a monitor hears of every backup and of no verification");
    let last = desk.engine.catalog().outgoing_of("ops", "shop", 1).await.unwrap().remove(0);
    let notice: Notice = serde_json::from_value(last.notice).unwrap();
    assert_eq!((notice.backup.unwrap().places, notice.host.as_deref()), (vec!["here".to_owned()], Some("desk")));
    assert!(notice.audit_head.is_some());
    let page = format!("https://backup.example/runs/{}", notice.run.unwrap());
    assert_eq!(notice.link, Some(page));
    let overdue = Notice::new(Event::Overdue, "shop", desk.clock.now());
    assert!(desk.engine.tell(&overdue).await);
    assert!(!desk.engine.tell(&overdue).await, "the same again is not told");
}

#[tokio::test]
async fn a_plan_without_a_fresh_verified_backup_is_overdue_after_twice_its_interval() {
    let desk = Desk::new(&format!("{SHOP}schedule = {{ every = \"daily\", at = \"03:00\" }}\n")).await;
    let status = async || desk.engine.status(&desk.plan("shop").await).await.unwrap();
    assert_eq!((status().await.fresh, status().await.overdue), (false, false), "it is new");
    assert_eq!(status().await.next, Some(at("2026-05-02T03:00:00Z")));
    desk.clock.forward(49);
    assert!(status().await.overdue);
    good(&desk.back_up("shop").await);
    assert_eq!((status().await.fresh, status().await.overdue), (true, false));
    desk.clock.forward(49);
    assert_eq!((status().await.fresh, status().await.overdue), (false, true));
}

/// The other process of the test below: works on a run until it is killed.
#[test]
#[ignore = "started by another test"]
fn works_until_it_is_killed() {
    let folder = std::path::PathBuf::from(std::env::var("ENGINE_FOLDER").unwrap());
    let toml = fs::read_to_string(folder.join("recoup.toml")).unwrap();
    let clock = HandClock::at(std::env::var("ENGINE_NOW").unwrap().parse().unwrap());
    let stop = std::env::var("ENGINE_STOP").unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let engine = engine_kit::open(&folder, &toml, clock.clone(), engine_kit::stops()).await.unwrap();
        if stop == "backup" {
            let _ = engine.work("doomed").await;
            return;
        }
        let run = engine.catalog().claim_run("doomed", clock.now()).await.unwrap().unwrap();
        tokio::task::spawn_blocking(move || engine_kit::restore_and_stop(&engine, &run, &stop)).await.unwrap();
    });
}

/// Starts that process on what is queued and kills it when it says that it is there.
fn work_and_be_killed(desk: &Desk, stop: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "works_until_it_is_killed"])
        .env("ENGINE_FOLDER", desk.path())
        .env("ENGINE_NOW", desk.clock.now().to_string())
        .env("ENGINE_STOP", stop)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("it is there")), "it never came to {stop}");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// What a scheduler does when it has not heard of a run for too long.
async fn nobody_was_heard(desk: &Desk) {
    for (id, _, beat) in desk.engine.catalog().beats().await.unwrap() {
        let gone = desk.engine.catalog().interrupt_run(&id, beat, desk.clock.now()).await.unwrap().unwrap();
        desk.engine.interrupted(gone).await.unwrap();
    }
}

#[tokio::test]
async fn a_backup_that_was_killed_is_interrupted_repeated_once_and_leaves_no_half() {
    let desk = Desk::new(SHOP).await;
    let run = desk.ask("shop").await;
    work_and_be_killed(&desk, "backup");
    let desk = desk.reopened(None).await.unwrap();
    let row = desk.engine.catalog().run(&run.id, None).await.unwrap().unwrap();
    assert_eq!(row.state, State::Running, "it may live: only who has not heard of it for long can tell");
    nobody_was_heard(&desk).await;
    let row = desk.engine.catalog().run(&run.id, None).await.unwrap().unwrap();
    assert_eq!(row.outcome, Some(Outcome::Interrupted));
    let again = desk.work_all().await;
    assert_eq!((again[0].retry_of.as_ref(), again[0].kind), (Some(&run.id), RunKind::Backup));
    good(&again[0]);
    assert_eq!(desk.engine.store("here").unwrap().list(None).unwrap().backups.len(), 1);
    // A second time it is not repeated, but told.
    desk.clock.forward(1);
    let run = desk.ask("shop").await;
    work_and_be_killed(&desk, "backup");
    nobody_was_heard(&desk).await;
    let retry = desk.waiting().await;
    assert_eq!((retry.len(), retry[0].retry_of.as_ref()), (1, Some(&run.id)));
    work_and_be_killed(&desk, "backup");
    nobody_was_heard(&desk).await;
    assert!(desk.waiting().await.is_empty());
}

#[tokio::test]
async fn a_restore_that_was_killed_is_finished_or_taken_back_when_the_engine_opens_and_never_repeated() {
    let mut desk = Desk::new(SHOP).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    let daemon = Actor::daemon();
    for (stop, products) in [("Restoring into place", 1), ("Comparing shop", 3)] {
        desk.sql("DELETE FROM product WHERE id > 1");
        let (preview, _) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
        let run = desk.engine.start_restore(&daemon, &preview, true).await.unwrap();
        work_and_be_killed(&desk, stop);
        assert!(desk.path().join("app/.recoup-restore").exists());
        desk = desk.reopened(None).await.unwrap();
        let row = desk.engine.catalog().run(&run.id, None).await.unwrap().unwrap();
        let finished = products == 3;
        // Whoever looks at the run is told which of the two it was.
        let (outcome, code) = match finished {
            true => (Outcome::Warnings, &row.result.as_ref().unwrap()["warnings"][0]["code"]),
            false => (Outcome::Interrupted, &row.error.as_ref().unwrap()["code"]),
        };
        assert_eq!(row.outcome, Some(outcome), "{stop} {row:?}");
        assert_eq!(code, if finished { "finished_later" } else { "restore_taken_back" }, "{stop} {row:?}");
        assert_eq!(desk.products(), products, "{stop}");
        assert!(!desk.path().join("app/.recoup-restore").exists());
        assert!(desk.work_all().await.is_empty(), "a restore is never repeated by itself");
        desk.clock.forward(1);
    }
    let links = desk.engine.catalog().audit_before(i64::MAX, Some("restore.failed"), None, None, 9).await.unwrap();
    assert_eq!((links.len(), &links[0].event.details["code"]), (1, &serde_json::json!("restore_taken_back")));
    let links = desk.engine.catalog().audit_before(i64::MAX, Some("restore.completed"), None, None, 9).await.unwrap();
    assert_eq!(links.len(), 1);
    // What was finished can be taken back.
    let undo = desk.engine.undo(&daemon, "shop").await.unwrap();
    good(&desk.done(&undo).await);
    assert_eq!(desk.products(), 1);
    good(&desk.back_up("shop").await);
}
