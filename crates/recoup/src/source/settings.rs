//! The source *settings*: environment variables by allow-list, rows of key/value tables, JSON files; emitted as
//! one `settings.json`. What looks secret, or is declared so, stays out and is named.
//!
//! Not here: reading the environment; the library is handed it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde_json::{Map, Value, json};

use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, Entry, PartKind, PathBytes, SettingsFacts, SettingsSpec, Sink, TableSettings};
use crate::sqlite::{location, open};

/// Gives the environment, name and value.
pub type Environment = Arc<dyn Fn() -> Vec<(OsString, OsString)> + Send + Sync>;

/// Parts of a name, split at everything that is not a letter, that say that its value is secret.
const SECRET_WORDS: [&str; 17] = [
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "TOKENS",
    "KEY",
    "KEYS",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "AUTH",
    "PRIVATE",
];
const BUSY: Duration = Duration::from_secs(30);

/// Settings of an application.
pub struct SettingsSource {
    spec: SettingsSpec,
    base: PathBuf,
    environment: Environment,
    document: Option<(Vec<u8>, SettingsFacts)>,
}

/// Settings while they are gathered.
#[derive(Default)]
struct Gathered {
    count: u64,
    left_out: Vec<String>,
}

impl SettingsSource {
    /// Settings by their spec; relative paths are meant from `base`.
    pub fn new(spec: &SettingsSpec, base: &Path, environment: Environment) -> Self {
        SettingsSource { spec: spec.clone(), base: base.to_owned(), environment, document: None }
    }

    fn gather(&self, scope: &Scope) -> Result<(Vec<u8>, SettingsFacts)> {
        let mut gathered = Gathered::default();
        let environment = self.environment(&mut gathered)?;
        let mut tables = Map::new();
        for table in &self.spec.tables {
            let (name, rows) = self.table(table, &mut gathered, scope)?;
            tables.insert(name, Value::Object(rows));
        }
        let mut files = Map::new();
        for path in &self.spec.json {
            let path = self.base.join(path);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let value = self.json(&path, &name, &mut gathered)?;
            files.insert(name, value);
        }
        gathered.left_out.sort();
        gathered.left_out.dedup();
        let document = json!({
            "settings_version": 1,
            "environment": environment,
            "tables": tables,
            "json": files,
            "left_out": gathered.left_out,
        });
        let mut bytes = serde_json::to_vec_pretty(&document)
            .map_err(|e| Error::new(ErrorKind::Failed, "json", "Could not write the settings").because(e))?;
        bytes.push(b'\n');
        Ok((bytes, SettingsFacts { count: gathered.count, left_out: gathered.left_out }))
    }

    fn environment(&self, gathered: &mut Gathered) -> Result<Map<String, Value>> {
        let allowed = globs(&self.spec.environment)?;
        let mut kept = Map::new();
        let mut all = (self.environment)();
        all.sort();
        for (name, value) in all {
            let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
            if allowed.is_match(name) && !self.keeps_out(name, value, gathered) {
                kept.insert(name.to_owned(), value.into());
            }
        }
        Ok(kept)
    }

    /// All rows of a key/value table in one read transaction.
    fn table(
        &self,
        table: &TableSettings,
        gathered: &mut Gathered,
        scope: &Scope,
    ) -> Result<(String, Map<String, Value>)> {
        let path = location::parse(&table.database, &self.base)?.path;
        let connection = open::open_source(&path, BUSY)?;
        open::pin(&connection, &path, BUSY, &scope.context)?;
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let query = format!(
            "SELECT CAST({0} AS TEXT), CAST({1} AS TEXT) FROM {2} ORDER BY 1",
            quote(&table.key),
            quote(&table.value),
            quote(&table.table)
        );
        let failed = |e: rusqlite::Error| {
            let text = format!("Cannot read settings from {} of {}", table.table, path.display());
            Error::usage("bad_settings_table", text).because(e).hint("check the names of table, key and value")
        };
        // A quoted name that is no column would silently be a string: ask for the columns first.
        let columns = "SELECT count(*) FROM pragma_table_info(?1) WHERE name IN (?2, ?3)";
        let found: i64 = connection
            .query_row(columns, [&table.table, &table.key, &table.value], |row| row.get(0))
            .map_err(failed)?;
        if found != if table.key == table.value { 1 } else { 2 } {
            let text = format!(
                "{} has no table {} with columns {} and {}",
                path.display(),
                table.table,
                table.key,
                table.value
            );
            return Err(Error::usage("bad_settings_table", text));
        }
        let mut kept = Map::new();
        let mut statement = connection.prepare(&query).map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let key: Option<String> = row.get(0).map_err(failed)?;
            let value: Option<String> = row.get(1).map_err(failed)?;
            let key = key.unwrap_or_default();
            if !self.keeps_out(&key, value.as_deref().unwrap_or_default(), gathered) {
                kept.insert(key, value.map_or(Value::Null, Value::String));
            }
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((format!("{stem}.{}", table.table), kept))
    }

