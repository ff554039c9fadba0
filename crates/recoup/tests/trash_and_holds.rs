//! What is removed waits a day and can be brought back by hand, also after a crash on its way; what is read is not
//! removed; files without a byte are waste.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::SignedDuration;
use recoup::destination::LocalDestination;
use recoup::model::guard::Trigger;
use recoup::model::retention::Policy;
use recoup::model::{BackupId, Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::prune::{self, Request, Rule};
use recoup::restore::Opened;
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind, verify};
use recoup_testkit::contract::store::{at, commit, files_of, manifest};
use recoup_testkit::faults::{self, Action, Point, ROOT, WHAT, child, variable};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::memory::Memory;
use recoup_testkit::refusing::{Call, Refusing};
use recoup_testkit::sample::Sample;
use recoup_testkit::tree::files;

fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap()))
}

/// Kills a child that works on a backup, and sweeps. The backup, and whether the child left it listed.
fn killed(root: &Path, (mut command, manifest): (Command, Manifest), point: &Point, doing: &str) -> (Manifest, bool) {
    let status = faults::inject(&mut command, &[&point.syscall], Action::Kill, point.nth);
    assert_eq!(status.signal(), Some(9), "{doing}");
    let store = on(root);
    let there = ids(&store).contains(&manifest.id);
    store.sweep().unwrap();
    (manifest, there)
}

fn ids(store: &dyn Store) -> Vec<BackupId> {
    store.list(None).unwrap().backups.into_iter().map(|backup| backup.manifest.id).collect()
}

fn shop(second: i64) -> Manifest {
    manifest("shop", at(second), Kind::Manual)
}

/// Brings back what lies in the trash, as a person does.
fn bring_back(store: &dyn Store, root: &Path) {
    for trashed in store.trash().unwrap() {
        let line = format!("mv -n '{}'/* '{}'", trashed.folder.display(), root.join(&trashed.plan).display());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
        fs::remove_dir(&trashed.folder).unwrap();
    }
}

#[test]
fn what_was_discarded_waits_a_day_and_comes_back_with_mv() {
    let directory = tempfile::tempdir().unwrap();
    let clock = HandClock::at(at(0));
    let store = on(directory.path()).with_clock(clock.clone());
    let kept = commit(&store, shop(0), 1);
    let gone = commit(&store, shop(1), 2);
    store.set_protected(&gone.id, true, &Context::quiet()).unwrap();
    let before = files(directory.path());
    assert_eq!(store.discard(&gone.id, false).unwrap_err().code(), "protected");
    assert!(store.discard(&gone.id, true).unwrap());
    assert_eq!(ids(&store), std::slice::from_ref(&kept.id));
    let trashed = store.trash().unwrap();
    assert_eq!(trashed.len(), 1);
    assert_eq!((trashed[0].stem.as_str(), trashed[0].plan.as_str()), (gone.file_stem().as_str(), "shop"));
    assert_eq!(trashed[0].until.duration_since(trashed[0].since), SignedDuration::from_hours(24));
    assert!(trashed[0].bytes > gone.stored_bytes());

    clock.forward(23);
    assert_eq!(store.sweep().unwrap(), [""; 0]);
    bring_back(&store, directory.path());
    assert_eq!(ids(&store), [gone.id.clone(), kept.id.clone()]);
    assert_eq!(files(directory.path()), before);
    assert!(store.list(None).unwrap().backups[0].protected);

    store.discard(&gone.id, true).unwrap();
    clock.forward(25);
    store.sweep().unwrap();
    assert_eq!((store.trash().unwrap().len(), ids(&store)), (0, vec![kept.id]));
    assert_eq!(fs::read_dir(directory.path().join(".recoup/trash")).unwrap().count(), 0);
}

