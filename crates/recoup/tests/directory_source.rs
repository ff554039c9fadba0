//! The source *directory* against real trees: links, special files, mounts, databases with live writers, files
//! that change, vanish or cannot be read, and directories that are not to be entered.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use recoup::model::*;
use recoup::source::directory::DirectorySource;
use recoup::source::{Emitted, FileId, Source};
use recoup::{Error, Result};
use recoup_testkit::contract::source::{Collected, scope};
use recoup_testkit::place::{Place, codes};

/// Does something once, right before the entry at a path is taken, and before its bytes are read.
struct Meddler<'a> {
    at: &'a str,
    times: u32,
    meddle: &'a mut dyn FnMut(),
    collected: Collected,
}
impl Sink for Meddler<'_> {
    fn entry(&mut self, entry: &Entry, content: Content<'_>) -> Result<()> {
        let now = entry.path.0 == self.at.as_bytes() && self.times > 0;
        self.times -= u32::from(now);
        match content {
            // In the middle: some bytes were read before.
            Content::Stream(stream) if now => {
                let mut first = [0; 2];
                stream.read_exact(&mut first).map_err(|e| Error::io("reading", e))?;
                (self.meddle)();
                self.collected.entry(entry, Content::Stream(&mut first.chain(stream)))
            }
            content => {
                if now {
                    (self.meddle)();
                }
                self.collected.entry(entry, content)
            }
        }
    }
    fn retract(&mut self) -> Result<()> {
        self.collected.retract()
    }
}

#[test]
fn a_tree_comes_depth_first_in_the_order_of_bytes() {
    let place = Place::new();
    for name in ["b/z", "b/a/deep", "a.txt", "a/1", "a-b", "Z"] {
        place.write(name, name);
    }
    fs::create_dir(place.at("empty")).unwrap();
    let (collected, emitted) = place.collect();
    assert_eq!(collected.paths(), ["", "Z", "a", "a/1", "a-b", "a.txt", "b", "b/a", "b/a/deep", "b/z", "empty"]);
    assert_eq!(collected.get("b/a/deep").unwrap().1, b"b/a/deep");
    assert_eq!(emitted, Emitted::default());
}

#[test]
fn links_are_kept_as_links_and_never_followed() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("private"), "canary").unwrap();
    for (name, target) in [("up", ".."), ("self", "self"), ("nowhere", "/no/such"), ("to-passwd", "/etc/passwd")] {
        symlink(target, place.at(name)).unwrap();
    }
    symlink(outside.path(), place.at("outside")).unwrap();
    let (collected, emitted) = place.collect();
    assert_eq!(collected.entries.len(), 6);
    assert!(collected.entries[1..].iter().all(|(entry, _)| entry.kind == EntryKind::Symlink));
    assert_eq!(collected.get("up").unwrap().0.target, Some("..".into()));
    assert_eq!(collected.get("nowhere").unwrap().0.target, Some("/no/such".into()));
    assert!(emitted.warnings.is_empty());
}

#[test]
fn a_second_name_is_a_hard_link_to_the_first() {
    let place = Place::new();
    place.write("b/one", "bytes");
    fs::hard_link(place.at("b/one"), place.at("a")).unwrap();
    fs::hard_link(place.at("b/one"), place.at("c")).unwrap();
    let (collected, _) = place.collect();
    assert_eq!(
        (collected.get("a").unwrap().0.kind, &collected.get("a").unwrap().1[..]),
        (EntryKind::File, &b"bytes"[..])
    );
    for name in ["b/one", "c"] {
        let (entry, _) = collected.get(name).unwrap();
        assert_eq!((entry.kind, entry.target.clone(), entry.size), (EntryKind::Hardlink, Some("a".into()), 0));
    }
}

#[test]
fn pipes_and_sockets_are_counted_and_never_opened() {
    let place = Place::new();
    place.write("file", "x");
    let _socket = UnixListener::bind(place.at("socket")).unwrap();
    // Opening a pipe that nobody writes to would wait for ever; its name looks like a database's.
    for name in ["pipe", "pipe.db"] {
        assert!(Command::new("mkfifo").arg(place.at(name)).status().unwrap().success());
    }
    let (collected, emitted) = place.collect();
    assert_eq!(collected.paths(), ["", "file"]);
    assert_eq!((emitted.skipped, codes(&emitted)), (3, vec!["special_files"]));
    assert!(emitted.warnings[0].text.contains("pipe.db"), "{:?}", emitted.warnings);
}

