//! The front desk, as far as the server's core needs it until the engine is merged: the catalog, the clock, the settings.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::{Error, Result};
use crate::model::user::Role;

/// Who asks. The daemon itself has no account.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Id of the account.
    pub account: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Network address, when there is one.
    pub address: Option<String>,
}

impl Actor {
    /// The daemon itself.
    pub fn daemon() -> Self {
        Actor { account: None, role: Role::Admin, address: None }
    }
    /// What lists are narrowed to: `None` sees everything.
    pub fn owner_filter(&self) -> Option<&str> {
        if self.role == Role::Admin { None } else { self.account.as_deref() }
    }
}

/// What an engine stands on.
pub struct Options {
    /// Folder of the daemon.
    pub data: PathBuf,
    /// Where the catalog is; a file in `data` with `None`.
    pub catalog_url: Option<String>,
    /// The settings.
    pub settings: Settings,
    /// Asked for variables when they are needed.
    pub environment: Arc<dyn Fn() -> Vec<(OsString, OsString)> + Send + Sync>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Name of this machine.
    pub host: Option<String>,
}

/// The front desk.
pub struct Engine {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    settings: Settings,
    data: PathBuf,
}

impl Engine {
    /// Opens catalog and folder.
    pub async fn open(options: Options) -> Result<Arc<Engine>> {
        std::fs::create_dir_all(&options.data).map_err(|error| Error::at("making", &options.data, error))?;
        let catalog = match &options.catalog_url {
            Some(url) => Catalog::connect(url).await?,
            None => Catalog::open_file(&options.data.join("catalog.db")).await?,
        };
        catalog.migrate().await?;
        Ok(Arc::new(Engine { catalog, clock: options.clock, settings: options.settings, data: options.data }))
    }
    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }
    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
    /// The daemon's folder.
    pub fn data(&self) -> &Path {
        &self.data
    }
}
