//! Encrypted histories, on this machine and on real servers: the contract of every store, what a manifest tells, a fresh
//! machine with nothing but the destination and the key, keys that change.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use recoup::destination::{Destination, LocalDestination, open};
use recoup::format::Packed;
use recoup::model::encryption::{Keys, Lock};
use recoup::model::{Format, Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Identity, Keyring, Store};
use recoup::{backup, verify};
use recoup_testkit::apache::Apache;
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::contract::store::{at, manifest};
use recoup_testkit::drive::Google;
use recoup_testkit::memory::Memory;
use recoup_testkit::moto::Moto;
use recoup_testkit::sample::Sample;
use recoup_testkit::sshd::Sshd;

/// A new key in a file.
fn key(folder: &Path, name: &str) -> Lock {
    let path = folder.join(name);
    if !path.exists() {
        fs::write(&path, Identity::generate().unwrap().file("test")).unwrap();
    }
    Lock::Recipients { recipients: vec![], identities: Some(path) }
}

fn with(destination: Arc<dyn Destination>, folder: &Path, lock: Lock) -> FilesStore {
    let keys = Keys { lock: Some(lock), ..Keys::default() };
    FilesStore::new(destination)
        .with_keys(Arc::new(Keyring::new(keys, folder.to_owned())))
        .with_history(folder.to_owned())
        .with_cache(Some(folder.join("cache")))
}

fn directory(root: &Path) -> Arc<dyn Destination> {
    Arc::new(LocalDestination::open(root, true).unwrap())
}

fn fresh() -> Fixture<dyn Store> {
    let folder = tempfile::tempdir().unwrap();
    let store = with(directory(&folder.path().join("backups")), folder.path(), key(folder.path(), "key"));
    Fixture { subject: Arc::new(store), keep: Box::new(folder) }
}
recoup_testkit::store_contract!(fresh);

fn put(store: &dyn Store, second: i64, bytes: &[u8]) -> Manifest {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    fs::write(&path, bytes).unwrap();
    let mut manifest = manifest("shop", at(second), Kind::Manual);
    store.put_objects(&mut manifest, &[Packed { extension: ".db", path }], &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest
}

/// Three days of the sample application: a database, folders, files and settings in one archive; a backup that nobody needs
/// any more is deleted; then a machine that knows only the destination and the key proves and opens what is there.
fn three_days(destination: &Arc<dyn Destination>) {
    let sample = Sample::new();
    let lock = key(sample.path(), "key");
    let store: Arc<dyn Store> = Arc::new(with(Arc::clone(destination), sample.path(), lock.clone()));
    let mut days = Vec::new();
    for day in 0..3 {
        sample.sql(&format!("CREATE TABLE day{day} (n); INSERT INTO day{day} VALUES ({day});"));
        let mut request = sample.request(&sample.sources(), Format::Archive);
        request.host = Some("canary-host".into());
        days.push(backup::run(&request, std::slice::from_ref(&store), &Context::quiet()).unwrap().manifest);
    }
    let [first, _, last] = [0, 1, 2].map(|day: usize| &days[day]);
    assert_eq!(last.history.as_ref().unwrap().pieces.len(), 3);
    assert!(
        last.stored_bytes() < first.stored_bytes() * 3 / 4,
        "{} after {}",
        last.stored_bytes(),
        first.stored_bytes()
    );
    // What lies beside encrypted backups is encrypted, too.
    if let Some(root) = destination.staging_root() {
        assert!(!root.join("history").exists());
    }
    store.delete(&first.id, true).unwrap();

    let elsewhere = tempfile::tempdir().unwrap();
    let reader = with(Arc::clone(destination), elsewhere.path(), lock);
    let listing = reader.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    assert_eq!(listing.backups.len(), 2);
    for listed in &listing.backups {
        assert!(listed.missing.is_empty());
        for level in [Level::Checksum, Level::Restore] {
            let scratch = tempfile::tempdir().unwrap();
            let report = verify::run(&reader, listed, level, scratch.path(), &Context::quiet()).unwrap();
            assert!(report.ok, "{:?}", report.problems);
        }
    }
    // And continues the history without a capture of its own.
    let more = backup::run(&sample.request(&sample.sources(), Format::Archive), &[Arc::new(reader)], &Context::quiet());
    assert_eq!(more.unwrap().manifest.history.unwrap().number, 3);

    let stranger = FilesStore::new(Arc::clone(destination));
    let seen = stranger.list(None).unwrap().backups;
    assert_eq!(seen.len(), 3);
    for listed in seen {
        let text = String::from_utf8(listed.manifest.to_json().unwrap()).unwrap();
        assert!(!text.contains("canary-host") && listed.manifest.history.is_none());
        assert!(listed.manifest.stored().iter().all(|object| object.name.ends_with(".history.age")));
    }
    drop(sample);
}

#[test]
fn in_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    three_days(&directory(folder.path()));
}

#[test]
fn on_s3() {
    let server = Moto::shared();
    three_days(&open(&server.settings(&server.bucket(), server.port()), true).unwrap());
}

#[test]
fn on_sftp() {
    let server = Sshd::shared();
    three_days(&open(&server.settings(&format!("{}/root", ulid::Ulid::generate())), true).unwrap());
}

#[test]
fn on_webdav() {
    let server = Apache::shared();
    three_days(&open(&server.settings(&server.fresh(), server.port()), true).unwrap());
}

#[test]
fn on_drive() {
    let google = Google::start();
    three_days(&open(&google.connected("offsite"), true).unwrap());
}

#[test]
fn another_key_begins_another_chain() {
    let folder = tempfile::tempdir().unwrap();
    let memory: Arc<dyn Destination> = Arc::new(Memory::default());
    let store = |name: &str| with(Arc::clone(&memory), folder.path(), key(folder.path(), name));
    let numbers = |keys: &[&str], from: i64| -> Vec<u64> {
        let put = |(second, name): (i64, &&str)| {
            put(&store(name), second, &[noise(1, 50_000), noise(second.unsigned_abs(), 500)].concat())
        };
        (from..).zip(keys).map(put).map(|manifest| manifest.history.unwrap().number).collect()
    };
    assert_eq!(numbers(&["old", "old", "new", "new"], 0), [0, 1, 0, 1]);
    // What the old key locked is not continued by who has only the new one, and the other way round.
    assert_eq!(numbers(&["old"], 10), [2]);
}

#[test]
fn what_nobody_here_can_read_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let memory: Arc<dyn Destination> = Arc::new(Memory::default());
    let identity = Identity::generate().unwrap();
    let blind = Lock::Recipients { recipients: vec![identity.recipient()], identities: None };
    let store = with(Arc::clone(&memory), folder.path(), blind);
    for second in 0..2 {
        let made = put(&store, second, &vec![second as u8 + 1; 50_000]);
        assert_eq!(made.history.unwrap().number, 0);
    }
    let keys: PathBuf = folder.path().join("their.txt");
    fs::write(&keys, identity.file("test")).unwrap();
    let theirs = Lock::Recipients { recipients: vec![], identities: Some(keys) };
    let reader = with(memory, folder.path(), theirs);
    let scratch = tempfile::tempdir().unwrap();
    for (second, listed) in reader.list(None).unwrap().backups.iter().rev().enumerate() {
        let object = &listed.manifest.objects[0];
        let path = reader.fetch(&listed.manifest, object, scratch.path(), &Context::quiet()).unwrap();
        assert!(fs::read(path).unwrap() == vec![second as u8 + 1; 50_000]);
    }
}
