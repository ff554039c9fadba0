//! Plans that no file declares: made of what the command line names, or of the origins that a manifest
//! remembers.

use std::path::{Path, PathBuf};

use super::meant::{DEFAULT_BUSY_TIMEOUT_MS, relative};
use super::names::{Names, absolute, plan_name};
use super::{Resolved, Settings};
use crate::error::{Error, Result};
use crate::model::destination::DestinationSettings;
use crate::model::hook::Hooks;
use crate::model::{DatabaseSpec, DirectorySpec, FileSpec, Format, Manifest, PartKind, Plan, SourceSpec};
use crate::sqlite::location;

/// Sources as the command line names them.
#[derive(Debug, Clone, Default)]
pub struct AdHoc {
    /// Name of the plan; the first source's file stem when absent.
    pub plan: Option<String>,
    /// Paths or URLs.
    pub databases: Vec<String>,
    /// Directories.
    pub directories: Vec<PathBuf>,
    /// Files.
    pub files: Vec<PathBuf>,
    /// Globs to leave out of every directory.
    pub exclude: Vec<String>,
    /// Format; the default when absent.
    pub format: Option<Format>,
    /// Compact database copies.
    pub compact: bool,
}

impl AdHoc {
    /// Whether no source is named.
    pub fn is_empty(&self) -> bool {
        self.databases.is_empty() && self.directories.is_empty() && self.files.is_empty()
    }

    /// The plan for these destinations, which it does not name: the caller knows them. Relative paths are resolved against
    /// `base`; also gives which ones were.
    pub fn plan(
        &self,
        settings: &Settings,
        base: &Path,
        destinations: &[DestinationSettings],
    ) -> Result<(Plan, Vec<Resolved>)> {
        let mut names = Names::default();
        let mut sources = Vec::new();
        let mut first = None;
        let mut moved = Vec::new();
        for text in &self.databases {
            let path = location::parse(text, base)?.path;
            if relative(text, base) {
                moved.push((text.clone(), path.clone()));
            }
            let name = names.derive(&path, false);
            first.get_or_insert(path);
            sources.push(SourceSpec::Database(DatabaseSpec {
                name,
                location: text.clone(),
                optional: false,
                busy_timeout_ms: DEFAULT_BUSY_TIMEOUT_MS,
            }));
        }
        let mut place = |written: &Path| -> Result<PathBuf> {
            let path = absolute(written, base)?;
            if written.is_relative() {
                moved.push((written.display().to_string(), path.clone()));
            }
            first.get_or_insert(path.clone());
            Ok(path)
        };
        for written in &self.directories {
            let path = place(written)?;
            let (name, exclude) = (names.derive(&path, true), self.exclude.clone());
            sources.push(SourceSpec::Directory(DirectorySpec {
                name,
                path,
                exclude,
                optional: false,
                cross_mounts: false,
            }));
        }
        for written in &self.files {
            let path = place(written)?;
            sources.push(SourceSpec::File(FileSpec { name: names.derive(&path, true), path, optional: false }));
        }
        let Some(first) = first else {
            return Err(
                Error::usage("no_sources", "Nothing to back up").hint("name a --database, --directory or --file")
            );
        };
        let name = self.name(settings, &first)?;
        let resolved = |(written, path)| Resolved { plan: name.clone(), written, path };
        let resolved = moved.into_iter().map(resolved).collect();
        let format = self.format.or(settings.format);
        Ok((
            Plan {
                name,
                format: format.unwrap_or_else(|| Plan::usual_format(&sources, destinations)),
                sources,
                compact: self.compact,
                destinations: Vec::new(),
                queries: Vec::new(),
                hooks: Hooks::default(),
                retention: None,
                retention_at: Vec::new(),
                enabled: true,
                schedule: None,
                test_restore: None,
                deadline: Plan::DEADLINE,
                notify: Vec::new(),
            },
            resolved,
        ))
    }
}

impl AdHoc {
    /// Backups of other sources must not mix with those of a plan of the file: they would be compared with
    /// each other, and counted together.
    fn name(&self, settings: &Settings, first: &Path) -> Result<String> {
        let declared = |name: &str| settings.plans.iter().any(|plan| plan.name == name);
        let name = match &self.plan {
            Some(name) if declared(name) => {
                let error = Error::usage("plan_declared", format!("{name} is a plan of recoup.toml"));
                return Err(error.hint("choose another name for what the options name"));
            }
            Some(name) => name.clone(),
            None => {
                let name = plan_name(first);
                if declared(&name) { format!("{}-by-hand", name.get(..56).unwrap_or(&name)) } else { name }
            }
        };
        Plan::check_name(&name)?;
        Ok(name)
    }
}

/// The sources of a backup, rebuilt from where its parts came from; and the names of parts that have no place
/// in the file system (settings, commands, what an application gave) or were not there.
pub fn from_origins(manifest: &Manifest) -> (Vec<SourceSpec>, Vec<String>) {
    let mut sources = Vec::new();
    let mut without = Vec::new();
    for part in &manifest.parts {
        let name = part.name.clone();
        match (part.kind, part.origin.as_ref().map(|origin| origin.to_path_buf())) {
            (PartKind::Database, Some(path)) => match path.to_str() {
                Some(path) => sources.push(SourceSpec::Database(DatabaseSpec {
                    name,
                    location: path.to_owned(),
                    optional: true,
                    busy_timeout_ms: DEFAULT_BUSY_TIMEOUT_MS,
                })),
                None => without.push(name),
            },
            (PartKind::Directory, Some(path)) => sources.push(SourceSpec::Directory(DirectorySpec {
                name,
                path,
                exclude: Vec::new(),
                optional: true,
                cross_mounts: false,
            })),
            (PartKind::File, Some(path)) => sources.push(SourceSpec::File(FileSpec { name, path, optional: true })),
            _ => without.push(name),
        }
    }
    (sources, without)
}
