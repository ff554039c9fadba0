//! Prune on stores: what was shown is what goes, guards pause, one failure does not stop the rest, damage is set
//! aside, plans and destinations do not influence each other. The rules themselves: `retention_rules.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::destination::LocalDestination;
use recoup::format::Packed;
use recoup::model::guard::Trigger;
use recoup::model::retention::Policy;
use recoup::model::{BackupId, Format, Kind, Level, Manifest, Warning};
use recoup::progress::Context;
use recoup::prune::{self, Request, Rule};
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind, Result};
use recoup_testkit::contract::store::manifest;
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::memory::Memory;
use recoup_testkit::random::Random;
use recoup_testkit::refusing::{Call, Refusing};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(n: i64) -> Timestamp {
    at("2026-03-01T03:00:00Z") + SignedDuration::from_hours(24 * n)
}

/// A small backup, verified, with one object.
fn put(store: &dyn Store, created_at: Timestamp, change: impl FnOnce(&mut Manifest)) -> BackupId {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("packed");
    fs::write(&path, b"some bytes").unwrap();
    let mut manifest = manifest("shop", created_at, Kind::Scheduled);
    manifest.verified = Some(Level::Integrity);
    manifest.format = Format::Archive;
    change(&mut manifest);
    let extension = if manifest.format == Format::Csv { ".csv.zip" } else { ".zip" };
    store.put_objects(&mut manifest, &[Packed { extension, path }], &Context::quiet()).unwrap();
    store.put_manifest(&manifest, &Context::quiet()).unwrap();
    manifest.id
}

fn dailies(store: &dyn Store, days: i64) -> Vec<BackupId> {
    (0..days).map(|n| put(store, day(n), |_| {})).collect()
}

fn ids(store: &dyn Store) -> Vec<BackupId> {
    let mut ids: Vec<BackupId> = store.list(None).unwrap().backups.into_iter().map(|b| b.manifest.id).collect();
    ids.reverse();
    ids
}

struct Place {
    directory: tempfile::TempDir,
    clock: Arc<HandClock>,
    store: FilesStore,
}

impl Place {
    fn new(now: Timestamp) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = HandClock::at(now);
        let destination = LocalDestination::open(directory.path(), true).unwrap();
        let store = FilesStore::new(Arc::new(destination)).with_clock(clock.clone());
        Place { directory, clock, store }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
    fn run(&self, request: &Request<'_>) -> Result<prune::Report> {
        prune::run(&self.store, request, &self.clock.context())
    }
    /// Prunes with a yes to whatever the preview shows.
    fn run_confirmed(&self, request: &Request<'_>) -> prune::Report {
        let set = self.preview(request).set;
        self.run(&Request { confirmed: Some(&set), ..*request }).unwrap()
    }
    fn preview(&self, request: &Request<'_>) -> prune::Preview {
        use recoup::clock::Clock;
        prune::preview(&self.store, request, self.clock.now()).unwrap()
    }
    fn paused(&self, request: &Request<'_>) -> Option<String> {
        self.run(request).unwrap().preview.paused.map(|pause| pause.sentence())
    }
}

fn newest(count: u32) -> Policy {
    Policy { keep_count: count, ..Policy::default() }
}

fn by(policy: &Policy) -> Request<'_> {
    let rule = Rule::Policy { policy, once: false };
    Request { plan: "shop", rule, trigger: Trigger::VerifiedBackup, confirmed: None, damaged: &[] }
}

fn going(preview: &prune::Preview) -> Vec<BackupId> {
    let mut ids: Vec<BackupId> = preview.going().map(|entry| entry.decision.id.clone()).collect();
    ids.reverse();
    ids
}

// --- P11 and P12 ---

