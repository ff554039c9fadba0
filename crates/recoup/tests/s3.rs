//! The S3 destination against moto: the contracts of destinations and stores, what it asks for, what it says when it is
//! refused. Lines that break and large objects: `s3_hardship.rs`.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Read;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use recoup::ErrorKind;
use recoup::destination::{Body, Destination, open};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, S3};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::faulty::{Asked, Fault, Faulty};
use recoup_testkit::moto::{ACCESS_KEY, Moto, SECRET_KEY};

fn fresh_destination() -> Fixture<dyn Destination> {
    let server = Moto::shared();
    let settings = server.settings(&server.bucket(), server.port());
    Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
}

mod destination {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        fresh_destination()
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let destination = fresh_destination();
        Fixture { subject: Arc::new(FilesStore::new(destination.subject.clone())), keep: Box::new(destination.keep) }
    }
    recoup_testkit::store_contract!(fresh);
}

/// A proxy in front of a bucket that nobody used before.
fn behind(rule: impl FnMut(&Asked) -> Fault + Send + 'static) -> (Arc<Moto>, Faulty, DestinationSettings) {
    let server = Moto::shared();
    let proxy = Faulty::to_port(server.port(), rule);
    let settings = server.settings(&server.bucket(), proxy.port());
    (server, proxy, settings)
}

fn address(settings: &mut DestinationSettings) -> &mut S3 {
    match &mut settings.address {
        Address::S3(to) => to,
        _ => panic!("not S3"),
    }
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<()> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(drop)
}

fn get(destination: &dyn Destination, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keys(destination: &dyn Destination) -> Vec<String> {
    destination.list("").unwrap().into_iter().map(|object| object.key).collect()
}

fn is_probe(asked: &Asked) -> bool {
    asked.path.contains(".recoup-probe")
}

/// A parameter of the query.
fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let query = asked.path.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")).map(str::to_owned))
}

#[test]
fn a_part_that_the_server_lists_is_not_sent_again() {
    let mut lost = false;
    let (_server, proxy, settings) = behind(move |asked| {
        let second = asked.method == "PUT" && parameter(asked, "partNumber").as_deref() == Some("2");
        if second && !std::mem::replace(&mut lost, true) { Fault::LoseAnswer } else { Fault::Pass }
    });
    let destination = open(&settings, true).unwrap();
    let bytes = noise(1, (20 << 20) + 5);
    let stored = destination.put("plan/x", Body::Bytes(&bytes), &Context::quiet()).unwrap();
    assert_eq!(stored.sha256, sha256(&bytes));
    let asked = proxy.asked();
    let mut parts: Vec<String> =
        asked.iter().filter(|asked| asked.method == "PUT").filter_map(|asked| parameter(asked, "partNumber")).collect();
    parts.sort();
    assert_eq!(parts, ["1", "2", "3"]);
    for part in asked.iter().filter(|asked| parameter(asked, "partNumber").is_some()) {
        assert!(part.head.to_lowercase().contains("content-md5: "));
    }
    assert!(get(&*destination, "plan/x") == bytes);
}

