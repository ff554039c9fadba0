//! Plans with several destinations: what one lacks comes to it by itself, a damaged copy is passed over, and the last good
//! one stays. The second destination is a bucket of a real server behind a proxy that fails as a test says.
#![cfg(all(feature = "daemon", feature = "remote"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use engine_kit::{Desk, good, outcome};
use recoup::catalog::{BackupRow, RunRow};
use recoup::engine::{Actor, Standing, Work};
use recoup::model::job::{Cause, RunKind, State};
use recoup::model::{Format, Kind, Level, Outcome};
use recoup_testkit::faulty::{Fault, Faulty};
use recoup_testkit::moto::{ACCESS_KEY, Moto, SECRET_KEY};
use serde_json::{Value, json};

const MINUTE: Duration = Duration::from_secs(60);

/// The shop, here and in a bucket, and somebody who hears of everything.
struct Two {
    desk: Desk,
    proxy: Faulty,
    _server: Arc<Moto>,
}

fn down() -> Fault {
    Fault::Answer(503, String::new(), "<Error><Code>SlowDown</Code></Error>".into())
}

impl Two {
    async fn new(destinations: &str, more: &str) -> Two {
        let server = Moto::shared();
        let bucket = server.bucket();
        let proxy = Faulty::to_port(server.port(), |_| Fault::Pass);
        let toml = format!(
            r#"
[destination.here]
path = "backups"
[destination.offsite]
type = "s3"
bucket = "{bucket}"
endpoint = "http://127.0.0.1:{}"
access_key = "{ACCESS_KEY}"
secret_key = "{SECRET_KEY}"
attempts = 1
[notify.hook]
webhook = "http://127.0.0.1:9/"
on = ["success", "warnings", "failure", "recovery"]
[plan.shop]
databases = ["app/shop.db"]
directories = ["app/pictures"]
destinations = {destinations}
test_restore = "never"
{more}
"#,
            proxy.port()
        );
        Two { desk: Desk::new(&toml).await, proxy, _server: server }
    }

    fn fails(&self) {
        self.proxy.rule(|_| down());
    }
    fn works(&self) {
        self.proxy.rule(|_| Fault::Pass);
    }

    async fn at(&self, place: &str) -> Standing {
        at(&self.desk, place).await
    }

    /// Events that were told of the plan, the oldest first.
    async fn told(&self) -> Vec<String> {
        let mut all = self.desk.engine.catalog().outgoing_of("hook", "shop", 100).await.unwrap();
        all.reverse();
        all.into_iter().map(|out| out.notice["event"].as_str().unwrap().to_owned()).collect()
    }
}

async fn at(desk: &Desk, place: &str) -> Standing {
    let all = desk.engine.standing(&desk.plan("shop").await).await.unwrap();
    all.into_iter().find(|standing| standing.destination == place).unwrap()
}

async fn copies(desk: &Desk, id: &str) -> Vec<BackupRow> {
    desk.engine.backup(&Actor::daemon(), id).await.unwrap()
}

async fn places(desk: &Desk, id: &str) -> Vec<String> {
    copies(desk, id).await.into_iter().map(|copy| copy.destination).collect()
}

fn id(run: &RunRow) -> String {
    run.result.as_ref().unwrap()["backup"].as_str().unwrap().to_owned()
}

/// Flips a byte of a copy in the folder.
async fn rot(desk: &Desk, id: &str) {
    let (manifest, _) = desk.engine.manifest(&Actor::daemon(), id).await.unwrap();
    let object = desk.path().join("backups/shop").join(&manifest.objects[0].name);
    let mut bytes = fs::read(&object).unwrap();
    // Everywhere, so that it is noticed whatever is read of it; but not where a ZIP has its directory.
    let end = bytes.len() * 2 / 3;
    bytes[..end].iter_mut().skip(100).step_by(50).for_each(|byte| *byte ^= 1);
    fs::write(&object, bytes).unwrap();
}

/// What happened to copies, by the audit: whether it went well.
async fn copied(desk: &Desk) -> Vec<bool> {
    let links = desk.engine.catalog().audit_after(0, 1000).await.unwrap();
    links.iter().filter(|link| link.event.event == "backup.copied").map(|link| link.event.success).collect()
}

