//! Hooks as a plan of recoup.toml declares them: what runs around the commands, what the exit code and the answer say, and
//! that the application goes on also when a run fails or is stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod shop;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shop::Shop;

/// A shop whose hooks write what they are told to `log`, and scripts with these bodies after that.
fn shop(plan: &str, stop: &str, start: &str) -> Shop {
    let shop = Shop::new();
    let script = |name: &str, body: &str| {
        let note = "echo $1 $HOOK_OCCASION $HOOK_PLAN $HOOK_MOMENT $HOOK_OUTCOME >> \"$(dirname \"$0\")\"/log";
        shop.write(name, &format!("#!/bin/sh\n{note}\n{body}\n"));
        let done = Command::new("chmod").arg("+x").arg(shop.path(name)).status().unwrap();
        assert!(done.success());
    };
    script("stop.sh", stop);
    script("start.sh", start);
    let hooks = "[plan.shop.hooks]\nbefore_backup = [[\"./stop.sh\", \"stop\"]]\nafter_backup = [[\"./start.sh\", \"start\"]]\n\
                 before_restore = [[\"./stop.sh\", \"stop\"]]\nafter_restore = [[\"./start.sh\", \"start\"]]\n";
    shop.write("recoup.toml", &format!("[plan.shop]\n{plan}\n{hooks}"));
    shop
}

const ALL: &str = "databases = [\"shop.db\"]\ndirectories = [\"thumbs\"]\nfiles = [\"config.yml\"]";

