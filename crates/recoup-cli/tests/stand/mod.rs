//! Something to restore, over and over: databases, a directory with everything that a directory can hold, a file, in
//! state A when the backup was made and in state B now; and the question which of the two all of it is in.
//!
//! Not here: what is done to the restore meanwhile.
#![allow(dead_code)] // Not every test needs everything.

mod state;
mod strace;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup_testkit::busy::BusyDatabase;
use recoup_testkit::faults::{run, text};
use rusqlite::Connection;
use serde_json::Value;

pub use self::state::{Judged, State};
#[allow(unused_imports)]
pub use self::strace::points;

/// Rows that the chain has in the backup at least, and more of them now.
const CHAIN: u64 = 20;

/// How what is there differs from what comes back, and with it the way of the restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Everything is there: databases are written in place, one in WAL mode with a log that nobody brought home, one
    /// in rollback mode.
    InPlace,
    /// One database is missing, the other is in WAL mode and has another page size: both are exchanged.
    Swap,
    /// In three folders, so with three stages; something in the directory stays, and a database of its own lies in it.
    Apart,
    /// The same, but the database inside the directory is missing.
    ApartSwap,
    /// Like `InPlace`, and a database of its own lies in the directory, and is missing: nothing in there stays.
    Nested,
    /// A process writes to a database in WAL mode, which is put in place first.
    BusyWal,
    /// A process writes to a database in rollback mode, which is put in place last.
    BusyRollback,
}

impl Kind {
    pub fn is_busy(self) -> bool {
        matches!(self, Kind::BusyWal | Kind::BusyRollback)
    }
    fn is_apart(self) -> bool {
        matches!(self, Kind::Apart | Kind::ApartSwap)
    }
    /// The journal mode of the chain.
    fn mode(self) -> &'static str {
        if self == Kind::BusyWal { "wal" } else { "delete" }
    }
}

/// The stand.
pub struct Stand {
    pub kind: Kind,
    folder: tempfile::TempDir,
    /// Where it lives; another disk, perhaps.
    now: PathBuf,
    /// The backup.
    pub id: String,
    pub old: State,
    pub new: State,
}

