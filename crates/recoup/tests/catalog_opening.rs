//! Opening, migrating and not being able to write a catalog: what upgrades, kills, strangers and full disks do to one.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

use recoup::ErrorKind;
use recoup::catalog::Catalog;
use recoup::model::user::Role;
use recoup_testkit::contract::catalog::{self, Place, audit, run};
use recoup_testkit::faults::{self, Action, OUTCOME, ROOT, WHAT, child, variable};

/// The schema in the database's own words.
async fn schema(place: &Place) -> Vec<String> {
    let sql = if place.catalog.is_postgres() {
        "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') AS line
         FROM information_schema.columns WHERE table_schema = 'public'
         UNION SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
         UNION SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 0 AND connamespace = 'public'::regnamespace ORDER BY 1"
    } else {
        "SELECT COALESCE(sql, name) FROM sqlite_schema ORDER BY 1"
    };
    place.texts(sql).await
}

async fn up_down_and_up_again(place: Place) {
    assert_eq!(place.catalog.version().await.unwrap(), 0);
    assert!(!place.catalog.needs_migration().await.unwrap());
    place.catalog.migrate().await.unwrap();
    let first = schema(&place).await;
    assert!(first.len() > 30, "{first:#?}");
    assert_eq!(place.catalog.version().await.unwrap(), Catalog::newest());
    assert!(!place.catalog.needs_migration().await.unwrap());
    // Doing it again changes nothing, going back leaves nothing.
    place.account("anna", Role::Admin).await;
    place.catalog.migrate().await.unwrap();
    assert_eq!(place.catalog.accounts().await.unwrap().len(), 1);
    place.catalog.migrate_down(0).await.unwrap();
    assert_eq!(place.catalog.version().await.unwrap(), 0);
    let nothing = schema(&place).await;
    assert!(nothing.iter().all(|line| line.contains("_sqlx_migrations")), "{nothing:#?}");
    place.catalog.migrate().await.unwrap();
    assert_eq!(schema(&place).await, first);
    assert!(place.catalog.accounts().await.unwrap().is_empty());
}

#[test]
fn up_down_and_up_again_is_the_same_schema() {
    run(catalog::empty_sqlite, up_down_and_up_again);
    run(catalog::empty_postgres, up_down_and_up_again);
}

async fn newer_is_refused(place: Place) {
    place.account("anna", Role::Admin).await;
    place.behind_its_back("UPDATE _sqlx_migrations SET version = version + 100").await;
    let before = schema(&place).await;
    for error in [
        place.catalog.version().await.unwrap_err(),
        place.catalog.needs_migration().await.unwrap_err(),
        place.catalog.migrate().await.unwrap_err(),
        place.catalog.migrate_down(0).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.code()), (ErrorKind::Unsupported, "catalog_newer"));
        assert_eq!(error.message(), "The catalog was made by a newer version");
    }
    assert_eq!(schema(&place).await, before);
    assert_eq!(place.catalog.accounts().await.unwrap().len(), 1);
}

#[test]
fn a_catalog_of_a_newer_version_is_refused_and_left_alone() {
    run(catalog::sqlite, newer_is_refused);
    run(catalog::postgres, newer_is_refused);
}

async fn fails_each_time(place: Place) {
    // The tables are there, but the catalog says that they are not.
    place.behind_its_back("DELETE FROM _sqlx_migrations").await;
    let error = place.catalog.migrate().await.unwrap_err();
    assert_eq!(error.code(), "catalog_migration");
    // Whoever failed holds no lock that another one waits at.
    assert_eq!(place.catalog.migrate().await.unwrap_err().code(), "catalog_migration");
}

#[test]
fn a_migration_that_fails_says_so_each_time_and_blocks_nobody() {
    run(catalog::sqlite, fails_each_time);
    run(catalog::postgres, fails_each_time);
}

// --- several processes ---

/// Opens what `WHAT` names, migrates it, and notes that it did.
#[test]
#[ignore]
fn a_child_migrates() {
    let url = variable(WHAT).to_str().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async {
        let catalog = open(&url).await?;
        faults::begin();
        let done = catalog.migrate().await;
        faults::end();
        done?;
        catalog.version().await
    });
    std::fs::write(variable(OUTCOME), format!("{done:?}")).unwrap();
}

async fn open(url: &str) -> recoup::Result<Catalog> {
    match url.strip_prefix("sqlite://") {
        Some(path) => Catalog::open_file(Path::new(path)).await,
        None => Catalog::connect(url).await,
    }
}

fn migrating(url: &str, folder: &Path, n: usize) -> Command {
    let mut command = child("a_child_migrates", folder, &folder.join(format!("outcome {n}")));
    command.env(WHAT, url).env(ROOT, folder);
    command
}

