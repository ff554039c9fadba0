//! The `files` store under crashes: `kill -9`, a full disk and a failing fsync at every system call of a commit,
//! several processes at once, power cuts. Nothing half is ever listed, and a sweep leaves what is finished.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use recoup::destination::{Destination, LocalDestination, Staging};
use recoup::model::{BackupId, Kind, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{at, commit, files_of, manifest, packed};
use recoup_testkit::faults::{self, Action, OUTCOME, ROOT, WHAT, child, variable};
use recoup_testkit::tree::files;

fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap()))
}

fn ids(store: &dyn Store) -> Vec<BackupId> {
    store.list(None).unwrap().backups.into_iter().map(|backup| backup.manifest.id).collect()
}

/// Bytes of the larger object of a child's commit.
fn length() -> usize {
    if faults::soak() { 3 << 20 } else { 100_000 }
}

/// What a child is told to do: commit with files from staging (moved) or from outside (copied).
#[test]
#[ignore = "child of other tests"]
fn child_commits() {
    let (root, what) = (variable(ROOT), std::env::var(WHAT).unwrap());
    let outcome = fs::File::create(variable(OUTCOME)).unwrap();
    let (copied, _outside) = packed(70, length());
    faults::begin();
    let commit = || -> recoup::Result<()> {
        let destination = Arc::new(LocalDestination::open(&root, true)?);
        let store = FilesStore::new(destination.clone());
        let staging = Staging::create(&destination.staging_root().unwrap())?;
        let mut given = copied;
        if what == "staged" {
            for (seed, packed) in given.iter_mut().enumerate() {
                packed.path = staging.path().join(format!("packed{seed}"));
                let doing = |e| recoup::Error::io("staging", e);
                fs::write(&packed.path, noise(80 + seed as u64, length())).map_err(doing)?;
            }
        }
        let mut manifest = manifest("shop", at(7), Kind::Manual);
        store.put_objects(&mut manifest, &given, &Context::quiet())?;
        store.put_manifest(&manifest, &Context::quiet()).inspect_err(|_| store.abandon(&manifest))
    };
    let result = commit();
    faults::end();
    let text = match result {
        Ok(()) => "good".to_owned(),
        Err(error) => format!("{:?}|{}|{}", error.kind(), error.message(), error.detail()),
    };
    write!(&outcome, "{text}").unwrap();
}

#[test]
#[ignore = "child of other tests"]
fn child_deletes() {
    let (root, id) = (variable(ROOT), std::env::var(WHAT).unwrap());
    let id: BackupId = id.parse().unwrap();
    faults::begin();
    on(&root).delete(&id, true).unwrap();
    faults::end();
}

const SYSCALLS: [&str; 17] = [
    "openat",
    "write",
    "pwrite64",
    "fallocate",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "flock",
    "fchmod",
];

/// Everything listed is whole, byte for byte, and nothing else lies there after a sweep.
fn whole_and_tidy(root: &Path, doing: &str) -> Vec<BackupId> {
    let store = on(root);
    let listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{doing}: {:?}", listing.damaged);
    for backup in &listing.backups {
        assert!(backup.missing.is_empty(), "{doing}");
        assert_eq!(backup.manifest.objects.len(), 2, "{doing}");
        for object in &backup.manifest.objects {
            let bytes = fs::read(root.join("shop").join(&object.name)).unwrap();
            assert_eq!((sha256(&bytes), bytes.len() as u64), (object.sha256.clone(), object.bytes), "{doing}");
        }
    }
    store.sweep().unwrap();
    let manifests: Vec<&Manifest> = listing.backups.iter().map(|backup| &backup.manifest).collect();
    assert_eq!(files(root), files_of(&manifests), "{doing}");
    let staging: Vec<_> = fs::read_dir(root.join(".recoup")).into_iter().flatten().collect();
    assert!(staging.is_empty(), "{doing}: {staging:?}");
    ids(&store)
}

