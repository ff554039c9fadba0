//! Every credential of every kind of destination has a marker of its own, and the real daemon and command line work with
//! them: well, refused by servers that repeat the whole request in their answer, with wrong credentials, with nobody there.
//! No marker is in a log, an answer, a notice, the audit, the list of processes or a file, but where it was given.
//!
//! Secrets of anything else: `canaries.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemon;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use daemon::{Daemon, recoup};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER};
use recoup::model::destination::Address;
use recoup_testkit::apache::{self, Apache};
use recoup_testkit::drive::{self, Google, SHARED, browser};
use recoup_testkit::faulty::{Asked, Fault, Faulty};
use recoup_testkit::listener::Listener;
use recoup_testkit::moto::{self, Moto};
use recoup_testkit::sshd::{self, Sshd, is_root};
use rusqlite::Connection;
use serde_json::{Value, json};

const WEBHOOK: &str = "marker-of-the-webhook-4b7d";
const WRONG: &str = "marker-of-what-is-wrong-e830";

// What happens to every request.
const PASS: u8 = 0;
const FORBID: u8 = 1;
const WHO: u8 = 2;
const FAIL: u8 = 3;
const LOSE: u8 = 4;

/// Everything that was asked, and more than that, comes back.
fn echo(asked: &Asked) -> String {
    let all = format!("{} {} {} {}", asked.head, moto::SECRET_KEY, apache::PASSWORD, drive::CLIENT_SECRET);
    if asked.path.starts_with("/token") || asked.path.contains("/drive/") {
        let told = json!({ "message": all, "errors": [{ "reason": all, "message": all }] });
        let error = if asked.path.starts_with("/token") { json!(all) } else { told };
        return json!({ "error": error, "error_description": all }).to_string();
    }
    format!("<Error><Code>AccessDenied</Code><Message>{}</Message></Error>", all.replace(['<', '&'], ""))
}

/// In front of a server; all of them do what one switch says.
fn switched(port: u16, switch: &Arc<AtomicU8>) -> Faulty {
    let switch = switch.clone();
    Faulty::to_port(port, move |asked| match switch.load(Ordering::SeqCst) {
        FORBID => Fault::Answer(403, String::new(), echo(asked)),
        WHO => Fault::Answer(401, "WWW-Authenticate: Basic realm=\"x\"\r\n".into(), echo(asked)),
        FAIL => Fault::Answer(500, String::new(), echo(asked)),
        LOSE => Fault::LoseAnswer,
        _ => Fault::Pass,
    })
}

/// The servers, what is in front of them, and the lines of `recoup.toml` that lead there.
struct Offsite {
    proxies: Vec<Faulty>,
    keys: Vec<Sshd>,
    google: Google,
    toml: String,
    names: Vec<&'static str>,
    /// What servers keep on this machine.
    places: Vec<PathBuf>,
    _servers: (Arc<Moto>, Apache, Apache),
}

