//! What is kept and why: a pure function from a policy, the backups of one series and `now` to a decision for each
//! of them. A backup is kept if any rule wants it, and every answer carries its reasons; nothing here deletes.
//!
//! Not here: the guards against deleting too much ([`super::guard`]), what is kept on a later day
//! ([`super::forecast`]), where the backups come from ([`crate::prune`]).

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::backup::BackupId;
use crate::error::{Error, Result};

/// Backups dated later than this after `now` are in the future: kept, flagged, not counted.
pub const FUTURE: SignedDuration = SignedDuration::from_mins(10);
/// How long a damaged backup is set aside before it may go, counted from when the damage was first seen.
pub const SET_ASIDE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is to be kept. A rule that is 0 is not used; when no rule is used everything is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Everything of the last so many days of 24 hours, 1 to 365. A backup exactly that old is kept.
    pub days: u32,
    /// The newest so many, 1 to 30.
    pub keep_count: u32,
    /// The newest of each of the last so many minutes that have one, at most 366.
    pub minutely: u32,
    /// The newest of each of the last so many hours that have one, at most 366.
    pub hourly: u32,
    /// The newest of each of the last so many days that have one, at most 366; see also
    /// [`Policy::every_of_recent_days`].
    pub daily: u32,
    /// The newest of each of the last so many ISO weeks that have one, at most 366.
    pub weekly: u32,
    /// The newest of each of the last so many months that have one, at most 366.
    pub monthly: u32,
    /// The newest of each of the last so many years that have one, at most 366.
    pub yearly: u32,
    /// The newest so many are always kept, and the newest so many that are good without reserve; at least 1.
    pub min_keep: u32,
    /// Whether `daily` keeps every backup of the last so many days and not only the newest of each.
    pub every_of_recent_days: bool,
    /// Time zone of minutes, hours, days, weeks, months and years, by IANA name.
    pub zone: String,
    /// Lets `days` exceed 365 and `keep_count` exceed 30, on purpose.
    pub allow_large: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            days: 0,
            keep_count: 0,
            minutely: 0,
            hourly: 0,
            daily: 0,
            weekly: 0,
            monthly: 0,
            yearly: 0,
            min_keep: 1,
            every_of_recent_days: true,
            zone: "UTC".into(),
            allow_large: false,
        }
    }
}

impl Policy {
    /// Names of the presets: a month of days, the newest seven, 7 days 4 weeks 12 months, no rule at all.
    pub const PRESETS: [&str; 4] = ["30-days", "last-7", "7-4-12", "everything"];

    /// Refuses numbers out of range and unknown zones; every use of a policy does this first.
    pub fn check(&self) -> Result<()> {
        let bad = |text: String, hint: &str| Err(Error::usage("bad_retention", text).hint(hint));
        if self.days > 365 && !self.allow_large {
            return bad(format!("days must be 1 to 365, not {}", self.days), "allow_large = true lifts that");
        }
        if self.keep_count > 30 && !self.allow_large {
            return bad(
                format!("keep_count must be 1 to 30, not {}", self.keep_count),
                "allow_large = true lifts that",
            );
        }
        for (name, n) in self.tiers().map(|tier| (tier.name, tier.count)) {
            if n > 366 {
                return bad(format!("{name} must be at most 366, not {n}"), "days and yearly reach further back");
            }
        }
        if self.min_keep == 0 {
            return bad("min_keep must be at least 1".into(), "the last good backup is never removed");
        }
        self.time_zone().map(drop)
    }

    /// Whether no rule is used.
    pub fn keeps_everything(&self) -> bool {
        self.days == 0 && self.keep_count == 0 && self.tiers().iter().all(|tier| tier.count == 0)
    }

    /// The policy in one line: `30 days, newest 7, daily 7, weekly 4`.
    pub fn words(&self) -> String {
        if self.keeps_everything() {
            return "everything".into();
        }
        let mut words = Vec::new();
        words.extend((self.days > 0).then(|| format!("{} days", self.days)));
        words.extend((self.keep_count > 0).then(|| format!("newest {}", self.keep_count)));
        let tiers = self.tiers();
        words.extend(tiers.iter().filter(|tier| tier.count > 0).map(|tier| format!("{} {}", tier.name, tier.count)));
        words.join(", ")
    }

    fn time_zone(&self) -> Result<TimeZone> {
        TimeZone::get(&self.zone)
            .map_err(|e| Error::usage("bad_zone", format!("Unknown time zone: {}", self.zone)).because(e))
    }

