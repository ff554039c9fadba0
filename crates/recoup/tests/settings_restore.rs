//! Settings go back: everything that the backup has, nothing of what is secret, all or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod settings_kit;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use recoup::ErrorKind;
use recoup::model::{SettingsSpec, SourceSpec};
use recoup::progress::Context;
use recoup::source::factory;
use recoup::source::settings::apply::apply_table;
use recoup::source::settings::restore::plan;
use recoup_testkit::contract::source::collect;
use serde_json::{Value, json};

use settings_kit::{BUSY, Shop, apply, environment, is_nothing};

#[test]
fn settings_become_those_of_the_backup_and_secrets_stay() {
    let shop = Shop::new(
        "INSERT INTO settings VALUES ('theme', 'dark'), ('vat', 0.19), ('logo', x'00ff'), ('none', NULL), ('smtp_password', 'old')",
        r#"{"title":"Corner","mail":{"host":"a","port":25,"password":"old"},"api_key":"old","list":[1,2]}"#,
    );
    let document = shop.backup();
    assert!(is_nothing(&shop.plan(&document).unwrap()));
    shop.sql(
        "UPDATE settings SET value = 'light' WHERE key = 'theme'; UPDATE settings SET value = 'new' WHERE key = 'smtp_password';
         DELETE FROM settings WHERE key IN ('vat', 'none'); INSERT INTO settings VALUES ('added', 1), ('added_token', 'kept')",
    );
    shop.write(
        r#"{"title":"Other","mail":{"host":"b","password":"new"},"extra":true,"list":[3],"hook":{"url":"https://x","secret":"s"},"api_key":"newer"}"#,
    );
    let change = shop.plan(&document).unwrap();
    assert_eq!(
        change.differences,
        [
            "+ shop.settings: none: null",
            r#"~ shop.settings: theme: "light" → "dark""#,
            "+ shop.settings: vat: 0.19",
            "- shop.settings: added: 1",
            "- app.json: extra: true",
            "~ app.json: list: [3] → [1,2]",
            r#"~ app.json: mail.host: "b" → "a""#,
            "+ app.json: mail.port: 25",
            r#"~ app.json: title: "Other" → "Corner""#,
        ]
        .map(str::to_owned)
        .to_vec()
    );
    assert!(change.missing.is_empty());
    assert_eq!(change.tables[0].remove, ["added"]);
    apply(&change).unwrap();
    assert_eq!(
        shop.rows(),
        [
            "added_token=text:kept",
            "logo=blob:00FF",
            "none=null:",
            "smtp_password=text:new",
            "theme=text:dark",
            "vat=real:0.19"
        ]
    );
    let expected = json!({
        "title": "Corner", "mail": {"host": "a", "port": 25, "password": "new"}, "list": [1, 2], "api_key": "newer",
        "hook": {"url": "https://x", "secret": "s"},
    });
    assert_eq!(shop.json(), expected);
    // What is kept for the sake of a secret is the only thing that is not the backup's; a second restore changes nothing.
    assert!(is_nothing(&shop.plan(&document).unwrap()));
}

