//! A plan as meant: what is read, in which format, where it goes, when it runs.
//! Parsing TOML is [`crate::config`]; opening things is [`crate::source`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::backup::Format;
use super::destination::{DestinationSettings, Layout};
use super::hook::Hooks;
use super::retention::Policy;
use super::schedule::Schedule;
use crate::error::{Error, Result};

/// The name of the plan that backs up Recoup's own catalog.
pub const CATALOG_PLAN: &str = "recoup-catalog";

/// What is backed up together, as one restore point.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Lower-case letters, digits, `-`, `_` and `.`; part of every file name.
    pub name: String,
    /// Everything that is read, in the order of the configuration.
    pub sources: Vec<SourceSpec>,
    /// The shape of the backup's bytes.
    pub format: Format,
    /// Compact database copies (`VACUUM INTO` on the copy, never on the source).
    pub compact: bool,
    /// Names of destinations, or directories.
    pub destinations: Vec<String>,
    /// A curated JSON export instead of a complete one: array name → query. Empty means complete.
    pub queries: Vec<(String, String)>,
    /// What is done to the application around runs.
    pub hooks: Hooks,
    /// What is kept; `None` when nobody said, and then nothing is ever removed.
    pub retention: Option<Policy>,
    /// What is kept at single destinations instead, by their name in [`Plan::destinations`].
    pub retention_at: Vec<(String, Policy)>,
    /// Whether it runs on its schedule; by hand it always does.
    pub enabled: bool,
    /// When it runs; `None`: only by hand.
    pub schedule: Option<Schedule>,
    /// How long after a test restore the next good backup is restored to scratch again; `None`: never.
    pub test_restore: Option<Duration>,
    /// A run that takes longer is cancelled.
    pub deadline: Duration,
    /// Names of the channels that are told.
    pub notify: Vec<String>,
}

impl Plan {
    /// [`Plan::test_restore`] when nobody says: a week.
    pub const TEST_RESTORE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
    /// [`Plan::deadline`] when nobody says: six hours.
    pub const DEADLINE: Duration = Duration::from_secs(6 * 60 * 60);

    /// What is kept at one of its destinations; `None` is everything.
    pub fn retention_of(&self, destination: &str) -> Option<&Policy> {
        let own = self.retention_at.iter().find(|(name, _)| name == destination).map(|(_, policy)| policy);
        own.or(self.retention.as_ref())
    }

    /// The format where nobody says: an archive, which holds everything and opens anywhere; but of one database in histories
    /// the database itself, of which only changed pages are ever written.
    pub fn usual_format(sources: &[SourceSpec], destinations: &[DestinationSettings]) -> Format {
        let histories = destinations.iter().all(|destination| destination.layout == Layout::History);
        match sources {
            [SourceSpec::Database(_)] if histories && !destinations.is_empty() => Format::Database,
            _ => Format::Archive,
        }
    }

    /// Checks a plan's name: 1 to 64 lower-case letters, digits, `.`, `_` and `-`, beginning with a letter or
    /// a digit. It becomes a directory and part of every file name, on every kind of destination.
    pub fn check_name(name: &str) -> Result<()> {
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if first && rest && name.len() <= 64 {
            return Ok(());
        }
        Err(Error::usage("bad_plan_name", format!("Not a plan name: {name}"))
            .hint("1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit"))
    }

    /// A name for a plan that nobody named: the file stem of `path`, made to fit.
    pub fn name_of(path: &Path) -> String {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        let mut name = String::new();
        for c in stem.chars() {
            let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || "._".contains(c);
            let first = name.is_empty();
            match fits {
                true if !first || c.is_ascii_alphanumeric() => name.push(c),
                false if !first && !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        name.truncate(64);
        let name = name.trim_end_matches(['-', '.']);
        if name.is_empty() { "backup".to_owned() } else { name.to_owned() }
    }
}

/// One thing that is read.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceSpec {
    /// A SQLite database.
    Database(DatabaseSpec),
    /// A directory tree.
    Directory(DirectorySpec),
    /// One file.
    File(FileSpec),
    /// Settings.
    Settings(SettingsSpec),
    /// The standard output of a command.
    Command(CommandSpec),
}

impl SourceSpec {
    /// The source's name, unique within its plan.
    pub fn name(&self) -> &str {
        match self {
            SourceSpec::Database(spec) => &spec.name,
            SourceSpec::Directory(spec) => &spec.name,
            SourceSpec::File(spec) => &spec.name,
            SourceSpec::Settings(_) => "settings",
            SourceSpec::Command(spec) => &spec.name,
        }
    }
}

/// A SQLite database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseSpec {
    /// Name inside the backup.
    pub name: String,
    /// As configured: a path or a URL (`sqlite:///…`, `sqlite+aiosqlite:///./data/app.db`, `file:…`).
    pub location: String,
    /// Absence is noted, not an error.
    pub optional: bool,
    /// How long to wait for somebody who holds the database, in milliseconds (default 30 000).
    pub busy_timeout_ms: u64,
}

/// A directory tree.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectorySpec {
    /// Name inside the backup.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Globs to leave out, relative to the directory (`*.tmp`, `cache/**`).
    pub exclude: Vec<String>,
    /// Absence is noted, not an error.
    pub optional: bool,
    /// Follow into other file systems mounted below (default: stay on one).
    pub cross_mounts: bool,
}

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSpec {
    /// Name inside the backup.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Absence is noted, not an error.
    pub optional: bool,
}

/// Settings: environment variables by allow-list, rows of a key/value table, JSON from the application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SettingsSpec {
    /// Names or globs of environment variables (`SHOP_*`). Nothing else of the environment is looked at.
    pub environment: Vec<String>,
    /// Key/value tables.
    pub tables: Vec<TableSettings>,
    /// JSON files written by the application.
    pub json: Vec<PathBuf>,
    /// Names that are secret although they do not look so.
    pub secret: Vec<String>,
    /// Names that look secret (`SMTP_PASSWORD_HINT`) and are not.
    pub not_secret: Vec<String>,
}

/// A key/value table of a database.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSettings {
    /// Path or URL of the database.
    pub database: String,
    /// Table name.
    pub table: String,
    /// Column that holds the key.
    pub key: String,
    /// Column that holds the value.
    pub value: String,
}

/// A command whose standard output is kept. An argument list, never a shell line.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandSpec {
    /// Name inside the backup; also the file name below `files/`.
    pub name: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Give up after so many milliseconds (default 10 minutes).
    pub timeout_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_name_is_safe_in_every_file_name() {
        for good in ["a", "shop", "0day", "shop.eu_west-1", &"x".repeat(64)] {
            assert!(Plan::check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".shop", "-shop", "Shop", "a/b", "a b", "caf\u{e9}", "a\0", "a\n", &"x".repeat(65)] {
            assert!(Plan::check_name(bad).is_err(), "{bad:?}");
        }
    }
}
