//! Archives that somebody made to hurt, and odd ones that are honest. Every hostile one is refused with a reason
//! before anything is written outside of scratch, in little memory; the honest ones become backups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive_kit;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use archive_kit::{entry, file, manifest, part, peak_kib};
use recoup::format::adopt::{Adopted, adopt};
use recoup::format::archive::policy::Limits;
use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::format::foreign;
use recoup::format::json::{self, ExportHeader};
use recoup::format::proof::prove;
use recoup::model::{Content, Entry, EntryKind, Format, Kind, Level, Manifest, PartKind, Sink};
use recoup::progress::Context;
use recoup::{ErrorKind, Result};
use rusqlite::Connection;
use tempfile::TempDir;

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Place(TempDir::new().unwrap());
        for name in ["corpus", "canary", "scratch", "scratch/inner"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        fs::write(place.path("canary/kept"), "kept").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn corpus(&self) -> Vec<PathBuf> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile_kit/corpus.py");
        let made = Command::new("python3").arg(script).arg(self.path("corpus")).arg(self.path("canary")).status();
        assert!(made.unwrap().success());
        let mut found: Vec<PathBuf> = fs::read_dir(self.path("corpus")).unwrap().map(|e| e.unwrap().path()).collect();
        found.sort();
        found
    }

    /// Everything but scratch, with what a write would change.
    fn around(&self) -> BTreeMap<PathBuf, (u64, i64, i64, u64)> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                let meta = fs::symlink_metadata(&entry).unwrap();
                if entry == self.path("scratch") {
                    continue;
                }
                if meta.is_dir() {
                    open.push(entry.clone());
                }
                found.insert(entry, (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.nlink()));
            }
        }
        found
    }

    /// Everything that a restore would do before it touches its target.
    fn take(&self, path: &Path) -> Result<Adopted> {
        let adopted = adopt(path, &Limits::upload(), &self.path("scratch/inner"), &Context::quiet())?;
        let mut reader = ArchiveReader::open(&adopted.path)?;
        for part in &adopted.manifest.parts {
            let to = self.path("scratch").join(&part.name);
            match part.kind {
                PartKind::Directory => reader.extract_part(part, &to, &Context::quiet())?,
                _ => reader.extract_member(&part.path, &to, &part.sha256, &Context::quiet())?,
            }
        }
        Ok(adopted)
    }
}

#[test]
fn hostile_archives_are_refused_with_a_reason_in_little_memory() {
    let place = Place::new();
    let (mut refused, mut fine) = (0, 0);
    let corpus = place.corpus();
    let around = place.around();
    let before = peak_kib();
    for path in corpus {
        let name = path.file_name().unwrap().to_str().unwrap();
        let taken = place.take(&path);
        if name.starts_with("fine-") {
            let adopted = taken.unwrap_or_else(|error| panic!("{name}: {error}: {}", error.detail()));
            assert_eq!(adopted.manifest.kind, Kind::Upload, "{name}");
            fs::remove_file(&adopted.path).unwrap();
            for part in &adopted.manifest.parts {
                let to = place.path("scratch").join(&part.name);
                let _ = fs::remove_dir_all(&to).or_else(|_| fs::remove_file(&to));
            }
            fine += 1;
        } else {
            let error = taken.map(|adopted| adopted.manifest).expect_err(name);
            assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupted, "Backup file is corrupted"), "{name}");
            assert!(!error.detail().is_empty(), "{name} without a reason");
            println!("{name:28} {}", error.detail().chars().take(140).collect::<String>());
            refused += 1;
        }
        assert_eq!(place.around(), around, "{name} wrote somewhere");
        assert_eq!(fs::read_dir(place.path("scratch/inner")).unwrap().count(), 0, "{name} left something behind");
        assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 1, "{name} left something behind");
    }
    let grown = peak_kib();
    println!("{refused} refused, {fine} taken, {grown} KiB at most, {} before", before);
    assert!(refused >= 110 && fine >= 7, "{refused} {fine}");
    assert!(grown < 64 << 10, "{grown} KiB");
}

