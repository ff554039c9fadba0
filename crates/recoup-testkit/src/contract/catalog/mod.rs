//! The promises of [`Catalog`], as tests, the same for SQLite and PostgreSQL. Use:
//! `recoup_testkit::catalog_contract!(recoup_testkit::contract::catalog::sqlite);`.
//!
//! Not here: several processes, kills and migrations; those are `crates/recoup/tests/catalog_*.rs`.

pub mod accounts;
pub mod audit;
pub mod backups;
pub mod filled;
pub mod plans;
pub mod runs;
pub mod small;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::catalog::{Account, Catalog, NewPlan, NewRun, Origin, Timing};
use recoup::model::job::{Cause, RunKind};
use recoup::model::user::Role;
use serde_json::json;
use sqlx::AnyPool;

use crate::postgres::Server;

#[macro_export]
macro_rules! catalog_contract {
    ($fresh:expr) => {
        $crate::catalog_cases! { $fresh,
            accounts::a_name_is_given_once
            accounts::an_account_comes_back_as_it_went_in
            accounts::a_new_password_or_a_lock_ends_every_sign_in
            accounts::the_last_admin_stays_one
            accounts::two_admins_cannot_take_the_role_from_each_other_at_once
            accounts::a_sign_in_ends_when_it_is_idle_or_old
            accounts::one_browser_can_stay_signed_in_when_the_others_are_not
            accounts::a_token_works_until_it_expires_and_only_for_who_may_sign_in
            accounts::a_token_is_removed_by_its_owner_only
            plans::a_plan_comes_back_as_it_went_in
            plans::a_plan_of_another_account_is_not_found
            plans::plans_are_listed_page_by_page
            plans::a_change_of_an_older_version_is_refused
            plans::only_enabled_plans_are_due_and_the_oldest_first
            plans::of_two_schedulers_one_moves_the_schedule
            plans::what_a_run_does_not_tell_stays_as_it_was
            plans::an_id_comes_before_a_name_that_looks_like_it
            runs::a_run_comes_back_as_it_went_in
            runs::an_occurrence_has_one_run
            runs::a_run_is_claimed_once_oldest_first_and_when_it_is_due
            runs::one_resource_is_used_by_one_run
            runs::many_workers_claim_each_run_once
            runs::a_run_that_was_taken_away_can_do_nothing_more
            runs::what_was_interrupted_is_repeated_once
            runs::a_run_that_beats_is_not_interrupted
            runs::cancelling_ends_what_waits_and_tells_what_runs
            runs::a_run_that_is_put_back_runs_again_later
            runs::runs_are_listed_by_what_is_asked
            runs::a_missed_time_is_a_run_that_ended
            runs::occurrences_of_a_wrong_clock_are_given_back
            runs::a_log_line_may_hold_anything
            backups::a_copy_comes_back_as_it_went_in
            backups::what_was_proven_stays_proven
            backups::backups_are_listed_by_what_is_asked_newest_first
            backups::backups_are_found_by_their_copies_and_by_text
            backups::pages_show_every_backup_once
            backups::a_copy_is_forgotten_at_one_place_or_at_all
            backups::sums_count_a_backup_once_and_its_copies_each
            backups::what_a_plan_can_rely_on_is_told_of_each_destination
            backups::a_backup_is_found_by_the_beginning_or_the_end_of_its_id
            backups::two_looks_at_once_end_with_what_both_saw
            audit::the_chain_has_no_gaps_whoever_appends
            audit::an_event_comes_back_as_it_went_in
            audit::a_thousand_edits_are_all_detected
            audit::a_cut_is_detected_down_to_the_last_anchor
            audit::a_chain_that_was_made_anew_is_not_the_anchored_one
            audit::events_are_listed_by_what_is_asked
            small::a_kept_document_is_kept_once_until_it_expires
            small::a_destination_of_a_plan_remembers_since_when_and_what_went_wrong
            small::a_document_is_used_up_by_one
            small::a_setting_is_kept
            small::settings_of_the_daemon_are_changed_by_one
            small::a_notice_is_claimed_once_and_told
            small::a_notice_is_tried_again_or_given_up
            small::texts_with_anything_in_them_come_back
        }
    };
}

