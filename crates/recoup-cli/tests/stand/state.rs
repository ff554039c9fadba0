//! What is there now, and which of the two states that is.
//!
//! Not here: how it came about.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::Stand;

/// Path of everything, and what is there.
pub type State = BTreeMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Old,
    New,
}

impl Stand {
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