#[test]
fn an_archive_of_another_program_becomes_a_backup() {
    let place = Place::new();
    place.corpus();
    let path = place.path("corpus/shop-backup-2026-01-02-03-04-05.zip");
    fs::rename(place.path("corpus/fine-plain"), &path).unwrap();
    let scratch = place.path("scratch/inner");
    let (mut reader, manifest) = foreign::open(&path, &Limits::upload(), &scratch, &Context::quiet()).unwrap();
    assert_eq!((manifest.plan.as_str(), manifest.made_by.as_str()), ("shop-backup", "Shop 1.2.0"));
    assert_eq!(manifest.created_at, "2026-01-02T03:04:05Z".parse().unwrap());
    assert_eq!(
        (manifest.kind, manifest.format, manifest.warnings[0].code.as_str()),
        (Kind::Upload, Format::Archive, "foreign_archive")
    );
    let kinds: Vec<_> = manifest.parts.iter().map(|part| (part.kind, part.name.as_str())).collect();
    let expected =
        [(PartKind::Database, "database"), (PartKind::Directory, "thumbnails"), (PartKind::Settings, "settings")];
    assert_eq!(kinds, expected);
    assert_eq!(manifest.parts[0].database.as_ref().unwrap().tables[0].rows, Some(100));
    assert_eq!(manifest.parts[2].settings.as_ref().unwrap().count, 2);
    let facts = manifest.parts[1].directory.as_ref().unwrap();
    assert_eq!((facts.files, facts.directories), (1, 2));
    // The synthesised manifest and the reader fit together, with nothing but the open file.
    fs::rename(&path, place.path("corpus/aside.zip")).unwrap();
    fs::write(&path, "something else").unwrap();
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
    let entries: Vec<_> = reader.read_entries(&manifest.parts[1]).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(entries.len(), 3);
    reader.extract_part(&manifest.parts[1], &place.path("scratch/t"), &Context::quiet()).unwrap();
    assert_eq!(fs::metadata(place.path("scratch/t/2026-11/a.jpg")).unwrap().len(), 3002);
    let database = place.path("scratch/d");
    reader.extract_member("database.db", &database, &manifest.parts[0].sha256, &Context::quiet()).unwrap();
    // And what is adopted is a backup like any other.
    let adopted = adopt(&place.path("corpus/aside.zip"), &Limits::upload(), &scratch, &Context::quiet()).unwrap();
    let name = &adopted.manifest.objects[0].name;
    let proof = place.path("scratch/proof");
    fs::create_dir(&proof).unwrap();
    let problems = prove(&adopted.manifest, name, &adopted.path, Level::Restore, &proof, &Context::quiet()).unwrap();
    assert_eq!(problems, []);
    let hash = recoup::format::proof::hash_file(&adopted.path, &Context::quiet()).unwrap();
    assert_eq!(hash, (adopted.manifest.objects[0].bytes, adopted.manifest.objects[0].sha256.clone()));
}

/// Case twins are files like any others on Linux; in an archive of ours the sealed list tells them apart.
fn ours(path: &Path) -> Manifest {
    let staged = path.with_extension("staged");
    Connection::open(&staged).unwrap().execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    let mut writer = ArchiveWriter::create(path, true, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Database, "shop").unwrap();
    writer.entry(&Entry::file("shop.db", 0), Content::Staged(&staged)).unwrap();
    let database = part(&mut writer, PartKind::Database, "shop");
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    for name in ["README", "readme", "caf\u{e9}", "cafe\u{301}", "dot.", "a:b"] {
        file(&mut writer, name.as_bytes(), 0o644, name.as_bytes()).unwrap();
    }
    let tree = part(&mut writer, PartKind::Directory, "tree");
    let manifest = manifest(vec![database, tree]);
    writer.finish(&manifest).unwrap();
    fs::remove_file(staged).unwrap();
    manifest
}

#[test]
fn an_archive_of_ours_needs_no_manifest_beside_it() {
    let place = Place::new();
    let path = place.path("corpus/found.zip");
    let manifest = ours(&path);
    let adopted = place.take(&path).unwrap();
    assert_eq!((&adopted.manifest.id, &adopted.manifest.parts, &adopted.path), (&manifest.id, &manifest.parts, &path));
    assert_eq!(adopted.manifest.objects[0].name, "found.zip");
    let tree = fs::read_dir(place.path("scratch/tree")).unwrap().filter(|entry| entry.is_ok()).count();
    assert_eq!(tree, 6);
    // Any change of it is found, in whatever member; and so is a member that the manifest does not name.
    let whole = fs::read(&path).unwrap();
    for at in [whole.len() / 4, whole.len() / 2, whole.len() - 700] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        let error = adopt(&path, &Limits::upload(), &place.path("scratch/inner"), &Context::quiet()).map(drop);
        assert_eq!(error.unwrap_err().message(), "Backup file is corrupted", "{at}");
    }
    for extra in ["evil.sh", "directories/tree/evil", "directories/other/evil"] {
        fs::write(&path, &whole).unwrap();
        let script = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'a') as z: z.writestr(sys.argv[2], 'x')";
        assert!(Command::new("python3").args(["-c", script]).arg(&path).arg(extra).status().unwrap().success());
        let error = adopt(&path, &Limits::upload(), &place.path("scratch/inner"), &Context::quiet()).map(drop);
        let error = error.expect_err(extra);
        assert_eq!(error.message(), "Backup file is corrupted", "{extra}: {}", error.detail());
    }
}

