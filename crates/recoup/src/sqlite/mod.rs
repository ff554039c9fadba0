//! SQLite as Recoup uses it: how a database is named, opened, copied, described, checked and read.
//! Everything above works on databases only through this folder, so the rules for not harming an
//! application's database stand in one place.
//!
//! Not here: what a copy is for. Sources, formats, verification and comparison decide that.

pub mod affinity;
mod around;
pub mod before;
pub mod check;
pub mod compare;
pub mod copy;
pub mod digest;
pub mod facts;
pub(crate) mod fill;
mod fit;
pub mod follow;
mod keys;
pub mod location;
mod missing;
pub mod open;
mod overwrite;
mod pages;
pub mod pin;
pub(crate) mod place;
pub mod put;
pub(crate) mod rebuild;
mod recover;
pub(crate) mod rowids;
pub mod rows;
pub mod same;
pub mod schema;
mod side;
pub mod table;
pub mod untrusted;
