//! Plans and what the scheduler remembers of them.

use recoup::ErrorKind;
use recoup::catalog::{NewPlan, Origin, Timing};
use recoup::model::Outcome;
use recoup::model::user::Role;
use serde_json::json;

use super::{Place, after, noon, plan};

fn due(seconds: i64) -> Timing {
    Timing { next_nominal: Some(after(seconds)), next_due: Some(after(seconds)), last_nominal: Some(noon()) }
}

pub async fn a_plan_comes_back_as_it_went_in(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let body = json!({"z": [1, 2.5, null, "ü\u{0000}\u{1F980}"], "a": {"deep": true}});
    let new = NewPlan { origin: Origin::BuiltIn, body, enabled: false, ..plan(&anna, "shop") };
    let timing = Timing { next_due: None, ..due(60) };
    place.catalog.add_plan(&new, timing, noon()).await.unwrap();
    let row = place.catalog.plan("shop", None).await.unwrap().unwrap();
    assert_eq!((&row.id, &row.owner, &row.name), (&new.id, &anna.id, &new.name));
    assert_eq!((row.origin, &row.body, row.enabled, row.timing), (new.origin, &new.body, false, timing));
    assert_eq!((row.version, row.created_at, row.updated_at), (1, noon(), noon()));
    assert_eq!((row.last_attempt, row.last_success, row.last_verified, row.last_proven), (None, None, None, None));
    assert_eq!((row.last_outcome, row.overdue_at), (None, None));
    let error = place.catalog.add_plan(&plan(&anna, "shop"), timing, noon()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::WouldOverwrite, "plan_exists"));
    place.catalog.set_overdue(&row.id, Some(after(7))).await.unwrap();
    assert_eq!(place.catalog.plan(&row.id, None).await.unwrap().unwrap().overdue_at, Some(after(7)));
    place.catalog.set_overdue(&row.id, None).await.unwrap();
    assert_eq!(place.catalog.plan(&row.id, None).await.unwrap().unwrap().overdue_at, None);
    assert!(place.catalog.remove_plan(&row.id).await.unwrap());
    assert!(!place.catalog.remove_plan(&row.id).await.unwrap());
    assert!(place.catalog.plan("shop", None).await.unwrap().is_none());
}

pub async fn a_plan_of_another_account_is_not_found(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let bert = place.account("bert", Role::Operator).await;
    let id = place.plan(&anna, "shop").await;
    for name in ["shop", &id] {
        assert!(place.catalog.plan(name, Some(&bert.id)).await.unwrap().is_none());
        assert!(place.catalog.plan(name, Some(&anna.id)).await.unwrap().is_some());
        assert!(place.catalog.plan(name, None).await.unwrap().is_some());
    }
    assert!(place.catalog.plans(Some(&bert.id), "", 10).await.unwrap().is_empty());
    assert_eq!(place.catalog.plans(Some(&anna.id), "", 10).await.unwrap().len(), 1);
}

pub async fn an_id_comes_before_a_name_that_looks_like_it(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let bert = place.account("bert", Role::Operator).await;
    let id = place.plan(&anna, "shop").await;
    place.plan(&bert, &id).await;
    assert_eq!(place.catalog.plan(&id, None).await.unwrap().unwrap().owner, anna.id);
    assert_eq!(place.catalog.plan(&id, Some(&bert.id)).await.unwrap().unwrap().name, id);
}

pub async fn plans_are_listed_page_by_page(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let bert = place.account("bert", Role::Operator).await;
    let names = ["a", "a-b", "a_b", "ab", "b", "z", "z9", "0", "shop-2", "shop2"];
    for name in names {
        place.plan(&anna, name).await;
        place.plan(&bert, &format!("{name}-of-bert")).await;
    }
    for (owner, expected) in [(Some(anna.id.as_str()), 10), (None, 20)] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let last = seen.last().cloned().unwrap_or_default();
            let page = place.catalog.plans(owner, &last, 3).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|row| row.name));
        }
        assert_eq!(seen.len(), expected, "{seen:?}");
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), expected);
    }
    assert_eq!(place.catalog.count_plans().await.unwrap(), (20, 20));
}

