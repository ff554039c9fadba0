//! The list of backups.

use recoup::catalog::{BackupRow, Filter, Of, Proof};
use recoup::model::user::Role;
use recoup::model::{Format, Kind, Level};

use super::{Place, after, id, noon};

fn copy(id: &str, destination: &str) -> BackupRow {
    BackupRow {
        id: id.into(),
        destination: destination.into(),
        plan: "shop".into(),
        owner: "anna".into(),
        kind: Kind::Scheduled,
        format: Format::Archive,
        label: None,
        created_at: noon(),
        bytes: 100,
        verified: None,
        verified_at: None,
        protected: false,
        damaged: None,
        local_only: false,
        foreign: None,
    }
}

impl Place {
    async fn put(&self, row: &BackupRow) {
        self.catalog.put_backup(row).await.unwrap();
    }
    async fn copies_of(&self, id: &str) -> Vec<BackupRow> {
        self.catalog.copies(id, None).await.unwrap()
    }
}

pub async fn a_copy_comes_back_as_it_went_in(place: Place) {
    let row = BackupRow {
        kind: Kind::PreRestore,
        format: Format::Both,
        label: Some("before the ü-pdate".into()),
        bytes: i64::MAX,
        verified: Some(Level::Restore),
        verified_at: Some(after(5)),
        protected: true,
        damaged: Some("hash differs".into()),
        local_only: true,
        foreign: Some("old/shop.db".into()),
        ..copy("A", "s3")
    };
    place.put(&row).await;
    place.put(&copy("A", "disk")).await;
    assert_eq!(place.copies_of("A").await, [copy("A", "disk"), row.clone()]);
    assert_eq!(place.catalog.copies("A", Some("anna")).await.unwrap().len(), 2);
    assert!(place.catalog.copies("A", Some("bert")).await.unwrap().is_empty());
    assert_eq!(place.catalog.backup_destinations().await.unwrap(), ["disk", "s3"]);
    let now = BackupRow { damaged: None, protected: false, label: None, ..row };
    place.put(&now).await;
    assert_eq!(place.copies_of("A").await, [copy("A", "disk"), now]);
    place.catalog.own_backups("shop", "bert").await.unwrap();
    let theirs = place.catalog.copies("A", Some("bert")).await.unwrap();
    assert_eq!(theirs.iter().map(|copy| copy.destination.as_str()).collect::<Vec<_>>(), ["disk"], "no file of others");
    assert_eq!(place.catalog.backups_of("shop").await.unwrap().len(), 2);
    assert!(place.catalog.backups_of("blog").await.unwrap().is_empty());
}

pub async fn what_was_proven_stays_proven(place: Place) {
    let told = |verified, at: Option<i64>| BackupRow { verified, verified_at: at.map(after), ..copy("A", "disk") };
    let levels = [
        (Some(Level::Checksum), Some(1), Some(Level::Checksum), Some(1)),
        (Some(Level::Restore), Some(2), Some(Level::Restore), Some(2)),
        (Some(Level::Integrity), Some(3), Some(Level::Restore), Some(3)),
        (None, None, Some(Level::Restore), Some(3)),
        (Some(Level::Checksum), Some(2), Some(Level::Restore), Some(3)),
    ];
    for (verified, at, expected, expected_at) in levels {
        place.put(&told(verified, at)).await;
        assert_eq!(place.copies_of("A").await, [told(expected, expected_at)]);
    }
}

pub async fn backups_are_listed_by_what_is_asked_newest_first(place: Place) {
    let mut all = Vec::new();
    for n in 0..24_usize {
        let row = BackupRow {
            plan: ["shop", "blog"][n % 2].into(),
            owner: ["anna", "bert", "cleo"][n % 3].into(),
            kind: [Kind::Scheduled, Kind::Manual][n / 12],
            protected: n % 4 == 0,
            created_at: after(n as i64 / 2),
            ..copy(&format!("{n:02}"), "disk")
        };
        place.put(&row).await;
        all.push(row);
    }
    all.reverse();
    let any = Filter { limit: 100, ..Filter::default() };
    let check = async |filter: Filter, fits: &dyn Fn(&BackupRow) -> bool| {
        let expected: Vec<BackupRow> = all.iter().filter(|row| fits(row)).cloned().collect();
        assert!(!expected.is_empty() && expected.len() <= all.len());
        assert_eq!(place.catalog.backups(&filter).await.unwrap(), expected, "{filter:?}");
    };
    check(any.clone(), &|_| true).await;
    check(Filter { owner: Some("cleo".into()), ..any.clone() }, &|row| row.owner == "cleo").await;
    check(Filter { plan: Some("blog".into()), ..any.clone() }, &|row| row.plan == "blog").await;
    check(Filter { kind: Some(Kind::Manual), ..any.clone() }, &|row| row.kind == Kind::Manual).await;
    check(Filter { protected: Some(true), ..any.clone() }, &|row| row.protected).await;
    check(Filter { protected: Some(false), ..any.clone() }, &|row| !row.protected).await;
    check(Filter { since: Some(after(7)), ..any.clone() }, &|row| row.created_at >= after(7)).await;
    check(Filter { until: Some(after(7)), ..any.clone() }, &|row| row.created_at < after(7)).await;
    let filter = Filter {
        owner: Some("anna".into()),
        plan: Some("shop".into()),
        kind: Some(Kind::Scheduled),
        since: Some(after(1)),
        until: Some(after(11)),
        after: Some((after(11), "23".into())),
        protected: Some(false),
        destination: Some("disk".into()),
        proof: Some(Proof::Unverified),
        search: Some("ho".into()),
        limit: 10,
    };
    check(filter, &|row| row.id == "06").await;
}

