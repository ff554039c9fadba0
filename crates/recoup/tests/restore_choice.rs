//! The verb *restore*: parts of a backup, folders, previews, and backups that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use recoup::ErrorKind;
use recoup::model::{Format, Outcome, SourceSpec};
use recoup::progress::Context;
use recoup::restore::{self, Opened, Places};
use recoup_testkit::restoring::restore as put_back;
use recoup_testkit::restoring::{BUSY, How, change, no_leftovers, restore_as, state};
use recoup_testkit::sample::Sample;
use recoup_testkit::tree::tree;
use rusqlite::Connection;

#[test]
fn only_what_is_named_comes_back() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    change(&sample, "changed");
    let rows = |sample: &Sample| -> i64 {
        Connection::open(sample.database())
            .unwrap()
            .query_row("SELECT count(*) FROM product WHERE title = 'changed'", [], |r| r.get(0))
            .unwrap()
    };
    restore_as(&sample, &listed, How { only: &["pictures"], ..How::default() }).unwrap();
    assert_eq!(rows(&sample), 1);
    assert!(!sample.app().join("pictures/new.jpg").exists());
    assert_eq!(fs::read_to_string(sample.app().join("config.yml")).unwrap(), "changed");

    restore_as(&sample, &listed, How { only: &["config.yml"], ..How::default() }).unwrap();
    assert_ne!(fs::read_to_string(sample.app().join("config.yml")).unwrap(), "changed");
    assert_eq!(rows(&sample), 1);

    sample.sql("INSERT INTO setting VALUES ('mine', 'stays')");
    restore_as(&sample, &listed, How { only: &["shop:product"], ..How::default() }).unwrap();
    assert_eq!(rows(&sample), 0);
    let kept: i64 = Connection::open(sample.database())
        .unwrap()
        .query_row("SELECT count(*) FROM setting WHERE key = 'mine'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(kept, 1);

    let error = restore_as(&sample, &listed, How { only: &["nothing"], ..How::default() }).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, "part_missing"));
}

#[test]
fn a_folder_gets_everything_and_nothing_else_is_touched() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    let before = state(&sample);
    let to = sample.path().join("fresh");
    let scratch = tempfile::tempdir().unwrap();
    let mut opened = Opened::stored(sample.store().as_ref(), &listed, scratch.path(), &Context::quiet()).unwrap();
    let report = restore::to_folder(&mut opened, &[], &to, &Context::quiet()).unwrap();
    assert_eq!(report.outcome, Outcome::Good);
    assert_eq!(state(&sample), before);
    let mut names: Vec<_> =
        fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["config.yml", "hello.txt", "pictures", "settings.env", "settings.json", "shop.db"]);
    let rows: i64 = Connection::open(to.join("shop.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM product", [], |r| r.get(0))
        .unwrap();
    assert_eq!(rows, 3);
    no_leftovers(&sample);
    let error = restore::to_folder(&mut opened, &[], &to, &Context::quiet()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
    let only = ["shop:product".to_owned(), "pictures/a.jpg".to_owned()];
    let one = sample.path().join("one");
    fs::create_dir(&one).unwrap();
    let picture = tree(&sample.app().join("pictures"))
        .into_iter()
        .find(|name| sample.app().join("pictures").join(name).symlink_metadata().unwrap().is_file())
        .unwrap();
    let only = [only[0].clone(), format!("pictures/{picture}")];
    restore::to_folder(&mut opened, &only, &one, &Context::quiet()).unwrap();
    assert_eq!(recoup_testkit::tree::files(&one), [format!("pictures/{picture}"), "shop-product.db".to_owned()]);
}

#[test]
fn what_a_plan_leaves_out_of_a_directory_is_still_there_afterwards() {
    let sample = Sample::new();
    let mut sources = sample.sources();
    for source in &mut sources {
        if let SourceSpec::Directory(spec) = source {
            spec.exclude = vec!["cache/".into()];
        }
    }
    let cache = sample.app().join("pictures/deep/cache");
    fs::create_dir_all(&cache).unwrap();
    fs::write(cache.join("expensive"), "computed").unwrap();
    sample.back_up_as(&sources, Format::Archive).unwrap();
    let listed = sample.latest();
    let original = state(&sample);
    change(&sample, "changed");
    let places = Places::of_plan(&listed.manifest, &sources, sample.path()).unwrap();
    let report = restore_as(&sample, &listed, How { places: Some(places), ..How::default() }).unwrap();
    assert_eq!(fs::read_to_string(cache.join("expensive")).unwrap(), "computed");
    assert!(report.warnings.iter().all(|warning| warning.code != "kept"), "{:?}", report.warnings);
    assert_eq!(state(&sample), original);
}

#[test]
fn a_backup_of_a_newer_schema_or_another_application_is_refused_unless_forced() {
    let sample = Sample::new();
    sample.sql("PRAGMA user_version=7");
    sample.back_up();
    let listed = sample.latest();
    sample.sql("PRAGMA user_version=6");
    let error = put_back(&sample, &listed).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "Backup from newer version, cannot restore"));
    sample.sql("PRAGMA user_version=8");
    let report = put_back(&sample, &listed).unwrap();
    let text = report.warnings.iter().find(|warning| warning.code == "version_older").unwrap().text.clone();
    assert!(text.starts_with("Backup from older version, may have issues"), "{text}");
    sample.sql("PRAGMA application_id=99");
    let error = put_back(&sample, &listed).unwrap_err();
    assert_eq!(error.code(), "another_application");
    restore_as(&sample, &listed, How { force: true, ..How::default() }).unwrap();
    let id: i64 =
        Connection::open(sample.database()).unwrap().query_row("PRAGMA application_id", [], |r| r.get(0)).unwrap();
    assert_eq!(id, 0);
}

#[test]
fn a_preview_tells_what_comes_back_and_what_is_lost_and_is_stale_when_the_data_changes() {
    let sample = Sample::new();
    sample.back_up();
    let listed = sample.latest();
    change(&sample, "changed");
    let before = state(&sample);
    let scratch = tempfile::tempdir().unwrap();
    let context = Context::quiet();
    let mut opened = Opened::stored(sample.store().as_ref(), &listed, scratch.path(), &context).unwrap();
    let places = Places::of_plan(&listed.manifest, &sample.sources(), sample.path()).unwrap();
    let preview = restore::preview(&mut opened, &[], &places, scratch.path(), BUSY, &context).unwrap();
    let product = &preview.differences.databases[0].tables[0];
    assert_eq!((product.name.as_str(), product.added, product.removed), ("product", 1, 1));
    let pictures = preview.differences.directories.iter().find(|directory| directory.name == "pictures").unwrap();
    assert_eq!((pictures.added, pictures.removed), (0, 1));
    assert!(preview.refused.is_none());
    assert_eq!(state(&sample), before);
    no_leftovers(&sample);
    sample.sql("INSERT INTO product(title) VALUES ('meanwhile')");
    let error = restore_as(&sample, &listed, How { seen: Some(&preview.seen), ..How::default() }).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "preview_stale"));
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_clear_error() {
    assert!(Path::new("/proc/version").exists());
    let sample = Sample::new();
    sample.back_up();
    let mut listed = sample.latest();
    for part in &mut listed.manifest.parts {
        part.origin = Some("/proc/nowhere/shop.db".into());
    }
    let how = How { only: &["shop"], places: Some(Places::origins(&listed.manifest)), ..How::default() };
    let error = restore_as(&sample, &sample.latest(), how).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