    fn json(&self, path: &Path, name: &str, gathered: &mut Gathered) -> Result<Value> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                "source_missing",
                format!("Settings file not found: {}", path.display()),
            ),
            _ => Error::at("reading", path, error),
        })?;
        let mut value: Value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::usage("bad_settings_json", format!("Not JSON: {}", path.display())).because(e))?;
        self.without_secrets(&mut value, name, gathered);
        Ok(value)
    }

    fn without_secrets(&self, value: &mut Value, place: &str, gathered: &mut Gathered) {
        match value {
            Value::Object(map) => {
                map.retain(|name, inner| {
                    let text = inner.as_str().unwrap_or_default();
                    let out = !inner.is_object() && !inner.is_array() && self.is_secret(name, text);
                    if out {
                        gathered.left_out.push(format!("{place}.{name}"));
                    }
                    !out
                });
                map.iter_mut()
                    .for_each(|(name, inner)| self.without_secrets(inner, &format!("{place}.{name}"), gathered));
            }
            Value::Array(items) => items.iter_mut().for_each(|inner| self.without_secrets(inner, place, gathered)),
            _ => gathered.count += 1,
        }
    }

    fn keeps_out(&self, name: &str, value: &str, gathered: &mut Gathered) -> bool {
        let secret = self.is_secret(name, value);
        if secret {
            gathered.left_out.push(name.to_owned());
        } else {
            gathered.count += 1;
        }
        secret
    }

    fn is_secret(&self, name: &str, value: &str) -> bool {
        let listed = |names: &[String]| names.iter().any(|listed| listed == name);
        listed(&self.spec.secret) || !listed(&self.spec.not_secret) && (secret_name(name) || secret_value(value))
    }
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let bad = |e: globset::Error| Error::usage("bad_glob", format!("Cannot understand {pattern:?}")).because(e);
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build().map_err(|e| Error::usage("bad_glob", "Cannot understand the patterns").because(e))
}

fn secret_name(name: &str) -> bool {
    name.to_ascii_uppercase().split(|c: char| !c.is_ascii_alphabetic()).any(|word| {
        SECRET_WORDS.contains(&word)
            || ["PASSWORD", "SECRET", "APIKEY", "ACCESSKEY", "TOKEN"].iter().any(|end| word.ends_with(end))
    })
}

/// A private key, or a URL with a password in it.
fn secret_value(value: &str) -> bool {
    let in_url = |(_, rest): (&str, &str)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.split_once(':').is_some_and(|(_, password)| !password.is_empty()))
    };
    value.contains("PRIVATE KEY-----") || value.split_once("://").is_some_and(in_url)
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
        self.document.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64)
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        self.document = Some(self.gather(scope)?);
        Ok(Presence::Present)
    }

    fn capture(&mut self, _scope: &Scope) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let (bytes, facts) = self
            .document
            .take()
            .ok_or_else(|| Error::new(ErrorKind::Failed, "not_begun", "The settings were not read"))?;
        let now = i64::try_from(scope.context.clock.now().as_nanosecond()).unwrap_or(0);
        let entry = Entry { mtime_ns: now, ..Entry::file("settings.json", bytes.len() as u64) };
        sink.entry(&entry, Content::Stream(&mut bytes.as_slice()))?;
        Ok(Emitted { settings: Some(facts), ..Emitted::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_secret_is_told_from_what_does_not() {
        for name in [
            "SMTP_PASSWORD",
            "apiKey_secret",
            "API_KEY",
            "github.token",
            "DB_DSN",
            "clientSecret",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(secret_name(name), "{name}");
        }
        for name in ["THEME", "KEYBOARD", "MONKEY", "PASSENGERS", "AUTHOR", "SHOP_REGION"] {
            assert!(!secret_name(name), "{name}");
        }
        assert!(secret_value("postgres://u:p@h/d") && secret_value("-----BEGIN EC PRIVATE KEY-----"));
        assert!(!secret_value("https://example.org/a:b@c") && !secret_value("12:30@noon"));
    }
}
