//! `recoup verify`, and work on all backups that is spread over several runs.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueHint};
use recoup::model::{BackupId, Level};

use super::{At, REFERENCE, level_parser};

#[derive(Debug, Args)]
pub struct Verify {
    #[arg(value_name = "BACKUP", help = format!("{REFERENCE} [default: latest]"))]
    pub backups: Vec<String>,
    /// Every backup
    #[arg(long, conflicts_with = "backups")]
    pub all: bool,
    /// Of all, only the Kth of N parts: 1/7 today, 2/7 tomorrow … in a week everything
    #[arg(long, value_name = "K/N", default_value = "1/1", hide_default_value = true, requires = "all")]
    pub part: Share,
    /// How much to prove; each level includes the ones before it
    #[arg(long, default_value = "integrity", value_parser = level_parser())]
    pub level: Level,
    /// Where to unpack; needs room for a restored copy [default: $TMPDIR, else /var/tmp]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub scratch: Option<PathBuf>,
    #[command(flatten)]
    pub at: At,
}

/// One of several parts of all backups; which one a backup is in never changes.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    which: u64,
    of: u64,
}

impl Share {
    /// Whether a backup is in it.
    pub fn holds(self, id: &BackupId) -> bool {
        let random = id.as_str().bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        random % self.of == self.which - 1
    }
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(which, of)| Some((which.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((which, of)) if 1 <= which && which <= of => Ok(Share { which, of }),
            _ => Err("two numbers, the first not greater than the second: 1/7".to_owned()),
        }
    }
}
