//! The `local` destination: the contract, and what only a directory can suffer: a vanished mount,
//! symbolic links, foreign files, leftovers of the dead. Failing system calls: `local_destination_faults.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, Lease, LocalDestination, Staging};
use recoup::progress::Context;
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::faults;
use recoup_testkit::tree::tree;

fn fresh() -> Fixture<dyn Destination> {
    let directory = tempfile::tempdir().unwrap();
    let destination = LocalDestination::open(&directory.path().join("new/root"), true).unwrap();
    Fixture { subject: Arc::new(destination), keep: Box::new(directory) }
}
recoup_testkit::destination_contract!(fresh);

mod memory {
    //! The double that other tests use keeps the same promises.
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        Fixture { subject: Arc::new(recoup_testkit::memory::Memory::default()), keep: Box::new(()) }
    }
    recoup_testkit::destination_contract!(fresh);
}

fn open(root: &Path) -> LocalDestination {
    LocalDestination::open(root, true).unwrap()
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

// --- what it may be opened on ---

#[test]
fn a_missing_directory_is_created_privately_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("a/b");
    let error = LocalDestination::open(&root, false).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, "destination_missing"));
    assert!(!directory.path().join("a").exists());
    let destination = open(&root);
    for made in [root.as_path(), &directory.path().join("a")] {
        assert_eq!(fs::metadata(made).unwrap().mode() & 0o7777, 0o700);
    }
    let meta = fs::metadata(&root).unwrap();
    assert_eq!(destination.file_id(), (meta.dev(), meta.ino()));
}

#[test]
fn a_file_is_no_destination() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    for root in [file.clone(), file.join("below")] {
        assert_eq!(LocalDestination::open(&root, true).unwrap_err().kind(), ErrorKind::Usage);
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
}

#[test]
fn an_unmounted_mount_is_an_error_and_nothing_is_written_there() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("disk");
    // Not made by us, or it would be marked.
    fs::create_dir(&root).unwrap();
    let destination = open(&root).with_marker();
    assert_eq!(put(&destination, "a/b", b"x").unwrap_err().code(), "destination_missing");
    destination.place_marker().unwrap();
    destination.place_marker().unwrap();
    put(&destination, "a/b", b"x").unwrap();
    assert_eq!(destination.list("").unwrap().len(), 1);
    // Another run, while the disk is not mounted.
    fs::rename(&root, directory.path().join("away")).unwrap();
    fs::create_dir(&root).unwrap();
    let again = LocalDestination::open(&root, true).unwrap().with_marker();
    for destination in [&destination, &again] {
        for error in [
            put(destination, "a/c", b"x").unwrap_err(),
            destination.list("").unwrap_err(),
            destination.sweep().unwrap_err(),
            destination.delete("a/b").unwrap_err(),
            destination.free_bytes().unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unreachable, "destination_missing"));
        }
        assert_eq!(destination.staging_root(), None);
    }
    assert_eq!(tree(&root), Vec::<String>::new());
}

