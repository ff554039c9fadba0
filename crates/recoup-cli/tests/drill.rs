//! The disaster-recovery drill of docs/operations.md, followed line by line: a machine is lost, and everything comes back
//! from the destination with what is written there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::path::Path;
use std::process::Command;

use shop::Shop;

/// The commands of the drill, in order.
fn lines() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let text = fs::read_to_string(page).unwrap();
    let drill = text.split("## Disaster-recovery drill").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks = drill.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    let lines = blocks.collect::<Vec<_>>().concat();
    lines.lines().map(|line| line.split("  #").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn a_lost_machine_comes_back_by_the_lines_of_the_drill() {
    let shop = Shop::new();
    let here = |name: &str| shop.path(name).display().to_string();
    fs::create_dir(shop.path("srv")).unwrap();
    let database = rusqlite::Connection::open(shop.path("srv/shop.db")).unwrap();
    database.execute_batch("CREATE TABLE orders(id); INSERT INTO orders VALUES (1), (2)").unwrap();
    drop(database);
    let toml = format!(
        "[server]\ndata = \"data\"\n[destination.disk]\npath = \"{}\"\n[plan.shop]\ndatabases = [\"srv/shop.db\"]\n\
         files = [\"recoup.toml\"]\ndestinations = [\"disk\"]\n",
        here("mnt")
    );
    shop.write("recoup.toml", &toml);
    shop.run("backup shop").good();
    shop.run("plan add extra --database srv/shop.db --destination disk").good();
    let plans = shop.run("plan export").good().out;

    for gone in ["srv", "data"] {
        fs::remove_dir_all(shop.path(gone)).unwrap();
    }
    fs::remove_file(shop.path("recoup.toml")).unwrap();
    shop.write("plans.toml", &plans);
    fs::create_dir(shop.path("srv")).unwrap();

    let mut followed = 0;
    for line in lines() {
        let line = line.replace("/mnt/backup/recoup", &here("mnt")).replace("/tmp/drill", &here("look"));
        if line.starts_with("sqlite3 ") {
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "ok\n2\n", "{line}: {output:?}");
        } else if let Some(words) = line.strip_prefix("recoup ") {
            // Here nobody is at a terminal to say yes.
            let asks = words == format!("restore latest --at {}", here("mnt"));
            shop.run(&format!("{words}{}", if asks { " --yes" } else { "" })).good();
        } else {
            assert!(line.starts_with("systemctl "), "{line}");
            continue;
        }
        followed += 1;
    }
    assert!(followed >= 10, "{followed}");
    assert_eq!(fs::read_to_string(shop.path("recoup.toml")).unwrap(), toml);
    let rows = rusqlite::Connection::open(shop.path("srv/shop.db")).unwrap();
    assert_eq!(rows.query_row("SELECT count(*) FROM orders", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    assert_eq!(shop.run("plan list --quiet").good().out, "extra\nrecoup-catalog\nshop\n");
    shop.run("backup shop").good();
    shop.run("list shop --fresh 1h --verified").good();
}
