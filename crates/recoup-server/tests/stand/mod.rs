//! A real server on a free loopback port, and a client that writes its requests itself, so that it can also write
//! wrong ones.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use recoup::catalog::{Account, Catalog, Token, password};
use recoup::clock::Clock;
use recoup::config::{Inputs, Settings};
use recoup::engine::{self, Engine};
use recoup::model::user::{Role, Scope};
use recoup_server::server::{Bounds, serve};
use recoup_server::{App, Options};
use recoup_testkit::hand_clock::HandClock;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// The password of everybody here.
pub const PASSWORD: &str = "correct horse battery";

pub struct Stand {
    pub runtime: Runtime,
    pub app: App,
    pub address: SocketAddr,
    pub clock: Arc<HandClock>,
    pub folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = ["x-content-type-options", "content-security-policy", "referrer-policy", "connection", "date"];
        write!(f, "{}", self.status)?;
        for (name, value) in self.headers.iter().filter(|(name, _)| !own.contains(&name.as_str())) {
            write!(f, "; {name}: {value}")?;
        }
        write!(f, "\n{}", self.text)
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
    /// `name=value` of the cookie that it sets.
    pub fn cookie(&self) -> String {
        let set = self.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {self:?}"));
        set.split(';').next().unwrap().to_owned()
    }
    /// The reply, if it has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }
}

/// A time to begin with.
pub fn start() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

impl Stand {
    pub fn new() -> Self {
        Stand::with(Options { rate: 0, ..Options::default() }, Bounds::default())
    }

    pub fn with(options: Options, bounds: Bounds) -> Self {
        Stand::on("", options, bounds)
    }

    /// On a recoup.toml.
    pub fn on(toml: &str, options: Options, bounds: Bounds) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock::at(start());
        let handed: Arc<dyn Clock> = clock.clone();
        let file = folder.path().join("recoup.toml");
        let inputs =
            Inputs { file: Some((&file, toml)), current_directory: folder.path(), environment: &[], zone: "UTC" };
        let options_of_engine = engine::Options {
            data: folder.path().join("data"),
            catalog_url: None,
            settings: Settings::resolve(inputs).unwrap(),
            environment: Arc::new(Vec::new),
            clock: handed,
            host: None,
            hooks: Default::default(),
            sources: Default::default(),
        };
        let engine = runtime.block_on(Engine::open(options_of_engine)).unwrap();
        let app = App::new(engine, options);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = app.clone();
        runtime.spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            serve(listener, serving, bounds, end).await.unwrap();
        });
        Stand { runtime, app, address, clock, folder, stop: Some(stop) }
    }

    pub fn catalog(&self) -> &Catalog {
        self.app.catalog()
    }

    /// Ends the server.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Adds a user with [`PASSWORD`].
    pub fn user(&self, name: &str, role: Role) -> Account {
        let account = Account {
            id: self.app.new_id(),
            name: name.into(),
            role,
            password: Some(password::hash(PASSWORD).unwrap()),
            disabled: false,
            created_at: self.clock.now(),
        };
        self.runtime.block_on(self.catalog().add_account(&account)).unwrap();
        account
    }

    /// Adds a token of somebody; gives what goes into `Authorization`.
    pub fn token(&self, of: &Account, scope: Scope) -> String {
        let secret = format!("rcp_{}", self.app.new_id());
        let token = Token {
            id: self.app.new_id(),
            account: of.id.clone(),
            name: "test".into(),
            scope,
            created_at: self.clock.now(),
            expires_at: self.clock.now() + jiff::SignedDuration::from_hours(24),
            used_at: None,
        };
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(secret.as_bytes()));
        self.runtime.block_on(self.catalog().add_token(&token, &hash)).unwrap();
        format!("Bearer {secret}")
    }

    /// Signs in; gives the cookie.
    pub fn sign_in(&self, name: &str) -> String {
        let given = serde_json::json!({"name": name, "password": PASSWORD});
        self.ask("POST", "/api/v1/session", &[], Some(&given)).is(200).cookie()
    }

    /// A request with the right Host.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Reply {
        let host = self.address.to_string();
        let mut all = vec![("Host", host.as_str())];
        all.extend_from_slice(headers);
        if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            all.push(("Content-Type", "application/json"));
        }
        self.send(method, path, &all, body.map(Value::to_string).unwrap_or_default().as_bytes())
    }

    /// With a token.
    pub fn by(&self, bearer: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask(method, path, &[("Authorization", bearer)], body)
    }

    /// With a cookie, as our page does.
    pub fn page(&self, cookie: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask(method, path, &[("Cookie", cookie), ("X-Recoup", "1"), ("Sec-Fetch-Site", "same-origin")], body)
    }

    /// A request with exactly these headers, a length and an end of the connection.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    /// These bytes on a connection of their own; `None` when it ends without an answer.
    pub fn raw(&self, bytes: &[u8]) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The server may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        parse(&answer)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads an answer from the bytes of a connection.
pub fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into())).collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.iter().any(|(name, value)| name.eq_ignore_ascii_case("transfer-encoding") && value == "chunked") {
        body = unchunk(&body);
    }
    Some(Reply { status, headers, text: String::from_utf8_lossy(&body).into_owned() })
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    whole
}
