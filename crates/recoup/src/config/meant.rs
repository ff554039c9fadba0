//! From as written to as meant: defaults filled in, names derived, relative paths resolved once, and for every
//! setting the origin noted.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::destination::{self, Place};
use super::environment::Environment;
use super::hooks;
use super::names::{Names, absolute};
use super::retention::Retention;
use super::schedule;
use super::server::ServerSettings;
use super::walk::{At, wrong};
use super::written::{self, Located};
use super::{DestinationSettings, Inputs, Origin, Resolved, Settings, Value};
use crate::error::{Error, Result};
use crate::model::channel::Target;
use crate::model::destination::{Address, Limits};
use crate::model::encryption::Keys;
use crate::model::{
    CommandSpec, DatabaseSpec, DirectorySpec, FileSpec, Format, Plan, SettingsSpec, SourceSpec, TableSettings,
};
use crate::sqlite::location;

/// How long to wait for somebody who holds a database.
pub(super) const DEFAULT_BUSY_TIMEOUT_MS: u64 = 30_000;
const DEFAULT_COMMAND_TIMEOUT_MS: u64 = 10 * 60 * 1000;

/// Whether what a database is named by depends on `base`.
pub(super) fn relative(text: &str, base: &Path) -> bool {
    let elsewhere = location::parse(text, Path::new("/recoup-no-such-directory")).map(|l| l.path);
    location::parse(text, base).map(|l| l.path).ok() != elsewhere.ok()
}

/// The settings that `written` and the environment mean together.
pub(super) fn settings(inputs: Inputs<'_>, written: written::File) -> Result<Settings> {
    let environment = Environment::read(inputs.environment)?;
    let file = inputs.file.map(|(path, _)| path.to_path_buf());
    let base = file.as_deref().and_then(Path::parent).unwrap_or(inputs.current_directory).to_path_buf();
    let nowhere = PathBuf::new();
    let mut meaning = Meaning {
        path: file.as_ref().unwrap_or(&nowhere),
        base: &base,
        zone: inputs.zone,
        values: vec![],
        resolved: vec![],
    };

    let (format, origin) = match (environment.format, &written.format) {
        (Some((variable, format)), _) => (Some(format), Origin::Environment(variable)),
        (None, Some(at)) => (Some(at.value), meaning.origin(at.line)),
        (None, None) => (None, Origin::Default),
    };
    meaning.note("format", json!(format.unwrap_or(Format::Archive).word()), None, origin);

    if let Some(retention) = &written.retention {
        meaning.note_retention(retention);
    }
    let mut destinations = Vec::new();
    let server =
        written.server.as_ref().map_or_else(|| ServerSettings::beside(&base), |server| server.settings.clone());
    for destination in &written.destinations {
        destinations.push(with_key(meaning.destination(destination)?, &server));
    }
    for channel in &written.channels {
        for at in &channel.values {
            meaning.note(at.key.clone(), at.value.clone(), None, meaning.origin(at.line));
        }
    }
    if let Some(server) = &written.server {
        for at in &server.values {
            meaning.note(at.key.clone(), at.value.clone(), None, meaning.origin(at.line));
        }
    }
    let mut result = Settings {
        file: file.clone(),
        base: base.clone(),
        plans: Vec::new(),
        destinations,
        format,
        channels: written.channels.iter().map(|written| written.channel.clone()).collect(),
        zone: inputs.zone.to_owned(),
        server,
        retention: written.retention.as_ref().map(|retention| retention.policy.clone()),
        database: environment.database.map(|(variable, text)| (text, Origin::Environment(variable))),
        values: Vec::new(),
        resolved: Vec::new(),
        documents: Vec::new(),
        locks: Vec::new(),
        unnamed: Keys::default(),
        defaults: Vec::new(),
    };
    for plan in &written.plans {
        if let Some(encrypt) = &plan.encrypt {
            for at in &encrypt.values {
                meaning.note(at.key.clone(), at.value.clone(), None, meaning.origin(at.line));
            }
            result.locks.push((plan.name.value.clone(), encrypt.lock.clone()));
        }
    }
    for destination in &mut result.destinations {
        destination.keys.plans.clone_from(&result.locks);
    }
    result.unnamed.plans.clone_from(&result.locks);
    if let Some((variable, text)) = &environment.destination {
        result.defaults = vec![result.destination(text, inputs.current_directory)?];
        let path = result.defaults.first().and_then(|d| d.path()).map(Path::to_owned);
        meaning.note("destinations", json!([text]), path, Origin::Environment(variable));
    } else if let Some(at) = &written.default_destinations {
        result.defaults = meaning.named(&result, &at.value, None)?;
        let texts: Vec<&String> = at.value.iter().map(|at| &at.value).collect();
        meaning.note("destinations", json!(texts), None, meaning.origin(at.line));
    } else {
        meaning.note("destinations", json!(["./backups"]), None, Origin::Default);
    }
    if let Some((_, origin)) = &result.database {
        // A URL may carry a password; that it is set and by whom is what a person needs to see.
        meaning.note("database", json!("(set)"), None, origin.clone());
    }
    for plan in &written.plans {
        let plan = meaning.plan(&result, plan)?;
        result.plans.push(plan);
    }
    (result.values, result.resolved) = (meaning.values, meaning.resolved);
    Ok(result)
}