#[test]
fn a_directory_that_was_exchanged_or_has_vanished_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    let destination = open(&root);
    put(&destination, "a/b", b"x").unwrap();
    fs::rename(&root, directory.path().join("away")).unwrap();
    assert_eq!(put(&destination, "a/c", b"x").unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(!root.exists());
    fs::create_dir(&root).unwrap();
    assert_eq!(put(&destination, "a/c", b"x").unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(tree(&root), Vec::<String>::new());
}

// --- what is in the directory and not ours ---

#[test]
fn foreign_files_are_never_touched_and_links_never_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
    let destination = open(&root);
    put(&destination, "shop/x.zip", b"x").unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "s").unwrap();
    symlink(&outside, root.join("link")).unwrap();
    symlink(outside.join("secret"), root.join("shop/secret")).unwrap();
    drop(Staging::create(&destination.staging_root().unwrap()).unwrap());
    for foreign in [
        "notes.txt",
        "shop/.notes",
        "shop/.x.zip.part-1",
        "shop/.x.zip.part-01ARZ3NDEKTSV4RRFFQ69G5FAVX",
        "shop/x.zip.part-01ARZ3NDEKTSV4RRFFQ69G5FAV",
        ".recoup/mine",
        ".recoup/mine.lease.bak",
        ".other/.x.zip.part-01ARZ3NDEKTSV4RRFFQ69G5FAV",
    ] {
        let path = root.join(foreign);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "foreign").unwrap();
    }
    symlink(outside.join("secret"), root.join("shop/.y.part-01ARZ3NDEKTSV4RRFFQ69G5FAV")).unwrap();
    symlink(&outside, root.join(".recoup/01ARZ3NDEKTSV4RRFFQ69G5FAV")).unwrap();
    let before = tree(directory.path());

    assert_eq!(destination.sweep().unwrap(), Vec::<String>::new());
    let keys: Vec<String> = destination.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["notes.txt", "shop/x.zip", "shop/x.zip.part-01ARZ3NDEKTSV4RRFFQ69G5FAV"]);
    assert!(put(&destination, "link/new", b"x").is_err());
    assert_eq!(put(&destination, "shop/secret", b"s").unwrap_err().kind(), ErrorKind::WouldOverwrite);
    assert_eq!(destination.get("shop/secret", 0).err().unwrap().kind(), ErrorKind::NotFound);
    assert_eq!(destination.get("link/secret", 0).err().unwrap().kind(), ErrorKind::NotFound);
    destination.delete("shop/secret").unwrap();
    destination.delete("link/secret").unwrap();
    assert_eq!(tree(directory.path()), before);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"s");
}

#[test]
fn what_the_dead_left_is_swept_and_nothing_of_the_living() {
    let directory = tempfile::tempdir().unwrap();
    let destination = open(directory.path());
    let root = destination.staging_root().unwrap();
    let living = Staging::create(&root).unwrap();
    fs::write(living.path().join("data"), "x").unwrap();
    let part = "shop/.x.zip.part-01ARZ3NDEKTSV4RRFFQ69G5FAV";
    fs::create_dir(directory.path().join("shop")).unwrap();
    fs::write(directory.path().join(part), "half").unwrap();
    let dead = ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"];
    fs::create_dir_all(root.join(dead[0]).join("deep/er")).unwrap();
    fs::write(root.join(dead[0]).join("deep/er/file"), "x").unwrap();
    fs::create_dir(root.join(dead[1])).unwrap();
    fs::write(root.join(dead[1]).with_extension("lease"), "").unwrap();

    let mut expected = vec![part.to_owned()];
    expected.extend(dead.iter().map(|id| format!(".recoup/{id}")));
    expected.sort();
    assert_eq!(destination.sweep().unwrap(), expected);
    assert_eq!(fs::read(living.path().join("data")).unwrap(), b"x");
    drop(living);
    assert_eq!(tree(directory.path()), [".recoup", "shop"]);
}