    fn tiers(&self) -> [Tier; 6] {
        // One number per period: two backups share it exactly when the number is equal.
        [
            Tier { name: "minutely", period: "minute", count: self.minutely, bucket: |at| seconds(at).div_euclid(60) },
            Tier { name: "hourly", period: "hour", count: self.hourly, bucket: |at| seconds(at).div_euclid(3600) },
            Tier {
                name: "daily",
                period: "day",
                count: self.daily,
                bucket: |at| i64::from(at.year()) * 1000 + i64::from(at.day_of_year()),
            },
            Tier {
                name: "weekly",
                period: "week",
                count: self.weekly,
                bucket: |at| {
                    let week = at.date().iso_week_date();
                    i64::from(week.year()) * 100 + i64::from(week.week())
                },
            },
            Tier {
                name: "monthly",
                period: "month",
                count: self.monthly,
                bucket: |at| i64::from(at.year()) * 100 + i64::from(at.month()),
            },
            Tier { name: "yearly", period: "year", count: self.yearly, bucket: |at| i64::from(at.year()) },
        ]
    }
}

impl FromStr for Policy {
    type Err = Error;
    /// A preset by its name.
    fn from_str(name: &str) -> Result<Self> {
        let none = Policy::default();
        match name {
            "30-days" => Ok(Policy { days: 30, ..none }),
            "last-7" => Ok(Policy { keep_count: 7, ..none }),
            "7-4-12" => Ok(Policy { daily: 7, weekly: 4, monthly: 12, ..none }),
            "everything" => Ok(none),
            _ => Err(Error::usage("bad_retention", format!("Unknown retention preset: {name}"))
                .hint(format!("one of: {}", Policy::PRESETS.join(" ")))),
        }
    }
}

/// Of the local clock: an hour that a night has twice is one.
fn seconds(at: &Zoned) -> i64 {
    at.timestamp().as_second() + i64::from(at.offset().seconds())
}

struct Tier {
    name: &'static str,
    period: &'static str,
    count: u32,
    bucket: fn(&Zoned) -> i64,
}

/// What retention may do with a backup, decided before it looks at dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Complete and verified.
    Good,
    /// Complete and verified, with warnings: a candidate that satisfies no floor.
    Warned,
    /// Never verified: kept, and counts for nothing.
    Unverified,
    /// Pinned by hand or by its kind: never removed, uses no quota.
    Protected,
    /// Somebody restores, verifies or copies it: not removed now.
    InUse,
    /// Not whole, or a verification failed: set aside, counts for nothing.
    Corrupt,
}

/// One backup as retention sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Which.
    pub id: BackupId,
    /// Its moment.
    pub created_at: Timestamp,
    /// What may be done with it.
    pub class: Class,
    /// It passed a test restore.
    pub proven: bool,
    /// When damage was first seen; `None` when that is not known.
    pub damaged_since: Option<Timestamp>,
}

impl Item {
    /// Whether the rules look at it at all.
    fn is_candidate(&self, now: Timestamp) -> bool {
        matches!(self.class, Class::Good | Class::Warned) && self.created_at.duration_since(now) <= FUTURE
    }
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Which.
    pub id: BackupId,
    /// Kept or not.
    pub keep: bool,
    /// Why, to be read after `kept because` or `goes because`; never empty.
    pub reasons: Vec<String>,
}

/// Decides for one series: the backups of one plan at one destination. Answers newest first, in a total order;
/// the order of `items` does not matter, and the same instant is ordered by id.
///
/// Time stops when backups stop: rules count back from the newest backup, not from `now`, so that a machine
/// that was off, or a clock that runs ahead, removes nothing.
pub fn decide(policy: &Policy, items: &[Item], now: Timestamp) -> Result<Vec<Decision>> {
    policy.check()?;
    let zone = policy.time_zone()?;
    let mut sorted: Vec<&Item> = items.iter().collect();
    sorted.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    let candidates: Vec<&Item> = sorted.iter().copied().filter(|item| item.is_candidate(now)).collect();
    let mut verdicts = vec![Verdict::default(); candidates.len()];
    if let Some(newest) = candidates.first() {
        by_age(policy, &candidates, newest.created_at.min(now), &mut verdicts);
        by_count(policy, &mut verdicts);
        by_tier(policy, &candidates, &zone, &mut verdicts);
        if policy.keeps_everything() {
            verdicts.iter_mut().for_each(|verdict| verdict.wanted.push("everything is kept".into()));
        }
        floor(policy, &candidates, &mut verdicts);
    }
    let newest_good = candidates.iter().find(|item| item.class == Class::Good).copied();
    let mut verdicts = verdicts.into_iter();
    Ok(sorted
        .iter()
        .map(|item| {
            let (keep, reasons) = if !item.is_candidate(now) {
                let (keep, reason) = apart(item, newest_good, now);
                (keep, vec![reason.to_owned()])
            } else {
                let verdict = verdicts.next().unwrap_or_default();
                if verdict.wanted.is_empty() { (false, verdict.unwanted) } else { (true, verdict.wanted) }
            };
            Decision { id: item.id.clone(), keep, reasons }
        })
        .collect())
}

