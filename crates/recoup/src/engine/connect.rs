//! Signing in to Google Drive from a page: the code that a person types at Google, waiting for them, and what became of it.
//! The page may be closed meanwhile; what is kept here is gone when the daemon ends, and the person begins again.
//!
//! Not here: the sign-in itself ([`crate::destination::drive`]).

use std::sync::{Arc, MutexGuard, PoisonError};

use serde_json::json;
use tokio::sync::oneshot;

use super::audit::event;
use super::{Actor, Engine, blocking};
use crate::config::DestinationSettings;
use crate::destination::drive::{self, Ask};
use crate::destination::sign_in_needed;
use crate::error::{Error, ErrorKind, Result};
use crate::model::destination::Address;
use crate::model::user::Role;
use crate::progress::Cancel;

/// A sign-in that somebody began.
pub(super) struct Begun {
    url: String,
    code: String,
    cancel: Cancel,
    /// Why it came to nothing.
    failed: Option<String>,
}

/// How a destination in Drive stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Nobody has signed in, or not any more; why the last try came to nothing.
    SignedOut(Option<String>),
    /// A person is to open the page and type the code.
    Waiting {
        /// The page.
        url: String,
        /// The code.
        code: String,
    },
    /// Backups can be stored there.
    SignedIn {
        /// Whose account it is, as Google tells.
        account: Option<String>,
        /// Bytes that are free; `None` when Google does not say.
        free: Option<u64>,
    },
}

impl Engine {
    /// Begins a sign-in and gives the code to type; the old one holds until the new one is there. For admins. Errors: `not_drive`,
    /// `no_sign_in`, and what the way to Google can do.
    pub async fn connect_drive(self: &Arc<Self>, who: &Actor, name: &str) -> Result<Connection> {
        who.must_be(Role::Admin)?;
        let settings = self.in_drive(name)?;
        if let Some(before) = self.connecting().remove(name) {
            before.cancel.cancel();
        }
        let (tell, told) = oneshot::channel();
        let mut context = self.site.context();
        context.cancel = Cancel::default();
        let (engine, who, name) = (self.clone(), who.clone(), name.to_owned());
        let (keeper, of) = (self.clone(), name.clone());
        let work = tokio::spawn(async move {
            let done = blocking(move || {
                let mut tell = Some(tell);
                drive::connect(&settings, true, &context, &mut |ask| {
                    if let (Ask::Type { url, code }, Some(tell)) = (ask, tell.take()) {
                        let (url, code, cancel) = (url.to_owned(), code.to_owned(), context.cancel.clone());
                        let begun = Begun { url: url.clone(), code: code.clone(), cancel, failed: None };
                        keeper.connecting().insert(name.clone(), begun);
                        let _ = tell.send((url, code));
                    }
                })
            })
            .await;
            engine.connected(&who, &of, done).await
        });
        match told.await {
            Ok((url, code)) => Ok(Connection::Waiting { url, code }),
            // It ended before there was a code.
            Err(_) => match work.await {
                Ok(Some(error)) => Err(error),
                _ => Err(Error::cancelled()),
            },
        }
    }

    /// How a destination in Drive stands. Errors: `not_drive`, and what the way to Google can do.
    pub async fn connection(&self, who: &Actor, name: &str) -> Result<Connection> {
        who.must_be(Role::Operator)?;
        let settings = self.in_drive(name)?;
        let mut failed = None;
        if let Some(begun) = self.connecting().get(name) {
            if begun.failed.is_none() {
                return Ok(Connection::Waiting { url: begun.url.clone(), code: begun.code.clone() });
            }
            failed.clone_from(&begun.failed);
        }
        if sign_in_needed(&settings).is_some() {
            return Ok(Connection::SignedOut(failed));
        }
        match blocking(move || drive::status(&settings)).await {
            Ok(status) => Ok(Connection::SignedIn { account: status.account, free: status.free }),
            Err(error) if error.code() == "needs_sign_in" => Ok(Connection::SignedOut(failed)),
            Err(error) => Err(error),
        }
    }

    /// Signs out, or stops a sign-in that waits. Backups there stay. For admins.
    pub async fn disconnect_drive(&self, who: &Actor, name: &str) -> Result<()> {
        who.must_be(Role::Admin)?;
        let settings = self.in_drive(name)?;
        if let Some(before) = self.connecting().remove(name) {
            before.cancel.cancel();
        }
        self.audit(who, event("destination.disconnected", ("destination", name), "delete", true, json!({}))).await?;
        blocking(move || drive::disconnect(&settings)).await.map(drop)
    }

    /// Remembers how a sign-in ended; gives the error back when there was one.
    async fn connected(&self, who: &Actor, name: &str, done: Result<()>) -> Option<Error> {
        let details = done.as_ref().map_or_else(super::audit::wrong, |()| json!({}));
        let good = done.is_ok();
        {
            let mut connecting = self.connecting();
            match &done {
                Ok(()) => drop(connecting.remove(name)),
                // Another one was begun in its place.
                Err(error) if error.kind() == ErrorKind::Cancelled => {}
                Err(error) => {
                    if let Some(begun) = connecting.get_mut(name) {
                        begun.failed = Some(super::work::told(error));
                    }
                }
            }
        }
        self.record(who, event("destination.connected", ("destination", name), "update", good, details)).await;
        done.err()
    }

    fn in_drive(&self, name: &str) -> Result<DestinationSettings> {
        let settings = self.site.destination(name)?;
        match settings.address {
            Address::Drive(_) => Ok(settings),
            _ => Err(Error::usage("not_drive", format!("{name} is not in Google Drive"))),
        }
    }

    fn connecting(&self) -> MutexGuard<'_, std::collections::HashMap<String, Begun>> {
        self.connecting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
