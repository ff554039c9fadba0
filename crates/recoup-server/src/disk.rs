//! Which disk a path lies on, so that nobody takes a copy beside the data for one that survives the disk. A partition
//! counts as its disk and a mapped device as what is below it; where Linux does not say, the file system is the disk.
//! Asks the file system: not for the threads that answer requests.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The disks below a path, each with a name that means something only beside others from here.
pub type Disks = BTreeSet<String>;

/// The disks that `path` lies on; of what is not there, those of the nearest folder above it.
pub fn of(path: &Path) -> Disks {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let Some(real) = path.ancestors().find_map(|above| fs::canonicalize(above).ok()) else { return Disks::new() };
    let found = mount_of(&mounts, &real);
    let device = match &found {
        Some((_, source)) if source.starts_with("/dev/") => fs::metadata(source).ok().map(|facts| facts.rdev()),
        _ => None,
    };
    let mut disks = Disks::new();
    match device.filter(|device| *device != 0) {
        Some(device) => {
            let (major, minor) = (major_of(device), minor_of(device));
            whole(&PathBuf::from(format!("/sys/dev/block/{major}:{minor}")), &mut disks, 0);
            if disks.is_empty() {
                disks.insert(format!("{major}:{minor}"));
            }
        }
        None => {
            let name = found.map(|(number, source)| if source.contains(':') { source } else { number });
            let own = || fs::metadata(&real).map(|facts| facts.dev().to_string()).unwrap_or_default();
            disks.insert(name.unwrap_or_else(own));
        }
    }
    disks
}

/// The number and the source of the file system that is mounted nearest above `path` (proc(5), mountinfo).
fn mount_of(mounts: &str, path: &Path) -> Option<(String, String)> {
    let mut best: Option<(usize, (String, String))> = None;
    for line in mounts.lines() {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(2);
        let (number, _, point) = (before.next()?, before.next()?, unescaped(before.next()?));
        let source = unescaped(after.split(' ').nth(1)?);
        let length = point.len();
        // Of two mounts at one place the later one is seen.
        if path.starts_with(&point) && best.as_ref().is_none_or(|(known, _)| length >= *known) {
            best = Some((length, (number.to_owned(), source)));
        }
    }
    best.map(|(_, found)| found)
}

/// Spaces and the like are written as `\040`.
fn unescaped(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.filter(|_| *byte == b'\\').and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(meant) => {
                out.push(meant);
                at += 4;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Adds the whole disks below a block device of sysfs.
fn whole(device: &Path, disks: &mut Disks, depth: u8) {
    let Ok(real) = fs::canonicalize(device) else { return };
    let below: Vec<PathBuf> =
        fs::read_dir(real.join("slaves")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    if !below.is_empty() && depth < 8 {
        below.iter().for_each(|one| whole(one, disks, depth + 1));
        return;
    }
    let disk = if real.join("partition").exists() { real.parent().unwrap_or(&real) } else { &real };
    disks.insert(disk.display().to_string());
}

/// As `gnu_dev_major` does it.
fn major_of(device: u64) -> u64 {
    ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff)
}

/// As `gnu_dev_minor` does it.
fn minor_of(device: u64) -> u64 {
    (device & 0xff) | ((device >> 12) & !0xff)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /mnt/big\\040disk rw shared:2 - btrfs /dev/sdb2 rw
31 22 0:30 / /mnt/nas rw - nfs4 nas.lan:/export rw
32 22 0:31 / /mnt/nas rw - tmpfs tmpfs rw
";

    #[test]
    fn the_nearest_mount_counts_and_of_two_at_one_place_the_later() {
        let of = |path: &str| mount_of(MOUNTS, Path::new(path)).unwrap().1;
        assert_eq!(of("/srv/data"), "/dev/sda1");
        assert_eq!(of("/mnt/big disk/backups"), "/dev/sdb2");
        assert_eq!(of("/mnt/big"), "/dev/sda1");
        assert_eq!(of("/mnt/nas/x"), "tmpfs");
    }

    #[test]
    fn what_is_not_there_yet_lies_where_it_will_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let here = of(folder.path());
        assert!(!here.is_empty());
        assert_eq!(of(&folder.path().join("not/yet")), here);
    }

    #[test]
    fn memory_is_another_disk_than_the_folder_of_this_crate() {
        if Path::new("/dev/shm").is_dir() {
            assert!(of(Path::new("/dev/shm")).is_disjoint(&of(Path::new(env!("CARGO_MANIFEST_DIR")))));
        }
    }
}
