//! `archive`: everything in one ZIP that any tool opens. `docs/formats.md` has the layout; this folder has the
//! writer, the reader, the policy that judges a list of members before anything is read, and unpacking.
//!
//! Names: a ZIP member's name is UTF-8. Bytes that are not, control characters and backslashes (which some tools
//! take for separators) are written as `%XX`, and a `%` only where it would read like such an escape. The
//! contents list has the real name.

mod container;
pub(crate) mod folder;
pub mod listing;
pub mod member;
pub mod policy;
pub mod reader;
pub(crate) mod stream;
pub mod text;
pub mod unpack;
pub mod writer;

/// The manifest inside the archive; the last member.
pub const METADATA: &str = "metadata.json";
/// How to get everything back by hand.
pub const RESTORE: &str = "RESTORE.txt";
/// Bytes that are moved at once.
pub(crate) const CHUNK: usize = 256 * 1024;