fn log(shop: &Shop) -> Vec<String> {
    let text = fs::read_to_string(shop.path("log")).unwrap_or_default();
    text.lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn a_plan_holds_its_application_still_around_backup_and_restore() {
    let shop = shop(ALL, "", "");
    shop.run("backup").good();
    shop.sql("DELETE FROM orders");
    shop.run("restore latest --yes").good();
    assert_eq!(
        log(&shop),
        [
            "stop backup shop before",
            "start backup shop after good",
            "stop restore shop before",
            "start restore shop after good"
        ]
    );
    let told = shop.run("config print --origin").good().out;
    assert!(told.contains("before_backup") && told.contains("recoup.toml:"), "{told}");
    // Programs are meant from the folder of the configuration, not from where somebody happens to be.
    fs::create_dir(shop.path("elsewhere")).unwrap();
    let config = shop.path("recoup.toml");
    let mut command = shop.command(["--config", config.to_str().unwrap(), "backup"]);
    let output = command.current_dir(shop.path("elsewhere")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn nothing_is_made_when_the_application_cannot_be_stopped() {
    let shop = shop(ALL, "echo the queue does not drain >&2; exit 4", "");
    let told = shop.run("backup --json");
    assert_eq!((told.code, told.json()["error"]["code"].as_str().unwrap()), (1, "hook_failed"));
    assert!(told.out.contains("the queue does not drain"), "{}", told.out);
    assert_eq!(log(&shop), ["stop backup shop before", "start backup shop after failed"]);
    assert_eq!(shop.run("list --fresh 1h --quiet").code, 10);
}

#[test]
fn an_application_that_may_still_stand_is_told_whether_or_not_there_is_a_backup() {
    let shop = shop(ALL, "", "exit 5");
    let told = shop.run("backup --json");
    let json = told.json();
    assert_eq!((told.code, json["outcome"].as_str().unwrap()), (3, "warnings"));
    assert_eq!(json["warnings"][0]["code"], "not_resumed");

    // No terminal, as under cron: the error is all that anybody sees.
    fs::remove_dir_all(shop.path("thumbs")).unwrap();
    let told = shop.run("backup");
    assert_eq!(told.code, 10, "{told:?}");
    assert!(told.err.contains("may still stand"), "{told:?}");
}

/// Waits until a file is there; the child is ended when it does not come.
fn until_there(path: &std::path::Path, child: &mut Child) {
    let started = Instant::now();
    while !path.exists() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{} does not come", path.display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_backup_that_is_stopped_by_a_signal_lets_the_application_go_on() {
    // The command never ends by itself: the run is in the middle of its sources when the signal comes.
    let plan = "databases = [\"shop.db\"]\ncommands = [{ name = \"slow\", argv = [\"./slow.sh\"] }]";
    let shop = shop(plan, "", "");
    shop.write("slow.sh", "#!/bin/sh\n: > reached\nexec sleep 600\n");
    Command::new("chmod").arg("+x").arg(shop.path("slow.sh")).status().unwrap();
    let mut child = shop.command(["backup"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_there(&shop.path("reached"), &mut child);
    Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(log(&shop), ["stop backup shop before", "start backup shop after cancelled"]);
}

#[test]
fn headers_come_from_a_file_that_the_configuration_only_names() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let shop = Shop::new();
    let hook = format!("{{ http = \"http://{place}/pause\", method = \"GET\", headers_file = \"secrets\" }}");
    let plan = format!("[plan.shop]\ndatabases = [\"shop.db\"]\n[plan.shop.hooks]\nbefore_backup = [{hook}]\n");
    shop.write("recoup.toml", &plan);
    shop.write("secrets", "authorization: Bearer canary-3d1\n\nx-shop: lighthouse\n");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap() == 0 || line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        head
    });
    shop.run("backup").good();
    let head = server.join().unwrap();
    assert!(head.contains(&"authorization: Bearer canary-3d1".to_owned()), "{head:?}");
    assert!(head.contains(&"x-shop: lighthouse".to_owned()), "{head:?}");
    assert!(!shop.run("config print --origin").good().out.contains("canary"));

    shop.write("secrets", "x-shop: lighthouse\ncanary-3d1\n");
    let told = shop.run("backup");
    assert_eq!(told.code, 2, "{told:?}");
    assert!(told.err.contains("secrets:2: not a header") && !told.err.contains("canary"), "{told:?}");
    fs::remove_file(shop.path("secrets")).unwrap();
    let told = shop.run("backup");
    assert!(told.code != 0 && told.err.contains("headers of a hook"), "{told:?}");
}

#[test]
fn the_application_goes_on_only_when_what_was_restored_is_on_the_disk() {
    let shop = shop(ALL, "", "");
    shop.run("backup").good();
    shop.sql("DELETE FROM orders");
    fs::write(shop.path("thumbs/a.jpg"), "changed").unwrap();
    let trace = shop.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-e", "trace=execve,fsync,fdatasync,rename,renameat,renameat2,pwrite64,write"]);
    command.arg("-o").arg(&trace).arg(env!("CARGO_BIN_EXE_recoup")).args(["restore", "latest", "--yes"]);
    command.current_dir(shop.root()).env_clear().env("HOME", shop.root()).env("TMPDIR", std::env::temp_dir());
    let path = std::env::var_os("PATH").unwrap();
    let output = command.env("PATH", path).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let trace = fs::read_to_string(trace).unwrap();
    let calls: Vec<&str> = trace.lines().collect();
    let start = calls.iter().position(|call| call.contains("execve(") && call.contains("start.sh")).unwrap();
    // By name in a folder that is open, or by path. SQLite never syncs the `-shm` file: it is built anew after a crash
    // (sqlite.org/wal.html). The destination's records and the hook's log are not the application's.
    let root = shop.root().display().to_string();
    let live = |call: &&&str| {
        if call.contains("/shop.db-shm") {
            return false;
        }
        let path = ["/shop.db", "/thumbs", "/config.yml"].iter().any(|name| call.contains(&format!("{root}{name}")));
        path || ["\"shop.db", "\"thumbs\"", "\"config.yml\""].iter().any(|name| call.contains(name))
    };
    let changes = |call: &&&str| call.contains(" write(") || call.contains("pwrite64(") || call.contains(" rename");
    let last = |named: &str, calls: &[&str]| {
        calls.iter().rposition(|call| live(&call) && changes(&call) && call.contains(named)).unwrap()
    };
    let late: Vec<_> = calls[start..].iter().filter(live).filter(changes).collect();
    assert!(late.is_empty(), "{late:#?}");
    // The folder in which things were exchanged, and the database, are synced after their last change.
    let before = &calls[..start];
    let folder = |call: &&str| call.contains(" fsync(") && call.contains(&format!("<{root}>)"));
    for name in ["\"thumbs\"", "\"config.yml\""] {
        assert!(before[last(name, before)..].iter().any(folder), "{name}: {before:#?}");
    }
    let database = last("/shop.db", before);
    let sync = before[database..].iter().any(|call| call.contains("sync(") && call.contains("/shop.db"));
    assert!(sync, "{:#?}", &before[database..]);
}
