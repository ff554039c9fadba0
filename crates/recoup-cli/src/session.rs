//! What a command finds around itself: the configuration, the environment, the current directory, the screen.
//! The one place that looks at the environment and for the configuration file.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use recoup::clock::SystemClock;
use recoup::config::{Inputs, Origin, Settings};
use recoup::model::channel::Secret;
use recoup::model::encryption::Lock;
use recoup::progress::{Cancel, Context, Observer, Silent};
use recoup::{Error, Result};

use crate::args::{Global, Key};
use crate::output::Screen;
use crate::signals;

/// Gives the environment, whenever a source asks.
pub type Environment = Arc<dyn Fn() -> Vec<(OsString, OsString)> + Send + Sync>;

/// What a command finds around itself.
pub struct Session {
    /// Where answers go.
    pub screen: Screen,
    /// The configuration.
    pub settings: Settings,
    /// Where the configuration file was found, and why it was looked for there.
    pub config: Option<(PathBuf, Origin)>,
    /// What stands in it.
    pub text: Option<String>,
    /// The current directory.
    pub current: PathBuf,
    /// The environment, for sources.
    pub environment: Environment,
    /// Asks this session's work to stop.
    pub cancel: Cancel,
}

impl Session {
    /// Looks around.
    pub fn open(global: &Global, screen: Screen) -> Result<Self> {
        let current = std::env::current_dir().map_err(|error| Error::io("finding the current directory", error))?;
        let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let found = find_config(global, &current)?;
        let file = found.as_ref().map(|found| (found.path.as_path(), found.text.as_str()));
        let inputs = Inputs { file, environment: &variables, current_directory: &current, zone: &zone() };
        let settings = Settings::resolve(inputs)?;
        Ok(Session {
            screen,
            settings,
            text: found.as_ref().map(|found| found.text.clone()),
            config: found.map(|found| (found.path, found.origin)),
            current,
            environment: Arc::new(|| std::env::vars_os().collect()),
            cancel: Cancel::default(),
        })
    }

    /// Takes the key that was given on the command line.
    pub fn unlock_with(&mut self, key: &Key, recipients: &[String], wins: bool) -> Result<()> {
        let path = |path: &PathBuf| self.current.join(path);
        let passphrase = key.passphrase_file.as_ref().map(path);
        let identities = key.identity.as_ref().map(path);
        // A file that is not there is told now, not as a key that does not fit.
        for path in passphrase.iter().chain(&identities) {
            fs::File::open(path).map_err(|error| Error::at("reading", path, error))?;
        }
        if let Some(path) = passphrase {
            let lock = Lock::Passphrase { passphrase: Secret::file(path), old: Vec::new() };
            self.settings.unlock_with(&lock, wins);
            // Both together open what either opens; the passphrase locks.
            if identities.is_some() {
                self.settings.unlock_with(&Lock::Recipients { recipients: Vec::new(), identities }, false);
            }
        } else if identities.is_some() || !recipients.is_empty() {
            self.settings.unlock_with(&Lock::Recipients { recipients: recipients.to_vec(), identities }, wins);
        }
        Ok(())
    }

    /// What longer work is handed. From here on Ctrl-C asks it to stop.
    pub fn work(&self) -> Result<Context> {
        signals::watch(&self.cancel, &self.screen)?;
        Ok(context(&self.screen, &self.cancel))
    }
}

/// The time zone of this machine (`TZ`, else `/etc/localtime`) by its IANA name; `UTC` when it has no name.
pub fn zone() -> String {
    let zone = TimeZone::system();
    zone.iana_name().filter(|_| !zone.is_unknown()).unwrap_or("UTC").to_owned()
}

/// What longer work is handed.
pub fn context(screen: &Screen, cancel: &Cancel) -> Context {
    let observer: Arc<dyn Observer> = match screen.bar() {
        Some(bar) => bar,
        None => Arc::new(Silent),
    };
    Context { observer, cancel: cancel.clone(), clock: Arc::new(SystemClock::new()) }
}

/// A private directory for unpacking: below `chosen`, else `$TMPDIR`, else `/var/tmp`, which unlike `/tmp` is
/// meant for large things.
pub fn scratch(chosen: Option<&Path>) -> Result<tempfile::TempDir> {
    let below = scratch_root(chosen);
    let made = tempfile::Builder::new().prefix("recoup-").tempdir_in(&below);
    made.map_err(|error| Error::at("making a scratch directory in", &below, error).hint("--scratch DIR names another"))
}

/// Where what only saves time is kept (XDG Base Directory Specification); `None` where nobody has a home.
pub fn cache_root() -> Option<PathBuf> {
    let of = |name| std::env::var_os(name).filter(|value| Path::new(value).is_absolute()).map(PathBuf::from);
    let root = of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")));
    root.map(|root| root.join("recoup"))
}

/// Where scratch directories are made.
pub fn scratch_root(chosen: Option<&Path>) -> PathBuf {
    match (chosen, std::env::var_os("TMPDIR")) {
        (Some(chosen), _) => chosen.to_path_buf(),
        (None, Some(directory)) if !directory.is_empty() => PathBuf::from(directory),
        (None, _) if Path::new("/var/tmp").is_dir() => PathBuf::from("/var/tmp"),
        (None, _) => std::env::temp_dir(),
    }
}

struct Found {
    path: PathBuf,
    text: String,
    origin: Origin,
}

fn find_config(global: &Global, current: &Path) -> Result<Option<Found>> {
    let named = std::env::var_os("RECOUP_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let named = match (&global.config, named) {
        (Some(path), _) => Some((path.clone(), Origin::CommandLine("--config"))),
        (None, Some(path)) => Some((path, Origin::Environment("RECOUP_CONFIG"))),
        (None, None) => None,
    };
    if let Some((path, origin)) = named {
        let path = current.join(path);
        return match read(&path)? {
            Some(text) => Ok(Some(Found { path, text, origin })),
            None => {
                let text = format!("Configuration file not found: {}", path.display());
                Err(Error::usage("config_missing", text).hint(format!("given by {origin}")))
            }
        };
    }
    for path in places(current) {
        if let Some(text) = read(&path)? {
            return Ok(Some(Found { path, text, origin: Origin::Default }));
        }
    }
    Ok(None)
}

/// Where a configuration file is looked for when nobody names one.
pub fn places(current: &Path) -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let mut places = vec![current.join("recoup.toml")];
    places.extend(home.map(|home| home.join("recoup/recoup.toml")));
    places.push(PathBuf::from("/etc/recoup/recoup.toml"));
    places
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Error::at("reading", path, error)),
    }
}