/// Makes one `#[test]` of every case.
#[macro_export]
macro_rules! catalog_cases {
    ($fresh:expr, $($file:ident::$case:ident)+) => {
        $(#[test] fn $case() { $crate::contract::catalog::run($fresh, $crate::contract::catalog::$file::$case); })+
    };
}

/// A migrated, empty catalog and a way around it.
#[derive(Clone)]
pub struct Place {
    pub catalog: Catalog,
    /// To look at, or to damage, what the catalog keeps.
    pub raw: AnyPool,
    pub url: String,
    pub keep: Arc<dyn Any + Send + Sync>,
}

/// Runs one case on a catalog of its own.
pub fn run<F, C>(fresh: impl FnOnce() -> F, case: impl FnOnce(Place) -> C)
where
    F: Future<Output = Place>,
    C: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let place = fresh().await;
        case(place.clone()).await;
        place.raw.close().await;
        place.catalog.close().await;
    });
}

pub async fn sqlite() -> Place {
    let place = empty_sqlite().await;
    place.catalog.migrate().await.unwrap();
    place
}

pub async fn postgres() -> Place {
    let place = empty_postgres().await;
    place.catalog.migrate().await.unwrap();
    place
}

/// Not migrated yet.
pub async fn empty_sqlite() -> Place {
    let folder = tempfile::tempdir().unwrap();
    // A name that no URL likes.
    let path = folder.path().join("a ? 100% #catalog.db");
    let catalog = Catalog::open_file(&path).await.unwrap();
    let link = folder.path().join("raw.db");
    let url = format!("sqlite://{}", link.display());
    // SQLite follows a link to the file that it names, and to its log.
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let raw = AnyPool::connect(&url).await.unwrap();
    Place { catalog, raw, url, keep: Arc::new(folder) }
}

/// Not migrated yet.
pub async fn empty_postgres() -> Place {
    let server = Server::shared();
    let url = server.database().await;
    let catalog = Catalog::connect(&url).await.unwrap();
    let raw = AnyPool::connect(&url).await.unwrap();
    Place { catalog, raw, url, keep: server }
}

impl Place {
    /// What is there already, by `sqlite://path` or `postgres://…`.
    pub async fn at(url: &str) -> Place {
        let catalog = Catalog::connect(url).await.unwrap();
        Place { catalog, raw: AnyPool::connect(url).await.unwrap(), url: url.to_owned(), keep: Arc::new(()) }
    }

    /// A column of texts.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let found = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&self.raw).await;
        found.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Does something behind the catalog's back; tells how many rows it changed.
    pub async fn behind_its_back(&self, sql: &str) -> u64 {
        let done = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.raw).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}")).rows_affected()
    }

    /// An account of this name and role that may sign in.
    pub async fn account(&self, name: &str, role: Role) -> Account {
        let password = Some(format!("hash of {name}'s"));
        let account = Account { id: id(), name: name.to_owned(), role, password, disabled: false, created_at: noon() };
        self.catalog.add_account(&account).await.unwrap();
        account
    }

    /// A plan of this name; its id.
    pub async fn plan(&self, owner: &Account, name: &str) -> String {
        let new = plan(owner, name);
        self.catalog.add_plan(&new, Timing::default(), noon()).await.unwrap();
        new.id
    }
}

pub fn id() -> String {
    ulid::Ulid::generate().to_string()
}

/// The present of every test.
pub fn noon() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

pub fn plan(owner: &Account, name: &str) -> NewPlan {
    NewPlan {
        id: id(),
        owner: owner.id.clone(),
        name: name.to_owned(),
        origin: Origin::Catalog,
        body: json!({"destinations": ["./backups"], "name": name}),
        enabled: true,
    }
}

/// A scheduled backup of a plan, due at noon, that uses a resource of its own.
pub fn backup_run(plan: &str, occurrence: Option<&str>) -> NewRun {
    NewRun {
        id: id(),
        plan: plan.to_owned(),
        plan_name: format!("name of {plan}"),
        owner: "owner".to_owned(),
        kind: RunKind::Backup,
        cause: Cause::Scheduled,
        occurrence: occurrence.map(str::to_owned),
        missed: 0,
        retry_of: None,
        resource: plan.to_owned(),
        request: json!({"do": "backup"}),
        due_at: noon(),
    }
}