impl Stand {
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = folder.path().join("now");
        Self::at(kind, folder, now)
    }

    /// In the new folder `now`. What it can be reset to is kept elsewhere.
    pub fn at(kind: Kind, folder: tempfile::TempDir, now: PathBuf) -> Self {
        fs::create_dir_all(&now).unwrap();
        fs::create_dir_all(folder.path().join("scratch")).unwrap();
        let (old, new) = (State::new(), State::new());
        let mut stand = Stand { kind, folder, now, id: String::new(), old, new };
        stand.make();
        let (exit, answer) = stand.answer(&mut stand.backup());
        assert_eq!(exit, 0, "{answer:#}");
        stand.id = answer["id"].as_str().unwrap().to_owned();
        let then = stand.state();
        stand.change();
        stand.keep();
        stand.old = stand.state();
        stand.reset();
        let (exit, answer) = stand.answer(&mut stand.restore());
        assert!(matches!(exit, 0 | 3), "{answer:#}");
        stand.new = stand.state();
        let differs = |name: &&String| then.get(*name) != stand.new.get(*name);
        let other: Vec<&String> = then.keys().chain(stand.new.keys()).filter(differs).collect();
        assert!(other.iter().all(|name| name.contains("cache")), "not restored: {other:?}");
        assert_ne!(stand.old, stand.new);
        stand.reset();
        stand
    }

    /// From the restored state: what happens is that the restore is undone.
    pub fn to_be_undone(kind: Kind) -> Self {
        let mut stand = Stand::new(kind);
        let (exit, answer) = stand.answer(&mut stand.restore());
        assert!(matches!(exit, 0 | 3), "{answer:#}");
        stand.keep();
        std::mem::swap(&mut stand.old, &mut stand.new);
        let (exit, answer) = stand.answer(&mut stand.undo());
        assert!(matches!(exit, 0 | 3), "{answer:#}");
        assert_eq!(stand.state(), stand.new, "undo brings something else back");
        stand.reset();
        stand
    }

    pub fn now(&self) -> &Path {
        &self.now
    }
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }

    fn place(&self, what: &str) -> PathBuf {
        let folder = match (self.kind.is_apart(), what) {
            (false, _) => "",
            (true, "app.db" | "second.db") => "db",
            (true, "config.yml") => "etc",
            (true, _) => "www",
        };
        self.now.join(folder).join(what)
    }

    pub fn chain(&self) -> PathBuf {
        self.place("app.db")
    }

    /// State A.
    fn make(&self) {
        for what in ["app.db", "config.yml", "data/sub/deep/x"] {
            fs::create_dir_all(self.place(what).parent().unwrap()).unwrap();
        }
        if self.kind.is_busy() {
            self.extend_chain();
        } else {
            database(&self.place("app.db"), "PRAGMA journal_mode=delete", 30, "A");
        }
        database(&self.place("second.db"), "PRAGMA journal_mode=delete", 20, "A");
        fs::write(self.place("config.yml"), "title: A\n").unwrap();
        let data = self.place("data");
        for (name, content) in [("same", "same"), ("changed", "A"), ("gone", "A"), ("folder-then", "A")] {
            fs::write(data.join("sub").join(name), content).unwrap();
        }
        fs::write(data.join("sub/deep/x"), vec![b'A'; 20_000]).unwrap();
        fs::create_dir(data.join("file-then")).unwrap();
        fs::write(data.join("file-then/y"), "A").unwrap();
        symlink("sub/same", data.join("link")).unwrap();
        database(&data.join("nested.db"), "PRAGMA journal_mode=delete", 10, "A");
        mode(&data.join("sub"), 0o750);
        if self.kind.is_apart() || self.kind == Kind::Nested {
            database(&data.join("inner.db"), "PRAGMA journal_mode=wal", 10, "A");
        }
        if self.kind.is_apart() {
            fs::create_dir(data.join("cache")).unwrap();
            fs::write(data.join("cache/c"), "A").unwrap();
            mode(&data, 0o750);
            fs::write(self.now.join("recoup.toml"), CONFIGURATION).unwrap();
        }
    }

    /// State B.
    fn change(&self) {
        let data = self.place("data");
        for name in ["app.db", "second.db", "data/inner.db", "data/nested.db"] {
            let path = self.place(name);
            let busy = self.kind.is_busy() && name == "app.db";
            if !busy && path.exists() {
                ["", "-wal", "-shm"].iter().for_each(|end| drop(fs::remove_file(format!("{}{end}", path.display()))));
            }
        }
        match self.kind {
            Kind::Swap => {
                let pragmas = "PRAGMA page_size=8192; PRAGMA journal_mode=wal";
                database(&self.place("second.db"), pragmas, 25, "B");
            }
            kind => {
                if kind.is_busy() {
                    self.extend_chain();
                } else {
                    let path = self.place("app.db");
                    let copy = self.beside().join("copy.db");
                    database(&copy, "PRAGMA journal_mode=wal", 35, "B");
                    leave_log(&copy, &path);
                }
                database(&self.place("second.db"), "PRAGMA journal_mode=delete", 25, "B");
            }
        }
        if self.kind == Kind::Apart {
            database(&data.join("inner.db"), "PRAGMA journal_mode=wal", 15, "B");
        }
        if self.kind.is_apart() {
            fs::write(data.join("cache/c"), "B").unwrap();
            mode(&data, 0o700);
        }
        fs::write(self.place("config.yml"), "title: B\nmore: yes\n").unwrap();
        fs::write(data.join("sub/changed"), "BB").unwrap();
        fs::write(data.join("sub/new"), "B").unwrap();
        fs::remove_file(data.join("sub/gone")).unwrap();
        fs::remove_file(data.join("sub/folder-then")).unwrap();
        fs::create_dir(data.join("sub/folder-then")).unwrap();
        fs::write(data.join("sub/folder-then/z"), "B").unwrap();
        fs::remove_dir_all(data.join("file-then")).unwrap();
        fs::write(data.join("file-then"), "B").unwrap();
        fs::remove_file(data.join("link")).unwrap();
        symlink("sub/changed", data.join("link")).unwrap();
        database(&data.join("nested.db"), "PRAGMA journal_mode=wal", 12, "B");
        mode(&data.join("sub"), 0o700);
    }

    fn extend_chain(&self) {
        let path = self.chain();
        let writer = BusyDatabase::start(&path, 0.0, self.kind.mode(), 40);
        let before = writer.committed();
        while writer.committed() < before + CHAIN {
            std::thread::yield_now();
        }
        drop(writer);
        // What the killed writer left comes home.
        Connection::open(&path).unwrap().execute_batch("BEGIN IMMEDIATE; COMMIT").unwrap();
    }

    /// What is there is what a reset goes back to.
    pub fn keep(&self) {
        let then = self.beside().join("then");
        let _ = fs::remove_dir_all(&then);
        copy(&self.now, &then);
    }

    pub fn reset(&self) {
        self.replace_by(&self.beside().join("then"));
    }

    pub fn replace_by(&self, other: &Path) {
        for entry in fs::read_dir(&self.now).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        copy(other, &self.now);
    }

    /// `recoup` with these arguments, where the data is, with nothing of this machine's settings.
    pub fn recoup(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
        command.args(arguments).current_dir(&self.now).env("TMPDIR", self.beside().join("scratch"));
        command.env("HOME", self.beside()).env_remove("RECOUP_CONFIG").env_remove("DATABASE_URL");
        command
    }
    pub fn restore(&self) -> Command {
        self.recoup(&["restore", &self.id, "--yes", "--json"])
    }
    pub fn undo(&self) -> Command {
        self.recoup(&["undo", "--yes", "--json"])
    }
    pub fn backup(&self) -> Command {
        if self.kind.is_apart() {
            return self.recoup(&["backup", "--json", "app"]);
        }
        let mut arguments = vec!["backup", "--json", "--plan", "app", "--to", "backups"];
        let databases = if self.kind == Kind::BusyRollback { ["second.db", "app.db"] } else { ["app.db", "second.db"] };
        databases.iter().for_each(|database| arguments.extend(["--database", database]));
        if self.kind == Kind::Nested {
            arguments.extend(["--database", "data/inner.db"]);
        }
        arguments.extend(["--directory", "data", "--file", "config.yml"]);
        self.recoup(&arguments)
    }

    /// A command that a person or a timer may run next.
    pub fn next(&self, number: usize) -> Command {
        match number % 3 {
            1 => self.recoup(&["list", "--json"]),
            // Of a database that may be missing no backup by hand can be made.
            2 if !matches!(self.kind, Kind::Swap | Kind::Nested) => self.backup(),
            _ => self.recoup(&["doctor", "--repair", "--json"]),
        }
    }

    /// Exit code and JSON of a command that ended by itself.
    pub fn answer(&self, command: &mut Command) -> (i32, Value) {
        let output = run(command);
        let exit = output.status.code().unwrap_or_else(|| panic!("{}", text(&output)));
        let answer = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| Value::String(text(&output)));
        (exit, answer)
    }

    /// Whether the journal of a restore lies somewhere.
    pub fn has_begun(&self) -> bool {
        let folders = match self.kind.is_apart() {
            true => vec!["db", "etc", "www", "www/data"],
            false => vec!["", "data"],
        };
        folders.iter().any(|folder| {
            let stages = fs::read_dir(self.now.join(folder).join(".recoup-restore")).into_iter().flatten().flatten();
            stages
                .into_iter()
                .any(|stage| ["journal.json", "journal.back.json"].iter().any(|name| stage.path().join(name).exists()))
        })
    }

    /// How many restores are remembered, so that they can be undone.
    pub fn records(&self) -> usize {
        let names = fs::read_dir(self.now.join("backups/app")).unwrap();
        names.filter(|name| name.as_ref().unwrap().file_name().to_str().unwrap().ends_with(".restore.json")).count()
    }

    /// What lies in the scratch directory.
    pub fn scratch(&self) -> Vec<PathBuf> {
        fs::read_dir(self.beside().join("scratch")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The last row of the chain in a backup.
    pub fn chain_of(&self, id: &str) -> u64 {
        let to = self.beside().join("unpacked");
        let _ = fs::remove_dir_all(&to);
        let (exit, answer) = self.answer(&mut self.recoup(&["restore", id, "--json", "--to", to.to_str().unwrap()]));
        assert!(matches!(exit, 0 | 3), "{answer:#}");
        let found = |at: &Path| at.join("app.db").exists().then(|| at.join("app.db"));
        let path = found(&to).or_else(|| found(&to.join("databases"))).unwrap_or_else(|| panic!("{answer:#}"));
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT max(n) FROM chain", [], |row| row.get::<_, i64>(0)).unwrap().unsigned_abs()
    }

    /// The newest safety backup.
    pub fn safety(&self) -> Option<String> {
        let (exit, answer) = self.answer(&mut self.recoup(&["list", "--json"]));
        assert_eq!(exit, 0, "{answer:#}");
        let mut all: Vec<(String, String)> = answer["backups"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|backup| backup["kind"] == "pre_restore")
            .map(|backup| {
                (backup["created_at"].as_str().unwrap().to_owned(), backup["id"].as_str().unwrap().to_owned())
            })
            .collect();
        all.sort();
        all.pop().map(|(_, id)| id)
    }
}

const CONFIGURATION: &str = r#"
[plan.app]
databases = ["db/app.db", "db/second.db", { path = "www/data/inner.db", optional = true }]
directories = [{ path = "www/data", exclude = ["cache/"] }]
files = ["etc/config.yml"]
"#;

fn database(path: &Path, pragmas: &str, number: usize, what: &str) {
    // The mode of a restored database when nothing was there.
    fs::write(path, "").unwrap();
    mode(path, 0o600);
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "{pragmas}; PRAGMA synchronous=OFF;
         CREATE TABLE item(id INTEGER PRIMARY KEY, title TEXT, data BLOB);
         CREATE INDEX by_title ON item(title);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<{number})
         INSERT INTO item SELECT i, '{what}' || i, randomblob(900) FROM n;"
    ))
    .unwrap();
    if what == "B" {
        db.execute_batch("CREATE TABLE later(a); INSERT INTO later VALUES('B')").unwrap();
    }
}

/// Moves a database so that its log is not empty and nobody uses it, as an application does that was killed.
fn leave_log(from: &Path, to: &Path) {
    let db = Connection::open(from).unwrap();
    db.execute_batch("PRAGMA wal_autocheckpoint=0; UPDATE item SET title=title || '!' WHERE id % 3 = 0").unwrap();
    for end in ["", "-wal"] {
        let output =
            run(Command::new("cp").args([format!("{}{end}", from.display()), format!("{}{end}", to.display())]));
        assert!(output.status.success(), "{}", text(&output));
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let output = run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
    assert!(output.status.success(), "{}", text(&output));
}