pub async fn a_change_of_an_older_version_is_refused(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let id = place.plan(&anna, "shop").await;
    let change = async |version, text: &str| {
        let (body, timing) = (json!({ "now": text }), due(60));
        place.catalog.update_plan(&id, version, &body, false, timing, after(5)).await.unwrap()
    };
    let row = change(Some(1), "first").await.unwrap();
    assert_eq!((row.version, row.enabled, row.timing), (2, false, due(60)));
    assert_eq!((row.created_at, row.updated_at), (noon(), after(5)));
    assert!(change(Some(1), "late").await.is_none());
    assert_eq!(place.catalog.plan("shop", None).await.unwrap().unwrap().body, json!({"now": "first"}));
    assert_eq!(change(None, "whatever").await.unwrap().version, 3);
    let (body, timing) = (json!({}), Timing::default());
    assert!(place.catalog.update_plan("nobody", None, &body, true, timing, noon()).await.unwrap().is_none());
    let (a, b) = tokio::join!(change(Some(3), "a"), change(Some(3), "b"));
    assert_eq!(usize::from(a.is_some()) + usize::from(b.is_some()), 1);
}

pub async fn only_enabled_plans_are_due_and_the_oldest_first(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    assert_eq!(place.catalog.next_due().await.unwrap(), None);
    assert_eq!(place.catalog.count_plans().await.unwrap(), (0, 0));
    for (name, enabled, timing) in [
        ("late", true, due(-10)),
        ("later", true, due(-5)),
        ("now", true, due(0)),
        ("soon", true, due(1)),
        ("off", false, due(-20)),
        ("never", true, Timing::default()),
    ] {
        place.catalog.add_plan(&NewPlan { enabled, ..plan(&anna, name) }, timing, noon()).await.unwrap();
    }
    let names = async |limit| -> Vec<String> {
        place.catalog.due_plans(noon(), limit).await.unwrap().into_iter().map(|row| row.name).collect()
    };
    assert_eq!(names(10).await, ["late", "later", "now"]);
    assert_eq!(names(2).await, ["late", "later"]);
    assert_eq!(place.catalog.next_due().await.unwrap(), Some(after(-10)));
    assert_eq!(place.catalog.next_due_after(noon()).await.unwrap(), Some(after(1)));
    assert_eq!(place.catalog.next_due_after(after(1)).await.unwrap(), None);
    assert_eq!(place.catalog.count_plans().await.unwrap(), (6, 5));
}

pub async fn of_two_schedulers_one_moves_the_schedule(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let new = plan(&anna, "shop");
    place.catalog.add_plan(&new, Timing::default(), noon()).await.unwrap();
    let (empty, first, second) = (Timing::default(), due(60), Timing { last_nominal: Some(after(60)), ..due(120) });
    assert!(place.catalog.set_timing(&new.id, empty, first).await.unwrap());
    let (a, b) = tokio::join!(
        place.catalog.set_timing(&new.id, first, second),
        place.catalog.set_timing(&new.id, first, second)
    );
    assert_eq!(usize::from(a.unwrap()) + usize::from(b.unwrap()), 1);
    assert!(!place.catalog.set_timing(&new.id, first, empty).await.unwrap());
    assert_eq!(place.catalog.plan("shop", None).await.unwrap().unwrap().timing, second);
    assert!(place.catalog.set_timing(&new.id, second, empty).await.unwrap());
    assert_eq!(place.catalog.plan("shop", None).await.unwrap().unwrap().timing, empty);
}

pub async fn what_a_run_does_not_tell_stays_as_it_was(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    let id = place.plan(&anna, "shop").await;
    let (a, b) = (Some(after(1)), Some(after(2)));
    place.catalog.note_run(&id, a, a, a, a, Some(Outcome::Good)).await.unwrap();
    place.catalog.note_run(&id, b, None, None, None, Some(Outcome::Failed)).await.unwrap();
    place.catalog.note_run(&id, None, None, b, None, None).await.unwrap();
    let row = place.catalog.plan("shop", None).await.unwrap().unwrap();
    assert_eq!((row.last_attempt, row.last_success, row.last_verified, row.last_proven), (b, a, b, a));
    assert_eq!((row.last_outcome, row.version), (Some(Outcome::Failed), 1));
}
