//! Configuration in two stages: as written (`written`: `recoup.toml`, key by key with its place, and the
//! environment) → as meant ([`Settings`]: plans, destinations, defaults), every value with its origin.
//!
//! Precedence: command line > environment > file > default. Not here: where the file is looked for and what
//! the environment is; the caller hands in both.

mod ad_hoc;
mod added;
mod destination;
mod encryption;
mod environment;
mod hooks;
mod meant;
mod names;
mod nearest;
mod notify;
mod reader;
mod retention;
mod schedule;
mod server;
mod single;
mod walk;
mod written;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

pub use ad_hoc::{AdHoc, from_origins};
pub use added::Addition;
pub use environment::VARIABLES;
pub use nearest::nearest;
pub use server::{DEFAULT_LISTEN, ServerSettings};
pub use single::{document, table};

use crate::error::{Error, ErrorKind, Result};
use crate::model::channel::Channel;
pub use crate::model::destination::DestinationSettings;
use crate::model::encryption::{Keys, Lock};
use crate::model::retention::Policy;
use crate::model::{Format, Plan};

/// What configuration is made of.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Absolute path and text of `recoup.toml`, when there is one.
    pub file: Option<(&'a Path, &'a str)>,
    /// The environment, whole: unknown `RECOUP_…` variables are found by looking at all names.
    pub environment: &'a [(OsString, OsString)],
    /// What relative paths outside of the file are resolved against; absolute.
    pub current_directory: &'a Path,
    /// The time zone of schedules that name none: that of the machine, by its IANA name.
    pub zone: &'a str,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command line: `--format`.
    CommandLine(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine(option) => write!(f, "command line {option}"),
            Origin::Environment(variable) => write!(f, "environment {variable}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// One setting in effect, for people who ask why.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Dotted key as in the file.
    pub key: String,
    /// The value.
    pub value: serde_json::Value,
    /// What a relative path became.
    pub resolved: Option<PathBuf>,
    /// Where it comes from.
    pub origin: Origin,
}

/// A relative path and what it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The plan that named it.
    pub plan: String,
    /// As written.
    pub written: String,
    /// Absolute.
    pub path: PathBuf,
}

/// Configuration as meant.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file, when there is one.
    pub file: Option<PathBuf>,
    /// What relative paths of plans are resolved against: the file's folder, else the current directory.
    pub base: PathBuf,
    /// Plans in the order of the file.
    pub plans: Vec<Plan>,
    /// Destinations that have a name.
    pub destinations: Vec<DestinationSettings>,
    /// Format where none is given; without one, [`Plan::usual_format`].
    pub format: Option<Format>,
    /// How people are told, in the order of the file.
    pub channels: Vec<Channel>,
    /// The time zone of schedules that name none.
    pub zone: String,
    /// The daemon.
    pub server: ServerSettings,
    /// What is kept of plans that do not say it themselves.
    pub retention: Option<Policy>,
    /// A database to back up when nothing else is named, with its origin.
    pub database: Option<(String, Origin)>,
    /// Every setting in effect.
    pub values: Vec<Value>,
    /// Every relative path of a plan.
    pub resolved: Vec<Resolved>,
    /// The plans of the file as they are written, as JSON; what may be secret in hooks is dots.
    pub documents: Vec<(String, serde_json::Value)>,
    /// What the backups of single plans are locked with.
    pub locks: Vec<(String, Lock)>,
    /// What the backups in folders without a name are locked with.
    unnamed: Keys,
    defaults: Vec<DestinationSettings>,
}

impl Settings {
    /// Reads and resolves. Errors are [`ErrorKind::Usage`] and name file, line and key, or the variable.
    pub fn resolve(inputs: Inputs<'_>) -> Result<Self> {
        let written = match inputs.file {
            Some((path, text)) => written::File::parse(path, text)?,
            None => written::File::default(),
        };
        let mut settings = meant::settings(inputs, written)?;
        settings.documents = inputs.file.map(|(_, text)| single::documents(text)).unwrap_or_default();
        Ok(settings)
    }

    /// The plan of a name; the error names the nearest.
    pub fn plan(&self, name: &str) -> Result<&Plan> {
        if let Some(plan) = self.plans.iter().find(|plan| plan.name == name) {
            return Ok(plan);
        }
        let error = Error::new(ErrorKind::NotFound, "plan_missing", format!("Plan not found: {name}"));
        let names: Vec<&str> = self.plans.iter().map(|plan| plan.name.as_str()).collect();
        Err(match (nearest(name, names.iter().copied()), &self.file) {
            (Some(meant), _) => error.hint(format!("did you mean {meant}?")),
            (None, Some(file)) if names.is_empty() => error.hint(format!("{} has no plans", file.display())),
            (None, Some(file)) => error.hint(format!("plans in {}: {}", file.display(), names.join(", "))),
            (None, None) => error.hint("there is no recoup.toml; name what to back up with --database PATH"),
        })
    }

    /// Where the backups of a plan go.
    pub fn destinations_of(&self, plan: &Plan) -> Result<Vec<DestinationSettings>> {
        plan.destinations.iter().map(|text| self.destination(text, &self.base)).collect()
    }

    /// A destination by its name, or a directory relative to `base`.
    pub fn destination(&self, text: &str, base: &Path) -> Result<DestinationSettings> {
        let known = self.destinations.iter().chain(&self.defaults);
        if let Some(known) = known.into_iter().find(|destination| destination.name == text) {
            return Ok(known.clone());
        }
        if text.contains("://") {
            let text = format!("Not supported as a destination: {text}");
            let error = Error::new(ErrorKind::Unsupported, "destination_unsupported", text);
            return Err(error.hint("describe it as [destination.NAME] in recoup.toml, and give that name"));
        }
        let path = names::absolute(Path::new(text), base)?;
        let known = self.destinations.iter().find(|known| known.path() == Some(path.as_path()));
        let mut found = DestinationSettings::directory(path.display().to_string(), path.clone());
        // A folder that has a name is locked like it, whatever it is called.
        found.keys = known.map_or_else(|| self.unnamed.clone(), |known| known.keys.clone());
        found.layout = known.map(|known| known.layout).unwrap_or_default();
        Ok(found)
    }

    /// Opens encrypted backups with one more lock, and locks new ones with it: everywhere when it `wins`, else only where
    /// nothing else does.
    pub fn unlock_with(&mut self, lock: &Lock, wins: bool) {
        let named = self.destinations.iter_mut().chain(&mut self.defaults).map(|destination| &mut destination.keys);
        for keys in named.chain(std::iter::once(&mut self.unnamed)) {
            keys.given(lock.clone(), wins);
        }
    }

    /// Where backups go when nothing is said: the default destinations, else `backups` below `base`.
    pub fn default_destinations(&self, base: &Path) -> Result<Vec<DestinationSettings>> {
        if self.defaults.is_empty() {
            Ok(vec![self.destination("./backups", base)?])
        } else {
            Ok(self.defaults.clone())
        }
    }
}

#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests;
