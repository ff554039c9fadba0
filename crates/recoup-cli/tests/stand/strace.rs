//! The system calls of a restore, of which the tests make some fail or kill there.
//!
//! Not here: which calls are worth it.

use std::collections::BTreeMap;
use std::fs;

use recoup_testkit::faults::{run, text, traced};

use super::Stand;

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
