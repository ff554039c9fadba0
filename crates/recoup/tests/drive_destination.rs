//! Google Drive as a destination, against the strict stand-in: the contracts, cuts, duplicates, quotas, tokens that end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::sync::Arc;

use recoup::destination::{self, Body, Destination};
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::drive::{CLIENT, CLIENT_SECRET, Google, SHARED, Trouble};
use recoup_testkit::faults::{OUTCOME, ROOT, child, peak, text, variable};
use recoup_testkit::tree::same;

const MIB: usize = 1 << 20;

fn opened(settings: &DestinationSettings) -> Arc<dyn Destination> {
    destination::open(settings, true).unwrap()
}

fn fresh() -> Fixture<dyn Destination> {
    let google = Google::start();
    Fixture { subject: opened(&google.connected("offsite")), keep: Box::new(google) }
}
recoup_testkit::destination_contract!(fresh);

mod service_account {
    use super::*;
    /// In a shared drive, as such accounts have no room of their own.
    fn fresh() -> Fixture<dyn Destination> {
        let google = Google::start();
        let mut settings = google.with_service_account("offsite");
        drive_of(&mut settings).shared_drive = Some(SHARED.into());
        Fixture { subject: opened(&settings), keep: Box::new(google) }
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let google = Google::start();
        Fixture { subject: Arc::new(FilesStore::new(opened(&google.connected("offsite")))), keep: Box::new(google) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn drive_of(settings: &mut DestinationSettings) -> &mut recoup::model::destination::Drive {
    let Address::Drive(drive) = &mut settings.address else { panic!("not in Drive") };
    drive
}

fn put(to: &Arc<dyn Destination>, key: &str, bytes: &[u8]) -> Result<(), Error> {
    let stored = to.put(key, Body::Bytes(bytes), &Context::quiet())?;
    assert_eq!((stored.bytes, stored.sha256), (bytes.len() as u64, sha256(bytes)));
    Ok(())
}

fn get(from: &Arc<dyn Destination>, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn keys(of: &Arc<dyn Destination>) -> Vec<String> {
    of.list("").unwrap().into_iter().map(|object| object.key).collect()
}

// --- the line breaks ---

#[test]
fn an_upload_that_is_cut_anywhere_goes_on_and_arrives_whole() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    // Two pieces and a bit.
    let bytes = noise(1, 16 * MIB + 12_345);
    let offsets = [0, 1, 262_143, 262_144, 300_000, 4 * MIB + 1, 8 * MIB - 1];
    let mut number = 0;
    for piece in 0..3 {
        for offset in offsets.into_iter().filter(|offset| piece < 2 || *offset < 12_345) {
            google.trouble("PUT /upload", piece, 1, Trouble::CutRequest(offset as u64));
            number += 1;
            put(&to, &format!("cut/{number}"), &bytes).unwrap();
            google.no_trouble();
            assert!(get(&to, &format!("cut/{number}")) == bytes, "piece {piece} at {offset}");
            to.delete(&format!("cut/{number}")).unwrap();
        }
    }
    assert_eq!(google.objects().len(), 0);
}

#[test]
fn an_object_of_one_piece_can_be_cut_at_every_of_200_offsets() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    let bytes = noise(11, MIB + 4321);
    for cut in (0..200).map(|i| i * bytes.len() / 200) {
        google.trouble("PUT /upload", 0, 1, Trouble::CutRequest(cut as u64));
        put(&to, "x", &bytes).unwrap();
        google.no_trouble();
        assert_eq!(google.objects().len(), 1, "cut at {cut}");
        assert!(*google.objects()[0].bytes == bytes, "cut at {cut}");
        to.delete("x").unwrap();
    }
}

#[test]
fn a_line_that_breaks_again_and_again_is_gone_on_with_as_long_as_something_arrives() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    let bytes = noise(12, 20 * MIB);
    // Twice in a row for each that takes a quarter of a mebibyte with it, and six attempts.
    google.trouble("PUT /upload", 0, 60, Trouble::CutRequest(300_000));
    put(&to, "x", &bytes).unwrap();
    assert!(get(&to, "x") == bytes);
}

#[test]
fn what_came_before_a_cut_is_not_sent_again() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    google.trouble("PUT /upload", 0, 1, Trouble::CutRequest(6 * MIB as u64 + 5));
    put(&to, "x", &noise(2, 8 * MIB)).unwrap();
    // One piece that was cut, the question where it was, and the rest.
    let puts = google.heard().iter().filter(|heard| heard.starts_with("PUT")).count();
    assert_eq!(puts, 3);
}

