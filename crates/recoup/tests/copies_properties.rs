//! What is said of copies at several destinations, whatever they are: each promise on 20,000 random cases, made from a seed
//! that a failure names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use recoup::model::copies::{Known, is_last_good, missing, pause, rank};
use recoup::model::retention::{Class, Item, Policy, decide};
use recoup::model::{BackupId, Format, Kind, Level};
use recoup_testkit::faults::soak;
use recoup_testkit::random::Random;

const CASES: u64 = 20_000;
const PLACES: [&str; 3] = ["here", "nas", "offsite"];

struct Case {
    policy: Option<Policy>,
    since: Timestamp,
    now: Timestamp,
    all: Vec<Known>,
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let now: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let rule = |random: &mut Random, n: u64| if random.one_in(2) { 0 } else { 1 + random.below(n) as u32 };
        let policy = Policy {
            days: rule(&mut random, 20),
            keep_count: rule(&mut random, 8),
            daily: rule(&mut random, 8),
            weekly: rule(&mut random, 4),
            min_keep: 1 + random.below(3) as u32,
            every_of_recent_days: random.one_in(2),
            ..Policy::default()
        };
        let mut all = Vec::new();
        let mut at = now;
        for _ in 0..random.below(14) {
            at -= SignedDuration::from_secs(1 + random.below(40 * 3600) as i64);
            let entropy = (u128::from(random.number()) << 64) | u128::from(random.number());
            let id = ulid::Ulid::from_parts(u64::try_from(at.as_millisecond()).unwrap(), entropy).to_string();
            let kind = match random.below(8) {
                0 => Kind::PreRestore,
                1 => Kind::PreMigration,
                _ => Kind::Scheduled,
            };
            let format = if random.one_in(10) { Format::Csv } else { Format::Archive };
            let (local_only, protected) = (random.one_in(10), random.one_in(12));
            let foreign = random.one_in(20);
            for place in PLACES {
                if random.one_in(3) {
                    continue;
                }
                all.push(Known {
                    id: id.parse().unwrap(),
                    destination: place.to_owned(),
                    created_at: at,
                    kind,
                    format,
                    verified: (format != Format::Csv && !random.one_in(9)).then_some(Level::Integrity),
                    protected: protected || kind.is_protected(),
                    damaged: random.one_in(7),
                    local_only,
                    foreign,
                });
            }
        }
        let policy = (!random.one_in(6)).then_some(policy);
        let since = now - SignedDuration::from_secs(random.below(20 * 86_400) as i64);
        Case { policy, since, now, all }
    }

    fn missing(&self) -> Vec<BackupId> {
        missing(self.policy.as_ref(), self.since, "offsite", &self.all, self.now).unwrap()
    }

    fn at(&self, place: &str) -> impl Iterator<Item = &Known> {
        self.all.iter().filter(move |copy| copy.destination == place)
    }

    /// As if what is missing had been copied.
    fn copied(&self) -> Vec<Known> {
        let mut all = self.all.clone();
        for id in self.missing() {
            all.retain(|copy| copy.id != id || copy.destination != "offsite");
            let whole =
                |copy: &&Known| copy.id == id && !copy.damaged && (copy.is_good() || copy.format == Format::Csv);
            let from = self.all.iter().find(whole).unwrap_or_else(|| panic!("{id} is whole nowhere"));
            all.push(Known { destination: "offsite".into(), damaged: false, ..from.clone() });
        }
        all
    }
}

fn each(check: impl Fn(&Case)) {
    for seed in 0..if soak() { 20 * CASES } else { CASES } {
        let case = Case::new(seed);
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case)));
        if let Err(failed) = checked {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(failed);
        }
    }
}

/// As retention at that place sees them.
fn items(copies: &[Known]) -> Vec<Item> {
    let item = |copy: &Known| Item {
        id: copy.id.clone(),
        created_at: copy.created_at,
        class: match () {
            () if copy.protected => Class::Protected,
            () if copy.damaged => Class::Corrupt,
            () if copy.verified.is_none() => Class::Unverified,
            () => Class::Good,
        },
        proven: false,
        damaged_since: None,
    };
    let series = |copy: &&Known| copy.destination == "offsite" && copy.format != Format::Csv && !copy.foreign;
    copies.iter().filter(series).map(item).collect()
}

