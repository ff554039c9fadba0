//! The format *archive* with very many tiny members: nothing panics, memory stays flat, everything comes back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive_kit;

use std::io::Read;

use archive_kit::{manifest, part, peak_kib};
use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{Content, Entry, EntryKind, PartKind, Sink};
use recoup::progress::Context;

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
    let tree = part(&mut writer, PartKind::Directory, "many");
    let manifest = manifest(vec![tree]);
    writer.finish(&manifest).unwrap();
    let packed = peak_kib();
    let mut reader = ArchiveReader::open(&path).unwrap();
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
    // Sixteen bytes for each member that is read, and a few buffers.
    assert!(peak_kib() - before < 24_000, "{} KiB", peak_kib() - before);
    println!("{members} members: {before} KiB before, {packed} KiB packed, {} KiB read", peak_kib());
}
