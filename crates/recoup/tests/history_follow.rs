//! A database in a history: the last capture is brought up to date where it lies, only what has changed is written, and every
//! backup is the database as it was, whatever happens to the capture. The layout itself: `history.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod history_kit;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history_kit::{Shop, Use, get, listed, on, pieces, used};
use proptest::prelude::*;
use recoup::backup::{self, Request};
use recoup::destination::LocalDestination;
use recoup::model::{BackupId, DatabaseSpec, Format, Level, Manifest, SourceSpec};
use recoup::progress::Context;
use recoup::source::SourceFactory;
use recoup::sqlite::digest::logical_digest;
use recoup::store::{FilesStore, Store};
use recoup::{source, verify};
use recoup_testkit::faults::{self, Action, ROOT, child, variable, written_so_far};
use recoup_testkit::sample;
use rusqlite::Connection;

type Digest = BTreeMap<String, String>;

fn factory(database: &Path, scratch: &Path, compact: bool) -> SourceFactory {
    let spec = SourceSpec::Database(DatabaseSpec {
        name: "shop".into(),
        location: database.to_string_lossy().into_owned(),
        optional: false,
        busy_timeout_ms: 5_000,
    });
    source::factory(&spec, scratch, compact, Arc::new(Vec::new))
}

fn request(database: &Path, scratch: &Path) -> Request {
    sample::request("shop", vec![factory(database, scratch, false)], Format::Database, scratch)
}

fn back_up(root: &Path, database: &Path) -> recoup::Result<Manifest> {
    let store: Arc<dyn Store> = Arc::new(on(root));
    backup::run(&request(database, root), &[store], &Context::quiet()).map(|report| report.manifest)
}

/// What a live database says, its log included.
fn says(shop: &Shop) -> Digest {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let mut to = Connection::open(&copy).unwrap();
    rusqlite::backup::Backup::new(&shop.connection, &mut to).unwrap().step(-1).unwrap();
    to.close().unwrap();
    logical_digest(&copy, &Context::quiet()).unwrap()
}

/// What a backup says, once it has been restored as a test.
fn proven(root: &Path, manifest: &Manifest) -> Digest {
    let store = on(root);
    let listed = listed(&store).into_iter().find(|one| one.manifest.id == manifest.id).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let report = verify::run(&store, &listed, Level::Restore, scratch.path(), &Context::quiet()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let restored = scratch.path().join("restored.db");
    fs::write(&restored, get(&store, manifest)).unwrap();
    logical_digest(&restored, &Context::quiet()).unwrap()
}

fn capture(root: &Path) -> PathBuf {
    root.join(".recoup/history/shop/last.db")
}

#[test]
fn only_what_changed_is_written() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let shop = Shop::new(4096, 100_000);
    shop.connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    back_up(root, &shop.path).unwrap();
    let size = fs::metadata(capture(root)).unwrap().len();
    let inode = fs::metadata(capture(root)).unwrap().ino();
    shop.connection.execute("UPDATE orders SET note = 'changed' WHERE id BETWEEN 500 AND 520", []).unwrap();
    let before = written_so_far();
    let second = back_up(root, &shop.path).unwrap();
    let written = written_so_far() - before;
    assert!(size > 6 << 20 && written < 1 << 20, "{written} of {size} bytes were written");
    assert_eq!(fs::metadata(capture(root)).unwrap().ino(), inode);
    assert!(second.stored_bytes() < 64 << 10, "{}", second.stored_bytes());
    assert_eq!(proven(root, &second), says(&shop));
    assert!(!root.join(".recoup/history/shop/before").exists());
    // As many bytes as pages, not one more: what SQLite would call it is what it is.
    assert_eq!(get(&on(root), &second), fs::read(capture(root)).unwrap());
    // Pieces are not read for it: damage in one would have been noticed, and a new history begun.
    break_piece(root, &second);
    shop.change(5_000, 3);
    assert_eq!(back_up(root, &shop.path).unwrap().history.unwrap().pieces.len(), 3);
}