impl Offsite {
    fn start(here: &Path, switch: &Arc<AtomicU8>) -> Self {
        let secrets = here.join("secrets");
        fs::create_dir(&secrets).unwrap();
        let secret = |name: &str, text: &str| fs::write(secrets.join(name), text).unwrap();
        let (s3, basic, digest) = (Moto::shared(), Apache::start(), Apache::with_digest());
        let google = Google::start();
        let mut toml = String::new();
        let mut proxies = Vec::new();
        let mut through = |port: u16| {
            proxies.push(switched(port, switch));
            proxies.last().unwrap().port()
        };

        secret("s3", moto::SECRET_KEY);
        toml += &format!(
            "[destination.s3]\ntype = \"s3\"\nbucket = \"{}\"\nendpoint = \"http://127.0.0.1:{}\"\naccess_key = \"{}\"\n\
             secret_key_file = \"secrets/s3\"\nattempts = 1\n",
            s3.bucket(),
            through(s3.port()),
            moto::ACCESS_KEY
        );
        secret("webdav", apache::PASSWORD);
        let mut places = vec![here.to_owned()];
        for (name, server) in [("webdav", &basic), ("digest", &digest)] {
            toml += &format!(
                "[destination.{name}]\ntype = \"webdav\"\nurl = \"http://127.0.0.1:{}/dav/x\"\nuser = \"{}\"\n\
                 password_file = \"secrets/webdav\"\nattempts = 1\n",
                through(server.port()),
                apache::USER
            );
            places.push(server.on_disk("/dav"));
        }
        let mut keys = vec![Sshd::start()];
        fs::copy(keys[0].key("locked"), secrets.join("key")).unwrap();
        secret("passphrase", sshd::PASSPHRASE);
        let sftp = |name: &str, server: &Sshd, more: &str| {
            format!(
                "[destination.{name}]\ntype = \"sftp\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\npath = \"{}/x\"\n\
                 host_key = \"{}\"\n{more}\nattempts = 1\n",
                server.port(),
                server.user(),
                server.data().display(),
                server.host_key()
            )
        };
        let mut names = vec!["here", "s3", "webdav", "digest", "sftp", "drive", "robot"];
        toml += &sftp("sftp", &keys[0], "key_file = \"secrets/key\"\nkey_passphrase_file = \"secrets/passphrase\"");
        if is_root() {
            let other = Sshd::with_password();
            secret("password", sshd::PASSWORD);
            toml += &sftp("password", &other, "password_file = \"secrets/password\"");
            keys.push(other);
            names.push("password");
        } else {
            println!("SKIPPED in part: only root can give an SFTP server a password of its own");
        }
        places.extend(keys.iter().map(Sshd::data));
        // Only what is asked of Drive goes through the proxy; signing in is done before.
        let front = through(google.port());
        let behind = google.toml("drive").replace("attempts = 2", "attempts = 1");
        toml += &behind.replace(&google.url(""), &format!("http://127.0.0.1:{front}"));
        let settings = google.with_service_account("robot");
        let Address::Drive(robot) = &settings.address else { panic!("not in Drive") };
        let key = robot.service_account.as_ref().unwrap().path().unwrap();
        // Who asks for a token says for which address.
        fs::copy(key, secrets.join("robot.json")).unwrap();
        toml += &format!(
            "[destination.robot]\ntype = \"drive\"\nservice_account_file = \"secrets/robot.json\"\nshared_drive = \"{SHARED}\"\n\
             endpoint = \"http://127.0.0.1:{front}\"\ntoken_endpoint = \"{}\"\nattempts = 1\n",
            google.url("/token")
        );
        Offsite { proxies, keys, google, toml, names, places, _servers: (s3, basic, digest) }
    }
}

/// What was seen, by where.
#[derive(Default, Clone)]
struct Seen(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Seen {
    fn note(&self, place: impl Into<String>, bytes: &[u8]) {
        self.0.lock().unwrap().entry(place.into()).or_default().extend(bytes);
    }

    /// Everything below a folder; what was given there holds what it holds.
    fn files(&self, folder: &Path, given: &[&str]) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            self.note("names of files", name.as_bytes());
            if given.contains(&name.as_str()) {
                continue;
            }
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => self.files(&path, given),
                kind if kind.is_file() => self.note(path.display().to_string(), &fs::read(&path).unwrap()),
                _ => {}
            }
        }
    }

    fn find(&self, markers: &BTreeSet<String>) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in &*self.0.lock().unwrap() {
            let text = String::from_utf8_lossy(bytes);
            found.extend(
                markers.iter().filter(|marker| text.contains(marker.as_str())).map(|m| format!("{m} in {place}")),
            );
        }
        found
    }
}

/// Looks at arguments and environment of everything that this test started, again and again.
struct Watching {
    over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watching {
    fn start(seen: Seen) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (end, us) = (over.clone(), std::process::id());
        let thread = Some(thread::spawn(move || {
            let mut known = BTreeSet::new();
            while !end.load(Ordering::SeqCst) {
                processes(us, &seen, &mut known);
                thread::sleep(Duration::from_millis(15));
            }
        }));
        Watching { over, thread }
    }

    fn stop(mut self) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn processes(us: u32, seen: &Seen, known: &mut BTreeSet<(&'static str, Vec<u8>)>) {
    let mut above = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        above.insert(pid, parent.unwrap_or(0));
    }
    for &pid in above.keys() {
        let mut ancestors = std::iter::successors(above.get(&pid).copied(), |parent| above.get(parent).copied());
        if ancestors.any(|ancestor| ancestor == us) {
            for what in ["cmdline", "environ"] {
                if let Ok(bytes) = fs::read(format!("/proc/{pid}/{what}"))
                    && known.insert((what, bytes.clone()))
                {
                    seen.note(format!("{what} of processes"), &[&bytes[..], b"\n"].concat());
                }
            }
        }
    }
}

struct Scene<'a> {
    here: &'a Path,
    daemon: Daemon,
    admin: String,
    seen: Seen,
    names: Vec<&'static str>,
}

