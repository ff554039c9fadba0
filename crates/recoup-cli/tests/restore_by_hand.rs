//! The pages that tell people what to type, typed literally: `docs/restore-by-hand.md` block by block on a backup
//! of everything that is awkward, and the first commands of the README.
//!
//! Not here: what `recoup` itself restores.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use recoup::format::json::logical_digest;
use recoup::progress::Context;
use rusqlite::Connection;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)).unwrap()
}

/// The shell blocks that follow `mark`, as they stand.
fn blocks(text: &str, mark: &str) -> Vec<String> {
    let after = text.split(mark).skip(1);
    after
        .map(|rest| rest.trim_start().strip_prefix("```sh\n").unwrap().split("```").next().unwrap().to_owned())
        .collect()
}

/// Where a shell finds `recoup`, and the system's own Python, which has what the system's packages bring.
fn path() -> OsString {
    let bin = Path::new(env!("CARGO_BIN_EXE_recoup")).parent().unwrap().to_owned();
    let first = [bin, PathBuf::from("/usr/bin")];
    std::env::join_paths(first.into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap()
}

/// One shell for all of them, in an environment that holds nothing else and knows no UTF-8.
fn type_in(script: &str, variables: &[(&str, &Path)]) -> Output {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", script]).env_clear().env("PATH", path()).env("LC_ALL", "C").current_dir("/");
    let output = shell.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn stamp(path: &Path, seconds: u64, nanoseconds: u32) {
    let time = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    fs::File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// A tree with everything that gets lost.
fn awkward(tree: &Path) {
    fs::create_dir_all(tree.join("deep/er/empty")).unwrap();
    let names: [&[u8]; 16] = [
        b"plain.txt",
        "Gr\u{fc}\u{df}e \u{65e5}\u{672c} \u{1f600}.txt".as_bytes(),
        b"caf\xe9",
        b"caf%E9",
        b"caf%25E9",
        b"100%",
        b"100%.txt",
        b"line\nfeed",
        b"back\\slash",
        b" spaced ",
        b"-rf",
        b"quote'\"$(x)*?[a]",
        b"a:b",
        b"\xff\xfe",
        b"deep/er/\xe4\xf6\xfc.bin",
        b"empty file",
    ];
    for (n, name) in names.into_iter().enumerate() {
        let path = tree.join(OsStr::from_bytes(name));
        fs::write(&path, if name == b"empty file" { vec![] } else { [name, &b" "[..]].concat().repeat(100 * n) })
            .unwrap();
        fs::set_permissions(&path, Permissions::from_mode([0o644, 0o600, 0o755, 0o444][n % 4])).unwrap();
        stamp(&path, 1_000_000_001 + 86_400 * n as u64, 123_456_789 + n as u32);
    }
    let odd = tree.join(OsStr::from_bytes(b"dir\xe9ctory"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("inside"), "inside").unwrap();
    fs::hard_link(tree.join("plain.txt"), tree.join("zz second name")).unwrap();
    fs::hard_link(tree.join(OsStr::from_bytes(b"caf\xe9")), odd.join(OsStr::from_bytes(b"third\xff"))).unwrap();
    symlink("../plain.txt", tree.join("deep/link")).unwrap();
    symlink("nowhere/at all", tree.join("dangling")).unwrap();
    symlink("deep/er", tree.join("to a directory")).unwrap();
    symlink(OsStr::from_bytes(b"caf\xe9"), tree.join(OsStr::from_bytes(b"l\xefnk"))).unwrap();
    fs::set_permissions(tree.join("deep/er"), Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(&odd, Permissions::from_mode(0o750)).unwrap();
    for (n, folder) in ["deep/er/empty", "deep/er", "deep", ""].into_iter().enumerate() {
        stamp(&tree.join(folder), 1_234_567_890, n as u32 + 1);
    }
    stamp(&odd, 999_999_999, 999_999_999);
}

/// Kind and mode, user, group, time in seconds and nanoseconds, the first of its names, bytes or target.
type Told = (u32, u32, u32, i64, i64, Vec<u8>, Vec<u8>);

/// All that must come back, by name.
fn told(root: &Path) -> BTreeMap<Vec<u8>, Told> {
    let mut found = BTreeMap::new();
    let mut first_names = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    let mut paths: Vec<PathBuf> = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.symlink_metadata().unwrap().is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        paths.push(path);
    }
    paths.sort();
    for path in paths {
        let meta = path.symlink_metadata().unwrap();
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let first = first_names.entry(meta.ino()).or_insert_with(|| name.clone()).clone();
        let content = match () {
            () if meta.is_symlink() => fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec(),
            () if meta.is_file() => fs::read(&path).unwrap(),
            () => Vec::new(),
        };
        found.insert(name, (meta.mode(), meta.uid(), meta.gid(), meta.mtime(), meta.mtime_nsec(), first, content));
    }
    found
}

#[test]
fn the_page_restore_by_hand_brings_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let [app, backups, scratch] = ["app", "backups", "scratch"].map(|name| folder.path().join(name));
    fs::create_dir_all(app.join("tree")).unwrap();
    fs::create_dir(&scratch).unwrap();
    awkward(&app.join("tree"));
    let database = Connection::open(app.join("shop.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA user_version = 7; CREATE TABLE t(a, b);
             INSERT INTO t VALUES (1, 'in the log alone'), (2, x'00ff'); CREATE INDEX i ON t(b)",
        )
        .unwrap();
    let before = told(&app.join("tree"));

    let backup = "recoup backup --database \"$APP/shop.db\" --directory \"$APP/tree\" --to \"$BACKUPS\" >&2";
    type_in(backup, &[("APP", &app), ("BACKUPS", &backups)]);
    drop(database);
    assert_eq!(told(&app.join("tree")), before, "the backup changed its source");

    let text = page("docs/restore-by-hand.md");
    let blocks = blocks(&text, "<!-- run -->");
    assert_eq!(blocks.len(), 4);
    let plan = fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let plan = plan.filter(|name| !name.starts_with('.')).collect::<Vec<_>>().pop().unwrap();
    let variables = [("BACKUPS", backups.as_path()), ("PLAN", Path::new(&plan)), ("SCRATCH", scratch.as_path())];
    let output = type_in(&blocks.concat(), &variables);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("ok ") && said.contains("\nt\n"), "{said}");

    let after = told(&scratch.join("directories/tree"));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (name, entry) in &before {
        assert_eq!(entry, &after[name], "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(before.len(), 28);
    let digest = |database: PathBuf| logical_digest(&database, &Context::quiet()).unwrap();
    assert_eq!(digest(app.join("shop.db")), digest(scratch.join("database.db")));
}

/// Tables of every kind, and values that JSON has no word for.
const ODD: &str = "PRAGMA page_size = 8192; PRAGMA user_version = 9; PRAGMA application_id = 77;
    CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a, b TEXT, c REAL);
    INSERT INTO t(a, b, c) VALUES (9223372036854775807, 'x', 9e999), (x'00ff', CAST(x'ff41' AS TEXT), -0.0), (NULL, '', 0.1);
    DELETE FROM t WHERE id = 3; INSERT INTO t(a) VALUES (4);
    CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES ('a', 1), ('b', 2);
    CREATE TABLE log(n); CREATE TRIGGER noisy AFTER INSERT ON w BEGIN INSERT INTO log VALUES (1); END;
    CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words VALUES ('bowl and spoon');
    CREATE INDEX by_b ON t(b); CREATE VIEW v AS SELECT count(*) AS n FROM t;";

#[test]
fn the_page_imports_a_json_export_and_a_database_and_finds_what_a_restore_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let [app, scratch] = ["app", "scratch"].map(|name| folder.path().join(name));
    fs::create_dir_all(&app).unwrap();
    fs::create_dir(&scratch).unwrap();
    let database = app.join("shop.db");
    Connection::open(&database).unwrap().execute_batch(ODD).unwrap();
    let [json, plain] = ["json", "database"].map(|format| folder.path().join(format));
    for (format, to) in [("json", &json), ("database", &plain)] {
        let script = format!("recoup backup --database \"$APP/shop.db\" --format {format} --to \"$TO\" >&2");
        type_in(&script, &[("APP", &app), ("TO", to)]);
    }
    let stored = |at: &Path, ending: &str| {
        let files = fs::read_dir(at.join("shop")).unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter(|path| {
            path.to_str().unwrap().ends_with(ending) && !path.to_str().unwrap().ends_with(".manifest.json")
        });
        files.next().unwrap()
    };
    let text = page("docs/restore-by-hand.md");
    let digest = |database: &Path| logical_digest(database, &Context::quiet()).unwrap();
    let one = |mark: &str| blocks(&text, mark).remove(0);

    let output = type_in(&one("<!-- run json -->"), &[("EXPORT", &stored(&json, ".json")), ("SCRATCH", &scratch)]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "ok");
    assert_eq!(digest(&scratch.join("imported.db")), digest(&database));

    type_in(&one("<!-- run database -->"), &[("STORED", &stored(&plain, ".db")), ("SCRATCH", &scratch)]);
    assert_eq!(digest(&scratch.join("shop.db")), digest(&database));

    Connection::open(&database).unwrap().execute_batch("DELETE FROM w").unwrap();
    type_in("recoup restore latest --at \"$BACKUPS\" --yes >&2", &[("BACKUPS", &plain)]);
    let output = type_in(&one("<!-- run undo -->"), &[("BACKUPS", &plain), ("PLAN", Path::new("shop"))]);
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let manifest = fs::read_to_string(plain.join("shop").join(&found)).unwrap();
    assert!(manifest.contains("pre_restore"), "{found}");
}

/// Types at a terminal, as a person does: the shell runs the script, and whoever asks for a passphrase gets it.
const TYPIST: &str = r#"
import os, pty, sys
script, answer = sys.argv[1:3]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-e", "-c", script])
told = b""
while True:
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        break
    if not chunk:
        break
    told += chunk
    if b"passphrase" in chunk:
        os.write(terminal, answer.encode() + b"\n")
sys.stdout.buffer.write(told)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn the_page_opens_encrypted_backups_with_age_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [app, backups, post, scratch, again] =
        ["app", "backups", "post", "scratch", "again"].map(|n| folder.path().join(n));
    for made in [&app, &scratch, &again] {
        fs::create_dir(made).unwrap();
    }
    fs::write(app.join("words"), "by hand only\n").unwrap();
    fs::write(folder.path().join("passphrase"), "correct horse battery staple\n").unwrap();
    let identity = folder.path().join("key.txt");
    let script = "recoup backup --file \"$APP/words\" --to \"$BACKUPS\" --passphrase-file \"$HERE/passphrase\" >&2
        recipient=$(recoup keys new --quiet --out \"$HERE/key.txt\")
        recoup backup --file \"$APP/words\" --to \"$POST\" --recipient \"$recipient\" --identity \"$HERE/key.txt\" >&2";
    type_in(script, &[("APP", &app), ("BACKUPS", &backups), ("POST", &post), ("HERE", folder.path())]);
    let text = page("docs/restore-by-hand.md");

    let run = |answer: &str| {
        let mut typist = Command::new("python3");
        let block = blocks(&text, "<!-- run encrypted -->").remove(0);
        typist
            .args(["-c", TYPIST, &block, answer])
            .env("BACKUPS", &backups)
            .env("PLAN", "words")
            .env("SCRATCH", &scratch);
        typist.output().unwrap()
    };
    assert!(!run("wrong horse").status.success());
    let output = run("correct horse battery staple");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let found = |root: &Path| fs::read_to_string(root.join("open/files/words")).unwrap();
    assert_eq!(found(&scratch), "by hand only\n");

    let variables =
        [("BACKUPS", post.as_path()), ("PLAN", Path::new("words")), ("SCRATCH", &again), ("IDENTITY", &identity)];
    type_in(&blocks(&text, "<!-- run recipients -->").remove(0), &variables);
    assert_eq!(found(&again), "by hand only\n");
    let whole = fs::read_to_string(again.join("manifest.json")).unwrap();
    assert!(whole.contains("\"origin\"") && whole.contains("manifest_sha256"), "{whole}");
}

/// Manifests of a plan, the oldest first.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = found.filter(|path| path.to_str().unwrap().ends_with(".manifest.json")).collect();
    let made = |path: &PathBuf| {
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        manifest["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    found.sort_by_key(made);
    found
}

#[test]
fn the_page_restores_every_backup_of_a_history() {
    let text = page("docs/restore-by-hand.md");
    let script = blocks(&text, "<!-- run history -->").remove(0);
    assert!(script.lines().count() <= 82, "a page of Python and two lines of shell");
    let folder = tempfile::tempdir().unwrap();
    let [app, plain, archives] = ["app", "plain", "archives"].map(|name| folder.path().join(name));
    fs::create_dir_all(app.join("tree")).unwrap();
    let database = Connection::open(app.join("shop.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, note TEXT); CREATE TABLE photos(photo)",
        )
        .unwrap();
    database.execute("INSERT INTO photos VALUES (randomblob(300000))", []).unwrap();
    let grow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO t(note) SELECT hex(randomblob(40)) FROM n";
    let mut states = Vec::new();
    for day in 0..4 {
        // The first one takes more than one window.
        database.execute(grow, [if day == 0 { 60_000 } else { 300 }]).unwrap();
        database.execute("UPDATE t SET note = 'day ' || ?1 WHERE id % 97 = ?1", [day]).unwrap();
        // Neither these nor what they replace compresses; nor does a text from which nothing can be taken over.
        database.execute_batch("UPDATE photos SET photo = randomblob(300000)").unwrap();
        database.execute_batch("UPDATE t SET note = hex(randomblob(40)) WHERE id BETWEEN 20000 AND 24000").unwrap();
        fs::write(app.join(format!("tree/{}", 9 - day)), format!("file {day}\n").repeat(2000)).unwrap();
        let backups = "recoup backup --database \"$APP/shop.db\" --format database --to \"$PLAIN\" --layout history >&2
            recoup backup --database \"$APP/shop.db\" --directory \"$APP/tree\" --to \"$ARCHIVES\" --layout history >&2";
        type_in(backups, &[("APP", &app), ("PLAIN", &plain), ("ARCHIVES", &archives)]);
        database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        states.push((logical_digest(&app.join("shop.db"), &Context::quiet()).unwrap(), told(&app.join("tree"))));
    }
    for (kind, backups) in [("db", plain.join("shop")), ("zip", archives.join("shop"))] {
        let manifests = manifests(&backups);
        assert_eq!(manifests.len(), states.len());
        for (manifest, (digest, tree)) in manifests.iter().zip(&states) {
            let scratch = tempfile::tempdir().unwrap();
            type_in(&script, &[("MANIFEST", manifest), ("SCRATCH", scratch.path())]);
            let stem = manifest.file_name().unwrap().to_str().unwrap().strip_suffix(".manifest.json").unwrap();
            let made: Vec<_> = fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
            assert_eq!(made, [OsString::from(format!("{stem}.{kind}"))]);
            let made = scratch.path().join(&made[0]);
            if kind == "db" {
                assert_eq!(logical_digest(&made, &Context::quiet()).unwrap(), *digest);
                continue;
            }
            type_in("unzip -q \"$ZIP\" -d \"$SCRATCH\"", &[("ZIP", &made), ("SCRATCH", scratch.path())]);
            assert_eq!(logical_digest(&scratch.path().join("database.db"), &Context::quiet()).unwrap(), *digest);
            let content = |tree: &BTreeMap<Vec<u8>, Told>| -> Vec<(Vec<u8>, Vec<u8>)> {
                tree.iter().map(|(name, entry)| (name.clone(), entry.6.clone())).collect()
            };
            assert_eq!(content(&told(&scratch.path().join("directories/tree"))), content(tree));
        }
    }
    // One bit of the second piece: the first backup does not need it, the last one does.
    let manifests = manifests(&plain.join("shop"));
    let piece = manifests[1].to_str().unwrap().replace(".manifest.json", ".history");
    let mut bytes = fs::read(&piece).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&piece, bytes).unwrap();
    for (manifest, good) in [(&manifests[0], true), (&manifests[3], false)] {
        let scratch = tempfile::tempdir().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &script]).env("PATH", path()).env("MANIFEST", manifest).env("SCRATCH", scratch.path());
        let output = shell.output().unwrap();
        assert_eq!(output.status.success(), good);
        assert!(good || String::from_utf8_lossy(&output.stderr).contains(".history is damaged"));
    }
}

#[test]
fn the_page_opens_an_encrypted_history_with_age_and_python() {
    let folder = tempfile::tempdir().unwrap();
    let [app, backups, post] = ["app", "backups", "post"].map(|name| folder.path().join(name));
    fs::create_dir(&app).unwrap();
    fs::write(folder.path().join("passphrase"), "correct horse battery staple\n").unwrap();
    let identity = folder.path().join("key.txt");
    type_in("recoup keys new --quiet --out \"$KEY\" > \"$KEY.public\"", &[("KEY", &identity)]);
    let database = Connection::open(app.join("shop.db")).unwrap();
    database.execute_batch(ODD).unwrap();
    let mut states = Vec::new();
    for day in 0..3 {
        database.execute("INSERT INTO log SELECT ?1 FROM sqlite_schema", [day]).unwrap();
        let script = "what=\"--database $APP/shop.db --format database --layout history\"
            recoup backup $what --to \"$BACKUPS\" --passphrase-file \"$HERE/passphrase\" >&2
            recoup backup $what --to \"$POST\" --recipient \"$(cat \"$KEY.public\")\" --identity \"$KEY\" >&2";
        let cache = folder.path().join("cache");
        let variables = [("APP", app.as_path()), ("BACKUPS", &backups), ("POST", &post), ("HERE", folder.path())];
        type_in(script, &[&variables[..], &[("KEY", &identity), ("XDG_CACHE_HOME", &cache)]].concat());
        states.push(logical_digest(&app.join("shop.db"), &Context::quiet()).unwrap());
    }
    let text = page("docs/restore-by-hand.md");
    let block = |mark: &str| blocks(&text, mark).remove(0);
    let (key, script) = (block("<!-- run history key -->"), block("<!-- run history -->"));
    let digest = |scratch: &Path, manifest: &Path| {
        let name = manifest.file_name().unwrap().to_str().unwrap().replace(".manifest.json", ".db");
        logical_digest(&scratch.join(name), &Context::quiet()).unwrap()
    };

    let made = manifests(&post.join("shop"));
    assert_eq!(made.len(), states.len());
    for (manifest, state) in made.iter().zip(&states) {
        let scratch = tempfile::tempdir().unwrap();
        type_in(&script, &[("MANIFEST", manifest), ("SCRATCH", scratch.path()), ("IDENTITY", &identity)]);
        assert_eq!(digest(scratch.path(), manifest), *state);
    }

    let manifest = manifests(&backups.join("shop")).remove(2);
    let scratch = tempfile::tempdir().unwrap();
    let mut typist = Command::new("python3");
    typist.args(["-c", TYPIST, &key, "correct horse battery staple"]).env("PATH", path());
    typist.env("MANIFEST", &manifest).env("SCRATCH", scratch.path());
    let output = typist.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let key = scratch.path().join("key.txt");
    type_in(&script, &[("MANIFEST", &manifest), ("SCRATCH", scratch.path()), ("IDENTITY", &key)]);
    assert_eq!(digest(scratch.path(), &manifest), states[2]);
}

#[test]
fn one_minute_to_the_first_restore_as_the_readme_says() {
    let folder = tempfile::tempdir().unwrap();
    let [shop, backups, look] = ["srv/shop", "mnt/backups", "tmp/look"].map(|name| folder.path().join(name));
    fs::create_dir_all(shop.join("pictures")).unwrap();
    fs::create_dir_all(&backups).unwrap();
    fs::create_dir_all(folder.path().join("tmp")).unwrap();
    fs::write(shop.join("pictures/a.jpg"), "a").unwrap();
    let database = Connection::open(shop.join("shop.db")).unwrap();
    database.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
    let script = blocks(&page("README.md"), "## One minute to the first restore").remove(0);
    assert!(script.matches("recoup ").count() >= 7, "{script}");
    let here = |path: &Path| path.to_str().unwrap().to_owned();
    let script = script.replace("/srv/shop", &here(&shop)).replace("/mnt/backups", &here(&backups));
    let script = script.replace("/tmp/look", &here(&look));
    // The shop goes on between the proof and the restore.
    let (before, after) = script.split_at(script.find("recoup restore").unwrap());
    let output = type_in(before, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("Backed up"), "{said}");
    let stored = fs::read_dir(&backups).unwrap().map(|entry| entry.unwrap().path());
    let stored: Vec<_> = stored.filter(|path| !path.file_name().unwrap().as_bytes().starts_with(b".")).collect();
    assert_eq!(fs::read_dir(&stored[0]).unwrap().count(), 2, "a ZIP and a manifest");

    database.execute_batch("INSERT INTO t VALUES (2); DELETE FROM t WHERE a = 1").unwrap();
    fs::write(shop.join("pictures/b.jpg"), "b").unwrap();
    let rows = || -> String { database.query_row("SELECT group_concat(a) FROM t", [], |row| row.get(0)).unwrap() };
    let (restore, undo) = after.split_at(after.find("recoup undo").unwrap());
    let output = type_in(restore, &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("1 comes back") && said.contains("1 is lost"), "{said}");
    assert_eq!((rows(), shop.join("pictures/b.jpg").exists()), ("1".to_owned(), false));
    let fresh = Connection::open(look.join("shop.db")).unwrap();
    assert_eq!(fresh.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    assert_eq!(fs::read_to_string(look.join("pictures/a.jpg")).unwrap(), "a");
    type_in(undo, &[]);
    assert_eq!((rows(), shop.join("pictures/b.jpg").exists()), ("2".to_owned(), true));
}
