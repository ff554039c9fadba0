//! `archive`: everything in one ZIP.

pub mod reader;
pub mod writer;
