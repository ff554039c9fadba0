//! The restore journal: what a restore is about to change, durable before the first change. After a crash it tells
//! where everything old and everything new lies; which of the two holds is read from the targets themselves.
//!
//! Not here: acting on it ([`super::act`], [`super::recover`]).

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::changes::Changes;
use super::unit::sync_folder;
use crate::error::{Error, ErrorKind, Result};
use crate::model::{BackupId, PathBytes, RestoreRecord, Warning};

/// Its name in a stage.
pub const FILE: &str = "journal.json";
/// Its name once the restore is taken back: on a full disk, too, a file can be renamed.
const BACK: &str = "journal.back.json";
const VERSION: u32 = 1;

/// Remembers a restore that is in place, before its journal goes: what is not remembered cannot be undone, and the next
/// undo would take back an older one.
pub type Remember<'a> = &'a dyn Fn(&RestoreRecord) -> Option<Warning>;

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    /// Version of this document's shape.
    pub recoup_journal: u32,
    /// Identity of the restore.
    pub id: BackupId,
    /// The plan.
    pub plan: String,
    /// The backup that is restored.
    pub restored: BackupId,
    /// The backup of what is replaced.
    pub safety: Option<BackupId>,
    /// The restore that it takes back.
    pub undoes: Option<BackupId>,
    /// When it began.
    pub at: Timestamp,
    /// Names of the parts.
    pub parts: Vec<String>,
    /// Stages besides the one in which this lies.
    pub followers: Vec<PathBytes>,
    /// Databases that are written through SQLite, in the order in which they are committed.
    pub databases: Vec<Database>,
    /// Everything that is renamed, and modes; all of it before the first database is committed.
    #[serde(flatten)]
    pub changes: Changes,
    /// The restore has failed and is taken back, whatever is committed.
    #[serde(skip)]
    pub back: bool,
}

/// A database that is written through SQLite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Database {
    /// Name of the part.
    pub name: String,
    /// The live file, without symbolic links.
    pub target: PathBytes,
    /// What is put into it.
    pub staged: PathBytes,
    /// A copy of what was in it.
    pub old: PathBytes,
    /// `PRAGMA schema_version` before; the write makes it one more, and an application that only writes rows leaves
    /// it alone (<https://www.sqlite.org/pragma.html#pragma_schema_version>).
    pub cookie: i64,
    /// `PRAGMA journal_mode` that it had.
    pub old_journal_mode: String,
    /// `PRAGMA journal_mode` that it shall have.
    pub journal_mode: String,
    /// Text of the file's stamps when the old copy was compared with it.
    pub stamps: String,
}

impl Journal {
    /// A journal without changes.
    pub fn new(id: BackupId, plan: &str, restored: &BackupId, at: Timestamp) -> Self {
        Journal {
            recoup_journal: VERSION,
            id,
            plan: plan.to_owned(),
            restored: restored.clone(),
            safety: None,
            undoes: None,
            at,
            parts: Vec::new(),
            followers: Vec::new(),
            databases: Vec::new(),
            changes: Changes::default(),
            back: false,
        }
    }

    /// What is remembered of the restore.
    pub fn record(&self) -> RestoreRecord {
        RestoreRecord {
            recoup_restore: RestoreRecord::VERSION,
            id: self.id.clone(),
            plan: self.plan.clone(),
            at: self.at,
            restored: self.restored.clone(),
            safety: self.safety.clone(),
            undoes: self.undoes.clone(),
            parts: self.parts.clone(),
        }
    }

    /// Writes it into the leading stage; when this returns it survives a power cut.
    pub fn write(&self, stage: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write the restore journal").because(e))?;
        let part = stage.join("journal.part");
        let write = || {
            let mut options = fs::File::options();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&part, stage.join(FILE))
        };
        write().map_err(|e| Error::at("writing the restore journal in", stage, e))?;
        sync_folder(stage)
    }

    /// Notes that the restore is taken back from here on.
    pub fn turn_back(&self, stage: &Path) -> Result<()> {
        if !stage.join(BACK).exists() {
            let renamed = fs::rename(stage.join(FILE), stage.join(BACK));
            renamed.map_err(|e| Error::at("renaming the restore journal in", stage, e))?;
        }
        // Matters only should the power be cut meanwhile; no reason not to put the old data back.
        let _ = sync_folder(stage);
        Ok(())
    }

    /// Reads the journal of a stage; `None` when the restore had not begun to change anything, or had ended.
    pub fn read(stage: &Path) -> Result<Option<Self>> {
        for (name, back) in [(FILE, false), (BACK, true)] {
            if let Some(journal) = Self::read_file(&stage.join(name))? {
                return Ok(Some(Journal { back, ..journal }));
            }
        }
        Ok(None)
    }

    fn read_file(path: &Path) -> Result<Option<Self>> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|e| Error::at("reading", path, e))?,
        };
        let bad = |why: String| {
            let text = format!("Restore journal cannot be read: {}", path.display());
            Error::new(ErrorKind::Corrupted, "journal_corrupted", text)
                .because(why)
                .hint("nothing was changed; what the restore replaced lies beside the journal")
        };
        let journal: Journal = serde_json::from_slice(&text).map_err(|e| bad(e.to_string()))?;
        if journal.recoup_journal > VERSION {
            return Err(bad(format!("it has version {}, written by a newer recoup", journal.recoup_journal)));
        }
        Ok(Some(journal))
    }

    /// When the journal of a stage was written, in nanoseconds by the clock of its file system.
    pub fn written_at(stage: &Path) -> Option<i128> {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(stage.join(FILE)).or_else(|_| fs::metadata(stage.join(BACK))).ok()?;
        Some(i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec()))
    }

    /// The end: everything is in place and proven, or as it was. Only leftovers are to be removed then.
    pub fn remove(stage: &Path) -> Result<()> {
        for path in [stage.join(FILE), stage.join(BACK)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::at("removing", &path, error));
                }
                _ => {}
            }
        }
        sync_folder(stage)
    }
}
