//! Restores and deletions through the engine: previewed, confirmed, recorded before they happen, taken back.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::fs;
use std::io::{Read, Write};

use engine_kit::{Desk, SHOP, document, good, outcome};
use recoup::engine::Actor;
use recoup::model::job::{RunKind, State};
use recoup::model::user::Role;
use recoup::model::{Kind, Outcome};
use recoup::{Error, ErrorKind};
use serde_json::json;

async fn backed_up(toml: &str) -> (Desk, String) {
    let desk = Desk::new(toml).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    (desk, id)
}

#[tokio::test]
async fn a_restore_is_previewed_carried_out_and_taken_back() {
    let (desk, id) = backed_up(SHOP).await;
    desk.sql("DELETE FROM product WHERE id > 1; INSERT INTO product VALUES(9,'Fork')");
    let daemon = Actor::daemon();
    let (preview, told) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    let change = &told.differences.databases[0].tables[0];
    assert_eq!((change.added, change.removed, change.changed), (2, 1, 0));
    assert_eq!(desk.products(), 2, "nothing happened yet");
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    assert_eq!((run.kind, run.state), (RunKind::Restore, State::Queued));
    let done = desk.done(&run).await;
    let result = good(&done);
    assert_eq!(desk.products(), 3);
    let safety = result["safety_backup"].as_str().unwrap();
    let copies = desk.engine.backup(&daemon, safety).await.unwrap();
    assert_eq!((copies[0].kind, copies[0].protected), (Kind::PreRestore, true), "the safety backup is in the list");
    let (manifest, _) = desk.engine.manifest(&daemon, safety).await.unwrap();
    let started = desk.engine.catalog().audit_before(i64::MAX, Some("restore.started"), None, None, 1).await.unwrap();
    assert_eq!(manifest.audit, Some(started[0].head()), "what was about to happen is sealed in what was saved");

    desk.clock.pass(std::time::Duration::from_secs(60));
    let undo = desk.engine.undo(&daemon, "shop").await.unwrap();
    good(&desk.done(&undo).await);
    assert_eq!(desk.products(), 2);
    assert_eq!(desk.engine.undo(&daemon, "shop").await.unwrap_err().code(), "nothing_to_undo");
    let events = desk.events().await;
    let restores: Vec<&str> = events.iter().filter_map(|name| name.strip_prefix("restore.")).collect();
    assert_eq!(restores, ["previewed", "started", "completed", "started", "undone"]);
}

#[tokio::test]
async fn a_preview_serves_once_for_15_minutes_and_for_the_data_that_it_saw() {
    let (desk, id) = backed_up(SHOP).await;
    let daemon = Actor::daemon();
    let (preview, _) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    desk.sql("INSERT INTO product VALUES(10,'Late')");
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    assert_eq!(outcome(&desk.done(&run).await), (Outcome::Failed, "preview_stale".into()));
    assert_eq!(desk.products(), 4, "nothing was touched");
    let again = desk.engine.start_restore(&daemon, &preview, false).await.unwrap_err();
    assert_eq!((again.kind(), again.code()), (ErrorKind::NotFound, "preview_missing"));
    let (old, _) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    desk.clock.pass(std::time::Duration::from_secs(16 * 60));
    assert_eq!(desk.engine.start_restore(&daemon, &old, false).await.unwrap_err().code(), "preview_missing");
    // Whoever says force means whatever is there by now.
    let (preview, _) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    desk.sql("INSERT INTO product VALUES(11,'Later')");
    let run = desk.engine.start_restore(&daemon, &preview, true).await.unwrap();
    good(&desk.done(&run).await);
    assert_eq!(desk.products(), 3);
}

#[tokio::test]
async fn one_part_can_be_restored_and_one_file_of_it() {
    let (desk, id) = backed_up(SHOP).await;
    let daemon = Actor::daemon();
    desk.sql("DELETE FROM product");
    fs::write(desk.path().join("app/pictures/one.jpg"), "changed").unwrap();
    let only = vec!["pictures/one.jpg".to_owned()];
    let (preview, _) = desk.engine.preview_restore(&daemon, &id, only).await.unwrap();
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    good(&desk.done(&run).await);
    assert_eq!(fs::read(desk.path().join("app/pictures/one.jpg")).unwrap(), [1; 2000]);
    assert_eq!(desk.products(), 0);
    let error = desk.engine.preview_restore(&daemon, &id, vec!["nothing".into()]).await.unwrap_err();
    assert_eq!(error.code(), "part_missing");
}

#[tokio::test]
async fn what_a_preview_refuses_needs_force() {
    let (desk, id) = backed_up(SHOP).await;
    desk.sql("PRAGMA application_id = 77");
    let daemon = Actor::daemon();
    let (preview, told) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    assert_eq!(told.refused.unwrap().code(), "another_application");
    let error = desk.engine.start_restore(&daemon, &preview, false).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "another_application"));
}