#[test]
fn a_sparse_file_is_marked() {
    let place = Place::new();
    File::create(place.at("holes")).unwrap().set_len(8 << 20).unwrap();
    place.write("full", vec![1; 100_000]);
    let (collected, _) = place.collect();
    let marked = |name: &str| collected.get(name).unwrap().0.sparse;
    assert_eq!((marked("holes"), marked("full")), (true, false));
    assert_eq!(collected.get("holes").unwrap().1.len(), 8 << 20);
}

#[test]
fn names_are_bytes_and_directories_may_be_deep() {
    let place = Place::new();
    fs::write(place.tree.path().join(OsStr::from_bytes(b"caf\xe9\n")), "x").unwrap();
    let mut path = place.tree.path().to_owned();
    for _ in 0..300 {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("leaf"), "x").unwrap();
    place.write("d/z", "after the way back");
    let (collected, emitted) = place.collect();
    assert!(collected.entries.iter().any(|(entry, _)| entry.path.0 == b"caf\xe9\n"));
    assert_eq!(collected.entries.len(), 1 + 1 + 300 + 1 + 1);
    assert_eq!(collected.paths().last().unwrap(), "d/z");
    assert!(emitted.warnings.is_empty(), "{:?}", emitted.warnings);
}

#[test]
fn what_is_excluded_is_not_there() {
    let place = Place::new();
    for name in ["a.tmp", "x/b.tmp", "x/keep", "cache/1", "x/cache/2", "logs/1", "x/logs/2", "top", "x/top"] {
        place.write(name, name);
    }
    assert_eq!(
        place.paths(&["*.tmp", "cache/", "logs/**", "/top"]),
        ["", "logs", "x", "x/keep", "x/logs", "x/logs/2", "x/top"]
    );
    let error = DirectorySource::new(&place.spec(&["[a"]), Path::new("/")).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "bad_exclude");
}

#[test]
fn a_destination_inside_is_left_out_whatever_it_is_called() {
    let place = Place::new();
    place.write("data", "x");
    place.write("backups/old.zip", "x");
    let mut scope = place.scope();
    scope.excluded.push(FileId::of(&place.at("backups")).unwrap());
    let (collected, emitted) = place.collect_with(&place.spec(&[]), &scope).unwrap();
    assert_eq!(collected.paths(), ["", "data"]);
    assert_eq!(codes(&emitted), ["destination_left_out"]);

    scope.excluded.push(FileId::of(place.tree.path()).unwrap());
    let error = place.collect_with(&place.spec(&[]), &scope).map(|_| ()).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("destination_inside_source", recoup::ErrorKind::Usage));
}

#[test]
fn staging_inside_is_left_out_without_a_word() {
    let place = Place::new();
    place.write("data", "x");
    let staging = place.at("staging");
    fs::create_dir(&staging).unwrap();
    let (collected, emitted) = place.collect_with(&place.spec(&[]), &scope(&staging)).unwrap();
    assert_eq!((collected.paths(), codes(&emitted)), (vec![String::new(), "data".into()], vec![]));
}

#[test]
fn a_file_that_changes_is_read_again_until_it_lies_still() {
    let place = Place::new();
    place.write("log", "one\n");
    let path = place.at("log");
    let mut append = || File::options().append(true).open(&path).unwrap().write_all(b"more\n").unwrap();
    for (times, retracted, warned) in [(1, 1, vec![]), (2, 2, vec![]), (3, 2, vec!["changed_during_backup"])] {
        let mut sink = Meddler { at: "log", times, meddle: &mut append, collected: Collected::default() };
        let emitted = place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
        assert_eq!((sink.collected.retracted, codes(&emitted)), (retracted, warned));
        assert_eq!(sink.collected.paths(), ["", "log"]);
        if times < 3 {
            assert_eq!(sink.collected.get("log").unwrap().1, fs::read(place.at("log")).unwrap());
        }
    }
}

#[test]
fn a_change_that_keeps_size_and_time_is_noticed() {
    let place = Place::new();
    place.write("a", "old bytes");
    let path = place.at("a");
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut rewrite = || {
        let mut file = File::options().write(true).open(&path).unwrap();
        file.write_all(b"new bytes").unwrap();
        file.set_modified(time).unwrap();
    };
    let mut sink = Meddler { at: "a", times: 1, meddle: &mut rewrite, collected: Collected::default() };
    place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
    assert_eq!(sink.collected.get("a").unwrap().1, b"new bytes");
}

