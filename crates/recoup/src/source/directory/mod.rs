//! The source *directory*: a tree of files, links and directories. Files are read until two looks at them
//! agree; SQLite databases are copied through SQLite; sockets, pipes and devices are never opened.
//!
//! Not here: the order of the walk (`walk`), reading one file (`read`), the patterns (`rules`), one
//! entry (`tree`).

mod findings;
pub(in crate::source) mod read;
mod rules;
mod tree;
mod walk;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use self::rules::{Rules, Verdict};
use self::tree::Tree;
use self::walk::{Step, Walk};
use super::state::State;
use super::{Emitted, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, DirectorySpec, EntryKind, PartKind, PathBytes, Sink};

pub(in crate::source) use self::findings::Findings;

/// Whether a directory's plan leaves a path out, which is relative to it; the answer also needs to know whether it
/// is a directory.
pub fn leaves_out(spec: &DirectorySpec) -> Result<impl Fn(&Path, bool) -> bool + use<>> {
    let rules = Rules::new(&spec.exclude)?;
    Ok(move |path: &Path, directory: bool| {
        path.ancestors().filter(|path| !path.as_os_str().is_empty()).enumerate().any(|(up, part)| {
            let name = Path::new(part.file_name().unwrap_or_default());
            match rules.judge(part, name, directory || up > 0) {
                Verdict::LeftOut => true,
                Verdict::Emptied => up > 0,
                Verdict::Taken => false,
            }
        })
    })
}

/// A directory tree.
pub struct DirectorySource {
    name: String,
    configured: PathBuf,
    path: PathBuf,
    exclude: Vec<String>,
    rules: Rules,
    optional: bool,
    cross_mounts: bool,
    estimate: u64,
}

impl DirectorySource {
    /// A directory by its spec; a relative path is meant from `base`.
    pub fn new(spec: &DirectorySpec, base: &Path) -> Result<Self> {
        Ok(DirectorySource {
            name: spec.name.clone(),
            configured: spec.path.clone(),
            path: base.join(&spec.path),
            exclude: spec.exclude.clone(),
            rules: Rules::new(&spec.exclude)?,
            optional: spec.optional,
            cross_mounts: spec.cross_mounts,
            estimate: 0,
        })
    }

    /// The root is what the user named, so a link there is followed; below it none is.
    fn open_root(&self) -> Result<OwnedFd> {
        let shown = self.configured.display();
        let meta = fs::metadata(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::new(ErrorKind::NotFound, "source_missing", format!("Directory not found: {shown}"))
                    .because(format!("looked for {}", self.path.display()))
                    .hint("check the path; mark the source as optional if it may be absent")
            }
            _ => Error::at("looking at", &self.path, error),
        })?;
        if !meta.is_dir() {
            return Err(Error::usage("not_a_directory", format!("Not a directory: {shown}"))
                .hint("use a file or database source for a single file"));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|e| Error::at("opening", &self.path, e.into()))
    }

    fn walk<'a>(&'a self, scope: &'a Scope) -> Result<(Walk<'a>, Step)> {
        let root = self.open_root()?;
        Walk::new(root, &self.rules, self.cross_mounts, scope).map_err(|e| Error::at("reading", &self.path, e))
    }
}

impl Source for DirectorySource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Directory
    }

    fn origin(&self) -> Option<PathBytes> {
        Some(PathBytes::new(&self.path))
    }

    fn estimate(&self) -> u64 {
        self.estimate
    }

    fn look(&mut self, scope: &Scope, state: &mut State) -> Result<bool> {
        state.add(self.path.as_os_str().as_bytes());
        state.add(&[u8::from(self.cross_mounts)]);
        for pattern in &self.exclude {
            state.add(pattern.as_bytes());
        }
        let (mut walk, root) = match self.walk(scope) {
            Err(error) if error.code() == "source_missing" && self.optional => return Ok(true),
            other => other?,
        };
        state.add_seen(&root.seen);
        while let Some(step) = walk.next()? {
            state.add(&walk.path().0);
            state.add_seen(&step.seen);
        }
        // What it could not look at may have changed.
        Ok(walk.findings.is_empty())
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        let (mut walk, root) = match self.walk(scope) {
            Err(error) if error.code() == "source_missing" && self.optional => return Ok(Presence::Absent),
            other => other?,
        };
        if scope.excluded.contains(&root.seen.id) {
            let shown = self.configured.display();
            return Err(Error::usage("destination_inside_source", format!("Backups are kept in the source {shown}"))
                .hint("choose a destination outside of what is backed up, or a directory of its own inside it"));
        }
        let (mut estimate, mut several) = (0u64, HashSet::new());
        while let Some(step) = walk.next()? {
            let seen = step.seen;
            if seen.kind == FileType::RegularFile && (seen.links < 2 || several.insert(seen.id)) {
                estimate = estimate.saturating_add(seen.expected());
            }
        }
        self.estimate = estimate;
        Ok(Presence::Present)
    }

    fn capture(&mut self, _scope: &Scope) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let (walk, root) = self.walk(scope)?;
        sink.entry(&root.seen.entry(PathBytes::default(), EntryKind::Directory), Content::None)?;
        let staged = scope.staging.join(format!("{}.inside", self.name));
        let mut tree = Tree::new(&self.path, walk, sink, &scope.context, staged);
        let findings = tree.take_all()?;
        Ok(Emitted {
            skipped: findings.count("special_files"),
            exclude: self.exclude.clone(),
            warnings: findings.warnings(&self.name),
            ..Emitted::default()
        })
    }
}
