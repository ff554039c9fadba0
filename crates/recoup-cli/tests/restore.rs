//! `recoup restore` and `recoup undo` as a person and a script use them: the question, the answers, what is refused and
//! how it is said, to a folder, several at once, and undo after undo.
//!
//! Not here: mounts, other users and full disks (`restore_places`), crashes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::json;
use shop::{Shop, Told};

/// What the application sees.
fn state(shop: &Shop) -> String {
    let orders: i64 =
        shop.sql("").query_row("SELECT coalesce(sum(total), 0) FROM orders", [], |row| row.get(0)).unwrap();
    let mut names: Vec<String> = fs::read_dir(shop.path("thumbs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    format!("{orders} {names:?} {}", fs::read_to_string(shop.path("config.yml")).unwrap())
}

fn change(shop: &Shop, n: u32) {
    shop.sql(&format!("INSERT INTO orders (total) VALUES ({n})"));
    shop.write(&format!("thumbs/{n}.jpg"), "new");
    shop.write("config.yml", &format!("title: {n}\n"));
}

/// Nothing of a restore lies beside the data.
fn is_tidy(shop: &Shop) {
    assert!(!shop.path(".recoup-restore").exists(), "{:?}", fs::read_dir(shop.path(".recoup-restore")));
}

/// Runs `recoup` on a real terminal. `talk` is a Python list of pairs: wait for this, then run that (a shell command, when
/// it begins with `!`) or type it.
fn on_a_terminal(shop: &Shop, words: &str, talk: &str) -> Told {
    let script = "
import ast, os, pty, subprocess, sys
talk, command = ast.literal_eval(sys.argv[1]), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen, all = b'', b''
def read():
    global seen, all
    try: data = os.read(terminal, 4096)
    except OSError: data = b''
    seen += data; all += data
    return data
for wait, answer in talk:
    while wait.encode() not in seen:
        if not read(): break
    seen = seen[seen.find(wait.encode()) + len(wait):]
    if answer.startswith('!'): subprocess.run(answer[1:], shell=True, check=True)
    else: os.write(terminal, answer.encode())
while read(): pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(all.decode())
sys.exit(os.waitstatus_to_exitcode(status))";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", script, talk, env!("CARGO_BIN_EXE_recoup")]).args(words.split_whitespace());
    python.current_dir(shop.root()).env_clear().env("HOME", shop.root()).env("TERM", "xterm").env("PATH", env!("PATH"));
    let output = python.env("TMPDIR", std::env::temp_dir()).output().unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const QUESTION: &str = "Restore will replace all data. Continue?";

#[test]
fn the_question_is_answered_at_a_terminal() {
    let shop = Shop::configured();
    shop.back_up("");
    let original = state(&shop);
    change(&shop, 10);
    let changed = state(&shop);
    for answer in ["'n\\n'", "'\\n'", "'nonsense\\n'", "'\\x04'"] {
        let told = on_a_terminal(&shop, "restore latest", &format!("[('{QUESTION}', {answer})]"));
        assert_eq!(told.code, 130, "{answer:?}: {told:?}");
        assert!(told.out.contains("nothing was changed"), "{told:?}");
        assert_eq!(state(&shop), changed);
        assert_eq!(shop.stored().len(), 2, "no safety backup was made");
    }
    let told = on_a_terminal(&shop, "restore latest", &format!("[('{QUESTION}', 'y\\n')]"));
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("is lost") && told.out.contains("recoup undo"), "{told:?}");
    assert_eq!(state(&shop), original);
    let told = on_a_terminal(&shop, "undo", &format!("[('{QUESTION}', 'yes\\n')]"));
    assert_eq!(told.code, 0, "{told:?}");
    assert_eq!(state(&shop), changed);
    is_tidy(&shop);
}

#[test]
fn what_changes_between_preview_and_answer_is_previewed_anew() {
    let shop = Shop::configured();
    shop.back_up("");
    let original = state(&shop);
    change(&shop, 10);
    let write = |n: u32| format!("('{QUESTION}', '!echo more > thumbs/late-{n}.jpg'), ('', 'y\\n')");
    let told = on_a_terminal(&shop, "restore latest", &format!("[{}, ('{QUESTION}', 'y\\n')]", write(1)));
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.out.contains("The data has changed meanwhile") && told.out.contains("late-1.jpg"), "{told:?}");
    assert_eq!(state(&shop), original);
    shop.run("undo --yes").good();
    assert!(shop.path("thumbs/late-1.jpg").exists(), "it was saved, too");
    // Only so often.
    let told = on_a_terminal(&shop, "restore latest~", "[]");
    assert_eq!(told.code, 10, "{told:?}");
    let id = shop.stored().iter().find(|name| name.ends_with(".zip")).unwrap().replace(".zip", "");
    let told = on_a_terminal(&shop, &format!("restore {id}"), &format!("[{}, {}, {}]", write(2), write(3), write(4)));
    assert_eq!(told.code, 11, "{told:?}");
    assert!(told.out.contains("changes faster than it can be previewed"), "{told:?}");
    assert!(shop.path("thumbs/late-4.jpg").exists());
    is_tidy(&shop);
}

