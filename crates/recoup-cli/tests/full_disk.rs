//! A disk that is full, or that fails, at any moment of `recoup backup`: either the backup is good, or the run says
//! so in the words that are promised, nothing is listed, nothing lies about, and older backups are untouched.
//!
//! Not here: full disks of single steps; those are tests of the library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use recoup_testkit::faults::{injected, on_tmpfs, run, soak, text};
use serde_json::Value;
use support::{Scene, answer, counts, document, good, ids, spread};

/// Why a run on a full disk did not end as it must; `None` when it did.
fn wrong(exit: i32, answer: &Value, new: &[String], verified: bool) -> Option<String> {
    let told = &answer["error"]["message"];
    let refused = exit == 15 && told == "Not enough disk space" && new.is_empty();
    let made = made(exit, answer, new, verified);
    (!refused && !made).then(|| format!("exit {exit}, new {new:?}, verified {verified}: {answer:#}"))
}

/// Whether a whole backup was made; that the answer could not be printed is then the only thing that may be wrong.
fn made(exit: i32, answer: &Value, new: &[String], verified: bool) -> bool {
    let error = &answer["error"];
    let mut told = [&error["message"], &error["detail"]].into_iter().filter_map(Value::as_str);
    let unprinted = exit != 0 && told.any(|text| text.starts_with("writing the answer: "));
    (matches!(exit, 0 | 3) || unprinted) && new.len() == 1 && verified
}

fn without(before: &[String], after: Vec<String>) -> Vec<String> {
    after.into_iter().filter(|one| !before.contains(one)).collect()
}

/// A scene with one good backup, and its id.
fn scene_with_backup(kilobytes: u32) -> (Scene, String) {
    let scene = Scene::new(kilobytes);
    let (exit, answer) = answer(&mut scene.backup("app.db", "archive"));
    assert_eq!(exit, 0, "{answer:#}");
    let id = answer["id"].as_str().unwrap().to_owned();
    (scene, id)
}

/// Runs a backup in which every chosen call fails with `error`, and calls `judge` with how it ended: exit code,
/// answer, ids that are listed now and were not, whether they verify. Returns trials and what was bad.
fn inject_all(
    syscalls: &[&str],
    points_each: usize,
    error: &str,
    judge: impl Fn(i32, &Value, &[String], bool) -> Option<String>,
) -> (usize, Vec<String>) {
    let (scene, older) = scene_with_backup(100);
    let source = scene.source();
    let (mut trials, mut bad) = (0, Vec::new());
    for format in ["archive", "database", "json", "csv"] {
        let counts = counts(&scene.backup("app.db", format), syscalls, &scene.path().join("log"));
        let points = spread(&counts, points_each.min(counts.values().sum()));
        let (mut before, mut lying) = (scene.listed(), scene.leftovers());
        for point in points {
            let command = scene.backup("app.db", format);
            let output = run(&mut injected(&command, &point, &format!("error={error}")));
            let exit = output.status.code().unwrap_or_else(|| panic!("{format} {point:?}: {}", text(&output)));
            let listed = scene.listed();
            let new = without(&before, listed.clone());
            let refs: Vec<&str> = new.iter().map(String::as_str).collect();
            let verified = !new.is_empty() && scene.verifies(&refs, "integrity");
            if let Some(why) = judge(exit, &document(&output), &new, verified) {
                bad.push(format!("{format} {point:?}: {why}"));
            }
            let left = scene.leftovers();
            let more = without(&lying, left.clone());
            if !more.is_empty() {
                bad.push(format!("{format} {point:?}: left behind {more:?} (exit {exit})"));
            }
            if !scene.verifies(&[&older], "integrity") || scene.source() != source {
                bad.push(format!("{format} {point:?}: damage to an older backup or to the source"));
            }
            (before, lying) = (listed, left);
            trials += 1;
        }
    }
    (trials, bad)
}

