//! What the daemon can say of the machine below it: where its own data lies and how much room is there.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{Actor, Engine, blocking};
use crate::error::Result;
use crate::model::user::Role;

/// The daemon's own data and what is below it.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// The catalog's file; `None` when it is a server.
    pub catalog: Option<PathBuf>,
    /// Its length.
    pub catalog_bytes: Option<u64>,
    /// Bytes that may still be written where the daemon's data lies.
    pub free_bytes: Option<u64>,
    /// Bytes that the disk has there.
    pub disk_bytes: Option<u64>,
    /// The name of the machine.
    pub host: Option<String>,
    /// When the clock was last found to be wrong.
    pub clock_wrong_at: Option<Timestamp>,
}

impl Engine {
    /// What can be said of the machine. For admins.
    pub async fn machine(&self, who: &Actor) -> Result<Machine> {
        who.must_be(Role::Admin)?;
        let clock_wrong_at = self.catalog.setting("clock_anomaly").await?;
        let clock_wrong_at = clock_wrong_at.and_then(|at| serde_json::from_str(&at).ok());
        let site = self.site.clone();
        blocking(move || {
            let disk = rustix::fs::statvfs(&site.data).ok();
            let catalog_bytes = site.catalog.as_ref().and_then(|path| path.metadata().ok()).map(|facts| facts.len());
            Ok(Machine {
                catalog: site.catalog.clone(),
                catalog_bytes,
                free_bytes: disk.as_ref().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize)),
                disk_bytes: disk.as_ref().map(|disk| disk.f_blocks.saturating_mul(disk.f_frsize)),
                host: site.host.clone(),
                clock_wrong_at,
            })
        })
        .await
    }
}
