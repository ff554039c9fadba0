//! The SQLite source as another user and on a full disk, each in a process of its own. Needs root and passes
//! without a word elsewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod sqlite_kit;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use recoup_testkit::busy::HeldDatabase;
use sqlite_kit::{Kit, listing, make};

/// Runs as another user, or with a small disk, in a process of its own; see [`elsewhere`].
#[test]
fn child_of_the_tests_below() {
    let Ok(db) = std::env::var("RECOUP_TEST_DB") else { return };
    let mut kit = Kit::new();
    kit.db = db.into();
    if let Ok(staging) = std::env::var("RECOUP_TEST_STAGING") {
        kit.scope.staging = staging.into();
    }
    let answer = match kit.back_up_waiting(500) {
        Ok(kept) => format!("{} rows", kept.number("SELECT count(*) FROM t")),
        Err(error) => format!("{}: {}", error.code(), error.message()),
    };
    println!("ANSWER {answer}; left {}", fs::read_dir(&kit.scope.staging).unwrap().count());
}

/// Runs the child with `prefix` before it; `None` when this machine does not let us (not root).
fn elsewhere(kit: &Kit, prefix: &[&str], staging: Option<&Path>) -> Option<String> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let program = kit.home.join("../child");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(program.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(prefix[0]);
    command.args(&prefix[1..]).arg(&program).args(["child_of_the_tests_below", "--exact", "--nocapture"]);
    command.env("RECOUP_TEST_DB", &kit.db).env("TMPDIR", "/tmp");
    if let Some(staging) = staging {
        command.env("RECOUP_TEST_STAGING", staging);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.split_once("ANSWER ")).unwrap_or_else(|| panic!("{text}"));
    Some(line.1.to_owned())
}

#[test]
fn a_directory_without_write_access_gives_the_truth_or_a_refusal() {
    let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let lock = |kit: &Kit| fs::set_permissions(&kit.home, fs::Permissions::from_mode(0o555)).unwrap();
    let wal = "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)";

    // Nobody uses it and no log exists: the file alone is the truth.
    let kit = Kit::new();
    make(&kit.db, wal);
    lock(&kit);
    let Some(answer) = elsewhere(&kit, &nobody, None) else { return };
    assert_eq!(answer, "1 rows; left 0");
    assert_eq!(listing(&kit.home).len(), 1);

    // A live application: its log and shared memory can be read.
    let kit = Kit::new();
    make(&kit.db, wal);
    let app = HeldDatabase::hold(&kit.db, &["INSERT INTO t VALUES(2)"]);
    lock(&kit);
    assert_eq!(elsewhere(&kit, &nobody, None).unwrap(), "2 rows; left 0");

    // A crashed application left a log without its shared memory: the file alone would be a lie.
    app.crash();
    fs::remove_file(kit.home.join("app.db-shm")).unwrap();
    let answer = elsewhere(&kit, &nobody, None).unwrap();
    assert!(answer.starts_with("db_needs_write_access: Cannot read "), "{answer}");

    // No permission to read at all.
    let kit = Kit::new();
    make(&kit.db, wal);
    fs::set_permissions(&kit.db, fs::Permissions::from_mode(0o600)).unwrap();
    let answer = elsewhere(&kit, &nobody, None).unwrap();
    assert!(answer.starts_with("permission_denied: "), "{answer}");
}

#[test]
fn a_full_staging_disk_is_the_specified_sentence_and_leaves_nothing() {
    let kit = Kit::new();
    make(&kit.db, "CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(6000000))");
    for size in ["64k", "1m", "5m"] {
        let script = format!("mount -t tmpfs -o size={size} tmpfs {} && exec \"$@\"", kit.scope.staging.display());
        let prefix = ["unshare", "-m", "sh", "-c", &script, "sh"];
        let Some(answer) = elsewhere(&kit, &prefix, Some(&kit.scope.staging)) else { return };
        assert_eq!(answer, "disk_full: Not enough disk space; left 0", "{size}");
    }
}
