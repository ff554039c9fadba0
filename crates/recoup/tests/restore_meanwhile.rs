//! What an application writes in a directory while that is restored: before the safety backup, after it, and in the moment
//! of the exchange. Nothing of it is lost.
//!
//! Not here: what lies in a directory beside that (`restore_nested`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ground;

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use ground::{At, Ground, codes, told};
use recoup::ErrorKind;
use recoup::progress::{Context, Phase};
use recoup::restore::{self, Opened};
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::tree::tree;
use rusqlite::Connection;

#[test]
fn a_database_nobody_named_that_is_written_while_it_is_saved_is_saved_again() {
    let ground = Ground::of(&["data/"]);
    ground.sql("data/cache.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
    let listed = ground.back_up();
    ground.sql("data/cache.db", "INSERT INTO t VALUES (2)");
    let path = ground.at("data/cache.db");
    // After the safety backup was packed, before the exchange.
    let context = At::nth(Phase::Store, 1, move |_| {
        Connection::open(&path).unwrap().execute("INSERT INTO t VALUES (3)", []).unwrap();
    });
    ground.put_back(&listed, &[], None, &context).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.number("data/cache.db", "SELECT count(*) FROM t"), 1);
    ground.undo().unwrap();
    assert_eq!(ground.number("data/cache.db", "SELECT count(*) FROM t"), 3);
}

#[test]
fn a_file_that_changes_while_it_is_saved_is_saved_again() {
    let ground = Ground::of(&["data/"]);
    ground.write("data/a.txt", "a");
    let listed = ground.back_up();
    ground.write("data/a.txt", "second");
    let path = ground.at("data/a.txt");
    let context = At::nth(Phase::Store, 1, move |_| fs::write(&path, "third, longer").unwrap());
    ground.put_back(&listed, &[], None, &context).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(ground.read("data/a.txt"), "a");
    assert_eq!(ground.safety().len(), 1, "the first safety backup did not hold what was there");
    ground.undo().unwrap();
    assert_eq!(ground.read("data/a.txt"), "third, longer");
}

#[test]
fn a_file_that_never_stops_changing_is_refused_and_nothing_is_changed() {
    let ground = Ground::of(&["data/", "config.yml"]);
    ground.write("data/log.txt", "a");
    ground.write("config.yml", "one");
    let listed = ground.back_up();
    ground.write("config.yml", "two");
    let (path, mut n) = (ground.at("data/log.txt"), 0);
    let context = At::every(Phase::Store, move |_| {
        n += 1;
        fs::write(&path, format!("line {n}")).unwrap();
    });
    let error = ground.put_back(&listed, &[], None, &context).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Busy, "data_changing"), "{}", told(&error));
    assert!(error.message().contains("log.txt"), "{}", told(&error));
    assert_eq!(ground.read("config.yml"), "two");
    assert!(ground.read("data/log.txt").starts_with("line"));
    assert_eq!(ground.safety().len(), 0);
    ground.is_tidy();
}

#[test]
fn what_is_made_while_it_is_saved_is_kept() {
    let ground = Ground::of(&["data/"]);
    ground.write("data/a.txt", "a");
    ground.write("data/sub/b.txt", "b");
    let listed = ground.back_up();
    ground.write("data/sub/b.txt", "changed");
    let app = ground.at("data");
    let context = At::nth(Phase::Store, 1, move |_| {
        fs::write(app.join("sub/upload"), "precious").unwrap();
        fs::create_dir(app.join("made")).unwrap();
        fs::write(app.join("made/x"), "precious").unwrap();
    });
    let report = ground.put_back(&listed, &[], None, &context).unwrap_or_else(|error| panic!("{}", told(&error)));
    assert_eq!(codes(&report), ["kept"]);
    assert_eq!((ground.read("data/sub/upload"), ground.read("data/made/x")), ("precious".into(), "precious".into()));
    assert_eq!(ground.read("data/sub/b.txt"), "b");
}