#[test]
fn what_must_be_entered_again_is_told() {
    let shop = Shop::new(
        "INSERT INTO settings VALUES ('a.b_password', 'x'), ('db_password', 'x'), ('theme', 'dark')",
        r#"{"mail":{"password":"x","host":"h"},"api_key":"x","list":[{"name":"n","token":"x"}]}"#,
    );
    let variables = environment(&[("SHOP_TOKEN", b"x"), ("SHOP_SECRET", b"x"), ("SHOP_NAME", b"n")]);
    let document = shop.backup_in(&variables);
    // A new machine: nothing is there.
    for name in ["shop.db", "app.json"] {
        fs::remove_file(shop.at(name)).unwrap();
    }
    let change =
        plan(&document, None, Path::new("/"), &environment(&[("SHOP_SECRET", b"y")]), &Context::quiet()).unwrap();
    assert_eq!(
        change.missing,
        [
            "SHOP_TOKEN",
            "app.json.api_key",
            "app.json.list.0.token",
            "app.json.mail.password",
            "shop.settings.a.b_password",
            "shop.settings.db_password"
        ]
    );
    assert_eq!((change.files.len(), change.tables.len()), (1, 1));
    assert_eq!(apply_table(&change.tables[0], BUSY, &Context::quiet()).unwrap_err().code(), "source_missing");
    // Once its database is back, the rest can follow. An empty password is none.
    shop.sql("CREATE TABLE settings(key TEXT PRIMARY KEY, value); INSERT INTO settings VALUES ('db_password', '')");
    shop.write(r#"{"mail":{"password":"y"},"api_key":""}"#);
    let change = shop.plan(&document).unwrap();
    assert_eq!(
        change.missing,
        [
            "SHOP_SECRET",
            "SHOP_TOKEN",
            "app.json.api_key",
            "app.json.list.0.token",
            "shop.settings.a.b_password",
            "shop.settings.db_password"
        ]
    );
    apply(&change).unwrap();
    assert_eq!(shop.rows(), ["db_password=text:", "theme=text:dark"]);
}

#[test]
fn a_secret_in_a_list_stays_with_its_own_element() {
    let at_backup = r#"{"servers":[{"host":"a","password":"pa"},{"host":"b","password":"pb"},{"host":"c"}],
        "urls":["https://u:one@h/1","https://u:two@h/2"]}"#;
    let shop = Shop::new("", at_backup);
    let document = shop.backup();
    // Put in another order, and one is new: every password stays with its host.
    shop.write(
        r#"{"servers":[{"host":"b","password":"pb2"},{"host":"new","password":"pn"},{"host":"a","password":"pa2"}],
        "urls":["https://u:three@h/1","https://u:four@h/2"]}"#,
    );
    let change = shop.plan(&document).unwrap();
    apply(&change).unwrap();
    let expected = json!({
        "servers": [{"host": "a", "password": "pa2"}, {"host": "b", "password": "pb2"}, {"host": "c"}],
        "urls": ["https://u:three@h/1", "https://u:four@h/2"],
    });
    assert_eq!((shop.json(), change.missing), (expected, vec![]));
    // Nothing tells which of two is meant: rather none than the wrong one.
    shop.write(
        r#"{"servers":[{"host":"a","password":"x"},{"host":"a","password":"y"},{"host":"b"}],"urls":["https://u:three@h/1"]}"#,
    );
    let change = shop.plan(&document).unwrap();
    assert_eq!(
        change.missing,
        ["app.json.servers.0.password", "app.json.servers.1.password", "app.json.urls.0", "app.json.urls.1"]
    );
    apply(&change).unwrap();
    assert_eq!(shop.json(), json!({"servers": [{"host": "a"}, {"host": "b"}, {"host": "c"}], "urls": [null, null]}));
}

