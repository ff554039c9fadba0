//! Facts about who did what. What destroys something is recorded before it happens, and does not happen when that fails;
//! everything else happens, and a record that could not be written is an alarm in the log.

use serde_json::{Value, json};

use super::{Actor, Engine};
use crate::error::Result;
use crate::model::audit::{Event, Link};

/// An event about a thing. Whose doing it is joins when it is recorded.
pub(super) fn event(
    name: &str,
    (resource_type, resource_id): (&str, &str),
    action: &str,
    success: bool,
    details: Value,
) -> Event {
    Event {
        event: name.to_owned(),
        user: None,
        resource_type: resource_type.to_owned(),
        resource_id: resource_id.to_owned(),
        action: action.to_owned(),
        success,
        details,
    }
}

/// What an audit says of an error.
pub(super) fn wrong(error: &crate::error::Error) -> Value {
    json!({ "code": error.code(), "message": error.message() })
}

impl Engine {
    /// Records an event. What destroys something waits for this, and does not happen when it fails.
    pub async fn audit(&self, who: &Actor, mut event: Event) -> Result<Link> {
        event.user = event.user.or_else(|| who.account.clone());
        if let (Some(address), Value::Object(details)) = (&who.address, &mut event.details) {
            details.entry("address").or_insert_with(|| json!(address));
        }
        self.catalog.append_audit(event, self.clock().now()).await.map_err(|error| error.while_("writing the audit"))
    }

    /// Records what happened anyway. A failure is an alarm in the log; tells whether it was recorded.
    pub async fn record(&self, who: &Actor, event: Event) -> bool {
        let name = event.event.clone();
        match self.audit(who, event).await {
            Ok(_) => true,
            Err(error) => {
                tracing::error!(event = name, code = error.code(), "The audit could not be written: {error}");
                false
            }
        }
    }
}
