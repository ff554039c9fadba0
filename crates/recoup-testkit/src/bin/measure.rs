//! Runs one step of the library alone, so that `make bench` can time it beside a peer: `measure capture
//! SOURCE.db COPY.db` and `measure pack DATABASE.db DIRECTORY OUT.zip`.
//!
//! Not here: what is compared with what; that is `bench/bench.py`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{Content, DirectorySpec, Entry, PartKind, Sink, SourceSpec};
use recoup::progress::Context;
use recoup::source::{self, Scope};
use recoup::{Error, Result, sqlite};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let done = match arguments.as_slice() {
        [step, from, to] if step.as_os_str() == "capture" => capture(from, to),
        [step, database, directory, to] if step.as_os_str() == "pack" => pack(database, directory, to),
        _ => Err(Error::usage("usage", "measure capture SOURCE COPY | measure pack DATABASE DIRECTORY OUT")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "{error}: {}", error.detail());
            ExitCode::FAILURE
        }
    }
}

/// What `SqliteSource` does under the pinned transaction, without the check that follows.
fn capture(from: &Path, to: &Path) -> Result<()> {
    let busy = Duration::from_secs(30);
    let source = sqlite::open::open_source(from, busy)?;
    let pin = "BEGIN; SELECT count(*) FROM sqlite_schema;";
    source.execute_batch(pin).map_err(|e| Error::usage("pin", e.to_string()))?;
    sqlite::copy::copy_pinned(&source, to, &Context::quiet(), busy)?;
    Ok(())
}

fn pack(database: &Path, directory: &Path, to: &Path) -> Result<()> {
    let context = Context::quiet();
    let mut writer = ArchiveWriter::create(to, true, &context)?;
    writer.begin_part(PartKind::Database, "database")?;
    writer.entry(&Entry::file("database.db", 0), Content::Staged(database))?;
    writer.end_part()?;
    let spec = SourceSpec::Directory(DirectorySpec {
        name: "thumbs".into(),
        path: directory.to_owned(),
        exclude: vec![],
        optional: false,
        cross_mounts: false,
    });
    let environment = || Vec::<(OsString, OsString)>::new();
    let mut source = source::factory(&spec, Path::new("/"), false, Arc::new(environment))()?;
    let staging = to.parent().unwrap_or(Path::new(".")).to_owned();
    let scope = Scope { staging, context, excluded: vec![], databases: vec![], secrets: false, earlier: None };
    source.begin(&scope)?;
    source.capture(&scope)?;
    writer.begin_part(PartKind::Directory, "thumbs")?;
    source.emit(&scope, &mut writer)?;
    writer.end_part()?;
    Ok(())
}
