//! The verb *prune*: lists the backups of one plan at one store, decides, and removes exactly what it showed, or
//! pauses. A backup is known by its manifest, never by a file's name or date.
//!
//! Not here: the rules ([`crate::model::retention`]), the guards ([`crate::model::guard`]), asking people.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, ErrorKind, Result};
use crate::model::forecast::{self, Forecast};
use crate::model::guard::{self, Memory, Pause, Situation, Trigger};
use crate::model::retention::{Class, Decision, FUTURE, Item, Policy, decide};
use crate::model::{BackupId, Format, Kind, Level, Manifest};
use crate::progress::Context;
use crate::store::{Listed, Listing, Store};

/// What may go.
#[derive(Debug, Clone, Copy)]
pub enum Rule<'a> {
    /// What a policy does not want.
    Policy {
        /// The policy.
        policy: &'a Policy,
        /// It was given for this call only: that it is another one than last time means nothing.
        once: bool,
    },
    /// Protected backups that are older than this. Never by itself: only with a yes to exactly the set.
    Protected {
        /// Age by the wall clock.
        older_than: SignedDuration,
    },
}

/// One series and what is wanted of it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The plan whose backups are looked at.
    pub plan: &'a str,
    /// What may go.
    pub rule: Rule<'a>,
    /// Who asked.
    pub trigger: Trigger,
    /// Fingerprint of the set that somebody said yes to ([`Preview::set`]).
    pub confirmed: Option<&'a str>,
    /// Backups that are known to be damaged there, although no list shows it: they count for nothing.
    pub damaged: &'a [BackupId],
}

/// One backup and what happens to it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The backup.
    pub listed: Listed,
    /// What retention may do with it.
    pub class: Class,
    /// Whether it is kept, and why.
    pub decision: Decision,
}

/// What prune would do.
#[derive(Debug)]
pub struct Preview {
    /// The plan.
    pub plan: String,
    /// The store, for people.
    pub destination: String,
    /// The moment of the decision.
    pub at: Timestamp,
    /// Every backup that was looked at, newest first.
    pub entries: Vec<Entry>,
    /// Manifests that could not be read: not counted, and never removed.
    pub damaged: Vec<(String, Error)>,
    /// Fingerprint of the set that would go.
    pub set: String,
    /// Why nothing would go, although something should.
    pub paused: Option<Pause>,
    memory: Memory,
}

/// What prune did.
#[derive(Debug)]
pub struct Report {
    /// What it decided.
    pub preview: Preview,
    /// What was removed, the oldest first.
    pub deleted: Vec<BackupId>,
    /// What could not be removed, and why.
    pub failed: Vec<(BackupId, Error)>,
    /// Length of what was removed.
    pub freed_bytes: u64,
    /// Whether that waits in the trash for a day.
    pub trashed: bool,
    /// Leftovers of interrupted runs and files without a single byte that were removed.
    pub waste: Vec<String>,
}

impl Preview {
    /// What goes, newest first.
    pub fn going(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.decision.keep)
    }

    /// Length of what goes: of a history only the pieces that no other backup needs.
    pub fn going_bytes(&self) -> u64 {
        self.freed_by(|entry| !entry.decision.keep)
    }

    /// Length of the objects that only backups of which `goes` says so name. Pieces stay while a manifest cannot be read.
    fn freed_by(&self, goes: impl Fn(&Entry) -> bool) -> u64 {
        let stored = |entry: &Entry| entry.listed.manifest.stored().to_vec();
        let needed: BTreeSet<String> =
            self.entries.iter().filter(|entry| !goes(entry)).flat_map(stored).map(|object| object.name).collect();
        let freed: BTreeMap<String, u64> = self
            .entries
            .iter()
            .filter(|entry| goes(entry) && (self.damaged.is_empty() || entry.listed.manifest.history.is_none()))
            .flat_map(stored)
            .filter(|object| !needed.contains(&object.name))
            .map(|object| (object.name, object.bytes))
            .collect();
        freed.values().sum()
    }

    /// What of these backups will be there on a later day under `policy`, supposing that backups go on as they did.
    pub fn forecast(&self, policy: &Policy, on: Timestamp) -> Result<Forecast> {
        let mut all: Option<Forecast> = None;
        for items in series(&self.entries, &self.memory) {
            let part = forecast::forecast(policy, &items, self.at, on, forecast::rhythm(&items))?;
            match &mut all {
                None => all = Some(part),
                Some(all) => {
                    all.kept += part.kept;
                    all.decisions.extend(part.decisions);
                }
            }
        }
        let nothing = Forecast { on, every: SignedDuration::ZERO, decisions: Vec::new(), kept: 0 };
        Ok(all.unwrap_or(nothing))
    }
}

