//! A strict SMTP server on loopback, in Python (`mail_sink.py`), so that another program than ours reads what we send, and
//! certificates for it and for others, made by openssl.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The server; it ends with the test.
pub struct MailSink {
    child: Child,
    said: BufReader<ChildStdout>,
    pub port: u16,
}

impl MailSink {
    /// Starts it. Options: `--tls starttls|implicit`, `--certificates DIR`, `--user NAME --password WORD`,
    /// `--fail STAGE:CODE` with the stages `greeting`, `ehlo`, `auth`, `mail`, `rcpt`, `data`, `end`.
    pub fn start(options: &[&str]) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", include_str!("mail_sink.py")]).args(options).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        MailSink { child, said, port: line.trim().parse().unwrap() }
    }

    /// The next mail that was taken, as Python's email module reads it: `{from, to, encrypted, user, headers, body}`.
    pub fn mail(&mut self) -> Value {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for MailSink {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `ca.pem`, and `server.pem` with `server.key` for `localhost` and 127.0.0.1, in `folder`. Gives the path of the first.
pub fn certificates(folder: &Path) -> PathBuf {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("{key} -subj /CN=test-authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "{key} -subj /CN=localhost -CA ca.pem -CAkey ca.key -keyout server.key -out server.pem \
         -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE"
    ));
    folder.join("ca.pem")
}