impl Scene<'_> {
    fn print(&self, words: &str) -> (i32, String) {
        let done = recoup(self.here).env("RUST_LOG", "trace").args(words.split_whitespace()).output().unwrap();
        self.seen.note(format!("recoup {words}"), &[&done.stdout[..], &done.stderr[..]].concat());
        (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&done.stderr).into_owned())
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.daemon.ask(method, path, &self.admin, body);
        assert!(answer.status != 401, "{path}");
        self.seen.note(format!("{method} {path}"), format!("{}\r\n\r\n{}", answer.head, answer.text).as_bytes());
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    /// Everything that can be done with destinations; a backup by the daemon must end like this.
    #[track_caller]
    fn play(&self, outcome: &str) {
        let started = self.ask("POST", "/api/v1/plans/shop/run", None);
        let path = format!("/api/v1/runs/{}", started["run"].as_str().unwrap_or_else(|| panic!("{started}")));
        let mut run = Value::Null;
        self.daemon.until(|| {
            run = self.ask("GET", &path, None);
            run["state"] == "done"
        });
        for name in &self.names {
            self.ask("POST", &format!("/api/v1/destinations/{name}/test"), None);
            self.print(&format!("list --at {name}"));
        }
        for words in [
            "backup shop",
            "verify latest --at webdav",
            "verify latest --at robot --json",
            "doctor --json",
            "config print --origin",
            "drive status drive",
        ] {
            self.print(words);
        }
        assert_eq!(run["outcome"], outcome, "{run:#}");
    }

    fn read_everything(&self) -> usize {
        let document = self.ask("GET", "/api/v1/openapi.json", None);
        let paths = document["paths"].as_object().unwrap();
        let whole = paths
            .iter()
            .filter(|(path, item)| !path.contains('{') && !path.ends_with("/events") && !item["get"].is_null());
        let mut read = 0;
        for (path, _) in whole {
            self.ask("GET", path, None);
            read += 1;
        }
        self.ask("GET", "/api/v1/plans/shop", None);
        self.ask("GET", "/metrics", None);
        for words in ["audit export", "audit verify", "list --json", "show latest --json", "config print --json"] {
            self.print(words);
        }
        read
    }
}

