//! What retention promises whatever the backups and the policy are: each promise on 50,000 random histories, made
//! from a seed that a failure names. That series do not influence each other (P11) and that a preview is what is
//! carried out (P12) is shown on stores: `prune.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use recoup::model::BackupId;
use recoup::model::forecast::forecast;
use recoup::model::retention::{Class, Decision, Item, Policy, decide};
use recoup_testkit::faults::soak;
use recoup_testkit::random::Random;

const CASES: u64 = 50_000;

/// 0 mostly, else 1 to `n`.
fn rule(random: &mut Random, n: u64) -> u32 {
    if random.one_in(2) { 0 } else { 1 + random.below(n) as u32 }
}

struct Case {
    random: Random,
    policy: Policy,
    items: Vec<Item>,
    now: Timestamp,
}

fn id(at: Timestamp, random: &mut Random) -> BackupId {
    let ms = u64::try_from(at.as_millisecond()).unwrap();
    let entropy = (u128::from(random.number()) << 64) | u128::from(random.number());
    ulid::Ulid::from_parts(ms, entropy).to_string().parse().unwrap()
}

fn policy(random: &mut Random) -> Policy {
    let zones = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia"];
    Policy {
        days: rule(random, 60),
        keep_count: rule(random, 12),
        minutely: if random.one_in(4) { rule(random, 60) } else { 0 },
        hourly: if random.one_in(3) { rule(random, 30) } else { 0 },
        daily: rule(random, 14),
        weekly: rule(random, 8),
        monthly: rule(random, 14),
        yearly: if random.one_in(2) { rule(random, 4) } else { 0 },
        min_keep: 1 + random.below(4) as u32,
        every_of_recent_days: random.one_in(2),
        zone: zones[random.below(zones.len() as u64) as usize].into(),
        allow_large: false,
    }
}

fn class(random: &mut Random) -> Class {
    match random.below(12) {
        0 => Class::Protected,
        1 => Class::InUse,
        2 => Class::Corrupt,
        3 => Class::Unverified,
        4 | 5 => Class::Warned,
        _ => Class::Good,
    }
}

impl Case {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
        // Around a change of clocks in most zones, and far from one.
        let start = ["2025-03-01T00:00:00Z", "2026-10-01T00:00:00Z", "2011-12-01T00:00:00Z"][random.below(3) as usize];
        let now: Timestamp = start.parse().unwrap();
        let now = now + SignedDuration::from_secs(random.below(60 * 86_400) as i64);
        let policy = policy(&mut random);
        let number = random.below(25);
        // Some minutes, hours, days or weeks between them; sometimes none.
        let gap = [600, 7_200, 86_400, 86_400, 9 * 86_400][random.below(5) as usize];
        let mut at = now;
        let mut items = Vec::new();
        for _ in 0..number {
            if !random.one_in(12) {
                at -= SignedDuration::from_secs(random.below(2 * gap) as i64);
            }
            let class = class(&mut random);
            let damaged_since = (class == Class::Corrupt && random.one_in(2)).then(|| at.min(now));
            items.push(Item {
                id: id(at, &mut random),
                created_at: at,
                class,
                proven: random.one_in(8),
                damaged_since,
            });
        }
        for at in (1..items.len()).rev() {
            let other = random.below(at as u64 + 1) as usize;
            items.swap(at, other);
        }
        Case { random, policy, items, now }
    }

    fn decide(&self) -> Vec<Decision> {
        decide(&self.policy, &self.items, self.now).unwrap()
    }

    fn candidates(&self) -> Vec<&Item> {
        let mut found: Vec<&Item> =
            self.items.iter().filter(|item| matches!(item.class, Class::Good | Class::Warned)).collect();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        found
    }

    fn future(&mut self) -> Item {
        let ahead = SignedDuration::from_secs(601 + self.random.below(30 * 365 * 86_400) as i64);
        let created_at = self.now + ahead;
        let id = id(created_at, &mut self.random);
        Item { id, created_at, class: Class::Good, proven: self.random.one_in(3), damaged_since: None }
    }
}

