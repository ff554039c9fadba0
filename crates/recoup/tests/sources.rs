//! The contract of every source, and what the file, command, settings and application sources promise besides.
//! The directory source has its own file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use recoup::model::*;
use recoup::progress::{Cancel, Context};
use recoup::source::application::{Dump, application};
use recoup::source::settings::Environment;
use recoup::source::{FileId, SourceFactory, factory};
use recoup::{Error, ErrorKind, Result};
use recoup_testkit::contract::source::{Collected, Subject, collect, run, scope};
use rusqlite::Connection;
use serde_json::{Value, json};

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let pairs: Vec<(OsString, OsString)> = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Arc::new(move || pairs.clone())
}

fn made(spec: SourceSpec, base: &Path) -> SourceFactory {
    factory(&spec, base, false, environment(&[("SHOP_NAME", "Corner"), ("SHOP_API_KEY", "canary-1"), ("HOME", "/")]))
}

fn file_spec(path: impl AsRef<Path>, optional: bool) -> SourceSpec {
    SourceSpec::File(FileSpec { name: "notes".into(), path: path.as_ref().to_owned(), optional })
}

fn directory_spec(path: impl AsRef<Path>, optional: bool) -> SourceSpec {
    let path = path.as_ref().to_owned();
    SourceSpec::Directory(DirectorySpec { name: "tree".into(), path, exclude: vec![], optional, cross_mounts: false })
}

fn database_spec(location: &str, optional: bool) -> SourceSpec {
    let location = location.to_owned();
    SourceSpec::Database(DatabaseSpec { name: "db".into(), location, optional, busy_timeout_ms: 2000 })
}

fn command_spec(argv: &[&str], timeout_ms: u64) -> SourceSpec {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    SourceSpec::Command(CommandSpec { name: "dump.txt".into(), argv, timeout_ms })
}

fn settings_spec(database: &str, json: &str) -> SettingsSpec {
    SettingsSpec {
        environment: vec!["SHOP_*".into()],
        tables: vec![TableSettings {
            database: database.into(),
            table: "settings".into(),
            key: "key".into(),
            value: "value".into(),
        }],
        json: vec![json.into()],
        ..SettingsSpec::default()
    }
}

