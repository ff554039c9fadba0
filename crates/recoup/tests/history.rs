//! The `history` layout: the contract of stores, chains over random histories of real databases and archives, retention,
//! damage. Crashes and kills: `history_crashes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;
use recoup::ErrorKind;
use recoup::destination::LocalDestination;
use recoup::format::Packed;
use recoup::model::{BackupId, Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Listed, Store};
use recoup::verify;
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{at, commit, manifest};
use recoup_testkit::memory::Memory;
use rusqlite::Connection;

fn fresh() -> Fixture<dyn Store> {
    let directory = tempfile::tempdir().unwrap();
    Fixture { subject: Arc::new(on(directory.path())), keep: Box::new(directory) }
}
recoup_testkit::store_contract!(fresh);

mod remote {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let scratch = tempfile::tempdir().unwrap();
        let store = FilesStore::new(Arc::new(Memory::default())).with_history(scratch.path().to_owned());
        Fixture { subject: Arc::new(store), keep: Box::new(scratch) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn on(root: &Path) -> FilesStore {
    FilesStore::new(Arc::new(LocalDestination::open(root, true).unwrap())).with_history(std::env::temp_dir())
}

/// Puts a file as the only object of a backup.
fn put(store: &dyn Store, second: i64, extension: &'static str, bytes: &[u8]) -> Manifest {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    fs::write(&path, bytes).unwrap();
    let mut manifest = manifest("shop", at(second), Kind::Manual);
    store.put_objects(&mut manifest, &[Packed { extension, path }], &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest
}

fn get(store: &dyn Store, manifest: &Manifest) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    fs::read(store.fetch(manifest, &manifest.objects[0], scratch.path(), &Context::quiet()).unwrap()).unwrap()
}

fn listed(store: &dyn Store) -> Vec<Listed> {
    let listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    listing.backups
}

fn pieces(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(root.join("shop")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.to_string_lossy().contains(".history"));
    found.sort();
    found
}

// --- what it is for ---

/// A database with `rows` rows, of which `changed` are changed afterwards, as the bytes of its file.
struct Shop {
    _folder: tempfile::TempDir,
    path: PathBuf,
    connection: Connection,
}

impl Shop {
    fn new(page_size: u32, rows: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA page_size = {page_size}; CREATE TABLE orders (id INTEGER PRIMARY KEY, at INTEGER, note TEXT); CREATE INDEX by_note ON orders (note);")).unwrap();
        let shop = Shop { _folder: folder, path, connection };
        shop.grow(rows, 1);
        shop
    }

    fn grow(&self, rows: u32, seed: u32) {
        self.connection
            .execute_batch(&format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
                 INSERT INTO orders (at, note) SELECT i * {seed}, hex(i * 7919 * {seed} % 1000003) || ' ordered something' FROM n"
            ))
            .unwrap();
    }

    fn change(&self, every: u32, seed: u32) {
        self.connection
            .execute(
                &format!("UPDATE orders SET note = hex(id * {seed} % 99991) WHERE (id * 31 + {seed}) % {every} = 0"),
                [],
            )
            .unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

#[test]
fn thirty_days_take_less_than_two_copies() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 40_000);
    let mut states = Vec::new();
    for day in 0..30 {
        if day > 0 {
            shop.change(400, day);
            shop.grow(60, day);
        }
        states.push((put(&store, i64::from(day), ".db", &shop.bytes()), shop.bytes()));
    }
    let sizes: Vec<u64> = pieces(directory.path()).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert_eq!(sizes.len(), 30);
    assert!(sizes.iter().sum::<u64>() < 2 * sizes[0], "{sizes:?}");
    for (manifest, bytes) in &states {
        assert!(get(&store, manifest) == *bytes);
    }
}

#[test]
fn what_has_not_changed_adds_only_a_manifest() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let bytes = Shop::new(4096, 100).bytes();
    let first = put(&store, 0, ".db", &bytes);
    let second = put(&store, 1, ".db", &bytes);
    assert_eq!(pieces(directory.path()).len(), 1);
    assert_eq!(first.history, second.history);
    store.delete(&first.id, false).unwrap();
    assert!(get(&store, &second) == bytes);
    store.delete(&second.id, false).unwrap();
    assert_eq!(pieces(directory.path()), [] as [PathBuf; 0]);
}