#[test]
fn what_is_put_back_is_what_it_was_until_its_day_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let clock = HandClock::at(at(0));
    let store = on(directory.path()).with_clock(clock.clone());
    let kept = commit(&store, shop(0), 1);
    let gone = commit(&store, shop(1), 2);
    let before = files(directory.path());
    store.discard(&gone.id, false).unwrap();
    let context = Context::quiet();
    let missing = |error: Error| (error.kind(), error.code().to_owned());
    let not_there = (ErrorKind::NotFound, "trash_missing".to_owned());
    assert_eq!(missing(store.put_back(&kept.file_stem(), false, &context).unwrap_err()), not_there);
    assert_eq!(missing(store.put_back("../../etc", false, &context).unwrap_err()), not_there);
    assert_eq!(store.put_back(&gone.file_stem(), false, &context).unwrap().id, gone.id);
    assert_eq!((files(directory.path()), store.trash().unwrap().len()), (before.clone(), 0));
    assert_eq!(missing(store.put_back(&gone.file_stem(), false, &context).unwrap_err()), not_there);

    // Protected, because retention would take it again.
    store.discard(&gone.id, false).unwrap();
    store.put_back(&gone.file_stem(), true, &context).unwrap();
    assert!(store.list(None).unwrap().find(gone.id.as_str()).unwrap().protected);
    assert_eq!(store.discard(&gone.id, false).unwrap_err().code(), "protected");

    // What it was protected with comes back too.
    store.discard(&gone.id, true).unwrap();
    store.put_back(&gone.file_stem(), false, &context).unwrap();
    assert!(store.list(None).unwrap().find(gone.id.as_str()).unwrap().protected);
    store.set_protected(&gone.id, false, &context).unwrap();
    assert_eq!(files(directory.path()), before);

    store.discard(&gone.id, false).unwrap();
    clock.forward(25);
    assert_eq!(missing(store.put_back(&gone.file_stem(), false, &context).unwrap_err()), not_there);
    assert_eq!(ids(&store), [kept.id]);
}

#[test]
fn what_is_not_whole_in_the_trash_stays_there_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let gone = commit(&store, shop(0), 1);
    store.discard(&gone.id, false).unwrap();
    let folder = store.trash().unwrap().remove(0).folder;
    fs::write(folder.join(&gone.objects[0].name), "shorter").unwrap();
    let before = files(directory.path());
    let error = store.put_back(&gone.file_stem(), true, &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted, "{error}");
    assert!(format!("{error:?}").contains(&gone.objects[0].name), "{error:?}");
    assert_eq!((files(directory.path()), ids(&store)), (before, vec![]));
}

#[test]
fn a_piece_of_a_history_comes_back_from_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let (root, scratch) = (folder.path().join("root"), folder.path().join("scratch"));
    fs::create_dir(&scratch).unwrap();
    let store = || on(&root).with_history(scratch.clone());
    let first = commit(&store(), shop(0), 1);
    let second = commit(&store(), shop(1), 2);
    for id in [&first.id, &second.id] {
        assert!(store().discard(id, false).unwrap());
    }
    // As an older version left them: the pieces of one with another that went after it.
    let trashed = store().trash().unwrap();
    let folder_of = |manifest: &Manifest| {
        let stem = manifest.file_stem();
        trashed.iter().find(|trashed| trashed.stem == stem).unwrap().folder.clone()
    };
    let mut moved = 0;
    for entry in fs::read_dir(root.join("shop")).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if name.to_str().unwrap().ends_with(".history") {
            fs::rename(entry.path(), folder_of(&first).join(name)).unwrap();
            moved += 1;
        }
    }
    assert!(moved > 0, "{:?}", files(&root));
    store().put_back(&second.file_stem(), false, &Context::quiet()).unwrap();
    let listing = store().list(None).unwrap();
    let listed = listing.find(second.id.as_str()).unwrap();
    assert_eq!(listed.missing, [""; 0]);
    verify::run(&store(), listed, Level::Checksum, &scratch, &Context::quiet()).unwrap();
    store().put_back(&first.file_stem(), false, &Context::quiet()).unwrap();
    assert!(store().list(None).unwrap().backups.iter().all(|listed| listed.missing.is_empty()));
}

