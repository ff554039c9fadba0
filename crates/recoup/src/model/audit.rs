//! An audit event: who did what to what, when, and whether it succeeded; and how one is chained to the one before.
//! An append-only fact, not a log line. Where the chain is kept is the catalog's business.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Stable name, `backup_scheduler.backup_completed`, `backup_retention.applied`, `restore.started`, …
    pub event: String,
    /// Id of the user who did it; `None` for the daemon itself.
    pub user: Option<String>,
    /// `plan`, `backup`, `user`, `token`, `restore`, `scheduler`, `setting`, `session`.
    pub resource_type: String,
    /// Id of that.
    pub resource_id: String,
    /// `create`, `update`, `delete`, `run`, `restore`, `login`, …
    pub action: String,
    /// Whether it was done.
    pub success: bool,
    /// More, as a JSON object; never a secret.
    pub details: serde_json::Value,
}

/// An event in its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// 1, 2, 3, … without gaps.
    pub seq: i64,
    /// When, UTC, in whole milliseconds.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
    /// SHA-256 over the previous link's hash and everything above, in hexadecimal.
    pub hash: String,
}

/// The end of the chain, as it is written into manifests: whoever cuts or rewrites the chain cannot rewrite those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last link; 0 before the first.
    pub seq: i64,
    /// Its hash; 64 zeros before the first.
    pub hash: String,
}

impl Head {
    /// Before the first link.
    pub fn start() -> Self {
        Head { seq: 0, hash: "0".repeat(64) }
    }
}

impl Link {
    /// Chains an event to what is the end now.
    pub fn after(head: &Head, at: Timestamp, event: Event) -> Self {
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let mut link = Link { seq: head.seq + 1, at, event, hash: String::new() };
        link.hash = link.expected(&head.hash);
        link
    }

    /// The hash that this link must have after one with the hash `previous`.
    pub fn expected(&self, previous: &str) -> String {
        let event = &self.event;
        // A JSON array of strings and numbers has one spelling only; `details` is kept with sorted keys.
        let canonical = serde_json::json!([
            previous,
            self.seq,
            self.at.as_millisecond(),
            event.event,
            event.user,
            event.resource_type,
            event.resource_id,
            event.action,
            event.success,
            event.details.to_string(),
        ]);
        data_encoding::HEXLOWER.encode(&Sha256::digest(canonical.to_string().as_bytes()))
    }

    /// The columns of [`Link::csv`].
    pub const CSV_HEAD: &str = "seq,at,event,user,resource_type,resource_id,action,success,details,hash";

    /// As a line of CSV without its end (RFC 4180), no cell of which a spreadsheet takes for a formula (ASVS 5.0 1.2.10).
    pub fn csv(&self) -> String {
        let event = &self.event;
        let (seq, at, success, details) =
            (self.seq.to_string(), self.at.to_string(), event.success.to_string(), event.details.to_string());
        let cells: [&str; 10] = [
            &seq,
            &at,
            &event.event,
            event.user.as_deref().unwrap_or_default(),
            &event.resource_type,
            &event.resource_id,
            &event.action,
            &success,
            &details,
            &self.hash,
        ];
        cells.map(cell).join(",")
    }

    /// The end of the chain after this link.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash.clone() }
    }
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let shield = if formula { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) || formula {
        return format!("\"{shield}{}\"", text.replace('"', "\"\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_nor_a_second_cell() {
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("@x\n,\""), "\"'@x\n,\"\"\"");
        assert_eq!(cell("{\"a\":1}"), "\"{\"\"a\"\":1}\"");
        assert_eq!(cell("plain"), "plain");
    }

    #[test]
    fn a_changed_event_no_longer_fits_its_hash() {
        let event = Event {
            event: "plan.deleted".into(),
            user: Some("u".into()),
            resource_type: "plan".into(),
            resource_id: "p".into(),
            action: "delete".into(),
            success: true,
            details: serde_json::json!({"b": 1, "a": [2]}),
        };
        let link = Link::after(&Head::start(), Timestamp::UNIX_EPOCH, event);
        assert_eq!(link.expected(&Head::start().hash), link.hash);
        let mut forged = link.clone();
        forged.event.success = false;
        assert_ne!(forged.expected(&Head::start().hash), link.hash);
        assert_ne!(link.expected(&"1".repeat(64)), link.hash);
    }
}