fn kill_a_commit_everywhere(what: &str) {
    let directory = tempfile::tempdir().unwrap();
    let outcome = directory.path().join("outcome");
    let command = |root: &Path| {
        let mut command = child("child_commits", root, &outcome);
        command.env(WHAT, what);
        command
    };
    // Once into a directory that is not there yet, once beside a finished backup.
    for finished in [0, 1] {
        let prepare = |name: &str| {
            let root = directory.path().join(name);
            let kept = (0..finished).map(|i| commit(&on(&root), manifest("shop", at(i), Kind::Manual), 1).id);
            let kept: Vec<BackupId> = kept.collect();
            (root, kept)
        };
        let (root, _) = prepare("count");
        let points = faults::points(&mut command(&root), &SYSCALLS);
        assert!(points.len() > 40, "{points:?}");
        fs::remove_dir_all(root).unwrap();
        let (mut before, mut after) = (0, 0);
        for point in points {
            let (root, kept) = prepare("root");
            let doing = format!("{what} commit, {finished} before, killed at {point:?}");
            let status = faults::inject(&mut command(&root), &[&point.syscall], Action::Kill, point.nth);
            assert_eq!(status.signal(), Some(9), "{doing}");
            fs::create_dir_all(&root).unwrap();
            let listed = whole_and_tidy(&root, &doing);
            assert!(kept.iter().all(|id| listed.contains(id)), "{doing}");
            match listed.len() - kept.len() {
                0 => before += 1,
                1 => after += 1,
                n => panic!("{doing}: {n} more"),
            }
            fs::remove_dir_all(root).unwrap();
        }
        assert!(before > 20 && after > 0, "{before} without, {after} with the backup");
    }
}

#[test]
fn a_commit_of_staged_files_killed_at_any_call_is_whole_or_nothing() {
    kill_a_commit_everywhere("staged");
}

#[test]
fn a_commit_of_copied_files_killed_at_any_call_is_whole_or_nothing() {
    kill_a_commit_everywhere("copied");
}

#[test]
fn a_deletion_killed_at_any_call_leaves_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let kept = commit(&on(&root), manifest("shop", at(0), Kind::Manual), 1).id;
    let prepare = || {
        let id = commit(&on(&root), manifest("shop", at(1), Kind::Manual), 2).id;
        on(&root).set_protected(&id, true, &Context::quiet()).unwrap();
        let mut command = child("child_deletes", &root, Path::new("/"));
        command.env(WHAT, id.as_str());
        (command, id)
    };
    let points = faults::points(&mut prepare().0, &SYSCALLS);
    let mut outcomes = [0, 0];
    for point in points {
        let doing = format!("deletion killed at {point:?}");
        let (mut command, id) = prepare();
        let status = faults::inject(&mut command, &[&point.syscall], Action::Kill, point.nth);
        assert_eq!(status.signal(), Some(9), "{doing}");
        let store = on(&root);
        let there = ids(&store).contains(&id);
        store.sweep().unwrap();
        if there {
            let protected = store.list(None).unwrap().find(id.as_str()).unwrap().protected;
            assert!(protected, "{doing}");
            store.delete(&id, true).unwrap();
        }
        assert_eq!(whole_and_tidy(&root, &doing), std::slice::from_ref(&kept));
        outcomes[usize::from(there)] += 1;
    }
    assert!(outcomes[0] > 2 && outcomes[1] > 2, "{outcomes:?}");
}

fn fail_a_commit_everywhere(syscalls: &[&str], error: &'static str, expected: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (root, outcome) = (directory.path().join("root"), directory.path().join("outcome"));
    let kept = commit(&on(&root), manifest("shop", at(0), Kind::Manual), 1);
    for what in ["staged", "copied"] {
        let mut command = child("child_commits", &root, &outcome);
        command.env(WHAT, what);
        let points = faults::points(&mut command, syscalls);
        for id in ids(&on(&root)).into_iter().filter(|id| *id != kept.id) {
            on(&root).delete(&id, false).unwrap();
        }
        assert!(points.len() > 5, "{points:?}");
        for point in points {
            let doing = format!("{what} commit, {error} at {point:?}");
            faults::inject(&mut command, &[&point.syscall], Action::Fail(error), point.nth);
            let text = fs::read_to_string(&outcome).unwrap();
            assert!(text.starts_with(expected), "{doing}: {text}");
            // Tidy by itself, without a sweep; only an announcement may remain.
            let left = files(&root).into_iter().filter(|name| !name.ends_with(".lease")).collect::<Vec<_>>();
            assert_eq!(left, files_of(&[&kept]), "{doing}");
            assert_eq!(whole_and_tidy(&root, &doing), std::slice::from_ref(&kept.id));
        }
    }
}

