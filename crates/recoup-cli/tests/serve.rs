//! The daemon as its user meets it: started in a fresh folder, set up with the printed code, asked for a backup, stopped by a
//! signal; and the commands that work on its catalog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Daemon {
    child: Child,
    address: String,
    code: Option<String>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn recoup(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
    command.current_dir(folder).env_remove("RUST_LOG");
    command
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let mut child = recoup(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut address, mut code) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some(url) = line.split("is at http://").nth(1) {
                address = Some(url.trim().to_owned());
            }
            if let Some(found) = line.split("shown this once: ").nth(1) {
                code = Some(found.trim().to_owned());
            }
            if line.is_empty() {
                break;
            }
        }
        let address = address.expect("the daemon said where it is");
        let daemon = Daemon { child, address, code };
        daemon.until(|| daemon.request("GET", "/readyz", "", "").0 == 200);
        daemon
    }

    fn until(&self, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(60), "it took too long");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Status and body.
    fn request(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return (0, String::new()) };
        let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
        let typed = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-Recoup: 1\r\n{authorization}{typed}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}", self.address).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    fn json(&self, method: &str, path: &str, token: &str, body: &str) -> serde_json::Value {
        let (status, text) = self.request(method, path, token, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "a graceful end is a good one");
    }
}

fn application(folder: &Path) {
    let made = rusqlite::Connection::open(folder.join("app.db")).unwrap();
    made.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE note(id INTEGER PRIMARY KEY, text); INSERT INTO note(text) VALUES ('first');").unwrap();
    let text =
        "[plan.app]\ndatabases = [\"app.db\"]\nschedule = { every = \"daily\", at = \"03:00\", zone = \"UTC\" }\n";
    std::fs::write(folder.join("recoup.toml"), text).unwrap();
}

