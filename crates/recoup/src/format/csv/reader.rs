//! Reading the ZIP back: every member that the coverage names is there, whole, and has the bytes and rows that it
//! says; nothing else is there.
//!
//! Not here: unpacking. Nothing is written, so names in the ZIP need not be trusted.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::{COVERAGE, CSV_VERSION, Coverage, CoveredTable, MAX_COVERAGE, zip_failed};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Problem;
use crate::progress::Context;

/// Reads everything and returns what is wrong with it. Errors are for what could not be looked at: an unreadable
/// file, or an export of a newer version.
pub fn check(path: &Path, context: &Context) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    match read(path, context, &mut problems) {
        Err(error) if error.kind() == ErrorKind::Corrupted => problems.push(damaged(&error)),
        other => other?,
    }
    Ok(problems)
}

fn damaged(error: &Error) -> Problem {
    Problem::new(error.code(), format!("{error}: {}", error.detail()))
}

fn read(path: &Path, context: &Context, problems: &mut Vec<Problem>) -> Result<()> {
    let file = File::open(path).map_err(|e| Error::at("opening", path, e))?;
    let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|e| zip_failed("reading", path, e))?;
    let coverage = read_coverage(&mut zip, path)?;
    let mut expected = BTreeSet::from([COVERAGE.to_owned()]);
    for table in &coverage.tables {
        expected.insert(table.member.clone());
        match read_member(&mut zip, table, path, context) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Corrupted => problems.push(damaged(&error)),
            Err(error) => return Err(error),
        }
    }
    let found: BTreeSet<String> = zip.file_names_raw().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if found != expected || zip.len() != coverage.tables.len() + 1 {
        let error = Error::corrupted("the members are not those that coverage.json names");
        problems.push(damaged(&error));
    }
    Ok(())
}

fn read_coverage<R: Read + std::io::Seek>(zip: &mut ZipArchive<R>, path: &Path) -> Result<Coverage> {
    let member = zip.by_name(COVERAGE).map_err(|e| zip_failed("reading", path, e).while_("reading coverage.json"))?;
    let mut text = Vec::new();
    member.take(MAX_COVERAGE).read_to_end(&mut text).map_err(|error| match error.raw_os_error() {
        Some(_) => Error::at("reading", path, error),
        None => Error::corrupted(format!("coverage.json: {error}")),
    })?;
    #[derive(serde::Deserialize)]
    struct Version {
        recoup_csv: u32,
    }
    let bad = |error: serde_json::Error| Error::corrupted(format!("coverage.json: {error}"));
    let version: Version = serde_json::from_slice(&text).map_err(bad)?;
    if version.recoup_csv > CSV_VERSION {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "version_newer",
            "Export from newer version, cannot be checked",
        )
        .because(format!("CSV version {}, this build reads up to {CSV_VERSION}", version.recoup_csv))
        .hint("use a newer recoup"));
    }
    serde_json::from_slice(&text).map_err(bad)
}

fn read_member<R: Read + std::io::Seek>(
    zip: &mut ZipArchive<R>,
    table: &CoveredTable,
    path: &Path,
    context: &Context,
) -> Result<()> {
    let wrong = |detail: String| Error::corrupted(format!("{} (table {}): {detail}", table.member, table.table));
    let mut member = zip.by_name(&table.member).map_err(|error| match zip_failed("reading", path, error) {
        error if error.kind() == ErrorKind::Corrupted => wrong(error.detail()),
        error => error,
    })?;
    let (mut hash, mut bytes, mut lines, mut quoted) = (Sha256::new(), 0_u64, 0_u64, false);
    let mut chunk = vec![0; 1 << 16];
    loop {
        let read = member.read(&mut chunk).map_err(|error| match error.raw_os_error() {
            Some(_) => Error::at("reading", path, error),
            None => wrong(error.to_string()),
        })?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes > table.bytes {
            return Err(wrong(format!("longer than {} bytes", table.bytes)));
        }
        hash.update(&chunk[..read]);
        for byte in &chunk[..read] {
            match byte {
                // A doubled quote inside quotes leaves and enters again.
                b'"' => quoted = !quoted,
                b'\n' if !quoted => lines += 1,
                _ => {}
            }
        }
        context.advance(read as u64)?;
    }
    if bytes != table.bytes {
        return Err(wrong(format!("{bytes} bytes, not {}", table.bytes)));
    }
    if HEXLOWER.encode(&hash.finalize()) != table.sha256 {
        return Err(wrong("its bytes do not have the SHA-256 that coverage.json gives".into()));
    }
    if quoted || lines != table.rows + 1 {
        return Err(wrong(format!("{lines} lines, not {} rows and their names", table.rows)));
    }
    Ok(())
}
