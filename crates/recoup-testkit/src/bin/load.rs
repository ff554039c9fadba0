//! `load RECOUP sqlite|postgres [SECONDS]`: how fast a daemon answers whose catalog holds 100,000 backups, while 50
//! connections ask; and `load due sqlite|postgres`: how fast it finds what is due among 100,000 plans. The daemon is the
//! real one, a process of its own, on loopback; both catalogs are made here.
//!
//! Not here: whether indexes are used at all; that is `crates/recoup/tests/catalog_indexes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use recoup::catalog::{Account, Catalog, Token};
use recoup::model::user::{Role, Scope};
use recoup_testkit::contract::catalog::{Place, after, filled, id};
use recoup_testkit::postgres::Server;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONNECTIONS: u32 = 50;
const BACKUPS: i64 = 100_000;
const TOKEN: &str = "rcp_a-token-of-the-bench-that-is-worth-nothing";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["due", which] => due(which).await,
        [recoup, which] => answers(Path::new(recoup), which, 10).await,
        [recoup, which, seconds] => answers(Path::new(recoup), which, seconds.parse().unwrap()).await,
        _ => panic!("load RECOUP sqlite|postgres [SECONDS] | load due sqlite|postgres"),
    }
}

/// A catalog in `folder`, or on a server of its own.
async fn catalog(folder: &Path, which: &str) -> (Place, Option<std::sync::Arc<Server>>) {
    let server = (which == "postgres").then(Server::shared);
    let url = match &server {
        Some(server) => server.database().await,
        None => {
            let file = folder.join("catalog.db");
            Catalog::open_file(&file).await.unwrap().close().await;
            format!("sqlite://{}", file.display())
        }
    };
    let place = Place::at(&url).await;
    place.catalog.migrate().await.unwrap();
    (place, server)
}

fn show(line: &str) {
    println!("{line}");
}

async fn due(which: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (place, _server) = catalog(folder.path(), which).await;
    filled::fill(&place, BACKUPS, 1_000).await;
    let mut times = Vec::new();
    for n in 0..2_000_i64 {
        let asked = Instant::now();
        // One is due, as on a usual look; those before were moved on.
        let found = place.catalog.due_plans(after(-1 + n % 2), 100).await.unwrap();
        times.push(asked.elapsed());
        assert_eq!(found.len(), usize::try_from(n % 2).unwrap());
    }
    show(&format!("due, {which}, 100,000 plans: {}", numbers(&mut times)));
}

fn numbers(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)].as_secs_f64() * 1000.0;
    format!("{} times, median {:.2} ms, p99 {:.2} ms, longest {:.1} ms", times.len(), at(0.5), at(0.99), at(1.0))
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

