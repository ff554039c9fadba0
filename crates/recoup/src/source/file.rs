//! The source *file*: one file, read until two looks at it agree. A SQLite database is refused here, because its
//! bytes alone are not a consistent copy.
//!
//! Not here: how a file that changes is read ([`super::directory::read`]).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Findings;
use super::directory::read::{self, Outcome, SQLITE_MAGIC};
use super::state::State;
use super::{Emitted, FileId, Presence, Scope, Source, SourceFactory};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{FileSpec, PartKind, PathBytes, Sink};

/// One file.
pub struct FileSource {
    name: String,
    configured: PathBuf,
    path: PathBuf,
    origin: PathBuf,
    optional: bool,
    raw: bool,
    size: u64,
}

/// The bytes of a file as they lie there, whatever they are: what cannot be read as a database any more is still
/// saved before something takes its place.
pub fn raw(name: &str, path: &Path, origin: &Path) -> SourceFactory {
    let (name, path, origin) = (name.to_owned(), path.to_owned(), origin.to_owned());
    Arc::new(move || {
        let spec = FileSpec { name: name.clone(), path: path.clone(), optional: false };
        let source = FileSource::new(&spec, Path::new("/"))?;
        Ok(Box::new(FileSource { raw: true, origin: origin.clone(), ..source }))
    })
}

impl FileSource {
    /// A file by its spec; a relative path is meant from `base`.
    pub fn new(spec: &FileSpec, base: &Path) -> Result<Self> {
        Ok(FileSource {
            name: spec.name.clone(),
            configured: spec.path.clone(),
            path: base.join(&spec.path),
            origin: base.join(&spec.path),
            optional: spec.optional,
            raw: false,
            size: 0,
        })
    }

    fn missing(&self) -> Error {
        Error::new(ErrorKind::NotFound, "source_missing", format!("File not found: {}", self.configured.display()))
            .because(format!("looked for {}", self.path.display()))
            .hint("check the path; mark the source as optional if it may be absent")
    }

    /// The path is what the user named, so links are followed; a pipe that has taken its place does not block.
    fn open(&self) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits();
        File::options().read(true).custom_flags(flags.cast_signed()).open(&self.path)
    }

    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.missing(),
            _ => Error::at("reading", &self.path, error),
        }
    }

    fn is_database(&self) -> Error {
        Error::usage("file_is_database", format!("This file is a SQLite database: {}", self.configured.display()))
            .hint("back it up with --database, so that the copy is consistent")
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::File
    }

    fn origin(&self) -> Option<PathBytes> {
        Some(PathBytes::new(&self.origin))
    }

    fn estimate(&self) -> u64 {
        self.size
    }

    fn look(&mut self, _scope: &Scope, state: &mut State) -> Result<bool> {
        state.add(self.path.as_os_str().as_bytes());
        state.add_path(&self.path).map_err(|error| self.failed(error))?;
        Ok(true)
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        scope.context.check()?;
        let meta = match fs::metadata(&self.path).map_err(|error| self.failed(error)) {
            Err(error) if error.code() == "source_missing" && self.optional => return Ok(Presence::Absent),
            other => other?,
        };
        if !meta.is_file() {
            return Err(Error::usage("not_a_file", format!("Not a file: {}", self.configured.display())));
        }
        // Databases of this run are not even opened: closing them would drop the locks held on them.
        if FileId::of(&self.path).is_some_and(|id| scope.databases.contains(&id)) {
            return Err(self.is_database());
        }
        let mut head = Vec::new();
        let read = self.open().and_then(|file| file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head));
        read.map_err(|error| self.failed(error))?;
        if head == SQLITE_MAGIC && !self.raw {
            return Err(self.is_database());
        }
        self.size = meta.len();
        Ok(Presence::Present)
    }

    fn capture(&mut self, _scope: &Scope) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let path = PathBytes::from(self.name.as_str());
        let mut findings = Findings::default();
        match read::file(&|| self.open(), &path, !self.raw, &mut Vec::new(), sink, &scope.context)? {
            Outcome::Kept => {}
            Outcome::Changed => findings.add("changed_during_backup", &path),
            Outcome::Database => return Err(self.is_database()),
            Outcome::Failed(error) => return Err(self.failed(error)),
        }
        Ok(Emitted { warnings: findings.warnings(&self.name), ..Emitted::default() })
    }
}
