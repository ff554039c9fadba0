//! How the databases read the long tables: what the catalog asks every minute, or for every page of a list, is found by an
//! index, on SQLite and on PostgreSQL. The statements are the very ones that were sent; sqlx logs them.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::future::Future;
use std::sync::{Mutex, OnceLock};

use recoup::catalog::{Catalog, Filter, Of, Runs};
use recoup::model::Kind;
use recoup::model::job::{RunKind, State};
use recoup_testkit::contract::catalog::filled::fill;
use recoup_testkit::contract::catalog::{self, Place, after, audit, noon, run};
use sqlx::Row;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// What was sent, in whatever thread.
static SENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listen;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Listen {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut seen = Seen::default();
            event.record(&mut seen);
            let whole = if seen.statement.trim().is_empty() { seen.summary } else { seen.statement };
            // A new connection sets itself up.
            if !whole.trim_start().starts_with("SET ") {
                SENT.lock().unwrap().push(whole.trim().to_owned());
            }
        }
    }
}

#[derive(Default)]
struct Seen {
    statement: String,
    summary: String,
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "db.statement" => self.statement = value.to_owned(),
            "summary" => self.summary = value.to_owned(),
            _ => {}
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

fn listen() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Listen)).unwrap();
    });
}

/// Asks something, and gives the plan of every statement that this sent.
async fn plans_of<T>(place: &Place, asked: impl Future<Output = recoup::Result<T>>) -> Vec<(String, String)> {
    SENT.lock().unwrap().clear();
    asked.await.unwrap();
    let mut sent = Vec::new();
    // SQLite's thread tells of a statement when it is done with it, which is after its last row came.
    while sent.is_empty() {
        tokio::task::yield_now().await;
        sent = SENT.lock().unwrap().clone();
    }
    let mut plans = Vec::new();
    for statement in sent {
        let plan = if place.catalog.is_postgres() {
            postgres(place, &statement).await
        } else {
            sqlite(place, &statement).await
        };
        plans.push((statement, plan));
    }
    plans
}

async fn sqlite(place: &Place, statement: &str) -> String {
    let asked = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::query(asked).fetch_all(&place.raw).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

/// As the server plans a statement that it has prepared for whatever values.
async fn postgres(place: &Place, statement: &str) -> String {
    let mut connection = place.raw.acquire().await.unwrap();
    let values = (1..20).take_while(|n| statement.contains(&format!("${n}"))).map(|_| "'0'").collect::<Vec<_>>();
    let values = if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) };
    for text in ["SET plan_cache_mode = force_generic_plan".to_owned(), format!("PREPARE it AS {statement}")] {
        let told = sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(&mut *connection).await;
        told.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let asked = sqlx::AssertSqlSafe(format!("EXPLAIN EXECUTE it{values}"));
    let rows = sqlx::raw_sql(asked).fetch_all(&mut *connection).await.unwrap();
    sqlx::raw_sql("DEALLOCATE it").execute(&mut *connection).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
}

/// No long table is read from its beginning to its end.
fn assert_found(what: &str, plans: &[(String, String)]) {
    for (statement, plan) in plans {
        for line in plan.lines() {
            let line = line.trim();
            // `SCAN run USING INDEX` goes along an index until there are enough rows.
            // `place` are the few rows of a subquery.
            let whole = line.starts_with("SCAN ") && !line.contains(" USING ") && line != "SCAN place";
            assert!(!whole && !line.contains("Seq Scan"), "{what}\n{statement}\n{plan}");
        }
    }
}

/// And what is found comes in its order.
fn assert_in_order(what: &str, plans: &[(String, String)]) {
    assert_found(what, plans);
    for (statement, plan) in plans {
        let sorted = plan.contains("TEMP B-TREE")
            || plan.lines().any(|line| line.trim_start_matches([' ', '-', '>']).starts_with("Sort "));
        assert!(!sorted, "{what}\n{statement}\n{plan}");
    }
}

