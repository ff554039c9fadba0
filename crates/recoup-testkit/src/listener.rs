//! An HTTP server on loopback that is strict about what it hears, remembers it, and answers what a test wants: a status,
//! bytes of any kind, or nothing at all.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Debug, Clone)]
pub struct Heard {
    pub method: String,
    /// Path and query.
    pub path: String,
    /// By lower-case names.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.headers.get("content-type").map(String::as_str), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16),
    /// These bytes, and the connection ends.
    Bytes(Vec<u8>),
    /// Nothing, and the connection stays.
    Nothing,
}

/// The server. It listens until the test ends.
pub struct Listener {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Result<Heard, String>>>>,
}

impl Listener {
    /// Answers what `answer` says.
    pub fn new(answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard, answer) =
            (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default(), Arc::new(answer));
        let kept = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer, stream) = (kept.clone(), answer.clone(), stream.unwrap());
                thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Listener { address, heard }
    }

    /// Answers every request with a status.
    pub fn answering(status: u16) -> Self {
        Listener::new(move |_| Answer::Status(status))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything it heard. Panics when something of it was not a proper request.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().iter().map(|heard| heard.clone().unwrap()).collect()
    }

    /// The only request it heard.
    pub fn only(&self) -> Heard {
        let mut heard = self.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        heard.remove(0)
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Result<Heard, String>>>, answer: &dyn Fn(&Heard) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let heard = read(&mut reader);
    kept.lock().unwrap().push(heard.clone());
    let answer = heard.map_or(Answer::Status(400), |heard| answer(&heard));
    let bytes = match answer {
        Answer::Status(status) => {
            format!("HTTP/1.1 {status} Told\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").into_bytes()
        }
        Answer::Bytes(bytes) => bytes,
        // Ends when the other side does.
        Answer::Nothing => return drop(reader.read_to_end(&mut Vec::new())),
    };
    drop((&stream).write_all(&bytes));
}

fn read(reader: &mut impl BufRead) -> Result<Heard, String> {
    let mut line = || -> Result<String, String> {
        let mut line = String::new();
        reader.read_line(&mut line).map_err(|error| error.to_string())?;
        line.strip_suffix("\r\n").map(str::to_owned).ok_or(format!("no CRLF: {line:?}"))
    };
    let first = line()?;
    let words: Vec<&str> = first.split(' ').collect();
    let [method, path, "HTTP/1.1"] = words[..] else { return Err(format!("not a request line: {first:?}")) };
    let mut headers = BTreeMap::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ").ok_or(format!("not a header: {line:?}"))?;
        if !line.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) || value.trim() != value {
            return Err(format!("not printable: {line:?}"));
        }
        if headers.insert(name.to_lowercase(), value.to_owned()).is_some() {
            return Err(format!("twice: {line:?}"));
        }
    }
    if !headers.contains_key("host") {
        return Err("no host".to_owned());
    }
    let length = match (method, headers.get("content-length")) {
        ("GET", None) => 0,
        ("POST" | "PUT", Some(length)) => length.parse().map_err(|_| format!("not a length: {length}"))?,
        other => return Err(format!("a body that does not fit: {other:?}")),
    };
    let mut body = vec![0; length];
    reader.read_exact(&mut body).map_err(|error| error.to_string())?;
    Ok(Heard { method: method.to_owned(), path: path.to_owned(), headers, body })
}
