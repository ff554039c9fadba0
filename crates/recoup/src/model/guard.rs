//! The brakes of retention: reasons to delete nothing although the rules would. Pure functions of what is about to
//! happen and what was seen before; the sentence is always `Retention paused: <reason>`.
//!
//! Not here: the rules ([`super::retention`]), and where the memory is kept ([`crate::store`]).

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::backup::BackupId;
use super::retention::{FUTURE, Policy};

/// A clock that moved by more than this beyond the time that passed is wrong, or was.
const LEAP: SignedDuration = SignedDuration::from_hours(36);
/// How long a clock that was wrong is not trusted.
const DISTRUST: SignedDuration = SignedDuration::from_hours(24);
/// How long a changed policy waits for second thoughts.
const SECOND_THOUGHTS: SignedDuration = SignedDuration::from_hours(1);

/// Who asked for retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody, explicitly.
    Command,
    /// A verified success of the same series.
    VerifiedBackup,
    /// Anything else, such as a failed run: never a reason to delete.
    Other,
}

/// What retention remembers of a series between its runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The latest moment at which it looked, by the clock of then.
    pub last_seen: Option<Timestamp>,
    /// When it last found the clock wrong.
    pub anomaly: Option<Timestamp>,
    /// Fingerprint of the policy that it knows.
    pub policy: Option<String>,
    /// Since when it knows that policy; absent when it is the first one.
    pub policy_since: Option<Timestamp>,
    /// Damaged backups, and when that was first seen.
    pub damaged: BTreeMap<BackupId, Timestamp>,
}

impl Memory {
    /// What is remembered after a look at `now`.
    pub fn after(&self, policy: &Policy, damaged: &BTreeSet<BackupId>, now: Timestamp) -> Memory {
        let fingerprint = policy_fingerprint(policy);
        let changed = self.policy.as_ref().is_some_and(|known| *known != fingerprint);
        let back = self.last_seen.is_some_and(|seen| now.duration_since(seen) < -FUTURE);
        let since = |id: &BackupId| self.damaged.get(id).copied().unwrap_or(now);
        Memory {
            last_seen: Some(now),
            anomaly: if back { Some(now) } else { self.anomaly },
            policy: Some(fingerprint),
            policy_since: if changed { Some(now) } else { self.policy_since },
            damaged: damaged.iter().map(|id| (id.clone(), since(id))).collect(),
        }
    }
}

/// Everything that the guards look at.
#[derive(Debug, Clone)]
pub struct Situation<'a> {
    /// Who asked.
    pub trigger: Trigger,
    /// The wall clock.
    pub now: Timestamp,
    /// What was seen before; empty when nothing is known.
    pub memory: &'a Memory,
    /// How far the wall clock and a clock that only moves forward came since the same moment; `None` when nobody
    /// watched both.
    pub moved: Option<(SignedDuration, SignedDuration)>,
    /// The policy, if a change of it matters.
    pub policy: Option<&'a Policy>,
    /// Backups that the rules looked at.
    pub candidates: usize,
    /// Backups that would go.
    pub delete: &'a [BackupId],
    /// Fingerprint of the set that somebody said yes to.
    pub confirmed: Option<&'a str>,
    /// Objects that should be at the destination.
    pub known: usize,
    /// How many of them are not.
    pub lacking: usize,
}

/// Why nothing is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Stable, for scripts: `not_after_success`, `clock`, `many`, `policy_changed`, `listing_short`.
    pub code: &'static str,
    /// The reason alone.
    pub reason: String,
    /// Whether a yes to exactly this set lifts it.
    pub confirmable: bool,
}

impl Pause {
    /// `Retention paused: <reason>`.
    pub fn sentence(&self) -> String {
        format!("Retention paused: {}", self.reason)
    }

    /// The same with how to go on, where somebody can.
    pub fn hinted(&self) -> String {
        let hint = if self.confirmable { " (recoup prune shows them and asks; --yes says yes)" } else { "" };
        format!("{}{hint}", self.sentence())
    }
}

/// The fingerprint of a set of backups, whatever its order: SHA-256 over the sorted ids, the first 16 hex digits.
pub fn set_fingerprint(ids: &[BackupId]) -> String {
    let mut ids: Vec<&str> = ids.iter().map(BackupId::as_str).collect();
    ids.sort_unstable();
    short(&Sha256::digest(ids.join("\n").as_bytes()))
}

