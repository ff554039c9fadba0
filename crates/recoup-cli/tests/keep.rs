//! `recoup protect`, `unprotect` and `delete`; `doctor`; `demo`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;

use serde_json::{Value, json};
use shop::Shop;

#[test]
fn deleting_needs_a_yes_and_protected_backups_need_force() {
    let shop = Shop::configured();
    let id = shop.back_up("--protect");
    let other = shop.back_up("");
    let told = shop.run(&format!("delete {other}"));
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.err.contains("It cannot be brought back.") && told.err.contains("--yes"), "{told:?}");
    assert_eq!(shop.run(&format!("delete {id} --yes")).code, 12);
    assert_eq!(shop.stored().iter().filter(|name| name.ends_with(".zip")).count(), 2);
    let told = shop.run(&format!("delete {other} --yes --json")).good();
    assert_eq!(told.json()["deleted"], json!([other]));
    assert!(told.json()["freed_bytes"].as_u64().unwrap() > 0);
    shop.run(&format!("delete {id} --yes --force")).good();
    assert_eq!(shop.stored(), [""; 0]);
    assert_eq!(shop.run(&format!("delete {id} --yes")).code, 10);
}

#[test]
fn protection_is_given_and_lifted_but_not_from_a_kind() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    let protected = |id: &str| {
        let json = shop.run("list --json").good().json();
        let rows = json["backups"].as_array().unwrap().clone();
        rows.iter().find(|row| row["id"] == id).unwrap()["protected"].clone()
    };
    assert_eq!(protected(&id), json!(false));
    shop.run("protect latest").good();
    assert_eq!(protected(&id), json!(true));
    shop.run(&format!("unprotect {id}")).good();
    assert_eq!(protected(&id), json!(false));
    fs::write(shop.path("config.yml"), "port: 7").unwrap();
    let migration = shop.back_up("--kind pre-migration");
    let told = shop.run(&format!("unprotect {migration}"));
    assert_eq!(told.code, 12, "{told:?}");
    assert_eq!(protected(&migration), json!(true));
}

/// Two destinations, of which `away` must hold its marker and so is told when it is not there.
const TWO_PLACES: &str = "destinations = [\"here\", \"away\"]
[destination.here]
path = \"here\"
[destination.away]
path = \"away\"
marker = true
[plan.shop]
files = [\"config.yml\"]
";

#[test]
fn what_could_not_be_changed_at_a_destination_that_is_away_is_told_and_no_clean_success() {
    let shop = Shop::new();
    shop.write("recoup.toml", TWO_PLACES);
    fs::create_dir(shop.path("away")).unwrap();
    shop.write("away/.recoup-destination", "");
    let id = shop.back_up("");
    fs::rename(shop.path("away"), shop.path("unplugged")).unwrap();

    for command in ["protect", "unprotect"] {
        let told = shop.run(&format!("{command} {id}"));
        assert_eq!(told.code, 3, "{told:?}");
        assert!(told.out.contains("! Copies are as they were at away: "), "{told:?}");
    }
    let told = shop.run(&format!("delete {id} --yes --force --json"));
    assert_eq!(told.code, 3, "{told:?}");
    let json = told.json();
    assert_eq!(json["deleted"], json!([id]));
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{json:#}");
    assert!(warnings[0]["text"].as_str().unwrap().starts_with("Copies may remain at away: "), "{json:#}");

    fs::rename(shop.path("unplugged"), shop.path("away")).unwrap();
    assert_eq!(shop.run("list -q").good().out.trim(), id, "the warning was right");
    let told = shop.run(&format!("delete {id} --yes --force --json")).good();
    assert_eq!(told.json()["warnings"], json!([]));
    assert_eq!(shop.run("list -q").good().out, "");
}

fn statuses(json: &Value, name: &str) -> Vec<String> {
    let checks = json["checks"].as_array().unwrap();
    let named = checks.iter().filter(|check| check["name"] == name);
    named.map(|check| check["status"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_doctor_finds_a_healthy_machine_healthy() {
    let shop = Shop::configured();
    shop.back_up("");
    let told = shop.run("doctor").good();
    assert!(told.out.ends_with("Everything is fine.\n"), "{told:?}");
    let json = shop.run("doctor --json").good().json();
    assert_eq!(statuses(&json, "SQLite"), ["ok"]);
    assert_eq!(statuses(&json, "source"), ["ok"; 3]);
    assert_eq!(statuses(&json, "destination"), ["ok"]);
    assert_eq!(statuses(&json, "clock"), ["ok"]);
    assert_eq!(shop.run("doctor -q").good().out, "");
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do() {
    let shop = Shop::configured();
    shop.back_up("");
    fs::remove_file(shop.path("config.yml")).unwrap();
    let manifest = shop.only("backups/shop", ".manifest.json");
    fs::write(&manifest, "{}").unwrap();
    let told = shop.run("doctor --json");
    assert_eq!(told.code, 1, "{told:?}");
    assert_eq!(statuses(&told.json(), "source"), ["ok", "ok", "fail"]);
    assert_eq!(statuses(&told.json(), "backup"), ["fail"]);
    shop.write("recoup.toml", "[plan.shop]\nfiels = []\n");
    let told = shop.run("doctor");
    assert_eq!(told.code, 1);
    assert!(told.out.contains("did you mean plan.shop.files?"), "{told:?}");
}

#[test]
fn the_demo_backs_up_a_shop_that_is_written_to_and_continues_when_run_again() {
    let shop = Shop::new();
    let told = shop.run("demo --json").good();
    let json = told.json();
    assert_eq!(
        (&json["outcome"], &json["orders_whole"], &json["warnings"]),
        (&json!("good"), &json!(true), &json!([]))
    );
    let number = |json: &Value, key: &str| json[key].as_u64().unwrap();
    assert!(number(&json, "orders_after") > number(&json, "orders_before"), "the writer wrote during the backup");
    assert!(number(&json, "orders_in_backup") >= number(&json, "orders_before"));
    assert_eq!(fs::read_dir(shop.path("recoup-demo/thumbs")).unwrap().count(), 201);

    let again = shop.run("demo").good();
    assert!(again.out.contains("continued") && again.out.contains("Test restore"), "{again:?}");
    let demo = |words: &str| {
        let output = shop.command(words.split_whitespace()).current_dir(shop.path("recoup-demo")).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(demo("list").contains("2 backups, "));
    assert!(demo("diff latest live").contains("orders"));
    assert_eq!(demo("verify --all --level restore").matches('✓').count(), 2);
}

#[test]
fn the_demo_leaves_other_peoples_directories_alone() {
    let shop = Shop::new();
    let told = shop.run("demo thumbs");
    assert_eq!(told.code, 17, "{told:?}");
    assert_eq!(fs::read_dir(shop.path("thumbs")).unwrap().count(), 3);
}

#[test]
fn parts_of_a_week_are_all_backups_each_once() {
    let shop = Shop::configured();
    let ids: Vec<String> = (0..5).map(|_| shop.back_up("")).collect();
    let mut seen = Vec::new();
    for part in 1..=3 {
        let told = shop.run(&format!("verify --all --part {part}/3 --level checksum --json")).good().json();
        seen.extend(told["results"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    assert_eq!(seen, ids, "ids are in order of time");
    for bad in ["0/3", "4/3", "1/0", "half"] {
        let told = shop.run(&format!("verify --all --part {bad}"));
        assert!(told.code == 2 && told.err.contains("1/7"), "{told:?}");
    }
    assert_eq!(shop.run("verify --part 1/3").code, 2, "a part of what");
}
