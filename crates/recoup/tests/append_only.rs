//! Destinations that refuse removal, and some of them overwriting, for real: a backup there is made as everywhere; what wants
//! something gone is told no in clear words, and nothing goes. The rules are those of `docs/destinations.md`, taken from there.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::SignedDuration;
use recoup::destination::{Body, Destination, open};
use recoup::model::destination::{Address, DestinationSettings};
use recoup::model::guard::Trigger;
use recoup::model::retention::Policy;
use recoup::model::{Kind, Level};
use recoup::progress::Context;
use recoup::prune::{self, Request, Rule};
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind};
use recoup_testkit::apache::{self, Apache};
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{commit, manifest};
use recoup_testkit::cutting::{Cut, Cutting, How, Way};
use recoup_testkit::documented;
use recoup_testkit::drive::{Google, SHARED, Trouble};
use recoup_testkit::faulty::{Asked, Faulty};
use recoup_testkit::hand_clock::HandClock;
use recoup_testkit::moto::Moto;
use recoup_testkit::policy;
use recoup_testkit::sshd::{Sshd, is_root};
use recoup_testkit::tree::files;

const REFUSED: &str = "The destination does not let us remove objects";

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

fn get(destination: &dyn Destination, key: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    destination.get(key, 0).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn is_refusal(error: &Error) -> bool {
    (error.kind(), error.code()) == (ErrorKind::Denied, "destination_denied")
        && error.to_string() == REFUSED
        && error.hint_text().is_some()
}

/// What must work and what must be refused, the same for all of them. Folders of plans are there, should they have to be.
fn it_keeps_everything(destination: Arc<dyn Destination>) {
    // Small and in parts, again, and other bytes.
    let large = noise(1, (9 << 20) + 1);
    assert_eq!(put(&*destination, "shop/large", &large).unwrap(), sha256(&large));
    assert_eq!(put(&*destination, "shop/large", &large).unwrap(), sha256(&large));
    let error = put(&*destination, "shop/large", b"other").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite, "{}", error.detail());
    let error = destination.delete("shop/large").unwrap_err();
    assert!(is_refusal(&error), "{error}: {}", error.detail());
    assert!(get(&*destination, "shop/large") == large);
    // Backups, and retention that wants all but one of them gone.
    let day = |n: i64| "2026-03-01T03:00:00Z".parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_hours(24 * n);
    let clock = HandClock::at(day(4));
    let store = FilesStore::new(destination.clone()).with_clock(clock.clone());
    for n in 0..4 {
        let mut made = manifest("shop", day(n), Kind::Scheduled);
        made.verified = Some(Level::Integrity);
        commit(&store, made, n as u64);
    }
    let policy = Policy { keep_count: 1, ..Policy::default() };
    let rule = Rule::Policy { policy: &policy, once: true };
    let mut request = Request { plan: "shop", rule, trigger: Trigger::Command, confirmed: None, damaged: &[] };
    let shown = prune::preview(&store, &request, day(4)).unwrap();
    assert_eq!(shown.going().count(), 3);
    request.confirmed = Some(&shown.set);
    let report = prune::run(&store, &request, &clock.context()).unwrap();
    assert_eq!((report.deleted.len(), report.freed_bytes, report.failed.len()), (0, 0, 3));
    for (_, error) in &report.failed {
        assert!(is_refusal(error), "{error}: {}", error.detail());
    }
    let listing = store.list(Some("shop")).unwrap();
    assert_eq!(listing.backups.iter().filter(|listed| listed.missing.is_empty()).count(), 4);
    // A year later everything that says that somebody works is old: a sweep is refused or removes nothing, and the next
    // backup is made.
    clock.forward(24 * 365);
    match store.sweep() {
        Ok(removed) => assert_eq!(removed, Vec::<String>::new()),
        Err(error) => assert!(is_refusal(&error), "{error}: {}", error.detail()),
    }
    commit(&store, manifest("shop", day(370), Kind::Scheduled), 9);
    let listing = store.list(None).unwrap();
    assert_eq!(listing.backups.iter().filter(|listed| listed.missing.is_empty()).count(), 5);
    assert!(listing.damaged.is_empty());
}

