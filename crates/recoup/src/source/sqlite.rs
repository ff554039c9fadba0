//! A SQLite database as a source: its moment is fixed when the run begins, its pages are copied while the
//! application goes on, and the copy is proven before anything is made of it.
//!
//! Not here: how SQLite is opened, copied and checked without harming the application ([`crate::sqlite`]).

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::state::State;
use super::{Emitted, FileId, Presence, Proof, Scope, Source, SourceFactory};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, DatabaseFacts, DatabaseSpec, Entry, PartKind, PathBytes, Sink, Warning};
use crate::progress::{Context, Phase};
use crate::sqlite::check::{self, Checked};
use crate::sqlite::facts::{self, compare};
use crate::sqlite::location::{self, Location};
use crate::sqlite::pin::{Pinned, open_copy};
use crate::sqlite::{copy, open, place, rowids};

/// A SQLite database. See [`Source`] for the promises.
pub struct SqliteSource {
    name: String,
    location: Location,
    optional: bool,
    busy: Duration,
    compact: bool,
    shape: Option<Shape>,
    pinned: Option<Pinned>,
    /// Copied before the run began.
    ready: Option<Captured>,
    give: bool,
    quick: bool,
    captured: Option<Captured>,
    warnings: Vec<Warning>,
}

/// What the file system knows of the application's file.
#[derive(Clone, Copy)]
struct Shape {
    id: FileId,
    bytes: u64,
    mode: u32,
    mtime_ns: i64,
    uid: u32,
    gid: u32,
}

impl Shape {
    fn of(meta: &fs::Metadata, bytes: u64) -> Self {
        Shape {
            id: FileId { device: meta.dev(), inode: meta.ino() },
            bytes,
            mode: meta.mode() & 0o7777,
            mtime_ns: meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec()),
            uid: meta.uid(),
            gid: meta.gid(),
        }
    }
}

#[derive(Clone)]
struct Captured {
    path: PathBuf,
    facts: DatabaseFacts,
}

/// A database that was copied to `copy` before, at a moment when it had these `facts`. Somebody is waiting: its structure
/// is checked, and its indexes are when it is restored. With `give` it may be moved away; else it is only read.
pub fn captured(name: &str, copy: &Path, facts: DatabaseFacts, origin: &Path, give: bool) -> SourceFactory {
    let (name, path, origin) = (name.to_owned(), copy.to_owned(), origin.to_owned());
    Arc::new(move || {
        let location = Location { configured: origin.display().to_string(), path: origin.clone() };
        let ready = Captured { path: path.clone(), facts: facts.clone() };
        Ok(Box::new(SqliteSource { ready: Some(ready), give, quick: true, ..SqliteSource::at(&name, location) }))
    })
}

impl SqliteSource {
    /// A source for `spec`; a relative location starts at `base`. Does no I/O.
    pub fn new(spec: &DatabaseSpec, base: &Path, compact: bool) -> Result<Self> {
        if spec.name.is_empty() || spec.name.starts_with('.') || spec.name.contains(['/', '\0']) {
            return Err(Error::usage("bad_source_name", format!("Not a usable name for a source: {:?}", spec.name)));
        }
        let mut location = location::parse(&spec.location, base)?;
        location.path = std::path::absolute(&location.path).map_err(|e| Error::at("finding", &location.path, e))?;
        Ok(SqliteSource {
            optional: spec.optional,
            busy: Duration::from_millis(spec.busy_timeout_ms),
            compact,
            ..SqliteSource::at(&spec.name, location)
        })
    }

    fn at(name: &str, location: Location) -> Self {
        SqliteSource {
            name: name.to_owned(),
            location,
            optional: false,
            busy: Duration::ZERO,
            compact: false,
            shape: None,
            pinned: None,
            ready: None,
            give: false,
            quick: false,
            captured: None,
            warnings: Vec::new(),
        }
    }

    /// Identity of the database file, so that a directory source leaves it out; after `begin`.
    pub fn file_id(&self) -> Option<FileId> {
        self.shape.map(|shape| shape.id)
    }

    fn pin(&self, scope: &Scope) -> Result<Pinned> {
        let scratch = scope.staging.join(format!("{}.recovering", self.name));
        Pinned::begin(&self.location.path, &scratch, self.busy, &scope.context).map_err(|error| match error.code() {
            "source_missing" => self.missing(),
            _ => error,
        })
    }