#[tokio::test]
async fn what_one_destination_lacks_comes_to_it_by_itself_with_growing_pauses() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let desk = &two.desk;
    let first = id(&desk.back_up("shop").await);
    assert_eq!(places(desk, &first).await, ["here", "offsite"]);
    two.fails();
    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run), (Outcome::Warnings, String::new()));
    let second = id(&run);
    assert_eq!(places(desk, &second).await, ["here"]);

    let offsite = two.at("offsite").await;
    assert_eq!(offsite.missing, std::slice::from_ref(&second));
    assert!(offsite.remote && offsite.error.is_some() && offsite.error_at.is_some() && !offsite.needs_sign_in);
    assert_eq!((offsite.copies, two.at("here").await.error), (1, None));
    let waits = desk.waiting().await;
    assert_eq!((waits.len(), waits[0].kind, waits[0].cause), (1, RunKind::Copy, Cause::Retry));

    // 1, 5, 25 minutes, then every hour; up to a fifth later.
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let due = desk.waiting().await[0].due_at;
        pauses.push(due.duration_since(desk.engine.clock().now()).as_mins());
        desk.clock.set(due);
        let tried = desk.engine.work("worker").await.unwrap().unwrap();
        assert_eq!((tried.kind, tried.state), (RunKind::Copy, State::Queued), "{:?}", tried.error);
    }
    assert_eq!(pauses[0], 1);
    for (pause, least) in pauses[1..].iter().zip([5, 25, 60, 60, 60]) {
        assert!((least..=least + least / 5).contains(pause), "{pauses:?}");
    }
    assert_eq!(two.told().await, ["success", "warnings"], "that it still fails is no news");

    // Another process goes on with it.
    let desk = desk.reopened(None).await.unwrap();
    two.works();
    desk.clock.pass(72 * MINUTE);
    let done = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(good(&done)["copied"], json!([second]));
    assert_eq!(places(&desk, &second).await, ["here", "offsite"]);
    let offsite = at(&desk, "offsite").await;
    assert_eq!((offsite.missing.len(), offsite.error, offsite.next_try), (0, None, None));
    assert_eq!(offsite.last_good, two.at("here").await.last_good);
    assert_eq!(two.told().await, ["success", "warnings", "recovery"]);
    assert_eq!(copied(&desk).await, [false, false, false, false, false, false, true]);
    let notice = desk.engine.catalog().outgoing_of("hook", "shop", 1).await.unwrap().pop().unwrap().notice;
    assert_eq!((&notice["work"], &notice["backup"]["places"]), (&json!("copy"), &json!(["offsite"])));

    desk.engine.queue_missing_copies().await.unwrap();
    assert!(desk.waiting().await.is_empty());
}

#[tokio::test]
async fn a_destination_that_answers_again_gets_what_it_missed_at_once() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let desk = &two.desk;
    two.fails();
    let missed = [id(&desk.back_up("shop").await), id(&desk.back_up("shop").await)];
    assert_eq!(desk.waiting().await.len(), 1, "one run for all that is missing");
    two.works();
    let third = desk.back_up("shop").await;
    good(&third);
    let copy = desk.engine.work("worker").await.unwrap().expect("it does not wait for its minute");
    assert_eq!(good(&copy)["copied"], json!([missed[1], missed[0]]), "the newest first");
    assert_eq!(two.at("offsite").await.copies, 3);
}

#[tokio::test]
async fn a_run_that_somebody_cancelled_or_a_crash_ended_is_queued_again_within_the_hour() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let desk = &two.desk;
    two.fails();
    let missed = id(&desk.back_up("shop").await);
    let waits = desk.waiting().await.remove(0);
    desk.engine.cancel(&Actor::daemon(), &waits.id).await.unwrap();
    assert!(desk.waiting().await.is_empty());
    desk.engine.queue_missing_copies().await.unwrap();
    assert_eq!(desk.waiting().await.len(), 1);

    desk.clock.pass(2 * MINUTE);
    let claimed = desk.engine.catalog().claim_run("gone", desk.engine.clock().now()).await.unwrap().unwrap();
    let closed = desk.engine.catalog().interrupt_run(&claimed.id, claimed.beat, desk.engine.clock().now()).await;
    desk.engine.interrupted(closed.unwrap().unwrap()).await.unwrap();
    two.works();
    desk.clock.pass(2 * MINUTE);
    let done = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(good(&done)["copied"], json!([missed]));
    assert_eq!(two.told().await, ["warnings", "recovery"]);
}

