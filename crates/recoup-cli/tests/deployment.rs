//! What deployment scripts rely on: `backup --kind pre-migration` and `list --fresh --verified`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, FileTimes};
use std::path::Path;
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::Value;

struct App {
    folder: tempfile::TempDir,
}

impl App {
    fn new() -> Self {
        let app = App { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(app.at("pics")).unwrap();
        fs::write(app.at("pics/a.jpg"), "aaaa").unwrap();
        fs::write(app.at("config.yml"), "port: 1").unwrap();
        app.sql("PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)");
        app
    }
    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
    fn sql(&self, statements: &str) {
        Connection::open(self.at("app.db")).unwrap().execute_batch(statements).unwrap();
    }
    fn recoup(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(words).current_dir(self.folder.path()).env("HOME", self.folder.path()).output().unwrap()
    }
    /// The backup before a deployment: its id, and whether it was there already.
    fn before(&self, more: &[&str]) -> (String, bool) {
        let words = ["backup", "--database", "app.db", "--directory", "pics", "--file", "config.yml", "--json"];
        let output = self.recoup(&[&words, &["--kind", "pre-migration"][..], more].concat());
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{answer:#}");
        (answer["id"].as_str().unwrap().to_owned(), answer["reused"] == true)
    }
}

#[test]
fn nothing_is_made_when_nothing_has_changed_and_something_when_anything_has() {
    let app = App::new();
    let (first, reused) = app.before(&[]);
    assert!(!reused);
    assert_eq!(app.before(&[]), (first.clone(), true));

    app.sql("UPDATE t SET a = 2");
    let (second, reused) = app.before(&[]);
    assert!(!reused && second != first);
    assert_eq!(app.before(&[]), (second.clone(), true));

    // Another content of the same size and time.
    let time = fs::metadata(app.at("pics/a.jpg")).unwrap().modified().unwrap();
    fs::write(app.at("pics/a.jpg"), "bbbb").unwrap();
    fs::File::options()
        .write(true)
        .open(app.at("pics/a.jpg"))
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
    let (third, reused) = app.before(&[]);
    assert!(!reused && third != second);
    fs::write(app.at("config.yml"), "port: 2").unwrap();
    assert!(!app.before(&[]).1);
    fs::write(app.at("pics/b.jpg"), "").unwrap();
    let (last, reused) = app.before(&[]);
    assert!(!reused);
    assert_eq!(app.before(&[]), (last, true));
}

#[test]
fn a_backup_made_for_another_reason_serves_when_it_holds_the_same_and_is_protected_then() {
    let app = App::new();
    let words = ["backup", "--database", "app.db", "--directory", "pics", "--file", "config.yml", "--quiet"];
    let made = String::from_utf8(app.recoup(&words).stdout).unwrap().trim().to_owned();
    assert_eq!(app.before(&[]), (made.clone(), true));
    let listed: Value = serde_json::from_slice(&app.recoup(&["list", "--json"]).stdout).unwrap();
    assert_eq!(
        (listed["backups"][0]["id"].as_str(), listed["backups"][0]["protected"].as_bool()),
        (Some(&*made), Some(true))
    );
    // Not fresh enough for a picky script.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(!app.before(&["--fresh", "1s"]).1);
}

#[test]
fn the_limit_refuses_loudly_and_removes_nothing() {
    let app = App::new();
    for n in 0..20 {
        app.sql(&format!("UPDATE t SET a = {}", 100 + n));
        assert!(!app.before(&[]).1);
    }
    app.sql("UPDATE t SET a = 999");
    let words = [
        "backup",
        "--database",
        "app.db",
        "--directory",
        "pics",
        "--file",
        "config.yml",
        "--kind",
        "pre-migration",
        "--json",
    ];
    let output = app.recoup(&words);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), answer["error"]["code"].as_str()), (Some(1), Some("protected_full")));
    assert!(answer["error"]["hint"].as_str().unwrap().contains("recoup prune --protected --older-than"), "{answer}");
    let listed: Value = serde_json::from_slice(&app.recoup(&["list", "--json"]).stdout).unwrap();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 20);
}

#[test]
fn list_answers_a_script_by_its_exit_code() {
    let app = App::new();
    let code = |words: &[&str]| app.recoup(words).status.code().unwrap();
    assert_eq!(code(&["list", "--fresh", "1h", "--verified", "--quiet"]), 10);
    let (id, _) = app.before(&[]);
    let output = app.recoup(&["list", "--fresh", "1h", "--verified", "--quiet"]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).trim()), (Some(0), id.as_str()));
    assert_eq!(code(&["list", "app", "--fresh", "1h", "--verified", "--kind", "pre-migration"]), 0);
    assert_eq!(code(&["list", "--fresh", "1h", "--kind", "scheduled"]), 10);
    let none = app.recoup(&["list", "--kind", "scheduled"]);
    let told = String::from_utf8_lossy(&none.stdout).into_owned();
    assert!(none.status.code() == Some(0) && told.starts_with("No backups of kind scheduled in "), "{told}");
    assert_eq!(code(&["list", "--fresh", "soon"]), 2);
    for age in ["90s", "15m", "1h", "7d"] {
        assert_eq!(code(&["list", "--fresh", age, "--quiet"]), 0, "{age}");
    }
    // A backup whose data is gone is no answer.
    let stored = app.at("backups/app");
    let data = fs::read_dir(&stored)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension() == Some("zip".as_ref()));
    fs::remove_file(data.unwrap()).unwrap();
    assert_eq!(code(&["list", "--fresh", "1h", "--verified"]), 10);
    assert!(Path::new(&stored).exists());
}

