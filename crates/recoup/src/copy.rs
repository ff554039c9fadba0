//! The verb *copy*: a backup that exists at one destination comes to another one, the same bytes under the same identity.
//! What is damaged is never spread, and a copy that is whole is never replaced.
//!
//! Not here: which backup goes where, and trying again.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Packed, proof};
use crate::model::Manifest;
use crate::progress::{Context, Phase};
use crate::store::{EXTENSIONS, Listed, Store};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// It is there now.
    Now,
    /// A whole copy was there already.
    Already,
    /// A copy was there that lacked something, and was replaced.
    Mended,
}

/// Copies one backup. `scratch` is a private directory with room for its objects, used when they must be downloaded.
///
/// Errors: `backup_corrupted` when the copy at `from` is damaged, `would_overwrite` when something else has its name.
/// On any error nothing is listed at `to` that was not before.
pub fn run(from: &dyn Store, listed: &Listed, to: &dyn Store, scratch: &Path, context: &Context) -> Result<Copied> {
    let manifest = &listed.manifest;
    let there = to.list(Some(&manifest.plan))?.backups.into_iter().find(|other| other.manifest.id == manifest.id);
    knowing(from, listed, to, &There { listed: there.as_ref(), damaged: false }, scratch, context)
}

/// What is at the destination already.
#[derive(Debug, Clone, Copy)]
pub struct There<'a> {
    /// The copy there, as it is listed.
    pub listed: Option<&'a Listed>,
    /// Something is known to be wrong with it that no list shows: it is replaced.
    pub damaged: bool,
}

/// As [`run`], for who knows already what is there.
pub fn knowing(
    from: &dyn Store,
    listed: &Listed,
    to: &dyn Store,
    there: &There<'_>,
    scratch: &Path,
    context: &Context,
) -> Result<Copied> {
    let manifest = &listed.manifest;
    let _held = from.hold(manifest)?;
    manifest.opened().map_err(|error| error.while_(copying(manifest)))?;
    if manifest.has_secrets() && !to.protection(&manifest.plan).is_sealed() {
        let text = format!("Secret settings do not go to {}, which is not encrypted", to.describe());
        return Err(Error::new(ErrorKind::Denied, "secrets_in_the_clear", text)
            .while_(copying(manifest))
            .hint("set encrypt of that destination, or copy to another one"));
    }
    if manifest.objects.is_empty() || !listed.missing.is_empty() {
        return Err(Error::corrupted(format!("it lacks {}", listed.missing.join(", "))).while_(copying(manifest)));
    }
    if !there.damaged && there.listed.is_some_and(|there| there.missing.is_empty()) {
        return Ok(Copied::Already);
    }
    let packed = proven(from, manifest, scratch, context).map_err(|error| error.while_(copying(manifest)))?;
    let mended = there.listed.is_some();
    if mended {
        // Only now, when there is something whole to put in its place.
        to.delete(&manifest.id, true)?;
    }
    let mut copy = Manifest { objects: Vec::new(), ..manifest.clone() };
    to.put_objects(&mut copy, &packed, context)?;
    let put = || -> Result<()> {
        if copy.objects != manifest.objects {
            return Err(Error::corrupted("what arrived is not what was sent").while_(copying(manifest)));
        }
        if listed.protected && !manifest.kind.is_protected() {
            to.set_protected(&manifest.id, true, context)?;
        }
        to.put_manifest(&copy, context)
    };
    put().inspect_err(|_| to.abandon(manifest))?;
    Ok(if mended { Copied::Mended } else { Copied::Now })
}

fn copying(manifest: &Manifest) -> String {
    format!("copying {}", manifest.file_stem())
}

/// The objects on this machine, each what the manifest says.
fn proven(from: &dyn Store, manifest: &Manifest, scratch: &Path, context: &Context) -> Result<Vec<Packed>> {
    let mut packed = Vec::new();
    for object in &manifest.objects {
        context.observer.phase(Phase::Verify, &object.name, Some(object.bytes));
        let path = from.fetch(manifest, object, scratch, context)?;
        proof::is_object(&path, object, context)?;
        let known = |extension: &&&str| object.name == format!("{}{extension}", manifest.file_stem());
        let extension = EXTENSIONS.iter().find(known).ok_or_else(|| {
            Error::new(ErrorKind::Unsupported, "bad_objects", format!("Not an object of a backup: {}", object.name))
        })?;
        packed.push(Packed { extension, path });
    }
    Ok(packed)
}
