//! `recoup prune`: shows what goes and why, removes exactly that, or pauses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::destination::LocalDestination;
use recoup::format::Packed;
use recoup::model::{Format, Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::store::manifest;
use serde_json::{Value, json};
use shop::{CONFIGURATION, Shop};

fn store(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap()))
}

/// A verified backup of so many days ago.
fn put(shop: &Shop, days_ago: i64, change: impl FnOnce(&mut Manifest)) -> String {
    let path = shop.path("packed");
    fs::write(&path, b"some bytes").unwrap();
    let created_at = Timestamp::now() - SignedDuration::from_hours(24 * days_ago);
    let mut manifest = manifest("shop", created_at, Kind::Scheduled);
    (manifest.verified, manifest.format) = (Some(Level::Integrity), Format::Archive);
    change(&mut manifest);
    let store = store(&shop.path("backups"));
    store.put_objects(&mut manifest, &[Packed { extension: ".zip", path }], &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest.id.to_string()
}

/// A shop whose plan keeps the newest so many, with so many old backups, the oldest first.
fn keeping(policy: &str, backups: i64) -> (Shop, Vec<String>) {
    let shop = Shop::new();
    shop.write("recoup.toml", &format!("{CONFIGURATION}\n[plan.shop.retention]\n{policy}\n"));
    let ids = (0..backups).rev().map(|days| put(&shop, days + 1, |_| {})).collect();
    (shop, ids)
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn listed(shop: &Shop) -> Vec<String> {
    let mut ids = ids(&shop.run("list --json").json()["backups"]);
    ids.reverse();
    ids
}

#[test]
fn a_dry_run_tells_of_every_backup_why_it_is_kept_or_goes_and_prune_removes_exactly_that() {
    let (shop, all) = keeping("keep_count = 2\nmonthly = 1", 5);
    let told = shop.run("prune --dry-run").good();
    assert_eq!(told.out.matches("kept because").count(), 2, "{told:?}");
    assert!(told.out.contains("kept because newest 1 of 2, monthly 1 of 1"), "{told:?}");
    assert!(told.out.contains("goes because not among the newest 2"), "{told:?}");
    assert!(told.out.contains("Kept: 2 backups, 20 B. Goes: 3 backups, 30 B."), "{told:?}");
    assert!(told.out.contains("one every day:"), "{told:?}");

    let told = shop.run("prune shop --dry-run --json").good().json();
    assert_eq!((&told["paused"], &told["freed_bytes"], &told["dry_run"]), (&Value::Null, &json!(30), &json!(true)));
    let (keep, mut delete) = (ids(&told["keep"]), ids(&told["delete"]));
    assert_eq!(keep, [all[4].clone(), all[3].clone()]);
    assert!(told["delete"][0]["reasons"][0].is_string());
    assert_eq!(told["forecast"].as_array().unwrap().len(), 5);
    assert_eq!(listed(&shop), all, "a preview changes nothing");

    let done = shop.run("prune --yes --json").good().json();
    assert_eq!((&done["keep"], &done["delete"]), (&told["keep"], &told["delete"]), "as it was shown");
    delete.reverse();
    assert_eq!(done["deleted"], json!(delete));
    assert_eq!(done["freed_bytes"], json!(30));
    assert_eq!(listed(&shop), all[3..]);
    assert_eq!(shop.run("prune --quiet").good().out, "", "a second one removes nothing");
}

#[test]
fn what_is_unusual_pauses_without_a_yes_and_a_yes_is_to_exactly_one_set() {
    let (shop, all) = keeping("keep_count = 1", 6);
    let told = shop.run("prune --json");
    assert_eq!(told.code, 3, "{told:?}");
    let json = told.json();
    assert_eq!(json["paused"], json!("Retention paused: 5 of 6 backups would go at once"));
    assert_eq!((&json["deleted"], &json["freed_bytes"]), (&json!([]), &json!(0)));
    assert_eq!(ids(&json["delete"]).len(), 5);
    let told = shop.run("prune");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.out.contains("! shop: Retention paused: 5 of 6 backups would go at once"), "{told:?}");
    assert_eq!(listed(&shop), all);

    let set = json["series"][0]["set"].as_str().unwrap();
    put(&shop, 0, |_| {});
    let stale = shop.run(&format!("prune --confirm {set} --json"));
    assert_eq!((stale.code, &stale.json()["error"]["code"]), (11, &json!("preview_stale")), "{stale:?}");
    assert_eq!(listed(&shop).len(), 7);
    let json = shop.run("prune --dry-run --json").good().json();
    assert!(json["paused"].as_str().unwrap().starts_with("Retention paused: 6 of 7"));
    let set = json["series"][0]["set"].as_str().unwrap();
    shop.run(&format!("prune --confirm {set}")).good();
    assert_eq!(listed(&shop).len(), 1);
}

#[test]
fn at_a_terminal_the_set_is_shown_and_asked_about() {
    let (shop, all) = keeping("keep_count = 1", 6);
    let ask = |answer: &str| {
        let script = "import os, pty, sys\npid, fd = pty.fork()\nif pid == 0: os.execv(sys.argv[1], sys.argv[1:-1])\n\
                      out = b''\nsent = False\nwhile True:\n    try: chunk = os.read(fd, 65536)\n    except OSError: break\n\
                      \x20   if not chunk: break\n    out += chunk\n    if b'[y/N]' in out and not sent:\n\
                      \x20       sent = True\n        os.write(fd, sys.argv[-1].encode() + b'\\n')\n\
                      sys.stdout.buffer.write(out)\nsys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
        let mut command = Command::new("python3");
        command.args(["-c", script, env!("CARGO_BIN_EXE_recoup"), "prune", answer]).current_dir(shop.root());
        let output = command.env("NO_COLOR", "1").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, out) = ask("n");
    assert_eq!(code, Some(130), "{out}");
    assert!(out.contains("goes because not among the newest 1"), "{out}");
    assert!(out.contains("Delete 5 backups, 50 B? Note: 5 of 6 backups would go at once. [y/N]"), "{out}");
    assert_eq!(listed(&shop), all);
    let (code, out) = ask("y");
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("shop: removed 5 backups, 50 B; 1 kept."), "{out}");
    assert_eq!(listed(&shop), all[5..]);
}