// --- S3 ---

/// moto behind a policy of `docs/destinations.md`.
fn under(heading: &str) -> (Arc<Moto>, Faulty, DestinationSettings) {
    let server = Moto::shared();
    let bucket = server.bucket();
    let text = documented::blocks("destinations.md", &["## S3", heading], "json").remove(0);
    assert!(text.contains("my-backups/shop/*"));
    let text = text.replace("my-backups", &bucket);
    let proxy = Faulty::to_port(server.port(), policy::rule(serde_json::from_str(&text).unwrap()));
    let mut settings = server.settings(&bucket, proxy.port());
    let Address::S3(to) = &mut settings.address else { panic!("not S3") };
    to.prefix = "shop".into();
    (server, proxy, settings)
}

#[test]
fn s3_the_documented_policy_is_enough_for_everything() {
    let (_server, _proxy, settings) = under("### Permissions");
    let destination = open(&settings, true).unwrap();
    let large = noise(1, (9 << 20) + 1);
    assert_eq!(put(&*destination, "shop/large", &large).unwrap(), sha256(&large));
    assert!(get(&*destination, "shop/large") == large);
    let store = FilesStore::new(destination.clone());
    let made = commit(&store, manifest("shop", "2026-03-01T03:00:00Z".parse().unwrap(), Kind::Manual), 1);
    store.delete(&made.id, false).unwrap();
    destination.delete("shop/large").unwrap();
    assert_eq!(destination.sweep().unwrap(), Vec::<String>::new());
    assert_eq!(destination.list("").unwrap(), []);
    // And no further than it says.
    let mut elsewhere = settings.clone();
    let Address::S3(to) = &mut elsewhere.address else { panic!("not S3") };
    to.prefix = "other".into();
    assert_eq!(put(&*open(&elsewhere, true).unwrap(), "x", b"x").unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
fn s3_an_upload_that_is_cut_goes_on_without_being_allowed_to_give_it_up() {
    let (server, _proxy, settings) = under("### Append-only and object lock");
    let Address::S3(to) = &settings.address else { panic!("not S3") };
    let mut allowed = policy::rule(
        serde_json::from_str(
            &documented::blocks("destinations.md", &["## S3", "### Append-only and object lock"], "json")
                .remove(0)
                .replace("my-backups", &to.bucket),
        )
        .unwrap(),
    );
    let mut times = 0;
    let proxy = Faulty::to_port(server.port(), move |asked| {
        times += u32::from(asked.path.contains("partNumber=2"));
        match asked.path.contains("partNumber=2") && times < 3 {
            true => recoup_testkit::faulty::Fault::LoseAnswer,
            false => allowed(asked),
        }
    });
    let mut settings = settings.clone();
    let Address::S3(to) = &mut settings.address else { panic!("not S3") };
    to.endpoint = Some(format!("http://127.0.0.1:{}", proxy.port()));
    let bytes = noise(1, 20 << 20);
    assert_eq!(put(&*open(&settings, true).unwrap(), "shop/x", &bytes).unwrap(), sha256(&bytes));
}

#[test]
fn s3_credentials_that_may_only_add_keep_everything() {
    let (_server, _proxy, settings) = under("### Append-only and object lock");
    it_keeps_everything(open(&settings, true).unwrap());
}

#[test]
fn s3_under_object_lock_what_was_removed_is_hidden_and_not_gone() {
    let server = Moto::shared();
    let bucket = server.locked_bucket();
    let destination = open(&server.settings(&bucket, server.port()), true).unwrap();
    let store = FilesStore::new(destination.clone());
    let made = commit(&store, manifest("shop", "2026-03-01T03:00:00Z".parse().unwrap(), Kind::Manual), 1);
    store.delete(&made.id, false).unwrap();
    assert_eq!(store.list(None).unwrap().backups.len(), 0);
    assert_eq!(store.sweep().unwrap(), Vec::<String>::new());
    // Every version is still there, and nobody gets it away.
    let versions = server.tell("GET", &format!("/{bucket}?versions"));
    for object in &made.objects {
        let key = format!("<Key>some/where/shop/{}</Key>", object.name);
        let version = versions.split("<Version>").find(|version| version.contains(&key)).unwrap();
        let id = version.split("<VersionId>").nth(1).unwrap().split('<').next().unwrap();
        let path = format!("/{bucket}/some/where/shop/{}?versionId={id}", object.name);
        let refused = server.tell("DELETE", &path);
        assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("AccessDenied"), "{refused}");
        assert!(server.tell("GET", &path).starts_with("HTTP/1.1 200"));
    }
    // The same backup can be stored again, and is the newest version then.
    commit(&store, made, 1);
    assert_eq!(store.list(None).unwrap().backups.len(), 1);
}

// --- WebDAV ---

fn only_adding() -> Apache {
    let rules = documented::blocks("destinations.md", &["## WebDAV", "### Append-only"], "apache").remove(0);
    assert!(rules.contains("REQUEST_METHOD"));
    Apache::with(&rules)
}

#[test]
fn webdav_a_user_who_may_neither_remove_nor_rename_keeps_everything() {
    let server = only_adding();
    let path = server.fresh();
    it_keeps_everything(open(&server.settings(&path, server.port()), true).unwrap());
    // There was nothing to be named afterwards, so nothing is left.
    assert!(!server.on_disk(&path).join(".recoup-parts").exists());
    // Somebody who has the password: not by another client either.
    let file = server.on_disk(&path).join("shop/large");
    let before = fs::read(&file).unwrap();
    let url = format!("http://127.0.0.1:{}{}/shop/large", server.port(), path.replace(' ', "%20"));
    let user = format!("{}:{}", apache::USER, apache::PASSWORD);
    for words in [
        &["-X", "DELETE"][..],
        &["-X", "PUT", "--data-binary", "other"],
        &["-X", "MOVE", "-H", &format!("Destination: {url}-2")],
        &["-X", "COPY", "-H", &format!("Destination: {url}-2")],
        &["-X", "PROPPATCH"],
        &["-X", "LOCK"],
    ] {
        let mut curl = Command::new("curl");
        let said = curl.args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "-u", &user]).args(words).arg(&url);
        assert_eq!(String::from_utf8(said.output().unwrap().stdout).unwrap(), "403", "{words:?}");
    }
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn webdav_an_upload_to_its_place_that_is_cut_is_never_seen_and_comes_whole() {
    let server = only_adding();
    let path = server.fresh();
    let line = Cutting::to_port(server.port());
    let destination = open(&server.settings(&path, line.port()), true).unwrap();
    put(&*destination, "shop/before", b"x").unwrap();
    let bytes = noise(3, 3 << 20);
    for (i, way) in [Way::Out, Way::Back].into_iter().cycle().take(20).enumerate() {
        let after = if way == Way::Out { (i as u64 + 1) * bytes.len() as u64 / 21 } else { i as u64 * 40 };
        line.cut(Cut { way, after, how: How::Reset });
        let fresh = open(&server.settings(&path, line.port()), true).unwrap();
        let key = format!("shop/{i}");
        let stored = put(&*fresh, &key, &bytes);
        assert_eq!(stored.unwrap_or_else(|e| panic!("cut {i}: {e} {}", e.detail())), sha256(&bytes));
        let seen = files(&server.on_disk(&path).join("shop"));
        assert_eq!(seen.len(), i + 2, "{seen:?}");
    }
}

