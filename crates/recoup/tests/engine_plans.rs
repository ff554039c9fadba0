//! Plans: those of recoup.toml are read-only, those of people are theirs alone, and what people say reaches no further
//! than they may.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::os::unix::fs::symlink;

use engine_kit::{Desk, SHOP, at, document, good, manual, verify};
use recoup::ErrorKind;
use recoup::catalog::Origin;
use recoup::engine::Actor;
use recoup::model::Level;
use recoup::model::user::Role;
use serde_json::{Value, json};

/// A user without an admin's reach, who may name what lies below `users`.
async fn with_user() -> (Desk, Actor) {
    let toml = format!("{SHOP}[server]\nroots = [\"users\"]\n");
    let desk = Desk::new(&toml).await;
    std::fs::create_dir(desk.path().join("users")).unwrap();
    std::fs::rename(desk.another("own.db"), desk.path().join("users/own.db")).unwrap();
    let user = desk.user("ada", Role::Operator).await;
    (desk, user)
}

#[tokio::test]
async fn plans_of_the_file_are_there_from_the_first_minute_and_read_only() {
    let desk = Desk::new(&format!("{SHOP}schedule = {{ every = \"daily\", at = \"03:00\" }}\n")).await;
    let daemon = Actor::daemon();
    let row = desk.plan("shop").await;
    assert_eq!((row.origin, row.enabled, row.owner.as_str()), (Origin::File, true, desk.engine.own_account()));
    assert_eq!(row.timing.next_nominal, Some(at("2026-05-02T03:00:00Z")));
    assert_eq!(row.body["databases"], json!(["app/shop.db"]));
    for error in [
        desk.engine.update_plan(&daemon, "shop", json!({"enabled": false}), None).await.unwrap_err(),
        desk.engine.remove_plan(&daemon, "shop").await.unwrap_err(),
        desk.engine.remove_plan(&daemon, "recoup-catalog").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "plan_read_only"));
    }
    assert_eq!(desk.engine.create_plan(&daemon, "shop", row.body.clone()).await.unwrap_err().code(), "plan_exists");
    // Nobody signs in as who owns them.
    let own = desk.engine.catalog().account(desk.engine.own_account()).await.unwrap().unwrap();
    assert!(own.disabled && own.password.is_none());
}

#[tokio::test]
async fn what_the_file_changes_changes_and_what_it_drops_is_gone_but_for_its_backups() {
    let desk = Desk::new(SHOP).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let before = desk.plan("shop").await;
    let same = desk.reopened(None).await.unwrap().plan("shop").await;
    assert_eq!((same.version, &same.id), (before.version, &before.id), "nothing changed");
    let toml = format!("{SHOP}schedule = {{ every = \"monthly\" }}\n[plan.more]\nfiles = [\"recoup.toml\"]\n");
    let desk = desk.reopened(Some(&toml)).await.unwrap();
    let after = desk.plan("shop").await;
    assert_eq!((after.version, &after.id, after.last_success), (before.version + 1, &before.id, before.last_success));
    assert_eq!(after.timing.next_nominal, Some(at("2026-06-01T03:00:00Z")));
    assert_eq!(desk.plan("more").await.origin, Origin::File);
    let desk = desk.reopened(Some("[destination.here]\npath = \"backups\"\n")).await.unwrap();
    assert_eq!(desk.engine.plan(&Actor::daemon(), "shop").await.unwrap_err().code(), "plan_missing");
    assert!(desk.events().await.contains(&"plan.removed".to_owned()));
    assert_eq!(desk.engine.manifest(&Actor::daemon(), &id).await.unwrap().0.plan, "shop");
}

#[tokio::test]
async fn the_file_does_not_take_over_a_plan_that_somebody_made() {
    let desk = Desk::new("[destination.here]\npath = \"backups\"\n").await;
    desk.engine.create_plan(&Actor::daemon(), "shop", document(&desk.database())).await.unwrap();
    let error = desk.reopened(Some(SHOP)).await.err().unwrap();
    assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "plan_exists"));
}

#[tokio::test]
async fn the_catalog_is_a_plan_from_the_first_minute_and_cannot_be_restored_under_itself() {
    let desk = Desk::new(SHOP).await;
    let row = desk.plan("recoup-catalog").await;
    assert_eq!((row.origin, row.enabled), (Origin::BuiltIn, true));
    let run = desk.back_up("recoup-catalog").await;
    let id = good(&run)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    assert!(desk.plan("recoup-catalog").await.last_proven.is_some(), "a test restore of the catalog");
    let error = desk.engine.preview_restore(&Actor::daemon(), &id, vec![]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "catalog_in_use"));
}

