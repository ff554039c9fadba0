//! One source on its way into the packer, and what the manifest says of it.
//!
//! Not here: the order of sources, and what follows when all are packed.

use crate::error::{Error, Result};
use crate::format::pack::Packer;
use crate::model::{Manifest, Part};
use crate::progress::Phase;
use crate::source::{Presence, Proof, Scope, Source};

/// Packs a source and adds its part to the manifest. Where it may be proven `late`, the proof is still to be made.
pub(super) fn pack(
    source: &mut dyn Source,
    presence: Presence,
    packer: &mut Packer,
    scope: &Scope,
    manifest: &mut Manifest,
    late: bool,
) -> Result<Option<Proof>> {
    let mut proof = None;
    let mut part = Part {
        name: source.name().to_owned(),
        kind: source.kind(),
        path: String::new(),
        origin: source.origin(),
        bytes: 0,
        sha256: String::new(),
        absent: presence == Presence::Absent,
        database: None,
        directory: None,
        settings: None,
        file: None,
    };
    if presence == Presence::Present {
        // A database is checked first and says itself when its packing begins.
        scope.context.observer.phase(Phase::Pack, source.name(), Some(source.estimate()));
        let sink = packer.begin(source.kind(), source.name())?;
        let packing = |error: Error| error.while_(format!("packing {}", part.name));
        let (emitted, later) = match late {
            true => source.emit_unproven(scope, sink).map_err(packing)?,
            false => (source.emit(scope, sink).map_err(packing)?, None),
        };
        proof = later;
        if let Some(body) = packer.end()? {
            part.path = body.path;
            part.bytes = body.bytes;
            part.sha256 = body.sha256;
            part.directory = body.directory;
            part.file = body.file;
        }
        if let Some(directory) = &mut part.directory {
            directory.skipped = emitted.skipped;
            directory.exclude = emitted.exclude;
        }
        part.database = emitted.database;
        part.settings = emitted.settings;
        manifest.warnings.extend(emitted.warnings);
    }
    manifest.parts.push(part);
    Ok(proof)
}
