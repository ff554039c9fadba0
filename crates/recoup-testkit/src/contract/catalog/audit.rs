//! The audit chain: without gaps, and nothing in it can be changed unnoticed.

use recoup::ErrorKind;
use recoup::model::Problem;
use recoup::model::audit::{Event, Head, Link};
use serde_json::json;

use super::{Place, after, noon};
use crate::random::Random;

/// Some event; different for each `n`.
pub fn event(n: i64) -> Event {
    Event {
        event: ["plan.created", "backup.deleted", "restore.started"][n as usize % 3].into(),
        user: (n % 4 != 0).then(|| format!("user {}", n % 2)),
        resource_type: "plan".into(),
        resource_id: format!("id {n}"),
        action: "create".into(),
        success: n % 5 != 0,
        details: json!({"n": n, "b": [1.5, null], "a": {"z": "ü\u{0}"}}),
    }
}

impl Place {
    async fn append(&self, count: i64) -> Vec<Link> {
        let mut links = Vec::new();
        for n in 0..count {
            links.push(self.catalog.append_audit(event(n), after(n)).await.unwrap());
        }
        links
    }
    async fn problems(&self, anchors: &[Head]) -> Vec<Problem> {
        self.catalog.verify_audit(anchors).await.unwrap().1
    }
}

pub async fn the_chain_has_no_gaps_whoever_appends(place: Place) {
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let place = place.clone();
            tokio::spawn(async move { place.append(25).await })
        })
        .collect();
    let mut seqs = Vec::new();
    for task in tasks {
        seqs.extend(task.await.unwrap().into_iter().map(|link| link.seq));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=200).collect::<Vec<i64>>());
    let (last, problems) = place.catalog.verify_audit(&[]).await.unwrap();
    assert_eq!((last, problems), (200, vec![]));
}

pub async fn an_event_comes_back_as_it_went_in(place: Place) {
    assert_eq!(place.catalog.audit_head().await.unwrap(), Head::start());
    assert_eq!(place.catalog.verify_audit(&[Head::start()]).await.unwrap(), (0, vec![]));
    let links = place.append(5).await;
    assert_eq!(place.catalog.audit_after(0, 100).await.unwrap(), links);
    assert_eq!(place.catalog.audit_after(3, 100).await.unwrap(), links[3..]);
    assert_eq!(place.catalog.audit_head().await.unwrap(), links[4].head());
    let odd = Event { resource_id: "a\0b \u{202e}'\"".into(), ..event(1) };
    let link = place.catalog.append_audit(odd, noon()).await.unwrap();
    assert_eq!(link.event.resource_id, "a\u{2400}b \u{202e}'\"");
    assert_eq!(place.catalog.audit_after(5, 1).await.unwrap(), [link]);
    assert_eq!(place.problems(&[]).await, []);
}

/// Any column of any row, rows gone, rows swapped, rows between: one at a time, and each is taken back before the next.
pub async fn a_thousand_edits_are_all_detected(place: Place) {
    const LINKS: i64 = 40;
    let links = place.append(LINKS).await;
    let anchor = links[LINKS as usize - 1].head();
    place.behind_its_back("CREATE TABLE whole AS SELECT * FROM audit").await;
    let columns =
        ["seq", "at", "event", "account", "resource_type", "resource_id", "action", "success", "details", "hash"];
    let mut random = Random(7);
    let postgres = place.catalog.is_postgres();
    for turn in 0..1000 {
        let seq = 1 + random.below(LINKS as u64) as i64;
        let other = 1 + (seq - 1 + 1 + random.below(LINKS as u64 - 1) as i64) % LINKS;
        let column = columns[random.below(10) as usize];
        let edits: Vec<String> = match random.below(8) {
            0 => vec![format!("DELETE FROM audit WHERE seq = {seq}")],
            1 => vec![
                format!("UPDATE audit SET seq = -{seq} WHERE seq = {seq}"),
                format!("UPDATE audit SET seq = {seq} WHERE seq = {other}"),
                format!("UPDATE audit SET seq = {other} WHERE seq = -{seq}"),
            ],
            2 => vec![format!(
                "INSERT INTO audit SELECT {}, at, event, account, resource_type, resource_id, action, success, details, hash FROM audit WHERE seq = {seq}",
                [0, -5, LINKS + 1, LINKS + 9][random.below(4) as usize]
            )],
            3 if column != "seq" => vec![format!(
                "UPDATE audit SET {column} = (SELECT whole.{column} FROM whole WHERE whole.seq = {other}) WHERE seq = {seq}"
            )],
            4 if !postgres => {
                let value = ["x'00'", "'word'", "2.5", "9223372036854775807"][random.below(4) as usize];
                vec![format!("UPDATE audit SET {column} = {value} WHERE seq = {seq}")]
            }
            _ => {
                let value = match column {
                    "seq" => format!("{}", LINKS + 1 + random.below(5) as i64),
                    "at" => ["at + 1", "at - 1", "0"][random.below(3) as usize].into(),
                    "success" => ["1 - success", "success + 2", "-1"][random.below(3) as usize].into(),
                    "account" => ["''", "NULL", "'user 2'"][random.below(3) as usize].into(),
                    "details" => [
                        "'{}'",
                        "details || ' '",
                        "replace(details, ':', ': ')",
                        "'no json'",
                        "replace(details, '1.5', '1.50')",
                    ][random.below(5) as usize]
                        .into(),
                    "hash" => ["upper(hash)", "substr(hash, 2) || 'z'", "''"][random.below(3) as usize].into(),
                    text => [format!("{text} || ' '"), "''".into(), format!("upper({text})")][random.below(3) as usize]
                        .clone(),
                };
                vec![format!("UPDATE audit SET {column} = {value} WHERE seq = {seq}")]
            }
        };
        for edit in &edits {
            place.behind_its_back(edit).await;
        }
        let same = "SELECT count(*) FROM (SELECT * FROM audit EXCEPT SELECT * FROM whole) AS changed";
        let changed: i64 = sqlx::query_scalar(same).fetch_one(&place.raw).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&place.raw).await.unwrap();
        // An edit may by chance write what was there.
        let anything = changed > 0 || rows != LINKS;
        let found = place.problems(std::slice::from_ref(&anchor)).await;
        assert_eq!(!found.is_empty(), anything, "edit {turn}: {edits:?}: {found:?}");
        if anything {
            place.behind_its_back("DELETE FROM audit").await;
            place.behind_its_back("INSERT INTO audit SELECT * FROM whole").await;
        }
    }
    assert_eq!(place.problems(&[anchor]).await, []);
}