#[test]
fn a_backup_of_a_plan_with_a_policy_prunes_at_its_end_and_says_so() {
    let (shop, all) = keeping("keep_count = 4", 5);
    let told = shop.run("backup --json").good().json();
    let id = told["id"].as_str().unwrap().to_owned();
    assert_eq!(told["outcome"], json!("good"));
    let pruned = &told["pruned"][0];
    assert_eq!(ids(&pruned["deleted"]), all[..2]);
    assert_eq!((&pruned["kept"], &pruned["paused"]), (&json!(4), &Value::Null));
    assert_eq!(listed(&shop), [&all[2..], &[id]].concat());
    let told = shop.run("backup").good();
    assert!(told.out.contains("✓ Retention at") && told.out.contains("removed 1 backup"), "{told:?}");
    // A failed backup never does, nor one before a migration, an export, or one of other sources.
    fs::rename(shop.path("config.yml"), shop.path("away.yml")).unwrap();
    assert_ne!(shop.run("backup").code, 0);
    fs::rename(shop.path("away.yml"), shop.path("config.yml")).unwrap();
    fs::write(shop.path("config.yml"), "port: 7").unwrap();
    assert!(shop.run("backup --kind pre-migration --json").good().json()["pruned"].is_null());
    assert!(shop.run("backup --database shop.db --json").good().json()["pruned"].is_null());
    assert_eq!(listed(&shop).len(), 6);
}

#[test]
fn a_backup_whose_retention_pauses_is_good_and_ends_as_a_warning() {
    let (shop, all) = keeping("keep_count = 1", 5);
    let told = shop.run("backup --json");
    assert_eq!(told.code, 3, "{told:?}");
    let json = told.json();
    assert_eq!(json["outcome"], json!("warnings"));
    assert_eq!(json["pruned"][0]["paused"], json!("Retention paused: 5 of 6 backups would go at once"));
    assert_eq!(json["warnings"][0]["code"], json!("retention_paused"));
    assert_eq!(listed(&shop).len(), all.len() + 1);
    let verified = shop.run("verify latest --json").good().json();
    assert_eq!(verified["results"][0]["ok"], json!(true));
}

#[test]
fn what_went_waits_in_the_trash_and_comes_back_with_the_line_that_is_told() {
    let (shop, all) = keeping("keep_count = 2", 4);
    shop.run("prune").good();
    assert_eq!(listed(&shop), all[2..]);
    let told = shop.run("prune --trash").good();
    assert_eq!(told.out.matches("mv -n ").count(), 2, "{told:?}");
    let json = shop.run("prune --trash --json").good().json();
    for trashed in json["trash"].as_array().unwrap() {
        let line = trashed["bring_back"].as_str().unwrap();
        assert!(told.out.contains(line));
        assert!(Command::new("sh").args(["-c", line]).status().unwrap().success());
    }
    assert_eq!(listed(&shop), all);
}

#[test]
fn what_went_is_put_back_by_the_end_of_its_name_and_is_protected() {
    let (shop, all) = keeping("keep_count = 2", 4);
    assert_eq!(shop.run("trash list").good().out, "The trash is empty.\n");
    assert!(shop.run("prune").good().out.contains("recoup trash list"));
    let json = shop.run("trash list --json").good().json();
    assert_eq!((json["trash"].as_array().unwrap().len(), listed(&shop).len()), (2, 2));
    let tail = all[0][20..].to_lowercase();
    let told = shop.run(&format!("trash put-back {tail} --json")).good().json();
    assert_eq!(told["backups"][0]["id"], json!(all[0]));
    assert_eq!(listed(&shop), [all[0].clone(), all[2].clone(), all[3].clone()]);
    shop.run(&format!("trash put-back {} --unprotected", all[1])).good();
    assert_eq!(listed(&shop), all);
    let told = shop.run(&format!("trash put-back {tail} --json"));
    assert_eq!((told.code, &told.json()["error"]["code"]), (10, &json!("trash_missing")), "{told:?}");
    shop.run("prune --yes").good();
    assert_eq!(listed(&shop), [all[0].clone(), all[2].clone(), all[3].clone()], "the protected one stays");
}

