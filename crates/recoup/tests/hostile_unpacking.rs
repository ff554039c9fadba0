//! Unpacking where somebody tries to lead it elsewhere: forged contents lists, links that appear meanwhile, and
//! paths longer than one system call takes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive_kit;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use archive_kit::{entry, file, manifest, part};
use recoup::ErrorKind;
use recoup::format::archive::reader::ArchiveReader;
use recoup::format::archive::writer::ArchiveWriter;
use recoup::model::{Content, Entry, EntryKind, Manifest, PartKind, Sink};
use recoup::progress::Context;

/// A tree of entries as a packed archive; a forged list is simply one that is emitted.
fn packed(path: &Path, entries: &[(Entry, &[u8])]) -> Manifest {
    let mut writer = ArchiveWriter::create(path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    for &(ref entry, mut bytes) in entries {
        match entry.kind {
            EntryKind::File => writer.entry(entry, Content::Stream(&mut bytes)).unwrap(),
            _ => writer.entry(entry, Content::None).unwrap(),
        }
    }
    let tree = part(&mut writer, PartKind::Directory, "tree");
    let manifest = manifest(vec![tree]);
    writer.finish(&manifest).unwrap();
    manifest
}

fn link(path: &str, kind: EntryKind, target: &str) -> Entry {
    Entry { target: Some(target.into()), ..entry(path.as_bytes(), kind, 0o777) }
}

#[test]
fn a_contents_list_that_leads_elsewhere_writes_nothing_outside() {
    let root = || (entry(b"", EntryKind::Directory, 0o755), &b""[..]);
    let a_file = |path: &str| (entry(path.as_bytes(), EntryKind::File, 0o644), &b"evil"[..]);
    let a_folder = |path: &str| (entry(path.as_bytes(), EntryKind::Directory, 0o755), &b""[..]);
    let a_link = |path: &str, target: &str| (link(path, EntryKind::Symlink, target), &b""[..]);
    let lists = [
        ("below a link", vec![root(), a_link("out", "../canary"), a_file("out/evil")]),
        ("a folder that is a link", vec![root(), a_link("out", "../canary"), a_folder("out")]),
        ("a file in place of a folder", vec![root(), a_file("x"), a_file("x/evil")]),
        ("without its folder", vec![root(), a_file("no/evil")]),
        ("a hard link to outside", vec![root(), (link("evil", EntryKind::Hardlink, "../canary/kept"), &b""[..])]),
        (
            "a hard link through a link",
            vec![root(), a_link("out", "../canary"), (link("evil", EntryKind::Hardlink, "out/kept"), &b""[..])],
        ),
    ];
    for (what, list) in lists {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("canary")).unwrap();
        fs::write(folder.path().join("canary/kept"), "kept").unwrap();
        let path = folder.path().join("a.zip");
        let manifest = packed(&path, &list);
        let to = folder.path().join("to");
        let error = ArchiveReader::open(&path)
            .and_then(|mut reader| reader.extract_part(&manifest.parts[0], &to, &Context::quiet()));
        let error = error.expect_err(what);
        assert_eq!(error.message(), "Backup file is corrupted", "{what}: {error:?}");
        assert!(!error.detail().is_empty(), "{what}");
        let canary: Vec<_> = fs::read_dir(folder.path().join("canary")).unwrap().map(|e| e.unwrap()).collect();
        assert_eq!(canary.len(), 1, "{what}");
        assert_eq!(fs::metadata(canary[0].path()).unwrap().nlink(), 1, "{what}");
    }
    // These cannot even be members.
    for path in ["../evil", "/evil", "a/../../evil", "./evil", "a//b"] {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        packed(&archive, &[root(), a_file(path)]);
        assert_eq!(ArchiveReader::open(&archive).map(drop).unwrap_err().kind(), ErrorKind::Corrupted, "{path}");
    }
    // As links they are no members, and the list alone is refused too.
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("a.zip");
    let manifest = packed(&archive, &[root(), a_file("x"), (link("../evil", EntryKind::Hardlink, "x"), b"")]);
    let mut reader = ArchiveReader::open(&archive).unwrap();
    let error = reader.extract_part(&manifest.parts[0], &folder.path().join("to"), &Context::quiet()).unwrap_err();
    assert!(error.detail().contains("leads elsewhere"), "{}", error.detail());
    assert!(!folder.path().join("evil").exists());
}

