//! The `history` layout under `kill -9` at every system call: of a backup, of deletions whose pieces others need and of those
//! whose pieces nobody needs, and of a sweep. Whatever is listed afterwards comes back bit by bit, and in the end not one
//! piece too many is left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::destination::LocalDestination;
use recoup::format::Packed;
use recoup::model::{BackupId, Kind, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::destination::noise;
use recoup_testkit::contract::store::{at, manifest};
use recoup_testkit::faults::{self, Action, OUTCOME, ROOT, WHAT, child, variable};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::tree::files;

fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap())).with_history(std::env::temp_dir())
}

/// The state of a day: 40 blocks, of which every day changes some and adds one.
fn state(day: u64) -> Vec<u8> {
    let block = |block: u64| {
        let version = (1..=day).filter(|now| (block * 7 + now).is_multiple_of(5)).count() as u64;
        let mut bytes = b"the same words in every block ".repeat(140);
        bytes.truncate(4096);
        bytes[100..228].copy_from_slice(&noise(block * 100 + version, 128));
        bytes
    };
    (0..40 + day).flat_map(block).collect()
}

/// The day of a backup; its state follows from it.
fn day(manifest: &Manifest) -> u64 {
    u64::try_from(manifest.created_at.as_second() - at(0).as_second()).unwrap()
}

fn back_up(store: &FilesStore, day: u64, folder: &Path) -> recoup::Result<Manifest> {
    let path = folder.join("packed");
    fs::write(&path, state(day)).unwrap();
    let mut manifest = manifest("shop", at(i64::try_from(day).unwrap()), Kind::Manual);
    store.put_objects(&mut manifest, &[Packed { extension: ".db", path }], &Context::quiet())?;
    store.put_manifest(&manifest, &Context::quiet()).inspect_err(|_| store.abandon(&manifest))?;
    Ok(manifest)
}

/// Four days, of which the second has been deleted: its piece is still needed.
fn prepare(root: &Path) -> Vec<BackupId> {
    let store = on(root);
    let folder = tempfile::tempdir().unwrap();
    let all: Vec<BackupId> = (0..4).map(|day| back_up(&store, day, folder.path()).unwrap().id).collect();
    store.delete(&all[1], false).unwrap();
    all
}

#[test]
#[ignore = "child of other tests"]
fn child_works() {
    let (root, what) = (variable(ROOT), std::env::var(WHAT).unwrap());
    let folder = tempfile::tempdir_in(variable(OUTCOME)).unwrap();
    let late = HandClock::at(Timestamp::now() + SignedDuration::from_hours(25));
    faults::begin();
    match what.as_str() {
        "back up" => drop(back_up(&on(&root), 9, folder.path()).unwrap()),
        "sweep" => drop(on(&root).with_clock(late).sweep().unwrap()),
        delete => {
            let (how, id) = delete.split_once(' ').unwrap();
            let id = id.parse().unwrap();
            match how {
                "delete" => on(&root).delete(&id, false).unwrap(),
                _ => drop(on(&root).discard(&id, false).unwrap()),
            }
        }
    }
    faults::end();
}

const SYSCALLS: [&str; 14] = [
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "linkat",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "flock",
];

/// Every backup that is listed comes back; which days those are.
fn whole(root: &Path, doing: &str) -> BTreeSet<u64> {
    let store = on(root);
    let listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{doing}: {:?}", listing.damaged);
    let scratch = tempfile::tempdir().unwrap();
    for listed in &listing.backups {
        assert!(listed.missing.is_empty(), "{doing}: {:?}", listed.missing);
        let manifest = &listed.manifest;
        let path = store.fetch(manifest, &manifest.objects[0], scratch.path(), &Context::quiet()).unwrap();
        assert!(fs::read(path).unwrap() == state(day(manifest)), "{doing}");
    }
    listing.backups.iter().map(|listed| day(&listed.manifest)).collect()
}