    fn missing(&self) -> Error {
        let configured = &self.location.configured;
        let error = Error::new(ErrorKind::NotFound, "source_missing", format!("Database file not found: {configured}"))
            .because(format!("looked for {}", self.location.path.display()));
        // SQLAlchemy's three slashes are a common misunderstanding: they start a relative path.
        if configured.contains(":///") && !configured.contains(":////") {
            return error.hint("check the path; in a URL three slashes start a relative path, four an absolute one");
        }
        error.hint("check the path; mark the source as optional if it may be absent")
    }

    fn empty(&self) -> Error {
        let text = format!("Database is empty: {}", self.location.configured);
        Error::new(ErrorKind::Failed, "source_empty", text)
            .hint("it has no tables; an empty database is never a good backup")
    }

    fn warn(&mut self, code: &str, text: String) {
        self.warnings.push(warning(&self.name, code, &text));
    }

    fn proving(&self, captured: &Captured) -> Proving {
        Proving {
            name: self.name.clone(),
            origin: self.location.path.clone(),
            captured: captured.clone(),
            give: self.give,
            quick: self.quick,
        }
    }

    /// Replaces the copy by a compact one and proves that nothing else changed. What compaction cannot do is a
    /// warning: the copy itself is good.
    fn compacted(&mut self, captured: &Captured, facts: DatabaseFacts, context: &Context) -> Result<DatabaseFacts> {
        let small = captured.path.with_extension("compact");
        let bound = rowids::bound_index(&open::open_private(&captured.path)?)?;
        let result = match bound {
            Some(index) => {
                Err(Error::new(ErrorKind::Unsupported, "row_numbers", format!("{index} refers to row numbers")))
            }
            None => copy::compact(&captured.path, &small, context).and_then(|()| {
                let connection = open::open_private(&small)?;
                let checked = check::check(&connection, context)?;
                let mut found = facts::facts(&connection, &facts.journal_mode)?;
                let expected = DatabaseFacts { page_count: found.page_count, ..facts.clone() };
                if let Some(problem) = checked.problems.first().or(compare(&expected, &found).first()) {
                    return Err(Error::new(ErrorKind::Failed, "compaction_differs", problem.text.clone()));
                }
                found.unchecked = facts.unchecked.clone();
                found.foreign_key_violations = checked.foreign_key_violations;
                found.compacted = true;
                Ok(found)
            }),
        };
        match result {
            Ok(found) => {
                fs::rename(&small, &captured.path).map_err(|e| Error::at("replacing", &captured.path, e))?;
                Ok(found)
            }
            Err(error) => {
                let _ = fs::remove_file(&small);
                if matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::NoSpace) {
                    return Err(error);
                }
                self.warn("not_compacted", format!("was not compacted: {}", error.message()));
                Ok(facts)
            }
        }
    }
}

/// A copy that is to be proven: sound, and what the source said at the moment.
struct Proving {
    name: String,
    origin: PathBuf,
    captured: Captured,
    give: bool,
    quick: bool,
}

impl Proving {
    fn run(self, context: &Context) -> Result<(DatabaseFacts, Vec<Warning>)> {
        let (facts, checked) = std::thread::scope(|scope| {
            // A copy that is given away will be made durable: the disk may as well begin while it is checked.
            let early = self.give.then(|| scope.spawn(|| copy::sync(&self.captured.path)));
            let proven = prove(&self.captured.path, &self.captured.facts, &self.origin, self.quick, context);
            // What the disk said once it may not say again (fsync(2)).
            let synced = early.map_or(Ok(()), |early| early.join().unwrap_or_else(|_| Err(out_of_order("a panic"))));
            synced.and(proven)
        })?;
        let mut warnings = Vec::new();
        let mut warn = |code: &str, text: String| warnings.push(warning(&self.name, code, &text));
        if !checked.unchecked.is_empty() {
            warn("unchecked", format!("copied faithfully, but not checked: {}", checked.unchecked.join(", ")));
        }
        if checked.foreign_key_violations > 0 {
            let n = checked.foreign_key_violations;
            warn("foreign_keys", format!("{n} rows violate a foreign key; the copy has them too"));
        }
        if checked.constraint_violations > 0 {
            let n = checked.constraint_violations;
            warn("constraints", format!("{n} values break a rule of the schema; the copy has them too"));
        }
        Ok((facts, warnings))
    }
}

