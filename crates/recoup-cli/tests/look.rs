//! `recoup list`, `show`, `verify` and `diff`: what is there, is it still good, what has changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;

use serde_json::json;
use shop::Shop;

#[test]
fn a_list_without_backups_says_so_and_is_no_error() {
    let shop = Shop::configured();
    let told = shop.run("list").good();
    assert!(told.out.starts_with("No backups yet."), "{told:?}");
    assert_eq!(shop.run("list --json").good().json()["backups"], json!([]));
    assert_eq!(shop.run("show latest").code, 10);
    assert_eq!(shop.run("verify").code, 10);
    assert_eq!(shop.run("list --at nowhere").code, 14);
}

#[test]
fn a_list_is_newest_first_with_all_that_was_promised() {
    let shop = Shop::configured();
    let first = shop.back_up("");
    std::fs::write(shop.path("config.yml"), "port: 7").unwrap();
    let second = shop.back_up("--kind pre-migration");
    let third = shop.back_up("--plan other --file config.yml --name labelled");
    let json = shop.run("list --json").good().json();
    let row = |i: usize| json["backups"][i].clone();
    let ids: Vec<_> = (0..3).map(|i| row(i)["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, [third.clone(), second.clone(), first]);
    assert_eq!((row(1)["kind"].clone(), row(1)["protected"].clone()), (json!("pre_migration"), json!(true)));
    for key in ["plan", "format", "created_at", "bytes", "verified", "protected", "label"] {
        assert!(row(0).get(key).is_some(), "{key}");
    }
    let told = shop.run("list").good();
    assert!(told.out.starts_with("ID "), "{told:?}");
    assert!(told.out.contains("pre-migration") && told.out.contains("protected"), "{told:?}");
    assert!(told.out.contains("3 backups, "), "{told:?}");
    let told = shop.run("list other -q").good();
    assert_eq!(told.out.trim(), third);
}

#[test]
fn a_backup_is_found_by_all_its_names() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    let file = shop.only("backups/shop", ".zip");
    let tail = id[20..].to_lowercase();
    for name in [id.as_str(), "latest", &id[..12], &tail, file.file_name().unwrap().to_str().unwrap()] {
        assert_eq!(shop.run(&format!("show -q {name}")).good().out.trim(), id, "{name}");
    }
    assert_eq!(shop.run(&format!("show -q {tail} --at ./backups")).good().out.trim(), id);
}

#[test]
fn show_tells_tables_directories_files_and_hashes() {
    let shop = Shop::configured();
    shop.back_up("--name demo");
    let told = shop.run("show latest").good();
    for text in [
        "Label     demo",
        "orders  3 rows",
        "journal mode wal",
        "2 files in 1 directory",
        "SHA-256",
        "Verified  integrity",
    ] {
        assert!(told.out.contains(text), "{text}: {}", told.out);
    }
    let json = shop.run("show latest --json").good().json();
    assert_eq!((&json["plan"], &json["protected"]), (&json!("shop"), &json!(false)));
    let file = shop.only("backups/shop", ".zip");
    assert_eq!(json["destinations"][0]["objects"][0], json!(file));
}

#[test]
fn copies_at_two_destinations_are_one_backup() {
    let shop = Shop::new();
    let plan = "[plan.shop]\nfiles = [\"config.yml\"]\ndestinations = [\"./one\", \"far\"]\n";
    shop.write("recoup.toml", &format!("{plan}[destination.far]\npath = \"two\"\n"));
    let id = shop.back_up("");
    let json = shop.run("list --json").good().json();
    assert_eq!(json["backups"].as_array().unwrap().len(), 1);
    assert_eq!(json["backups"][0]["destinations"].as_array().unwrap().len(), 2);
    assert_eq!(shop.run("verify --json").good().json()["results"].as_array().unwrap().len(), 2);
    fs::remove_file(shop.only("one/shop", ".zip")).unwrap();
    assert_eq!(shop.run("verify").code, 13);
    assert_eq!(shop.run("verify --at far").code, 0);
    shop.run(&format!("delete {id} --yes --force")).good();
    assert!(shop.run("list").good().out.starts_with("No backups yet"));
}

#[test]
fn every_level_says_good_of_a_good_backup() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    shop.back_up("--plan other --database shop.db --format json");
    for level in ["checksum", "integrity", "restore"] {
        let told = shop.run(&format!("verify {id} --level {level}")).good();
        assert!(told.out.starts_with("✓ ") && told.out.contains("good"), "{told:?}");
    }
    let json = shop.run("verify --all --level restore --json").good().json();
    let results = json["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(
            (&result["ok"], &result["level"], &result["problems"]),
            (&json!(true), &json!("restore"), &json!([]))
        );
    }
}

