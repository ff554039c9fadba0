//! The promises of [`Store`], as tests. Use: `recoup_testkit::store_contract!(fresh);` where `fresh` makes
//! an empty [`Fixture`]. Also what other tests need to put a backup somewhere: [`manifest`], [`commit`].

use std::sync::Arc;

use jiff::Timestamp;
use recoup::ErrorKind;
use recoup::format::Packed;
use recoup::model::backup::MANIFEST_VERSION;
use recoup::model::{BackupId, Format, Kind, Manifest};
use recoup::progress::Context;
use recoup::store::Store;

use super::Fixture;
use super::destination::{noise, sha256};

#[macro_export]
macro_rules! store_contract {
    ($fresh:expr) => {
        $crate::contract_cases! { store, $fresh,
            a_backup_exists_from_its_manifest_on
            what_is_fetched_is_what_was_put
            the_list_is_newest_first_and_by_plan
            a_failure_at_the_second_object_leaves_nothing
            an_abandoned_backup_leaves_nothing
            abandoning_what_exists_does_no_harm
            the_same_backup_is_not_put_twice
            a_manifest_without_its_data_is_refused
            a_sweep_leaves_working_and_finished_backups_alone
            a_protected_backup_is_deleted_only_with_force
            a_backup_can_be_protected_before_it_exists
            a_kind_that_protects_needs_no_marker
            deleting_what_is_absent_is_not_found
            eight_commits_in_one_second_are_all_listed
        }
    };
}

type Place = Fixture<dyn Store>;

/// A manifest without parts or objects.
pub fn manifest(plan: &str, created_at: Timestamp, kind: Kind) -> Manifest {
    Manifest {
        recoup_manifest: MANIFEST_VERSION,
        made_by: "recoup test".into(),
        id: BackupId::generate(created_at),
        plan: plan.into(),
        kind,
        format: Format::Both,
        label: None,
        created_at,
        duration_ms: 1,
        host: None,
        parts: vec![],
        objects: vec![],
        verified: None,
        warnings: vec![],
        audit: None,
        local_only: false,
        encryption: None,
        history: None,
        state: None,
        same_as: None,
    }
}

/// Two packed files of noise in a directory that lives as long as the guard.
pub fn packed(seed: u64, length: usize) -> (Vec<Packed>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let files = [(".db", seed, length), (".json", seed + 1, length / 2 + 1)];
    let packed = files.map(|(extension, seed, length)| {
        let path = directory.path().join(format!("packed{extension}"));
        std::fs::write(&path, noise(seed, length)).unwrap();
        Packed { extension, path }
    });
    (packed.to_vec(), directory)
}

/// Puts one whole backup.
pub fn commit(store: &dyn Store, mut manifest: Manifest, seed: u64) -> Manifest {
    let (packed, _keep) = packed(seed, 10_000);
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest
}

/// An instant so many seconds into 2027-01-15T08:00Z.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// The files that these backups consist of, sorted.
pub fn files_of(manifests: &[&Manifest]) -> Vec<String> {
    let mut names: Vec<String> = manifests
        .iter()
        .flat_map(|m| {
            let objects = m.stored().iter().map(|object| object.name.clone());
            objects.chain([format!("{}.manifest.json", m.file_stem())]).map(|name| format!("{}/{name}", m.plan))
        })
        .collect();
    names.sort();
    names
}

fn ids(store: &dyn Store) -> Vec<BackupId> {
    let listing = store.list(None).unwrap();
    assert!(listing.damaged.is_empty(), "{:?}", listing.damaged);
    assert!(listing.backups.iter().all(|backup| backup.missing.is_empty()));
    listing.backups.into_iter().map(|backup| backup.manifest.id).collect()
}

pub fn a_backup_exists_from_its_manifest_on(place: &Place) {
    let store = &*place.subject;
    let (packed, _keep) = packed(1, 5000);
    let mut manifest = manifest("shop", at(0), Kind::Manual);
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    assert_eq!(ids(store), []);
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    let listing = store.list(None).unwrap();
    assert_eq!(listing.backups.len(), 1);
    assert_eq!(listing.backups[0].manifest, manifest);
    assert_eq!((listing.backups[0].protected, listing.backups[0].missing.len()), (false, 0));
}

pub fn what_is_fetched_is_what_was_put(place: &Place) {
    let store = &*place.subject;
    let manifest = commit(store, manifest("shop", at(0), Kind::Manual), 40);
    let scratch = tempfile::tempdir().unwrap();
    let stem = manifest.file_stem();
    let expected = [(".db", noise(40, 10_000)), (".json", noise(41, 5001))];
    assert_eq!(manifest.objects.len(), expected.len());
    for (object, (extension, bytes)) in manifest.objects.iter().zip(expected) {
        assert_eq!((&object.name, object.bytes), (&format!("{stem}{extension}"), bytes.len() as u64));
        assert_eq!(object.sha256, sha256(&bytes));
        let path = store.fetch(&manifest, object, scratch.path(), &Context::quiet()).unwrap();
        assert!(std::fs::read(path).unwrap() == bytes);
    }
    let mut elsewhere = manifest.objects[0].clone();
    elsewhere.name = "../../etc/passwd".into();
    let error = store.fetch(&manifest, &elsewhere, scratch.path(), &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupted);
}