/// After a day and a sweep there is nothing that no backup needs.
fn tidy(root: &Path, doing: &str) {
    let late = HandClock::at(Timestamp::now() + SignedDuration::from_hours(25));
    let store = on(root).with_clock(late);
    // One for the trash of what was about to be deleted, one for what that lets go.
    store.sweep().unwrap();
    store.sweep().unwrap();
    let mut needed: BTreeSet<String> = BTreeSet::new();
    for listed in store.list(None).unwrap().backups {
        needed.insert(format!("shop/{}.manifest.json", listed.manifest.file_stem()));
        needed.extend(listed.manifest.stored().iter().map(|object| format!("shop/{}", object.name)));
    }
    let there: BTreeSet<String> = files(root).into_iter().filter(|name| !name.starts_with(".recoup")).collect();
    assert_eq!(there, needed, "{doing}");
}

/// Kills the work at every one of its calls. `expected` gives the days that may be listed afterwards.
fn kill_everywhere(prepared: impl Fn(&Path) -> String, expected: &[&[u64]]) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let scratch = directory.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let command = |root: &Path, what: &str| -> Command {
        let mut command = child("child_works", root, &scratch);
        command.env(WHAT, what);
        command
    };
    let root = directory.path().join("count");
    let what = prepared(&root);
    let points = faults::points(&mut command(&root, &what), &SYSCALLS);
    assert!(points.len() > 10, "{points:?}");
    let mut seen = BTreeSet::new();
    for point in &points {
        let root = directory.path().join("root");
        let what = prepared(&root);
        let doing = format!("{what} killed at {point:?}");
        let status = faults::inject(&mut command(&root, &what), &[&point.syscall], Action::Kill, point.nth);
        assert_eq!(status.signal(), Some(9), "{doing}");
        let days = whole(&root, &doing);
        let found = expected.iter().position(|expected| days.iter().copied().eq(expected.iter().copied()));
        seen.insert(found.unwrap_or_else(|| panic!("{doing}: {days:?}")));
        tidy(&root, &doing);
        assert_eq!(whole(&root, &doing), days, "{doing}");
        // And life goes on.
        let folder = tempfile::tempdir().unwrap();
        back_up(&on(&root), 20, folder.path()).unwrap();
        whole(&root, &doing);
        fs::remove_dir_all(root).unwrap();
    }
    assert_eq!(seen.len(), expected.len(), "{expected:?}");
    points.len()
}

#[test]
fn a_backup_killed_at_any_call_is_whole_or_nothing() {
    let prepared = |root: &Path| {
        prepare(root);
        "back up".to_owned()
    };
    let points = kill_everywhere(prepared, &[&[0, 2, 3], &[0, 2, 3, 9]]);
    assert!(points > 60, "{points}");
}

#[test]
fn a_backup_without_its_last_capture_killed_at_any_call_is_whole_or_nothing() {
    let prepared = |root: &Path| {
        prepare(root);
        fs::remove_dir_all(root.join(".recoup/history")).unwrap();
        "back up".to_owned()
    };
    kill_everywhere(prepared, &[&[0, 2, 3], &[0, 2, 3, 9]]);
}

#[test]
fn a_deletion_killed_at_any_call_harms_no_other_backup() {
    for how in ["delete", "discard"] {
        // The first, whose piece all others need; the last, whose piece nobody needs.
        kill_everywhere(|root| format!("{how} {}", prepare(root)[0]), &[&[0, 2, 3], &[2, 3]]);
        kill_everywhere(|root| format!("{how} {}", prepare(root)[3]), &[&[0, 2, 3], &[0, 2]]);
    }
}

#[test]
fn a_sweep_killed_at_any_call_harms_no_backup() {
    let prepared = |root: &Path| {
        let all = prepare(root);
        // Manifests that somebody else removed: two pieces that nobody needs.
        for id in &all[2..] {
            let listed = on(root).list(None).unwrap();
            let stem = listed.find(id.as_str()).unwrap().manifest.file_stem();
            fs::remove_file(root.join(format!("shop/{stem}.manifest.json"))).unwrap();
        }
        "sweep".to_owned()
    };
    kill_everywhere(prepared, &[&[0]]);
}
