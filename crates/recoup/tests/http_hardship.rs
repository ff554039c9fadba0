//! The destinations that are reached by HTTP, S3 and WebDAV, on lines that break, behind servers that fail, with many
//! objects, and with objects larger than memory.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::destination::{Address, DestinationSettings};
use recoup::progress::Context;
use recoup_testkit::apache::{self, Apache};
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::cutting::{Cut, Cutting, How, Way};
use recoup_testkit::faults::{OUTCOME, ROOT, child, peak, soak, text, variable};
use recoup_testkit::faulty::{Fault, Faulty};
use recoup_testkit::moto::{self, Moto};
use recoup_testkit::s3rver::{self, S3rver};
use recoup_testkit::tree::same;

/// How often a line is cut in each direction.
const CUTS: u64 = 200;
const SIZE: usize = 300_000;
/// More than what S3 gets in one PUT.
const PARTS: usize = (17 << 20) + 3;

/// A real server and a place on it that nobody used before.
enum Server {
    S3(Arc<Moto>, String),
    WebDav(Arc<Apache>, String),
    /// For what is too large for moto.
    S3OnDisk(S3rver),
}

impl Server {
    fn s3() -> Server {
        let server = Moto::shared();
        let bucket = server.bucket();
        Server::S3(server, bucket)
    }

    fn webdav() -> Server {
        let server = Apache::shared();
        let path = server.fresh();
        Server::WebDav(server, path)
    }

    fn port(&self) -> u16 {
        match self {
            Server::S3(server, _) => server.port(),
            Server::WebDav(server, _) => server.port(),
            Server::S3OnDisk(server) => server.port(),
        }
    }

    /// Through a proxy.
    fn through(&self, port: u16) -> DestinationSettings {
        match self {
            Server::S3(server, bucket) => server.settings(bucket, port),
            Server::WebDav(server, path) => server.settings(path, port),
            Server::S3OnDisk(_) => s3rver::settings(port),
        }
    }

    fn direct(&self) -> Arc<dyn Destination> {
        open(&self.through(self.port()), true).unwrap()
    }

