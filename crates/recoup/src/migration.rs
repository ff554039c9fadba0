//! The backup before a deployment or a migration: an existing one that is fresh, proven and holds exactly what is there
//! now, or a new one. Scripts call it at every attempt, so copies that differ in nothing are never piled up, and there is
//! a limit for those that differ.
//!
//! Not here: removing old ones; only a person does that.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::backup::{self, Request};
use crate::destination::Staging;
use crate::diff;
use crate::error::{Error, ErrorKind, Result};
use crate::model::retention::FUTURE;
use crate::model::{Kind, Level, Manifest, Warning};
use crate::progress::Context;
use crate::source::FileId;
use crate::store::{Listed, Store};

/// What is good enough, and how much is too much.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How old an existing backup may be.
    pub fresh: SignedDuration,
    /// How many backups before migrations a plan may have at its first destination.
    pub most: usize,
    /// Bytes that they may take together.
    pub most_bytes: u64,
}

impl Default for Terms {
    /// A day; twenty; 50 GB.
    fn default() -> Self {
        Terms { fresh: SignedDuration::from_hours(24), most: 20, most_bytes: 50_000_000_000 }
    }
}

/// What came of it.
#[derive(Debug)]
pub enum Made {
    /// Nothing has changed since this one, which is protected now; and which of its other copies could not be.
    Reused(Box<Listed>, Vec<Warning>),
    /// A new one.
    New(Box<backup::Report>),
}

/// Finds or makes the backup. `request` is the one that would make it; its hooks are not called when nothing is made.
///
/// Errors: those of [`backup::run`]; `protected_full` when the limit is reached. Nothing is removed to make room.
pub fn run(request: &Request, stores: &[Arc<dyn Store>], terms: &Terms, context: &Context) -> Result<Made> {
    let first = stores.first().ok_or_else(|| Error::usage("no_destination", "The plan has no destination"))?;
    let listing = first.list(Some(&request.plan))?;
    let now = context.clock.now();
    let oldest = now.saturating_sub(terms.fresh).unwrap_or(Timestamp::MIN);
    let newest = listing.backups.iter().find(|listed| {
        let manifest = &listed.manifest;
        let whole = listed.missing.is_empty() && manifest.opened().is_ok();
        let proven = manifest.verified >= Some(Level::Integrity) && whole;
        // By a clock that was wrong it would be fresh for ever.
        let past = manifest.created_at.duration_since(now) <= FUTURE;
        proven && past && manifest.kind != Kind::PreRestore && manifest.format == request.format
    });
    if let Some(listed) = newest.filter(|listed| listed.manifest.created_at >= oldest)
        // Retention may be removing it at this moment: then it does not serve.
        && let Ok(_held) = first.hold(&listed.manifest)
    {
        let root = first.staging_root().unwrap_or_else(|| request.scratch.clone());
        let staging = Staging::create(&root)?;
        let mut excluded: Vec<FileId> =
            stores.iter().filter_map(|store| FileId::of(store.staging_root()?.parent()?)).collect();
        excluded.extend(FileId::of(staging.path()));
        if diff::is_unchanged(&request.sources, excluded, &listed.manifest, staging.path(), context)? {
            first.set_protected(&listed.manifest.id, true, context)?;
            let warnings = protect_copies(&listed.manifest, stores, context);
            return Ok(Made::Reused(Box::new(Listed { protected: true, ..listed.clone() }), warnings));
        }
    }
    let before = listing.backups.iter().filter(|listed| listed.manifest.kind == Kind::PreMigration);
    let (count, bytes) = before.fold((0, 0), |(n, bytes), listed| (n + 1, bytes + listed.manifest.stored_bytes()));
    if count >= terms.most || bytes >= terms.most_bytes {
        let text = format!("There are {count} backups before migrations already, {bytes} bytes");
        return Err(Error::new(ErrorKind::Failed, "protected_full", text)
            .because(format!("at most {} of {} bytes in all are kept", terms.most, terms.most_bytes))
            .hint(
                "look at them with `recoup list`; `recoup prune --protected --older-than 30d` removes the old ones",
            ));
    }
    backup::run(request, stores, context).map(|report| Made::New(Box::new(report)))
}

/// Protects the copies at the other destinations. The one at the first is enough for the answer, so that what fails here
/// is told and no more.
fn protect_copies(manifest: &Manifest, stores: &[Arc<dyn Store>], context: &Context) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for store in stores.iter().skip(1) {
        let done = store.list(Some(&manifest.plan)).and_then(|listing| {
            let here = listing.backups.iter().any(|listed| listed.manifest.id == manifest.id);
            if here { store.set_protected(&manifest.id, true, context) } else { Ok(()) }
        });
        if let Err(error) = done {
            let text = format!("The copy at {} could not be protected: {error}", store.describe());
            warnings.push(Warning::new("not_protected", text));
        }
    }
    warnings
}
