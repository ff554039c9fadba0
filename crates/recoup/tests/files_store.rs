//! The `files` store: the contract on a directory and on a remote destination, damage, leftovers, finding a
//! backup, several processes at once, and `kill -9` at every system call of a commit and of a deletion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::ErrorKind;
use recoup::destination::{Destination, LocalDestination, Staging};
use recoup::format::Packed;
use recoup::model::{BackupId, Kind, Manifest};
use recoup::progress::{Context, Observer};
use recoup::store::{FilesStore, Listing, Store};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{at, commit, manifest, packed};
use recoup_testkit::faults::{self, Action};
use recoup_testkit::memory::Memory;

fn fresh() -> Fixture<dyn Store> {
    let directory = tempfile::tempdir().unwrap();
    Fixture { subject: Arc::new(on(directory.path())), keep: Box::new(directory) }
}
recoup_testkit::store_contract!(fresh);

mod remote {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        Fixture { subject: Arc::new(FilesStore::new(Arc::new(Memory::default()))), keep: Box::new(()) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap()))
}

fn ids(store: &dyn Store) -> Vec<BackupId> {
    store.list(None).unwrap().backups.into_iter().map(|backup| backup.manifest.id).collect()
}

/// Every file below a directory, dot-names too, sorted, relative.
fn files(root: &Path) -> Vec<String> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                walk(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

/// The files that these backups consist of.
fn files_of(manifests: &[&Manifest]) -> Vec<String> {
    let mut names: Vec<String> = manifests
        .iter()
        .flat_map(|m| {
            let objects = m.objects.iter().map(|object| object.name.clone());
            objects.chain([format!("{}.manifest.json", m.file_stem())]).map(|name| format!("{}/{name}", m.plan))
        })
        .collect();
    names.sort();
    names
}

// --- damage ---

#[test]
fn a_damaged_manifest_is_reported_and_the_others_are_listed() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let all: Vec<Manifest> =
        (0..6).map(|i| commit(&store, manifest("shop", at(i), Kind::Manual), i.unsigned_abs())).collect();
    let path = |i: usize| directory.path().join(format!("shop/{}.manifest.json", all[i].file_stem()));
    let flip = |i: usize| {
        let mut bytes = fs::read(path(i)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(path(i), bytes).unwrap();
    };
    flip(0);
    fs::write(path(1), "").unwrap();
    fs::copy(path(5), path(2)).unwrap();
    // Sealed correctly, by somebody who wants our readers elsewhere.
    let mut hostile = all[3].clone();
    hostile.objects[0].name = "../../etc/passwd".into();
    fs::write(path(3), hostile.to_json().unwrap()).unwrap();

    let listing = store.list(None).unwrap();
    assert_eq!(ids(&store), [all[5].id.clone(), all[4].id.clone()]);
    let damaged: Vec<&str> = listing.damaged.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(damaged, (0..4).map(|i| format!("shop/{}.manifest.json", all[i].file_stem())).collect::<Vec<_>>());
    assert!(listing.damaged.iter().all(|(_, error)| error.kind() == ErrorKind::Corrupted));
    for name in [all[0].file_stem(), format!("{}.db", all[0].file_stem()), all[0].id.tail().to_uppercase()] {
        assert_eq!(listing.find(&name).unwrap_err().message(), "Backup file is corrupted", "{name}");
    }
    assert_eq!(store.delete(&all[0].id, true).unwrap_err().kind(), ErrorKind::Corrupted);
    store.delete(&all[4].id, false).unwrap();
}

#[test]
fn a_missing_or_shortened_object_is_told_by_the_list() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let whole = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    let lost = commit(&store, manifest("shop", at(1), Kind::Manual), 2);
    let short = commit(&store, manifest("shop", at(2), Kind::Manual), 3);
    fs::remove_file(directory.path().join("shop").join(&lost.objects[1].name)).unwrap();
    fs::write(directory.path().join("shop").join(&short.objects[0].name), noise(3, 9_999)).unwrap();
    let listing = store.list(None).unwrap();
    let missing: Vec<&[String]> = listing.backups.iter().map(|backup| backup.missing.as_slice()).collect();
    assert_eq!(missing, [&[short.objects[0].name.clone()][..], &[lost.objects[1].name.clone()], &[]]);
    // `latest` is one that can be restored.
    assert_eq!(listing.find("latest").unwrap().manifest.id, whole.id);
    let scratch = tempfile::tempdir().unwrap();
    let error = store.fetch(&lost, &lost.objects[1], scratch.path(), &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_download_that_is_not_what_was_stored_is_refused() {
    let memory = Arc::new(Memory::default());
    let store = FilesStore::new(memory.clone());
    let manifest = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    let key = format!("shop/{}", manifest.objects[0].name);
    memory.tamper(&key, Some(noise(99, 10_000)));
    let scratch = tempfile::tempdir().unwrap();
    let error = store.fetch(&manifest, &manifest.objects[0], scratch.path(), &Context::quiet()).unwrap_err();
    assert_eq!(error.message(), "Backup file is corrupted");
    assert_eq!(files(scratch.path()), Vec::<String>::new());
}

// --- finding ---

#[test]
fn a_backup_is_found_by_what_people_call_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let old = commit(&store, manifest("shop", at(0), Kind::Scheduled), 1);
    let new = commit(&store, manifest("blog", at(100), Kind::Manual), 2);
    let safety = commit(&store, manifest("shop", at(200), Kind::PreRestore), 3);
    let listing = store.list(None).unwrap();
    let find = |reference: &str| listing.find(reference).map(|backup| backup.manifest.id.clone());
    let id = old.id.as_str();
    for reference in [
        id.to_owned(),
        id.to_lowercase(),
        id[..20].to_owned(),
        id[..20].to_lowercase(),
        old.id.tail(),
        old.id.tail().to_uppercase(),
        old.file_stem(),
        format!("{}.db", old.file_stem()),
        format!("{}.json", old.file_stem()),
        format!("{}.manifest.json", old.file_stem()),
        format!("shop/{}.db", old.file_stem()),
    ] {
        assert_eq!(find(&reference).unwrap(), old.id, "{reference}");
    }
    assert_eq!(find("latest").unwrap(), new.id);
    let error = find("0").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Usage, "backup_ambiguous"));
    for candidate in [&old, &new, &safety] {
        assert!(error.message().contains(candidate.id.as_str()), "{error}");
    }
    for reference in ["", "nothing", "shop", "blog/x", &format!("blog/{}.db", old.file_stem())] {
        let error = find(reference).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "backup_missing"), "{reference}");
        assert!(error.hint_text().unwrap().contains("recoup list"));
    }
    assert_eq!(Listing::default().find("latest").unwrap_err().code(), "backup_missing");
}

