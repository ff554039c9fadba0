//! A destination that refuses some calls as a test says, and passes everything else on.

use std::io::Read;
use std::path::PathBuf;

use recoup::destination::{Body, Destination, ObjectInfo, Stored};
use recoup::progress::Context;
use recoup::{Error, Result};

/// A call that changes something, with its key.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    Put(&'a str),
    Delete(&'a str),
}

/// `refuses` gives the error of a call that is refused.
pub struct Refusing<D, F> {
    pub inner: D,
    pub refuses: F,
}

impl<D, F> Refusing<D, F>
where
    F: Fn(Call<'_>) -> Option<Error>,
{
    fn ask(&self, call: Call<'_>) -> Result<()> {
        (self.refuses)(call).map_or(Ok(()), Err)
    }
}

impl<D, F> Destination for Refusing<D, F>
where
    D: Destination,
    F: Fn(Call<'_>) -> Option<Error> + Send + Sync,
{
    fn describe(&self) -> String {
        self.inner.describe()
    }
    fn put(&self, key: &str, body: Body<'_>, context: &Context) -> Result<Stored> {
        self.ask(Call::Put(key))?;
        self.inner.put(key, body, context)
    }
    fn get(&self, key: &str, from: u64) -> Result<Box<dyn Read + Send>> {
        self.inner.get(key, from)
    }
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        self.inner.list(prefix)
    }
    fn delete(&self, key: &str) -> Result<()> {
        self.ask(Call::Delete(key))?;
        self.inner.delete(key)
    }
    fn free_bytes(&self) -> Result<Option<u64>> {
        self.inner.free_bytes()
    }
    fn local_path(&self, key: &str) -> Option<PathBuf> {
        self.inner.local_path(key)
    }
    fn staging_root(&self) -> Option<PathBuf> {
        self.inner.staging_root()
    }
    fn sweep(&self) -> Result<Vec<String>> {
        self.inner.sweep()
    }
}
