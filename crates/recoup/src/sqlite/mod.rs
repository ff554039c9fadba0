//! SQLite as Recoup uses it: how a database is named, opened, copied, described, checked and read.
//! Everything above works on databases only through this folder, so the rules for not harming an
//! application's database stand in one place.
//!
//! Not here: what a copy is for. Sources, formats, verification and comparison decide that.

pub mod affinity;
pub mod check;
pub mod compare;
pub mod copy;
pub mod digest;
pub mod facts;
pub mod location;
mod missing;
pub mod open;
pub mod pin;
pub(crate) mod place;
mod recover;
pub(crate) mod rowids;
pub mod rows;
pub mod schema;
pub mod untrusted;
