//! A backup of what has not changed: in a history it is made of the bytes of the one before, and nothing is read.
//!
//! Not here: what tells that nothing has changed ([`crate::source::state`]).

use std::sync::Arc;
use std::time::Duration;

use super::{Fitting, Report, Request, previous, publish, store};
use crate::error::{Error, ErrorKind, Result};
use crate::model::backup::MADE_BY;
use crate::model::{BackupId, Kind, Level, Manifest, Outcome};
use crate::progress::Context;
use crate::source::state::{self, Looked};
use crate::source::{Scope, Source};
use crate::store::{Listed, Store};

/// Warnings about the data itself, which hold as long as it does not change; whoever had others is read again.
const LASTING: [&str; 4] = ["constraints", "foreign_keys", "special_files", "unchecked"];

/// Looks at the sources, where that may spare reading them. A hook may write what is read; a safety backup is never spared.
pub(super) fn look(
    request: &Request,
    sources: &mut [Box<dyn Source>],
    stores: &[Arc<dyn Store>],
    scope: &Scope,
) -> Result<Option<Looked>> {
    let spares = stores.iter().all(|store| store.compresses());
    if !spares || request.kind == Kind::PreRestore || !request.hooks.is_empty() {
        return Ok(None);
    }
    let about = format!("{} {:?} {}", request.format, request.queries, scope.secrets);
    state::look(sources, &about, scope)
}

/// The newest backup at each store, when all of them hold the same bytes and the sources are as they were.
pub(super) fn unchanged(
    request: &Request,
    stores: &[Arc<dyn Store>],
    looked: &Looked,
    context: &Context,
) -> Result<Option<Vec<Manifest>>> {
    let mut found: Vec<Manifest> = Vec::new();
    for store in stores {
        let newest = match previous(store.as_ref(), &request.plan) {
            Ok(newest) => newest,
            // A store that does not answer says so when the backup is put there.
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(_) => None,
        };
        let Some(newest) = newest.filter(|newest| is_of(newest, looked)) else { return Ok(None) };
        if found.first().is_some_and(|first| !first.holds(&newest.manifest.objects))
            || !store.can_repeat(&newest, context)?
        {
            return Ok(None);
        }
        found.push(newest.manifest);
    }
    Ok(Some(found))
}

/// Whether a backup was made of sources in this state, and is as good as a new one.
fn is_of(listed: &Listed, looked: &Looked) -> bool {
    let manifest = &listed.manifest;
    manifest.state.as_ref() == Some(&looked.digest)
        && manifest.verified >= Some(Level::Integrity)
        && listed.missing.is_empty()
        && manifest.warnings.iter().all(|warning| LASTING.contains(&warning.code.as_str()))
}

/// Makes the backup; `befores` are those of the stores, in their order.
pub(super) fn again(
    request: &Request,
    befores: &[Manifest],
    (stores, failed, keys): Fitting,
    started: Duration,
    context: &Context,
) -> Result<Report> {
    let first = befores.first().ok_or_else(|| Error::usage("no_destination", "The plan has no destination"))?;
    let created_at = context.clock.now();
    let manifest = Manifest {
        made_by: MADE_BY.to_owned(),
        id: BackupId::generate(created_at),
        kind: request.kind,
        label: request.label.clone(),
        created_at,
        host: request.host.clone(),
        warnings: first.warnings.iter().cloned().chain(keys).collect(),
        audit: request.audit.clone(),
        local_only: request.local_only,
        same_as: Some(first.same_as.as_ref().unwrap_or(&first.id).clone()),
        ..first.clone()
    };
    context.observer.note(&format!("Nothing has changed since {}: its bytes are used again", first.file_stem()));
    let mut report = Report { manifest, outcome: Outcome::Good, stored: Vec::new(), failed };
    store(&stores, &mut report, |store, manifest| {
        let before = stores.iter().zip(befores).find(|(other, _)| other.describe() == store.describe());
        store.put_again(manifest, before.map_or(first, |(_, before)| before), context)?;
        publish(store, request, manifest, started, context)
    })?;
    Ok(report.judged())
}
