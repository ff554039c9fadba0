//! The source *settings*: environment variables by allow-list, key/value tables and JSON files, as one document.
//! Secrets are left out and their names are listed, unless all that is stored is encrypted.
//!
//! Not here: what a secret is (`secret`), and the way back ([`restore`], [`apply`]). The environment is handed in,
//! never read.

pub mod apply;
mod document;
mod merge;
pub mod restore;
mod secret;
mod shown;
mod table;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;
use serde_json::{Map, Value, json};

use self::document::{Origins, SETTINGS_VERSION};
use self::secret::Secrets;
use self::table::Table;
use super::state::State;
use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, Entry, PartKind, PathBytes, SettingsFacts, SettingsSpec, Sink, Warning};

/// Gives the environment of the application, name and value. The library never looks at its own.
pub type Environment = Arc<dyn Fn() -> Vec<(OsString, OsString)> + Send + Sync>;

/// Whether a setting, or a cell of a table, looks like a secret by its name or its value.
pub fn looks_secret(name: &str, value: &Value) -> bool {
    Secrets::new(&[], &[]).is_ok_and(|secrets| secrets.is(OsStr::new(name), value))
}

/// Settings are small; what is larger was not meant.
const LARGEST: usize = 16 * 1024 * 1024;

/// Settings of an application.
pub struct SettingsSource {
    variables: GlobSet,
    environment: Environment,
    secrets: Secrets,
    tables: Vec<Table>,
    json: Vec<(String, PathBuf)>,
    origins: Origins,
    found: Found,
    document: Option<Vec<u8>>,
    mtime_ns: i64,
}

/// What was found so far.
#[derive(Default)]
struct Found {
    environment: Map<String, Value>,
    tables: Map<String, Value>,
    json: Map<String, Value>,
    facts: SettingsFacts,
    warnings: Vec<Warning>,
}

impl SettingsSource {
    /// Settings by their spec; relative paths are meant from `base`.
    pub fn new(spec: &SettingsSpec, base: &Path, environment: Environment) -> Result<Self> {
        let twice = |what: &str| Error::usage("duplicate_settings", format!("Two settings would be called {what}"));
        let mut tables: Vec<Table> = Vec::new();
        for wanted in &spec.tables {
            let table = Table::new(wanted, base)?;
            if tables.iter().any(|other| other.label == table.label) {
                return Err(twice(&table.label).hint("rename one of the databases, or back up the whole database"));
            }
            tables.push(table);
        }
        let mut files: Vec<(String, PathBuf)> = Vec::new();
        for path in &spec.json {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if files.iter().any(|(other, _)| *other == name) {
                return Err(twice(&name));
            }
            let path = base.join(path);
            files.push((name, std::path::absolute(&path).map_err(|e| Error::at("finding", &path, e))?));
        }
        if spec.environment.is_empty() && tables.is_empty() && files.is_empty() {
            return Err(Error::usage("settings_empty", "The settings name nothing to back up"));
        }
        Ok(SettingsSource {
            variables: secret::names(&spec.environment)?,
            environment,
            secrets: Secrets::new(&spec.secret, &spec.not_secret)?,
            origins: Origins {
                tables: tables.iter().map(|table| (table.label.clone(), table.origin())).collect(),
                json: files.iter().map(|(name, path)| (name.clone(), PathBytes::new(path))).collect(),
                secret: spec.secret.clone(),
            },
            tables,
            json: files,
            found: Found::default(),
            document: None,
            mtime_ns: 0,
        })
    }

    fn read_environment(&mut self, with_secrets: bool) {
        for (name, value) in (self.environment)() {
            if !self.variables.is_match(&name) {
                continue;
            }
            // The value is looked at as text in any case; what is stored keeps its bytes.
            let text = Value::from(value.to_string_lossy());
            let label = name.to_string_lossy().into_owned();
            if self.secrets.is(&name, &text) {
                if !with_secrets {
                    self.found.facts.left_out.push(label);
                    continue;
                }
                self.found.facts.secrets += 1;
            }
            let bytes = PathBytes(value.into_vec());
            self.found.environment.insert(label, serde_json::to_value(bytes).unwrap_or(text));
            self.found.facts.count += 1;
        }
    }

