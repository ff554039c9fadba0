//! The format *archive*: what goes in comes out, any ZIP tool opens it, damage is found, hostility refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive_kit;

use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use archive_kit::{entry, file, manifest, part};
use recoup::ErrorKind;
use recoup::format::archive::policy::Limits;
use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{Content, Entry, EntryKind, Manifest, PartKind, PathBytes, Sink};
use recoup::progress::Context;

/// A tree with everything that is hard, and a database beside it.
fn nasty(folder: &Path) -> (PathBuf, Manifest) {
    let path = folder.join("a.zip");
    let staged = folder.join("staged.db");
    fs::write(&staged, vec![7; 300_000]).unwrap();
    let mut writer = ArchiveWriter::create(&path, true, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Database, "shop").unwrap();
    writer.entry(&Entry::file("shop.db", 0), Content::Staged(&staged)).unwrap();
    let database = part(&mut writer, PartKind::Database, "shop");
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    let long = "n".repeat(255);
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    file(&mut writer, b"100%.txt", 0o644, b"percent").unwrap();
    file(&mut writer, b"a%41", 0o600, b"looks escaped").unwrap();
    let link = |target: &[u8]| Some(PathBytes(target.to_vec()));
    writer
        .entry(&Entry { target: link(b"/etc/passwd"), ..entry(b"absolute", EntryKind::Symlink, 0o777) }, Content::None)
        .unwrap();
    file(&mut writer, b"caf\xe9", 0o640, b"not utf-8").unwrap();
    writer.entry(&entry(b"empty", EntryKind::Directory, 0o700), Content::None).unwrap();
    file(&mut writer, b"first", 0o751, b"shared").unwrap();
    file(&mut writer, long.as_bytes(), 0o444, b"long").unwrap();
    file(&mut writer, b"new\nline \\ back", 0o644, b"odd").unwrap();
    writer
        .entry(&Entry { target: link(b"first"), ..entry(b"second", EntryKind::Hardlink, 0o751) }, Content::None)
        .unwrap();
    let holes = [vec![0; 1 << 20], b"end".to_vec()].concat();
    let sparse = Entry { sparse: true, size: holes.len() as u64, ..entry(b"sparse", EntryKind::File, 0o644) };
    writer.entry(&sparse, Content::Stream(&mut holes.as_slice())).unwrap();
    writer.entry(&Entry { target: link(b".."), ..entry(b"up", EntryKind::Symlink, 0o777) }, Content::None).unwrap();
    let tree = part(&mut writer, PartKind::Directory, "tree");
    let manifest = manifest(vec![database, tree]);
    writer.finish(&manifest).unwrap();
    (path, manifest)
}

#[test]
fn a_tree_with_everything_that_is_hard_comes_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let (path, manifest) = nasty(folder.path());
    let mut reader = ArchiveReader::open(&path).unwrap();
    assert_eq!(reader.manifest().unwrap(), manifest);
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
    let to = folder.path().join("out");
    reader.extract_part(&manifest.parts[1], &to, &Context::quiet()).unwrap();
    let at = |name: &[u8]| to.join(std::ffi::OsStr::from_bytes(name));
    assert_eq!(fs::read(at(b"caf\xe9")).unwrap(), b"not utf-8");
    assert_eq!(fs::read(at(b"new\nline \\ back")).unwrap(), b"odd");
    assert_eq!(fs::read(at(b"a%41")).unwrap(), b"looks escaped");
    assert_eq!(fs::read_link(at(b"absolute")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::metadata(at(b"first")).unwrap().ino(), fs::metadata(at(b"second")).unwrap().ino());
    assert_eq!(fs::metadata(at(b"first")).unwrap().permissions().mode() & 0o777, 0o751);
    let meta = fs::metadata(at(b"100%.txt")).unwrap();
    assert_eq!((meta.mtime(), meta.mtime_nsec()), (1_600_000_001, 123_456_789));
    let sparse = fs::metadata(at(b"sparse")).unwrap();
    assert!(sparse.len() == (1 << 20) + 3 && sparse.blocks() * 512 < 1 << 20, "{} blocks", sparse.blocks());
    assert!(fs::metadata(at(b"empty")).unwrap().is_dir());
    assert_eq!(fs::metadata(&to).unwrap().mtime(), 1_600_000_001);
}

