//! `recoup` under strace(1), which makes the n-th system call fail or kills there.
//!
//! Not here: which calls are worth it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use recoup_testkit::faults::{run, text};

use super::Stand;

/// A command under strace(1); its threads too.
pub fn traced(command: &Command, options: &[&str]) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq"]).args(options).arg("--").arg(command.get_program()).args(command.get_args());
    traced.current_dir(command.get_current_dir().unwrap());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}

/// A command in which the n-th call suffers `effect`.
pub fn injected(command: &Command, (syscall, nth): &(String, usize), effect: &str) -> Command {
    let expression = format!("inject={syscall}:{effect}:when={nth}");
    traced(command, &["-o", "/dev/null", "-e", &expression])
}

/// About `wanted` of all calls of these that a restore makes, evenly spread.
pub fn points(stand: &Stand, syscalls: &[&str], wanted: usize) -> Vec<(String, usize)> {
    let log = stand.beside().join("log");
    let expression = format!("trace={}", syscalls.join(","));
    let output = run(&mut traced(&stand.restore(), &["-o", log.to_str().unwrap(), "-e", &expression]));
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", text(&output));
    stand.reset();
    let log = fs::read_to_string(log).unwrap();
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    let mut all = Vec::new();
    for line in log.lines() {
        let Some((thread, call)) = line.split_once(char::is_whitespace) else { continue };
        let Some((syscall, _)) = call.trim_start().split_once('(') else { continue };
        let nth = counts.entry((thread, syscall)).or_default();
        *nth += 1;
        all.push((syscall.to_owned(), *nth));
    }
    all.sort();
    all.dedup();
    let wanted = wanted.min(all.len());
    (0..wanted).map(|i| all[i * all.len() / wanted].clone()).collect()
}
