//! A line that breaks: a TCP proxy on loopback that lets an exact number of bytes through in one direction and then resets
//! the connection, ends it in an orderly way, or goes silent. It knows nothing of what flows through it.
//!
//! Each [`Cut`] is for one connection, in the order in which they come; those without one flow freely.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often a direction looks whether the other one was cut.
const LOOK: Duration = Duration::from_millis(5);

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Out,
    /// From the server to the client.
    Back,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// RST to both.
    Reset,
    /// FIN to both, as if each had closed.
    Truncate,
    /// Nothing moves any more, and nobody is told.
    Stall,
}

/// A cut of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Which bytes are counted.
    pub way: Way,
    /// How many of them still arrive.
    pub after: u64,
    pub how: How,
}

/// A proxy that runs until it is dropped.
pub struct Cutting {
    port: u16,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

struct Line {
    to: SocketAddr,
    cuts: Mutex<VecDeque<Cut>>,
    out: AtomicU64,
    back: AtomicU64,
    connections: AtomicUsize,
    /// Nobody comes through any more.
    refusing: AtomicBool,
    over: AtomicBool,
}

impl Cutting {
    /// In front of a server.
    pub fn to(server: SocketAddr) -> Cutting {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(Line {
            to: server,
            cuts: Mutex::default(),
            out: AtomicU64::new(0),
            back: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
            refusing: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let accepting = Some(thread::spawn({
            let line = line.clone();
            move || accept(&listener, &line)
        }));
        Cutting { port, line, accepting }
    }

    /// In front of a port of this machine.
    pub fn to_port(port: u16) -> Cutting {
        Cutting::to(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next connection that has no cut yet gets this one.
    pub fn cut(&self, cut: Cut) {
        self.line.cuts.lock().unwrap().push_back(cut);
    }

    /// From now on connections are reset as soon as they are made.
    pub fn refuse(&self) {
        self.line.refusing.store(true, Ordering::SeqCst);
    }

    /// Bytes that arrived over all connections, out and back.
    pub fn passed(&self) -> (u64, u64) {
        (self.line.out.load(Ordering::SeqCst), self.line.back.load(Ordering::SeqCst))
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.line.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Cutting {
    fn drop(&mut self) {
        self.line.over.store(true, Ordering::SeqCst);
        // Wakes who waits for connections.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        let _ = self.accepting.take().unwrap().join();
    }
}

fn accept(listener: &TcpListener, line: &Arc<Line>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        if line.over.load(Ordering::SeqCst) {
            return;
        }
        line.connections.fetch_add(1, Ordering::SeqCst);
        if line.refusing.load(Ordering::SeqCst) {
            reset_on_close(&client);
            continue;
        }
        // A server that is gone: the client is told by the end of its connection.
        let Ok(server) = TcpStream::connect(line.to) else { continue };
        let cut = line.cuts.lock().unwrap().pop_front();
        let connection = Arc::new(Connection { client, server, line: line.clone(), ended: AtomicBool::new(false) });
        for way in [Way::Out, Way::Back] {
            let connection = connection.clone();
            let cut = cut.filter(|cut| cut.way == way);
            thread::spawn(move || connection.flow(way, cut));
        }
    }
}

/// Both ends of one connection; they close when both directions let go of it.
struct Connection {
    client: TcpStream,
    server: TcpStream,
    line: Arc<Line>,
    ended: AtomicBool,
}

impl Connection {
    fn flow(&self, way: Way, cut: Option<Cut>) {
        let (mut from, mut to) = match way {
            Way::Out => (&self.client, &self.server),
            Way::Back => (&self.server, &self.client),
        };
        let passed = if way == Way::Out { &self.line.out } else { &self.line.back };
        from.set_read_timeout(Some(LOOK)).unwrap();
        let _ = to.set_nodelay(true);
        let mut left = cut.map_or(u64::MAX, |cut| cut.after);
        let mut buffer = [0; 16 * 1024];
        loop {
            if let (0, Some(cut)) = (left, cut) {
                return self.end(cut.how);
            }
            if self.line.over.load(Ordering::SeqCst) || self.ended.load(Ordering::SeqCst) {
                return;
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            match from.read(&mut buffer[..most]) {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(read) => {
                    if to.write_all(&buffer[..read]).is_err() {
                        let _ = from.shutdown(Shutdown::Read);
                        return;
                    }
                    passed.fetch_add(read as u64, Ordering::SeqCst);
                    left -= read as u64;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => {
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
            }
        }
    }

    fn end(&self, how: How) {
        match how {
            How::Reset => [&self.client, &self.server].into_iter().for_each(reset_on_close),
            How::Truncate => {
                [&self.client, &self.server].into_iter().for_each(|end| drop(end.shutdown(Shutdown::Both)))
            }
            How::Stall => {
                self.ended.store(true, Ordering::SeqCst);
                while !self.line.over.load(Ordering::SeqCst) && !gone(&self.client) {
                    thread::sleep(LOOK);
                }
            }
        }
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// Whether the other side gave up, which it may do while bytes of it are still unread.
fn gone(client: &TcpStream) -> bool {
    matches!(client.take_error(), Ok(Some(_)) | Err(_)) || client.peer_addr().is_err()
}

fn reset_on_close(end: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(end, Some(Duration::ZERO)).unwrap();
}