async fn looked_up(place: Place) {
    listen();
    let owner = fill(&place, 20_000, 20_000).await;
    for n in 0..300 {
        place.catalog.append_audit(audit::event(n), after(n)).await.unwrap();
    }
    place.behind_its_back(
        "INSERT INTO audit (seq, at, event, account, resource_type, resource_id, action, success, details, hash)
         SELECT a.seq * 1000 + b.seq, a.at + b.seq, a.event, a.account, a.resource_type, a.resource_id, a.action, a.success, a.details, a.hash
         FROM audit a, audit b WHERE b.seq <= 60",
    )
    .await;
    place.behind_its_back("ANALYZE").await;
    let catalog: &Catalog = &place.catalog;
    let owner = owner.as_str();
    // What does read everything is recognised.
    let whole = plans_of(&place, catalog.sums(Of::Owner(None))).await;
    assert!(whole[0].1.contains("SCAN backup") || whole[0].1.contains("Seq Scan"), "{whole:?}");

    let due = plans_of(&place, catalog.due_plans(after(50), 100)).await;
    assert_in_order("what is due", &due);
    assert!(due[0].1.contains("plan_due"), "{}", due[0].1);
    assert_found("the next time", &plans_of(&place, catalog.next_due_after(noon())).await);
    assert_found("the next run", &plans_of(&place, catalog.next_run_after(noon())).await);
    assert_found("the next run", &plans_of(&place, catalog.next_run()).await);
    assert_found("who works", &plans_of(&place, catalog.beats()).await);
    assert_found("the queue", &plans_of(&place, catalog.queue()).await);
    assert_found("a claim", &plans_of(&place, catalog.claim_run("w", noon())).await);
    assert_found("what nobody repeated", &plans_of(&place, catalog.unrepeated(noon(), after(60))).await);
    assert_found("an open backup", &plans_of(&place, catalog.has_open_backup("plan 7")).await);
    for of in [None, Some(owner)] {
        assert_found("a plan", &plans_of(&place, catalog.plan("plan 7", of)).await);
        assert_in_order("plans", &plans_of(&place, catalog.plans(of, "plan 5", 100)).await);
        assert_found("a run", &plans_of(&place, catalog.run("none", of)).await);
        assert_found("copies", &plans_of(&place, catalog.copies("none", of)).await);
        assert_found("a short id", &plans_of(&place, catalog.backup_ids("000ABC", of, 2)).await);
        assert_found("a prefix", &plans_of(&place, catalog.backup_ids("01J10", of, 2)).await);
    }
    assert_found("copies that go", &plans_of(&place, catalog.forget_backup("none", Some("disk"))).await);
    assert_found("what is elsewhere", &plans_of(&place, catalog.backups_at("elsewhere", Some("plan 7"))).await);
    assert_found("a sum", &plans_of(&place, catalog.sums(Of::Plan("plan 7"))).await);
    assert_found("newest copies", &plans_of(&place, catalog.newest_copies(Of::Plan("plan 7"))).await);
    assert_found("who works", &plans_of(&place, catalog.working(None)).await);

    let (some, plan) = (|text: &str| Some(text.to_owned()), Some("plan 7".to_owned()));
    for wanted in [
        Runs { ..Runs::default() },
        Runs { before: some("01J2"), ..Runs::default() },
        Runs { owner: some(owner), ..Runs::default() },
        Runs { owner: some(owner), before: some("01J2"), ..Runs::default() },
        Runs { plan: plan.clone(), ..Runs::default() },
        Runs { plan: plan.clone(), kind: Some(RunKind::Backup), ..Runs::default() },
        Runs { state: Some(State::Queued), ..Runs::default() },
        Runs { plan: plan.clone(), state: Some(State::Running), kind: Some(RunKind::Backup), ..Runs::default() },
    ] {
        let wanted = Runs { limit: 100, ..wanted };
        assert_found(&format!("{wanted:?}"), &plans_of(&place, catalog.runs(&wanted)).await);
    }
    for filter in [
        Filter::default(),
        Filter { after: Some((noon(), "01J2".into())), ..Filter::default() },
        Filter { owner: some(owner), ..Filter::default() },
        Filter { owner: some(owner), after: Some((noon(), "01J2".into())), ..Filter::default() },
        Filter { plan: plan.clone(), ..Filter::default() },
        Filter { plan: plan.clone(), after: Some((noon(), "01J2".into())), ..Filter::default() },
        Filter { kind: Some(Kind::PreMigration), ..Filter::default() },
        Filter { protected: Some(true), ..Filter::default() },
        Filter { since: Some(noon()), ..Filter::default() },
        Filter { until: Some(noon()), ..Filter::default() },
    ] {
        let filter = Filter { limit: 100, ..filter };
        assert_in_order(&format!("{filter:?}"), &plans_of(&place, catalog.backups(&filter)).await);
    }
    for (event, account, since) in [
        (None, None, None),
        (Some("plan.created"), None, None),
        (Some("backup."), None, None),
        (None, Some("user 1"), None),
        (None, None, Some(after(200))),
        (Some("backup."), Some("user 1"), Some(after(200))),
    ] {
        let asked = catalog.audit_before(i64::MAX, event, account, since, 100);
        assert_found(&format!("audit {event:?} {account:?} {since:?}"), &plans_of(&place, asked).await);
    }
    assert_found("audit", &plans_of(&place, catalog.audit_after(5, 100)).await);
    assert_found("the head of the audit", &plans_of(&place, catalog.audit_head()).await);
}

#[test]
fn what_is_asked_often_is_found_by_an_index() {
    run(catalog::sqlite, looked_up);
    run(catalog::postgres, looked_up);
}