/// A random history of five plans, some of whose names begin alike.
fn history(store: &dyn Store, root: Option<&Path>, random: &mut Random, now: Timestamp) {
    let plans = ["shop", "shop", "shop", "shop", "shop-2", "shop.eu", "s", "blog"];
    for _ in 0..10 + random.below(15) {
        let ahead = if random.below(15) == 0 { -40 } else { 1 };
        let created_at = now - SignedDuration::from_hours(random.below(24 * 200) as i64 * ahead);
        let (plan, how) = (plans[random.below(8) as usize], random.below(12));
        let id = put(store, created_at, |manifest| {
            manifest.plan = plan.into();
            match how {
                0 => manifest.kind = Kind::PreRestore,
                1 => manifest.verified = None,
                2 => manifest.warnings.push(Warning::new("shrank", "it shrank")),
                3 => manifest.format = Format::Csv,
                4 => manifest.verified = Some(Level::Restore),
                _ => {}
            }
        });
        let tail = id.tail();
        match (random.below(12), root) {
            (0, _) => store.set_protected(&id, true, &Context::quiet()).unwrap(),
            (1, Some(root)) => {
                let mut files = fs::read_dir(root.join(plan)).unwrap().map(|entry| entry.unwrap().path());
                let data = files.find(|path| path.to_string_lossy().ends_with(&format!("{tail}.zip")));
                data.iter().for_each(|path| fs::write(path, b"short").unwrap());
            }
            _ => {}
        }
    }
}

#[test]
fn p11_p12_a_preview_is_what_is_carried_out_and_other_plans_are_left_alone_on_200_histories() {
    let mut removed = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let place = Place::new(day(100));
        let memory = FilesStore::new(Arc::new(Memory::default())).with_clock(place.clock.clone());
        // Every tenth on a disk, with damage; the others in memory.
        let store: &dyn Store = if seed % 10 == 0 { &place.store } else { &memory };
        let root = (seed % 10 == 0).then(|| place.directory.path());
        history(store, root, &mut random, day(100));
        let policy = Policy {
            days: [0, 0, 30][random.below(3) as usize],
            keep_count: 1 + random.below(3) as u32,
            daily: random.below(3) as u32,
            weekly: random.below(3) as u32,
            monthly: random.below(3) as u32,
            min_keep: 1 + random.below(2) as u32,
            ..Policy::default()
        };
        let before = ids(store);
        let damaged = store.list(None).unwrap().backups.iter().filter(|listed| !listed.missing.is_empty()).count();
        let preview = prune::preview(store, &by(&policy), day(100)).unwrap();
        let request = Request { confirmed: Some(&preview.set), ..by(&policy) };
        let expected: BTreeSet<BackupId> = going(&preview).into_iter().collect();
        assert_eq!(ids(store), before, "seed {seed}: a preview changes nothing");

        let report = prune::run(store, &request, &place.clock.context()).unwrap();
        if let Some(pause) = report.preview.paused {
            assert!(pause.code == "listing_short" && damaged > 1, "seed {seed}: {pause:?}");
            assert_eq!(ids(store), before, "seed {seed}");
            continue;
        }
        assert!(report.failed.is_empty(), "seed {seed}: {:?}", report.failed);
        assert_eq!(report.deleted, going(&preview), "seed {seed}: the oldest first");
        let left: Vec<BackupId> = before.into_iter().filter(|id| !expected.contains(id)).collect();
        assert_eq!(ids(store), left, "seed {seed}");
        assert_eq!(report.freed_bytes, 10 * expected.len() as u64);
        let again = prune::preview(store, &by(&policy), day(100)).unwrap();
        assert_eq!(going(&again), [], "seed {seed}: a second run removes nothing");
        removed += expected.len();
    }
    assert!(removed > 300, "only {removed}");
}

// --- guards ---

#[test]
fn more_than_half_at_once_pauses_until_somebody_says_yes_to_exactly_that() {
    let place = Place::new(day(9));
    let all = dailies(&place.store, 10);
    let policy = newest(2);
    assert_eq!(place.paused(&by(&policy)).unwrap(), "Retention paused: 8 of 10 backups would go at once");
    assert_eq!(ids(&place.store), all);
    let shown = place.preview(&by(&policy)).set;
    put(&place.store, day(9), |_| {});
    let stale = place.run(&Request { confirmed: Some(&shown), ..by(&policy) }).unwrap_err();
    assert_eq!((stale.kind(), stale.code()), (ErrorKind::Busy, "preview_stale"));
    assert_eq!(ids(&place.store).len(), 11);
    let report = place.run_confirmed(&by(&policy));
    assert_eq!(report.deleted, all[..9]);
    assert_eq!(ids(&place.store).len(), 2);
}