// --- leftovers ---

/// A store that dies between the data and the manifest: what a killed process leaves.
fn die_before_the_manifest(root: &Path, second: i64) -> Manifest {
    let store = on(root);
    let (packed, _keep) = packed(50, 5000);
    let mut manifest = manifest("shop", at(second), Kind::Manual);
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    let lease = root.join(".recoup").join(format!("{}.lease", manifest.file_stem()));
    drop(store);
    // Dropping let go of the lease politely; a killed process leaves the file.
    fs::write(lease, "").unwrap();
    manifest
}

#[test]
fn data_of_a_dead_run_is_swept_and_data_that_nobody_announced_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let store = on(root);
    let finished = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    let dead = die_before_the_manifest(root, 1);
    // A backup whose manifest somebody lost, and files with names that are nearly ours.
    let orphan = commit(&store, manifest("shop", at(2), Kind::Manual), 2);
    fs::remove_file(root.join(format!("shop/{}.manifest.json", orphan.file_stem()))).unwrap();
    let foreign = [
        format!("shop/{}.zip.bak", dead.file_stem()),
        format!("shop/{}", dead.file_stem()),
        format!("shop/{}.txt", dead.file_stem()),
        format!("other/{}.zip", dead.file_stem()),
        format!("{}.zip", dead.file_stem()),
        "shop/photo.zip".into(),
    ];
    fs::create_dir(root.join("other")).unwrap();
    for name in &foreign {
        fs::write(root.join(name), "foreign").unwrap();
    }
    fs::write(root.join(".recoup/notes.lease"), "").unwrap();

    let expected: Vec<String> = dead.objects.iter().map(|object| format!("shop/{}", object.name)).collect();
    assert_eq!(store.sweep().unwrap(), expected);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    let mut left = files_of(&[&finished]);
    left.extend(orphan.objects.iter().map(|object| format!("shop/{}", object.name)));
    left.extend(foreign);
    left.push(".recoup/notes.lease".into());
    left.sort();
    assert_eq!(files(root), left);
}

#[test]
fn a_run_that_died_after_its_manifest_keeps_its_backup() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let finished = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    fs::write(directory.path().join(format!(".recoup/{}.lease", finished.file_stem())), "").unwrap();
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    assert_eq!(files(directory.path()), files_of(&[&finished]));
}

