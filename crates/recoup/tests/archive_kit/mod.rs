//! What tests of the archive share: a manifest, parts, entries, and the peak of this process's memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

use recoup::Result;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{Content, Entry, EntryKind, Format, Kind, Manifest, Part, PartKind, PathBytes, Sink};
use recoup_testkit::contract::store::manifest as empty;

/// The most memory that this process has had so far, in KiB. Each test is a process of its own under nextest.
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A manifest of these parts.
pub fn manifest(parts: Vec<Part>) -> Manifest {
    let now = "2026-11-21T03:00:00Z".parse().unwrap();
    Manifest { format: Format::Archive, parts, ..empty("shop", now, Kind::Manual) }
}

/// Ends the part and describes it.
pub fn part(writer: &mut ArchiveWriter, kind: PartKind, name: &str) -> Part {
    let body = writer.end_part().unwrap();
    Part {
        name: name.into(),
        kind,
        path: body.path,
        origin: None,
        bytes: body.bytes,
        sha256: body.sha256,
        absent: false,
        database: None,
        directory: body.directory,
        settings: None,
        file: None,
    }
}

/// An entry with a time in 2020.
pub fn entry(path: &[u8], kind: EntryKind, mode: u32) -> Entry {
    Entry { kind, mode, mtime_ns: 1_600_000_001_123_456_789, ..Entry::file(PathBytes(path.to_vec()), 0) }
}

/// Writes a file.
pub fn file(writer: &mut ArchiveWriter, path: &[u8], mode: u32, mut bytes: &[u8]) -> Result<()> {
    let entry = Entry { size: bytes.len() as u64, ..entry(path, EntryKind::File, mode) };
    writer.entry(&entry, Content::Stream(&mut bytes))
}
