//! What is kept for a while, settings, the outbox.

use recoup::catalog::{DaemonSettings, Kept, Outgoing};
use serde_json::json;

use super::{Place, after, id, noon};

fn kept(name: &str) -> Kept {
    let body = json!({"answer": 42});
    Kept { kind: "idempotency".into(), id: name.into(), owner: "anna".into(), body, expires_at: after(60) }
}

pub async fn a_kept_document_is_kept_once_until_it_expires(place: Place) {
    let catalog = &place.catalog;
    let (one, other) = (kept("key"), Kept { body: json!("other"), expires_at: after(120), ..kept("key") });
    assert!(catalog.keep_once(&one, noon()).await.unwrap());
    assert!(!catalog.keep_once(&other, after(59)).await.unwrap());
    assert_eq!(catalog.kept("idempotency", "key", "anna", after(59)).await.unwrap(), Some(one.clone()));
    assert_eq!(catalog.kept("idempotency", "key", "bert", noon()).await.unwrap(), None);
    assert_eq!(catalog.kept("upload", "key", "anna", noon()).await.unwrap(), None);
    assert_eq!(catalog.kept("idempotency", "key", "anna", after(60)).await.unwrap(), None);
    assert!(catalog.keep_once(&other, after(60)).await.unwrap());
    assert_eq!(catalog.kept("idempotency", "key", "anna", after(60)).await.unwrap(), Some(other));
    assert!(catalog.keep_once(&Kept { owner: "bert".into(), ..kept("key") }, noon()).await.unwrap());
    let again = Kept { body: json!(null), expires_at: after(180), ..kept("key") };
    assert!(catalog.keep_again(&again).await.unwrap());
    assert_eq!(catalog.kept("idempotency", "key", "anna", after(179)).await.unwrap(), Some(again));
    assert!(!catalog.keep_again(&kept("no such")).await.unwrap());
    let taken = async || catalog.keep_once(&kept("race"), noon()).await.unwrap();
    let (a, b, c) = tokio::join!(taken(), taken(), taken());
    assert_eq!([a, b, c].iter().filter(|kept| **kept).count(), 1);
}

pub async fn a_document_is_used_up_by_one(place: Place) {
    let catalog = &place.catalog;
    for name in ["a", "b"] {
        assert!(catalog.keep_once(&kept(name), noon()).await.unwrap());
    }
    let late = Kept { expires_at: after(61), ..kept("c") };
    assert!(catalog.keep_once(&late, noon()).await.unwrap());
    let forget = async || catalog.forget("idempotency", "a", "anna").await.unwrap();
    let (first, second) = tokio::join!(forget(), forget());
    assert_eq!(usize::from(first) + usize::from(second), 1);
    assert!(catalog.forget_expired(after(59)).await.unwrap().is_empty());
    assert_eq!(catalog.forget_expired(after(60)).await.unwrap(), [kept("b")]);
    assert_eq!(catalog.forget_expired(after(60)).await.unwrap(), []);
    assert_eq!(catalog.kept("idempotency", "c", "anna", after(60)).await.unwrap(), Some(late));
}

pub async fn a_setting_is_kept(place: Place) {
    let catalog = &place.catalog;
    catalog.ping().await.unwrap();
    assert_eq!(catalog.setting("mark").await.unwrap(), None);
    catalog.set_setting("mark", "1").await.unwrap();
    catalog.set_setting("mark", "\"zwei\"").await.unwrap();
    assert!(!catalog.set_setting_once("mark", "3").await.unwrap());
    assert_eq!(catalog.setting("mark").await.unwrap().as_deref(), Some("\"zwei\""));
    let (a, b) = tokio::join!(catalog.set_setting_once("once", "a"), catalog.set_setting_once("once", "b"));
    assert_eq!(usize::from(a.unwrap()) + usize::from(b.unwrap()), 1);
}

pub async fn settings_of_the_daemon_are_changed_by_one(place: Place) {
    let catalog = &place.catalog;
    let first = catalog.daemon_settings().await.unwrap();
    assert_eq!(first, DaemonSettings::default());
    for seconds in [30, 40] {
        let seen = catalog.daemon_settings().await.unwrap();
        let wanted = DaemonSettings { check_interval_seconds: Some(seconds), ..seen };
        let (a, b) =
            tokio::join!(catalog.set_daemon_settings(&seen, wanted), catalog.set_daemon_settings(&seen, wanted));
        assert_eq!(usize::from(a.is_ok()) + usize::from(b.is_ok()), 1);
        assert_eq!(a.or(b).unwrap(), catalog.daemon_settings().await.unwrap());
    }
    let seen = catalog.daemon_settings().await.unwrap();
    assert_eq!((seen.version, seen.check_interval_seconds), (2, Some(40)));
    assert_eq!(catalog.set_daemon_settings(&first, seen).await.unwrap_err().code(), "setting_changed");
}

fn notice(channel: &str) -> Outgoing {
    Outgoing {
        id: id(),
        channel: channel.into(),
        plan: "shop".into(),
        cause: "failed".into(),
        notice: json!({"text": "It failed"}),
        attempt: 0,
        told_at: None,
        error: None,
    }
}

