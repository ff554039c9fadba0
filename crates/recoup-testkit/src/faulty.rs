//! An HTTP proxy in front of a server that fails as a test says: it answers itself, loses answers after the work was done,
//! cuts them short, says them twice, or goes silent. It remembers what was asked.
//!
//! Not here: lines that break anywhere, whatever flows through them ([`crate::cutting`]).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A request, without its body.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The whole head.
    pub head: String,
}

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// It never arrives; this status, these headers (each ends with CR LF) and this body are the answer.
    Answer(u16, String, String),
    /// It arrives, and its answer does not.
    LoseAnswer,
    /// Of the answer's body only so many bytes come.
    Truncate(usize),
    /// The answer comes twice.
    Twice,
    /// It arrives, and then nothing happens for so long.
    Stall(Duration),
}

type Rule = Box<dyn FnMut(&Asked) -> Fault + Send>;

/// A proxy that runs until it is dropped.
pub struct Faulty {
    port: u16,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

struct Line {
    to: u16,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    over: AtomicBool,
}

impl Faulty {
    /// In front of a port of this machine; the rule is asked about every request.
    pub fn to_port(to: u16, rule: impl FnMut(&Asked) -> Fault + Send + 'static) -> Faulty {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line {
            to,
            rule: Mutex::new(Box::new(rule)),
            asked: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = Some(thread::spawn({
            let line = line.clone();
            move || {
                for client in listener.incoming() {
                    if line.over.load(Ordering::SeqCst) {
                        return;
                    }
                    let (Ok(client), line) = (client, line.clone()) else { continue };
                    // What ends too early is what was wanted.
                    thread::spawn(move || line.pass(&client));
                }
            }
        }));
        Faulty { port, line, accepting }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this rule.
    pub fn rule(&self, rule: impl FnMut(&Asked) -> Fault + Send + 'static) {
        *self.line.rule.lock().unwrap() = Box::new(rule);
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.line.asked.lock().unwrap())
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.line.over.store(true, Ordering::SeqCst);
        // Wakes who waits for connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.accepting.take().unwrap().join();
    }
}

/// Up to and with the empty line.
fn head_of(from: &mut impl BufRead) -> Option<String> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
        if &head[before..] == "\r\n" {
            return Some(head);
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// A head without the header that says whether the connection stays.
fn without_connection(head: &str, instead: &str) -> String {
    let kept: Vec<&str> =
        head.trim_end().split("\r\n").filter(|line| !line.to_ascii_lowercase().starts_with("connection:")).collect();
    format!("{}\r\n{instead}\r\n", kept.join("\r\n"))
}

impl Line {
    /// One request a connection.
    fn pass(&self, client: &TcpStream) -> Option<()> {
        let mut from = BufReader::new(client);
        let head = head_of(&mut from)?;
        let mut words = head.split(' ');
        let asked = Asked { method: words.next()?.to_owned(), path: words.next()?.to_owned(), head: head.clone() };
        let fault = (self.rule.lock().unwrap())(&asked);
        self.asked.lock().unwrap().push(asked);
        assert!(header(&head, "transfer-encoding").is_none(), "bodies tell their length: {head}");
        let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = from.take(length);
        let mut client_out = client;
        if let Fault::Answer(status, headers, text) = &fault {
            std::io::copy(&mut body, &mut std::io::sink()).ok()?;
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status} Fault\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{text}"
            );
            return client_out.write_all(answer.as_bytes()).ok();
        }
        let server = TcpStream::connect(("127.0.0.1", self.to)).ok()?;
        let mut server_out = &server;
        server_out.write_all(without_connection(&head, "Connection: close\r\n").as_bytes()).ok()?;
        if std::io::copy(&mut body, &mut server_out).ok()? < length {
            let _ = server.shutdown(Shutdown::Both);
            return None;
        }
        let mut back = BufReader::new(&server);
        let answer = head_of(&mut back)?;
        match fault {
            Fault::LoseAnswer => std::io::copy(&mut back, &mut std::io::sink()).map(drop).ok(),
            Fault::Stall(length) => {
                thread::sleep(length);
                None
            }
            Fault::Truncate(most) => {
                client_out.write_all(answer.as_bytes()).ok()?;
                std::io::copy(&mut back.take(most as u64), &mut client_out).map(drop).ok()
            }
            Fault::Twice => {
                let mut whole = without_connection(&answer, "").into_bytes();
                back.read_to_end(&mut whole).ok()?;
                client_out.write_all(&whole).ok()?;
                client_out.write_all(&whole).ok()
            }
            _ => {
                client_out.write_all(answer.as_bytes()).ok()?;
                std::io::copy(&mut back, &mut client_out).map(drop).ok()
            }
        }
    }
}