/// What the rules said about one candidate.
#[derive(Debug, Clone, Default)]
struct Verdict {
    wanted: Vec<String>,
    unwanted: Vec<String>,
}

/// What happens to a backup that the rules do not look at.
fn apart(item: &Item, newest_good: Option<&Item>, now: Timestamp) -> (bool, &'static str) {
    match item.class {
        Class::Protected => (true, "it is protected"),
        Class::InUse => (true, "it is in use"),
        Class::Unverified => (true, "it was never verified: it does not count"),
        Class::Good | Class::Warned => (true, "it is dated in the future: it does not count"),
        Class::Corrupt => {
            let replaced = newest_good.is_some_and(|good| good.created_at > item.created_at);
            match item.damaged_since {
                Some(since) if replaced && now.duration_since(since) >= SET_ASIDE => {
                    (false, "it has been damaged for 7 days, and a newer backup is good")
                }
                _ => (true, "it is damaged: set aside, it does not count"),
            }
        }
    }
}

fn by_age(policy: &Policy, candidates: &[&Item], anchor: Timestamp, verdicts: &mut [Verdict]) {
    let back =
        |days: u32| anchor.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    let (cut, recent) = (back(policy.days), back(policy.daily));
    for (item, verdict) in candidates.iter().zip(verdicts) {
        if policy.days > 0 && item.created_at >= cut {
            verdict.wanted.push(format!("within {} days", policy.days));
        } else if policy.days > 0 {
            verdict.unwanted.push(format!("older than {} days", policy.days));
        }
        if policy.daily > 0 && policy.every_of_recent_days && item.created_at > recent {
            verdict.wanted.push(format!("every one of the last {} days", policy.daily));
        }
    }
}

fn by_count(policy: &Policy, verdicts: &mut [Verdict]) {
    let count = policy.keep_count as usize;
    for (at, verdict) in verdicts.iter_mut().enumerate().filter(|_| count > 0) {
        match at < count {
            true => verdict.wanted.push(format!("newest {} of {count}", at + 1)),
            false => verdict.unwanted.push(format!("not among the newest {count}")),
        }
    }
}

fn by_tier(policy: &Policy, candidates: &[&Item], zone: &TimeZone, verdicts: &mut [Verdict]) {
    let tiers = policy.tiers();
    if tiers.iter().all(|tier| tier.count == 0) {
        return;
    }
    let local: Vec<Zoned> = candidates.iter().map(|item| item.created_at.to_zoned(zone.clone())).collect();
    for tier in tiers.iter().filter(|tier| tier.count > 0) {
        let mut used = BTreeSet::new();
        for (at, verdict) in local.iter().zip(&mut *verdicts) {
            let bucket = (tier.bucket)(at);
            if used.contains(&bucket) {
                verdict.unwanted.push(format!("its {} has a newer one", tier.period));
            } else if used.len() < tier.count as usize {
                used.insert(bucket);
                verdict.wanted.push(format!("{} {} of {}", tier.name, used.len(), tier.count));
            } else {
                verdict.unwanted.push(format!("older than the {} {}", tier.count, tier.name));
            }
        }
    }
}

/// Whatever the rules say: the newest, the newest good ones, and the newest that a test restore proved. How many
/// does not depend on what the rules kept: otherwise a larger policy could keep less.
fn floor(policy: &Policy, candidates: &[&Item], verdicts: &mut [Verdict]) {
    let least = policy.min_keep as usize;
    let mut keep = |at: usize, why: &str| {
        if let Some(verdict) = verdicts.get_mut(at)
            && verdict.wanted.is_empty()
        {
            verdict.wanted.push(why.to_owned());
        }
    };
    let good: Vec<usize> = (0..candidates.len()).filter(|at| candidates[*at].class == Class::Good).collect();
    for at in good.iter().take(least) {
        keep(*at, if least == 1 { "the newest good one" } else { "never fewer than the floor" });
    }
    for at in 0..least.min(candidates.len()) {
        keep(at, if least == 1 { "the newest one" } else { "never fewer than the floor" });
    }
    if let Some(at) = good.iter().find(|at| candidates[**at].proven) {
        keep(*at, "the newest that a test restore proved");
    }
}
