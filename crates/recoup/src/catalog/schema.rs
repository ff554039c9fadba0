//! The schema and its versions: up, down, and never on what a newer Recoup made. Each migration is one transaction on both
//! databases, so that a kill in the middle leaves the version before.
//!
//! Not here: the copy before a migration, which is the engine's; it asks [`Catalog::needs_migration`].

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

use super::Catalog;
use super::failure::failed;
use crate::error::{Error, ErrorKind, Result};

/// Version, name, up, down.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (1, "first", include_str!("migrations/1_first.up.sql"), include_str!("migrations/1_first.down.sql")),
    (2, "found", include_str!("migrations/2_found.up.sql"), include_str!("migrations/2_found.down.sql")),
    (3, "added", include_str!("migrations/3_added.up.sql"), include_str!("migrations/3_added.down.sql")),
];

/// How often a migration of a SQLite file is tried that another process migrates too: there is no lock to wait at.
const TRIES: u32 = 20;

impl Catalog {
    /// The schema version found: 0 before the first migration. Fails with [`ErrorKind::Unsupported`] when a newer Recoup
    /// made it.
    pub async fn version(&self) -> Result<i64> {
        let doing = "asking the catalog for its version";
        let exists = if self.is_postgres() {
            "SELECT CAST(CASE WHEN to_regclass('_sqlx_migrations') IS NULL THEN 0 ELSE 1 END AS BIGINT)"
        } else {
            "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'"
        };
        let tables: i64 =
            sqlx::query_scalar(exists).fetch_one(&self.pool).await.map_err(|error| failed(doing, error))?;
        if tables == 0 {
            return Ok(0);
        }
        let version: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| failed(doing, error))?;
        let version = version.unwrap_or(0);
        if version > Self::newest() {
            let text = "The catalog was made by a newer version";
            return Err(Error::new(ErrorKind::Unsupported, "catalog_newer", text)
                .hint("use that version, or restore the copy made before its migration"));
        }
        Ok(version)
    }

    /// The schema version that this build works with.
    pub fn newest() -> i64 {
        MIGRATIONS.last().map_or(0, |(version, ..)| *version)
    }

    /// Whether [`migrate`](Self::migrate) will change a catalog that has something in it: then a protected copy is made
    /// first. An empty one needs none.
    pub async fn needs_migration(&self) -> Result<bool> {
        let version = self.version().await?;
        Ok(version > 0 && version < Self::newest())
    }

    /// Brings the schema up to date. Several daemons may do so at once; whoever wants a copy first makes it before.
    pub async fn migrate(&self) -> Result<()> {
        for turn in 1.. {
            // Also the way to refuse what is newer, before anything is written.
            if self.version().await? == Self::newest() {
                break;
            }
            let Err(error) = self.on_one_connection(None).await else { break };
            if turn == TRIES || !may_be_somebody_else(&error) {
                return Err(migration_failed("migrating the catalog", error));
            }
        }
        Ok(())
    }

    /// Takes the schema back to `version`.
    pub async fn migrate_down(&self, version: i64) -> Result<()> {
        self.version().await?;
        let done = self.on_one_connection(Some(version)).await;
        done.map_err(|error| migration_failed("taking the catalog back", error))
    }

    /// A connection that failed is closed: it may still hold the lock that other daemons wait at.
    async fn on_one_connection(&self, down_to: Option<i64>) -> Result<(), MigrateError> {
        let mut connection = self.pool.acquire().await?;
        let inner: &mut AnyConnection = &mut connection;
        let done = match down_to {
            Some(version) => migrator().undo(inner, version).await,
            None => migrator().run(inner).await,
        };
        if done.is_err() {
            let _ = connection.close().await;
        }
        done
    }
}

fn migrator() -> Migrator {
    let both = MIGRATIONS.iter().flat_map(|(version, name, up, down)| {
        [(MigrationType::ReversibleUp, *up), (MigrationType::ReversibleDown, *down)]
            .map(|(kind, sql)| Migration::new(*version, (*name).into(), kind, sql.into_sql_str(), false))
    });
    Migrator::with_migrations(both.collect())
}

/// Whether what went wrong is what goes wrong when another process does the same to a SQLite file: it is locked, or the
/// table is there by now.
fn may_be_somebody_else(error: &MigrateError) -> bool {
    let (MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _)) = error else { return false };
    let text = cause.to_string();
    text.contains("is locked") || text.contains("already exists") || super::failure::is_taken(cause)
}

fn migration_failed(doing: &str, error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(cause) => failed(doing, cause),
        error => {
            let text = "The catalog could not be migrated";
            Error::new(ErrorKind::Failed, "catalog_migration", text).while_(doing).because(error)
        }
    }
}
