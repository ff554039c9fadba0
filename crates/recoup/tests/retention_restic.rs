//! The same snapshots and the same policies given to restic's `forget --dry-run`: where both know a rule, both keep
//! the same set. Two differences are known: a snapshot exactly on the limit of a window is kept here and not there,
//! and newer versions of restic keep the oldest snapshot while a count is not used up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use recoup::model::BackupId;
use recoup::model::retention::{Class, Item, Policy, decide};
use recoup_testkit::faults::soak;

fn restic(root: &Path, args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("restic");
    command.args(["--repo", "repo", "--no-cache"]).args(args).current_dir(root).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("RESTIC_PASSWORD", "only a test").env("TZ", "UTC");
    let output = command.output().expect("restic, which make test installs");
    assert!(output.status.success(), "{args:?}: {output:?}");
    output.stdout
}

/// Irregular, with several a day, a hole of 25 days, and one exactly 30 days before the newest; newest first.
fn moments() -> Vec<Timestamp> {
    let newest: Timestamp = "2026-03-31T21:10:05Z".parse().unwrap();
    let mut at = newest;
    let mut moments = vec![newest, newest - SignedDuration::from_hours(30 * 24)];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for n in 0..if soak() { 214 } else { 34 } {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let minutes = match n {
            0..=9 => 200 + random % 400,
            20 => 25 * 1440,
            _ => 500 + random % 20_000,
        };
        at -= SignedDuration::from_mins(i64::try_from(minutes).unwrap());
        moments.push(at);
    }
    moments.sort_by(|a, b| b.cmp(a));
    moments
}

#[test]
fn restic_keeps_the_same_backups() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::write(root.join("file"), "the same in every snapshot").unwrap();
    restic(root, &["init"]);
    let moments = moments();
    // Each start of restic spends half a second of one core on its password; hence so few, and several at once.
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(at) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let time = at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S").to_string();
                    restic(root, &["backup", "--quiet", "--host", "one", "--time", &time, "file"]);
                }
            });
        }
    });
    let items: Vec<Item> = moments
        .iter()
        .map(|at| {
            let (id, class) = (BackupId::generate(*at), Class::Good);
            Item { id, created_at: *at, class, proven: false, damaged_since: None }
        })
        .collect();
    let (oldest, on_the_limit) = (moments[moments.len() - 1], moments[0] - SignedDuration::from_hours(30 * 24));
    let now = moments[0] + SignedDuration::from_hours(1);
    let everyday = [
        "hourly 5",
        "daily 14",
        "weekly 30",
        "yearly 1",
        "daily 7,weekly 4,monthly 12",
        "within 30d",
        "last 5,hourly 9,daily 3,weekly 2,monthly 5,yearly 1",
    ];
    let more = [
        "last 1",
        "last 7",
        "last 30",
        "hourly 20",
        "monthly 24",
        "yearly 3",
        "daily 3",
        "weekly 60",
        "within 30d,last 2",
    ];
    let more: &[&str] = if soak() { &more } else { &[] };
    for text in everyday.iter().chain(more) {
        let mut policy = Policy { every_of_recent_days: false, allow_large: true, ..Policy::default() };
        let mut args = vec!["forget".to_owned(), "--dry-run".into(), "--json".into()];
        for rule in text.split(',') {
            let (name, count) = rule.split_once(' ').unwrap();
            args.extend([format!("--keep-{name}"), count.into()]);
            let field = match name {
                "last" => &mut policy.keep_count,
                "hourly" => &mut policy.hourly,
                "daily" => &mut policy.daily,
                "weekly" => &mut policy.weekly,
                "monthly" => &mut policy.monthly,
                "yearly" => &mut policy.yearly,
                _ => &mut policy.days,
            };
            *field = count.trim_end_matches('d').parse().unwrap();
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let told: serde_json::Value = serde_json::from_slice(&restic(root, &args)).unwrap();
        assert_eq!(told.as_array().unwrap().len(), 1, "one group");
        let theirs: BTreeSet<Timestamp> = told[0]["keep"]
            .as_array()
            .unwrap()
            .iter()
            .map(|snapshot| snapshot["time"].as_str().unwrap().parse().unwrap())
            .collect();
        let decisions = decide(&policy, &items, now).unwrap();
        let kept: BTreeSet<&BackupId> = decisions.iter().filter(|d| d.keep).map(|d| &d.id).collect();
        let ours: BTreeSet<Timestamp> =
            items.iter().filter(|item| kept.contains(&item.id)).map(|item| item.created_at).collect();
        let only_theirs: Vec<&Timestamp> = theirs.difference(&ours).filter(|at| **at != oldest).collect();
        assert_eq!(only_theirs, [&oldest; 0], "{text}");
        let only_ours: Vec<&Timestamp> = ours.difference(&theirs).collect();
        let limit: &[&Timestamp] = if text.starts_with("within") { &[&on_the_limit] } else { &[] };
        assert_eq!(only_ours, limit, "{text}");
        assert!(!ours.is_empty() && ours.len() < items.len(), "{text} decides nothing");
    }
}