#[test]
fn a_download_that_is_cut_anywhere_goes_on_where_it_was() {
    let google = Google::start();
    let from = opened(&google.connected("offsite"));
    let bytes = noise(3, 3 * MIB + 17);
    put(&from, "x", &bytes).unwrap();
    for cut in (0..200).map(|i| i * bytes.len() / 200) {
        google.trouble("alt=media", 0, 1, Trouble::CutAnswer(cut as u64));
        assert!(get(&from, "x") == bytes, "cut at {cut}");
        google.no_trouble();
    }
}

#[test]
fn an_answer_that_is_lost_after_the_work_was_done_changes_nothing() {
    for on in [
        "GET /drive/v3/files?",
        "GET /drive/v3/files/generateIds",
        "POST /drive/v3/files",
        "POST /upload",
        "PUT /upload",
        "GET /drive/v3/files/1",
        "POST /token",
        "GET /drive/v3/about",
    ] {
        let google = Google::start();
        let to = opened(&google.connected("offsite"));
        google.trouble(on, 0, 2, Trouble::LoseAnswer);
        let bytes = noise(4, 9 * MIB);
        put(&to, "a/x", &bytes).unwrap();
        to.free_bytes().unwrap();
        assert_eq!(keys(&to), ["a/x"], "{on}");
        assert_eq!(google.objects().len(), 1, "{on}");
        google.no_trouble();
        google.trouble("DELETE", 0, 1, Trouble::LoseAnswer);
        to.delete("a/x").unwrap();
        assert_eq!(google.objects().len(), 0, "{on}");
    }
}

#[test]
fn a_line_that_never_works_ends_in_an_error_and_leaves_nothing() {
    for (on, skip, trouble) in [
        ("POST /upload", 0, Trouble::CutRequest(0)),
        ("PUT /upload", 0, Trouble::CutRequest(0)),
        ("PUT /upload", 1, Trouble::CutRequest(0)),
        ("PUT /upload", 1, Trouble::LoseAnswer),
        ("alt=media", 0, Trouble::CutAnswer(0)),
    ] {
        let google = Google::start();
        let to = opened(&google.connected("offsite"));
        google.trouble(on, skip, 100, trouble);
        let error = put(&to, "x", &noise(5, 9 * MIB)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{on}: {error} {}", error.detail());
        google.no_trouble();
        assert_eq!(google.objects().len(), 0, "{on}");
        assert_eq!(keys(&to), [""; 0], "{on}");
    }
}

#[test]
fn a_session_that_is_gone_is_begun_anew() {
    for status in [404, 410] {
        let google = Google::start();
        let to = opened(&google.connected("offsite"));
        google.trouble("PUT /upload", 1, 1, Trouble::Refuse(status, "notFound", None));
        let bytes = noise(6, 17 * MIB);
        put(&to, "x", &bytes).unwrap();
        assert!(get(&to, "x") == bytes);
        assert_eq!(google.heard().iter().filter(|heard| heard.starts_with("POST /upload")).count(), 2);
    }
}

// --- what Drive says ---

#[test]
fn a_limit_of_rate_is_waited_for_and_a_full_drive_is_told_as_that() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    for (status, reason) in
        [(403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, "rateLimitExceeded"), (503, "backendError")]
    {
        for on in ["GET /drive/v3/files", "POST /upload", "PUT /upload", "DELETE /drive"] {
            google.trouble(on, 0, 2, Trouble::Refuse(status, reason, Some(0)));
        }
        put(&to, "x", b"bytes").unwrap();
        to.delete("x").unwrap();
        google.no_trouble();
    }
    google.quota(Some(1000));
    assert_eq!(to.free_bytes().unwrap(), Some(1000));
    let error = put(&to, "big", &noise(7, 2000)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NoSpace, "Not enough disk space"));
    google.quota(None);
    assert_eq!(to.free_bytes().unwrap(), None);
    google.trouble("POST /upload", 0, 9, Trouble::Refuse(403, "insufficientFilePermissions", None));
    assert_eq!(put(&to, "y", b"y").unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
fn of_two_files_of_one_key_the_oldest_counts() {
    let google = Google::start();
    let settings = google.connected("offsite");
    let to = opened(&settings);
    put(&to, "shop/x", b"first").unwrap();
    let file = google.objects().remove(0);
    assert_eq!(file.name, "x");
    google.duplicate(&file, b"later", false);
    let other = opened(&settings);
    assert_eq!(keys(&other), ["shop/x"]);
    assert_eq!(get(&other, "shop/x"), b"first");
    // All of them go.
    other.delete("shop/x").unwrap();
    assert_eq!(google.objects().len(), 0);
}

/// Another machine stores the same key while ours is on its way.
fn beside(theirs: &[u8]) -> (Google, Result<(), Error>) {
    let google = Google::start();
    let settings = google.connected("offsite");
    let to = opened(&settings);
    put(&to, "x", theirs).unwrap();
    let file = google.objects().remove(0);
    to.delete("x").unwrap();
    let google = Arc::new(google);
    let during = google.clone();
    struct Meanwhile(Box<dyn Fn() + Send + Sync>);
    impl recoup::progress::Observer for Meanwhile {
        fn phase(&self, phase: recoup::progress::Phase, _: &str, _: Option<u64>) {
            if phase == recoup::progress::Phase::Store {
                (self.0)();
            }
        }
    }
    let theirs = theirs.to_vec();
    let observer = Arc::new(Meanwhile(Box::new(move || during.duplicate(&file, &theirs, true))));
    let context = Context { observer, ..Context::quiet() };
    let stored = to.put("x", Body::Bytes(b"ours"), &context).map(drop);
    drop(to);
    drop(context);
    (Arc::into_inner(google).unwrap(), stored)
}

#[test]
fn the_same_bytes_stored_by_two_at_once_become_one_file_and_others_are_refused() {
    let (google, stored) = beside(b"ours");
    stored.unwrap();
    assert_eq!(google.objects().len(), 1);
    let (google, stored) = beside(b"theirs");
    assert_eq!(stored.unwrap_err().kind(), ErrorKind::WouldOverwrite);
    let left = google.objects();
    assert_eq!((left.len(), left[0].bytes.as_slice()), (1, &b"theirs"[..]));
}

#[test]
fn all_of_2500_objects_are_listed() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    put(&to, "many/0", b"x").unwrap();
    let first = google.objects().remove(0);
    // What is in the trash, and what others keep in their Drive, is not listed.
    for other in 1..2500 {
        let mut file = first.clone();
        file.properties = properties_of(&first, &format!("many/{other}"));
        google.duplicate(&file, b"x", false);
    }
    google.trash(&google.objects()[7].id);
    let mut strange = first.clone();
    strange.properties.clear();
    google.duplicate(&strange, b"holiday", false);
    for page in [1000, 7 * 31] {
        google.page(page);
        assert_eq!(keys(&to).len(), 2499);
    }
}

