//! A small application in a directory of its own, and the `recoup` that is under test, run in it with an
//! environment that holds nothing but what a test gives.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

pub const CONFIGURATION: &str = "\
[plan.shop]
databases = [\"shop.db\"]
directories = [{ path = \"thumbs\", exclude = [\"*.tmp\"] }]
files = [\"config.yml\"]
";

/// What a call gave.
#[derive(Debug)]
pub struct Told {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Told {
    /// Standard output as the one JSON document it must be.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// This, if it ended well.
    pub fn good(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

pub struct Shop {
    directory: TempDir,
}

impl Shop {
    /// A database in WAL mode, a directory with an excluded file, a file; no configuration.
    pub fn new() -> Self {
        let shop = Shop { directory: tempfile::tempdir().unwrap() };
        let database = shop.sql("PRAGMA journal_mode = WAL");
        database.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY, total); CREATE TABLE empty (a)").unwrap();
        database.execute_batch("INSERT INTO orders (total) VALUES (1), (2), (3)").unwrap();
        fs::create_dir(shop.path("thumbs")).unwrap();
        for name in ["a.jpg", "b.jpg", "half.tmp"] {
            fs::write(shop.path("thumbs").join(name), name).unwrap();
        }
        fs::write(shop.path("config.yml"), "title: Lighthouse\n").unwrap();
        shop
    }

    /// The same with a `recoup.toml`.
    pub fn configured() -> Self {
        let shop = Shop::new();
        shop.write("recoup.toml", CONFIGURATION);
        shop
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Runs SQL on the shop's database.
    pub fn sql(&self, sql: &str) -> Connection {
        let connection = Connection::open(self.path("shop.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        connection
    }

    pub fn command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(args).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("HOME", self.root()).env("TMPDIR", std::env::temp_dir());
        command
    }

    /// Runs `recoup` with these words.
    pub fn run(&self, words: &str) -> Told {
        self.run_with(words.split_whitespace(), &[])
    }

    /// Runs `recoup` with these arguments and variables.
    pub fn run_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, variables: &[(&str, &str)]) -> Told {
        let output = self.command(args).envs(variables.iter().copied()).output().unwrap();
        Told {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Makes a backup and gives its id.
    pub fn back_up(&self, words: &str) -> String {
        self.run(&format!("backup --quiet {words}")).good().out.trim().to_owned()
    }

    /// The only file below `directory` whose name ends so.
    pub fn only(&self, directory: &str, ending: &str) -> PathBuf {
        let mut found: Vec<PathBuf> = fs::read_dir(self.path(directory))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    /// Every file below `backups` that is part of a backup, and nothing else: no hidden leftovers.
    pub fn stored(&self) -> Vec<String> {
        let Ok(plans) = fs::read_dir(self.path("backups")) else { return Vec::new() };
        let mut names = Vec::new();
        // The mark of the directory itself is no leftover.
        let plans = plans.map(|plan| plan.unwrap().path()).filter(|path| !path.ends_with(".recoup-destination"));
        for plan in plans {
            for entry in fs::read_dir(plan).unwrap() {
                names.push(entry.unwrap().file_name().into_string().unwrap());
            }
        }
        names.sort();
        names
    }
}