#[test]
fn one_match_is_an_answer_whatever_else_is_damaged() {
    let app = App::new();
    let (old, _) = app.before(&[]);
    app.sql("UPDATE t SET a = 2");
    let (new, _) = app.before(&[]);
    let data = |id: &str| {
        let named = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap().to_lowercase();
            name.ends_with(".zip") && name.contains(&id[id.len() - 6..].to_lowercase())
        };
        let found = fs::read_dir(app.at("backups/app")).unwrap().map(|entry| entry.unwrap().path()).find(named);
        found.unwrap()
    };
    fs::remove_file(data(&old)).unwrap();
    fs::write(app.at("backups/app/app-20200101T000000Z-aaaaaa.manifest.json"), "{").unwrap();
    let output = app.recoup(&["list", "--fresh", "1h", "--verified", "--quiet"]);
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).trim()), (Some(0), new.as_str()));
    // Without a question it still says that not all is well.
    assert_eq!(app.recoup(&["list", "--quiet"]).status.code(), Some(3));
    let nothing = app.recoup(&["list", "--fresh", "1h", "--verified", "--kind", "scheduled"]);
    let told = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(nothing.status.code() == Some(10) && told.contains("No fresh backup"), "{told}");
    // A kind alone is no question either.
    assert_eq!(app.recoup(&["list", "--kind", "scheduled", "--quiet"]).status.code(), Some(3));
}

#[test]
fn a_newer_backup_that_is_not_whole_does_not_hide_the_one_that_serves() {
    let app = App::new();
    let (first, _) = app.before(&[]);
    let words = ["backup", "--database", "app.db", "--directory", "pics", "--file", "config.yml", "--quiet"];
    let second = String::from_utf8(app.recoup(&words).stdout).unwrap().trim().to_lowercase();
    let tail = &second[second.len() - 6..];
    let data = fs::read_dir(app.at("backups/app")).unwrap().map(|entry| entry.unwrap().path());
    let data = data.filter(|path| path.extension() == Some("zip".as_ref()));
    let data = data.filter(|path| path.to_str().unwrap().to_lowercase().contains(tail));
    data.for_each(|path| fs::remove_file(path).unwrap());
    assert_eq!(app.before(&[]), (first, true));
}

#[test]
fn the_same_data_in_another_place_is_another_backup() {
    let app = App::new();
    fs::create_dir(app.at("green")).unwrap();
    fs::write(app.at("green/config.yml"), "port: 1").unwrap();
    let before = |file: &str| {
        let words = ["backup", "--plan", "conf", "--file", file, "--kind", "pre-migration", "--json"];
        let answer: Value = serde_json::from_slice(&app.recoup(&words).stdout).unwrap();
        (answer["id"].as_str().unwrap().to_owned(), answer["reused"] == true)
    };
    let (blue, _) = before("config.yml");
    assert_eq!(before("config.yml"), (blue.clone(), true));
    // Reused, an undo of this deployment would write to the other one.
    let (green, reused) = before("green/config.yml");
    assert!(!reused && green != blue);
}

#[test]
fn one_that_serves_is_protected_wherever_it_is() {
    let app = App::new();
    let words = ["backup", "--file", "config.yml", "--to", "one", "--to", "two", "--json"];
    assert_eq!(app.recoup(&words).status.code(), Some(0));
    let output = app.recoup(&[&words[..], &["--kind", "pre-migration"]].concat());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &answer["reused"]), (Some(0), &Value::Bool(true)), "{answer:#}");
    for place in ["one", "two"] {
        let listed: Value = serde_json::from_slice(&app.recoup(&["list", "--at", place, "--json"]).stdout).unwrap();
        assert_eq!(listed["backups"][0]["protected"], Value::Bool(true), "{place}");
    }
}

#[test]
fn the_script_of_the_documentation_brings_back_what_a_migration_broke() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md")).unwrap();
    let mut blocks = page.split("```").filter_map(|block| block.strip_prefix("sh\n"));
    let script = blocks.find(|block| block.contains("--kind pre-migration")).unwrap();
    assert!(script.contains("--kind pre-migration") && script.contains("recoup restore"), "{script}");
    let app = App::new();
    fs::write(app.at("recoup.toml"), "[plan.shop]\ndatabases = [\"app.db\"]\ndirectories = [\"pics\"]\n").unwrap();
    fs::write(app.at("migrate"), "#!/bin/sh\nsqlite3 app.db 'DROP TABLE t'\nrm pics/a.jpg\nexit 1\n").unwrap();
    let run = |line: &str| {
        let recoup = Path::new(env!("CARGO_BIN_EXE_recoup")).parent().unwrap();
        let path = format!("{}:{}", recoup.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(app.folder.path()).env("HOME", app.folder.path()).env("PATH", path);
        shell.output().unwrap()
    };
    assert!(run("chmod +x migrate").status.success());
    let output = run(script);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let a: i64 =
        Connection::open(app.at("app.db")).unwrap().query_row("SELECT a FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!((a, fs::read_to_string(app.at("pics/a.jpg")).unwrap()), (1, "aaaa".to_owned()));
}