async fn answers(recoup: &Path, which: &str, seconds: u64) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (place, _server) = catalog(&data, which).await;
    filled::fill(&place, 1_000, BACKUPS).await;
    // Nothing is to run meanwhile.
    let body = r#"{"databases":["shop.db"],"directories":["pictures"],"destinations":["./backups"],"enabled":false,"schedule":{"every":"daily","at":"03:00","zone":"UTC"},"retention":{"days":30}}"#;
    place
        .behind_its_back(&format!("UPDATE plan SET enabled = 0, next_due = NULL, next_nominal = NULL, body = '{body}'"))
        .await;
    place.behind_its_back("UPDATE run SET state = 'done', outcome = 'good' WHERE state = 'queued'").await;
    let now = Timestamp::now();
    let admin =
        Account { id: id(), name: "admin".into(), role: Role::Admin, password: None, disabled: false, created_at: now };
    place.catalog.add_account(&admin).await.unwrap();
    let expires_at = now + SignedDuration::from_hours(24);
    let token = Token {
        id: id(),
        account: admin.id,
        name: "bench".into(),
        scope: Scope::Read,
        created_at: now,
        expires_at,
        used_at: None,
    };
    place.catalog.add_token(&token, &HEXLOWER.encode(&Sha256::digest(TOKEN))).await.unwrap();
    place.catalog.close().await;
    place.raw.close().await;

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // A destination that is not there right now: what the list says of it stays.
    let mut toml = format!(
        "destinations = [\"disk\"]\n[destination.disk]\npath = \"./disk\"\nmarker = true\n[server]\nlisten = \"127.0.0.1:{port}\"\nrate_limit = 0\ndata = \"{}\"\n",
        data.display()
    );
    if which == "postgres" {
        writeln!(toml, "catalog = \"{}\"", place.url).unwrap();
    }
    std::fs::write(folder.path().join("recoup.toml"), toml).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let daemon = Command::new(recoup)
        .arg("serve")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    let daemon = Daemon(daemon.unwrap());
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() || ask(port, "/readyz").await != 200 {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(begin.elapsed() < Duration::from_secs(60), "{log}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for path in ["/api/v1/plans", "/api/v1/backups", "/api/v1/plans?limit=20", "/api/v1/backups?limit=20"] {
        let items = page(port, path).await;
        for (how, pace) in [("as fast as they can", 0), ("4 times a second each", 250)] {
            let mut times = load(port, path, Duration::from_secs(seconds), Duration::from_millis(pace)).await;
            let rate = times.len() as u64 / seconds;
            show(&format!(
                "GET {path} ({items}), {which}, {CONNECTIONS} connections, {how}: {rate}/s, {}",
                numbers(&mut times)
            ));
        }
    }
    show(&format!("the daemon afterwards: {}", resident(daemon.0.id())));
}

fn resident(pid: u32) -> String {
    let status = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/status"))).unwrap();
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
}

/// 50 connections ask for the same; gives how long each answer took.
async fn load(port: u16, path: &str, length: Duration, pace: Duration) -> Vec<Duration> {
    let begin = Instant::now();
    let all = (0..CONNECTIONS).map(|n| {
        let path = path.to_owned();
        tokio::spawn(async move {
            let mut times = Vec::new();
            let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            connection.set_nodelay(true).unwrap();
            let mut buffer = Vec::new();
            tokio::time::sleep(pace * n / CONNECTIONS).await;
            while begin.elapsed() < length {
                let asked = Instant::now();
                let status = exchange(&mut connection, &path, &mut buffer).await;
                times.push(asked.elapsed());
                assert_eq!(status, 200, "{}", String::from_utf8_lossy(&buffer));
                if let Some(rest) = pace.checked_sub(asked.elapsed()).filter(|rest| !rest.is_zero()) {
                    tokio::time::sleep(rest).await;
                }
            }
            times
        })
    });
    let mut times = Vec::new();
    for one in all.collect::<Vec<_>>() {
        times.extend(one.await.unwrap());
    }
    times
}

async fn ask(port: u16, path: &str) -> u16 {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    exchange(&mut connection, path, &mut Vec::new()).await
}

/// What a page holds; it must be full.
async fn page(port: u16, path: &str) -> String {
    let (mut connection, mut body) = (TcpStream::connect(("127.0.0.1", port)).await.unwrap(), Vec::new());
    assert_eq!(exchange(&mut connection, path, &mut body).await, 200);
    let read: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let items = read["items"].as_array().unwrap().len();
    assert_eq!(items, if path.ends_with("=20") { 20 } else { 100 }, "{read}");
    format!("{items} items, {} KiB", body.len() / 1024)
}

/// One request on a connection that stays open; gives the status, and the body in `buffer`.
async fn exchange(connection: &mut TcpStream, path: &str, buffer: &mut Vec<u8>) -> u16 {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    buffer.clear();
    let mut end = None;
    loop {
        assert!(connection.read_buf(buffer).await.unwrap() > 0, "the connection was closed");
        if end.is_none()
            && let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..at]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).expect("a length");
            let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
            end = Some((at + 4 + length.trim().parse::<usize>().unwrap(), at + 4, status));
        }
        if let Some((length, body, status)) = end
            && buffer.len() >= length
        {
            buffer.drain(..body);
            return status;
        }
    }
}
