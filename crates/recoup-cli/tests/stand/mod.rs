//! Something to restore, over and over: databases, a directory with everything that a directory can hold, a file, in
//! state A when the backup was made and in state B now; and the question which of the two all of it is in.
//!
//! Not here: what is done to the restore meanwhile.
#![allow(dead_code)] // Not every test needs everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup_testkit::busy::BusyDatabase;
use recoup_testkit::faults::{run, text};
use rusqlite::Connection;
use serde_json::Value;

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

/// Path of everything, and what is there.
pub type State = BTreeMap<String, String>;

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

    /// Everything there is but the backups: databases as their rows say, the others byte for byte, with modes. What
    /// should not be there is in it, too.
    pub fn state(&self) -> State {
        let mut state = State::new();
        self.look(&self.now, &mut state);
        state
    }

    fn look(&self, at: &Path, state: &mut State) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&self.now).unwrap().display().to_string();
            if name == "backups" || name.ends_with("-shm") || name.ends_with("-wal") {
                continue;
            }
            // Not hot when it is empty or begins with a zero: SQLite overwrites it the next time.
            let cold = |bytes: Vec<u8>| bytes.first().is_none_or(|byte| *byte == 0);
            if name.ends_with(".db-journal") && fs::read(&path).is_ok_and(cold) {
                continue;
            }
            let meta = path.symlink_metadata().unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            let what = if meta.is_dir() {
                self.look(&path, state);
                format!("folder {mode:o}")
            } else if meta.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else if name.ends_with(".db") {
                match self.kind.is_busy() && path == self.chain() {
                    true => String::new(),
                    false => format!("{mode:o} {}", rows(&path)),
                }
            } else {
                let content = fs::read(&path).unwrap();
                let short = String::from_utf8_lossy(&content[..content.len().min(40)]).into_owned();
                format!("{mode:o} {} bytes {short:?}", content.len())
            };
            state.insert(name, what);
        }
    }

    /// What lies in the scratch directory.
    pub fn scratch(&self) -> Vec<PathBuf> {
        fs::read_dir(self.beside().join("scratch")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Which of the two states everything is in; or what is wrong.
    pub fn judge(&self) -> Result<Judged, String> {
        let mut state = self.state();
        if self.kind.is_busy() {
            // What an application wrote between crash and recovery.
            state.retain(|name, _| !name.contains(".before-restore-") && !name.ends_with("app.db-journal"));
        }
        if state == self.old {
            return Ok(Judged::Old);
        }
        if state == self.new {
            return Ok(Judged::New);
        }
        let names = self.old.keys().chain(self.new.keys()).chain(state.keys());
        let (mut like_old, mut like_new) = (Vec::new(), Vec::new());
        let mut neither = Vec::new();
        for name in names.collect::<BTreeSet<_>>() {
            let found = state.get(name);
            match (found == self.old.get(name), found == self.new.get(name)) {
                (true, true) => {}
                (true, false) => like_old.push(name),
                (false, true) => like_new.push(name),
                (false, false) => neither.push(format!("{name}: {}", found.map_or("missing", String::as_str))),
            }
        }
        Err(format!("neither: {neither:?}; old: {like_old:?}; new: {like_new:?}"))
    }

    /// Rows of the chain, when they are what they may be: all rows from the first on, `before` of them at least, or
    /// those of the backup and then what the writer added later.
    pub fn judge_chain(&self, before: u64) -> Result<Judged, String> {
        let db = Connection::open(self.chain()).unwrap();
        let ok: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        let filler: i64 = db.query_row("SELECT count(*) FROM filler", [], |row| row.get(0)).unwrap();
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
        let mut statement = db.prepare("SELECT n FROM chain ORDER BY n").unwrap();
        let rows = statement.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        let rows: Vec<u64> = rows.map(|n| n.unwrap().unsigned_abs()).collect();
        if ok != "ok" || filler != 40 || mode != self.kind.mode() {
            return Err(format!("the chain: {ok}, {filler} fillers, mode {mode}"));
        }
        let jumps: Vec<(u64, u64)> =
            rows.windows(2).filter(|pair| pair[0] + 1 != pair[1]).map(|pair| (pair[0], pair[1])).collect();
        let (first, last) = (rows.first().copied().unwrap_or(0), rows.last().copied().unwrap_or(0));
        match jumps.as_slice() {
            [] if first == 1 && last >= before => Ok(Judged::Old),
            [] if first == 1 && last == self.chain_in_backup() => Ok(Judged::New),
            [(end, next)] if first == 1 && *end == self.chain_in_backup() && *next > before => Ok(Judged::New),
            _ => Err(format!("the chain begins at {first}, ends at {last}, {before} before, jumps {jumps:?}")),
        }
    }

    fn chain_in_backup(&self) -> u64 {
        let kept = self.beside().join("chain-in-backup");
        if !kept.exists() {
            fs::write(&kept, self.chain_of(&self.id).to_string()).unwrap();
        }
        fs::read_to_string(&kept).unwrap().parse().unwrap()
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Old,
    New,
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

/// Everything that is in a database, in words; that it is sound, and its journal mode.
fn rows(path: &Path) -> String {
    let look = || -> rusqlite::Result<String> {
        let db = Connection::open(path)?;
        let mode: String = db.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        let check: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let names = "SELECT name FROM sqlite_schema WHERE type='table' ORDER BY name";
        let names: Vec<String> = db.prepare(names)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut told = format!("{mode}, {check}");
        for name in names {
            let titles = if name == "item" { "group_concat(title)" } else { "''" };
            let data = if name == "item" { "group_concat(hex(substr(data,1,2)),'')" } else { "''" };
            let sql = format!("SELECT count(*), {titles}, {data} FROM (SELECT * FROM {name} ORDER BY 1)");
            let (count, titles, data): (i64, String, String) =
                db.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            told.push_str(&format!("; {name}: {count} {titles} {data}"));
        }
        Ok(told)
    };
    look().unwrap_or_else(|error| format!("cannot be read: {error}"))
}

/// A command under strace(1); its threads too.
pub fn traced(command: &Command, options: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq"]).args(options).arg("--").arg(command.get_program()).args(command.get_args());
    traced.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}

/// A command in which the n-th call suffers `effect`.
pub fn injected(command: &Command, (syscall, nth): &(String, usize), effect: &str) -> Command {
    let expression = format!("inject={syscall}:{effect}:when={nth}");
    traced(command, &["-o", "/dev/null", "-e", &expression])
}

/// About `wanted` of all calls of these that a restore makes, evenly spread.
pub fn points(stand: &Stand, syscalls: &[&str], wanted: usize) -> Vec<(String, usize)> {
    let log = stand.beside().join("log");
    let expression = format!("trace={}", syscalls.join(","));
    let output = run(&mut traced(&stand.restore(), &["-o", log.to_str().unwrap(), "-e", &expression]));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output));
    stand.reset();
    let log = fs::read_to_string(log).unwrap();
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    let mut all = Vec::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let Some((syscall, _)) = call.trim_start().split_once('(') else { continue };
        let nth = counts.entry((thread, syscall)).or_default();
        *nth += 1;
        all.push((syscall.to_owned(), *nth));
    }
    all.sort();
    all.dedup();
    let wanted = wanted.min(all.len());
    (0..wanted).map(|i| all[i * all.len() / wanted].clone()).collect()
}