#[test]
fn what_is_made_and_written_in_the_last_moment_is_kept_too() {
    // What the plan leaves out makes the tree one that is exchanged piece by piece.
    for exclude in [&["*.tmp"][..], &[]] {
        let mut ground = Ground::of(&["config.yml"]);
        ground.add("data/", exclude);
        ground.write("data/a.txt", "a");
        ground.write("data/sub/b.txt", "b");
        ground.write("config.yml", "one");
        ground.sql("data/cache.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
        let listed = ground.back_up();
        for name in ["data/a.txt", "data/old/c.txt", "config.yml"] {
            ground.write(name, "second");
        }
        if !exclude.is_empty() {
            ground.write("data/half.tmp", "half");
        }
        ground.sql("data/cache.db", "INSERT INTO t VALUES (2)");
        let app = ground.app();
        let context = At::every(Phase::Restore, move |what| {
            if what == "into place" {
                for name in ["data/a.txt", "data/upload", "data/sub/made", "data/old/made", "config.yml"] {
                    fs::write(app.join(name), "third").unwrap();
                }
                drop(HeldDatabase::hold(&app.join("data/cache.db"), &["INSERT INTO t VALUES (3)"]));
            }
        });
        let report = ground.put_back(&listed, &[], None, &context).unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(codes(&report), ["written_meanwhile"; 2], "{:?}", report.warnings);
        let third: Vec<String> =
            ground.state().into_iter().filter(|(_, is)| is.ends_with("third")).map(|(name, _)| name).collect();
        let third: Vec<&str> = third.iter().map(|name| name.split(".before-").next().unwrap()).collect();
        assert_eq!(third, ["config.yml", "data/a.txt", "data/made", "data/sub/made", "data/upload"], "{exclude:?}");
        assert_eq!((ground.read("data/a.txt"), ground.read("config.yml")), ("a".into(), "one".into()));
        assert!(!ground.at("data/old").exists());
        assert_eq!(ground.number("data/cache.db", "SELECT max(x) FROM t"), 1);
        assert_eq!(ground.number(&kept_of(&ground, "data/cache.db"), "SELECT max(x) FROM t"), 3);
        ground.is_tidy();
        ground.undo().unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!((ground.read("data/a.txt"), ground.read("data/old/c.txt")), ("second".into(), "second".into()));
        assert_eq!((ground.read("config.yml"), ground.at("data/upload").exists()), ("second".into(), false));
    }
}

#[test]
fn a_database_that_is_opened_in_the_last_moment_is_not_lost() {
    for (exclude, crashes) in [(&["*.tmp"][..], false), (&["*.tmp"], true), (&[], false), (&[], true)] {
        let mut ground = Ground::new();
        ground.add("data/", exclude);
        ground.sql("data/cache.db", "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
        let listed = ground.back_up();
        if !exclude.is_empty() {
            ground.write("data/half.tmp", "half");
        }
        ground.sql("data/cache.db", "INSERT INTO t VALUES (2)");
        let app = ground.app();
        let holder = Arc::new(Mutex::new(None));
        let held = Arc::clone(&holder);
        let context = At::every(Phase::Restore, move |what| {
            if what == "into place" {
                let database = HeldDatabase::hold(&app.join("data/cache.db"), &["INSERT INTO t VALUES (3)"]);
                match crashes {
                    true => database.crash(),
                    false => *held.lock().unwrap() = Some(database),
                }
            }
        });
        let restored = ground.put_back(&listed, &[], None, &context);
        drop(holder.lock().unwrap().take());
        match restored {
            Err(error) => {
                assert_eq!(error.message(), "Cannot restore while database is in use", "{}", told(&error));
                assert_eq!(ground.number("data/cache.db", "SELECT max(x) FROM t"), 3);
                assert_eq!(ground.safety().len(), 0);
            }
            Ok(report) => {
                // With the tree its log went, too.
                assert!(crashes && exclude.is_empty());
                assert_eq!(codes(&report), ["written_meanwhile"], "{:?}", report.warnings);
                assert_eq!(ground.number("data/cache.db", "SELECT max(x) FROM t"), 1);
                let kept = kept_of(&ground, "data/cache.db");
                assert_eq!(ground.number(&kept, "SELECT max(x) FROM t"), 3);
            }
        }
        ground.is_tidy();
    }
}

/// Where a thing is that was written in the last moment.
fn kept_of(ground: &Ground, name: &str) -> String {
    let kept = format!("{name}.before-restore-");
    tree(&ground.app()).into_iter().find(|name| name.starts_with(&kept)).unwrap()
}

/// Makes files and says their names, as fast as it can; with the file `go` there, also in a folder that goes.
const WRITER: &str = "import os, sys
data, go = sys.argv[1:]
n = 0
while True:
    n += 1
    name = f'up-{n}'
    if os.path.exists(go) and n % 2 and os.path.exists(data + '/old'): name = 'old/' + name
    try:
        with open(f'{data}/{name}', 'w') as file: file.write(str(n))
    except FileNotFoundError: continue
    print(n, flush=True)
";

#[test]
fn nothing_that_a_busy_application_makes_is_lost() {
    for from_the_beginning in [true, false] {
        let ground = Ground::of(&["data/"]);
        ground.write("data/a.txt", "a");
        let listed = ground.back_up();
        ground.write("data/a.txt", "changed");
        ground.write("data/old/b.txt", "b");
        let go = ground.root().join("go");
        let start = {
            let (data, go) = (ground.at("data"), go.clone());
            move || {
                let mut python = Command::new("python3");
                python.args(["-c", WRITER]).args([&data, &go]).stdout(Stdio::piped());
                let mut writer = python.spawn().unwrap();
                let said = BufReader::new(writer.stdout.take().unwrap()).lines();
                (writer, said)
            }
        };
        let running = Arc::new(Mutex::new(from_the_beginning.then(&start)));
        let made = Arc::new(Mutex::new(Vec::new()));
        let context = {
            let (running, made) = (Arc::clone(&running), Arc::clone(&made));
            At::every(Phase::Restore, move |what| {
                if what == "into place" {
                    fs::write(&go, "").unwrap();
                    let mut running = running.lock().unwrap();
                    let (_, said) = running.get_or_insert_with(&start);
                    // It goes on while and after the folder is exchanged.
                    made.lock().unwrap().extend(said.take(300).map(Result::unwrap));
                }
            })
        };
        let report = ground.put_back(&listed, &[], None, &context).unwrap_or_else(|error| panic!("{}", told(&error)));
        let (mut writer, said) = running.lock().unwrap().take().unwrap();
        writer.kill().unwrap();
        writer.wait().unwrap();
        made.lock().unwrap().extend(said.map(Result::unwrap));
        assert!(codes(&report).contains(&"written_meanwhile"), "{:?}", report.warnings);
        assert_eq!(ground.read("data/a.txt"), "a");

        let numbers = |folder: &Path| -> HashSet<String> {
            let names = tree(folder).into_iter().filter(|name| name.contains("up-"));
            names.map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect()
        };
        let mut there = numbers(&ground.app());
        let safety = ground.listed(report.safety.unwrap().as_str());
        let saved = ground.root().join("saved");
        let mut opened = Opened::stored(ground.store().as_ref(), &safety, ground.root(), &Context::quiet()).unwrap();
        restore::to_folder(&mut opened, &[], &saved, &Context::quiet()).unwrap();
        there.extend(numbers(&saved));
        let made = made.lock().unwrap();
        let lost: Vec<&String> = made.iter().filter(|number| !there.contains(*number)).collect();
        assert!(made.len() >= 300 && lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), made.len());
    }
}
