//! Restores in hard places: mounts, read-only and full file systems, immutable files, other users. Each in a mount
//! namespace or as a user of its own; these need root and pass without a word elsewhere.
//!
//! Not here: what a restore does on ordinary ground (`restore`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use shop::{Shop, Told};

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn told(mut command: Command) -> Told {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Told {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a script in a mount namespace of its own, in the shop; `$R` is `recoup`.
fn in_namespace(shop: &Shop, script: &str) -> Told {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script]).current_dir(shop.root()).env_clear();
    command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", shop.root())
        .env("R", env!("CARGO_BIN_EXE_recoup"));
    command.env("TMPDIR", std::env::temp_dir());
    told(command)
}

/// Runs `recoup` as somebody who is nobody.
fn as_user(shop: &Shop, uid: u32, words: &str) -> Told {
    let uid = uid.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]);
    // Whoever runs it must be able to reach it.
    let program = shop.path("recoup");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_recoup"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    command.arg(program).args(words.split_whitespace()).current_dir(shop.root()).env_clear();
    command.env("HOME", "/nonexistent").env("TMPDIR", "/tmp").env("PATH", "/usr/bin:/bin");
    told(command)
}

/// Gives everything in a shop to somebody.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), uid));
    }
}

fn change(shop: &Shop) {
    shop.sql("INSERT INTO orders (total) VALUES (100)");
    shop.write("thumbs/new.jpg", "new");
    shop.write("config.yml", "title: changed\n");
}

fn sum(shop: &Shop) -> i64 {
    shop.sql("").query_row("SELECT sum(total) FROM orders", [], |row| row.get(0)).unwrap()
}

/// Everything below, with modes and bytes, without what comes and goes with connections.
fn everything(root: &Path) -> Vec<String> {
    fn walk(at: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if name.ends_with("-wal") || name.ends_with("-shm") {
                continue;
            }
            let bytes = if meta.is_file() { fs::read(&path).unwrap() } else { vec![] };
            let sum: u64 = bytes.iter().zip(1..).map(|(byte, n)| u64::from(*byte) * n).sum();
            found.push(format!("{name} {:o} {}:{} {} {sum}", meta.mode(), meta.uid(), meta.gid(), bytes.len()));
            if meta.is_dir() {
                walk(&path, root, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

#[test]
fn the_owner_and_mode_of_what_was_there_stay() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop);
    for name in ["shop.db", "config.yml"] {
        std::os::unix::fs::chown(shop.path(name), Some(1234), Some(4321)).unwrap();
        fs::set_permissions(shop.path(name), fs::Permissions::from_mode(0o640)).unwrap();
    }
    shop.run("restore latest --yes").good();
    for name in ["shop.db", "config.yml"] {
        let meta = fs::metadata(shop.path(name)).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (1234, 4321, 0o640), "{name}");
    }
    // Also when the file itself is new: another page size in WAL mode, and then a file that is gone.
    shop.sql("PRAGMA journal_mode=DELETE; PRAGMA page_size=8192; VACUUM; PRAGMA journal_mode=WAL");
    shop.run("restore latest --yes").good();
    let meta = fs::metadata(shop.path("shop.db")).unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o777), (1234, 4321, 0o640));
    assert_eq!(sum(&shop), 6);
}