#[tokio::test]
async fn each_destination_keeps_what_it_is_told_and_none_is_pruned_that_failed() {
    let plan = r#"["here", { name = "offsite", retention = { keep_count = 2 } }]"#;
    let two = Two::new(plan, "retention = { keep_count = 4 }").await;
    let desk = &two.desk;
    let mut made = Vec::new();
    for _ in 0..6 {
        let run = desk.back_up("shop").await;
        good(&run);
        made.push(id(&run));
    }
    assert_eq!((two.at("here").await.copies, two.at("offsite").await.copies), (4, 2));
    assert_eq!(two.at("offsite").await.missing, [""; 0], "what retention does not keep there is not missing");
    two.fails();
    let run = desk.back_up("shop").await;
    let pruned = &run.result.as_ref().unwrap()["retention"];
    assert_eq!((pruned.as_array().unwrap().len(), &pruned[0]["destination"]), (1, &json!("here")));
    assert_eq!(two.at("offsite").await.copies, 2);
    two.works();
    desk.clock.pass(2 * MINUTE);
    let done = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(good(&done)["copied"], json!([id(&run)]));
    assert_eq!(good(&done)["retention"][0]["deleted"], json!([made[4]]), "it made room there");
    assert_eq!(places(desk, &made[5]).await, ["here", "offsite"]);
    desk.engine.queue_missing_copies().await.unwrap();
    assert!(desk.waiting().await.is_empty(), "and what went is not brought back");
    let (_, previews) = desk.engine.preview_prune(&Actor::daemon(), "shop").await.unwrap();
    assert!(previews.iter().all(|(_, preview)| preview.going().count() == 0));
}

#[tokio::test]
async fn a_damaged_copy_is_passed_over_told_and_mended() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let (desk, daemon) = (&two.desk, Actor::daemon());
    let backup = id(&desk.back_up("shop").await);
    desk.sql("DELETE FROM product");
    rot(desk, &backup).await;

    let (preview, shown) = desk.engine.preview_restore(&daemon, &backup, Vec::new()).await.unwrap();
    assert!(shown.warnings.iter().any(|warning| warning.code == "copy_skipped" && warning.text.contains("here")));
    let rows = copies(desk, &backup).await;
    assert!(rows[0].damaged.as_deref().unwrap().contains("SHA-256"), "{rows:?}");
    assert_eq!((two.at("here").await.damaged, rows[1].damaged.clone()), (1, None));
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    let done = desk.done(&run).await;
    assert_eq!((outcome(&done), desk.products()), ((Outcome::Good, String::new()), 3));

    // What is damaged here is missing here, and comes back from there.
    assert_eq!(two.at("here").await.missing, std::slice::from_ref(&backup));
    desk.engine.queue_missing_copies().await.unwrap();
    desk.clock.pass(2 * MINUTE);
    let mended = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(good(&mended)["copied"], json!([backup]));
    assert!(copies(desk, &backup).await.iter().all(|copy| copy.damaged.is_none()));
    let verify = engine_kit::verify(Level::Restore);
    let run = desk.engine.enqueue(&daemon, "shop", verify).await.unwrap();
    good(&desk.done(&run).await);
}

#[tokio::test]
async fn a_restore_takes_the_next_copy_when_the_first_rots_after_the_preview() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let (desk, daemon) = (&two.desk, Actor::daemon());
    let backup = id(&desk.back_up("shop").await);
    desk.sql("DELETE FROM product");
    let (preview, shown) = desk.engine.preview_restore(&daemon, &backup, Vec::new()).await.unwrap();
    assert!(shown.warnings.iter().all(|warning| warning.code != "copy_skipped"));
    rot(desk, &backup).await;
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    let done = desk.done(&run).await;
    assert_eq!((outcome(&done), desk.products()), ((Outcome::Warnings, String::new()), 3));
    assert_eq!(done.result.unwrap()["warnings"][0]["code"], "copy_skipped");
    assert!(copies(desk, &backup).await[0].damaged.is_some());
}

