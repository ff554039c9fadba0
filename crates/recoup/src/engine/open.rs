//! From options to an engine: the folder, the catalog with a copy before it is changed, the account of our own, the plans
//! of `recoup.toml`, and restores that a crash interrupted.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use serde_json::json;
use tokio::sync::broadcast;

use super::audit::event;
use super::site::Site;
use super::tell::OUTBOUND;
use super::{Actor, Engine, Options, blocking};
use crate::backup;
use crate::catalog::{Account, Catalog};
use crate::destination::Staging;
use crate::error::{Error, ErrorKind, Result};
use crate::model::plan::CATALOG_PLAN;
use crate::model::user::Role;
use crate::model::{BackupId, DatabaseSpec, Format, Kind, SourceSpec};
use crate::progress::{Cancel, Context, Silent};
use crate::source::factory;
use crate::sqlite::{check, location, open};

/// Name of the account that owns what nobody else does.
const OWN: &str = "recoup";
/// Events that a slow watcher may be behind.
const EVENTS: usize = 1024;

impl Engine {
    /// Opens an engine. Several may stand on one catalog.
    ///
    /// Errors: `catalog_corrupted`, `catalog_newer`, `catalog_unreachable`, `plan_exists` (`recoup.toml` declares a plan that
    /// somebody made), those of the folder.
    pub async fn open(options: Options) -> Result<Arc<Engine>> {
        let data = std::path::absolute(&options.data).map_err(|e| Error::at("finding", &options.data, e))?;
        let file = match &options.catalog_url {
            None => Some(data.join("catalog.db")),
            Some(url) if url.starts_with("sqlite:") => Some(location::parse(url, &data)?.path),
            Some(_) => None,
        };
        let declared = Arc::new(options.settings);
        let site = Arc::new(Site {
            live: RwLock::new(declared.clone()),
            data,
            clock: options.clock,
            environment: options.environment,
            host: options.host,
            hooks: options.hooks,
            sources: options.sources,
            catalog: file.clone(),
            expected: Default::default(),
        });
        let made = site.clone();
        blocking(move || {
            made.make_folders()?;
            made.catalog.as_deref().map_or(Ok(()), sound)
        })
        .await?;
        let catalog = match (&file, &options.catalog_url) {
            (Some(file), _) => Catalog::open_file(file).await?,
            (None, Some(url)) => Catalog::connect(url).await?,
            (None, None) => return Err(Error::usage("bad_catalog", "There is no catalog")),
        };
        let before = catalog.version().await?;
        if catalog.needs_migration().await? {
            copy_before_migration(&catalog, &site, before).await?;
        }
        catalog.migrate().await?;
        let own = own_account(&catalog, &site).await?;
        let (events, _) = broadcast::channel(EVENTS);
        let node = format!("{}-{}", site.host.as_deref().unwrap_or("node"), ulid::Ulid::generate());
        let engine = Arc::new(Engine {
            catalog,
            site,
            node,
            own,
            events,
            declared,
            added: Mutex::default(),
            running: Default::default(),
            #[cfg(feature = "remote")]
            connecting: Default::default(),
            ending: Default::default(),
            outbound_seconds: AtomicU64::new(OUTBOUND.as_secs()),
        });
        if before > 0 && before < Catalog::newest() {
            let details = json!({ "from": before, "to": Catalog::newest() });
            let migrated = event("catalog.migrated", ("setting", "catalog"), "migrate", true, details);
            engine.record(&Actor::daemon(), migrated).await;
        }
        engine.reread_settings().await?;
        engine.expect_mounts().await?;
        engine.provision().await?;
        engine.recover().await?;
        Ok(engine)
    }
}

