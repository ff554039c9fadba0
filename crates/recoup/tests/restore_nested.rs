//! Restores of directories: with databases and files of the same plan in them, with what no backup has, with mounts,
//! with odd names and modes.
//!
//! Not here: databases that somebody holds (`restore_hardship`), and what is written meanwhile (`restore_meanwhile`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ground;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use ground::{Ground, codes, told};
use recoup::ErrorKind;
use recoup::restore::Report;
use recoup::store::Listed;
use recoup_testkit::busy::HeldDatabase;
use rusqlite::Connection;

/// A folder with the application's database, another database and files in it, as one directory of the plan.
fn with_database_inside(sources: &[&str]) -> Ground {
    let ground = Ground::of(sources);
    ground.write("data/a.txt", "a");
    ground.write("data/config.yml", "port: 1");
    ground.write("data/sub/b.txt", "b");
    ground.sql("data/app.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1), (2)");
    ground
}

fn change(ground: &Ground) {
    ground.write("data/a.txt", "changed");
    ground.write("data/config.yml", "port: 2");
    ground.write("data/new.txt", "new");
    fs::remove_file(ground.at("data/sub/b.txt")).unwrap();
    ground.sql("data/app.db", "DELETE FROM t; INSERT INTO t VALUES ('changed')");
}

fn there_and_back(ground: &Ground) {
    let listed = ground.back_up();
    let original = ground.state();
    change(ground);
    let report = comes_back_and_goes_again(ground, &listed, &original);
    assert_eq!(codes(&report), Vec::<&str>::new(), "{:?}", report.warnings);
}

/// Whatever is there now.
fn comes_back_and_goes_again(ground: &Ground, listed: &Listed, original: &BTreeMap<String, String>) -> Report {
    let before = ground.state();
    let report = ground.restore(listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), *original);
    ground.is_tidy();
    ground.undo().unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), before);
    ground.is_tidy();
    report
}

#[test]
fn a_database_inside_a_directory_of_the_same_plan_comes_back_with_it() {
    there_and_back(&with_database_inside(&["data/app.db", "data/"]));
    there_and_back(&with_database_inside(&["data/", "data/app.db"]));
}

#[test]
fn a_file_and_a_directory_inside_a_directory_of_the_same_plan_come_back_with_it() {
    there_and_back(&with_database_inside(&["data/", "data/config.yml"]));
    there_and_back(&with_database_inside(&["data/config.yml", "data/sub/", "data/", "data/app.db"]));
}

#[test]
fn a_database_inside_stays_when_only_its_directory_comes_back() {
    let ground = with_database_inside(&["data/app.db", "data/"]);
    let listed = ground.back_up();
    change(&ground);
    let app = HeldDatabase::hold(&ground.at("data/app.db"), &["INSERT INTO t VALUES ('mine')"]);
    let report = ground.restore_only(&listed, &["data"]).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(codes(&report), Vec::<&str>::new(), "{:?}", report.warnings);
    assert_eq!((ground.read("data/a.txt"), ground.read("data/sub/b.txt")), ("a".into(), "b".into()));
    assert!(!ground.at("data/new.txt").exists());
    assert_eq!(ground.number("data/app.db", "SELECT count(*) FROM t WHERE x IN ('changed', 'mine')"), 2);
    drop(app);
    assert_eq!(ground.number("data/app.db", "SELECT count(*) FROM t"), 2);
}

#[test]
fn an_application_keeps_its_database_while_the_directory_around_it_is_exchanged() {
    let ground = with_database_inside(&["data/app.db", "data/"]);
    let listed = ground.back_up();
    change(&ground);
    let inode = fs::metadata(ground.at("data/app.db")).unwrap().ino();
    let app = Connection::open(ground.at("data/app.db")).unwrap();
    let count = |app: &Connection| app.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(&app), 1);
    let other = HeldDatabase::hold(&ground.at("data/app.db"), &["SELECT * FROM t"]);
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(count(&app), 2);
    app.execute("INSERT INTO t VALUES (3)", []).unwrap();
    drop((app, other));
    assert_eq!(fs::metadata(ground.at("data/app.db")).unwrap().ino(), inode);
    assert_eq!(ground.number("data/app.db", "SELECT count(*) FROM t"), 3);
    assert_eq!(ground.read("data/a.txt"), "a");
}

#[test]
fn a_database_that_is_gone_comes_back_inside_its_directory() {
    for sources in [["data/app.db", "data/"], ["data/", "data/app.db"]] {
        let ground = with_database_inside(&sources);
        let listed = ground.back_up();
        let original = ground.state();
        ground.write("data/a.txt", "changed");
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(ground.at(&format!("data/app.db{suffix}")));
        }
        comes_back_and_goes_again(&ground, &listed, &original);
    }
}