/// Nothing can be written to the audit any more.
fn without_audit(desk: &Desk) {
    let trigger = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'no'); END";
    desk.catalog().execute_batch(trigger).unwrap();
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_destroyed_and_a_backup_goes_on_with_an_alarm() {
    let toml = format!("{SHOP}retention = {{ keep_count = 1, min_keep = 1 }}\n");
    let (desk, id) = backed_up(&toml).await;
    let daemon = Actor::daemon();
    let (preview, _) = desk.engine.preview_restore(&daemon, &id, vec![]).await.unwrap();
    desk.engine.create_plan(&daemon, "mine", document(&desk.database())).await.unwrap();
    desk.sql("DELETE FROM product");
    without_audit(&desk);
    let engine = &desk.engine;
    let refused = |error: Error| assert_eq!(error.code(), "catalog_failed", "{error} {}", error.detail());
    refused(engine.delete_backup(&daemon, &id, true, false).await.unwrap_err());
    refused(engine.set_protected(&daemon, &id, false).await.unwrap_err());
    refused(engine.remove_plan(&daemon, "mine").await.unwrap_err());
    assert_eq!(desk.plan("mine").await.name, "mine");
    let run = engine.start_restore(&daemon, &preview, true).await.unwrap();
    let done = desk.done(&run).await;
    assert_eq!(outcome(&done), (Outcome::Failed, "catalog_failed".into()));
    assert_eq!(desk.products(), 0, "the restore did not happen");
    desk.sql("INSERT INTO product VALUES(1,'Bowl')");
    let made = desk.back_up("shop").await;
    assert_eq!(made.outcome, Some(Outcome::Warnings));
    let result = made.result.unwrap();
    assert_eq!(result["warnings"][0]["code"], "audit_failed");
    assert_eq!(result["retention"][0]["deleted"], json!([]));
    assert_eq!(engine.store("here").unwrap().list(None).unwrap().backups.len(), 2, "retention removed nothing");
    desk.catalog().execute_batch("DROP TRIGGER full").unwrap();
    engine.delete_backup(&daemon, &id, false, false).await.unwrap();
}

#[tokio::test]
async fn a_protected_backup_goes_with_force_only_and_its_end_is_recorded_first() {
    let (desk, id) = backed_up(SHOP).await;
    let daemon = Actor::daemon();
    desk.engine.set_protected(&daemon, &id, true).await.unwrap();
    assert!(desk.engine.backup(&daemon, &id).await.unwrap()[0].protected);
    let error = desk.engine.delete_backup(&daemon, &id, false, false).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "backup_protected"));
    assert!(!desk.events().await.contains(&"backup.deleted".to_owned()));
    desk.engine.delete_backup(&daemon, &id, true, false).await.unwrap();
    assert!(desk.listed().await.is_empty());
    assert!(desk.engine.store("here").unwrap().list(None).unwrap().backups.is_empty());
    let links = desk.engine.catalog().audit_before(i64::MAX, Some("backup.deleted"), None, None, 9).await.unwrap();
    assert_eq!((links.len(), links[0].event.success, &links[0].event.details["force"]), (1, true, &json!(true)));
}

#[tokio::test]
async fn what_is_handed_out_is_the_backup_and_two_files_are_one_archive() {
    let toml = SHOP.replace("directories = [\"app/pictures\"]", "format = \"both\"");
    let (desk, id) = backed_up(&toml).await;
    let (mut file, name, length) = desk.engine.open_object(&Actor::daemon(), &id).await.unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!((bytes.len() as u64, &bytes[..2]), (length, &b"PK"[..]));
    assert!(name.starts_with("shop-2026") && name.ends_with(".zip"), "{name}");
    let (manifest, _) = desk.engine.manifest(&Actor::daemon(), &id).await.unwrap();
    let made = desk.data().join(format!("downloads/{id}.zip"));
    let listed = std::process::Command::new("unzip").arg("-l").arg(made).output().unwrap();
    let told = String::from_utf8(listed.stdout).unwrap();
    assert!(manifest.objects.iter().all(|object| told.contains(&object.name)), "{told}");
    assert_eq!(manifest.objects.len(), 2);
    assert!(desk.events().await.contains(&"backup.downloaded".to_owned()));
}

