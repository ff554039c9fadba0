//! A real `recoup serve` in a folder of its own on a free loopback port, and a client that writes its requests itself.
//!
//! Not here: what is asked and what must be answered.
#![allow(dead_code)] // Not every test needs everything.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery";

pub struct Daemon {
    child: Child,
    pub address: String,
    /// What the first start shows once.
    pub code: Option<String>,
    folder: PathBuf,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer, its head as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// This, if it has the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// `recoup` in a folder, with nothing of the environment of the test.
pub fn recoup(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_recoup"));
    command.current_dir(folder).env_clear().env("HOME", folder).env("TMPDIR", std::env::temp_dir());
    command.stdin(Stdio::null());
    command
}

/// Runs it and gives what it said.
pub fn told(folder: &Path, arguments: &[&str]) -> Output {
    recoup(folder).args(arguments).output().unwrap()
}

/// Runs it to a good end; gives its standard output.
#[track_caller]
pub fn good(folder: &Path, arguments: &[&str]) -> String {
    let done = told(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// Adds a user with [`PASSWORD`]; gives what goes into `Authorization`.
pub fn user(folder: &Path, name: &str, role: &str) -> String {
    fs::write(folder.join("password"), PASSWORD).unwrap();
    good(folder, &["user", "add", name, "--role", role, "--password-file", "password"]);
    let token = good(folder, &["user", "token", name, "--scope", "admin", "--quiet"]);
    format!("Bearer {token}")
}

impl Daemon {
    pub fn start(folder: &Path) -> Self {
        Daemon::start_with(&mut recoup(folder), folder)
    }

    /// Standard error goes to `daemon.log` in the folder.
    pub fn start_with(command: &mut Command, folder: &Path) -> Self {
        let log = File::options().create(true).append(true).open(folder.join("daemon.log")).unwrap();
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let (mut address, mut code) = (None, None);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            if let Some((_, url)) = line.split_once("The API: http://") {
                address = url.split('/').next().map(str::to_owned);
            }
            if let Some((_, found)) = line.split_once("shown this once: ") {
                code = Some(found.trim().to_owned());
            }
            if line.is_empty() {
                break;
            }
        }
        let log = || fs::read_to_string(folder.join("daemon.log")).unwrap_or_default();
        let address = address.unwrap_or_else(|| panic!("the daemon did not start: {}", log()));
        let daemon = Daemon { child, address, code, folder: folder.to_owned() };
        daemon.until(|| daemon.ask("GET", "/readyz", "", None).status == 200);
        daemon
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn until(&self, mut done: impl FnMut() -> bool) {
        let started = Instant::now();
        while !done() {
            assert!(started.elapsed() < Duration::from_secs(60), "it took too long");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A request of somebody; nobody when `bearer` is empty.
    pub fn ask(&self, method: &str, path: &str, bearer: &str, body: Option<&Value>) -> Answer {
        let mut headers = String::new();
        if !bearer.is_empty() {
            headers.push_str(&format!("Authorization: {bearer}\r\n"));
        }
        if body.is_some() {
            headers.push_str("Content-Type: application/json\r\n");
        }
        self.send(method, path, &headers, body.map(Value::to_string).unwrap_or_default().as_bytes())
    }

    /// With these headers, a line each.
    pub fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let (host, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Recoup: 1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let whole = String::from_utf8_lossy(&bytes).into_owned();
        let (head, text) = whole.split_once("\r\n\r\n").unwrap_or((&whole, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), text: text.to_owned() }
    }

    /// The answer to what must go well.
    #[track_caller]
    pub fn json(&self, method: &str, path: &str, bearer: &str, body: Value) -> Value {
        let answer = self.ask(method, path, bearer, Some(&body).filter(|body| !body.is_null()));
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.json()
    }

    /// Waits for a run; gives it.
    pub fn run(&self, id: &str, bearer: &str) -> Value {
        let path = format!("/api/v1/runs/{id}");
        self.until(|| self.json("GET", &path, bearer, Value::Null)["state"] == "done");
        self.json("GET", &path, bearer, Value::Null)
    }

    /// Backs a plan up; gives the run.
    #[track_caller]
    pub fn back_up(&self, plan: &str, bearer: &str) -> Value {
        let run = self.json("POST", &format!("/api/v1/plans/{plan}/run"), bearer, Value::Null);
        self.run(run["run"].as_str().unwrap(), bearer)
    }

    /// The newest backup of a plan.
    #[track_caller]
    pub fn newest(&self, plan: &str, bearer: &str) -> String {
        let listed = self.json("GET", &format!("/api/v1/backups?plan={plan}"), bearer, Value::Null);
        listed["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("daemon.log")).unwrap()
    }

    /// Asks it to end, and waits.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "a graceful end is a good one");
    }
}
