//! A disk that is full, or that fails, at any moment of `recoup restore`: the restore is done, or the run says so in the
//! words that are promised and the data is exactly as it was, with nothing left behind.
//!
//! Not here: kills (`restore_crash.rs`) and power cuts (`restore_power_cut.rs`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use recoup_testkit::faults::{injected, on_tmpfs, run, soak, text, traced};
use recoup_testkit::tree::tree;
use serde_json::Value;
use stand::{Judged, Kind, Stand, points};

/// What lies at the destination, besides what later runs use again.
fn backups(stand: &Stand) -> BTreeSet<String> {
    let names = tree(&stand.now().join("backups")).into_iter();
    names.filter(|name| !name.split('/').any(|part| part == ".recoup")).collect()
}

/// Why a run on a full disk did not end as it must; `None` when it did.
fn wrong(stand: &Stand, before: &BTreeSet<String>, exit: i32, answer: &Value) -> Option<String> {
    let error = &answer["error"];
    let told = [&error["message"], &error["detail"]].map(|text| text.as_str().unwrap_or_default().to_owned());
    // The answer goes to a file that may be on the full disk, too.
    let unprinted = exit != 0 && told.iter().any(|text| text.starts_with("writing the answer: "));
    let done = matches!(exit, 0 | 3) || unprinted;
    let refused = exit == 15 && told[0] == "Not enough disk space";
    let judged = stand.judge();
    let left = stand.scratch();
    if !left.is_empty() {
        return Some(format!("exit {exit}, left in the scratch directory: {left:?}"));
    }
    match judged {
        Ok(Judged::New) if done => None,
        Ok(Judged::Old) if refused && backups(stand) == *before => None,
        judged => {
            let more: Vec<String> = backups(stand).difference(before).cloned().collect();
            Some(format!("exit {exit}, {judged:?}, new at the destination {more:?}: {answer:#}"))
        }
    }
}

