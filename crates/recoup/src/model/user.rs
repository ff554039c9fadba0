//! Who may do what: roles of people, scopes of tokens. Passwords and sessions are the catalog's.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a person may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees own plans, backups and runs; changes nothing.
    Viewer,
    /// Also makes plans, backs up, restores and deletes what is their own.
    Operator,
    /// Also everybody's things, users, settings and the audit.
    Admin,
}

/// What a token may do, at most as much as its owner's role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reads.
    Read,
    /// Also starts backups and verifications.
    Run,
    /// Also changes plans, restores and deletes.
    Write,
    /// Everything that the owner may do.
    Admin,
}

impl Role {
    /// The word in the catalog, in the API and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "viewer" => Ok(Role::Viewer),
            "operator" => Ok(Role::Operator),
            "admin" => Ok(Role::Admin),
            _ => Err(Error::usage("bad_role", format!("Not a role: {text}")).hint("admin, operator or viewer")),
        }
    }
}

impl Scope {
    /// The word in the catalog, in the API and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Run => "run",
            Scope::Write => "write",
            Scope::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "read" => Ok(Scope::Read),
            "run" => Ok(Scope::Run),
            "write" => Ok(Scope::Write),
            "admin" => Ok(Scope::Admin),
            _ => Err(Error::usage("bad_scope", format!("Not a scope: {text}")).hint("read, run, write or admin")),
        }
    }
}
