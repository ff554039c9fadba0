//! What a run is to do, as it is kept in its row: all that another process needs to do the same.

use serde::{Deserialize, Serialize};

use crate::model::job::RunKind;
use crate::model::{BackupId, Kind, Level};
use crate::restore::Seen;

/// What a run is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Work {
    /// Make a backup.
    Backup {
        /// Why: `manual`, `scheduled` or `pre_migration`.
        kind: Kind,
        /// A label given by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Never removed by retention.
        #[serde(default)]
        protect: bool,
        /// To the plan's destinations on this machine only, and not copied elsewhere later.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        local_only: bool,
        /// Read everything, also what the file system says has not changed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rescan: bool,
    },
    /// Prove every copy of a backup.
    Verify {
        /// Which; the newest of the plan with `None`.
        #[serde(default)]
        backup: Option<String>,
        /// How deep.
        level: Level,
        /// Further ones whose bytes have not been looked at for long; at `integrity`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<String>,
    },
    /// Put a backup back where it belongs.
    Restore {
        /// Which.
        backup: BackupId,
        /// The destination whose copy is read.
        destination: String,
        /// Names of parts; everything when empty.
        #[serde(default)]
        only: Vec<String>,
        /// Also what another application or a newer version made, and whatever the data is by now.
        #[serde(default)]
        force: bool,
        /// What was there when the preview was made; data that changed since is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<Seen>,
        /// The restore that this one takes back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undoes: Option<BackupId>,
    },
    /// Remove what retention does not want.
    Prune {
        /// By destination, the fingerprint of the set that somebody said yes to.
        sets: Vec<(String, String)>,
        /// Not by the plan's policy: protected ones that are older than so many seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protected_older_than: Option<i64>,
    },
    /// Bring backups to a destination that lacks them.
    Copy {
        /// Where to.
        destination: String,
        /// Which; whatever is missing there with `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        backup: Option<String>,
    },
}

impl Work {
    /// What kind of run it is.
    pub fn kind(&self) -> RunKind {
        match self {
            Work::Backup { .. } => RunKind::Backup,
            Work::Verify { .. } => RunKind::Verify,
            Work::Restore { .. } => RunKind::Restore,
            Work::Prune { .. } => RunKind::Prune,
            Work::Copy { .. } => RunKind::Copy,
        }
    }
}
