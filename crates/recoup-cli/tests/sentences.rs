//! The sentences that are specified word for word, each provoked by a real fault, through the command line and through
//! the API of a real daemon, with its code.
//!
//! Not here: what else happens then; nothing must be changed, and the tests of each fault show that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod daemon;

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use daemon::{Answer, Daemon, good, recoup, told, user};
use recoup_testkit::busy::HeldDatabase;
use recoup_testkit::faults::{on_tmpfs, text};
use recoup_testkit::random::Random;
use rusqlite::Connection;
use serde_json::{Value, json};

const TOML: &str = "\
[plan.shop]
databases = [{ name = \"shop\", path = \"shop.db\", busy_timeout = \"100ms\" }]
destinations = [\"here\"]
[plan.big]
files = [\"big.bin\"]
destinations = [\"small\"]
[destination.here]
path = \"backups\"
[destination.small]
path = \"small\"
";

/// What was said about a fault.
struct Said {
    sentence: &'static str,
    code: &'static str,
    /// Exit code and everything printed.
    command_line: Output,
    exit: i32,
    /// The problem, the error of a run, or the warning.
    api: Value,
}

struct Scene {
    folder: tempfile::TempDir,
    daemon: Daemon,
    admin: String,
}

impl Scene {
    /// A database with a backup of version 5 of its application, and disks that are too small for the file and for uploads.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        sql(here, "CREATE TABLE note(id INTEGER PRIMARY KEY, text); PRAGMA user_version = 5");
        let mut noise = Random(7);
        let noise: Vec<u8> = (0..1 << 18).flat_map(|_| noise.number().to_le_bytes()).collect();
        fs::write(here.join("big.bin"), noise).unwrap();
        fs::create_dir(here.join("small")).unwrap();
        fs::write(here.join("recoup.toml"), TOML).unwrap();
        let admin = user(here, "admin", "admin");
        let uploads = here.join("recoup-data/uploads");
        fs::create_dir_all(&uploads).unwrap();
        let mut command = small(&on_tmpfs(&recoup(here), &uploads, "size=64k"), here);
        let daemon = Daemon::start_with(&mut command, here);
        let run = daemon.back_up("shop", &admin);
        assert_eq!(run["outcome"], "good", "{run}");
        Scene { folder, daemon, admin }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
    fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.daemon.ask(method, path, &self.admin, Some(&body).filter(|body| !body.is_null()))
    }
    /// The error of a run of a plan.
    fn failed(&self, plan: &str) -> Value {
        let run = self.daemon.back_up(plan, &self.admin);
        assert_eq!(run["outcome"], "failed", "{run}");
        run["error"].clone()
    }
    fn preview(&self) -> Answer {
        let backup = self.daemon.newest("shop", &self.admin);
        self.ask("POST", "/api/v1/restores/preview", json!({ "backup": backup }))
    }
    fn upload(&self, bytes: &[u8]) -> Answer {
        let head = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.zip\"\r\n\r\n";
        let body = [head.as_bytes(), bytes, b"\r\n--b--\r\n"].concat();
        let headers = format!("Authorization: {}\r\nContent-Type: multipart/form-data; boundary=b\r\n", self.admin);
        self.daemon.send("POST", "/api/v1/uploads?plan=shop", &headers, &body)
    }
}

fn small(command: &Command, here: &Path) -> Command {
    on_tmpfs(command, &here.join("small"), "size=512k")
}

fn sql(here: &Path, sql: &str) {
    Connection::open(here.join("shop.db")).unwrap().execute_batch(sql).unwrap();
}

/// With a terminal, at which somebody says no.
fn at_a_terminal(here: &Path, words: &[&str]) -> Output {
    let script = "import pty, os, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut python = Command::new("python3");
    python.args(["-c", script, env!("CARGO_BIN_EXE_recoup")]).args(words).current_dir(here);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = python.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"n\n").unwrap();
    child.wait_with_output().unwrap()
}

/// A problem document of this status, with what else it must say.
fn problem(answer: Answer, status: u16) -> Value {
    let head = answer.head.to_lowercase();
    assert!(head.contains("content-type: application/problem+json"), "{answer:?}");
    assert_eq!(head.contains("\r\nretry-after: "), status == 409, "{answer:?}");
    let document = answer.is(status).json();
    assert_eq!(
        (&document["status"], &document["type"]),
        (&json!(status), &json!(format!("urn:recoup:problem:{}", document["code"].as_str().unwrap())))
    );
    json!({"code": document["code"], "message": document["title"]})
}

#[test]
fn the_specified_sentences_are_said_word_for_word_on_the_command_line_and_by_the_api() {
    let scene = Scene::new();
    let here = scene.path();
    let mut all = Vec::new();
    let mut say = |sentence, code, exit, command_line, api| all.push(Said { sentence, code, command_line, exit, api });

    // The answer of a request that is too large for the disk, and the error of a run.
    let full = "Not enough disk space";
    let full_disk = || small(recoup(here).args(["backup", "big"]), here).output().unwrap();
    say(full, "disk_full", 15, full_disk(), scene.failed("big"));
    // Far over the limit: a tmpfs counts its pages for every CPU, and may take some dozens too many.
    say(full, "disk_full", 15, full_disk(), problem(scene.upload(&vec![7; 600_000]), 507));

    let held = HeldDatabase::hold(&here.join("shop.db"), &["BEGIN EXCLUSIVE"]);
    let in_use = "Cannot backup while database is in use";
    say(in_use, "db_in_use", 11, told(here, &["backup", "shop"]), scene.failed("shop"));
    drop(held);

    let away = here.join("away.db");
    fs::rename(here.join("shop.db"), &away).unwrap();
    let missing = "Database file not found: shop.db";
    say(missing, "source_missing", 10, told(here, &["backup", "shop"]), scene.failed("shop"));
    fs::rename(&away, here.join("shop.db")).unwrap();

    let asked = scene.preview().is(200).json()["preview"].clone();
    let unconfirmed = scene.ask("POST", "/api/v1/restores", json!({ "preview": asked }));
    let question = "Restore will replace all data. Continue?";
    let no = at_a_terminal(here, &["restore", "latest", "--plan", "shop"]);
    say(question, "confirm_required", 130, no, problem(unconfirmed, 428));

    sql(here, "PRAGMA user_version = 9");
    let older = scene.preview().is(200).json()["warnings"][0].clone();
    let older = json!({"code": older["code"], "message": older["text"]});
    let dry = told(here, &["restore", "latest", "--plan", "shop", "--dry-run"]);
    say("Backup from older version, may have issues", "version_older", 0, dry, older);
    sql(here, "PRAGMA user_version = 4");
    let newer = scene.preview().is(200).json();
    assert_eq!(newer["refused"]["code"], "version_newer", "{newer}");
    let confirmed = json!({"preview": newer["preview"], "confirm": true});
    let newer = scene.ask("POST", "/api/v1/restores", confirmed);
    let dry = told(here, &["restore", "latest", "--plan", "shop", "--yes"]);
    say("Backup from newer version, cannot restore", "version_newer", 16, dry, problem(newer, 422));
    sql(here, "PRAGMA user_version = 5");

    let backup = stored(here);
    let mut bytes = fs::read(&backup).unwrap();
    // Inside of the database, which is the first member.
    bytes[100] ^= 0x40;
    fs::write(&backup, &bytes).unwrap();
    let corrupted = told(here, &["restore", "latest", "--plan", "shop", "--yes"]);
    say("Backup file is corrupted", "backup_corrupted", 13, corrupted, problem(scene.upload(&bytes), 422));

    let plan = json!({"databases": ["shop.db"], "schedule": {"every": "daily", "at": "25:00"}});
    let late = scene.ask("POST", "/api/v1/plans", json!({"name": "late", "plan": plan}));
    let time = "Invalid time format. Use HH:MM (24-hour)";
    let wrong = TOML.replacen("destinations", "schedule = { every = \"daily\", at = \"25:00\" }\ndestinations", 1);
    fs::write(here.join("wrong.toml"), wrong).unwrap();
    say(time, "bad_time", 2, told(here, &["--config", "wrong.toml", "backup", "shop"]), problem(late, 422));
    let next = json!({"schedule": {"every": "daily", "at": "9:30"}});
    let next = scene.ask("POST", "/api/v1/schedule/next", next);
    say(time, "bad_time", 2, told(here, &["plan", "next", "--at", "9:30"]), problem(next, 422));

    let mut wrong = Vec::new();
    for Said { sentence, code, command_line, exit, api } in &all {
        if !text(command_line).contains(sentence) || command_line.status.code() != Some(*exit) {
            wrong.push(format!("{sentence}: {:?} {}", command_line.status, text(command_line)));
        }
        let message = api["message"].as_str().unwrap_or_default();
        // A warning says after it whose version.
        let same = message == *sentence || (*code == "version_older" && message.starts_with(sentence));
        if !same || api["code"] != *code {
            wrong.push(format!("{sentence}: {api}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let sentences: std::collections::BTreeSet<_> = all.iter().map(|said| said.sentence).collect();
    assert_eq!(sentences.len(), 8);
    let chain = good(here, &["audit", "verify"]);
    assert!(chain.contains("events"), "{chain}");
}

/// The file of the newest backup of the shop.
fn stored(here: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(here.join("backups/shop")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "zip")).max().unwrap()
}