#[test]
fn a_lease_has_one_holder_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let holders = AtomicUsize::new(0);
    let rounds = if faults::soak() { 20_000 } else { 1_000 };
    let taken: usize = std::thread::scope(|scope| {
        let work = || {
            let mut taken = 0;
            for _ in 0..rounds {
                if let Some(lease) = Lease::take(directory.path(), "one").unwrap() {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    std::thread::yield_now();
                    holders.fetch_sub(1, Ordering::SeqCst);
                    drop(lease);
                    taken += 1;
                }
            }
            taken
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(taken > 0);
    assert_eq!(tree(directory.path()), Vec::<String>::new());
}

#[test]
fn sweeps_never_disturb_puts_and_staging_that_just_begin() {
    let directory = tempfile::tempdir().unwrap();
    let destination = open(directory.path());
    let root = destination.staging_root().unwrap();
    let rounds = if faults::soak() { 5_000 } else { 300 };
    let working = AtomicUsize::new(2);
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (destination, root, working) = (&destination, &root, &working);
            scope.spawn(move || {
                // Also when it panics: the sweeps shall end.
                struct Done<'a>(&'a AtomicUsize);
                impl Drop for Done<'_> {
                    fn drop(&mut self) {
                        self.0.fetch_sub(1, Ordering::SeqCst);
                    }
                }
                let _done = Done(working);
                for round in 0..rounds {
                    let key = format!("a/{worker}-{round}");
                    let bytes = noise(round, 10);
                    put(destination, &key, &bytes).unwrap();
                    assert_eq!(fs::read(destination.local_path(&key).unwrap()).unwrap(), bytes);
                    let staging = Staging::create(root).unwrap();
                    fs::write(staging.path().join("file"), &bytes).unwrap();
                    assert_eq!(fs::read(staging.path().join("file")).unwrap(), bytes);
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while working.load(Ordering::SeqCst) > 0 {
                    destination.sweep().unwrap();
                }
            });
        }
    });
    assert_eq!(destination.list("").unwrap().len() as u64, 2 * rounds);
    assert_eq!(destination.sweep().unwrap(), Vec::<String>::new());
    assert_eq!(fs::read_dir(root).unwrap().count(), 0);
}

#[test]
fn a_staged_file_is_moved_and_a_linked_one_is_copied() {
    let directory = tempfile::tempdir().unwrap();
    let destination = open(directory.path());
    let staging = Staging::create(&destination.staging_root().unwrap()).unwrap();
    let bytes = noise(1, 100_000);
    let (moved, linked) = (staging.path().join("moved"), staging.path().join("linked"));
    fs::write(&moved, &bytes).unwrap();
    fs::set_permissions(&moved, fs::Permissions::from_mode(0o644)).unwrap();
    let inode = fs::metadata(&moved).unwrap().ino();
    let stored = destination.put("a/moved", Body::File(&moved), &Context::quiet()).unwrap();
    assert_eq!((stored.bytes, stored.sha256), (100_000, sha256(&bytes)));
    let meta = fs::metadata(destination.local_path("a/moved").unwrap()).unwrap();
    assert_eq!((meta.ino(), meta.mode() & 0o7777, moved.exists()), (inode, 0o600, false));

    fs::write(&linked, &bytes).unwrap();
    fs::hard_link(&linked, directory.path().join("second-name")).unwrap();
    destination.put("a/linked", Body::File(&linked), &Context::quiet()).unwrap();
    let meta = fs::metadata(destination.local_path("a/linked").unwrap()).unwrap();
    assert_eq!((meta.nlink(), linked.exists()), (1, true));

    // A key that is taken by other bytes leaves the staged file to the caller.
    fs::write(&moved, "other").unwrap();
    let error = destination.put("a/moved", Body::File(&moved), &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), moved.exists()), (ErrorKind::WouldOverwrite, true));
}

#[test]
fn the_read_back_comes_from_the_disk_and_not_from_the_cache() {
    // Not on tmpfs: there is no disk behind it.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let destination = open(&directory.path().join("root"));
    let staging = Staging::create(&destination.staging_root().unwrap()).unwrap();
    let staged = staging.path().join("file");
    // Not a whole number of blocks.
    let bytes = noise(1, (64 << 20) + 4097);
    fs::write(&staged, &bytes).unwrap();
    // What this process had fetched from storage (proc(5), /proc/pid/io).
    let fetched = || {
        let text = fs::read_to_string("/proc/self/io").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("read_bytes: ")).unwrap();
        line.parse::<u64>().unwrap()
    };
    let before = fetched();
    let stored = destination.put("a/b", Body::File(&staged), &Context::quiet()).unwrap();
    assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, sha256(&bytes)));
    assert!(fetched() - before >= bytes.len() as u64, "{} bytes came from the disk", fetched() - before);
}
