//! Who asks.

use crate::error::{Error, ErrorKind, Result};
use crate::model::user::Role;

/// Who asks for something. The daemon itself has no account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Id of the account.
    pub account: Option<String>,
    /// What they may do.
    pub role: Role,
    /// From where, for the audit.
    pub address: Option<String>,
}

impl Actor {
    /// The daemon itself: may everything.
    pub fn daemon() -> Self {
        Actor { account: None, role: Role::Admin, address: None }
    }

    /// Whose things they see: `None` sees everybody's.
    pub fn owner_filter(&self) -> Option<&str> {
        match self.role {
            Role::Admin => None,
            // Nobody without an account and without being admin sees anything.
            Role::Viewer | Role::Operator => Some(self.account.as_deref().unwrap_or("-")),
        }
    }

    /// Fails with `not_allowed` ([`ErrorKind::Denied`]) when the role is less.
    pub(super) fn must_be(&self, role: Role) -> Result<()> {
        if self.role >= role {
            return Ok(());
        }
        let text = format!("Only for the role {}", role.word());
        Err(Error::new(ErrorKind::Denied, "not_allowed", text))
    }
}