#[test]
fn files_that_moved_within_an_archive_are_not_stored_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let photo = |n: u64| noise(n, 200_000);
    let archive = |members: &[(&str, Vec<u8>)]| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in members {
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let shop = Shop::new(1024, 3000);
    let before = archive(&[("a.jpg", photo(1)), ("shop.db", shop.bytes()), ("b.jpg", photo(2))]);
    shop.change(100, 5);
    // Something in front, a database that has changed, one photo under another name.
    let after = archive(&[("0.jpg", photo(3)), ("a.jpg", photo(1)), ("c.jpg", photo(2)), ("shop.db", shop.bytes())]);
    let first = put(&store, 0, ".zip", &before);
    let second = put(&store, 1, ".zip", &after);
    let own = second.history.as_ref().unwrap().pieces[1].bytes;
    assert!((200_000..240_000).contains(&own), "{own}");
    assert!(get(&store, &first) == before && get(&store, &second) == after);
}

// --- retention ---

#[test]
fn every_backup_survives_the_deletion_of_every_other() {
    let shop = Shop::new(4096, 2000);
    let states: Vec<Vec<u8>> = (0..5)
        .map(|day| {
            shop.change(50, day + 1);
            shop.bytes()
        })
        .collect();
    for survivor in 0..5 {
        let directory = tempfile::tempdir().unwrap();
        let store = on(directory.path());
        let all: Vec<Manifest> = (0..).zip(&states).map(|(day, bytes)| put(&store, day, ".db", bytes)).collect();
        for (day, manifest) in all.iter().enumerate().filter(|(day, _)| *day != survivor) {
            store.delete(&manifest.id, false).unwrap_or_else(|error| panic!("{day}: {error}"));
        }
        assert!(get(&store, &all[survivor]) == states[survivor]);
        // Its pieces and no others.
        assert_eq!(pieces(directory.path()).len(), survivor + 1);
        store.delete(&all[survivor].id, false).unwrap();
        assert_eq!(pieces(directory.path()).len(), 0);
    }
}

#[test]
fn what_waits_in_the_trash_can_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 500);
    let first = put(&store, 0, ".db", &shop.bytes());
    shop.change(10, 1);
    let second = put(&store, 1, ".db", &shop.bytes());
    assert!(store.discard(&second.id, false).unwrap());
    store.delete(&first.id, false).unwrap();
    let trashed = store.trash().unwrap().remove(0);
    for file in fs::read_dir(&trashed.folder).unwrap().map(|entry| entry.unwrap().path()) {
        fs::rename(&file, directory.path().join("shop").join(file.file_name().unwrap())).unwrap();
    }
    assert!(get(&store, &second) == shop.bytes());
}

#[test]
fn nothing_shared_goes_while_a_manifest_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 500);
    let all: Vec<Manifest> = (0..3)
        .map(|day| {
            shop.change(10, day + 1);
            put(&store, i64::from(day), ".db", &shop.bytes())
        })
        .collect();
    let damaged = directory.path().join(format!("shop/{}.manifest.json", all[1].file_stem()));
    let whole = fs::read(&damaged).unwrap();
    fs::write(&damaged, "{").unwrap();
    store.delete(&all[2].id, false).unwrap();
    store.delete(&all[0].id, false).unwrap();
    assert_eq!(pieces(directory.path()).len(), 3);
    fs::write(&damaged, whole).unwrap();
    assert!(listed(&store)[0].missing.is_empty());
    get(&store, &all[1]);
}

#[test]
fn pieces_that_nobody_names_are_swept_after_a_day() {
    let memory = Arc::new(Memory::default());
    let scratch = tempfile::tempdir().unwrap();
    let store = FilesStore::new(memory.clone()).with_history(scratch.path().to_owned());
    let shop = Shop::new(4096, 500);
    let first = put(&store, 0, ".db", &shop.bytes());
    shop.change(10, 1);
    let second = put(&store, 1, ".db", &shop.bytes());
    let piece = |manifest: &Manifest| format!("shop/{}.history", manifest.file_stem());
    // Both manifests go by other hands: what they leave is nobody's.
    memory.tamper(&format!("shop/{}.manifest.json", second.file_stem()), None);
    memory.age(SignedDuration::from_hours(23));
    assert_eq!(store.sweep().unwrap(), [] as [String; 0]);
    memory.age(SignedDuration::from_hours(2));
    assert_eq!(store.sweep().unwrap(), [piece(&second)]);
    get(&store, &first);
}

// --- damage ---

