//! Faults from outside the process: `strace` makes the n-th system call of a child fail or kills it there,
//! and a child can be given a small file system or a umask of its own.
//!
//! A child is this test binary again, running one `#[ignore]`d test (see [`child`]). It calls [`begin`] and
//! [`end`] around the work that is to be hit. strace(1) counts calls per system call and thread, which is why
//! [`points`] lists every system call with its own numbers.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};

/// Variables by which a child is told where and what.
pub const ROOT: &str = "RECOUP_TEST_ROOT";
pub const OUTCOME: &str = "RECOUP_TEST_OUTCOME";
pub const WHAT: &str = "RECOUP_TEST_WHAT";

const BEGIN: &str = "/recoup-test-begins";
const END: &str = "/recoup-test-ends";

/// What happens at the chosen call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `kill -9` on entering the call, which is not carried out.
    Kill,
    /// The call fails with this error: `ENOSPC`, `EIO`, …
    Fail(&'static str),
}

/// One call of a child's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub syscall: String,
    /// From 1, since the start of the process.
    pub nth: usize,
}

/// This test binary again, running only the ignored test `name`, which works in `root` and writes how it went
/// to `outcome`.
pub fn child(name: &str, root: &Path, outcome: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--ignored", "--test-threads=1", "--nocapture", "--quiet"]);
    command.env(ROOT, root).env(OUTCOME, outcome);
    command
}

/// In a child: one of the variables above.
pub fn variable(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os(name).expect("run by other tests only"))
}

/// In a child: the work begins here.
pub fn begin() {
    drop(std::fs::File::open(BEGIN));
}

/// In a child: the work ends here.
pub fn end() {
    drop(std::fs::File::open(END));
}

/// Runs a command in which the `nth` call of each of `syscalls` suffers `action`.
pub fn inject(command: &mut Command, syscalls: &[&str], action: Action, nth: usize) -> ExitStatus {
    let effect = match action {
        Action::Kill => "signal=KILL".to_owned(),
        Action::Fail(error) => format!("error={error}"),
    };
    let expression = format!("inject={}:{effect}:when={nth}", syscalls.join(","));
    run(&mut traced(command, &["-o", "/dev/null", "-e", &expression])).status
}

/// How often a command calls each of `syscalls` between [`begin`] and [`end`], all together.
pub fn count(command: &mut Command, syscalls: &[&str]) -> usize {
    points(command, syscalls).len()
}

/// Every call of `syscalls` that a command makes between [`begin`] and [`end`].
pub fn points(command: &mut Command, syscalls: &[&str]) -> Vec<Point> {
    trace(command, syscalls).into_iter().map(|(point, _)| point).collect()
}

/// The same, each with the line that strace(1) shows: arguments, the paths of descriptors, the result.
pub fn trace(command: &mut Command, syscalls: &[&str]) -> Vec<(Point, String)> {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let expression = format!("trace=openat,{}", syscalls.join(","));
    let log_name = log.to_str().unwrap();
    let output = run(&mut traced(command, &["-y", "-s", "16", "-o", log_name, "-e", &expression]));
    assert!(output.status.success(), "{}", text(&output));
    let log = std::fs::read_to_string(log).unwrap();
    let worker = log.lines().find(|line| line.contains(BEGIN)).and_then(|line| line.split_whitespace().next());
    let worker = worker.expect("the child never began").to_owned();
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let mut points = Vec::new();
    let mut working = false;
    for line in log.lines() {
        let Some((pid, call)) = line.split_once(char::is_whitespace) else { continue };
        let Some((syscall, _)) = call.trim_start().split_once('(') else { continue };
        if pid != worker {
            continue;
        }
        let nth = *counts.entry(syscall).and_modify(|n| *n += 1).or_insert(1);
        if line.contains(BEGIN) {
            working = true;
        } else if line.contains(END) {
            return points;
        } else if working && syscalls.contains(&syscall) {
            points.push((Point { syscall: syscall.to_owned(), nth }, call.trim_start().to_owned()));
        }
    }
    panic!("the child never ended its work");
}

/// The same command under strace(1); its threads too.
pub fn traced(command: &Command, options: &[&str]) -> Command {
    wrap(command, &[&["strace", "-f", "-qq"], options, &["--"]].concat())
}

/// The same command in which the n-th call suffers `effect`.
pub fn injected(command: &Command, (syscall, nth): &(String, usize), effect: &str) -> Command {
    let expression = format!("inject={syscall}:{effect}:when={nth}");
    traced(command, &["-o", "/dev/null", "-e", &expression])
}

/// The same command in a mount namespace of its own, in which `at` is a tmpfs with these mount options
/// (`size=1m,nr_inodes=64`). Needs root or unprivileged user namespaces.
pub fn on_tmpfs(command: &Command, at: &Path, options: &str) -> Command {
    let script = "mount -t tmpfs -o \"$1\" none \"$0\" && shift && exec \"$@\"";
    let at = at.to_str().unwrap();
    wrap(command, &["unshare", "--map-root-user", "--mount", "sh", "-c", script, at, options])
}

/// The same command under a umask.
pub fn with_umask(command: &Command, umask: &str) -> Command {
    wrap(command, &["sh", "-c", "umask \"$0\" && exec \"$@\"", umask])
}

/// Runs a command to its end; whether it can be started is a matter of the machine and told clearly.
pub fn run(command: &mut Command) -> Output {
    let program = command.get_program().to_owned();
    command.output().unwrap_or_else(|error| panic!("{} is needed for this test: {error}", program.display()))
}

/// What a command printed, for messages of failing tests.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn wrap(command: &Command, before: &[&str]) -> Command {
    let mut words = before.iter().map(OsString::from).collect::<Vec<_>>();
    words.push(command.get_program().to_owned());
    words.extend(command.get_args().map(OsStr::to_owned));
    let mut wrapped = Command::new(&words[0]);
    wrapped.args(&words[1..]);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        wrapped.current_dir(directory);
    }
    wrapped
}

/// Whether the long versions of the tests were asked for (`SOAK=1`).
pub fn soak() -> bool {
    std::env::var_os("SOAK").is_some_and(|value| value == "1")
}

/// The most memory that this process ever held, in KiB (proc(5), `VmHWM`).
pub fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Bytes that this process has read so far, from files and otherwise (proc(5), `rchar`).
pub fn read_so_far() -> u64 {
    so_far("rchar: ")
}

/// Bytes that this process has written so far (proc(5), `wchar`).
pub fn written_so_far() -> u64 {
    so_far("wchar: ")
}

fn so_far(what: &str) -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix(what)).unwrap().parse().unwrap()
}