#[test]
fn a_newer_archive_is_refused_by_its_number() {
    let place = Place::new();
    let path = place.path("corpus/newer.zip");
    let mut writer = ArchiveWriter::create(&path, true, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Settings, "settings").unwrap();
    writer.entry(&Entry::file("settings", 2), Content::Stream(&mut &b"{}"[..])).unwrap();
    let settings = part(&mut writer, PartKind::Settings, "settings");
    let newer = Manifest { recoup_manifest: recoup::model::backup::HISTORY_VERSION + 1, ..manifest(vec![settings]) };
    writer.finish(&newer).unwrap();
    let error = place.take(&path).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "Backup from newer version, cannot restore"));
    assert!(!error.detail().is_empty());
}

#[test]
fn a_bare_database_and_a_bare_export_become_backups() {
    let place = Place::new();
    let db = place.path("corpus/shop-20261121T030000Z-x7k2qf.db");
    Connection::open(&db).unwrap().execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)").unwrap();
    let scratch = place.path("scratch/inner");
    let take = |path: &Path| adopt(path, &Limits::upload(), &scratch, &Context::quiet());
    let around = place.around();
    let adopted = take(&db).unwrap();
    let one = |adopted: &Adopted| {
        let manifest = &adopted.manifest;
        assert_eq!((manifest.plan.as_str(), manifest.kind, manifest.parts.len()), ("shop", Kind::Upload, 1));
        assert_eq!(manifest.parts[0].database.as_ref().unwrap().tables[0].rows, Some(2));
        let proof = place.path("scratch").join("proof");
        fs::create_dir_all(&proof).unwrap();
        let name = &manifest.objects[0].name;
        assert_eq!(prove(manifest, name, &adopted.path, Level::Restore, &proof, &Context::quiet()).unwrap(), []);
        assert_eq!(adopted.path.parent(), Some(&*scratch));
    };
    one(&adopted);
    assert_eq!(place.around(), around, "the file was touched");
    let exported = place.path("corpus/shop-20261121T030000Z-x7k2qf.json");
    let exported_at = "2026-11-21T03:00:00Z".parse().unwrap();
    let header =
        ExportHeader { exported_at, backup_type: Kind::Manual, name: "shop".into(), journal_mode: Some("wal".into()) };
    json::export(&db, &header, &[], &exported, &Context::quiet()).unwrap();
    let adopted = take(&exported).unwrap();
    one(&adopted);
    assert_eq!(adopted.manifest.parts[0].database.as_ref().unwrap().journal_mode, "wal");
    // What is no backup says what to do.
    fs::write(place.path("corpus/x.manifest.json"), manifest(vec![]).to_json().unwrap()).unwrap();
    assert_eq!(take(&place.path("corpus/x.manifest.json")).unwrap_err().code(), "is_a_manifest");
    assert_eq!(take(&place.path("corpus")).unwrap_err().code(), "not_a_file");
    assert_eq!(take(&place.path("corpus/nowhere")).unwrap_err().kind(), ErrorKind::NotFound);
    let pipe = place.path("corpus/pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(take(&pipe).unwrap_err().code(), "not_a_file");
    let live = Connection::open(&db).unwrap();
    live.execute_batch("PRAGMA journal_mode = wal; INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(take(&db).unwrap_err().code(), "database_in_use");
}

/// Damaged and hostile documents, as bare files: every one refused, nothing left in scratch.
#[test]
fn hostile_documents_and_databases_are_refused_as_bare_files() {
    let place = Place::new();
    let db = place.path("corpus/a.db");
    Connection::open(&db).unwrap().execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)").unwrap();
    let exported = place.path("corpus/a.json");
    let header = ExportHeader {
        exported_at: "2026-11-21T03:00:00Z".parse().unwrap(),
        backup_type: Kind::Manual,
        name: "shop".into(),
        journal_mode: None,
    };
    json::export(&db, &header, &[], &exported, &Context::quiet()).unwrap();
    let text = fs::read_to_string(&exported).unwrap();
    let (bytes, footer) = (fs::read(&db).unwrap(), text.find("\"end\"").unwrap());
    let row = |new: &str| text.replace("[1,1]", new).into_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("depth 10,000", row(&format!("[1,{}1{}]", "[".repeat(10_000), "]".repeat(10_000)))),
        ("a document of depth 10,000", format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000)).into_bytes()),
        ("duplicate keys", row(r#"[1,{"$int":"1","$int":"2"}]"#)),
        (
            "a header twice",
            text.replacen("\"coverage\": \"complete\",", "\"coverage\": \"complete\",\n\"coverage\": \"complete\",", 1)
                .into_bytes(),
        ),
        ("1e999", row("[1,1e999]")),
        ("a lone surrogate", row(r#"[1,"\ud800"]"#)),
        ("a huge integer", row(&format!("[1,{}]", "9".repeat(400)))),
        ("no footer", text.as_bytes()[..footer].to_vec()),
        ("half", text.as_bytes()[..text.len() / 2].to_vec()),
        ("another value", row("[1,7]")),
        ("an object that is nothing", b"{}".to_vec()),
        ("a brace", b"{".to_vec()),
        ("half a database", bytes[..bytes.len() / 2].to_vec()),
        ("a damaged page", [&bytes[..4096], &[0xff; 4096], &bytes[8192..]].concat()),
        ("a page count", [&bytes[..28], &[0x7f, 0xff, 0xff, 0xff], &bytes[32..]].concat()),
    ];
    let around = place.around();
    for (what, bytes) in cases {
        let path = place.path("scratch/hostile");
        fs::write(&path, bytes).unwrap();
        let error =
            adopt(&path, &Limits::upload(), &place.path("scratch/inner"), &Context::quiet()).map(|a| a.manifest);
        let error = error.expect_err(what);
        assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupted, "Backup file is corrupted"), "{what}");
        assert!(!error.detail().is_empty(), "{what}");
        assert_eq!(fs::read_dir(place.path("scratch/inner")).unwrap().count(), 0, "{what}");
        assert_eq!(place.around(), around, "{what}");
    }
    let limits = Limits { bytes: 100, ..Limits::upload() };
    for path in [&db, &exported] {
        let error = adopt(path, &limits, &place.path("scratch/inner"), &Context::quiet()).map(drop).unwrap_err();
        assert!(error.detail().contains("more than 100 bytes"), "{}", error.detail());
    }
}

