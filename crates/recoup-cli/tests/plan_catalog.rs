//! `recoup plan list|show|add|edit|remove|export`: plans of the catalog beside those of recoup.toml, in the shapes that scripts
//! and people meet. What a plan may say is tested in the library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};
use shop::{Shop, Told};

/// Runs `recoup` with something on its standard input.
fn fed(shop: &Shop, words: &str, input: &str) -> Told {
    let mut command = shop.command(words.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn plan(shop: &Shop, name: &str) -> Value {
    shop.run(&format!("plan show {name} --json")).good().json()
}

fn refused(told: &Told) -> (i32, String) {
    (told.code, told.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

fn events(shop: &Shop) -> Vec<String> {
    let lines = shop.run("audit export").good().out;
    let name = |line: &str| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().unwrap().to_owned();
    lines.lines().map(name).collect()
}

const ADD: &str = "plan add shop --database shop.db --directory thumbs --exclude *.tmp --file config.yml --destination here \
                   --every weekly --weekday friday --at 02:30 --zone Europe/Berlin --preset 7-4-12 --keep-count 5 --format archive";

#[test]
fn a_plan_is_added_shown_listed_changed_and_removed_and_each_of_that_is_in_the_audit() {
    let shop = Shop::new();
    let added = shop.run(&format!("{ADD} --json")).good().json();
    let here = |name: &str| shop.path(name).canonicalize().unwrap_or(shop.path(name)).display().to_string();
    let body = json!({
        "databases": [here("shop.db")],
        "directories": [{ "path": here("thumbs"), "exclude": ["*.tmp"] }],
        "files": [here("config.yml")],
        "destinations": [here("here")],
        "format": "archive",
        "retention": { "preset": "7-4-12", "keep_count": 5 },
        "schedule": { "every": "weekly", "weekday": "friday", "at": "02:30", "zone": "Europe/Berlin" },
    });
    assert_eq!((&added["plan"], &added["origin"], &added["version"]), (&body, &json!("catalog"), &json!(1)));
    assert_eq!(plan(&shop, "shop")["plan"], body);
    let told = shop.run("plan list").good().out;
    assert!(told.lines().any(|line| line.starts_with("shop ") && line.contains("every Friday at 02:30")), "{told}");
    assert_eq!(shop.run("plan list --quiet").good().out, "recoup-catalog\nshop\n");
    let shown = shop.run("plan show shop").good().out;
    for line in ["version 1", &here("shop.db"), "without *.tmp", "every Friday", "weekly 4", "never"] {
        assert!(shown.contains(line), "{line}: {shown}");
    }

    let changed = shop.run("plan edit shop --at 04:00 --disabled --json").good().json();
    assert_eq!(changed["plan"]["schedule"]["weekday"], "friday");
    assert_eq!((&changed["plan"]["schedule"]["at"], &changed["enabled"]), (&json!("04:00"), &json!(false)));
    assert_eq!((&changed["version"], &changed["next_run"]), (&json!(2), &Value::Null));

    let asked = shop.run("plan remove shop --json");
    assert_eq!(refused(&asked), (2, "confirm_required".into()));
    shop.run("plan remove shop --yes").good();
    assert_eq!(refused(&shop.run("plan show shop --json")), (10, "plan_missing".into()));
    let told = events(&shop);
    for event in ["plan.created", "backup_scheduler.settings_created", "plan.changed", "plan.removed"] {
        assert_eq!(told.iter().filter(|known| *known == event).count(), 1, "{event}: {told:?}");
    }
}

#[test]
fn a_change_touches_what_is_named_and_takes_away_what_does_not_go_with_it() {
    let shop = Shop::new();
    shop.run(ADD).good();
    let schedule = |words: &str| shop.run(&format!("plan edit shop --json {words}")).good().json()["plan"].clone();
    let zone = "Europe/Berlin";
    assert_eq!(schedule("--every daily")["schedule"], json!({ "every": "daily", "at": "02:30", "zone": zone }));
    assert_eq!(
        schedule("--every monthly --day 31")["schedule"],
        json!({ "every": "monthly", "day": 31, "at": "02:30", "zone": zone })
    );
    assert_eq!(schedule("--every @hourly")["schedule"], json!({ "every": "@hourly", "zone": zone }));
    // Another policy is another policy, not a mixture.
    assert_eq!(schedule("--keep-days 9")["retention"], json!({ "days": 9 }));
    let less = schedule("--unset retention --unset files --unset schedule.zone");
    assert_eq!((less.get("retention"), less.get("files")), (None, None));
    assert!(less["schedule"]["zone"].is_string(), "a schedule always has a zone: {less}");
    let table = "deadline = \"2h\"\n[retention]\nkeep_count = 3\n";
    let more = fed(&shop, "plan edit shop --json --from -", table).good().json()["plan"].clone();
    assert_eq!((&more["deadline"], &more["retention"]), (&json!("2h"), &json!({ "keep_count": 3 })));
    assert_eq!(more["databases"], less["databases"]);
    for (words, code) in [
        ("", "nothing_to_change"),
        ("--unset hooks", "nothing_to_change"),
        ("--at 25:00", "bad_config"),
        ("--notify nobody", "bad_config"),
        ("--unset databases --unset directories", "bad_config"),
    ] {
        assert_eq!(refused(&shop.run(&format!("plan edit shop --json {words}"))), (2, code.into()), "{words}");
    }
}

#[test]
fn a_change_that_somebody_else_made_in_between_is_not_lost() {
    let shop = Shop::new();
    shop.run(ADD).good();
    let seen = plan(&shop, "shop")["version"].as_i64().unwrap();
    shop.run("plan edit shop --at 05:00").good();
    let late = shop.run(&format!("plan edit shop --json --at 06:00 --if-version {seen}"));
    assert_eq!(refused(&late), (17, "plan_changed".into()));
    assert_eq!(plan(&shop, "shop")["plan"]["schedule"]["at"], "05:00");
}

#[test]
fn what_is_exported_means_the_same_in_a_recoup_toml() {
    let shop = Shop::new();
    shop.run(ADD).good();
    shop.run("plan add other --database shop.db").good();
    let before = [plan(&shop, "shop")["plan"].clone(), plan(&shop, "other")["plan"].clone()];
    let exported = shop.run("plan export").good().out;
    assert!(!exported.contains("recoup-catalog"), "{exported}");
    let only = shop.run("plan export other").good().out;
    assert!(exported.contains(&only) && !only.contains("[plan.shop"), "{only}");

    let elsewhere = Shop::new();
    elsewhere.write("recoup.toml", &exported);
    let declared = elsewhere.run("plan list --json").good().json();
    let names: Vec<&Value> = declared["plans"].as_array().unwrap().iter().map(|plan| &plan["name"]).collect();
    assert_eq!(names, ["other", "shop"]);
    assert_eq!([plan(&elsewhere, "shop")["plan"].clone(), plan(&elsewhere, "other")["plan"].clone()], before);
    // And out of the file again, into a catalog under another name.
    let again = elsewhere.run("plan export shop").good().out;
    let third = Shop::new();
    fed(&third, "plan add copy --from -", &again).good();
    assert_eq!(plan(&third, "copy")["plan"], before[0]);
}

#[test]
fn plans_of_the_file_are_shown_with_it_and_changed_only_there() {
    let shop = Shop::configured();
    shop.run("plan add mine --database shop.db --data elsewhere").good();
    let listed = shop.run("plan list --json --data elsewhere").good().json();
    let origin = |name: &str| {
        let found = listed["plans"].as_array().unwrap().iter().find(|plan| plan["name"] == name).unwrap();
        (found["origin"].clone(), found["file"].clone())
    };
    let file = shop.path("recoup.toml").display().to_string();
    assert_eq!(origin("shop"), (json!("file"), json!(file)));
    assert_eq!(origin("mine"), (json!("catalog"), Value::Null));
    assert_eq!(origin("recoup-catalog").0, "built_in");
    for words in
        ["edit shop --at 04:00", "remove shop --yes", "edit recoup-catalog --disabled", "remove recoup-catalog --yes"]
    {
        let told = shop.run(&format!("plan {words} --data elsewhere --json"));
        assert_eq!(refused(&told), (12, "plan_read_only".into()), "{words}");
    }
    let told = shop.run("plan edit shop --at 04:00 --data elsewhere");
    assert!(told.err.contains(&file) && told.err.contains("restart"), "{}", told.err);
    assert_eq!(
        refused(&shop.run("plan add shop --database shop.db --data elsewhere --json")),
        (17, "plan_exists".into())
    );
    // Where no daemon has been, the file alone is looked at and nothing is made.
    assert!(shop.run("plan list").good().out.contains("recoup serve"));
    assert!(shop.run("plan show shop").good().out.contains("shop.db"));
    assert_eq!(refused(&shop.run("plan edit shop --at 04:00 --json")), (10, "catalog_missing".into()));
    assert!(!shop.path("recoup-data").exists());
}

#[test]
fn what_starts_programs_is_not_taken_from_the_command_line() {
    let shop = Shop::new();
    let table = "[plan.shop]\ndatabases = [\"shop.db\"]\n[plan.shop.hooks]\nbefore_backup = [[\"true\"]]\n";
    shop.write("shop.toml", table);
    let told = shop.run("plan add shop --from shop.toml --json");
    assert_eq!(refused(&told), (12, "not_from_api".into()));
    assert_eq!(refused(&shop.run("plan show shop --json")), (10, "plan_missing".into()));
    let broken = fed(&shop, "plan add shop --json --from -", "databases = [");
    assert_eq!(refused(&broken), (2, "bad_config".into()));
    let two = "[plan.a]\ndatabases = [\"a\"]\n[plan.b]\ndatabases = [\"b\"]\n";
    assert_eq!(refused(&fed(&shop, "plan add c --json --from -", two)), (2, "which_plan".into()));
}

#[test]
fn a_plan_of_the_catalog_backs_up_by_hand_and_tells_its_next_times() {
    let shop = Shop::new();
    shop.run(ADD).good();
    let id = shop.back_up("shop");
    let listed = shop.run("list shop --at here --quiet").good().out;
    assert_eq!(listed.trim(), id);
    let next = shop.run("plan next shop --after 2026-11-21T00:00:00Z --count 1 --json").good().json();
    assert_eq!(next["next"], json!(["2026-11-27T01:30:00Z"]));
    shop.run("plan remove shop --yes").good();
    assert_eq!(shop.run("list shop --at here --quiet").good().out.trim(), id, "backups outlive their plan");
}

#[test]
fn a_plan_of_a_user_says_no_more_than_the_user_may_read() {
    let shop = Shop::new();
    shop.run("user add ann --role operator").good();
    let told = shop.run("plan add hers --database shop.db --owner ann --json");
    assert_eq!(refused(&told), (12, "outside_roots".into()));
    shop.write("recoup.toml", &format!("[server]\nroots = [\"{}\"]\n", shop.root().display()));
    let hers = shop.run("plan add hers --database shop.db --owner ann --json").good().json();
    assert_ne!(hers["owner"], plan(&shop, "recoup-catalog")["owner"]);
    assert_eq!(refused(&shop.run("backup hers --json")), (12, "plan_of_a_user".into()));
}
