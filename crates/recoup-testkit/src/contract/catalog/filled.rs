//! A catalog with long lists, for those who ask how they are read: `crates/recoup/tests/catalog_indexes.rs` and
//! `measure catalog`.

use recoup::catalog::{BackupRow, NewRun, Timing};
use recoup::model::user::Role;
use recoup::model::{Format, Kind};

use super::{Place, after, backup_run, id, noon, plan};

/// So many plans (due one second after the other), backups of a hundred of them (a tenth is the returned account's), as
/// many ended runs, and twenty that wait.
pub async fn fill(place: &Place, plans: i64, backups: i64) -> String {
    let owner = place.account("anna", Role::Operator).await;
    let timing = |n| Timing { next_nominal: Some(after(n)), next_due: Some(after(n)), last_nominal: None };
    let first = plan(&owner, "plan 0");
    place.catalog.add_plan(&first, timing(0), noon()).await.unwrap();
    let numbers = |n: i64| {
        format!(
            "(WITH RECURSIVE more(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more WHERE n < {n}) SELECT n FROM more) AS c"
        )
    };
    let due = noon().as_millisecond();
    place
        .behind_its_back(&format!(
            "INSERT INTO plan (id, owner, name, origin, body, enabled, next_nominal, next_due, version, created_at, updated_at)
             SELECT CAST(1000000 + n AS TEXT), '{}', 'plan ' || n, 'catalog', p.body, 1, {due} + n * 1000, {due} + n * 1000, 1, 0, 0
             FROM plan p, {} WHERE p.id = '{}'",
            owner.id,
            numbers(plans - 1),
            first.id
        ))
        .await;
    let rows = BackupRow {
        id: id(),
        destination: "disk".into(),
        plan: "plan 0".into(),
        owner: owner.id.clone(),
        kind: Kind::Scheduled,
        format: Format::Archive,
        label: None,
        created_at: noon(),
        bytes: 1,
        verified: None,
        verified_at: None,
        protected: false,
        damaged: None,
        local_only: false,
        foreign: None,
    };
    place.catalog.put_backup(&rows).await.unwrap();
    place
        .behind_its_back(&format!(
            "INSERT INTO backup (id, destination, plan, owner, kind, format, created_at, bytes, protected)
             SELECT '01J' || CAST(1000000 + n AS TEXT) || '0000000000000ABC', 'disk', 'plan ' || (n % 100), CASE WHEN n % 10 = 0 THEN owner ELSE 'bert' END,
             kind, format, created_at - n * 1000, bytes, 0 FROM backup b, {} WHERE b.id = '{}'",
            numbers(backups - 1),
            rows.id
        ))
        .await;
    let ended = NewRun { owner: owner.id.clone(), ..backup_run("plan 0", None) };
    place.catalog.add_run(&ended, noon()).await.unwrap();
    place.catalog.cancel_run(&ended.id, noon()).await.unwrap();
    place
        .behind_its_back(&format!(
            "INSERT INTO run (id, plan, plan_name, owner, kind, cause, state, outcome, resource, request, due_at, queued_at)
             SELECT '01J' || CAST(1000000 + n AS TEXT) || '0000000000000ABC', 'plan ' || (n % 100), plan_name, CASE WHEN n % 10 = 0 THEN owner ELSE 'bert' END,
             kind, cause, state, outcome, resource, request, due_at - n, queued_at FROM run r, {} WHERE r.id = '{}'",
            numbers(backups - 1),
            ended.id
        ))
        .await;
    for n in 0..20 {
        let waits = NewRun { owner: "bert".into(), ..backup_run(&format!("plan {n}"), None) };
        place.catalog.add_run(&waits, noon()).await.unwrap();
    }
    place.behind_its_back("ANALYZE").await;
    owner.id
}