/// What one more plan means beside those that are known.
pub(super) fn one(known: &Settings, written: &written::Plan) -> Result<Plan> {
    let mut meaning =
        Meaning { path: Path::new(""), base: &known.base, zone: &known.zone, values: vec![], resolved: vec![] };
    meaning.plan(known, written)
}

/// What one more destination means beside those that are known, and its keys for people.
pub(super) fn destination(
    known: &Settings,
    written: &destination::Written,
) -> Result<(DestinationSettings, Vec<Value>)> {
    let mut meaning =
        Meaning { path: Path::new(""), base: &known.base, zone: &known.zone, values: vec![], resolved: vec![] };
    let found = meaning.destination(written)?;
    Ok((with_key(found, &known.server), meaning.values))
}

/// The key of a sign-in lies in the daemon's folder when nobody says where.
fn with_key(mut destination: DestinationSettings, server: &ServerSettings) -> DestinationSettings {
    if let Address::Drive(drive) = &mut destination.address
        && drive.token_key.as_os_str().is_empty()
    {
        drive.token_key = server.data.join("keys/drive.key");
    }
    destination
}

struct Meaning<'a> {
    path: &'a Path,
    base: &'a Path,
    zone: &'a str,
    values: Vec<Value>,
    resolved: Vec<Resolved>,
}

