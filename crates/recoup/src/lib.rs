//! Recoup: backup and restore for applications whose data is SQLite databases, directories, files and
//! settings. A backup that Recoup calls good has been read back, opened and checked.
//!
//! The library never prints, never reads the environment by itself, never touches the home directory.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod backup;
pub mod clock;
pub mod config;
pub mod destination;
pub mod diff;
pub mod error;
pub mod format;
pub mod model;
pub mod progress;
pub mod source;
pub mod sqlite;
pub mod store;
pub mod verify;

pub use error::{Error, ErrorKind, Result};
