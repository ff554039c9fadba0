//! Plans that nobody made by hand: those of `recoup.toml`, and the one that backs up the catalog itself. They are
//! read-only here.

use serde_json::{Value, json};

use super::audit::event;
use super::{Actor, Engine};
use crate::catalog::{NewPlan, Origin, PlanRow};
use crate::error::{Error, ErrorKind, Result};
use crate::model::plan::CATALOG_PLAN;
use crate::model::{BackupId, Plan};

impl Engine {
    /// Makes the catalog say what `recoup.toml` says.
    pub(super) async fn provision(&self) -> Result<()> {
        let settings = self.settings();
        for plan in &settings.plans {
            let document = settings.documents.iter().find(|(name, _)| *name == plan.name);
            let body = document.map_or_else(|| json!({}), |(_, body)| body.clone());
            self.declare(plan, &body, Origin::File).await?;
        }
        if let Some((plan, body)) = self.catalog_plan()? {
            self.declare(&plan, &body, Origin::BuiltIn).await?;
        }
        self.forget_vanished().await
    }

    fn catalog_plan(&self) -> Result<Option<(Plan, Value)>> {
        let Some(file) = self.site.catalog.as_deref() else { return Ok(None) };
        let mut body = json!({
            "databases": [{ "path": file.display().to_string(), "name": "catalog" }],
            "format": "database",
            "destinations": [self.site.own_backups().display().to_string()],
            "schedule": { "every": "daily", "at": "02:30", "jitter": "30m" },
            "retention": { "days": 14, "min_keep": 3 },
        });
        body["schedule"]["zone"] = json!(self.settings().zone);
        let plan = self.settings().plan_of(CATALOG_PLAN, &body)?;
        Ok(Some((plan, body)))
    }

    async fn declare(&self, plan: &Plan, body: &Value, origin: Origin) -> Result<()> {
        let now = self.clock().now();
        let row = match self.catalog.plan(&plan.name, None).await? {
            Some(row) => row,
            None => {
                let (id, owner, name) = (BackupId::generate(now).to_string(), self.own.clone(), plan.name.clone());
                let timing = super::plans::timing(plan, &id, now)?;
                let new = NewPlan { id, owner, name, origin, body: body.clone(), enabled: plan.enabled };
                match self.catalog.add_plan(&new, timing, now).await {
                    // Another daemon was faster.
                    Err(error) if error.code() == "plan_exists" => {}
                    done => return done,
                }
                let there = self.catalog.plan(&plan.name, None).await?;
                there.ok_or_else(|| super::plans::missing(&plan.name))?
            }
        };
        if row.origin == Origin::Catalog {
            let text = format!("There is a plan of that name already: {}", plan.name);
            return Err(Error::new(ErrorKind::WouldOverwrite, "plan_exists", text)
                .while_("taking over the plans of recoup.toml")
                .hint("give one of them another name, or remove the one in the catalog"));
        }
        if row.body != *body || row.enabled != plan.enabled {
            let timing = super::plans::timing_after(&row, self.meant(&row.name, &row.body).ok().as_ref(), plan, now)?;
            self.catalog.update_plan(&row.id, None, body, plan.enabled, timing, now).await?;
        }
        Ok(())
    }

    /// What the file no longer declares is no plan any more; its backups stay.
    async fn forget_vanished(&self) -> Result<()> {
        let mut plans = self.catalog.every_plan(Some(&self.own));
        while let Some(row) = plans.next().await? {
            if self.has_vanished(&row) {
                let details = json!({ "plan": row.name, "why": "recoup.toml does not declare it any more" });
                let removed = event("plan.removed", ("plan", &row.id), "delete", true, details);
                self.audit(&Actor::daemon(), removed).await?;
                self.catalog.remove_plan(&row.id).await?;
            }
        }
        Ok(())
    }

    fn has_vanished(&self, row: &PlanRow) -> bool {
        match row.origin {
            Origin::File => self.settings().plans.iter().all(|plan| plan.name != row.name),
            Origin::BuiltIn => self.site.catalog.is_none(),
            Origin::Catalog => false,
        }
    }
}