fn output(folder: &Path, arguments: &[&str]) -> String {
    let done = recoup(folder).args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_fresh_daemon_is_set_up_with_its_code_backs_up_restores_and_undoes() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    application(here);
    let daemon = Daemon::start(here);
    assert_eq!(daemon.request("GET", "/api/v1/plans", "", "").0, 401);
    let code = daemon.code.clone().expect("a set-up code on the first start");
    let admin = format!(r#"{{"code":"{code}","name":"admin","password":"a good long password"}}"#);
    assert!((200..300).contains(&daemon.request("POST", "/api/v1/setup", "", &admin).0));
    assert_ne!(daemon.request("POST", "/api/v1/setup", "", &admin).0 / 100, 2, "the code works once");
    let token = output(here, &["user", "token", "admin", "--scope", "admin", "--quiet"]);

    let run = daemon.json("POST", "/api/v1/plans/app/run", &token, "");
    let path = format!("/api/v1/runs/{}", run["run"].as_str().unwrap());
    daemon.until(|| daemon.json("GET", &path, &token, "")["state"] == "done");
    let done = daemon.json("GET", &path, &token, "");
    assert_eq!(done["outcome"], "good", "{done}");
    let listed = daemon.json("GET", "/api/v1/backups?plan=app", &token, "");
    let backup = listed["items"][0]["id"].as_str().unwrap().to_owned();
    // A test restore follows by itself.
    let proven = || daemon.json("GET", "/api/v1/backups?plan=app", &token, "")["items"][0]["verified"] == "restore";
    daemon.until(proven);
    let status = daemon.json("GET", "/api/v1/plans/app/status", &token, "");
    assert!(status["last_success"].is_string() && status["next_run"].is_string(), "{status}");

    let live = || rusqlite::Connection::open(here.join("app.db")).unwrap();
    let rows = || live().query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap();
    live().execute("INSERT INTO note(text) VALUES ('second')", []).unwrap();
    let preview = daemon.json("POST", "/api/v1/restores/preview", &token, &format!(r#"{{"backup":"{backup}"}}"#));
    let preview = preview["preview"].as_str().unwrap().to_owned();
    let unconfirmed = daemon.request("POST", "/api/v1/restores", &token, &format!(r#"{{"preview":"{preview}"}}"#));
    assert!(
        unconfirmed.0 == 428 && unconfirmed.1.contains("Restore will replace all data. Continue?"),
        "{unconfirmed:?}"
    );
    let restore =
        daemon.json("POST", "/api/v1/restores", &token, &format!(r#"{{"preview":"{preview}","confirm":true}}"#));
    let path = format!("/api/v1/runs/{}", restore["run"].as_str().unwrap());
    daemon.until(|| daemon.json("GET", &path, &token, "")["state"] == "done");
    assert_eq!(rows(), 1, "{}", daemon.json("GET", &path, &token, ""));
    let undo = daemon.json("POST", "/api/v1/plans/app/undo", &token, "");
    let path = format!("/api/v1/runs/{}", undo["run"].as_str().unwrap());
    daemon.until(|| daemon.json("GET", &path, &token, "")["state"] == "done");
    assert_eq!(rows(), 2, "{}", daemon.json("GET", &path, &token, ""));

    daemon.stop();
    let audit: serde_json::Value = serde_json::from_str(&output(here, &["audit", "verify", "--json"])).unwrap();
    assert!(audit["ok"] == true && audit["events"].as_i64().unwrap() > 5, "{audit}");
    assert!(audit["anchors"].as_i64().unwrap() > 0, "manifests carry the end of the chain: {audit}");
    assert!(output(here, &["audit", "export"]).contains("backup_scheduler.backup_completed"));
    let again = Daemon::start(here);
    assert!(again.code.is_none(), "there is an admin");
    assert_eq!(again.json("GET", "/api/v1/backups?plan=app", &token, "")["items"].as_array().unwrap().len(), 2);
}

#[test]
fn losing_the_catalog_loses_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    application(here);
    output(here, &["backup"]);
    output(here, &["backup"]);
    let adopted: serde_json::Value = serde_json::from_str(&output(here, &["adopt", "./backups", "--json"])).unwrap();
    assert_eq!(adopted["backups"], 2, "{adopted}");
    let daemon = Daemon::start(here);
    output(here, &["user", "add", "admin", "--role", "admin"]);
    let token = output(here, &["user", "token", "admin", "--quiet"]);
    assert_eq!(daemon.json("GET", "/api/v1/backups", &token, "")["items"].as_array().unwrap().len(), 2);
}

#[test]
fn a_changed_audit_is_found_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    application(here);
    for name in ["one", "two"] {
        output(here, &["user", "add", name]);
    }
    let catalog = rusqlite::Connection::open(here.join("recoup-data/catalog.db")).unwrap();
    catalog.execute("UPDATE audit SET details = replace(details, 'one', 'eve') WHERE seq = 1", []).unwrap();
    let found = recoup(here).args(["audit", "verify"]).output().unwrap();
    assert_eq!(found.status.code(), Some(13));
    assert!(String::from_utf8_lossy(&found.stdout).contains("Audit event 1 was changed"), "{found:?}");
}

#[test]
fn what_is_due_runs_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    application(here);
    let first = output(here, &["run", "--due"]);
    assert!(first.contains("Nothing is due") && first.contains("Next: app, "), "a new plan has no past: {first}");
    let catalog = rusqlite::Connection::open(here.join("recoup-data/catalog.db")).unwrap();
    let past = "UPDATE plan SET last_nominal = last_nominal - 3 * 86400000, next_nominal = next_nominal - 3 * 86400000, next_due = next_due - 3 * 86400000 WHERE name = 'app'";
    assert_eq!(catalog.execute(past, []).unwrap(), 1);
    let run: serde_json::Value = serde_json::from_str(&output(here, &["run", "--due", "--json"])).unwrap();
    let done = run["runs"].as_array().unwrap();
    let outcome =
        |kind: &str| done.iter().filter(|run| run["kind"] == kind).map(|run| &run["outcome"]).collect::<Vec<_>>();
    // The first backup is followed by a test restore.
    assert!(outcome("backup") == ["good"] && outcome("verify") == ["good"], "{run}");
    assert!(output(here, &["list"]).contains("scheduled"));
    assert_eq!((&done[0]["error"], done[0]["backup"].is_string()), (&serde_json::Value::Null, true), "{run}");
    assert!(run["next"]["plan"] == "app" && run["next"]["at"].is_string(), "{run}");
    // One that fails says why, in its words.
    std::fs::remove_file(here.join("app.db")).unwrap();
    // No occurrence runs twice.
    catalog.execute("UPDATE run SET occurrence = NULL", []).unwrap();
    assert_eq!(catalog.execute(past, []).unwrap(), 1);
    let failed = recoup(here).args(["run", "--due"]).output().unwrap();
    let told = String::from_utf8_lossy(&failed.stdout);
    assert_eq!(failed.status.code(), Some(1), "{told}");
    assert!(told.starts_with("✗ app: backup failed: Database file not found: app.db"), "{told}");
}

#[test]
fn the_packaged_configuration_is_one_that_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/recoup.toml");
    let shown = output(folder.path(), &["config", "print", "--origin", "--config", sample.to_str().unwrap()]);
    assert!(shown.contains("plan.vaultwarden.schedule"), "{shown}");
}
