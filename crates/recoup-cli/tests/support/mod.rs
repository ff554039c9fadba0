//! An application and its backups, and the real `recoup` run on them, as the fault tests need it: what is listed,
//! whether it verifies, what lies about, whether the source is what it was.
//!
//! Not here: the faults; those are in the tests and in the test kit.
#![allow(dead_code)] // Not every test needs everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use recoup_testkit::faults::{run, text, traced};
use rusqlite::Connection;
use serde_json::Value;

/// A WAL database with commits in its log, which an idle connection keeps open; pictures; a destination.
pub struct Scene {
    folder: tempfile::TempDir,
    application: Connection,
}

impl Scene {
    /// A database of about `kilobytes`, hardly compressible, and ten small pictures.
    pub fn new(kilobytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("pics/2026")).unwrap();
        fs::create_dir(root.join("scratch")).unwrap();
        for i in 0..10_u8 {
            fs::write(root.join(format!("pics/2026/{i}.jpg")), vec![i; 3000]).unwrap();
        }
        let db = Connection::open(root.join("app.db")).unwrap();
        db.execute_batch(&format!(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;
             CREATE TABLE product(id INTEGER PRIMARY KEY, title TEXT, picture BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{kilobytes})
             INSERT INTO product SELECT i, 'Bowl ' || i, randomblob(950) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE); PRAGMA wal_autocheckpoint=0;
             UPDATE product SET title='Spoon' WHERE id % 7 = 0;"
        ))
        .unwrap();
        Scene { folder, application: db }
    }

    /// The application adds about `kilobytes` to its database.
    pub fn grow(&self, kilobytes: u32) {
        let rows = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{kilobytes})
             INSERT INTO product(title, picture) SELECT 'Cup ' || i, randomblob(950) FROM n"
        );
        self.application.execute_batch(&rows).unwrap();
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
    pub fn backups(&self) -> PathBuf {
        self.path().join("backups")
    }

    /// `recoup` with these arguments, in the application's folder, with nothing of this machine's settings.
    pub fn recoup(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(arguments).current_dir(self.path()).env("TMPDIR", self.path().join("scratch"));
        command.env("HOME", self.path()).env_remove("RECOUP_CONFIG").env_remove("DATABASE_URL");
        command
    }

    /// `recoup backup` of a database in a format; of the pictures too, where the format can hold them.
    pub fn backup(&self, database: &str, format: &str) -> Command {
        let mut arguments =
            vec!["backup", "--json", "--plan", "app", "--database", database, "--to", "backups", "--format", format];
        if format == "archive" {
            arguments.extend(["--directory", "pics"]);
        }
        self.recoup(&arguments)
    }

    /// Ids that are listed now. Panics when something is listed as damaged or not whole.
    pub fn listed(&self) -> Vec<String> {
        let (exit, answer) = answer(&mut self.recoup(&["list", "--json", "--at", "backups"]));
        assert_eq!(exit, 0, "{answer:#}");
        ids(&answer)
    }

    /// Whether these backups verify.
    pub fn verifies(&self, ids: &[&str], level: &str) -> bool {
        let mut arguments = vec!["verify", "--json", "--at", "backups", "--level", level];
        arguments.extend(ids);
        let (exit, answer) = answer(&mut self.recoup(&arguments));
        exit == 0 && good(&answer)
    }

    /// Hashes of the database's files. By another process: closing a file of a database drops the locks that
    /// this process has on it (fcntl(2)), and the idle connection has some.
    pub fn source(&self) -> String {
        let output = run(Command::new("sha256sum").args(["app.db", "app.db-wal"]).current_dir(self.path()));
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }

    /// Files at the destination that belong to no backup, and anything in the scratch directory.
    pub fn leftovers(&self) -> Vec<String> {
        let stems = self.listed_stems();
        let mut found = Vec::new();
        for (path, is_directory) in below(&self.backups()) {
            let name = path.file_name().unwrap().to_str().unwrap();
            let known = stems.iter().any(|stem| name.starts_with(&format!("{stem}.")));
            let ours = if is_directory { name == "app" || name == ".recoup" } else { name == ".recoup-destination" };
            if !known && !ours {
                found.push(path.display().to_string());
            }
        }
        found.extend(below(&self.path().join("scratch")).into_iter().map(|(path, _)| path.display().to_string()));
        found
    }

    fn listed_stems(&self) -> Vec<String> {
        let names = below(&self.backups()).into_iter();
        let names = names.map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter_map(|name| Some(name.strip_suffix(".manifest.json")?.to_owned())).collect()
    }
}

/// Everything below a directory, and whether it is a directory.
fn below(directory: &Path) -> Vec<(PathBuf, bool)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else { return found };
    for entry in entries {
        let entry = entry.unwrap();
        let is_directory = entry.file_type().unwrap().is_dir();
        if is_directory {
            found.extend(below(&entry.path()));
        }
        found.push((entry.path(), is_directory));
    }
    found
}

/// Ids in the answer of `recoup list --json`. Panics when one is not whole.
pub fn ids(answer: &Value) -> Vec<String> {
    let damaged = answer.get("damaged").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(damaged, 0, "{answer:#}");
    let id = |backup: &Value| {
        assert_eq!(backup["missing"], Value::Array(vec![]), "{backup:#}");
        backup["id"].as_str().unwrap().to_owned()
    };
    answer["backups"].as_array().unwrap().iter().map(id).collect()
}

/// Whether an answer of `recoup verify --json` says that everything is good, and of something.
pub fn good(answer: &Value) -> bool {
    let results = answer["results"].as_array();
    results.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one["ok"] == true))
}

/// Exit code and JSON of a command that ended by itself.
pub fn answer(command: &mut Command) -> (i32, Value) {
    let output = run(command);
    let exit = output.status.code().unwrap_or_else(|| panic!("{}", text(&output)));
    (exit, document(&output))
}

/// The one JSON document that was printed; null when nothing was.
pub fn document(output: &Output) -> Value {
    if output.stdout.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

/// How often a command that succeeds makes each of these system calls in the thread that makes most of them,
/// which is how strace(1) counts.
pub fn counts(command: &Command, syscalls: &[&str], log: &Path) -> BTreeMap<String, usize> {
    let expression = format!("trace={}", syscalls.join(","));
    let log_name = log.to_str().unwrap();
    let output = run(&mut traced(command, &["-o", log_name, "-e", &expression]));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output));
    let mut by_thread = BTreeMap::<(String, String), usize>::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let Some((syscall, _)) = call.trim_start().split_once('(') else { continue };
        *by_thread.entry((syscall.to_owned(), thread.to_owned())).or_default() += 1;
    }
    let mut most = BTreeMap::<String, usize>::new();
    for ((syscall, _), n) in by_thread {
        let known = most.entry(syscall).or_default();
        *known = n.max(*known);
    }
    most
}

/// `wanted` of all calls: every one of the rare ones if they fit, the others evenly spread.
pub fn spread(counts: &BTreeMap<String, usize>, wanted: usize) -> Vec<(String, usize)> {
    let all = |(syscall, n): (&String, &usize)| (1..=*n).map(|nth| (syscall.clone(), nth)).collect::<Vec<_>>();
    let rare: Vec<_> = counts.iter().filter(|(_, n)| **n <= 12).flat_map(all).collect();
    let frequent: Vec<_> = counts.iter().filter(|(_, n)| **n > 12).flat_map(all).collect();
    let mut points: Vec<_> = rare.into_iter().take(wanted).collect();
    let rest = wanted - points.len();
    points.extend((0..rest).map(|i| frequent[i * frequent.len() / rest].clone()));
    points
}
