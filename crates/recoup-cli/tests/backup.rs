//! `recoup backup`: plans and sources by hand, destinations, what it says, how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use serde_json::json;
use shop::Shop;

#[test]
fn a_database_needs_no_configuration_and_says_what_it_did() {
    let shop = Shop::new();
    let told = shop.run("backup --database shop.db").good();
    assert!(told.out.starts_with("✓ Backed up shop: 1 database, "), "{told:?}");
    assert!(told.out.contains(" Verified: integrity.\n"), "{told:?}");
    let file = shop.only("backups/shop", ".zip");
    assert!(told.out.contains(&format!("  {}\n", file.display())), "{told:?}");
    assert_eq!(told.err, format!("Relative to {}: shop.db, ./backups\n", shop.root().display()));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_only_plan_needs_no_name_and_the_json_is_as_promised() {
    let shop = Shop::configured();
    let told = shop.run("backup --json --name before").good();
    assert_eq!(told.err, "");
    let json = told.json();
    assert_eq!(
        (&json["plan"], &json["kind"], &json["outcome"], &json["format"], &json["verified"], &json["warnings"]),
        (&json!("shop"), &json!("manual"), &json!("good"), &json!("archive"), &json!("integrity"), &json!([]))
    );
    assert!(json["created_at"].as_str().unwrap().ends_with('Z') && json["duration_ms"].is_u64());
    let parts: Vec<(&str, &str)> = json["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["name"].as_str().unwrap(), part["path"].as_str().unwrap()))
        .collect();
    assert_eq!(parts, [("shop", "database.db"), ("thumbs", "directories/thumbs"), ("config.yml", "files/config.yml")]);
    let object = &json["objects"][0];
    let bytes = fs::metadata(object["path"].as_str().unwrap()).unwrap().len();
    assert_eq!(object["bytes"], json!(bytes));
    assert_eq!(object["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn quiet_prints_the_id_alone() {
    let shop = Shop::configured();
    let told = shop.run("backup -q").good();
    assert_eq!((told.out.len(), told.err.as_str()), (27, ""), "{told:?}");
    assert_eq!(shop.run("list -q").good().out, told.out);
}

#[test]
fn every_relative_path_of_a_plan_is_said_once() {
    let shop = Shop::configured();
    fs::create_dir(shop.path("elsewhere")).unwrap();
    let mut command = shop.command(["backup", "--config", "../recoup.toml"]);
    let output = command.current_dir(shop.path("elsewhere")).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let line = ": shop.db, thumbs, config.yml, ./backups\n";
    assert!(err.ends_with(line) && err.matches("shop.db").count() == 1, "{err}");
    assert_eq!(shop.stored().len(), 2);
}

#[test]
fn what_is_not_there_is_its_own_sentence_and_leaves_nothing() {
    let shop = Shop::new();
    fs::write(shop.path("empty.db"), "").unwrap();
    fs::write(shop.path("text.db"), "not a database, but longer than a header of one hundred bytes ".repeat(9))
        .unwrap();
    for (words, code, sentence) in [
        ("--database ./gone.db", 10, "Error: Database file not found: ./gone.db\n"),
        ("--directory gone", 10, "Error: "),
        ("--file gone", 10, "Error: "),
        ("--database empty.db", 1, "Error: Database is empty: empty.db\n"),
        ("--database text.db", 2, "Error: Not a SQLite database: "),
        ("--database postgres://db/app", 2, "Error: "),
        ("--database shop.db --format csv --file config.yml", 2, "Error: "),
    ] {
        let told = shop.run(&format!("backup {words}"));
        assert_eq!(told.code, code, "{words}: {told:?}");
        assert!(told.err.contains(sentence) && told.out.is_empty(), "{words}: {told:?}");
        assert_eq!(shop.stored(), [""; 0], "{words}");
    }
}

#[test]
fn one_of_several_destinations_failing_is_a_warning_and_all_failing_is_an_error() {
    let shop = Shop::new();
    fs::write(shop.path("in-the-way"), "").unwrap();
    let told = shop.run("backup --database shop.db --to good --to in-the-way");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.out.contains("Not stored at "), "{told:?}");
    assert!(shop.path("good/shop").is_dir());
    let told = shop.run("backup --database shop.db --to in-the-way");
    assert_eq!((told.code, told.out.as_str()), (2, ""), "{told:?}");
}

#[test]
fn a_destination_that_must_carry_a_marker_is_not_made() {
    let shop = Shop::new();
    let plan = "[plan.shop]\ndatabases = [\"shop.db\"]\ndestinations = [\"disk\"]\n";
    shop.write("recoup.toml", &format!("{plan}[destination.disk]\npath = \"disk\"\nmarker = true\n"));
    assert_eq!(shop.run("backup").code, 14);
    assert!(!shop.path("disk").exists());
    fs::create_dir(shop.path("disk")).unwrap();
    assert_eq!(shop.run("backup").code, 14);
    fs::write(shop.path("disk/.recoup-destination"), "").unwrap();
    shop.run("backup").good();
    shop.run("verify").good();
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let shop = Shop::new();
    shop.write("recoup.toml", "format = \"json\"\n[plan.shop]\ndatabases = [\"shop.db\"]\n");
    let format = |words: &str, variables: &[(&str, &str)]| {
        let told = shop.run_with(words.split_whitespace(), variables).good();
        told.json()["format"].as_str().unwrap().to_owned()
    };
    assert_eq!(format("backup --json", &[]), "json");
    assert_eq!(format("backup --json", &[("RECOUP_FORMAT", "both")]), "both");
    assert_eq!(format("backup --json --format database", &[("RECOUP_FORMAT", "both")]), "database");
    let told = shop.run_with(["backup", "-q"], &[("RECOUP_DESTINATION", "elsewhere")]).good();
    assert!(shop.path("elsewhere/shop").is_dir(), "{told:?}");
}

#[test]
fn the_environment_alone_can_name_the_database() {
    let shop = Shop::new();
    let told = shop.run_with(["backup", "--json"], &[("DATABASE_URL", "sqlite+aiosqlite:///./shop.db")]).good();
    assert_eq!(told.json()["plan"], "shop");
    fs::write(shop.path("secret"), "shop.db\n").unwrap();
    shop.run_with(["backup"], &[("RECOUP_DATABASE_FILE", "secret")]).good();
    assert_eq!(shop.stored().len(), 4);
}

#[test]
fn a_plan_that_is_not_there_names_the_nearest_and_several_plans_need_a_name() {
    let shop = Shop::configured();
    let told = shop.run("backup shpo");
    assert_eq!(told.code, 10);
    assert!(told.err.contains("did you mean shop?"), "{told:?}");
    let told = shop.run("backup ./shop.db");
    assert!(told.err.contains("recoup backup --database ./shop.db"), "{told:?}");
    shop.write("recoup.toml", &format!("{}[plan.other]\nfiles = [\"config.yml\"]\n", shop::CONFIGURATION));
    let told = shop.run("backup");
    assert_eq!(told.code, 2);
    assert!(told.err.contains("Which plan? There are shop, other"), "{told:?}");
    shop.run("backup other").good();
}

#[test]
fn excluded_files_stay_out_and_optional_sources_may_be_absent() {
    let shop = Shop::new();
    shop.write(
        "recoup.toml",
        "[plan.shop]\ndirectories = [{ path = \"thumbs\", exclude = [\"*.tmp\"] }, { path = \"attic\", optional = true }]\n",
    );
    let told = shop.run("backup").good();
    assert!(told.out.contains("1 directory (2 files)"), "{told:?}");
    assert!(told.out.contains("attic was not there (optional)"), "{told:?}");
}

#[test]
fn nothing_of_the_application_is_changed() {
    let shop = Shop::configured();
    let keep = shop.sql("INSERT INTO orders (total) VALUES (4)");
    let look = || {
        ["shop.db", "shop.db-wal", "shop.db-shm", "thumbs/a.jpg", "config.yml"].map(|name| {
            let meta = fs::metadata(shop.path(name)).unwrap();
            (name, meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.mode())
        })
    };
    let (before, wal) = (look(), fs::read(shop.path("shop.db-wal")).unwrap());
    shop.run("backup").good();
    shop.run("diff latest live").good();
    let after = look();
    for (before, after) in before.iter().zip(&after).filter(|(before, _)| before.0 != "shop.db-shm") {
        assert_eq!(before, after);
    }
    assert_eq!(fs::read(shop.path("shop.db-wal")).unwrap(), wal);
    drop(keep);
}

/// What a shell does with the line after `Next: recoup`.
fn follow_next(shop: &Shop, out: &str) -> (String, Option<i32>) {
    let next = out.lines().find_map(|line| line.strip_prefix("Next: recoup ")).unwrap().to_owned();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &format!("exec \"$0\" {next}"), env!("CARGO_BIN_EXE_recoup")]);
    shell.current_dir(shop.root()).env_clear().env("TMPDIR", std::env::temp_dir()).stdin(Stdio::null());
    (next, shell.output().unwrap().status.code())
}

#[test]
fn the_next_step_can_be_typed_as_it_stands() {
    let shop = Shop::new();
    shop.write("not-a-directory", "");
    let args = ["backup", "--database", "shop.db", "--to", "not-a-directory", "--to", "my disk's"];
    let told = shop.run_with(args, &[]);
    assert_eq!(told.code, 3, "{told:?}");
    let (next, code) = follow_next(&shop, &told.out);
    assert_eq!(code, Some(0), "{next}");
    assert!(next.contains("--level restore"), "{next}");

    fs::create_dir(shop.path("conf d")).unwrap();
    shop.write("conf d/shop.toml", "[plan.conf]\nfiles = [\"../config.yml\"]\n");
    let told = shop.run_with(["backup", "--config", "conf d/shop.toml"], &[]).good();
    let (next, code) = follow_next(&shop, &told.out);
    assert_eq!(code, Some(0), "{next}");
}

#[test]
fn with_json_nothing_is_drawn_even_on_a_terminal() {
    let shop = Shop::new();
    let drawn = |options: &str| {
        let recoup = env!("CARGO_BIN_EXE_recoup");
        let line = format!("'{recoup}' backup --database shop.db {options} > answer");
        let mut terminal = std::process::Command::new("script");
        terminal.args(["-qec", &line, "/dev/null"]).current_dir(shop.root()).stdin(Stdio::null());
        let output = terminal.env("TERM", "xterm").env("HOME", shop.root()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(drawn("").contains("Relative to"), "people are told things on this terminal");
    assert_eq!(drawn("--json"), "");
    assert_eq!(drawn("--quiet"), "");
}

#[test]
fn ctrl_c_ends_with_130_and_leaves_nothing() {
    let shop = Shop::new();
    // A command that never ends holds the backup where it can be interrupted.
    fs::write(
        shop.path("recoup.toml"),
        "[plan.shop]\ncommands = [{ name = \"x\", argv = [\"sh\", \"-c\", \"echo $$ > started; exec sleep 600\"] }]\n",
    )
    .unwrap();
    let mut child =
        shop.command(["backup", "--json"]).env("PATH", "/usr/bin:/bin").stdout(Stdio::piped()).spawn().unwrap();
    while !fs::read_to_string(shop.path("started")).is_ok_and(|text| text.ends_with('\n')) {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let interrupt = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["error"]["code"], "cancelled");
    assert_eq!(shop.stored(), [""; 0]);
}