/// What prune would do now. Changes nothing.
pub fn preview(store: &dyn Store, request: &Request<'_>, now: Timestamp) -> Result<Preview> {
    let listing = store.list(Some(request.plan))?;
    let memory = store.memory(request.plan)?;
    let (known, lacking) = counted(&listing);
    let mut entries: Vec<Entry> = listing
        .backups
        .into_iter()
        .map(|listed| {
            let decision = Decision { id: listed.manifest.id.clone(), keep: true, reasons: Vec::new() };
            let class = match class(&listed) {
                Class::Good | Class::Warned | Class::Unverified if request.damaged.contains(&decision.id) => {
                    Class::Corrupt
                }
                class => class,
            };
            Entry { class, listed, decision }
        })
        .collect();
    let decisions = match request.rule {
        Rule::Policy { policy, .. } => {
            let mut all = Vec::new();
            for items in series(&entries, &memory) {
                all.extend(decide(policy, &items, now)?);
            }
            all
        }
        Rule::Protected { older_than } => protected(&mut entries, request.damaged, older_than, now),
    };
    for decision in decisions {
        if let Some(entry) = entries.iter_mut().find(|entry| entry.decision.id == decision.id) {
            entry.decision = decision;
        }
    }
    let delete: Vec<BackupId> =
        entries.iter().filter(|entry| !entry.decision.keep).map(|entry| entry.decision.id.clone()).collect();
    let mut situation = Situation {
        trigger: request.trigger,
        now,
        memory: &memory,
        moved: None,
        policy: None,
        candidates: entries.iter().filter(|entry| counts(entry, now)).count(),
        delete: &delete,
        confirmed: request.confirmed,
        known,
        lacking,
    };
    let set = guard::set_fingerprint(&delete);
    let paused = match request.rule {
        Rule::Policy { policy, once } => {
            situation.policy = (!once).then_some(policy);
            guard::check(&situation)
        }
        Rule::Protected { .. } => {
            situation.candidates = entries.len();
            guard::check(&situation).or_else(|| unconfirmed(request, &delete, &set))
        }
    };
    let (plan, destination) = (request.plan.to_owned(), store.describe());
    Ok(Preview { plan, destination, at: now, entries, damaged: listing.damaged, set, paused, memory })
}

/// Removes what [`preview`] shows, the oldest first, or pauses and says why. What cannot be removed is reported and
/// does not stop the rest. Fails with `preview_stale` when the set is not the one that was confirmed, and with
/// `retention_running` while somebody else prunes there.
pub fn run(store: &dyn Store, request: &Request<'_>, context: &Context) -> Result<Report> {
    let _one_at_a_time = store.retention_lease()?;
    let preview = preview(store, request, context.clock.now())?;
    let confirmed = request.confirmed == Some(preview.set.as_str());
    if request.confirmed.is_some() && !confirmed {
        return Err(Error::new(ErrorKind::Busy, "preview_stale", "The backups have changed since the preview")
            .hint("look at the preview again"));
    }
    remember(store, request, &preview, confirmed)?;
    let force = matches!(request.rule, Rule::Protected { .. });
    let mut report = Report { preview, deleted: vec![], failed: vec![], freed_bytes: 0, trashed: false, waste: vec![] };
    if request.trigger != Trigger::Other {
        report.waste = store.sweep()?;
    }
    if report.preview.paused.is_some() {
        return Ok(report);
    }
    for entry in report.preview.going().rev() {
        context.check()?;
        match store.discard(&entry.decision.id, force) {
            Ok(trashed) => {
                report.trashed |= trashed;
                report.deleted.push(entry.decision.id.clone());
            }
            // Somebody else removed it: it is gone, as it should be.
            Err(error) if error.kind() == ErrorKind::NotFound => report.deleted.push(entry.decision.id.clone()),
            Err(error) => report.failed.push((entry.decision.id.clone(), error)),
        }
    }
    report.freed_bytes = report.preview.freed_by(|entry| report.deleted.contains(&entry.decision.id));
    Ok(report)
}

/// Leaves for the next time what the guards need to know.
fn remember(store: &dyn Store, request: &Request<'_>, preview: &Preview, confirmed: bool) -> Result<()> {
    let known = &preview.memory;
    let damaged: BTreeSet<BackupId> = preview
        .entries
        .iter()
        .filter(|entry| !entry.listed.missing.is_empty() || request.damaged.contains(&entry.decision.id))
        .map(|entry| entry.decision.id.clone())
        .collect();
    let nothing = Policy::default();
    let policy = match request.rule {
        Rule::Policy { policy, once: false } => Some(policy),
        Rule::Policy { .. } | Rule::Protected { .. } => None,
    };
    let mut memory = known.after(policy.unwrap_or(&nothing), &damaged, preview.at);
    if policy.is_none() {
        memory.policy = known.policy.clone();
        memory.policy_since = known.policy_since;
    } else if confirmed {
        // Whoever says yes to what a policy does has had the second thought.
        memory.policy_since = None;
    }
    match store.remember(request.plan, &memory) {
        // Removing is how a full disk gets space again.
        Err(error) if error.kind() == ErrorKind::NoSpace => Ok(()),
        other => other,
    }
}

