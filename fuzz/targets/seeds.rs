//! Writes what the targets begin with: `seeds FOLDER` makes FOLDER/{archive,manifest,json}. The malicious corpus of
//! the test suite joins the archives (see the Makefile).

use std::fs;
use std::path::{Path, PathBuf};

use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::{ArchiveWriter, PartBody};
use recoup::format::json::{self, ExportHeader};
use recoup::model::{
    BackupId, Content, Entry, EntryKind, Format, Kind, Level, MANIFEST_VERSION, Manifest, Object, Part, PartKind, Sink,
    Warning,
};
use recoup::progress::Context;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.join(target)).expect("a folder");
        fs::write(folder.join(target).join(name), bytes).expect("a seed");
    };
    ours(&folder.join("from/ours.zip"));
    // Archives and databases that the caller has put there.
    for path in
        fs::read_dir(folder.join("from")).expect("what to begin with").map(|entry| entry.expect("an entry").path())
    {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(&path).expect("a file");
        if bytes.starts_with(b"SQLite format 3\0") {
            seed("json", &name, &export(&path));
        } else if bytes.len() < 32 << 10 {
            // An even first byte: the rest is the archive itself.
            seed("archive", &name, &[b"\0", bytes.as_slice()].concat());
        }
        if let Ok(manifest) = ArchiveReader::open(&path).and_then(|mut reader| reader.manifest()) {
            seed("manifest", &name, &manifest.to_json().expect("a manifest"));
        }
    }
    let members: [&[u8]; 3] = [
        b"\x01\x00\x0c\x05hello",
        b"\x01\x01\x00\x20\x41\x04\x03a/b\x10hello hello hello\x01\x02{}",
        b"\x01\x00\x02\x02{}\x01\x0d{\"theme\": \"x\"}\x0c\x03a.b\xff",
    ];
    for (n, bytes) in members.iter().enumerate() {
        seed("archive", &format!("built-{n}"), bytes);
    }
}

/// An archive of ours: settings and a tree.
fn ours(path: &Path) {
    let context = Context::quiet();
    let mut writer = ArchiveWriter::create(path, true, &context).expect("an archive");
    let mut parts = Vec::new();
    for (kind, name) in [(PartKind::Settings, "settings"), (PartKind::Directory, "tree")] {
        writer.begin_part(kind, name).expect("a part");
        if kind == PartKind::Directory {
            let root = Entry { kind: EntryKind::Directory, mode: 0o755, ..Entry::file("", 0) };
            writer.entry(&root, Content::None).expect("a folder");
        }
        let entry = Entry { mtime_ns: 1_600_000_000_000_000_000, ..Entry::file("a", 2) };
        writer.entry(&entry, Content::Stream(&mut &b"{}"[..])).expect("a file");
        let PartBody { path, bytes, sha256, directory, file } = writer.end_part().expect("a part");
        let (origin, database, settings) = (Some("/srv/x".into()), None, None);
        parts.push(Part {
            name: name.into(),
            kind,
            path,
            origin,
            bytes,
            sha256,
            absent: false,
            database,
            directory,
            file,
            settings,
        });
    }
    let created_at = "2026-11-21T03:00:00Z".parse().expect("a time");
    let manifest = Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: "recoup".into(),
        id: BackupId::generate(created_at),
        plan: "shop".into(),
        kind: Kind::Manual,
        format: Format::Archive,
        label: Some("label".into()),
        created_at,
        duration_ms: 1,
        host: None,
        parts,
        objects: vec![Object { name: "a.zip".into(), bytes: 1, sha256: "00".into() }],
        verified: Some(Level::Integrity),
        warnings: vec![Warning::new("code", "text")],
    };
    writer.finish(&manifest).expect("an archive");
}

fn export(database: &Path) -> Vec<u8> {
    let header = ExportHeader {
        exported_at: "2026-11-21T03:00:00Z".parse().expect("a time"),
        backup_type: Kind::Manual,
        name: "shop".into(),
        journal_mode: None,
    };
    let to = database.with_extension("json.part");
    let _ = fs::remove_file(&to);
    json::export(database, &header, &[], &to, &Context::quiet()).expect("an export");
    let bytes = fs::read(&to).expect("the export");
    fs::remove_file(to).expect("it is there");
    bytes
}
