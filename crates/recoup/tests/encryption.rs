//! Encrypted stores: the contract of every store, what a manifest tells in the clear, damage, keys that do not fit.
#![cfg(feature = "encryption")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use recoup::ErrorKind;
use recoup::copy::{self, Copied};
use recoup::destination::{Destination, LocalDestination};
use recoup::format::Packed;
use recoup::model::channel::Secret;
use recoup::model::encryption::{Keys, Lock, Opening};
use recoup::model::{Format, Kind, Level, Manifest};
use recoup::progress::Context;
use recoup::store::{FilesStore, Identity, Keyring, Listed, Store};
use recoup::{backup, verify};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::noise;
use recoup_testkit::contract::store::{at, commit, manifest};
use recoup_testkit::faults::{OUTCOME, ROOT, child, variable};
use recoup_testkit::memory::Memory;
use recoup_testkit::sample::Sample;

fn lock(passphrase: &str) -> Lock {
    Lock::Passphrase { passphrase: Secret::value(passphrase), old: vec![] }
}

fn keyring(lock: Option<Lock>) -> Arc<Keyring> {
    Arc::new(Keyring::new(Keys { lock, ..Keys::default() }, std::env::temp_dir()))
}

fn locked(destination: Arc<dyn Destination>, lock: Lock) -> FilesStore {
    FilesStore::new(destination).with_keys(keyring(Some(lock)))
}

fn directory(root: &Path) -> Arc<dyn Destination> {
    Arc::new(LocalDestination::open(root, true).unwrap())
}

/// A key in a file, which costs no passphrase.
fn file_key(folder: &Path) -> Lock {
    let path = folder.join("key.txt");
    if !path.exists() {
        fs::write(&path, Identity::generate().unwrap().file("test")).unwrap();
    }
    Lock::Recipients { recipients: vec![], identities: Some(path) }
}

mod with_a_key {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let folder = tempfile::tempdir().unwrap();
        let store = locked(directory(&folder.path().join("backups")), file_key(folder.path()));
        Fixture { subject: Arc::new(store), keep: Box::new(folder) }
    }
    recoup_testkit::store_contract!(fresh);
}