/// What retention may do with a backup.
pub fn class(listed: &Listed) -> Class {
    let manifest = &listed.manifest;
    match () {
        () if listed.protected => Class::Protected,
        () if listed.in_use => Class::InUse,
        () if !listed.missing.is_empty() || manifest.objects.is_empty() => Class::Corrupt,
        () if manifest.verified.is_none() => Class::Unverified,
        () if !manifest.warnings.is_empty() => Class::Warned,
        () => Class::Good,
    }
}

/// The backups as the rules see them. Exports, which cannot be restored, are a series of their own: they must not
/// use up the places of backups.
fn series(entries: &[Entry], memory: &Memory) -> Vec<Vec<Item>> {
    let mut series = Vec::new();
    for exports in [false, true] {
        let items: Vec<Item> = entries
            .iter()
            .filter(|entry| (entry.listed.manifest.format == Format::Csv) == exports)
            .map(|entry| item(entry, memory))
            .collect();
        if !items.is_empty() {
            series.push(items);
        }
    }
    series
}

fn item(entry: &Entry, memory: &Memory) -> Item {
    let manifest: &Manifest = &entry.listed.manifest;
    Item {
        id: manifest.id.clone(),
        created_at: manifest.created_at,
        class: entry.class,
        proven: manifest.verified == Some(Level::Restore),
        damaged_since: memory.damaged.get(&manifest.id).copied(),
    }
}

fn counts(entry: &Entry, now: Timestamp) -> bool {
    let ahead = entry.listed.manifest.created_at.duration_since(now);
    matches!(entry.class, Class::Good | Class::Warned) && ahead <= FUTURE
}

/// Files that the manifests name, and those of them that are not there; a manifest counts as one.
fn counted(listing: &Listing) -> (usize, usize) {
    let objects: usize = listing.backups.iter().map(|listed| 1 + listed.manifest.objects.len()).sum();
    let missing: usize = listing.backups.iter().map(|listed| listed.missing.len()).sum();
    (objects + listing.damaged.len(), missing + listing.damaged.len())
}

/// Decides about the protected ones and leaves the others out. The newest that is good always stays, of backups and
/// of what restores saved.
fn protected(
    entries: &mut Vec<Entry>,
    damaged: &[BackupId],
    older_than: SignedDuration,
    now: Timestamp,
) -> Vec<Decision> {
    let good = |entry: &&Entry| {
        let manifest = &entry.listed.manifest;
        !damaged.contains(&manifest.id)
            && entry.listed.missing.is_empty()
            && manifest.verified.is_some()
            && manifest.format != Format::Csv
    };
    let of_plan = |entry: &&Entry| entry.listed.manifest.kind != Kind::PreRestore;
    let good: Vec<&Entry> = entries.iter().filter(good).collect();
    let newest = good.iter().find(|entry| of_plan(entry)).or(good.first()).map(|entry| entry.decision.id.clone());
    entries.retain(|entry| entry.listed.protected);
    let decide = |entry: &Entry| {
        let manifest = &entry.listed.manifest;
        let days = older_than.as_hours() / 24;
        let why = match manifest.kind.is_protected() {
            true => format!("it is a {} backup", manifest.kind),
            false => "it was protected by hand".to_owned(),
        };
        let (keep, reasons) = if newest.as_ref() == Some(&manifest.id) {
            (true, vec![why, "the newest good backup of its plan".into()])
        } else if entry.listed.in_use {
            (true, vec![why, "it is in use".into()])
        } else if now.duration_since(manifest.created_at) <= older_than {
            (true, vec![why, format!("not older than {days} days")])
        } else {
            (false, vec![why, format!("older than {days} days")])
        };
        Decision { id: manifest.id.clone(), keep, reasons }
    };
    entries.iter().map(decide).collect()
}

fn unconfirmed(request: &Request<'_>, delete: &[BackupId], set: &str) -> Option<Pause> {
    if delete.is_empty() || request.confirmed == Some(set) {
        return None;
    }
    let reason = "protected backups go only when somebody says yes to exactly these".to_owned();
    Some(Pause { code: "protected", reason, confirmable: true })
}
