//! Writes what the targets begin with: `seeds FOLDER` makes FOLDER/{archive,manifest,json}. The malicious corpus of
//! the test suite joins the archives (see the Makefile).

use std::fs;
use std::path::{Path, PathBuf};

use recoup::format::archive::reader::ArchiveReader;
use recoup::format::json::{self, ExportHeader};
use recoup::model::{Kind, Manifest};
use recoup::progress::Context;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder.join(target)).expect("a folder");
        fs::write(folder.join(target).join(name), bytes).expect("a seed");
    };
    // Archives and databases that the caller has put there.
    for path in fs::read_dir(folder.join("from")).expect("what to begin with").map(|entry| entry.expect("an entry").path()) {
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
        if Manifest::parse(&bytes).is_ok() {
            seed("manifest", &name, &bytes);
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
