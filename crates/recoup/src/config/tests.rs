//! The configuration through its public door: a file and an environment in, settings or a useful error out.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};

use super::*;
use crate::model::SourceSpec;

const FULL: &str = r#"
format = "json"

[plan.shop]
destinations = ["here", "./more"]
compact = true
databases = ["shop.db", { name = "jobs", path = "/srv/jobs.db", optional = true, busy_timeout = "5s" }, "old/shop.db"]
directories = [{ path = "thumbs", exclude = ["*.tmp"], optional = true }]
files = ["/etc/shop/config.yml"]
commands = [{ name = "ldap.ldif", argv = ["slapcat"], timeout = "2m" }]

[plan.shop.settings]
environment = ["SHOP_*"]
tables = [{ database = "shop.db", table = "settings", key = "key", value = "value" }]
json = ["settings.json"]

[plan.shop.export]
saved = "SELECT 1"

[plan.small]
databases = ["/a.db"]

[destination.here]
path = "/srv/backups"
marker = true
"#;

fn resolve(text: &str, environment: &[(&str, &str)]) -> Result<Settings> {
    let environment: Vec<_> = environment.iter().map(|(k, v)| (k.into(), v.into())).collect();
    let file = Some((Path::new("/app/recoup.toml"), text));
    Settings::resolve(Inputs {
        file,
        environment: &environment,
        current_directory: Path::new("/cwd"),
        zone: "Europe/Berlin",
    })
}