#[test]
fn a_commit_on_a_disk_that_fills_at_any_call_says_so_and_leaves_nothing() {
    fail_a_commit_everywhere(&["fallocate", "write", "mkdir", "mkdirat"], "ENOSPC", "NoSpace|Not enough disk space|");
}

#[test]
fn a_commit_whose_fsync_fails_at_any_call_is_no_backup() {
    fail_a_commit_everywhere(&["fsync", "fdatasync"], "EIO", "Failed|");
}

#[test]
fn eight_processes_that_commit_in_one_second_are_all_listed() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let rounds = if faults::soak() { 20 } else { 2 };
    for round in 1..=rounds {
        let children: Vec<_> = (0..8)
            .map(|i| {
                let what = if i % 2 == 0 { "staged" } else { "copied" };
                let outcome = directory.path().join(format!("outcome-{i}"));
                let mut command = child("child_commits", &root, &outcome);
                (command.env(WHAT, what).stdout(Stdio::null()).spawn().unwrap(), outcome)
            })
            .collect();
        // Meanwhile a ninth sweeps and lists.
        fs::create_dir_all(&root).unwrap();
        let store = on(&root);
        for _ in 0..20 {
            store.sweep().unwrap();
            let listing = store.list(None).unwrap();
            assert!(listing.damaged.is_empty() && listing.backups.iter().all(|backup| backup.missing.is_empty()));
        }
        for (mut child, outcome) in children {
            assert!(child.wait().unwrap().success());
            assert_eq!(fs::read_to_string(outcome).unwrap(), "good");
        }
        assert_eq!(whole_and_tidy(&root, "eight at once").len(), 8 * round);
    }
}

/// Cuts the power: `FS_IOC_SHUTDOWN` without flushing the log, then unmount.
fn cut_power(mount: &Path) {
    let script = "import fcntl, os, struct, sys\n\
                  fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
    for command in [Command::new("python3").args(["-c", script]).arg(mount), Command::new("umount").arg(mount)] {
        let output = faults::run(command);
        assert!(output.status.success(), "{}", faults::text(&output));
    }
}

fn cut_the_power_after_every_success(make: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let (image, disk) = (directory.path().join("image"), directory.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    let (root, outcome) = (disk.join("backups"), directory.path().join("outcome"));
    let must = |command: &mut Command| {
        let output = faults::run(command);
        assert!(output.status.success(), "{}", faults::text(&output));
    };
    fs::File::create(&image).unwrap().set_len(3 << 30).unwrap();
    must(Command::new(make[0]).args(&make[1..]).arg(&image));
    let rounds = if faults::soak() { 250 } else { 10 };
    for round in 0..=rounds {
        must(Command::new("mount").args(["-o", "loop"]).args([&image, &disk]));
        let listed = on(&root).list(None).unwrap().backups.len();
        if listed == round {
            whole_and_tidy(&root, "after a power cut");
            let mut command = child("child_commits", &root, &outcome);
            must(command.env(WHAT, if round % 2 == 0 { "staged" } else { "copied" }));
        }
        cut_power(&disk);
        assert_eq!(listed, round, "a backup called good is gone");
        assert_eq!(fs::read_to_string(&outcome).unwrap(), "good");
    }
}

#[test]
#[ignore = "needs root, a loop device and mkfs.ext4: cargo nextest run --run-ignored only power_cut"]
fn power_cut_on_ext4_after_success_loses_nothing() {
    cut_the_power_after_every_success(&["mkfs.ext4", "-q"]);
}

#[test]
#[ignore = "needs root, a loop device and mkfs.xfs: cargo nextest run --run-ignored only power_cut"]
fn power_cut_on_xfs_after_success_loses_nothing() {
    cut_the_power_after_every_success(&["mkfs.xfs", "-q", "-f"]);
}
