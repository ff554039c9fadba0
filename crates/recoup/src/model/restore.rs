//! What is remembered of a restore, so that it can be undone: a small document at the destination, beside the
//! backups of the plan (`docs/formats.md`).
//!
//! Not here: carrying a restore out ([`crate::restore`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::backup::BackupId;

/// The name of the folder beside restored data in which a restore works. Backups leave it out.
pub const RESTORE_FOLDER: &str = ".recoup-restore";

/// One restore that replaced live data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRecord {
    /// Version of this document's shape.
    pub recoup_restore: u32,
    /// Identity of the restore: a ULID, like a backup's.
    pub id: BackupId,
    /// The plan whose data was replaced.
    pub plan: String,
    /// When it began, UTC.
    pub at: Timestamp,
    /// The backup that was restored.
    pub restored: BackupId,
    /// The backup that holds what was replaced; absent when there was nothing to replace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<BackupId>,
    /// The restore that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<BackupId>,
    /// Names of the parts that were put back.
    pub parts: Vec<String>,
}

impl RestoreRecord {
    /// The version that this build writes and the newest that it reads.
    pub const VERSION: u32 = 1;

    /// The restore that `recoup undo` takes back next: the newest one that is no undo and was not undone yet.
    pub fn to_undo(records: &[RestoreRecord]) -> Option<&RestoreRecord> {
        let mut sorted: Vec<&RestoreRecord> = records.iter().collect();
        sorted.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        let mut stack: Vec<&RestoreRecord> = Vec::new();
        for record in sorted {
            match &record.undoes {
                Some(undone) => stack.retain(|other| other.id != *undone),
                None => stack.push(record),
            }
        }
        stack.pop()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn record(at: i64, undoes: Option<&RestoreRecord>) -> RestoreRecord {
        let at = Timestamp::from_second(at).unwrap();
        RestoreRecord {
            recoup_restore: 1,
            id: BackupId::generate(at),
            plan: "shop".into(),
            at,
            restored: BackupId::generate(at),
            safety: Some(BackupId::generate(at)),
            undoes: undoes.map(|record| record.id.clone()),
            parts: vec![],
        }
    }

    #[test]
    fn undo_goes_back_one_restore_at_a_time() {
        let (a, b) = (record(1, None), record(2, None));
        assert_eq!(RestoreRecord::to_undo(&[b.clone(), a.clone()]), Some(&b));
        let undo_b = record(3, Some(&b));
        assert_eq!(RestoreRecord::to_undo(&[a.clone(), b.clone(), undo_b.clone()]), Some(&a));
        let undo_a = record(4, Some(&a));
        let all = [a, b, undo_b, undo_a];
        assert_eq!(RestoreRecord::to_undo(&all), None);
        let again = record(5, None);
        assert_eq!(RestoreRecord::to_undo(&[all.as_slice(), std::slice::from_ref(&again)].concat()), Some(&again));
    }
}