impl Meaning<'_> {
    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_path_buf(), line }
    }

    fn note(&mut self, key: impl Into<String>, value: serde_json::Value, resolved: Option<PathBuf>, origin: Origin) {
        self.values.push(Value { key: key.into(), value, resolved, origin });
    }

    fn wrong<T>(&self, at: &At<T>, what: impl std::fmt::Display) -> Error {
        wrong(self.path, at.line, &at.key, what)
    }

    /// An error of something this value was handed to.
    fn because<T>(&self, at: &At<T>, error: Error) -> Error {
        let ours = self.wrong(at, error.message());
        match error.hint_text() {
            Some(hint) => ours.hint(hint),
            None => ours,
        }
    }

    fn destination(&mut self, written: &destination::Written) -> Result<DestinationSettings> {
        let name = written.name.value.clone();
        let mut keys = Keys::default();
        if let Some(encrypt) = &written.encrypt {
            for at in &encrypt.values {
                self.note(at.key.clone(), at.value.clone(), None, self.origin(at.line));
            }
            keys.lock = Some(encrypt.lock.clone());
        }
        let origin = written.layout.as_ref().map_or(Origin::Default, |at| self.origin(at.line));
        let layout = written.layout.as_ref().map(|at| at.value).unwrap_or_default();
        self.note(format!("{}.layout", written.name.key), json!(layout.word()), None, origin);
        match &written.place {
            Place::Directory { path: at, marker } => {
                let path = self.resolve(None, at)?;
                let shown = (path.as_os_str() != at.value.as_str()).then(|| path.clone());
                self.note(at.key.clone(), json!(at.value), shown, self.origin(at.line));
                let origin = marker.as_ref().map_or(Origin::Default, |at| self.origin(at.line));
                let marker = marker.as_ref().is_some_and(|at| at.value);
                self.note(format!("{}.marker", written.name.key), json!(marker), None, origin);
                Ok(DestinationSettings {
                    name,
                    address: Address::Directory { path, marker },
                    limits: Limits::default(),
                    keys,
                    layout,
                })
            }
            Place::Remote { address, limits, values } => {
                for at in values {
                    self.note(at.key.clone(), at.value.clone(), None, self.origin(at.line));
                }
                Ok(DestinationSettings { name, address: *address.clone(), limits: limits.clone(), keys, layout })
            }
        }
    }

    /// Destinations of a list in the file: names, or directories that are written like one.
    fn named(&mut self, known: &Settings, list: &[At<String>], plan: Option<&str>) -> Result<Vec<DestinationSettings>> {
        let mut found = Vec::new();
        for at in list {
            let text = &at.value;
            let names = || known.destinations.iter().map(|destination| destination.name.as_str());
            let directory = !names().any(|name| name == text);
            if directory && !text.contains('/') && !text.starts_with('.') {
                let error = self.wrong(at, format!("there is no destination {text:?}"));
                return Err(match super::nearest(text, names()) {
                    Some(meant) => error.hint(format!("did you mean {meant:?}?")),
                    None => {
                        error.hint(format!("add [destination.{text}] with a path, or write ./{text} for a directory"))
                    }
                });
            }
            let destination = known.destination(text, self.base).map_err(|error| self.because(at, error))?;
            if let Some((plan, path)) = plan.zip(destination.path())
                && directory
                && Path::new(text).is_relative()
            {
                let (plan, written) = (plan.to_owned(), text.clone());
                self.resolved.push(Resolved { plan, written, path: path.to_owned() });
            }
            found.push(destination);
        }
        Ok(found)
    }

    fn resolve(&mut self, plan: Option<&str>, at: &At<String>) -> Result<PathBuf> {
        let written = Path::new(&at.value);
        let path = absolute(written, self.base).map_err(|error| self.because(at, error))?;
        if let Some(plan) = plan.filter(|_| written.is_relative()) {
            self.resolved.push(Resolved { plan: plan.to_owned(), written: at.value.clone(), path: path.clone() });
        }
        Ok(path)
    }

    fn plan(&mut self, known: &Settings, written: &written::Plan) -> Result<Plan> {
        let name = written.name.value.clone();
        Plan::check_name(&name).map_err(|error| self.because(&written.name, error))?;
        let key = written.name.key.clone();

        let first = self.values.len();
        let compact = written.compact.as_ref().is_some_and(|at| at.value);
        let origin = written.compact.as_ref().map_or(Origin::Default, |at| self.origin(at.line));
        self.note(format!("{key}.compact"), json!(compact), None, origin);

        let (list, origin) = match &written.destinations {
            Some(at) => (self.named(known, &at.value, Some(&name))?, self.origin(at.line)),
            None => (known.default_destinations(self.base)?, self.inherited("destinations")),
        };
        let destinations: Vec<String> = list.iter().map(|destination| destination.name.clone()).collect();
        self.note(format!("{key}.destinations"), json!(destinations), None, origin);
        let mut retention_at = Vec::new();
        for (at, own) in &written.retention_at {
            self.note_retention(own);
            retention_at.extend(destinations.get(*at).map(|name| (name.clone(), own.policy.clone())));
        }

        let sources = self.sources(&name, &key, written)?;
        let format = written.format.as_ref().map(|at| at.value).or(known.format);
        let format = format.unwrap_or_else(|| Plan::usual_format(&sources, &list));
        let origin = written.format.as_ref().map_or_else(|| self.inherited("format"), |at| self.origin(at.line));
        self.note(format!("{key}.format"), json!(format.word()), None, origin);
        // What it is stands before what it is of.
        self.values[first..].rotate_right(1);
        if written.destinations.is_none() && known.defaults.is_empty() {
            let path = self.base.join("backups");
            self.resolved.push(Resolved { plan: name.clone(), written: "./backups".into(), path });
        }
        if sources.is_empty() {
            let error = self.wrong(&written.name, "has nothing to back up");
            return Err(error.hint("add databases, directories, files, commands or settings"));
        }
        let mut queries = Vec::new();
        for (array, query) in &written.export {
            self.note(query.key.clone(), json!(query.value), None, self.origin(query.line));
            queries.push((array.clone(), query.value.clone()));
        }
        let hooks = written.hooks.as_ref().map(|written| {
            for at in &written.values {
                self.note(at.key.clone(), json!(at.value), None, self.origin(at.line));
            }
            hooks::based(written.hooks.clone(), self.base)
        });
        let hooks = hooks.unwrap_or_default();
        let retention = match &written.retention {
            Some(own) => {
                self.note_retention(own);
                Some(own.policy.clone())
            }
            None => known.retention.clone(),
        };
        let notify = self.notify(known, &key, written)?;
        let schedule::Meant { enabled, schedule, test_restore, deadline, values } =
            written.when.meant(&key, self.path, self.zone)?;
        self.values.extend(values);
        Ok(Plan {
            name,
            sources,
            format,
            compact,
            destinations,
            queries,
            hooks,
            retention,
            retention_at,
            enabled,
            schedule,
            test_restore,
            deadline,
            notify,
        })
    }

    /// Who is told: the channels a plan names; when it says nothing, all of them but monitors, which would take the runs of
    /// one plan for those of another.
    fn notify(&mut self, known: &Settings, key: &str, written: &written::Plan) -> Result<Vec<String>> {
        let names = || known.channels.iter().map(|channel| channel.name.as_str());
        let (list, origin): (Vec<String>, Origin) = match &written.notify {
            None => {
                let people =
                    known.channels.iter().filter(|channel| !matches!(channel.target, Target::Heartbeat { .. }));
                (people.map(|channel| channel.name.clone()).collect(), Origin::Default)
            }
            Some(at) => {
                for name in &at.value {
                    if names().all(|known| known != name.value) {
                        let error = self.wrong(name, format!("there is no channel {:?}", name.value));
                        return Err(match super::nearest(&name.value, names()) {
                            Some(meant) => error.hint(format!("did you mean {meant:?}?")),
                            None => error.hint(format!("add [notify.{}]", name.value)),
                        });
                    }
                }
                (at.value.iter().map(|name| name.value.clone()).collect(), self.origin(at.line))
            }
        };
        if written.notify.is_some() || !list.is_empty() {
            self.note(format!("{key}.notify"), json!(list), None, origin);
        }
        Ok(list)
    }

    fn note_retention(&mut self, retention: &Retention) {
        for at in &retention.values {
            self.note(at.key.clone(), at.value.clone(), None, self.origin(at.line));
        }
    }

    /// The origin of a default that a plan takes over.
    fn inherited(&self, key: &str) -> Origin {
        self.values.iter().find(|value| value.key == key).map_or(Origin::Default, |value| value.origin.clone())
    }

    fn sources(&mut self, plan: &str, key: &str, written: &written::Plan) -> Result<Vec<SourceSpec>> {
        let mut names = Names::default();
        let located = written.databases.iter().chain(&written.directories).chain(&written.files);
        let given = located.filter_map(|source| source.name.as_ref());
        for at in given.chain(written.commands.iter().map(|command| &command.name)) {
            names.give(&at.value).map_err(|what| self.wrong(at, what))?;
        }
        if let Some(settings) = &written.settings
            && names.give("settings").is_err()
        {
            let key = format!("{key}.settings");
            return Err(wrong(self.path, settings.line, &key, "another source has the name \"settings\""));
        }
        let mut sources = Vec::new();
        for source in &written.databases {
            let database = self.database(plan, key, source, &mut names)?;
            sources.push(SourceSpec::Database(database));
        }
        for source in &written.directories {
            let path = self.resolve(Some(plan), &source.path)?;
            let name = self.name(source, &path, true, &mut names);
            let exclude = source.exclude.iter().map(|at| at.value.clone()).collect();
            self.note_source(key, "directories", &name, source, &path);
            let (optional, cross_mounts) = (source.optional, source.cross_mounts);
            sources.push(SourceSpec::Directory(DirectorySpec { name, path, exclude, optional, cross_mounts }));
        }
        for source in &written.files {
            let path = self.resolve(Some(plan), &source.path)?;
            let name = self.name(source, &path, true, &mut names);
            self.note_source(key, "files", &name, source, &path);
            sources.push(SourceSpec::File(FileSpec { name, path, optional: source.optional }));
        }
        for command in &written.commands {
            let (name, line) = (command.name.value.clone(), command.name.line);
            let argv: Vec<String> = command.argv.iter().map(|at| at.value.clone()).collect();
            self.note(format!("{key}.commands.{name}"), json!(argv), None, self.origin(line));
            let timeout_ms = command.timeout.as_ref().map_or(DEFAULT_COMMAND_TIMEOUT_MS, |at| milliseconds(at.value));
            sources.push(SourceSpec::Command(CommandSpec { name, argv, timeout_ms }));
        }
        if let Some(settings) = &written.settings {
            sources.push(SourceSpec::Settings(self.settings(plan, key, settings)?));
        }
        Ok(sources)
    }

    fn name(&self, source: &Located, path: &Path, whole: bool, names: &mut Names) -> String {
        source.name.as_ref().map_or_else(|| names.derive(path, whole), |at| at.value.clone())
    }

    fn note_source(&mut self, key: &str, kind: &str, name: &str, source: &Located, path: &Path) {
        let shown = (path.as_os_str() != source.path.value.as_str()).then(|| path.to_path_buf());
        let key = format!("{key}.{kind}.{name}");
        self.note(key, json!(source.path.value), shown, self.origin(source.path.line));
    }

    fn database(&mut self, plan: &str, key: &str, source: &Located, names: &mut Names) -> Result<DatabaseSpec> {
        let location = source.path.value.clone();
        let path = location::parse(&location, self.base).map_err(|error| self.because(&source.path, error))?.path;
        if relative(&location, self.base) {
            let (plan, written) = (plan.to_owned(), location.clone());
            self.resolved.push(Resolved { plan, written, path: path.clone() });
        }
        let name = self.name(source, &path, false, names);
        self.note_source(key, "databases", &name, source, &path);
        let busy_timeout_ms = source.busy_timeout.as_ref().map_or(DEFAULT_BUSY_TIMEOUT_MS, |at| milliseconds(at.value));
        Ok(DatabaseSpec { name, location, optional: source.optional, busy_timeout_ms })
    }

    fn settings(&mut self, plan: &str, key: &str, written: &written::Settings) -> Result<SettingsSpec> {
        let texts = |list: &[At<String>]| list.iter().map(|at| at.value.clone()).collect::<Vec<_>>();
        let mut spec = SettingsSpec {
            environment: texts(&written.environment),
            secret: texts(&written.secret),
            not_secret: texts(&written.not_secret),
            ..SettingsSpec::default()
        };
        for row in &written.tables {
            let path = location::parse(&row.database.value, self.base)
                .map_err(|error| self.because(&row.database, error))?
                .path;
            if relative(&row.database.value, self.base) {
                let (plan, written) = (plan.to_owned(), row.database.value.clone());
                self.resolved.push(Resolved { plan, written, path });
            }
            spec.tables.push(TableSettings {
                database: row.database.value.clone(),
                table: row.table.value.clone(),
                key: row.key.value.clone(),
                value: row.value.value.clone(),
            });
        }
        for at in &written.json {
            let path = self.resolve(Some(plan), at)?;
            spec.json.push(path);
        }
        let lists = [
            ("environment", &written.environment),
            ("json", &written.json),
            ("secret", &written.secret),
            ("not_secret", &written.not_secret),
        ];
        for (name, list) in lists {
            if let Some(first) = list.first() {
                self.note(format!("{key}.settings.{name}"), json!(texts(list)), None, self.origin(first.line));
            }
        }
        if let Some(first) = written.tables.first() {
            let tables = spec.tables.iter().map(|table| format!("{} in {}", table.table, table.database));
            let tables = json!(tables.collect::<Vec<_>>());
            self.note(format!("{key}.settings.tables"), tables, None, self.origin(first.database.line));
        }
        Ok(spec)
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