#[test]
fn old_protected_backups_go_only_by_name_of_the_option_and_with_a_yes() {
    let (shop, all) = keeping("keep_count = 1", 1);
    let old = put(&shop, 200, |manifest| manifest.kind = Kind::PreRestore);
    let young = put(&shop, 20, |manifest| manifest.kind = Kind::PreRestore);
    shop.run("prune --yes").good();
    assert_eq!(listed(&shop), [old.clone(), young.clone(), all[0].clone()]);
    let told = shop.run("prune --protected --older-than 90d --dry-run --json").good().json();
    assert_eq!((ids(&told["delete"]), ids(&told["keep"])), (vec![old.clone()], vec![young.clone()]));
    assert_eq!(told["delete"][0]["reasons"], json!(["it is a pre_restore backup", "older than 90 days"]));
    let told = shop.run("prune --protected --older-than 90d --json");
    assert_eq!((told.code, &told.json()["error"]["code"]), (2, &json!("confirm_required")), "{told:?}");
    assert_eq!(listed(&shop).len(), 3);
    shop.run("prune shop --protected --older-than 90d --yes").good();
    assert_eq!(listed(&shop), [young, all[0].clone()]);
    assert_eq!(shop.run("prune --protected --yes").code, 2);
    assert_eq!(shop.run("prune --protected --older-than soon --yes").code, 2);
    assert_eq!(shop.run("prune --protected --older-than 0d --yes").code, 2);
}

#[test]
fn what_is_damaged_is_told_not_counted_and_stays() {
    let (shop, all) = keeping("keep_count = 2", 30);
    let file = |id: &str, ending: &str| -> PathBuf {
        let ending = format!("{}{ending}", id[20..].to_lowercase());
        let entries = fs::read_dir(shop.path("backups/shop")).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.to_string_lossy().ends_with(&ending)).unwrap()
    };
    fs::write(file(&all[29], ".manifest.json"), "{}").unwrap();
    fs::remove_file(file(&all[28], ".zip")).unwrap();
    let told = shop.run("prune --yes --json");
    assert_eq!(told.code, 3, "{told:?}");
    let json = told.json();
    assert_eq!(json["deleted"].as_array().unwrap().len(), 26);
    assert_eq!(json["keep"][0]["class"], json!("corrupt"));
    let codes: Vec<&str> =
        json["warnings"].as_array().unwrap().iter().map(|warning| warning["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["backup_corrupted", "objects_missing"]);
    assert_eq!(listed(&shop), [all[26].clone(), all[27].clone(), all[28].clone()]);
    assert!(file(&all[29], ".manifest.json").exists());
}

#[test]
fn a_day_to_come_can_be_looked_at() {
    let (shop, all) = keeping("preset = \"7-4-12\"", 10);
    let on = |days: i64| (Timestamp::now() + SignedDuration::from_hours(24 * days)).to_string()[..10].to_owned();
    let json = shop.run(&format!("prune --on {} --json", on(3))).good().json();
    let left = json["forecast"][0]["kept"].as_array().unwrap().len();
    assert!((3..10).contains(&left), "{json:#}");
    let told = shop.run(&format!("prune --on {}", on(700))).good();
    assert_eq!(told.out.matches("goes because").count(), 10, "{told:?}");
    assert_eq!(shop.run("prune --on yesterday").code, 2);
    assert_eq!(shop.run("prune --on 2020-01-01").code, 2);
    assert_eq!(listed(&shop), all);
}

#[test]
fn without_a_policy_everything_is_kept_and_options_give_one_for_this_call() {
    let shop = Shop::configured();
    let all: Vec<String> = (0..6).rev().map(|days| put(&shop, days, |_| {})).collect();
    let told = shop.run("prune --yes").good();
    assert!(told.out.contains("nothing goes; 6 kept"), "{told:?}");
    let told = shop.run("prune --dry-run").good();
    assert!(told.out.contains("6 backups. Everything is kept: there is no retention policy."), "{told:?}");
    assert_eq!(shop.run("prune --keep-count 31 --yes").code, 2);
    let told = shop.run("prune shpo --yes --json");
    assert_eq!((told.code, &told.json()["error"]["hint"]), (10, &json!("did you mean shop?")));
    shop.run("prune --preset last-7 --keep-count 4").good();
    assert_eq!(listed(&shop), all[2..]);
    // Nor is another destination's plan touched: what is copied elsewhere is not pruned by this policy.
    shop.write(
        "recoup.toml",
        &format!("{CONFIGURATION}destinations = [\"./other\"]\n[plan.shop.retention]\ndays = 2\n"),
    );
    shop.run("prune --yes").good();
    assert_eq!(listed(&shop), all[2..]);
    shop.run("prune --yes --at ./backups").good();
    assert_eq!(listed(&shop), all[4..]);
}
