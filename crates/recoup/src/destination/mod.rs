//! Where bytes are kept. One trait, [`Destination`]: objects under keys, written once, never changed.
//!
//! Not here: what the objects mean. A destination knows no backups; [`crate::store`] does.

mod durable;
mod key;
pub mod local;
pub mod mounted;
pub mod note;
#[cfg(feature = "remote")]
mod remote;
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
mod sign_in;
pub mod staging;
mod trash;

pub use local::LocalDestination;
#[cfg(feature = "remote")]
pub use remote::drive::account as drive;
pub use sign_in::sign_in_needed;
pub use staging::{Lease, Staging};
pub use trash::Trash;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
#[cfg(not(feature = "remote"))]
use crate::error::{Error, ErrorKind};
use crate::model::destination::{Address, DestinationSettings};
use crate::progress::Context;

/// One object at a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key: relative, `/` between parts, no part starts with a dot.
    pub key: String,
    /// Length.
    pub bytes: u64,
    /// Last modification as the destination tells it; for humans and for sweeping, never for retention.
    pub modified: jiff::Timestamp,
}

/// Bytes on their way to a destination. Always re-readable, so that a retry starts from the beginning.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// A small document.
    Bytes(&'a [u8]),
    /// A finished file in staging; the destination may move it away instead of copying it.
    File(&'a Path),
}

/// What a destination read back after storing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Length.
    pub bytes: u64,
    /// SHA-256, lower-case hex, of the bytes as read back from the destination.
    pub sha256: String,
}

/// A place that keeps bytes under a key. Promises, tested by one contract suite for every implementation:
///
/// * when `put` returns, the object is whole, durable and has been read back;
/// * a failed or cancelled `put` leaves nothing that `list` shows, and nothing at all after `sweep`;
/// * `put` never replaces different bytes: the same bytes again are success, others
///   [`crate::ErrorKind::WouldOverwrite`];
/// * `list` is complete and sorted by key; it never shows unfinished objects;
/// * deleting what is absent is success.
pub trait Destination: Send + Sync {
    /// For people and logs: `/srv/backups`, `s3://bucket/prefix`. Never a secret.
    fn describe(&self) -> String;
    /// Stores an object.
    fn put(&self, key: &str, body: Body<'_>, context: &Context) -> Result<Stored>;
    /// Opens an object for reading, from byte `from` on.
    fn get(&self, key: &str, from: u64) -> Result<Box<dyn Read + Send>>;
    /// Every finished object whose key starts with `prefix`, sorted by key.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>>;
    /// Removes an object.
    fn delete(&self, key: &str) -> Result<()>;
    /// Bytes that may still be written here (`f_bavail`, quota); `None` when the destination cannot say.
    fn free_bytes(&self) -> Result<Option<u64>>;
    /// Where people can look at an object; `None` for destinations without pages.
    fn link(&self, _key: &str) -> Result<Option<String>> {
        Ok(None)
    }
    /// A path by which this machine can read the object in place; `None` for remote destinations.
    fn local_path(&self, key: &str) -> Option<PathBuf>;
    /// Where a run may stage its files so that `put` can move them in; `None` for remote destinations.
    fn staging_root(&self) -> Option<PathBuf>;
    /// Removes what crashed runs left behind; never what a live process works on. Returns what was removed.
    fn sweep(&self) -> Result<Vec<String>>;
}

/// Opens a destination. `create` makes a directory that is not there, unless it must carry a marker. Of what is in the
/// network nothing is asked yet.
pub fn open(settings: &DestinationSettings, create: bool) -> Result<Arc<dyn Destination>> {
    match &settings.address {
        Address::Directory { path, marker } => {
            let opened = LocalDestination::open(path, create && !marker)?;
            Ok(Arc::new(if *marker { opened.with_marker() } else { opened }))
        }
        #[cfg(feature = "remote")]
        _ => remote::open(settings),
        #[cfg(not(feature = "remote"))]
        _ => {
            let text = format!("{} is in the network", settings.name);
            Err(Error::new(ErrorKind::Unsupported, "destination_unsupported", text)
                .hint("this build was made without the feature `remote`"))
        }
    }
}