    fn read_json(&mut self, with_secrets: bool) -> Result<()> {
        for (name, path) in &self.json {
            let mut value = parse(path)?;
            if with_secrets {
                let mut secrets = Vec::new();
                self.secrets.strip(&mut value.clone(), name, &mut secrets);
                self.found.facts.secrets += secrets.len() as u64;
            } else {
                self.secrets.strip(&mut value, name, &mut self.found.facts.left_out);
            }
            self.found.facts.count += match &value {
                Value::Object(map) => map.len() as u64,
                _ => 1,
            };
            self.found.json.insert(name.clone(), value);
        }
        Ok(())
    }

    fn read_tables(&mut self, scope: &Scope) -> Result<()> {
        for table in &mut self.tables {
            let mut kept = Map::new();
            for (key, text, value) in table.rows(LARGEST, &scope.context)? {
                let secret = self.secrets.is(OsStr::new(&key), &text);
                self.found.facts.secrets += u64::from(secret && scope.secrets);
                if secret && !scope.secrets {
                    self.found.facts.left_out.push(format!("{}.{key}", table.label));
                } else if kept.insert(key, value).is_some() {
                    self.found.warnings.push(Warning::new(
                        "duplicate_setting",
                        format!("{}: a key is there more than once; the last value was kept", table.label),
                    ));
                }
            }
            self.found.facts.count += kept.len() as u64;
            self.found.tables.insert(table.label.clone(), Value::Object(kept));
        }
        Ok(())
    }
}

impl Source for SettingsSource {
    fn name(&self) -> &str {
        "settings"
    }

    fn kind(&self) -> PartKind {
        PartKind::Settings
    }

    fn origin(&self) -> Option<PathBytes> {
        None
    }

    fn estimate(&self) -> u64 {
        self.document.as_ref().map_or(0, |document| document.len() as u64)
    }

    /// Settings are small: what would be stored is what tells.
    fn look(&mut self, scope: &Scope, state: &mut State) -> Result<bool> {
        self.begin(scope)?;
        self.capture(scope)?;
        state.add(&self.document.take().unwrap_or_default());
        Ok(true)
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        scope.context.check()?;
        self.found = Found::default();
        for table in &mut self.tables {
            table.hold(&scope.context)?;
        }
        self.read_environment(scope.secrets);
        self.read_json(scope.secrets)?;
        let nothing = self.found.facts == SettingsFacts::default();
        if nothing && self.tables.is_empty() && self.json.is_empty() {
            return Err(Error::new(ErrorKind::Failed, "settings_empty", "No setting was found")
                .hint("none of the listed environment variables is set where Recoup runs"));
        }
        self.mtime_ns = i64::try_from(scope.context.clock.now().as_nanosecond()).unwrap_or(0);
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        self.read_tables(scope)?;
        let found = &mut self.found;
        found.facts.left_out.sort();
        let document = json!({
            "settings_version": SETTINGS_VERSION,
            "environment": found.environment,
            "tables": found.tables,
            "json": found.json,
            "left_out": found.facts.left_out,
            "origins": self.origins,
        });
        let mut bytes =
            serde_json::to_vec_pretty(&document).map_err(|e| Error::io("writing the settings", e.into()))?;
        bytes.push(b'\n');
        self.document = Some(bytes);
        Ok(())
    }

    fn emit(&mut self, _scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let Some(document) = self.document.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_captured", "The settings were not captured"));
        };
        let size = document.len() as u64;
        let entry = Entry { mtime_ns: self.mtime_ns, ..Entry::file("settings.json", size) };
        sink.entry(&entry, Content::Stream(&mut document.as_slice()))?;
        let Found { facts, warnings, .. } = std::mem::take(&mut self.found);
        Ok(Emitted { settings: Some(facts), warnings, ..Emitted::default() })
    }
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorKind::Failed, "settings_too_large", format!("More than {} MiB of settings: {what}", LARGEST >> 20))
        .hint("back it up as a file or a database")
}

fn parse(path: &Path) -> Result<Value> {
    let shown = path.display();
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(path).and_then(|file| {
        let meta = file.metadata()?;
        Ok((file, meta))
    });
    let (file, meta) = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(ErrorKind::NotFound, "source_missing", format!("Settings file not found: {shown}"))
        }
        _ => Error::at("opening", path, error),
    })?;
    if !meta.is_file() {
        return Err(Error::usage("not_a_file", format!("Not a file: {shown}")));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1).read_to_end(&mut bytes).map_err(|e| Error::at("reading", path, e))?;
    if bytes.len() > LARGEST {
        return Err(too_large(&shown.to_string()));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Error::new(ErrorKind::Failed, "settings_not_json", format!("Not a JSON file: {shown}")).because(error)
    })
}