#[tokio::test]
async fn what_cannot_be_read_here_is_downloaded_compared_and_described_from_there() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let (desk, daemon) = (&two.desk, Actor::daemon());
    let backup = id(&desk.back_up("shop").await);
    let other = id(&desk.back_up("shop").await);
    rot(desk, &backup).await;
    let (file, name, bytes) = desk.engine.open_object(&daemon, &backup).await.unwrap();
    let (manifest, _) = desk.engine.manifest(&daemon, &backup).await.unwrap();
    assert_eq!((&name, bytes), (&manifest.objects[0].name, manifest.objects[0].bytes));
    let arrived = recoup::format::proof::hash_file(&path_of(&file), &recoup::progress::Context::quiet()).unwrap();
    assert_eq!(arrived.1, manifest.objects[0].sha256);
    assert!(copies(desk, &backup).await[0].damaged.is_some());

    rot(desk, &other).await;
    let same = desk.engine.diff(&daemon, &backup, Some(&other)).await.unwrap();
    assert!(same.databases.iter().all(|database| database.tables.is_empty()), "{same:?}");
    // The whole folder is gone: the other place still has everything.
    fs::remove_dir_all(desk.path().join("backups/shop")).unwrap();
    assert_eq!(desk.engine.manifest(&daemon, &backup).await.unwrap().0, manifest);
}

