//! The `files` store: the contract on a directory and on a remote destination, damage, leftovers, finding a
//! backup. Several processes, crashes and power cuts: `files_store_crashes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::ErrorKind;
use recoup::destination::{Destination, LocalDestination};
use recoup::format::Packed;
use recoup::model::{BackupId, Kind, Manifest};
use recoup::progress::{Context, Observer};
use recoup::store::{FilesStore, Listing, Store};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::contract::store::{at, commit, files_of, manifest, packed};
use recoup_testkit::faults::{self, OUTCOME, ROOT, child, variable};
use recoup_testkit::memory::Memory;
use recoup_testkit::tree::files;

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
