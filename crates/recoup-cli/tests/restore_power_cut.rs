//! The power is cut, on a file system of its own: right after `recoup restore` reported success nothing is lost; at any
//! moment before, everything is exactly old or exactly new after the next command. The disk comes back under another
//! device number each time.
//!
//! Needs root, loop devices and the file system's mkfs; says so and does nothing where there are none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use recoup_testkit::faults::{run, soak, text};
use stand::{Judged, Kind, Stand};

/// An image of a disk, mounted.
struct Disk {
    image: PathBuf,
    other: PathBuf,
    at: PathBuf,
    rounds: usize,
}

impl Disk {
    /// `None` where file systems cannot be mounted.
    fn make(folder: &Path, make: &[&str]) -> Option<Self> {
        let disk =
            Disk { image: folder.join("image"), other: folder.join("other"), at: folder.join("disk"), rounds: 0 };
        fs::create_dir(&disk.at).unwrap();
        fs::File::create(&disk.image).unwrap().set_len(400 << 20).unwrap();
        fs::File::create(&disk.other).unwrap().set_len(1 << 20).unwrap();
        let made = Command::new(make[0]).args(&make[1..]).arg(&disk.image).output();
        let mounted = made.is_ok_and(|made| made.status.success()) && disk.try_mount();
        if !mounted {
            eprintln!("SKIPPED: power cuts need root, a loop device and {}", make[0]);
            println!("R3 skipped: power cuts need root, a loop device and {}", make[0]);
        }
        mounted.then_some(disk)
    }

    fn try_mount(&self) -> bool {
        let output = run(Command::new("mount").args(["-o", "loop"]).args([&self.image, &self.at]));
        output.status.success()
    }

    /// Who cuts the power as soon as [`cut`] tells him.
    fn cutter(&self) -> Child {
        // `FS_IOC_SHUTDOWN` without flushing the log.
        let script = "import fcntl, os, struct, sys\n\
                      disk = os.open(sys.argv[1], os.O_RDONLY)\n\
                      print('ready', flush=True)\n\
                      sys.stdin.read()\n\
                      fcntl.ioctl(disk, 0x8004587d, struct.pack('I', 2))";
        let mut command = Command::new("python3");
        command.args(["-c", script]).arg(&self.at).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cutter = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(cutter.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        cutter
    }

    /// Mounts what is on the disk after a cut.
    fn again(&mut self) {
        must(Command::new("umount").arg(&self.at));
        // The kernel lets go of the loop device a moment later; a mount in between would take the device that goes.
        while !must(Command::new("losetup").arg("--associated").arg(&self.image)).trim().is_empty() {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.rounds += 1;
        // Every other time another one takes the first free loop device.
        let other =
            (self.rounds % 2 == 1).then(|| must(Command::new("losetup").args(["--find", "--show"]).arg(&self.other)));
        must(Command::new("mount").args(["-o", "loop"]).args([&self.image, &self.at]));
        if let Some(device) = other {
            must(Command::new("losetup").args(["--detach", device.trim()]));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).output();
    }
}

fn cut(mut cutter: Child) {
    drop(cutter.stdin.take());
    assert!(cutter.wait().unwrap().success());
}

fn must(command: &mut Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Everything to restore lies on the disk, and so do the backups.
fn reset(stand: &Stand) {
    stand.reset();
    must(Command::new("sync").arg("--file-system").arg(stand.now()));
}

fn start(stand: &Stand) -> Child {
    stand.restore().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn wait_for_journal(stand: &Stand, child: &mut Child) {
    while !stand.has_begun() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

/// How long a restore takes, and how long it has a journal.
fn measure(stand: &Stand) -> [Duration; 2] {
    reset(stand);
    let started = Instant::now();
    let mut child = start(stand);
    wait_for_journal(stand, &mut child);
    let begun = Instant::now();
    while stand.has_begun() {
        std::thread::yield_now();
    }
    let with_journal = begun.elapsed();
    assert!(matches!(child.wait().unwrap().code(), Some(0 | 3)));
    [started.elapsed(), with_journal]
}

fn cut_the_power(make: &[&str]) {
    let (after, during): (usize, usize) = if soak() { (500, 500) } else { (50, 24) };
    let kinds = [Kind::InPlace, Kind::Swap, Kind::Apart, Kind::Nested];
    let (mut bad, mut old, mut new, mut begun) = (Vec::new(), 0, 0, 0);
    for kind in kinds {
        let folder = tempfile::tempdir().unwrap();
        let Some(mut disk) = Disk::make(folder.path(), make) else { return };
        let now = disk.at.join("now");
        let stand = Stand::at(kind, folder, now);
        let [normal, with_journal] = measure(&stand);
        for i in 0..after.div_ceil(kinds.len()) {
            reset(&stand);
            let cutter = disk.cutter();
            let (exit, answer) = stand.answer(&mut stand.restore());
            cut(cutter);
            disk.again();
            let what = format!("{kind:?}, cut {i} after success");
            if !matches!(exit, 0 | 3) {
                bad.push(format!("{what}: ended with {exit}: {answer:#}"));
            }
            if stand.has_begun() {
                bad.push(format!("{what}: a recovery waits"));
            }
            let next = stand.answer(&mut stand.next(i)).0;
            match stand.judge() {
                Ok(Judged::New) if matches!(next, 0 | 3) => {}
                other => bad.push(format!("{what}, the next command ended with {next}: {other:?}")),
            }
        }
        for i in 0..during / kinds.len() {
            reset(&stand);
            let part = ((i + 1) as f64 * 0.618_033_988_75).fract();
            let cutter = disk.cutter();
            let mut child = start(&stand);
            if i % 3 == 2 {
                std::thread::sleep(normal.mul_f64(part));
            } else {
                wait_for_journal(&stand, &mut child);
                std::thread::sleep(with_journal.mul_f64(part));
            }
            cut(cutter);
            let _ = child.kill();
            child.wait().unwrap();
            disk.again();
            begun += usize::from(stand.has_begun());
            let (exit, answer) = stand.answer(&mut stand.next(i));
            match stand.judge() {
                Ok(judged) if matches!(exit, 0 | 3) => *[&mut old, &mut new][judged as usize] += 1,
                other => bad.push(format!(
                    "{kind:?}, cut {i} at {part:.3}, the next command ended with {exit}: {other:?} {answer:#}"
                )),
            }
        }
    }
    let after = after.div_ceil(kinds.len()) * kinds.len();
    println!(
        "R3 trials={} bad={} ({}: {after} after success; {} during a restore, {begun} with a journal, {old} old, {new} new)",
        after + during,
        bad.len(),
        make[0],
        during
    );
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(begun > 0, "no cut met a restore that had begun");
}

#[test]
fn a_power_cut_on_ext4_loses_no_restore_that_was_reported_and_leaves_no_half_one() {
    cut_the_power(&["mkfs.ext4", "-q"]);
}

#[test]
fn a_power_cut_on_xfs_loses_no_restore_that_was_reported_and_leaves_no_half_one() {
    cut_the_power(&["mkfs.xfs", "-q", "-f"]);
}
