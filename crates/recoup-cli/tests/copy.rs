//! `recoup copy`, `backup --local-only`, and a restore from the next copy when the nearest one is damaged.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use shop::Shop;

/// A plan that goes to one of two named places.
const PLACES: &str = "destinations = [\"here\"]
[destination.here]
path = \"here\"
[destination.away]
path = \"away\"
[plan.shop]
files = [\"config.yml\"]
";

fn placed() -> Shop {
    let shop = Shop::new();
    shop.write("recoup.toml", PLACES);
    shop
}

fn archive(shop: &Shop, place: &str) -> PathBuf {
    let found = fs::read_dir(shop.path(place).join("shop")).unwrap().map(|entry| entry.unwrap().path());
    found.filter(|path| path.extension().is_some_and(|extension| extension == "zip")).max().unwrap()
}

fn damage(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_copy_is_the_same_backup_at_one_more_place() {
    let shop = placed();
    let id = shop.back_up("--protect");
    let told = shop.run("copy latest away --json").good().json();
    assert_eq!(told["backups"], json!([{ "id": id, "plan": "shop", "result": "copied" }]));
    assert_eq!(fs::read(archive(&shop, "here")).unwrap(), fs::read(archive(&shop, "away")).unwrap());
    let there = shop.run("list --at away --json").good().json();
    assert_eq!((&there["backups"][0]["id"], &there["backups"][0]["protected"]), (&json!(id), &json!(true)));
    shop.run("verify latest --at away --level restore").good();
    // Again is success and changes nothing.
    let told = shop.run("copy latest away --json").good().json();
    assert_eq!(told["backups"][0]["result"], "there");
}

#[test]
fn all_copies_what_is_missing_and_mends_what_is_incomplete() {
    let shop = placed();
    let first = shop.back_up("");
    shop.run("copy latest away").good();
    fs::remove_file(archive(&shop, "away")).unwrap();
    shop.write("config.yml", "port: 8");
    let second = shop.back_up("");
    let told = shop.run("copy --all away --at here --json").good().json();
    let rows = json!([
        { "id": first, "plan": "shop", "result": "mended" },
        { "id": second, "plan": "shop", "result": "copied" },
    ]);
    assert_eq!(told["backups"], rows);
    shop.run("verify --all --at away --level restore").good();
}

#[test]
fn copies_may_become_a_history_and_files_again() {
    let shop = placed();
    let bytes =
        |n: u8| (0..60_000_u32).map(|i| (i * 7919 % 251) as u8 ^ u8::from(i / 50 == u32::from(n))).collect::<Vec<u8>>();
    let mut archives = Vec::new();
    for day in 0..3 {
        fs::write(shop.path("config.yml"), bytes(day)).unwrap();
        shop.back_up("");
        archives.push(fs::read(archive(&shop, "here")).unwrap());
    }
    shop.run("copy --all away --layout history").good();
    let pieces = fs::read_dir(shop.path("away/shop"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "history"));
    assert_eq!(pieces.count(), 3);
    shop.run("verify --all --at away --level restore").good();
    shop.run("copy --all back --at away").good();
    assert_eq!(fs::read(archive(&shop, "back")).unwrap(), archives[2]);
    shop.run("verify --all --at back --level restore").good();
}

#[test]
fn what_is_damaged_is_not_spread_and_comes_from_the_next_copy() {
    let shop = placed();
    shop.back_up("");
    shop.run("copy latest away").good();
    damage(&archive(&shop, "here"));
    // The only other copy is the damaged one.
    let told = shop.run("copy latest third --at here");
    assert_eq!(told.code, 13, "{told:?}");
    assert_eq!(shop.run("list --at third --json").json()["backups"], json!([]));
    // With both in sight, the good one is taken and the other is told.
    let told = shop.run("copy latest third");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.out.contains("The copy at here was not used"), "{told:?}");
    shop.run("verify latest --at third --level restore").good();
}

#[test]
fn the_only_copy_cannot_be_copied_onto_itself() {
    let shop = placed();
    shop.back_up("");
    let told = shop.run("copy latest here");
    assert_eq!(told.code, 10, "{told:?}");
    assert!(told.err.contains("The only copy is at here itself"), "{told:?}");
}

#[test]
fn a_restore_takes_the_next_copy_when_the_nearest_is_cut_short() {
    let shop = placed();
    shop.write("config.yml", "port: 7");
    shop.back_up("");
    shop.run("copy latest away").good();
    // Its directory at the end is gone.
    let archive = archive(&shop, "here");
    let bytes = fs::read(&archive).unwrap();
    let mut cut = bytes.clone();
    let end = cut.len();
    cut[end - 40..].fill(0);
    fs::write(&archive, cut).unwrap();
    shop.write("config.yml", "port: 9");
    let told = shop.run("restore latest --yes").good();
    assert!(told.err.contains("was not used") || told.out.contains("was not used"), "{told:?}");
    assert_eq!(fs::read_to_string(shop.path("config.yml")).unwrap(), "port: 7");
}

#[test]
fn local_only_leaves_the_network_out_once() {
    let shop = Shop::new();
    let table = "[destination.far]\ntype = \"webdav\"\nurl = \"http://127.0.0.1:9/dav\"\nattempts = 1\n";
    shop.write(
        "recoup.toml",
        &PLACES.replace("[\"here\"]", "[\"here\", \"far\"]").replace("[plan.shop]", &format!("{table}[plan.shop]")),
    );
    let told = shop.run("backup shop --local-only --json").good().json();
    assert_eq!(told["warnings"], json!([]));
    let told = shop.run("backup shop");
    assert_eq!(told.code, 3, "{told:?}");
    shop.write(
        "recoup.toml",
        &PLACES.replace("[\"here\"]", "[\"far\"]").replace("[plan.shop]", &format!("{table}[plan.shop]")),
    );
    let told = shop.run("backup shop --local-only");
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.err.contains("goes to destinations in the network only"), "{told:?}");
}