#[test]
fn a_sweep_by_another_process_leaves_a_working_run_alone() {
    struct Sweeps(PathBuf);
    impl Observer for Sweeps {
        fn advance(&self, _: u64) {
            assert_eq!(on(&self.0).sweep().unwrap(), Vec::<String>::new());
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let context = Context { observer: Arc::new(Sweeps(directory.path().to_owned())), ..Context::quiet() };
    let (packed, _keep) = packed(1, 10_000);
    let mut manifest = manifest("shop", at(0), Kind::Manual);
    store.put_objects(&mut manifest, &packed, &context).unwrap();
    assert_eq!(on(directory.path()).sweep().unwrap(), Vec::<String>::new());
    store.put_manifest(&manifest, &context).unwrap();
    assert_eq!(files(directory.path()), files_of(&[&manifest]));
}

#[test]
fn without_locks_a_run_counts_as_dead_after_a_day() {
    let memory = Arc::new(Memory::default());
    let finished = commit(&FilesStore::new(memory.clone()), manifest("shop", at(0), Kind::Manual), 1);
    let (packed, _keep) = packed(5, 5000);
    let mut dead = manifest("shop", at(1), Kind::Manual);
    FilesStore::new(memory.clone()).put_objects(&mut dead, &packed, &Context::quiet()).unwrap();
    let store = FilesStore::new(memory.clone());
    memory.age(SignedDuration::from_hours(23));
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    memory.age(SignedDuration::from_hours(2));
    let expected: Vec<String> = dead.objects.iter().map(|object| format!("shop/{}", object.name)).collect();
    assert_eq!(store.sweep().unwrap(), expected);
    let left: Vec<String> = memory.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(left, files_of(&[&finished]));
}

#[test]
fn a_commit_whose_network_fails_at_any_call_is_whole_or_swept() {
    for nth in 1.. {
        let memory = Arc::new(Memory::default());
        let store = FilesStore::new(memory.clone());
        let (packed, _keep) = packed(5, 5000);
        let mut manifest = manifest("shop", at(1), Kind::Manual);
        memory.fail_at(Some(nth));
        let result = store.put_objects(&mut manifest, &packed, &Context::quiet());
        let result = result.and_then(|()| store.put_manifest(&manifest, &Context::quiet()));
        if result.is_err() {
            store.abandon(&manifest);
        }
        memory.fail_at(None);
        memory.age(SignedDuration::from_hours(25));
        store.sweep().unwrap();
        let left: Vec<String> = memory.list("").unwrap().into_iter().map(|object| object.key).collect();
        match result {
            Ok(()) => {
                assert_eq!(left, files_of(&[&manifest]), "call {nth}");
                assert!(nth > 5);
                // A failure after the manifest is not one of the backup; beyond the last call nothing fails.
                if nth > 20 {
                    break;
                }
            }
            Err(error) => {
                assert_eq!((error.kind(), left), (ErrorKind::Unreachable, vec![]), "call {nth}");
            }
        }
    }
}

#[test]
fn a_full_disk_does_not_keep_backups_from_being_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let outcome = directory.path().join("outcome");
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let command = child("child_deletes_on_a_full_disk", &root, &outcome);
    let output = faults::run(&mut faults::on_tmpfs(&command, &root, "size=1m,nr_inodes=30"));
    assert!(output.status.success(), "{}", faults::text(&output));
    assert_eq!(fs::read_to_string(&outcome).unwrap(), "good");
}

#[test]
#[ignore = "child of other tests"]
fn child_deletes_on_a_full_disk() {
    let root = variable(ROOT);
    let store = on(&root);
    let kept = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    let gone = commit(&store, manifest("shop", at(1), Kind::Manual), 2);
    let mut n = 0;
    while fs::write(root.join(format!("filler-{n}")), noise(1, 100_000)).is_ok() {
        n += 1;
    }
    while fs::write(root.join(format!("filler-{n}")), "").is_ok() {
        n += 1;
    }
    let (packed, _keep) = packed(9, 5000);
    let mut full = manifest("shop", at(2), Kind::Manual);
    let error = store.put_objects(&mut full, &packed, &Context::quiet()).unwrap_err();
    assert_eq!(error.message(), "Not enough disk space");
    store.delete(&gone.id, false).unwrap();
    assert_eq!(ids(&store), [kept.id]);
    fs::write(variable(OUTCOME), "good").unwrap();
}

// --- other processes ---

const ROOT: &str = "RECOUP_TEST_ROOT";
const OUTCOME: &str = "RECOUP_TEST_OUTCOME";
const WHAT: &str = "RECOUP_TEST_WHAT";

fn variable(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).expect("run by another test only"))
}

fn child(name: &str, root: &Path, outcome: &Path) -> Command {
    let mut command = faults::child(name);
    command.env(ROOT, root).env(OUTCOME, outcome);
    command
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

#[test]
fn a_format_that_the_layout_does_not_know_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut packed, _keep) = packed(1, 100);
    packed.push(Packed { extension: ".exe", path: packed[0].path.clone() });
    let mut manifest = manifest("shop", Timestamp::UNIX_EPOCH, Kind::Manual);
    let error = on(directory.path()).put_objects(&mut manifest, &packed, &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "bad_objects");
    manifest.plan = "../shop".into();
    let error = on(directory.path()).put_objects(&mut manifest, &packed, &Context::quiet()).unwrap_err();
    assert_eq!(error.code(), "bad_plan_name");
    assert_eq!(files(directory.path()), Vec::<String>::new());
}