#[test]
fn a_file_is_never_restored_with_the_rights_of_its_owner() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let setuid = entry(b"tool", EntryKind::File, 0o6755);
    let manifest = packed(&path, &[(entry(b"", EntryKind::Directory, 0o2755), b""), (setuid, b"x")]);
    let to = folder.path().join("to");
    let mut reader = ArchiveReader::open(&path).unwrap();
    reader.extract_part(&manifest.parts[0], &to, &Context::quiet()).unwrap();
    assert_eq!(fs::metadata(to.join("tool")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o7777, 0o755);
}

/// Somebody with write access to staging exchanges folders and links in a tight loop.
#[test]
fn a_link_planted_in_staging_leads_nothing_outside() {
    let tries = if std::env::var_os("SOAK").is_some() { 1000 } else { 100 };
    let folder = tempfile::tempdir().unwrap();
    let (canary, to) = (folder.path().join("canary"), folder.path().join("to"));
    fs::create_dir(&canary).unwrap();
    let path = folder.path().join("a.zip");
    let mut list = vec![(entry(b"", EntryKind::Directory, 0o755), &b""[..])];
    for name in ["a", "a/b", "a/b/c"] {
        list.push((entry(name.as_bytes(), EntryKind::Directory, 0o755), b""));
        for file in 0..8 {
            list.push((entry(format!("{name}/f{file}").as_bytes(), EntryKind::File, 0o644), b"bytes"));
        }
    }
    let manifest = packed(&path, &list);
    let stop = Arc::new(AtomicBool::new(false));
    let attacker = {
        let (stop, to, canary) = (stop.clone(), to.clone(), canary.clone());
        std::thread::spawn(move || {
            let mut planted = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                for victim in ["a", "a/b", "a/b/c", "a/f1", "a/b/f3"] {
                    let victim = to.join(victim);
                    let aside = to.join("aside");
                    if fs::rename(&victim, &aside).is_ok() {
                        planted += u64::from(symlink(&canary, &victim).is_ok());
                        let _ = fs::remove_file(&victim);
                        let _ = fs::rename(&aside, &victim);
                    }
                    planted += u64::from(symlink(&canary, &victim).is_ok());
                    let _ = fs::remove_file(&victim);
                }
            }
            planted
        })
    };
    let mut refused = 0;
    for _ in 0..tries {
        let mut reader = ArchiveReader::open(&path).unwrap();
        if let Err(error) = reader.extract_part(&manifest.parts[0], &to, &Context::quiet()) {
            assert!(matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Failed), "{error:?}");
            refused += 1;
        }
        assert_eq!(fs::read_dir(&canary).unwrap().count(), 0, "something was written through a link");
        while to.exists() {
            let _ = fs::remove_dir_all(&to);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let planted = attacker.join().unwrap();
    println!("{planted} links planted, {refused} of {tries} unpackings refused");
    assert!(planted > 0);
}

