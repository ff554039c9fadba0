//! The recovery kit, typed literally in an empty folder with an empty home, from each kind of destination: what comes back is
//! the application, byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use recoup_testkit::apache::{self, Apache};
use recoup_testkit::drive::Google;
use recoup_testkit::moto::{self, Moto};
use recoup_testkit::sshd::Sshd;
use shop::Shop;

const PASSPHRASE: &str = "canary harbour 17";

/// The shell blocks of the page, as they stand.
fn blocks(page: &str) -> Vec<String> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => waiting.push(path),
                false => {
                    drop(found.insert(path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap()))
                }
            }
        }
    }
    found
}

/// Backs the shop up to `offsite`, which the table describes, loses everything but that, and follows the kit.
fn back_from(table: &str) {
    let shop = Shop::new();
    shop.write("passphrase", PASSPHRASE);
    let encrypted = "encrypt = { passphrase_file = \"passphrase\" }\n";
    let plan = "[plan.shop]\ndatabases = [\"shop.db\"]\ndirectories = [\"thumbs\"]\nfiles = [\"config.yml\"]\n";
    shop.write("recoup.toml", &format!("destinations = [\"offsite\"]\n{table}{encrypted}{plan}"));
    shop.run("backup").good();
    let plain = shop.run("recovery-kit").good().out;
    for secret in [PASSPHRASE, moto::SECRET_KEY, moto::ACCESS_KEY, apache::PASSWORD, "PRIVATE KEY"] {
        assert!(!plain.contains(secret), "{secret} in {plain}");
    }
    shop.run("recovery-kit --with-secrets --out kit.md").good();
    let page = fs::read_to_string(shop.path("kit.md")).unwrap();
    let mut expected: BTreeMap<String, Vec<u8>> = files(&shop.path("thumbs"));
    expected.insert("config.yml".into(), fs::read(shop.path("config.yml")).unwrap());
    let rows = |path: &Path| -> String {
        let db = rusqlite::Connection::open(path).unwrap();
        db.query_row("SELECT group_concat(id || total) FROM orders", [], |row| row.get(0)).unwrap()
    };
    let before = rows(&shop.path("shop.db"));

    let empty = tempfile::tempdir().unwrap();
    let (home, here) = (empty.path().join("home"), empty.path().join("here"));
    fs::create_dir(&home).unwrap();
    fs::create_dir(&here).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_recoup")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let script = blocks(&page).concat();
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script]).env_clear().env("PATH", path).env("HOME", &home).current_dir(&here);
    let output = shell.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{told}");

    let restored = here.join("restored-offsite");
    let found = files(&restored);
    for (name, bytes) in &expected {
        let back = found
            .iter()
            .find(|(path, _)| path.ends_with(name.as_str()))
            .unwrap_or_else(|| panic!("{name}: {:?}", found.keys()));
        assert!(back.1 == bytes, "{name} is another");
    }
    let database = found.keys().find(|path| path.ends_with(".db")).unwrap();
    assert_eq!(rows(&restored.join(database)), before);
    // An empty catalog lists it, too.
    let mut adopt = Command::new(env!("CARGO_BIN_EXE_recoup"));
    adopt.args(["adopt", "offsite"]).env_clear().env("HOME", &home).current_dir(&here);
    let output = adopt.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 backup"), "{output:?}");
}

#[test]
fn the_kit_brings_everything_back_from_a_folder() {
    let disk = tempfile::tempdir().unwrap();
    back_from(&format!("[destination.offsite]\npath = \"{}\"\n", disk.path().display()));
}

#[test]
fn the_kit_brings_everything_back_from_a_history() {
    let disk = tempfile::tempdir().unwrap();
    back_from(&format!("[destination.offsite]\npath = \"{}\"\nlayout = \"history\"\n", disk.path().display()));
}

#[test]
fn the_kit_brings_everything_back_from_s3() {
    let server = Moto::shared();
    let (bucket, port) = (server.bucket(), server.port());
    back_from(&format!(
        "[destination.offsite]\ntype = \"s3\"\nbucket = \"{bucket}\"\nendpoint = \"http://127.0.0.1:{port}\"\n\
         access_key = \"{}\"\nsecret_key = \"{}\"\n",
        moto::ACCESS_KEY,
        moto::SECRET_KEY
    ));
}

#[test]
fn the_kit_brings_everything_back_over_sftp() {
    let server = Sshd::start();
    back_from(&format!(
        "[destination.offsite]\ntype = \"sftp\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\npath = \"{}\"\n\
         host_key = \"{}\"\nkey_file = \"{}\"\n",
        server.port(),
        server.user(),
        server.data().join("kit").display(),
        server.host_key(),
        server.key("key").display()
    ));
}

#[test]
fn the_kit_brings_everything_back_over_webdav() {
    let server = Apache::shared();
    back_from(&format!(
        "[destination.offsite]\ntype = \"webdav\"\nurl = \"http://127.0.0.1:{}{}\"\nuser = \"{}\"\npassword = \"{}\"\n",
        server.port(),
        server.fresh().replace(' ', "%20"),
        apache::USER,
        apache::PASSWORD
    ));
}

#[test]
fn the_kit_brings_everything_back_from_google_drive() {
    let google = Google::start();
    let settings = google.with_service_account("offsite");
    let recoup::model::destination::Address::Drive(drive) = settings.address else { panic!() };
    let file = drive.service_account.unwrap();
    back_from(&format!(
        "[destination.offsite]\ntype = \"drive\"\nservice_account_file = \"{}\"\nendpoint = \"{}\"\nauth_endpoint = \"{}\"\n\
         token_endpoint = \"{}\"\n",
        file.path().unwrap().display(),
        drive.endpoint,
        drive.auth_endpoint,
        drive.token_endpoint
    ));
}

#[test]
fn the_kit_names_a_destination_that_does_not_answer() {
    let shop = Shop::new();
    shop.write(
        "recoup.toml",
        "destinations = [\"away\"]\n[destination.away]\ntype = \"webdav\"\nurl = \"http://127.0.0.1:9/dav\"\nattempts = 1\n\
         [plan.shop]\nfiles = [\"config.yml\"]\n",
    );
    let page = shop.run("recovery-kit").good().out;
    assert!(page.contains("could not be looked at") && page.contains("http://127.0.0.1:9/dav"), "{page}");
}
