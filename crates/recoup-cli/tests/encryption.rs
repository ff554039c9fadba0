//! Encrypted backups on the command line: the options, the keys, what is told when a key does not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use shop::Shop;

const LOCKED: &str = "destinations = [\"here\"]
[destination.here]
path = \"here\"
encrypt = { passphrase_file = \"passphrase\" }
[plan.shop]
databases = [\"shop.db\"]
directories = [\"thumbs\"]
files = [\"config.yml\"]
";
const SETTINGS: &str = "[plan.shop.settings]\nenvironment = [\"SHOP_*\"]\n";
const SECRET: (&str, &str) = ("SHOP_API_TOKEN", "canary-setting-7f");

fn locked() -> Shop {
    let shop = Shop::new();
    shop.write("recoup.toml", LOCKED);
    shop.write("passphrase", "canary harbour 17\n");
    shop
}

fn words(words: &str) -> Vec<&str> {
    words.split_whitespace().collect()
}

#[test]
fn a_plan_at_an_encrypted_destination_needs_no_options() {
    let shop = locked();
    shop.write("recoup.toml", &format!("{LOCKED}{SETTINGS}"));
    let made = shop.run_with(words("backup --json"), &[SECRET]).good();
    let key = made.json()["keys"][0].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 16);
    assert!(made.json()["objects"][0]["path"].as_str().unwrap().ends_with(".zip.age"));
    let listed = shop.run("list --json").good().json();
    assert_eq!(listed["backups"][0]["keys"], json!([key]));
    assert!(shop.run("show latest").good().out.contains(&format!("key {key}")));
    shop.run("verify latest --level restore").good();

    shop.sql("DELETE FROM orders");
    fs::remove_file(shop.path("config.yml")).unwrap();
    shop.run("restore latest --yes --only shop --only config.yml").good();
    assert_eq!(shop.sql("").query_row("SELECT count(*) FROM orders", [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    assert_eq!(fs::read_to_string(shop.path("config.yml")).unwrap(), "title: Lighthouse\n");
    // The safety backup is encrypted like everything there.
    let listed = shop.run("list --json").good().json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 2);
    assert!(listed["backups"].as_array().unwrap().iter().all(|backup| backup["keys"] == json!([key])), "{listed}");
    shop.run("undo --yes").good();
    assert_eq!(shop.sql("").query_row("SELECT count(*) FROM orders", [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    // A secret setting comes back; nothing of it, nor of the passphrase, lies in the clear.
    shop.run("restore latest --to tree").good();
    let environment = fs::read_to_string(shop.path("tree/settings.env"))
        .or_else(|_| fs::read_to_string(shop.path("tree/settings.json")));
    assert!(environment.unwrap().contains(SECRET.1));
    let mut folders = vec![shop.path("here")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let bytes = fs::read(&entry).unwrap();
            for secret in [SECRET.1, "canary harbour", "orders", "Lighthouse", "thumbs", "SHOP_API"] {
                assert!(
                    !bytes.windows(secret.len()).any(|w| w == secret.as_bytes()),
                    "{secret} in {}",
                    entry.display()
                );
            }
        }
    }
}

#[test]
fn a_wrong_passphrase_is_exit_12_and_nothing_is_written() {
    let shop = locked();
    let key = shop.run("backup --json").good().json()["keys"][0].as_str().unwrap().to_owned();
    shop.write("passphrase", "anchor\n");
    let refused = shop.run("backup --json");
    assert_eq!(refused.code, 12);
    assert_eq!(refused.json()["error"]["code"], "wrong_key");
    assert!(refused.out.contains("This key does not fit"), "{}", refused.out);
    let told = shop.run("backup");
    assert!(told.err.contains(&key) && !told.err.contains("anchor\n"), "{}", told.err);
    let listed = shop.run("list --json").good().json();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);
    assert_eq!(shop.run("restore latest --to tree").code, 12);
    assert!(!shop.path("tree").exists());
    let verified = shop.run("verify latest --level checksum --json");
    assert_eq!((verified.code, &verified.json()["results"][0]["problems"][0]["code"]), (12, &json!("wrong_key")));
    let shown = shop.run("keys show --json");
    assert_eq!(shown.json()["destinations"][0]["problem"]["code"], "wrong_key");
    let looked = shop.run("doctor --json");
    assert!(
        looked.json()["checks"]
            .as_array()
            .unwrap()
            .iter()
            .any(|line| line["name"] == "key" && line["status"] == "fail")
    );
}

#[test]
fn options_lock_and_open_where_nothing_is_configured() {
    let shop = Shop::new();
    shop.write("words", "correct horse\n");
    shop.run("backup --database shop.db --to usb --passphrase-file words").good();
    assert_eq!(shop.run("restore latest --at usb --to tree").code, 12);
    shop.run("restore latest --at usb --to tree --passphrase-file words").good();
    assert!(shop.path("tree").is_dir());
    shop.run("verify --all --at usb --level checksum").good();
    shop.run("verify --all --at usb --level restore --passphrase-file words").good();
    assert_eq!(shop.run("verify --all --at usb --level restore").code, 12);
    shop.run("diff latest --at usb --passphrase-file words").good();

    let made = shop.run("keys new --out key.txt --json").good().json();
    assert_eq!(fs::metadata(shop.path("key.txt")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(shop.run("keys new --out key.txt").code, 17);
    let (key, recipient) = (made["key"].as_str().unwrap(), made["recipient"].as_str().unwrap());
    let warned = shop.run(&format!("backup --database shop.db --to post --recipient {recipient} --json"));
    assert_eq!((warned.code, &warned.json()["warnings"][0]["code"]), (3, &json!("key_not_here")));
    assert_eq!((&warned.json()["keys"], &warned.json()["verified"]), (&json!([key]), &json!("checksum")));
    shop.run(&format!("backup --database shop.db --to post --recipient {recipient}")).good();
    assert_eq!(shop.run("show latest --at post --json").good().json()["encryption"]["opened"], false);
    shop.run("verify --all --at post --level restore --identity key.txt").good();
    // A copy is locked by the option, too.
    shop.run(&format!("copy latest other --at post --identity key.txt --recipient {recipient}")).good();
    assert_eq!(shop.run("list --at other --json").good().json()["backups"][0]["keys"], json!([key]));
    assert_eq!(shop.run("list --at usb --passphrase-file nowhere").code, 10);
}

#[test]
fn keys_are_shown_tried_and_changed() {
    let shop = locked();
    shop.run("backup").good();
    let shown = |words: &str| -> Value {
        shop.run(&format!("keys show here --json {words}")).json()["destinations"][0].clone()
    };
    let first = shown("")["keys"][0].clone();
    assert_eq!((&first["backups"], &first["opened"], &first["current"]), (&json!(1), &json!(1), &json!(true)));
    shop.write("next", "mast and keel\n");
    let rotated = shop.run("keys rotate here --passphrase-file next --json").good().json();
    assert_eq!((&rotated["before"], &rotated["relocked"]), (&first["key"], &json!([first["key"]])));
    // Until it is configured, nothing is locked with what is not known any more.
    assert_eq!(shop.run("backup").code, 12);
    shop.write("recoup.toml", &LOCKED.replace("\"passphrase\"", "\"next\""));
    shop.run("backup").good();
    let keys = shown("")["keys"].as_array().unwrap().clone();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key["opened"] == key["backups"]), "{keys:?}");
    let tried = shop.run("keys test --all --json").good().json();
    assert_eq!(tried["results"].as_array().unwrap().len(), 2);
    // One that has been damaged is told.
    let folder = shop.path("here/shop");
    let newest = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let newest = newest.filter(|path| path.to_string_lossy().ends_with(".age")).max().unwrap();
    let mut bytes = fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).unwrap();
    assert_eq!(shop.run("keys test here").code, 13);
    assert_eq!(shop.run("keys rotate nowhere").code, 14);
}

#[test]
fn a_kill_in_an_encrypted_backup_leaves_nothing_that_is_listed() {
    let shop = locked();
    shop.run("backup").good();
    fs::write(shop.path("thumbs/large"), vec![7; 40 << 20]).unwrap();
    for wait in [20, 60, 120, 250, 400, 700] {
        let mut child = shop.command(["backup"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        let listed = shop.run("list --json").good().json();
        for backup in listed["backups"].as_array().unwrap() {
            assert_eq!(backup["missing"], json!([]));
        }
    }
    shop.run("backup").good();
    shop.run("verify --all --level integrity").good();
    shop.run("doctor");
    let files = fs::read_dir(shop.path("here/shop")).unwrap().count();
    let backups = shop.run("list --json").good().json()["backups"].as_array().unwrap().len();
    assert_eq!(files, 2 * backups);
}

#[test]
fn encryption_is_not_turned_off_and_mistakes_are_told_with_their_line() {
    let shop = Shop::new();
    let wrong = |text: &str, expected: &str| {
        shop.write("recoup.toml", text);
        let told = shop.run("config print");
        assert_eq!(told.code, 2, "{text}");
        assert!(told.err.contains(expected), "{}", told.err);
    };
    wrong("[plan.shop]\nfiles = [\"config.yml\"]\nencrypt = false\n", "recoup.toml:3: plan.shop.encrypt: is a table");
    wrong("[destination.x]\npath = \"x\"\nencrypt = {}\n", "says nothing to encrypt with");
    wrong(
        "[destination.x]\npath = \"x\"\nencrypt = { recipients = [\"AGE-SECRET-KEY-1QQ\"] }\n",
        "not a public key of age",
    );
    shop.write("recoup.toml", LOCKED);
    shop.write("passphrase", "canary\n");
    let printed = shop.run("config print --origin").good().out;
    assert!(printed.contains("destination.here.encrypt.passphrase_file") && !printed.contains("canary"), "{printed}");
}

#[test]
fn secrets_stay_out_where_a_destination_that_is_left_out_does_not_encrypt() {
    let shop = locked();
    let far = "[destination.far]\ntype = \"webdav\"\nurl = \"http://127.0.0.1:9/dav\"\nattempts = 1\n";
    let both = LOCKED.replace("[\"here\"]", "[\"here\", \"far\"]").replace("[plan.shop]", &format!("{far}[plan.shop]"));
    let kept = |toml: &str, command: &str| {
        shop.write("recoup.toml", &format!("{toml}{SETTINGS}"));
        let id = shop.run_with(words(command), &[SECRET]).good().json()["id"].as_str().unwrap().to_owned();
        shop.run(&format!("restore {id} --to tree-{id}")).good();
        let tree = shop.path(&format!("tree-{id}"));
        let environment =
            fs::read_to_string(tree.join("settings.env")).or_else(|_| fs::read_to_string(tree.join("settings.json")));
        environment.is_ok_and(|text| text.contains(SECRET.1))
    };
    // It may be copied there later, which would be refused for good.
    assert!(!kept(&both, "backup --local-only --json"));
    let encrypted = both.replace("attempts = 1\n", "attempts = 1\nencrypt = { passphrase_file = \"passphrase\" }\n");
    assert!(kept(&encrypted, "backup --local-only --json"));
    assert!(kept(LOCKED, "backup --json"));
}