#[test]
fn a_user_restores_what_is_theirs_and_read_only_folders_too() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    fs::create_dir_all(shop.path("thumbs/deep/er")).unwrap();
    shop.write("thumbs/deep/er/x", "x");
    shop.write("thumbs/secret", "secret");
    give(shop.root(), 1234);
    let mode = |name: &str, mode: u32| fs::set_permissions(shop.path(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("thumbs/secret", 0o400);
    mode("thumbs/deep/er", 0o555);
    mode("thumbs/deep", 0o555);
    mode("thumbs", 0o555);
    as_user(&shop, 1234, "backup").good();
    let thumbs = || everything(&shop.path("thumbs"));
    let original = thumbs();
    // In it is what the plan leaves out, so the folder is exchanged piece by piece.
    mode("thumbs", 0o755);
    shop.write("thumbs/b.jpg", "changed");
    give(&shop.path("thumbs/b.jpg"), 1234);
    mode("thumbs/deep", 0o755);
    shop.write("thumbs/deep/more", "more");
    give(&shop.path("thumbs/deep/more"), 1234);
    mode("thumbs/deep", 0o555);
    mode("thumbs", 0o555);
    let changed = thumbs();
    as_user(&shop, 1234, "restore latest --yes").good();
    assert_eq!(thumbs(), original);
    as_user(&shop, 1234, "undo --yes").good();
    assert_eq!(thumbs(), changed);
    // And as a whole.
    mode("thumbs", 0o755);
    fs::remove_file(shop.path("thumbs/half.tmp")).unwrap();
    mode("thumbs", 0o555);
    let changed = thumbs();
    as_user(&shop, 1234, "restore latest --yes").good();
    assert_eq!(fs::read_to_string(shop.path("thumbs/b.jpg")).unwrap(), "b.jpg");
    assert_eq!(fs::metadata(shop.path("thumbs")).unwrap().mode() & 0o777, 0o555);
    as_user(&shop, 1234, "undo --yes").good();
    assert_eq!(thumbs(), changed);
    assert!(!shop.path(".recoup-restore").exists());
}

#[test]
fn without_permission_nothing_is_changed_and_it_is_said_whose_it_is() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    give(shop.root(), 1234);
    as_user(&shop, 1234, "backup").good();
    change(&shop);
    give(shop.root(), 1234);
    // Another user: may not even read the backups.
    fs::set_permissions(shop.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let before = everything(shop.root());
    let denied = as_user(&shop, 4321, "restore latest --yes");
    assert_eq!(denied.code, 12, "{denied:?}");
    // One who may read them, and the data, and write to neither.
    for name in ["backups", "backups/shop"] {
        fs::set_permissions(shop.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for entry in fs::read_dir(shop.path("backups/shop")).unwrap() {
        fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let readable = everything(shop.root());
    assert_ne!(before, readable);
    let denied = as_user(&shop, 4321, "restore latest --yes");
    assert_eq!(denied.code, 12, "{denied:?}");
    assert_eq!(everything(shop.root()), readable);
    as_user(&shop, 4321, "restore latest --to /tmp/recoup-4321-never/x");
    assert!(!Path::new("/tmp/recoup-4321-never").exists());
    // The folder is open to all, what lies in it belongs to somebody else: it would be theirs no more.
    fs::set_permissions(shop.root(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(shop.path("backups"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(shop.path("backups/shop"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(shop.path("backups/.recoup"), fs::Permissions::from_mode(0o777)).unwrap();
    let open = everything(shop.root());
    let denied = as_user(&shop, 4321, "restore latest --yes --only config.yml");
    assert_eq!(denied.code, 12, "{denied:?}");
    assert!(denied.err.contains("uid 1234"), "{denied:?}");
    assert_eq!(everything(shop.root()), open);
    as_user(&shop, 1234, "restore latest --yes").good();
    assert_eq!(fs::read_to_string(shop.path("config.yml")).unwrap(), "title: Lighthouse\n");
}

#[test]
fn a_restore_that_root_began_is_told_to_others() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    give(shop.root(), 1234);
    as_user(&shop, 1234, "backup").good();
    // As after a crash of root's restore.
    fs::create_dir_all(shop.path(".recoup-restore/01ARZ3NDEKTSV4RRFFQ69G5FAV")).unwrap();
    fs::set_permissions(shop.path(".recoup-restore"), fs::Permissions::from_mode(0o700)).unwrap();
    for words in ["backup", "restore latest --yes"] {
        let busy = as_user(&shop, 1234, words);
        assert_eq!(busy.code, 11, "{words}: {busy:?}");
        assert!(busy.err.contains("another user (uid 0)") && busy.err.contains("doctor --repair"), "{words}: {busy:?}");
    }
    // Root's next command sees that nothing was changed yet.
    shop.run("doctor --repair");
    assert!(!shop.path(".recoup-restore").exists());
    as_user(&shop, 1234, "backup").good();
}

#[test]
fn read_only_places_are_told_before_anything_is_changed() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop);
    // The data's disk is read-only, the backups' is not.
    let before = everything(shop.root());
    let script = "mount --bind backups backups; mount --bind . /mnt; mount -o remount,bind,ro /mnt
        mount --bind backups /mnt/backups; cd /mnt; $R restore latest --yes || echo exit $?";
    let said = in_namespace(&shop, script);
    // The plan's own paths are below /mnt now, where nothing can be written.
    assert!(said.out.contains("exit 12"), "{said:?}");
    assert!(said.err.contains("Read-only file system"), "{said:?}");
    assert_eq!(everything(shop.root()), before);

    // The backups' disk is read-only: no safety backup, no restore (the backup itself is good).
    let script =
        "mount --bind backups backups; mount -o remount,bind,ro backups; $R restore latest --yes || echo exit $?";
    let said = in_namespace(&shop, script);
    assert!(said.out.contains("exit 12"), "{said:?}");
    assert!(said.err.contains("safety backup"), "{said:?}");
    assert_eq!(everything(shop.root()), before);
}

#[test]
fn an_immutable_file_is_told_and_everything_else_is_put_back() {
    if !is_root() {
        return;
    }
    for name in ["config.yml", "shop.db", "thumbs/b.jpg", "thumbs"] {
        let shop = Shop::configured();
        shop.back_up("");
        change(&shop);
        fs::remove_file(shop.path("thumbs/half.tmp")).unwrap();
        let fixed = Command::new("chattr").arg("+i").arg(shop.path(name)).output().unwrap();
        if !fixed.status.success() {
            return; // Not every file system has it.
        }
        let before = everything(shop.root());
        let said = shop.run("restore latest --yes");
        let after = everything(shop.root());
        assert!(Command::new("chattr").args(["-f", "-i"]).arg(shop.path(name)).output().is_ok());
        if name == "thumbs/b.jpg" {
            // The folder around it was exchanged, and the file went with the old one.
            assert_eq!(said.code, 3, "{said:?}");
            assert!(said.out.contains("could not be removed") && said.out.contains(".recoup-restore"), "{said:?}");
            assert_eq!(sum(&shop), 6);
            let fixed = Command::new("chattr").args(["-R", "-i"]).arg(shop.path(".recoup-restore")).status();
            assert!(fixed.unwrap().success());
            shop.run("doctor --repair");
            assert!(!shop.path(".recoup-restore").exists());
            continue;
        }
        assert_eq!(said.code, 12, "{name}: {said:?}");
        assert_eq!(after, before, "{name}");
        shop.run("restore latest --yes").good();
        assert_eq!(sum(&shop), 6);
    }
}

/// Makes a tmpfs the place of `thumbs` and so on, backs up, changes, restores, looks, undoes, looks.
fn there_and_back(shop: &Shop, mounts: &str) {
    let script = format!(
        "{mounts}
        $R backup --quiet >&2
        look() {{ cat config.yml; (cd thumbs; for f in $(find . -type f | sort); do echo $f $(cat $f); done); }}
        look > /tmp/recoup-a.$$; echo changed > thumbs/a.jpg; echo new > thumbs/new.jpg; rm thumbs/b.jpg
        look > /tmp/recoup-b.$$
        $R restore latest --yes >&2; look > /tmp/recoup-c.$$; cmp /tmp/recoup-a.$$ /tmp/recoup-c.$$
        $R undo --yes >&2; look > /tmp/recoup-d.$$; cmp /tmp/recoup-b.$$ /tmp/recoup-d.$$
        rm /tmp/recoup-[abcd].$$; find . -name .recoup-restore"
    );
    let said = in_namespace(shop, &script);
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{mounts}: {said:?}");
}

#[test]
fn a_directory_that_is_a_mount_point_is_exchanged_inside() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    there_and_back(&shop, "cp -r thumbs copy; mount -t tmpfs none thumbs; cp copy/* thumbs");
    let shop = Shop::configured();
    there_and_back(&shop, "cp -r thumbs other; mount --bind other thumbs");
    let shop = Shop::configured();
    there_and_back(
        &shop,
        "cp -r thumbs other; mkdir thumbs/inner; mount --bind other thumbs; mkdir -p thumbs/sub; echo s > thumbs/sub/s",
    );
}

#[test]
fn a_database_that_is_a_mounted_file_is_written_through_sqlite() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    shop.sql("PRAGMA journal_mode=DELETE");
    let script = "cp shop.db elsewhere.db; mount --bind elsewhere.db shop.db
        $R backup --quiet >&2; sqlite3 shop.db 'DELETE FROM orders'; $R restore latest --yes >&2
        sqlite3 shop.db 'SELECT sum(total) FROM orders'; $R undo --yes >&2; sqlite3 shop.db 'SELECT count(*) FROM orders'
        umount shop.db; sqlite3 shop.db 'SELECT sum(total) FROM orders'; sqlite3 elsewhere.db 'SELECT count(*) FROM orders'";
    let said = in_namespace(&shop, script);
    assert_eq!((said.code, said.out.as_str()), (0, "6\n0\n6\n0\n"), "{said:?}");
}

#[test]
fn a_file_that_is_a_mount_is_refused_and_everything_is_as_it_was() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    shop.back_up("");
    change(&shop);
    let script = "cp config.yml elsewhere.yml; mount --bind elsewhere.yml config.yml; rm thumbs/b.jpg
        $R restore latest --yes || echo exit $?; cat config.yml; ls thumbs; sqlite3 shop.db 'SELECT sum(total) FROM orders'";
    let said = in_namespace(&shop, script);
    assert_eq!(said.out, "exit 11\ntitle: changed\na.jpg\nhalf.tmp\nnew.jpg\n106\n", "{said:?}");
    assert!(said.err.contains("config.yml, it is a mount point") && said.err.contains("--to DIR"), "{said:?}");
    assert!(!shop.path(".recoup-restore").exists());
    assert_eq!(shop.stored().iter().filter(|name| name.ends_with(".zip")).count(), 1, "no safety backup is left");
}

#[test]
fn a_mount_inside_a_directory_is_never_moved_and_never_emptied() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    // Empty when the backup was made and when it is restored; then with somebody's data in it.
    for (inside, fits) in [("true", true), ("echo precious > thumbs/mnt/x", true), ("mkdir thumbs/mnt/deep", true)] {
        for mount in ["mount -t tmpfs none thumbs/mnt", "mkdir -p other; mount --bind other thumbs/mnt"] {
            let script = format!(
                "rm -rf backups other thumbs/mnt; mkdir thumbs/mnt; echo a.jpg > thumbs/a.jpg
                $R backup --quiet >&2
                {mount}; {inside}; find thumbs/mnt | sort > /tmp/recoup-m.$$; echo changed > thumbs/a.jpg
                $R restore latest --yes >&2 || test $? = 3; cat thumbs/a.jpg; find thumbs/mnt | sort | cmp - /tmp/recoup-m.$$
                grep -c $(pwd)/thumbs/mnt /proc/self/mountinfo; rm /tmp/recoup-m.$$; ls -d .recoup-restore || true"
            );
            let said = in_namespace(&shop, &script);
            assert_eq!((said.code, said.out.as_str(), fits), (0, "a.jpg\n1\n", true), "{mount}, {inside}: {said:?}");
        }
    }
    // The backup has something for the mounted place: no rename leads there, and nothing is copied instead.
    let script = "rm -rf backups thumbs/mnt; mkdir thumbs/mnt; echo 1 > thumbs/mnt/y; $R backup --quiet >&2
        mount -t tmpfs none thumbs/mnt; echo changed > thumbs/a.jpg
        $R restore latest --yes || echo exit $?; cat thumbs/a.jpg; ls thumbs/mnt";
    let said = in_namespace(&shop, script);
    assert_eq!(said.out, "exit 16\nchanged\n", "{said:?}");
    assert!(said.err.contains("other file system") || said.err.contains("another file system"), "{said:?}");
    assert!(said.err.contains("thumbs/mnt") && said.err.contains("--to DIR"), "{said:?}");
    assert!(!shop.path(".recoup-restore").exists());
}

#[test]
fn not_enough_space_is_told_before_anything_is_changed() {
    if !is_root() {
        return;
    }
    let shop = Shop::configured();
    // The data's disk has no room for a second copy, the backups' disk has.
    let script = "mkdir small; mount -t tmpfs -o size=9m none small; cp shop.db small/; cd small; mkdir ../kept
        sqlite3 shop.db 'CREATE TABLE big(x); INSERT INTO big VALUES (randomblob(4000000))'
        $R backup --quiet --database shop.db --to ../kept >&2; sqlite3 shop.db 'DELETE FROM orders'
        $R restore latest --at ../kept --yes || echo exit $?
        sqlite3 shop.db 'SELECT count(*) FROM orders'; ls -A | grep -v -- '-wal\\|-shm'; ls ../kept/shop | wc -l";
    let said = in_namespace(&shop, script);
    assert_eq!(said.out, "exit 15\n0\nshop.db\n2\n", "{said:?}");
    assert!(said.err.contains("Not enough disk space") && said.err.contains("are needed"), "{said:?}");
    // The backups' disk has no room for the safety backup.
    let script = "mkdir full; mount -t tmpfs -o size=6m none full
        sqlite3 shop.db 'CREATE TABLE big(x); INSERT INTO big VALUES (randomblob(3000000))'
        $R backup --quiet --database shop.db --to full >&2; sqlite3 shop.db 'DELETE FROM orders'
        $R restore latest --at full --yes || echo exit $?; sqlite3 shop.db 'SELECT count(*) FROM orders'; find full -name '*.manifest.json' -o -name '*.zip' | wc -l";
    let said = in_namespace(&shop, script);
    assert_eq!(said.out, "exit 15\n0\n2\n", "{said:?}");
    assert!(said.err.contains("Not enough disk space") && said.err.contains("safety backup"), "{said:?}");
    assert!(!shop.path(".recoup-restore").exists());
}
