//! A browser on loopback that opens a page and goes where it is sent.

use std::io::{Read, Write};
use std::net::TcpStream;

/// Opens a page and follows it; gives what it ends with: status and text. Panics when there is no page.
pub fn visit(url: &str) -> (u16, String) {
    let mut url = url.to_owned();
    for _ in 0..5 {
        let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("not on loopback: {url}"));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\naccept: text/html\r\nconnection: close\r\n\r\n")
            .unwrap();
        drop(stream.shutdown(std::net::Shutdown::Write));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status: u16 = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ").map(str::to_owned));
        match location {
            Some(next) => url = next,
            None => return (status, answer),
        }
    }
    panic!("sent around in a circle");
}