fn policy_fingerprint(policy: &Policy) -> String {
    let Policy { min_keep, every_of_recent_days, zone, .. } = policy;
    let text = format!("{}; {min_keep} {every_of_recent_days} {zone}", policy.words());
    short(&Sha256::digest(text.as_bytes()))
}

fn short(digest: &[u8]) -> String {
    let mut hex = HEXLOWER.encode(digest);
    hex.truncate(16);
    hex
}

/// The first guard that objects; those that no yes lifts come first. Nothing to delete is never an objection.
pub fn check(situation: &Situation<'_>) -> Option<Pause> {
    if situation.delete.is_empty() {
        return None;
    }
    let hard = [not_after_success(situation), clock(situation), listing(situation)];
    let said_yes = situation.confirmed == Some(set_fingerprint(situation.delete).as_str());
    let soft = [many(situation), policy_changed(situation)];
    hard.into_iter().flatten().next().or_else(|| soft.into_iter().flatten().find(|_| !said_yes))
}

fn pause(code: &'static str, confirmable: bool, reason: String) -> Option<Pause> {
    Some(Pause { code, reason, confirmable })
}

fn not_after_success(situation: &Situation<'_>) -> Option<Pause> {
    let started = situation.trigger != Trigger::Other;
    if started { None } else { pause("not_after_success", false, "there was no verified backup before it".into()) }
}

fn clock(situation: &Situation<'_>) -> Option<Pause> {
    let Situation { now, memory, .. } = situation;
    if let Some(seen) = memory.last_seen.filter(|seen| now.duration_since(*seen) < -FUTURE) {
        return pause("clock", false, format!("the clock says {now:.0}, and it was {seen:.0} before"));
    }
    if let Some((wall, steady)) = situation.moved
        && wall > steady.saturating_add(LEAP)
    {
        let hours = (wall.saturating_sub(steady)).as_hours();
        return pause("clock", false, format!("the clock jumped ahead by {hours} hours"));
    }
    let recent = memory.anomaly.filter(|at| now.duration_since(*at).abs() < DISTRUST)?;
    pause("clock", false, format!("the clock was wrong at {recent:.0}, less than 24 hours ago"))
}

fn many(situation: &Situation<'_>) -> Option<Pause> {
    let (going, of) = (situation.delete.len(), situation.candidates);
    if going <= 3 || going * 2 <= of {
        return None;
    }
    pause("many", true, format!("{going} of {of} backups would go at once"))
}

fn policy_changed(situation: &Situation<'_>) -> Option<Pause> {
    let known = situation.memory.policy.as_ref()?;
    if *known != policy_fingerprint(situation.policy?) {
        return pause("policy_changed", true, "the policy was changed since the last time".into());
    }
    let since = situation.memory.policy_since?;
    let waits = situation.now.duration_since(since).abs() < SECOND_THOUGHTS;
    waits.then_some(())?;
    pause("policy_changed", true, "the policy was changed less than an hour ago".into())
}

