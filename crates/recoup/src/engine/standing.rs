//! How the destinations of a plan stand: the last good copy there, what is missing, what went wrong last, whether a person
//! has to sign in.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Actor, Engine};
use crate::catalog::{BackupRow, PlanRow};
use crate::destination;
use crate::error::Result;
use crate::model::Kind;

/// How one destination of a plan stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Standing {
    /// Name of the plan.
    pub plan: String,
    /// Name of the destination.
    pub destination: String,
    /// Whether it is in the network.
    pub remote: bool,
    /// The moment of the newest good backup that is there.
    pub last_good: Option<Timestamp>,
    /// When something was last stored there.
    pub last_stored: Option<Timestamp>,
    /// What went wrong there last (code, message, hint); `None` when all has been well since.
    pub error: Option<Value>,
    /// When something last went wrong there.
    pub error_at: Option<Timestamp>,
    /// A person has to sign in before it can be used again.
    pub needs_sign_in: bool,
    /// Ids of backups that should be there and are not yet, the newest first.
    pub missing: Vec<String>,
    /// When they are tried next.
    pub next_try: Option<Timestamp>,
    /// Copies there that are known to be damaged.
    pub damaged: usize,
    /// Copies there.
    pub copies: usize,
    /// Bytes of them.
    pub bytes: i64,
}

impl Engine {
    /// How each destination of a plan stands. Nobody is asked: all of it is known.
    pub async fn standing(&self, row: &PlanRow) -> Result<Vec<Standing>> {
        let plan = self.plan_of(row)?;
        let inventory = self.inventory(row).await?;
        let mut all = Vec::new();
        for named in self.site.named(&plan) {
            let settings = self.site.destination(&named.usual).ok();
            let place = inventory.places.iter().find(|place| place.destination == named.usual);
            let is_here = |copy: &&BackupRow| copy.destination == named.usual && copy.foreign.is_none();
            let here: Vec<&BackupRow> = inventory.rows.iter().filter(is_here).collect();
            let good =
                |copy: &&&BackupRow| copy.kind != Kind::PreRestore && copy.known().is_some_and(|known| known.is_good());
            let missing = self.missing_at(&plan, &named.usual, &inventory)?;
            let run = match missing.is_empty() {
                true => None,
                false => self.open_copy_run(&row.id, &named.usual).await?,
            };
            all.push(Standing {
                plan: plan.name.clone(),
                remote: settings.as_ref().is_some_and(|settings| settings.path().is_none()),
                last_good: here.iter().filter(good).map(|copy| copy.created_at).max(),
                last_stored: place.and_then(|place| place.good_at),
                error: place.and_then(|place| place.error.clone()),
                error_at: place.and_then(|place| place.error_at),
                needs_sign_in: settings.is_some_and(|settings| destination::sign_in_needed(&settings).is_some()),
                missing: missing.iter().map(ToString::to_string).collect(),
                next_try: run.map(|run| run.due_at),
                damaged: here.iter().filter(|copy| copy.damaged.is_some()).count(),
                copies: here.len(),
                bytes: here.iter().map(|copy| copy.bytes).sum(),
                destination: named.usual,
            });
        }
        Ok(all)
    }

    /// How the destinations of all plans stand that `who` may see.
    pub async fn standings(&self, who: &Actor) -> Result<Vec<Standing>> {
        let (mut all, mut plans) = (Vec::new(), self.catalog.every_plan(who.owner_filter()));
        while let Some(row) = plans.next().await? {
            // A plan that makes no sense any more is a trouble of its own.
            all.extend(self.standing(&row).await.unwrap_or_default());
        }
        Ok(all)
    }
}