#[test]
fn without_a_terminal_nothing_is_asked_and_nothing_is_changed() {
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop, 10);
    let before = state(&shop);
    let told = shop.run("restore latest");
    assert_eq!(told.code, 2, "{told:?}");
    let lines = [
        "Error: Nobody could be asked, so nothing was done",
        &format!("Why:  the question is: {QUESTION}"),
        "Hint: answer it with --yes, or at a terminal",
    ];
    assert!(told.err.ends_with(&format!("{}\n", lines.join("\n  "))), "{told:?}");
    assert!(told.out.contains("is lost"), "the preview is shown all the same: {told:?}");
    let told = shop.run("restore latest --json");
    let error = &told.json()["error"];
    assert_eq!(
        (told.code, &error["code"], &error["message"]),
        (2, &json!("confirm_required"), &json!("Nobody could be asked, so nothing was done"))
    );
    assert_eq!(shop.run("undo").code, 10);
    assert_eq!(state(&shop), before);
    assert_eq!(shop.stored().len(), 2);
    is_tidy(&shop);
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    change(&shop, 10);
    let before = state(&shop);
    let json = shop.run("restore latest --dry-run --json").good().json();
    assert_eq!((&json["dry_run"], &json["backup"]), (&json!(true), &json!(id)));
    assert_eq!(json["parts"][0]["path"], json!(shop.path("shop.db").canonicalize().unwrap()));
    let orders = &json["databases"][0]["tables"][0];
    assert_eq!((&orders["name"], &orders["added"], &orders["removed"]), (&json!("orders"), &json!(0), &json!(1)));
    let told = shop.run("restore latest --dry-run").good();
    assert!(told.out.contains("10.jpg") && told.out.contains("replaces"), "{told:?}");
    assert!(told.out.contains("config.yml"), "{told:?}");
    assert_eq!((state(&shop), shop.stored().len()), (before, 2));
    shop.run("restore latest --yes").good();
    let told = shop.run("restore latest --dry-run").good();
    assert!(told.out.contains("Nothing would change"), "latest is the newest that is no safety backup: {told:?}");
}

#[test]
fn what_json_says_of_a_restore_and_an_undo() {
    let shop = Shop::configured();
    let id = shop.back_up("");
    change(&shop, 10);
    let json = shop.run("restore latest --yes --json").good().json();
    assert_eq!((&json["outcome"], &json["backup"], &json["warnings"]), (&json!("good"), &json!(id), &json!([])));
    let names: Vec<&str> =
        json["restored"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["shop", "thumbs", "config.yml"]);
    let safety = json["safety_backup"].as_str().unwrap().to_owned();
    let quiet = shop.run("restore latest --yes --quiet").good().out;
    assert_eq!(quiet.trim().len(), 26, "the id of the safety backup: {quiet}");
    let json = shop.run(&format!("undo {} --yes --json", json["id"].as_str().unwrap())).good().json();
    assert_eq!(json["backup"], json!(safety));
    assert_eq!(state(&shop), "16 [\"10.jpg\", \"a.jpg\", \"b.jpg\", \"half.tmp\"] title: 10\n");
}

#[test]
fn another_application_and_another_version_are_told_with_their_exit_codes() {
    let shop = Shop::new();
    shop.sql("PRAGMA user_version = 5; PRAGMA application_id = 77");
    shop.run("backup --database shop.db").good();
    let run = |sql: &str, words: &str| {
        shop.sql(sql);
        shop.run(&format!("restore latest --yes {words}"))
    };
    let told = run("PRAGMA user_version = 4", "");
    assert_eq!(told.code, 16, "{told:?}");
    assert!(told.err.contains("Backup from newer version, cannot restore"), "{told:?}");
    assert!(told.err.contains("version 4 here, 5 in the backup") && told.err.contains("--force"), "{told:?}");
    let told = run("PRAGMA user_version = 9", "");
    assert_eq!(told.code, 3, "{told:?}");
    assert!(told.out.contains("Backup from older version, may have issues"), "{told:?}");
    shop.run("undo --yes").good();
    let told = run("PRAGMA application_id = 78; PRAGMA user_version = 5", "");
    assert_eq!(told.code, 17, "{told:?}");
    assert!(told.err.contains("The backup is of another application"), "{told:?}");
    let json = run("", "--json").json();
    assert_eq!(json["error"]["code"], json!("another_application"));
    // A preview says it, too, and asks nobody.
    let told = shop.run("restore latest --dry-run");
    assert_eq!(told.code, 17, "{told:?}");
    assert!(told.out.contains("another application"), "{told:?}");
    let told = run("", "--force");
    assert_eq!(told.code, 3, "{told:?}");
    let told = run("PRAGMA application_id = 77; DROP TABLE orders; DROP TABLE empty; CREATE TABLE theirs(x)", "");
    assert_eq!(told.code, 17, "{told:?}");
    assert!(told.err.contains("no table in common"), "{told:?}");
}