#[test]
fn what_vanishes_is_counted_and_named() {
    let place = Place::new();
    for name in ["a", "b/1", "c", "d.db"] {
        place.write(name, "xyz");
    }
    let mut remove = || {
        fs::remove_dir_all(place.at("b")).unwrap();
        fs::remove_file(place.at("c")).unwrap();
        fs::remove_file(place.at("d.db")).unwrap();
    };
    let mut sink = Meddler { at: "a", times: 1, meddle: &mut remove, collected: Collected::default() };
    let emitted = place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
    assert_eq!(sink.collected.paths(), ["", "a"]);
    assert_eq!(codes(&emitted), ["vanished"]);
    assert_eq!(emitted.warnings[0].text, "tree: 3 vanished before they could be read: b, c, d.db");
}

#[test]
fn a_directory_swapped_for_a_link_leads_nowhere_else() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("1"), "canary").unwrap();
    place.write("a", "xyz");
    place.write("b/1", "mine");
    let mut swap = || {
        fs::rename(place.at("b"), outside.path().join("moved")).unwrap();
        symlink(outside.path(), place.at("b")).unwrap();
    };
    let mut sink = Meddler { at: "a", times: 1, meddle: &mut swap, collected: Collected::default() };
    place.emit(&place.spec(&[]), &place.scope(), &mut sink).unwrap();
    assert_eq!(sink.collected.paths(), ["", "a", "b"]);
    assert_eq!(sink.collected.get("b").unwrap().0.kind, EntryKind::Symlink);
}

// Root reads everything, so another user must try.
#[test]
fn what_cannot_be_read_is_counted_and_named() {
    let place = Place::new();
    for name in ["a", "b", "dir/x", "e.db"] {
        place.write(name, "xyz");
    }
    for name in ["b", "dir", "e.db"] {
        fs::set_permissions(place.at(name), Permissions::from_mode(0o000)).unwrap();
    }
    if is_root() {
        // The test runs itself again as nobody.
        for path in [place.tree.path(), place.staging.path()] {
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
        }
        let (tree, staging) = (place.tree.path(), place.staging.path());
        let copy = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let program = copy.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let run = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&program)
            .args(["--exact", "unreadable_as_nobody", "--ignored", "--nocapture"])
            .envs([("TREE", tree), ("STAGING", staging)])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&run.stderr));
    } else {
        unreadable(place.tree.path(), place.staging.path());
    }
    fs::set_permissions(place.at("dir"), Permissions::from_mode(0o700)).unwrap();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

#[test]
#[ignore = "run by what_cannot_be_read_is_counted_and_named"]
fn unreadable_as_nobody() {
    let path = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
    unreadable(&path("TREE"), &path("STAGING"));
}

fn unreadable(tree: &Path, staging: &Path) {
    let spec = |path: PathBuf| DirectorySpec {
        name: "tree".into(),
        path,
        exclude: vec![],
        optional: false,
        cross_mounts: false,
    };
    let scope = scope(staging);
    let mut source = DirectorySource::new(&spec(tree.to_owned()), Path::new("/")).unwrap();
    let mut collected = Collected::default();
    source.begin(&scope).unwrap();
    let emitted = source.emit(&scope, &mut collected).unwrap();
    assert_eq!(collected.paths(), ["", "a", "dir"]);
    assert_eq!(codes(&emitted), ["unreadable"]);
    assert!(emitted.warnings[0].text.ends_with(": b, dir, e.db"), "{:?}", emitted.warnings);
    let mut root = DirectorySource::new(&spec(tree.join("dir")), Path::new("/")).unwrap();
    assert_eq!(root.begin(&scope).unwrap_err().kind(), recoup::ErrorKind::Denied, "the root itself is an error");
}

#[test]
#[allow(clippy::print_stderr)]
fn another_file_system_is_not_entered_unless_asked() {
    let place = Place::new();
    let mount = place.at("mount");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "none"]).arg(&mount).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: mounting is not allowed here");
        return;
    }
    place.write("mount/inside", "x");
    let (kept, emitted) = place.collect();
    let crossing = DirectorySpec { cross_mounts: true, ..place.spec(&[]) };
    let crossed = place.collect_with(&crossing, &place.scope());
    assert!(Command::new("umount").arg(&mount).status().unwrap().success());
    assert_eq!((kept.paths(), codes(&emitted)), (vec![String::new(), "mount".into()], vec!["mount_not_entered"]));
    assert_eq!(crossed.unwrap().0.paths(), ["", "mount", "mount/inside"]);
}

#[test]
fn the_named_directory_itself_may_be_a_link() {
    let place = Place::new();
    place.write("real/file", "x");
    symlink("real", place.at("link")).unwrap();
    let spec = DirectorySpec { path: place.at("link"), ..place.spec(&[]) };
    assert_eq!(place.collect_with(&spec, &place.scope()).unwrap().0.paths(), ["", "file"]);
}