pub async fn a_notice_is_claimed_once_and_told(place: Place) {
    let catalog = &place.catalog;
    for _ in 0..20 {
        catalog.add_outgoing(&notice("ops"), noon()).await.unwrap();
    }
    assert!(catalog.claim_outgoing(after(-1), 60_000).await.unwrap().is_none());
    let mut claimed = Vec::new();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let catalog = catalog.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(out) = catalog.claim_outgoing(noon(), 60_000).await.unwrap() {
                    mine.push(out);
                }
                mine
            })
        })
        .collect();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    // Whoever finds only locked rows may go away early, but nothing is claimed twice.
    while let Some(out) = catalog.claim_outgoing(noon(), 60_000).await.unwrap() {
        claimed.push(out);
    }
    let mut ids: Vec<&str> = claimed.iter().map(|out| out.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), claimed.len()), (20, 20));
    assert!(claimed.iter().all(|out| out.attempt == 1 && out.notice == notice("ops").notice));
    // Whoever claimed it and died: after the hold it is there again.
    for out in &claimed[1..] {
        catalog.told(&out.id, after(1)).await.unwrap();
    }
    assert!(catalog.claim_outgoing(after(59), 1000).await.unwrap().is_none());
    let again = catalog.claim_outgoing(after(60), 1000).await.unwrap().unwrap();
    assert_eq!((&again.id, again.attempt), (&claimed[0].id, 2));
    let told = catalog.outgoing_of("ops", "shop", 100).await.unwrap();
    assert_eq!(told.iter().filter(|out| out.told_at == Some(after(1))).count(), 19);
    assert!(told.is_sorted_by(|a, b| a.id > b.id));
}

pub async fn a_notice_is_tried_again_or_given_up(place: Place) {
    let catalog = &place.catalog;
    let out = notice("ops");
    catalog.add_outgoing(&out, noon()).await.unwrap();
    catalog.add_outgoing(&notice("others"), after(1000)).await.unwrap();
    let claim = async |at| catalog.claim_outgoing(at, 1000).await.unwrap();
    assert!(claim(noon()).await.is_some());
    catalog.not_told(&out.id, "HTTP 503\0", Some(after(60)), after(1)).await.unwrap();
    assert!(claim(after(59)).await.is_none());
    let again = claim(after(60)).await.unwrap();
    assert_eq!((again.attempt, again.error.as_deref()), (2, Some("HTTP 503\u{2400}")));
    catalog.not_told(&out.id, "HTTP 404", None, after(61)).await.unwrap();
    assert!(claim(after(900)).await.is_none());
    let all = catalog.outgoing_of("ops", "shop", 1).await.unwrap();
    assert_eq!((all[0].told_at, all[0].error.as_deref()), (None, Some("HTTP 404")));
    catalog.tidy_outbox(after(61)).await.unwrap();
    assert_eq!(catalog.outgoing_of("ops", "shop", 9).await.unwrap().len(), 1);
    catalog.tidy_outbox(after(62)).await.unwrap();
    assert_eq!(catalog.outgoing_of("ops", "shop", 9).await.unwrap().len(), 0);
    assert_eq!(catalog.outgoing_of("others", "shop", 9).await.unwrap().len(), 1);
}

pub async fn texts_with_anything_in_them_come_back(place: Place) {
    let catalog = &place.catalog;
    for text in ["", "'; DROP TABLE setting; --", "$1 ? \\ %s", "ünïcödé 🦀 \u{202e}", "\r\n\t\u{1}"] {
        catalog.set_setting(&format!("name {text}"), text).await.unwrap();
        assert_eq!(catalog.setting(&format!("name {text}")).await.unwrap().as_deref(), Some(text));
    }
    // PostgreSQL keeps no NUL: what asks for one finds nothing or is told so, and never more.
    match catalog.plan("a\0b", None).await {
        Ok(found) => assert!(found.is_none()),
        Err(error) => assert_eq!((error.kind(), error.code()), (recoup::ErrorKind::Usage, "bad_text")),
    }
}

pub async fn a_destination_of_a_plan_remembers_since_when_and_what_went_wrong(place: Place) {
    let catalog = &place.catalog;
    catalog.know_place("p", "here", after(1)).await.unwrap();
    catalog.know_place("p", "here", after(9)).await.unwrap();
    catalog.know_place("p", "offsite", after(2)).await.unwrap();
    catalog.know_place("other", "here", after(3)).await.unwrap();
    let error = serde_json::json!({"code": "unreachable", "message": "nobody \u{0} answers"});
    catalog.note_place("p", "offsite", Some(&error), after(4)).await.unwrap();
    catalog.note_place("p", "here", None, after(5)).await.unwrap();
    let rows = catalog.places("p").await.unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.destination.as_str()).collect();
    assert_eq!(names, ["here", "offsite"]);
    assert_eq!((rows[0].since, rows[0].good_at, &rows[0].error), (after(1), Some(after(5)), &None));
    assert_eq!((rows[1].since, rows[1].good_at, rows[1].error_at), (after(2), None, Some(after(4))));
    assert_eq!(rows[1].error.as_ref().unwrap()["code"], "unreachable");
    catalog.note_place("p", "offsite", None, after(6)).await.unwrap();
    let again = catalog.places("p").await.unwrap().pop().unwrap();
    assert_eq!(
        (again.since, again.error, again.error_at),
        (after(2), None, Some(after(4))),
        "when it was is still known"
    );
    catalog.forget_places("p", &["here".to_owned()]).await.unwrap();
    assert_eq!(catalog.places("p").await.unwrap().len(), 1);
    catalog.forget_places("p", &[]).await.unwrap();
    assert_eq!((catalog.places("p").await.unwrap().len(), catalog.places("other").await.unwrap().len()), (0, 1));
}