async fn eight_at_once(url: String, schema_of: impl AsyncFn() -> Vec<String>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let children: Vec<Child> = (0..8).map(|n| migrating(&url, folder.path(), n).spawn().unwrap()).collect();
    for (n, mut child) in children.into_iter().enumerate() {
        assert!(child.wait().unwrap().success());
        let outcome = std::fs::read_to_string(folder.path().join(format!("outcome {n}"))).unwrap();
        assert_eq!(outcome, format!("Ok({})", Catalog::newest()));
    }
    schema_of().await
}

async fn daemons_migrate_at_once(place: Place) {
    // The file of the catalog itself: a child makes it, with a name that needs no escapes.
    let folder = tempfile::tempdir().unwrap();
    let url = match place.catalog.file() {
        Some(_) => format!("sqlite://{}", folder.path().join("catalog.db").display()),
        None => place.url.clone(),
    };
    let found = eight_at_once(url.clone(), async || {
        let there = Place::at(&url).await;
        schema(&there).await
    })
    .await;
    if !place.catalog.is_postgres() {
        place.catalog.migrate().await.unwrap();
    }
    assert_eq!(found, schema(&place).await);
}

#[test]
fn eight_daemons_that_migrate_at_once_all_succeed() {
    run(catalog::empty_sqlite, daemons_migrate_at_once);
    run(catalog::empty_postgres, daemons_migrate_at_once);
}

#[test]
fn a_kill_during_a_migration_leaves_the_old_or_the_new_version() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let step = if std::env::var_os("SOAK").is_some() { 1 } else { 9 };
    let mut found = vec![0; 1 + Catalog::newest() as usize];
    for syscall in ["pwrite64", "fdatasync", "ftruncate"] {
        // SQLite works on a thread of its own, so its calls are not counted before: killed at the n-th until there is none.
        for nth in (1..).step_by(step) {
            let url = format!("sqlite://{}", folder.path().join(format!("{syscall} {nth}.db")).display());
            let status = faults::inject(&mut migrating(&url, folder.path(), nth), &[syscall], Action::Kill, nth);
            found[runtime.block_on(version_after_a_kill(&url)) as usize] += 1;
            if status.success() {
                break;
            }
        }
    }
    assert!(found[0] > 2 && found.last().is_some_and(|newest| *newest >= 3), "{found:?}");
}

#[test]
fn a_kill_during_a_migration_of_a_server_leaves_the_old_or_the_new_version() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = recoup_testkit::postgres::Server::shared();
    let folder = tempfile::tempdir().unwrap();
    let fresh = || runtime.block_on(server.database());
    let points = faults::points(&mut migrating(&fresh(), folder.path(), 0), &["sendto"]);
    assert!(points.len() > 5, "{points:?}");
    kill_at(&points, folder.path(), |_| fresh());
}

/// Kills a child that migrates at some of `points`, each on a catalog of its own.
fn kill_at(points: &[faults::Point], folder: &Path, url: impl Fn(usize) -> String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let most = if std::env::var_os("SOAK").is_some() { 200 } else { 12 };
    let mut found = vec![0; 1 + Catalog::newest() as usize];
    for n in 0..points.len().min(most) {
        let point = &points[n * points.len() / points.len().min(most)];
        let url = url(n);
        let status = faults::inject(&mut migrating(&url, folder, n), &[&point.syscall], Action::Kill, point.nth);
        let killed = !status.success();
        let version = runtime.block_on(version_after_a_kill(&url));
        found[version as usize] += 1;
        assert!(killed || version == Catalog::newest(), "{point:?}");
    }
    assert!(found[0] > 0, "{found:?}");
}

/// The version that is found; the catalog can be migrated and used, whichever that is.
async fn version_after_a_kill(url: &str) -> i64 {
    let catalog = open(url).await.unwrap();
    let version = catalog.version().await.unwrap();
    catalog.migrate().await.unwrap();
    let place = Place::at(url).await;
    assert!(place.texts("SELECT name FROM account").await.is_empty());
    place.account("anna", Role::Admin).await;
    assert_eq!(catalog.accounts().await.unwrap().len(), 1);
    catalog.close().await;
    version
}

// --- what cannot be opened or written ---

#[test]
fn the_file_is_for_its_owner_only() {
    run(catalog::sqlite, async |place: Place| {
        place.account("anna", Role::Admin).await;
        let folder = place.catalog.file().unwrap().parent().unwrap().to_owned();
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_type().unwrap().is_file() {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
                seen += 1;
            }
        }
        assert!(seen >= 2, "the file and its log");
    });
}

