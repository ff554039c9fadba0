//! A backup of what has not changed, in a history: it is made of the bytes of the one before, nothing is read; and whatever
//! changes is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use recoup::backup::{self, Report, Request};
use recoup::destination::LocalDestination;
use recoup::model::{Format, Level, Manifest, SourceSpec};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::verify;
use recoup_testkit::faults::read_so_far;
use recoup_testkit::sample::Sample;

/// Longer than file systems take to tell a later change by its time.
fn settle() {
    std::thread::sleep(Duration::from_millis(2_100));
}

fn store(sample: &Sample) -> Arc<dyn Store> {
    on(sample, &sample.backups())
}

fn on(sample: &Sample, root: &Path) -> Arc<dyn Store> {
    let destination = Arc::new(LocalDestination::open(root, true).unwrap());
    Arc::new(FilesStore::new(destination).with_history(sample.path().to_owned()))
}

/// Everything but the command, whose output only running it tells.
fn quiet(sample: &Sample) -> Vec<SourceSpec> {
    let mut specs = sample.sources();
    specs.retain(|spec| !matches!(spec, SourceSpec::Command(_)));
    specs
}

fn request(sample: &Sample) -> Request {
    sample.request(&quiet(sample), Format::Archive)
}

fn run(sample: &Sample, request: &Request) -> Report {
    backup::run(request, &[store(sample)], &Context::quiet()).unwrap()
}

/// Verifies a backup by a test restore.
fn proven(sample: &Sample, manifest: &Manifest) {
    let store = store(sample);
    let listed =
        store.list(Some("shop")).unwrap().backups.into_iter().find(|one| one.manifest.id == manifest.id).unwrap();
    let scratch = tempfile::tempdir_in(sample.path()).unwrap();
    let report = verify::run(store.as_ref(), &listed, Level::Restore, scratch.path(), &Context::quiet()).unwrap();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
}

#[test]
fn nothing_is_read_and_nothing_is_stored() {
    let sample = Sample::new();
    fs::write(sample.app().join("pictures/large.jpg"), vec![7; 20 << 20]).unwrap();
    settle();
    let first = run(&sample, &request(&sample)).manifest;
    assert!(first.state.is_some() && first.same_as.is_none());
    let before = read_so_far();
    let second = run(&sample, &request(&sample)).manifest;
    let read = read_so_far() - before;
    assert!(read < 2 << 20, "{read} bytes were read");
    assert_eq!((second.same_as.as_ref(), second.stored_bytes()), (Some(&first.id), 0));
    assert_eq!(second.parts, first.parts);
    assert!(second.created_at > first.created_at);
    let third = run(&sample, &request(&sample)).manifest;
    assert_eq!(third.same_as.as_ref(), Some(&first.id), "the archive calls itself by the first one's name");
    // What it is the same as may go.
    store(&sample).delete(&first.id, false).unwrap();
    store(&sample).sweep().unwrap();
    for manifest in [&second, &third] {
        proven(&sample, manifest);
    }
    // And the next change is told from what is kept, not from the pieces.
    sample.sql("INSERT INTO product VALUES(4,'Jug',2200)");
    let changed = run(&sample, &request(&sample)).manifest;
    assert!(changed.same_as.is_none() && changed.stored_bytes() < 100_000, "{}", changed.stored_bytes());
    proven(&sample, &changed);
}

/// What somebody does, and how.
type Change<'a> = (&'static str, Box<dyn Fn() + 'a>);

