//! The engine of the daemon for a command that works without one: it stands on the same catalog, looks, changes, and
//! lets go. Not here: the daemon ([`super::serve`]).

use std::path::PathBuf;
use std::sync::Arc;

use recoup::clock::{Clock, SystemClock};
use recoup::engine::{Engine, Options};
use recoup::{Error, ErrorKind, Result};

use crate::args::DataPlace;
use crate::session::Session;

/// A runtime for what is asynchronous.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let made = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    made.map_err(|error| Error::io("starting", error))
}

/// Opens the engine on the catalog of `[server]`; `data` is its folder instead of the one of the file.
pub async fn open(session: &Session, data: Option<PathBuf>) -> Result<Arc<Engine>> {
    open_at(session, data, Arc::new(SystemClock::new())).await
}

/// The same by another clock.
pub async fn open_at(session: &Session, data: Option<PathBuf>, clock: Arc<dyn Clock>) -> Result<Arc<Engine>> {
    let mut settings = session.settings.clone();
    if let Some(data) = data {
        settings.server.data = std::path::absolute(&data).map_err(|e| Error::at("finding", &data, e))?;
    }
    let catalog_url = match &settings.server.catalog {
        Some(url) => {
            Some(url.reveal(|path| std::fs::read_to_string(path).map_err(|error| Error::at("reading", path, error)))?)
        }
        None => None,
    };
    Engine::open(Options {
        data: settings.server.data.clone(),
        catalog_url,
        settings,
        environment: session.environment.clone(),
        clock,
        host: super::backup::host(),
        hooks: Default::default(),
        sources: Default::default(),
    })
    .await
}

/// For a command that only makes sense where a daemon has been: makes nothing new.
pub async fn existing(session: &Session, place: &DataPlace) -> Result<Arc<Engine>> {
    if let Some(engine) = if_there(session, place).await? {
        return Ok(engine);
    }
    let data = place.data.as_ref().unwrap_or(&session.settings.server.data);
    let text = format!("There is no catalog in {}", data.display());
    Err(Error::new(ErrorKind::NotFound, "catalog_missing", text)
        .hint("`recoup serve` makes it; --data, or data in [server] of recoup.toml, says where it is"))
}

/// For a command that can also do without: `None` where no daemon has been.
pub async fn if_there(session: &Session, place: &DataPlace) -> Result<Option<Arc<Engine>>> {
    let server = &session.settings.server;
    let data = place.data.as_ref().unwrap_or(&server.data);
    if server.catalog.is_none() && !data.join("catalog.db").exists() {
        return Ok(None);
    }
    open(session, place.data.clone()).await.map(Some)
}