#[test]
fn a_clock_that_went_back_pauses_for_a_day_and_a_failed_run_never_starts_retention() {
    let place = Place::new(day(9));
    dailies(&place.store, 9);
    let policy = newest(8);
    let other = Request { trigger: Trigger::Other, ..by(&policy) };
    assert_eq!(place.paused(&other).unwrap(), "Retention paused: there was no verified backup before it");
    assert_eq!(place.paused(&by(&newest(9))), None, "nothing to remove, and the clock is seen");
    place.clock.forward(-2);
    let told = place.paused(&by(&policy)).unwrap();
    assert_eq!(told, "Retention paused: the clock says 2026-03-10T01:00:00Z, and it was 2026-03-10T03:00:00Z before");
    place.clock.forward(20);
    let told = place.paused(&by(&policy)).unwrap();
    assert!(told.starts_with("Retention paused: the clock was wrong at 2026-03-10T01:00:00Z"), "{told}");
    place.clock.forward(4);
    // The smaller policy, unseen until it was first tried here, has been waiting for its hour as well.
    assert_eq!(place.paused(&by(&policy)), None);
    assert_eq!(ids(&place.store).len(), 8);
}

#[test]
fn a_changed_policy_waits_an_hour_unless_somebody_says_yes() {
    let place = Place::new(day(9));
    let all = dailies(&place.store, 9);
    assert_eq!(place.paused(&by(&newest(8))), None);
    let told = place.paused(&by(&newest(7))).unwrap();
    assert_eq!(told, "Retention paused: the policy was changed since the last time");
    let told = place.paused(&by(&newest(7))).unwrap();
    assert_eq!(told, "Retention paused: the policy was changed less than an hour ago");
    place.clock.forward(1);
    assert_eq!(place.paused(&by(&newest(7))), None);
    let six = newest(6);
    let once = Request { rule: Rule::Policy { policy: &six, once: true }, ..by(&six) };
    assert_eq!(place.paused(&once), None, "one that is given for this call is no change");
    place.run_confirmed(&by(&newest(5)));
    assert_eq!(ids(&place.store), all[4..]);
    place.clock.forward(0);
    put(&place.store, day(9), |_| {});
    assert_eq!(place.paused(&by(&newest(5))), None, "the yes was the second thought");
}

#[test]
fn a_listing_that_lacks_much_pauses_and_a_damaged_manifest_is_never_removed() {
    let place = Place::new(day(19));
    let all = dailies(&place.store, 20);
    let manifest_of = |id: &BackupId| {
        let entries = fs::read_dir(place.path("shop")).unwrap().map(|entry| entry.unwrap().path());
        let ending = format!("{}.manifest.json", id.tail());
        entries.into_iter().find(|path| path.to_string_lossy().ends_with(&ending)).unwrap()
    };
    fs::write(manifest_of(&all[0]), "{}").unwrap();
    let preview = place.preview(&by(&newest(15)));
    assert_eq!((preview.damaged.len(), preview.paused), (1, None));
    for id in &all[1..5] {
        fs::write(manifest_of(id), "{}").unwrap();
    }
    let told = place.paused(&by(&newest(14))).unwrap();
    assert_eq!(told, "Retention paused: 5 of 35 files of the backups are not there or damaged");
    assert!(manifest_of(&all[0]).exists());
}

#[test]
fn only_one_prunes_at_a_time() {
    let place = Place::new(day(9));
    dailies(&place.store, 3);
    let lease = place.store.retention_lease().unwrap();
    let busy = place.run(&by(&newest(1))).unwrap_err();
    assert_eq!((busy.kind(), busy.code()), (ErrorKind::Busy, "retention_running"));
    drop(lease);
    assert_eq!(place.run(&by(&newest(1))).unwrap().deleted.len(), 2);
}

// --- what does not count ---

#[test]
fn a_backup_that_is_not_whole_counts_for_nothing_and_goes_a_week_later() {
    let place = Place::new(day(9));
    let all = dailies(&place.store, 10);
    let data = place.store.list(None).unwrap().backups[1].manifest.objects[0].name.clone();
    fs::remove_file(place.path("shop").join(data)).unwrap();
    let policy = newest(7);
    assert_eq!(place.run(&by(&policy)).unwrap().deleted, all[..2], "seven whole ones are kept beside it");
    assert_eq!(ids(&place.store).len(), 8);
    place.clock.forward(7 * 24 - 1);
    assert_eq!(place.run(&by(&policy)).unwrap().deleted, []);
    place.clock.forward(1);
    let report = place.run(&by(&policy)).unwrap();
    assert_eq!(report.deleted, [all[8].clone()]);
    let reasons = &report.preview.going().next().unwrap().decision.reasons;
    assert_eq!(reasons, &["it has been damaged for 7 days, and a newer backup is good"]);
}

