//! Pausing everything: no schedule starts a run until somebody resumes. What is due meanwhile stays due, and becomes one run
//! then. What people start by hand runs all the same. Kept in the catalog, so that a restart changes nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::event;
use super::{Actor, Engine};
use crate::error::Result;
use crate::model::user::Role;

/// Under which name the catalog keeps it.
const NAME: &str = "pause";

/// Everything is paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Who did it, by name.
    pub by: Option<String>,
}

impl Engine {
    /// Whether everything is paused.
    pub async fn paused(&self) -> Result<Option<Pause>> {
        let kept = self.catalog.setting(NAME).await?;
        Ok(kept.and_then(|text| serde_json::from_str(&text).ok()).flatten())
    }

    /// Pauses everything, or resumes. For admins. Again changes nothing. Recorded before it happens.
    pub async fn set_paused(&self, who: &Actor, paused: bool) -> Result<Option<Pause>> {
        who.must_be(Role::Admin)?;
        let before = self.paused().await?;
        if before.is_some() == paused {
            return Ok(before);
        }
        let name = if paused { "scheduler.paused" } else { "scheduler.resumed" };
        let details = json!({ "paused_since": before.map(|pause| pause.since) });
        self.audit(who, event(name, ("setting", NAME), "update", true, details)).await?;
        let by = match &who.account {
            Some(id) => self.catalog.account(id).await?.map(|account| account.name),
            None => None,
        };
        let pause = paused.then(|| Pause { since: self.clock().now(), by });
        self.catalog.set_setting(NAME, &json!(pause).to_string()).await?;
        Ok(pause)
    }
}