mod with_a_passphrase_elsewhere {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let store = locked(Arc::new(Memory::default()), lock("correct horse battery staple"));
        Fixture { subject: Arc::new(store), keep: Box::new(()) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn open_with(root: &Path, lock: Option<Lock>) -> FilesStore {
    FilesStore::new(directory(root)).with_keys(keyring(lock))
}

fn only(store: &dyn Store) -> Listed {
    let mut listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    assert_eq!(listing.backups.len(), 1);
    listing.backups.remove(0)
}

fn problems(store: &dyn Store, listed: &Listed, level: Level) -> recoup::Result<Vec<String>> {
    let scratch = tempfile::tempdir().unwrap();
    let report = verify::run(store, listed, level, scratch.path(), &Context::quiet())?;
    assert_eq!(report.ok, report.problems.is_empty());
    Ok(report.problems.into_iter().map(|problem| problem.code).collect())
}

/// The shop, backed up to an encrypted folder.
struct Scene {
    sample: Sample,
    lock: Lock,
}

impl Scene {
    fn new() -> Self {
        let sample = Sample::new();
        let lock = file_key(sample.path());
        Scene { sample, lock }
    }
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(open_with(&self.sample.backups(), Some(self.lock.clone())))
    }
    fn back_up(&self, format: Format) -> Manifest {
        let all = self.sample.sources();
        let specs = if format == Format::Archive { all } else { vec![self.sample.database_source()] };
        let mut request = self.sample.request(&specs, format);
        request.label = Some("canary-label".into());
        request.host = Some("canary-host".into());
        backup::run(&request, &[self.store()], &Context::quiet()).unwrap().manifest
    }
    fn manifest_file(&self) -> String {
        let name = self.sample.stored_files().into_iter().find(|name| name.ends_with(".manifest.json")).unwrap();
        fs::read_to_string(self.sample.backups().join(name)).unwrap()
    }
}

#[test]
fn the_manifest_tells_in_the_clear_only_what_it_must() {
    let scene = Scene::new();
    let made = scene.back_up(Format::Archive);
    let text = scene.manifest_file();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut members: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let outer = ["created_at", "duration_ms", "encryption", "format", "id", "kind", "made_by", "manifest_sha256"];
    let rest = ["objects", "parts", "plan", "recoup_manifest", "verified", "warnings"];
    assert_eq!(members, [&outer[..], &rest[..]].concat());
    assert_eq!((&json["parts"], &json["warnings"]), (&serde_json::json!([]), &serde_json::json!([])));
    assert_eq!(json["recoup_manifest"], 2);
    // What the parts say is nowhere: names of sources and tables, paths, labels, hosts, settings, hashes of what is inside.
    let folder = scene.sample.path().to_string_lossy().into_owned();
    let mut inside =
        vec!["canary-label", "canary-host", &folder, "pictures", "config.yml", "SHOP_", "orders", "settings"];
    let facts = made.parts.iter().find_map(|part| part.database.as_ref()).unwrap();
    inside.extend(facts.tables.iter().map(|table| table.name.as_str()).filter(|name| name.len() > 3));
    inside.extend(made.objects.iter().map(|object| object.sha256.as_str()));
    inside.extend(made.parts.iter().map(|part| part.sha256.as_str()));
    for secret in inside.into_iter().filter(|secret| !secret.is_empty()) {
        assert!(!text.contains(secret), "{secret}");
    }
    for name in scene.sample.stored_files().iter().filter(|name| name.ends_with(".age")) {
        let bytes = fs::read(scene.sample.backups().join(name)).unwrap();
        assert!(bytes.starts_with(b"age-encryption.org/v1\n"), "{name}");
    }
}

#[test]
fn without_the_key_it_is_listed_and_hashed_and_with_it_everything_is_known() {
    for format in [Format::Archive, Format::Database, Format::Json, Format::Csv, Format::Both] {
        let scene = Scene::new();
        let made = scene.back_up(format);
        let with = only(&*scene.store());
        assert_eq!(with.manifest.parts, made.parts, "{format}");
        assert_eq!(with.manifest.label.as_deref(), Some("canary-label"));
        assert_eq!(with.manifest.objects, made.objects);
        let ladder = if format == Format::Csv {
            vec![Level::Checksum]
        } else {
            vec![Level::Checksum, Level::Integrity, Level::Restore]
        };
        for level in ladder {
            assert_eq!(problems(&*scene.store(), &with, level).unwrap(), Vec::<String>::new(), "{format} {level}");
        }

        let blind = open_with(&scene.sample.backups(), None);
        let without = only(&blind);
        assert_eq!((without.manifest.id.clone(), without.missing.len()), (made.id.clone(), 0));
        assert_eq!((without.manifest.parts.len(), without.manifest.label.clone()), (0, None));
        assert_eq!(without.manifest.verified, Some(Level::Integrity));
        assert!(without.manifest.objects.iter().all(|object| object.name.ends_with(".age")));
        assert_eq!(problems(&blind, &without, Level::Checksum).unwrap(), Vec::<String>::new());
        let error = problems(&blind, &without, Level::Integrity).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "key_needed"));
        // It can be removed, too.
        blind.delete(&made.id, true).unwrap();
        assert!(!scene.sample.stored_files().iter().any(|name| name.starts_with("shop/")));
    }
}

