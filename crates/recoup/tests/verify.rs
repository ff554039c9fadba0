//! The verb *verify*: damage of any kind is found, at the level that promises to find it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use recoup::model::{Format, Level};
use recoup::progress::Context;
use recoup_testkit::sample::Sample;

/// R7: one random bit per trial in every file of a backup, manifest included.
#[test]
fn one_flipped_bit_anywhere_is_found() {
    let trials = if std::env::var_os("SOAK").is_some() { 2000 } else { 500 };
    for format in [Format::Archive, Format::Database, Format::Json, Format::Csv, Format::Both] {
        let sample = Sample::new();
        let sources = if format == Format::Archive { sample.sources() } else { vec![sample.database_source()] };
        sample.back_up_as(&sources, format).unwrap();
        let store = sample.store();
        let scratch = tempfile::tempdir().unwrap();
        let files = sample.stored_files();
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        let mut found = 0;
        for trial in 0..trials {
            let path = sample.backups().join(&files[trial % files.len()]);
            let whole = fs::read(&path).unwrap();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bit = (random >> 24) as usize % (whole.len() * 8);
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &damaged).unwrap();
            let listing = store.list(Some("shop")).unwrap();
            let caught = match listing.backups.first() {
                None => !listing.damaged.is_empty(),
                Some(listed) => {
                    let report =
                        recoup::verify::run(store.as_ref(), listed, Level::Checksum, scratch.path(), &Context::quiet());
                    !report.unwrap().ok
                }
            };
            found += usize::from(caught);
            assert!(caught, "{format}: bit {bit} of {}", path.display());
            fs::write(&path, &whole).unwrap();
        }
        println!("R7 {format} trials={trials} bad={}", trials - found);
        assert!(sample.verify(Level::Restore).ok, "{format} after the damage was taken back");
    }
}

#[test]
fn a_missing_object_is_a_problem_not_an_error() {
    let sample = Sample::new();
    let manifest = sample.back_up().manifest;
    fs::remove_file(sample.backups().join("shop").join(&manifest.objects[0].name)).unwrap();
    let report = sample.verify(Level::Checksum);
    assert_eq!(report.problems[0].code, "object_missing");
}

#[test]
fn a_truncated_object_is_found() {
    let sample = Sample::new();
    let manifest = sample.back_up().manifest;
    let path = sample.backups().join("shop").join(&manifest.objects[0].name);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(sample.verify(Level::Checksum).problems[0].code, "size_differs");
}

#[test]
fn a_test_restore_leaves_the_destination_and_scratch_as_they_were() {
    let sample = Sample::new();
    sample.back_up();
    let before = sample.stored_files();
    let report = sample.verify(Level::Restore);
    assert!(report.ok, "{:?}", report.problems);
    assert_eq!(sample.stored_files(), before);
}