#[test]
fn a_disk_full_at_any_write_is_told_and_leaves_nothing() {
    let points = if soak() { 10_000 } else { 30 };
    let (trials, bad) = inject_all(&["write", "pwrite64", "fallocate"], points, "ENOSPC", wrong);
    println!("R5 trials={trials} bad={} (at a write)", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(trials >= 100);
}

#[test]
fn a_disk_that_fails_at_any_sync_never_gives_a_listed_backup() {
    let (trials, bad) =
        inject_all(&["fsync", "fdatasync", "sync_file_range"], 10_000, "EIO", |exit, answer, new, _| {
            let told = exit != 0 && exit != 3 && answer["error"]["message"].is_string() && new.is_empty();
            (!told).then(|| format!("exit {exit}, new {new:?}: {answer:#}"))
        });
    println!("R6 trials={trials} bad={} (at a sync)", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(trials >= 15);
}

#[test]
fn a_disk_that_fails_at_any_write_never_gives_a_false_success() {
    let points = if soak() { 10_000 } else { 25 };
    let (trials, bad) = inject_all(&["write", "pwrite64"], points, "EIO", |exit, answer, new, verified| {
        let told = !matches!(exit, 0 | 3) && answer["error"]["message"].is_string() && new.is_empty();
        let made = made(exit, answer, new, verified);
        (!told && !made).then(|| format!("exit {exit}, new {new:?}, verified {verified}: {answer:#}"))
    });
    println!("R6 trials={trials} bad={} (at a write)", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(trials >= 75);
}

/// In a file system of its own on `backups`: the older backup first, then the new one, then what there is. The
/// answers are kept beside it. Ends with 99 when not even the older backup fits.
const ON_SMALL_DISK: &str = r#"
cp -a "$2/." backups/ 2>/dev/null || exit 99
"$0" backup --json --plan app --database app.db --directory pics --to backups --format "$4" >"$3/backup"; exit=$?
"$0" list --json --at backups >"$3/list" || exit 98
"$0" verify --json --all --at backups --level integrity >"$3/verify"
"$0" verify --json "$1" --at backups --level integrity >"$3/older"
find backups -mindepth 1 ! -name '*.zip' ! -name '*.json' ! -path backups/app ! -path backups/.recoup ! -path backups/.recoup-destination >"$3/left"
find backups -name '*.zip' | wc -l >"$3/objects"
exit $exit
"#;

/// What happens on a file system with these mount options: `None` when even the older backup does not fit, else
/// whether the new backup was made, or why it is bad.
fn on_small_disk(scene: &Scene, older: &str, kept: &Path, options: &str) -> Option<Result<bool, String>> {
    let answers = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", ON_SMALL_DISK, env!("CARGO_BIN_EXE_recoup"), older]);
    command.arg(kept).arg(answers.path()).arg("archive").current_dir(scene.path());
    command.env("TMPDIR", scene.path().join("scratch")).env("HOME", scene.path());
    let output = run(&mut on_tmpfs(&command, &scene.backups(), options));
    let exit = output.status.code().unwrap();
    if exit == 99 {
        return None;
    }
    assert!(answers.path().join("objects").exists(), "exit {exit}: {}", text(&output));
    let read = |name: &str| fs::read_to_string(answers.path().join(name)).unwrap();
    let json = |name: &str| serde_json::from_str::<Value>(&read(name)).unwrap_or(Value::Null);
    let new: Vec<String> = ids(&json("list")).into_iter().filter(|id| id != older).collect();
    let mut bad: Vec<String> = wrong(exit, &json("backup"), &new, good(&json("verify"))).into_iter().collect();
    if !good(&json("older")) {
        bad.push(format!("the older backup: {}", read("older")));
    }
    if !read("left").is_empty() || read("objects").trim() != (1 + new.len()).to_string() {
        bad.push(format!("left behind: {} {} objects", read("left"), read("objects").trim()));
    }
    Some(if bad.is_empty() { Ok(!new.is_empty()) } else { Err(format!("{options}: {}", bad.join("; "))) })
}

/// A scene of which one backup has been moved aside, to be put on small disks.
fn scene_and_kept(kilobytes: u32) -> (Scene, String, std::path::PathBuf) {
    let (scene, older) = scene_with_backup(20);
    let kept = scene.path().join("kept");
    fs::rename(scene.backups(), &kept).unwrap();
    fs::create_dir(scene.backups()).unwrap();
    scene.grow(kilobytes);
    (scene, older, kept)
}

fn on_all(name: &str, all: impl Iterator<Item = String>) {
    let (scene, older, kept) = scene_and_kept(400);
    let (mut made, mut refused, mut bad) = (0, 0, Vec::new());
    for options in all {
        match on_small_disk(&scene, &older, &kept, &options) {
            None => {}
            Some(Ok(true)) => made += 1,
            Some(Ok(false)) => refused += 1,
            Some(Err(why)) => bad.push(why),
        }
    }
    println!("R5 trials={} bad={} ({name}: {made} made, {refused} refused)", made + refused + bad.len(), bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(made > 0 && refused > 0, "the disks were all too small or all large enough");
}

#[test]
fn a_disk_of_any_size_has_a_whole_backup_or_none() {
    // The staged copy has about 500 KiB, and so has the archive, because nothing in it can be compressed.
    let (number, from, to) = (if soak() { 1000 } else { 64 }, 600, 1400);
    on_all("small disks", (0..number).map(|i| format!("size={}k", from + (to - from) * i / number)));
}

#[test]
fn a_disk_with_any_number_of_free_inodes_has_a_whole_backup_or_none() {
    on_all("few inodes", (4..32).map(|inodes| format!("size=16m,nr_inodes={inodes}")));
}