impl SqliteSource {
    /// Proves the copy, and makes it smaller where that is asked.
    fn checked(&mut self, captured: &Captured, context: &Context) -> Result<DatabaseFacts> {
        context.observer.phase(Phase::Check, &self.name, None);
        let (facts, warnings) = self.proving(captured).run(context)?;
        self.warnings.extend(warnings);
        if self.compact { self.compacted(captured, facts, context) } else { Ok(facts) }
    }

    fn emit_staged(
        &mut self,
        captured: &Captured,
        shape: Shape,
        context: &Context,
        sink: &mut dyn Sink,
    ) -> Result<Emitted> {
        let size = fs::metadata(&captured.path).map_err(|e| Error::at("looking at", &captured.path, e))?.len();
        let entry = Entry {
            mode: shape.mode,
            mtime_ns: shape.mtime_ns,
            uid: Some(shape.uid),
            gid: Some(shape.gid),
            sqlite: true,
            ..Entry::file(format!("{}.db", self.name).as_str(), size)
        };
        context.observer.phase(Phase::Pack, &self.name, Some(size));
        sink.entry(&entry, Content::Staged(&captured.path))?;
        Ok(Emitted { warnings: std::mem::take(&mut self.warnings), ..Emitted::default() })
    }

    fn take_captured(&mut self) -> Result<(Captured, Shape)> {
        match (self.captured.take(), self.shape) {
            (Some(captured), Some(shape)) => Ok((captured, shape)),
            _ => Err(out_of_order("emit before capture")),
        }
    }
}

impl Source for SqliteSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> PartKind {
        PartKind::Database
    }

    fn origin(&self) -> Option<PathBytes> {
        Some(PathBytes::new(&self.location.path))
    }

    fn estimate(&self) -> u64 {
        self.shape.map_or(0, |shape| shape.bytes)
    }

    fn look(&mut self, _scope: &Scope, state: &mut State) -> Result<bool> {
        if self.ready.is_some() {
            return Ok(false);
        }
        // The log lies beside what a link leads to.
        let path = fs::canonicalize(&self.location.path).unwrap_or_else(|_| self.location.path.clone());
        if place::network_filesystem(&path).is_some() {
            return Ok(false);
        }
        let looking = |e| Error::at("looking at", &path, e);
        state.add(path.as_os_str().as_bytes());
        state.add(&[u8::from(self.compact)]);
        // Every commit writes to one of these (<https://www.sqlite.org/tempfiles.html>); `-shm` belongs to readers, too.
        state.add_path(&path).map_err(looking)?;
        for suffix in ["-wal", "-journal"] {
            state.add_sidecar(&place::sidecar(&path, suffix)).map_err(looking)?;
        }
        Ok(true)
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        if let Some(ready) = &self.ready {
            let bytes = ready.facts.page_count * u64::from(ready.facts.page_size);
            let origin = fs::metadata(&self.location.path).or_else(|_| fs::metadata(&ready.path));
            let meta = origin.map_err(|e| Error::at("looking at", &ready.path, e))?;
            self.shape = Some(Shape::of(&meta, bytes));
            return Ok(Presence::Present);
        }
        let pinned = match self.pin(scope) {
            Err(error) if self.optional && error.code() == "source_missing" => return Ok(Presence::Absent),
            pinned => pinned?,
        };
        if pinned.is_empty() {
            return Err(self.empty());
        }
        let meta = fs::metadata(pinned.path()).map_err(|e| Error::at("looking at", pinned.path(), e))?;
        self.shape = Some(Shape::of(&meta, pinned.bytes()));
        if let Some(filesystem) = place::network_filesystem(pinned.path()) {
            let text = format!("lies on {filesystem}, where SQLite's locks are not dependable");
            self.warn("network_file_system", text);
        }
        self.pinned = Some(pinned);
        Ok(Presence::Present)
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        if let Some(ready) = self.ready.take() {
            // From staging a destination can move it away instead of copying it.
            let path = scope.staging.join(format!("{}.db", self.name));
            let moved = self.give && fs::rename(&ready.path, &path).is_ok();
            self.captured = Some(Captured { path: if moved { path } else { ready.path }, ..ready });
            return Ok(());
        }
        let pinned = self.pinned.take().ok_or_else(|| out_of_order("capture before begin"))?;
        let context = &scope.context;
        context.observer.phase(Phase::Capture, &self.name, Some(pinned.bytes()));
        let path = scope.staging.join(format!("{}.db", self.name));
        let disturbed = pinned.is_sealed();
        // What is compacted has no page where it was.
        let earlier = scope.earlier.as_ref().filter(|_| !self.compact);
        let (path, facts) = match pinned.follow(earlier, &path, context, self.busy) {
            // Nobody used the database when the run began, and now somebody does: then there are locks to hold.
            Err(error) if disturbed && error.code() == "db_in_use" => {
                let copied = self.pin(scope)?.copy(&path, context, self.busy)?;
                self.warn("moment_later", "its application started meanwhile, so its moment is a little later".into());
                (path, copied)
            }
            copied => copied?,
        };
        self.captured = Some(Captured { path, facts });
        Ok(())
    }

    /// Proves the copy first, here and not in `capture`: there the other sources still hold their moments.
    fn emit(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let (captured, shape) = self.take_captured()?;
        let emitted = self.checked(&captured, &scope.context).and_then(|facts| {
            let emitted = self.emit_staged(&captured, shape, &scope.context, sink)?;
            Ok(Emitted { database: Some(facts), ..emitted })
        });
        if emitted.is_err() {
            let _ = fs::remove_file(&captured.path);
        }
        emitted
    }

    fn emit_unproven(&mut self, scope: &Scope, sink: &mut dyn Sink) -> Result<(Emitted, Option<Proof>)> {
        if self.compact {
            return self.emit(scope, sink).map(|emitted| (emitted, None));
        }
        let (captured, shape) = self.take_captured()?;
        let emitted = self.emit_staged(&captured, shape, &scope.context, sink)?;
        let proving = self.proving(&captured);
        Ok((emitted, Some(Box::new(move |context| proving.run(context)))))
    }
}

