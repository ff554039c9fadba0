//! The SFTP destination against OpenSSH: the contracts of destinations and stores, who is let in and who is believed, what
//! it leaves on the server, limits of the server. Lines that break: `sftp_cuts.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use recoup::destination::{Body, Destination, open};
use recoup::model::Kind;
use recoup::model::channel::Secret;
use recoup::model::destination::{Address, DestinationSettings, Sftp};
use recoup::progress::Context;
use recoup::store::{FilesStore, Store};
use recoup::{Error, ErrorKind};
use recoup_testkit::contract::Fixture;
use recoup_testkit::contract::destination::{noise, sha256};
use recoup_testkit::contract::store::{at, commit, manifest};
use recoup_testkit::cutting::{Cut, Cutting, How, Way};
use recoup_testkit::sshd::{PASSPHRASE, PASSWORD, Sshd, is_root};
use recoup_testkit::tree::tree;

fn settings() -> (Arc<Sshd>, DestinationSettings) {
    let server = Sshd::shared();
    let settings = server.settings(&format!("{}/root", ulid::Ulid::generate()));
    (server, settings)
}

mod destination {
    use super::*;
    fn fresh() -> Fixture<dyn Destination> {
        let (server, settings) = settings();
        Fixture { subject: open(&settings, true).unwrap(), keep: Box::new(server) }
    }
    recoup_testkit::destination_contract!(fresh);
}

mod store {
    use super::*;
    fn fresh() -> Fixture<dyn Store> {
        let (server, settings) = settings();
        let store = FilesStore::new(open(&settings, true).unwrap());
        Fixture { subject: Arc::new(store), keep: Box::new(server) }
    }
    recoup_testkit::store_contract!(fresh);
}

fn put(destination: &dyn Destination, key: &str, bytes: &[u8]) -> recoup::Result<String> {
    destination.put(key, Body::Bytes(bytes), &Context::quiet()).map(|stored| stored.sha256)
}

fn changed(server: &Sshd, change: impl FnOnce(&mut Sftp)) -> Arc<dyn Destination> {
    open(&server.settings_with("changed", change), true).unwrap()
}

/// Everything that people and machines are told about an error.
fn told(error: &Error) -> String {
    format!("{error} {} {:?} {error:?}", error.detail(), error.hint_text())
}

// --- who is believed ---

#[test]
fn another_host_key_is_not_believed_and_the_error_says_how_to_look() {
    let server = Sshd::start();
    let destination = changed(&server, |sftp| sftp.host_key = server.other_host_key());
    let error = put(&*destination, "a/b", b"secret").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "host_key_differs"));
    let fingerprint = std::process::Command::new("ssh-keygen").arg("-lf").arg(server.key("host.pub")).output().unwrap();
    let fingerprint = String::from_utf8(fingerprint.stdout).unwrap();
    let fingerprint = fingerprint.split_whitespace().nth(1).unwrap();
    assert!(error.detail().contains(fingerprint), "{}", error.detail());
    assert!(error.hint_text().unwrap().contains(&format!("ssh-keyscan -p {} 127.0.0.1", server.port())));
    // It is not tried again, and nobody was told who we are.
    assert!(!error.detail().contains("times"), "{}", error.detail());
    assert_eq!(fs::read_dir(server.data()).unwrap().count(), 0);
    let log = fs::read_to_string(server.key("log")).unwrap();
    assert!(!log.contains("Accepted"), "{log}");
}

#[test]
fn a_host_key_is_understood_as_ssh_keyscan_prints_it() {
    let server = Sshd::start();
    let scanned = std::process::Command::new("ssh-keyscan")
        .args(["-p", &server.port().to_string(), "127.0.0.1"])
        .output()
        .unwrap();
    let line =
        String::from_utf8(scanned.stdout).unwrap().lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    assert!(line.starts_with("[127.0.0.1]"), "{line}");
    let destination = changed(&server, |sftp| sftp.host_key = line);
    put(&*destination, "a/b", b"bytes").unwrap();
    for wrong in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQ==", "hello world"] {
        let settings = server.settings_with("x", |sftp| sftp.host_key = wrong.into());
        assert_eq!(open(&settings, true).err().unwrap().code(), "bad_host_key", "{wrong}");
    }
}

// --- who is let in ---

#[test]
fn a_key_that_the_server_does_not_know_is_denied_at_once() {
    let server = Sshd::start();
    let destination = changed(&server, |sftp| sftp.key = Some(Secret::file(server.key("stranger"))));
    let error = destination.list("").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert!(!error.detail().contains("times"), "{}", error.detail());
}