#[tokio::test]
async fn a_plan_is_changed_by_a_merge_patch_if_nobody_changed_it_since() {
    let desk = Desk::new(SHOP).await;
    let daemon = Actor::daemon();
    let body = json!({"databases": [desk.database()], "schedule": {"every": "daily", "at": "04:00"}, "format": "json"});
    let made = desk.engine.create_plan(&daemon, "mine", body).await.unwrap();
    assert_eq!(made.body["schedule"]["zone"], "UTC", "the machine's zone is written down");
    assert_eq!(made.timing.next_nominal, Some(at("2026-05-02T04:00:00Z")));
    let patch = json!({"format": null, "schedule": {"at": "05:00"}, "retention": {"days": 7}});
    let changed = desk.engine.update_plan(&daemon, "mine", patch, Some(made.version)).await.unwrap();
    assert_eq!(changed.body["schedule"], json!({"every": "daily", "at": "05:00", "zone": "UTC"}));
    assert_eq!((changed.body.get("format"), &changed.body["retention"]), (None, &json!({"days": 7})));
    assert_eq!(changed.timing.next_nominal, Some(at("2026-05-02T05:00:00Z")));
    let stale =
        desk.engine.update_plan(&daemon, "mine", json!({"compact": true}), Some(made.version)).await.unwrap_err();
    assert_eq!(stale.code(), "plan_changed");
    let wrong = desk.engine.update_plan(&daemon, "mine", json!({"formt": "json"}), None).await.unwrap_err();
    assert_eq!((wrong.code(), wrong.message()), ("bad_config", "plan.mine.formt: unknown key"));
    let off = desk.engine.update_plan(&daemon, "mine", json!({"enabled": false}), None).await.unwrap();
    assert_eq!((off.enabled, off.timing.next_due), (false, None));
    assert!(desk.engine.next_runs(&off, at("2026-05-01T10:00:00Z"), 3).unwrap().is_empty());
    let on = desk.engine.update_plan(&daemon, "mine", json!({"enabled": true}), None).await.unwrap();
    let next = desk.engine.next_runs(&on, at("2026-05-01T10:00:00Z"), 3).unwrap();
    assert_eq!(next, ["2026-05-02T05:00:00Z", "2026-05-03T05:00:00Z", "2026-05-04T05:00:00Z"].map(at));
    let events = desk.events().await;
    for name in [
        "plan.created",
        "backup_scheduler.settings_created",
        "plan.changed",
        "backup_scheduler.settings_updated",
        "backup_scheduler.settings_error",
    ] {
        assert!(events.contains(&name.to_owned()), "{name} {events:?}");
    }
}

#[tokio::test]
async fn a_plan_that_is_removed_takes_its_waiting_runs_along_and_leaves_its_backups() {
    let desk = Desk::new(SHOP).await;
    let daemon = Actor::daemon();
    desk.engine.create_plan(&daemon, "mine", document(&desk.database())).await.unwrap();
    let id = good(&desk.back_up("mine").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    desk.ask("mine").await;
    desk.engine.remove_plan(&daemon, "mine").await.unwrap();
    assert!(desk.work_all().await.is_empty());
    assert_eq!(desk.engine.backup(&daemon, &id).await.unwrap().len(), 1);
    // What belongs to no plan can still be proven.
    let work = recoup::engine::Work::Verify { backup: Some(id.clone()), level: Level::Restore, also: vec![] };
    desk.engine.enqueue(&daemon, "mine", work).await.unwrap();
    good(&desk.work_all().await[0]);
}

#[tokio::test]
async fn hooks_and_commands_cannot_be_said_through_the_api_by_anybody() {
    let desk = Desk::new(SHOP).await;
    for (key, value) in [
        ("hooks", json!({"before_backup": [["touch", "/tmp/x"]]})),
        ("commands", json!([{"name": "x", "argv": ["id"]}])),
    ] {
        let mut body = document(&desk.database());
        body[key] = value.clone();
        let error = desk.engine.create_plan(&Actor::daemon(), "mine", body).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "not_from_api"), "{key}");
    }
    desk.engine.create_plan(&Actor::daemon(), "mine", document(&desk.database())).await.unwrap();
    let patch = json!({"hooks": {"after_backup": [["id"]]}});
    assert_eq!(
        desk.engine.update_plan(&Actor::daemon(), "mine", patch, None).await.unwrap_err().code(),
        "not_from_api"
    );
}