#[test]
#[ignore = "child of other tests"]
fn child_puts_back() {
    let (root, stem) = (variable(ROOT), std::env::var(WHAT).unwrap());
    faults::begin();
    on(&root).put_back(&stem, true, &Context::quiet()).unwrap();
    faults::end();
}

#[test]
fn a_backup_that_is_killed_on_its_way_back_is_back_or_in_the_trash() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let prepare = || {
        let manifest = commit(&on(&root), shop(1), 2);
        on(&root).discard(&manifest.id, true).unwrap();
        let mut command = child("child_puts_back", &root, Path::new("/"));
        command.env(WHAT, manifest.file_stem());
        (command, manifest)
    };
    let calls = ["openat", "fsync", "renameat", "renameat2", "mkdirat", "unlinkat", "unlink", "rmdir", "flock"];
    let points = faults::points(&mut prepare().0, &calls);
    for listed in on(&root).list(None).unwrap().backups {
        on(&root).delete(&listed.manifest.id, true).unwrap();
    }
    on(&root).empty_trash(true).unwrap();
    let mut outcomes = [0, 0];
    for point in points {
        let doing = format!("put back killed at {point:?}");
        let (manifest, there) = killed(&root, prepare(), &point, &doing);
        let store = on(&root);
        if !there {
            assert_eq!(store.trash().unwrap().len(), 1, "{doing}");
            store.put_back(&manifest.file_stem(), true, &Context::quiet()).unwrap_or_else(|e| panic!("{doing}: {e}"));
        }
        let listing = store.list(None).unwrap();
        let listed = listing.find(manifest.id.as_str()).unwrap();
        assert!(listing.damaged.is_empty() && listed.protected && listed.missing.is_empty(), "{doing}: {listed:?}");
        outcomes[usize::from(there)] += 1;
        store.delete(&manifest.id, true).unwrap();
        store.empty_trash(true).unwrap();
        let left: Vec<String> = files(&root).into_iter().filter(|name| !name.starts_with(".recoup")).collect();
        assert_eq!(left, [""; 0], "{doing}");
    }
    assert!(outcomes[0] > 2 && outcomes[1] > 0, "{outcomes:?}");
}

#[test]
fn folders_in_the_trash_that_are_not_ours_stay() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    for name in ["notes", "20270115T080000Z-notes", "20270115T080000Z"] {
        fs::create_dir_all(directory.path().join(".recoup/trash").join(name)).unwrap();
    }
    assert_eq!(store.empty_trash(true).unwrap(), []);
    assert_eq!(fs::read_dir(directory.path().join(".recoup/trash")).unwrap().count(), 3);
}

#[test]
#[ignore = "child of other tests"]
fn child_discards() {
    let (root, id) = (variable(ROOT), std::env::var(WHAT).unwrap());
    let id: BackupId = id.parse().unwrap();
    faults::begin();
    on(&root).discard(&id, true).unwrap();
    faults::end();
}

#[test]
fn a_discard_killed_at_any_call_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let kept = commit(&on(&root), shop(0), 1);
    let prepare = || {
        let manifest = commit(&on(&root), shop(1), 2);
        on(&root).set_protected(&manifest.id, true, &Context::quiet()).unwrap();
        let mut command = child("child_discards", &root, Path::new("/"));
        command.env(WHAT, manifest.id.as_str());
        (command, manifest)
    };
    let calls = ["openat", "fsync", "renameat", "renameat2", "mkdirat", "unlinkat", "unlink", "flock"];
    let points = faults::points(&mut prepare().0, &calls);
    on(&root).empty_trash(true).unwrap();
    let mut outcomes = [0, 0];
    for point in points {
        let doing = format!("discard killed at {point:?}");
        let (manifest, there) = killed(&root, prepare(), &point, &doing);
        let store = on(&root);
        if !there {
            bring_back(&store, &root);
        }
        let listing = store.list(None).unwrap();
        assert!(listing.damaged.is_empty(), "{doing}");
        let listed = listing.find(manifest.id.as_str()).unwrap();
        assert!(listed.protected && listed.missing.is_empty(), "{doing}: {listed:?}");
        let mut expected = files_of(&[&kept, &manifest]);
        expected.push(format!("shop/{}.protected", manifest.file_stem()));
        expected.sort();
        let found: Vec<String> = files(&root).into_iter().filter(|name| !name.starts_with(".recoup")).collect();
        assert_eq!(found, expected, "{doing}");
        outcomes[usize::from(there)] += 1;
        store.delete(&manifest.id, true).unwrap();
        store.empty_trash(true).unwrap();
    }
    assert!(outcomes[0] > 2 && outcomes[1] > 2, "{outcomes:?}");
}