/// Each backup's manifest carries the head of its time; a cut can go unnoticed only down to the last of them.
pub async fn a_cut_is_detected_down_to_the_last_anchor(place: Place) {
    const LINKS: i64 = 1000;
    let links = place.append(LINKS).await;
    let anchors: Vec<Head> = [250, 600, 601, 777].iter().map(|seq| links[*seq as usize - 1].head()).collect();
    assert_eq!(place.catalog.verify_audit(&anchors).await.unwrap(), (LINKS, vec![]));
    for end in (0..LINKS).rev() {
        place.behind_its_back(&format!("DELETE FROM audit WHERE seq > {end}")).await;
        // A look at every point would be a million links read.
        if end % 40 == 0 || anchors.iter().any(|anchor| (anchor.seq - end).abs() <= 1) {
            let (last, problems) = place.catalog.verify_audit(&anchors).await.unwrap();
            let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
            let expected: &[&str] = if end < 777 { &["audit_cut"] } else { &[] };
            assert_eq!((last, codes.as_slice()), (end, expected));
        }
    }
    assert_eq!(
        place.problems(&anchors).await[0].text,
        "The audit ends at event 0, but a backup's manifest carries event 777"
    );
}

pub async fn a_chain_that_was_made_anew_is_not_the_anchored_one(place: Place) {
    let anchor = place.append(10).await[6].head();
    place.behind_its_back("DELETE FROM audit").await;
    for n in 0..20 {
        place.catalog.append_audit(event(n + 1), noon()).await.unwrap();
    }
    assert_eq!(place.problems(&[]).await, []);
    let problems = place.problems(&[anchor]).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "audit_rewritten");
}

pub async fn events_are_listed_by_what_is_asked(place: Place) {
    let links = place.append(12).await;
    let check =
        async |seq, event: Option<&str>, user: Option<&str>, since: Option<i64>, fits: &dyn Fn(&Link) -> bool| {
            let found = place.catalog.audit_before(seq, event, user, since.map(after), 100).await.unwrap();
            let expected: Vec<Link> = links.iter().rev().filter(|link| link.seq < seq && fits(link)).cloned().collect();
            assert_eq!(found, expected);
        };
    check(i64::MAX, None, None, None, &|_| true).await;
    check(5, None, None, None, &|_| true).await;
    check(i64::MAX, Some("plan."), None, None, &|link| link.event.event == "plan.created").await;
    check(i64::MAX, Some("backup.deleted"), Some("user 1"), None, &|link| {
        link.event.event == "backup.deleted" && link.event.user.as_deref() == Some("user 1")
    })
    .await;
    check(i64::MAX, None, None, Some(7), &|link| link.at >= after(7)).await;
    check(i64::MAX, Some("%"), None, None, &|_| false).await;
    assert_eq!(place.catalog.audit_before(i64::MAX, None, None, None, 2).await.unwrap().len(), 2);
}

/// Used by the tests of a catalog that cannot be written.
pub async fn assert_refused(place: &Place, kind: ErrorKind) {
    let before = place.catalog.audit_head().await.unwrap();
    let error = place.catalog.append_audit(event(1), noon()).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error} {}", error.detail());
    assert_eq!(place.catalog.audit_head().await.unwrap(), before);
}
