//! What a run reports while it works, and how it is cancelled. The library never prints: it tells an
//! [`Observer`], and it asks a [`Cancel`] token between chunks of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Result};

/// The parts of a run, in the order in which a person would tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Copying the sources to staging under one moment.
    Capture,
    /// Checking a captured or stored database with SQLite.
    Check,
    /// Writing the backup's format.
    Pack,
    /// Bringing the bytes to a destination.
    Store,
    /// Reading the bytes back and comparing hashes.
    Verify,
    /// Restoring to scratch or into place.
    Restore,
    /// Comparing two states.
    Compare,
}

impl Phase {
    /// The phase as a person reads it.
    pub fn words(self) -> &'static str {
        match self {
            Phase::Capture => "Copying data",
            Phase::Check => "Checking databases",
            Phase::Pack => "Packing",
            Phase::Store => "Storing",
            Phase::Verify => "Reading back",
            Phase::Restore => "Restoring",
            Phase::Compare => "Comparing",
        }
    }
}

/// Receives progress. Called often (every few hundred kilobytes): an implementation must be quick.
pub trait Observer: Send + Sync {
    /// A phase begins; `total` is in bytes and absent when it cannot be known.
    fn phase(&self, _phase: Phase, _what: &str, _total: Option<u64>) {}
    /// `bytes` more have been worked through in the current phase.
    fn advance(&self, _bytes: u64) {}
    /// Something worth telling that is not a warning of the result.
    fn note(&self, _text: &str) {}
}

/// An observer that tells nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;
impl Observer for Silent {}

/// Asks a run to stop. Cloned freely; once cancelled it stays so.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks every holder to stop at its next check.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What every longer piece of work is handed: whom to tell, when to stop, what time it is.
#[derive(Clone)]
pub struct Context {
    /// Whom to tell.
    pub observer: Arc<dyn Observer>,
    /// When to stop.
    pub cancel: Cancel,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Tells nobody, is never cancelled, asks this machine's clock.
    pub fn quiet() -> Self {
        Context { observer: Arc::new(Silent), cancel: Cancel::default(), clock: Arc::new(SystemClock::new()) }
    }

    /// Reports work done and fails with [`crate::error::ErrorKind::Cancelled`] when asked to stop.
    pub fn advance(&self, bytes: u64) -> Result<()> {
        self.check()?;
        self.observer.advance(bytes);
        Ok(())
    }

    /// Fails with [`crate::error::ErrorKind::Cancelled`] when asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}
