//! Damage in a history: it is found, named with the backups that it concerns, and healed by a new chain.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod history_kit;

use std::fs;

use history_kit::{Shop, get, listed, on, pieces, put};
use recoup::ErrorKind;
use recoup::model::{Level, Manifest};
use recoup::progress::Context;
use recoup::store::Store;
use recoup::verify;
use recoup_testkit::faults::read_so_far;

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
    for flip in 0..500_u64 {
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
    // A manifest that is damaged is named, and its backup is no more listed as if it was whole.
    for (day, manifest) in all.iter().enumerate() {
        let path = directory.path().join(format!("shop/{}.manifest.json", manifest.file_stem()));
        let bytes = fs::read(&path).unwrap();
        for flip in 0..25_usize {
            let mut bad = bytes.clone();
            let place = (flip * 7919 + 13) % bad.len();
            bad[place] ^= 1 << (flip % 8);
            fs::write(&path, &bad).unwrap();
            let listing = store.list(None).unwrap();
            assert_eq!((listing.backups.len(), listing.damaged.len()), (3, 1), "{flip}, day {day}");
            assert!(listing.damaged[0].0.contains(&manifest.file_stem()));
        }
        fs::write(&path, &bytes).unwrap();
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
fn several_backups_are_verified_with_every_piece_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = on(directory.path());
    let shop = Shop::new(4096, 20_000);
    for day in 0..12 {
        shop.change(300, day + 1);
        put(&store, i64::from(day), ".db", &shop.bytes());
    }
    let all: u64 = pieces(directory.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let scratch = tempfile::tempdir().unwrap();
    let backups = listed(&store);
    let mut looked = verify::Looked::default();
    let before = read_so_far();
    for backup in &backups {
        let checksum = Level::Checksum;
        let report = verify::after(&mut looked, &store, backup, checksum, scratch.path(), &Context::quiet()).unwrap();
        assert!(report.ok, "{:?}", report.problems);
    }
    let read = read_so_far() - before;
    assert!(read < all * 5 / 4 + (1 << 20), "{read} bytes were read of {all}");
    // What is wrong with a piece is told of every backup that needs it.
    let mut bad = fs::read(&pieces(directory.path())[3]).unwrap();
    bad[100] ^= 1;
    fs::write(&pieces(directory.path())[3], bad).unwrap();
    let mut looked = verify::Looked::default();
    let good = backups.iter().filter(|backup| {
        verify::after(&mut looked, &store, backup, Level::Checksum, scratch.path(), &Context::quiet()).unwrap().ok
    });
    assert_eq!(good.count(), 3);
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
