//! An S3 service of our own: moto's server from PyPI on a free port of loopback. It keeps objects in memory, does not look
//! at signatures, and honours conditions.
//!
//! Not here: what is tested on it. A machine without moto fails those tests; `make tools` installs it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Limits, S3};

const PATIENCE: Duration = Duration::from_secs(60);
/// What must never be told to anybody.
pub const SECRET_KEY: &str = "marker-of-the-secret-key-71c4";
/// Neither is this, though it is no secret to the service.
pub const ACCESS_KEY: &str = "AKIAMARKER5E02";

/// A running server; it ends with it.
#[derive(Debug)]
pub struct Moto {
    process: Child,
    port: u16,
    buckets: AtomicUsize,
}

impl Moto {
    /// The server of this test process; started by whoever asks first.
    pub fn shared() -> Arc<Moto> {
        static SHARED: Mutex<Weak<Moto>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Moto::start());
        *shared = Arc::downgrade(&server);
        server
    }

    /// Another server.
    pub fn start() -> Moto {
        // Somebody else may take the port between our look and the server's.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut process = Command::new("moto_server")
                .args(["-H", "127.0.0.1", "-p", &port.to_string()])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("moto is installed (make tools)");
            let begin = Instant::now();
            while begin.elapsed() < PATIENCE && process.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Moto { process, port, buckets: AtomicUsize::new(0) };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("moto does not start");
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A bucket that nobody used before.
    pub fn bucket(&self) -> String {
        let name = format!("bucket-{}", self.buckets.fetch_add(1, Ordering::SeqCst));
        self.tell("PUT", &format!("/{name}"));
        name
    }

    /// One in which every object stays for a day, whoever wants it gone.
    pub fn locked_bucket(&self) -> String {
        let name = format!("locked-{}", self.buckets.fetch_add(1, Ordering::SeqCst));
        self.tell_more("PUT", &format!("/{name}"), "x-amz-bucket-object-lock-enabled: true\r\n", "");
        let rule = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
                    <Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
        let answer = self.tell_more("PUT", &format!("/{name}?object-lock"), "", rule);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        name
    }

    /// Asks the server itself, without a signature; the answer as it comes.
    pub fn tell(&self, method: &str, path: &str) -> String {
        self.tell_more(method, path, "", "")
    }

    /// The same with headers, each of which ends with CR LF, and a body.
    pub fn tell_more(&self, method: &str, path: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: {}\r\nConnection: close\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request\r\n{headers}\r\n",
            self.port,
            body.len()
        );
        stream.write_all((head + body).as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// See [`settings`].
    pub fn settings(&self, bucket: &str, port: u16) -> DestinationSettings {
        settings(bucket, port)
    }
}

/// A destination in a bucket, reached through a port: the server's own, or that of a proxy in front of it.
pub fn settings(bucket: &str, port: u16) -> DestinationSettings {
    DestinationSettings {
        name: "offsite".into(),
        address: Address::S3(S3 {
            bucket: bucket.into(),
            prefix: "some/where".into(),
            region: "us-east-1".into(),
            endpoint: Some(format!("http://127.0.0.1:{port}")),
            path_style: true,
            access_key: Secret::value(ACCESS_KEY),
            secret_key: Secret::value(SECRET_KEY),
            ca_file: None,
        }),
        keys: recoup::model::encryption::Keys::default(),
        layout: Default::default(),
        limits: Limits { timeout: Duration::from_secs(60), pause: Duration::from_millis(1), ..Limits::default() },
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