/// A person signs in to Google Drive.
fn connect(here: &Path, seen: &Seen) {
    let mut command = recoup(here);
    command.args(["drive", "connect", "drive"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.trim().starts_with("http://") {
            assert_eq!(browser::visit(line.trim()).0, 200);
        }
        seen.note("recoup drive connect", line.as_bytes());
    }
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    seen.note("recoup drive connect", &done.stdout);
}

/// Lines of a key, without those that all keys have.
fn lines_of_key(text: &str) -> Vec<String> {
    let mut lines: Vec<String> =
        text.split(['\n', '"']).flat_map(|part| part.split("\\n")).map(str::to_owned).collect();
    lines.retain(|line| line.len() == 64 || line.len() == 70);
    assert!(lines.len() > 3, "{text}");
    // The first of an OpenSSH key only says how it is locked.
    lines.remove(0);
    lines
}

fn markers(here: &Path, google: &Google) -> BTreeSet<String> {
    let plain = [
        moto::SECRET_KEY,
        moto::ACCESS_KEY,
        apache::PASSWORD,
        sshd::PASSPHRASE,
        sshd::PASSWORD,
        drive::CLIENT_SECRET,
        WEBHOOK,
        WRONG,
        // Whatever Google gives out.
        "MARKER-",
    ];
    let mut all: BTreeSet<String> = plain.into_iter().map(str::to_owned).collect();
    for text in &plain[..8] {
        all.insert(BASE64_NOPAD.encode(text.as_bytes()));
        all.insert(HEXLOWER.encode(text.as_bytes()));
    }
    // As the sign-in to WebDAV carries it, and an address that is good for a request to S3.
    for password in [apache::PASSWORD, WRONG] {
        all.insert(BASE64.encode(format!("{}:{password}", apache::USER).as_bytes()));
    }
    all.insert("X-Amz-Signature".to_owned());
    for file in ["key", "robot.json"] {
        all.extend(lines_of_key(&fs::read_to_string(here.join("secrets").join(file)).unwrap()));
    }
    all.extend(google.refresh_tokens());
    all
}

#[test]
fn no_credential_of_a_destination_is_anywhere_but_where_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let shop = Connection::open(here.join("shop.db")).unwrap();
    shop.execute_batch("CREATE TABLE note(id INTEGER PRIMARY KEY, text); INSERT INTO note(text) VALUES('first')")
        .unwrap();
    let (seen, switch) = (Seen::default(), Arc::new(AtomicU8::new(PASS)));
    let mut offsite = Offsite::start(here, &switch);
    let hook = Listener::answering(200);
    fs::write(here.join("secrets/hook"), format!("Bearer {WEBHOOK}")).unwrap();
    let names = offsite.names.join("\", \"");
    let toml = format!(
        "[server]\nrate_limit = 0\n[destination.here]\npath = \"backups\"\n\
         [plan.shop]\ndatabases = [\"shop.db\"]\ndestinations = [\"{names}\"]\nnotify = [\"hook\"]\n\
         [plan.shop.hooks]\nbefore_backup = [[\"sleep\", \"0.3\"]]\n\
         [notify.hook]\nwebhook = \"{}\"\nheaders = {{ authorization = \"Bearer {WEBHOOK}\" }}\n\
         on = [\"failure\", \"success\", \"warnings\", \"recovery\"]\n{}",
        hook.url("/told"),
        offsite.toml
    );
    fs::write(here.join("recoup.toml"), toml).unwrap();
    connect(here, &seen);
    let markers = markers(here, &offsite.google);
    let watching = Watching::start(seen.clone());
    let admin = daemon::user(here, "admin", "admin");
    let daemon = Daemon::start_with(recoup(here).env("RUST_LOG", "trace"), here);
    let scene = Scene { here, daemon, admin, seen: seen.clone(), names: offsite.names.clone() };

    scene.play("good");
    for trouble in [FORBID, WHO, FAIL, LOSE] {
        switch.store(trouble, Ordering::SeqCst);
        scene.play("warnings");
    }
    switch.store(PASS, Ordering::SeqCst);
    // Wrong credentials; a strange key, too. S3's server does not look at them.
    for name in ["webdav", "password", "passphrase", "s3"] {
        fs::write(here.join("secrets").join(name), WRONG).unwrap();
    }
    offsite.google.revoke_all();
    scene.play("warnings");
    fs::copy(offsite.keys[0].key("stranger"), here.join("secrets/key")).unwrap();
    fs::write(here.join("secrets/robot.json"), json!({ "private_key": WRONG, "client_email": WRONG }).to_string())
        .unwrap();
    scene.play("warnings");
    // Nobody is there.
    offsite.proxies.clear();
    offsite.keys.iter_mut().for_each(Sshd::stop);
    scene.play("warnings");

    assert!(scene.read_everything() > 10);
    scene.daemon.until(|| hook.heard().len() >= 8);
    for heard in hook.heard() {
        seen.note("notices", &heard.body);
    }
    let Scene { daemon, .. } = scene;
    daemon.stop();
    watching.stop();
    for place in &offsite.places {
        seen.files(place, &["recoup.toml", "secrets"]);
    }
    for file in offsite.google.files() {
        seen.note("files in Drive", file.name.as_bytes());
        seen.note("files in Drive", &file.bytes);
    }
    // There was something to be seen everywhere.
    let told = seen.0.lock().unwrap().clone();
    let text = |place: &str| String::from_utf8_lossy(&told[place]).into_owned();
    for needed in ["daemon.log", "recoup-data/catalog.db", "backups/shop/", "drive.drive-token", "/dav/x/shop/"] {
        assert!(told.keys().any(|place| place.contains(needed)), "{needed}: {:#?}", told.keys());
    }
    assert!(text("cmdline of processes").contains("sleep\x000.3") && text("cmdline of processes").contains("serve"));
    assert!(text("environ of processes").contains("RUST_LOG=trace") && text("notices").contains("warnings"));
    assert!(text("GET /api/v1/audit").contains("backup"), "{}", text("GET /api/v1/audit"));
    let (_, log) = told.iter().find(|(place, _)| place.ends_with("daemon.log")).unwrap();
    assert!(String::from_utf8_lossy(log).contains("DEBUG"), "the log was talkative");

    let found = seen.find(&markers);
    assert!(found.is_empty(), "{found:#?}");
    // The search finds what is there: in files that were given, all of it.
    let given = Seen::default();
    given.files(here, &[]);
    let found = given.find(&markers);
    assert!(found.iter().any(|found| found.contains(WRONG)) && found.len() >= 5, "{found:#?}");
}
