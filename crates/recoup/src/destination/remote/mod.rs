//! Destinations in the network: what every protocol has in common. [`Remote`] makes of single steps that may fail
//! ([`Protocol`]) what a destination promises: it tries again, goes on where it was cut, reads back what was stored and
//! compares its SHA-256, treats the other side gently, and takes away what it could not finish.
//!
//! Not here: how a protocol does one step (a file each), and what the objects mean.

mod blocks;
pub(super) mod content;
pub(super) mod drive;
pub(super) mod failure;
pub(super) mod http;
mod reading;
mod s3;
mod secret;
mod sftp;
mod webdav;
mod xml;

use std::collections::HashSet;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

pub(crate) use content::Content;
pub(crate) use failure::Step;
use reading::Reading;

use super::{Body, Destination, ObjectInfo, Stored, durable, key};
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::{Address, DestinationSettings, Limits};
use crate::progress::{Context, Phase};

/// How old an upload that nobody finished must be before its run counts as dead: the clocks of two machines may differ,
/// and a large object on a slow line takes its time.
const ABANDONED: SignedDuration = SignedDuration::from_hours(24);

/// One step each, tried once. Keys are checked already; they are what people see, `describe` without secrets too.
pub(crate) trait Protocol: Send + Sync {
    /// For people and logs: `s3://bucket/prefix`. Never a secret.
    fn describe(&self) -> String;
    /// Begins to store an object that is not there. Nothing is listed before [`Upload::finish`].
    fn begin<'a>(&'a self, key: &str, content: &'a Content<'a>) -> Step<Box<dyn Upload + 'a>>;
    /// Whether sending is the work of one thread: then another one finds the SHA-256 meanwhile.
    fn sends_in_one_stream(&self) -> bool {
        false
    }
    /// Opens an object for reading, from byte `from` on.
    fn read(&self, key: &str, from: u64) -> Step<Box<dyn Read + Send>>;
    /// Opens a part of an object of `whole` bytes, where it pays to fetch several parts at once. Without that, and from a
    /// server that gives no parts, what comes is everything from its beginning on.
    fn part(&self, key: &str, part: Range<u64>, _whole: u64) -> Step<Given> {
        self.read(key, part.start).map(Given::Rest)
    }
    /// One object, if it is there.
    fn find(&self, key: &str) -> Step<Option<ObjectInfo>>;
    /// Every finished object whose key starts with `prefix`, in any order.
    fn list(&self, prefix: &str) -> Step<Vec<ObjectInfo>>;
    /// Removes an object; one that is not there is success.
    fn delete(&self, key: &str) -> Step<()>;
    /// Bytes that may still be written; `None` where nobody says.
    fn free_bytes(&self) -> Step<Option<u64>> {
        Ok(None)
    }
    /// Where people can look at an object, where there are pages.
    fn link(&self, _key: &str) -> Step<Option<String>> {
        Ok(None)
    }
    /// Uploads that were begun and not finished, by any run.
    fn unfinished(&self) -> Step<Vec<Unfinished>>;
    /// Takes one of them away.
    fn remove_unfinished(&self, upload: &Unfinished) -> Step<()>;
}

/// What the other side gives of an object.
pub(crate) enum Given {
    /// The part that was asked for.
    Part(Box<dyn Read + Send>),
    /// Everything from its beginning on.
    Rest(Box<dyn Read + Send>),
}

/// An object on its way.
pub(crate) trait Upload {
    /// Sends what the other side does not have yet. After an error that may pass it is called again, and goes on where
    /// the other side says it is when the protocol can.
    fn send(&mut self) -> Step<()>;
    /// Makes the object visible under its key, and never in the place of another one:
    /// [`ErrorKind::WouldOverwrite`] when one is there. Called again after an error that may pass: an answer may be lost
    /// although the work was done.
    fn finish(&mut self) -> Step<()>;
    /// Takes away what was sent.
    fn abort(&mut self);
}

/// An upload that nobody finished.
#[derive(Debug, Clone)]
pub(crate) struct Unfinished {
    /// The key it was meant for, for people.
    pub key: String,
    /// How the protocol calls it.
    pub id: String,
    /// When it was begun, or last went on.
    pub begun: Timestamp,
}

/// Opens a destination in the network, without asking it anything.
pub(super) fn open(settings: &DestinationSettings) -> Result<Arc<dyn Destination>> {
    match &settings.address {
        Address::Drive(address) => Ok(Arc::new(drive::open(&settings.name, address, &settings.limits)?)),
        Address::Directory { .. } => Err(Error::usage("not_remote", format!("{} is a directory", settings.name))),
        Address::Sftp(to) => Ok(Arc::new(Remote::new(sftp::Sftp::new(to, &settings.limits)?, settings.limits.clone()))),
        Address::S3(to) => Ok(Arc::new(Remote::new(s3::S3::new(to, &settings.limits)?, settings.limits.clone()))),
        Address::WebDav(to) => {
            Ok(Arc::new(Remote::new(webdav::WebDav::new(to, &settings.limits)?, settings.limits.clone())))
        }
    }
}

/// A destination in the network.
pub(crate) struct Remote<P> {
    protocol: Arc<P>,
    limits: Limits,
    // Keys that this process is storing: of two that store the same, one waits.
    busy: Mutex<HashSet<String>>,
    free: Condvar,
}