#[test]
fn a_failed_upload_leaves_no_parts() {
    let (server, _proxy, settings) = behind(|asked| match parameter(asked, "partNumber").as_deref() {
        Some("2") => Fault::Answer(403, String::new(), "<Error><Code>AccessDenied</Code></Error>".into()),
        _ => Fault::Pass,
    });
    let error = put(&*open(&settings, true).unwrap(), "plan/x", &noise(1, 10 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let Address::S3(to) = &settings.address else { panic!("not S3") };
    let left = server.tell("GET", &format!("/{}?uploads", to.bucket));
    assert!(left.contains("ListMultipartUploadsResult") && !left.contains("UploadId>"), "{left}");
    assert!(keys(&*open(&settings, true).unwrap()).is_empty());
}

#[test]
fn uploads_that_nobody_finished_are_given_up_after_a_day() {
    let then = |hours| (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
    let upload = |key: &str, id: &str, begun: String| {
        format!("<Upload><Key>{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>")
    };
    // Two pages, and somebody else's.
    let page = |uploads: String, more: &str| {
        format!(
            "<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{uploads}{more}</ListMultipartUploadsResult>"
        )
    };
    let first = page(
        upload("some/where/young", "id-young", then(23)) + &upload("else/where", "id-else", then(99)),
        "<IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>",
    );
    let second = page(upload("some/where/shop/old", "id-old", then(25)), "<IsTruncated>false</IsTruncated>");
    let (_server, proxy, settings) =
        behind(move |asked| match (asked.method.as_str(), parameter(asked, "key-marker")) {
            ("GET", None) => Fault::Answer(200, String::new(), first.clone()),
            ("GET", Some(_)) => Fault::Answer(200, String::new(), second.clone()),
            _ => Fault::Answer(204, String::new(), String::new()),
        });
    assert_eq!(open(&settings, true).unwrap().sweep().unwrap(), ["shop/old"]);
    let removed: Vec<_> = proxy.asked().into_iter().filter(|asked| asked.method == "DELETE").collect();
    assert_eq!(
        removed.iter().map(|asked| parameter(asked, "uploadId")).collect::<Vec<_>>(),
        [Some("id-old".to_owned())]
    );
}

#[test]
fn conditions_are_used_where_the_server_showed_that_it_honours_them() {
    for honours in [true, false] {
        let (_server, proxy, settings) = behind(move |asked| match is_probe(asked) && !honours {
            true => Fault::Answer(200, String::new(), String::new()),
            false => Fault::Pass,
        });
        let destination = open(&settings, true).unwrap();
        put(&*destination, "a", b"a").unwrap();
        put(&*destination, "b", b"b").unwrap();
        let (probes, puts): (Vec<_>, Vec<_>) =
            proxy.asked().into_iter().filter(|asked| asked.method == "PUT").partition(is_probe);
        assert_eq!((probes.len(), puts.len()), (2, 2));
        for put in puts {
            assert_eq!(put.head.to_lowercase().contains("if-none-match: *"), honours);
        }
        assert_eq!(keys(&*destination), ["a", "b"], "the probe is not listed");
        // Another process learns it with one request, which the first one left the answer to.
        put(&*open(&settings, true).unwrap(), "c", b"c").unwrap();
        assert_eq!(proxy.asked().iter().filter(|asked| is_probe(asked)).count(), if honours { 1 } else { 2 });
    }
}

#[test]
fn somebody_who_was_faster_is_not_replaced() {
    for (large, status) in [(false, 412), (false, 409), (false, 403), (true, 412)] {
        let server = Moto::shared();
        let bucket = server.bucket();
        let direct = open(&server.settings(&bucket, server.port()), true).unwrap();
        let theirs = direct.clone();
        let proxy = Faulty::to_port(server.port(), move |asked| {
            let last = if large {
                asked.method == "POST" && parameter(asked, "uploadId").is_some()
            } else {
                asked.method == "PUT"
            };
            if !last || is_probe(asked) {
                return Fault::Pass;
            }
            put(&*theirs, "x", b"theirs").unwrap();
            Fault::Answer(status, String::new(), "<Error><Code>PreconditionFailed</Code></Error>".into())
        });
        let destination = open(&server.settings(&bucket, proxy.port()), true).unwrap();
        let ours = noise(1, if large { 9 << 20 } else { 6 });
        assert_eq!(put(&*destination, "x", &ours).unwrap_err().kind(), ErrorKind::WouldOverwrite, "{status}");
        assert_eq!(get(&*direct, "x"), b"theirs");
    }
}

#[test]
fn a_service_that_refuses_removal_is_told_as_it_is_and_retention_knows() {
    use recoup_testkit::contract::store::{at, commit, manifest};
    let (_server, _proxy, settings) = behind(|asked| match asked.method.as_str() {
        "DELETE" => Fault::Answer(403, String::new(), "<Error><Code>AccessDenied</Code></Error>".into()),
        _ => Fault::Pass,
    });
    let destination = open(&settings, true).unwrap();
    let store = FilesStore::new(destination.clone());
    put(&*destination, "shop/plain", b"x").unwrap();
    let error = destination.delete("shop/plain").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert_eq!(error.to_string(), "The destination does not let us remove objects");
    assert!(keys(&*destination).contains(&"shop/plain".to_owned()));
    // Storing works with credentials that may only add.
    let made = commit(&store, manifest("shop", at(0), recoup::model::Kind::Manual), 1);
    let error = store.delete(&made.id, false).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert_eq!(store.list(None).unwrap().backups.len(), 1, "a backup that could not be removed is still there");
}

#[test]
fn refusals_are_told_in_words_and_never_with_what_we_signed() {
    for (status, code, kind, ours, hint) in [
        (404, "NoSuchBucket", ErrorKind::NotFound, "bucket_missing", "make the bucket"),
        (403, "AccessDenied", ErrorKind::Denied, "destination_denied", "permissions"),
        (403, "SignatureDoesNotMatch", ErrorKind::Denied, "destination_denied", "secret_key"),
        (403, "InvalidAccessKeyId", ErrorKind::Denied, "destination_denied", "access_key"),
        (403, "RequestTimeTooSkewed", ErrorKind::Denied, "clock_wrong", "clock"),
        (400, "AuthorizationHeaderMalformed", ErrorKind::Usage, "wrong_region", "region = \"eu-north-1\""),
        (503, "SlowDown", ErrorKind::Unreachable, "destination_failing", ""),
        (200, "InternalError", ErrorKind::Unreachable, "destination_failing", ""),
        (400, "SomethingElse", ErrorKind::Failed, "destination_refused", ""),
        (403, "<b>no code</b>", ErrorKind::Denied, "destination_denied", ""),
    ] {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{ACCESS_KEY}</Message><Region>eu-north-1</Region>\
             <StringToSign>{SECRET_KEY} X-Amz-Signature</StringToSign></Error>"
        );
        let (_server, _proxy, mut settings) = behind(move |_| Fault::Answer(status, String::new(), body.clone()));
        settings.limits.attempts = 2;
        let destination = open(&settings, true).unwrap();
        let error = destination.list("").unwrap_err();
        assert_eq!((error.kind(), error.code()), (kind, ours), "{code}");
        assert!(error.hint_text().unwrap_or_default().contains(hint), "{code}: {:?}", error.hint_text());
        let others =
            [put(&*destination, "x", b"x").err(), destination.delete("x").err(), destination.get("x", 0).err()];
        for error in others.into_iter().flatten().chain([error]) {
            for shown in [error.detail(), format!("{error:?}"), format!("{settings:?}"), destination.describe()] {
                assert!(!["MARKER", "marker", "Amz"].iter().any(|secret| shown.contains(secret)), "{shown}");
            }
        }
    }
}

#[test]
fn secrets_in_files_are_read_whenever_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let (_server, proxy, mut settings) = behind(|_| Fault::Pass);
    address(&mut settings).access_key = Secret::file(&path);
    let destination = open(&settings, true).unwrap();
    assert!(destination.list("").is_err());
    for key in ["AKIAFIRST", "AKIASECOND"] {
        std::fs::write(&path, format!("{key}\n")).unwrap();
        destination.list("").unwrap();
        assert!(proxy.asked().last().unwrap().path.contains(key));
    }
}