#[test]
fn exports_do_not_use_up_the_places_of_backups() {
    let place = Place::new(day(9));
    let backups = dailies(&place.store, 3);
    let exports: Vec<BackupId> =
        (3..8).map(|n| put(&place.store, day(n), |manifest| manifest.format = Format::Csv)).collect();
    let report = place.run_confirmed(&by(&newest(3)));
    assert_eq!(report.deleted, exports[..2]);
    assert!(backups.iter().all(|id| ids(&place.store).contains(id)));
}

#[test]
fn each_destination_is_pruned_by_its_own_list_and_the_last_good_copy_stays() {
    let (here, away) = (Place::new(day(9)), Place::new(day(9)));
    let old = put(&away.store, day(0), |_| {});
    dailies(&here.store, 5);
    for n in 1..4 {
        put(&away.store, day(n), |manifest| manifest.warnings.push(Warning::new("changed", "it changed")));
    }
    here.run_confirmed(&by(&newest(1)));
    assert_eq!(ids(&away.store).len(), 4, "the other one is as it was");
    away.run_confirmed(&by(&newest(1)));
    assert!(ids(&away.store).contains(&old), "the only good one there");
    assert_eq!(ids(&away.store).len(), 2);
}

// --- failures ---

#[test]
fn one_that_cannot_be_removed_is_reported_and_does_not_stop_the_rest() {
    let clock = HandClock::at(day(9));
    let refuses = |call: Call<'_>| match call {
        Call::Delete(key) if key.contains("20260302T") && !key.ends_with(".pending") => {
            Some(Error::new(ErrorKind::Denied, "permission_denied", "Not allowed"))
        }
        _ => None,
    };
    let destination = Refusing { inner: Memory::default(), refuses };
    let store = FilesStore::new(Arc::new(destination)).with_clock(clock.clone());
    let all = dailies(&store, 6);
    let report = prune::run(&store, &by(&newest(3)), &clock.context()).unwrap();
    assert_eq!(report.deleted, [all[0].clone(), all[2].clone()]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!((&report.failed[0].0, report.failed[0].1.code()), (&all[1], "permission_denied"));
    assert_eq!(report.freed_bytes, 20);
    assert_eq!(ids(&store).len(), 4);
    assert!(!report.trashed, "a remote destination has no trash");
}

// --- protected ---

#[test]
fn old_protected_ones_go_only_with_a_yes_and_never_the_newest_good_one() {
    let place = Place::new(day(100));
    let safety = put(&place.store, day(0), |manifest| manifest.kind = Kind::PreRestore);
    let pinned = put(&place.store, day(1), |_| {});
    let plain = put(&place.store, day(2), |_| {});
    let young = put(&place.store, day(90), |manifest| manifest.kind = Kind::PreRestore);
    let newest_good = put(&place.store, day(5), |manifest| manifest.kind = Kind::PreMigration);
    place.store.set_protected(&pinned, true, &Context::quiet()).unwrap();
    assert_eq!(place.run_confirmed(&by(&newest(1))).deleted, [], "a policy never removes them");

    let rule = Rule::Protected { older_than: SignedDuration::from_hours(24 * 30) };
    let request = Request { plan: "shop", rule, trigger: Trigger::Command, confirmed: None, damaged: &[] };
    let preview = place.preview(&request);
    assert_eq!(going(&preview), [safety.clone(), pinned.clone()]);
    assert_eq!(preview.entries.len(), 4, "only protected ones are looked at");
    assert_eq!(
        preview.entries[1].decision.reasons,
        ["it is a pre_migration backup", "the newest good backup of its plan"]
    );
    let told = place.paused(&request).unwrap();
    assert_eq!(told, "Retention paused: protected backups go only when somebody says yes to exactly these");
    assert_eq!(ids(&place.store).len(), 5);
    assert_eq!(place.run_confirmed(&request).deleted, [safety, pinned]);
    assert_eq!(ids(&place.store), [plain, newest_good, young]);
}