#[test]
fn a_locked_key_is_opened_with_its_passphrase_and_with_nothing_else() {
    let server = Sshd::start();
    let with = |passphrase: Option<&str>| {
        let destination = changed(&server, |sftp| {
            sftp.key = Some(Secret::file(server.key("locked")));
            sftp.key_passphrase = passphrase.map(Secret::value);
        });
        put(&*destination, "a/b", b"bytes")
    };
    // As an editor leaves it in a file.
    with(Some(&format!("{PASSPHRASE}\n"))).unwrap();
    assert_eq!(with(None).unwrap_err().code(), "key_locked");
    let wrong = with(Some("marker-of-a-wrong-one")).unwrap_err();
    assert_eq!((wrong.kind(), wrong.code()), (ErrorKind::Denied, "bad_key_file"));
    assert!(!told(&wrong).contains("marker"), "{}", told(&wrong));
    let missing = changed(&server, |sftp| sftp.key = Some(Secret::file("/nowhere/key")));
    assert_eq!(missing.list("").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_password_is_as_good_as_a_key() {
    if !is_root() {
        return println!("SKIPPED: only root can give a server a password of its own");
    }
    let server = Sshd::with_password();
    let with = |password: &str| {
        changed(&server, |sftp| {
            sftp.key = None;
            sftp.password = Some(Secret::value(password));
        })
    };
    put(&*with(PASSWORD), "a/b", b"bytes").unwrap();
    assert_eq!(tree(&server.seen().join("changed")), ["a", "a/b"]);
    let error = put(&*with("marker-of-a-wrong-one"), "a/c", b"bytes").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Denied, "destination_denied"));
    assert!(!told(&error).contains("marker"), "{}", told(&error));
}

#[test]
fn secrets_are_in_no_description() {
    let server = Sshd::shared();
    let settings = server.settings_with("x", |sftp| {
        sftp.key_passphrase = Some(Secret::value(PASSPHRASE));
        sftp.password = Some(Secret::value(PASSWORD));
    });
    let said = format!("{settings:?} {}", open(&settings, true).unwrap().describe());
    assert!(!said.contains("marker"), "{said}");
    assert!(said.contains(&format!("sftp://{}@127.0.0.1:{}/", server.user(), server.port())), "{said}");
}

// --- what it leaves on the server ---

#[test]
fn files_and_folders_are_private_and_nothing_else_is_left() {
    let (_server, settings) = settings();
    let Address::Sftp(sftp) = &settings.address else { unreachable!() };
    let root = Path::new(&sftp.path);
    let destination = open(&settings, true).unwrap();
    put(&*destination, "plan/a/one", &noise(1, 200_000)).unwrap();
    put(&*destination, "two", b"").unwrap();
    assert_eq!(tree(root), ["plan", "plan/a", "plan/a/one", "two"]);
    for folder in [root, &root.join("plan"), &root.join("plan/a")] {
        assert_eq!(fs::metadata(folder).unwrap().mode() & 0o7777, 0o700, "{}", folder.display());
    }
    for file in ["plan/a/one", "two"] {
        let meta = fs::metadata(root.join(file)).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.nlink()), (0o600, 1), "{file}");
    }
}

