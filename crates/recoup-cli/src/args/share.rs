//! `--part 1/7`: work on all backups that is spread over several runs.

use std::str::FromStr;

use recoup::model::BackupId;

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
