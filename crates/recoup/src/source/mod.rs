//! Where data comes from. One trait, [`Source`], with three steps so that several sources share one moment:
//! `begin` on all, `capture` on all, then `emit` one after the other while the application already runs on.
//!
//! Not here: what a backup looks like ([`crate::format`]) and which sources a plan has ([`crate::model`]).

pub mod application;
pub mod command;
pub mod directory;
pub mod file;
pub mod settings;
pub mod sqlite;
pub mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{DatabaseFacts, PartKind, PathBytes, SettingsFacts, Sink, SourceSpec, Warning};
use crate::progress::Context;
use crate::sqlite::follow::Earlier;

/// Identity of a file or directory, whatever it is called: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

impl FileId {
    /// The identity of what `path` leads to, symbolic links followed; `None` when there is nothing.
    pub fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let meta = std::fs::metadata(path).ok()?;
        Some(FileId { device: meta.dev(), inode: meta.ino() })
    }
}

/// What the sources of one run share.
pub struct Scope {
    /// A private directory (0700) for staged copies; the caller removes it.
    pub staging: PathBuf,
    /// Whom to tell, when to stop, what time it is.
    pub context: Context,
    /// Directories that are never read: destinations and staging itself.
    pub excluded: Vec<FileId>,
    /// Databases that a source of their own captures: a directory leaves them and their sidecars out.
    pub databases: Vec<FileId>,
    /// Secret settings are stored too: everything that is stored is encrypted.
    pub secrets: bool,
    /// A copy of the only database, as a run before made it, to be brought up to date where it lies.
    pub earlier: Option<Earlier>,
}

impl Scope {
    /// What these sources share.
    pub fn of(sources: &[Box<dyn Source>], staging: &Path, excluded: Vec<FileId>, context: &Context) -> Self {
        let databases = sources.iter().filter(|source| source.kind() == PartKind::Database);
        let databases = databases.filter_map(|source| FileId::of(source.origin()?.as_path())).collect();
        Scope {
            staging: staging.to_owned(),
            context: context.clone(),
            excluded,
            databases,
            secrets: false,
            earlier: None,
        }
    }
}

/// Whether a source has something to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Present,
    /// It is optional and not there; `capture` and `emit` are not called.
    Absent,
}

/// What emitting told besides the entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Emitted {
    /// Facts about a database.
    pub database: Option<DatabaseFacts>,
    /// Facts about settings.
    pub settings: Option<SettingsFacts>,
    /// Sockets, pipes and devices left out.
    pub skipped: u64,
    /// Patterns of what a directory leaves out.
    pub exclude: Vec<String>,
    /// Things to look at.
    pub warnings: Vec<Warning>,
}

/// Proves what was emitted before that was done, and tells what is known only then: facts about a database, and warnings.
pub type Proof = Box<dyn FnOnce(&Context) -> Result<(DatabaseFacts, Vec<Warning>)> + Send>;

/// One thing that is read. Promises, tested by one contract suite for every implementation:
///
/// * nothing of the application is modified, created, locked beyond a read transaction, or executed;
/// * what is emitted is one consistent moment per file, and for databases the moment of `begin`;
/// * `emit` emits parents before children, each path once, and paths never leave the source;
/// * a source that is missing, empty where it must not be, or unreadable is an error, never an empty result;
/// * nothing but `scope.staging` and `scope.earlier` is written to; cancellation is honoured between chunks.
pub trait Source: Send {
    /// Name inside the backup, unique in the plan.
    fn name(&self) -> &str;
    /// What it is.
    fn kind(&self) -> PartKind;
    /// Where it lies, absolute, when it lies in the file system.
    fn origin(&self) -> Option<PathBytes>;
    /// Adds to `state` all that tells whether what would be read has changed since another look; false where only reading
    /// tells. Before `begin`.
    fn look(&mut self, _scope: &Scope, _state: &mut state::State) -> Result<bool> {
        Ok(false)
    }
    /// Bytes to expect, for the space check and the progress bar; cheap, 0 when unknown. After `begin`.
    fn estimate(&self) -> u64;
    /// Fixes the moment: a database opens its read transaction. Fails when the source is not there, unless
    /// it is optional.
    fn begin(&mut self, scope: &Scope) -> Result<Presence>;
    /// Copies to `scope.staging` what must not be read later, and lets go of the application.
    fn capture(&mut self, scope: &Scope) -> Result<()>;
    /// Emits every entry to `sink`.
    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted>;
    /// As [`Source::emit`], but what takes long to be proven may be left for a proof, which is to be had before anybody
    /// relies on what was emitted. Until then nobody moves what was staged.
    fn emit_unproven(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<(Emitted, Option<Proof>)> {
        self.emit(scope, sink).map(|emitted| (emitted, None))
    }
}

/// Makes a source afresh for every backup, so that runs share no state.
pub type SourceFactory = Arc<dyn Fn() -> Result<Box<dyn Source>> + Send + Sync>;

/// The factory for a source of a plan. Relative paths are meant from `base`; `compact` concerns databases.
/// What is wrong with the spec itself is told when a source is made.
pub fn factory(spec: &SourceSpec, base: &Path, compact: bool, environment: settings::Environment) -> SourceFactory {
    let (spec, base) = (spec.clone(), base.to_owned());
    Arc::new(move || {
        check_name(spec.name())?;
        Ok(match &spec {
            SourceSpec::Database(spec) => Box::new(sqlite::SqliteSource::new(spec, &base, compact)?),
            SourceSpec::Directory(spec) => Box::new(directory::DirectorySource::new(spec, &base)?),
            SourceSpec::File(spec) => Box::new(file::FileSource::new(spec, &base)?),
            SourceSpec::Settings(spec) => Box::new(settings::SettingsSource::new(spec, &base, environment.clone())?),
            SourceSpec::Command(spec) => Box::new(command::CommandSource::new(spec, &base)?),
        })
    })
}

/// A source's name becomes a file name, in staging and in backups.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) || name.len() > 128 {
        return Err(Error::usage("bad_source_name", format!("Not a source name: {name:?}"))
            .hint("at most 128 bytes, without '/'"));
    }
    Ok(())
}
