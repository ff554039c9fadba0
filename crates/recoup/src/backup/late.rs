//! Proving a copy while it is stored: both take long, and neither needs the other. Nothing is published before the proof is
//! there, and nothing at all when it fails.
//!
//! Not here: what is proven ([`crate::source::Source::emit_unproven`]).

use std::cell::{Cell, RefCell};

use crate::error::{Error, ErrorKind, Result};
use crate::model::{DatabaseFacts, Manifest, Warning};
use crate::progress::{Context, Phase};
use crate::source::Proof;

/// Has `put` store what `proof` is about. `put` calls what it is given before it publishes a manifest: that waits for the
/// proof and completes the manifest, with what `compare` adds to the first one.
pub(super) fn beside(
    proof: Option<Proof>,
    context: &Context,
    compare: impl Fn(&mut Manifest),
    put: impl FnOnce(&dyn Fn(&mut Manifest) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let Some(proof) = proof else { return put(&|_| Ok(())) };
    std::thread::scope(|scope| {
        let thread = Cell::new(Some(scope.spawn(move || proof(context))));
        let found: RefCell<Option<(DatabaseFacts, Vec<Warning>)>> = RefCell::default();
        let failed: Cell<Option<Error>> = Cell::default();
        let proven = |manifest: &mut Manifest| {
            if let Some(thread) = thread.take() {
                if !thread.is_finished() {
                    context.observer.phase(Phase::Check, &manifest.plan, None);
                }
                let died = || Err(Error::new(ErrorKind::Failed, "proof_failed", "The proof of the copy died"));
                match thread.join().unwrap_or_else(|_| died()) {
                    Ok((facts, warnings)) => {
                        complete(manifest, &facts);
                        manifest.warnings.extend(warnings);
                        compare(manifest);
                        found.replace(Some((facts, manifest.warnings.clone())));
                    }
                    Err(error) => failed.set(Some(error.while_(format!("checking {}", manifest.plan)))),
                }
            }
            // Without a proof nobody goes on, whatever places are left.
            let found = found.borrow();
            let (facts, warnings) = found.as_ref().ok_or_else(Error::cancelled)?;
            complete(manifest, facts);
            manifest.warnings.clone_from(warnings);
            Ok(())
        };
        let put = put(&proven);
        failed.take().map_or(put, Err)
    })
}

/// The only part is the database.
fn complete(manifest: &mut Manifest, facts: &DatabaseFacts) {
    if let Some(part) = manifest.parts.first_mut() {
        part.database = Some(facts.clone());
    }
}
