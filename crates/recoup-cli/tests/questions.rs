//! schemathesis questions the real daemon by its own OpenAPI document, as nobody, as another user, as a viewer, an operator
//! and an admin: no answer is an error of ours, all of them are as documented, nobody is told of what is not theirs.
//!
//! `st` comes from `make tools`; `SOAK=1` asks more. Not here: who may do what (the tests of the server crate).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemon;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use daemon::{Daemon, user};
use recoup_testkit::faults::soak;
use serde_json::{Value, json};

const TOML: &str = "\
[server]
roots = [\"app\"]
rate_limit = 0
[destination.here]
path = \"backups\"
[plan.site]
databases = [\"app/site.db\"]
destinations = [\"here\"]
";

const CHECKS: [&str; 9] = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "nothing_that_is_not_theirs",
];

/// Somebody with a token and things of their own.
#[derive(Default)]
struct Person {
    bearer: String,
    /// What variables of paths and fields of bodies may name.
    ids: BTreeMap<String, Vec<String>>,
}

impl Person {
    fn has(&mut self, keys: &[&str], id: &Value) {
        let id = id.as_str().unwrap_or_else(|| panic!("{id}"));
        keys.iter().for_each(|key| self.ids.entry((*key).to_owned()).or_default().push(id.to_owned()));
    }

    /// What nobody else may ever read.
    fn words(&self, name: &str) -> Vec<String> {
        let own = self.ids.iter().filter(|(key, _)| key.as_str() != "destinations.name");
        own.flat_map(|(_, ids)| ids.clone()).chain([format!("canary-{name}")]).collect()
    }
}

struct Scene {
    daemon: Daemon,
    people: BTreeMap<&'static str, Person>,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("app")).unwrap();
        database(folder.path(), "site");
        std::fs::write(folder.path().join("recoup.toml"), TOML).unwrap();
        let daemon = Daemon::start(folder.path());
        let bearers = ["admin", "ada", "vera", "eve"].map(|name| {
            let role = if name == "admin" { name } else { "operator" };
            (name, user(folder.path(), name, role))
        });
        let admin = bearers[0].1.clone();
        let mut people = BTreeMap::new();
        for (name, bearer) in bearers {
            let mut person = Person { bearer, ..Person::default() };
            if ["ada", "vera"].contains(&name) {
                furnish(&daemon, name, &mut person);
            }
            person.has(&["destinations.name"], &json!("here"));
            people.insert(name, person);
        }
        // An admin who would meet themselves might end their own sign-in.
        let new = json!({"name": "canary-gone", "role": "viewer", "password": daemon::PASSWORD});
        let gone = daemon.json("POST", "/api/v1/users", &admin, new);
        people.get_mut("admin").unwrap().has(&["users.id"], &gone["id"]);
        let vera = daemon.json("GET", "/api/v1/me", &people["vera"].bearer, Value::Null)["id"].clone();
        let vera = format!("/api/v1/users/{}", vera.as_str().unwrap());
        daemon.json("PATCH", &vera, &admin, json!({"role": "viewer"}));
        Scene { daemon, people, folder }
    }

    /// Asks as somebody, with `examples` for each operation; tells what was wrong, and what was answered.
    fn question(&self, who: &str, examples: u32) -> (Option<String>, Value) {
        let nobody = Person::default();
        let person = self.people.get(who).unwrap_or(&nobody);
        let strangers = self.people.iter().filter(|(name, _)| ["ada", "vera"].contains(name) && **name != who);
        let foreign: Vec<String> = match who {
            "admin" => Vec::new(),
            _ => strangers.clone().flat_map(|(name, person)| person.words(name)).collect(),
        };
        // Whoever has nothing asks about what others have; so does an admin, to whom it is told.
        let mut ids = person.ids.clone();
        if !ids.contains_key("plans.name") {
            for (_, other) in strangers {
                other.ids.iter().for_each(|(key, more)| ids.entry(key.clone()).or_default().extend(more.clone()));
            }
        }
        let [scene, report] = ["scene", "report"].map(|name| self.folder.path().join(format!("{who}.{name}.json")));
        let known = json!({"ids": ids, "foreign": foreign, "nobody": who == "nobody", "admin": who == "admin"});
        std::fs::write(&scene, known.to_string()).unwrap();
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/questions");
        let mut st = Command::new("st");
        st.current_dir(self.folder.path()).env("SCENE", &scene).env("REPORT", &report);
        st.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONDONTWRITEBYTECODE", "1").env("COLUMNS", "200");
        st.env("PYTHONPATH", &place).arg("--config-file").arg(place.join("schemathesis.toml"));
        st.arg("run").arg(format!("http://{}/api/v1/openapi.json", self.daemon.address));
        st.args([
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            &examples.to_string(),
            "--checks",
            &CHECKS.join(","),
        ]);
        // A search for databases tells of files that nobody owns: whatever lies below the roots.
        st.args([
            "--exclude-path-regex",
            "/(events|look/databases)$",
            "--continue-on-failure",
            "--no-shrink",
            "--warnings",
            "off",
        ]);
        st.args([
            "--generation-database",
            "none",
            "--no-color",
            "--suppress-health-check",
            "all",
            "--request-timeout",
            "70",
        ]);
        if !soak() {
            st.args(["--seed", "1"]);
        }
        if !person.bearer.is_empty() {
            st.args(["-H", &format!("Authorization: {}", person.bearer)]);
        }
        let done = st.output().expect("`make tools` installs st");
        let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let report = std::fs::read(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
        let wrong = (!done.status.success()).then(|| format!("as {who}:\n{said}"));
        (wrong, serde_json::from_slice(&report).unwrap())
    }
}

fn database(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("app/{name}.db"));
    let made = rusqlite::Connection::open(&path).unwrap();
    made.execute_batch("CREATE TABLE note(id INTEGER PRIMARY KEY, text); INSERT INTO note(text) VALUES('x')").unwrap();
    path
}

/// Two plans with a backup each, one of them to be deleted, and all that hangs on them.
fn furnish(daemon: &Daemon, name: &str, person: &mut Person) {
    database(daemon.folder(), &format!("canary-{name}"));
    let bearer = person.bearer.clone();
    let ask = |method: &str, path: &str, body: Value| daemon.json(method, path, &bearer, body);
    for (plan, gone) in [("shop", ""), ("gone", ".gone")] {
        let plan = format!("canary-{name}-{plan}");
        let body = json!({"databases": [format!("app/canary-{name}.db")], "destinations": ["here"], "retention": {"preset": "last-7"}});
        ask("POST", "/api/v1/plans", json!({"name": plan, "plan": body}));
        let run = daemon.back_up(&plan, &bearer);
        assert_eq!(run["outcome"], "good", "{run}");
        let backup = json!(daemon.newest(&plan, &bearer));
        person.has(&[&format!("plans.name{gone}")], &json!(plan));
        person.has(&[&format!("backups.id{gone}")], &backup);
        if gone.is_empty() {
            person.has(&["runs.id"], &run["id"]);
            person.has(&["restores.backup"], &backup);
            person.has(&["uploads.plan", "destinations.plan"], &json!(plan));
            let preview = ask("POST", "/api/v1/restores/preview", json!({"backup": backup}));
            person.has(&["restores.preview"], &preview["preview"]);
            let preview = ask("POST", &format!("/api/v1/plans/{plan}/retention"), json!({}));
            person.has(&["retention.preview"], &preview["preview"]);
        }
    }
    let token = ask("POST", "/api/v1/tokens", json!({"name": format!("canary-{name}"), "scope": "read"}));
    person.has(&["tokens.id.gone"], &token["id"]);
    for gone in ["", ".gone"] {
        let plan = format!("canary-{name}-shop");
        let upload = ask("POST", "/api/v1/uploads/pieces", json!({"plan": plan, "bytes": 10}));
        person.has(&[&format!("uploads.id{gone}")], &upload["id"]);
    }
}

/// Those that somebody with a token can do.
fn operations(daemon: &Daemon) -> Vec<String> {
    let document = daemon.json("GET", "/api/v1/openapi.json", "", Value::Null);
    // These take a cookie, the set-up code, a real backup, or the keys of a table of recoup.toml; other tests have those.
    let others = [
        "/events",
        "/session",
        "/session/proof",
        "/setup",
        "/me/password",
        "/uploads",
        "/finish",
        "/openapi.json",
        "/destinations/{name}",
        "/destinations/{name}/try",
        "/destinations/{name}/sign-in",
        "/channels/{name}",
        "/channels/{name}/try",
        "/backups/{id}/files",
        "/backups/{id}/file",
        "/backups/{id}/selection",
        "/backups/{id}/tables/{table}",
        "/look",
        "/look/databases",
        "/put-back",
    ];
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.filter(|(path, _)| !others.iter().any(|end| path.ends_with(end)));
    let all = paths.flat_map(|(path, item)| {
        item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    all.collect()
}

#[test]
fn every_answer_is_documented_and_nobody_is_told_of_what_is_not_theirs() {
    let scene = Scene::new();
    let examples = if soak() { 40 } else { 2 };
    let (mut wrong, mut told, mut all) = (Vec::new(), Vec::new(), 0);
    let mut unanswered: Vec<String> = operations(&scene.daemon);
    let people = ["nobody", "eve", "vera", "ada", "admin"];
    // Two at a time; the admin, who may end what is others', last.
    let asked = people.chunks(2).flat_map(|pair| {
        std::thread::scope(|scope| {
            let asking: Vec<_> = pair.iter().map(|who| scope.spawn(|| scene.question(who, examples))).collect();
            asking.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
        })
    });
    for (who, (trouble, report)) in people.into_iter().zip(asked) {
        wrong.extend(trouble);
        let answers = report["answers"].as_object().unwrap();
        let with = |statuses: fn(u16) -> bool| {
            let any = |found: &&Value| found.as_object().unwrap().keys().any(|key| statuses(key.parse().unwrap()));
            answers.values().filter(any).count()
        };
        let (good, cases) = (with(|status| status < 300), report["cases"].as_u64().unwrap());
        let (limited, broken) = (with(|status| status == 429), with(|status| status >= 500));
        told.push(format!(
            "{who}: {cases} cases of {} operations, {good} of them with a success, {broken} with a 5xx",
            answers.len()
        ));
        all += cases;
        // Questions that all fail would find nothing.
        let least = match who {
            "nobody" => 3,
            "eve" => 12,
            "vera" => 20,
            _ => 40,
        };
        let succeeded = |found: &Value| found.as_object().unwrap().keys().any(|status| status.starts_with('2'));
        unanswered.retain(|name| !answers.get(name).is_some_and(succeeded));
        if good < least || answers.len() < 60 || limited > 2 {
            wrong.push(format!("as {who} too little was reached: {report:#}"));
        }
    }
    println!("{all} cases: {told:#?}");
    assert!(wrong.is_empty(), "{}\n{told:#?}", wrong.join("\n"));
    // Of what needs that something else is done by then, such as undoing a restore.
    assert!(unanswered.len() <= 3, "nobody was answered {unanswered:#?}");
    assert!(all >= 5_000, "{told:#?}");
    // It is alive, and whole.
    assert_eq!(scene.daemon.ask("GET", "/readyz", "", None).status, 200);
    let chain = scene.daemon.json("GET", "/api/v1/audit/verify", &scene.people["admin"].bearer, Value::Null);
    assert_eq!(chain["ok"], true, "{chain}");
}
