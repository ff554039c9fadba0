//! The verb *backup*: sources in, a proven backup at one or more stores out.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::model::{Format, Kind, Manifest, Outcome};
use crate::progress::Context;
use crate::source::SourceFactory;
use crate::store::Store;

/// What is to be backed up and how.
pub struct Request {
    /// Plan name; part of file names.
    pub plan: String,
    /// Makes each source afresh.
    pub sources: Vec<SourceFactory>,
    /// Shape of the bytes.
    pub format: Format,
    /// Compact database copies.
    pub compact: bool,
    /// Why.
    pub kind: Kind,
    /// A label given by hand.
    pub label: Option<String>,
    /// Protect it from retention from the first moment.
    pub protect: bool,
    /// Also do a test restore before it is called good.
    pub test_restore: bool,
    /// Host name for the manifest.
    pub host: Option<String>,
}

/// How a backup went.
#[derive(Debug)]
pub struct Report {
    /// The manifest as stored.
    pub manifest: Manifest,
    /// Good or warnings; everything else is an error.
    pub outcome: Outcome,
    /// Stores at which it could not be put, with the reason.
    pub failed_stores: Vec<(String, Error)>,
}

/// Makes one backup. Nothing is left behind on failure; see ARCHITECTURE.md for the order of steps.
pub fn run(request: &Request, stores: &[Arc<dyn Store>], context: &Context) -> Result<Report> {
    let _ = (request, stores, context);
    unimplemented!()
}
