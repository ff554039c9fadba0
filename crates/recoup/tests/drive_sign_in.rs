//! Signing in to Google Drive and out of it, and how the sign-in is kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use recoup::destination::{self, drive};
use recoup::model::destination::{Address, DestinationSettings};
use recoup::progress::{Cancel, Context};
use recoup::{Error, ErrorKind};
use recoup_testkit::drive::browser::visit;
use recoup_testkit::drive::{Google, Trouble};

use drive::Ask;

fn by_device(settings: &DestinationSettings, context: &Context) -> (Result<(), Error>, Vec<String>) {
    let mut asked = Vec::new();
    let done = drive::connect(settings, true, context, &mut |ask| match ask {
        Ask::Type { url, code } => asked.push(format!("{url} {code}")),
        Ask::Open { url } => panic!("{url}"),
    });
    (done, asked)
}

/// Signs in by a browser that does with the address what `browse` does.
fn by_browser(settings: &DestinationSettings, browse: impl Fn(&str) + Send + Clone + 'static) -> Result<(), Error> {
    drive::connect(settings, false, &Context::quiet(), &mut |ask| {
        let Ask::Open { url } = ask else { panic!("{ask:?}") };
        let (url, browse) = (url.to_owned(), browse.clone());
        drop(thread::spawn(move || browse(&url)));
    })
}

#[test]
fn nobody_signed_in_is_told_before_anything_is_asked() {
    let google = Google::start();
    let settings = google.unconnected("offsite");
    let error = destination::open(&settings, true).err().unwrap();
    let told = (error.kind(), error.code(), error.message(), error.hint_text());
    let message = "Nobody has signed in to Google Drive for offsite";
    assert_eq!(told, (ErrorKind::Denied, "needs_sign_in", message, Some("recoup drive connect offsite")));
    assert_eq!(drive::status(&settings).unwrap_err().code(), "needs_sign_in");
    assert!(!drive::disconnect(&settings).unwrap());
    assert_eq!(google.heard(), [""; 0]);
}

#[test]
fn a_browser_and_a_device_sign_in_and_both_can_be_taken_back() {
    let google = Google::start();
    for device in [false, true] {
        let settings = google.unconnected("offsite");
        if device {
            google.device_answers(3, true);
            let (done, asked) = by_device(&settings, &Context::quiet());
            done.unwrap();
            assert_eq!(asked, ["https://www.google.com/device GQVQ-JKEC"]);
        } else {
            recoup_testkit::drive::connect(&settings);
        }
        let status = drive::status(&settings).unwrap();
        assert_eq!(status.account.as_deref(), Some("someone@example.org"));
        assert!(status.since.is_some() && status.free.is_some());
        assert_eq!(google.refresh_tokens().len(), 1);
        assert!(drive::disconnect(&settings).unwrap());
        assert_eq!(google.refresh_tokens().len(), 0);
        assert_eq!(destination::sign_in_needed(&settings).unwrap().code(), "needs_sign_in");
    }
}

#[test]
fn the_sign_in_lies_sealed_and_its_key_elsewhere() {
    let google = Google::start();
    let settings = google.connected("offsite");
    let Address::Drive(drive) = &settings.address else { panic!() };
    for path in [&drive.token_file, &drive.token_key] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("MARKER"), "{text}");
    }
    assert_ne!(drive.token_file.parent(), drive.token_key.parent());
    assert_eq!(fs::metadata(drive.token_key.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    // Nothing else lies there.
    assert_eq!(fs::read_dir(drive.token_file.parent().unwrap()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(drive.token_key.parent().unwrap()).unwrap().count(), 1);
    // With another key, or changed, it is worth nothing.
    let sealed = fs::read_to_string(&drive.token_file).unwrap();
    let key = fs::read_to_string(&drive.token_key).unwrap();
    fs::write(&drive.token_key, "00".repeat(32)).unwrap();
    assert_eq!(drive::status(&settings).unwrap_err().kind(), ErrorKind::Denied);
    fs::remove_file(&drive.token_key).unwrap();
    assert_eq!(drive::status(&settings).unwrap_err().code(), "needs_sign_in");
    fs::write(&drive.token_key, key).unwrap();
    drive::status(&settings).unwrap();
    fs::write(&drive.token_file, sealed.replacen("\"sealed\":\"", "\"sealed\":\"AAAA", 1)).unwrap();
    assert_eq!(drive::status(&settings).unwrap_err().code(), "needs_sign_in");
    // Who signs in again has one that works.
    recoup_testkit::drive::connect(&settings);
    drive::status(&settings).unwrap();
}

#[test]
fn who_does_not_agree_is_not_signed_in() {
    let google = Google::start();
    let settings = google.unconnected("offsite");
    google.browser_agrees(false);
    let error = by_browser(&settings, |url| drop(visit(url))).unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "sign_in_refused"));
    google.device_answers(1, false);
    assert_eq!(by_device(&settings, &Context::quiet()).0.unwrap_err().code(), "sign_in_refused");
    // Who unticks the one thing that is asked for does not agree either.
    google.browser_agrees(true);
    google.grant_scopes("openid");
    assert_eq!(by_browser(&settings, |url| drop(visit(url))).unwrap_err().code(), "sign_in_refused");
    assert!(!Google::token_file(&settings).exists());
}

#[test]
fn a_page_that_does_not_come_from_google_signs_nobody_in() {
    let google = Google::start();
    let settings = google.unconnected("offsite");
    by_browser(&settings, |url| {
        let redirect = url.split('&').find_map(|part| part.strip_prefix("redirect_uri=")).unwrap();
        let here = redirect.replace("%3A", ":").replace("%2F", "/");
        for path in ["/", "/favicon.ico", "/?code=forged&state=forged", "/?code=forged", "/?error=access_denied"] {
            assert_eq!(visit(&format!("{here}{path}")).0, 404, "{path}");
        }
        assert_eq!(visit(url).0, 200);
    })
    .unwrap();
    drive::status(&settings).unwrap();
}

#[test]
fn waiting_for_a_person_ends_when_asked_to() {
    let google = Google::start();
    let settings = google.unconnected("offsite");
    for device in [false, true] {
        google.device_answers(usize::MAX, true);
        let cancel = Cancel::default();
        let context = Context { cancel: cancel.clone(), ..Context::quiet() };
        let error = drive::connect(&settings, device, &context, &mut |_| cancel.cancel()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Cancelled);
    }
}

#[test]
fn no_error_of_a_sign_in_has_a_secret_in_it() {
    let google = Google::start();
    let mut settings = google.unconnected("offsite");
    settings.limits.attempts = 1;
    let all = [
        Trouble::LoseAnswer,
        Trouble::Refuse(400, "invalid_request", None),
        Trouble::Refuse(500, "x", None),
        Trouble::CutAnswer(9),
    ];
    for trouble in all {
        google.trouble("POST /token", 0, 1000, trouble.clone());
        let error = by_browser(&settings, |url| drop(visit(url))).unwrap_err();
        google.no_trouble();
        let text = format!("{error} {} {error:?}", error.detail());
        assert!(!text.contains("MARKER") && !text.contains("http://"), "{text}");
        recoup_testkit::drive::connect(&settings);
        google.trouble("POST /revoke", 0, 1000, trouble.clone());
        if let Err(error) = drive::disconnect(&settings) {
            let text = format!("{error} {} {error:?}", error.detail());
            assert!(!text.contains("MARKER") && !text.contains("http://"), "{text}");
        }
        google.no_trouble();
        drive::disconnect(&settings).unwrap();
    }
}
