//! The stand-in for Google Drive is as strict as Drive, and Google's own client for Python finds nothing strange in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

use recoup_testkit::drive::{CLIENT, CLIENT_SECRET, Google};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn googles_own_client_makes_folders_uploads_lists_downloads_and_deletes() {
    let google = Google::start();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let client = target.join("tools/google-client");
    let installed = Command::new(root().join(".ci/google-client")).arg(&client).status().unwrap();
    assert!(installed.success(), "Google's client could not be installed");
    let scratch = tempfile::tempdir().unwrap();
    let done = Command::new("python3")
        .arg(root().join("crates/recoup-testkit/src/drive/google_client.py"))
        .args([&google.url(""), &google.url("/token"), CLIENT, CLIENT_SECRET, &google.refresh_token()])
        .arg(scratch.path())
        .env("PYTHONPATH", &client)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("all is well"), "{said}{}", String::from_utf8_lossy(&done.stderr));
}

/// What curl is answered: status and reason.
fn ask(google: &Google, arguments: &[&str], path: &str) -> String {
    let done = Command::new("curl")
        .args(["-s", "-w", "\n%{http_code}", "--noproxy", "*"])
        .args(arguments)
        .arg(google.url(path))
        .output()
        .unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let reason = body.pointer("/error/errors/0/reason").or(body.get("error")).and_then(|reason| reason.as_str());
    format!("{status} {}", reason.unwrap_or_default()).trim().to_owned()
}

#[test]
fn what_drive_refuses_is_refused() {
    let google = Google::start();
    let token = google.access_token();
    let bearer = format!("Authorization: Bearer {token}");
    let json = "Content-Type: application/json";
    let with = |more: &[&'static str]| -> Vec<String> {
        ["-H", &bearer]
            .iter()
            .map(|text| (*text).to_owned())
            .chain(more.iter().map(|text| (*text).to_owned()))
            .collect()
    };
    let asked = |more: &[&'static str], path: &str| {
        let all = with(more);
        ask(&google, &all.iter().map(String::as_str).collect::<Vec<_>>(), path)
    };
    assert_eq!(ask(&google, &[], "/drive/v3/files"), "401 authError");
    assert_eq!(asked(&[], "/drive/v3/files"), "200");
    assert_eq!(asked(&[], "/drive/v3/files?query=x"), "400 invalidParameter");
    assert_eq!(asked(&[], "/drive/v3/files?fields=files(colour)"), "400 invalidParameter");
    assert_eq!(asked(&[], "/drive/v3/files?pageSize=1001"), "400 invalidParameter");
    assert_eq!(asked(&[], "/drive/v3/about"), "400 required");
    assert_eq!(asked(&[], "/drive/v3/files/nothing?alt=media"), "404 notFound");
    for body in [r#"{"nam":"x"}"#, r#"{"id":"made-up"}"#] {
        assert_eq!(asked(&["-H", json, "-d", body], "/drive/v3/files"), "400 invalid", "{body}");
    }
    let wide: &'static str = Box::leak(format!(r#"{{"appProperties":{{"k":"{}"}}}}"#, "v".repeat(124)).into());
    assert_eq!(asked(&["-H", json, "-d", wide], "/drive/v3/files"), "400 invalid");
    assert_eq!(asked(&["-H", json, "-d", r#"{"parents":["gone"]}"#], "/drive/v3/files"), "404 notFound");
    let begin = ["-H", json, "-H", "X-Upload-Content-Type: a/b", "-d", r#"{"name":"x"}"#];
    assert_eq!(asked(&begin, "/upload/drive/v3/files?uploadType=resumable"), "400 badRequest", "no length");
    assert_eq!(asked(&begin, "/upload/drive/v3/files"), "400 badRequest", "no kind of upload");
    assert_eq!(asked(&["-X", "DELETE"], "/drive/v3/files/nothing"), "404 notFound");
    // Codes, refresh tokens and clients that nobody gave out.
    for form in ["grant_type=refresh_token&refresh_token=x", "grant_type=authorization_code&code=x&code_verifier=y"] {
        let form = format!("{form}&client_id={CLIENT}&client_secret={CLIENT_SECRET}");
        assert_eq!(ask(&google, &["-d", &form], "/token"), "400 invalid_grant");
    }
    assert_eq!(ask(&google, &["-d", "grant_type=refresh_token&client_id=x"], "/token"), "401 invalid_client");
    assert_eq!(ask(&google, &["-d", "grant_type=password"], "/token"), "400 unsupported_grant_type");
}

#[test]
fn pieces_that_do_not_follow_or_have_odd_sizes_are_refused() {
    let google = Google::start();
    let session = google.session(1 << 20);
    let bearer = format!("Authorization: Bearer {}", google.access_token());
    let put = |range: &str, bytes: usize| {
        let body = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(body.path(), vec![7; bytes]).unwrap();
        let (range, body) = (format!("Content-Range: bytes {range}"), format!("@{}", body.path().display()));
        ask(&google, &["-X", "PUT", "-H", &bearer, "-H", &range, "--data-binary", &body], &session)
    };
    assert_eq!(put("0-99/1048576", 100), "400 badRequest", "no multiple of 256 KiB");
    assert_eq!(put("0-262143/1048575", 262_144), "400 badRequest", "another length");
    assert_eq!(put("262144-524287/1048576", 262_144), "400 badRequest", "not from the beginning");
    assert_eq!(put("0-262143/1048576", 262_144), "308");
    assert_eq!(put("0-262143/1048576", 262_144), "400 badRequest", "twice");
    assert_eq!(put("*/1048576", 0), "308");
    assert_eq!(put("262144-1048575/1048576", 786_432), "200");
    assert_eq!(google.objects().len(), 1);
}