/// Between the judgement and the reading the file is exchanged, a thousand times.
#[test]
fn what_was_judged_is_what_is_read() {
    let tries = if std::env::var_os("SOAK").is_some() { 1000 } else { 50 };
    let place = Place::new();
    let good = place.path("corpus/good.zip");
    ours(&good);
    place.corpus();
    let evil = place.path("corpus/case-twins");
    let path = place.path("scratch/upload.zip");
    let scratch = place.path("scratch/inner");
    symlink(&good, &path).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let attacker = threads.spawn(|| {
            let mut swaps = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for target in [&evil, &good] {
                    let aside = place.path("scratch/aside");
                    let _ = fs::remove_file(&aside);
                    symlink(target, &aside).unwrap();
                    fs::rename(&aside, &path).unwrap();
                    swaps += 1;
                    std::thread::yield_now();
                }
            }
            swaps
        });
        let (mut taken, mut refused) = (0, 0);
        while taken < tries || refused < tries {
            match foreign::open(&path, &Limits::upload(), &scratch, &Context::quiet()) {
                Ok((mut reader, manifest)) => {
                    let to = place.path("scratch/out");
                    reader.extract_part(&manifest.parts[1], &to, &Context::quiet()).unwrap();
                    assert_eq!(fs::read(to.join("readme")).unwrap(), b"readme");
                    fs::remove_dir_all(&to).unwrap();
                    taken += 1;
                }
                Err(error) => {
                    assert!(error.detail().contains("have the same name"), "{error:?}");
                    refused += 1;
                }
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        println!("{taken} taken, {refused} refused, {} swaps", attacker.join().unwrap());
    });
}
