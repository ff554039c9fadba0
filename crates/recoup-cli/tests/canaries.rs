//! Every kind of secret has a canary for a value, and a whole scene is played: signing in, backups, a restore, messages and
//! hooks that fail, everything that can be read or printed, at the most talkative level of the log. No canary is found in
//! what was answered, printed, logged, sent, backed up or stored, except in the files in which it was given.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemon;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use daemon::{Daemon, recoup};
use data_encoding::{BASE64, HEXLOWER};
use recoup_testkit::listener::Listener;
use recoup_testkit::mail_sink::MailSink;
use rusqlite::Connection;
use serde_json::{Value, json};

const PASSWORD: &str = "canary-password-5Xw";
const MISTYPED: &str = "canary-mistyped-9Kd";

/// Secrets that a configuration or its environment gives.
const GIVEN: [&str; 14] = [
    "canary-hook-path",
    "canary-topic",
    "canary-ntfy-token",
    "canary-webhook-url",
    "canary-webhook-header",
    "canary-beat",
    "canary-apprise",
    "canary-mail-password",
    "canary-quiesce-query",
    "canary-quiesce-header",
    "canary-argument",
    "canary-variable",
    "canary-row",
    "canary-json",
];

fn configuration(here: &Path, server: &Listener, mail: u16) {
    let url = |path: &str| server.url(path);
    let text = format!(
        "[server]\nrate_limit = 0\nroots = [\"app\"]\n\
         [destination.here]\npath = \"backups\"\n\
         [plan.shop]\ndatabases = [\"shop.db\"]\ndestinations = [\"here\"]\nretention = {{ preset = \"last-7\" }}\n\
         notify = [\"topic\", \"hook\", \"secret-hook\", \"beat\", \"apprise\", \"mail\"]\n\
         [plan.kept]\ndestinations = [\"here\"]\n\
         [plan.kept.settings]\nenvironment = [\"SHOP_*\"]\njson = [\"settings.json\"]\n\
         tables = [{{ database = \"kept.db\", table = \"settings\", key = \"key\", value = \"value\" }}]\n\
         [plan.held]\ndatabases = [\"shop.db\"]\ndestinations = [\"here\"]\nnotify = [\"mail\", \"hook\"]\n\
         [plan.held.hooks]\nbefore_backup = [[\"true\", \"canary-argument\"], {{ http = \"{}\", headers = {{ authorization = \"canary-quiesce-header\" }} }}]\n\
         [notify.topic]\nntfy = \"{}\"\ntoken_file = \"secrets/ntfy\"\n\
         [notify.hook]\nwebhook = \"{}\"\nheaders = {{ authorization = \"canary-webhook-header\" }}\n\
         [notify.secret-hook]\nwebhook_file = \"secrets/hook\"\n\
         [notify.beat]\nheartbeat = \"{}\"\n\
         [notify.apprise]\napprise = \"{}\"\n\
         [notify.mail]\nemail = [\"me@example.org\"]\nserver = \"127.0.0.1:{mail}\"\ntls = \"none\"\nfrom = \"recoup@example.org\"\n\
         user = \"recoup\"\npassword = \"canary-mail-password\"\n\
         on = [\"failure\", \"success\", \"warnings\", \"recovery\"]\n",
        url("/pause?key=canary-quiesce-query"),
        url("/canary-topic"),
        url("/canary-webhook-url"),
        url("/canary-beat"),
        url("/notify/canary-apprise"),
    );
    let on = "on = [\"failure\", \"success\", \"recovery\"]\n[notify.";
    let text = text.replacen("[notify.hook]", &format!("{on}hook]"), 1);
    fs::write(here.join("recoup.toml"), text).unwrap();
    fs::create_dir(here.join("secrets")).unwrap();
    fs::write(here.join("secrets/ntfy"), "canary-ntfy-token\n").unwrap();
    fs::write(here.join("secrets/hook"), url("/canary-hook-path")).unwrap();
}

