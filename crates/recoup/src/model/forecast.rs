//! What of today's backups will be kept on a later day, supposing that backups go on as they did. Pure; the same
//! function decides as on the day itself.

use jiff::{SignedDuration, Timestamp};

use super::backup::BackupId;
use super::retention::{Class, Decision, Item, Policy, decide};
use crate::error::{Error, Result};

/// How many gaps between backups the rhythm is taken from.
const LOOKED_AT: usize = 10;
/// As far as anybody can look.
const FARTHEST: SignedDuration = SignedDuration::from_hours(24 * 366 * 10);
/// No more imagined backups than this: beyond, they come less often.
const MOST: i64 = 20_000;

/// A later day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The moment that was looked at.
    pub on: Timestamp,
    /// Time between backups that is supposed.
    pub every: SignedDuration,
    /// What happens until then to each of today's backups, newest first.
    pub decisions: Vec<Decision>,
    /// How many backups there will be in all, those still to be made included.
    pub kept: usize,
}

/// The usual time between backups: the median of the last gaps, one hour at least; a day when there are none.
pub fn rhythm(items: &[Item]) -> SignedDuration {
    let mut times: Vec<Timestamp> =
        items.iter().filter(|i| matches!(i.class, Class::Good | Class::Warned)).map(|i| i.created_at).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    let newer = times.iter().zip(times.iter().skip(1)).take(LOOKED_AT);
    let mut gaps: Vec<SignedDuration> = newer.map(|(newer, older)| newer.duration_since(*older)).collect();
    gaps.sort_unstable();
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(SignedDuration::from_hours(24));
    usual.max(SignedDuration::from_hours(1))
}

/// Decides as if it were `on`, with one good backup `every` so often from the newest one until then. Fails when
/// `on` is not after `now`, or more than ten years later.
pub fn forecast(
    policy: &Policy,
    items: &[Item],
    now: Timestamp,
    on: Timestamp,
    every: SignedDuration,
) -> Result<Forecast> {
    let ahead = on.duration_since(now);
    if ahead <= SignedDuration::ZERO || ahead > FARTHEST {
        return Err(Error::usage("bad_date", format!("Not a later day within ten years: {on:.0}")));
    }
    let newest = items.iter().filter(|i| matches!(i.class, Class::Good | Class::Warned)).map(|i| i.created_at);
    let start = newest.filter(|at| *at <= now).max().unwrap_or(now);
    let span = on.duration_since(start);
    let every = every.max(SignedDuration::from_secs(span.as_secs() / MOST + 1));
    let mut all = items.to_vec();
    let mut next = start;
    // What is missed until today was missed; the next one comes when it would have come.
    while let Ok(at) = next.checked_add(every)
        && at <= on
    {
        next = at;
        if at > now {
            let (id, class) = (BackupId::generate(at), Class::Good);
            all.push(Item { id, created_at: at, class, proven: false, damaged_since: None });
        }
    }
    let all = decide(policy, &all, on)?;
    let kept = all.iter().filter(|decision| decision.keep).count();
    let todays: std::collections::HashSet<&BackupId> = items.iter().map(|item| &item.id).collect();
    let decisions = all.into_iter().filter(|decision| todays.contains(&decision.id)).collect();
    Ok(Forecast { on, every, decisions, kept })
}
