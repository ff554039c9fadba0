//! Several copies of backups at several destinations: which is read first, which are missing where, and which may not go
//! because nothing good would be left. Pure functions of what is known of the copies.
//!
//! Not here: what one destination keeps ([`super::retention`]), and copying ([`crate::copy`]).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::backup::{BackupId, Format, Kind, Level};
use super::retention::{Class, Item, Policy, decide};
use crate::error::Result;

/// What is known of one copy of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which backup.
    pub id: BackupId,
    /// Where.
    pub destination: String,
    /// The consistent moment.
    pub created_at: Timestamp,
    /// Why the backup exists.
    pub kind: Kind,
    /// Its shape.
    pub format: Format,
    /// How much of it was ever proven.
    pub verified: Option<Level>,
    /// Never removed by retention.
    pub protected: bool,
    /// Something is known to be wrong with it.
    pub damaged: bool,
    /// It was made for places on the machine only.
    pub local_only: bool,
    /// It is not of this layout: somebody else's file.
    pub foreign: bool,
}

impl Known {
    /// Whether data can be put back from it, as far as is known: proven once, nothing wrong found since, no export.
    pub fn is_good(&self) -> bool {
        self.verified.is_some() && !self.damaged && self.format != Format::Csv && !self.foreign
    }

    /// Whether it may be spread: good, or an export that is whole.
    fn is_whole(&self) -> bool {
        !self.damaged && !self.foreign && (self.verified.is_some() || self.format == Format::Csv)
    }

    fn item(&self) -> Item {
        let class = match () {
            () if self.protected || self.kind.is_protected() => Class::Protected,
            () if self.damaged => Class::Corrupt,
            () if self.verified.is_none() => Class::Unverified,
            () => Class::Good,
        };
        // What a test restore proved elsewhere says nothing about what is kept here.
        let (proven, damaged_since) = (false, None);
        Item { id: self.id.clone(), created_at: self.created_at, class, proven, damaged_since }
    }
}

/// How good a choice a copy is for reading: the smallest first. What is damaged comes last, then what is in the network,
/// and of two that are equally near the one that was proven is better.
pub fn rank(damaged: bool, remote: bool, verified: Option<Level>) -> impl Ord + Copy {
    (damaged, remote, std::cmp::Reverse(verified))
}

/// How long to wait before a copy is tried again that has failed so many times: 1, 5, 25 minutes, then an hour.
pub fn pause(failures: u32) -> SignedDuration {
    SignedDuration::from_mins(match failures {
        0 | 1 => 1,
        2 => 5,
        3 => 25,
        _ => 60,
    })
}

/// The backups that should be at `destination` and are not, or are damaged there while another copy is whole: made since
/// it belongs to the plan, and what `policy` (everything with `None`) would keep there. The newest first.
///
/// `all` are the copies of one plan everywhere. What was made before a restore is not spread, nor what was made for places
/// on the machine only. What retention removed is never wanted back: a backup that is kept among more is kept among fewer.
pub fn missing(
    policy: Option<&Policy>,
    since: Timestamp,
    destination: &str,
    all: &[Known],
    now: Timestamp,
) -> Result<Vec<BackupId>> {
    let (here, elsewhere): (Vec<&Known>, Vec<&Known>) = all.iter().partition(|copy| copy.destination == destination);
    let whole: BTreeSet<&BackupId> = here.iter().filter(|copy| !copy.damaged).map(|copy| &copy.id).collect();
    let spread = |copy: &&Known| {
        copy.is_whole()
            && !copy.local_only
            && copy.kind != Kind::PreRestore
            && copy.created_at >= since
            && !whole.contains(&copy.id)
    };
    let wanted: BTreeMap<&BackupId, &Known> =
        elsewhere.into_iter().filter(spread).map(|copy| (&copy.id, copy)).collect();
    let nothing = Policy::default();
    let mut missing = Vec::new();
    for exports in [false, true] {
        let series = |copy: &&Known| (copy.format == Format::Csv) == exports && !copy.foreign;
        let there = here.iter().copied().filter(|copy| !wanted.contains_key(&copy.id));
        let items: Vec<Item> = there.chain(wanted.values().copied()).filter(series).map(Known::item).collect();
        let decisions = decide(policy.unwrap_or(&nothing), &items, now)?;
        missing.extend(decisions.into_iter().filter(|it| it.keep && wanted.contains_key(&it.id)).map(|it| it.id));
    }
    Ok(missing)
}

/// Whether a plan has nothing good left anywhere without this backup. `all` are its copies everywhere.
pub fn is_last_good(all: &[Known], id: &BackupId) -> bool {
    leaves_nothing_good(all, |copy| copy.id == *id)
}

/// Whether a plan that has something good has nothing good left anywhere when these copies go.
pub fn leaves_nothing_good(all: &[Known], going: impl Fn(&Known) -> bool) -> bool {
    let mut good = all.iter().filter(|copy| copy.is_good() && copy.kind != Kind::PreRestore).peekable();
    good.peek().is_some() && good.all(going)
}
