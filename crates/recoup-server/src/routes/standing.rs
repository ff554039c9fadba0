//! How a destination of a plan stands, as it is shown with the plan and with the destination.

use jiff::Timestamp;
use recoup::engine::Standing;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::views::Note;

/// How a destination of a plan stands.
#[derive(Serialize, ToSchema)]
pub struct StandingView {
    /// Name of the plan.
    plan: String,
    /// Name of the destination.
    destination: String,
    /// Whether it is in the network.
    remote: bool,
    /// The moment of the newest good backup that is there.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_good: Option<Timestamp>,
    /// When something was last stored there.
    #[schema(format = DateTime, value_type = Option<String>)]
    last_stored: Option<Timestamp>,
    /// What went wrong there last; absent when all has been well since.
    error: Option<Note>,
    #[schema(format = DateTime, value_type = Option<String>)]
    error_at: Option<Timestamp>,
    /// A person has to sign in before it can be used again.
    needs_sign_in: bool,
    /// Ids of backups that should be there and are not yet, the newest first; they are copied by themselves.
    missing: Vec<String>,
    /// When they are tried next.
    #[schema(format = DateTime, value_type = Option<String>)]
    next_try: Option<Timestamp>,
    /// Copies there that are known to be damaged.
    damaged: usize,
    /// Copies there.
    copies: usize,
    /// Bytes of them.
    bytes: i64,
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        let text = |error: &Value, key: &str| error[key].as_str().unwrap_or_default().to_owned();
        let error = standing.error.map(|error| Note { code: text(&error, "code"), text: text(&error, "message") });
        StandingView {
            plan: standing.plan,
            destination: standing.destination,
            remote: standing.remote,
            last_good: standing.last_good,
            last_stored: standing.last_stored,
            error,
            error_at: standing.error_at,
            needs_sign_in: standing.needs_sign_in,
            missing: standing.missing,
            next_try: standing.next_try,
            damaged: standing.damaged,
            copies: standing.copies,
            bytes: standing.bytes,
        }
    }
}
