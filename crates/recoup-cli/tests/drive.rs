//! `recoup drive`: signing in and out as a person does it, and a backup that goes to Google Drive, too. No secret shows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use recoup_testkit::drive::browser::visit;
use recoup_testkit::drive::{Google, Trouble};
use shop::{Shop, Told};

fn shop(google: &Google) -> Shop {
    let shop = Shop::new();
    let plan = "[plan.shop]\ndatabases = [\"shop.db\"]\ndestinations = [\"here\", \"offsite\"]\n[destination.here]\npath = \"backups\"\n";
    shop.write("recoup.toml", &format!("{plan}{}", google.toml("offsite")));
    shop
}

/// Runs a command that asks for something, and does with each line of it what a person would.
fn asked(shop: &Shop, words: &str, mut answer: impl FnMut(&str)) -> Told {
    let mut command = shop.command(words.split_whitespace());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        answer(line.trim());
        err.push_str(&format!("{line}\n"));
    }
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    Told { code: child.wait().unwrap().code().unwrap_or(-1), out, err }
}

fn connect(shop: &Shop) -> Told {
    asked(shop, "drive connect offsite", |line| {
        if line.starts_with("http://") {
            assert_eq!(visit(line).0, 200);
        }
    })
}

#[test]
fn a_person_signs_in_backs_up_and_signs_out() {
    let google = Google::start();
    let shop = shop(&google);
    // Not yet.
    let told = shop.run("drive status offsite");
    assert_eq!(told.code, 12);
    let error = "Nobody has signed in to Google Drive for offsite";
    assert!(told.err.contains(error) && told.err.contains("Hint: recoup drive connect offsite"), "{}", told.err);
    let told = shop.run("backup shop");
    assert_eq!(told.code, 3);
    assert!(told.out.contains(&format!("✗ Not stored at offsite: {error}")), "{}", told.out);
    // In.
    let told = connect(&shop).good();
    assert!(told.out.starts_with("✓ offsite may store in Google Drive as someone@example.org.\n"), "{}", told.out);
    assert!(shop.path("offsite.drive-token").exists() && shop.path("recoup-data/keys/drive.key").exists());
    let told = shop.run("drive status offsite --json").good().json();
    assert_eq!((&told["connected"], &told["account"]), (&true.into(), &"someone@example.org".into()));
    let told = shop.run("backup shop").good();
    assert!(told.out.contains("  https://drive.google.com/file/d/"), "{}", told.out);
    shop.run("verify latest --at offsite").good();
    let told = shop.run("restore latest --at offsite --to restored").good();
    assert!(shop.path("restored/shop.db").exists(), "{told:?}");
    // Taken back by the person.
    google.revoke_all();
    let told = shop.run("list --at offsite");
    assert_eq!(told.code, 12);
    assert!(told.err.contains("Somebody has to sign in to Google Drive again for offsite"), "{}", told.err);
    connect(&shop).good();
    // Out.
    let told = shop.run("drive disconnect offsite").good();
    assert_eq!(told.out, "✓ offsite is signed out of Google Drive; the backups there stay.\n");
    assert_eq!(google.refresh_tokens(), [""; 0]);
    assert_eq!(shop.run("drive disconnect offsite").good().out, "✓ Nobody was signed in for offsite.\n");
}

#[test]
fn a_code_signs_in_from_another_machine() {
    let google = Google::start();
    let shop = shop(&google);
    let mut lines = Vec::new();
    asked(&shop, "drive connect offsite --device --json", |line| lines.push(line.to_owned())).good();
    assert_eq!(lines[0], "Open https://www.google.com/device in any browser and type this code:");
    assert_eq!(lines[2], "GQVQ-JKEC");
    google.device_answers(0, false);
    let told = asked(&shop, "drive connect offsite --device", |_| {});
    assert_eq!(told.code, 12, "{}", told.err);
}

#[test]
fn a_name_that_is_none_is_told_and_the_nearest_named() {
    let google = Google::start();
    let shop = shop(&google);
    let told = shop.run("drive status ofsite");
    assert_eq!(told.code, 10);
    assert!(told.err.contains("did you mean offsite?"), "{}", told.err);
    assert_eq!(shop.run("drive connect here").code, 10);
}

#[test]
fn nothing_that_is_printed_or_kept_has_a_secret_in_it() {
    let google = Google::start();
    let shop = shop(&google);
    let mut told = vec![connect(&shop).good()];
    for words in ["config print --origin", "backup shop --json", "list", "doctor", "drive status offsite --json"] {
        told.push(shop.run(words));
    }
    for trouble in [Trouble::LoseAnswer, Trouble::Refuse(403, "forbidden", None), Trouble::Refuse(500, "x", None)] {
        google.trouble("/drive/v3/", 0, 1000, trouble.clone());
        google.trouble("/revoke", 0, 1000, trouble);
        for words in ["backup shop", "list --at offsite", "doctor", "drive status offsite", "drive disconnect offsite"]
        {
            told.push(shop.run(words));
        }
        google.no_trouble();
    }
    for told in &told {
        // The one thing that is asked for has the state and the challenge in it, which are no secrets.
        assert!(!format!("{}{}", told.out, told.err).contains("MARKER"), "{told:?}");
    }
    let mut files = 0;
    for path in recoup_testkit::tree::files(shop.root()) {
        let marked = std::fs::read(shop.path(&path)).unwrap().windows(6).any(|bytes| bytes == b"MARKER");
        assert!(!marked || path.ends_with("recoup.toml"), "{path:?}");
        files += 1;
    }
    assert!(files > 5);
}
