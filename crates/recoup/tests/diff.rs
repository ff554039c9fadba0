//! The verb *diff*: between two backups, and between a backup and the live data.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use recoup::diff::{self, Right};
use recoup::progress::Context;
use recoup_testkit::sample::Sample;

fn change(sample: &Sample) {
    sample.sql(
        "UPDATE product SET price=1 WHERE id=1; DELETE FROM product WHERE id=2;
         INSERT INTO product VALUES(7,'Fork',1),(8,'Knife',2); CREATE INDEX by_title ON product(title);",
    );
    fs::write(sample.app().join("pictures/000.jpg"), "other").unwrap();
    fs::write(sample.app().join("pictures/new.jpg"), "new").unwrap();
    fs::remove_file(sample.app().join("pictures/2026/001.jpg")).unwrap();
}

fn expect(report: &diff::Report) {
    let table = &report.databases[0].tables[0];
    assert_eq!((table.name.as_str(), table.added, table.removed, table.changed), ("product", 2, 1, 1));
    assert_eq!(report.databases[0].schema, ["+ index by_title"]);
    let pictures = report.directories.iter().find(|directory| directory.name == "pictures").unwrap();
    assert_eq!((pictures.added, pictures.removed, pictures.changed), (1, 1, 1));
    assert_eq!(pictures.examples, ["~ 000.jpg", "- 2026/001.jpg", "+ new.jpg"]);
    let others = report.directories.iter().filter(|directory| directory.name != "pictures");
    assert_eq!(others.map(|other| other.added + other.removed + other.changed).sum::<u64>(), 0);
}

#[test]
fn a_backup_and_the_live_data_differ_by_exactly_what_was_changed() {
    let sample = Sample::new();
    sample.back_up();
    change(&sample);
    let scratch = tempfile::tempdir().unwrap();
    let sources = sample.factories(&sample.sources());
    let store = sample.store();
    let report =
        diff::run(store.as_ref(), &sample.latest(), Right::Live(&sources), scratch.path(), &Context::quiet()).unwrap();
    expect(&report);
}

#[test]
fn two_backups_differ_by_exactly_what_was_changed_and_one_not_from_itself() {
    let sample = Sample::new();
    let first = sample.back_up().manifest.id;
    change(&sample);
    sample.back_up();
    let store = sample.store();
    let listing = store.list(Some("shop")).unwrap();
    let first = listing.find(first.as_str()).unwrap();
    let compare = |right| {
        let scratch = tempfile::tempdir().unwrap();
        let right = Right::Backup(store.as_ref(), right);
        diff::run(store.as_ref(), first, right, scratch.path(), &Context::quiet()).unwrap()
    };
    expect(&compare(listing.find("latest").unwrap()));
    let same = compare(first);
    assert!(same.databases[0].tables.is_empty() && same.databases[0].schema.is_empty());
    assert!(same.directories.iter().all(|directory| directory.examples.is_empty()));
}
