//! A private copy of a database that is open, with its schema: what is compared, and what a table is taken from.
//!
//! Not here: what is read of it.

use std::path::Path;

use rusqlite::Connection;

use super::open::open_private;
use super::schema::{self, Schema};
use crate::error::Result;

/// One of them.
pub(super) struct Side {
    pub(super) connection: Connection,
    pub(super) schema: Schema,
}

impl Side {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = open_private(path)?;
        let schema = schema::read(&connection)?;
        Ok(Side { connection, schema })
    }
}
