//! The few settings of the daemon that are changed while it runs. What recoup.toml says comes before them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Catalog;
use super::failure::failed;
use crate::error::{Error, ErrorKind, Result};

const NAME: &str = "daemon";

/// Settings that are kept in the catalog; what is `None` was never set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonSettings {
    /// Grows with every change: the ETag. 0 before the first.
    #[serde(default)]
    pub version: i64,
    /// How often the plans are looked at, 1 to 3600 s.
    #[serde(default)]
    pub check_interval_seconds: Option<u64>,
    /// How long a request to somebody else may take, 1 to 300 s.
    #[serde(default)]
    pub outbound_timeout_seconds: Option<u64>,
}

impl DaemonSettings {
    /// How often the plans are looked at, if it was ever set.
    pub fn check_interval(&self) -> Option<Duration> {
        self.check_interval_seconds.map(Duration::from_secs)
    }

    /// How long a request to somebody else may take, if it was ever set.
    pub fn outbound_timeout(&self) -> Option<Duration> {
        self.outbound_timeout_seconds.map(Duration::from_secs)
    }
}

impl Catalog {
    /// The settings as they are kept.
    pub async fn daemon_settings(&self) -> Result<DaemonSettings> {
        let Some(text) = self.setting(NAME).await? else { return Ok(DaemonSettings::default()) };
        serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Corrupted, "catalog_corrupted", "The catalog is corrupted").because(error)
        })
    }

    /// Replaces the settings that were read as `seen`; gives them with their new version. Fails with `setting_changed`
    /// ([`ErrorKind::Busy`]) when somebody else changed them meanwhile.
    pub async fn set_daemon_settings(&self, seen: &DaemonSettings, new: DaemonSettings) -> Result<DaemonSettings> {
        let new = DaemonSettings { version: seen.version + 1, ..new };
        let text = |settings: &DaemonSettings| serde_json::to_string(settings).unwrap_or_default();
        let changed = if seen.version == 0 {
            self.set_setting_once(NAME, &text(&new)).await?
        } else {
            let sql = "UPDATE setting SET value = $3 WHERE name = $1 AND value = $2";
            let done = sqlx::query(sql).bind(NAME).bind(text(seen)).bind(text(&new)).execute(&self.pool).await;
            done.map_err(|error| failed("keeping a setting", error))?.rows_affected() == 1
        };
        if changed {
            return Ok(new);
        }
        let text = "Somebody else changed the settings";
        Err(Error::new(ErrorKind::Busy, "setting_changed", text).hint("read them again"))
    }
}