/// Damages the first piece of a backup: whoever reads it notices.
fn break_piece(root: &Path, manifest: &Manifest) {
    let first = root.join("shop").join(&manifest.history.as_ref().unwrap().pieces[0].name);
    fs::set_permissions(&first, fs::Permissions::from_mode(0o600)).unwrap();
    File::options().write(true).open(&first).unwrap().write_all_at(&[1; 64], 4096).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Use(Use),
    Rot(prop::sample::Index),
    Die,
    Delete(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        15 => used().prop_map(Step::Use),
        1 => any::<prop::sample::Index>().prop_map(Step::Rot),
        1 => Just(Step::Die),
        2 => any::<prop::sample::Index>().prop_map(Step::Delete),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if faults::soak() { 200 } else { 12 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_backup_is_the_database_as_it_was(steps in prop::collection::vec(step(), 4..20)) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let shop = Shop::new(4096, 300);
        shop.connection.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        let mut alive: BTreeMap<BackupId, (Manifest, Digest)> = BTreeMap::new();
        for (seed, step) in (1_u32..).zip(&steps) {
            match step {
                Step::Use(used) => used.of(&shop, seed),
                // A disk changes a byte of what is kept.
                Step::Rot(at) => {
                    if let Ok(file) = File::options().read(true).write(true).open(capture(root)) {
                        let at = at.index(usize::try_from(file.metadata().unwrap().len()).unwrap()) as u64;
                        let mut byte = [0];
                        file.read_exact_at(&mut byte, at).unwrap();
                        file.write_all_at(&[!byte[0]], at).unwrap();
                    }
                }
                // A run took it and died.
                Step::Die => drop(on(root).take_earlier("shop")),
                Step::Delete(which) => {
                    if !alive.is_empty() {
                        let id = which.get(&alive.keys().cloned().collect::<Vec<_>>()).clone();
                        on(root).delete(&id, false).unwrap();
                        alive.remove(&id);
                    }
                    continue;
                }
            }
            let made = back_up(root, &shop.path).unwrap();
            alive.insert(made.id.clone(), (made, says(&shop)));
        }
        prop_assert_eq!(listed(&on(root)).len(), alive.len());
        for (manifest, digest) in alive.values() {
            prop_assert_eq!(&proven(root, manifest), digest);
        }
    }
}

#[test]
fn a_capture_that_is_taken_is_nobody_elses() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let shop = Shop::new(4096, 2_000);
    back_up(root, &shop.path).unwrap();
    let taken = on(root).take_earlier("shop").unwrap();
    assert!(on(root).take_earlier("shop").is_none());
    let untouched = fs::read(&taken.earlier.copy).unwrap();
    shop.change(3, 7);
    // Somebody else's backup makes a copy of its own and leaves this one alone, though it has no lease of the plan.
    let manifest = back_up(root, &shop.path).unwrap();
    assert_eq!(proven(root, &manifest), says(&shop));
    assert!(fs::read(&taken.earlier.copy).unwrap() == untouched);
    drop(taken);
    assert!(on(root).take_earlier("shop").is_none(), "what it is was never said again");
    shop.change(5, 8);
    let manifest = back_up(root, &shop.path).unwrap();
    assert_eq!(proven(root, &manifest), says(&shop));
    assert!(on(root).take_earlier("shop").is_some());
    // Never a new base for all this.
    assert_eq!(manifest.history.unwrap().pieces.len(), 3);
}

#[test]
fn several_places_keep_one_each() {
    let folder = tempfile::tempdir().unwrap();
    let roots: Vec<PathBuf> = ["a", "b"].iter().map(|name| folder.path().join(name)).collect();
    let shop = Shop::new(4096, 2_000);
    for day in 1..5 {
        shop.change(9, day);
        let stores: Vec<Arc<dyn Store>> = two(folder.path())
            .into_iter()
            .chain([Arc::new(plain(&folder.path().join("plain"))) as Arc<dyn Store>])
            .collect();
        let report = backup::run(&request(&shop.path, folder.path()), &stores, &Context::quiet()).unwrap();
        assert!(report.failed.is_empty() && report.stored.len() == 3, "{report:?}");
        for root in &roots {
            let newest = listed(&on(root)).remove(0).manifest;
            assert_eq!(proven(root, &newest), says(&shop));
        }
        let newest = listed(&plain(&folder.path().join("plain"))).remove(0).manifest;
        assert!(
            get(&plain(&folder.path().join("plain")), &newest)
                == get(&on(&roots[0]), &listed(&on(&roots[0]))[0].manifest)
        );
    }
    for root in &roots {
        assert_eq!(listed(&on(root))[0].manifest.history.as_ref().unwrap().pieces.len(), 4);
    }
}