#[test]
fn paths_longer_than_4096_bytes_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    // Long names, and more folders inside each other than files may be open.
    for (part_length, depth) in [(250, 40), (1, 1500)] {
        let mut list = vec![(entry(b"", EntryKind::Directory, 0o755), &b""[..])];
        let mut names = Vec::new();
        for level in 1..=depth {
            names.push("n".repeat(part_length));
            let path = names.join("/");
            list.push((entry(path.as_bytes(), EntryKind::Directory, 0o755), b""));
            if level % 10 == 0 {
                list.push((entry(format!("{path}/file").as_bytes(), EntryKind::File, 0o640), b"deep"));
            }
        }
        let deepest = format!("{}/file", names.join("/"));
        list.push((link(&format!("{}/link", names.join("/")), EntryKind::Symlink, "file"), b""));
        list.push((link("near", EntryKind::Hardlink, &deepest), b""));
        let manifest = packed(&path, &list);
        let to = folder.path().join("to");
        let mut reader = ArchiveReader::open(&path).unwrap();
        assert_eq!(reader.check(&manifest, &Context::quiet()).unwrap(), []);
        reader.extract_part(&manifest.parts[0], &to, &Context::quiet()).unwrap();
        let near = fs::metadata(to.join("near")).unwrap();
        assert_eq!((near.nlink(), near.permissions().mode() & 0o777), (2, 0o640));
        let found = Command::new("find").args([to.to_str().unwrap(), "-type", "f", "-name", "file"]).output().unwrap();
        assert_eq!(found.stdout.iter().filter(|byte| **byte == b'\n').count(), depth / 10);
        let times = Command::new("find").arg(&to).args(["-type", "d", "!", "-newermt", "2020-09-14"]).output().unwrap();
        assert_eq!(times.stdout.iter().filter(|byte| **byte == b'\n').count(), depth + 1);
        assert!(Command::new("rm").arg("-rf").arg(&to).status().unwrap().success());
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn holes_are_made_again_between_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let mut bytes = vec![0; 3 << 20];
    for at in [0, 5000, 700_001, (2 << 20) - 1, (3 << 20) - 1] {
        bytes[at] = 1;
    }
    let mut writer = ArchiveWriter::create(&path, false, &Context::quiet()).unwrap();
    writer.begin_part(PartKind::Directory, "tree").unwrap();
    writer.entry(&entry(b"", EntryKind::Directory, 0o755), Content::None).unwrap();
    file(&mut writer, b"plain", 0o644, &bytes).unwrap();
    let sparse = Entry { sparse: true, size: bytes.len() as u64, ..entry(b"sparse", EntryKind::File, 0o644) };
    writer.entry(&sparse, Content::Stream(&mut bytes.as_slice())).unwrap();
    let tree = part(&mut writer, PartKind::Directory, "tree");
    let manifest = manifest(vec![tree]);
    writer.finish(&manifest).unwrap();
    let to = folder.path().join("to");
    ArchiveReader::open(&path).unwrap().extract_part(&manifest.parts[0], &to, &Context::quiet()).unwrap();
    assert!(fs::read(to.join("sparse")).unwrap() == bytes && fs::read(to.join("plain")).unwrap() == bytes);
    assert!(fs::metadata(to.join("sparse")).unwrap().blocks() * 512 < 1 << 20);
}

/// Of a large member one thread writes what another unpacks: whichever fails, the reason is told and no file stays.
#[test]
fn a_large_member_comes_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    let bytes: Vec<u8> = (0..(12_u32 << 20)).map(|i| (i.wrapping_mul(2_654_435_761) >> 21) as u8).collect();
    let manifest =
        packed(&path, &[(entry(b"", EntryKind::Directory, 0o755), b""), (entry(b"f", EntryKind::File, 0o644), &bytes)]);
    let member = "directories/tree/f";
    let sha256 = recoup_testkit::contract::destination::sha256(&bytes);
    let to = folder.path().join("to");
    let mut reader = ArchiveReader::open(&path).unwrap();
    reader.extract_member(member, &to, &sha256, &Context::quiet()).unwrap();
    assert!(fs::read(&to).unwrap() == bytes);
    fs::remove_file(&to).unwrap();

    let error = reader.extract_member(member, &to, &"0".repeat(64), &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), to.exists()), (ErrorKind::Corrupted, false));
    let stopped = Context::quiet();
    stopped.cancel.cancel();
    let error = reader.extract_member(member, &to, &sha256, &stopped).unwrap_err();
    assert_eq!((error.kind(), to.exists()), (ErrorKind::Cancelled, false));

    let mut damaged = fs::read(&path).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let other = folder.path().join("damaged.zip");
    fs::write(&other, damaged).unwrap();
    let error = ArchiveReader::open(&other).unwrap().extract_part(&manifest.parts[0], &to, &Context::quiet());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Corrupted);
    assert!(!to.join("f").exists());

    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(&small).output().unwrap();
    if !mounted.status.success() {
        println!("not tried: a full disk (no right to mount)");
        return;
    }
    let full = reader.extract_member(member, &small.join("f"), &sha256, &Context::quiet());
    let left = fs::read_dir(&small).unwrap().count();
    Command::new("umount").arg(&small).status().unwrap();
    let full = full.unwrap_err();
    assert_eq!((full.kind(), full.message(), left), (ErrorKind::NoSpace, "Not enough disk space", 0));
}