pub async fn backups_are_found_by_their_copies_and_by_text(place: Place) {
    let rows = [
        BackupRow { verified: Some(Level::Restore), label: Some("Before 100%".into()), ..copy("A", "disk") },
        copy("A", "s3"),
        BackupRow { verified: Some(Level::Checksum), plan: "under_score".into(), ..copy("B", "disk") },
        BackupRow { damaged: Some("cut off".into()), label: Some("1000".into()), ..copy("C", "s3") },
    ];
    place.catalog.put_backups(&rows).await.unwrap();
    let any = Filter { limit: 100, ..Filter::default() };
    let find = async |filter: Filter| {
        let mut found: Vec<String> =
            place.catalog.backups(&filter).await.unwrap().into_iter().map(|row| row.id + &row.destination).collect();
        found.sort();
        found.join(" ")
    };
    let at = |name: &str| Filter { destination: Some(name.into()), ..any.clone() };
    assert_eq!(find(at("s3")).await, "Adisk As3 Cs3", "all copies of what has one there");
    assert_eq!(find(at("dav")).await, "");
    let known = |proof| Filter { proof: Some(proof), ..any.clone() };
    assert_eq!(find(known(Proof::Damaged)).await, "Cs3");
    assert_eq!(find(known(Proof::Unverified)).await, "Cs3");
    assert_eq!(find(known(Proof::Verified)).await, "Adisk As3 Bdisk");
    assert_eq!(find(known(Proof::Restored)).await, "Adisk As3");
    let text = |words: &str| Filter { search: Some(words.into()), ..any.clone() };
    assert_eq!(find(text("bEfOrE")).await, "Adisk");
    assert_eq!(find(text("100%")).await, "Adisk", "a sign of LIKE is only a sign");
    assert_eq!(find(text("r_s")).await, "Bdisk");
    assert_eq!(find(text("c")).await, "Bdisk Cs3", "a plan's name and an id");
    assert_eq!(find(text("'\\")).await, "");
}

pub async fn pages_show_every_backup_once(place: Place) {
    let mut rows = Vec::new();
    for n in 0..30 {
        for destination in ["disk", "s3"] {
            // Ten of one millisecond: the id decides.
            rows.push(BackupRow { created_at: after(n / 10), ..copy(&id(), destination) });
            let last = rows.len() - 1;
            if destination == "s3" {
                rows[last].id = rows[last - 1].id.clone();
            }
        }
    }
    place.catalog.put_backups(&rows).await.unwrap();
    let mut seen: Vec<(i64, String, String)> = Vec::new();
    let mut filter = Filter { limit: 6, ..Filter::default() };
    loop {
        let page = place.catalog.backups(&filter).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some((last.created_at, last.id.clone()));
        seen.extend(page.into_iter().map(|row| (row.created_at.as_millisecond(), row.id, row.destination)));
    }
    assert_eq!(seen.len(), 60);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
}

pub async fn a_copy_is_forgotten_at_one_place_or_at_all(place: Place) {
    for id in ["A", "B"] {
        for destination in ["disk", "s3", "dav"] {
            place.put(&copy(id, destination)).await;
        }
    }
    place.catalog.forget_backup("A", Some("s3")).await.unwrap();
    assert_eq!(place.copies_of("A").await, [copy("A", "dav"), copy("A", "disk")]);
    place.catalog.forget_backup("A", None).await.unwrap();
    assert!(place.copies_of("A").await.is_empty());
    place.catalog.forget_destination("disk").await.unwrap();
    assert_eq!(place.copies_of("B").await, [copy("B", "dav"), copy("B", "s3")]);
}