impl<P: Protocol + 'static> Remote<P> {
    /// A destination over a protocol.
    pub fn new(protocol: P, limits: Limits) -> Self {
        Remote { protocol: Arc::new(protocol), limits, busy: Mutex::default(), free: Condvar::new() }
    }

    fn attempt<T>(&self, context: &Context, mut step: impl FnMut() -> Step<T>) -> Result<T> {
        failure::attempt(self.limits.attempts, self.limits.pause, context, &mut step)
    }

    /// Length and SHA-256 of what is there.
    fn read_back(&self, key: &str, context: &Context) -> Result<Stored> {
        let mut from = self.reader(key, 0, context)?;
        let (bytes, sha256) = durable::hash(&mut from, context, |_| Ok(()))?;
        Ok(Stored { bytes, sha256 })
    }

    fn reader(&self, key: &str, from: u64, context: &Context) -> Result<content::Paced<Reading<P>>> {
        Reading::open(&self.protocol, &self.limits, key, from, context)
            .map_err(|error| error.while_(format!("reading {key} at {}", self.describe())))
    }

    fn put_alone(&self, key: &str, content: &Content<'_>, context: &Context) -> Result<Stored> {
        let is_ours = |there: &Stored| -> Result<bool> {
            Ok(there.bytes == content.bytes() && there.sha256 == content.sha256()?)
        };
        let compare = |there: Stored| if is_ours(&there)? { Ok(there) } else { Err(taken(key)) };
        if let Some(there) = self.attempt(context, || self.protocol.find(key))? {
            if there.bytes != content.bytes() {
                return Err(taken(key));
            }
            return compare(self.read_back(key, context)?);
        }
        context.observer.phase(Phase::Store, key, Some(content.bytes()));
        let mut upload = self.attempt(context, || self.protocol.begin(key, content))?;
        let over = &AtomicBool::new(false);
        let sent = std::thread::scope(|threads| {
            // Without a thread it is found afterwards.
            let wanted = || !over.load(Ordering::Relaxed);
            if self.protocol.sends_in_one_stream() {
                let _ = std::thread::Builder::new().spawn_scoped(threads, move || content.sha256_while(&wanted));
            }
            let sent = self.attempt(context, || upload.send()).and_then(|()| content.sha256());
            over.store(true, Ordering::Relaxed);
            sent
        });
        let sent = sent.and_then(|_| context.check()).and_then(|()| self.attempt(context, || upload.finish()));
        match sent {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::WouldOverwrite => {
                upload.abort();
                return compare(self.read_back(key, context)?);
            }
            Err(error) => {
                upload.abort();
                return Err(error);
            }
        }
        drop(upload);
        context.observer.phase(Phase::Verify, key, Some(content.bytes()));
        let stored = self.read_back(key, context).and_then(|stored| Ok(is_ours(&stored)?.then_some(stored)));
        match stored {
            Ok(Some(stored)) => Ok(stored),
            other => {
                // Nobody relies on it yet, and nobody shall.
                let uncancelled = Context { cancel: crate::progress::Cancel::default(), ..context.clone() };
                let _ = self.attempt(&uncancelled, || self.protocol.delete(key));
                other.and_then(|_| {
                    Err(Error::corrupted("what was read back is not what was sent").while_(format!("storing {key}")))
                })
            }
        }
    }
}

fn taken(key: &str) -> Error {
    Error::new(ErrorKind::WouldOverwrite, "would_overwrite", format!("Something else is stored as {key} already"))
}

fn check_prefix(prefix: &str) -> Result<()> {
    let (above, rest) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if !above.is_empty() {
        key::check(above)?;
    }
    if rest.is_empty() || key::valid(rest) { Ok(()) } else { Err(key::bad(prefix)) }
}

impl<P: Protocol + 'static> Destination for Remote<P> {
    fn describe(&self) -> String {
        self.protocol.describe()
    }

    fn put(&self, key: &str, body: Body<'_>, context: &Context) -> Result<Stored> {
        key::check(key)?;
        context.check()?;
        let content = Content::new(body, &self.limits, context)?;
        if !self.protocol.sends_in_one_stream() {
            content.sha256()?;
        }
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while !busy.insert(key.to_owned()) {
            busy = self.free.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        drop(busy);
        let stored = self.put_alone(key, &content, context);
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.free.notify_all();
        stored.map_err(|error| error.while_(format!("storing {key} at {}", self.describe())))
    }

    fn get(&self, key: &str, from: u64) -> Result<Box<dyn Read + Send>> {
        key::check(key)?;
        Ok(Box::new(self.reader(key, from, &Context::quiet())?))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>> {
        check_prefix(prefix)?;
        let mut found = self.attempt(&Context::quiet(), || self.protocol.list(prefix))?;
        found.retain(|object| object.key.starts_with(prefix) && key::check(&object.key).is_ok());
        found.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(found)
    }

    fn delete(&self, key: &str) -> Result<()> {
        key::check(key)?;
        self.attempt(&Context::quiet(), || self.protocol.delete(key))
            .map_err(|error| error.while_(format!("removing {key} at {}", self.describe())))
    }

    fn free_bytes(&self) -> Result<Option<u64>> {
        self.attempt(&Context::quiet(), || self.protocol.free_bytes())
    }

    fn link(&self, key: &str) -> Result<Option<String>> {
        key::check(key)?;
        self.attempt(&Context::quiet(), || self.protocol.link(key))
    }

    fn local_path(&self, _key: &str) -> Option<PathBuf> {
        None
    }

    fn staging_root(&self) -> Option<PathBuf> {
        None
    }

    fn sweep(&self) -> Result<Vec<String>> {
        let context = Context::quiet();
        let mut removed = Vec::new();
        for upload in self.attempt(&context, || self.protocol.unfinished())? {
            if context.clock.now().duration_since(upload.begun) > ABANDONED {
                match self.attempt(&context, || self.protocol.remove_unfinished(&upload)) {
                    Ok(()) => removed.push(upload.key),
                    // Who may only add leaves it to whoever runs the server.
                    Err(error) if error.kind() == ErrorKind::Denied => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(removed)
    }
}