#[test]
fn what_is_not_ours_is_not_listed() {
    let (_server, settings) = settings();
    let Address::Sftp(sftp) = &settings.address else { unreachable!() };
    let root = Path::new(&sftp.path);
    let destination = open(&settings, true).unwrap();
    put(&*destination, "plan/one", b"1").unwrap();
    fs::create_dir_all(root.join(".snapshots/plan")).unwrap();
    for name in [".hidden", ".snapshots/plan/one", "plan/.one.part-01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        fs::write(root.join(name), "x").unwrap();
    }
    std::os::unix::fs::symlink("plan", root.join("circle")).unwrap();
    std::os::unix::fs::symlink("plan/one", root.join("link")).unwrap();
    let keys: Vec<_> = destination.list("").unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["plan/one"]);
    assert_eq!(destination.get("link", 0).map(drop).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn uploads_that_nobody_finished_are_swept_when_they_are_old() {
    let (_server, settings) = settings();
    let Address::Sftp(sftp) = &settings.address else { unreachable!() };
    let root = Path::new(&sftp.path);
    let destination = open(&settings, true).unwrap();
    put(&*destination, "plan/one", b"1").unwrap();
    let parts = ["plan/.old.part-01ARZ3NDEKTSV4RRFFQ69G5FAV", "plan/.new.part-01ARZ3NDEKTSV4RRFFQ69G5FAW"];
    for (part, hours) in parts.iter().zip([25, 23]) {
        let file = fs::File::create(root.join(part)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    // Old, dotted, and not ours.
    for foreign in ["plan/.old.part-x", "plan/.bashrc"] {
        let file = fs::File::create(root.join(foreign)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    assert_eq!(destination.sweep().unwrap(), ["plan/old"]);
    assert_eq!(tree(root), ["plan", "plan/.bashrc", parts[1], "plan/.old.part-x", "plan/one"]);
}

#[test]
fn a_listing_of_2500_objects_is_complete() {
    let (_server, settings) = settings();
    let Address::Sftp(sftp) = &settings.address else { unreachable!() };
    let root = Path::new(&sftp.path);
    // One folder with most of them, and folders in folders.
    let mut keys: Vec<String> = (0..2000).map(|i| format!("big/object-{i:04}")).collect();
    keys.extend((0..500).map(|i| format!("deep/{}/{}/object-{i}", i % 10, i % 50)));
    keys.sort();
    for key in &keys {
        fs::create_dir_all(root.join(key).parent().unwrap()).unwrap();
        fs::write(root.join(key), key).unwrap();
    }
    let destination = open(&settings, true).unwrap();
    let listed = destination.list("").unwrap();
    assert!(listed.iter().map(|object| &object.key).eq(&keys));
    assert!(listed.iter().all(|object| object.bytes == object.key.len() as u64));
    assert_eq!(destination.list("big/object-1").unwrap().len(), 1000);
    assert_eq!(destination.list("deep/3/").unwrap().len(), 50);
    assert_eq!(destination.list("nothing/").unwrap(), []);
}

// --- what a server may refuse ---

#[test]
fn a_full_disk_is_told_as_such_and_leaves_nothing() {
    if !is_root() {
        return println!("SKIPPED: only root can give a server a small disk");
    }
    let server = Sshd::on_small_disk("8m");
    let destination = open(&server.settings("root"), true).unwrap();
    put(&*destination, "plan/small", &noise(1, 1 << 20)).unwrap();
    let free = destination.free_bytes().unwrap().unwrap();
    assert!((6 << 20..8 << 20).contains(&free), "{free}");
    let error = put(&*destination, "plan/large", &noise(2, 12 << 20)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::NoSpace, "Not enough disk space"));
    assert!(!error.detail().contains("times"), "{}", error.detail());
    assert_eq!(tree(&server.seen().join("root")), ["plan", "plan/small"]);
    assert!(destination.free_bytes().unwrap().unwrap() >= free - (64 << 10), "what was sent is gone again");
    put(&*destination, "plan/fits", &noise(3, 4 << 20)).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_is_denied() {
    let server = Sshd::restricted("-R");
    let destination = open(&server.settings("root"), true).unwrap();
    let error = put(&*destination, "a/b", b"bytes").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound), "{error:?}");
    assert_eq!(destination.list("").unwrap(), []);
}

/// The account of docs/destinations.md: it makes new files, and never touches one that is there.
#[test]
fn an_account_that_can_only_add_is_enough_to_store_and_to_read() {
    let server =
        Sshd::restricted("-P remove,rename,posix-rename,rmdir,setstat,fsetstat,lsetstat,symlink,mkdir -u 0377");
    // Folders are made by whoever runs the server.
    fs::create_dir(server.data().join("plan")).unwrap();
    chown_like(&server.data().join("plan"), &server.data());
    let line = Cutting::to_port(server.port());
    let destination = open(&server.settings_with(".", |sftp| sftp.port = line.port()), true).unwrap();
    let bytes = noise(1, 3 << 20);
    // It may not go on with a part that it made before: it makes another one.
    line.cut(Cut { way: Way::Out, after: 2 << 20, how: How::Reset });
    assert_eq!(put(&*destination, "plan/one", &bytes).unwrap(), sha256(&bytes));
    assert_eq!(line.connections(), 2);
    assert_eq!(destination.list("").unwrap().len(), 1);
    // The parts stay, and that they do is no reason to fail.
    let parts: Vec<_> = tree(&server.data()).into_iter().filter(|name| name.contains(".part-")).collect();
    assert_eq!(parts.len(), 2);
    for part in parts {
        let old = SystemTime::now() - Duration::from_secs(48 * 3600);
        fs::File::open(server.data().join(part)).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(destination.sweep().unwrap(), Vec::<String>::new());
    // Backups as such: only that one is not protected any more needs a removal.
    let store = FilesStore::new(destination.clone());
    let backup = commit(&store, manifest("plan", at(0), Kind::Manual), 1);
    store.set_protected(&backup.id, true, &Context::quiet()).unwrap();
    assert_eq!(store.list(None).unwrap().backups.len(), 1);
    let refused = store.set_protected(&backup.id, false, &Context::quiet()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Denied);
    let refused = destination.delete("plan/one").unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Denied, "destination_denied"));
    // Somebody who has the key: not by another client either.
    let script = "rm plan/one\nrename plan/one x\nchmod 600 plan/one\nput /etc/hostname plan/one\n";
    let said = sftp(&server, script);
    assert_eq!(fs::read(server.data().join("plan/one")).unwrap(), bytes, "{said}");
    assert_eq!(said.to_lowercase().matches("permission denied").count(), 4, "{said}");
}

/// Other servers know version 3 and nothing else.
#[test]
fn a_server_without_extensions_is_enough() {
    let server = Sshd::restricted("-P hardlink,fsync,statvfs,limits");
    let destination = open(&server.settings("root"), true).unwrap();
    let bytes = noise(1, 3 << 20);
    assert_eq!(put(&*destination, "plan/one", &bytes).unwrap(), sha256(&bytes));
    assert_eq!(put(&*destination, "plan/one", &bytes).unwrap(), sha256(&bytes));
    let error = put(&*destination, "plan/one", &noise(2, 3 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldOverwrite);
    assert_eq!(destination.free_bytes().unwrap(), None);
    assert_eq!(tree(&server.data()), ["root", "root/plan", "root/plan/one"]);
    one_of_many_wins(&server);
}

#[test]
fn of_many_machines_that_store_the_same_key_one_wins() {
    one_of_many_wins(&Sshd::start());
}

fn one_of_many_wins(server: &Sshd) {
    let bytes = |i: u64| noise(100 + i, 400_000);
    let go = std::sync::Barrier::new(6);
    let won: Vec<bool> = std::thread::scope(|threads| {
        let machine = |i| {
            let (go, destination) = (&go, open(&server.settings("many"), true).unwrap());
            threads.spawn(move || {
                destination.list("").unwrap();
                go.wait();
                match put(&*destination, "plan/same", &bytes(i)) {
                    Ok(_) => true,
                    Err(error) if error.kind() == ErrorKind::WouldOverwrite => false,
                    Err(error) => panic!("{error:?}"),
                }
            })
        };
        let machines: Vec<_> = (0..6).map(machine).collect();
        machines.into_iter().map(|machine| machine.join().unwrap()).collect()
    });
    let winners: Vec<_> = (0..6).filter(|&i| won[i as usize]).collect();
    assert_eq!(winners.len(), 1, "{won:?}");
    assert_eq!(fs::read(server.data().join("many/plan/same")).unwrap(), bytes(winners[0]));
    assert_eq!(tree(&server.data().join("many")), ["plan", "plan/same"]);
}

fn chown_like(path: &Path, other: &Path) {
    let meta = fs::metadata(other).unwrap();
    std::os::unix::fs::chown(path, Some(meta.uid()), Some(meta.gid())).unwrap();
}

/// What OpenSSH's own client says to some commands.
fn sftp(server: &Sshd, commands: &str) -> String {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::copy(server.key("key"), &key).unwrap();
    let mut child = std::process::Command::new("sftp")
        .args([
            "-q",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .arg("-i")
        .arg(&key)
        .args(["-P", &server.port().to_string()])
        .arg(format!("{}@127.0.0.1", server.user()))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let commands = format!("cd {}\n{commands}", server.data().display());
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

// --- where it is called from ---

#[test]
fn it_works_on_every_kind_of_thread_of_another_runtime() {
    let (_server, settings) = settings();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let work = move || {
        let destination = open(&settings, true).unwrap();
        let bytes = noise(1, 300_000);
        destination.put("a/b", Body::Bytes(&bytes), &Context::quiet()).unwrap().sha256
    };
    let expected = sha256(&noise(1, 300_000));
    assert_eq!(runtime.block_on(async { tokio::task::spawn_blocking(work.clone()).await.unwrap() }), expected);
    // It blocks, which is bad manners there, but it works.
    assert_eq!(runtime.block_on(async { tokio::spawn(async move { work() }).await.unwrap() }), expected);
}

#[test]
fn connections_are_kept_and_end_with_the_destination() {
    let server = Sshd::start();
    let destination = open(&server.settings("root"), true).unwrap();
    for i in 0..5 {
        put(&*destination, &format!("a/{i}"), &noise(i, 100_000)).unwrap();
    }
    let accepted = || fs::read_to_string(server.key("log")).unwrap().matches("Accepted publickey").count();
    assert_eq!((accepted(), server.sessions().len()), (1, 1));
    // Lost while nobody used it: the next step finds another one.
    server.kill_sessions();
    put(&*destination, "a/after", b"bytes").unwrap();
    assert_eq!(accepted(), 2);
    drop(destination);
    let begin = std::time::Instant::now();
    while !server.sessions().is_empty() && begin.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(server.sessions(), Vec::<u32>::new());
}
