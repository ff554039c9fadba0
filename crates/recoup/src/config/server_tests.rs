//! `[server]` through the public door.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

fn resolve(text: &str) -> Result<Settings> {
    let file = Some((Path::new("/app/recoup.toml"), text));
    Settings::resolve(Inputs { file, environment: &[], current_directory: Path::new("/elsewhere"), zone: "UTC" })
}

#[test]
fn every_key_of_the_server_is_read() {
    let text = r#"
[server]
listen = "[::1]:8000"
data = "state"
catalog = "postgres://recoup:canary@db/recoup"
public_url = "https://backup.example.org/"
hosts = ["nas", "backup.lan:7467"]
roots = ["/srv", "here"]
upload_limit = "500 MiB"
check_interval = "5m"
concurrency = 4
outbound_timeout = "30s"
private_targets = ["10.0.0.0/8", "192.168.1.7"]
rate_limit = 0
open_metrics = true
docs = false
"#;
    let settings = resolve(text).unwrap();
    let server = &settings.server;
    assert_eq!(server.listen.to_string(), "[::1]:8000");
    assert_eq!(server.data, PathBuf::from("/app/state"));
    assert_eq!(server.public_url.as_deref(), Some("https://backup.example.org"));
    assert_eq!(server.hosts, ["nas", "backup.lan:7467"]);
    assert_eq!(server.roots, [PathBuf::from("/srv"), PathBuf::from("/app/here")]);
    assert_eq!(server.upload_limit, 500 << 20);
    assert_eq!(server.check_interval, Some(Duration::from_secs(300)));
    assert_eq!((server.concurrency, server.rate_limit), (4, 0));
    assert_eq!(server.outbound_timeout, Some(Duration::from_secs(30)));
    assert_eq!(server.private_targets.len(), 2);
    assert!(server.open_metrics && !server.docs && server.catalog.is_some());
    let shown = format!("{settings:?}{:?}", settings.values);
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(settings.values.iter().filter(|value| value.key.starts_with("server.")).count(), 14);
}

#[test]
fn without_the_table_the_server_is_for_this_machine_only() {
    let server = resolve("").unwrap().server;
    assert!(server.listen.ip().is_loopback());
    assert_eq!(server.data, PathBuf::from("/app/recoup-data"));
    assert!(server.catalog.is_none() && server.hosts.is_empty() && server.roots.is_empty());
    assert_eq!(server.upload_limit, 10 << 30);
}

#[test]
fn what_the_server_cannot_be_is_an_error_that_names_line_and_key() {
    let cases = [
        ("listen = \"localhost\"", "listen"),
        ("catalog = \"mysql://x\"", "catalog"),
        ("catalog = \"postgres://x\"\ncatalog_file = \"y\"", "catalog_file"),
        ("public_url = \"backup\"", "public_url"),
        ("hosts = [\"*\"]", "hosts"),
        ("hosts = [\"https://x\"]", "hosts"),
        ("upload_limit = \"10\"", "upload_limit"),
        ("upload_limit = \"0 B\"", "upload_limit"),
        ("upload_limit = \"99999999999 TiB\"", "upload_limit"),
        ("check_interval = \"0s\"", "check_interval"),
        ("check_interval = \"2h\"", "check_interval"),
        ("outbound_timeout = \"301s\"", "outbound_timeout"),
        ("concurrency = 0", "concurrency"),
        ("private_targets = [\"10.0.0.0/40\"]", "private_targets"),
        ("lisen = \"x\"", "lisen"),
    ];
    for (line, key) in cases {
        let error = resolve(&format!("[server]\n{line}\n")).map(|_| ()).unwrap_err();
        assert!(error.message().contains(&format!("server.{key}")), "{line}: {error}");
        assert!(error.message().starts_with("/app/recoup.toml:"), "{error}");
    }
}
