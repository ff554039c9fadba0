//! Connections to one server, kept: each is used by one step at a time, so that a step that takes long (an object that must
//! reach the disk) holds up no other.

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PublicKey;
use tokio::runtime::{Builder, Handle, Runtime};

use super::super::failure::Step;
use super::connection::{self, Connection};
use crate::error::{Error, Result};
use crate::model::destination::{Limits, Sftp};

/// Connections that wait for work, at most.
const IDLE: usize = 4;

/// The connections to one server.
pub(super) struct Pool {
    to: Sftp,
    host_key: PublicKey,
    limits: Limits,
    idle: Mutex<Vec<Connection>>,
    handle: Handle,
    // Taken only when this goes.
    runtime: Option<Runtime>,
}

impl Pool {
    /// No connection yet.
    pub fn new(to: Sftp, limits: Limits) -> Result<Arc<Self>> {
        let host_key = connection::host_key(&to.host_key)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("recoup-sftp")
            .enable_all()
            .build()
            .map_err(|error| Error::io("starting a thread", error))?;
        let handle = runtime.handle().clone();
        Ok(Arc::new(Pool { to, host_key, limits, idle: Mutex::default(), handle, runtime: Some(runtime) }))
    }

    /// Whom we reach.
    pub fn to(&self) -> &Sftp {
        &self.to
    }

    /// A connection of one's own; it ends when it is not given back.
    pub fn take(self: &Arc<Self>) -> Step<Lease> {
        let connection = loop {
            match self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
                Some(kept) if kept.is_closed() => {}
                kept => break kept,
            }
        };
        let connection = match connection {
            Some(kept) => kept,
            None => Connection::open(&self.to, &self.host_key, self.limits.timeout, &self.handle)?,
        };
        Ok(Lease { connection, pool: self.clone() })
    }

    /// Does one step on a connection, which is kept unless the step failed in a way that may pass.
    pub fn with<T>(self: &Arc<Self>, step: impl FnOnce(&Connection) -> Step<T>) -> Step<T> {
        let (lease, done) = self.lease(step)?;
        lease.give_back();
        Ok(done)
    }

    /// Opens something that lasts, on a connection that stays with it.
    pub fn lease<T>(self: &Arc<Self>, open: impl FnOnce(&Connection) -> Step<T>) -> Step<(Lease, T)> {
        let lease = self.take()?;
        match open(lease.connection()) {
            Ok(opened) => Ok((lease, opened)),
            Err(failure) => {
                if !failure.passing {
                    lease.give_back();
                }
                Err(failure)
            }
        }
    }
}

/// A connection in use.
pub(super) struct Lease {
    connection: Connection,
    pool: Arc<Pool>,
}

impl Lease {
    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Somebody else may use it.
    pub fn give_back(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE && !self.connection.is_closed() {
            idle.push(self.connection);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}