#[test]
fn whatever_changes_is_noticed() {
    let sample = Sample::new();
    let picture = sample.app().join("pictures/000.jpg");
    let live = rusqlite::Connection::open(sample.database()).unwrap();
    let changes: Vec<Change<'_>> = vec![
        (
            "a commit that is in the log alone",
            Box::new(|| {
                live.execute_batch("PRAGMA wal_autocheckpoint=0; UPDATE product SET price = price + 1").unwrap();
            }),
        ),
        (
            "bytes whose time was set back",
            Box::new(|| {
                let times = File::open(&picture).unwrap().metadata().unwrap().modified().unwrap();
                let old = fs::read(&picture).unwrap();
                fs::write(&picture, old.iter().map(|byte| byte ^ 1).collect::<Vec<u8>>()).unwrap();
                File::options()
                    .write(true)
                    .open(&picture)
                    .unwrap()
                    .set_times(FileTimes::new().set_modified(times))
                    .unwrap();
            }),
        ),
        ("a file's rights", Box::new(|| fs::set_permissions(&picture, fs::Permissions::from_mode(0o600)).unwrap())),
        ("a new file", Box::new(|| fs::write(sample.app().join("pictures/new.jpg"), "new").unwrap())),
        (
            "a name",
            Box::new(|| {
                fs::rename(sample.app().join("pictures/new.jpg"), sample.app().join("pictures/newer.jpg")).unwrap();
            }),
        ),
        ("a file that is gone", Box::new(|| fs::remove_file(sample.app().join("pictures/newer.jpg")).unwrap())),
        (
            "another file in the place of one",
            Box::new(|| {
                let beside = sample.app().join("beside.yml");
                fs::write(&beside, "port: 9090\n").unwrap();
                fs::rename(beside, sample.app().join("config.yml")).unwrap();
            }),
        ),
        (
            "where a link leads",
            Box::new(|| {
                let link = sample.app().join("pictures/newest.jpg");
                fs::remove_file(&link).unwrap();
                std::os::unix::fs::symlink("000.jpg", link).unwrap();
            }),
        ),
    ];
    settle();
    run(&sample, &request(&sample));
    for (what, change) in &changes {
        change();
        settle();
        let manifest = run(&sample, &request(&sample)).manifest;
        assert!(manifest.same_as.is_none() && manifest.stored_bytes() > 0, "{what} was not noticed");
        proven(&sample, &manifest);
        let again = run(&sample, &request(&sample)).manifest;
        assert_eq!(again.same_as, Some(manifest.id), "after {what}: {:?} {:?}", manifest.state, manifest.warnings);
    }
    // A setting, and what is asked for.
    let mut specs = quiet(&sample);
    specs.retain(|spec| !matches!(spec, SourceSpec::File(_)));
    let fewer = run(&sample, &sample.request(&specs, Format::Archive)).manifest;
    assert!(fewer.same_as.is_none());
    let environment = || vec![("SHOP_REGION".into(), "us".into())];
    let sources = specs.iter().map(|spec| recoup::source::factory(spec, &sample.app(), false, Arc::new(environment)));
    let set = run(&sample, &Request { sources: sources.collect(), ..request(&sample) }).manifest;
    assert!(set.same_as.is_none());
    proven(&sample, &set);
}

#[test]
fn who_cannot_be_sure_reads() {
    let sample = Sample::new();
    let hurried = run(&sample, &request(&sample)).manifest;
    assert_eq!(hurried.state, None, "what has just been written may be written again in the same moment");
    settle();
    assert!(run(&sample, &request(&sample)).manifest.same_as.is_none());
    assert!(run(&sample, &request(&sample)).manifest.same_as.is_some());
    let rescanned = run(&sample, &Request { rescan: true, ..request(&sample) }).manifest;
    assert!(rescanned.same_as.is_none() && rescanned.state.is_some());
    // Only running a command tells what it says.
    let run_twice = || run(&sample, &sample.request(&sample.sources(), Format::Archive)).manifest.same_as;
    assert_eq!((run_twice(), run_twice()), (None, None));
    // Outside of a history every backup has its own bytes.
    let files = tempfile::tempdir().unwrap();
    let plain: Arc<dyn Store> =
        Arc::new(FilesStore::new(Arc::new(LocalDestination::open(files.path(), true).unwrap())));
    for _ in 0..2 {
        let manifest =
            backup::run(&request(&sample), std::slice::from_ref(&plain), &Context::quiet()).unwrap().manifest;
        assert!(manifest.state.is_none() && manifest.same_as.is_none());
    }
}

#[test]
fn several_stores_repeat_together_or_not_at_all() {
    let sample = Sample::new();
    let (one, other) = (sample.path().join("one"), sample.path().join("other"));
    let both = [on(&sample, &one), on(&sample, &other)];
    let database = || sample.request(&[sample.database_source()], Format::Database);
    settle();
    let first = backup::run(&database(), &both, &Context::quiet()).unwrap().manifest;
    let again = backup::run(&database(), &both, &Context::quiet()).unwrap();
    assert_eq!((again.manifest.same_as, again.stored.len()), (Some(first.id), 2));
    let part = &again.manifest.parts[0];
    assert_eq!(part.path, again.manifest.objects[0].name);
    // One of them has lost its backups.
    fs::remove_dir_all(other.join("shop")).unwrap();
    let full = backup::run(&database(), &both, &Context::quiet()).unwrap();
    assert!(full.manifest.same_as.is_none() && full.stored.len() == 2);
    let scratch = tempfile::tempdir().unwrap();
    for store in both {
        for listed in store.list(Some("shop")).unwrap().backups {
            let report =
                verify::run(store.as_ref(), &listed, Level::Restore, scratch.path(), &Context::quiet()).unwrap();
            assert!(report.problems.is_empty(), "{:?}", report.problems);
        }
    }
}