#[test]
fn any_zip_tool_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _) = nasty(folder.path());
    let path = path.to_str().unwrap();
    for command in [vec!["unzip", "-tq", path], vec!["python3", "-m", "zipfile", "-t", path], vec!["7z", "t", path]] {
        let output = Command::new(command[0]).args(&command[1..]).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let out = folder.path().join("unzipped");
    let status = Command::new("unzip").args(["-q", path, "-d"]).arg(&out).status().unwrap();
    assert!(status.success());
    let restored = fs::metadata(out.join("directories/tree/100%.txt")).unwrap();
    assert_eq!((restored.mtime(), restored.permissions().mode() & 0o777), (1_600_000_001, 0o644));
    assert_eq!(fs::read_link(out.join("directories/tree/up")).unwrap(), Path::new(".."));
    assert!(fs::read_to_string(out.join("RESTORE.txt")).unwrap().contains("database.db"));
}

#[test]
fn an_entry_that_was_taken_back_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut writer = ArchiveWriter::create(&path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    let noise: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    file(&mut writer, b"changing", 0o644, &noise).unwrap();
    writer.retract().unwrap();
    file(&mut writer, b"changing", 0o644, b"short").unwrap();
    let tree = part(&mut writer, PartKind::Directory, "tree");
    assert_eq!((tree.bytes, tree.directory.as_ref().unwrap().files), (5, 1));
    let manifest = manifest(vec![tree]);
    writer.finish(&manifest).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 10_000);
    let mut reader = ArchiveReader::open(&path).unwrap();
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
}

#[test]
fn what_compresses_is_deflated_and_what_does_not_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut writer = ArchiveWriter::create(&path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    let mut noise = vec![0; 50_000];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut noise).unwrap();
    file(&mut writer, b"noise.bin", 0o644, &noise).unwrap();
    file(&mut writer, b"text.txt", 0o644, "some text ".repeat(5000).as_bytes()).unwrap();
    let tree = part(&mut writer, PartKind::Directory, "tree");
    // A database is judged by all of it: the same noise behind a first page of text, and behind half a file of it.
    let mut parts = vec![tree];
    for (name, text) in [("noise", 4096), ("half", 400_000)] {
        let staged = folder.path().join(name);
        let noise = noise.repeat(8);
        fs::write(&staged, [b"schema ".repeat(text / 7), noise].concat()).unwrap();
        writer.begin_part(PartKind::Database, name).unwrap();
        writer.entry(&Entry::file(name, 0), Content::Staged(&staged)).unwrap();
        parts.push(part(&mut writer, PartKind::Database, name));
    }
    writer.finish(&manifest(parts)).unwrap();
    let listing = Command::new("unzip").args(["-v", path.to_str().unwrap()]).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    let line = |name: &str| listing.lines().find(|line| line.ends_with(name)).unwrap().to_owned();
    assert!(line("noise.bin").contains("Stored") && line("text.txt").contains("Defl"), "{listing}");
    assert!(line("noise.db").contains("Stored") && line("half.db").contains("Defl"), "{listing}");
}

#[test]
fn more_members_than_the_old_zip_could_hold_and_a_member_beyond_4_gib() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut writer = ArchiveWriter::create(&path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "many").unwrap();
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    for i in 0..66_000 {
        file(&mut writer, format!("{i:06}").as_bytes(), 0o644, b"").unwrap();
    }
    let mut parts = vec![part(&mut writer, PartKind::Directory, "many")];
    if std::env::var_os("SOAK").is_some() {
        writer.begin_part(PartKind::File, "huge").unwrap();
        let size = (4 << 30) + 5;
        writer.entry(&Entry::file("huge", size), Content::Stream(&mut std::io::repeat(0).take(size))).unwrap();
        parts.push(part(&mut writer, PartKind::File, "huge"));
    }
    let manifest = manifest(parts);
    writer.finish(&manifest).unwrap();
    let mut reader = ArchiveReader::open(&path).unwrap();
    assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
    let test = Command::new("unzip").args(["-tq", path.to_str().unwrap()]).output().unwrap();
    assert!(test.status.success());
}

