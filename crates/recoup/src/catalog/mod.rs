//! The catalog: Recoup's own database of users, plans, runs, the list of backups, audit and outbox. SQLite by default,
//! PostgreSQL by URL, one text of SQL for both. Losing it loses no backup.
//!
//! Rules that make one code path true: only BIGINT and TEXT columns, `$1` placeholders, and every change that depends
//! on what was read is one conditional statement. Not here: what a run does, when one is due.

mod accounts;
mod audit;
mod backups;
mod calendar;
mod kept;
pub mod leases;
mod outbox;
pub mod password;
mod plans;
mod row;
mod runs;
mod settings;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, Executor, SqlSafeStr};

pub use accounts::{Account, Login, Token};
pub use backups::{BackupRow, Filter, Seen};
pub use kept::Kept;
pub use outbox::Outgoing;
pub use plans::{NewPlan, Origin, PlanRow, Timing};
pub use runs::{NewRun, RunRow, Runs};
pub use settings::DaemonSettings;

use crate::error::{Error, ErrorKind, Result};

const UP: &str = include_str!("migrations/1_first.up.sql");
const DOWN: &str = include_str!("migrations/1_first.down.sql");

/// Recoup's own database. Cheap to clone; everybody shares one pool.
#[derive(Debug, Clone)]
pub struct Catalog {
    pool: AnyPool,
    /// The file, when it is one of ours.
    file: Option<PathBuf>,
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
        let options = AnyPoolOptions::new()
            .max_connections(if sqlite { 4 } else { 8 })
            .min_connections(0)
            .idle_timeout(Duration::from_secs(300))
            .acquire_timeout(Duration::from_secs(30))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if sqlite {
                        connection.execute("PRAGMA busy_timeout = 10000").await?;
                        connection.execute("PRAGMA journal_mode = WAL").await?;
                        connection.execute("PRAGMA synchronous = FULL").await?;
                        connection.execute("PRAGMA foreign_keys = ON").await?;
                    }
                    Ok(())
                })
            });
        let pool = options.connect(url).await.map_err(|error| failed("opening the catalog", error))?;
        Ok(Catalog { pool, file: None })
    }

    /// The SQLite file, when the catalog is one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether PostgreSQL keeps it.
    pub fn is_postgres(&self) -> bool {
        self.file.is_none()
    }

    /// The schema version found: 0 before the first migration. Fails with [`ErrorKind::Unsupported`] when a newer Recoup
    /// made it.
    pub async fn version(&self) -> Result<i64> {
        let found: Result<Option<i64>, _> =
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations").fetch_one(&self.pool).await;
        // The table is not there before the first migration, and both databases say so in other words.
        let version = found.unwrap_or(None).unwrap_or(0);
        if version > Self::newest() {
            let text = "The catalog was made by a newer version";
            return Err(Error::new(ErrorKind::Unsupported, "catalog_newer", text)
                .hint("use that version, or restore the copy made before its migration"));
        }
        Ok(version)
    }

    /// The schema version that this build works with.
    pub fn newest() -> i64 {
        1
    }

    /// Brings the schema up to date. Several daemons may do so at once; whoever wants a copy first makes it before.
    pub async fn migrate(&self) -> Result<()> {
        self.version().await?;
        migrator().run(&self.pool).await.map_err(|error| migration_failed("migrating the catalog", error))
    }

    /// Takes the schema back to `version`.
    pub async fn migrate_down(&self, version: i64) -> Result<()> {
        migrator().undo(&self.pool, version).await.map_err(|error| migration_failed("taking the catalog back", error))
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

fn migrator() -> Migrator {
    let migration = |kind, sql: &'static str| Migration::new(1, "first".into(), kind, sql.into_sql_str(), false);
    Migrator::with_migrations(vec![
        migration(MigrationType::ReversibleUp, UP),
        migration(MigrationType::ReversibleDown, DOWN),
    ])
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

/// An error of the database, as ours. The text of a PostgreSQL URL never gets in.
fn failed(doing: &str, error: sqlx::Error) -> Error {
    let (kind, code, text) = match &error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            (ErrorKind::Unreachable, "catalog_unreachable", "The catalog cannot be reached")
        }
        sqlx::Error::Database(cause) => match cause.message() {
            text if text.contains("database is locked") => (ErrorKind::Busy, "catalog_busy", "The catalog is in use"),
            text if text.contains("disk is full") => (ErrorKind::NoSpace, "disk_full", "Not enough disk space"),
            text if text.contains("malformed") || text.contains("not a database") => {
                (ErrorKind::Corrupted, "catalog_corrupted", "The catalog is corrupted")
            }
            _ => (ErrorKind::Failed, "catalog_failed", "The catalog did not do what was asked"),
        },
        _ => (ErrorKind::Failed, "catalog_failed", "The catalog did not do what was asked"),
    };
    Error::new(kind, code, text).while_(doing).because(error)
}

fn migration_failed(doing: &str, error: sqlx::migrate::MigrateError) -> Error {
    Error::new(ErrorKind::Failed, "catalog_migration", "The catalog could not be migrated").while_(doing).because(error)
}

/// Whether a statement failed because what it adds is there already.
fn is_taken(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause) if cause.is_unique_violation())
}