fn warning(database: &str, code: &str, text: &str) -> Warning {
    Warning::new(code, format!("Database {database}: {text}"))
}

fn out_of_order(what: &str) -> Error {
    Error::new(ErrorKind::Failed, "out_of_order", format!("A source was used out of order: {what}"))
}

/// A consistent copy of a SQLite file that was found inside a directory, in the new file `to`, checked like any
/// other; a database without tables is as good as any there.
///
/// Errors: those of [`open::open_source`]; `source_corrupted` when the copy is not sound. `to` is then removed.
pub fn snapshot_file(path: &Path, to: &Path, busy: Duration, context: &Context) -> Result<DatabaseFacts> {
    let mut scratch = to.as_os_str().to_owned();
    scratch.push(".recovering");
    let begin = || Pinned::begin(path, Path::new(&scratch), busy, context);
    let pinned = begin()?;
    let sealed = pinned.is_sealed();
    let expected = match pinned.copy(to, context, busy) {
        Err(error) if sealed && error.code() == "db_in_use" => begin()?.copy(to, context, busy)?,
        copied => copied?,
    };
    let proven = prove(to, &expected, path, false, context);
    if proven.is_err() {
        let _ = fs::remove_file(to);
    }
    Ok(proven?.0)
}

/// Checks the copy of the database at `origin` and compares it with what the source said at the moment.
/// `quick` looks at the structure alone and counts nothing.
fn prove(
    copy: &Path,
    expected: &DatabaseFacts,
    origin: &Path,
    quick: bool,
    context: &Context,
) -> Result<(DatabaseFacts, Checked)> {
    let look = || {
        let connection = open_copy(copy, expected)?;
        let checked =
            if quick { check::quick_check(&connection, context)? } else { check::check(&connection, context)? };
        if !checked.problems.is_empty() {
            return Ok((expected.clone(), checked));
        }
        let mut facts = match quick {
            true => facts::outline(&connection, &expected.journal_mode)?,
            false => facts::facts(&connection, &expected.journal_mode)?,
        };
        facts.unchecked.clone_from(&checked.unchecked);
        facts.foreign_key_violations = checked.foreign_key_violations;
        Ok((facts, checked))
    };
    let (facts, checked) = look().map_err(|error: Error| match error.kind() {
        ErrorKind::Corrupted => open::corrupted(origin).because(error),
        _ => error,
    })?;
    match checked.problems.first() {
        Some(problem) => Err(open::corrupted(origin).because(problem.text.clone())),
        None => Ok((facts, checked)),
    }
}