fn gone(decisions: &[Decision]) -> BTreeSet<BackupId> {
    decisions.iter().filter(|decision| !decision.keep).map(|decision| decision.id.clone()).collect()
}

fn without(items: &[Item], gone: &BTreeSet<BackupId>) -> Vec<Item> {
    items.iter().filter(|item| !gone.contains(&item.id)).cloned().collect()
}

fn for_all(check: impl Fn(&mut Case)) {
    let cases = if soak() { 20 * CASES } else { CASES };
    for seed in 0..cases {
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&mut Case::new(seed))));
        assert!(seen.is_ok(), "seed {seed}");
    }
}

#[test]
fn p1_what_is_protected_in_use_unverified_or_newly_damaged_never_goes() {
    for_all(|case| {
        let gone = gone(&case.decide());
        for item in case.items.iter().filter(|item| gone.contains(&item.id)) {
            let damaged = item.class == Class::Corrupt
                && item.damaged_since.is_some_and(|since| case.now.duration_since(since).as_hours() >= 7 * 24)
                && case.items.iter().any(|other| other.class == Class::Good && other.created_at > item.created_at);
            assert!(matches!(item.class, Class::Good | Class::Warned) || damaged, "{item:?}");
        }
    });
}

#[test]
fn p2_the_newest_complete_the_newest_good_and_the_newest_proven_one_never_go() {
    for_all(|case| {
        let gone = gone(&case.decide());
        let candidates = case.candidates();
        let good = |item: &&&Item| item.class == Class::Good;
        let kept = |item: Option<&&Item>| item.is_none_or(|item| !gone.contains(&item.id));
        assert!(kept(candidates.first()));
        assert!(kept(candidates.iter().find(good)));
        assert!(kept(candidates.iter().find(|item| good(item) && item.proven)));
    });
}

#[test]
fn p3_the_floor_holds_for_all_and_for_good_ones() {
    for_all(|case| {
        let gone = gone(&case.decide());
        let candidates = case.candidates();
        let least = case.policy.min_keep as usize;
        let stay = candidates.iter().filter(|item| !gone.contains(&item.id)).count();
        assert!(stay >= least.min(candidates.len()));
        let good: Vec<_> = candidates.iter().filter(|item| item.class == Class::Good).collect();
        let stay = good.iter().filter(|item| !gone.contains(&item.id)).count();
        assert!(stay >= least.min(good.len()));
    });
}

#[test]
fn p4_the_order_of_the_input_does_not_matter_and_everyone_gets_a_reason() {
    for_all(|case| {
        let decisions = case.decide();
        let mut shuffled = case.items.clone();
        shuffled.sort_by_key(|item| item.id.tail());
        assert_eq!(decisions, decide(&case.policy, &shuffled, case.now).unwrap());
        assert_eq!(decisions.len(), case.items.len());
        assert!(decisions.iter().all(|decision| !decision.reasons.is_empty()), "{decisions:?}");
    });
}

#[test]
fn p5_a_second_run_removes_nothing() {
    for_all(|case| {
        let first = case.decide();
        let left = without(&case.items, &gone(&first));
        let second = decide(&case.policy, &left, case.now).unwrap();
        assert!(second.iter().all(|decision| decision.keep));
        let before: Vec<&Decision> = first.iter().filter(|decision| decision.keep).collect();
        assert_eq!(before, second.iter().collect::<Vec<_>>(), "and for the same reasons");
    });
}

#[test]
fn p6_time_that_passes_without_new_backups_removes_nothing_more() {
    for_all(|case| {
        case.items.iter_mut().for_each(|item| item.damaged_since = None);
        let first = gone(&case.decide());
        let later = case.now + SignedDuration::from_hours(case.random.below(5 * 366 * 24) as i64);
        assert_eq!(gone(&decide(&case.policy, &case.items, later).unwrap()), first);
    });
}

