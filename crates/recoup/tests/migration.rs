//! The backup before a migration: which existing one serves, what is compared, and where it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use jiff::SignedDuration;
use recoup::hooks::{Occasion, of_plan};
use recoup::migration::{self, Made, Terms};
use recoup::model::hook::{HookAction, HookSpec, Hooks};
use recoup::model::{Format, Kind};
use recoup::progress::Context;
use recoup::{Result, backup};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::sample::Sample;

fn request(sample: &Sample) -> backup::Request {
    backup::Request { kind: Kind::PreMigration, ..sample.request(&sample.sources(), Format::Archive) }
}

fn attempt(sample: &Sample, terms: Terms, context: &Context) -> Result<(String, bool)> {
    Ok(match migration::run(&request(sample), &[sample.store()], &terms, context)? {
        Made::Reused(listed, warnings) => {
            assert!(warnings.is_empty() && listed.protected, "{warnings:?}");
            (listed.manifest.id.to_string(), true)
        }
        Made::New(report) => (report.manifest.id.to_string(), false),
    })
}

fn again(sample: &Sample) -> (String, bool) {
    attempt(sample, Terms::default(), &Context::quiet()).unwrap()
}

#[test]
fn one_row_one_mode_or_one_link_is_a_change() {
    let sample = Sample::new();
    let (first, _) = again(&sample);
    assert_eq!(again(&sample), (first, true));
    let picture = sample.app().join("pictures/000.jpg");
    let link = sample.app().join("pictures/newest.jpg");
    let changes: [&dyn Fn(); 4] = [
        &|| sample.sql("UPDATE product SET price = 1201 WHERE id = 1"),
        &|| fs::set_permissions(&picture, fs::Permissions::from_mode(0o600)).unwrap(),
        &|| {
            fs::remove_file(&link).unwrap();
            std::os::unix::fs::symlink("2026/003.jpg", &link).unwrap();
        },
        &|| fs::remove_dir(sample.app().join("pictures/2026/empty")).unwrap(),
    ];
    for (n, change) in changes.iter().enumerate() {
        change();
        let (made, reused) = again(&sample);
        assert!(!reused, "change {n} was not seen");
        assert_eq!(again(&sample), (made, true), "after change {n}");
    }
}

#[test]
fn a_database_that_was_only_checkpointed_or_opened_has_not_changed() {
    let sample = Sample::new();
    let (first, _) = again(&sample);
    sample.sql("SELECT count(*) FROM product; PRAGMA wal_checkpoint(TRUNCATE)");
    assert_eq!(again(&sample), (first, true));
}

#[test]
fn a_compacted_copy_is_recognised_too() {
    let sample = Sample::new();
    let spec = [sample.database_source()];
    let factories = || {
        let make = |spec| recoup::source::factory(spec, &sample.app(), true, Arc::new(Vec::new));
        spec.iter().map(make).collect::<Vec<_>>()
    };
    let run = || {
        let request = backup::Request { sources: factories(), ..sample.request(&spec, Format::Database) };
        let request = backup::Request { kind: Kind::PreMigration, ..request };
        migration::run(&request, &[sample.store()], &Terms::default(), &Context::quiet()).unwrap()
    };
    assert!(matches!(run(), Made::New(_)));
    assert!(matches!(run(), Made::Reused(..)));
}

#[test]
fn what_is_too_old_or_dated_in_the_future_does_not_serve() {
    let sample = Sample::new();
    let now = jiff::Timestamp::now();
    let clock = HandClock::at(now.saturating_add(SignedDuration::from_hours(48)).unwrap());
    let (future, _) = attempt(&sample, Terms::default(), &clock.context()).unwrap();
    clock.set(now);
    let (made, reused) = attempt(&sample, Terms::default(), &clock.context()).unwrap();
    assert!(!reused && made != future, "a clock that was wrong makes a backup fresh for ever");
    clock.forward(23);
    assert_eq!(attempt(&sample, Terms::default(), &clock.context()).unwrap(), (made.clone(), true));
    clock.forward(2);
    let (later, reused) = attempt(&sample, Terms::default(), &clock.context()).unwrap();
    assert!(!reused && later != made);
}

#[test]
fn at_the_limit_a_new_one_is_refused_and_an_old_one_still_serves() {
    let sample = Sample::new();
    let one = Terms { most: 1, ..Terms::default() };
    let (first, _) = attempt(&sample, one, &Context::quiet()).unwrap();
    assert_eq!(attempt(&sample, one, &Context::quiet()).unwrap(), (first.clone(), true));
    sample.sql("DELETE FROM product WHERE id = 2");
    for terms in [one, Terms { most_bytes: 1, ..Terms::default() }] {
        let error = attempt(&sample, terms, &Context::quiet()).unwrap_err();
        assert_eq!(error.code(), "protected_full");
        assert!(error.hint_text().unwrap().contains("recoup prune --protected --older-than 30d"), "{error}");
    }
    let listing = sample.store().list(None).unwrap();
    assert_eq!(listing.backups.len(), 1, "nothing is removed and nothing is made");
    assert_eq!(listing.backups[0].manifest.id.to_string(), first);
}

#[test]
fn the_application_is_held_still_only_when_a_backup_is_made() {
    let sample = Sample::new();
    let log = sample.path().join("log");
    let line = format!("echo $HOOK_MOMENT >> {}", log.display());
    let action = HookAction::Program(vec!["sh".into(), "-c".into(), line]);
    let note = HookSpec { action, timeout_ms: 5_000 };
    let hooks = Hooks { before_backup: vec![note.clone()], after_backup: vec![note], ..Hooks::default() };
    for _ in 0..2 {
        let mut request = request(&sample);
        request.hooks = of_plan(&hooks, Occasion::Backup);
        migration::run(&request, &[sample.store()], &Terms::default(), &Context::quiet()).unwrap();
    }
    assert_eq!(fs::read_to_string(log).unwrap(), "before\nafter\n");
}

#[test]
fn an_export_is_never_taken_for_the_data() {
    let sample = Sample::new();
    let json = || {
        let mut request = sample.request(&[sample.database_source()], Format::Json);
        request.kind = Kind::PreMigration;
        migration::run(&request, &[sample.store()], &Terms::default(), &Context::quiet()).unwrap()
    };
    assert!(matches!(json(), Made::New(_)) && matches!(json(), Made::New(_)));
}
