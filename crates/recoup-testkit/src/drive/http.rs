//! HTTP/1.1 for the stand-in: requests read strictly, answers written, and the line cut when a test wants it.
//!
//! Not here: what is asked and answered.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

/// A request, without its body.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// By lower-case names.
    pub headers: BTreeMap<String, String>,
    pub length: u64,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
    pub fn of(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Answer { status, headers: Vec::new(), body: Vec::new() }
    }
    pub fn json(status: u16, value: &Value) -> Self {
        Answer::new(status).with("content-type", "application/json; charset=UTF-8").body(value.to_string())
    }
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self
    }
    /// An error as Drive words it.
    pub fn error(status: u16, reason: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let one = json!({ "domain": "global", "reason": reason, "message": message });
        Answer::json(status, &json!({ "error": { "errors": [one], "code": status, "message": message } }))
    }
}

/// Reads the head of the next request; `None` when the other side has gone.
pub fn read_head(reader: &mut BufReader<TcpStream>) -> Option<Result<Request, Answer>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let Some(line) = line.strip_suffix("\r\n") else { return Some(Err(bad("a line without CRLF"))) };
        if line.is_empty() && !lines.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    Some(parse(&lines))
}

fn parse(lines: &[String]) -> Result<Request, Answer> {
    let words: Vec<&str> = lines[0].split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else { return Err(bad("not a request line")) };
    let mut headers = BTreeMap::new();
    for line in &lines[1..] {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("not a header"))?;
        if headers.insert(name.to_lowercase(), value.trim().to_owned()).is_some() {
            return Err(bad(format!("{name} is there twice")));
        }
    }
    if !headers.contains_key("host") {
        return Err(bad("no host"));
    }
    if headers.contains_key("transfer-encoding") {
        return Err(Answer::error(411, "lengthRequired", "Length Required"));
    }
    let length = match headers.get("content-length") {
        Some(length) => length.parse().map_err(|_| bad("content-length"))?,
        None if matches!(method, "POST" | "PUT" | "PATCH") => {
            return Err(Answer::error(411, "lengthRequired", "Length Required"));
        }
        None => 0,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = pairs(query).ok_or_else(|| bad("the query is no query"))?;
    Ok(Request { method: method.to_owned(), path: path.to_owned(), query, headers, length })
}

fn bad(why: impl Into<String>) -> Answer {
    Answer::error(400, "badRequest", why)
}

/// Names and values of a form or a query; `None` when a name is there twice or an escape is wrong.
pub fn pairs(text: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if found.insert(decode(name)?, decode(value)?).is_some() {
            return None;
        }
    }
    Some(found)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Reads at most `most` bytes of a body.
pub fn read_body(reader: &mut BufReader<TcpStream>, most: u64) -> Vec<u8> {
    let mut body = Vec::new();
    // What came before the line broke counts.
    let _ = reader.take(most).read_to_end(&mut body);
    body
}

/// Writes an answer, only so many bytes of its body when `cut`; tells whether the line can go on.
pub fn write(stream: &mut TcpStream, answer: &Answer, cut: Option<u64>) -> bool {
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if answer.status != 204 {
        head.push_str(&format!("content-length: {}\r\n", answer.body.len()));
    }
    head.push_str("\r\n");
    let whole = cut.is_none_or(|cut| cut >= answer.body.len() as u64);
    let end = cut.map_or(answer.body.len(), |cut| usize::try_from(cut).unwrap().min(answer.body.len()));
    let bytes = [head.as_bytes(), &answer.body[..end]].concat();
    stream.write_all(&bytes).and_then(|()| stream.flush()).is_ok() && whole
}
