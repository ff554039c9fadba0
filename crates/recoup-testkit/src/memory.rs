//! A destination in memory, as a remote one behaves: no staging, no local paths, no locks. It can be told to
//! fail at its n-th call, and objects can be made old.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use recoup::destination::{Body, Destination, ObjectInfo, Stored};
use recoup::progress::Context;
use recoup::{Error, ErrorKind, Result};

use crate::contract::destination::sha256;

/// Objects in memory.
#[derive(Default)]
pub struct Memory {
    objects: Mutex<BTreeMap<String, (Vec<u8>, Timestamp)>>,
    calls_until_failure: Mutex<Option<usize>>,
}

impl Memory {
    /// The `nth` call from now (1 is the next) and every later one is [`ErrorKind::Unreachable`]; `None`
    /// brings the destination back.
    pub fn fail_at(&self, nth: Option<usize>) {
        *self.calls_until_failure.lock().unwrap() = nth;
    }

    /// Makes everything stored so far that much older.
    pub fn age(&self, by: SignedDuration) {
        for (_, modified) in self.objects.lock().unwrap().values_mut() {
            *modified = modified.checked_sub(by).unwrap();
        }
    }

    /// Replaces an object behind everybody's back; `None` removes it.
    pub fn tamper(&self, key: &str, bytes: Option<Vec<u8>>) {
        let mut objects = self.objects.lock().unwrap();
        match bytes {
            Some(bytes) => drop(objects.insert(key.into(), (bytes, Timestamp::now()))),
            None => drop(objects.remove(key)),
        }
    }

    fn call(&self) -> Result<()> {
        let mut left = self.calls_until_failure.lock().unwrap();
        match left.as_mut() {
            Some(0 | 1) => Err(Error::new(ErrorKind::Unreachable, "unreachable", "The network is down")),
            Some(n) => {
                *n -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn check(key: &str, whole: bool) -> Result<()> {
    let mut parts: Vec<&str> = key.split('/').collect();
    if !whole && parts.last() == Some(&"") {
        parts.pop();
    }
    let bad = |part: &&str| part.is_empty() || part.starts_with('.') || part.chars().any(char::is_control);
    if parts.iter().any(bad) { Err(Error::usage("bad_key", format!("Not a key: {key:?}"))) } else { Ok(()) }
}

impl Destination for Memory {
    fn describe(&self) -> String {
        "memory".into()
    }

    fn put(&self, key: &str, body: Body<'_>, context: &Context) -> Result<Stored> {
        check(key, true)?;
        self.call()?;
        let bytes = match body {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::File(path) => std::fs::read(path).map_err(|e| Error::at("reading", path, e))?,
        };
        context.check()?;
        context.advance(bytes.len() as u64)?;
        context.check()?;
        let stored = Stored { bytes: bytes.len() as u64, sha256: sha256(&bytes) };
        let mut objects = self.objects.lock().unwrap();
        match objects.get(key) {
            Some((there, _)) if *there == bytes => {}
            Some(_) => return Err(Error::new(ErrorKind::WouldOverwrite, "would_overwrite", key)),
            None => drop(objects.insert(key.into(), (bytes, Timestamp::now()))),
        }
        Ok(stored)
    }

    fn get(&self, key: &str, from: u64) -> Result<Box<dyn Read + Send>> {
        check(key, true)?;
        self.call()?;
        let objects = self.objects.lock().unwrap();
        let (bytes, _) = objects.get(key).ok_or_else(|| Error::new(ErrorKind::NotFound, "object_missing", key))?;
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(Box::new(Cursor::new(bytes.get(from..).unwrap_or_default().to_vec())))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        check(prefix, false)?;
        self.call()?;
        let objects = self.objects.lock().unwrap();
        let found = objects.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(found
            .map(|(key, (bytes, modified))| ObjectInfo {
                key: key.clone(),
                bytes: bytes.len() as u64,
                modified: *modified,
            })
            .collect())
    }

    fn delete(&self, key: &str) -> Result<()> {
        check(key, true)?;
        self.call()?;
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        Ok(None)
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn staging_root(&self) -> Option<PathBuf> {
        None
    }

    fn sweep(&self) -> Result<Vec<String>> {
        self.call()?;
        Ok(Vec::new())
    }
}