/// What makes the way back possible: a protected backup of the file, or a file with every row that is on a server.
async fn copy_before_migration(catalog: &Catalog, site: &Arc<Site>, version: i64) -> Result<()> {
    if let Some(file) = site.catalog.clone() {
        let site = site.clone();
        return blocking(move || site.copy_catalog(&file)).await;
    }
    let moment = site.clock.now().strftime("%Y%m%dT%H%M%SZ");
    let name = format!("catalog-version-{version}-{moment}-{}.jsonl", std::process::id());
    let copied = catalog.write_copy(&site.own_backups().join(name)).await;
    copied.map(drop).map_err(|error| error.while_("copying the catalog before its migration"))
}

/// Refuses a catalog that is damaged before anything is written to it.
fn sound(file: &Path) -> Result<()> {
    if !file.exists() || fs::metadata(file).is_ok_and(|meta| meta.len() == 0) {
        return Ok(());
    }
    let corrupted = |why: String| {
        let text = "The catalog is corrupted";
        Error::new(ErrorKind::Corrupted, "catalog_corrupted", text).because(why).hint(
            "stop recoup serve and restore it with `recoup restore latest --at` and the folder `backups` beside it",
        )
    };
    let connection = match open::open_source(file, Duration::from_secs(10)) {
        Err(error) if matches!(error.kind(), ErrorKind::Corrupted | ErrorKind::Usage) => {
            return Err(corrupted(error.message().to_owned()));
        }
        other => other?,
    };
    match check::check(&connection, &Context::quiet())?.problems.first() {
        None => Ok(()),
        Some(problem) => Err(corrupted(problem.text.clone())),
    }
}

async fn own_account(catalog: &Catalog, site: &Site) -> Result<String> {
    if let Some(account) = catalog.account_named(OWN).await? {
        return Ok(account.id);
    }
    let now = site.clock.now();
    let account = Account {
        id: BackupId::generate(now).to_string(),
        name: OWN.to_owned(),
        role: Role::Admin,
        password: None,
        // Nobody signs in with it, by whatever way.
        disabled: true,
        created_at: now,
    };
    match catalog.add_account(&account).await {
        Ok(()) => Ok(account.id),
        // Another daemon was faster.
        Err(error) if error.code() == "user_exists" => {
            let there = catalog.account_named(OWN).await?;
            there.map(|account| account.id).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

impl Site {
    /// Where backups of the catalog go.
    pub fn own_backups(&self) -> PathBuf {
        self.data.join("backups")
    }

    fn make_folders(&self) -> Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        let folders = [self.data.clone(), self.own_backups(), self.scratch_root(), self.uploads(), self.downloads()];
        for folder in folders {
            builder.create(&folder).map_err(|e| Error::at("making", &folder, e))?;
            // systemd and people make it readable for everybody.
            let private = Permissions::from_mode(0o700);
            fs::set_permissions(&folder, private).map_err(|e| Error::at("keeping others out of", &folder, e))?;
        }
        Staging::sweep(&self.scratch_root()).map(drop)
    }

    /// The protected copy before a migration.
    fn copy_catalog(&self, file: &Path) -> Result<()> {
        let location = file.display().to_string();
        let (name, optional, busy_timeout_ms) = ("catalog".to_owned(), false, 30_000);
        let spec = SourceSpec::Database(DatabaseSpec { name, location, optional, busy_timeout_ms });
        let request = backup::Request {
            plan: CATALOG_PLAN.to_owned(),
            sources: vec![factory(&spec, Path::new("/"), false, self.environment.clone())],
            format: Format::Database,
            queries: Vec::new(),
            kind: Kind::PreMigration,
            label: None,
            protect: false,
            host: self.host.clone(),
            hooks: Vec::new(),
            scratch: self.scratch_root(),
            audit: None,
            local_only: false,
            secrets: true,
            rescan: false,
        };
        let context = Context { observer: Arc::new(Silent), cancel: Cancel::default(), clock: self.clock.clone() };
        let store = self.store(&self.own_backups().display().to_string())?;
        backup::run(&request, &[store], &context)
            .map(drop)
            .map_err(|error| error.while_("copying the catalog before its migration"))
    }
}
