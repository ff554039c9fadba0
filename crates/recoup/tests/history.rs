//! The `history` layout: the contract of stores, chains over random histories of real databases and archives, retention.
//! Damage: `history_damage.rs`; crashes and kills: `history_crashes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod history_kit;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use history_kit::{Shop, Use, get, listed, on, pieces, put, used};
use jiff::SignedDuration;
use proptest::prelude::*;
use recoup::destination::LocalDestination;
use recoup::model::{BackupId, Kind, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{at, commit, manifest};
use recoup_testkit::memory::Memory;

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

// --- what it is for ---

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
fn what_grows_by_more_than_a_window_is_continued() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let bytes = noise(1, 16 << 20);
    put(&store, 0, ".db", &bytes[..6 << 20]);
    for (second, forget) in [(1, false), (2, true)] {
        if forget {
            fs::remove_dir_all(directory.path().join(".recoup/history")).unwrap();
        }
        let now = &bytes[..(6 + 5 * second) << 20];
        let grown = put(&store, second as i64, ".db", now);
        assert_eq!(grown.history.as_ref().unwrap().pieces.len(), second + 1);
        assert!(get(&store, &grown) == now);
    }
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
    Use(Use),
    Delete(prop::sample::Index),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => used().prop_map(Step::Use),
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
                Step::Use(used) => used.of(&shop, second + 1),
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
