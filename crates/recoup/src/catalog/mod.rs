//! The catalog: Recoup's own database of users, plans, runs, the list of backups, audit and outbox. SQLite by default,
//! PostgreSQL by URL, one text of SQL for both. Losing it loses no backup.
//!
//! Rules that make one code path true: only BIGINT and TEXT columns, `$1` placeholders, and every change that depends
//! on what was read is one conditional statement. Not here: what a run does, when one is due.

mod accounts;
mod added;
mod audit;
mod backups;
mod calendar;
mod copy;
mod failure;
pub mod holder;
mod kept;
pub mod leases;
mod outbox;
pub mod password;
mod places;
mod plans;
mod row;
mod runs;
mod schema;
mod settings;
mod statement;
mod stored;
mod sums;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{AnyConnection, AnyPool, Connection, Executor};

pub use accounts::{Account, Login, Token};
pub use added::AddedRow;
pub use backups::{BackupRow, Filter, Proof};
pub use calendar::RunBrief;
pub use kept::Kept;
pub use outbox::Outgoing;
pub use places::PlaceRow;
pub use plans::{EveryPlan, NewPlan, Origin, PlanRow, Timing};
pub use runs::{NewRun, RunRow, Runs};
pub use settings::DaemonSettings;
pub use stored::StoredRow;
pub use sums::{NewestCopy, Of, Sum};

use crate::error::{Error, ErrorKind, Result};

use failure::failed;

/// A connection that was used so recently is there.
const USED_JUST_NOW: Duration = Duration::from_secs(2);

/// Recoup's own database. Cheap to clone; everybody shares one pool.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: AnyPool,
    /// The file, when it is one of ours.
    file: Option<PathBuf>,
    postgres: bool,
}

impl Catalog {
    /// Opens the SQLite file at `path` and makes it when it is not there. Nothing is migrated yet.
    pub async fn open_file(path: &Path) -> Result<Self> {
        let shown = path.to_str().ok_or_else(|| Error::usage("bad_catalog", "The catalog's path is not UTF-8"))?;
        prepare(path)?;
        // Percent-encoded, because a `?` in a folder's name would end the path.
        let encoded: String = shown.bytes().map(percent).collect();
        let mut catalog = Self::connect(&format!("sqlite://{encoded}?mode=rwc")).await?;
        catalog.file = Some(path.to_owned());
        Ok(catalog)
    }

    /// Opens the database that `url` (`postgres://…`, `sqlite://…`) names.
    pub async fn connect(url: &str) -> Result<Self> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let sqlite = url.starts_with("sqlite:");
        if !sqlite && !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(Error::usage("bad_catalog", "The catalog is a SQLite file or a postgres:// URL"));
        }
        // Alone first: the pool tries again for half a minute whatever is wrong, and then only says that time is up. A
        // server that is about to start is worth that, a file that cannot be written is not.
        let doing = "opening the catalog";
        let first = async {
            let mut connection = AnyConnection::connect(url).await?;
            settle(&mut connection, sqlite).await?;
            connection.close().await
        };
        match first.await.map_err(|error| failed(doing, error)) {
            Err(error) if !matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Busy) => return Err(error),
            _ => {}
        }
        let options = AnyPoolOptions::new()
            .max_connections(if sqlite { 4 } else { 8 })
            .min_connections(0)
            .idle_timeout(Duration::from_secs(300))
            .acquire_timeout(Duration::from_secs(30))
            // Asked whether it is there only when it has not been used for a moment: asking takes as long as a statement.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for >= USED_JUST_NOW {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| Box::pin(settle(connection, sqlite)));
        let pool = options.connect(url).await.map_err(|error| failed(doing, error))?;
        Ok(Catalog { pool, file: None, postgres: !sqlite })
    }

    /// The SQLite file, when the catalog is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether PostgreSQL keeps it.
    pub fn is_postgres(&self) -> bool {
        self.postgres
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<()> {
        let one: Result<i64, _> = sqlx::query_scalar("SELECT CAST(1 AS BIGINT)").fetch_one(&self.pool).await;
        one.map(drop).map_err(|error| failed("asking the catalog", error))
    }

    /// Lets go of every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A value kept under a name, as JSON text.
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        let found = sqlx::query_scalar("SELECT value FROM setting WHERE name = $1").bind(name);
        found.fetch_optional(&self.pool).await.map_err(|error| failed("reading a setting", error))
    }

    /// Keeps a value under a name.
    pub async fn set_setting(&self, name: &str, value: &str) -> Result<()> {
        let sql =
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        let done = sqlx::query(sql).bind(name).bind(value).execute(&self.pool).await;
        done.map(drop).map_err(|error| failed("keeping a setting", error))
    }

    /// Keeps a value under a name that has none; tells whether it was kept.
    pub async fn set_setting_once(&self, name: &str, value: &str) -> Result<bool> {
        let sql = "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        let done = sqlx::query(sql).bind(name).bind(value).execute(&self.pool).await;
        Ok(done.map_err(|error| failed("keeping a setting", error))?.rows_affected() == 1)
    }
}

/// What every statement here counts on, whatever the database's default is.
async fn settle(connection: &mut AnyConnection, sqlite: bool) -> std::result::Result<(), sqlx::Error> {
    if sqlite {
        connection.execute("PRAGMA busy_timeout = 10000").await?;
        connection.execute("PRAGMA journal_mode = WAL").await?;
        connection.execute("PRAGMA synchronous = FULL").await?;
        connection.execute("PRAGMA foreign_keys = ON").await?;
    } else {
        connection.execute("SET default_transaction_isolation = 'read committed'").await?;
        // A daemon that is held up in the middle holds up the others no longer than a lease.
        connection.execute("SET idle_in_transaction_session_timeout = '60s'").await?;
    }
    Ok(())
}

/// The file is made with mode 0600 before SQLite opens it: it holds hashes of passwords.
fn prepare(path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::at("making the catalog", path, error))
        }
        _ => Ok(()),
    }
}

fn percent(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