/// By its descriptor, because the name may be gone.
fn path_of(file: &fs::File) -> std::path::PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[tokio::test]
async fn the_last_good_backup_goes_only_by_force_and_a_damaged_newer_one_does_not_count() {
    let two = Two::new(r#"["here", "offsite"]"#, "retention = { keep_count = 1 }").await;
    let (desk, daemon) = (&two.desk, Actor::daemon());
    let first = id(&desk.back_up("shop").await);
    let refused = desk.engine.delete_backup(&daemon, &first, false, false).await.unwrap_err();
    assert_eq!((refused.code(), places(desk, &first).await.len()), ("last_good_backup", 2));

    // A newer one that is good nowhere takes no place: nothing is removed for it.
    let toml = "retention = { keep_count = 2 }";
    let two = Two::new(r#"["here", "offsite"]"#, toml).await;
    let desk = &two.desk;
    let kept = id(&desk.back_up("shop").await);
    let newer = [id(&desk.back_up("shop").await), id(&desk.back_up("shop").await)];
    assert_eq!(places(desk, &newer[0]).await.len(), 2);
    assert_eq!(desk.engine.backup(&daemon, &kept).await.unwrap_err().code(), "backup_missing");
    for id in &newer {
        for row in copies(desk, id).await {
            let damaged = BackupRow { damaged: Some("hash differs".into()), ..row };
            desk.engine.catalog().put_backup(&damaged).await.unwrap();
        }
    }
    let fresh = desk.back_up("shop").await;
    assert!(
        fresh.result.as_ref().unwrap()["retention"].as_array().unwrap().iter().all(|at| at["deleted"] == json!([]))
    );
    desk.engine.delete_backup(&daemon, &newer[0], false, false).await.unwrap();
    assert_eq!(
        desk.engine.delete_backup(&daemon, &id(&fresh), false, false).await.unwrap_err().code(),
        "last_good_backup",
        "the other one is damaged"
    );
    desk.engine.delete_backup(&daemon, &id(&fresh), true, false).await.unwrap();
}

#[tokio::test]
async fn one_backup_is_copied_when_somebody_asks_and_that_fails_once() {
    let two = Two::new(r#"["here"]"#, "").await;
    let (desk, daemon) = (&two.desk, Actor::daemon());
    let backup = id(&desk.back_up("shop").await);
    two.fails();
    let run = desk.engine.copy(&daemon, &backup, "offsite").await.unwrap();
    let failed = desk.done(&run).await;
    assert_eq!(outcome(&failed).0, Outcome::Failed, "who asked is told");
    two.works();
    let run = desk.engine.copy(&daemon, &backup[..12], "offsite").await.unwrap();
    assert_eq!(good(&desk.done(&run).await)["copied"], json!([backup]));
    assert_eq!(places(desk, &backup).await, ["here", "offsite"]);
    let again = desk.engine.copy(&daemon, &backup, "offsite").await.unwrap();
    assert_eq!(good(&desk.done(&again).await)["copied"], json!([]), "it is there");
    let nowhere = desk.engine.copy(&daemon, &backup, "elsewhere").await.unwrap_err();
    assert_eq!(nowhere.code(), "destination_missing");
    assert_eq!(desk.engine.copy(&daemon, "ZZZ", "here").await.unwrap_err().code(), "backup_missing");
    desk.engine.refresh(None).await.unwrap();
    assert_eq!(places(desk, &backup).await, ["here", "offsite"]);
}

#[tokio::test]
async fn what_was_made_before_or_for_this_machine_only_is_left_where_it_is() {
    let two = Two::new(r#"["here"]"#, "").await;
    let desk = &two.desk;
    good(&desk.back_up("shop").await);
    let toml = fs::read_to_string(desk.path().join("recoup.toml")).unwrap();
    let toml = toml.replace(r#"destinations = ["here"]"#, r#"destinations = ["here", "offsite"]"#);
    desk.clock.pass(MINUTE);
    let desk = desk.reopened(Some(&toml)).await.unwrap();
    desk.engine.queue_missing_copies().await.unwrap();
    assert!(desk.waiting().await.is_empty(), "the old one is not brought to a new destination by itself");
    assert!(at(&desk, "offsite").await.missing.is_empty());

    // As `recoup backup --local-only` makes it: beside the daemon, which finds it.
    desk.clock.pass(MINUTE);
    let store = desk.engine.store("here").unwrap();
    let settings = desk.engine.settings();
    let plan = settings.plan("shop").unwrap();
    let source = recoup::source::factory(&plan.sources[0], &desk.engine.settings().base, false, Arc::new(Vec::new));
    let scratch = tempfile::tempdir().unwrap();
    let mut request = recoup_testkit::sample::request("shop", vec![source], Format::Archive, scratch.path());
    let context = desk.clock.context();
    request.local_only = true;
    let local = recoup::backup::run(&request, std::slice::from_ref(&store), &context).unwrap();
    desk.clock.pass(MINUTE);
    request.local_only = false;
    let other = recoup::backup::run(&request, &[store], &context).unwrap();
    desk.engine.refresh(None).await.unwrap();
    assert!(local.manifest.local_only && !other.manifest.local_only);
    assert_eq!(at(&desk, "offsite").await.missing, [other.manifest.id.to_string()]);
    let body: Value = json!(local.manifest);
    assert_eq!(body["local_only"], true);
}

#[tokio::test]
async fn a_backup_for_this_machine_only_leaves_the_network_out_once() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let desk = &two.desk;
    let only = || Work::Backup { kind: Kind::Manual, label: None, protect: false, local_only: true, rescan: false };
    desk.engine.enqueue(&Actor::daemon(), "shop", only()).await.unwrap();
    let run = desk.engine.work("worker").await.unwrap().unwrap();
    good(&run);
    assert_eq!(places(desk, &id(&run)).await, ["here"]);
    assert!(two.at("offsite").await.missing.is_empty());
    desk.engine.queue_missing_copies().await.unwrap();
    assert!(desk.waiting().await.is_empty());
    desk.clock.pass(MINUTE);
    let both = desk.back_up("shop").await;
    assert_eq!(places(desk, &id(&both)).await, ["here", "offsite"]);

    let two = Two::new(r#"["offsite"]"#, "").await;
    let error = two.desk.engine.enqueue(&Actor::daemon(), "shop", only()).await.unwrap_err();
    assert_eq!(error.code(), "no_local_destination");
    assert!(two.desk.waiting().await.is_empty());
}

#[tokio::test]
async fn how_full_it_is_is_known_of_a_destination_that_only_gets_copies() {
    let two = Two::new(r#"["here", "offsite"]"#, "").await;
    let desk = &two.desk;
    two.fails();
    desk.back_up("shop").await;
    let known = || async {
        let filled = desk.engine.filled(30).await.unwrap();
        filled.into_iter().map(|filled| (filled.destination, filled.days[0].bytes)).collect::<Vec<_>>()
    };
    let before = known().await;
    assert_eq!(before.len(), 1, "{before:?}");
    two.works();
    desk.clock.pass(2 * MINUTE);
    good(&desk.engine.work("worker").await.unwrap().unwrap());
    let after = known().await;
    assert_eq!(after, [("here".to_owned(), before[0].1), ("offsite".to_owned(), before[0].1)]);
}