#[tokio::test]
async fn two_backups_are_compared_and_one_with_the_live_data() {
    let (desk, first) = backed_up(SHOP).await;
    desk.sql("INSERT INTO product VALUES(4,'Plate')");
    let second = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    desk.sql("DELETE FROM product WHERE id = 1");
    let daemon = Actor::daemon();
    let between = desk.engine.diff(&daemon, &first, Some(&second)).await.unwrap();
    assert_eq!((between.databases[0].tables[0].added, between.databases[0].tables[0].removed), (1, 0));
    let live = desk.engine.diff(&daemon, &first, None).await.unwrap();
    assert_eq!((live.databases[0].tables[0].added, live.databases[0].tables[0].removed), (1, 1));
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_hostile_upload_is_refused_and_nothing_of_it_stays() {
    let (desk, _) = backed_up(SHOP).await;
    for (what, bytes) in [
        ("climbs", zip(&[("../../evil.db", b"x"), ("database.db", b"x")])),
        ("no database", zip(&[("database.db", b"not a database")])),
        ("text", b"hello".to_vec()),
        ("cut", zip(&[("database.db", &[7; 5000])])[..100].to_vec()),
    ] {
        let file = desk.data().join("uploads/arrived");
        fs::write(&file, bytes).unwrap();
        let error = desk.engine.upload(&Actor::daemon(), "shop", file).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{what}: {error} {}", error.detail());
        assert_eq!(fs::read_dir(desk.data().join("uploads")).unwrap().count(), 0, "{what}");
    }
    let elsewhere = desk.path().join("recoup.toml");
    let error = desk.engine.upload(&Actor::daemon(), "shop", elsewhere.clone()).await.unwrap_err();
    assert_eq!(error.code(), "bad_upload");
    assert!(elsewhere.exists(), "what is not in the folder for uploads is not ours to take");
}

#[tokio::test]
async fn an_upload_of_one_of_our_archives_is_previewed_and_restored_to_the_plans_own_places() {
    let (desk, id) = backed_up(SHOP).await;
    let daemon = Actor::daemon();
    let (mut from, _, _) = desk.engine.open_object(&daemon, &id).await.unwrap();
    let file = desk.data().join("uploads/arrived");
    std::io::copy(&mut from, &mut fs::File::create(&file).unwrap()).unwrap();
    // Another plan, whose sources have the same names in another place.
    fs::create_dir_all(desk.path().join("other/pictures")).unwrap();
    fs::copy(desk.database(), desk.path().join("other/shop.db")).unwrap();
    let body = json!({"databases": ["other/shop.db"], "directories": ["other/pictures"], "destinations": ["here"]});
    desk.engine.create_plan(&daemon, "other", body).await.unwrap();
    desk.sql("DELETE FROM product");
    let (preview, told) = desk.engine.upload(&daemon, "other", file).await.unwrap();
    assert!(
        told.parts.iter().all(|part| part.path.as_ref().unwrap().starts_with(desk.path().join("other"))),
        "{told:?}"
    );
    let run = desk.engine.start_restore(&daemon, &preview, true).await.unwrap();
    let done = desk.done(&run).await;
    assert!(matches!(done.outcome, Some(Outcome::Good | Outcome::Warnings)), "{:?}\n{}", done.error, done.log);
    assert_eq!(fs::read(desk.path().join("other/pictures/one.jpg")).unwrap(), [1; 2000]);
    assert_eq!(desk.products(), 0, "where it came from was not touched");
    assert_eq!(desk.listed().await.iter().filter(|other| **other == id).count(), 1);
    let undo = desk.engine.undo(&daemon, "other").await.unwrap();
    let undone = desk.done(&undo).await;
    assert!(matches!(undone.outcome, Some(Outcome::Good | Outcome::Warnings)), "{:?}", undone.error);
    assert!(!desk.path().join("other/pictures/one.jpg").exists());
}

#[tokio::test]
async fn a_bare_database_or_export_goes_where_the_plan_has_its_only_database() {
    let (desk, _) = backed_up(SHOP).await;
    let daemon = Actor::daemon();
    let brought = desk.data().join("uploads/arrived");
    let bare = format!("VACUUM INTO '{}'", brought.display());
    desk.sql(&bare);
    desk.sql("DELETE FROM product");
    let (preview, told) = desk.engine.upload(&daemon, "shop", brought).await.unwrap();
    assert_eq!((told.parts.len(), told.parts[0].path.as_deref()), (1, Some(desk.database().as_path())));
    assert_eq!(told.differences.databases[0].tables[0].added, 3);
    let run = desk.engine.start_restore(&daemon, &preview, false).await.unwrap();
    let done = desk.done(&run).await;
    assert!(matches!(done.outcome, Some(Outcome::Good | Outcome::Warnings)), "{:?}", done.error);
    assert_eq!(desk.products(), 3);
    // The safety backup is the plan's.
    let safety = done.result.unwrap()["safety_backup"].as_str().unwrap().to_owned();
    assert_eq!(desk.engine.backup(&daemon, &safety).await.unwrap()[0].plan, "shop");
}

#[tokio::test]
async fn a_users_upload_cannot_say_where_its_parts_go() {
    let toml = format!("{SHOP}[server]\nroots = [\"users\"]\n");
    let (desk, id) = backed_up(&toml).await;
    fs::create_dir(desk.path().join("users")).unwrap();
    fs::copy(desk.database(), desk.path().join("users/own.db")).unwrap();
    let ada = desk.user("ada", Role::Operator).await;
    desk.engine.create_plan(&ada, "hers", document(&desk.path().join("users/own.db"))).await.unwrap();
    let (mut from, _, _) = desk.engine.open_object(&Actor::daemon(), &id).await.unwrap();
    let file = desk.data().join("uploads/arrived");
    std::io::copy(&mut from, &mut fs::File::create(&file).unwrap()).unwrap();
    // The archive says that its database belongs to app/shop.db and its directory to app/pictures.
    let told = desk.engine.upload(&ada, "hers", file).await;
    let (_, told) = told.unwrap_or_else(|error| panic!("{error} {}", error.detail()));
    for part in &told.parts {
        let place = part.path.as_ref();
        assert!(place.is_none_or(|path| path.starts_with(desk.path().join("users"))), "{part:?}");
    }
}
