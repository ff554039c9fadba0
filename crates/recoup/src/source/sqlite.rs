//! The source *database*: a live SQLite database, copied to staging through SQLite under one read transaction,
//! then checked and compared with the facts of that moment.
//!
//! Not here: how the copy is made ([`crate::sqlite::copy`]) and what becomes of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::{Emitted, FileId, Presence, Scope, Source};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{Content, DatabaseFacts, DatabaseSpec, Entry, PartKind, PathBytes, Sink, Warning};
use crate::progress::{Context, Phase};
use crate::sqlite::location::{self, Location};
use crate::sqlite::{check, copy, facts, open};

/// Magic numbers of `statfs(2)` for file systems whose locks may not hold: NFS, SMB, CIFS, FUSE, 9P.
const DOUBTFUL_LOCKS: [u64; 6] = [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x6573_5546, 0x0102_1997];

/// A SQLite database.
pub struct SqliteSource {
    name: String,
    location: Location,
    optional: bool,
    busy: Duration,
    compact: bool,
    held: Option<Held>,
    staged: Option<Staged>,
}

/// The application's database while we hold a read transaction on it.
struct Held {
    connection: Connection,
    identity: Option<FileId>,
    outline: DatabaseFacts,
    /// Opened as immutable: size and time that must still be the same afterwards.
    quiet: Option<(u64, Option<SystemTime>)>,
}

struct Staged {
    path: PathBuf,
    facts: DatabaseFacts,
    warnings: Vec<Warning>,
}

impl SqliteSource {
    /// A database by its spec; a relative location is meant from `base`.
    pub fn new(spec: &DatabaseSpec, base: &Path, compact: bool) -> Result<Self> {
        Ok(SqliteSource {
            name: spec.name.clone(),
            location: location::parse(&spec.location, base)?,
            optional: spec.optional,
            busy: Duration::from_millis(spec.busy_timeout_ms),
            compact,
            held: None,
            staged: None,
        })
    }

    fn hold(&self, context: &Context) -> Result<Held> {
        let path = &self.location.path;
        let identity = FileId::of(path);
        let (connection, quiet) = match self.pinned(context) {
            Err(error) if error.code() == "db_needs_write_access" => {
                let seen = fs::metadata(path).map_err(|e| Error::at("looking at", path, e))?;
                let connection = open::open_quiet(path).map_err(|_| error)?;
                open::pin(&connection, path, self.busy, context)?;
                (connection, Some((seen.len(), seen.modified().ok())))
            }
            other => (other?, None),
        };
        let mode = facts::journal_mode(&connection)?;
        let outline = facts::outline(&connection, &mode)?;
        if facts::objects(&connection)? == 0 {
            return Err(Error::new(
                ErrorKind::Failed,
                "source_empty",
                format!("Database is empty: {}", self.location.configured),
            )
            .hint("it has no tables; an empty database is never a good backup"));
        }
        Ok(Held { connection, identity, outline, quiet })
    }

    fn pinned(&self, context: &Context) -> Result<Connection> {
        let path = &self.location.path;
        let connection = open::open_source(path, self.busy)?;
        open::pin(&connection, path, self.busy, context)?;
        Ok(connection)
    }

    /// Checks the copy at `path` and compacts it when that was asked for.
    fn prove(&self, path: &Path, outline: &DatabaseFacts, scope: &Scope) -> Result<(DatabaseFacts, Vec<Warning>)> {
        let origin = &self.location.path;
        let mut warnings = doubtful_locks(origin);
        let facts = prove(path, origin, outline, &mut warnings, &scope.context)?;
        if !self.compact {
            return Ok((facts, warnings));
        }
        let compacted = scope.staging.join(format!("{}.compact.db", self.name));
        copy::compact(path, &compacted, &scope.context)?;
        let (mut small, _) = described(&compacted, outline, &scope.context)?;
        small.foreign_key_violations = facts.foreign_key_violations;
        let same = DatabaseFacts { page_count: small.page_count, ..facts };
        if let Some(problem) = facts::compare(&same, &small).first() {
            return Err(open::corrupted(origin).because(problem.text.clone()).while_("comparing the compacted copy"));
        }
        small.compacted = true;
        fs::rename(&compacted, path).map_err(|e| Error::at("renaming", &compacted, e))?;
        Ok((small, warnings))
    }

    /// Whoever replaced the file while we read it has made our copy one of a file that is gone.
    fn still_the_same(&self, held: &Held) -> Result<()> {
        let path = &self.location.path;
        let moved = FileId::of(path) != held.identity;
        let touched = held
            .quiet
            .is_some_and(|seen| fs::metadata(path).map_or(true, |meta| (meta.len(), meta.modified().ok()) != seen));
        if moved || touched {
            return Err(Error::new(
                ErrorKind::Busy,
                "source_replaced",
                format!("{} was replaced while it was read", path.display()),
            )
            .hint("run the backup again"));
        }
        Ok(())
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
        let staged = self.staged.as_ref().map(|staged| &staged.facts);
        let facts = self.held.as_ref().map(|held| &held.outline).or(staged);
        facts.map_or(0, |facts| facts.page_count * u64::from(facts.page_size))
    }