    /// What is on its way there, whoever began it.
    fn unfinished(&self) -> usize {
        match self {
            Server::S3(server, bucket) => {
                server.tell("GET", &format!("/{bucket}?uploads")).matches("<UploadId>").count()
            }
            Server::WebDav(server, path) => {
                fs::read_dir(server.on_disk(path).join(".recoup-parts")).map_or(0, |parts| parts.count())
            }
            Server::S3OnDisk(_) => panic!("not looked at"),
        }
    }
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

fn read(destination: &dyn Destination, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keys(destination: &dyn Destination) -> Vec<String> {
    destination.list("").unwrap().into_iter().map(|object| object.key).collect()
}

/// Mostly resets; going silent costs the time-out, so it is seldom.
fn how(i: u64) -> How {
    match i % 20 {
        0 => How::Stall,
        1..=10 => How::Reset,
        _ => How::Truncate,
    }
}

/// Cuts the connection of a put at places spread over all that flows in one direction.
fn cut_everywhere(server: &Server, way: Way, size: usize, cuts: u64) {
    let line = Cutting::to_port(server.port());
    let mut settings = server.through(line.port());
    settings.limits.timeout = Duration::from_millis(2500);
    // Everything over one connection.
    settings.limits.bandwidth = (size == PARTS).then_some(1 << 30);
    let bytes = noise(1, size);
    let direct = server.direct();
    let passed = || if way == Way::Out { line.passed().0 } else { line.passed().1 };
    put(&*open(&settings, true).unwrap(), "plan/whole", &bytes).unwrap();
    let all = passed();
    assert!(all > size as u64, "{all}");
    let mut more = 0;
    for i in 0..cuts {
        let before = line.connections();
        line.cut(Cut { way, after: all * i / cuts, how: how(i) });
        let stored = put(&*open(&settings, true).unwrap(), "plan/x", &bytes);
        assert_eq!(stored.unwrap_or_else(|e| panic!("cut {i}: {e} {}", e.detail())), sha256(&bytes), "cut {i}");
        more += line.connections() - before - 1;
        assert!(read(&*direct, "plan/x") == bytes, "cut {i}");
        assert_eq!(keys(&*direct), ["plan/whole", "plan/x"], "cut {i}");
        direct.delete("plan/x").unwrap();
    }
    // The last few may come after everything was said.
    assert!(more as u64 >= cuts * 8 / 10, "{more} were cut");
}

#[test]
fn s3_a_put_survives_a_cut_anywhere_on_the_way_out() {
    let server = Server::s3();
    cut_everywhere(&server, Way::Out, SIZE, CUTS);
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn s3_a_put_survives_a_cut_anywhere_on_the_way_back() {
    cut_everywhere(&Server::s3(), Way::Back, SIZE, CUTS);
}

#[test]
fn s3_a_put_in_parts_survives_cuts() {
    cut_everywhere(&Server::s3(), Way::Out, PARTS, 12);
    cut_everywhere(&Server::s3(), Way::Back, PARTS, 12);
}

#[test]
fn webdav_a_put_survives_a_cut_anywhere_on_the_way_out() {
    let server = Server::webdav();
    cut_everywhere(&server, Way::Out, SIZE, CUTS);
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn webdav_a_put_survives_a_cut_anywhere_on_the_way_back() {
    cut_everywhere(&Server::webdav(), Way::Back, SIZE, CUTS);
}

fn a_get_survives_a_cut_anywhere(server: &Server) {
    let line = Cutting::to_port(server.port());
    let mut settings = server.through(line.port());
    settings.limits.timeout = Duration::from_millis(2500);
    let bytes = noise(2, SIZE);
    put(&*server.direct(), "plan/one", &bytes).unwrap();
    assert!(read(&*open(&settings, true).unwrap(), "plan/one") == bytes);
    let all = line.passed().1;
    for i in 0..CUTS {
        line.cut(Cut { way: Way::Back, after: all * i / CUTS, how: how(i) });
        assert!(read(&*open(&settings, true).unwrap(), "plan/one") == bytes, "cut {i}");
    }
}

#[test]
fn s3_a_get_survives_a_cut_anywhere() {
    a_get_survives_a_cut_anywhere(&Server::s3());
}

#[test]
fn webdav_a_get_survives_a_cut_anywhere() {
    a_get_survives_a_cut_anywhere(&Server::webdav());
}

/// Every request fails the first time, in each way.
fn every_request_fails_once(server: &Server, size: usize) {
    let faults = [
        Fault::Answer(500, String::new(), "<html>".into()),
        Fault::Answer(503, String::new(), "<Error><Code>SlowDown</Code></Error>".into()),
        Fault::Answer(429, "Retry-After: 0\r\n".into(), String::new()),
        Fault::LoseAnswer,
        Fault::Truncate(0),
        Fault::Truncate(40),
        Fault::Stall(Duration::from_secs(6)),
        Fault::Twice,
    ];
    for (i, fault) in faults.into_iter().enumerate() {
        let name = format!("{fault:?}");
        let mut seen = HashSet::new();
        let proxy = Faulty::to_port(server.port(), move |asked| {
            let mut key = asked.method.clone() + asked.path.split('?').next().unwrap();
            key.extend(
                asked
                    .path
                    .split(['?', '&'])
                    .filter(|pair| pair.starts_with("partNumber") || pair.starts_with("uploads")),
            );
            if seen.insert(key) { fault.clone() } else { Fault::Pass }
        });
        let mut settings = server.through(proxy.port());
        settings.limits.timeout = Duration::from_millis(3000);
        let destination = open(&settings, true).unwrap();
        let bytes = noise(i as u64, size);
        let key = format!("plan/{i}");
        put(&*destination, &key, &bytes).unwrap_or_else(|e| panic!("{name}: {e} {}", e.detail()));
        assert!(read(&*destination, &key) == bytes, "{name}");
        assert_eq!(keys(&*destination), [key.as_str()], "{name}");
        destination.delete(&key).unwrap_or_else(|e| panic!("{name}: {e} {}", e.detail()));
        assert_eq!(keys(&*server.direct()), [""; 0], "{name}");
    }
}

#[test]
fn s3_every_request_may_fail_once_in_any_way() {
    every_request_fails_once(&Server::s3(), 50_000);
}

#[test]
fn s3_every_request_of_an_upload_in_parts_may_fail_once_in_any_way() {
    every_request_fails_once(&Server::s3(), PARTS);
}

#[test]
fn webdav_every_request_may_fail_once_in_any_way() {
    let server = Server::webdav();
    every_request_fails_once(&server, 50_000);
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn the_other_side_is_left_alone_for_as_long_as_it_asks() {
    for server in [Server::s3(), Server::webdav()] {
        let mut first = true;
        let proxy = Faulty::to_port(server.port(), move |_| match std::mem::take(&mut first) {
            true => Fault::Answer(429, "Retry-After: 1\r\n".into(), String::new()),
            false => Fault::Pass,
        });
        let begin = Instant::now();
        put(&*open(&server.through(proxy.port()), true).unwrap(), "x", b"x").unwrap();
        assert!(begin.elapsed() >= Duration::from_secs(1));
    }
}

#[test]
fn a_server_that_fails_for_good_is_unreachable_and_shows_no_secret() {
    for server in [Server::s3(), Server::webdav()] {
        let secrets = [moto::SECRET_KEY, moto::ACCESS_KEY, apache::PASSWORD, "Signature", "Basic"];
        for fault in [Fault::Answer(503, String::new(), secrets.join(" ")), Fault::LoseAnswer] {
            let proxy = Faulty::to_port(server.port(), move |_| fault.clone());
            let mut settings = server.through(proxy.port());
            settings.limits.attempts = 2;
            let destination = open(&settings, true).unwrap();
            let errors = [
                put(&*destination, "x", b"x").err(),
                destination.list("").err(),
                destination.get("x", 0).err(),
                destination.delete("x").err(),
                destination.sweep().err(),
            ];
            for error in errors {
                let error = error.unwrap();
                assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.detail());
                for shown in [error.to_string(), error.detail(), format!("{error:?}"), format!("{settings:?}")] {
                    assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
                }
            }
        }
    }
}

#[test]
fn s3_a_list_of_2500_objects_is_complete() {
    let server = Server::s3();
    let Server::S3(moto, bucket) = &server else { panic!("not S3") };
    let expected: Vec<String> = (0..2500).map(|i| format!("plan/{i:04}")).collect();
    for key in &expected {
        moto.tell("PUT", &format!("/{bucket}/some/where/{key}"));
    }
    assert_eq!(keys(&*server.direct()), expected);
}

#[test]
fn webdav_a_list_of_2500_objects_is_complete() {
    let server = Server::webdav();
    let Server::WebDav(apache, path) = &server else { panic!("not WebDAV") };
    fs::create_dir_all(apache.on_disk(path).join("plan")).unwrap();
    let expected: Vec<String> = (0..2500).map(|i| format!("plan/{i:04}")).collect();
    for key in &expected {
        fs::write(apache.on_disk(path).join(key), key).unwrap();
    }
    assert_eq!(keys(&*server.direct()), expected);
}

// --- larger than memory ---

/// 300 MB, or 5 GB when asked for.
fn large(server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let megabytes: u64 = if soak() { 5 * 1024 } else { 300 };
    let path = folder.path().join("large");
    let mut file = fs::File::create(&path).unwrap();
    for i in 0..megabytes {
        file.write_all(&noise(i + 1, 1 << 20)).unwrap();
    }
    drop(file);
    let outcome = folder.path().join("outcome");
    let place = match server {
        Server::S3(_, bucket) => format!("s3 {bucket}"),
        Server::WebDav(_, path) => format!("webdav {path}"),
        Server::S3OnDisk(_) => "s3rver -".to_owned(),
    };
    let output = child("large_in_a_child", folder.path(), &outcome)
        .env("LARGE_PORT", server.port().to_string())
        .env("LARGE_PLACE", place)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let peak: u64 = fs::read_to_string(&outcome).unwrap().parse().unwrap();
    println!("{megabytes} MiB there and back with a peak of {peak} KiB");
    assert!(peak < 128 * 1024, "{peak} KiB");
}

#[test]
fn s3_a_large_object_goes_there_and_back_in_little_memory() {
    large(&if soak() { Server::S3OnDisk(S3rver::start()) } else { Server::s3() });
}

#[test]
fn webdav_a_large_object_goes_there_and_back_in_little_memory() {
    large(&Server::webdav());
}

#[test]
#[ignore = "run by other tests"]
fn large_in_a_child() {
    let folder = variable(ROOT);
    let place = variable("LARGE_PLACE").to_str().unwrap().to_owned();
    let (kind, place) = place.split_once(' ').unwrap();
    let port = variable("LARGE_PORT").to_str().unwrap().parse().unwrap();
    let settings: DestinationSettings = match kind {
        "s3" => moto::settings(place, port),
        "s3rver" => s3rver::settings(port),
        _ => apache::settings(place, port),
    };
    assert!(!matches!(settings.address, Address::Directory { .. }));
    let destination = open(&settings, true).unwrap();
    let large = folder.join("large");
    let stored = destination.put("plan/large", Body::File(&large), &Context::quiet()).unwrap();
    assert_eq!(stored.bytes, fs::metadata(&large).unwrap().len());
    assert!(same(destination.get("plan/large", 0).unwrap(), &large));
    fs::write(variable(OUTCOME), peak().to_string()).unwrap();
}