/// No flip may ever yield other bytes without an error, whatever the object's own hash says.
#[test]
fn a_flipped_bit_never_yields_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, manifest) = nasty(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut harmless = 0;
    let trials = if std::env::var_os("SOAK").is_some() { 2000 } else { 500_u64 };
    for trial in 0..trials {
        let bit = (trial.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % (whole.len() * 8);
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        let found = ArchiveReader::open(&path).and_then(|mut reader| {
            let same = reader.manifest()? == manifest;
            Ok(same && reader.check(&manifest, &Context::quiet())?.is_empty())
        });
        match found {
            Ok(true) => harmless += 1, // a time or a mode in a ZIP header: every byte of data was proven
            Ok(false) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}: {}", error.detail()),
        }
    }
    println!("flips {trials}, {harmless} of them in header fields that hold no data");
    assert!(harmless < trials / 4);
    for percent in 0..100 {
        fs::write(&path, &whole[..whole.len() * percent / 100]).unwrap();
        let error = ArchiveReader::open(&path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupted, "{percent} %");
    }
}

/// Archives that somebody made to hurt: each is refused before anything is written.
#[test]
fn hostile_archives_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import sys, zipfile, warnings
warnings.simplefilter("ignore")
def make(name, members, **more):
    z = zipfile.ZipFile(sys.argv[1] + "/" + name + ".zip", "w", zipfile.ZIP_DEFLATED)
    for member, data in members: z.writestr(member, data)
    z.close()
def info(name, mode):
    i = zipfile.ZipInfo(name); i.create_system = 3; i.external_attr = mode << 16; return i
make("dotdot", [("../evil", "x")]); make("inside", [("a/../../evil", "x")]); make("absolute", [("/evil", "x")])
make("backslash", [("..\\evil", "x")]); make("control", [("a\x01b", "x")]); make("twice", [("a", "x"), ("a", "y")])
make("device", [(info("dev", 0o020666), "")]); make("fifo", [(info("pipe", 0o010666), "")])
make("bomb", [("zeros", b"\0" * 300_000_000)])
make("lzma", []); z = zipfile.ZipFile(sys.argv[1] + "/lzma.zip", "w", zipfile.ZIP_LZMA); z.writestr("a", "x"); z.close()
make("plain", [("a", "x")])
data = open(sys.argv[1] + "/plain.zip", "rb").read()
for name, bytes in [("prefix", b"MZ" + data), ("suffix", data + b"tail"), ("cut", data[:-5]), ("empty", b""), ("text", b"hello")]:
    open(sys.argv[1] + "/" + name + ".zip", "wb").write(bytes)
"#;
    let made = Command::new("python3").args(["-c", script]).arg(folder.path()).status().unwrap();
    assert!(made.success());
    let mut refused = 0;
    for name in [
        "dotdot",
        "inside",
        "absolute",
        "backslash",
        "control",
        "twice",
        "device",
        "fifo",
        "lzma",
        "prefix",
        "suffix",
        "cut",
        "empty",
        "text",
    ] {
        let error = ArchiveReader::open(&folder.path().join(format!("{name}.zip"))).map(|_| ()).expect_err(name);
        assert_eq!(error.message(), "Backup file is corrupted", "{name}: {}", error.detail());
        refused += 1;
    }
    assert_eq!(refused, 14);
    let limits = Limits { ratio: 100, ..Limits::default() };
    assert!(ArchiveReader::open_within(&folder.path().join("bomb.zip"), &limits).is_err());
    assert!(ArchiveReader::open(&folder.path().join("plain.zip")).is_ok());
}