#[test]
fn a_directory_that_is_gone_comes_back_with_the_database_in_it() {
    for sources in [["data/app.db", "data/"], ["data/", "data/app.db"]] {
        let ground = with_database_inside(&sources);
        ground.sql("data/sub/deep.db", "CREATE TABLE d(x)");
        let listed = ground.back_up();
        let original = ground.state();
        fs::remove_dir_all(ground.at("data")).unwrap();
        ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(ground.state(), original);
        ground.is_tidy();
    }
}

#[test]
fn a_damaged_database_inside_a_directory_is_replaced_with_it() {
    for page_size in [None, Some(8192)] {
        let ground = with_database_inside(&["data/app.db", "data/"]);
        let listed = ground.back_up();
        let original = ground.state();
        match page_size {
            None => ground.write("data/app.db", "no database at all ".repeat(500)),
            Some(size) => ground.sql(
                "data/app.db",
                &format!("PRAGMA journal_mode=DELETE; PRAGMA page_size={size}; VACUUM; PRAGMA journal_mode=WAL"),
            ),
        }
        comes_back_and_goes_again(&ground, &listed, &original);
    }
}

#[test]
fn a_database_in_a_folder_that_its_plan_leaves_out_comes_back() {
    let mut ground = Ground::of(&["data/private/app.db"]);
    ground.add("data/", &["private/"]);
    ground.write("data/a.txt", "a");
    ground.sql("data/private/app.db", "CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    ground.write("data/private/cache", "expensive");
    let listed = ground.back_up();
    let original = ground.state();
    ground.write("data/a.txt", "changed");
    fs::remove_file(ground.at("data/private/app.db")).unwrap();
    let report = ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), original);
    assert_eq!(codes(&report), Vec::<&str>::new());
    fs::write(ground.at("data/private/app.db"), "damaged ".repeat(1000)).unwrap();
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), original);
}

#[test]
fn a_database_nobody_named_is_in_use_or_comes_back_without_its_old_log() {
    let ground = Ground::of(&["data/"]);
    ground.write("data/a.txt", "a");
    ground.sql("data/cache.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    let listed = ground.back_up();
    let original = ground.state();
    ground.write("data/a.txt", "changed");
    let holder = HeldDatabase::hold(&ground.at("data/cache.db"), &["INSERT INTO t VALUES (2)"]);
    let error = ground.restore(&listed).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Busy, "Cannot restore while database is in use"));
    assert!(error.hint_text().unwrap().contains("cache.db"), "{}", told(&error));
    assert_eq!(ground.read("data/a.txt"), "changed");
    assert_eq!(ground.safety().len(), 0);
    // A crash leaves the log behind.
    holder.crash();
    assert!(fs::metadata(ground.at("data/cache.db-wal")).unwrap().len() > 0);
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(!ground.at("data/cache.db-wal").exists());
    assert_eq!(ground.state(), original);
    ground.undo().unwrap();
    assert_eq!(ground.number("data/cache.db", "SELECT count(*) FROM t"), 2);

    // The embedding application itself holds it.
    let app = Connection::open(ground.at("data/cache.db")).unwrap();
    app.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
    let error = ground.restore(&listed).unwrap_err();
    assert_eq!(error.message(), "Cannot restore while database is in use");
}

#[test]
fn what_no_backup_has_stays_where_it_is() {
    let mut ground = Ground::new();
    ground.add("data/", &["cache/", "*.tmp"]);
    ground.write("data/a.txt", "a");
    ground.write("data/deep/er/b.txt", "b");
    ground.write("data/deep/er/half.tmp", "half");
    ground.write("data/cache/x", "expensive");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        ground.at("data/deep/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(ground.at("data/socket")).unwrap();
    let listed = ground.back_up();
    ground.write("data/a.txt", "changed");
    ground.write("data/deep/er/b.txt", "changed");
    ground.write("data/deep/new", "new");
    let report = ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(codes(&report), Vec::<&str>::new(), "that what the plan leaves out stays is no news");
    assert_eq!((ground.read("data/a.txt"), ground.read("data/deep/er/b.txt")), ("a".into(), "b".into()));
    assert_eq!(
        (ground.read("data/cache/x"), ground.read("data/deep/er/half.tmp")),
        ("expensive".into(), "half".into())
    );
    assert!(!ground.at("data/deep/new").exists());
    std::os::unix::net::UnixStream::connect(ground.at("data/socket")).unwrap();
    drop(socket);
    ground.undo().unwrap();
    assert_eq!(ground.read("data/deep/new"), "new");
    assert_eq!(ground.read("data/cache/x"), "expensive");
    assert!(ground.at("data/deep/pipe").exists());
    ground.is_tidy();
}

#[test]
fn a_directory_that_was_not_there_goes_with_an_undo_but_not_what_was_made_since() {
    let mut ground = Ground::new();
    ground.add("data/", &["cache/"]);
    ground.write("data/sub/a.txt", "a");
    let listed = ground.back_up();
    fs::remove_dir_all(ground.at("data")).unwrap();
    ground.write("other", "so that there is something to save");
    ground.add("other", &[]);
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.read("data/sub/a.txt"), "a");
}