#[test]
fn what_is_compacted_is_compared_with_its_capture_too() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let shop = Shop::new(4096, 2_000);
    let run = || {
        let store: Arc<dyn Store> = Arc::new(on(root));
        let request = Request { sources: vec![factory(&shop.path, root, true)], ..request(&shop.path, root) };
        backup::run(&request, &[store], &Context::quiet()).unwrap().manifest
    };
    let first = run();
    break_piece(root, &first);
    shop.grow(1, 5);
    let second = run();
    assert_eq!(second.history.as_ref().unwrap().pieces.len(), 2, "the piece was not read");
    assert!(second.parts[0].database.as_ref().unwrap().compacted);
}

/// Two places, each with a history.
fn two(folder: &Path) -> Vec<Arc<dyn Store>> {
    let open = |name: &&str| {
        fs::create_dir_all(folder.join(name)).unwrap();
        Arc::new(on(&folder.join(name))) as Arc<dyn Store>
    };
    ["a", "b"].iter().map(open).collect()
}

#[test]
fn what_is_not_sound_is_listed_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shop = Shop::new(4096, 20_000);
    let run = || backup::run(&request(&shop.path, folder), &two(folder), &Context::quiet());
    run().unwrap();
    // Somewhere in the middle a page of the index is another one: every page reads well, and the copy is faithful.
    let file = File::options().read(true).write(true).open(&shop.path).unwrap();
    let pages = file.metadata().unwrap().len() / 4096;
    let mut kept = vec![0; 4096];
    file.read_exact_at(&mut kept, (pages / 2) * 4096).unwrap();
    file.write_all_at(&[0; 4096], (pages / 2) * 4096).unwrap();
    let error = run().unwrap_err();
    assert_eq!(error.code(), "source_corrupted", "{error:?}");
    for store in two(folder) {
        assert_eq!(listed(store.as_ref()).len(), 1);
        assert_eq!(store.list(None).unwrap().damaged.len(), 0);
    }
    assert_eq!(pieces(&folder.join("a")).len(), 1, "what was put has gone again");
    file.write_all_at(&kept, (pages / 2) * 4096).unwrap();
    let report = run().unwrap();
    assert_eq!(report.stored.len(), 2);
    assert_eq!(proven(&folder.join("b"), &listed(two(folder)[1].as_ref())[0].manifest), says(&shop));
}

#[test]
fn what_the_proof_tells_stands_in_every_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let shop = Shop::new(4096, 20_000);
    let run = || backup::run(&request(&shop.path, folder), &two(folder), &Context::quiet()).unwrap();
    assert!(run().manifest.warnings.is_empty());
    let less = "PRAGMA foreign_keys = OFF; CREATE TABLE line (of REFERENCES orders (id)); INSERT INTO line VALUES (-1); DELETE FROM orders WHERE id > 9";
    shop.connection.execute_batch(less).unwrap();
    let report = run();
    assert_eq!(report.outcome, recoup::model::Outcome::Warnings);
    for store in two(folder) {
        let newest = listed(store.as_ref()).remove(0).manifest;
        let codes: Vec<&str> = newest.warnings.iter().map(|warning| warning.code.as_str()).collect();
        assert!(codes.contains(&"foreign_keys") && codes.contains(&"shrank"), "{codes:?}");
        let facts = newest.parts[0].database.as_ref().unwrap();
        assert_eq!(facts.tables.iter().find(|table| table.name == "orders").unwrap().rows, Some(9));
        assert_eq!((facts.foreign_key_violations, newest.verified), (1, Some(Level::Integrity)));
    }
}

fn plain(root: &Path) -> FilesStore {
    fs::create_dir_all(root).unwrap();
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap()))
}