/// The properties of another key, as Recoup would write them.
fn properties_of(file: &recoup_testkit::drive::File, key: &str) -> std::collections::BTreeMap<String, String> {
    let mut properties = file.properties.clone();
    let folder = properties["recoup_in"].clone();
    properties.insert("recoup_key".into(), sha256(format!("{folder}\0{key}").as_bytes()));
    properties.insert("recoup_k0".into(), key.into());
    properties
}

#[test]
fn what_a_person_threw_away_is_gone_and_can_be_stored_again() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    put(&to, "x", b"one").unwrap();
    google.trash(&google.objects()[0].id);
    assert_eq!(keys(&to), [""; 0]);
    assert_eq!(to.get("x", 0).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    put(&to, "x", b"two").unwrap();
    assert_eq!(get(&to, "x"), b"two");
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    put(&to, "x", b"one").unwrap();
    let folder = google.files().into_iter().find(|file| file.name == "Recoup").unwrap();
    google.remove(&folder.id);
    put(&to, "x", b"two").unwrap();
    assert_eq!(get(&to, "x"), b"two");
}

#[test]
fn a_backup_has_a_link_that_people_can_open() {
    let google = Google::start();
    let to = opened(&google.connected("offsite"));
    put(&to, "a/x", b"one").unwrap();
    let id = google.objects()[0].id.clone();
    assert_eq!(to.link("a/x").unwrap(), Some(format!("https://drive.google.com/file/d/{id}/view?usp=drivesdk")));
    assert_eq!(to.link("a/y").unwrap(), None);
}

// --- tokens ---

#[test]
fn an_access_token_that_ends_in_the_middle_is_replaced() {
    let google = Arc::new(Google::start());
    let to = opened(&google.connected("offsite"));
    for _ in 0..3 {
        google.trouble("PUT /upload", 1, 1, Trouble::Refuse(401, "authError", None));
        google.expire_tokens();
        let bytes = noise(8, 10 * MIB);
        put(&to, "x", &bytes).unwrap();
        google.expire_tokens();
        assert!(get(&to, "x") == bytes);
        to.delete("x").unwrap();
    }
}

#[test]
fn a_sign_in_taken_back_in_the_middle_asks_for_a_new_one() {
    let google = Google::start();
    let settings = google.connected("offsite");
    let to = opened(&settings);
    put(&to, "before", b"x").unwrap();
    assert!(destination::sign_in_needed(&settings).is_none());
    struct Revoke<'a>(&'a Google);
    // While it is on its way.
    impl recoup::progress::Observer for Revoke<'static> {
        fn phase(&self, phase: recoup::progress::Phase, _: &str, _: Option<u64>) {
            if phase == recoup::progress::Phase::Store {
                self.0.revoke_all();
            }
        }
    }
    let google: &'static Google = Box::leak(Box::new(google));
    let context = Context { observer: Arc::new(Revoke(google)), ..Context::quiet() };
    let error = to.put("x", Body::Bytes(&noise(9, MIB)), &context).unwrap_err();
    let told = (error.kind(), error.code(), error.hint_text());
    assert_eq!(told, (ErrorKind::Denied, "needs_sign_in", Some("recoup drive connect offsite")), "{}", error.detail());
    assert_eq!(destination::sign_in_needed(&settings).map(|error| error.code()), Some("needs_sign_in"));
    // It is not remembered longer than it is true.
    recoup_testkit::drive::connect(&settings);
    assert!(destination::sign_in_needed(&settings).is_none());
    let again = opened(&settings);
    put(&again, "x", b"x").unwrap();
    assert_eq!(keys(&again), ["before", "x"]);
}