fn application(here: &Path) {
    let shop = Connection::open(here.join("shop.db")).unwrap();
    shop.execute_batch("CREATE TABLE note(id INTEGER PRIMARY KEY, text); INSERT INTO note(text) VALUES('first')")
        .unwrap();
    let kept = Connection::open(here.join("kept.db")).unwrap();
    kept.execute_batch(
        "CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT);
         INSERT INTO settings VALUES('title', 'Lighthouse'), ('api_token', 'canary-row')",
    )
    .unwrap();
    fs::write(here.join("settings.json"), r#"{"language": "de", "smtp": {"password": "canary-json"}}"#).unwrap();
}

/// What was seen, by where.
#[derive(Default)]
struct Seen(BTreeMap<String, Vec<u8>>);

impl Seen {
    fn note(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.entry(place.into()).or_default().extend(bytes.into());
    }

    fn print(&mut self, here: &Path, words: &str) -> String {
        let done =
            recoup(here).env("SHOP_API_TOKEN", "canary-variable").args(words.split_whitespace()).output().unwrap();
        self.note(format!("recoup {words}"), [&done.stdout[..], &done.stderr[..]].concat());
        String::from_utf8(done.stdout).unwrap()
    }

    /// Everything below a folder, archives unpacked; files of these names were given and hold what they hold.
    fn files(&mut self, folder: &Path, given: &[&str]) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                self.files(&path, given);
            } else if !given.contains(&name.as_str()) {
                self.note(path.display().to_string(), fs::read(&path).unwrap());
                if name.ends_with(".zip") {
                    let unpacked = Command::new("unzip").arg("-p").arg(&path).output().unwrap();
                    assert!(unpacked.status.success(), "{path:?}");
                    self.note(format!("{} unpacked", path.display()), unpacked.stdout);
                }
            }
        }
    }

    /// Where which canary is, as it is, in base64 or in hexadecimal.
    fn find(&self, canaries: &[String]) -> Vec<String> {
        let spelled = |canary: &String| {
            let bytes = canary.as_bytes();
            let base64 = BASE64.encode(bytes).trim_end_matches('=').to_owned();
            [canary.clone(), base64, HEXLOWER.encode(bytes)].map(|text| (canary.clone(), text))
        };
        let all: Vec<(String, String)> = canaries.iter().flat_map(spelled).collect();
        let mut found = Vec::new();
        for (place, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes);
            let there = all.iter().filter(|(_, spelling)| text.contains(spelling.as_str()));
            found.extend(there.map(|(canary, _)| format!("{canary} in {place}")));
        }
        found
    }
}

struct Scene {
    daemon: Daemon,
    seen: Seen,
    /// The headers of whoever is signed in.
    signed_in: String,
}

impl Scene {
    fn ask(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let headers = format!("{}Content-Type: application/json\r\n", self.signed_in);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &headers, body.as_bytes())
    }

    fn send(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Value) {
        let answer = self.daemon.send(method, path, headers, body);
        // A sign-in answers with the cookie, a token with the token: there they belong.
        let belongs =
            ["/api/v1/session", "/api/v1/setup", "/api/v1/tokens"].contains(&path) && answer.status / 100 == 2;
        if !belongs {
            self.seen.note(format!("{method} {path}"), format!("{}\r\n\r\n{}", answer.head, answer.text));
        }
        (answer.status, serde_json::from_str(&answer.text).unwrap_or_default())
    }

    fn run(&mut self, path: &str, body: Value) -> Value {
        let (status, started) = self.ask("POST", path, body);
        assert_eq!(status, 202, "{path}: {started}");
        let path = format!("/api/v1/runs/{}", started["run"].as_str().unwrap());
        for _ in 0..1200 {
            let run = self.ask("GET", &path, Value::Null).1;
            if run["state"] == "done" {
                return run;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{path} does not end");
    }

    /// Every GET of the document that ends by itself, about things that are there.
    fn read_everything(&mut self, ids: &BTreeMap<&str, String>) -> usize {
        let document = self.ask("GET", "/api/v1/openapi.json", Value::Null).1;
        let mut read = 0;
        for (template, item) in document["paths"].as_object().unwrap() {
            if item["get"].is_null() || template.ends_with("/events") {
                continue;
            }
            let mut path = template.clone();
            if let Some((before, rest)) = template.split_once('{') {
                let kind = before.trim_end_matches('/').rsplit('/').next().unwrap();
                let Some(id) = ids.get(kind) else { continue };
                path = format!("{before}{id}{}", rest.split_once('}').unwrap().1);
            }
            let status = self.ask("GET", &path, Value::Null).0;
            assert!(status < 500 && status != 401, "{path}: {status}");
            read += usize::from(status == 200);
        }
        read
    }
}

/// Talks like PostgreSQL and lets nobody in.
fn refusing_database() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 1024];
            // First whether it speaks TLS, which it does not, then who it is.
            let length = stream.read(&mut asked).unwrap_or(0);
            if length == 8 {
                let _ = stream.write_all(b"N");
                let _ = stream.read(&mut asked);
            }
            let fields = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0";
            let size = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            let _ = stream.write_all(&[&b"E"[..], &size, fields].concat());
        }
    });
    port
}