pub async fn sums_count_a_backup_once_and_its_copies_each(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    place.plan(&anna, "shop").await;
    place.plan(&anna, "blog").await;
    let catalog = &place.catalog;
    assert!(catalog.sums(Of::Owner(None)).await.unwrap().is_empty());
    place.put(&copy("A", "disk")).await;
    place.put(&copy("A", "s3")).await;
    place.put(&BackupRow { bytes: 1 << 40, ..copy("B", "disk") }).await;
    place.put(&BackupRow { plan: "blog".into(), ..copy("C", "disk") }).await;
    place.put(&BackupRow { plan: "gone".into(), ..copy("D", "disk") }).await;
    let sums = async |of| {
        let sums = catalog.sums(of).await.unwrap().into_iter();
        let mut sums: Vec<_> = sums.map(|(plan, sum)| (plan, sum.backups, sum.bytes)).collect();
        sums.sort();
        sums
    };
    let (blog, gone, shop) = (("blog".into(), 1, 100), ("gone".into(), 1, 100), ("shop".into(), 2, 200 + (1 << 40)));
    assert_eq!(sums(Of::Owner(None)).await, [blog.clone(), gone, shop.clone()]);
    assert_eq!(sums(Of::Owner(Some(&anna.id))).await, [blog, shop.clone()]);
    assert_eq!(sums(Of::Plan("shop")).await, [shop]);
    assert!(sums(Of::Plan("none")).await.is_empty() && sums(Of::Owner(Some("bert"))).await.is_empty());
}

pub async fn what_a_plan_can_rely_on_is_told_of_each_destination(place: Place) {
    let anna = place.account("anna", Role::Operator).await;
    place.plan(&anna, "shop").await;
    let at = |n, id: &str| BackupRow { created_at: after(n), verified: Some(Level::Checksum), ..copy(id, "disk") };
    let all = [
        at(1, "A"),
        BackupRow { destination: "s3".into(), verified: Some(Level::Restore), ..at(1, "A") },
        BackupRow { format: Format::Csv, ..at(2, "B") },
        BackupRow { damaged: Some("bytes".into()), ..at(3, "C") },
        BackupRow { verified: None, ..at(4, "D") },
        BackupRow { kind: Kind::PreRestore, ..at(5, "E") },
    ];
    for row in &all {
        place.put(row).await;
    }
    place.put(&BackupRow { verified: None, ..copy("F", "dav") }).await;
    for of in [Of::Plan("shop"), Of::Owner(Some(&anna.id)), Of::Owner(None)] {
        let newest = place.catalog.newest_copies(of).await.unwrap();
        let newest: Vec<_> = newest.iter().map(|copy| (copy.destination.as_str(), copy.created_at)).collect();
        assert_eq!(newest, [("disk", after(2)), ("s3", after(1))]);
        assert_eq!(place.catalog.sums(of).await.unwrap()["shop"].relied, Some(after(1)));
    }
    place.catalog.forget_backup("D", None).await.unwrap();
    place.catalog.forget_backup("C", None).await.unwrap();
    place.catalog.forget_backup("B", None).await.unwrap();
    let newest = place.catalog.newest_backups(Some(&anna.id)).await.unwrap();
    assert_eq!(newest, [all[1].clone(), all[0].clone()], "every copy of it");
    assert!(place.catalog.newest_backups(Some("bert")).await.unwrap().is_empty());
}

pub async fn a_backup_is_found_by_the_beginning_or_the_end_of_its_id(place: Place) {
    let ids = ["01J0000000AAAAAAAAAAXXXXXX", "01J0000000AAAAAAAAAAYYYYYY", "01J1ZZZZZZAAAAAAAAAAXXXXXX"];
    for id in ids {
        place.put(&copy(id, "disk")).await;
        place.put(&copy(id, "s3")).await;
    }
    place.put(&BackupRow { owner: "bert".into(), ..copy("01K00000000000000000000000", "disk") }).await;
    let find = async |prefix: &str, owner: Option<&str>| place.catalog.backup_ids(prefix, owner, 9).await.unwrap();
    assert_eq!(find("01J0", None).await, ids[..2]);
    assert_eq!(find("01J1Z", Some("anna")).await, ids[2..]);
    assert_eq!(find(ids[1], None).await, ids[1..2]);
    assert_eq!(find("XXXXXX", None).await, [ids[0], ids[2]]);
    assert_eq!(find("01J000", None).await, ids[..2]);
    assert_eq!(find("01K", Some("anna")).await, [""; 0]);
    assert_eq!(find("", Some("anna")).await, ids);
    for nothing in ["%", "-01J", "01J~", "'", "01J0000000AAAAAAAAAAXXXXXXX"] {
        assert_eq!(find(nothing, None).await, [""; 0], "{nothing}");
    }
}

pub async fn two_looks_at_once_end_with_what_both_saw(place: Place) {
    let rows: Vec<BackupRow> = (0..1200).map(|n| copy(&format!("{n:05}"), "disk")).collect();
    let backwards: Vec<BackupRow> = rows.iter().rev().cloned().collect();
    let catalog = &place.catalog;
    let (a, b, c, d) = tokio::join!(
        catalog.put_backups(&rows),
        catalog.put_backups(&backwards),
        catalog.own_backups("shop", "anna"),
        catalog.put_backups(&rows[600..])
    );
    for done in [a, b, c, d] {
        done.unwrap();
    }
    assert_eq!(catalog.sums(Of::Plan("shop")).await.unwrap()["shop"].backups, 1200);
}