#[test]
fn what_is_missing_is_whole_elsewhere_and_was_made_since_the_place_belongs_to_the_plan() {
    each(|case| {
        let missing = case.missing();
        assert_eq!(missing.iter().collect::<BTreeSet<_>>().len(), missing.len(), "each once");
        for id in &missing {
            let copies: Vec<&Known> = case.all.iter().filter(|copy| copy.id == *id).collect();
            let there = copies.iter().find(|copy| copy.destination == "offsite");
            assert!(there.is_none_or(|copy| copy.damaged));
            assert!(copies.iter().any(|copy| copy.destination != "offsite" && !copy.damaged));
            let first = copies[0];
            assert!(!first.local_only && !first.foreign && first.kind != Kind::PreRestore);
            assert!(first.created_at >= case.since);
        }
    });
}

#[test]
fn when_it_has_been_copied_nothing_is_missing_and_retention_removes_none_of_it() {
    each(|case| {
        let (wanted, now) = (case.missing(), case.copied());
        let again = Case { policy: case.policy.clone(), since: case.since, now: case.now, all: now.clone() };
        assert_eq!(again.missing(), [], "it ends");
        let nothing = Policy::default();
        let decisions = decide(case.policy.as_ref().unwrap_or(&nothing), &items(&now), case.now).unwrap();
        for decision in decisions.iter().filter(|decision| wanted.contains(&decision.id)) {
            assert!(decision.keep, "{decision:?}");
        }
    });
}

#[test]
fn what_retention_removed_there_is_not_brought_back() {
    each(|case| {
        let nothing = Policy::default();
        let policy = case.policy.as_ref().unwrap_or(&nothing);
        // Everything is everywhere; then retention goes over one place.
        let mut all = case.all.clone();
        all.retain(|copy| copy.destination != "offsite" && !copy.damaged);
        let full = Case { policy: case.policy.clone(), since: Timestamp::MIN, now: case.now, all };
        let full = full.copied();
        let gone: Vec<BackupId> = decide(policy, &items(&full), case.now)
            .unwrap()
            .into_iter()
            .filter(|it| !it.keep)
            .map(|it| it.id)
            .collect();
        let mut left = full;
        left.retain(|copy| copy.destination != "offsite" || !gone.contains(&copy.id));
        let after = Case { policy: case.policy.clone(), since: Timestamp::MIN, now: case.now, all: left };
        assert_eq!(after.missing(), []);
    });
}

#[test]
fn the_newest_good_one_is_always_wanted() {
    each(|case| {
        let good = |copy: &&Known| copy.is_good() && copy.kind != Kind::PreRestore && copy.created_at >= case.since;
        let elsewhere = case.all.iter().filter(|copy| copy.destination != "offsite").filter(good);
        let Some(newest) = elsewhere.max_by_key(|copy| (copy.created_at, copy.id.clone())) else { return };
        let newer = case.at("offsite").any(|copy| !copy.damaged && copy.created_at >= newest.created_at);
        if !newest.local_only && !newer {
            assert!(case.missing().contains(&newest.id));
        }
    });
}

#[test]
fn a_backup_is_the_last_good_one_exactly_when_no_other_is_good_anywhere() {
    each(|case| {
        let ids: BTreeSet<&BackupId> = case.all.iter().map(|copy| &copy.id).collect();
        let last: Vec<&&BackupId> = ids.iter().filter(|id| is_last_good(&case.all, id)).collect();
        assert!(last.len() <= 1);
        let good = |copy: &&Known| copy.is_good() && copy.kind != Kind::PreRestore;
        let good: BTreeSet<&BackupId> = case.all.iter().filter(good).map(|copy| &copy.id).collect();
        assert_eq!(last.len() == 1, good.len() == 1);
        // Whatever is deleted without force, one by one: a plan that has something good keeps something good.
        let mut left = case.all.clone();
        for id in ids.into_iter().rev() {
            if !is_last_good(&left, id) {
                left.retain(|copy| copy.id != *id);
            }
        }
        assert_eq!(left.iter().any(|copy| copy.is_good() && copy.kind != Kind::PreRestore), !good.is_empty());
    });
}

#[test]
fn the_nearest_good_copy_comes_first() {
    let (near, far) = (false, true);
    let proven = Some(Level::Integrity);
    let mut order = [
        (rank(true, near, Some(Level::Restore)), 6),
        (rank(false, far, None), 5),
        (rank(false, far, proven), 4),
        (rank(false, near, None), 3),
        (rank(false, near, proven), 2),
        (rank(false, near, Some(Level::Restore)), 1),
        (rank(true, far, proven), 7),
    ];
    order.sort();
    assert_eq!(order.map(|(_, place)| place), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn pauses_grow_to_an_hour() {
    let minutes: Vec<i64> = (0..7).map(|failures| pause(failures).as_mins()).collect();
    assert_eq!(minutes, [1, 1, 5, 25, 60, 60, 60]);
}
