//! The `local` destination under faults: any umask, full, failing and read-only file systems, one without
//! `renameat2`, and the order of fsyncs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, LocalDestination, Staging};
use recoup::progress::Context;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::faults::{self, Action, OUTCOME, ROOT, child, variable};
use recoup_testkit::tree::{files, tree};

fn open(root: &Path) -> LocalDestination {
    LocalDestination::open(root, true).unwrap()
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

#[test]
#[ignore = "child of other tests"]
fn child_puts_one_of_each() {
    let root = variable(ROOT);
    let outcome = fs::File::create(variable(OUTCOME)).unwrap();
    faults::begin();
    let put = || {
        let destination = LocalDestination::open(&root, true)?;
        put(&destination, "shop/bytes.zip", &noise(1, 300_000))?;
        let staging = Staging::create(&destination.staging_root().unwrap())?;
        let staged = staging.path().join("file");
        let doing = |e| recoup::Error::io("staging", e);
        fs::write(&staged, noise(2, 300_000)).map_err(doing)?;
        destination.put("shop/staged.db", Body::File(&staged), &Context::quiet())
    };
    let result: recoup::Result<_> = put();
    faults::end();
    let text = match result {
        Ok(_) => "good".to_owned(),
        Err(error) => format!("{:?}|{}|{}", error.kind(), error.message(), error.detail()),
    };
    write!(&outcome, "{text}").unwrap();
}

#[test]
fn files_are_private_whatever_the_umask() {
    for umask in ["000", "022", "077", "0277"] {
        let directory = tempfile::tempdir().unwrap();
        let (root, outcome) = (directory.path().join("r/root"), directory.path().join("outcome"));
        let output = faults::run(&mut faults::with_umask(&child("child_puts_one_of_each", &root, &outcome), umask));
        assert!(output.status.success(), "{}", faults::text(&output));
        assert_eq!(fs::read_to_string(&outcome).unwrap(), "good");
        for name in tree(&root) {
            let meta = fs::symlink_metadata(root.join(&name)).unwrap();
            let expected = if meta.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(meta.mode() & 0o7777, expected, "{name} under umask {umask}");
        }
        assert_eq!(tree(&root), [".recoup", "shop", "shop/bytes.zip", "shop/staged.db"]);
    }
}

/// Lets every call of `syscalls` in the child fail once, and hands the outcome and the tree to `check`.
fn fail_each(syscalls: &[&str], error: &'static str, check: impl Fn(&str, &Path, &[String])) {
    let directory = tempfile::tempdir().unwrap();
    let outcome = directory.path().join("outcome");
    let points = faults::points(&mut child("child_puts_one_of_each", &directory.path().join("r"), &outcome), syscalls);
    assert!(points.len() > 3, "{points:?}");
    for point in points {
        fs::remove_dir_all(directory.path().join("r")).unwrap();
        let root = directory.path().join("r");
        let mut command = child("child_puts_one_of_each", &root, &outcome);
        faults::inject(&mut command, &[&point.syscall], Action::Fail(error), point.nth);
        let text = fs::read_to_string(&outcome).unwrap();
        fs::create_dir_all(&root).unwrap();
        // A failure must be tidy by itself, before any sweep.
        let files = files(&root);
        check(&text, &root, &files);
        if text == "good" {
            assert_eq!(files, ["shop/bytes.zip", "shop/staged.db"], "{point:?}");
        } else {
            assert!(files.is_empty() || files == ["shop/bytes.zip"], "{point:?}: {files:?} after {text}");
        }
    }
}

#[test]
fn success_is_told_only_after_file_and_directories_were_synced() {
    let directory = tempfile::tempdir().unwrap();
    let (root, outcome) = (directory.path().join("r/root"), directory.path().join("outcome"));
    let syscalls = ["mkdir", "mkdirat", "write", "fsync", "renameat2"];
    let calls: Vec<String> = faults::trace(&mut child("child_puts_one_of_each", &root, &outcome), &syscalls)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    let synced_after = |call: usize, path: &Path| {
        let sync = format!("<{}>)", path.display());
        calls[call..].iter().position(|line| line.starts_with("fsync(") && line.contains(&sync)).map(|n| call + n)
    };
    // Every directory that was made, in its parent.
    for made in [directory.path().join("r"), root.clone(), root.join("shop")] {
        let parent = made.parent().unwrap();
        let whole = format!("\"{}\"", made.display());
        let below = format!("<{}>, \"{}\"", parent.display(), made.file_name().unwrap().display());
        let is = |line: &String| {
            line.starts_with("mkdir") && line.ends_with("= 0") && (line.contains(&whole) || line.contains(&below))
        };
        let mkdir = calls.iter().position(is).unwrap_or_else(|| panic!("{made:?} in {calls:#?}"));
        let first_object = calls.iter().position(|line| line.starts_with("renameat2(")).unwrap();
        assert!(synced_after(mkdir, parent).is_some_and(|sync| sync < first_object), "{made:?} in {calls:#?}");
    }
    // Every object: last write, fsync, rename, fsync of the directory, and only then the next object.
    let renames: Vec<usize> = (0..calls.len()).filter(|n| calls[*n].starts_with("renameat2(")).collect();
    assert_eq!(renames.len(), 2, "{calls:#?}");
    for (n, rename) in renames.iter().enumerate() {
        let mut quoted = calls[*rename].split('"');
        let name = quoted.nth(1).unwrap().trim_end_matches("...").to_owned();
        let last_write = calls.iter().rposition(|line| line.starts_with("write(") && line.contains(&name)).unwrap();
        let sync = calls[last_write..].iter().position(|line| line.starts_with("fsync(") && line.contains(&name));
        assert!(sync.is_some_and(|sync| last_write + sync < *rename), "{name} in {calls:#?}");
        let published = synced_after(*rename, &root.join("shop")).unwrap_or_else(|| panic!("{name} in {calls:#?}"));
        assert!(renames.get(n + 1).is_none_or(|next| published < *next), "{name} in {calls:#?}");
    }
}

#[test]
fn a_full_disk_at_any_call_is_the_specified_sentence_and_leaves_nothing() {
    let syscalls = ["fallocate", "write", "pwrite64", "mkdir", "mkdirat", "fsync"];
    fail_each(&syscalls, "ENOSPC", |text, _, _| {
        assert!(text.starts_with("NoSpace|Not enough disk space|"), "{text}");
    });
}

#[test]
fn an_error_of_fsync_is_never_a_success() {
    fail_each(&["fsync", "fdatasync"], "EIO", |text, _, _| assert!(text.starts_with("Failed|"), "{text}"));
}

#[test]
fn a_file_system_without_rename_noreplace_or_fallocate_works_as_well() {
    for (syscall, error) in [("renameat2", "EINVAL"), ("fallocate", "EOPNOTSUPP"), ("renameat2", "ENOSYS")] {
        fail_each_once_good(syscall, error);
    }
}

fn fail_each_once_good(syscall: &str, error: &'static str) {
    let directory = tempfile::tempdir().unwrap();
    let (root, outcome) = (directory.path().join("r"), directory.path().join("outcome"));
    let mut command = child("child_puts_one_of_each", &root, &outcome);
    faults::inject(&mut command, &[syscall], Action::Fail(error), 1);
    assert_eq!(fs::read_to_string(&outcome).unwrap(), "good", "{syscall} {error}");
    assert_eq!(tree(&root), [".recoup", "shop", "shop/bytes.zip", "shop/staged.db"]);
}

#[test]
#[ignore = "child of other tests"]
fn child_fills_its_disk() {
    let root = variable(ROOT);
    let destination = open(&root);
    put(&destination, "shop/old.zip", &noise(9, 50_000)).unwrap();
    let rounds = if faults::soak() { 64 } else { 12 };
    let (mut good, mut full) = (0, 0);
    for round in 0..rounds {
        let filler = root.join("filler");
        let free = destination.free_bytes().unwrap().unwrap();
        let taken = free - free * round / rounds;
        fs::write(&filler, noise(1, usize::try_from(taken).unwrap())).unwrap();
        let bytes = noise(round + 2, 700_000);
        let error = match put(&destination, "shop/new.zip", &bytes) {
            Ok(_) => {
                good += 1;
                destination.delete("shop/new.zip").unwrap();
                continue;
            }
            Err(error) => error,
        };
        full += 1;
        assert_eq!((error.kind(), error.message()), (ErrorKind::NoSpace, "Not enough disk space"));
        assert!(error.detail().contains("bytes are free in"), "{}", error.detail());
        assert_eq!(tree(&root), ["filler", "shop", "shop/old.zip"]);
        fs::remove_file(&filler).unwrap();
    }
    assert!(good > 0 && full > 0, "{good} good, {full} full");
    // No inodes left, though there are bytes.
    drop(fs::remove_file(root.join("filler")));
    let mut n = 0;
    while fs::write(root.join(format!("empty-{n}")), "").is_ok() {
        n += 1;
    }
    assert_eq!(destination.free_bytes().unwrap(), Some(0));
    assert_eq!(put(&destination, "shop/new.zip", b"x").unwrap_err().kind(), ErrorKind::NoSpace);
    destination.delete("empty-0").unwrap();
    put(&destination, "shop/new.zip", b"x").unwrap();
    fs::write(variable(OUTCOME), "done").unwrap();
}

#[test]
#[ignore = "child of other tests"]
fn child_loses_write_access() {
    let root = variable(ROOT);
    let destination = open(&root);
    put(&destination, "shop/old.zip", b"x").unwrap();
    let output = faults::run(Command::new("mount").args(["-o", "remount,ro"]).arg(&root));
    assert!(output.status.success(), "{}", faults::text(&output));
    for error in [
        put(&destination, "shop/new.zip", b"y").unwrap_err(),
        put(&destination, "new/new.zip", b"y").unwrap_err(),
        destination.delete("shop/old.zip").unwrap_err(),
        Staging::create(&destination.staging_root().unwrap()).unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "permission_denied"), "{error}");
    }
    assert_eq!(destination.list("").unwrap().len(), 1);
    let mut text = String::new();
    destination.get("shop/old.zip", 0).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "x");
    fs::write(variable(OUTCOME), "done").unwrap();
}

fn in_small_file_system(name: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (root, outcome) = (directory.path().join("root"), directory.path().join("outcome"));
    fs::create_dir(&root).unwrap();
    let command = child(name, &root, &outcome);
    let output = faults::run(&mut faults::on_tmpfs(&command, &root, "size=2m,nr_inodes=40"));
    assert!(output.status.success(), "{}", faults::text(&output));
    assert_eq!(fs::read_to_string(&outcome).unwrap(), "done");
}

#[test]
fn a_disk_that_is_full_to_any_degree_keeps_what_it_has_and_gets_no_leftovers() {
    in_small_file_system("child_fills_its_disk");
}

#[test]
fn a_destination_that_became_read_only_says_so() {
    in_small_file_system("child_loses_write_access");
}