#[test]
fn a_disk_full_at_any_write_of_a_restore_is_told_and_changes_nothing() {
    let each = if soak() { 10_000 } else { 36 };
    let (mut trials, mut bad, mut refused) = (0, Vec::new(), 0);
    for kind in [Kind::InPlace, Kind::Swap, Kind::Apart] {
        let stand = Stand::new(kind);
        let before = backups(&stand);
        for point in points(&stand, &["write", "pwrite64", "fallocate", "mkdir", "mkdirat"], each) {
            let output = run(&mut injected(&stand.restore(), &point, "error=ENOSPC"));
            let exit = output.status.code().unwrap_or_else(|| panic!("{point:?}: {}", text(&output)));
            let answer = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            refused += usize::from(exit == 15);
            if let Some(why) = wrong(&stand, &before, exit, &answer) {
                bad.push(format!("{kind:?} {point:?}: {why}"));
            }
            stand.reset();
            trials += 1;
        }
    }
    println!("R5 trials={trials} bad={} (restore, at a write: {refused} refused)", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(trials >= 100 && refused * 2 > trials);
}

#[test]
fn a_disk_that_fails_at_any_sync_of_a_restore_is_told_and_everything_is_old_or_new() {
    let each = if soak() { 10_000 } else { 26 };
    let (mut trials, mut bad, mut failed) = (0, Vec::new(), 0);
    for kind in [Kind::InPlace, Kind::Swap, Kind::Apart] {
        let stand = Stand::new(kind);
        for point in points(&stand, &["fsync", "fdatasync", "syncfs", "sync_file_range"], each) {
            let log = stand.beside().join("log");
            let failure = format!("inject={}:error=EIO:when={}", point.0, point.1);
            let options = ["-y", "-o", log.to_str().unwrap(), "-e", "trace=fsync,fdatasync,syncfs", "-e", &failure];
            let output = run(&mut traced(&stand.restore(), &options));
            let exit = output.status.code().unwrap_or_else(|| panic!("{point:?}: {}", text(&output)));
            let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
            let at_once = stand.judge();
            let next = stand.answer(&mut stand.next(0)).0;
            let judged = stand.judge();
            failed += usize::from(!matches!(exit, 0 | 3));
            let told = answer["error"]["message"].is_string();
            // What SQLite syncs for itself it does again, or does without; ours must not fail unheard.
            let log = fs::read_to_string(&log).unwrap();
            let failed_at = log.lines().find(|line| line.contains("(INJECTED)")).unwrap_or_default();
            let ours = failed_at.contains("/backups") || failed_at.contains("/.recoup-restore");
            let noted = answer["warnings"].to_string().contains("\"not_noted\"");
            let good = match (&judged, exit) {
                (Ok(Judged::New), 0 | 3) => at_once == Ok(Judged::New) && (!ours || noted),
                (Ok(_), _) => told && !matches!(exit, 0 | 3),
                (Err(_), _) => false,
            };
            if !good || !matches!(next, 0 | 3) {
                bad.push(format!("{kind:?} {point:?} {failed_at}: exit {exit}, then {next}, {judged:?}: {answer:#}"));
            }
            stand.reset();
            trials += 1;
        }
    }
    println!("R6 trials={trials} bad={} (restore, at a sync: {failed} failed)", bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(trials >= 60 && failed * 2 > trials);
}

/// On a file system of its own at `now`: what there is, the restore, then a copy of what there is.
const ON_SMALL_DISK: &str = r#"
cp -a "$1/." . 2>/dev/null || exit 99
"$0" restore "$2" --yes --json >"$3/answer"; exit=$?
cp -a . "$3/now"
exit $exit
"#;

#[test]
fn a_disk_of_any_size_has_the_old_data_or_the_new() {
    let number = if soak() { 1000 } else { 40 };
    let stand = Stand::new(Kind::InPlace);
    let before = backups(&stand);
    let then = stand.beside().join("then");
    let output = run(Command::new("du").args(["-sk", "--apparent-size"]).arg(&then));
    let kilobytes: usize = text(&output).split_whitespace().next().unwrap().parse().unwrap();
    let (mut done, mut refused, mut bad) = (0, 0, Vec::new());
    for i in 0..number {
        let size = kilobytes + 100 + 2400 * i / number;
        let out = tempfile::tempdir().unwrap();
        let mut command = stand.recoup(&[]);
        let program = command.get_program().to_owned();
        let mut script = Command::new("sh");
        script.args(["-c", ON_SMALL_DISK]).arg(program).arg(&then).arg(&stand.id).arg(out.path());
        script.env("TMPDIR", stand.beside().join("scratch")).env("HOME", stand.beside());
        command.env_clear();
        let mounted = on_tmpfs(&in_folder(&script, &stand), stand.now(), &format!("size={size}k"));
        let output = run(&mut { mounted });
        let exit = output.status.code().unwrap();
        if exit == 99 {
            continue;
        }
        assert!(out.path().join("now").exists(), "exit {exit}: {}", text(&output));
        stand.replace_by(&out.path().join("now"));
        let answer = fs::read(out.path().join("answer")).unwrap();
        let answer = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        match wrong(&stand, &before, exit, &answer) {
            Some(why) => bad.push(format!("{size} KiB: {why}")),
            None if exit == 15 => refused += 1,
            None => done += 1,
        }
    }
    println!("R5 trials={} bad={} (restore, small disks: {done} done, {refused} refused)", done + refused, bad.len());
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(done > 0 && refused > 0, "the disks were all too small or all large enough");
}

/// The same command, begun in the folder that is mounted by then.
fn in_folder(command: &Command, stand: &Stand) -> Command {
    let mut moved = Command::new("sh");
    moved.args(["-c", "cd \"$0\" && exec \"$@\""]).arg(stand.now()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        moved.env(name, value.unwrap());
    }
    moved
}
