//! Files of other programs at a destination: listed, shown, proven and restored by their id; never changed by us. And the
//! last good backup, which goes by force only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rusqlite::Connection;
use serde_json::Value;

struct Vault {
    folder: tempfile::TempDir,
}

impl Vault {
    fn new() -> Self {
        let vault = Vault { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(vault.at("kept/old")).unwrap();
        fs::create_dir_all(vault.at("data")).unwrap();
        vault.sql("data/vault.db", "CREATE TABLE users(name TEXT); INSERT INTO users VALUES ('now')");
        vault.sql(
            "kept/old/db_20260102_030405.sqlite3",
            "CREATE TABLE users(name TEXT); INSERT INTO users VALUES ('then')",
        );
        let config =
            "[plan.vault]\ndatabases = [{ path = \"data/vault.db\", name = \"db\" }]\ndestinations = [\"./kept\"]\n";
        fs::write(vault.at("recoup.toml"), config).unwrap();
        vault
    }
    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn sql(&self, database: &str, statements: &str) {
        Connection::open(self.at(database)).unwrap().execute_batch(statements).unwrap();
    }
    fn users(&self, database: &str) -> String {
        let db = Connection::open(self.at(database)).unwrap();
        db.query_row("SELECT group_concat(name) FROM users", [], |row| row.get(0)).unwrap()
    }
    fn recoup(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(words).current_dir(self.folder.path()).env("HOME", self.folder.path()).output().unwrap()
    }
    #[track_caller]
    fn json(&self, words: &[&str], exit: i32) -> Value {
        let output = self.recoup(&[words, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(exit), "{words:?}: {}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
    #[track_caller]
    fn does(&self, words: &[&str]) -> String {
        let output = self.recoup(words);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{words:?}: {}", told(&output));
        told(&output)
    }
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_plain_copy_at_a_destination_is_a_backup_that_is_only_read() {
    let vault = Vault::new();
    let listed = vault.json(&["list", "--at", "kept"], 0);
    let backup = &listed["backups"][0];
    assert_eq!(backup["foreign"], "old/db_20260102_030405.sqlite3");
    assert_eq!((&backup["plan"], &backup["kind"], &backup["verified"]), (&"db".into(), &"upload".into(), &Value::Null));
    let id = backup["id"].as_str().unwrap();
    assert_eq!(vault.json(&["list"], 0)["backups"][0]["id"], id, "it is the same one every time");
    assert!(vault.does(&["list"]).contains("read-only"));

    let shown = vault.json(&["show", id], 0);
    assert_eq!(shown["id"], id);
    assert_eq!(shown["parts"][0]["database"]["tables"][0]["rows"], 1);
    assert!(shown["destinations"][0]["objects"][0].as_str().unwrap().ends_with("kept/old/db_20260102_030405.sqlite3"));
    let proven = vault.json(&["verify", id, "--level", "restore"], 0);
    assert_eq!(proven["results"][0]["ok"], true);
    assert!(vault.does(&["diff", id, "live"]).contains("live"));

    vault.does(&["restore", id, "--to", "out"]);
    let out = fs::read_dir(vault.at("out")).unwrap().next().unwrap().unwrap().file_name().into_string().unwrap();
    assert_eq!(vault.users(&format!("out/{out}")), "then");
    let output = vault.recoup(&["restore", id, "--yes"]);
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    assert!(told(&output).contains("--plan NAME"));
    vault.does(&["restore", id, "--plan", "vault", "--yes"]);
    assert_eq!(vault.users("data/vault.db"), "then");
    vault.does(&["undo", "--yes"]);
    assert_eq!(vault.users("data/vault.db"), "now");

    for refused in [vec!["delete", id, "--yes", "--force"], vec!["protect", id], vec!["copy", id, "./elsewhere"]] {
        let output = vault.recoup(&refused);
        assert_eq!(output.status.code(), Some(12), "{refused:?}: {}", told(&output));
        assert!(told(&output).contains("only read"), "{}", told(&output));
    }
    vault.does(&["backup", "vault"]);
    assert_ne!(vault.json(&["show", "latest"], 0)["id"], id, "one of ours is the latest, if there is one");
    vault.does(&["prune", "--keep-count", "1", "--yes"]);
    assert!(vault.at("kept/old/db_20260102_030405.sqlite3").exists());
}

#[test]
fn a_file_that_only_looks_like_a_database_is_found_out_when_it_is_opened() {
    let vault = Vault::new();
    fs::write(vault.at("kept/old/db_20260102_030405.sqlite3"), [7; 4096]).unwrap();
    let id = vault.json(&["list"], 0)["backups"][0]["id"].as_str().unwrap().to_owned();
    let found = vault.json(&["verify", &id], 13);
    assert_eq!((&found["results"][0]["ok"], found["results"][0]["id"].as_str()), (&false.into(), Some(id.as_str())));
    let output = vault.recoup(&["restore", &id, "--to", "out"]);
    assert_eq!(output.status.code(), Some(13), "{}", told(&output));
    assert!(!vault.at("out").exists());
}

#[test]
fn the_last_good_backup_is_deleted_by_force_only() {
    let vault = Vault::new();
    fs::remove_dir_all(vault.at("kept")).unwrap();
    vault.does(&["backup", "vault"]);
    let first = vault.json(&["list"], 0)["backups"][0]["id"].as_str().unwrap().to_owned();
    let output = vault.recoup(&["delete", &first, "--yes"]);
    assert_eq!(output.status.code(), Some(12), "{}", told(&output));
    assert!(told(&output).contains("last good backup of vault"), "{}", told(&output));
    // Another copy elsewhere does not make it two; another backup does.
    vault.does(&["copy", &first, "./second"]);
    assert_eq!(vault.recoup(&["delete", &first, "--yes"]).status.code(), Some(12));
    vault.does(&["backup", "vault", "--to", "./second"]);
    vault.does(&["backup", "vault"]);
    let all: Vec<String> = vault.json(&["list"], 0)["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| backup["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(vault.recoup(&["delete", &all[0], &all[1], "--yes"]).status.code(), Some(12), "both would be too many");
    vault.does(&["delete", &first, "--yes"]);
    vault.does(&["delete", &all[0], "--yes", "--force"]);
}