#[test]
fn no_secret_is_anywhere_but_where_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    application(here);
    let server = Listener::answering(500);
    let mut post = MailSink::start(&["--user", "recoup", "--password", "canary-mail-password"]);
    configuration(here, &server, post.port);
    let mut command = recoup(here);
    command.env("RUST_LOG", "trace,hyper=debug").env("SHOP_API_TOKEN", "canary-variable");
    let daemon = Daemon::start_with(&mut command, here);
    let code = daemon.code.clone().unwrap();
    let mut scene = Scene { daemon, seen: Seen::default(), signed_in: String::new() };

    // Signing in: rightly, wrongly, and with what is no question.
    scene.ask("POST", "/api/v1/setup", json!({"code": MISTYPED, "name": "admin", "password": PASSWORD}));
    let (status, made) =
        scene.ask("POST", "/api/v1/setup", json!({"code": code, "name": "admin", "password": PASSWORD}));
    assert_eq!(status / 100, 2, "{made}");
    scene.ask("POST", "/api/v1/setup", json!({"code": code, "name": "other", "password": PASSWORD}));
    for wrong in [
        json!({"name": "admin", "password": MISTYPED}),
        json!({"name": MISTYPED, "password": PASSWORD}),
        json!({"name": "admin", "password": [PASSWORD]}),
        json!({"name": "admin", "password": {"text": PASSWORD}, "more": MISTYPED}),
        json!([PASSWORD]),
        json!(PASSWORD),
    ] {
        let (status, told) = scene.ask("POST", "/api/v1/session", wrong);
        assert_eq!(status / 100, 4, "{told}");
    }
    let broken = format!("{{\"name\": \"admin\", \"password\": \"{PASSWORD}");
    scene.send("POST", "/api/v1/session", "Content-Type: application/json\r\n", broken.as_bytes());
    let given = json!({"name": "admin", "password": PASSWORD}).to_string();
    let answer = scene.daemon.send("POST", "/api/v1/session", "Content-Type: application/json\r\n", given.as_bytes());
    let head = answer.is(200).head;
    let cookie = head.split("set-cookie: ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    scene.signed_in = format!("Cookie: {cookie}\r\nSec-Fetch-Site: same-origin\r\n");
    let (status, token) = scene.ask("POST", "/api/v1/tokens", json!({"name": "script", "scope": "admin"}));
    let token = token["token"].as_str().unwrap_or_else(|| panic!("{status}")).to_owned();
    for (place, secret) in [("Authorization: Bearer ", &token), ("Authorization: Bearer rcp_", &MISTYPED.to_owned())] {
        scene.send("GET", "/api/v1/plans", &format!("{place}{secret}\r\n"), b"");
    }
    let new = json!({"name": "vera", "role": "viewer", "password": "canary-of-vera-2Lq"});
    let vera = scene.ask("POST", "/api/v1/users", new).1["id"].as_str().unwrap().to_owned();
    scene.ask("PATCH", &format!("/api/v1/users/{vera}"), json!({"password": "canary-of-vera-3Lq"}));
    scene.ask("PATCH", "/api/v1/settings", json!({"password": MISTYPED}));

    // Work, good and bad; messages about it fail, or are refused.
    assert_eq!(scene.run("/api/v1/plans/shop/run", json!({}))["outcome"], "good");
    let kept = scene.run("/api/v1/plans/kept/run", json!({}));
    assert!(["good", "warnings"].contains(&kept["outcome"].as_str().unwrap()), "{kept}");
    assert_eq!(scene.run("/api/v1/plans/held/run", json!({}))["error"]["code"], "hook_failed");
    let backup = scene.ask("GET", "/api/v1/backups?plan=shop", Value::Null).1["items"][0]["id"].clone();
    Connection::open(here.join("shop.db")).unwrap().execute("INSERT INTO note(text) VALUES('second')", []).unwrap();
    let preview = scene.ask("POST", "/api/v1/restores/preview", json!({"backup": backup})).1["preview"].clone();
    let restored = scene.run("/api/v1/restores", json!({"preview": preview, "confirm": true}));
    assert_eq!(restored["outcome"], "good", "{restored}");
    fs::rename(here.join("shop.db"), here.join("away.db")).unwrap();
    let failed = scene.run("/api/v1/plans/shop/run", json!({}));
    assert_eq!(failed["outcome"], "failed", "{failed}");
    fs::rename(here.join("away.db"), here.join("shop.db")).unwrap();
    let mail = post.mail();
    assert_eq!(mail["user"], "recoup", "it was signed in with the password: {mail}");
    let heard = |path: &str| server.heard().iter().any(|heard| heard.path.starts_with(path));
    let everybody = ["/pause", "/canary-webhook-url", "/canary-hook-path", "/canary-beat", "/notify/"];
    scene.daemon.until(|| everybody.iter().all(|path| heard(path)) && heard("/"));
    for heard in server.heard() {
        // A topic is told to its own server.
        let text = String::from_utf8(heard.body).unwrap().replace("\"topic\":\"canary-topic\"", "");
        scene.seen.note("what was sent", text);
    }
    scene.seen.note("mail", mail["body"].to_string());

    // Everything that can be read.
    let ids = BTreeMap::from([
        ("plans", "held".to_owned()),
        ("runs", failed["id"].as_str().unwrap().to_owned()),
        ("backups", backup.as_str().unwrap().to_owned()),
        ("users", vera),
    ]);
    let read = scene.read_everything(&ids);
    assert!(read >= 20, "{read}");
    for path in
        ["/api/v1/audit/export?format=csv", "/api/v1/backups?plan=kept", "/api/v1/plans/shop", "/api/v1/plans/kept"]
    {
        assert_eq!(scene.ask("GET", path, Value::Null).0, 200, "{path}");
    }
    for words in [
        "config print --origin",
        "config print --json",
        "config check",
        "notify test",
        "notify test --json",
        "list --json",
        "doctor",
        "doctor --json",
        "user list --json",
        "user token admin --scope read --json --label x",
        "audit export",
        "audit export --csv",
        "audit verify",
        "backup held --json",
        "backup kept",
        "verify latest",
        "plan next shop",
    ] {
        scene.seen.print(here, words);
    }
    let Scene { daemon, mut seen, .. } = scene;
    // The command line made and showed a token of its own.
    seen.0.retain(|place, _| !place.starts_with("recoup user token"));
    daemon.stop();
    let log = fs::read(here.join("daemon.log")).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("DEBUG"), "the log was talkative");

    // A catalog elsewhere has its password in its address.
    let port = refusing_database();
    let toml = format!("[server]\ncatalog = \"postgres://recoup:canary-catalog@127.0.0.1:{port}/recoup\"\n");
    fs::write(here.join("elsewhere.toml"), toml).unwrap();
    for words in ["serve --listen 127.0.0.1:0", "config print --origin", "doctor", "user list"] {
        let done =
            recoup(here).env("RUST_LOG", "trace").args(["--config", "elsewhere.toml"]).args(words.split(' ')).output();
        let done = done.unwrap();
        let refused = words.starts_with("config") || !done.status.success();
        assert!(refused, "{words}");
        seen.note(format!("{words} with a catalog elsewhere"), [&done.stdout[..], &done.stderr[..]].concat());
    }

    seen.files(here, &["recoup.toml", "elsewhere.toml", "ntfy", "hook", "kept.db", "settings.json"]);
    let places: Vec<&String> = seen.0.keys().collect();
    for needed in
        ["recoup-data/catalog.db", "backups/kept/", ".zip unpacked", "daemon.log", "GET /metrics", "what was sent"]
    {
        assert!(places.iter().any(|place| place.contains(needed)), "{needed}: {places:#?}");
    }
    let cookie = cookie.split_once('=').unwrap().1.to_owned();
    let given = GIVEN.map(str::to_owned).into_iter();
    let more = [PASSWORD, MISTYPED, "canary-of-vera", "canary-catalog", &code, &cookie, &token].map(str::to_owned);
    let canaries: Vec<String> = given.chain(more).collect();
    let found = seen.find(&canaries);
    assert!(found.is_empty(), "{found:#?}");
    // The search finds what is there.
    seen.note("a planted one", HEXLOWER.encode(token.as_bytes()));
    assert_eq!(seen.find(&canaries), [format!("{token} in a planted one")]);
}
