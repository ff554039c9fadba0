//! The shape of a backup's bytes: `archive`, `database`, `json`, `csv`; writer and reader side by side.
//! Writers take what sources emit and leave finished files in staging; readers prove and unpack them.
//!
//! Not here: where the files go ([`crate::destination`]) and what a set of them is called ([`crate::store`]).

pub mod adopt;
pub mod archive;
pub mod bundle;
pub mod csv;
pub mod foreign;
mod foreign_files;
mod fresh_file;
pub mod history;
pub mod json;
pub mod pack;
pub mod proof;
mod zip_file;

use std::path::PathBuf;

/// A finished file of a backup, still in staging.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// What follows the file stem: `.zip`, `.db`, `.json`, `.csv.zip`.
    pub extension: &'static str,
    /// Where it lies now.
    pub path: PathBuf,
}