/// One damaged backup is damage, and set aside; several at once may be a listing that is not complete.
fn listing(situation: &Situation<'_>) -> Option<Pause> {
    let Situation { known, lacking, .. } = situation;
    if *lacking <= 1 || lacking * 10 <= *known {
        return None;
    }
    pause("listing_short", false, format!("{lacking} of {known} files of the backups are not there or damaged"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hours * 3600).unwrap()
    }

    fn ids(n: usize) -> Vec<BackupId> {
        (0..n).map(|_| BackupId::generate(at(0))).collect()
    }

    fn code<'a>(change: impl FnOnce(&mut Situation<'a>), delete: usize, memory: &'a Memory) -> Option<&'static str> {
        let delete = ids(delete).leak();
        let mut situation = Situation {
            trigger: Trigger::VerifiedBackup,
            now: at(100),
            memory,
            moved: None,
            policy: None,
            candidates: 20,
            delete,
            confirmed: None,
            known: 40,
            lacking: 0,
        };
        change(&mut situation);
        check(&situation).map(|pause| pause.code)
    }

    #[test]
    fn only_a_verified_backup_or_a_command_starts_retention() {
        let none = Memory::default();
        assert_eq!(code(|_| {}, 1, &none), None);
        assert_eq!(code(|s| s.trigger = Trigger::Command, 1, &none), None);
        assert_eq!(code(|s| s.trigger = Trigger::Other, 1, &none), Some("not_after_success"));
        assert_eq!(code(|s| s.trigger = Trigger::Other, 0, &none), None);
    }

    #[test]
    fn a_clock_that_went_back_or_leapt_ahead_pauses_for_a_day() {
        let seen = |hours| Memory { last_seen: Some(at(hours)), ..Memory::default() };
        assert_eq!(code(|_| {}, 1, &seen(101)), Some("clock"));
        assert_eq!(code(|_| {}, 1, &seen(100)), None);
        let hours = SignedDuration::from_hours;
        assert_eq!(code(|s| s.moved = Some((hours(40), hours(3))), 1, &seen(60)), Some("clock"));
        assert_eq!(code(|s| s.moved = Some((hours(39), hours(3))), 1, &seen(60)), None);
        let after = seen(101).after(&Policy::default(), &BTreeSet::new(), at(100));
        assert_eq!(after.anomaly, Some(at(100)));
        assert_eq!(code(|s| s.now = at(123), 1, &after), Some("clock"));
        assert_eq!(code(|s| s.now = at(124), 1, &after), None);
    }

    #[test]
    fn more_than_three_and_more_than_half_needs_a_yes_to_exactly_that_set() {
        let none = Memory::default();
        assert_eq!(code(|s| s.candidates = 6, 3, &none), None);
        assert_eq!(code(|s| s.candidates = 8, 4, &none), None);
        assert_eq!(code(|s| s.candidates = 7, 4, &none), Some("many"));
        let delete = ids(9);
        let other = set_fingerprint(&ids(9));
        let this = set_fingerprint(&delete.iter().rev().cloned().collect::<Vec<_>>());
        let situation = |confirmed| Situation {
            trigger: Trigger::Command,
            now: at(0),
            memory: &none,
            moved: None,
            policy: None,
            candidates: 10,
            delete: &delete,
            confirmed,
            known: 10,
            lacking: 0,
        };
        assert!(check(&situation(Some(&other))).is_some_and(|pause| pause.confirmable));
        assert_eq!(check(&situation(Some(&this))), None);
    }

    #[test]
    fn a_changed_policy_waits_an_hour_and_the_first_one_does_not() {
        let (small, large) = (Policy { days: 1, ..Policy::default() }, Policy { days: 30, ..Policy::default() });
        let nobody = BTreeSet::new();
        let first = Memory::default().after(&large, &nobody, at(0));
        assert_eq!(code(|s| s.policy = Some(&large), 1, &first), None);
        assert_eq!(code(|s| s.policy = Some(&small), 1, &first), Some("policy_changed"));
        let changed = first.after(&small, &nobody, at(99));
        assert_eq!(code(|s| s.policy = Some(&small), 1, &changed), None);
        let changed = changed.after(&large, &nobody, at(100));
        assert_eq!(code(|s| s.policy = Some(&large), 1, &changed), Some("policy_changed"));
        assert_eq!(code(|_| {}, 1, &changed), None, "a policy given for this call is no change");
    }

    #[test]
    fn a_listing_that_lacks_more_than_a_tenth_pauses() {
        let none = Memory::default();
        assert_eq!(code(|s| s.lacking = 4, 1, &none), None);
        assert_eq!(code(|s| s.lacking = 5, 1, &none), Some("listing_short"));
        assert_eq!(code(|s| (s.known, s.lacking) = (4, 1), 1, &none), None, "one is damage");
    }

    #[test]
    fn damage_is_dated_from_the_first_look() {
        let id = BackupId::generate(at(0));
        let damaged = BTreeSet::from([id.clone()]);
        let first = Memory::default().after(&Policy::default(), &damaged, at(1));
        let second = first.after(&Policy::default(), &damaged, at(50));
        assert_eq!(second.damaged, BTreeMap::from([(id, at(1))]));
        assert!(second.after(&Policy::default(), &BTreeSet::new(), at(60)).damaged.is_empty());
    }
}
