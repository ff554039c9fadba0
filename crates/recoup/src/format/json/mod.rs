//! `json`: one database as one JSON document, lossless.

pub mod reader;
pub mod writer;