#[test]
fn no_secret_is_ever_shown() {
    let shop = Shop::new(
        "INSERT INTO settings VALUES ('dsn', 'canary-1'), ('note', 'plain')",
        r#"{"a":{"password":"canary-2"},"free":"x","url":"plain"}"#,
    );
    let document = shop.backup();
    shop.sql("UPDATE settings SET value = 'redis://:canary-3@h' WHERE key = 'note'; UPDATE settings SET value = 'canary-4' WHERE key = 'dsn'");
    shop.write(r#"{"a":5,"free":{"deep":["https://u:canary-5@h"]},"url":"https://u:canary-6@h"}"#);
    let change = shop.plan(&document).unwrap();
    let text = format!("{:?} {:?}", change.differences, change.missing);
    assert!(!text.contains("canary"), "{text}");
    assert!(change.differences.contains(&r#"~ shop.settings: note: (secret) → "plain""#.to_owned()), "{text}");
}

#[test]
fn environment_lines_are_read_by_shells_as_they_were() {
    let values: [(&str, &[u8]); 5] = [
        ("SHOP_A", b"plain"),
        ("SHOP_B", b"it's \"quoted\" $HOME `id` \\ back"),
        ("SHOP_C", b"two\nlines # no comment"),
        ("SHOP_D", "zwölf 日本".as_bytes()),
        ("SHOP_E", b""),
    ];
    let mut all = values.to_vec();
    all.push(("SHOP_RAW", b"\xff\xfe"));
    all.push(("SHOP.DOT", b"a\nb"));
    all.push(("SHOP_PASSWORD", b"canary"));
    let shop = Shop::new("", "{}");
    let document = shop.backup_in(&environment(&all));
    let change =
        plan(&document, None, Path::new("/"), &environment(&[("SHOP_A", b"other")]), &Context::quiet()).unwrap();
    assert!(change.environment.contains("# SHOP_RAW= has a value that is not text"), "{}", change.environment);
    assert!(change.environment.contains("# SHOP_PASSWORD= was left out"), "{}", change.environment);
    assert!(!change.environment.contains("canary"));
    assert!(change.differences.contains(&r#"~ environment: SHOP_A: "other" → "plain""#.to_owned()));
    assert_eq!(change.missing, ["SHOP_PASSWORD"]);
    let file = shop.at("app.env");
    fs::write(&file, &change.environment).unwrap();
    let script = r#"set -a; . "$1"; env -0"#;
    let out = Command::new("sh").args(["-euc", script, "sh"]).arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for (name, value) in values {
        let line = [name.as_bytes(), b"=", value].concat();
        assert!(out.stdout.split(|byte| *byte == 0).any(|found| found == line), "{name}");
    }
}

#[test]
fn the_configuration_decides_where_settings_go() {
    let shop = Shop::new("INSERT INTO settings VALUES ('theme', 'dark')", r#"{"a":1}"#);
    let document = shop.backup();
    let other = Shop::new("INSERT INTO settings VALUES ('theme', 'light')", r#"{"a":2}"#);
    let spec = Shop::spec();
    let change = plan(&document, Some(&spec), other.0.path(), &environment(&[]), &Context::quiet()).unwrap();
    assert_eq!((&change.files[0].0, &change.tables[0].database), (&other.at("app.json"), &other.at("shop.db")));
    // A document without origins, as it was first written, needs the configuration.
    let mut old: Value = serde_json::from_slice(&document).unwrap();
    old.as_object_mut().unwrap().remove("origins");
    let old = serde_json::to_vec(&old).unwrap();
    let error = shop.plan(&old).unwrap_err();
    assert_eq!(
        (error.code(), error.message()),
        ("settings_origin_unknown", "The backup does not say where the settings shop.settings belong")
    );
    let same = plan(&old, Some(&spec), other.0.path(), &environment(&[]), &Context::quiet()).unwrap();
    assert_eq!(same, change);
}

#[test]
fn a_document_is_taken_as_a_whole_or_not_at_all() {
    let shop = Shop::new("INSERT INTO settings VALUES ('theme', 'dark')", r#"{"a":1}"#);
    let good: Value = serde_json::from_slice(&shop.backup()).unwrap();
    for (pointer, bad) in [
        ("/settings_version", json!("1")),
        ("/environment", json!([1])),
        ("/environment", json!({"A=B": "x"})),
        ("/environment", json!({"": "x"})),
        ("/environment", json!({"A": "x\0y"})),
        ("/environment", json!({"A": 5})),
        ("/tables/shop.settings/theme", json!([1])),
        ("/tables/shop.settings/theme", json!(true)),
        ("/tables/shop.settings/theme", json!({"base64": "!"})),
        ("/tables/shop.settings/theme", json!(18_446_744_073_709_551_615_u64)),
        ("/tables/shop.settings", json!(null)),
        ("/left_out", json!([1])),
        ("/origins/json/app.json", json!("relative/app.json")),
        ("/origins/json/app.json", json!("/etc/passwd")),
        ("/origins/tables/shop.settings/database", json!("shop.db")),
    ] {
        let mut document = good.clone();
        *document.pointer_mut(pointer).unwrap() = bad.clone();
        let error = shop.plan(&serde_json::to_vec(&document).unwrap()).unwrap_err();
        assert_eq!(
            (error.code(), error.message()),
            ("backup_corrupted", "Backup file is corrupted"),
            "{pointer} {bad}"
        );
    }
    assert_eq!(shop.plan(b"{").unwrap_err().kind(), ErrorKind::Corrupted);
    let mut newer = good.clone();
    newer["settings_version"] = json!(2);
    newer["tables"] = json!("another shape");
    let error = shop.plan(&serde_json::to_vec(&newer).unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unsupported, "Backup from newer version, cannot restore"));
    // What this version does not know is passed over.
    let mut more = good;
    more["more"] = json!({"x": 1});
    more["origins"]["more"] = json!(1);
    assert!(is_nothing(&shop.plan(&serde_json::to_vec(&more).unwrap()).unwrap()));
}

#[test]
fn a_live_file_that_is_broken_is_replaced() {
    let shop = Shop::new("", r#"{"a":1,"token":"x"}"#);
    let document = shop.backup();
    shop.write("{");
    let change = shop.plan(&document).unwrap();
    assert_eq!(
        (change.missing.as_slice(), change.differences[0].as_str()),
        (&["app.json.token".to_owned()][..], "~ app.json: is not JSON now and is replaced as a whole")
    );
    apply(&change).unwrap();
    assert_eq!(shop.json(), json!({"a": 1}));
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zé\"\\\\\n.]{0,6}".prop_map(Value::from),
        Just(Value::from("https://user:secret@host/")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let name = prop_oneof![Just("password".to_owned()), Just("api.key".to_owned()), "[a-c]{1,2}", "[a.]{1,3}"];
    proptest::collection::vec((name, inner), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("SOAK").is_some() { 5000 } else { 100 }, ..ProptestConfig::default() })]

    #[test]
    fn after_a_restore_a_backup_says_the_same_but_for_what_holds_secrets(
        then in members(value()), now in members(value()),
    ) {
        let shop = Shop::new("", &Value::from(then).to_string());
        let document = shop.backup();
        shop.write(&Value::from(now).to_string());
        apply(&shop.plan(&document).unwrap()).unwrap();
        let (before, after): (Value, Value) =
            (serde_json::from_slice(&document).unwrap(), serde_json::from_slice(&shop.backup()).unwrap());
        prop_assert!(contains(&after["json"], &before["json"]), "{before:#}\n{after:#}");
        prop_assert!(is_nothing(&shop.plan(&document).unwrap()));
        // And with nothing changed in between, it is the very same.
        let again = shop.backup();
        apply(&shop.plan(&again).unwrap()).unwrap();
        prop_assert_eq!(again, shop.backup());
    }
}

/// Whether `all` has everything of `part`, and may have more members.
fn contains(all: &Value, part: &Value) -> bool {
    match (all, part) {
        (Value::Object(all), Value::Object(part)) => {
            part.iter().all(|(name, value)| all.get(name).is_some_and(|there| contains(there, value)))
        }
        (Value::Array(all), Value::Array(part)) => {
            all.len() == part.len() && all.iter().zip(part).all(|(all, part)| contains(all, part))
        }
        (all, part) => all == part,
    }
}

#[test]
fn file_names_that_are_not_text_find_their_way_back() {
    let shop = Shop::new("", "{}");
    let odd = shop.0.path().join(std::ffi::OsStr::from_bytes(b"odd\xff.json"));
    fs::write(&odd, r#"{"a":1}"#).unwrap();
    let spec = SettingsSpec { json: vec![odd.clone()], ..SettingsSpec::default() };
    let make = factory(&SourceSpec::Settings(spec), Path::new("/"), false, environment(&[]));
    let (mut collected, _) = collect(&make).unwrap();
    let document = collected.entries.remove(0).1;
    fs::write(&odd, r#"{"a":2}"#).unwrap();
    assert_eq!(shop.plan(&document).unwrap().files[0].0, odd);
}
