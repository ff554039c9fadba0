//! The source *file*: one file, read as one moment.
//!
//! Not here: databases, which have a source of their own, and trees.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};

use super::stable::{self, Emission};
use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Entry, FileSpec, PartKind, PathBytes, Sink, Warning};

/// One file.
pub struct FileSource {
    spec: FileSpec,
    path: PathBuf,
    estimate: u64,
}

impl FileSource {
    /// A file by its spec; a relative path is meant from `base`.
    pub fn new(spec: &FileSpec, base: &Path) -> Self {
        FileSource { path: base.join(&spec.path), spec: spec.clone(), estimate: 0 }
    }
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.spec.name
    }

    fn kind(&self) -> PartKind {
        PartKind::File
    }

    fn origin(&self) -> Option<PathBytes> {
        Some(PathBytes::new(&self.path))
    }

    fn estimate(&self) -> u64 {
        self.estimate
    }

    fn begin(&mut self, _scope: &Scope) -> Result<Presence> {
        let shown = self.spec.path.display();
        match fs::metadata(&self.path) {
            Ok(meta) if meta.is_file() => {
                self.estimate = meta.len();
                Ok(Presence::Present)
            }
            Ok(_) => Err(Error::usage("not_a_file", format!("Not a file: {shown}"))
                .hint("name a directory with --directory or `directories`")),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::at("looking at", &self.path, error))
            }
            Err(_) if self.spec.optional => Ok(Presence::Absent),
            Err(_) => Err(Error::new(ErrorKind::NotFound, "source_missing", format!("File not found: {shown}"))
                .hint("check the path; mark the source as optional if it may be absent")),
        }
    }

    fn capture(&mut self, _scope: &Scope) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        use std::os::unix::fs::MetadataExt;
        let meta = fs::metadata(&self.path).map_err(|e| Error::at("looking at", &self.path, e))?;
        let entry = Entry {
            mode: meta.mode() & 0o7777,
            uid: Some(meta.uid()),
            gid: Some(meta.gid()),
            ..Entry::file(self.spec.name.as_str(), meta.len())
        };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(CWD, &self.path, flags, Mode::empty());
        let mut emitted = Emitted::default();
        match stable::emit(&entry, &open, sink, &scope.context)? {
            Emission::Whole => {}
            Emission::Changed => emitted.warnings.push(Warning::new(
                "changed_during_backup",
                format!("{} changed while it was read, three times in a row", self.path.display()),
            )),
            Emission::Database => {
                return Err(Error::usage(
                    "file_is_database",
                    format!("{} is a SQLite database", self.spec.path.display()),
                )
                .hint("name it with --database or `databases`: copied as a file it could be torn"));
            }
            Emission::Failed(error) => return Err(Error::at("reading", &self.path, error.into())),
        }
        Ok(emitted)
    }
}