#[test]
fn a_catalog_that_cannot_be_written_refuses_an_audit_event() {
    run(catalog::sqlite, async |place: Place| {
        place.catalog.append_audit(audit::event(1), catalog::noon()).await.unwrap();
        // A trigger refuses, as a disk would; permissions mean nothing to root.
        place.behind_its_back("CREATE TRIGGER no BEFORE INSERT ON audit BEGIN SELECT RAISE(FAIL, 'attempt to write a readonly database'); END").await;
        audit::assert_refused(&place, ErrorKind::Denied).await;
    });
    run(catalog::postgres, async |place: Place| {
        place.behind_its_back("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
        let again = Place::at(&place.url).await;
        audit::assert_refused(&again, ErrorKind::Denied).await;
    });
}

/// Makes a catalog, loses the right to write, and opens it again.
#[test]
#[ignore]
fn a_child_may_not_write_any_more() {
    let (root, outcome) = (variable(ROOT), variable(OUTCOME));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = root.join("catalog.db");
    let told = runtime.block_on(async {
        let catalog = Catalog::open_file(&file).await.unwrap();
        catalog.migrate().await.unwrap();
        catalog.close().await;
        drop(catalog);
        assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&root).status().unwrap().success());
        let there = Catalog::open_file(&file).await.map(drop).unwrap_err();
        let new = Catalog::open_file(&root.join("another.db")).await.map(drop).unwrap_err();
        format!("{:?} {there} | {:?} {}", there.kind(), new.kind(), new.code())
    });
    std::fs::write(outcome, told).unwrap();
}

#[test]
fn a_catalog_on_a_disk_that_may_not_be_written_is_refused_at_once_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, outcome) = (folder.path().join("disk"), folder.path().join("outcome"));
    std::fs::create_dir(&disk).unwrap();
    let child = child("a_child_may_not_write_any_more", &disk, &outcome);
    let begin = std::time::Instant::now();
    let output = faults::run(&mut faults::on_tmpfs(&child, &disk, "size=10m"));
    assert!(output.status.success(), "{}", faults::text(&output));
    assert_eq!(
        std::fs::read_to_string(outcome).unwrap(),
        "Denied The catalog may not be written | Denied permission_denied"
    );
    assert!(begin.elapsed() < std::time::Duration::from_secs(25), "it waited for somebody to give it");
}

/// Appends until the disk is full, then tells how that was and whether everything that was confirmed is there.
#[test]
#[ignore]
fn a_child_fills_its_disk() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let told = runtime.block_on(async {
        let catalog = Catalog::open_file(&variable(ROOT).join("catalog.db")).await.unwrap();
        catalog.migrate().await.unwrap();
        let mut appended = 0;
        let error = loop {
            let mut event = audit::event(appended);
            event.details = serde_json::json!({ "much": "x".repeat(20_000) });
            match catalog.append_audit(event, catalog::noon()).await {
                Ok(_) => appended += 1,
                Err(error) => break error,
            }
        };
        let (last, problems) = catalog.verify_audit(&[]).await.unwrap();
        format!("{:?} {error} {} {problems:?}", error.kind(), appended > 5 && last == appended)
    });
    std::fs::write(variable(OUTCOME), told).unwrap();
}

#[test]
fn a_full_disk_refuses_an_audit_event_and_breaks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, outcome) = (folder.path().join("disk"), folder.path().join("outcome"));
    std::fs::create_dir(&disk).unwrap();
    let child = child("a_child_fills_its_disk", &disk, &outcome);
    let output = faults::run(&mut faults::on_tmpfs(&child, &disk, "size=1m"));
    assert!(output.status.success(), "{}", faults::text(&output));
    assert_eq!(std::fs::read_to_string(outcome).unwrap(), "NoSpace Not enough disk space true []");
}

#[test]
fn what_is_no_catalog_is_told_by_kind_and_without_a_password() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.db");
        std::fs::write(&file, "this is a text of more than a hundred bytes, and no database at all ".repeat(40))
            .unwrap();
        let error = Catalog::open_file(&file).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupted, "catalog_corrupted"));
        assert_eq!(
            Catalog::open_file(&folder.path().join("no/such.db")).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(Catalog::connect("mysql://root@localhost/x").await.unwrap_err().kind(), ErrorKind::Usage);
        let server = recoup_testkit::postgres::Server::shared();
        let secret = "canary-9f3b";
        let there = server.url("no_such_database").replace("recoup@", &format!("recoup:{secret}@"));
        for url in [
            there.as_str(),
            &format!("postgres://u:{secret}@[bad/x"),
            &format!("postgres://u:{secret}@127.0.0.1:99999/x"),
        ] {
            let error = Catalog::connect(url).await.unwrap_err();
            let all = format!("{error} {error:?} {}", error.detail());
            assert!(!all.contains(secret), "{all}");
        }
        assert_eq!(Catalog::connect(&there).await.unwrap_err().kind(), ErrorKind::Unreachable);
    });
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    run(catalog::postgres, async |place: Place| {
        place.account("anna", Role::Admin).await;
        place.behind_its_back("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'").await;
        // A connection that was used a moment ago is not asked first, so what is under way fails; then it works again.
        let mut tries = 0;
        while let Err(error) = place.catalog.accounts().await {
            assert_eq!(error.kind(), ErrorKind::Unreachable);
            tries += 1;
            assert!(tries <= 8, "{error}: no more often than there are connections");
        }
        assert_eq!(place.catalog.accounts().await.unwrap().len(), 1);
    });
}
