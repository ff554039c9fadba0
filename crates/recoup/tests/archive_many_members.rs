//! The format *archive* with very many tiny members: nothing panics, memory stays flat, everything comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Read;

use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{
    BackupId, Content, Entry, EntryKind, Format, Kind, MANIFEST_VERSION, Manifest, Part, PartKind, Sink,
};
use recoup::progress::Context;

/// The most memory that this process has had so far, in KiB. Each test is a process of its own under nextest.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn manifest(parts: Vec<Part>) -> Manifest {
    let now = "2026-11-21T03:00:00Z".parse().unwrap();
    Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: "recoup test".into(),
        id: BackupId::generate(now),
        plan: "shop".into(),
        kind: Kind::Manual,
        format: Format::Archive,
        label: None,
        created_at: now,
        duration_ms: 1,
        host: None,
        parts,
        objects: vec![],
        verified: None,
        warnings: vec![],
    }
}

/// Members of 0 to 119 bytes, stored and deflated. A peer's writer panicked in its compressor near the millionth.
#[test]
fn a_million_tiny_members_are_packed_and_proven_in_flat_memory() {
    let members = if std::env::var_os("SOAK").is_some() { 1_000_000 } else { 100_000 };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut writer = ArchiveWriter::create(&path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "many").unwrap();
    let root = Entry { kind: EntryKind::Directory, mode: 0o755, mtime_ns: 1, ..Entry::file("", 0) };
    writer.entry(&root, Content::None).unwrap();
    let before = peak_kib();
    for i in 0..members {
        let bytes = format!("{i:0120}");
        let bytes = &bytes[..i % 120];
        let entry =
            Entry { mtime_ns: 1_600_000_001_123_456_789, ..Entry::file(&*format!("{i:07}"), bytes.len() as u64) };
        writer.entry(&entry, Content::Stream(&mut bytes.as_bytes().take(120))).unwrap();
    }
    let body = writer.end_part().unwrap();
    let part = Part {
        name: "many".into(),
        kind: PartKind::Directory,
        path: body.path,
        origin: None,
        bytes: body.bytes,
        sha256: body.sha256,
        absent: false,
        database: None,
        directory: body.directory,
        settings: None,
    };
    let manifest = manifest(vec![part]);
    writer.finish(&manifest).unwrap();
    let packed = peak_kib();
    let mut reader = ArchiveReader::open(&path).unwrap();
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
    // Sixteen bytes for each member that is read, and a few buffers.
    assert!(peak_kib() - before < 24_000, "{} KiB", peak_kib() - before);
    println!("{members} members: {before} KiB before, {packed} KiB packed, {} KiB read", peak_kib());
}