#[test]
fn a_service_account_that_google_does_not_know_is_told_as_that() {
    let google = Google::start();
    let settings = google.with_service_account("offsite");
    put(&opened(&settings), "x", b"x").unwrap();
    let other = Google::start();
    let mut wrong = settings.clone();
    drive_of(&mut wrong).token_endpoint = other.url("/token");
    let error = opened(&wrong).list("").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "service_account_refused"));
}

#[test]
fn no_error_has_a_token_or_the_address_of_a_session_in_it() {
    let google = Google::start();
    let mut settings = google.connected("offsite");
    settings.limits.attempts = 2;
    let all = [
        Trouble::CutRequest(0),
        Trouble::CutAnswer(1),
        Trouble::LoseAnswer,
        Trouble::Refuse(400, "badRequest", None),
        Trouble::Refuse(401, "authError", None),
        Trouble::Refuse(403, "forbidden", None),
        Trouble::Refuse(500, "x", None),
    ];
    let mut told = 0;
    for trouble in all {
        for on in
            ["/token", "generateIds", "POST /upload", "PUT /upload", "GET /drive/v3/files?", "alt=media", "DELETE"]
        {
            google.trouble(on, 0, 1000, trouble.clone());
            let to = opened(&settings);
            let errors = [put(&to, "x", &noise(1, MIB)).err(), to.list("").err(), to.delete("x").err()];
            google.no_trouble();
            for error in errors.into_iter().flatten() {
                let text = format!("{error} {} {:?} {error:?}", error.detail(), error.hint_text());
                assert!(!text.contains("MARKER") && !text.contains("http://"), "{text}");
                told += 1;
            }
            drop(to.delete("x"));
        }
    }
    assert!(told > 50, "{told}");
}

// --- larger than memory ---

/// 300 MB; the stand-in keeps them in memory, so there is no larger size. It is in this process, what is measured in another.
#[test]
fn a_large_object_goes_there_and_back_in_little_memory() {
    let google = Google::start();
    let settings = google.connected("offsite");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    let mut file = fs::File::create(&path).unwrap();
    for i in 0..300 {
        file.write_all(&noise(i + 1, MIB)).unwrap();
    }
    drop(file);
    let Address::Drive(drive) = settings.address else { panic!("not in Drive") };
    let outcome = folder.path().join("outcome");
    let output = child("large_in_a_child", folder.path(), &outcome)
        .env("LARGE_URL", &drive.endpoint)
        .env("LARGE_TOKEN", &drive.token_file)
        .env("LARGE_KEY", &drive.token_key)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let peak: u64 = fs::read_to_string(&outcome).unwrap().parse().unwrap();
    println!("300 MiB there and back with a peak of {peak} KiB");
    assert!(peak < 128 * 1024, "{peak} KiB");
    assert!(*google.objects()[0].bytes == fs::read(&path).unwrap());
}

#[test]
#[ignore = "run by another test"]
fn large_in_a_child() {
    let folder = variable(ROOT);
    let url = variable("LARGE_URL").to_str().unwrap().to_owned();
    let drive = recoup::model::destination::Drive {
        folder: "Recoup".into(),
        shared_drive: None,
        client_id: Some(CLIENT.into()),
        client_secret: Some(Secret::value(CLIENT_SECRET)),
        service_account: None,
        token_file: variable("LARGE_TOKEN"),
        token_key: variable("LARGE_KEY"),
        auth_endpoint: format!("{url}/o/oauth2/v2/auth"),
        token_endpoint: format!("{url}/token"),
        endpoint: url,
    };
    let address = Address::Drive(drive);
    let destination =
        opened(&DestinationSettings { address, ..DestinationSettings::directory("offsite", folder.clone()) });
    let large = folder.join("large");
    let stored = destination.put("plan/large", Body::File(&large), &Context::quiet()).unwrap();
    assert_eq!(stored.bytes, fs::metadata(&large).unwrap().len());
    assert!(same(destination.get("plan/large", 0).unwrap(), &large));
    fs::write(variable(OUTCOME), peak().to_string()).unwrap();
}