#[test]
fn a_full_disk_gets_its_space_from_the_trash_before_a_backup_fails() {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalDestination::open(directory.path(), true).unwrap();
    let trash = directory.path().join(".recoup/trash");
    // Full until something is taken from its trash.
    let refuses = move |call: Call<'_>| {
        let full = fs::read_dir(&trash).is_ok_and(|mut entries| entries.next().is_some());
        (full && matches!(call, Call::Put(_))).then(|| Error::no_space("the trash is full"))
    };
    let store = FilesStore::new(Arc::new(Refusing { inner: local, refuses }));
    let old = commit(&store, shop(0), 1);
    store.discard(&old.id, false).unwrap();
    let new = commit(&store, shop(1), 2);
    assert_eq!(ids(&store), [new.id]);
    assert_eq!(store.trash().unwrap(), []);
}

// --- holds ---

#[test]
fn a_backup_that_somebody_reads_is_neither_deleted_nor_discarded() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let manifest = commit(&store, shop(0), 1);
    let other = commit(&store, shop(1), 2);
    let first = store.hold(&manifest).unwrap().unwrap();
    // Another store on the same directory, as another command has it.
    let second = on(directory.path()).hold(&manifest).unwrap().unwrap();
    drop(first);
    for force in [false, true] {
        let error = on(directory.path()).delete(&manifest.id, force).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "backup_in_use"));
        assert_eq!(store.discard(&manifest.id, force).unwrap_err().code(), "backup_in_use");
    }
    let in_use: Vec<bool> = store.list(None).unwrap().backups.iter().map(|listed| listed.in_use).collect();
    assert_eq!(in_use, [false, true]);
    store.delete(&other.id, false).unwrap();
    drop(second);
    assert!(!store.list(None).unwrap().backups[0].in_use);
    store.delete(&manifest.id, false).unwrap();
    assert_eq!(store.hold(&manifest).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(files(directory.path()), [""; 0], "nothing of holds is left");
}

#[test]
fn the_hold_of_a_killed_process_holds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let manifest = commit(&store, shop(0), 1);
    let mark = format!(".recoup/hold-{}-{}.lease", manifest.file_stem(), BackupId::generate(at(0)));
    let script = "import fcntl, sys, time\nfile = open(sys.argv[1], 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\n\
                  print('held', flush=True)\ntime.sleep(600)";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(directory.path().join(&mark)).stdout(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    assert_eq!(store.delete(&manifest.id, true).unwrap_err().code(), "backup_in_use");
    holder.kill().unwrap();
    holder.wait().unwrap();
    store.delete(&manifest.id, true).unwrap();
    assert_eq!(files(directory.path()), [""; 0]);
}

