//! What every command has in common: exit codes, errors for people and as JSON, `--quiet`, broken pipes, the
//! configuration file and where it is looked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::process::Stdio;

use serde_json::json;
use shop::Shop;

#[test]
fn an_error_says_what_why_and_what_to_do_and_standard_output_stays_empty() {
    let told = Shop::new().run("backup");
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    insta::assert_snapshot!(told.err, @r"
    Error: Nothing to back up: there is no recoup.toml and nothing is named
      Hint: recoup backup --database PATH, or try recoup demo
    ");
}

#[test]
fn with_json_an_error_is_one_document_on_standard_output() {
    let told = Shop::new().run("show nothing --json");
    assert_eq!((told.code, told.err.as_str()), (10, ""));
    let error = &told.json()["error"];
    assert_eq!((&error["code"], &error["message"]), (&json!("backup_missing"), &json!("Backup not found: nothing")));
    assert!(error["hint"].is_string());
}

#[test]
fn wrong_arguments_are_json_too_when_json_was_asked_for() {
    for words in ["backup --json --formt zip", "nonsense --json", "verify --level deep --json"] {
        let told = Shop::new().run(words);
        assert_eq!((told.code, &told.json()["error"]["code"]), (2, &json!("usage")), "{words}");
    }
    let told = Shop::new().run("verify --level deep");
    assert_eq!((told.code, told.out.as_str()), (2, ""));
    assert!(told.err.contains("[possible values: checksum, integrity, restore]"), "{told:?}");
}

#[test]
fn a_plan_and_sources_by_hand_do_not_mix() {
    for words in ["backup shop --database a.db", "backup --exclude *.tmp", "list --json --quiet"] {
        assert_eq!(Shop::configured().run(words).code, 2, "{words}");
    }
}

#[test]
fn a_reader_who_went_away_is_no_error() {
    let shop = Shop::new();
    let mut child = shop.command(["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn an_answer_that_could_not_be_written_is_an_error() {
    let shop = Shop::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output =
        shop.command(["list"]).stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(15));
}

#[test]
fn an_unknown_variable_of_ours_is_an_error_that_names_the_nearest() {
    let told = Shop::new().run_with(["list"], &[("RECOUP_DESTINATON", "/x")]);
    assert_eq!(told.code, 2);
    assert!(told.err.contains("Unknown environment variable: RECOUP_DESTINATON"), "{told:?}");
    assert!(told.err.contains("did you mean RECOUP_DESTINATION?"), "{told:?}");
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let shop = Shop::new();
    shop.write("recoup.toml", "[plan.shop]\ndatabses = [\"shop.db\"]\n");
    let told = shop.run("backup");
    assert_eq!(told.code, 2);
    let file = shop.path("recoup.toml");
    assert!(told.err.contains(&format!("{}:2: plan.shop.databses: unknown key", file.display())), "{told:?}");
    assert!(told.err.contains("did you mean plan.shop.databases?"), "{told:?}");
    assert_eq!(shop.run("completions bash").code, 0);
}

#[test]
fn the_configuration_is_looked_for_in_the_documented_order() {
    let shop = Shop::new();
    let plan = |name: &str| format!("[plan.{name}]\ndatabases = [\"/nowhere.db\"]\n");
    let plans = |variables: &[(&str, &str)], words: &str| {
        let told = shop.run_with(words.split_whitespace(), variables).good();
        let settings = told.json()["settings"].as_array().unwrap().clone();
        let key = settings.iter().filter_map(|s| s["key"].as_str()).find(|key| key.ends_with(".compact"));
        key.map(|key| key.trim_start_matches("plan.").trim_end_matches(".compact").to_owned())
    };
    let print = "config print --json";
    assert_eq!(plans(&[], print), None);
    std::fs::create_dir_all(shop.path(".config/recoup")).unwrap();
    shop.write(".config/recoup/recoup.toml", &plan("home"));
    assert_eq!(plans(&[], print).as_deref(), Some("home"));
    let xdg = shop.path("xdg");
    std::fs::create_dir_all(xdg.join("recoup")).unwrap();
    shop.write("xdg/recoup/recoup.toml", &plan("xdg"));
    let xdg = [("XDG_CONFIG_HOME", xdg.to_str().unwrap())];
    assert_eq!(plans(&xdg, print).as_deref(), Some("xdg"));
    shop.write("recoup.toml", &plan("here"));
    assert_eq!(plans(&xdg, print).as_deref(), Some("here"));
    shop.write("variable.toml", &plan("variable"));
    let variable = [("RECOUP_CONFIG", "variable.toml")];
    assert_eq!(plans(&variable, print).as_deref(), Some("variable"));
    shop.write("option.toml", &plan("option"));
    assert_eq!(plans(&variable, "config print --json --config option.toml").as_deref(), Some("option"));
    let told = shop.run("list --config missing.toml");
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.err.contains("Configuration file not found"), "{told:?}");
}

#[test]
fn config_print_says_where_every_value_comes_from() {
    let shop = Shop::configured();
    let told = shop.run_with(["config", "print", "--origin"], &[("RECOUP_FORMAT", "database")]).good();
    let text = told.out.replace(shop.root().to_str().unwrap(), "/app");
    // The directory's name is as long as the machine wants it: columns are not part of this.
    let text: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    config = "/app/recoup.toml" # default
    format = "database" # environment RECOUP_FORMAT
    destinations = ["./backups"] # default
    plan.shop.format = "database" # environment RECOUP_FORMAT
    plan.shop.compact = false # default
    plan.shop.destinations = ["/app/backups"] # default
    plan.shop.databases.shop = "shop.db" # recoup.toml:2 → /app/shop.db
    plan.shop.directories.thumbs = "thumbs" # recoup.toml:3 → /app/thumbs
    plan.shop.files.config.yml = "config.yml" # recoup.toml:4 → /app/config.yml
    plan.shop.enabled = true # default
    plan.shop.test_restore = "7d" # default
    plan.shop.deadline = "6h" # default
    "#);
    let secret = shop.run_with(["config", "print"], &[("DATABASE_URL", "sqlite:///app.db?key=hunter2")]).good();
    assert!(secret.out.contains("database") && !secret.out.contains("hunter2"), "{secret:?}");
}