#[test]
fn p7_failed_unverified_and_damaged_additions_change_nothing() {
    for_all(|case| {
        let before = gone(&case.decide());
        for class in [Class::Corrupt, Class::Unverified] {
            let back = SignedDuration::from_hours(case.random.below(2_000) as i64);
            let created_at = case.now - back;
            let id = id(created_at, &mut case.random);
            case.items.push(Item { id, created_at, class, proven: true, damaged_since: None });
        }
        assert_eq!(gone(&case.decide()), before);
    });
}

#[test]
fn p8_a_backup_dated_in_the_future_never_causes_a_deletion() {
    for_all(|case| {
        let before = gone(&case.decide());
        let future = case.future();
        case.items.push(future);
        assert_eq!(gone(&case.decide()), before);
    });
}

#[test]
fn p9_a_larger_policy_keeps_a_superset() {
    for_all(|case| {
        let smaller = gone(&case.decide());
        let mut larger = case.policy.clone();
        if larger.keeps_everything() {
            return;
        }
        for _ in 0..1 + case.random.below(3) {
            let field = match case.random.below(9) {
                0 => &mut larger.days,
                1 => &mut larger.keep_count,
                2 => &mut larger.hourly,
                3 => &mut larger.daily,
                4 => &mut larger.weekly,
                5 => &mut larger.monthly,
                6 => &mut larger.yearly,
                7 => &mut larger.minutely,
                _ => &mut larger.min_keep,
            };
            *field += 1 + case.random.below(5) as u32;
        }
        let larger = gone(&decide(&larger, &case.items, case.now).unwrap());
        assert!(larger.is_subset(&smaller), "{larger:?} {smaller:?}");
    });
}

#[test]
fn p10_setting_the_clock_back_removes_a_subset() {
    for_all(|case| {
        let before = gone(&case.decide());
        let back = SignedDuration::from_secs(case.random.below(90 * 86_400) as i64);
        let earlier = gone(&decide(&case.policy, &case.items, case.now - back).unwrap());
        assert!(earlier.is_subset(&before));
    });
}

/// What P12 rests on: pruning after each backup and looking ahead from today end at the same set.
#[test]
fn a_forecast_is_what_pruning_after_every_backup_comes_to() {
    let cases = if soak() { CASES } else { CASES / 25 };
    for seed in 0..cases {
        let case = Case::new(seed);
        let every = SignedDuration::from_hours(24);
        let days = i64::try_from(seed % 40).unwrap() + 1;
        let on = case.now + SignedDuration::from_hours(24 * days);
        let ahead = forecast(&case.policy, &case.items, case.now, on, every).unwrap();
        let start = case.candidates().first().map_or(case.now, |item| item.created_at);
        let mut left = without(&case.items, &gone(&case.decide()));
        let mut at = start;
        while at + every <= on {
            at += every;
            if at > case.now {
                let id = BackupId::generate(at);
                left.push(Item { id, created_at: at, class: Class::Good, proven: false, damaged_since: None });
                let decisions = decide(&case.policy, &left, at).unwrap();
                left = without(&left, &gone(&decisions));
            }
        }
        let left = without(&left, &gone(&decide(&case.policy, &left, on).unwrap()));
        let today: BTreeSet<&BackupId> = case.items.iter().map(|item| &item.id).collect();
        let stepwise: BTreeSet<&BackupId> = left.iter().map(|i| &i.id).filter(|id| today.contains(id)).collect();
        let looked: BTreeSet<&BackupId> = ahead.decisions.iter().filter(|d| d.keep).map(|d| &d.id).collect();
        assert_eq!(looked, stepwise, "seed {seed}");
        assert_eq!(ahead.kept, left.len(), "seed {seed}");
    }
}
