//! A directory on another mount, with real mounts: when the disk is not there, that is an error, and nothing is put in its
//! place. Runs as root only.
#![cfg(feature = "daemon")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod engine_kit;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine_kit::{Desk, SHOP, good, outcome};
use recoup::destination::mounted;
use recoup::engine::Actor;
use recoup::model::Outcome;

/// A folder that is mounted elsewhere; taken away when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn at(disk: &Path, point: &Path) -> Self {
        fs::create_dir_all(disk).unwrap();
        fs::create_dir_all(point).unwrap();
        let done = Command::new("mount").arg("--bind").args([disk, point]).status().unwrap();
        assert!(done.success(), "mounting needs root");
        Mounted(point.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_an_error_and_nothing_is_put_in_its_place() {
    let both =
        SHOP.replace("destinations = [\"here\"]", "destinations = [\"here\", \"./second\"]\ntest_restore = \"never\"");
    let desk = Desk::new(&both).await;
    let (disk, point) = (desk.path().join("disk"), desk.path().join("backups"));
    assert!(!point.exists(), "nothing is made before there is something to put there");
    let mounted = Mounted::at(&disk, &point);
    good(&desk.back_up("shop").await);
    assert!(point.join(".recoup-destination").is_file(), "it is marked by the first backup");
    drop(mounted);
    assert!(is_empty(&point));

    let run = desk.back_up("shop").await;
    assert_eq!(outcome(&run), (Outcome::Warnings, String::new()));
    let failed = &run.result.as_ref().unwrap()["failed"][0];
    assert_eq!(
        (failed["destination"].as_str(), failed["error"]["code"].as_str()),
        (Some("here"), Some("destination_missing"))
    );
    assert!(failed["error"]["hint"].as_str().unwrap().contains("mount the disk"), "{failed}");
    assert!(is_empty(&point), "nothing was put in its place");
    // Looking finds nothing, and forgets nothing.
    assert_eq!(desk.engine.refresh(None).await.unwrap_err().code(), "destination_missing");
    let standing = desk.engine.standing(&desk.plan("shop").await).await.unwrap();
    assert_eq!((standing[0].copies, standing[0].missing.len(), standing[1].copies), (1, 1, 2));
    let steps = desk.engine.test_destination(&Actor::daemon(), "here").await.unwrap();
    assert!(!steps[0].ok && is_empty(&point));

    // The point itself may be gone, too, and another process may look.
    fs::remove_dir(&point).unwrap();
    let desk = desk.reopened(None).await.unwrap();
    desk.clock.pass(std::time::Duration::from_secs(120));
    let waits = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(waits.error.as_ref().unwrap()["code"], "destination_missing");
    assert!(!point.exists());

    // Mounted again, it gets what it missed.
    let _mounted = Mounted::at(&disk, &point);
    good(&desk.back_up("shop").await);
    let copied = desk.engine.work("worker").await.unwrap().unwrap();
    assert_eq!(good(&copied)["copied"].as_array().unwrap().len(), 1);
    let standing = desk.engine.standing(&desk.plan("shop").await).await.unwrap();
    assert_eq!((standing[0].copies, standing[0].missing.len(), &standing[0].error), (3, 0, &None));
}

#[tokio::test]
async fn a_mount_point_that_was_used_before_the_disk_came_is_not_taken_for_it() {
    let desk = Desk::new(&format!("{SHOP}test_restore = \"never\"\n")).await;
    let (disk, point) = (desk.path().join("disk"), desk.path().join("backups"));
    // A test of the destination made the directory, and marked it, before anybody mounted anything.
    let steps = desk.engine.test_destination(&Actor::daemon(), "here").await.unwrap();
    assert!(steps.iter().all(|step| step.ok) && point.join(".recoup-destination").is_file());
    let mounted = Mounted::at(&disk, &point);
    good(&desk.back_up("shop").await);
    drop(mounted);
    assert!(point.join(".recoup-destination").is_file());
    assert_eq!(outcome(&desk.back_up("shop").await), (Outcome::Failed, "destination_missing".into()));
    // Another disk with backups of its own takes turns with the first.
    let other = desk.path().join("other");
    fs::create_dir(&other).unwrap();
    assert!(Command::new("cp").arg("-r").arg(disk.join("shop")).arg(&other).status().unwrap().success());
    let mounted = Mounted::at(&other, &point);
    good(&desk.back_up("shop").await);
    drop(mounted);
    let _mounted = Mounted::at(&disk, &point);
    good(&desk.back_up("shop").await);
}

#[tokio::test]
async fn a_directory_of_an_older_version_is_known_by_its_backups_and_marked() {
    let desk = Desk::new(SHOP).await;
    good(&desk.back_up("shop").await);
    let marker = desk.path().join("backups/.recoup-destination");
    fs::remove_file(&marker).unwrap();
    good(&desk.back_up("shop").await);
    assert!(marker.is_file());
    // Emptied by somebody who means it.
    fs::remove_dir_all(desk.path().join("backups")).unwrap();
    assert_eq!(outcome(&desk.back_up("shop").await), (Outcome::Failed, "destination_missing".into()));
    fs::create_dir(desk.path().join("backups")).unwrap();
    assert_eq!(outcome(&desk.back_up("shop").await), (Outcome::Failed, "destination_missing".into()));
    fs::write(&marker, "").unwrap();
    good(&desk.back_up("shop").await);
}

#[test]
fn a_directory_is_marked_when_it_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("a/b");
    recoup::destination::LocalDestination::open(&made, true).unwrap();
    assert!(made.join(".recoup-destination").is_file());
    let mark = mounted::mark(&made).unwrap();
    assert_eq!(mark.len(), 26);
    mounted::expect(&made, None).unwrap();
    mounted::expect(&made, Some(&mark)).unwrap();
    assert_eq!(mounted::expect(&made, Some("another")).unwrap_err().code(), "destination_missing");
    fs::remove_file(made.join(".recoup-destination")).unwrap();
    assert_eq!(mounted::expect(&made, Some(&mark)).unwrap_err().code(), "destination_missing");
    assert_ne!(mounted::mark(&made).unwrap(), mark);
    let gone = folder.path().join("gone");
    assert_eq!(mounted::expect(&gone, None).unwrap_err().code(), "destination_missing");
    assert!(!folder.path().join("gone").exists());
}