#[test]
fn each_backup_is_one_moment_of_a_writer_that_never_stops() {
    let root = tempfile::tempdir().unwrap();
    let shop = Shop::new(4096, 5_000);
    shop.connection
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE line (n INTEGER PRIMARY KEY, pad TEXT)")
        .unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let writer = Connection::open(&shop.path).unwrap();
            writer.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                // Both at once or neither.
                writer
                    .execute_batch(&format!(
                        "BEGIN IMMEDIATE; INSERT INTO line VALUES ({n}, hex(randomblob(300)));
                         UPDATE orders SET at = {n} WHERE id = 1 + {n} % 5000; COMMIT"
                    ))
                    .unwrap();
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let mut last = 0;
        for _ in 0..20 {
            let manifest = back_up(root.path(), &shop.path).unwrap();
            let copy = folder.path().join("copy.db");
            fs::write(&copy, get(&on(root.path()), &manifest)).unwrap();
            let copy = recoup::sqlite::open::open_private(&copy).unwrap();
            let ask = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
            let lines = ask("SELECT count(*) FROM line");
            assert_eq!(ask("SELECT coalesce(max(n), 0) FROM line"), lines);
            if lines > 0 {
                assert_eq!(ask(&format!("SELECT at FROM orders WHERE id = 1 + {lines} % 5000")), lines);
            }
            assert!(lines >= last);
            last = lines;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(last > 20, "{last}");
    });
}

// --- kill -9 ---

const SYSCALLS: [&str; 8] = ["openat", "write", "pwrite64", "ftruncate", "rename", "renameat2", "unlink", "flock"];

#[test]
#[ignore = "child of other tests"]
fn child_backs_up() {
    let root = variable(ROOT);
    faults::begin();
    back_up(&root.join("backups"), &root.join("shop.db")).unwrap();
    faults::end();
}

/// Three days in a folder, and the fourth still to be backed up.
fn prepare(root: &Path, shop: &Shop, days: &[Vec<u8>]) {
    fs::create_dir_all(root.join("backups")).unwrap();
    for bytes in days {
        fs::write(root.join("shop.db"), bytes).unwrap();
        back_up(&root.join("backups"), &root.join("shop.db")).unwrap();
    }
    fs::write(root.join("shop.db"), shop.bytes()).unwrap();
}

#[test]
fn killed_at_any_call_it_is_whole_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let shop = Shop::new(4096, 3_000);
    let mut days = Vec::new();
    for day in 1..3 {
        shop.change(50, day);
        days.push((shop.bytes(), says(&shop)));
    }
    shop.change(40, 9);
    shop.connection.execute_batch("DELETE FROM orders WHERE id > 2900; VACUUM").unwrap();
    let bytes: Vec<Vec<u8>> = days.iter().map(|(bytes, _)| bytes.clone()).collect();
    let digests: Vec<Digest> = days.into_iter().map(|(_, digest)| digest).chain([says(&shop)]).collect();
    let model = directory.path().join("model");
    prepare(&model, &shop, &bytes);
    let count = directory.path().join("count");
    let copied = |to: &Path| {
        let done = std::process::Command::new("cp").args(["-a", "--"]).arg(&model).arg(to).status().unwrap();
        assert!(done.success());
    };
    copied(&count);
    let points = faults::points(&mut child("child_backs_up", &count, directory.path()), &SYSCALLS);
    assert!(points.len() > 60, "{points:?}");
    let (mut old, mut new) = (0, 0);
    // Pages are written one by one: a few of those tell as much as all.
    let writes = points.iter().filter(|point| point.syscall == "pwrite64").count();
    for point in points.iter().filter(|point| point.syscall != "pwrite64" || point.nth.is_multiple_of(writes / 20 + 1))
    {
        let root = directory.path().join("root");
        copied(&root);
        let mut command = child("child_backs_up", &root, directory.path());
        let status = faults::inject(&mut command, &[&point.syscall], Action::Kill, point.nth);
        assert_eq!(status.signal(), Some(9), "{point:?}");
        let backups = root.join("backups");
        let there = listed(&on(&backups));
        for (manifest, digest) in there.iter().rev().map(|one| &one.manifest).zip(&digests) {
            assert_eq!(&proven(&backups, manifest), digest, "{point:?}");
        }
        *(if there.len() == 3 { &mut new } else { &mut old }) += 1;
        assert!((2..=3).contains(&there.len()), "{point:?}");
        // And life goes on, also with what is left of the capture.
        let next = back_up(&backups, &root.join("shop.db")).unwrap();
        assert_eq!(proven(&backups, &next), digests[2], "{point:?}");
        fs::remove_dir_all(root).unwrap();
    }
    assert!(old > 20 && new > 2, "{old} {new}");
}