#[test]
fn a_flipped_bit_is_found_named_and_healed() {
    let shop = Shop::new(4096, 1500);
    let states: Vec<Vec<u8>> = (0..4)
        .map(|day| {
            shop.change(40, day + 1);
            shop.bytes()
        })
        .collect();
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let all: Vec<Manifest> = (0..).zip(&states).map(|(day, bytes)| put(&store, day, ".db", bytes)).collect();
    let scratch = tempfile::tempdir().unwrap();
    let paths = pieces(directory.path());
    for flip in 0..100_u64 {
        let hit = flip as usize % paths.len();
        let bytes = fs::read(&paths[hit]).unwrap();
        let mut bad = bytes.clone();
        let place = (flip * 7919 + 13) as usize % bad.len();
        bad[place] ^= 1 << (flip % 8);
        fs::write(&paths[hit], &bad).unwrap();
        for (day, listed) in listed(&store).iter().rev().enumerate() {
            let report = verify::run(&store, listed, Level::Checksum, scratch.path(), &Context::quiet()).unwrap();
            // Every backup that is made of it, and none of the others.
            assert_eq!(report.ok, day < hit, "{flip} in {hit}, day {day}: {:?}", report.problems);
            if !report.ok {
                assert!(report.problems[0].text.contains(paths[hit].file_name().unwrap().to_str().unwrap()));
            }
            if day >= hit && flip < 8 {
                let error =
                    store.fetch(&listed.manifest, &listed.manifest.objects[0], scratch.path(), &Context::quiet());
                match error {
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupted),
                    // The byte is not one that this state needs.
                    Ok(path) => assert!(fs::read(path).unwrap() == states[day]),
                }
            }
        }
        fs::write(&paths[hit], &bytes).unwrap();
    }
    // The next backup begins a new chain, because verification found out and a piece is not what it was.
    let kept = directory.path().join(".recoup/history/shop");
    assert!(!kept.exists(), "damage was found, so nothing that is kept is relied upon");
    put(&store, 8, ".db", &shop.bytes());
    assert!(kept.exists());
    let mut bad = fs::read(&paths[0]).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&paths[0], &bad).unwrap();
    assert!(store.fetch(&all[3], &all[3].objects[0], scratch.path(), &Context::quiet()).is_err());
    shop.change(9, 77);
    let healed = put(&store, 9, ".db", &shop.bytes());
    assert_eq!(healed.history.as_ref().unwrap().number, 0);
    assert!(get(&store, &healed) == shop.bytes());
}

#[test]
fn a_capture_that_a_disk_has_changed_is_not_relied_upon() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 1500);
    put(&store, 0, ".db", &shop.bytes());
    let kept = directory.path().join(".recoup/history/shop/last.db");
    let mut bytes = fs::read(&kept).unwrap();
    bytes[20_000] ^= 4;
    fs::write(&kept, bytes).unwrap();
    shop.change(40, 1);
    let second = put(&store, 1, ".db", &shop.bytes());
    assert_eq!(second.history.as_ref().unwrap().number, 1);
    assert!(get(&store, &second) == shop.bytes());
}

#[test]
fn a_piece_that_is_missing_is_told_by_the_list_and_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 300);
    let first = put(&store, 0, ".db", &shop.bytes());
    shop.change(4, 1);
    put(&store, 1, ".db", &shop.bytes());
    fs::remove_file(&pieces(directory.path())[0]).unwrap();
    let gone = format!("{}.history", first.file_stem());
    assert!(listed(&store).iter().all(|listed| listed.missing == [gone.clone()]));
    assert_eq!(put(&store, 2, ".db", &shop.bytes()).history.unwrap().number, 0);
}

#[test]
fn both_layouts_lie_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let files = FilesStore::new(Arc::new(LocalDestination::open(directory.path(), true).unwrap()));
    let plain = commit(&files, manifest("shop", at(0), Kind::Manual), 1);
    let store = on(directory.path());
    let bytes = Shop::new(4096, 300).bytes();
    let made = put(&store, 1, ".db", &bytes);
    // Whoever reads does not have to know.
    for reader in [&files as &dyn Store, &store] {
        assert_eq!(listed(reader).len(), 2);
        assert!(get(reader, &made) == bytes);
        get(reader, &plain);
    }
    let scratch = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let target = FilesStore::new(Arc::new(LocalDestination::open(elsewhere.path(), true).unwrap()));
    let all = listed(&store);
    recoup::copy::run(&store, &all[0], &target, scratch.path(), &Context::quiet()).unwrap();
    let copied = listed(&target).remove(0);
    assert_eq!((copied.manifest.history.is_none(), copied.manifest.recoup_manifest), (true, 1));
    assert!(get(&target, &copied.manifest) == bytes);
}