#[test]
fn odd_names_modes_links_holes_and_times_come_back_and_go_again() {
    let ground = Ground::of(&["data/"]);
    let odd = |name: &[u8]| ground.at("data").join(OsStr::from_bytes(name));
    fs::create_dir_all(ground.at("data/sub/empty")).unwrap();
    let long = vec![b'x'; 255];
    for name in [&b"not \xff utf-8"[..], b"two\nlines", b" ", b"-rf", b"a*b?[c]", &long] {
        fs::write(odd(name), name).unwrap();
    }
    ground.write("data/first", "one file, two names");
    fs::hard_link(ground.at("data/first"), ground.at("data/sub/second")).unwrap();
    for (name, target) in [("loop", "loop"), ("dangling", "nowhere"), ("absolute", "/etc/hostname"), ("up", "../..")] {
        symlink(target, ground.at("data").join(name)).unwrap();
    }
    for (name, mode) in [("secret", 0o000), ("script", 0o755), ("readonly", 0o444)] {
        ground.write(&format!("data/{name}"), name);
        fs::set_permissions(ground.at(&format!("data/{name}")), fs::Permissions::from_mode(mode)).unwrap();
    }
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_007);
    ground.write("data/old", "old");
    fs::File::options().write(true).open(ground.at("data/old")).unwrap().set_modified(old).unwrap();
    let hole = fs::File::create(ground.at("data/hole")).unwrap();
    hole.set_len(1 << 30).unwrap();
    fs::set_permissions(ground.at("data/sub"), fs::Permissions::from_mode(0o555)).unwrap();
    let listed = ground.back_up();
    let without_hole = |ground: &Ground| {
        fs::rename(ground.at("data/hole"), ground.root().join("hole")).unwrap();
        let state = ground.state();
        fs::rename(ground.root().join("hole"), ground.at("data/hole")).unwrap();
        state
    };
    let original = without_hole(&ground);
    let listing = std::process::Command::new("ls").arg("-laR").arg(ground.at("data")).output().unwrap();
    assert!(listing.status.success());

    fs::remove_dir_all(ground.at("data")).unwrap();
    ground.write("data/first", "another");
    let changed = ground.state();
    ground.restore(&listed).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(without_hole(&ground), original);
    let meta = fs::metadata(ground.at("data/hole")).unwrap();
    assert!(meta.len() == 1 << 30 && meta.blocks() < 100, "the hole is a hole again: {} blocks", meta.blocks());
    let inode = |name: &str| fs::metadata(ground.at(name)).unwrap().ino();
    assert_eq!(inode("data/first"), inode("data/sub/second"));
    ground.undo().unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.state(), changed);
    ground.is_tidy();
}

#[test]
fn a_tree_deeper_than_any_path_comes_back_and_goes_again() {
    // One is still a path, the other is far beyond PATH_MAX.
    for (depth, name) in [(1000, "d"), (60, &*"long-".repeat(30))] {
        let ground = Ground::of(&["data/"]);
        fs::create_dir(ground.at("data")).unwrap();
        let script = "import os, sys
os.chdir(sys.argv[1])
for i in range(int(sys.argv[2])):
    os.mkdir(sys.argv[3]); os.chdir(sys.argv[3])
open('bottom', 'w').write(sys.argv[4])";
        let dig = |text: &str| {
            let mut python = std::process::Command::new("python3");
            python.args(["-c", script]).arg(ground.at("data")).args([&depth.to_string(), name, text]);
            assert!(python.status().unwrap().success());
        };
        let bottom = || {
            let script = format!("cd \"$1\"; while [ -d {name} ]; do cd -P {name} || exit 1; done; cat bottom");
            let output = std::process::Command::new("sh").args(["-c", &script, "sh"]).arg(ground.at("data")).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        dig("original");
        let listed = ground.back_up();
        std::process::Command::new("rm").arg("-rf").arg(ground.at("data")).status().unwrap();
        fs::create_dir(ground.at("data")).unwrap();
        dig("changed");
        ground.restore(&listed).unwrap_or_else(|error| panic!("{depth}: {}", told(&error)));
        assert_eq!(bottom(), "original", "{depth}");
        ground.undo().unwrap_or_else(|error| panic!("{depth}: {}", told(&error)));
        assert_eq!(bottom(), "changed", "{depth}");
        std::process::Command::new("rm").arg("-rf").arg(ground.at("data")).status().unwrap();
    }
}