#[test]
fn webdav_what_may_be_under_its_name_after_lost_answers_is_taken_away_where_that_is_allowed() {
    let rules = "AuthType Basic\nAuthName recoup\nAuthUserFile /etc/apache2/backup-users\n\
                 <RequireAll>\nRequire valid-user\nRequire expr \"%{REQUEST_METHOD} != 'MOVE'\"\n</RequireAll>\n";
    let server = Apache::with(rules);
    let path = server.fresh();
    let proxy = Faulty::to_port(server.port(), |asked: &Asked| match asked.method.as_str() {
        "PUT" => recoup_testkit::faulty::Fault::LoseAnswer,
        // Nobody learns that it is there.
        "PROPFIND" if asked.path.ends_with("/x") => {
            recoup_testkit::faulty::Fault::Answer(404, String::new(), String::new())
        }
        _ => recoup_testkit::faulty::Fault::Pass,
    });
    let mut settings = server.settings(&path, proxy.port());
    settings.limits.attempts = 1;
    let error = put(&*open(&settings, true).unwrap(), "shop/x", b"bytes").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{}", error.detail());
    assert_eq!(files(&server.on_disk(&path)), Vec::<String>::new());
    // Somebody else's is not.
    proxy.rule(|_| recoup_testkit::faulty::Fault::Pass);
    fs::write(server.on_disk(&path).join("shop/y"), "theirs").unwrap();
    assert_eq!(put(&*open(&settings, true).unwrap(), "shop/y", b"ours").unwrap_err().kind(), ErrorKind::WouldOverwrite);
    assert_eq!(files(&server.on_disk(&path)), ["shop/y"]);
}