#[tokio::test]
async fn a_user_names_only_what_lies_below_the_roots_whatever_the_path_looks_like() {
    let (desk, ada) = with_user().await;
    let users = desk.path().join("users");
    let fine = desk.engine.create_plan(&ada, "fine", document(&users.join("own.db"))).await.unwrap();
    assert_eq!(Some(&fine.owner), ada.account.as_ref());
    symlink(desk.path().join("app"), users.join("link")).unwrap();
    let shop = desk.database();
    let outside: Vec<Value> = vec![
        document(&shop),
        document(&users.join("../app/shop.db")),
        document(&users.join("link/shop.db")),
        document(&users.join("link/not/there/yet.db")),
        json!({"databases": [format!("file:{}?mode=ro", shop.display())], "destinations": ["here"]}),
        json!({"databases": [{"path": format!("sqlite:///{}", shop.display())}], "destinations": ["here"]}),
        json!({"directories": ["/"], "destinations": ["here"]}),
        json!({"files": ["recoup.toml"], "destinations": ["here"]}),
        json!({"databases": [users.join("own.db")], "destinations": [users.join("backups")]}),
        json!({"databases": [users.join("own.db")], "settings": {"environment": ["*"]}, "destinations": ["here"]}),
        json!({"databases": [users.join("own.db")], "settings": {"json": ["app/x.json"]}, "destinations": ["here"]}),
        json!({"databases": [users.join("own.db")], "destinations": ["here"],
            "settings": {"tables": [{"database": shop, "table": "product", "key": "id", "value": "title"}]}}),
    ];
    for (number, body) in outside.into_iter().enumerate() {
        let error = desk.engine.create_plan(&ada, &format!("p{number}"), body.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "outside_roots"), "{body}");
    }
    // What is a folder today can be a link tomorrow.
    good(&desk.back_up("fine").await);
    std::fs::rename(users.join("own.db"), users.join("other.db")).unwrap();
    symlink(&shop, users.join("own.db")).unwrap();
    let run = desk.back_up("fine").await;
    assert_eq!(engine_kit::outcome(&run).1, "outside_roots");
    // And an admin who helps does not lend an admin's reach.
    let patch = json!({"databases": [shop]});
    let error = desk.engine.update_plan(&Actor::daemon(), "fine", patch, None).await.unwrap_err();
    assert_eq!(error.code(), "outside_roots");
}

