//! TEMP stub: replaced by the real module when branches are merged.
#![allow(missing_docs)]

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Error, ErrorKind, Result};

pub fn open_private(path: &Path) -> Result<Connection> {
    let mut uri = String::from("file:");
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    Connection::open_with_flags(uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
        .map_err(|e| Error::new(ErrorKind::Failed, "sqlite", "Could not open the database").because(e))
}

pub fn open_scratch(path: &Path) -> Result<Connection> {
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| Error::at("creating", path, e))?;
    let open = || {
        let connection = Connection::open(path)?;
        connection.query_row("PRAGMA journal_mode=OFF", [], |_| Ok(()))?;
        connection.execute_batch("PRAGMA synchronous=OFF")?;
        Ok(connection)
    };
    open().map_err(|e: rusqlite::Error| Error::new(ErrorKind::Failed, "sqlite", "Could not create").because(e))
}
