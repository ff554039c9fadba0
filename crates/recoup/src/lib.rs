//! Recoup: backup and restore for applications whose data is SQLite databases, directories, files and
//! settings. A backup that Recoup calls good has been read back, opened and checked.
//!
//! A backup is made by three things that know nothing of each other: [`source`]s emit what they have under one
//! consistent moment, a [`format`](mod@format) makes files of it, a [`store`] keeps them at a [`destination`]. The verbs put
//! them together: [`backup::run`], [`verify::run`], [`diff::run`], [`prune::run`].
//!
//! ```
//! use std::path::Path;
//! use std::sync::Arc;
//! use recoup::{backup, destination::LocalDestination, model::*, progress::Context, source, store::*, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let here = folder.path();
//! # rusqlite::Connection::open(here.join("shop.db"))?.execute_batch("CREATE TABLE product(id, title)")?;
//! let spec = SourceSpec::Database(DatabaseSpec {
//!     name: "shop".into(),
//!     location: "shop.db".into(),
//!     optional: false,
//!     busy_timeout_ms: 30_000,
//! });
//! let request = backup::Request {
//!     plan: "shop".into(),
//!     sources: vec![source::factory(&spec, here, false, Arc::new(Vec::new))],
//!     format: Format::Database,
//!     queries: vec![],
//!     kind: Kind::Manual,
//!     label: None,
//!     protect: false,
//!     host: None,
//!     hooks: vec![],
//!     scratch: here.to_owned(),
//!     audit: None,
//!     local_only: false,
//!     secrets: true,
//!     rescan: false,
//! };
//! let destination = LocalDestination::open(&here.join("backups"), true)?;
//! let store: Arc<dyn Store> = Arc::new(FilesStore::new(Arc::new(destination)));
//! backup::run(&request, &[store.clone()], &Context::quiet())?;
//!
//! let listing = store.list(Some("shop"))?;
//! let latest = listing.find("latest")?;
//! let proof = verify::run(store.as_ref(), latest, Level::Restore, here, &Context::quiet())?;
//! assert!(proof.ok);
//! # Ok(()) }
//! ```
//!
//! The library never prints, never reads the environment by itself, never touches the home directory.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod backup;
pub mod browse;
#[cfg(feature = "daemon")]
pub mod catalog;
pub mod clock;
pub mod config;
pub mod copy;
pub mod destination;
pub mod diff;
#[cfg(feature = "daemon")]
pub mod engine;
pub mod error;
pub mod format;
pub mod hooks;
pub mod migration;
pub mod model;
#[cfg(feature = "daemon")]
pub mod notify;
pub mod outbound;
mod process;
pub mod progress;
pub mod prune;
pub mod recovery;
pub mod restore;
#[cfg(feature = "daemon")]
pub mod scheduler;
#[cfg(any(feature = "daemon", feature = "remote"))]
mod sealing;
pub mod source;
pub mod sqlite;
pub mod store;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