fn error(text: &str) -> (String, String) {
    let error = resolve(text, &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    (error.message().to_owned(), error.hint_text().unwrap_or_default().to_owned())
}

#[test]
fn a_full_file_means_what_it_says() {
    let settings = resolve(FULL, &[]).unwrap();
    let plan = settings.plan("shop").unwrap();
    assert_eq!((plan.format, plan.compact), (Format::Json, true));
    let names: Vec<&str> = plan.sources.iter().map(SourceSpec::name).collect();
    assert_eq!(names, ["shop", "jobs", "shop-2", "thumbs", "config.yml", "ldap.ldif", "settings"]);
    let SourceSpec::Database(shop) = &plan.sources[0] else { panic!() };
    assert_eq!((shop.busy_timeout_ms, shop.location.as_str()), (30_000, "shop.db"));
    assert_eq!(plan.queries, [("saved".to_owned(), "SELECT 1".to_owned())]);
    let SourceSpec::Database(jobs) = &plan.sources[1] else { panic!() };
    assert_eq!((jobs.busy_timeout_ms, jobs.optional), (5_000, true));
    let SourceSpec::Directory(thumbs) = &plan.sources[3] else { panic!() };
    assert_eq!((thumbs.path.as_path(), thumbs.optional), (Path::new("/app/thumbs"), true));
    let SourceSpec::Command(command) = &plan.sources[5] else { panic!() };
    assert_eq!(command.timeout_ms, 120_000);

    let destinations = settings.destinations_of(plan).unwrap();
    let paths: Vec<&Path> = destinations.iter().filter_map(|d| d.path()).collect();
    assert_eq!(paths, [Path::new("/srv/backups"), Path::new("/app/more")]);
    assert!(destinations[0].has_marker() && !destinations[1].has_marker());
    let small = settings.destinations_of(settings.plan("small").unwrap()).unwrap();
    assert_eq!(small[0].path(), Some(Path::new("/app/backups")));
}

#[test]
fn every_relative_path_is_resolved_against_the_file_and_told() {
    let settings = resolve(FULL, &[]).unwrap();
    let told: Vec<(&str, PathBuf)> = settings
        .resolved
        .iter()
        .filter(|resolved| resolved.plan == "shop")
        .map(|resolved| (resolved.written.as_str(), resolved.path.clone()))
        .collect();
    for (written, path) in [
        ("shop.db", "/app/shop.db"),
        ("old/shop.db", "/app/old/shop.db"),
        ("thumbs", "/app/thumbs"),
        ("settings.json", "/app/settings.json"),
        ("./more", "/app/more"),
    ] {
        assert!(told.contains(&(written, PathBuf::from(path))), "{written}: {told:?}");
    }
    assert!(!told.iter().any(|(written, _)| written.starts_with('/')), "{told:?}");
}

#[test]
fn every_value_knows_its_origin() {
    let settings = resolve(FULL, &[("RECOUP_FORMAT", "both"), ("RECOUP_DESTINATION", "out")]).unwrap();
    let origin = |key: &str| {
        let value = settings.values.iter().find(|value| value.key == key).unwrap_or_else(|| panic!("{key}"));
        (value.value.to_string(), value.origin.to_string())
    };
    assert_eq!(origin("format"), ("\"both\"".into(), "environment RECOUP_FORMAT".into()));
    assert_eq!(origin("plan.small.format"), ("\"both\"".into(), "environment RECOUP_FORMAT".into()));
    assert_eq!(origin("plan.small.destinations"), ("[\"/cwd/out\"]".into(), "environment RECOUP_DESTINATION".into()));
    assert_eq!(origin("plan.shop.compact"), ("true".into(), "/app/recoup.toml:6".into()));
    assert_eq!(origin("plan.small.compact"), ("false".into(), "default".into()));
    assert_eq!(origin("destination.here.marker"), ("true".into(), "/app/recoup.toml:25".into()));
    let small = settings.destinations_of(settings.plan("small").unwrap()).unwrap();
    assert_eq!(small[0].path(), Some(Path::new("/cwd/out")));
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let (message, hint) = error("[plan.shop]\ndatabases = [\"a.db\"]\nfromat = \"json\"\n");
    assert_eq!(message, "/app/recoup.toml:3: plan.shop.fromat: unknown key");
    assert_eq!(hint, "did you mean plan.shop.format?");
    let (message, hint) = error("[plan.shop]\ndatabases = [\n  { path = \"a.db\", optinal = true },\n]\n");
    assert_eq!(message, "/app/recoup.toml:3: plan.shop.databases[0].optinal: unknown key");
    assert_eq!(hint, "did you mean plan.shop.databases[0].optional?");
    let (message, hint) = error("[plans.shop]\ndatabases = []\n");
    assert_eq!(message, "/app/recoup.toml:1: plans: unknown key");
    assert_eq!(hint, "did you mean plan?");
}

#[test]
fn every_other_mistake_names_file_line_and_key_too() {
    let plan = |line: &str| error(&format!("[plan.shop]\ndatabases = [\"a.db\"]\n{line}\n")).0;
    for (line, message) in [
        ("compact = \"yes\"", "/app/recoup.toml:3: plan.shop.compact: expected true or false, found string"),
        ("format = \"zip\"", "/app/recoup.toml:3: plan.shop.format: Unknown format: zip"),
        ("files = \"x\"", "/app/recoup.toml:3: plan.shop.files: expected an array, found string"),
        ("files = [{}]", "/app/recoup.toml:3: plan.shop.files[0].path: is missing"),
        ("destinations = [\"nas\"]", "/app/recoup.toml:3: plan.shop.destinations[0]: there is no destination \"nas\""),
        ("commands = [{ name = \"x\", argv = [] }]", "/app/recoup.toml:3: plan.shop.commands[0].argv: needs a program"),
        (
            "directories = [{ path = \"a\", name = \"x/y\" }]",
            "/app/recoup.toml:3: plan.shop.directories[0].name: not a name: \"x/y\"; at most 100 bytes, no slash, no dot at the beginning",
        ),
    ] {
        assert_eq!(plan(line), message);
    }
    assert_eq!(error("[plan.Shop]\n").0, "/app/recoup.toml:1: plan.Shop: Not a plan name: Shop");
    assert_eq!(error("[plan.shop]\n").0, "/app/recoup.toml:1: plan.shop: has nothing to back up");
    assert!(error("[plan.shop\n").0.starts_with("/app/recoup.toml:1: not valid TOML: "));
    let durations = error("[plan.shop]\ndatabases = [{ path = \"a\", busy_timeout = \"soon\" }]\n");
    assert_eq!(durations.0, "/app/recoup.toml:2: plan.shop.databases[0].busy_timeout: not a duration: \"soon\"");
}

#[test]
fn the_same_name_twice_is_an_error_and_derived_names_give_way() {
    let text =
        "[plan.shop]\ndatabases = [\"b.db\"]\nfiles = [{ name = \"b\", path = \"x\" }, { name = \"B\", path = \"y\" }]";
    assert_eq!(error(text).0, "/app/recoup.toml:3: plan.shop.files[1].name: \"B\" is taken by another source");
    let settings = resolve(&text.replace("\"B\"", "\"c\""), &[]).unwrap();
    let names: Vec<&str> = settings.plans[0].sources.iter().map(SourceSpec::name).collect();
    assert_eq!(names, ["b-2", "b", "c"]);
}

#[test]
fn a_database_in_histories_is_no_archive_unless_somebody_says_so() {
    let text = |more: &str, layout: &str, sources: &str| {
        format!(
            "{more}\n[destination.d]\npath = \"/d\"\nlayout = \"{layout}\"\n[plan.shop]\ndestinations = [\"d\"]\n{sources}"
        )
    };
    let format = |text: &str| resolve(text, &[]).unwrap().plans[0].format;
    let one = "databases = [\"shop.db\"]";
    assert_eq!(format(&text("", "history", one)), Format::Database);
    assert_eq!(format(&text("", "files", one)), Format::Archive);
    assert_eq!(format(&text("", "history", "databases = [\"shop.db\", \"jobs.db\"]")), Format::Archive);
    assert_eq!(format(&text("", "history", &format!("{one}\ndirectories = [\"up\"]"))), Format::Archive);
    assert_eq!(format(&text("format = \"archive\"", "history", one)), Format::Archive);
    assert_eq!(format(&text("", "history", &format!("{one}\nformat = \"archive\""))), Format::Archive);
}

#[test]
fn what_the_command_line_names_becomes_a_plan() {
    let settings = resolve("", &[("RECOUP_FORMAT", "json")]).unwrap();
    let ad_hoc = AdHoc {
        databases: vec!["data/My App.db".into()],
        directories: vec!["up.d".into(), "/other/up.d".into()],
        exclude: vec!["*.tmp".into()],
        ..AdHoc::default()
    };
    let (plan, resolved) = ad_hoc.plan(&settings, Path::new("/cwd"), &[]).unwrap();
    assert_eq!((plan.name.as_str(), plan.format), ("my-app", Format::Json));
    let names: Vec<&str> = plan.sources.iter().map(SourceSpec::name).collect();
    assert_eq!(names, ["My App", "up.d", "up-2.d"]);
    let told: Vec<&str> = resolved.iter().map(|resolved| resolved.written.as_str()).collect();
    assert_eq!(told, ["data/My App.db", "up.d"]);
    let full = resolve(FULL, &[]).unwrap();
    let clash = AdHoc { databases: vec!["shop.db".into()], ..AdHoc::default() };
    assert_eq!(clash.plan(&full, Path::new("/cwd"), &[]).unwrap().0.name, "shop-by-hand");
    let clash = AdHoc { plan: Some("shop".into()), ..clash };
    assert_eq!(clash.plan(&full, Path::new("/cwd"), &[]).unwrap_err().code(), "plan_declared");
    assert_eq!(AdHoc::default().plan(&settings, Path::new("/cwd"), &[]).unwrap_err().code(), "no_sources");
}

#[test]
fn a_plan_that_does_not_exist_names_the_nearest() {
    let settings = resolve(FULL, &[]).unwrap();
    let error = settings.plan("shp").unwrap_err();
    assert_eq!((error.kind(), error.hint_text()), (ErrorKind::NotFound, Some("did you mean shop?")));
}

const HOOKS: &str = r#"
[plan.shop]
databases = ["/a.db"]
[plan.shop.hooks]
before_backup = [["bin/stop", "--now", "s3cret"], { argv = ["late"], timeout = "5s" }]
after_restore = [{ http = "https://host/resume?key=s3cret", method = "put", headers = { x-key = "s3cret" } }]
"#;

#[test]
fn hooks_are_programs_or_requests_and_show_no_secret() {
    use crate::model::hook::HookAction;
    let settings = resolve(HOOKS, &[]).unwrap();
    let hooks = &settings.plans[0].hooks;
    let program = |words: &[&str]| HookAction::Program(words.iter().map(|word| word.to_string()).collect());
    assert_eq!(hooks.before_backup[0].action, program(&["/app/bin/stop", "--now", "s3cret"]));
    assert_eq!((hooks.before_backup[1].action.clone(), hooks.before_backup[1].timeout_ms), (program(&["late"]), 5000));
    assert!(matches!(&hooks.after_restore[0].action, HookAction::Http { method, .. } if method == "PUT"));
    let shown: String = settings.values.iter().map(|value| value.value.to_string()).collect();
    assert!(shown.contains("PUT https://host/resume") || shown.contains("PUT host/resume"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let plan = "[plan.shop]\ndatabases = [\"/a.db\"]\n[plan.shop.hooks]\n";
    for (text, message, hint) in [
        (
            "before_backups = []",
            "4: plan.shop.hooks.before_backups: unknown key",
            "did you mean plan.shop.hooks.before_backup?",
        ),
        ("before_backup = [[]]", "4: plan.shop.hooks.before_backup[0]: needs a program", "no shell"),
        ("before_backup = [\"stop\"]", "expected a table", ""),
        ("before_backup = [{ http = \"ftp://x\" }]", "is not a URL", ""),
        ("before_backup = [{ http = \"http://me:x@host\" }]", "it has a user or a password in it", ""),
        ("before_backup = [{ argv = [\"a\"], http = \"http://x\" }]", "needs either argv or http", ""),
        ("before_backup = [{ http = \"http://x\", method = \"TRACE\" }]", "is not a method", "one of"),
    ] {
        let (told, hinted) = error(&format!("{plan}{text}\n"));
        assert!(told.contains(message) && hinted.contains(hint), "{text}: {told} / {hinted}");
    }
}

#[test]
fn retention_is_a_preset_and_what_changes_it_and_a_plans_own_replaces_the_default() {
    let text = "[retention]\npreset = \"30-days\"\nmin_keep = 2\n[plan.a]\nfiles = [\"/a\"]\n[plan.b]\nfiles = [\"/b\"]\n\
                [plan.b.retention]\nyearly = 2\npreset = \"7-4-12\"\nzone = \"Europe/Berlin\"\n[plan.c]\nfiles = [\"/c\"]\n\
                [plan.c.retention]\n";
    let settings = resolve(text, &[]).unwrap();
    let policy = |name: &str| settings.plan(name).unwrap().retention.clone().unwrap();
    assert_eq!((policy("a").days, policy("a").min_keep), (30, 2));
    let b = policy("b");
    assert_eq!((b.daily, b.weekly, b.monthly, b.yearly, b.days, b.min_keep), (7, 4, 12, 2, 0, 1));
    assert_eq!(b.zone, "Europe/Berlin");
    assert!(policy("c").keeps_everything());
    let noted = settings.values.iter().find(|value| value.key == "plan.b.retention.yearly").unwrap();
    assert_eq!((noted.value.clone(), noted.origin.to_string()), (serde_json::json!(2), "/app/recoup.toml:9".into()));
    assert_eq!(resolve("[plan.a]\nfiles = [\"/a\"]\n", &[]).unwrap().plans[0].retention, None);
}

#[test]
fn a_slip_in_retention_is_an_error_at_its_line_and_never_a_policy() {
    let with = |line: &str| error(&format!("[plan.a]\nfiles = [\"/a\"]\n[plan.a.retention]\n{line}\n"));
    for (line, message, hint) in [
        ("dialy = 7", "plan.a.retention.dialy: unknown key", "did you mean plan.a.retention.daily?"),
        ("days = 366", "plan.a.retention.days: days must be 1 to 365, not 366", "allow_large"),
        ("keep_count = 31", "plan.a.retention.keep_count: keep_count must be 1 to 30, not 31", "allow_large"),
        ("weekly = 1000", "plan.a.retention.weekly: weekly must be at most 366, not 1000", ""),
        ("min_keep = 0", "plan.a.retention.min_keep: min_keep must be at least 1", ""),
        ("days = -1", "plan.a.retention.days: must be a number from 0 on, not -1", ""),
        ("days = \"30\"", "plan.a.retention.days: expected a number, found string", ""),
        ("days = 30.5", "plan.a.retention.days: expected a number, found float", ""),
        ("zone = \"Mars\"", "plan.a.retention.zone: Unknown time zone: Mars", ""),
        ("preset = \"7-4\"", "plan.a.retention.preset: Unknown retention preset: 7-4", "7-4-12"),
    ] {
        let (told, why) = with(line);
        assert_eq!(told, format!("/app/recoup.toml:4: {message}"));
        assert!(why.contains(hint), "{line}: {why}");
    }
    let large = "[plan.a]\nfiles = [\"/a\"]\n[plan.a.retention]\nkeep_count = 400\nallow_large = true\n";
    assert_eq!(resolve(large, &[]).unwrap().plans[0].retention.as_ref().unwrap().keep_count, 400);
}

#[test]
fn a_plan_says_when_it_runs() {
    use std::time::Duration;
    let text = "[plan.shop]\ndatabases = [\"/a.db\"]\nenabled = false\ndeadline = \"1h\"\ntest_restore = \"never\"\n\
                [plan.shop.schedule]\nevery = \"monthly\"\nday = 31\nat = \"02:30\"\njitter = \"10m\"\nskip_if_later_than = \"2d\"\n\
                [plan.other]\nfiles = [\"/a\"]\nschedule = { every = \"30 */6 * * mon-fri\", zone = \"utc\" }\n[plan.rest]\nfiles = [\"/a\"]\n";
    let settings = resolve(text, &[]).unwrap();
    let plan = settings.plan("shop").unwrap();
    assert_eq!((plan.enabled, plan.test_restore, plan.deadline), (false, None, Duration::from_secs(3600)));
    let schedule = plan.schedule.as_ref().unwrap();
    let words = "on day 31 of every month (the last day of shorter months) at 02:30 Europe/Berlin";
    assert_eq!(schedule.describe(), words);
    assert_eq!(schedule.jitter, Duration::from_secs(600));
    assert_eq!(schedule.skip_if_later_than, Some(Duration::from_secs(2 * 86_400)));
    assert_eq!(settings.plan("other").unwrap().schedule.as_ref().unwrap().zone, "UTC");
    let rest = settings.plan("rest").unwrap();
    assert_eq!((rest.enabled, &rest.schedule, rest.deadline), (true, &None, Duration::from_secs(6 * 3600)));
    assert_eq!(rest.test_restore, Some(Duration::from_secs(7 * 86_400)));
    let told = |key: &str| {
        let value = settings.values.iter().find(|value| value.key == key).unwrap_or_else(|| panic!("{key}"));
        (value.value.clone(), value.origin.to_string())
    };
    assert_eq!(told("plan.shop.schedule.day"), (serde_json::json!(31), "/app/recoup.toml:8".into()));
    assert_eq!(told("plan.shop.schedule.zone"), (serde_json::json!("Europe/Berlin"), "default".into()));
    assert_eq!(told("plan.rest.test_restore"), (serde_json::json!("7d"), "default".into()));
    assert_eq!(told("plan.shop.deadline"), (serde_json::json!("1h"), "/app/recoup.toml:4".into()));
}

#[test]
fn a_slip_in_a_schedule_is_an_error_at_its_key_and_never_another_schedule() {
    let with = |line: &str| error(&format!("[plan.a]\nfiles = [\"/a\"]\n[plan.a.schedule]\n{line}\n"));
    for (line, message, hint) in [
        ("evry = \"daily\"", "evry: unknown key", "did you mean plan.a.schedule.every?"),
        ("every = \"dialy\"", "every: Unknown frequency: dialy", "one of: daily, weekly, monthly, rolling-weekly"),
        ("every = \"61 * * * *\"", "every: not a cron expression: \"61 * * * *\"", "minute hour"),
        ("every = \"0 0 3 * * *\"", "every: not a cron expression: \"0 0 3 * * *\"", "minute hour"),
        ("every = \"0 3 31 feb *\"", "every: The schedule never comes", ""),
        ("every = 1", "every: expected a string, found integer", ""),
        ("zone = \"Mars/Olympus\"", "zone: Unknown time zone: Mars/Olympus", "Europe/Berlin"),
        ("weekday = \"sunday\"", "weekday: does not go with every = \"daily\"", "only with every = \"weekly\""),
        ("jitter = \"1 month\"", "jitter: not a duration: \"1 month\"", "30s"),
        ("day = 0\nevery = \"monthly\"", "day: must be 1 to 31 or \"last\", not 0", ""),
        ("day = \"first\"\nevery = \"monthly\"", "day: must be 1 to 31 or \"last\", not \"first\"", ""),
        ("weekday = \"sonntag\"\nevery = \"weekly\"", "weekday: not a weekday: \"sonntag\"", "monday"),
        ("at = \"03:00\"\nevery = \"@daily\"", "at: does not go with a cron expression", "itself"),
    ] {
        let (told, why) = with(line);
        assert_eq!(told, format!("/app/recoup.toml:4: plan.a.schedule.{message}"));
        assert!(why.contains(hint), "{line}: {why}");
    }
    for time in ["3:00", "24:00", "12:60", "03:00 PM", "+3:00"] {
        let error =
            resolve(&format!("[plan.a]\nfiles = [\"/a\"]\n[plan.a.schedule]\nat = {time:?}\n"), &[]).unwrap_err();
        assert_eq!((error.code(), error.message()), ("bad_time", "Invalid time format. Use HH:MM (24-hour)"));
        let why = error.detail();
        assert!(why.contains("/app/recoup.toml:4: plan.a.schedule.at") && why.contains(time), "{why}");
    }
    let told = error("[plan.a]\nfiles = [\"/a\"]\ntest_restore = \"seldom\"\n");
    assert_eq!(told.0, "/app/recoup.toml:3: plan.a.test_restore: not a duration: \"seldom\"");
}

#[test]
fn a_destination_of_a_plan_may_keep_something_else() {
    let text = r#"
[destination.here]
path = "/srv/here"
[destination.offsite]
path = "/mnt/offsite"
[retention]
keep_count = 9
[plan.shop]
databases = ["/a.db"]
destinations = ["here", { name = "offsite", retention = { preset = "7-4-12" } }, { name = "./third" }]
"#;
    let settings = resolve(text, &[]).unwrap();
    let plan = &settings.plans[0];
    assert_eq!(plan.destinations, ["here", "offsite", "/app/third"]);
    let words = |name: &str| plan.retention_of(name).map(|policy| policy.words());
    assert_eq!(words("here").as_deref(), Some("newest 9"));
    assert_eq!(words("offsite").as_deref(), Some("daily 7, weekly 4, monthly 12"));
    assert_eq!(words("/app/third"), words("here"));
    // The same document from the API, and back as a table.
    let body = serde_json::json!({ "databases": ["/a.db"], "destinations": [
        "here", { "name": "offsite", "retention": { "preset": "7-4-12" } }, { "name": "./third" }
    ] });
    assert_eq!(settings.plan_of("shop", &body).unwrap(), *plan);
    assert_eq!(settings.documents[0].1, body);
    let start = text.split("[plan.shop]").next().unwrap();
    for (written, told, hinted) in [
        ("[{ name = \"here\", keep = 1 }]", "destinations[0].keep: unknown key", "keys here: name, retention"),
        ("[{ retention = { days = 1 } }]", "destinations[0].name: is missing", ""),
        ("[{ name = \"here\", retention = { days = 999 } }]", "days must be 1 to 365", "allow_large"),
        ("[{ name = \"heer\" }]", "there is no destination \"heer\"", "did you mean \"here\"?"),
        ("[]", "names no destination", "./backups"),
    ] {
        let (message, hint) =
            error(&format!("{start}[plan.shop]\ndatabases = [\"/a.db\"]\ndestinations = {written}\n"));
        assert!(message.contains(told) && hint.contains(hinted), "{written}: {message} / {hint}");
    }
}