// --- everything at once ---

#[derive(Debug, Clone)]
enum Step {
    Grow(u32),
    Change(u32),
    Shrink,
    Vacuum,
    PageSize(u32),
    Journal(bool),
    Delete(prop::sample::Index),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..400_u32).prop_map(Step::Grow),
        6 => (2..60_u32).prop_map(Step::Change),
        1 => Just(Step::Shrink),
        1 => Just(Step::Vacuum),
        1 => prop::sample::select(vec![512_u32, 1024, 4096, 65536]).prop_map(Step::PageSize),
        1 => any::<bool>().prop_map(Step::Journal),
        4 => any::<prop::sample::Index>().prop_map(Step::Delete),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if recoup_testkit::faults::soak() { 400 } else { 24 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_histories_give_back_every_capture(steps in prop::collection::vec(step(), 5..45)) {
        let directory = tempfile::tempdir().unwrap();
        let store = on(directory.path());
        let shop = Shop::new(4096, 300);
        let mut alive: BTreeMap<BackupId, (Manifest, Vec<u8>)> = BTreeMap::new();
        for (second, step) in (0_u32..).zip(&steps) {
            match step {
                Step::Grow(rows) => shop.grow(*rows, second + 2),
                Step::Change(every) => shop.change(*every, second + 1),
                Step::Shrink => drop(shop.connection.execute("DELETE FROM orders WHERE id % 3 = 0", []).unwrap()),
                Step::Vacuum => shop.connection.execute_batch("VACUUM").unwrap(),
                Step::PageSize(size) => shop
                    .connection
                    .execute_batch(&format!("PRAGMA journal_mode = DELETE; PRAGMA page_size = {size}; VACUUM"))
                    .unwrap(),
                Step::Journal(wal) => shop
                    .connection
                    .execute_batch(&format!("PRAGMA journal_mode = {}", if *wal { "WAL" } else { "DELETE" }))
                    .unwrap(),
                Step::Delete(which) => {
                    if !alive.is_empty() {
                        let id = which.get(&alive.keys().cloned().collect::<Vec<_>>()).clone();
                        store.delete(&id, false).unwrap();
                        alive.remove(&id);
                    }
                    continue;
                }
                Step::Forget => {
                    fs::remove_dir_all(directory.path().join(".recoup/history")).ok();
                    continue;
                }
            }
            shop.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            let made = put(&store, i64::from(second), ".db", &shop.bytes());
            prop_assert_eq!(&made.objects[0].sha256, &sha256(&shop.bytes()));
            alive.insert(made.id.clone(), (made, shop.bytes()));
        }
        let found = listed(&store);
        prop_assert_eq!(found.len(), alive.len());
        for listed in found {
            prop_assert!(listed.missing.is_empty());
            let (manifest, bytes) = &alive[&listed.manifest.id];
            prop_assert!(get(&store, manifest) == *bytes);
        }
        // Not one piece too many.
        let named: std::collections::BTreeSet<String> = alive
            .values()
            .flat_map(|(manifest, _)| manifest.stored().iter().map(|piece| piece.name.clone()))
            .collect();
        let there: Vec<String> = if alive.is_empty() { vec![] } else {
            pieces(directory.path()).iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        prop_assert_eq!(there, named.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_copy_whose_piece_others_need_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let [good, damaged] = ["good", "damaged"].map(|name| folder.path().join(name));
    let (from, to) = (on(&good), on(&damaged));
    let scratch = tempfile::tempdir().unwrap();
    let shop = Shop::new(4096, 300);
    let mut states = Vec::new();
    for second in 0..3 {
        states.push((put(&from, second, ".db", &shop.bytes()), shop.bytes()));
        let newest = listed(&from).remove(0);
        recoup::copy::run(&from, &newest, &to, scratch.path(), &Context::quiet()).unwrap();
        shop.change(20, second as u32 + 1);
    }
    fs::remove_file(&pieces(&damaged)[0]).unwrap();
    for (at, backup) in listed(&from).iter().enumerate() {
        let copied = recoup::copy::run(&from, backup, &to, scratch.path(), &Context::quiet()).unwrap();
        assert_eq!(copied, recoup::copy::Copied::Mended, "{at}");
    }
    for (listed, (_, bytes)) in listed(&to).iter().rev().zip(&states) {
        assert!(listed.missing.is_empty() && get(&to, &listed.manifest) == *bytes);
    }
}