#[tokio::test]
async fn what_is_another_users_is_not_there() {
    let (desk, ada) = with_user().await;
    let bob = desk.user("bob", Role::Operator).await;
    let own = document(&desk.path().join("users/own.db"));
    desk.engine.create_plan(&ada, "hers", own.clone()).await.unwrap();
    let run = desk.back_up("hers").await;
    let id = good(&run)["backup"].as_str().unwrap().to_owned();
    let engine = &desk.engine;
    let mut codes = vec![
        engine.plan(&bob, "hers").await.unwrap_err(),
        engine.update_plan(&bob, "hers", json!({"enabled": false}), None).await.unwrap_err(),
        engine.remove_plan(&bob, "hers").await.unwrap_err(),
        engine.enqueue(&bob, "hers", manual()).await.unwrap_err(),
        engine.undo(&bob, "hers").await.unwrap_err(),
        engine.preview_prune(&bob, "hers").await.unwrap_err(),
    ];
    assert!(codes.iter().all(|error| error.code() == "plan_missing" && error.kind() == ErrorKind::NotFound));
    let file = engine.data().join("uploads/x");
    std::fs::write(&file, "x").unwrap();
    codes = vec![engine.upload(&bob, "hers", file).await.unwrap_err()];
    assert!(codes.iter().all(|error| error.code() == "plan_missing"), "{codes:?}");
    let proof =
        |id: &str| recoup::engine::Work::Verify { backup: Some(id.into()), level: Level::Checksum, also: vec![] };
    engine.create_plan(&bob, "his", own).await.unwrap();
    codes = vec![
        engine.backup(&bob, &id).await.unwrap_err(),
        engine.backup(&bob, &id[..10]).await.unwrap_err(),
        engine.backup(&bob, &id[20..]).await.unwrap_err(),
        engine.manifest(&bob, &id).await.unwrap_err(),
        engine.open_object(&bob, &id).await.map(drop).unwrap_err(),
        engine.set_protected(&bob, &id, true).await.unwrap_err(),
        engine.delete_backup(&bob, &id, true, false).await.unwrap_err(),
        engine.diff(&bob, &id, None).await.unwrap_err(),
        engine.preview_restore(&bob, &id, vec![]).await.unwrap_err(),
        engine.enqueue(&bob, "his", proof(&id)).await.unwrap_err(),
        // One's own plan does not lend its name to somebody else's backup either.
        engine.enqueue(&ada, "hers", proof("01ARZ3NDEKTSV4RRFFQ69G5FAV")).await.unwrap_err(),
    ];
    assert!(codes.iter().all(|error| error.code() == "backup_missing"), "{codes:?}");
    assert_eq!(engine.cancel(&bob, &run.id).await.unwrap_err().code(), "run_missing");
    let (preview, _) = engine.preview_restore(&ada, &id, vec![]).await.unwrap();
    assert_eq!(engine.start_restore(&bob, &preview, true).await.unwrap_err().code(), "preview_missing");
    // She, and an admin, see them.
    assert_eq!(engine.backup(&ada, &id).await.unwrap().len(), 1);
    assert_eq!(engine.plan(&Actor::daemon(), "hers").await.unwrap().name, "hers");
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let desk = Desk::new(SHOP).await;
    let id = good(&desk.back_up("shop").await)["backup"].as_str().unwrap().to_owned();
    let mut viewer = desk.user("eve", Role::Viewer).await;
    // Even of what would be theirs.
    viewer.account = Some(desk.engine.own_account().to_owned());
    let engine = &desk.engine;
    assert_eq!(engine.manifest(&viewer, &id).await.unwrap().1.len(), 1);
    for error in [
        engine.create_plan(&viewer, "x", document(&desk.database())).await.unwrap_err(),
        engine.update_plan(&viewer, "shop", json!({}), None).await.unwrap_err(),
        engine.remove_plan(&viewer, "shop").await.unwrap_err(),
        engine.enqueue(&viewer, "shop", verify(Level::Checksum)).await.unwrap_err(),
        engine.cancel(&viewer, "x").await.unwrap_err(),
        engine.set_protected(&viewer, &id, true).await.unwrap_err(),
        engine.delete_backup(&viewer, &id, true, false).await.unwrap_err(),
        engine.preview_restore(&viewer, &id, vec![]).await.unwrap_err(),
        engine.start_restore(&viewer, &id, true).await.unwrap_err(),
        engine.start_prune(&viewer, &id).await.unwrap_err(),
        engine.undo(&viewer, "shop").await.unwrap_err(),
        engine.adopt(&viewer, "here").await.unwrap_err(),
        engine.test_destination(&viewer, "here").await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "not_allowed"));
    }
}

#[tokio::test]
async fn the_name_of_a_plan_that_is_no_more_does_not_give_its_backups_away() {
    let (desk, ada) = with_user().await;
    let bob = desk.user("bob", Role::Operator).await;
    let own = document(&desk.path().join("users/own.db"));
    desk.engine.create_plan(&ada, "hers", own.clone()).await.unwrap();
    let id = good(&desk.back_up("hers").await)["backup"].as_str().unwrap().to_owned();
    desk.work_all().await;
    desk.engine.remove_plan(&ada, "hers").await.unwrap();
    let error = desk.engine.create_plan(&bob, "hers", own.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "name_taken"));
    // Nor when the catalog has forgotten them.
    desk.engine.catalog().forget_backup(&id, None).await.unwrap();
    assert_eq!(desk.engine.create_plan(&bob, "hers", own.clone()).await.unwrap_err().code(), "name_taken");
    desk.engine.adopt(&Actor::daemon(), "here").await.unwrap();
    assert_eq!(desk.engine.create_plan(&ada, "hers", own.clone()).await.unwrap_err().code(), "name_taken");
    desk.engine.catalog().own_backups("hers", ada.account.as_deref().unwrap()).await.unwrap();
    desk.engine.create_plan(&ada, "hers", own).await.unwrap();
    assert_eq!(desk.engine.backup(&ada, &id).await.unwrap().len(), 1);
}