/// An application with one of everything.
fn shop() -> tempfile::TempDir {
    let shop = tempfile::tempdir().unwrap();
    let at = |name: &str| shop.path().join(name);
    let db = Connection::open(at("shop.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE settings(key TEXT, value); CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT);
         INSERT INTO item(name) VALUES ('pear'), ('plum');
         INSERT INTO settings VALUES ('currency', 'EUR'), ('vat', 0.19), ('smtp_password', 'canary-2'), ('logo', x'00ff'),
           ('backend', 'redis://:canary-3@cache/0'), ('limit', 9007199254740993), ('none', NULL);",
    )
    .unwrap();
    drop(db);
    fs::write(at("notes.txt"), "milk\n").unwrap();
    fs::write(at("settings.json"), r#"{"theme":"dark","mail":{"host":"h","password":"canary-4"},"list":[1,"a"]}"#)
        .unwrap();
    fs::create_dir_all(at("photos/2024")).unwrap();
    fs::write(at("photos/2024/a.jpg"), vec![7; 300_000]).unwrap();
    fs::write(at("photos.txt"), "x").unwrap();
    fs::hard_link(at("photos.txt"), at("same.txt")).unwrap();
    symlink("/nowhere", at("dangling")).unwrap();
    shop
}

fn subject(spec: impl Fn(bool, bool) -> SourceSpec, may_be_optional: bool) -> Subject {
    let application = shop();
    let base = application.path().to_owned();
    Subject {
        make: made(spec(true, false), &base),
        missing: Some(made(spec(false, false), &base)),
        optional: may_be_optional.then(|| made(spec(false, true), &base)),
        application,
    }
}

struct Letters;
impl Dump for Letters {
    fn dump(&mut self, sink: &mut dyn Sink) -> Result<()> {
        for path in ["b/two.txt", "a.txt", "b/c/one.txt", "b.txt"] {
            sink.entry(&Entry::file(path, 0), Content::Stream(&mut path.as_bytes()))?;
        }
        sink.entry(&Entry::file("oops", 0), Content::Stream(&mut &b"oops"[..]))?;
        sink.retract()
    }
}

mod contract {
    use super::*;

    mod file {
        use super::*;
        fn fresh() -> Subject {
            subject(|there, optional| file_spec(if there { "notes.txt" } else { "gone.txt" }, optional), true)
        }
        recoup_testkit::source_contract!(fresh);
    }
    mod directory {
        use super::*;
        fn fresh() -> Subject {
            subject(|there, optional| directory_spec(if there { "." } else { "gone" }, optional), true)
        }
        recoup_testkit::source_contract!(fresh);
    }
    mod database {
        use super::*;
        fn fresh() -> Subject {
            subject(|there, optional| database_spec(if there { "shop.db" } else { "gone.db" }, optional), true)
        }
        recoup_testkit::source_contract!(fresh);
    }
    mod command {
        use super::*;
        fn fresh() -> Subject {
            subject(|there, _| command_spec(&[if there { "echo" } else { "/no/such/program" }, "hello"], 10_000), false)
        }
        recoup_testkit::source_contract!(fresh);
    }
    mod settings {
        use super::*;
        fn fresh() -> Subject {
            let json = |there| if there { "settings.json" } else { "gone.json" };
            subject(|there, _| SourceSpec::Settings(settings_spec("shop.db", json(there))), false)
        }
        recoup_testkit::source_contract!(fresh);
    }
    mod app {
        use super::*;
        fn fresh() -> Subject {
            let make = application("letters", || Ok(Box::new(Letters)));
            let missing = application("letters", || Err(Error::new(ErrorKind::Failed, "no_letters", "No letters")));
            Subject { make, missing: Some(missing), optional: None, application: shop() }
        }
        recoup_testkit::source_contract!(fresh);
    }
}

fn refused(make: &SourceFactory) -> Error {
    collect(make).map(|_| ()).unwrap_err()
}

#[test]
fn a_missing_file_is_told_as_it_was_configured() {
    let shop = shop();
    let error = refused(&made(file_spec("gone.txt", false), shop.path()));
    assert_eq!((error.code(), error.message()), ("source_missing", "File not found: gone.txt"));
    let error = refused(&made(directory_spec("gone", false), shop.path()));
    assert_eq!((error.code(), error.message()), ("source_missing", "Directory not found: gone"));
    let error = refused(&made(directory_spec("notes.txt", true), shop.path()));
    assert_eq!((error.code(), error.kind()), ("not_a_directory", ErrorKind::Usage));
    let error = refused(&made(file_spec("photos", false), shop.path()));
    assert_eq!((error.code(), error.kind()), ("not_a_file", ErrorKind::Usage));
}

#[test]
fn a_database_is_refused_as_a_file() {
    let shop = shop();
    let error = refused(&made(file_spec("shop.db", false), shop.path()));
    assert_eq!((error.code(), error.kind()), ("file_is_database", ErrorKind::Usage));
}

#[test]
fn a_database_of_the_same_plan_is_refused_as_a_file_without_being_opened() {
    let shop = shop();
    let staging = tempfile::tempdir().unwrap();
    let mut scope = scope(staging.path());
    scope.databases = vec![FileId::of(&shop.path().join("notes.txt")).unwrap()];
    let mut source = made(file_spec("notes.txt", false), shop.path())().unwrap();
    assert_eq!(source.begin(&scope).unwrap_err().code(), "file_is_database");
}

#[test]
fn a_file_keeps_its_mode_time_and_bytes() {
    let shop = shop();
    let path = shop.path().join("notes.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let time = std::time::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    let (collected, emitted) = collect(&made(file_spec(&path, false), Path::new("/"))).unwrap();
    let (entry, bytes) = collected.get("notes").unwrap();
    assert_eq!((entry.mode, entry.mtime_ns, &bytes[..]), (0o640, 1_700_000_000_123_456_789, &b"milk\n"[..]));
    assert!(emitted.warnings.is_empty());
}

#[test]
fn settings_are_one_document_without_secrets() {
    let shop = shop();
    let make = made(SourceSpec::Settings(settings_spec("shop.db", "settings.json")), shop.path());
    let (collected, emitted) = collect(&make).unwrap();
    let (_, bytes) = collected.get("settings.json").unwrap();
    assert!(!String::from_utf8_lossy(bytes).contains("canary"), "{}", String::from_utf8_lossy(bytes));
    let left_out =
        ["SHOP_API_KEY", "settings.json.mail.password", "shop.settings.backend", "shop.settings.smtp_password"];
    let expected = json!({
        "settings_version": 1,
        "environment": {"SHOP_NAME": "Corner"},
        "tables": {"shop.settings": {
            "currency": "EUR", "vat": 0.19, "logo": {"base64": "AP8="}, "limit": 9_007_199_254_740_993_i64, "none": null,
        }},
        "json": {"settings.json": {"theme": "dark", "mail": {"host": "h"}, "list": [1, "a"]}},
        "left_out": left_out,
        "origins": {
            "tables": {"shop.settings": {
                "database": shop.path().join("shop.db"), "table": "settings", "key": "key", "value": "value",
            }},
            "json": {"settings.json": shop.path().join("settings.json")},
            "secret": [],
        },
    });
    assert_eq!(serde_json::from_slice::<Value>(bytes).unwrap(), expected);
    let facts = emitted.settings.unwrap();
    assert_eq!((facts.count, facts.left_out), (9, left_out.map(str::to_owned).to_vec()));
}

#[test]
fn the_configuration_says_what_is_secret_and_what_is_not() {
    let shop = shop();
    let spec = SettingsSpec {
        environment: vec!["SHOP_*".into()],
        secret: vec!["SHOP_NAME".into()],
        not_secret: vec!["SHOP_API_KEY".into(), "SHOP_NAME".into()],
        ..SettingsSpec::default()
    };
    let (collected, emitted) = collect(&made(SourceSpec::Settings(spec), shop.path())).unwrap();
    let document: Value = serde_json::from_slice(&collected.entries[0].1).unwrap();
    assert_eq!(document["environment"], json!({"SHOP_API_KEY": "canary-1"}));
    assert_eq!(emitted.settings.unwrap().left_out, ["SHOP_NAME"]);
}

#[test]
fn settings_that_are_not_there_are_errors() {
    let shop = shop();
    fs::write(shop.path().join("bad.json"), "{").unwrap();
    let table = |table: &str, key: &str| {
        let mut spec = settings_spec("shop.db", "settings.json");
        (spec.tables[0].table, spec.tables[0].key) = (table.into(), key.into());
        spec
    };
    let nothing = SettingsSpec { environment: vec!["NOT_SET_*".into()], ..SettingsSpec::default() };
    let mut twice = settings_spec("shop.db", "settings.json");
    twice.json.push("photos/settings.json".into());
    for (spec, code) in [
        (table("nosuch", "key"), "settings_table_missing"),
        (table("settings", "nosuch"), "settings_column_missing"),
        (settings_spec("gone.db", "settings.json"), "source_missing"),
        (settings_spec("shop.db", "gone.json"), "source_missing"),
        (settings_spec("shop.db", "bad.json"), "settings_not_json"),
        (nothing, "settings_empty"),
        (SettingsSpec::default(), "settings_empty"),
        (twice, "duplicate_settings"),
    ] {
        assert_eq!(refused(&made(SourceSpec::Settings(spec), shop.path())).code(), code);
    }
}

#[test]
fn the_table_is_that_of_the_moment_when_it_was_fixed() {
    let shop = shop();
    let db = Connection::open(shop.path().join("shop.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode=WAL").unwrap();
    let staging = tempfile::tempdir().unwrap();
    let scope = scope(staging.path());
    let spec = SourceSpec::Settings(settings_spec("shop.db", "settings.json"));
    let mut source = made(spec, shop.path())().unwrap();
    source.begin(&scope).unwrap();
    db.execute_batch("UPDATE settings SET value='USD' WHERE key='currency'").unwrap();
    source.capture(&scope).unwrap();
    let mut collected = Collected::default();
    source.emit(&scope, &mut collected).unwrap();
    let document: Value = serde_json::from_slice(&collected.entries[0].1).unwrap();
    assert_eq!(document["tables"]["shop.settings"]["currency"], "EUR");
}

#[test]
fn the_output_of_a_command_is_kept_without_a_shell() {
    let shop = shop();
    let make = made(command_spec(&["printf", "%s|", "a b", "$HOME", "*"], 10_000), shop.path());
    let (collected, _) = collect(&make).unwrap();
    assert_eq!(collected.get("dump.txt").unwrap().1, b"a b|$HOME|*|");
    let here = collect(&made(command_spec(&["cat", "notes.txt"], 10_000), shop.path())).unwrap().0;
    assert_eq!(here.entries[0].1, b"milk\n", "it runs beside the configuration");
}

#[test]
fn a_command_that_fails_says_why_and_never_its_arguments() {
    let shop = shop();
    let script = "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 3";
    let error = refused(&made(command_spec(&["sh", "-c", script, "canary-5"], 10_000), shop.path()));
    assert_eq!((error.code(), error.message()), ("command_failed", "sh failed"));
    let detail = error.detail();
    assert!(detail.contains("exit status: 3") && detail.ends_with("the end") && detail.len() < 2200, "{detail}");
    assert!(!format!("{error:?}").contains("canary"));
    let silent = refused(&made(command_spec(&["true"], 10_000), shop.path()));
    assert_eq!(silent.code(), "command_empty");
    assert_eq!(refused(&made(command_spec(&[], 10_000), shop.path())).code(), "command_without_program");
}

/// Whether a process is there and no zombie.
fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn gone_soon(pid: &str) {
    let start = Instant::now();
    while alive(pid) {
        assert!(start.elapsed() < Duration::from_secs(10), "{pid} still runs");
        std::thread::yield_now();
    }
}

#[test]
fn a_command_that_takes_too_long_is_ended_with_its_children() {
    let shop = shop();
    let script = "sleep 600 & echo $! > child; wait";
    let error = refused(&made(command_spec(&["sh", "-c", script], 300), shop.path()));
    assert_eq!(error.code(), "command_timeout");
    gone_soon(&fs::read_to_string(shop.path().join("child")).unwrap());
}

#[test]
fn a_cancelled_command_is_ended_with_its_children() {
    let shop = shop();
    let staging = tempfile::tempdir().unwrap();
    let mut scope = scope(staging.path());
    let cancel = Cancel::default();
    scope.context = Context { cancel: cancel.clone(), ..Context::quiet() };
    let child = shop.path().join("child");
    let script = "sleep 600 & echo $! > part; mv part child; wait";
    let make = made(command_spec(&["sh", "-c", script], 600_000), shop.path());
    let error = std::thread::scope(|threads| {
        threads.spawn(|| {
            let start = Instant::now();
            while !child.exists() && start.elapsed() < Duration::from_secs(20) {
                std::thread::yield_now();
            }
            cancel.cancel();
        });
        run(make().unwrap().as_mut(), &scope, &mut Collected::default()).unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(fs::read_dir(staging.path()).unwrap().count(), 0);
    gone_soon(&fs::read_to_string(&child).unwrap());
}

#[test]
fn a_child_that_a_command_leaves_behind_is_ended() {
    let shop = shop();
    let script = "(sleep 600; echo late) & echo $! > child; echo done";
    let (collected, _) = collect(&made(command_spec(&["sh", "-c", script], 10_000), shop.path())).unwrap();
    assert_eq!(collected.entries[0].1, b"done\n");
    gone_soon(&fs::read_to_string(shop.path().join("child")).unwrap());
}

#[test]
fn what_an_application_gives_comes_out_in_order_with_its_directories() {
    let (collected, _) = collect(&application("letters", || Ok(Box::new(Letters)))).unwrap();
    assert_eq!(collected.paths(), ["", "a.txt", "b", "b/c", "b/c/one.txt", "b/two.txt", "b.txt"]);
    assert_eq!(collected.get("b/c/one.txt").unwrap().1, b"b/c/one.txt");
}

#[test]
fn an_application_cannot_give_what_cannot_be_restored() {
    struct Gives(Vec<Entry>);
    impl Dump for Gives {
        fn dump(&mut self, sink: &mut dyn Sink) -> Result<()> {
            for entry in &self.0 {
                match entry.kind {
                    EntryKind::File => sink.entry(entry, Content::Stream(&mut &b"x"[..]))?,
                    _ => sink.entry(entry, Content::None)?,
                }
            }
            Ok(())
        }
    }
    let code = |entries: Vec<Entry>| refused(&application("app", move || Ok(Box::new(Gives(entries.clone()))))).code();
    let file = |path: &str| Entry::file(path, 1);
    let link = Entry { kind: EntryKind::Symlink, ..file("link") };
    for bad in ["", "/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a/", "a\0b"] {
        assert_eq!(code(vec![file(bad)]), "bad_entry", "{bad:?}");
    }
    assert_eq!(code(vec![file("a"), file("a")]), "bad_entry");
    assert_eq!(code(vec![file("a"), file("a/b")]), "bad_entry");
    assert_eq!(code(vec![link.clone()]), "bad_entry");
    assert_eq!(
        code(vec![file("a"), Entry { kind: EntryKind::Hardlink, target: Some("a".into()), ..link }]),
        "bad_entry"
    );
    assert_eq!(code(vec![]), "source_empty");
}

#[test]
fn a_name_that_is_no_file_name_is_refused() {
    for name in ["", "..", "a/b", "a\0"] {
        let spec = SourceSpec::File(FileSpec { name: name.into(), path: "notes.txt".into(), optional: false });
        assert_eq!(refused(&made(spec, Path::new("/"))).code(), "bad_source_name", "{name:?}");
    }
}
