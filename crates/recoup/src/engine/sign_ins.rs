//! Destinations that wait for a person to sign in: people hear of it at once, and again every so often (`repeat` of their
//! channel, a day when it does not say) as long as it is so.
//!
//! Not here: signing in, by `recoup drive connect` or from a page (`connect`).

use std::collections::BTreeSet;

use super::Engine;
use crate::destination;
use crate::error::{Error, Result};
use crate::model::Warning;
use crate::model::notice::{ErrorTold, Event, Notice};

/// The code of errors and warnings that say so.
const CODE: &str = "needs_sign_in";

/// Whether the end of a run says that somebody has to sign in.
pub(super) fn asked_for(error: Option<&Error>, warnings: &[Warning]) -> bool {
    error.is_some_and(|error| error.code() == CODE) || warnings.iter().any(|warning| warning.code == CODE)
}

impl Engine {
    /// Tells of every destination of an enabled plan that waits for a person; tells whether something waits in the outbox
    /// now. Nobody is asked: what lies on this machine says it.
    pub async fn tell_of_sign_ins(&self) -> Result<bool> {
        let mut told = false;
        for name in self.destinations_in_use().await? {
            let Ok(settings) = self.site.destination(&name) else { continue };
            if let Some(error) = destination::sign_in_needed(&settings) {
                tracing::warn!(destination = name, "{error}");
                let mut notice = Notice::new(Event::NeedsSignIn, "", self.clock().now());
                notice.error = Some(ErrorTold::from(&error));
                notice.host = self.site.host.clone();
                told |= self.tell(&notice).await;
            }
        }
        Ok(told)
    }

    async fn destinations_in_use(&self) -> Result<BTreeSet<String>> {
        let (mut names, mut plans) = (BTreeSet::new(), self.catalog.every_plan(None));
        while let Some(row) = plans.next().await? {
            // A plan that makes no sense any more is a trouble of its own.
            if let (true, Ok(plan)) = (row.enabled, self.meant(&row.name, &row.body)) {
                names.extend(plan.destinations);
            }
        }
        Ok(names)
    }
}