#[test]
fn one_flipped_bit_is_found_and_ends_with_13() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    let file = shop.only("backups/shop", ".zip");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    for level in ["checksum", "integrity", "restore"] {
        let told = shop.run(&format!("verify --level {level}"));
        assert_eq!(told.code, 13, "{told:?}");
        assert!(told.out.starts_with("✗ ") && told.out.contains("damaged"), "{told:?}");
    }
    let told = shop.run("verify --json");
    let result = told.json()["results"][0].clone();
    assert_eq!((&result["id"], &result["ok"]), (&json!(id), &json!(false)));
    assert_eq!(result["problems"][0]["code"], "hash_differs");
    assert_eq!(shop.run("verify -q").out.trim(), id);
}

#[test]
fn a_damaged_manifest_is_shown_and_never_silently_left_out() {
    let shop = Shop::configured();
    shop.back_up("");
    let manifest = shop.only("backups/shop", ".manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"manual\"", "\"upload\"");
    fs::write(&manifest, text).unwrap();
    let good = shop.back_up("");
    let told = shop.run("list");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.out.contains(manifest.file_name().unwrap().to_str().unwrap()), "{told:?}");
    let json = shop.run("list --json").json();
    assert_eq!((&json["backups"][0]["id"], json["warnings"].as_array().unwrap().len()), (&json!(good), 1));
    assert_eq!(shop.run("verify --all").code, 13);
    assert_eq!(shop.run("verify").code, 0);
}

#[test]
fn a_backup_whose_data_is_gone_is_not_latest_and_not_whole() {
    let shop = Shop::configured();
    let first = shop.back_up("");
    let file = shop.only("backups/shop", ".zip");
    let second = shop.back_up("");
    fs::remove_file(&file).unwrap();
    let told = shop.run("list");
    assert!(told.code == 3 && told.out.contains("not whole"), "{told:?}");
    assert_eq!(shop.run("show latest -q").good().out.trim(), second);
    assert_eq!(shop.run(&format!("verify {first}")).code, 13);
}

#[test]
fn diff_tells_rows_and_files_of_live_data_and_of_another_backup() {
    let shop = Shop::configured();
    let first = shop.back_up("");
    let told = shop.run("diff latest").good();
    assert!(told.out.contains("Nothing differs."), "{told:?}");
    drop(shop.sql("INSERT INTO orders (total) VALUES (4), (5); UPDATE orders SET total = 9 WHERE id = 1; DELETE FROM orders WHERE id = 2"));
    fs::write(shop.path("thumbs/c.jpg"), "c").unwrap();
    fs::write(shop.path("thumbs/ignored.tmp"), "c").unwrap();
    fs::remove_file(shop.path("thumbs/a.jpg")).unwrap();
    let check = |words: &str| {
        let json = shop.run(words).good().json();
        let table = &json["databases"][0]["tables"][0];
        assert_eq!(
            (&table["name"], &table["added"], &table["removed"], &table["changed"]),
            (&json!("orders"), &json!(2), &json!(1), &json!(1)),
            "{words}"
        );
        let directory = json["directories"].as_array().unwrap().iter().find(|d| d["name"] == "thumbs").unwrap();
        let numbers = (&directory["added"], &directory["removed"], &directory["changed"]);
        assert_eq!(numbers, (&json!(1), &json!(1), &json!(0)), "{words}");
    };
    check("diff latest live --json");
    let keys = json!({"added": [4, 5], "removed": [2], "changed": [1]});
    assert_eq!(shop.run("diff latest live --json").good().json()["databases"][0]["tables"][0]["keys"], keys);
    let told = shop.run("diff latest live").good();
    assert!(told.out.contains("orders  2 added  1 removed  1 changed  + 4, 5  - 2  ~ 1"), "{told:?}");
    let second = shop.back_up("");
    check(&format!("diff {first} {second} --json"));
    let told = shop.run(&format!("diff {first} {second}")).good();
    assert!(told.out.contains("2 added") && told.out.contains("+ c.jpg"), "{told:?}");
}

#[test]
fn live_data_is_found_without_a_configuration_by_where_it_came_from() {
    let shop = Shop::new();
    shop.back_up("--database shop.db --file config.yml");
    drop(shop.sql("DELETE FROM orders"));
    shop.write("config.yml", "title: Other\n");
    let json = shop.run("diff latest live --json").good().json();
    assert_eq!(json["databases"][0]["tables"][0]["removed"], 3);
    assert_eq!(json["directories"][0]["changed"], 1);
}