#[test]
fn a_verification_reads_under_a_hold_and_lets_go_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let manifest = commit(&store, shop(0), 1);
    let seen = std::sync::Mutex::new(None);
    struct Watch<'a>(&'a Path, &'a BackupId, &'a std::sync::Mutex<Option<String>>);
    impl Watch<'_> {
        fn try_to_delete(&self) {
            let error = on(self.0).delete(self.1, true).unwrap_err();
            *self.2.lock().unwrap() = Some(error.code().to_owned());
        }
    }
    let watch = Watch(directory.path(), &manifest.id, &seen);
    let backups = store.list(None).unwrap().backups;
    std::thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let (done, finished) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            receive.recv().unwrap();
            watch.try_to_delete();
            done.send(()).unwrap();
        });
        struct Tell(std::sync::Mutex<Option<(std::sync::mpsc::Sender<()>, std::sync::mpsc::Receiver<()>)>>);
        impl recoup::progress::Observer for Tell {
            fn phase(&self, _: recoup::progress::Phase, _: &str, _: Option<u64>) {
                if let Some((send, finished)) = self.0.lock().unwrap().take() {
                    send.send(()).unwrap();
                    finished.recv().unwrap();
                }
            }
        }
        let observer = Arc::new(Tell(std::sync::Mutex::new(Some((send, finished)))));
        let context = Context { observer, ..Context::quiet() };
        let scratch = tempfile::tempdir().unwrap();
        verify::run(&store, &backups[0], Level::Checksum, scratch.path(), &context).unwrap();
    });
    assert_eq!(seen.lock().unwrap().as_deref(), Some("backup_in_use"));
    store.delete(&manifest.id, true).unwrap();
}

#[test]
fn a_backup_that_is_opened_for_a_restore_is_kept_by_every_way_of_removing_it() {
    let sample = Sample::new();
    let made = sample.back_up().manifest;
    sample.back_up();
    let scratch = tempfile::tempdir_in(sample.path()).unwrap();
    let store = sample.store();
    let listing = store.list(None).unwrap();
    let listed = listing.find(made.id.as_str()).unwrap();
    let opened = Opened::stored(store.as_ref(), listed, scratch.path(), &Context::quiet()).unwrap();
    let policy = Policy { keep_count: 1, ..Policy::default() };
    let rule = Rule::Policy { policy: &policy, once: false };
    let request = Request { plan: "shop", rule, trigger: Trigger::Command, confirmed: None, damaged: &[] };
    assert_eq!(sample.store().delete(&made.id, true).unwrap_err().code(), "backup_in_use");
    let report = prune::run(sample.store().as_ref(), &request, &Context::quiet()).unwrap();
    let reasons = |report: &prune::Report| report.preview.entries[1].decision.reasons.clone();
    assert_eq!((report.deleted.len(), reasons(&report)), (0, vec!["it is in use".to_owned()]));
    drop(opened);
    assert_eq!(prune::run(sample.store().as_ref(), &request, &Context::quiet()).unwrap().deleted, [made.id]);
}

#[test]
fn a_remote_destination_holds_nothing_and_has_no_trash() {
    let store = FilesStore::new(Arc::new(Memory::default()));
    let manifest = commit(&store, shop(0), 1);
    assert!(store.hold(&manifest).unwrap().is_none());
    assert!(!store.discard(&manifest.id, false).unwrap());
    assert_eq!((ids(&store), store.trash().unwrap()), (vec![], vec![]));
}

// --- waste ---

#[test]
fn files_of_ours_without_a_byte_are_waste_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let manifest = commit(&store, shop(0), 1);
    let path = |name: &str| directory.path().join("shop").join(name);
    let empty = "shop-20270115T080000Z-k3f9qz.zip";
    for name in [empty, "shop-20270115T080000Z-k3f9q0.zip.bak", "mine.zip"] {
        fs::write(path(name), "").unwrap();
    }
    fs::write(path("shop-20270115T080000Z-k3f9q1.zip"), "unannounced").unwrap();
    // Damage of a backup is not waste: its manifest says what should be there.
    fs::write(path(&manifest.objects[0].name), "").unwrap();
    let mut expected = files(directory.path());
    assert_eq!(store.sweep().unwrap(), [format!("shop/{empty}")]);
    expected.retain(|name| !name.ends_with(empty));
    assert_eq!(files(directory.path()), expected);
}