#[test]
fn a_database_in_use_is_exit_11_and_nothing_is_changed() {
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop, 10);
    let before = state(&shop);
    let holder = shop.sql("BEGIN IMMEDIATE");
    let told = shop.run("restore latest --yes --wait 0");
    assert_eq!(told.code, 11, "{told:?}");
    assert!(told.err.contains("Cannot restore while database is in use") && told.err.contains("shop.db"), "{told:?}");
    drop(holder);
    assert_eq!((state(&shop), shop.stored().len()), (before, 2));
    is_tidy(&shop);
}

#[test]
fn only_one_of_eight_restores_runs_at_a_time_and_the_others_are_told() {
    let shop = Shop::configured();
    shop.back_up("");
    let original = state(&shop);
    for round in 0..3 {
        change(&shop, 100 + round);
        let start = || {
            let mut command = shop.command(["restore", "latest", "--yes"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..8).map(|_| start()).collect();
        let mut good = 0;
        for mut child in children {
            let mut text = String::new();
            child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
            let code = child.wait().unwrap().code().unwrap();
            good += usize::from(code == 0);
            if code != 0 {
                assert_eq!(code, 11, "{text}");
                assert!(text.contains("Another backup or restore is running"), "{text}");
            }
        }
        assert!(good >= 1);
        assert_eq!(state(&shop), original);
        is_tidy(&shop);
    }
    shop.run("verify --all").good();
}

#[test]
fn to_a_folder_that_is_not_empty_or_cannot_be_made_nothing_is_written() {
    let shop = Shop::configured();
    shop.back_up("");
    let before = state(&shop);
    fs::create_dir(shop.path("full")).unwrap();
    shop.write("full/mine", "mine");
    let told = shop.run("restore latest --to full");
    assert_eq!(told.code, 17, "{told:?}");
    assert!(told.err.contains("is not an empty folder"), "{told:?}");
    assert_eq!(fs::read_dir(shop.path("full")).unwrap().count(), 1);
    let told = shop.run("restore latest --to config.yml");
    assert_eq!(told.code, 17, "{told:?}");
    let told = shop.run("restore latest --to no/such/parent");
    assert_eq!(told.code, 10, "{told:?}");
    assert!(!shop.path("no").exists());
    fs::create_dir(shop.path("empty")).unwrap();
    let told = shop.run("restore latest --to empty").good();
    assert!(told.out.contains("empty/shop.db"), "{told:?}");
    let mut names: Vec<_> = fs::read_dir(shop.path("empty"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["config.yml", "shop.db", "thumbs"]);
    let mode = |name: &str| fs::metadata(shop.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("empty/shop.db"), mode("empty/config.yml")), (0o600, mode("config.yml")));
    let time = |name: &str| fs::metadata(shop.path(name)).unwrap().modified().unwrap();
    assert_eq!(time("empty/config.yml"), time("config.yml"));
    assert_eq!(time("empty/thumbs/a.jpg"), time("thumbs/a.jpg"));
    let told = shop.run("restore latest --only shop:orders --to one").good();
    assert!(told.out.contains("one/shop-orders.db"), "{told:?}");
    shop.run("restore latest --only thumbs/a.jpg --to one-file").good();
    assert_eq!(fs::read_to_string(shop.path("one-file/thumbs/a.jpg")).unwrap(), "a.jpg");
    for wrong in ["thumbs/none.jpg", "shop:none", "none", "thumbs/../config.yml", "thumbs/"] {
        let told = shop.run(&format!("restore latest --only {wrong} --to wrong"));
        assert_eq!(told.code, 10, "{wrong}: {told:?}");
        assert!(!shop.path("wrong").exists(), "{wrong}");
    }
    assert_eq!(state(&shop), before);
    is_tidy(&shop);
}

#[test]
fn several_files_are_named_one_by_one_and_a_comma_belongs_to_a_name() {
    let shop = Shop::configured();
    fs::write(shop.path("thumbs/b,c.jpg"), "a comma").unwrap();
    shop.back_up("");
    shop.run("restore latest --only thumbs/b,c.jpg --only thumbs/a.jpg --to two").good();
    let read = |name: &str| fs::read_to_string(shop.path(name)).unwrap();
    assert_eq!((read("two/thumbs/b,c.jpg"), read("two/thumbs/a.jpg")), ("a comma".into(), "a.jpg".into()));
    assert!(!shop.path("two/config.yml").exists());
}

#[test]
fn names_that_collide_in_a_folder_are_kept_apart() {
    let shop = Shop::new();
    fs::create_dir_all(shop.path("sub/shop.db")).unwrap();
    shop.write("sub/shop.db/x", "a directory that is called like the database");
    shop.write("settings.json", "a file that is called like the settings");
    fs::write(shop.root().join(OsStr::from_bytes(b"thumbs/caf\xe9.jpg")), "odd").unwrap();
    shop.run("backup --database shop.db --directory sub/shop.db --directory thumbs --file settings.json").good();
    let json = shop.run("restore latest --to out --json").good().json();
    let restored = json["restored"].as_array().unwrap();
    assert_eq!(restored.len(), 4, "{json:#}");
    let mut paths: Vec<&str> = restored.iter().map(|part| part["path"].as_str().unwrap()).collect();
    assert!(paths.iter().all(|path| fs::exists(path).unwrap()), "{paths:?}");
    paths.dedup();
    assert_eq!(paths.len(), 4, "{paths:?}");
    assert_eq!(fs::read_to_string(shop.path("out/settings.json")).unwrap(), "a file that is called like the settings");
    assert_eq!(fs::read(shop.root().join(OsStr::from_bytes(b"out/thumbs/caf\xe9.jpg"))).unwrap(), b"odd");
}

#[test]
fn undo_goes_back_step_by_step_and_by_name() {
    let shop = Shop::configured();
    let told = shop.run("undo --yes");
    assert_eq!(told.code, 10, "{told:?}");
    shop.back_up("");
    let mut states = vec![state(&shop)];
    let mut restores = Vec::new();
    for (n, only) in
        [(10, "--only shop"), (20, "--only thumbs --only config.yml"), (30, ""), (40, "--only config.yml"), (50, "")]
    {
        change(&shop, n);
        states.push(state(&shop));
        let json = shop.run(&format!("restore latest --yes --json {only}")).good().json();
        restores.push(json["id"].as_str().unwrap().to_owned());
    }
    // The newest two by themselves, the rest by their names; what is undone is not undone again.
    shop.run("undo --yes").good();
    assert_eq!(state(&shop), states[5]);
    shop.run("undo --yes").good();
    assert!(state(&shop).contains("title: 40"));
    let told = shop.run(&format!("undo --yes {}", restores[0])).good();
    assert!(told.out.contains("Undone"), "{told:?}");
    let told = shop.run("undo --yes no-such-restore");
    assert_eq!(told.code, 10, "{told:?}");
    assert!(told.err.contains("no-such-restore"), "{told:?}");
    shop.run("undo --yes shop").good();
    shop.run("undo --yes").good();
    let told = shop.run("undo --yes");
    assert_eq!((told.code, told.err.contains("There is no restore to undo")), (10, true), "{told:?}");
    shop.run("verify --all").good();
    is_tidy(&shop);
}

#[test]
fn a_backup_elsewhere_is_restored_and_undone_from_there() {
    let shop = Shop::new();
    shop.run("backup --database shop.db --directory thumbs --file config.yml --to elsewhere").good();
    let original = state(&shop);
    change(&shop, 10);
    let changed = state(&shop);
    assert_eq!(shop.run("restore latest --yes").code, 10);
    shop.run("restore latest --at elsewhere --yes").good();
    assert_eq!(state(&shop), original);
    assert!(!shop.path("backups").exists());
    shop.run("undo --at elsewhere --yes").good();
    assert_eq!(state(&shop), changed);
}

#[test]
fn a_damaged_backup_is_exit_13_and_nothing_is_changed() {
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop, 10);
    let before = state(&shop);
    let zip = shop.only("backups/shop", ".zip");
    let mut bytes = fs::read(&zip).unwrap();
    bytes[100..140].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(&zip, &bytes).unwrap();
    for words in ["--yes", "--dry-run", "--to out"] {
        let told = shop.run(&format!("restore latest {words}"));
        assert_eq!(told.code, 13, "{words}: {told:?}");
        assert!(told.err.contains("Backup file is corrupted"), "{words}: {told:?}");
    }
    fs::remove_file(&zip).unwrap();
    let told = shop.run("restore latest --yes");
    assert!([10, 13].contains(&told.code), "{told:?}");
    assert_eq!(state(&shop), before);
    assert!(!shop.path("out").exists());
    is_tidy(&shop);
}