// --- SFTP ---

/// The options of the documented account.
fn options() -> String {
    let block = documented::blocks("destinations.md", &["## SFTP", "### An account that can only add"], "").remove(0);
    block.split_once("internal-sftp ").unwrap().1.lines().next().unwrap().to_owned()
}

fn folder_of(server: &Sshd, plan: &str) {
    use std::os::unix::fs::MetadataExt;
    let folder = server.data().join(plan);
    fs::create_dir(&folder).unwrap();
    let owner = fs::metadata(server.data()).unwrap();
    std::os::unix::fs::chown(&folder, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[test]
fn sftp_an_account_that_can_only_add_keeps_everything() {
    let server = Sshd::restricted(&options());
    folder_of(&server, "shop");
    it_keeps_everything(open(&server.settings("."), true).unwrap());
    // Old parts stay, and that they do is no reason to fail.
    let part = files(&server.data()).into_iter().find(|name| name.contains(".part-")).unwrap();
    let old = SystemTime::now() - Duration::from_secs(48 * 3600);
    fs::File::open(server.data().join(part)).unwrap().set_modified(old).unwrap();
    assert_eq!(open(&server.settings("."), true).unwrap().sweep().unwrap(), Vec::<String>::new());
}

/// The attribute of a folder; taken away again, or nobody could remove the folder.
struct AppendOnly(std::path::PathBuf);

impl AppendOnly {
    fn set(folder: std::path::PathBuf) -> Option<Self> {
        let done = Command::new("chattr").arg("+a").arg(&folder).output().ok()?;
        done.status.success().then_some(AppendOnly(folder))
    }
}

impl Drop for AppendOnly {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg("-a").arg(&self.0).status();
    }
}

#[test]
fn sftp_a_folder_to_which_one_can_only_append_keeps_everything() {
    if !is_root() {
        return println!("SKIPPED: only root can make a folder one to which one can only append");
    }
    let server = Sshd::restricted("");
    folder_of(&server, "shop");
    let Some(_only) = AppendOnly::set(server.data().join("shop")) else {
        return println!("SKIPPED: this file system knows no such folders");
    };
    it_keeps_everything(open(&server.settings("."), true).unwrap());
}

// --- Google Drive ---

#[test]
fn drive_a_role_that_may_not_delete_keeps_everything() {
    let google = Google::start();
    let mut settings = google.with_service_account("offsite");
    let Address::Drive(drive) = &mut settings.address else { panic!("not in Drive") };
    drive.shared_drive = Some(SHARED.into());
    google.trouble("DELETE /drive", 0, usize::MAX, Trouble::Refuse(403, "insufficientFilePermissions", None));
    it_keeps_everything(open(&settings, true).unwrap());
    assert!(google.heard().iter().any(|heard| heard.starts_with("DELETE /drive")));
}
