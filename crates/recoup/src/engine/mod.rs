//! The front desk: lock, record, run a verb, audit, tell. Everybody who wants something done (API, page, command line,
//! schedule, an embedding application) asks here, and gets the same.
//!
//! Asking is async; a verb runs on a blocking thread and is handed a [`Site`](site::Site): settings, clock, places. Not
//! here: when something is due (the scheduler), how a verb works ([`crate::backup`] and its neighbours), HTTP.

mod actor;
mod added;
mod after;
mod audit;
mod backup;
mod browse;
mod charts;
#[cfg(feature = "remote")]
mod connect;
mod copies;
mod destinations;
mod fence;
mod find;
mod interrupted;
mod list;
mod look;
mod nearest;
mod open;
mod pause;
mod plans;
mod provision;
mod prune;
mod request;
mod restore;
mod runs;
mod sign_ins;
mod site;
mod spread;
mod standing;
mod status;
mod system;
mod tell;
mod trash;
mod upload;
mod verify;
mod watch;
mod work;

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

pub use actor::Actor;
pub use added::{Declared, DeclaredKind};
pub use browse::Before;
pub use charts::Filled;
#[cfg(feature = "remote")]
pub use connect::Connection;
pub use destinations::{Adopted, TestStep};
pub use find::Search;
pub use look::{Found, Looked, Sight};
pub use pause::Pause;
pub use request::Work;
pub use standing::Standing;
pub use status::PlanStatus;
pub use system::Machine;
pub use trash::{PutBack, Trash, TrashedBackup, TrashedCopy};
pub use watch::{Progress, RunEvent};

use crate::catalog::{AddedRow, Catalog, holder};
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::hooks::Hook;
use crate::source::SourceFactory;

/// Gives the environment whenever a source asks.
pub type Environment = Arc<dyn Fn() -> Vec<(OsString, OsString)> + Send + Sync>;

/// What an engine stands on.
pub struct Options {
    /// Folder of the daemon, made 0700 when it is not there.
    pub data: PathBuf,
    /// `postgres://…`; `None` is a SQLite file in `data`.
    pub catalog_url: Option<String>,
    /// `recoup.toml` as meant.
    pub settings: Settings,
    /// The environment, for sources.
    pub environment: Environment,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Name of this machine, for manifests.
    pub host: Option<String>,
    /// Hooks of an embedding application, by plan, around those of the plan itself.
    pub hooks: HashMap<String, Vec<Arc<dyn Hook>>>,
    /// Sources of an embedding application, by plan, after those of the plan itself.
    pub sources: HashMap<String, Vec<SourceFactory>>,
}

/// The front desk.
pub struct Engine {
    catalog: Catalog,
    site: Arc<site::Site>,
    node: String,
    /// Account that owns what nobody else does.
    own: String,
    events: broadcast::Sender<RunEvent>,
    /// What recoup.toml says.
    declared: Arc<Settings>,
    /// What was added beside it, as it was read last.
    added: Mutex<Vec<AddedRow>>,
    running: Mutex<HashMap<String, watch::Handle>>,
    /// Sign-ins to Drive that somebody began on a page.
    #[cfg(feature = "remote")]
    connecting: Mutex<HashMap<String, connect::Begun>>,
    /// Nothing is to be begun, because this process ends or its scheduler stops.
    ending: AtomicBool,
    /// How long telling somebody may take, as the catalog says.
    outbound_seconds: AtomicU64,
}

impl Engine {
    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.site.clock
    }

    /// `recoup.toml` as meant, and what was added since.
    pub fn settings(&self) -> Arc<Settings> {
        self.site.settings()
    }

    /// The daemon's folder.
    pub fn data(&self) -> &Path {
        &self.site.data
    }

    /// This process among those that share the catalog.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The name of one of this process's workers, by which others tell whether it is alive.
    pub fn worker(&self, number: usize) -> String {
        format!("{}/{number}@{}", self.node, holder::this_process())
    }

    /// Id of the account that owns the plans of `recoup.toml`. Nobody can sign in with it.
    pub fn own_account(&self) -> &str {
        &self.own
    }

    /// What happens to runs of this process, from now on. Who is too slow loses the oldest.
    pub fn watch(&self) -> broadcast::Receiver<RunEvent> {
        self.events.subscribe()
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, watch::Handle>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the catalog something that must not be lost because it did not answer for a moment: tried for half a minute.
async fn insist<T, F: Future<Output = Result<T>>>(tell: impl Fn() -> F) -> Result<T> {
    for wait in [1, 2, 4, 8, 15] {
        match tell().await {
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Busy) => {
                tracing::warn!("The catalog is told again in {wait} s: {error}");
                tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
            }
            other => return other,
        }
    }
    tell().await
}

/// Does something on a thread that may wait. A panic there is an error here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let failed = match tokio::task::spawn_blocking(work).await {
        Ok(done) => return done,
        Err(failed) => failed,
    };
    let why = match failed.try_into_panic() {
        Ok(panic) => match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned()),
        },
        Err(_) => return Err(Error::cancelled()),
    };
    Err(Error::new(ErrorKind::Failed, "panicked", "This is a mistake in recoup or in the application that embeds it")
        .because(why)
        .hint("please report it, with the log; nothing else is affected"))
}