#[test]
fn another_key_is_told_apart_from_damage_at_every_level() {
    let scene = Scene::new();
    let made = scene.back_up(Format::Database);
    let other = tempfile::tempdir().unwrap();
    let wrong = open_with(&scene.sample.backups(), Some(file_key(other.path())));
    let listed = only(&wrong);
    let Opening::Refused(why) = &listed.manifest.encryption.as_ref().unwrap().opening else { panic!("opened") };
    let error = listed.manifest.opened().unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.message()),
        (ErrorKind::Denied, "wrong_key", "This key does not fit")
    );
    assert!(
        error.detail().contains(&made.encryption.unwrap().keys[0]) && error.detail().contains(why),
        "{}",
        error.detail()
    );
    for level in [Level::Checksum, Level::Integrity, Level::Restore] {
        assert_eq!(problems(&wrong, &listed, level).unwrap_err().code(), "wrong_key", "{level}");
    }
    // Damage is found all the same.
    let name = scene.sample.stored_files().into_iter().find(|name| name.ends_with(".db.age")).unwrap();
    let path = scene.sample.backups().join(name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 1;
    fs::write(&path, bytes).unwrap();
    for level in [Level::Checksum, Level::Restore] {
        assert_eq!(problems(&wrong, &listed, level).unwrap(), ["hash_differs"], "{level}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_found_at_every_level() {
    let scene = Scene::new();
    scene.back_up(Format::Database);
    let name = scene.sample.stored_files().into_iter().find(|name| name.ends_with(".db.age")).unwrap();
    let path = scene.sample.backups().join(name);
    let whole = fs::read(&path).unwrap();
    let listed = only(&*scene.store());
    let step = (whole.len() / 40).max(1);
    for at in (0..whole.len()).step_by(step).chain([whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        for level in [Level::Checksum, Level::Integrity] {
            assert_eq!(problems(&*scene.store(), &listed, level).unwrap(), ["hash_differs"], "byte {at} at {level}");
        }
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(problems(&*scene.store(), &listed, Level::Restore).unwrap(), Vec::<String>::new());
    // And in the manifest itself.
    let text = scene.manifest_file();
    for at in (0..text.len()).step_by(97) {
        let mut damaged = text.clone().into_bytes();
        damaged[at] ^= 1;
        assert!(Manifest::parse(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn a_sealed_manifest_of_another_backup_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_with(&folder.path().join("backups"), Some(file_key(folder.path())));
    let (first, second) =
        (commit(&store, manifest("shop", at(0), Kind::Manual), 1), manifest("shop", at(60), Kind::Manual));
    let second = commit(&store, second, 2);
    let path = |m: &Manifest| folder.path().join(format!("backups/shop/{}.manifest.json", m.file_stem()));
    let read = |m: &Manifest| Manifest::parse(&fs::read(path(m)).unwrap()).unwrap();
    let mut swapped = read(&second);
    swapped.encryption.as_mut().unwrap().sealed = read(&first).encryption.unwrap().sealed;
    fs::write(path(&second), swapped.to_json().unwrap()).unwrap();
    let listing = store.list(None).unwrap();
    assert_eq!((listing.backups.len(), listing.damaged.len()), (1, 1));
    assert_eq!(listing.damaged[0].1.kind(), ErrorKind::Corrupted);
}

#[test]
fn a_passphrase_that_does_not_open_the_key_there_makes_nothing() {
    let sample = Sample::new();
    let request = sample.request(&[sample.database_source()], Format::Database);
    let with = |passphrase: &str| -> Arc<dyn Store> { Arc::new(open_with(&sample.backups(), Some(lock(passphrase)))) };
    let made = backup::run(&request, &[with("harbour")], &Context::quiet()).unwrap().manifest;
    let key = made.encryption.unwrap().keys.remove(0);
    let before = sample.stored_files();
    let error = backup::run(&request, &[with("anchor")], &Context::quiet()).unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.message()),
        (ErrorKind::Denied, "wrong_key", "This key does not fit")
    );
    assert!(error.detail().contains(&key), "{}", error.detail());
    assert_eq!(sample.stored_files(), before);
    // The right one goes on with the same key.
    let again = backup::run(&request, &[with("harbour")], &Context::quiet()).unwrap().manifest;
    assert_eq!(again.encryption.unwrap().keys[0], key);
    // Also when the folder of keys was lost: each backup has its key with it.
    fs::remove_dir_all(sample.backups().join("recoup-keys")).unwrap();
    assert_eq!(backup::run(&request, &[with("anchor")], &Context::quiet()).unwrap_err().code(), "wrong_key");
    let third = backup::run(&request, &[with("harbour")], &Context::quiet()).unwrap().manifest;
    assert_eq!(third.encryption.unwrap().keys[0], key);
    let store = with("harbour");
    assert!(store.list(None).unwrap().backups.iter().all(|listed| listed.manifest.opened().is_ok()));
}

#[test]
fn a_changed_passphrase_opens_what_was_made_before() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("backups");
    let first = commit(&open_with(&root, Some(lock("harbour"))), manifest("shop", at(0), Kind::Manual), 1);
    let destination = directory(&root);
    let context = Context::quiet();
    let place = recoup::store::KeyPlace { destination: destination.as_ref(), now: at(10), context: &context };
    let wrong = keyring(Some(lock("anchor"))).rotate(&place, None, Some(&Secret::value("mast"))).unwrap_err();
    assert_eq!(wrong.code(), "wrong_key");
    let rotated = keyring(Some(lock("harbour"))).rotate(&place, None, Some(&Secret::value("mast"))).unwrap();
    let key = |m: &Manifest| m.encryption.as_ref().unwrap().keys[0].clone();
    assert_eq!(rotated.before, Some(key(&first)));
    assert_eq!(rotated.relocked, [key(&first)]);
    assert_ne!(rotated.now, key(&first));

    let store = open_with(&root, Some(lock("mast")));
    let second = commit(&store, manifest("shop", at(60), Kind::Manual), 2);
    assert_eq!(key(&second), rotated.now);
    assert!(store.list(None).unwrap().backups.iter().all(|listed| listed.manifest.opened().is_ok()));
    // The passphrase of before opens what it opened, and locks nothing any more.
    let before = open_with(&root, Some(lock("harbour")));
    let opened: Vec<bool> =
        before.list(None).unwrap().backups.iter().map(|listed| listed.manifest.opened().is_ok()).collect();
    assert_eq!(opened, [false, true]);
    let error = before.check_key("shop", &context).unwrap_err();
    assert!(error.code() == "wrong_key" && error.detail().contains(&key(&first)), "{}", error.detail());
    // A passphrase that was changed in the configuration alone makes a new key by itself.
    let old = vec![Secret::value("mast")];
    let changed = open_with(&root, Some(Lock::Passphrase { passphrase: Secret::value("keel"), old }));
    let third = commit(&changed, manifest("shop", at(120), Kind::Manual), 3);
    assert_ne!(key(&third), key(&second));
    assert!(changed.list(None).unwrap().backups.iter().all(|listed| listed.manifest.opened().is_ok()));
}

#[test]
fn a_plan_has_a_key_of_its_own_beside_the_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys { lock: Some(lock("harbour")), plans: vec![("shop".into(), lock("anchor"))], others: vec![] };
    let ring = |keys: &Keys| Arc::new(Keyring::new(keys.clone(), std::env::temp_dir()));
    let store = FilesStore::new(directory(folder.path())).with_keys(ring(&keys));
    let shop = commit(&store, manifest("shop", at(0), Kind::Manual), 1);
    let wiki = commit(&store, manifest("wiki", at(1), Kind::Manual), 2);
    assert_ne!(shop.encryption.unwrap().keys, wiki.encryption.unwrap().keys);
    assert!(store.list(None).unwrap().backups.iter().all(|listed| listed.manifest.opened().is_ok()));
    let own = open_with(folder.path(), Some(lock("harbour")));
    let opened: Vec<(String, bool)> = own
        .list(None)
        .unwrap()
        .backups
        .into_iter()
        .map(|l| (l.manifest.plan.clone(), l.manifest.opened().is_ok()))
        .collect();
    assert_eq!(opened, [("wiki".to_owned(), true), ("shop".to_owned(), false)]);
}

#[test]
fn without_the_secret_key_a_backup_says_once_that_it_cannot_be_proven() {
    let sample = Sample::new();
    let key = Identity::generate().unwrap();
    let blind = Lock::Recipients { recipients: vec![key.recipient()], identities: None };
    let store = || -> Arc<dyn Store> { Arc::new(open_with(&sample.backups(), Some(blind.clone()))) };
    let request = sample.request(&sample.sources(), Format::Archive);
    let first = backup::run(&request, &[store()], &Context::quiet()).unwrap().manifest;
    assert_eq!(first.warnings.iter().filter(|warning| warning.code == "key_not_here").count(), 1);
    assert_eq!(first.verified, Some(Level::Checksum));
    let second = backup::run(&request, &[store()], &Context::quiet()).unwrap().manifest;
    assert!(!second.warnings.iter().any(|warning| warning.code == "key_not_here"));
    let listing = store().list(None).unwrap();
    assert!(listing.backups.iter().all(|listed| listed.manifest.opened().is_err()));

    let path = sample.path().join("elsewhere.txt");
    fs::write(&path, key.file("kept by somebody else")).unwrap();
    let reads = open_with(&sample.backups(), Some(Lock::Recipients { recipients: vec![], identities: Some(path) }));
    for listed in reads.list(None).unwrap().backups {
        assert_eq!(problems(&reads, &listed, Level::Restore).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_copy_is_locked_as_its_destination_wants_and_keeps_its_id() {
    let scene = Scene::new();
    let made = scene.back_up(Format::Both);
    let place = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let plain: Arc<dyn Store> = Arc::new(open_with(&place.path().join("plain"), None));
    let again: Arc<dyn Store> = Arc::new(open_with(&place.path().join("again"), Some(file_key(other.path()))));
    let copy = |from: &Arc<dyn Store>, to: &Arc<dyn Store>| {
        let scratch = tempfile::tempdir().unwrap();
        copy::run(from.as_ref(), &only(&**from), to.as_ref(), scratch.path(), &Context::quiet())
    };
    assert_eq!(copy(&scene.store(), &plain).unwrap(), Copied::Now);
    assert_eq!(copy(&plain, &again).unwrap(), Copied::Now);
    assert_eq!(copy(&scene.store(), &again).unwrap(), Copied::Already);
    let (open, locked) = (only(&*plain).manifest, only(&*again).manifest);
    assert_eq!((&open.id, &open.encryption, &open.parts), (&made.id, &None, &made.parts));
    assert_eq!((&locked.id, &locked.parts, &locked.objects), (&made.id, &made.parts, &made.objects));
    assert_ne!(locked.encryption.unwrap().keys, made.encryption.unwrap().keys);
    for store in [&plain, &again] {
        assert_eq!(problems(&**store, &only(&**store), Level::Restore).unwrap(), Vec::<String>::new());
    }
    // Nobody copies what cannot be opened.
    let closed: Arc<dyn Store> = Arc::new(open_with(&scene.sample.backups(), None));
    let third: Arc<dyn Store> = Arc::new(open_with(&place.path().join("third"), None));
    assert_eq!(copy(&closed, &third).unwrap_err().code(), "key_needed");
    assert_eq!(third.list(None).unwrap().backups.len(), 0);
}

#[test]
fn secret_settings_are_only_where_everything_is_encrypted() {
    let scene = Scene::new();
    let place = tempfile::tempdir().unwrap();
    let plain: Arc<dyn Store> = Arc::new(open_with(place.path(), None));
    let specs = scene.sample.sources();
    let facts = |stores: &[Arc<dyn Store>]| {
        let made =
            backup::run(&scene.sample.request(&specs, Format::Archive), stores, &Context::quiet()).unwrap().manifest;
        let settings = made.parts.iter().find_map(|part| part.settings.clone()).unwrap();
        (settings.secrets, settings.left_out)
    };
    assert_eq!(facts(&[scene.store()]), (1, vec![]));
    let listed = only(&*scene.store());
    let scratch = tempfile::tempdir().unwrap();
    let error =
        copy::run(scene.store().as_ref(), &listed, plain.as_ref(), scratch.path(), &Context::quiet()).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "secrets_in_the_clear"));
    assert_eq!(facts(&[scene.store(), plain]), (0, vec!["SHOP_API_TOKEN".to_owned()]));
    // One that is left out this time may not encrypt.
    let mut request = scene.sample.request(&specs, Format::Archive);
    request.secrets = false;
    let made = backup::run(&request, &[scene.store()], &Context::quiet()).unwrap().manifest;
    let settings = made.parts.iter().find_map(|part| part.settings.clone()).unwrap();
    assert_eq!((settings.secrets, settings.left_out), (0, vec!["SHOP_API_TOKEN".to_owned()]));
}

#[test]
fn backups_of_before_stay_readable_beside_encrypted_ones() {
    let scene = Scene::new();
    scene.sample.back_up();
    scene.back_up(Format::Database);
    let listing = scene.store().list(None).unwrap();
    assert_eq!(
        listing.backups.iter().map(|listed| listed.manifest.encryption.is_some()).collect::<Vec<_>>(),
        [true, false]
    );
    for listed in &listing.backups {
        assert_eq!(problems(&*scene.store(), listed, Level::Restore).unwrap(), Vec::<String>::new());
    }
}

/// 300 MB, or 5 GB when asked for, with the memory that a passphrase costs.
#[test]
fn a_large_backup_is_locked_and_opened_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let megabytes: u64 = if std::env::var_os("SOAK").is_some() { 5 * 1024 } else { 300 };
    let mut file = fs::File::create(folder.path().join("large.db")).unwrap();
    for i in 0..megabytes {
        std::io::Write::write_all(&mut file, &noise(i + 1, 1 << 20)).unwrap();
    }
    drop(file);
    let outcome = folder.path().join("outcome");
    let output = child("large_in_a_child", folder.path(), &outcome).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let peak: u64 = fs::read_to_string(&outcome).unwrap().parse().unwrap();
    assert!(peak < 128 * 1024, "{peak} KiB for {megabytes} MiB");
}

#[test]
#[ignore = "run by another test"]
fn large_in_a_child() {
    let root = variable(ROOT);
    let root = Path::new(&root);
    let context = Context::quiet();
    let store = open_with(&root.join("backups"), Some(lock("harbour")));
    let mut large = Manifest { format: Format::Database, ..manifest("shop", at(0), Kind::Manual) };
    let path = root.join("large.db");
    store.put_objects(&mut large, &[Packed { extension: ".db", path: path.clone() }], &context).unwrap();
    store.put_manifest(&large, &context).unwrap();
    let listed = only(&store);
    let scratch = tempfile::tempdir_in(root).unwrap();
    let back = store.fetch(&listed.manifest, &listed.manifest.objects[0], scratch.path(), &context).unwrap();
    assert!(std::process::Command::new("cmp").args([&path, &back]).status().unwrap().success());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    fs::write(variable(OUTCOME), peak.split_whitespace().next().unwrap()).unwrap();
}