    fn begin(&mut self, scope: &Scope) -> Result<Presence> {
        match self.hold(&scope.context) {
            Ok(held) => {
                self.held = Some(held);
                Ok(Presence::Present)
            }
            Err(error) if error.code() == "source_missing" && self.optional => Ok(Presence::Absent),
            Err(error) if error.code() == "source_missing" => Err(Error::new(
                ErrorKind::NotFound,
                "source_missing",
                format!("Database file not found: {}", self.location.configured),
            )
            .because(format!("looked for {}", self.location.path.display()))
            .hint("check the path; mark the source as optional if it may be absent")),
            Err(error) => Err(error),
        }
    }

    fn capture(&mut self, scope: &Scope) -> Result<()> {
        let Some(held) = self.held.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_begun", "The database was not begun"));
        };
        let path = scope.staging.join(format!("{}.db", self.name));
        copy::copy_pinned(&held.connection, &path, &scope.context, self.busy)?;
        // The application is let go of here; everything after this reads the copy.
        let _ = held.connection.execute_batch("COMMIT");
        let proven = self.still_the_same(&held).and_then(|()| self.prove(&path, &held.outline, scope));
        if proven.is_err() {
            let _ = fs::remove_file(&path);
        }
        let (facts, warnings) = proven?;
        self.staged = Some(Staged { path, facts, warnings });
        Ok(())
    }

    fn emit(&mut self, _scope: &Scope, sink: &mut dyn Sink) -> Result<Emitted> {
        let Some(staged) = self.staged.take() else {
            return Err(Error::new(ErrorKind::Failed, "not_captured", "The database was not captured"));
        };
        let meta = fs::metadata(&staged.path).map_err(|e| Error::at("looking at", &staged.path, e))?;
        let name = format!("{}.db", self.name);
        let entry = Entry {
            mtime_ns: meta.mtime() * 1_000_000_000 + meta.mtime_nsec(),
            ..Entry::file(name.as_str(), meta.len())
        };
        sink.entry(&entry, Content::Staged(&staged.path))?;
        Ok(Emitted { database: Some(staged.facts), warnings: staged.warnings, ..Emitted::default() })
    }
}

/// A consistent copy of a SQLite file that was found inside a directory, checked like any other.
pub fn snapshot_file(path: &Path, to: &Path, busy: Duration, context: &Context) -> Result<DatabaseFacts> {
    let connection = open::open_source(path, busy)?;
    open::pin(&connection, path, busy, context)?;
    let mode = facts::journal_mode(&connection)?;
    let outline = facts::outline(&connection, &mode)?;
    copy::copy_pinned(&connection, to, context, busy)?;
    drop(connection);
    let proven = prove(to, path, &outline, &mut Vec::new(), context);
    if proven.is_err() {
        let _ = fs::remove_file(to);
    }
    proven
}

/// Checks a copy and compares it with what the source said while it was held.
fn prove(
    copy: &Path,
    origin: &Path,
    outline: &DatabaseFacts,
    warnings: &mut Vec<Warning>,
    context: &Context,
) -> Result<DatabaseFacts> {
    let (facts, checked) = described(copy, outline, context).map_err(|error| match error.kind() {
        ErrorKind::Corrupted => open::corrupted(origin).because(error),
        _ => error,
    })?;
    if let Some(problem) = checked.problems.first() {
        return Err(open::corrupted(origin).because(problem.text.clone()));
    }
    let expected = DatabaseFacts { tables: Vec::new(), ..outline.clone() };
    if let Some(problem) = facts::compare(&expected, &facts).first() {
        return Err(Error::new(ErrorKind::Failed, "copy_differs", "The copy differs from the database")
            .because(problem.text.clone())
            .while_(format!("copying {}", origin.display())));
    }
    let shown = origin.display();
    for what in &facts.unchecked {
        warnings.push(Warning::new("unchecked", format!("{shown}: copied faithfully, but not checked: {what}")));
    }
    let mut broken = |code: &str, count: u64, what: &str| {
        if count > 0 {
            warnings.push(Warning::new(code, format!("{shown}: {count} rows {what}; the copy has them too")));
        }
    };
    broken("foreign_keys", checked.foreign_key_violations, "violate a foreign key");
    broken("constraints", checked.constraint_violations, "break a rule of the schema");
    Ok(facts)
}

fn described(copy: &Path, outline: &DatabaseFacts, context: &Context) -> Result<(DatabaseFacts, check::Checked)> {
    context.observer.phase(Phase::Check, &copy.file_name().unwrap_or_default().to_string_lossy(), None);
    let connection = open::open_private(copy)?;
    let checked = check::check(&connection, context)?;
    if !checked.problems.is_empty() {
        return Ok((outline.clone(), checked));
    }
    let mut facts = facts::facts(&connection, &outline.journal_mode)?;
    facts.foreign_key_violations = checked.foreign_key_violations;
    for what in &checked.unchecked {
        if !facts.unchecked.contains(what) {
            facts.unchecked.push(what.clone());
        }
    }
    Ok((facts, checked))
}

fn doubtful_locks(path: &Path) -> Vec<Warning> {
    let doubtful = rustix::fs::statfs(path).is_ok_and(|fs| DOUBTFUL_LOCKS.contains(&(fs.f_type as u64 & 0xffff_ffff)));
    if !doubtful {
        return Vec::new();
    }
    let text = format!("{} lies on a network file system, whose locks SQLite cannot rely on", path.display());
    vec![Warning::new("network_file_system", text)]
}