pub fn the_list_is_newest_first_and_by_plan(place: &Place) {
    let store = &*place.subject;
    let mut all = Vec::new();
    for (i, second) in [5, 1, 9, 9, 3].into_iter().enumerate() {
        let plan = if i % 2 == 0 { "shop" } else { "shop-2" };
        all.push(commit(store, manifest(plan, at(second), Kind::Scheduled), i as u64));
    }
    all.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    assert_eq!(ids(store), all.iter().map(|m| m.id.clone()).collect::<Vec<_>>());
    let shop = store.list(Some("shop")).unwrap();
    assert_eq!(shop.backups.len(), 3);
    assert!(shop.backups.iter().all(|backup| backup.manifest.plan == "shop"));
    assert!(store.list(Some("other")).unwrap().backups.is_empty());
    assert_eq!(store.list(Some("../shop")).unwrap_err().kind(), ErrorKind::Usage);
}

pub fn a_failure_at_the_second_object_leaves_nothing(place: &Place) {
    let store = &*place.subject;
    let (mut packed, keep) = packed(1, 5000);
    packed[1].path = keep.path().join("absent");
    let mut manifest = manifest("shop", at(0), Kind::Manual);
    assert!(store.put_objects(&mut manifest, &packed, &Context::quiet()).is_err());
    assert_eq!(manifest.objects, []);
    assert_eq!(ids(store), []);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
}

pub fn an_abandoned_backup_leaves_nothing(place: &Place) {
    let store = &*place.subject;
    let (packed, _keep) = packed(1, 5000);
    let mut manifest = manifest("shop", at(0), Kind::Manual);
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    let object = manifest.objects[0].clone();
    store.abandon(&manifest);
    let scratch = tempfile::tempdir().unwrap();
    let gone = store.fetch(&manifest, &object, scratch.path(), &Context::quiet()).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
}

pub fn abandoning_what_exists_does_no_harm(place: &Place) {
    let store = &*place.subject;
    let manifest = commit(store, manifest("shop", at(0), Kind::Manual), 1);
    store.abandon(&manifest);
    assert_eq!(ids(store), [manifest.id]);
}

pub fn the_same_backup_is_not_put_twice(place: &Place) {
    let store = &*place.subject;
    let manifest = commit(store, manifest("shop", at(0), Kind::Manual), 1);
    let (packed, _keep) = packed(9, 77);
    let mut again = manifest.clone();
    let error = store.put_objects(&mut again, &packed, &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
    assert_eq!(ids(store), [manifest.id]);
}

pub fn a_manifest_without_its_data_is_refused(place: &Place) {
    let store = &*place.subject;
    let (packed, _keep) = packed(1, 5000);
    let mut manifest = manifest("shop", at(0), Kind::Manual);
    assert!(store.put_manifest(&manifest, &Context::quiet()).is_err());
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    store.abandon(&manifest);
    assert_eq!(store.put_manifest(&manifest, &Context::quiet()).unwrap_err().kind(), ErrorKind::Corrupted);
    assert_eq!(ids(store), []);
}

pub fn a_sweep_leaves_working_and_finished_backups_alone(place: &Place) {
    let store = &*place.subject;
    let finished = commit(store, manifest("shop", at(0), Kind::Manual), 1);
    let (packed, _keep) = packed(5, 5000);
    let mut working = manifest("shop", at(1), Kind::Manual);
    store.put_objects(&mut working, &packed, &Context::quiet()).unwrap();
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    store.put_manifest(&working, &Context::quiet()).unwrap();
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    assert_eq!(ids(store), [working.id, finished.id]);
}

pub fn a_protected_backup_is_deleted_only_with_force(place: &Place) {
    let store = &*place.subject;
    let context = Context::quiet();
    let manifest = commit(store, manifest("shop", at(0), Kind::Manual), 1);
    store.set_protected(&manifest.id, true, &context).unwrap();
    store.set_protected(&manifest.id, true, &context).unwrap();
    assert!(store.list(None).unwrap().backups[0].protected);
    let error = store.delete(&manifest.id, false).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "protected"));
    assert!(error.hint_text().is_some());
    store.set_protected(&manifest.id, false, &context).unwrap();
    assert!(!store.list(None).unwrap().backups[0].protected);
    store.set_protected(&manifest.id, true, &context).unwrap();
    store.delete(&manifest.id, true).unwrap();
    assert_eq!(ids(store), []);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
}

pub fn a_backup_can_be_protected_before_it_exists(place: &Place) {
    let store = &*place.subject;
    let (packed, _keep) = packed(5, 5000);
    let mut manifest = manifest("shop", at(1), Kind::Manual);
    store.put_objects(&mut manifest, &packed, &Context::quiet()).unwrap();
    store.set_protected(&manifest.id, true, &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    assert!(store.list(None).unwrap().backups[0].protected);
}

pub fn a_kind_that_protects_needs_no_marker(place: &Place) {
    let store = &*place.subject;
    let manifest = commit(store, manifest("shop", at(0), Kind::PreRestore), 1);
    assert!(store.list(None).unwrap().backups[0].protected);
    assert_eq!(store.delete(&manifest.id, false).unwrap_err().code(), "protected");
    let lifted = store.set_protected(&manifest.id, false, &Context::quiet()).unwrap_err();
    assert_eq!(lifted.kind(), ErrorKind::Denied);
    store.delete(&manifest.id, true).unwrap();
    assert_eq!(ids(store), []);
}

pub fn deleting_what_is_absent_is_not_found(place: &Place) {
    let error = place.subject.delete(&BackupId::generate(at(0)), true).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "backup_missing"));
}

pub fn eight_commits_in_one_second_are_all_listed(place: &Place) {
    let store: &Arc<dyn Store> = &place.subject;
    let mut committed: Vec<BackupId> = std::thread::scope(|scope| {
        let one = |i| commit(&**store, manifest("shop", at(0), Kind::Manual), i).id;
        let threads: Vec<_> = (0..8).map(|i| scope.spawn(move || one(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    committed.sort_by(|a, b| b.cmp(a));
    assert_eq!(ids(&**store), committed);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
}
